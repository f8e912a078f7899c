#include "archive/target.h"

#include "archive/beneath.h"
#include "archive/target_inner.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_FLAGS (O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)
#define TEMP_TRIES_MAX 16
#define PARTIAL_SUFFIX ".mrmr-partial"

enum file_place {
	AT_NAME,    /* new: under its own name from the start */
	AT_TEMP,    /* under a temporary name, to be renamed over what is there */
	AT_NOWHERE, /* without a name as yet (O_TMPFILE): a killed restore leaves nothing */
};

struct target_file {
	struct target_folder *folder; /* held */
	int fd;
	enum file_place place;
	atomic_bool has_holes; /* so that its size must be set */
	_Atomic uint64_t given_bytes;
	struct node node; /* xattrs behind the struct */
	char name[NAME_ROOM], temp[NAME_ROOM];
	uint8_t xattrs[];
};

static struct target_file *new_file(struct target_folder *f, const char *name, const struct node *n)
{
	struct target_file *file = malloc(sizeof(*file) + n->xattrs_bytes);

	if (!file)
		return NULL;
	*file = (struct target_file){.folder = f, .fd = -1, .node = *n};
	memcpy(file->name, name, strlen(name) + 1);
	if (n->xattrs_bytes > 0)
		memcpy(file->xattrs, n->xattrs, n->xattrs_bytes);
	file->node.xattrs = file->xattrs;
	file->node.target = file->node.content = NULL;
	file->node.target_bytes = file->node.content_bytes = 0;
	return file;
}

/* A file that is to replace another. */
static bool open_temp(struct target_file *file)
{
	int folder_fd = file->folder->fd;

	file->place = AT_NOWHERE;
	file->fd = openat(folder_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	/* Not every file system has such files. */
	for (unsigned i = 0; i < TEMP_TRIES_MAX && file->fd < 0; i++) {
		if (i > 0 && errno != EEXIST)
			return false;
		file->place = AT_TEMP;
		target_temp_name(file->temp);
		file->fd = beneath_open(folder_fd, file->temp, FILE_FLAGS, 0600);
	}
	return file->fd >= 0;
}

/* Opens the file under its name if that is free; else what is there decides. */
static int open_file(struct target_file *file, enum target_outcome *outcome, struct stat *st,
		     struct error *err)
{
	struct target_folder *f = file->folder;
	enum place place;

	*outcome = TARGET_WRITE;
	file->place = AT_NAME;
	file->fd = beneath_open(f->fd, file->name, FILE_FLAGS, 0600);
	if (file->fd >= 0)
		return ERR_NONE;
	if (errno != EEXIST)
		return err_errno(err, "create");
	if (target_look(f, file->name, &file->node, &place, st, err) != ERR_NONE)
		return (int)err->code;
	switch (place) {
	case PLACE_SAME:
		*outcome = TARGET_SAME;
		return ERR_NONE;
	case PLACE_KEPT:
		*outcome = TARGET_KEPT;
		return ERR_NONE;
	case PLACE_FREE:
		file->fd = beneath_open(f->fd, file->name, FILE_FLAGS, 0600);
		return file->fd >= 0 ? ERR_NONE : err_errno(err, "create");
	case PLACE_TAKEN:
		break;
	}
	return open_temp(file) ? ERR_NONE : err_errno(err, "create beside the old one");
}

static int begin(struct target_folder *f, const char *name, const struct node *n,
		 struct target_file **out, enum target_outcome *outcome, struct error *err)
{
	bool linked = n->links > 1;
	struct target_file *file;
	struct stat st;
	int code;

	if (linked) {
		code = links_claim(f, name, n, outcome, err);
		if (code != ERR_NONE || *outcome != TARGET_WRITE)
			return code;
	}
	file = new_file(f, name, n);
	code = file ? open_file(file, outcome, &st, err) : err_nomem(err);
	if (code == ERR_NONE && *outcome == TARGET_WRITE) {
		target_hold(f);
		*out = file;
		return ERR_NONE;
	}
	if (linked && code == ERR_NONE && *outcome == TARGET_SAME)
		links_done(f, name, n, &st);
	else if (linked)
		links_forget(f, n);
	free(file);
	return code;
}

int target_begin(struct target_folder *f, const void *name, size_t name_bytes, const struct node *n,
		 struct target_file **out, enum target_outcome *outcome, struct error *err)
{
	char text[NAME_ROOM];

	*out = NULL;
	if (n->type != NODE_FILE)
		return err_set(err, ERR_CORRUPT, "the node is no file");
	if (n->size_bytes > INT64_MAX)
		return err_set(err, ERR_CORRUPT, "the node has an impossible size");
	if (target_name(name, name_bytes, text, err) != ERR_NONE ||
	    target_check_open(f, err) != ERR_NONE)
		return (int)err->code;
	return begin(f, text, n, out, outcome, err);
}

static int check_range(const struct target_file *file, uint64_t offset_bytes, uint64_t len_bytes,
		       struct error *err)
{
	if (offset_bytes > file->node.size_bytes ||
	    len_bytes > file->node.size_bytes - offset_bytes)
		return err_set(err, ERR_CORRUPT, "the content is longer than the file");
	return ERR_NONE;
}

static bool pwrite_all(int fd, const void *bytes, size_t len_bytes, uint64_t offset_bytes)
{
	const char *at = bytes;

	while (len_bytes > 0) {
		ssize_t n = pwrite(fd, at, len_bytes, (off_t)offset_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		at += n;
		len_bytes -= (size_t)n;
		offset_bytes += (uint64_t)n;
	}
	return true;
}

int target_write(struct target_file *file, uint64_t offset_bytes, const void *bytes,
		 size_t len_bytes, struct error *err)
{
	if (check_range(file, offset_bytes, len_bytes, err) != ERR_NONE)
		return (int)err->code;
	if (!pwrite_all(file->fd, bytes, len_bytes, offset_bytes))
		return err_errno(err, "write");
	atomic_fetch_add(&file->given_bytes, len_bytes);
	return ERR_NONE;
}

int target_hole(struct target_file *file, uint64_t offset_bytes, uint64_t len_bytes,
		struct error *err)
{
	static const char zeros[65536];
	uint64_t left_bytes = len_bytes;

	if (check_range(file, offset_bytes, len_bytes, err) != ERR_NONE)
		return (int)err->code;
	if (!file->folder->target->options.no_sparse) {
		left_bytes = 0;
		atomic_store(&file->has_holes, true);
	}
	while (left_bytes > 0) {
		size_t part = left_bytes < sizeof(zeros) ? (size_t)left_bytes : sizeof(zeros);

		if (!pwrite_all(file->fd, zeros, part, offset_bytes))
			return err_errno(err, "write zeros");
		offset_bytes += part;
		left_bytes -= part;
	}
	atomic_fetch_add(&file->given_bytes, len_bytes);
	return ERR_NONE;
}

int target_read(struct target_file *file, uint64_t offset_bytes, void *out, size_t len_bytes,
		struct error *err)
{
	ssize_t got;

	if (check_range(file, offset_bytes, len_bytes, err) != ERR_NONE)
		return (int)err->code;
	got = pread_full(file->fd, out, len_bytes, (off_t)offset_bytes);
	if (got < 0)
		return err_errno(err, "read back");
	/* A hole at the end is not there before the file has its size. */
	memset((char *)out + got, 0, len_bytes - (size_t)got);
	return ERR_NONE;
}

/* Gives a file without a name a temporary one. */
static bool name_temp(struct target_file *file)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
	for (unsigned i = 0; i < TEMP_TRIES_MAX; i++) {
		target_temp_name(file->temp);
		if (linkat(AT_FDCWD, path, file->folder->fd, file->temp, AT_SYMLINK_FOLLOW) == 0) {
			file->place = AT_TEMP;
			return true;
		}
		if (errno != EEXIST)
			break;
	}
	return false;
}

/* Some file systems tell of a write that failed only now. */
static int close_file(struct target_file *file, struct error *err)
{
	int fd = file->fd;

	file->fd = -1;
	return close(fd) == 0 || errno == EINTR ? ERR_NONE : err_errno(err, "close");
}

/* The whole file gets its last name: nothing can fail after that. */
static int publish(struct target_file *file, const char *name, struct error *err)
{
	struct target_folder *f = file->folder;

	if (file->place == AT_NOWHERE && !name_temp(file))
		return err_errno(err, "name");
	if (close_file(file, err) != ERR_NONE)
		return (int)err->code;
	if (file->place == AT_TEMP)
		return target_move_over(f, file->temp, name, err);
	if (strcmp(file->name, name) != 0 && renameat(f->fd, file->name, f->fd, name) != 0)
		return err_errno(err, "rename");
	return ERR_NONE;
}

/* done: it is in its place. Else nothing of it is left. */
static void end(struct target_file *file, bool done)
{
	struct target_folder *f = file->folder;

	if (file->fd >= 0)
		close(file->fd);
	if (!done && file->place == AT_NAME)
		unlinkat(f->fd, file->name, 0);
	else if (!done && file->place == AT_TEMP)
		unlinkat(f->fd, file->temp, 0);
	if (!done && file->node.links > 1)
		links_forget(f, &file->node);
	free(file);
	target_drop(f);
}

int target_commit(struct target_file *file, struct error *err)
{
	struct target_folder *f = file->folder;
	bool linked = file->node.links > 1;
	struct meta_loss loss = {0};
	struct stat st;
	int code = ERR_NONE;

	if (atomic_load(&file->given_bytes) != file->node.size_bytes) {
		code = err_set(err, ERR_CORRUPT, "the content is not whole");
		goto out;
	}
	if (atomic_load(&file->has_holes) &&
	    ftruncate(file->fd, (off_t)file->node.size_bytes) != 0) {
		code = err_errno(err, "set size");
		goto out;
	}
	meta_set(file->fd, false, &file->node, target_meta_flags(f), &loss);
	if (linked && fstat(file->fd, &st) != 0) {
		code = err_errno(err, "stat");
		goto out;
	}
	code = publish(file, file->name, err);
	if (code != ERR_NONE)
		goto out;
	target_add_loss(f, file->name, &loss);
	if (linked)
		links_done(f, file->name, &file->node, &st);
out:
	end(file, code == ERR_NONE);
	return code;
}

void target_abort(struct target_file *file)
{
	if (file)
		end(file, false);
}

int target_keep_partial(struct target_file *file, struct error *err)
{
	struct target_folder *f = file->folder;
	unsigned flags = target_meta_flags(f) | META_UNPRIVILEGED;
	char name[NAME_ROOM + sizeof(PARTIAL_SUFFIX)];
	struct meta_loss loss = {0};
	int code;

	snprintf(name, sizeof(name), "%s" PARTIAL_SUFFIX, file->name);
	if (strlen(name) > NAME_BYTES_MAX) {
		code = err_set(err, ERR_UNSUPPORTED, "the name of a partial file would be too long");
	} else if (ftruncate(file->fd, (off_t)file->node.size_bytes) != 0) {
		code = err_errno(err, "set size");
	} else {
		meta_set(file->fd, false, &file->node, flags, &loss);
		code = publish(file, name, err);
	}
	if (code == ERR_NONE)
		target_add_loss(f, name, &loss);
	/* Other names of the file are no links to a part of it. */
	if (file->node.links > 1)
		links_forget(f, &file->node);
	file->node.links = 1;
	end(file, code == ERR_NONE);
	return code;
}
