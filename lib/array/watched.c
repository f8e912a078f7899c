#include "array/watched_internal.h"

#include "base/bytes.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNNING_MAX 8 /* calls of a drive at once */
#define MOVED_STEP_US 50000

bool drive_is_watched(const struct drive *d)
{
	return d->driver->close == watched_close;
}

static struct watched *watched_of(struct drive *d)
{
	assert(drive_is_watched(d));
	return (struct watched *)d;
}

static void watched_free(struct watched *w)
{
	if (w->inner)
		w->inner->driver->close(w->inner);
	pthread_cond_destroy(&w->let_go);
	pthread_cond_destroy(&w->order_moved);
	meter_drop(w->meter);
	free(w);
}

void watched_let_go(struct watched *w)
{
	if (--w->holders > 0) {
		pthread_cond_broadcast(&w->let_go);
		return;
	}
	calls_unlock();
	watched_free(w);
	calls_lock();
}

/* No moment for a drive that hangs: whichever call of it comes back last then frees it. */
void watched_close(struct drive *d)
{
	struct watched *w = watched_of(d);
	uint64_t until_us = clock_us() + w->leave_ms * (uint64_t)1000;

	calls_lock();
	while (w->holders > 1 && !w->hangs) {
		if (!calls_wait_until(&w->let_go, until_us))
			break;
	}
	watched_let_go(w);
	calls_unlock();
}

/* ---- opening ---- */

struct opening_call {
	struct call call;
	open_drive_fn *open;
	void *ctx;
	struct config_drive entry; /* its texts are ours */
	struct drive_options options;
	struct buf learned; /* by the call, which may outlast its caller: key, NUL, value, NUL, ... */
	learned_fn *tell;
	void *tell_ctx;
};

static void note_learned(void *ctx, const char *key, const char *value)
{
	struct opening_call *c = ctx;

	buf_add(&c->learned, key, strlen(key) + 1);
	buf_add(&c->learned, value, strlen(value) + 1);
}

static int tell_learned(const struct opening_call *c, struct error *err)
{
	if (c->learned.failed)
		return err_nomem(err);
	for (size_t at = 0; at < c->learned.len_bytes;) {
		const char *key = (const char *)c->learned.data + at;
		const char *value = key + strlen(key) + 1;

		c->tell(c->tell_ctx, key, value);
		at += strlen(key) + 1 + strlen(value) + 1;
	}
	return ERR_NONE;
}

static int run_open(struct call *call, struct drive *d, struct error *err)
{
	struct opening_call *c = (struct opening_call *)call;
	struct watched *w = ((struct timed *)d)->w;
	struct drive **inner = &w->inner;
	uint64_t began_us = clock_us();
	int code = c->open(c->ctx, &c->entry, &c->options, inner, err);

	if (code != ERR_NONE)
		*inner = NULL;
	calls_lock();
	w->opening_us = clock_us() - began_us;
	calls_unlock();
	return code;
}

static void release_open(struct call *call)
{
	struct opening_call *c = (struct opening_call *)call;

	free(c->entry.url);
	free(c->entry.options_json);
	buf_release(&c->learned);
	free(c);
}

/* Bytes move: the drive is alive, however long a call takes. Looked at now and then is enough. */
static void note_moved(void *ctx)
{
	struct watched *w = ctx;
	uint64_t now_us = clock_us();

	if (now_us - atomic_load(&w->moved_us) < MOVED_STEP_US)
		return;
	atomic_store(&w->moved_us, now_us);
	calls_lock();
	w->alive_us = now_us;
	calls_unlock();
}

static struct opening_call *opening_call_new(const struct opening_drive *o, struct watched *w)
{
	struct opening_call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->call.run = run_open;
	c->call.release = release_open;
	c->open = o->open;
	c->ctx = o->ctx;
	c->options = o->options;
	c->options.temp_tag = w->temp_tag;
	c->options.moved = note_moved;
	c->options.moved_ctx = w;
	c->options.meter = w->meter;
	if (o->options.learned) {
		c->tell = o->options.learned;
		c->tell_ctx = o->options.learned_ctx;
		c->options.learned = note_learned;
		c->options.learned_ctx = c;
	}
	c->entry = *o->entry;
	c->entry.url = strdup(o->entry->url);
	c->entry.options_json = strdup(o->entry->options_json);
	if (c->entry.url && c->entry.options_json)
		return c;
	release_open(&c->call);
	return NULL;
}

struct opening_call *watched_open_begin(const struct opening_drive *o, struct error *err)
{
	struct watched *w = calloc(1, sizeof(*w));
	struct opening_call *c = NULL;

	if (w && (w->meter = meter_new()))
		c = opening_call_new(o, w);
	if (!c) {
		if (w)
			meter_drop(w->meter);
		free(w);
		err_nomem(err);
		return NULL;
	}
	calls_cond_init(&w->let_go);
	calls_cond_init(&w->order_moved);
	w->holders = 1;
	w->hang_ms = o->hang_ms ? o->hang_ms : HANG_MS_DEFAULT;
	w->leave_ms = o->leave_ms ? o->leave_ms : STALL_MS_DEFAULT;
	w->running_max = 1;
	w->outer.close = watched_close;
	w->base.driver = &w->outer;
	w->timed.base.driver = &w->measured;
	w->timed.w = w;
	snprintf(w->temp_tag, sizeof(w->temp_tag), "%s",
		 o->options.temp_tag ? o->options.temp_tag : "");
	call_start(&w->base, &c->call);
	return c;
}

/* The slots of the driver inside are known only now. */
static void take_driver(struct watched *w, unsigned wanted)
{
	const struct mrmr_driver *inside = w->inner->driver;
	unsigned most = inside->connections_max < RUNNING_MAX ? inside->connections_max
							      : RUNNING_MAX;

	if (wanted > 0 && wanted < most)
		most = wanted;

	w->outer = w->measured = *inside;
	w->outer.connections_max = most;
	watched_fill_outer(&w->outer);
	watched_fill_measured(&w->measured);
	calls_lock();
	w->running_max = most > 0 ? most : 1;
	calls_unlock();
}

int watched_open_end(struct opening_call *c, struct drive **out, struct error *err)
{
	struct watched *w = c->call.w;
	unsigned wanted = drive_options_connections(c->entry.options_json);
	int code = call_finish(&c->call, 0, err);

	if (code == ERR_NONE)
		code = tell_learned(c, err);
	call_leave(&c->call);
	if (code != ERR_NONE) {
		watched_close(&w->base);
		return code;
	}
	take_driver(w, wanted);
	*out = &w->base;
	return ERR_NONE;
}

int watched_open(const struct opening_drive *o, struct drive **out, struct error *err)
{
	struct opening_call *c = watched_open_begin(o, err);

	return c ? watched_open_end(c, out, err) : (int)err->code;
}

/* ---- what is known of it ---- */

bool watched_hangs(struct drive *d)
{
	struct watched *w = watched_of(d);
	bool hangs;

	calls_lock();
	hangs = w->hangs;
	calls_unlock();
	return hangs;
}

unsigned watched_opening_ms(struct drive *d)
{
	struct watched *w = watched_of(d);
	uint64_t us;

	calls_lock();
	us = w->outer.flags & DRIVER_REMOTE ? w->opening_us : 0;
	calls_unlock();
	return us / 1000 < w->hang_ms ? (unsigned)(us / 1000) : w->hang_ms;
}

bool watched_idle(struct drive *d)
{
	struct watched *w = watched_of(d);
	bool idle;

	calls_lock();
	idle = w->waiting == 0 && w->running == 0;
	calls_unlock();
	return idle;
}

struct drive *watched_inside(struct drive *d)
{
	return &watched_of(d)->timed.base;
}

struct drive *watched_as_opened(struct drive *d)
{
	return watched_of(d)->inner;
}

struct meter *watched_meter(struct drive *d)
{
	return watched_of(d)->meter;
}

struct pace watched_pace(struct drive *d)
{
	struct watched *w = watched_of(d);
	struct pace p;

	calls_lock();
	p = w->pace;
	calls_unlock();
	return p;
}

void watched_set_pace(struct drive *d, const struct pace *p)
{
	struct watched *w = watched_of(d);

	calls_lock();
	w->pace = *p;
	calls_unlock();
}
