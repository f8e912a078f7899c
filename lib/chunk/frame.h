/*
 * Frames: whole chunks, compressed together. What does not shrink is kept raw. Every
 * compressed frame is decompressed and compared before it is handed out, so that a fault in
 * the compressor or in memory cannot become the only copy.
 */
#ifndef MRMR_CHUNK_FRAME_H
#define MRMR_CHUNK_FRAME_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum frame_method { FRAME_RAW = 0, FRAME_ZSTD = 1 };

#define FRAME_PLAIN_MAX ((size_t)64 << 20) /* no frame's plain bytes exceed this, on any array */

struct framer; /* compressor and decompressor state, reused; one thread at a time */
/* level: zstd's, 1 to 19; 0 stores everything raw. ERR_UNSUPPORTED with a libzstd known to
 * corrupt data at this level (1.5.0 to 1.5.4 without the fix). */
int framer_new(int level, struct framer **out, struct error *err);
void framer_free(struct framer *f); /* NULL is allowed */

/*
 * Packs len_bytes. *out is lent until the next call: either plain itself (FRAME_RAW) or the
 * framer's own memory. ERR_CORRUPT: the round trip failed twice; nothing is to be stored.
 */
int framer_pack(struct framer *f, const void *plain, size_t len_bytes, const uint8_t **out,
		size_t *out_bytes, enum frame_method *method, struct error *err);

/* Unpacks into exactly plain_bytes at plain; any other length is ERR_CORRUPT. */
int framer_unpack(struct framer *f, enum frame_method method, const void *packed,
		  size_t packed_bytes, void *plain, size_t plain_bytes, struct error *err);

#endif
