/*
 * Between the parts of watched drives: calls.c has the threads and the calls on them, calls_lock.c how
 * they wait for each other, watched.c the life of a drive, watched_calls.c what callers call,
 * watched_timed.c what the threads call.
 */
#ifndef MRMR_ARRAY_WATCHED_INTERNAL_H
#define MRMR_ARRAY_WATCHED_INTERNAL_H

#include "array/watched.h"
#include "base/meter.h"

#include <stdatomic.h>

#define TEMP_TAG_BYTES 33

/* The drive that calls are made on: the one inside, its time taken. */
struct timed {
	struct drive base;
	struct watched *w;
};

struct watched {
	struct drive base; /* first: what others have as the drive */
	struct mrmr_driver outer, measured; /* with flags and limits of the driver inside */
	struct timed timed;
	struct drive *inner; /* set once by the first call, before any other */
	char temp_tag[TEMP_TAG_BYTES]; /* lent to inner */
	unsigned hang_ms, leave_ms; /* as opened with */
	struct meter *meter;
	atomic_ullong moved_us; /* when bytes moved, to some extent */
	/* everything below: under the lock */
	unsigned holders; /* whoever has the handle, and each call */
	pthread_cond_t let_go; /* one of them */
	unsigned waiting, running, running_max; /* calls */
	struct call *order_first, *order_last; /* those in order that have not ended */
	pthread_cond_t order_moved;
	int order_broken; /* code of the first such that failed, and what it said */
	struct error broken;
	bool hangs; /* given up */
	uint64_t alive_us; /* when a call last came back, or bytes moved */
	uint64_t failing_us; /* since then each one that came back was ERR_TRANSIENT; 0: the last was not */
	struct pace pace;
	uint64_t opening_us; /* how long it took */
	uint64_t unsynced_bytes, unsynced_us; /* put since the last sync, and how long that took */
};

/* One lock for all watched drives and the calls of them: none is held for long. */
void calls_lock(void);
void calls_unlock(void);
/* Of the monotonic clock. */
void calls_cond_init(pthread_cond_t *c);
/* With the lock held, below too. */
void calls_wait(pthread_cond_t *c);
bool calls_wait_until(pthread_cond_t *c, uint64_t until_us); /* false: until_us has come */
/* Where to wait for a call; others may wait there, too. */
pthread_cond_t *calls_place(void);
/* All who wait there, or one of the threads that are idle, as soon as the lock is let go. */
void calls_wake(pthread_cond_t *place);
void calls_wake_hand(void);
void calls_wait_idle(void);
void calls_forget_waiting(void); /* in a child: nobody waits, nobody holds the lock */
/* Waits for a change of c, until_us at most, with the lock held. False: the drive hangs, or is found
 * to, since it gave no sign of life for its time and what bytes take. */
bool call_await(struct call *c, uint64_t bytes, uint64_t until_us);

/* By run of the call that it was joined to: it has ended. It may be gone then. */
void call_end_joined(struct call *c, int code);

/* Nothing is asked of it any more: with the lock held. */
void calls_give_up(struct watched *w);

/* One holder less, with the lock held; let go for what the last one does: to close and free it. */
void watched_let_go(struct watched *w);

void watched_fill_outer(struct mrmr_driver *out);
void watched_fill_measured(struct mrmr_driver *out);
void watched_close(struct drive *d);

#endif
