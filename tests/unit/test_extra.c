/* parity=max: rows in room to spare, and how they give way. */
#include "tests/support/fault_drive.h"
#include "tests/support/groups.h"
#include "tests/support/tiny.h"

#include "archive/put.h"
#include "array/extra.h"
#include "array/health.h"
#include "array/place.h"
#include "care/debts.h"
#include "care/drain.h"
#include "care/rebalance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DRIVES 6
#define PUTS_MAX 100
#define BLOCK_BYTES 65536u
#define RESERVE_BYTES (5u * BLOCK_BYTES)
#define SCALE 256u

struct fixture {
	struct tiny t;
	struct array *a;
	struct group_list *l;
	struct drive *wrapped[TINY_DRIVES_MAX];
	unsigned puts;
	struct error err;
};

static const uint64_t sizes[TINY_DRIVES_MAX] = { 2000000, 2000000, 2500000, 3000000, 4000000, 4000000,
						 2500000 };

static struct drive *wrap(void *ctx, unsigned i, struct drive *inner)
{
	struct fixture *f = ctx;

	f->wrapped[i] = fault_drive_new(inner);
	fault_set_size(f->wrapped[i], sizes[i]);
	return f->wrapped[i];
}

static void open_it(struct fixture *f)
{
	array_close(f->a);
	f->a = NULL;
	assert_int_equal(tiny_open(&f->t, true, &f->a, &f->err), ERR_NONE);
}

static void set_policy(struct fixture *f, bool extra)
{
	struct geometry g = geometry_default();
	struct buf records = { 0 };

	f->a->policy.geometry = (struct geometry){ .chunk_min_bytes = 2048,
						   .chunk_avg_bytes = 4096,
						   .chunk_max_bytes = 8192,
						   .frame_bytes = 8192,
						   .block_bytes = BLOCK_BYTES,
						   .pad_step_bytes = g.pad_step_bytes / SCALE,
						   .pad_from_bytes = g.pad_from_bytes / SCALE,
						   .pad_min_bytes = g.pad_min_bytes / SCALE,
						   .stretch_bytes = g.stretch_bytes / SCALE,
						   .segment_bytes = g.segment_bytes / SCALE };
	record_policy(&records, &f->a->policy);
	record_extra(&records, extra);
	for (unsigned i = 0; i < f->a->count; i++) {
		f->a->drives[i].record.reserve_bytes = RESERVE_BYTES;
		record_drive(&records, &f->a->drives[i].record);
	}
	assert_int_equal(array_commit(f->a, &records, NULL, &f->err), ERR_NONE);
	buf_release(&records);
	open_it(f);
	assert_true(f->a->policy.extra == extra);
}

static struct fixture *fixture_new(unsigned width, bool extra)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	tiny_init(&f->t, DRIVES, 1, width);
	f->t.wrap = wrap;
	f->t.wrap_ctx = f;
	open_it(f);
	set_policy(f, extra);
	return f;
}

static void fixture_free(struct fixture *f)
{
	groups_free(f->l);
	array_close(f->a);
	if (!tiny_scrub_clean(&f->t))
		fail_msg("%s", f->t.why);
	tiny_release(&f->t);
	free(f);
}

static void fill_up(struct fixture *f, struct debts_result *r)
{
	struct debts_options o = { .scope = DEBTS_ALL, .extra = true };

	assert_int_equal(debts_settle(f->a, &o, r, &f->err), ERR_NONE);
}

/* One more file, nothing of which is there, as the program does it. */
static int put_new(struct fixture *f, size_t bytes)
{
	const char *paths[] = { f->t.source };
	struct put_options o = { .paths = paths, .path_count = 1, .host = "tiny", .level = 1,
				 .time_ns = (int64_t)++f->puts * 1000000000 };
	struct rebalance_result made;
	struct debts_result r;
	struct put_result result;
	struct error why;
	int code;

	tiny_file(&f->t, f->puts % TINY_FILES, bytes, f->puts, false);
	open_it(f);
	do {
		code = put(f->a, &o, &result, &f->err);
	} while (code == ERR_FULL &&
		 rebalance_for_room(f->a, &made, &why) == ERR_NONE && made.rows_dropped > 0);
	if (code == ERR_NONE)
		fill_up(f, &r);
	else
		tiny_file(&f->t, f->puts % TINY_FILES, 0, 0, false);
	return code;
}

static void load(struct fixture *f)
{
	groups_free(f->l);
	f->l = groups_load(f->a);
	for (unsigned i = 0; i < f->l->count; i++) {
		if (!group_is_as_encoded(f->a, f->l->groups[i], &f->err))
			fail_msg("%s", f->err.message);
	}
}

static unsigned extra_number(struct fixture *f)
{
	unsigned count = 0;

	load(f);
	for (unsigned i = 0; i < f->l->count; i++)
		count += (unsigned)__builtin_popcount(extra_rows(f->a, f->l->groups[i]));
	return count;
}

static uint64_t counted_bytes(struct fixture *f)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < f->a->count; i++)
		bytes += f->a->drives[i].extra_bytes;
	return bytes;
}

/* By the groups, one by one. */
static uint64_t extra_bytes(struct fixture *f)
{
	uint64_t bytes = 0;

	load(f);
	for (unsigned i = 0; i < f->l->count; i++) {
		for (unsigned n = 0; n < f->l->groups[i]->row_count; n++) {
			if (extra_is(f->a, f->l->groups[i], n))
				bytes += f->l->groups[i]->rows[n].len_bytes;
		}
	}
	return bytes;
}

/* ---- room ---- */

static void fill(struct fixture *f, unsigned *most)
{
	unsigned now;

	for (size_t bytes = 600000; bytes >= 20000; bytes /= 3) {
		while (put_new(f, bytes) == ERR_NONE) {
			assert_true(f->puts < PUTS_MAX);
			now = extra_number(f);
			*most = now > *most ? now : *most;
		}
		assert_int_equal(f->err.code, ERR_FULL);
	}
}

static void add_drive(struct fixture *f)
{
	struct new_drive n = { .make_root = true, .url = tiny_url(&f->t, DRIVES) };

	memcpy(n.record.name, "added", sizeof("added"));
	n.record.reserve_bytes = RESERVE_BYTES;
	assert_int_equal(array_add_drive(f->a, &n, DRIVE_MEMBER, &f->err), ERR_NONE);
}

/* Data that fits, on another drive at last, which old groups have to take in. */
static uint64_t data_that_fits(bool extra)
{
	struct fixture *f = fixture_new(0, extra);
	uint64_t bytes = 0;
	unsigned most = 0;

	fill(f, &most);
	add_drive(f);
	fill(f, &most);
	for (unsigned i = 0; i < f->a->count; i++)
		assert_false(f->a->drives[i].poisoned); /* as a put that finds it full does */
	load(f);
	for (unsigned i = 0; i < f->l->count; i++)
		bytes += group_data_bytes(f->l->groups[i]);
	print_message("# %llu bytes of data in %u puts, %u extra rows at most, %u in the end\n",
		      (unsigned long long)bytes, f->puts, most, extra_number(f));
	assert_true(extra ? most > 20 : most == 0);
	fixture_free(f);
	return bytes;
}

static void an_array_holds_as_much_with_extra_rows_as_without(void **state)
{
	uint64_t with = data_that_fits(true), without = data_that_fits(false);

	(void)state;
	assert_true(with + (DRIVES + 1) * BLOCK_BYTES >= without);
	assert_true(without + (DRIVES + 1) * BLOCK_BYTES >= with);
}

static struct fixture *with_extra(unsigned width)
{
	struct fixture *f = fixture_new(width, true);

	assert_int_equal(put_new(f, 400000), ERR_NONE);
	open_it(f);
	assert_true(extra_number(f) > 0);
	return f;
}

static void they_count_as_room(void **state)
{
	struct fixture *f = with_extra(3);
	struct alloc_drive before[DRIVES], after[DRIVES];

	(void)state;
	assert_int_equal(counted_bytes(f), extra_bytes(f));
	place_view(f->a, before);
	for (unsigned i = 0; i < DRIVES; i++)
		f->a->drives[i].extra_bytes = 0;
	place_view(f->a, after);
	array_refresh(f->a, &f->err);
	for (unsigned i = 0; i < DRIVES; i++)
		assert_int_equal(before[i].free_bytes,
				 after[i].free_bytes + f->a->drives[i].extra_bytes);
	fixture_free(f);
}

static void each_drive_keeps_room_for_data_to_come(void **state)
{
	struct fixture *f = fixture_new(2, true);
	unsigned before;

	(void)state;
	assert_int_equal(put_new(f, 1700000), ERR_NONE);
	before = extra_number(f);
	assert_true(before > 20);
	for (unsigned i = 0; i < 2; i++)
		assert_true(place_actual_bytes(f->a, &f->a->drives[i]) >= 2 * BLOCK_BYTES);
	/* The least of them were full, else. */
	assert_true(place_actual_bytes(f->a, &f->a->drives[0]) < 4 * BLOCK_BYTES);
	assert_int_equal(put_new(f, 20000), ERR_NONE);
	assert_true(extra_number(f) >= before);
	fixture_free(f);
}

/* ---- giving them back ---- */

static struct array_drive *drive_with_most(struct fixture *f)
{
	unsigned best = 0;

	for (unsigned i = 1; i < DRIVES; i++) {
		if (f->a->drives[i].extra_bytes > f->a->drives[best].extra_bytes)
			best = i;
	}
	return &f->a->drives[best];
}

/* Of d's extra rows: the highest number of those that are there, the lowest of those that went. */
static void the_highest_go_first_and_no_more_than_it_takes(void **state)
{
	struct fixture *f = with_extra(3);
	struct array_drive *d = drive_with_most(f);
	uint64_t have = place_actual_bytes(f->a, d), want = have + d->extra_bytes / 2;
	unsigned before = extra_number(f), highest = 0, lowest_gone = 99;
	struct group_list *old = f->l;
	bool recounted;

	(void)state;
	f->l = NULL;
	assert_true(d->extra_bytes > 2 * BLOCK_BYTES);
	assert_int_equal(extra_yield(f->a, d, want, &recounted, &f->err), ERR_NONE);
	assert_false(recounted);
	assert_true(place_actual_bytes(f->a, d) >= want);
	assert_true(place_actual_bytes(f->a, d) < want + BLOCK_BYTES + 4096);
	assert_true(extra_number(f) < before);
	for (unsigned i = 0; i < old->count; i++) {
		for (unsigned n = 0; n < old->groups[i]->row_count; n++) {
			const struct group_row_record *r = &old->groups[i]->rows[n];
			bool there = health_rows(f->a, f->l->groups[i]) & 1u << r->row;

			if (!id_equal(&r->drive_id, &d->id) || !extra_is(f->a, old->groups[i], n))
				continue;
			if (there && r->row > highest)
				highest = r->row;
			if (!there && r->row < lowest_gone)
				lowest_gone = r->row;
		}
	}
	assert_true(lowest_gone >= highest);
	assert_int_equal(counted_bytes(f), extra_bytes(f));
	groups_free(old);
	fixture_free(f);
}

static void what_keeps_data_readable_stays(void **state)
{
	struct fixture *f = with_extra(3);
	unsigned before = extra_number(f), after;
	bool recounted, any = false;

	(void)state;
	/* More drives away than the policy promises: extra rows are all that there is of some data. */
	f->t.absent = 1 << 4 | 1 << 5;
	open_it(f);
	for (unsigned i = 0; i < 4; i++) {
		struct array_drive *d = &f->a->drives[i];

		assert_int_equal(extra_yield(f->a, d, sizes[i], &recounted, &f->err), ERR_NONE);
		assert_int_equal(d->extra_bytes, 0);
		any = any || recounted;
	}
	assert_true(any);
	f->t.absent = 0;
	open_it(f);
	after = extra_number(f);
	assert_true(after > 0 && after < before);
	f->t.absent = 1 << 4 | 1 << 5;
	open_it(f);
	groups_free(f->l);
	f->l = groups_load(f->a);
	for (unsigned i = 0; i < f->l->count; i++)
		assert_true(health_spare(f->a, f->l->groups[i]) >= 0);
	f->t.absent = 0;
	open_it(f);
	fixture_free(f);
}

/* ---- making them ---- */

static void a_trial_tells_what_is_made_and_makes_nothing(void **state)
{
	struct debts_options o = { .scope = DEBTS_ALL, .extra = true };
	struct fixture *f = fixture_new(3, false);
	struct debts_result planned, done;

	(void)state;
	assert_int_equal(put_new(f, 700000), ERR_NONE);
	set_policy(f, true);
	assert_int_equal(debts_estimate(f->a, &o, &planned, &f->err), ERR_NONE);
	assert_int_equal(extra_number(f), 0);
	fill_up(f, &done);
	assert_true(done.extra_made > 0);
	assert_int_equal(extra_number(f), done.extra_made);
	assert_int_equal(planned.extra_made, done.extra_made);
	assert_int_equal(planned.read_bytes, done.read_bytes);
	assert_int_equal(planned.written_bytes, done.written_bytes);
	assert_int_equal(counted_bytes(f), extra_bytes(f));
	fixture_free(f);
}

/* None has two more than another, while there is room. */
static void all_groups_get_as_many(void **state)
{
	struct fixture *f = with_extra(3);
	struct health h;

	(void)state;
	for (unsigned i = 0; i < f->l->count; i++) {
		const struct table_group *g = f->l->groups[i];

		assert_int_equal(g->row_count, DRIVES - g->member_count);
	}
	assert_int_equal(health_check(f->a, &h, &f->err), ERR_NONE);
	assert_true(h.least_spare >= DRIVES - 3);
	fixture_free(f);
}

/* ---- beside other care ---- */

static void drain_it(struct fixture *f, struct array_drive *d, struct drain_plan *plan)
{
	struct rebuild_result r;

	assert_int_equal(drain_check(f->a, d, plan, &f->err), ERR_NONE);
	assert_int_equal(drain(f->a, d, NULL, &r, &f->err), ERR_NONE);
	assert_int_equal(r.waiting + r.beyond + r.split + plan->split, 0);
	assert_int_equal(r.objects, plan->objects);
	assert_int_equal(r.written_bytes, plan->written_bytes);
	assert_int_equal(array_refresh(f->a, &f->err), ERR_NONE);
	assert_int_equal(d->objects, 0);
	load(f);
	assert_int_equal(counted_bytes(f), extra_bytes(f));
}

static void a_drain_takes_their_drives_and_moves_none(void **state)
{
	struct fixture *f = with_extra(4);
	struct array_drive *d = drive_with_most(f);
	struct drain_plan plan;

	(void)state;
	assert_int_equal(d->used_bytes, d->extra_bytes);
	drain_it(f, d, &plan);
	assert_int_equal(plan.written_bytes, 0);
	/* One that has blocks: there is no drive without an object of their groups. */
	drain_it(f, &f->a->drives[5], &plan);
	assert_true(plan.written_bytes > 0);
	fixture_free(f);
}

static void rebalancing_joins_groups_as_if_they_had_none(void **state)
{
	struct rebalance_options o = { .max_time_s = REBALANCE_UNLIMITED,
				       .max_bytes = REBALANCE_UNLIMITED };
	struct fixture *f = with_extra(3);
	struct buf records = { 0 };
	struct rebalance_result r;

	(void)state;
	assert_int_equal(put_new(f, 900000), ERR_NONE);
	f->a->policy.width = 5;
	record_policy(&records, &f->a->policy);
	assert_int_equal(array_commit(f->a, &records, NULL, &f->err), ERR_NONE);
	buf_release(&records);
	open_it(f);
	assert_int_equal(counted_bytes(f), extra_bytes(f));
	assert_int_equal(rebalance(f->a, &o, &r, &f->err), ERR_NONE);
	assert_true(r.made > 0 && r.debts.extra_made > 0);
	assert_int_equal(counted_bytes(f), extra_bytes(f));
	open_it(f);
	assert_int_equal(rebalance(f->a, &o, &r, &f->err), ERR_NONE);
	if (r.made + r.moved + r.debts.extra_made + r.read_bytes > 0)
		fail_msg("made %d moved %d extra %d", (int)r.made, (int)r.moved,
			 (int)r.debts.extra_made);
	fixture_free(f);
}

static void with_a_number_they_go(void **state)
{
	struct fixture *f = with_extra(3);
	struct debts_result r;
	unsigned before = extra_number(f);

	(void)state;
	set_policy(f, false);
	fill_up(f, &r);
	assert_int_equal(r.extra_made, 0);
	assert_int_equal(r.rows_dropped, before);
	load(f);
	for (unsigned i = 0; i < f->l->count; i++)
		assert_int_equal(f->l->groups[i]->row_count, 1);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_array_holds_as_much_with_extra_rows_as_without),
		cmocka_unit_test(they_count_as_room),
		cmocka_unit_test(each_drive_keeps_room_for_data_to_come),
		cmocka_unit_test(the_highest_go_first_and_no_more_than_it_takes),
		cmocka_unit_test(what_keeps_data_readable_stays),
		cmocka_unit_test(a_trial_tells_what_is_made_and_makes_nothing),
		cmocka_unit_test(all_groups_get_as_many),
		cmocka_unit_test(a_drain_takes_their_drives_and_moves_none),
		cmocka_unit_test(rebalancing_joins_groups_as_if_they_had_none),
		cmocka_unit_test(with_a_number_they_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
