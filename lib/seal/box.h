/*
 * Boxes: the one way bytes are sealed. A box is nonce (24) | ciphertext | tag (16):
 * XChaCha20-Poly1305-IETF (draft-irtf-cfrg-xchacha-03) under the box key of the object's type
 * and epoch (seal/keys.h), with
 *
 *   additional data = object header (64) | box kind (1) | box index (8, LE) | extra
 *
 * The nonce is random and drawn inside box_seal(); no caller can pass one. Type, epoch and
 * array are read from the header, so that a box is always under the key its header names.
 * Thread-safe, without locks.
 */
#ifndef MRMR_SEAL_BOX_H
#define MRMR_SEAL_BOX_H

#include "seal/keys.h"

#define BOX_OVERHEAD_BYTES 40
#define BOX_EXTRA_MAX 128

enum box_kind {
	BOX_FRAME = 1,	  /* index: frame number in the block */
	BOX_CONTENTS = 2, /* the block's table of contents */
	BOX_TRAILER = 3,  /* the block's last bytes */
	BOX_RECORDS = 4,  /* the one box of a segment */
	BOX_KEYS = 5,	  /* the one box of a ring */
	BOX_WRITER = 6,	  /* the one box of a writer identity */
};

/* Where a box belongs; opening it anywhere else fails. Kinds other than BOX_FRAME: index 0. */
struct box_place {
	const uint8_t *header; /* HEADER_BYTES of the object, as stored; lent */
	enum box_kind kind;
	uint64_t index;
	const void *extra; /* at most BOX_EXTRA_MAX bytes; lent; NULL when none */
	size_t extra_bytes;
};

/* Writes len_bytes + BOX_OVERHEAD_BYTES to box. plain and box must not overlap. ERR_CORRUPT:
 * the header is of another array or names a key that k does not hold. */
int box_seal(const struct keys *k, const struct box_place *place, const void *plain,
	     size_t len_bytes, uint8_t *box, struct error *err);

/* Writes box_bytes - BOX_OVERHEAD_BYTES to plain. ERR_CORRUPT: not what was sealed there;
 * plain then holds zeros. */
int box_open(const struct keys *k, const struct box_place *place, const uint8_t *box,
	     size_t box_bytes, void *plain, struct error *err);

#endif
