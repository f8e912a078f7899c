#include "archive/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static int64_t ns_of(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

static bool type_of(mode_t mode, enum node_type *out)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		*out = NODE_FILE;
		return true;
	case S_IFDIR:
		*out = NODE_FOLDER;
		return true;
	case S_IFLNK:
		*out = NODE_SYMLINK;
		return true;
	case S_IFIFO:
		*out = NODE_FIFO;
		return true;
	case S_IFCHR:
		*out = NODE_CHAR_DEVICE;
		return true;
	case S_IFBLK:
		*out = NODE_BLOCK_DEVICE;
		return true;
	default:
		return false;
	}
}

bool meta_from_stat(const struct stat *st, struct node *out)
{
	enum node_type type;

	if (!type_of(st->st_mode, &type))
		return false;
	*out = (struct node){
		.type = type,
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.size_bytes = type == NODE_FILE ? (uint64_t)st->st_size : 0,
		.mtime_ns = ns_of(&st->st_mtim),
		.ctime_ns = ns_of(&st->st_ctim),
		.inode = st->st_ino,
		.device = st->st_dev,
		.links = st->st_nlink,
		.rdev = type == NODE_CHAR_DEVICE || type == NODE_BLOCK_DEVICE ? st->st_rdev : 0,
	};
	return true;
}

#define TICK_WAITS_MAX 20 /* of one millisecond: a clock may stand still */

/* Waits while this is the time of the running tick. Whether it had not to. */
static bool tick_is_over(int64_t ctime_ns)
{
	const struct timespec millisecond = {.tv_nsec = 1000000};
	struct timespec now;
	int64_t ahead_ns;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	ahead_ns = ctime_ns - ns_of(&now);
	/* Of times that are to come (the clock was set back) no wait would be the end. */
	if (ahead_ns < 0 || ahead_ns > TICK_WAITS_MAX * (int64_t)millisecond.tv_nsec)
		return true;
	nanosleep(&millisecond, NULL);
	return false;
}

int meta_stat(int folder_fd, const char *name, int flags, struct stat *st)
{
	for (unsigned i = 0; i < TICK_WAITS_MAX; i++) {
		int result = fstatat(folder_fd, name, st, flags);

		if (result != 0 || tick_is_over(ns_of(&st->st_ctim)))
			return result;
	}
	return 0;
}

int meta_read_link(int folder_fd, const char *name, struct buf *out, struct error *err)
{
	/* The kernel's own limit is a page; other systems behind a network may have more. */
	size_t room_bytes = PATH_MAX;

	for (;;) {
		ssize_t got;

		if (!buf_reserve(out, room_bytes))
			return err_nomem(err);
		got = readlinkat(folder_fd, name, (char *)out->data + out->len_bytes, room_bytes);
		if (got < 0)
			return err_errno(err, "read link");
		if ((size_t)got < room_bytes) {
			out->len_bytes += (size_t)got;
			return ERR_NONE;
		}
		if (room_bytes > LINK_BYTES_MAX)
			return err_set(err, ERR_FULL, "link target is too long");
		room_bytes *= 2;
	}
}

/* What xattrs are read from: an open file, or a path that ends in a name in a folder. */
struct subject {
	int fd; /* -1: path */
	char path[64 + NAME_BYTES_MAX];
};

static ssize_t list_names(const struct subject *s, char *names, size_t size_bytes)
{
	return s->fd >= 0 ? flistxattr(s->fd, names, size_bytes)
			  : llistxattr(s->path, names, size_bytes);
}

static ssize_t get_value(const struct subject *s, const char *name, void *value, size_t size_bytes)
{
	return s->fd >= 0 ? fgetxattr(s->fd, name, value, size_bytes)
			  : lgetxattr(s->path, name, value, size_bytes);
}

static bool begins(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

bool meta_is_acl(const char *name)
{
	return strcmp(name, "system.posix_acl_access") == 0 ||
	       strcmp(name, "system.posix_acl_default") == 0;
}

bool meta_is_taken(const char *name)
{
	return begins(name, "user.") || begins(name, "security.") || begins(name, "trusted.") ||
	       meta_is_acl(name);
}

bool meta_is_label(const char *name)
{
	return begins(name, "security.") && strcmp(name, "security.capability") != 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All of the size that the kernel allows for one value or one list. */
#define XATTR_ROOM_BYTES 65536

/* Appends one pair. An attribute that went away in the meantime is no error. */
static int add_pair(const struct subject *s, const char *name, void *room, struct buf *out,
		    struct error *err)
{
	ssize_t got = get_value(s, name, room, XATTR_ROOM_BYTES);

	if (got < 0 && errno == ENODATA)
		return ERR_NONE;
	if (got < 0)
		return err_errno(err, "read attribute %s", name);
	buf_add_string(out, name);
	buf_add_block(out, room, (size_t)got);
	return out->failed ? err_nomem(err) : ERR_NONE;
}

/* names: as the kernel lists them, each with its NUL. */
static int add_pairs(const struct subject *s, char *names, size_t names_bytes, struct buf *out,
		     struct error *err)
{
	size_t count = 0, start_bytes = out->len_bytes;
	struct error one;
	char **sorted;
	void *room = malloc(XATTR_ROOM_BYTES);
	int code = ERR_NONE;

	sorted = calloc(names_bytes, sizeof(*sorted));
	if (!sorted || !room) {
		code = err_nomem(err);
		goto out;
	}
	for (char *at = names; at < names + names_bytes; at += strlen(at) + 1) {
		if (meta_is_taken(at))
			sorted[count++] = at;
	}
	qsort(sorted, count, sizeof(*sorted), compare_names);
	for (size_t i = 0; i < count; i++) {
		size_t before_bytes = out->len_bytes;

		if (add_pair(s, sorted[i], room, out, &one) != ERR_NONE) {
			code = (int)one.code;
			*err = one;
		}
		if (out->len_bytes - start_bytes > XATTRS_BYTES_MAX) {
			out->len_bytes = before_bytes;
			code = err_set(err, ERR_FULL, "too many attributes");
			break;
		}
	}
out:
	free(sorted);
	free(room);
	return code;
}

static int read_xattrs(const struct subject *s, struct buf *out, struct error *err)
{
	char names[XATTR_ROOM_BYTES];
	ssize_t got = list_names(s, NULL, 0); /* most have none: that is told without a buffer */

	if (got > 0)
		got = list_names(s, names, sizeof(names));
	if (got < 0 && errno == ENOTSUP)
		return ERR_NONE;
	if (got < 0)
		return err_errno(err, "list attributes");
	return got == 0 ? ERR_NONE : add_pairs(s, names, (size_t)got, out, err);
}

int meta_read_xattrs_fd(int fd, struct buf *out, struct error *err)
{
	struct subject s = {.fd = fd};

	return read_xattrs(&s, out, err);
}

int meta_read_xattrs(int folder_fd, const char *name, struct buf *out, struct error *err)
{
	struct subject s = {.fd = -1};

	/* There is no call relative to a folder before Linux 6.13. The link in /proc leads to the
	 * folder that is open, whatever its path is now, and the last component is not followed. */
	snprintf(s.path, sizeof(s.path), "/proc/self/fd/%d/%s", folder_fd, name);
	return read_xattrs(&s, out, err);
}

/* An attribute, its name with a NUL. */
struct pair {
	char name[XATTR_NAME_MAX + 1];
	const uint8_t *value;
	size_t value_bytes;
};

static bool next_pair(struct reader *r, struct pair *out)
{
	const uint8_t *name;
	size_t name_bytes;

	if (!xattr_next(r, &name, &name_bytes, &out->value, &out->value_bytes))
		return false;
	memcpy(out->name, name, name_bytes);
	out->name[name_bytes] = '\0';
	return true;
}

static bool same_pair(const struct pair *a, const struct pair *b)
{
	return strcmp(a->name, b->name) == 0 && a->value_bytes == b->value_bytes &&
	       memcmp(a->value, b->value, a->value_bytes) == 0;
}

bool meta_equals_xattrs(int folder_fd, const char *name, const struct node *n)
{
	struct reader wanted = reader_of(n->xattrs, n->xattrs_bytes), found;
	struct pair want, have;
	struct buf there = {0};
	struct error err;
	bool more = next_pair(&wanted, &want);
	bool same = meta_read_xattrs(folder_fd, name, &there, &err) == ERR_NONE;

	found = reader_of(there.data, there.len_bytes);
	while (same && next_pair(&found, &have)) {
		if (more && same_pair(&want, &have))
			more = next_pair(&wanted, &want);
		else
			same = meta_is_label(have.name);
	}
	buf_release(&there);
	return same && !more;
}
