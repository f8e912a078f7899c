/*
 * Columns: rows of text held back until the widths are known, then printed as lines.
 */
#ifndef MRMR_CMD_COLUMNS_H
#define MRMR_CMD_COLUMNS_H

#include "cmd/out.h"

#define COLUMNS_MAX 12

/* All zero but for count is empty. One thread. */
struct columns {
	unsigned count;
	unsigned right; /* bit (1 << i): column i is aligned to the right */
	char *(*rows)[COLUMNS_MAX];
	size_t row_count, row_cap;
	bool failed; /* out of memory: a row is missing; columns_print() tells */
};

/* Adds a row of c->count cells, which are copied; control bytes are escaped. */
void columns_add(struct columns *c, const char *const *cells);
/* Prints all rows and empties c. indent: spaces in front. */
int columns_print(struct columns *c, struct out *out, unsigned indent, struct error *err);
void columns_release(struct columns *c);

#endif
