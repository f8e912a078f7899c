/* The table as a file: made, kept, found damaged, made anew. And the smallest replay. */
#include "tests/support/scribe.h"
#include "tests/support/temp.h"

#include "base/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char *folder;
	struct table *t;
	struct error err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->folder = temp_folder_in_memory();
	f->t = test_table(f->folder, "table");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	table_close(f->t);
	temp_folder_remove(f->folder);
	free(f);
	return 0;
}

static int reopen(struct fixture *f, uint32_t array, bool *fresh)
{
	struct id id = test_id('a', array);

	table_close(f->t);
	return table_open(temp_path(f->folder, "table"), &id, &f->t, fresh, &f->err);
}

static void apply_policy(struct fixture *f)
{
	struct scribe s;
	struct policy p = { .parity = 2, .geometry = geometry_default() };

	scribe_init(&s, 1);
	record_policy(&s.records, &p);
	scribe_apply(&s, f->t);
	scribe_release(&s);
}

static void a_table_keeps_what_was_replayed(void **state)
{
	struct fixture *f = *state;
	struct policy p;
	bool fresh;

	assert_int_equal(table_policy(f->t, &p, &f->err), ERR_NOT_FOUND);
	apply_policy(f);
	assert_int_equal(reopen(f, 1, &fresh), ERR_NONE);
	assert_false(fresh);
	assert_int_equal(table_policy(f->t, &p, &f->err), ERR_NONE);
	assert_int_equal(p.parity, 2);
}

static void a_table_of_another_array_is_made_anew(void **state)
{
	struct fixture *f = *state;
	struct policy p;
	bool fresh;

	apply_policy(f);
	assert_int_equal(reopen(f, 2, &fresh), ERR_NONE);
	assert_true(fresh);
	assert_int_equal(table_policy(f->t, &p, &f->err), ERR_NOT_FOUND);
}

static void a_table_of_another_version_is_made_anew(void **state)
{
	struct fixture *f = *state;
	sqlite3 *db;
	bool fresh;

	apply_policy(f);
	table_close(f->t);
	f->t = NULL;
	assert_int_equal(sqlite3_open(temp_path(f->folder, "table"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 999", NULL, NULL, NULL), 0);
	sqlite3_close(db);
	assert_int_equal(reopen(f, 1, &fresh), ERR_NONE);
	assert_true(fresh);
}

static void a_file_that_is_no_database_is_made_anew(void **state)
{
	struct fixture *f = *state;
	char junk[20000];
	bool fresh;

	table_close(f->t);
	f->t = NULL;
	memset(junk, 'x', sizeof(junk));
	assert_int_equal(file_store(temp_path(f->folder, "table"), junk, sizeof(junk), &f->err),
			 ERR_NONE);
	assert_int_equal(reopen(f, 1, &fresh), ERR_NONE);
	assert_true(fresh);
	apply_policy(f);
}

/* Damage anywhere: an error or the right answer, and the next open helps. */
static void damage_met_at_work_is_an_error_and_the_next_open_makes_the_table_anew(void **state)
{
	struct fixture *f = *state;
	const char *path = temp_path(f->folder, "table");
	struct policy p;
	struct stat st;
	bool fresh;
	int fd, code;

	apply_policy(f);
	table_close(f->t);
	f->t = NULL;
	assert_int_equal(stat(path, &st), 0);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	for (off_t at = 8192; at < st.st_size; at += 8192) {
		static const char junk[64] = { 0x7f, 0x7f, 0x7f, 0x7f };

		assert_int_equal(pwrite(fd, junk, sizeof(junk), at), sizeof(junk));
	}
	close(fd);
	assert_int_equal(reopen(f, 1, &fresh), ERR_NONE);
	if (!fresh) {
		code = table_check(f->t, &f->err);
		assert_int_equal(code, ERR_CORRUPT);
		assert_int_equal(table_policy(f->t, &p, &f->err), ERR_CORRUPT);
		assert_int_equal(reopen(f, 1, &fresh), ERR_NONE);
	}
	assert_true(fresh);
	assert_int_equal(table_check(f->t, &f->err), ERR_NONE);
}

static void a_wrong_count_of_what_a_drive_holds_is_damage(void **state)
{
	struct fixture *f = *state;
	sqlite3 *db;
	bool fresh;

	assert_int_equal(sqlite3_open(temp_path(f->folder, "table"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "INSERT INTO drive(uid, held_objects) VALUES(zeroblob(16), 1)",
				      NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(table_check(f->t, &f->err), ERR_CORRUPT);
	assert_int_equal(reopen(f, 1, &fresh), ERR_NONE);
	assert_true(fresh);
	assert_int_equal(table_check(f->t, &f->err), ERR_NONE);
}

static void a_table_is_readable_by_its_owner_alone(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(temp_path(f->folder, "table"), &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	assert_int_equal(stat(temp_path(f->folder, "table-wal"), &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
}

static void a_table_in_a_missing_folder_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct id id = test_id('a', 1);
	struct table *t;
	bool fresh;

	assert_int_equal(table_open(temp_path(f->folder, "no/table"), &id, &t, &fresh, &f->err),
			 ERR_NOT_FOUND);
	assert_null(t);
}

static void one_reads_while_another_writes(void **state)
{
	struct fixture *f = *state;
	struct id id = test_id('a', 1);
	struct table *reader;
	struct policy p;
	bool fresh;

	assert_int_equal(table_open(temp_path(f->folder, "table"), &id, &reader, &fresh, &f->err),
			 ERR_NONE);
	assert_false(fresh);
	assert_int_equal(table_begin(f->t, &f->err), ERR_NONE);
	apply_policy(f);
	assert_int_equal(table_policy(reader, &p, &f->err), ERR_NOT_FOUND);
	assert_int_equal(table_commit(f->t, &f->err), ERR_NONE);
	assert_int_equal(table_policy(reader, &p, &f->err), ERR_NONE);
	table_close(reader);
}

/* ---- replay ---- */

static void a_segment_is_applied_once(void **state)
{
	struct fixture *f = *state;
	struct clock clock = { 0 };
	struct scrub_record scrub = { .drive_id = test_id('d', 1), .time_s = 5, .damaged = 3 };
	struct table_drive *drives;
	struct segment made;
	struct scribe s;
	uint8_t head[16];
	size_t count;

	scribe_init(&s, 1);
	test_record_drive(&s.records, 1, "one");
	record_scrub(&s.records, &scrub);
	made = scribe_write(&s);
	for (int i = 0; i < 3; i++)
		assert_int_equal(table_apply(f->t, &made, &f->err), ERR_NONE);
	assert_int_equal(table_drives(f->t, &drives, &count, &f->err), ERR_NONE);
	assert_int_equal(count, 1);
	assert_int_equal(drives[0].damaged, 3);
	table_drives_free(drives, count);
	assert_int_equal(table_clock(f->t, &clock, &f->err), ERR_NONE);
	assert_int_equal(clock_seq(&clock, &s.id), 1);
	assert_int_equal(table_head_at(f->t, &s.id, 1, head, &f->err), ERR_NONE);
	assert_memory_equal(head, made.head.b, 16);
	assert_int_equal(table_head_at(f->t, &s.id, 2, head, &f->err), ERR_NOT_FOUND);
	clock_release(&clock);
	segment_release(&made);
	scribe_release(&s);
}

static void scrub_of(struct fixture *f, struct scribe *s, int64_t time_s, uint64_t damaged,
		     uint64_t repaired)
{
	struct scrub_record scrub = { .drive_id = test_id('d', 1),
				      .time_s = time_s,
				      .damaged = damaged,
				      .repaired = repaired,
				      .complete = true };

	record_scrub(&s->records, &scrub);
	scribe_apply(s, f->t);
}

static uint64_t unrepaired(struct fixture *f)
{
	struct table_drive *drives;
	uint64_t objects;
	size_t count;

	assert_int_equal(table_drives(f->t, &drives, &count, &f->err), ERR_NONE);
	assert_int_equal(count, 1);
	objects = drives[0].unrepaired;
	table_drives_free(drives, count);
	return objects;
}

static void only_what_the_last_scrub_of_a_drive_left_is_unrepaired(void **state)
{
	struct fixture *f = *state;
	struct scribe one, other;

	scribe_init(&one, 1);
	scribe_init(&other, 2);
	test_record_drive(&one.records, 1, "one");
	scrub_of(f, &one, 10, 3, 1);
	assert_int_equal(unrepaired(f), 2);
	scrub_of(f, &one, 20, 2, 2);
	assert_int_equal(unrepaired(f), 0);
	scrub_of(f, &other, 30, 5, 1);
	assert_int_equal(unrepaired(f), 4);
	scrub_of(f, &one, 25, 9, 0);
	assert_int_equal(unrepaired(f), 4);
	scrub_of(f, &one, 40, 0, 0);
	assert_int_equal(unrepaired(f), 0);
	scribe_release(&one);
	scribe_release(&other);
}

static void a_segment_with_an_unknown_mandatory_record_leaves_no_trace(void **state)
{
	struct fixture *f = *state;
	struct clock clock = { 0 };
	struct buf body = { 0 };
	struct segment made;
	struct policy p;
	struct scribe s;

	scribe_init(&s, 1);
	p = (struct policy){ .parity = 1, .geometry = geometry_default() };
	record_policy(&s.records, &p);
	record_add(&s.records, 1000, true, &body);
	made = scribe_write(&s);
	assert_int_equal(table_apply(f->t, &made, &f->err), ERR_UNSUPPORTED);
	assert_int_equal(table_policy(f->t, &p, &f->err), ERR_NOT_FOUND);
	assert_int_equal(table_clock(f->t, &clock, &f->err), ERR_NONE);
	assert_int_equal(clock.count, 0);
	segment_release(&made);
	scribe_release(&s);
}

static void assert_refused(struct fixture *f, struct scribe *s)
{
	struct segment made = scribe_write(s);

	assert_int_equal(table_apply(f->t, &made, &f->err), ERR_CORRUPT);
	segment_release(&made);
	s->seq--;
}

/* Sums over them must not overflow, and SQLite's numbers have a sign. */
static void numbers_too_large_are_refused(void **state)
{
	struct fixture *f = *state;
	struct scrub_record scrub = { .bytes = UINT64_MAX };
	struct group_row_record row = { .len_bytes = UINT64_MAX };
	struct content_record c = { .part = UINT64_MAX };
	struct group_record *g = calloc(1, sizeof(*g));
	struct piece_state state_of_pieces = { 0 };
	struct piece hole = { .hole = true, .hole_bytes = 1 };
	struct buf pieces = { 0 };
	struct id id = test_id('g', 1);
	struct scribe s;

	assert_non_null(g);
	scribe_init(&s, 1);
	record_scrub(&s.records, &scrub);
	assert_refused(f, &s);
	record_version(&s.records, &s.id, UINT64_MAX, 0, &s.seen);
	assert_refused(f, &s);
	piece_add(&state_of_pieces, &pieces, &hole);
	c.path = c.name = (const uint8_t *)"n";
	c.name_bytes = 1;
	c.pieces = pieces.data;
	c.pieces_bytes = pieces.len_bytes;
	record_content(&s.records, &c);
	assert_refused(f, &s);
	g->id = id;
	g->member_count = 1;
	g->members[0].len_bytes = UINT64_MAX;
	record_group(&s.records, g);
	assert_refused(f, &s);
	g->members[0].len_bytes = 1;
	record_group(&s.records, g);
	scribe_apply(&s, f->t);
	record_rows(&s.records, &id, &row, true);
	assert_refused(f, &s);
	buf_release(&pieces);
	free(g);
	scribe_release(&s);
}

static void a_segment_without_numbers_is_refused(void **state)
{
	struct fixture *f = *state;
	struct segment none = { .kind = SEGMENT_PLAIN };
	struct segment wrong = { .kind = SEGMENT_PLAIN, .first = 3, .last = 2 };

	assert_int_equal(table_apply(f->t, &none, &f->err), ERR_CORRUPT);
	assert_int_equal(table_apply(f->t, &wrong, &f->err), ERR_CORRUPT);
}

static void heads_of_compacted_segments_are_known_one_by_one(void **state)
{
	struct fixture *f = *state;
	uint8_t heads[3][16] = { { 1 }, { 2 }, { 3 } }, head[16];
	struct segment s = { .kind = SEGMENT_COMPACTED, .first = 1, .last = 3, .heads = heads };
	bool yes;

	s.writer = test_hash('w', 1);
	s.head.b[0] = 3;
	assert_int_equal(table_apply(f->t, &s, &f->err), ERR_NONE);
	for (uint8_t seq = 1; seq <= 3; seq++) {
		assert_int_equal(table_head_at(f->t, &s.writer, seq, head, &f->err), ERR_NONE);
		assert_int_equal(head[0], seq);
		assert_int_equal(table_has_head(f->t, head, &yes, &f->err), ERR_NONE);
		assert_true(yes);
	}
	head[0] = 4;
	assert_int_equal(table_has_head(f->t, head, &yes, &f->err), ERR_NONE);
	assert_false(yes);
}

static void a_failed_replay_spoils_the_callers_transaction(void **state)
{
	struct fixture *f = *state;
	struct segment made;
	struct scribe s;
	struct policy p;

	scribe_init(&s, 1);
	buf_add_u8(&s.records, 0xff);
	made = scribe_write(&s);
	assert_int_equal(table_begin(f->t, &f->err), ERR_NONE);
	apply_policy(f);
	made.writer = test_hash('w', 9);
	assert_int_equal(table_apply(f->t, &made, &f->err), ERR_CORRUPT);
	assert_int_not_equal(table_commit(f->t, &f->err), ERR_NONE);
	assert_int_equal(table_policy(f->t, &p, &f->err), ERR_NOT_FOUND);
	segment_release(&made);
	scribe_release(&s);
}

static void a_rolled_back_transaction_leaves_no_trace(void **state)
{
	struct fixture *f = *state;
	struct policy p;

	assert_int_equal(table_begin(f->t, &f->err), ERR_NONE);
	assert_int_equal(table_begin(f->t, &f->err), ERR_USAGE);
	apply_policy(f);
	table_rollback(f->t);
	assert_int_equal(table_policy(f->t, &p, &f->err), ERR_NOT_FOUND);
	assert_int_equal(table_commit(f->t, &f->err), ERR_USAGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_table_keeps_what_was_replayed),
		TEST(a_table_of_another_array_is_made_anew),
		TEST(a_table_of_another_version_is_made_anew),
		TEST(a_file_that_is_no_database_is_made_anew),
		TEST(damage_met_at_work_is_an_error_and_the_next_open_makes_the_table_anew),
		TEST(a_wrong_count_of_what_a_drive_holds_is_damage),
		TEST(a_table_is_readable_by_its_owner_alone),
		TEST(a_table_in_a_missing_folder_is_an_error),
		TEST(one_reads_while_another_writes),
		TEST(a_segment_is_applied_once),
		TEST(only_what_the_last_scrub_of_a_drive_left_is_unrepaired),
		TEST(a_segment_with_an_unknown_mandatory_record_leaves_no_trace),
		TEST(numbers_too_large_are_refused),
		TEST(a_segment_without_numbers_is_refused),
		TEST(heads_of_compacted_segments_are_known_one_by_one),
		TEST(a_failed_replay_spoils_the_callers_transaction),
		TEST(a_rolled_back_transaction_leaves_no_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
