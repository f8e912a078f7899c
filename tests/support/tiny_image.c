/* Copies of everything a tiny array consists of, and damage done to it. */
#include "tests/support/tiny.h"

#include "base/file.h"
#include "tests/support/temp.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OBJECT_MAX ((size_t)16 << 20)

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "tiny array: %s\n", what);
	abort();
}

/* ---- drives ---- */

static int collect(void *ctx, const char *name, uint64_t len_bytes)
{
	struct tiny_place *p = ctx;
	struct tiny_object *o;

	must(len_bytes <= OBJECT_MAX &&
	     grow(&p->objects, &p->cap, p->count + 1, sizeof(*p->objects)), "memory");
	o = &p->objects[p->count++];
	memset(o, 0, sizeof(*o));
	o->name = strdup(name);
	must(o->name && buf_reserve(&o->bytes, (size_t)len_bytes + 1), "memory");
	o->bytes.len_bytes = (size_t)len_bytes;
	return 0;
}

static int by_name(const void *x, const void *y)
{
	const struct tiny_object *a = x, *b = y;

	return strcmp(a->name, b->name);
}

void tiny_place_load(struct drive *d, struct tiny_place *out)
{
	struct error err;

	memset(out, 0, sizeof(*out));
	must(d->driver->list(d, "", collect, out, &err) == ERR_NONE, "list a drive");
	if (out->count > 0)
		qsort(out->objects, out->count, sizeof(*out->objects), by_name);
	for (size_t i = 0; i < out->count; i++) {
		struct tiny_object *o = &out->objects[i];

		must(d->driver->get(d, o->name, 0, o->bytes.data, o->bytes.len_bytes, &err) ==
		     ERR_NONE, "read a drive");
	}
}

void tiny_place_release(struct tiny_place *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->objects[i].name);
		buf_release(&p->objects[i].bytes);
	}
	free(p->objects);
	memset(p, 0, sizeof(*p));
}

const struct tiny_object *tiny_place_find(const struct tiny_place *p, const char *name)
{
	struct tiny_object wanted = { .name = (char *)(uintptr_t)name };

	return p->count ? bsearch(&wanted, p->objects, p->count, sizeof(*p->objects), by_name)
			: NULL;
}

void tiny_overwrite(struct drive *d, const char *name, const void *bytes, size_t len_bytes)
{
	struct error err;

	must(d->driver->remove(d, name, &err) == ERR_NONE, "remove");
	must(!bytes || d->driver->put(d, name, bytes, len_bytes, &err) == ERR_NONE, "put");
	must(d->driver->sync(d, &err) == ERR_NONE, "sync");
}

void tiny_place_restore(struct drive *d, const struct tiny_place *p)
{
	struct tiny_place now;

	tiny_place_load(d, &now);
	for (size_t i = 0; i < now.count; i++) {
		if (!tiny_place_find(p, now.objects[i].name))
			tiny_overwrite(d, now.objects[i].name, NULL, 0);
	}
	for (size_t i = 0; i < p->count; i++) {
		const struct tiny_object *want = &p->objects[i];
		const struct tiny_object *is = tiny_place_find(&now, want->name);

		if (!is || is->bytes.len_bytes != want->bytes.len_bytes ||
		    memcmp(is->bytes.data, want->bytes.data, want->bytes.len_bytes) != 0)
			tiny_overwrite(d, want->name, want->bytes.data, want->bytes.len_bytes);
	}
	tiny_place_release(&now);
}

/* ---- folders ---- */

static void copy_file(const char *from, const char *to, mode_t mode)
{
	struct buf bytes = { 0 };
	struct error err = { .code = ERR_NONE };
	FILE *f;

	/* Temporary files come and go while another thread works. */
	if (file_load(from, OBJECT_MAX, &bytes, &err) == ERR_NOT_FOUND)
		return;
	must(err.code == ERR_NONE || bytes.len_bytes > 0, from);
	f = fopen(to, "wb");
	must(f && fwrite(bytes.data, 1, bytes.len_bytes, f) == bytes.len_bytes && fclose(f) == 0,
	     to);
	must(chmod(to, mode) == 0, to);
	buf_release(&bytes);
}

static void clear_folder(const char *path, unsigned depth)
{
	DIR *dir = opendir(path);

	for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
		char inner[1024];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(inner, sizeof(inner), "%.700s/%s", path, e->d_name);
		if (unlink(inner) != 0) {
			clear_folder(inner, depth + 1);
			must(rmdir(inner) == 0, inner);
		}
	}
	if (dir)
		closedir(dir);
}

static void copy_into(const char *from, const char *to, const char *except)
{
	DIR *dir = opendir(from);

	must(dir != NULL, from);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		char a[1024], b[1024];
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    (except && strncmp(e->d_name, except, strlen(except)) == 0))
			continue;
		snprintf(a, sizeof(a), "%.700s/%s", from, e->d_name);
		snprintf(b, sizeof(b), "%.700s/%s", to, e->d_name);
		if (lstat(a, &st) != 0)
			continue;
		if (S_ISDIR(st.st_mode)) {
			must(mkdir(b, 0700) == 0, b);
			copy_into(a, b, except);
		} else if (S_ISREG(st.st_mode)) {
			copy_file(a, b, st.st_mode & 07777);
		}
	}
	closedir(dir);
}

void tiny_copy_folder(const char *from, const char *to, const char *except)
{
	struct error err;

	must(folder_make(to, &err) == ERR_NONE, to);
	clear_folder(to, 0);
	copy_into(from, to, except);
}

/* ---- images ---- */

void tiny_image_take(struct tiny *t, struct tiny_image *image)
{
	static unsigned number;
	char path[300];
	struct error err;

	memset(image, 0, sizeof(*image));
	for (unsigned i = 0; i < TINY_DRIVES_MAX; i++) {
		struct drive *d = tiny_drive(t, i);

		tiny_place_load(d, &image->drives[i]);
		d->driver->close(d);
	}
	snprintf(image->folder, sizeof(image->folder), "%.200s/image-%u", t->folder, number++);
	snprintf(path, sizeof(path), "%s/state", image->folder);
	tiny_copy_folder(t->state_path, path, NULL);
	snprintf(path, sizeof(path), "%s/config", image->folder);
	must(folder_make(image->folder, &err) == ERR_NONE, image->folder);
	copy_file(t->config_path, path, 0600);
	for (unsigned i = 0; i < TINY_FILES; i++)
		buf_add(&image->files[i], t->files[i].data, t->files[i].len_bytes);
	image->snapshots = t->snapshots;
}

static void restore_file(struct tiny *t, unsigned i, const struct buf *want)
{
	char path[300];
	struct error err;

	if (t->files[i].len_bytes == want->len_bytes &&
	    (want->len_bytes == 0 ||
	     memcmp(t->files[i].data, want->data, want->len_bytes) == 0))
		return;
	buf_clear(&t->files[i]);
	buf_add(&t->files[i], want->data, want->len_bytes);
	snprintf(path, sizeof(path), "%s/f%u", t->source, i);
	if (want->len_bytes == 0)
		unlink(path);
	else
		must(file_store(path, want->data, want->len_bytes, &err) == ERR_NONE, path);
}

void tiny_image_restore(struct tiny *t, const struct tiny_image *image)
{
	char path[300];

	for (unsigned i = 0; i < TINY_DRIVES_MAX; i++) {
		struct drive *d = tiny_drive(t, i);

		tiny_place_restore(d, &image->drives[i]);
		d->driver->close(d);
	}
	snprintf(path, sizeof(path), "%s/state", image->folder);
	tiny_copy_folder(path, t->state_path, NULL);
	snprintf(path, sizeof(path), "%s/config", image->folder);
	copy_file(path, t->config_path, 0600);
	for (unsigned i = 0; i < TINY_FILES; i++)
		restore_file(t, i, &image->files[i]);
	t->snapshots = image->snapshots;
}

void tiny_image_release(struct tiny_image *image)
{
	for (unsigned i = 0; i < TINY_DRIVES_MAX; i++)
		tiny_place_release(&image->drives[i]);
	for (unsigned i = 0; i < TINY_FILES; i++)
		buf_release(&image->files[i]);
}
