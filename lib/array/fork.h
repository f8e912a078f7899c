/*
 * Forks: one writer, two histories, because a state folder was copied with its machine or restored
 * from a backup. Internal to lib/array.
 */
#ifndef MRMR_ARRAY_FORK_H
#define MRMR_ARRAY_FORK_H

#include "array/journals.h"

/* Remembers, and tells once for each writer, that the segment at item is of another history than the
 * table's, or that two places differ in it. */
int fork_note(struct array *a, const struct journals *l, size_t item, struct error *err);

/* After a pull: opens the segments that the table covers and the state folder has not, and compares
 * their heads with those that were replayed. Genuine ones are kept in the state folder, so that each
 * is opened once; *kept is then set. */
int forks_find(struct array *a, const struct journals *l, bool *kept, struct error *err);

#endif
