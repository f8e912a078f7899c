#include "table/table_internal.h"

#include <assert.h>
#include <string.h>

static enum err_code code_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	case SQLITE_FULL:
		return ERR_FULL;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_LOCKED;
	case SQLITE_READONLY:
		return ERR_READONLY;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return ERR_DENIED;
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	default:
		return ERR_IO;
	}
}

int table_error(struct table *t, int rc, const char *step, struct error *err)
{
	enum err_code code = code_of(rc);

	if (code == ERR_CORRUPT)
		t->damaged = true;
	return err_set(err, code, "table %s: %s: %s", t->path, step,
		       t->db ? sqlite3_errmsg(t->db) : sqlite3_errstr(rc));
}

int table_stored(struct table *t, int code, struct error *err)
{
	if (code != ERR_CORRUPT)
		return code;
	t->damaged = true;
	return err_wrap(err, "table %s", t->path);
}

int table_exec(struct table *t, const char *sql, struct error *err)
{
	int rc = sqlite3_exec(t->db, sql, NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		return table_error(t, rc, "set up", err);
	return ERR_NONE;
}

static struct statement *slot_of(struct table *t, const char *sql)
{
	size_t i = (size_t)(((uintptr_t)sql * 0x9e3779b97f4a7c15u) >> 32) % STATEMENTS_MAX;

	for (size_t tries = 0; tries < STATEMENTS_MAX; tries++) {
		struct statement *s = &t->statements[i];

		if (s->sql == sql || !s->sql)
			return s;
		i = (i + 1) % STATEMENTS_MAX;
	}
	assert(false && "more statements than STATEMENTS_MAX");
	return NULL;
}

struct query query_of(struct table *t, const char *sql)
{
	struct query q = { .t = t };
	struct statement *s = slot_of(t, sql);

	if (!s->sql) {
		q.rc = sqlite3_prepare_v3(t->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->stmt,
					  NULL);
		if (q.rc != SQLITE_OK)
			return q;
		s->sql = sql;
	}
	assert(!sqlite3_stmt_busy(s->stmt));
	q.stmt = s->stmt;
	return q;
}

void query_int(struct query *q, int64_t v)
{
	if (q->rc == SQLITE_OK)
		q->rc = sqlite3_bind_int64(q->stmt, ++q->bound, v);
}

void query_blob(struct query *q, const void *bytes, size_t len_bytes)
{
	if (q->rc != SQLITE_OK)
		return;
	/* A NULL pointer would bind NULL, which is no empty blob. */
	q->rc = sqlite3_bind_blob64(q->stmt, ++q->bound, len_bytes ? bytes : "", len_bytes,
				    SQLITE_STATIC);
}

void query_id(struct query *q, const struct id *id)
{
	query_blob(q, id->b, ID_BYTES);
}

void query_hash(struct query *q, const struct hash *h)
{
	query_blob(q, h->b, HASH_BYTES);
}

int query_next(struct query *q, bool *row, struct error *err)
{
	*row = false;
	if (q->rc == SQLITE_OK) {
		int rc = sqlite3_step(q->stmt);

		*row = rc == SQLITE_ROW;
		if (rc == SQLITE_ROW || rc == SQLITE_DONE)
			return ERR_NONE;
		q->rc = rc;
	}
	return table_error(q->t, q->rc, q->stmt ? sqlite3_sql(q->stmt) : "prepare", err);
}

int query_end(struct query *q, int code, struct error *err)
{
	if (q->stmt) {
		sqlite3_reset(q->stmt);
		sqlite3_clear_bindings(q->stmt);
	}
	if (code != ERR_NONE || !q->malformed)
		return code;
	return table_stored(q->t, err_set(err, ERR_CORRUPT, "a row is malformed"), err);
}

int query_run(struct query *q, struct error *err)
{
	bool row;
	int code = query_next(q, &row, err);

	return query_end(q, code, err);
}

int64_t column_int(struct query *q, int i)
{
	return sqlite3_column_int64(q->stmt, i);
}

const void *column_blob(struct query *q, int i, size_t *len_bytes)
{
	const void *bytes = sqlite3_column_blob(q->stmt, i);
	int len = sqlite3_column_bytes(q->stmt, i);

	*len_bytes = len > 0 ? (size_t)len : 0;
	return bytes ? bytes : "";
}

void column_exact(struct query *q, int i, void *out, size_t len_bytes)
{
	size_t len;
	const void *bytes = column_blob(q, i, &len);

	if (len == len_bytes) {
		memcpy(out, bytes, len_bytes);
		return;
	}
	memset(out, 0, len_bytes);
	q->malformed = true;
}

int query_value(struct query *q, int64_t *value, bool *found, struct error *err)
{
	int code = query_next(q, found, err);

	*value = code == ERR_NONE && *found ? column_int(q, 0) : 0;
	return query_end(q, code, err);
}

int query_each_id(struct query *q, table_id_fn *each, void *ctx, struct error *err)
{
	struct buf ids = { 0 };
	bool row;
	int code;

	while ((code = query_next(q, &row, err)) == ERR_NONE && row) {
		struct id id;

		column_exact(q, 0, id.b, ID_BYTES);
		buf_add(&ids, id.b, ID_BYTES);
	}
	code = query_end(q, code, err);
	if (code == ERR_NONE && ids.failed)
		code = err_nomem(err);
	for (size_t at = 0; code == ERR_NONE && at < ids.len_bytes; at += ID_BYTES) {
		struct id id;

		memcpy(id.b, ids.data + at, ID_BYTES);
		code = each(ctx, &id, err);
	}
	buf_release(&ids);
	return code;
}
