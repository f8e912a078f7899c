/*
 * Sets of object names as ranges: a name is known by its first eight bytes, a big-endian number.
 * Stateless: any thread.
 */
#ifndef MRMR_TABLE_RANGES_H
#define MRMR_TABLE_RANGES_H

#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct name_range {
	uint64_t from, to; /* both included */
};

/* By rising names; between two of them lies at least one name. All zero is empty. */
struct name_ranges {
	struct name_range *items; /* owned: ranges_release() */
	size_t count, cap;
};
void ranges_release(struct name_ranges *r);

uint64_t name_number(const struct hash *name);

/* Adds one that begins at or after the beginning of the last one; joined with it where they meet.
 * False: no memory. */
bool ranges_add(struct name_ranges *r, uint64_t from, uint64_t to);
bool ranges_have(const struct name_ranges *r, uint64_t name);
/* Takes the names of minus out of r. False: no memory, r is unchanged. */
bool ranges_subtract(struct name_ranges *r, const struct name_ranges *minus);

#endif
