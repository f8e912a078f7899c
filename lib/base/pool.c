#include "base/pool.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t not_empty, not_full;
	void **items;
	size_t cap, first, count;
	bool closed;
};

struct queue *queue_new(size_t cap)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->items = calloc(cap, sizeof(*q->items));
	if (!q->items) {
		free(q);
		return NULL;
	}
	q->cap = cap;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->not_empty, NULL);
	pthread_cond_init(&q->not_full, NULL);
	return q;
}

void queue_free(struct queue *q)
{
	if (!q)
		return;
	pthread_mutex_destroy(&q->lock);
	pthread_cond_destroy(&q->not_empty);
	pthread_cond_destroy(&q->not_full);
	free(q->items);
	free(q);
}

bool queue_push(struct queue *q, void *item)
{
	bool taken;

	pthread_mutex_lock(&q->lock);
	while (q->count == q->cap && !q->closed)
		pthread_cond_wait(&q->not_full, &q->lock);
	taken = !q->closed;
	if (taken) {
		q->items[(q->first + q->count++) % q->cap] = item;
		pthread_cond_signal(&q->not_empty);
	}
	pthread_mutex_unlock(&q->lock);
	return taken;
}

void *queue_pop(struct queue *q)
{
	void *item = NULL;

	pthread_mutex_lock(&q->lock);
	while (q->count == 0 && !q->closed)
		pthread_cond_wait(&q->not_empty, &q->lock);
	if (q->count > 0) {
		item = q->items[q->first];
		q->first = (q->first + 1) % q->cap;
		q->count--;
		pthread_cond_signal(&q->not_full);
	}
	pthread_mutex_unlock(&q->lock);
	return item;
}

void queue_close(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	pthread_cond_broadcast(&q->not_empty);
	pthread_cond_broadcast(&q->not_full);
	pthread_mutex_unlock(&q->lock);
}

struct work {
	pool_fn *run;
	void *job;
};

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t has_work, has_room, idle;
	struct work *work; /* a ring */
	size_t cap, first, queued;
	unsigned running, threads;
	bool stopping;
	pthread_t *ids;
};

static void *pool_thread(void *arg)
{
	struct pool *p = arg;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct work w;

		while (p->queued == 0 && !p->stopping)
			pthread_cond_wait(&p->has_work, &p->lock);
		if (p->queued == 0)
			break;
		w = p->work[p->first];
		p->first = (p->first + 1) % p->cap;
		p->queued--;
		p->running++;
		pthread_mutex_unlock(&p->lock);
		pthread_cond_signal(&p->has_room);
		w.run(w.job);
		pthread_mutex_lock(&p->lock);
		p->running--;
		if (p->queued == 0 && p->running == 0)
			pthread_cond_broadcast(&p->idle);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int thread_start(pthread_t *id, void *(*run)(void *), void *arg)
{
	sigset_t all, before;
	int failed;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(id, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failed;
}

struct pool *pool_new(unsigned threads, struct error *err)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (!p) {
		err_nomem(err);
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->has_work, NULL);
	pthread_cond_init(&p->has_room, NULL);
	pthread_cond_init(&p->idle, NULL);
	p->cap = 2 * (size_t)threads;
	p->work = calloc(p->cap, sizeof(*p->work));
	p->ids = calloc(threads, sizeof(*p->ids));
	if (!p->work || !p->ids) {
		err_nomem(err);
		pool_free(p);
		return NULL;
	}
	while (p->threads < threads) {
		int failed = thread_start(&p->ids[p->threads], pool_thread, p);

		if (failed) {
			err_set(err, err_from_errno(failed), "start a thread: %s", strerror(failed));
			pool_free(p);
			return NULL;
		}
		p->threads++;
	}
	return p;
}

void pool_add(struct pool *p, pool_fn *run, void *job)
{
	pthread_mutex_lock(&p->lock);
	while (p->queued == p->cap)
		pthread_cond_wait(&p->has_room, &p->lock);
	p->work[(p->first + p->queued++) % p->cap] = (struct work){ run, job };
	pthread_mutex_unlock(&p->lock);
	pthread_cond_signal(&p->has_work); /* woken before, it would only wait for the lock */
}

void pool_wait(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->queued > 0 || p->running > 0)
		pthread_cond_wait(&p->idle, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->has_work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->threads; i++)
		pthread_join(p->ids[i], NULL);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->has_work);
	pthread_cond_destroy(&p->has_room);
	pthread_cond_destroy(&p->idle);
	free(p->work);
	free(p->ids);
	free(p);
}

unsigned cpu_count(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}
