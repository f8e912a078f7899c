#include "archive/put.h"

#include "archive/chunkmap.h"
#include "archive/fold.h"
#include "archive/manifest.h"
#include "archive/meta.h"
#include "archive/outline.h"
#include "archive/source.h"
#include "archive/walk.h"
#include "array/dead.h"
#include "base/file.h"
#include "base/stop.h"
#include "chunk/cutter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COMMIT_BYTES ((uint64_t)1 << 30) /* a large put commits its groups this often, ... */
#define COMPACT_BYTES ((uint64_t)64 << 10) /* a put that stored so much may compact journals */
#define COMMIT_SECONDS 60		 /* ... or after this time, */
#define COMMIT_CHUNKS ((size_t)150000)	 /* ... or when this many chunks wait for it, */
#define COMMIT_RECORD_BYTES ((size_t)8 << 20) /* ... or this much metadata */

struct putting {
	struct array *a;
	const struct put_options *o;
	struct put_result *r;
	struct roots roots;
	struct buf paths; /* of the roots, each with its NUL */
	struct id series;
	bool series_new;
	int series_lock, putting_lock;
	struct table_snapshot base;
	bool has_base;
	struct dead_blocks dead;
	struct packer *packer; /* NULL on a dry run */
	struct outline *outline;
	struct manifest manifest;
	struct chunk_map map;
	struct cutter *cutter;
	uint8_t *buffer; /* two chunks of the largest size */
	struct buf records; /* for the next commit */
	bool intent_committed;
	bool made_blocks;
	time_t last_commit;
	struct buf target, xattrs; /* of the entry at hand */
};

static void note_file(struct putting *p, enum note_level level, const struct walk_folder *folder,
		      const struct walk_entry *e, const char *what)
{
	struct buf path = { 0 };

	if (level == NOTE_ERROR)
		p->r->files_failed++;
	buf_add(&path, folder->path, folder->path_bytes);
	buf_add_u8(&path, '/');
	buf_add(&path, e->name, e->name_bytes);
	if (p->o->note && !path.failed)
		p->o->note(p->o->note_ctx, level, path.data, path.len_bytes, what);
	buf_release(&path);
}

/* ---- commits ---- */

static int commit_intent(struct putting *p, struct error *err)
{
	struct buf records = { 0 };
	int code;

	record_intent(&records, &p->r->snapshot, p->o->time_ns / 1000000000);
	code = array_commit(p->a, &records, NULL, err);
	buf_release(&records);
	p->intent_committed = code == ERR_NONE;
	return code;
}

/* Makes all that was read so far durable and known: groups, then the records that name them. */
static int commit_part(struct putting *p, struct error *err)
{
	struct buf *outlined = outline_records(p->outline);
	struct packer_result stored;
	int code;

	if ((code = packer_settle(p->packer, err)) != ERR_NONE ||
	    (code = outline_flush(p->outline, err)) != ERR_NONE ||
	    (code = manifest_add(&p->manifest, p->packer, outlined, err)) != ERR_NONE ||
	    (code = packer_finish(p->packer, false, &p->records, &stored, err)) != ERR_NONE)
		return code;
	p->made_blocks = true;
	p->r->bytes_stored += stored.place.stored_bytes;
	p->r->thin = p->r->thin || stored.place.thin;
	buf_add(&p->records, outlined->data, outlined->len_bytes);
	buf_clear(outlined);
	code = array_commit(p->a, &p->records, NULL, err);
	buf_clear(&p->records);
	chunk_map_clear(&p->map);
	p->last_commit = time(NULL);
	return code;
}

static int commit_if_due(struct putting *p, struct error *err)
{
	uint64_t added = packer_added_bytes(p->packer);
	uint32_t inline_bytes = geometry_inline_bytes(&p->a->policy.geometry);
	int code = ERR_NONE;

	if (added > inline_bytes && !p->intent_committed)
		code = commit_intent(p, err);
	if (code != ERR_NONE || added <= inline_bytes)
		return code;
	if (added < COMMIT_BYTES && p->map.count < COMMIT_CHUNKS &&
	    outline_records(p->outline)->len_bytes < COMMIT_RECORD_BYTES &&
	    time(NULL) - p->last_commit < COMMIT_SECONDS)
		return ERR_NONE;
	return commit_part(p, err);
}

/* ---- chunks ---- */

/* Where the array has this chunk, among blocks that can still be read. */
static int find_stored(struct putting *p, const struct hash *id, struct chunk_place *place,
		       bool *found, struct error *err)
{
	int code;

	*found = false;
	for (unsigned skip = 0;; skip++) {
		pthread_mutex_lock(&p->a->table_lock);
		code = table_find_chunk(p->a->table, id, skip, place, err);
		pthread_mutex_unlock(&p->a->table_lock);
		if (code == ERR_NOT_FOUND)
			return ERR_NONE;
		if (code != ERR_NONE)
			return code;
		if (!dead_has(&p->dead, &place->block_uid)) {
			*found = true;
			return ERR_NONE;
		}
	}
}

static int add_chunk(struct putting *p, const uint8_t *bytes, uint32_t len_bytes,
		     struct error *err)
{
	struct hash id = chunk_id(p->a->keys, bytes, len_bytes);
	const struct packer_ref *known = chunk_map_find(&p->map, &id);
	struct chunk_place place;
	struct packer_ref ref;
	bool found;
	int code;

	if (known)
		return outline_new_chunk(p->outline, *known, err);
	code = find_stored(p, &id, &place, &found, err);
	if (code != ERR_NONE)
		return code;
	if (found)
		return outline_known_chunk(p->outline, &place.block_uid, place.index, err);
	code = packer_add(p->packer, &id, bytes, len_bytes, false, &ref, err);
	if (code != ERR_NONE)
		return code;
	if (!chunk_map_add(&p->map, &id, ref))
		return err_nomem(err);
	p->r->bytes_added += len_bytes;
	code = outline_new_chunk(p->outline, ref, err);
	return code == ERR_NONE ? commit_if_due(p, err) : code;
}

/* Cuts what is in the buffer, all of it at the end of a run of data. */
static int cut(struct putting *p, size_t *filled, bool to_the_end, struct error *err)
{
	size_t chunk_max = p->a->policy.geometry.chunk_max_bytes, at = 0;
	int code = ERR_NONE;

	while (code == ERR_NONE && at < *filled && (to_the_end || *filled - at >= chunk_max)) {
		size_t len = cutter_cut(p->cutter, p->buffer + at, *filled - at);

		code = add_chunk(p, p->buffer + at, (uint32_t)len, err);
		at += len;
	}
	if (at > 0)
		memmove(p->buffer, p->buffer + at, *filled - at);
	*filled -= at;
	return code;
}

static int store_content(struct putting *p, struct source *s, bool *unreadable, struct error *err)
{
	size_t cap = 2 * (size_t)p->a->policy.geometry.chunk_max_bytes, filled = 0;
	int code = ERR_NONE;

	for (;;) {
		struct source_piece piece;

		code = source_read(s, p->buffer + filled, cap - filled, &piece, err);
		*unreadable = code != ERR_NONE;
		if (code != ERR_NONE)
			return code;
		if (!piece.hole) {
			filled += piece.bytes;
			p->r->bytes_read += piece.bytes;
			counters_add(p->o->counters, 0, piece.bytes);
		}
		code = cut(p, &filled, piece.hole || piece.bytes == 0, err);
		if (code == ERR_NONE && piece.hole)
			code = outline_hole(p->outline, piece.bytes, err);
		if (code != ERR_NONE || piece.bytes == 0)
			return code;
		code = stop_check(err);
		if (code != ERR_NONE)
			return code;
	}
}

/* ---- entries ---- */

/* Errors of one thing on disk are noted and passed over; others end the put. */
static bool is_of_the_file(int code)
{
	return code == ERR_NOT_FOUND || code == ERR_DENIED || code == ERR_IO ||
	       code == ERR_TRANSIENT || code == ERR_UNSUPPORTED || code == ERR_EXISTS;
}

static int store_file(struct putting *p, const struct walk_folder *folder, struct walk_entry *e,
		      struct error *err)
{
	struct source s;
	struct error why;
	bool unreadable = false;
	int code = source_open(&s, folder->fd, (const char *)e->name, err);

	if (code != ERR_NONE) {
		if (!is_of_the_file(code))
			return code;
		note_file(p, NOTE_ERROR, folder, e, err->message);
		return ERR_NONE;
	}
	counters_name(p->o->counters, (const char *)e->name);
	buf_clear(&p->xattrs);
	if (meta_read_xattrs_fd(s.fd, &p->xattrs, &why) != ERR_NONE)
		note_file(p, NOTE_ERROR, folder, e, why.message);
	code = outline_file(p->outline, e->name, e->name_bytes, err);
	if (code == ERR_NONE)
		code = store_content(p, &s, &unreadable, err);
	if (code != ERR_NONE && unreadable && is_of_the_file(code)) {
		note_file(p, NOTE_ERROR, folder, e, err->message);
		source_close(&s);
		return outline_file_drop(p->outline, err);
	}
	if (code == ERR_NONE) {
		s.node.size_bytes = s.at_bytes;
		s.node.xattrs = p->xattrs.data;
		s.node.xattrs_bytes = p->xattrs.len_bytes;
		if (source_changed(&s))
			note_file(p, NOTE_ERROR, folder, e,
				  "changed while it was read: stored as it was found");
		p->r->bytes += s.at_bytes;
		code = outline_file_end(p->outline, &s.node, err);
	}
	source_close(&s);
	return code;
}

static int store_other(struct putting *p, const struct walk_folder *folder, struct walk_entry *e,
		       struct error *err)
{
	struct node n = e->node;
	int code;

	buf_clear(&p->target);
	buf_clear(&p->xattrs);
	if (n.type == NODE_SYMLINK) {
		code = meta_read_link(folder->fd, (const char *)e->name, &p->target, err);
		if (code != ERR_NONE) {
			note_file(p, NOTE_ERROR, folder, e, err->message);
			return ERR_NONE;
		}
		n.target = p->target.data;
		n.target_bytes = p->target.len_bytes;
	}
	if (meta_read_xattrs(folder->fd, (const char *)e->name, &p->xattrs, err) != ERR_NONE)
		note_file(p, NOTE_ERROR, folder, e, err->message);
	n.xattrs = p->xattrs.data;
	n.xattrs_bytes = p->xattrs.len_bytes;
	return outline_node(p->outline, e->name, e->name_bytes, &n, err);
}

static int store_entry(struct putting *p, const struct walk_folder *folder, struct walk_entry *e,
		       struct error *err)
{
	if (p->o->dry_run) {
		if (e->node.type == NODE_FILE) {
			p->r->bytes += e->node.size_bytes;
			p->r->bytes_added += e->node.size_bytes;
		}
		return ERR_NONE;
	}
	return e->node.type == NODE_FILE ? store_file(p, folder, e, err)
					 : store_other(p, folder, e, err);
}

/* ---- folders, merged with the base ---- */

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

static int name_order(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes)
{
	int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);

	if (order != 0)
		return order;
	return a_bytes < b_bytes ? -1 : a_bytes > b_bytes;
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
	bool is_file = e->node.type == NODE_FILE;

	if (node_unchanged(&old->node, &e->node) && !(p->o->force && is_file) &&
	    still_stored(p, old)) {
		if (is_file) {
			p->r->files_unmodified++;
			p->r->bytes += e->node.size_bytes;
			counters_add(p->o->counters, 1, 0);
		}
		return ERR_NONE;
	}
	if (is_file)
		p->r->files_changed++;
	counters_add(p->o->counters, 1, 0);
	return store_entry(p, folder, e, err);
}

static int meet_new(struct putting *p, const struct walk_folder *folder, struct walk_entry *e,
		    struct error *err)
{
	if (e->node.type == NODE_FILE)
		p->r->files_new++;
	counters_add(p->o->counters, 1, 0);
	return store_entry(p, folder, e, err);
}

static int meet_gone(struct putting *p, const struct old_entry *old, struct error *err)
{
	p->r->files_removed++;
	return p->o->dry_run ? ERR_NONE
			     : outline_remove(p->outline, old->name, old->name_bytes, err);
}

static int put_folder(struct putting *p, struct walk *w, const struct walk_folder *folder,
		      struct error *err)
{
	struct old_entry old;
	struct walk_entry e;
	bool have;
	int code = open_old(p, folder, &old, err);

	if (code == ERR_NONE && !p->o->dry_run)
		code = outline_folder(p->outline, folder->path, folder->path_bytes, err);
	err->code = ERR_NONE;
	have = code == ERR_NONE && walk_next_entry(w, &e, err);
	while (code == ERR_NONE && (have || old.have)) {
		int order = !have	? -1
			    : !old.have ? 1
					: name_order(old.name, old.name_bytes, e.name, e.name_bytes);

		if (order < 0)
			code = meet_gone(p, &old, err);
		else if (order > 0)
			code = meet_new(p, folder, &e, err);
		else
			code = meet_both(p, folder, &e, &old, err);
		if (code == ERR_NONE && order >= 0 && e.node.type == NODE_FILE)
			p->r->files++;
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

static int walk_all(struct putting *p, struct error *err)
{
	struct walk_options options = { .excludes = p->o->excludes,
					.exclude_caches = p->o->exclude_caches,
					.one_file_system = p->o->one_file_system,
					.note = count_failed,
					.note_ctx = p };
	struct walk_folder folder;
	struct walk *w;
	int code = walk_open(&options, &p->roots, &w, err);

	if (code != ERR_NONE)
		return code;
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
	walk_close(w);
	return code;
}

/* ---- beginning and end ---- */

static int find_series(struct putting *p, struct error *err)
{
	const char *name = p->o->series ? p->o->series : "";
	int code;

	roots_encode(&p->roots, &p->paths);
	if (p->paths.failed)
		return err_nomem(err);
	code = table_series_find(p->a->table, name, p->o->host, p->paths.data, p->paths.len_bytes,
				 &p->series, err);
	if (code == ERR_NOT_FOUND) {
		p->series = id_random();
		p->series_new = true;
		return ERR_NONE;
	}
	if (code == ERR_NONE)
		code = table_latest(p->a->table, &p->series, &p->base, err);
	p->has_base = code == ERR_NONE;
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

static int lock_series(struct putting *p, struct error *err)
{
	char hex[ID_HEX_BYTES], name[ID_HEX_BYTES + 16], *path;
	int code;

	hex_encode(p->series.b, ID_BYTES, hex);
	snprintf(name, sizeof(name), "put-%s.lock", hex);
	path = array_state_file(p->a, name);
	code = path ? file_lock(path, &p->series_lock, err) : err_nomem(err);
	if (code == ERR_LOCKED)
		code = err_set(err, ERR_LOCKED, "another put of the same paths is running");
	free(path);
	return code;
}

static void snapshot_records(struct putting *p, struct buf *out)
{
	struct snapshot_record s = { .id = p->r->snapshot,
				     .series = p->series,
				     .time_ns = p->o->time_ns,
				     .host = p->o->host,
				     .tags = p->o->tags ? p->o->tags : "",
				     .paths = p->paths.data,
				     .paths_bytes = p->paths.len_bytes,
				     .files = p->r->files,
				     .bytes = p->r->bytes,
				     .added_bytes = p->r->bytes_added };

	if (p->has_base)
		s.base = p->base.id;
	if (p->made_blocks)
		s.put_id = p->r->snapshot;
	/* In every manifest: each must do without the others. */
	if (p->series_new || p->made_blocks) {
		struct series_record series = { .id = p->series,
						.name = p->o->series ? p->o->series : "",
						.host = p->o->host,
						.paths = p->paths.data,
						.paths_bytes = p->paths.len_bytes };

		record_series(out, &series);
	}
	record_snapshot(out, &s);
}

/* Little enough rides in the journal; with more, what waits there goes into the blocks too. */
static int decide_blocks(struct putting *p, struct error *err)
{
	uint32_t inline_bytes = geometry_inline_bytes(&p->a->policy.geometry);
	bool due;
	int code = fold_is_due(p->a, &due, err);

	if (code != ERR_NONE)
		return code;
	p->made_blocks = p->made_blocks || due || packer_packed_bytes(p->packer) > inline_bytes;
	if (!p->made_blocks)
		return ERR_NONE;
	code = fold_inline(p->a, p->packer, &p->map, err);
	return code == ERR_NONE ? packer_settle(p->packer, err) : code;
}

/* Housekeeping after the commit: what goes wrong with it is no fault of the snapshot. */
static void compact(struct putting *p)
{
	struct error why;

	if (array_compact(p->a, p->r->bytes_stored >= COMPACT_BYTES, &why) != ERR_NONE)
		array_tell(p->a, TELL_WARNING, "%s", why.message);
}

/* The last commit: what is left of the groups, and with them the snapshot. */
static int commit_all(struct putting *p, struct error *err)
{
	struct buf *outlined = outline_records(p->outline);
	struct packer_result stored;
	int code;

	if ((code = packer_settle(p->packer, err)) != ERR_NONE ||
	    (code = outline_flush(p->outline, err)) != ERR_NONE)
		return code;
	if ((code = decide_blocks(p, err)) != ERR_NONE)
		return code;
	snapshot_records(p, outlined);
	record_commit(outlined, &p->r->snapshot);
	if (p->made_blocks) {
		if (!p->intent_committed && (code = commit_intent(p, err)) != ERR_NONE)
			return code;
		code = manifest_close(&p->manifest, p->packer, outlined, err);
	}
	if (code == ERR_NONE)
		code = packer_finish(p->packer, !p->made_blocks, &p->records, &stored, err);
	if (code != ERR_NONE)
		return code;
	p->r->bytes_stored += stored.place.stored_bytes;
	p->r->thin = p->r->thin || stored.place.thin;
	buf_add(&p->records, outlined->data, outlined->len_bytes);
	if (p->intent_committed)
		record_intent_end(&p->records, &p->r->snapshot);
	code = array_commit(p->a, &p->records, &p->r->head, err);
	if (code == ERR_NONE)
		compact(p);
	return code;
}

/* Tells the journal what the groups stored so far hold, so that the next put finds it there, and
 * that this one will not be finished. What goes wrong here is no matter: the intent then stays
 * open until somebody sweeps it. */
static void give_up(struct putting *p)
{
	struct buf records = { 0 };
	struct error ignored;

	if (!p->intent_committed)
		return;
	packer_salvage(p->packer, &records);
	record_intent_end(&records, &p->r->snapshot);
	array_commit(p->a, &records, NULL, &ignored);
	buf_release(&records);
}

static int begin(struct putting *p, struct error *err)
{
	const struct geometry *g = &p->a->policy.geometry;
	int code;

	if ((code = roots_make(p->o->paths, p->o->path_count, &p->roots, err)) != ERR_NONE ||
	    (code = find_series(p, err)) != ERR_NONE || (code = lock_series(p, err)) != ERR_NONE ||
	    (code = array_putting_lock(p->a, false, &p->putting_lock, err)) != ERR_NONE ||
	    (code = dead_load(p->a, &p->dead, err)) != ERR_NONE || p->o->dry_run)
		return code;
	p->buffer = malloc(2 * (size_t)g->chunk_max_bytes);
	if (!p->buffer)
		return err_nomem(err);
	if ((code = cutter_new(p->a->keys, g, &p->cutter, err)) != ERR_NONE ||
	    (code = packer_new(p->a, p->o->level, &p->packer, err)) != ERR_NONE)
		return code;
	manifest_init(&p->manifest, p->a, &p->r->snapshot);
	return outline_new(p->packer, &p->r->snapshot, &p->outline, err);
}

static void finish(struct putting *p)
{
	outline_free(p->outline);
	packer_free(p->packer);
	cutter_free(p->cutter);
	chunk_map_release(&p->map);
	dead_release(&p->dead);
	table_snapshot_release(&p->base);
	roots_release(&p->roots);
	buf_release(&p->paths);
	buf_release(&p->records);
	buf_release(&p->target);
	buf_release(&p->xattrs);
	free(p->buffer);
	array_unlock_state(p->series_lock);
	array_unlock_state(p->putting_lock);
}

int put(struct array *a, const struct put_options *o, struct put_result *result,
	struct error *err)
{
	struct putting p = {
		.a = a, .o = o, .r = result, .series_lock = -1, .putting_lock = -1,
		.last_commit = time(NULL)
	};
	int code;

	memset(result, 0, sizeof(*result));
	result->snapshot = id_random();
	code = begin(&p, err);
	if (code == ERR_NONE)
		code = walk_all(&p, err);
	if (code == ERR_NONE && !o->dry_run)
		code = commit_all(&p, err);
	if (code != ERR_NONE)
		give_up(&p);
	finish(&p);
	return code;
}
