/*
 * The allocator: which drives a new group uses. Sizes without bytes: it reads nothing and
 * writes nothing, so that it can be tested on any array. Pure functions: any thread.
 *
 * What always holds:
 *   - One object of a group per drive. With r usable drives, m' = min(m, r - 1, drives that
 *     may hold rows) rows and k >= 1 members. A full drive is still one of the r.
 *   - Parity-role drives hold no members. Data-role drives hold no rows, removable drives hold
 *     no rows.
 *   - At most m' members of a group on removable drives, if it has rows at all: these may all be
 *     unplugged at once.
 * What holds while any such group fits:
 *   - At most max(m',1) objects of a group per domain. With one domain only, the rule is void.
 *
 * How much fits: U(m), the most data that any number G of groups of blocks can hold:
 *   the maximum over G of min(D(G), T(G) - m*G) where m*G <= R(G), and
 *   T(G) = sum over domains d of min(sum over drives i in d of min(s_i, G), max(m,1) * G),
 *   D(G) and R(G) the same sums over the drives that may hold members, or rows. Where that is less,
 *   T(G) and D(G) are m*G + the same sums over the drives that are not removable.
 * With drives of one kind, each its own domain, this is the sum of sizes minus the m largest.
 *
 * How it is reached: a group takes every drive with room (64 objects at most), the most free
 * of each domain. That is enough where all drives may hold both. Else not every member that
 * finds a place is worth it: it may take the place of a row that members on data-only drives
 * need. So candidates are tried (rows on parity-role drives first, or fewer of them; fewer
 * members on drives that could hold rows; rows spread over more domains), and the first is
 * taken that loses nothing: its members plus U(m) of what is free after it are U(m) of what
 * is free before it. If all lose, the one that loses least per member.
 * Which of the chosen drives hold the rows rotates from group to group, parity-role drives
 * excepted; billed ones come first, since rows are hardly ever read. All objects of a group are about
 * equal, so capacity does not depend on it.
 *
 * Preferences, while less than 70 % of U(m) is used:
 *   - A width the user asked for. Without one: at most 12 objects for m <= 1, 16 + (m - 2)
 *     above, 4 (or m + 1) where any drive is billed (what is lost is read anew from as many as a
 *     group has members), and where a group would take all of 5 or more drives, one is left out (the one
 *     with least room, or the farthest), so that a lost object has a place to go. (Not where some
 *     drive holds rows alone: narrower groups would fill it before the others.)
 *   - Not all drives needed: the m with most room, then the nearest.
 * All but a width asked for are followed only where that costs at most 0.5 % of U(m) in all,
 * taken as (what a member loses) * (part of U(m) used): a narrow group has as many rows as a
 * wide one. Kept up to 70 %, they would cost 4 % of five equal drives with m = 1, and 28 % of
 * six with m = 4.
 */
#ifndef MRMR_ARRAY_ALLOC_H
#define MRMR_ARRAY_ALLOC_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define DRIVES_MAX 256

enum drive_role { ROLE_BOTH = 0, ROLE_DATA = 1, ROLE_PARITY = 2 };

struct alloc_drive {
	bool usable; /* reachable, member, not poisoned, not being drained */
	enum drive_role role;
	bool removable;	     /* never holds rows */
	bool billed;	     /* what is read there is paid for */
	uint32_t domain;     /* equal numbers fail together */
	uint64_t size_bytes; /* what the array may use in all, the reserve taken off */
	uint64_t free_bytes; /* of that, what is left now */
	uint32_t distance;   /* the lower, the nearer or faster; all equal: no preference */
};

struct alloc_policy {
	unsigned parity; /* m */
	unsigned width;	 /* members + rows at most, wished by the user; 0: the default */
	bool copies;	 /* k = 1 always */
};

/* Drives by index into the array given: data[0..k-1], rows[0..m-1]. */
struct alloc_plan {
	unsigned k, m;
	uint16_t data[DRIVES_MAX], rows[DRIVES_MAX];
};

/*
 * U(m): the bound on data bytes, from sizes, roles and domains of the usable drives (for the
 * capacity of the whole array, say that all are usable). 0 when parity leaves no member.
 * Sizes count as 2^54 at most.
 */
uint64_t alloc_usable_bytes(const struct alloc_drive *drives, unsigned count, unsigned parity);

/* The same under a policy: with copies, a group has one member however many drives there are. */
uint64_t alloc_policy_bytes(const struct alloc_drive *drives, unsigned count,
			    const struct alloc_policy *policy);

/* The least that data and rows take when there are so many data; all else can never be used. */
uint64_t alloc_policy_needs(const struct alloc_drive *drives, unsigned count,
			    const struct alloc_policy *policy);

/* Objects of a group in one domain at most, while such groups fit; with one domain only, more than any
 * group has. */
unsigned alloc_domain_limit(const struct alloc_drive *drives, unsigned count, unsigned parity);

/* Members of a group on removable drives at most; more than any group has where there is no limit. */
unsigned alloc_removable_limit(const struct alloc_drive *drives, unsigned count, unsigned parity);

/* m': the rows of a group with these drives, full ones among them. */
unsigned alloc_rows(const struct alloc_drive *drives, unsigned count, unsigned parity);

/*
 * Plans a group whose objects are block_bytes each. rotation: any number that changes from
 * group to group; counting up by one rotates most evenly. want_k: 0 for as wide as the rules
 * say, else at most that many members, and then the default width does not apply.
 * ERR_FULL: nothing fits; ERR_ABSENT: no usable drive takes data.
 */
int alloc_group(const struct alloc_drive *drives, unsigned count, const struct alloc_policy *policy,
		uint64_t block_bytes, unsigned want_k, uint64_t rotation, struct alloc_plan *out,
		struct error *err);

/*
 * One more drive for an object of a group whose other objects lie on drives taken[0..n-1] (and
 * their domains count, usable or not): for a row a parity-role drive if one fits, then the one
 * with most room. ERR_FULL: no such drive has room; ERR_ABSENT: no such drive is usable (for a member
 * of a group that has enough of them on removable drives: none but these).
 */
int alloc_one(const struct alloc_drive *drives, unsigned count, const struct alloc_policy *policy,
	      const uint16_t *taken, unsigned n, bool for_row, uint64_t object_bytes, uint16_t *out,
	      struct error *err);

#endif
