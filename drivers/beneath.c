#include "drivers/beneath.h"

#include "base/bytes.h"
#include "drivers/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool folder_set_has(const struct folder_set *s, const char *path, size_t len)
{
	for (size_t i = 0; i < s->count; i++)
		if (strlen(s->paths[i]) == len && memcmp(s->paths[i], path, len) == 0)
			return true;
	return false;
}

static bool folder_set_add(struct folder_set *s, const char *path, size_t len)
{
	char *copy;

	if (folder_set_has(s, path, len))
		return true;
	if (!grow(&s->paths, &s->cap, s->count + 1, sizeof(*s->paths))) {
		errno = ENOMEM;
		return false;
	}
	copy = strndup(path, len);
	if (!copy)
		return false;
	s->paths[s->count++] = copy;
	return true;
}

/* Length of the folder part of name, without its slash. */
static size_t parent_len(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? (size_t)(slash - name) : 0;
}

bool folder_set_add_parent(struct folder_set *s, const char *name)
{
	return folder_set_add(s, name, parent_len(name));
}

bool folder_set_has_parent(const struct folder_set *s, const char *name)
{
	return folder_set_has(s, name, parent_len(name));
}

bool folder_set_add_all(struct folder_set *s, const struct folder_set *from)
{
	for (size_t i = 0; i < from->count; i++)
		if (!folder_set_add(s, from->paths[i], strlen(from->paths[i])))
			return false;
	return true;
}

void folder_set_release(struct folder_set *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->paths[i]);
	free(s->paths);
	*s = (struct folder_set){ 0 };
}

static int open_folder(int parent_fd, const char *component)
{
	return openat(parent_fd, component, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Makes the folder of the first len bytes of path, whose last component this is, and opens it. */
static int make_folder(int parent_fd, const char *component, const char *path, size_t len,
		       struct folder_set *changed)
{
	char own[OBJECT_NAME_MAX + 1];

	if (mkdirat(parent_fd, component, 0700) < 0 && errno != EEXIST)
		return -1;
	memcpy(own, path, len);
	own[len] = '\0';
	if (!folder_set_add_parent(changed, own))
		return -1;
	return open_folder(parent_fd, component);
}

/* Goes len bytes along path, where a component ends. changed is NULL where nothing is to be made. */
static int walk(int base_fd, const char *path, size_t len, struct folder_set *changed)
{
	int fd = openat(base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t at = 0;

	while (fd >= 0 && at < len) {
		char component[OBJECT_NAME_MAX + 1];
		size_t size = strcspn(path + at, "/");
		int next, saved;

		memcpy(component, path + at, size);
		component[size] = '\0';
		next = open_folder(fd, component);
		if (next < 0 && errno == ENOENT && changed)
			next = make_folder(fd, component, path, at + size, changed);
		saved = errno;
		close(fd);
		errno = saved;
		fd = next;
		at += size + 1;
	}
	return fd;
}

int beneath_open_folder(int base_fd, const char *path)
{
	return walk(base_fd, path, strlen(path), NULL);
}

static const char *leaf_of(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

int beneath_open_parent(int base_fd, const char *name, const char **leaf)
{
	*leaf = leaf_of(name);
	return walk(base_fd, name, parent_len(name), NULL);
}

int beneath_make_parent(int base_fd, const char *name, const char **leaf,
			struct folder_set *changed)
{
	*leaf = leaf_of(name);
	return walk(base_fd, name, parent_len(name), changed);
}

/* How file systems say that they lack a call: FAT has no links, NFS no flags to rename. */
static bool is_lacking(int errno_value)
{
	return errno_value == EINVAL || errno_value == ENOSYS || errno_value == EPERM ||
	       errno_value == EOPNOTSUPP;
}

int rename_without_replacing(int from_fd, const char *from, int to_fd, const char *to)
{
	struct stat st;

	if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (!is_lacking(errno))
		return -1;
	if (linkat(from_fd, from, to_fd, to, 0) == 0)
		return unlinkat(from_fd, from, 0);
	if (!is_lacking(errno))
		return -1;
	/* Nothing atomic is left. Names are content hashes or belong to one writer, so a race
	 * lost here replaces an object by the same bytes. */
	if (fstatat(to_fd, to, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return errno == ENOENT ? renameat(from_fd, from, to_fd, to) : -1;
}
