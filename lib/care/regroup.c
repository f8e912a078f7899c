#include "care/regroup.h"

#include "array/health.h"
#include "array/object.h"
#include "array/place.h"
#include "care/target.h"

#include <stdlib.h>
#include <string.h>

struct regrouping {
	struct array *a;
	const struct table_group *g;
	const struct id *lost_drive;
	struct buf members[GROUP_SLOTS_MAX];
	struct group_record new_group;
	struct buf row;
};

static bool went(const struct regrouping *r, unsigned i)
{
	return id_equal(&r->g->members[i].drive_id, r->lost_drive);
}

/* The reconstructed blocks, as groups wherever there is room. */
static int place_lost(struct regrouping *r, struct buf *records, struct mend_result *result,
		      struct error *err)
{
	struct new_block *blocks = calloc(r->g->member_count, sizeof(*blocks));
	struct place_result placed = { 0 };
	struct lanes *lanes = NULL;
	unsigned count = 0;
	int code = blocks ? lanes_new(r->a, &lanes, err) : err_nomem(err);

	for (unsigned i = 0; i < r->g->member_count && code == ERR_NONE; i++) {
		const struct table_block *m = &r->g->members[i];

		if (!went(r, i))
			continue;
		blocks[count++] = (struct new_block){ .uid = &m->uid,
						      .name = m->name,
						      .bytes = r->members[i].data,
						      .len_bytes = r->members[i].len_bytes,
						      .epoch = m->epoch,
						      .known = true };
	}
	if (code == ERR_NONE)
		code = place_group(r->a, lanes, blocks, count, records, &placed, err);
	result->written_bytes += placed.stored_bytes;
	lanes_free(lanes);
	free(blocks);
	return code;
}

/* The members that stay, with their slots; a single one is a mirror, whose slot is 0. */
static void keep_members(struct regrouping *r, struct taken_drives *taken)
{
	struct group_record *n = &r->new_group;

	n->id = id_random();
	n->supersedes[0] = r->g->id;
	n->supersedes_count = 1;
	for (unsigned i = 0; i < r->g->member_count; i++) {
		const struct table_block *m = &r->g->members[i];
		const struct array_drive *d = array_drive_by_id(r->a, &m->drive_id);

		if (went(r, i))
			continue;
		n->members[n->member_count++] = (struct group_member_record){
			m->uid, m->name, m->len_bytes, r->g->slots[i]
		};
		if (d)
			taken->index[taken->count++] = (uint16_t)(d - r->a->drives);
	}
	if (n->member_count == 1)
		n->members[0].slot = 0;
}

/* The bytes of one row of the new group. */
static int make_row(struct regrouping *r, unsigned row, struct hash *name, struct error *err)
{
	const struct group_record *n = &r->new_group;
	struct code_input inputs[GROUP_SLOTS_MAX];
	struct row_descriptor *d = calloc(1, sizeof(*d));
	uint8_t index = (uint8_t)row, *out;
	size_t coded = 0;
	int code;

	if (!d)
		return err_nomem(err);
	d->array_id = r->a->config.array_id;
	d->group_id = n->id;
	d->row = index;
	for (unsigned i = 0; i < r->g->member_count; i++) {
		const struct group_member_record *m = &n->members[d->member_count];

		if (went(r, i))
			continue;
		inputs[d->member_count] = (struct code_input){ { false, m->slot },
							       r->members[i].data,
							       r->members[i].len_bytes };
		d->members[d->member_count++] =
			(struct row_member){ m->name, m->len_bytes, m->slot };
		if (r->members[i].len_bytes > coded)
			coded = r->members[i].len_bytes;
	}
	buf_clear(&r->row);
	if (!buf_reserve(&r->row, coded + sizeof(*d) + ROW_TRAILER_BYTES)) {
		free(d);
		return err_nomem(err);
	}
	out = r->row.data;
	code = code_encode(inputs, d->member_count, &index, 1, &out, coded, err);
	r->row.len_bytes = coded;
	if (n->member_count > 1)
		row_tail_encode(d, &r->row);
	*name = sha256(r->row.data, r->row.len_bytes);
	free(d);
	return r->row.failed ? err_nomem(err) : code;
}

/* As many rows as the policy asks and drives can take; the rest is owed. */
static int make_rows(struct regrouping *r, struct taken_drives *taken, struct mend_result *result,
		     struct error *err)
{
	struct group_record *n = &r->new_group;
	int code = ERR_NONE;

	while (n->row_count < r->a->policy.parity && code == ERR_NONE) {
		struct group_row_record *row = &n->rows[n->row_count];
		char object[OBJECT_NAME_MAX + 1];
		struct array_drive *to;

		row->row = (uint8_t)n->row_count;
		code = make_row(r, n->row_count, &row->name, err);
		if (code != ERR_NONE ||
		    target_choose(r->a, taken, true, r->row.len_bytes, &to, err) != ERR_NONE)
			break;
		row->len_bytes = r->row.len_bytes;
		row->drive_id = to->id;
		object_name_row(&row->name, object);
		code = mend_store(to, object, &r->row, err);
		if (code == ERR_NONE)
			n->row_count++;
		result->written_bytes += r->row.len_bytes;
	}
	return code;
}

/* The superseded rows, where they lie on drives that count. */
static void drop_old_rows(const struct regrouping *r, struct buf *records)
{
	for (unsigned i = 0; i < r->g->row_count; i++) {
		const struct array_drive *d = array_drive_by_id(r->a, &r->g->rows[i].drive_id);
		char object[OBJECT_NAME_MAX + 1];

		if (!d || !drive_counts(d))
			continue;
		object_name_row(&r->g->rows[i].name, object);
		record_garbage(records, &d->id, object, false);
	}
}

int regroup(struct array *a, const struct table_group *g, const struct id *lost_drive,
	    struct buf *records, struct mend_result *result, struct error *err)
{
	struct regrouping *r = calloc(1, sizeof(*r));
	struct taken_drives taken = { .count = 0 };
	int code;

	if (!r)
		return err_nomem(err);
	r->a = a;
	r->g = g;
	r->lost_drive = lost_drive;
	code = mend_load_members(a, g, r->members, result, err);
	if (code == ERR_NONE)
		code = place_lost(r, records, result, err);
	if (code == ERR_NONE) {
		keep_members(r, &taken);
		if (r->new_group.member_count > 0)
			code = make_rows(r, &taken, result, err);
	}
	if (code == ERR_NONE) {
		/* Without rows it protects nothing, but it does retire the old one. */
		if (r->new_group.member_count > 0)
			record_group(records, &r->new_group);
		drop_old_rows(r, records);
	}
	for (unsigned i = 0; i < GROUP_SLOTS_MAX; i++)
		buf_release(&r->members[i]);
	buf_release(&r->row);
	free(r);
	return code;
}
