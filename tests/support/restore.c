#include "tests/support/restore.h"

#include "tests/support/temp.h"
#include "tests/support/tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void need(bool done, const char *what)
{
	if (done)
		return;
	perror(what);
	abort();
}

static void take_note(void *ctx, enum note_level level, const uint8_t *path, size_t path_bytes,
		      const char *what)
{
	static const char *const levels[] = {"detail", "info", "error"};
	struct restore *r = ctx;

	buf_add(&r->notes, levels[level], strlen(levels[level]));
	buf_add(&r->notes, " ", 1);
	buf_add(&r->notes, path, path_bytes);
	buf_add(&r->notes, ": ", 2);
	buf_add(&r->notes, what, strlen(what));
	buf_add(&r->notes, "\n", 1);
}

static int set_up(void **state, bool in_memory)
{
	struct restore *r = calloc(1, sizeof(*r));

	need(r != NULL, "calloc");
	r->path = in_memory ? temp_folder_in_memory() : temp_folder();
	r->fd = open(r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	need(r->fd >= 0 && fchmod(r->fd, 0777) == 0, r->path);
	tree_folder(r->fd, "in");
	tree_folder(r->fd, "out");
	r->in_fd = openat(r->fd, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r->out_fd = openat(r->fd, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	need(r->in_fd >= 0 && r->out_fd >= 0 && fchmod(r->in_fd, 0777) == 0, r->path);
	r->options.note = take_note;
	r->options.ctx = r;
	*state = r;
	return 0;
}

int restore_set_up(void **state)
{
	return set_up(state, false);
}

int restore_set_up_in_memory(void **state)
{
	return set_up(state, true);
}

int restore_tear_down(void **state)
{
	struct restore *r = *state;

	close(r->in_fd);
	close(r->out_fd);
	close(r->fd);
	tree_remove(r->path);
	buf_release(&r->notes);
	free(r);
	return 0;
}

void restore_open(struct restore *r)
{
	buf_clear(&r->notes);
	need(target_open(temp_path(r->path, "in"), &r->options, &r->target, &r->err) == ERR_NONE,
	     r->err.message);
	r->root = target_root(r->target);
}

void restore_close(struct restore *r, bool complete)
{
	target_leave(r->root, complete);
	target_counts(r->target, &r->counts);
	target_close(r->target);
	r->target = NULL;
}

const char *restore_notes(struct restore *r)
{
	buf_add_u8(&r->notes, 0);
	need(!r->notes.failed, "notes");
	r->notes.len_bytes--;
	return (const char *)r->notes.data;
}

static struct node node_of(enum node_type type, uint32_t mode)
{
	static uint64_t inode = 1;

	return (struct node){
		.type = type,
		.mode = mode,
		.uid = geteuid(),
		.gid = getegid(),
		.mtime_ns = NODE_TIME_NS,
		.ctime_ns = NODE_TIME_NS,
		.inode = inode++,
		.device = 1,
		.links = 1,
	};
}

struct node node_file(const char *text, uint32_t mode)
{
	struct node n = node_of(NODE_FILE, mode);

	n.size_bytes = strlen(text);
	return n;
}

struct node node_folder(uint32_t mode)
{
	return node_of(NODE_FOLDER, mode);
}

struct node node_link(const char *target)
{
	struct node n = node_of(NODE_SYMLINK, 0777);

	n.target = (const uint8_t *)target;
	n.target_bytes = strlen(target);
	return n;
}

struct node node_special(enum node_type type, uint64_t rdev)
{
	struct node n = node_of(type, 0640);

	n.rdev = rdev;
	return n;
}

int restore_file(struct restore *r, struct target_folder *f, const char *name, const struct node *n,
		 const char *text, enum target_outcome *outcome)
{
	enum target_outcome own;
	struct target_file *file;

	outcome = outcome ? outcome : &own;
	if (target_begin(f, name, strlen(name), n, &file, outcome, &r->err) != ERR_NONE)
		return (int)r->err.code;
	if (*outcome != TARGET_WRITE)
		return ERR_NONE;
	if (target_write(file, 0, text, strlen(text), &r->err) != ERR_NONE) {
		target_abort(file);
		return (int)r->err.code;
	}
	return target_commit(file, &r->err);
}

int restore_special(struct restore *r, struct target_folder *f, const char *name,
		    const struct node *n, enum target_outcome *outcome)
{
	enum target_outcome own;

	return target_make(f, name, strlen(name), n, outcome ? outcome : &own, &r->err);
}

int restore_enter(struct restore *r, struct target_folder *f, const char *name,
		  const struct node *n, struct target_folder **out)
{
	return target_enter(f, name, strlen(name), n, out, &r->err);
}
