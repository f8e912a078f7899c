/*
 * What drives hold, in the columns held_* of drive. Every command asks for it, so it is counted as it
 * changes. The triggers are of the connection, not of the file, which may have none
 * (SQLITE_DBCONFIG_ENABLE_TRIGGER). Most commands only read: a connection gets them when it first
 * writes, all of which is in transactions.
 */
#include "table/table_internal.h"

#define BLOCK_COUNTS(sign, b)                                                                      \
	"UPDATE drive SET held_bytes = held_bytes " #sign " " #b ".len,"                           \
	" held_objects = held_objects " #sign " 1 WHERE id = " #b ".drive; "
#define ROW_COUNTS(sign, r)                                                                        \
	"UPDATE drive SET held_bytes = held_bytes " #sign " " #r ".len,"                           \
	" held_objects = held_objects " #sign " 1,"                                                \
	" held_row_bytes = held_row_bytes " #sign " " #r ".len WHERE id = " #r ".drive; "

#define TRIGGER(text) "CREATE TEMP TRIGGER IF NOT EXISTS " text "END;"

/* Where memory was short before all were made, some are there already. Rows never change, but are
 * replaced, which recursive_triggers makes a deletion, too. */
static const char counting[] =
	TRIGGER("block_in AFTER INSERT ON main.block BEGIN " BLOCK_COUNTS(+, new))
	TRIGGER("block_out AFTER DELETE ON main.block BEGIN " BLOCK_COUNTS(-, old))
	TRIGGER("block_other AFTER UPDATE OF drive, len ON main.block BEGIN "
		BLOCK_COUNTS(-, old) BLOCK_COUNTS(+, new))
	TRIGGER("row_in AFTER INSERT ON main.row WHEN new.present = 1 BEGIN " ROW_COUNTS(+, new))
	TRIGGER("row_out AFTER DELETE ON main.row WHEN old.present = 1 BEGIN " ROW_COUNTS(-, old));

_Static_assert(SQLITE_VERSION_NUMBER >= 3035000,
	       "before, a connection that allows no triggers of the file has none of its own");

int table_begin_counts(struct table *t, struct error *err)
{
	int code = table_exec(t, counting, err);

	t->counts = code == ERR_NONE;
	return code;
}

int table_check_counts(struct table *t, struct error *err)
{
	struct query q = query_of(
		t, "SELECT id FROM drive WHERE (held_bytes, held_objects, held_row_bytes) IS NOT"
		   " (SELECT ifnull(sum(len), 0), count(*), ifnull(sum(row_len), 0) FROM"
		   " (SELECT len, 0 AS row_len FROM block WHERE block.drive = drive.id AND drive > 0"
		   " UNION ALL"
		   " SELECT len, len FROM row WHERE row.drive = drive.id AND present = 1)) LIMIT 1");
	int64_t drive;
	bool found;
	int code = query_value(&q, &drive, &found, err);

	if (code == ERR_NONE && found)
		code = err_set(err, ERR_CORRUPT, "table %s: drive %lld holds something else than counted",
			       t->path, (long long)drive);
	return code;
}
