/*
 * Lanes: all drives are written to at once, so that a slow one never holds a fast one. What is written
 * to one drive is made durable in order; on the way to a remote one, several objects are at once. A
 * failed write or sync poisons the drive: whatever comes after it fails at once, and nothing is tried
 * again there (DESIGN promise 12). So does one that does not come back (array/watched.h); it may then
 * still read what it was given: that is why memory is lent.
 */
#ifndef MRMR_ARRAY_LANES_H
#define MRMR_ARRAY_LANES_H

#include "array/array.h"
#include "array/watched.h"

struct store_call;

/* One object to store and make durable. Filled and kept by the caller until the batch is done. */
struct lane_job {
	char name[OBJECT_NAME_MAX + 1];
	const void *bytes; /* NULL: only a sync */
	size_t len_bytes;
	struct lent *lent; /* holds bytes; NULL: they are copied. The caller's */
	bool sync; /* make everything before it durable, this one included */
	bool may_move; /* `--ack enough`: rather than waited for, it is to be placed elsewhere */
	/* answers: */
	bool done;
	bool left; /* not waited for: the drive may have stored it, or may yet */
	int code;
	struct error err;
	/* of the lanes: */
	unsigned drive;
	struct store_call *call; /* on its way */
	struct lane_job *next;
};

/* Jobs that are waited for together, all by one thread. */
struct batch {
	struct array *a;
	struct lane_job *first, *last;
	unsigned jobs, pending;
	uint64_t began_us, last_us; /* when the first was added; when the last one was done */
	uint64_t enough_us; /* when enough was done, and the rest need not be waited for; 0: not yet */
};
void batch_init(struct batch *b, struct array *a);
/* Queues a job for drive i of the array. */
void lanes_add(struct batch *b, unsigned i, struct lane_job *job);
void batch_wait(struct batch *b); /* until every job of it is done */
/* The same; but once is_enough says so of what is done by now, the rest has about as long again.
 * What is not done then is left: ERR_TRANSIENT, and the drive may yet do it. */
typedef bool batch_fn(void *ctx);
void batch_wait_enough(struct batch *b, batch_fn *is_enough, void *ctx);

#endif
