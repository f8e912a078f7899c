/*
 * The allocator: which drives a new group uses. Sizes without bytes: it reads nothing and
 * writes nothing, so that it can be tested on any array. Not thread-safe.
 *
 * Rule (DESIGN: usable capacity is sum of sizes minus the m largest, and it is reached): a
 * group uses the m drives with the most free space, ties rotating, and then the others; one
 * object of a group per drive; no rows on removable drives; parity-role drives first for
 * rows and never for data, data-role drives never for rows; at most max(m,1) objects per
 * domain while any such group fits. Preferences, dropped when used >= 70 % of the bound:
 * width cap, and with 5 drives or more one drive left out.
 */
#ifndef MRMR_ARRAY_ALLOC_H
#define MRMR_ARRAY_ALLOC_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define DRIVES_MAX 256

enum drive_role { ROLE_BOTH = 0, ROLE_DATA = 1, ROLE_PARITY = 2 };

struct alloc_drive {
	bool usable;		/* reachable, member, not poisoned, not being drained */
	enum drive_role role;
	bool removable;		/* never holds rows */
	uint32_t domain;	/* equal numbers fail together */
	uint64_t size_bytes;	/* what the array may use in all, the reserve taken off */
	uint64_t free_bytes;	/* of that, what is left now */
};

struct alloc_policy {
	unsigned parity;	/* m */
	unsigned width;		/* members + rows at most; 0: the default cap (12 for m <= 1, 16 + (m - 2) above) */
	bool copies;		/* k = 1 always */
};

/* Drives by index into the array given: data[0..k-1], rows[0..m-1]. */
struct alloc_plan {
	unsigned k, m;
	uint16_t data[DRIVES_MAX], rows[DRIVES_MAX];
};

/* U(m): the bound on data bytes, from sizes, roles and domains. Removable and role limits count. */
uint64_t alloc_usable_bytes(const struct alloc_drive *drives, unsigned count, unsigned parity);

/*
 * Plans a group whose objects are block_bytes each, for r usable drives with m' = min(m, r-1)
 * rows. rotation: any number that changes from group to group (ties rotate). want_k: 0 for as
 * wide as the rules say, else at most that many members. ERR_FULL: nothing fits; ERR_ABSENT:
 * no usable drive.
 */
int alloc_group(const struct alloc_drive *drives, unsigned count, const struct alloc_policy *policy,
		uint64_t block_bytes, unsigned want_k, uint64_t rotation, struct alloc_plan *out,
		struct error *err);

/*
 * One more drive for an object of a group whose other objects lie on drives taken[0..n-1] (and
 * their domains count). for_row: by the rules for rows. ERR_FULL or ERR_ABSENT as above.
 */
int alloc_one(const struct alloc_drive *drives, unsigned count, const struct alloc_policy *policy,
	      const uint16_t *taken, unsigned n, bool for_row, uint64_t object_bytes, uint16_t *out,
	      struct error *err);

#endif
