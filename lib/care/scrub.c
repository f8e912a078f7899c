#include "care/scrub.h"

#include "array/health.h"
#include "array/object.h"
#include "base/stop.h"
#include "care/idlist.h"
#include "care/inspect.h"
#include "care/mend.h"
#include "care/readmit.h"
#include "care/sweep.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct scrubbing {
	struct array *a;
	const struct scrub_options *o;
	struct scrub_result *r;
	struct pool *pool;
	struct damage_list damage;
	struct stray_list strays;
	struct buf records;
};

bool scrub_chooses(const struct scrub_options *o, const struct array_drive *d)
{
	if (!o->drives)
		return true;
	for (unsigned i = 0; o->drives[i]; i++) {
		if (strcmp(o->drives[i], d->name) == 0)
			return true;
	}
	return false;
}

/* A rolled-back drive is whole when all that it lacks was put back. One that is joining counts for
 * nothing yet, but has to be whole for its rebuild to go on. */
static bool can_scrub(const struct array_drive *d)
{
	return d->handle && (drive_counts(d) || d->record.state == DRIVE_JOINING) &&
	       (d->presence == DRIVE_PRESENT || d->presence == DRIVE_ROLLED_BACK);
}

static void tell_total(const struct scrubbing *s)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < s->a->count; i++) {
		const struct array_drive *d = &s->a->drives[i];

		if (scrub_chooses(s->o, d) && can_scrub(d))
			bytes += d->used_bytes;
	}
	counters_total(s->o->counters, 0, bytes);
}

static int scrub_drive_objects(struct scrubbing *s, unsigned i, struct error *err)
{
	struct array_drive *d = &s->a->drives[i];
	struct scrub_drive *result = &s->r->drives[i];
	int code;

	result->scrubbed = true;
	if ((code = inspect_marker(s->a, d, s->o->repair, result, err)) != ERR_NONE ||
	    (code = inspect_keys(s->a, d, s->o->repair, result, err)) != ERR_NONE ||
	    (code = inspect_journal(s->a, d, s->o->repair, result, err)) != ERR_NONE)
		return code;
	return inspect_drive(s->a, d, s->pool, s->o->counters, result, &s->damage, &s->strays, err);
}

/* What another host superseded and deleted meanwhile is not missed. */
static int forget_superseded(struct scrubbing *s, struct error *err)
{
	size_t kept = 0;
	int code = s->damage.count > 0 ? array_pull(s->a, err) : ERR_NONE;

	for (size_t i = 0; i < s->damage.count && code == ERR_NONE; i++) {
		struct damage *d = &s->damage.items[i];
		struct hash sha256;

		if (object_name_hash(d->object.name, &sha256) &&
		    !table_knows_object(s->a->table, &sha256))
			s->r->drives[d->drive - s->a->drives].damaged--;
		else
			s->damage.items[kept++] = *d;
	}
	if (code == ERR_NONE)
		s->damage.count = kept;
	return code;
}

/* ---- repair ---- */

/* The damaged objects of one group. */
struct repair {
	struct scrubbing *s;
	struct id group;
	struct damage *items[GROUP_SLOTS_MAX + GROUP_ROWS_MAX];
	struct mend_want wants[GROUP_SLOTS_MAX + GROUP_ROWS_MAX];
	unsigned count;
};

static int slot_of_block(const struct table_group *g, const struct id *uid)
{
	for (unsigned i = 0; i < g->member_count; i++) {
		if (id_equal(&g->members[i].uid, uid))
			return g->slots[i];
	}
	return -1;
}

/* Whether the object is one of the group's, and which. */
static bool belongs(const struct table_group *g, const struct damage *d, struct code_ref *ref)
{
	int slot;

	if (d->object.is_row) {
		*ref = (struct code_ref){ true, d->object.row };
		return id_equal(&g->id, &d->object.owner);
	}
	slot = slot_of_block(g, &d->object.owner);
	*ref = (struct code_ref){ false, (uint8_t)slot };
	return slot >= 0;
}

/* sure: those of the group that are certainly bad; else those that could not be read, which are
 * inputs to the others first. */
static int mend_together(struct scrubbing *s, const struct id *group_id, bool sure,
			 struct table_group *g, struct error *err)
{
	struct repair *r = calloc(1, sizeof(*r));
	struct mend_result mended = { 0 };
	int code = r ? table_group(s->a->table, group_id, g, err) : err_nomem(err);

	for (size_t i = 0; i < s->damage.count && code == ERR_NONE; i++) {
		struct damage *d = &s->damage.items[i];
		struct code_ref ref;

		if (d->repaired || d->sure != sure || r->count == GROUP_SLOTS_MAX ||
		    !belongs(g, d, &ref))
			continue;
		r->items[r->count] = d;
		r->wants[r->count++] = (struct mend_want){ .ref = ref, .drive = d->drive };
	}
	if (code == ERR_NONE && r->count > 0) {
		code = mend_group(s->a, group_id, r->wants, r->count, &s->records, &mended, err);
		for (unsigned i = 0; i < r->count; i++) {
			if (!r->wants[i].done)
				continue;
			r->items[i]->repaired = true;
			s->r->drives[r->items[i]->drive - s->a->drives].repaired++;
		}
	}
	free(r);
	return code;
}

/* Tries every group that the object is in until one gives it back. *beyond: none ever will. */
static int repair_one(struct scrubbing *s, struct damage *d, struct table_group *g, bool *beyond,
		      struct error *err)
{
	struct id_list groups = { 0 };
	struct table_block b;
	int code;

	*beyond = d->sure;
	if (d->object.is_row) {
		code = id_list_add(&groups, &d->object.owner, err);
	} else {
		code = table_block_by_uid(s->a->table, &d->object.owner, &b, err);
		if (code == ERR_NONE)
			code = table_groups_of(s->a->table, b.id, id_list_add, &groups, err);
	}
	for (size_t i = 0; i < groups.count && code == ERR_NONE && !d->repaired; i++) {
		code = mend_together(s, &groups.ids[i], d->sure, g, err);
		*beyond = *beyond && code == ERR_LOST;
		if (code != ERR_NONE && code != ERR_NOMEM && code != ERR_INTERRUPTED) {
			array_tell(s->a, TELL_WARNING, "repair %s on drive %s: %s", d->object.name,
				   d->drive->name, err->message);
			code = ERR_NONE;
		}
	}
	id_list_release(&groups);
	return code;
}

static bool all_at_hand(const struct array *a)
{
	for (unsigned i = 0; i < a->count; i++) {
		if (drive_counts(&a->drives[i]) && !can_scrub(&a->drives[i]))
			return false;
	}
	return true;
}

static int repair_these(struct scrubbing *s, bool sure, struct table_group *g, struct error *err)
{
	int code = ERR_NONE;

	for (size_t i = 0; i < s->damage.count && code == ERR_NONE; i++) {
		struct damage *d = &s->damage.items[i];
		bool beyond = false;

		if (d->repaired || d->sure != sure)
			continue;
		code = stop_check(err);
		if (code == ERR_NONE)
			code = repair_one(s, d, g, &beyond, err);
		/* No drive is away that could still have it: a later put may store it anew. */
		if (code == ERR_NONE && beyond && !d->repaired && !d->object.is_row &&
		    all_at_hand(s->a)) {
			record_id(&s->records, RECORD_LOST, &d->object.owner);
			s->r->lost_blocks++;
		}
	}
	return code;
}

static int repair_all(struct scrubbing *s, struct error *err)
{
	struct table_group *g = malloc(sizeof(*g));
	int code = g ? repair_these(s, true, g, err) : err_nomem(err);

	if (code == ERR_NONE)
		code = repair_these(s, false, g, err);
	free(g);
	return code;
}

/* ---- the whole ---- */

/* What could not be read to the end may be damaged still. */
static void drop_unreachable(struct scrubbing *s)
{
	for (unsigned i = 0; i < s->a->count; i++) {
		const struct array_drive *d = &s->a->drives[i];

		if (!s->r->drives[i].scrubbed || can_scrub(d))
			continue;
		s->r->drives[i].scrubbed = false;
		array_tell(s->a, TELL_WARNING, "drive %s is not scrubbed to the end: %s: %s", d->name,
			   presence_word(d->presence), d->why);
	}
}

static void add_scrub_records(struct scrubbing *s)
{
	for (unsigned i = 0; i < s->a->count; i++) {
		const struct scrub_drive *d = &s->r->drives[i];
		struct scrub_record record = { .drive_id = s->a->drives[i].id,
					       .time_s = time(NULL),
					       .objects = d->objects,
					       .bytes = d->bytes,
					       .damaged = d->damaged,
					       .repaired = d->repaired,
					       .complete = true };

		s->r->objects += d->objects;
		s->r->bytes += d->bytes;
		s->r->damaged += d->damaged;
		s->r->repaired += d->repaired;
		if (d->scrubbed)
			record_scrub(&s->records, &record);
	}
}

/* What was rolled back and is now up to date takes part again. */
static int readmit(struct scrubbing *s, struct error *err)
{
	int code = ERR_NONE;

	for (unsigned i = 0; i < s->a->count && code == ERR_NONE; i++) {
		struct array_drive *d = &s->a->drives[i];
		struct scrub_drive *result = &s->r->drives[i];

		if (!result->scrubbed || d->presence != DRIVE_ROLLED_BACK ||
		    result->damaged != result->repaired)
			continue;
		code = array_take_back(s->a, d, err);
		if (code != ERR_NONE || d->presence != DRIVE_ROLLED_BACK)
			continue;
		result->damaged++;
		array_tell(s->a, TELL_WARNING,
			   "drive %s: %s; no drive at hand has what is missing, nor has the state "
			   "folder", d->name, d->why);
	}
	return code;
}

int scrub(struct array *a, const struct scrub_options *o, struct scrub_result *r,
	  struct error *err)
{
	struct scrubbing s = { .a = a, .o = o, .r = r };
	int code = ERR_NONE;

	memset(r, 0, sizeof(*r));
	damage_list_init(&s.damage);
	s.pool = pool_new(a->options.threads, err);
	if (!s.pool)
		code = (int)err->code;
	if (code == ERR_NONE)
		code = readmit_drives(a, o, r, err);
	if (code == ERR_NONE && o->repair)
		code = array_drop_removed_slots(a, err);
	tell_total(&s);
	for (unsigned i = 0; i < a->count && code == ERR_NONE; i++) {
		if (scrub_chooses(o, &a->drives[i]) && can_scrub(&a->drives[i]))
			code = scrub_drive_objects(&s, i, err);
	}
	if (code == ERR_NONE)
		code = forget_superseded(&s, err);
	if (code == ERR_NONE && o->repair)
		code = repair_all(&s, err);
	if (code == ERR_NONE && o->repair)
		code = readmit(&s, err);
	if (code == ERR_NONE && o->repair)
		code = sweep_orphans(a, &s.strays, o->grace_s, r, &s.records, err);
	if (code == ERR_NONE) {
		drop_unreachable(&s);
		add_scrub_records(&s);
		/* When all were rolled back for good there is none to say it to: the result does. */
		if (o->repair && (array_usable_count(a) > 0 || r->damaged == r->repaired))
			code = array_commit(a, &s.records, NULL, err);
	}
	pool_free(s.pool);
	damage_list_release(&s.damage);
	free(s.strays.items);
	buf_release(&s.records);
	return code;
}
