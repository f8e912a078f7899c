/*
 * The sizes of an array. A small array for a test is an ordinary array with other numbers:
 * nothing below this header knows a size of its own. Recorded in the journal; changing them
 * concerns new data only, since every object tells its own lengths.
 */
#ifndef MRMR_CHUNK_GEOMETRY_H
#define MRMR_CHUNK_GEOMETRY_H

#include "base/error.h"

#include <stdint.h>

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

/* 64 KiB / 256 KiB / 1 MiB chunks, 256 KiB frames, 16 MiB blocks, 1 MiB stretches, ... */
struct geometry geometry_default(void);
void geometry_set_profile(struct geometry *g, enum chunk_profile profile);
/* ERR_USAGE with the reason when the numbers do not fit each other. */
int geometry_check(const struct geometry *g, struct error *err);

/* Limits that are fractions of the block size. */
uint32_t geometry_inline_bytes(const struct geometry *g); /* 1/256: below, data ride in the segment */
uint32_t geometry_mirror_bytes(const struct geometry *g); /* 1/16: below, one block with copies */
uint32_t geometry_repack_bytes(const struct geometry *g); /* 1/4: blocks below are worth repacking */

/* How many bytes to use for an object of need_bytes, so that sizes tell little. */
uint64_t geometry_padded(const struct geometry *g, uint64_t need_bytes);
/* Padme (Nikitin et al., PETS 2019): at most 12 % more, and O(log log n) bits leaked. */
uint64_t padme(uint64_t need_bytes);

#endif
