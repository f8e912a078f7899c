/*
 * Pages of ListObjectsV2, as XML that anybody may have made. Thread-safe.
 */
#ifndef MRMR_DRIVERS_S3_LIST_H
#define MRMR_DRIVERS_S3_LIST_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* All zero is none. Caller: s3_page_release(). */
struct s3_page {
	struct buf keys; /* of each object: its length (u64), its key decoded (block with a NUL) */
	size_t count;
	bool is_truncated;
	char *owner; /* of the last object that has one, by the id of its account, one word; NULL: not told */
	char *next; /* how to go on; NULL: not told */
};

/* ERR_CORRUPT: no such page, or lengths that are none. */
int s3_page_parse(const void *bytes, size_t len_bytes, struct s3_page *out, struct error *err);
void s3_page_release(struct s3_page *p);

#endif
