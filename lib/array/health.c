#include "array/health.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct checking {
	struct array *a;
	struct health *h;
	struct table_group *group;
	unsigned need; /* drives more that may be lost, absent ones being counted */
};

bool health_at_hand(const struct array *a, unsigned i)
{
	const struct array_drive *d = &a->drives[i];

	return drive_counts(d) && d->presence == DRIVE_PRESENT && !atomic_load(&d->poisoned);
}

static bool at_hand(struct array *a, const struct id *drive_id)
{
	const struct array_drive *d = array_drive_by_id(a, drive_id);

	return d && health_at_hand(a, (unsigned)(d - a->drives));
}

static bool counts(struct array *a, const struct id *drive_id)
{
	const struct array_drive *d = array_drive_by_id(a, drive_id);

	return d && drive_counts(d);
}

uint32_t health_rows(struct array *a, const struct table_group *g)
{
	uint32_t rows = 0;

	for (unsigned i = 0; i < g->row_count; i++) {
		if (counts(a, &g->rows[i].drive_id))
			rows |= 1u << g->rows[i].row;
	}
	return rows;
}

bool health_has_data(const struct table_group *g)
{
	for (unsigned i = 0; i < g->member_count; i++) {
		if (!g->members[i].lost)
			return true;
	}
	return false;
}

static unsigned bits(uint32_t v)
{
	return (unsigned)__builtin_popcount(v);
}

/* Drives more that may be lost, those not at hand being counted. */
static unsigned need_of(struct array *a)
{
	unsigned absent = 0;

	for (unsigned i = 0; i < a->count; i++)
		absent += drive_counts(&a->drives[i]) && !health_at_hand(a, i);
	return a->policy.parity > absent ? a->policy.parity - absent : 0;
}

static void count_on(struct array *a, const struct id *drive_id, unsigned *per_drive)
{
	const struct array_drive *d = array_drive_by_id(a, drive_id);

	if (at_hand(a, drive_id))
		per_drive[d - a->drives]++;
}

static void count_members(struct array *a, const struct table_group *g, unsigned *per_drive)
{
	for (unsigned i = 0; i < g->member_count; i++) {
		if (!g->members[i].lost)
			count_on(a, &g->members[i].drive_id, per_drive);
	}
}

static uint32_t rows_at_hand(struct array *a, const struct table_group *g)
{
	uint32_t rows = 0;

	for (unsigned i = 0; i < g->row_count; i++) {
		if (at_hand(a, &g->rows[i].drive_id))
			rows |= 1u << g->rows[i].row;
	}
	return rows;
}

/* Rows that several drives at hand have, as bits. */
static uint32_t rows_at_hand_twice(struct array *a, const struct table_group *g)
{
	uint32_t once = 0, twice = 0;

	for (unsigned i = 0; i < g->row_count; i++) {
		uint32_t row = 1u << g->rows[i].row;

		if (!at_hand(a, &g->rows[i].drive_id))
			continue;
		twice |= once & row;
		once |= row;
	}
	return twice;
}

/* On the drive with the fewest objects of those that have the row. */
static void count_once(struct array *a, const struct table_group *g, unsigned row,
		       unsigned *per_drive)
{
	const struct id *best = NULL;
	unsigned fewest = UINT_MAX;

	for (unsigned i = 0; i < g->row_count; i++) {
		const struct id *id = &g->rows[i].drive_id;
		const struct array_drive *d = array_drive_by_id(a, id);

		if (g->rows[i].row != row || !at_hand(a, id) ||
		    per_drive[d - a->drives] >= fewest)
			continue;
		fewest = per_drive[d - a->drives];
		best = id;
	}
	if (best)
		count_on(a, best, per_drive);
}

/* A row that several drives have, as two hosts leave it that made it at once, is lost with the last
 * of them: it counts on one. */
static void count_rows(struct array *a, const struct table_group *g, unsigned *per_drive)
{
	uint32_t twice = rows_at_hand_twice(a, g);

	for (unsigned i = 0; i < g->row_count; i++) {
		if (!(twice & 1u << g->rows[i].row))
			count_on(a, &g->rows[i].drive_id, per_drive);
	}
	for (unsigned row = 0; row < GROUP_ROWS_MAX; row++) {
		if (twice & 1u << row)
			count_once(a, g, row, per_drive);
	}
}

/* Objects that the loss of the worst `need` drives would take: two of a group on one drive, as a
 * recovery without enough drives leaves them, go together. */
static unsigned worst_loss(struct array *a, const struct table_group *g, unsigned need)
{
	unsigned per_drive[DRIVES_MAX] = { 0 }, lost = 0;

	count_members(a, g, per_drive);
	count_rows(a, g, per_drive);
	for (unsigned n = 0; n < need; n++) {
		unsigned worst = 0;

		for (unsigned i = 1; i < a->count; i++) {
			if (per_drive[i] > per_drive[worst])
				worst = i;
		}
		lost += per_drive[worst];
		per_drive[worst] = 0;
	}
	return lost;
}

static unsigned members_at_hand(struct array *a, const struct table_group *g)
{
	unsigned members = 0;

	for (unsigned i = 0; i < g->member_count; i++)
		members += at_hand(a, &g->members[i].drive_id) && !g->members[i].lost;
	return members;
}

int health_spare(struct array *a, const struct table_group *g)
{
	return (int)(members_at_hand(a, g) + bits(rows_at_hand(a, g))) - (int)g->member_count;
}

bool health_keeps(struct array *a, const struct table_group *g)
{
	return health_spare(a, g) >= (int)worst_loss(a, g, need_of(a));
}

/* Of two that have a row, the one that had better not: it is being drained, or has more of the group.
 * Else the later id: two hosts that know the same choose the same. */
static bool is_worse_home(const struct array *a, const unsigned *per_drive, unsigned i,
			  unsigned than)
{
	const struct array_drive *x = &a->drives[i], *y = &a->drives[than];
	bool leaves = x->record.state == DRIVE_DRAINING;

	if (leaves != (y->record.state == DRIVE_DRAINING))
		return leaves;
	if (per_drive[i] != per_drive[than])
		return per_drive[i] > per_drive[than];
	return memcmp(x->id.b, y->id.b, ID_BYTES) > 0;
}

static void take_out(struct table_group *g, unsigned row)
{
	g->row_count--;
	memmove(&g->rows[row], &g->rows[row + 1], (g->row_count - row) * sizeof(g->rows[0]));
}

bool health_take_twice(struct array *a, struct table_group *g, struct group_row_record *out)
{
	unsigned per_drive[DRIVES_MAX] = { 0 }, worst = DRIVES_MAX, found = 0;
	uint32_t twice = rows_at_hand_twice(a, g);

	if (twice == 0)
		return false;
	count_members(a, g, per_drive);
	for (unsigned i = 0; i < g->row_count; i++)
		count_on(a, &g->rows[i].drive_id, per_drive);
	for (unsigned i = 0; i < g->row_count; i++) {
		const struct id *id = &g->rows[i].drive_id;
		unsigned d;

		if (!(twice & 1u << g->rows[i].row) || !at_hand(a, id))
			continue;
		d = (unsigned)(array_drive_by_id(a, id) - a->drives);
		/* Of two on one drive the later one. */
		if (worst != DRIVES_MAX && d != worst && !is_worse_home(a, per_drive, d, worst))
			continue;
		worst = d;
		found = i;
	}
	*out = g->rows[found];
	take_out(g, found);
	return true;
}

bool health_names(const struct table_group *g, const struct group_row_record *row)
{
	for (unsigned i = 0; i < g->row_count; i++) {
		if (id_equal(&g->rows[i].drive_id, &row->drive_id) &&
		    hash_equal(&g->rows[i].name, &row->name))
			return true;
	}
	return false;
}

/* It cannot be read now. */
static void note_lost(struct checking *c, const struct table_block *b)
{
	const struct array_drive *d = array_drive_by_id(c->a, &b->drive_id);

	c->h->bytes_lost += b->len_bytes;
	if (d && !b->lost)
		c->h->bytes_on[d - c->a->drives] += b->len_bytes;
}

static int check_group(void *ctx, const struct id *id, struct error *err)
{
	struct checking *c = ctx;
	struct table_group *g = c->group;
	struct health *h = c->h;
	unsigned promised, have_rows;
	int spare, code = table_group(c->a->table, id, g, err);

	if (code == ERR_NOT_FOUND)
		return ERR_NONE; /* superseded since it was listed */
	if (code != ERR_NONE || !health_has_data(g))
		return code;
	promised = c->a->policy.parity;
	have_rows = bits(health_rows(c->a, g));
	spare = health_spare(c->a, g);
	h->groups++;
	if (have_rows < promised)
		h->owed_rows += promised - have_rows;
	if (spare < (int)have_rows)
		h->degraded++;
	h->lost += spare < 0;
	for (unsigned i = 0; i < g->member_count && spare < 0; i++) {
		if (!at_hand(c->a, &g->members[i].drive_id) || g->members[i].lost)
			note_lost(c, &g->members[i]);
	}
	while (h->least_spare > 0 && spare < (int)worst_loss(c->a, g, (unsigned)h->least_spare))
		h->least_spare--;
	if (spare < h->least_spare)
		h->least_spare = spare;
	if (spare < (int)worst_loss(c->a, g, c->need))
		h->weak++;
	return ERR_NONE;
}

static int check_alone(void *ctx, const struct id *uid, struct error *err)
{
	struct checking *c = ctx;
	struct table_block b;
	int code = table_block_by_uid(c->a->table, uid, &b, err);

	if (code != ERR_NONE)
		return code;
	if (b.lost)
		return ERR_NONE;
	c->h->blocks_alone++;
	c->h->owed_rows += c->a->policy.parity;
	if (c->h->least_spare > 0)
		c->h->least_spare = 0;
	c->h->weak += c->need > 0;
	if (!at_hand(c->a, &b.drive_id)) {
		c->h->degraded++;
		c->h->lost++;
		note_lost(c, &b);
		c->h->least_spare = -1;
	}
	return ERR_NONE;
}

int health_check(struct array *a, struct health *out, struct error *err)
{
	struct checking c = { .a = a, .h = out };
	int code;

	memset(out, 0, sizeof(*out));
	out->least_spare = (int)(a->policy.extra ? PARITY_MAX : a->policy.parity);
	for (unsigned i = 0; i < a->count; i++) {
		if (!drive_counts(&a->drives[i]))
			continue;
		out->members++;
		if (!health_at_hand(a, i))
			out->absent++;
	}
	c.need = need_of(a);
	c.group = malloc(sizeof(*c.group));
	code = c.group ? table_view(a->table, err) : err_nomem(err);
	if (code == ERR_NONE)
		code = table_groups(a->table, check_group, &c, err);
	if (code == ERR_NONE)
		code = table_ungrouped(a->table, check_alone, &c, err);
	table_view_end(a->table);
	free(c.group);
	if (out->groups == 0 && out->least_spare > (int)a->policy.parity)
		out->least_spare = (int)a->policy.parity;
	out->promise_kept = out->absent <= a->policy.parity && out->weak == 0 && out->lost == 0 &&
			    !a->short_commit;
	return code;
}

bool health_may_return(const struct array_drive *d)
{
	return drive_counts(d) && (d->presence == DRIVE_ABSENT || d->presence == DRIVE_ASIDE ||
				   d->presence == DRIVE_UNREACHABLE);
}

int health_attached(struct array *a, struct health *out, struct error *err)
{
	enum drive_presence was[DRIVES_MAX];
	int code;

	for (unsigned i = 0; i < a->count; i++) {
		was[i] = a->drives[i].presence;
		if (health_may_return(&a->drives[i]))
			a->drives[i].presence = DRIVE_PRESENT;
	}
	code = health_check(a, out, err);
	for (unsigned i = 0; i < a->count; i++)
		a->drives[i].presence = was[i];
	return code;
}
