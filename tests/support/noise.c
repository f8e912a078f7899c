#include "tests/support/noise.h"

#include <assert.h>
#include <string.h>

uint64_t noise_u64(struct noise *n)
{
	uint64_t z = n->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t noise_below(struct noise *n, uint64_t limit)
{
	return noise_u64(n) % limit;
}

void noise_fill(struct noise *n, void *out, size_t len_bytes)
{
	uint8_t *at = out;

	for (size_t done = 0, step; done < len_bytes; done += step) {
		uint64_t word = noise_u64(n);

		step = len_bytes - done < sizeof(word) ? len_bytes - done : sizeof(word);
		memcpy(at + done, &word, step);
	}
}

void noise_pick(struct noise *n, uint8_t *out, unsigned count, unsigned limit)
{
	uint8_t deck[256];

	assert(limit <= sizeof(deck) && count <= limit);
	for (unsigned i = 0; i < limit; i++)
		deck[i] = (uint8_t)i;
	for (unsigned i = 0; i < count; i++) {
		unsigned j = i + (unsigned)noise_below(n, limit - i);

		out[i] = deck[j];
		deck[j] = deck[i];
	}
}
