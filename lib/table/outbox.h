/*
 * The outbox: a folder of sealed segments, each under the last part of its name; internal to
 * the writer. Not thread-safe.
 */
#ifndef MRMR_TABLE_OUTBOX_H
#define MRMR_TABLE_OUTBOX_H

#include "table/segment.h"

struct outbox_entry {
	char name[SEGMENT_NAME_BYTES]; /* of the segment: "journal/<writer>/<file>" */
	struct segment_name parts;
};

struct outbox_list {
	struct outbox_entry *entries;
	size_t count, cap;
};

void outbox_list_release(struct outbox_list *l);
/* The segments of this writer in the folder, by first and last seq; other files are ignored.
 * The list is empty after an error. */
int outbox_list(const char *folder, const struct hash *writer, struct outbox_list *out,
		struct error *err);


/* Appends the bytes of one segment. ERR_NOT_FOUND, or ERR_CORRUPT when they have not the hash
 * of its name. */
int outbox_load(const char *folder, const struct outbox_entry *e, struct buf *out,
		struct error *err);
/* Durable on return. */
int outbox_store(const char *folder, const char *name, const struct buf *bytes,
		 struct error *err);
/* A segment that is not there is fine. */
int outbox_remove(const char *folder, const char *name, struct error *err);
/* Moves every file of the folder to the folder to, which is made when there is any. */
int outbox_move(const char *folder, const char *to, struct error *err);

#endif
