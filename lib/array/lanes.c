#include "array/lanes.h"

#include "array/object.h"
#include "array/paces.h"
#include "array/place.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_MS 20     /* how often a slow drive is compared with the others */
#define GRACE_US 50000 /* what like drives may differ by */
#define BEHIND_TIMES 3 /* it took so many times as long as they did */

/* What a thread of the drive needs to store an object, whoever waits for it. */
struct store_call {
	struct call call;
	char name[OBJECT_NAME_MAX + 1];
	const void *bytes;
	size_t len_bytes;
	struct lent *lent;
	void *copy;
};

static int run_store(struct call *call, struct drive *d, struct error *err)
{
	const struct store_call *c = (struct store_call *)call;

	return c->bytes ? object_put(d, c->name, c->bytes, c->len_bytes, err) : ERR_NONE;
}

/* What was put before is put by now: this makes it durable, too. */
static int sync_store(struct call *call, struct drive *d, struct error *err)
{
	(void)call;
	return d->driver->sync(d, err);
}

static void release_store(struct call *call)
{
	struct store_call *c = (struct store_call *)call;

	lent_drop(c->lent);
	free(c->copy);
	free(c);
}

static struct store_call *store_call_new(const struct lane_job *job, struct error *err)
{
	struct store_call *c = calloc(1, sizeof(*c));

	if (c && job->bytes && !job->lent && !(c->copy = malloc(job->len_bytes + 1))) {
		free(c);
		c = NULL;
	}
	if (!c) {
		err_nomem(err);
		return NULL;
	}
	c->call.run = run_store;
	c->call.release = release_store;
	c->call.settle = job->sync ? sync_store : NULL;
	c->call.in_order = true;
	c->call.hands = HANDS_EACH;
	memcpy(c->name, job->name, sizeof(c->name));
	if (c->copy)
		memcpy(c->copy, job->bytes, job->len_bytes);
	c->bytes = c->copy ? c->copy : job->bytes;
	c->len_bytes = job->len_bytes;
	c->lent = lent_hold(job->lent);
	return c;
}

void batch_init(struct batch *b, struct array *a)
{
	memset(b, 0, sizeof(*b));
	b->a = a;
}

/* The drive is told about once, by the job that failed on it. */
static void job_done(struct batch *b, struct lane_job *job, int code)
{
	struct array_drive *d = &b->a->drives[job->drive];

	if (job->call)
		call_leave(&job->call->call);
	job->call = NULL;
	job->code = code;
	job->done = true;
	b->pending--;
	b->last_us = clock_us();
	counters_queue(b->a->counters, job->drive, -1);
	if (job->left)
		atomic_store(&d->late, true);
	if (code == ERR_NONE || job->left)
		return;
	err_wrap(&job->err, "drive %s", d->name);
	if (d->handle)
		place_poison(b->a, d, &job->err);
}

static int start(struct batch *b, struct lane_job *job)
{
	struct array_drive *d = &b->a->drives[job->drive];

	if (!d->handle)
		return err_set(&job->err, ERR_ABSENT, "it is not there");
	if (atomic_load(&d->poisoned))
		return err_set(&job->err, ERR_IO, "an earlier write failed");
	job->left = job->may_move && atomic_load(&d->passed_over);
	if (job->left)
		return err_set(&job->err, ERR_TRANSIENT, "passed over");
	job->call = store_call_new(job, &job->err);
	if (!job->call)
		return (int)job->err.code;
	call_start(d->handle, &job->call->call);
	return ERR_NONE;
}

void lanes_add(struct batch *b, unsigned i, struct lane_job *job)
{
	int code;

	job->next = NULL;
	job->drive = i;
	job->call = NULL;
	job->done = job->left = false;
	if (b->last)
		b->last->next = job;
	else
		b->first = job;
	b->last = job;
	if (b->jobs++ == 0)
		b->began_us = b->last_us = clock_us();
	b->pending++;
	counters_queue(b->a->counters, i, 1);
	code = start(b, job);
	if (code != ERR_NONE)
		job_done(b, job, code);
}

/* Takes the answers that are there. The first job that is still waited for, or NULL. */
static struct lane_job *collect(struct batch *b)
{
	struct lane_job *waiting = NULL;

	for (struct lane_job *job = b->first; job; job = job->next) {
		if (job->done)
			continue;
		if (call_wait(&job->call->call, job->len_bytes, 0))
			job_done(b, job, call_finish(&job->call->call, job->len_bytes, &job->err));
		else if (!waiting)
			waiting = job;
	}
	return waiting;
}

/* Whether most of the batch is long done and only few drives are waited for. */
static bool is_behind(const struct batch *b, uint64_t now_us)
{
	uint64_t least_us = array_stall_ms(b->a) * (uint64_t)1000;
	uint64_t took_us = b->last_us - b->began_us;

	return b->pending <= b->jobs / 2 && now_us - b->last_us >= least_us &&
	       now_us - b->last_us >= BEHIND_TIMES * took_us;
}

/* `--ack enough`: gives up the jobs that are not to be waited for any longer. */
static void leave_late(struct batch *b)
{
	uint64_t now_us = clock_us();
	bool enough = b->enough_us > 0 &&
		      now_us - b->enough_us >= b->enough_us - b->began_us + GRACE_US;
	bool behind = is_behind(b, now_us);

	for (struct lane_job *job = b->first; job; job = job->next) {
		if (job->done)
			continue;
		job->left = enough || (behind && job->may_move &&
				       place_pass_over(b->a, &b->a->drives[job->drive]));
		if (job->left)
			job_done(b, job, err_set(&job->err, ERR_TRANSIENT, "not waited for"));
	}
}

static bool never_enough(void *ctx)
{
	(void)ctx;
	return false;
}

void batch_wait(struct batch *b)
{
	batch_wait_enough(b, never_enough, NULL);
}

void batch_wait_enough(struct batch *b, batch_fn *is_enough, void *ctx)
{
	struct lane_job *job;

	while ((job = collect(b))) {
		if (!b->a->options.ack_enough) {
			call_finish(&job->call->call, job->len_bytes, &job->err);
			continue;
		}
		if (b->enough_us == 0 && is_enough(ctx))
			b->enough_us = clock_us();
		leave_late(b);
		if (!job->done)
			call_wait(&job->call->call, job->len_bytes, LOOK_MS);
	}
}
