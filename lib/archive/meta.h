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

/*
 * fstatat(), so that every change to come will bear a later ctime: what changed within the running
 * tick of the kernel's clock (4 ms, say) is looked at again after it. -1 with errno set.
 */
int meta_stat(int folder_fd, const char *name, int flags, struct stat *st);

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

/* Whether attributes of this name are stored; of those, the POSIX ACLs; and what a system labels
 * its files with (security.*, but capabilities): of another system they are no use. */
bool meta_is_taken(const char *name);
bool meta_is_acl(const char *name);
bool meta_is_label(const char *name);

/* What of a node could not be set. */
enum meta_kind {
	META_OWNER,	/* owner or group */
	META_PRIVILEGE, /* a setuid or setgid bit, or a capability, left out for safety */
	META_DEVICE,	/* a device that could not be made */
	META_XATTR,
	META_ACL,
	META_MODE,
	META_TIME,
	META_KINDS /* how many there are */
};
const char *meta_kind_text(enum meta_kind kind); /* "owner", "extended attribute", ... */

/* Bits 1 << meta_kind. Refused: this caller may not, or this file system cannot. */
struct meta_loss {
	unsigned refused, failed;
	int failed_errno; /* of the last failure */
};

enum meta_flags {
	META_UNPRIVILEGED = 1, /* no setuid, setgid and capabilities, whoever asks */
	META_INHERITED = 2,    /* made in a folder with a default ACL: that is taken off first */
	META_REPLACE = 4,      /* was there before: attributes but the node's are taken off,
				* labels excepted */
};

/*
 * Gives a file, folder or special file the node's owner, attributes, ACLs, mode and modification
 * time, in this order: a change of owner takes setuid bits and capabilities away, and a file must
 * be writable while it gets attributes. Set are the setuid bit and capabilities only if the owner
 * is the node's by then, the setgid bit only if the group is. fd may be an O_PATH descriptor
 * (path_only). What cannot be set does not stop the rest; it is added to loss.
 */
void meta_set(int fd, bool path_only, const struct node *n, unsigned flags, struct meta_loss *loss);

/* Whether name in folder_fd has the node's attributes and no others but labels. */
bool meta_equals_xattrs(int folder_fd, const char *name, const struct node *n);

/* st says the same as the node as far as it can: owner, mode and, of files, the time. */
bool meta_equals_stat(const struct node *n, const struct stat *st);

#endif
