/*
 * The cutter: splits a file where its content says so, so that an insertion moves few cuts.
 * Gear rolling hash with normalised chunking level 2 and min-skip (Xia et al., FastCDC,
 * USENIX ATC 2016 and TPDS 2020), judged on the high bits; the table is keyed, so that
 * chunk lengths tell nobody without the key what a file is. Immutable: any thread.
 *
 * Exactly: T[b] = cutter entry of byte b (seal/keys.h). For a chunk that begins at byte 0 of
 * its input, H(n) = sum over i = 0..63 of T[byte n - 1 - i] * 2^i mod 2^64: the last 64 bytes
 * before n. With avg = 2^a, the chunk ends at the least n >= min (and >= 64) where
 *
 *   H(n) < 2^(64 - (a + 2))   and n < avg, or
 *   H(n) < 2^(64 - (a - 2))   and avg <= n < max, or
 *   n = max, or the file ends.
 *
 * Readers need none of this: chunks name their lengths.
 */
#ifndef MRMR_CHUNK_CUTTER_H
#define MRMR_CHUNK_CUTTER_H

#include "chunk/geometry.h"
#include "seal/keys.h"

struct cutter;
/* ERR_USAGE: the geometry does not pass geometry_check(). Caller: cutter_free(). */
int cutter_new(const struct keys *k, const struct geometry *g, struct cutter **out,
	       struct error *err);
void cutter_free(struct cutter *c); /* wipes its table; NULL is allowed */

/*
 * Length of the first chunk of these bytes: between 1 and chunk_max_bytes. The bytes must be
 * all that is left of the file, or at least chunk_max_bytes of it. 0 only for len_bytes 0.
 */
size_t cutter_cut(const struct cutter *c, const uint8_t *bytes, size_t len_bytes);

#endif
