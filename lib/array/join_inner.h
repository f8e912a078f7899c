/* Between the parts of joining: join_plan.c plans, join.c does it. */
#ifndef MRMR_ARRAY_JOIN_INNER_H
#define MRMR_ARRAY_JOIN_INNER_H

#include "array/join.h"

/* Of the longest member: the coded bytes of a row. */
uint64_t join_longest(const struct table_group *g);

/* Row `number` of g on a drive at hand, or NULL. */
const struct group_row_record *join_find_row(const struct join *j, const struct table_group *g,
					     unsigned number);

#endif
