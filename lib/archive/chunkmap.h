/*
 * The chunks that a put has given to the packer and the table does not know yet. Open
 * addressing; not thread-safe.
 */
#ifndef MRMR_ARCHIVE_CHUNKMAP_H
#define MRMR_ARCHIVE_CHUNKMAP_H

#include "archive/pack.h"

struct chunk_map {
	struct chunk_map_entry *entries; /* owned; all zero is an empty map */
	size_t count, cap;		 /* cap: a power of two */
};

void chunk_map_release(struct chunk_map *m);
void chunk_map_clear(struct chunk_map *m); /* keeps the memory */
/* NULL: not there. Valid until the next add. */
const struct packer_ref *chunk_map_find(const struct chunk_map *m, const struct hash *id);
bool chunk_map_add(struct chunk_map *m, const struct hash *id, struct packer_ref ref); /* false: no memory */

#endif
