#include "table/table_internal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define APPLICATION_ID 0x6d726d72 /* "mrmr" */
#define SCHEMA_VERSION 5
#define BUSY_TIMEOUT_MS 30000
#define VALUE_BYTES_MAX (256 << 20)

/*
 * node, content: a version of a node is valid for the snapshots of its line whose ordinal is at
 * least first and below end. The partial indexes hold only what changed after a line's first
 * snapshot: they give the changes of one snapshot without costing anything for the rest.
 */
static const char schema[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE writer(id INTEGER PRIMARY KEY,"
	" key BLOB NOT NULL UNIQUE CHECK(length(key) = 32),"
	" seq INTEGER NOT NULL, head BLOB NOT NULL CHECK(length(head) = 32));"
	"CREATE TABLE head(writer INTEGER, seq INTEGER, head BLOB NOT NULL,"
	" PRIMARY KEY(writer, seq)) WITHOUT ROWID;"

	"CREATE TABLE seg(id INTEGER PRIMARY KEY, writer INTEGER NOT NULL, seq INTEGER NOT NULL,"
	" rank INTEGER NOT NULL, clock BLOB NOT NULL, UNIQUE(writer, seq));"
	"CREATE TABLE fact(type INTEGER, key BLOB, seg INTEGER, mandatory INTEGER NOT NULL,"
	" body BLOB NOT NULL, PRIMARY KEY(type, key, seg)) WITHOUT ROWID;"
	"CREATE INDEX fact_seg ON fact(seg);"
	"CREATE TABLE scrub(drive INTEGER, writer INTEGER, complete INTEGER, time INTEGER NOT NULL,"
	" objects INTEGER NOT NULL, bytes INTEGER NOT NULL, damaged INTEGER NOT NULL,"
	" repaired INTEGER NOT NULL, remaining INTEGER NOT NULL,"
	" PRIMARY KEY(drive, writer, complete)) WITHOUT ROWID;"
	"CREATE TABLE verified(drive INTEGER, writer INTEGER, seq INTEGER, body BLOB NOT NULL,"
	" PRIMARY KEY(drive, writer, seq)) WITHOUT ROWID;"

	"CREATE TABLE drive(id INTEGER PRIMARY KEY,"
	" uid BLOB NOT NULL UNIQUE CHECK(length(uid) = 16),"
	" held_bytes INTEGER NOT NULL DEFAULT 0, held_objects INTEGER NOT NULL DEFAULT 0,"
	" held_row_bytes INTEGER NOT NULL DEFAULT 0);"
	"CREATE TABLE block(id INTEGER PRIMARY KEY,"
	" uid BLOB NOT NULL UNIQUE CHECK(length(uid) = 16),"
	" name BLOB NOT NULL CHECK(length(name) = 32), len INTEGER NOT NULL,"
	" epoch INTEGER NOT NULL, drive INTEGER NOT NULL, state INTEGER NOT NULL,"
	" lost INTEGER NOT NULL, fossil INTEGER NOT NULL,"
	" writer INTEGER NOT NULL, seq INTEGER NOT NULL,"
	" placed_writer INTEGER NOT NULL, placed_seq INTEGER NOT NULL);"
	"CREATE INDEX block_name ON block(name);"
	"CREATE INDEX block_drive ON block(drive, name, len, state, lost, placed_writer, placed_seq)"
	" WHERE drive > 0;"
	"CREATE INDEX block_inline ON block(writer) WHERE state = 2;"
	"CREATE TABLE contents(block INTEGER PRIMARY KEY, list BLOB NOT NULL, data BLOB NOT NULL);"
	"CREATE TABLE chunk(id BLOB, block INTEGER, idx INTEGER, PRIMARY KEY(id, block, idx))"
	" WITHOUT ROWID;"

	"CREATE TABLE grp(id INTEGER PRIMARY KEY,"
	" uid BLOB NOT NULL UNIQUE CHECK(length(uid) = 16), writer INTEGER NOT NULL,"
	" seq INTEGER NOT NULL, rank INTEGER NOT NULL);"
	"CREATE TABLE superseded(uid BLOB PRIMARY KEY CHECK(length(uid) = 16)) WITHOUT ROWID;"
	"CREATE TABLE member(grp INTEGER, slot INTEGER, block INTEGER NOT NULL,"
	" PRIMARY KEY(grp, slot)) WITHOUT ROWID;"
	"CREATE INDEX member_block ON member(block);"
	"CREATE TABLE row(grp INTEGER, row INTEGER, drive INTEGER, name BLOB NOT NULL,"
	" len INTEGER NOT NULL, own INTEGER NOT NULL, present INTEGER NOT NULL,"
	" placed_writer INTEGER NOT NULL, placed_seq INTEGER NOT NULL,"
	" PRIMARY KEY(grp, row, drive))"
	" WITHOUT ROWID;"
	"CREATE INDEX row_drive ON row(drive, name, grp, row, len, placed_writer, placed_seq)"
	" WHERE present = 1;"
	"CREATE INDEX row_name ON row(name);"

	"CREATE TABLE line(id INTEGER PRIMARY KEY, tip INTEGER NOT NULL);"
	"CREATE TABLE snapshot(id INTEGER PRIMARY KEY,"
	" uid BLOB NOT NULL UNIQUE CHECK(length(uid) = 16),"
	" series BLOB NOT NULL CHECK(length(series) = 16), line INTEGER NOT NULL,"
	" ordinal INTEGER NOT NULL, rank INTEGER NOT NULL, time INTEGER NOT NULL,"
	" writer INTEGER NOT NULL, seq INTEGER NOT NULL, stored INTEGER NOT NULL,"
	" body BLOB NOT NULL);"
	"CREATE INDEX snapshot_series ON snapshot(series, rank, time, uid);"
	"CREATE UNIQUE INDEX snapshot_line ON snapshot(line, ordinal);"
	"CREATE INDEX snapshot_writer ON snapshot(writer, seq);"
	"CREATE TABLE pending(n INTEGER PRIMARY KEY, snapshot BLOB NOT NULL, type INTEGER NOT NULL,"
	" writer INTEGER NOT NULL, seq INTEGER NOT NULL, rank INTEGER NOT NULL,"
	" body BLOB NOT NULL, link BLOB);"
	"CREATE INDEX pending_snapshot ON pending(snapshot);"
	"CREATE INDEX pending_link ON pending(link) WHERE link IS NOT NULL;"

	"CREATE TABLE path(id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, name BLOB NOT NULL,"
	" UNIQUE(parent, name));"
	"CREATE TABLE node(line INTEGER, folder INTEGER, name BLOB, first INTEGER,"
	" end INTEGER NOT NULL, type INTEGER NOT NULL, body BLOB NOT NULL,"
	" PRIMARY KEY(line, folder, name, first)) WITHOUT ROWID;"
	"CREATE INDEX node_opened ON node(line, first) WHERE first > 1;"
	"CREATE INDEX node_closed ON node(line, end) WHERE end < 9223372036854775807;"
	"CREATE TABLE content(line INTEGER, folder INTEGER, name BLOB, first INTEGER, part INTEGER,"
	" pieces BLOB NOT NULL, PRIMARY KEY(line, folder, name, first, part)) WITHOUT ROWID;";

static void statements_drop(struct table *t)
{
	for (size_t i = 0; i < STATEMENTS_MAX; i++)
		sqlite3_finalize(t->statements[i].stmt);
	memset(t->statements, 0, sizeof(t->statements));
}

static void database_close(struct table *t)
{
	statements_drop(t);
	sqlite3_close(t->db);
	t->db = NULL;
	t->in_transaction = t->in_view = t->counts = false;
}

/* All three files at once: an old log must never be applied to a new database. */
int table_remove(const char *path, struct error *err)
{
	static const char *const endings[] = { "-wal", "-shm", "-journal", "" };

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		char name[PATH_MAX];
		int n = snprintf(name, sizeof(name), "%s%s", path, endings[i]);

		if (n < 0 || (size_t)n >= sizeof(name))
			return err_set(err, ERR_USAGE, "table %s: the path is too long", path);
		if (unlink(name) < 0 && access(name, F_OK) == 0)
			return err_errno(err, "remove table %s", name);
	}
	return ERR_NONE;
}

static int configure(struct table *t, struct error *err)
{
	sqlite3_busy_timeout(t->db, BUSY_TIMEOUT_MS);
	sqlite3_db_config(t->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(t->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(t->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(t->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_db_config(t->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	sqlite3_limit(t->db, SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX);
	sqlite3_limit(t->db, SQLITE_LIMIT_ATTACHED, 0);
	/* The page size first: SQLite turns the size of its cache into a number of pages. */
	return table_exec(t,
			  "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;"
			  "PRAGMA temp_store = MEMORY; PRAGMA page_size = 8192;"
			  "PRAGMA recursive_triggers = ON;"
			  "PRAGMA journal_mode = WAL; PRAGMA cache_size = -32768;"
			  "PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 67108864;",
			  err);
}

static int check_identity(struct table *t, const struct id *array_id, struct error *err)
{
	struct query q = query_of(t, "SELECT value FROM meta WHERE key = 'array'");
	struct id found = { 0 };
	bool row;
	int code = query_next(&q, &row, err);

	if (code == ERR_NONE && row)
		column_exact(&q, 0, found.b, ID_BYTES);
	code = query_end(&q, code, err);
	if (code == ERR_NONE && !id_equal(&found, array_id))
		code = err_set(err, ERR_CORRUPT, "table %s belongs to another array", t->path);
	return code;
}

static int pragma_value(struct table *t, const char *sql, int64_t *value, struct error *err)
{
	struct query q = query_of(t, sql);
	bool found;

	return query_value(&q, value, &found, err);
}

static int create(struct table *t, const struct id *array_id, struct error *err)
{
	char numbers[96];
	struct query q;
	int code = table_exec(t, schema, err);

	if (code != ERR_NONE)
		return code;
	q = query_of(t, "INSERT INTO meta(key, value) VALUES('array', ?)");
	query_id(&q, array_id);
	code = query_run(&q, err);
	if (code != ERR_NONE)
		return code;
	snprintf(numbers, sizeof(numbers), "PRAGMA application_id = %d; PRAGMA user_version = %d;",
		 APPLICATION_ID, SCHEMA_VERSION);
	return table_exec(t, numbers, err);
}

/* Whether the file is ours, or (*empty) has nothing in it yet. */
static int look(struct table *t, const struct id *array_id, bool *empty, struct error *err)
{
	int64_t application = 0, version = 0, objects = 0;
	int code = pragma_value(t, "PRAGMA application_id", &application, err);

	*empty = false;
	if (code == ERR_NONE)
		code = pragma_value(t, "PRAGMA user_version", &version, err);
	if (code == ERR_NONE && application == 0 && version == 0) {
		code = pragma_value(t, "SELECT count(*) FROM sqlite_schema", &objects, err);
		*empty = code == ERR_NONE && objects == 0;
	}
	if (code != ERR_NONE || *empty)
		return code;
	if (application != APPLICATION_ID || version != SCHEMA_VERSION)
		return err_set(err, ERR_CORRUPT, "table %s is of another version", t->path);
	return check_identity(t, array_id, err);
}

static int begin(struct table *t, struct error *err)
{
	int rc = sqlite3_exec(t->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		return table_error(t, rc, "begin", err);
	t->in_transaction = true;
	t->broken = false;
	return ERR_NONE;
}

/* In one transaction, so that two processes that start together do not both create. */
static int create_if_empty(struct table *t, const struct id *array_id, bool *fresh,
			   struct error *err)
{
	int code = begin(t, err);

	if (code != ERR_NONE)
		return code;
	code = look(t, array_id, fresh, err);
	if (code == ERR_NONE && *fresh)
		code = create(t, array_id, err);
	if (code == ERR_NONE)
		return table_commit(t, err);
	table_rollback(t);
	return code;
}

/* Creates what an empty file lacks, or checks that the file is ours: for that it waits for nobody
 * who writes. */
static int adopt_or_create(struct table *t, const struct id *array_id, bool *fresh,
			   struct error *err)
{
	bool empty;
	int code = table_view(t, err);

	if (code != ERR_NONE)
		return code;
	code = look(t, array_id, &empty, err);
	table_view_end(t);
	return code == ERR_NONE && empty ? create_if_empty(t, array_id, fresh, err) : code;
}

static int open_once(struct table *t, const struct id *array_id, bool *fresh, struct error *err)
{
	/* SQLite gives its other files the mode of this one; names of files are private. */
	int fd = open(t->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int rc, code;

	if (fd < 0)
		return err_errno(err, "open table %s", t->path);
	close(fd);
	rc = sqlite3_open_v2(t->path, &t->db,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
			     NULL);
	if (rc != SQLITE_OK)
		return table_error(t, rc, "open", err);
	code = configure(t, err);
	return code == ERR_NONE ? adopt_or_create(t, array_id, fresh, err) : code;
}

int table_open(const char *path, const struct id *array_id, struct table **out, bool *fresh,
	       struct error *err)
{
	struct table *t = calloc(1, sizeof(*t));
	int code;

	*out = NULL;
	*fresh = false;
	if (!t || !(t->path = strdup(path))) {
		free(t);
		return err_nomem(err);
	}
	code = open_once(t, array_id, fresh, err);
	if (code == ERR_CORRUPT) {
		database_close(t);
		t->damaged = false;
		code = table_remove(path, err);
		if (code == ERR_NONE)
			code = open_once(t, array_id, fresh, err);
	}
	if (code != ERR_NONE) {
		table_close(t);
		return code;
	}
	*out = t;
	return ERR_NONE;
}

void table_close(struct table *t)
{
	struct error ignored;

	if (!t)
		return;
	table_rollback(t);
	database_close(t);
	/* Should this fail, the next open or replay meets the damage again. */
	if (t->damaged)
		table_remove(t->path, &ignored);
	buf_release(&t->paths.text);
	free(t->paths.steps);
	buf_release(&t->node_bytes);
	free(t->path);
	free(t);
}

int table_begin(struct table *t, struct error *err)
{
	int code = ERR_NONE;

	if (t->in_transaction)
		return err_set(err, ERR_USAGE, "table %s: a transaction is open already", t->path);
	table_view_end(t);
	if (!t->counts)
		code = table_begin_counts(t, err);
	return code == ERR_NONE ? begin(t, err) : code;
}

int table_commit(struct table *t, struct error *err)
{
	int rc;

	if (!t->in_transaction || t->broken) {
		table_rollback(t);
		return err_set(err, ERR_USAGE, "table %s: nothing to commit: a replay failed",
			       t->path);
	}
	rc = sqlite3_exec(t->db, "COMMIT", NULL, NULL, NULL);
	if (rc != SQLITE_OK) {
		table_error(t, rc, "commit", err);
		table_rollback(t);
		return (int)err->code;
	}
	t->in_transaction = false;
	return ERR_NONE;
}

void table_rollback(struct table *t)
{
	if (!t->in_transaction)
		return;
	/* Its error is no news: SQLite rolls back by itself after the graver failures. */
	sqlite3_exec(t->db, "ROLLBACK", NULL, NULL, NULL);
	t->in_transaction = false;
	path_cache_clear(t);
}

int table_view(struct table *t, struct error *err)
{
	int rc;

	if (t->in_transaction || t->in_view)
		return ERR_NONE;
	rc = sqlite3_exec(t->db, "BEGIN", NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return table_error(t, rc, "begin", err);
	t->in_view = true;
	return ERR_NONE;
}

void table_view_end(struct table *t)
{
	/* Nothing was written in it: that can't fail. */
	if (t->in_view)
		sqlite3_exec(t->db, "COMMIT", NULL, NULL, NULL);
	t->in_view = false;
}

uint64_t table_changes(const struct table *t)
{
	return (uint64_t)sqlite3_total_changes64(t->db);
}

int table_clear(struct table *t, struct error *err)
{
	path_cache_clear(t);
	return table_exec(t,
			  "DELETE FROM writer; DELETE FROM head; DELETE FROM seg; DELETE FROM fact;"
			  "DELETE FROM scrub; DELETE FROM verified; DELETE FROM drive;"
			  "DELETE FROM block;"
			  "DELETE FROM contents; DELETE FROM chunk; DELETE FROM grp;"
			  "DELETE FROM superseded; DELETE FROM member; DELETE FROM row;"
			  "DELETE FROM line; DELETE FROM snapshot; DELETE FROM pending;"
			  "DELETE FROM path; DELETE FROM node; DELETE FROM content;",
			  err);
}

int table_forget(struct table *t, struct error *err)
{
	int code = table_begin(t, err);

	if (code != ERR_NONE)
		return code;
	code = table_clear(t, err);
	if (code == ERR_NONE)
		return table_commit(t, err);
	table_rollback(t);
	return code;
}

static int check_whole(struct table *t, struct error *err)
{
	struct query q = query_of(t, "PRAGMA quick_check(1)");
	bool row;
	int code = query_next(&q, &row, err);

	if (code == ERR_NONE && row) {
		size_t len;
		const char *said = column_blob(&q, 0, &len);

		if (len != 2 || memcmp(said, "ok", 2) != 0)
			code = err_set(err, ERR_CORRUPT, "table %s: %.*s", t->path, (int)len, said);
	}
	return query_end(&q, code, err);
}

int table_check(struct table *t, struct error *err)
{
	int code = check_whole(t, err);

	if (code == ERR_NONE)
		code = table_check_counts(t, err);
	t->damaged = t->damaged || code == ERR_CORRUPT;
	return code;
}
