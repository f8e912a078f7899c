/* Parity groups: which are live, and what belongs to them. */
#include "table/table_internal.h"

#include <stdlib.h>
#include <string.h>

#define ROW_KEY_BYTES (ID_BYTES + 1 + ID_BYTES)

/* ---- replay ---- */

static int group_number(struct table *t, const struct id *uid, int64_t *id, bool *found,
			struct error *err)
{
	struct query q = query_of(t, "SELECT id FROM grp WHERE uid = ?");

	query_id(&q, uid);
	return query_value(&q, id, found, err);
}

static int is_superseded(struct table *t, const struct id *uid, bool *yes, struct error *err)
{
	struct query q = query_of(t, "SELECT 1 FROM superseded WHERE uid = ?");
	int64_t one;

	query_id(&q, uid);
	return query_value(&q, &one, yes, err);
}

/* How a row stands. own: as the group's own record tells it, and no later one. */
struct row_state {
	bool own, present;
	struct placing said;
};

static int put_row(struct table *t, int64_t group, const struct group_row_record *row,
		   const struct row_state *state, struct error *err)
{
	struct query q;
	int64_t drive;
	int code = drive_number(t, &row->drive_id, &drive, err);

	if (code == ERR_NONE && row->len_bytes > OBJECT_BYTES_MAX)
		code = err_set(err, ERR_CORRUPT, "rows record: a length is too large");
	if (code != ERR_NONE)
		return code;
	q = query_of(t, "INSERT OR REPLACE INTO row(grp, row, drive, name, len, own, present,"
			" placed_writer, placed_seq) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)");
	query_int(&q, group);
	query_int(&q, row->row);
	query_int(&q, drive);
	query_hash(&q, &row->name);
	query_int(&q, (int64_t)row->len_bytes);
	query_int(&q, state->own);
	query_int(&q, state->present);
	query_int(&q, state->said.writer);
	query_int(&q, state->said.seq);
	return query_run(&q, err);
}

/* A row that one writer dropped and another made again exists. */
static int present_first(struct reader a, struct reader b)
{
	struct group_row_record row;
	struct error ignored;
	struct id group;
	bool pa, pb;

	if (parse_rows(a, &group, &row, &pa, &ignored) != ERR_NONE ||
	    parse_rows(b, &group, &row, &pb, &ignored) != ERR_NONE)
		return 0;
	return pa - pb;
}

struct row_walk {
	struct table *t;
	int64_t group;
};

/* What later records said of a row holds, whatever the group's own record said. */
static int settle_row(void *ctx, const uint8_t *key, size_t key_bytes, struct error *err)
{
	struct row_walk *w = ctx;
	struct group_row_record row;
	struct row_state state = { .own = false };
	struct buf body = { 0 };
	struct id group;
	int code = fact_best_of(w->t, RECORD_ROWS, key, key_bytes, present_first, &body, &state.said,
				err);

	if (code == ERR_NONE)
		code = table_stored(w->t,
				    parse_rows(reader_of(body.data, body.len_bytes), &group, &row,
					       &state.present, err),
				    err);
	if (code == ERR_NONE)
		code = put_row(w->t, w->group, &row, &state, err);
	buf_release(&body);
	return code;
}

static int forget_row_fact(void *ctx, const uint8_t *key, size_t key_bytes, struct error *err)
{
	return fact_forget(ctx, RECORD_ROWS, key, key_bytes, err);
}

static int run_on_group(struct table *t, const char *sql, int64_t group, struct error *err)
{
	struct query q = query_of(t, sql);

	query_int(&q, group);
	return query_run(&q, err);
}

/* Unknown blocks that only this group named are forgotten, or (a later record spoke of them)
 * what it said of them. */
static int forget_unknown_members(struct table *t, int64_t group, struct error *err)
{
	int code = run_on_group(
		t,
		"UPDATE block SET name = zeroblob(32), len = 0 WHERE state = 0 AND id IN"
		" (SELECT block FROM member WHERE grp = ?1) AND NOT EXISTS"
		" (SELECT 1 FROM member WHERE member.block = block.id AND grp <> ?1)",
		group, err);

	if (code != ERR_NONE)
		return code;
	return run_on_group(t,
			    "DELETE FROM block WHERE state = 0 AND drive = 0 AND lost = 0"
			    " AND fossil = 0 AND id IN"
			    " (SELECT block FROM member WHERE grp = ?1) AND NOT EXISTS"
			    " (SELECT 1 FROM member WHERE member.block = block.id AND grp <> ?1)",
			    group, err);
}

/* Groups are immutable: one that has a successor is never live again. */
static int supersede(struct table *t, const struct id *uid, struct error *err)
{
	struct query q = query_of(t, "INSERT OR IGNORE INTO superseded(uid) VALUES(?)");
	int64_t group;
	bool found;
	int code;

	query_id(&q, uid);
	code = query_run(&q, err);
	if (code == ERR_NONE)
		code = fact_keys(t, RECORD_ROWS, uid->b, ID_BYTES, forget_row_fact, t, err);
	if (code == ERR_NONE)
		code = group_number(t, uid, &group, &found, err);
	if (code != ERR_NONE || !found)
		return code;
	code = forget_unknown_members(t, group, err);
	if (code == ERR_NONE)
		code = run_on_group(t, "DELETE FROM member WHERE grp = ?", group, err);
	if (code == ERR_NONE)
		code = run_on_group(t, "DELETE FROM row WHERE grp = ?", group, err);
	if (code == ERR_NONE)
		code = run_on_group(t, "DELETE FROM grp WHERE id = ?", group, err);
	return code;
}

static int put_member(struct table *t, int64_t group, const struct group_member_record *m,
		      struct error *err)
{
	enum block_state state;
	struct query q;
	int64_t block;
	int code = block_number(t, &m->block_uid, &block, &state, err);

	if (code == ERR_NONE && m->len_bytes > OBJECT_BYTES_MAX)
		code = err_set(err, ERR_CORRUPT, "group record: a length is too large");
	if (code == ERR_NONE && state == BLOCK_UNKNOWN) {
		q = query_of(t, "UPDATE block SET name = ?, len = ? WHERE id = ?");
		query_hash(&q, &m->name);
		query_int(&q, (int64_t)m->len_bytes);
		query_int(&q, block);
		code = query_run(&q, err);
	}
	if (code != ERR_NONE)
		return code;
	q = query_of(t, "INSERT INTO member(grp, slot, block) VALUES(?, ?, ?)");
	query_int(&q, group);
	query_int(&q, m->slot);
	query_int(&q, block);
	return query_run(&q, err);
}

static int put_group(struct replay *r, const struct group_record *g, struct error *err)
{
	const struct row_state own = { true, true, { r->at.writer_id, (int64_t)r->at.seq } };
	struct table *t = r->t;
	struct query q = query_of(t, "INSERT INTO grp(uid, writer, seq, rank) VALUES(?, ?, ?, ?)");
	struct row_walk w = { .t = t };
	int code;

	query_id(&q, &g->id);
	query_int(&q, r->at.writer_id);
	query_int(&q, (int64_t)r->at.seq);
	query_int(&q, (int64_t)r->at.rank);
	code = query_run(&q, err);
	w.group = sqlite3_last_insert_rowid(t->db);
	for (unsigned i = 0; code == ERR_NONE && i < g->member_count; i++)
		code = put_member(t, w.group, &g->members[i], err);
	for (unsigned i = 0; code == ERR_NONE && i < g->row_count; i++)
		code = put_row(t, w.group, &g->rows[i], &own, err);
	if (code == ERR_NONE)
		code = fact_keys(t, RECORD_ROWS, g->id.b, ID_BYTES, settle_row, &w, err);
	return code;
}

int replay_group(struct replay *r, const struct record *rec, struct error *err)
{
	struct group_record *g = malloc(sizeof(*g));
	bool dead = false, known = false;
	int64_t group;
	int code;

	if (!g)
		return err_nomem(err);
	code = parse_group(rec->body, g, err);
	for (unsigned i = 0; code == ERR_NONE && i < g->supersedes_count; i++)
		code = supersede(r->t, &g->supersedes[i], err);
	if (code == ERR_NONE)
		code = is_superseded(r->t, &g->id, &dead, err);
	if (code == ERR_NONE)
		code = group_number(r->t, &g->id, &group, &known, err);
	if (code == ERR_NONE && !dead && !known)
		code = put_group(r, g, err);
	free(g);
	return code;
}

int replay_rows(struct replay *r, const struct record *rec, struct error *err)
{
	struct row_walk w = { .t = r->t };
	struct group_row_record row;
	uint8_t key[ROW_KEY_BYTES];
	struct id group;
	bool present, dead, known;
	int code = parse_rows(rec->body, &group, &row, &present, err);

	if (code == ERR_NONE)
		code = is_superseded(r->t, &group, &dead, err);
	if (code != ERR_NONE || dead)
		return code;
	memcpy(key, group.b, ID_BYTES);
	key[ID_BYTES] = row.row;
	memcpy(key + ID_BYTES + 1, row.drive_id.b, ID_BYTES);
	code = fact_set(r, rec, key, sizeof(key), err);
	if (code == ERR_NONE)
		code = group_number(r->t, &group, &w.group, &known, err);
	if (code == ERR_NONE && known)
		code = settle_row(&w, key, sizeof(key), err);
	return code;
}

int replay_superseded(struct replay *r, const struct record *rec, struct error *err)
{
	const uint8_t *ids;
	size_t count;
	int code = parse_superseded(rec->body, &ids, &count, err);

	for (size_t i = 0; code == ERR_NONE && i < count; i++) {
		struct id uid;

		memcpy(uid.b, ids + i * ID_BYTES, ID_BYTES);
		code = supersede(r->t, &uid, err);
	}
	return code;
}

/* ---- groups ---- */

static int load_members(struct table *t, int64_t group, struct table_group *out, struct error *err)
{
	struct query q = query_of(t, "SELECT member.slot, " BLOCK_COLUMNS " FROM member"
				     " JOIN block ON block.id = member.block" BLOCK_JOIN
				     "WHERE member.grp = ? ORDER BY member.slot");
	bool row;
	int code;

	query_int(&q, group);
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		int64_t slot = column_int(&q, 0);

		if (out->member_count == GROUP_MEMBERS_MAX || slot < 0 ||
		    slot >= GROUP_MEMBERS_MAX) {
			q.malformed = true;
			break;
		}
		out->slots[out->member_count] = (uint8_t)slot;
		block_columns(&q, 1, &out->members[out->member_count++]);
	}
	return query_end(&q, code, err);
}

static int load_rows(struct table *t, int64_t group, struct table_group *out, struct error *err)
{
	struct query q = query_of(t, "SELECT row.row, row.name, row.len, drive.uid FROM row"
				     " JOIN drive ON drive.id = row.drive"
				     " WHERE row.grp = ? AND row.present = 1"
				     " ORDER BY row.row, drive.uid");
	bool row;
	int code;

	query_int(&q, group);
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		struct group_row_record *found = &out->rows[out->row_count];
		int64_t number = column_int(&q, 0);

		if (out->row_count == GROUP_ROW_OBJECTS_MAX || number < 0 ||
		    number >= GROUP_ROWS_MAX) {
			q.malformed = true;
			break;
		}
		found->row = (uint8_t)number;
		column_exact(&q, 1, found->name.b, HASH_BYTES);
		found->len_bytes = (uint64_t)column_int(&q, 2);
		column_exact(&q, 3, found->drive_id.b, ID_BYTES);
		out->row_count++;
	}
	return query_end(&q, code, err);
}

static int load_rank(struct table *t, int64_t group, struct table_group *out, struct error *err)
{
	struct query q = query_of(t, "SELECT rank FROM grp WHERE id = ?");
	int64_t rank;
	bool found;
	int code;

	query_int(&q, group);
	code = query_value(&q, &rank, &found, err);
	out->rank = (uint64_t)rank;
	return code;
}

int table_group(struct table *t, const struct id *group_id, struct table_group *out,
		struct error *err)
{
	int64_t group;
	bool found;
	int code = group_number(t, group_id, &group, &found, err);

	memset(out, 0, sizeof(*out));
	out->id = *group_id;
	if (code == ERR_NONE && !found)
		code = err_set(err, ERR_NOT_FOUND, "the table knows no such live group");
	if (code == ERR_NONE)
		code = load_rank(t, group, out, err);
	if (code == ERR_NONE)
		code = load_members(t, group, out, err);
	if (code == ERR_NONE)
		code = load_rows(t, group, out, err);
	return code;
}

bool table_is_later(const struct table_group *g, const struct table_group *than)
{
	if (g->rank == 0 || than->rank == 0)
		return false;
	return g->rank != than->rank ? g->rank > than->rank
				     : memcmp(g->id.b, than->id.b, ID_BYTES) > 0;
}

int table_dropped_row(struct table *t, const struct id *drive_id, const struct hash *sha256,
		      struct id *group_id, struct group_row_record *row, struct error *err)
{
	struct query q = query_of(t, "SELECT grp.uid, row.row, row.len FROM row"
				     " JOIN grp ON grp.id = row.grp"
				     " WHERE row.name = ? AND row.present = 0"
				     " AND row.drive = (SELECT id FROM drive WHERE uid = ?)"
				     " ORDER BY grp.uid LIMIT 1");
	bool any;
	int code;

	*row = (struct group_row_record){ .name = *sha256, .drive_id = *drive_id };
	query_hash(&q, sha256);
	query_id(&q, drive_id);
	code = query_next(&q, &any, err);
	if (code == ERR_NONE && any) {
		column_exact(&q, 0, group_id->b, ID_BYTES);
		row->row = (uint8_t)column_int(&q, 1);
		row->len_bytes = (uint64_t)column_int(&q, 2);
	} else if (code == ERR_NONE) {
		code = err_set(err, ERR_NOT_FOUND, "no group has dropped such a row there");
	}
	return query_end(&q, code, err);
}

int table_groups_of(struct table *t, int64_t block_id, table_id_fn *each, void *ctx,
		    struct error *err)
{
	struct query q = query_of(t, "SELECT grp.uid FROM member JOIN grp ON grp.id = member.grp"
				     " WHERE member.block = ? ORDER BY grp.uid");

	query_int(&q, block_id);
	return query_each_id(&q, each, ctx, err);
}

int table_groups(struct table *t, table_id_fn *each, void *ctx, struct error *err)
{
	struct query q = query_of(t, "SELECT uid FROM grp ORDER BY uid");

	return query_each_id(&q, each, ctx, err);
}

int table_short_groups(struct table *t, unsigned rows, unsigned members, table_id_fn *each,
		       void *ctx, struct error *err)
{
	struct query q = query_of(t, "SELECT uid FROM grp WHERE (SELECT count(DISTINCT row) FROM row"
				     " WHERE row.grp = grp.id AND present = 1) < ?1 OR"
				     " (?2 < ?3 AND (SELECT count(*) FROM member"
				     " WHERE member.grp = grp.id) > ?2) ORDER BY uid");

	query_int(&q, rows);
	query_int(&q, members);
	query_int(&q, GROUP_MEMBERS_MAX);
	return query_each_id(&q, each, ctx, err);
}

int table_surplus_groups(struct table *t, unsigned rows, table_id_fn *each, void *ctx,
			 struct error *err)
{
	/* One pass over the rows in the order of their key: a look at each group takes twice as long. */
	struct query q = query_of(t, "SELECT uid FROM (SELECT grp AS id FROM row WHERE present = 1"
				     " GROUP BY grp"
				     " HAVING count(*) > ? OR count(*) > count(DISTINCT row))"
				     " JOIN grp USING(id) ORDER BY uid");

	query_int(&q, rows);
	return query_each_id(&q, each, ctx, err);
}

#define IS_EXTRA_ON_DRIVE                                                                          \
	" row.drive = (SELECT id FROM drive WHERE uid = ?2) AND row.present = 1 AND"               \
	" (SELECT count(DISTINCT below.row) FROM row AS below WHERE below.grp = row.grp"           \
	" AND below.present = 1 AND below.row < row.row) >= ?1"

int table_extra_bytes(struct table *t, unsigned parity, const struct id *drive_id, uint64_t *bytes,
		      struct error *err)
{
	struct query q = query_of(t, "SELECT sum(len) FROM row WHERE" IS_EXTRA_ON_DRIVE);
	int64_t sum;
	bool found;
	int code;

	query_int(&q, parity);
	query_id(&q, drive_id);
	code = query_value(&q, &sum, &found, err);
	*bytes = code == ERR_NONE ? (uint64_t)sum : 0;
	return code;
}

int table_extra_rows(struct table *t, unsigned parity, const struct id *drive_id, size_t skip,
		     size_t count, table_id_fn *each, void *ctx, struct error *err)
{
	struct query q = query_of(t, "SELECT grp.uid FROM row JOIN grp ON grp.id = row.grp WHERE"
				     IS_EXTRA_ON_DRIVE
				     " ORDER BY row.row DESC, grp.uid LIMIT ?3 OFFSET ?4");

	query_int(&q, parity);
	query_id(&q, drive_id);
	query_int(&q, (int64_t)count);
	query_int(&q, (int64_t)skip);
	return query_each_id(&q, each, ctx, err);
}

int table_doubled_groups(struct table *t, table_id_fn *each, void *ctx, struct error *err)
{
	struct query q = query_of(t, "SELECT uid FROM grp WHERE NOT EXISTS"
				     " (SELECT 1 FROM member WHERE member.grp = grp.id"
				     " AND NOT EXISTS (SELECT 1 FROM member AS also"
				     " WHERE also.block = member.block AND also.grp <> grp.id))"
				     " ORDER BY uid");

	return query_each_id(&q, each, ctx, err);
}

int table_narrow_groups(struct table *t, unsigned members, table_id_fn *each, void *ctx,
			struct error *err)
{
	struct query q = query_of(t, "SELECT uid FROM grp WHERE"
				     " (SELECT count(*) FROM member WHERE member.grp = grp.id) <= ?"
				     " ORDER BY uid");

	query_int(&q, members);
	return query_each_id(&q, each, ctx, err);
}

int table_shared_groups(struct table *t, table_id_fn *each, void *ctx, struct error *err)
{
	struct query q = query_of(t, "SELECT uid FROM grp WHERE id IN"
				     " (SELECT grp FROM member WHERE block IN"
				     " (SELECT block FROM member GROUP BY block HAVING count(*) > 1))"
				     " ORDER BY uid");

	return query_each_id(&q, each, ctx, err);
}

int table_lost_blocks(struct table *t, table_id_fn *each, void *ctx, struct error *err)
{
	struct query q = query_of(t, "SELECT uid FROM block WHERE lost = 1 ORDER BY uid");

	return query_each_id(&q, each, ctx, err);
}

int table_groups_on(struct table *t, const struct id *drive_id, table_id_fn *each, void *ctx,
		    struct error *err)
{
	struct query q = query_of(t, "SELECT uid FROM grp WHERE id IN"
				     " (SELECT member.grp FROM block"
				     " JOIN member ON member.block = block.id WHERE block.drive > 0"
				     " AND block.drive = (SELECT id FROM drive WHERE uid = ?1)"
				     " UNION SELECT row.grp FROM row WHERE row.present = 1"
				     " AND row.drive = (SELECT id FROM drive WHERE uid = ?1))"
				     " ORDER BY uid");

	query_id(&q, drive_id);
	return query_each_id(&q, each, ctx, err);
}

int table_ungrouped(struct table *t, table_id_fn *each, void *ctx, struct error *err)
{
	struct query q = query_of(t, "SELECT uid FROM block WHERE state = 1 AND lost = 0 AND"
				     " fossil = 0 AND NOT EXISTS"
				     " (SELECT 1 FROM member WHERE member.block = block.id)"
				     " ORDER BY uid");

	return query_each_id(&q, each, ctx, err);
}
