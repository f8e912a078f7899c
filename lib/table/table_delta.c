/*
 * Snapshots become rows: the changes of one, applied to the line of snapshots that it extends.
 * Versions of a node are intervals of ordinals (Snodgrass, "Developing Time-Oriented Database
 * Applications in SQL", 1999, calls it transaction time).
 */
#include "table/table_internal.h"

/* ---- lines ---- */

static int copy_folder(struct table *t, int64_t from, int64_t ordinal, int64_t folder, int64_t to,
		       struct error *err)
{
	struct query q =
		query_of(t, "INSERT INTO node(line, folder, name, first, end, type, body)"
			    " SELECT ?4, folder, name, 0, ?5, type, body FROM node"
			    " WHERE line = ?1 AND folder = ?2 AND first <= ?3 AND end > ?3");
	int code;

	query_int(&q, from);
	query_int(&q, folder);
	query_int(&q, ordinal);
	query_int(&q, to);
	query_int(&q, NEVER);
	code = query_run(&q, err);
	if (code != ERR_NONE)
		return code;
	q = query_of(t, "INSERT INTO content(line, folder, name, first, part, pieces)"
			" SELECT ?4, c.folder, c.name, 0, c.part, c.pieces FROM content AS c"
			" CROSS JOIN node AS n ON n.line = c.line AND n.folder = c.folder"
			" AND n.name = c.name AND n.first = c.first"
			" WHERE c.line = ?1 AND c.folder = ?2 AND n.first <= ?3 AND n.end > ?3");
	query_int(&q, from);
	query_int(&q, folder);
	query_int(&q, ordinal);
	query_int(&q, to);
	return query_run(&q, err);
}

/* Folder by folder: a statement that reads and writes one table gathers its rows in memory. */
static int copy_line(struct table *t, int64_t from, int64_t ordinal, int64_t to, struct error *err)
{
	int64_t folder = ROOT_FOLDER - 1;

	for (;;) {
		struct query q = query_of(t, "SELECT folder FROM node WHERE line = ? AND folder > ?"
					     " ORDER BY folder LIMIT 1");
		bool found;
		int code;

		query_int(&q, from);
		query_int(&q, folder);
		code = query_value(&q, &folder, &found, err);
		if (code != ERR_NONE || !found)
			return code;
		code = copy_folder(t, from, ordinal, folder, to, err);
		if (code != ERR_NONE)
			return code;
	}
}

int line_make(struct table *t, const struct line_place *base, struct line_place *out,
	      struct error *err)
{
	struct query q = query_of(t, "INSERT INTO line(tip) VALUES(?)");
	int code;

	/* What was copied begins at 0; ordinal 1 is for first snapshots only, whose changes
	 * are all of the line and need no index. */
	out->ordinal = base ? 2 : 1;
	query_int(&q, out->ordinal);
	code = query_run(&q, err);
	out->line = sqlite3_last_insert_rowid(t->db);
	if (code == ERR_NONE && base)
		code = copy_line(t, base->line, base->ordinal, out->line, err);
	return code;
}

/* ---- changes ---- */

static int drop_node(struct delta *d, const uint8_t *name, size_t name_bytes, struct error *err)
{
	struct query q = query_of(d->t, "DELETE FROM node WHERE line = ? AND folder = ?"
					" AND name = ? AND first = ?");

	query_int(&q, d->at.line);
	query_int(&q, d->folder);
	query_blob(&q, name, name_bytes);
	query_int(&q, d->at.ordinal);
	return query_run(&q, err);
}

static int end_node(struct delta *d, const uint8_t *name, size_t name_bytes, int64_t first,
		    struct error *err)
{
	struct query q = query_of(d->t, "UPDATE node SET end = ? WHERE line = ? AND folder = ?"
					" AND name = ? AND first = ?");

	query_int(&q, d->at.ordinal);
	query_int(&q, d->at.line);
	query_int(&q, d->folder);
	query_blob(&q, name, name_bytes);
	query_int(&q, first);
	return query_run(&q, err);
}

static int run_below(struct delta *d, const char *sql, int64_t folder, struct error *err)
{
	struct query q = query_of(d->t, sql);

	query_int(&q, d->at.line);
	query_int(&q, folder);
	query_int(&q, d->at.ordinal);
	query_int(&q, NEVER);
	return query_run(&q, err);
}

#define FOLDERS_BELOW                                                                              \
	"(WITH RECURSIVE below(id) AS (VALUES(?2)"                                                 \
	" UNION ALL SELECT path.id FROM path JOIN below ON path.parent = below.id)"                \
	" SELECT id FROM below)"

/* A folder that is gone takes along all below it. */
static int end_below(struct delta *d, const uint8_t *name, size_t name_bytes, struct error *err)
{
	int64_t folder;
	int code = path_child(d->t, d->folder, name, name_bytes, false, &folder, err);

	if (code != ERR_NONE)
		return code == ERR_NOT_FOUND ? ERR_NONE : code; /* it was empty */
	code = run_below(d,
			 "DELETE FROM node WHERE line = ?1 AND first = ?3 AND end = ?4"
			 " AND folder IN " FOLDERS_BELOW,
			 folder, err);
	if (code == ERR_NONE)
		code = run_below(d,
				 "UPDATE node SET end = ?3 WHERE line = ?1 AND end = ?4"
				 " AND folder IN " FOLDERS_BELOW,
				 folder, err);
	return code;
}

/* Ends the version that is valid so far, if any. */
static int end_version(struct delta *d, const uint8_t *name, size_t name_bytes,
		       enum node_type successor, struct error *err)
{
	struct query q = query_of(d->t, "SELECT first, end, type FROM node WHERE line = ?"
					" AND folder = ? AND name = ? ORDER BY first DESC LIMIT 1");
	int64_t first = 0, end = 0, type = 0;
	bool row;
	int code;

	query_int(&q, d->at.line);
	query_int(&q, d->folder);
	query_blob(&q, name, name_bytes);
	code = query_next(&q, &row, err);
	if (code == ERR_NONE && row) {
		first = column_int(&q, 0);
		end = column_int(&q, 1);
		type = column_int(&q, 2);
	}
	code = query_end(&q, code, err);
	if (code != ERR_NONE || !row || end != NEVER)
		return code;
	if (first == d->at.ordinal)
		code = drop_node(d, name, name_bytes, err);
	else
		code = end_node(d, name, name_bytes, first, err);
	if (code == ERR_NONE && type == NODE_FOLDER && successor != NODE_FOLDER)
		code = end_below(d, name, name_bytes, err);
	return code;
}

static int remove_name(void *ctx, const uint8_t *name, size_t name_bytes, struct error *err)
{
	return end_version(ctx, name, name_bytes, 0, err);
}

static int put_entry(void *ctx, const uint8_t *name, size_t name_bytes, const struct node *n,
		     struct error *err)
{
	struct delta *d = ctx;
	struct query q;
	int code = ERR_NONE;

	if (!d->first_of_line)
		code = end_version(d, name, name_bytes, n->type, err);
	buf_clear(&d->body);
	node_encode(n, NULL, &d->body);
	if (code == ERR_NONE && d->body.failed)
		code = err_nomem(err);
	if (code != ERR_NONE)
		return code;
	q = query_of(d->t, "INSERT OR REPLACE INTO node(line, folder, name, first, end, type, body)"
			   " VALUES(?, ?, ?, ?, ?, ?, ?)");
	query_int(&q, d->at.line);
	query_int(&q, d->folder);
	query_blob(&q, name, name_bytes);
	query_int(&q, d->at.ordinal);
	query_int(&q, NEVER);
	query_int(&q, n->type);
	query_blob(&q, d->body.data, d->body.len_bytes);
	return query_run(&q, err);
}

int delta_folder(struct delta *d, struct reader body, struct error *err)
{
	const struct folder_reader f = { .removed = remove_name, .entry = put_entry, .ctx = d };
	const uint8_t *path;
	size_t path_bytes;
	struct id snapshot;
	int code = parse_folder_head(&body, &snapshot, &path, &path_bytes, err);

	if (code == ERR_NONE)
		code = path_number(d->t, path, path_bytes, true, &d->folder, err);
	if (code == ERR_NONE)
		code = parse_folder_changes(&body, &f, err);
	return code;
}

int delta_content(struct delta *d, struct reader body, struct error *err)
{
	struct content_record c;
	struct query q;
	int64_t folder;
	int code = parse_content(body, &c, err);

	if (code == ERR_NONE)
		code = path_number(d->t, c.path, c.path_bytes, true, &folder, err);
	if (code != ERR_NONE)
		return code;
	q = query_of(d->t, "INSERT OR REPLACE INTO content(line, folder, name, first, part, pieces)"
			   " VALUES(?, ?, ?, ?, ?, ?)");
	query_int(&q, d->at.line);
	query_int(&q, folder);
	query_blob(&q, c.name, c.name_bytes);
	query_int(&q, d->at.ordinal);
	query_int(&q, (int64_t)c.part);
	query_blob(&q, c.pieces, c.pieces_bytes);
	return query_run(&q, err);
}
