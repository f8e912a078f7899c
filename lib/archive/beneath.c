#include "archive/beneath.h"

#include "base/bytes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define WAY_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Without openat2(2): each component by a call of its own. */
static int open_by_components(int folder_fd, const char *path, int flags, mode_t mode)
{
	int at = folder_fd, fd;
	const char *slash;

	while ((slash = strchr(path, '/')) != NULL) {
		char name[NAME_MAX + 1];
		size_t name_bytes = (size_t)(slash - path);

		fd = -1;
		errno = ENAMETOOLONG;
		if (name_bytes <= NAME_MAX) {
			memcpy(name, path, name_bytes);
			name[name_bytes] = '\0';
			fd = openat(at, name, WAY_FLAGS);
		}
		if (at != folder_fd)
			close(at);
		if (fd < 0)
			return -1;
		at = fd;
		path = slash + 1;
	}
	fd = openat(at, path, flags | O_NOFOLLOW, mode);
	if (at != folder_fd)
		close(at);
	return fd;
}

/* path is shorter than PATH_MAX. */
static int open_short(int folder_fd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (unsigned)flags,
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, folder_fd, path, &how, sizeof(how));

	if (fd < 0 && errno == ENOSYS)
		fd = open_by_components(folder_fd, path, flags, mode);
	return fd;
}

int beneath_open(int folder_fd, const char *path, int flags, mode_t mode)
{
	int at = folder_fd, fd;
	char piece[PATH_MAX];

	while (strlen(path) >= PATH_MAX) {
		size_t piece_bytes = PATH_MAX - 1;

		while (piece_bytes > 0 && path[piece_bytes] != '/')
			piece_bytes--;
		memcpy(piece, path, piece_bytes);
		piece[piece_bytes] = '\0';
		fd = open_short(at, piece, WAY_FLAGS, 0);
		if (at != folder_fd)
			close(at);
		if (fd < 0)
			return -1;
		at = fd;
		path += piece_bytes + 1;
	}
	fd = open_short(at, *path ? path : ".", flags, mode);
	if (at != folder_fd)
		close(at);
	return fd;
}

bool beneath_is(int fd, dev_t device, ino_t inode)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

int beneath_reopen_parent(int fd, dev_t device, ino_t inode)
{
	int parent = openat(fd, "..", FOLDER_FLAGS);

	if (parent >= 0 && !beneath_is(parent, device, inode)) {
		close(parent);
		parent = -1;
		errno = ESTALE;
	}
	return parent;
}

/* The folders being emptied, outermost first. */
struct level {
	dev_t device; /* of the folder that name is in */
	ino_t inode;
	size_t name_at;	    /* in names */
	bool left;	    /* something in it stays, ... */
	struct buf staying; /* ... for one these folders: names, each with its NUL */
};
struct removal {
	int fd; /* of the innermost folder */
	struct level *levels;
	size_t depth, cap;
	struct buf names, path;
	char at[NAME_MAX + 1]; /* in that folder; what was tried last */
	const struct beneath_filter *filter;
	bool left;
};

/* Something in the innermost folder stays. */
static void leave(struct removal *r)
{
	if (r->depth > 0)
		r->levels[r->depth - 1].left = true;
	else
		r->left = true;
}

static bool is_staying(const struct removal *r, const char *name)
{
	const struct buf *names = r->depth > 0 ? &r->levels[r->depth - 1].staying : NULL;

	for (size_t at = 0; names && at < names->len_bytes;) {
		const char *one = (const char *)names->data + at;

		if (strcmp(one, name) == 0)
			return true;
		at += strlen(one) + 1;
	}
	return false;
}

/* What of no known type is looked at; what cannot be looked at stays. */
static bool may_go(struct removal *r, const char *name, unsigned char type)
{
	struct stat st;

	if (!r->filter)
		return true;
	if (type == DT_UNKNOWN) {
		if (fstatat(r->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			return errno == ENOENT;
		type = IFTODT(st.st_mode);
	}
	buf_clear(&r->path);
	buf_add(&r->path, r->names.data, r->names.len_bytes);
	for (size_t i = 0; i < r->path.len_bytes; i++) {
		if (r->path.data[i] == '\0')
			r->path.data[i] = '/';
	}
	buf_add(&r->path, name, strlen(name));
	return !r->path.failed && r->filter->may(r->filter->ctx, r->path.data, r->path.len_bytes,
						 type == DT_DIR);
}

/* Notes down name, goes into it. */
static bool descend(struct removal *r, const char *name)
{
	struct stat here;
	int fd;

	if (fstat(r->fd, &here) < 0 || !grow(&r->levels, &r->cap, r->depth + 1, sizeof(*r->levels)))
		return false;
	r->levels[r->depth] = (struct level){
		.device = here.st_dev, .inode = here.st_ino, .name_at = r->names.len_bytes};
	buf_add(&r->names, name, strlen(name) + 1);
	if (r->names.failed)
		return false;
	fd = openat(r->fd, name, FOLDER_FLAGS);
	if (fd < 0)
		return false;
	close(r->fd);
	r->fd = fd;
	r->depth++;
	return true;
}

/* The folder above is to know that the one that was left stays. */
static bool note_staying(struct removal *r)
{
	struct buf *staying = r->depth > 0 ? &r->levels[r->depth - 1].staying : NULL;

	leave(r);
	if (staying)
		buf_add(staying, r->at, strlen(r->at) + 1);
	errno = ENOMEM;
	return !staying || !staying->failed;
}

/* Back to the folder above, and removes the empty one that was left. */
static bool ascend(struct removal *r)
{
	struct level *l = &r->levels[r->depth - 1];
	int parent = beneath_reopen_parent(r->fd, l->device, l->inode);

	if (parent < 0)
		return false;
	close(r->fd);
	r->fd = parent;
	r->depth--;
	r->names.len_bytes = l->name_at;
	snprintf(r->at, sizeof(r->at), "%s", (const char *)r->names.data + l->name_at);
	buf_release(&l->staying);
	return l->left ? note_staying(r) : unlinkat(r->fd, r->at, AT_REMOVEDIR) == 0;
}

/* Removes one name, or goes into it if it is a folder with something in it. */
static bool remove_or_descend(struct removal *r, const char *name, unsigned char type)
{
	snprintf(r->at, sizeof(r->at), "%s", name);
	if (is_staying(r, name))
		return true;
	if (!may_go(r, name, type)) {
		leave(r);
		return true;
	}
	if (unlinkat(r->fd, name, 0) == 0 || errno == ENOENT)
		return true;
	/* Linux says EISDIR, POSIX EPERM. */
	if (errno != EISDIR && errno != EPERM)
		return false;
	if (unlinkat(r->fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return true;
	return (errno == ENOTEMPTY || errno == EEXIST) && descend(r, name);
}

/* Works on the innermost folder until it is empty and gone, or another became the innermost. */
static bool empty_some(struct removal *r)
{
	_Alignas(struct dirent64) char raw[32768];
	size_t depth = r->depth;
	ssize_t got = 0;

	if (lseek(r->fd, 0, SEEK_SET) < 0)
		return false;
	while (r->depth == depth && (got = getdents64(r->fd, raw, sizeof(raw))) > 0) {
		for (ssize_t at = 0; at < got && r->depth == depth;) {
			const struct dirent64 *d = (const struct dirent64 *)(raw + at);

			at += d->d_reclen;
			if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 &&
			    !remove_or_descend(r, d->d_name, d->d_type))
				return false;
		}
	}
	if (got < 0)
		return false;
	return r->depth > depth || ascend(r);
}

int beneath_remove(int folder_fd, const char *name, const struct beneath_filter *filter, bool *left,
		   struct error *err)
{
	struct removal r = {.fd = fcntl(folder_fd, F_DUPFD_CLOEXEC, 0), .filter = filter};
	bool going = r.fd >= 0 && remove_or_descend(&r, name, DT_UNKNOWN);
	int code = ERR_NONE;

	while (going && r.depth > 0)
		going = empty_some(&r);
	if (!going)
		code = err_errno(err, "remove %s", r.at);
	/* Where that is; the outermost name is known to the caller. */
	for (size_t i = r.depth; i > 1; i--)
		code = err_wrap(err, "in %s",
				(const char *)r.names.data + r.levels[i - 1].name_at);
	while (r.depth > 0)
		buf_release(&r.levels[--r.depth].staying);
	*left = r.left;
	if (r.fd >= 0)
		close(r.fd);
	free(r.levels);
	buf_release(&r.names);
	buf_release(&r.path);
	return code;
}
