/* Nodes as they were at a snapshot. */
#include "table/table_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- children ---- */

struct table_children {
	struct table *t;
	sqlite3_stmt *stmt; /* NULL: the folder is not known, and so has no children */
};

static int children_statement(struct table *t, sqlite3_stmt **out, struct error *err)
{
	int rc;

	if (t->spare_count > 0) {
		*out = t->spare_children[--t->spare_count];
		return ERR_NONE;
	}
	rc = sqlite3_prepare_v3(t->db,
				"SELECT name, body FROM node WHERE line = ?1 AND folder = ?2"
				" AND first <= ?3 AND end > ?3 ORDER BY name",
				-1, SQLITE_PREPARE_PERSISTENT, out, NULL);
	return rc == SQLITE_OK ? ERR_NONE : table_error(t, rc, "list a folder", err);
}

int table_children_open(struct table *t, const struct table_snapshot *s, const void *path,
			size_t path_bytes, struct table_children **out, struct error *err)
{
	struct table_children *c = calloc(1, sizeof(*c));
	int64_t folder;
	int code;

	*out = NULL;
	if (!c)
		return err_nomem(err);
	c->t = t;
	code = path_number(t, path, path_bytes, false, &folder, err);
	if (code == ERR_NONE)
		code = children_statement(t, &c->stmt, err);
	else if (code == ERR_NOT_FOUND)
		code = ERR_NONE;
	if (code != ERR_NONE) {
		table_children_close(c);
		return code;
	}
	if (c->stmt) {
		sqlite3_bind_int64(c->stmt, 1, s->line);
		sqlite3_bind_int64(c->stmt, 2, folder);
		sqlite3_bind_int64(c->stmt, 3, s->ordinal);
	}
	*out = c;
	return ERR_NONE;
}

static int decode_stored(struct table *t, const void *body, size_t body_bytes, struct node *out,
			 struct error *err)
{
	struct reader r = reader_of(body, body_bytes);
	int code = node_decode(&r, NULL, out, err);

	if (code == ERR_NONE && !reader_done(&r))
		code = err_set(err, ERR_CORRUPT, "bytes beyond the end of a node");
	return table_stored(t, code, err);
}

bool table_children_next(struct table_children *c, const uint8_t **name, size_t *name_bytes,
			 struct node *node, struct error *err)
{
	struct query q = { .t = c->t, .stmt = c->stmt };
	const void *body;
	size_t body_bytes;
	int rc;

	err->code = ERR_NONE;
	if (!c->stmt)
		return false;
	rc = sqlite3_step(c->stmt);
	if (rc != SQLITE_ROW) {
		if (rc != SQLITE_DONE)
			table_error(c->t, rc, "list a folder", err);
		return false;
	}
	*name = column_blob(&q, 0, name_bytes);
	body = column_blob(&q, 1, &body_bytes);
	return decode_stored(c->t, body, body_bytes, node, err) == ERR_NONE;
}

void table_children_close(struct table_children *c)
{
	if (!c)
		return;
	if (c->stmt && c->t->spare_count < SPARE_CHILDREN_MAX) {
		sqlite3_reset(c->stmt);
		c->t->spare_children[c->t->spare_count++] = c->stmt;
	} else {
		sqlite3_finalize(c->stmt);
	}
	free(c);
}

/* ---- one node ---- */

/* Splits off the last name of a path; false for "" and for what is no path. */
static bool split(const void *path, size_t path_bytes, size_t *folder_bytes)
{
	const uint8_t *slash;

	if (path_bytes == 0 || !path_ok(path, path_bytes))
		return false;
	slash = memrchr(path, '/', path_bytes);
	*folder_bytes = (size_t)(slash - (const uint8_t *)path);
	return true;
}

static int no_node(struct error *err)
{
	return err_set(err, ERR_NOT_FOUND, "no such file or folder in the snapshot");
}

/* Finds the version of a node that is valid at the snapshot; its body goes to t->node_bytes. */
static int find_version(struct table *t, const struct table_snapshot *s, const void *path,
			size_t path_bytes, int64_t *folder, int64_t *first, struct error *err)
{
	struct query q;
	size_t folder_bytes;
	bool row;
	int code;

	if (!split(path, path_bytes, &folder_bytes))
		return no_node(err);
	code = path_number(t, path, folder_bytes, false, folder, err);
	if (code != ERR_NONE)
		return code == ERR_NOT_FOUND ? no_node(err) : code;
	q = query_of(t, "SELECT first, end, body FROM node WHERE line = ? AND folder = ?"
			" AND name = ? AND first <= ? ORDER BY first DESC LIMIT 1");
	query_int(&q, s->line);
	query_int(&q, *folder);
	query_blob(&q, (const uint8_t *)path + folder_bytes + 1, path_bytes - folder_bytes - 1);
	query_int(&q, s->ordinal);
	code = query_next(&q, &row, err);
	if (code == ERR_NONE && row && column_int(&q, 1) > s->ordinal) {
		size_t len;
		const void *body = column_blob(&q, 2, &len);

		*first = column_int(&q, 0);
		buf_clear(&t->node_bytes);
		buf_add(&t->node_bytes, body, len);
		if (t->node_bytes.failed)
			code = err_nomem(err);
	} else if (code == ERR_NONE) {
		code = no_node(err);
	}
	return query_end(&q, code, err);
}

int table_node(struct table *t, const struct table_snapshot *s, const void *path, size_t path_bytes,
	       struct node *out, struct error *err)
{
	int64_t folder, first;
	int code = find_version(t, s, path, path_bytes, &folder, &first, err);

	if (code != ERR_NONE)
		return code;
	return decode_stored(t, t->node_bytes.data, t->node_bytes.len_bytes, out, err);
}

int table_content_part(struct table *t, const struct table_snapshot *s, const void *path,
		       size_t path_bytes, uint64_t part, struct buf *out, struct error *err)
{
	struct query q;
	int64_t folder, first;
	size_t folder_bytes;
	bool row;
	int code = find_version(t, s, path, path_bytes, &folder, &first, err);

	if (code != ERR_NONE || !split(path, path_bytes, &folder_bytes))
		return code;
	q = query_of(t, "SELECT pieces FROM content WHERE line = ? AND folder = ? AND name = ?"
			" AND first = ? AND part = ?");
	query_int(&q, s->line);
	query_int(&q, folder);
	query_blob(&q, (const uint8_t *)path + folder_bytes + 1, path_bytes - folder_bytes - 1);
	query_int(&q, first);
	query_int(&q, part > INT64_MAX ? -1 : (int64_t)part);
	code = query_next(&q, &row, err);
	if (code == ERR_NONE && row) {
		size_t len;
		const void *pieces = column_blob(&q, 0, &len);

		buf_add(out, pieces, len);
		if (out->failed)
			code = err_nomem(err);
	} else if (code == ERR_NONE) {
		code = err_set(err, ERR_NOT_FOUND, "part %llu of the content is not known",
			       (unsigned long long)part);
	}
	return query_end(&q, code, err);
}
