/*
 * Frames: whole chunks, compressed together. What does not shrink is kept raw. Every
 * compressed frame is decompressed and compared before it is handed out, so that a fault in
 * the compressor or in memory cannot become the only copy.
 *
 * Packed bytes: method 0, the plain bytes themselves; method 1, one zstd frame (RFC 8878) with
 * its content size, without dictionary and without checksum.
 */
#ifndef MRMR_CHUNK_FRAME_H
#define MRMR_CHUNK_FRAME_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum frame_method { FRAME_RAW = 0, FRAME_ZSTD = 1 };

#define FRAME_PLAIN_MAX ((size_t)64 << 20) /* no frame's plain bytes exceed this, on any array */
#define FRAME_LEVEL_MAX 19

struct framer; /* compressor and decompressor state, reused; one thread at a time */
/* level: zstd's, 1 to 19; 0 stores everything raw; else ERR_USAGE. ERR_UNSUPPORTED with a
 * libzstd known to corrupt data at this level. Caller: framer_free(). */
int framer_new(int level, struct framer **out, struct error *err);
void framer_free(struct framer *f); /* NULL is allowed */

/*
 * Packs len_bytes, at most FRAME_PLAIN_MAX. *out is lent until the next call: either plain
 * itself (FRAME_RAW) or the framer's own memory. Compressed only where that saves at least
 * 1/64. ERR_CORRUPT: the round trip failed twice; nothing is to be stored. The framer's memory
 * grows to about twice the largest frame it has seen.
 */
int framer_pack(struct framer *f, const void *plain, size_t len_bytes, const uint8_t **out,
		size_t *out_bytes, enum frame_method *method, struct error *err);

/* Unpacks into exactly plain_bytes at plain; any other length is ERR_CORRUPT, and plain's
 * bytes are then of no use. */
int framer_unpack(struct framer *f, enum frame_method method, const void *packed,
		  size_t packed_bytes, void *plain, size_t plain_bytes, struct error *err);

#endif
