/*
 * Encoding and reconstruction over byte ranges in memory, by ISA-L (which picks the SIMD of
 * the processor). Nothing here knows files, drives or kinds of block. Stateless: any thread.
 *
 * Row j of a group is the sum over its members of group_coef(j, slot) * bytes, byte by byte.
 * A group of one member (k = 1) is a mirror: its rows are copies, whatever the member's slot.
 * Only of a member in slot 0 may such a copy be widened later by code_update_row().
 *
 * No buffer needs any alignment. Nothing is padded or copied: a range is worked on in slices
 * that are cut again where an input ends.
 */
#ifndef MRMR_GROUP_CODE_H
#define MRMR_GROUP_CODE_H

#include "base/error.h"
#include "group/coef.h"

#include <stdbool.h>
#include <stddef.h>

/* One object of a group: a data member, known by its slot, or a row, known by its number. */
struct code_ref {
	bool is_row;
	uint8_t index; /* slot or row */
};

/* Bytes of one object over the range at hand. A member that ends inside the range, or before
 * it, is shorter: missing bytes count as zero. */
struct code_input {
	struct code_ref ref;
	const uint8_t *bytes; /* NULL when len_bytes is 0 */
	size_t len_bytes;     /* at most the range's length; what is beyond is not used */
};

bool code_ref_equal(struct code_ref a, struct code_ref b);

/*
 * Computes rows[0..row_count-1] (row numbers in row_index) of range_bytes each from all k
 * members. Slots must be distinct (asserted). outs must not overlap inputs. ERR_NOMEM.
 */
int code_encode(const struct code_input *members, unsigned k, const uint8_t *row_index,
		unsigned row_count, uint8_t *const *outs, size_t range_bytes, struct error *err);

/*
 * row ^= c(row, member) * bytes: widening a row by a member, or dropping a dead one. row holds
 * at least member->len_bytes. Never fails; err is left alone.
 */
int code_update_row(uint8_t *row, unsigned row_index, const struct code_input *member,
		    struct error *err);

/*
 * From any k objects of a group whose members have exactly these slots, computes any other
 * objects of it over the same range. slots: all k slots of the group, distinct. have: k
 * distinct objects, in any order (of more, the first k are used). ERR_LOST when fewer than k
 * are given; ERR_NOMEM.
 */
int code_rebuild(const uint8_t *slots, unsigned k, const struct code_input *have,
		 unsigned have_count, const struct code_ref *want, unsigned want_count,
		 uint8_t *const *outs, size_t range_bytes, struct error *err);

#endif
