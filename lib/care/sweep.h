/*
 * The orphan sweep: objects that no journal names, left by commands that were cut off before their
 * commit. One is deleted when it was seen twice, at least the grace apart by this host's clock,
 * and no put is open anywhere that may be about to name it (DESIGN section 7).
 */
#ifndef MRMR_CARE_SWEEP_H
#define MRMR_CARE_SWEEP_H

#include "care/inspect.h"

/* Counts into r. What was seen is remembered in the state folder's "orphans.json". */
int sweep_orphans(struct array *a, const struct stray_list *strays, int64_t grace_s,
		  struct scrub_result *r, struct buf *records, struct error *err);

#endif
