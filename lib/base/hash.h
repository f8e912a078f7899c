/*
 * SHA-256 (FIPS 180-4, by libcrypto, which uses the processor's SHA instructions):
 * what stored objects are named by, so that `sha256sum` alone verifies a drive.
 * And the two fixed-size values that the whole program passes around by value.
 */
#ifndef MRMR_BASE_HASH_H
#define MRMR_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_BYTES 16
#define HASH_BYTES 32
#define ID_HEX_BYTES (2 * ID_BYTES + 1)	    /* with the NUL */
#define HASH_HEX_BYTES (2 * HASH_BYTES + 1) /* with the NUL */

struct id {
	uint8_t b[ID_BYTES]; /* random: array, drive, group, series, snapshot, object uid */
};

struct hash {
	uint8_t b[HASH_BYTES]; /* SHA-256 of stored bytes, keyed BLAKE2b-256 of plain ones, or a public key */
};

/* One call over bytes in memory. Never fails for valid pointers. */
struct hash sha256(const void *bytes, size_t len_bytes);

struct sha256; /* a running hash; one thread at a time */
struct sha256 *sha256_new(void); /* NULL: out of memory */
void sha256_add(struct sha256 *s, const void *bytes, size_t len_bytes);
struct hash sha256_final(struct sha256 *s); /* ready for a new message afterwards */
void sha256_free(struct sha256 *s);	     /* NULL is allowed */

bool id_equal(const struct id *a, const struct id *b);
bool id_is_zero(const struct id *a);
bool hash_equal(const struct hash *a, const struct hash *b);
bool hash_is_zero(const struct hash *a);
int hash_compare(const struct hash *a, const struct hash *b); /* like memcmp */

/* Lower-case hex. out must hold 2 * len_bytes + 1 bytes. */
void hex_encode(const void *bytes, size_t len_bytes, char *out);
/* Takes exactly 2 * len_bytes lower-case hex digits and then the NUL; false otherwise. */
bool hex_decode(const char *hex, void *out, size_t len_bytes);

#endif
