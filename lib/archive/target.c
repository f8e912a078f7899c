#include "archive/target.h"

#include "archive/target_inner.h"
#include "base/file.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

int target_name(const void *name, size_t name_bytes, char out[NAME_ROOM], struct error *err)
{
	if (!name_ok(name, name_bytes))
		return err_set(err, ERR_CORRUPT, "the name is no single component of a path");
	memcpy(out, name, name_bytes);
	out[name_bytes] = '\0';
	return ERR_NONE;
}

int target_check_open(const struct target_folder *f, struct error *err)
{
	if (f->fd < 0)
		return err_set(err, ERR_IO, "its folder was moved away or replaced by others");
	return ERR_NONE;
}

/* Puts a component before what begins at *at; the last one of all gets no slash behind it. */
static void put_before(struct buf *out, size_t *at, const char *component)
{
	size_t len_bytes = strlen(component);

	if (*at < out->len_bytes)
		out->data[--*at] = '/';
	*at -= len_bytes;
	memcpy(out->data + *at, component, len_bytes);
}

void target_path(const struct target_folder *f, const char *name, struct buf *out)
{
	size_t path_bytes = name ? strlen(name) + 1 : 0, at;

	for (const struct target_folder *up = f; up->parent; up = up->parent)
		path_bytes += strlen(up->name) + 1;
	if (path_bytes == 0)
		return;
	buf_add_zeros(out, path_bytes - 1);
	if (out->failed)
		return;
	at = out->len_bytes;
	if (name)
		put_before(out, &at, name);
	for (const struct target_folder *up = f; up->parent; up = up->parent)
		put_before(out, &at, up->name);
}

static void tell(const struct target_folder *f, const char *name, enum note_level level,
		 const char *what)
{
	const struct target_options *o = &f->target->options;
	struct buf path = {0};

	if (!o->note)
		return;
	target_path(f, name, &path);
	o->note(o->ctx, level, path.data, path.failed ? 0 : path.len_bytes, what);
	buf_release(&path);
}

void target_note(const struct target_folder *f, const char *name, enum note_level level,
		 const char *what)
{
	pthread_mutex_lock(&f->target->lock);
	if (level == NOTE_ERROR)
		f->target->counts.errors++;
	tell(f, name, level, what);
	pthread_mutex_unlock(&f->target->lock);
}

void target_add_loss(const struct target_folder *f, const char *name, const struct meta_loss *loss)
{
	struct target *t = f->target;
	char what[160];

	if (loss->refused == 0 && loss->failed == 0)
		return;
	pthread_mutex_lock(&t->lock);
	for (unsigned kind = 0; kind < META_KINDS; kind++) {
		const char *text = meta_kind_text((enum meta_kind)kind);

		if (loss->failed & 1u << kind) {
			t->counts.failed[kind]++;
			snprintf(what, sizeof(what), "%s could not be set: %s", text,
				 strerror(loss->failed_errno));
			tell(f, name, NOTE_ERROR, what);
		} else if (loss->refused & 1u << kind) {
			t->counts.refused[kind]++;
			snprintf(what, sizeof(what), "%s may not be set here", text);
			tell(f, name, NOTE_DETAIL, what);
		}
	}
	pthread_mutex_unlock(&t->lock);
}

unsigned target_meta_flags(const struct target_folder *f)
{
	return (f->target->options.unprivileged ? META_UNPRIVILEGED : 0u) |
	       (f->default_acl ? META_INHERITED : 0u);
}

int target_open(const char *path, const struct target_options *o, struct target **out,
		struct error *err)
{
	struct target *t;
	struct stat st;
	int fd;

	if (folder_make(path, err) != ERR_NONE)
		return (int)err->code;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "open %s", path);
	t = calloc(1, sizeof(*t));
	if (!t) {
		close(fd);
		return err_nomem(err);
	}
	t->options = *o;
	pthread_mutex_init(&t->lock, NULL);
	t->links = links_new();
	t->root = target_folder_new(t, NULL, "", fd);
	if (!t->links || !t->root || fstat(fd, &st) < 0) {
		if (t->root)
			target_folder_free(t->root);
		t->root = NULL;
		target_close(t);
		return err_nomem(err);
	}
	t->root->device = st.st_dev;
	t->root->inode = st.st_ino;
	t->root->default_acl = fgetxattr(fd, "system.posix_acl_default", NULL, 0) > 0;
	*out = t;
	return ERR_NONE;
}

void target_close(struct target *t)
{
	if (!t)
		return;
	if (t->root)
		target_folder_free(t->root);
	links_free(t->links);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

int target_sync(struct target *t, struct error *err)
{
	return syncfs(t->root->fd) < 0 ? err_errno(err, "sync") : ERR_NONE;
}

void target_counts(struct target *t, struct target_counts *out)
{
	pthread_mutex_lock(&t->lock);
	*out = t->counts;
	pthread_mutex_unlock(&t->lock);
}

struct target_folder *target_root(struct target *t)
{
	return t->root;
}

void target_temp_name(char out[NAME_ROOM])
{
	uint64_t random;

	randombytes_buf(&random, sizeof(random));
	snprintf(out, NAME_ROOM, ".mrmr-%016llx.tmp", (unsigned long long)random);
}

int target_move_over(struct target_folder *f, const char *temp, const char *name, struct error *err)
{
	if (renameat(f->fd, temp, f->fd, name) == 0)
		return ERR_NONE;
	err_errno(err, "rename");
	unlinkat(f->fd, temp, 0);
	return (int)err->code;
}
