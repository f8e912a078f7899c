/*
 * Folding: chunks that earlier small puts of this host left in the journal go into blocks, as soon
 * as a put makes blocks anyway, or when more than a mirrored block's worth of them waits.
 */
#ifndef MRMR_ARCHIVE_FOLD_H
#define MRMR_ARCHIVE_FOLD_H

#include "archive/chunkmap.h"

/* Whether so much waits that this put should make blocks for it. */
int fold_is_due(struct array *a, bool *due, struct error *err);
/* Gives every waiting chunk that map does not have yet to the packer. */
int fold_inline(struct array *a, struct packer *p, struct chunk_map *map, struct error *err);

#endif
