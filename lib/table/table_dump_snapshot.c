/* A snapshot said again: what changed from its base, as the records that told it. */
#include "table/table_internal.h"

#include <stdlib.h>
#include <string.h>

#define FOLDER_RECORD_BYTES ((size_t)256 << 10) /* a folder's record is split beyond */

/* A walk over the names that changed, by folder and name. */
struct change_walk {
	struct dump *d;
	const struct id *uid;
	struct line_place at;
	int64_t folder; /* -1: none yet */
	struct buf path;
	struct folder_writer writer;
	struct buf gone; /* the last name that ended: removed, unless it begins anew */
};

static int finish_removal(struct change_walk *w, struct error *err)
{
	if (w->gone.len_bytes > 0)
		folder_writer_remove(&w->writer, w->gone.data, w->gone.len_bytes);
	buf_clear(&w->gone);
	return w->writer.removed.failed ? err_nomem(err) : ERR_NONE;
}

static int finish_folder(struct change_walk *w, struct error *err)
{
	int code = finish_removal(w, err);

	if (code != ERR_NONE)
		return code;
	folder_writer_finish(&w->writer, w->uid, w->path.data, w->path.len_bytes, dump_out(w->d));
	return dump_flush(w->d, false, err);
}

static int enter_folder(struct change_walk *w, int64_t folder, struct error *err)
{
	int code = ERR_NONE;

	if (folder == w->folder && w->writer.entries.len_bytes < FOLDER_RECORD_BYTES)
		return ERR_NONE;
	if (w->folder >= 0)
		code = finish_folder(w, err);
	if (code != ERR_NONE || folder == w->folder)
		return code;
	w->folder = folder;
	buf_clear(&w->path);
	return path_text(w->d->t, folder, &w->path, err);
}

static int dump_parts(struct change_walk *w, const uint8_t *name, size_t name_bytes,
		      struct error *err)
{
	struct query q = query_of(w->d->t, "SELECT part, pieces FROM content WHERE line = ?"
					   " AND folder = ? AND name = ? AND first = ?");
	struct content_record c = { .snapshot = *w->uid,
				    .path = w->path.data,
				    .path_bytes = w->path.len_bytes,
				    .name = name,
				    .name_bytes = name_bytes };
	bool row;
	int code;

	query_int(&q, w->at.line);
	query_int(&q, w->folder);
	query_blob(&q, name, name_bytes);
	query_int(&q, w->at.ordinal);
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		c.part = (uint64_t)column_int(&q, 0);
		c.pieces = column_blob(&q, 1, &c.pieces_bytes);
		record_content(dump_out(w->d), &c);
		code = dump_flush(w->d, false, err);
		if (code != ERR_NONE)
			break;
	}
	return query_end(&q, code, err);
}

static int dump_change(struct change_walk *w, struct query *q, struct error *err)
{
	size_t name_bytes, body_bytes;
	const uint8_t *name = column_blob(q, 1, &name_bytes);
	bool begins = column_int(q, 2);
	const void *body = column_blob(q, 3, &body_bytes);
	bool again = w->gone.len_bytes == name_bytes && w->folder == column_int(q, 0) &&
		     memcmp(w->gone.data, name, name_bytes) == 0;
	struct reader r = reader_of(body, body_bytes);
	struct node n;
	int code;

	if (begins && again)
		buf_clear(&w->gone);
	code = finish_removal(w, err);
	if (code == ERR_NONE)
		code = enter_folder(w, column_int(q, 0), err);
	if (code != ERR_NONE)
		return code;
	if (!begins) {
		buf_add(&w->gone, name, name_bytes);
		return w->gone.failed ? err_nomem(err) : ERR_NONE;
	}
	code = table_stored(w->d->t, node_decode(&r, NULL, &n, err), err);
	if (code != ERR_NONE)
		return code;
	folder_writer_add(&w->writer, name, name_bytes, &n);
	return dump_parts(w, name, name_bytes, err);
}

/* The indexes hold only what changed after a line's first snapshot: that one is found by going
 * through its line. */
static struct query changes_query(struct table *t, const struct line_place *at)
{
	struct query q;

	if (at->ordinal == 1)
		q = query_of(t, "SELECT folder, name, 1, body FROM node WHERE line = ?1 AND"
				" first = ?2 ORDER BY folder, name");
	else
		q = query_of(t, "SELECT folder, name, 0, x'' FROM node WHERE line = ?1"
				" AND end = ?2 AND end < 9223372036854775807"
				" UNION ALL SELECT folder, name, 1, body FROM node WHERE line = ?1"
				" AND first = ?2 AND first > 1 ORDER BY 1, 2, 3");
	query_int(&q, at->line);
	query_int(&q, at->ordinal);
	return q;
}

static int dump_changes(struct change_walk *w, struct error *err)
{
	struct query q = changes_query(w->d->t, &w->at);
	bool row;
	int code;

	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		code = dump_change(w, &q, err);
		if (code != ERR_NONE)
			break;
	}
	code = query_end(&q, code, err);
	if (code == ERR_NONE && w->folder >= 0)
		code = finish_folder(w, err);
	return code;
}

/* *settled: it has a base, and begins a line that copied none. */
static int dump_head(struct dump *d, const struct id *uid, const struct line_place *at,
		     bool *settled, struct error *err)
{
	struct query q = query_of(d->t, "SELECT body FROM snapshot WHERE uid = ?");
	struct buf scratch = { 0 }, copy = { 0 };
	struct snapshot_record s;
	bool row;
	int code;

	query_id(&q, uid);
	code = query_next(&q, &row, err);
	if (code == ERR_NONE && row) {
		size_t len;
		const void *body = column_blob(&q, 0, &len);

		code = table_stored(d->t, parse_snapshot(reader_of(body, len), &s, &scratch, err),
				    err);
		if (code == ERR_NONE) {
			*settled = at->ordinal == 1 && !id_is_zero(&s.base);
			buf_add(&copy, body, len);
			record_add(dump_out(d), RECORD_SNAPSHOT, true, &copy);
		}
	}
	buf_release(&scratch);
	buf_release(&copy);
	return query_end(&q, code, err);
}

int dump_snapshot(struct dump *d, const struct id *uid, const struct line_place *at,
		  struct error *err)
{
	struct change_walk w = { .d = d, .uid = uid, .at = *at, .folder = -1 };
	bool settled = false;
	int code = dump_head(d, uid, at, &settled, err);

	if (code == ERR_NONE)
		code = dump_changes(&w, err);
	if (code == ERR_NONE) {
		record_commit(dump_out(d), uid);
		if (settled)
			record_id(dump_out(d), RECORD_SETTLED, uid);
		code = dump_flush(d, false, err);
	}
	folder_writer_release(&w.writer);
	buf_release(&w.path);
	buf_release(&w.gone);
	return code;
}
