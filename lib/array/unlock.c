/*
 * Unlocking: from a secret to the keys. Slots and the ring lie on every drive and, as a
 * remembered copy, in the state folder. Slots that the state folder does not remember are
 * tried last, so that a slot planted on a drive is not the first to see a passphrase.
 */
#include "array/key_objects.h"
#include "array/object.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool names_ring(const char *name)
{
	return strncmp(name, "keys/ring-", 10) == 0;
}

static int slots_among(struct array *a, const struct key_names *names, slot_fn *each, void *ctx,
		       struct error *err)
{
	struct buf bytes = { 0 };
	int code = ERR_NONE;

	for (size_t i = 0; i < names->count && code == ERR_NONE; i++) {
		struct slot slot;

		if (names_ring(names->names[i]) ||
		    key_load(a, names->names[i], SLOT_BYTES_MAX, &bytes, err) != ERR_NONE ||
		    slot_parse(bytes.data, bytes.len_bytes, &slot, err) != ERR_NONE ||
		    !id_equal(&slot.array_id, &a->config.array_id))
			continue;
		code = each(ctx, names->names[i], &slot, err);
	}
	buf_release(&bytes);
	return code;
}

int array_slots(struct array *a, slot_fn *each, void *ctx, struct error *err)
{
	struct key_names names = { 0 };
	int code;

	key_names_collect(a, "keys/", &names);
	code = slots_among(a, &names, each, ctx, err);
	key_names_release(&names);
	return code;
}

struct unlocking {
	struct array *a;
	unsigned kinds; /* bit per kind that some slot has */
	const struct secret *secret;
	uint8_t *master; /* guarded */
	uint32_t epoch;
	bool opened;
	int code; /* of the last slot tried: the error worth showing */
	struct error err;
};

static int note_kind(void *ctx, const char *name, const struct slot *slot, struct error *err)
{
	struct unlocking *u = ctx;

	(void)name;
	(void)err;
	u->kinds |= 1u << slot->kind;
	return ERR_NONE;
}

static uint64_t kdf_limit_bytes(const struct array *a)
{
	return a->options.kdf_limit_bytes ? a->options.kdf_limit_bytes : KDF_MEMORY_LIMIT_BYTES;
}

static int try_slot(void *ctx, const char *name, const struct slot *slot, struct error *err)
{
	struct unlocking *u = ctx;
	struct error why;
	int code;

	(void)name;
	(void)err;
	if (slot->kind != u->secret->kind)
		return ERR_NONE;
	code = slot_open(slot, u->secret, kdf_limit_bytes(u->a), u->master, &why);
	if (code != ERR_NONE) {
		u->code = code;
		u->err = why;
		return ERR_NONE;
	}
	u->opened = true;
	u->epoch = slot->epoch;
	u->a->slot_used = slot->id;
	return 1; /* enough */
}

/* The ring that this master opens; older and foreign ones fail to. */
static int open_ring(struct array *a, const struct key_names *names, const struct unlocking *u,
		     struct error *err)
{
	struct buf bytes = { 0 };
	int code = err_set(err, ERR_LOST, "no key ring on any drive at hand");

	for (size_t i = 0; i < names->count; i++) {
		if (!names_ring(names->names[i]))
			continue;
		code = key_load(a, names->names[i], RING_BYTES_MAX, &bytes, err);
		if (code == ERR_NONE)
			code = ring_open(&a->config.array_id, u->epoch, u->master, bytes.data,
					 bytes.len_bytes, &a->keys_owned, err);
		if (code == ERR_NONE)
			break;
	}
	buf_release(&bytes);
	if (code == ERR_NONE)
		a->keys = a->keys_owned;
	return code;
}

static int unlock(struct array *a, const struct key_names *names, struct error *err)
{
	struct unlocking u = { .a = a };
	struct secret secret;
	int code;

	slots_among(a, names, note_kind, &u, err);
	if (u.kinds == 0)
		return err_set(err, ERR_ABSENT, "unlock: no key slot on any drive at hand");
	code = a->options.secret(a->options.secret_ctx, u.kinds, &secret, err);
	if (code != ERR_NONE)
		return code;
	u.secret = &secret;
	a->secret = secret;
	u.master = sodium_malloc(KEY_BYTES);
	if (!u.master)
		return err_nomem(err);
	u.code = err_set(&u.err, ERR_KEY, WRONG_SECRET);
	slots_among(a, names, try_slot, &u, err);
	if (u.opened) {
		code = open_ring(a, names, &u, err);
	} else {
		code = u.code;
		*err = u.err;
	}
	sodium_free(u.master);
	return code;
}

int array_unlock(struct array *a, struct error *err)
{
	struct key_names names = { 0 };
	int code;

	if (a->options.keys) {
		a->keys = a->options.keys;
		return ERR_NONE;
	}
	key_names_collect(a, "keys/", &names);
	code = unlock(a, &names, err);
	key_names_release(&names);
	return code;
}

struct settling {
	struct array *a;
	struct slot_facts facts;
	uint8_t *master; /* guarded */
	bool opened;
};

static int try_other(void *ctx, const char *name, const struct slot *slot, struct error *err)
{
	struct settling *s = ctx;
	struct error why;

	(void)name;
	(void)err;
	if (slot_fact_of(&s->facts, &slot->id) == SLOT_REMOVED ||
	    slot_open(slot, &s->a->secret, kdf_limit_bytes(s->a), s->master, &why) != ERR_NONE)
		return ERR_NONE;
	s->a->slot_used = slot->id;
	s->opened = true;
	return 1; /* enough */
}

int array_check_slot(struct array *a, struct error *err)
{
	struct settling s = { .a = a };
	int code = slot_facts_load(a->table, &s.facts, err);

	if (code != ERR_NONE || id_is_zero(&a->slot_used) ||
	    slot_fact_of(&s.facts, &a->slot_used) != SLOT_REMOVED)
		goto out;
	/* The same secret may have a slot that counts: a passphrase that was changed to itself. */
	s.master = sodium_malloc(KEY_BYTES);
	if (!s.master)
		code = err_nomem(err);
	else
		array_slots(a, try_other, &s, err);
	if (code == ERR_NONE && !s.opened)
		code = err_set(err, ERR_KEY, WRONG_SECRET);
out:
	slot_facts_release(&s.facts);
	sodium_free(s.master);
	return code;
}

int array_store_ring(struct array *a, struct error *err)
{
	struct buf ring = { 0 };
	char name[OBJECT_NAME_MAX + 1], hex[HASH_HEX_BYTES];
	struct hash h;
	int code = ring_make(a->keys, &ring, err);

	if (code == ERR_NONE) {
		h = sha256(ring.data, ring.len_bytes);
		hex_encode(h.b, HASH_BYTES, hex);
		snprintf(name, sizeof(name), "keys/ring-%s", hex);
		code = array_store_key(a, name, &ring, err);
	}
	buf_release(&ring);
	return code;
}

/* A slot that does not open again must never be the only one. */
static int check_slot(const struct array *a, const struct secret *s, const struct buf *json,
		      struct error *err)
{
	uint8_t *master = sodium_malloc(KEY_BYTES);
	struct slot slot;
	int code = master ? slot_parse(json->data, json->len_bytes, &slot, err) : err_nomem(err);

	if (code == ERR_NONE)
		code = slot_open(&slot, s, UINT64_MAX, master, err);
	if (code == ERR_NONE && sodium_memcmp(master, keys_master(a->keys), KEY_BYTES) != 0)
		code = err_set(err, ERR_CORRUPT, "the new key slot does not open");
	sodium_free(master);
	return code;
}

int array_add_slot(struct array *a, const struct secret *s, enum kdf_cost cost, bool allow_empty,
		   struct buf *records, struct error *err)
{
	struct buf json = { 0 };
	char name[OBJECT_NAME_MAX + 1], id_hex[ID_HEX_BYTES], hash_hex[HASH_HEX_BYTES];
	struct hash h;
	struct id id;
	int code = slot_make(a->keys, s, cost, allow_empty, &json, &id, err);

	if (code == ERR_NONE)
		code = check_slot(a, s, &json, err);
	if (code == ERR_NONE) {
		h = sha256(json.data, json.len_bytes);
		hex_encode(id.b, ID_BYTES, id_hex);
		hex_encode(h.b, HASH_BYTES, hash_hex);
		snprintf(name, sizeof(name), "keys/%s-%s.json", id_hex, hash_hex);
		code = array_store_key(a, name, &json, err);
	}
	if (code == ERR_NONE)
		record_slot(records, &id, true);
	buf_release(&json);
	return code;
}
