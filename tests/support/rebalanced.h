/*
 * An array of tiny drives with sizes, to be rebalanced. Whatever fails, fails the test.
 */
#ifndef MRMR_TESTS_REBALANCED_H
#define MRMR_TESTS_REBALANCED_H

#include "tests/support/groups.h"
#include "tests/support/tiny.h"

#include "care/rebalance.h"

#define REBALANCED_DRIVES 8 /* at most */

struct rebalanced {
	struct tiny t;
	struct array *a;
	struct group_list *l;
	struct rebalance_result r;		/* of the last run */
	uint64_t size_bytes[REBALANCED_DRIVES]; /* 0: unknown; from the next opening on */
	struct drive *wrapped[REBALANCED_DRIVES];
	struct error err;
};

extern const struct rebalance_options rebalanced_unlimited;

struct rebalanced *rebalanced_new(unsigned drives, unsigned parity, unsigned width);
int rebalanced_end(void **state); /* of *state: all is well, and it is freed */

void rebalanced_open(struct rebalanced *f); /* anew */
void rebalanced_put(struct rebalanced *f, unsigned file, size_t bytes);
void rebalanced_load(struct rebalanced *f); /* f->l, as it is now */
void rebalanced_commit(struct rebalanced *f, struct buf *records); /* released */
void rebalanced_set_width(struct rebalanced *f, unsigned width);
/* Returns its code. */
int rebalanced_run(struct rebalanced *f, const struct rebalance_options *o);
/* Every group is as it should be, every file is there, and another run finds nothing. */
void rebalanced_assert_settled(struct rebalanced *f);

#endif
