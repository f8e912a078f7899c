/*
 * Groups as their rows tell them. A row's descriptor names the members by their hashes; what they
 * are called by nodes, their uids, only the blocks themselves know: so members that are on no
 * drive are reconstructed first.
 */
#include "archive/scan_internal.h"
#include "array/object.h"
#include "group/code.h"

#include <stdlib.h>
#include <string.h>

#define OBJECT_BYTES_MAX ((size_t)256 << 20)

static int compare_rows(const void *x, const void *y)
{
	const struct scanned_row *a = x, *b = y;
	int order = memcmp(a->group_id.b, b->group_id.b, ID_BYTES);

	if (order == 0)
		order = a->row - b->row;
	return order ? order : hash_compare(&a->name, &b->name);
}

/* ---- copies ---- */

/* A copy whose block is nowhere: the copy's bytes become the block, on the same drive. */
static int promote_copy(struct scanning *s, const struct scanned_row *copy, struct error *err)
{
	struct drive *h = copy->drive->handle;
	struct buf bytes = { 0 };
	char name[OBJECT_NAME_MAX + 1];
	int code;

	object_name_row(&copy->name, name);
	code = object_get(h, name, OBJECT_BYTES_MAX, &bytes, err);
	if (code == ERR_NONE)
		code = scan_take_block(s, copy->drive, &copy->name, &bytes, err);
	if (code == ERR_NONE) {
		object_name_block(&copy->name, name);
		code = object_put(h, name, bytes.data, bytes.len_bytes, err);
	}
	if (code == ERR_NONE)
		code = h->driver->sync(h, err);
	if (code == ERR_NONE)
		s->r->reconstructed++;
	buf_release(&bytes);
	return code;
}

/* Copies [first, end) of one block, in a group of its own. */
static void record_copies(struct scanning *s, size_t first, size_t end,
			  const struct scanned_block *b, struct group_record *g)
{
	memset(g, 0, sizeof(*g));
	g->id = id_random();
	g->member_count = 1;
	g->members[0] = (struct group_member_record){ b->uid, b->name, b->len_bytes, 0 };
	for (size_t i = first; i < end && g->row_count < GROUP_ROWS_MAX; i++) {
		if (s->rows[i].drive == b->drive)
			continue; /* beside the block itself it protects nothing */
		g->rows[g->row_count] = (struct group_row_record){ (uint8_t)g->row_count, b->name,
								   b->len_bytes,
								   s->rows[i].drive->id };
		g->row_count++;
	}
	if (g->row_count == 0)
		return;
	record_group(&s->records, g);
	s->r->groups++;
	if (g->row_count > s->r->parity)
		s->r->parity = g->row_count;
}

/* rows[0..end) are copies, by rising name. */
static int scan_copies(struct scanning *s, size_t end, struct group_record *g, struct error *err)
{
	size_t next;
	int code = ERR_NONE;

	for (size_t i = 0; i < end && code == ERR_NONE; i = next) {
		struct error why;

		next = i + 1;
		if (scan_find_block(s, &s->rows[i].name))
			continue;
		if (promote_copy(s, &s->rows[i], &why) != ERR_NONE)
			s->r->unreadable++;
		scan_sort_blocks(s);
	}
	for (size_t i = 0; i < end && code == ERR_NONE; i = next) {
		const struct scanned_block *b = scan_find_block(s, &s->rows[i].name);

		for (next = i; next < end && hash_equal(&s->rows[next].name, &s->rows[i].name);)
			next++;
		if (b)
			record_copies(s, i, next, b, g);
		code = scan_commit(s, false, err);
	}
	return code;
}

/* ---- groups of several ---- */

/* Rows [first, end) of one group, and what they say of it. */
struct rebuilding_group {
	struct scanning *s;
	size_t first, end;
	struct row_descriptor desc;
	struct buf inputs[GROUP_SLOTS_MAX];
	struct code_input have[GROUP_SLOTS_MAX];
	unsigned have_count;
	bool crowded; /* a drive has two of its objects now: it could not keep the promise */
	struct group_record record;
};

static int read_descriptor(struct rebuilding_group *g, struct error *err)
{
	const struct scanned_row *row = &g->s->rows[g->first];
	size_t tail = row->len_bytes < ROW_TAIL_MAX_BYTES ? (size_t)row->len_bytes
							  : ROW_TAIL_MAX_BYTES;
	uint8_t *bytes = malloc(tail);
	char name[OBJECT_NAME_MAX + 1];
	int code;

	if (!bytes)
		return err_nomem(err);
	object_name_row(&row->name, name);
	code = row->drive->handle->driver->get(row->drive->handle, name, row->len_bytes - tail,
					       bytes, tail, err);
	if (code == ERR_NONE)
		code = row_tail_decode(bytes, tail, row->len_bytes, &g->desc, err);
	free(bytes);
	return code;
}

static void add_input(struct rebuilding_group *g, struct array_drive *d, const char *name,
		      struct code_ref ref, uint64_t coded_bytes)
{
	struct buf *bytes = &g->inputs[g->have_count];
	struct error why;

	if (g->have_count == g->desc.member_count)
		return;
	buf_clear(bytes);
	if (object_get(d->handle, name, OBJECT_BYTES_MAX, bytes, &why) != ERR_NONE ||
	    bytes->len_bytes < coded_bytes)
		return;
	g->have[g->have_count++] =
		(struct code_input){ ref, bytes->data, (size_t)coded_bytes };
}

static void read_inputs(struct rebuilding_group *g)
{
	char name[OBJECT_NAME_MAX + 1];

	for (unsigned i = 0; i < g->desc.member_count; i++) {
		const struct row_member *m = &g->desc.members[i];
		const struct scanned_block *b = scan_find_block(g->s, &m->name);

		if (!b)
			continue;
		object_name_block(&m->name, name);
		add_input(g, b->drive, name, (struct code_ref){ false, m->slot }, m->len_bytes);
	}
	for (size_t i = g->first; i < g->end; i++) {
		const struct scanned_row *row = &g->s->rows[i];

		if (i > g->first && row->row == g->s->rows[i - 1].row)
			continue;
		object_name_row(&row->name, name);
		add_input(g, row->drive, name, (struct code_ref){ true, row->row },
			  row_coded_bytes(&g->desc));
	}
}

/* A drive that has nothing of the group if there is one, else any. */
static struct array_drive *home_for(struct rebuilding_group *g)
{
	struct array *a = g->s->a;
	struct array_drive *any = NULL;

	for (unsigned i = 0; i < a->count; i++) {
		struct array_drive *d = &a->drives[i];
		bool taken = false;

		if (d->presence != DRIVE_PRESENT)
			continue;
		any = any ? any : d;
		for (unsigned n = 0; n < g->desc.member_count; n++) {
			const struct scanned_block *b =
				scan_find_block(g->s, &g->desc.members[n].name);

			taken = taken || (b && b->drive == d);
		}
		for (size_t n = g->first; n < g->end; n++)
			taken = taken || g->s->rows[n].drive == d;
		if (!taken)
			return d;
	}
	g->crowded = true;
	return any;
}

static int store_member(struct rebuilding_group *g, const struct row_member *m, uint8_t *bytes,
			struct error *err)
{
	struct buf block = { .data = bytes, .len_bytes = (size_t)m->len_bytes };
	struct hash name = sha256(bytes, (size_t)m->len_bytes);
	struct array_drive *d = home_for(g);
	char object[OBJECT_NAME_MAX + 1];
	int code;

	if (!d || !hash_equal(&name, &m->name))
		return err_set(err, ERR_LOST, "a reconstructed block does not have its hash");
	object_name_block(&name, object);
	code = object_put(d->handle, object, bytes, (size_t)m->len_bytes, err);
	if (code == ERR_NONE)
		code = d->handle->driver->sync(d->handle, err);
	if (code == ERR_NONE)
		code = scan_take_block(g->s, d, &name, &block, err);
	if (code == ERR_NONE)
		g->s->r->reconstructed++;
	scan_sort_blocks(g->s);
	return code;
}

/* Makes every member that is on no drive. */
static int reconstruct(struct rebuilding_group *g, struct error *err)
{
	uint8_t slots[GROUP_SLOTS_MAX];
	size_t coded = (size_t)row_coded_bytes(&g->desc);
	uint8_t *out = NULL;
	int code = ERR_NONE;

	for (unsigned i = 0; i < g->desc.member_count; i++)
		slots[i] = g->desc.members[i].slot;
	for (unsigned i = 0; i < g->desc.member_count && code == ERR_NONE; i++) {
		const struct row_member *m = &g->desc.members[i];
		struct code_ref want = { false, m->slot };

		if (scan_find_block(g->s, &m->name))
			continue;
		if (!out) {
			read_inputs(g);
			out = malloc(coded);
		}
		if (!out)
			code = err_nomem(err);
		else
			code = code_rebuild(slots, g->desc.member_count, g->have, g->have_count,
					    &want, 1, &out, coded, err);
		if (code == ERR_NONE)
			code = store_member(g, m, out, err);
	}
	free(out);
	return code;
}

static void record_rows_group(struct rebuilding_group *g)
{
	struct group_record *r = &g->record;
	struct scanning *s = g->s;

	r->id = g->desc.group_id;
	for (unsigned i = 0; i < g->desc.member_count; i++) {
		const struct row_member *m = &g->desc.members[i];
		const struct scanned_block *b = scan_find_block(s, &m->name);

		r->members[r->member_count++] = (struct group_member_record){
			b->uid, m->name, m->len_bytes, m->slot
		};
	}
	for (size_t i = g->first; i < g->end; i++) {
		const struct scanned_row *row = &s->rows[i];

		if (i > g->first && row->row == s->rows[i - 1].row)
			continue;
		r->rows[r->row_count++] = (struct group_row_record){ row->row, row->name,
								     row->len_bytes,
								     row->drive->id };
		if (row->row + 1u > s->r->parity)
			s->r->parity = row->row + 1u;
	}
	/* Its blocks are whole, and get rows of their own as every block in no group does. */
	if (g->crowded)
		return;
	record_group(&s->records, r);
	s->r->groups++;
}

static int scan_group(struct scanning *s, size_t first, size_t end, struct error *err)
{
	struct rebuilding_group *g = calloc(1, sizeof(*g));
	int code;

	if (!g)
		return err_nomem(err);
	g->s = s;
	g->first = first;
	g->end = end;
	code = read_descriptor(g, err);
	if (code == ERR_NONE)
		code = reconstruct(g, err);
	if (code == ERR_NONE)
		record_rows_group(g);
	for (unsigned i = 0; i < GROUP_SLOTS_MAX; i++)
		buf_release(&g->inputs[i]);
	free(g);
	if (code == ERR_NONE || code == ERR_NOMEM)
		return code;
	array_tell(s->a, TELL_WARNING, "a parity group is beyond repair: %s", err->message);
	return ERR_NONE;
}

int scan_groups(struct scanning *s, struct error *err)
{
	struct group_record *g = malloc(sizeof(*g));
	size_t copies = 0, next;
	int code = g ? ERR_NONE : err_nomem(err);

	if (s->row_count > 0)
		qsort(s->rows, s->row_count, sizeof(*s->rows), compare_rows);
	while (copies < s->row_count && id_is_zero(&s->rows[copies].group_id))
		copies++;
	if (code == ERR_NONE)
		code = scan_copies(s, copies, g, err);
	for (size_t i = copies; i < s->row_count && code == ERR_NONE; i = next) {
		for (next = i; next < s->row_count &&
			       id_equal(&s->rows[next].group_id, &s->rows[i].group_id);)
			next++;
		code = scan_group(s, i, next, err);
		if (code == ERR_NONE)
			code = scan_commit(s, false, err);
	}
	free(g);
	return code;
}
