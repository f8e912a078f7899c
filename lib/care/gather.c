#include "care/gather.h"

#include "group/row.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH_DEFAULT(m) ((m) <= 1 ? 12 : 16 + ((m) - 2))

struct spot {
	uint16_t drive;
	uint32_t block;
	uint64_t len_bytes;
};

struct gather {
	struct alloc_drive *drives;
	unsigned count;
	const struct alloc_policy *policy;
	const struct gather_block *blocks;
	unsigned widest, rows_wanted, domain_most, removable_most;
	size_t first[DRIVES_MAX], left[DRIVES_MAX]; /* of each drive, in spots */
	bool *gone;				    /* by block */
	struct spot spots[];			    /* by drive, the longest first */
};

/* A group at work. */
struct company {
	unsigned member_count, count; /* members; objects, rows included */
	uint16_t drives[DRIVES_MAX];
	uint64_t longest_bytes;
	bool by_domain; /* the rule of domains holds */
	int lacking;
};

/* ---- the blocks ---- */

static int compare_spots(const void *x, const void *y)
{
	const struct spot *a = x, *b = y;

	if (a->drive != b->drive)
		return a->drive < b->drive ? -1 : 1;
	if (a->len_bytes != b->len_bytes)
		return a->len_bytes > b->len_bytes ? -1 : 1;
	return a->block < b->block ? -1 : 1;
}

/* With one domain only, the rule is void. */
static unsigned domain_most(const struct alloc_drive *drives, unsigned count, unsigned parity)
{
	const struct alloc_drive *first = NULL;

	for (unsigned i = 0; i < count; i++) {
		if (!drives[i].usable)
			continue;
		if (first && drives[i].domain != first->domain)
			return parity > 1 ? parity : 1;
		first = &drives[i];
	}
	return UINT_MAX;
}

/* Members that a group has at most by the width of the policy. */
static unsigned widest_of(const struct alloc_policy *policy)
{
	unsigned m = policy->parity;
	unsigned width = policy->width > 0 ? policy->width : WIDTH_DEFAULT(m);

	if (policy->copies || width <= m)
		return 1;
	return width - m < GROUP_SLOTS_MAX ? width - m : GROUP_SLOTS_MAX;
}

struct gather *gather_new(struct alloc_drive *drives, unsigned count,
			  const struct alloc_policy *policy, const struct gather_block *blocks,
			  size_t block_count)
{
	struct gather *g = calloc(1, sizeof(*g) + block_count * sizeof(g->spots[0]));

	if (!g || !(g->gone = calloc(block_count + 1, sizeof(*g->gone)))) {
		free(g);
		return NULL;
	}
	g->drives = drives;
	g->count = count;
	g->policy = policy;
	g->blocks = blocks;
	g->widest = widest_of(policy);
	for (size_t i = 0; i < block_count; i++) {
		g->spots[i] = (struct spot){ blocks[i].drive, (uint32_t)i, blocks[i].len_bytes };
		g->left[blocks[i].drive]++;
	}
	qsort(g->spots, block_count, sizeof(g->spots[0]), compare_spots);
	for (unsigned d = 1; d < count; d++)
		g->first[d] = g->first[d - 1] + g->left[d - 1];
	return g;
}

void gather_free(struct gather *g)
{
	if (!g)
		return;
	free(g->gone);
	free(g);
}

bool gather_has(const struct gather *g, size_t block)
{
	return !g->gone[block];
}

static const struct spot *head_of(const struct gather *g, unsigned drive)
{
	return &g->spots[g->first[drive]];
}

/* ---- one group ---- */

static unsigned in_domain(const struct gather *g, const struct company *c, unsigned drive)
{
	unsigned objects = 0;

	for (unsigned i = 0; i < c->count; i++)
		objects += g->drives[c->drives[i]].domain == g->drives[drive].domain;
	return objects;
}

static bool domain_takes(const struct gather *g, const struct company *c, unsigned drive)
{
	return !c->by_domain || in_domain(g, c, drive) < g->domain_most;
}

/* Too many of the members would be unplugged together. */
static bool too_removable(const struct gather *g, const struct company *c, unsigned drive)
{
	unsigned members = 0;

	for (unsigned i = 0; i < c->count; i++)
		members += g->drives[c->drives[i]].removable;
	return g->drives[drive].removable && members >= g->removable_most;
}

static uint64_t row_bytes(const struct company *c)
{
	size_t tail = ROW_HEADER_BYTES + c->member_count * ROW_MEMBER_BYTES + ROW_TRAILER_BYTES;

	return c->longest_bytes + (c->member_count > 1 ? tail : 0);
}

/* Drives for the rows beside the members of c: how many were found. */
static unsigned find_rows(const struct gather *g, struct company *c, uint16_t *rows)
{
	struct company with = *c;
	unsigned found = 0;
	struct error why;

	c->lacking = ERR_NONE;
	while (found < g->rows_wanted) {
		c->lacking = alloc_one(g->drives, g->count, g->policy, with.drives, with.count,
				       true, row_bytes(c), &rows[found], &why);
		if (c->lacking == ERR_NONE && !domain_takes(g, &with, rows[found]))
			c->lacking = ERR_FULL;
		if (c->lacking != ERR_NONE)
			break;
		with.drives[with.count++] = rows[found++];
	}
	return found;
}

/* The longest block of that drive joins if that leaves room for all rows. */
static void join(const struct gather *g, struct company *c, unsigned drive)
{
	const struct spot *s = head_of(g, drive);
	struct company with = *c;
	uint16_t rows[GROUP_ROWS_MAX];

	if (!domain_takes(g, c, drive) || too_removable(g, c, drive))
		return;
	with.drives[with.count++] = (uint16_t)drive;
	with.member_count++;
	if (s->len_bytes > with.longest_bytes)
		with.longest_bytes = s->len_bytes;
	if (with.member_count > 1 &&
	    (with.member_count + g->rows_wanted) * with.longest_bytes > GATHER_BYTES_MAX)
		return;
	if (find_rows(g, &with, rows) == g->rows_wanted)
		*c = with;
}

/* Drives with blocks: those with most first. */
static unsigned by_left(const struct gather *g, uint16_t *drives)
{
	unsigned n = 0;

	for (unsigned d = 0; d < g->count; d++) {
		unsigned at = n;

		if (g->left[d] == 0)
			continue;
		for (; at > 0 && g->left[drives[at - 1]] < g->left[d]; at--)
			drives[at] = drives[at - 1];
		drives[at] = (uint16_t)d;
		n++;
	}
	return n;
}

static void choose(const struct gather *g, const uint16_t *drives, unsigned n, bool by_domain,
		   struct company *c)
{
	memset(c, 0, sizeof(*c));
	c->by_domain = by_domain;
	for (unsigned i = 0; i < n && c->member_count < g->widest; i++)
		join(g, c, drives[i]);
}

static void take(struct gather *g, const struct company *c, struct gather_group *out)
{
	for (unsigned i = 0; i < c->member_count; i++) {
		unsigned d = c->drives[i];
		uint32_t block = head_of(g, d)->block;

		out->members[out->member_count++] = block;
		g->gone[block] = true;
		g->first[d]++;
		g->left[d]--;
	}
	for (unsigned i = 0; i < out->row_count; i++) {
		uint64_t *left = &g->drives[out->rows[i]].free_bytes, bytes = row_bytes(c);

		*left -= bytes < *left ? bytes : *left;
	}
}

/* The longest block of that drive, with whatever rows there are; none if it is better as it is. */
static void take_alone(struct gather *g, unsigned drive, struct gather_group *out)
{
	const struct spot *s = head_of(g, drive);
	enum gather_kind kind = g->blocks[s->block].kind;
	struct company c = { .member_count = 1, .count = 1, .drives = { (uint16_t)drive },
			     .longest_bytes = s->len_bytes };

	out->row_count = find_rows(g, &c, out->rows);
	out->complete = out->row_count == g->rows_wanted;
	out->lacking = c.lacking;
	if (kind == GATHER_MIRROR || (kind == GATHER_SPLIT && !out->complete))
		out->row_count = 0;
	take(g, &c, out);
}

bool gather_next(struct gather *g, unsigned least_members, struct gather_group *out)
{
	uint16_t drives[DRIVES_MAX];
	unsigned n = by_left(g, drives), least = least_members > 0 ? least_members : 1;
	struct company c;

	memset(out, 0, offsetof(struct gather_group, members));
	if (n == 0)
		return false;
	/* Drives may have failed since the last one. */
	g->rows_wanted = alloc_rows(g->drives, g->count, g->policy->parity);
	g->removable_most = alloc_removable_limit(g->drives, g->count, g->policy->parity);
	g->domain_most = domain_most(g->drives, g->count, g->policy->parity);
	choose(g, drives, n, true, &c);
	if (c.member_count == 0)
		choose(g, drives, n, false, &c);
	if (c.member_count < least && least_members > 0)
		return false;
	/* A copy of its own has what it takes. */
	if (c.member_count == 0 || g->rows_wanted == 0 || c.member_count == 1) {
		take_alone(g, c.member_count > 0 ? c.drives[0] : drives[0], out);
		return true;
	}
	out->row_count = find_rows(g, &c, out->rows);
	out->complete = true;
	take(g, &c, out);
	return true;
}
