/* Random arrays are filled with equal blocks until the allocator refuses: it must reach U(m). */
#include "array/alloc.h"
#include "tests/support/noise.h"
#include "tests/support/tiny.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DRIVES 12
#define ARRAYS 250 /* MRMR_SWEEP_EVERY: fewer */

enum kind {
	PLAIN = 0,
	ROLES = 1, /* and removable drives */
	DOMAINS = 2,
	REMOVABLES = 4,
	STACKS = 8, /* large drives for data, small ones for rows */
};

struct sample {
	unsigned count, m;
	unsigned width; /* asked for; 0: none */
	struct alloc_drive drives[DRIVES];
};

static bool may_hold(const struct alloc_drive *d, bool row)
{
	return row ? d->role != ROLE_DATA && !d->removable : d->role != ROLE_PARITY;
}

/* Sizes in blocks: equal ones, or random with some large ones among them. */
static struct sample array_make(struct noise *noise, enum kind kind)
{
	static const enum drive_role roles[] = {ROLE_DATA, ROLE_PARITY, ROLE_BOTH,
						ROLE_BOTH, ROLE_BOTH,	ROLE_BOTH};
	struct sample a = {.count = 2 + (unsigned)noise_below(noise, DRIVES - 1)};
	uint64_t scale = 20 + noise_below(noise, 300);
	bool equal = noise_below(noise, 4) == 0;
	uint64_t domains = 1 + noise_below(noise, a.count);

	a.m = (unsigned)noise_below(noise, 5);
	for (unsigned i = 0; i < a.count; i++) {
		struct alloc_drive *d = &a.drives[i];

		d->usable = true;
		d->domain = kind & DOMAINS ? (uint32_t)noise_below(noise, domains) : i;
		d->size_bytes = scale;
		if (!equal)
			d->size_bytes =
				1 + noise_below(noise, noise_below(noise, 4) ? scale : 4 * scale);
		d->free_bytes = d->size_bytes;
		if (kind & ROLES) {
			d->role = roles[noise_below(noise, sizeof(roles) / sizeof(roles[0]))];
			d->removable = noise_below(noise, 5) == 0;
		}
		if (kind & REMOVABLES)
			d->removable = noise_below(noise, 5) < 2;
		if (kind & STACKS) {
			bool large = i == 0 || noise_below(noise, 3) == 0;

			d->role = large ? ROLE_DATA : ROLE_PARITY;
			d->size_bytes = 1 + noise_below(noise, large ? 4 * scale : scale);
			d->free_bytes = d->size_bytes;
		}
	}
	return a;
}

/* m that the drives allow: what alloc_group() takes for m'. */
static unsigned rows_of(const struct sample *a)
{
	unsigned rows = 0, drives = 0;

	for (unsigned i = 0; i < a->count; i++) {
		rows += may_hold(&a->drives[i], true);
		drives += may_hold(&a->drives[i], true) || may_hold(&a->drives[i], false);
	}
	if (rows > drives - 1)
		rows = drives - 1;
	return a->m < rows ? a->m : rows;
}

static void put(struct sample *a, unsigned drive, bool row, bool *used)
{
	assert_true(may_hold(&a->drives[drive], row));
	assert_true(a->drives[drive].free_bytes > 0);
	assert_false(used[drive]);
	used[drive] = true;
	a->drives[drive].free_bytes--;
}

static unsigned most_in_a_domain(const struct sample *a, const bool *used)
{
	unsigned in_domain[DRIVES] = {0}, most = 0;

	for (unsigned i = 0; i < a->count; i++)
		if (used[i] && ++in_domain[a->drives[i].domain] > most)
			most = in_domain[a->drives[i].domain];
	return most;
}

static unsigned on_removable(const struct sample *a, const bool *used)
{
	unsigned members = 0;

	for (unsigned i = 0; i < a->count; i++)
		members += used[i] && a->drives[i].removable;
	return members;
}

/* Of the drives that may hold anything: a removable parity-role drive is none. */
static bool one_domain(const struct sample *a)
{
	const struct alloc_drive *first = NULL;

	for (unsigned i = 0; i < a->count; i++) {
		const struct alloc_drive *d = &a->drives[i];

		if (!may_hold(d, true) && !may_hold(d, false))
			continue;
		if (first && d->domain != first->domain)
			return false;
		first = d;
	}
	return true;
}

/* Places for rows in a domain, beside the member on that drive, while the rule is kept. */
static unsigned row_places(const struct sample *a, uint32_t domain, unsigned member,
			   unsigned domain_max)
{
	unsigned places = 0;

	for (unsigned i = 0; i < a->count; i++)
		places += i != member && a->drives[i].domain == domain &&
			  a->drives[i].free_bytes > 0 && may_hold(&a->drives[i], true);
	if (a->drives[member].domain == domain)
		domain_max--;
	return places < domain_max ? places : domain_max;
}

/* Whether some group that keeps the rule fits: one member and m rows. Every member is tried. */
static bool some_group_fits(const struct sample *a, unsigned m, unsigned domain_max)
{
	for (unsigned i = 0; i < a->count; i++) {
		unsigned places = 0;

		if (a->drives[i].free_bytes == 0 || !may_hold(&a->drives[i], false))
			continue;
		for (uint32_t domain = 0; domain < DRIVES; domain++)
			places += row_places(a, domain, i, domain_max);
		if (places >= m)
			return true;
	}
	return false;
}

/* Blocks of data stored while the domain rule was kept, every plan checked. The rule is kept while
 * any group that keeps it fits. */
static uint64_t fill(struct sample *a, unsigned m)
{
	const struct alloc_policy policy = {.parity = a->m, .width = a->width};
	unsigned domain_max = one_domain(a) ? DRIVES : m > 1 ? m : 1;
	uint64_t data = 0, rotation = 0;
	struct alloc_plan p;
	struct error err;

	while (alloc_group(a->drives, a->count, &policy, 1, 0, rotation++, &p, &err) == ERR_NONE) {
		bool used[DRIVES] = {false}, fits = some_group_fits(a, m, domain_max);

		assert_int_equal(p.m, m);
		assert_true(p.k >= 1);
		for (unsigned i = 0; i < p.k; i++)
			put(a, p.data[i], false, used);
		for (unsigned i = 0; i < p.m; i++)
			put(a, p.rows[i], true, used);
		/* All of them may be unplugged at once. */
		assert_true(m == 0 || on_removable(a, used) <= m);
		assert_int_equal(most_in_a_domain(a, used) <= domain_max, fits);
		data += fits ? p.k : 0;
	}
	assert_int_equal(err.code, ERR_FULL);
	assert_false(some_group_fits(a, m, DRIVES));
	return data;
}

static struct sample array_that_takes_data(struct noise *noise, enum kind kind)
{
	for (;;) {
		struct sample a = array_make(noise, kind);

		for (unsigned i = 0; i < a.count; i++)
			if (may_hold(&a.drives[i], false))
				return a;
	}
}

static bool is_enough(const struct sample *a, uint64_t data, uint64_t bound)
{
	return (double)data >= 0.99 * (double)bound || data + a->count >= bound;
}

static void fill_arrays(uint64_t seed, enum kind kind, const char *what)
{
	struct noise noise = {seed};
	double sum = 0, worst = 1;
	unsigned arrays = ARRAYS / tiny_every();

	for (unsigned i = 0; i < arrays; i++) {
		struct sample a = array_that_takes_data(&noise, kind);
		unsigned m = rows_of(&a);
		uint64_t bound = alloc_usable_bytes(a.drives, a.count, m), data = fill(&a, m);
		double part = data < bound ? (double)data / (double)bound : 1;

		if (!is_enough(&a, data, bound))
			fail_msg("%u drives, m = %u: %ju of %ju blocks", a.count, m,
				 (uintmax_t)data, (uintmax_t)bound);
		if (kind & STACKS)
			assert_true(data + a.count >= bound); /* a block per drive */
		sum += part;
		worst = part < worst ? part : worst;
	}
	printf("%s: %u arrays hold %.3f %% of U(m) on average, %.2f %% at worst\n", what, arrays,
	       100 * sum / arrays, 100 * worst);
	assert_true(sum / arrays >= 0.999);
}

static void arrays_of_any_sizes_are_filled_to_the_bound(void **state)
{
	(void)state;
	fill_arrays(1, PLAIN, "sizes");
}

static void arrays_with_roles_and_removable_drives_are_filled_to_the_bound(void **state)
{
	(void)state;
	fill_arrays(2, ROLES, "roles");
}

static void arrays_with_domains_are_filled_to_the_bound(void **state)
{
	(void)state;
	fill_arrays(3, DOMAINS, "domains");
}

static void arrays_with_roles_and_domains_are_filled_to_the_bound(void **state)
{
	(void)state;
	fill_arrays(4, ROLES | DOMAINS, "roles and domains");
}

static void arrays_with_many_removable_drives_are_filled_to_the_bound(void **state)
{
	(void)state;
	fill_arrays(5, REMOVABLES, "removable");
}

static void arrays_with_many_removable_drives_and_domains_are_filled_to_the_bound(void **state)
{
	(void)state;
	fill_arrays(6, REMOVABLES | DOMAINS, "removable and domains");
}

/* "Stacking": several small drives together carry the rows of one that is as large as all of them. */
static void large_drives_for_data_over_small_ones_for_parity_are_filled_to_the_bound(void **state)
{
	(void)state;
	fill_arrays(7, STACKS, "stacks");
}

static uint64_t bound_of_free(const struct sample *a, unsigned m)
{
	struct sample left = *a;

	for (unsigned i = 0; i < left.count; i++)
		left.drives[i].size_bytes = left.drives[i].free_bytes;
	return alloc_usable_bytes(left.drives, left.count, m);
}

/* Groups as wide as asked for until 70 % of U(m) is used: then what is left is filled. Returns what was
 * stored by then. */
static uint64_t fill_narrow(struct sample *a, unsigned m)
{
	const struct alloc_policy policy = {.parity = a->m, .width = a->width};
	uint64_t bound = alloc_usable_bytes(a->drives, a->count, m), data = 0, rotation = 0;
	unsigned widest = a->width > m ? a->width : m + 1;
	struct alloc_plan p;
	struct error err;

	while ((bound - bound_of_free(a, m)) * 100 < bound * 70 &&
	       alloc_group(a->drives, a->count, &policy, 1, 0, rotation++, &p, &err) == ERR_NONE) {
		bool used[DRIVES] = {false};

		assert_true(p.k + p.m <= widest);
		for (unsigned i = 0; i < p.k; i++)
			put(a, p.data[i], false, used);
		for (unsigned i = 0; i < p.m; i++)
			put(a, p.rows[i], true, used);
		data += p.k;
	}
	return data;
}

static void a_width_is_kept_to_seventy_percent_and_what_is_left_is_filled_to_its_bound(void **state)
{
	struct noise noise = {5};
	double sum = 0;
	unsigned arrays = ARRAYS / tiny_every();

	(void)state;
	for (unsigned i = 0; i < arrays; i++) {
		struct sample a = array_that_takes_data(&noise, ROLES | DOMAINS);
		unsigned m = rows_of(&a);
		uint64_t data, left, filled;

		a.width = 1 + (unsigned)noise_below(&noise, 8);
		data = fill_narrow(&a, m);
		left = bound_of_free(&a, m);
		filled = fill(&a, m);
		if (!is_enough(&a, filled, left))
			fail_msg("%u drives, m = %u, width %u: %ju of %ju blocks", a.count, m,
				 a.width, (uintmax_t)filled, (uintmax_t)left);
		sum += data + left > 0 ? (double)(data + filled) / (double)(data + left) : 1;
	}
	assert_true(sum / arrays >= 0.999);
}

struct given {
	uint64_t size;
	enum drive_role role;
	uint32_t domain;
};

static void assert_filled(const struct given *drives, unsigned count, unsigned m, uint64_t bound)
{
	struct sample a = {.count = count, .m = m};

	for (unsigned i = 0; i < count; i++)
		a.drives[i] = (struct alloc_drive){
			.usable = true,
			.role = drives[i].role,
			.domain = drives[i].domain,
			.size_bytes = drives[i].size,
			.free_bytes = drives[i].size,
		};
	assert_int_equal(alloc_usable_bytes(a.drives, a.count, a.m), bound);
	assert_in_range(fill(&a, a.m), bound * 99 / 100, bound);
}

/*
 * Data-only drives fill two hosts, and each group needs a row on both: two rows on the host with
 * more room would leave the other host's place to a member that must be a row.
 */
static void rows_are_spread_over_domains_where_that_holds_more(void **state)
{
	static const struct given drives[] = {
		{917, ROLE_DATA, 2},   {90, ROLE_BOTH, 2},  {147, ROLE_BOTH, 2},
		{149, ROLE_BOTH, 2},   {590, ROLE_DATA, 0}, {349, ROLE_BOTH, 0},
		{234, ROLE_PARITY, 0}, {142, ROLE_BOTH, 2}, {101, ROLE_PARITY, 2},
	};

	(void)state;
	assert_filled(drives, sizeof(drives) / sizeof(drives[0]), 2, 1173);
}

/* The small parity-role drives must last as long as the large drives of both kinds: only one of
 * them at a time, and rows on the large ones from the first group on. */
static void parity_role_drives_wait_where_that_holds_more(void **state)
{
	static const struct given drives[] = {
		{407, ROLE_DATA, 0},   {7, ROLE_BOTH, 1},   {7, ROLE_DATA, 2},
		{145, ROLE_PARITY, 3}, {108, ROLE_DATA, 4}, {58, ROLE_PARITY, 5},
		{606, ROLE_BOTH, 6},   {134, ROLE_BOTH, 7}, {90, ROLE_DATA, 8},
		{27, ROLE_PARITY, 9},
	};

	(void)state;
	assert_filled(drives, sizeof(drives) / sizeof(drives[0]), 4, 281);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arrays_of_any_sizes_are_filled_to_the_bound),
		cmocka_unit_test(arrays_with_roles_and_removable_drives_are_filled_to_the_bound),
		cmocka_unit_test(arrays_with_domains_are_filled_to_the_bound),
		cmocka_unit_test(arrays_with_roles_and_domains_are_filled_to_the_bound),
		cmocka_unit_test(
			a_width_is_kept_to_seventy_percent_and_what_is_left_is_filled_to_its_bound),
		cmocka_unit_test(arrays_with_many_removable_drives_are_filled_to_the_bound),
		cmocka_unit_test(
			arrays_with_many_removable_drives_and_domains_are_filled_to_the_bound),
		cmocka_unit_test(
			large_drives_for_data_over_small_ones_for_parity_are_filled_to_the_bound),
		cmocka_unit_test(rows_are_spread_over_domains_where_that_holds_more),
		cmocka_unit_test(parity_role_drives_wait_where_that_holds_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
