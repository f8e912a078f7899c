/*
 * Dead blocks: what can't be read any more, neither directly nor through a group, with the
 * drives that are not declared lost. A put stores anew what they held. (Drives that are only
 * absent are expected back: what they hold is not dead.)
 */
#ifndef MRMR_ARRAY_DEAD_H
#define MRMR_ARRAY_DEAD_H

#include "array/array.h"

struct dead_blocks {
	struct id *uids; /* sorted; owned */
	size_t count, cap;
};

/* Cheap while nothing was ever lost. Caller: dead_release(). */
int dead_load(struct array *a, struct dead_blocks *out, struct error *err);
void dead_release(struct dead_blocks *d);
bool dead_has(const struct dead_blocks *d, const struct id *block_uid);
/* Whether an encoded content names a dead block. */
bool dead_in_content(const struct dead_blocks *d, const uint8_t *content, size_t content_bytes);

#endif
