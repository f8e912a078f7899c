#include "array/alloc_bound.h"

#include <assert.h>
#include <string.h>

/* More groups than blocks of one byte on any drive; small multiples of it stay below 2^64. */
#define GROUPS_MAX ((uint64_t)1 << 54)

static bool holds_data(const struct alloc_drive *d)
{
	return d->role != ROLE_PARITY;
}

static bool holds_rows(const struct alloc_drive *d)
{
	return d->role != ROLE_DATA && !d->removable;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void insert_by_domain(struct alloc_view *v, const struct alloc_drive *drives,
			     const struct alloc_spot *spot)
{
	uint32_t domain = drives[spot->drive].domain;
	unsigned at = v->count++;

	for (; at > 0 && drives[v->spots[at - 1].drive].domain > domain; at--)
		v->spots[at] = v->spots[at - 1];
	v->spots[at] = *spot;
}

void alloc_view_make(struct alloc_view *v, const struct alloc_drive *drives, unsigned count,
		     enum alloc_measure measure, uint64_t unit_bytes)
{
	assert(count <= DRIVES_MAX && unit_bytes > 0);
	v->count = v->domains = 0;
	for (unsigned i = 0; i < count; i++) {
		const struct alloc_drive *d = &drives[i];
		uint64_t bytes = measure == ALLOC_SIZE ? d->size_bytes : d->free_bytes;
		struct alloc_spot spot = {
			.drive = (uint16_t)i,
			.data = holds_data(d),
			.rows = holds_rows(d),
			.removable = d->removable,
			.billed = d->billed,
			.units = bytes / unit_bytes,
			.distance = d->distance,
		};

		if (d->usable && (spot.data || spot.rows))
			insert_by_domain(v, drives, &spot);
	}
	for (unsigned i = 0; i < v->count; i++) {
		if (i == 0 ||
		    drives[v->spots[i].drive].domain != drives[v->spots[i - 1].drive].domain)
			v->domains++;
		v->spots[i].domain = (uint16_t)(v->domains - 1);
	}
}

unsigned alloc_domain_max(const struct alloc_view *v, unsigned parity)
{
	if (v->domains <= 1)
		return ALLOC_UNLIMITED;
	return parity > 1 ? parity : 1;
}

unsigned alloc_removable_max(unsigned parity)
{
	return parity > 0 ? parity : ALLOC_UNLIMITED;
}

/* Objects that g groups can place at most, one of a group per drive. */
struct reach {
	uint64_t data, rows, any;
};

/* With all drives, or with those that are not removable. */
static struct reach reach_with(const struct alloc_view *v, unsigned domain_max, uint64_t g,
			       bool removable)
{
	struct reach sum = {0}, domain = {0};

	for (unsigned i = 0; i < v->count; i++) {
		const struct alloc_spot *s = &v->spots[i];
		uint64_t units = s->removable && !removable ? 0 : smaller(s->units, g);

		domain.data += s->data ? units : 0;
		domain.rows += s->rows ? units : 0;
		domain.any += units;
		if (i + 1 < v->count && v->spots[i + 1].domain == s->domain)
			continue;
		sum.data += smaller(domain.data, domain_max * g);
		sum.rows += smaller(domain.rows, domain_max * g);
		sum.any += smaller(domain.any, domain_max * g);
		domain = (struct reach){0};
	}
	return sum;
}

/* Removable drives get so much from each group, and pass it on to their domains: the least cut of
 * that network is there, or it is not. */
static struct reach reach_of(const struct alloc_view *v, const struct alloc_limits *limits,
			     uint64_t g)
{
	struct reach all = reach_with(v, limits->domain_max, g, true), fixed;

	if (limits->removable_max == ALLOC_UNLIMITED)
		return all;
	fixed = reach_with(v, limits->domain_max, g, false);
	all.data = smaller(all.data, fixed.data + limits->removable_max * g);
	all.any = smaller(all.any, fixed.any + limits->removable_max * g);
	return all;
}

/*
 * Data of g groups. Per domain, members, rows and both together are limited, and such limits
 * may be added up over the domains (sums of polymatroids), so three totals tell all.
 */
static uint64_t data_of(const struct alloc_view *v, const struct alloc_limits *limits, uint64_t g)
{
	struct reach reach = reach_of(v, limits, g);
	uint64_t any = smaller(reach.any, limits->width * g), rows = limits->parity * g;

	return any > rows ? smaller(reach.data, any - rows) : 0;
}

/*
 * The maximum over the number of groups g. All totals are concave in g: there are places for
 * the rows of g groups up to some g and never above it, and more groups hold more data up to
 * some g and never above it. Two binary searches find the two, below as many groups as units.
 */
uint64_t alloc_bound_groups(const struct alloc_view *v, const struct alloc_limits *limits,
			    uint64_t *groups)
{
	uint64_t low = 0, high = 0, middle;

	for (unsigned i = 0; i < v->count; i++)
		high = smaller(high + smaller(v->spots[i].units, GROUPS_MAX), GROUPS_MAX);
	while (low < high) {
		middle = low + (high - low + 1) / 2;
		if (reach_of(v, limits, middle).rows >= limits->parity * middle)
			low = middle;
		else
			high = middle - 1;
	}
	high = low;
	low = 0;
	while (low < high) {
		middle = low + (high - low) / 2;
		if (data_of(v, limits, middle + 1) > data_of(v, limits, middle))
			low = middle + 1;
		else
			high = middle;
	}
	*groups = low;
	return data_of(v, limits, low);
}

uint64_t alloc_bound(const struct alloc_view *v, const struct alloc_limits *limits)
{
	uint64_t groups;

	return alloc_bound_groups(v, limits, &groups);
}
