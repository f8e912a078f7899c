/*
 * Inspecting drives: what should be there by the journals, what is there, and is it whole?
 * Internal to lib/care.
 */
#ifndef MRMR_CARE_INSPECT_H
#define MRMR_CARE_INSPECT_H

#include "array/array.h"
#include "array/frame_load.h"
#include "base/counters.h"
#include "base/pool.h"
#include "care/roll.h"
#include "care/scrub.h"

/* An object that should be on a drive and is not, or not whole. */
struct damage {
	struct array_drive *drive;
	struct roll_object *in_roll; /* lent by the inspection's roll */
	struct table_object object;
	bool sure; /* it was read and is wrong, or is missing: not only unreadable now */
	bool unopened; /* its bytes are those of its name: no parity gives others */
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

/* One drive at work. */
struct inspection {
	struct array_drive *drive;
	struct scrub_drive *result;
	struct roll roll; /* owned: roll_release() */
	size_t next;	  /* of the roll's order */
	uint64_t begun_bytes;
};

/* All of them. */
struct inspecting {
	struct array *a;
	const struct scrub_options *o;
	struct pool *pool;
	struct frame_loader *loader; /* deep; else NULL */
	struct inspection *drives;   /* owned by the caller */
	unsigned count;
	struct damage_list damage;
	pthread_mutex_t lock; /* results, and why */
	int failed;	      /* ERR_INTERRUPTED or ERR_NOMEM of some thread */
	struct error why;
};

/* One damaged object more. code: why it is taken to be. */
void inspect_note(struct scrub_drive *result, int code);

/* Makes the drive's roll, lists what lies there, and chooses what is read: what is not listed as it
 * must be in any case. Strays are added. A drive that cannot be listed becomes unreachable. */
int inspect_list(struct inspecting *in, struct inspection *i, struct stray_list *strays,
		 struct error *err);

/* Gives the pool the next objects to verify, of each drive in proportion, until pause() says so or
 * nothing is left (*done); waits for them. Damage is told by array_tell() and added. */
typedef bool inspect_pause_fn(void *ctx);
int inspect_objects(struct inspecting *in, inspect_pause_fn *pause, void *ctx, bool *done,
		    struct error *err);
/* By drive and name: what threads found in any order. */
void inspect_sort_damage(struct inspecting *in);

/* Journals, keys and marker of the drive; repaired on the spot from the state folder or another
 * drive when asked to. l: of all drives, read once for all of them. */
struct journals;
int inspect_journal(struct array *a, struct array_drive *d, const struct journals *l, bool repair,
		    struct scrub_drive *result, struct error *err);
int inspect_keys(struct array *a, struct array_drive *d, bool repair, struct scrub_drive *result,
		 struct error *err);
int inspect_marker(struct array *a, struct array_drive *d, bool repair, struct scrub_drive *result,
		   struct error *err);

#endif
