#include "seal/box.h"

#include "seal/aead.h"
#include "seal/subkey.h"

#include <assert.h>
#include <string.h>

#define PLACE_BYTES (HEADER_BYTES + 1 + 8 + BOX_EXTRA_MAX)

_Static_assert(BOX_OVERHEAD_BYTES == AEAD_OVERHEAD_BYTES, "a box is nonce, ciphertext, tag");

/* Where the header keeps what decides on the key; see seal/header.h. */
#define HEADER_TYPE_AT 10
#define HEADER_EPOCH_AT 24
#define HEADER_ARRAY_AT 32

/* The key that the header names, lent. NULL: err is set. */
static const uint8_t *find_key(const struct keys *k, const uint8_t *header, struct error *err)
{
	unsigned type = header[HEADER_TYPE_AT];
	uint32_t epoch = load_u32(header + HEADER_EPOCH_AT);
	const uint8_t *key = keys_subkey(k, type, epoch);

	if (memcmp(header + HEADER_ARRAY_AT, keys_array_id(k)->b, ID_BYTES) != 0) {
		err_set(err, ERR_CORRUPT, "belongs to another array");
		return NULL;
	}
	if (!key)
		err_set(err, ERR_CORRUPT, "sealed under unknown key %u of epoch %u", type, epoch);
	return key;
}

/* The additional data; returns its length. */
static size_t encode_place(const struct box_place *place, uint8_t out[PLACE_BYTES])
{
	assert(place->extra_bytes <= BOX_EXTRA_MAX);
	memcpy(out, place->header, HEADER_BYTES);
	out[HEADER_BYTES] = (uint8_t)place->kind;
	store_u64(out + HEADER_BYTES + 1, place->index);
	if (place->extra_bytes > 0)
		memcpy(out + HEADER_BYTES + 9, place->extra, place->extra_bytes);
	return HEADER_BYTES + 9 + place->extra_bytes;
}

int box_seal(const struct keys *k, const struct box_place *place, const void *plain,
	     size_t len_bytes, uint8_t *box, struct error *err)
{
	uint8_t data[PLACE_BYTES];
	size_t data_bytes = encode_place(place, data);
	const uint8_t *key = find_key(k, place->header, err);

	if (!key)
		return (int)err->code;
	aead_seal(key, data, data_bytes, plain, len_bytes, box);
	return ERR_NONE;
}

int box_open(const struct keys *k, const struct box_place *place, const uint8_t *box,
	     size_t box_bytes, void *plain, struct error *err)
{
	uint8_t data[PLACE_BYTES];
	size_t data_bytes = encode_place(place, data);
	const uint8_t *key;

	if (box_bytes < BOX_OVERHEAD_BYTES)
		return err_set(err, ERR_CORRUPT, "%zu bytes are too short for a box", box_bytes);
	key = find_key(k, place->header, err);
	if (!key) {
		memset(plain, 0, box_bytes - BOX_OVERHEAD_BYTES);
		return (int)err->code;
	}
	if (!aead_open(key, data, data_bytes, box, box_bytes, plain))
		return err_set(err, ERR_CORRUPT, "does not authenticate");
	return ERR_NONE;
}
