/*
 * Roots: the paths a put was asked for, made absolute, as one sorted set.
 */
#ifndef MRMR_ARCHIVE_ROOTS_H
#define MRMR_ARCHIVE_ROOTS_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>

struct roots {
	char **paths; /* absolute, sorted by bytes, each once; "/" is the root of all */
	size_t count;
};

/*
 * cwd + path without empty, "." and ".." components; symbolic links are not resolved. cwd NULL: the
 * process' own. *out is fresh memory, "/" for the root of all. ERR_USAGE: path is empty.
 */
int path_absolute(const char *cwd, const char *path, char **out, struct error *err);

/* All of them made absolute. Caller: roots_release(). */
int roots_make(const char *const *paths, size_t count, struct roots *out, struct error *err);
void roots_release(struct roots *r);

/* For these, path is absolute and without its final slash: "" is the root of all. */
bool roots_has(const struct roots *r, const void *path, size_t path_bytes);
/* Roots that lie below path: [*first, *end). True if there is one. */
bool roots_below(const struct roots *r, const void *path, size_t path_bytes, size_t *first,
		 size_t *end);

/* The roots as a series record has them: each with its NUL. */
void roots_encode(const struct roots *r, struct buf *out);

#endif
