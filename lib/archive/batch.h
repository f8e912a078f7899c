/*
 * Batch: the entries of one folder, or a part of those of a large one, on their way from the crawl
 * (which fills it) to the walk (which hands them out); and the folder's descriptor, shared by both.
 */
#ifndef MRMR_ARCHIVE_BATCH_H
#define MRMR_ARCHIVE_BATCH_H

#include "archive/note.h"
#include "base/bytes.h"
#include "table/node.h"

#include <stdatomic.h>
#include <stdbool.h>

#define BATCH_ENTRIES_MAX 1024

/* Batches travel in parcels, as lists: waking the other thread costs as much as some stats. A
 * parcel is sent when it has so many batches (each keeps a descriptor open) or entries. */
#define PARCEL_BATCHES_MAX 16
#define PARCEL_ENTRIES_MIN 512

struct shared_fd {
	int fd;
	atomic_uint users;
};
struct shared_fd *shared_fd_new(int fd); /* one user; takes fd, closes it on NULL: out of memory */
struct shared_fd *shared_fd_use(struct shared_fd *s); /* one user more; NULL is allowed */
void shared_fd_drop(struct shared_fd *s);	      /* NULL is allowed */

struct crawled {
	struct node node;
	size_t name_at; /* in text; a NUL follows */
	size_t name_bytes;
};

struct batch {
	struct batch *next; /* in the same parcel */
	bool begins;	    /* a folder: its path is at the start of text */
	bool ends;	    /* nothing more of this folder follows */
	bool bare, unreadable;
	size_t depth;
	size_t path_bytes;
	struct shared_fd *dir; /* or NULL */
	struct buf text, notes;
	struct crawled *entries;
	size_t count, cap;
};

struct batch *batch_new(void);	       /* NULL: out of memory */
void batch_free(struct batch *b);      /* not what follows it; NULL is allowed */
void parcel_free(struct batch *first); /* all of it */

/* Adds an entry; so many (it included) may still come in this folder. False: out of memory. */
bool batch_add(struct batch *b, const char *name, size_t name_bytes, const struct node *n,
	       size_t expected);

/* Adds a note on name in the folder path, or on path itself (name NULL). Failure stays in notes. */
void batch_add_note(struct batch *b, enum note_level level, const struct buf *path,
		    const char *name, const char *what);
/* Calls note for each one added, and empties the list. */
void batch_tell_notes(struct batch *b, note_fn *note, void *note_ctx);

#endif
