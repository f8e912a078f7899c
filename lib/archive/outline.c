#include "archive/outline.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER_RECORD_BYTES 65536 /* a folder's changes are split into records of about this */

enum item_kind { ITEM_FOLDER, ITEM_REMOVE, ITEM_NODE, ITEM_FILE };

/* A stretch of a file whose place may not be known yet. */
struct stretch {
	bool is_new; /* ref is to be resolved; else piece says all */
	struct packer_ref ref;
	struct piece piece;
};

struct item {
	struct item *next;
	enum item_kind kind;
	struct buf name; /* of a folder: its path */
	struct node node;
	struct buf target, xattrs;
	/* files */
	bool open, dropped;
	struct stretch *stretches; /* first..count-1 are not encoded yet */
	size_t first, count, cap;
	struct piece_state encoder;
	struct piece run; /* being put together of neighbouring chunks */
	bool has_run;
	struct buf content;
	uint64_t parts;
};

struct outline {
	struct packer *packer;
	struct id snapshot;
	struct item *head, *tail;
	struct buf path; /* of the folder at the head */
	struct folder_writer folder;
	struct buf records;
};

int outline_new(struct packer *p, const struct id *snapshot, struct outline **out,
		struct error *err)
{
	struct outline *o = calloc(1, sizeof(*o));

	if (!o)
		return err_nomem(err);
	o->packer = p;
	o->snapshot = *snapshot;
	*out = o;
	return ERR_NONE;
}

static void item_free(struct item *i)
{
	buf_release(&i->name);
	buf_release(&i->target);
	buf_release(&i->xattrs);
	buf_release(&i->content);
	free(i->stretches);
	free(i);
}

void outline_free(struct outline *o)
{
	if (!o)
		return;
	while (o->head) {
		struct item *next = o->head->next;

		item_free(o->head);
		o->head = next;
	}
	buf_release(&o->path);
	folder_writer_release(&o->folder);
	buf_release(&o->records);
	free(o);
}

struct buf *outline_records(struct outline *o)
{
	return &o->records;
}

/* ---- taking in ---- */

static int push(struct outline *o, enum item_kind kind, const void *name, size_t name_bytes,
		struct error *err)
{
	struct item *i = calloc(1, sizeof(*i));

	if (!i)
		return err_nomem(err);
	i->kind = kind;
	buf_add(&i->name, name, name_bytes);
	if (i->name.failed) {
		item_free(i);
		return err_nomem(err);
	}
	if (o->tail)
		o->tail->next = i;
	else
		o->head = i;
	o->tail = i;
	return ERR_NONE;
}

static int keep_node(struct item *i, const struct node *n, struct error *err)
{
	i->node = *n;
	buf_add(&i->target, n->target, n->target_bytes);
	buf_add(&i->xattrs, n->xattrs, n->xattrs_bytes);
	i->node.target = i->target.data;
	i->node.xattrs = i->xattrs.data;
	i->node.content = NULL;
	i->node.content_bytes = 0;
	i->node.content_parts = 0;
	return i->target.failed || i->xattrs.failed ? err_nomem(err) : ERR_NONE;
}

int outline_folder(struct outline *o, const void *path, size_t path_bytes, struct error *err)
{
	return push(o, ITEM_FOLDER, path, path_bytes, err);
}

int outline_remove(struct outline *o, const void *name, size_t name_bytes, struct error *err)
{
	return push(o, ITEM_REMOVE, name, name_bytes, err);
}

int outline_node(struct outline *o, const void *name, size_t name_bytes, const struct node *n,
		 struct error *err)
{
	int code = push(o, ITEM_NODE, name, name_bytes, err);

	return code == ERR_NONE ? keep_node(o->tail, n, err) : code;
}

int outline_file(struct outline *o, const void *name, size_t name_bytes, struct error *err)
{
	int code = push(o, ITEM_FILE, name, name_bytes, err);

	if (code == ERR_NONE)
		o->tail->open = true;
	return code;
}

static int add_stretch(struct outline *o, const struct stretch *s, struct error *err)
{
	struct item *i = o->tail;

	assert(i && i->open);
	if (i->first == i->count)
		i->first = i->count = 0;
	if (!grow(&i->stretches, &i->cap, i->count + 1, sizeof(*i->stretches)))
		return err_nomem(err);
	i->stretches[i->count++] = *s;
	return outline_drain(o, err);
}

int outline_hole(struct outline *o, uint64_t bytes, struct error *err)
{
	struct stretch s = { .piece = { .hole = true, .hole_bytes = bytes } };

	return add_stretch(o, &s, err);
}

int outline_known_chunk(struct outline *o, const struct id *block_uid, uint32_t index,
			struct error *err)
{
	struct stretch s = { .piece = { .block_uid = *block_uid, .first = index, .count = 1 } };

	return add_stretch(o, &s, err);
}

int outline_new_chunk(struct outline *o, struct packer_ref ref, struct error *err)
{
	struct stretch s = { .is_new = true, .ref = ref };

	return add_stretch(o, &s, err);
}

int outline_file_end(struct outline *o, const struct node *n, struct error *err)
{
	int code = keep_node(o->tail, n, err);

	o->tail->open = false;
	return code == ERR_NONE ? outline_drain(o, err) : code;
}

int outline_file_drop(struct outline *o, struct error *err)
{
	o->tail->open = false;
	o->tail->dropped = true;
	return outline_drain(o, err);
}

/* ---- giving out ---- */

static void end_run(struct item *i)
{
	if (i->has_run)
		piece_add(&i->encoder, &i->content, &i->run);
	i->has_run = false;
}

/* A part of a long content leaves as a record of its own. */
static void end_part(struct outline *o, struct item *i)
{
	struct content_record c = { .snapshot = o->snapshot,
				    .path = o->path.data,
				    .path_bytes = o->path.len_bytes,
				    .name = i->name.data,
				    .name_bytes = i->name.len_bytes,
				    .part = i->parts++,
				    .pieces = i->content.data,
				    .pieces_bytes = i->content.len_bytes };

	record_content(&o->records, &c);
	buf_clear(&i->content);
	memset(&i->encoder, 0, sizeof(i->encoder));
}

static void encode_piece(struct outline *o, struct item *i, const struct piece *p)
{
	if (i->has_run && !p->hole && !i->run.hole && id_equal(&i->run.block_uid, &p->block_uid) &&
	    i->run.first + i->run.count == p->first) {
		i->run.count += p->count;
		return;
	}
	end_run(i);
	if (i->content.len_bytes + 64 > CONTENT_PART_BYTES)
		end_part(o, i);
	i->run = *p;
	i->has_run = true;
}

/* Encodes the stretches of a file as far as their places are known. True: all of them. */
static bool encode_stretches(struct outline *o, struct item *i)
{
	for (; i->first < i->count; i->first++) {
		struct stretch *s = &i->stretches[i->first];

		if (s->is_new) {
			s->piece.count = 1;
			if (!packer_resolve(o->packer, s->ref, &s->piece.block_uid,
					    &s->piece.first))
				return false;
		}
		encode_piece(o, i, &s->piece);
	}
	return true;
}

static void end_folder_record(struct outline *o)
{
	folder_writer_finish(&o->folder, &o->snapshot, o->path.data, o->path.len_bytes,
			     &o->records);
}

static void give_file(struct outline *o, struct item *i)
{
	if (i->dropped)
		return;
	end_run(i);
	if (i->parts > 0) {
		end_part(o, i);
		i->node.content_parts = i->parts;
	} else {
		i->node.content = i->content.data;
		i->node.content_bytes = i->content.len_bytes;
	}
	folder_writer_add(&o->folder, i->name.data, i->name.len_bytes, &i->node);
}

/* Makes records of the item at the head. False: not yet. */
static bool give(struct outline *o, struct item *i)
{
	switch (i->kind) {
	case ITEM_FOLDER:
		end_folder_record(o);
		buf_clear(&o->path);
		buf_add(&o->path, i->name.data, i->name.len_bytes);
		break;
	case ITEM_REMOVE:
		folder_writer_remove(&o->folder, i->name.data, i->name.len_bytes);
		break;
	case ITEM_NODE:
		folder_writer_add(&o->folder, i->name.data, i->name.len_bytes, &i->node);
		break;
	case ITEM_FILE:
		if (!encode_stretches(o, i) || i->open)
			return false;
		give_file(o, i);
		break;
	}
	if (o->folder.removed.len_bytes + o->folder.entries.len_bytes > FOLDER_RECORD_BYTES)
		end_folder_record(o);
	return true;
}

int outline_drain(struct outline *o, struct error *err)
{
	while (o->head && give(o, o->head)) {
		struct item *next = o->head->next;

		item_free(o->head);
		o->head = next;
		if (!next)
			o->tail = NULL;
	}
	return o->records.failed || o->path.failed ? err_nomem(err) : ERR_NONE;
}

int outline_flush(struct outline *o, struct error *err)
{
	int code = outline_drain(o, err);

	if (code != ERR_NONE)
		return code;
	if (o->head && !o->head->open)
		return err_set(err, ERR_CORRUPT, "a chunk was given out and never placed");
	end_folder_record(o);
	return o->records.failed ? err_nomem(err) : ERR_NONE;
}
