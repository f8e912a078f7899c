/* Between the parts of put: put.c begins, commits and ends; put_walk.c finds what changed since the
 * base; put_file.c stores it. */
#ifndef MRMR_ARCHIVE_PUT_INTERNAL_H
#define MRMR_ARCHIVE_PUT_INTERNAL_H

#include "archive/chunkmap.h"
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
	struct put_result *r;
	struct roots roots;
	struct buf paths; /* of the roots, each with its NUL */
	struct id series;
	bool series_new;
	int series_lock, putting_lock;
	struct table_snapshot base;
	bool has_base;
	struct dead_blocks dead;
	struct packer *packer; /* NULL on a dry run */
	struct outline *outline;
	struct manifest manifest;
	struct chunk_map map;
	struct cutter *cutter;
	uint8_t *buffer; /* two chunks of the largest size */
	struct buf records; /* for the next commit */
	bool intent_committed;
	bool made_blocks;
	time_t last_commit;
	struct buf target, xattrs; /* of the entry at hand */
};

/* put.c: commits what was stored so far when it is much, or long ago. */
int put_commit_if_due(struct putting *p, struct error *err);
/* put_file.c: reads and outlines one thing that is new or changed. What is wrong with it alone is
 * noted and no error. */
int put_entry(struct putting *p, const struct walk_folder *folder, struct walk_entry *e,
	      struct error *err);
/* put_walk.c: goes through all roots. */
int put_walk(struct putting *p, struct error *err);

#endif
