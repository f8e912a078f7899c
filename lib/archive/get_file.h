/*
 * One file of a restore: its content into a target_file. Internal to get.
 */
#ifndef MRMR_ARCHIVE_GET_FILE_H
#define MRMR_ARCHIVE_GET_FILE_H

#include "archive/content.h"
#include "archive/get.h"

struct getting {
	struct array *a;
	const struct get_options *o;
	struct fetcher *fetcher;
	struct target *target;
	pthread_mutex_t lock; /* r, the notes, and failure */
	struct get_result *r;
	int failed; /* of the first error that ends it all */
	struct error failure;
};

/* A file to restore; everything is owned. */
struct get_file {
	struct get_file *next; /* to be restored after this one by the same thread */
	struct getting *g;
	struct target_folder *folder; /* held */
	struct buf path;	      /* in the snapshot, absolute */
	size_t name_at;		      /* where the name begins in it */
	struct buf node_bytes;	      /* what node lends from */
	struct node node;
};

/* Copies what is lent in n; folder gets a hold. NULL: no memory. */
struct get_file *get_file_new(struct getting *g, struct target_folder *folder, const void *path,
			      size_t path_bytes, size_t name_at, const struct node *n);
/* Restores it and those that follow, counts them, tells what went wrong, frees them. Any thread; a
 * pool_fn. */
void get_file_run(void *job);

/* Tells something of a path, one thread at a time. */
void get_note(struct getting *g, enum note_level level, const void *path, size_t path_bytes,
	      const char *what);
/* Remembers the first error that ends the restore. */
void get_fail(struct getting *g, int code, const struct error *err);

#endif
