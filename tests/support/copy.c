#include "tests/support/copy.h"

#include "archive/source.h"
#include "archive/walk.h"
#include "base/pool.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES 65536

static void need(bool done, const char *what)
{
	if (done)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* Folders of the target that the driver is in, with the length of the path that each stands for. */
struct level {
	struct target_folder *folder;
	size_t path_bytes;
};

struct copy {
	size_t root_bytes;
	struct target *target;
	struct level *levels;
	size_t depth, cap;
	struct pool *pool;
	atomic_ulong errors;
};

struct job {
	struct copy *copy;
	struct source source;
	struct target_file *file;
};

static void write_file(void *arg)
{
	struct job *job = arg;
	struct source_piece piece;
	struct error err = {.code = ERR_NONE};
	uint8_t buf[BUFFER_BYTES];

	for (;;) {
		uint64_t at = job->source.at_bytes;

		if (source_read(&job->source, buf, sizeof(buf), &piece, &err) != ERR_NONE ||
		    piece.bytes == 0)
			break;
		if (piece.hole)
			target_hole(job->file, at, piece.bytes, &err);
		else
			target_write(job->file, at, buf, piece.bytes, &err);
	}
	if (target_commit(job->file, &err) != ERR_NONE)
		atomic_fetch_add(&job->copy->errors, 1);
	source_close(&job->source);
	free(job);
}

static void copy_file(struct copy *c, struct target_folder *to, int from_fd,
		      const struct walk_entry *e, const struct node *n)
{
	struct job *job = calloc(1, sizeof(*job));
	enum target_outcome outcome;
	struct error err;

	need(job != NULL, "calloc");
	job->copy = c;
	do {
		if (target_begin(to, e->name, e->name_bytes, n, &job->file, &outcome, &err) !=
		    ERR_NONE) {
			atomic_fetch_add(&c->errors, 1);
			break;
		}
		if (outcome == TARGET_WAIT && c->pool)
			pool_wait(c->pool);
	} while (outcome == TARGET_WAIT);
	if (!job->file) {
		free(job);
		return;
	}
	if (source_open(&job->source, from_fd, (const char *)e->name, &err) == ERR_NONE) {
		if (c->pool)
			pool_add(c->pool, write_file, job);
		else
			write_file(job);
		return;
	}
	atomic_fetch_add(&c->errors, 1);
	target_abort(job->file);
	free(job);
}

static void copy_entry(struct copy *c, struct target_folder *to, int from_fd, struct walk_entry *e)
{
	struct buf xattrs = {0}, link = {0};
	enum target_outcome outcome;
	struct error err;

	meta_read_xattrs(from_fd, (const char *)e->name, &xattrs, &err);
	e->node.xattrs = xattrs.data;
	e->node.xattrs_bytes = xattrs.len_bytes;
	if (e->node.type == NODE_SYMLINK)
		meta_read_link(from_fd, (const char *)e->name, &link, &err);
	e->node.target = link.data;
	e->node.target_bytes = link.len_bytes;
	target_keep(to, e->name, e->name_bytes);
	if (e->node.type == NODE_FILE)
		copy_file(c, to, from_fd, e, &e->node);
	else if (e->node.type != NODE_FOLDER &&
		 target_make(to, e->name, e->name_bytes, &e->node, &outcome, &err) != ERR_NONE)
		atomic_fetch_add(&c->errors, 1);
	buf_release(&xattrs);
	buf_release(&link);
}

/* Leaves folders until the parent of this one is at hand, and enters it. */
static struct target_folder *enter(struct copy *c, const struct walk_folder *f)
{
	size_t name_at = f->path_bytes;
	struct buf xattrs = {0};
	struct target_folder *folder;
	struct node n;
	struct stat st;
	struct error err;

	if (f->path_bytes == c->root_bytes) {
		folder = target_root(c->target);
	} else {
		while (f->path[name_at - 1] != '/')
			name_at--;
		while (c->levels[c->depth - 1].path_bytes > name_at - 1)
			target_leave(c->levels[--c->depth].folder, true);
		need(fstat(f->fd, &st) == 0 && meta_from_stat(&st, &n), "stat of a folder");
		meta_read_xattrs_fd(f->fd, &xattrs, &err);
		n.xattrs = xattrs.data;
		n.xattrs_bytes = xattrs.len_bytes;
		need(target_enter(c->levels[c->depth - 1].folder, f->path + name_at,
				  f->path_bytes - name_at, &n, &folder, &err) == ERR_NONE,
		     err.message);
		buf_release(&xattrs);
	}
	need(grow(&c->levels, &c->cap, c->depth + 1, sizeof(*c->levels)), "grow");
	c->levels[c->depth++] = (struct level){folder, f->path_bytes};
	return folder;
}

static void leave_all(struct copy *c)
{
	while (c->depth > 0)
		target_leave(c->levels[--c->depth].folder, true);
	free(c->levels);
}

void copy_tree(const char *from, const char *to, unsigned threads, struct copy_result *result)
{
	struct walk_options walk_options = {0};
	struct target_options options = {0};
	struct copy c = {0};
	struct walk_folder folder;
	struct walk_entry entry;
	struct roots roots;
	struct walk *walk = NULL;
	struct error err;

	*result = (struct copy_result){0};
	if (threads > 0)
		c.pool = pool_new(threads, &err);
	need((c.pool || threads == 0) && roots_make(&from, 1, &roots, &err) == ERR_NONE &&
		     walk_open(&walk_options, &roots, &walk, &err) == ERR_NONE &&
		     target_open(to, &options, &c.target, &err) == ERR_NONE,
	     err.message);
	c.root_bytes = strlen(roots.paths[0]);
	while (walk_next_folder(walk, &folder, &err)) {
		struct target_folder *at;

		if (folder.bare)
			continue;
		at = enter(&c, &folder);
		while (walk_next_entry(walk, &entry, &err)) {
			result->entries++;
			copy_entry(&c, at, folder.fd, &entry);
		}
	}
	need(err.code == ERR_NONE, err.message);
	if (c.pool)
		pool_wait(c.pool);
	leave_all(&c);
	target_counts(c.target, &result->counts);
	result->errors = atomic_load(&c.errors);
	target_close(c.target);
	pool_free(c.pool);
	walk_close(walk);
	roots_release(&roots);
}

static bool differ(const struct walk_folder *f, const char *name, const char *what)
{
	fprintf(stderr, "%.*s/%s: %s differs\n", (int)f->path_bytes, f->path, name, what);
	return false;
}

static bool contents_equal(int a_fd, int b_fd, const char *name)
{
	struct source a, b;
	struct error err;
	bool equal;

	if (source_open(&a, a_fd, name, &err) != ERR_NONE)
		return false;
	if (source_open(&b, b_fd, name, &err) != ERR_NONE) {
		source_close(&a);
		return false;
	}
	equal = a.node.size_bytes == b.node.size_bytes;
	for (;;) {
		uint8_t left[BUFFER_BYTES], right[BUFFER_BYTES];
		struct source_piece p, q;

		if (!equal || source_read(&a, left, sizeof(left), &p, &err) != ERR_NONE ||
		    source_read(&b, right, sizeof(right), &q, &err) != ERR_NONE ||
		    p.bytes != q.bytes || p.hole != q.hole) {
			equal = false;
			break;
		}
		if (p.bytes == 0)
			break;
		equal = p.hole || memcmp(left, right, p.bytes) == 0;
	}
	source_close(&a);
	source_close(&b);
	return equal;
}

static bool xattrs_equal(int a_fd, int b_fd, const char *name)
{
	struct buf a = {0}, b = {0};
	struct error err;
	bool equal =
		meta_read_xattrs(a_fd, name, &a, &err) == meta_read_xattrs(b_fd, name, &b, &err) &&
		a.len_bytes == b.len_bytes &&
		(a.len_bytes == 0 || memcmp(a.data, b.data, a.len_bytes) == 0);

	buf_release(&a);
	buf_release(&b);
	return equal;
}

static bool links_equal(int a_fd, int b_fd, const char *name)
{
	struct buf a = {0}, b = {0};
	struct error err;
	bool equal = meta_read_link(a_fd, name, &a, &err) == ERR_NONE &&
		     meta_read_link(b_fd, name, &b, &err) == ERR_NONE &&
		     a.len_bytes == b.len_bytes && memcmp(a.data, b.data, a.len_bytes) == 0;

	buf_release(&a);
	buf_release(&b);
	return equal;
}

static bool entries_equal(const struct walk_folder *fa, const struct walk_folder *fb,
			  const struct walk_entry *a, const struct walk_entry *b)
{
	const char *name = (const char *)a->name;
	const struct node *m = &a->node, *n = &b->node;

	if (a->name_bytes != b->name_bytes || memcmp(a->name, b->name, a->name_bytes) != 0)
		return differ(fa, name, "the name");
	if (m->type != n->type || m->uid != n->uid || m->gid != n->gid || m->rdev != n->rdev ||
	    m->mode != n->mode)
		return differ(fa, name, "type, owner or mode");
	if (m->mtime_ns != n->mtime_ns)
		return differ(fa, name, "the time");
	if (m->type != NODE_FOLDER && m->links != n->links)
		return differ(fa, name, "the number of links");
	if (!xattrs_equal(fa->fd, fb->fd, name))
		return differ(fa, name, "an attribute");
	if (m->type == NODE_FILE && !contents_equal(fa->fd, fb->fd, name))
		return differ(fa, name, "the content");
	if (m->type == NODE_SYMLINK && !links_equal(fa->fd, fb->fd, name))
		return differ(fa, name, "the target");
	return true;
}

static bool walk_open_one(const char *path, struct roots *roots, struct walk **out)
{
	static const struct walk_options options;
	struct error err;

	return roots_make(&path, 1, roots, &err) == ERR_NONE &&
	       walk_open(&options, roots, out, &err) == ERR_NONE;
}

/* The next folder that is no parent of the tree. */
static bool next_folder(struct walk *w, struct walk_folder *out)
{
	struct error err;

	while (walk_next_folder(w, out, &err)) {
		if (!out->bare)
			return true;
	}
	need(err.code == ERR_NONE, err.message);
	return false;
}

bool trees_equal(const char *a, const char *b)
{
	struct roots roots_a, roots_b;
	struct walk *walk_a, *walk_b;
	struct walk_folder fa, fb;
	struct walk_entry ea, eb;
	struct error err;
	bool equal = true;

	need(walk_open_one(a, &roots_a, &walk_a) && walk_open_one(b, &roots_b, &walk_b), a);
	while (equal && next_folder(walk_a, &fa)) {
		equal = next_folder(walk_b, &fb);
		while (equal && walk_next_entry(walk_a, &ea, &err))
			equal = walk_next_entry(walk_b, &eb, &err) &&
				entries_equal(&fa, &fb, &ea, &eb);
		equal = equal && !walk_next_entry(walk_b, &eb, &err);
	}
	equal = equal && !next_folder(walk_b, &fb);
	walk_close(walk_a);
	walk_close(walk_b);
	roots_release(&roots_a);
	roots_release(&roots_b);
	return equal;
}
