#include "care/inspect.h"

#include "array/object.h"
#include "base/stop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void damage_list_init(struct damage_list *l)
{
	memset(l, 0, sizeof(*l));
	pthread_mutex_init(&l->lock, NULL);
}

void damage_list_release(struct damage_list *l)
{
	free(l->items);
	pthread_mutex_destroy(&l->lock);
}

/* What is to be checked, and then what was found. */
struct checked_object {
	struct inspection *in;
	struct table_object object;
	int code;
	struct error err;
};

struct inspection {
	struct array *a;
	struct array_drive *d;
	struct counters *counters;
	struct checked_object *objects; /* by rising name */
	size_t count, cap;
	struct stray_list *strays;
};

static int collect_object(void *ctx, const struct table_object *o, struct error *err)
{
	struct inspection *in = ctx;

	if (!grow(&in->objects, &in->cap, in->count + 1, sizeof(*in->objects)))
		return err_nomem(err);
	memset(&in->objects[in->count], 0, sizeof(*in->objects));
	in->objects[in->count].object = *o;
	in->count++;
	return ERR_NONE;
}

static int compare_objects(const void *x, const void *y)
{
	const struct checked_object *a = x, *b = y;

	return strcmp(a->object.name, b->object.name);
}

static int collect_stray(void *ctx, const char *name, uint64_t len_bytes)
{
	struct inspection *in = ctx;
	struct checked_object key;
	struct stray *s;

	snprintf(key.object.name, sizeof(key.object.name), "%s", name);
	if (in->count > 0 &&
	    bsearch(&key, in->objects, in->count, sizeof(*in->objects), compare_objects))
		return 0;
	if (!grow(&in->strays->items, &in->strays->cap, in->strays->count + 1,
		  sizeof(*in->strays->items)))
		return 1;
	s = &in->strays->items[in->strays->count++];
	s->drive = in->d;
	s->len_bytes = len_bytes;
	snprintf(s->name, sizeof(s->name), "%s", name);
	return 0;
}

static void check_object(void *arg)
{
	struct checked_object *c = arg;
	const struct inspection *in = c->in;

	c->code = stop_check(&c->err);
	if (c->code == ERR_NONE) {
		counters_name(in->counters, c->object.name);
		c->code = object_verify(in->d->handle, c->object.name, c->object.len_bytes, &c->err);
		counters_add(in->counters, 1, c->object.len_bytes);
	}
	counters_queue(in->counters, (unsigned)(in->d - in->a->drives), -1);
}

static int list_strays(struct inspection *in, struct error *err)
{
	static const char *const prefixes[] = { "blocks/", "parity/" };
	struct drive *h = in->d->handle;

	for (unsigned i = 0; i < 2; i++) {
		int code = h->driver->list(h, prefixes[i], collect_stray, in, err);

		if (code == 1)
			return err_nomem(err);
		if (code != ERR_NONE)
			return err_wrap(err, "list drive %s", in->d->name);
	}
	return ERR_NONE;
}

static int note_damage(struct inspection *in, const struct checked_object *c,
		       struct scrub_drive *result, struct damage_list *damage, struct error *err)
{
	array_tell(in->a, TELL_WARNING, "drive %s: %s", in->d->name, c->err.message);
	result->damaged++;
	if (!grow(&damage->items, &damage->cap, damage->count + 1, sizeof(*damage->items)))
		return err_nomem(err);
	damage->items[damage->count++] = (struct damage){
		.drive = in->d,
		.object = c->object,
		.sure = c->code == ERR_CORRUPT || c->code == ERR_NOT_FOUND,
	};
	return ERR_NONE;
}

int inspect_drive(struct array *a, struct array_drive *d, struct pool *pool,
		  struct counters *counters, struct scrub_drive *result,
		  struct damage_list *damage, struct stray_list *strays, struct error *err)
{
	struct inspection in = { .a = a, .d = d, .counters = counters, .strays = strays };
	int code = table_objects(a->table, &d->id, collect_object, &in, err);

	if (code == ERR_NONE && in.count > 0)
		qsort(in.objects, in.count, sizeof(*in.objects), compare_objects);
	if (code == ERR_NONE)
		code = list_strays(&in, err);
	for (size_t i = 0; i < in.count && code == ERR_NONE; i++) {
		in.objects[i].in = &in;
		counters_queue(counters, (unsigned)(d - a->drives), 1);
		pool_add(pool, check_object, &in.objects[i]);
	}
	pool_wait(pool);
	for (size_t i = 0; i < in.count && code == ERR_NONE; i++) {
		const struct checked_object *c = &in.objects[i];

		if (c->code == ERR_INTERRUPTED) {
			code = c->code;
			*err = c->err;
			break;
		}
		result->objects++;
		result->bytes += c->object.len_bytes;
		if (c->code != ERR_NONE)
			code = note_damage(&in, c, result, damage, err);
	}
	free(in.objects);
	return code;
}
