/*
 * Rebuild: re-creates what a lost drive held, onto a new drive or into free space, from all
 * survivors in parallel; groups with the fewest survivors first; then it pays debts. Everything
 * done is committed in small batches, and what lies on the new drive already is not made again: a
 * rebuild that was cut off goes on where it was.
 */
#ifndef MRMR_CARE_REBUILD_H
#define MRMR_CARE_REBUILD_H

#include "array/array.h"
#include "base/counters.h"

struct rebuild_options {
	const char *name;	/* the lost drive; NULL: whatever lost drives left undone, and debts */
	struct new_drive *onto; /* takes its place and role; NULL: free space */
	struct counters *counters; /* or NULL */
};

struct rebuild_result {
	uint64_t groups;     /* worked on */
	uint64_t objects;    /* made anew */
	uint64_t split;	     /* of the groups: made narrower */
	uint64_t found;	     /* of a rebuild before this one, whole on the new drive */
	uint64_t read_bytes, written_bytes;
	uint64_t beyond;     /* blocks that cannot be made from what is left */
	uint64_t waiting;    /* groups that wait for an absent drive or for space */
	uint64_t waiting_for_space; /* of these */
	bool done_before; /* nothing was left of the drive: a rebuild before ended with it */
	uint64_t rows_owed; /* in all of the array, afterwards */
};

/* The array is open for writing, rollback tolerated. ERR_USAGE: the drive is here and works. */
int rebuild(struct array *a, const struct rebuild_options *o, struct rebuild_result *r,
	    struct error *err);

/* What it would make again: of the drive that is named, and of those declared lost before. The same
 * checks, nothing written. */
int rebuild_estimate(struct array *a, const struct rebuild_options *o, uint64_t *objects,
		     uint64_t *bytes, struct error *err);

#endif
