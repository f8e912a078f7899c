/*
 * Markers from a drive. None but those that marker_make() makes of the same ids are genuine, and
 * these parse as what they were made of.
 */
#include "array/config.h"

#include "tests/vectors/seal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct keys *keys;

static void must_be(bool holds)
{
	if (!holds)
		abort();
}

static void start(void)
{
	struct id array_id;
	struct error err;

	if (keys)
		return;
	must_be(seal_start(&err) == ERR_NONE);
	memcpy(array_id.b, vector_array_id, ID_BYTES);
	must_be(ring_open(&array_id, 2, vector_master, vector_ring, sizeof(vector_ring), &keys,
			  &err) == ERR_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct marker found, made;
	struct buf json = {0};
	struct error err;
	int code;

	start();
	code = marker_parse(data, size, &found, &err);
	if (code != ERR_NONE) {
		must_be(code == ERR_CORRUPT || code == ERR_UNSUPPORTED);
		return 0;
	}
	must_be(marker_make(keys, &found.drive_id, &json, &err) == ERR_NONE);
	must_be(json.len_bytes <= MARKER_BYTES_MAX);
	must_be(marker_parse(json.data, json.len_bytes, &made, &err) == ERR_NONE);
	must_be(id_equal(&made.drive_id, &found.drive_id) && marker_genuine(keys, &made));
	if (id_equal(&found.array_id, &made.array_id))
		must_be(marker_genuine(keys, &found) == hash_equal(&found.mac, &made.mac));
	else
		must_be(!marker_genuine(keys, &found) || !hash_equal(&found.mac, &made.mac));
	buf_release(&json);
	return 0;
}
