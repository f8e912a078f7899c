#include "array/frame_load.h"

#include "array/degraded.h"
#include "array/object.h"
#include "block/block.h"

#include <stdlib.h>
#include <string.h>

/* Buffers and codec state of one call; kept for the next. */
struct workspace {
	struct workspace *next;
	struct framer *framer;
	struct buf box, packed;
};

struct frame_loader {
	struct array *a;
	pthread_mutex_t lock; /* spare */
	struct workspace *spare;
	atomic_ullong reconstructed;
};

int frame_loader_new(struct array *a, struct frame_loader **out, struct error *err)
{
	struct frame_loader *l = calloc(1, sizeof(*l));

	if (!l)
		return err_nomem(err);
	l->a = a;
	pthread_mutex_init(&l->lock, NULL);
	*out = l;
	return ERR_NONE;
}

static void workspace_free(struct workspace *w)
{
	if (!w)
		return;
	framer_free(w->framer);
	buf_release(&w->box);
	buf_release(&w->packed);
	free(w);
}

void frame_loader_free(struct frame_loader *l)
{
	if (!l)
		return;
	while (l->spare) {
		struct workspace *next = l->spare->next;

		workspace_free(l->spare);
		l->spare = next;
	}
	pthread_mutex_destroy(&l->lock);
	free(l);
}

unsigned long long frame_loader_reconstructed(const struct frame_loader *l)
{
	return atomic_load(&l->reconstructed);
}

static struct workspace *take_workspace(struct frame_loader *l, struct error *err)
{
	struct workspace *w;

	pthread_mutex_lock(&l->lock);
	w = l->spare;
	if (w)
		l->spare = w->next;
	pthread_mutex_unlock(&l->lock);
	if (w)
		return w;
	w = calloc(1, sizeof(*w));
	if (!w) {
		err_nomem(err);
		return NULL;
	}
	if (framer_new(0, &w->framer, err) != ERR_NONE) {
		free(w);
		return NULL;
	}
	return w;
}

static void give_workspace(struct frame_loader *l, struct workspace *w)
{
	pthread_mutex_lock(&l->lock);
	w->next = l->spare;
	l->spare = w;
	pthread_mutex_unlock(&l->lock);
}

/* What it takes to judge the bytes of one box. */
struct judging {
	struct frame_loader *l;
	const struct block_list *list;
	uint32_t index;
	struct workspace *w;
	uint8_t *plain; /* filled when the judgement is good */
};

/* Whether the plain bytes are the chunks that the list names. */
static int check_chunks(const struct judging *j, struct error *err)
{
	const struct contents *c = &j->list->contents;
	const struct contents_frame *frame = &c->frames[j->index];

	for (uint32_t i = 0; i < frame->chunks; i++) {
		const struct contents_chunk *chunk = &c->chunks[frame->first_chunk + i];
		struct hash id = chunk_id(j->l->a->keys, j->plain + chunk->offset_bytes,
					  chunk->len_bytes);

		if (!hash_equal(&id, &chunk->id))
			return err_set(err, ERR_CORRUPT, "a chunk is not what its id says");
	}
	return ERR_NONE;
}

static int unpack(const struct judging *j, const uint8_t *packed, size_t packed_bytes,
		  struct error *err)
{
	const struct contents_frame *frame = &j->list->contents.frames[j->index];
	int code = framer_unpack(j->w->framer, frame->method, packed, packed_bytes, j->plain,
				 frame->plain_bytes, err);

	return code == ERR_NONE ? check_chunks(j, err) : code;
}

static int judge_box(void *ctx, const uint8_t *bytes, struct error *err)
{
	const struct judging *j = ctx;
	const struct contents_frame *frame = &j->list->contents.frames[j->index];
	size_t packed_bytes;
	int code;

	if (frame->box_bytes < BOX_OVERHEAD_BYTES)
		return err_set(err, ERR_CORRUPT, "a frame too short for a box");
	packed_bytes = frame->box_bytes - BOX_OVERHEAD_BYTES;
	buf_clear(&j->w->packed);
	if (!buf_reserve(&j->w->packed, packed_bytes + 1))
		return err_nomem(err);
	code = block_open_frame(j->l->a->keys, &j->list->block.uid, j->list->block.epoch, j->index,
				bytes, frame->box_bytes, j->w->packed.data, err);
	return code == ERR_NONE ? unpack(j, j->w->packed.data, packed_bytes, err) : code;
}

static int load_inline(struct judging *j, struct error *err)
{
	const struct contents_frame *frame = &j->list->contents.frames[j->index];
	struct contents unused = { 0 };
	int code;

	buf_clear(&j->w->box);
	pthread_mutex_lock(&j->l->a->table_lock);
	code = table_block_contents(j->l->a->table, j->list->block.id, &unused, &j->w->box, err);
	pthread_mutex_unlock(&j->l->a->table_lock);
	contents_release(&unused);
	if (code != ERR_NONE)
		return code;
	if (frame->offset_bytes > j->w->box.len_bytes ||
	    frame->box_bytes > j->w->box.len_bytes - frame->offset_bytes)
		return err_set(err, ERR_CORRUPT, "an inline frame beyond its data");
	return unpack(j, j->w->box.data + frame->offset_bytes, frame->box_bytes, err);
}

/* From its own place, and when that fails from the rest of its group. */
static int load_stored(struct judging *j, struct error *err)
{
	const struct contents_frame *frame = &j->list->contents.frames[j->index];
	struct array_drive *d = block_drive(j->l->a, &j->list->block);
	char name[OBJECT_NAME_MAX + 1];
	int code;

	buf_clear(&j->w->box);
	if (!buf_reserve(&j->w->box, frame->box_bytes + 1))
		return err_nomem(err);
	if (d) {
		object_name_block(&j->list->block.name, name);
		counters_queue(j->l->a->counters, (unsigned)(d - j->l->a->drives), 1);
		code = d->handle->driver->get(d->handle, name, frame->offset_bytes, j->w->box.data,
					      frame->box_bytes, err);
		counters_queue(j->l->a->counters, (unsigned)(d - j->l->a->drives), -1);
		if (code == ERR_NONE)
			code = judge_box(j, j->w->box.data, err);
		if (code == ERR_NONE || code == ERR_NOMEM)
			return code;
		if (atomic_fetch_add(&d->damaged, 1) == 0)
			array_tell(j->l->a, TELL_WARNING,
				   "drive %s: %s: %s: reading around it (`mrmr scrub` repairs)", d->name,
				   name, err->message);
	}
	code = degraded_read(j->l->a, &j->list->block, frame->offset_bytes, j->w->box.data,
			     frame->box_bytes, judge_box, j, err);
	if (code == ERR_NONE && atomic_fetch_add(&j->l->reconstructed, 1) == 0)
		array_tell(j->l->a, TELL_WARNING,
			   "some data are reconstructed from parity: the array is degraded");
	return code;
}

int frame_load(struct frame_loader *l, const struct block_list *list, uint32_t index,
	       uint8_t *plain, struct error *err)
{
	struct judging j = { .l = l, .list = list, .index = index, .plain = plain };
	int code;

	if (list->block.lost)
		return err_set(err, ERR_LOST, "a block that was declared lost");
	j.w = take_workspace(l, err);
	if (!j.w)
		return (int)err->code;
	code = list->block.is_inline ? load_inline(&j, err) : load_stored(&j, err);
	give_workspace(l, j.w);
	return code;
}

int frame_open(struct frame_loader *l, const struct block_list *list, uint32_t index,
	       const uint8_t *box, uint8_t *plain, struct error *err)
{
	struct judging j = { .l = l, .list = list, .index = index, .plain = plain };
	int code;

	j.w = take_workspace(l, err);
	if (!j.w)
		return (int)err->code;
	code = judge_box(&j, box, err);
	give_workspace(l, j.w);
	return code;
}
