/*
 * Placing: which drives take the objects of new groups, and getting them there. An object whose
 * write or sync fails poisons its drive, and its group is placed anew on the others from the
 * buffers, which the caller keeps until the call returns.
 */
#ifndef MRMR_ARRAY_PLACE_H
#define MRMR_ARRAY_PLACE_H

#include "array/array.h"
#include "array/lanes.h"

/* A finished block in memory. Everything is lent for the call; bytes for longer, if a drive hangs:
 * then lent is held by somebody else still. */
struct new_block {
	const struct id *uid;
	struct hash name;
	const uint8_t *bytes;
	size_t len_bytes;
	struct lent *lent; /* holds bytes; NULL: each drive gets a copy */
	uint32_t epoch;
	const struct contents *contents;
};

struct place_result {
	uint64_t stored_bytes; /* on all drives, parity included */
	bool thin;	       /* some group has fewer rows than the policy asks */
};

struct alloc_policy place_policy(const struct array *a);
/* The allocator's view of the drives. out holds a->count entries. Drives on one file system have
 * equal parts of what is free there. Extra rows count as room: they give way (array/extra.h). */
void place_view(struct array *a, struct alloc_drive *out);
/* The same, most of the reserve counted as room: for rows that replace others. */
void place_view_upkeep(struct array *a, struct alloc_drive *out);

/* The same for rows beyond the policy's parity (array/extra.h): what is really free, less some room for
 * data to come. None where nothing bounds what the drive takes. */
void place_view_extra(struct array *a, struct alloc_drive *out);

/* Whether anything bounds what the allocator takes for the size of d. */
bool place_knows_size(const struct array_drive *d);

/* What drive d may take still, as the allocator sees it; it need not be a member yet. */
uint64_t place_free_bytes(struct array *a, const struct array_drive *d);
/* The same while extra rows are where they are. */
uint64_t place_actual_bytes(struct array *a, const struct array_drive *d);

/* Something of that length was stored on d: counts it, for the allocator. */
void place_book(struct array *a, struct array_drive *d, uint64_t len_bytes);
/* The same of what was deleted there, and is in no journal any more. */
void place_unbook(struct array *a, struct array_drive *d, uint64_t len_bytes);

/* Stores an object on d, durable, and reads it back. It is not booked yet. Extra rows give way. The
 * caller does not hold table_lock. */
int place_store(struct array *a, struct array_drive *d, const char *name, const void *bytes,
		size_t len_bytes, struct error *err);
/* d failed to take an object: nothing more is written to it in this process. The user is told. */
void place_poison(struct array *a, struct array_drive *d, const struct error *why);
/* No drive took something. If one was poisoned since it is full, that is why: ERR_FULL, and names
 * it. Else the code of err, which stays. */
int place_explain(const struct array *a, struct error *err);

/* `--ack enough`: nothing more is placed on d while the others have room. False: without it there
 * would be too few drives for the promise. Tells it, once. */
bool place_pass_over(struct array *a, struct array_drive *d);

/* How many members and rows the next group would have, and how long its blocks may be. */
int place_shape(struct array *a, unsigned *k, unsigned *m, uint32_t *block_bytes,
		struct error *err);

/* No group has shorter blocks than that to fill. */
uint32_t place_block_bytes_min(const struct array *a);

/*
 * Stores blocks as one group (or, when drives fail or fill up meanwhile, as several), rows and
 * all, durable on return; appends their records. Any thread.
 */
int place_group(struct array *a, const struct new_block *blocks, unsigned count,
		struct buf *records, struct place_result *result, struct error *err);

/* A slot for a block on this drive that is none of taken[0..n-1]: the drive's own if free. */
uint8_t place_slot(unsigned drive_index, const uint8_t *taken, unsigned n);

#endif
