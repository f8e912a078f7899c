/* Rows beyond the policy's parity, where drives have room to spare: all groups get one more, then all
 * another one, as far as it goes. What is planned for a group is made together, so that it is read
 * once. */
#include "care/leveling.h"

#include "array/drive_set.h"
#include "array/extra.h"
#include "array/health.h"
#include "array/place.h"
#include "base/stop.h"
#include "care/idlist.h"

#include <stdlib.h>
#include <string.h>

/* Groups that are looked at together, with their part of the room: this bounds the memory. */
#define WINDOW 4096
/* Of a group at a time, its members and the new rows: they are made in memory. */
#define MEMORY_BYTES ((uint64_t)128 << 20)

struct richer {
	struct id id;
	uint64_t row_bytes, read_bytes, longest_bytes;
	struct drive_set drives; /* that have an object of it, or are to get one */
	uint32_t rows;		 /* by number: that it has, or is to get */
	unsigned members, count;
	uint8_t row[GROUP_ROWS_MAX]; /* the new ones */
	uint16_t drive[GROUP_ROWS_MAX];
};

struct enriching {
	struct leveling *l;
	struct alloc_policy policy;
	struct alloc_drive *view; /* room to spare, less what was planned */
	struct alloc_drive *part; /* of it, for the groups at hand */
	struct richer *groups;
	size_t count;
};

/* ---- which groups ---- */

static bool note_object(struct array *a, const struct id *drive_id, struct richer *g)
{
	const struct array_drive *d = array_drive_by_id(a, drive_id);

	if (!d || !drive_counts(d))
		return false;
	drive_set_add(&g->drives, (unsigned)(d - a->drives));
	return health_at_hand(a, (unsigned)(d - a->drives));
}

/* All members are at hand: else it has other needs. */
static bool look_at(struct array *a, const struct table_group *from, struct richer *g)
{
	bool whole = true;

	memset(g, 0, sizeof(*g));
	g->id = from->id;
	g->members = from->member_count;
	g->rows = health_rows(a, from);
	g->row_bytes = level_row_bytes(from);
	g->read_bytes = level_all_bytes(from);
	for (unsigned i = 0; i < from->member_count; i++) {
		whole = note_object(a, &from->members[i].drive_id, g) && whole &&
			!from->members[i].lost;
		if (from->members[i].len_bytes > g->longest_bytes)
			g->longest_bytes = from->members[i].len_bytes;
	}
	for (unsigned i = 0; i < from->row_count; i++)
		note_object(a, &from->rows[i].drive_id, g);
	return whole && (unsigned)__builtin_popcount(g->rows) >= a->policy.parity;
}

static int load_window(struct enriching *e, const struct id *ids, size_t count, struct error *err)
{
	struct leveling *l = e->l;
	int code = ERR_NONE;

	e->count = 0;
	for (size_t i = 0; i < count && code == ERR_NONE; i++) {
		code = table_group(l->a->table, &ids[i], l->group, err);
		if (code == ERR_NONE)
			e->count += look_at(l->a, l->group, &e->groups[e->count]);
		else if (code == ERR_NOT_FOUND)
			code = ERR_NONE;
	}
	return code;
}

/* ---- what they get ---- */

static unsigned list_drives(const struct drive_set *s, uint16_t *out, unsigned count)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++) {
		if (drive_set_has(s, i))
			out[n++] = (uint16_t)i;
	}
	return n;
}

static bool add_row(struct enriching *e, struct richer *g)
{
	uint16_t taken[DRIVES_MAX], drive;
	unsigned drives = e->l->a->count, n = list_drives(&g->drives, taken, drives);
	struct error why;
	uint8_t row = 0;

	if (alloc_one(e->part, drives, &e->policy, taken, n, true, g->row_bytes, &drive, &why) !=
	    ERR_NONE)
		return false;
	while (g->rows & 1u << row)
		row++;
	g->rows |= 1u << row;
	g->row[g->count] = row;
	g->drive[g->count++] = drive;
	drive_set_add(&g->drives, drive);
	e->part[drive].free_bytes -= g->row_bytes;
	e->view[drive].free_bytes -= g->row_bytes;
	return true;
}

/* share: of the room that is left. */
static void plan_window(struct enriching *e, double share)
{
	for (unsigned i = 0; i < e->l->a->count; i++) {
		e->part[i] = e->view[i];
		if (share < 1)
			e->part[i].free_bytes = (uint64_t)((double)e->view[i].free_bytes * share);
	}
	for (unsigned rows = e->policy.parity; rows < PARITY_MAX; rows++) {
		for (size_t i = 0; i < e->count; i++) {
			if ((unsigned)__builtin_popcount(e->groups[i].rows) == rows)
				add_row(e, &e->groups[i]);
		}
	}
}

/* ---- making them ---- */

static int add_task(struct enriching *e, const struct richer *g, unsigned from, unsigned count,
		    struct error *err)
{
	struct level_task *t = level_task_new(e->l);

	t->kind = LEVEL_ROWS;
	t->extra = true;
	t->group = g->id;
	for (unsigned i = 0; i < count; i++) {
		t->wants[i].ref = (struct code_ref){ true, g->row[from + i] };
		t->wants[i].drive = &e->l->a->drives[g->drive[from + i]];
	}
	t->want_count = t->rows_made = count;
	t->written_each = g->row_bytes;
	t->mended.read_bytes = g->read_bytes;
	t->mended.written_bytes = count * g->row_bytes;
	t->memory_bytes = t->mended.read_bytes + t->mended.written_bytes;
	return level_task_add(e->l, err);
}

static int make_rows(struct enriching *e, const struct richer *g, struct error *err)
{
	uint64_t objects = g->longest_bytes > 0 ? MEMORY_BYTES / g->longest_bytes : GROUP_ROWS_MAX;
	unsigned at_once = objects > g->members + 1 ? (unsigned)(objects - g->members) : 1;
	int code = stop_check(err);

	for (unsigned at = 0; at < g->count && code == ERR_NONE && !e->l->stopped; at += at_once)
		code = add_task(e, g, at, g->count - at < at_once ? g->count - at : at_once, err);
	return code;
}

static int enrich(struct enriching *e, const struct id_list *ids, struct error *err)
{
	int code = ERR_NONE;

	for (size_t at = 0; at < ids->count && code == ERR_NONE; at += WINDOW) {
		size_t left = ids->count - at, count = left < WINDOW ? left : WINDOW;

		code = load_window(e, ids->ids + at, count, err);
		if (code == ERR_NONE)
			plan_window(e, (double)count / (double)left);
		for (size_t i = 0; i < e->count && code == ERR_NONE; i++)
			code = make_rows(e, &e->groups[i], err);
	}
	return code == ERR_NONE ? level_run(e->l, err) : code;
}

int level_make_extra(struct leveling *l, struct error *err)
{
	struct enriching e = { .l = l, .policy = place_policy(l->a) };
	struct id_list ids = { 0 };
	int code = table_short_groups(l->a->table, PARITY_MAX, GROUP_MEMBERS_MAX, id_list_add, &ids,
				      err);

	e.view = calloc(l->a->count, sizeof(*e.view));
	e.part = calloc(l->a->count, sizeof(*e.part));
	e.groups = calloc(ids.count < WINDOW ? ids.count + 1 : WINDOW, sizeof(*e.groups));
	if (code == ERR_NONE && (!e.view || !e.part || !e.groups))
		code = err_nomem(err);
	if (code == ERR_NONE) {
		place_view_extra(l->a, e.view);
		code = enrich(&e, &ids, err);
	}
	free(e.view);
	free(e.part);
	free(e.groups);
	id_list_release(&ids);
	return code;
}
