/*
 * Sizing: how much there is to put, found out by a walk of its own beside the put's, for somebody
 * who watches the progress.
 */
#ifndef MRMR_ARCHIVE_SIZING_H
#define MRMR_ARCHIVE_SIZING_H

#include "archive/walk.h"
#include "base/counters.h"

struct sizing;

/* Walks in a thread; when it is through, the totals of c are set. Everything lent must outlive it.
 * NULL: it could not be started, and the totals stay unknown. */
struct sizing *sizing_start(const struct walk_options *o, const struct roots *roots,
			    struct counters *c);
void sizing_stop(struct sizing *s); /* also before it is through; NULL is allowed */

#endif
