/*
 * Beneath: opening and removing below a folder that may be hostile: another process may swap
 * what is there for symbolic links at any moment. No call follows one, or leaves the folder.
 */
#ifndef MRMR_ARCHIVE_BENEATH_H
#define MRMR_ARCHIVE_BENEATH_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * openat() of a relative path whose components have passed name_ok(); "" is the folder itself. Any
 * length. By openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS), or component
 * by component with O_NOFOLLOW on kernels without (before 5.6). -1 with errno set.
 */
int beneath_open(int folder_fd, const char *path, int flags, mode_t mode);

/* The folder that fd is in, if it is still the one of this device and inode. -1: it is not, or
 * cannot be opened. */
int beneath_reopen_parent(int fd, dev_t device, ino_t inode);
bool beneath_is(int fd, dev_t device, ino_t inode);

/* What may be removed. path begins with the name given to beneath_remove(). A folder that may not
 * stays with all below it. */
struct beneath_filter {
	bool (*may)(void *ctx, const uint8_t *path, size_t path_bytes, bool is_folder);
	void *ctx;
};

/*
 * Removes name and all below it, however deep, with a few descriptors; or as much of it as the
 * filter (NULL: all) lets go: *left tells whether something stayed. Stops at the first thing that
 * cannot be removed, as a mount point: the message names it.
 */
int beneath_remove(int folder_fd, const char *name, const struct beneath_filter *filter, bool *left,
		   struct error *err);

#endif
