#include "array/alloc.h"
#include "tests/support/noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define GB ((uint64_t)1000 * 1000 * 1000)
#define SMALL_MAX 16

struct array {
	unsigned count;
	struct alloc_drive drives[SMALL_MAX];
};

/* Empty drives of these sizes, each its own domain. */
static struct array array_of(const uint64_t *sizes, unsigned count)
{
	struct array a = {.count = count};

	for (unsigned i = 0; i < count; i++)
		a.drives[i] = (struct alloc_drive){
			.usable = true,
			.domain = 100 + i,
			.size_bytes = sizes[i],
			.free_bytes = sizes[i],
		};
	return a;
}

static struct array equal_drives(unsigned count, uint64_t size)
{
	uint64_t sizes[SMALL_MAX];

	for (unsigned i = 0; i < count; i++)
		sizes[i] = size;
	return array_of(sizes, count);
}

static struct alloc_plan plan(const struct array *a, unsigned parity)
{
	const struct alloc_policy policy = {.parity = parity};
	struct alloc_plan out;
	struct error err;

	assert_int_equal(alloc_group(a->drives, a->count, &policy, 1, 0, 0, &out, &err), ERR_NONE);
	return out;
}

static bool uses(const uint16_t *drives, unsigned count, unsigned drive)
{
	for (unsigned i = 0; i < count; i++)
		if (drives[i] == drive)
			return true;
	return false;
}

static void store(struct array *a, const struct alloc_plan *p, uint64_t block_bytes)
{
	for (unsigned i = 0; i < p->k; i++)
		a->drives[p->data[i]].free_bytes -= block_bytes;
	for (unsigned i = 0; i < p->m; i++)
		a->drives[p->rows[i]].free_bytes -= block_bytes;
}

/* --- the bound --- */

static void the_bound_is_the_sum_of_sizes_minus_the_m_largest(void **state)
{
	struct noise noise = {1};

	(void)state;
	for (unsigned t = 0; t < 2000; t++) {
		unsigned n = 2 + (unsigned)noise_below(&noise, SMALL_MAX - 1);
		unsigned m = (unsigned)noise_below(&noise, n);
		uint64_t sizes[SMALL_MAX], sum = 0;
		struct array a;

		for (unsigned i = 0; i < n; i++)
			sizes[i] = noise_below(&noise, 4000 * GB);
		a = array_of(sizes, n);
		for (unsigned i = 0; i < n; i++) {
			unsigned larger = 0;

			for (unsigned j = 0; j < n; j++)
				larger += sizes[j] > sizes[i] || (sizes[j] == sizes[i] && j < i);
			sum += larger >= m ? sizes[i] : 0;
		}
		assert_int_equal(alloc_usable_bytes(a.drives, n, m), sum);
	}
}

static void what_can_never_be_protected_does_not_count(void **state)
{
	const uint64_t sizes[] = {100 * GB, 100 * GB, 100 * GB, 100 * GB, 100 * GB, 4000 * GB};
	struct array a = array_of(sizes, COUNT(sizes));

	(void)state;
	assert_int_equal(alloc_usable_bytes(a.drives, a.count, 1), 500 * GB);
}

static void as_many_rows_as_drives_leave_no_capacity(void **state)
{
	struct array a = equal_drives(3, 100);

	(void)state;
	assert_int_equal(alloc_usable_bytes(a.drives, a.count, 2), 100);
	assert_int_equal(alloc_usable_bytes(a.drives, a.count, 3), 0);
	assert_int_equal(alloc_usable_bytes(a.drives, a.count, 16), 0);
	assert_int_equal(alloc_usable_bytes(a.drives, 0, 0), 0);
}

static void drives_that_are_not_usable_do_not_count(void **state)
{
	struct array a = equal_drives(4, 100);

	(void)state;
	a.drives[3].usable = false;
	assert_int_equal(alloc_usable_bytes(a.drives, a.count, 1), 200);
}

/* The formula of DESIGN.md with every G tried. */
static uint64_t bound_by_trying(const struct array *a, unsigned m, unsigned domains)
{
	uint64_t most = 0;

	for (uint64_t g = 0; g <= 400; g++) {
		uint64_t sum = 0, limit = (m > 1 ? m : 1) * g;

		for (unsigned d = 0; d < domains; d++) {
			uint64_t in_domain = 0;

			for (unsigned i = 0; i < a->count; i++)
				if (a->drives[i].domain == d)
					in_domain += a->drives[i].size_bytes < g
							     ? a->drives[i].size_bytes
							     : g;
			sum += in_domain < limit ? in_domain : limit;
		}
		if (sum > m * g && sum - m * g > most)
			most = sum - m * g;
	}
	return most;
}

static void domains_bound_the_capacity(void **state)
{
	struct noise noise = {2};

	(void)state;
	for (unsigned t = 0; t < 2000; t++) {
		unsigned n = 2 + (unsigned)noise_below(&noise, 9),
			 m = (unsigned)noise_below(&noise, 4);
		unsigned domains = 2 + (unsigned)noise_below(&noise, 4);
		struct array a = equal_drives(n, 0);

		for (unsigned i = 0; i < n; i++) {
			a.drives[i].size_bytes = noise_below(&noise, 40);
			a.drives[i].domain = i < 2 ? i : (uint32_t)noise_below(&noise, domains);
		}
		assert_int_equal(alloc_usable_bytes(a.drives, n, m),
				 bound_by_trying(&a, m, domains));
	}
}

static void with_one_domain_only_the_rule_is_void(void **state)
{
	struct array a = equal_drives(4, 100);

	(void)state;
	for (unsigned i = 0; i < a.count; i++)
		a.drives[i].domain = 7;
	assert_int_equal(alloc_usable_bytes(a.drives, a.count, 1), 300);
	assert_int_equal(plan(&a, 1).k, 3);
}

static void roles_and_removable_drives_bound_the_capacity(void **state)
{
	struct array a = equal_drives(4, 100);

	(void)state;
	a.drives[3].role = ROLE_PARITY;
	assert_int_equal(alloc_usable_bytes(a.drives, 4, 1), 300); /* raid4 */
	assert_int_equal(alloc_usable_bytes(a.drives, 4, 0), 300);
	a.drives[3].size_bytes = 40; /* and 60 on the others */
	assert_int_equal(alloc_usable_bytes(a.drives, 4, 1), 240);
	a.drives[0].removable = true;
	assert_int_equal(alloc_usable_bytes(a.drives, 4, 1), 240);
	/* 40 groups, of which each has one member on a removable drive. */
	a.drives[1].removable = true;
	assert_int_equal(alloc_usable_bytes(a.drives, 4, 1), 40 + 100);
	a.drives[2].removable = true;
	assert_int_equal(alloc_usable_bytes(a.drives, 4, 1), 40);
	a.drives[3].removable = true; /* a drive for nothing */
	assert_int_equal(alloc_usable_bytes(a.drives, 4, 1), 0);
	assert_int_equal(alloc_usable_bytes(a.drives, 4, 0), 300);
}

static void drives_without_end_do_not_overflow(void **state)
{
	struct array a = equal_drives(SMALL_MAX, UINT64_MAX);

	(void)state;
	assert_true(alloc_usable_bytes(a.drives, a.count, 1) >= (uint64_t)15 << 54);
	assert_int_equal(plan(&a, 1).k, 11);
}

static void copies_hold_one_block_per_group(void **state)
{
	const struct alloc_policy policy = {.parity = 1, .copies = true};
	struct array a = equal_drives(5, 100);
	struct alloc_plan p;
	struct error err;

	(void)state;
	assert_int_equal(alloc_policy_bytes(a.drives, a.count, &policy), 250);
	assert_int_equal(alloc_group(a.drives, a.count, &policy, 1, 0, 0, &p, &err), ERR_NONE);
	assert_int_equal(p.k, 1);
	assert_int_equal(p.m, 1);
}

/* --- one group --- */

static void a_group_is_as_wide_as_the_array_but_for_a_spare_from_five_drives_on(void **state)
{
	static const struct {
		unsigned drives, m, k;
	} cases[] = {
		{1, 0, 1},  {1, 1, 1},	 {2, 0, 2},   {2, 1, 1},   {3, 1, 2},	{4, 1, 3},
		{4, 2, 2},  {5, 1, 3},	 {5, 2, 2},   {5, 4, 1},   {6, 2, 3},	{12, 1, 10},
		{12, 2, 9}, {13, 1, 11}, {16, 1, 11}, {16, 2, 13}, {16, 3, 12},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct array a = equal_drives(cases[i].drives, 10000);
		struct alloc_plan p = plan(&a, cases[i].m);

		assert_int_equal(p.k, cases[i].k);
		assert_int_equal(p.m, cases[i].drives == 1 ? 0 : cases[i].m);
	}
}

static void rows_are_at_most_one_less_than_the_usable_drives(void **state)
{
	struct array a = equal_drives(5, 100);
	struct alloc_plan p;

	(void)state;
	a.drives[0].usable = a.drives[1].usable = a.drives[2].usable = false;
	p = plan(&a, 3);
	assert_int_equal(p.m, 1);
	assert_int_equal(p.k, 1);
	a.drives[3].usable = false;
	p = plan(&a, 3);
	assert_int_equal(p.m, 0);
	assert_int_equal(p.k, 1);
	assert_int_equal(p.data[0], 4);
}

static void rows_are_at_most_the_usable_drives_that_may_hold_them(void **state)
{
	struct array a = equal_drives(4, 100);
	struct alloc_plan p;

	(void)state;
	a.drives[0].role = a.drives[1].role = a.drives[2].role = ROLE_DATA;
	p = plan(&a, 2);
	assert_int_equal(p.m, 1);
	assert_int_equal(p.rows[0], 3);
	assert_int_equal(p.k, 3);
	a.drives[3].usable = false;
	p = plan(&a, 2);
	assert_int_equal(p.m, 0);
	assert_int_equal(p.k, 3);
}

static void rows_lie_on_billed_drives_first(void **state)
{
	struct array a = equal_drives(4, 1000);
	struct alloc_policy policy = {.parity = 2};
	unsigned rows_on[4] = {0};
	struct alloc_plan p;
	struct error err;

	(void)state;
	a.drives[1].billed = true;
	for (unsigned rotation = 0; rotation < 12; rotation++) {
		assert_int_equal(alloc_group(a.drives, a.count, &policy, 1, 0, rotation, &p, &err),
				 ERR_NONE);
		assert_int_equal(p.m, 2);
		assert_int_equal(p.k, 2);
		assert_true(uses(p.rows, p.m, 1));
		for (unsigned i = 0; i < p.m; i++)
			rows_on[p.rows[i]]++;
	}
	/* The other row goes round. */
	assert_int_equal(rows_on[0], 4);
	assert_int_equal(rows_on[2], 4);
	assert_int_equal(rows_on[3], 4);
	/* More billed drives than rows: these go round over them. */
	memset(rows_on, 0, sizeof(rows_on));
	a.drives[0].billed = a.drives[2].billed = true;
	for (unsigned rotation = 0; rotation < 12; rotation++) {
		assert_int_equal(alloc_group(a.drives, a.count, &policy, 1, 0, rotation, &p, &err),
				 ERR_NONE);
		assert_false(uses(p.rows, p.m, 3));
		for (unsigned i = 0; i < p.m; i++)
			rows_on[p.rows[i]]++;
	}
	assert_int_equal(rows_on[0], 8);
	assert_int_equal(rows_on[1], 8);
	assert_int_equal(rows_on[2], 8);
}

static void groups_are_narrow_where_a_drive_is_billed_and_that_costs_little(void **state)
{
	struct array a = equal_drives(10, 1000000);
	struct alloc_plan p;

	(void)state;
	assert_int_equal(plan(&a, 1).k + 1, 9);
	a.drives[7].billed = true;
	p = plan(&a, 1);
	assert_int_equal(p.k + p.m, 4);
	p = plan(&a, 4);
	assert_int_equal(p.k + p.m, 5);
	/* Half full, as many rows as that takes would be missed. */
	for (unsigned i = 0; i < a.count; i++)
		a.drives[i].free_bytes /= 2;
	assert_int_equal(plan(&a, 1).k + 1, 10);
}

static void at_most_m_members_of_a_group_lie_on_removable_drives(void **state)
{
	struct array a = equal_drives(7, 100);
	struct alloc_plan p;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		a.drives[i].removable = true;
		a.drives[i].free_bytes = a.drives[i].size_bytes = 1000; /* the emptiest by far */
	}
	for (unsigned m = 1; m <= 2; m++) {
		unsigned members = 0;

		p = plan(&a, m);
		assert_int_equal(p.m, m);
		assert_int_equal(p.k, 3);
		for (unsigned i = 0; i < p.k; i++)
			members += a.drives[p.data[i]].removable;
		assert_int_equal(members, m);
		assert_int_equal(alloc_removable_limit(a.drives, a.count, m), m);
	}
	/* As many as there are rows; and where there are none, nothing is protected anyway. */
	a.drives[4].usable = a.drives[5].usable = false;
	p = plan(&a, 2);
	assert_int_equal(p.k, 1);
	assert_int_equal(p.m, 1);
	assert_int_equal(alloc_removable_limit(a.drives, a.count, 2), 1);
	assert_true(alloc_removable_limit(a.drives, a.count, 0) > DRIVES_MAX);
	assert_int_equal(plan(&a, 0).k, 4); /* all five but the spare */
	a.drives[6].usable = false;
	p = plan(&a, 2);
	assert_int_equal(p.k, 4);
	assert_int_equal(p.m, 0);
}

static void a_full_drive_still_counts_for_m(void **state)
{
	const struct alloc_policy policy = {.parity = 1};
	struct array a = equal_drives(2, 100);
	struct alloc_plan p;
	struct error err;

	(void)state;
	a.drives[0].free_bytes = 9;
	assert_int_equal(alloc_group(a.drives, a.count, &policy, 10, 0, 0, &p, &err), ERR_FULL);
	a.drives[0].free_bytes = 10;
	assert_int_equal(alloc_group(a.drives, a.count, &policy, 10, 0, 0, &p, &err), ERR_NONE);
}

static void without_a_drive_for_data_the_drives_are_absent(void **state)
{
	const struct alloc_policy policy = {.parity = 1};
	struct array a = equal_drives(3, 100);
	struct alloc_plan p;
	struct error err;

	(void)state;
	a.drives[0].usable = a.drives[1].usable = false;
	a.drives[2].role = ROLE_PARITY;
	assert_int_equal(alloc_group(a.drives, a.count, &policy, 1, 0, 0, &p, &err), ERR_ABSENT);
	assert_int_equal(alloc_group(a.drives, 0, &policy, 1, 0, 0, &p, &err), ERR_ABSENT);
}

static void at_most_m_objects_of_a_group_share_a_domain(void **state)
{
	struct array a = equal_drives(6, 100);
	struct alloc_plan p;

	(void)state;
	for (unsigned i = 0; i < a.count; i++)
		a.drives[i].domain = i / 2;
	assert_int_equal(plan(&a, 1).k, 2);
	assert_int_equal(plan(&a, 2).k, 3); /* all six but the spare */
	for (unsigned i = 0; i < a.count; i++)
		a.drives[i].domain = i / 4;
	p = plan(&a, 1);
	assert_int_equal(p.k, 1);
	assert_int_not_equal(p.data[0] / 4, p.rows[0] / 4);
}

static void a_group_that_breaks_the_domain_rule_is_made_when_no_other_fits(void **state)
{
	struct array a = equal_drives(4, 100);
	struct alloc_plan p;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		a.drives[i].domain = 1;
	a.drives[3].free_bytes = 0;
	p = plan(&a, 1);
	assert_int_equal(p.k + p.m, 3);
}

static void parity_role_drives_come_first_for_rows(void **state)
{
	struct array a = equal_drives(4, 100);

	(void)state;
	a.drives[1].role = ROLE_PARITY;
	a.drives[1].free_bytes = 20;
	for (unsigned m = 1; m <= 2; m++) {
		struct alloc_plan p = plan(&a, m);

		assert_true(uses(p.rows, p.m, 1));
		assert_int_equal(p.k, 4 - m);
	}
}

/* RAID 4: n - 1 members and every row on the one drive, also when much is stored. */
static void one_parity_role_drive_gets_every_row_and_groups_are_as_wide_as_can_be(void **state)
{
	struct array a = equal_drives(5, 1000);
	const struct alloc_policy policy = {.parity = 1};
	struct alloc_plan p;
	struct error err;

	(void)state;
	a.drives[4].role = ROLE_PARITY;
	for (unsigned group = 0; group < 1000; group++) {
		assert_int_equal(alloc_group(a.drives, a.count, &policy, 1, 0, group, &p, &err),
				 ERR_NONE);
		assert_int_equal(p.k, 4);
		assert_int_equal(p.m, 1);
		assert_int_equal(p.rows[0], 4);
		for (unsigned i = 0; i < 5; i++)
			a.drives[i].free_bytes--;
	}
}

static void members_are_given_up_where_their_drives_must_hold_rows(void **state)
{
	struct array a = equal_drives(4, 100);
	uint64_t data = 0;

	(void)state;
	a.drives[0].role = a.drives[1].role = ROLE_DATA;
	a.drives[2].free_bytes = a.drives[2].size_bytes = 10;
	a.drives[3].free_bytes = a.drives[3].size_bytes = 10;
	for (unsigned i = 0; i < 20; i++) {
		struct alloc_plan p = plan(&a, 1);

		data += p.k;
		store(&a, &p, 1);
	}
	assert_int_equal(data, 40); /* as wide as possible, it would be 30 */
}

static void the_default_width_is_dropped_when_much_is_used(void **state)
{
	struct array a = equal_drives(8, 10000);

	(void)state;
	assert_int_equal(plan(&a, 1).k, 6);
	for (unsigned i = 0; i < a.count; i++)
		a.drives[i].free_bytes = 2900;
	assert_int_equal(plan(&a, 1).k, 7);
}

static void a_spare_that_costs_nothing_stays_until_seventy_percent(void **state)
{
	const uint64_t sizes[] = {10000, 10000, 5000, 5000, 5000};
	struct array a = array_of(sizes, COUNT(sizes));

	(void)state;
	for (unsigned i = 0; i < a.count; i++)
		a.drives[i].free_bytes = sizes[i] * 4 / 10;
	assert_int_equal(plan(&a, 1).k, 3);
	for (unsigned i = 0; i < a.count; i++)
		a.drives[i].free_bytes = sizes[i] * 29 / 100;
	assert_int_equal(plan(&a, 1).k, 4);
}

static void the_width_asked_for_is_kept_until_seventy_percent(void **state)
{
	const struct alloc_policy policy = {.parity = 1, .width = 5};
	struct array a = equal_drives(8, 10000);
	struct alloc_plan p;
	struct error err;

	(void)state;
	for (unsigned i = 0; i < a.count; i++)
		a.drives[i].free_bytes = 3100;
	assert_int_equal(alloc_group(a.drives, a.count, &policy, 1, 0, 0, &p, &err), ERR_NONE);
	assert_int_equal(p.k, 4);
	for (unsigned i = 0; i < a.count; i++)
		a.drives[i].free_bytes = 2900;
	assert_int_equal(alloc_group(a.drives, a.count, &policy, 1, 0, 0, &p, &err), ERR_NONE);
	assert_int_equal(p.k, 7);
}

static void a_width_below_the_rows_still_holds_one_member(void **state)
{
	const struct alloc_policy policy = {.parity = 3, .width = 2};
	struct array a = equal_drives(8, 10000);
	struct alloc_plan p;
	struct error err;

	(void)state;
	assert_int_equal(alloc_group(a.drives, a.count, &policy, 1, 0, 0, &p, &err), ERR_NONE);
	assert_int_equal(p.k, 1);
	assert_int_equal(p.m, 3);
}

static void no_more_members_than_wanted(void **state)
{
	const struct alloc_policy policy = {.parity = 2};
	struct array a = equal_drives(8, 10000);
	struct alloc_plan p;
	struct error err;

	(void)state;
	for (unsigned want_k = 1; want_k < 9; want_k++) {
		assert_int_equal(alloc_group(a.drives, 8, &policy, 1, want_k, 3, &p, &err),
				 ERR_NONE);
		assert_int_equal(p.k, want_k < 6 ? want_k : 6);
		assert_int_equal(p.m, 2);
	}
}

static void a_narrow_group_uses_the_emptiest_drives(void **state)
{
	const struct alloc_policy policy = {.parity = 1};
	const uint64_t sizes[] = {50, 80, 30, 90, 40};
	struct array a = array_of(sizes, COUNT(sizes));
	struct alloc_plan p;
	struct error err;

	(void)state;
	assert_int_equal(alloc_group(a.drives, a.count, &policy, 1, 1, 0, &p, &err), ERR_NONE);
	assert_int_equal(p.data[0] + p.rows[0], 1 + 3);
}

static void equal_drives_take_turns_in_narrow_groups(void **state)
{
	const struct alloc_policy policy = {.parity = 1};
	struct array a = equal_drives(6, 1000);
	unsigned objects[6] = {0};
	struct alloc_plan p;
	struct error err;

	(void)state;
	for (unsigned rotation = 0; rotation < 6; rotation++) {
		assert_int_equal(alloc_group(a.drives, a.count, &policy, 1, 1, rotation, &p, &err),
				 ERR_NONE);
		objects[p.data[0]]++;
		objects[p.rows[0]]++;
	}
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(objects[i], 2);
}

static void beyond_m_objects_the_nearest_drives_are_used(void **state)
{
	const struct alloc_policy policy = {.parity = 1};
	struct array a = equal_drives(6, 1000);
	struct alloc_plan p;
	struct error err;

	(void)state;
	for (unsigned i = 0; i < a.count; i++)
		a.drives[i].distance = i == 4 ? 1 : 9;
	a.drives[2].free_bytes = 999; /* every other is emptier */
	for (unsigned rotation = 0; rotation < 6; rotation++) {
		assert_int_equal(alloc_group(a.drives, a.count, &policy, 1, 1, rotation, &p, &err),
				 ERR_NONE);
		assert_true(p.data[0] == 4 || p.rows[0] == 4);
		assert_true(p.data[0] != 2 && p.rows[0] != 2);
	}
}

static void rows_rotate_over_equal_drives(void **state)
{
	const struct alloc_policy policy = {.parity = 2, .width = 0};
	struct array a = equal_drives(6, 3000);
	unsigned rows[6] = {0}, objects[6] = {0};
	struct alloc_plan p;
	struct error err;

	(void)state;
	for (unsigned rotation = 0; rotation < 1200; rotation++) {
		assert_int_equal(alloc_group(a.drives, a.count, &policy, 1, 0, rotation, &p, &err),
				 ERR_NONE);
		store(&a, &p, 1);
		for (unsigned i = 0; i < p.m; i++)
			rows[p.rows[i]]++;
		for (unsigned i = 0; i < 6; i++)
			objects[i] += uses(p.rows, p.m, i) || uses(p.data, p.k, i);
	}
	for (unsigned i = 0; i < 6; i++) {
		assert_in_range(rows[i], 380, 420);
		assert_in_range(objects[i], objects[0] - 1, objects[0] + 1);
	}
}

/* --- one more drive --- */

static int one(const struct array *a, const uint16_t *taken, unsigned n, bool for_row,
	       uint16_t *out)
{
	const struct alloc_policy policy = {.parity = 1};
	struct error err;

	return alloc_one(a->drives, a->count, &policy, taken, n, for_row, 10, out, &err);
}

static void one_more_object_goes_to_the_emptiest_drive_not_taken(void **state)
{
	const uint64_t sizes[] = {50, 80, 30, 90, 40};
	struct array a = array_of(sizes, COUNT(sizes));
	const uint16_t taken[] = {3, 0};
	uint16_t drive;

	(void)state;
	assert_int_equal(one(&a, taken, 2, false, &drive), ERR_NONE);
	assert_int_equal(drive, 1);
	a.drives[1].usable = false;
	assert_int_equal(one(&a, taken, 2, true, &drive), ERR_NONE);
	assert_int_equal(drive, 4);
	a.drives[4].removable = true;
	assert_int_equal(one(&a, taken, 2, true, &drive), ERR_NONE);
	assert_int_equal(drive, 2);
	a.drives[2].role = ROLE_PARITY;
	assert_int_equal(one(&a, taken, 2, false, &drive), ERR_NONE);
	assert_int_equal(drive, 4);
}

static void one_more_row_prefers_a_parity_role_drive(void **state)
{
	const uint64_t sizes[] = {50, 80, 30, 90, 40};
	struct array a = array_of(sizes, COUNT(sizes));
	uint16_t drive;

	(void)state;
	a.drives[2].role = a.drives[4].role = ROLE_PARITY;
	assert_int_equal(one(&a, NULL, 0, true, &drive), ERR_NONE);
	assert_int_equal(drive, 4);
	a.drives[2].free_bytes = a.drives[4].free_bytes = 9;
	assert_int_equal(one(&a, NULL, 0, true, &drive), ERR_NONE);
	assert_int_equal(drive, 3);
}

static void one_more_object_keeps_out_of_the_group_s_domains_while_it_can(void **state)
{
	const uint64_t sizes[] = {50, 80, 30, 90, 40};
	struct array a = array_of(sizes, COUNT(sizes));
	const uint16_t taken[] = {1};
	uint16_t drive;

	(void)state;
	a.drives[1].domain = a.drives[3].domain = a.drives[0].domain = 5;
	assert_int_equal(one(&a, taken, 1, false, &drive), ERR_NONE);
	assert_int_equal(drive, 4);
	a.drives[1].usable = false; /* its domain counts all the same */
	assert_int_equal(one(&a, taken, 1, false, &drive), ERR_NONE);
	assert_int_equal(drive, 4);
	a.drives[2].free_bytes = a.drives[4].free_bytes = 0;
	assert_int_equal(one(&a, taken, 1, false, &drive), ERR_NONE);
	assert_int_equal(drive, 3);
}

static void one_more_member_is_not_one_too_many_on_removable_drives(void **state)
{
	const uint64_t sizes[] = {50, 80, 30, 90, 40};
	struct array a = array_of(sizes, COUNT(sizes));
	const uint16_t taken[] = {1, 0};
	uint16_t drive;

	(void)state;
	a.drives[1].removable = a.drives[3].removable = true;
	assert_int_equal(one(&a, taken, 2, false, &drive), ERR_NONE);
	assert_int_equal(drive, 4);
	a.drives[1].usable = false; /* what lies there counts all the same */
	assert_int_equal(one(&a, taken, 2, false, &drive), ERR_NONE);
	assert_int_equal(drive, 4);
	a.drives[2].usable = a.drives[4].usable = false;
	assert_int_equal(one(&a, taken, 2, false, &drive), ERR_ABSENT);
	assert_int_equal(one(&a, taken + 1, 1, false, &drive), ERR_NONE);
	assert_int_equal(drive, 3);
}

static void without_room_it_is_full_without_a_drive_it_is_absent(void **state)
{
	struct array a = equal_drives(3, 9);
	const uint16_t taken[] = {0, 1, 2};
	uint16_t drive;

	(void)state;
	assert_int_equal(one(&a, taken, 2, false, &drive), ERR_FULL);
	assert_int_equal(one(&a, taken, 3, false, &drive), ERR_ABSENT);
	a.drives[2].removable = true;
	assert_int_equal(one(&a, taken, 2, true, &drive), ERR_ABSENT);
	a.drives[2].usable = false;
	assert_int_equal(one(&a, taken, 2, false, &drive), ERR_ABSENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bound_is_the_sum_of_sizes_minus_the_m_largest),
		cmocka_unit_test(what_can_never_be_protected_does_not_count),
		cmocka_unit_test(as_many_rows_as_drives_leave_no_capacity),
		cmocka_unit_test(drives_that_are_not_usable_do_not_count),
		cmocka_unit_test(domains_bound_the_capacity),
		cmocka_unit_test(with_one_domain_only_the_rule_is_void),
		cmocka_unit_test(roles_and_removable_drives_bound_the_capacity),
		cmocka_unit_test(drives_without_end_do_not_overflow),
		cmocka_unit_test(copies_hold_one_block_per_group),
		cmocka_unit_test(
			a_group_is_as_wide_as_the_array_but_for_a_spare_from_five_drives_on),
		cmocka_unit_test(rows_are_at_most_one_less_than_the_usable_drives),
		cmocka_unit_test(rows_are_at_most_the_usable_drives_that_may_hold_them),
		cmocka_unit_test(rows_lie_on_billed_drives_first),
		cmocka_unit_test(groups_are_narrow_where_a_drive_is_billed_and_that_costs_little),
		cmocka_unit_test(at_most_m_members_of_a_group_lie_on_removable_drives),
		cmocka_unit_test(a_full_drive_still_counts_for_m),
		cmocka_unit_test(without_a_drive_for_data_the_drives_are_absent),
		cmocka_unit_test(at_most_m_objects_of_a_group_share_a_domain),
		cmocka_unit_test(a_group_that_breaks_the_domain_rule_is_made_when_no_other_fits),
		cmocka_unit_test(parity_role_drives_come_first_for_rows),
		cmocka_unit_test(
			one_parity_role_drive_gets_every_row_and_groups_are_as_wide_as_can_be),
		cmocka_unit_test(members_are_given_up_where_their_drives_must_hold_rows),
		cmocka_unit_test(the_default_width_is_dropped_when_much_is_used),
		cmocka_unit_test(a_spare_that_costs_nothing_stays_until_seventy_percent),
		cmocka_unit_test(the_width_asked_for_is_kept_until_seventy_percent),
		cmocka_unit_test(a_width_below_the_rows_still_holds_one_member),
		cmocka_unit_test(no_more_members_than_wanted),
		cmocka_unit_test(a_narrow_group_uses_the_emptiest_drives),
		cmocka_unit_test(equal_drives_take_turns_in_narrow_groups),
		cmocka_unit_test(beyond_m_objects_the_nearest_drives_are_used),
		cmocka_unit_test(rows_rotate_over_equal_drives),
		cmocka_unit_test(one_more_object_goes_to_the_emptiest_drive_not_taken),
		cmocka_unit_test(one_more_row_prefers_a_parity_role_drive),
		cmocka_unit_test(one_more_object_keeps_out_of_the_group_s_domains_while_it_can),
		cmocka_unit_test(one_more_member_is_not_one_too_many_on_removable_drives),
		cmocka_unit_test(without_room_it_is_full_without_a_drive_it_is_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
