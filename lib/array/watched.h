/*
 * A drive around a drive that is not waited for without end. Its calls are made by threads that
 * have nothing else to do (DESIGN 9: workers), measured, and given up when the drive moves
 * nothing for too long (of remote drives, limits tell what moves: drive_options.moved): then the caller
 * has its error, every later call fails at once, and the call that hangs stays with its thread.
 * Whatever such a call may still touch belongs to it and not to the caller; it is freed when the call
 * comes back, or by the end of the process.
 *
 * Of a remote drive, as many calls are made at once as it has connections: they mostly wait. Reads of
 * one object, side by side, that wait for a connection are made as one.
 *
 * These threads serve all drives of the process. They are started when a call needs one: drives
 * that answer at once share one. A drive at hand (DRIVER_LOCAL) that gave a sign of life a moment
 * ago is called directly, by the thread that wants something of it.
 *
 * Every handle of an array's drives is one. As a struct drive it does what the drive inside does.
 * The rest here is for those that do not want to wait, or lend memory: reads that may be left
 * behind, and calls made up of several. Any thread.
 */
#ifndef MRMR_ARRAY_WATCHED_H
#define MRMR_ARRAY_WATCHED_H

#include "array/array.h"
#include "array/pace.h"
#include "base/clock.h"

#include <limits.h>
#include <pthread.h>

#define HANG_MS_DEFAULT 60000
#define STALL_MS_DEFAULT 1000

struct watched;

/* How to open the drive inside; that too is a call. */
struct opening_drive {
	open_drive_fn *open;
	void *ctx; /* must be there until open has come back, or the process ends */
	const struct config_drive *entry; /* copied */
	struct drive_options options;	  /* temp_tag is copied; what is learned is told by the thread
					   * that ends the opening */
	unsigned hang_ms;  /* how long without a sign of life; 0: HANG_MS_DEFAULT */
	unsigned leave_ms; /* how long close() waits for what was left behind; 0: STALL_MS_DEFAULT */
};
/* Errors of open; ERR_TRANSIENT: it did not come back. The caller closes *out; the drive is then
 * left to calls that have not ended in time, and closed by the last of them. */
int watched_open(const struct opening_drive *o, struct drive **out, struct error *err);
/* The same in two steps, so that several are opened at once. NULL: ERR_NOMEM. */
struct opening_call;
struct opening_call *watched_open_begin(const struct opening_drive *o, struct error *err);
int watched_open_end(struct opening_call *c, struct drive **out, struct error *err);

/* Whether it was given up: nothing is asked of it any more. */
bool watched_hangs(struct drive *d);
/* How long it took to open it; of a drive at hand it tells nothing: 0. */
unsigned watched_opening_ms(struct drive *d);
/* Whether no call of it is under way or waiting. */
bool watched_idle(struct drive *d);
/* Whether d is a watched drive at all. */
bool drive_is_watched(const struct drive *d);
/* The drive inside, measured, for callers that may wait without end: no call to it is given up. */
struct drive *watched_inside(struct drive *d);
/* What its open function made. */
struct drive *watched_as_opened(struct drive *d);
/* What is counted of it; lent. */
struct meter *watched_meter(struct drive *d);
struct pace watched_pace(struct drive *d);
void watched_set_pace(struct drive *d, const struct pace *p);

/* ---- memory that a call may need longer than its caller ---- */

/* Whoever drops it last releases the owner. */
struct lent;
struct lent *lent_new(void *owner, void (*release)(void *owner)); /* NULL: out of memory */
struct lent *lent_hold(struct lent *l);				  /* NULL is allowed, below too */
void lent_drop(struct lent *l);
/* Drops it without a release when nobody else holds it: true, the owner is the caller's again. */
bool lent_take_back(struct lent *l);

/* ---- calls ---- */

#define HANDS_EACH UINT_MAX
unsigned hands_to_compute(void); /* for calls that have work for the processor: one per processor */

/* One call on its way. First member of what it needs. */
struct call {
	/* On another thread; d is the drive inside, measured. May be composed of many. */
	int (*run)(struct call *c, struct drive *d, struct error *err);
	void (*release)(struct call *c); /* by whoever lets go of it last */
	/* When no thread is free for it, one more is started while there are fewer. (Also when there are
	 * none, when nothing has moved for a while, and for a remote drive: that thread mostly waits.) */
	unsigned hands;
	/* Not at all once one in order before it has failed: then its error is theirs. Of a drive at hand,
	 * it begins after all of these have ended; of a remote one, only settle() does, and run may be made
	 * at the same time as theirs. */
	bool in_order;
	/* What run did, and all of these before, is made durable: one does it for those behind it, too, that
	 * have run by then. NULL: one behind it is going to. */
	int (*settle)(struct call *c, struct drive *d, struct error *err);
	/* Whether next, which waits, may be made with it and those that joined it by now; then run ends
	 * that one, too. NULL: none may. */
	bool (*joins)(const struct call *c, const struct call *next);
	struct call *joined; /* the next of those that were, or NULL */
	/* Once it has ended: */
	int code;
	struct error err;
	/* of calls.c: */
	struct watched *w;
	struct call *next, *order_next;
	unsigned holders;
	bool begun, ended, barred, inside, ran, settled;
	uint64_t since_us, begun_us;
	pthread_cond_t *changed; /* lent, for as long as the process */
};

/* The caller holds it from now on, until call_leave(). */
void call_start(struct drive *d, struct call *c);
/* Waits for ms at most. True: it has ended, or the drive has shown no sign of life for as long as
 * it was opened with (longer when bytes are to be moved) and is given up; call_finish() tells. */
bool call_wait(struct call *c, uint64_t bytes, unsigned ms);
/* The same, however long it takes. ERR_TRANSIENT: the drive was given up. */
int call_finish(struct call *c, uint64_t bytes, struct error *err);
/* Whether it takes longer than ms, the time not counted in which other calls of the drive are made
 * first; with elsewhere, that it has not begun is enough. */
bool call_is_late(struct call *c, unsigned ms, bool elsewhere);
/* The caller has no more interest. A call that has not begun is not made. One that is among memory
 * of its caller's ends first: that is no waiting for the drive. */
void call_leave(struct call *c);
/* Within run: from here on it uses memory of its caller's, and asks nothing of the drive any more.
 * False: it must not, since the caller has left or barred it. */
bool call_enter(struct call *c);
/* From now on it may not. False: it has entered already, and will end soon. */
bool call_bar(struct call *c);

/* ---- listings ---- */

/* Begins one of a drive across a network, so that several are under way. NULL: list_end() does it all. */
struct list_call;
struct list_call *list_begin(struct drive *d, const char *prefix);
/* c: of list_begin() with the same d and prefix. As the slot list of drivers. */
int list_end(struct list_call *c, struct drive *d, const char *prefix, object_fn *each, void *ctx,
	     struct error *err);
void list_leave(struct list_call *c); /* NULL is allowed */

/* ---- reads ---- */

struct read_want {
	const char *name; /* copied */
	uint64_t offset_bytes;
	size_t len_bytes;
	/* What is to be done with the bytes at once, where they came to: on the thread that read them,
	 * unless the call is barred. Its answer is that of the call. NULL: nothing. */
	int (*then)(void *ctx, const uint8_t *bytes, struct error *err);
	void *ctx;
};

/* A range of an object, read into memory of the call. */
struct read_call {
	struct call call; /* first: the functions above take it */
	struct read_want want;
	char name[OBJECT_NAME_MAX + 1];
	uint8_t *bytes; /* want.len_bytes of them, when it ended with ERR_NONE; until call_leave() */
	size_t cap_bytes;
	uint64_t most_bytes; /* that may be read with it */
	unsigned patience_ms; /* array/paces.h: how long it was to take, before it told more; 0: not known */
	bool then_done;
};
/* NULL: ERR_NOMEM. */
struct read_call *read_start(struct drive *d, const struct read_want *want, struct error *err);

#endif
