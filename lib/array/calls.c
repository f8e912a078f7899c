/* The threads that make calls of drives, and the calls on their way. */
#include "array/watched_internal.h"

#include "base/pool.h"

#define US_PER_MS 1000
#define QUEUE_US 10000 /* if nothing moves for so long, calls that wait get a thread more */
#define SLOWEST_BYTES_PER_S ((uint64_t)128 << 10) /* what is slower than that hangs */

/* Under the lock. They stay until the process ends: a call may hang as long. */
static struct {
	struct call *first, *last;	/* not begun yet */
	unsigned threads, idle, woken; /* woken: of those that were idle, not awake yet */
	uint64_t moved_us;		/* when a call was last taken or came back */
} hands;

unsigned hands_to_compute(void)
{
	static unsigned count;

	calls_lock();
	if (count == 0)
		count = cpu_count();
	calls_unlock();
	return count;
}

/* ---- calls in order. From here to hand() all is called with the lock held ---- */

static void enter_order(struct call *c)
{
	struct watched *w = c->w;

	c->order_next = NULL;
	if (w->order_last)
		w->order_last->order_next = c;
	else
		w->order_first = c;
	w->order_last = c;
}

static void leave_order(struct call *c)
{
	struct watched *w = c->w;
	struct call *before = NULL;

	for (struct call *at = w->order_first; at != c; at = at->order_next)
		before = at;
	if (before)
		before->order_next = c->order_next;
	else
		w->order_first = c->order_next;
	if (w->order_last == c)
		w->order_last = before;
	pthread_cond_broadcast(&w->order_moved);
}

/* Those behind c that have run, none left out, so that what settles c settles them. NULL: none. */
static struct call *last_that_ran(struct call *c)
{
	struct call *last = NULL;

	for (struct call *at = c->order_next; at && at->ran; at = at->order_next) {
		if (at->settle == c->settle)
			last = at;
	}
	return last;
}

static int settle_with(struct call *c)
{
	struct call *last = last_that_ran(c);
	int code;

	calls_unlock();
	code = c->settle(c, &c->w->timed.base, &c->err);
	calls_lock();
	for (struct call *at = c; last && at != last && code == ERR_NONE;) {
		at = at->order_next;
		at->settled = at->settle == c->settle;
	}
	return code;
}

/* After those before it. Its error is that of the first that failed. */
static int settle(struct call *c, int code)
{
	struct watched *w = c->w;

	c->ran = code == ERR_NONE;
	while (w->order_first != c)
		calls_wait(&w->order_moved);
	if (w->order_broken != ERR_NONE) {
		c->err = w->broken;
		return w->order_broken;
	}
	if (code == ERR_NONE && c->settle && !c->settled)
		code = settle_with(c);
	if (code != ERR_NONE) {
		w->order_broken = code;
		w->broken = c->err;
	}
	return code;
}

/* ---- calls that wait ---- */

static bool may_begin(const struct call *c)
{
	const struct watched *w = c->w;

	if (w->running >= w->running_max || w->hangs)
		return false;
	return !c->in_order || w->order_first == c || w->outer.flags & DRIVER_REMOTE;
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

/* ---- threads ---- */

/* Lets go of c: by the last, the lock is let go for its release. */
static void drop_call(struct call *c)
{
	struct watched *w = c->w;

	if (--c->holders > 0)
		return;
	calls_unlock();
	c->release(c);
	calls_lock();
	watched_let_go(w);
}

/* Takes those that may be made with c along. */
static void join_calls(struct call *c)
{
	struct call **end = &c->joined, *next;

	for (struct call *at = hands.first; at; at = next) {
		next = at->next;
		if (at->w != c->w || !c->joins(c, at))
			continue;
		unlink_call(at);
		at->begun = true;
		at->begun_us = c->begun_us;
		*end = at;
		end = &at->joined;
	}
}

static void end_call(struct call *c, int code)
{
	c->code = code;
	c->ended = true;
	hands.moved_us = c->w->alive_us = clock_us();
	calls_wake(c->changed);
	drop_call(c);
}

static int run_call(struct call *c)
{
	struct watched *w = c->w;
	int code = c->in_order ? w->order_broken : ERR_NONE;

	if (code != ERR_NONE) {
		c->err = w->broken;
		return code;
	}
	calls_unlock();
	code = c->run(c, &w->timed.base, &c->err);
	calls_lock();
	return c->in_order ? settle(c, code) : code;
}

static void make_call(struct call *c)
{
	struct watched *w = c->w;
	int code;

	unlink_call(c);
	c->begun = true;
	c->begun_us = clock_us();
	if (c->joins)
		join_calls(c);
	w->running++;
	hands.moved_us = c->begun_us;
	code = run_call(c);
	w->running--;
	if (c->in_order)
		leave_order(c);
	end_call(c, code);
}

static void *hand(void *unused)
{
	(void)unused;
	calls_lock();
	for (;;) {
		struct call *c = next_call();

		if (c) {
			make_call(c);
			calls_unlock(); /* whoever waited for it goes on first */
			calls_lock();
			continue;
		}
		hands.idle++;
		while (hands.woken == 0)
			calls_wait_idle();
		hands.woken--;
	}
	return NULL;
}

/* A child has no threads but the one that forked. */
static void forget_hands(void)
{
	calls_forget_waiting();
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
		calls_wake_hand();
	} else if (hands.threads == 0 || hands.threads < wanted) {
		add_hand();
	}
}

/* Those who wait for calls that will not begin are told. */
void calls_give_up(struct watched *w)
{
	w->hangs = true;
	for (struct call *c = hands.first; c; c = c->next) {
		if (c->w == w)
			calls_wake(c->changed);
	}
}

/* ---- calls ---- */

void call_start(struct drive *d, struct call *c)
{
	struct watched *w = (struct watched *)d;

	c->w = w;
	c->next = c->joined = NULL;
	c->begun = c->ended = c->barred = c->inside = c->ran = c->settled = false;
	c->holders = 1;
	c->code = ERR_NONE;
	c->since_us = clock_us();
	calls_lock();
	c->changed = calls_place();
	w->holders++;
	if (w->hangs) {
		c->code = err_set(&c->err, ERR_TRANSIENT, "the drive does not answer");
		c->ended = true;
	} else {
		c->holders++;
		append_call(c);
		if (c->in_order)
			enter_order(c);
		if (may_begin(c))
			call_for_hands(w->outer.flags & DRIVER_REMOTE ? HANDS_EACH : c->hands);
		if (hands.threads == 0)
			make_call(c); /* no thread to be had: then here */
	}
	calls_unlock();
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
	if (!calls_wait_until(c->changed, until_us) && next_call() &&
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

	calls_lock();
	while (!(done = c->ended || c->w->hangs) && clock_us() < until_us)
		call_await(c, bytes, until_us);
	calls_unlock();
	return done;
}

bool call_is_late(struct call *c, unsigned ms, bool elsewhere)
{
	bool late;

	calls_lock();
	late = c->begun ? clock_us() - c->begun_us >= (uint64_t)ms * US_PER_MS : elsewhere;
	calls_unlock();
	return late;
}

void call_end_joined(struct call *c, int code)
{
	calls_lock();
	end_call(c, code);
	calls_unlock();
}

int call_finish(struct call *c, uint64_t bytes, struct error *err)
{
	bool given_up = false;
	int code;

	calls_lock();
	while (!c->ended && !given_up) {
		if (c->inside)
			calls_wait(c->changed);
		else
			given_up = !call_await(c, bytes, UINT64_MAX);
	}
	if (given_up)
		c->barred = true;
	code = c->ended ? c->code : err_set(err, ERR_TRANSIENT, "no answer in %.1f s",
					    (double)(clock_us() - c->since_us) / 1e6);
	if (c->ended && code != ERR_NONE)
		*err = c->err;
	calls_unlock();
	return code;
}

bool call_bar(struct call *c)
{
	bool barred;

	calls_lock();
	barred = c->barred = !c->inside;
	calls_unlock();
	return barred;
}

bool call_enter(struct call *c)
{
	bool inside;

	calls_lock();
	inside = c->inside = !c->barred;
	calls_unlock();
	return inside;
}

void call_leave(struct call *c)
{
	calls_lock();
	while (c->inside && !c->ended)
		calls_wait(c->changed);
	c->barred = true;
	if (!c->begun && !c->ended) {
		unlink_call(c);
		if (c->in_order)
			leave_order(c);
		c->holders--; /* no thread will have it */
	}
	drop_call(c);
	calls_unlock();
}
