#include "block/contents.h"

#include "seal/box.h"

#include <stdlib.h>
#include <string.h>

#define FRAME_ENTRY_BYTES_MIN 5
#define CHUNK_ENTRY_BYTES_MIN (1 + HASH_BYTES)

void contents_release(struct contents *c)
{
	free(c->frames);
	free(c->chunks);
	memset(c, 0, sizeof(*c));
}

void contents_clear(struct contents *c)
{
	c->frame_count = 0;
	c->chunk_count = 0;
}

bool contents_add_frame(struct contents *c, const struct contents_frame *frame)
{
	struct contents_frame *f;

	if (!grow(&c->frames, &c->frame_cap, c->frame_count + 1, sizeof(*c->frames)))
		return false;
	f = &c->frames[c->frame_count++];
	*f = *frame;
	f->first_chunk = (uint32_t)c->chunk_count;
	f->chunks = 0;
	return true;
}

bool contents_add_chunk(struct contents *c, const struct hash *id, uint32_t len_bytes,
			bool manifest)
{
	struct contents_frame *f = &c->frames[c->frame_count - 1];
	struct contents_chunk *chunk;
	uint32_t offset_bytes = 0;

	if (!grow(&c->chunks, &c->chunk_cap, c->chunk_count + 1, sizeof(*c->chunks)))
		return false;
	chunk = &c->chunks[c->chunk_count];
	if (f->chunks > 0)
		offset_bytes = chunk[-1].offset_bytes + chunk[-1].len_bytes;
	*chunk = (struct contents_chunk){
		.id = *id,
		.len_bytes = len_bytes,
		.offset_bytes = offset_bytes,
		.frame = (uint32_t)c->frame_count - 1,
		.manifest = manifest,
	};
	c->chunk_count++;
	f->chunks++;
	return true;
}

void contents_encode(const struct contents *c, struct buf *out)
{
	buf_add_varint(out, c->frame_count);
	for (size_t i = 0; i < c->frame_count; i++) {
		const struct contents_frame *f = &c->frames[i];

		buf_add_varint(out, f->offset_bytes);
		buf_add_varint(out, f->box_bytes);
		buf_add_varint(out, f->plain_bytes);
		buf_add_u8(out, (uint8_t)f->method);
		buf_add_varint(out, f->chunks);
		for (uint32_t j = 0; j < f->chunks; j++) {
			const struct contents_chunk *chunk = &c->chunks[f->first_chunk + j];

			buf_add_varint(out, (uint64_t)chunk->len_bytes * 2 + chunk->manifest);
			buf_add(out, chunk->id.b, HASH_BYTES);
		}
	}
}

/* The chunks of the last frame, whose lengths must add up to its plain bytes. */
static int decode_chunks(struct reader *r, struct contents *c, struct error *err)
{
	const struct contents_frame *f = &c->frames[c->frame_count - 1];
	const uint64_t chunks = read_varint_max(r, r->left_bytes / CHUNK_ENTRY_BYTES_MIN);
	uint64_t left_bytes = f->plain_bytes;

	for (uint64_t i = 0; i < chunks; i++) {
		uint64_t word = read_varint_max(r, 2 * left_bytes + 1);
		struct hash id;

		read_into(r, id.b, HASH_BYTES);
		if (r->failed || word < 2)
			break;
		if (!contents_add_chunk(c, &id, (uint32_t)(word / 2), word & 1))
			return err_nomem(err);
		left_bytes -= word / 2;
	}
	if (r->failed || f->chunks != chunks || left_bytes != 0)
		return err_set(err, ERR_CORRUPT, "contents: frame %zu: wrong chunks",
			       c->frame_count - 1);
	return ERR_NONE;
}

/* The next frame, which must begin at at_bytes or later. */
static int decode_frame(struct reader *r, uint32_t at_bytes, struct contents *c, struct error *err)
{
	struct contents_frame f = {0};
	uint8_t method;

	f.offset_bytes = (uint32_t)read_varint_max(r, CONTENTS_REACH_BYTES);
	f.box_bytes = (uint32_t)read_varint_max(r, CONTENTS_REACH_BYTES - f.offset_bytes);
	f.plain_bytes = (uint32_t)read_varint_max(r, FRAME_PLAIN_MAX);
	method = read_u8(r);
	f.method = method == FRAME_RAW ? FRAME_RAW : FRAME_ZSTD;
	/* Nothing is stored in a form larger than raw. */
	if (r->failed || f.offset_bytes < at_bytes || f.plain_bytes == 0 || f.box_bytes == 0 ||
	    f.box_bytes > f.plain_bytes + BOX_OVERHEAD_BYTES || method > FRAME_ZSTD)
		return err_set(err, ERR_CORRUPT, "contents: frame %zu: wrong place or size",
			       c->frame_count);
	if (!contents_add_frame(c, &f))
		return err_nomem(err);
	return decode_chunks(r, c, err);
}

static bool all_zero(const uint8_t *bytes, size_t len_bytes)
{
	return len_bytes == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len_bytes - 1) == 0);
}

int contents_decode(const void *bytes, size_t len_bytes, struct contents *out, struct error *err)
{
	struct reader r = reader_of(bytes, len_bytes);
	const uint64_t frames = read_varint_max(&r, len_bytes / FRAME_ENTRY_BYTES_MIN);
	uint32_t at_bytes = 0;
	int code = ERR_NONE;

	memset(out, 0, sizeof(*out));
	for (uint64_t i = 0; i < frames && code == ERR_NONE; i++) {
		code = decode_frame(&r, at_bytes, out, err);
		if (code == ERR_NONE)
			at_bytes = out->frames[i].offset_bytes + out->frames[i].box_bytes;
	}
	if (code == ERR_NONE && r.failed)
		code = err_set(err, ERR_CORRUPT, "contents: cut short");
	if (code == ERR_NONE && !all_zero(r.at, r.left_bytes))
		code = err_set(err, ERR_CORRUPT, "contents: bytes after the list");
	if (code != ERR_NONE)
		contents_release(out);
	return code;
}
