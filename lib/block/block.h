/*
 * Sealed blocks. Format: mrmr-format(5), "Sealed block":
 *
 *   header (64, clear) | frame boxes | contents box | trailer box (64 stored bytes)
 *
 * The trailer's 24 plain bytes are: contents offset (8), contents box length (8), zero (8).
 * The contents' plain bytes are padded with zeros until the block has a padded length.
 */
#ifndef MRMR_BLOCK_BLOCK_H
#define MRMR_BLOCK_BLOCK_H

#include "block/contents.h"
#include "chunk/geometry.h"
#include "seal/box.h"

#define TRAILER_BYTES (BOX_OVERHEAD_BYTES + 24)

/*
 * Gathers frames into one block of at most limit_bytes stored (at most geometry's
 * block_bytes). reserve is called by one thread at a time; seal by any, one per frame.
 */
struct block_writer;
int block_writer_new(const struct keys *k, const struct geometry *g, uint32_t limit_bytes,
		     struct block_writer **out, struct error *err);
void block_writer_free(struct block_writer *w); /* NULL is allowed */
const struct id *block_writer_uid(const struct block_writer *w);
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

/* Gives the frame its place. ERR_FULL with the block unchanged: no room for it any more. */
int block_writer_reserve(struct block_writer *w, const struct frame_plan *plan,
			 uint32_t *frame_index, struct error *err);
/* Seals packed (packed_bytes of the plan) into the place of that frame. */
int block_writer_seal(struct block_writer *w, uint32_t frame_index, const uint8_t *packed,
		      struct error *err);
/* Every reserved frame was sealed. *bytes is lent until block_writer_free(). */
int block_writer_finish(struct block_writer *w, const uint8_t **bytes, size_t *len_bytes,
			struct hash *name, struct error *err);

/* Opens one frame's box, as read from offset_bytes of the block: fills packed (box_bytes -
 * BOX_OVERHEAD_BYTES). uid and epoch come from the block's record. */
int block_open_frame(const struct keys *k, const struct id *uid, uint32_t epoch,
		     uint32_t frame_index, const uint8_t *box, size_t box_bytes, uint8_t *packed,
		     struct error *err);

/* A whole block in memory, without any record of it (scan, tests): authenticates header, trailer
 * and contents. *uid and *epoch are read from the header. Caller: contents_release(). */
int block_open_contents(const struct keys *k, const uint8_t *bytes, size_t len_bytes,
			struct id *uid, uint32_t *epoch, struct contents *out, struct error *err);

#endif
