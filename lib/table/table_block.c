/* Blocks, what is in them, and where a chunk can be found. */
#include "table/table_internal.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BATCH 65536 /* rows gathered before the index is filled */

/* ---- the chunk index ---- */

static int by_chunk(const void *a, const void *b)
{
	const struct chunk_row *ca = a, *cb = b;
	int order = hash_compare(&ca->id, &cb->id);

	if (order != 0)
		return order;
	return (ca->index > cb->index) - (ca->index < cb->index);
}

/* By rising id: neighbours in the index are touched together. */
int block_flush_chunks(struct replay *r, struct error *err)
{
	int code = ERR_NONE;

	if (r->chunk_count > 0)
		qsort(r->chunks, r->chunk_count, sizeof(*r->chunks), by_chunk);
	for (size_t i = 0; code == ERR_NONE && i < r->chunk_count; i++) {
		struct query q = query_of(r->t, "INSERT OR IGNORE INTO chunk(id, block, idx)"
						" VALUES(?, ?, ?)");

		query_hash(&q, &r->chunks[i].id);
		query_int(&q, r->chunks[i].block);
		query_int(&q, r->chunks[i].index);
		code = query_run(&q, err);
	}
	r->chunk_count = 0;
	return code;
}

/* Manifest chunks hold records: no file is ever made of them. */
static int gather_chunks(struct replay *r, int64_t block, const struct contents *c,
			 struct error *err)
{
	for (size_t i = 0; i < c->chunk_count; i++) {
		if (c->chunks[i].manifest)
			continue;
		if (!grow(&r->chunks, &r->chunk_cap, r->chunk_count + 1, sizeof(*r->chunks)))
			return err_nomem(err);
		r->chunks[r->chunk_count++] = (struct chunk_row){ .id = c->chunks[i].id,
								  .block = block,
								  .index = (uint32_t)i };
	}
	return r->chunk_count >= CHUNK_BATCH ? block_flush_chunks(r, err) : ERR_NONE;
}

int table_find_chunk(struct table *t, const struct hash *id, unsigned skip, struct chunk_place *out,
		     struct error *err)
{
	struct query q = query_of(t, "SELECT chunk.block, block.uid, chunk.idx FROM chunk"
				     " CROSS JOIN block ON block.id = chunk.block"
				     " WHERE chunk.id = ? AND block.state IN (1, 2)"
				     " AND block.lost = 0 AND block.fossil = 0 LIMIT 1 OFFSET ?");
	bool row;
	int code;

	query_hash(&q, id);
	query_int(&q, skip);
	code = query_next(&q, &row, err);
	if (code == ERR_NONE && row) {
		out->block_id = column_int(&q, 0);
		column_exact(&q, 1, out->block_uid.b, ID_BYTES);
		out->index = (uint32_t)column_int(&q, 2);
	} else if (code == ERR_NONE) {
		code = err_set(err, ERR_NOT_FOUND, "no block holds the chunk");
	}
	return query_end(&q, code, err);
}

/* ---- rows of blocks ---- */

int block_number(struct table *t, const struct id *uid, int64_t *id, enum block_state *state,
		 struct error *err)
{
	static const struct hash zero;
	struct query q = query_of(t, "SELECT id, state FROM block WHERE uid = ?");
	bool row;
	int code;

	query_id(&q, uid);
	code = query_next(&q, &row, err);
	if (code == ERR_NONE && row) {
		*id = column_int(&q, 0);
		*state = (enum block_state)column_int(&q, 1);
	}
	code = query_end(&q, code, err);
	if (code != ERR_NONE || row)
		return code;
	q = query_of(t, "INSERT INTO block(uid, name, len, epoch, drive, state, lost, fossil,"
			" writer, seq, placed_writer, placed_seq)"
			" VALUES(?, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)");
	query_id(&q, uid);
	query_hash(&q, &zero);
	code = query_run(&q, err);
	*id = sqlite3_last_insert_rowid(t->db);
	*state = BLOCK_UNKNOWN;
	return code;
}

static int store_contents(struct replay *r, int64_t block, const struct contents *c,
			  const void *data, size_t data_bytes, struct error *err)
{
	struct query q = query_of(r->t, "INSERT OR REPLACE INTO contents(block, list, data)"
					" VALUES(?, ?, ?)");
	struct buf list = { 0 };
	int code;

	contents_encode(c, &list);
	query_int(&q, block);
	query_blob(&q, list.data, list.len_bytes);
	query_blob(&q, data, data_bytes);
	code = list.failed ? query_end(&q, err_nomem(err), err) : query_run(&q, err);
	buf_release(&list);
	return code;
}

/* Gives a block that was unknown so far its facts. */
static int fill_block(struct replay *r, int64_t id, enum block_state state,
		      const struct block_record *b, struct error *err)
{
	struct query q;
	int64_t drive;
	int code = drive_number(r->t, &b->drive_id, &drive, err);

	if (code != ERR_NONE)
		return code;
	q = query_of(r->t, "UPDATE block SET name = ?, len = ?, epoch = ?, drive = ?, state = ?,"
			   " writer = ?, seq = ?, placed_writer = ?, placed_seq = ?"
			   " WHERE id = ?");
	query_hash(&q, &b->name);
	query_int(&q, (int64_t)b->len_bytes);
	query_int(&q, b->epoch);
	query_int(&q, drive);
	query_int(&q, state);
	for (int i = 0; i < 2; i++) {
		query_int(&q, r->at.writer_id);
		query_int(&q, (int64_t)r->at.seq);
	}
	query_int(&q, id);
	return query_run(&q, err);
}

/* A move says where a block is, whatever its own record said. */
static int settle_place(struct table *t, const struct id *uid, int64_t id, struct error *err)
{
	struct buf body = { 0 };
	struct id found, drive_id;
	struct placing said;
	struct query q;
	int64_t drive;
	int code = fact_best_of(t, RECORD_MOVE, uid->b, ID_BYTES, NULL, &body, &said, err);

	if (code == ERR_NONE)
		code = table_stored(
			t, parse_move(reader_of(body.data, body.len_bytes), &found, &drive_id, err),
			err);
	buf_release(&body);
	if (code != ERR_NONE)
		return code == ERR_NOT_FOUND ? ERR_NONE : code;
	code = drive_number(t, &drive_id, &drive, err);
	if (code != ERR_NONE)
		return code;
	q = query_of(t, "UPDATE block SET drive = ?, placed_writer = ?, placed_seq = ?"
			" WHERE id = ? AND state IN (0, 1)");
	query_int(&q, drive);
	query_int(&q, said.writer);
	query_int(&q, said.seq);
	query_int(&q, id);
	return query_run(&q, err);
}

/* ---- replay ---- */

int replay_block(struct replay *r, const struct record *rec, struct error *err)
{
	struct block_record b;
	enum block_state state;
	int64_t id;
	int code = parse_block(rec->body, &b, err);

	if (code == ERR_NONE)
		code = block_number(r->t, &b.uid, &id, &state, err);
	if (code != ERR_NONE || state != BLOCK_UNKNOWN)
		goto out;
	code = fill_block(r, id, BLOCK_SEALED, &b, err);
	if (code == ERR_NONE)
		code = settle_place(r->t, &b.uid, id, err);
	if (code == ERR_NONE)
		code = store_contents(r, id, &b.contents, NULL, 0, err);
	if (code == ERR_NONE)
		code = gather_chunks(r, id, &b.contents, err);
	r->fold = true;
out:
	contents_release(&b.contents);
	return code;
}

int replay_inline(struct replay *r, const struct record *rec, struct error *err)
{
	struct block_record b = { 0 };
	enum block_state state;
	const uint8_t *data;
	size_t data_bytes;
	int64_t id;
	int code = parse_inline(rec->body, &b.uid, &b.contents, &data, &data_bytes, err);

	if (code == ERR_NONE)
		code = block_number(r->t, &b.uid, &id, &state, err);
	if (code != ERR_NONE || state != BLOCK_UNKNOWN)
		goto out;
	b.len_bytes = data_bytes;
	code = fill_block(r, id, BLOCK_INLINE, &b, err);
	if (code == ERR_NONE)
		code = store_contents(r, id, &b.contents, data, data_bytes, err);
	if (code == ERR_NONE)
		code = gather_chunks(r, id, &b.contents, err);
out:
	contents_release(&b.contents);
	return code;
}

int replay_dictionary(struct replay *r, const struct record *rec, struct error *err)
{
	struct block_record b = { 0 };
	enum block_state state;
	int64_t id;
	int code = parse_dictionary(rec->body, &b.uid, &b.contents, err);

	if (code == ERR_NONE)
		code = block_number(r->t, &b.uid, &id, &state, err);
	if (code == ERR_NONE && state == BLOCK_UNKNOWN) {
		code = fill_block(r, id, BLOCK_DICTIONARY, &b, err);
		if (code == ERR_NONE)
			code = store_contents(r, id, &b.contents, NULL, 0, err);
	}
	contents_release(&b.contents);
	return code;
}

int replay_move(struct replay *r, const struct record *rec, struct error *err)
{
	enum block_state state;
	struct id uid, drive;
	int64_t id;
	int code = parse_move(rec->body, &uid, &drive, err);

	if (code == ERR_NONE)
		code = block_number(r->t, &uid, &id, &state, err);
	if (code == ERR_NONE)
		code = fact_set(r, rec, uid.b, ID_BYTES, err);
	if (code == ERR_NONE)
		code = settle_place(r->t, &uid, id, err);
	return code;
}

int replay_fossil(struct replay *r, const struct record *rec, struct error *err)
{
	enum block_state state;
	struct query q;
	struct id uid;
	int64_t id;
	int code = parse_id(rec->body, &uid, err);

	if (code == ERR_NONE)
		code = block_number(r->t, &uid, &id, &state, err);
	if (code == ERR_NONE)
		code = fact_set(r, rec, uid.b, ID_BYTES, err);
	if (code != ERR_NONE)
		return code;
	q = query_of(r->t, "UPDATE block SET fossil = 1 WHERE id = ?");
	query_int(&q, id);
	return query_run(&q, err);
}

int replay_lost(struct replay *r, const struct record *rec, struct error *err)
{
	enum block_state state;
	struct query q;
	struct id uid;
	int64_t id;
	int code = parse_id(rec->body, &uid, err);

	if (code == ERR_NONE)
		code = block_number(r->t, &uid, &id, &state, err);
	if (code == ERR_NONE)
		code = fact_set(r, rec, uid.b, ID_BYTES, err);
	if (code != ERR_NONE)
		return code;
	q = query_of(r->t, "UPDATE block SET lost = 1 WHERE id = ?");
	query_int(&q, id);
	return query_run(&q, err);
}

int replay_ack(struct replay *r, const struct record *rec, struct error *err)
{
	uint8_t key[ID_BYTES + HASH_BYTES];
	struct id uid;
	int code = parse_id(rec->body, &uid, err);

	if (code != ERR_NONE)
		return code;
	memcpy(key, uid.b, ID_BYTES);
	memcpy(key + ID_BYTES, r->at.writer.b, HASH_BYTES);
	return fact_set(r, rec, key, sizeof(key), err);
}

/* ---- queries ---- */

void block_columns(struct query *q, int first, struct table_block *out)
{
	int64_t state = column_int(q, first + 6);

	memset(out, 0, sizeof(*out));
	out->id = column_int(q, first);
	column_exact(q, first + 1, out->uid.b, ID_BYTES);
	column_exact(q, first + 2, out->name.b, HASH_BYTES);
	out->len_bytes = (uint64_t)column_int(q, first + 3);
	out->epoch = (uint32_t)column_int(q, first + 4);
	if (sqlite3_column_type(q->stmt, first + 5) != SQLITE_NULL)
		column_exact(q, first + 5, out->drive_id.b, ID_BYTES);
	out->known = state != BLOCK_UNKNOWN;
	out->is_inline = state == BLOCK_INLINE;
	out->dictionary = state == BLOCK_DICTIONARY;
	out->lost = column_int(q, first + 7);
	out->fossil = column_int(q, first + 8);
}

static int load_block(struct query *q, struct table_block *out, struct error *err)
{
	bool row;
	int code = query_next(q, &row, err);

	if (code == ERR_NONE && row)
		block_columns(q, 0, out);
	else if (code == ERR_NONE)
		code = err_set(err, ERR_NOT_FOUND, "the table knows no such block");
	return query_end(q, code, err);
}

int table_block_by_uid(struct table *t, const struct id *uid, struct table_block *out,
		       struct error *err)
{
	struct query q = query_of(t, "SELECT " BLOCK_COLUMNS " FROM block" BLOCK_JOIN
				     "WHERE block.uid = ? AND block.state > 0");

	query_id(&q, uid);
	return load_block(&q, out, err);
}

int table_block_by_id(struct table *t, int64_t id, struct table_block *out, struct error *err)
{
	struct query q =
		query_of(t, "SELECT " BLOCK_COLUMNS " FROM block" BLOCK_JOIN "WHERE block.id = ?");

	query_int(&q, id);
	return load_block(&q, out, err);
}

int table_block_contents(struct table *t, int64_t id, struct contents *out, struct buf *inline_data,
			 struct error *err)
{
	struct query q = query_of(t, "SELECT list, data FROM contents WHERE block = ?");
	bool row;
	int code;

	memset(out, 0, sizeof(*out));
	query_int(&q, id);
	code = query_next(&q, &row, err);
	if (code == ERR_NONE && row) {
		size_t list_bytes, data_bytes;
		const void *list = column_blob(&q, 0, &list_bytes);
		const void *data = column_blob(&q, 1, &data_bytes);

		code = table_stored(t, contents_decode(list, list_bytes, out, err), err);
		if (code == ERR_NONE && inline_data)
			buf_add(inline_data, data, data_bytes);
		if (code == ERR_NONE && inline_data && inline_data->failed)
			code = err_nomem(err);
	} else if (code == ERR_NONE) {
		code = err_set(err, ERR_NOT_FOUND, "the table knows no contents of the block");
	}
	code = query_end(&q, code, err);
	if (code != ERR_NONE)
		contents_release(out);
	return code;
}
