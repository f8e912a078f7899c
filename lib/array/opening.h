/*
 * Opening the drives of an array, all at once, and judging whether each is the one it should be: by
 * its marker first, and by the marker's mac when the array is unlocked. The first function opens all
 * that the config names; array_open_drive() (array.h) one.
 */
#ifndef MRMR_ARRAY_OPENING_H
#define MRMR_ARRAY_OPENING_H

#include "array/array.h"

#define DRIVE_NO_WAY "this host's config has no way to it"

/* Those that are not at hand, or not ours, are left out, and say why. */
int drives_open(struct array *a, struct error *err);
/* After unlocking: a marker that nobody with the keys made is no drive of ours. But where either the
 * ids or the mac are those of the drive that belongs here, it is ours and damaged. */
void drive_check_mac(struct array *a, struct array_drive *d);

/* It is not used, for that reason. */
void drive_leave_out(struct array_drive *d, enum drive_presence p, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same of one that is disabled. */
void drive_set_aside(struct array_drive *d);

#endif
