/*
 * A folder to restore into, another beside it that must stay as it is, and the steps of a restore
 * in one call each. Failures of the steps are returned; those of the surroundings abort.
 */
#ifndef MRMR_TESTS_RESTORE_H
#define MRMR_TESTS_RESTORE_H

#include "archive/target.h"

struct restore {
	char *path; /* holds "in" and "out" */
	int fd, in_fd, out_fd;
	struct target_options options; /* for restore_open() */
	struct target *target;
	struct target_folder *root;
	struct target_counts counts; /* after restore_close() */
	struct buf notes;	     /* "level path: what\n", NUL at the end */
	struct error err;
};

/* cmocka fixtures: *state is a struct restore. In memory renames are fastest, and some attributes
 * are missing. */
int restore_set_up(void **state);
int restore_set_up_in_memory(void **state);
int restore_tear_down(void **state);

/* Opens "in" as a target, and closes it: leaves the root, takes the counts. */
void restore_open(struct restore *r);
void restore_close(struct restore *r, bool complete);
const char *restore_notes(struct restore *r);

/* Nodes of the caller's own, of 2001 or so: mode, and 1 ns for each step. */
struct node node_file(const char *text, uint32_t mode);
struct node node_folder(uint32_t mode);
struct node node_link(const char *target);
struct node node_special(enum node_type type, uint64_t rdev);
#define NODE_TIME_NS INT64_C(1000000000123456789)

/* Each an err_code; r->err and *outcome (may be NULL) are filled. */
int restore_file(struct restore *r, struct target_folder *f, const char *name, const struct node *n,
		 const char *text, enum target_outcome *outcome);
int restore_special(struct restore *r, struct target_folder *f, const char *name,
		    const struct node *n, enum target_outcome *outcome);
int restore_enter(struct restore *r, struct target_folder *f, const char *name,
		  const struct node *n, struct target_folder **out);

#endif
