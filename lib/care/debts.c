#include "care/debts.h"

#include "array/health.h"
#include "base/stop.h"
#include "care/dissolve.h"
#include "care/idlist.h"
#include "care/regroup.h"
#include "care/target.h"

#include <stdlib.h>
#include <string.h>

#define COMMIT_GROUPS 64 /* made rows are committed this often */

struct paying {
	struct array *a;
	enum debts_scope scope;
	struct debts_result *r;
	struct buf records;
	unsigned since_commit;
	struct table_group *group;
};

static int commit(struct paying *p, struct error *err)
{
	int code = ERR_NONE;

	if (p->records.len_bytes > 0)
		code = array_commit(p->a, &p->records, NULL, err);
	buf_clear(&p->records);
	p->since_commit = 0;
	return code;
}

static int commit_if_due(struct paying *p, struct error *err)
{
	return ++p->since_commit >= COMMIT_GROUPS ? commit(p, err) : ERR_NONE;
}

/* Errors of one debt leave it unpaid; these end the run. */
static bool is_fatal(int code)
{
	return code == ERR_NOMEM || code == ERR_INTERRUPTED;
}

/* The rows that the group lacks. Those that some drive can take are wants, and in the group from
 * here on as if they were made; the others are homeless. */
struct row_plan {
	struct mend_want wants[GROUP_ROWS_MAX];
	unsigned count, homeless;
};

static void plan_rows(struct paying *p, struct row_plan *plan)
{
	struct table_group *g = p->group;
	uint32_t present = health_rows(p->a, g);
	struct taken_drives taken;

	memset(plan, 0, sizeof(*plan));
	taken_from_group(p->a, g, &taken);
	for (unsigned row = 0; row < p->a->policy.parity; row++) {
		struct mend_want *w = &plan->wants[plan->count];
		struct error why;

		if (present & 1u << row)
			continue;
		w->ref = (struct code_ref){ true, (uint8_t)row };
		if (target_choose(p->a, &taken, true, target_longest_bytes(g), &w->drive, &why) !=
		    ERR_NONE) {
			plan->homeless++;
			continue;
		}
		plan->count++;
		if (g->row_count < GROUP_ROW_OBJECTS_MAX)
			g->rows[g->row_count++] = (struct group_row_record){
				.row = (uint8_t)row, .drive_id = w->drive->id
			};
	}
}

static void add_bytes(struct paying *p, const struct mend_result *mended)
{
	p->r->read_bytes += mended->read_bytes;
	p->r->written_bytes += mended->written_bytes;
}

/* Its rows as they were planned. *again: a drive failed, so that others have to take what is
 * left. */
static int make_rows(struct paying *p, const struct id *id, struct row_plan *plan, bool *again,
		     struct error *err)
{
	struct mend_result mended = { 0 };
	int code = mend_group(p->a, id, plan->wants, plan->count, &p->records, &mended, err);
	unsigned made = 0;

	add_bytes(p, &mended);
	if (is_fatal(code))
		return code;
	for (unsigned i = 0; i < plan->count; i++) {
		made += plan->wants[i].done;
		*again = *again || plan->wants[i].failed != ERR_NONE;
	}
	p->r->rows_made += made;
	if (*again)
		return commit(p, err); /* what was made counts, in the next plan too */
	p->r->rows_owed += plan->count - made + plan->homeless;
	if (code != ERR_NONE)
		array_tell(p->a, TELL_WARNING, "rows stay owed: %s", err->message);
	return commit_if_due(p, err);
}

/* Narrower groups in place of one that is too wide to be protected. */
static int split_group(struct paying *p, const struct id *id, unsigned lacking, struct error *err)
{
	struct mend_result mended = { 0 };
	int code = table_group(p->a->table, id, p->group, err);

	if (code == ERR_NONE)
		code = regroup(p->a, p->group, &p->records, &mended, err);
	add_bytes(p, &mended);
	if (is_fatal(code))
		return code;
	if (code != ERR_NONE) {
		array_tell(p->a, TELL_WARNING, "rows stay owed: %s", err->message);
		p->r->rows_owed += lacking;
	} else {
		p->r->rows_made += lacking;
	}
	return commit_if_due(p, err);
}

static int pay_group(struct paying *p, const struct id *id, struct error *err)
{
	struct row_plan plan;
	bool again = true;
	int code = ERR_NONE;

	/* Again only after another drive failed. */
	while (again && code == ERR_NONE) {
		again = false;
		code = table_group(p->a->table, id, p->group, err);
		if (code == ERR_NOT_FOUND)
			return ERR_NONE; /* superseded meanwhile */
		if (code != ERR_NONE || !health_has_data(p->group))
			return code;
		plan_rows(p, &plan);
		if (p->scope != DEBTS_IN_PLACE && regroup_helps(p->a, p->group))
			return split_group(p, id, plan.count + plan.homeless, err);
		if (plan.count > 0)
			code = make_rows(p, id, &plan, &again, err);
		else
			p->r->rows_owed += plan.homeless;
	}
	return code;
}

/* A block alone becomes a group of one with copies, as many as drives can take. */
static int pay_block(struct paying *p, const struct id *uid, struct error *err)
{
	struct mend_result mended = { 0 };
	unsigned copies = 0;
	struct table_block b;
	int code = table_block_by_uid(p->a->table, uid, &b, err);

	if (code != ERR_NONE || b.lost)
		return code;
	code = regroup_alone(p->a, &b, &copies, &p->records, &mended, err);
	add_bytes(p, &mended);
	if (is_fatal(code))
		return code;
	if (code != ERR_NONE)
		array_tell(p->a, TELL_WARNING, "a block stays without rows: %s", err->message);
	p->r->rows_made += copies;
	p->r->rows_owed += p->a->policy.parity - copies;
	return commit_if_due(p, err);
}

/* The table offers only what no journal places on this drive (any more). */
struct sweeping {
	struct array_drive *drive;
	struct buf records;
	unsigned removed;
};

static int sweep_one(void *ctx, const char *name, struct error *err)
{
	struct sweeping *s = ctx;
	struct drive *h = s->drive->handle;
	struct error why;

	if (h->driver->remove(h, name, &why) != ERR_NONE)
		return ERR_NONE;
	record_garbage(&s->records, &s->drive->id, name, true);
	s->removed++;
	(void)err;
	return ERR_NONE;
}

static int sweep_drive(struct paying *p, struct array_drive *d, struct error *err)
{
	struct sweeping s = { .drive = d };
	struct error why;
	int code;

	/* Also of one that is being drained, which takes nothing more. */
	if (!drive_counts(d) || d->presence != DRIVE_PRESENT || atomic_load(&d->poisoned))
		return ERR_NONE;
	code = table_garbage(p->a->table, &d->id, sweep_one, &s, err);
	/* Unless that is durable, the deletions stay owed. */
	if (code == ERR_NONE && s.removed > 0 &&
	    d->handle->driver->sync(d->handle, &why) != ERR_NONE) {
		err_wrap(&why, "drive %s", d->name);
		mend_poison(p->a, d, &why);
	} else if (code == ERR_NONE) {
		buf_add(&p->records, s.records.data, s.records.len_bytes);
		p->r->objects_swept += s.removed;
	}
	if (s.records.failed && code == ERR_NONE)
		code = err_nomem(err);
	buf_release(&s.records);
	return code;
}

static int pay_rows(struct paying *p, struct error *err)
{
	struct id_list groups = { 0 }, blocks = { 0 };
	int code = ERR_NONE;

	if (p->a->policy.parity > 0) {
		code = p->scope == DEBTS_THOROUGH
			       ? table_groups(p->a->table, id_list_add, &groups, err)
			       : table_short_groups(p->a->table, p->a->policy.parity, id_list_add,
						    &groups, err);
		if (code == ERR_NONE)
			code = table_ungrouped(p->a->table, id_list_add, &blocks, err);
	}
	for (size_t i = 0; i < groups.count && code == ERR_NONE; i++) {
		code = stop_check(err);
		if (code == ERR_NONE)
			code = pay_group(p, &groups.ids[i], err);
	}
	for (size_t i = 0; i < blocks.count && code == ERR_NONE; i++) {
		code = stop_check(err);
		if (code == ERR_NONE)
			code = pay_block(p, &blocks.ids[i], err);
	}
	id_list_release(&groups);
	id_list_release(&blocks);
	return code;
}

int debts_pay(struct array *a, enum debts_scope scope, struct debts_result *result,
	      struct error *err)
{
	struct debts_result own = { 0 };
	struct paying p = { .a = a, .scope = scope, .r = result ? result : &own };
	int code;

	memset(p.r, 0, sizeof(*p.r));
	p.group = malloc(sizeof(*p.group));
	code = p.group ? dissolve_broken(a, &p.records, err) : err_nomem(err);
	if (code == ERR_NONE)
		code = commit(&p, err);
	if (code == ERR_NONE)
		code = pay_rows(&p, err);
	if (code == ERR_NONE)
		code = commit(&p, err);
	for (unsigned i = 0; i < a->count && code == ERR_NONE; i++)
		code = sweep_drive(&p, &a->drives[i], err);
	if (code == ERR_NONE)
		code = commit(&p, err);
	buf_release(&p.records);
	free(p.group);
	return code;
}
