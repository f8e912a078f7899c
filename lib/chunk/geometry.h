/*
 * The sizes of an array. A small array for a test is an ordinary array with other numbers:
 * nothing below this header knows a size of its own. Recorded in the journal; changing them
 * concerns new data only, since every object tells its own lengths.
 */
#ifndef MRMR_CHUNK_GEOMETRY_H
#define MRMR_CHUNK_GEOMETRY_H

#include "base/error.h"

#include <stdint.h>

#define CHUNK_BYTES_MIN 64u /* the cutter looks back this far */
#define BLOCK_BYTES_MAX ((uint32_t)64 << 20)
#define BLOCK_USER_BYTES_MIN ((uint32_t)64 << 10) /* the library takes less */
#define SEGMENT_BYTES_MAX ((uint32_t)64 << 20)

struct geometry {
	uint32_t chunk_min_bytes, chunk_avg_bytes, chunk_max_bytes; /* avg: a power of two */
	uint32_t frame_bytes;	 /* plain bytes that small chunks are gathered to */
	uint32_t block_bytes;	 /* most bytes of a sealed block */
	uint32_t pad_step_bytes; /* stored length: a multiple of it from pad_from_bytes on, ... */
	uint32_t pad_from_bytes; /* ... Padme below, */
	uint32_t pad_min_bytes;	 /* and never less than this */
	uint32_t stretch_bytes;	 /* a put fills the blocks of a group in turns of this */
	uint32_t segment_bytes;	 /* most bytes of a journal segment */
};

enum chunk_profile { PROFILE_FINE, PROFILE_DEFAULT, PROFILE_COARSE };

/* 64 KiB / 256 KiB / 1 MiB chunks, 256 KiB frames, 16 MiB blocks, 1 MiB stretches, 8 MiB
 * segments; blocks are padded to 64 KiB from 1 MiB on and have 4 KiB at least. */
struct geometry geometry_default(void);
/* Sets the chunk sizes: 16/64/256 KiB, 64/256/1024 KiB or 512/2048/8192 KiB, halved until the
 * largest is at most half a block. */
void geometry_set_profile(struct geometry *g, enum chunk_profile profile);
/* Sets the block size; stretches, frames and chunks are halved until they fit it. */
void geometry_set_block(struct geometry *g, uint32_t block_bytes);
/*
 * ERR_USAGE with the reason when the numbers do not fit each other: sizes in order, a full
 * block has a padded length, and a block takes at least one frame of the largest chunk.
 * Bounds on what users may choose (BLOCK_USER_BYTES_MIN) are the caller's.
 */
int geometry_check(const struct geometry *g, struct error *err);

/* Limits that are fractions of the block size. */
uint32_t geometry_inline_bytes(const struct geometry *g); /* 1/256: below, in the segment */
uint32_t geometry_mirror_bytes(const struct geometry *g); /* 1/16: below, one block and copies */
uint32_t geometry_repack_bytes(const struct geometry *g); /* 1/4: blocks below are repacked */

/* The larger of frame and largest chunk: the most plain bytes of a frame. */
uint32_t geometry_frame_plain_max(const struct geometry *g);

/* How many bytes to use for an object of need_bytes, so that sizes tell little: rises with
 * need_bytes, and a length that it gave is given for itself. */
uint64_t geometry_padded(const struct geometry *g, uint64_t need_bytes);
/*
 * Padme (Nikitin, Barman, Lueks, Underwood, Hubaux, Ford: "Reducing Metadata Leakage from
 * Encrypted Files and Communication with PURBs", PETS 2019, algorithm 1): with E =
 * floor(log2 n) and S = floor(log2 E) + 1, n is rounded up to a multiple of 2^(E - S). At most
 * 12 % more, and O(log log n) bits leaked. 0 and 1 stay as they are.
 */
uint64_t padme(uint64_t need_bytes);

#endif
