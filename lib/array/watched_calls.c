/* What callers of a watched drive call: each call goes to another thread, with arguments of its
 * own, and is waited for as long as the drive shows signs of life. Short ones of a drive that is at
 * hand and alive are made here. */
#include "array/watched_internal.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_HAND_US 20000		   /* so soon after a sign of life a call takes no time */
#define AT_HAND_BYTES ((size_t)256 << 10) /* unless it moves more than that */
#define NAMES_BATCH_BYTES ((size_t)64 << 10)

enum plain_kind { PLAIN_PUT, PLAIN_STAT, PLAIN_MOVE, PLAIN_REMOVE, PLAIN_SYNC, PLAIN_ABOUT };

struct plain_call {
	struct call call;
	enum plain_kind kind;
	char name[OBJECT_NAME_MAX + 1], to[OBJECT_NAME_MAX + 1];
	void *bytes;
	size_t len_bytes;
	struct object_stat stat;
	struct drive_about about;
};

static int run_plain(struct call *call, struct drive *d, struct error *err)
{
	struct plain_call *c = (struct plain_call *)call;

	switch (c->kind) {
	case PLAIN_PUT:
		return d->driver->put(d, c->name, c->bytes, c->len_bytes, err);
	case PLAIN_STAT:
		return d->driver->stat(d, c->name, &c->stat, err);
	case PLAIN_MOVE:
		return d->driver->move(d, c->name, c->to, err);
	case PLAIN_REMOVE:
		return d->driver->remove(d, c->name, err);
	case PLAIN_SYNC:
		return d->driver->sync(d, err);
	case PLAIN_ABOUT:
		break;
	}
	return d->driver->about(d, &c->about, err);
}

static void release_plain(struct call *call)
{
	free(((struct plain_call *)call)->bytes);
	free(call);
}

/* The drive to call directly, or NULL. The kernel of this host ends calls of a drive that is at
 * hand, sooner or later; that it answered a moment ago makes it sooner. */
static struct drive *at_hand(struct drive *d, size_t bytes)
{
	struct watched *w = (struct watched *)d;
	bool is = bytes <= AT_HAND_BYTES && w->outer.flags & DRIVER_LOCAL;

	if (!is)
		return NULL;
	calls_lock();
	is = !w->hangs && clock_us() - w->alive_us < AT_HAND_US;
	calls_unlock();
	return is ? &w->timed.base : NULL;
}

/* A name too long for an object is cut, and still too long: the driver says so. */
static struct plain_call *plain_new(enum plain_kind kind, const char *name, struct error *err)
{
	struct plain_call *c = calloc(1, sizeof(*c));

	if (!c) {
		err_nomem(err);
		return NULL;
	}
	c->call.run = run_plain;
	c->call.release = release_plain;
	c->kind = kind;
	snprintf(c->name, sizeof(c->name), "%s", name);
	return c;
}

static int plain_do(struct drive *d, struct plain_call *c, uint64_t bytes, struct error *err)
{
	call_start(d, &c->call);
	return call_finish(&c->call, bytes, err);
}

static bool is_too_long(const char *name)
{
	return strlen(name) > OBJECT_NAME_MAX;
}

static int refuse_name(struct error *err)
{
	return err_set(err, ERR_USAGE, "an object name of more than %d bytes", OBJECT_NAME_MAX);
}

static int watched_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
		       struct error *err)
{
	struct drive *inside = at_hand(d, len_bytes);
	struct plain_call *c;
	int code;

	if (inside)
		return inside->driver->put(inside, name, bytes, len_bytes, err);
	if (is_too_long(name))
		return refuse_name(err);
	c = plain_new(PLAIN_PUT, name, err);
	if (!c)
		return (int)err->code;
	c->bytes = malloc(len_bytes + 1);
	if (!c->bytes) {
		free(c);
		return err_nomem(err);
	}
	if (len_bytes > 0)
		memcpy(c->bytes, bytes, len_bytes);
	c->len_bytes = len_bytes;
	code = plain_do(d, c, len_bytes, err);
	call_leave(&c->call);
	return code;
}

static int watched_get(struct drive *d, const char *name, uint64_t offset_bytes, void *out,
		       size_t len_bytes, struct error *err)
{
	struct drive *inside = at_hand(d, len_bytes);
	struct read_want want = { .name = name, .offset_bytes = offset_bytes, .len_bytes = len_bytes };
	struct read_call *c;
	int code;

	if (inside)
		return inside->driver->get(inside, name, offset_bytes, out, len_bytes, err);
	if (is_too_long(name))
		return refuse_name(err);
	c = read_start(d, &want, err);
	if (!c)
		return (int)err->code;
	code = call_finish(&c->call, len_bytes, err);
	if (code == ERR_NONE && len_bytes > 0)
		memcpy(out, c->bytes, len_bytes);
	call_leave(&c->call);
	return code;
}

static int watched_stat(struct drive *d, const char *name, struct object_stat *out,
			struct error *err)
{
	struct drive *inside = at_hand(d, 0);
	struct plain_call *c;
	int code;

	if (inside)
		return inside->driver->stat(inside, name, out, err);
	if (is_too_long(name))
		return refuse_name(err);
	c = plain_new(PLAIN_STAT, name, err);
	if (!c)
		return (int)err->code;
	code = plain_do(d, c, 0, err);
	if (code == ERR_NONE)
		*out = c->stat;
	call_leave(&c->call);
	return code;
}

static int watched_move(struct drive *d, const char *from, const char *to, struct error *err)
{
	struct drive *inside = at_hand(d, 0);
	struct plain_call *c;
	int code;

	if (inside)
		return inside->driver->move(inside, from, to, err);
	if (is_too_long(from) || is_too_long(to))
		return refuse_name(err);
	c = plain_new(PLAIN_MOVE, from, err);
	if (!c)
		return (int)err->code;
	snprintf(c->to, sizeof(c->to), "%s", to);
	code = plain_do(d, c, 0, err);
	call_leave(&c->call);
	return code;
}

static int watched_remove(struct drive *d, const char *name, struct error *err)
{
	struct drive *inside = at_hand(d, 0);
	struct plain_call *c;
	int code;

	if (inside)
		return inside->driver->remove(inside, name, err);
	if (is_too_long(name))
		return refuse_name(err);
	c = plain_new(PLAIN_REMOVE, name, err);
	if (!c)
		return (int)err->code;
	code = plain_do(d, c, 0, err);
	call_leave(&c->call);
	return code;
}

static int watched_sync(struct drive *d, struct error *err)
{
	struct plain_call *c = plain_new(PLAIN_SYNC, "", err);
	int code;

	if (!c)
		return (int)err->code;
	code = plain_do(d, c, 0, err);
	call_leave(&c->call);
	return code;
}

static int watched_about(struct drive *d, struct drive_about *out, struct error *err)
{
	struct drive *inside = at_hand(d, 0);
	struct plain_call *c;
	int code;

	if (inside)
		return inside->driver->about(inside, out, err);
	c = plain_new(PLAIN_ABOUT, "", err);
	if (!c)
		return (int)err->code;
	code = plain_do(d, c, 0, err);
	if (code == ERR_NONE)
		*out = c->about;
	call_leave(&c->call);
	return code;
}

/* ---- list: names go to the caller in batches ---- */

struct list_call {
	struct call call;
	char prefix[OBJECT_NAME_MAX + 1];
	struct buf names;      /* length (8 bytes), name, NUL; and so on */
	int stop;	       /* what the caller's function said; not 0: no more */
	pthread_cond_t emptied; /* names and stop are under the lock of calls */
};

static int keep_name(void *ctx, const char *name, uint64_t len_bytes)
{
	struct list_call *c = ctx;
	struct watched *w = c->call.w;
	int stop;

	calls_lock();
	while (c->names.len_bytes >= NAMES_BATCH_BYTES && c->stop == 0)
		calls_wait_until(&c->emptied, UINT64_MAX / 2);
	buf_add_u64(&c->names, len_bytes);
	buf_add(&c->names, name, strlen(name) + 1);
	if (c->names.len_bytes >= NAMES_BATCH_BYTES) {
		w->alive_us = clock_us();
		calls_wake(c->call.changed);
	}
	stop = c->names.failed ? 1 : c->stop;
	calls_unlock();
	return stop;
}

static int run_list(struct call *call, struct drive *d, struct error *err)
{
	struct list_call *c = (struct list_call *)call;

	return d->driver->list(d, c->prefix, keep_name, c, err);
}

static void release_list(struct call *call)
{
	struct list_call *c = (struct list_call *)call;

	buf_release(&c->names);
	pthread_cond_destroy(&c->emptied);
	free(c);
}

/* Waits for a batch, or for the end. False: neither comes, the drive hangs. */
static bool next_batch(struct watched *w, struct list_call *c, struct buf *out, bool *ended)
{
	bool there = false, hangs = false;

	calls_lock();
	while (!there && !hangs) {
		*ended = c->call.ended;
		there = *ended || c->names.len_bytes >= NAMES_BATCH_BYTES;
		if (!there)
			hangs = !call_await(&c->call, 0, UINT64_MAX);
	}
	if (there) {
		*out = c->names;
		c->names = (struct buf){ 0 };
		w->alive_us = clock_us(); /* it may have waited for us */
		pthread_cond_signal(&c->emptied);
	}
	calls_unlock();
	return there;
}

static int tell_names(const struct buf *names, object_fn *each, void *ctx)
{
	int stop = 0;

	for (size_t at = 0; at < names->len_bytes && stop == 0;) {
		const char *name = (const char *)names->data + at + 8;

		stop = each(ctx, name, load_u64(names->data + at));
		at += 8 + strlen(name) + 1;
	}
	return stop;
}

static void say_stop(struct list_call *c, int stop)
{
	calls_lock();
	c->stop = stop;
	pthread_cond_signal(&c->emptied);
	calls_unlock();
}

static struct list_call *list_call_start(struct drive *d, const char *prefix)
{
	struct list_call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->call.run = run_list;
	c->call.release = release_list;
	snprintf(c->prefix, sizeof(c->prefix), "%s", prefix);
	calls_cond_init(&c->emptied);
	call_start(d, &c->call);
	return c;
}

static int list_call_finish(struct list_call *c, object_fn *each, void *ctx, struct error *err)
{
	bool ended = false, failed = false;
	struct error why;
	int stop = 0, code;

	while (!ended) {
		struct buf names = { 0 };

		if (!next_batch(c->call.w, c, &names, &ended))
			break;
		failed = failed || names.failed;
		if (stop == 0 && !failed)
			stop = tell_names(&names, each, ctx);
		buf_release(&names);
		say_stop(c, failed ? 1 : stop);
	}
	if (!ended)
		say_stop(c, 1);
	code = call_finish(&c->call, 0, &why);
	call_leave(&c->call);
	if (failed)
		return err_nomem(err);
	if (stop == 0 && code != ERR_NONE)
		*err = why;
	return stop != 0 ? stop : code;
}

static int watched_list(struct drive *d, const char *prefix, object_fn *each, void *ctx,
			struct error *err)
{
	struct drive *inside = at_hand(d, 0);
	struct list_call *c;

	if (inside)
		return inside->driver->list(inside, prefix, each, ctx, err);
	if (is_too_long(prefix))
		return refuse_name(err);
	c = list_call_start(d, prefix);
	return c ? list_call_finish(c, each, ctx, err) : err_nomem(err);
}

struct list_call *list_begin(struct drive *d, const char *prefix)
{
	bool worth = drive_is_watched(d) && d->driver->flags & DRIVER_REMOTE;

	return worth && !is_too_long(prefix) ? list_call_start(d, prefix) : NULL;
}

void list_leave(struct list_call *c)
{
	if (!c)
		return;
	say_stop(c, 1);
	call_leave(&c->call);
}

int list_end(struct list_call *c, struct drive *d, const char *prefix, object_fn *each, void *ctx,
	     struct error *err)
{
	return c ? list_call_finish(c, each, ctx, err) : d->driver->list(d, prefix, each, ctx, err);
}

void watched_fill_outer(struct mrmr_driver *out)
{
	out->close = watched_close;
	out->put = watched_put;
	out->get = watched_get;
	out->stat = watched_stat;
	out->move = watched_move;
	out->remove = watched_remove;
	out->sync = watched_sync;
	out->about = watched_about;
	out->list = watched_list;
}
