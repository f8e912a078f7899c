/* Groups that are narrower than new ones would be become wide ones. */
#include "care/rebalance_inner.h"

#include "array/drive_set.h"
#include "array/extra.h"
#include "array/health.h"
#include "array/place.h"
#include "care/idlist.h"

#include <stdlib.h>
#include <string.h>

/* Groups that are looked at together: this bounds the memory. */
#define WINDOW 4096
/* Thin groups wait until they have so many blocks' bytes, or are so many. */
#define THIN_BLOCKS 2
#define THIN_GROUPS 64

/* A group that may be joined with others. */
struct candidate {
	struct id id;
	uint64_t longest_bytes;
	unsigned k;
	struct drive_set members;
	bool done;
};

struct joining {
	struct rebalancing *b;
	enum rebalance_width which;
	unsigned parity, k_max; /* of a new group */
	struct alloc_drive *view;
	unsigned domain_max, removable_max;
	struct candidate *candidates;
	size_t count;
	/* Those that are to become one. */
	struct candidate *chosen[JOIN_GROUPS_MAX];
	unsigned chosen_count, k;
	struct drive_set members;
	struct table_group *groups[JOIN_GROUPS_MAX]; /* of those; owned */
	struct join *join;
};

/* ---- what new groups would be ---- */

static unsigned usable_count(const struct joining *j)
{
	unsigned count = 0;

	for (unsigned i = 0; i < j->b->a->count; i++)
		count += j->view[i].usable;
	return count < JOIN_WIDTH_MAX ? count : JOIN_WIDTH_MAX;
}

/* The width of a group on these drives, were they empty: what the rules and the policy say. */
static int new_width(struct joining *j, struct error *err)
{
	struct array *a = j->b->a;
	struct alloc_policy policy = place_policy(a);
	struct alloc_drive *empty = calloc(a->count, sizeof(*empty));
	struct alloc_plan *plan = malloc(sizeof(*plan));
	int code = empty && plan ? ERR_NONE : err_nomem(err);

	j->k_max = j->parity = 0;
	for (unsigned i = 0; i < a->count && code == ERR_NONE; i++) {
		empty[i] = j->view[i];
		empty[i].free_bytes = empty[i].size_bytes;
	}
	if (code == ERR_NONE && alloc_group(empty, a->count, &policy, a->policy.geometry.block_bytes,
					    0, 0, plan, err) == ERR_NONE) {
		j->k_max = plan->k;
		j->parity = plan->m;
	}
	/* As where there is no room: no preference holds. */
	if (j->which == REBALANCE_ROOM && j->parity > 0 && !policy.copies)
		j->k_max = usable_count(j) - j->parity;
	free(empty);
	free(plan);
	return code;
}

/* ---- candidates ---- */

/* All of it at hand, with all its rows, and not so wide as it could be. */
static bool is_candidate(const struct joining *j, const struct table_group *g)
{
	unsigned most = j->which == REBALANCE_THIN ? j->k_max / 2 : j->k_max - 1;

	return g->member_count <= most && health_spare(j->b->a, g) >= (int)j->parity;
}

static int add_candidate(struct joining *j, const struct id *id, struct table_group *g,
			 struct error *err)
{
	struct candidate *c = &j->candidates[j->count];
	int code = table_group(j->b->a->table, id, g, err);

	if (code != ERR_NONE || !is_candidate(j, g))
		return code == ERR_NOT_FOUND ? ERR_NONE : code;
	memset(c, 0, sizeof(*c));
	c->id = *id;
	c->k = g->member_count;
	for (unsigned i = 0; i < g->member_count; i++) {
		const struct table_block *m = &g->members[i];
		const struct array_drive *d = array_drive_by_id(j->b->a, &m->drive_id);

		if (!d || !health_at_hand(j->b->a, (unsigned)(d - j->b->a->drives)) || m->lost)
			return ERR_NONE;
		drive_set_add(&c->members, (unsigned)(d - j->b->a->drives));
		if (m->len_bytes > c->longest_bytes)
			c->longest_bytes = m->len_bytes;
	}
	j->count++;
	return ERR_NONE;
}

static int by_length(const void *x, const void *y)
{
	const struct candidate *a = x, *b = y;

	if (a->longest_bytes != b->longest_bytes)
		return a->longest_bytes > b->longest_bytes ? -1 : 1;
	if (a->k != b->k)
		return a->k > b->k ? -1 : 1;
	return memcmp(a->id.b, b->id.b, ID_BYTES);
}

/* ---- which go together ---- */

/* Whether the rows of a group with these members find drives. */
static bool rows_fit(const struct joining *j, const struct drive_set *members)
{
	unsigned in_domain[DRIVES_MAX] = { 0 }, rows = 0, removable = 0;

	for (unsigned i = 0; i < j->b->a->count; i++) {
		if (!drive_set_has(members, i))
			continue;
		removable += j->view[i].removable;
		if (++in_domain[j->view[i].domain] > j->domain_max ||
		    removable > j->removable_max)
			return false;
	}
	for (unsigned i = 0; i < j->b->a->count; i++) {
		const struct alloc_drive *d = &j->view[i];

		if (!d->usable || d->role == ROLE_DATA || d->removable || drive_set_has(members, i) ||
		    in_domain[d->domain] >= j->domain_max)
			continue;
		in_domain[d->domain]++;
		rows++;
	}
	return rows >= j->parity;
}

/* Its rows would be part of longer ones: not of more than twice the length. */
static bool fits(const struct joining *j, const struct candidate *c)
{
	uint64_t longest = j->chosen[0]->longest_bytes;
	struct drive_set all = j->members;

	if (c->done || j->k + c->k > j->k_max || drive_sets_meet(&j->members, &c->members) ||
	    c->longest_bytes < longest / 2 ||
	    (j->k + c->k + j->parity) * longest > JOIN_BYTES_MAX)
		return false;
	drive_set_unite(&all, &c->members);
	return rows_fit(j, &all);
}

static void take(struct joining *j, struct candidate *c)
{
	j->chosen[j->chosen_count++] = c;
	j->k += c->k;
	drive_set_unite(&j->members, &c->members);
}

/* The longest of those left, and what goes with it. False: nothing does. */
static bool choose(struct joining *j, size_t first)
{
	j->chosen_count = j->k = 0;
	memset(&j->members, 0, sizeof(j->members));
	take(j, &j->candidates[first]);
	for (size_t i = first + 1; i < j->count && j->k < j->k_max; i++) {
		if (j->candidates[i].longest_bytes < j->chosen[0]->longest_bytes / 2)
			break;
		if (j->chosen_count < JOIN_GROUPS_MAX && fits(j, &j->candidates[i]))
			take(j, &j->candidates[i]);
	}
	return j->chosen_count > 1 && (j->which != REBALANCE_THIN || j->k * 4 >= j->k_max * 3);
}

/* ---- joining them ---- */

static int load_groups(struct joining *j, struct error *err)
{
	int code = ERR_NONE;

	j->join->group_count = 0;
	for (unsigned i = 0; i < j->chosen_count && code == ERR_NONE; i++) {
		if (!j->groups[i] && !(j->groups[i] = malloc(sizeof(*j->groups[i]))))
			return err_nomem(err);
		code = table_group(j->b->a->table, &j->chosen[i]->id, j->groups[i], err);
		j->join->groups[j->join->group_count++] = j->groups[i];
	}
	return code;
}

int rebalance_plan(struct rebalancing *b, struct join *j, struct error *err)
{
	int code = join_plan(j, err);

	if (code != ERR_FULL || b->u.changes == 0)
		return code;
	code = upkeep_settle(&b->u, err);
	return code == ERR_NONE ? join_plan(j, err) : code;
}

static unsigned row_objects(const struct join *j)
{
	unsigned rows = 0;

	for (unsigned i = 0; i < j->group_count; i++)
		rows += j->groups[i]->row_count;
	return rows;
}

/* In a trial: what it would take, and leave. */
static void book(struct rebalancing *b, const struct join *j)
{
	for (unsigned i = 0; i < j->row_count; i++)
		place_book(b->a, &b->a->drives[j->row_drives[i]], j->longest_bytes);
	for (unsigned i = 0; i < j->group_count; i++) {
		for (unsigned n = 0; n < j->groups[i]->row_count; n++) {
			const struct group_row_record *row = &j->groups[i]->rows[n];
			struct array_drive *d = array_drive_by_id(b->a, &row->drive_id);

			if (d && drive_counts(d) && !extra_is(b->a, j->groups[i], n))
				place_unbook(b->a, d, row->len_bytes);
		}
	}
}

int rebalance_make(struct rebalancing *b, struct join *j, struct error *err)
{
	bool may;
	int code = rebalance_may(b, j->read_bytes + j->write_bytes, &may, err);

	if (code != ERR_NONE || !may)
		return code;
	if (b->o->dry_run)
		book(b, j);
	else
		code = join_make(j, &b->u, err);
	if (code != ERR_NONE)
		return rebalance_failed(b, code, err);
	b->r->joined += j->group_count;
	b->r->made++;
	b->r->rows_dropped += row_objects(j) > j->row_count ? row_objects(j) - j->row_count : 0;
	return rebalance_done(b, j->read_bytes, j->write_bytes, err);
}

static int join_chosen(struct joining *j, struct error *err)
{
	int code = load_groups(j, err);

	if (code == ERR_NONE)
		code = rebalance_plan(j->b, j->join, err);
	if (code == ERR_UNSUPPORTED || code == ERR_FULL || code == ERR_NOT_FOUND)
		return ERR_NONE;
	if (code != ERR_NONE || j->join->old_row_bytes <= j->join->write_bytes)
		return code;
	code = rebalance_make(j->b, j->join, err);
	for (unsigned i = 0; i < j->chosen_count; i++)
		j->chosen[i]->done = true;
	return code;
}

/* Enough thin groups to make wide ones of. */
static bool is_worthwhile(const struct joining *j)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < j->count; i++)
		bytes += j->candidates[i].k * j->candidates[i].longest_bytes;
	return j->which != REBALANCE_THIN || j->count >= THIN_GROUPS ||
	       bytes >= THIN_BLOCKS * (uint64_t)j->b->a->policy.geometry.block_bytes;
}

static int join_window(struct joining *j, const struct id *ids, size_t count, struct error *err)
{
	struct table_group *g = malloc(sizeof(*g));
	int code = g ? ERR_NONE : err_nomem(err);

	j->count = 0;
	for (size_t i = 0; i < count && code == ERR_NONE; i++)
		code = add_candidate(j, &ids[i], g, err);
	free(g);
	if (code != ERR_NONE || j->count == 0 || !is_worthwhile(j))
		return code;
	qsort(j->candidates, j->count, sizeof(*j->candidates), by_length);
	for (size_t i = 0; i < j->count && code == ERR_NONE && !j->b->r->work_remains; i++) {
		if (!j->candidates[i].done && choose(j, i))
			code = join_chosen(j, err);
	}
	return code;
}

static void joining_release(struct joining *j)
{
	for (unsigned i = 0; i < JOIN_GROUPS_MAX; i++)
		free(j->groups[i]);
	free(j->view);
	free(j->candidates);
	join_free(j->join);
}

int rebalance_join(struct rebalancing *b, enum rebalance_width which, struct error *err)
{
	struct joining j = { .b = b, .which = which };
	struct id_list ids = { 0 };
	int code = ERR_NONE;

	j.view = calloc(b->a->count, sizeof(*j.view));
	j.candidates = calloc(WINDOW, sizeof(*j.candidates));
	j.join = join_new(b->a);
	if (!j.view || !j.candidates || !j.join)
		code = err_nomem(err);
	if (code == ERR_NONE) {
		place_view(b->a, j.view);
		j.domain_max = alloc_domain_limit(j.view, b->a->count, b->a->policy.parity);
		j.removable_max = alloc_removable_limit(j.view, b->a->count, b->a->policy.parity);
		code = new_width(&j, err);
	}
	if (code == ERR_NONE && j.parity > 0 && j.k_max > 1)
		code = table_narrow_groups(b->a->table,
					   which == REBALANCE_THIN ? j.k_max / 2 : j.k_max - 1,
					   id_list_add, &ids, err);
	for (size_t at = 0; at < ids.count && code == ERR_NONE && !b->r->work_remains; at += WINDOW)
		code = join_window(&j, ids.ids + at,
				   ids.count - at < WINDOW ? ids.count - at : WINDOW, err);
	/* Who asks the table next where objects are has to be told of the new groups, too. */
	if (code == ERR_NONE)
		code = upkeep_settle(&b->u, err);
	id_list_release(&ids);
	joining_release(&j);
	return code;
}
