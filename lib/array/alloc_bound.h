/*
 * The allocator's view of an array, and how much data it can hold at most. Only alloc.c uses
 * it. Pure functions: any thread.
 */
#ifndef MRMR_ARRAY_ALLOC_BOUND_H
#define MRMR_ARRAY_ALLOC_BOUND_H

#include "array/alloc.h"

/* No limit: more objects than any group has. */
#define ALLOC_UNLIMITED (DRIVES_MAX + 1u)

/* A usable drive as the rules see it. */
struct alloc_spot {
	uint16_t drive;	   /* index into the caller's array */
	bool data, rows;   /* what it may hold; at least one of them */
	bool removable, billed;
	uint16_t domain;   /* counted from 0 */
	uint64_t units;	   /* room, in what alloc_view_make() was told */
	uint32_t distance; /* of the caller's */
};

struct alloc_view {
	unsigned count, domains;
	struct alloc_spot spots[DRIVES_MAX]; /* by domain */
};

/* What holds for every group. */
struct alloc_limits {
	unsigned parity;     /* rows, exactly */
	unsigned width;	     /* members and rows together, at most */
	unsigned domain_max; /* of them in one domain, at most */
	unsigned removable_max; /* members on removable drives, at most */
};

enum alloc_measure { ALLOC_SIZE, ALLOC_FREE };

/* The usable drives, with their size or free space in units of unit_bytes, rounded down. */
void alloc_view_make(struct alloc_view *v, const struct alloc_drive *drives, unsigned count,
		     enum alloc_measure measure, uint64_t unit_bytes);

/* domain_max for groups of that many rows: with one domain only, the rule is void. */
unsigned alloc_domain_max(const struct alloc_view *v, unsigned parity);

/* removable_max for groups of that many rows: where nothing is protected, the rule is void. */
unsigned alloc_removable_max(unsigned parity);

/* The most units of data that groups within these limits can hold; and the fewest groups that do. */
uint64_t alloc_bound(const struct alloc_view *v, const struct alloc_limits *limits);
uint64_t alloc_bound_groups(const struct alloc_view *v, const struct alloc_limits *limits,
			    uint64_t *groups);

#endif
