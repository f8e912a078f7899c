#include "archive/target.h"

#include "archive/beneath.h"
#include "archive/target_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Folders kept open above the one the driver is in; those further up are opened again by "..". */
#define OPEN_FOLDERS_MAX 128

void target_folder_free(struct target_folder *f)
{
	if (f->fd >= 0)
		close(f->fd);
	listing_release(&f->others);
	free(f->kept);
	free((void *)f->node.xattrs);
	free(f->name);
	free(f);
}

struct target_folder *target_folder_new(struct target *t, struct target_folder *parent,
					const char *name, int fd)
{
	struct target_folder *f = calloc(1, sizeof(*f));

	if (!f) {
		close(fd);
		return NULL;
	}
	f->target = t;
	f->fd = fd;
	f->name = strdup(name);
	atomic_init(&f->users, 1);
	atomic_init(&f->busy, 0);
	if (!f->name) {
		target_folder_free(f);
		return NULL;
	}
	if (parent) {
		f->parent = parent;
		f->depth = parent->depth + 1;
		atomic_fetch_add(&parent->users, 1);
	}
	return f;
}

/* A far folder that nobody works in gives its descriptor up while the driver is down here. */
static void close_far_folder(struct target_folder *f)
{
	struct target_folder *far = f;

	for (unsigned i = 0; i < OPEN_FOLDERS_MAX && far; i++)
		far = far->parent;
	/* The root keeps its own: all others are found again from it. */
	if (!far || !far->parent || far->fd < 0 || atomic_load(&far->busy) > 0)
		return;
	close(far->fd);
	far->fd = -1;
}

/* The driver comes back to f from its subfolder below, which is still open. */
static void reopen(struct target_folder *f, const struct target_folder *below)
{
	struct buf path = {0};

	if (below->fd >= 0)
		f->fd = beneath_reopen_parent(below->fd, f->device, f->inode);
	if (f->fd >= 0)
		return;
	/* The one below was moved away: f may still be where it was. */
	target_path(f, NULL, &path);
	buf_add_u8(&path, 0);
	if (!path.failed)
		f->fd = beneath_open(f->target->root->fd, (const char *)path.data, FOLDER_FLAGS, 0);
	if (f->fd >= 0 && !beneath_is(f->fd, f->device, f->inode)) {
		close(f->fd);
		f->fd = -1;
	}
	buf_release(&path);
}

/*
 * Opens an existing folder that its owner, the caller, shut to himself (root is never shut out):
 * widens its mode to open it.
 */
static int open_up(int parent_fd, const char *name)
{
	char path[32];
	int way = beneath_open(parent_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	int fd = -1;

	if (way < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", way);
	if (chmod(path, 0700) == 0)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(way);
	return fd;
}

/* A folder that exists: may it be written in, what does it bequeath, is its metadata to be set? */
static bool adopt(struct target_folder *f, const struct stat *st)
{
	const struct target_options *o = &f->target->options;
	mode_t mode = st->st_mode & 07777;

	f->existed = true;
	f->was_mode = mode;
	f->sets_node = o->overwrite == TARGET_IF_CHANGED || o->overwrite == TARGET_ALWAYS ||
		       target_replaces(f->target, &f->node, st);
	f->default_acl = fgetxattr(f->fd, "system.posix_acl_default", NULL, 0) > 0;
	if ((mode & 0700) != 0700 && st->st_uid == geteuid() && geteuid() != 0) {
		if (fchmod(f->fd, mode | 0700) != 0)
			return false;
		f->opened_up = true;
	}
	return true;
}

/* A folder just made: what it inherited from a default ACL is not the node's. */
static bool disinherit(const struct target_folder *f)
{
	return (fremovexattr(f->fd, "system.posix_acl_default") == 0 || errno == ENODATA) &&
	       (fremovexattr(f->fd, "system.posix_acl_access") == 0 || errno == ENODATA) &&
	       fchmod(f->fd, 0700) == 0;
}

/* Makes the folder, or finds it there. *existed tells; then st is what lstat said. */
static int make(struct target_folder *parent, const char *name, const struct node *n, bool *existed,
		struct stat *st, struct error *err)
{
	enum place place;

	*existed = false;
	if (mkdirat(parent->fd, name, 0700) == 0)
		return ERR_NONE;
	if (errno != EEXIST)
		return err_errno(err, "make folder");
	if (target_look(parent, name, n, &place, st, err) != ERR_NONE)
		return (int)err->code;
	if (place == PLACE_SAME) {
		*existed = true;
		return ERR_NONE;
	}
	if (place == PLACE_KEPT)
		return err_set(err, ERR_EXISTS, "something is there that is no folder");
	if (place == PLACE_TAKEN && unlinkat(parent->fd, name, 0) != 0)
		return err_errno(err, "remove what is no folder");
	return mkdirat(parent->fd, name, 0700) == 0 ? ERR_NONE : err_errno(err, "make folder");
}

static bool copy_node(struct node *to, const struct node *from)
{
	uint8_t *xattrs = NULL;

	*to = *from;
	to->target = to->content = NULL;
	to->target_bytes = to->content_bytes = 0;
	if (from->xattrs_bytes > 0) {
		xattrs = malloc(from->xattrs_bytes);
		if (xattrs)
			memcpy(xattrs, from->xattrs, from->xattrs_bytes);
	}
	to->xattrs = xattrs;
	return from->xattrs_bytes == 0 || xattrs;
}

/* Opens a folder that was made, or existed as st says. */
static int open_it(struct target_folder *parent, const char *name, const struct stat *existing)
{
	int fd = beneath_open(parent->fd, name, FOLDER_FLAGS, 0);

	if (fd < 0 && errno == EACCES && existing && existing->st_uid == geteuid())
		fd = open_up(parent->fd, name);
	return fd;
}

static bool prepare(struct target_folder *f, const struct node *n, const struct stat *existing)
{
	struct stat st;

	f->sets_node = true;
	if (!copy_node(&f->node, n)) {
		errno = ENOMEM;
		return false;
	}
	if (fstat(f->fd, &st) != 0)
		return false;
	f->device = st.st_dev;
	f->inode = st.st_ino;
	if (existing)
		return adopt(f, existing);
	return !f->parent->default_acl || disinherit(f);
}

int target_enter(struct target_folder *parent, const void *name, size_t name_bytes,
		 const struct node *n, struct target_folder **out, struct error *err)
{
	char text[NAME_ROOM];
	struct target_folder *f;
	struct stat st;
	bool existed;
	int fd;

	*out = NULL;
	if (n->type != NODE_FOLDER)
		return err_set(err, ERR_CORRUPT, "the node is no folder");
	if (target_name(name, name_bytes, text, err) != ERR_NONE ||
	    target_check_open(parent, err) != ERR_NONE ||
	    make(parent, text, n, &existed, &st, err) != ERR_NONE)
		return (int)err->code;
	fd = open_it(parent, text, existed ? &st : NULL);
	if (fd < 0)
		return err_errno(err, "open folder");
	f = target_folder_new(parent->target, parent, text, fd);
	if (!f)
		return err_nomem(err);
	if (!prepare(f, n, existed ? &st : NULL)) {
		err_errno(err, "prepare folder");
		atomic_fetch_sub(&parent->users, 1);
		target_folder_free(f);
		return (int)err->code;
	}
	close_far_folder(f);
	*out = f;
	return ERR_NONE;
}

int target_delete_others(struct target_folder *f, struct error *err)
{
	if (target_check_open(f, err) != ERR_NONE ||
	    listing_read(&f->others, f->fd, err) != ERR_NONE)
		return (int)err->code;
	f->kept = calloc(f->others.count + 1, sizeof(*f->kept));
	return f->kept ? ERR_NONE : err_nomem(err);
}

void target_keep(struct target_folder *f, const void *name, size_t name_bytes)
{
	const struct listed *e = f->kept ? listing_find(&f->others, name, name_bytes) : NULL;

	if (e)
		f->kept[e - f->others.entries] = true;
}

/* Something of f that is being removed, for the filter. */
struct removing {
	const struct target_folder *f;
	struct buf path; /* of f, with a slash behind it */
};

static bool may_remove(void *ctx, const uint8_t *path, size_t path_bytes, bool is_folder)
{
	struct removing *r = ctx;
	struct target *t = r->f->target;
	size_t folder_bytes = r->path.len_bytes;
	bool may;

	buf_add(&r->path, path, path_bytes);
	pthread_mutex_lock(&t->lock);
	may = !r->path.failed &&
	      t->options.may_delete(t->options.ctx, r->path.data, r->path.len_bytes, is_folder);
	pthread_mutex_unlock(&t->lock);
	r->path.len_bytes = folder_bytes;
	return may;
}

bool target_remove_other(struct target_folder *f, const char *name)
{
	struct removing r = {.f = f};
	struct beneath_filter filter = {may_remove, &r};
	struct error err;
	bool left, filtered = f->target->options.may_delete;
	int code;

	target_path(f, NULL, &r.path);
	if (r.path.len_bytes > 0)
		buf_add_u8(&r.path, '/');
	code = beneath_remove(f->fd, name, filtered ? &filter : NULL, &left, &err);
	buf_release(&r.path);
	if (code != ERR_NONE) {
		target_note(f, name, NOTE_ERROR, err.message);
		return false;
	}
	if (left)
		return false;
	target_note(f, name, NOTE_DETAIL, "deleted: not in the snapshot");
	pthread_mutex_lock(&f->target->lock);
	f->target->counts.deleted++;
	pthread_mutex_unlock(&f->target->lock);
	return true;
}

static void delete_others(struct target_folder *f)
{
	for (size_t i = 0; i < f->others.count; i++) {
		if (!f->kept[i])
			target_remove_other(f, (const char *)f->others.entries[i].name);
	}
}

/* Nobody works in f any more, and all below it is finished. */
static void finish(struct target_folder *f)
{
	struct meta_loss loss = {0};
	unsigned flags = target_meta_flags(f) & META_UNPRIVILEGED;

	if (f->fd < 0) {
		target_note(f, NULL, NOTE_ERROR,
			    "moved away or replaced by others: its metadata is not set");
		return;
	}
	if (f->kept && f->complete)
		delete_others(f);
	if (f->sets_node) {
		meta_set(f->fd, false, &f->node, flags | (f->existed ? META_REPLACE : 0u), &loss);
		target_add_loss(f, NULL, &loss);
	} else if (f->opened_up && fchmod(f->fd, f->was_mode) != 0) {
		target_note(f, NULL, NOTE_ERROR, "its old mode could not be put back");
	}
}

/* One user less; of the last one the folder is finished, and then it is one user of its parent. */
static void put_down(struct target_folder *f)
{
	while (f && atomic_fetch_sub(&f->users, 1) == 1) {
		struct target_folder *parent = f->parent;

		finish(f);
		if (parent)
			target_folder_free(f);
		f = parent;
	}
}

void target_leave(struct target_folder *f, bool complete)
{
	f->complete = complete;
	if (f->parent && f->parent->fd < 0)
		reopen(f->parent, f);
	put_down(f);
}

void target_hold(struct target_folder *f)
{
	atomic_fetch_add(&f->busy, 1);
	atomic_fetch_add(&f->users, 1);
}

void target_drop(struct target_folder *f)
{
	atomic_fetch_sub(&f->busy, 1);
	put_down(f);
}
