#include "drivers/file.h"

#include "base/file.h"
#include "drivers/disk.h"
#include "drivers/name.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define CONNECTIONS_MAX 8
/* Not in <linux/magic.h>: */
#define BCACHEFS_SUPER_MAGIC 0xca451a4e
#define ZFS_SUPER_MAGIC 0x2fc12fc1

int file_write_errno(struct error *err, const char *step, const char *name)
{
	err_errno(err, "%s %s", step, name);
	if (err->code == ERR_NOT_FOUND || err->code == ERR_EXISTS)
		err->code = ERR_IO;
	return (int)err->code;
}

static int open_mrmr(struct file_drive *f, struct error *err)
{
	f->mrmr_fd = openat(f->root_fd, ".mrmr", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (f->mrmr_fd >= 0)
		return ERR_NONE;
	if (errno == ENOTDIR || errno == ELOOP)
		return err_set(err, ERR_IO, "open .mrmr: it is not a folder");
	return err_errno(err, "open .mrmr");
}

int file_mrmr(struct file_drive *f, int *fd, struct error *err)
{
	int code = ERR_NONE;

	pthread_mutex_lock(&f->lock);
	if (f->mrmr_fd < 0)
		code = open_mrmr(f, err);
	*fd = f->mrmr_fd;
	pthread_mutex_unlock(&f->lock);
	return code;
}

int file_mrmr_make(struct file_drive *f, int *fd, struct error *err)
{
	int code = ERR_NONE;

	pthread_mutex_lock(&f->lock);
	if (f->mrmr_fd < 0) {
		if (mkdirat(f->root_fd, ".mrmr", 0700) == 0)
			f->root_changed = true;
		else if (errno != EEXIST)
			code = file_write_errno(err, "create folder", ".mrmr");
		if (code == ERR_NONE)
			code = open_mrmr(f, err);
	}
	*fd = f->mrmr_fd;
	pthread_mutex_unlock(&f->lock);
	return code;
}

static int open_root(const char *url, bool make_root, int *fd, struct error *err)
{
	const char *path = url_after_scheme(url, "file");
	int code = ERR_NONE;

	if (path[0] == '\0')
		return err_set(err, ERR_USAGE, "\"%s\" names no folder", url);
	if (path != url && strncmp(path, "//", 2) == 0 && path[2] != '/')
		return err_set(err, ERR_USAGE, "\"%s\" names a host: write file:PATH", url);
	if (make_root)
		code = folder_make(path, err);
	if (code != ERR_NONE)
		return code;
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? err_errno(err, "open folder %s", path) : ERR_NONE;
}

static void file_close(struct drive *d)
{
	struct file_drive *f = (struct file_drive *)d;

	file_drop_pending(f, NULL);
	if (f->temp_fd >= 0)
		close(f->temp_fd);
	if (f->mrmr_fd >= 0)
		close(f->mrmr_fd);
	if (f->root_fd >= 0)
		close(f->root_fd);
	folder_set_release(&f->changed);
	pthread_mutex_destroy(&f->lock);
	pthread_mutex_destroy(&f->commit_lock);
	free(f);
}

/* Whether only this host's kernel and its disks answer there. What is not known is somebody
 * else's: a server, or a process (FUSE). */
static bool is_local(int fd)
{
	static const unsigned long local[] = { EXT4_SUPER_MAGIC,     XFS_SUPER_MAGIC,
					       BTRFS_SUPER_MAGIC,    F2FS_SUPER_MAGIC,
					       TMPFS_MAGIC,	     OVERLAYFS_SUPER_MAGIC,
					       MSDOS_SUPER_MAGIC,    EXFAT_SUPER_MAGIC,
					       BCACHEFS_SUPER_MAGIC, ZFS_SUPER_MAGIC };
	struct statfs s;

	if (fstatfs(fd, &s) < 0)
		return false;
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		if ((unsigned long)s.f_type == local[i])
			return true;
	}
	return false;
}

static int file_open(const char *url, const struct drive_options *options, struct drive **out,
		     struct error *err)
{
	struct file_drive *f;
	int fd, code = temp_tag_check(options->temp_tag, err);

	*out = NULL;
	if (code != ERR_NONE)
		return code;
	f = calloc(1, sizeof(*f));
	if (!f)
		return err_nomem(err);
	f->driver = driver_file;
	f->base.driver = &f->driver;
	f->temp_tag = options->temp_tag;
	f->root_fd = f->mrmr_fd = f->temp_fd = -1;
	pthread_mutex_init(&f->lock, NULL);
	pthread_mutex_init(&f->commit_lock, NULL);
	code = open_root(url, options->make_root, &f->root_fd, err);
	if (code == ERR_NONE) {
		code = file_mrmr(f, &fd, err);
		if (code == ERR_NOT_FOUND)
			code = ERR_NONE;
	}
	if (code != ERR_NONE) {
		file_close(&f->base);
		return code;
	}
	if (is_local(f->root_fd))
		f->driver.flags |= DRIVER_LOCAL;
	*out = &f->base;
	return ERR_NONE;
}

/* Anything but a regular file is no object. */
static int open_object(struct file_drive *f, const char *name, int *fd, struct stat *st,
		       struct error *err)
{
	int mrmr_fd, folder_fd, code = object_name_check(name, err);
	const char *leaf;

	if (code != ERR_NONE)
		return code;
	code = file_mrmr(f, &mrmr_fd, err);
	if (code != ERR_NONE)
		return err_wrap(err, "open %s", name);
	*fd = -1;
	folder_fd = beneath_open_parent(mrmr_fd, name, &leaf);
	if (folder_fd >= 0) {
		/* O_NONBLOCK: a planted pipe must not hang us. */
		*fd = openat(folder_fd, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (*fd < 0 && errno == ELOOP)
			errno = ENOENT;
		code = *fd < 0 ? err_errno(err, "open %s", name) : ERR_NONE;
		close(folder_fd);
	} else {
		code = err_errno(err, "open %s", name);
	}
	if (code == ERR_NONE && fstat(*fd, st) < 0)
		code = err_errno(err, "open %s", name);
	else if (code == ERR_NONE && !S_ISREG(st->st_mode))
		code = err_set(err, ERR_NOT_FOUND, "open %s: not a regular file", name);
	if (code != ERR_NONE && *fd >= 0)
		close(*fd);
	return code;
}

static int file_get(struct drive *d, const char *name, uint64_t offset_bytes, void *out,
		    size_t len_bytes, struct error *err)
{
	struct stat st;
	ssize_t got;
	int fd, code = open_object((struct file_drive *)d, name, &fd, &st, err);

	if (code != ERR_NONE)
		return code;
	if (offset_bytes > (uint64_t)st.st_size ||
	    len_bytes > (uint64_t)st.st_size - offset_bytes) {
		code = err_set(err, ERR_CORRUPT, "get %s: ends after %lld bytes", name,
			       (long long)st.st_size);
	} else {
		got = pread_full(fd, out, len_bytes, (off_t)offset_bytes);
		if (got < 0)
			code = err_errno(err, "read %s", name);
		else if ((size_t)got < len_bytes)
			code = err_set(err, ERR_CORRUPT, "get %s: it became shorter", name);
	}
	close(fd);
	return code;
}

static int file_stat(struct drive *d, const char *name, struct object_stat *out, struct error *err)
{
	struct stat st;
	int fd, code = open_object((struct file_drive *)d, name, &fd, &st, err);

	if (code != ERR_NONE)
		return code;
	out->len_bytes = (uint64_t)st.st_size;
	close(fd);
	return ERR_NONE;
}

/* Leaves folders to the next sync(). To be called after the change, so that no commit in between
 * syncs them too early and forgets them. */
static int note_changed(struct file_drive *f, const struct folder_set *changed, struct error *err)
{
	bool noted;

	pthread_mutex_lock(&f->lock);
	noted = folder_set_add_all(&f->changed, changed);
	pthread_mutex_unlock(&f->lock);
	return noted ? ERR_NONE : err_nomem(err);
}

static int rename_object(int mrmr_fd, const char *from, const char *to, struct folder_set *changed,
			 struct error *err)
{
	const char *from_leaf, *to_leaf;
	int from_fd = beneath_open_parent(mrmr_fd, from, &from_leaf), to_fd = -1;
	int code = ERR_NONE;
	struct stat st;

	if (from_fd < 0 || fstatat(from_fd, from_leaf, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		code = err_errno(err, "move %s", from);
		goto out;
	}
	/* A link or a pipe may be set aside like bad bytes, but never a tree of objects. */
	if (S_ISDIR(st.st_mode)) {
		code = err_set(err, ERR_NOT_FOUND, "move %s: it is a folder", from);
		goto out;
	}
	to_fd = beneath_make_parent(mrmr_fd, to, &to_leaf, changed);
	if (to_fd < 0)
		code = file_write_errno(err, "create the folder of", to);
	else if (rename_without_replacing(from_fd, from_leaf, to_fd, to_leaf) < 0)
		code = err_errno(err, "move %s to %s", from, to);
	else if (!folder_set_add_parent(changed, from) || !folder_set_add_parent(changed, to))
		code = err_nomem(err);
out:
	if (from_fd >= 0)
		close(from_fd);
	if (to_fd >= 0)
		close(to_fd);
	return code;
}

static int file_move(struct drive *d, const char *from, const char *to, struct error *err)
{
	struct file_drive *f = (struct file_drive *)d;
	struct folder_set changed = { 0 };
	struct error ignored;
	int mrmr_fd, code = object_name_check(from, err);

	if (code == ERR_NONE)
		code = object_name_check(to, err);
	if (code == ERR_NONE)
		code = file_mrmr(f, &mrmr_fd, err);
	if (code != ERR_NONE)
		return code;
	if (file_is_pending(f, to))
		return err_set(err, ERR_EXISTS, "move %s to %s: the name is taken", from, to);
	code = rename_object(mrmr_fd, from, to, &changed, err);
	/* Folders may have been made even if the rename failed. */
	if (note_changed(f, &changed, code == ERR_NONE ? err : &ignored) != ERR_NONE &&
	    code == ERR_NONE)
		code = ERR_NOMEM;
	folder_set_release(&changed);
	return code;
}

static int file_remove(struct drive *d, const char *name, struct error *err)
{
	struct file_drive *f = (struct file_drive *)d;
	struct folder_set changed = { 0 };
	int mrmr_fd, folder_fd, code = object_name_check(name, err);
	const char *leaf;

	if (code != ERR_NONE)
		return code;
	file_drop_pending(f, name);
	code = file_mrmr(f, &mrmr_fd, err);
	if (code != ERR_NONE)
		return code == ERR_NOT_FOUND ? ERR_NONE : code;
	folder_fd = beneath_open_parent(mrmr_fd, name, &leaf);
	if (folder_fd >= 0 && unlinkat(folder_fd, leaf, 0) == 0)
		code = folder_set_add_parent(&changed, name) ? note_changed(f, &changed, err)
							     : err_nomem(err);
	else if (errno != ENOENT && errno != ENOTDIR && errno != EISDIR)
		code = err_errno(err, "remove %s", name);
	if (folder_fd >= 0)
		close(folder_fd);
	folder_set_release(&changed);
	return code;
}

static int file_about(struct drive *d, struct drive_about *out, struct error *err)
{
	struct file_drive *f = (struct file_drive *)d;
	struct statvfs space;
	struct stat st;

	if (fstatvfs(f->root_fd, &space) < 0 || fstat(f->root_fd, &st) < 0)
		return err_errno(err, "ask for the space left");
	out->total_bytes = (uint64_t)space.f_blocks * space.f_frsize;
	out->free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
	out->space = st.st_dev; /* of a file system */
	if (!disk_domain("/sys", "/proc/self", f->root_fd, out->domain))
		return err_errno(err, "ask for the disk");
	return ERR_NONE;
}

const struct mrmr_driver driver_file = {
	.kind = "file",
	.flags = DRIVER_KNOWS_SPACE,
	.connections_max = CONNECTIONS_MAX,
	.open = file_open,
	.close = file_close,
	.put = file_put,
	.get = file_get,
	.stat = file_stat,
	.list = file_list,
	.move = file_move,
	.remove = file_remove,
	.sync = file_sync,
	.about = file_about,
};
