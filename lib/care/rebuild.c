#include "care/rebuild.h"

#include "array/object.h"
#include "base/pool.h"
#include "base/stop.h"
#include "care/debts.h"
#include "care/idlist.h"
#include "care/mend.h"
#include "care/regroup.h"
#include "care/target.h"

#include <stdlib.h>
#include <string.h>

#define COMMIT_GROUPS 32
#define COMMIT_BYTES ((uint64_t)256 << 20)

struct rebuilding {
	struct array *a;
	const struct rebuild_options *o;
	struct rebuild_result *r;
	struct array_drive *lost, *onto;
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

/* ---- one group ---- */

static uint64_t longest_member(const struct table_group *g)
{
	uint64_t longest = 0;

	for (unsigned i = 0; i < g->member_count; i++) {
		if (g->members[i].len_bytes > longest)
			longest = g->members[i].len_bytes;
	}
	return longest;
}

/* Whether the new drive has the object whole already. Counts it and records its place then. */
static bool already_there(struct rebuilding *b, const char *name, uint64_t len_bytes)
{
	struct error why;

	return b->onto &&
	       object_verify(b->onto->handle, name, len_bytes, &why) == ERR_NONE;
}

/* What of the group lay on the lost drive, and where it goes. */
struct plan {
	struct mend_want wants[GROUP_SLOTS_MAX + GROUP_ROWS_MAX];
	unsigned count;
	bool no_place; /* no drive may take one of them without regrouping */
	struct buf found; /* records of what is there already */
	unsigned found_count;
};

static int choose_drive(struct rebuilding *b, struct taken_drives *taken, bool for_row,
			uint64_t bytes, struct array_drive **to, struct error *err)
{
	if (b->onto) {
		*to = b->onto;
		return ERR_NONE;
	}
	return target_choose(b->a, taken, for_row, bytes, to, err);
}

static void plan_member(struct rebuilding *b, const struct table_group *g, unsigned i,
			struct taken_drives *taken, struct plan *p)
{
	const struct table_block *m = &g->members[i];
	char name[OBJECT_NAME_MAX + 1];
	struct error why;

	object_name_block(&m->name, name);
	if (already_there(b, name, m->len_bytes)) {
		record_move(&p->found, &m->uid, &b->onto->id);
		p->found_count++;
		return;
	}
	p->wants[p->count].ref = (struct code_ref){ false, g->slots[i] };
	if (choose_drive(b, taken, false, m->len_bytes, &p->wants[p->count].drive, &why) ==
	    ERR_NONE)
		p->count++;
	else
		p->no_place = true;
}

static void plan_row(struct rebuilding *b, const struct table_group *g, unsigned i,
		     struct taken_drives *taken, struct plan *p)
{
	struct group_row_record row = g->rows[i];
	char name[OBJECT_NAME_MAX + 1];
	struct error why;

	object_name_row(&row.name, name);
	if (already_there(b, name, row.len_bytes)) {
		row.drive_id = b->onto->id;
		record_rows(&p->found, &g->id, &row, true);
		p->found_count++;
		return;
	}
	p->wants[p->count].ref = (struct code_ref){ true, row.row };
	/* A row without a place is a debt, which another drive may pay one day. */
	if (choose_drive(b, taken, true, longest_member(g), &p->wants[p->count].drive, &why) ==
	    ERR_NONE)
		p->count++;
}

static void make_plan(struct rebuilding *b, const struct table_group *g, struct plan *p)
{
	struct taken_drives taken;

	taken_from_group(b->a, g, &taken);
	for (unsigned i = 0; i < g->member_count; i++) {
		if (id_equal(&g->members[i].drive_id, &b->lost->id) && !g->members[i].lost)
			plan_member(b, g, i, &taken, p);
	}
	for (unsigned i = 0; i < g->row_count; i++) {
		if (id_equal(&g->rows[i].drive_id, &b->lost->id))
			plan_row(b, g, i, &taken, p);
	}
}

/* The rows that lay on the lost drive are there no more. */
static void drop_rows(const struct rebuilding *b, const struct table_group *g, struct buf *records)
{
	for (unsigned i = 0; i < g->row_count; i++) {
		if (id_equal(&g->rows[i].drive_id, &b->lost->id))
			record_rows(records, &g->id, &g->rows[i], false);
	}
}

/* Blocks of the group that lay on the lost drive and are beyond repair, now that every drive that
 * may have helped was asked. With drives away they may come back: then the group waits. */
static void give_up(struct rebuilding *b, const struct table_group *g, struct buf *records,
		    struct rebuild_result *r)
{
	for (unsigned i = 0; i < b->a->count; i++) {
		const struct array_drive *d = &b->a->drives[i];

		if (drive_counts(d) && d->presence != DRIVE_PRESENT) {
			r->waiting++;
			return;
		}
	}
	for (unsigned i = 0; i < g->member_count; i++) {
		const struct array_drive *d = array_drive_by_id(b->a, &g->members[i].drive_id);

		/* Also those of drives that were declared lost before this one. */
		if ((!d || !drive_counts(d)) && !g->members[i].lost) {
			record_id(records, RECORD_LOST, &g->members[i].uid);
			r->beyond++;
		}
	}
}

static int rebuild_group(struct rebuilding *b, const struct id *id, struct table_group *g,
			 struct plan *p, struct buf *records, struct rebuild_result *r,
			 struct error *err)
{
	struct mend_result mended = { 0 };
	int code;

	pthread_mutex_lock(&b->a->table_lock);
	code = table_group(b->a->table, id, g, err);
	pthread_mutex_unlock(&b->a->table_lock);
	if (code != ERR_NONE)
		return code;
	make_plan(b, g, p);
	r->groups++;
	if (p->no_place) {
		code = regroup(b->a, g, &b->lost->id, records, &mended, err);
	} else {
		buf_add(records, p->found.data, p->found.len_bytes);
		r->found += p->found_count;
		if (p->count > 0)
			code = mend_group(b->a, id, p->wants, p->count, records, &mended, err);
	}
	r->read_bytes += mended.read_bytes;
	r->written_bytes += mended.written_bytes;
	if (code == ERR_LOST) {
		buf_clear(records);
		give_up(b, g, records, r);
		return ERR_NONE;
	}
	if (code == ERR_FULL || code == ERR_ABSENT) {
		buf_clear(records);
		array_tell(b->a, TELL_WARNING, "a group waits: %s", err->message);
		r->waiting++;
		return ERR_NONE;
	}
	if (code != ERR_NONE)
		return code;
	r->objects += p->count;
	if (!p->no_place)
		drop_rows(b, g, records);
	return records->failed ? err_nomem(err) : ERR_NONE;
}

/* ---- all of them ---- */

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
	to->objects += from->objects;
	to->found += from->found;
	to->read_bytes += from->read_bytes;
	to->written_bytes += from->written_bytes;
	to->beyond += from->beyond;
	to->waiting += from->waiting;
}

static void run_task(void *arg)
{
	struct task *t = arg;
	struct rebuilding *b = t->b;
	struct rebuild_result own = { 0 };
	struct buf records = { 0 };
	struct table_group *g = malloc(sizeof(*g));
	struct plan *p = calloc(1, sizeof(*p));
	struct error err;
	int code = stop_check(&err);

	pthread_mutex_lock(&b->lock);
	if (b->failed != ERR_NONE)
		code = b->failed;
	pthread_mutex_unlock(&b->lock);
	if (code == ERR_NONE)
		code = g && p ? rebuild_group(b, &t->group, g, p, &records, &own, &err)
			      : err_nomem(&err);
	pthread_mutex_lock(&b->lock);
	if (code == ERR_NONE) {
		buf_add(&b->records, records.data, records.len_bytes);
		add_result(b->r, &own);
		b->bytes_since += own.written_bytes;
		counters_add(b->o->counters, 1, own.written_bytes);
		if (++b->groups_since >= COMMIT_GROUPS || b->bytes_since >= COMMIT_BYTES)
			code = commit(b, &err);
	}
	if (code != ERR_NONE && b->failed == ERR_NONE) {
		b->failed = code;
		b->failure = err;
	}
	pthread_mutex_unlock(&b->lock);
	if (p)
		buf_release(&p->found);
	buf_release(&records);
	free(p);
	free(g);
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
	int code = g ? table_groups_on(b->a->table, &b->lost->id, id_list_add, &ids, err)
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
		counters_total(b->o->counters, ids.count, 0);
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
		if (code != ERR_NONE || block.lost || !id_equal(&block.drive_id, &b->lost->id))
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
	struct id lost_id = b->lost->id;
	int code = ERR_NONE;

	for (unsigned i = 0; i < b->a->count; i++) {
		struct array_drive *d = &b->a->drives[i];

		/* A member already: some groups had to wait in the rebuild before. */
		if ((d->record.state == DRIVE_JOINING || d->record.state == DRIVE_MEMBER) &&
		    d->url && strcmp(d->url, n->url) == 0)
			b->onto = d;
	}
	if (!b->onto) {
		char name[DRIVE_NAME_MAX + 1];

		memcpy(name, n->record.name, sizeof(name));
		n->record = b->lost->record;
		memcpy(n->record.name, name, sizeof(name));
		code = array_add_drive(b->a, n, DRIVE_JOINING, err);
		if (code == ERR_NONE)
			b->onto = array_drive_by_name(b->a, name);
	}
	b->lost = array_drive_by_id(b->a, &lost_id);
	if (code == ERR_NONE && (!b->onto || b->onto->presence != DRIVE_PRESENT))
		code = err_set(err, ERR_ABSENT, "the new drive is not there: %s",
			       b->onto ? b->onto->why : "");
	return code;
}

static int rebuild_lost(struct rebuilding *b, struct error *err)
{
	struct array *a = b->a;
	int code = set_state(a, b->lost, DRIVE_LOST, err);

	if (code == ERR_NONE && b->o->onto)
		code = take_onto(b, err);
	if (code == ERR_NONE)
		code = rebuild_groups(b, err);
	if (code == ERR_NONE)
		code = give_up_alone(b, err);
	if (code == ERR_NONE)
		code = commit(b, err);
	if (code == ERR_NONE && b->onto)
		code = set_state(a, b->onto, DRIVE_MEMBER, err);
	return code;
}

static int begin(struct rebuilding *b, struct error *err)
{
	b->lost = array_drive_by_name(b->a, b->o->name);
	if (!b->lost)
		return err_set(err, ERR_USAGE, "there is no drive named %s", b->o->name);
	if (drive_counts(b->lost) && b->lost->presence == DRIVE_PRESENT)
		return err_set(err, ERR_USAGE,
			       "drive %s is here and works: scrub repairs what is damaged on it",
			       b->lost->name);
	return ERR_NONE;
}

/* Without a name: every lost drive that still owes something, into free space. */
static int rebuild_rest(struct rebuilding *b, struct error *err)
{
	struct table_drive *drives = NULL;
	size_t count = 0;
	struct debts_result debts;
	int code = table_drives(b->a->table, &drives, &count, err);

	for (size_t i = 0; i < count && code == ERR_NONE; i++) {
		struct array_drive gone = { .id = drives[i].record.id, .record = drives[i].record };

		if (drives[i].record.state != DRIVE_LOST || drives[i].objects == 0)
			continue;
		b->lost = &gone;
		code = rebuild_groups(b, err);
		if (code == ERR_NONE)
			code = commit(b, err);
		b->lost = NULL;
	}
	table_drives_free(drives, count);
	if (code == ERR_NONE)
		code = debts_pay(b->a, &debts, err);
	if (code == ERR_NONE) {
		b->r->objects += debts.rows_made;
		b->r->read_bytes += debts.read_bytes;
		b->r->written_bytes += debts.written_bytes;
	}
	return code;
}

/* Drives that were declared lost before, whose groups waited for this one: now they can be done. */
static int finish_others(struct rebuilding *b, struct error *err)
{
	int code = ERR_NONE;

	b->onto = NULL;
	for (unsigned i = 0; i < b->a->count && code == ERR_NONE; i++) {
		struct array_drive *d = &b->a->drives[i];

		if (d == b->lost || !d->url || d->record.state != DRIVE_LOST)
			continue;
		b->lost = d;
		code = rebuild_groups(b, err);
		if (code == ERR_NONE)
			code = give_up_alone(b, err);
		if (code == ERR_NONE)
			code = commit(b, err);
		if (code == ERR_NONE && b->r->waiting == 0)
			code = array_forget_way(b->a, d, err);
	}
	return code;
}

int rebuild(struct array *a, const struct rebuild_options *o, struct rebuild_result *r,
	    struct error *err)
{
	struct rebuilding b = { .a = a, .o = o, .r = r };
	int code = ERR_NONE;

	memset(r, 0, sizeof(*r));
	pthread_mutex_init(&b.lock, NULL);
	if (o->name) {
		code = begin(&b, err);
		if (code == ERR_NONE)
			code = rebuild_lost(&b, err);
		if (code == ERR_NONE && r->waiting == 0)
			code = array_forget_way(a, b.lost, err);
		if (code == ERR_NONE && r->waiting == 0)
			code = finish_others(&b, err);
	} else {
		code = rebuild_rest(&b, err);
	}
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

int rebuild_estimate(struct array *a, const char *name, uint64_t *objects, uint64_t *bytes,
		     struct error *err)
{
	const struct array_drive *d = array_drive_by_name(a, name);
	struct estimating e = { 0 };
	int code;

	if (!d)
		return err_set(err, ERR_USAGE, "there is no drive named %s", name);
	code = table_objects(a->table, &d->id, estimate_object, &e, err);
	*objects = e.objects;
	*bytes = e.bytes;
	return code;
}
