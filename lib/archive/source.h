/*
 * Source: one regular file as it is read for a put, in order, holes told apart from data.
 *
 *	if (source_open(&s, folder.fd, e.name, &err) != ERR_NONE)
 *		... ERR_NOT_FOUND: vanished or no file any more; ERR_DENIED: unreadable
 *	while (source_read(&s, buf, sizeof(buf), &piece, &err) == ERR_NONE && piece.bytes > 0)
 *		... piece.hole, or the bytes are in buf
 *	node = s.node, with size_bytes = s.at_bytes
 *	changed = source_changed(&s), then source_close(&s)
 *
 * s.node is what was seen before the first byte was read. When the file changes meanwhile, what was
 * read is stored under these old times, so that the next put sees the difference. For that, a file
 * changed within the running tick of the kernel's clock (4 ms, say) is not read before the tick is
 * over: a later change could else bear the same times.
 */
#ifndef MRMR_ARCHIVE_SOURCE_H
#define MRMR_ARCHIVE_SOURCE_H

#include "base/error.h"
#include "table/node.h"

#include <stdbool.h>

struct source {
	int fd; /* also for meta_read_xattrs_fd() */
	struct node node;
	uint64_t at_bytes; /* how much was handed out */
	/* internal: the stretch at hand, and whether there is more than one */
	uint64_t stretch_end_bytes;
	bool stretch_hole, sparse;
};

struct source_piece {
	uint64_t bytes; /* 0: the end */
	bool hole;	/* nothing was put into the buffer */
};

/*
 * Opens a regular file, through no symbolic link and without touching its access time if that is
 * permitted. On an error there is nothing to close.
 */
int source_open(struct source *s, int folder_fd, const char *name, struct error *err);

/*
 * The next piece: at most cap_bytes of data, or a hole of any length. Ends at the size that the
 * file had when it was opened, or where it ends now. Holes are what SEEK_HOLE says, if their
 * first and last 4 KiB do read as zeros; a file that fills its blocks is not asked.
 */
int source_read(struct source *s, void *buf, size_t cap_bytes, struct source_piece *out,
		struct error *err);

/* Whether size, mtime or ctime are others than at the opening. */
bool source_changed(const struct source *s);
void source_close(struct source *s);

#endif
