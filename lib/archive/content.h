/*
 * Content: the bytes of a stored file, in order, from wherever they can be had. Several threads
 * may go through different files at once.
 */
#ifndef MRMR_ARCHIVE_CONTENT_H
#define MRMR_ARCHIVE_CONTENT_H

#include "array/fetch.h"

/* A file of a snapshot. Everything is lent. */
struct content_file {
	const struct table_snapshot *snapshot;
	const uint8_t *path; /* for the parts of a long content */
	size_t path_bytes;
	const struct node *node;
};

/* Gets the stretches of a file from its beginning to its end. A value other than ERR_NONE stops. */
struct content_sink {
	int (*data)(void *ctx, uint64_t offset_bytes, const uint8_t *bytes, size_t len_bytes,
		    struct error *err);
	int (*hole)(void *ctx, uint64_t offset_bytes, uint64_t len_bytes, struct error *err);
	/* What is beyond reconstruction; why says it. */
	int (*lost)(void *ctx, uint64_t offset_bytes, uint64_t len_bytes, const char *why,
		    struct error *err);
	void *ctx;
};

/* ERR_CORRUPT when the pieces do not add up to the node's size. */
int content_each(struct array *a, struct fetcher *f, const struct content_file *file,
		 const struct content_sink *sink, struct error *err);

#endif
