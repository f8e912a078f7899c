#include "care/rebuild_group.h"

#include "array/extra.h"
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

static void leave_block(const struct rebuild_work *w, const struct table_block *b,
			struct buf *records)
{
	char name[OBJECT_NAME_MAX + 1];

	object_name_block(&b->name, name);
	record_garbage(records, &w->from->id, name, false);
}

/* An object of the group has a new place: on the drive that is drained it is garbage. */
static void leave_behind(const struct rebuild_work *w, const struct table_group *g,
			 struct code_ref ref, struct buf *records)
{
	char name[OBJECT_NAME_MAX + 1];

	for (unsigned i = 0; i < g->member_count && !ref.is_row; i++) {
		if (g->slots[i] == ref.index)
			leave_block(w, &g->members[i], records);
	}
	for (unsigned i = 0; i < g->row_count && ref.is_row; i++) {
		if (g->rows[i].row != ref.index || !id_equal(&g->rows[i].drive_id, &w->from->id))
			continue;
		record_rows(records, &g->id, &g->rows[i], false);
		object_name_row(&g->rows[i].name, name);
		record_garbage(records, &w->from->id, name, false);
	}
}

/* What of the group lay on the lost drive, and where it goes. */
struct plan {
	struct mend_want wants[GROUP_SLOTS_MAX + GROUP_ROWS_MAX];
	unsigned count;
	struct table_group after;	   /* the group as it will be */
	bool block_homeless, row_homeless; /* no drive takes one of these beside the others */
	uint32_t needless;		   /* rows by number: that were extra, or others take their turn */
	struct buf found;		   /* records of what is there already */
	unsigned found_count;
	bool was_split;
	bool onto_failed; /* the new drive did not take its object, and is not full */
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

static void plan_member(const struct rebuild_work *w, const struct table_group *g, unsigned i,
			struct taken_drives *taken, struct plan *p)
{
	struct table_block *m = &p->after.members[i];
	char name[OBJECT_NAME_MAX + 1];
	struct array_drive *there;

	object_name_block(&m->name, name);
	if ((there = find_stored(w, name, m->len_bytes, taken))) {
		m->drive_id = there->id;
		target_take(taken, (unsigned)(there - w->a->drives));
		record_move(&p->found, &m->uid, &there->id);
		if (w->drains)
			leave_block(w, m, &p->found);
		extra_evict(w->a, g, there, &p->found);
		p->found_count++;
		return;
	}
	plan_one(w, p, (struct code_ref){ false, p->after.slots[i] }, m->len_bytes, taken,
		 &m->drive_id);
}

static void plan_row(const struct rebuild_work *w, const struct table_group *g, unsigned i,
		     struct taken_drives *taken, struct plan *p)
{
	struct group_row_record *row = &p->after.rows[i];
	char name[OBJECT_NAME_MAX + 1];
	struct array_drive *there;

	object_name_row(&row->name, name);
	if ((there = find_stored(w, name, row->len_bytes, taken))) {
		row->drive_id = there->id;
		target_take(taken, (unsigned)(there - w->a->drives));
		record_rows(&p->found, &p->after.id, row, true);
		if (w->drains)
			leave_behind(w, g, (struct code_ref){ true, row->row }, &p->found);
		extra_evict(w->a, g, there, &p->found);
		p->found_count++;
		return;
	}
	plan_one(w, p, (struct code_ref){ true, row->row }, target_longest_bytes(&p->after), taken,
		 &row->drive_id);
}

static void make_plan(const struct rebuild_work *w, const struct table_group *g, struct plan *p)
{
	uint32_t others = target_rows_elsewhere(w->a, g, w->from);
	struct taken_drives taken;

	p->count = p->found_count = 0;
	p->needless = 0;
	p->block_homeless = p->row_homeless = false;
	p->after = *g;
	buf_clear(&p->found);
	taken_from_group(w->a, g, &taken);
	if (w->drains)
		target_give_back(&taken, (unsigned)(w->from - w->a->drives));
	for (unsigned i = 0; i < g->member_count; i++) {
		if (id_equal(&g->members[i].drive_id, &w->from->id) && !g->members[i].lost)
			plan_member(w, g, i, &taken, p);
	}
	for (unsigned i = 0; i < g->row_count; i++) {
		if (!id_equal(&g->rows[i].drive_id, &w->from->id))
			continue;
		if (target_needs_row(w->a, g->rows[i].row, &others))
			plan_row(w, g, i, &taken, p);
		else
			p->needless |= 1u << g->rows[i].row;
	}
}

/* The rows that lay on the lost drive are there no more. */
static void drop_rows(const struct rebuild_work *w, const struct table_group *g,
		      struct buf *records)
{
	for (unsigned i = 0; i < g->row_count; i++) {
		if (id_equal(&g->rows[i].drive_id, &w->from->id))
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

/* Why is told, and is of that drive alone: ERR_NOT_FOUND is a folder or bucket that went, no group. */
static int onto_fails(struct error *err)
{
	err->code = ERR_ABSENT;
	return err_wrap(err, "the new drive fails");
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
		p->onto_failed = p->onto_failed ||
				 (want->drive == w->onto && want->failed != ERR_NONE &&
				  want->failed != ERR_INTERRUPTED);
		if (want->done && w->drains)
			leave_behind(w, g, want->ref, records);
	}
	for (unsigned row = 0; row < GROUP_ROWS_MAX && w->drains; row++) {
		if (p->needless & 1u << row)
			leave_behind(w, g, (struct code_ref){ true, (uint8_t)row }, records);
	}
	if (code == ERR_NONE && !w->drains)
		drop_rows(w, g, records);
	if (*again)
		return ERR_NONE;
	return p->onto_failed ? onto_fails(err) : code;
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
	/* A drive that is drained holds what it holds until all of it has a place. */
	if (p->block_homeless || (p->row_homeless && w->drains))
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
static int conclude(const struct rebuild_work *w, const struct table_group *g,
		    const struct plan *p, int code, struct buf *records, struct rebuild_result *r,
		    struct error *err)
{
	r->groups = 1;
	r->found = p->found_count;
	if (code != ERR_NONE && p->onto_failed)
		return code;
	if (code == ERR_LOST && w->drains) {
		array_tell(w->a, TELL_WARNING, "a group cannot be moved: %s", err->message);
		r->beyond++;
	} else if (code == ERR_LOST) {
		give_up(w, g, records, r);
	} else if (code == ERR_FULL || code == ERR_ABSENT) {
		array_tell(w->a, TELL_WARNING, "a group waits: %s", err->message);
		r->waiting++;
		r->waiting_for_space += code == ERR_FULL;
	} else if (code != ERR_NONE) {
		return code;
	} else {
		r->objects = objects_on(g, &w->from->id) - p->found_count -
			     (unsigned)__builtin_popcount(p->needless);
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
		code = conclude(w, g, p, code, records, r, err);
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

/* ---- a block alone ---- */

/* A copy on another drive; *to NULL: none was made, since the drive that was chosen failed. */
static int copy_alone(const struct rebuild_work *w, const struct table_block *b,
		      struct array_drive **to, struct mend_result *mended, struct error *err)
{
	struct taken_drives taken = { .count = 0 };
	char name[OBJECT_NAME_MAX + 1];
	struct buf bytes = { 0 };
	struct error why;
	int code = target_choose(w->a, &taken, false, b->len_bytes, to, err);

	object_name_block(&b->name, name);
	if (code == ERR_NONE)
		code = mend_load_block(w->a, b, &bytes, mended, err);
	if (code == ERR_NONE && place_store(w->a, *to, name, bytes.data, bytes.len_bytes, &why) != ERR_NONE) {
		place_poison(w->a, *to, &why);
		*to = NULL;
	} else if (code == ERR_NONE) {
		place_book(w->a, *to, b->len_bytes);
		mended->written_bytes += b->len_bytes;
	}
	buf_release(&bytes);
	return code;
}

static int move_alone(const struct rebuild_work *w, const struct table_block *b,
		      struct buf *records, struct rebuild_result *r, bool *again,
		      struct error *err)
{
	struct taken_drives none = { .count = 0 };
	struct mend_result mended = { 0 };
	char name[OBJECT_NAME_MAX + 1];
	struct array_drive *to;
	int code = ERR_NONE;

	object_name_block(&b->name, name);
	to = find_stored(w, name, b->len_bytes, &none);
	r->found = to != NULL;
	if (!to)
		code = copy_alone(w, b, &to, &mended, err);
	*again = code == ERR_NONE && !to;
	if (code == ERR_NONE && to) {
		record_move(records, &b->uid, &to->id);
		leave_block(w, b, records);
		r->objects = r->found == 0;
	}
	r->read_bytes = mended.read_bytes;
	r->written_bytes = mended.written_bytes;
	return code;
}

int rebuild_alone(const struct rebuild_work *w, const struct id *uid, struct buf *records,
		  struct rebuild_result *r, bool *again, struct error *err)
{
	struct table_block b;
	int code;

	memset(r, 0, sizeof(*r));
	*again = false;
	pthread_mutex_lock(&w->a->table_lock);
	code = table_block_by_uid(w->a->table, uid, &b, err);
	pthread_mutex_unlock(&w->a->table_lock);
	if (code == ERR_NOT_FOUND ||
	    (code == ERR_NONE && (b.lost || !id_equal(&b.drive_id, &w->from->id))))
		return ERR_NONE;
	if (code == ERR_NONE)
		code = move_alone(w, &b, records, r, again, err);
	if (code == ERR_NOMEM || code == ERR_INTERRUPTED)
		return code;
	r->groups = code == ERR_NONE;
	if (code == ERR_CORRUPT || code == ERR_NOT_FOUND) {
		array_tell(w->a, TELL_WARNING, "a block cannot be moved: %s", err->message);
		r->beyond = 1;
	} else if (code != ERR_NONE) {
		array_tell(w->a, TELL_WARNING, "a block waits: %s", err->message);
		r->waiting = 1;
		r->waiting_for_space = code == ERR_FULL;
	}
	return records->failed ? err_nomem(err) : ERR_NONE;
}
