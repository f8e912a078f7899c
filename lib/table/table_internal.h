/*
 * What the files of the table share. Nothing outside lib/table/table*.c includes this.
 */
#ifndef MRMR_TABLE_TABLE_INTERNAL_H
#define MRMR_TABLE_TABLE_INTERNAL_H

#include "table/table.h"

#include <sqlite3.h>

#define STATEMENTS_MAX 256 /* a power of two, well above the statements of all files */
#define ROOT_FOLDER 0			     /* path id of "" */
#define NEVER INT64_MAX			     /* end of an interval that is still open */
#define OBJECT_BYTES_MAX ((uint64_t)1 << 48) /* no object is longer: sums do not overflow */

struct statement {
	const char *sql; /* told apart by address: every text is a literal of its function */
	sqlite3_stmt *stmt;
};

/* The path looked up last, by components: a walk shares most of them with the next one. */
struct path_step {
	size_t end_bytes; /* of the path's text */
	int64_t id;
};
struct path_cache {
	struct buf text;
	struct path_step *steps;
	size_t count, cap;
};

struct table {
	sqlite3 *db;
	char *path;
	bool in_transaction, in_view;
	bool counts;   /* what drives hold, as it changes */
	bool broken;  /* a replay failed inside the caller's transaction: it cannot be committed */
	bool damaged; /* SQLite met damage: the file is removed at close and made anew next time */
	struct statement statements[STATEMENTS_MAX];
	struct path_cache paths;
	struct buf node_bytes; /* what table_node() lends */
};

/* ---- table_query.c: statements ---- */

/*
 * A prepared statement at work: parameters are bound in order, columns are read by index. The
 * first failure is kept inside and told by query_run() or query_next(). A query must not be
 * begun anew before query_end(): recursion on one statement is a mistake of the program.
 * Bound bytes must outlive the query; columns are lent until the next query_next().
 */
struct query {
	struct table *t;
	sqlite3_stmt *stmt;
	int bound;
	int rc;
	bool malformed; /* a column had another size than it must have */
};
struct query query_of(struct table *t, const char *sql);
void query_int(struct query *q, int64_t v);
void query_blob(struct query *q, const void *bytes, size_t len_bytes);
void query_id(struct query *q, const struct id *id);
void query_hash(struct query *q, const struct hash *h);
int query_run(struct query *q, struct error *err); /* to the end; no rows wanted; ends it */
int query_next(struct query *q, bool *row, struct error *err);
/* Ends it; returns code, or ERR_CORRUPT when code is ERR_NONE and a column was malformed. */
int query_end(struct query *q, int code, struct error *err);
int64_t column_int(struct query *q, int i);
const void *column_blob(struct query *q, int i, size_t *len_bytes);
void column_exact(struct query *q, int i, void *out, size_t len_bytes);
/* For a query of at most one integer; *found false and *value 0 without a row. Ends it. */
int query_value(struct query *q, int64_t *value, bool *found, struct error *err);

/* For what the table itself holds: when it does not parse, it was damaged. Returns code. */
int table_stored(struct table *t, int code, struct error *err);

int table_error(struct table *t, int rc, const char *step, struct error *err);
int table_exec(struct table *t, const char *sql, struct error *err);
/* table_count.c: on a connection that is about to write. ERR_CORRUPT: drives hold something else. */
int table_begin_counts(struct table *t, struct error *err);
int table_check_counts(struct table *t, struct error *err);

/* Forgets everything but the array's id; in the caller's transaction. */
int table_clear(struct table *t, struct error *err);

/* ---- table_replay.c ---- */

struct record {
	uint64_t type;
	bool mandatory;
	struct reader body;
};

/* Who says something, and what he knew: the segment at hand, or what RECORD_VERSION told. */
struct version {
	struct hash writer;
	uint64_t seq;
	uint64_t rank; /* sum of all seqs known: rises along every causal chain */
	const struct clock *clock;
	int64_t writer_id;
	int64_t seg_id; /* 0: not stored yet */
};

struct chunk_row {
	struct hash id;
	int64_t block;
	uint32_t index;
};

struct replay {
	struct table *t;
	struct version at;
	struct clock version_clock; /* owned; of the last RECORD_VERSION */
	const struct segment *segment;
	uint64_t known; /* last seq of the segment's writer applied before */
	uint64_t record_index;
	bool skip;		  /* records of a version that is known already */
	struct chunk_row *chunks; /* gathered, so that the index is filled in sorted batches */
	size_t chunk_count, chunk_cap;
	bool fold; /* blocks came: inline blocks may have found a home */
};

typedef int replay_fn(struct replay *r, const struct record *rec, struct error *err);
replay_fn replay_policy, replay_extra, replay_drive, replay_since, replay_access, replay_slot,
	replay_retire, replay_scrub, replay_verified;
replay_fn replay_block, replay_inline, replay_move, replay_fossil, replay_ack, replay_lost,
	replay_dictionary;
replay_fn replay_group, replay_rows, replay_garbage, replay_superseded;
replay_fn replay_series, replay_intent, replay_intent_end, replay_snapshot, replay_folder,
	replay_content, replay_commit, replay_settled;

bool version_covers(const struct version *v, const struct hash *writer, uint64_t seq);
/* Local number of a writer; made when missing. */
int writer_number(struct table *t, const struct hash *writer, int64_t *id, struct error *err);

/* ---- table_fact.c: facts that several writers may set ---- */

/* Adds this version of the fact (type, key) and drops those its writer had seen; nothing when a
 * version that had seen this one is known already. The record's body is kept as it is. */
int fact_set(struct replay *r, const struct record *rec, const void *key, size_t key_bytes,
	     struct error *err);
/* Drops the versions its writer had seen. */
int fact_drop(struct replay *r, enum record_type type, const void *key, size_t key_bytes,
	      struct error *err);
/* Positive: a is to be preferred; 0: the higher writer id decides. */
typedef int fact_rule(struct reader a, struct reader b);
/* The body of the winner replaces what is in body. rule may be NULL. ERR_NOT_FOUND. */
int fact_best(struct table *t, enum record_type type, const void *key, size_t key_bytes,
	      fact_rule *rule, struct buf *body, struct error *err);
/* By which segment something was placed where it is: numbers of this table. */
struct placing {
	int64_t writer, seq;
};
/* The same, and who said it. */
int fact_best_of(struct table *t, enum record_type type, const void *key, size_t key_bytes,
		 fact_rule *rule, struct buf *body, struct placing *said, struct error *err);
/* Calls each(ctx, key, len) per key of a type, by rising key; the keys are collected first. */
typedef int fact_key_fn(void *ctx, const uint8_t *key, size_t key_bytes, struct error *err);
int fact_keys(struct table *t, enum record_type type, const void *prefix, size_t prefix_bytes,
	      fact_key_fn *each, void *ctx, struct error *err);
/* *out is replaced. */
int marks_decode(const void *bytes, size_t len_bytes, struct clock *out, struct error *err);
/* Whether the version at hand has seen one of the fact. */
int fact_seen(struct replay *r, enum record_type type, const void *key, size_t key_bytes,
	      bool *seen, struct error *err);
/* Drops all versions, seen or not. */
int fact_forget(struct table *t, enum record_type type, const void *key, size_t key_bytes,
		struct error *err);

/* ---- shared by blocks, groups and the array ---- */

enum block_state {
	BLOCK_UNKNOWN = 0,    /* named by a group or a move, its own record is not here */
	BLOCK_SEALED = 1,     /* an object on a drive */
	BLOCK_INLINE = 2,     /* its data are in the table */
	BLOCK_DICTIONARY = 3, /* its data are elsewhere by now; nodes still refer to its list */
};

/* Local number of a drive, made when missing; 0 for the zero id. */
int drive_number(struct table *t, const struct id *drive_id, int64_t *id, struct error *err);
/* The block's number; made as BLOCK_UNKNOWN when missing. */
int block_number(struct table *t, const struct id *uid, int64_t *id, enum block_state *state,
		 struct error *err);
#define BLOCK_COLUMNS                                                                              \
	"block.id, block.uid, block.name, block.len, block.epoch, drive.uid, block.state, "        \
	"block.lost, block.fossil"
#define BLOCK_COLUMN_COUNT 9
#define BLOCK_JOIN " LEFT JOIN drive ON drive.id = block.drive "
void block_columns(struct query *q, int first, struct table_block *out);
int block_flush_chunks(struct replay *r, struct error *err);
int block_fold(struct replay *r, struct error *err);
/* Its data are no longer where its record said: only the list of chunks is kept. */
int block_to_dictionary(struct table *t, int64_t id, struct error *err);
/* Collects what a query yields (one 16-byte column), ends it, then calls each. */
int query_each_id(struct query *q, table_id_fn *each, void *ctx, struct error *err);

/* ---- table_verified.c ---- */

/* All that scrubs said of a drive, to be asked of many objects. */
struct drive_claims;
int drive_claims_load(struct table *t, int64_t drive, struct drive_claims **out, struct error *err);
void drive_claims_free(struct drive_claims *c); /* NULL is allowed */
/* Of an object of that name, placed there by that segment. */
void drive_claims_ask(const struct drive_claims *c, const struct hash *name, int64_t writer,
		      int64_t seq, struct table_verified *out);

/* ---- table_path.c ---- */

/* Path id of an absolute path. ERR_NOT_FOUND unless create. */
int path_number(struct table *t, const void *path, size_t path_bytes, bool create, int64_t *id,
		struct error *err);
int path_child(struct table *t, int64_t parent, const void *name, size_t name_bytes, bool create,
	       int64_t *id, struct error *err);
/* Appends the text of a path id. */
int path_text(struct table *t, int64_t id, struct buf *out, struct error *err);
void path_cache_clear(struct table *t); /* after a rollback: its numbers may be of no path */

/* ---- table_delta.c ---- */

/* A snapshot's place: lines are chains of snapshots, each the base of the next. */
struct line_place {
	int64_t line, ordinal;
};

/* The changes of one snapshot at work. */
struct delta {
	struct table *t;
	struct line_place at;
	bool first_of_line; /* no nodes before: nothing to end */
	int64_t folder;
	struct buf body; /* owned */
};
int delta_folder(struct delta *d, struct reader body, struct error *err);
int delta_content(struct delta *d, struct reader body, struct error *err);
/* The place of a first snapshot: in a new line that begins with what base held, or (base NULL)
 * with nothing. */
int line_make(struct table *t, const struct line_place *base, struct line_place *out,
	      struct error *err);

/* ---- table_dump.c ---- */

#define DUMP_BATCH_BYTES ((size_t)1 << 20)

struct dump {
	struct table *t;
	table_dump_fn *each;
	void *ctx;
	struct buf out;		/* of the batch at hand; owned */
	bool has_version, told; /* told: the batch has it already */
	struct hash writer;
	uint64_t seq, rank;
	struct clock known; /* owned */
};
struct buf *dump_out(struct dump *d);
/* Hands the batch on, if it is large enough or all shall go. */
int dump_flush(struct dump *d, bool all, struct error *err);
void dump_release(struct dump *d);

/* The records of a snapshot: its head, its changes since its base, its commit. */
int dump_snapshot(struct dump *d, const struct id *uid, const struct line_place *at,
		  struct error *err);

#endif
