#include "seal/slot.h"

#include "seal/aead.h"
#include "seal/slot_json.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

#define SEALED_FIELDS_BYTES 128

static const uint8_t magic[8] = "MRMRSLOT";

static const struct cost {
	uint64_t passes, memory_bytes;
} costs[] = {
	[KDF_DEFAULT] = {3, (uint64_t)128 << 20},
	[KDF_SENSITIVE] = {4, (uint64_t)1 << 30},
};

/* Key-encryption key and what is derived from it; wiped after use. */
struct slot_keys {
	uint8_t kek[KEY_BYTES];
	uint8_t commitment[KEY_BYTES], wrap[KEY_BYTES];
};

/* All members but the wrapped master, in one fixed form: its additional data. */
static void encode_fields(const struct slot *slot, uint8_t out[SEALED_FIELDS_BYTES])
{
	memcpy(out, magic, sizeof(magic));
	store_u16(out + 8, FORMAT_NUMBER);
	out[10] = (uint8_t)slot->kind;
	out[11] = slot->kind == SLOT_PASSPHRASE;
	store_u32(out + 12, slot->epoch);
	store_u64(out + 16, (uint64_t)slot->created_s);
	store_u64(out + 24, slot->passes);
	store_u64(out + 32, slot->memory_bytes);
	memcpy(out + 40, slot->id.b, ID_BYTES);
	memcpy(out + 56, slot->array_id.b, ID_BYTES);
	memcpy(out + 72, slot->salt, sizeof(slot->salt));
	memcpy(out + 88, slot->commitment, sizeof(slot->commitment));
	store_u32(out + 120, slot->mandatory);
	store_u32(out + 124, slot->optional);
}

/* libsodium maps Argon2's memory for the one call and unmaps it before it returns. */
static int derive(const struct slot *slot, const struct secret *s, struct slot_keys *out,
		  struct error *err)
{
	const char *passphrase = s->len_bytes > 0 ? s->bytes : "";

	if (s->kind != SLOT_PASSPHRASE)
		memcpy(out->kek, s->bytes, KEY_BYTES);
	else if (crypto_pwhash_argon2id(out->kek, KEY_BYTES, passphrase, s->len_bytes, slot->salt,
					slot->passes, (size_t)slot->memory_bytes,
					crypto_pwhash_argon2id_ALG_ARGON2ID13) < 0)
		return err_set(err, ERR_NOMEM, "Argon2id did not get its %llu MiB of memory",
			       (unsigned long long)(slot->memory_bytes >> 20));
	crypto_kdf_derive_from_key(out->commitment, KEY_BYTES, 1, "mrmrslot", out->kek);
	crypto_kdf_derive_from_key(out->wrap, KEY_BYTES, 2, "mrmrslot", out->kek);
	return ERR_NONE;
}

static void commit(const struct slot *slot, const struct slot_keys *keys, uint8_t out[32])
{
	static const uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES] = "mrmr slot";
	uint8_t ids[2 * ID_BYTES];

	memcpy(ids, slot->id.b, ID_BYTES);
	memcpy(ids + ID_BYTES, slot->array_id.b, ID_BYTES);
	crypto_generichash_blake2b_salt_personal(out, 32, ids, sizeof(ids), keys->commitment,
						 KEY_BYTES, NULL, personal);
}

static int check_secret(const struct secret *s, bool allow_empty, struct error *err)
{
	if (s->kind == SLOT_PASSPHRASE && s->len_bytes == 0 && !allow_empty)
		return err_set(err, ERR_USAGE, "an empty passphrase");
	if (s->kind == SLOT_PASSPHRASE && s->len_bytes > crypto_pwhash_argon2id_PASSWD_MAX)
		return err_set(err, ERR_USAGE, "a passphrase of %zu bytes", s->len_bytes);
	if (s->kind != SLOT_PASSPHRASE && s->len_bytes != KEY_BYTES)
		return err_set(err, ERR_USAGE, "a key of %zu bytes, not %d", s->len_bytes,
			       KEY_BYTES);
	return ERR_NONE;
}

int slot_make(const struct keys *k, const struct secret *s, enum kdf_cost cost, bool allow_empty,
	      struct buf *json, struct id *id_out, struct error *err)
{
	struct slot slot = {
		.id = id_random(),
		.array_id = *keys_array_id(k),
		.kind = s->kind,
		.epoch = keys_epoch(k),
		.created_s = time(NULL),
	};
	uint8_t fields[SEALED_FIELDS_BYTES];
	struct slot_keys keys;
	int code = check_secret(s, allow_empty, err);

	if (code != ERR_NONE)
		return code;
	if (s->kind == SLOT_PASSPHRASE) {
		slot.passes = costs[cost].passes;
		slot.memory_bytes = costs[cost].memory_bytes;
		randombytes_buf(slot.salt, sizeof(slot.salt));
	}
	code = derive(&slot, s, &keys, err);
	if (code == ERR_NONE) {
		commit(&slot, &keys, slot.commitment);
		encode_fields(&slot, fields);
		aead_seal(keys.wrap, fields, sizeof(fields), keys_master(k), KEY_BYTES,
			  slot.wrapped);
		code = slot_print(&slot, json, err);
	}
	sodium_memzero(&keys, sizeof(keys));
	if (code == ERR_NONE)
		*id_out = slot.id;
	return code;
}

static int refuse(struct error *err)
{
	return err_set(err, ERR_KEY, WRONG_SECRET);
}

int slot_open(const struct slot *slot, const struct secret *s, uint64_t memory_limit_bytes,
	      uint8_t master[KEY_BYTES], struct error *err)
{
	uint8_t fields[SEALED_FIELDS_BYTES], commitment[32];
	struct slot_keys keys;
	int code;

	memset(master, 0, KEY_BYTES);
	if (s->kind != slot->kind || check_secret(s, true, err) != ERR_NONE)
		return refuse(err);
	if (slot->memory_bytes > memory_limit_bytes || slot->memory_bytes > SIZE_MAX)
		return err_set(err, ERR_UNSUPPORTED,
			       "the slot needs %llu MiB to open, above the limit of %llu MiB",
			       (unsigned long long)(slot->memory_bytes >> 20),
			       (unsigned long long)(memory_limit_bytes >> 20));
	code = derive(slot, s, &keys, err);
	if (code == ERR_NONE) {
		commit(slot, &keys, commitment);
		encode_fields(slot, fields);
		if (sodium_memcmp(commitment, slot->commitment, sizeof(commitment)) != 0 ||
		    !aead_open(keys.wrap, fields, sizeof(fields), slot->wrapped,
			       sizeof(slot->wrapped), master))
			code = refuse(err);
	}
	sodium_memzero(&keys, sizeof(keys));
	return code;
}

bool slot_is_cheaper(const struct slot *slot, enum kdf_cost cost)
{
	if (slot->kind != SLOT_PASSPHRASE)
		return false;
	return slot->passes < costs[cost].passes || slot->memory_bytes < costs[cost].memory_bytes;
}
