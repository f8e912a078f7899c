/*
 * Sending: signed segments on their way to every drive. Internal to lib/array: commits, the
 * outbox and compaction all go this way.
 */
#ifndef MRMR_ARRAY_SENDING_H
#define MRMR_ARRAY_SENDING_H

#include "array/journals.h"
#include "array/lanes.h"

/* One signed segment on its way to every drive. */
struct sending {
	char name[SEGMENT_NAME_BYTES];
	struct buf bytes;
	struct lane_job *jobs; /* one per drive */
};

struct sender {
	struct array *a;
	struct writer *writer;
	struct batch batch;
	struct sending *sendings;
	size_t count, cap;
};

/* Opens the writer. c is filled even on an error: sending_end() in any case. The
 * state folder's lock is held by the caller. */
int sending_begin(struct sender *c, struct array *a, struct error *err);
void sending_end(struct sender *c);
/* Copies a segment, for every drive that keeps journals and for the state folder. */
int sending_add(struct sender *c, const char *name, const void *bytes, size_t len_bytes,
		struct error *err);
/* Everything added to every drive, one sync per drive behind it; waits. */
int sending_deliver(struct sender *c, struct error *err);
/* Whether drive i has all of it, durable. */
bool sending_confirmed(const struct sender *c, unsigned i);
/* After delivery: counts the drives, replays, remembers, and lets go of the outbox. */
int sending_settle(struct sender *c, struct error *err);
/* Whether the drive gets journals now. */
bool takes_journal(const struct array_drive *d);

#endif
