/*
 * Tables of contents, as behind the box of a block or in a record. What decodes must keep its
 * limits and encode to the same bytes, but for the padding.
 */
#include "block/contents.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be(bool holds)
{
	if (!holds)
		abort();
}

static void check_limits(const struct contents *c)
{
	uint64_t at = 0;
	size_t chunks = 0;

	for (size_t i = 0; i < c->frame_count; i++) {
		const struct contents_frame *f = &c->frames[i];
		uint64_t plain = 0;

		must_be(f->offset_bytes >= at && f->box_bytes > 0);
		at = (uint64_t)f->offset_bytes + f->box_bytes;
		must_be(at <= CONTENTS_REACH_BYTES && f->plain_bytes <= FRAME_PLAIN_MAX);
		must_be(f->first_chunk == chunks && f->chunks > 0);
		for (uint32_t j = 0; j < f->chunks; j++) {
			const struct contents_chunk *chunk = &c->chunks[chunks++];

			must_be(chunk->frame == i && chunk->offset_bytes == plain);
			must_be(chunk->len_bytes > 0);
			plain += chunk->len_bytes;
		}
		must_be(plain == f->plain_bytes);
	}
	must_be(chunks == c->chunk_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf again = {0};
	struct contents c;
	struct error err;

	if (contents_decode(data, size, &c, &err) != ERR_NONE)
		return 0;
	check_limits(&c);
	contents_encode(&c, &again);
	must_be(!again.failed && again.len_bytes <= size);
	must_be(memcmp(again.data, data, again.len_bytes) == 0);
	for (size_t i = again.len_bytes; i < size; i++)
		must_be(data[i] == 0);
	buf_release(&again);
	contents_release(&c);
	return 0;
}
