/*
 * Objects on a drive, verified: their names end in the SHA-256 of their bytes, and here is
 * where that is checked, once for all kinds of drive. Any thread.
 */
#ifndef MRMR_ARRAY_OBJECT_H
#define MRMR_ARRAY_OBJECT_H

#include "base/bytes.h"
#include "base/hash.h"
#include "drivers/driver.h"

#include <stdbool.h>

/* "blocks/ab/<sha256>.blob" or "parity/ab/<sha256>.blob". */
void object_name_block(const struct hash *sha256, char name[OBJECT_NAME_MAX + 1]);
void object_name_row(const struct hash *sha256, char name[OBJECT_NAME_MAX + 1]);
/* The hash that any name under blocks/, parity/, journal/ or keys/ ends in. */
bool object_name_hash(const char *name, struct hash *out);

/*
 * Stores bytes under a name that ends in their hash. If the name is there already: equal bytes
 * are done, others are moved to quarantine/ first. Durable after the drive's sync().
 */
int object_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
	       struct error *err);

/* Reads the whole object (at most max_bytes) and checks it against its name. ERR_CORRUPT. */
int object_get(struct drive *d, const char *name, size_t max_bytes, struct buf *out,
	       struct error *err);

/* Checks a whole object of want_len_bytes against its name in slices, without keeping it. */
int object_verify(struct drive *d, const char *name, uint64_t want_len_bytes, struct error *err);

/* Moves an object to quarantine/<time>-<name with dashes>; nothing is ever deleted there. */
int object_quarantine(struct drive *d, const char *name, struct error *err);

#endif
