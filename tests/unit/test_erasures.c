/*
 * Every loss a group survives, and every order in which its survivors may be given: what is
 * computed from any k of k + m objects is what was there (RELIABILITY, R-20).
 */
#include "group/code.h"
#include "tests/support/noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RANGE 150 /* above the widest SIMD step, so that its tail is in it too */
#define OBJECTS_MAX (GROUP_SLOTS_MAX + GROUP_ROWS_MAX)

/* All k + m objects of a group, zero-padded to RANGE. */
struct group {
	unsigned k, m;
	uint8_t slots[GROUP_SLOTS_MAX];
	struct code_input objects[OBJECTS_MAX];
	uint8_t bytes[OBJECTS_MAX][RANGE];
};

static struct group group; /* large, and used by one test after the other */
static uint8_t rebuilt[GROUP_ROWS_MAX][RANGE];

/* Any slots, any rows; members of any lengths, one of the whole. */
static void group_make(struct group *g, unsigned k, unsigned m, struct noise *noise)
{
	uint8_t rows[GROUP_ROWS_MAX], *outs[GROUP_ROWS_MAX];
	struct error err;

	g->k = k;
	g->m = m;
	noise_pick(noise, g->slots, k, GROUP_SLOTS_MAX);
	noise_pick(noise, rows, m, GROUP_ROWS_MAX);
	for (unsigned i = 0; i < k + m; i++) {
		size_t len = i == 0 || i >= k || noise_below(noise, 2)
				     ? RANGE
				     : (size_t)noise_below(noise, RANGE);

		memset(g->bytes[i], 0, RANGE);
		noise_fill(noise, g->bytes[i], len);
		g->objects[i] = (struct code_input){
			.ref = {i >= k, i < k ? g->slots[i] : rows[i - k]},
			.bytes = g->bytes[i],
			.len_bytes = len,
		};
		if (i >= k)
			outs[i - k] = g->bytes[i];
	}
	assert_int_equal(code_encode(g->objects, k, rows, m, outs, RANGE, &err), ERR_NONE);
}

/* Computes the objects not among survivors[0..k-1] and compares them. */
static void assert_all_come_back(const struct group *g, const uint8_t *survivors)
{
	struct code_input have[GROUP_SLOTS_MAX];
	struct code_ref want[GROUP_ROWS_MAX] = {0};
	uint8_t lost[GROUP_ROWS_MAX], *outs[GROUP_ROWS_MAX] = {NULL};
	bool there[OBJECTS_MAX] = {false};
	unsigned lost_count = 0;
	struct error err;

	for (unsigned i = 0; i < g->k; i++) {
		have[i] = g->objects[survivors[i]];
		there[survivors[i]] = true;
	}
	for (unsigned i = 0; i < g->k + g->m; i++) {
		if (there[i])
			continue;
		outs[lost_count] = rebuilt[lost_count];
		want[lost_count] = g->objects[i].ref;
		lost[lost_count++] = (uint8_t)i;
	}
	assert_int_equal(
		code_rebuild(g->slots, g->k, have, g->k, want, lost_count, outs, RANGE, &err),
		ERR_NONE);
	for (unsigned i = 0; i < lost_count; i++)
		assert_memory_equal(rebuilt[i], g->bytes[lost[i]], RANGE);
}

/* The next k of n in lexical order; false after the last. */
static bool next_subset(uint8_t *subset, unsigned k, unsigned n)
{
	unsigned i = k;

	while (i > 0 && subset[i - 1] == n - k + i - 1)
		i--;
	if (i == 0)
		return false;
	subset[i - 1]++;
	for (; i < k; i++)
		subset[i] = (uint8_t)(subset[i - 1] + 1);
	return true;
}

static void swap(uint8_t *a, uint8_t *b)
{
	uint8_t kept = *a;

	*a = *b;
	*b = kept;
}

/* The next order in lexical order; false after the last, which becomes the first. */
static bool next_order(uint8_t *items, unsigned count)
{
	unsigned i = count - 1, j = count - 1;

	while (i > 0 && items[i - 1] >= items[i])
		i--;
	for (unsigned a = i, b = count - 1; a < b; a++, b--)
		swap(&items[a], &items[b]);
	if (i == 0)
		return false;
	for (j = i; items[j] <= items[i - 1]; j++)
		;
	swap(&items[i - 1], &items[j]);
	return true;
}

static void first_subset(uint8_t *subset, unsigned k)
{
	for (unsigned i = 0; i < k; i++)
		subset[i] = (uint8_t)i;
}

static void every_loss_of_m_of_up_to_fourteen_objects_is_made_good(void **state)
{
	struct noise noise = {1};
	unsigned long patterns = 0;

	(void)state;
	for (unsigned round = 0; round < 4; round++)
		for (unsigned k = 1; k <= 10; k++)
			for (unsigned m = 0; m <= 4; m++) {
				uint8_t survivors[GROUP_SLOTS_MAX];

				group_make(&group, k, m, &noise);
				first_subset(survivors, k);
				do {
					assert_all_come_back(&group, survivors);
					patterns++;
				} while (next_subset(survivors, k, k + m));
			}
	printf("k <= 10, m <= 4: %lu patterns of loss\n", patterns);
}

static void every_order_of_the_survivors_gives_the_same(void **state)
{
	struct noise noise = {2};
	unsigned long orders = 0;

	(void)state;
	for (unsigned k = 2; k <= 6; k++)
		for (unsigned m = 1; m <= (k < 6 ? 4 : 3); m++) {
			uint8_t survivors[GROUP_SLOTS_MAX];

			group_make(&group, k, m, &noise);
			first_subset(survivors, k);
			do {
				do {
					assert_all_come_back(&group, survivors);
					orders++;
				} while (next_order(survivors, k));
			} while (next_subset(survivors, k, k + m));
		}
	printf("k <= 6: %lu orders of survivors\n", orders);
}

static void wide_groups_survive_sampled_losses(void **state)
{
	struct noise noise = {3};
	unsigned samples = 0;

	(void)state;
	for (unsigned t = 0; t < 250; t++) {
		unsigned k = t < 10 ? GROUP_SLOTS_MAX : 1 + (unsigned)noise_below(&noise, 239);
		unsigned m = t < 10 ? GROUP_ROWS_MAX : 1 + (unsigned)noise_below(&noise, 17);

		group_make(&group, k, m, &noise);
		for (unsigned i = 0; i < 4; i++) {
			uint8_t survivors[256];

			noise_pick(&noise, survivors, k, k + m);
			assert_all_come_back(&group, survivors);
			samples++;
		}
	}
	printf("k <= 239, m <= 17: %u sampled losses\n", samples);
}

static void one_wrong_byte_of_a_survivor_changes_what_comes_back(void **state)
{
	struct noise noise = {4};
	struct code_input have[3];
	struct code_ref want;
	uint8_t *out = rebuilt[0];
	struct error err;

	(void)state;
	group_make(&group, 3, 1, &noise);
	want = group.objects[0].ref;
	for (unsigned i = 0; i < 3; i++)
		have[i] = group.objects[i + 1];
	group.bytes[3][77] ^= 1;
	assert_int_equal(code_rebuild(group.slots, 3, have, 3, &want, 1, &out, RANGE, &err),
			 ERR_NONE);
	assert_memory_equal(out, group.bytes[0], 77);
	assert_int_not_equal(out[77], group.bytes[0][77]);
	assert_memory_equal(out + 78, group.bytes[0] + 78, RANGE - 78);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_loss_of_m_of_up_to_fourteen_objects_is_made_good),
		cmocka_unit_test(every_order_of_the_survivors_gives_the_same),
		cmocka_unit_test(wide_groups_survive_sampled_losses),
		cmocka_unit_test(one_wrong_byte_of_a_survivor_changes_what_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
