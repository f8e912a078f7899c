/*
 * Where the bytes of a file are: its blocks, and the groups that protect these. By the journals:
 * nothing is read from drives.
 */
#ifndef MRMR_ARCHIVE_WHEREIS_H
#define MRMR_ARCHIVE_WHEREIS_H

#include "archive/content.h"

#define WHEREIS_GROUPS_MAX 4 /* of a block; a block in more is told with these */

/* A block with bytes of the file in it. Everything is lent for the call. */
struct file_block {
	struct table_block block; /* known is false when no journal at hand describes it */
	uint64_t file_bytes;	  /* of the file in it, plain */
	const struct table_group *groups; /* live ones that it is a member of */
	unsigned group_count;
	int spare; /* how many drives it can lose now; -1: it is not readable */
};
typedef int file_block_fn(void *ctx, const struct file_block *b, struct error *err);

/* Each block once, in the order in which the file begins to use them. A value other than ERR_NONE
 * from each stops and is returned. */
int whereis(struct array *a, const struct content_file *file, file_block_fn *each, void *ctx,
	    struct error *err);

#endif
