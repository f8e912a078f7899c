/*
 * Standing: how each drive is in the words that users know, and what is gone. By the journals and what array_open() saw: nothing is read from drives.
 */
#ifndef MRMR_ARRAY_STANDING_H
#define MRMR_ARRAY_STANDING_H

#include "array/array.h"

enum standing {
	STANDING_OPTIMAL,
	STANDING_DEGRADED,   /* present, with damage that was not repaired yet */
	STANDING_RECOVERING, /* joining: a rebuild fills it; or it was disabled or away, and lacks
			      * something or is being looked through */
	STANDING_DISABLED,
	STANDING_ABSENT,
	STANDING_STALE,	   /* present, and lacks journal segments */
	STANDING_FAILED,   /* not to be trusted, or declared lost and not yet rebuilt */
	STANDING_DRAINING,
};
const char *standing_word(enum standing s);
/* What array_open() saw of it, without asking the table. */
enum standing standing_at_sight(const struct array_drive *d);

struct drive_standing {
	enum standing standing;
	bool listed; /* false: gone for good, of no interest any more */
	int64_t since_s; /* when that began, as far as is known: journal, scrub, this host; or 0 */
	bool knows_space;
	uint64_t used_bytes; /* what the journals place there */
	uint64_t extra_bytes; /* of these, rows that give way to data: they count as free, too */
	uint64_t objects;    /* how many these are */
	uint64_t free_bytes; /* what the array may still use; if knows_space */
	uint64_t errors;     /* objects that the last scrub found bad and could not repair */
	uint64_t owed_segments, owed_deletions;
};

/* Of drive i of the array. O(objects to be deleted there). */
int standing_of(struct array *a, unsigned i, struct drive_standing *out, struct error *err);

struct lost_data {
	uint64_t bytes; /* of chunks that were declared lost and that no other block has */
	uint64_t unknown_blocks; /* declared lost together with all that was known of them */
};
int lost_data(struct array *a, struct lost_data *out, struct error *err);

#endif
