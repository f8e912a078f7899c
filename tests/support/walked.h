/*
 * A tree to walk, and what a walk says of it as text, with paths relative to it.
 */
#ifndef MRMR_TESTS_WALKED_H
#define MRMR_TESTS_WALKED_H

#include "archive/walk.h"

struct walked {
	char *path; /* the tree, made by set-up */
	int fd;
	struct walk_options options; /* notes go to the text below */
	struct buf seen, notes;
};

/* cmocka fixtures: *state is a struct walked. What is mounted on "mnt" in the tree is unmounted. */
int walked_set_up(void **state);
int walked_tear_down(void **state);

/* Called for each folder, before its entries. */
typedef void visit_fn(struct walked *p, struct walk *w, const struct walk_folder *f);

/* Walks the roots, or the tree; asserts that it ends well. visit may be NULL. */
void walked_roots(struct walked *p, const char *const *paths, size_t count, visit_fn *visit);
void walked_path(struct walked *p);

/* Of the last walk. A line for each folder of the tree: "/folder: file folder/ link@ fifo|", with
 * "(bare)" or "(unreadable)" before the colon; and one for each note: "error /path: what". */
const char *walked_seen(const struct walked *p);
const char *walked_notes(const struct walked *p);

#endif
