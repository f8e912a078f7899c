/* Replay: segments become rows. One function per type of record, in the file of its subject. */
#include "table/table_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int replay_version(struct replay *r, const struct record *rec, struct error *err);

static replay_fn *const replayers[] = {
	[RECORD_POLICY] = replay_policy,
	[RECORD_DRIVE] = replay_drive,
	[RECORD_ACCESS] = replay_access,
	[RECORD_SERIES] = replay_series,
	[RECORD_INTENT] = replay_intent,
	[RECORD_BLOCK] = replay_block,
	[RECORD_INLINE] = replay_inline,
	[RECORD_GROUP] = replay_group,
	[RECORD_ROWS] = replay_rows,
	[RECORD_MOVE] = replay_move,
	[RECORD_SNAPSHOT] = replay_snapshot,
	[RECORD_FOLDER] = replay_folder,
	[RECORD_CONTENT] = replay_content,
	[RECORD_COMMIT] = replay_commit,
	[RECORD_FOSSIL] = replay_fossil,
	[RECORD_ACK] = replay_ack,
	[RECORD_INTENT_END] = replay_intent_end,
	[RECORD_RETIRE] = replay_retire,
	[RECORD_SCRUB] = replay_scrub,
	[RECORD_SLOT] = replay_slot,
	[RECORD_GARBAGE] = replay_garbage,
	[RECORD_LOST] = replay_lost,
	[RECORD_VERIFIED] = replay_verified,
	[RECORD_SINCE] = replay_since,
	[RECORD_EXTRA] = replay_extra,
	[RECORD_VERSION] = replay_version,
	[RECORD_DICTIONARY] = replay_dictionary,
	[RECORD_SUPERSEDED] = replay_superseded,
	[RECORD_SETTLED] = replay_settled,
};

/* ---- writers and their marks ---- */

int writer_number(struct table *t, const struct hash *writer, int64_t *id, struct error *err)
{
	static const struct hash zero;
	struct query q = query_of(t, "SELECT id FROM writer WHERE key = ?");
	bool found;
	int code;

	query_hash(&q, writer);
	code = query_value(&q, id, &found, err);
	if (code != ERR_NONE || found)
		return code;
	q = query_of(t, "INSERT INTO writer(key, seq, head) VALUES(?, 0, ?)");
	query_hash(&q, writer);
	query_hash(&q, &zero);
	code = query_run(&q, err);
	*id = sqlite3_last_insert_rowid(t->db);
	return code;
}

static int writer_seq(struct table *t, const struct hash *writer, uint64_t *seq, struct error *err)
{
	struct query q = query_of(t, "SELECT seq FROM writer WHERE key = ?");
	int64_t value;
	bool found;
	int code;

	query_hash(&q, writer);
	code = query_value(&q, &value, &found, err);
	*seq = (uint64_t)value;
	return code;
}

static int store_head(struct table *t, int64_t writer, uint64_t seq, const uint8_t head[16],
		      struct error *err)
{
	struct query q = query_of(t, "INSERT OR REPLACE INTO head(writer, seq, head)"
				     " VALUES(?, ?, ?)");

	query_int(&q, writer);
	query_int(&q, (int64_t)seq);
	query_blob(&q, head, 16);
	return query_run(&q, err);
}

/* Moves a writer's mark forward, never back. */
static int store_mark(struct table *t, const struct mark *m, struct error *err)
{
	int64_t writer;
	struct query q;
	int code = writer_number(t, &m->writer, &writer, err);

	if (code != ERR_NONE || m->seq == 0)
		return code;
	q = query_of(t, "UPDATE writer SET seq = ?1, head = ?2 WHERE id = ?3 AND seq < ?1");
	query_int(&q, (int64_t)m->seq);
	query_hash(&q, &m->head);
	query_int(&q, writer);
	code = query_run(&q, err);
	if (code == ERR_NONE)
		code = store_head(t, writer, m->seq, m->head.b, err);
	return code;
}

static int store_marks(struct replay *r, struct error *err)
{
	const struct segment *s = r->segment;
	const struct mark own = { .writer = s->writer, .seq = s->last, .head = s->head };
	int64_t writer;
	int code = store_mark(r->t, &own, err);

	/* A checkpoint stands for all that its clock covers. */
	if (s->kind == SEGMENT_CHECKPOINT)
		for (size_t i = 0; code == ERR_NONE && i < s->clock.count; i++)
			code = store_mark(r->t, &s->clock.marks[i], err);
	if (code != ERR_NONE || !s->heads)
		return code;
	code = writer_number(r->t, &s->writer, &writer, err);
	for (uint64_t i = 0; code == ERR_NONE && i <= s->last - s->first; i++)
		code = store_head(r->t, writer, s->first + i, s->heads[i], err);
	return code;
}

int table_clock(struct table *t, struct clock *out, struct error *err)
{
	struct query q =
		query_of(t, "SELECT key, seq, head FROM writer WHERE seq > 0 ORDER BY key");
	bool row;
	int code;

	clock_release(out);
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		struct mark m = { .seq = (uint64_t)column_int(&q, 1) };

		column_exact(&q, 0, m.writer.b, HASH_BYTES);
		column_exact(&q, 2, m.head.b, HASH_BYTES);
		if (!clock_set(out, &m)) {
			code = err_nomem(err);
			break;
		}
	}
	code = query_end(&q, code, err);
	if (code != ERR_NONE)
		clock_release(out);
	return code;
}

int table_writers(struct table *t, uint64_t *count, struct error *err)
{
	struct query q = query_of(t, "SELECT count(*) FROM writer WHERE seq > 0 AND NOT EXISTS"
				     "(SELECT 1 FROM fact WHERE type = ? AND fact.key = writer.key)");
	int64_t n = 0;
	bool found;
	int code;

	query_int(&q, RECORD_RETIRE);
	code = query_value(&q, &n, &found, err);
	*count = (uint64_t)n;
	return code;
}

int table_head_at(struct table *t, const struct hash *writer, uint64_t seq, uint8_t head[16],
		  struct error *err)
{
	struct query q =
		query_of(t, "SELECT head.head FROM head JOIN writer ON"
			    " writer.id = head.writer WHERE writer.key = ? AND head.seq = ?");
	bool row;
	int code;

	query_hash(&q, writer);
	query_int(&q, (int64_t)seq);
	code = query_next(&q, &row, err);
	if (code == ERR_NONE && row)
		column_exact(&q, 0, head, 16);
	else if (code == ERR_NONE)
		code = err_set(err, ERR_NOT_FOUND, "the head at seq %llu is not known",
			       (unsigned long long)seq);
	return query_end(&q, code, err);
}

int table_has_head(struct table *t, const uint8_t head[16], bool *yes, struct error *err)
{
	struct query q = query_of(t, "SELECT 1 FROM head WHERE head = ? LIMIT 1");
	int64_t one;

	query_blob(&q, head, 16);
	return query_value(&q, &one, yes, err);
}

/* ---- versions ---- */

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static uint64_t rank_of(const struct segment *s)
{
	uint64_t rank = s->last > INT64_MAX ? INT64_MAX : s->last;

	for (size_t i = 0; i < s->clock.count; i++) {
		const struct mark *m = &s->clock.marks[i];

		if (!hash_equal(&m->writer, &s->writer))
			rank = add_saturating(rank, m->seq > INT64_MAX ? INT64_MAX : m->seq);
	}
	return rank;
}

/* A compacted segment tells each version; those applied one by one before are not repeated. */
static int replay_version(struct replay *r, const struct record *rec, struct error *err)
{
	struct version v = { .clock = &r->version_clock };
	int code = parse_version(rec->body, &v.writer, &v.seq, &v.rank, &r->version_clock, err);

	if (code == ERR_NONE && (v.seq > INT64_MAX || v.rank > INT64_MAX))
		code = err_set(err, ERR_CORRUPT, "version record: a number is too large");
	if (code == ERR_NONE)
		code = writer_number(r->t, &v.writer, &v.writer_id, err);
	if (code != ERR_NONE)
		return code;
	r->at = v;
	r->skip = r->segment->kind == SEGMENT_COMPACTED &&
		  hash_equal(&v.writer, &r->segment->writer) && v.seq <= r->known;
	return ERR_NONE;
}

/* An optional record of a newer mrmr: kept for those who know it. */
static int keep_unknown(struct replay *r, const struct record *rec, struct error *err)
{
	uint8_t key[HASH_BYTES + 16];

	if (rec->mandatory)
		return err_set(err, ERR_UNSUPPORTED,
			       "record type %llu is unknown: written by a newer mrmr",
			       (unsigned long long)rec->type);
	memcpy(key, r->at.writer.b, HASH_BYTES);
	store_u64(key + HASH_BYTES, r->at.seq);
	store_u64(key + HASH_BYTES + 8, r->record_index);
	return fact_set(r, rec, key, sizeof(key), err);
}

static int replay_record(struct replay *r, const struct record *rec, struct error *err)
{
	replay_fn *replay = NULL;

	if (rec->type < sizeof(replayers) / sizeof(replayers[0]))
		replay = replayers[rec->type];
	if (r->skip && rec->type != RECORD_VERSION)
		return ERR_NONE;
	return replay ? replay(r, rec, err) : keep_unknown(r, rec, err);
}

/* ---- segments ---- */

/* A checkpoint says all that its clock covers: it replaces what the table holds, if it covers
 * that. Otherwise something would be forgotten: the caller makes the table anew. */
static int clear_for_checkpoint(struct replay *r, struct error *err)
{
	struct clock clock = { 0 };
	int code = table_clock(r->t, &clock, err);

	for (size_t i = 0; code == ERR_NONE && i < clock.count; i++)
		if (!version_covers(&r->at, &clock.marks[i].writer, clock.marks[i].seq))
			code = err_set(err, ERR_EXISTS,
				       "the table holds segments that the checkpoint has not seen");
	clock_release(&clock);
	return code == ERR_NONE ? table_clear(r->t, err) : code;
}

static int is_covered(struct replay *r, bool *covered, struct error *err)
{
	const struct segment *s = r->segment;
	int code = writer_seq(r->t, &s->writer, &r->known, err);

	*covered = code == ERR_NONE && r->known >= s->last;
	if (s->kind != SEGMENT_CHECKPOINT)
		return code;
	for (size_t i = 0; code == ERR_NONE && *covered && i < s->clock.count; i++) {
		uint64_t seq;

		code = writer_seq(r->t, &s->clock.marks[i].writer, &seq, err);
		*covered = seq >= s->clock.marks[i].seq;
	}
	return code;
}

static int replay_records(struct replay *r, struct error *err)
{
	struct reader records = reader_of(r->segment->records.data, r->segment->records.len_bytes);
	struct record rec;
	int code = ERR_NONE;

	while (code == ERR_NONE && record_next(&records, &rec.type, &rec.mandatory, &rec.body)) {
		code = replay_record(r, &rec, err);
		r->record_index++;
	}
	if (code == ERR_NONE && records.failed)
		code = err_set(err, ERR_CORRUPT, "records: malformed or cut");
	if (code == ERR_NONE)
		code = block_flush_chunks(r, err);
	if (code == ERR_NONE && r->fold)
		code = block_fold(r, err);
	return code;
}

static int replay_segment(struct table *t, const struct segment *s, struct error *err)
{
	struct replay r = {
		.t = t,
		.segment = s,
		.at = { .writer = s->writer,
			.seq = s->last,
			.rank = rank_of(s),
			.clock = &s->clock },
	};
	bool covered;
	int code = is_covered(&r, &covered, err);

	if (code != ERR_NONE || covered)
		return code;
	if (s->kind == SEGMENT_CHECKPOINT)
		code = clear_for_checkpoint(&r, err);
	if (code == ERR_NONE)
		code = writer_number(t, &s->writer, &r.at.writer_id, err);
	if (code == ERR_NONE)
		code = replay_records(&r, err);
	if (code == ERR_NONE)
		code = store_marks(&r, err);
	clock_release(&r.version_clock);
	free(r.chunks);
	return code;
}

int table_apply(struct table *t, const struct segment *s, struct error *err)
{
	bool own = !t->in_transaction;
	int code;

	if (s->first == 0 || s->last < s->first || s->last > INT64_MAX)
		return err_set(err, ERR_CORRUPT, "replay: a segment's numbers are wrong");
	if (own && table_begin(t, err) != ERR_NONE)
		return err_wrap(err, "replay");
	code = replay_segment(t, s, err);
	if (code == ERR_NONE)
		return own ? table_commit(t, err) : ERR_NONE;
	if (own)
		table_rollback(t);
	else
		t->broken = true;
	return err_wrap(err, "replay segment %llu of writer %02x%02x%02x%02x",
			(unsigned long long)s->last, s->writer.b[0], s->writer.b[1], s->writer.b[2],
			s->writer.b[3]);
}
