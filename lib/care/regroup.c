#include "care/regroup.h"

#include "array/extra.h"
#include "array/health.h"
#include "array/object.h"
#include "array/place.h"
#include "care/split.h"
#include "care/target.h"
#include "group/row.h"

#include <stdlib.h>
#include <string.h>

struct regrouping {
	struct array *a;
	const struct table_group *g;
	bool grouped; /* g is a live group; else blocks as they lie */
	bool by_domain; /* the rule of domains is kept, or nothing is done */
	struct mend_result *result;
	uint16_t homes[GROUP_SLOTS_MAX]; /* of g's members; of those declared lost nothing counts */
	struct split split;
	struct buf members[GROUP_SLOTS_MAX];
	struct buf rows[GROUP_ROWS_MAX];
	struct row_descriptor descriptor;
	struct group_record next;
	struct buf done, waste; /* records if all goes well, or if it does not */
};

/* ---- what goes where ---- */

static uint64_t object_bytes(const struct table_group *g)
{
	return target_longest_bytes(g) + (g->member_count > 1 ? ROW_TAIL_MAX_BYTES : 0);
}

/* The drive that has the member, also if it is away or joining; NULL: it was lost. */
static const struct array_drive *place_of(struct array *a, const struct table_block *m)
{
	const struct array_drive *d = array_drive_by_id(a, &m->drive_id);

	return d && (drive_counts(d) || d->record.state == DRIVE_JOINING) ? d : NULL;
}

/* A member stays where it is, unless that drive is being drained. */
static uint16_t home_of(struct array *a, const struct table_block *m)
{
	const struct array_drive *d = place_of(a, m);

	if (!d || d->record.state == DRIVE_DRAINING)
		return SPLIT_HOMELESS;
	return (uint16_t)(d - a->drives);
}

/* Objects on drives that count, wherever these are now, minus members. */
static int spare_of(struct array *a, const struct table_group *g)
{
	int spare = __builtin_popcount(health_rows(a, g));

	for (unsigned i = 0; i < g->member_count; i++)
		spare -= !place_of(a, &g->members[i]);
	return spare;
}

static int at_most(int value, unsigned most)
{
	return value < (int)most ? value : (int)most;
}

/* Whether some part could bear less than the group as it is: now, or with all drives back. (Drives
 * that failed or are away now may be all that keeps it from being split well.) */
static bool is_worse(const struct regrouping *r)
{
	unsigned parity = r->a->policy.parity;
	int spare = at_most(spare_of(r->a, r->g), parity);
	int spare_now = at_most(health_spare(r->a, r->g), parity);

	for (unsigned i = 0; i < r->split.part_count; i++) {
		const struct split_part *p = &r->split.parts[i];
		int rows = (int)p->row_count, away = 0;

		for (unsigned n = 0; n < p->member_count; n++)
			away += !health_at_hand(r->a, r->split.homes[p->members[n]]);
		if (rows < spare || rows - away < spare_now)
			return true;
	}
	return false;
}

/* view: changed by what it takes. */
static int plan_in(struct regrouping *r, struct alloc_drive *view, struct error *err)
{
	struct alloc_policy policy = place_policy(r->a);
	int code;

	for (unsigned i = 0; i < r->g->member_count; i++)
		r->homes[i] = home_of(r->a, &r->g->members[i]);
	code = (r->by_domain ? split_by_domain : split_members)(view, r->a->count, &policy,
								r->homes, r->g->member_count,
								object_bytes(r->g), &r->split, err);
	if (code == ERR_NONE && r->by_domain && !r->split.complete)
		code = err_set(err, ERR_FULL, "drives of other domains have no room for its rows");
	if (code == ERR_NONE && is_worse(r))
		code = err_set(err, ERR_FULL, "the drives that take objects now are too few to "
					      "protect it as well as it is");
	return code;
}

static int plan(struct regrouping *r, struct error *err)
{
	struct alloc_drive *view = calloc(r->a->count, sizeof(*view));
	int code;

	if (!view)
		return err_nomem(err);
	place_view(r->a, view);
	code = plan_in(r, view, err);
	free(view);
	return code;
}

static struct regrouping *regrouping_new(struct array *a, const struct table_group *g)
{
	struct regrouping *r = calloc(1, sizeof(*r));

	if (r) {
		r->a = a;
		r->g = g;
	}
	return r;
}

static void regrouping_free(struct regrouping *r)
{
	for (unsigned i = 0; i < GROUP_SLOTS_MAX; i++)
		buf_release(&r->members[i]);
	for (unsigned i = 0; i < GROUP_ROWS_MAX; i++)
		buf_release(&r->rows[i]);
	buf_release(&r->done);
	buf_release(&r->waste);
	free(r);
}

static bool is_crowded(struct array *a, const struct table_group *g)
{
	bool has[DRIVES_MAX] = { false };

	for (unsigned i = 0; i < g->member_count + g->row_count; i++) {
		const struct array_drive *d = array_drive_by_id(
			a, i < g->member_count ? &g->members[i].drive_id
					       : &g->rows[i - g->member_count].drive_id);

		if (d && drive_counts(d) && has[d - a->drives])
			return true;
		if (d)
			has[d - a->drives] = true;
	}
	return false;
}

bool regroup_helps(struct array *a, const struct table_group *g)
{
	unsigned rows = (unsigned)__builtin_popcount(health_rows(a, g));
	struct regrouping *r;
	struct error why;
	bool helps;

	if (health_keeps(a, g) || health_spare(a, g) < 0 || !(r = regrouping_new(a, g)))
		return false;
	helps = plan(r, &why) == ERR_NONE && r->split.complete &&
		(rows < r->split.rows_wanted || is_crowded(a, g));
	regrouping_free(r);
	return helps;
}

int regroup_fits(struct array *a, const struct table_group *g, struct alloc_drive *view,
		 uint64_t *written_bytes, struct error *err)
{
	struct regrouping *r = regrouping_new(a, g);
	int code;

	*written_bytes = 0;
	if (!r)
		return err_nomem(err);
	r->grouped = true;
	code = plan_in(r, view, err);
	for (unsigned i = 0; i < g->member_count && code == ERR_NONE; i++) {
		if (r->homes[i] == SPLIT_HOMELESS)
			*written_bytes += g->members[i].len_bytes;
	}
	for (unsigned i = 0; i < r->split.part_count && code == ERR_NONE; i++)
		*written_bytes += r->split.parts[i].row_count * object_bytes(g);
	regrouping_free(r);
	return code;
}

/* Of its rows. */
static uint64_t part_row_bytes(const struct table_group *g, const struct split_part *p)
{
	uint64_t longest = 0;

	for (unsigned i = 0; i < p->member_count; i++) {
		if (g->members[p->members[i]].len_bytes > longest)
			longest = g->members[p->members[i]].len_bytes;
	}
	if (p->member_count > 1)
		longest += ROW_HEADER_BYTES + p->member_count * ROW_MEMBER_BYTES + ROW_TRAILER_BYTES;
	return longest;
}

int regroup_by_domain_fits(struct array *a, const struct table_group *g, uint64_t *written_bytes,
			   struct error *err)
{
	struct regrouping *r = regrouping_new(a, g);
	int code;

	if (!r)
		return err_nomem(err);
	memset(written_bytes, 0, a->count * sizeof(*written_bytes));
	r->by_domain = true;
	code = plan(r, err);
	for (unsigned i = 0; i < r->split.part_count && code == ERR_NONE; i++) {
		const struct split_part *p = &r->split.parts[i];

		for (unsigned n = 0; n < p->row_count; n++)
			written_bytes[p->rows[n]] += part_row_bytes(g, p);
	}
	for (unsigned i = 0; i < g->member_count && code == ERR_NONE; i++) {
		if (r->homes[i] == SPLIT_HOMELESS)
			written_bytes[r->split.homes[i]] += g->members[i].len_bytes;
	}
	regrouping_free(r);
	return code;
}

/* ---- storing ---- */

/* The bytes to be found under that name on that drive, and a record if they turn out to be for
 * nothing. */
static int store(struct regrouping *r, unsigned drive, const char *name, const struct buf *bytes,
		 struct error *err)
{
	struct array_drive *d = &r->a->drives[drive];
	int code = place_store(r->a, d, name, bytes->data, bytes->len_bytes, err);

	if (code == ERR_NONE) {
		record_garbage(&r->waste, &d->id, name, false);
		place_book(r->a, d, bytes->len_bytes);
		r->result->written_bytes += bytes->len_bytes;
	} else if (code != ERR_NOMEM && code != ERR_INTERRUPTED) {
		place_poison(r->a, d, err);
	}
	return code;
}

/* The member has a new home: what lies on the drive that is being drained is to go. */
static void leave_behind(struct regrouping *r, const struct table_block *m, const char *name)
{
	const struct array_drive *d = place_of(r->a, m);

	if (d)
		record_garbage(&r->done, &d->id, name, false);
}

static int store_members(struct regrouping *r, const struct split_part *p, struct error *err)
{
	int code = ERR_NONE;

	for (unsigned i = 0; i < p->member_count && code == ERR_NONE; i++) {
		unsigned member = p->members[i], home = r->split.homes[member];
		char name[OBJECT_NAME_MAX + 1];

		if (r->homes[member] != SPLIT_HOMELESS)
			continue;
		object_name_block(&r->g->members[member].name, name);
		code = store(r, home, name, &r->members[member], err);
		record_move(&r->done, &r->g->members[member].uid, &r->a->drives[home].id);
		leave_behind(r, &r->g->members[member], name);
	}
	return code;
}

/* Members of the new group, with their slots; a single one is a mirror, whose slot is 0. */
static void describe(struct regrouping *r, const struct split_part *p, bool last)
{
	struct group_record *n = &r->next;
	struct row_descriptor *d = &r->descriptor;

	memset(n, 0, sizeof(*n));
	memset(d, 0, sizeof(*d));
	n->id = id_random();
	d->array_id = r->a->config.array_id;
	d->group_id = n->id;
	n->member_count = p->member_count;
	d->member_count = (uint16_t)p->member_count;
	for (unsigned i = 0; i < p->member_count; i++) {
		const struct table_block *m = &r->g->members[p->members[i]];
		uint8_t slot = p->member_count == 1 ? 0 : r->g->slots[p->members[i]];

		n->members[i] = (struct group_member_record){ m->uid, m->name, m->len_bytes, slot };
		d->members[i] = (struct row_member){ m->name, m->len_bytes, slot };
	}
	/* By the last one: what is recorded before it holds already. */
	if (last && r->grouped)
		n->supersedes[n->supersedes_count++] = r->g->id;
}

static int encode(struct regrouping *r, const struct split_part *p, struct error *err)
{
	struct code_input inputs[GROUP_SLOTS_MAX];

	for (unsigned i = 0; i < p->member_count; i++) {
		const struct buf *m = &r->members[p->members[i]];

		inputs[i] = (struct code_input){ { false, r->next.members[i].slot },
						 m->data,
						 m->len_bytes };
	}
	for (unsigned j = 0; j < p->row_count; j++)
		buf_clear(&r->rows[j]);
	return group_encode_rows(&r->descriptor, inputs, p->row_count, r->rows, err);
}

static int store_rows(struct regrouping *r, const struct split_part *p, struct error *err)
{
	struct group_record *n = &r->next;
	bool copies = p->member_count == 1;
	int code = copies ? ERR_NONE : encode(r, p, err);

	for (unsigned j = 0; j < p->row_count && code == ERR_NONE; j++) {
		const struct buf *bytes = copies ? &r->members[p->members[0]] : &r->rows[j];
		struct group_row_record *row = &n->rows[j];
		char name[OBJECT_NAME_MAX + 1];

		*row = (struct group_row_record){ .row = (uint8_t)j,
						  .len_bytes = bytes->len_bytes,
						  .drive_id = r->a->drives[p->rows[j]].id };
		row->name = copies ? n->members[0].name : sha256(bytes->data, bytes->len_bytes);
		object_name_row(&row->name, name);
		code = store(r, p->rows[j], name, bytes, err);
		n->row_count = j + 1;
	}
	return code;
}

static int make_parts(struct regrouping *r, struct error *err)
{
	int code = ERR_NONE;

	for (unsigned i = 0; i < r->split.part_count && code == ERR_NONE; i++) {
		const struct split_part *p = &r->split.parts[i];

		code = store_members(r, p, err);
		describe(r, p, i + 1 == r->split.part_count);
		if (code == ERR_NONE)
			code = store_rows(r, p, err);
		record_group(&r->done, &r->next);
	}
	return code;
}

/* Until all is stored, or the drives left have no room: each round without success loses one. */
static int spread(struct regrouping *r, struct buf *records, struct error *err)
{
	unsigned usable;
	int code;

	do {
		usable = array_usable_count(r->a);
		buf_clear(&r->done);
		buf_clear(&r->waste);
		code = plan(r, err);
		if (code == ERR_NONE)
			code = make_parts(r, err);
		if (code != ERR_NONE)
			buf_add(records, r->waste.data, r->waste.len_bytes);
	} while (code != ERR_NONE && array_usable_count(r->a) < usable);
	if (code == ERR_NONE)
		buf_add(records, r->done.data, r->done.len_bytes);
	return r->done.failed || r->waste.failed ? err_nomem(err) : code;
}

/* The superseded rows, where they lie on drives that count. */
static void drop_old_rows(const struct regrouping *r, struct buf *records)
{
	extra_forget(r->a, r->g);
	for (unsigned i = 0; i < r->g->row_count; i++) {
		const struct array_drive *d = array_drive_by_id(r->a, &r->g->rows[i].drive_id);
		char object[OBJECT_NAME_MAX + 1];

		if (!d || !drive_counts(d))
			continue;
		object_name_row(&r->g->rows[i].name, object);
		record_garbage(records, &d->id, object, false);
	}
}

static int regroup_so(struct array *a, const struct table_group *g, bool by_domain,
		      struct buf *records, struct mend_result *result, struct error *err)
{
	struct regrouping *r = regrouping_new(a, g);
	int code;

	if (!r)
		return err_nomem(err);
	r->grouped = true;
	r->by_domain = by_domain;
	r->result = result;
	code = mend_load_members(a, g, r->members, result, err);
	if (code == ERR_NONE)
		code = spread(r, records, err);
	if (code == ERR_NONE)
		drop_old_rows(r, records);
	regrouping_free(r);
	return code;
}

int regroup(struct array *a, const struct table_group *g, struct buf *records,
	    struct mend_result *result, struct error *err)
{
	return regroup_so(a, g, false, records, result, err);
}

int regroup_by_domain(struct array *a, const struct table_group *g, struct buf *records,
		      struct mend_result *result, struct error *err)
{
	return regroup_so(a, g, true, records, result, err);
}

/* Members by rising slot: so a group tells them. */
static void one_part(const struct regrouping *r, const uint16_t *rows, unsigned row_count,
		     struct split *out)
{
	struct split_part *p = &out->parts[0];

	out->part_count = 1;
	p->member_count = r->g->member_count;
	p->row_count = row_count;
	memcpy(p->rows, rows, row_count * sizeof(*rows));
	for (unsigned i = 0; i < p->member_count; i++) {
		unsigned at = i;

		for (; at > 0 && r->g->slots[p->members[at - 1]] > r->g->slots[i]; at--)
			p->members[at] = p->members[at - 1];
		p->members[at] = (uint16_t)i;
	}
}

int regroup_loose(struct array *a, const struct table_group *g, struct buf *members,
		  const uint16_t *rows, unsigned row_count, struct buf *records,
		  struct mend_result *result, struct error *err)
{
	struct regrouping *r = regrouping_new(a, g);
	int code;

	if (!r)
		return err_nomem(err);
	r->result = result;
	for (unsigned i = 0; i < g->member_count; i++) {
		/* It stays there, also where that drive is being drained. */
		r->homes[i] = (uint16_t)(place_of(a, &g->members[i]) - a->drives);
		r->members[i] = members[i];
		members[i] = (struct buf){ 0 };
	}
	one_part(r, rows, row_count, &r->split);
	code = make_parts(r, err);
	if (code == ERR_NONE)
		buf_add(records, r->done.data, r->done.len_bytes);
	else
		buf_add(records, r->waste.data, r->waste.len_bytes);
	if (r->done.failed || r->waste.failed)
		code = err_nomem(err);
	regrouping_free(r);
	return code;
}
