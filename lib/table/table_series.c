/* What is asked of series and snapshots. */
#include "table/table_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- series ---- */

struct series_walk {
	struct table *t;
	const char *name, *host;
	const void *paths;
	size_t paths_bytes;
	struct id *out;
	bool found;
	struct buf body, scratch;
};

static int load_series(struct table *t, const void *key, size_t key_bytes, struct buf *body,
		       struct buf *scratch, struct series_record *s, struct error *err)
{
	int code = fact_best(t, RECORD_SERIES, key, key_bytes, NULL, body, err);

	if (code != ERR_NONE)
		return code;
	return table_stored(
		t, parse_series(reader_of(body->data, body->len_bytes), s, scratch, err), err);
}

/* By rising id: should two writers have made one series twice, all take the same one. */
static int match_series(void *ctx, const uint8_t *key, size_t key_bytes, struct error *err)
{
	struct series_walk *w = ctx;
	struct series_record s;
	bool same;
	int code = w->found ? ERR_NONE
			    : load_series(w->t, key, key_bytes, &w->body, &w->scratch, &s, err);

	if (code != ERR_NONE || w->found)
		return code;
	same = strcmp(s.name, w->name) == 0;
	if (same && w->name[0] == '\0')
		same = strcmp(s.host, w->host) == 0 && s.paths_bytes == w->paths_bytes &&
		       (s.paths_bytes == 0 || memcmp(s.paths, w->paths, s.paths_bytes) == 0);
	if (!same)
		return ERR_NONE;
	*w->out = s.id;
	w->found = true;
	return ERR_NONE;
}

int table_series_find(struct table *t, const char *name, const char *host, const void *paths,
		      size_t paths_bytes, struct id *out, struct error *err)
{
	struct series_walk w = { .t = t, .name = name, .host = host, .out = out };
	int code;

	w.paths = paths;
	w.paths_bytes = paths_bytes;
	code = fact_keys(t, RECORD_SERIES, NULL, 0, match_series, &w, err);
	buf_release(&w.body);
	buf_release(&w.scratch);
	if (code == ERR_NONE && !w.found)
		return err_set(err, ERR_NOT_FOUND, "no such series");
	return code;
}

/* "" for a series without a name, and for one that is not known. */
static char *series_name(struct table *t, const struct id *series, struct error *err)
{
	struct buf body = { 0 }, scratch = { 0 };
	struct series_record s = { .name = "" };
	char *name = NULL;
	int code = load_series(t, series->b, ID_BYTES, &body, &scratch, &s, err);

	if (code == ERR_NOT_FOUND)
		s.name = "";
	if (code == ERR_NONE || code == ERR_NOT_FOUND) {
		name = strdup(s.name);
		if (!name)
			err_nomem(err);
	}
	buf_release(&body);
	buf_release(&scratch);
	return name;
}

/* ---- snapshots ---- */

void table_snapshot_release(struct table_snapshot *s)
{
	free(s->series_name);
	free(s->host);
	free(s->tags);
	free(s->paths);
	memset(s, 0, sizeof(*s));
}

#define SNAPSHOT_COLUMNS "body, line, ordinal"

static int load_snapshot(struct query *q, struct table_snapshot *out, struct error *err)
{
	struct snapshot_record s;
	struct buf scratch = { 0 };
	size_t len;
	const void *body = column_blob(q, 0, &len);
	int code = table_stored(q->t, parse_snapshot(reader_of(body, len), &s, &scratch, err), err);

	memset(out, 0, sizeof(*out));
	if (code != ERR_NONE)
		goto out;
	out->id = s.id;
	out->series = s.series;
	out->base = s.base;
	out->time_ns = s.time_ns;
	out->files = s.files;
	out->bytes = s.bytes;
	out->added_bytes = s.added_bytes;
	out->line = column_int(q, 1);
	out->ordinal = column_int(q, 2);
	out->host = strdup(s.host);
	out->tags = strdup(s.tags);
	out->paths = malloc(s.paths_bytes + 1);
	if (out->paths && s.paths_bytes > 0)
		memcpy(out->paths, s.paths, s.paths_bytes);
	out->paths_bytes = s.paths_bytes;
	out->series_name = series_name(q->t, &s.series, err);
	if (!out->series_name)
		code = (int)err->code;
	else if (!out->host || !out->tags || !out->paths)
		code = err_nomem(err);
	if (code != ERR_NONE)
		table_snapshot_release(out);
out:
	buf_release(&scratch);
	return code;
}

bool table_snapshot_has_tag(const struct table_snapshot *s, const char *tag)
{
	size_t len = strlen(tag);

	for (const char *at = s->tags; *at; at += strcspn(at, ",")) {
		at += *at == ',';
		if (strcspn(at, ",") == len && memcmp(at, tag, len) == 0)
			return true;
	}
	return false;
}

static bool wanted(const struct table_snapshot *s, const struct snapshot_filter *f)
{
	if (!f)
		return true;
	if (f->host && strcmp(f->host, s->host) != 0)
		return false;
	if (f->series && strcmp(f->series, s->series_name) != 0)
		return false;
	if (f->tag && !table_snapshot_has_tag(s, f->tag))
		return false;
	return f->before_ns == 0 || s->time_ns < f->before_ns;
}

static void snapshots_free(struct table_snapshot *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		table_snapshot_release(&list[i]);
	free(list);
}

/* The rank rises along every causal chain, so this order agrees with the journal's clocks. */
int table_snapshots(struct table *t, const struct snapshot_filter *f, struct table_snapshot **out,
		    size_t *count, struct error *err)
{
	struct query q = query_of(t, "SELECT " SNAPSHOT_COLUMNS " FROM snapshot"
				     " ORDER BY rank, time, uid");
	struct table_snapshot *list = NULL;
	size_t cap = 0;
	bool row;
	int code;

	*out = NULL;
	*count = 0;
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		if (!grow(&list, &cap, *count + 1, sizeof(*list))) {
			code = err_nomem(err);
			break;
		}
		code = load_snapshot(&q, &list[*count], err);
		if (code != ERR_NONE)
			break;
		if (wanted(&list[*count], f))
			(*count)++;
		else
			table_snapshot_release(&list[*count]);
	}
	code = query_end(&q, code, err);
	if (code == ERR_NONE) {
		*out = list;
		return code;
	}
	snapshots_free(list, *count);
	*count = 0;
	return code;
}

int table_latest(struct table *t, const struct id *series, struct table_snapshot *out,
		 struct error *err)
{
	struct query q = query_of(t, "SELECT " SNAPSHOT_COLUMNS " FROM snapshot WHERE series = ?"
				     " ORDER BY rank DESC, time DESC, uid DESC LIMIT 1");
	bool row;
	int code;

	query_id(&q, series);
	code = query_next(&q, &row, err);
	if (code == ERR_NONE && row)
		code = load_snapshot(&q, out, err);
	else if (code == ERR_NONE)
		code = err_set(err, ERR_NOT_FOUND, "the series has no snapshot");
	return query_end(&q, code, err);
}

/* ---- intents ---- */

struct intent_walk {
	struct table *t;
	table_id_fn *each;
	void *ctx;
};

static int visit_intent(void *ctx, const uint8_t *key, size_t key_bytes, struct error *err)
{
	struct intent_walk *w = ctx;
	struct id put_id;

	if (key_bytes != ID_BYTES)
		return table_stored(w->t, err_set(err, ERR_CORRUPT, "an id is malformed"), err);
	memcpy(put_id.b, key, ID_BYTES);
	return w->each(w->ctx, &put_id, err);
}

int table_open_intents(struct table *t, table_id_fn *each, void *ctx, struct error *err)
{
	struct intent_walk w = { .t = t, .each = each, .ctx = ctx };

	return fact_keys(t, RECORD_INTENT, NULL, 0, visit_intent, &w, err);
}

int table_intent_writer(struct table *t, const struct id *put_id, struct hash *out,
			struct error *err)
{
	struct query q = query_of(t, "SELECT writer.key FROM fact JOIN seg ON seg.id = fact.seg"
				     " JOIN writer ON writer.id = seg.writer"
				     " WHERE fact.type = ? AND fact.key = ? LIMIT 1");
	bool row;
	int code;

	query_int(&q, RECORD_INTENT);
	query_id(&q, put_id);
	code = query_next(&q, &row, err);
	if (code == ERR_NONE && row)
		column_exact(&q, 0, out->b, HASH_BYTES);
	else if (code == ERR_NONE)
		code = err_set(err, ERR_NOT_FOUND, "no such intent is open");
	return query_end(&q, code, err);
}
