/*
 * Segments of any bytes. The first byte chooses where they stand: as stored, or behind the box
 * and the signature, where only a writer's own fault or a stolen key could put them.
 */
#include "table/segment.h"

#include "tests/support/forge.h"

#include <assert.h>
#include <stdlib.h>

#define AS_STORED 0
#define AS_BOX 1
#define AS_NAME 2
#define SEQS_TO_KIND_BYTES (8 + 8 + HASH_BYTES + 1) /* of the 88, after the writer */

static struct keys *keys;
static struct forge forge;

static void start(void)
{
	static const struct id array_id = { { 1 } };
	struct error err;

	if (keys)
		return;
	if (seal_start(&err) != ERR_NONE || keys_new(&array_id, &keys, &err) != ERR_NONE)
		abort();
	forge_start(&forge, keys);
}

static void open_and_release(const struct buf *bytes)
{
	struct segment s;
	struct error err;

	if (segment_open(keys, bytes->data, bytes->len_bytes, &s, &err) == ERR_NONE) {
		assert(s.first >= 1 && s.last >= s.first);
		assert((s.kind == SEGMENT_PLAIN) == (s.heads == NULL));
		for (size_t i = 1; i < s.clock.count; i++)
			assert(hash_compare(&s.clock.marks[i - 1].writer,
					    &s.clock.marks[i].writer) < 0);
	}
	segment_release(&s);
}

/* Plain bytes of the box. */
static void try_box(const uint8_t *bytes, size_t len_bytes)
{
	struct buf plain = { 0 }, out = { 0 };

	buf_add(&plain, bytes, len_bytes);
	if (len_bytes < 512)
		buf_add_zeros(&plain, 512 - len_bytes);
	forge_box(&forge, plain.data, plain.len_bytes, &out);
	open_and_release(&out);
	buf_release(&plain);
	buf_release(&out);
}

/* Seqs, previous head and kind, then the body after its signature. */
static void try_body(const uint8_t *bytes, size_t len_bytes)
{
	struct buf out = { 0 };

	if (len_bytes < SEQS_TO_KIND_BYTES)
		return;
	memcpy(forge.clear + HEADER_BYTES + HASH_BYTES, bytes, SEQS_TO_KIND_BYTES);
	forge_body(&forge, bytes + SEQS_TO_KIND_BYTES, len_bytes - SEQS_TO_KIND_BYTES, &out);
	open_and_release(&out);
	buf_release(&out);
}

static void try_name(const uint8_t *bytes, size_t len_bytes)
{
	char name[SEGMENT_NAME_BYTES] = "";
	struct segment_name parts;

	if (len_bytes < sizeof(name))
		memcpy(name, bytes, len_bytes);
	if (segment_name_parse(name, &parts))
		assert(parts.first >= 1 && parts.last >= parts.first);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	struct buf stored = { 0 };

	start();
	if (len_bytes == 0)
		return 0;
	switch (bytes[0]) {
	case AS_STORED:
		buf_add(&stored, bytes + 1, len_bytes - 1);
		open_and_release(&stored);
		buf_release(&stored);
		break;
	case AS_BOX:
		try_box(bytes + 1, len_bytes - 1);
		break;
	case AS_NAME:
		try_name(bytes + 1, len_bytes - 1);
		break;
	default:
		try_body(bytes + 1, len_bytes - 1);
		break;
	}
	return 0;
}
