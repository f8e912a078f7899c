#include "care/rebuild.h"

#include "base/pool.h"
#include "base/stop.h"
#include "care/debts.h"
#include "care/idlist.h"
#include "care/rebuild_group.h"

#include <stdlib.h>
#include <string.h>

#define COMMIT_GROUPS 32
#define COMMIT_BYTES ((uint64_t)256 << 20)

struct rebuilding {
	struct array *a;
	const struct rebuild_options *o;
	struct rebuild_result *r;
	struct rebuild_work work;
	pthread_mutex_t lock; /* everything below, and r */
	struct buf records;
	unsigned groups_since;
	uint64_t bytes_since;
	struct error failure;
	int failed;
};

/* A group to work on; most urgent first. */
struct task {
	struct rebuilding *b;
	struct id group;
	int spare; /* survivors beyond what it takes */
};

static int commit(struct rebuilding *b, struct error *err)
{
	int code = ERR_NONE;

	if (b->records.len_bytes > 0) {
		pthread_mutex_lock(&b->a->table_lock);
		code = array_commit(b->a, &b->records, NULL, err);
		pthread_mutex_unlock(&b->a->table_lock);
	}
	buf_clear(&b->records);
	b->groups_since = 0;
	b->bytes_since = 0;
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

static int has_failed(struct rebuilding *b, struct error *err)
{
	int code;

	pthread_mutex_lock(&b->lock);
	code = b->failed;
	pthread_mutex_unlock(&b->lock);
	return code == ERR_NONE ? stop_check(err) : code;
}

/* What was done of a group. now: the table has to know it before anything else is done. A group
 * that was split could not be found again by the names of what was stored. */
static int hand_in(struct rebuilding *b, const struct buf *records,
		   const struct rebuild_result *own, bool now, struct error *err)
{
	int code = ERR_NONE;

	pthread_mutex_lock(&b->lock);
	buf_add(&b->records, records->data, records->len_bytes);
	add_result(b->r, own);
	b->bytes_since += own->written_bytes;
	counters_add(b->o->counters, own->groups, own->written_bytes);
	if (++b->groups_since >= COMMIT_GROUPS || b->bytes_since >= COMMIT_BYTES || now ||
	    own->split > 0)
		code = commit(b, err);
	pthread_mutex_unlock(&b->lock);
	return code;
}

static void run_task(void *arg)
{
	struct task *t = arg;
	struct rebuilding *b = t->b;
	struct buf records = { 0 };
	struct rebuild_result own;
	struct error err;
	bool again = true;
	int code = ERR_NONE;

	/* Again only after another drive failed. */
	while (code == ERR_NONE && again) {
		buf_clear(&records);
		code = has_failed(b, &err);
		if (code == ERR_NONE)
			code = rebuild_group(&b->work, &t->group, &records, &own, &again, &err);
		if (code == ERR_NONE)
			code = hand_in(b, &records, &own, again, &err);
	}
	pthread_mutex_lock(&b->lock);
	if (code != ERR_NONE && b->failed == ERR_NONE) {
		b->failed = code;
		b->failure = err;
	}
	pthread_mutex_unlock(&b->lock);
	buf_release(&records);
}

static int compare_tasks(const void *x, const void *y)
{
	const struct task *a = x, *b = y;

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

static int rebuild_groups(struct rebuilding *b, struct error *err)
{
	struct id_list ids = { 0 };
	struct task *tasks = NULL;
	struct table_group *g = malloc(sizeof(*g));
	struct pool *pool = NULL;
	int code = g ? table_groups_on(b->a->table, &b->work.lost->id, id_list_add, &ids, err)
		     : err_nomem(err);

	if (code == ERR_NONE && !(tasks = calloc(ids.count + 1, sizeof(*tasks))))
		code = err_nomem(err);
	for (size_t i = 0; i < ids.count && code == ERR_NONE; i++) {
		tasks[i] = (struct task){ .b = b, .group = ids.ids[i] };
		code = spare_of(b->a, &ids.ids[i], g, &tasks[i].spare, err);
	}
	if (code == ERR_NONE && !(pool = pool_new(b->a->options.threads, err)))
		code = (int)err->code;
	if (code == ERR_NONE) {
		counters_total(b->o->counters, ids.count, b->work.lost->used_bytes);
		qsort(tasks, ids.count, sizeof(*tasks), compare_tasks);
		for (size_t i = 0; i < ids.count; i++)
			pool_add(pool, run_task, &tasks[i]);
		pool_wait(pool);
		code = b->failed;
		if (code != ERR_NONE)
			*err = b->failure;
	}
	pool_free(pool);
	free(tasks);
	free(g);
	id_list_release(&ids);
	return code;
}

/* Blocks that no group protected went with the drive. */
static int give_up_alone(struct rebuilding *b, struct error *err)
{
	struct id_list ids = { 0 };
	int code = table_ungrouped(b->a->table, id_list_add, &ids, err);

	for (size_t i = 0; i < ids.count && code == ERR_NONE; i++) {
		struct table_block block;

		code = table_block_by_uid(b->a->table, &ids.ids[i], &block, err);
		if (code != ERR_NONE || block.lost || !id_equal(&block.drive_id, &b->work.lost->id))
			continue;
		record_id(&b->records, RECORD_LOST, &block.uid);
		b->r->beyond++;
	}
	id_list_release(&ids);
	return code;
}

/* ---- the drives ---- */

static int set_state(struct array *a, struct array_drive *d, enum drive_state state,
		     struct error *err)
{
	struct buf records = { 0 };
	int code;

	if (d->record.state == state)
		return ERR_NONE;
	d->record.state = state;
	record_drive(&records, &d->record);
	code = array_commit(a, &records, NULL, err);
	buf_release(&records);
	return code == ERR_NONE ? array_refresh(a, err) : code;
}

/* The new drive: joining since a rebuild before, or taken in now. */
static int take_onto(struct rebuilding *b, struct error *err)
{
	struct new_drive *n = b->o->onto;
	struct id lost_id = b->work.lost->id;
	int code = ERR_NONE;

	for (unsigned i = 0; i < b->a->count; i++) {
		struct array_drive *d = &b->a->drives[i];

		/* A member already: some groups had to wait in the rebuild before. */
		if ((d->record.state == DRIVE_JOINING || d->record.state == DRIVE_MEMBER) &&
		    d->url && strcmp(d->url, n->url) == 0)
			b->work.onto = d;
	}
	if (!b->work.onto) {
		char name[DRIVE_NAME_MAX + 1];

		memcpy(name, n->record.name, sizeof(name));
		n->record = b->work.lost->record;
		memcpy(n->record.name, name, sizeof(name));
		code = array_add_drive(b->a, n, DRIVE_JOINING, err);
		if (code == ERR_NONE)
			b->work.onto = array_drive_by_name(b->a, name);
	}
	b->work.lost = array_drive_by_id(b->a, &lost_id);
	if (code == ERR_NONE && (!b->work.onto || b->work.onto->presence != DRIVE_PRESENT))
		code = err_set(err, ERR_ABSENT, "the new drive is not there: %s",
			       b->work.onto ? b->work.onto->why : "");
	return code;
}

/* Everything of one lost drive. */
static int rebuild_drive(struct rebuilding *b, struct error *err)
{
	int code = rebuild_groups(b, err);

	if (code == ERR_NONE)
		code = give_up_alone(b, err);
	return code == ERR_NONE ? commit(b, err) : code;
}

/* Finds the drive; none when all that it held was made anew before, by a rebuild that was cut off
 * later. */
static int find_lost(struct rebuilding *b, struct error *err)
{
	struct array_drive *d = array_drive_by_name(b->a, b->o->name);
	struct table_drive *drives = NULL;
	size_t count = 0;
	int code;

	b->work.lost = d;
	if (d && drive_counts(d) && d->presence == DRIVE_PRESENT)
		return err_set(err, ERR_USAGE,
			       "drive %s is here and works: scrub repairs what is damaged on it",
			       d->name);
	if (d)
		return ERR_NONE;
	code = table_drives(b->a->table, &drives, &count, err);
	for (size_t i = 0; i < count; i++) {
		if (drives[i].record.state == DRIVE_LOST &&
		    strcmp(drives[i].record.name, b->o->name) == 0)
			b->r->done_before = true;
	}
	table_drives_free(drives, count);
	if (code == ERR_NONE && !b->r->done_before)
		code = err_set(err, ERR_USAGE, "there is no drive named %s", b->o->name);
	return code;
}

/* A member may be given only by a rebuild that goes on: groups had to wait in the one before. */
static int check_onto(const struct rebuilding *b, struct error *err)
{
	const struct array_drive *lost = b->work.lost;

	for (unsigned i = 0; i < b->a->count && b->o->onto && lost; i++) {
		const struct array_drive *d = &b->a->drives[i];

		if (drive_counts(d) && d->url && strcmp(d->url, b->o->onto->url) == 0 &&
		    lost->record.state != DRIVE_LOST)
			return err_set(err, ERR_USAGE,
				       "drive %s is a member already: without --onto, rebuild uses "
				       "the free space of all drives", d->name);
	}
	return ERR_NONE;
}

static int rebuild_named(struct rebuilding *b, struct error *err)
{
	int code = find_lost(b, err);

	if (code == ERR_NONE)
		code = check_onto(b, err);
	if (code != ERR_NONE || !b->work.lost)
		return code;
	b->work.resumed = b->work.lost->record.state == DRIVE_LOST;
	code = set_state(b->a, b->work.lost, DRIVE_LOST, err);
	if (code == ERR_NONE && b->o->onto)
		code = take_onto(b, err);
	if (code == ERR_NONE)
		code = rebuild_drive(b, err);
	if (code == ERR_NONE && b->work.onto)
		code = set_state(b->a, b->work.onto, DRIVE_MEMBER, err);
	b->work.onto = NULL;
	return code;
}

/* Every lost drive that still owes something, into free space: their groups may have waited for the
 * one that was rebuilt now. */
static int rebuild_rest(struct rebuilding *b, struct error *err)
{
	struct table_drive *drives = NULL;
	size_t count = 0;
	int code = table_drives(b->a->table, &drives, &count, err);

	b->work.resumed = true;
	for (size_t i = 0; i < count && code == ERR_NONE; i++) {
		struct array_drive gone = { .id = drives[i].record.id, .record = drives[i].record };

		if (drives[i].record.state != DRIVE_LOST || drives[i].objects == 0)
			continue;
		b->work.lost = &gone;
		code = rebuild_drive(b, err);
		b->work.lost = NULL;
	}
	table_drives_free(drives, count);
	return code;
}

static int pay_debts(struct rebuilding *b, struct error *err)
{
	struct debts_result debts;
	int code = debts_pay(b->a, DEBTS_THOROUGH, &debts, err);

	if (code == ERR_NONE) {
		b->r->objects += debts.rows_made;
		b->r->rows_owed = debts.rows_owed;
		b->r->read_bytes += debts.read_bytes;
		b->r->written_bytes += debts.written_bytes;
	}
	return code;
}

/* Of lost drives nothing is left to do: this host needs no way to them. */
static int forget_ways(struct array *a, struct error *err)
{
	int code = ERR_NONE;

	for (unsigned i = 0; i < a->count && code == ERR_NONE; i++) {
		if (a->drives[i].url && a->drives[i].record.state == DRIVE_LOST)
			code = array_forget_way(a, &a->drives[i], err);
	}
	return code;
}

int rebuild(struct array *a, const struct rebuild_options *o, struct rebuild_result *r,
	    struct error *err)
{
	struct rebuilding b = { .a = a, .o = o, .r = r, .work.a = a };
	int code = ERR_NONE;

	memset(r, 0, sizeof(*r));
	pthread_mutex_init(&b.lock, NULL);
	if (o->name)
		code = rebuild_named(&b, err);
	if (code == ERR_NONE && r->waiting == 0)
		code = rebuild_rest(&b, err);
	if (code == ERR_NONE)
		code = pay_debts(&b, err);
	if (code == ERR_NONE && r->waiting == 0)
		code = forget_ways(a, err);
	buf_release(&b.records);
	pthread_mutex_destroy(&b.lock);
	return code;
}

struct estimating {
	uint64_t objects, bytes;
};

static int estimate_object(void *ctx, const struct table_object *o, struct error *err)
{
	struct estimating *e = ctx;

	(void)err;
	e->objects++;
	e->bytes += o->len_bytes;
	return ERR_NONE;
}

int rebuild_estimate(struct array *a, const struct rebuild_options *o, uint64_t *objects,
		     uint64_t *bytes, struct error *err)
{
	struct rebuild_result r = { 0 };
	struct rebuilding b = { .a = a, .o = o, .r = &r };
	const struct id *named;
	struct table_drive *drives = NULL;
	struct estimating e = { 0 };
	size_t count = 0;
	int code = ERR_NONE;

	if (o->name)
		code = find_lost(&b, err);
	named = b.work.lost ? &b.work.lost->id : NULL;
	/* One that is known already was left joining by a rebuild that was cut off. */
	if (code == ERR_NONE && o->onto && !array_drive_by_name(a, o->onto->record.name))
		code = array_probe_drive(a, o->onto, err);
	if (code == ERR_NONE)
		code = table_drives(a->table, &drives, &count, err);
	for (size_t i = 0; i < count && code == ERR_NONE; i++) {
		const struct drive_record *d = &drives[i].record;

		if (d->state == DRIVE_LOST || (named && id_equal(&d->id, named)))
			code = table_objects(a->table, &d->id, estimate_object, &e, err);
	}
	table_drives_free(drives, count);
	*objects = e.objects;
	*bytes = e.bytes;
	return code;
}
