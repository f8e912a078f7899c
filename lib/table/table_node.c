/* Nodes as they were at a snapshot. */
#include "table/table_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- children ---- */

/* Children are taken from the database by the page: a statement that stayed open between two steps
 * would keep this process from writing once another one has written. */
#define PAGE_ROWS_MAX 128
#define PAGE_BYTES_MAX 32768

struct table_children {
	struct table *t;
	int64_t line, folder, ordinal;
	bool more; /* the database may have more of them */
	struct buf page; /* name (block), body (block), ... */
	size_t next;	 /* where in it the next one begins */
	uint8_t last[NAME_BYTES_MAX];
	size_t last_bytes;
};

int table_children_open(struct table *t, const struct table_snapshot *s, const void *path,
			size_t path_bytes, struct table_children **out, struct error *err)
{
	struct table_children *c = calloc(1, sizeof(*c));
	int code;

	*out = NULL;
	if (!c)
		return err_nomem(err);
	*c = (struct table_children){ .t = t, .line = s->line, .ordinal = s->ordinal };
	code = path_number(t, path, path_bytes, false, &c->folder, err);
	c->more = code == ERR_NONE;
	/* A folder that is not known has no children. */
	if (code != ERR_NONE && code != ERR_NOT_FOUND) {
		table_children_close(c);
		return code;
	}
	*out = c;
	return ERR_NONE;
}

static int next_page(struct table_children *c, struct error *err)
{
	struct query q = query_of(c->t, "SELECT name, body FROM node WHERE line = ?1 AND folder = ?2"
					" AND name > ?3 AND first <= ?4 AND end > ?4"
					" ORDER BY name LIMIT ?5");
	size_t rows = 0;
	bool row;
	int code;

	query_int(&q, c->line);
	query_int(&q, c->folder);
	query_blob(&q, c->last, c->last_bytes);
	query_int(&q, c->ordinal);
	query_int(&q, PAGE_ROWS_MAX);
	buf_clear(&c->page);
	c->next = 0;
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		size_t name_bytes, body_bytes;
		const void *name = column_blob(&q, 0, &name_bytes);
		const void *body = column_blob(&q, 1, &body_bytes);

		if (name_bytes > NAME_BYTES_MAX) {
			q.malformed = true;
			break;
		}
		buf_add_block(&c->page, name, name_bytes);
		buf_add_block(&c->page, body, body_bytes);
		memcpy(c->last, name, name_bytes);
		c->last_bytes = name_bytes;
		if (++rows == PAGE_ROWS_MAX || c->page.len_bytes >= PAGE_BYTES_MAX)
			break;
	}
	c->more = code == ERR_NONE && row;
	code = query_end(&q, code, err);
	return code == ERR_NONE && c->page.failed ? err_nomem(err) : code;
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
	struct reader r;
	const uint8_t *body;
	size_t body_bytes;

	err->code = ERR_NONE;
	if (c->next == c->page.len_bytes && c->more && next_page(c, err) != ERR_NONE)
		return false;
	if (c->next == c->page.len_bytes)
		return false;
	r = reader_of(c->page.data + c->next, c->page.len_bytes - c->next);
	*name = read_block(&r, SIZE_MAX, name_bytes);
	body = read_block(&r, SIZE_MAX, &body_bytes);
	c->next = c->page.len_bytes - r.left_bytes;
	return decode_stored(c->t, body, body_bytes, node, err) == ERR_NONE;
}

void table_children_close(struct table_children *c)
{
	if (!c)
		return;
	buf_release(&c->page);
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
