/* Rows against their members: the equations of every group. */
#include "care/deep.h"

#include "array/degraded.h"
#include "array/object.h"
#include "care/mend.h"
#include "care/target.h"
#include "group/row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- which groups ---- */

/* A row that was found whole. */
struct due_row {
	struct id group;
	struct inspection *i;
	struct roll_object *object;
};
struct due_rows {
	struct due_row *items;
	size_t count, cap;
};

static int by_group(const void *x, const void *y)
{
	const struct due_row *a = x, *b = y;

	return memcmp(a->group.b, b->group.b, ID_BYTES);
}

static int collect(struct inspecting *in, struct due_rows *out, struct error *err)
{
	for (unsigned n = 0; n < in->count; n++) {
		struct roll *roll = &in->drives[n].roll;

		for (size_t i = 0; i < roll->count; i++) {
			struct roll_object *o = &roll->objects[i];

			if (!o->is_row || !o->whole)
				continue;
			if (!grow(&out->items, &out->cap, out->count + 1, sizeof(*out->items)))
				return err_nomem(err);
			out->items[out->count++] = (struct due_row){ o->owner, &in->drives[n], o };
		}
	}
	if (out->count > 0)
		qsort(out->items, out->count, sizeof(*out->items), by_group);
	return ERR_NONE;
}

/* ---- one group ---- */

/* The rows of one group on the pool's threads; a group has few. */
struct row_check {
	struct inspecting *in;
	struct due_row *rows; /* lent */
	unsigned count;
	struct live_group live;
	struct code_ref want[GROUP_ROW_OBJECTS_MAX];
	uint64_t want_bytes[GROUP_ROW_OBJECTS_MAX], at_bytes[GROUP_ROW_OBJECTS_MAX];
	bool differs[GROUP_ROW_OBJECTS_MAX];
	struct buf slice;
	bool alone; /* a member is not at hand, or not whole */
	int code;
	struct error err;
};

static int read_row(struct row_check *c, unsigned i, uint64_t offset_bytes, size_t len_bytes,
		    struct error *err)
{
	struct drive *h = c->rows[i].i->drive->handle;
	struct table_object object = roll_table_object(c->rows[i].object);

	buf_clear(&c->slice);
	if (!buf_reserve(&c->slice, len_bytes + 1))
		return err_nomem(err);
	return h->driver->get(h, object.name, offset_bytes, c->slice.data, len_bytes, err);
}

static int compare_slice(void *ctx, unsigned i, const void *bytes, size_t len_bytes,
			 struct error *err)
{
	struct row_check *c = ctx;
	int code;

	if (c->differs[i])
		return ERR_NONE;
	code = read_row(c, i, c->at_bytes[i], len_bytes, err);
	c->at_bytes[i] += len_bytes;
	if (code == ERR_NONE)
		c->differs[i] = memcmp(c->slice.data, bytes, len_bytes) != 0;
	return code;
}

/* Descriptor and trailer behind the coded bytes. */
static int compare_tail(struct row_check *c, unsigned i, struct error *err)
{
	const struct table_group *g = &c->live.group;
	uint64_t coded = target_longest_bytes(g), object_bytes = c->rows[i].object->len_bytes;
	struct buf tail = { 0 };
	int code = ERR_NONE;

	if (g->member_count > 1)
		code = mend_row_tail(c->in->a, g, c->rows[i].object->row, &tail, err);
	if (code == ERR_NONE && object_bytes != coded + tail.len_bytes)
		c->differs[i] = true;
	if (code == ERR_NONE && !c->differs[i] && tail.len_bytes > 0) {
		code = read_row(c, i, coded, tail.len_bytes, err);
		c->differs[i] = code == ERR_NONE &&
				memcmp(c->slice.data, tail.data, tail.len_bytes) != 0;
	}
	buf_release(&tail);
	return code;
}

/* All members are at hand, each by its own block: they are the first ones. */
static bool has_members(struct live_group *live)
{
	unsigned members = 0;

	while (members < live->count && !live->objects[members].ref.is_row)
		members++;
	return members == live->group.member_count;
}

static int compare_rows(struct row_check *c, struct error *err)
{
	const struct table_group *g = &c->live.group;
	uint64_t coded = target_longest_bytes(g);
	int code = ERR_NONE;

	for (unsigned i = 0; i < c->count && code == ERR_NONE; i++) {
		c->want[i] = (struct code_ref){ true, c->rows[i].object->row };
		c->want_bytes[i] = coded;
		code = compare_tail(c, i, err);
	}
	if (code != ERR_NONE)
		return code;
	return group_rebuild(c->live.slots, g->member_count, c->live.objects, c->want, c->want_bytes,
			     c->count, compare_slice, c, err);
}

/* A row is wrong only if its members are right: they may have been hurt since they were read. */
static bool inputs_are_whole(struct row_check *c)
{
	for (unsigned i = 0; i < c->live.group.member_count; i++) {
		const struct stored_object *o = c->live.objects[i].ctx;
		struct error why;

		if (object_verify(o->drive->handle, o->name, o->object_bytes, &why) != ERR_NONE)
			return false;
	}
	for (unsigned i = 0; i < c->count; i++) {
		struct table_object object = roll_table_object(c->rows[i].object);
		struct error why;

		if (c->differs[i] &&
		    object_verify(c->rows[i].i->drive->handle, object.name, object.len_bytes,
				  &why) != ERR_NONE)
			return false;
	}
	return true;
}

static bool any_differs(const struct row_check *c)
{
	for (unsigned i = 0; i < c->count; i++) {
		if (c->differs[i])
			return true;
	}
	return false;
}

static void check_group(void *arg)
{
	struct row_check *c = arg;

	c->code = live_group_load(c->in->a, &c->rows[0].group, NULL, &c->live, &c->err);
	if (c->code == ERR_NOT_FOUND) { /* superseded meanwhile */
		c->alone = true;
		c->code = ERR_NONE;
		return;
	}
	if (c->code == ERR_NONE && has_members(&c->live))
		c->code = compare_rows(c, &c->err);
	else
		c->alone = true;
	if (c->code == ERR_NONE && any_differs(c))
		c->alone = !inputs_are_whole(c);
	if (c->code != ERR_NONE && c->code != ERR_NOMEM && c->code != ERR_INTERRUPTED) {
		c->alone = true; /* something cannot be read any more */
		c->code = ERR_NONE;
	}
	buf_release(&c->slice);
	live_group_release(&c->live);
}

/* ---- what is wrong ---- */

/* A row of this group may be on two drives. */
static int remake(struct row_check *c, unsigned i, struct wrong_rows *wrong, struct buf *records,
		  struct error *err)
{
	struct array_drive *d = c->rows[i].i->drive;
	struct mend_want want = { .ref = c->want[i], .drive = d, .anew = true };
	struct mend_result mended = { 0 };
	int code;

	if (!grow(&wrong->items, &wrong->cap, wrong->count + 1, sizeof(*wrong->items)))
		return err_nomem(err);
	code = mend_group(c->in->a, &c->rows[i].group, &want, 1, records, &mended, err);
	if (!want.done)
		return code;
	c->rows[i].i->result->repaired++;
	wrong->items[wrong->count].drive = d;
	snprintf(wrong->items[wrong->count++].name, OBJECT_NAME_MAX + 1, "%s",
		 roll_table_object(c->rows[i].object).name);
	return ERR_NONE;
}

static int settle(struct row_check *c, struct scrub_result *r, struct wrong_rows *wrong,
		  struct buf *records, struct error *err)
{
	int code = c->code;

	if (code != ERR_NONE)
		*err = c->err;
	if (code == ERR_NONE && c->alone)
		r->rows_alone += c->count;
	else if (code == ERR_NONE)
		r->rows_compared += c->count;
	for (unsigned i = 0; i < c->count && code == ERR_NONE && !c->alone; i++) {
		struct scrub_drive *result = c->rows[i].i->result;
		const struct array_drive *d = c->rows[i].i->drive;

		if (!c->differs[i])
			continue;
		c->rows[i].object->whole = false;
		result->damaged++;
		result->wrong_rows++;
		array_tell(c->in->a, TELL_WARNING,
			   "drive %s: %s: its bytes match its name, but are not what the members of "
			   "its group make", d->name, roll_table_object(c->rows[i].object).name);
		if (!c->in->o->repair)
			continue;
		code = remake(c, i, wrong, records, err);
		if (code == ERR_NONE || code == ERR_NOMEM || code == ERR_INTERRUPTED)
			continue;
		array_tell(c->in->a, TELL_WARNING, "repair a row on drive %s: %s", d->name,
			   err->message);
		code = ERR_NONE;
	}
	return code;
}

/* Checks of a few groups at once; each has memory of its own. */
#define CHECKS_MAX 4

static unsigned rows_of_group(const struct due_rows *due, size_t at)
{
	unsigned count = 0;

	while (at + count < due->count && count < GROUP_ROW_OBJECTS_MAX &&
	       id_equal(&due->items[at].group, &due->items[at + count].group))
		count++;
	return count;
}

int deep_check_rows(struct inspecting *in, struct scrub_result *r, struct wrong_rows *wrong,
		    struct buf *records, struct error *err)
{
	struct row_check *checks = calloc(CHECKS_MAX, sizeof(*checks));
	struct due_rows due = { 0 };
	int code = checks ? collect(in, &due, err) : err_nomem(err);

	for (size_t at = 0; at < due.count && code == ERR_NONE;) {
		unsigned n = 0;

		for (; n < CHECKS_MAX && at < due.count; n++) {
			memset(&checks[n], 0, sizeof(checks[n]));
			checks[n].in = in;
			checks[n].rows = &due.items[at];
			checks[n].count = rows_of_group(&due, at);
			at += checks[n].count;
			pool_add(in->pool, check_group, &checks[n]);
		}
		pool_wait(in->pool);
		for (unsigned i = 0; i < n && code == ERR_NONE; i++)
			code = settle(&checks[i], r, wrong, records, err);
	}
	free(due.items);
	free(checks);
	return code;
}

int deep_set_aside(struct array *a, const struct wrong_rows *wrong, struct error *err)
{
	int code = ERR_NONE;

	for (size_t i = 0; i < wrong->count && code == ERR_NONE; i++) {
		const struct wrong_row *w = &wrong->items[i];
		struct hash sha256;

		if (!object_name_hash(w->name, &sha256) || table_knows_object(a->table, &sha256))
			continue;
		code = object_quarantine(w->drive->handle, w->name, err);
		if (code == ERR_NOT_FOUND)
			code = ERR_NONE;
	}
	return code;
}
