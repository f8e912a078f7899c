#include "array/handed.h"

#include <stdlib.h>
#include <string.h>

#define NAMES_MAX ((size_t)1 << 20)
#define SIZE_FIRST 1024

void handed_init(struct handed *h)
{
	memset(h, 0, sizeof(*h));
	randombytes_buf(h->key, sizeof(h->key));
}

void handed_release(struct handed *h)
{
	free(h->slots);
	h->slots = NULL;
}

/* Where the name is, or would be. */
static uint64_t *slot_of(uint64_t (*slots)[2], size_t size, const uint64_t hash[2])
{
	size_t i = (size_t)hash[0] & (size - 1);

	while ((slots[i][0] || slots[i][1]) && memcmp(slots[i], hash, sizeof(slots[i])) != 0)
		i = (i + 1) & (size - 1);
	return slots[i];
}

static bool grow_slots(struct handed *h)
{
	size_t size = h->size ? 2 * h->size : SIZE_FIRST;
	uint64_t (*slots)[2] = size <= 2 * NAMES_MAX ? calloc(size, sizeof(*slots)) : NULL;

	if (!slots)
		return false;
	for (size_t i = 0; i < h->size; i++) {
		if (h->slots[i][0] || h->slots[i][1])
			memcpy(slot_of(slots, size, h->slots[i]), h->slots[i], sizeof(*slots));
	}
	free(h->slots);
	h->slots = slots;
	h->size = size;
	return true;
}

bool handed_add(struct handed *h, const char *name)
{
	uint64_t hash[2], *slot;

	if (h->full || (2 * h->count >= h->size && !grow_slots(h))) {
		h->full = true;
		return false;
	}
	crypto_shorthash_siphashx24((uint8_t *)hash, (const uint8_t *)name, strlen(name), h->key);
	hash[0] |= !hash[0] && !hash[1];
	slot = slot_of(h->slots, h->size, hash);
	if (slot[0] || slot[1])
		return true;
	memcpy(slot, hash, sizeof(hash));
	h->count++;
	return false;
}
