/* Blocks in several groups: what two hosts joined at once, each without seeing the other's work. */
#include "care/rebalance_inner.h"

#include "care/idlist.h"

#include <stdlib.h>
#include <string.h>

#define PASSES_MAX 16 /* more hosts than that do not do so at once */

struct surplus {
	struct rebalancing *b;
	struct table_group *x, *y;
	struct join *all, *first, *rest; /* both as one; or one anew, and of the other what is left */
	struct id common[GROUP_SLOTS_MAX];
	unsigned common_count;
};

static int surplus_init(struct surplus *s, struct rebalancing *b, struct error *err)
{
	memset(s, 0, sizeof(*s));
	s->b = b;
	s->x = malloc(sizeof(*s->x));
	s->y = malloc(sizeof(*s->y));
	s->all = join_new(b->a);
	s->first = join_new(b->a);
	s->rest = join_new(b->a);
	return s->x && s->y && s->all && s->first && s->rest ? ERR_NONE : err_nomem(err);
}

static void surplus_release(struct surplus *s)
{
	free(s->x);
	free(s->y);
	join_free(s->all);
	join_free(s->first);
	join_free(s->rest);
}

struct finding {
	const struct id *but;
	struct id *found;
	bool any;
};

static int find_other(void *ctx, const struct id *id, struct error *err)
{
	struct finding *f = ctx;

	(void)err;
	if (id_equal(id, f->but))
		return ERR_NONE;
	*f->found = *id;
	f->any = true;
	return 1;
}

/* Another group that has a block of y; false: there is none any more. */
static int find_x(struct surplus *s, bool *found, struct error *err)
{
	struct id id;
	struct finding f = { .but = &s->y->id, .found = &id };
	int code = ERR_NONE;

	for (unsigned i = 0; i < s->y->member_count && !f.any && code == ERR_NONE; i++)
		code = table_groups_of(s->b->a->table, s->y->members[i].id, find_other, &f, err);
	*found = f.any;
	return f.any ? table_group(s->b->a->table, &id, s->x, err) : code;
}

static void find_common(struct surplus *s)
{
	s->common_count = 0;
	for (unsigned i = 0; i < s->y->member_count; i++) {
		for (unsigned n = 0; n < s->x->member_count; n++) {
			if (id_equal(&s->y->members[i].uid, &s->x->members[n].uid))
				s->common[s->common_count++] = s->y->members[i].uid;
		}
	}
}

/*
 * x is made anew in the same commit, though it stays as it is: by what another host does meanwhile it
 * may be superseded, and that one may be about to leave the same blocks out of it. What is in an old
 * group is so always in one of its successors.
 */
static int part(struct surplus *s, struct error *err)
{
	int code;

	find_common(s);
	s->first->groups[0] = s->x;
	s->rest->groups[0] = s->y;
	s->first->group_count = s->rest->group_count = 1;
	s->rest->without = s->common;
	s->rest->without_count = s->common_count;
	code = rebalance_plan(s->b, s->first, err);
	if (code == ERR_NONE)
		code = rebalance_plan(s->b, s->rest, err);
	if (code == ERR_NONE)
		code = rebalance_make(s->b, s->first, err);
	return code == ERR_NONE ? rebalance_make(s->b, s->rest, err) : code;
}

static int clean(struct surplus *s, const struct id *id, struct error *err)
{
	bool found = false;
	int code = table_group(s->b->a->table, id, s->y, err);

	if (code == ERR_NONE)
		code = find_x(s, &found, err);
	if (code == ERR_NONE && found) {
		s->all->groups[0] = s->x;
		s->all->groups[1] = s->y;
		s->all->group_count = 2;
		code = rebalance_plan(s->b, s->all, err);
		if (code == ERR_NONE)
			code = rebalance_make(s->b, s->all, err);
		else if (code == ERR_UNSUPPORTED)
			code = part(s, err);
		/* The table is to know of it before it is asked for the next one. */
		if (code == ERR_NONE)
			code = upkeep_settle(&s->b->u, err);
	}
	return code == ERR_NOT_FOUND || code == ERR_UNSUPPORTED || code == ERR_FULL ? ERR_NONE : code;
}

int rebalance_surplus(struct rebalancing *b, struct error *err)
{
	struct surplus s;
	int code = surplus_init(&s, b, err);

	b->changed = true;
	for (unsigned i = 0; i < PASSES_MAX && b->changed && code == ERR_NONE; i++) {
		struct id_list ids = { 0 };

		b->changed = false;
		code = table_shared_groups(b->a->table, id_list_add, &ids, err);
		for (size_t n = 0; n < ids.count && code == ERR_NONE && !b->r->work_remains; n++)
			code = clean(&s, &ids.ids[n], err);
		id_list_release(&ids);
		b->changed = b->changed && !b->o->dry_run;
	}
	surplus_release(&s);
	return code;
}
