/*
 * Row objects: coded bytes from offset 0 | clear descriptor | trailer. A pure function of the
 * group's members: every rebuild gives the same bytes and the same name, with no key.
 * Format: mrmr-format(5), "Row object". Integers are little-endian, offsets in bytes:
 *
 *   coded bytes: as many as the longest member has; byte b is the sum over the members of
 *     group_coef(row, slot) * their byte b, a shorter member counting as zero there
 *
 *   descriptor, 64 + 48 * members bytes
 *      0   8  magic "MRMRROWD"
 *      8   2  format: 1
 *     10   1  code: 1 = extended Cauchy over GF(2^8), 0x11d (group/coef.h)
 *     11   1  row, 0..16
 *     12   2  members n, 2..239
 *     14   2  zero
 *     16   4  mandatory features: 0; a reader that does not know one refuses the row
 *     20   4  optional features: 0; kept, and ignored by readers that do not know them
 *     24   8  zero
 *     32  16  array id
 *     48  16  group id
 *     64  48  per member, by rising slot, no slot twice:
 *              0  32  name: SHA-256 of the member's stored bytes
 *             32   8  length of the member in bytes, at most 2^62
 *             40   2  slot, 0..238
 *             42   6  zero
 *
 *   trailer, 32 bytes, the end of the object
 *      0   8  magic "MRMRROWT"
 *      8   8  length of the coded bytes (= where the descriptor is)
 *     16   8  length of the descriptor
 *     24   8  zero
 *
 * There is one encoding of a descriptor: what decodes gives the same bytes when encoded.
 * A group of one member has no row objects: its copies are the member's own bytes.
 * Stateless: any thread.
 */
#ifndef MRMR_GROUP_ROW_H
#define MRMR_GROUP_ROW_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "group/coef.h"

#define ROW_TRAILER_BYTES 32
#define ROW_HEADER_BYTES 64 /* of the descriptor, before its members */
#define ROW_MEMBER_BYTES 48
#define ROW_MEMBERS_MIN 2
#define ROW_MEMBER_LEN_MAX ((uint64_t)1 << 62)
/* No row's descriptor and trailer together are longer. */
#define ROW_TAIL_MAX_BYTES                                                                         \
	(ROW_HEADER_BYTES + GROUP_SLOTS_MAX * ROW_MEMBER_BYTES + ROW_TRAILER_BYTES)

struct row_member {
	struct hash name;
	uint64_t len_bytes;
	uint8_t slot;
};

struct row_descriptor {
	struct id array_id, group_id;
	uint8_t row;
	uint16_t member_count;
	uint32_t optional_features;		    /* 0 in new rows */
	struct row_member members[GROUP_SLOTS_MAX]; /* by rising slot */
};

/* Bytes of coded data: the longest member's length. */
uint64_t row_coded_bytes(const struct row_descriptor *d);
uint64_t row_object_bytes(const struct row_descriptor *d);
size_t row_tail_bytes(const struct row_descriptor *d); /* descriptor and trailer */

/* Appends descriptor and trailer: what follows the coded bytes. d must be one that decodes
 * (counts in range, slots rising: asserted). */
void row_tail_encode(const struct row_descriptor *d, struct buf *out);

/*
 * Reads the trailer (last ROW_TRAILER_BYTES of an object of object_bytes): where the descriptor
 * is. ERR_CORRUPT unless coded bytes, descriptor and trailer are exactly the object; so
 * *descriptor_bytes is at most ROW_TAIL_MAX_BYTES.
 */
int row_trailer_decode(const void *bytes, uint64_t object_bytes, uint64_t *descriptor_offset,
		       size_t *descriptor_bytes, struct error *err);

/* ERR_CORRUPT unless canonical: slots rising, counts in range, no trailing bytes.
 * ERR_UNSUPPORTED: a format, code or mandatory feature of a later version. */
int row_descriptor_decode(const void *bytes, size_t len_bytes, struct row_descriptor *out,
			  struct error *err);

/*
 * Both at once, from the last len_bytes of an object of object_bytes: reading the last
 * ROW_TAIL_MAX_BYTES of it (or all of a shorter one) is always enough. Also checks that the
 * coded bytes are as many as the longest member has.
 */
int row_tail_decode(const void *bytes, size_t len_bytes, uint64_t object_bytes,
		    struct row_descriptor *out, struct error *err);

#endif
