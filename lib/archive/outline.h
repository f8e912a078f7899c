/*
 * The outline of a put: what changed, folder by folder, in the order of the walk, waiting until
 * the chunks of each file have their places. As soon as they have, it becomes records.
 *
 * Calls come in this order: outline_folder(), then per change in rising order of names
 * outline_remove(), outline_node() (without content) or outline_file() with its pieces and
 * outline_file_end(); then the next folder. The one file that is open may be longer than any
 * memory: its pieces leave as content records while it grows. Not thread-safe.
 */
#ifndef MRMR_ARCHIVE_OUTLINE_H
#define MRMR_ARCHIVE_OUTLINE_H

#include "archive/pack.h"
#include "table/record.h"

struct outline;

int outline_new(struct packer *p, const struct id *snapshot, struct outline **out,
		struct error *err);
void outline_free(struct outline *o); /* NULL is allowed */

int outline_folder(struct outline *o, const void *path, size_t path_bytes, struct error *err);
int outline_remove(struct outline *o, const void *name, size_t name_bytes, struct error *err);
/* Copies the node with its target and xattrs. */
int outline_node(struct outline *o, const void *name, size_t name_bytes, const struct node *n,
		 struct error *err);

int outline_file(struct outline *o, const void *name, size_t name_bytes, struct error *err);
int outline_hole(struct outline *o, uint64_t bytes, struct error *err);
int outline_known_chunk(struct outline *o, const struct id *block_uid, uint32_t index,
			struct error *err);
int outline_new_chunk(struct outline *o, struct packer_ref ref, struct error *err);
int outline_file_end(struct outline *o, const struct node *n, struct error *err);
/* The file is left out after all (it vanished while it was read). */
int outline_file_drop(struct outline *o, struct error *err);

/* Turns everything into records whose places are known by now. */
int outline_drain(struct outline *o, struct error *err);
/* The same at the end, or between two commits: after packer_settle() all places are known, so
 * that nothing is left but the open file's last bytes. Closes the folder record at hand. */
int outline_flush(struct outline *o, struct error *err);
/* Records made so far; the caller takes them and clears the buffer. */
struct buf *outline_records(struct outline *o);

#endif
