/* Whether groups can be joined, how, and at which price. */
#include "array/join_inner.h"

#include "array/extra.h"
#include "array/health.h"
#include "array/place.h"
#include "group/row.h"

#include <stdlib.h>
#include <string.h>

static int refuse(struct error *err, const char *why)
{
	return err_set(err, ERR_UNSUPPORTED, "groups are not joined: %s", why);
}

/* ---- members ---- */

static bool is_left_out(const struct join *j, const struct table_block *b)
{
	for (unsigned i = 0; i < j->without_count; i++) {
		if (id_equal(&j->without[i], &b->uid))
			return true;
	}
	return false;
}

static const struct join_member *find_member(const struct join *j, const struct table_block *b)
{
	for (unsigned i = 0; i < j->member_count; i++) {
		if (id_equal(&j->members[i].block->uid, &b->uid))
			return &j->members[i];
	}
	return NULL;
}

static bool slot_taken(const struct join *j, uint8_t slot)
{
	for (unsigned i = 0; i < j->member_count; i++) {
		if (j->members[i].slot == slot)
			return true;
	}
	return false;
}

/* Who has none yet gets one: the others have theirs by now. */
static void give_slots(struct join *j)
{
	uint8_t taken[GROUP_SLOTS_MAX];

	for (unsigned n = 0; n < j->member_count; n++) {
		if (j->members[n].slot < GROUP_SLOTS_MAX)
			continue;
		for (unsigned i = 0; i < j->member_count; i++)
			taken[i] = j->members[i].slot;
		j->members[n].slot = place_slot(j->members[n].drive, taken, j->member_count);
	}
	if (j->member_count == 1)
		j->members[0].slot = 0; /* a mirror */
}

/* slot: the one it had, or GROUP_SLOTS_MAX where that is no matter. It keeps it if it is free. */
static int add_member(struct join *j, const struct table_block *b, const uint8_t *bytes,
		      uint8_t slot, struct error *err)
{
	const struct array_drive *d = array_drive_by_id(j->a, &b->drive_id);
	struct join_member *m = &j->members[j->member_count];

	if (!d || !health_at_hand(j->a, (unsigned)(d - j->a->drives)) || b->lost)
		return refuse(err, "a block is not at hand");
	if (j->member_count == GROUP_SLOTS_MAX)
		return refuse(err, "they have too many blocks");
	*m = (struct join_member){ .block = b, .bytes = bytes,
				   .drive = (uint16_t)(d - j->a->drives) };
	for (unsigned i = 0; i < j->member_count; i++) {
		if (j->members[i].drive == m->drive)
			return refuse(err, "two of their blocks are on one drive");
	}
	m->slot = slot < GROUP_SLOTS_MAX && !slot_taken(j, slot) ? slot : GROUP_SLOTS_MAX;
	j->member_count++;
	if (b->len_bytes > j->longest_bytes)
		j->longest_bytes = b->len_bytes;
	return ERR_NONE;
}

/* Slots of groups with several members first: those of mirrors and of blocks alone are free. */
static int collect_members(struct join *j, struct error *err)
{
	int code = ERR_NONE;

	for (unsigned mirrors = 0; mirrors < 2; mirrors++) {
		for (unsigned i = 0; i < j->group_count; i++) {
			const struct table_group *g = j->groups[i];

			if ((g->member_count == 1) != mirrors)
				continue;
			for (unsigned n = 0; n < g->member_count && code == ERR_NONE; n++) {
				const struct table_block *b = &g->members[n];

				if (!find_member(j, b) && !is_left_out(j, b))
					code = add_member(j, b, NULL,
							  mirrors ? GROUP_SLOTS_MAX : g->slots[n],
							  err);
			}
		}
	}
	for (unsigned i = 0; i < j->block_count && code == ERR_NONE; i++)
		code = add_member(j, &j->blocks[i].block, j->blocks[i].bytes, GROUP_SLOTS_MAX, err);
	if (code == ERR_NONE && j->member_count == 0)
		code = refuse(err, "no block would be left");
	give_slots(j);
	return code;
}

/* ---- rows ---- */

uint64_t join_longest(const struct table_group *g)
{
	uint64_t longest = 0;

	for (unsigned i = 0; i < g->member_count; i++) {
		if (g->members[i].len_bytes > longest)
			longest = g->members[i].len_bytes;
	}
	return longest;
}

/* Coded bytes on the drives that the old rows leave, and all bytes of these. */
static void count_old_rows(struct join *j, uint64_t *leaving)
{
	j->old_row_bytes = 0;
	for (unsigned i = 0; i < j->group_count; i++) {
		const struct table_group *g = j->groups[i];

		for (unsigned n = 0; n < g->row_count; n++) {
			const struct array_drive *d =
				array_drive_by_id(j->a, &g->rows[n].drive_id);

			/* What extra rows leave is counted as room already. */
			if (!d || !drive_counts(d) || extra_is(j->a, g, n))
				continue;
			leaving[d - j->a->drives] += join_longest(g);
			j->old_row_bytes += g->rows[n].len_bytes;
		}
	}
}

struct row_choice {
	const struct alloc_drive *view, *upkeep;
	const uint64_t *leaving;
	uint16_t taken[DRIVES_MAX];
	unsigned taken_count, domain_max, removable_max;
};

static bool is_taken(const struct row_choice *c, unsigned drive)
{
	for (unsigned i = 0; i < c->taken_count; i++) {
		if (c->taken[i] == drive)
			return true;
	}
	return false;
}

static bool fits_domain(const struct row_choice *c, unsigned drive)
{
	unsigned objects = 0;

	for (unsigned i = 0; i < c->taken_count; i++)
		objects += c->view[c->taken[i]].domain == c->view[drive].domain;
	return objects < c->domain_max;
}

/* For a moment old and new rows are there, both: that is what the reserve is for. Afterwards the
 * drive is to have its reserve still; the descriptor that grows by a member takes from it. */
static bool has_room(const struct join *j, const struct row_choice *c, unsigned drive)
{
	uint64_t leaving = c->leaving[drive];

	return c->upkeep[drive].free_bytes >= j->longest_bytes + ROW_TAIL_MAX_BYTES &&
	       (c->view[drive].free_bytes >= j->longest_bytes + ROW_TAIL_MAX_BYTES ||
		c->view[drive].free_bytes + leaving >= j->longest_bytes);
}

/* Parity-role drives first, then those that old rows leave, then those with most room. */
static bool is_better(const struct row_choice *c, unsigned drive, unsigned than)
{
	bool parity = c->view[drive].role == ROLE_PARITY;
	bool leaves = c->leaving[drive] > 0;

	if (parity != (c->view[than].role == ROLE_PARITY))
		return parity;
	if (leaves != (c->leaving[than] > 0))
		return leaves;
	return c->view[drive].free_bytes > c->view[than].free_bytes;
}

static int choose_row_drive(struct join *j, struct row_choice *c, struct error *err)
{
	unsigned best = DRIVES_MAX;
	bool any = false;

	for (unsigned i = 0; i < j->a->count; i++) {
		const struct alloc_drive *d = &c->view[i];

		if (!d->usable || d->role == ROLE_DATA || d->removable || is_taken(c, i) ||
		    !fits_domain(c, i) || atomic_load(&j->a->drives[i].late))
			continue;
		any = true;
		if (has_room(j, c, i) && (best == DRIVES_MAX || is_better(c, i, best)))
			best = i;
	}
	if (!any)
		return refuse(err, "no drive would be left for their rows");
	if (best == DRIVES_MAX)
		return err_set(err, ERR_FULL, "no drive has room for the rows of joined groups");
	c->taken[c->taken_count++] = (uint16_t)best;
	j->row_drives[j->row_count++] = (uint16_t)best;
	return ERR_NONE;
}

/* Members as well as rows: a group that breaks the rules is none to grow. */
static int take_members(struct join *j, struct row_choice *c, struct error *err)
{
	unsigned removable = 0;

	for (unsigned i = 0; i < j->member_count; i++) {
		removable += c->view[j->members[i].drive].removable;
		if (removable > c->removable_max)
			return refuse(err, "too many of their blocks would be on removable drives");
		if (!fits_domain(c, j->members[i].drive))
			return refuse(err, "too many of their blocks would fail together");
		c->taken[c->taken_count++] = j->members[i].drive;
	}
	return ERR_NONE;
}

/* As many as the policy asks for, and no fewer than any of the groups has. */
static int choose_rows(struct join *j, const struct alloc_drive *view,
		       const struct alloc_drive *upkeep, struct error *err)
{
	unsigned parity = j->a->policy.parity, rows = alloc_rows(view, j->a->count, parity);
	uint64_t leaving[DRIVES_MAX] = { 0 };
	struct row_choice c = { .view = view, .upkeep = upkeep, .leaving = leaving };
	int code;

	for (unsigned i = 0; i < j->group_count; i++) {
		int spare = health_spare(j->a, j->groups[i]);

		if (spare > (int)rows && rows < parity)
			return refuse(err, "they would have fewer rows");
	}
	if (rows == 0)
		return refuse(err, "there would be no rows");
	if (j->member_count + rows > JOIN_WIDTH_MAX)
		return refuse(err, "they would be too wide");
	if ((j->member_count + rows) * j->longest_bytes > JOIN_BYTES_MAX)
		return refuse(err, "they are too long together");
	c.domain_max = alloc_domain_limit(view, j->a->count, parity);
	c.removable_max = alloc_removable_limit(view, j->a->count, parity);
	count_old_rows(j, leaving);
	code = take_members(j, &c, err);
	while (code == ERR_NONE && j->row_count < rows)
		code = choose_row_drive(j, &c, err);
	return code;
}

/* ---- what is read ---- */

const struct group_row_record *join_find_row(const struct join *j, const struct table_group *g,
					     unsigned number)
{
	for (unsigned i = 0; i < g->row_count; i++) {
		const struct array_drive *d = array_drive_by_id(j->a, &g->rows[i].drive_id);

		if (g->rows[i].row == number && d &&
		    health_at_hand(j->a, (unsigned)(d - j->a->drives)))
			return &g->rows[i];
	}
	return NULL;
}

/* The fixes beside the rows of group i (or of its blocks alone: without its rows), appended. The
 * block of a slot that stays, and that no other input has brought, needs none. */
static uint64_t add_fixes(struct join *j, unsigned i, bool by_rows, bool *brought)
{
	const struct table_group *g = j->groups[i];
	uint64_t bytes = 0;

	for (unsigned n = 0; n < g->member_count; n++) {
		const struct join_member *m = find_member(j, &g->members[n]);
		bool again = m && brought[m - j->members];
		struct join_fix f = { .block = &g->members[n],
				      .from = i,
				      .takes_off = by_rows && (!m || again || m->slot != g->slots[n]),
				      .adds = m && !again && (!by_rows || m->slot != g->slots[n]),
				      .old_slot = g->slots[n],
				      .slot = m ? m->slot : 0 };

		if (m)
			brought[m - j->members] = true;
		if (!f.takes_off && !f.adds)
			continue;
		bytes += f.block->len_bytes;
		j->fixes[j->fix_count++] = f;
	}
	return bytes;
}

static uint64_t plan_group(struct join *j, unsigned i, bool *brought)
{
	const struct table_group *g = j->groups[i];
	uint64_t rows_bytes = 0, fix_bytes, all_bytes;
	bool before[GROUP_SLOTS_MAX];
	unsigned fixes_before = j->fix_count;
	bool has_rows = g->member_count > 1;

	memcpy(before, brought, sizeof(before));
	for (unsigned row = 0; row < j->row_count && has_rows; row++) {
		const struct group_row_record *r = join_find_row(j, g, row);

		has_rows = r != NULL;
		rows_bytes += r ? r->len_bytes : 0;
	}
	fix_bytes = add_fixes(j, i, true, brought);
	j->fix_count = fixes_before;
	memcpy(brought, before, sizeof(before));
	all_bytes = add_fixes(j, i, false, brought);
	j->by_rows[i] = has_rows && rows_bytes + fix_bytes <= all_bytes;
	if (!j->by_rows[i])
		return all_bytes;
	j->fix_count = fixes_before;
	memcpy(brought, before, sizeof(before));
	return rows_bytes + add_fixes(j, i, true, brought);
}

static int plan_reads(struct join *j, struct error *err)
{
	bool brought[GROUP_SLOTS_MAX] = { false };
	unsigned most = j->block_count;

	for (unsigned i = 0; i < j->group_count; i++)
		most += j->groups[i]->member_count;
	free(j->fixes);
	j->fix_count = 0;
	j->fixes = calloc(most + 1, sizeof(*j->fixes));
	if (!j->fixes)
		return err_nomem(err);
	for (unsigned i = 0; i < j->group_count; i++)
		j->read_bytes += plan_group(j, i, brought);
	for (unsigned i = 0; i < j->block_count; i++) {
		const struct join_block *b = &j->blocks[i];
		const struct join_member *m = find_member(j, &b->block);

		j->read_bytes += b->bytes ? 0 : b->block.len_bytes;
		j->fixes[j->fix_count++] = (struct join_fix){ .block = &b->block,
							      .bytes = b->bytes,
							      .from = JOIN_GROUPS_MAX,
							      .adds = true,
							      .slot = m->slot };
	}
	return ERR_NONE;
}

int join_plan(struct join *j, struct error *err)
{
	struct alloc_drive *view = calloc(j->a->count, sizeof(*view));
	struct alloc_drive *upkeep = calloc(j->a->count, sizeof(*upkeep));
	int code = view && upkeep ? ERR_NONE : err_nomem(err);

	j->member_count = j->row_count = 0;
	j->longest_bytes = j->read_bytes = j->write_bytes = 0;
	if (code == ERR_NONE)
		code = collect_members(j, err);
	if (code == ERR_NONE && j->a->policy.copies && j->member_count > 1)
		code = refuse(err, "each block has copies, by the policy");
	if (code == ERR_NONE) {
		place_view(j->a, view);
		place_view_upkeep(j->a, upkeep);
		code = choose_rows(j, view, upkeep, err);
	}
	if (code == ERR_NONE)
		code = plan_reads(j, err);
	if (code == ERR_NONE)
		j->write_bytes = j->row_count * j->longest_bytes;
	free(view);
	free(upkeep);
	return code;
}
