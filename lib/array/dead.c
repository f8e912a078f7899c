#include "array/dead.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

struct loading {
	struct array *a;
	struct dead_blocks *dead;
	struct dead_blocks suspects; /* blocks on lost drives */
	bool readable;		     /* of the suspect at hand, through some group */
	struct table_group *group;
};

static int compare_ids(const void *x, const void *y)
{
	return memcmp(x, y, ID_BYTES);
}

static int add(struct dead_blocks *d, const struct id *uid, struct error *err)
{
	if (!grow(&d->uids, &d->cap, d->count + 1, sizeof(*d->uids)))
		return err_nomem(err);
	d->uids[d->count++] = *uid;
	return ERR_NONE;
}

static int add_lost(void *ctx, const struct id *uid, struct error *err)
{
	return add(ctx, uid, err);
}

static int add_suspect(void *ctx, const struct table_object *o, struct error *err)
{
	struct loading *l = ctx;

	return o->is_row ? ERR_NONE : add(&l->suspects, &o->owner, err);
}

/* A drive that may hold what it should: known, and not given up. */
static bool may_hold(struct array *a, const struct id *drive_id)
{
	const struct array_drive *d = array_drive_by_id(a, drive_id);

	return d && drive_counts(d);
}

static int judge_group(void *ctx, const struct id *group_id, struct error *err)
{
	struct loading *l = ctx;
	struct table_group *g = l->group;
	unsigned left = 0;
	int code = table_group(l->a->table, group_id, g, err);

	if (code != ERR_NONE)
		return code;
	for (unsigned i = 0; i < g->member_count; i++)
		left += !g->members[i].lost && may_hold(l->a, &g->members[i].drive_id);
	for (unsigned i = 0; i < g->row_count; i++)
		left += may_hold(l->a, &g->rows[i].drive_id);
	l->readable = l->readable || left >= g->member_count;
	return ERR_NONE;
}

static int judge_suspects(struct loading *l, struct error *err)
{
	int code = ERR_NONE;

	for (size_t i = 0; i < l->suspects.count && code == ERR_NONE; i++) {
		struct table_block b;

		l->readable = false;
		code = table_block_by_uid(l->a->table, &l->suspects.uids[i], &b, err);
		if (code == ERR_NONE)
			code = table_groups_of(l->a->table, b.id, judge_group, l, err);
		if (code == ERR_NONE && !l->readable)
			code = add(l->dead, &b.uid, err);
	}
	return code;
}

int dead_load(struct array *a, struct dead_blocks *out, struct error *err)
{
	struct loading l = { .a = a, .dead = out };
	struct table_drive *drives = NULL;
	size_t count = 0;
	int code;

	memset(out, 0, sizeof(*out));
	l.group = malloc(sizeof(*l.group));
	code = l.group ? table_lost_blocks(a->table, add_lost, out, err) : err_nomem(err);
	if (code == ERR_NONE)
		code = table_drives(a->table, &drives, &count, err);
	for (size_t i = 0; i < count && code == ERR_NONE; i++) {
		if (!may_hold(a, &drives[i].record.id) && drives[i].objects > 0)
			code = table_objects(a->table, &drives[i].record.id, add_suspect, &l, err);
	}
	if (code == ERR_NONE)
		code = judge_suspects(&l, err);
	if (code == ERR_NONE && out->count > 0)
		qsort(out->uids, out->count, sizeof(*out->uids), compare_ids);
	table_drives_free(drives, count);
	dead_release(&l.suspects);
	free(l.group);
	if (code != ERR_NONE)
		dead_release(out);
	return code;
}

void dead_release(struct dead_blocks *d)
{
	free(d->uids);
	memset(d, 0, sizeof(*d));
}

bool dead_has(const struct dead_blocks *d, const struct id *block_uid)
{
	return d->count > 0 &&
	       bsearch(block_uid, d->uids, d->count, sizeof(*d->uids), compare_ids) != NULL;
}

bool dead_in_content(const struct dead_blocks *d, const uint8_t *content, size_t content_bytes)
{
	struct reader r = reader_of(content, content_bytes);
	struct piece_state state = { .any = false };
	struct piece p;

	while (piece_next(&state, &r, &p)) {
		if (!p.hole && dead_has(d, &p.block_uid))
			return true;
	}
	return r.failed;
}
