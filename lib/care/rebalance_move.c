/* Objects move to other drives: for any reason, and of drives that are fuller than others. */
#include "care/rebalance_inner.h"

#include "array/extra.h"
#include "array/health.h"
#include "array/object.h"
#include "array/place.h"
#include "care/idlist.h"

#include <stdlib.h>
#include <string.h>

#define OBJECT_BYTES_MAX ((size_t)256 << 20)
/* Used shares of their own sizes that differ by more are evened out, until they differ by no more than
 * that: what is told of it on the drives changes their shares a little, too. */
#define SHARES_APART 0.10
#define SHARES_EVEN 0.08

int moving_init(struct moving *m, struct rebalancing *b, struct error *err)
{
	memset(m, 0, sizeof(*m));
	m->b = b;
	m->view = calloc(b->a->count, sizeof(*m->view));
	m->group = malloc(sizeof(*m->group));
	if (!m->view || !m->group)
		return err_nomem(err);
	place_view(b->a, m->view);
	m->domain_max = alloc_domain_limit(m->view, b->a->count, b->a->policy.parity);
	m->removable_max = alloc_removable_limit(m->view, b->a->count, b->a->policy.parity);
	return ERR_NONE;
}

void moving_release(struct moving *m)
{
	free(m->view);
	free(m->group);
}

/* ---- where the objects of groups are ---- */

static void count_object(struct moving *m, const struct id *drive_id, unsigned *in_domain)
{
	const struct array_drive *d = array_drive_by_id(m->b->a, drive_id);

	if (!d || !drive_counts(d))
		return;
	m->objects[d - m->b->a->drives]++;
	in_domain[m->view[d - m->b->a->drives].domain]++;
}

void moving_count(struct moving *m)
{
	unsigned in_domain[DRIVES_MAX] = { 0 };

	for (unsigned i = 0; i < m->group->member_count; i++)
		count_object(m, &m->group->members[i].drive_id, in_domain);
	for (unsigned i = 0; i < m->group->row_count; i++) {
		if (!extra_is(m->b->a, m->group, i))
			count_object(m, &m->group->rows[i].drive_id, in_domain);
	}
	for (unsigned i = 0; i < m->b->a->count; i++) {
		if (in_domain[i] > m->in_domain[i])
			m->in_domain[i] = in_domain[i];
	}
}

void moving_begin(struct moving *m)
{
	memset(m->objects, 0, sizeof(m->objects));
	memset(m->in_domain, 0, sizeof(m->in_domain));
}

static int count_listed(struct moving *m, const struct id_list *groups, struct error *err)
{
	int code = ERR_NONE;

	moving_begin(m);
	for (size_t i = 0; i < groups->count && code == ERR_NONE; i++) {
		code = table_group(m->b->a->table, &groups->ids[i], m->group, err);
		if (code == ERR_NONE)
			moving_count(m);
	}
	return code;
}

/* Every group that has the object. */
static int groups_around(struct moving *m, const struct table_object *o, struct id_list *groups,
			 struct error *err)
{
	struct table_block block;
	int code;

	if (o->is_row)
		return id_list_add(groups, &o->owner, err);
	code = table_block_by_uid(m->b->a->table, &o->owner, &block, err);
	return code == ERR_NONE
		       ? table_groups_of(m->b->a->table, block.id, id_list_add, groups, err)
		       : code;
}

/* ---- one object ---- */

static bool may_hold(const struct alloc_drive *d, bool row)
{
	return d->usable && (row ? d->role != ROLE_DATA && !d->removable : d->role != ROLE_PARITY);
}

/* Too many of the members of its groups would be unplugged together. */
static bool too_removable(const struct moving *m, unsigned from, unsigned to)
{
	unsigned members = 0;

	for (unsigned i = 0; i < m->b->a->count; i++)
		members += m->view[i].removable && i != from ? m->objects[i] : 0;
	return m->view[to].removable && members >= m->removable_max;
}

/* Whether `to` can have it, and its group then has no more in one domain than it should. */
static bool may_go(const struct moving *m, const struct table_object *o, unsigned from, unsigned to)
{
	unsigned there = m->in_domain[m->view[to].domain];

	if (m->view[to].domain == m->view[from].domain && there > 0)
		there--;
	return may_hold(&m->view[to], o->is_row) && m->objects[to] == 0 && there < m->domain_max &&
	       !too_removable(m, from, to) &&
	       m->view[to].free_bytes >= o->len_bytes;
}

static int copy(struct moving *m, const struct table_object *o, unsigned from, unsigned to,
		struct error *err)
{
	struct array_drive *source = &m->b->a->drives[from], *target = &m->b->a->drives[to];
	struct buf bytes = { 0 };
	int code = object_get(source->handle, o->name, OBJECT_BYTES_MAX, &bytes, err);

	if (code == ERR_NONE && bytes.len_bytes != o->len_bytes)
		code = err_set(err, ERR_CORRUPT, "%s does not have its length", o->name);
	if (code != ERR_NONE) {
		err_wrap(err, "drive %s", source->name);
	} else {
		code = place_store(m->b->a, target, o->name, bytes.data, bytes.len_bytes, err);
		if (code != ERR_NONE && code != ERR_NOMEM && code != ERR_INTERRUPTED)
			place_poison(m->b->a, target, err);
	}
	buf_release(&bytes);
	return code;
}

static void record(struct moving *m, const struct table_object *o, unsigned from, unsigned to)
{
	struct array *a = m->b->a;
	struct upkeep *u = &m->b->u;
	struct group_row_record row = { .row = o->row, .name = o->sha256, .len_bytes = o->len_bytes,
					.drive_id = a->drives[to].id };

	if (o->is_row) {
		record_rows(&u->records, &o->owner, &row, true);
		row.drive_id = a->drives[from].id;
		record_rows(&u->records, &o->owner, &row, false);
	} else {
		record_move(&u->records, &o->owner, &a->drives[to].id);
	}
	upkeep_garbage(u, &a->drives[from], o->name, o->len_bytes);
	u->changes++;
	u->new_bytes += o->len_bytes;
}

static int evict(struct moving *m, const struct id_list *groups, unsigned to, struct error *err)
{
	struct array *a = m->b->a;
	int code = ERR_NONE;

	for (size_t i = 0; a->policy.extra && i < groups->count && code == ERR_NONE; i++) {
		code = table_group(a->table, &groups->ids[i], m->group, err);
		if (code == ERR_NONE)
			m->b->u.garbage_bytes[to] += extra_evict(a, m->group, &a->drives[to],
								 &m->b->u.records);
	}
	return code;
}

int moving_move(struct moving *m, const struct table_object *o, const struct id_list *groups,
		unsigned from, unsigned to, bool *done, struct error *err)
{
	struct rebalancing *b = m->b;
	bool may;
	int code = rebalance_may(b, 2 * o->len_bytes, &may, err);

	*done = false;
	if (code != ERR_NONE || !may)
		return code;
	if (!b->o->dry_run)
		code = copy(m, o, from, to, err);
	if (code != ERR_NONE) {
		place_view(b->a, m->view);
		return rebalance_failed(b, code, err);
	}
	place_book(b->a, &b->a->drives[to], o->len_bytes);
	if (b->o->dry_run) {
		place_unbook(b->a, &b->a->drives[from], o->len_bytes);
	} else {
		record(m, o, from, to);
		code = evict(m, groups, to, err);
		if (code != ERR_NONE)
			return code;
	}
	*done = true;
	b->r->moved++;
	b->r->moved_bytes += o->len_bytes;
	code = rebalance_done(b, o->len_bytes, o->len_bytes, err);
	place_view(b->a, m->view);
	return code;
}

/* ---- shares ---- */

/* Of its size; -1 for a drive that does not count here. */
static double share_of(const struct moving *m, unsigned i)
{
	const struct array_drive *d = &m->b->a->drives[i];
	bool known = d->about.total_bytes > 0 || d->record.max_bytes > 0;

	if (!m->view[i].usable || !known || m->view[i].size_bytes == 0)
		return -1;
	return (double)(d->used_bytes - d->extra_bytes) / (double)m->view[i].size_bytes;
}

static double share_after(const struct moving *m, unsigned i, double more_bytes)
{
	return share_of(m, i) + more_bytes / (double)m->view[i].size_bytes;
}

/* Room for data by the rules, on what is free: no move is to make it less. */
static uint64_t room_of(const struct moving *m, unsigned from, unsigned to, uint64_t moved_bytes,
			struct error *err)
{
	struct alloc_policy policy = place_policy(m->b->a);
	struct alloc_drive *left = calloc(m->b->a->count, sizeof(*left));
	uint64_t room = 0;

	if (!left) {
		err_nomem(err);
		return 0;
	}
	for (unsigned i = 0; i < m->b->a->count; i++) {
		left[i] = m->view[i];
		left[i].size_bytes = m->view[i].free_bytes;
	}
	left[from].size_bytes += moved_bytes;
	left[to].size_bytes -= moved_bytes;
	room = alloc_policy_bytes(left, m->b->a->count, &policy);
	free(left);
	return room;
}

/* Both are nearer to each other then, and there is room for no less than before. */
static bool evens_out(const struct moving *m, const struct table_object *o, unsigned from,
		      unsigned to)
{
	double bytes = (double)o->len_bytes;
	struct error why;

	/* What belongs to drives for rows alone stays there. */
	return share_of(m, to) >= 0 && share_of(m, from) - share_of(m, to) > SHARES_EVEN &&
	       share_after(m, from, -bytes) >= share_after(m, to, bytes) &&
	       !(o->is_row && m->view[from].role == ROLE_PARITY &&
		 m->view[to].role != ROLE_PARITY) &&
	       may_go(m, o, from, to) &&
	       room_of(m, from, to, o->len_bytes, &why) >= room_of(m, from, to, 0, &why);
}

struct evening {
	struct moving m;
	unsigned from;
	struct id_list touched; /* groups of which something moved, and the table does not know it yet */
};

static bool is_apart(const struct moving *m, unsigned from, double by)
{
	bool apart = false;

	for (unsigned i = 0; i < m->b->a->count; i++)
		apart = apart || (share_of(m, i) >= 0 && share_of(m, from) - share_of(m, i) > by);
	return apart;
}

static bool any_touched(const struct evening *e, const struct id_list *groups)
{
	for (size_t i = 0; i < groups->count; i++) {
		for (size_t n = 0; n < e->touched.count; n++) {
			if (id_equal(&groups->ids[i], &e->touched.ids[n]))
				return true;
		}
	}
	return false;
}

/* Where the other objects of the groups are, as the table knows it then. */
static int look_around(struct evening *e, const struct id_list *groups, struct error *err)
{
	int code = ERR_NONE;

	if (any_touched(e, groups)) {
		code = upkeep_settle(&e->m.b->u, err);
		place_view(e->m.b->a, e->m.view);
	}
	if (e->m.b->u.changes == 0)
		e->touched.count = 0;
	return code == ERR_NONE ? count_listed(&e->m, groups, err) : code;
}

/* The emptiest by its share, of those that it helps. */
static unsigned emptiest_target(const struct evening *e, const struct table_object *o)
{
	unsigned best = DRIVES_MAX;

	for (unsigned i = 0; i < e->m.b->a->count; i++) {
		if ((best == DRIVES_MAX || share_of(&e->m, i) < share_of(&e->m, best)) &&
		    evens_out(&e->m, o, e->from, i))
			best = i;
	}
	return best;
}

/* It gives way rather than it moves. */
static int is_extra(struct evening *e, const struct table_object *o, bool *yes, struct error *err)
{
	struct table_group *g = e->m.group;
	struct array *a = e->m.b->a;
	int code = ERR_NONE;

	*yes = false;
	if (!o->is_row || !a->policy.extra)
		return ERR_NONE;
	code = table_group(a->table, &o->owner, g, err);
	for (unsigned i = 0; i < g->row_count && code == ERR_NONE; i++)
		*yes = *yes || (g->rows[i].row == o->row && extra_is(a, g, i));
	return code;
}

static int even_one(void *ctx, const struct table_object *o, struct error *err)
{
	struct evening *e = ctx;
	struct id_list groups = { 0 };
	unsigned to = DRIVES_MAX;
	bool done = false, extra;
	int code;

	if (!is_apart(&e->m, e->from, SHARES_EVEN) || e->m.b->r->work_remains)
		return 1;
	code = is_extra(e, o, &extra, err);
	if (code != ERR_NONE || extra)
		return code == ERR_NOT_FOUND ? ERR_NONE : code;
	code = groups_around(&e->m, o, &groups, err);
	if (code == ERR_NONE)
		code = look_around(e, &groups, err);
	if (code == ERR_NONE)
		to = emptiest_target(e, o);
	if (to != DRIVES_MAX)
		code = moving_move(&e->m, o, &groups, e->from, to, &done, err);
	for (size_t i = 0; i < groups.count && done && code == ERR_NONE; i++)
		code = id_list_add(&e->touched, &groups.ids[i], err);
	id_list_release(&groups);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

/* The fullest first. */
static unsigned next_fullest(const struct moving *m, const bool *seen)
{
	unsigned best = DRIVES_MAX;

	for (unsigned i = 0; i < m->b->a->count; i++) {
		if (!seen[i] && share_of(m, i) >= 0 && drive_usable(&m->b->a->drives[i]) &&
		    (best == DRIVES_MAX || share_of(m, i) > share_of(m, best)))
			best = i;
	}
	return best;
}

int rebalance_shares(struct rebalancing *b, struct error *err)
{
	bool seen[DRIVES_MAX] = { false };
	struct evening e = { .from = 0 };
	bool apart;
	int code = moving_init(&e.m, b, err);

	e.from = code == ERR_NONE ? next_fullest(&e.m, seen) : DRIVES_MAX;
	apart = e.from != DRIVES_MAX && is_apart(&e.m, e.from, SHARES_APART);
	while (code == ERR_NONE && apart && !b->r->work_remains &&
	       (e.from = next_fullest(&e.m, seen)) != DRIVES_MAX) {
		seen[e.from] = true;
		code = table_objects(b->a->table, &b->a->drives[e.from].id, even_one, &e, err);
		code = code == 1 ? ERR_NONE : code; /* even enough */
		/* The next one may have objects of the same groups. */
		if (code == ERR_NONE)
			code = upkeep_settle(&b->u, err);
		e.touched.count = 0;
		place_view(b->a, e.m.view);
	}
	id_list_release(&e.touched);
	moving_release(&e.m);
	return code;
}
