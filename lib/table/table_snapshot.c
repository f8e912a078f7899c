/* Series and snapshots: what comes for one is kept until its commit. */
#include "table/table_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- replay: what is not committed yet ---- */

int replay_series(struct replay *r, const struct record *rec, struct error *err)
{
	struct series_record s;
	struct buf scratch = { 0 };
	int code = parse_series(rec->body, &s, &scratch, err);

	buf_release(&scratch);
	return code == ERR_NONE ? fact_set(r, rec, s.id.b, ID_BYTES, err) : code;
}

int replay_intent(struct replay *r, const struct record *rec, struct error *err)
{
	struct id put_id;
	int64_t time_s;
	int code = parse_intent(rec->body, &put_id, &time_s, err);

	return code == ERR_NONE ? fact_set(r, rec, put_id.b, ID_BYTES, err) : code;
}

/* What was begun for the put is dropped too, if its own writer says so: another one (who gave up
 * a dead writer) cannot know whether it was committed meanwhile. */
int replay_intent_end(struct replay *r, const struct record *rec, struct error *err)
{
	struct query q;
	struct id put_id;
	int code = parse_id(rec->body, &put_id, err);

	if (code == ERR_NONE)
		code = fact_drop(r, RECORD_INTENT, put_id.b, ID_BYTES, err);
	if (code != ERR_NONE)
		return code;
	q = query_of(r->t, "DELETE FROM pending WHERE snapshot IN"
			   " (SELECT snapshot FROM pending WHERE type = 11 AND link = ?"
			   " AND writer = ?)");
	query_id(&q, &put_id);
	query_int(&q, r->at.writer_id);
	return query_run(&q, err);
}

static int is_committed(struct table *t, const struct id *uid, bool *yes, struct error *err)
{
	struct query q = query_of(t, "SELECT 1 FROM snapshot WHERE uid = ?");
	int64_t one;

	query_id(&q, uid);
	return query_value(&q, &one, yes, err);
}

/* link: of a snapshot's head its put, of its commit its base, else NULL. */
static int put_pending(struct replay *r, const struct record *rec, const struct id *uid,
		       const struct id *link, struct error *err)
{
	struct query q;
	bool known;
	int code = is_committed(r->t, uid, &known, err);

	if (code != ERR_NONE || known)
		return code;
	q = query_of(r->t, "INSERT INTO pending(snapshot, type, writer, seq, rank, body, link)"
			   " VALUES(?, ?, ?, ?, ?, ?, ?)");
	query_id(&q, uid);
	query_int(&q, (int64_t)rec->type);
	query_int(&q, r->at.writer_id);
	query_int(&q, (int64_t)r->at.seq);
	query_int(&q, (int64_t)r->at.rank);
	query_blob(&q, rec->body.at, rec->body.left_bytes);
	if (link)
		query_id(&q, link);
	return query_run(&q, err);
}

int replay_snapshot(struct replay *r, const struct record *rec, struct error *err)
{
	struct snapshot_record s;
	struct buf scratch = { 0 };
	int code = parse_snapshot(rec->body, &s, &scratch, err);

	buf_release(&scratch);
	return code == ERR_NONE ? put_pending(r, rec, &s.id, &s.put_id, err) : code;
}

static int any_removed(void *ctx, const uint8_t *name, size_t name_bytes, struct error *err)
{
	(void)ctx, (void)name, (void)name_bytes, (void)err;
	return ERR_NONE;
}

static int any_entry(void *ctx, const uint8_t *name, size_t name_bytes, const struct node *n,
		     struct error *err)
{
	(void)ctx, (void)name, (void)name_bytes, (void)n, (void)err;
	return ERR_NONE;
}

int replay_folder(struct replay *r, const struct record *rec, struct error *err)
{
	const struct folder_reader check = { .removed = any_removed, .entry = any_entry };
	struct reader body = rec->body;
	const uint8_t *path;
	size_t path_bytes;
	struct id uid;
	int code = parse_folder_head(&body, &uid, &path, &path_bytes, err);

	if (code == ERR_NONE)
		code = parse_folder_changes(&body, &check, err);
	return code == ERR_NONE ? put_pending(r, rec, &uid, NULL, err) : code;
}

int replay_content(struct replay *r, const struct record *rec, struct error *err)
{
	struct content_record c;
	int code = parse_content(rec->body, &c, err);

	if (code == ERR_NONE && c.part > INT64_MAX)
		code = err_set(err, ERR_CORRUPT, "content record: a number is too large");
	return code == ERR_NONE ? put_pending(r, rec, &c.snapshot, NULL, err) : code;
}

/* ---- replay: commits ---- */

/* A snapshot whose records are pending. */
struct commit {
	struct id uid;
	struct buf body, scratch;
	struct snapshot_record head; /* lent from body and scratch */
	int64_t writer, seq, rank;
	bool complete; /* head and commit are both here */
};

static void commit_release(struct commit *c)
{
	buf_release(&c->body);
	buf_release(&c->scratch);
}

static int load_commit(struct table *t, const struct id *uid, struct commit *c, struct error *err)
{
	struct query q = query_of(t, "SELECT head.body, done.writer, done.seq, done.rank"
				     " FROM pending AS head JOIN pending AS done"
				     " ON done.snapshot = head.snapshot WHERE head.snapshot = ?"
				     " AND head.type = 11 AND done.type = 14 LIMIT 1");
	int code;

	memset(c, 0, sizeof(*c));
	c->uid = *uid;
	query_id(&q, uid);
	code = query_next(&q, &c->complete, err);
	if (code == ERR_NONE && c->complete) {
		size_t len;
		const void *body = column_blob(&q, 0, &len);

		buf_add(&c->body, body, len);
		c->writer = column_int(&q, 1);
		c->seq = column_int(&q, 2);
		c->rank = column_int(&q, 3);
		if (c->body.failed)
			code = err_nomem(err);
	}
	code = query_end(&q, code, err);
	if (code == ERR_NONE && c->complete)
		code = table_stored(t,
				    parse_snapshot(reader_of(c->body.data, c->body.len_bytes),
						   &c->head, &c->scratch, err),
				    err);
	return code;
}

static int find_place(struct table *t, const struct id *uid, struct line_place *out, bool *is_tip,
		      bool *found, struct error *err)
{
	struct query q = query_of(t, "SELECT line, ordinal, ordinal = tip FROM snapshot"
				     " JOIN line ON line.id = snapshot.line WHERE uid = ?");
	int code;

	query_id(&q, uid);
	code = query_next(&q, found, err);
	if (code == ERR_NONE && *found) {
		out->line = column_int(&q, 0);
		out->ordinal = column_int(&q, 1);
		*is_tip = column_int(&q, 2);
	}
	return query_end(&q, code, err);
}

/* Where the snapshot goes: after its base if that is the tip of its line, else to a new line
 * that begins as a copy of the base (two writers went on from one base). *wait: the base is not
 * here yet; without_base: it will not come, and the snapshot is taken as it is. */
static int choose_place(struct table *t, const struct commit *c, bool without_base, struct delta *d,
			bool *wait, struct error *err)
{
	struct line_place base;
	struct query q;
	bool is_tip = false, found = false;
	int code = ERR_NONE;

	*wait = false;
	if (!id_is_zero(&c->head.base))
		code = find_place(t, &c->head.base, &base, &is_tip, &found, err);
	if (code != ERR_NONE)
		return code;
	if (!found) {
		*wait = !id_is_zero(&c->head.base) && !without_base;
		d->first_of_line = true;
		return *wait ? ERR_NONE : line_make(t, NULL, &d->at, err);
	}
	if (!is_tip)
		return line_make(t, &base, &d->at, err);
	d->at = (struct line_place){ .line = base.line, .ordinal = base.ordinal + 1 };
	q = query_of(t, "UPDATE line SET tip = ? WHERE id = ?");
	query_int(&q, d->at.ordinal);
	query_int(&q, d->at.line);
	return query_run(&q, err);
}

static int insert_snapshot(struct table *t, const struct commit *c, const struct line_place *at,
			   struct error *err)
{
	struct query q = query_of(t, "INSERT INTO snapshot(uid, series, line, ordinal, rank, time,"
				     " writer, seq, stored, body)"
				     " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

	query_id(&q, &c->uid);
	query_id(&q, &c->head.series);
	query_int(&q, at->line);
	query_int(&q, at->ordinal);
	query_int(&q, c->rank);
	query_int(&q, c->head.time_ns);
	query_int(&q, c->writer);
	query_int(&q, c->seq);
	query_int(&q, !id_is_zero(&c->head.put_id));
	query_blob(&q, c->body.data, c->body.len_bytes);
	return query_run(&q, err);
}

static int apply_changes(struct delta *d, const struct id *uid, struct error *err)
{
	struct query q = query_of(d->t, "SELECT type, body FROM pending WHERE snapshot = ?"
					" AND type IN (12, 13) ORDER BY n");
	bool row;
	int code;

	query_id(&q, uid);
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		size_t len;
		const void *body = column_blob(&q, 1, &len);

		if (column_int(&q, 0) == RECORD_FOLDER)
			code = delta_folder(d, reader_of(body, len), err);
		else
			code = delta_content(d, reader_of(body, len), err);
		code = table_stored(d->t, code, err); /* it was checked when it came */
		if (code != ERR_NONE)
			break;
	}
	return query_end(&q, code, err);
}

static int commit_one(struct table *t, const struct id *uid, bool without_base, bool *done,
		      struct error *err)
{
	struct delta d = { .t = t };
	struct commit c;
	struct query q;
	bool wait = true;
	int code = load_commit(t, uid, &c, err);

	*done = false;
	if (code == ERR_NONE && c.complete)
		code = choose_place(t, &c, without_base, &d, &wait, err);
	if (code == ERR_NONE && !wait) {
		code = insert_snapshot(t, &c, &d.at, err);
		if (code == ERR_NONE)
			code = apply_changes(&d, uid, err);
		if (code == ERR_NONE) {
			q = query_of(t, "DELETE FROM pending WHERE snapshot = ?");
			query_id(&q, uid);
			code = query_run(&q, err);
		}
		*done = code == ERR_NONE;
	}
	buf_release(&d.body);
	commit_release(&c);
	return code;
}

static int add_id(void *ctx, const struct id *id, struct error *err)
{
	struct buf *ids = ctx;

	buf_add(ids, id->b, ID_BYTES);
	return ids->failed ? err_nomem(err) : ERR_NONE;
}

/* Commits the snapshot and all that waited for it. */
static int commit_with_followers(struct table *t, const struct id *first, bool without_base,
				 bool *done, struct error *err)
{
	struct buf ids = { 0 };
	int code = add_id(&ids, first, err);

	*done = false;
	for (size_t at = 0; code == ERR_NONE && at < ids.len_bytes; at += ID_BYTES) {
		struct query q;
		struct id uid;
		bool now;

		memcpy(uid.b, ids.data + at, ID_BYTES);
		code = commit_one(t, &uid, without_base && at == 0, &now, err);
		if (code != ERR_NONE || !now)
			continue;
		*done = true;
		q = query_of(t, "SELECT snapshot FROM pending WHERE type = 14 AND link = ?");
		query_id(&q, &uid);
		code = query_each_id(&q, add_id, &ids, err);
	}
	buf_release(&ids);
	return code;
}

int replay_commit(struct replay *r, const struct record *rec, struct error *err)
{
	struct commit c;
	struct id uid;
	bool done;
	int code = parse_commit(rec->body, &uid, err);

	if (code == ERR_NONE)
		code = put_pending(r, rec, &uid, NULL, err);
	if (code != ERR_NONE)
		return code;
	code = load_commit(r->t, &uid, &c, err);
	if (code == ERR_NONE && c.complete) {
		struct query q = query_of(r->t, "UPDATE pending SET link = ?"
						" WHERE snapshot = ? AND type = 14");

		query_id(&q, &c.head.base);
		query_id(&q, &uid);
		code = query_run(&q, err);
	}
	if (code == ERR_NONE && c.complete && !id_is_zero(&c.head.put_id))
		code = fact_drop(r, RECORD_INTENT, c.head.put_id.b, ID_BYTES, err);
	if (code == ERR_NONE && c.complete)
		code = commit_with_followers(r->t, &uid, false, &done, err);
	commit_release(&c);
	return code;
}

int replay_settled(struct replay *r, const struct record *rec, struct error *err)
{
	struct id uid;
	bool done;
	int code = parse_id(rec->body, &uid, err);

	return code == ERR_NONE ? commit_with_followers(r->t, &uid, true, &done, err) : code;
}

struct settle_walk {
	struct table *t;
	bool any;
};

static int settle_one(void *ctx, const struct id *uid, struct error *err)
{
	struct settle_walk *w = ctx;
	bool done;
	int code = commit_with_followers(w->t, uid, true, &done, err);

	w->any |= done;
	return code;
}

int table_settle(struct table *t, struct error *err)
{
	bool own = !t->in_transaction;
	struct settle_walk w = { .t = t };
	int code = own ? table_begin(t, err) : ERR_NONE;

	if (code != ERR_NONE)
		return code;
	do {
		/* First those whose base waits for nothing itself: each base is missed once. */
		struct query q = query_of(t, "SELECT snapshot FROM pending AS p WHERE type = 14"
					     " AND NOT EXISTS (SELECT 1 FROM pending AS b WHERE"
					     " b.snapshot = p.link AND b.type = 14)"
					     " ORDER BY rank, snapshot");

		w.any = false;
		code = query_each_id(&q, settle_one, &w, err);
	} while (code == ERR_NONE && w.any);
	if (!own) {
		t->broken |= code != ERR_NONE;
		return code;
	}
	if (code == ERR_NONE)
		return table_commit(t, err);
	table_rollback(t);
	return code;
}
