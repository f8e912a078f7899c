/* What scrubs found whole, and what that says of each object that lies on a drive now. */
#include "table/table_internal.h"
#include "table/verified.h"

#include <stdlib.h>
#include <string.h>

/* ---- replay ---- */

/* A record that stands, and who said it. */
struct standing_record {
	struct hash writer;
	uint64_t seq;
	struct verified_record v;
	bool cut; /* by the one at hand */
};
struct standing_records {
	struct standing_record *items;
	size_t count, cap;
};

static void release_records(struct standing_records *l)
{
	for (size_t i = 0; i < l->count; i++)
		verified_release(&l->items[i].v);
	free(l->items);
}

static int load_records(struct table *t, int64_t drive, struct standing_records *out,
			struct error *err)
{
	struct query q = query_of(t, "SELECT writer.key, verified.seq, body FROM verified"
				     " JOIN writer ON writer.id = verified.writer"
				     " WHERE verified.drive = ?");
	bool row;
	int code;

	query_int(&q, drive);
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		struct standing_record *s;
		size_t len;
		const void *body = column_blob(&q, 2, &len);

		if (!grow(&out->items, &out->cap, out->count + 1, sizeof(*out->items))) {
			code = err_nomem(err);
			break;
		}
		s = &out->items[out->count];
		memset(s, 0, sizeof(*s));
		column_exact(&q, 0, s->writer.b, HASH_BYTES);
		s->seq = (uint64_t)column_int(&q, 1);
		code = table_stored(t, parse_verified(reader_of(body, len), &s->v, err), err);
		if (code != ERR_NONE)
			break;
		out->count++;
	}
	return query_end(&q, code, err);
}

static bool same_marks(const struct clock *a, const struct clock *b)
{
	return clock_covers(a, b) && clock_covers(b, a);
}

/* Whether a follows b: an order, as clocks are. So what stands of a record is what it said without
 * what those that follow it say, whatever came first. */
static bool follows(const struct standing_record *a, const struct standing_record *b)
{
	return clock_seq(&a->v.known, &b->writer) >= b->seq ||
	       (hash_equal(&a->writer, &b->writer) && a->seq > b->seq &&
		same_marks(&a->v.known, &b->v.known));
}

/* Takes what b says out of a. */
static int cut(struct standing_record *a, const struct verified_record *b, struct error *err)
{
	for (size_t i = 0; i < a->v.count; i++) {
		for (size_t n = 0; n < b->count; n++) {
			if (!ranges_subtract(&a->v.claims[i].ranges, &b->claims[n].ranges))
				return err_nomem(err);
		}
	}
	a->cut = true;
	return ERR_NONE;
}

static int store_record(struct table *t, int64_t drive, int64_t writer,
			const struct standing_record *s, struct error *err)
{
	struct buf body = { 0 };
	struct query q;
	int code;

	if (verified_says_nothing(&s->v)) {
		q = query_of(t, "DELETE FROM verified WHERE drive = ? AND writer = ? AND seq = ?");
		query_int(&q, drive);
		query_int(&q, writer);
		query_int(&q, (int64_t)s->seq);
		return query_run(&q, err);
	}
	verified_encode(&s->v, &body);
	q = query_of(t, "INSERT OR REPLACE INTO verified(drive, writer, seq, body)"
			" VALUES(?, ?, ?, ?)");
	query_int(&q, drive);
	query_int(&q, writer);
	query_int(&q, (int64_t)s->seq);
	query_blob(&q, body.data, body.len_bytes);
	code = body.failed ? query_end(&q, err_nomem(err), err) : query_run(&q, err);
	buf_release(&body);
	return code;
}

/* Cuts the record at hand and those that stand by each other. */
static int settle(struct standing_records *l, struct standing_record *now, struct error *err)
{
	int code = ERR_NONE;

	for (size_t i = 0; i < l->count && code == ERR_NONE; i++) {
		struct standing_record *s = &l->items[i];

		if (follows(now, s))
			code = cut(s, &now->v, err);
		else if (follows(s, now))
			code = cut(now, &s->v, err);
	}
	return code;
}

int replay_verified(struct replay *r, const struct record *rec, struct error *err)
{
	struct standing_record now = { .writer = r->at.writer, .seq = r->at.seq };
	struct standing_records l = { 0 };
	int64_t drive = 0, writer = 0;
	int code = parse_verified(rec->body, &now.v, err);

	if (code == ERR_NONE)
		code = drive_number(r->t, &now.v.drive_id, &drive, err);
	if (code == ERR_NONE)
		code = load_records(r->t, drive, &l, err);
	if (code == ERR_NONE)
		code = settle(&l, &now, err);
	for (size_t i = 0; i < l.count && code == ERR_NONE; i++) {
		if (!l.items[i].cut)
			continue;
		code = writer_number(r->t, &l.items[i].writer, &writer, err);
		if (code == ERR_NONE)
			code = store_record(r->t, drive, writer, &l.items[i], err);
	}
	if (code == ERR_NONE)
		code = store_record(r->t, drive, r->at.writer_id, &now, err);
	release_records(&l);
	verified_release(&now.v);
	return code;
}

/* ---- what is known of an object ---- */

/* One record; what it knew by this table's number of each writer. */
struct known_claims {
	struct verified_record v;
	int64_t *seqs; /* by number of writer; owned */
	size_t count;
};
struct drive_claims {
	struct known_claims *items;
	size_t count;
};

static int number_marks(struct table *t, struct known_claims *k, struct error *err)
{
	int code = ERR_NONE;
	size_t cap = 0;

	for (size_t i = 0; i < k->v.known.count && code == ERR_NONE; i++) {
		const struct mark *m = &k->v.known.marks[i];
		struct query q = query_of(t, "SELECT id FROM writer WHERE key = ?");
		int64_t id;
		bool found;

		query_hash(&q, &m->writer);
		code = query_value(&q, &id, &found, err);
		if (code != ERR_NONE || !found || id < 0)
			continue;
		if (!grow(&k->seqs, &cap, (size_t)id + 1, sizeof(*k->seqs)))
			return err_nomem(err);
		while (k->count <= (size_t)id)
			k->seqs[k->count++] = 0;
		k->seqs[id] = m->seq > INT64_MAX ? INT64_MAX : (int64_t)m->seq;
	}
	return code;
}

void drive_claims_free(struct drive_claims *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->count; i++) {
		verified_release(&c->items[i].v);
		free(c->items[i].seqs);
	}
	free(c->items);
	free(c);
}

int drive_claims_load(struct table *t, int64_t drive, struct drive_claims **out, struct error *err)
{
	struct drive_claims *c = calloc(1, sizeof(*c));
	struct standing_records l = { 0 };
	int code = c ? load_records(t, drive, &l, err) : err_nomem(err);

	if (code == ERR_NONE) {
		c->items = calloc(l.count + 1, sizeof(*c->items));
		if (!c->items)
			code = err_nomem(err);
	}
	for (size_t i = 0; i < l.count && code == ERR_NONE; i++) {
		c->items[c->count].v = l.items[i].v;
		memset(&l.items[i].v, 0, sizeof(l.items[i].v));
		code = number_marks(t, &c->items[c->count++], err);
	}
	release_records(&l);
	if (code != ERR_NONE) {
		drive_claims_free(c);
		c = NULL;
	}
	*out = c;
	return code;
}

/* Of records that do not follow each other the higher turn counts. */
void drive_claims_ask(const struct drive_claims *c, const struct hash *name, int64_t writer,
		      int64_t seq, struct table_verified *out)
{
	uint64_t number = name_number(name);

	*out = (struct table_verified){ 0 };
	for (size_t i = 0; i < c->count; i++) {
		const struct known_claims *k = &c->items[i];

		if (writer < 0 || (size_t)writer >= k->count || k->seqs[writer] < seq)
			continue;
		for (size_t n = 0; n < k->v.count; n++) {
			const struct verified_claim *claim = &k->v.claims[n];

			if ((claim->turn > out->turn ||
			     (claim->turn == out->turn && claim->time_s > out->time_s)) &&
			    ranges_have(&claim->ranges, number))
				*out = (struct table_verified){ claim->turn, claim->time_s };
		}
	}
}

/* ---- sums ---- */

static void add_to_sums(const struct drive_claims *claims, struct query *q, int64_t since_s,
			int64_t now_s, struct table_verification *out)
{
	struct table_verified v;
	struct hash name;
	uint64_t len;

	column_exact(q, 0, name.b, HASH_BYTES);
	len = (uint64_t)column_int(q, 1);
	drive_claims_ask(claims, &name, column_int(q, 2), column_int(q, 3), &v);
	out->objects++;
	out->bytes += len;
	if (v.turn == 0) {
		out->never_objects++;
		out->never_bytes += len;
		return;
	}
	if (out->oldest_s == 0 || v.time_s < out->oldest_s)
		out->oldest_s = v.time_s;
	if (v.time_s >= since_s && v.time_s <= now_s)
		out->recent_bytes += len;
}

int table_verification(struct table *t, const struct id *drive_id, int64_t since_s, int64_t now_s,
		       struct table_verification *out, struct error *err)
{
	struct drive_claims *claims = NULL;
	int64_t drive;
	struct query q;
	bool found, row;
	int code;

	memset(out, 0, sizeof(*out));
	q = query_of(t, "SELECT id FROM drive WHERE uid = ?");
	query_id(&q, drive_id);
	code = query_value(&q, &drive, &found, err);
	if (code != ERR_NONE || !found)
		return code;
	code = drive_claims_load(t, drive, &claims, err);
	if (code != ERR_NONE)
		return code;
	q = query_of(t, "SELECT name, len, placed_writer, placed_seq FROM block WHERE drive > 0"
			" AND drive = ?1 AND state = 1 AND lost = 0 UNION ALL"
			" SELECT name, len, placed_writer, placed_seq FROM row"
			" WHERE drive = ?1 AND present = 1");
	query_int(&q, drive);
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row)
		add_to_sums(claims, &q, since_s, now_s, out);
	code = query_end(&q, code, err);
	drive_claims_free(claims);
	return code;
}
