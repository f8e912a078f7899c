/* Between the parts of scan: what was found so far. */
#ifndef MRMR_ARCHIVE_SCAN_INTERNAL_H
#define MRMR_ARCHIVE_SCAN_INTERNAL_H

#include "archive/scan.h"
#include "group/row.h"

/* A block that lies under blocks/ of some drive. */
struct scanned_block {
	struct hash name;
	struct id uid;
	uint64_t len_bytes;
	struct array_drive *drive;
};

/* An object under parity/: a row of a group, or a copy of a block (group_id zero). */
struct scanned_row {
	struct hash name;
	struct id group_id;
	uint8_t row;
	uint64_t len_bytes;
	struct array_drive *drive;
};

/* A stretch of some put's manifest stream. */
struct scanned_part {
	struct id put_id;
	uint32_t part;
	uint8_t *bytes; /* owned */
	size_t len_bytes;
};

struct scanning {
	struct array *a;
	struct scan_result *r;
	struct counters *counters;
	struct framer *framer;
	struct scanned_block *blocks; /* sorted by name once all were read */
	size_t block_count, block_cap;
	struct scanned_row *rows; /* sorted by group, row */
	size_t row_count, row_cap;
	struct scanned_part *parts; /* sorted by put, part */
	size_t part_count, part_cap;
	struct buf records; /* for the next commit */
};

/* Takes a whole block in: its record, its place, its manifest parts. */
int scan_take_block(struct scanning *s, struct array_drive *d, const struct hash *name,
		    const struct buf *bytes, struct error *err);
void scan_sort_blocks(struct scanning *s);
const struct scanned_block *scan_find_block(const struct scanning *s, const struct hash *name);
/* Commits the records when they are many, or now. */
int scan_commit(struct scanning *s, bool now, struct error *err);

/* scan_groups.c: records of all groups, members that are missing reconstructed. */
int scan_groups(struct scanning *s, struct error *err);
/* scan_manifests.c: records of all snapshots. */
int scan_manifests(struct scanning *s, struct error *err);
/* scan_missing.c: what the snapshots name and no drive has, once all is in the table. */
int scan_missing(struct scanning *s, struct error *err);

#endif
