/* Drives of an array by index, as bits. */
#ifndef MRMR_ARRAY_DRIVE_SET_H
#define MRMR_ARRAY_DRIVE_SET_H

#include "array/alloc.h"

struct drive_set {
	uint64_t words[DRIVES_MAX / 64];
};

static inline void drive_set_add(struct drive_set *s, unsigned i)
{
	s->words[i / 64] |= (uint64_t)1 << i % 64;
}

static inline bool drive_set_has(const struct drive_set *s, unsigned i)
{
	return s->words[i / 64] >> i % 64 & 1;
}

static inline void drive_set_unite(struct drive_set *s, const struct drive_set *with)
{
	for (unsigned i = 0; i < DRIVES_MAX / 64; i++)
		s->words[i] |= with->words[i];
}

static inline bool drive_sets_meet(const struct drive_set *x, const struct drive_set *y)
{
	uint64_t common = 0;

	for (unsigned i = 0; i < DRIVES_MAX / 64; i++)
		common |= x->words[i] & y->words[i];
	return common != 0;
}

#endif
