#include "seal/keys.h"

#include "seal/box.h"
#include "seal/subkey.h"

#include <sodium.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define BOX_TYPES (OBJECT_WRITER + 1)

_Static_assert(KEY_BYTES == crypto_kdf_KEYBYTES, "masters are derived from by crypto_kdf");

/* A ring's plain bytes are the beginning of this: all but the current master. */
struct lasting {
	uint8_t id_key[KEY_BYTES], cutter_key[KEY_BYTES];
	uint8_t masters[KEY_EPOCHS_MAX][KEY_BYTES]; /* of epoch i + 1 */
};
_Static_assert(sizeof(struct lasting) == (2 + KEY_EPOCHS_MAX) * KEY_BYTES, "no gaps");

struct keys {
	struct id array_id;
	uint32_t epoch;
	struct lasting secret;
	uint8_t box_keys[KEY_EPOCHS_MAX][BOX_TYPES][KEY_BYTES];
};

int seal_start(struct error *err)
{
	const struct rlimit none = {0, 0};

	if (sodium_init() < 0)
		return err_set(err, ERR_UNSUPPORTED, "libsodium cannot start");
	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_errno(err, "forbid core dumps");
	return ERR_NONE;
}

/* Writable until keys_finish(). NULL: out of memory. */
static struct keys *keys_alloc(const struct id *array_id, uint32_t epoch)
{
	struct keys *k = sodium_malloc(sizeof(*k));

	if (!k)
		return NULL;
	memset(k, 0, sizeof(*k));
	k->array_id = *array_id;
	k->epoch = epoch;
	return k;
}

static void derive_box_keys(struct keys *k, uint32_t epoch)
{
	for (unsigned type = OBJECT_BLOCK; type < BOX_TYPES; type++)
		crypto_kdf_derive_from_key(k->box_keys[epoch - 1][type], KEY_BYTES, type,
					   "mrmr-box", k->secret.masters[epoch - 1]);
}

/* Derives now what every seal would otherwise derive anew; nothing is written from here on.
 * Takes k: on an error it is freed. */
static int keys_finish(struct keys *k, struct keys **out, struct error *err)
{
	for (uint32_t epoch = 1; epoch <= k->epoch; epoch++)
		derive_box_keys(k, epoch);
	if (sodium_mprotect_readonly(k) < 0) {
		keys_free(k);
		return err_errno(err, "protect the keys in memory");
	}
	*out = k;
	return ERR_NONE;
}

int keys_new(const struct id *array_id, struct keys **out, struct error *err)
{
	struct keys *k = keys_alloc(array_id, 1);

	if (!k)
		return err_nomem(err);
	randombytes_buf(k->secret.id_key, KEY_BYTES);
	randombytes_buf(k->secret.cutter_key, KEY_BYTES);
	randombytes_buf(k->secret.masters[0], KEY_BYTES);
	return keys_finish(k, out, err);
}

int keys_rotate(const struct keys *k, struct keys **out, struct error *err)
{
	struct keys *next;

	if (k->epoch >= KEY_EPOCHS_MAX)
		return err_set(err, ERR_FULL, "the master key was changed %u times already",
			       k->epoch - 1);
	next = keys_alloc(&k->array_id, k->epoch + 1);
	if (!next)
		return err_nomem(err);
	next->secret = k->secret;
	randombytes_buf(next->secret.masters[k->epoch], KEY_BYTES);
	return keys_finish(next, out, err);
}

void keys_free(struct keys *k)
{
	sodium_free(k);
}

uint32_t keys_epoch(const struct keys *k)
{
	return k->epoch;
}

const struct id *keys_array_id(const struct keys *k)
{
	return &k->array_id;
}

const uint8_t *keys_master(const struct keys *k)
{
	return k->secret.masters[k->epoch - 1];
}

const uint8_t *keys_subkey(const struct keys *k, unsigned type, uint32_t epoch)
{
	if (type < OBJECT_BLOCK || type >= BOX_TYPES || epoch < 1 || epoch > k->epoch)
		return NULL;
	return k->box_keys[epoch - 1][type];
}

static size_t ring_plain_bytes(uint32_t epoch)
{
	return (2 + (size_t)epoch - 1) * KEY_BYTES;
}

int ring_make(const struct keys *k, struct buf *out, struct error *err)
{
	const size_t plain_bytes = ring_plain_bytes(k->epoch);
	const size_t need_bytes = HEADER_BYTES + plain_bytes + BOX_OVERHEAD_BYTES;
	const struct object_header h = {
		.type = OBJECT_RING,
		.epoch = k->epoch,
		.array_id = k->array_id,
		.uid = id_random(),
	};
	struct box_place place = {.kind = BOX_KEYS};
	uint8_t *at;
	int code;

	if (!buf_reserve(out, need_bytes))
		return err_nomem(err);
	at = out->data + out->len_bytes;
	header_encode(&h, at);
	place.header = at;
	code = box_seal(k, &place, &k->secret, plain_bytes, at + HEADER_BYTES, err);
	if (code == ERR_NONE)
		out->len_bytes += need_bytes;
	return code;
}

int ring_open(const struct id *array_id, uint32_t epoch, const uint8_t master[KEY_BYTES],
	      const void *bytes, size_t len_bytes, struct keys **out, struct error *err)
{
	struct box_place place = {.header = bytes, .kind = BOX_KEYS};
	struct object_header h;
	struct keys *k;
	int code = header_decode(bytes, len_bytes, OBJECT_RING, array_id, &h, err);

	if (code != ERR_NONE)
		return err_wrap(err, "key ring");
	if (h.epoch != epoch || epoch > KEY_EPOCHS_MAX)
		return err_set(err, ERR_CORRUPT, "key ring: of epoch %u, not %u", h.epoch, epoch);
	if (len_bytes != HEADER_BYTES + ring_plain_bytes(epoch) + BOX_OVERHEAD_BYTES)
		return err_set(err, ERR_CORRUPT, "key ring: %zu bytes for epoch %u", len_bytes,
			       epoch);
	k = keys_alloc(array_id, epoch);
	if (!k)
		return err_nomem(err);
	memcpy(k->secret.masters[epoch - 1], master, KEY_BYTES);
	derive_box_keys(k, epoch);
	/* The plain bytes end where the current master begins. */
	code = box_open(k, &place, (const uint8_t *)bytes + HEADER_BYTES, len_bytes - HEADER_BYTES,
			k->secret.id_key, err);
	if (code != ERR_NONE) {
		keys_free(k);
		return err_wrap(err, "key ring");
	}
	return keys_finish(k, out, err);
}

struct id id_random(void)
{
	struct id id;

	randombytes_buf(id.b, ID_BYTES);
	return id;
}

/* BLAKE2b personalisations: what a hash is for. */
#define PURPOSE_BYTES crypto_generichash_blake2b_PERSONALBYTES
static const uint8_t for_chunk[PURPOSE_BYTES] = "mrmr chunk id";
static const uint8_t for_head[PURPOSE_BYTES] = "mrmr head";
static const uint8_t for_marker[PURPOSE_BYTES] = "mrmr marker";
static const uint8_t for_cutter[PURPOSE_BYTES] = "mrmr cutter";

/* previous may be NULL. */
static struct hash keyed_hash(const uint8_t key[KEY_BYTES], const uint8_t purpose[PURPOSE_BYTES],
			      const struct hash *previous, const void *bytes, size_t len_bytes)
{
	crypto_generichash_blake2b_state state;
	struct hash h;

	crypto_generichash_blake2b_init_salt_personal(&state, key, KEY_BYTES, HASH_BYTES, NULL,
						      purpose);
	if (previous)
		crypto_generichash_blake2b_update(&state, previous->b, HASH_BYTES);
	crypto_generichash_blake2b_update(&state, bytes, len_bytes);
	crypto_generichash_blake2b_final(&state, h.b, HASH_BYTES);
	sodium_memzero(&state, sizeof(state)); /* its buffer begins with the key */
	return h;
}

struct hash chunk_id(const struct keys *k, const void *bytes, size_t len_bytes)
{
	return keyed_hash(k->secret.id_key, for_chunk, NULL, bytes, len_bytes);
}

struct hash head_hash(const struct keys *k, const struct hash *previous, const void *bytes,
		      size_t len_bytes)
{
	return keyed_hash(k->secret.id_key, for_head, previous, bytes, len_bytes);
}

struct hash marker_mac(const struct keys *k, const void *bytes, size_t len_bytes)
{
	return keyed_hash(k->secret.id_key, for_marker, NULL, bytes, len_bytes);
}

uint64_t cutter_entry(const struct keys *k, uint8_t i)
{
	struct hash h = keyed_hash(k->secret.cutter_key, for_cutter, NULL, &i, 1);

	return load_u64(h.b);
}
