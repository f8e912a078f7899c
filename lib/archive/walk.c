#include "archive/walk.h"

#include "archive/crawl.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Parcels that may wait: enough to keep both threads busy, little enough for their memory (some 170
 * bytes an entry) and their descriptors (one a folder). */
#define PARCELS_AHEAD 4

struct walk {
	const struct walk_options *options;
	struct crawl crawl;
	struct pool *thread;
	struct batch *head;   /* began the folder at hand: owns its path and descriptor */
	struct batch *batch;  /* its entries are being handed out: head or a later one */
	struct batch *parcel; /* the batches after that one */
	size_t next_entry;
	bool skipping; /* folders deeper than skip_depth are passed over */
	size_t skip_depth;
};

/* A root that is longer than a path may be counts as there: the crawl gets at it by pieces. */
static int some_root_exists(const struct roots *roots, struct error *err)
{
	struct stat st;

	for (size_t i = 0; i < roots->count; i++) {
		if (lstat(roots->paths[i], &st) == 0 || errno == ENAMETOOLONG)
			return ERR_NONE;
		err_errno(err, "%s", roots->paths[i]);
	}
	if (roots->count == 0)
		return err_set(err, ERR_USAGE, "no path to walk");
	return (int)err->code;
}

int walk_open(const struct walk_options *o, const struct roots *roots, struct walk **out,
	      struct error *err)
{
	struct walk *w;

	if (some_root_exists(roots, err) != ERR_NONE)
		return (int)err->code;
	w = calloc(1, sizeof(*w));
	if (!w)
		return err_nomem(err);
	w->options = o;
	w->crawl.options = o;
	w->crawl.roots = roots;
	w->crawl.parcels = queue_new(PARCELS_AHEAD);
	if (!w->crawl.parcels) {
		free(w);
		return err_nomem(err);
	}
	w->thread = pool_new(1, err);
	if (!w->thread) {
		walk_close(w);
		return (int)err->code;
	}
	pool_add(w->thread, crawl_run, &w->crawl);
	*out = w;
	return ERR_NONE;
}

static void drop_folder(struct walk *w)
{
	if (w->batch != w->head)
		batch_free(w->batch);
	batch_free(w->head);
	w->head = w->batch = NULL;
	w->next_entry = 0;
}

void walk_close(struct walk *w)
{
	struct batch *b;

	if (!w)
		return;
	queue_close(w->crawl.parcels);
	pool_free(w->thread);
	while ((b = queue_pop(w->crawl.parcels)) != NULL)
		parcel_free(b);
	queue_free(w->crawl.parcels);
	parcel_free(w->parcel);
	drop_folder(w);
	crawl_release(&w->crawl);
	free(w);
}

/* The next batch, passed over or not. NULL: the end. */
static struct batch *unpack(struct walk *w)
{
	struct batch *b = w->parcel ? w->parcel : queue_pop(w->crawl.parcels);

	w->parcel = b ? b->next : NULL;
	return b;
}

/* The next batch that is not passed over, its notes told. NULL: the end. */
static struct batch *take_batch(struct walk *w)
{
	struct batch *b;

	while ((b = unpack(w)) != NULL) {
		if (w->skipping && b->begins && b->depth <= w->skip_depth)
			w->skipping = false;
		if (!w->skipping)
			break;
		batch_free(b);
	}
	if (b)
		batch_tell_notes(b, w->options->note, w->options->note_ctx);
	return b;
}

bool walk_next_folder(struct walk *w, struct walk_folder *out, struct error *err)
{
	struct batch *b;

	drop_folder(w);
	while ((b = take_batch(w)) != NULL && !b->begins)
		batch_free(b);
	if (!b) {
		*err = w->crawl.err;
		return false;
	}
	w->head = w->batch = b;
	*out = (struct walk_folder){
		.path = b->text.data,
		.path_bytes = b->path_bytes,
		.fd = b->dir ? b->dir->fd : -1,
		.bare = b->bare,
		.unreadable = b->unreadable,
	};
	err->code = ERR_NONE;
	return true;
}

bool walk_next_entry(struct walk *w, struct walk_entry *out, struct error *err)
{
	const struct crawled *e;

	err->code = ERR_NONE;
	while (w->batch && w->next_entry == w->batch->count && !w->batch->ends) {
		struct batch *b = take_batch(w);

		if (!b) {
			*err = w->crawl.err;
			return false;
		}
		if (w->batch != w->head)
			batch_free(w->batch);
		w->batch = b;
		w->next_entry = 0;
	}
	if (!w->batch || w->next_entry == w->batch->count)
		return false;
	e = &w->batch->entries[w->next_entry++];
	*out = (struct walk_entry){
		.name = w->batch->text.data + e->name_at,
		.name_bytes = e->name_bytes,
		.node = e->node,
	};
	return true;
}

void walk_skip_folder(struct walk *w)
{
	if (!w->head)
		return;
	w->skipping = true;
	w->skip_depth = w->head->depth;
	drop_folder(w);
}
