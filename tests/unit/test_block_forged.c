/* Blocks made by somebody who has the keys but not this code. */
#include "block/block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static struct keys *keys;

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
	const struct contents_frame frame = {
		.offset_bytes = offset,
		.box_bytes = box_bytes,
		.plain_bytes = 10,
		.method = FRAME_ZSTD,
	};
	const struct hash id = {{1}};
	struct contents c = {0};
	struct buf list = {0};
	struct forged f;

	assert_true(contents_add_frame(&c, &frame));
	assert_true(contents_add_chunk(&c, &id, 10, false));
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
		cmocka_unit_test(a_trailer_that_lies_is_refused),
		cmocka_unit_test(frames_fill_the_block_from_header_to_contents),
		cmocka_unit_test(contents_that_do_not_parse_are_refused),
		cmocka_unit_test(a_block_with_features_is_unsupported),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
