/*
 * Manifests: a put that makes blocks stores its own records in them too, as chunks that are
 * marked so in the contents lists. From these alone `recover --scan` makes a table when no
 * journal is left. Format: mrmr-format(5), "Manifest".
 *
 * A manifest is a stream of records cut into chunks of any length, each:
 *   magic "MRMRMANI" (8) | put id (16) | part number from 0 (4) | kind (1) | zero (3) | bytes
 * kind 0: more parts follow, 1: the last one, with the snapshot's commit record at its end.
 */
#ifndef MRMR_ARCHIVE_MANIFEST_H
#define MRMR_ARCHIVE_MANIFEST_H

#include "archive/pack.h"

#define MANIFEST_HEAD_BYTES 32

struct manifest {
	struct array *a;
	struct id put_id;
	uint32_t parts;
};

void manifest_init(struct manifest *m, struct array *a, const struct id *put_id);
/* Gives these records to the packer as parts. The first call puts before them whatever earlier
 * puts of this host wrote to the journal only, so that no snapshot lacks its base. */
int manifest_add(struct manifest *m, struct packer *p, const struct buf *records,
		 struct error *err);
/* The same for the last records. */
int manifest_close(struct manifest *m, struct packer *p, const struct buf *records,
		   struct error *err);

/* A part as found in a chunk. bytes are lent from the chunk. */
struct manifest_part {
	struct id put_id;
	uint32_t part;
	bool last;
	const uint8_t *bytes;
	size_t len_bytes;
};
int manifest_parse(const void *chunk, size_t len_bytes, struct manifest_part *out,
		   struct error *err);

#endif
