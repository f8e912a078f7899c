#include "chunk/cutter.h"

#include <sodium.h>

/* Bytes that a 64-bit Gear hash remembers: each is shifted out after 64 more. */
#define WINDOW_BYTES 64
_Static_assert(CHUNK_BYTES_MIN >= WINDOW_BYTES, "the window lies within the chunk");

struct cutter {
	uint64_t table[256];
	uint64_t early, late; /* a cut is where the hash is below this: before, after avg */
	size_t min_bytes, avg_bytes, max_bytes;
};

int cutter_new(const struct keys *k, const struct geometry *g, struct cutter **out,
	       struct error *err)
{
	unsigned avg_bits = 0;
	struct cutter *c;
	int code = geometry_check(g, err);

	if (code != ERR_NONE)
		return code;
	c = sodium_malloc(sizeof(*c));
	if (!c)
		return err_nomem(err);
	while ((uint32_t)1 << avg_bits < g->chunk_avg_bytes)
		avg_bits++;
	for (unsigned i = 0; i < 256; i++)
		c->table[i] = cutter_entry(k, (uint8_t)i);
	c->early = (uint64_t)1 << (64 - (avg_bits + 2));
	c->late = (uint64_t)1 << (64 - (avg_bits - 2));
	c->min_bytes = g->chunk_min_bytes;
	c->avg_bytes = g->chunk_avg_bytes;
	c->max_bytes = g->chunk_max_bytes;
	*out = c;
	return ERR_NONE;
}

void cutter_free(struct cutter *c)
{
	sodium_free(c);
}

/* The least n of from .. to - 1 with H(n) < below, else to. *hash is H(from) and becomes H(n). */
static size_t scan(const struct cutter *c, uint64_t *hash, const uint8_t *bytes, size_t from,
		   size_t to, uint64_t below)
{
	uint64_t h = *hash;
	size_t n = from;

	while (n < to && h >= below)
		h = (h << 1) + c->table[bytes[n++]];
	*hash = h;
	return n;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t cutter_cut(const struct cutter *c, const uint8_t *bytes, size_t len_bytes)
{
	const size_t end = least(len_bytes, c->max_bytes);
	const size_t middle = least(end, c->avg_bytes);
	uint64_t h = 0;
	size_t n;

	if (end <= c->min_bytes)
		return end;
	for (n = c->min_bytes - WINDOW_BYTES; n < c->min_bytes; n++)
		h = (h << 1) + c->table[bytes[n]];
	n = scan(c, &h, bytes, n, middle, c->early);
	if (n < middle)
		return n;
	return scan(c, &h, bytes, n, end, c->late);
}
