/*
 * Inline blocks, whose data the journal carries, until their writer has put them into sealed ones;
 * and dictionaries, which is what is left of a block whose data are elsewhere.
 */
#include "table/table_internal.h"

#include <string.h>

int block_to_dictionary(struct table *t, int64_t id, struct error *err)
{
	struct contents c = { 0 };
	struct query q;
	int code = table_block_contents(t, id, &c, NULL, err);

	for (size_t i = 0; code == ERR_NONE && i < c.chunk_count; i++) {
		q = query_of(t, "DELETE FROM chunk WHERE id = ? AND block = ? AND idx = ?");
		query_hash(&q, &c.chunks[i].id);
		query_int(&q, id);
		query_int(&q, (int64_t)i);
		code = query_run(&q, err);
	}
	contents_release(&c);
	if (code != ERR_NONE)
		return code;
	q = query_of(t, "UPDATE contents SET data = x'' WHERE block = ?");
	query_int(&q, id);
	code = query_run(&q, err);
	if (code != ERR_NONE)
		return code;
	q = query_of(t, "UPDATE block SET state = 3, name = zeroblob(32), len = 0, epoch = 0,"
			" drive = 0 WHERE id = ?");
	query_int(&q, id);
	return query_run(&q, err);
}

/* A home that its writer knows to be lost or condemned is none. What the writer knew is the same
 * in every order of replay, what the table knows by now is not. */
static int counts_as_home(struct replay *r, const struct id *uid, bool lost, bool fossil, bool *yes,
			  struct error *err)
{
	bool known = false;
	int code = ERR_NONE;

	if (lost)
		code = fact_seen(r, RECORD_LOST, uid->b, ID_BYTES, &known, err);
	if (code == ERR_NONE && fossil && !known)
		code = fact_seen(r, RECORD_FOSSIL, uid->b, ID_BYTES, &known, err);
	*yes = !known;
	return code;
}

/* Whether the writer of an inline block has put this chunk of it into a sealed block since. */
static int chunk_has_home(struct replay *r, int64_t id, const struct hash *chunk, bool *yes,
			  struct error *err)
{
	struct query q = query_of(r->t, "SELECT home.uid, home.lost, home.fossil FROM chunk"
					" CROSS JOIN block AS home ON home.id = chunk.block"
					" CROSS JOIN block AS own ON own.id = ?2"
					" WHERE chunk.id = ?1 AND home.state = 1"
					" AND home.writer = own.writer AND home.seq > own.seq");
	bool row;
	int code;

	*yes = false;
	query_hash(&q, chunk);
	query_int(&q, id);
	while (!*yes && (code = query_next(&q, &row, err)) == ERR_NONE && row) {
		struct id uid;

		column_exact(&q, 0, uid.b, ID_BYTES);
		code = counts_as_home(r, &uid, column_int(&q, 1), column_int(&q, 2), yes, err);
		if (code != ERR_NONE)
			break;
	}
	return query_end(&q, code, err);
}

static int has_home(struct replay *r, int64_t id, bool *yes, struct error *err)
{
	struct contents c = { 0 };
	int code = table_block_contents(r->t, id, &c, NULL, err);

	*yes = true;
	for (size_t i = 0; code == ERR_NONE && *yes && i < c.chunk_count; i++)
		code = chunk_has_home(r, id, &c.chunks[i].id, yes, err);
	contents_release(&c);
	return code;
}

static int inline_blocks(struct table *t, const struct hash *writer, table_id_fn *each, void *ctx,
			 struct error *err)
{
	struct query q = query_of(t, "SELECT uid FROM block WHERE state = 2 AND writer ="
				     " (SELECT id FROM writer WHERE key = ?) ORDER BY id");

	query_hash(&q, writer);
	return query_each_id(&q, each, ctx, err);
}

static int fold_one(void *ctx, const struct id *uid, struct error *err)
{
	struct replay *r = ctx;
	enum block_state state;
	int64_t id;
	bool yes;
	int code = block_number(r->t, uid, &id, &state, err);

	if (code == ERR_NONE)
		code = has_home(r, id, &yes, err);
	if (code == ERR_NONE && yes)
		code = block_to_dictionary(r->t, id, err);
	return code;
}

int block_fold(struct replay *r, struct error *err)
{
	if (r->segment->kind == SEGMENT_CHECKPOINT)
		return ERR_NONE; /* it tells what was folded */
	return inline_blocks(r->t, &r->segment->writer, fold_one, r, err);
}

struct inline_walk {
	struct table *t;
	table_id_fn *each;
	void *ctx;
	uint64_t bytes;
};

static int visit_inline(void *ctx, const struct id *uid, struct error *err)
{
	struct inline_walk *w = ctx;
	struct table_block b;
	int code = table_block_by_uid(w->t, uid, &b, err);

	if (code != ERR_NONE)
		return code;
	w->bytes += b.len_bytes;
	return w->each ? w->each(w->ctx, uid, err) : ERR_NONE;
}

int table_pending_inline(struct table *t, const struct hash *writer, table_id_fn *each, void *ctx,
			 uint64_t *bytes, struct error *err)
{
	struct inline_walk w = { .t = t, .each = each, .ctx = ctx };
	int code = inline_blocks(t, writer, visit_inline, &w, err);

	*bytes = w.bytes;
	return code;
}
