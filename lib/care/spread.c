/* A flow of least cost: from each object to a drive, from the drive to its domain, from there to the
 * end. One object after the other finds the cheapest way, on which others may have to make room. */
#include "care/spread.h"

#include <stdlib.h>
#include <string.h>

#define UNPLACED UINT16_MAX
#define UNREACHED INT64_MAX
/* What decides where bytes do not: rows move rather than data, and then how empty the drives are. */
#define DATA_MOVES DRIVES_MAX
#define RANKS (2 * DRIVES_MAX)

/* Nodes: objects, drives, domains (numbered as the drives are), in this order. */
struct spreading {
	const struct alloc_drive *drives;
	unsigned count, domain_max;
	struct spread_object *objects;
	unsigned object_count, nodes;
	unsigned in_domain[DRIVES_MAX];
	uint16_t holds[DRIVES_MAX]; /* the object on it, or UNPLACED */
	uint16_t rank[DRIVES_MAX];
	int64_t *cost; /* from the object that looks for a place to each node */
	unsigned *before;
};

static unsigned drive_node(const struct spreading *s, unsigned drive)
{
	return s->object_count + drive;
}

static unsigned domain_node(const struct spreading *s, unsigned drive)
{
	return s->object_count + s->count + s->drives[drive].domain;
}

static void rank_drives(struct spreading *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		for (unsigned n = 0; n < s->count; n++)
			if (s->drives[n].free_bytes > s->drives[i].free_bytes)
				s->rank[i]++;
	}
}

static bool may_have(const struct spreading *s, const struct spread_object *o, unsigned drive)
{
	const struct alloc_drive *d = &s->drives[drive];

	if (o->drive == drive)
		return true;
	return d->usable && d->free_bytes >= o->len_bytes &&
	       (o->row ? d->role != ROLE_DATA && !d->removable : d->role != ROLE_PARITY);
}

static int64_t cost_of(const struct spreading *s, const struct spread_object *o, unsigned drive)
{
	if (o->drive == drive)
		return 0;
	return (int64_t)(o->len_bytes * RANKS + (o->row ? 0 : DATA_MOVES) + s->rank[drive]);
}

/* Whether it became cheaper. */
static bool reach(struct spreading *s, unsigned from, unsigned to, int64_t more)
{
	if (s->cost[from] == UNREACHED || s->cost[from] + more >= s->cost[to])
		return false;
	s->cost[to] = s->cost[from] + more;
	s->before[to] = from;
	return true;
}

/* From objects to the drives that may have them; a drive with an object makes that one look for another
 * place; a full domain makes those look that are in it. */
static bool reach_on(struct spreading *s)
{
	bool cheaper = false;

	for (unsigned i = 0; i < s->object_count; i++) {
		for (unsigned d = 0; d < s->count; d++) {
			if (s->objects[i].to != d && may_have(s, &s->objects[i], d))
				cheaper |= reach(s, i, drive_node(s, d),
						 cost_of(s, &s->objects[i], d));
		}
	}
	for (unsigned d = 0; d < s->count; d++) {
		unsigned node = drive_node(s, d), o = s->holds[d];

		if (o == UNPLACED) {
			cheaper |= reach(s, node, domain_node(s, d), 0);
			continue;
		}
		cheaper |= reach(s, domain_node(s, d), node, 0);
		cheaper |= reach(s, node, o, -cost_of(s, &s->objects[o], d));
	}
	return cheaper;
}

/* The cheapest way goes back from the domain to the object: what is on it moves on. */
static void take_way(struct spreading *s, unsigned node)
{
	while (s->before[node] != node) {
		unsigned from = s->before[node];

		if (from < s->object_count) {
			s->objects[from].to = (uint16_t)(node - s->object_count);
			s->holds[node - s->object_count] = (uint16_t)from;
		} else if (from >= s->object_count + s->count) {
			s->holds[node - s->object_count] = UNPLACED;
		}
		node = from;
	}
}

/* False: there is no place, whatever moves. */
static bool place(struct spreading *s, unsigned object)
{
	unsigned end = s->nodes;

	for (unsigned i = 0; i < s->nodes; i++)
		s->cost[i] = UNREACHED;
	s->cost[object] = 0;
	s->before[object] = object;
	while (reach_on(s))
		;
	for (unsigned i = 0; i < s->count; i++) {
		unsigned node = s->object_count + s->count + i;

		if (s->in_domain[i] < s->domain_max && s->cost[node] != UNREACHED &&
		    (end == s->nodes || s->cost[node] < s->cost[end]))
			end = node;
	}
	if (end == s->nodes)
		return false;
	s->in_domain[end - s->object_count - s->count]++;
	take_way(s, end);
	return true;
}

bool spread_plan(const struct alloc_drive *drives, unsigned count, unsigned domain_max,
		 struct spread_object *objects, unsigned object_count)
{
	struct spreading s = { .drives = drives, .count = count, .domain_max = domain_max,
			       .objects = objects, .object_count = object_count,
			       .nodes = object_count + 2 * count };
	bool placed = true;

	s.cost = calloc(s.nodes + 1, sizeof(*s.cost));
	s.before = calloc(s.nodes + 1, sizeof(*s.before));
	placed = s.cost && s.before;
	memset(s.holds, 0xff, sizeof(s.holds));
	rank_drives(&s);
	for (unsigned i = 0; i < object_count; i++)
		objects[i].to = UNPLACED;
	for (unsigned i = 0; i < object_count && placed; i++)
		placed = place(&s, i);
	free(s.cost);
	free(s.before);
	return placed;
}
