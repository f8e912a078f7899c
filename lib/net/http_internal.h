/*
 * Between the parts of HTTP: http.c has sites and what callers call, http_thread.c the one thread,
 * http_hand.c the handles of libcurl, http_transfer.c one request, http_result.c what came of it,
 * http_answer.c what is read of answers.
 */
#ifndef MRMR_NET_HTTP_INTERNAL_H
#define MRMR_NET_HTTP_INTERNAL_H

#include "net/http.h"

#include <pthread.h>
#include <time.h>

#include <curl/curl.h>

#define HTTP_ERROR_BODY_BYTES_MAX ((size_t)64 << 10)
#define HTTP_HEADERS_BYTES_MAX ((size_t)256 << 10) /* of all lines of one answer */
#define HTTP_ASK_FIRST_BYTES ((size_t)1 << 20)	    /* bodies above: Expect: 100-continue */

/* Scheme, host and port of a URL; port as text, the usual one if none is given. */
struct origin {
	char *scheme, *host, *port;
};
/* ERR_IO: no URL, one with a log-in, or neither http nor https. */
int origin_of(const char *url, struct origin *out, struct error *err);
void origin_release(struct origin *o);
bool origin_same(const struct origin *a, const struct origin *b);
bool origin_is_this_host(const struct origin *o); /* by its name alone */

/* A handle of libcurl, kept by its site from one transfer to the next. */
struct hand {
	CURL *easy;
	struct hand *next;
	struct transfer *t; /* NULL: idle */
	char error[CURL_ERROR_SIZE];
};

struct http_site {
	char *origin;
	struct origin parts;
	struct buf ca;	       /* PEM; empty: the system's */
	char *user, *password; /* sodium_malloc; NULL: none */
	unsigned auth, connections, connect_ms, stall_ms;
	struct limit *upload, *download;
	struct meter *meter;

	/* Under the lock of http_thread.c. */
	unsigned running;
	struct transfer *first, *last; /* waiting for one of them to end */
	unsigned generation; /* of the process that what follows belongs to */

	/* Of the thread alone. */
	CURLSH *share; /* its connections and TLS sessions */
	struct hand *idle;
	struct socket *sockets;
	unsigned long learned_auth; /* when either is allowed: what the server wants; 0: not known */
};

/* One request on its way; on the stack of its caller, who waits. */
struct transfer {
	struct http_site *site;
	const struct http_request *r; /* NULL: the thread is to let go of the site */
	struct http_answer *a;
	struct error *err;
	int code; /* what went wrong, and err is set */
	struct curl_slist *headers;
	char *url; /* where a redirect leads; NULL: r->url */

	/* Under the lock of http_thread.c. */
	bool ended;
	pthread_cond_t changed;
	struct transfer *next; /* of those waiting, then of those under way */

	/* Of the thread alone. */
	struct hand *hand;
	unsigned redirects;
	bool without_http2;
	bool sent;	/* the request, on some connection */
	bool answering; /* since then something came */
	bool in_body;	/* headers count no more */
	bool enough;	/* nothing more is wanted of the body */
	int port;	/* of this host, which tells the connection */
	uint64_t passed_bytes; /* of the body, before the range that was asked for */
	size_t header_bytes;
	size_t up_bytes, up_booked_bytes; /* of the body: sent; booked, but not sent yet */
	bool up_paused, down_paused;
	uint64_t up_ready_us, down_ready_us;	   /* when limits let more move */
	uint64_t moved_bytes, mark_bytes, mark_us; /* both ways; when it was found to move */
};

/* ---- http_hand.c, http_transfer.c and http_result.c. All on the thread ---- */

struct hand *hand_take(struct http_site *s); /* one of the site, or a new one; NULL: out of memory */
void site_let_go(struct http_site *s);
/* Of what the kernel took for the connection from that port: how much the other side does not have yet.
 * On a slow line that takes long, and nothing is asked of us meanwhile. */
uint64_t unsent_bytes(const struct http_site *s, int port);

/* Takes a handle and tells it of the request. False: code and err set. */
bool transfer_prepare(struct transfer *t);
bool transfer_may_repeat(const struct transfer *t); /* done twice is done once, and answered alike */
bool transfer_again(struct transfer *t);   /* from the beginning, with the same handle */
void transfer_release(struct transfer *t); /* its handle goes back to the site */
/* libcurl is done with it. True: it is to be done again, as transfer_again() told the handle. */
bool transfer_judge(struct transfer *t, CURLcode result);
/* Lets go on what limits made wait. When the next such moment is, or UINT64_MAX. */
uint64_t transfer_unpause(struct transfer *t, uint64_t now_us);
/* Whether it has not moved for too long: then code and err are set. */
bool transfer_stalls(struct transfer *t, uint64_t now_us);
void transfer_count(const struct transfer *t); /* for the meter of its site */

/* ---- http_thread.c ---- */

int thread_do(struct transfer *t); /* hands it to the thread and waits for its end */
void thread_let_go(struct transfer *t); /* of its site; no request */
void thread_lock(void);
void thread_unlock(void);

/* ---- http_answer.c ---- */

/* What a Retry-After asks for: seconds or a date; 0 when it is neither or past, a day at most. */
unsigned http_retry_after(const char *value, time_t now);
void answer_begin(struct transfer *t); /* what came before counts no more */
/* A line of headers; fills wanted and answer if it counts. ERR_CORRUPT. */
int answer_header(struct transfer *t, const char *line, size_t len, bool counts);
/* len bytes of its body: how many were taken, fewer than len when there is an error or enough. */
size_t answer_body(struct transfer *t, const char *bytes, size_t len);
/* Some servers tell in their errors what they were told: secrets are taken out. In the caller. */
void answer_redact(struct transfer *t);

#endif
