/*
 * The packer: chunks in, stored groups out. Chunks are gathered into frames; frames are packed
 * and sealed by a pool of workers and placed, in order, in the open blocks of a group by turns
 * of a stretch; a full group is coded and stored on the drives by a thread of its own while
 * the next one fills. At most two groups exist at a time, or some more small ones where drives are
 * across a network: that bounds the memory.
 *
 * One thread adds chunks. A chunk's place (block uid and index) is known a little later:
 * packer_ref first, packer_resolve() when it is needed.
 */
#ifndef MRMR_ARCHIVE_PACK_H
#define MRMR_ARCHIVE_PACK_H

#include "array/place.h"
#include "block/block.h"

struct packer;

/* A chunk given to the packer: its frame, and which of the frame's chunks it is. */
struct packer_ref {
	uint32_t frame;
	uint32_t chunk;
};

int packer_new(struct array *a, int level, struct packer **out, struct error *err);
/* Gives up what is not stored. NULL is allowed. */
void packer_free(struct packer *p);

/* Copies the chunk. manifest: records of this put, not file data. An error: storing failed, and
 * nothing more can be added. */
int packer_add(struct packer *p, const struct hash *id, const void *bytes, uint32_t len_bytes,
	       bool manifest, struct packer_ref *ref, struct error *err);

/* Whether the frame of ref has its place by now: then uid and index of the chunk. */
bool packer_resolve(struct packer *p, struct packer_ref ref, struct id *uid, uint32_t *index);

/* Closes the frame being gathered and waits until every frame has its place (not: is stored). */
int packer_settle(struct packer *p, struct error *err);

/* Plain bytes added since the last packer_finish(). */
uint64_t packer_added_bytes(const struct packer *p);
/* Packed bytes placed since then. After packer_settle() only. */
uint64_t packer_packed_bytes(const struct packer *p);

struct packer_result {
	struct place_result place;
	uint64_t packed_bytes; /* of frames, before padding, parity and copies */
	unsigned groups;
	bool inlined; /* it was so little that it rides in the records */
};

/*
 * Closes the open group, waits until everything is durable on the drives, and appends the
 * records of blocks and groups (or, when may_inline and it is little, of an inline block). The
 * packer is then empty and ready for more; refs given out before resolve no more.
 */
int packer_finish(struct packer *p, bool may_inline, struct buf *records,
		  struct packer_result *result, struct error *err);

/* When the put is given up: waits for groups on their way to the drives and appends the records of
 * all that are stored, so that the next put finds their chunks. The open group is not stored. */
void packer_salvage(struct packer *p, struct buf *records);

#endif
