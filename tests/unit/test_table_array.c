/* What the journals say of the array as a whole, and who wins when two writers differ. */
#include "tests/support/scribe.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	char *folder;
	struct table *t;
	struct scribe low, high; /* of lower and higher id */
	struct error err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->folder = temp_folder_in_memory();
	f->t = test_table(f->folder, "table");
	scribe_init(&f->low, 1);
	scribe_init(&f->high, 2);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	table_close(f->t);
	scribe_release(&f->low);
	scribe_release(&f->high);
	temp_folder_remove(f->folder);
	free(f);
	return 0;
}

static void set_parity(struct fixture *f, struct scribe *s, unsigned parity)
{
	struct policy p = { .parity = parity, .geometry = geometry_default() };

	record_policy(&s->records, &p);
	scribe_apply(s, f->t);
}

static unsigned parity(struct fixture *f)
{
	struct policy p;

	assert_int_equal(table_policy(f->t, &p, &f->err), ERR_NONE);
	return p.parity;
}

static void set_extra(struct fixture *f, struct scribe *s, bool extra)
{
	record_extra(&s->records, extra);
	scribe_apply(s, f->t);
}

static bool extra(struct fixture *f)
{
	struct policy p;

	assert_int_equal(table_policy(f->t, &p, &f->err), ERR_NONE);
	return p.extra;
}

static void parity_max_is_a_word_of_its_own_and_wins_until_one_has_seen_both(void **state)
{
	struct fixture *f = *state;

	set_parity(f, &f->low, 2);
	assert_false(extra(f));
	set_extra(f, &f->low, true);
	set_extra(f, &f->high, false);
	assert_true(extra(f));
	assert_int_equal(parity(f), 2);
	scribe_pull(&f->high, &f->low);
	set_extra(f, &f->high, false);
	assert_false(extra(f));
	assert_int_equal(parity(f), 2);
}

static void of_two_policies_the_larger_parity_wins_until_one_has_seen_both(void **state)
{
	struct fixture *f = *state;

	set_parity(f, &f->low, 3);
	set_parity(f, &f->high, 1);
	assert_int_equal(parity(f), 3);
	scribe_pull(&f->high, &f->low);
	set_parity(f, &f->high, 2);
	assert_int_equal(parity(f), 2);
}

struct drives {
	struct table_drive *list;
	size_t count;
};

static struct drives drives(struct fixture *f)
{
	struct drives d;

	assert_int_equal(table_drives(f->t, &d.list, &d.count, &f->err), ERR_NONE);
	return d;
}

static const struct table_drive *named(const struct drives *d, const char *name)
{
	for (size_t i = 0; i < d->count; i++)
		if (strcmp(d->list[i].record.name, name) == 0)
			return &d->list[i];
	fail_msg("no drive %s", name);
	return NULL;
}

static void two_drives_of_one_name_are_told_apart(void **state)
{
	struct fixture *f = *state;
	const char *longest = "abcdefghijklmnopqrstuvwxyz012345";
	struct id first = test_id('d', 1);
	struct drives d;

	test_record_drive(&f->low.records, 2, "disk");
	test_record_drive(&f->low.records, 4, longest);
	scribe_apply(&f->low, f->t);
	test_record_drive(&f->high.records, 1, "disk");
	test_record_drive(&f->high.records, 3, "disk-2");
	test_record_drive(&f->high.records, 5, longest);
	scribe_apply(&f->high, f->t);
	d = drives(f);
	assert_int_equal(d.count, 5);
	assert_true(id_equal(&named(&d, "disk")->record.id, &first));
	named(&d, "disk-2");
	named(&d, "disk-2-2");
	named(&d, longest);
	named(&d, "abcdefghijklmnopqrstuvwxyz0123-2");
	table_drives_free(d.list, d.count);
}

static void a_drive_that_is_gone_gives_way_to_one_in_use(void **state)
{
	struct fixture *f = *state;
	struct drive_record gone = { .id = test_id('d', 1),
				     .name = "disk",
				     .state = DRIVE_REMOVED };
	struct id in_use = test_id('d', 2);
	struct drives d;

	record_drive(&f->low.records, &gone);
	test_record_drive(&f->low.records, 2, "disk");
	scribe_apply(&f->low, f->t);
	d = drives(f);
	assert_true(id_equal(&named(&d, "disk")->record.id, &in_use));
	assert_int_equal(named(&d, "disk-2")->record.state, DRIVE_REMOVED);
	table_drives_free(d.list, d.count);
}

static void a_drive_tells_its_url_its_use_and_its_scrubs(void **state)
{
	struct fixture *f = *state;
	struct scrub_record scrub = { .drive_id = test_id('d', 1), .time_s = 50 };
	struct id one = test_id('d', 1);
	uint32_t chunk = 1, block = 1, row_drive = 1;
	struct drives d;

	test_record_drive(&f->low.records, 1, "one");
	test_record_drive(&f->low.records, 2, "two");
	record_access(&f->low.records, &one, "sftp://host/x", "{\"a\":1}");
	test_record_block(&f->low.records, 1, 1, &chunk, 1);
	test_record_group(&f->low.records, 1, &block, 1, &row_drive, 1, NULL, 0);
	scrub.damaged = 3;
	scrub.repaired = 2;
	scrub.complete = true;
	record_scrub(&f->low.records, &scrub);
	scribe_apply(&f->low, f->t);
	scrub.time_s = 70;
	scrub.complete = false; /* damage met while reading */
	record_scrub(&f->high.records, &scrub);
	scribe_apply(&f->high, f->t);
	d = drives(f);
	assert_string_equal(d.list[0].record.name, "one");
	assert_string_equal(d.list[0].url, "sftp://host/x");
	assert_string_equal(d.list[0].options_json, "{\"a\":1}");
	assert_int_equal(d.list[0].objects, 2);
	assert_int_equal(d.list[0].used_bytes, 4196 + 5000);
	assert_int_equal(d.list[0].last_scrub_s, 50);
	assert_int_equal(d.list[0].damaged, 6);
	assert_int_equal(d.list[0].repaired, 4);
	assert_string_equal(d.list[1].url, "");
	assert_int_equal(d.list[1].objects, 0);
	table_drives_free(d.list, d.count);
}

/* Of one second: the order of a writer's records tells which was first. */
static void a_complete_scrub_ends_what_shares_before_it_left_and_none_after_it(void **state)
{
	static const unsigned cases[][3] = { { 0, 1, 0 }, { 1, 0, 3 }, { 0, 0, 3 }, { 1, 1, 0 } };
	struct fixture *f = *state;

	test_record_drive(&f->low.records, 1, "one");
	for (unsigned i = 0; i < 4; i++) {
		struct scrub_record scrub = { .drive_id = test_id('d', 1), .time_s = 100 + i };
		struct drives d;

		for (unsigned n = 0; n < 2; n++) {
			scrub.complete = cases[i][n] == 1;
			scrub.damaged = scrub.complete ? 0 : 3;
			record_scrub(&f->low.records, &scrub);
		}
		scribe_apply(&f->low, f->t);
		d = drives(f);
		assert_int_equal(d.list[0].unrepaired, cases[i][2]);
		table_drives_free(d.list, d.count);
	}
}

static int count_removed(void *ctx, const struct id *id, bool present, struct error *err)
{
	unsigned *count = ctx;

	(void)id, (void)err;
	if (!present)
		(*count)++;
	return ERR_NONE;
}

static unsigned removed_slots(struct fixture *f)
{
	unsigned count = 0;

	assert_int_equal(table_slots(f->t, count_removed, &count, &f->err), ERR_NONE);
	return count;
}

static void a_slot_removed_by_one_and_confirmed_by_another_is_removed(void **state)
{
	struct fixture *f = *state;
	struct id one = test_id('k', 1), two = test_id('k', 2);

	record_slot(&f->low.records, &one, true);
	record_slot(&f->low.records, &two, true);
	scribe_apply(&f->low, f->t);
	assert_int_equal(removed_slots(f), 0);
	record_slot(&f->low.records, &one, false);
	scribe_apply(&f->low, f->t);
	record_slot(&f->high.records, &one, true);
	scribe_apply(&f->high, f->t);
	assert_int_equal(removed_slots(f), 1);
}

/* ---- manifests ---- */

static void snapshot(struct fixture *f, uint32_t number, uint32_t base, uint32_t put)
{
	struct buf *out = &f->low.records;
	struct node file = test_node(NODE_FILE, number), folder = test_node(NODE_FOLDER, 0);
	struct id id = test_id('n', number);
	struct folder_writer w = { 0 };

	test_record_snapshot(out, number, 1, base, put);
	if (base)
		folder_writer_remove(&w, "gone", 4);
	else
		folder_writer_add(&w, "gone", 4, &folder);
	folder_writer_add(&w, "file", 4, &file);
	folder_writer_finish(&w, &id, "", 0, out);
	folder_writer_release(&w);
	record_commit(out, &id);
	scribe_apply(&f->low, f->t);
}

/* The types of the records, in order. */
static void unmanifested(struct fixture *f, const struct scribe *s, char types[64])
{
	struct buf records = { 0 };
	struct reader r, body;
	uint64_t type;
	bool mandatory;
	size_t count = 0;

	assert_int_equal(table_unmanifested(f->t, &s->id, &records, &f->err), ERR_NONE);
	assert_int_equal(records_check(records.data, records.len_bytes, &f->err), ERR_NONE);
	r = reader_of(records.data, records.len_bytes);
	while (record_next(&r, &type, &mandatory, &body) && count < 63)
		types[count++] = type == RECORD_SNAPSHOT ? 's'
				 : type == RECORD_FOLDER ? 'f'
				 : type == RECORD_COMMIT ? 'c'
							 : '?';
	types[count] = '\0';
	buf_release(&records);
}

static void snapshots_without_blocks_wait_for_the_next_manifest(void **state)
{
	struct fixture *f = *state;
	char types[64];

	unmanifested(f, &f->low, types);
	assert_string_equal(types, "");
	snapshot(f, 1, 0, 0);
	snapshot(f, 2, 1, 0);
	unmanifested(f, &f->low, types);
	assert_string_equal(types, "sfcsfc");
	unmanifested(f, &f->high, types);
	assert_string_equal(types, "");
	snapshot(f, 3, 2, 1);
	unmanifested(f, &f->low, types);
	assert_string_equal(types, "");
	snapshot(f, 4, 3, 0);
	unmanifested(f, &f->low, types);
	assert_string_equal(types, "sfc");
}

/* What waits for a manifest says the same as what was replayed. */
static void unmanifested_records_replay_to_the_same_snapshots(void **state)
{
	struct fixture *f = *state;
	struct table *other = test_table(f->folder, "other");
	struct id series = test_id('s', 1);
	struct table_snapshot snap;
	struct scribe s;
	struct node n;

	snapshot(f, 1, 0, 0);
	snapshot(f, 2, 1, 0);
	scribe_init(&s, 1);
	s.seq = 1; /* both in the second segment of their writer */
	assert_int_equal(table_unmanifested(f->t, &f->low.id, &s.records, &f->err), ERR_NONE);
	scribe_apply(&s, other);
	assert_int_equal(table_latest(other, &series, &snap, &f->err), ERR_NONE);
	assert_int_equal(table_node(other, &snap, "/file", 5, &n, &f->err), ERR_NONE);
	assert_int_equal(n.size_bytes, 2);
	assert_int_equal(table_node(other, &snap, "/gone", 5, &n, &f->err), ERR_NOT_FOUND);
	table_snapshot_release(&snap);
	scribe_release(&s);
	table_close(other);
}

static void every_kind_of_fact_changes_the_fingerprint(void **state)
{
	struct fixture *f = *state;
	struct id id = test_id('x', 1);
	uint32_t chunk = 1, block = 1, row_drive = 1;
	struct hash last = test_fingerprint(f->t);
	struct series_record series = { .id = id, .name = "n", .host = "h" };
	struct scrub_record scrub = { .drive_id = id };

	for (int i = 0; i < 12; i++) {
		struct buf *out = &f->low.records;
		struct hash now;

		switch (i) {
		case 0:
			test_record_drive(out, 1, "one");
			break;
		case 1:
			record_access(out, &id, "u", "");
			break;
		case 2:
			record_series(out, &series);
			break;
		case 3:
			record_intent(out, &id, 1);
			break;
		case 4:
			test_record_block(out, 1, 1, &chunk, 1);
			break;
		case 5:
			test_record_inline(out, 2, &chunk, 1);
			break;
		case 6:
			test_record_group(out, 1, &block, 1, &row_drive, 1, NULL, 0);
			break;
		case 7:
			record_id(out, RECORD_ACK, &id);
			break;
		case 8:
			record_retire(out, &f->high.id);
			break;
		case 9:
			record_scrub(out, &scrub);
			break;
		case 10:
			test_record_snapshot(out, 1, 1, 0, 0);
			break;
		default:
			record_garbage(out, &id, "a/b", false);
		}
		scribe_apply(&f->low, f->t);
		now = test_fingerprint(f->t);
		assert_memory_not_equal(last.b, now.b, HASH_BYTES);
		last = now;
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(parity_max_is_a_word_of_its_own_and_wins_until_one_has_seen_both),
		TEST(of_two_policies_the_larger_parity_wins_until_one_has_seen_both),
		TEST(two_drives_of_one_name_are_told_apart),
		TEST(a_drive_that_is_gone_gives_way_to_one_in_use),
		TEST(a_drive_tells_its_url_its_use_and_its_scrubs),
		TEST(a_complete_scrub_ends_what_shares_before_it_left_and_none_after_it),
		TEST(a_slot_removed_by_one_and_confirmed_by_another_is_removed),
		TEST(snapshots_without_blocks_wait_for_the_next_manifest),
		TEST(unmanifested_records_replay_to_the_same_snapshots),
		TEST(every_kind_of_fact_changes_the_fingerprint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
