#include "archive/feed.h"

#include "base/pool.h"

#include <stdlib.h>
#include <string.h>

#define PARCELS 4		     /* one is filled, one is run, the others wait */
#define DATA_BYTES ((size_t)1 << 20) /* of file contents in a parcel */
#define ROOM_BYTES_MIN ((size_t)128 << 10) /* less is lent only to what needs no more */
#define EVENTS_MAX 256
#define TEXT_BYTES_MAX ((size_t)256 << 10) /* names, targets, attributes: about */

/* Pointers of events into text are offsets until the parcel is full: text moves while it grows. */
struct parcel {
	struct feed_event events[EVENTS_MAX];
	size_t name_at[EVENTS_MAX], target_at[EVENTS_MAX], xattrs_at[EVENTS_MAX];
	size_t count;
	struct buf text;
	uint8_t *data;
	size_t data_bytes;
};

struct feed {
	feed_fn *run;
	void *ctx;
	struct parcel parcels[PARCELS];
	struct parcel *open; /* being filled */
	struct queue *spare, *full;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock; /* the next two */
	int failed;
	struct error failure;
};

/* ---- the other thread ---- */

static void settle_pointers(struct parcel *p)
{
	const uint8_t *text = p->text.data ? p->text.data : (const uint8_t *)"";

	for (size_t i = 0; i < p->count; i++) {
		struct feed_event *e = &p->events[i];

		e->name = text + p->name_at[i];
		e->node.target = text + p->target_at[i];
		e->node.xattrs = text + p->xattrs_at[i];
	}
}

static void empty(struct parcel *p)
{
	p->count = 0;
	p->data_bytes = 0;
	buf_clear(&p->text);
}

static int failure(struct feed *f, struct error *err)
{
	int code;

	pthread_mutex_lock(&f->lock);
	code = f->failed;
	if (code != ERR_NONE)
		*err = f->failure;
	pthread_mutex_unlock(&f->lock);
	return code;
}

static void fail(struct feed *f, int code, const struct error *err)
{
	pthread_mutex_lock(&f->lock);
	if (f->failed == ERR_NONE) {
		f->failed = code;
		f->failure = *err;
	}
	pthread_mutex_unlock(&f->lock);
}

static void *run_parcels(void *arg)
{
	struct feed *f = arg;
	struct parcel *p;

	while ((p = queue_pop(f->full)) != NULL) {
		struct error err;
		int code = failure(f, &err);

		settle_pointers(p);
		if (code == ERR_NONE)
			code = f->run(f->ctx, p->events, p->count, &err);
		if (code != ERR_NONE)
			fail(f, code, &err);
		empty(p);
		queue_push(f->spare, p);
	}
	return NULL;
}

/* ---- filling ---- */

static int send(struct feed *f, struct error *err)
{
	struct parcel *p = f->open;

	if (p->text.failed)
		return err_nomem(err);
	if (p->count > 0) {
		queue_push(f->full, p);
		f->open = queue_pop(f->spare);
	}
	return failure(f, err);
}

static bool is_full(const struct parcel *p)
{
	return p->count == EVENTS_MAX || p->text.len_bytes >= TEXT_BYTES_MAX;
}

/* The next event of the open parcel, all zero. NULL: err is set. */
static struct feed_event *add(struct feed *f, enum feed_kind kind, const void *name,
			      size_t name_bytes, struct error *err)
{
	struct parcel *p;
	struct feed_event *e;

	if (is_full(f->open) && send(f, err) != ERR_NONE)
		return NULL;
	p = f->open;
	e = &p->events[p->count];
	*e = (struct feed_event){ .kind = kind, .name_bytes = name_bytes };
	p->name_at[p->count] = p->target_at[p->count] = p->xattrs_at[p->count] = p->text.len_bytes;
	buf_add(&p->text, name, name_bytes);
	p->count++;
	return e;
}

static void add_node(struct feed *f, struct feed_event *e, const struct node *n)
{
	struct parcel *p = f->open;
	size_t i = p->count - 1;

	e->node = *n;
	e->node.content = NULL;
	e->node.content_bytes = 0;
	e->node.content_parts = 0;
	p->target_at[i] = p->text.len_bytes;
	buf_add(&p->text, n->target, n->target_bytes);
	p->xattrs_at[i] = p->text.len_bytes;
	buf_add(&p->text, n->xattrs, n->xattrs_bytes);
}

int feed_folder(struct feed *f, const void *path, size_t path_bytes, struct error *err)
{
	return add(f, FEED_FOLDER, path, path_bytes, err) ? ERR_NONE : (int)err->code;
}

int feed_remove(struct feed *f, const void *name, size_t name_bytes, struct error *err)
{
	return add(f, FEED_REMOVE, name, name_bytes, err) ? ERR_NONE : (int)err->code;
}

int feed_node(struct feed *f, const void *name, size_t name_bytes, const struct node *n,
	      struct error *err)
{
	struct feed_event *e = add(f, FEED_NODE, name, name_bytes, err);

	if (!e)
		return (int)err->code;
	add_node(f, e, n);
	return ERR_NONE;
}

int feed_file(struct feed *f, const void *name, size_t name_bytes, struct error *err)
{
	return add(f, FEED_FILE, name, name_bytes, err) ? ERR_NONE : (int)err->code;
}

int feed_room(struct feed *f, uint64_t want_bytes, uint8_t **room, size_t *room_bytes,
	      struct error *err)
{
	size_t left = DATA_BYTES - f->open->data_bytes;

	if (is_full(f->open) || (left < want_bytes && left < ROOM_BYTES_MIN)) {
		int code = send(f, err);

		if (code != ERR_NONE)
			return code;
		left = DATA_BYTES;
	}
	*room = f->open->data + f->open->data_bytes;
	*room_bytes = want_bytes < left ? (size_t)want_bytes : left;
	return ERR_NONE;
}

int feed_data(struct feed *f, size_t bytes, bool last, struct error *err)
{
	struct feed_event *e = add(f, FEED_DATA, NULL, 0, err);

	if (!e)
		return (int)err->code;
	e->last = last;
	e->data = f->open->data + f->open->data_bytes;
	e->data_bytes = bytes;
	f->open->data_bytes += bytes;
	return ERR_NONE;
}

int feed_hole(struct feed *f, uint64_t bytes, struct error *err)
{
	struct feed_event *e = add(f, FEED_HOLE, NULL, 0, err);

	if (!e)
		return (int)err->code;
	e->data_bytes = bytes;
	return ERR_NONE;
}

int feed_file_end(struct feed *f, const struct node *n, struct error *err)
{
	struct feed_event *e = add(f, FEED_FILE_END, NULL, 0, err);

	if (!e)
		return (int)err->code;
	add_node(f, e, n);
	return ERR_NONE;
}

int feed_file_drop(struct feed *f, struct error *err)
{
	return add(f, FEED_FILE_DROP, NULL, 0, err) ? ERR_NONE : (int)err->code;
}

/* ---- beginning and end ---- */

static void stop(struct feed *f)
{
	if (!f->running)
		return;
	queue_close(f->full);
	pthread_join(f->thread, NULL);
	f->running = false;
}

int feed_new(feed_fn *run, void *ctx, struct feed **out, struct error *err)
{
	struct feed *f = calloc(1, sizeof(*f));
	int failed = 0;

	if (!f)
		return err_nomem(err);
	f->run = run;
	f->ctx = ctx;
	pthread_mutex_init(&f->lock, NULL);
	f->spare = queue_new(PARCELS);
	f->full = queue_new(PARCELS);
	for (unsigned i = 0; i < PARCELS && f->spare && f->full; i++) {
		f->parcels[i].data = malloc(DATA_BYTES);
		if (!f->parcels[i].data)
			break;
		queue_push(f->spare, &f->parcels[i]);
	}
	if (!f->spare || !f->full || !f->parcels[PARCELS - 1].data) {
		feed_free(f);
		return err_nomem(err);
	}
	f->open = queue_pop(f->spare);
	failed = thread_start(&f->thread, run_parcels, f);
	if (failed) {
		feed_free(f);
		return err_set(err, err_from_errno(failed), "start a thread: %s", strerror(failed));
	}
	f->running = true;
	*out = f;
	return ERR_NONE;
}

int feed_end(struct feed *f, struct error *err)
{
	int code = send(f, err);

	stop(f);
	return code == ERR_NONE ? failure(f, err) : code;
}

void feed_free(struct feed *f)
{
	struct error dropped = { .code = ERR_INTERRUPTED };

	if (!f)
		return;
	fail(f, ERR_INTERRUPTED, &dropped);
	stop(f);
	queue_free(f->spare);
	queue_free(f->full);
	for (unsigned i = 0; i < PARCELS; i++) {
		buf_release(&f->parcels[i].text);
		free(f->parcels[i].data);
	}
	pthread_mutex_destroy(&f->lock);
	free(f);
}
