/* Geometry and the cutter. */
#include "chunk/cutter.h"

#include "chunk/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static const struct geometry tiny = {
	.chunk_min_bytes = 256,
	.chunk_avg_bytes = 512,
	.chunk_max_bytes = 1024,
	.frame_bytes = 1024,
	.block_bytes = 4096,
	.pad_step_bytes = 512,
	.pad_from_bytes = 2048,
	.pad_min_bytes = 512,
	.stretch_bytes = 1024,
	.segment_bytes = 65536,
};

static int check(const struct geometry *g)
{
	struct error err;

	return geometry_check(g, &err);
}

static void the_default_every_profile_and_a_tiny_array_fit(void **state)
{
	struct geometry g = geometry_default();

	(void)state;
	assert_int_equal(g.chunk_min_bytes, 64 << 10);
	assert_int_equal(g.chunk_avg_bytes, 256 << 10);
	assert_int_equal(g.chunk_max_bytes, 1 << 20);
	assert_int_equal(check(&g), ERR_NONE);
	assert_int_equal(geometry_inline_bytes(&g), 64 << 10);
	assert_int_equal(geometry_mirror_bytes(&g), 1 << 20);
	assert_int_equal(geometry_repack_bytes(&g), 4 << 20);
	geometry_set_profile(&g, PROFILE_FINE);
	assert_int_equal(g.chunk_min_bytes, 16 << 10);
	assert_int_equal(g.chunk_max_bytes, 256 << 10);
	assert_int_equal(check(&g), ERR_NONE);
	geometry_set_profile(&g, PROFILE_COARSE);
	assert_int_equal(g.chunk_avg_bytes, 2 << 20);
	assert_int_equal(g.chunk_max_bytes, 8 << 20);
	assert_int_equal(check(&g), ERR_NONE);
	assert_int_equal(check(&tiny), ERR_NONE);
}

static void any_block_size_that_users_may_choose_fits_with_any_profile(void **state)
{
	(void)state;
	for (uint32_t bytes = BLOCK_USER_BYTES_MIN; bytes <= BLOCK_BYTES_MAX; bytes *= 2) {
		for (enum chunk_profile p = PROFILE_FINE; p <= PROFILE_COARSE; p++) {
			struct geometry g = geometry_default();

			geometry_set_profile(&g, p);
			geometry_set_block(&g, bytes);
			assert_int_equal(g.block_bytes, bytes);
			assert_int_equal(check(&g), ERR_NONE);
			g = geometry_default();
			geometry_set_block(&g, bytes);
			geometry_set_profile(&g, p);
			assert_int_equal(check(&g), ERR_NONE);
		}
	}
}

static void a_larger_block_changes_no_chunk_size(void **state)
{
	struct geometry before = geometry_default(), after = before;

	(void)state;
	geometry_set_block(&after, BLOCK_BYTES_MAX);
	after.block_bytes = before.block_bytes;
	assert_memory_equal(&after, &before, sizeof(after));
}

#define REFUSED(field, value)                                                                      \
	do {                                                                                       \
		struct geometry g = tiny;                                                          \
		g.field = (value);                                                                 \
		assert_int_equal(check(&g), ERR_USAGE);                                            \
	} while (0)

static void numbers_that_do_not_fit_each_other_are_refused(void **state)
{
	(void)state;
	REFUSED(chunk_avg_bytes, 0);
	REFUSED(chunk_avg_bytes, 513);
	REFUSED(chunk_avg_bytes, 128);
	REFUSED(chunk_avg_bytes, 2048);
	REFUSED(chunk_min_bytes, 0);
	REFUSED(chunk_min_bytes, CHUNK_BYTES_MIN - 1);
	REFUSED(chunk_max_bytes, 4096);
	REFUSED(chunk_max_bytes, UINT32_MAX);
	REFUSED(frame_bytes, 0);
	REFUSED(frame_bytes, 4096);
	REFUSED(frame_bytes, UINT32_MAX);
	REFUSED(block_bytes, 0);
	REFUSED(block_bytes, 1024);
	REFUSED(block_bytes, 4096 + 1);
	REFUSED(block_bytes, 2 * BLOCK_BYTES_MAX);
	REFUSED(pad_step_bytes, 0);
	REFUSED(pad_step_bytes, 768);
	REFUSED(pad_min_bytes, 0);
	REFUSED(pad_min_bytes, 4096);
	REFUSED(stretch_bytes, 0);
	REFUSED(stretch_bytes, 8192);
	REFUSED(segment_bytes, 0);
	REFUSED(segment_bytes, SEGMENT_BYTES_MAX + 1);
}

static void a_segment_has_room_for_inline_data_twice(void **state)
{
	struct geometry g = geometry_default();

	(void)state;
	g.segment_bytes = 2 * geometry_inline_bytes(&g);
	assert_int_equal(check(&g), ERR_NONE);
	g.segment_bytes--;
	assert_int_equal(check(&g), ERR_USAGE);
}

static void padme_rounds_as_its_paper_says_and_by_less_than_an_eighth(void **state)
{
	static const uint64_t known[][2] = {
		{0, 0},	  {1, 1},     {2, 2},	  {3, 3},     {8, 8},	      {9, 10},
		{17, 18}, {100, 104}, {199, 208}, {513, 544}, {65537, 67584}, {1000000, 1015808},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_int_equal(padme(known[i][0]), known[i][1]);
	for (uint64_t n = 1; n < 200000; n++) {
		uint64_t p = padme(n);

		assert_true(p >= n);
		assert_true((p - n) * 100 <= 12 * n);
		assert_true(p >= padme(n - 1));
		assert_int_equal(padme(p), p);
	}
	for (unsigned bit = 1; bit < 63; bit++)
		assert_int_equal(padme((uint64_t)1 << bit), (uint64_t)1 << bit);
}

static void padded_lengths_rise_stay_and_never_cut(const struct geometry *g, uint64_t most_bytes,
						   uint64_t step_bytes)
{
	uint64_t last = 0;

	for (uint64_t n = 0; n <= most_bytes; n += step_bytes) {
		uint64_t p = geometry_padded(g, n);

		assert_true(p >= n);
		assert_true(p >= g->pad_min_bytes);
		assert_true(p >= last);
		assert_int_equal(geometry_padded(g, p), p);
		if (n >= g->pad_from_bytes) {
			assert_int_equal(p % g->pad_step_bytes, 0);
			assert_true(p - n < g->pad_step_bytes);
		}
		last = p;
	}
}

static void a_padded_length_is_a_step_above_and_padme_below(void **state)
{
	struct geometry g = geometry_default();

	(void)state;
	padded_lengths_rise_stay_and_never_cut(&g, 20 << 20, 997);
	padded_lengths_rise_stay_and_never_cut(&tiny, 8192, 1);
	assert_int_equal(geometry_padded(&g, 1), 4096);
	assert_int_equal(geometry_padded(&g, 4097), 4352);
	assert_int_equal(geometry_padded(&g, (1 << 20) + 1), (1 << 20) + (64 << 10));
	g.pad_step_bytes = 4096;
	g.pad_from_bytes = 209 * 4096; /* none of Padme's lengths */
	padded_lengths_rise_stay_and_never_cut(&g, 2 << 20, 101);
}

/* Bytes that look random and are the same in every run (xorshift64*, Vigna 2016). */
static uint8_t *noise(size_t len_bytes, uint64_t seed)
{
	uint8_t *bytes = malloc(len_bytes);

	assert_non_null(bytes);
	for (size_t i = 0; i < len_bytes; i++) {
		seed ^= seed >> 12;
		seed ^= seed << 25;
		seed ^= seed >> 27;
		bytes[i] = (uint8_t)((seed * 0x2545f4914f6cdd1d) >> 56);
	}
	return bytes;
}

struct fixture {
	struct keys *keys;
	struct cutter *cutter;
};

static void fixture_make(struct fixture *f, const struct geometry *g)
{
	struct id array_id = id_random();
	struct error err;

	assert_int_equal(keys_new(&array_id, &f->keys, &err), ERR_NONE);
	assert_int_equal(cutter_new(f->keys, g, &f->cutter, &err), ERR_NONE);
}

static void fixture_release(struct fixture *f)
{
	cutter_free(f->cutter);
	keys_free(f->keys);
}

/* Ends of all chunks. Returns how many; *ends is the caller's. */
static size_t cut_all(const struct cutter *c, const uint8_t *bytes, size_t len_bytes, size_t **ends)
{
	size_t count = 0, at = 0;

	*ends = calloc(len_bytes / CHUNK_BYTES_MIN + 2, sizeof(**ends));
	assert_non_null(*ends);
	while (at < len_bytes) {
		at += cutter_cut(c, bytes + at, len_bytes - at);
		(*ends)[count++] = at;
	}
	assert_int_equal(at, len_bytes);
	return count;
}

static void chunks_keep_their_limits_and_their_average(void **state)
{
	const size_t len = 4 << 20;
	uint8_t *bytes = noise(len, 1);
	struct fixture f;
	size_t *ends, count, at = 0;

	(void)state;
	fixture_make(&f, &tiny);
	count = cut_all(f.cutter, bytes, len, &ends);
	for (size_t i = 0; i < count; i++) {
		assert_true(ends[i] - at <= tiny.chunk_max_bytes);
		assert_true(ends[i] - at >= tiny.chunk_min_bytes || i == count - 1);
		at = ends[i];
	}
	assert_in_range(len / count, tiny.chunk_avg_bytes * 3 / 4, tiny.chunk_avg_bytes * 5 / 4);
	free(ends);
	free(bytes);
	fixture_release(&f);
}

/* The definition in chunk/cutter.h, word for word. */
static size_t cut_by_definition(const struct keys *k, const uint8_t *bytes, size_t len_bytes,
				const struct geometry *g)
{
	unsigned a = (unsigned)__builtin_ctz(g->chunk_avg_bytes);

	for (size_t n = g->chunk_min_bytes; n < len_bytes && n < g->chunk_max_bytes; n++) {
		uint64_t h = 0;

		for (unsigned i = 0; i < 64; i++)
			h += cutter_entry(k, bytes[n - 1 - i]) << i;
		if (h >> (64 - (n < g->chunk_avg_bytes ? a + 2 : a - 2)) == 0)
			return n;
	}
	return len_bytes < g->chunk_max_bytes ? len_bytes : g->chunk_max_bytes;
}

static void cuts_lie_where_the_definition_says(void **state)
{
	/* Smallest and average; where they are equal, many cuts lie at the smallest length. */
	static const uint32_t sizes[][2] = {{64, 512}, {256, 512}, {512, 512}, {64, 64}};
	uint8_t *bytes = noise(16384, 2);

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct geometry g = tiny;
		struct fixture f;
		size_t *ends, count, at = 0;

		g.chunk_min_bytes = sizes[i][0];
		g.chunk_avg_bytes = sizes[i][1];
		fixture_make(&f, &g);
		count = cut_all(f.cutter, bytes, 16384, &ends);
		for (size_t j = 0; j < count; j++) {
			assert_int_equal(ends[j], at + cut_by_definition(f.keys, bytes + at,
									 16384 - at, &g));
			at = ends[j];
		}
		free(ends);
		fixture_release(&f);
	}
	free(bytes);
}

static void short_input_is_one_chunk_and_no_input_is_none(void **state)
{
	uint8_t *bytes = noise(1024, 3);
	struct fixture f;

	(void)state;
	fixture_make(&f, &tiny);
	assert_int_equal(cutter_cut(f.cutter, bytes, 0), 0);
	for (size_t len = 1; len <= tiny.chunk_min_bytes; len++)
		assert_int_equal(cutter_cut(f.cutter, bytes, len), len);
	free(bytes);
	fixture_release(&f);
}

static void bytes_beyond_the_largest_chunk_do_not_move_a_cut(void **state)
{
	uint8_t *bytes = noise(65536, 4);
	struct fixture f;

	(void)state;
	fixture_make(&f, &tiny);
	for (size_t at = 0; at + 2 * tiny.chunk_max_bytes < 65536; at += 100)
		assert_int_equal(cutter_cut(f.cutter, bytes + at, tiny.chunk_max_bytes),
				 cutter_cut(f.cutter, bytes + at, 65536 - at));
	free(bytes);
	fixture_release(&f);
}

static void equal_bytes_are_cut_at_the_largest_chunk_or_all_alike(void **state)
{
	uint8_t *zeros = calloc(1, 65536);
	struct fixture f;
	size_t *ends, count;

	(void)state;
	assert_non_null(zeros);
	fixture_make(&f, &tiny);
	count = cut_all(f.cutter, zeros, 65536, &ends);
	for (size_t i = 1; i + 1 < count; i++)
		assert_int_equal(ends[i] - ends[i - 1], ends[0]);
	free(ends);
	free(zeros);
	fixture_release(&f);
}

static void an_insertion_moves_few_cuts(void **state)
{
	const size_t len = 1 << 20, insert_at = 1000, insert = 100;
	uint8_t *before = noise(len, 5), *after = noise(len + insert, 6);
	size_t *ends_before, *ends_after, count_before, count_after, same = 0;
	struct fixture f;

	(void)state;
	memcpy(after, before, insert_at);
	memcpy(after + insert_at + insert, before + insert_at, len - insert_at);
	fixture_make(&f, &tiny);
	count_before = cut_all(f.cutter, before, len, &ends_before);
	count_after = cut_all(f.cutter, after, len + insert, &ends_after);
	for (size_t i = 0, j = 0; i < count_before && j < count_after;) {
		if (ends_before[i] + insert == ends_after[j]) {
			same++;
			i++;
			j++;
		} else if (ends_before[i] + insert < ends_after[j]) {
			i++;
		} else {
			j++;
		}
	}
	assert_true(same + 40 > count_before);
	free(ends_before);
	free(ends_after);
	free(before);
	free(after);
	fixture_release(&f);
}

static void another_key_cuts_elsewhere(void **state)
{
	const size_t len = 1 << 18;
	uint8_t *bytes = noise(len, 7);
	struct fixture f, g;
	size_t *ends_f, *ends_g, count_f, count_g, same = 0;

	(void)state;
	fixture_make(&f, &tiny);
	fixture_make(&g, &tiny);
	count_f = cut_all(f.cutter, bytes, len, &ends_f);
	count_g = cut_all(g.cutter, bytes, len, &ends_g);
	for (size_t i = 0; i < count_f && i < count_g; i++)
		same += ends_f[i] == ends_g[i];
	assert_true(same < count_f / 10);
	free(ends_f);
	free(ends_g);
	free(bytes);
	fixture_release(&f);
	fixture_release(&g);
}

static void a_cutter_of_a_wrong_geometry_is_refused(void **state)
{
	struct geometry g = tiny;
	struct cutter *c = NULL;
	struct fixture f;
	struct error err;

	(void)state;
	fixture_make(&f, &tiny);
	g.chunk_avg_bytes = 500;
	assert_int_equal(cutter_new(f.keys, &g, &c, &err), ERR_USAGE);
	assert_null(c);
	fixture_release(&f);
}

static int start(void **state)
{
	struct error err;

	(void)state;
	return seal_start(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_default_every_profile_and_a_tiny_array_fit),
		cmocka_unit_test(any_block_size_that_users_may_choose_fits_with_any_profile),
		cmocka_unit_test(a_larger_block_changes_no_chunk_size),
		cmocka_unit_test(numbers_that_do_not_fit_each_other_are_refused),
		cmocka_unit_test(a_segment_has_room_for_inline_data_twice),
		cmocka_unit_test(padme_rounds_as_its_paper_says_and_by_less_than_an_eighth),
		cmocka_unit_test(a_padded_length_is_a_step_above_and_padme_below),
		cmocka_unit_test(chunks_keep_their_limits_and_their_average),
		cmocka_unit_test(cuts_lie_where_the_definition_says),
		cmocka_unit_test(short_input_is_one_chunk_and_no_input_is_none),
		cmocka_unit_test(bytes_beyond_the_largest_chunk_do_not_move_a_cut),
		cmocka_unit_test(equal_bytes_are_cut_at_the_largest_chunk_or_all_alike),
		cmocka_unit_test(an_insertion_moves_few_cuts),
		cmocka_unit_test(another_key_cuts_elsewhere),
		cmocka_unit_test(a_cutter_of_a_wrong_geometry_is_refused),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
