#include "drivers/mem.h"

#include "base/bytes.h"
#include "drivers/driver.h"
#include "drivers/name.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct object {
	char *name;
	uint8_t *bytes;
	size_t len_bytes;
};

struct objects {
	struct object *all;
	size_t count, cap;
};

struct place {
	struct place *next;
	char *name;
	pthread_mutex_t lock;
	struct objects stored; /* by rising name */
};

struct mem_drive {
	struct drive base;
	struct place *place;
	struct objects pending; /* put, not synced; in the order of put; under place->lock */
};

static struct place *places;
static pthread_mutex_t places_lock = PTHREAD_MUTEX_INITIALIZER;

static void object_release(struct object *o)
{
	free(o->name);
	free(o->bytes);
}

static void objects_release(struct objects *s)
{
	for (size_t i = 0; i < s->count; i++)
		object_release(&s->all[i]);
	free(s->all);
	*s = (struct objects){ 0 };
}

static bool object_init(struct object *o, const char *name, const void *bytes, size_t len_bytes)
{
	o->name = strdup(name);
	o->bytes = malloc(len_bytes ? len_bytes : 1);
	o->len_bytes = len_bytes;
	if (!o->name || !o->bytes) {
		object_release(o);
		return false;
	}
	if (len_bytes > 0)
		memcpy(o->bytes, bytes, len_bytes);
	return true;
}

/* Where name is among the sorted, or where it belongs: *found tells. */
static size_t find(const struct objects *s, const char *name, bool *found)
{
	size_t low = 0, high = s->count;

	*found = false;
	while (low < high && !*found) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(s->all[middle].name, name);

		if (order < 0)
			low = middle + 1;
		else
			high = middle;
		*found = order == 0;
	}
	return high;
}

static struct object *lookup(const struct objects *s, const char *name)
{
	bool found;
	size_t i = find(s, name, &found);

	return found ? &s->all[i] : NULL;
}

/* The place is sure: the caller grew the array, and the name is not there. */
static void insert(struct objects *s, const struct object *o)
{
	bool found;
	size_t i = find(s, o->name, &found);

	memmove(&s->all[i + 1], &s->all[i], (s->count - i) * sizeof(*s->all));
	s->all[i] = *o;
	s->count++;
}

static void take_out(struct objects *s, size_t i)
{
	s->count--;
	memmove(&s->all[i], &s->all[i + 1], (s->count - i) * sizeof(*s->all));
}

static bool has_room(struct objects *s, size_t more)
{
	return grow(&s->all, &s->cap, s->count + more, sizeof(*s->all));
}

static bool is_pending(const struct mem_drive *m, const char *name)
{
	for (size_t i = 0; i < m->pending.count; i++)
		if (strcmp(m->pending.all[i].name, name) == 0)
			return true;
	return false;
}

static struct place *place_new(const char *name)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->name = strdup(name);
	if (!p->name) {
		free(p);
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

static void place_free(struct place *p)
{
	objects_release(&p->stored);
	pthread_mutex_destroy(&p->lock);
	free(p->name);
	free(p);
}

static int place_find(const char *name, bool make, struct place **out, struct error *err)
{
	int code = ERR_NONE;
	struct place *p;

	pthread_mutex_lock(&places_lock);
	for (p = places; p && strcmp(p->name, name) != 0; p = p->next)
		;
	if (!p && make) {
		p = place_new(name);
		if (p) {
			p->next = places;
			places = p;
		} else {
			code = err_nomem(err);
		}
	} else if (!p) {
		code = err_set(err, ERR_NOT_FOUND, "no memory is kept as \"%s\"", name);
	}
	pthread_mutex_unlock(&places_lock);
	*out = p;
	return code;
}

void mem_erase(const char *url)
{
	const char *name = url_after_scheme(url, "mem");

	pthread_mutex_lock(&places_lock);
	for (struct place **at = &places; *at; at = &(*at)->next) {
		struct place *p = *at;

		if (strcmp(p->name, name) != 0)
			continue;
		*at = p->next;
		place_free(p);
		break;
	}
	pthread_mutex_unlock(&places_lock);
}

static int mem_open(const char *url, const struct drive_options *options, struct drive **out,
		    struct error *err)
{
	const char *name = url_after_scheme(url, "mem");
	struct mem_drive *m;
	int code = temp_tag_check(options->temp_tag, err);

	*out = NULL;
	if (code != ERR_NONE)
		return code;
	m = calloc(1, sizeof(*m));
	if (!m)
		return err_nomem(err);
	if (name[0] == '\0') {
		m->place = place_new("");
		code = m->place ? ERR_NONE : err_nomem(err);
	} else {
		code = place_find(name, options->make_root, &m->place, err);
	}
	if (code != ERR_NONE) {
		free(m);
		return code;
	}
	m->base.driver = &driver_mem;
	*out = &m->base;
	return ERR_NONE;
}

static void mem_close(struct drive *d)
{
	struct mem_drive *m = (struct mem_drive *)d;

	objects_release(&m->pending);
	if (m->place->name[0] == '\0')
		place_free(m->place);
	free(m);
}

static int mem_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
		   struct error *err)
{
	struct mem_drive *m = (struct mem_drive *)d;
	struct object o;
	int code = object_name_check(name, err);

	if (code != ERR_NONE)
		return code;
	if (!object_init(&o, name, bytes, len_bytes))
		return err_nomem(err);
	pthread_mutex_lock(&m->place->lock);
	if (lookup(&m->place->stored, name) || is_pending(m, name))
		code = err_set(err, ERR_EXISTS, "put %s: the name is taken", name);
	else if (!has_room(&m->pending, 1))
		code = err_nomem(err);
	else
		m->pending.all[m->pending.count++] = o;
	pthread_mutex_unlock(&m->place->lock);
	if (code != ERR_NONE)
		object_release(&o);
	return code;
}

static int not_found(struct error *err, const char *step, const char *name)
{
	return err_set(err, ERR_NOT_FOUND, "%s %s: no such object", step, name);
}

static int mem_get(struct drive *d, const char *name, uint64_t offset_bytes, void *out,
		   size_t len_bytes, struct error *err)
{
	struct mem_drive *m = (struct mem_drive *)d;
	const struct object *o;
	int code = object_name_check(name, err);

	if (code != ERR_NONE)
		return code;
	pthread_mutex_lock(&m->place->lock);
	o = lookup(&m->place->stored, name);
	if (!o)
		code = not_found(err, "get", name);
	else if (offset_bytes > o->len_bytes || len_bytes > o->len_bytes - offset_bytes)
		code = err_set(err, ERR_CORRUPT, "get %s: ends after %zu bytes", name,
			       o->len_bytes);
	else if (len_bytes > 0)
		memcpy(out, o->bytes + offset_bytes, len_bytes);
	pthread_mutex_unlock(&m->place->lock);
	return code;
}

static int mem_stat(struct drive *d, const char *name, struct object_stat *out, struct error *err)
{
	struct mem_drive *m = (struct mem_drive *)d;
	const struct object *o;
	int code = object_name_check(name, err);

	if (code != ERR_NONE)
		return code;
	pthread_mutex_lock(&m->place->lock);
	o = lookup(&m->place->stored, name);
	if (o)
		out->len_bytes = o->len_bytes;
	else
		code = not_found(err, "stat", name);
	pthread_mutex_unlock(&m->place->lock);
	return code;
}

/* Names and lengths are copied first: each() may call the drive. */
static int mem_list(struct drive *d, const char *prefix, object_fn *each, void *ctx,
		    struct error *err)
{
	struct mem_drive *m = (struct mem_drive *)d;
	struct buf names = { 0 };
	struct reader r;
	bool found;
	int code = object_prefix_check(prefix, err);

	if (code != ERR_NONE)
		return code;
	pthread_mutex_lock(&m->place->lock);
	for (size_t i = find(&m->place->stored, prefix, &found); i < m->place->stored.count; i++) {
		const struct object *o = &m->place->stored.all[i];

		if (strncmp(o->name, prefix, strlen(prefix)) != 0)
			break;
		buf_add_u64(&names, o->len_bytes);
		buf_add_block(&names, o->name, strlen(o->name) + 1);
	}
	pthread_mutex_unlock(&m->place->lock);
	if (names.failed)
		code = err_nomem(err);
	r = reader_of(names.data, names.failed ? 0 : names.len_bytes);
	while (code == ERR_NONE && r.left_bytes > 0) {
		uint64_t object_len_bytes = read_u64(&r);
		size_t name_bytes;
		const uint8_t *name = read_block(&r, OBJECT_NAME_MAX + 1, &name_bytes);

		code = each(ctx, (const char *)name, object_len_bytes);
	}
	buf_release(&names);
	return code;
}

static int mem_move(struct drive *d, const char *from, const char *to, struct error *err)
{
	struct mem_drive *m = (struct mem_drive *)d;
	struct object moved;
	char *new_name = NULL;
	bool found;
	size_t i;
	int code = object_name_check(from, err);

	if (code == ERR_NONE)
		code = object_name_check(to, err);
	if (code != ERR_NONE)
		return code;
	new_name = strdup(to);
	if (!new_name)
		return err_nomem(err);
	pthread_mutex_lock(&m->place->lock);
	i = find(&m->place->stored, from, &found);
	if (!found) {
		code = not_found(err, "move", from);
	} else if (lookup(&m->place->stored, to) || is_pending(m, to)) {
		code = err_set(err, ERR_EXISTS, "move %s to %s: the name is taken", from, to);
	} else {
		moved = m->place->stored.all[i];
		take_out(&m->place->stored, i);
		free(moved.name);
		moved.name = new_name;
		new_name = NULL;
		insert(&m->place->stored, &moved);
	}
	pthread_mutex_unlock(&m->place->lock);
	free(new_name);
	return code;
}

static int mem_remove(struct drive *d, const char *name, struct error *err)
{
	struct mem_drive *m = (struct mem_drive *)d;
	bool found;
	size_t i;
	int code = object_name_check(name, err);

	if (code != ERR_NONE)
		return code;
	pthread_mutex_lock(&m->place->lock);
	i = find(&m->place->stored, name, &found);
	if (found) {
		object_release(&m->place->stored.all[i]);
		take_out(&m->place->stored, i);
	}
	for (i = m->pending.count; i-- > 0;) {
		if (strcmp(m->pending.all[i].name, name) != 0)
			continue;
		object_release(&m->pending.all[i]);
		take_out(&m->pending, i);
	}
	pthread_mutex_unlock(&m->place->lock);
	return ERR_NONE;
}

/* Another handle of the same place may have stored the name meanwhile: equal bytes are fine. */
static int check_pending(const struct mem_drive *m, struct error *err)
{
	for (size_t i = 0; i < m->pending.count; i++) {
		const struct object *new = &m->pending.all[i];
		const struct object *old = lookup(&m->place->stored, new->name);

		if (old && (old->len_bytes != new->len_bytes ||
			    memcmp(old->bytes, new->bytes, new->len_bytes) != 0))
			return err_set(err, ERR_EXISTS, "sync %s: the name was taken meanwhile",
				       new->name);
	}
	return ERR_NONE;
}

static int mem_sync(struct drive *d, struct error *err)
{
	struct mem_drive *m = (struct mem_drive *)d;
	int code;

	pthread_mutex_lock(&m->place->lock);
	code = check_pending(m, err);
	if (code == ERR_NONE && !has_room(&m->place->stored, m->pending.count))
		code = err_nomem(err);
	for (size_t i = 0; i < m->pending.count; i++) {
		struct object *o = &m->pending.all[i];

		if (code == ERR_NONE && !lookup(&m->place->stored, o->name))
			insert(&m->place->stored, o);
		else
			object_release(o);
	}
	m->pending.count = 0;
	pthread_mutex_unlock(&m->place->lock);
	return code;
}

static int mem_about(struct drive *d, struct drive_about *out, struct error *err)
{
	struct mem_drive *m = (struct mem_drive *)d;

	(void)err;
	*out = (struct drive_about){ 0 };
	snprintf(out->domain, sizeof(out->domain), "memory %s", m->place->name);
	return ERR_NONE;
}

const struct mrmr_driver driver_mem = {
	.kind = "mem",
	.flags = DRIVER_LOCAL,
	.connections_max = 16,
	.open = mem_open,
	.close = mem_close,
	.put = mem_put,
	.get = mem_get,
	.stat = mem_stat,
	.list = mem_list,
	.move = mem_move,
	.remove = mem_remove,
	.sync = mem_sync,
	.about = mem_about,
};
