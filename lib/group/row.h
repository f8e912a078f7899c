/*
 * Row objects: coded bytes from offset 0 | clear descriptor | trailer. A pure function of the
 * group's members: every rebuild gives the same bytes and the same name, with no key.
 * Format: mrmr-format(5), "Row object":
 *
 *   descriptor: magic "MRMRROWD" (8) | format 1 (2) | code 1 = extended Cauchy (1) | row (1) |
 *     members (2) | zero (2) | mandatory features (4) | optional features (4) | zero (8) |
 *     array id (16) | group id (16) | per member, by rising slot: name (32) | length (8) |
 *     slot (2) | zero (6)
 *   trailer (32): magic "MRMRROWT" (8) | coded length (8) | descriptor length (8) | zero (8)
 *
 * A group of one member has no row objects: its copies are the member's own bytes.
 */
#ifndef MRMR_GROUP_ROW_H
#define MRMR_GROUP_ROW_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "group/coef.h"

#define ROW_TRAILER_BYTES 32

struct row_member {
	struct hash name;
	uint64_t len_bytes;
	uint8_t slot;
};

struct row_descriptor {
	struct id array_id, group_id;
	uint8_t row;
	uint16_t member_count;
	struct row_member members[GROUP_SLOTS_MAX]; /* by rising slot */
};

/* Bytes of coded data: the longest member's length. */
uint64_t row_coded_bytes(const struct row_descriptor *d);
uint64_t row_object_bytes(const struct row_descriptor *d);
size_t row_tail_bytes(const struct row_descriptor *d); /* descriptor and trailer */

/* Appends descriptor and trailer: what follows the coded bytes. */
void row_tail_encode(const struct row_descriptor *d, struct buf *out);

/* Reads the trailer (last ROW_TRAILER_BYTES of an object of object_bytes): where the descriptor is. */
int row_trailer_decode(const void *bytes, uint64_t object_bytes, uint64_t *descriptor_offset,
		       size_t *descriptor_bytes, struct error *err);
/* ERR_CORRUPT unless canonical: slots rising, counts in range, no trailing bytes. */
int row_descriptor_decode(const void *bytes, size_t len_bytes, struct row_descriptor *out,
			  struct error *err);

#endif
