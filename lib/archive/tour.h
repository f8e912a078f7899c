/*
 * Tour: everything in a folder of a snapshot, or below it, in the order of paths: a folder, what is
 * in it, what comes after it; within a folder by the bytes of the names.
 *
 *	code = tour_begin(t, &snapshot, "/home", 5, true, &tour, &err);
 *	while (tour_next(tour, &path, &path_bytes, &node, &err))
 *		...
 *	failed if err.code is not ERR_NONE
 *	tour_end(tour);
 *
 * Memory: one open query per folder on the way to where it is. One thread.
 */
#ifndef MRMR_ARCHIVE_TOUR_H
#define MRMR_ARCHIVE_TOUR_H

#include "table/table.h"

struct tour;

/* folder: as the table takes it, "" is the root of all; itself it is not part of the tour. One that
 * does not exist is empty. below: with all that is below it. Snapshot and table are lent. */
int tour_begin(struct table *t, const struct table_snapshot *s, const void *folder,
	       size_t folder_bytes, bool below, struct tour **out, struct error *err);
/* False: no more, or failed (err->code tells; it is ERR_NONE at the end). path and node are lent
 * until the next step; a NUL follows path. */
bool tour_next(struct tour *tour, const uint8_t **path, size_t *path_bytes, struct node *node,
	       struct error *err);
void tour_end(struct tour *tour); /* NULL is allowed */

#endif
