#include "tests/support/fault_drive.h"

#include "base/bytes.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CALL_KINDS 8

struct fault_drive {
	struct drive base;
	struct mrmr_driver driver; /* our calls, with the name and limits of the driver inside */
	struct drive *inner;
	pthread_mutex_t lock; /* guards all below */
	struct fault_rule rules[FAULT_RULES_MAX];
	unsigned rule_count;
	uint64_t counts[CALL_KINDS];
	bool has_size;
	uint64_t total_bytes, used_bytes;
	struct buf unsynced; /* names of puts since the last sync, each with its NUL */
	fault_hook *hook;
	void *hook_ctx;
	pthread_cond_t released;
	unsigned stalling;
	uint64_t releases;
	struct fault_drive *next; /* of all there are */
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct fault_drive *all;

static struct fault_drive *fault_of(struct drive *d)
{
	return (struct fault_drive *)d;
}

static bool rule_matches(const struct fault_rule *r, enum fault_calls call, const char *name)
{
	if (!(r->calls & (unsigned)call))
		return false;
	return !r->prefix || strncmp(name, r->prefix, strlen(r->prefix)) == 0;
}

static void stall(struct fault_drive *f, uint64_t ms)
{
	struct timespec until;
	uint64_t releases;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&f->lock);
	releases = f->releases;
	f->stalling += ms == 0;
	while (f->releases == releases) {
		if (ms == 0)
			pthread_cond_wait(&f->released, &f->lock);
		else if (pthread_cond_timedwait(&f->released, &f->lock, &until) != 0)
			break;
	}
	f->stalling -= ms == 0;
	pthread_mutex_unlock(&f->lock);
}

/* Counts the call. True: *out decides about it. */
static bool rule_for(struct fault_drive *f, enum fault_calls call, const char *name,
		     struct fault_rule *out)
{
	bool decided = false;
	fault_hook *hook;
	void *ctx;

	pthread_mutex_lock(&f->lock);
	f->counts[__builtin_ctz((unsigned)call)]++;
	for (unsigned i = 0; i < f->rule_count; i++) {
		struct fault_rule *r = &f->rules[i];

		if (!rule_matches(r, call, name))
			continue;
		if (r->nth > 0)
			r->nth--;
		if (r->nth > 0 || decided)
			continue;
		*out = *r;
		decided = true;
		if (!r->for_ever)
			r->calls = 0;
	}
	hook = f->hook;
	ctx = f->hook_ctx;
	pthread_mutex_unlock(&f->lock);
	if (hook)
		hook(ctx, call, name);
	if (decided && out->effect == FAULT_STALL) {
		stall(f, out->at);
		decided = false;
	}
	return decided;
}

static int answer(const struct fault_rule *r, const char *step, const char *name, struct error *err)
{
	if (r->code == ERR_NONE)
		return ERR_NONE;
	return err_set(err, r->code, "%s %s: fault injected by a test", step, name);
}

/* What is left of a call whose rule is FAIL, FAIL_AFTER or LIE; done says the inner call is. */
static int finish(const struct fault_rule *r, int code, const char *step, const char *name,
		  struct error *err)
{
	if (r->effect == FAULT_LIE)
		return ERR_NONE;
	return code != ERR_NONE ? code : answer(r, step, name, err);
}

static bool take_room(struct fault_drive *f, size_t len_bytes)
{
	bool fits;

	pthread_mutex_lock(&f->lock);
	fits = !f->has_size ||
	       (f->used_bytes <= f->total_bytes && len_bytes <= f->total_bytes - f->used_bytes);
	if (fits)
		f->used_bytes += len_bytes;
	pthread_mutex_unlock(&f->lock);
	return fits;
}

static void give_room(struct fault_drive *f, uint64_t len_bytes)
{
	pthread_mutex_lock(&f->lock);
	f->used_bytes -= len_bytes < f->used_bytes ? len_bytes : f->used_bytes;
	pthread_mutex_unlock(&f->lock);
}

static int inner_put(struct fault_drive *f, const char *name, const void *bytes, size_t len_bytes,
		     struct error *err)
{
	int code;

	if (!take_room(f, len_bytes))
		return err_set(err, ERR_FULL, "put %s: the drive is full", name);
	code = f->inner->driver->put(f->inner, name, bytes, len_bytes, err);
	if (code != ERR_NONE) {
		give_room(f, len_bytes);
		return code;
	}
	pthread_mutex_lock(&f->lock);
	buf_add(&f->unsynced, name, strlen(name) + 1);
	pthread_mutex_unlock(&f->lock);
	return ERR_NONE;
}

static void flip(uint8_t *bytes, size_t len_bytes, uint64_t bit)
{
	if (len_bytes > 0)
		bytes[bit / 8 % len_bytes] ^= (uint8_t)(1 << bit % 8);
}

static int put_flipped(struct fault_drive *f, const struct fault_rule *r, const char *name,
		       const void *bytes, size_t len_bytes, struct error *err)
{
	uint8_t *copy = malloc(len_bytes + 1);
	int code;

	if (!copy)
		return err_nomem(err);
	if (len_bytes > 0)
		memcpy(copy, bytes, len_bytes);
	flip(copy, len_bytes, r->at);
	code = inner_put(f, name, copy, len_bytes, err);
	free(copy);
	return code;
}

static int fault_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
		     struct error *err)
{
	struct fault_drive *f = fault_of(d);
	struct fault_rule r;
	int code = ERR_NONE;

	if (!rule_for(f, FAULT_PUT, name, &r))
		return inner_put(f, name, bytes, len_bytes, err);
	switch (r.effect) {
	case FAULT_FLIP:
		return put_flipped(f, &r, name, bytes, len_bytes, err);
	case FAULT_TEAR:
		code = inner_put(f, name, bytes, r.at < len_bytes ? (size_t)r.at : len_bytes, err);
		break;
	case FAULT_FAIL_AFTER:
		code = inner_put(f, name, bytes, len_bytes, err);
		break;
	case FAULT_FAIL:
	case FAULT_LIE:
	case FAULT_STALL:
		break;
	}
	return finish(&r, code, "put", name, err);
}

static int fault_get(struct drive *d, const char *name, uint64_t offset_bytes, void *out,
		     size_t len_bytes, struct error *err)
{
	struct fault_drive *f = fault_of(d);
	struct fault_rule r = {.effect = FAULT_FAIL};
	bool decided = rule_for(f, FAULT_GET, name, &r);
	int code;

	if (decided && r.effect == FAULT_FAIL)
		return answer(&r, "get", name, err);
	code = f->inner->driver->get(f->inner, name, offset_bytes, out, len_bytes, err);
	if (!decided)
		return code;
	if (r.effect == FAULT_FLIP && code == ERR_NONE)
		flip(out, len_bytes, r.at);
	if (r.effect == FAULT_LIE && len_bytes > 0)
		memset(out, 0, len_bytes);
	return r.effect == FAULT_FLIP ? code : finish(&r, code, "get", name, err);
}

static int fault_stat(struct drive *d, const char *name, struct object_stat *out, struct error *err)
{
	struct fault_drive *f = fault_of(d);
	struct fault_rule r;

	if (!rule_for(f, FAULT_STAT, name, &r))
		return f->inner->driver->stat(f->inner, name, out, err);
	out->len_bytes = 0;
	return finish(&r, ERR_NONE, "stat", name, err);
}

static int fault_list(struct drive *d, const char *prefix, object_fn *each, void *ctx,
		      struct error *err)
{
	struct fault_drive *f = fault_of(d);
	struct fault_rule r = {.effect = FAULT_FAIL};
	bool decided = rule_for(f, FAULT_LIST, prefix, &r);
	int code = ERR_NONE;

	if (!decided || r.effect == FAULT_FAIL_AFTER)
		code = f->inner->driver->list(f->inner, prefix, each, ctx, err);
	return decided ? finish(&r, code, "list", prefix, err) : code;
}

static int fault_move(struct drive *d, const char *from, const char *to, struct error *err)
{
	struct fault_drive *f = fault_of(d);
	struct fault_rule r = {.effect = FAULT_FAIL};
	bool decided = rule_for(f, FAULT_MOVE, from, &r);
	int code = ERR_NONE;

	if (!decided || r.effect == FAULT_FAIL_AFTER)
		code = f->inner->driver->move(f->inner, from, to, err);
	return decided ? finish(&r, code, "move", from, err) : code;
}

static int fault_remove(struct drive *d, const char *name, struct error *err)
{
	struct fault_drive *f = fault_of(d);
	struct fault_rule r = {.effect = FAULT_FAIL};
	bool decided = rule_for(f, FAULT_REMOVE, name, &r);
	struct object_stat st = {0};
	int code = ERR_NONE;

	if (!decided || r.effect == FAULT_FAIL_AFTER) {
		if (f->inner->driver->stat(f->inner, name, &st, err) != ERR_NONE)
			st.len_bytes = 0;
		code = f->inner->driver->remove(f->inner, name, err);
		if (code == ERR_NONE)
			give_room(f, st.len_bytes);
	}
	return decided ? finish(&r, code, "remove", name, err) : code;
}

/* After a sync that failed, nothing put since the last one counts; names are free again. */
static void give_up_unsynced(struct fault_drive *f)
{
	struct error ignored;
	struct buf names;
	size_t at = 0;

	pthread_mutex_lock(&f->lock);
	names = f->unsynced;
	f->unsynced = (struct buf){0};
	pthread_mutex_unlock(&f->lock);
	while (at < names.len_bytes) {
		const char *name = (const char *)names.data + at;

		f->inner->driver->remove(f->inner, name, &ignored);
		at += strlen(name) + 1;
	}
	buf_release(&names);
}

static int fault_sync(struct drive *d, struct error *err)
{
	struct fault_drive *f = fault_of(d);
	struct fault_rule r = {.effect = FAULT_FAIL};
	bool decided = rule_for(f, FAULT_SYNC, "", &r);
	int code = ERR_NONE;

	if (!decided || r.effect == FAULT_FAIL_AFTER)
		code = f->inner->driver->sync(f->inner, err);
	if (decided && r.effect == FAULT_FAIL) {
		give_up_unsynced(f);
	} else if (!decided || r.effect != FAULT_LIE) {
		pthread_mutex_lock(&f->lock);
		buf_clear(&f->unsynced);
		pthread_mutex_unlock(&f->lock);
	}
	return decided ? finish(&r, code, "sync", "the drive", err) : code;
}

static int fault_about(struct drive *d, struct drive_about *out, struct error *err)
{
	struct fault_drive *f = fault_of(d);
	struct fault_rule r;
	int code;

	if (rule_for(f, FAULT_ABOUT, "", &r) && r.effect != FAULT_LIE)
		return answer(&r, "about", "the drive", err);
	code = f->inner->driver->about(f->inner, out, err);
	pthread_mutex_lock(&f->lock);
	if (code == ERR_NONE && f->has_size) {
		out->total_bytes = f->total_bytes;
		out->free_bytes =
			f->used_bytes < f->total_bytes ? f->total_bytes - f->used_bytes : 0;
	}
	pthread_mutex_unlock(&f->lock);
	return code;
}

static void fault_close(struct drive *d)
{
	struct fault_drive *f = fault_of(d);

	f->inner->driver->close(f->inner);
	pthread_mutex_lock(&all_lock);
	for (struct fault_drive **at = &all; *at; at = &(*at)->next) {
		if (*at == f) {
			*at = f->next;
			break;
		}
	}
	pthread_mutex_unlock(&all_lock);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->released);
	buf_release(&f->unsynced);
	free(f);
}

struct drive *fault_drive_new(struct drive *inner)
{
	struct fault_drive *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->inner = inner;
	f->driver = *inner->driver;
	f->driver.flags &= (enum driver_flags)~DRIVER_LOCAL; /* its calls may hang */
	f->driver.close = fault_close;
	f->driver.put = fault_put;
	f->driver.get = fault_get;
	f->driver.stat = fault_stat;
	f->driver.list = fault_list;
	f->driver.move = fault_move;
	f->driver.remove = fault_remove;
	f->driver.sync = fault_sync;
	f->driver.about = fault_about;
	f->base.driver = &f->driver;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->released, NULL);
	pthread_mutex_lock(&all_lock);
	f->next = all;
	all = f;
	pthread_mutex_unlock(&all_lock);
	return &f->base;
}

void fault_add(struct drive *d, const struct fault_rule *rule)
{
	struct fault_drive *f = fault_of(d);
	unsigned i = 0;

	pthread_mutex_lock(&f->lock);
	while (i < f->rule_count && f->rules[i].calls != 0)
		i++; /* one that has done its work makes room */
	if (i == FAULT_RULES_MAX)
		abort();
	f->rules[i] = *rule;
	if (i == f->rule_count)
		f->rule_count++;
	pthread_mutex_unlock(&f->lock);
}

void fault_clear(struct drive *d)
{
	struct fault_drive *f = fault_of(d);

	pthread_mutex_lock(&f->lock);
	f->rule_count = 0;
	pthread_mutex_unlock(&f->lock);
}

void fault_release(struct drive *d)
{
	struct fault_drive *f = fault_of(d);

	pthread_mutex_lock(&f->lock);
	f->releases++;
	pthread_cond_broadcast(&f->released);
	pthread_mutex_unlock(&f->lock);
}

void fault_let_all_go(void)
{
	bool any = true;

	for (unsigned ms = 0; any; ms++) {
		pthread_mutex_lock(&all_lock);
		any = all != NULL;
		for (struct fault_drive *f = all; f; f = f->next) {
			fault_clear(&f->base);
			fault_release(&f->base);
		}
		pthread_mutex_unlock(&all_lock);
		if (ms > 60000)
			abort(); /* a drive that nobody closes */
		usleep(any ? 1000 : 0);
	}
}

unsigned fault_stalling(struct drive *d)
{
	struct fault_drive *f = fault_of(d);
	unsigned stalling;

	pthread_mutex_lock(&f->lock);
	stalling = f->stalling;
	pthread_mutex_unlock(&f->lock);
	return stalling;
}

void fault_die(struct drive *d, uint64_t nth, enum err_code code)
{
	fault_add(d, &(struct fault_rule){
			     .calls = FAULT_ANY, .nth = nth, .for_ever = true, .code = code});
}

uint64_t fault_count(struct drive *d, unsigned calls)
{
	struct fault_drive *f = fault_of(d);
	uint64_t sum = 0;

	pthread_mutex_lock(&f->lock);
	for (unsigned i = 0; i < CALL_KINDS; i++)
		if (calls & 1U << i)
			sum += f->counts[i];
	pthread_mutex_unlock(&f->lock);
	return sum;
}

static int add_bytes(void *ctx, const char *name, uint64_t len_bytes)
{
	(void)name;
	*(uint64_t *)ctx += len_bytes;
	return 0;
}

void fault_set_size(struct drive *d, uint64_t total_bytes)
{
	struct fault_drive *f = fault_of(d);
	uint64_t used_bytes = 0;
	struct error err;

	if (f->inner->driver->list(f->inner, "", add_bytes, &used_bytes, &err) != ERR_NONE)
		abort();
	pthread_mutex_lock(&f->lock);
	f->has_size = true;
	f->total_bytes = total_bytes;
	f->used_bytes = used_bytes;
	pthread_mutex_unlock(&f->lock);
	f->driver.flags |= DRIVER_KNOWS_SPACE;
}

void fault_set_hook(struct drive *d, fault_hook *hook, void *ctx)
{
	struct fault_drive *f = fault_of(d);

	pthread_mutex_lock(&f->lock);
	f->hook = hook;
	f->hook_ctx = ctx;
	pthread_mutex_unlock(&f->lock);
}

struct drive *fault_inner(struct drive *d)
{
	return fault_of(d)->inner;
}
