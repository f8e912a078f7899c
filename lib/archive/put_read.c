/* What is new or changed: read, and given to the feed. Runs in the walk's thread. */
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

int put_tell_folder(struct putting *p, const struct walk_folder *folder, struct error *err)
{
	if (p->folder_told)
		return ERR_NONE;
	p->folder_told = true;
	return feed_folder(p->feed, folder->path, folder->path_bytes, err);
}

/* Errors of one thing on disk are noted and passed over; others end the put. */
static bool is_of_the_file(int code)
{
	return code == ERR_NOT_FOUND || code == ERR_DENIED || code == ERR_IO ||
	       code == ERR_TRANSIENT || code == ERR_UNSUPPORTED || code == ERR_EXISTS;
}

/* What cannot be stored is not in the snapshot, nor is what its base has under that name. */
static int leave_out(struct putting *p, const struct walk_entry *e, bool in_base,
		     struct error *err)
{
	return in_base ? feed_remove(p->feed, e->name, e->name_bytes, err) : ERR_NONE;
}

/* The file's bytes and holes. *unreadable: an error is of the source. */
static int read_content(struct putting *p, struct source *s, bool *unreadable, struct error *err)
{
	for (;;) {
		struct source_piece piece;
		uint8_t *room;
		size_t room_bytes;
		int code = feed_room(p->feed, s->node.size_bytes - s->at_bytes, &room, &room_bytes,
				     err);

		if (code != ERR_NONE)
			return code;
		code = source_read(s, room, room_bytes, &piece, err);
		*unreadable = code != ERR_NONE;
		if (code != ERR_NONE || piece.bytes == 0)
			return code;
		if (piece.hole) {
			counters_add(p->o->counters, 0, piece.bytes);
			code = feed_hole(p->feed, piece.bytes, err);
		} else {
			p->r->bytes_read += piece.bytes;
			counters_add(p->o->counters, 0, piece.bytes);
			code = feed_data(p->feed, (size_t)piece.bytes,
					 s->at_bytes == s->node.size_bytes, err);
		}
		if (code == ERR_NONE)
			code = stop_check(err);
		if (code != ERR_NONE || s->at_bytes == s->node.size_bytes)
			return code;
	}
}

static int read_file(struct putting *p, const struct walk_folder *folder, struct walk_entry *e,
		     bool in_base, bool *stored, struct error *err)
{
	struct source s;
	struct error why;
	bool unreadable = false;
	int code = source_open(&s, folder->fd, (const char *)e->name, err);

	*stored = code == ERR_NONE;
	if (code != ERR_NONE) {
		if (!is_of_the_file(code))
			return code;
		note_file(p, NOTE_ERROR, folder, e, err->message);
		return leave_out(p, e, in_base, err);
	}
	counters_name(p->o->counters, (const char *)e->name);
	buf_clear(&p->xattrs);
	if (meta_read_xattrs_fd(s.fd, &p->xattrs, &why) != ERR_NONE)
		note_file(p, NOTE_ERROR, folder, e, why.message);
	code = feed_file(p->feed, e->name, e->name_bytes, err);
	if (code == ERR_NONE)
		code = read_content(p, &s, &unreadable, err);
	if (code != ERR_NONE && unreadable && is_of_the_file(code)) {
		*stored = false;
		note_file(p, NOTE_ERROR, folder, e, err->message);
		source_close(&s);
		code = feed_file_drop(p->feed, err);
		return code == ERR_NONE ? leave_out(p, e, in_base, err) : code;
	}
	if (code == ERR_NONE) {
		s.node.size_bytes = s.at_bytes;
		s.node.xattrs = p->xattrs.data;
		s.node.xattrs_bytes = p->xattrs.len_bytes;
		if (source_changed(&s))
			note_file(p, NOTE_ERROR, folder, e,
				  "changed while it was read: stored as it was found");
		p->r->bytes += s.at_bytes;
		code = feed_file_end(p->feed, &s.node, err);
	}
	source_close(&s);
	return code;
}

static int read_other(struct putting *p, const struct walk_folder *folder, struct walk_entry *e,
		      bool in_base, struct error *err)
{
	struct node n = e->node;
	int code;

	buf_clear(&p->target);
	buf_clear(&p->xattrs);
	if (n.type == NODE_SYMLINK) {
		code = meta_read_link(folder->fd, (const char *)e->name, &p->target, err);
		if (code != ERR_NONE) {
			note_file(p, NOTE_ERROR, folder, e, err->message);
			return leave_out(p, e, in_base, err);
		}
		n.target = p->target.data;
		n.target_bytes = p->target.len_bytes;
	}
	if (meta_read_xattrs(folder->fd, (const char *)e->name, &p->xattrs, err) != ERR_NONE)
		note_file(p, NOTE_ERROR, folder, e, err->message);
	n.xattrs = p->xattrs.data;
	n.xattrs_bytes = p->xattrs.len_bytes;
	return feed_node(p->feed, e->name, e->name_bytes, &n, err);
}

int put_entry(struct putting *p, const struct walk_folder *folder, struct walk_entry *e,
	      bool in_base, bool *stored, struct error *err)
{
	int code;

	*stored = true;
	if (p->o->dry_run) {
		if (e->node.type == NODE_FILE) {
			p->r->bytes += e->node.size_bytes;
			p->r->bytes_added += e->node.size_bytes;
			counters_add(p->o->counters, 0, e->node.size_bytes);
		}
		return ERR_NONE;
	}
	code = put_tell_folder(p, folder, err);
	if (code != ERR_NONE)
		return code;
	return e->node.type == NODE_FILE ? read_file(p, folder, e, in_base, stored, err)
					 : read_other(p, folder, e, in_base, err);
}
