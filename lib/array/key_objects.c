#include "array/key_objects.h"

#include "array/object.h"
#include "array/watched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_NAMES_MAX 1024 /* a hostile drive may list more: the rest is not looked at */

struct drive *key_place(struct array *a, unsigned i)
{
	if (i == 0)
		return a->mirror;
	return a->drives[i - 1].presence == DRIVE_PRESENT ? a->drives[i - 1].handle : NULL;
}

const char *key_place_name(const struct array *a, unsigned i)
{
	return i == 0 ? "the state folder" : a->drives[i - 1].name;
}

/* ---- names ---- */

static int collect_name(void *ctx, const char *name, uint64_t len_bytes)
{
	struct key_names *n = ctx;

	(void)len_bytes;
	for (size_t i = 0; i < n->count; i++) {
		if (strcmp(n->names[i], name) == 0)
			return 0;
	}
	if (n->count == KEY_NAMES_MAX ||
	    !grow(&n->names, &n->cap, n->count + 1, sizeof(*n->names)))
		return 0;
	snprintf(n->names[n->count++], OBJECT_NAME_MAX + 1, "%s", name);
	return 0;
}

void key_names_collect(struct array *a, const char *prefix, struct key_names *out)
{
	struct list_call *begun[DRIVES_MAX + 1] = { NULL };
	struct error ignored;

	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i <= a->count; i++) {
		if (key_place(a, i))
			begun[i] = list_begin(key_place(a, i), prefix);
	}
	for (unsigned i = 0; i <= a->count; i++) {
		struct drive *place = key_place(a, i);

		/* What one place does not list, the others have too. */
		if (place)
			list_end(begun[i], place, prefix, collect_name, out, &ignored);
	}
}

void key_names_release(struct key_names *n)
{
	free(n->names);
	memset(n, 0, sizeof(*n));
}

int key_load(struct array *a, const char *name, size_t max_bytes, struct buf *out,
	     struct error *err)
{
	int code = err_set(err, ERR_NOT_FOUND, "%s: on no drive", name);

	for (unsigned i = 0; i <= a->count && code != ERR_NONE; i++) {
		struct drive *place = key_place(a, i);

		if (!place)
			continue;
		buf_clear(out);
		code = object_get(place, name, max_bytes, out, err);
	}
	return code;
}

/* ---- what the journals say ---- */

static int add_fact(void *ctx, const struct id *id, bool present, struct error *err)
{
	struct slot_facts *f = ctx;

	if (!grow(&f->slots, &f->cap, f->count + 1, sizeof(*f->slots)))
		return err_nomem(err);
	f->slots[f->count].id = *id;
	f->slots[f->count++].present = present;
	return ERR_NONE;
}

int slot_facts_load(struct table *t, struct slot_facts *out, struct error *err)
{
	int code;

	memset(out, 0, sizeof(*out));
	code = table_slots(t, add_fact, out, err);
	if (code != ERR_NONE)
		slot_facts_release(out);
	return code;
}

void slot_facts_release(struct slot_facts *f)
{
	free(f->slots);
	memset(f, 0, sizeof(*f));
}

enum slot_fact slot_fact_of(const struct slot_facts *f, const struct id *slot_id)
{
	for (size_t i = 0; i < f->count; i++) {
		if (id_equal(&f->slots[i].id, slot_id))
			return f->slots[i].present ? SLOT_KNOWN : SLOT_REMOVED;
	}
	return f->count > 0 ? SLOT_UNKNOWN : SLOT_KNOWN;
}

enum slot_fact slot_fact_of_name(const struct slot_facts *f, const char *name)
{
	struct hash sha256;
	struct id id;

	if (ring_name_parse(name, &sha256))
		return SLOT_KNOWN;
	return slot_name_parse(name, &id, &sha256) ? slot_fact_of(f, &id) : SLOT_UNKNOWN;
}

/* ---- storing and removing ---- */

static int put_at(struct drive *place, const char *name, const struct buf *bytes,
		  struct error *err)
{
	int code = object_put(place, name, bytes->data, bytes->len_bytes, err);

	if (code == ERR_NONE)
		code = place->driver->sync(place, err);
	/* A key is there only when it reads back. */
	return code == ERR_NONE ? object_verify(place, name, bytes->len_bytes, err) : code;
}

int array_store_key(struct array *a, const char *name, const struct buf *bytes, struct error *err)
{
	unsigned stored = 0;
	int code = ERR_NONE;

	for (unsigned i = 0; i <= a->count; i++) {
		struct drive *place = key_place(a, i);

		if (!place)
			continue;
		code = put_at(place, name, bytes, err);
		if (code == ERR_NONE)
			stored += i > 0;
		else
			array_tell(a, TELL_WARNING, "store a key: %s: on %s", err->message,
				   key_place_name(a, i));
	}
	if (stored > 0)
		return ERR_NONE;
	return code != ERR_NONE ? code : err_set(err, ERR_ABSENT, "store a key: no drive at hand");
}

/* From every place. The first error is returned when all was tried. */
static int remove_everywhere(struct array *a, const char *name, struct error *err)
{
	int first = ERR_NONE;

	for (unsigned i = 0; i <= a->count; i++) {
		struct drive *place = key_place(a, i);
		struct error why;
		int code;

		if (!place)
			continue;
		code = place->driver->remove(place, name, &why);
		if (code == ERR_NONE)
			code = place->driver->sync(place, &why);
		if (code == ERR_NONE)
			continue;
		array_tell(a, TELL_WARNING, "remove a key: %s: on %s", why.message,
			   key_place_name(a, i));
		if (first == ERR_NONE) {
			first = code;
			*err = why;
		}
	}
	return first;
}

int array_drop_slot(struct array *a, const struct id *slot_id, struct error *err)
{
	struct key_names names;
	int first = ERR_NONE;

	key_names_collect(a, "keys/", &names);
	for (size_t n = 0; n < names.count; n++) {
		struct hash sha256;
		struct error why;
		struct id id;
		int code;

		if (!slot_name_parse(names.names[n], &id, &sha256) || !id_equal(&id, slot_id))
			continue;
		code = remove_everywhere(a, names.names[n], &why);
		if (code != ERR_NONE && first == ERR_NONE) {
			first = code;
			*err = why;
		}
	}
	key_names_release(&names);
	return first;
}

int array_drop_removed_slots(struct array *a, struct error *err)
{
	struct slot_facts facts;
	struct key_names names;
	struct error told;
	int code = slot_facts_load(a->table, &facts, err);

	if (code != ERR_NONE)
		return code;
	key_names_collect(a, "keys/", &names);
	for (size_t n = 0; n < names.count; n++) {
		if (slot_fact_of_name(&facts, names.names[n]) == SLOT_REMOVED)
			remove_everywhere(a, names.names[n], &told);
	}
	slot_facts_release(&facts);
	key_names_release(&names);
	return ERR_NONE;
}

/* To the places that lack it. A place that does not take it is told. */
static void copy_everywhere(struct array *a, const char *name, struct buf *scratch)
{
	struct object_stat st;
	struct error why;

	if (key_load(a, name, RING_BYTES_MAX, scratch, &why) != ERR_NONE)
		return;
	for (unsigned i = 0; i <= a->count; i++) {
		struct drive *place = key_place(a, i);

		if (place && place->driver->stat(place, name, &st, &why) == ERR_NOT_FOUND &&
		    put_at(place, name, scratch, &why) != ERR_NONE)
			array_tell(a, TELL_WARNING, "store a key: %s: on %s", why.message,
				   key_place_name(a, i));
	}
}

int array_spread_keys(struct array *a, struct error *err)
{
	struct slot_facts facts;
	struct key_names names;
	struct buf scratch = { 0 };
	int code = slot_facts_load(a->table, &facts, err);

	if (code != ERR_NONE)
		return code;
	key_names_collect(a, "keys/", &names);
	for (size_t n = 0; n < names.count; n++) {
		if (slot_fact_of_name(&facts, names.names[n]) == SLOT_KNOWN)
			copy_everywhere(a, names.names[n], &scratch);
	}
	slot_facts_release(&facts);
	key_names_release(&names);
	buf_release(&scratch);
	return array_drop_removed_slots(a, err);
}
