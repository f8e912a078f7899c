/*
 * Regrouping: when a group lost members and no other drive may take them (one object of a group
 * per drive), it is split. The lost blocks, reconstructed, are placed as groups of their own;
 * the blocks still there stay where they are, in a new group with rows of its own, which
 * supersedes the old one.
 */
#ifndef MRMR_CARE_REGROUP_H
#define MRMR_CARE_REGROUP_H

#include "care/mend.h"

/* g as table_group() gave it. Everything is durable before its records are appended; the old rows
 * become garbage. ERR_LOST, ERR_FULL, ERR_ABSENT: nothing is recorded. Any thread. */
int regroup(struct array *a, const struct table_group *g, const struct id *lost_drive,
	    struct buf *records, struct mend_result *result, struct error *err);

#endif
