#include "cmd/limits.h"

#include "base/clock.h"
#include "base/meter.h"
#include "net/limit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { UP, DOWN, WAYS };

static const char *const keys[WAYS] = { "limit-upload", "limit-download" };

/* Of one place. */
struct place_limits {
	struct place_limits *next;
	char *url;
	struct limit *ways[WAYS];
};

/* Of one opening: it tells and counts what moves, and binds nothing itself. */
struct telling {
	struct telling *next;
	struct limit *limit;
	void (*moved)(void *ctx); /* NULL: nobody asks */
	void *moved_ctx;
	struct meter *meter; /* held */
	enum meter_count bytes; /* what it counts there */
};

static struct limit *of_all[WAYS]; /* NULL: none */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct place_limits *places; /* of lock */
static struct telling *tellings;    /* of lock */

int limits_begin(const struct globals *g, struct error *err)
{
	uint64_t rates[WAYS] = { g->limit_upload, g->limit_download };

	for (int i = 0; i < WAYS; i++) {
		if (rates[i] == 0 || of_all[i])
			continue;
		of_all[i] = limit_new(rates[i], NULL);
		if (!of_all[i])
			return err_nomem(err);
	}
	return ERR_NONE;
}

/* Within lock. NULL: out of memory. */
static struct place_limits *place_of(const char *url)
{
	struct place_limits *p = places;

	while (p && strcmp(p->url, url) != 0)
		p = p->next;
	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (p)
		p->url = strdup(url);
	if (!p || !p->url) {
		free(p);
		return NULL;
	}
	p->next = places;
	places = p;
	return p;
}

/* Within lock. Its own below that of all, or that of all itself. */
static int way_of(const char *url, int way, uint64_t rate, struct limit **out, struct error *err)
{
	struct place_limits *p;

	*out = of_all[way];
	if (rate == 0)
		return ERR_NONE;
	p = place_of(url);
	if (p && !p->ways[way])
		p->ways[way] = limit_new(rate, of_all[way]);
	if (!p || !p->ways[way])
		return err_nomem(err);
	*out = p->ways[way];
	return ERR_NONE;
}

static void tell_moved(void *ctx, size_t len_bytes, uint64_t wait_us)
{
	const struct telling *t = ctx;

	meter_add(t->meter, t->bytes, len_bytes);
	if (wait_us > 0)
		meter_held_back(t->meter, clock_us(), wait_us);
	if (t->moved)
		t->moved(t->moved_ctx);
}

/* Within lock. Below what is there. */
static int way_that_tells(const struct drive_options *o, int way, struct limit **out,
			  struct error *err)
{
	struct telling *t = calloc(1, sizeof(*t));

	if (t)
		t->limit = limit_new(0, *out);
	if (!t || !t->limit) {
		free(t);
		return err_nomem(err);
	}
	t->moved = o->moved;
	t->moved_ctx = o->moved_ctx;
	t->meter = meter_hold(o->meter);
	t->bytes = way == UP ? METER_UP_BYTES : METER_DOWN_BYTES;
	limit_watch(t->limit, tell_moved, t);
	t->next = tellings;
	tellings = t;
	*out = t->limit;
	return ERR_NONE;
}

int limits_of(const char *url, const struct drive_option_set *given, struct drive_options *out,
	      struct error *err)
{
	struct limit **to[WAYS] = { &out->upload, &out->download };
	int code = ERR_NONE;

	for (int i = 0; i < WAYS && code == ERR_NONE; i++) {
		uint64_t rate;

		code = drive_option_number(given, keys[i], 0, UINT64_MAX, 0, &rate, err);
		if (code != ERR_NONE)
			break;
		pthread_mutex_lock(&lock);
		code = way_of(url, i, rate, to[i], err);
		if (code == ERR_NONE && (out->moved || out->meter))
			code = way_that_tells(out, i, to[i], err);
		pthread_mutex_unlock(&lock);
	}
	return code;
}
