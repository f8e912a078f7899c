#include "array/keyslots.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct listing_slots {
	struct slot_list *list;
	struct slot_facts facts;
};

static int add_slot(void *ctx, const char *name, const struct slot *slot, struct error *err)
{
	struct listing_slots *s = ctx;
	struct slot_list *l = s->list;

	(void)name;
	if (slot_list_by_id(l, &slot->id))
		return ERR_NONE;
	if (!grow(&l->items, &l->cap, l->count + 1, sizeof(*l->items)))
		return err_nomem(err);
	l->items[l->count++] = (struct slot_entry){ *slot, slot_fact_of(&s->facts, &slot->id) };
	return ERR_NONE;
}

static int by_age(const void *x, const void *y)
{
	const struct slot *a = &((const struct slot_entry *)x)->slot;
	const struct slot *b = &((const struct slot_entry *)y)->slot;

	if (a->created_s != b->created_s)
		return a->created_s < b->created_s ? -1 : 1;
	return memcmp(a->id.b, b->id.b, ID_BYTES);
}

int slot_list_load(struct array *a, struct slot_list *out, struct error *err)
{
	struct listing_slots s = { .list = out };
	int code;

	memset(out, 0, sizeof(*out));
	code = slot_facts_load(a->table, &s.facts, err);
	if (code == ERR_NONE)
		code = array_slots(a, add_slot, &s, err);
	slot_facts_release(&s.facts);
	if (code != ERR_NONE)
		slot_list_release(out);
	else if (out->count > 0)
		qsort(out->items, out->count, sizeof(*out->items), by_age);
	return code;
}

void slot_list_release(struct slot_list *l)
{
	free(l->items);
	memset(l, 0, sizeof(*l));
}

const struct slot_entry *slot_list_by_id(const struct slot_list *l, const struct id *id)
{
	for (size_t i = 0; i < l->count; i++) {
		if (id_equal(&l->items[i].slot.id, id))
			return &l->items[i];
	}
	return NULL;
}

int slot_list_find(const struct slot_list *l, const char *prefix, const struct slot_entry **out,
		   struct error *err)
{
	size_t len = strlen(prefix), found = 0;
	char hex[ID_HEX_BYTES];

	for (size_t i = 0; i < l->count && len > 0; i++) {
		hex_encode(l->items[i].slot.id.b, ID_BYTES, hex);
		if (strncmp(hex, prefix, len) != 0)
			continue;
		*out = &l->items[i];
		found++;
	}
	if (found > 1)
		return err_set(err, ERR_USAGE, "slot %s: %zu ids begin so, give more of it", prefix,
			       found);
	if (found == 0)
		return err_set(err, ERR_NOT_FOUND, "slot %s: there is none", prefix);
	return ERR_NONE;
}

static size_t count_known(const struct slot_list *l, const struct id *but)
{
	size_t known = 0;

	for (size_t i = 0; i < l->count; i++)
		known += l->items[i].fact == SLOT_KNOWN &&
			 !(but && id_equal(&l->items[i].slot.id, but));
	return known;
}

/* The id of the slot that this record, the only one, says is present. */
static struct id recorded_slot(const struct buf *records)
{
	struct reader r = reader_of(records->data, records->len_bytes), body;
	struct error ignored;
	struct id id = { { 0 } };
	bool mandatory, present;
	uint64_t type;

	if (record_next(&r, &type, &mandatory, &body))
		parse_slot(body, &id, &present, &ignored);
	return id;
}

int keyslot_add(struct array *a, const struct secret *s, enum kdf_cost cost, bool allow_empty,
		struct id *id_out, struct error *err)
{
	struct slot_list list;
	struct buf records = { 0 };
	int code = slot_list_load(a, &list, err);

	if (code != ERR_NONE)
		return code;
	if (count_known(&list, NULL) >= SLOTS_MAX)
		code = err_set(err, ERR_USAGE, "there are %d key slots, more do not fit: remove one "
					       "first", SLOTS_MAX);
	slot_list_release(&list);
	if (code == ERR_NONE)
		code = array_add_slot(a, s, cost, allow_empty, &records, err);
	if (code == ERR_NONE)
		code = array_commit(a, &records, NULL, err);
	if (code == ERR_NONE)
		*id_out = recorded_slot(&records);
	buf_release(&records);
	return code;
}

int keyslot_remove(struct array *a, const struct id *id, struct error *err)
{
	struct slot_list list;
	struct buf records = { 0 };
	int code = slot_list_load(a, &list, err);

	if (code != ERR_NONE)
		return code;
	if (count_known(&list, id) == 0)
		code = err_set(err, ERR_USAGE, "it is the only key slot: without it nothing opens the "
					       "array");
	slot_list_release(&list);
	record_slot(&records, id, false);
	if (code == ERR_NONE)
		code = array_commit(a, &records, NULL, err);
	if (code == ERR_NONE)
		code = array_drop_slot(a, id, err);
	buf_release(&records);
	return code;
}

/* Whether the secret that opened the array has a slot of today's cost already: its id. */
static bool has_dear_slot(const struct array *a, const struct slot_list *l, struct id *id_out)
{
	uint8_t *master = sodium_malloc(KEY_BYTES);
	bool found = false;

	for (size_t i = 0; i < l->count && master && !found; i++) {
		const struct slot *s = &l->items[i].slot;
		struct error why;

		found = s->kind == SLOT_PASSPHRASE && l->items[i].fact == SLOT_KNOWN &&
			!slot_is_cheaper(s, KDF_DEFAULT) &&
			slot_open(s, &a->secret, KDF_MEMORY_LIMIT_BYTES, master, &why) == ERR_NONE;
		if (found)
			*id_out = s->id;
	}
	sodium_free(master);
	return found;
}

static int raise_slot(struct array *a, const struct slot_list *l, struct error *err)
{
	const struct slot_entry *old = slot_list_by_id(l, &a->slot_used);
	struct id old_id, id;
	int code = ERR_NONE;

	if (!old || old->fact != SLOT_KNOWN || !slot_is_cheaper(&old->slot, KDF_DEFAULT))
		return ERR_NONE;
	old_id = old->slot.id;
	/* There is one when a run was cut off between the two steps. */
	if (!has_dear_slot(a, l, &id))
		code = keyslot_add(a, &a->secret, KDF_DEFAULT, a->secret.len_bytes == 0, &id, err);
	if (code != ERR_NONE)
		return code;
	a->slot_used = id;
	code = keyslot_remove(a, &old_id, err);
	if (code == ERR_NONE)
		array_tell(a, TELL_INFO, "the passphrase's key slot was made anew: the old one was "
					 "cheaper to guess at than new ones are");
	return code;
}

void keyslot_raise(struct array *a)
{
	struct slot_list list;
	struct error why;
	int code;

	if (a->secret.kind != SLOT_PASSPHRASE || id_is_zero(&a->slot_used))
		return;
	code = slot_list_load(a, &list, &why);
	if (code == ERR_NONE)
		code = raise_slot(a, &list, &why);
	slot_list_release(&list);
	if (code != ERR_NONE)
		array_tell(a, TELL_WARNING, "make the passphrase's key slot anew: %s", why.message);
}
