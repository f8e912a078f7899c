#include "archive/target.h"

#include "archive/beneath.h"
#include "archive/target_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define TEMP_TRIES_MAX 16

bool target_replaces(const struct target *t, const struct node *n, const struct stat *st)
{
	struct node there;

	switch (t->options.overwrite) {
	case TARGET_IF_CHANGED:
	case TARGET_ALWAYS:
		return true;
	case TARGET_IF_NEWER:
		/* A socket has a time as well; meta_from_stat() does not read it. */
		return !meta_from_stat(st, &there) || there.mtime_ns < n->mtime_ns;
	case TARGET_NEVER:
		return false;
	}
	return false;
}

static bool same_target(const struct target_folder *f, const char *name, const struct node *n)
{
	struct buf target = {0};
	struct error err;
	bool same = meta_read_link(f->fd, name, &target, &err) == ERR_NONE &&
		    target.len_bytes == n->target_bytes &&
		    memcmp(target.data, n->target, n->target_bytes) == 0;

	buf_release(&target);
	return same;
}

/* What is there needs no new content to be the node. */
static bool same_content(const struct target_folder *f, const char *name, const struct node *n,
			 const struct stat *st)
{
	struct node there;

	if (!meta_from_stat(st, &there) || there.type != n->type)
		return false;
	switch (n->type) {
	case NODE_FILE:
		return there.size_bytes == n->size_bytes && there.mtime_ns == n->mtime_ns;
	case NODE_FOLDER:
	case NODE_FIFO:
		return true;
	case NODE_SYMLINK:
		return same_target(f, name, n);
	case NODE_CHAR_DEVICE:
	case NODE_BLOCK_DEVICE:
		return there.rdev == n->rdev;
	}
	return false;
}

/*
 * Gives what is there the node's metadata. False: it has other names, which may lie outside the
 * target and must not be touched; or it was swapped for something else.
 */
static bool settle(struct target_folder *f, const char *name, const struct node *n,
		   const struct stat *st)
{
	unsigned flags = (target_meta_flags(f) & META_UNPRIVILEGED) | META_REPLACE;
	struct meta_loss loss = {0};
	struct stat now;
	bool settled;
	int fd;

	if (meta_equals_stat(n, st) && meta_equals_xattrs(f->fd, name, n))
		return true;
	fd = beneath_open(f->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	settled = fstat(fd, &now) == 0 && now.st_nlink == 1 && now.st_dev == st->st_dev &&
		  now.st_ino == st->st_ino;
	if (settled) {
		meta_set(fd, true, n, flags, &loss);
		target_add_loss(f, name, &loss);
	}
	close(fd);
	return settled;
}

/* A folder makes way if it is empty, or with all below it where others are to go. False: errno. */
static bool remove_folder(struct target_folder *f, const char *name)
{
	int why;

	if (unlinkat(f->fd, name, AT_REMOVEDIR) == 0)
		return true;
	why = errno;
	if (why == ENOTEMPTY && f->kept && target_remove_other(f, name))
		return true;
	errno = why;
	return false;
}

int target_look(struct target_folder *f, const char *name, const struct node *n, enum place *out,
		struct stat *st, struct error *err)
{
	struct stat own;

	if (!st)
		st = &own;
	if (fstatat(f->fd, name, st, AT_SYMLINK_NOFOLLOW) != 0) {
		*out = PLACE_FREE;
		return errno == ENOENT ? ERR_NONE : err_errno(err, "stat what is there");
	}
	if (n->type == NODE_FOLDER && S_ISDIR(st->st_mode)) {
		*out = PLACE_SAME;
		return ERR_NONE;
	}
	*out = PLACE_KEPT;
	if (!target_replaces(f->target, n, st))
		return ERR_NONE;
	*out = PLACE_TAKEN;
	if (S_ISDIR(st->st_mode)) {
		if (!remove_folder(f, name))
			return err_errno(err, "a folder is in its place");
		*out = PLACE_FREE;
	} else if (f->target->options.overwrite == TARGET_IF_CHANGED &&
		   same_content(f, name, n, st) && settle(f, name, n, st)) {
		*out = PLACE_SAME;
	}
	return ERR_NONE;
}

/* Makes the node under this name, which must be free. False with errno set. */
static bool make_at(const struct target_folder *f, const char *name, const struct node *n)
{
	char target[PATH_MAX];

	switch (n->type) {
	case NODE_SYMLINK:
		if (n->target_bytes == 0 || n->target_bytes >= sizeof(target) ||
		    memchr(n->target, 0, n->target_bytes)) {
			errno = EINVAL;
			return false;
		}
		memcpy(target, n->target, n->target_bytes);
		target[n->target_bytes] = '\0';
		return symlinkat(target, f->fd, name) == 0;
	case NODE_FIFO:
		return mknodat(f->fd, name, S_IFIFO | 0600, 0) == 0;
	case NODE_CHAR_DEVICE:
		return mknodat(f->fd, name, S_IFCHR | 0600, (dev_t)n->rdev) == 0;
	case NODE_BLOCK_DEVICE:
		return mknodat(f->fd, name, S_IFBLK | 0600, (dev_t)n->rdev) == 0;
	case NODE_FILE:
	case NODE_FOLDER:
		break;
	}
	errno = EINVAL;
	return false;
}

/* What was made under made_as gets the node's metadata, or is removed. */
static int dress(struct target_folder *f, const char *made_as, const char *name,
		 const struct node *n, struct error *err)
{
	int fd = beneath_open(f->fd, made_as, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	struct meta_loss loss = {0};
	struct node there;
	struct stat st;
	int code = ERR_NONE;

	if (fd < 0) {
		code = err_errno(err, "open what was made");
	} else if (fstat(fd, &st) != 0 || !meta_from_stat(&st, &there) || there.type != n->type ||
		   st.st_nlink != 1) {
		code = err_set(err, ERR_IO, "others replaced it while it was made");
	} else {
		meta_set(fd, true, n, target_meta_flags(f), &loss);
		target_add_loss(f, name, &loss);
		if (n->links > 1)
			links_done(f, name, n, &st);
	}
	if (fd >= 0)
		close(fd);
	if (code != ERR_NONE)
		unlinkat(f->fd, made_as, 0);
	return code;
}

static int make_over(struct target_folder *f, const char *name, const struct node *n,
		     struct error *err)
{
	char temp[NAME_ROOM];
	bool made = false;

	for (unsigned i = 0; i < TEMP_TRIES_MAX && !made; i++) {
		target_temp_name(temp);
		made = make_at(f, temp, n);
		if (!made && errno != EEXIST)
			break;
	}
	if (!made)
		return err_errno(err, "make");
	if (dress(f, temp, name, n, err) != ERR_NONE)
		return (int)err->code;
	return target_move_over(f, temp, name, err);
}

static bool is_device(const struct node *n)
{
	return n->type == NODE_CHAR_DEVICE || n->type == NODE_BLOCK_DEVICE;
}

/* Makes the node where nothing is, or over what is there if the policy says so. */
static int make_node(struct target_folder *f, const char *name, const struct node *n,
		     enum target_outcome *outcome, struct error *err)
{
	enum place place;
	struct stat st;

	*outcome = TARGET_MADE;
	if (make_at(f, name, n))
		return dress(f, name, name, n, err);
	if (errno != EEXIST)
		return err_errno(err, "make");
	if (target_look(f, name, n, &place, &st, err) != ERR_NONE)
		return (int)err->code;
	if (place == PLACE_FREE || place == PLACE_TAKEN)
		return make_over(f, name, n, err);
	*outcome = place == PLACE_SAME ? TARGET_SAME : TARGET_KEPT;
	if (place == PLACE_SAME && n->links > 1)
		links_done(f, name, n, &st);
	return ERR_NONE;
}

/* Makes it, or a link to what has another of its names already. */
static int make_or_link(struct target_folder *f, const char *name, const struct node *n,
			enum target_outcome *outcome, struct error *err)
{
	int code;

	if (n->links > 1) {
		code = links_claim(f, name, n, outcome, err);
		if (code != ERR_NONE || *outcome != TARGET_WRITE)
			return code;
	}
	code = make_node(f, name, n, outcome, err);
	if (n->links > 1 && (code != ERR_NONE || *outcome == TARGET_KEPT))
		links_forget(f, n);
	return code;
}

int target_make(struct target_folder *f, const void *name, size_t name_bytes, const struct node *n,
		enum target_outcome *outcome, struct error *err)
{
	struct meta_loss refused = {.refused = 1u << META_DEVICE};
	char text[NAME_ROOM];
	int code = ERR_DENIED;

	if (n->type == NODE_FILE || n->type == NODE_FOLDER)
		return err_set(err, ERR_CORRUPT, "the node is no special file");
	if (target_name(name, name_bytes, text, err) != ERR_NONE ||
	    target_check_open(f, err) != ERR_NONE)
		return (int)err->code;
	if (!is_device(n) || !f->target->options.unprivileged)
		code = make_or_link(f, text, n, outcome, err);
	/* Devices are for root, and not for every root. */
	if (is_device(n) && code == ERR_DENIED) {
		*outcome = TARGET_LEFT_OUT;
		target_add_loss(f, text, &refused);
		return ERR_NONE;
	}
	return code;
}
