#include "care/repair.h"

#include "base/stop.h"
#include "care/idlist.h"
#include "care/mend.h"

#include <stdlib.h>

/* The damaged objects of one group. */
struct repair {
	struct repairing *s;
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
static int mend_together(struct repairing *s, const struct id *group_id, bool sure,
			 struct table_group *g, struct error *err)
{
	struct repair *r = calloc(1, sizeof(*r));
	struct mend_result mended = { 0 };
	int code = r ? table_group(s->a->table, group_id, g, err) : err_nomem(err);

	for (size_t i = 0; i < s->damage->count && code == ERR_NONE; i++) {
		struct damage *d = &s->damage->items[i];
		struct code_ref ref;

		if (d->repaired || d->unopened || d->sure != sure ||
		    r->count == GROUP_SLOTS_MAX ||
		    !belongs(g, d, &ref))
			continue;
		r->items[r->count] = d;
		r->wants[r->count++] = (struct mend_want){ .ref = ref, .drive = d->drive };
	}
	if (code == ERR_NONE && r->count > 0) {
		code = mend_group(s->a, group_id, r->wants, r->count, s->records, &mended, err);
		for (unsigned i = 0; i < r->count; i++) {
			if (!r->wants[i].done)
				continue;
			r->items[i]->repaired = true;
			r->items[i]->in_roll->whole = true;
			s->r->drives[r->items[i]->drive - s->a->drives].repaired++;
		}
	}
	free(r);
	return code;
}

/* Tries every group that the object is in until one gives it back. *beyond: none ever will. */
static int repair_one(struct repairing *s, struct damage *d, struct table_group *g, bool *beyond,
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

/* A server may say so for a moment only. Once the scrub before said so, too, it is believed. */
static bool may_turn_up(const struct array_drive *d)
{
	return d->handle && (d->handle->driver->flags & DRIVER_REMOTE) && d->unrepaired == 0;
}

static int repair_these(struct repairing *s, bool sure, struct table_group *g, struct error *err)
{
	int code = ERR_NONE;

	for (size_t i = 0; i < s->damage->count && code == ERR_NONE; i++) {
		struct damage *d = &s->damage->items[i];
		bool beyond = false;

		if (d->repaired || d->unopened || d->sure != sure)
			continue;
		code = stop_check(err);
		if (code == ERR_NONE)
			code = repair_one(s, d, g, &beyond, err);
		/* No drive is away that could still have it: a later put may store it anew. */
		if (code == ERR_NONE && beyond && !d->repaired && !d->object.is_row &&
		    s->all_at_hand && !may_turn_up(d->drive)) {
			record_id(s->records, RECORD_LOST, &d->object.owner);
			s->r->lost_blocks++;
		}
	}
	return code;
}

int repair_damage(struct repairing *s, struct error *err)
{
	struct table_group *g = malloc(sizeof(*g));
	int code = g ? repair_these(s, true, g, err) : err_nomem(err);

	if (code == ERR_NONE)
		code = repair_these(s, false, g, err);
	free(g);
	return code;
}
