/*
 * Notes: what happened to one path while a tree was read or written, and did not stop the rest.
 */
#ifndef MRMR_ARCHIVE_NOTE_H
#define MRMR_ARCHIVE_NOTE_H

#include <stddef.h>
#include <stdint.h>

enum note_level {
	NOTE_DETAIL, /* for -v: done as asked, but somebody may wonder */
	NOTE_INFO,   /* left out for a good reason (a socket) */
	NOTE_ERROR,  /* could not be read or written: the exit code must tell */
};

/* path: absolute, not NUL-terminated, lent as what is. "what" reads after a colon:
 * "<path>: socket, not stored". */
typedef void note_fn(void *ctx, enum note_level level, const uint8_t *path, size_t path_bytes,
		     const char *what);

#endif
