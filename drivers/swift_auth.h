/*
 * A session with a Swift server: where the account lies, and a token for it that is renewed when the
 * server takes it no more. Any thread.
 */
#ifndef MRMR_DRIVERS_SWIFT_AUTH_H
#define MRMR_DRIVERS_SWIFT_AUTH_H

#include "drivers/driver.h"
#include "net/http.h"
#include "net/url.h"

struct swift_session;

#define SWIFT_HEADERS_MAX 8 /* of one request, besides the token */

/* Logs in. u: the drive's URL, of swift:// (encrypted) or swift+http:// (not). ERR_DENIED: the
 * log-in is refused, or its storage must not be trusted with the token; ERR_TRANSIENT: no answer. */
int swift_session_open(const struct url *u, const struct drive_options *options,
		       struct swift_session **out, struct error *err);
void swift_session_close(struct swift_session *s); /* no request is under way; NULL is allowed */

/* "https://host:port/v1/AUTH_account", encoded; stays the same until close. Lent. */
const char *swift_session_storage(const struct swift_session *s);

/*
 * http_do() with the token and these headers (NULL-ended, SWIFT_HEADERS_MAX at most; r->headers is not
 * looked at). At a 401 the token is renewed, once for all calls that meet it, and the request is done
 * once more; what is answered then, 401 too, is the answer.
 */
int swift_session_do(struct swift_session *s, const struct http_request *r,
		     const char *const *headers, struct http_answer *a, struct error *err);

#endif
