#include "care/rebuild_group.h"

#include "array/object.h"
#include "array/place.h"
#include "care/regroup.h"
#include "care/target.h"

#include <stdlib.h>
#include <string.h>

/* The drive that has the object whole already: the new one, or one that may take it. */
static struct array_drive *find_stored(const struct rebuild_work *w, const char *name,
				       uint64_t len_bytes, const struct taken_drives *taken)
{
	for (unsigned i = 0; i < w->a->count; i++) {
		struct array_drive *d = &w->a->drives[i];
		struct error why;

		if (d != w->onto && (!w->resumed || !drive_usable(d) || target_is_taken(taken, i)))
			continue;
		if (object_verify(d->handle, name, len_bytes, &why) == ERR_NONE)
			return d;
	}
	return NULL;
}

/* What of the group lay on the lost drive, and where it goes. */
struct plan {
	struct mend_want wants[GROUP_SLOTS_MAX + GROUP_ROWS_MAX];
	unsigned count;
	struct table_group after;	   /* the group as it will be */
	bool block_homeless, row_homeless; /* no drive takes one of these beside the others */
	struct buf found;		   /* records of what is there already */
	unsigned found_count;
	bool was_split;
};

/* The new drive takes what the lost one held while it has room, never two objects of a group. */
static bool onto_takes(const struct rebuild_work *w, const struct table_group *g, uint64_t bytes)
{
	if (w->onto && (atomic_load(&w->onto->poisoned) || place_free_bytes(w->a, w->onto) < bytes))
		return false;
	for (unsigned i = 0; i < g->member_count && w->onto; i++) {
		if (id_equal(&g->members[i].drive_id, &w->onto->id))
			return false;
	}
	for (unsigned i = 0; i < g->row_count && w->onto; i++) {
		if (id_equal(&g->rows[i].drive_id, &w->onto->id))
			return false;
	}
	return w->onto;
}

static void plan_one(const struct rebuild_work *w, struct plan *p, struct code_ref ref,
		     uint64_t bytes, struct taken_drives *taken, struct id *drive_id)
{
	struct mend_want *want = &p->wants[p->count];
	bool onto = onto_takes(w, &p->after, bytes);
	struct error why;

	*want = (struct mend_want){ .ref = ref, .drive = onto ? w->onto : NULL };
	if (onto ||
	    target_choose(w->a, taken, ref.is_row, bytes, &want->drive, &why) == ERR_NONE) {
		*drive_id = want->drive->id;
		p->count++;
	} else if (ref.is_row) {
		p->row_homeless = true;
	} else {
		p->block_homeless = true;
	}
}

static void plan_member(const struct rebuild_work *w, unsigned i, struct taken_drives *taken,
			struct plan *p)
{
	struct table_block *m = &p->after.members[i];
	char name[OBJECT_NAME_MAX + 1];
	struct array_drive *there;

	object_name_block(&m->name, name);
	if ((there = find_stored(w, name, m->len_bytes, taken))) {
		m->drive_id = there->id;
		target_take(taken, (unsigned)(there - w->a->drives));
		record_move(&p->found, &m->uid, &there->id);
		p->found_count++;
		return;
	}
	plan_one(w, p, (struct code_ref){ false, p->after.slots[i] }, m->len_bytes, taken,
		 &m->drive_id);
}

static void plan_row(const struct rebuild_work *w, unsigned i, struct taken_drives *taken,
		     struct plan *p)
{
	struct group_row_record *row = &p->after.rows[i];
	char name[OBJECT_NAME_MAX + 1];
	struct array_drive *there;

	object_name_row(&row->name, name);
	if ((there = find_stored(w, name, row->len_bytes, taken))) {
		row->drive_id = there->id;
		target_take(taken, (unsigned)(there - w->a->drives));
		record_rows(&p->found, &p->after.id, row, true);
		p->found_count++;
		return;
	}
	plan_one(w, p, (struct code_ref){ true, row->row }, target_longest_bytes(&p->after), taken,
		 &row->drive_id);
}

static void make_plan(const struct rebuild_work *w, const struct table_group *g, struct plan *p)
{
	struct taken_drives taken;

	p->count = p->found_count = 0;
	p->block_homeless = p->row_homeless = false;
	p->after = *g;
	buf_clear(&p->found);
	taken_from_group(w->a, g, &taken);
	for (unsigned i = 0; i < g->member_count; i++) {
		if (id_equal(&g->members[i].drive_id, &w->lost->id) && !g->members[i].lost)
			plan_member(w, i, &taken, p);
	}
	for (unsigned i = 0; i < g->row_count; i++) {
		if (id_equal(&g->rows[i].drive_id, &w->lost->id))
			plan_row(w, i, &taken, p);
	}
}

/* The rows that lay on the lost drive are there no more. */
static void drop_rows(const struct rebuild_work *w, const struct table_group *g,
		      struct buf *records)
{
	for (unsigned i = 0; i < g->row_count; i++) {
		if (id_equal(&g->rows[i].drive_id, &w->lost->id))
			record_rows(records, &g->id, &g->rows[i], false);
	}
}

static bool all_at_hand(const struct array *a)
{
	for (unsigned i = 0; i < a->count; i++) {
		if (drive_counts(&a->drives[i]) && a->drives[i].presence != DRIVE_PRESENT)
			return false;
	}
	return true;
}

static bool is_stored(const struct rebuild_work *w, const struct table_block *m)
{
	struct taken_drives none = { .count = 0 };
	char name[OBJECT_NAME_MAX + 1];

	object_name_block(&m->name, name);
	return find_stored(w, name, m->len_bytes, &none);
}

/* Blocks of the group that lay on the lost drive and are beyond repair, now that every drive that
 * may have helped was asked. With drives away they may come back: then the group waits. */
static void give_up(const struct rebuild_work *w, const struct table_group *g, struct buf *records,
		    struct rebuild_result *r)
{
	if (!all_at_hand(w->a)) {
		r->waiting++;
		return;
	}
	for (unsigned i = 0; i < g->member_count; i++) {
		const struct table_block *m = &g->members[i];
		const struct array_drive *d = array_drive_by_id(w->a, &m->drive_id);

		/* Also those of drives that were declared lost before this one. */
		if ((d && drive_counts(d)) || m->lost || is_stored(w, m))
			continue;
		record_id(records, RECORD_LOST, &m->uid);
		r->beyond++;
	}
}

/* Its objects on other drives, or on the new one, as planned. *again: drives failed, or the new one
 * is full, and others have to take what these did not. */
static int remake(const struct rebuild_work *w, const struct table_group *g, struct plan *p,
		  struct buf *records, struct mend_result *mended, bool *again, struct error *err)
{
	int code = ERR_NONE;

	buf_add(records, p->found.data, p->found.len_bytes);
	if (p->count > 0)
		code = mend_group(w->a, &g->id, p->wants, p->count, records, mended, err);
	for (unsigned i = 0; i < p->count; i++) {
		const struct mend_want *want = &p->wants[i];

		*again = *again || want->failed == ERR_FULL ||
			 (want->failed != ERR_NONE && want->drive != w->onto);
	}
	if (code == ERR_NONE)
		drop_rows(w, g, records);
	return *again ? ERR_NONE : code;
}

/* *again then: what was found first has to be in the group. */
static int split(const struct rebuild_work *w, const struct table_group *g, struct plan *p,
		 struct buf *records, struct mend_result *mended, bool *again, struct error *err)
{
	int code = ERR_NONE;

	buf_add(records, p->found.data, p->found.len_bytes);
	*again = p->found_count > 0;
	if (!*again)
		code = regroup(w->a, g, records, mended, err);
	p->was_split = !*again && code == ERR_NONE;
	return code;
}

static int work_on(const struct rebuild_work *w, const struct table_group *g, struct plan *p,
		   struct buf *records, struct mend_result *mended, bool *again, struct error *err)
{
	int code;

	make_plan(w, g, p);
	if (p->block_homeless)
		return split(w, g, p, records, mended, again, err);
	if (p->row_homeless && regroup_helps(w->a, &p->after)) {
		code = split(w, g, p, records, mended, again, err);
		if (code != ERR_FULL)
			return code;
	}
	/* A row without a place is a debt, which another drive may pay one day. */
	return remake(w, g, p, records, mended, again, err);
}

static uint64_t objects_on(const struct table_group *g, const struct id *drive_id)
{
	uint64_t objects = 0;

	for (unsigned i = 0; i < g->member_count; i++)
		objects += id_equal(&g->members[i].drive_id, drive_id) && !g->members[i].lost;
	for (unsigned i = 0; i < g->row_count; i++)
		objects += id_equal(&g->rows[i].drive_id, drive_id);
	return objects;
}

/* What came of it. */
static int conclude(const struct rebuild_work *w, const struct table_group *g, int code,
		    unsigned found, struct buf *records, struct rebuild_result *r,
		    struct error *err)
{
	r->groups = 1;
	r->found = found;
	if (code == ERR_LOST) {
		give_up(w, g, records, r);
	} else if (code == ERR_FULL || code == ERR_ABSENT) {
		array_tell(w->a, TELL_WARNING, "a group waits: %s", err->message);
		r->waiting++;
		r->waiting_for_space += code == ERR_FULL;
	} else if (code != ERR_NONE) {
		return code;
	} else {
		r->objects = objects_on(g, &w->lost->id) - found;
	}
	return records->failed ? err_nomem(err) : ERR_NONE;
}

int rebuild_group(const struct rebuild_work *w, const struct id *id, struct buf *records,
		  struct rebuild_result *r, bool *again, struct error *err)
{
	struct table_group *g = malloc(sizeof(*g));
	struct plan *p = calloc(1, sizeof(*p));
	struct mend_result mended = { 0 };
	int code = g && p ? ERR_NONE : err_nomem(err);

	memset(r, 0, sizeof(*r));
	*again = false;
	if (code != ERR_NONE)
		goto out;
	pthread_mutex_lock(&w->a->table_lock);
	code = table_group(w->a->table, id, g, err);
	pthread_mutex_unlock(&w->a->table_lock);
	if (code == ERR_NONE)
		code = work_on(w, g, p, records, &mended, again, err);
	/* Another command has superseded it meanwhile. */
	if (code == ERR_NOT_FOUND)
		code = ERR_NONE;
	else if (!*again)
		code = conclude(w, g, code, p->found_count, records, r, err);
	r->split = p && p->was_split;
	r->read_bytes = mended.read_bytes;
	r->written_bytes = mended.written_bytes;
out:
	if (p)
		buf_release(&p->found);
	free(p);
	free(g);
	return code;
}
