#include "drivers/md5.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sodium.h>

static const EVP_MD *algorithm;

/* Looked up once, as in base/hash.c, and not by what a configuration file says. */
static void find_algorithm(void)
{
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
	algorithm = EVP_MD_fetch(NULL, "MD5", NULL);
}

bool md5(const void *bytes, size_t len_bytes, struct md5 *out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, find_algorithm);
	return algorithm && EVP_Digest(bytes, len_bytes, out->b, NULL, algorithm, NULL) == 1;
}

void md5_base64(const struct md5 *m, char out[MD5_BASE64_BYTES])
{
	sodium_bin2base64(out, MD5_BASE64_BYTES, m->b, MD5_BYTES, sodium_base64_VARIANT_ORIGINAL);
}
