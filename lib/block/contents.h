/*
 * The table of contents of a block: its frames, and in each frame its chunks, in order.
 * One encoding serves the block itself, its journal record and the table.
 * Format: mrmr-format(5), "Table of contents":
 *
 *   varint frames; per frame: varint offset, varint box length, varint plain length,
 *   byte method, varint chunks; per chunk: varint length * 2 + manifest bit, 32 bytes id
 *
 * Chunks lie in a frame's plain bytes one after the other without gaps, so that their
 * lengths add up to the plain length; no frame and no chunk is empty. Frames lie in the block
 * in the order of the list and do not overlap; none reaches beyond 2^31. A varint is unsigned
 * LEB128 in its shortest form.
 */
#ifndef MRMR_BLOCK_CONTENTS_H
#define MRMR_BLOCK_CONTENTS_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "chunk/frame.h"

#define CONTENTS_REACH_BYTES ((uint32_t)1 << 31)

struct contents_chunk {
	struct hash id;
	uint32_t len_bytes;
	uint32_t offset_bytes; /* in the frame's plain bytes; derived, not stored */
	uint32_t frame;	       /* index of its frame; derived, not stored */
	bool manifest;	       /* records of the put that made the block, not file data */
};

struct contents_frame {
	uint32_t offset_bytes; /* of the box in the block (in the data of an inline block) */
	uint32_t box_bytes;    /* stored: a sealed box, or bare packed bytes when inline */
	uint32_t plain_bytes;
	enum frame_method method;
	uint32_t first_chunk, chunks; /* first_chunk is derived, not stored */
};

/* All zero is empty. The owner calls contents_release(). Not thread-safe while it grows. */
struct contents {
	struct contents_frame *frames;
	size_t frame_count, frame_cap;
	struct contents_chunk *chunks;
	size_t chunk_count, chunk_cap;
};

void contents_release(struct contents *c);
void contents_clear(struct contents *c); /* empty, keeps the memory */
/* Adds a frame without chunks (its first_chunk and chunks are not read), then the chunks of this
 * last frame with contents_add_chunk(). Neither checks anything. False: no memory. */
bool contents_add_frame(struct contents *c, const struct contents_frame *frame);
bool contents_add_chunk(struct contents *c, const struct hash *id, uint32_t len_bytes,
			bool manifest);
/* Appends the list. Out of memory shows in out->failed. */
void contents_encode(const struct contents *c, struct buf *out);
/*
 * Bytes beyond the list must be zero (padding). Every length, offset and sum is checked, and
 * memory stays in proportion to len_bytes: else ERR_CORRUPT, or ERR_NOMEM, and out is empty.
 * Caller: contents_release().
 */
int contents_decode(const void *bytes, size_t len_bytes, struct contents *out, struct error *err);

#endif
