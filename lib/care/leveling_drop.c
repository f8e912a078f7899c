/* Rows beyond the policy. None is read, and none goes that the promise still needs. */
#include "care/leveling.h"

#include "array/health.h"
#include "array/object.h"
#include "base/stop.h"
#include "care/idlist.h"

#include <string.h>

/* ---- rows ---- */

static bool is_at_hand(struct array *a, const struct id *drive_id)
{
	const struct array_drive *d = array_drive_by_id(a, drive_id);

	return d && health_at_hand(a, (unsigned)(d - a->drives));
}

static bool row_at_hand(struct array *a, const struct table_group *g, unsigned row)
{
	for (unsigned i = 0; i < g->row_count; i++) {
		if (g->rows[i].row == row && is_at_hand(a, &g->rows[i].drive_id))
			return true;
	}
	return false;
}

static bool members_at_hand(struct array *a, const struct table_group *g)
{
	for (unsigned i = 0; i < g->member_count; i++) {
		if (g->members[i].lost || !is_at_hand(a, &g->members[i].drive_id))
			return false;
	}
	return true;
}

/* The row to go first: one that is not at hand, then the highest. */
static unsigned choose_row(struct array *a, const struct table_group *g, uint32_t present)
{
	for (unsigned row = GROUP_ROWS_MAX; row-- > 0;) {
		if ((present & 1u << row) && !row_at_hand(a, g, row))
			return row;
	}
	return 31u - (unsigned)__builtin_clz(present);
}

static void without_row(const struct table_group *g, unsigned row, struct table_group *out)
{
	*out = *g;
	out->row_count = 0;
	for (unsigned i = 0; i < g->row_count; i++) {
		if (g->rows[i].row != row)
			out->rows[out->row_count++] = g->rows[i];
	}
}

/* A row number of g that is more than the policy asks for, and may go: l->other is g without it. */
static bool find_surplus(struct leveling *l, const struct table_group *g, unsigned *row)
{
	uint32_t present = health_rows(l->a, g);

	if ((unsigned)__builtin_popcount(present) <= l->a->policy.parity)
		return false;
	*row = choose_row(l->a, g, present);
	without_row(g, *row, l->other);
	return !row_at_hand(l->a, g, *row) || health_keeps(l->a, l->other);
}

void level_trim(struct leveling *l, struct table_group *g)
{
	struct group_row_record twice;
	unsigned row;

	while (health_take_twice(l->a, g, &twice))
		;
	while (find_surplus(l, g, &row))
		*g = *l->other;
}

/* What two hosts made at once, each on another drive. */
static void drop_twice(struct leveling *l)
{
	struct group_row_record row;

	while (health_take_twice(l->a, l->group, &row)) {
		record_rows(&l->records, &l->group->id, &row, false);
		if (!health_names(l->group, &row))
			level_drop_row(l, &row);
	}
}

static void drop_rows(struct leveling *l)
{
	struct table_group *g = l->group;
	unsigned row, rows;

	if (l->a->policy.extra)
		return; /* none is too many */
	while (find_surplus(l, g, &row)) {
		for (unsigned i = 0; i < g->row_count; i++) {
			if (g->rows[i].row != row)
				continue;
			record_rows(&l->records, &g->id, &g->rows[i], false);
			level_drop_row(l, &g->rows[i]);
		}
		*g = *l->other;
	}
	rows = (unsigned)__builtin_popcount(health_rows(l->a, g));
	if (rows > l->a->policy.parity)
		l->r->rows_waiting += rows - l->a->policy.parity;
}

/* At parity 0 blocks lie alone. While one is away, its group may be all that brings it back. */
static void end_group(struct leveling *l)
{
	if (!members_at_hand(l->a, l->group)) {
		l->r->rows_waiting += l->group->row_count;
		return;
	}
	record_superseded(&l->records, &l->group->id, 1);
	level_drop_rows(l, l->group);
}

static int drop_of_group(struct leveling *l, const struct id *id, struct error *err)
{
	int code = table_group(l->a->table, id, l->group, err);

	if (code == ERR_NOT_FOUND)
		return ERR_NONE; /* superseded since it was listed */
	if (code != ERR_NONE || !health_has_data(l->group))
		return code;
	if (l->a->policy.parity > 0) {
		drop_twice(l);
		drop_rows(l);
	} else {
		end_group(l);
	}
	return level_commit_if_due(l, err);
}

/* ---- groups that two hosts made of the same blocks ---- */

struct cover {
	struct leveling *l;
	struct id whole; /* of the groups whose rows were read, the last one */
	bool found;
};

/* By what it says of itself its rows are there: another host may have deleted copies that had their
 * names since (array/meanwhile.h). */
static bool rows_are_whole(struct array *a, const struct table_group *g)
{
	char name[OBJECT_NAME_MAX + 1];
	struct error why;

	for (unsigned i = 0; i < g->row_count; i++) {
		const struct array_drive *d = array_drive_by_id(a, &g->rows[i].drive_id);

		object_name_row(&g->rows[i].name, name);
		if (!is_at_hand(a, &g->rows[i].drive_id) ||
		    object_verify(d->handle, name, g->rows[i].len_bytes, &why) != ERR_NONE)
			return false;
	}
	return true;
}

/* Only a later one: two hosts that do this at once never end both. */
static int is_cover(void *ctx, const struct id *id, struct error *err)
{
	struct cover *c = ctx;
	struct table_group *g = c->l->other;

	if (table_group(c->l->a->table, id, g, err) != ERR_NONE || !table_is_later(g, c->l->group))
		return ERR_NONE;
	c->found = health_keeps(c->l->a, g) &&
		   (!c->l->a->policy.copies || g->member_count == 1) &&
		   (id_equal(id, &c->whole) || rows_are_whole(c->l->a, g));
	if (c->found)
		c->whole = *id;
	return c->found;
}

static int end_doubled(struct leveling *l, const struct id *id, struct error *err)
{
	struct cover c = { .l = l, .found = true };
	int code = table_group(l->a->table, id, l->group, err);

	for (unsigned i = 0; code == ERR_NONE && c.found && i < l->group->member_count; i++) {
		c.found = false;
		code = table_groups_of(l->a->table, l->group->members[i].id, is_cover, &c, err);
		if (c.found)
			code = ERR_NONE;
	}
	if (code != ERR_NONE || !c.found)
		return code == ERR_NOT_FOUND ? ERR_NONE : code;
	record_superseded(&l->records, id, 1);
	level_drop_rows(l, l->group);
	return level_commit_if_due(l, err);
}

int level_drop_doubled(struct leveling *l, struct error *err)
{
	struct id_list groups = { 0 };
	int code = table_doubled_groups(l->a->table, id_list_add, &groups, err);

	for (size_t i = 0; i < groups.count && code == ERR_NONE; i++) {
		code = stop_check(err);
		if (code == ERR_NONE)
			code = end_doubled(l, &groups.ids[i], err);
	}
	id_list_release(&groups);
	return code == ERR_NONE ? level_commit(l, err) : code;
}

/* ---- all of them ---- */

int level_drop_surplus(struct leveling *l, struct error *err)
{
	unsigned m = l->a->policy.extra && l->a->policy.parity > 0 ? GROUP_ROWS_MAX
								   : l->a->policy.parity;
	struct id_list groups = { 0 };
	int code = m > 0 ? table_surplus_groups(l->a->table, m, id_list_add, &groups, err)
			 : table_groups(l->a->table, id_list_add, &groups, err);

	l->r->rows_waiting = 0;
	for (size_t i = 0; i < groups.count && code == ERR_NONE; i++) {
		code = stop_check(err);
		if (code == ERR_NONE)
			code = drop_of_group(l, &groups.ids[i], err);
	}
	id_list_release(&groups);
	return code == ERR_NONE ? level_commit(l, err) : code;
}
