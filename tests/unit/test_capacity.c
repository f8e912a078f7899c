/* Random arrays are filled with equal blocks until the allocator refuses: it must reach U(m). */
#include "array/alloc.h"
#include "tests/support/noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DRIVES 12
#define ARRAYS 250

enum kind { PLAIN = 0, ROLES = 1, DOMAINS = 2, ROLES_AND_DOMAINS = ROLES | DOMAINS };

struct array {
	unsigned count, m;
	struct alloc_drive drives[DRIVES];
};

static bool may_hold(const struct alloc_drive *d, bool row)
{
	return row ? d->role != ROLE_DATA && !d->removable : d->role != ROLE_PARITY;
}

/* Sizes in blocks: equal ones, or random with some large ones among them. */
static struct array array_make(struct noise *noise, enum kind kind)
{
	static const enum drive_role roles[] = {ROLE_DATA, ROLE_PARITY, ROLE_BOTH,
						ROLE_BOTH, ROLE_BOTH,	ROLE_BOTH};
	struct array a = {.count = 2 + (unsigned)noise_below(noise, DRIVES - 1)};
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
	}
	return a;
}

/* m that the drives allow: what alloc_group() takes for m'. */
static unsigned rows_of(const struct array *a)
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

static void put(struct array *a, unsigned drive, bool row, bool *used)
{
	assert_true(may_hold(&a->drives[drive], row));
	assert_true(a->drives[drive].free_bytes > 0);
	assert_false(used[drive]);
	used[drive] = true;
	a->drives[drive].free_bytes--;
}

static unsigned most_in_a_domain(const struct array *a, const bool *used)
{
	unsigned in_domain[DRIVES] = {0}, most = 0;

	for (unsigned i = 0; i < a->count; i++)
		if (used[i] && ++in_domain[a->drives[i].domain] > most)
			most = in_domain[a->drives[i].domain];
	return most;
}

static bool one_domain(const struct array *a)
{
	for (unsigned i = 1; i < a->count; i++)
		if (a->drives[i].domain != a->drives[0].domain)
			return false;
	return true;
}

/* Blocks of data stored while the domain rule was kept, every plan checked. */
static uint64_t fill(struct array *a, unsigned m)
{
	const struct alloc_policy policy = {.parity = a->m};
	unsigned domain_max = one_domain(a) ? DRIVES : m > 1 ? m : 1;
	uint64_t data = 0, rotation = 0;
	bool rule_kept = true;
	struct alloc_plan p;
	struct error err;

	while (alloc_group(a->drives, a->count, &policy, 1, 0, rotation++, &p, &err) == ERR_NONE) {
		bool used[DRIVES] = {false};

		assert_int_equal(p.m, m);
		assert_true(p.k >= 1);
		for (unsigned i = 0; i < p.k; i++)
			put(a, p.data[i], false, used);
		for (unsigned i = 0; i < p.m; i++)
			put(a, p.rows[i], true, used);
		if (most_in_a_domain(a, used) > domain_max)
			rule_kept = false;
		else
			assert_true(rule_kept); /* once nothing fits, nothing fits later */
		data += p.k;
	}
	assert_int_equal(err.code, ERR_FULL);
	return data;
}

static void fill_arrays(uint64_t seed, enum kind kind, const char *what)
{
	struct noise noise = {seed};
	double sum = 0, worst = 1;
	unsigned arrays = 0;

	while (arrays < ARRAYS) {
		struct array a = array_make(&noise, kind);
		bool takes_data = false;
		uint64_t bound, data;
		double part;
		unsigned m;

		for (unsigned i = 0; i < a.count; i++)
			takes_data = takes_data || may_hold(&a.drives[i], false);
		if (!takes_data)
			continue;
		m = rows_of(&a);
		bound = alloc_usable_bytes(a.drives, a.count, m);
		data = fill(&a, m);
		part = data < bound ? (double)data / (double)bound : 1;
		if ((double)(data + a.count) < 0.99 * (double)bound)
			fail_msg("%u drives, m = %u: %ju of %ju blocks", a.count, m,
				 (uintmax_t)data, (uintmax_t)bound);
		sum += part;
		worst = part < worst ? part : worst;
		arrays++;
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
	fill_arrays(4, ROLES_AND_DOMAINS, "roles and domains");
}

struct given {
	uint64_t size;
	enum drive_role role;
	uint32_t domain;
};

static void assert_filled(const struct given *drives, unsigned count, unsigned m, uint64_t bound)
{
	struct array a = {.count = count, .m = m};

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
		cmocka_unit_test(rows_are_spread_over_domains_where_that_holds_more),
		cmocka_unit_test(parity_role_drives_wait_where_that_holds_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
