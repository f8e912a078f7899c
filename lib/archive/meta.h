/*
 * Metadata of one thing in a folder: read for a put, set by a restore.
 */
#ifndef MRMR_ARCHIVE_META_H
#define MRMR_ARCHIVE_META_H

#include "base/bytes.h"
#include "base/error.h"
#include "table/node.h"

#include <stdbool.h>
#include <sys/stat.h>

/* The fields of a node that stat knows; the rest is zero. False: a socket, or another thing that is
 * never stored. */
bool meta_from_stat(const struct stat *st, struct node *out);

/* The target of the symbolic link name in folder_fd, appended to out (without NUL). */
int meta_read_link(int folder_fd, const char *name, struct buf *out, struct error *err);

/*
 * The extended attributes of name in folder_fd (of a symbolic link its own), appended to out as a
 * node has them. Taken are user.*, security.*, trusted.* (the kernel shows it to root only)
 * and the two POSIX ACLs, system.posix_acl_*; others belong to the file system they lie on.
 * A file system without attributes has none. ERR_DENIED: there are some that may not be read (the
 * rest is in out); ERR_FULL: more than XATTRS_BYTES_MAX; ERR_NOT_FOUND: name is gone.
 */
int meta_read_xattrs(int folder_fd, const char *name, struct buf *out, struct error *err);
/* The same of an open file or folder. */
int meta_read_xattrs_fd(int fd, struct buf *out, struct error *err);

/* Whether this is the name of a POSIX ACL. */
bool meta_is_acl(const char *name);

#endif
