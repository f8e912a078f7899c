/* The threads that make calls of drives, and the calls on their way. */
#include "array/watched_internal.h"

#include "base/pool.h"

#include <time.h>

#define US_PER_MS 1000
#define QUEUE_US 10000 /* if nothing moves for so long, calls that wait get a thread more */
#define SLOWEST_BYTES_PER_S ((uint64_t)128 << 10) /* what is slower than that hangs */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Under the lock. They stay until the process ends: a call may hang as long. */
static struct {
	struct call *first, *last;	/* not begun yet */
	pthread_cond_t has_call;
	unsigned threads, idle, woken; /* woken: of those that were idle, not awake yet */
	uint64_t moved_us;		/* when a call was last taken or came back */
} hands = { .has_call = PTHREAD_COND_INITIALIZER };

void calls_lock(void)
{
	pthread_mutex_lock(&lock);
}

void calls_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

void calls_cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

bool calls_wait_until(pthread_cond_t *c, uint64_t until_us)
{
	struct timespec t = { .tv_sec = (time_t)(until_us / 1000000),
			      .tv_nsec = (long)(until_us % 1000000) * 1000 };

	return pthread_cond_timedwait(c, &lock, &t) == 0;
}

unsigned hands_to_compute(void)
{
	static unsigned count;

	pthread_mutex_lock(&lock);
	if (count == 0)
		count = cpu_count();
	pthread_mutex_unlock(&lock);
	return count;
}

/* ---- threads. All here with the lock held ---- */

static bool may_begin(const struct call *c)
{
	const struct watched *w = c->w;

	return w->running < w->running_max && !(c->in_order && w->in_order) && !w->hangs;
}

static struct call *next_call(void)
{
	struct call *c = hands.first;

	while (c && !may_begin(c))
		c = c->next;
	return c;
}

static void unlink_call(struct call *c)
{
	struct call *before = NULL;

	for (struct call *at = hands.first; at != c; at = at->next)
		before = at;
	if (before)
		before->next = c->next;
	else
		hands.first = c->next;
	if (hands.last == c)
		hands.last = before;
	c->w->waiting--;
}

static void append_call(struct call *c)
{
	if (hands.last)
		hands.last->next = c;
	else
		hands.first = c;
	hands.last = c;
	c->w->waiting++;
}

/* Lets go of c: by the last, the lock is let go for its release. */
static void drop_call(struct call *c)
{
	struct watched *w = c->w;

	if (--c->holders > 0)
		return;
	pthread_mutex_unlock(&lock);
	pthread_cond_destroy(&c->changed);
	c->release(c);
	pthread_mutex_lock(&lock);
	watched_let_go(w);
}

static int run_call(struct call *c)
{
	struct watched *w = c->w;
	int code = c->in_order ? w->order_broken : ERR_NONE;

	if (code != ERR_NONE) {
		c->err = w->broken;
		return code;
	}
	pthread_mutex_unlock(&lock);
	code = c->run(c, &w->timed.base, &c->err);
	pthread_mutex_lock(&lock);
	if (code != ERR_NONE && c->in_order && w->order_broken == ERR_NONE) {
		w->order_broken = code;
		w->broken = c->err;
	}
	return code;
}

static void make_call(struct call *c)
{
	struct watched *w = c->w;

	unlink_call(c);
	c->begun = true;
	w->running++;
	if (c->in_order)
		w->in_order = true;
	hands.moved_us = clock_us();
	c->code = run_call(c);
	w->running--;
	if (c->in_order)
		w->in_order = false;
	c->ended = true;
	hands.moved_us = w->alive_us = clock_us();
	pthread_cond_broadcast(&c->changed);
	drop_call(c);
}

static void *hand(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&lock);
	for (;;) {
		struct call *c = next_call();

		if (c) {
			make_call(c);
			continue;
		}
		hands.idle++;
		while (hands.woken == 0)
			pthread_cond_wait(&hands.has_call, &lock);
		hands.woken--;
	}
	return NULL;
}

/* A child has no threads but the one that forked. */
static void forget_hands(void)
{
	pthread_mutex_init(&lock, NULL);
	pthread_cond_init(&hands.has_call, NULL);
	hands.first = hands.last = NULL;
	hands.threads = hands.idle = hands.woken = 0;
}

static void add_hand(void)
{
	static bool told;
	pthread_t id;

	if (!told)
		told = pthread_atfork(calls_lock, calls_unlock, forget_hands) == 0;
	if (thread_start(&id, hand, NULL) != 0)
		return;
	pthread_detach(id);
	hands.threads++;
	hands.moved_us = clock_us();
}

/* There is a call more that may begin. */
static void call_for_hands(unsigned wanted)
{
	if (hands.idle > 0) {
		hands.idle--;
		hands.woken++;
		pthread_cond_signal(&hands.has_call);
	} else if (hands.threads == 0 || hands.threads < wanted) {
		add_hand();
	}
}

/* ---- calls ---- */

void call_start(struct drive *d, struct call *c)
{
	struct watched *w = (struct watched *)d;

	calls_cond_init(&c->changed);
	c->w = w;
	c->next = NULL;
	c->begun = c->ended = c->barred = c->inside = false;
	c->holders = 1;
	c->code = ERR_NONE;
	c->since_us = clock_us();
	pthread_mutex_lock(&lock);
	w->holders++;
	if (w->hangs) {
		c->code = err_set(&c->err, ERR_TRANSIENT, "the drive does not answer");
		c->ended = true;
	} else {
		c->holders++;
		append_call(c);
		if (may_begin(c))
			call_for_hands(c->hands);
		if (hands.threads == 0)
			make_call(c); /* no thread to be had: then here */
	}
	pthread_mutex_unlock(&lock);
}

static uint64_t quiet_since_us(const struct call *c)
{
	return c->w->alive_us > c->since_us ? c->w->alive_us : c->since_us;
}

/* What was put and not synced is on its way, too. */
static uint64_t late_us(const struct call *c, uint64_t bytes)
{
	return quiet_since_us(c) + (uint64_t)c->w->hang_ms * US_PER_MS +
	       (bytes + c->w->unsynced_bytes) * 1000000 / SLOWEST_BYTES_PER_S;
}

bool call_await(struct call *c, uint64_t bytes, uint64_t until_us)
{
	struct watched *w = c->w;
	uint64_t look_us = clock_us() + QUEUE_US;

	if (w->hangs)
		return false;
	if (until_us > late_us(c, bytes))
		until_us = late_us(c, bytes);
	if (next_call() && until_us > look_us)
		until_us = look_us;
	if (!calls_wait_until(&c->changed, until_us) && next_call() &&
	    clock_us() - hands.moved_us >= QUEUE_US)
		call_for_hands(UINT_MAX);
	if (!c->ended && clock_us() >= late_us(c, bytes))
		w->hangs = true;
	return c->ended || !w->hangs;
}

bool call_wait(struct call *c, uint64_t bytes, unsigned ms)
{
	uint64_t until_us = clock_us() + (uint64_t)ms * US_PER_MS;
	bool done;

	pthread_mutex_lock(&lock);
	while (!(done = c->ended || c->w->hangs) && clock_us() < until_us)
		call_await(c, bytes, until_us);
	pthread_mutex_unlock(&lock);
	return done;
}

int call_finish(struct call *c, uint64_t bytes, struct error *err)
{
	bool given_up = false;
	int code;

	pthread_mutex_lock(&lock);
	while (!c->ended && !given_up) {
		if (c->inside)
			pthread_cond_wait(&c->changed, &lock);
		else
			given_up = !call_await(c, bytes, UINT64_MAX);
	}
	if (given_up)
		c->barred = true;
	code = c->ended ? c->code : err_set(err, ERR_TRANSIENT, "no answer in %.1f s",
					    (double)(clock_us() - c->since_us) / 1e6);
	if (c->ended && code != ERR_NONE)
		*err = c->err;
	pthread_mutex_unlock(&lock);
	return code;
}

bool call_bar(struct call *c)
{
	bool barred;

	pthread_mutex_lock(&lock);
	barred = c->barred = !c->inside;
	pthread_mutex_unlock(&lock);
	return barred;
}

bool call_enter(struct call *c)
{
	bool inside;

	pthread_mutex_lock(&lock);
	inside = c->inside = !c->barred;
	pthread_mutex_unlock(&lock);
	return inside;
}

void call_leave(struct call *c)
{
	pthread_mutex_lock(&lock);
	while (c->inside && !c->ended)
		pthread_cond_wait(&c->changed, &lock);
	c->barred = true;
	if (!c->begun && !c->ended) {
		unlink_call(c);
		c->holders--; /* no thread will have it */
	}
	drop_call(c);
	pthread_mutex_unlock(&lock);
}
