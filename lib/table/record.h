/*
 * Records: what journals say. Logical, independent of SQL. Format: mrmr-format(5), "Records":
 * each is varint (type * 2 + mandatory), varint body length, body. An unknown optional type is
 * kept by compaction and skipped by replay; an unknown mandatory one is refused. All types of
 * this version are mandatory but ACCESS, SCRUB, GARBAGE, VERIFIED, SINCE and EXTRA. A body is read to
 * its last byte: nothing may follow, so that what a record says can grow by a new type only.
 *
 * The body of each type stands with its functions below. There: id is 16 bytes, hash 32, byte
 * one; bool a byte that is 0 or 1; time a zigzag varint (node.h tells how); text a varint
 * length and that many bytes without NUL; bytes a varint length and any bytes; paths are bytes
 * in which each path ends with a NUL, PATHS_BYTES_MAX in all.
 *
 * record_*() append to out and cannot fail but for memory (out->failed tells, once at the
 * end). parse_*() check every length and range and return ERR_CORRUPT for what no record_*()
 * writes; what they lend lies in body. All are thread-safe.
 */
#ifndef MRMR_TABLE_RECORD_H
#define MRMR_TABLE_RECORD_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "block/contents.h"
#include "chunk/geometry.h"
#include "table/node.h"

enum record_type {
	RECORD_POLICY = 1,    /* parity, width, sizes: the whole policy */
	RECORD_DRIVE = 2,     /* a drive's name, role, flags, state: all of it */
	RECORD_ACCESS = 3,    /* how a drive is reached: URL and options, no secrets */
	RECORD_SERIES = 4,    /* a series' name, host and paths */
	RECORD_INTENT = 5,    /* a put that stores blocks began */
	RECORD_BLOCK = 6,     /* a sealed block, its drive and contents */
	RECORD_INLINE = 7,    /* a few chunks carried by the journal itself */
	RECORD_GROUP = 8,     /* a group: members, rows, what it supersedes */
	RECORD_ROWS = 9,      /* rows of a group added or dropped */
	RECORD_MOVE = 10,     /* a block now lies on another drive */
	RECORD_SNAPSHOT = 11, /* begins a snapshot: what follows for its id belongs to it */
	RECORD_FOLDER = 12,   /* a snapshot's changes in one folder, relative to its base */
	RECORD_CONTENT = 13,  /* one part of a long file's content */
	RECORD_COMMIT = 14,   /* the snapshot is complete: it exists from here on */
	RECORD_FOSSIL = 15,   /* a block is to be deleted */
	RECORD_ACK = 16,      /* this writer knows a fossil and will not refer to it */
	RECORD_INTENT_END = 17, /* the put of that intent ended */
	RECORD_RETIRE = 18,   /* a writer is declared dead */
	RECORD_SCRUB = 19,    /* a drive was scrubbed: when, what was found and repaired */
	RECORD_SLOT = 20,     /* a key slot exists or was removed */
	RECORD_GARBAGE = 21,  /* a superseded object on a drive, to be deleted there */
	RECORD_LOST = 22, /* a block declared beyond repair: its chunks are stored anew when met */
	RECORD_VERIFIED = 24, /* what a scrub found whole on a drive: table/verified.h */
	RECORD_SINCE = 26,    /* when a drive was given its state */
	RECORD_EXTRA = 28,    /* whether spare room holds rows beyond the policy's parity */
	RECORD_VERSION = 32,  /* checkpoints: who said what follows, and what he knew */
	RECORD_DICTIONARY = 33, /* checkpoints: a block of which only the list of chunks is left */
	RECORD_SUPERSEDED = 34, /* groups that are no longer live */
	RECORD_SETTLED = 35,  /* checkpoints: a snapshot was taken without its base */
};

/* Appends type, length and the body that is in body. mandatory: readers must know it. */
void record_add(struct buf *out, uint64_t type, bool mandatory, const struct buf *body);

/* Takes the next record off r: its body as a reader of its own. False at the end or failed.
 * Type 0 does not exist: it fails the reader. */
bool record_next(struct reader *r, uint64_t *type, bool *mandatory, struct reader *body);

/* Length of the longest prefix of whole records that has at most max_bytes. 0 when the first
 * one alone is longer, or is no record. */
size_t records_split(const void *records, size_t len_bytes, size_t max_bytes);

/* Parses every record and forgets it: ERR_CORRUPT for a malformed one, ERR_UNSUPPORTED for an
 * unknown mandatory one. A writer signs nothing that did not pass, since what was signed once
 * must be read by every replay for ever. */
int records_check(const void *records, size_t len_bytes, struct error *err);

/*
 * POLICY: redundancy and sizes. Body: varint parity (16 at most), bool copies, varint width
 * (256 at most), and the ten numbers of struct geometry in their order, a varint each (32 bits
 * at most; geometry_check() must pass).
 */
#define PARITY_MAX 16
#define WIDTH_MAX 256
struct policy {
	unsigned parity; /* rows per group; copies - 1 when copies is set */
	bool copies;	 /* k = 1: every block as it is on parity + 1 drives */
	unsigned width;	 /* members + rows at most; 0: default */
	bool extra; /* parity=max: room to spare holds more rows; of a record of its own, EXTRA */
	struct geometry geometry;
};
void record_policy(struct buf *out, const struct policy *p);
int parse_policy(struct reader body, struct policy *p, struct error *err);
bool policy_same(const struct policy *x, const struct policy *y); /* by that record */

/* EXTRA: parity=max. Of two that knew nothing of each other, yes counts. Body: bool. */
void record_extra(struct buf *out, bool extra);
int parse_extra(struct reader body, bool *extra, struct error *err);

/*
 * DRIVE: everything about a drive that is not its URL. Body: id, text name (drive_name_ok()),
 * byte state, byte role, byte flags (1 removable, 2 holds the journals), varint reserve, varint
 * max, text domain (DOMAIN_MAX at most).
 */
#define DRIVE_NAME_MAX 32
#define DOMAIN_MAX 128
#define DRIVE_ROLES 3 /* enum drive_role of array/alloc.h: 0, 1, 2 */
enum drive_state {
	DRIVE_JOINING = 1, /* being filled by a rebuild: counts for nothing */
	DRIVE_MEMBER = 2,
	DRIVE_DISABLED = 3, /* not used until enabled */
	DRIVE_DRAINING = 4, /* takes nothing new */
	DRIVE_LOST = 5,	    /* declared lost; refused when it returns */
	DRIVE_REMOVED = 6,
};
struct drive_record {
	struct id id;
	char name[DRIVE_NAME_MAX + 1];
	enum drive_state state;
	uint8_t role; /* enum drive_role of array/alloc.h */
	bool removable;
	bool journal;		/* holds the journals (default) */
	uint64_t reserve_bytes; /* 0: default */
	uint64_t max_bytes;	/* most bytes stored there; 0: no limit */
	char domain[DOMAIN_MAX + 1]; /* "": derived */
};
void record_drive(struct buf *out, const struct drive_record *d);
int parse_drive(struct reader body, struct drive_record *d, struct error *err);
/* A letter or digit, then at most 31 of letters, digits, dot, dash and underscore (ASCII). */
bool drive_name_ok(const char *name);

/*
 * SINCE: when a drive was given the state that its DRIVE record tells; one that tells another state
 * is older than that record. Body: id of the drive, byte state, bool returning, time in seconds.
 */
struct since_record {
	struct id drive_id;
	enum drive_state state;
	bool returning; /* it was disabled until then: what it missed meanwhile is owed to it */
	int64_t time_s;
};
void record_since(struct buf *out, const struct since_record *s);
int parse_since(struct reader body, struct since_record *s, struct error *err);

/*
 * ACCESS: how a drive is reached. Body: id of the drive, text url (1 to URL_MAX), text options
 * (OPTIONS_MAX at most). options_json: an object of driver options without secrets; url:
 * redacted of passwords.
 */
#define URL_MAX 4096
#define OPTIONS_MAX 65536
void record_access(struct buf *out, const struct id *drive_id, const char *url,
		   const char *options_json);
int parse_access(struct reader body, struct id *drive_id, char **url, char **options_json,
		 struct error *err); /* caller frees both */

/*
 * SERIES. Body: id, text name, text host (TEXT_MAX at most both), paths (strictly rising by
 * strcmp). name "": the series is told by host and the sorted paths.
 */
#define TEXT_MAX 255
#define PATHS_BYTES_MAX ((size_t)1 << 20)
struct series_record {
	struct id id;
	const char *name, *host;	/* NUL-terminated */
	const uint8_t *paths;		/* each ends with NUL, sorted */
	size_t paths_bytes;
};
void record_series(struct buf *out, const struct series_record *s);
/* name and host are copied to scratch (cleared first); paths are lent from body. */
int parse_series(struct reader body, struct series_record *s, struct buf *scratch,
		 struct error *err);

/* INTENT. Body: id of the put, time in seconds. INTENT_END: that id alone, parse_id(). */
void record_intent(struct buf *out, const struct id *put_id, int64_t time_s);
void record_intent_end(struct buf *out, const struct id *put_id);
int parse_intent(struct reader body, struct id *put_id, int64_t *time_s, struct error *err);

/*
 * BLOCK: a sealed block. Body: id (the uid), hash of the stored bytes, varint stored length
 * (32 bits at most), varint epoch (at least 1), id of the drive, and to the end of the body
 * its table of contents (block/contents.h; zeros behind it are ignored), whose frames must lie
 * within the stored length.
 */
struct block_record {
	struct id uid;
	struct hash name; /* sha256 of the stored bytes */
	uint64_t len_bytes;
	uint32_t epoch;
	struct id drive_id;
	struct contents contents; /* owned: contents_release() after parse_block() */
};
void record_block(struct buf *out, const struct block_record *b);
int parse_block(struct reader body, struct block_record *b, struct error *err);

/*
 * INLINE: an inline block: contents whose frames are packed, not sealed (the segment is), in
 * data. Body: id (the uid), bytes table of contents, and to the end of the body the data, in
 * which its frames must lie. parse_inline() lends data; contents are owned.
 */
void record_inline(struct buf *out, const struct id *uid, const struct contents *c,
		   const void *data, size_t data_bytes);
int parse_inline(struct reader body, struct id *uid, struct contents *c, const uint8_t **data,
		 size_t *data_bytes, struct error *err);

/*
 * GROUP. Body: id; varint members (1 to GROUP_MEMBERS_MAX), each: id (the block's uid), hash
 * (its name), varint stored length, byte slot (all different, below 239); varint rows (17 at
 * most), each as in ROWS (row numbers all different); varint superseded groups
 * (GROUP_SUPERSEDES_MAX at most), an id each.
 */
#define GROUP_MEMBERS_MAX 239 /* slots 0 to 238 */
#define GROUP_ROWS_MAX 17     /* rows 0 to 16 */
#define GROUP_SUPERSEDES_MAX 64
struct group_member_record {
	struct id block_uid;
	struct hash name;
	uint64_t len_bytes;
	uint8_t slot;
};
struct group_row_record {
	uint8_t row;	  /* row number; with one member: copy number, from 0 */
	struct hash name; /* with one member: the block's own */
	uint64_t len_bytes; /* of the whole object */
	struct id drive_id;
};
struct group_record {
	struct id id;
	unsigned member_count, row_count, supersedes_count;
	struct group_member_record members[GROUP_MEMBERS_MAX];
	struct group_row_record rows[GROUP_ROWS_MAX];
	struct id supersedes[GROUP_SUPERSEDES_MAX];
};
/* 18 KiB: users allocate it. */
void record_group(struct buf *out, const struct group_record *g);
int parse_group(struct reader body, struct group_record *g, struct error *err);

/*
 * ROWS: one row object of a group made present on a drive, or gone from it; a second copy of
 * a row on another drive, too. Body: id of the group, then the row: byte number (below 17),
 * hash of the object, varint length of the object, id of the drive; then bool present.
 */
void record_rows(struct buf *out, const struct id *group_id, const struct group_row_record *row,
		 bool present);
int parse_rows(struct reader body, struct id *group_id, struct group_row_record *row,
	       bool *present, struct error *err);

/* MOVE. Body: id of the block (uid), id of the drive it is on now. */
void record_move(struct buf *out, const struct id *block_uid, const struct id *to_drive);
int parse_move(struct reader body, struct id *block_uid, struct id *to_drive, struct error *err);

/*
 * SNAPSHOT. Body: id, id of the series, id of the base, id of the put, time in nanoseconds,
 * text host (TEXT_MAX), text tags (TAGS_MAX), paths, varint files, varint bytes, varint added
 * bytes.
 */
#define TAGS_MAX 4096
struct snapshot_record {
	struct id id, series;
	struct id base; /* the snapshot its folders are changes of; zero: of nothing */
	struct id put_id;	    /* of its intent; zero when it made no blocks */
	int64_t time_ns;
	const char *host, *tags; /* tags: comma-separated */
	const uint8_t *paths;	 /* as given to put, made absolute; each ends with NUL */
	size_t paths_bytes;
	uint64_t files, bytes;	 /* in all of the snapshot */
	uint64_t added_bytes;	 /* new chunk bytes, plain */
};
void record_snapshot(struct buf *out, const struct snapshot_record *s);
/* host and tags are copied to scratch (cleared first); paths are lent from body. */
int parse_snapshot(struct reader body, struct snapshot_record *s, struct buf *scratch,
		   struct error *err);

/*
 * FOLDER. Body: id of the snapshot, bytes path (path_ok(): absolute, "" is the root of all),
 * varint removed names, each: bytes name (name_ok()); varint entries, each: bytes name, node
 * (node_encode(), relative to the entry before it in this record, the first one to none).
 *
 * A folder node's own metadata is an entry of its parent; the root itself has none. An entry
 * replaces what had its name. What was removed, or was a folder and is replaced by something
 * else, is gone with all below it; the removals of a record come before its entries. A folder
 * may take several records of one snapshot, which are applied in order.
 */
struct folder_writer {
	struct buf removed, entries;
	uint64_t removed_count, entry_count;
	struct node prev; /* its pointers are not used */
};
void folder_writer_release(struct folder_writer *w);
void folder_writer_remove(struct folder_writer *w, const void *name, size_t name_bytes);
void folder_writer_add(struct folder_writer *w, const void *name, size_t name_bytes,
		       const struct node *n);
/* Appends the record (nothing when there are no changes) and empties w. */
void folder_writer_finish(struct folder_writer *w, const struct id *snapshot, const void *path,
			  size_t path_bytes, struct buf *out);
/* Walks a folder record: removed() per name, entry() per node; a value other than 0 stops and
 * is returned. Names and nodes are lent for the call. A record that turns out malformed has
 * made calls before that: the caller undoes them. */
struct folder_reader {
	int (*removed)(void *ctx, const uint8_t *name, size_t name_bytes, struct error *err);
	int (*entry)(void *ctx, const uint8_t *name, size_t name_bytes, const struct node *n,
		     struct error *err);
	void *ctx;
};
int parse_folder_head(struct reader *body, struct id *snapshot, const uint8_t **path,
		      size_t *path_bytes, struct error *err);
int parse_folder_changes(struct reader *body, const struct folder_reader *f, struct error *err);

/*
 * CONTENT: a part of a long content: the node is named by folder path and name. Body: id of
 * the snapshot, bytes path (of the folder), bytes name, varint part (from 0), bytes pieces (1
 * to CONTENT_PART_BYTES; node.h, "Pieces").
 */
struct content_record {
	struct id snapshot;
	const uint8_t *path, *name, *pieces;
	size_t path_bytes, name_bytes, pieces_bytes;
	uint64_t part;
};
void record_content(struct buf *out, const struct content_record *c);
int parse_content(struct reader body, struct content_record *c, struct error *err);

/* COMMIT. Body: id of the snapshot. */
void record_commit(struct buf *out, const struct id *snapshot);
int parse_commit(struct reader body, struct id *snapshot, struct error *err);

/* FOSSIL, ACK, LOST: the uid of the block. INTENT_END: the put. Body: id. */
void record_id(struct buf *out, enum record_type type, const struct id *id);
int parse_id(struct reader body, struct id *id, struct error *err);
/* RETIRE. Body: hash: the writer's public key. */
void record_retire(struct buf *out, const struct hash *writer);
int parse_retire(struct reader body, struct hash *writer, struct error *err);

/* SCRUB. Body: id of the drive, time in seconds, varint objects, varint bytes, varint damaged,
 * varint repaired, bool complete. */
struct scrub_record {
	struct id drive_id;
	int64_t time_s;
	uint64_t objects, bytes, damaged, repaired;
	bool complete; /* a full scrub of the drive; else damage met while reading */
};
void record_scrub(struct buf *out, const struct scrub_record *s);
int parse_scrub(struct reader body, struct scrub_record *s, struct error *err);

/* SLOT. Body: id of the slot, bool present. */
void record_slot(struct buf *out, const struct id *slot_id, bool present);
int parse_slot(struct reader body, struct id *slot_id, bool *present, struct error *err);

/*
 * GARBAGE. Body: id of the drive, text name, bool done. name: relative to the drive's .mrmr:
 * two names or more (name_ok()) with single slashes between, 255 bytes at most, so that a
 * record can never name config.json, a folder or what lies outside. done: it was deleted there.
 */
#define GARBAGE_NAME_BYTES 256 /* with the NUL */
void record_garbage(struct buf *out, const struct id *drive_id, const char *name, bool done);
int parse_garbage(struct reader body, struct id *drive_id, char name[GARBAGE_NAME_BYTES],
		  bool *done, struct error *err);

/*
 * Records of checkpoints and compacted segments, which say for many segments what held at their
 * end. (SUPERSEDED is in others, too.)
 *
 * VERSION. Body: hash (the writer), varint seq, varint rank, varint marks (WRITERS_MAX at most),
 * each: hash of a writer (strictly rising), varint seq. All records up to the next VERSION were
 * said by that writer at that seq, when he knew these marks. rank: the sum of all seqs he knew,
 * the own one included; it orders snapshots.
 *
 * DICTIONARY. Body: id (the uid), and to the end of the body the table of contents. A block
 * whose data are no longer where its record said, while nodes still refer to its list of chunks.
 *
 * SUPERSEDED. Body: ids of groups, to its end; at least one. They are no longer live: their blocks
 * are in other groups, or lie alone.
 *
 * SETTLED. Body: id of a snapshot, which was committed before and whose base was nowhere to be
 * found: its records stand as if it had none. parse_id().
 */
struct clock;
void record_version(struct buf *out, const struct hash *writer, uint64_t seq, uint64_t rank,
		    const struct clock *known);
/* *known is replaced, its heads are zero. */
int parse_version(struct reader body, struct hash *writer, uint64_t *seq, uint64_t *rank,
		  struct clock *known, struct error *err);
void record_dictionary(struct buf *out, const struct id *uid, const struct contents *c);
/* Caller: contents_release(). */
int parse_dictionary(struct reader body, struct id *uid, struct contents *c, struct error *err);
void record_superseded(struct buf *out, const struct id *ids, size_t count);
int parse_superseded(struct reader body, const uint8_t **ids, size_t *count, struct error *err);

#endif
