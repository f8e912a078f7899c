#include "care/inspect.h"

#include "array/object.h"
#include "array/opening.h"
#include "base/stop.h"
#include "care/deep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define QUICK_TOLD 4

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

void inspect_note(struct scrub_drive *result, int code)
{
	result->damaged++;
	if (code != ERR_CORRUPT && code != ERR_NOT_FOUND)
		result->unread++;
}

/* ---- what should be there, and what is ---- */

struct listing {
	struct inspection *i;
	struct stray_list *strays;
};

/* What should be there is noted as listed. */
static bool is_expected(struct inspection *i, const char *name, uint64_t len_bytes)
{
	bool is_row = strncmp(name, "parity/", strlen("parity/")) == 0;
	const struct roll_object *o;
	struct hash sha256;

	if (!object_name_hash(name, &sha256))
		return false;
	o = roll_find(&i->roll, &sha256, is_row);
	if (!o || strcmp(roll_table_object(o).name, name) != 0)
		return false;
	roll_list(&i->roll, &sha256, is_row, len_bytes);
	return true;
}

static int collect_stray(void *ctx, const char *name, uint64_t len_bytes)
{
	struct listing *l = ctx;
	struct stray *s;

	if (is_expected(l->i, name, len_bytes))
		return 0;
	if (!grow(&l->strays->items, &l->strays->cap, l->strays->count + 1,
		  sizeof(*l->strays->items)))
		return ERR_NOMEM;
	s = &l->strays->items[l->strays->count++];
	s->drive = l->i->drive;
	s->len_bytes = len_bytes;
	snprintf(s->name, sizeof(s->name), "%s", name);
	return 0;
}

/* A drive that cannot be listed becomes unreachable, and keeps the others from nothing. */
static int list_drive(struct inspection *i, struct stray_list *strays, struct error *err)
{
	static const char *const prefixes[] = { "blocks/", "parity/" };
	struct drive *h = i->drive->handle;
	struct listing l = { i, strays };

	for (unsigned n = 0; n < 2; n++) {
		int code = h->driver->list(h, prefixes[n], collect_stray, &l, err);

		if (code == ERR_NOMEM)
			return err_nomem(err);
		if (code == ERR_INTERRUPTED)
			return code;
		if (code != ERR_NONE) {
			drive_leave_out(i->drive, DRIVE_UNREACHABLE, "%s", err->message);
			break;
		}
	}
	return ERR_NONE;
}

int inspect_list(struct inspecting *in, struct inspection *i, struct stray_list *strays,
		 struct error *err)
{
	struct roll_choice choice = in->o->choice;
	int code = roll_load(in->a->table, &i->drive->id, &i->roll, err);

	choice.unlisted = true;
	if (code == ERR_NONE)
		code = list_drive(i, strays, err);
	if (code == ERR_NONE)
		code = roll_choose(&i->roll, &choice, time(NULL), err);
	return code;
}

/* ---- objects ---- */

struct job {
	struct inspecting *in;
	struct inspection *i;
	struct roll_object *object;
};

static void note_failed(struct inspecting *in, int code, const struct error *why)
{
	if (in->failed == ERR_NONE) {
		in->failed = code;
		in->why = *why;
	}
}

static void note_damage(const struct job *j, int code, bool unopened, const struct error *why)
{
	struct damage_list *l = &j->in->damage;
	struct error err;

	/* A drive that was emptied lacks thousands: who asked for no scrub is told of a few, and how many. */
	if (!j->in->o->quick || j->i->result->damaged < QUICK_TOLD)
		array_tell(j->in->a, TELL_WARNING, "drive %s: %s", j->i->drive->name, why->message);
	inspect_note(j->i->result, code);
	j->i->result->unopened += unopened;
	if (!grow(&l->items, &l->cap, l->count + 1, sizeof(*l->items))) {
		note_failed(j->in, err_nomem(&err), &err);
		return;
	}
	l->items[l->count++] = (struct damage){
		.drive = j->i->drive,
		.in_roll = j->object,
		.object = roll_table_object(j->object),
		.sure = code == ERR_CORRUPT || code == ERR_NOT_FOUND,
		.unopened = unopened,
	};
}

static void note(const struct job *j, int code, bool unopened, const struct error *why)
{
	struct scrub_drive *result = j->i->result;

	pthread_mutex_lock(&j->in->lock);
	if (code == ERR_INTERRUPTED || code == ERR_NOMEM) {
		note_failed(j->in, code, why);
	} else {
		result->objects++;
		result->bytes += j->object->len_bytes;
		j->object->whole = code == ERR_NONE;
		if (code != ERR_NONE)
			note_damage(j, code, unopened, why);
	}
	pthread_mutex_unlock(&j->in->lock);
}

static int read_object(const struct job *j, const struct table_object *o, bool *unopened,
		       struct error *err)
{
	if (j->in->loader && !o->is_row)
		return deep_check_block(j->in->a, j->in->loader, j->i->drive, o, unopened, err);
	return object_verify(j->i->drive->handle, o->name, o->len_bytes, err);
}

static void check_object(void *arg)
{
	struct job *j = arg;
	struct table_object object = roll_table_object(j->object);
	struct counters *counters = j->in->o->counters;
	struct error err;
	bool unopened = false;
	int code = stop_check(&err);

	if (code == ERR_NONE) {
		counters_name(counters, object.name);
		code = read_object(j, &object, &unopened, &err);
		/* Bytes that were changed on their way, and not where they lie, are others now: what is
		 * beyond repair is declared lost for good. */
		if (code == ERR_CORRUPT && !unopened)
			code = read_object(j, &object, &unopened, &err);
		counters_add(counters, 1, object.len_bytes);
	}
	counters_queue(counters, (unsigned)(j->i->drive - j->in->a->drives), -1);
	note(j, code, unopened, &err);
	free(j);
}

/* The drive of whose chosen bytes the smallest part was read: so all get their share of a time that
 * does not suffice. */
static struct inspection *next_drive(struct inspecting *in)
{
	struct inspection *best = NULL;
	double least = 0;

	for (unsigned n = 0; n < in->count; n++) {
		struct inspection *i = &in->drives[n];
		double part = (double)i->begun_bytes / (double)(i->roll.chosen_bytes + 1);

		if (i->next < i->roll.chosen && (!best || part < least)) {
			best = i;
			least = part;
		}
	}
	return best;
}

static int begin_object(struct inspecting *in, struct inspection *i, struct error *err)
{
	struct job *j = malloc(sizeof(*j));

	if (!j)
		return err_nomem(err);
	*j = (struct job){ in, i, &i->roll.objects[i->roll.order[i->next++]] };
	i->begun_bytes += j->object->len_bytes;
	counters_queue(in->o->counters, (unsigned)(i->drive - in->a->drives), 1);
	pool_add(in->pool, check_object, j);
	return ERR_NONE;
}

int inspect_objects(struct inspecting *in, inspect_pause_fn *pause, void *ctx, bool *done,
		    struct error *err)
{
	struct inspection *i = NULL;
	int code = ERR_NONE;

	while (code == ERR_NONE && (i = next_drive(in)) && !pause(ctx)) {
		code = stop_check(err);
		if (code == ERR_NONE)
			code = begin_object(in, i, err);
	}
	pool_wait(in->pool);
	*done = !i;
	if (code == ERR_NONE && in->failed != ERR_NONE) {
		code = in->failed;
		*err = in->why;
	}
	return code;
}

static int by_drive_and_name(const void *x, const void *y)
{
	const struct damage *a = x, *b = y;

	if (a->drive != b->drive)
		return a->drive < b->drive ? -1 : 1;
	return strcmp(a->object.name, b->object.name);
}

void inspect_sort_damage(struct inspecting *in)
{
	if (in->damage.count > 0)
		qsort(in->damage.items, in->damage.count, sizeof(*in->damage.items),
		      by_drive_and_name);
}
