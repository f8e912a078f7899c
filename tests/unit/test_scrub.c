/*
 * Scrub, in process: what deep checks find that no hash tells, and what is remembered of a scrub
 * that does not come to its end.
 */
#include "tests/support/fault_drive.h"
#include "tests/support/tiny.h"

#include "array/object.h"
#include "base/stop.h"
#include "block/block.h"
#include "care/idlist.h"
#include "care/scrub.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define DRIVES 5
#define PARITY 2

struct fixture {
	struct tiny t;
	struct array *a;
	struct table_group *group;
	struct scrub_result r;
	struct error err;
	struct drive *faults[DRIVES]; /* of the array that is open, once its drives are watched */
	/* What the hook does. */
	unsigned stop_after, sleep_ms;
	atomic_uint gets, journal_puts;
	atomic_bool told_meanwhile; /* the journal was written between two reads */
};

static void watch(void *ctx, enum fault_calls call, const char *name)
{
	struct fixture *f = ctx;
	struct timespec pause = { .tv_nsec = (long)f->sleep_ms * 1000000 };
	bool object = strncmp(name, "blocks/", 7) == 0 || strncmp(name, "parity/", 7) == 0;

	if (call == FAULT_PUT && strncmp(name, "journal/", 8) == 0)
		f->journal_puts++;
	if (call != FAULT_GET || !object)
		return;
	if (f->journal_puts > 0)
		f->told_meanwhile = true;
	if (f->sleep_ms > 0)
		nanosleep(&pause, NULL);
	if (++f->gets == f->stop_after)
		stop_request(SIGINT);
}

static struct drive *wrap(void *ctx, unsigned i, struct drive *inner)
{
	struct drive *d = fault_drive_new(inner);
	struct fixture *f = ctx;

	if (d)
		fault_set_hook(d, watch, ctx);
	f->faults[i] = d;
	return d;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->group = malloc(sizeof(*f->group));
	assert_non_null(f->group);
	tiny_init(&f->t, DRIVES, PARITY, DRIVES);
	tiny_file(&f->t, 0, 60000, 1, false);
	assert_int_equal(tiny_open(&f->t, true, &f->a, &f->err), ERR_NONE);
	assert_int_equal(tiny_put(&f->t, f->a, NULL, &f->err), ERR_NONE);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	array_close(f->a);
	tiny_release(&f->t);
	free(f->group);
	free(f);
	return 0;
}

/* Opens the array anew, its drives watched. */
static void reopen_watched(struct fixture *f)
{
	array_close(f->a);
	f->t.wrap = wrap;
	f->t.wrap_ctx = f;
	assert_int_equal(tiny_open(&f->t, true, &f->a, &f->err), ERR_NONE);
	f->a->options.threads = 1; /* on any machine */
	f->journal_puts = 0;
}

static int run(struct fixture *f, const struct scrub_options *o)
{
	return scrub(f->a, o, &f->r, &f->err);
}

static void scrub_deep(struct fixture *f, bool repair)
{
	const struct scrub_options o = { .repair = repair, .deep = true, .grace_s = 86400 };

	assert_int_equal(run(f, &o), ERR_NONE);
}

static uint64_t never_verified(struct fixture *f)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < f->a->count; i++) {
		struct table_verification v;

		assert_int_equal(table_verification(f->a->table, &f->a->drives[i].id, 0, INT64_MAX,
						    &v, &f->err), ERR_NONE);
		sum += v.never_objects;
	}
	return sum;
}

static void commit(struct fixture *f, struct buf *records)
{
	assert_int_equal(array_commit(f->a, records, NULL, &f->err), ERR_NONE);
	buf_release(records);
}

/* ---- rows ---- */

/* A group of that many members. */
static void find_group(struct fixture *f, unsigned members)
{
	struct id_list ids = { 0 };
	bool found = false;

	assert_int_equal(table_groups(f->a->table, id_list_add, &ids, &f->err), ERR_NONE);
	for (size_t i = 0; i < ids.count && !found; i++) {
		assert_int_equal(table_group(f->a->table, &ids.ids[i], f->group, &f->err),
				 ERR_NONE);
		found = f->group->member_count == members;
	}
	assert_true(found);
	id_list_release(&ids);
}

/* Row i of the group becomes other bytes, whose name the journal says. at: which byte, from the end
 * when negative. */
static void forge_row(struct fixture *f, unsigned i, long at, char name[OBJECT_NAME_MAX + 1])
{
	struct group_row_record row = f->group->rows[i];
	struct array_drive *d = array_drive_by_id(f->a, &row.drive_id);
	struct buf bytes = { 0 }, records = { 0 };
	char old[OBJECT_NAME_MAX + 1];

	object_name_row(&row.name, old);
	assert_int_equal(object_get(d->handle, old, 1 << 20, &bytes, &f->err), ERR_NONE);
	bytes.data[at < 0 ? (size_t)((long)bytes.len_bytes + at) : (size_t)at] ^= 1;
	row.name = sha256(bytes.data, bytes.len_bytes);
	object_name_row(&row.name, name);
	assert_int_equal(object_put(d->handle, name, bytes.data, bytes.len_bytes, &f->err),
			 ERR_NONE);
	assert_int_equal(d->handle->driver->remove(d->handle, old, &f->err), ERR_NONE);
	record_rows(&records, &f->group->id, &row, true);
	commit(f, &records);
	buf_release(&bytes);
}

static bool lies_on(struct fixture *f, unsigned i, const char *name)
{
	struct drive *h = array_drive_by_id(f->a, &f->group->rows[i].drive_id)->handle;
	struct object_stat st;

	return h->driver->stat(h, name, &st, &f->err) == ERR_NONE;
}

static int count_object(void *ctx, const char *name, uint64_t len_bytes)
{
	(void)name, (void)len_bytes;
	++*(unsigned *)ctx;
	return 0;
}

static unsigned in_quarantine(struct fixture *f, unsigned i)
{
	struct drive *h = array_drive_by_id(f->a, &f->group->rows[i].drive_id)->handle;
	unsigned count = 0;

	assert_int_equal(h->driver->list(h, "quarantine/", count_object, &count, &f->err), ERR_NONE);
	return count;
}

static void a_deep_scrub_of_what_is_well_finds_nothing(void **state)
{
	struct fixture *f = *state;

	f->a->options.threads = 4;
	scrub_deep(f, true);
	assert_int_equal(f->r.damaged, 0);
	assert_true(f->r.rows_compared > 2);
	assert_int_equal(f->r.rows_alone, 0);
	assert_int_equal(never_verified(f), 0);
}

static void wrong_row_is_made_anew(struct fixture *f, long at)
{
	const struct scrub_options plain = { .repair = true, .grace_s = 86400 };
	char wrong[OBJECT_NAME_MAX + 1], right[OBJECT_NAME_MAX + 1];
	struct hash before;

	find_group(f, DRIVES - PARITY);
	before = f->group->rows[1].name;
	object_name_row(&before, right);
	forge_row(f, 1, at, wrong);
	assert_int_equal(run(f, &plain), ERR_NONE);
	assert_int_equal(f->r.damaged, 0); /* its hash is right */
	scrub_deep(f, false);
	assert_int_equal(f->r.wrong_rows, 1);
	assert_int_equal(f->r.damaged, 1);
	assert_int_equal(f->r.repaired, 0);
	assert_true(lies_on(f, 1, wrong));
	scrub_deep(f, true);
	assert_int_equal(f->r.wrong_rows, 1);
	assert_int_equal(f->r.damaged, 1);
	assert_int_equal(f->r.repaired, 1);
	assert_true(lies_on(f, 1, right));
	assert_false(lies_on(f, 1, wrong));
	assert_int_equal(in_quarantine(f, 1), 1);
	assert_int_equal(table_group(f->a->table, &f->group->id, f->group, &f->err), ERR_NONE);
	assert_true(hash_equal(&f->group->rows[1].name, &before));
	scrub_deep(f, true);
	assert_int_equal(f->r.damaged, 0);
	assert_true(tiny_check(&f->t, f->a, 0));
}

static void a_row_with_wrong_coded_bytes_is_made_anew(void **state)
{
	wrong_row_is_made_anew(*state, 5);
}

static void a_row_with_a_wrong_descriptor_is_made_anew(void **state)
{
	wrong_row_is_made_anew(*state, -60);
}

static void rows_whose_members_are_away_are_counted_and_not_judged(void **state)
{
	struct fixture *f = *state;
	char wrong[OBJECT_NAME_MAX + 1];

	find_group(f, DRIVES - PARITY);
	forge_row(f, 1, 5, wrong);
	for (unsigned i = 0; i < DRIVES; i++) {
		if (id_equal(&f->a->drives[i].id, &f->group->members[0].drive_id))
			f->t.absent |= 1u << i;
	}
	array_close(f->a);
	assert_int_equal(tiny_open(&f->t, true, &f->a, &f->err), ERR_NONE);
	scrub_deep(f, true);
	assert_int_equal(f->r.damaged, 0);
	assert_true(f->r.rows_alone >= 2);
}

static void a_damaged_member_is_repaired_before_rows_are_judged(void **state)
{
	struct fixture *f = *state;
	struct array_drive *d;
	char name[OBJECT_NAME_MAX + 1];

	find_group(f, DRIVES - PARITY);
	d = array_drive_by_id(f->a, &f->group->members[0].drive_id);
	object_name_block(&f->group->members[0].name, name);
	tiny_overwrite(d->handle, name, "bad", 3);
	scrub_deep(f, false);
	assert_int_equal(f->r.damaged, 1);
	assert_int_equal(f->r.wrong_rows, 0);
	assert_true(f->r.rows_alone >= 2);
	scrub_deep(f, true);
	assert_int_equal(f->r.damaged, 1);
	assert_int_equal(f->r.repaired, 1);
	assert_int_equal(f->r.wrong_rows, 0);
	assert_int_equal(f->r.rows_alone, 0);
	assert_int_equal(never_verified(f), 0);
}

/* ---- blocks ---- */

/* WRONG_LIST: the journal's; WRONG_OWN_LIST: the block's, while the journal's is right. */
enum forgery { WRONG_CHUNK_ID, WRONG_BYTE, WRONG_LIST, WRONG_OWN_LIST, WRONG_UID, RIGHT };

/* A block on drive 0 that no group protects, with a frame of one chunk. */
static void forge_block(struct fixture *f, enum forgery forgery)
{
	struct contents_chunk chunk = { .len_bytes = 100 };
	struct frame_plan plan = { .packed_bytes = 100, .plain_bytes = 100, .method = FRAME_RAW,
				   .chunks = &chunk, .chunk_count = 1 };
	struct array_drive *d = &f->a->drives[0];
	struct block_writer *w;
	struct block_record b = { .drive_id = d->id };
	struct buf bytes = { 0 }, records = { 0 };
	struct frame_place place;
	uint8_t packed[100] = { 1, 2, 3 };
	char name[OBJECT_NAME_MAX + 1];
	const uint8_t *finished;
	size_t len;

	chunk.id = chunk_id(f->a->keys, packed, sizeof(packed));
	chunk.id.b[0] ^= forgery == WRONG_CHUNK_ID || forgery == WRONG_OWN_LIST;
	assert_int_equal(block_writer_new(f->a->keys, &f->a->policy.geometry,
					  f->a->policy.geometry.block_bytes, &w, &f->err), ERR_NONE);
	assert_int_equal(block_writer_reserve(w, &plan, &place, &f->err), ERR_NONE);
	assert_int_equal(block_writer_seal(w, &place, packed, &f->err), ERR_NONE);
	assert_int_equal(block_writer_finish(w, &finished, &len, &b.name, &f->err), ERR_NONE);
	buf_add(&bytes, finished, len);
	assert_int_equal(block_open_contents(f->a->keys, bytes.data, len, &b.uid, &b.epoch,
					     &b.contents, &f->err), ERR_NONE);
	bytes.data[HEADER_BYTES + 50] ^= forgery == WRONG_BYTE;
	b.contents.chunks[0].id.b[0] ^= forgery == WRONG_LIST || forgery == WRONG_OWN_LIST;
	b.uid.b[0] ^= forgery == WRONG_UID;
	b.name = sha256(bytes.data, len);
	b.len_bytes = len;
	object_name_block(&b.name, name);
	assert_int_equal(object_put(d->handle, name, bytes.data, len, &f->err), ERR_NONE);
	record_block(&records, &b);
	commit(f, &records);
	contents_release(&b.contents);
	buf_release(&bytes);
	block_writer_free(w);
}

static void what_does_not_open_is_told_and_never_repaired(void **state)
{
	struct fixture *f = *state;
	const struct scrub_options plain = { .repair = true, .grace_s = 86400 };

	for (int forgery = WRONG_CHUNK_ID; forgery < RIGHT; forgery++) {
		forge_block(f, (enum forgery)forgery);
		scrub_deep(f, true);
		assert_int_equal(f->r.unopened, 1);
		assert_int_equal(f->r.damaged, 1);
		assert_int_equal(f->r.repaired, 0);
		assert_int_equal(f->r.lost_blocks, 0);
		assert_non_null(strstr(f->t.warning, "does not open"));
		assert_int_equal(never_verified(f), 1);
		/* Its hash is right: a plain scrub has nothing to say. */
		assert_int_equal(run(f, &plain), ERR_NONE);
		assert_int_equal(f->r.damaged, 0);
		teardown(state);
		setup(state);
		f = *state;
	}
	forge_block(f, RIGHT);
	scrub_deep(f, true);
	assert_int_equal(f->r.damaged, 0);
}

/* ---- scrubs that do not come to their end ---- */

static void an_interrupted_scrub_keeps_what_it_verified(void **state)
{
	struct fixture *f = *state;
	const struct scrub_options o = { .repair = true, .grace_s = 86400 };
	uint64_t all = never_verified(f), left;

	reopen_watched(f);
	f->stop_after = 7;
	assert_int_equal(run(f, &o), ERR_INTERRUPTED);
	stop_request(0);
	left = never_verified(f);
	assert_true(left < all && left > 0);
	f->gets = 0;
	f->stop_after = 0;
	assert_int_equal(run(f, &o), ERR_NONE);
	assert_int_equal(never_verified(f), 0);
}

static void a_scrub_without_repair_remembers_nothing(void **state)
{
	struct fixture *f = *state;
	const struct scrub_options o = { .repair = false, .grace_s = 86400 };
	uint64_t all = never_verified(f);

	assert_int_equal(run(f, &o), ERR_NONE);
	assert_int_equal(f->r.damaged, 0);
	assert_int_equal(never_verified(f), all);
}

/* So one that is killed has lost little. */
static void what_is_whole_is_told_now_and_then(void **state)
{
	struct fixture *f = *state;
	struct scrub_options o = { .repair = true, .grace_s = 86400 };

	reopen_watched(f);
	f->sleep_ms = 60;
	assert_int_equal(run(f, &o), ERR_NONE);
	assert_false(f->told_meanwhile);
	f->journal_puts = 0;
	o.remember_s = 1;
	assert_int_equal(run(f, &o), ERR_NONE);
	assert_true(f->told_meanwhile);
	assert_int_equal(never_verified(f), 0);
}

static void when_time_is_up_what_was_verified_is_kept(void **state)
{
	struct fixture *f = *state;
	struct scrub_options o = { .repair = true, .grace_s = 86400, .has_max_time = true };
	uint64_t all = never_verified(f), left;

	assert_int_equal(run(f, &o), ERR_NONE);
	assert_true(f->r.out_of_time);
	assert_int_equal(f->r.left, all);
	assert_int_equal(never_verified(f), all);
	reopen_watched(f);
	f->sleep_ms = 150;
	o.max_time_s = 1;
	assert_int_equal(run(f, &o), ERR_NONE);
	left = never_verified(f);
	assert_true(f->r.out_of_time);
	assert_true(left < all && left > 0);
	assert_int_equal(f->r.left, left);
	for (unsigned i = 0; i < f->a->count; i++) { /* each drive had its part */
		struct table_verification v;

		assert_int_equal(table_verification(f->a->table, &f->a->drives[i].id, 0, INT64_MAX,
						    &v, &f->err), ERR_NONE);
		assert_true(v.never_objects > 0 && v.never_objects < v.objects);
	}
	assert_int_equal(f->a->drives[0].last_scrub_s, 0);
	f->sleep_ms = 0;
	o.max_time_s = 600;
	assert_int_equal(run(f, &o), ERR_NONE);
	assert_false(f->r.out_of_time);
	assert_int_equal(f->r.left, 0);
	assert_int_equal(array_refresh(f->a, &f->err), ERR_NONE);
	assert_true(f->a->drives[0].last_scrub_s > 0);
}

/* ---- drives that refuse ---- */

static void hide_marker(struct fixture *f)
{
	const struct fault_rule refused = { .calls = FAULT_STAT | FAULT_GET, .prefix = MARKER_NAME,
					    .for_ever = true, .code = ERR_DENIED };

	reopen_watched(f);
	fault_add(f->faults[0], &refused);
}

static void a_marker_that_may_not_be_read_is_no_damaged_one_and_stays(void **state)
{
	struct fixture *f = *state;
	const struct scrub_options o = { .repair = true, .grace_s = 86400 };
	struct object_stat before, after;
	struct drive *inside;

	hide_marker(f);
	inside = fault_inner(f->faults[0]);
	assert_int_equal(inside->driver->stat(inside, MARKER_NAME, &before, &f->err), ERR_NONE);
	f->t.warning[0] = '\0';
	assert_int_equal(run(f, &o), ERR_NONE);
	assert_non_null(strstr(f->t.warning, MARKER_NAME));
	assert_null(strstr(f->t.warning, "damaged or missing"));
	assert_int_equal(f->r.damaged, 1);
	assert_int_equal(f->r.repaired, 0);
	assert_int_equal(f->r.drives[0].unread, 1);
	assert_int_equal(fault_count(f->faults[0], FAULT_MOVE), 0);
	assert_int_equal(inside->driver->stat(inside, MARKER_NAME, &after, &f->err), ERR_NONE);
	assert_int_equal(before.len_bytes, after.len_bytes);
}

static void with_no_drive_to_read_the_first_one_tells_why(void **state)
{
	struct fixture *f = *state;
	const struct scrub_options o = { .repair = true, .grace_s = 86400 };

	array_close(f->a);
	f->t.absent = (1u << DRIVES) - 1;
	assert_int_equal(tiny_open(&f->t, true, &f->a, &f->err), ERR_NONE);
	assert_int_equal(run(f, &o), ERR_ABSENT);
	assert_non_null(strstr(f->err.message, "no drive can be scrubbed: drive "));
	assert_non_null(strstr(f->err.message, f->a->drives[0].why));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_deep_scrub_of_what_is_well_finds_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_row_with_wrong_coded_bytes_is_made_anew, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_row_with_a_wrong_descriptor_is_made_anew, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			rows_whose_members_are_away_are_counted_and_not_judged, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_damaged_member_is_repaired_before_rows_are_judged, setup, teardown),
		cmocka_unit_test_setup_teardown(what_does_not_open_is_told_and_never_repaired,
						setup, teardown),
		cmocka_unit_test_setup_teardown(an_interrupted_scrub_keeps_what_it_verified, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_scrub_without_repair_remembers_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_whole_is_told_now_and_then, setup,
						teardown),
		cmocka_unit_test_setup_teardown(when_time_is_up_what_was_verified_is_kept, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_marker_that_may_not_be_read_is_no_damaged_one_and_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(with_no_drive_to_read_the_first_one_tells_why, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
