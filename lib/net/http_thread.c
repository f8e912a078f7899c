/*
 * The thread that has libcurl's multi handle: it begins transfers, moves them along, and tells their
 * callers of their end. Started by the first request; stays until the process ends.
 */
#include "base/clock.h"
#include "base/pool.h"
#include "net/http_internal.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_US 250000 /* how often to look for what stalls */
#define REST_MS 600000 /* when there is nothing to do: a wake-up ends it */
#define IDLE_CONNECTIONS_MAX 1024L

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
	/* Under the lock. */
	struct transfer *first, *last; /* to begin */
	bool started, stops;
	unsigned generation; /* how many forks led to this process, and 1 */
	pthread_t id;

	CURLM *multi; /* set before the thread starts */
	/* Of the thread alone. */
	struct transfer *under_way;
	uint64_t looked_us;
} net = { .generation = 1 };

void thread_lock(void)
{
	pthread_mutex_lock(&lock);
}

void thread_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

/* ---- on the thread ---- */

/* With the lock held. */
static void hand_in(struct transfer *t)
{
	t->next = NULL;
	if (net.last)
		net.last->next = t;
	else
		net.first = t;
	net.last = t;
}

/* With the lock held: the next one of the site may take the place of one that ended. */
static void next_of_site(struct http_site *s)
{
	struct transfer *t = s->first;

	if (!t) {
		s->running--;
		return;
	}
	s->first = t->next;
	if (!s->first)
		s->last = NULL;
	hand_in(t);
}

/* Its caller may be gone as soon as the lock is. */
static void end(struct transfer *t)
{
	transfer_count(t);
	transfer_release(t);
	thread_lock();
	next_of_site(t->site);
	t->ended = true;
	pthread_cond_signal(&t->changed);
	thread_unlock();
}

static bool add(struct transfer *t)
{
	CURLMcode code = curl_multi_add_handle(net.multi, t->hand->easy);

	if (code == CURLM_OK)
		return true;
	t->code = code == CURLM_OUT_OF_MEMORY ? err_nomem(t->err)
					      : err_set(t->err, ERR_IO, "%s: %s", t->site->origin,
							curl_multi_strerror(code));
	return false;
}

static void begin(struct transfer *t)
{
	if (!t->r) {
		site_let_go(t->site);
		thread_lock();
		t->ended = true;
		pthread_cond_signal(&t->changed);
		thread_unlock();
	} else if (transfer_prepare(t) && add(t)) {
		t->next = net.under_way;
		net.under_way = t;
	} else {
		end(t);
	}
}

static struct transfer *take_first(bool *stops)
{
	struct transfer *t;

	thread_lock();
	t = net.first;
	if (t)
		net.first = t->next;
	if (!net.first)
		net.last = NULL;
	*stops = net.stops;
	thread_unlock();
	return t;
}

/* False: the thread is to stop. */
static bool begin_all(void)
{
	struct transfer *t;
	bool stops;

	while ((t = take_first(&stops)) != NULL && !stops)
		begin(t);
	return !stops;
}

static void take_out(struct transfer *t)
{
	struct transfer **at = &net.under_way;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	curl_multi_remove_handle(net.multi, t->hand->easy);
}

/* Whether any ended. */
static bool end_all(void)
{
	bool any = false;
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(net.multi, &left)) != NULL) {
		CURLcode result = m->data.result;
		struct hand *h = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		any = true;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&h);
		if (transfer_judge(h->t, result)) {
			curl_multi_remove_handle(net.multi, h->easy);
			if (add(h->t))
				continue;
		}
		take_out(h->t);
		end(h->t);
	}
	return any;
}

/* Until when there is nothing to do but what sockets and libcurl's own clock ask for. */
static uint64_t tend(uint64_t now_us)
{
	bool looks = now_us - net.looked_us >= LOOK_US;
	uint64_t until_us = net.under_way ? now_us + LOOK_US : UINT64_MAX;
	struct transfer *next;

	if (looks)
		net.looked_us = now_us;
	for (struct transfer *t = net.under_way; t; t = next) {
		uint64_t ready_us = transfer_unpause(t, now_us);

		next = t->next;
		if (ready_us < until_us)
			until_us = ready_us;
		if (looks && transfer_stalls(t, now_us)) {
			take_out(t);
			end(t);
			until_us = now_us;
		}
	}
	return until_us;
}

static int wait_ms(uint64_t until_us)
{
	uint64_t now_us = clock_us();

	if (until_us <= now_us)
		return 0;
	until_us = (until_us - now_us + 999) / 1000;
	return until_us < REST_MS ? (int)until_us : REST_MS;
}

static void *run(void *unused)
{
	(void)unused;
	while (begin_all()) {
		uint64_t until_us;
		int count;

		curl_multi_perform(net.multi, &count);
		if (end_all())
			continue;
		until_us = tend(clock_us());
		if (curl_multi_poll(net.multi, NULL, 0, wait_ms(until_us), NULL) != CURLM_OK)
			clock_sleep_until_us(clock_us() + 10000); /* out of memory: it may pass */
	}
	return NULL;
}

/* ---- callers ---- */

/* A child has no thread but the one that forked. What libcurl made for the parent is the parent's:
 * a connection closed here would be closed in its name. */
static void forget_thread(void)
{
	pthread_mutex_init(&lock, NULL);
	net.first = net.last = net.under_way = NULL;
	net.started = net.stops = false;
	net.multi = NULL;
	net.generation++;
}

/* Before OpenSSL, which registered earlier, takes away what the thread uses. */
static void stop_thread(void)
{
	thread_lock();
	if (!net.started) {
		thread_unlock();
		return;
	}
	net.stops = true;
	curl_multi_wakeup(net.multi);
	thread_unlock();
	pthread_join(net.id, NULL);
}

static CURLM *new_multi(void)
{
	CURLM *m = curl_multi_init();

	if (!m)
		return NULL;
	curl_multi_setopt(m, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
	curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS_MAX);
	return m;
}

/* With the lock held. */
static int start_thread(struct error *err)
{
	static bool told;
	int failed;

	if (net.stops)
		return err_set(err, ERR_IO, "the process ends");
	if (net.started)
		return ERR_NONE;
	if (!told)
		told = pthread_atfork(thread_lock, thread_unlock, forget_thread) == 0 &&
		       atexit(stop_thread) == 0;
	if (!net.multi)
		net.multi = new_multi();
	if (!told || !net.multi)
		return err_nomem(err);
	failed = thread_start(&net.id, run, NULL);
	if (failed)
		return err_set(err, err_from_errno(failed), "start a thread: %s", strerror(failed));
	net.started = true;
	return ERR_NONE;
}

/* With the lock held: what a site has of a parent process is forgotten. */
static void adopt(struct http_site *s)
{
	if (s->generation == net.generation)
		return;
	s->generation = net.generation;
	s->running = 0;
	s->first = s->last = NULL;
	s->share = NULL;
	s->idle = NULL;
	s->sockets = NULL;
}

static void wait_for(struct transfer *t)
{
	while (!t->ended)
		pthread_cond_wait(&t->changed, &lock);
}

int thread_do(struct transfer *t)
{
	struct http_site *s = t->site;
	int code;

	pthread_cond_init(&t->changed, NULL);
	thread_lock();
	code = start_thread(t->err);
	if (code == ERR_NONE) {
		adopt(s);
		t->next = NULL;
		if (s->running < s->connections) {
			s->running++;
			hand_in(t);
			curl_multi_wakeup(net.multi);
		} else {
			if (s->last)
				s->last->next = t;
			else
				s->first = t;
			s->last = t;
		}
		wait_for(t);
		code = t->code;
	}
	thread_unlock();
	pthread_cond_destroy(&t->changed);
	return code;
}

void thread_let_go(struct transfer *t)
{
	pthread_cond_init(&t->changed, NULL);
	thread_lock();
	if (net.started && t->site->generation == net.generation) {
		hand_in(t);
		curl_multi_wakeup(net.multi);
		wait_for(t);
	}
	thread_unlock();
	pthread_cond_destroy(&t->changed);
}
