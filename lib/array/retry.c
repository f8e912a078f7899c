#include "array/retry.h"

#include "array/handed.h"
#include "base/clock.h"
#include "base/meter.h"
#include "base/stop.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define US_PER_MS 1000u
#define US_PER_S 1000000u
#define GROWTH 3
#define SLICE_US 100000 /* how soon a signal ends a wait */
#define COMPARED_BYTES ((size_t)1 << 20)

const struct retry_rules retry_default = {
	.tries = 5, .open_tries = 3, .first_ms = 200, .total_ms = 40000, .end_ms = 55000
};

struct retry_drive {
	struct drive base;
	struct mrmr_driver outer; /* with flags and limits of the driver inside */
	struct drive *inner;
	struct retry_rules rules;
	struct meter *meter; /* lent */
};

static struct retry_drive *retry_of(struct drive *d)
{
	return (struct retry_drive *)d;
}

/* ---- one call, and its tries ---- */

struct effort {
	const struct retry_rules *rules;
	unsigned tries_max, tries;
	uint64_t began_us, try_began_us, longest_us;
};

static struct effort effort_begin(const struct retry_rules *rules, unsigned tries_max)
{
	uint64_t now_us = clock_us();

	return (struct effort){ .rules = rules,
				.tries_max = tries_max,
				.began_us = now_us,
				.try_began_us = now_us };
}

/* Up to first_ms, three times that, ... and no less than the server asks for. */
static uint64_t wait_us(const struct effort *e, const struct error *err)
{
	uint64_t most_us = (uint64_t)e->rules->first_ms * US_PER_MS;
	uint64_t asked_us = (uint64_t)err->retry_after_s * US_PER_S, drawn_us;

	for (unsigned i = 1; i < e->tries; i++)
		most_us *= GROWTH;
	drawn_us = randombytes_uniform((uint32_t)most_us + 1);
	if (asked_us > 0) /* and a little more: others were asked for the same */
		return asked_us + drawn_us % ((uint64_t)e->rules->first_ms * US_PER_MS + 1);
	return drawn_us;
}

/* ERR_INTERRUPTED, soon after a signal. */
static int sleep_us(uint64_t us, struct error *err)
{
	uint64_t until_us = clock_us() + us, now_us;
	int code;

	while ((code = stop_check(err)) == ERR_NONE && (now_us = clock_us()) < until_us)
		clock_sleep_until_us(until_us - now_us > SLICE_US ? now_us + SLICE_US : until_us);
	return code;
}

/* After a try that ended with *code: whether to make another one, after having waited. */
static bool again(struct effort *e, int *code, struct error *err)
{
	uint64_t now_us = clock_us(), us;

	if (*code != ERR_TRANSIENT)
		return false;
	if (now_us - e->try_began_us > e->longest_us)
		e->longest_us = now_us - e->try_began_us;
	if (++e->tries >= e->tries_max)
		return false;
	us = wait_us(e, err);
	if (now_us - e->began_us + us > (uint64_t)e->rules->total_ms * US_PER_MS ||
	    now_us - e->began_us + us + e->longest_us > (uint64_t)e->rules->end_ms * US_PER_MS)
		return false;
	if (sleep_us(us, err) != ERR_NONE) {
		*code = ERR_INTERRUPTED;
		return false;
	}
	e->try_began_us = clock_us();
	return true;
}

/* The same for a call of a drive, counted. */
static bool try_again(struct retry_drive *r, struct effort *e, int *code, struct error *err)
{
	bool repeats = again(e, code, err);

	if (repeats)
		meter_add(r->meter, METER_RETRIES, 1);
	else if (*code == ERR_TRANSIENT)
		meter_add(r->meter, METER_GIVEN_UP, 1);
	return repeats;
}

static struct effort effort_of(struct retry_drive *r)
{
	return effort_begin(&r->rules, r->rules.tries);
}

/* ---- calls that may be made twice as well as once ---- */

static int get_range(struct retry_drive *r, struct effort *e, const char *name,
		     uint64_t offset_bytes, void *out, size_t len_bytes, struct error *err)
{
	struct drive *d = r->inner;
	int code;

	do
		code = d->driver->get(d, name, offset_bytes, out, len_bytes, err);
	while (try_again(r, e, &code, err));
	return code;
}

static int get_length(struct retry_drive *r, struct effort *e, const char *name,
		      struct object_stat *out, struct error *err)
{
	struct drive *d = r->inner;
	int code;

	do
		code = d->driver->stat(d, name, out, err);
	while (try_again(r, e, &code, err));
	return code;
}

static int retry_get(struct drive *d, const char *name, uint64_t offset_bytes, void *out,
		     size_t len_bytes, struct error *err)
{
	struct effort e = effort_of(retry_of(d));

	return get_range(retry_of(d), &e, name, offset_bytes, out, len_bytes, err);
}

static int retry_stat(struct drive *d, const char *name, struct object_stat *out,
		      struct error *err)
{
	struct effort e = effort_of(retry_of(d));

	return get_length(retry_of(d), &e, name, out, err);
}

static int retry_remove(struct drive *d, const char *name, struct error *err)
{
	struct retry_drive *r = retry_of(d);
	struct effort e = effort_of(r);
	int code;

	do
		code = r->inner->driver->remove(r->inner, name, err);
	while (try_again(r, &e, &code, err));
	return code;
}

static int retry_about(struct drive *d, struct drive_about *out, struct error *err)
{
	struct retry_drive *r = retry_of(d);
	struct effort e = effort_of(r);
	int code;

	do
		code = r->inner->driver->about(r->inner, out, err);
	while (try_again(r, &e, &code, err));
	return code;
}

/* What was put before it may be gone when it fails: a second one would vouch for that too. */
static int retry_sync(struct drive *d, struct error *err)
{
	struct drive *inner = retry_of(d)->inner;

	return inner->driver->sync(inner, err);
}

/* ---- put ---- */

/* ERR_NONE: the object has these bytes. ERR_EXISTS: it has others. */
static int compare(struct retry_drive *r, struct effort *e, const char *name, const uint8_t *bytes,
		   size_t len_bytes, struct error *err)
{
	size_t piece_bytes = len_bytes < COMPARED_BYTES ? len_bytes : COMPARED_BYTES;
	uint8_t *piece = malloc(piece_bytes + 1);
	struct object_stat st;
	bool same;
	int code = piece ? get_length(r, e, name, &st, err) : err_nomem(err);

	same = code == ERR_NONE && st.len_bytes == len_bytes;
	for (size_t at = 0; same && at < len_bytes; at += piece_bytes) {
		if (piece_bytes > len_bytes - at)
			piece_bytes = len_bytes - at;
		code = get_range(r, e, name, at, piece, piece_bytes, err);
		same = code == ERR_NONE && memcmp(piece, bytes + at, piece_bytes) == 0;
	}
	free(piece);
	if (code != ERR_NONE || same)
		return code;
	return err_set(err, ERR_EXISTS, "put %s: the name is taken by other bytes", name);
}

static int retry_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
		     struct error *err)
{
	struct retry_drive *r = retry_of(d);
	struct effort e = effort_of(r);
	bool unsure = false;
	int code;

	do {
		code = r->inner->driver->put(r->inner, name, bytes, len_bytes, err);
		if (code == ERR_EXISTS && unsure) {
			code = compare(r, &e, name, bytes, len_bytes, err);
			if (code == ERR_TRANSIENT)
				return code; /* it has used up the tries */
			if (code == ERR_NOT_FOUND)
				code = err_set(err, ERR_TRANSIENT, "put %s: there and not there", name);
		}
		unsure = unsure || code == ERR_TRANSIENT;
	} while (try_again(r, &e, &code, err));
	return code;
}

/* ---- move ---- */

/* After a repetition that said no: ERR_NONE when an earlier try did it. why: what was said. */
static int moved_already(struct retry_drive *r, struct effort *e, const char *from, const char *to,
			 uint64_t len_bytes, const struct error *why, struct error *err)
{
	struct object_stat st;
	int code = get_length(r, e, from, &st, err);

	if (code == ERR_NOT_FOUND)
		code = get_length(r, e, to, &st, err);
	else if (code == ERR_NONE)
		code = ERR_NOT_FOUND;
	if (code == ERR_NONE && st.len_bytes == len_bytes)
		return ERR_NONE;
	if (code == ERR_NONE || code == ERR_NOT_FOUND)
		*err = *why;
	return (int)err->code;
}

static int retry_move(struct drive *d, const char *from, const char *to, struct error *err)
{
	struct retry_drive *r = retry_of(d);
	struct drive *inner = r->inner;
	struct effort e = effort_of(r);
	struct object_stat before, there;
	bool unsure = false, known = get_length(r, &e, from, &before, err) == ERR_NONE &&
				     get_length(r, &e, to, &there, err) == ERR_NOT_FOUND;
	int code;

	e = effort_of(r);
	do {
		code = inner->driver->move(inner, from, to, err);
		if (unsure && known && (code == ERR_NOT_FOUND || code == ERR_EXISTS)) {
			struct error why = *err;

			return moved_already(r, &e, from, to, before.len_bytes, &why, err);
		}
		unsure = unsure || code == ERR_TRANSIENT;
	} while (try_again(r, &e, &code, err));
	return code;
}

/* ---- list ---- */

struct listing {
	struct handed handed;
	bool again;   /* it is a repetition: what was handed out is left out */
	bool stopped; /* by each() */
	object_fn *each;
	void *ctx;
};

static int hand_out(void *ctx, const char *name, uint64_t len_bytes)
{
	struct listing *l = ctx;
	int code;

	if (handed_add(&l->handed, name) && l->again)
		return 0;
	code = l->each(l->ctx, name, len_bytes);
	l->stopped = code != 0;
	return code;
}

static int retry_list(struct drive *d, const char *prefix, object_fn *each, void *ctx,
		      struct error *err)
{
	struct retry_drive *r = retry_of(d);
	struct effort e = effort_of(r);
	struct listing l = { .each = each, .ctx = ctx };
	bool repeats;
	int code;

	handed_init(&l.handed);
	do {
		code = r->inner->driver->list(r->inner, prefix, hand_out, &l, err);
		if (l.stopped || l.handed.full) /* what each() said may be any number */
			break;
		repeats = try_again(r, &e, &code, err);
		l.again = true;
	} while (repeats);
	handed_release(&l.handed);
	return code;
}

/* ---- opening and closing ---- */

static void retry_close(struct drive *d)
{
	struct retry_drive *r = retry_of(d);

	r->inner->driver->close(r->inner);
	free(r);
}

static void fill_outer(struct mrmr_driver *out)
{
	out->close = retry_close;
	out->put = retry_put;
	out->get = retry_get;
	out->stat = retry_stat;
	out->list = retry_list;
	out->move = retry_move;
	out->remove = retry_remove;
	out->sync = retry_sync;
	out->about = retry_about;
}

int retry_open(const struct mrmr_driver *driver, const char *url,
	       const struct drive_options *options, const struct retry_rules *rules,
	       struct drive **out, struct error *err)
{
	struct retry_drive *r = calloc(1, sizeof(*r));
	struct effort e;
	int code;

	*out = NULL;
	if (!r)
		return err_nomem(err);
	r->rules = rules ? *rules : retry_default;
	r->meter = options->meter;
	e = effort_begin(&r->rules, r->rules.open_tries);
	do
		code = driver->open(url, options, &r->inner, err);
	while (try_again(r, &e, &code, err));
	if (code != ERR_NONE) {
		free(r);
		return code;
	}
	r->outer = *r->inner->driver;
	fill_outer(&r->outer);
	r->base.driver = &r->outer;
	*out = &r->base;
	return ERR_NONE;
}
