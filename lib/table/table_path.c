/* Folder paths and their numbers. A number is never reused for another path. */
#include "table/table_internal.h"

#include <string.h>

#define DEPTH_MAX (PATH_BYTES_MAX / 2)

void path_cache_clear(struct table *t)
{
	t->paths.count = 0;
	buf_clear(&t->paths.text);
}

/* Keeps the steps that path shares with the one looked up last; returns where they end. */
static size_t keep_common(struct path_cache *c, const uint8_t *path, size_t path_bytes)
{
	size_t kept = 0, at = 0;

	while (kept < c->count) {
		size_t end = c->steps[kept].end_bytes;

		if (end > path_bytes || memcmp(path + at, c->text.data + at, end - at) != 0 ||
		    (end < path_bytes && path[end] != '/'))
			break;
		at = end;
		kept++;
	}
	c->count = kept;
	c->text.len_bytes = at;
	return at;
}

int path_child(struct table *t, int64_t parent, const void *name, size_t name_bytes, bool create,
	       int64_t *id, struct error *err)
{
	struct query q = query_of(t, "SELECT id FROM path WHERE parent = ? AND name = ?");
	bool found;
	int code;

	query_int(&q, parent);
	query_blob(&q, name, name_bytes);
	code = query_value(&q, id, &found, err);
	if (code != ERR_NONE || found)
		return code;
	if (!create)
		return err_set(err, ERR_NOT_FOUND, "the table knows no such folder");
	q = query_of(t, "INSERT INTO path(parent, name) VALUES(?, ?)");
	query_int(&q, parent);
	query_blob(&q, name, name_bytes);
	code = query_run(&q, err);
	*id = sqlite3_last_insert_rowid(t->db);
	return code;
}

int path_number(struct table *t, const void *path, size_t path_bytes, bool create, int64_t *id,
		struct error *err)
{
	struct path_cache *c = &t->paths;
	const uint8_t *p = path;
	size_t at;

	*id = ROOT_FOLDER;
	if (!path_ok(path, path_bytes))
		return err_set(err, ERR_NOT_FOUND, "not an absolute path");
	at = keep_common(c, p, path_bytes);
	if (c->count > 0)
		*id = c->steps[c->count - 1].id;
	while (at < path_bytes) {
		const uint8_t *slash = memchr(p + at + 1, '/', path_bytes - at - 1);
		size_t end = slash ? (size_t)(slash - p) : path_bytes;
		int code = path_child(t, *id, p + at + 1, end - at - 1, create, id, err);

		if (code != ERR_NONE)
			return code;
		buf_add(&c->text, p + at, end - at);
		if (c->text.failed || !grow(&c->steps, &c->cap, c->count + 1, sizeof(*c->steps))) {
			path_cache_clear(t);
			return err_nomem(err);
		}
		c->steps[c->count++] = (struct path_step){ .end_bytes = end, .id = *id };
		at = end;
	}
	return ERR_NONE;
}

/* Names from the folder up to the root, each followed by its length. */
static int gather_names(struct table *t, int64_t id, struct buf *names, struct error *err)
{
	for (size_t depth = 0; id != ROOT_FOLDER; depth++) {
		struct query q = query_of(t, "SELECT parent, name FROM path WHERE id = ?");
		bool row;
		int code;

		query_int(&q, id);
		code = query_next(&q, &row, err);
		if (code == ERR_NONE && row && depth < DEPTH_MAX) {
			size_t len;
			const void *name = column_blob(&q, 1, &len);

			id = column_int(&q, 0);
			q.malformed |= !name_ok(name, len);
			buf_add(names, name, len);
			buf_add_u16(names, (uint16_t)len);
		} else if (code == ERR_NONE) {
			q.malformed = true;
		}
		code = query_end(&q, code, err);
		if (code != ERR_NONE)
			return code;
	}
	return names->failed ? err_nomem(err) : ERR_NONE;
}

int path_text(struct table *t, int64_t id, struct buf *out, struct error *err)
{
	struct buf names = { 0 };
	int code = gather_names(t, id, &names, err);

	for (size_t at = names.len_bytes; code == ERR_NONE && at > 0;) {
		size_t len = load_u16(names.data + at - 2);

		at -= 2 + len;
		buf_add_u8(out, '/');
		buf_add(out, names.data + at, len);
	}
	buf_release(&names);
	if (code == ERR_NONE && out->failed)
		return err_nomem(err);
	return code;
}
