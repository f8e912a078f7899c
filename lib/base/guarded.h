/*
 * Texts that must not leak: they are kept in guarded memory (sodium_malloc), and the places they
 * come from leave no copy elsewhere. For passphrases, key files and credentials.
 */
#ifndef MRMR_BASE_GUARDED_H
#define MRMR_BASE_GUARDED_H

#include "base/error.h"

#include <stddef.h>

/*
 * Copies an environment variable to guarded memory and wipes it where the kernel shows it
 * (/proc/PID/environ): the variable is left, and empty. *out NULL: it is not set. Caller: sodium_free().
 * ERR_NOMEM.
 */
int guarded_variable(const char *name, char **out, struct error *err);

/* Opens a file for reading that nobody but its owner, who must be us, may read: ERR_DENIED unless it
 * is a regular file with mode 0600 or 0400. Never waits for the writer of a FIFO. */
int private_open(const char *path, int *fd, struct error *err);

/* How long the first line is, its end not counted: editors and commands end a secret with one. */
size_t first_line_bytes(const void *bytes, size_t len_bytes);

#endif
