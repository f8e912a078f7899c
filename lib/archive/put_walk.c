#include "archive/listing.h"
#include "archive/put_internal.h"
#include "archive/sizing.h"
#include "base/stop.h"

#include <string.h>

struct old_entry {
	struct table_children *children; /* NULL: the base has no such folder */
	bool have;
	const uint8_t *name;
	size_t name_bytes;
	struct node node;
};

static int next_old(struct putting *p, struct old_entry *old, struct error *err)
{
	old->have = false;
	if (!old->children)
		return ERR_NONE;
	err->code = ERR_NONE;
	pthread_mutex_lock(&p->a->table_lock);
	old->have = table_children_next(old->children, &old->name, &old->name_bytes, &old->node,
					err);
	pthread_mutex_unlock(&p->a->table_lock);
	return old->have ? ERR_NONE : (int)err->code;
}

static int open_old(struct putting *p, const struct walk_folder *folder, struct old_entry *old,
		    struct error *err)
{
	int code;

	memset(old, 0, sizeof(*old));
	if (!p->has_base)
		return ERR_NONE;
	pthread_mutex_lock(&p->a->table_lock);
	code = table_children_open(p->a->table, &p->base, folder->path, folder->path_bytes,
				   &old->children, err);
	pthread_mutex_unlock(&p->a->table_lock);
	if (code == ERR_NOT_FOUND)
		return ERR_NONE;
	return code == ERR_NONE ? next_old(p, old, err) : code;
}

/* Whether what the base has of the file is still there to be read. */
static bool still_stored(const struct putting *p, const struct old_entry *old)
{
	if (p->dead.count == 0 || old->node.type != NODE_FILE)
		return true;
	if (old->node.content_parts > 0)
		return false; /* its parts may name a dead block: read it again, it deduplicates */
	return !dead_in_content(&p->dead, old->node.content, old->node.content_bytes);
}

static int meet_both(struct putting *p, const struct walk_folder *folder, struct walk_entry *e,
		     const struct old_entry *old, struct error *err)
{
	bool is_file = e->node.type == NODE_FILE, stored;
	int code;

	if (node_unchanged(&old->node, &e->node) && !(p->o->force && is_file) &&
	    still_stored(p, old)) {
		if (is_file) {
			p->r->files_unmodified++;
			p->r->files++;
			p->r->bytes += e->node.size_bytes;
			counters_add(p->o->counters, 1, e->node.size_bytes);
		}
		return ERR_NONE;
	}
	counters_add(p->o->counters, is_file, 0);
	code = put_entry(p, folder, e, true, &stored, err);
	p->r->files_changed += is_file && stored;
	p->r->files += is_file && stored;
	return code;
}

static int meet_new(struct putting *p, const struct walk_folder *folder, struct walk_entry *e,
		    struct error *err)
{
	bool is_file = e->node.type == NODE_FILE, stored;
	int code;

	counters_add(p->o->counters, is_file, 0);
	code = put_entry(p, folder, e, false, &stored, err);
	p->r->files_new += is_file && stored;
	p->r->files += is_file && stored;
	return code;
}

static int meet_gone(struct putting *p, const struct walk_folder *folder,
		     const struct old_entry *old, struct error *err)
{
	int code;

	p->r->files_removed++;
	if (p->o->dry_run)
		return ERR_NONE;
	code = put_tell_folder(p, folder, err);
	return code == ERR_NONE ? feed_remove(p->feed, old->name, old->name_bytes, err) : code;
}

static int put_folder(struct putting *p, struct walk *w, const struct walk_folder *folder,
		      struct error *err)
{
	struct old_entry old;
	struct walk_entry e;
	bool have;
	int code = open_old(p, folder, &old, err);

	p->folder_told = false;
	err->code = ERR_NONE;
	have = code == ERR_NONE && walk_next_entry(w, &e, err);
	while (code == ERR_NONE && (have || old.have)) {
		int order = !have	? -1
			    : !old.have ? 1
					: name_compare(old.name, old.name_bytes, e.name, e.name_bytes);

		if (order < 0)
			code = meet_gone(p, folder, &old, err);
		else if (order > 0)
			code = meet_new(p, folder, &e, err);
		else
			code = meet_both(p, folder, &e, &old, err);
		if (code == ERR_NONE && order <= 0)
			code = next_old(p, &old, err);
		if (code == ERR_NONE && order >= 0) {
			err->code = ERR_NONE;
			have = walk_next_entry(w, &e, err);
		}
	}
	if (code == ERR_NONE && !have)
		code = (int)err->code;
	pthread_mutex_lock(&p->a->table_lock);
	table_children_close(old.children);
	pthread_mutex_unlock(&p->a->table_lock);
	return code;
}

static void count_failed(void *ctx, enum note_level level, const uint8_t *path, size_t path_bytes,
			 const char *what)
{
	struct putting *p = ctx;

	if (level == NOTE_ERROR)
		p->r->files_failed++;
	if (p->o->note)
		p->o->note(p->o->note_ctx, level, path, path_bytes, what);
}

int put_walk(struct putting *p, struct error *err)
{
	struct walk_options options = { .excludes = p->o->excludes,
					.exclude_caches = p->o->exclude_caches,
					.one_file_system = p->o->one_file_system,
					.note = count_failed,
					.note_ctx = p };
	struct walk_folder folder;
	struct sizing *sizing;
	struct walk *w;
	int code = walk_open(&options, &p->roots, &w, err);

	if (code != ERR_NONE)
		return code;
	sizing = p->o->sizing ? sizing_start(&options, &p->roots, p->o->counters) : NULL;
	err->code = ERR_NONE;
	while (code == ERR_NONE && walk_next_folder(w, &folder, err)) {
		code = put_folder(p, w, &folder, err);
		if (code == ERR_NONE)
			code = stop_check(err);
		if (code == ERR_NONE)
			err->code = ERR_NONE;
	}
	if (code == ERR_NONE)
		code = (int)err->code;
	sizing_stop(sizing);
	walk_close(w);
	return code;
}
