/*
 * The names that a listing handed out, so that one that begins again hands out none twice. 16 bytes of
 * each are kept, hashed under a random key: nobody outside can make two that look alike. One thread.
 */
#ifndef MRMR_ARRAY_HANDED_H
#define MRMR_ARRAY_HANDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sodium.h>

struct handed {
	uint8_t key[crypto_shorthash_siphashx24_KEYBYTES];
	uint64_t (*slots)[2]; /* open addressing; 0, 0: free */
	size_t count, size;   /* size: a power of two, or 0 */
	bool full;	      /* a million of them, or no memory: no more are kept */
};

void handed_init(struct handed *h);
void handed_release(struct handed *h);
/* True: it was there already. */
bool handed_add(struct handed *h, const char *name);

#endif
