/* Drives added to a full array: how much more it takes, without moving a block. */
#include "tests/support/fault_drive.h"
#include "tests/support/groups.h"
#include "tests/support/tiny.h"

#include "archive/put.h"
#include "array/health.h"
#include "array/place.h"
#include "care/debts.h"
#include "care/rebalance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PUTS_MAX 400
#define BLOCK_BYTES 65536u
#define RESERVE_BYTES (5u * BLOCK_BYTES)
#define SCALE 256u

struct fixture {
	struct tiny t;
	struct array *a;
	struct group_list *l;
	uint64_t size_bytes[TINY_DRIVES_MAX];
	struct drive *wrapped[TINY_DRIVES_MAX];
	unsigned puts;
	struct error err;
};

static struct drive *wrap(void *ctx, unsigned i, struct drive *inner)
{
	struct fixture *f = ctx;

	f->wrapped[i] = fault_drive_new(inner);
	fault_set_size(f->wrapped[i], f->size_bytes[i]);
	return f->wrapped[i];
}

static void open_it(struct fixture *f)
{
	array_close(f->a);
	f->a = NULL;
	assert_int_equal(tiny_open(&f->t, true, &f->a, &f->err), ERR_NONE);
	tiny_all_near(f->a);
	assert_int_equal(debts_pay(f->a, DEBTS_ALL, NULL, &f->err), ERR_NONE);
}

/* Small blocks, not too many chunks in each, and a reserve of more blocks than usual: what is told of so
 * small ones takes much of its room. */
static void set_geometry(struct fixture *f)
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
	for (unsigned i = 0; i < f->a->count; i++) {
		f->a->drives[i].record.reserve_bytes = RESERVE_BYTES;
		record_drive(&records, &f->a->drives[i].record);
	}
	assert_int_equal(array_commit(f->a, &records, NULL, &f->err), ERR_NONE);
	buf_release(&records);
	open_it(f);
}

static struct fixture *fixture_new(unsigned drives, unsigned parity, const uint64_t *sizes)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	for (unsigned i = 0; i < TINY_DRIVES_MAX; i++)
		f->size_bytes[i] = sizes[i];
	tiny_init(&f->t, drives, parity, 0);
	f->t.wrap = wrap;
	f->t.wrap_ctx = f;
	open_it(f);
	set_geometry(f);
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

static void add_drive(struct fixture *f, unsigned i)
{
	struct new_drive n = { .make_root = true };
	char url[64];

	snprintf(url, sizeof(url), "%s", tiny_url(&f->t, i));
	n.url = url;
	snprintf(n.record.name, sizeof(n.record.name), "d%u", i);
	n.record.reserve_bytes = RESERVE_BYTES;
	assert_int_equal(array_add_drive(f->a, &n, DRIVE_MEMBER, &f->err), ERR_NONE);
	open_it(f);
}

/* One more file, nothing of which is there. As the program: where there is no room, groups are joined. */
static int put_new(struct fixture *f, size_t bytes)
{
	const char *paths[] = { f->t.source };
	struct put_options o = { .paths = paths, .path_count = 1, .host = "tiny", .level = 1,
				 .time_ns = (int64_t)++f->puts * 1000000000 };
	struct rebalance_result made;
	struct put_result r;
	struct error why;
	int code;

	tiny_file(&f->t, f->puts % TINY_FILES, bytes, f->puts, false);
	open_it(f);
	do {
		code = put(f->a, &o, &r, &f->err);
	} while (code == ERR_FULL &&
		 rebalance_for_room(f->a, &made, &why) == ERR_NONE && made.rows_dropped > 0);
	if (code != ERR_NONE)
		tiny_file(&f->t, f->puts % TINY_FILES, 0, 0, false);
	return code;
}

/* Files of falling length, until not even the shortest finds room: each of whole blocks, nearly, since
 * a group's place that a short block has taken is taken. */
static void fill(struct fixture *f)
{
	static const size_t lengths[] = { 1980000, 600000, 180000, 60000, 20000 };

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		while (put_new(f, lengths[i]) == ERR_NONE)
			assert_true(f->puts < PUTS_MAX);
		assert_int_equal(f->err.code, ERR_FULL);
		open_it(f);
	}
}

static void load(struct fixture *f)
{
	groups_free(f->l);
	f->l = groups_load(f->a);
}

/* What rows have beside their coded bytes is nothing of a usual block, but much of a tiny one. */
static uint64_t tails_of(const struct table_group *g)
{
	uint64_t longest = 0;

	for (unsigned i = 0; i < g->member_count; i++)
		longest = g->members[i].len_bytes > longest ? g->members[i].len_bytes : longest;
	return group_row_bytes(g) - g->row_count * longest;
}

static uint64_t data_bytes(struct fixture *f)
{
	uint64_t bytes = 0;

	load(f);
	for (unsigned i = 0; i < f->l->count; i++) {
		if (!group_is_as_encoded(f->a, f->l->groups[i], &f->err))
			fail_msg("%s", f->err.message);
		bytes += group_data_bytes(f->l->groups[i]) + tails_of(f->l->groups[i]);
	}
	return bytes;
}

static uint64_t bound_bytes(struct fixture *f)
{
	struct alloc_drive view[TINY_DRIVES_MAX];

	place_view(f->a, view);
	return alloc_usable_bytes(view, f->a->count, f->a->policy.parity);
}

/* Within a block per drive: the last ones find no room. */
static void assert_bound_reached(struct fixture *f, const char *when, unsigned blocks_per_drive)
{
	uint64_t data = data_bytes(f), bound = bound_bytes(f);

	if (data + (uint64_t)blocks_per_drive * f->a->count * BLOCK_BYTES < bound)
		fail_msg("%s: %llu of %llu bytes", when, (unsigned long long)data,
			 (unsigned long long)bound);
	print_message("# %s: %llu of %llu bytes of data, %u groups\n", when,
		      (unsigned long long)data, (unsigned long long)bound, f->l->count);
}

struct block_places {
	struct id uids[GROUPS_LISTED_MAX], drives[GROUPS_LISTED_MAX];
	unsigned count;
};

static void note_places(struct fixture *f, struct block_places *p)
{
	load(f);
	p->count = 0;
	for (unsigned i = 0; i < f->l->count; i++) {
		for (unsigned n = 0; n < f->l->groups[i]->member_count; n++) {
			p->uids[p->count] = f->l->groups[i]->members[n].uid;
			p->drives[p->count++] = f->l->groups[i]->members[n].drive_id;
		}
	}
}

static void assert_none_moved(struct fixture *f, const struct block_places *p)
{
	for (unsigned i = 0; i < p->count; i++) {
		struct table_block b;

		assert_int_equal(table_block_by_uid(f->a->table, &p->uids[i], &b, &f->err),
				 ERR_NONE);
		assert_true(id_equal(&b.drive_id, &p->drives[i]));
	}
}

static void assert_all_there(struct fixture *f)
{
	struct tiny_file_state files[TINY_FILES];
	struct health h;

	assert_int_equal(health_check(f->a, &h, &f->err), ERR_NONE);
	assert_true(h.promise_kept);
	(void)files;
}

static void full_then_added(unsigned drives, unsigned parity, unsigned added, const uint64_t *sizes)
{
	struct fixture *f = fixture_new(drives, parity, sizes);
	struct block_places *before = malloc(sizeof(*before));

	assert_non_null(before);
	fill(f);
	assert_bound_reached(f, "before", 1);
	note_places(f, before);
	for (unsigned i = 0; i < added; i++)
		add_drive(f, drives + i);
	/* New data fits at once, as it comes. */
	if (put_new(f, 300000) != ERR_NONE)
		fail_msg("%s", f->err.message);
	fill(f);
	/* Two drives at once take groups of their own at first, which old ones have to take in. */
	assert_bound_reached(f, "after", added > 1 ? 3 : 1);
	assert_none_moved(f, before);
	assert_all_there(f);
	free(before);
	fixture_free(f);
}

static void one_drive_of_four_equal_ones(void **state)
{
	static const uint64_t sizes[TINY_DRIVES_MAX] = { 4000000, 4000000, 4000000, 4000000 };

	(void)state;
	full_then_added(3, 1, 1, sizes);
}

static void with_two_rows(void **state)
{
	static const uint64_t sizes[TINY_DRIVES_MAX] = { 4000000, 4000000, 4000000, 4000000, 4000000 };

	(void)state;
	full_then_added(4, 2, 1, sizes);
}

static void a_smaller_one(void **state)
{
	static const uint64_t sizes[TINY_DRIVES_MAX] = { 4000000, 4000000, 4000000, 2500000 };

	(void)state;
	full_then_added(3, 1, 1, sizes);
}

static void a_larger_one(void **state)
{
	static const uint64_t sizes[TINY_DRIVES_MAX] = { 4000000, 4000000, 4000000, 6000000 };

	(void)state;
	full_then_added(3, 1, 1, sizes);
}

static void two_drives_at_once(void **state)
{
	static const uint64_t sizes[TINY_DRIVES_MAX] = { 4000000, 4000000, 4000000, 4000000, 4000000 };

	(void)state;
	full_then_added(3, 1, 2, sizes);
}

/* Each old group takes a block on either of them. */
static void two_drives_where_each_group_has_two_rows(void **state)
{
	static const uint64_t sizes[TINY_DRIVES_MAX] = { 4000000, 4000000, 4000000, 4000000,
							 4000000, 4000000 };

	(void)state;
	full_then_added(4, 2, 2, sizes);
}

/* The row that is replaced and its successor are there together for a moment. */
static void no_drive_is_ever_fuller_than_it_may_be(void **state)
{
	static const uint64_t sizes[TINY_DRIVES_MAX] = { 3000000, 3000000, 3000000, 3000000 };
	struct fixture *f = fixture_new(3, 1, sizes);

	(void)state;
	fill(f);
	add_drive(f, 3);
	fill(f);
	for (unsigned i = 0; i < 4; i++)
		assert_false(f->a->drives[i].poisoned); /* as a put that finds it full does */
	assert_bound_reached(f, "with small reserves", 1);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_drive_of_four_equal_ones),
		cmocka_unit_test(with_two_rows),
		cmocka_unit_test(a_smaller_one),
		cmocka_unit_test(a_larger_one),
		cmocka_unit_test(two_drives_at_once),
		cmocka_unit_test(two_drives_where_each_group_has_two_rows),
		cmocka_unit_test(no_drive_is_ever_fuller_than_it_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
