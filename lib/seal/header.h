/*
 * The clear header that begins every sealed object. Format: mrmr-format(5), "Object header".
 *
 *   0  8  magic, by type: "MRMRBLOK" "MRMRSEGM" "MRMRRING" "MRMRWRIT"
 *   8  2  format number: 1
 *  10  1  object type
 *  11  1  AEAD: 1 = XChaCha20-Poly1305
 *  12  1  ids: 1 = keyed BLAKE2b-256
 *  13  1  compression: 1 = raw or zstd
 *  14  2  zero
 *  16  4  mandatory features: a reader that does not know one refuses the object
 *  20  4  optional features: a reader may ignore them
 *  24  4  key epoch
 *  28  4  zero
 *  32 16  array id
 *  48 16  uid: random, of this object alone
 *
 * Integers are little-endian. The header is the beginning of every box's additional data, so
 * no bit of it can be changed without every box of the object being refused.
 */
#ifndef MRMR_SEAL_HEADER_H
#define MRMR_SEAL_HEADER_H

#include "base/error.h"
#include "base/hash.h"

#define HEADER_BYTES 64
#define FORMAT_NUMBER 1

enum object_type {
	OBJECT_BLOCK = 1,   /* sealed block */
	OBJECT_SEGMENT = 2, /* journal segment, compacted segment, checkpoint */
	OBJECT_RING = 3,    /* key ring */
	OBJECT_WRITER = 4,  /* this host's writer identity, in the state folder */
	OBJECT_SLOT = 5,    /* key slot: JSON, has no such header and no boxes */
	OBJECT_MARKER = 6,  /* a drive's config.json, likewise */
};

struct object_header {
	enum object_type type;
	uint32_t mandatory, optional; /* feature bits */
	uint32_t epoch;		      /* which master key; from 1 */
	struct id array_id, uid;
};

/* Types with a header only; epoch must not be 0. */
void header_encode(const struct object_header *h, uint8_t out[HEADER_BYTES]);

/*
 * Refuses with ERR_CORRUPT what is no header of that type or of another array, and with
 * ERR_UNSUPPORTED a newer format, an unknown algorithm or an unknown mandatory feature. What it
 * fills in is authentic only after a box of the object has opened.
 * array_id may be NULL: any array.
 */
int header_decode(const void *bytes, size_t len_bytes, enum object_type type,
		  const struct id *array_id, struct object_header *out, struct error *err);

#endif
