/*
 * HTTP for drivers: all requests of the process run on one thread with one curl multi handle
 * (connections kept alive and shared; names and TLS sessions are cached). HTTP/2 is used where offered,
 * but for a body of more than 65,535 bytes, which goes by HTTP/1.1. A driver's call hands it a request
 * and waits for the answer.
 *
 * A site is one server as one drive uses it: its origin, certificate authority, log-in and limits.
 * Nothing of a site is ever sent to another origin: a redirect is followed at most three times, and
 * only to the same scheme, host and port. TLS 1.2 and later, always verified.
 *
 * A transfer is given up when its connection takes longer than 20 s to come about, or when less than
 * 1 KiB/s moves for 30 s (the time that limits make it wait is not counted); then it is ERR_TRANSIENT.
 * Nothing is tried again here, but for a GET, HEAD, PROPFIND, PUT, DELETE or OPTIONS, unless it has a
 * header If-None-Match, on a connection that turns out to be closed before a byte of the answer came, or
 * whose stream of HTTP/2 ends amid it.
 *
 * The proxies of the environment (https_proxy, all_proxy, no_proxy) are used as libcurl does, but never
 * to reach this host itself (localhost and below, 127.0.0.0/8, ::1), nor for http, where they would see
 * the log-in: a tunnel (CONNECT) shows them no more than the name of the server. Any thread.
 */
#ifndef MRMR_NET_HTTP_H
#define MRMR_NET_HTTP_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/meter.h"
#include "net/limit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_DOCUMENT_BYTES_MAX ((size_t)16 << 20) /* of an answer that is not an object */
#define HTTP_HEADER_BYTES_MAX 2048		    /* of the value of one header that is kept */

struct http_site;

struct http_site_options {
	const char *origin;    /* "https://host:port", for messages and redirects */
	const char *ca_file;   /* PEM; NULL: the system's. In their place, for this site alone */
	const char *user, *password; /* NULL: no log-in by HTTP itself */
	enum { HTTP_BASIC = 1, HTTP_DIGEST = 2 } auth; /* what is allowed; 0: either */
	unsigned connections;  /* at most to this site */
	struct limit *upload, *download; /* lent until the site is closed; NULL: none */
	struct meter *meter; /* of requests and connections; lent as long; NULL: none */
	unsigned connect_ms, stall_ms; /* how long to wait, as above; 0: 20 s, 30 s */
};

/* Copies what it needs. ERR_USAGE: a CA file that cannot be read or holds no certificate, or an
 * origin that is none of http or https. */
int http_site_open(const struct http_site_options *o, struct http_site **out, struct error *err);
void http_site_close(struct http_site *s); /* no request of it is under way; NULL is allowed */

struct http_header {
	const char *name; /* asked for, any case */
	char value[HTTP_HEADER_BYTES_MAX]; /* "" when the answer has it not; the first, if several */
};

struct http_request {
	const char *method;
	const char *url;		 /* whole, encoded, of the site's origin */
	const char *const *headers;	 /* "Name: value", NULL-ended; NULL: none */
	const void *body;		 /* NULL and 0: no body; with a body Content-Length is sent */
	size_t body_bytes;
	bool has_body;			 /* one of 0 bytes too */

	/* Where the body of a 2xx answer goes: into out, out_bytes at most (more is ERR_CORRUPT), or,
	 * when out is NULL, into answer->document. */
	void *out;
	size_t out_bytes;
	size_t document_bytes_max; /* 0: HTTP_DOCUMENT_BYTES_MAX. More is ERR_CORRUPT */
	/* With a Range header: where out begins in the object. A server that ignores it answers 200 with
	 * all of it; then what comes before is passed over, and the transfer ends once out is full. */
	bool is_range;
	uint64_t offset_bytes;

	struct http_header *wanted; /* filled in; NULL: none */
	size_t wanted_count;
};

struct http_answer {
	unsigned status;	 /* known after some errors, too; 0: it is not */
	unsigned retry_after_s;	 /* of the header, 0: none */
	size_t out_used_bytes;	 /* how much came to out */
	struct buf document;	 /* the body otherwise, and of every answer that is not 2xx (its first
				  * 64 KiB); release with http_answer_release() */
};
void http_answer_release(struct http_answer *a);

/*
 * Does it. ERR_NONE: there was an answer, whatever its status. ERR_TRANSIENT: no connection, no
 * answer, one that was cut (what the server did is not known). ERR_DENIED: a certificate that does
 * not hold. ERR_CORRUPT: an answer with more than asked for, or absurd headers. ERR_IO: a redirect
 * elsewhere, a URL that is not the site's, no HTTP. Messages name the site, never a query, header or
 * secret. Of the redirects to the same origin, 307 and 308 are followed with method and body, 301,
 * 302 and 303 for GET, HEAD and PROPFIND alone; the others are the answer.
 */
int http_do(struct http_site *s, const struct http_request *r, struct http_answer *a,
	    struct error *err);

/*
 * The error that a status other than 2xx stands for, with what (the step, "PUT blocks/ab/cd") in
 * front and a line of the answer's text behind: 401 403 ERR_DENIED; 404 410 ERR_NOT_FOUND; 412
 * ERR_EXISTS; 413 507 ERR_FULL; 501 405 ERR_UNSUPPORTED; 408 423 425 429 and other 5xx
 * ERR_TRANSIENT, with what Retry-After asks for; others ERR_IO.
 */
int http_status_error(const struct http_answer *a, const char *what, struct error *err);

#endif
