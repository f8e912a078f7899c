/*
 * The table when its files or its memory fail, and when its bytes were damaged: an error each
 * time, the old state or the new one afterwards, and never a wrong answer taken for granted.
 */
#include "tests/support/fail_vfs.h"
#include "tests/support/noise.h"
#include "tests/support/temp.h"
#include "tests/support/whole_table.h"

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
	struct segment segments[WHOLE_SEGMENTS];
	struct hash states[WHOLE_SEGMENTS + 1]; /* fingerprints, by segments applied */
	struct error err;
};

static int open_table(struct fixture *f, struct table **t, bool *fresh)
{
	struct id id = test_id('a', 1);

	return table_open(temp_path(f->folder, "table"), &id, t, fresh, &f->err);
}

static void remove_table(struct fixture *f)
{
	unlink(temp_path(f->folder, "table"));
	unlink(temp_path(f->folder, "table-wal"));
	unlink(temp_path(f->folder, "table-shm"));
}

static void assert_applied(struct fixture *f, struct table *t, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (table_apply(t, &f->segments[i], &f->err) != ERR_NONE)
			fail_msg("%s", f->err.message);
}

/* How many segments the table shows; -1: it is in none of the states there are. */
static long state_of(struct fixture *f, struct table *t)
{
	struct hash now = test_fingerprint(t);

	for (size_t i = 0; i <= WHOLE_SEGMENTS; i++)
		if (hash_equal(&now, &f->states[i]))
			return (long)i;
	return -1;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct table *t;

	assert_non_null(f);
	f->folder = temp_folder_in_memory();
	whole_table_segments(f->segments);
	t = test_table(f->folder, "table");
	f->states[0] = test_fingerprint(t);
	for (size_t i = 0; i < WHOLE_SEGMENTS; i++) {
		assert_applied(f, t, i, i + 1);
		f->states[i + 1] = test_fingerprint(t);
	}
	assert_int_equal(whole_table_ask(t, &f->err), ERR_NONE);
	table_close(t);
	remove_table(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fail_vfs_arm(false, -1, 0);
	for (size_t i = 0; i < WHOLE_SEGMENTS; i++)
		segment_release(&f->segments[i]);
	temp_folder_remove(f->folder);
	free(f);
	return 0;
}

/* ---- files ---- */

/* Open, replay and close, with the call number n failing. What is there afterwards is a whole
 * number of segments, as many as were said to be applied. False: there are not so many calls. */
static bool fail_one_call(struct fixture *f, long n, int sqlite_code, int expected)
{
	struct table *t;
	size_t applied = 0;
	bool fresh, failed;
	int code;

	fail_vfs_arm(false, n, sqlite_code);
	code = open_table(f, &t, &fresh);
	while (code == ERR_NONE && applied < WHOLE_SEGMENTS) {
		code = table_apply(t, &f->segments[applied], &f->err);
		if (code == ERR_NONE)
			applied++;
	}
	if (code != ERR_NONE) {
		assert_int_equal(code, expected);
		assert_int_equal(f->err.code, code);
	}
	table_close(t);
	failed = fail_vfs_failed();
	fail_vfs_arm(false, -1, 0);
	assert_int_equal(open_table(f, &t, &fresh), ERR_NONE);
	assert_int_equal(table_check(t, &f->err), ERR_NONE);
	assert_int_equal(state_of(f, t), fresh ? 0 : (long)applied);
	assert_applied(f, t, 0, WHOLE_SEGMENTS);
	assert_int_equal(state_of(f, t), WHOLE_SEGMENTS);
	table_close(t);
	remove_table(f);
	return failed;
}

static void a_failed_write_leaves_whole_segments(void **state)
{
	long n = 0;

	while (fail_one_call(*state, n, SQLITE_IOERR_WRITE, ERR_IO))
		n++;
	assert_true(n > 50);
}

static void a_full_disk_leaves_whole_segments(void **state)
{
	long n = 0;

	while (fail_one_call(*state, n, SQLITE_FULL, ERR_FULL))
		n += 3;
	assert_true(n > 50);
}

/* The handle can be used again: the failed transaction was undone. */
static void a_failed_replay_can_be_repeated(void **state)
{
	struct fixture *f = *state;
	long failures = 0;

	for (long n = 0; n < 60; n++) {
		struct table *t = test_table(f->folder, "table");
		int code;

		assert_applied(f, t, 0, 1);
		fail_vfs_arm(false, n, SQLITE_FULL);
		code = table_apply(t, &f->segments[1], &f->err);
		fail_vfs_arm(false, -1, 0);
		failures += code != ERR_NONE;
		if (code != ERR_NONE)
			assert_int_equal(code, ERR_FULL);
		assert_int_equal(state_of(f, t), code == ERR_NONE ? 2 : 1);
		assert_applied(f, t, 1, WHOLE_SEGMENTS);
		assert_int_equal(state_of(f, t), WHOLE_SEGMENTS);
		table_close(t);
		remove_table(f);
	}
	assert_true(failures > 3);
}

static void a_failed_read_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct table *t = test_table(f->folder, "table");
	long failures = 0;
	bool fresh;

	assert_applied(f, t, 0, WHOLE_SEGMENTS);
	table_close(t);
	for (long n = 0; n < 80; n++) {
		int code;

		fail_vfs_arm(true, n, SQLITE_IOERR_READ);
		code = open_table(f, &t, &fresh);
		if (code == ERR_NONE)
			code = whole_table_ask(t, &f->err);
		fail_vfs_arm(true, -1, 0);
		assert_false(fresh);
		if (code != ERR_NONE)
			assert_int_equal(code, ERR_IO);
		failures += code != ERR_NONE;
		table_close(t);
	}
	assert_true(failures > 10);
	assert_int_equal(open_table(f, &t, &fresh), ERR_NONE);
	assert_false(fresh);
	assert_int_equal(state_of(f, t), WHOLE_SEGMENTS);
	table_close(t);
}

/* ---- memory ---- */

static sqlite3_mem_methods system_memory;
static long until_refusal = -1;

static bool refuse(void)
{
	return until_refusal >= 0 && until_refusal-- == 0;
}

static void *scarce_malloc(int bytes)
{
	return refuse() ? NULL : system_memory.xMalloc(bytes);
}

static void *scarce_realloc(void *p, int bytes)
{
	return refuse() ? NULL : system_memory.xRealloc(p, bytes);
}

static void scarce_memory_install(void)
{
	sqlite3_mem_methods scarce;

	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system_memory) != SQLITE_OK)
		abort();
	scarce = system_memory;
	scarce.xMalloc = scarce_malloc;
	scarce.xRealloc = scarce_realloc;
	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &scarce) != SQLITE_OK)
		abort();
}

/* One allocation of SQLite fails: at once, a little later, ... to the end. */
static void without_memory_a_replay_fails_and_can_be_repeated(void **state)
{
	struct fixture *f = *state;
	long refusals = 0, step = 0;
	bool refused;

	do {
		struct table *t = test_table(f->folder, "table");
		size_t applied = 0;
		int code = ERR_NONE;

		until_refusal = step;
		while (code == ERR_NONE && applied < WHOLE_SEGMENTS) {
			code = table_apply(t, &f->segments[applied], &f->err);
			applied += code == ERR_NONE;
		}
		refused = until_refusal < 0;
		until_refusal = -1;
		if (code != ERR_NONE)
			assert_int_equal(code, ERR_NOMEM);
		refusals += code != ERR_NONE;
		assert_int_equal(state_of(f, t), applied);
		assert_applied(f, t, applied, WHOLE_SEGMENTS);
		assert_int_equal(state_of(f, t), WHOLE_SEGMENTS);
		table_close(t);
		remove_table(f);
		step += 1 + step / 50;
	} while (refused);
	assert_true(refusals > 50);
}

static void without_memory_questions_and_opening_fail_and_nothing_is_lost(void **state)
{
	struct fixture *f = *state;
	struct table *t = test_table(f->folder, "table");
	long refusals = 0, step = 0;
	bool refused, fresh;

	assert_applied(f, t, 0, WHOLE_SEGMENTS);
	table_close(t);
	do {
		int code;

		until_refusal = step;
		code = open_table(f, &t, &fresh);
		if (code == ERR_NONE)
			code = whole_table_ask(t, &f->err);
		refused = until_refusal < 0;
		until_refusal = -1;
		if (code != ERR_NONE)
			assert_int_equal(code, ERR_NOMEM);
		refusals += code != ERR_NONE;
		assert_false(fresh);
		table_close(t);
		step += 1 + step / 50;
	} while (refused);
	assert_true(refusals > 50);
	assert_int_equal(open_table(f, &t, &fresh), ERR_NONE);
	assert_false(fresh);
	assert_int_equal(state_of(f, t), WHOLE_SEGMENTS);
	table_close(t);
}

/* ---- damage ---- */

/* Bytes of the file changed at random: whatever is asked then, an answer or an error comes, and
 * what was found damaged is made anew by the next opening. */
static void damaged_bytes_never_crash_and_never_stay(void **state)
{
	struct fixture *f = *state;
	struct noise noise = { .state = 3 };
	long errors = 0;

	for (int i = 0; i < 250; i++) {
		struct table *t = test_table(f->folder, "table");
		struct stat st;
		bool fresh;
		int fd, code;

		assert_applied(f, t, 0, WHOLE_SEGMENTS);
		table_close(t);
		fd = open(temp_path(f->folder, "table"), O_RDWR);
		assert_true(fd >= 0 && fstat(fd, &st) == 0);
		for (uint64_t k = 1 + noise_below(&noise, 40); k > 0; k--) {
			uint8_t junk = (uint8_t)noise_u64(&noise);
			off_t at = (off_t)noise_below(&noise, (uint64_t)st.st_size);

			assert_int_equal(pwrite(fd, &junk, 1, at), 1);
		}
		close(fd);
		code = open_table(f, &t, &fresh);
		assert_int_equal(code, ERR_NONE);
		code = whole_table_ask(t, &f->err);
		errors += code != ERR_NONE;
		table_apply(t, &f->segments[0], &f->err);
		table_close(t);
		if (code == ERR_CORRUPT) {
			assert_int_equal(open_table(f, &t, &fresh), ERR_NONE);
			assert_true(fresh);
			table_close(t);
		}
		remove_table(f);
	}
	assert_true(errors > 5);
}

/* Rows that SQLite finds well formed and the table cannot: every length and number that is read
 * back is checked. */
static void malformed_rows_are_damage(void **state)
{
	static const char *const changes[] = {
		"UPDATE writer SET key = x'01'",
		"UPDATE writer SET head = x'01'",
		"UPDATE head SET head = x'01'",
		"UPDATE seg SET clock = x'ff'",
		"UPDATE fact SET body = x'' WHERE type = 1",
		"UPDATE fact SET body = x'' WHERE type = 2",
		"UPDATE fact SET body = x'' WHERE type = 3",
		"UPDATE fact SET body = x'' WHERE type = 4",
		"UPDATE fact SET body = x'' WHERE type = 20",
		"UPDATE fact SET key = x'01' WHERE type = 5",
		"UPDATE fact SET key = substr(key, 1, 16) WHERE type = 21",
		"UPDATE drive SET uid = x'01' WHERE id = 1",
		"UPDATE block SET name = x'01' WHERE state = 1",
		"UPDATE contents SET list = x'ff'",
		"UPDATE member SET slot = 999 WHERE slot = 1",
		"UPDATE row SET row = 99 WHERE row = 0",
		"UPDATE grp SET uid = x'01'",
		"UPDATE superseded SET uid = x'01'",
		"UPDATE snapshot SET body = x'01' WHERE id = 1",
		"UPDATE node SET body = x'01'",
		"UPDATE node SET body = body || x'00'",
		"UPDATE path SET name = x'2f'",
		"UPDATE path SET parent = id",
		"DELETE FROM path",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct table *t = test_table(f->folder, "table");
		sqlite3 *db;
		bool fresh;

		assert_applied(f, t, 0, WHOLE_SEGMENTS);
		table_close(t);
		assert_int_equal(sqlite3_open(temp_path(f->folder, "table"), &db), SQLITE_OK);
		sqlite3_exec(db, "PRAGMA ignore_check_constraints = 1", NULL, NULL, NULL);
		assert_int_equal(sqlite3_exec(db, changes[i], NULL, NULL, NULL), SQLITE_OK);
		assert_true(sqlite3_changes(db) > 0);
		sqlite3_close(db);
		assert_int_equal(open_table(f, &t, &fresh), ERR_NONE);
		assert_false(fresh);
		if (whole_table_ask(t, &f->err) != ERR_CORRUPT)
			fail_msg("not noticed: %s", changes[i]);
		table_close(t);
		assert_int_equal(open_table(f, &t, &fresh), ERR_NONE);
		if (!fresh)
			fail_msg("not made anew: %s", changes[i]);
		table_close(t);
		remove_table(f);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_failed_write_leaves_whole_segments),
		TEST(a_full_disk_leaves_whole_segments),
		TEST(a_failed_replay_can_be_repeated),
		TEST(a_failed_read_is_an_error),
		TEST(without_memory_a_replay_fails_and_can_be_repeated),
		TEST(without_memory_questions_and_opening_fail_and_nothing_is_lost),
		TEST(malformed_rows_are_damage),
		TEST(damaged_bytes_never_crash_and_never_stay),
	};

	scarce_memory_install();
	fail_vfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
