/*
 * Segments as no writer makes them, behind a box that opens: what an authentic but malformed
 * one would look like. For the tests and the fuzz targets of segments.
 */
#ifndef MRMR_TESTS_FORGE_H
#define MRMR_TESTS_FORGE_H

#include "seal/box.h"
#include "table/segment.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define FORGE_EXTRA_BYTES 88
#define FORGE_CLEAR_BYTES (HEADER_BYTES + FORGE_EXTRA_BYTES)

struct forge {
	const struct keys *keys;
	uint8_t secret_key[SECRET_KEY_BYTES];
	uint8_t clear[FORGE_CLEAR_BYTES]; /* header and the 88 bytes; to be edited */
};

/* A plain segment of seq 1 by a new writer. */
static inline void forge_start(struct forge *f, const struct keys *k)
{
	struct object_header h = { .type = OBJECT_SEGMENT,
				   .epoch = keys_epoch(k),
				   .array_id = *keys_array_id(k),
				   .uid = id_random() };

	memset(f, 0, sizeof(*f));
	f->keys = k;
	header_encode(&h, f->clear);
	crypto_sign_keypair(f->clear + HEADER_BYTES, f->secret_key);
	store_u64(f->clear + HEADER_BYTES + 32, 1);
	store_u64(f->clear + HEADER_BYTES + 40, 1);
	f->clear[HEADER_BYTES + 80] = SEGMENT_PLAIN;
}

/* Seals these plain bytes of the box as they are. Replaces out. */
static inline void forge_box(const struct forge *f, const void *plain, size_t plain_bytes,
			     struct buf *out)
{
	struct box_place place = { .header = f->clear,
				   .kind = BOX_RECORDS,
				   .extra = f->clear + HEADER_BYTES,
				   .extra_bytes = FORGE_EXTRA_BYTES };
	struct error err;
	int code;

	buf_clear(out);
	buf_add(out, f->clear, FORGE_CLEAR_BYTES);
	buf_add_zeros(out, plain_bytes + BOX_OVERHEAD_BYTES);
	assert(!out->failed);
	code = box_seal(f->keys, &place, plain, plain_bytes, out->data + FORGE_CLEAR_BYTES, &err);
	assert(code == ERR_NONE);
	(void)code;
}

/* Signs and seals the rest of a body (all after its signature), not compressed. */
static inline void forge_body(const struct forge *f, const void *rest, size_t rest_bytes,
			      struct buf *out)
{
	struct buf message = { 0 }, plain = { 0 };
	uint8_t signature[crypto_sign_BYTES];

	buf_add(&message, f->clear, FORGE_CLEAR_BYTES);
	buf_add(&message, rest, rest_bytes);
	crypto_sign_detached(signature, NULL, message.data, message.len_bytes, f->secret_key);
	buf_add_u32(&plain, (uint32_t)(sizeof(signature) + rest_bytes));
	buf_add_u32(&plain, (uint32_t)(sizeof(signature) + rest_bytes));
	buf_add_zeros(&plain, 8);
	buf_add(&plain, signature, sizeof(signature));
	buf_add(&plain, rest, rest_bytes);
	if (plain.len_bytes < 512)
		buf_add_zeros(&plain, 512 - plain.len_bytes);
	assert(!message.failed && !plain.failed);
	forge_box(f, plain.data, plain.len_bytes, out);
	buf_release(&message);
	buf_release(&plain);
}

#endif
