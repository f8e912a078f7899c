#include "chunk/geometry.h"

#include "chunk/frame.h"

#include <stdbool.h>

#define KIB ((uint32_t)1 << 10)
#define MIB ((uint32_t)1 << 20)

/* What a block needs beside the box of its only frame, whose only chunk is its plain bytes:
 * header, the box's overhead, contents box, trailer. An upper bound. */
#define BLOCK_OVERHEAD_BYTES 320u

struct geometry geometry_default(void)
{
	struct geometry g = {
		.frame_bytes = 256 * KIB,
		.block_bytes = 16 * MIB,
		.pad_step_bytes = 64 * KIB,
		.pad_from_bytes = 1 * MIB,
		.pad_min_bytes = 4 * KIB,
		.stretch_bytes = 1 * MIB,
		.segment_bytes = 8 * MIB,
	};

	geometry_set_profile(&g, PROFILE_DEFAULT);
	return g;
}

static void halve_chunks_to(struct geometry *g, uint32_t most_bytes)
{
	while (g->chunk_max_bytes > most_bytes && g->chunk_min_bytes > CHUNK_BYTES_MIN) {
		g->chunk_min_bytes /= 2;
		g->chunk_avg_bytes /= 2;
		g->chunk_max_bytes /= 2;
	}
}

void geometry_set_profile(struct geometry *g, enum chunk_profile profile)
{
	static const uint32_t min_bytes[] = {
		[PROFILE_FINE] = 16 * KIB,
		[PROFILE_DEFAULT] = 64 * KIB,
		[PROFILE_COARSE] = 512 * KIB,
	};

	g->chunk_min_bytes = min_bytes[profile];
	g->chunk_avg_bytes = 4 * min_bytes[profile];
	g->chunk_max_bytes = 16 * min_bytes[profile];
	halve_chunks_to(g, g->block_bytes / 2);
}

void geometry_set_block(struct geometry *g, uint32_t block_bytes)
{
	g->block_bytes = block_bytes;
	halve_chunks_to(g, block_bytes / 2);
	while (g->frame_bytes > block_bytes / 2)
		g->frame_bytes /= 2;
	while (g->stretch_bytes > block_bytes)
		g->stretch_bytes /= 2;
}

static int check_chunks(const struct geometry *g, struct error *err)
{
	uint32_t avg = g->chunk_avg_bytes;

	if (avg == 0 || (avg & (avg - 1)) != 0)
		return err_set(err, ERR_USAGE, "average chunk size %u is no power of two", avg);
	if (g->chunk_min_bytes < CHUNK_BYTES_MIN || g->chunk_min_bytes > avg ||
	    g->chunk_max_bytes < avg)
		return err_set(err, ERR_USAGE, "chunk sizes %u, %u, %u: not %u at least and rising",
			       g->chunk_min_bytes, avg, g->chunk_max_bytes, CHUNK_BYTES_MIN);
	if (geometry_frame_plain_max(g) > FRAME_PLAIN_MAX || g->frame_bytes == 0)
		return err_set(err, ERR_USAGE, "frames of %u bytes, chunks up to %u: not 1 to %zu",
			       g->frame_bytes, g->chunk_max_bytes, FRAME_PLAIN_MAX);
	return ERR_NONE;
}

int geometry_check(const struct geometry *g, struct error *err)
{
	int code = check_chunks(g, err);

	if (code != ERR_NONE)
		return code;
	if (g->block_bytes > BLOCK_BYTES_MAX)
		return err_set(err, ERR_USAGE, "block size %u is above %u", g->block_bytes,
			       BLOCK_BYTES_MAX);
	if (g->block_bytes < BLOCK_OVERHEAD_BYTES ||
	    geometry_frame_plain_max(g) > g->block_bytes - BLOCK_OVERHEAD_BYTES)
		return err_set(err, ERR_USAGE, "a frame of %u bytes does not fit a block of %u",
			       geometry_frame_plain_max(g), g->block_bytes);
	if (g->pad_step_bytes == 0 || g->pad_min_bytes == 0 ||
	    g->pad_from_bytes % g->pad_step_bytes != 0 || g->pad_min_bytes > g->pad_from_bytes)
		return err_set(err, ERR_USAGE, "padding %u at least, by %u from %u: not in order",
			       g->pad_min_bytes, g->pad_step_bytes, g->pad_from_bytes);
	if (geometry_padded(g, g->block_bytes) != g->block_bytes)
		return err_set(
			err, ERR_USAGE, "block size %u is no padded length; the next is %llu",
			g->block_bytes, (unsigned long long)geometry_padded(g, g->block_bytes));
	if (g->stretch_bytes == 0 || g->stretch_bytes > g->block_bytes)
		return err_set(err, ERR_USAGE, "stretches of %u in blocks of %u", g->stretch_bytes,
			       g->block_bytes);
	if (g->segment_bytes > SEGMENT_BYTES_MAX ||
	    g->segment_bytes / 2 < geometry_inline_bytes(g) || g->segment_bytes < 4 * KIB)
		return err_set(err, ERR_USAGE, "segments of %u bytes beside blocks of %u",
			       g->segment_bytes, g->block_bytes);
	return ERR_NONE;
}

uint32_t geometry_inline_bytes(const struct geometry *g)
{
	return g->block_bytes / 256;
}

uint32_t geometry_mirror_bytes(const struct geometry *g)
{
	return g->block_bytes / 16;
}

uint32_t geometry_repack_bytes(const struct geometry *g)
{
	return g->block_bytes / 4;
}

uint32_t geometry_frame_plain_max(const struct geometry *g)
{
	return g->frame_bytes > g->chunk_max_bytes ? g->frame_bytes : g->chunk_max_bytes;
}

uint64_t geometry_padded(const struct geometry *g, uint64_t need_bytes)
{
	uint64_t step = g->pad_step_bytes, length;

	if (need_bytes >= g->pad_from_bytes)
		return (need_bytes + step - 1) / step * step;
	length = padme(need_bytes);
	if (length < g->pad_min_bytes)
		return g->pad_min_bytes;
	/* Padme may step over pad_from_bytes when that is none of its lengths. */
	return length < g->pad_from_bytes ? length : g->pad_from_bytes;
}

static unsigned floor_log2(uint64_t v)
{
	return 63 - (unsigned)__builtin_clzll(v);
}

uint64_t padme(uint64_t need_bytes)
{
	unsigned e, s;
	uint64_t mask;

	if (need_bytes < 2)
		return need_bytes;
	e = floor_log2(need_bytes); /* at least 1, and so s is at most e */
	s = floor_log2(e) + 1;
	mask = ((uint64_t)1 << (e - s)) - 1;
	return (need_bytes + mask) & ~mask;
}
