#include "array/journals.h"
#include "array/object.h"
#include "array/watched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "journal/"
#define SEGMENT_OBJECT_MAX (SEGMENT_BODY_MAX + ((size_t)1 << 20))
#define LISTING_MAX ((size_t)4 << 20) /* names: a hostile drive cannot fill the memory */

struct drive *place_handle(struct array *a, unsigned place)
{
	return place == PLACE_MIRROR ? a->mirror : a->drives[place].handle;
}

void journals_release(struct journals *l)
{
	free(l->items);
	memset(l, 0, sizeof(*l));
}

struct collecting {
	struct journals *listing;
	unsigned place;
};

static int collect(void *ctx, const char *name, uint64_t len_bytes)
{
	struct collecting *c = ctx;
	struct journals *l = c->listing;
	struct listed_segment *item;
	struct segment_name parts;

	if (strlen(name) >= SEGMENT_NAME_BYTES || !segment_name_parse(name, &parts))
		return 0;
	if (l->count == LISTING_MAX || !grow(&l->items, &l->cap, l->count + 1, sizeof(*l->items)))
		return ERR_NOMEM;
	item = &l->items[l->count++];
	*item = (struct listed_segment){ .parts = parts, .len_bytes = len_bytes, .place = c->place };
	snprintf(item->name, sizeof(item->name), "%s", name);
	return 0;
}

static int compare_segments(const struct listed_segment *a, const struct listed_segment *b)
{
	int order = hash_compare(&a->parts.writer, &b->parts.writer);

	if (order != 0)
		return order;
	if (a->parts.first != b->parts.first)
		return a->parts.first < b->parts.first ? -1 : 1;
	if (a->parts.last != b->parts.last)
		return a->parts.last > b->parts.last ? -1 : 1;
	return hash_compare(&a->parts.sha256, &b->parts.sha256);
}

static int compare_items(const void *x, const void *y)
{
	const struct listed_segment *a = x, *b = y;
	int order = compare_segments(a, b);

	if (order != 0)
		return order;
	return a->place < b->place ? -1 : a->place > b->place;
}

/* begun: by list_begin(), or NULL. */
static int list_place(struct array *a, unsigned place, struct list_call *begun,
		      struct journals *out, struct error *err)
{
	struct collecting c = { out, place };
	int code = list_end(begun, place_handle(a, place), PREFIX, collect, &c, err);

	return code == ERR_NOMEM ? err_nomem(err) : code;
}

static int list_mirror(struct array *a, struct journals *out, struct error *err)
{
	int code = list_place(a, PLACE_MIRROR, NULL, out, err);

	return code == ERR_NONE ? code : err_wrap(err, "list the journals in the state folder");
}

static void sort(struct journals *l)
{
	if (l->count > 0)
		qsort(l->items, l->count, sizeof(*l->items), compare_items);
}

/* One that cannot be listed becomes unreachable. */
static int list_drive(struct array *a, unsigned i, struct list_call *begun, struct journals *out,
		      struct error *err)
{
	int code = list_place(a, i, begun, out, err);

	if (code == ERR_NONE || code == ERR_NOMEM)
		return code;
	a->drives[i].presence = DRIVE_UNREACHABLE;
	snprintf(a->drives[i].why, sizeof(a->drives[i].why), "%s", err->message);
	return ERR_NONE;
}

/* What a rolled-back drive still has is listed too: scrub puts back the rest. */
static bool is_listed(const struct array_drive *d)
{
	return d->presence == DRIVE_PRESENT || d->presence == DRIVE_ROLLED_BACK;
}

int journals_read(struct array *a, struct journals *out, struct error *err)
{
	struct list_call *begun[DRIVES_MAX] = { NULL };
	int code = list_mirror(a, out, err);

	if (code != ERR_NONE)
		return code;
	for (unsigned i = 0; i < a->count; i++) {
		if (is_listed(&a->drives[i]))
			begun[i] = list_begin(a->drives[i].handle, PREFIX);
	}
	for (unsigned i = 0; i < a->count; i++) {
		if (code == ERR_NONE && is_listed(&a->drives[i]))
			code = list_drive(a, i, begun[i], out, err);
		else
			list_leave(begun[i]);
	}
	sort(out);
	return code;
}

int journals_read_mirror(struct array *a, struct journals *out, struct error *err)
{
	int code = list_mirror(a, out, err);

	sort(out);
	return code;
}

int journals_read_drive(struct array *a, unsigned i, struct journals *out, struct error *err)
{
	int code = list_drive(a, i, NULL, out, err);

	sort(out);
	return code;
}

int journals_coverage(const struct journals *l, unsigned place, struct clock *out,
		     struct error *err)
{
	struct mark m = { .seq = 0 };

	for (size_t i = 0; i < l->count; i++) {
		const struct listed_segment *s = &l->items[i];

		if (s->place != place)
			continue;
		if (!hash_equal(&s->parts.writer, &m.writer)) {
			memset(&m, 0, sizeof(m));
			m.writer = s->parts.writer;
		}
		if (s->parts.first > m.seq + 1 || s->parts.last <= m.seq)
			continue;
		m.seq = s->parts.last;
		if (!clock_set(out, &m))
			return err_nomem(err);
	}
	return ERR_NONE;
}

size_t journals_next(const struct journals *l, size_t i)
{
	size_t next = i + 1;

	while (next < l->count && compare_segments(&l->items[i], &l->items[next]) == 0)
		next++;
	return next;
}

bool journals_has(const struct journals *l, size_t item, unsigned place)
{
	size_t end = journals_next(l, item);

	for (size_t i = item; i < end; i++) {
		if (l->items[i].place == place)
			return true;
	}
	return false;
}

int journals_load(struct array *a, const struct journals *l, size_t i, struct buf *out,
		 unsigned *from, struct error *err)
{
	size_t end = journals_next(l, i);
	int code = ERR_NOT_FOUND;

	/* The mirror has the highest place number: it is local, so it goes first. */
	for (size_t n = end; n-- > i;) {
		struct drive *d = place_handle(a, l->items[n].place);

		if (!d)
			continue;
		buf_clear(out);
		code = object_get(d, l->items[n].name, SEGMENT_OBJECT_MAX, out, err);
		if (code == ERR_NONE) {
			*from = l->items[n].place;
			return code;
		}
	}
	return code;
}
