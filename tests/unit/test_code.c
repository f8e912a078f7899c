#include "group/code.h"
#include "tests/support/noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <isa-l/erasure_code.h>

#define MEMBERS_MAX 16
#define ROWS_MAX 5
#define RANGE_MAX (200 * 1024)

/* Members of any lengths at odd addresses, and their rows. */
struct group {
	unsigned k, m;
	size_t range_bytes;
	uint8_t slots[MEMBERS_MAX], row_index[ROWS_MAX];
	struct code_input members[MEMBERS_MAX];
	uint8_t *outs[ROWS_MAX];
	uint8_t *memory;
};

static void group_make(struct group *g, unsigned k, unsigned m, size_t range_bytes,
		       struct noise *noise)
{
	memset(g, 0, sizeof(*g));
	g->k = k;
	g->m = m;
	g->range_bytes = range_bytes;
	g->memory = malloc((k + m) * (range_bytes + 1) + 1);
	assert_non_null(g->memory);
	noise_fill(noise, g->memory, (k + m) * (range_bytes + 1));
	noise_pick(noise, g->slots, k, GROUP_SLOTS_MAX);
	noise_pick(noise, g->row_index, m, GROUP_ROWS_MAX);
	for (unsigned i = 0; i < k; i++)
		g->members[i] = (struct code_input){
			.ref = {.index = g->slots[i]},
			.bytes = g->memory + i * (range_bytes + 1) + 1,
			.len_bytes = range_bytes,
		};
	for (unsigned i = 0; i < m; i++)
		g->outs[i] = g->memory + (k + i) * (range_bytes + 1) + 1;
}

static void group_encode(struct group *g)
{
	struct error err;

	assert_int_equal(
		code_encode(g->members, g->k, g->row_index, g->m, g->outs, g->range_bytes, &err),
		ERR_NONE);
}

/* Lengths from 0 to the whole range; one member has the whole. */
static void group_shorten(struct group *g, struct noise *noise)
{
	for (unsigned i = 1; i < g->k; i++)
		if (noise_below(noise, 4) > 0)
			g->members[i].len_bytes = (size_t)noise_below(noise, g->range_bytes + 1);
}

static uint8_t byte_of(const struct code_input *member, size_t at)
{
	return at < member->len_bytes ? member->bytes[at] : 0;
}

/* Byte by byte from the definition in code.h. */
static void assert_rows_are_the_sums(const struct group *g)
{
	for (unsigned r = 0; r < g->m; r++)
		for (size_t at = 0; at < g->range_bytes; at++) {
			uint8_t sum = 0;

			for (unsigned i = 0; i < g->k; i++)
				sum ^= gf_mul(group_coef(g->row_index[r], g->slots[i]),
					      byte_of(&g->members[i], at));
			assert_int_equal(g->outs[r][at], sum);
		}
}

static void rows_are_the_sums_of_their_members(void **state)
{
	static const size_t ranges[] = {1, 15, 16, 31, 32, 33, 63, 64, 65, 255, 4096, 65535, 65537};
	struct noise noise = {1};

	(void)state;
	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		struct group g;

		group_make(&g, 2 + i % 7, 1 + i % ROWS_MAX, ranges[i], &noise);
		group_encode(&g);
		assert_rows_are_the_sums(&g);
		free(g.memory);
	}
}

static void members_of_unequal_lengths_count_as_zero_padded(void **state)
{
	struct noise noise = {2};

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		struct group g;

		group_make(&g, 2 + i % 9, 1 + i % ROWS_MAX, 1 + (size_t)noise_below(&noise, 3000),
			   &noise);
		group_shorten(&g, &noise);
		group_encode(&g);
		assert_rows_are_the_sums(&g);
		free(g.memory);
	}
}

static void a_group_of_only_empty_members_has_zero_rows(void **state)
{
	struct noise noise = {3};
	struct group g;

	(void)state;
	group_make(&g, 3, 2, 1000, &noise);
	for (unsigned i = 0; i < g.k; i++)
		g.members[i] = (struct code_input){.ref = g.members[i].ref};
	group_encode(&g);
	assert_rows_are_the_sums(&g);
	free(g.memory);
}

static void rows_of_one_member_are_copies_whatever_its_slot(void **state)
{
	static const uint8_t slots[] = {0, 7, 238};
	struct noise noise = {4};
	struct error err;

	(void)state;
	for (unsigned i = 0; i < sizeof(slots); i++) {
		uint8_t again[5000], *to = again;
		struct code_ref want = {.index = slots[i]};
		struct code_input row;
		struct group g;

		group_make(&g, 1, 3, sizeof(again), &noise);
		g.slots[0] = g.members[0].ref.index = slots[i];
		group_encode(&g);
		for (unsigned r = 0; r < g.m; r++) {
			assert_memory_equal(g.outs[r], g.members[0].bytes, g.range_bytes);
			row = (struct code_input){{true, g.row_index[r]}, g.outs[r], sizeof(again)};
			assert_int_equal(code_rebuild(g.slots, 1, &row, 1, &want, 1, &to,
						      sizeof(again), &err),
					 ERR_NONE);
			assert_memory_equal(again, g.members[0].bytes, sizeof(again));
		}
		free(g.memory);
	}
}

static void the_processor_s_code_equals_the_plain_one(void **state)
{
	struct noise noise = {5};

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		uint8_t coefs[ROWS_MAX * MEMBERS_MAX], tables[32 * sizeof(coefs)];
		unsigned char *in[MEMBERS_MAX], *out[ROWS_MAX];
		size_t range_bytes = 1 + (size_t)noise_below(&noise, RANGE_MAX);
		struct group g;

		group_make(&g, 1 + i % MEMBERS_MAX, 1 + i % ROWS_MAX, range_bytes, &noise);
		group_encode(&g);
		for (unsigned r = 0; r < g.m; r++) {
			out[r] = malloc(range_bytes);
			assert_non_null(out[r]);
			for (unsigned c = 0; c < g.k; c++) {
				coefs[r * g.k + c] =
					g.k == 1 ? 1 : group_coef(g.row_index[r], g.slots[c]);
				in[c] = (unsigned char *)g.members[c].bytes;
			}
		}
		ec_init_tables((int)g.k, (int)g.m, coefs, tables);
		ec_encode_data_base((int)range_bytes, (int)g.k, (int)g.m, tables, in, out);
		for (unsigned r = 0; r < g.m; r++) {
			assert_memory_equal(out[r], g.outs[r], range_bytes);
			free(out[r]);
		}
		free(g.memory);
	}
}

static void a_row_updated_by_a_member_equals_a_fresh_one(void **state)
{
	struct noise noise = {6};
	struct error err;

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		struct code_input last;
		uint8_t *widened[ROWS_MAX];
		struct group g;

		group_make(&g, 3 + i % 6, ROWS_MAX, 1 + (size_t)noise_below(&noise, RANGE_MAX),
			   &noise);
		group_shorten(&g, &noise);
		last = g.members[--g.k];
		group_encode(&g);
		for (unsigned r = 0; r < g.m; r++) {
			widened[r] = malloc(g.range_bytes);
			assert_non_null(widened[r]);
			memcpy(widened[r], g.outs[r], g.range_bytes);
			assert_int_equal(code_update_row(widened[r], g.row_index[r], &last, &err),
					 ERR_NONE);
		}
		g.k++;
		group_encode(&g);
		for (unsigned r = 0; r < g.m; r++)
			assert_memory_equal(widened[r], g.outs[r], g.range_bytes);

		/* Dropping it is the same sum once more. */
		g.k--;
		group_encode(&g);
		for (unsigned r = 0; r < g.m; r++) {
			code_update_row(widened[r], g.row_index[r], &last, &err);
			assert_memory_equal(widened[r], g.outs[r], g.range_bytes);
			free(widened[r]);
		}
		free(g.memory);
	}
}

/* k grows from one: what was a plain copy becomes a row of two. */
static void a_copy_of_the_member_in_slot_zero_is_widened_like_any_row(void **state)
{
	struct noise noise = {11};
	struct error err;

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		struct group g;
		uint8_t *copy;

		group_make(&g, 2, ROWS_MAX, 1 + (size_t)noise_below(&noise, 70000), &noise);
		if (g.slots[1] == 0)
			g.slots[1] = g.members[1].ref.index = 9;
		g.slots[0] = g.members[0].ref.index = 0;
		group_shorten(&g, &noise);
		group_encode(&g);
		copy = malloc(g.range_bytes);
		assert_non_null(copy);
		for (unsigned r = 0; r < g.m; r++) {
			memcpy(copy, g.members[0].bytes, g.range_bytes);
			assert_int_equal(
				code_update_row(copy, g.row_index[r], &g.members[1], &err),
				ERR_NONE);
			assert_memory_equal(copy, g.outs[r], g.range_bytes);
		}
		free(copy);
		free(g.memory);
	}
}

static void rows_of_disjoint_groups_add_up_to_the_merged_group_s(void **state)
{
	struct noise noise = {7};

	(void)state;
	for (unsigned i = 0; i < 30; i++) {
		uint8_t *sum[ROWS_MAX];
		struct group whole, part;

		group_make(&whole, 4 + i % 6, ROWS_MAX, 1 + (size_t)noise_below(&noise, 70000),
			   &noise);
		group_shorten(&whole, &noise);
		part = whole;
		part.k = 2;
		group_encode(&part);
		for (unsigned r = 0; r < ROWS_MAX; r++) {
			sum[r] = malloc(whole.range_bytes);
			assert_non_null(sum[r]);
			memcpy(sum[r], part.outs[r], whole.range_bytes);
		}
		part.k = whole.k - 2;
		memmove(part.members, part.members + 2, part.k * sizeof(part.members[0]));
		group_encode(&part);
		for (unsigned r = 0; r < ROWS_MAX; r++)
			for (size_t at = 0; at < whole.range_bytes; at++)
				sum[r][at] ^= part.outs[r][at];
		group_encode(&whole);
		for (unsigned r = 0; r < ROWS_MAX; r++) {
			assert_memory_equal(sum[r], whole.outs[r], whole.range_bytes);
			free(sum[r]);
		}
		free(whole.memory);
	}
}

static void rows_encoded_alone_equal_rows_encoded_together(void **state)
{
	struct noise noise = {8};
	uint8_t alone[9000], *to = alone;
	struct error err;
	struct group g;

	(void)state;
	group_make(&g, 6, ROWS_MAX, sizeof(alone), &noise);
	group_encode(&g);
	for (unsigned r = 0; r < g.m; r++) {
		assert_int_equal(
			code_encode(g.members, g.k, &g.row_index[r], 1, &to, sizeof(alone), &err),
			ERR_NONE);
		assert_memory_equal(alone, g.outs[r], sizeof(alone));
	}
	free(g.memory);
}

static void fewer_than_k_objects_are_lost(void **state)
{
	struct noise noise = {9};
	uint8_t out[100], *to = out;
	struct code_ref want;
	struct error err;
	struct group g;

	(void)state;
	group_make(&g, 4, 1, sizeof(out), &noise);
	want = g.members[3].ref;
	assert_int_equal(code_rebuild(g.slots, g.k, g.members, 3, &want, 1, &to, sizeof(out), &err),
			 ERR_LOST);
	assert_int_equal(err.code, ERR_LOST);
	free(g.memory);
}

static void objects_that_are_there_can_be_wanted_too(void **state)
{
	struct noise noise = {10};
	uint8_t out[2][100], *to[2] = {out[0], out[1]};
	struct code_input have[3];
	struct code_ref want[2];
	struct error err;
	struct group g;

	(void)state;
	group_make(&g, 3, 1, sizeof(out[0]), &noise);
	group_encode(&g);
	have[0] = g.members[2];
	have[1] = (struct code_input){{true, g.row_index[0]}, g.outs[0], sizeof(out[0])};
	have[2] = g.members[0];
	want[0] = have[1].ref;
	want[1] = have[0].ref;
	assert_int_equal(code_rebuild(g.slots, 3, have, 3, want, 2, to, sizeof(out[0]), &err),
			 ERR_NONE);
	assert_memory_equal(out[0], have[1].bytes, sizeof(out[0]));
	assert_memory_equal(out[1], have[0].bytes, sizeof(out[1]));
	assert_int_equal(code_rebuild(g.slots, 3, have, 3, want, 0, to, sizeof(out[0]), &err),
			 ERR_NONE);
	free(g.memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_the_sums_of_their_members),
		cmocka_unit_test(members_of_unequal_lengths_count_as_zero_padded),
		cmocka_unit_test(a_group_of_only_empty_members_has_zero_rows),
		cmocka_unit_test(rows_of_one_member_are_copies_whatever_its_slot),
		cmocka_unit_test(the_processor_s_code_equals_the_plain_one),
		cmocka_unit_test(a_row_updated_by_a_member_equals_a_fresh_one),
		cmocka_unit_test(a_copy_of_the_member_in_slot_zero_is_widened_like_any_row),
		cmocka_unit_test(rows_of_disjoint_groups_add_up_to_the_merged_group_s),
		cmocka_unit_test(rows_encoded_alone_equal_rows_encoded_together),
		cmocka_unit_test(fewer_than_k_objects_are_lost),
		cmocka_unit_test(objects_that_are_there_can_be_wanted_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
