#include "base/hash.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct sha256 {
	EVP_MD_CTX *ctx;
};

struct hash sha256(const void *bytes, size_t len_bytes)
{
	struct hash h;
	int ok = EVP_Digest(bytes, len_bytes, h.b, NULL, EVP_sha256(), NULL);

	/* libcrypto fails here only when it cannot allocate its few bytes of state. A wrong
	 * hash must never be returned as a right one. */
	if (ok != 1)
		abort();
	return h;
}

struct sha256 *sha256_new(void)
{
	struct sha256 *s = malloc(sizeof(*s));

	if (!s)
		return NULL;
	s->ctx = EVP_MD_CTX_new();
	if (!s->ctx || EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) != 1) {
		sha256_free(s);
		return NULL;
	}
	return s;
}

void sha256_add(struct sha256 *s, const void *bytes, size_t len_bytes)
{
	if (EVP_DigestUpdate(s->ctx, bytes, len_bytes) != 1)
		abort(); /* not reached: the context is initialised */
}

struct hash sha256_final(struct sha256 *s)
{
	struct hash h;

	if (EVP_DigestFinal_ex(s->ctx, h.b, NULL) != 1 ||
	    EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) != 1)
		abort(); /* as above */
	return h;
}

void sha256_free(struct sha256 *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->ctx);
	free(s);
}

bool id_equal(const struct id *a, const struct id *b)
{
	return memcmp(a->b, b->b, ID_BYTES) == 0;
}

bool id_is_zero(const struct id *a)
{
	static const struct id zero;

	return id_equal(a, &zero);
}

int hash_compare(const struct hash *a, const struct hash *b)
{
	return memcmp(a->b, b->b, HASH_BYTES);
}

bool hash_equal(const struct hash *a, const struct hash *b)
{
	return hash_compare(a, b) == 0;
}

bool hash_is_zero(const struct hash *a)
{
	static const struct hash zero;

	return hash_equal(a, &zero);
}

void hex_encode(const void *bytes, size_t len_bytes, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *b = bytes;

	for (size_t i = 0; i < len_bytes; i++) {
		out[2 * i] = digits[b[i] >> 4];
		out[2 * i + 1] = digits[b[i] & 15];
	}
	out[2 * len_bytes] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

bool hex_decode(const char *hex, void *out, size_t len_bytes)
{
	uint8_t *b = out;

	for (size_t i = 0; i < len_bytes; i++) {
		int high = hex_digit(hex[2 * i]);
		int low = high < 0 ? -1 : hex_digit(hex[2 * i + 1]);

		if (low < 0)
			return false;
		b[i] = (uint8_t)(high << 4 | low);
	}
	return hex[2 * len_bytes] == '\0';
}
