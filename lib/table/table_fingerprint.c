/*
 * One number for all that a table says, whatever the order in which it was told. Each logical
 * row is hashed by itself (BLAKE2b-256), without any number that is local to this file; the
 * hashes are added up, so that no row need be sorted. This compares what honest replays made:
 * sums of hashes are no protection against one who chooses the rows.
 */
#include "table/table_internal.h"

#include <sodium.h>
#include <string.h>

#define LANES (HASH_BYTES / 8)

struct sum {
	struct table *t;
	uint64_t lanes[LANES];
	struct buf row;
	int64_t folder; /* whose text is in path; -1: none yet */
	struct buf path;
};

/* kind: tells rows of different queries apart. path: NULL, or what is hashed before the columns
 * from first on. */
static int add_row(struct sum *s, char kind, struct query *q, int first, const struct buf *path,
		   struct error *err)
{
	uint8_t hash[HASH_BYTES];

	buf_clear(&s->row);
	buf_add_u8(&s->row, (uint8_t)kind);
	if (path)
		buf_add_block(&s->row, path->data, path->len_bytes);
	for (int i = first; i < sqlite3_column_count(q->stmt); i++) {
		/* The type before the blob, which turns a number into text: one form for all. */
		int type = sqlite3_column_type(q->stmt, i);
		size_t len;
		const void *bytes = column_blob(q, i, &len);

		buf_add_u8(&s->row, (uint8_t)type);
		buf_add_block(&s->row, bytes, len);
	}
	if (s->row.failed)
		return err_nomem(err);
	crypto_generichash(hash, sizeof(hash), s->row.data, s->row.len_bytes, NULL, 0);
	for (size_t i = 0; i < LANES; i++)
		s->lanes[i] += load_u64(hash + 8 * i);
	return ERR_NONE;
}

static int add_rows(struct sum *s, char kind, const char *sql, struct error *err)
{
	struct query q = query_of(s->t, sql);
	bool row;
	int code;

	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		code = add_row(s, kind, &q, 0, NULL, err);
		if (code != ERR_NONE)
			break;
	}
	return query_end(&q, code, err);
}

/* The first column is a folder: its path takes its place. */
static int add_rows_in_folders(struct sum *s, char kind, const char *sql, struct error *err)
{
	struct query q = query_of(s->t, sql);
	bool row;
	int code;

	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		int64_t folder = column_int(&q, 0);

		if (folder != s->folder) {
			buf_clear(&s->path);
			s->folder = folder;
			code = path_text(s->t, folder, &s->path, err);
		}
		if (code == ERR_NONE)
			code = add_row(s, kind, &q, 1, &s->path, err);
		if (code != ERR_NONE)
			break;
	}
	return query_end(&q, code, err);
}

/* Keys of unknown records hold their place in a segment, which a checkpoint does not keep. Who
 * made a block matters only while it is inline. */
static const struct {
	char kind;
	const char *sql;
} row_queries[] = {
	{ 'f', "SELECT fact.type, CASE WHEN fact.type <= 22 THEN fact.key END, writer.key, seg.seq,"
	       " seg.clock, fact.mandatory, fact.body FROM fact JOIN seg ON seg.id = fact.seg"
	       " JOIN writer ON writer.id = seg.writer" },
	{ 's', "SELECT drive.uid, writer.key, complete, time, objects, bytes, damaged, repaired,"
	       " remaining FROM scrub JOIN drive ON drive.id = scrub.drive"
	       " JOIN writer ON writer.id = scrub.writer" },
	{ 'v', "SELECT writer.key, verified.seq, body FROM verified"
	       " JOIN writer ON writer.id = verified.writer" },
	{ 'q', "SELECT block.uid, writer.key, placed_seq FROM block"
	       " JOIN writer ON writer.id = block.placed_writer WHERE state IN (0, 1)" },
	{ 'b', "SELECT block.uid, name, len, epoch, drive.uid, state, lost, fossil,"
	       " CASE WHEN state = 2 THEN writer.key END, list, data FROM block"
	       " LEFT JOIN drive ON drive.id = block.drive"
	       " LEFT JOIN writer ON writer.id = block.writer"
	       " LEFT JOIN contents ON contents.block = block.id" },
	{ 'c', "SELECT chunk.id, block.uid, idx FROM chunk JOIN block ON block.id = chunk.block" },
	{ 'm', "SELECT grp.uid, slot, block.uid FROM member JOIN grp ON grp.id = member.grp"
	       " JOIN block ON block.id = member.block" },
	{ 'r', "SELECT grp.uid, row, drive.uid, name, len, present, writer.key, placed_seq"
	       " FROM row JOIN grp ON grp.id = row.grp JOIN drive ON drive.id = row.drive"
	       " JOIN writer ON writer.id = row.placed_writer" },
	{ 'd', "SELECT uid FROM superseded" },
	{ 'n', "SELECT body, writer.key, snapshot.seq, rank FROM snapshot"
	       " JOIN writer ON writer.id = snapshot.writer" },
	{ 'p', "SELECT snapshot, type, writer.key, pending.seq, rank, body, link FROM pending"
	       " JOIN writer ON writer.id = pending.writer" },
};

/* Nodes by the changes of each snapshot: which line it is on is local. */
static const struct {
	char kind;
	const char *sql;
} node_queries[] = {
	{ '+', "SELECT folder, snapshot.uid, name, type, node.body FROM node CROSS JOIN snapshot"
	       " ON snapshot.line = node.line AND snapshot.ordinal = node.first" },
	{ '-', "SELECT folder, snapshot.uid, name FROM node CROSS JOIN snapshot"
	       " ON snapshot.line = node.line AND snapshot.ordinal = node.end"
	       " WHERE node.end < 9223372036854775807" },
	{ 'l', "SELECT content.folder, snapshot.uid, content.name, part, pieces FROM content"
	       " CROSS JOIN snapshot ON snapshot.line = content.line"
	       " AND snapshot.ordinal = content.first"
	       " WHERE EXISTS(SELECT 1 FROM node WHERE node.line = content.line"
	       " AND node.folder = content.folder AND node.name = content.name"
	       " AND node.first = content.first)" },
};

int table_fingerprint(struct table *t, struct hash *out, struct error *err)
{
	struct sum s = { .t = t, .folder = -1 };
	uint8_t total[HASH_BYTES];
	int code = ERR_NONE;

	for (size_t i = 0; code == ERR_NONE && i < sizeof(row_queries) / sizeof(row_queries[0]);
	     i++)
		code = add_rows(&s, row_queries[i].kind, row_queries[i].sql, err);
	for (size_t i = 0; code == ERR_NONE && i < sizeof(node_queries) / sizeof(node_queries[0]);
	     i++)
		code = add_rows_in_folders(&s, node_queries[i].kind, node_queries[i].sql, err);
	for (size_t i = 0; i < LANES; i++)
		store_u64(total + 8 * i, s.lanes[i]);
	crypto_generichash(out->b, HASH_BYTES, total, sizeof(total), NULL, 0);
	buf_release(&s.row);
	buf_release(&s.path);
	return code;
}
