#include "block/block.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct block_writer {
	const struct keys *keys;
	struct geometry geometry;
	struct id uid;
	uint8_t *bytes; /* limit_bytes; begins with the header */
	size_t limit_bytes;
	size_t used_bytes;    /* header and frames */
	size_t entries_bytes; /* encoded contents without the count of frames */
	struct contents contents;
	atomic_size_t sealed; /* frames */
};

static size_t varint_bytes(uint64_t v)
{
	size_t n = 1;

	while (v >>= 7)
		n++;
	return n;
}

/* What a block takes: used_bytes of header and frames, and so many bytes of contents. */
static uint64_t stored_bytes(const struct geometry *g, uint64_t used_bytes, size_t frames,
			     uint64_t entries_bytes)
{
	return geometry_padded(g, used_bytes + BOX_OVERHEAD_BYTES + varint_bytes(frames) +
					  entries_bytes + TRAILER_BYTES);
}

int block_writer_new(const struct keys *k, const struct geometry *g, uint32_t limit_bytes,
		     struct block_writer **out, struct error *err)
{
	struct block_writer *w;
	void *bytes;

	if (limit_bytes > g->block_bytes)
		return err_set(err, ERR_USAGE, "a block of %u bytes, above %u", limit_bytes,
			       g->block_bytes);
	if (stored_bytes(g, HEADER_BYTES, 0, 0) > limit_bytes)
		return err_set(err, ERR_USAGE, "a block of %u bytes cannot even be empty",
			       limit_bytes);
	w = calloc(1, sizeof(*w));
	if (!w)
		return err_nomem(err);
	if (posix_memalign(&bytes, BLOCK_ALIGN_BYTES, limit_bytes) != 0) {
		free(w);
		return err_nomem(err);
	}
	w->keys = k;
	w->geometry = *g;
	w->bytes = bytes;
	w->limit_bytes = limit_bytes;
	block_writer_reset(w);
	*out = w;
	return ERR_NONE;
}

void block_writer_free(struct block_writer *w)
{
	if (!w)
		return;
	contents_release(&w->contents);
	free(w->bytes);
	free(w);
}

void block_writer_reset(struct block_writer *w)
{
	struct object_header h = {
		.type = OBJECT_BLOCK,
		.epoch = keys_epoch(w->keys),
		.array_id = *keys_array_id(w->keys),
		.uid = id_random(),
	};

	w->uid = h.uid;
	header_encode(&h, w->bytes);
	w->used_bytes = HEADER_BYTES;
	w->entries_bytes = 0;
	contents_clear(&w->contents);
	atomic_store(&w->sealed, 0);
}

const struct id *block_writer_uid(const struct block_writer *w)
{
	return &w->uid;
}

size_t block_writer_used_bytes(const struct block_writer *w)
{
	return w->used_bytes;
}

const struct contents *block_writer_contents(const struct block_writer *w)
{
	return &w->contents;
}

uint32_t block_frame_chunks(const struct geometry *g, uint32_t limit_bytes)
{
	const uint64_t used_bytes = HEADER_BYTES + BOX_OVERHEAD_BYTES + geometry_frame_plain_max(g);
	const size_t number_max = varint_bytes(UINT32_MAX);
	uint32_t fits = 0, too_many = limit_bytes / HASH_BYTES + 1;

	while (too_many - fits > 1) {
		uint32_t chunks = fits + (too_many - fits) / 2;
		uint64_t entries_bytes =
			4 * number_max + 1 + (uint64_t)chunks * (number_max + HASH_BYTES);

		if (stored_bytes(g, used_bytes, 1, entries_bytes) <= limit_bytes)
			fits = chunks;
		else
			too_many = chunks;
	}
	return fits;
}

/* ERR_USAGE: what no reader would take. Else *entry_bytes is the frame's part of the contents. */
static int measure(const struct frame_plan *plan, size_t offset_bytes, uint64_t *entry_bytes,
		   struct error *err)
{
	uint64_t plain_bytes = 0, bytes;

	bytes = varint_bytes(offset_bytes) +
		varint_bytes((uint64_t)plan->packed_bytes + BOX_OVERHEAD_BYTES) +
		varint_bytes(plan->plain_bytes) + 1 + varint_bytes(plan->chunk_count);
	for (uint32_t i = 0; i < plan->chunk_count; i++) {
		const uint32_t len_bytes = plan->chunks[i].len_bytes;

		if (len_bytes == 0)
			return err_set(err, ERR_USAGE, "chunk %u is empty", i);
		plain_bytes += len_bytes;
		bytes += varint_bytes((uint64_t)len_bytes * 2) + HASH_BYTES;
	}
	if (plain_bytes != plan->plain_bytes || plain_bytes == 0 || plain_bytes > FRAME_PLAIN_MAX)
		return err_set(err, ERR_USAGE, "chunks of %llu bytes in a frame of %u",
			       (unsigned long long)plain_bytes, plan->plain_bytes);
	if (plan->packed_bytes == 0 || plan->packed_bytes > plan->plain_bytes)
		return err_set(err, ERR_USAGE, "a frame of %u bytes packed to %u",
			       plan->plain_bytes, plan->packed_bytes);
	*entry_bytes = bytes;
	return ERR_NONE;
}

/* False: no memory, and the list is as it was. */
static bool list_frame(struct contents *c, const struct frame_plan *plan, size_t offset_bytes)
{
	const size_t frames = c->frame_count, chunks = c->chunk_count;
	const struct contents_frame frame = {
		.offset_bytes = (uint32_t)offset_bytes,
		.box_bytes = plan->packed_bytes + BOX_OVERHEAD_BYTES,
		.plain_bytes = plan->plain_bytes,
		.method = plan->method,
	};
	bool listed = contents_add_frame(c, &frame);

	for (uint32_t i = 0; i < plan->chunk_count && listed; i++)
		listed = contents_add_chunk(c, &plan->chunks[i].id, plan->chunks[i].len_bytes,
					    plan->chunks[i].manifest);
	if (!listed) {
		c->frame_count = frames;
		c->chunk_count = chunks;
	}
	return listed;
}

int block_writer_reserve(struct block_writer *w, const struct frame_plan *plan,
			 struct frame_place *place, struct error *err)
{
	const size_t frames = w->contents.frame_count + 1;
	uint64_t entry_bytes = 0, used_bytes;
	int code = measure(plan, w->used_bytes, &entry_bytes, err);

	if (code != ERR_NONE)
		return code;
	used_bytes = (uint64_t)w->used_bytes + plan->packed_bytes + BOX_OVERHEAD_BYTES;
	if (stored_bytes(&w->geometry, used_bytes, frames, w->entries_bytes + entry_bytes) >
	    w->limit_bytes)
		return err_set(err, ERR_FULL, "no room for %u bytes in the block",
			       plan->packed_bytes);
	if (!list_frame(&w->contents, plan, w->used_bytes))
		return err_nomem(err);
	*place = (struct frame_place){
		.frame_index = (uint32_t)frames - 1,
		.offset_bytes = (uint32_t)w->used_bytes,
		.packed_bytes = plan->packed_bytes,
	};
	w->used_bytes = (size_t)used_bytes;
	w->entries_bytes += (size_t)entry_bytes;
	return ERR_NONE;
}

/* Reads nothing that reserve writes; see struct frame_place. */
int block_writer_seal(struct block_writer *w, const struct frame_place *place,
		      const uint8_t *packed, struct error *err)
{
	const struct box_place at = {
		.header = w->bytes,
		.kind = BOX_FRAME,
		.index = place->frame_index,
	};
	int code = box_seal(w->keys, &at, packed, place->packed_bytes,
			    w->bytes + place->offset_bytes, err);

	if (code == ERR_NONE)
		atomic_fetch_add(&w->sealed, 1);
	return code;
}

static int seal_contents(struct block_writer *w, size_t plain_bytes, struct error *err)
{
	const struct box_place place = {.header = w->bytes, .kind = BOX_CONTENTS};
	struct buf plain = {0};
	int code;

	contents_encode(&w->contents, &plain);
	if (!plain.failed)
		buf_add_zeros(&plain, plain_bytes - plain.len_bytes);
	if (plain.failed)
		code = err_nomem(err);
	else
		code = box_seal(w->keys, &place, plain.data, plain_bytes, w->bytes + w->used_bytes,
				err);
	buf_release(&plain);
	return code;
}

int block_writer_finish(struct block_writer *w, const uint8_t **bytes, size_t *len_bytes,
			struct hash *name, struct error *err)
{
	const size_t frames = w->contents.frame_count;
	const size_t block_bytes =
		(size_t)stored_bytes(&w->geometry, w->used_bytes, frames, w->entries_bytes);
	const size_t trailer_at = block_bytes - TRAILER_BYTES;
	const struct box_place place = {.header = w->bytes, .kind = BOX_TRAILER};
	uint8_t plain[TRAILER_BYTES - BOX_OVERHEAD_BYTES] = {0};
	int code;

	if (atomic_load(&w->sealed) != frames)
		return err_set(err, ERR_USAGE, "%zu frames, but %zu sealed", frames,
			       atomic_load(&w->sealed));
	code = seal_contents(w, trailer_at - w->used_bytes - BOX_OVERHEAD_BYTES, err);
	if (code != ERR_NONE)
		return code;
	store_u64(plain, w->used_bytes);
	store_u64(plain + 8, trailer_at - w->used_bytes);
	code = box_seal(w->keys, &place, plain, sizeof(plain), w->bytes + trailer_at, err);
	if (code != ERR_NONE)
		return code;
	*bytes = w->bytes;
	*len_bytes = block_bytes;
	*name = sha256(w->bytes, block_bytes);
	return ERR_NONE;
}
