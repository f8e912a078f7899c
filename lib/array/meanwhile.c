#include "array/meanwhile.h"

#include "array/health.h"
#include "array/object.h"
#include "array/place.h"

#include <stdlib.h>
#include <string.h>

/* Larger than any object of a sane group: a damaged length must not make us allocate it. */
#define OBJECT_BYTES_MAX ((size_t)256 << 20)
#define ROUNDS_MAX 8 /* hosts that go on meeting at once are no more than that */

struct looking {
	struct array *a;
	struct buf groups;	  /* ids of those that the records may have changed */
	struct table_group *group, *other;
	struct buf records;	  /* of what was parted */
};

static int note_id(void *ctx, const struct id *id, struct error *err)
{
	struct buf *ids = ctx;

	buf_add(ids, id->b, ID_BYTES);
	return ids->failed ? err_nomem(err) : ERR_NONE;
}

/* ---- which groups ---- */

static int note_groups_of(struct looking *l, const struct id *uid, struct error *err)
{
	struct table_block b;
	int code = table_block_by_uid(l->a->table, uid, &b, err);

	if (code == ERR_NOT_FOUND)
		return ERR_NONE;
	return code == ERR_NONE ? table_groups_of(l->a->table, b.id, note_id, &l->groups, err) : code;
}

static int note_record(struct looking *l, uint64_t type, struct reader body, struct error *err)
{
	struct group_row_record row;
	struct group_record *g;
	struct id id, drive;
	bool present;
	int code;

	if (type == RECORD_MOVE) {
		code = parse_move(body, &id, &drive, err);
		return code == ERR_NONE ? note_groups_of(l, &id, err) : code;
	}
	if (type == RECORD_ROWS) {
		code = parse_rows(body, &id, &row, &present, err);
		return code == ERR_NONE && present ? note_id(&l->groups, &id, err) : code;
	}
	if (type != RECORD_GROUP)
		return ERR_NONE;
	g = malloc(sizeof(*g));
	code = g ? parse_group(body, g, err) : err_nomem(err);
	if (code == ERR_NONE)
		code = note_id(&l->groups, &g->id, err);
	free(g);
	return code;
}

static int note_groups(struct looking *l, const struct buf *records, struct error *err)
{
	struct reader r = reader_of(records->data, records->len_bytes);
	struct reader body;
	uint64_t type;
	bool mandatory;
	int code = ERR_NONE;

	buf_clear(&l->groups);
	while (code == ERR_NONE && record_next(&r, &type, &mandatory, &body))
		code = note_record(l, type, body, err);
	return code;
}

/* ---- two objects on one drive ---- */

struct met {
	unsigned drive, member, row; /* by index; the one that goes, the other is GROUP_SLOTS_MAX */
	bool is_row;
};

static unsigned drive_of(struct array *a, const struct id *id)
{
	const struct array_drive *d = array_drive_by_id(a, id);

	return d && drive_counts(d) ? (unsigned)(d - a->drives) : DRIVES_MAX;
}

/* A row goes rather than a block. */
static bool find_met(struct array *a, const struct table_group *g, struct met *out)
{
	bool has[DRIVES_MAX + 1] = { false };

	for (unsigned i = 0; i < g->member_count; i++) {
		unsigned d = drive_of(a, &g->members[i].drive_id);

		*out = (struct met){ .drive = d, .member = i };
		if (d < DRIVES_MAX && has[d] && health_at_hand(a, d) && !g->members[i].lost)
			return true;
		has[d] = true;
	}
	for (unsigned i = 0; i < g->row_count; i++) {
		unsigned d = drive_of(a, &g->rows[i].drive_id);

		*out = (struct met){ .drive = d, .row = i, .is_row = true };
		if (d < DRIVES_MAX && has[d] && health_at_hand(a, d))
			return true;
		has[d] = true;
	}
	return false;
}

struct taken {
	uint16_t drives[DRIVES_MAX];
	unsigned count;
};

static void take(struct taken *t, unsigned drive)
{
	if (drive < DRIVES_MAX && t->count < DRIVES_MAX)
		t->drives[t->count++] = (uint16_t)drive;
}

static void take_group(struct array *a, const struct table_group *g, struct taken *t)
{
	for (unsigned i = 0; i < g->member_count; i++)
		take(t, drive_of(a, &g->members[i].drive_id));
	for (unsigned i = 0; i < g->row_count; i++)
		take(t, drive_of(a, &g->rows[i].drive_id));
}

/* Of every group that the block is in. */
static int take_groups_of(struct looking *l, const struct table_block *b, struct taken *t,
			  struct error *err)
{
	struct buf ids = { 0 };
	int code = table_groups_of(l->a->table, b->id, note_id, &ids, err);

	for (size_t at = 0; at < ids.len_bytes && code == ERR_NONE; at += ID_BYTES) {
		struct id id;

		memcpy(id.b, ids.data + at, ID_BYTES);
		code = table_group(l->a->table, &id, l->other, err);
		if (code == ERR_NONE)
			take_group(l->a, l->other, t);
	}
	buf_release(&ids);
	return code;
}

/* Where an object of that name is to be deleted, it may be so at any moment: only if there is no
 * other drive. */
static int choose(struct array *a, const struct taken *t, const struct met *m, const char *name,
		  uint64_t len_bytes, uint16_t *to, struct error *err)
{
	struct alloc_policy policy = place_policy(a);
	struct alloc_drive *view = calloc(a->count, sizeof(*view));
	struct taken also = *t;
	int code;

	if (!view)
		return err_nomem(err);
	place_view(a, view);
	pthread_mutex_lock(&a->table_lock);
	for (unsigned i = 0; i < a->count; i++) {
		if (table_is_garbage(a->table, &a->drives[i].id, name))
			take(&also, i);
	}
	pthread_mutex_unlock(&a->table_lock);
	code = alloc_one(view, a->count, &policy, also.drives, also.count, m->is_row, len_bytes, to,
			 err);
	if (code != ERR_NONE)
		code = alloc_one(view, a->count, &policy, t->drives, t->count, m->is_row, len_bytes,
				 to, err);
	free(view);
	return code;
}

static int copy(struct array *a, unsigned from, unsigned to, const char *name, struct error *err)
{
	struct array_drive *source = &a->drives[from], *target = &a->drives[to];
	struct buf bytes = { 0 };
	int code = object_get(source->handle, name, OBJECT_BYTES_MAX, &bytes, err);

	if (code == ERR_NONE) {
		code = place_store(a, target, name, bytes.data, bytes.len_bytes, err);
		if (code == ERR_NONE)
			place_book(a, target, bytes.len_bytes);
		else if (code != ERR_NOMEM && code != ERR_INTERRUPTED)
			place_poison(a, target, err);
	}
	buf_release(&bytes);
	return code;
}

static void record(struct looking *l, const struct met *m, unsigned to, const char *name)
{
	const struct id *from_id = &l->a->drives[m->drive].id, *to_id = &l->a->drives[to].id;

	if (m->is_row) {
		struct group_row_record row = l->group->rows[m->row];

		record_rows(&l->records, &l->group->id, &row, false);
		row.drive_id = *to_id;
		record_rows(&l->records, &l->group->id, &row, true);
	} else {
		record_move(&l->records, &l->group->members[m->member].uid, to_id);
	}
	record_garbage(&l->records, from_id, name, false);
}

static int part(struct looking *l, const struct met *m, struct error *err)
{
	const struct table_block *b = &l->group->members[m->member];
	struct taken taken = { .count = 0 };
	char name[OBJECT_NAME_MAX + 1];
	uint64_t len_bytes = b->len_bytes;
	uint16_t to;
	int code = ERR_NONE;

	take_group(l->a, l->group, &taken);
	if (m->is_row) {
		object_name_row(&l->group->rows[m->row].name, name);
		len_bytes = l->group->rows[m->row].len_bytes;
	} else {
		object_name_block(&b->name, name);
		pthread_mutex_lock(&l->a->table_lock);
		code = take_groups_of(l, b, &taken, err);
		pthread_mutex_unlock(&l->a->table_lock);
	}
	if (code == ERR_NONE)
		code = choose(l->a, &taken, m, name, len_bytes, &to, err);
	if (code == ERR_NONE)
		code = copy(l->a, m->drive, to, name, err);
	if (code == ERR_NONE)
		record(l, m, to, name);
	return code;
}

/* Rows that another host made, too, on another drive. */
static void drop_twice(struct looking *l)
{
	struct group_row_record row;
	char name[OBJECT_NAME_MAX + 1];

	while (health_take_twice(l->a, l->group, &row)) {
		record_rows(&l->records, &l->group->id, &row, false);
		object_name_row(&row.name, name);
		if (!health_names(l->group, &row))
			record_garbage(&l->records, &row.drive_id, name, false);
	}
}

/* What cannot be parted now stays so: status tells, and debts are paid for it. */
static int look_at(struct looking *l, const struct id *id, struct error *err)
{
	struct met m;
	int code;

	pthread_mutex_lock(&l->a->table_lock);
	code = table_group(l->a->table, id, l->group, err);
	pthread_mutex_unlock(&l->a->table_lock);
	if (code != ERR_NONE)
		return code == ERR_NOT_FOUND ? ERR_NONE : code;
	drop_twice(l);
	if (!find_met(l->a, l->group, &m))
		return ERR_NONE;
	code = part(l, &m, err);
	return code == ERR_NOMEM || code == ERR_INTERRUPTED ? code : ERR_NONE;
}

static int commit_and_learn(struct looking *l, const struct buf *records, struct error *err)
{
	struct error why;
	int code;

	pthread_mutex_lock(&l->a->table_lock);
	code = array_commit(l->a, records, NULL, err);
	/* What cannot be read now is learned later, and nothing is deleted before. */
	if (code == ERR_NONE && array_learn(l->a, &why) == ERR_NOMEM)
		code = err_nomem(err);
	if (code == ERR_NONE)
		code = note_groups(l, records, err);
	pthread_mutex_unlock(&l->a->table_lock);
	return code;
}

static int look_around(struct looking *l, struct error *err)
{
	int code = ERR_NONE;

	for (size_t at = 0; at < l->groups.len_bytes && code == ERR_NONE; at += ID_BYTES) {
		struct id id;

		memcpy(id.b, l->groups.data + at, ID_BYTES);
		code = look_at(l, &id, err);
	}
	return code;
}

static int rounds(struct looking *l, struct buf *records, struct error *err)
{
	int code = commit_and_learn(l, records, err);

	buf_clear(records);
	for (unsigned i = 0; i < ROUNDS_MAX && code == ERR_NONE; i++) {
		code = look_around(l, err);
		if (code != ERR_NONE || l->records.len_bytes == 0)
			break;
		code = commit_and_learn(l, &l->records, err);
		buf_clear(&l->records);
	}
	return code;
}

int meanwhile_commit(struct array *a, struct buf *records, struct error *err)
{
	struct looking l = { .a = a };
	int code = ERR_NONE;

	if (records->len_bytes == 0 && !records->failed)
		return ERR_NONE;
	l.group = malloc(sizeof(*l.group));
	l.other = malloc(sizeof(*l.other));
	code = l.group && l.other ? rounds(&l, records, err) : err_nomem(err);
	free(l.group);
	free(l.other);
	buf_release(&l.groups);
	buf_release(&l.records);
	return code;
}
