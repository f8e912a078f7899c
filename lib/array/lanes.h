/*
 * Lanes: one thread per drive that writes, so that a slow drive never holds a fast one. A
 * failed write or sync poisons the drive: whatever comes after on its lane fails at once, and
 * nothing is tried again there (DESIGN promise 12).
 */
#ifndef MRMR_ARRAY_LANES_H
#define MRMR_ARRAY_LANES_H

#include "array/array.h"

struct lanes;

/* Jobs that are waited for together. */
struct batch {
	pthread_mutex_t lock;
	pthread_cond_t done;
	unsigned pending;
};
void batch_init(struct batch *b);
void batch_wait(struct batch *b); /* until every job of it is done */
void batch_release(struct batch *b);

/* One object to store and make durable. Filled and kept by the caller until the batch is done. */
struct lane_job {
	char name[OBJECT_NAME_MAX + 1];
	const void *bytes; /* NULL: only a sync */
	size_t len_bytes;
	bool sync; /* make everything before it durable, this one included */
	/* answers: */
	int code;
	struct error err;
	/* of the lanes: */
	struct batch *batch;
	struct lane_job *next;
};

/* Threads for every present drive of a. */
int lanes_new(struct array *a, struct lanes **out, struct error *err);
void lanes_free(struct lanes *l); /* after all batches were waited for; NULL is allowed */
/* Queues a job for drive index i of the array. Any thread. */
void lanes_add(struct lanes *l, unsigned i, struct lane_job *job, struct batch *batch);

#endif
