/*
 * Sealed blocks. Format: mrmr-format(5), "Sealed block":
 *
 *   header (64, clear) | frame boxes | contents box | trailer box (64 stored bytes)
 *
 * - Header: seal/header.h, type block, both feature fields 0.
 * - Frame boxes: kind BOX_FRAME, index = the frame's number from 0, no extra; the plain bytes
 *   are a packed frame (chunk/frame.h). One after the other from offset 64, without gaps.
 * - Contents box: kind BOX_CONTENTS, index 0, right after the last frame; the plain bytes are
 *   the table of contents (block/contents.h) and zeros until the block has a padded length.
 * - Trailer: kind BOX_TRAILER, index 0; 24 plain bytes: contents offset (8), contents box
 *   length (8), zero (8).
 *
 * So every byte after the header is inside an authenticated box, and the header is part of
 * each one's additional data. The object's name is the SHA-256 of all of it.
 */
#ifndef MRMR_BLOCK_BLOCK_H
#define MRMR_BLOCK_BLOCK_H

#include "block/contents.h"
#include "chunk/geometry.h"
#include "seal/box.h"

#define TRAILER_BYTES (BOX_OVERHEAD_BYTES + 24)
#define BLOCK_ALIGN_BYTES 64 /* of a writer's bytes: what parity code likes best */

/*
 * Gathers frames into one block. reserve, contents, used_bytes, finish and reset are for one
 * thread at a time; seal may run meanwhile on any threads, one per frame.
 */
struct block_writer;
/* A block of at most limit_bytes stored (at most geometry's block_bytes, else ERR_USAGE), all of
 * which is allocated at once. k is lent until block_writer_free(). */
int block_writer_new(const struct keys *k, const struct geometry *g, uint32_t limit_bytes,
		     struct block_writer **out, struct error *err);
void block_writer_free(struct block_writer *w); /* NULL is allowed */
/* Begins another block, with a uid of its own, in the same memory: nothing lent before is valid
 * any more. No seal may be running. */
void block_writer_reset(struct block_writer *w);
const struct id *block_writer_uid(const struct block_writer *w); /* lent until reset */
/* Stored bytes so far (without contents, trailer and padding). */
size_t block_writer_used_bytes(const struct block_writer *w);
/* What was reserved so far; lent, grows with the next reserve. */
const struct contents *block_writer_contents(const struct block_writer *w);

/* A frame to place: its packed length is known, its chunks are listed. */
struct frame_plan {
	uint32_t packed_bytes, plain_bytes;
	enum frame_method method;
	const struct contents_chunk *chunks; /* id, len_bytes and manifest are read */
	uint32_t chunk_count;
};

/* Where a frame was placed: all that sealing it needs, so that no thread that seals looks at
 * what a later reserve may be moving. */
struct frame_place {
	uint32_t frame_index;
	uint32_t offset_bytes; /* of its box in the block */
	uint32_t packed_bytes;
};

/*
 * Gives the frame its place, so that the block with its contents, trailer and padding still
 * fits limit_bytes. ERR_FULL with the block unchanged: no room for it any more. ERR_USAGE: its
 * chunks do not add up, or packed is larger than plain. An empty block has room for any frame
 * of at most block_frame_chunks() chunks.
 */
int block_writer_reserve(struct block_writer *w, const struct frame_plan *plan,
			 struct frame_place *place, struct error *err);
/* Seals packed (packed_bytes of the place) into the block. Once per place. */
int block_writer_seal(struct block_writer *w, const struct frame_place *place,
		      const uint8_t *packed, struct error *err);
/* Every reserved frame was sealed, else ERR_USAGE. *bytes is lent until reset or free. */
int block_writer_finish(struct block_writer *w, const uint8_t **bytes, size_t *len_bytes,
			struct hash *name, struct error *err);

/* The most chunks that a frame of any permitted size may hold to fit an empty block of
 * limit_bytes. 0: limit_bytes is too small for the largest frame of this geometry. */
uint32_t block_frame_chunks(const struct geometry *g, uint32_t limit_bytes);

/* Opens one frame's box, as read from offset_bytes of the block: fills packed (box_bytes -
 * BOX_OVERHEAD_BYTES). uid and epoch come from the block's record. */
int block_open_frame(const struct keys *k, const struct id *uid, uint32_t epoch,
		     uint32_t frame_index, const uint8_t *box, size_t box_bytes, uint8_t *packed,
		     struct error *err);

/* What header and trailer of a block say: enough to read its contents and nothing else. */
struct block_ends {
	struct id uid;
	uint32_t epoch;
	uint32_t contents_offset_bytes, contents_box_bytes;
};

/* Authenticates the first HEADER_BYTES and the last TRAILER_BYTES of a block of len_bytes. */
int block_open_ends(const struct keys *k, const uint8_t header[HEADER_BYTES],
		    const uint8_t trailer[TRAILER_BYTES], uint64_t len_bytes,
		    struct block_ends *out, struct error *err);
/* Opens the contents box that ends names: contents_box_bytes at box. Caller: contents_release(). */
int block_open_list(const struct keys *k, const struct block_ends *ends, const uint8_t *box,
		    struct contents *out, struct error *err);

/* A whole block in memory, without any record of it (scan, tests): authenticates header, trailer
 * and contents. *uid and *epoch are read from the header. Caller: contents_release(). */
int block_open_contents(const struct keys *k, const uint8_t *bytes, size_t len_bytes,
			struct id *uid, uint32_t *epoch, struct contents *out, struct error *err);

#endif
