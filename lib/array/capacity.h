/*
 * Capacity: what the drives at hand can hold with this redundancy, and with a row less or more; what
 * no group can ever use, and what would help. By the sizes that drives tell and the journals.
 */
#ifndef MRMR_ARRAY_CAPACITY_H
#define MRMR_ARRAY_CAPACITY_H

#include "array/array.h"

/* With some number of rows. */
struct capacity_at {
	bool possible;	       /* the drives at hand can carry so many */
	unsigned parity;
	uint64_t usable_bytes; /* of data, parity taken off */
	uint64_t free_bytes;   /* how much more data would fit, what is stored being protected so */
};

struct capacity {
	bool known;	       /* all usable drives tell their size, or are limited */
	uint64_t raw_bytes;    /* of the usable drives, the reserve taken off */
	uint64_t stored_bytes; /* of that, taken by blocks and rows */
	uint64_t row_bytes;    /* of these, rows and copies */
	uint64_t extra_bytes;  /* of these, rows that give way to data */
	struct capacity_at now, less, more; /* the policy's rows; one less; one more */
	uint64_t idle_bytes;   /* room that no group can use: too few other drives have as much */
	/* So many further drives of that size, each in a domain of its own, would make (almost) all of
	 * it usable: as few as there can be, and then as small. 0: there are none. */
	unsigned help_drives;
	uint64_t help_bytes;
};

int capacity_of(struct array *a, struct capacity *out, struct error *err);

#endif
