/* Blocks to be protected anew, gathered into groups that cost as little as can be. */
#include "care/gather.h"
#include "tests/support/noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LONG_BYTES ((uint64_t)100000)
#define SMALL_MAX 12
#define BLOCKS_MAX 2000

struct fixture {
	unsigned count;
	struct alloc_drive drives[SMALL_MAX];
	struct alloc_policy policy;
	struct gather_block blocks[BLOCKS_MAX];
	size_t block_count;
	bool seen[BLOCKS_MAX];
	/* what came of it */
	unsigned groups, rows, alone, untouched;
	uint64_t row_bytes;
};

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* Drives with room for many objects, each its own domain. */
static void make_drives(struct fixture *f, unsigned count, unsigned parity)
{
	memset(f, 0, sizeof(*f));
	f->count = count;
	f->policy.parity = parity;
	for (unsigned i = 0; i < count; i++)
		f->drives[i] = (struct alloc_drive){ .usable = true,
						     .domain = i,
						     .size_bytes = BLOCKS_MAX * LONG_BYTES,
						     .free_bytes = BLOCKS_MAX * LONG_BYTES };
}

static void put_blocks(struct fixture *f, unsigned drive, unsigned blocks, uint64_t len_bytes)
{
	for (unsigned i = 0; i < blocks; i++)
		f->blocks[f->block_count++] =
			(struct gather_block){ (uint16_t)drive, GATHER_LONE, len_bytes };
}

/* What holds for every group: distinct drives, rows on usable drives that may hold them. */
static void assert_sound(const struct fixture *f, const struct gather_group *g)
{
	bool used[SMALL_MAX] = { false };

	for (unsigned i = 0; i < g->member_count; i++) {
		unsigned drive = f->blocks[g->members[i]].drive;

		assert_false(used[drive]);
		used[drive] = true;
	}
	assert_true(g->row_count <= f->policy.parity);
	for (unsigned i = 0; i < g->row_count; i++) {
		const struct alloc_drive *d = &f->drives[g->rows[i]];

		assert_false(used[g->rows[i]]);
		used[g->rows[i]] = true;
		assert_true(d->usable && !d->removable && d->role != ROLE_DATA);
	}
}

static void count_group(struct fixture *f, const struct gather_group *g)
{
	uint64_t longest = 0;

	assert_sound(f, g);
	for (unsigned i = 0; i < g->member_count; i++) {
		assert_false(f->seen[g->members[i]]);
		f->seen[g->members[i]] = true;
		if (f->blocks[g->members[i]].len_bytes > longest)
			longest = f->blocks[g->members[i]].len_bytes;
	}
	f->groups += g->row_count > 0;
	f->untouched += g->row_count == 0;
	f->rows += g->row_count;
	f->alone += g->row_count > 0 && g->member_count == 1;
	f->row_bytes += g->row_count * longest;
}

static void gather_all(struct fixture *f)
{
	struct gather_group *next = malloc(sizeof(*next));
	struct gather *g = gather_new(f->drives, f->count, &f->policy, f->blocks, f->block_count);

	assert_non_null(next);
	assert_non_null(g);
	while (gather_next(g, 0, next))
		count_group(f, next);
	for (size_t i = 0; i < f->block_count; i++) {
		assert_true(f->seen[i]);
		assert_false(gather_has(g, i));
	}
	gather_free(g);
	free(next);
}

static void equal_drives_cost_what_k_and_m_say(void **state)
{
	struct fixture *f = *state;

	for (unsigned n = 2; n <= SMALL_MAX; n++) {
		for (unsigned m = 1; m < n; m++) {
			unsigned k = n - m, groups = (100 * n + k - 1) / k;

			make_drives(f, n, m);
			for (unsigned i = 0; i < n; i++)
				put_blocks(f, i, 100, LONG_BYTES);
			gather_all(f);
			/* One more for what is left at the end. */
			assert_in_range(f->groups, groups, groups + 1);
			assert_int_equal(f->rows, f->groups * m);
		}
	}
}

static void there_are_no_more_groups_than_the_fullest_drive_has_blocks(void **state)
{
	struct fixture *f = *state;

	make_drives(f, 4, 1);
	put_blocks(f, 0, 10, LONG_BYTES);
	put_blocks(f, 1, 60, LONG_BYTES);
	put_blocks(f, 2, 40, LONG_BYTES);
	put_blocks(f, 3, 10, LONG_BYTES);
	gather_all(f);
	assert_int_equal(f->groups, 60);
}

static void a_block_without_a_partner_is_mirrored(void **state)
{
	struct fixture *f = *state;

	make_drives(f, 4, 2);
	put_blocks(f, 1, 20, LONG_BYTES);
	gather_all(f);
	assert_int_equal(f->alone, 20);
	assert_int_equal(f->rows, 40);
}

static void members_are_of_like_length(void **state)
{
	struct fixture *f = *state;
	struct noise noise = { 7 };
	uint64_t sum = 0;

	make_drives(f, 5, 1);
	for (unsigned i = 0; i < 5; i++) {
		for (unsigned n = 0; n < 200; n++)
			put_blocks(f, i, 1, 1 + noise_below(&noise, LONG_BYTES));
	}
	for (size_t i = 0; i < f->block_count; i++)
		sum += f->blocks[i].len_bytes;
	gather_all(f);
	/* A quarter, and 5 % of it. */
	assert_true(f->row_bytes * 400 <= sum * 105);
}

static void roles_are_obeyed_and_rows_find_their_drives(void **state)
{
	struct fixture *f = *state;

	/* Rows can be on two drives alone, one of which is removable. */
	make_drives(f, 5, 1);
	f->drives[0].role = f->drives[1].role = f->drives[2].role = ROLE_DATA;
	f->drives[3].removable = true;
	for (unsigned i = 0; i < 4; i++)
		put_blocks(f, i, 50, LONG_BYTES);
	gather_all(f);
	assert_int_equal(f->untouched, 0);
	assert_int_equal(f->groups, 50);
}

static void a_group_has_at_most_m_members_on_removable_drives(void **state)
{
	for (unsigned m = 1; m <= 2; m++) {
		struct fixture *f = *state;
		struct gather_group *next = malloc(sizeof(*next));
		struct gather *g;

		assert_non_null(next);
		make_drives(f, 8, m);
		for (unsigned i = 0; i < 7; i++) {
			f->drives[i].removable = i < 4;
			put_blocks(f, i, 12, LONG_BYTES);
		}
		g = gather_new(f->drives, f->count, &f->policy, f->blocks, f->block_count);
		assert_non_null(g);
		while (gather_next(g, 0, next)) {
			unsigned members = 0;

			count_group(f, next);
			for (unsigned i = 0; i < next->member_count; i++)
				members += f->drives[f->blocks[next->members[i]].drive].removable;
			assert_int_equal(members, m); /* and none is left for later */
			assert_true(next->complete);
		}
		assert_int_equal(f->groups, 48 / m);
		gather_free(g);
		free(next);
	}
}

static void a_group_has_at_most_m_objects_in_a_domain(void **state)
{
	struct fixture *f = *state;
	struct gather_group *next = malloc(sizeof(*next));
	struct gather *g;

	assert_non_null(next);
	make_drives(f, 6, 2);
	for (unsigned i = 0; i < 6; i++) {
		f->drives[i].domain = i / 2;
		put_blocks(f, i, 30, LONG_BYTES);
	}
	f->drives[1].domain = 1; /* 1, 3, 2 drives in the domains */
	g = gather_new(f->drives, f->count, &f->policy, f->blocks, f->block_count);
	assert_non_null(g);
	while (gather_next(g, 0, next)) {
		unsigned in[3] = { 0 };

		for (unsigned i = 0; i < next->member_count; i++)
			in[f->drives[f->blocks[next->members[i]].drive].domain]++;
		for (unsigned i = 0; i < next->row_count; i++)
			in[f->drives[next->rows[i]].domain]++;
		assert_true(in[0] <= 2 && in[1] <= 2 && in[2] <= 2);
		assert_int_equal(next->row_count, 2);
	}
	gather_free(g);
	free(next);
}

static void a_full_drive_takes_no_rows(void **state)
{
	struct fixture *f = *state;

	make_drives(f, 3, 1);
	f->drives[2].free_bytes = 10 * LONG_BYTES;
	put_blocks(f, 0, 30, LONG_BYTES);
	put_blocks(f, 1, 30, LONG_BYTES);
	gather_all(f);
	/* Ten rows there, the others beside a block alone. */
	assert_int_equal(f->untouched, 0);
	assert_true(f->drives[2].free_bytes < LONG_BYTES);
	assert_int_equal(f->alone, 2 * (f->groups - 9) / 2);
}

static void what_has_rows_is_regrouped_only_with_all_of_them(void **state)
{
	struct fixture *f = *state;

	make_drives(f, 3, 2);
	put_blocks(f, 0, 1, LONG_BYTES);
	f->blocks[0].kind = GATHER_SPLIT;
	f->drives[1].free_bytes = LONG_BYTES - 1;
	gather_all(f);
	assert_int_equal(f->untouched, 1);
	f->blocks[0].kind = GATHER_LONE;
	f->seen[0] = false;
	gather_all(f);
	assert_int_equal(f->rows, 1); /* better than none */
}

static void a_mirror_stays_one_unless_it_finds_company(void **state)
{
	struct fixture *f = *state;

	make_drives(f, 4, 1);
	put_blocks(f, 0, 3, LONG_BYTES);
	put_blocks(f, 1, 1, LONG_BYTES);
	for (size_t i = 0; i < f->block_count; i++)
		f->blocks[i].kind = GATHER_MIRROR;
	gather_all(f);
	assert_int_equal(f->groups, 1);
	assert_int_equal(f->untouched, 2);
}

static void copies_are_of_one_block_each(void **state)
{
	struct fixture *f = *state;

	make_drives(f, 4, 2);
	f->policy.copies = true;
	put_blocks(f, 0, 10, LONG_BYTES);
	put_blocks(f, 1, 10, LONG_BYTES);
	gather_all(f);
	assert_int_equal(f->alone, 20);
	assert_int_equal(f->rows, 40);
}

static void a_width_is_obeyed(void **state)
{
	struct fixture *f = *state;

	make_drives(f, 8, 1);
	f->policy.width = 3;
	for (unsigned i = 0; i < 8; i++)
		put_blocks(f, i, 10, LONG_BYTES);
	gather_all(f);
	assert_int_equal(f->groups, 40);
}

static void no_group_is_too_long_for_memory(void **state)
{
	struct fixture *f = *state;
	uint64_t len = GATHER_BYTES_MAX / 4;

	make_drives(f, 8, 1);
	for (unsigned i = 0; i < 8; i++) {
		f->drives[i].free_bytes = 100 * len;
		put_blocks(f, i, 6, len);
	}
	gather_all(f);
	assert_int_equal(f->groups, 16); /* of three, and a row */
}

static void what_finds_no_wide_group_waits(void **state)
{
	struct fixture *f = *state;
	struct gather_group *next = malloc(sizeof(*next));
	struct gather *g;
	unsigned groups = 0;

	assert_non_null(next);
	make_drives(f, 5, 1);
	put_blocks(f, 0, 10, LONG_BYTES);
	put_blocks(f, 1, 10, LONG_BYTES);
	put_blocks(f, 2, 4, LONG_BYTES);
	g = gather_new(f->drives, f->count, &f->policy, f->blocks, f->block_count);
	assert_non_null(g);
	while (gather_next(g, 3, next))
		groups++;
	assert_int_equal(groups, 4);
	for (size_t i = 0; i < f->block_count; i++)
		groups += gather_has(g, i);
	assert_int_equal(groups, 4 + 12);
	gather_free(g);
	free(next);
}

/* Whatever the drives: sound groups, and none with fewer rows than there can be. */
static void any_blocks_on_any_drives_are_gathered(void **state)
{
	struct fixture *f = *state;
	struct noise noise = { 11 };

	for (unsigned round = 0; round < 300; round++) {
		unsigned n = 2 + (unsigned)noise_below(&noise, SMALL_MAX - 1);
		unsigned m = 1 + (unsigned)noise_below(&noise, n - 1), roles = 0;

		make_drives(f, n, m);
		for (unsigned i = 0; i < n; i++) {
			if (noise_below(&noise, 5) == 0 && n - roles > m + 1) {
				f->drives[i].role = ROLE_DATA;
				roles++;
			}
			put_blocks(f, i, (unsigned)noise_below(&noise, 40),
				   1 + noise_below(&noise, LONG_BYTES));
		}
		gather_all(f);
		assert_int_equal(f->untouched, 0);
		assert_int_equal(f->rows, f->groups * m);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(equal_drives_cost_what_k_and_m_say),
		TEST(there_are_no_more_groups_than_the_fullest_drive_has_blocks),
		TEST(a_block_without_a_partner_is_mirrored),
		TEST(members_are_of_like_length),
		TEST(roles_are_obeyed_and_rows_find_their_drives),
		TEST(a_group_has_at_most_m_members_on_removable_drives),
		TEST(a_group_has_at_most_m_objects_in_a_domain),
		TEST(a_full_drive_takes_no_rows),
		TEST(what_has_rows_is_regrouped_only_with_all_of_them),
		TEST(a_mirror_stays_one_unless_it_finds_company),
		TEST(copies_are_of_one_block_each),
		TEST(a_width_is_obeyed),
		TEST(no_group_is_too_long_for_memory),
		TEST(what_finds_no_wide_group_waits),
		TEST(any_blocks_on_any_drives_are_gathered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
