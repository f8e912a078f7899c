/*
 * Who logs in at a Swift server, and by which call: auth v1 (tempauth, radosgw, Rackspace Cloud
 * Files) or Keystone v3.
 *
 * From the options of the drive, else from the variables of Swift's and OpenStack's own programs:
 * ST_USER, ST_KEY; OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME... These count only while ST_AUTH or
 * OS_AUTH_URL, if it is set, names the server of the drive, so that no key goes to another one.
 */
#ifndef MRMR_DRIVERS_SWIFT_LOGIN_H
#define MRMR_DRIVERS_SWIFT_LOGIN_H

#include "base/bytes.h"
#include "base/drive_option.h"
#include "base/error.h"
#include "net/url.h"

#include <stdbool.h>
#include <stddef.h>

/* The request for a token. All zero: none. */
struct swift_login {
	bool keystone;	/* POST body to url, else GET url with the two headers */
	char *url;	/* whole, encoded */
	char *user_header, *key_header; /* v1; key_header by sodium_malloc */
	char *body;	/* Keystone; sodium_malloc */
	size_t body_bytes;
	char *region;	 /* of the catalog; NULL: any */
	char *interface; /* "public", "internal" or "admin" */
};

/* u: where the log-in is (the scheme in it is not looked at), origin: its "https://host:port". A path
 * that ends in /v3 is Keystone's. ERR_USAGE: somebody or something is missing, or not fit for a
 * header. ERR_DENIED: a secret that is referred to and not there. */
int swift_login_find(const struct url *u, const char *origin,
		     const struct drive_option_set *given, struct swift_login *out,
		     struct error *err);
void swift_login_release(struct swift_login *l);

/* Keystone's answer: where the object store is, with a NUL at the end. ERR_USAGE: there is none in
 * that region and by that interface, or there are several. ERR_CORRUPT: that is no such answer. */
int swift_catalog_find(const void *json, size_t len_bytes, const char *region,
		       const char *interface, struct buf *out, struct error *err);

/*
 * Whether the token may be sent to the storage that a log-in named, which may be another host than
 * that of the log-in; *out is its URL, encoded, without a slash at the end. ERR_DENIED: it is plain
 * text, and the log-in was not. ERR_CORRUPT: that is no URL to store below.
 */
int swift_storage_check(const char *storage, bool secure, struct buf *out, struct error *err);

/* Appends "scheme://host:port" with the brackets of IPv6. */
void swift_origin(struct buf *out, const char *scheme, const struct url *u);

#endif
