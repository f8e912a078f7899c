#include "drivers/file.h"
#include "drivers/name.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct listing {
	const char *prefix;
	size_t prefix_len;
	object_fn *each;
	void *ctx;
	struct error *err;
	char name[OBJECT_NAME_MAX + 1]; /* of the entry looked at */
};

/* The listing starts in the folder that the prefix names, so a folder that does not match it holds
 * nothing that does. */
static bool matches(const struct listing *l)
{
	return strncmp(l->name, l->prefix, l->prefix_len) == 0;
}

static int list_folder(struct listing *l, int fd, size_t len);

/* The entry whose name is complete in l, len bytes long; its last component is leaf. */
static int list_entry(struct listing *l, int folder_fd, const char *leaf, size_t len)
{
	struct stat st;
	int fd;

	if (fstatat(folder_fd, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return ERR_NONE; /* removed meanwhile */
		return err_errno(l->err, "list %s", l->name);
	}
	if (S_ISREG(st.st_mode))
		return l->each(l->ctx, l->name, (uint64_t)st.st_size);
	if (!S_ISDIR(st.st_mode) || len == OBJECT_NAME_MAX)
		return ERR_NONE;
	fd = openat(folder_fd, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? ERR_NONE : err_errno(l->err, "list %s", l->name);
	l->name[len] = '/';
	return list_folder(l, fd, len + 1);
}

/* The first len bytes of l->name name the folder, its slash included. Closes fd. */
static int list_folder(struct listing *l, int fd, size_t len)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *e;
	int code = ERR_NONE;

	if (!dir) {
		code = err_errno(l->err, "list %.*s", (int)len, l->name);
		close(fd);
		return code;
	}
	while (code == ERR_NONE && (errno = 0, e = readdir(dir))) {
		size_t more = strlen(e->d_name);

		/* What is no object name can't be an object: "~tmp", "..", another program's. */
		if (len + more > OBJECT_NAME_MAX || !object_name_ok(e->d_name))
			continue;
		memcpy(l->name + len, e->d_name, more + 1);
		if (matches(l))
			code = list_entry(l, fd, e->d_name, len + more);
	}
	if (code == ERR_NONE && errno != 0)
		code = err_errno(l->err, "list %.*s", (int)len, l->name);
	closedir(dir);
	return code;
}

int file_list(struct drive *d, const char *prefix, object_fn *each, void *ctx, struct error *err)
{
	struct listing l = { .prefix = prefix, .each = each, .ctx = ctx, .err = err };
	const char *leaf;
	int mrmr_fd, fd, code = object_prefix_check(prefix, err);

	if (code != ERR_NONE)
		return code;
	code = file_mrmr((struct file_drive *)d, &mrmr_fd, err);
	if (code != ERR_NONE)
		return code == ERR_NOT_FOUND ? ERR_NONE : code;
	/* Only the folder that the prefix names can hold a match. */
	fd = beneath_open_parent(mrmr_fd, prefix, &leaf);
	if (fd < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return ERR_NONE;
		return err_errno(err, "list %s", prefix);
	}
	l.prefix_len = strlen(prefix);
	memcpy(l.name, prefix, (size_t)(leaf - prefix));
	return list_folder(&l, fd, (size_t)(leaf - prefix));
}
