/*
 * Between the parts of put. put.c begins, commits and ends. put_walk.c finds what changed since the
 * base and put_read.c reads it, in the caller's thread; put_store.c stores it, in the feed's. While
 * the feed runs, each thread has its own part of struct putting; the table is used under its lock.
 */
#ifndef MRMR_ARCHIVE_PUT_INTERNAL_H
#define MRMR_ARCHIVE_PUT_INTERNAL_H

#include "archive/chunkmap.h"
#include "archive/feed.h"
#include "archive/manifest.h"
#include "archive/outline.h"
#include "archive/put.h"
#include "archive/roots.h"
#include "archive/walk.h"
#include "array/dead.h"
#include "chunk/cutter.h"

#include <time.h>

struct putting {
	struct array *a;
	const struct put_options *o;
	struct put_result *r; /* what was stored: the feed's thread; what was met: the caller's */
	struct dead_blocks dead;
	struct feed *feed; /* NULL on a dry run, like all that only the feed's thread uses */

	/* the caller's thread */
	struct roots roots;
	struct buf paths; /* of the roots, each with its NUL */
	struct id series;
	bool series_new;
	int series_lock, putting_lock;
	struct table_snapshot base;
	bool has_base;
	bool folder_told; /* the feed knows the folder at hand */
	struct buf target, xattrs; /* of the entry at hand */

	/* the feed's thread */
	struct packer *packer;
	struct outline *outline;
	struct manifest manifest;
	struct chunk_map map;
	struct cutter *cutter;
	uint8_t *buffer; /* two chunks of the largest size */
	size_t filled;
	struct buf records; /* for the next commit */
	bool intent_committed;
	bool made_blocks;
	time_t began, last_commit;
};

/* put.c: commits what was stored so far when it is much, or long ago. */
int put_commit_if_due(struct putting *p, struct error *err);
/* put_store.c: what the feed calls. */
int put_store(void *ctx, const struct feed_event *events, size_t count, struct error *err);
/* put_read.c: the feed gets to know the folder at hand, once. */
int put_tell_folder(struct putting *p, const struct walk_folder *folder, struct error *err);
/* put_read.c: reads one thing that is new or (in_base) changed. What is wrong with it alone is
 * noted and no error; *stored tells whether the snapshot has it. */
int put_entry(struct putting *p, const struct walk_folder *folder, struct walk_entry *e,
	      bool in_base, bool *stored, struct error *err);
/* put_walk.c: goes through all roots. */
int put_walk(struct putting *p, struct error *err);

#endif
