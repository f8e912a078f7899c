/*
 * Rebalancing: what fewer rows, or a better spread of what there is, would do for the array as it
 * is now, with its drives and its policy. Debts are paid; groups that are narrower than a new one
 * would be are joined; what two hosts did twice is made one; groups with more than max(m, 1) objects
 * in one domain are spread, or split, where other domains have room for it; and from drives that are fuller than
 * others by more than 10 points of their own sizes objects move to these. Nothing else moves a
 * block. Groups that have an object away, or damaged, stay as they are.
 *
 * Each step makes less to do, and none undoes another: a second run finds nothing.
 */
#ifndef MRMR_CARE_REBALANCE_H
#define MRMR_CARE_REBALANCE_H

#include "care/debts.h"

#define REBALANCE_UNLIMITED UINT64_MAX

struct rebalance_options {
	uint64_t max_time_s; /* or REBALANCE_UNLIMITED */
	uint64_t max_bytes;  /* read and written together; the same */
	bool dry_run;	     /* counts what it would do, and does nothing */
	struct counters *counters; /* or NULL */
};

struct rebalance_result {
	struct debts_result debts;
	uint64_t joined, made; /* groups that were joined, and that they became */
	uint64_t rows_dropped; /* row objects fewer than before */
	uint64_t moved, moved_bytes;
	uint64_t split;   /* groups that were too wide for the domains there are */
	uint64_t crowded; /* groups left with too much in one domain: the drives at hand do not allow better */
	uint64_t read_bytes, written_bytes; /* of debts, too */
	uint64_t failed;  /* groups left as they are, because an object could not be read or written */
	bool work_remains; /* a limit was reached */
};

/* Stops between groups: at a limit, and with ERR_INTERRUPTED when asked to; what was done by then
 * is committed. r tells it also on an error. */
int rebalance(struct array *a, const struct rebalance_options *o, struct rebalance_result *r,
	      struct error *err);

/*
 * What rebalance() would do for groups with too much in one domain, as things are: of r, moved, split,
 * crowded and the bytes. Nothing is read from drives or written.
 */
int rebalance_spread_estimate(struct array *a, struct rebalance_result *r, struct error *err);

/*
 * What a put does after its commit, so that small ones do not stay as dear as they begin: groups of
 * one or a few short blocks are joined, once they are many enough to become wide ones. Otherwise
 * nothing. The same errors.
 */
int rebalance_thin(struct array *a, struct rebalance_result *r, struct error *err);

/* Joins groups that are narrower than new ones, where that leaves fewer bytes of rows, and does nothing
 * else. dry_run: the bytes are those that it would take. counters may be NULL. */
int rebalance_widths(struct array *a, bool dry_run, struct counters *counters,
		     struct rebalance_result *r, struct error *err);

/* Joins all that can be, and does nothing else: that drops rows, and makes room. */
int rebalance_for_room(struct array *a, struct rebalance_result *r, struct error *err);

#endif
