/*
 * Key rings, and with them object headers, from a drive and from somebody who has the master.
 * The first byte chooses: 0: the rest is a stored ring. Else: the rest is a header and the
 * plain bytes of the box behind it.
 */
#include "seal/box.h"

#include "tests/vectors/seal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct keys *keys;
static struct id array_id;

static void must_be(bool holds)
{
	if (!holds)
		abort();
}

static void start(void)
{
	struct error err;

	if (keys)
		return;
	must_be(seal_start(&err) == ERR_NONE);
	memcpy(array_id.b, vector_array_id, ID_BYTES);
	must_be(ring_open(&array_id, 2, vector_master, vector_ring, sizeof(vector_ring), &keys,
			  &err) == ERR_NONE);
}

static void try_ring(const uint8_t *bytes, size_t len_bytes)
{
	struct keys *k = NULL;
	struct error err;

	for (uint32_t epoch = 1; epoch <= 2; epoch++) {
		const uint8_t *master = epoch == 2 ? vector_master : keys_master(keys);

		if (ring_open(&array_id, epoch, master, bytes, len_bytes, &k, &err) == ERR_NONE) {
			must_be(keys_epoch(k) == epoch);
			must_be(memcmp(keys_master(k), master, KEY_BYTES) == 0);
			keys_free(k);
		}
	}
}

static void try_header(const uint8_t *bytes, size_t len_bytes)
{
	uint8_t again[HEADER_BYTES];
	struct object_header h;
	struct error err;

	for (enum object_type type = OBJECT_BLOCK; type <= OBJECT_WRITER; type++) {
		if (header_decode(bytes, len_bytes, type, NULL, &h, &err) != ERR_NONE)
			continue;
		header_encode(&h, again);
		must_be(memcmp(bytes, again, HEADER_BYTES) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct box_place place = {.header = data + 1, .kind = BOX_KEYS};
	struct error err;
	uint8_t *forged;

	start();
	if (size == 0)
		return 0;
	try_header(data + 1, size - 1);
	if (data[0] == 0 || size < 1 + HEADER_BYTES) {
		try_ring(data + 1, size - 1);
		return 0;
	}
	forged = malloc(size - 1 + BOX_OVERHEAD_BYTES);
	must_be(forged != NULL);
	memcpy(forged, data + 1, HEADER_BYTES);
	if (box_seal(keys, &place, data + 1 + HEADER_BYTES, size - 1 - HEADER_BYTES,
		     forged + HEADER_BYTES, &err) == ERR_NONE)
		try_ring(forged, size - 1 + BOX_OVERHEAD_BYTES);
	free(forged);
	return 0;
}
