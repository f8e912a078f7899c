/*
 * Retelling: what a segment said, said again by another writer. Internal to lib/array.
 */
#ifndef MRMR_ARRAY_RETELL_H
#define MRMR_ARRAY_RETELL_H

#include "array/array.h"

/*
 * Appends those records of s, from number `from` on, that add something: blocks, groups, places,
 * series, snapshots, and drives and key slots that the table does not know. Records that change
 * what others may have changed since (policy, a drive's state, deletions, a slot's removal) are
 * left out, and so is what would have no meaning from another writer (intents, scrubs).
 */
int retell(struct array *a, const struct segment *s, uint64_t from, struct buf *records,
	   struct error *err);

#endif
