/* Records about what lies on drives: blocks, groups, rows, and where they went. */
#include "table/record.h"

#include "table/record_codec.h"

#include <string.h>

static bool frames_within(const struct contents *c, uint64_t len_bytes)
{
	for (size_t i = 0; i < c->frame_count; i++) {
		const struct contents_frame *f = &c->frames[i];

		if ((uint64_t)f->offset_bytes + f->box_bytes > len_bytes)
			return false;
	}
	return true;
}

/* Decodes contents that must lie within len_bytes of block or data. */
static int parse_contents(const struct reader *list, uint64_t len_bytes, const char *what,
			  struct contents *out, struct error *err)
{
	if (contents_decode(list->at, list->left_bytes, out, err) != ERR_NONE) {
		contents_release(out);
		return err_wrap(err, "%s record", what);
	}
	if (!frames_within(out, len_bytes)) {
		contents_release(out);
		return parse_refuse(what, "a frame lies beyond its end", err);
	}
	return ERR_NONE;
}

void record_block(struct buf *out, const struct block_record *b)
{
	struct buf body = { 0 };

	buf_add_id(&body, &b->uid);
	buf_add_hash(&body, &b->name);
	buf_add_varint(&body, b->len_bytes);
	buf_add_varint(&body, b->epoch);
	buf_add_id(&body, &b->drive_id);
	contents_encode(&b->contents, &body);
	record_finish(out, RECORD_BLOCK, true, &body);
}

int parse_block(struct reader body, struct block_record *b, struct error *err)
{
	memset(b, 0, sizeof(*b));
	b->uid = read_id(&body);
	b->name = read_hash(&body);
	b->len_bytes = read_varint_max(&body, UINT32_MAX);
	b->epoch = (uint32_t)read_varint_max(&body, UINT32_MAX);
	b->drive_id = read_id(&body);
	if (body.failed || b->epoch == 0)
		return parse_refuse("block", "malformed or cut", err);
	return parse_contents(&body, b->len_bytes, "block", &b->contents, err);
}

void record_inline(struct buf *out, const struct id *uid, const struct contents *c,
		   const void *data, size_t data_bytes)
{
	struct buf body = { 0 }, list = { 0 };

	contents_encode(c, &list);
	buf_add_id(&body, uid);
	buf_add_block(&body, list.data, list.len_bytes);
	buf_add(&body, data, data_bytes);
	if (list.failed)
		body.failed = true;
	buf_release(&list);
	record_finish(out, RECORD_INLINE, true, &body);
}

int parse_inline(struct reader body, struct id *uid, struct contents *c, const uint8_t **data,
		 size_t *data_bytes, struct error *err)
{
	struct reader list;

	memset(c, 0, sizeof(*c));
	*uid = read_id(&body);
	list = read_sub(&body, body.left_bytes);
	if (body.failed)
		return parse_refuse("inline", "malformed or cut", err);
	*data = body.at;
	*data_bytes = body.left_bytes;
	return parse_contents(&list, body.left_bytes, "inline", c, err);
}

static void add_row(struct buf *body, const struct group_row_record *row)
{
	buf_add_u8(body, row->row);
	buf_add_hash(body, &row->name);
	buf_add_varint(body, row->len_bytes);
	buf_add_id(body, &row->drive_id);
}

static struct group_row_record read_row(struct reader *body)
{
	struct group_row_record row = { .row = read_u8(body) };

	row.name = read_hash(body);
	row.len_bytes = read_varint(body);
	row.drive_id = read_id(body);
	if (row.row >= GROUP_ROWS_MAX)
		body->failed = true;
	return row;
}

void record_group(struct buf *out, const struct group_record *g)
{
	struct buf body = { 0 };

	buf_add_id(&body, &g->id);
	buf_add_varint(&body, g->member_count);
	for (unsigned i = 0; i < g->member_count; i++) {
		const struct group_member_record *m = &g->members[i];

		buf_add_id(&body, &m->block_uid);
		buf_add_hash(&body, &m->name);
		buf_add_varint(&body, m->len_bytes);
		buf_add_u8(&body, m->slot);
	}
	buf_add_varint(&body, g->row_count);
	for (unsigned i = 0; i < g->row_count; i++)
		add_row(&body, &g->rows[i]);
	buf_add_varint(&body, g->supersedes_count);
	for (unsigned i = 0; i < g->supersedes_count; i++)
		buf_add_id(&body, &g->supersedes[i]);
	record_finish(out, RECORD_GROUP, true, &body);
}

static void read_members(struct reader *body, struct group_record *g)
{
	bool taken[GROUP_MEMBERS_MAX] = { false };

	g->member_count = (unsigned)read_varint_max(body, GROUP_MEMBERS_MAX);
	for (unsigned i = 0; i < g->member_count; i++) {
		struct group_member_record *m = &g->members[i];

		m->block_uid = read_id(body);
		m->name = read_hash(body);
		m->len_bytes = read_varint(body);
		m->slot = read_u8(body);
		/* Two members in one slot could not be told apart by any row: no decoding. */
		if (m->slot >= GROUP_MEMBERS_MAX || taken[m->slot]) {
			body->failed = true;
			return;
		}
		taken[m->slot] = true;
	}
	if (g->member_count == 0)
		body->failed = true;
}

static void read_rows(struct reader *body, struct group_record *g)
{
	bool taken[GROUP_ROWS_MAX] = { false };

	g->row_count = (unsigned)read_varint_max(body, GROUP_ROWS_MAX);
	for (unsigned i = 0; i < g->row_count; i++) {
		g->rows[i] = read_row(body);
		if (body->failed)
			return;
		if (taken[g->rows[i].row])
			body->failed = true;
		taken[g->rows[i].row] = true;
	}
}

int parse_group(struct reader body, struct group_record *g, struct error *err)
{
	memset(g, 0, sizeof(*g));
	g->id = read_id(&body);
	read_members(&body, g);
	read_rows(&body, g);
	g->supersedes_count = (unsigned)read_varint_max(&body, GROUP_SUPERSEDES_MAX);
	for (unsigned i = 0; i < g->supersedes_count; i++) {
		g->supersedes[i] = read_id(&body);
		if (id_equal(&g->supersedes[i], &g->id))
			return parse_refuse("group", "supersedes itself", err);
	}
	return parse_end(&body, "group", err);
}

void record_rows(struct buf *out, const struct id *group_id, const struct group_row_record *row,
		 bool present)
{
	struct buf body = { 0 };

	buf_add_id(&body, group_id);
	add_row(&body, row);
	buf_add_bool(&body, present);
	record_finish(out, RECORD_ROWS, true, &body);
}

int parse_rows(struct reader body, struct id *group_id, struct group_row_record *row, bool *present,
	       struct error *err)
{
	*group_id = read_id(&body);
	*row = read_row(&body);
	*present = read_bool(&body);
	return parse_end(&body, "rows", err);
}

void record_move(struct buf *out, const struct id *block_uid, const struct id *to_drive)
{
	struct buf body = { 0 };

	buf_add_id(&body, block_uid);
	buf_add_id(&body, to_drive);
	record_finish(out, RECORD_MOVE, true, &body);
}

int parse_move(struct reader body, struct id *block_uid, struct id *to_drive, struct error *err)
{
	*block_uid = read_id(&body);
	*to_drive = read_id(&body);
	return parse_end(&body, "move", err);
}
