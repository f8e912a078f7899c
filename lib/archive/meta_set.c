#include "archive/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CAPABILITY "security.capability"
#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

/* What is being set. The link in /proc leads to what an O_PATH descriptor holds, even to a symbolic
 * link, and to nothing else, whatever its name stands for by now. */
struct target_of_set {
	int fd;
	bool path_only;
	char path[32];
	struct meta_loss *loss;
};

static const char *const kind_texts[META_KINDS] = {
	[META_OWNER] = "owner",
	[META_PRIVILEGE] = "setuid, setgid or capability",
	[META_DEVICE] = "device",
	[META_XATTR] = "extended attribute",
	[META_ACL] = "access control list",
	[META_MODE] = "mode",
	[META_TIME] = "modification time",
};

const char *meta_kind_text(enum meta_kind kind)
{
	return kind_texts[kind];
}

static void lose(struct meta_loss *loss, enum meta_kind kind)
{
	if (errno == EPERM || errno == EACCES || errno == ENOTSUP) {
		loss->refused |= 1u << kind;
	} else {
		loss->failed |= 1u << kind;
		loss->failed_errno = errno;
	}
}

static int set_owner(const struct target_of_set *t, uid_t uid, gid_t gid)
{
	return t->path_only ? fchownat(t->fd, "", uid, gid, AT_EMPTY_PATH)
			    : fchown(t->fd, uid, gid);
}

static int set_xattr(const struct target_of_set *t, const char *name, const void *value,
		     size_t len_bytes)
{
	return t->path_only ? setxattr(t->path, name, value, len_bytes, 0)
			    : fsetxattr(t->fd, name, value, len_bytes, 0);
}

static int remove_xattr(const struct target_of_set *t, const char *name)
{
	return t->path_only ? removexattr(t->path, name) : fremovexattr(t->fd, name);
}

struct owned {
	bool uid, gid; /* is the node's by now */
};

/* All ones stand for "leave it as it is" in chown(2): no node may have them. */
static struct owned give_owner(const struct target_of_set *t, const struct node *n)
{
	struct stat st;

	if (n->uid != UINT32_MAX && n->gid != UINT32_MAX && set_owner(t, n->uid, n->gid) == 0)
		return (struct owned){true, true};
	if (n->uid == UINT32_MAX || n->gid == UINT32_MAX)
		errno = EPERM;
	lose(t->loss, META_OWNER);
	/* The group may be one of the caller's. */
	if (n->gid != UINT32_MAX && set_owner(t, (uid_t)-1, n->gid) != 0 && errno != EPERM)
		lose(t->loss, META_OWNER);
	if (fstatat(t->fd, "", &st, AT_EMPTY_PATH) != 0)
		return (struct owned){false, false};
	return (struct owned){st.st_uid == n->uid, st.st_gid == n->gid};
}

static void give_xattr(const struct target_of_set *t, const char *name, const void *value,
		       size_t len_bytes, bool privileged)
{
	bool capability = strcmp(name, CAPABILITY) == 0;
	enum meta_kind kind = capability	  ? META_PRIVILEGE
			      : meta_is_acl(name) ? META_ACL
						  : META_XATTR;

	errno = EPERM;
	if (!meta_is_taken(name) || (capability && !privileged) ||
	    set_xattr(t, name, value, len_bytes) != 0)
		lose(t->loss, kind);
}

/* Those that are ACLs, or those that are not. */
static void give_xattrs(const struct target_of_set *t, const struct node *n, bool privileged,
			bool acls)
{
	struct reader r = reader_of(n->xattrs, n->xattrs_bytes);

	while (r.left_bytes > 0) {
		char name[XATTR_NAME_MAX + 1];
		size_t name_bytes, value_bytes;
		const uint8_t *raw = read_block(&r, XATTR_NAME_MAX, &name_bytes);
		const uint8_t *value = read_block(&r, XATTRS_BYTES_MAX, &value_bytes);

		if (r.failed) {
			errno = EINVAL;
			lose(t->loss, META_XATTR);
			return;
		}
		memcpy(name, raw, name_bytes);
		name[name_bytes] = '\0';
		if (meta_is_acl(name) == acls)
			give_xattr(t, name, value, value_bytes, privileged);
	}
}

static void give_mode(const struct target_of_set *t, const struct node *n, struct owned owned,
		      bool unprivileged)
{
	mode_t mode = n->mode & 07777, left_out = 0;

	if (!owned.uid || unprivileged)
		left_out |= mode & S_ISUID;
	if (!owned.gid || unprivileged)
		left_out |= mode & S_ISGID;
	if (left_out != 0)
		t->loss->refused |= 1u << META_PRIVILEGE;
	mode &= ~left_out;
	if ((t->path_only ? chmod(t->path, mode) : fchmod(t->fd, mode)) != 0)
		lose(t->loss, META_MODE);
}

static struct timespec timespec_of(int64_t ns)
{
	struct timespec t = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

	if (t.tv_nsec < 0) {
		t.tv_nsec += 1000000000;
		t.tv_sec--;
	}
	return t;
}

static void give_time(const struct target_of_set *t, const struct node *n)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, timespec_of(n->mtime_ns)};

	if ((t->path_only ? utimensat(AT_FDCWD, t->path, times, 0) : futimens(t->fd, times)) != 0)
		lose(t->loss, META_TIME);
}

/* A file system without ACLs inherits none. */
static void take_inherited_off(const struct target_of_set *t, const struct node *n)
{
	if (remove_xattr(t, ACL_ACCESS) != 0 && errno != ENODATA && errno != ENOTSUP)
		lose(t->loss, META_ACL);
	if (n->type == NODE_FOLDER && remove_xattr(t, ACL_DEFAULT) != 0 && errno != ENODATA &&
	    errno != ENOTSUP)
		lose(t->loss, META_ACL);
}

static ssize_t list_names(const struct target_of_set *t, char *names, size_t size_bytes)
{
	return t->path_only ? listxattr(t->path, names, size_bytes)
			    : flistxattr(t->fd, names, size_bytes);
}

static bool node_has(const struct node *n, const char *name)
{
	struct reader r = reader_of(n->xattrs, n->xattrs_bytes);
	const uint8_t *at, *value;
	size_t at_bytes, value_bytes;

	while (xattr_next(&r, &at, &at_bytes, &value, &value_bytes)) {
		if (at_bytes == strlen(name) && memcmp(at, name, at_bytes) == 0)
			return true;
	}
	return false;
}

/* What the node has not, and would have stored if it had it. */
static void take_others_off(const struct target_of_set *t, const struct node *n)
{
	char names[XATTR_LIST_MAX];
	ssize_t got = list_names(t, NULL, 0); /* most have none: that is told without a buffer */

	if (got > 0)
		got = list_names(t, names, sizeof(names));
	if (got < 0 && errno != ENOTSUP)
		lose(t->loss, META_XATTR);
	for (const char *at = names; got > 0 && at < names + got; at += strlen(at) + 1) {
		if (!meta_is_taken(at) || meta_is_label(at) || node_has(n, at))
			continue;
		if (remove_xattr(t, at) != 0 && errno != ENODATA)
			lose(t->loss, meta_is_acl(at) ? META_ACL : META_XATTR);
	}
}

void meta_set(int fd, bool path_only, const struct node *n, unsigned flags, struct meta_loss *loss)
{
	struct target_of_set t = {.fd = fd, .path_only = path_only, .loss = loss};
	bool unprivileged = flags & META_UNPRIVILEGED;
	struct owned owned;

	if (path_only)
		snprintf(t.path, sizeof(t.path), "/proc/self/fd/%d", fd);
	owned = give_owner(&t, n);
	/* A symbolic link has neither ACL nor mode. */
	if (flags & META_INHERITED && n->type != NODE_SYMLINK)
		take_inherited_off(&t, n);
	if (flags & META_REPLACE)
		take_others_off(&t, n);
	/* An ACL may take from the owner the write permission that other attributes ask for. */
	if (n->xattrs_bytes > 0) {
		give_xattrs(&t, n, owned.uid && !unprivileged, false);
		give_xattrs(&t, n, owned.uid && !unprivileged, true);
	}
	if (n->type != NODE_SYMLINK)
		give_mode(&t, n, owned, unprivileged);
	give_time(&t, n);
}

bool meta_equals_stat(const struct node *n, const struct stat *st)
{
	struct node now;

	return meta_from_stat(st, &now) && now.type == n->type && now.uid == n->uid &&
	       now.gid == n->gid && (now.mode == n->mode || n->type == NODE_SYMLINK) &&
	       (now.mtime_ns == n->mtime_ns || n->type == NODE_FOLDER);
}
