/*
 * Everything that lay on one drive, worked through: groups most urgent first, by as many threads as
 * the array has, committed in small batches. Internal to lib/care.
 */
#ifndef MRMR_CARE_REBUILD_RUN_H
#define MRMR_CARE_REBUILD_RUN_H

#include "care/rebuild_group.h"

/* Adds to r. When it returns, all that was done is committed. ERR_INTERRUPTED: what was done before
 * the signal is committed too. */
int rebuild_run(const struct rebuild_work *w, struct counters *counters, struct rebuild_result *r,
		struct error *err);

#endif
