/*
 * AWS Signature Version 4 for S3: every request carries an HMAC over its method, path, query, headers
 * and the digest of its body, so that nobody on the way can change or (for long) repeat it. libcurl's
 * own signer neither sorts and encodes queries nor takes digests made beforehand, hence this one.
 * Thread-safe.
 */
#ifndef MRMR_DRIVERS_S3_SIGN_H
#define MRMR_DRIVERS_S3_SIGN_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"

#include <stddef.h>
#include <stdint.h>

#define S3_HEADERS_MAX 8 /* that a caller adds */

/* Of a query (not encoded), or a header (lower case). */
struct s3_pair {
	const char *name, *value;
};

/* Lent. */
struct s3_keys {
	const char *access, *secret;
	const char *session; /* NULL: long-lived keys */
};

/* Appends "a=b&c=d", encoded, in the order in which it is signed. */
void s3_query(struct buf *out, const struct s3_pair *pairs, size_t count);

struct s3_signing {
	const char *method;
	const char *host;  /* as the Host header will have it: with a port other than the scheme's own */
	const char *path;  /* encoded, from "/" on */
	const char *query; /* as s3_query() made it; "" */
	const struct s3_pair *headers; /* all that are sent, but for those this adds */
	size_t headers_count;	       /* S3_HEADERS_MAX at most */
	struct hash body;
};

/* "Name: value" each, NULL-ended. All zero is none. */
struct s3_signed {
	char *lines[S3_HEADERS_MAX + 5];
	size_t count;
};

/* The headers of the request: those given, the date, the body's digest and the signature.
 * Caller: s3_signed_release(). ERR_USAGE: too many headers. */
int s3_sign(const struct s3_keys *keys, const char *region, int64_t now_s,
	    const struct s3_signing *r, struct s3_signed *out, struct error *err);
void s3_signed_release(struct s3_signed *s);

#endif
