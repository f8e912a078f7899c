#include "care/debts.h"

#include "array/extra.h"
#include "array/garbage.h"
#include "array/meanwhile.h"
#include "array/object.h"
#include "array/place.h"
#include "base/stop.h"
#include "care/dissolve.h"
#include "care/leveling.h"

#include <stdlib.h>
#include <string.h>

#define COMMIT_GROUPS 256 /* what needs no reading is committed this often */
#define MEETINGS_MAX 8	  /* hosts that go on meeting at once are no more than that */

bool level_is_fatal(int code)
{
	return code == ERR_NOMEM || code == ERR_INTERRUPTED;
}

/* ---- deletions ---- */

static int sweep_drive(struct leveling *l, struct array_drive *d, struct error *err)
{
	uint64_t *freed = &l->freed_bytes[d - l->a->drives];
	int code = garbage_sweep(l->a, d, &l->records, &l->r->objects_swept, err);

	if (code == ERR_NONE && !atomic_load(&d->poisoned) && !atomic_load(&d->late)) {
		place_unbook(l->a, d, *freed);
		*freed = 0;
	}
	return code;
}

static int sweep(struct leveling *l, bool freed_only, struct error *err)
{
	int code = ERR_NONE;

	for (unsigned i = 0; i < l->a->count && code == ERR_NONE; i++) {
		if (!freed_only || l->freed_bytes[i] > 0)
			code = sweep_drive(l, &l->a->drives[i], err);
	}
	return code;
}

/* What the drives hold, and have free, now that what others had stored is deleted. A drive that does
 * not say, or is slow to, keeps what was known of it. */
static int measure_anew(struct array *a, struct error *err)
{
	for (unsigned i = 0; i < a->count; i++) {
		struct array_drive *d = &a->drives[i];
		struct drive_about about;
		struct error why;

		if (d->presence == DRIVE_PRESENT && !atomic_load(&d->poisoned) &&
		    !atomic_load(&d->late) &&
		    d->handle->driver->about(d->handle, &about, &why) == ERR_NONE)
			d->about = about;
	}
	return array_refresh(a, err);
}

/* ---- records ---- */

void level_drop_row(struct leveling *l, const struct group_row_record *row)
{
	const struct array_drive *d = array_drive_by_id(l->a, &row->drive_id);
	char object[OBJECT_NAME_MAX + 1];

	if (!d || !drive_counts(d))
		return;
	object_name_row(&row->name, object);
	record_garbage(&l->records, &d->id, object, false);
	l->freed_bytes[d - l->a->drives] += row->len_bytes;
	l->r->rows_dropped++;
}

void level_drop_rows(struct leveling *l, const struct table_group *g)
{
	if (!l->dry)
		extra_forget(l->a, g);
	for (unsigned i = 0; i < g->row_count; i++)
		level_drop_row(l, &g->rows[i]);
}

static int commit(struct leveling *l, struct error *err)
{
	int code = l->dry ? ERR_NONE : meanwhile_commit(l->a, &l->records, err);

	buf_clear(&l->records);
	l->since_commit = 0;
	return code;
}

/* In a dry run: as if they were deleted. */
static void give_back(struct leveling *l)
{
	for (unsigned i = 0; i < l->a->count; i++) {
		if (l->view[i].usable)
			l->view[i].free_bytes += l->freed_bytes[i];
		l->freed_bytes[i] = 0;
	}
}

int level_commit(struct leveling *l, struct error *err)
{
	int code = commit(l, err);

	if (code != ERR_NONE)
		return code;
	if (l->dry) {
		give_back(l);
		return ERR_NONE;
	}
	code = sweep(l, true, err);
	place_view(l->a, l->view);
	return code == ERR_NONE ? commit(l, err) : code;
}

int level_commit_if_due(struct leveling *l, struct error *err)
{
	return ++l->since_commit >= COMMIT_GROUPS ? commit(l, err) : ERR_NONE;
}

/* ---- all of it ---- */

static void forget_tasks(struct leveling *l)
{
	struct old_group *next;

	for (unsigned i = 0; i < l->task_count; i++)
		free(l->tasks[i].loose);
	l->task_count = 0;
	l->task_bytes = 0;
	l->pool_count = l->pool_due = 0;
	for (struct old_group *old = l->old; old; old = next) {
		next = old->next;
		free(old);
	}
	l->old = NULL;
}

static int one_round(struct leveling *l, struct error *err)
{
	int code = level_drop_surplus(l, err);

	l->r->rows_owed = l->r->rows_full = l->r->owed_bytes = 0;
	if (code == ERR_NONE && l->a->policy.parity > 0 && l->o->scope == DEBTS_THOROUGH && !l->met)
		code = level_drop_doubled(l, err);
	if (code == ERR_NONE && l->a->policy.parity > 0)
		code = level_make_rows(l, err);
	if (code == ERR_NONE && l->a->policy.parity > 0)
		code = level_gather_alone(l, err);
	if (code == ERR_NONE)
		code = level_run(l, err);
	forget_tasks(l);
	return code;
}

/* Again only after another drive failed: the others take what it did not. */
static int rounds(struct leveling *l, struct error *err)
{
	unsigned usable;
	int code;

	do {
		usable = array_usable_count(l->a);
		place_view(l->a, l->view);
		code = one_round(l, err);
	} while (code == ERR_NONE && !l->stopped && array_usable_count(l->a) < usable);
	if (code == ERR_NONE && !l->stopped && l->o->extra && l->a->policy.extra && l->a->policy.parity > 0)
		code = level_make_extra(l, err);
	forget_tasks(l);
	return code;
}

static int begin(struct leveling *l, struct array *a, const struct debts_options *o,
		 struct debts_result *r, struct error *err)
{
	memset(r, 0, sizeof(*r));
	l->a = a;
	l->o = o;
	l->r = r;
	l->view = calloc(DRIVES_MAX, sizeof(*l->view)); /* another host may add drives meanwhile */
	l->group = malloc(sizeof(*l->group));
	l->other = malloc(sizeof(*l->other));
	l->tasks = calloc(LEVEL_TASKS, sizeof(*l->tasks));
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->changed, NULL);
	return l->view && l->group && l->other && l->tasks ? ERR_NONE : err_nomem(err);
}

static void end(struct leveling *l)
{
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	buf_release(&l->records);
	free(l->pool);
	free(l->tasks);
	free(l->other);
	free(l->group);
	free(l->view);
}

/* Whether any other host is further in now than was. */
static bool others_went_on(const struct array *a, const struct clock *was, const struct clock *now)
{
	for (size_t i = 0; i < now->count; i++) {
		const struct mark *m = &now->marks[i];

		if (!hash_equal(&m->writer, &a->writer_id) && m->seq > clock_seq(was, &m->writer))
			return true;
	}
	return false;
}

static int settle_once(struct leveling *l, struct error *err)
{
	uint64_t swept = l->r->objects_swept;
	int code = dissolve_broken(l->a, &l->records, err);

	if (code == ERR_NONE)
		code = commit(l, err);
	/* What others left to be deleted may be in the way of rows. */
	if (code == ERR_NONE)
		code = sweep(l, false, err);
	if (code == ERR_NONE)
		code = commit(l, err);
	if (code == ERR_NONE && l->r->objects_swept > swept)
		code = measure_anew(l->a, err);
	if (code == ERR_NONE)
		code = rounds(l, err);
	if (code == ERR_NONE)
		code = sweep(l, false, err);
	return code == ERR_NONE ? commit(l, err) : code;
}

/* again: what other hosts committed meanwhile was learned by a commit of this one, the last of all.
 * What it made of the groups may lack something that neither of both could know. */
static int settle_and_look(struct leveling *l, bool *again, struct error *err)
{
	struct clock was = { 0 }, now = { 0 };
	bool changed = false;
	int code = table_clock(l->a->table, &was, err);

	if (code == ERR_NONE)
		code = settle_once(l, err);
	if (code == ERR_NONE)
		code = table_clock(l->a->table, &now, err);
	if (code == ERR_NONE)
		code = array_refresh_policy(l->a, &changed, err);
	if (code == ERR_NONE && !changed && others_went_on(l->a, &was, &now))
		code = array_refresh(l->a, err);
	*again = changed || others_went_on(l->a, &was, &now);
	clock_release(&was);
	clock_release(&now);
	return code;
}

int debts_settle(struct array *a, const struct debts_options *o, struct debts_result *r,
		 struct error *err)
{
	struct leveling l = { .dry = false };
	int code = begin(&l, a, o, r, err);
	bool changed, again = true;

	if (code == ERR_NONE)
		code = array_refresh_policy(a, &changed, err);
	for (unsigned i = 0; code == ERR_NONE && again && !l.stopped && i < MEETINGS_MAX; i++) {
		l.met = i > 0;
		code = settle_and_look(&l, &again, err);
	}
	end(&l);
	return code;
}

int debts_estimate(struct array *a, const struct debts_options *o, struct debts_result *r,
		   struct error *err)
{
	struct leveling l = { .dry = true };
	int code = begin(&l, a, o, r, err);

	if (code == ERR_NONE)
		code = rounds(&l, err);
	end(&l);
	return code;
}

int debts_pay(struct array *a, enum debts_scope scope, struct debts_result *result,
	      struct error *err)
{
	struct debts_options o = { .scope = scope };
	struct debts_result own;

	return debts_settle(a, &o, result ? result : &own, err);
}
