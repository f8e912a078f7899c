#include "care/drain.h"

#include "array/membership.h"
#include "array/object.h"
#include "array/place.h"
#include "base/units.h"
#include "care/debts.h"
#include "care/idlist.h"
#include "care/rebuild_run.h"
#include "care/regroup.h"
#include "care/target.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- whether it fits ---- */

struct planning {
	struct array *a;
	struct array_drive *d;
	struct drain_plan *plan;
	struct alloc_policy policy;
	struct alloc_drive *view; /* with what was planned so far */
	struct alloc_drive *before; /* of the group at hand */
	struct table_group *group;
	bool resumes; /* it was begun when all of it had room: it goes on as far as it can */
};

static bool lies_here(const struct planning *p, const struct id *drive_id)
{
	return id_equal(drive_id, &p->d->id);
}

/* An object finds a drive beside those that the group has; taken grows by it. */
static bool finds_place(struct planning *p, struct taken_drives *taken, bool for_row,
			uint64_t len_bytes)
{
	struct alloc_drive *to;
	struct error why;
	uint16_t chosen;

	if (alloc_one(p->view, p->a->count, &p->policy, taken->index, taken->count, for_row,
		      len_bytes, &chosen, &why) != ERR_NONE)
		return false;
	to = &p->view[chosen];
	to->free_bytes -= len_bytes < to->free_bytes ? len_bytes : to->free_bytes;
	target_take(taken, chosen);
	return true;
}

static void find_places(struct planning *p, uint64_t *objects, uint64_t *bytes, bool *all)
{
	const struct table_group *g = p->group;
	uint32_t others = target_rows_elsewhere(p->a, g, p->d);
	struct taken_drives taken;

	*objects = *bytes = 0;
	*all = true;
	taken_from_group(p->a, g, &taken);
	target_give_back(&taken, (unsigned)(p->d - p->a->drives));
	for (unsigned i = 0; i < g->member_count; i++) {
		if (!lies_here(p, &g->members[i].drive_id) || g->members[i].lost)
			continue;
		++*objects;
		*bytes += g->members[i].len_bytes;
		*all = finds_place(p, &taken, false, g->members[i].len_bytes) && *all;
	}
	for (unsigned i = 0; i < g->row_count; i++) {
		if (!lies_here(p, &g->rows[i].drive_id))
			continue;
		if (!target_needs_row(p->a, g->rows[i].row, &others))
			continue;
		++*objects;
		*bytes += g->rows[i].len_bytes;
		*all = finds_place(p, &taken, true, g->rows[i].len_bytes) && *all;
	}
}

static int plan_group(void *ctx, const struct id *id, struct error *err)
{
	struct planning *p = ctx;
	size_t view_bytes = p->a->count * sizeof(*p->view);
	uint64_t objects, bytes, written;
	struct error why;
	bool all;
	int code = table_group(p->a->table, id, p->group, err);

	if (code != ERR_NONE)
		return code == ERR_NOT_FOUND ? ERR_NONE : code;
	memcpy(p->before, p->view, view_bytes);
	find_places(p, &objects, &bytes, &all);
	p->plan->objects += objects;
	p->plan->bytes += bytes;
	if (all) {
		p->plan->written_bytes += bytes;
		return ERR_NONE;
	}
	memcpy(p->view, p->before, view_bytes);
	code = regroup_fits(p->a, p->group, p->view, &written, &why);
	if (code == ERR_NOMEM)
		return err_nomem(err);
	if (code == ERR_NONE) {
		p->plan->split++;
		p->plan->written_bytes += written;
		return ERR_NONE;
	}
	memcpy(p->view, p->before, view_bytes);
	p->plan->homeless_objects += objects;
	p->plan->homeless_bytes += bytes;
	return ERR_NONE;
}

static int plan_alone(void *ctx, const struct id *uid, struct error *err)
{
	struct planning *p = ctx;
	struct taken_drives none = { .count = 0 };
	struct table_block b;
	int code = table_block_by_uid(p->a->table, uid, &b, err);

	if (code != ERR_NONE || !lies_here(p, &b.drive_id))
		return code;
	p->plan->objects++;
	p->plan->bytes += b.len_bytes;
	if (finds_place(p, &none, false, b.len_bytes)) {
		p->plan->written_bytes += b.len_bytes;
		return ERR_NONE;
	}
	p->plan->homeless_objects++;
	p->plan->homeless_bytes += b.len_bytes;
	return ERR_NONE;
}

static int plan_all(struct planning *p, struct error *err)
{
	char size[UNIT_TEXT_BYTES], all[UNIT_TEXT_BYTES];
	int code;

	place_view(p->a, p->view);
	code = table_groups_on(p->a->table, &p->d->id, plan_group, p, err);
	if (code == ERR_NONE)
		code = table_ungrouped(p->a->table, plan_alone, p, err);
	if (code != ERR_NONE || p->plan->homeless_objects == 0 || p->resumes)
		return code;
	size_text(p->plan->homeless_bytes, size);
	size_text(p->plan->bytes, all);
	return err_set(err, ERR_FULL,
		       "drive %s: the other drives have no room for %s in %" PRIu64
		       " objects of the %s in %" PRIu64 " that it holds", p->d->name, size,
		       p->plan->homeless_objects, all, p->plan->objects);
}

/* What a drive that is draining already holds has been judged before. */
static int check_drive(struct array *a, struct array_drive *d, struct error *err)
{
	if (d->record.state != DRIVE_MEMBER && d->record.state != DRIVE_DRAINING)
		return err_set(err, ERR_USAGE, "drive %s is no drive in use", d->name);
	if (d->presence != DRIVE_PRESENT)
		return err_set(err, ERR_ABSENT, "drive %s is %s: %s", d->name,
			       presence_word(d->presence), d->why);
	return member_spared(a, d, err);
}

int drain_check(struct array *a, struct array_drive *d, struct drain_plan *plan, struct error *err)
{
	struct planning p = { .a = a, .d = d, .plan = plan, .policy = place_policy(a) };
	enum drive_state was = d->record.state;
	int code;

	p.resumes = was == DRIVE_DRAINING;
	memset(plan, 0, sizeof(*plan));
	code = check_drive(a, d, err);
	if (code != ERR_NONE)
		return code;
	p.view = calloc(a->count, sizeof(*p.view));
	p.before = calloc(a->count, sizeof(*p.before));
	p.group = malloc(sizeof(*p.group));
	/* As it will be. */
	d->record.state = DRIVE_DRAINING;
	code = p.view && p.before && p.group ? plan_all(&p, err) : err_nomem(err);
	d->record.state = was;
	free(p.view);
	free(p.before);
	free(p.group);
	return code;
}

/* ---- how long it takes ---- */

#define SAMPLE_BYTES ((uint64_t)32 << 20)
#define SAMPLE_NS ((uint64_t)1000000000)

struct sampling {
	struct array_drive *d;
	uint64_t bytes, began_ns, took_ns;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int sample_object(void *ctx, const struct table_object *o, struct error *err)
{
	struct sampling *s = ctx;
	struct error why;

	(void)err;
	if (object_verify(s->d->handle, o->name, o->len_bytes, &why) == ERR_NONE)
		s->bytes += o->len_bytes;
	s->took_ns = now_ns() - s->began_ns;
	return s->bytes >= SAMPLE_BYTES || s->took_ns >= SAMPLE_NS;
}

int drain_seconds(struct array *a, struct array_drive *d, uint64_t bytes, uint64_t *seconds,
		  struct error *err)
{
	struct sampling s = { .d = d, .began_ns = now_ns() };
	int code = table_objects(a->table, &d->id, sample_object, &s, err);

	*seconds = s.bytes == 0 ? 0
				: (uint64_t)((double)bytes / (double)s.bytes * (double)s.took_ns / 1e9);
	return code == 1 ? ERR_NONE : code;
}

/* ---- doing it ---- */

/* Other commands may have put something there before they knew; what waits is not tried again. */
static int empty_drive(const struct rebuild_work *w, struct counters *counters,
		       struct rebuild_result *r, struct error *err)
{
	struct id id = w->from->id;
	struct rebuild_work work = *w;
	struct member_hold hold;
	uint64_t before;
	int code;

	do {
		before = r->groups;
		code = rebuild_run(&work, counters, r, err);
		if (code == ERR_NONE)
			code = array_follow(w->a, true, err);
		work.from = array_drive_by_id(w->a, &id);
		if (code == ERR_NONE)
			code = member_holds(w->a, work.from, &hold, err);
	} while (code == ERR_NONE && hold.objects > 0 && r->waiting == 0 && r->beyond == 0 &&
		 r->groups > before && work.from->record.state == DRIVE_DRAINING);
	if (code == ERR_NONE && work.from->record.state != DRIVE_DRAINING)
		code = err_set(err, ERR_USAGE, "drive %s was taken back meanwhile", work.from->name);
	return code;
}

int drain(struct array *a, struct array_drive *d, struct counters *counters, struct rebuild_result *r,
	  struct error *err)
{
	struct rebuild_work work = { .a = a, .from = d, .drains = true };
	struct debts_result debts;
	int code;

	memset(r, 0, sizeof(*r));
	work.resumed = d->record.state == DRIVE_DRAINING;
	code = member_set_state(a, d, DRIVE_DRAINING, false, err);
	if (code == ERR_NONE)
		code = empty_drive(&work, counters, r, err);
	/* Only now what was left behind is deleted. What another host put where this one put something is
	 * parted, too. */
	if (code == ERR_NONE)
		code = debts_pay(a, DEBTS_THOROUGH, &debts, err);
	if (code == ERR_NONE)
		r->rows_owed = debts.rows_owed;
	return code;
}
