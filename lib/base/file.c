#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

bool write_all(int fd, const void *bytes, size_t len_bytes)
{
	const char *at = bytes;

	while (len_bytes > 0) {
		ssize_t n = write(fd, at, len_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		at += n;
		len_bytes -= (size_t)n;
	}
	return true;
}

ssize_t read_full(int fd, void *buf, size_t len_bytes)
{
	size_t done = 0;

	while (done < len_bytes) {
		ssize_t n = read(fd, (char *)buf + done, len_bytes - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t pread_full(int fd, void *buf, size_t len_bytes, off_t offset_bytes)
{
	size_t done = 0;

	while (done < len_bytes) {
		ssize_t n = pread(fd, (char *)buf + done, len_bytes - done,
				  offset_bytes + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int file_load(const char *path, size_t max_bytes, struct buf *out, struct error *err)
{
	/* O_NONBLOCK: opening a pipe without a writer must not hang. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	size_t want;
	ssize_t got;
	int code = ERR_NONE;

	if (fd < 0)
		return err_errno(err, "open %s", path);
	if (fstat(fd, &st) < 0) {
		code = err_errno(err, "stat %s", path);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		code = err_set(err, ERR_IO, "read %s: not a regular file", path);
		goto out;
	}
	if ((uint64_t)st.st_size > max_bytes) {
		code = err_set(err, ERR_CORRUPT, "read %s: larger than %zu bytes", path, max_bytes);
		goto out;
	}
	want = (size_t)st.st_size;
	if (!buf_reserve(out, want + 1)) {
		code = err_nomem(err);
		goto out;
	}
	got = read_full(fd, out->data + out->len_bytes, want);
	if (got < 0)
		code = err_errno(err, "read %s", path);
	else
		out->len_bytes += (size_t)got;
out:
	close(fd);
	return code;
}

/* The folder part of path in fresh memory: "." for a bare name. Slashes at its end are no part
 * of the name. */
static char *folder_of(const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	while (len > 0 && path[len - 1] != '/')
		len--;
	while (len > 1 && path[len - 1] == '/')
		len--;
	return len == 0 ? strdup(".") : strndup(path, len);
}

int folder_sync(const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int code = ERR_NONE;

	if (fd < 0)
		return err_errno(err, "open folder %s", path);
	if (fsync(fd) < 0)
		code = err_errno(err, "sync folder %s", path);
	close(fd);
	return code;
}

static int store(const char *path, const void *bytes, size_t len_bytes, bool durable,
		 struct error *err)
{
	char *temp = NULL, *folder = folder_of(path);
	int fd = -1, code = ERR_NONE;

	if (!folder || asprintf(&temp, "%s.%ld.tmp", path, (long)getpid()) < 0) {
		free(folder);
		return err_nomem(err);
	}
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		code = err_errno(err, "create %s", temp);
		goto out;
	}
	if (!write_all(fd, bytes, len_bytes) || (durable && fsync(fd) < 0)) {
		code = err_errno(err, "write %s", temp);
		goto out;
	}
	if (rename(temp, path) < 0) {
		code = err_errno(err, "rename to %s", path);
		goto out;
	}
	if (durable)
		code = folder_sync(folder, err);
out:
	if (fd >= 0)
		close(fd);
	if (code != ERR_NONE)
		unlink(temp);
	free(temp);
	free(folder);
	return code;
}

int file_store(const char *path, const void *bytes, size_t len_bytes, struct error *err)
{
	return store(path, bytes, len_bytes, true, err);
}

int file_store_notes(const char *path, const void *bytes, size_t len_bytes, struct error *err)
{
	return store(path, bytes, len_bytes, false, err);
}

/* "<name>.<pid>.tmp" of a process that is gone. */
static bool is_left_over(const char *name, const char *prefix)
{
	const char *tail = strrchr(name, '.'), *dot;
	char *end;
	long pid;

	if (!tail || strcmp(tail, ".tmp") != 0 || strncmp(name, prefix, strlen(prefix)) != 0)
		return false;
	dot = memrchr(name, '.', (size_t)(tail - name));
	if (!dot)
		return false;
	pid = strtol(dot + 1, &end, 10);
	return end == tail && pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

void file_sweep(const char *folder, const char *prefix)
{
	DIR *dir = opendir(folder);
	const struct dirent *e;

	if (!dir)
		return;
	while ((e = readdir(dir)))
		if (is_left_over(e->d_name, prefix))
			unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
}

int folder_make(const char *path, struct error *err)
{
	char *parent;
	int code;

	if (mkdir(path, 0700) == 0)
		goto made;
	if (errno == EEXIST) {
		struct stat st;

		if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
			return ERR_NONE;
		return err_set(err, ERR_IO, "create folder %s: something else has that name", path);
	}
	if (errno != ENOENT)
		return err_errno(err, "create folder %s", path);
	parent = folder_of(path);
	if (!parent)
		return err_nomem(err);
	code = strcmp(parent, path) == 0 ? err_errno(err, "create folder %s", path)
					 : folder_make(parent, err);
	free(parent);
	if (code != ERR_NONE)
		return code;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_errno(err, "create folder %s", path);
made:
	parent = folder_of(path);
	if (!parent)
		return err_nomem(err);
	code = folder_sync(parent, err);
	free(parent);
	return code;
}

bool file_exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

int file_lock(const char *path, int *fd_out, struct error *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(err, "open lock %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int code = errno == EWOULDBLOCK
				   ? err_set(err, ERR_LOCKED, "another process holds %s", path)
				   : err_errno(err, "lock %s", path);

		close(fd);
		return code;
	}
	*fd_out = fd;
	return ERR_NONE;
}

char *path_join(const char *dir, const char *name)
{
	char *joined = NULL;
	size_t len = strlen(dir);

	if (asprintf(&joined, "%s%s%s", dir, len > 0 && dir[len - 1] == '/' ? "" : "/", name) < 0)
		return NULL;
	return joined;
}
