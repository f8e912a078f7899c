#include "array/fetch.h"

#include "array/degraded.h"
#include "array/object.h"
#include "block/block.h"

#include <stdlib.h>
#include <string.h>

#define LISTS_KEPT 32
#define FRAMES_KEPT 256
#define PLACES_TRIED 8 /* other blocks that hold the same chunk */

enum entry_state { ENTRY_EMPTY, ENTRY_LOADING, ENTRY_READY };

struct frame_entry {
	struct frame frame; /* first: fetch_release() gets this pointer */
	int64_t block_id;
	uint32_t index;
	enum entry_state state;
	unsigned users;
	uint64_t last_use;
	uint8_t *bytes;
};

struct list_entry {
	struct block_list list; /* first, as above */
	unsigned users;
	uint64_t last_use;
	bool filled;
};

/* Buffers and codec state of one call; kept for the next. */
struct workspace {
	struct workspace *next;
	struct framer *framer;
	struct buf box, packed;
};

struct fetcher {
	struct array *a;
	pthread_mutex_t lock;
	pthread_cond_t loaded;
	struct frame_entry *frames[FRAMES_KEPT];
	struct list_entry *lists[LISTS_KEPT];
	struct workspace *spare;
	size_t cached_bytes, cache_bytes;
	uint64_t clock;
	atomic_ullong reconstructed;
};

int fetcher_new(struct array *a, size_t cache_bytes, struct fetcher **out, struct error *err)
{
	struct fetcher *f = calloc(1, sizeof(*f));

	if (!f)
		return err_nomem(err);
	f->a = a;
	f->cache_bytes = cache_bytes;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->loaded, NULL);
	*out = f;
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

void fetcher_free(struct fetcher *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < FRAMES_KEPT; i++) {
		if (f->frames[i])
			free(f->frames[i]->bytes);
		free(f->frames[i]);
	}
	for (unsigned i = 0; i < LISTS_KEPT; i++) {
		if (f->lists[i])
			contents_release(&f->lists[i]->list.contents);
		free(f->lists[i]);
	}
	while (f->spare) {
		struct workspace *next = f->spare->next;

		workspace_free(f->spare);
		f->spare = next;
	}
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->loaded);
	free(f);
}

unsigned long long fetch_reconstructed(const struct fetcher *f)
{
	return atomic_load(&f->reconstructed);
}

static struct workspace *take_workspace(struct fetcher *f, struct error *err)
{
	struct workspace *w;

	pthread_mutex_lock(&f->lock);
	w = f->spare;
	if (w)
		f->spare = w->next;
	pthread_mutex_unlock(&f->lock);
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

static void give_workspace(struct fetcher *f, struct workspace *w)
{
	pthread_mutex_lock(&f->lock);
	w->next = f->spare;
	f->spare = w;
	pthread_mutex_unlock(&f->lock);
}

/* ---- lists ---- */

static struct list_entry *find_list(struct fetcher *f, const struct id *uid)
{
	for (unsigned i = 0; i < LISTS_KEPT; i++) {
		if (f->lists[i] && f->lists[i]->filled &&
		    id_equal(&f->lists[i]->list.block.uid, uid))
			return f->lists[i];
	}
	return NULL;
}

/* An entry to fill: unused so far, or the one not used for longest. */
static struct list_entry *free_list(struct fetcher *f)
{
	struct list_entry *oldest = NULL;

	for (unsigned i = 0; i < LISTS_KEPT; i++) {
		if (!f->lists[i])
			return f->lists[i] = calloc(1, sizeof(struct list_entry));
		if (f->lists[i]->users == 0 && (!oldest || f->lists[i]->last_use < oldest->last_use))
			oldest = f->lists[i];
	}
	if (oldest) {
		contents_release(&oldest->list.contents);
		memset(oldest, 0, sizeof(*oldest));
	}
	return oldest;
}

int fetch_list(struct fetcher *f, const struct id *block_uid, struct block_list **out,
	       struct error *err)
{
	struct list_entry *e;
	int code = ERR_NONE;

	pthread_mutex_lock(&f->lock);
	e = find_list(f, block_uid);
	if (!e) {
		e = free_list(f);
		if (!e) {
			code = err_nomem(err);
			goto out;
		}
		pthread_mutex_lock(&f->a->table_lock);
		code = table_block_by_uid(f->a->table, block_uid, &e->list.block, err);
		if (code == ERR_NONE)
			code = table_block_contents(f->a->table, e->list.block.id,
						    &e->list.contents, NULL, err);
		pthread_mutex_unlock(&f->a->table_lock);
		if (code != ERR_NONE)
			goto out;
		e->filled = true;
	}
	e->users++;
	e->last_use = ++f->clock;
	*out = &e->list;
out:
	pthread_mutex_unlock(&f->lock);
	return code;
}

void fetch_list_release(struct fetcher *f, struct block_list *list)
{
	struct list_entry *e = (struct list_entry *)list;

	pthread_mutex_lock(&f->lock);
	e->users--;
	pthread_mutex_unlock(&f->lock);
}

/* ---- frames ---- */

/* What it takes to judge the bytes of one box. */
struct judging {
	struct fetcher *f;
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
		struct hash id = chunk_id(j->f->a->keys, j->plain + chunk->offset_bytes,
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
	code = block_open_frame(j->f->a->keys, &j->list->block.uid, j->list->block.epoch, j->index,
				bytes, frame->box_bytes, j->w->packed.data, err);
	return code == ERR_NONE ? unpack(j, j->w->packed.data, packed_bytes, err) : code;
}

static int load_inline(struct judging *j, struct error *err)
{
	const struct contents_frame *frame = &j->list->contents.frames[j->index];
	struct contents unused = { 0 };
	int code;

	buf_clear(&j->w->box);
	pthread_mutex_lock(&j->f->a->table_lock);
	code = table_block_contents(j->f->a->table, j->list->block.id, &unused, &j->w->box, err);
	pthread_mutex_unlock(&j->f->a->table_lock);
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
	struct array_drive *d = block_drive(j->f->a, &j->list->block);
	char name[OBJECT_NAME_MAX + 1];
	int code;

	buf_clear(&j->w->box);
	if (!buf_reserve(&j->w->box, frame->box_bytes + 1))
		return err_nomem(err);
	if (d) {
		object_name_block(&j->list->block.name, name);
		code = d->handle->driver->get(d->handle, name, frame->offset_bytes, j->w->box.data,
					      frame->box_bytes, err);
		if (code == ERR_NONE)
			code = judge_box(j, j->w->box.data, err);
		if (code == ERR_NONE || code == ERR_NOMEM)
			return code;
		if (atomic_fetch_add(&d->damaged, 1) == 0)
			array_tell(j->f->a, TELL_WARNING,
				   "drive %s: %s: %s: reading around it (`mrmr scrub` repairs)", d->name,
				   name, err->message);
	}
	code = degraded_read(j->f->a, &j->list->block, frame->offset_bytes, j->w->box.data,
			     frame->box_bytes, judge_box, j, err);
	if (code == ERR_NONE && atomic_fetch_add(&j->f->reconstructed, 1) == 0)
		array_tell(j->f->a, TELL_WARNING,
			   "some data are reconstructed from parity: the array is degraded");
	return code;
}

static int load(struct fetcher *f, const struct block_list *list, uint32_t index, uint8_t *plain,
		struct error *err)
{
	struct judging j = { .f = f, .list = list, .index = index, .plain = plain };
	int code;

	if (list->block.lost)
		return err_set(err, ERR_LOST, "a block that was declared lost");
	j.w = take_workspace(f, err);
	if (!j.w)
		return (int)err->code;
	code = list->block.is_inline ? load_inline(&j, err) : load_stored(&j, err);
	give_workspace(f, j.w);
	return code;
}

static struct frame_entry *find_frame(struct fetcher *f, int64_t block_id, uint32_t index)
{
	for (unsigned i = 0; i < FRAMES_KEPT; i++) {
		struct frame_entry *e = f->frames[i];

		if (e && e->state != ENTRY_EMPTY && e->block_id == block_id && e->index == index)
			return e;
	}
	return NULL;
}

static void drop_frame(struct fetcher *f, struct frame_entry *e)
{
	f->cached_bytes -= e->frame.len_bytes;
	free(e->bytes);
	memset(e, 0, sizeof(*e));
}

/* The unused frame that was not used for longest; NULL when all are in use. */
static struct frame_entry *oldest_frame(struct fetcher *f)
{
	struct frame_entry *oldest = NULL;

	for (unsigned i = 0; i < FRAMES_KEPT; i++) {
		struct frame_entry *e = f->frames[i];

		if (e && e->state == ENTRY_READY && e->users == 0 &&
		    (!oldest || e->last_use < oldest->last_use))
			oldest = e;
	}
	return oldest;
}

/* An entry for a new frame of len_bytes, older ones dropped for it. Waits when every entry is in
 * use by other threads. Called with the lock held. */
static struct frame_entry *free_frame(struct fetcher *f, size_t len_bytes)
{
	for (;;) {
		struct frame_entry *oldest = oldest_frame(f);

		if (oldest && f->cached_bytes + len_bytes > f->cache_bytes) {
			drop_frame(f, oldest);
			continue;
		}
		for (unsigned i = 0; i < FRAMES_KEPT; i++) {
			if (!f->frames[i])
				return f->frames[i] = calloc(1, sizeof(struct frame_entry));
			if (f->frames[i]->state == ENTRY_EMPTY)
				return f->frames[i];
		}
		if (oldest)
			drop_frame(f, oldest);
		else
			pthread_cond_wait(&f->loaded, &f->lock);
	}
}

/* Claims an entry and loads it outside the lock. Called with the lock held. */
static int load_entry(struct fetcher *f, const struct block_list *list, uint32_t index,
		      struct frame_entry **out, struct error *err)
{
	size_t len_bytes = list->contents.frames[index].plain_bytes;
	struct frame_entry *e = free_frame(f, len_bytes);
	int code;

	if (!e || !(e->bytes = malloc(len_bytes ? len_bytes : 1)))
		return err_nomem(err);
	e->state = ENTRY_LOADING;
	e->block_id = list->block.id;
	e->index = index;
	e->frame = (struct frame){ e->bytes, len_bytes };
	f->cached_bytes += len_bytes;
	pthread_mutex_unlock(&f->lock);
	code = load(f, list, index, e->bytes, err);
	pthread_mutex_lock(&f->lock);
	if (code == ERR_NONE)
		e->state = ENTRY_READY;
	else
		drop_frame(f, e);
	pthread_cond_broadcast(&f->loaded);
	*out = e;
	return code;
}

int fetch_frame(struct fetcher *f, struct block_list *list, uint32_t index, struct frame **out,
		struct error *err)
{
	struct frame_entry *e;
	int code = ERR_NONE;

	if (index >= list->contents.frame_count)
		return err_set(err, ERR_CORRUPT, "a frame that its block has not");
	pthread_mutex_lock(&f->lock);
	while ((e = find_frame(f, list->block.id, index)) && e->state == ENTRY_LOADING)
		pthread_cond_wait(&f->loaded, &f->lock);
	if (!e)
		code = load_entry(f, list, index, &e, err);
	if (code == ERR_NONE) {
		e->users++;
		e->last_use = ++f->clock;
		*out = &e->frame;
	}
	pthread_mutex_unlock(&f->lock);
	return code;
}

void fetch_release(struct fetcher *f, struct frame *frame)
{
	struct frame_entry *e = (struct frame_entry *)frame;

	pthread_mutex_lock(&f->lock);
	if (--e->users == 0)
		pthread_cond_broadcast(&f->loaded);
	pthread_mutex_unlock(&f->lock);
}

/* ---- chunks ---- */

static int copy_chunk(struct fetcher *f, struct block_list *list, uint32_t index, uint8_t *out,
		      struct error *err)
{
	const struct contents_chunk *chunk = &list->contents.chunks[index];
	struct frame *frame;
	int code = fetch_frame(f, list, chunk->frame, &frame, err);

	if (code != ERR_NONE)
		return code;
	memcpy(out, frame->bytes + chunk->offset_bytes, chunk->len_bytes);
	fetch_release(f, frame);
	return ERR_NONE;
}

/* From another block that has the same chunk. */
static int copy_elsewhere(struct fetcher *f, const struct block_list *list, uint32_t index,
			  uint8_t *out, struct error *err)
{
	const struct contents_chunk *chunk = &list->contents.chunks[index];

	for (unsigned skip = 0; skip < PLACES_TRIED; skip++) {
		struct block_list *other;
		struct chunk_place place;
		struct error why;
		int code;

		pthread_mutex_lock(&f->a->table_lock);
		code = table_find_chunk(f->a->table, &chunk->id, skip, &place, &why);
		pthread_mutex_unlock(&f->a->table_lock);
		if (code != ERR_NONE)
			break;
		if (place.block_id == list->block.id ||
		    fetch_list(f, &place.block_uid, &other, &why) != ERR_NONE)
			continue;
		code = ERR_CORRUPT;
		if (place.index < other->contents.chunk_count &&
		    other->contents.chunks[place.index].len_bytes == chunk->len_bytes &&
		    hash_equal(&other->contents.chunks[place.index].id, &chunk->id))
			code = copy_chunk(f, other, place.index, out, &why);
		fetch_list_release(f, other);
		if (code == ERR_NONE)
			return code;
	}
	return (int)err->code; /* why the first place failed */
}

int fetch_chunk(struct fetcher *f, struct block_list *list, uint32_t index, uint8_t *out,
		struct error *err)
{
	int code;

	if (index >= list->contents.chunk_count)
		return err_set(err, ERR_CORRUPT, "a chunk that its block has not");
	code = copy_chunk(f, list, index, out, err);
	if (code == ERR_NONE || code == ERR_NOMEM)
		return code;
	return copy_elsewhere(f, list, index, out, err);
}
