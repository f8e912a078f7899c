/*
 * Dissolving: a group with members that were declared lost has too few objects to give anything
 * back, so it protects nothing. Its other members get a group of their own, which supersedes it and
 * owes its rows; the old rows become garbage.
 */
#ifndef MRMR_CARE_DISSOLVE_H
#define MRMR_CARE_DISSOLVE_H

#include "array/array.h"

/* Of every such group: appends the records. Nothing is read from or written to drives. */
int dissolve_broken(struct array *a, struct buf *records, struct error *err);

#endif
