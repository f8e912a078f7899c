/* Groups that have become too wide, split into narrower ones that find drives for their rows. */
#include "care/split.h"
#include "tests/support/noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OBJECT ((uint64_t)1000)
#define SMALL_MAX 12

struct fixture {
	unsigned count;
	struct alloc_drive drives[SMALL_MAX];
	struct alloc_policy policy;
	struct split split;
	struct error err;
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
						     .size_bytes = 1000 * OBJECT,
						     .free_bytes = 1000 * OBJECT };
}

static int split(struct fixture *f, const uint16_t *homes, unsigned members)
{
	return split_members(f->drives, f->count, &f->policy, homes, members, OBJECT, &f->split,
			     &f->err);
}

/* What holds for every split: each member once, where it was; no drive twice in a part; rows on
 * usable drives that may hold them. */
static void assert_sound(const struct fixture *f, const uint16_t *homes, unsigned members)
{
	bool seen[GROUP_SLOTS_MAX] = { false };
	unsigned all = 0;

	for (unsigned i = 0; i < f->split.part_count; i++) {
		const struct split_part *p = &f->split.parts[i];
		bool used[SMALL_MAX] = { false };

		assert_true(p->member_count > 0);
		assert_true(p->row_count <= f->policy.parity);
		for (unsigned n = 0; n < p->member_count; n++) {
			unsigned member = p->members[n], home = f->split.homes[member];

			assert_false(seen[member]);
			seen[member] = true;
			all++;
			assert_true(home < f->count);
			assert_false(used[home]);
			used[home] = true;
			if (homes[member] != SPLIT_HOMELESS)
				assert_int_equal(home, homes[member]);
			else
				assert_true(f->drives[home].usable);
		}
		for (unsigned n = 0; n < p->row_count; n++) {
			const struct alloc_drive *d = &f->drives[p->rows[n]];

			assert_false(used[p->rows[n]]);
			used[p->rows[n]] = true;
			assert_true(d->usable && !d->removable && d->role != ROLE_DATA);
		}
	}
	assert_int_equal(all, members);
}

static void three_members_on_four_drives_with_parity_2_become_two_groups(void **state)
{
	static const uint16_t homes[] = { 0, 1, 2 };
	struct fixture *f = *state;

	make_drives(f, 4, 2);
	assert_int_equal(split(f, homes, 3), ERR_NONE);
	assert_sound(f, homes, 3);
	assert_true(f->split.complete);
	assert_int_equal(f->split.rows_wanted, 2);
	assert_int_equal(f->split.part_count, 2);
	assert_int_equal(f->split.parts[0].member_count, 2);
	assert_int_equal(f->split.parts[1].member_count, 1);
}

static void a_group_that_fits_stays_one(void **state)
{
	static const uint16_t homes[] = { 4, 0, 2 };
	struct fixture *f = *state;

	make_drives(f, 5, 2);
	assert_int_equal(split(f, homes, 3), ERR_NONE);
	assert_sound(f, homes, 3);
	assert_int_equal(f->split.part_count, 1);
	assert_true(f->split.complete);
}

static void with_any_drives_there_are_as_few_groups_as_can_be(void **state)
{
	struct fixture *f = *state;
	struct noise noise = { 5 };

	for (unsigned i = 0; i < 3000; i++) {
		unsigned n = 2 + (unsigned)noise_below(&noise, SMALL_MAX - 1);
		unsigned m = 1 + (unsigned)noise_below(&noise, n - 1);
		unsigned k = 1 + (unsigned)noise_below(&noise, n);
		unsigned each;
		uint8_t picked[SMALL_MAX];
		uint16_t homes[SMALL_MAX];

		make_drives(f, n, m);
		noise_pick(&noise, picked, k, n);
		for (unsigned j = 0; j < k; j++)
			homes[j] = noise_below(&noise, 4) == 0 ? SPLIT_HOMELESS : picked[j];
		assert_int_equal(split(f, homes, k), ERR_NONE);
		assert_sound(f, homes, k);
		assert_true(f->split.complete);
		each = n - m;
		assert_int_equal(f->split.part_count, (k + each - 1) / each);
	}
}

static void a_member_on_a_drive_that_is_away_costs_no_drive(void **state)
{
	static const uint16_t homes[] = { 0, 1, 2 };
	struct fixture *f = *state;

	make_drives(f, 4, 1);
	f->drives[2].usable = false;
	assert_int_equal(split(f, homes, 3), ERR_NONE);
	assert_sound(f, homes, 3);
	assert_true(f->split.complete);
	assert_int_equal(f->split.part_count, 1);
	assert_int_equal(f->split.parts[0].rows[0], 3);
}

static void a_member_without_a_drive_gets_one_that_has_nothing_of_its_group(void **state)
{
	static const uint16_t homes[] = { 0, SPLIT_HOMELESS, 1 };
	struct fixture *f = *state;

	make_drives(f, 5, 2);
	assert_int_equal(split(f, homes, 3), ERR_NONE);
	assert_sound(f, homes, 3);
	assert_int_equal(f->split.part_count, 1);
	assert_true(f->split.complete);
}

static void its_drive_is_one_that_leaves_room_for_rows(void **state)
{
	static const uint16_t homes[] = { SPLIT_HOMELESS };
	struct fixture *f = *state;

	/* The emptiest drive is the only one that may hold a row. */
	make_drives(f, 2, 1);
	f->drives[0].removable = true;
	f->drives[0].free_bytes = 2 * OBJECT;
	assert_int_equal(split(f, homes, 1), ERR_NONE);
	assert_sound(f, homes, 1);
	assert_int_equal(f->split.homes[0], 0);
	assert_true(f->split.complete);
}

static void full_drives_take_nothing(void **state)
{
	static const uint16_t homes[] = { 0, 1 };
	struct fixture *f = *state;

	make_drives(f, 4, 2);
	f->drives[3].free_bytes = OBJECT - 1;
	assert_int_equal(split(f, homes, 2), ERR_NONE);
	assert_sound(f, homes, 2);
	/* Each member alone, its copies on the other two with room. */
	assert_int_equal(f->split.part_count, 2);
	assert_true(f->split.complete);
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned j = 0; j < 2; j++)
			assert_int_not_equal(f->split.parts[i].rows[j], 3);
	}
}

static void what_one_group_takes_the_next_one_has_not(void **state)
{
	static const uint16_t homes[] = { 0, 1 };
	struct fixture *f = *state;

	make_drives(f, 3, 2);
	for (unsigned i = 0; i < 3; i++)
		f->drives[i].free_bytes = OBJECT;
	assert_int_equal(split(f, homes, 2), ERR_NONE);
	assert_sound(f, homes, 2);
	assert_int_equal(f->split.part_count, 2);
	assert_int_equal(f->split.parts[0].row_count, 2); /* on 1 and 2 */
	assert_int_equal(f->split.parts[1].row_count, 1); /* on 0 */
	assert_false(f->split.complete);
}

static void with_fewer_drives_than_parity_asks_one_is_left_for_a_member(void **state)
{
	static const uint16_t homes[] = { 0, 1 };
	struct fixture *f = *state;

	make_drives(f, 3, 4);
	assert_int_equal(split(f, homes, 2), ERR_NONE);
	assert_sound(f, homes, 2);
	assert_int_equal(f->split.rows_wanted, 2);
	assert_int_equal(f->split.part_count, 2);
	assert_true(f->split.complete);
}

static void drives_for_data_alone_hold_no_rows(void **state)
{
	static const uint16_t homes[] = { 0, 1 };
	struct fixture *f = *state;

	make_drives(f, 4, 2);
	f->drives[0].role = ROLE_DATA;
	f->drives[1].removable = true;
	assert_int_equal(split(f, homes, 2), ERR_NONE);
	assert_sound(f, homes, 2);
	assert_int_equal(f->split.part_count, 1);
	assert_true(f->split.complete);
	make_drives(f, 4, 2);
	f->drives[2].role = ROLE_DATA;
	f->drives[3].removable = true;
	assert_int_equal(split(f, homes, 2), ERR_NONE);
	assert_sound(f, homes, 2);
	assert_int_equal(f->split.part_count, 2);
	assert_false(f->split.complete); /* each may have one row, on the other's drive */
	assert_int_equal(f->split.parts[0].row_count, 1);
	assert_int_equal(f->split.parts[1].row_count, 1);
}

static void a_part_has_at_most_m_members_on_removable_drives(void **state)
{
	static const uint16_t homes[] = { 0, 1, 2, 3, 4, SPLIT_HOMELESS };
	struct fixture *f = *state;

	make_drives(f, 9, 1);
	for (unsigned i = 0; i < 3; i++)
		f->drives[i].removable = true;
	f->drives[0].free_bytes *= 2; /* and yet nothing more goes there */
	assert_int_equal(split(f, homes, 6), ERR_NONE);
	assert_sound(f, homes, 6);
	assert_true(f->split.complete);
	assert_int_equal(f->split.part_count, 3);
	for (unsigned i = 0; i < 3; i++) {
		unsigned members = 0;

		for (unsigned n = 0; n < f->split.parts[i].member_count; n++)
			members += f->drives[f->split.homes[f->split.parts[i].members[n]]].removable;
		assert_int_equal(members, 1);
	}
}

static void a_member_that_no_drive_can_take_is_an_error(void **state)
{
	static const uint16_t homes[] = { 0, SPLIT_HOMELESS };
	struct fixture *f = *state;

	make_drives(f, 2, 1);
	f->drives[0].free_bytes = f->drives[1].free_bytes = 0;
	assert_int_equal(split(f, homes, 2), ERR_FULL);
	make_drives(f, 2, 1);
	f->drives[0].usable = f->drives[1].usable = false;
	assert_int_equal(split(f, homes, 2), ERR_ABSENT);
}

static unsigned in_domain(const struct fixture *f, const struct split_part *p, unsigned domain)
{
	unsigned objects = 0;

	for (unsigned i = 0; i < p->member_count; i++)
		objects += f->drives[f->split.homes[p->members[i]]].domain == domain;
	for (unsigned i = 0; i < p->row_count; i++)
		objects += f->drives[p->rows[i]].domain == domain;
	return objects;
}

/* Places for rows beside a member on that drive, while the rule is kept. */
static unsigned places_beside(const struct fixture *f, unsigned home, unsigned most)
{
	unsigned places = 0;

	for (unsigned domain = 0; domain < f->count; domain++) {
		unsigned in = 0, left = most - (f->drives[home].domain == domain);

		for (unsigned i = 0; i < f->count; i++)
			in += i != home && f->drives[i].domain == domain &&
			      f->drives[i].role != ROLE_DATA;
		places += in < left ? in : left;
	}
	return places;
}

/* And where each member alone could be protected so, it is. */
static void split_by_domain_no_part_has_more_than_it_should_in_one(void **state)
{
	struct fixture *f = *state;
	struct noise noise = { 6 };
	unsigned whole = 0;

	for (unsigned i = 0; i < 3000; i++) {
		unsigned n = 2 + (unsigned)noise_below(&noise, SMALL_MAX - 1);
		unsigned m = 1 + (unsigned)noise_below(&noise, n < 4 ? n - 1 : 3), most;
		unsigned k = 1 + (unsigned)noise_below(&noise, n);
		bool possible = true;
		uint8_t picked[SMALL_MAX];
		uint16_t homes[SMALL_MAX];

		make_drives(f, n, m);
		for (unsigned j = 0; j < n; j++) {
			f->drives[j].domain = (uint32_t)noise_below(&noise, 1 + n / 2);
			f->drives[j].role = noise_below(&noise, 3) ? ROLE_BOTH : ROLE_DATA;
		}
		most = alloc_domain_limit(f->drives, n, m);
		noise_pick(&noise, picked, k, n);
		for (unsigned j = 0; j < k; j++) {
			homes[j] = picked[j];
			possible = possible && places_beside(f, homes[j], most) >=
						       alloc_rows(f->drives, n, m);
		}
		assert_int_equal(split_by_domain(f->drives, f->count, &f->policy, homes, k, OBJECT,
						 &f->split, &f->err), ERR_NONE);
		assert_sound(f, homes, k);
		assert_int_equal(f->split.complete, possible);
		for (unsigned p = 0; p < f->split.part_count; p++) {
			for (unsigned domain = 0; domain < n; domain++)
				assert_true(in_domain(f, &f->split.parts[p], domain) <= most);
		}
		whole += possible;
	}
	assert_in_range(whole, 1000, 2900);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_members_on_four_drives_with_parity_2_become_two_groups),
		cmocka_unit_test(a_group_that_fits_stays_one),
		cmocka_unit_test(with_any_drives_there_are_as_few_groups_as_can_be),
		cmocka_unit_test(a_member_on_a_drive_that_is_away_costs_no_drive),
		cmocka_unit_test(a_member_without_a_drive_gets_one_that_has_nothing_of_its_group),
		cmocka_unit_test(its_drive_is_one_that_leaves_room_for_rows),
		cmocka_unit_test(full_drives_take_nothing),
		cmocka_unit_test(what_one_group_takes_the_next_one_has_not),
		cmocka_unit_test(with_fewer_drives_than_parity_asks_one_is_left_for_a_member),
		cmocka_unit_test(drives_for_data_alone_hold_no_rows),
		cmocka_unit_test(a_part_has_at_most_m_members_on_removable_drives),
		cmocka_unit_test(a_member_that_no_drive_can_take_is_an_error),
		cmocka_unit_test(split_by_domain_no_part_has_more_than_it_should_in_one),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
