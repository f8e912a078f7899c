/* Reads that may be left behind: into memory of their own. */
#include "array/watched_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Memory of reads that is kept for the next: once touched, it is worth keeping. */
#define SPARES_MAX 4
#define SPARE_BYTES_MAX ((size_t)2 << 20)
#define JOINED_BYTES_MAX ((uint64_t)2 << 20) /* of one call for several reads */

static struct {
	struct {
		uint8_t *bytes;
		size_t cap_bytes;
	} all[SPARES_MAX];
	unsigned count;
} spares; /* under the lock of calls; the last is taken first */

static uint8_t *spare_take(size_t len_bytes, size_t *cap_bytes)
{
	uint8_t *bytes = NULL;

	*cap_bytes = 0;
	calls_lock();
	if (spares.count > 0) {
		bytes = spares.all[--spares.count].bytes;
		*cap_bytes = spares.all[spares.count].cap_bytes;
	}
	calls_unlock();
	if (bytes && *cap_bytes >= len_bytes)
		return bytes;
	free(bytes);
	*cap_bytes = len_bytes;
	return malloc(len_bytes + 1);
}

static void spare_give(uint8_t *bytes, size_t cap_bytes)
{
	calls_lock();
	if (bytes && spares.count < SPARES_MAX && cap_bytes <= SPARE_BYTES_MAX) {
		spares.all[spares.count].bytes = bytes;
		spares.all[spares.count++].cap_bytes = cap_bytes;
		bytes = NULL;
	}
	calls_unlock();
	free(bytes);
}

/* Whether next lies behind what c, and those that joined it, are to read. */
static bool lies_behind(const struct call *c, const struct call *next)
{
	const struct read_call *first = (const struct read_call *)c, *last = first, *r;
	uint64_t end;

	if (next->joins != lies_behind)
		return false;
	while (last->call.joined)
		last = (const struct read_call *)last->call.joined;
	r = (const struct read_call *)next;
	end = last->want.offset_bytes + last->want.len_bytes;
	return r->want.offset_bytes == end && strcmp(r->name, first->name) == 0 &&
	       end + r->want.len_bytes - first->want.offset_bytes <= JOINED_BYTES_MAX;
}

/* What came for c, at bytes: judged there, or copied to memory of its own. */
static int take_part(struct read_call *c, const uint8_t *bytes, struct error *err)
{
	int code;

	if (c->want.then && call_enter(&c->call)) {
		code = c->want.then(c->want.ctx, bytes, err);
		c->then_done = true;
		return code;
	}
	c->bytes = spare_take(c->want.len_bytes, &c->cap_bytes);
	if (!c->bytes)
		return err_nomem(err);
	memcpy(c->bytes, bytes, c->want.len_bytes);
	return ERR_NONE;
}

/* Memory only now: what waits for its turn needs none. */
static int read_one(struct read_call *c, struct drive *d, struct error *err)
{
	const struct read_want *want = &c->want;
	int code;

	c->bytes = spare_take(want->len_bytes, &c->cap_bytes);
	if (!c->bytes)
		return err_nomem(err);
	code = d->driver->get(d, want->name, want->offset_bytes, c->bytes, want->len_bytes, err);
	if (code != ERR_NONE || !want->then || !call_enter(&c->call))
		return code;
	code = want->then(want->ctx, c->bytes, err);
	c->then_done = true;
	spare_give(c->bytes, c->cap_bytes);
	c->bytes = NULL;
	return code;
}

/* All that lie side by side in one call of the drive. That one fails for all of them if the drive does
 * not answer; else each is asked for by itself, since only some may be there. */
static int read_joined(struct read_call *first, struct drive *d, struct error *err)
{
	uint64_t from = first->want.offset_bytes;
	struct call *next = &first->call;
	size_t len = 0, cap_bytes;
	uint8_t *bytes;
	int code, own = ERR_NONE;

	for (const struct call *c = &first->call; c; c = c->joined)
		len += ((const struct read_call *)c)->want.len_bytes;
	bytes = spare_take(len, &cap_bytes);
	code = bytes ? d->driver->get(d, first->want.name, from, bytes, len, err) : err_nomem(err);
	while (next) {
		struct read_call *c = (struct read_call *)next;
		struct error *why = c == first ? err : &c->call.err;
		int got = code;

		next = c->call.joined;
		if (code == ERR_NONE)
			got = take_part(c, bytes + (c->want.offset_bytes - from), why);
		else if (code != ERR_TRANSIENT && code != ERR_NOMEM)
			got = read_one(c, d, why);
		else
			*why = *err;
		if (c == first)
			own = got;
		else
			call_end_joined(&c->call, got);
	}
	if (bytes)
		spare_give(bytes, cap_bytes);
	return own;
}

static int run_read(struct call *call, struct drive *d, struct error *err)
{
	struct read_call *c = (struct read_call *)call;

	return call->joined ? read_joined(c, d, err) : read_one(c, d, err);
}

static void release_read(struct call *call)
{
	struct read_call *c = (struct read_call *)call;

	spare_give(c->bytes, c->cap_bytes);
	free(c);
}

struct read_call *read_start(struct drive *d, const struct read_want *want, struct error *err)
{
	struct read_call *c = calloc(1, sizeof(*c));

	if (!c) {
		err_nomem(err);
		return NULL;
	}
	c->call.run = run_read;
	c->call.release = release_read;
	c->most_bytes = want->len_bytes;
	c->call.hands = want->then ? hands_to_compute() : 0;
	if (d->driver->flags & DRIVER_REMOTE) {
		c->call.joins = lies_behind;
		if (c->most_bytes < JOINED_BYTES_MAX)
			c->most_bytes = JOINED_BYTES_MAX;
	}
	c->want = *want;
	snprintf(c->name, sizeof(c->name), "%s", want->name);
	c->want.name = c->name;
	call_start(d, &c->call);
	return c;
}
