/*
 * The table: SQLite in the state folder, a cache rebuilt from the journals at any time.
 *
 * Opened DEFENSIVE, trusted_schema off, no mmap, WAL. A table that is missing, damaged, of
 * another array or of another version is made anew and *fresh is set: the caller replays every
 * journal. Handles are for one thread; several processes may read while one writes.
 *
 * Replay: segments go to table_apply() in causal order (a segment's clock is covered by what
 * was applied before); which writer comes first beyond that must not matter. A drive, policy,
 * series, row or place may have been set by several writers at once: all versions that no
 * other has seen are kept, and the winner is chosen among them by rule when read (larger parity
 * wins; a name clash gets a suffix; else the higher writer id wins). Compacted segments of two
 * writers may each cover what the other had seen: applied one after the other, against causal
 * order, they still give the same facts, and a snapshot waits for its base.
 */
#ifndef MRMR_TABLE_TABLE_H
#define MRMR_TABLE_TABLE_H

#include "table/record.h"
#include "table/segment.h"

struct table;

/* Errors of any function below: ERR_CORRUPT when the file turns out damaged (it is removed by
 * table_close(), so that the next table_open() makes it anew), ERR_LOCKED when another process
 * kept it for half a minute, ERR_FULL, ERR_IO. */
int table_open(const char *path, const struct id *array_id, struct table **out, bool *fresh,
	       struct error *err);
void table_close(struct table *t); /* NULL is allowed */
/* The file of a table that is not open, with all that SQLite puts beside it. */
int table_remove(const char *path, struct error *err);
/* Reads the whole file and checks its structure (SQLite's quick_check), and what drives hold as it was
 * counted. ERR_CORRUPT. */
int table_check(struct table *t, struct error *err);

/* ---- replay ---- */

/* All records of a segment that was opened and whose chain was checked, in one transaction (or in
 * the caller's, between table_begin() and table_commit()). A segment already covered: nothing. */
int table_apply(struct table *t, const struct segment *s, struct error *err);
/* Everything: every journal is to be replayed again. Not within a transaction. */
int table_forget(struct table *t, struct error *err);
int table_begin(struct table *t, struct error *err);
int table_commit(struct table *t, struct error *err);
void table_rollback(struct table *t);
/* Many lookups in a row, of one state of the table: else each locks and unlocks the file. Nothing is
 * written meanwhile, but table_begin() may be called: it ends the view first. */
int table_view(struct table *t, struct error *err);
void table_view_end(struct table *t); /* without a view: nothing */
/* How many rows were written through t since it was opened: the same number, the same contents, but
 * for what other processes wrote. */
uint64_t table_changes(const struct table *t);
/* Snapshots whose base is not known (yet) wait for it. Call this when all that there is was
 * replayed and something is missing (a scan, lost journals): those left are taken as if they had
 * no base, with what their own records say. */
int table_settle(struct table *t, struct error *err);
/* What was applied, of every writer. Caller: clock_release(). */
int table_clock(struct table *t, struct clock *out, struct error *err);
/* Writers with a journal that nobody declared dead. */
int table_writers(struct table *t, uint64_t *count, struct error *err);
/* First 16 bytes of the head of writer at seq, when known. ERR_NOT_FOUND. */
int table_head_at(struct table *t, const struct hash *writer, uint64_t seq, uint8_t head[16],
		  struct error *err);
/* Whether some writer's journal has a head that begins with these 16 bytes. */
int table_has_head(struct table *t, const uint8_t head[16], bool *yes, struct error *err);
/*
 * Dumps everything as records that replay to the same table: a checkpoint. Applied as a segment
 * of that kind it replaces what a table holds, if it covers that (else ERR_EXISTS: make the
 * table anew). table_dump_each() hands on batches of whole records of about 1 MiB, each of
 * which tells again whose records it begins with; in order they are what table_dump() appends.
 */
typedef int table_dump_fn(void *ctx, const void *records, size_t len_bytes, struct error *err);
int table_dump_each(struct table *t, table_dump_fn *each, void *ctx, struct error *err);
int table_dump(struct table *t, struct buf *records, struct error *err);
/* The same for equal contents, whatever the order of replay: BLAKE2b over all logical rows. */
int table_fingerprint(struct table *t, struct hash *out, struct error *err);
/* The snapshot, folder, content and commit records of this writer that no manifest holds yet, in
 * order: those of its snapshots without blocks since its last one with blocks, whose manifest
 * holds all before. */
int table_unmanifested(struct table *t, const struct hash *writer, struct buf *records,
		       struct error *err);

/* ---- the array ---- */

int table_policy(struct table *t, struct policy *out, struct error *err); /* ERR_NOT_FOUND: none */

struct table_drive {
	struct drive_record record;
	char *url, *options_json;   /* "" when no access record */
	int64_t since_s;	    /* when it was given its state; 0: not told */
	bool returning;		    /* it was disabled until then */
	int64_t last_scrub_s;	    /* 0: never */
	uint64_t damaged, repaired; /* sums over all scrub records */
	uint64_t unrepaired;	    /* what the last one found and did not repair */
	int64_t unrepaired_s;	    /* and when that was */
	uint64_t used_bytes;	    /* blocks and rows the journals place there */
	uint64_t row_bytes;	    /* of these, rows and copies */
	uint64_t objects;
};
/* Every drive ever known, by name. Caller: table_drives_free(). */
int table_drives(struct table *t, struct table_drive **out, size_t *count, struct error *err);
/* The state alone of one drive. ERR_NOT_FOUND. */
int table_drive_state(struct table *t, const struct id *drive_id, enum drive_state *out,
		      struct error *err);
void table_drives_free(struct table_drive *drives, size_t count);

/* A value other than 0 from such a function stops the listing, and is returned by it. */
typedef int table_id_fn(void *ctx, const struct id *id, struct error *err);

/* All slots the journals speak of; those not present must go wherever they turn up. */
typedef int table_slot_fn(void *ctx, const struct id *id, bool present, struct error *err);
int table_slots(struct table *t, table_slot_fn *each, void *ctx, struct error *err);

/* ---- blocks and groups ---- */

struct table_block {
	int64_t id; /* of this table only */
	struct id uid;
	struct hash name;
	uint64_t len_bytes;
	uint32_t epoch;
	struct id drive_id;
	bool known;	 /* false: a group or a move names it, but its own record is not here */
	bool is_inline;	 /* no name, no drive: the data are in the table */
	bool dictionary; /* its data are elsewhere by now: find its chunks one by one */
	bool lost;	 /* declared beyond repair */
	bool fossil;	 /* to be deleted */
};
/* ERR_NOT_FOUND, also for one that is not known. */
int table_block_by_uid(struct table *t, const struct id *uid, struct table_block *out,
		       struct error *err);
int table_block_by_id(struct table *t, int64_t id, struct table_block *out, struct error *err);
/* Its contents; for an inline block also its data, appended (inline_data may be NULL). Caller:
 * contents_release(). ERR_NOT_FOUND for a block that is not known. */
int table_block_contents(struct table *t, int64_t id, struct contents *out, struct buf *inline_data,
			 struct error *err);

/* The inline blocks of a writer whose chunks it has not put into sealed blocks yet, oldest first,
 * and how many bytes they hold. Once it has, they become dictionaries. each may be NULL. */
int table_pending_inline(struct table *t, const struct hash *writer, table_id_fn *each, void *ctx,
			 uint64_t *bytes, struct error *err);

/* Where a chunk is. Only blocks that are not lost and no fossil count as present. A chunk may
 * have several places: skip gives the next ones (0, 1, ...). ERR_NOT_FOUND. */
struct chunk_place {
	int64_t block_id;
	struct id block_uid;
	uint32_t index; /* in the block's list */
};
int table_find_chunk(struct table *t, const struct hash *id, unsigned skip, struct chunk_place *out,
		     struct error *err);

/* A row may be on several drives for a while. */
#define GROUP_ROW_OBJECTS_MAX (GROUP_ROWS_MAX * 4)

/* Live groups: named by some journal and superseded by none. */
struct table_group {
	struct id id;
	uint64_t rank; /* of the segment that made it; 0: not known */
	unsigned member_count, row_count;
	struct table_block members[GROUP_MEMBERS_MAX]; /* by slot */
	uint8_t slots[GROUP_MEMBERS_MAX];
	struct group_row_record rows[GROUP_ROW_OBJECTS_MAX]; /* present row objects; by row */
};
int table_group(struct table *t, const struct id *group_id, struct table_group *out,
		struct error *err);
/* In an order that all hosts agree on, and in which a group comes after all that its writer knew when
 * it made it. False, too, where that is not known. */
bool table_is_later(const struct table_group *g, const struct table_group *than);
/* The groups a block is a member of. */
int table_groups_of(struct table *t, int64_t block_id, table_id_fn *each, void *ctx,
		    struct error *err);
/* All live groups, in a stable order. Groups may be changed by each() (ids are collected first). */
int table_groups(struct table *t, table_id_fn *each, void *ctx, struct error *err);
/* Live groups with a member or row on the drive. */
int table_groups_on(struct table *t, const struct id *drive_id, table_id_fn *each, void *ctx,
		    struct error *err);
/* Blocks in no live group (parity 0). */
int table_ungrouped(struct table *t, table_id_fn *each, void *ctx, struct error *err);

/* Live groups with fewer present rows than that, wherever these are, or with more members. */
int table_short_groups(struct table *t, unsigned rows, unsigned members, table_id_fn *each,
		       void *ctx, struct error *err);
/* Live groups with more present rows than that, or with one on several drives. */
int table_surplus_groups(struct table *t, unsigned rows, table_id_fn *each, void *ctx,
			 struct error *err);
/* Row objects on a drive of groups that have `parity` rows with lower numbers, wherever these are: how
 * many bytes; and which, the highest numbers first, at most `count` after the first `skip`. */
int table_extra_bytes(struct table *t, unsigned parity, const struct id *drive_id, uint64_t *bytes,
		      struct error *err);
int table_extra_rows(struct table *t, unsigned parity, const struct id *drive_id, size_t skip,
		     size_t count, table_id_fn *each, void *ctx, struct error *err);
/* Live groups each block of which is in another one, too. */
int table_doubled_groups(struct table *t, table_id_fn *each, void *ctx, struct error *err);
/* Live groups of at most so many members. */
int table_narrow_groups(struct table *t, unsigned members, table_id_fn *each, void *ctx,
			struct error *err);
/* Live groups with a block that another one has, too. */
int table_shared_groups(struct table *t, table_id_fn *each, void *ctx, struct error *err);
/* Blocks that were declared beyond repair; each gets the uid. */
int table_lost_blocks(struct table *t, table_id_fn *each, void *ctx, struct error *err);

/* An object of a live group, or (group 0) a block in none. */
struct table_part {
	int64_t group, block; /* of this table only; block: 0 for a row */
	bool is_row, lost;
	uint8_t row;
	struct id drive_id; /* zero: unknown */
	uint64_t len_bytes;
};
typedef int table_part_fn(void *ctx, const struct table_part *p, struct error *err);
/* All of them in one pass, those of one group together. The table is not to be changed by each(). */
int table_parts(struct table *t, table_part_fn *each, void *ctx, struct error *err);
/* Blocks that several live groups have, by rising number. The same. */
typedef int table_number_fn(void *ctx, int64_t block, struct error *err);
int table_shared_blocks(struct table *t, table_number_fn *each, void *ctx, struct error *err);

/* When a scrub last found an object whole where it is: at that time or later. Lower turns are
 * longer ago. */
struct table_verified {
	uint64_t turn; /* 0: never since it was placed there */
	int64_t time_s;
};

/* Every object the journals place on a drive: blocks and rows, with names relative to .mrmr. */
struct table_object {
	char name[256];
	struct hash sha256;
	uint64_t len_bytes;
	bool is_row;
	struct id owner; /* block uid, or group id */
	uint8_t row;
	struct table_verified verified;
};
typedef int table_object_fn(void *ctx, const struct table_object *o, struct error *err);
int table_objects(struct table *t, const struct id *drive_id, table_object_fn *each, void *ctx,
		  struct error *err);
/* The same in sums. recent: verified from since_s to now_s. oldest_s: of those ever verified; 0: none. */
struct table_verification {
	uint64_t objects, bytes, never_objects, never_bytes, recent_bytes;
	int64_t oldest_s;
};
int table_verification(struct table *t, const struct id *drive_id, int64_t since_s, int64_t now_s,
		       struct table_verification *out, struct error *err);
/* Whether any journal knows an object of this name hash as a block, or as a row, on any drive. */
bool table_knows_object(struct table *t, const struct hash *sha256);
/* Whether they place an object of that name on that drive. What cannot be asked is placed there. */
bool table_places(struct table *t, const struct id *drive_id, const char *name);
/* Where they place an object with these bytes: a block before its copies; some one, if there are
 * several. verified is not filled. ERR_NOT_FOUND. */
int table_find_object(struct table *t, const struct hash *sha256, struct id *drive_id,
		      struct table_object *out, struct error *err);
/* Superseded objects still to be deleted on a drive. */
typedef int table_name_fn(void *ctx, const char *name, struct error *err);
int table_garbage(struct table *t, const struct id *drive_id, table_name_fn *each, void *ctx,
		  struct error *err);
/* Whether it is one of these, also if it is needed again. What cannot be asked is none. */
bool table_is_garbage(struct table *t, const struct id *drive_id, const char *name);
/* The live group that has dropped this object, which was a row of it on that drive. ERR_NOT_FOUND. */
int table_dropped_row(struct table *t, const struct id *drive_id, const struct hash *sha256,
		      struct id *group_id, struct group_row_record *row, struct error *err);
/* Puts that began and neither committed nor ended; each gets the put id. */
int table_open_intents(struct table *t, table_id_fn *each, void *ctx, struct error *err);
/* Whose put it is. ERR_NOT_FOUND. */
int table_intent_writer(struct table *t, const struct id *put_id, struct hash *out,
			struct error *err);

/* ---- series and snapshots ---- */

/* The series of this name, or (name "") of this host and these sorted paths. ERR_NOT_FOUND. */
int table_series_find(struct table *t, const char *name, const char *host, const void *paths,
		      size_t paths_bytes, struct id *out, struct error *err);

struct table_snapshot {
	struct id id, series, base;
	char *series_name, *host, *tags; /* owned */
	uint8_t *paths;			 /* owned; each ends with NUL */
	size_t paths_bytes;
	int64_t time_ns;
	uint64_t files, bytes, added_bytes;
	int64_t line, ordinal; /* of this table only: where its nodes are */
};
void table_snapshot_release(struct table_snapshot *s);
bool table_snapshot_has_tag(const struct table_snapshot *s, const char *tag);

struct snapshot_filter {
	const char *host, *series, *tag; /* NULL: any */
	int64_t before_ns;		 /* 0: any */
};
/* Oldest first, in the order of the journal's clock. Caller releases and frees. */
int table_snapshots(struct table *t, const struct snapshot_filter *f, struct table_snapshot **out,
		    size_t *count, struct error *err);
/* Newest of a series. ERR_NOT_FOUND. */
int table_latest(struct table *t, const struct id *series, struct table_snapshot *out,
		 struct error *err);

/* ---- nodes ---- */

/* Children of a folder (absolute path without the final slash; "" is the root of all), by rising
 * name (memcmp). node's pointers and name are lent until the next step. */
struct table_children;
int table_children_open(struct table *t, const struct table_snapshot *s, const void *path,
			size_t path_bytes, struct table_children **out, struct error *err);
/* False: no more, or failed (err->code tells; it is ERR_NONE at the end). */
bool table_children_next(struct table_children *c, const uint8_t **name, size_t *name_bytes,
			 struct node *node, struct error *err);
void table_children_close(struct table_children *c);

/* One node by path. Its pointers are lent until the next call on t. ERR_NOT_FOUND. */
int table_node(struct table *t, const struct table_snapshot *s, const void *path, size_t path_bytes,
	       struct node *out, struct error *err);

/* Part of a long content (node.content_parts > 0), appended to out. */
int table_content_part(struct table *t, const struct table_snapshot *s, const void *path,
		       size_t path_bytes, uint64_t part, struct buf *out, struct error *err);

#endif
