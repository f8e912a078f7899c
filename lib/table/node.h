/*
 * A node: one thing found in a folder, with all that a restore needs and all that tells
 * whether it changed. The same struct serves the walk, the records, the table and restores.
 */
#ifndef MRMR_TABLE_NODE_H
#define MRMR_TABLE_NODE_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"

#include <stdint.h>

#define NAME_BYTES_MAX 255
#define XATTRS_BYTES_MAX ((size_t)1 << 20)
#define LINK_BYTES_MAX 65536

enum node_type {
	NODE_FILE = 1,
	NODE_FOLDER = 2,
	NODE_SYMLINK = 3,
	NODE_FIFO = 4,
	NODE_CHAR_DEVICE = 5,
	NODE_BLOCK_DEVICE = 6,
};

struct node {
	enum node_type type;
	uint32_t mode; /* permission bits, 07777 */
	uint32_t uid, gid;
	uint64_t size_bytes;	/* files */
	int64_t mtime_ns, ctime_ns; /* since 1970 */
	uint64_t inode, device;	/* device: st_dev, tells hard links and -x apart */
	uint64_t links;		/* st_nlink; files with more than 1 are joined by (device, inode) */
	uint64_t rdev;		/* devices */
	/* Lent or owned as the function at hand says: */
	const uint8_t *target;	/* symlinks */
	size_t target_bytes;
	/* varint-prefixed pairs (name, value), by rising name; POSIX ACLs are system.posix_acl_*. */
	const uint8_t *xattrs;
	size_t xattrs_bytes;
	/* Content of a file: pieces in order, encoded as piece_add() does. When content_parts > 0
	 * it is too long for one record: these bytes are then empty, and the parts 0..n-1 are
	 * records (and table rows) of their own. */
	const uint8_t *content;
	size_t content_bytes;
	uint64_t content_parts;
};

/* A stretch of a file: a hole, or chunks [first, first + count) of the list of the block uid. */
struct piece {
	bool hole;
	uint64_t hole_bytes;
	struct id block_uid;
	uint32_t first, count;
};

/* Splitting threshold for contents: at most this many bytes per part. */
#define CONTENT_PART_BYTES 65536

/* Appends a piece. A hole: varint 0, varint length. Chunks: varint count * 2 + same, varint
 * first, and unless same (the piece before has this uid) the 16 bytes of the uid. */
struct piece_state {
	struct id last_uid;
	bool any;
};
void piece_add(struct piece_state *s, struct buf *out, const struct piece *p);
/* Takes the next piece off r. False at the end or on a malformed one (r->failed tells). */
bool piece_next(struct piece_state *s, struct reader *r, struct piece *out);

/* The node's encoding in a folder record and in the table; times and inodes relative to the
 * node before, so that a folder compresses well. prev may be NULL: relative to zero. */
void node_encode(const struct node *n, const struct node *prev, struct buf *out);
/* Lends target, xattrs and content from the reader's bytes. Every field is checked. */
int node_decode(struct reader *r, const struct node *prev, struct node *out, struct error *err);

/* Whether a file that stat shows as now is the one recorded as then: type, size, mtime, ctime,
 * inode. (The device may differ: removable disks get new numbers.) */
bool node_unchanged(const struct node *then, const struct node *now);

/* A name must be a single component: not "", ".", "..", no slash, no NUL, at most 255 bytes. */
bool name_ok(const void *name, size_t len_bytes);

#endif
