/*
 * Files of this host: state, config, keys. (Objects on drives go through a driver.)
 */
#ifndef MRMR_BASE_FILE_H
#define MRMR_BASE_FILE_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* All of it, whatever a single call manages. False with errno set. */
bool write_all(int fd, const void *bytes, size_t len_bytes);

/* Reads until len_bytes or the end of the file; returns how many came, or -1 with errno set. */
ssize_t read_full(int fd, void *buf, size_t len_bytes);
ssize_t pread_full(int fd, void *buf, size_t len_bytes, off_t offset_bytes);

/* Appends the whole file to out. A file above max_bytes is ERR_CORRUPT. */
int file_load(const char *path, size_t max_bytes, struct buf *out, struct error *err);

/*
 * Replaces path by these bytes, whole or not at all, durable on return: temporary file
 * beside it (mode 0600), fsync, rename, fsync of the folder.
 */
int file_store(const char *path, const void *bytes, size_t len_bytes, struct error *err);
/* The same for what may be lost: not durable. After a power cut the file may be empty. */
int file_store_notes(const char *path, const void *bytes, size_t len_bytes, struct error *err);
/* Removes the temporary files that file_store() left beside files whose names begin with prefix ("":
 * all) when its process was killed. Failing to tidy up fails nothing. */
void file_sweep(const char *folder, const char *prefix);

/* Creates path and its missing parents, mode 0700, durable. An existing folder is fine. */
int folder_make(const char *path, struct error *err);

int folder_sync(const char *path, struct error *err);

bool file_exists(const char *path);

/*
 * Takes an exclusive lock on the file (created when missing) without waiting. *fd_out is
 * to be closed to let go; the kernel does so too when the process dies. ERR_LOCKED when
 * another process has it.
 */
int file_lock(const char *path, int *fd_out, struct error *err);

/* "dir/name" in fresh memory; NULL: out of memory. */
char *path_join(const char *dir, const char *name);

#endif
