/*
 * Splitting: how the members of a group that lacks rows, or whose members lost their drives, are
 * shared out among narrower groups, so that each of these finds drives for its rows. A member that
 * has a drive stays there; one without gets one. It reads nothing and writes nothing. Pure: any
 * thread.
 */
#ifndef MRMR_CARE_SPLIT_H
#define MRMR_CARE_SPLIT_H

#include "array/alloc.h"
#include "group/coef.h"

#define SPLIT_HOMELESS UINT16_MAX

struct split_part {
	unsigned member_count, row_count;
	uint16_t members[GROUP_SLOTS_MAX]; /* by index into what was split, rising */
	uint16_t rows[GROUP_ROWS_MAX];	   /* drives, by index */
};

struct split {
	unsigned part_count;
	unsigned rows_wanted;		/* of each: min(m, r - 1, drives that may hold rows) */
	bool complete;			/* each has them */
	uint16_t homes[GROUP_SLOTS_MAX]; /* of the members: drives, by index */
	struct split_part parts[GROUP_SLOTS_MAX];
};

/*
 * As few parts as there can be: each takes every member left that leaves room for all its rows.
 * Where not even one member alone has room for them, it is a part with as many as there are.
 * drives: the allocator's view; changed, by what the split takes. homes: of each member its drive,
 * usable or not, or SPLIT_HOMELESS. object_bytes: of a row, at most. out is large: on the heap.
 * ERR_FULL, ERR_ABSENT: some member finds no drive.
 */
int split_members(struct alloc_drive *drives, unsigned count, const struct alloc_policy *policy,
		  const uint16_t *homes, unsigned member_count, uint64_t object_bytes,
		  struct split *out, struct error *err);

/* The same, and no part has more in one domain than alloc_domain_limit() says: where that leaves no
 * drive for a row, the split is not complete. */
int split_by_domain(struct alloc_drive *drives, unsigned count, const struct alloc_policy *policy,
		    const uint16_t *homes, unsigned member_count, uint64_t object_bytes,
		    struct split *out, struct error *err);

#endif
