#include "seal/aead.h"

#include <assert.h>
#include <sodium.h>

#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES

_Static_assert(AEAD_OVERHEAD_BYTES == NONCE_BYTES + crypto_aead_xchacha20poly1305_ietf_ABYTES,
	       "nonce and tag");
_Static_assert(KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "one kind of key");

void aead_seal(const uint8_t key[KEY_BYTES], const void *data, size_t data_bytes, const void *plain,
	       size_t len_bytes, uint8_t *sealed)
{
	/* 192 random bits: no two of any number of seals that can be made will meet. */
	randombytes_buf(sealed, NONCE_BYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE_BYTES, NULL, plain, len_bytes,
						   data, data_bytes, NULL, sealed, key);
}

bool aead_open(const uint8_t key[KEY_BYTES], const void *data, size_t data_bytes,
	       const uint8_t *sealed, size_t sealed_bytes, void *plain)
{
	assert(sealed_bytes >= AEAD_OVERHEAD_BYTES);
	return crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, sealed + NONCE_BYTES,
							  sealed_bytes - NONCE_BYTES, data,
							  data_bytes, sealed, key) == 0;
}
