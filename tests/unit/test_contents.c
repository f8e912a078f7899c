/* Tables of contents. */
#include "block/contents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static struct hash hash_of(unsigned i)
{
	return sha256(&i, sizeof(i));
}

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
