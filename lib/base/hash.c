#include "base/hash.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct sha256 {
	EVP_MD_CTX *ctx;
};

/* Looked up once: every EVP_sha256() would be, at each use, below a lock. Neither openssl.cnf nor
 * what OPENSSL_CONF names has a say in it, and nothing of it is taken apart at the end. */
static const EVP_MD *algorithm;

static void find_algorithm(void)
{
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
	algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static const EVP_MD *sha256_algorithm(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, find_algorithm);
	return algorithm;
}

struct hash sha256(const void *bytes, size_t len_bytes)
{
	const EVP_MD *md = sha256_algorithm();
	struct hash h;
	int ok = md && EVP_Digest(bytes, len_bytes, h.b, NULL, md, NULL);

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
	if (!s->ctx || !sha256_algorithm() ||
	    EVP_DigestInit_ex(s->ctx, sha256_algorithm(), NULL) != 1) {
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
	    EVP_DigestInit_ex(s->ctx, sha256_algorithm(), NULL) != 1)
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
