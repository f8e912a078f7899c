/*
 * MD5 (RFC 1321, by libcrypto): what object stores check uploads by, in Content-MD5 and ETag. It
 * guards against accidents on the way only; what mrmr trusts is named by SHA-256 (base/hash.h).
 */
#ifndef MRMR_DRIVERS_MD5_H
#define MRMR_DRIVERS_MD5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MD5_BYTES 16
#define MD5_HEX_BYTES (2 * MD5_BYTES + 1)    /* with the NUL */
#define MD5_BASE64_BYTES (MD5_BYTES / 3 * 4 + 4 + 1) /* the same */

struct md5 {
	uint8_t b[MD5_BYTES];
};

/* False: this libcrypto does not offer it (rules of an authority may forbid it). */
bool md5(const void *bytes, size_t len_bytes, struct md5 *out);

/* As Content-MD5 has it. */
void md5_base64(const struct md5 *m, char out[MD5_BASE64_BYTES]);

#endif
