/* Notes of the library about single paths, as lines for the user. */
#ifndef MRMR_CMD_NOTES_H
#define MRMR_CMD_NOTES_H

#include "archive/note.h"

/* A note_fn; ctx is the struct invocation. Details with -v only. */
void note_path(void *ctx, enum note_level level, const uint8_t *path, size_t path_bytes,
	       const char *what);

#endif
