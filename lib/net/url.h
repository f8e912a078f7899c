/*
 * URLs of drives: scheme://[user@]host[:port][/path][?query] (RFC 3986), parsed by libcurl's URL
 * code. A password in a URL is refused: it would be seen in the list of processes and in configs.
 */
#ifndef MRMR_NET_URL_H
#define MRMR_NET_URL_H

#include "base/bytes.h"
#include "base/error.h"

struct url {
	char *scheme; /* lower case */
	char *user;   /* decoded; NULL: none */
	char *host;   /* without the brackets of IPv6 */
	char *path;   /* decoded, without slashes at its ends; "" when there is none */
	char *query;  /* as it stands; NULL: none */
	unsigned port; /* 0: not given */
};

/* ERR_USAGE: not such a URL, or one with a password. Caller: url_release(). */
int url_parse(const char *text, struct url *out, struct error *err);
void url_release(struct url *u);

/* The value of a key in the query, decoded, the caller's to free; *out NULL: not there. */
int url_query(const struct url *u, const char *key, char **out, struct error *err);

/* Appends text, percent-encoded but for unreserved characters (RFC 3986 2.3) and, if wanted, '/'. */
void url_encode(struct buf *out, const char *text, bool keep_slashes);

#endif
