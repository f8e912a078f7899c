/*
 * Rebuilding one group: what of it lay on the lost drive is made anew, on the new drive or on
 * others; where no drive can take it beside the rest of the group, the group is split. Draining is the
 * same with a drive that is here: what it holds is copied, and is garbage there once the copies are
 * recorded. Internal to lib/care.
 */
#ifndef MRMR_CARE_REBUILD_GROUP_H
#define MRMR_CARE_REBUILD_GROUP_H

#include "care/rebuild.h"

struct rebuild_work {
	struct array *a;
	struct array_drive *from; /* whose objects get new places: lost, or draining */
	struct array_drive *onto; /* NULL: free space */
	bool drains;
	bool resumed; /* a rebuild before may have stored objects that it did not come to record */
};

/*
 * Appends what was done as records, all of it durable; fills r. *again: drives failed, and once the
 * table knows the records the group has to be worked on again. What waits or is beyond repair is no
 * error. Any thread.
 */
int rebuild_group(const struct rebuild_work *w, const struct id *id, struct buf *records,
		  struct rebuild_result *r, bool *again, struct error *err);

/* Draining alone: the same for a block in no group. */
int rebuild_alone(const struct rebuild_work *w, const struct id *uid, struct buf *records,
		  struct rebuild_result *r, bool *again, struct error *err);

#endif
