/*
 * The table said again as records: a checkpoint. Each record stands under the VERSION of who
 * said it, so that later segments meet it as they would have met the original.
 */
#include "table/record_codec.h"
#include "table/table_internal.h"

#include <stdlib.h>
#include <string.h>

#define SUPERSEDED_RECORD_BYTES (1024 * ID_BYTES)

/* ---- versions and batches ---- */

static void at_version(struct dump *d, const struct hash *writer, uint64_t seq, uint64_t rank)
{
	if (d->has_version && hash_equal(&d->writer, writer) && d->seq == seq && d->rank == rank)
		return;
	d->has_version = true;
	d->told = false;
	d->writer = *writer;
	d->seq = seq;
	d->rank = rank;
	d->known.count = 0;
}

/* Where the next record goes. Each batch tells its version anew, so that it can stand alone. */
struct buf *dump_out(struct dump *d)
{
	if (d->has_version && !d->told)
		record_version(&d->out, &d->writer, d->seq, d->rank, &d->known);
	d->told = true;
	return &d->out;
}

int dump_flush(struct dump *d, bool all, struct error *err)
{
	int code;

	if (d->out.failed)
		return err_nomem(err);
	if (d->out.len_bytes == 0 || (!all && d->out.len_bytes < DUMP_BATCH_BYTES))
		return ERR_NONE;
	code = d->each(d->ctx, d->out.data, d->out.len_bytes, err);
	buf_clear(&d->out);
	d->told = false;
	return code;
}

static void dump_body(struct dump *d, uint64_t type, bool mandatory, const void *bytes, size_t len)
{
	struct buf body = { 0 };

	buf_add(&body, bytes, len);
	record_add(dump_out(d), type, mandatory, &body);
	buf_release(&body);
}

/* ---- blocks ---- */

static int dump_block(struct dump *d, const struct table_block *found, struct error *err)
{
	struct block_record b = { .uid = found->uid,
				  .name = found->name,
				  .len_bytes = found->len_bytes,
				  .epoch = found->epoch,
				  .drive_id = found->drive_id };
	struct buf data = { 0 };
	int code = table_block_contents(d->t, found->id, &b.contents, &data, err);

	if (code != ERR_NONE)
		goto out;
	if (found->is_inline)
		record_inline(dump_out(d), &b.uid, &b.contents, data.data, data.len_bytes);
	else if (found->dictionary)
		record_dictionary(dump_out(d), &b.uid, &b.contents);
	else
		record_block(dump_out(d), &b);
	code = dump_flush(d, false, err);
out:
	contents_release(&b.contents);
	buf_release(&data);
	return code;
}

static int dump_blocks(struct dump *d, struct error *err)
{
	struct query q = query_of(d->t, "SELECT " BLOCK_COLUMNS ", writer.key, block.seq FROM block"
					" JOIN writer ON writer.id = block.writer" BLOCK_JOIN
					"WHERE block.state > 0 ORDER BY block.id");
	bool row;
	int code;

	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		struct table_block b;
		struct hash writer;

		block_columns(&q, 0, &b);
		column_exact(&q, BLOCK_COLUMN_COUNT, writer.b, HASH_BYTES);
		at_version(d, &writer, (uint64_t)column_int(&q, BLOCK_COLUMN_COUNT + 1), 0);
		code = dump_block(d, &b, err);
		if (code != ERR_NONE)
			break;
	}
	return query_end(&q, code, err);
}

/* ---- groups ---- */

static int add_members(struct table *t, const struct id *group, struct group_record *g,
		       struct error *err)
{
	struct query q = query_of(t, "SELECT member.slot, block.uid, block.name, block.len FROM grp"
				     " JOIN member ON member.grp = grp.id"
				     " JOIN block ON block.id = member.block"
				     " WHERE grp.uid = ? ORDER BY member.slot");
	bool row;
	int code;

	query_id(&q, group);
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row &&
	       g->member_count < GROUP_MEMBERS_MAX) {
		struct group_member_record *m = &g->members[g->member_count++];

		m->slot = (uint8_t)column_int(&q, 0);
		column_exact(&q, 1, m->block_uid.b, ID_BYTES);
		column_exact(&q, 2, m->name.b, HASH_BYTES);
		m->len_bytes = (uint64_t)column_int(&q, 3);
	}
	return query_end(&q, code, err);
}

/* Who made the group, and when. */
static int find_maker(struct dump *d, const struct id *group, struct error *err)
{
	struct query q = query_of(d->t, "SELECT writer.key, grp.seq, grp.rank FROM grp"
					" JOIN writer ON writer.id = grp.writer WHERE grp.uid = ?");
	struct hash writer;
	bool row;
	int code;

	query_id(&q, group);
	code = query_next(&q, &row, err);
	if (code == ERR_NONE && row) {
		column_exact(&q, 0, writer.b, HASH_BYTES);
		at_version(d, &writer, (uint64_t)column_int(&q, 1), (uint64_t)column_int(&q, 2));
	}
	return query_end(&q, code, err);
}

/* Rows that later records told of are told by those. The others are where the group's record said. */
static int add_own_rows(struct dump *d, const struct id *group, struct group_record *g,
			struct error *err)
{
	struct query q = query_of(d->t, "SELECT row.row, row.name, row.len, drive.uid FROM grp"
					" JOIN row ON row.grp = grp.id"
					" JOIN drive ON drive.id = row.drive"
					" WHERE grp.uid = ? AND row.own = 1 ORDER BY row.row");
	bool row;
	int code;

	query_id(&q, group);
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row &&
	       g->row_count < GROUP_ROWS_MAX) {
		struct group_row_record *r = &g->rows[g->row_count++];

		r->row = (uint8_t)column_int(&q, 0);
		column_exact(&q, 1, r->name.b, HASH_BYTES);
		r->len_bytes = (uint64_t)column_int(&q, 2);
		column_exact(&q, 3, r->drive_id.b, ID_BYTES);
	}
	return query_end(&q, code, err);
}

static int dump_group(void *ctx, const struct id *group, struct error *err)
{
	struct dump *d = ctx;
	struct group_record *g = calloc(1, sizeof(*g));
	int code;

	if (!g)
		return err_nomem(err);
	g->id = *group;
	code = find_maker(d, group, err);
	if (code == ERR_NONE)
		code = add_members(d->t, group, g, err);
	if (code == ERR_NONE)
		code = add_own_rows(d, group, g, err);
	if (code == ERR_NONE) {
		record_group(dump_out(d), g);
		code = dump_flush(d, false, err);
	}
	free(g);
	return code;
}

static int dump_superseded(struct dump *d, struct error *err)
{
	struct query q = query_of(d->t, "SELECT uid FROM superseded ORDER BY uid");
	struct buf ids = { 0 };
	bool row = true;
	int code = ERR_NONE;

	while (code == ERR_NONE && row) {
		struct id id;

		code = query_next(&q, &row, err);
		if (code == ERR_NONE && row) {
			column_exact(&q, 0, id.b, ID_BYTES);
			buf_add(&ids, id.b, ID_BYTES);
		}
		if (ids.len_bytes == 0 || (row && ids.len_bytes < SUPERSEDED_RECORD_BYTES))
			continue;
		dump_body(d, RECORD_SUPERSEDED, true, ids.data, ids.len_bytes);
		if (ids.failed)
			code = err_nomem(err);
		buf_clear(&ids);
		if (code == ERR_NONE)
			code = dump_flush(d, false, err);
	}
	buf_release(&ids);
	return query_end(&q, code, err);
}

/* ---- facts ---- */

static int at_segment(struct dump *d, struct query *q, int first, struct error *err)
{
	struct hash writer;
	size_t len;
	const void *clock = column_blob(q, first + 3, &len);

	column_exact(q, first, writer.b, HASH_BYTES);
	at_version(d, &writer, (uint64_t)column_int(q, first + 1),
		   (uint64_t)column_int(q, first + 2));
	if (d->told)
		return ERR_NONE;
	return table_stored(d->t, marks_decode(clock, len, &d->known, err), err);
}

static int dump_facts(struct dump *d, struct error *err)
{
	struct query q =
		query_of(d->t, "SELECT writer.key, seg.seq, seg.rank, seg.clock, fact.type,"
			       " fact.mandatory, fact.body FROM seg"
			       " CROSS JOIN fact ON fact.seg = seg.id"
			       " CROSS JOIN writer ON writer.id = seg.writer"
			       " ORDER BY seg.id");
	bool row;
	int code;

	d->has_version = false; /* a version told above had no marks */
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		size_t len;
		const void *body = column_blob(&q, 6, &len);

		code = at_segment(d, &q, 0, err);
		if (code != ERR_NONE)
			break;
		dump_body(d, (uint64_t)column_int(&q, 4), column_int(&q, 5), body, len);
		code = dump_flush(d, false, err);
		if (code != ERR_NONE)
			break;
	}
	return query_end(&q, code, err);
}

/* The sums, and behind them what the last scrub did not repair, unless the sums say that. */
static void add_scrub(struct buf *out, struct scrub_record *s, uint64_t remaining)
{
	struct scrub_record last = { .drive_id = s->drive_id,
				     .time_s = s->time_s,
				     .damaged = remaining,
				     .complete = s->complete };
	bool split = s->damaged != s->repaired + remaining;

	if (split)
		s->damaged -= remaining;
	record_scrub(out, s);
	if (split)
		record_scrub(out, &last);
}

static int dump_scrubs(struct dump *d, struct error *err)
{
	struct query q = query_of(d->t, "SELECT writer.key, drive.uid, complete, time, objects,"
					" bytes, damaged, repaired, remaining FROM scrub"
					" JOIN drive ON drive.id = scrub.drive"
					" JOIN writer ON writer.id = scrub.writer"
					" ORDER BY complete DESC");
	bool row;
	int code;

	/* A complete one ends what those before it left: what is left, was so after it. */
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		struct scrub_record s = { .complete = column_int(&q, 2),
					  .time_s = column_int(&q, 3),
					  .objects = (uint64_t)column_int(&q, 4),
					  .bytes = (uint64_t)column_int(&q, 5),
					  .damaged = (uint64_t)column_int(&q, 6),
					  .repaired = (uint64_t)column_int(&q, 7) };
		struct hash writer;

		column_exact(&q, 0, writer.b, HASH_BYTES);
		column_exact(&q, 1, s.drive_id.b, ID_BYTES);
		at_version(d, &writer, 0, 0);
		add_scrub(dump_out(d), &s, (uint64_t)column_int(&q, 8));
		code = dump_flush(d, false, err);
		if (code != ERR_NONE)
			break;
	}
	return query_end(&q, code, err);
}

static int dump_verified(struct dump *d, struct error *err)
{
	struct query q = query_of(d->t, "SELECT writer.key, verified.seq, body FROM verified"
					" JOIN writer ON writer.id = verified.writer");
	bool row;
	int code;

	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		struct hash writer;
		size_t len;
		const void *body = column_blob(&q, 2, &len);

		column_exact(&q, 0, writer.b, HASH_BYTES);
		at_version(d, &writer, (uint64_t)column_int(&q, 1), 0);
		dump_body(d, RECORD_VERIFIED, false, body, len);
		code = dump_flush(d, false, err);
		if (code != ERR_NONE)
			break;
	}
	return query_end(&q, code, err);
}

/* ---- snapshots ---- */

static int dump_snapshots(struct dump *d, struct error *err)
{
	/* A base lies on the same line below, or on a line made before. */
	struct query q = query_of(d->t, "SELECT snapshot.uid, line, ordinal, writer.key,"
					" snapshot.seq, rank FROM snapshot"
					" JOIN writer ON writer.id = snapshot.writer"
					" ORDER BY line, ordinal");
	bool row;
	int code;

	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		struct id uid;
		struct hash writer;
		struct line_place at = { column_int(&q, 1), column_int(&q, 2) };

		column_exact(&q, 0, uid.b, ID_BYTES);
		column_exact(&q, 3, writer.b, HASH_BYTES);
		at_version(d, &writer, (uint64_t)column_int(&q, 4), (uint64_t)column_int(&q, 5));
		code = dump_snapshot(d, &uid, &at, err);
		if (code != ERR_NONE)
			break;
	}
	return query_end(&q, code, err);
}

static int dump_pending(struct dump *d, struct error *err)
{
	struct query q = query_of(d->t, "SELECT writer.key, pending.seq, rank, type, body"
					" FROM pending JOIN writer ON writer.id = pending.writer"
					" ORDER BY n");
	bool row;
	int code;

	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		struct hash writer;
		size_t len;
		const void *body = column_blob(&q, 4, &len);

		column_exact(&q, 0, writer.b, HASH_BYTES);
		at_version(d, &writer, (uint64_t)column_int(&q, 1), (uint64_t)column_int(&q, 2));
		dump_body(d, (uint64_t)column_int(&q, 3), true, body, len);
		code = dump_flush(d, false, err);
		if (code != ERR_NONE)
			break;
	}
	return query_end(&q, code, err);
}

/* ---- all of it ---- */

void dump_release(struct dump *d)
{
	buf_release(&d->out);
	clock_release(&d->known);
}

/* Blocks come before what refers to them, groups before their rows, bases before what was
 * derived from them; what was folded or superseded is told as such. */
int table_dump_each(struct table *t, table_dump_fn *each, void *ctx, struct error *err)
{
	struct dump d = { .t = t, .each = each, .ctx = ctx };
	int code = dump_blocks(&d, err);

	if (code == ERR_NONE)
		code = dump_superseded(&d, err);
	if (code == ERR_NONE)
		code = table_groups(t, dump_group, &d, err);
	if (code == ERR_NONE)
		code = dump_facts(&d, err);
	if (code == ERR_NONE)
		code = dump_scrubs(&d, err);
	if (code == ERR_NONE)
		code = dump_verified(&d, err);
	if (code == ERR_NONE)
		code = dump_snapshots(&d, err);
	if (code == ERR_NONE)
		code = dump_pending(&d, err);
	if (code == ERR_NONE)
		code = dump_flush(&d, true, err);
	dump_release(&d);
	return code;
}

static int append(void *ctx, const void *records, size_t len_bytes, struct error *err)
{
	struct buf *out = ctx;

	buf_add(out, records, len_bytes);
	return out->failed ? err_nomem(err) : ERR_NONE;
}

int table_dump(struct table *t, struct buf *records, struct error *err)
{
	return table_dump_each(t, append, records, err);
}

int table_unmanifested(struct table *t, const struct hash *writer, struct buf *records,
		       struct error *err)
{
	struct query q =
		query_of(t, "SELECT uid, line, ordinal FROM snapshot"
			    " WHERE writer = (SELECT id FROM writer WHERE key = ?)"
			    " AND seq > coalesce((SELECT max(seq) FROM snapshot AS stored"
			    " WHERE stored.writer = snapshot.writer AND stored.stored = 1),"
			    " 0) ORDER BY seq, line, ordinal");
	struct dump d = { .t = t, .each = append, .ctx = records };
	bool row;
	int code;

	query_hash(&q, writer);
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		struct line_place at = { column_int(&q, 1), column_int(&q, 2) };
		struct id uid;

		column_exact(&q, 0, uid.b, ID_BYTES);
		code = dump_snapshot(&d, &uid, &at, err);
		if (code != ERR_NONE)
			break;
	}
	code = query_end(&q, code, err);
	if (code == ERR_NONE)
		code = dump_flush(&d, true, err);
	dump_release(&d);
	return code;
}
