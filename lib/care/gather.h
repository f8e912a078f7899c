/*
 * Gathering: how blocks that are to be protected anew are shared out among groups: members on
 * distinct drives, where they lie, with drives left for the rows. It reads nothing and writes
 * nothing. Pure: any thread.
 *
 * A group takes its members from the drives that have most blocks left, so that no drive is left
 * alone with many, and of each drive the longest, so that members are of like length: a row is as
 * long as the longest. The rules are the allocator's: one object of a group per drive, rows where
 * roles allow, at most m members on removable drives, at most max(m, 1) objects per domain while any
 * such group fits.
 */
#ifndef MRMR_CARE_GATHER_H
#define MRMR_CARE_GATHER_H

#include "array/alloc.h"
#include "group/coef.h"

#include <stddef.h>

/* All objects of a gathered group together, so that it can be worked on in memory. */
#define GATHER_BYTES_MAX ((uint64_t)128 << 20)

enum gather_kind {
	GATHER_LONE,   /* nothing protects it: any row is better than none */
	GATHER_SPLIT,  /* its group has rows: only a new one with all rows is better */
	GATHER_MIRROR, /* it has all copies: only company is better */
};

struct gather_block {
	uint16_t drive; /* by index; it need not be usable */
	enum gather_kind kind;
	uint64_t len_bytes;
};

struct gather_group {
	unsigned member_count, row_count;
	bool complete; /* it has as many rows as there can be: min(m, r - 1, drives for rows) */
	int lacking;   /* ERR_FULL or ERR_ABSENT: why it is not; else ERR_NONE */
	uint32_t members[GROUP_SLOTS_MAX]; /* by index of the blocks given */
	uint16_t rows[GROUP_ROWS_MAX];	   /* drives, by index */
};

struct gather;

/* drives: the allocator's view, lent; every group takes from it what its rows need. blocks and
 * policy are lent. Caller: gather_free(). NULL: out of memory. */
struct gather *gather_new(struct alloc_drive *drives, unsigned count,
			  const struct alloc_policy *policy, const struct gather_block *blocks,
			  size_t block_count);
/*
 * The next group, the widest that there can be. False: none has so many members and all rows, or
 * no block is left. With least_members 0 every block comes in the end; one that is better left as
 * it is, or finds no drive for a row, alone with row_count 0.
 */
bool gather_next(struct gather *g, unsigned least_members, struct gather_group *out);
bool gather_has(const struct gather *g, size_t block); /* whether it is in no group yet */
void gather_free(struct gather *g);		       /* NULL is allowed */

#endif
