/* Reads that may be left behind: into memory of their own. */
#include "array/watched_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* Memory of reads that is kept for the next: once touched, it is worth keeping. */
#define SPARES_MAX 4
#define SPARE_BYTES_MAX ((size_t)2 << 20)

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

/* Memory only now: what waits for its turn needs none. */
static int run_read(struct call *call, struct drive *d, struct error *err)
{
	struct read_call *c = (struct read_call *)call;
	const struct read_want *want = &c->want;
	int code;

	c->bytes = spare_take(want->len_bytes, &c->cap_bytes);
	if (!c->bytes)
		return err_nomem(err);
	code = d->driver->get(d, want->name, want->offset_bytes, c->bytes, want->len_bytes, err);
	if (code != ERR_NONE || !want->then || !call_enter(call))
		return code;
	code = want->then(want->ctx, c->bytes, err);
	c->then_done = true;
	spare_give(c->bytes, c->cap_bytes);
	c->bytes = NULL;
	return code;
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
	c->call.hands = want->then ? hands_to_compute() : 0;
	c->want = *want;
	snprintf(c->name, sizeof(c->name), "%s", want->name);
	c->want.name = c->name;
	call_start(d, &c->call);
	return c;
}
