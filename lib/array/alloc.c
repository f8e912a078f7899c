#include "array/alloc.h"

#include "array/alloc_bound.h"

#include <assert.h>
#include <string.h>

/* Blocks are 64 MiB / (members + rows), so that two groups fit in memory: 1 MiB at least. */
#define WIDTH_MAX 64u

#define PREFERENCES_END_PERCENT 70
/* Of the bound: what preferences may cost in all. */
#define PREFERENCES_COST_PERCENT 0.5

/* Of groups, where some drives are billed. */
#define BILLED_WIDTH 4u

/* From as many drives on one is left out. */
#define SPARE_FROM_DRIVES 5

/* Candidates for one group. Only arrays of dozens of drives of mixed roles have more. */
#define CANDIDATES_MAX 256

/* The task of alloc_group(). */
struct task {
	struct alloc_view free; /* in blocks */
	struct alloc_limits limits;
	uint64_t total, left; /* the bound of the sizes and of the free space, in blocks */
	uint64_t rotation;
	const struct alloc_spot *by_room[DRIVES_MAX], *by_distance[DRIVES_MAX];
};

/* How a candidate is made. */
struct shape {
	unsigned width;		  /* members and rows at most */
	unsigned parity_role_max; /* rows that go to parity-role drives before any other */
	unsigned both_data_max;	  /* members at most on drives that could hold rows */
	unsigned domain_rows_max; /* rows at most in one domain */
	bool nearest;		  /* beyond m objects: the nearest, not the emptiest */
	bool member_first;	  /* a place for one member, and only then the rows */
	bool by_domain; /* rows in the domain with most room for rows, not on the emptiest drive */
};

/* A candidate. Drives that may hold both are told apart only at the end, by rotation. */
struct choice {
	struct shape shape;
	unsigned k, only_data, only_rows, both; /* objects; drives taken of each kind */
	unsigned removable;			/* of the members */
	bool taken[DRIVES_MAX];			/* by place in the view */
	unsigned in_domain[DRIVES_MAX];
	uint64_t lost; /* blocks of the bound */
};

static uint64_t policy_bound(const struct alloc_drive *drives, unsigned count,
			     const struct alloc_policy *policy, uint64_t *groups)
{
	struct alloc_limits limits = {.parity = policy->parity, .width = ALLOC_UNLIMITED};
	struct alloc_view v;

	if (policy->copies)
		limits.width = policy->parity + 1;
	alloc_view_make(&v, drives, count, ALLOC_SIZE, 1);
	limits.domain_max = alloc_domain_max(&v, policy->parity);
	limits.removable_max = alloc_removable_max(policy->parity);
	return alloc_bound_groups(&v, &limits, groups);
}

uint64_t alloc_policy_bytes(const struct alloc_drive *drives, unsigned count,
			    const struct alloc_policy *policy)
{
	uint64_t groups;

	return policy_bound(drives, count, policy, &groups);
}

uint64_t alloc_policy_needs(const struct alloc_drive *drives, unsigned count,
			    const struct alloc_policy *policy)
{
	uint64_t groups, bytes = policy_bound(drives, count, policy, &groups);

	return bytes + policy->parity * groups;
}

uint64_t alloc_usable_bytes(const struct alloc_drive *drives, unsigned count, unsigned parity)
{
	const struct alloc_policy policy = {.parity = parity};

	return alloc_policy_bytes(drives, count, &policy);
}

static unsigned lesser(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned place_of(const struct task *t, const struct alloc_spot *s)
{
	return (unsigned)(s - t->free.spots);
}

/* The emptiest first; ties rotate. */
static bool has_more_room(const struct task *t, const struct alloc_spot *a,
			  const struct alloc_spot *b)
{
	if (a->units != b->units)
		return a->units > b->units;
	return (place_of(t, a) + t->rotation) % t->free.count <
	       (place_of(t, b) + t->rotation) % t->free.count;
}

static void sort_spots(struct task *t)
{
	const struct alloc_spot *s;
	unsigned at;

	for (unsigned i = 0; i < t->free.count; i++) {
		s = &t->free.spots[i];
		for (at = i; at > 0 && has_more_room(t, s, t->by_room[at - 1]); at--)
			t->by_room[at] = t->by_room[at - 1];
		t->by_room[at] = s;
	}
	for (unsigned i = 0; i < t->free.count; i++) {
		s = t->by_room[i];
		for (at = i; at > 0 && s->distance < t->by_distance[at - 1]->distance; at--)
			t->by_distance[at] = t->by_distance[at - 1];
		t->by_distance[at] = s;
	}
}

static unsigned objects_of(const struct choice *c)
{
	return c->only_data + c->only_rows + c->both;
}

/* False: the drive is full, taken, or its domain has enough of this group, or removable drives have. */
static bool has_place(const struct task *t, const struct choice *c, const struct alloc_spot *s)
{
	return s->units > 0 && !c->taken[place_of(t, s)] &&
	       c->in_domain[s->domain] < t->limits.domain_max &&
	       !(s->removable && c->removable >= t->limits.removable_max);
}

static bool take(const struct task *t, struct choice *c, const struct alloc_spot *s)
{
	if (!has_place(t, c, s))
		return false;
	c->taken[place_of(t, s)] = true;
	c->removable += s->removable;
	c->in_domain[s->domain]++;
	if (s->data && s->rows)
		c->both++;
	else if (s->data)
		c->only_data++;
	else
		c->only_rows++;
	return true;
}

/* Room for rows in the domain of s. */
static uint64_t domain_room(const struct task *t, const struct alloc_spot *s)
{
	uint64_t units = 0;

	for (unsigned i = 0; i < t->free.count; i++)
		if (t->free.spots[i].rows && t->free.spots[i].domain == s->domain)
			units += t->free.spots[i].units;
	return units;
}

/* The next drive for a row, in the order of the shape; NULL: there is none. */
static const struct alloc_spot *row_spot(const struct task *t, const struct choice *c,
					 bool parity_role)
{
	const struct alloc_spot *best = NULL;

	for (unsigned i = 0; i < t->free.count; i++) {
		const struct alloc_spot *s = t->by_room[i];

		if (!s->rows || (parity_role && s->data) || !has_place(t, c, s) ||
		    c->in_domain[s->domain] >= c->shape.domain_rows_max)
			continue;
		if (!best || (c->shape.by_domain && domain_room(t, s) > domain_room(t, best)))
			best = s;
		if (!c->shape.by_domain)
			break;
	}
	return best;
}

/* Takes drives for rows until there are that many objects; false: not so many were found. */
static bool take_for_rows(const struct task *t, struct choice *c, bool parity_role,
			  unsigned objects)
{
	const struct alloc_spot *s;

	while (objects_of(c) < objects && (s = row_spot(t, c, parity_role)))
		take(t, c, s);
	return objects_of(c) == objects;
}

/*
 * Takes a drive for one member before the rows. When no member found a place after the rows,
 * the rows filled the domains of all that could hold one; then each of these takes the place of
 * exactly one row, so it does not matter which.
 */
static void take_for_member(const struct task *t, struct choice *c)
{
	for (unsigned i = 0; i < t->free.count; i++)
		if (t->by_room[i]->data && take(t, c, t->by_room[i]))
			return;
}

/* False: a group of this shape does not fit. */
static bool choose(const struct task *t, const struct shape *shape, struct choice *c)
{
	const struct alloc_spot *const *order = shape->nearest ? t->by_distance : t->by_room;
	unsigned both_max, members;

	memset(c, 0, sizeof(*c));
	c->shape = *shape;
	if (shape->member_first)
		take_for_member(t, c);
	members = objects_of(c);
	take_for_rows(t, c, true, members + lesser(t->limits.parity, shape->parity_role_max));
	if (!take_for_rows(t, c, false, members + t->limits.parity))
		return false;
	both_max = c->both + shape->both_data_max;
	for (unsigned i = 0; i < t->free.count && objects_of(c) < shape->width; i++)
		if (order[i]->data && (!order[i]->rows || c->both < both_max))
			take(t, c, order[i]);
	c->k = objects_of(c) - t->limits.parity;
	return c->k > 0;
}

/* What the array can hold less when this group is made. */
static void weigh(const struct task *t, struct choice *c)
{
	struct alloc_view after = t->free;
	uint64_t rest;

	for (unsigned i = 0; i < after.count; i++)
		if (c->taken[i])
			after.spots[i].units--;
	rest = alloc_bound(&after, &t->limits) + c->k;
	c->lost = t->left > rest ? t->left - rest : 0;
}

/* How far the candidates go. */
static struct shape widest_shape(const struct task *t, unsigned width, bool *mixed)
{
	struct shape widest = {.width = width, .domain_rows_max = ALLOC_UNLIMITED};

	*mixed = false;
	for (unsigned i = 0; i < t->free.count; i++) {
		const struct alloc_spot *s = &t->free.spots[i];

		if (s->units == 0)
			continue;
		widest.both_data_max += s->data && s->rows;
		widest.parity_role_max += !s->data;
		*mixed = *mixed || !s->rows;
	}
	widest.parity_role_max = lesser(widest.parity_role_max, t->limits.parity);
	return widest;
}

/* The next candidate's shape; false: that was the last. */
static bool next_shape(const struct task *t, const struct shape *widest, bool mixed,
		       struct shape *s)
{
	if (s->parity_role_max > 0) {
		s->parity_role_max--;
		return true;
	}
	if (!mixed)
		return false;
	s->parity_role_max = widest->parity_role_max;
	if (s->both_data_max > 0) {
		s->both_data_max--;
		return true;
	}
	s->both_data_max = widest->both_data_max;
	s->domain_rows_max = lesser(s->domain_rows_max, t->limits.parity);
	if (s->domain_rows_max > 1) {
		s->domain_rows_max--;
		return true;
	}
	s->domain_rows_max = widest->domain_rows_max;
	if (s->by_domain || t->free.domains == t->free.count)
		return false;
	s->by_domain = true;
	return true;
}

/* Tries the candidates on a view of the drives, and weighs them by what they really have. */
static bool try_candidates(const struct task *t, const struct task *view, unsigned width, bool *mixed,
			   bool found, struct choice *best)
{
	struct shape widest = widest_shape(view, width, mixed), shape = widest;
	struct choice c;

	for (unsigned i = 0; i < CANDIDATES_MAX; i++) {
		if (choose(view, &shape, &c)) {
			weigh(t, &c);
			if (!found || c.lost * best->k < best->lost * c.k)
				*best = c;
			found = true;
			if (best->lost == 0)
				break;
		}
		if (!next_shape(view, &widest, *mixed, &shape))
			break;
	}
	return found;
}

/*
 * Room without which the array holds as much does not count: it only makes a drive look emptier than
 * others in the same domain, or other removable ones, which every group needs.
 */
static void leave_out_idle_room(struct task *t)
{
	for (unsigned i = 0; i < t->free.count; i++) {
		struct alloc_spot *s = &t->free.spots[place_of(t, t->by_room[i])];
		uint64_t low = 0, high = s->units;

		while (low < high) {
			s->units = low + (high - low) / 2;
			if (alloc_bound(&t->free, &t->limits) >= t->left)
				high = s->units;
			else
				low = s->units + 1;
		}
		s->units = low;
	}
}

/* The first candidate that loses nothing, or that of the least loss per member. */
static bool choose_best(const struct task *t, unsigned width, struct choice *best)
{
	bool mixed, found = try_candidates(t, t, width, &mixed, false, best);

	if (found && best->lost > 0 && mixed) {
		struct task tight = *t;

		sort_spots(&tight);
		leave_out_idle_room(&tight);
		sort_spots(&tight);
		try_candidates(t, &tight, width, &mixed, true, best);
	}
	if (!found) {
		struct shape shape = widest_shape(t, width, &mixed);

		shape.member_first = true;
		found = choose(t, &shape, best);
		if (found)
			weigh(t, best);
	}
	return found;
}

static bool preferences_hold(const struct task *t)
{
	uint64_t used = t->total > t->left ? t->total - t->left : 0;

	return (double)used * 100 < (double)t->total * PREFERENCES_END_PERCENT;
}

/* True when choosing c instead of best for as long as now would stay within the cost allowed. */
static bool is_cheap(const struct task *t, const struct choice *c, const struct choice *best)
{
	double loss = (double)c->lost / c->k - (double)best->lost / best->k;
	uint64_t used = t->total > t->left ? t->total - t->left : 0;

	return loss * (double)(used + c->k) * 100 <= (double)t->total * PREFERENCES_COST_PERCENT;
}

/* Below m + 1 when all drives are needed: choose() then finds nothing. */
static unsigned preferred_width(const struct task *t, const struct choice *best)
{
	unsigned m = t->limits.parity, objects = objects_of(best), room = 0;
	unsigned width = m <= 1 ? 12 : 16 + (m - 2);
	bool parity_role = false, billed = false;

	for (unsigned i = 0; i < t->free.count; i++) {
		room += t->free.spots[i].units > 0;
		parity_role = parity_role || !t->free.spots[i].data;
		billed = billed || t->free.spots[i].billed;
	}
	if (billed)
		width = m + 1 > BILLED_WIDTH ? m + 1 : BILLED_WIDTH;
	width = lesser(width, objects);
	/* Drives for rows alone are to be filled as the others are. */
	if (width == room && room >= SPARE_FROM_DRIVES && !parity_role)
		width--;
	return width;
}

/* Chooses within the limits of the task; false: nothing fits. */
static bool choose_group(struct task *t, const struct alloc_view *sizes,
			 const struct alloc_policy *policy, unsigned want_k, struct choice *best)
{
	unsigned m = t->limits.parity, width = t->limits.width;
	struct choice preferred;
	struct shape shape;

	t->total = alloc_bound(sizes, &t->limits);
	t->left = alloc_bound(&t->free, &t->limits);
	if (want_k > 0)
		width = lesser(width, m + want_k);
	if (policy->width > 0 && preferences_hold(t))
		width = lesser(width, policy->width > m ? policy->width : m + 1);
	if (!choose_best(t, width, best))
		return false;
	if (!preferences_hold(t))
		return true;
	shape = best->shape;
	shape.nearest = true;
	if (want_k == 0 && policy->width == 0)
		shape.width = preferred_width(t, best);
	if (choose(t, &shape, &preferred)) {
		weigh(t, &preferred);
		if (is_cheap(t, &preferred, best))
			*best = preferred;
	}
	return true;
}

/* Whether the at-th of n is one of those whose turn it is. */
static bool has_turn(const struct task *t, unsigned at, unsigned n, unsigned turns)
{
	return (at + n - (unsigned)(t->rotation % n)) % n < turns;
}

static unsigned billed_of(const struct task *t, const struct choice *c)
{
	unsigned billed = 0;

	for (unsigned i = 0; i < t->free.count; i++) {
		const struct alloc_spot *s = &t->free.spots[i];

		billed += c->taken[i] && s->data && s->rows && s->billed;
	}
	return billed;
}

/* Rows on drives that may hold both go round from group to group: over the billed ones first. */
static void plan_of(const struct task *t, const struct choice *c, struct alloc_plan *out)
{
	unsigned both_rows = t->limits.parity - c->only_rows, billed = billed_of(t, c);
	unsigned billed_rows = lesser(both_rows, billed), at = 0, billed_at = 0;

	out->k = out->m = 0;
	for (unsigned i = 0; i < t->free.count; i++) {
		const struct alloc_spot *s = &t->free.spots[i];
		bool row = !s->data;

		if (!c->taken[i])
			continue;
		if (s->data && s->rows && s->billed)
			row = has_turn(t, billed_at++, billed, billed_rows);
		else if (s->data && s->rows)
			row = has_turn(t, at++, c->both - billed, both_rows - billed_rows);
		if (row)
			out->rows[out->m++] = s->drive;
		else
			out->data[out->k++] = s->drive;
	}
}

/* Rows of a group on the drives that are usable, full or not. */
static unsigned rows_of(const struct alloc_view *v, unsigned parity)
{
	unsigned rows = 0;

	for (unsigned i = 0; i < v->count; i++)
		rows += v->spots[i].rows;
	return v->count == 0 ? 0 : lesser(lesser(parity, v->count - 1), rows);
}

unsigned alloc_rows(const struct alloc_drive *drives, unsigned count, unsigned parity)
{
	struct alloc_view v;

	alloc_view_make(&v, drives, count, ALLOC_FREE, 1);
	return rows_of(&v, parity);
}

unsigned alloc_domain_limit(const struct alloc_drive *drives, unsigned count, unsigned parity)
{
	struct alloc_view v;

	alloc_view_make(&v, drives, count, ALLOC_FREE, 1);
	return alloc_domain_max(&v, parity);
}

unsigned alloc_removable_limit(const struct alloc_drive *drives, unsigned count, unsigned parity)
{
	return alloc_removable_max(alloc_rows(drives, count, parity));
}

static bool takes_data(const struct alloc_view *v)
{
	for (unsigned i = 0; i < v->count; i++)
		if (v->spots[i].data)
			return true;
	return false;
}

int alloc_group(const struct alloc_drive *drives, unsigned count, const struct alloc_policy *policy,
		uint64_t block_bytes, unsigned want_k, uint64_t rotation, struct alloc_plan *out,
		struct error *err)
{
	struct alloc_view sizes;
	struct choice choice;
	struct task t = {.rotation = rotation};
	unsigned m;
	bool found;

	alloc_view_make(&t.free, drives, count, ALLOC_FREE, block_bytes);
	if (!takes_data(&t.free))
		return err_set(err, ERR_ABSENT, "no usable drive takes data");
	alloc_view_make(&sizes, drives, count, ALLOC_SIZE, block_bytes);
	sort_spots(&t);
	m = rows_of(&t.free, policy->parity);
	t.limits = (struct alloc_limits){
		.parity = m,
		.width = policy->copies ? m + 1 : WIDTH_MAX,
		.domain_max = alloc_domain_max(&t.free, m),
		.removable_max = alloc_removable_max(m),
	};
	found = choose_group(&t, &sizes, policy, want_k, &choice);
	if (!found && t.limits.domain_max != ALLOC_UNLIMITED) {
		t.limits.domain_max = ALLOC_UNLIMITED;
		found = choose_group(&t, &sizes, policy, want_k, &choice);
	}
	if (!found && m == 0)
		return err_set(err, ERR_FULL, "the drives have no room for one more block");
	if (!found)
		return err_set(err, ERR_FULL,
			       "the drives have no room for one more block and %u row%s", m,
			       m == 1 ? "" : "s");
	plan_of(&t, &choice, out);
	return ERR_NONE;
}

/* Objects of a group in the domain of drive i. */
static unsigned in_domain_of(const struct alloc_drive *drives, unsigned i, const uint16_t *taken,
			     unsigned n)
{
	unsigned objects = 0;

	for (unsigned j = 0; j < n; j++)
		objects += drives[taken[j]].domain == drives[i].domain;
	return objects;
}

/* Those that have an object of the group: members, since no rows lie there. */
static unsigned removable_of(const struct alloc_drive *drives, const uint16_t *taken, unsigned n)
{
	unsigned members = 0;

	for (unsigned j = 0; j < n; j++)
		members += drives[taken[j]].removable;
	return members;
}

static bool is_taken(const uint16_t *taken, unsigned n, unsigned drive)
{
	for (unsigned j = 0; j < n; j++)
		if (taken[j] == drive)
			return true;
	return false;
}

int alloc_one(const struct alloc_drive *drives, unsigned count, const struct alloc_policy *policy,
	      const uint16_t *taken, unsigned n, bool for_row, uint64_t object_bytes, uint16_t *out,
	      struct error *err)
{
	const struct alloc_spot *best = NULL;
	bool any = false, best_fits_domain = false, removable;
	struct alloc_view v;
	unsigned domain_max;

	alloc_view_make(&v, drives, count, ALLOC_FREE, 1);
	domain_max = alloc_domain_max(&v, policy->parity);
	removable = removable_of(drives, taken, n) <
		    alloc_removable_max(rows_of(&v, policy->parity));
	for (unsigned i = 0; i < v.count; i++) {
		const struct alloc_spot *s = &v.spots[i];
		bool fits_domain = in_domain_of(drives, s->drive, taken, n) < domain_max, better;

		if (!(for_row ? s->rows : s->data) || is_taken(taken, n, s->drive) ||
		    (s->removable && !removable))
			continue;
		any = true;
		if (s->units < object_bytes)
			continue;
		if (!best || fits_domain != best_fits_domain)
			better = !best || fits_domain;
		else if (for_row && s->data != best->data)
			better = !s->data;
		else
			better = s->units > best->units;
		if (better) {
			best = s;
			best_fits_domain = fits_domain;
		}
	}
	if (!any)
		return err_set(err, ERR_ABSENT, "no other usable drive for a %s",
			       for_row ? "row" : "block");
	if (!best)
		return err_set(err, ERR_FULL, "no other drive has room for a %s",
			       for_row ? "row" : "block");
	*out = best->drive;
	return ERR_NONE;
}
