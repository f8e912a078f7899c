/*
 * Scrub: reads every object of the drives at hand, compares it with its name, and puts back what is
 * damaged or missing, on the same drive under the same name.
 */
#ifndef MRMR_CARE_SCRUB_H
#define MRMR_CARE_SCRUB_H

#include "array/array.h"
#include "base/counters.h"

struct scrub_options {
	const char *const *drives; /* names; NULL-terminated; NULL: all */
	bool repair;
	int64_t grace_s; /* orphans seen twice at least this far apart are deleted */
	struct counters *counters; /* or NULL */
};

struct scrub_drive {
	uint64_t objects, bytes; /* verified */
	uint64_t damaged;	 /* wrong bytes, wrong length, missing, unreadable */
	uint64_t repaired;
	bool scrubbed;
};

struct scrub_result {
	struct scrub_drive drives[DRIVES_MAX]; /* by index of the array's drives */
	uint64_t objects, bytes, damaged, repaired;
	uint64_t lost_blocks; /* beyond repair with every drive at hand: to be stored anew */
	uint64_t orphans, orphan_bytes, swept; /* objects that no journal names; deleted of them */
};

/* Whether o asks for this drive. */
bool scrub_chooses(const struct scrub_options *o, const struct array_drive *d);

/* The array is open for writing, rollback tolerated. Repairs are durable and read back. */
int scrub(struct array *a, const struct scrub_options *o, struct scrub_result *r,
	  struct error *err);

#endif
