#include "table/outbox.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void outbox_list_release(struct outbox_list *l)
{
	free(l->entries);
	memset(l, 0, sizeof(*l));
}

static const char *file_of(const char *name)
{
	return strrchr(name, '/') + 1;
}

static int by_seq(const void *a, const void *b)
{
	const struct outbox_entry *x = a, *y = b;

	if (x->parts.first != y->parts.first)
		return x->parts.first < y->parts.first ? -1 : 1;
	if (x->parts.last != y->parts.last)
		return x->parts.last < y->parts.last ? -1 : 1;
	return strcmp(x->name, y->name);
}

static bool list_add(struct outbox_list *l, const char *writer_hex, const char *file)
{
	struct outbox_entry e;
	int len = snprintf(e.name, sizeof(e.name), "journal/%s/%s", writer_hex, file);

	if (len >= (int)sizeof(e.name) || !segment_name_parse(e.name, &e.parts))
		return true;
	if (!grow(&l->entries, &l->cap, l->count + 1, sizeof(*l->entries)))
		return false;
	l->entries[l->count++] = e;
	return true;
}

int outbox_list(const char *folder, const struct hash *writer, struct outbox_list *out,
		struct error *err)
{
	char writer_hex[HASH_HEX_BYTES];
	struct dirent *d;
	int code = ERR_NONE;
	DIR *dir;

	memset(out, 0, sizeof(*out));
	hex_encode(writer->b, HASH_BYTES, writer_hex);
	dir = opendir(folder);
	if (!dir)
		return err_errno(err, "open folder %s", folder);
	while (errno = 0, (d = readdir(dir)) != NULL) {
		if (!list_add(out, writer_hex, d->d_name)) {
			code = err_nomem(err);
			goto out;
		}
	}
	if (errno != 0)
		code = err_errno(err, "read folder %s", folder);
out:
	closedir(dir);
	if (code != ERR_NONE)
		outbox_list_release(out);
	else if (out->count > 1)
		qsort(out->entries, out->count, sizeof(*out->entries), by_seq);
	return code;
}

int outbox_load(const char *folder, const struct outbox_entry *e, struct buf *out,
		struct error *err)
{
	char *path = path_join(folder, file_of(e->name));
	size_t before = out->len_bytes;
	struct hash found;
	int code;

	if (!path)
		return err_nomem(err);
	code = file_load(path, SEGMENT_STORED_MAX, out, err);
	if (code == ERR_NONE) {
		found = sha256(out->data + before, out->len_bytes - before);
		if (!hash_equal(&found, &e->parts.sha256))
			code = err_set(err, ERR_CORRUPT, "%s is damaged", path);
	}
	free(path);
	return code;
}

int outbox_store(const char *folder, const char *name, const struct buf *bytes, struct error *err)
{
	char *path = path_join(folder, file_of(name));
	int code;

	if (!path)
		return err_nomem(err);
	code = file_store(path, bytes->data, bytes->len_bytes, err);
	free(path);
	return code;
}

int outbox_remove(const char *folder, const char *name, struct error *err)
{
	char *path = path_join(folder, file_of(name));
	int code = ERR_NONE;

	if (!path)
		return err_nomem(err);
	/* Not synced: a segment that comes back after a power cut is sent once more, and found
	 * to be there already. */
	if (unlink(path) < 0 && errno != ENOENT)
		code = err_errno(err, "remove %s", path);
	free(path);
	return code;
}

int outbox_move(const char *folder, const char *to, struct error *err)
{
	DIR *from_dir = opendir(folder), *to_dir = NULL;
	struct dirent *d;
	int code = ERR_NONE;

	if (!from_dir)
		return errno == ENOENT ? ERR_NONE : err_errno(err, "open folder %s", folder);
	while (code == ERR_NONE && (errno = 0, d = readdir(from_dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (!to_dir) {
			code = folder_make(to, err);
			if (code == ERR_NONE && !(to_dir = opendir(to)))
				code = err_errno(err, "open folder %s", to);
		}
		if (code == ERR_NONE && to_dir &&
		    renameat(dirfd(from_dir), d->d_name, dirfd(to_dir), d->d_name) < 0)
			code = err_errno(err, "move %s/%s to %s", folder, d->d_name, to);
	}
	if (code == ERR_NONE && errno != 0)
		code = err_errno(err, "read folder %s", folder);
	/* Durable before a new identity is: its outbox must not show the old one's segments. */
	if (code == ERR_NONE && to_dir && (fsync(dirfd(to_dir)) < 0 || fsync(dirfd(from_dir)) < 0))
		code = err_errno(err, "sync folder %s", to);
	if (to_dir)
		closedir(to_dir);
	closedir(from_dir);
	return code;
}
