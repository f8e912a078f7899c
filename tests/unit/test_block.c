/* Sealed blocks, written and read. */
#include "block/block.h"

#include "base/pool.h"

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

static struct hash hash_of(unsigned i)
{
	return sha256(&i, sizeof(i));
}

static struct keys *keys;

/* A frame of one chunk whose packed bytes are all that letter. */
static int put_frame(struct block_writer *w, uint32_t len_bytes, char letter)
{
	struct contents_chunk chunk = {.id = hash_of((unsigned)letter), .len_bytes = len_bytes};
	struct frame_plan plan = {
		.packed_bytes = len_bytes,
		.plain_bytes = len_bytes,
		.chunks = &chunk,
		.chunk_count = 1,
	};
	uint8_t *packed = malloc((size_t)len_bytes + 1);
	struct frame_place place;
	struct error err;
	int code = block_writer_reserve(w, &plan, &place, &err);

	assert_non_null(packed);
	memset(packed, letter, len_bytes);
	if (code == ERR_NONE)
		assert_int_equal(block_writer_seal(w, &place, packed, &err), ERR_NONE);
	free(packed);
	return code;
}

static struct block_writer *writer_of(const struct geometry *g, uint32_t limit_bytes)
{
	struct block_writer *w = NULL;
	struct error err;

	assert_int_equal(block_writer_new(keys, g, limit_bytes, &w, &err), ERR_NONE);
	return w;
}

static const uint8_t *finish(struct block_writer *w, size_t *len_bytes)
{
	struct hash name, again;
	const uint8_t *bytes = NULL;
	struct error err;

	assert_int_equal(block_writer_finish(w, &bytes, len_bytes, &name, &err), ERR_NONE);
	again = sha256(bytes, *len_bytes);
	assert_true(hash_equal(&name, &again));
	return bytes;
}

static int open_contents(const uint8_t *bytes, size_t len_bytes)
{
	struct contents c;
	struct error err;
	uint32_t epoch;
	struct id uid;
	int code = block_open_contents(keys, bytes, len_bytes, &uid, &epoch, &c, &err);

	if (code == ERR_NONE)
		contents_release(&c);
	return code;
}

/* Finishes a block that must open. Returns its length. */
static size_t finished_bytes(struct block_writer *w)
{
	size_t len_bytes;
	const uint8_t *bytes = finish(w, &len_bytes);

	assert_int_equal(open_contents(bytes, len_bytes), ERR_NONE);
	return len_bytes;
}

static void assert_same_contents(const struct contents *a, const struct contents *b)
{
	struct buf x = {0}, y = {0};

	contents_encode(a, &x);
	contents_encode(b, &y);
	assert_false(x.failed || y.failed);
	assert_int_equal(x.len_bytes, y.len_bytes);
	assert_memory_equal(x.data, y.data, x.len_bytes);
	buf_release(&x);
	buf_release(&y);
}

static void a_block_gives_back_its_contents_and_every_frame(void **state)
{
	struct block_writer *w = writer_of(&tiny, 4096);
	const uint8_t *bytes;
	struct contents c;
	struct error err;
	size_t len_bytes;
	uint32_t epoch;
	struct id uid;

	(void)state;
	for (char letter = 'a'; letter < 'f'; letter++)
		assert_int_equal(put_frame(w, 100 * (uint32_t)(letter - 'a' + 1), letter),
				 ERR_NONE);
	bytes = finish(w, &len_bytes);
	assert_int_equal(block_open_contents(keys, bytes, len_bytes, &uid, &epoch, &c, &err),
			 ERR_NONE);
	assert_true(id_equal(&uid, block_writer_uid(w)));
	assert_int_equal(epoch, 1);
	assert_same_contents(&c, block_writer_contents(w));
	assert_int_equal(c.frame_count, 5);
	for (uint32_t i = 0; i < 5; i++) {
		const struct contents_frame *f = &c.frames[i];
		uint8_t packed[500], expected[500];

		memset(expected, 'a' + (int)i, sizeof(expected));
		assert_int_equal(f->box_bytes, f->plain_bytes + BOX_OVERHEAD_BYTES);
		assert_int_equal(block_open_frame(keys, &uid, epoch, i, bytes + f->offset_bytes,
						  f->box_bytes, packed, &err),
				 ERR_NONE);
		assert_memory_equal(packed, expected, f->plain_bytes);
		assert_int_equal(block_open_frame(keys, &uid, epoch, i + 1, bytes + f->offset_bytes,
						  f->box_bytes, packed, &err),
				 ERR_CORRUPT);
	}
	contents_release(&c);
	block_writer_free(w);
}

static void a_frame_of_another_uid_or_epoch_is_refused(void **state)
{
	struct block_writer *w = writer_of(&tiny, 4096);
	struct id other = id_random();
	const uint8_t *bytes;
	uint8_t packed[100];
	struct error err;
	size_t len_bytes;

	(void)state;
	assert_int_equal(put_frame(w, 100, 'a'), ERR_NONE);
	bytes = finish(w, &len_bytes) + HEADER_BYTES;
	assert_int_equal(
		block_open_frame(keys, block_writer_uid(w), 1, 0, bytes, 140, packed, &err),
		ERR_NONE);
	assert_int_equal(block_open_frame(keys, &other, 1, 0, bytes, 140, packed, &err),
			 ERR_CORRUPT);
	assert_int_equal(
		block_open_frame(keys, block_writer_uid(w), 2, 0, bytes, 140, packed, &err),
		ERR_CORRUPT);
	assert_int_equal(
		block_open_frame(keys, block_writer_uid(w), 0, 0, bytes, 140, packed, &err),
		ERR_CORRUPT);
	block_writer_free(w);
}

static void a_block_with_any_byte_changed_is_noticed(void **state)
{
	struct block_writer *w = writer_of(&tiny, 4096);
	uint8_t *copy = malloc(4096), packed[300];
	const uint8_t *bytes;
	struct contents c;
	struct error err;
	size_t len_bytes;
	uint32_t epoch;
	struct id uid;

	(void)state;
	assert_int_equal(put_frame(w, 300, 'a'), ERR_NONE);
	assert_non_null(copy);
	bytes = finish(w, &len_bytes);
	memcpy(copy, bytes, len_bytes);
	assert_int_equal(len_bytes, 576);
	for (size_t i = 0; i < len_bytes; i++) {
		int code;

		copy[i] ^= 0x20;
		code = block_open_contents(keys, copy, len_bytes, &uid, &epoch, &c, &err);
		if (code == ERR_NONE) {
			code = block_open_frame(keys, &uid, epoch, 0,
						copy + c.frames[0].offset_bytes,
						c.frames[0].box_bytes, packed, &err);
			contents_release(&c);
		}
		assert_int_not_equal(code, ERR_NONE);
		copy[i] ^= 0x20;
	}
	free(copy);
	block_writer_free(w);
}

static void a_block_cut_or_lengthened_is_refused(void **state)
{
	struct block_writer *w = writer_of(&tiny, 4096);
	uint8_t *copy = calloc(1, 4096);
	const uint8_t *bytes;
	size_t len_bytes;

	(void)state;
	assert_non_null(copy);
	assert_int_equal(put_frame(w, 300, 'a'), ERR_NONE);
	bytes = finish(w, &len_bytes);
	memcpy(copy, bytes, len_bytes);
	for (size_t len = 0; len < 1024; len++)
		assert_int_equal(open_contents(copy, len),
				 len == len_bytes ? ERR_NONE : ERR_CORRUPT);
	free(copy);
	block_writer_free(w);
}

static void a_full_block_stays_as_it_is_and_keeps_its_limit(void **state)
{
	(void)state;
	for (uint32_t frame = 1; frame <= 1024; frame += 31) {
		struct block_writer *w = writer_of(&tiny, 4096);
		uint32_t count = 0;
		size_t used;

		while (put_frame(w, frame, 'x') == ERR_NONE)
			count++;
		assert_true(count > 0);
		used = block_writer_used_bytes(w);
		assert_int_equal(block_writer_contents(w)->frame_count, count);
		assert_int_equal(block_writer_contents(w)->chunk_count, count);
		assert_int_equal(used, HEADER_BYTES + count * (frame + BOX_OVERHEAD_BYTES));
		assert_true(finished_bytes(w) <= 4096);
		/* One more frame, its entry and the worst padding would not have fitted. */
		used += frame + 2 * BOX_OVERHEAD_BYTES + 1 + (count + 1) * 44 + TRAILER_BYTES;
		assert_true(used > 4096 - 512);
		block_writer_free(w);
	}
}

static void a_frame_of_any_length_makes_a_block_that_opens(void **state)
{
	struct block_writer *w = writer_of(&tiny, 4096);
	unsigned without_padding = 0;

	(void)state;
	for (uint32_t len = 1; len <= 1024; len++) {
		size_t need = HEADER_BYTES + 3 * BOX_OVERHEAD_BYTES + len + 24;

		block_writer_reset(w);
		assert_int_equal(put_frame(w, len, 'l'), ERR_NONE);
		/* Contents: one frame of one chunk, whose numbers take a byte each below 128. */
		need += 4u + (len + 40 < 128 ? 1u : 2u) + (len < 128 ? 1u : 2u) +
			(2 * len < 128 ? 1u : 2u) + HASH_BYTES;
		assert_int_equal(finished_bytes(w), geometry_padded(&tiny, need));
		without_padding += geometry_padded(&tiny, need) == need;
	}
	assert_true(without_padding > 2);
	block_writer_free(w);
}

static void an_empty_block_is_a_block(void **state)
{
	struct block_writer *w = writer_of(&tiny, 512);

	(void)state;
	assert_int_equal(finished_bytes(w), 512);
	block_writer_free(w);
}

static void a_block_has_a_padded_length(void **state)
{
	struct geometry g = geometry_default();
	struct block_writer *w = writer_of(&g, 4 << 20);

	(void)state;
	for (uint32_t len = 1; len < 2 << 20; len = len * 5 / 4 + 1) {
		size_t len_bytes;

		block_writer_reset(w);
		assert_int_equal(put_frame(w, len, 'p'), ERR_NONE);
		len_bytes = finished_bytes(w);
		assert_int_equal(geometry_padded(&g, len_bytes), len_bytes);
		assert_true(len_bytes >= g.pad_min_bytes);
	}
	block_writer_free(w);
}

static void the_largest_frame_with_the_most_chunks_fits_an_empty_block_and_no_more(void **state)
{
	const uint32_t most = block_frame_chunks(&tiny, 4096);
	struct contents_chunk *chunks = calloc(most + 100, sizeof(*chunks));
	struct block_writer *w = writer_of(&tiny, 4096);
	struct frame_plan plan = {.packed_bytes = 1024, .plain_bytes = 1024, .chunks = chunks};
	struct frame_place place;
	struct error err;

	(void)state;
	assert_true(most > 50);
	assert_non_null(chunks);
	for (uint32_t i = 0; i < most + 100; i++)
		chunks[i].len_bytes = 1;
	chunks[0].len_bytes = 1024 - (most - 1);
	plan.chunk_count = most;
	assert_int_equal(block_writer_reserve(w, &plan, &place, &err), ERR_NONE);
	block_writer_reset(w);
	chunks[0].len_bytes = 1024 - (most + 99);
	plan.chunk_count = most + 100;
	assert_int_equal(block_writer_reserve(w, &plan, &place, &err), ERR_FULL);
	assert_int_equal(block_frame_chunks(&tiny, 1024), 0);
	free(chunks);
	block_writer_free(w);
}

static void reset_begins_another_block_in_the_same_memory(void **state)
{
	struct block_writer *w = writer_of(&tiny, 4096);
	const uint8_t *first, *second;
	unsigned counts[2];
	size_t len_bytes;
	struct id uid;

	(void)state;
	assert_int_equal(put_frame(w, 1000, 'a'), ERR_NONE);
	first = finish(w, &len_bytes);
	uid = *block_writer_uid(w);
	assert_int_equal((uintptr_t)first % BLOCK_ALIGN_BYTES, 0);
	block_writer_reset(w);
	assert_false(id_equal(&uid, block_writer_uid(w)));
	assert_int_equal(block_writer_used_bytes(w), HEADER_BYTES);
	assert_int_equal(block_writer_contents(w)->chunk_count, 0);
	assert_int_equal(put_frame(w, 100, 'b'), ERR_NONE);
	second = finish(w, &len_bytes);
	assert_ptr_equal(first, second);
	assert_int_equal(open_contents(second, len_bytes), ERR_NONE);
	for (unsigned i = 0; i < 2; i++) { /* one takes as much as the other */
		block_writer_reset(w);
		counts[i] = 0;
		while (put_frame(w, 20, 'c') == ERR_NONE)
			counts[i]++;
	}
	assert_int_equal(counts[0], counts[1]);
	block_writer_free(w);
}

static void a_plan_that_does_not_add_up_is_refused(void **state)
{
	struct block_writer *w = writer_of(&tiny, 4096);
	struct contents_chunk chunks[2] = {{.len_bytes = 60}, {.len_bytes = 40}};
	struct frame_plan good = {
		.packed_bytes = 50, .plain_bytes = 100, .chunks = chunks, .chunk_count = 2};
	struct frame_plan bad = good;
	struct frame_place place;
	struct error err;

	(void)state;
	bad.plain_bytes = 101;
	assert_int_equal(block_writer_reserve(w, &bad, &place, &err), ERR_USAGE);
	bad = good;
	bad.chunk_count = 1;
	assert_int_equal(block_writer_reserve(w, &bad, &place, &err), ERR_USAGE);
	bad = good;
	bad.packed_bytes = 101;
	assert_int_equal(block_writer_reserve(w, &bad, &place, &err), ERR_USAGE);
	bad = good;
	bad.packed_bytes = 0;
	assert_int_equal(block_writer_reserve(w, &bad, &place, &err), ERR_USAGE);
	bad = good;
	bad.chunk_count = bad.plain_bytes = 0;
	assert_int_equal(block_writer_reserve(w, &bad, &place, &err), ERR_USAGE);
	chunks[1].len_bytes = 0;
	bad = good;
	bad.plain_bytes = 60;
	assert_int_equal(block_writer_reserve(w, &bad, &place, &err), ERR_USAGE);
	assert_int_equal(block_writer_used_bytes(w), HEADER_BYTES);
	block_writer_free(w);
}

static void a_block_with_an_unsealed_frame_is_not_finished(void **state)
{
	struct block_writer *w = writer_of(&tiny, 4096);
	struct contents_chunk chunk = {.len_bytes = 100};
	struct frame_plan plan = {
		.packed_bytes = 100, .plain_bytes = 100, .chunks = &chunk, .chunk_count = 1};
	const uint8_t packed[100] = {0}, *bytes;
	struct frame_place place;
	struct error err;
	struct hash name;
	size_t len_bytes;

	(void)state;
	assert_int_equal(block_writer_reserve(w, &plan, &place, &err), ERR_NONE);
	assert_int_equal(block_writer_finish(w, &bytes, &len_bytes, &name, &err), ERR_USAGE);
	assert_int_equal(block_writer_seal(w, &place, packed, &err), ERR_NONE);
	assert_int_equal(block_writer_finish(w, &bytes, &len_bytes, &name, &err), ERR_NONE);
	block_writer_free(w);
}

static void impossible_limits_are_refused(void **state)
{
	struct block_writer *w = NULL;
	struct error err;

	(void)state;
	assert_int_equal(block_writer_new(keys, &tiny, 4097, &w, &err), ERR_USAGE);
	assert_int_equal(block_writer_new(keys, &tiny, 511, &w, &err), ERR_USAGE);
	assert_int_equal(block_writer_new(keys, &tiny, 0, &w, &err), ERR_USAGE);
	assert_null(w);
}

struct sealing {
	struct block_writer *writer;
	struct frame_place place;
	uint8_t packed[64];
};

static void seal_job(void *job)
{
	struct sealing *s = job;
	struct error err;

	assert_int_equal(block_writer_seal(s->writer, &s->place, s->packed, &err), ERR_NONE);
}

static void frames_may_be_sealed_while_others_are_reserved(void **state)
{
	const size_t count = 5000;
	struct geometry g = geometry_default();
	struct block_writer *w = writer_of(&g, 1 << 20);
	struct sealing *all = calloc(count, sizeof(*all));
	struct contents_chunk chunk = {.len_bytes = 64};
	const struct frame_plan plan = {
		.packed_bytes = 64, .plain_bytes = 64, .chunks = &chunk, .chunk_count = 1};
	const uint8_t *bytes;
	struct pool *pool;
	struct error err;
	size_t len_bytes;

	(void)state;
	assert_non_null(all);
	pool = pool_new(2, &err);
	assert_non_null(pool);
	for (size_t i = 0; i < count; i++) {
		all[i].writer = w;
		memset(all[i].packed, (int)i, 64);
		assert_int_equal(block_writer_reserve(w, &plan, &all[i].place, &err), ERR_NONE);
		pool_add(pool, seal_job, &all[i]);
	}
	pool_wait(pool);
	bytes = finish(w, &len_bytes);
	assert_int_equal(open_contents(bytes, len_bytes), ERR_NONE);
	for (size_t i = 0; i < count; i++) {
		uint8_t packed[64];

		assert_int_equal(block_open_frame(keys, block_writer_uid(w), 1, (uint32_t)i,
						  bytes + all[i].place.offset_bytes,
						  64 + BOX_OVERHEAD_BYTES, packed, &err),
				 ERR_NONE);
		assert_memory_equal(packed, all[i].packed, 64);
	}
	pool_free(pool);
	free(all);
	block_writer_free(w);
}

static int start(void **state)
{
	struct id array_id;
	struct error err;

	(void)state;
	if (seal_start(&err) != ERR_NONE)
		return -1;
	array_id = id_random();
	return keys_new(&array_id, &keys, &err);
}

static int stop(void **state)
{
	(void)state;
	keys_free(keys);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_gives_back_its_contents_and_every_frame),
		cmocka_unit_test(a_frame_of_another_uid_or_epoch_is_refused),
		cmocka_unit_test(a_block_with_any_byte_changed_is_noticed),
		cmocka_unit_test(a_block_cut_or_lengthened_is_refused),
		cmocka_unit_test(a_full_block_stays_as_it_is_and_keeps_its_limit),
		cmocka_unit_test(a_frame_of_any_length_makes_a_block_that_opens),
		cmocka_unit_test(an_empty_block_is_a_block),
		cmocka_unit_test(a_block_has_a_padded_length),
		cmocka_unit_test(
			the_largest_frame_with_the_most_chunks_fits_an_empty_block_and_no_more),
		cmocka_unit_test(reset_begins_another_block_in_the_same_memory),
		cmocka_unit_test(a_plan_that_does_not_add_up_is_refused),
		cmocka_unit_test(a_block_with_an_unsealed_frame_is_not_finished),
		cmocka_unit_test(impossible_limits_are_refused),
		cmocka_unit_test(frames_may_be_sealed_while_others_are_reserved),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
