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
#define PATH_BYTES_MAX ((size_t)1 << 20) /* 4096 folders deep with the longest names */

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
	uint64_t links; /* st_nlink; with more than 1, folders apart: joined by (device, inode) */
	uint64_t rdev;		/* devices */
	/* Lent or owned as the function at hand says: */
	const uint8_t *target;	/* symlinks */
	size_t target_bytes;
	/* Pairs as xattr_next() takes them; POSIX ACLs are system.posix_acl_*. */
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
	uint64_t hole_bytes; /* at least 1 */
	struct id block_uid;
	uint32_t first, count; /* count at least 1; first + count at most UINT32_MAX */
};

/* Splitting threshold for contents: at most this many bytes per part. */
#define CONTENT_PART_BYTES 65536

/*
 * Pieces. Format: mrmr-format(5), "Pieces". One after the other, until the bytes end:
 *
 *   hole     varint 0, varint length (at least 1)
 *   chunks   varint count * 2 + same (count at least 1), varint first, and unless same is 1
 *            the 16 bytes of the block's uid
 *
 * same is 1 exactly when the last piece of chunks before it has this uid; holes between do not
 * matter. All zero is the state at the beginning: of a content, and of each part of one.
 */
struct piece_state {
	struct id last_uid;
	bool any;
};
void piece_add(struct piece_state *s, struct buf *out, const struct piece *p);
/* Takes the next piece off r. False at the end or on a malformed one (r->failed tells). */
bool piece_next(struct piece_state *s, struct reader *r, struct piece *out);
/* Whether these bytes are pieces to the last byte, at least one. */
bool pieces_ok(const void *bytes, size_t len_bytes);

/*
 * Extended attributes. Format: mrmr-format(5), "Extended attributes". Pairs by strictly rising
 * name (memcmp, a shorter one first): varint length and name (1 to 255 bytes, no NUL), varint
 * length and value; XATTRS_BYTES_MAX in all. Lends name and value. False at the end or on a
 * malformed pair (r->failed tells); the order is checked by xattrs_ok() alone.
 */
bool xattr_next(struct reader *r, const uint8_t **name, size_t *name_bytes, const uint8_t **value,
		size_t *value_bytes);
bool xattrs_ok(const void *bytes, size_t len_bytes);

/*
 * Format: mrmr-format(5), "Node". Relative to the node before it, for the first one to a node
 * that is all zero, so that a folder compresses well:
 *
 *   byte type (enum node_type)
 *   byte flags; each is set exactly when it is true, so that a node has one encoding:
 *      1  uid and gid as before     2  mode as before      4  device as before
 *      8  one link                 16  ctime is mtime     32  has extended attributes
 *     64  content is in parts (files only)               128  never set
 *   varint uid, varint gid          unless flag 1; 32 bits at most
 *   varint mode                     unless flag 2; 07777 at most
 *   delta of mtime
 *   delta of ctime                  unless flag 16
 *   delta of inode
 *   delta of device                 unless flag 4
 *   varint links                    unless flag 8
 *   varint length, xattrs           if flag 32; at least one attribute
 *   files: varint size; then if flag 64 varint parts (at least 1), else varint length (at most
 *      CONTENT_PART_BYTES) and pieces
 *   symbolic links: varint length (at most LINK_BYTES_MAX), target without NUL
 *   devices: varint rdev
 *
 * A delta is this value minus the one before modulo 2^64, as zigzag varint: of d taken as a
 * signed number, 2d when d >= 0, else -2d - 1.
 *
 * size_bytes of what is no file is not kept. prev may be NULL: the first one. The pointers of
 * prev are not used.
 */
void node_encode(const struct node *n, const struct node *prev, struct buf *out);
/* Lends target, xattrs and content from the reader's bytes. Every field is checked:
 * ERR_CORRUPT for what node_encode() cannot have written. */
int node_decode(struct reader *r, const struct node *prev, struct node *out, struct error *err);

/* Whether a file that stat shows as now is the one recorded as then: type, mtime, ctime, inode
 * and, of files, size. (The device may differ: removable disks get new numbers.) */
bool node_unchanged(const struct node *then, const struct node *now);

/* A name must be a single component: not "", ".", "..", no slash, no NUL, at most 255 bytes. */
bool name_ok(const void *name, size_t len_bytes);

/* A path must be "" (the root of all) or absolute: names, each with a slash before it, and no
 * slash at the end. At most PATH_BYTES_MAX. */
bool path_ok(const void *path, size_t len_bytes);

#endif
