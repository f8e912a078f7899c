/*
 * Inspecting one drive: what should be there by the journals, what is there, and is it whole?
 * Internal to lib/care.
 */
#ifndef MRMR_CARE_INSPECT_H
#define MRMR_CARE_INSPECT_H

#include "array/array.h"
#include "base/counters.h"
#include "base/pool.h"
#include "care/scrub.h"

/* An object that should be on a drive and is not, or not whole. */
struct damage {
	struct array_drive *drive;
	struct table_object object;
	bool sure; /* it was read and is wrong, or is missing: not only unreadable now */
	bool repaired;
};

struct damage_list {
	struct damage *items; /* owned */
	size_t count, cap;
	pthread_mutex_t lock;
};
void damage_list_init(struct damage_list *l);
void damage_list_release(struct damage_list *l);

/* An object that no journal places on the drive. */
struct stray {
	struct array_drive *drive;
	char name[OBJECT_NAME_MAX + 1];
	uint64_t len_bytes;
};
struct stray_list {
	struct stray *items; /* owned */
	size_t count, cap;
};

/* Verifies every block and row of the drive on the pool's threads; waits for them. Damage is
 * noted by array_tell() and added; strays are added. */
int inspect_drive(struct array *a, struct array_drive *d, struct pool *pool,
		  struct counters *counters, struct scrub_drive *result,
		  struct damage_list *damage, struct stray_list *strays, struct error *err);

/* Journals, keys and marker of the drive; repaired on the spot from the state folder or another
 * drive when asked to. */
int inspect_journal(struct array *a, struct array_drive *d, bool repair,
		    struct scrub_drive *result, struct error *err);
int inspect_keys(struct array *a, struct array_drive *d, bool repair, struct scrub_drive *result,
		 struct error *err);
int inspect_marker(struct array *a, struct array_drive *d, bool repair, struct scrub_drive *result,
		   struct error *err);

#endif
