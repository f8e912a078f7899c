/* Records about what was stored: series, snapshots, folders and long contents. */
#include "table/record.h"

#include "table/record_codec.h"

#include <string.h>

/* Whether each path ends with its NUL; rising: and comes after the one before it. */
static bool paths_ok(const uint8_t *paths, size_t len_bytes, bool rising)
{
	const char *at = (const char *)paths, *end = at + len_bytes, *last = NULL;

	if (len_bytes > 0 && end[-1] != '\0')
		return false;
	for (; at < end; last = at, at += strlen(at) + 1)
		if (rising && last && strcmp(last, at) >= 0)
			return false;
	return true;
}

/* Copies two texts with their NULs to scratch and lends them from there: pointers into it are
 * taken when it grows no more. */
static int lend_texts(struct reader *body, size_t second_max_bytes, struct buf *scratch,
		      const char **first, const char **second, struct error *err)
{
	size_t first_bytes, second_bytes;
	const uint8_t *a = read_text(body, TEXT_MAX, &first_bytes);
	const uint8_t *b = read_text(body, second_max_bytes, &second_bytes);

	buf_clear(scratch);
	buf_add(scratch, a, first_bytes);
	buf_add_u8(scratch, 0);
	buf_add(scratch, b, second_bytes);
	buf_add_u8(scratch, 0);
	if (scratch->failed)
		return err_nomem(err);
	*first = (const char *)scratch->data;
	*second = *first + first_bytes + 1;
	return ERR_NONE;
}

void record_series(struct buf *out, const struct series_record *s)
{
	struct buf body = { 0 };

	buf_add_id(&body, &s->id);
	buf_add_string(&body, s->name);
	buf_add_string(&body, s->host);
	buf_add_block(&body, s->paths, s->paths_bytes);
	record_finish(out, RECORD_SERIES, true, &body);
}

int parse_series(struct reader body, struct series_record *s, struct buf *scratch,
		 struct error *err)
{
	int code;

	memset(s, 0, sizeof(*s));
	s->id = read_id(&body);
	code = lend_texts(&body, TEXT_MAX, scratch, &s->name, &s->host, err);
	if (code != ERR_NONE)
		return code;
	s->paths = read_block(&body, PATHS_BYTES_MAX, &s->paths_bytes);
	code = parse_end(&body, "series", err);
	if (code != ERR_NONE)
		return code;
	if (!paths_ok(s->paths, s->paths_bytes, true))
		return parse_refuse("series", "paths not sorted or not ended", err);
	return ERR_NONE;
}

void record_snapshot(struct buf *out, const struct snapshot_record *s)
{
	struct buf body = { 0 };

	buf_add_id(&body, &s->id);
	buf_add_id(&body, &s->series);
	buf_add_id(&body, &s->base);
	buf_add_id(&body, &s->put_id);
	buf_add_signed(&body, s->time_ns);
	buf_add_string(&body, s->host);
	buf_add_string(&body, s->tags);
	buf_add_block(&body, s->paths, s->paths_bytes);
	buf_add_varint(&body, s->files);
	buf_add_varint(&body, s->bytes);
	buf_add_varint(&body, s->added_bytes);
	record_finish(out, RECORD_SNAPSHOT, true, &body);
}

int parse_snapshot(struct reader body, struct snapshot_record *s, struct buf *scratch,
		   struct error *err)
{
	int code;

	memset(s, 0, sizeof(*s));
	s->id = read_id(&body);
	s->series = read_id(&body);
	s->base = read_id(&body);
	s->put_id = read_id(&body);
	s->time_ns = read_signed(&body);
	code = lend_texts(&body, TAGS_MAX, scratch, &s->host, &s->tags, err);
	if (code != ERR_NONE)
		return code;
	s->paths = read_block(&body, PATHS_BYTES_MAX, &s->paths_bytes);
	s->files = read_varint(&body);
	s->bytes = read_varint(&body);
	s->added_bytes = read_varint(&body);
	code = parse_end(&body, "snapshot", err);
	if (code != ERR_NONE)
		return code;
	if (!paths_ok(s->paths, s->paths_bytes, false))
		return parse_refuse("snapshot", "a path does not end", err);
	return ERR_NONE;
}

void folder_writer_release(struct folder_writer *w)
{
	buf_release(&w->removed);
	buf_release(&w->entries);
	memset(w, 0, sizeof(*w));
}

void folder_writer_remove(struct folder_writer *w, const void *name, size_t name_bytes)
{
	buf_add_block(&w->removed, name, name_bytes);
	w->removed_count++;
}

void folder_writer_add(struct folder_writer *w, const void *name, size_t name_bytes,
		       const struct node *n)
{
	buf_add_block(&w->entries, name, name_bytes);
	node_encode(n, w->entry_count > 0 ? &w->prev : NULL, &w->entries);
	w->prev = *n;
	w->entry_count++;
}

void folder_writer_finish(struct folder_writer *w, const struct id *snapshot, const void *path,
			  size_t path_bytes, struct buf *out)
{
	struct buf body = { 0 };

	if (w->removed_count == 0 && w->entry_count == 0)
		return;
	buf_add_id(&body, snapshot);
	buf_add_block(&body, path, path_bytes);
	buf_add_varint(&body, w->removed_count);
	buf_add(&body, w->removed.data, w->removed.len_bytes);
	buf_add_varint(&body, w->entry_count);
	buf_add(&body, w->entries.data, w->entries.len_bytes);
	if (w->removed.failed || w->entries.failed)
		body.failed = true;
	record_finish(out, RECORD_FOLDER, true, &body);
	buf_clear(&w->removed);
	buf_clear(&w->entries);
	w->removed_count = w->entry_count = 0;
	memset(&w->prev, 0, sizeof(w->prev));
}

int parse_folder_head(struct reader *body, struct id *snapshot, const uint8_t **path,
		      size_t *path_bytes, struct error *err)
{
	*snapshot = read_id(body);
	*path = read_block(body, PATH_BYTES_MAX, path_bytes);
	if (body->failed)
		return parse_refuse("folder", "malformed or cut", err);
	if (!path_ok(*path, *path_bytes))
		return parse_refuse("folder", "not a folder's path", err);
	return ERR_NONE;
}

static int read_name(struct reader *body, const uint8_t **name, size_t *name_bytes,
		     struct error *err)
{
	*name = read_block(body, NAME_BYTES_MAX, name_bytes);
	if (body->failed)
		return parse_refuse("folder", "malformed or cut", err);
	if (!name_ok(*name, *name_bytes))
		return parse_refuse("folder", "not a file's name", err);
	return ERR_NONE;
}

int parse_folder_changes(struct reader *body, const struct folder_reader *f, struct error *err)
{
	struct node nodes[2]; /* this one and, relative to it, the next */
	const uint8_t *name;
	size_t name_bytes;
	uint64_t count;
	int code = ERR_NONE;

	count = read_varint(body);
	for (uint64_t i = 0; code == ERR_NONE && !body->failed && i < count; i++) {
		code = read_name(body, &name, &name_bytes, err);
		if (code == ERR_NONE)
			code = f->removed(f->ctx, name, name_bytes, err);
	}
	if (code != ERR_NONE)
		return code;
	count = read_varint(body);
	for (uint64_t i = 0; code == ERR_NONE && !body->failed && i < count; i++) {
		struct node *n = &nodes[i % 2];

		code = read_name(body, &name, &name_bytes, err);
		if (code == ERR_NONE &&
		    node_decode(body, i > 0 ? &nodes[(i + 1) % 2] : NULL, n, err) != ERR_NONE)
			code = err_wrap(err, "folder record");
		if (code == ERR_NONE)
			code = f->entry(f->ctx, name, name_bytes, n, err);
	}
	return code != ERR_NONE ? code : parse_end(body, "folder", err);
}

void record_content(struct buf *out, const struct content_record *c)
{
	struct buf body = { 0 };

	buf_add_id(&body, &c->snapshot);
	buf_add_block(&body, c->path, c->path_bytes);
	buf_add_block(&body, c->name, c->name_bytes);
	buf_add_varint(&body, c->part);
	buf_add_block(&body, c->pieces, c->pieces_bytes);
	record_finish(out, RECORD_CONTENT, true, &body);
}

int parse_content(struct reader body, struct content_record *c, struct error *err)
{
	int code;

	memset(c, 0, sizeof(*c));
	c->snapshot = read_id(&body);
	c->path = read_block(&body, PATH_BYTES_MAX, &c->path_bytes);
	c->name = read_block(&body, NAME_BYTES_MAX, &c->name_bytes);
	c->part = read_varint(&body);
	c->pieces = read_block(&body, CONTENT_PART_BYTES, &c->pieces_bytes);
	code = parse_end(&body, "content", err);
	if (code != ERR_NONE)
		return code;
	if (!path_ok(c->path, c->path_bytes) || !name_ok(c->name, c->name_bytes))
		return parse_refuse("content", "not a path and name", err);
	if (!pieces_ok(c->pieces, c->pieces_bytes))
		return parse_refuse("content", "malformed pieces", err);
	return ERR_NONE;
}
