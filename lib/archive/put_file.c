#include "archive/meta.h"
#include "archive/put_internal.h"
#include "archive/source.h"
#include "base/stop.h"

#include <string.h>

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
	return code == ERR_NONE ? put_commit_if_due(p, err) : code;
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

int put_entry(struct putting *p, const struct walk_folder *folder, struct walk_entry *e,
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
