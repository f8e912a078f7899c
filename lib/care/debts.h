/*
 * Debts: what the policy promises and the drives do not have yet, because some were away or full
 * when it was stored, or because the policy was changed since; and what they have beyond it.
 * (Journal segments are the array's own: array_push().) Commands that write pay them, rows before
 * deletions: put before its own work, the others after it.
 *
 * Changing the level is nothing else: once the policy is recorded,
 *   - rows beyond it are dropped where the promise holds without them, without reading;
 *   - at parity 0 groups end, and their blocks lie alone;
 *   - missing rows are made, of blocks where they lie;
 *   - a group too wide for the drives at hand, or for a width that was set, is split: its blocks are gathered into new groups;
 *   - blocks alone are gathered (care/gather.h);
 *   - with copies, every group of several becomes copies.
 * Old rows go when the new groups of all their blocks are committed. It is planned in batches, which
 * several threads make, each committed: what was stopped goes on with the next payment.
 */
#ifndef MRMR_CARE_DEBTS_H
#define MRMR_CARE_DEBTS_H

#include "array/array.h"
#include "base/counters.h"

struct debts_result {
	uint64_t rows_made;	/* rows and copies that were missing */
	uint64_t rows_owed;	/* that no drive at hand can take now */
	uint64_t rows_full;	/* of these, for want of room */
	uint64_t owed_bytes;	/* of all that are owed, about */
	uint64_t rows_dropped;	/* beyond the policy, or of groups that were split */
	uint64_t rows_waiting;	/* beyond the policy, kept while drives are away */
	uint64_t groups_split;	/* or, with copies, taken apart */
	uint64_t groups_made;	/* of blocks that were alone, in groups to split, or mirrored */
	uint64_t objects_swept; /* superseded objects deleted */
	uint64_t extra_made;	/* rows beyond the policy's parity, in room to spare */
	uint64_t read_bytes, written_bytes;
};

enum debts_scope {
	DEBTS_IN_PLACE, /* what makes no new group of an old one */
	DEBTS_ALL,	/* groups too wide for the drives left are split */
	DEBTS_THOROUGH, /* those with two objects on one drive, too, and groups of which two hosts
			 * made others at once: every group is looked at */
};

struct debts_options {
	enum debts_scope scope;
	bool gathers_mirrors; /* blocks with copies, under a policy of parity, are gathered, too */
	bool fits_width; /* groups wider than the policy's width are split, too */
	bool extra; /* under parity=max: room to spare is filled with rows (array/extra.h) */
	struct counters *counters; /* or NULL */
	/* Asked before what reads and writes about so many bytes; after a no nothing more is begun. NULL:
	 * yes. */
	bool (*may)(void *ctx, uint64_t bytes);
	void *may_ctx;
};

/* What cannot be paid now is no error: it stays owed. */
int debts_settle(struct array *a, const struct debts_options *o, struct debts_result *result,
		 struct error *err);
/* What that would do with the drives and the policy as the array has them now: nothing is read or
 * written. Where all drives at hand work the bytes are exact. */
int debts_estimate(struct array *a, const struct debts_options *o, struct debts_result *result,
		   struct error *err);
/* Settles in this scope, nothing more. result may be NULL. */
int debts_pay(struct array *a, enum debts_scope scope, struct debts_result *result,
	      struct error *err);

#endif
