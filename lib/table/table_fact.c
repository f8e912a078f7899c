/*
 * Facts: what several writers may set, each without knowing of the others. All versions that
 * nobody has overwritten knowingly are kept, and readers choose the winner by rule; so the order
 * in which concurrent segments are replayed leaves no trace. (Version vectors as in Parker et
 * al., "Detection of mutual inconsistency in distributed systems", 1983.)
 */
#include "table/record_codec.h"
#include "table/table_internal.h"

#include <stdlib.h>
#include <string.h>

bool version_covers(const struct version *v, const struct hash *writer, uint64_t seq)
{
	if (hash_equal(&v->writer, writer))
		return v->seq >= seq;
	return clock_seq(v->clock, writer) >= seq;
}

static void marks_encode(const struct clock *c, struct buf *out)
{
	buf_add_varint(out, c->count);
	for (size_t i = 0; i < c->count; i++) {
		buf_add_hash(out, &c->marks[i].writer);
		buf_add_varint(out, c->marks[i].seq);
	}
}

int marks_decode(const void *bytes, size_t len_bytes, struct clock *out, struct error *err)
{
	struct reader r = reader_of(bytes, len_bytes);
	uint64_t count = read_varint_max(&r, WRITERS_MAX);

	out->count = 0;
	for (uint64_t i = 0; i < count && !r.failed; i++) {
		struct mark m = { .writer = read_hash(&r) };

		m.seq = read_varint(&r);
		if (!r.failed && !clock_set(out, &m))
			return err_nomem(err);
	}
	if (!reader_done(&r))
		return err_set(err, ERR_CORRUPT, "a clock is malformed");
	return ERR_NONE;
}

/* The seq of a writer in an encoded clock; 0: not in it, or the clock is malformed. */
static uint64_t encoded_seq(const void *bytes, size_t len_bytes, const struct hash *writer)
{
	struct reader r = reader_of(bytes, len_bytes);
	uint64_t count = read_varint_max(&r, WRITERS_MAX);

	for (uint64_t i = 0; i < count && !r.failed; i++) {
		struct hash found = read_hash(&r);
		uint64_t seq = read_varint(&r);

		if (!r.failed && hash_equal(&found, writer))
			return seq;
	}
	return 0;
}

/* The segment at hand gets a row only when a fact refers to it. */
static int store_segment(struct replay *r, struct error *err)
{
	struct table *t = r->t;
	struct buf clock = { 0 };
	struct query q;
	bool found;
	int code;

	if (r->at.seg_id != 0)
		return ERR_NONE;
	q = query_of(t, "SELECT id FROM seg WHERE writer = ? AND seq = ?");
	query_int(&q, r->at.writer_id);
	query_int(&q, (int64_t)r->at.seq);
	code = query_value(&q, &r->at.seg_id, &found, err);
	if (code != ERR_NONE || found)
		return code;
	marks_encode(r->at.clock, &clock);
	if (clock.failed) {
		buf_release(&clock);
		return err_nomem(err);
	}
	q = query_of(t, "INSERT INTO seg(writer, seq, rank, clock) VALUES(?, ?, ?, ?)");
	query_int(&q, r->at.writer_id);
	query_int(&q, (int64_t)r->at.seq);
	query_int(&q, (int64_t)r->at.rank);
	query_blob(&q, clock.data, clock.len_bytes);
	code = query_run(&q, err);
	buf_release(&clock);
	if (code == ERR_NONE)
		r->at.seg_id = sqlite3_last_insert_rowid(t->db);
	return code;
}

static int drop_version(struct replay *r, uint64_t type, const void *key, size_t key_bytes,
			int64_t seg, struct error *err)
{
	struct query q = query_of(r->t, "DELETE FROM fact WHERE type = ? AND key = ? AND seg = ?");
	int code;

	query_int(&q, (int64_t)type);
	query_blob(&q, key, key_bytes);
	query_int(&q, seg);
	code = query_run(&q, err);
	if (code != ERR_NONE || seg == r->at.seg_id)
		return code;
	q = query_of(r->t, "DELETE FROM seg WHERE id = ?1 AND"
			   " NOT EXISTS(SELECT 1 FROM fact WHERE seg = ?1)");
	query_int(&q, seg);
	return query_run(&q, err);
}

/* How the stored versions of one fact stand to the version at hand. */
struct rivals {
	int64_t *seen; /* segs of versions that the one at hand had seen; owned */
	size_t seen_count, seen_cap;
	bool newer; /* some version had seen the one at hand */
};

static int find_rivals(struct replay *r, uint64_t type, const void *key, size_t key_bytes,
		       struct rivals *out, struct error *err)
{
	struct query q = query_of(r->t, "SELECT seg.id, writer.key, seg.seq, seg.clock FROM fact"
					" JOIN seg ON seg.id = fact.seg"
					" JOIN writer ON writer.id = seg.writer"
					" WHERE fact.type = ? AND fact.key = ?");
	bool row;
	int code;

	query_int(&q, (int64_t)type);
	query_blob(&q, key, key_bytes);
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		struct hash writer;
		uint64_t seq = (uint64_t)column_int(&q, 2);
		size_t clock_bytes;
		const void *clock = column_blob(&q, 3, &clock_bytes);

		column_exact(&q, 1, writer.b, HASH_BYTES);
		if (version_covers(&r->at, &writer, seq)) {
			if (!grow(&out->seen, &out->seen_cap, out->seen_count + 1,
				  sizeof(*out->seen))) {
				code = err_nomem(err);
				break;
			}
			out->seen[out->seen_count++] = column_int(&q, 0);
		} else if (hash_equal(&writer, &r->at.writer) ||
			   encoded_seq(clock, clock_bytes, &r->at.writer) >= r->at.seq) {
			out->newer = true;
		}
	}
	return query_end(&q, code, err);
}

static int drop_seen(struct replay *r, uint64_t type, const void *key, size_t key_bytes,
		     bool *newer, struct error *err)
{
	struct rivals rivals = { 0 };
	int code = find_rivals(r, type, key, key_bytes, &rivals, err);

	for (size_t i = 0; code == ERR_NONE && i < rivals.seen_count; i++)
		code = drop_version(r, type, key, key_bytes, rivals.seen[i], err);
	free(rivals.seen);
	*newer = rivals.newer;
	return code;
}

int fact_set(struct replay *r, const struct record *rec, const void *key, size_t key_bytes,
	     struct error *err)
{
	struct query q;
	bool newer;
	int code = store_segment(r, err);

	if (code == ERR_NONE)
		code = drop_seen(r, rec->type, key, key_bytes, &newer, err);
	if (code != ERR_NONE || newer)
		return code;
	q = query_of(r->t, "INSERT INTO fact(type, key, seg, mandatory, body)"
			   " VALUES(?, ?, ?, ?, ?)");
	query_int(&q, (int64_t)rec->type);
	query_blob(&q, key, key_bytes);
	query_int(&q, r->at.seg_id);
	query_int(&q, rec->mandatory);
	query_blob(&q, rec->body.at, rec->body.left_bytes);
	return query_run(&q, err);
}

int fact_drop(struct replay *r, enum record_type type, const void *key, size_t key_bytes,
	      struct error *err)
{
	bool newer;

	return drop_seen(r, type, key, key_bytes, &newer, err);
}

int fact_seen(struct replay *r, enum record_type type, const void *key, size_t key_bytes,
	      bool *seen, struct error *err)
{
	struct rivals rivals = { 0 };
	int code = find_rivals(r, type, key, key_bytes, &rivals, err);

	*seen = rivals.seen_count > 0;
	free(rivals.seen);
	return code;
}

int fact_forget(struct table *t, enum record_type type, const void *key, size_t key_bytes,
		struct error *err)
{
	struct query q = query_of(t, "DELETE FROM fact WHERE type = ? AND key = ?");

	query_int(&q, type);
	query_blob(&q, key, key_bytes);
	return query_run(&q, err);
}

int fact_best(struct table *t, enum record_type type, const void *key, size_t key_bytes,
	      fact_rule *rule, struct buf *body, struct error *err)
{
	struct placing unused;

	return fact_best_of(t, type, key, key_bytes, rule, body, &unused, err);
}

int fact_best_of(struct table *t, enum record_type type, const void *key, size_t key_bytes,
		 fact_rule *rule, struct buf *body, struct placing *said, struct error *err)
{
	/* By falling writer id: of equals the first one stays. One writer has one version. */
	struct query q = query_of(t, "SELECT fact.body, seg.writer, seg.seq FROM fact"
				     " JOIN seg ON seg.id = fact.seg"
				     " JOIN writer ON writer.id = seg.writer"
				     " WHERE fact.type = ? AND fact.key = ?"
				     " ORDER BY writer.key DESC");
	bool row, any = false;
	int code;

	query_int(&q, type);
	query_blob(&q, key, key_bytes);
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		size_t len;
		const void *bytes = column_blob(&q, 0, &len);

		if (any && (!rule || rule(reader_of(bytes, len),
					  reader_of(body->data, body->len_bytes)) <= 0))
			continue;
		buf_clear(body);
		buf_add(body, bytes, len);
		*said = (struct placing){ column_int(&q, 1), column_int(&q, 2) };
		any = true;
	}
	code = query_end(&q, code, err);
	if (code == ERR_NONE && !any)
		return err_set(err, ERR_NOT_FOUND, "the table knows no such thing");
	if (code == ERR_NONE && body->failed)
		return err_nomem(err);
	return code;
}

int fact_keys(struct table *t, enum record_type type, const void *prefix, size_t prefix_bytes,
	      fact_key_fn *each, void *ctx, struct error *err)
{
	struct query q = query_of(t, "SELECT DISTINCT key FROM fact WHERE type = ? AND key >= ?"
				     " ORDER BY key");
	struct buf keys = { 0 };
	struct reader r;
	bool row;
	int code;

	query_int(&q, type);
	query_blob(&q, prefix, prefix_bytes);
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		size_t len;
		const uint8_t *key = column_blob(&q, 0, &len);

		if (prefix_bytes > 0 &&
		    (len < prefix_bytes || memcmp(key, prefix, prefix_bytes) != 0))
			break;
		buf_add_block(&keys, key, len);
	}
	code = query_end(&q, code, err);
	if (code == ERR_NONE && keys.failed)
		code = err_nomem(err);
	r = reader_of(keys.data, keys.len_bytes);
	while (code == ERR_NONE && r.left_bytes > 0) {
		size_t len;
		const uint8_t *key = read_block(&r, r.left_bytes, &len);

		code = each(ctx, key, len, err);
	}
	buf_release(&keys);
	return code;
}
