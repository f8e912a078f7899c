/*
 * Membership: taking a drive out of use and back again, and forgetting one. What a drive holds is
 * moved or made anew elsewhere (lib/care); here it is only told what it is to the array.
 */
#ifndef MRMR_ARRAY_MEMBERSHIP_H
#define MRMR_ARRAY_MEMBERSHIP_H

#include "array/array.h"

/* Of the array, wherever it is; also one that was removed and that this host still has a way to.
 * ERR_USAGE: there is none of that name. */
int member_find(struct array *a, const char *name, struct array_drive **out, struct error *err);
/* Whether a drive of that name is in this state by the journals, whatever this host knows of it. */
int member_was(struct array *a, const char *name, enum drive_state state, bool *yes,
	       struct error *err);

/* DRIVE and SINCE: r as it is from now on. returning: it was disabled until now. */
void member_records(struct buf *out, const struct drive_record *r, bool returning);
/* Commits the state and reads the drives anew; nothing if it has it already. A drive that it takes
 * out of use does not get the segment that says so, one that it takes in does. */
int member_set_state(struct array *a, struct array_drive *d, enum drive_state state, bool returning,
		     struct error *err);

/* Whether the array can keep its promise without d: roles, journals, enough drives for its rows.
 * Drives that are being drained are no help. ERR_USAGE. */
int member_spared(struct array *a, const struct array_drive *d, struct error *err);

/* Whether d may be left out of use: ERR_UNSAFE if something could not be read without it, or if more
 * drives would be away than the promise allows. A drive that is away already always may. */
int member_may_be_disabled(struct array *a, struct array_drive *d, struct error *err);

/* Opens a disabled drive, and sees that it is what it was. ERR_ABSENT: it is not there; ERR_UNSAFE: it is
 * another one, or was rolled back. */
int member_look(struct array *a, struct array_drive *d, struct error *err);
/* After member_look(): it is sent the journals and keys that it missed, and is a member again. */
int member_enable(struct array *a, struct array_drive *d, struct error *err);

/* What it holds that the array needs. */
struct member_hold {
	uint64_t objects, bytes;
};
int member_holds(struct array *a, const struct array_drive *d, struct member_hold *out,
		 struct error *err);
/* Forgets a drive that holds nothing: commits that, takes keys, journals and marker from its place if
 * it is there, and this host's way to it from the config. Cut off, it is done by the same call. */
int member_remove(struct array *a, struct array_drive *d, struct error *err);
/* What it held is lost: lib/care makes it anew. The way to it goes when it held nothing. */
int member_lose(struct array *a, struct array_drive *d, struct error *err);

#endif
