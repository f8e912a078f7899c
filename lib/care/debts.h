/*
 * Debts: what the policy promises and the drives do not have yet, because some were away or full
 * when it was stored. (Journal segments are the array's own: array_push().) Commands that write
 * pay them, rows before deletions: put before its own work, the others after it.
 */
#ifndef MRMR_CARE_DEBTS_H
#define MRMR_CARE_DEBTS_H

#include "array/array.h"

struct debts_result {
	uint64_t rows_made;	/* rows and copies that were missing */
	uint64_t rows_owed;	/* that no drive at hand can take now */
	uint64_t objects_swept; /* superseded objects deleted */
	uint64_t read_bytes, written_bytes;
};

enum debts_scope {
	DEBTS_IN_PLACE, /* what makes no new group of an old one */
	DEBTS_ALL,	/* groups too wide for the drives left are split */
	DEBTS_THOROUGH, /* those with two objects on one drive, too: every group is looked at */
};

/* result may be NULL. What cannot be paid now is no error: it stays owed. */
int debts_pay(struct array *a, enum debts_scope scope, struct debts_result *result,
	      struct error *err);

#endif
