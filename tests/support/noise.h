/*
 * Repeatable noise for tests: the same seed gives the same bytes on every machine
 * (SplitMix64, Steele, Lea and Flood 2014).
 */
#ifndef MRMR_TESTS_NOISE_H
#define MRMR_TESTS_NOISE_H

#include <stddef.h>
#include <stdint.h>

struct noise {
	uint64_t state; /* any value is a seed */
};

uint64_t noise_u64(struct noise *n);
uint64_t noise_below(struct noise *n, uint64_t limit); /* 0..limit-1; limit > 0 */
void noise_fill(struct noise *n, void *out, size_t len_bytes);
/* out[0..count-1]: distinct numbers below limit (at most 256), in no order. */
void noise_pick(struct noise *n, uint8_t *out, unsigned count, unsigned limit);

#endif
