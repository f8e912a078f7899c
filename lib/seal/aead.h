/*
 * Inside seal/ only: the one place where a nonce is drawn and something is sealed.
 * Sealed bytes: nonce (24) | ciphertext | tag (16), XChaCha20-Poly1305-IETF.
 */
#ifndef MRMR_SEAL_AEAD_H
#define MRMR_SEAL_AEAD_H

#include "seal/keys.h"

#define AEAD_OVERHEAD_BYTES 40

/* Writes len_bytes + AEAD_OVERHEAD_BYTES to sealed, which must not overlap plain. */
void aead_seal(const uint8_t key[KEY_BYTES], const void *data, size_t data_bytes,
	       const void *plain, size_t len_bytes, uint8_t *sealed);

/* Writes sealed_bytes - AEAD_OVERHEAD_BYTES to plain; sealed_bytes is at least that overhead.
 * False: not authentic; plain then holds zeros. */
bool aead_open(const uint8_t key[KEY_BYTES], const void *data, size_t data_bytes,
	       const uint8_t *sealed, size_t sealed_bytes, void *plain);

#endif
