/*
 * Sealed blocks, from a drive and from somebody who has the keys. The first byte chooses:
 * 0: the rest is a stored block. 1: the rest is what boxes of a block hold - 24 bytes of
 * trailer, a length of frames (2), so many bytes in their place, and the contents.
 */
#include "block/block.h"

#include "tests/vectors/seal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct keys *keys;

static void must_be(bool holds)
{
	if (!holds)
		abort();
}

static void start(void)
{
	struct error err;
	struct id array_id;

	if (keys)
		return;
	must_be(seal_start(&err) == ERR_NONE);
	memcpy(array_id.b, vector_array_id, ID_BYTES);
	must_be(ring_open(&array_id, 2, vector_master, vector_ring, sizeof(vector_ring), &keys,
			  &err) == ERR_NONE);
}

static void add_box(struct buf *block, enum box_kind kind, const void *plain, size_t len_bytes)
{
	struct box_place place = {.kind = kind};
	struct error err;

	must_be(buf_reserve(block, len_bytes + BOX_OVERHEAD_BYTES));
	place.header = block->data;
	must_be(box_seal(keys, &place, plain, len_bytes, block->data + block->len_bytes, &err) ==
		ERR_NONE);
	block->len_bytes += len_bytes + BOX_OVERHEAD_BYTES;
}

/* False: too short to be one. */
static bool forge(struct reader r, struct buf *block)
{
	const uint8_t *trailer = read_bytes(&r, TRAILER_BYTES - BOX_OVERHEAD_BYTES);
	const size_t frames_bytes = read_u16(&r);
	const uint8_t *frames = read_bytes(&r, frames_bytes);

	if (r.failed)
		return false;
	buf_add(block, vector_block, HEADER_BYTES);
	buf_add(block, frames, frames_bytes);
	add_box(block, BOX_CONTENTS, r.at, r.left_bytes);
	add_box(block, BOX_TRAILER, trailer, TRAILER_BYTES - BOX_OVERHEAD_BYTES);
	return true;
}

static void read_block_bytes(const uint8_t *bytes, size_t len_bytes)
{
	struct contents c;
	struct error err;
	uint32_t epoch;
	struct id uid;

	if (block_open_contents(keys, bytes, len_bytes, &uid, &epoch, &c, &err) != ERR_NONE)
		return;
	for (uint32_t i = 0; i < c.frame_count; i++) {
		const struct contents_frame *f = &c.frames[i];
		uint8_t *packed = malloc(f->box_bytes);

		must_be(packed && f->offset_bytes + f->box_bytes <= len_bytes);
		block_open_frame(keys, &uid, epoch, i, bytes + f->offset_bytes, f->box_bytes,
				 packed, &err);
		free(packed);
	}
	contents_release(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf block = {0};

	start();
	if (size > 0 && data[0] == 0)
		read_block_bytes(data + 1, size - 1);
	else if (size > 0 && forge(reader_of(data + 1, size - 1), &block))
		read_block_bytes(block.data, block.len_bytes);
	buf_release(&block);
	return 0;
}
