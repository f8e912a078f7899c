#include "tests/support/record_log.h"

#include "base/bytes.h"
#include "drivers/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URL_BYTES 64

struct record_drive {
	struct drive base;
	struct mrmr_driver driver;
	struct recorder *recorder;
	struct drive *inner;
	unsigned number;
	uint64_t handle;
};

static const struct drive_options options = {.make_root = true, .temp_tag = "record"};

void record_must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "record_drive: %s\n", what);
	abort();
}

static void url_of(const struct recorder *r, const char *role, unsigned i, char out[URL_BYTES])
{
	snprintf(out, URL_BYTES, "mem:%s-%p-%u", role, (const void *)r, i);
}

struct drive *record_open_mem(const struct recorder *r, const char *role, unsigned i)
{
	char url[URL_BYTES];
	struct drive *d;
	struct error err;

	record_must(i < r->drives, "no such drive");
	url_of(r, role, i, url);
	record_must(driver_mem.open(url, &options, &d, &err) == ERR_NONE, "out of memory");
	return d;
}

void record_erase_mem(const struct recorder *r, const char *role)
{
	for (unsigned i = 0; i < r->drives; i++) {
		char url[URL_BYTES];

		url_of(r, role, i, url);
		mem_erase(url);
	}
}

/* ---- the log ---- */

static char *copy_name(const char *name)
{
	char *copy = name ? strdup(name) : NULL;

	record_must(copy || !name, "out of memory");
	return copy;
}

/* Under r->lock. */
static struct change *log_change(struct recorder *r, const struct record_drive *from,
				 enum change_kind kind, const char *name, const char *to)
{
	struct change *c;

	record_must(grow(&r->changes, &r->cap, r->count + 1, sizeof(*r->changes)), "out of memory");
	c = &r->changes[r->count++];
	*c = (struct change){.kind = kind,
			     .drive = from->number,
			     .handle = from->handle,
			     .name = copy_name(name),
			     .to = copy_name(to),
			     .durable_from = NEVER,
			     .gone_from = NEVER};
	return c;
}

static void set_bytes(struct change *c, const void *bytes, size_t len_bytes)
{
	c->bytes = malloc(len_bytes + 1);
	c->len_bytes = len_bytes;
	record_must(c->bytes != NULL, "out of memory");
	if (len_bytes > 0)
		memcpy(c->bytes, bytes, len_bytes);
}

static void forget_changes(struct recorder *r)
{
	for (size_t i = 0; i < r->count; i++) {
		free(r->changes[i].name);
		free(r->changes[i].to);
		free(r->changes[i].bytes);
	}
	r->count = 0;
}

uint64_t record_moment_of(const struct recorder *r, size_t i)
{
	return i < r->settled ? 0 : i - r->settled;
}

/* What a handle did and no sync covers is durable now, or (failed or closed) its puts are gone. */
static void end_loose(struct recorder *r, uint64_t handle, bool durable)
{
	uint64_t now = record_moment_of(r, r->count);

	for (size_t i = r->settled; i < r->count; i++) {
		struct change *c = &r->changes[i];

		if (c->handle != handle || c->durable_from != NEVER || c->gone_from != NEVER)
			continue;
		if (durable)
			c->durable_from = now;
		else if (c->kind == CHANGE_PUT)
			c->gone_from = now;
	}
}

/* ---- the drive ---- */

static struct record_drive *record_of(struct drive *d)
{
	return (struct record_drive *)d;
}

static int record_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
		      struct error *err)
{
	struct record_drive *rd = record_of(d);
	struct recorder *r = rd->recorder;
	int code;

	pthread_mutex_lock(&r->lock);
	code = rd->inner->driver->put(rd->inner, name, bytes, len_bytes, err);
	if (code == ERR_NONE)
		set_bytes(log_change(r, rd, CHANGE_PUT, name, NULL), bytes, len_bytes);
	pthread_mutex_unlock(&r->lock);
	return code;
}

static int record_move(struct drive *d, const char *from, const char *to, struct error *err)
{
	struct record_drive *rd = record_of(d);
	int code;

	pthread_mutex_lock(&rd->recorder->lock);
	code = rd->inner->driver->move(rd->inner, from, to, err);
	if (code == ERR_NONE)
		log_change(rd->recorder, rd, CHANGE_MOVE, from, to);
	pthread_mutex_unlock(&rd->recorder->lock);
	return code;
}

static int record_remove(struct drive *d, const char *name, struct error *err)
{
	struct record_drive *rd = record_of(d);
	int code;

	pthread_mutex_lock(&rd->recorder->lock);
	code = rd->inner->driver->remove(rd->inner, name, err);
	if (code == ERR_NONE)
		log_change(rd->recorder, rd, CHANGE_REMOVE, name, NULL);
	pthread_mutex_unlock(&rd->recorder->lock);
	return code;
}

static int record_sync(struct drive *d, struct error *err)
{
	struct record_drive *rd = record_of(d);
	struct recorder *r = rd->recorder;
	int code;

	pthread_mutex_lock(&r->lock);
	code = rd->inner->driver->sync(rd->inner, err);
	log_change(r, rd, CHANGE_SYNC, NULL, NULL);
	end_loose(r, rd->handle, code == ERR_NONE);
	pthread_mutex_unlock(&r->lock);
	return code;
}

static int record_get(struct drive *d, const char *name, uint64_t offset_bytes, void *out,
		      size_t len_bytes, struct error *err)
{
	struct drive *inner = record_of(d)->inner;

	return inner->driver->get(inner, name, offset_bytes, out, len_bytes, err);
}

static int record_stat(struct drive *d, const char *name, struct object_stat *out,
		       struct error *err)
{
	struct drive *inner = record_of(d)->inner;

	return inner->driver->stat(inner, name, out, err);
}

static int record_list(struct drive *d, const char *prefix, object_fn *each, void *ctx,
		       struct error *err)
{
	struct drive *inner = record_of(d)->inner;

	return inner->driver->list(inner, prefix, each, ctx, err);
}

static int record_about(struct drive *d, struct drive_about *out, struct error *err)
{
	struct drive *inner = record_of(d)->inner;

	return inner->driver->about(inner, out, err);
}

static void record_close(struct drive *d)
{
	struct record_drive *rd = record_of(d);

	pthread_mutex_lock(&rd->recorder->lock);
	rd->inner->driver->close(rd->inner);
	end_loose(rd->recorder, rd->handle, false);
	pthread_mutex_unlock(&rd->recorder->lock);
	free(rd);
}

struct drive *recorder_open(struct recorder *r, unsigned i)
{
	struct record_drive *rd = calloc(1, sizeof(*rd));

	record_must(rd != NULL, "out of memory");
	rd->recorder = r;
	rd->inner = record_open_mem(r, "live", i);
	rd->number = i;
	rd->driver = *rd->inner->driver;
	rd->driver.close = record_close;
	rd->driver.put = record_put;
	rd->driver.get = record_get;
	rd->driver.stat = record_stat;
	rd->driver.list = record_list;
	rd->driver.move = record_move;
	rd->driver.remove = record_remove;
	rd->driver.sync = record_sync;
	rd->driver.about = record_about;
	rd->base.driver = &rd->driver;
	pthread_mutex_lock(&r->lock);
	rd->handle = ++r->next_handle;
	pthread_mutex_unlock(&r->lock);
	return &rd->base;
}

struct recorder *recorder_new(unsigned drives)
{
	struct recorder *r = calloc(1, sizeof(*r));

	record_must(r != NULL, "out of memory");
	r->drives = drives;
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

void recorder_free(struct recorder *r)
{
	record_erase_mem(r, "live");
	record_erase_mem(r, "image");
	forget_changes(r);
	free(r->changes);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

uint64_t recorder_now(struct recorder *r)
{
	uint64_t now;

	pthread_mutex_lock(&r->lock);
	now = record_moment_of(r, r->count);
	pthread_mutex_unlock(&r->lock);
	return now;
}

/* ---- settling ---- */

struct settling {
	struct recorder *r;
	struct record_drive from; /* only its number is used */
	struct drive *d;
};

static int settle_one(void *ctx, const char *name, uint64_t len_bytes)
{
	struct settling *s = ctx;
	struct change *c = log_change(s->r, &s->from, CHANGE_PUT, name, NULL);
	struct error err;

	c->durable_from = 0;
	c->len_bytes = (size_t)len_bytes;
	c->bytes = malloc(c->len_bytes + 1);
	record_must(c->bytes && s->d->driver->get(s->d, name, 0, c->bytes, c->len_bytes, &err) ==
					ERR_NONE,
		    "an object can't be read");
	return 0;
}

void recorder_settle(struct recorder *r)
{
	pthread_mutex_lock(&r->lock);
	for (size_t i = r->settled; i < r->count; i++)
		record_must(r->changes[i].kind != CHANGE_PUT ||
				    r->changes[i].durable_from != NEVER ||
				    r->changes[i].gone_from != NEVER,
			    "a handle has loose puts");
	forget_changes(r);
	for (unsigned i = 0; i < r->drives; i++) {
		struct settling s = {.r = r, .from.number = i, .d = record_open_mem(r, "live", i)};
		struct error err;

		record_must(s.d->driver->list(s.d, "", settle_one, &s, &err) == ERR_NONE,
			    err.message);
		s.d->driver->close(s.d);
	}
	r->settled = r->count;
	pthread_mutex_unlock(&r->lock);
}
