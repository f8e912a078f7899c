/*
 * Crawl: the half of a walk that runs in a thread of its own, ahead of the caller. It lists, stats
 * and sifts, and hands over batches. Only walk.c, crawl.c and sift.c use this.
 */
#ifndef MRMR_ARCHIVE_CRAWL_H
#define MRMR_ARCHIVE_CRAWL_H

#include "archive/batch.h"
#include "archive/listing.h"
#include "archive/walk.h"
#include "base/pool.h"

#include <sys/types.h>

/* How a folder still to come is to be visited. */
enum subfolder {
	SUB_FULL = 1,  /* with all of its entries; else it is bare */
	SUB_ROOT = 2,  /* a root itself: its device is the one to stay on */
	SUB_EMPTY = 4, /* without entries: another file system */
};

/* A folder between the root of all and the one at hand. */
struct frame {
	struct shared_fd *dir; /* NULL: not opened, or closed while the crawl is far below */
	int open_errno;	       /* why it was not opened */
	dev_t device;
	ino_t inode;
	dev_t root_device;     /* of the nearest root above; what one_file_system compares with */
	size_t path_bytes;     /* of crawl.path */
	bool full;	       /* all entries count, not only those that lead to roots */
	bool leads;	       /* there are roots below it */
	struct buf subfolders; /* still to come: u8 flags, block of name with NUL */
	size_t next_at;
};

struct crawl {
	const struct walk_options *options;
	const struct roots *roots;
	struct queue *parcels;
	struct buf path; /* of the folder at hand */
	struct listing listing;
	struct frame *frames; /* the folder at hand is the last */
	size_t depth, cap;
	struct batch *batch;		    /* being filled */
	struct batch *parcel, **parcel_end; /* not yet sent */
	size_t parcel_batches, parcel_entries;
	struct error err; /* to be read after the queue has ended */
};

/* Crawls all; closes the queue at the end. A closed queue stops it. */
void crawl_run(void *crawl);
void crawl_release(struct crawl *c);

struct frame *crawl_top(struct crawl *c);

#endif
