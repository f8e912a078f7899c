#include "care/rebuild_run.h"

#include "array/meanwhile.h"
#include "base/pool.h"
#include "base/stop.h"
#include "care/idlist.h"

#include <stdlib.h>

#define COMMIT_GROUPS 32
#define COMMIT_BYTES ((uint64_t)256 << 20)

struct running {
	const struct rebuild_work *w;
	struct array *a;
	struct counters *counters;
	struct rebuild_result *r;
	pthread_mutex_t lock; /* everything below, and r */
	struct buf records;
	unsigned groups_since;
	uint64_t bytes_since;
	struct error failure;
	int failed;
};

/* A group to work on, or a block alone. */
struct task {
	struct running *run;
	struct id id;
	bool alone;
	int spare; /* of a group: survivors beyond what it takes */
};

static int commit(struct running *run, struct error *err)
{
	int code = meanwhile_commit(run->a, &run->records, err);

	buf_clear(&run->records);
	run->groups_since = 0;
	run->bytes_since = 0;
	return code;
}

static void add_result(struct rebuild_result *to, const struct rebuild_result *from)
{
	to->groups += from->groups;
	to->split += from->split;
	to->objects += from->objects;
	to->found += from->found;
	to->read_bytes += from->read_bytes;
	to->written_bytes += from->written_bytes;
	to->beyond += from->beyond;
	to->waiting += from->waiting;
	to->waiting_for_space += from->waiting_for_space;
}

static int has_failed(struct running *run, struct error *err)
{
	int code;

	pthread_mutex_lock(&run->lock);
	code = run->failed;
	pthread_mutex_unlock(&run->lock);
	return code == ERR_NONE ? stop_check(err) : code;
}

/* What was done of a group. now: the table has to know it before anything else is done. A group
 * that was split could not be found again by the names of what was stored. */
static int hand_in(struct running *run, const struct buf *records,
		   const struct rebuild_result *own, bool now, struct error *err)
{
	int code = ERR_NONE;

	pthread_mutex_lock(&run->lock);
	buf_add(&run->records, records->data, records->len_bytes);
	add_result(run->r, own);
	run->bytes_since += own->written_bytes;
	counters_add(run->counters, own->groups, own->written_bytes);
	if (++run->groups_since >= COMMIT_GROUPS || run->bytes_since >= COMMIT_BYTES || now ||
	    own->split > 0)
		code = commit(run, err);
	pthread_mutex_unlock(&run->lock);
	return code;
}

static void run_task(void *arg)
{
	struct task *t = arg;
	struct running *run = t->run;
	struct buf records = { 0 };
	struct rebuild_result own;
	struct error err;
	bool again = true;
	int code = ERR_NONE;

	/* Again only after another drive failed. */
	while (code == ERR_NONE && again) {
		buf_clear(&records);
		code = has_failed(run, &err);
		if (code == ERR_NONE)
			code = t->alone ? rebuild_alone(run->w, &t->id, &records, &own, &again,
							&err)
					: rebuild_group(run->w, &t->id, &records, &own, &again,
							&err);
		if (code == ERR_NONE)
			code = hand_in(run, &records, &own, again, &err);
	}
	pthread_mutex_lock(&run->lock);
	if (code != ERR_NONE && run->failed == ERR_NONE) {
		run->failed = code;
		run->failure = err;
	}
	pthread_mutex_unlock(&run->lock);
	buf_release(&records);
}

/* Blocks alone are the most urgent ones: there is nothing but them. */
static int compare_tasks(const void *x, const void *y)
{
	const struct task *a = x, *b = y;

	if (a->alone != b->alone)
		return b->alone - a->alone;
	return a->spare - b->spare;
}

static int spare_of(struct array *a, const struct id *group_id, struct table_group *g, int *spare,
		    struct error *err)
{
	int code = table_group(a->table, group_id, g, err);

	*spare = -(int)g->member_count;
	for (unsigned i = 0; i < g->member_count && code == ERR_NONE; i++) {
		const struct array_drive *d = array_drive_by_id(a, &g->members[i].drive_id);

		*spare += d && d->presence == DRIVE_PRESENT;
	}
	for (unsigned i = 0; i < g->row_count && code == ERR_NONE; i++) {
		const struct array_drive *d = array_drive_by_id(a, &g->rows[i].drive_id);

		*spare += d && d->presence == DRIVE_PRESENT;
	}
	return code;
}

/* Blocks in no group went with a lost drive; a drive that is drained still has them. */
static int list_alone(struct running *run, struct id_list *out, struct error *err)
{
	struct id_list all = { 0 };
	int code = run->w->drains ? table_ungrouped(run->a->table, id_list_add, &all, err)
				  : ERR_NONE;

	for (size_t i = 0; i < all.count && code == ERR_NONE; i++) {
		struct table_block b;

		code = table_block_by_uid(run->a->table, &all.ids[i], &b, err);
		if (code == ERR_NONE && id_equal(&b.drive_id, &run->w->from->id))
			code = id_list_add(out, &b.uid, err);
	}
	id_list_release(&all);
	return code;
}

static int make_tasks(struct running *run, struct task **out, size_t *count, struct error *err)
{
	struct id_list groups = { 0 }, alone = { 0 };
	struct table_group *g = malloc(sizeof(*g));
	struct task *tasks = NULL;
	int code = g ? table_groups_on(run->a->table, &run->w->from->id, id_list_add, &groups, err)
		     : err_nomem(err);

	if (code == ERR_NONE)
		code = list_alone(run, &alone, err);
	*count = groups.count + alone.count;
	if (code == ERR_NONE && !(tasks = calloc(*count + 1, sizeof(*tasks))))
		code = err_nomem(err);
	for (size_t i = 0; i < groups.count && code == ERR_NONE; i++) {
		tasks[i] = (struct task){ .run = run, .id = groups.ids[i] };
		code = spare_of(run->a, &groups.ids[i], g, &tasks[i].spare, err);
	}
	for (size_t i = 0; i < alone.count && code == ERR_NONE; i++)
		tasks[groups.count + i] =
			(struct task){ .run = run, .id = alone.ids[i], .alone = true };
	if (code == ERR_NONE && *count > 0)
		qsort(tasks, *count, sizeof(*tasks), compare_tasks);
	free(g);
	id_list_release(&groups);
	id_list_release(&alone);
	*out = tasks;
	return code;
}

static int run_tasks(struct running *run, struct task *tasks, size_t count, struct error *err)
{
	struct pool *pool = pool_new(run->a->options.threads, err);

	if (!pool)
		return (int)err->code;
	counters_total(run->counters, count, run->w->from->used_bytes);
	for (size_t i = 0; i < count; i++)
		pool_add(pool, run_task, &tasks[i]);
	pool_wait(pool);
	pool_free(pool);
	if (run->failed != ERR_NONE)
		*err = run->failure;
	return run->failed;
}

int rebuild_run(const struct rebuild_work *w, struct counters *counters, struct rebuild_result *r,
		struct error *err)
{
	struct running run = { .w = w, .a = w->a, .counters = counters, .r = r };
	struct task *tasks = NULL;
	size_t count = 0;
	struct error why;
	int code;

	pthread_mutex_init(&run.lock, NULL);
	code = make_tasks(&run, &tasks, &count, err);
	if (code == ERR_NONE)
		code = run_tasks(&run, tasks, count, err);
	/* What is done is done, whatever ended the rest. */
	if (code == ERR_NONE)
		code = commit(&run, err);
	else if (code == ERR_INTERRUPTED)
		commit(&run, &why);
	free(tasks);
	buf_release(&run.records);
	pthread_mutex_destroy(&run.lock);
	return code;
}
