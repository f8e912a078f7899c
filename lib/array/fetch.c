#include "array/fetch.h"

#include "array/frame_load.h"
#include "array/paces.h"
#include "base/pool.h"

#include <stdlib.h>
#include <string.h>

#define LISTS_KEPT 32
#define LISTS_A_THREAD 16 /* more than a thread, and what is loaded ahead for it, ever hold */
#define FRAMES_KEPT 256
#define READERS_MAX 8 /* threads */
/* What one file has under way: a few frames for each processor; across a network as much as may be on
 * the line at once (8 MiB: 100 ms at 80 MB/s). */
#define AHEAD_FRAMES 8
#define AHEAD_FRAMES_REMOTE 32
#define AHEAD_BYTES_MAX ((size_t)24 << 20) /* of all files */
/* Of shorter files, waking a thread takes longer than what it does; to wait for a line takes longer than
 * that. */
#define AHEAD_FILE_BYTES ((uint64_t)2 << 20)
#define AHEAD_FILE_BYTES_REMOTE ((uint64_t)64 << 10)
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
	struct fetcher *f;
	bool ahead;		       /* asked for ahead, and nobody has come for it */
	struct frame_loading *loading; /* begun ahead: whoever needs the frame first ends it */
	struct block_list *list;       /* held until it came, or failed */
};

struct list_entry {
	struct block_list list; /* first, as above */
	unsigned users;
	uint64_t last_use;
	bool filled;
};

struct fetcher {
	struct array *a;
	struct frame_loader *loader;
	pthread_mutex_t lock; /* everything below */
	pthread_cond_t loaded;
	struct pool *ahead; /* once there is something for it */
	struct frame_entry *frames[FRAMES_KEPT];
	struct list_entry **lists;
	unsigned lists_kept;
	size_t cached_bytes, cache_bytes, ahead_bytes;
	unsigned threads;
	bool remote; /* some drive is */
	uint64_t clock;
};

unsigned fetch_threads(const struct array *a)
{
	unsigned calls = remote_calls_max(a);

	if (calls > READERS_MAX)
		calls = READERS_MAX;
	return calls > a->options.threads ? calls : a->options.threads;
}

unsigned fetch_ahead_frames(const struct fetcher *f)
{
	return f->remote ? AHEAD_FRAMES_REMOTE : AHEAD_FRAMES;
}

uint64_t fetch_ahead_bytes(const struct fetcher *f)
{
	return f->remote ? AHEAD_FILE_BYTES_REMOTE : AHEAD_FILE_BYTES;
}

int fetcher_new(struct array *a, size_t cache_bytes, struct fetcher **out, struct error *err)
{
	struct fetcher *f = calloc(1, sizeof(*f));
	int code;

	if (!f)
		return err_nomem(err);
	f->threads = fetch_threads(a);
	f->remote = remote_calls_max(a) > 0;
	f->lists_kept = LISTS_A_THREAD * f->threads;
	if (f->lists_kept < LISTS_KEPT)
		f->lists_kept = LISTS_KEPT;
	f->lists = calloc(f->lists_kept, sizeof(struct list_entry *));
	code = f->lists ? frame_loader_new(a, &f->loader, err) : err_nomem(err);
	if (code != ERR_NONE) {
		frame_loader_free(f->loader);
		free(f->lists);
		free(f);
		return code;
	}
	f->a = a;
	f->cache_bytes = cache_bytes;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->loaded, NULL);
	*out = f;
	return ERR_NONE;
}

void fetcher_free(struct fetcher *f)
{
	if (!f)
		return;
	pool_free(f->ahead);
	for (unsigned i = 0; i < FRAMES_KEPT; i++) {
		if (!f->frames[i])
			continue;
		frame_load_leave(f->frames[i]->loading);
		free(f->frames[i]->bytes);
		free(f->frames[i]);
	}
	for (unsigned i = 0; i < f->lists_kept; i++) {
		if (f->lists[i])
			contents_release(&f->lists[i]->list.contents);
		free(f->lists[i]);
	}
	free(f->lists);
	frame_loader_free(f->loader);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->loaded);
	free(f);
}

unsigned long long fetch_reconstructed(const struct fetcher *f)
{
	return frame_loader_reconstructed(f->loader);
}

/* ---- what was begun ahead ---- */

/* Called with the lock held, as all here that take an entry. */
static void unhold_list(struct frame_entry *e)
{
	if (e->list)
		((struct list_entry *)e->list)->users--;
	e->list = NULL;
}

static void not_ahead(struct fetcher *f, struct frame_entry *e)
{
	if (e->ahead)
		f->ahead_bytes -= e->frame.len_bytes;
	e->ahead = false;
}

/* It is ready, or failed: nobody loads it. */
static void drop_frame(struct fetcher *f, struct frame_entry *e)
{
	not_ahead(f, e);
	frame_load_leave(e->loading);
	f->cached_bytes -= e->frame.len_bytes;
	free(e->bytes);
	memset(e, 0, sizeof(*e));
}

/* One that was begun ahead, and that nobody has come for yet. */
static struct frame_entry *begun_frame(struct fetcher *f)
{
	for (unsigned i = 0; i < FRAMES_KEPT; i++) {
		struct frame_entry *e = f->frames[i];

		if (e && e->state == ENTRY_LOADING && e->loading && e->users == 0)
			return e;
	}
	return NULL;
}

/* It may be that nobody ever comes: what was to be read is given up. The lock is let go. */
static void give_up_frame(struct fetcher *f, struct frame_entry *e)
{
	struct frame_loading *loading = e->loading;

	e->loading = NULL;
	e->users++;
	pthread_mutex_unlock(&f->lock);
	frame_load_leave(loading);
	pthread_mutex_lock(&f->lock);
	e->users--;
	unhold_list(e);
	if (e->state == ENTRY_LOADING)
		drop_frame(f, e);
	pthread_cond_broadcast(&f->loaded);
}

/* ---- lists ---- */

static struct list_entry *find_list(struct fetcher *f, const struct id *uid)
{
	for (unsigned i = 0; i < f->lists_kept; i++) {
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

	for (unsigned i = 0; i < f->lists_kept; i++) {
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
	struct frame_entry *begun;
	struct list_entry *e;
	int code = ERR_NONE;

	pthread_mutex_lock(&f->lock);
	while (!(e = find_list(f, block_uid)) && !(e = free_list(f)) && (begun = begun_frame(f)))
		give_up_frame(f, begun);
	if (!e) {
		code = err_nomem(err);
		goto out;
	}
	if (!e->filled) {
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

static void hold_list(struct fetcher *f, struct block_list *list)
{
	pthread_mutex_lock(&f->lock);
	((struct list_entry *)list)->users++;
	pthread_mutex_unlock(&f->lock);
}

void fetch_list_release(struct fetcher *f, struct block_list *list)
{
	struct list_entry *e = (struct list_entry *)list;

	pthread_mutex_lock(&f->lock);
	e->users--;
	pthread_mutex_unlock(&f->lock);
}

/* ---- frames ---- */

static struct frame_entry *find_frame(struct fetcher *f, int64_t block_id, uint32_t index)
{
	for (unsigned i = 0; i < FRAMES_KEPT; i++) {
		struct frame_entry *e = f->frames[i];

		if (e && e->state != ENTRY_EMPTY && e->block_id == block_id && e->index == index)
			return e;
	}
	return NULL;
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
		struct frame_entry *oldest = oldest_frame(f), *begun;

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
		else if ((begun = begun_frame(f)))
			give_up_frame(f, begun);
		else
			pthread_cond_wait(&f->loaded, &f->lock);
	}
}

/* An entry for a frame that is going to be loaded. Called with the lock held. */
static struct frame_entry *claim_entry(struct fetcher *f, const struct block_list *list,
				       uint32_t index)
{
	size_t len_bytes = list->contents.frames[index].plain_bytes;
	struct frame_entry *e = free_frame(f, len_bytes);

	if (!e || !(e->bytes = malloc(len_bytes ? len_bytes : 1)))
		return NULL;
	e->state = ENTRY_LOADING;
	e->f = f;
	e->block_id = list->block.id;
	e->index = index;
	e->frame = (struct frame){ e->bytes, len_bytes };
	f->cached_bytes += len_bytes;
	return e;
}

/* Loads an entry outside the lock, or ends what was begun ahead. Called with the lock held. */
static int load_entry(struct fetcher *f, const struct block_list *list, struct frame_entry *e,
		      struct error *err)
{
	struct frame_loading *loading = e->loading;
	int code;

	e->loading = NULL;
	e->users++;
	pthread_mutex_unlock(&f->lock);
	code = loading ? frame_load_end(loading, err)
		       : frame_load(f->loader, list, e->index, e->bytes, err);
	pthread_mutex_lock(&f->lock);
	e->users--;
	unhold_list(e);
	if (code == ERR_NONE)
		e->state = ENTRY_READY;
	else
		drop_frame(f, e);
	pthread_cond_broadcast(&f->loaded);
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
	while ((e = find_frame(f, list->block.id, index)) && e->state == ENTRY_LOADING &&
	       !e->loading)
		pthread_cond_wait(&f->loaded, &f->lock);
	if (!e && !(e = claim_entry(f, list, index)))
		code = err_nomem(err);
	else if (e->state == ENTRY_LOADING || e->loading)
		code = load_entry(f, list, e, err);
	if (code == ERR_NONE) {
		not_ahead(f, e);
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

/* ---- ahead ---- */

/* On a thread of the drive: the frame is there and right. */
static void frame_came(void *ctx)
{
	struct frame_entry *e = ctx;
	struct fetcher *f = e->f;

	pthread_mutex_lock(&f->lock);
	e->state = ENTRY_READY;
	e->last_use = ++f->clock; /* as if: it is going to be */
	unhold_list(e);
	pthread_cond_broadcast(&f->loaded);
	pthread_mutex_unlock(&f->lock);
}

struct ahead_job {
	struct fetcher *f;
	struct block_list *list; /* held */
	uint32_t index;
};

/* Whoever needs the frame meets its error again. */
static void run_ahead(void *arg)
{
	struct ahead_job *job = arg;
	struct frame *frame;
	struct error ignored;

	if (fetch_frame(job->f, job->list, job->index, &frame, &ignored) == ERR_NONE)
		fetch_release(job->f, frame);
	fetch_list_release(job->f, job->list);
	free(job);
}

/* What takes more than asking the drive where it lies is for a thread of ours. */
static void add_job(struct fetcher *f, struct block_list *list, uint32_t index)
{
	struct ahead_job *job = malloc(sizeof(*job));
	struct error ignored;
	struct pool *ahead;

	pthread_mutex_lock(&f->lock);
	if (!f->ahead)
		f->ahead = pool_new(f->threads, &ignored);
	ahead = f->ahead;
	pthread_mutex_unlock(&f->lock);
	if (!job || !ahead) {
		free(job);
		return;
	}
	*job = (struct ahead_job){ f, list, index };
	hold_list(f, list);
	pool_add(ahead, run_ahead, job);
}

/* An entry that is held until it is known what loads it. NULL: there is one for it already, or no
 * room; *enough tells which. Called with the lock held. */
static struct frame_entry *claim_ahead(struct fetcher *f, struct block_list *list, uint32_t index,
				       bool *enough)
{
	size_t len_bytes = list->contents.frames[index].plain_bytes;
	struct frame_entry *e;

	*enough = false;
	if (find_frame(f, list->block.id, index))
		return NULL;
	*enough = f->ahead_bytes + len_bytes > AHEAD_BYTES_MAX;
	e = *enough ? NULL : claim_entry(f, list, index);
	if (!e)
		return NULL;
	e->ahead = true;
	f->ahead_bytes += len_bytes;
	e->users++;
	((struct list_entry *)list)->users++;
	e->list = list;
	return e;
}

bool fetch_ahead(struct fetcher *f, struct block_list *list, uint32_t index)
{
	struct frame_loading *loading;
	struct frame_entry *e;
	bool enough;

	pthread_mutex_lock(&f->lock);
	e = claim_ahead(f, list, index, &enough);
	pthread_mutex_unlock(&f->lock);
	if (!e)
		return !enough;
	loading = frame_load_begin(f->loader, list, index, e->bytes, frame_came, e);
	pthread_mutex_lock(&f->lock);
	e->users--;
	e->loading = loading;
	if (!loading) {
		unhold_list(e);
		drop_frame(f, e);
	}
	pthread_cond_broadcast(&f->loaded);
	pthread_mutex_unlock(&f->lock);
	if (!loading)
		add_job(f, list, index);
	return true;
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
