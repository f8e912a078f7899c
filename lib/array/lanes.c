#include "array/lanes.h"

#include "array/object.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct lane {
	struct array *array;
	struct array_drive *drive;
	pthread_mutex_t lock;
	pthread_cond_t has_job;
	struct lane_job *first, *last;
	unsigned index; /* of the drive */
	bool closing, running;
	pthread_t thread;
};

struct lanes {
	unsigned count;
	struct lane *lanes;
};

void batch_init(struct batch *b)
{
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->done, NULL);
	b->pending = 0;
}

void batch_wait(struct batch *b)
{
	pthread_mutex_lock(&b->lock);
	while (b->pending > 0)
		pthread_cond_wait(&b->done, &b->lock);
	pthread_mutex_unlock(&b->lock);
}

void batch_release(struct batch *b)
{
	pthread_mutex_destroy(&b->lock);
	pthread_cond_destroy(&b->done);
}

static void batch_job_done(struct batch *b)
{
	pthread_mutex_lock(&b->lock);
	if (--b->pending == 0)
		pthread_cond_broadcast(&b->done);
	pthread_mutex_unlock(&b->lock);
}

static void run_job(struct lane *lane, struct lane_job *job)
{
	struct array_drive *d = lane->drive;

	if (atomic_load(&d->poisoned)) {
		job->code = err_set(&job->err, ERR_IO, "drive %s: an earlier write failed", d->name);
		return;
	}
	job->code = ERR_NONE;
	if (job->bytes)
		job->code = object_put(d->handle, job->name, job->bytes, job->len_bytes, &job->err);
	if (job->code == ERR_NONE && job->sync)
		job->code = d->handle->driver->sync(d->handle, &job->err);
	if (job->code == ERR_NONE)
		return;
	err_wrap(&job->err, "drive %s", d->name);
	atomic_store(&d->poisoned, true);
	array_tell(lane->array, TELL_WARNING, "%s: not written to any more in this run",
		   job->err.message);
}

static void *lane_thread(void *arg)
{
	struct lane *lane = arg;

	pthread_mutex_lock(&lane->lock);
	for (;;) {
		struct lane_job *job;
		struct batch *batch;

		while (!lane->first && !lane->closing)
			pthread_cond_wait(&lane->has_job, &lane->lock);
		job = lane->first;
		if (!job)
			break;
		pthread_mutex_unlock(&lane->lock);
		run_job(lane, job);
		pthread_mutex_lock(&lane->lock);
		lane->first = job->next;
		if (!lane->first)
			lane->last = NULL;
		counters_queue(lane->array->counters, lane->index, -1);
		batch = job->batch;
		/* From here on the job belongs to the caller again. */
		batch_job_done(batch);
	}
	pthread_mutex_unlock(&lane->lock);
	return NULL;
}

int lanes_new(struct array *a, struct lanes **out, struct error *err)
{
	struct lanes *l = calloc(1, sizeof(*l));
	sigset_t all, before;

	if (!l || !(l->lanes = calloc(a->count ? a->count : 1, sizeof(*l->lanes)))) {
		free(l);
		return err_nomem(err);
	}
	l->count = a->count;
	sigfillset(&all);
	for (unsigned i = 0; i < l->count; i++) {
		struct lane *lane = &l->lanes[i];
		int failed;

		lane->array = a;
		lane->index = i;
		lane->drive = &a->drives[i];
		pthread_mutex_init(&lane->lock, NULL);
		pthread_cond_init(&lane->has_job, NULL);
		if (!lane->drive->handle)
			continue;
		pthread_sigmask(SIG_SETMASK, &all, &before);
		failed = pthread_create(&lane->thread, NULL, lane_thread, lane);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
		if (failed) {
			int code = err_set(err, err_from_errno(failed), "start a thread: %s",
					   strerror(failed));

			lanes_free(l);
			return code;
		}
		lane->running = true;
	}
	*out = l;
	return ERR_NONE;
}

void lanes_free(struct lanes *l)
{
	if (!l)
		return;
	for (unsigned i = 0; i < l->count; i++) {
		struct lane *lane = &l->lanes[i];

		if (lane->running) {
			pthread_mutex_lock(&lane->lock);
			lane->closing = true;
			pthread_cond_signal(&lane->has_job);
			pthread_mutex_unlock(&lane->lock);
			pthread_join(lane->thread, NULL);
		}
		pthread_mutex_destroy(&lane->lock);
		pthread_cond_destroy(&lane->has_job);
	}
	free(l->lanes);
	free(l);
}

void lanes_add(struct lanes *l, unsigned i, struct lane_job *job, struct batch *batch)
{
	struct lane *lane = &l->lanes[i];

	job->next = NULL;
	job->batch = batch;
	pthread_mutex_lock(&batch->lock);
	batch->pending++;
	pthread_mutex_unlock(&batch->lock);
	if (!lane->running) {
		job->code = err_set(&job->err, ERR_ABSENT, "drive %s is not there",
				    lane->drive->name);
		batch_job_done(batch);
		return;
	}
	pthread_mutex_lock(&lane->lock);
	if (lane->last)
		lane->last->next = job;
	else
		lane->first = job;
	lane->last = job;
	counters_queue(lane->array->counters, i, 1);
	pthread_cond_signal(&lane->has_job);
	pthread_mutex_unlock(&lane->lock);
}
