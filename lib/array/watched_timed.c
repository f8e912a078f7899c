/* The drive that a watched drive's threads call: it does what the one inside does, measures it,
 * and tells that the drive is alive. */
#include "array/watched_internal.h"

static struct watched *watched_of(struct drive *d)
{
	return ((struct timed *)d)->w;
}

/* Answers that say no are answers; of this host's own troubles the drive knows nothing. */
static bool is_answer(int code)
{
	return code == ERR_NONE || code == ERR_NOT_FOUND || code == ERR_EXISTS ||
	       code == ERR_INTERRUPTED || code == ERR_NOMEM;
}

/* Failures are no sign of life, however soon they come: a drive with nothing else for as long as it
 * may be silent is given up, too. */
static uint64_t came_back(struct watched *w, uint64_t began_us, int code)
{
	uint64_t moved_us = atomic_load(&w->moved_us);

	meter_add(w->meter, METER_CALLS, 1);
	meter_add(w->meter, METER_FAILED, !is_answer(code));
	w->alive_us = clock_us();
	if (code != ERR_TRANSIENT)
		w->failing_us = 0;
	else if (w->failing_us == 0)
		w->failing_us = moved_us > began_us ? moved_us : began_us;
	if (w->failing_us > 0 &&
	    w->alive_us - w->failing_us >= w->hang_ms * (uint64_t)1000)
		calls_give_up(w);
	return w->alive_us - began_us;
}

/* A call that moves little. */
static void answered(struct watched *w, uint64_t began_us, int code)
{
	uint64_t us;

	calls_lock();
	us = came_back(w, began_us, code);
	if (code == ERR_NONE || code == ERR_NOT_FOUND)
		pace_answered(&w->pace, us);
	calls_unlock();
}

/* One whose time tells nothing. */
static void alive(struct watched *w, uint64_t began_us, int code)
{
	calls_lock();
	came_back(w, began_us, code);
	calls_unlock();
}

static void count_bytes(struct watched *w, int code, enum meter_count calls, enum meter_count bytes,
			size_t len_bytes)
{
	if (code != ERR_NONE)
		return;
	meter_add(w->meter, calls, 1);
	meter_add(w->meter, bytes, len_bytes);
}

static int timed_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
		     struct error *err)
{
	struct watched *w = watched_of(d);
	uint64_t began_us = clock_us(), us;
	int code = w->inner->driver->put(w->inner, name, bytes, len_bytes, err);

	count_bytes(w, code, METER_PUTS, METER_PUT_BYTES, len_bytes);
	calls_lock();
	us = came_back(w, began_us, code);
	if (code == ERR_NONE) {
		w->unsynced_bytes += len_bytes;
		w->unsynced_us += us;
	}
	calls_unlock();
	return code;
}

static int timed_sync(struct drive *d, struct error *err)
{
	struct watched *w = watched_of(d);
	uint64_t began_us = clock_us(), us;
	int code = w->inner->driver->sync(w->inner, err);

	calls_lock();
	us = came_back(w, began_us, code) + w->unsynced_us;
	if (code == ERR_NONE && w->unsynced_bytes >= PACE_BULK_BYTES)
		pace_wrote(&w->pace, w->unsynced_bytes, us);
	w->unsynced_bytes = w->unsynced_us = 0;
	calls_unlock();
	return code;
}

static int timed_get(struct drive *d, const char *name, uint64_t offset_bytes, void *out,
		     size_t len_bytes, struct error *err)
{
	struct watched *w = watched_of(d);
	uint64_t began_us = clock_us(), us;
	int code = w->inner->driver->get(w->inner, name, offset_bytes, out, len_bytes, err);

	count_bytes(w, code, METER_GETS, METER_GOT_BYTES, len_bytes);
	if (len_bytes < PACE_BULK_BYTES) {
		answered(w, began_us, code);
		return code;
	}
	calls_lock();
	us = came_back(w, began_us, code);
	if (code == ERR_NONE)
		pace_read(&w->pace, len_bytes, us);
	calls_unlock();
	return code;
}

static int timed_stat(struct drive *d, const char *name, struct object_stat *out,
		      struct error *err)
{
	struct watched *w = watched_of(d);
	uint64_t began_us = clock_us();
	int code = w->inner->driver->stat(w->inner, name, out, err);

	answered(w, began_us, code);
	return code;
}

/* What each() says to stop may be any number. */
struct listing {
	object_fn *each;
	void *ctx;
	bool stopped;
};

static int list_one(void *ctx, const char *name, uint64_t len_bytes)
{
	struct listing *l = ctx;
	int stop = l->each(l->ctx, name, len_bytes);

	l->stopped = stop != 0;
	return stop;
}

static int timed_list(struct drive *d, const char *prefix, object_fn *each, void *ctx,
		      struct error *err)
{
	struct watched *w = watched_of(d);
	uint64_t began_us = clock_us();
	struct listing l = { .each = each, .ctx = ctx };
	int code = w->inner->driver->list(w->inner, prefix, list_one, &l, err);

	alive(w, began_us, l.stopped ? ERR_NONE : code);
	return code;
}

static int timed_move(struct drive *d, const char *from, const char *to, struct error *err)
{
	struct watched *w = watched_of(d);
	uint64_t began_us = clock_us();
	int code = w->inner->driver->move(w->inner, from, to, err);

	alive(w, began_us, code);
	return code;
}

static int timed_remove(struct drive *d, const char *name, struct error *err)
{
	struct watched *w = watched_of(d);
	uint64_t began_us = clock_us();
	int code = w->inner->driver->remove(w->inner, name, err);

	alive(w, began_us, code);
	return code;
}

static int timed_about(struct drive *d, struct drive_about *out, struct error *err)
{
	struct watched *w = watched_of(d);
	uint64_t began_us = clock_us();
	int code = w->inner->driver->about(w->inner, out, err);

	alive(w, began_us, code);
	return code;
}

void watched_fill_measured(struct mrmr_driver *out)
{
	out->put = timed_put;
	out->sync = timed_sync;
	out->get = timed_get;
	out->stat = timed_stat;
	out->list = timed_list;
	out->move = timed_move;
	out->remove = timed_remove;
	out->about = timed_about;
}
