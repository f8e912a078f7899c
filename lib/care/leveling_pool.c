/* Blocks that need new groups: those alone, those of groups that are too wide, and mirrors. They
 * are pooled, some hundred at a time, and gathered; what finds too little company waits for more. */
#include "care/leveling.h"

#include "array/health.h"
#include "array/place.h"
#include "base/stop.h"
#include "care/idlist.h"
#include "group/row.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW_BLOCKS 256
#define POOL_BLOCKS 4096 /* more than that do not wait */

/* ---- old groups ---- */

static void forget_old(struct leveling *l, struct old_group *old)
{
	struct old_group **at = &l->old;

	while (*at != old)
		at = &(*at)->next;
	*at = old->next;
	free(old);
}

/* All its blocks are in new groups, which are recorded before. */
static int end_old(struct leveling *l, struct old_group *old, struct error *err)
{
	int code = table_group(l->a->table, &old->id, l->group, err);

	if (code == ERR_NONE && l->dry)
		level_trim(l, l->group);
	if (code == ERR_NONE) {
		record_superseded(&l->records, &old->id, 1);
		level_drop_rows(l, l->group);
		l->r->groups_split += old->split;
	}
	forget_old(l, old);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

int level_settle_block(struct leveling *l, const struct loose_block *b, struct error *err)
{
	if (!b->from || --b->from->left > 0)
		return ERR_NONE;
	return end_old(l, b->from, err);
}

/* ---- the pool ---- */

static enum gather_kind kind_of(const struct loose_block *b)
{
	if (!b->from)
		return GATHER_LONE;
	return b->from->split ? GATHER_SPLIT : GATHER_MIRROR;
}

/* Rows that are owed to what was gathered with fewer than the policy asks. */
static void owe(struct leveling *l, const struct gather_group *g)
{
	const struct loose_block *first = &l->pool[g->members[0]];
	unsigned lacking = l->a->policy.parity - g->row_count;

	if (g->row_count == 0 && kind_of(first) == GATHER_MIRROR)
		return;
	l->r->rows_owed += lacking;
	l->r->owed_bytes += lacking * first->block.len_bytes;
	l->r->rows_full += g->lacking == ERR_FULL ? lacking : 0;
}

static int add_gather_task(struct leveling *l, const struct gather_group *g, struct error *err)
{
	struct level_task *t = level_task_new(l);
	uint64_t longest = 0, tail;

	t->kind = LEVEL_GATHER;
	t->loose = calloc(g->member_count, sizeof(*t->loose));
	if (!t->loose)
		return err_nomem(err);
	for (unsigned i = 0; i < g->member_count; i++) {
		const struct loose_block *b = &l->pool[g->members[i]];

		t->loose[t->loose_count++] = *b;
		t->mended.read_bytes += b->block.len_bytes;
		if (b->block.len_bytes > longest)
			longest = b->block.len_bytes;
	}
	memcpy(t->rows, g->rows, sizeof(t->rows));
	tail = ROW_HEADER_BYTES + g->member_count * ROW_MEMBER_BYTES + ROW_TRAILER_BYTES;
	t->row_count = t->rows_made = g->row_count;
	t->loose_done = t->loose_count;
	t->mended.written_bytes = g->row_count * (longest + (g->member_count > 1 ? tail : 0));
	t->memory_bytes = t->mended.read_bytes + t->mended.written_bytes;
	return level_task_add(l, err);
}

/* Fewer members than that wait for company. */
static unsigned least_company(const struct leveling *l, const struct alloc_policy *policy)
{
	unsigned usable = array_usable_count(l->a);
	unsigned rows = alloc_rows(l->view, l->a->count, policy->parity);

	return policy->copies || usable <= rows + 1 ? 1 : 2;
}

/* least_members: of the first group; those after it are to be as wide, or wait. 0: all of them. */
static int gather_groups(struct leveling *l, struct gather *g, unsigned least_members,
			 struct error *err)
{
	struct gather_group *next = malloc(sizeof(*next));
	unsigned least = least_members;
	int code = next ? ERR_NONE : err_nomem(err);

	while (code == ERR_NONE && !l->stopped && gather_next(g, least, next)) {
		if (least > 0 && next->member_count > least)
			least = next->member_count;
		code = stop_check(err);
		owe(l, next);
		if (code == ERR_NONE && next->row_count > 0)
			code = add_gather_task(l, next, err);
	}
	free(next);
	return code;
}

static void keep_waiting(struct leveling *l, const struct gather *g)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->pool_count; i++) {
		if (gather_has(g, i))
			l->pool[kept++] = l->pool[i];
	}
	l->pool_count = kept;
}

static int gather_pool(struct leveling *l, bool all, struct error *err)
{
	struct alloc_policy policy = place_policy(l->a);
	struct gather_block *blocks = calloc(l->pool_count + 1, sizeof(*blocks));
	struct gather *g = NULL;
	int code;

	for (size_t i = 0; i < l->pool_count && blocks; i++) {
		const struct table_block *b = &l->pool[i].block;
		const struct array_drive *d = array_drive_by_id(l->a, &b->drive_id);

		blocks[i] = (struct gather_block){ (uint16_t)(d - l->a->drives),
						   kind_of(&l->pool[i]), b->len_bytes };
	}
	if (blocks)
		g = gather_new(l->view, l->a->count, &policy, blocks, l->pool_count);
	code = g ? gather_groups(l, g, all ? 0 : least_company(l, &policy), err) : err_nomem(err);
	if (g)
		keep_waiting(l, g);
	gather_free(g);
	free(blocks);
	return code;
}

/* The pool has grown: those go that have company. */
static int gather_some(struct leveling *l, struct error *err)
{
	int code = gather_pool(l, false, err);

	if (code == ERR_NONE && l->pool_count > POOL_BLOCKS)
		code = gather_pool(l, true, err);
	l->pool_due = l->pool_count + WINDOW_BLOCKS;
	return code;
}

static int pool_add(struct leveling *l, const struct table_block *b, struct old_group *from,
		    struct error *err)
{
	if (!grow(&l->pool, &l->pool_cap, l->pool_count + 1, sizeof(*l->pool)))
		return err_nomem(err);
	l->pool[l->pool_count++] = (struct loose_block){ *b, from };
	return ERR_NONE;
}

static bool is_due(const struct leveling *l)
{
	return l->pool_count >= (l->pool_due ? l->pool_due : WINDOW_BLOCKS);
}

/* ---- what comes into it ---- */

struct search {
	struct leveling *l;
	const struct old_group *old;
	struct table_group *group;
	bool found;
};

/* A group that the old one was to be replaced by, before it was stopped: it was made later. */
static int is_successor(void *ctx, const struct id *id, struct error *err)
{
	struct search *s = ctx;
	struct array *a = s->l->a;

	if (id_equal(id, &s->old->id) || table_group(a->table, id, s->group, err) != ERR_NONE)
		return ERR_NONE;
	if (!table_is_later(s->group, s->l->group) || !health_keeps(a, s->group))
		return ERR_NONE;
	if (s->old->split)
		s->found = !a->policy.copies || s->group->member_count == 1;
	else
		s->found = s->group->member_count > 1;
	return s->found;
}

static int has_successor(struct leveling *l, const struct table_block *b,
			 const struct old_group *old, bool *yes, struct error *err)
{
	struct search s = { .l = l, .old = old, .group = l->other };
	int code = table_groups_of(l->a->table, b->id, is_successor, &s, err);

	*yes = s.found;
	return s.found ? ERR_NONE : code;
}

int level_loosen(struct leveling *l, bool split, struct error *err)
{
	const struct table_group *g = l->group;
	struct old_group *old = calloc(1, sizeof(*old));
	int code = ERR_NONE;
	bool done;

	if (!old)
		return err_nomem(err);
	*old = (struct old_group){ .id = g->id, .split = split, .next = l->old };
	l->old = old;
	for (unsigned i = 0; i < g->member_count && code == ERR_NONE; i++) {
		if (g->members[i].lost)
			continue;
		code = has_successor(l, &g->members[i], old, &done, err);
		if (code == ERR_NONE && !done) {
			old->left++;
			code = pool_add(l, &g->members[i], old, err);
		}
	}
	if (code == ERR_NONE && old->left == 0)
		return end_old(l, old, err);
	if (code == ERR_NONE && is_due(l))
		code = gather_some(l, err);
	return code;
}

static int add_alone(struct leveling *l, const struct id *uid, struct error *err)
{
	struct table_block b;
	int code = table_block_by_uid(l->a->table, uid, &b, err);

	if (code != ERR_NONE || b.lost)
		return code;
	if (!block_drive(l->a, &b)) {
		l->r->rows_owed += l->a->policy.parity;
		return ERR_NONE;
	}
	code = pool_add(l, &b, NULL, err);
	if (code == ERR_NONE && is_due(l))
		code = gather_some(l, err);
	return code;
}

int level_gather_alone(struct leveling *l, struct error *err)
{
	struct id_list blocks = { 0 };
	int code = table_ungrouped(l->a->table, id_list_add, &blocks, err);

	for (size_t i = 0; i < blocks.count && code == ERR_NONE && !l->stopped; i++) {
		code = stop_check(err);
		if (code == ERR_NONE)
			code = add_alone(l, &blocks.ids[i], err);
	}
	id_list_release(&blocks);
	return code == ERR_NONE ? gather_pool(l, true, err) : code;
}
