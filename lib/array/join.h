/*
 * Joining: several live groups, and blocks in no group, become one new group that supersedes them.
 * Blocks stay where they are. The new rows are made of the old ones by XOR, without reading the
 * blocks, where that reads less: row j is the XOR of the old rows j, and of c(j, slot) * block for
 * each block that comes from no such row. Of a mirror, whose rows are copies, that is its block; of
 * a group in which a slot has to change, the blocks in question, or all of them.
 *
 * Every input is hashed whole before it is used, every new row is durable and read back before its
 * record is made; the old rows are garbage from the commit on. Memory: one object beside the rows.
 */
#ifndef MRMR_ARRAY_JOIN_H
#define MRMR_ARRAY_JOIN_H

#include "array/upkeep.h"
#include "group/coef.h"

#define JOIN_GROUPS_MAX GROUP_SUPERSEDES_MAX
/* Objects of a group together, as long as its longest member each: rebuild works in memory. */
#define JOIN_BYTES_MAX ((uint64_t)128 << 20)

/* Members and rows of a group, at most, as where it is made anew. */
#define JOIN_WIDTH_MAX 64u

/* A block in no group. */
struct join_block {
	struct table_block block; /* uid, name, len_bytes and drive_id are used */
	const uint8_t *bytes;	  /* lent; NULL: it is read from its drive */
};

struct join_member {
	const struct table_block *block;
	const uint8_t *bytes;
	uint16_t drive; /* by index */
	uint8_t slot;
};

/* What is done with a block of an input beside its rows. */
struct join_fix {
	const struct table_block *block;
	const uint8_t *bytes;
	unsigned from; /* its group by index; of a block alone JOIN_GROUPS_MAX */
	bool takes_off, adds;
	uint8_t old_slot, slot;
};

struct join {
	struct array *a;
	/* Filled by the caller, lent until join_release(). */
	const struct table_group *groups[JOIN_GROUPS_MAX];
	unsigned group_count;
	const struct join_block *blocks;
	unsigned block_count;
	/* Blocks that the new group shall not have: other groups have them. */
	const struct id *without;
	unsigned without_count;

	/* Of join_plan(). */
	unsigned member_count, row_count;
	struct join_member members[GROUP_SLOTS_MAX];
	uint16_t row_drives[GROUP_ROWS_MAX];
	bool by_rows[JOIN_GROUPS_MAX]; /* the old rows are read */
	struct join_fix *fixes; /* owned; blocks that are read */
	unsigned fix_count;
	uint64_t longest_bytes, old_row_bytes; /* of the rows that are replaced, all of them */
	uint64_t read_bytes, write_bytes;      /* what join_make() takes */
};

/* About 20 KiB: on the heap. NULL: no memory. */
struct join *join_new(struct array *a);
void join_free(struct join *j); /* NULL is allowed */

/*
 * Whether it can be done, how, and at which price; nothing is read. Every object of the inputs has to
 * be at hand and on a drive of its own; the new group gets all rows that the policy asks for, and no
 * fewer than an input has. ERR_FULL: no room for the rows, which may come with upkeep_settle();
 * ERR_UNSUPPORTED: it cannot be, with the reason.
 */
int join_plan(struct join *j, struct error *err);

/* After join_plan(). The records go to u. A drive that fails to take a row is poisoned. On an error
 * the inputs stay as they are. */
int join_make(struct join *j, struct upkeep *u, struct error *err);

#endif
