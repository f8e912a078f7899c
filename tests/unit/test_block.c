/* Tables of contents and sealed blocks. */
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

/* ---- contents ---- */

static void add_frame(struct contents *c, uint32_t offset, uint32_t box, uint32_t plain)
{
	struct contents_frame f = {
		.offset_bytes = offset,
		.box_bytes = box,
		.plain_bytes = plain,
		.method = FRAME_ZSTD,
	};

	assert_true(contents_add_frame(c, &f));
}

static void add_chunk(struct contents *c, unsigned i, uint32_t len_bytes, bool manifest)
{
	struct hash id = hash_of(i);

	assert_true(contents_add_chunk(c, &id, len_bytes, manifest));
}

/* Two frames, three chunks. */
static void sample(struct contents *c)
{
	add_frame(c, 64, 140, 300);
	add_chunk(c, 1, 200, false);
	add_chunk(c, 2, 100, true);
	add_frame(c, 204, 1000, 1000);
	add_chunk(c, 3, 1000, false);
}

static void assert_same_contents(const struct contents *a, const struct contents *b)
{
	assert_int_equal(a->frame_count, b->frame_count);
	assert_int_equal(a->chunk_count, b->chunk_count);
	for (size_t i = 0; i < a->frame_count; i++)
		assert_memory_equal(&a->frames[i], &b->frames[i], sizeof(a->frames[i]));
	for (size_t i = 0; i < a->chunk_count; i++) {
		const struct contents_chunk *x = &a->chunks[i], *y = &b->chunks[i];

		assert_true(hash_equal(&x->id, &y->id));
		assert_int_equal(x->len_bytes, y->len_bytes);
		assert_int_equal(x->offset_bytes, y->offset_bytes);
		assert_int_equal(x->frame, y->frame);
		assert_int_equal(x->manifest, y->manifest);
	}
}

static int decode(const struct buf *bytes)
{
	struct contents c;
	struct error err;
	int code = contents_decode(bytes->data, bytes->len_bytes, &c, &err);

	if (code == ERR_NONE)
		contents_release(&c);
	else
		assert_true(!c.frames && !c.chunks && c.frame_count == 0);
	return code;
}

static int decode_of(const struct contents *c)
{
	struct buf bytes = {0};
	int code;

	contents_encode(c, &bytes);
	code = decode(&bytes);
	buf_release(&bytes);
	return code;
}

static void contents_come_back_with_places_derived(void **state)
{
	struct contents c = {0}, back;
	struct buf bytes = {0};
	struct error err;

	(void)state;
	sample(&c);
	contents_encode(&c, &bytes);
	assert_int_equal(contents_decode(bytes.data, bytes.len_bytes, &back, &err), ERR_NONE);
	assert_same_contents(&c, &back);
	assert_int_equal(back.chunks[1].offset_bytes, 200);
	assert_int_equal(back.chunks[1].frame, 0);
	assert_true(back.chunks[1].manifest);
	assert_int_equal(back.chunks[2].offset_bytes, 0);
	assert_int_equal(back.chunks[2].frame, 1);
	assert_int_equal(back.frames[1].first_chunk, 2);
	contents_release(&back);
	contents_clear(&c);
	buf_clear(&bytes);
	contents_encode(&c, &bytes);
	assert_int_equal(bytes.len_bytes, 1);
	assert_int_equal(decode(&bytes), ERR_NONE);
	buf_release(&bytes);
	contents_release(&c);
}

static void only_zeros_may_follow_the_list(void **state)
{
	struct contents c = {0};
	struct buf bytes = {0};
	size_t list_bytes;

	(void)state;
	sample(&c);
	contents_encode(&c, &bytes);
	list_bytes = bytes.len_bytes;
	buf_add_zeros(&bytes, 100);
	assert_int_equal(decode(&bytes), ERR_NONE);
	for (size_t i = list_bytes; i < bytes.len_bytes; i++) {
		bytes.data[i] = 1;
		assert_int_equal(decode(&bytes), ERR_CORRUPT);
		bytes.data[i] = 0;
	}
	buf_release(&bytes);
	contents_release(&c);
}

static void contents_cut_anywhere_are_refused(void **state)
{
	struct contents c = {0};
	struct buf bytes = {0};

	(void)state;
	sample(&c);
	contents_encode(&c, &bytes);
	while (bytes.len_bytes > 0) {
		bytes.len_bytes--;
		assert_int_equal(decode(&bytes), ERR_CORRUPT);
	}
	buf_release(&bytes);
	contents_release(&c);
}

/* One frame of one chunk, as told. */
static int decode_frame(uint32_t offset, uint32_t box, uint32_t plain, uint32_t chunk)
{
	struct contents c = {0};
	int code;

	add_frame(&c, offset, box, plain);
	add_chunk(&c, 1, chunk, false);
	code = decode_of(&c);
	contents_release(&c);
	return code;
}

static void frames_keep_their_limits(void **state)
{
	const uint32_t most = (uint32_t)FRAME_PLAIN_MAX, reach = CONTENTS_REACH_BYTES;

	(void)state;
	assert_int_equal(decode_frame(64, 100, 100, 100), ERR_NONE);
	assert_int_equal(decode_frame(0, 1, 1, 1), ERR_NONE);
	assert_int_equal(decode_frame(64, 0, 100, 100), ERR_CORRUPT);
	assert_int_equal(decode_frame(64, 100, 0, 0), ERR_CORRUPT);
	assert_int_equal(decode_frame(64, 140, 100, 100), ERR_NONE);
	assert_int_equal(decode_frame(64, 141, 100, 100), ERR_CORRUPT);
	assert_int_equal(decode_frame(64, 100, most, most), ERR_NONE);
	assert_int_equal(decode_frame(64, 100, most + 1, most + 1), ERR_CORRUPT);
	assert_int_equal(decode_frame(reach - 100, 100, 100, 100), ERR_NONE);
	assert_int_equal(decode_frame(reach - 99, 100, 100, 100), ERR_CORRUPT);
	assert_int_equal(decode_frame(reach, 1, 100, 100), ERR_CORRUPT);
	assert_int_equal(decode_frame(UINT32_MAX, 2, 100, 100), ERR_CORRUPT);
	assert_int_equal(decode_frame(64, UINT32_MAX, UINT32_MAX, UINT32_MAX), ERR_CORRUPT);
}

static void chunks_add_up_to_their_frame(void **state)
{
	struct contents c = {0};

	(void)state;
	assert_int_equal(decode_frame(64, 100, 100, 99), ERR_CORRUPT);
	assert_int_equal(decode_frame(64, 100, 100, 101), ERR_CORRUPT);
	assert_int_equal(decode_frame(64, 100, 100, UINT32_MAX), ERR_CORRUPT);
	add_frame(&c, 64, 100, 100);
	assert_int_equal(decode_of(&c), ERR_CORRUPT); /* no chunks */
	add_chunk(&c, 1, 100, false);
	assert_int_equal(decode_of(&c), ERR_NONE);
	add_chunk(&c, 2, 0, false);
	assert_int_equal(decode_of(&c), ERR_CORRUPT); /* an empty one */
	contents_release(&c);
}

static void frames_lie_in_order_without_overlap(void **state)
{
	struct contents c = {0};

	(void)state;
	for (uint32_t second = 160; second <= 170; second++) {
		contents_clear(&c);
		add_frame(&c, 64, 100, 100);
		add_chunk(&c, 1, 100, false);
		add_frame(&c, second, 100, 100);
		add_chunk(&c, 2, 100, false);
		assert_int_equal(decode_of(&c), second < 164 ? ERR_CORRUPT : ERR_NONE);
	}
	contents_release(&c);
}

static void counts_that_cannot_be_and_unknown_methods_are_refused(void **state)
{
	struct buf bytes = {0};

	(void)state;
	buf_add_varint(&bytes, UINT64_MAX); /* frames */
	buf_add_zeros(&bytes, 1000);
	assert_int_equal(decode(&bytes), ERR_CORRUPT);
	for (uint8_t method = 0; method < 4; method++) {
		struct hash id = hash_of(1);

		buf_clear(&bytes);
		buf_add_varint(&bytes, 1);
		buf_add_varint(&bytes, 64);
		buf_add_varint(&bytes, 100);
		buf_add_varint(&bytes, 100);
		buf_add_u8(&bytes, method);
		buf_add_varint(&bytes, 1);
		buf_add_varint(&bytes, 200);
		buf_add(&bytes, id.b, HASH_BYTES);
		assert_int_equal(decode(&bytes), method <= FRAME_ZSTD ? ERR_NONE : ERR_CORRUPT);
		bytes.data[5] = 0x7f; /* chunks */
		assert_int_equal(decode(&bytes), ERR_CORRUPT);
	}
	buf_release(&bytes);
}

/* ---- blocks ---- */

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

/* ---- blocks made by somebody who has the keys but not this code ---- */

struct forged {
	uint8_t bytes[1024];
	size_t used_bytes;
	struct object_header header;
};

static void forge_header(struct forged *f)
{
	memset(f, 0, sizeof(*f));
	f->header = (struct object_header){
		.type = OBJECT_BLOCK,
		.epoch = 1,
		.array_id = *keys_array_id(keys),
		.uid = id_random(),
	};
	header_encode(&f->header, f->bytes);
	f->used_bytes = HEADER_BYTES;
}

static void forge_box(struct forged *f, enum box_kind kind, const void *plain, size_t len_bytes)
{
	const struct box_place place = {.header = f->bytes, .kind = kind};
	struct error err;

	assert_int_equal(box_seal(keys, &place, plain, len_bytes, f->bytes + f->used_bytes, &err),
			 ERR_NONE);
	f->used_bytes += len_bytes + BOX_OVERHEAD_BYTES;
}

static void forge_trailer(struct forged *f, uint64_t offset, uint64_t box_bytes, uint64_t zero)
{
	uint8_t plain[24];

	store_u64(plain, offset);
	store_u64(plain + 8, box_bytes);
	store_u64(plain + 16, zero);
	forge_box(f, BOX_TRAILER, plain, sizeof(plain));
}

static void a_trailer_that_lies_is_refused(void **state)
{
	static const uint64_t lies[][3] = {
		{64, 141, 0},
		{65, 140, 0},
		{63, 141, 0},
		{64, 140, 1},
		{0, 204, 0},
		{64, 39, 0},
		{UINT64_MAX, 141 + 64, 0},
		{64, UINT64_MAX, 0},
		{204, 0, 0},
	};
	struct forged f;

	(void)state;
	forge_header(&f);
	forge_box(&f, BOX_CONTENTS, f.bytes + 512, 100);
	forge_trailer(&f, 64, 140, 0);
	assert_int_equal(open_contents(f.bytes, f.used_bytes), ERR_NONE);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		forge_header(&f);
		forge_box(&f, BOX_CONTENTS, f.bytes + 512, 100);
		forge_trailer(&f, lies[i][0], lies[i][1], lies[i][2]);
		assert_int_equal(open_contents(f.bytes, f.used_bytes), ERR_CORRUPT);
	}
}

/* A block with a frame box of so many packed bytes, whose list says what it is told to. */
static int open_forged(uint32_t packed_bytes, uint32_t offset, uint32_t box_bytes)
{
	const uint32_t contents_at = HEADER_BYTES + packed_bytes + BOX_OVERHEAD_BYTES;
	struct contents c = {0};
	struct buf list = {0};
	struct forged f;

	add_frame(&c, offset, box_bytes, 10);
	add_chunk(&c, 1, 10, false);
	contents_encode(&c, &list);
	forge_header(&f);
	forge_box(&f, BOX_FRAME, "0123456789", packed_bytes);
	forge_box(&f, BOX_CONTENTS, list.data, list.len_bytes);
	forge_trailer(&f, contents_at, list.len_bytes + BOX_OVERHEAD_BYTES, 0);
	buf_release(&list);
	contents_release(&c);
	return open_contents(f.bytes, f.used_bytes);
}

static void frames_fill_the_block_from_header_to_contents(void **state)
{
	(void)state;
	assert_int_equal(open_forged(10, 64, 50), ERR_NONE);
	assert_int_equal(open_forged(10, 63, 50), ERR_CORRUPT);
	assert_int_equal(open_forged(10, 65, 49), ERR_CORRUPT);
	assert_int_equal(open_forged(10, 64, 49), ERR_CORRUPT);
	assert_int_equal(open_forged(10, 0, 50), ERR_CORRUPT);
	assert_int_equal(open_forged(1, 64, 41), ERR_NONE);
	assert_int_equal(open_forged(0, 64, 40), ERR_CORRUPT); /* nothing in the frame */
}

static void contents_that_do_not_parse_are_refused(void **state)
{
	static const uint8_t junk[100] = {1, 2, 3};
	struct forged f;

	(void)state;
	forge_header(&f);
	forge_box(&f, BOX_CONTENTS, junk, sizeof(junk));
	forge_trailer(&f, 64, 140, 0);
	assert_int_equal(open_contents(f.bytes, f.used_bytes), ERR_CORRUPT);
}

static void a_block_with_features_is_unsupported(void **state)
{
	struct forged f;

	(void)state;
	forge_header(&f);
	f.header.optional = 1;
	header_encode(&f.header, f.bytes);
	forge_box(&f, BOX_CONTENTS, f.bytes + 512, 100);
	forge_trailer(&f, 64, 140, 0);
	assert_int_equal(open_contents(f.bytes, f.used_bytes), ERR_UNSUPPORTED);
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
		cmocka_unit_test(contents_come_back_with_places_derived),
		cmocka_unit_test(only_zeros_may_follow_the_list),
		cmocka_unit_test(contents_cut_anywhere_are_refused),
		cmocka_unit_test(frames_keep_their_limits),
		cmocka_unit_test(chunks_add_up_to_their_frame),
		cmocka_unit_test(frames_lie_in_order_without_overlap),
		cmocka_unit_test(counts_that_cannot_be_and_unknown_methods_are_refused),
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
		cmocka_unit_test(a_trailer_that_lies_is_refused),
		cmocka_unit_test(frames_fill_the_block_from_header_to_contents),
		cmocka_unit_test(contents_that_do_not_parse_are_refused),
		cmocka_unit_test(a_block_with_features_is_unsupported),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
