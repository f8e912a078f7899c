/* Planned tasks, run by several threads within bounded memory, and what comes of them. */
#include "care/leveling.h"

#include "array/extra.h"
#include "array/health.h"
#include "array/place.h"
#include "base/pool.h"
#include "base/stop.h"
#include "care/regroup.h"

#include <stdlib.h>
#include <string.h>

#define BATCH_BLOCKS 16 /* so many of the longest that there can be */
#define MEMORY_BYTES ((uint64_t)128 << 20)

/* ---- memory ---- */

static void take_memory(struct leveling *l, uint64_t bytes)
{
	pthread_mutex_lock(&l->lock);
	while (l->memory_bytes > 0 && l->memory_bytes + bytes > MEMORY_BYTES)
		pthread_cond_wait(&l->changed, &l->lock);
	l->memory_bytes += bytes;
	pthread_mutex_unlock(&l->lock);
}

static void give_memory(struct leveling *l, uint64_t bytes)
{
	pthread_mutex_lock(&l->lock);
	l->memory_bytes -= bytes;
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
}

/* ---- one task, in a thread ---- */

static int run_rows(struct level_task *t, struct error *err)
{
	int code = mend_group(t->l->a, &t->group, t->wants, t->want_count, &t->records, &t->mended,
			      err);

	for (unsigned i = 0; i < t->want_count; i++)
		t->rows_made += t->wants[i].done;
	return code;
}

static int run_regroup(struct level_task *t, struct error *err)
{
	struct table_group *g = malloc(sizeof(*g));
	int code = g ? ERR_NONE : err_nomem(err);

	if (code == ERR_NONE) {
		pthread_mutex_lock(&t->l->a->table_lock);
		code = table_group(t->l->a->table, &t->group, g, err);
		pthread_mutex_unlock(&t->l->a->table_lock);
	}
	if (code == ERR_NONE)
		code = regroup(t->l->a, g, &t->records, &t->mended, err);
	if (code == ERR_NONE)
		t->rows_made = t->want_count;
	free(g);
	return code;
}

/* From the other objects of the group that it is to leave. */
static int load_from_old(struct level_task *t, const struct loose_block *b, struct buf *bytes,
			 struct error *err)
{
	struct array *a = t->l->a;
	struct table_group *g = malloc(sizeof(*g));
	struct buf *all = calloc(GROUP_MEMBERS_MAX, sizeof(*all));
	int code = g && all ? ERR_NONE : err_nomem(err);

	if (code == ERR_NONE) {
		pthread_mutex_lock(&a->table_lock);
		code = table_group(a->table, &b->from->id, g, err);
		pthread_mutex_unlock(&a->table_lock);
	}
	if (code == ERR_NONE)
		code = mend_load_members(a, g, all, &t->mended, err);
	for (unsigned i = 0; code == ERR_NONE && i < g->member_count; i++) {
		if (id_equal(&g->members[i].uid, &b->block.uid))
			buf_add(bytes, all[i].data, all[i].len_bytes);
	}
	for (unsigned i = 0; all && i < GROUP_MEMBERS_MAX; i++)
		buf_release(&all[i]);
	free(all);
	free(g);
	return code == ERR_NONE && bytes->failed ? err_nomem(err) : code;
}

static int load_one(struct level_task *t, const struct loose_block *b, struct buf *bytes,
		    struct error *err)
{
	int code;

	buf_clear(bytes);
	code = mend_load_block(t->l->a, &b->block, bytes, &t->mended, err);
	if (code == ERR_NONE || level_is_fatal(code) || !b->from)
		return code;
	buf_clear(bytes);
	return load_from_old(t, b, bytes, err);
}

/* Those that could be read, moved to the front. The others stay as they are. */
static int load_members(struct level_task *t, struct buf *members, struct error *err)
{
	int code = ERR_NONE;

	for (unsigned i = 0; i < t->loose_count && code == ERR_NONE; i++) {
		struct loose_block b = t->loose[i];

		code = stop_check(err);
		if (code == ERR_NONE)
			code = load_one(t, &b, &members[t->loose_done], err);
		if (code == ERR_NONE) {
			t->loose[i] = t->loose[t->loose_done];
			t->loose[t->loose_done++] = b;
		} else if (!level_is_fatal(code)) {
			t->unread++;
			code = t->unread < t->loose_count ? ERR_NONE : code;
		}
	}
	return code;
}

/* Of what was read, as a group that is to be. */
static void describe(const struct level_task *t, struct table_group *g)
{
	memset(g, 0, sizeof(*g));
	g->member_count = t->loose_done;
	for (unsigned i = 0; i < t->loose_done; i++) {
		const struct table_block *b = &t->loose[i].block;
		const struct array_drive *d = array_drive_by_id(t->l->a, &b->drive_id);

		g->members[i] = *b;
		g->slots[i] = place_slot((unsigned)(d - t->l->a->drives), g->slots, i);
	}
}

static int run_gather(struct level_task *t, struct error *err)
{
	struct table_group *g = malloc(sizeof(*g));
	struct buf *members = calloc(t->loose_count, sizeof(*members));
	int code = g && members ? load_members(t, members, err) : err_nomem(err);

	if (code == ERR_NONE) {
		describe(t, g);
		code = regroup_loose(t->l->a, g, members, t->rows, t->row_count, &t->records,
				     &t->mended, err);
	}
	if (code == ERR_NONE)
		t->rows_made = t->row_count;
	else
		t->loose_done = 0;
	for (unsigned i = 0; i < t->loose_count && members; i++)
		buf_release(&members[i]);
	free(members);
	free(g);
	return code;
}

static void run_task(void *arg)
{
	struct level_task *t = arg;
	struct leveling *l = t->l;

	t->mended = (struct mend_result){ 0 };
	t->rows_made = t->loose_done = 0;
	take_memory(l, t->memory_bytes);
	t->code = stop_check(&t->err);
	if (t->code == ERR_NONE && t->kind == LEVEL_ROWS)
		t->code = run_rows(t, &t->err);
	else if (t->code == ERR_NONE && t->kind == LEVEL_REGROUP)
		t->code = run_regroup(t, &t->err);
	else if (t->code == ERR_NONE)
		t->code = run_gather(t, &t->err);
	give_memory(l, t->memory_bytes);
	counters_add(l->o->counters, 1, t->mended.read_bytes + t->mended.written_bytes);
}

/* ---- a batch, in the main thread ---- */

struct level_task *level_task_new(struct leveling *l)
{
	struct level_task *t = &l->tasks[l->task_count];

	memset(t, 0, sizeof(*t));
	t->l = l;
	return t;
}

int level_task_add(struct leveling *l, struct error *err)
{
	uint64_t most_bytes = BATCH_BLOCKS * (uint64_t)l->a->policy.geometry.block_bytes;
	struct level_task *t = &l->tasks[l->task_count];
	uint64_t bytes = t->mended.read_bytes + t->mended.written_bytes;

	l->stopped = l->stopped || (l->o->may && !l->o->may(l->o->may_ctx, bytes));
	if (l->stopped) {
		free(t->loose);
		t->loose = NULL;
		return ERR_NONE;
	}
	l->task_bytes += l->tasks[l->task_count++].memory_bytes;
	if (l->task_count == LEVEL_TASKS || l->task_bytes >= most_bytes)
		return level_run(l, err);
	return ERR_NONE;
}

static unsigned planned_rows(const struct level_task *t)
{
	return t->kind == LEVEL_GATHER ? t->row_count : t->want_count;
}

/* What it left undone is owed, unless another round is to come for it. */
static void tell_failure(struct leveling *l, const struct level_task *t)
{
	unsigned planned = planned_rows(t);

	if (planned > t->rows_made && !t->extra)
		l->r->rows_owed += planned - t->rows_made;
	l->r->rows_owed += t->unread * l->a->policy.parity;
	if (t->code == ERR_NOT_FOUND)
		return; /* superseded meanwhile */
	array_tell(l->a, TELL_WARNING,
		   t->extra		     ? "some extra parity is not made: %s"
		   : t->kind == LEVEL_GATHER ? "blocks stay as they are: %s"
					     : "rows stay owed: %s",
		   t->err.message);
}

static void count_extra(struct leveling *l, const struct level_task *t)
{
	l->r->extra_made += t->rows_made;
	for (unsigned i = 0; i < t->want_count && !l->dry; i++) {
		if (t->wants[i].done)
			extra_count(l->a, t->wants[i].drive, t->written_each);
	}
}

static int take_result(struct leveling *l, struct level_task *t, struct error *err)
{
	int code = ERR_NONE;

	l->r->read_bytes += t->mended.read_bytes;
	l->r->written_bytes += t->mended.written_bytes;
	if (t->extra)
		count_extra(l, t);
	else
		l->r->rows_made += t->rows_made;
	buf_add(&l->records, t->records.data, t->records.len_bytes);
	if ((t->code != ERR_NONE || t->unread > 0) && !level_is_fatal(t->code))
		tell_failure(l, t);
	if (t->code == ERR_NONE && t->kind == LEVEL_REGROUP)
		l->r->groups_split++;
	if (t->code == ERR_NONE && t->kind == LEVEL_GATHER)
		l->r->groups_made++;
	for (unsigned i = 0; i < t->loose_done && code == ERR_NONE; i++)
		code = level_settle_block(l, &t->loose[i], err);
	return code;
}

static void run_all(struct leveling *l, struct pool *pool)
{
	for (unsigned i = 0; i < l->task_count; i++)
		pool_add(pool, run_task, &l->tasks[i]);
	pool_wait(pool);
}

static void clear_tasks(struct leveling *l)
{
	for (unsigned i = 0; i < l->task_count; i++) {
		buf_release(&l->tasks[i].records);
		free(l->tasks[i].loose);
		l->tasks[i].loose = NULL;
	}
	l->task_count = 0;
	l->task_bytes = 0;
}

int level_run(struct leveling *l, struct error *err)
{
	struct pool *pool = NULL;
	int code = ERR_NONE, failed = ERR_NONE;

	if (!l->dry && l->task_count > 0 && !(pool = pool_new(l->a->options.threads, err)))
		code = (int)err->code;
	if (pool)
		run_all(l, pool);
	pool_free(pool);
	for (unsigned i = 0; i < l->task_count && code == ERR_NONE; i++)
		code = take_result(l, &l->tasks[i], err);
	/* What is done counts, whatever ended the others. */
	if (code == ERR_NONE)
		code = level_commit(l, err);
	for (unsigned i = 0; i < l->task_count && code == ERR_NONE && failed == ERR_NONE; i++) {
		if (level_is_fatal(l->tasks[i].code)) {
			failed = l->tasks[i].code;
			*err = l->tasks[i].err;
		}
	}
	clear_tasks(l);
	return code != ERR_NONE ? code : failed;
}
