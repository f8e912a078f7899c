#include "block/block.h"

#include <stdlib.h>
#include <string.h>

/* The header of a block is a function of these: frames are opened without having it at hand. */
static void block_header(const struct id *array_id, const struct id *uid, uint32_t epoch,
			 uint8_t out[HEADER_BYTES])
{
	const struct object_header h = {
		.type = OBJECT_BLOCK,
		.epoch = epoch,
		.array_id = *array_id,
		.uid = *uid,
	};

	header_encode(&h, out);
}

int block_open_frame(const struct keys *k, const struct id *uid, uint32_t epoch,
		     uint32_t frame_index, const uint8_t *box, size_t box_bytes, uint8_t *packed,
		     struct error *err)
{
	uint8_t header[HEADER_BYTES];
	const struct box_place place = {
		.header = header,
		.kind = BOX_FRAME,
		.index = frame_index,
	};
	int code;

	if (epoch == 0)
		return err_set(err, ERR_CORRUPT, "frame %u: key epoch 0", frame_index);
	block_header(keys_array_id(k), uid, epoch, header);
	code = box_open(k, &place, box, box_bytes, packed, err);
	return code == ERR_NONE ? code : err_wrap(err, "frame %u", frame_index);
}

int block_open_ends(const struct keys *k, const uint8_t header[HEADER_BYTES],
		    const uint8_t trailer[TRAILER_BYTES], uint64_t len_bytes,
		    struct block_ends *out, struct error *err)
{
	const struct box_place place = {.header = header, .kind = BOX_TRAILER};
	uint8_t plain[TRAILER_BYTES - BOX_OVERHEAD_BYTES];
	uint64_t offset, box_bytes;
	struct object_header h;
	int code = header_decode(header, HEADER_BYTES, OBJECT_BLOCK, keys_array_id(k), &h, err);

	if (code != ERR_NONE)
		return err_wrap(err, "block header");
	if (h.optional != 0)
		return err_set(err, ERR_UNSUPPORTED, "block header: unknown features 0x%x",
			       h.optional);
	code = box_open(k, &place, trailer, TRAILER_BYTES, plain, err);
	if (code != ERR_NONE)
		return err_wrap(err, "block trailer");
	offset = load_u64(plain);
	box_bytes = load_u64(plain + 8);
	if (len_bytes > CONTENTS_REACH_BYTES || offset < HEADER_BYTES || offset > len_bytes ||
	    box_bytes < BOX_OVERHEAD_BYTES || box_bytes > len_bytes ||
	    offset + box_bytes + TRAILER_BYTES != len_bytes || load_u64(plain + 16) != 0)
		return err_set(err, ERR_CORRUPT, "block trailer: not of a block of %llu bytes",
			       (unsigned long long)len_bytes);
	*out = (struct block_ends){
		.uid = h.uid,
		.epoch = h.epoch,
		.contents_offset_bytes = (uint32_t)offset,
		.contents_box_bytes = (uint32_t)box_bytes,
	};
	return ERR_NONE;
}

/* Frame boxes fill all of the block between header and contents. */
static int check_frames(const struct contents *c, uint32_t contents_offset_bytes, struct error *err)
{
	uint32_t at_bytes = HEADER_BYTES;

	for (size_t i = 0; i < c->frame_count; i++) {
		const struct contents_frame *f = &c->frames[i];

		if (f->offset_bytes != at_bytes || f->box_bytes <= BOX_OVERHEAD_BYTES)
			return err_set(err, ERR_CORRUPT, "frame %zu is not where it should be", i);
		at_bytes += f->box_bytes;
	}
	if (at_bytes != contents_offset_bytes)
		return err_set(err, ERR_CORRUPT, "frames end at %u, contents begin at %u", at_bytes,
			       contents_offset_bytes);
	return ERR_NONE;
}

int block_open_list(const struct keys *k, const struct block_ends *ends, const uint8_t *box,
		    struct contents *out, struct error *err)
{
	const size_t plain_bytes = ends->contents_box_bytes - BOX_OVERHEAD_BYTES;
	uint8_t header[HEADER_BYTES], *plain;
	const struct box_place place = {.header = header, .kind = BOX_CONTENTS};
	int code;

	plain = malloc(plain_bytes + 1);
	if (!plain)
		return err_nomem(err);
	block_header(keys_array_id(k), &ends->uid, ends->epoch, header);
	code = box_open(k, &place, box, ends->contents_box_bytes, plain, err);
	if (code == ERR_NONE)
		code = contents_decode(plain, plain_bytes, out, err);
	if (code == ERR_NONE) {
		code = check_frames(out, ends->contents_offset_bytes, err);
		if (code != ERR_NONE)
			contents_release(out);
	}
	free(plain);
	return code == ERR_NONE ? code : err_wrap(err, "block contents");
}

int block_open_contents(const struct keys *k, const uint8_t *bytes, size_t len_bytes,
			struct id *uid, uint32_t *epoch, struct contents *out, struct error *err)
{
	struct block_ends ends = {0};
	int code;

	if (len_bytes < HEADER_BYTES + TRAILER_BYTES)
		return err_set(err, ERR_CORRUPT, "%zu bytes are too short for a block", len_bytes);
	code = block_open_ends(k, bytes, bytes + len_bytes - TRAILER_BYTES, len_bytes, &ends, err);
	if (code != ERR_NONE)
		return code;
	code = block_open_list(k, &ends, bytes + ends.contents_offset_bytes, out, err);
	if (code != ERR_NONE)
		return code;
	*uid = ends.uid;
	*epoch = ends.epoch;
	return ERR_NONE;
}
