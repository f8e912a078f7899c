/* Rows that groups lack: made where the groups are, or, where no drive is left for them, in new
 * groups of their blocks. */
#include "care/leveling.h"

#include "array/health.h"
#include "array/place.h"
#include "base/stop.h"
#include "care/idlist.h"
#include "care/regroup.h"
#include "care/target.h"
#include "group/row.h"

#include <string.h>

uint64_t level_row_bytes(const struct table_group *g)
{
	size_t tail = ROW_HEADER_BYTES + g->member_count * ROW_MEMBER_BYTES + ROW_TRAILER_BYTES;

	return target_longest_bytes(g) + (g->member_count > 1 ? tail : 0);
}

uint64_t level_all_bytes(const struct table_group *g)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < g->member_count; i++)
		sum += g->members[i].len_bytes;
	return sum;
}

/* The rows that the group lacks. Those that some drive can take are wants; the others are
 * homeless. */
struct row_plan {
	struct mend_want wants[GROUP_ROWS_MAX];
	unsigned count, homeless;
	int why; /* of the last homeless one: ERR_FULL or ERR_ABSENT */
};

static void plan_rows(struct leveling *l, struct row_plan *plan)
{
	const struct table_group *g = l->group;
	struct alloc_policy policy = place_policy(l->a);
	uint32_t present = health_rows(l->a, g);
	unsigned have = (unsigned)__builtin_popcount(present);
	struct taken_drives taken;

	memset(plan, 0, sizeof(*plan));
	taken_from_group(l->a, g, &taken);
	for (unsigned row = 0; have + plan->count + plan->homeless < policy.parity; row++) {
		struct mend_want *w = &plan->wants[plan->count];
		struct error why;
		uint16_t drive;
		int code;

		if (present & 1u << row)
			continue;
		code = alloc_one(l->view, l->a->count, &policy, taken.index, taken.count, true,
				 level_row_bytes(g), &drive, &why);
		if (code != ERR_NONE) {
			plan->homeless++;
			plan->why = code;
			continue;
		}
		target_take(&taken, drive);
		w->ref = (struct code_ref){ true, (uint8_t)row };
		w->drive = &l->a->drives[drive];
		plan->count++;
	}
}

static void owe(struct leveling *l, unsigned rows, int why)
{
	l->r->rows_owed += rows;
	l->r->owed_bytes += rows * level_row_bytes(l->group);
	l->r->rows_full += why == ERR_FULL ? rows : 0;
}

static int add_rows_task(struct leveling *l, const struct row_plan *plan, struct error *err)
{
	struct level_task *t = level_task_new(l);

	t->kind = LEVEL_ROWS;
	t->group = l->group->id;
	memcpy(t->wants, plan->wants, sizeof(t->wants));
	t->want_count = plan->count;
	t->mended.read_bytes = level_all_bytes(l->group);
	t->mended.written_bytes = plan->count * level_row_bytes(l->group);
	t->rows_made = plan->count;
	t->memory_bytes = t->mended.read_bytes + t->mended.written_bytes;
	for (unsigned i = 0; i < plan->count; i++) {
		struct alloc_drive *d = &l->view[plan->wants[i].drive - l->a->drives];
		uint64_t bytes = level_row_bytes(l->group);

		d->free_bytes -= bytes < d->free_bytes ? bytes : d->free_bytes;
	}
	return level_task_add(l, err);
}

/* By itself: what lies on drives that are away is made of the others. */
static int add_regroup_task(struct leveling *l, unsigned lacking, struct error *err)
{
	struct level_task *t = level_task_new(l);

	t->kind = LEVEL_REGROUP;
	t->group = l->group->id;
	t->mended.read_bytes = level_all_bytes(l->group);
	t->want_count = t->rows_made = lacking;
	t->memory_bytes = 2 * t->mended.read_bytes;
	return level_task_add(l, err);
}

/* And none is to leave its drive. */
static bool all_at_hand(struct array *a, const struct table_group *g)
{
	for (unsigned i = 0; i < g->member_count; i++) {
		const struct array_drive *d = array_drive_by_id(a, &g->members[i].drive_id);

		if (!d || d->record.state == DRIVE_DRAINING ||
		    !health_at_hand(a, (unsigned)(d - a->drives)))
			return false;
	}
	return true;
}

/* Two objects of the group on one drive. */
static bool is_crowded(struct array *a, const struct table_group *g)
{
	struct taken_drives taken;

	taken_from_group(a, g, &taken);
	for (unsigned i = 0; i < taken.count; i++) {
		for (unsigned n = 0; n < i; n++) {
			if (taken.index[n] == taken.index[i])
				return true;
		}
	}
	return false;
}

/* For the width that the user asks for: rows beyond the policy's do not count. */
static bool is_too_wide(const struct leveling *l, const struct table_group *g)
{
	const struct policy *p = &l->a->policy;

	return l->o->fits_width && p->width > p->parity &&
	       g->member_count > p->width - p->parity;
}

static int level_group(struct leveling *l, struct error *err)
{
	struct table_group *g = l->group;
	const struct policy *policy = &l->a->policy;
	bool may_regroup = l->o->scope != DEBTS_IN_PLACE, at_hand = all_at_hand(l->a, g);
	bool crowded = is_crowded(l->a, g), in_place;
	struct row_plan plan;
	int code = ERR_NONE;

	if (may_regroup && at_hand && policy->copies && g->member_count > 1)
		return level_loosen(l, true, err);
	if (may_regroup && at_hand && !crowded && is_too_wide(l, g))
		return level_loosen(l, true, err);
	plan_rows(l, &plan);
	if (may_regroup && plan.count + plan.homeless == 0 && at_hand && !policy->copies &&
	    l->o->gathers_mirrors && g->member_count == 1 && !crowded)
		return level_loosen(l, false, err);
	/* What can stay as it is stays; two objects on one drive can not. */
	in_place = plan.count > 0 && plan.homeless == 0 && !crowded;
	if (may_regroup && !in_place && regroup_helps(l->a, g)) {
		if (at_hand && !crowded)
			return level_loosen(l, true, err);
		return add_regroup_task(l, plan.count + plan.homeless, err);
	}
	owe(l, plan.homeless, plan.why);
	if (plan.count > 0)
		code = add_rows_task(l, &plan, err);
	return code;
}

static int find_candidates(struct leveling *l, struct id_list *out, struct error *err)
{
	const struct policy *policy = &l->a->policy;
	unsigned members = policy->copies ? 1 : GROUP_MEMBERS_MAX;

	if (l->o->scope == DEBTS_THOROUGH || l->o->gathers_mirrors)
		return table_groups(l->a->table, id_list_add, out, err);
	return table_short_groups(l->a->table, policy->parity, members, id_list_add, out, err);
}

int level_make_rows(struct leveling *l, struct error *err)
{
	struct id_list groups = { 0 };
	int code = find_candidates(l, &groups, err);

	for (size_t i = 0; i < groups.count && code == ERR_NONE && !l->stopped; i++) {
		code = stop_check(err);
		if (code == ERR_NONE)
			code = table_group(l->a->table, &groups.ids[i], l->group, err);
		if (code == ERR_NOT_FOUND) {
			code = ERR_NONE; /* superseded since it was listed */
			continue;
		}
		if (code == ERR_NONE && health_has_data(l->group))
			code = level_group(l, err);
	}
	id_list_release(&groups);
	return code;
}
