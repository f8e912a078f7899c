/* A list of ids, filled by the table's callbacks: what is gone through is collected first. */
#ifndef MRMR_CARE_IDLIST_H
#define MRMR_CARE_IDLIST_H

#include "base/error.h"
#include "base/hash.h"

struct id_list {
	struct id *ids; /* owned */
	size_t count, cap;
};

void id_list_release(struct id_list *l);
int id_list_add(void *list, const struct id *id, struct error *err); /* a table_id_fn */

#endif
