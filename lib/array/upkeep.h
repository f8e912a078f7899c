/*
 * Upkeep: rows and places of old groups are replaced, several groups at a time. What was replaced
 * goes right after the commit that names its successors, so that the reserve of the drives is room
 * enough for the next.
 *
 * For one thread, beside others that use the array.
 */
#ifndef MRMR_ARRAY_UPKEEP_H
#define MRMR_ARRAY_UPKEEP_H

#include "array/array.h"

struct upkeep {
	struct array *a;
	struct buf records;  /* of what is durable, to be committed */
	unsigned changes;    /* groups in them */
	uint64_t new_bytes;  /* that were stored for them */
	uint64_t garbage_bytes[DRIVES_MAX]; /* by drive: that they make superfluous */
};

void upkeep_init(struct upkeep *u, struct array *a);
void upkeep_release(struct upkeep *u);

/* An object on d that is superfluous once the records are committed. Where d does not count, nothing
 * is recorded. */
void upkeep_garbage(struct upkeep *u, struct array_drive *d, const char *name, uint64_t len_bytes);

/* Whether so much is pending that it is time to settle. */
bool upkeep_is_due(const struct upkeep *u);

/* Commits (array/meanwhile.h), then deletes what is superfluous. Afterwards nothing is pending but
 * records of what was deleted or found needed again, which may as well be lost. */
int upkeep_settle(struct upkeep *u, struct error *err);

#endif
