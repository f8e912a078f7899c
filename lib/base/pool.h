/*
 * Threads: a bounded queue between them, and a pool that runs jobs.
 */
#ifndef MRMR_BASE_POOL_H
#define MRMR_BASE_POOL_H

#include "base/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* pthread_create() with all signals blocked: they are for the thread that called us. Returns 0
 * or an errno value. */
int thread_start(pthread_t *id, void *(*run)(void *), void *arg);

/* First in, first out, at most cap items. Every call may come from any thread. */
struct queue;
struct queue *queue_new(size_t cap); /* NULL: out of memory */
void queue_free(struct queue *q);    /* nobody may be inside; items left are the caller's loss */
/* Waits for room. False: the queue was closed, the item was not taken. */
bool queue_push(struct queue *q, void *item);
/* Waits for an item. NULL: the queue is closed and empty. */
void *queue_pop(struct queue *q);
/* No more pushes; pops drain what is there and then return NULL. */
void queue_close(struct queue *q);

typedef void pool_fn(void *job);

/*
 * Threads that run jobs in the order given. pool_add() waits while 2 * threads jobs are
 * queued, so a producer can't run ahead of the memory it may use.
 */
struct pool;
struct pool *pool_new(unsigned threads, struct error *err); /* NULL: err is set */
void pool_add(struct pool *p, pool_fn *run, void *job);
void pool_wait(struct pool *p); /* until every job given so far is done */
void pool_free(struct pool *p); /* finishes the jobs, joins the threads; NULL is allowed */

unsigned cpu_count(void); /* processors this process may use, at least 1 */

#endif
