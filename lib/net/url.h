/*
 * URLs of drives: scheme://[user@]host[:port][/path][?query] (RFC 3986), parsed by libcurl's URL
 * code. A password in a URL is refused: it would be seen in the list of processes and in configs.
 * So is a fragment, which would silently be no part of the path: '#' is written %23. Thread-safe.
 */
#ifndef MRMR_NET_URL_H
#define MRMR_NET_URL_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>

struct url {
	char *scheme; /* lower case */
	char *user;   /* decoded; NULL: none */
	char *host;   /* without the brackets of IPv6 */
	char *path;   /* decoded, without slashes at its ends; "" when there is none. No control
		       * characters, as in the other decoded ones */
	char *query;  /* as it stands; NULL: none */
	unsigned port; /* 0: not given */
};

/* ERR_USAGE: not such a URL, or one with a password; *out is then empty. Caller: url_release(). */
int url_parse(const char *text, struct url *out, struct error *err);
void url_release(struct url *u);

/* The value of the first such key in the query, decoded, the caller's to free; *out NULL: not there.
 * ERR_USAGE: it holds control characters. */
int url_query(const struct url *u, const char *key, char **out, struct error *err);

/* Appends text, percent-encoded but for unreserved characters (RFC 3986 2.3) and, if wanted, '/'. */
void url_encode(struct buf *out, const char *text, bool keep_slashes);

#endif
