/*
 * Widening: where no drives have room for one more group, but single ones have, a new block goes to
 * one of these alone, and an old group without an object there takes it in: its rows are replaced by
 * such as cover the block, too. Nothing else of the group is read or moved. So what an added drive
 * holds is of use at once, however full the others are.
 */
#ifndef MRMR_ARRAY_WIDEN_H
#define MRMR_ARRAY_WIDEN_H

#include "array/place.h"

/* How many blocks to fill together, and how long they may be, so that old groups take them. ERR_FULL:
 * there are no such groups. Any thread. */
int widen_shape(struct array *a, unsigned *count, uint32_t *block_bytes, struct error *err);

/*
 * Stores the first *done of the blocks so; they are known to the journals on return, since what they
 * replace is deleted at once: full drives have no room for more than a few rows twice. ERR_FULL with
 * *done = 0: no group takes the first one. records: gets what may be told later. Any
 * thread, which does not hold table_lock.
 */
int widen_with(struct array *a, const struct new_block *blocks, unsigned count, unsigned *done,
	       struct buf *records, struct place_result *result, struct error *err);

struct widening; /* which groups may be widened, as far as they were looked at; of a struct array */
void widening_free(struct widening *w); /* NULL is allowed */

#endif
