#include "base/file.h"
#include "drivers/file.h"
#include "drivers/name.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMP_FOLDER "~tmp"
#define COMPARE_BYTES ((size_t)64 << 10)

/* Over all drives of the process: two of them may be the same folder under the same tag. */
static atomic_uint next_temp;

/* What a commit took over from the drive. */
struct batch {
	int mrmr_fd, temp_fd;
	struct temp temps[FILE_TEMPS_MAX];
	unsigned count;
	unsigned renamed; /* of those, from the first on */
	struct folder_set changed;
	bool root_changed;
};

static void temp_release(struct temp *t)
{
	close(t->fd);
	free(t->name);
}

static void temp_drop(int temp_fd, struct temp *t)
{
	unlinkat(temp_fd, t->temp_name, 0);
	temp_release(t);
}

/* "<tag>-<pid>-<number>" of a process that is gone. */
static bool is_stale(const char *temp_name, const char *tag)
{
	size_t len = strlen(tag);
	char *end;
	long pid;

	if (strncmp(temp_name, tag, len) != 0 || temp_name[len] != '-')
		return false;
	pid = strtol(temp_name + len + 1, &end, 10);
	return pid > 0 && *end == '-' && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

/* What a killed process left. The tag is of one writer, so of this host: its pids mean
 * something here. Failing to tidy up fails nothing. */
static void remove_stale_temps(int temp_fd, const char *tag)
{
	int fd = openat(temp_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(dir)))
		if (is_stale(e->d_name, tag))
			unlinkat(temp_fd, e->d_name, 0);
	closedir(dir);
}

static int open_temp_folder(int mrmr_fd)
{
	return openat(mrmr_fd, TEMP_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int temp_folder(struct file_drive *f, int *fd, struct error *err)
{
	int mrmr_fd, code = file_mrmr_make(f, &mrmr_fd, err);

	if (code != ERR_NONE)
		return code;
	pthread_mutex_lock(&f->lock);
	if (f->temp_fd < 0) {
		f->temp_fd = open_temp_folder(mrmr_fd);
		if (f->temp_fd < 0 && errno == ENOENT &&
		    (mkdirat(mrmr_fd, TEMP_FOLDER, 0700) == 0 || errno == EEXIST))
			f->temp_fd = open_temp_folder(mrmr_fd);
		if (f->temp_fd < 0)
			code = file_write_errno(err, "create folder", TEMP_FOLDER);
		else
			remove_stale_temps(f->temp_fd, f->temp_tag);
	}
	*fd = f->temp_fd;
	pthread_mutex_unlock(&f->lock);
	return code;
}

static int temp_write(struct file_drive *f, int temp_fd, const char *name, const void *bytes,
		      size_t len_bytes, struct temp *out, struct error *err)
{
	struct temp t = { .name = strdup(name), .fd = -1 };

	if (!t.name)
		return err_nomem(err);
	do {
		/* A name may be left from an earlier process of our pid. */
		snprintf(t.temp_name, sizeof(t.temp_name), "%s-%ld-%u", f->temp_tag,
			 (long)getpid(), atomic_fetch_add(&next_temp, 1));
		t.fd = openat(temp_fd, t.temp_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	} while (t.fd < 0 && errno == EEXIST);
	if (t.fd < 0) {
		free(t.name);
		return file_write_errno(err, "create a file for", name);
	}
	if (!write_all(t.fd, bytes, len_bytes)) {
		int code = file_write_errno(err, "write", name);

		temp_drop(temp_fd, &t);
		return code;
	}
	/* Starts the disk now, so that the fsync of commit() finds little left to do. It
	 * neither waits nor takes errors away from that fsync. */
	sync_file_range(t.fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	*out = t;
	return ERR_NONE;
}

static bool same_bytes(int a, int b)
{
	char *buf = malloc(2 * COMPARE_BYTES);
	bool same = buf != NULL;
	off_t at = 0;
	ssize_t n = 1;

	while (same && n > 0) {
		n = pread_full(a, buf, COMPARE_BYTES, at);
		same = n >= 0 && pread_full(b, buf + COMPARE_BYTES, COMPARE_BYTES, at) == n &&
		       memcmp(buf, buf + COMPARE_BYTES, (size_t)n) == 0;
		at += n;
	}
	free(buf);
	return same;
}

/* The name appeared since put() looked. The same bytes there are as good as ours once durable. */
static int settle_for_existing(const struct temp *t, int folder_fd, const char *leaf,
			       struct error *err)
{
	int fd = openat(folder_fd, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int code = ERR_NONE;

	if (fd < 0 || !same_bytes(fd, t->fd))
		code = err_set(err, ERR_EXISTS, "sync %s: the name was taken meanwhile", t->name);
	else if (fsync(fd) < 0)
		code = file_write_errno(err, "sync", t->name);
	if (fd >= 0)
		close(fd);
	return code;
}

static int give_name(struct batch *b, struct temp *t, struct error *err)
{
	const char *leaf;
	int fd = beneath_make_parent(b->mrmr_fd, t->name, &leaf, &b->changed);
	int code = ERR_NONE;

	if (fd < 0)
		return file_write_errno(err, "create the folder of", t->name);
	if (!folder_set_add_parent(&b->changed, t->name)) {
		code = err_nomem(err);
	} else if (rename_without_replacing(b->temp_fd, t->temp_name, fd, leaf) < 0) {
		if (errno == EEXIST)
			code = settle_for_existing(t, fd, leaf, err);
		else
			code = file_write_errno(err, "name", t->name);
		if (code == ERR_NONE)
			unlinkat(b->temp_fd, t->temp_name, 0);
	}
	close(fd);
	return code;
}

static int sync_folders(const struct batch *b, int root_fd, struct error *err)
{
	for (size_t i = 0; i < b->changed.count; i++) {
		int fd = beneath_open_folder(b->mrmr_fd, b->changed.paths[i]);

		if (fd < 0 || fsync(fd) < 0) {
			int code = file_write_errno(err, "sync folder", b->changed.paths[i]);

			if (fd >= 0)
				close(fd);
			return code;
		}
		close(fd);
	}
	if (b->root_changed && fsync(root_fd) < 0)
		return file_write_errno(err, "sync", "the drive's folder");
	return ERR_NONE;
}

static int commit_batch(struct batch *b, int root_fd, struct error *err)
{
	for (unsigned i = 0; i < b->count; i++)
		if (fsync(b->temps[i].fd) < 0)
			return file_write_errno(err, "sync", b->temps[i].name);
	for (; b->renamed < b->count; b->renamed++) {
		int code = give_name(b, &b->temps[b->renamed], err);

		if (code != ERR_NONE)
			return code;
	}
	return sync_folders(b, root_fd, err);
}

static void take_batch(struct file_drive *f, struct batch *b)
{
	pthread_mutex_lock(&f->lock);
	b->mrmr_fd = f->mrmr_fd;
	b->temp_fd = f->temp_fd;
	b->count = f->pending_count;
	b->renamed = 0;
	memcpy(b->temps, f->pending, b->count * sizeof(b->temps[0]));
	b->changed = f->changed;
	b->root_changed = f->root_changed;
	f->pending_count = 0;
	f->changed = (struct folder_set){ 0 };
	f->root_changed = false;
	pthread_mutex_unlock(&f->lock);
}

/* All that is pending becomes durable, or what has no name yet is given up. An fsync that failed
 * is not asked again: its descriptor is closed. Under commit_lock. */
static int commit(struct file_drive *f, struct error *err)
{
	struct batch b;
	int code;

	take_batch(f, &b);
	code = commit_batch(&b, f->root_fd, err);
	for (unsigned i = 0; i < b.count; i++) {
		if (i < b.renamed)
			temp_release(&b.temps[i]);
		else
			temp_drop(b.temp_fd, &b.temps[i]);
	}
	pthread_mutex_lock(&f->lock);
	f->temps -= b.count;
	if (code != ERR_NONE) {
		f->failures++;
		f->last_failure = *err;
		/* Still to be synced for the sake of others: removals, folders just made. */
		folder_set_add_all(&f->changed, &b.changed);
		f->root_changed |= b.root_changed;
	}
	pthread_mutex_unlock(&f->lock);
	folder_set_release(&b.changed);
	return code;
}

/* Counts one more temporary file; commits first when there are enough of them. */
static int reserve_temp(struct file_drive *f, struct error *err)
{
	int code = ERR_NONE;

	pthread_mutex_lock(&f->lock);
	while (f->temps == FILE_TEMPS_MAX && code == ERR_NONE) {
		pthread_mutex_unlock(&f->lock);
		pthread_mutex_lock(&f->commit_lock);
		code = commit(f, err);
		pthread_mutex_unlock(&f->commit_lock);
		pthread_mutex_lock(&f->lock);
	}
	if (code == ERR_NONE)
		f->temps++;
	pthread_mutex_unlock(&f->lock);
	/* Another name was taken, not the one to be put now. */
	if (code == ERR_EXISTS)
		code = (int)(err->code = ERR_IO);
	return code == ERR_NONE ? ERR_NONE : err_wrap(err, "store what was put before");
}

static int check_free(struct file_drive *f, const char *name, struct error *err)
{
	bool taken = file_is_pending(f, name);
	int mrmr_fd, fd, code = ERR_NONE;
	const char *leaf;
	struct stat st;

	if (!taken) {
		code = file_mrmr(f, &mrmr_fd, err);
		if (code != ERR_NONE)
			return code == ERR_NOT_FOUND ? ERR_NONE : code;
		fd = beneath_open_parent(mrmr_fd, name, &leaf);
		taken = fd >= 0 && fstatat(fd, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0;
		if (!taken && errno != ENOENT)
			code = file_write_errno(err, "put", name);
		if (fd >= 0)
			close(fd);
	}
	if (taken)
		code = err_set(err, ERR_EXISTS, "put %s: the name is taken", name);
	return code;
}

int file_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
	     struct error *err)
{
	struct file_drive *f = (struct file_drive *)d;
	struct temp t;
	int temp_fd, code = object_name_check(name, err);

	if (code == ERR_NONE)
		code = check_free(f, name, err);
	if (code == ERR_NONE)
		code = temp_folder(f, &temp_fd, err);
	if (code == ERR_NONE)
		code = reserve_temp(f, err);
	if (code != ERR_NONE)
		return code;
	code = temp_write(f, temp_fd, name, bytes, len_bytes, &t, err);
	pthread_mutex_lock(&f->lock);
	if (code == ERR_NONE)
		f->pending[f->pending_count++] = t;
	else
		f->temps--;
	pthread_mutex_unlock(&f->lock);
	return code;
}

int file_sync(struct drive *d, struct error *err)
{
	struct file_drive *f = (struct file_drive *)d;
	unsigned failures_known, failures;
	int code;

	pthread_mutex_lock(&f->lock);
	failures_known = f->failures_reported;
	pthread_mutex_unlock(&f->lock);

	pthread_mutex_lock(&f->commit_lock);
	pthread_mutex_lock(&f->lock);
	failures = f->failures;
	pthread_mutex_unlock(&f->lock);
	/* Objects put before this call were given up by a commit that failed since. */
	if (failures != failures_known) {
		file_drop_pending(f, NULL);
		*err = f->last_failure;
		code = (int)err->code;
	} else {
		code = commit(f, err);
	}
	pthread_mutex_lock(&f->lock);
	f->failures_reported = f->failures;
	pthread_mutex_unlock(&f->lock);
	pthread_mutex_unlock(&f->commit_lock);
	return code;
}

bool file_is_pending(struct file_drive *f, const char *name)
{
	bool found = false;

	pthread_mutex_lock(&f->lock);
	for (unsigned i = 0; i < f->pending_count && !found; i++)
		found = strcmp(f->pending[i].name, name) == 0;
	pthread_mutex_unlock(&f->lock);
	return found;
}

void file_drop_pending(struct file_drive *f, const char *name)
{
	unsigned kept = 0;

	pthread_mutex_lock(&f->lock);
	for (unsigned i = 0; i < f->pending_count; i++) {
		if (name && strcmp(f->pending[i].name, name) != 0)
			f->pending[kept++] = f->pending[i];
		else
			temp_drop(f->temp_fd, &f->pending[i]);
	}
	f->temps -= f->pending_count - kept;
	f->pending_count = kept;
	pthread_mutex_unlock(&f->lock);
}
