#include "care/debts.h"

#include "array/health.h"
#include "base/stop.h"
#include "care/dissolve.h"
#include "care/idlist.h"
#include "care/mend.h"
#include "care/target.h"

#include <stdlib.h>
#include <string.h>

#define COMMIT_GROUPS 64 /* made rows are committed this often */

struct paying {
	struct array *a;
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

/* The rows that group lacks, each with a drive that can take it. */
static unsigned plan_rows(struct paying *p, struct mend_want *wants, uint64_t object_bytes)
{
	uint32_t present = health_rows(p->a, p->group);
	struct taken_drives taken;
	unsigned count = 0;

	taken_from_group(p->a, p->group, &taken);
	for (unsigned row = 0; row < p->a->policy.parity; row++) {
		struct error why;

		if (present & 1u << row)
			continue;
		wants[count].ref = (struct code_ref){ true, (uint8_t)row };
		if (target_choose(p->a, &taken, true, object_bytes, &wants[count].drive, &why) !=
		    ERR_NONE) {
			p->r->rows_owed++;
			continue;
		}
		count++;
	}
	return count;
}

static int pay_group(struct paying *p, const struct id *id, struct error *err)
{
	struct mend_want wants[GROUP_ROWS_MAX];
	struct mend_result mended = { 0 };
	uint64_t longest = 0;
	unsigned count;
	int code = table_group(p->a->table, id, p->group, err);

	if (code != ERR_NONE || !health_has_data(p->group))
		return code;
	for (unsigned i = 0; i < p->group->member_count; i++) {
		if (p->group->members[i].len_bytes > longest)
			longest = p->group->members[i].len_bytes;
	}
	count = plan_rows(p, wants, longest);
	if (count == 0)
		return ERR_NONE;
	code = mend_group(p->a, id, wants, count, &p->records, &mended, err);
	p->r->read_bytes += mended.read_bytes;
	p->r->written_bytes += mended.written_bytes;
	if (is_fatal(code))
		return code;
	if (code != ERR_NONE) {
		array_tell(p->a, TELL_WARNING, "rows stay owed: %s", err->message);
		p->r->rows_owed += count;
		return ERR_NONE;
	}
	p->r->rows_made += count;
	return commit_if_due(p, err);
}

/* A block alone becomes a group of one with copies, as many as drives can take. */
static int pay_block(struct paying *p, const struct id *uid, struct error *err)
{
	struct group_record *g = calloc(1, sizeof(*g));
	struct taken_drives taken = { .count = 0 };
	struct table_block b;
	int code = g ? table_block_by_uid(p->a->table, uid, &b, err) : err_nomem(err);

	if (code != ERR_NONE || b.lost || !block_drive(p->a, &b))
		goto out;
	g->id = id_random();
	g->member_count = 1;
	g->members[0] = (struct group_member_record){ b.uid, b.name, b.len_bytes, 0 };
	taken.index[taken.count++] = (uint16_t)(block_drive(p->a, &b) - p->a->drives);
	while (g->row_count < p->a->policy.parity) {
		struct group_row_record *row = &g->rows[g->row_count];
		struct array_drive *to;

		if (target_choose(p->a, &taken, true, b.len_bytes, &to, err) != ERR_NONE ||
		    mend_copy_block(p->a, &b, to, true, err) != ERR_NONE) {
			p->r->rows_owed += p->a->policy.parity - g->row_count;
			break;
		}
		*row = (struct group_row_record){ (uint8_t)g->row_count, b.name, b.len_bytes,
						  to->id };
		to->used_bytes += b.len_bytes;
		p->r->read_bytes += b.len_bytes;
		p->r->written_bytes += b.len_bytes;
		g->row_count++;
	}
	p->r->rows_made += g->row_count;
	if (g->row_count > 0) {
		record_group(&p->records, g);
		code = commit_if_due(p, err);
	}
out:
	free(g);
	return code;
}

/* The table offers only what no journal places on this drive (any more). */
struct sweeping {
	struct paying *p;
	struct array_drive *drive;
	unsigned removed;
};

static int sweep_one(void *ctx, const char *name, struct error *err)
{
	struct sweeping *s = ctx;
	struct drive *h = s->drive->handle;
	struct error why;

	if (h->driver->remove(h, name, &why) != ERR_NONE)
		return ERR_NONE;
	record_garbage(&s->p->records, &s->drive->id, name, true);
	s->removed++;
	(void)err;
	return ERR_NONE;
}

static int sweep_drive(struct paying *p, struct array_drive *d, struct error *err)
{
	struct sweeping s = { .p = p, .drive = d };
	int code;

	if (!drive_usable(d))
		return ERR_NONE;
	code = table_garbage(p->a->table, &d->id, sweep_one, &s, err);
	if (code == ERR_NONE && s.removed > 0)
		code = d->handle->driver->sync(d->handle, err);
	p->r->objects_swept += s.removed;
	return code;
}

static int pay_rows(struct paying *p, struct error *err)
{
	struct id_list groups = { 0 }, blocks = { 0 };
	int code = ERR_NONE;

	if (p->a->policy.parity > 0) {
		code = table_short_groups(p->a->table, p->a->policy.parity, id_list_add, &groups,
					  err);
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

int debts_pay(struct array *a, struct debts_result *result, struct error *err)
{
	struct debts_result own = { 0 };
	struct paying p = { .a = a, .r = result ? result : &own };
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
