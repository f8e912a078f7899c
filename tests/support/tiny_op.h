/*
 * The commands that sweeps disturb, as the program runs them, on a tiny array of 5 drives with
 * parity 2: where each begins, and what it does. Drive 5 is a place for a new drive.
 */
#ifndef MRMR_TESTS_TINY_OP_H
#define MRMR_TESTS_TINY_OP_H

#include "tests/support/tiny.h"

#define TINY_OP_DRIVES 5
#define TINY_OP_PARITY 2

struct tiny_op {
	const char *name;
	/* From a fresh array to where the command begins; the drives are as they are. */
	void (*prepare)(struct tiny *t);
	/* ERR_NONE: done; promise tells whether any 2 drives may be lost now, those that failed
	 * meanwhile counted (exit code 0); t->spare how many whichever failed. */
	int (*run)(struct tiny *t, struct array *a, bool *promise, struct error *err);
	unsigned snapshots; /* that it adds */
	unsigned absent; /* drives that are away while it runs, as bits; they count as lost */
	bool whole;	 /* before it, any 2 drives may be lost */
	bool bare;	 /* before it, no drive may be lost: nor lie */
	bool mends;	 /* opens the array as scrub does */
	bool once;	 /* when it is done it cannot be run again */
};

extern const struct tiny_op tiny_ops[];
extern const unsigned tiny_ops_count;

/* Opens the array as the command does, and runs it. */
int tiny_op_run(struct tiny *t, const struct tiny_op *op, bool *promise, struct error *err);

#endif
