#include "array/domains.h"

#include "array/drive_set.h"
#include "array/health.h"

#include <stdlib.h>
#include <string.h>

#define NO_DOMAIN UINT16_MAX
#define NOWHERE DRIVES_MAX /* no domain has that number */

/* A block that several groups have: one that can make it is enough. */
struct common {
	int64_t block;
	uint64_t len_bytes;
	struct drive_set hit, saved; /* domains by number, not drives */
};

struct part {
	int64_t block;
	uint64_t len_bytes;
	uint16_t domain; /* in the list, or NO_DOMAIN */
	uint8_t row;
	bool is_row, at_hand;
};

#define PARTS_MAX (GROUP_MEMBERS_MAX + GROUP_ROW_OBJECTS_MAX)

struct domains {
	struct array *a;
	struct shared_domain *list;
	unsigned count;
	uint16_t of_drive[DRIVES_MAX];
	struct common *common; /* by block */
	size_t common_count, common_cap;
	int64_t group; /* the one at hand: its objects, but for what was declared lost */
	struct part parts[PARTS_MAX];
	unsigned part_count, members;
};

const char *drive_domain(const struct array_drive *d)
{
	return d->record.domain[0] ? d->record.domain : d->about.domain;
}

/* ---- the domains ---- */

static void find_domains(struct domains *all)
{
	struct array *a = all->a;

	for (unsigned i = 0; i < a->count; i++) {
		const char *domain = drive_domain(&a->drives[i]);
		unsigned n = 0;

		all->of_drive[i] = NO_DOMAIN;
		if (!health_at_hand(a, i) || !domain[0])
			continue;
		while (n < all->count && strcmp(all->list[n].domain, domain) != 0)
			n++;
		if (n == all->count)
			all->list[all->count++].domain = domain;
		all->list[n].drives[all->list[n].count++] = (uint16_t)i;
		all->of_drive[i] = (uint16_t)n;
	}
}

static bool any_shared(const struct domains *all)
{
	for (unsigned i = 0; i < all->count; i++) {
		if (all->list[i].count > 1)
			return true;
	}
	return false;
}

/* ---- blocks in several groups ---- */

static int note_common(void *ctx, int64_t block, struct error *err)
{
	struct domains *all = ctx;

	if (all->common_count == all->common_cap) {
		size_t cap = all->common_cap ? 2 * all->common_cap : 64;
		struct common *grown = realloc(all->common, cap * sizeof(*grown));

		if (!grown)
			return err_nomem(err);
		all->common = grown;
		all->common_cap = cap;
	}
	all->common[all->common_count++] = (struct common){ .block = block };
	return ERR_NONE;
}

static int compare_common(const void *block, const void *common)
{
	int64_t x = *(const int64_t *)block, y = ((const struct common *)common)->block;

	return x < y ? -1 : x > y;
}

static struct common *find_common(struct domains *all, int64_t block)
{
	return all->common_count == 0 ? NULL
				      : bsearch(&block, all->common, all->common_count,
						sizeof(*all->common), compare_common);
}

static void count_common(struct domains *all)
{
	for (size_t i = 0; i < all->common_count; i++) {
		const struct common *c = &all->common[i];

		for (unsigned d = 0; d < all->count; d++) {
			if (!drive_set_has(&c->hit, d) || drive_set_has(&c->saved, d))
				continue;
			all->list[d].blocks++;
			all->list[d].bytes += c->len_bytes;
		}
	}
}

/* ---- a group ---- */

/* Whether the objects outside of this domain make up for all others. */
static bool is_readable(const struct domains *all, unsigned without)
{
	unsigned members = 0;
	uint32_t rows = 0;

	for (unsigned i = 0; i < all->part_count; i++) {
		const struct part *p = &all->parts[i];

		if (!p->at_hand || p->domain == without)
			continue;
		if (p->is_row)
			rows |= 1u << p->row;
		else
			members++;
	}
	return members + (unsigned)__builtin_popcount(rows) >= all->members;
}

/* The member could not be read any more, as far as this group goes. */
static void strike_member(struct domains *all, const struct part *p, unsigned domain, bool saved)
{
	struct shared_domain *d = &all->list[domain];
	struct common *c = find_common(all, p->block);

	if (c) {
		c->len_bytes = p->len_bytes;
		drive_set_add(saved ? &c->saved : &c->hit, domain);
	} else if (!saved) {
		d->blocks++;
		d->bytes += p->len_bytes;
	}
}

static void strike(struct domains *all, unsigned domain, bool readable_now)
{
	bool readable = is_readable(all, domain), any = false;

	for (unsigned i = 0; i < all->part_count; i++) {
		const struct part *p = &all->parts[i];
		bool here = p->at_hand && p->domain != domain;

		if (p->is_row || (!p->at_hand && !readable_now))
			continue;
		strike_member(all, p, domain, here || readable);
		any = any || !(here || readable);
	}
	all->list[domain].groups += any && all->group > 0;
}

static void strike_group(struct domains *all)
{
	bool readable_now = is_readable(all, NOWHERE);

	for (unsigned i = 0; i < all->count && all->members > 0; i++) {
		if (all->list[i].count > 1)
			strike(all, i, readable_now);
	}
	all->part_count = all->members = 0;
}

static int take_part(void *ctx, const struct table_part *t, struct error *err)
{
	struct domains *all = ctx;
	struct array *a = all->a;
	const struct array_drive *d = array_drive_by_id(a, &t->drive_id);
	struct part *p;

	/* A block alone is a group of one without rows. */
	if (t->group != all->group || t->group == 0)
		strike_group(all);
	all->group = t->group;
	/* What was declared lost is one object more that the others have to make up for. */
	all->members += !t->is_row;
	if (t->lost)
		return ERR_NONE;
	if (all->part_count == PARTS_MAX)
		return err_set(err, ERR_CORRUPT, "a group has too many objects");
	p = &all->parts[all->part_count++];
	*p = (struct part){ .block = t->block, .len_bytes = t->len_bytes, .row = t->row,
			    .is_row = t->is_row, .domain = NO_DOMAIN };
	p->at_hand = d && health_at_hand(a, (unsigned)(d - a->drives));
	if (p->at_hand)
		p->domain = all->of_drive[d - a->drives];
	return ERR_NONE;
}

int shared_domains(struct array *a, shared_domain_fn *each, void *ctx, struct error *err)
{
	struct domains *all = calloc(1, sizeof(*all));
	int code = ERR_NONE;

	if (!all || !(all->list = calloc(a->count ? a->count : 1, sizeof(*all->list)))) {
		free(all);
		return err_nomem(err);
	}
	all->a = a;
	find_domains(all);
	if (any_shared(all) && (code = table_view(a->table, err)) == ERR_NONE) {
		code = table_shared_blocks(a->table, note_common, all, err);
		if (code == ERR_NONE)
			code = table_parts(a->table, take_part, all, err);
		table_view_end(a->table);
	}
	strike_group(all);
	count_common(all);
	for (unsigned i = 0; i < all->count && code == ERR_NONE; i++) {
		if (all->list[i].count > 1)
			code = each(ctx, &all->list[i], err);
	}
	free(all->common);
	free(all->list);
	free(all);
	return code;
}
