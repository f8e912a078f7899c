/*
 * Drain: every block and row of a drive gets a copy on another one, or where no other drive can take
 * it beside its group, the group is split. The drive is read as before, takes nothing new, and holds
 * what it holds until the copy is durable, read back and committed. Everything done is committed in
 * small batches: a drain that was cut off goes on where it was.
 */
#ifndef MRMR_CARE_DRAIN_H
#define MRMR_CARE_DRAIN_H

#include "care/rebuild.h"

struct drain_plan {
	uint64_t objects, bytes; /* that it holds */
	uint64_t written_bytes;	 /* where the others have room: more than that where groups are split */
	uint64_t split;		 /* groups */
	uint64_t homeless_objects, homeless_bytes; /* that no other drive can take */
};

/* By sizes alone; nothing is read from drives or written. ERR_USAGE: the array cannot do without the
 * drive. ERR_ABSENT: it is not there. ERR_FULL: the others have no room for all of it, and the drain was
 * not begun yet; then the plan is filled, too. One that was begun goes on as far as it can: a part that was
 * moved is no reason to leave the rest, and other commands may have taken the room since. */
int drain_check(struct array *a, struct array_drive *d, struct drain_plan *plan, struct error *err);

/* How long it takes to read so many bytes of it, by reading some objects now; 0: there are none. */
int drain_seconds(struct array *a, struct array_drive *d, uint64_t bytes, uint64_t *seconds,
		  struct error *err);

/*
 * The array is open for writing. r->waiting: groups that found no place by now, r->beyond: that are
 * damaged and cannot be made from others; both stay where they are. When both are 0 the drive holds
 * nothing any more, is still draining, and can be removed.
 */
int drain(struct array *a, struct array_drive *d, struct counters *counters, struct rebuild_result *r,
	  struct error *err);

#endif
