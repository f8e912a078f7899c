/* All live groups of an array at once, for tests of what is made of them. */
#ifndef MRMR_TESTS_GROUPS_H
#define MRMR_TESTS_GROUPS_H

#include "array/array.h"

#define GROUPS_LISTED_MAX 4096

struct group_list {
	struct table_group *groups[GROUPS_LISTED_MAX]; /* each owned */
	unsigned count;
};
/* Aborts when it cannot. */
struct group_list *groups_load(struct array *a);
void groups_free(struct group_list *l);

/* Whether no drive has members of both. */
bool groups_are_disjoint(const struct table_group *x, const struct table_group *y);

uint64_t group_row_bytes(const struct table_group *g); /* of all its row objects */
uint64_t group_data_bytes(const struct table_group *g);

/* Encodes the members of g, as they lie on their drives, and compares with its rows, byte by byte.
 * False, with what differs in why: also for fewer rows than the policy asks for, or two objects on
 * one drive. */
bool group_is_as_encoded(struct array *a, const struct table_group *g, struct error *why);

#endif
