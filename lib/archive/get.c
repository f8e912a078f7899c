#include "archive/get.h"

#include "archive/get_file.h"
#include "base/pool.h"
#include "base/stop.h"

#include <stdlib.h>
#include <string.h>

#define CACHE_BYTES ((size_t)48 << 20) /* of unpacked frames */

/* Small files are given out in bundles: waking a worker costs as much as some of them. Neighbours
 * in a folder share frames, too. */
#define BUNDLE_FILES_MAX 64
#define BUNDLE_BYTES_MAX ((uint64_t)512 << 10)
#define BUNDLE_FOLDERS_MAX 8 /* each is kept open by it */

struct bundle {
	struct get_file *first, *last;
	unsigned files, folders;
	uint64_t bytes;
};

/* A folder that the walk is in. Its files were given out; its subfolders are gone through. */
struct level {
	struct target_folder *folder; /* NULL on a dry run */
	size_t path_bytes;	      /* of its own path in walker.path */
	struct buf subfolders;	      /* name (block), node (block), ... */
	size_t next;		      /* where the next one begins */
	bool complete;
};

struct walker {
	struct getting *g;
	struct pool *pool;
	struct bundle bundle;	/* files not given out yet */
	struct buf path;	/* in the snapshot, of the folder at hand */
	struct level *levels;
	size_t depth, cap;
};

/* ---- what is asked for ---- */

/* path is `of`, or below it. */
static bool is_within(const void *path, size_t path_bytes, const char *of)
{
	size_t of_bytes = strlen(of);

	if (of_bytes == 1 && of[0] == '/')
		return true;
	return path_bytes >= of_bytes && memcmp(path, of, of_bytes) == 0 &&
	       (path_bytes == of_bytes || ((const char *)path)[of_bytes] == '/');
}

/* `of` is below path: the way leads through it. */
static bool is_above(const void *path, size_t path_bytes, const char *of)
{
	return strlen(of) > path_bytes && memcmp(path, of, path_bytes) == 0 && of[path_bytes] == '/';
}

enum wanted { WANTED_NOT, WANTED_WAY, WANTED_YES };

static enum wanted is_asked(const struct get_options *o, const void *path, size_t path_bytes)
{
	enum wanted found = o->path_count == 0 ? WANTED_YES : WANTED_NOT;

	for (size_t i = 0; i < o->path_count && found != WANTED_YES; i++) {
		if (is_within(path, path_bytes, o->paths[i]))
			found = WANTED_YES;
		else if (is_above(path, path_bytes, o->paths[i]))
			found = WANTED_WAY;
	}
	return found;
}

static bool is_wanted(const struct getting *g, const void *path, size_t path_bytes,
		      bool is_folder)
{
	const struct get_options *o = g->o;
	enum wanted asked = is_asked(o, path, path_bytes);

	if (asked == WANTED_NOT || (asked == WANTED_WAY && !is_folder))
		return false;
	if (o->excludes && patterns_match(o->excludes, path, path_bytes, is_folder) == PATTERN_MATCH)
		return false;
	/* Folders are gone through: something below may be included. */
	if (o->includes && !is_folder)
		return patterns_covers(o->includes, path, path_bytes, is_folder);
	return true;
}

/* Whether the snapshot has all of this folder: it is one of the paths of put, or below one. */
static bool is_whole(const struct getting *g, const void *path, size_t path_bytes)
{
	const struct table_snapshot *s = g->o->snapshot;

	for (size_t at = 0; at < s->paths_bytes;) {
		const char *root = (const char *)s->paths + at;

		if (is_within(path, path_bytes, root))
			return true;
		at += strlen(root) + 1;
	}
	return false;
}

/* What the snapshot has not goes only where it would have been restored. path: in the target. */
static bool may_delete(void *ctx, const uint8_t *path, size_t path_bytes, bool is_folder)
{
	const struct getting *g = ctx;
	const struct get_options *o = g->o;
	struct buf full = { 0 };
	bool may;

	buf_add(&full, o->from, strlen(o->from));
	buf_add_u8(&full, '/');
	buf_add(&full, path, path_bytes);
	may = !full.failed && is_asked(o, full.data, full.len_bytes) == WANTED_YES &&
	      (!o->excludes ||
	       patterns_match(o->excludes, full.data, full.len_bytes, is_folder) != PATTERN_MATCH) &&
	      (!o->includes || patterns_covers(o->includes, full.data, full.len_bytes, is_folder));
	buf_release(&full);
	return may;
}

/* ---- entries ---- */

static void give_bundle(struct walker *w)
{
	if (w->bundle.first)
		pool_add(w->pool, get_file_run, w->bundle.first);
	w->bundle = (struct bundle){ .files = 0 };
}

static void give(struct walker *w, struct get_file *f)
{
	struct bundle *b = &w->bundle;

	/* The names of one file are restored one after the other: each links to the first. */
	if (f->node.links > 1) {
		give_bundle(w);
		pool_wait(w->pool);
		get_file_run(f);
		return;
	}
	if (!b->last || b->last->folder != f->folder)
		b->folders++;
	if (b->last)
		b->last->next = f;
	else
		b->first = f;
	b->last = f;
	b->files++;
	b->bytes += f->node.type == NODE_FILE ? f->node.size_bytes : 0;
	if (b->files == BUNDLE_FILES_MAX || b->bytes >= BUNDLE_BYTES_MAX ||
	    b->folders == BUNDLE_FOLDERS_MAX)
		give_bundle(w);
}

static int visit_other(struct walker *w, struct level *l, size_t path_bytes,
		       const struct node *n, struct error *err)
{
	struct getting *g = w->g;
	struct get_file *f;

	if (g->o->dry_run) {
		g->r->files += n->type == NODE_FILE;
		g->r->others += n->type != NODE_FILE;
		g->r->bytes += n->size_bytes;
		return ERR_NONE;
	}
	f = get_file_new(g, l->folder, w->path.data, path_bytes, l->path_bytes + 1, n);
	if (!f)
		return err_nomem(err);
	give(w, f);
	return ERR_NONE;
}

static int visit(struct walker *w, const uint8_t *name, size_t name_bytes, const struct node *n,
		 struct error *err)
{
	struct level *l = &w->levels[w->depth - 1];
	struct buf node = { 0 };
	bool is_folder = n->type == NODE_FOLDER;
	int code = stop_check(err);

	if (code != ERR_NONE)
		return code;
	if (l->folder)
		target_keep(l->folder, name, name_bytes);
	w->path.len_bytes = l->path_bytes;
	buf_add_u8(&w->path, '/');
	buf_add(&w->path, name, name_bytes);
	if (w->path.failed)
		return err_nomem(err);
	if (!is_wanted(w->g, w->path.data, w->path.len_bytes, is_folder))
		return ERR_NONE;
	if (!is_folder)
		return visit_other(w, l, w->path.len_bytes, n, err);
	node_encode(n, NULL, &node);
	buf_add_block(&l->subfolders, name, name_bytes);
	buf_add_block(&l->subfolders, node.data, node.len_bytes);
	if (node.failed || l->subfolders.failed)
		code = err_nomem(err);
	buf_release(&node);
	return code;
}

/* ---- folders ---- */

/* Goes through the children of the folder at w->path: files are given out, folders kept for later. */
static int visit_children(struct walker *w, struct error *err)
{
	struct getting *g = w->g;
	struct table_children *children;
	const uint8_t *name;
	size_t name_bytes;
	struct node n;
	int code;

	pthread_mutex_lock(&g->a->table_lock);
	code = table_children_open(g->a->table, g->o->snapshot, w->path.data, w->path.len_bytes,
				   &children, err);
	pthread_mutex_unlock(&g->a->table_lock);
	if (code != ERR_NONE)
		return code;
	for (;;) {
		bool have;

		err->code = ERR_NONE;
		pthread_mutex_lock(&g->a->table_lock);
		have = table_children_next(children, &name, &name_bytes, &n, err);
		pthread_mutex_unlock(&g->a->table_lock);
		code = have ? visit(w, name, name_bytes, &n, err) : (int)err->code;
		if (!have || code != ERR_NONE)
			break;
	}
	pthread_mutex_lock(&g->a->table_lock);
	table_children_close(children);
	pthread_mutex_unlock(&g->a->table_lock);
	return code;
}

/* Enters the folder at w->path, which folder (taken over) stands for in the target. */
static int push(struct walker *w, struct target_folder *folder, struct error *err)
{
	struct getting *g = w->g;
	struct level *l;
	int code = ERR_NONE;

	if (!grow(&w->levels, &w->cap, w->depth + 1, sizeof(*w->levels)))
		return err_nomem(err);
	l = &w->levels[w->depth++];
	memset(l, 0, sizeof(*l));
	l->folder = folder;
	l->path_bytes = w->path.len_bytes;
	if (folder && g->o->delete_others && is_whole(g, w->path.data, w->path.len_bytes))
		code = target_delete_others(folder, err);
	if (code == ERR_NONE)
		code = visit_children(w, err);
	l = &w->levels[w->depth - 1];
	l->complete = code == ERR_NONE;
	return code;
}

static void pop(struct walker *w)
{
	struct level *l = &w->levels[--w->depth];

	if (l->folder)
		target_leave(l->folder, l->complete);
	buf_release(&l->subfolders);
}

static int enter(struct walker *w, const uint8_t *name, size_t name_bytes, const struct node *n,
		 struct error *err)
{
	struct level *l = &w->levels[w->depth - 1];
	struct target_folder *folder = NULL;
	int code;

	w->path.len_bytes = l->path_bytes;
	buf_add_u8(&w->path, '/');
	buf_add(&w->path, name, name_bytes);
	if (w->path.failed)
		return err_nomem(err);
	w->g->r->folders++;
	if (!w->g->o->dry_run) {
		code = target_enter(l->folder, name, name_bytes, n, &folder, err);
		if (code != ERR_NONE) {
			pthread_mutex_lock(&w->g->lock);
			w->g->r->errors++;
			pthread_mutex_unlock(&w->g->lock);
			get_note(w->g, NOTE_ERROR, w->path.data, w->path.len_bytes, err->message);
			return code == ERR_NOMEM || code == ERR_FULL ? code : ERR_NONE;
		}
	}
	return push(w, folder, err);
}

static int ended(struct getting *g, struct error *err)
{
	int code;

	pthread_mutex_lock(&g->lock);
	code = g->failed;
	if (code != ERR_NONE)
		*err = g->failure;
	pthread_mutex_unlock(&g->lock);
	return code;
}

/* Takes the next subfolder off the deepest level, or leaves it. */
static int step(struct walker *w, struct error *err)
{
	struct level *l = &w->levels[w->depth - 1];
	struct reader r, node_reader;
	const uint8_t *name;
	size_t name_bytes;
	struct node n;
	int code;

	if (l->next == l->subfolders.len_bytes) {
		pop(w);
		return ERR_NONE;
	}
	r = reader_of(l->subfolders.data + l->next, l->subfolders.len_bytes - l->next);
	name = read_block(&r, NAME_BYTES_MAX, &name_bytes);
	node_reader = read_sub(&r, SIZE_MAX);
	l->next = l->subfolders.len_bytes - r.left_bytes;
	code = node_decode(&node_reader, NULL, &n, err);
	return code == ERR_NONE ? enter(w, name, name_bytes, &n, err) : code;
}

static int walk_tree(struct walker *w, struct error *err)
{
	struct getting *g = w->g;
	struct target_folder *root = g->target ? target_root(g->target) : NULL;
	int code;

	buf_add(&w->path, g->o->from, strlen(g->o->from));
	code = w->path.failed ? err_nomem(err) : push(w, root, err);
	while (code == ERR_NONE && w->depth > 0) {
		code = ended(g, err);
		if (code == ERR_NONE)
			code = step(w, err);
	}
	if (code != ERR_NONE)
		get_fail(g, code, err);
	give_bundle(w);
	pool_wait(w->pool);
	while (w->depth > 0) {
		w->levels[w->depth - 1].complete = false;
		pop(w);
	}
	return ended(g, err);
}

/* `from` names a file: it alone is restored, under its own name. */
static int restore_one(struct walker *w, const struct node *n, struct error *err)
{
	struct getting *g = w->g;
	struct target_folder *root = g->target ? target_root(g->target) : NULL;
	const char *slash = strrchr(g->o->from, '/');
	struct get_file *f;

	if (g->o->dry_run) {
		g->r->files += n->type == NODE_FILE;
		g->r->others += n->type != NODE_FILE;
		g->r->bytes += n->size_bytes;
		return ERR_NONE;
	}
	f = get_file_new(g, root, g->o->from, strlen(g->o->from),
			 (size_t)(slash + 1 - g->o->from), n);
	if (f)
		get_file_run(f);
	target_leave(root, false);
	return f ? ended(g, err) : err_nomem(err);
}

static void target_note(void *ctx, enum note_level level, const uint8_t *path, size_t path_bytes,
			const char *what)
{
	get_note(ctx, level, path, path_bytes, what);
}

static int open_target(struct getting *g, struct error *err)
{
	bool restricted = g->o->path_count > 0 || g->o->excludes || g->o->includes;
	struct target_options o = { .overwrite = g->o->overwrite,
				    .no_sparse = g->o->no_sparse,
				    .unprivileged = g->o->unprivileged,
				    .may_delete = restricted ? may_delete : NULL,
				    .note = target_note,
				    .ctx = g };

	return g->o->dry_run ? ERR_NONE : target_open(g->o->to, &o, &g->target, err);
}

static int restore_all(struct walker *w, struct error *err)
{
	struct getting *g = w->g;
	struct node n;
	int code;

	if (!g->o->from[0])
		return walk_tree(w, err);
	pthread_mutex_lock(&g->a->table_lock);
	code = table_node(g->a->table, g->o->snapshot, g->o->from, strlen(g->o->from), &n, err);
	pthread_mutex_unlock(&g->a->table_lock);
	if (code != ERR_NONE)
		return code;
	return n.type == NODE_FOLDER ? walk_tree(w, err) : restore_one(w, &n, err);
}

int get(struct array *a, const struct get_options *o, struct get_result *r, struct error *err)
{
	struct getting g = { .a = a, .o = o, .r = r };
	struct walker w = { .g = &g };
	int code;

	memset(r, 0, sizeof(*r));
	pthread_mutex_init(&g.lock, NULL);
	counters_total(o->counters, o->snapshot->files, o->snapshot->bytes);
	code = fetcher_new(a, CACHE_BYTES, &g.fetcher, err);
	if (code == ERR_NONE && !(w.pool = pool_new(fetch_threads(a), err)))
		code = (int)err->code;
	if (code == ERR_NONE)
		code = open_target(&g, err);
	if (code == ERR_NONE)
		code = restore_all(&w, err);
	if (g.target)
		target_counts(g.target, &r->target);
	if (g.fetcher)
		r->frames_reconstructed = fetch_reconstructed(g.fetcher);
	target_close(g.target);
	pool_free(w.pool);
	fetcher_free(g.fetcher);
	free(w.levels);
	buf_release(&w.path);
	pthread_mutex_destroy(&g.lock);
	return code;
}
