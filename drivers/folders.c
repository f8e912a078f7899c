#include "drivers/folders.h"

#include "base/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* More than any array has: a server that makes up folders without end is not followed. */
#define FOLDERS_MAX ((size_t)1 << 14)

struct listing {
	folder_read_fn *read;
	void *read_ctx;
	unsigned at_once;
	pthread_t threads[FOLDERS_AT_ONCE];
	unsigned threads_count;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	char **pending; /* folders to be read; owned. The last is the next */
	size_t pending_count, pending_cap, folders;
	unsigned reading;
	struct folder_found *done[FOLDERS_AT_ONCE]; /* read, and not handed out yet; owned */
	unsigned done_count;
	bool ended; /* nothing more is wanted */
	struct error err; /* the first that a folder had */
};

/* ---- what was found ---- */

void folder_has_object(struct folder_found *f, const char *name, uint64_t len_bytes)
{
	buf_add_u64(&f->objects, len_bytes);
	buf_add_block(&f->objects, name, strlen(name) + 1);
}

void folder_has_folder(struct folder_found *f, const char *name)
{
	buf_add_block(&f->folders, name, strlen(name) + 1);
}

static void found_free(struct folder_found *f)
{
	buf_release(&f->objects);
	buf_release(&f->folders);
	free(f);
}

/* On an error, none of it is used. */
static int read_one(const struct listing *l, const char *folder, struct folder_found **out,
		    struct error *err)
{
	struct folder_found *f = calloc(1, sizeof(*f));
	int code = f ? l->read(l->read_ctx, folder, f, err) : err_nomem(err);

	if (code == ERR_NONE && (f->objects.failed || f->folders.failed))
		code = err_nomem(err);
	if (code != ERR_NONE && f)
		found_free(f);
	*out = code == ERR_NONE ? f : NULL;
	return code;
}

static int hand_out(const struct folder_found *f, object_fn *each, void *ctx)
{
	struct reader r = reader_of(f->objects.data, f->objects.len_bytes);
	int code = 0;

	while (code == 0 && r.left_bytes > 0) {
		uint64_t len_bytes = read_u64(&r);
		size_t n;

		code = each(ctx, (const char *)read_block(&r, OBJECT_NAME_MAX + 1, &n), len_bytes);
	}
	return code;
}

/* ---- under the lock, or while there is one thread ---- */

static int push(struct listing *l, const struct folder_found *f, struct error *err)
{
	struct reader r = reader_of(f->folders.data, f->folders.len_bytes);

	while (r.left_bytes > 0) {
		size_t n;
		const char *name = (const char *)read_block(&r, OBJECT_NAME_MAX + 1, &n);
		char *copy;

		if (l->folders++ == FOLDERS_MAX)
			return err_set(err, ERR_CORRUPT, "folders without end");
		copy = strdup(name);
		if (!copy || !grow(&l->pending, &l->pending_cap, l->pending_count + 1,
				   sizeof(*l->pending))) {
			free(copy);
			return err_nomem(err);
		}
		l->pending[l->pending_count++] = copy;
	}
	return ERR_NONE;
}

static void end(struct listing *l, const struct error *why)
{
	if (why && l->err.code == ERR_NONE)
		l->err = *why;
	l->ended = true;
	pthread_cond_broadcast(&l->changed);
}

/* One folder is taken, read without the lock, and put down where the caller takes it up. */
static void read_next(struct listing *l)
{
	char *folder = l->pending[--l->pending_count];
	struct folder_found *found;
	struct error err;
	int code;

	l->reading++;
	pthread_mutex_unlock(&l->lock);
	code = read_one(l, folder, &found, &err);
	free(folder);
	pthread_mutex_lock(&l->lock);
	l->reading--;
	if (code == ERR_NONE)
		code = push(l, found, &err);
	/* There is room: who reads one was let in only if there would be. */
	if (code == ERR_NONE)
		l->done[l->done_count++] = found;
	else if (found)
		found_free(found);
	if (code != ERR_NONE)
		end(l, &err);
	pthread_cond_broadcast(&l->changed);
}

static bool may_read(const struct listing *l)
{
	return l->pending_count > 0 && l->reading + l->done_count < FOLDERS_AT_ONCE;
}

static void *read_all(void *ctx)
{
	struct listing *l = ctx;

	pthread_mutex_lock(&l->lock);
	while (!l->ended) {
		if (may_read(l))
			read_next(l);
		else
			pthread_cond_wait(&l->changed, &l->lock);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* ---- the caller ---- */

/* As many as there is work for; the caller is one of those that read. Without any it reads alone. */
static void start_threads(struct listing *l)
{
	while (l->threads_count + 1 < l->at_once && l->threads_count + 1 < l->pending_count &&
	       thread_start(&l->threads[l->threads_count], read_all, l) == 0)
		l->threads_count++;
}

/* What was read is handed out without the lock; where there is nothing, the caller reads too. */
static int take_all(struct listing *l, object_fn *each, void *ctx)
{
	int code = 0;

	while (!l->ended && code == 0) {
		start_threads(l);
		if (l->done_count > 0) {
			struct folder_found *f = l->done[--l->done_count];

			pthread_cond_broadcast(&l->changed);
			pthread_mutex_unlock(&l->lock);
			code = hand_out(f, each, ctx);
			found_free(f);
			pthread_mutex_lock(&l->lock);
		} else if (may_read(l)) {
			read_next(l);
		} else if (l->reading == 0) {
			break;
		} else {
			pthread_cond_wait(&l->changed, &l->lock);
		}
	}
	end(l, NULL);
	return code;
}

static int list_below(struct listing *l, object_fn *each, void *ctx, struct error *err)
{
	int code;

	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->changed, NULL);
	pthread_mutex_lock(&l->lock);
	code = take_all(l, each, ctx);
	pthread_mutex_unlock(&l->lock);
	for (unsigned i = 0; i < l->threads_count; i++)
		pthread_join(l->threads[i], NULL);
	while (l->done_count > 0)
		found_free(l->done[--l->done_count]);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->changed);
	if (code == 0 && l->err.code != ERR_NONE) {
		*err = l->err;
		code = (int)err->code;
	}
	return code;
}

int folders_list(const char *folder, unsigned at_once, folder_read_fn *read, void *read_ctx,
		 object_fn *each, void *each_ctx, struct error *err)
{
	struct listing l = { .read = read, .read_ctx = read_ctx };
	struct folder_found *first;
	int code = read_one(&l, folder, &first, err);

	l.at_once = at_once < FOLDERS_AT_ONCE ? at_once : FOLDERS_AT_ONCE;
	if (code != ERR_NONE)
		return code;
	code = push(&l, first, err);
	if (code == ERR_NONE)
		code = hand_out(first, each, each_ctx);
	found_free(first);
	if (code == ERR_NONE && l.pending_count > 0)
		code = list_below(&l, each, each_ctx, err);
	while (l.pending_count > 0)
		free(l.pending[--l.pending_count]);
	free(l.pending);
	return code;
}
