#include "array/join_inner.h"

#include "array/extra.h"
#include "array/object.h"
#include "array/place.h"
#include "group/group.h"

#include <stdlib.h>
#include <string.h>

/* Larger than any object of a sane group: a damaged length must not make us allocate it. */
#define OBJECT_BYTES_MAX ((size_t)256 << 20)

struct join *join_new(struct array *a)
{
	struct join *j = calloc(1, sizeof(*j));

	if (j)
		j->a = a;
	return j;
}

void join_free(struct join *j)
{
	if (!j)
		return;
	free(j->fixes);
	free(j);
}

struct making {
	struct join *j;
	struct upkeep *u;
	struct buf rows[GROUP_ROWS_MAX];
	struct buf input;
	struct group_record record;
	struct row_descriptor descriptor;
};

static int read_object(struct making *m, const struct id *drive_id, const char *name,
		       uint64_t len_bytes, struct error *err)
{
	struct array_drive *d = array_drive_by_id(m->j->a, drive_id);
	int code;

	buf_clear(&m->input);
	code = object_get(d->handle, name, OBJECT_BYTES_MAX, &m->input, err);
	if (code == ERR_NONE && m->input.len_bytes != len_bytes)
		code = err_set(err, ERR_CORRUPT, "%s does not have its length", name);
	return code == ERR_NONE ? code : err_wrap(err, "drive %s", d->name);
}

static void add_to_rows(struct making *m, const struct code_input *in, struct error *err)
{
	for (unsigned row = 0; row < m->j->row_count; row++)
		code_update_row(m->rows[row].data, row, in, err);
}

/* A copy does as well as the block itself. */
static int read_copy(struct making *m, const struct join_fix *f, struct error *err)
{
	const struct table_group *g = m->j->groups[f->from];
	char name[OBJECT_NAME_MAX + 1];
	int code = ERR_NOT_FOUND;

	for (unsigned i = 0; i < g->row_count && code != ERR_NONE; i++) {
		const struct group_row_record *r = join_find_row(m->j, g, g->rows[i].row);

		if (!r)
			continue;
		object_name_row(&r->name, name);
		code = read_object(m, &r->drive_id, name, f->block->len_bytes, err);
	}
	return code;
}

static int read_member(struct making *m, const struct join_fix *f, struct error *err)
{
	char name[OBJECT_NAME_MAX + 1];
	struct error copy;
	int code;

	if (f->bytes) {
		buf_clear(&m->input);
		buf_add(&m->input, f->bytes, (size_t)f->block->len_bytes);
		return m->input.failed ? err_nomem(err) : ERR_NONE;
	}
	object_name_block(&f->block->name, name);
	code = read_object(m, &f->block->drive_id, name, f->block->len_bytes, err);
	if (code != ERR_NONE && code != ERR_NOMEM && f->from < JOIN_GROUPS_MAX &&
	    m->j->groups[f->from]->member_count == 1 && read_copy(m, f, &copy) == ERR_NONE)
		code = ERR_NONE;
	return code;
}

static int apply_fixes(struct making *m, struct error *err)
{
	int code = ERR_NONE;

	for (unsigned i = 0; i < m->j->fix_count && code == ERR_NONE; i++) {
		const struct join_fix *f = &m->j->fixes[i];
		struct code_input in;

		code = read_member(m, f, err);
		if (code != ERR_NONE)
			break;
		in = (struct code_input){ .bytes = m->input.data, .len_bytes = m->input.len_bytes };
		in.ref.index = f->old_slot;
		if (f->takes_off)
			add_to_rows(m, &in, err);
		in.ref.index = f->slot;
		if (f->adds)
			add_to_rows(m, &in, err);
	}
	return code;
}

/* Coefficients of row 0 are ones. */
static int add_old_row(struct making *m, const struct table_group *g, unsigned row,
		       struct error *err)
{
	const struct group_row_record *r = join_find_row(m->j, g, row);
	struct code_input in = { .len_bytes = (size_t)join_longest(g) };
	char name[OBJECT_NAME_MAX + 1];
	int code;

	if (!r)
		return err_set(err, ERR_ABSENT, "a drive with a row fell away");
	object_name_row(&r->name, name);
	code = read_object(m, &r->drive_id, name, r->len_bytes, err);
	if (code != ERR_NONE)
		return code;
	if (m->input.len_bytes < in.len_bytes)
		return err_set(err, ERR_CORRUPT, "%s is shorter than its group", name);
	in.bytes = m->input.data;
	return code_update_row(m->rows[row].data, 0, &in, err);
}

/* While blocks that are left out are in them still, rows may be longer. */
static uint64_t work_bytes(const struct join *j)
{
	uint64_t longest = j->longest_bytes;

	for (unsigned i = 0; i < j->group_count; i++) {
		if (j->by_rows[i] && join_longest(j->groups[i]) > longest)
			longest = join_longest(j->groups[i]);
	}
	return longest;
}

static int compute(struct making *m, struct error *err)
{
	struct join *j = m->j;
	int code = ERR_NONE;

	for (unsigned row = 0; row < j->row_count; row++) {
		buf_reserve(&m->rows[row], (size_t)work_bytes(j) + ROW_TAIL_MAX_BYTES);
		buf_add_zeros(&m->rows[row], (size_t)work_bytes(j));
		if (m->rows[row].failed)
			return err_nomem(err);
	}
	for (unsigned i = 0; i < j->group_count; i++) {
		for (unsigned row = 0; row < j->row_count && j->by_rows[i] && code == ERR_NONE; row++)
			code = add_old_row(m, j->groups[i], row, err);
	}
	if (code == ERR_NONE)
		code = apply_fixes(m, err);
	for (unsigned row = 0; row < j->row_count; row++)
		m->rows[row].len_bytes = (size_t)j->longest_bytes;
	return code;
}

static int compare_members(const void *x, const void *y)
{
	return ((const struct row_member *)x)->slot - ((const struct row_member *)y)->slot;
}

static void describe(struct making *m)
{
	struct join *j = m->j;
	struct group_record *n = &m->record;
	struct row_descriptor *d = &m->descriptor;

	n->id = d->group_id = id_random();
	d->array_id = j->a->config.array_id;
	n->member_count = j->member_count;
	d->member_count = (uint16_t)j->member_count;
	for (unsigned i = 0; i < j->member_count; i++) {
		const struct table_block *b = j->members[i].block;
		uint8_t slot = j->members[i].slot;

		n->members[i] = (struct group_member_record){ b->uid, b->name, b->len_bytes, slot };
		d->members[i] = (struct row_member){ b->name, b->len_bytes, slot };
	}
	qsort(d->members, d->member_count, sizeof(d->members[0]), compare_members);
	for (unsigned i = 0; i < j->group_count; i++)
		n->supersedes[n->supersedes_count++] = j->groups[i]->id;
}

static int store_row(struct making *m, unsigned row, struct error *err)
{
	struct buf *bytes = &m->rows[row];
	struct array_drive *d = &m->j->a->drives[m->j->row_drives[row]];
	struct group_row_record *r = &m->record.rows[row];
	char name[OBJECT_NAME_MAX + 1];
	int code;

	if (m->j->member_count > 1) {
		m->descriptor.row = (uint8_t)row;
		row_tail_encode(&m->descriptor, bytes);
		if (bytes->failed)
			return err_nomem(err);
	}
	*r = (struct group_row_record){ .row = (uint8_t)row,
					.name = sha256(bytes->data, bytes->len_bytes),
					.len_bytes = bytes->len_bytes,
					.drive_id = d->id };
	object_name_row(&r->name, name);
	code = place_store(m->j->a, d, name, bytes->data, bytes->len_bytes, err);
	if (code == ERR_NONE) {
		place_book(m->j->a, d, bytes->len_bytes);
		m->record.row_count++;
	} else if (code != ERR_NOMEM && code != ERR_INTERRUPTED) {
		place_poison(m->j->a, d, err);
	}
	return code;
}

/* What was stored is named, or waste; what it replaces is garbage. A copy that stays where it was under
 * its name is neither: table_garbage() offers nothing that is in use. */
static void settle_records(struct making *m, bool done)
{
	struct join *j = m->j;
	char name[OBJECT_NAME_MAX + 1];

	for (unsigned i = 0; i < m->record.row_count; i++) {
		object_name_row(&m->record.rows[i].name, name);
		if (!done)
			upkeep_garbage(m->u, &j->a->drives[j->row_drives[i]], name,
				       m->record.rows[i].len_bytes);
		else
			m->u->new_bytes += m->record.rows[i].len_bytes;
	}
	if (!done)
		return;
	record_group(&m->u->records, &m->record);
	for (unsigned i = 0; i < j->group_count; i++) {
		const struct table_group *g = j->groups[i];

		extra_forget(j->a, g);
		for (unsigned n = 0; n < g->row_count; n++) {
			object_name_row(&g->rows[n].name, name);
			upkeep_garbage(m->u, array_drive_by_id(j->a, &g->rows[n].drive_id), name,
				       g->rows[n].len_bytes);
		}
	}
	m->u->changes++;
}

int join_make(struct join *j, struct upkeep *u, struct error *err)
{
	struct making *m = calloc(1, sizeof(*m));
	int code;

	if (!m)
		return err_nomem(err);
	m->j = j;
	m->u = u;
	describe(m);
	code = compute(m, err);
	for (unsigned row = 0; row < j->row_count && code == ERR_NONE; row++)
		code = store_row(m, row, err);
	settle_records(m, code == ERR_NONE);
	if (code == ERR_NONE && u->records.failed)
		code = err_nomem(err);
	for (unsigned i = 0; i < GROUP_ROWS_MAX; i++)
		buf_release(&m->rows[i]);
	buf_release(&m->input);
	free(m);
	return code == ERR_NONE ? code : err_wrap(err, "join groups");
}
