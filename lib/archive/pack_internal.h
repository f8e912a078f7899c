/*
 * Between the parts of the packer: pack.c gathers chunks into frames and packs these, pack_group.c
 * has the groups that they are placed in, and stores them.
 */
#ifndef MRMR_ARCHIVE_PACK_INTERNAL_H
#define MRMR_ARCHIVE_PACK_INTERNAL_H

#include "archive/pack.h"
#include "base/pool.h"
#include "chunk/frame.h"

#define SPARE_MAX 64 /* block writers kept for the next groups */

/* A frame on its way from gathering to its block. */
struct frame_job {
	struct packer *p;
	uint32_t number;
	struct buf plain, packed;
	struct contents_chunk *chunks;
	size_t chunk_count, chunk_cap;
	enum frame_method method;
	bool is_packed; /* waits for its turn to be placed */
	struct frame_job *next_free;
};

/* A group being filled or stored. */
struct filling {
	struct packer *p;
	struct block_writer **writers; /* k of them */
	uint32_t block_bytes;
	unsigned k, m, at, turns;      /* at: whose turn it is; turns that are over */
	uint32_t turn_bytes;	       /* placed in this turn */
	unsigned unsealed;	       /* frames placed and not sealed yet */
};

/* A block writer whose block is stored: its memory, once touched, is worth keeping. */
struct spare_writer {
	struct block_writer *writer;
	uint32_t block_bytes;
};

/* Where a frame lies. */
struct placed_frame {
	struct id uid;
	uint32_t first_chunk;
};

struct packer {
	struct array *a;
	struct pool *workers; /* pack and seal */
	struct pool *storer;  /* codes and stores full groups: a thread less than there may be groups */
	unsigned groups_max;  /* alive at a time */
	struct framer **framers;
	unsigned framer_count;

	uint32_t frame_chunks_max; /* so that any frame fits in an empty block */

	struct frame_job *gathering; /* the adding thread's own */
	uint64_t added_bytes;	     /* likewise */

	pthread_mutex_t lock;	/* everything below */
	pthread_cond_t changed; /* a job or group became free, a frame was placed or sealed */
	struct frame_job *jobs;
	unsigned job_count;
	struct frame_job *free_jobs;
	struct frame_job **in_flight; /* ring by number */
	uint32_t next_number, next_place;
	struct placed_frame *placed; /* by number */
	size_t placed_cap;
	struct filling *filling; /* open group or NULL */
	struct spare_writer spare[SPARE_MAX];
	unsigned spare_count;
	unsigned groups_alive;
	bool placing; /* a thread is finding the head its place */

	/* Packed frames of the first block while all is little enough to go inline. */
	struct buf small;
	struct contents small_contents;
	struct id small_uid;
	bool small_over;

	struct buf records; /* of stored groups */
	struct packer_result result;
	struct error failure;
	int failed; /* code of the first failure: nothing more is stored after it */
};

/* Both are called with the lock held. pack_failure(): ERR_NONE, or the first failure. */
void pack_fail(struct packer *p, int code, const struct error *err);
int pack_failure(const struct packer *p, struct error *err);

/*
 * pack_group.c; called with the lock held. pack_place() finds a frame its place in the open group,
 * in turn, or in a new one, for which it waits with the lock let go. pack_close_group() hands the
 * open group over to be stored; the lock is let go for a moment.
 */
int pack_place(struct packer *p, const struct frame_plan *plan, unsigned *which,
	       struct frame_place *place, struct error *err);
void pack_close_group(struct packer *p);
/* How many groups of that shape may be alive at a time. */
unsigned pack_groups_max(const struct packer *p, unsigned k, unsigned m, uint32_t block_bytes);
/* The members and rows of the next group, and how long its blocks may be. When no drive has room it is a
 * group of one: that matters only once it is stored, and what is small goes to the journal. */
int pack_shape(struct packer *p, unsigned *k, unsigned *m, uint32_t *block_bytes,
	       struct error *err);
/* Gives up a group that is not being stored. NULL is allowed. */
void filling_free(struct filling *f);
/* Memory kept for groups to come is given back. */
void pack_drop_spare(struct packer *p);

#endif
