/* Groups with more in one domain than may be lost: objects move to other domains; a group that is too
 * wide for the domains there are is split, and its blocks stay. All of a group or nothing: half of it
 * would help nobody. */
#include "care/rebalance_inner.h"

#include "array/extra.h"
#include "array/health.h"
#include "array/object.h"
#include "array/place.h"
#include "care/idlist.h"
#include "care/regroup.h"
#include "care/spread.h"

#include <stdlib.h>
#include <string.h>

struct crowd {
	struct moving m;
	struct spread_object objects[SPREAD_OBJECTS_MAX]; /* of the group at hand, rows first */
	unsigned count;
	uint64_t *written_bytes; /* by drive */
	struct table_group *whole; /* m.group has no extra rows: they do no harm, and give way */
};

static bool is_crowded(struct crowd *c)
{
	moving_begin(&c->m);
	moving_count(&c->m);
	for (unsigned i = 0; i < c->m.b->a->count; i++) {
		if (c->m.in_domain[i] > c->m.domain_max)
			return true;
	}
	return false;
}

/* ---- the group ---- */

/* Object i of the group, rows first: they are the cheaper ones to lose on the way. */
static void object_of(const struct table_group *g, unsigned i, struct table_object *o,
		      const struct id **drive_id)
{
	memset(o, 0, sizeof(*o));
	if (i < g->row_count) {
		const struct group_row_record *r = &g->rows[i];

		*o = (struct table_object){ .sha256 = r->name, .len_bytes = r->len_bytes,
					    .is_row = true, .owner = g->id, .row = r->row };
		object_name_row(&r->name, o->name);
		*drive_id = &r->drive_id;
	} else {
		const struct table_block *b = &g->members[i - g->row_count];

		*o = (struct table_object){ .sha256 = b->name, .len_bytes = b->len_bytes,
					    .owner = b->uid };
		object_name_block(&b->name, o->name);
		*drive_id = &b->drive_id;
	}
}

static void leave_extra_out(struct crowd *c)
{
	struct table_group *g = c->m.group;

	*c->whole = *g;
	g->row_count = 0;
	for (unsigned i = 0; i < c->whole->row_count; i++) {
		if (!extra_is(c->m.b->a, c->whole, i))
			g->rows[g->row_count++] = c->whole->rows[i];
	}
}

/* The group is about to change. */
static void drop_extra(struct crowd *c)
{
	struct array *a = c->m.b->a;
	struct upkeep *u = &c->m.b->u;

	for (unsigned i = 0; i < a->count && !c->m.b->o->dry_run; i++)
		u->garbage_bytes[i] += extra_evict(a, c->whole, &a->drives[i], &u->records);
}

/* False: not all of it is at hand. */
static bool list_objects(struct crowd *c)
{
	struct array *a = c->m.b->a;
	const struct table_group *g = c->m.group;

	c->count = g->row_count + g->member_count;
	for (unsigned i = 0; i < c->count; i++) {
		const struct array_drive *d;
		const struct id *drive_id;
		struct table_object o;

		object_of(g, i, &o, &drive_id);
		d = array_drive_by_id(a, drive_id);
		if (!d || !health_at_hand(a, (unsigned)(d - a->drives)) ||
		    (!o.is_row && g->members[i - g->row_count].lost))
			return false;
		c->objects[i] = (struct spread_object){ .drive = (uint16_t)(d - a->drives),
							.row = o.is_row,
							.len_bytes = o.len_bytes };
	}
	return true;
}

static bool has_shared_block(struct crowd *c)
{
	const struct table_group *g = c->m.group;
	struct id_list groups = { 0 };
	struct error why;
	bool shared = false;

	for (unsigned i = 0; i < g->member_count && !shared; i++) {
		groups.count = 0;
		shared = table_groups_of(c->m.b->a->table, g->members[i].id, id_list_add, &groups,
					 &why) != ERR_NONE || groups.count > 1;
	}
	id_list_release(&groups);
	return shared;
}

/* ---- moving ---- */

static bool is_free(const struct crowd *c, unsigned drive)
{
	for (unsigned i = 0; i < c->count; i++) {
		if (c->objects[i].drive == drive)
			return false;
	}
	return true;
}

/* One that moves to a drive that has none of the others, so that no two ever share one. */
static unsigned next_to_move(const struct crowd *c)
{
	unsigned i = 0;

	while (i < c->count && (c->objects[i].to == c->objects[i].drive ||
				!is_free(c, c->objects[i].to)))
		i++;
	return i;
}

static int move_objects(struct crowd *c, struct error *err)
{
	const struct id_list none = { 0 }; /* its extra rows have gone already */
	const struct id *drive_id;
	struct table_object o;
	int code = ERR_NONE;
	bool done = true;
	unsigned i;

	while (code == ERR_NONE && done && (i = next_to_move(c)) < c->count) {
		object_of(c->m.group, i, &o, &drive_id);
		code = moving_move(&c->m, &o, &none, c->objects[i].drive, c->objects[i].to, &done,
				   err);
		c->objects[i].drive = c->objects[i].to;
	}
	return code;
}

/* ---- splitting ---- */

static void book(struct crowd *c)
{
	struct array *a = c->m.b->a;

	for (unsigned i = 0; i < a->count; i++)
		place_book(a, &a->drives[i], c->written_bytes[i]);
	for (unsigned i = 0; i < c->m.group->row_count; i++)
		place_unbook(a, &a->drives[c->objects[i].drive], c->objects[i].len_bytes);
}

/* regroup_by_domain() has recorded that the old rows are to go. */
static void count_old_rows(struct crowd *c)
{
	for (unsigned i = 0; i < c->m.group->row_count; i++)
		c->m.b->u.garbage_bytes[c->objects[i].drive] += c->objects[i].len_bytes;
}

static int split(struct crowd *c, struct mend_result *mended, struct error *err)
{
	struct rebalancing *b = c->m.b;
	int code = regroup_by_domain(b->a, c->m.group, &b->u.records, mended, err);

	if (code == ERR_NONE) {
		count_old_rows(c);
		b->u.changes++;
		b->u.new_bytes += mended->written_bytes;
	}
	return code;
}

/* A step. */
static int split_group(struct crowd *c, struct error *err)
{
	struct rebalancing *b = c->m.b;
	struct mend_result mended = { 0 };
	bool may;
	int code;

	for (unsigned i = 0; i < c->m.group->member_count; i++)
		mended.read_bytes += c->m.group->members[i].len_bytes;
	for (unsigned i = 0; i < b->a->count; i++)
		mended.written_bytes += c->written_bytes[i];
	code = rebalance_may(b, mended.read_bytes + mended.written_bytes, &may, err);
	if (code != ERR_NONE || !may)
		return code;
	if (b->o->dry_run) {
		book(c);
	} else {
		mended = (struct mend_result){ 0 };
		code = split(c, &mended, err);
	}
	if (code == ERR_NONE) {
		b->r->split++;
		code = rebalance_done(b, mended.read_bytes, mended.written_bytes, err);
	} else {
		code = rebalance_failed(b, code, err);
	}
	place_view(b->a, c->m.view);
	return code;
}

/* ---- all groups ---- */

static unsigned members_on_removable(const struct crowd *c, bool after)
{
	unsigned members = 0;

	for (unsigned i = 0; i < c->count; i++) {
		const struct spread_object *o = &c->objects[i];

		members += !o->row && c->m.view[after ? o->to : o->drive].removable;
	}
	return members;
}

/* No more members on removable drives than there may be, or are. */
static bool plan_moves(struct crowd *c)
{
	unsigned count = c->m.b->a->count, before = members_on_removable(c, false);
	struct alloc_drive *fixed;
	bool yes = spread_plan(c->m.view, count, c->m.domain_max, c->objects, c->count);

	if (!yes || members_on_removable(c, true) <= c->m.removable_max ||
	    members_on_removable(c, true) <= before)
		return yes;
	fixed = calloc(count, sizeof(*fixed));
	for (unsigned i = 0; i < count && fixed; i++) {
		fixed[i] = c->m.view[i];
		fixed[i].usable = fixed[i].usable && !fixed[i].removable;
	}
	yes = fixed && spread_plan(fixed, count, c->m.domain_max, c->objects, c->count);
	free(fixed);
	return yes;
}

static int spread_group(struct crowd *c, const struct id *id, struct error *err)
{
	struct array *a = c->m.b->a;
	const struct table_group *g = c->m.group;
	struct error why;
	int code = table_group(a->table, id, c->m.group, err);

	if (code != ERR_NONE || !is_crowded(c))
		return code == ERR_NOT_FOUND ? ERR_NONE : code;
	leave_extra_out(c);
	if (list_objects(c) && !has_shared_block(c)) {
		if (plan_moves(c)) {
			drop_extra(c);
			return move_objects(c, err);
		}
		if (g->member_count > 1 &&
		    regroup_by_domain_fits(a, g, c->written_bytes, &why) == ERR_NONE) {
			drop_extra(c);
			return split_group(c, err);
		}
	}
	c->m.b->r->crowded++;
	return ERR_NONE;
}

int rebalance_domains(struct rebalancing *b, struct error *err)
{
	struct crowd *c = calloc(1, sizeof(*c));
	struct id_list ids = { 0 };
	int code;

	if (!c)
		return err_nomem(err);
	b->r->crowded = 0;
	code = moving_init(&c->m, b, err);
	c->written_bytes = calloc(b->a->count, sizeof(*c->written_bytes));
	c->whole = malloc(sizeof(*c->whole));
	if (code == ERR_NONE && (!c->written_bytes || !c->whole))
		code = err_nomem(err);
	if (code == ERR_NONE && c->m.domain_max < DRIVES_MAX)
		code = table_groups(b->a->table, id_list_add, &ids, err);
	for (size_t i = 0; i < ids.count && code == ERR_NONE && !b->r->work_remains; i++)
		code = spread_group(c, &ids.ids[i], err);
	if (code == ERR_NONE)
		code = upkeep_settle(&b->u, err);
	id_list_release(&ids);
	moving_release(&c->m);
	free(c->written_bytes);
	free(c->whole);
	free(c);
	return code;
}
