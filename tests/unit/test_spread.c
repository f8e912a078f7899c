/* Where the objects of a group go, so that no domain has too many of them: compared with all ways that
 * there are. */
#include "care/spread.h"
#include "tests/support/noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DRIVES 6
#define OBJECTS 4
#define NOWAY UINT64_MAX

struct array {
	unsigned count, domain_max, object_count;
	struct alloc_drive drives[DRIVES];
	struct spread_object objects[OBJECTS];
};

/* The objects lie anywhere, on one drive twice as well. */
static struct array array_make(struct noise *noise)
{
	struct array a = { .count = 2 + (unsigned)noise_below(noise, DRIVES - 1),
			   .domain_max = 1 + (unsigned)noise_below(noise, 2),
			   .object_count = 1 + (unsigned)noise_below(noise, OBJECTS) };
	uint64_t domains = 1 + noise_below(noise, a.count);

	for (unsigned i = 0; i < a.count; i++)
		a.drives[i] = (struct alloc_drive){
			.usable = noise_below(noise, 8) > 0,
			.role = noise_below(noise, 2) ? ROLE_BOTH
						      : (enum drive_role)noise_below(noise, 3),
			.removable = noise_below(noise, 6) == 0,
			.domain = (uint32_t)noise_below(noise, domains),
			.free_bytes = noise_below(noise, 30),
		};
	for (unsigned i = 0; i < a.object_count; i++)
		a.objects[i] = (struct spread_object){
			.drive = (uint16_t)noise_below(noise, a.count),
			.row = noise_below(noise, 2) == 0,
			.len_bytes = 1 + noise_below(noise, 20),
		};
	return a;
}

static bool is_allowed(const struct array *a, const struct spread_object *o, unsigned drive)
{
	const struct alloc_drive *d = &a->drives[drive];

	return o->drive == drive ||
	       (d->usable && d->free_bytes >= o->len_bytes &&
		(o->row ? d->role != ROLE_DATA && !d->removable : d->role != ROLE_PARITY));
}

/* The bytes that move; NOWAY: it breaks a rule. */
static uint64_t price_of(const struct array *a, const unsigned *to)
{
	unsigned on[DRIVES] = { 0 }, in[DRIVES] = { 0 };
	uint64_t bytes = 0;

	for (unsigned i = 0; i < a->object_count; i++) {
		if (!is_allowed(a, &a->objects[i], to[i]) || on[to[i]]++ > 0 ||
		    in[a->drives[to[i]].domain]++ >= a->domain_max)
			return NOWAY;
		bytes += to[i] != a->objects[i].drive ? a->objects[i].len_bytes : 0;
	}
	return bytes;
}

static uint64_t least_price(const struct array *a)
{
	unsigned to[OBJECTS] = { 0 }, ways = 1;
	uint64_t least = NOWAY;

	for (unsigned i = 0; i < a->object_count; i++)
		ways *= a->count;
	for (unsigned way = 0; way < ways; way++) {
		uint64_t price;
		unsigned rest = way;

		for (unsigned i = 0; i < a->object_count; i++) {
			to[i] = rest % a->count;
			rest /= a->count;
		}
		price = price_of(a, to);
		least = price < least ? price : least;
	}
	return least;
}

static void it_finds_the_way_that_moves_the_fewest_bytes_if_there_is_one(void **state)
{
	struct noise noise = { 11 };
	unsigned found = 0;

	(void)state;
	for (unsigned t = 0; t < 20000; t++) {
		struct array a = array_make(&noise);
		uint64_t least = least_price(&a);
		unsigned to[OBJECTS];
		bool is = spread_plan(a.drives, a.count, a.domain_max, a.objects, a.object_count);

		assert_int_equal(is, least != NOWAY);
		for (unsigned i = 0; i < a.object_count && is; i++)
			to[i] = a.objects[i].to;
		if (is)
			assert_int_equal(price_of(&a, to), least);
		found += is;
	}
	assert_in_range(found, 5000, 15000); /* of both kinds there are many */
}

static void of_equal_ways_it_takes_that_of_the_row_to_the_emptiest_drive(void **state)
{
	struct alloc_drive drives[4] = {
		{ .usable = true, .domain = 0, .free_bytes = 10 },
		{ .usable = true, .domain = 0, .free_bytes = 10 },
		{ .usable = true, .domain = 2, .free_bytes = 10 },
		{ .usable = true, .domain = 3, .free_bytes = 11 },
	};
	struct spread_object objects[2] = { { .drive = 0, .len_bytes = 5 },
					    { .drive = 1, .len_bytes = 5, .row = true } };

	(void)state;
	assert_true(spread_plan(drives, 4, 1, objects, 2));
	assert_int_equal(objects[0].to, 0);
	assert_int_equal(objects[1].to, 3);
}

/* A member may go only where the row is; that one may go to the new drive. */
static void an_object_makes_room_for_another(void **state)
{
	struct alloc_drive drives[4] = {
		{ .usable = true, .domain = 0, .free_bytes = 10 },
		{ .usable = true, .domain = 0, .free_bytes = 10 },
		{ .usable = true, .domain = 2, .free_bytes = 10 },
		{ .usable = true, .domain = 3, .free_bytes = 10, .role = ROLE_PARITY },
	};
	struct spread_object objects[3] = { { .drive = 0, .len_bytes = 5 },
					    { .drive = 1, .len_bytes = 5 },
					    { .drive = 2, .len_bytes = 5, .row = true } };

	(void)state;
	assert_true(spread_plan(drives, 4, 1, objects, 3));
	assert_int_equal(objects[2].to, 3);
	assert_true(objects[0].to == 2 || objects[1].to == 2);
	drives[3].free_bytes = 4;
	assert_false(spread_plan(drives, 4, 1, objects, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_finds_the_way_that_moves_the_fewest_bytes_if_there_is_one),
		cmocka_unit_test(of_equal_ways_it_takes_that_of_the_row_to_the_emptiest_drive),
		cmocka_unit_test(an_object_makes_room_for_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
