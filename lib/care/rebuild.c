#include "care/rebuild.h"

#include "array/membership.h"
#include "care/debts.h"
#include "care/idlist.h"
#include "care/rebuild_run.h"

#include <stdlib.h>
#include <string.h>

struct rebuilding {
	struct array *a;
	const struct rebuild_options *o;
	struct rebuild_result *r;
	struct rebuild_work work;
};

/* Blocks that no group protected went with the drive. */
static int give_up_alone(struct rebuilding *b, struct error *err)
{
	struct id_list ids = { 0 };
	struct buf records = { 0 };
	int code = table_ungrouped(b->a->table, id_list_add, &ids, err);

	for (size_t i = 0; i < ids.count && code == ERR_NONE; i++) {
		struct table_block block;

		code = table_block_by_uid(b->a->table, &ids.ids[i], &block, err);
		if (code != ERR_NONE || block.lost || !id_equal(&block.drive_id, &b->work.from->id))
			continue;
		record_id(&records, RECORD_LOST, &block.uid);
		b->r->beyond++;
	}
	if (code == ERR_NONE && records.len_bytes > 0)
		code = array_commit(b->a, &records, NULL, err);
	buf_release(&records);
	id_list_release(&ids);
	return code;
}

/* ---- the drives ---- */

/* The new drive: joining since a rebuild before, or taken in now. */
static int take_onto(struct rebuilding *b, struct error *err)
{
	struct new_drive *n = b->o->onto;
	struct id lost_id = b->work.from->id;
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
		n->record = b->work.from->record;
		memcpy(n->record.name, name, sizeof(name));
		code = array_add_drive(b->a, n, DRIVE_JOINING, err);
		if (code == ERR_NONE)
			b->work.onto = array_drive_by_name(b->a, name);
	}
	b->work.from = array_drive_by_id(b->a, &lost_id);
	if (code == ERR_NONE && (!b->work.onto || b->work.onto->presence != DRIVE_PRESENT))
		code = err_set(err, ERR_ABSENT, "the new drive is not there: %s",
			       b->work.onto ? b->work.onto->why : "");
	return code;
}

/* Everything of one lost drive. */
static int rebuild_drive(struct rebuilding *b, struct error *err)
{
	int code = rebuild_run(&b->work, b->o->counters, b->r, err);

	return code == ERR_NONE ? give_up_alone(b, err) : code;
}

/* Finds the drive; none when all that it held was made anew before, by a rebuild that was cut off
 * later. */
static int find_lost(struct rebuilding *b, struct error *err)
{
	struct array_drive *d = array_drive_by_name(b->a, b->o->name);
	int code;

	if (d && d->record.state == DRIVE_REMOVED)
		d = NULL;
	b->work.from = d;
	if (d && drive_counts(d) && d->presence == DRIVE_PRESENT)
		return err_set(err, ERR_USAGE,
			       "drive %s is here and works: scrub repairs what is damaged on it",
			       d->name);
	if (d)
		return ERR_NONE;
	code = member_was(b->a, b->o->name, DRIVE_LOST, &b->r->done_before, err);
	if (code == ERR_NONE && !b->r->done_before)
		code = err_set(err, ERR_USAGE, "there is no drive named %s", b->o->name);
	return code;
}

/* A member may be given only by a rebuild that goes on: groups had to wait in the one before. */
static int check_onto(const struct rebuilding *b, struct error *err)
{
	const struct array_drive *lost = b->work.from;

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
	if (code != ERR_NONE || !b->work.from)
		return code;
	b->work.resumed = b->work.from->record.state == DRIVE_LOST;
	code = member_set_state(b->a, b->work.from, DRIVE_LOST, false, err);
	if (code == ERR_NONE && b->o->onto)
		code = take_onto(b, err);
	if (code == ERR_NONE)
		code = rebuild_drive(b, err);
	if (code == ERR_NONE && b->work.onto)
		code = member_set_state(b->a, b->work.onto, DRIVE_MEMBER, false, err);
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
		b->work.from = &gone;
		code = rebuild_drive(b, err);
		b->work.from = NULL;
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
	if (o->name)
		code = rebuild_named(&b, err);
	if (code == ERR_NONE && r->waiting == 0)
		code = rebuild_rest(&b, err);
	if (code == ERR_NONE)
		code = pay_debts(&b, err);
	if (code == ERR_NONE && r->waiting == 0)
		code = forget_ways(a, err);
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
	if (code == ERR_NONE)
		code = check_onto(&b, err);
	named = b.work.from ? &b.work.from->id : NULL;
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
