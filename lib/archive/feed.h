/*
 * The feed of a put: what the walk finds, on its way from the thread that reads the source to the
 * one that cuts, hashes and stores it. Events travel in order and in parcels, which bound the
 * memory and keep the threads from waking each other for every file.
 *
 *	feed_new(run, ctx, &f, &err);
 *	feed_folder(f, path, ...);		before the first event of a folder
 *	feed_remove(), feed_node();		by rising names
 *	feed_file(f, name, ...);		then
 *		feed_room(f, &room, &room_bytes);	fill some of it
 *		feed_data(f, bytes, last);
 *		feed_hole(f, bytes);
 *	and feed_file_end() or feed_file_drop()
 *	feed_end(f, &err);			everything was run
 *	feed_free(f);
 *
 * One thread adds; run is called in another one. When run fails, nothing more is run, and every call
 * from then on fails with its error.
 */
#ifndef MRMR_ARCHIVE_FEED_H
#define MRMR_ARCHIVE_FEED_H

#include "base/bytes.h"
#include "base/error.h"
#include "table/node.h"

enum feed_kind {
	FEED_FOLDER, /* name is its path */
	FEED_REMOVE,
	FEED_NODE, /* complete but for content */
	FEED_FILE, /* its data, holes and end follow */
	FEED_DATA,
	FEED_HOLE,
	FEED_FILE_END, /* node says the rest */
	FEED_FILE_DROP,
};

struct feed_event {
	enum feed_kind kind;
	bool last; /* FEED_DATA: the file's last bytes */
	const uint8_t *name;
	size_t name_bytes;
	struct node node;
	const uint8_t *data;
	uint64_t data_bytes; /* of FEED_DATA and FEED_HOLE */
};

struct feed;

/* Everything in the events is lent. A value other than ERR_NONE ends the feed. */
typedef int feed_fn(void *ctx, const struct feed_event *events, size_t count, struct error *err);

int feed_new(feed_fn *run, void *ctx, struct feed **out, struct error *err);
/* What was not run yet is dropped. NULL is allowed. */
void feed_free(struct feed *f);

int feed_folder(struct feed *f, const void *path, size_t path_bytes, struct error *err);
int feed_remove(struct feed *f, const void *name, size_t name_bytes, struct error *err);
/* Copies the node with its target and xattrs. */
int feed_node(struct feed *f, const void *name, size_t name_bytes, const struct node *n,
	      struct error *err);

int feed_file(struct feed *f, const void *name, size_t name_bytes, struct error *err);
/* Lends room for the next bytes of the file, at most the wanted ones. */
int feed_room(struct feed *f, uint64_t want_bytes, uint8_t **room, size_t *room_bytes,
	      struct error *err);
/* So many bytes at the beginning of that room are data. */
int feed_data(struct feed *f, size_t bytes, bool last, struct error *err);
int feed_hole(struct feed *f, uint64_t bytes, struct error *err);
int feed_file_end(struct feed *f, const struct node *n, struct error *err);
int feed_file_drop(struct feed *f, struct error *err);

/* Waits until everything was run. */
int feed_end(struct feed *f, struct error *err);

#endif
