#include "archive/fold.h"

#include "chunk/frame.h"

#include <stdlib.h>
#include <string.h>

struct folding {
	struct array *a;
	struct packer *packer;
	struct chunk_map *map;
	struct framer *framer;
	struct buf uids;
	struct contents contents;
	struct buf data, plain;
};

/* Groups that are stored meanwhile may tell the table of what they replace. */
static int list_inline(struct array *a, table_id_fn *each, void *ctx, uint64_t *bytes,
		       struct error *err)
{
	int code;

	pthread_mutex_lock(&a->table_lock);
	code = table_pending_inline(a->table, &a->writer_id, each, ctx, bytes, err);
	pthread_mutex_unlock(&a->table_lock);
	return code;
}

int fold_is_due(struct array *a, bool *due, struct error *err)
{
	uint64_t bytes;
	int code = list_inline(a, NULL, NULL, &bytes, err);

	*due = code == ERR_NONE && bytes > geometry_mirror_bytes(&a->policy.geometry);
	return code;
}

static int fold_chunk(struct folding *f, const struct contents_chunk *chunk, struct error *err)
{
	const uint8_t *bytes = f->plain.data + chunk->offset_bytes;
	struct hash id = chunk_id(f->a->keys, bytes, chunk->len_bytes);
	struct packer_ref ref;
	int code;

	if (!hash_equal(&id, &chunk->id))
		return err_set(err, ERR_CORRUPT, "a chunk in the journal is not what its id says");
	if (chunk_map_find(f->map, &id))
		return ERR_NONE;
	code = packer_add(f->packer, &id, bytes, chunk->len_bytes, false, &ref, err);
	if (code == ERR_NONE && !chunk_map_add(f->map, &id, ref))
		code = err_nomem(err);
	return code;
}

static int fold_frame(struct folding *f, const struct contents_frame *frame, struct error *err)
{
	int code;

	if (frame->offset_bytes > f->data.len_bytes ||
	    frame->box_bytes > f->data.len_bytes - frame->offset_bytes)
		return err_set(err, ERR_CORRUPT, "an inline frame beyond its data");
	buf_clear(&f->plain);
	if (!buf_reserve(&f->plain, frame->plain_bytes))
		return err_nomem(err);
	code = framer_unpack(f->framer, frame->method, f->data.data + frame->offset_bytes,
			     frame->box_bytes, f->plain.data, frame->plain_bytes, err);
	for (uint32_t i = 0; i < frame->chunks && code == ERR_NONE; i++)
		code = fold_chunk(f, &f->contents.chunks[frame->first_chunk + i], err);
	return code;
}

static int note_block(void *ctx, const struct id *uid, struct error *err)
{
	struct folding *f = ctx;

	buf_add(&f->uids, uid->b, ID_BYTES);
	return f->uids.failed ? err_nomem(err) : ERR_NONE;
}

static int load_block(struct folding *f, const struct id *uid, struct error *err)
{
	struct table_block b;
	int code;

	pthread_mutex_lock(&f->a->table_lock);
	code = table_block_by_uid(f->a->table, uid, &b, err);
	if (code == ERR_NONE)
		code = table_block_contents(f->a->table, b.id, &f->contents, &f->data, err);
	pthread_mutex_unlock(&f->a->table_lock);
	return code;
}

static int fold_block(struct folding *f, const struct id *uid, struct error *err)
{
	int code;

	contents_release(&f->contents);
	buf_clear(&f->data);
	code = load_block(f, uid, err);
	for (size_t i = 0; i < f->contents.frame_count && code == ERR_NONE; i++)
		code = fold_frame(f, &f->contents.frames[i], err);
	return code == ERR_NONE ? code : err_wrap(err, "fold what small puts left in the journal");
}

int fold_inline(struct array *a, struct packer *p, struct chunk_map *map, struct error *err)
{
	struct folding f = { .a = a, .packer = p, .map = map };
	uint64_t bytes;
	int code = framer_new(0, &f.framer, err);

	if (code == ERR_NONE)
		code = list_inline(a, note_block, &f, &bytes, err);
	for (size_t at = 0; at < f.uids.len_bytes && code == ERR_NONE; at += ID_BYTES) {
		struct id uid;

		memcpy(uid.b, f.uids.data + at, ID_BYTES);
		code = fold_block(&f, &uid, err);
	}
	buf_release(&f.uids);
	contents_release(&f.contents);
	buf_release(&f.data);
	buf_release(&f.plain);
	framer_free(f.framer);
	return code;
}
