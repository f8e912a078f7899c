#include "array/frame_load.h"

#include "array/degraded.h"
#include "array/object.h"
#include "array/paces.h"
#include "block/block.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_MS 20    /* how often a read is looked after whether it is late */
#define SLOW_US 20000 /* a read that takes less is not worth going round */

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
	atomic_bool told; /* that the array is degraded */
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

static int unpack(const struct judging *j, struct workspace *w, const uint8_t *packed,
		  size_t packed_bytes, struct error *err)
{
	const struct contents_frame *frame = &j->list->contents.frames[j->index];
	int code = framer_unpack(w->framer, frame->method, packed, packed_bytes, j->plain,
				 frame->plain_bytes, err);

	return code == ERR_NONE ? check_chunks(j, err) : code;
}

static int open_box(const struct judging *j, struct workspace *w, const uint8_t *bytes,
		    struct error *err)
{
	const struct contents_frame *frame = &j->list->contents.frames[j->index];
	size_t packed_bytes;
	int code;

	if (frame->box_bytes < BOX_OVERHEAD_BYTES)
		return err_set(err, ERR_CORRUPT, "a frame too short for a box");
	packed_bytes = frame->box_bytes - BOX_OVERHEAD_BYTES;
	buf_clear(&w->packed);
	if (!buf_reserve(&w->packed, packed_bytes + 1))
		return err_nomem(err);
	code = block_open_frame(j->l->a->keys, &j->list->block.uid, j->list->block.epoch, j->index,
				bytes, frame->box_bytes, w->packed.data, err);
	return code == ERR_NONE ? unpack(j, w, w->packed.data, packed_bytes, err) : code;
}

static int judge_box(void *ctx, const uint8_t *bytes, struct error *err)
{
	const struct judging *j = ctx;
	struct workspace *w = take_workspace(j->l, err);
	int code;

	if (!w)
		return (int)err->code;
	code = open_box(j, w, bytes, err);
	give_workspace(j->l, w);
	return code;
}

static int load_inline_with(const struct judging *j, struct workspace *w, struct error *err)
{
	const struct contents_frame *frame = &j->list->contents.frames[j->index];
	struct contents unused = { 0 };
	int code;

	buf_clear(&w->box);
	pthread_mutex_lock(&j->l->a->table_lock);
	code = table_block_contents(j->l->a->table, j->list->block.id, &unused, &w->box, err);
	pthread_mutex_unlock(&j->l->a->table_lock);
	contents_release(&unused);
	if (code != ERR_NONE)
		return code;
	if (frame->offset_bytes > w->box.len_bytes ||
	    frame->box_bytes > w->box.len_bytes - frame->offset_bytes)
		return err_set(err, ERR_CORRUPT, "an inline frame beyond its data");
	return unpack(j, w, w->box.data + frame->offset_bytes, frame->box_bytes, err);
}

static int load_inline(const struct judging *j, struct error *err)
{
	struct workspace *w = take_workspace(j->l, err);
	int code;

	if (!w)
		return (int)err->code;
	code = load_inline_with(j, w, err);
	give_workspace(j->l, w);
	return code;
}

/* Reading a block where it is. */
struct own {
	struct array_drive *drive; /* NULL: it is not there to be read */
	judge_fn *then;		   /* judges the bytes where they come to */
	void *then_ctx;
	struct read_call *call;	   /* on its way */
	bool tried;		   /* it came, or will never: there is nothing more to be had */
	bool good;		   /* it came, and was what it should be */
	bool around;		   /* it may be as good as any, and is not waited for */
};

/* The bytes are judged where they came to, unless they are not waited for. */
static int own_start(struct judging *j, struct own *own, struct error *err)
{
	const struct contents_frame *frame = &j->list->contents.frames[j->index];
	char name[OBJECT_NAME_MAX + 1];
	struct read_want want = { name, frame->offset_bytes, frame->box_bytes,
				  own->around ? NULL : own->then, own->then_ctx };

	object_name_block(&j->list->block.name, name);
	own->call = read_start(own->drive->handle, &want, err);
	return own->call ? ERR_NONE : (int)err->code;
}

/* What came, judged. Once per drive it is told that it is not what it should be. */
static int own_finish(struct judging *j, struct own *own, struct error *err)
{
	struct array_drive *d = own->drive;
	struct read_call *c = own->call;
	int code = call_finish(&c->call, c->want.len_bytes, err);

	if (code == ERR_NONE && !c->then_done)
		code = judge_box(j, c->bytes, err);
	own->tried = true;
	own->good = code == ERR_NONE;
	if (own->good)
		drive_answered(j->l->a, d, c);
	own->call = NULL;
	if (code != ERR_NONE && watched_hangs(d->handle))
		drive_stalled(j->l->a, d, 0);
	else if (code != ERR_NONE && code != ERR_NOMEM && atomic_fetch_add(&d->damaged, 1) == 0)
		array_tell(j->l->a, TELL_WARNING,
			   "drive %s: %s: %s: reading around it (`mrmr scrub` repairs)", d->name,
			   c->name, err->message);
	call_leave(&c->call);
	return code;
}

/* Waits as long as is usual for the drive. ERR_TRANSIENT: it is on its way still, and will not be
 * judged before own_finish(). */
static int own_await(struct judging *j, struct own *own, struct error *err)
{
	struct read_call *c = own->call;
	unsigned ms = read_patience_ms(j->l->a, own->drive, c);

	while (!call_wait(&c->call, c->want.len_bytes, LOOK_MS)) {
		if (!call_is_late(&c->call, ms, atomic_load(&own->drive->stalled)) ||
		    !call_bar(&c->call))
			continue;
		drive_stalled(j->l->a, own->drive, ms);
		own->around = true;
		return err_set(err, ERR_TRANSIENT, "drive %s is late", own->drive->name);
	}
	return own_finish(j, own, err);
}

/* What it may take to reconstruct a range, so that it is not worth waiting for d, which is as slow as
 * that. 0: it is not. */
static uint64_t detour_us(const struct array *a, const struct array_drive *d, uint64_t bytes)
{
	struct pace p = drive_pace(d);
	uint64_t own_us = pace_expect_us(&p, bytes);

	if (own_us < SLOW_US)
		return 0;
	for (unsigned i = 0; i < a->count; i++) {
		const struct array_drive *other = &a->drives[i];
		uint64_t us;

		p = drive_pace(other);
		us = pace_expect_us(&p, bytes);
		if (other != d && us > 0 && us < own_us / PACE_STEP)
			return own_us / PACE_STEP;
	}
	return 0;
}

/* From what is left of its group, while its own place is asked or not. box: memory for it. */
static int load_around(struct judging *j, struct own *own, struct degraded_how *how, uint8_t *box,
		       struct error *err)
{
	const struct contents_frame *frame = &j->list->contents.frames[j->index];
	struct error why;
	int code;

	for (;;) {
		how->rival = own->call;
		how->may_ask = own->drive && !own->tried && !own->call;
		code = degraded_read(j->l->a, &j->list->block, frame->offset_bytes, box,
				     frame->box_bytes, how, err);
		/* Then it has to be paid for. */
		if (code == ERR_LOST && how->free_only && own->tried) {
			how->free_only = false;
			continue;
		}
		if (code == ERR_NONE || code == ERR_NOMEM || !own->drive || own->tried)
			return code;
		if (!own->call && own_start(j, own, err) != ERR_NONE)
			return (int)err->code;
		if (code == ERR_TRANSIENT && how->limit_us > 0) {
			how->limit_us = 0;
			own->around = false;
			if (own_await(j, own, &why) == ERR_NONE)
				return ERR_NONE;
			continue;
		}
		if (code == ERR_TRANSIENT)
			continue;
		/* It came first, or it is the last that can help. */
		if (own_finish(j, own, &why) == ERR_NONE)
			return ERR_NONE;
		if (code != ERR_INTERRUPTED && !how->free_only)
			return code;
	}
}

/* Asks its own place, if that is as near as any. ERR_NONE with own->good: that was it. */
static int ask_own(struct judging *j, struct own *own, struct degraded_how *how, struct error *err)
{
	struct array_drive *d = own->drive;
	struct error why;
	int code;

	if (!d)
		return ERR_NONE;
	how->free_only = d->billed;
	if (d->billed || atomic_load(&d->stalled)) {
		own->around = true;
		return ERR_NONE;
	}
	how->limit_us = detour_us(j->l->a, d, j->list->contents.frames[j->index].box_bytes);
	own->around = how->limit_us > 0;
	/* A slow one is asked all the same, for one range at a time: it may have become fast. */
	if (own->around && !watched_idle(d->handle))
		return ERR_NONE;
	code = own_start(j, own, err);
	if (code == ERR_NONE && !own->around && own_await(j, own, &why) == ERR_NOMEM)
		code = err_nomem(err);
	return code;
}

static int find_elsewhere(struct judging *j, struct own *own, struct degraded_how *how,
			  struct error *err)
{
	struct workspace *w = take_workspace(j->l, err);
	int code;

	if (!w)
		return (int)err->code;
	buf_clear(&w->box);
	if (buf_reserve(&w->box, j->list->contents.frames[j->index].box_bytes + 1))
		code = load_around(j, own, how, w->box.data, err);
	else
		code = err_nomem(err);
	give_workspace(j->l, w);
	return code;
}

/* What is left to do when its own place was asked. */
static int go_on(struct judging *j, struct own *own, struct degraded_how *how, struct error *err)
{
	int code = own->good ? ERR_NONE : find_elsewhere(j, own, how, err);

	if (own->call)
		call_leave(&own->call->call);
	if (code != ERR_NONE || own->good)
		return code;
	atomic_fetch_add(&j->l->reconstructed, 1);
	if (!own->around && !atomic_exchange(&j->l->told, true))
		array_tell(j->l->a, TELL_WARNING,
			   "some data are reconstructed from parity: the array is degraded");
	return code;
}

/* From its own place, and when it fails or is late from its group. */
static int load_stored(struct judging *j, struct error *err)
{
	struct own own = { .drive = block_drive(j->l->a, &j->list->block),
			   .then = judge_box,
			   .then_ctx = j };
	struct degraded_how how = { .judge = judge_box, .ctx = j };
	int code = ask_own(j, &own, &how, err);

	return code == ERR_NONE ? go_on(j, &own, &how, err) : code;
}

int frame_load(struct frame_loader *l, const struct block_list *list, uint32_t index,
	       uint8_t *plain, struct error *err)
{
	struct judging j = { .l = l, .list = list, .index = index, .plain = plain };

	if (list->block.lost)
		return err_set(err, ERR_LOST, "a block that was declared lost");
	return list->block.is_inline ? load_inline(&j, err) : load_stored(&j, err);
}

int frame_open(struct frame_loader *l, const struct block_list *list, uint32_t index,
	       const uint8_t *box, uint8_t *plain, struct error *err)
{
	struct judging j = { .l = l, .list = list, .index = index, .plain = plain };

	return judge_box(&j, box, err);
}

/* ---- in two steps ---- */

struct frame_loading {
	struct judging j;
	struct own own;
	void (*done)(void *ctx);
	void *ctx;
};

static int judge_and_tell(void *ctx, const uint8_t *bytes, struct error *err)
{
	struct frame_loading *loading = ctx;
	int code = judge_box(&loading->j, bytes, err);

	if (code == ERR_NONE)
		loading->done(loading->ctx);
	return code;
}

struct frame_loading *frame_load_begin(struct frame_loader *l, const struct block_list *list,
				       uint32_t index, uint8_t *plain, void (*done)(void *ctx),
				       void *ctx)
{
	struct array_drive *d = list->block.lost ? NULL : block_drive(l->a, &list->block);
	struct frame_loading *loading;
	struct error ignored;

	if (!d || atomic_load(&d->stalled) ||
	    detour_us(l->a, d, list->contents.frames[index].box_bytes) > 0)
		return NULL;
	loading = calloc(1, sizeof(*loading));
	if (!loading)
		return NULL;
	loading->j = (struct judging){ .l = l, .list = list, .index = index, .plain = plain };
	loading->own = (struct own){ .drive = d, .then = judge_and_tell, .then_ctx = loading };
	loading->done = done;
	loading->ctx = ctx;
	if (own_start(&loading->j, &loading->own, &ignored) == ERR_NONE)
		return loading;
	free(loading);
	return NULL;
}

int frame_load_end(struct frame_loading *loading, struct error *err)
{
	struct judging *j = &loading->j;
	struct degraded_how how = { .judge = judge_box, .ctx = j };
	struct error why;
	int code = own_await(j, &loading->own, &why) == ERR_NOMEM ? err_nomem(err) : ERR_NONE;

	if (code == ERR_NONE)
		code = go_on(j, &loading->own, &how, err);
	else if (loading->own.call)
		call_leave(&loading->own.call->call);
	free(loading);
	return code;
}

void frame_load_leave(struct frame_loading *loading)
{
	if (!loading)
		return;
	call_leave(&loading->own.call->call);
	free(loading);
}
