/* Handles of libcurl: what they are told of their site, and what they call. */
#include "base/clock.h"
#include "net/http_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>
#include <netinet/in.h>

#define BUFFER_BYTES ((long)256 << 10)
#define LIMITED_BUFFER_BYTES ((long)LIMIT_PIECE_BYTES_MAX)

/* ---- what libcurl calls ---- */

static size_t on_read(char *out, size_t size, size_t count, void *ctx)
{
	struct transfer *t = ((struct hand *)ctx)->t;
	size_t left = t->r->body_bytes - t->up_bytes, room = size * count, len;

	if (left == 0)
		return 0;
	if (t->up_booked_bytes == 0) {
		uint64_t wait_us;

		len = limit_piece_bytes(t->site->upload, left < room ? left : room);
		wait_us = limit_book_us(t->site->upload, len);
		t->up_booked_bytes = len;
		t->up_ready_us = wait_us > 0 ? clock_us() + wait_us : 0;
	}
	if (t->up_ready_us > 0 && clock_us() < t->up_ready_us) {
		t->up_paused = true;
		return CURL_READFUNC_PAUSE;
	}
	len = t->up_booked_bytes < room ? t->up_booked_bytes : room;
	memcpy(out, (const char *)t->r->body + t->up_bytes, len);
	t->up_bytes += len;
	t->up_booked_bytes -= len;
	t->moved_bytes += len;
	return len;
}

/* The body again, after a log-in was asked for. */
static int on_seek(void *ctx, curl_off_t offset, int origin)
{
	struct transfer *t = ((struct hand *)ctx)->t;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > t->r->body_bytes)
		return CURL_SEEKFUNC_FAIL;
	t->up_bytes = (size_t)offset;
	t->up_booked_bytes = 0;
	return CURL_SEEKFUNC_OK;
}

/* What has come is taken; what comes next waits. */
static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct transfer *t = ((struct hand *)ctx)->t;
	size_t len = size * count;
	uint64_t wait_us;

	if (t->down_ready_us > 0 && clock_us() < t->down_ready_us) {
		t->down_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	t->in_body = true;
	t->moved_bytes += len;
	wait_us = limit_book_us(t->site->download, len);
	t->down_ready_us = wait_us > 0 ? clock_us() + wait_us : 0;
	return answer_body(t, bytes, len);
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
	struct transfer *t = ((struct hand *)ctx)->t;
	size_t len = size * count;

	t->answering = true;
	t->moved_bytes += len;
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0 && !t->in_body) {
		answer_begin(t);
	} else if (len > 0 && (line[0] == '\r' || line[0] == '\n')) {
		long status = 0;

		curl_easy_getinfo(t->hand->easy, CURLINFO_RESPONSE_CODE, &status);
		t->a->status = (unsigned)status;
	} else {
		t->code = answer_header(t, line, len, !t->in_body);
	}
	return t->code == ERR_NONE ? len : 0;
}

/*
 * The connection is there, the request is sent next. When libcurl finds that a connection was closed
 * before an answer came, it takes another and comes here again. The server may have seen the request,
 * and done it: what must not be done twice ends here.
 */
static int on_begin(void *ctx, char *to, char *from, int to_port, int from_port)
{
	struct transfer *t = ((struct hand *)ctx)->t;

	(void)to, (void)from, (void)to_port;
	if (t->sent && !t->answering && !transfer_may_repeat(t)) {
		t->code = err_set(t->err, ERR_TRANSIENT,
				  "%s: the connection was closed before an answer came",
				  t->site->origin);
		return CURL_PREREQFUNC_ABORT;
	}
	meter_add(t->site->meter, METER_REQUESTS, 1);
	t->sent = true;
	t->answering = false;
	t->port = from_port;
	t->mark_us = clock_us();
	t->mark_bytes = t->moved_bytes;
	return CURL_PREREQFUNC_OK;
}

/* ---- sockets: no child of this process inherits one, and unsent_bytes() looks into them ---- */

struct socket {
	int fd;
	struct socket *next;
};

static curl_socket_t on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct http_site *s = ctx;
	struct socket *k = malloc(sizeof(*k));

	(void)purpose;
	if (!k)
		return CURL_SOCKET_BAD;
	k->fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
	if (k->fd < 0) {
		free(k);
		return CURL_SOCKET_BAD;
	}
	k->next = s->sockets;
	s->sockets = k;
	return k->fd;
}

static int on_close(void *ctx, curl_socket_t fd)
{
	struct http_site *s = ctx;
	struct socket **at = &s->sockets, *k;

	while (*at && (*at)->fd != fd)
		at = &(*at)->next;
	k = *at;
	if (k)
		*at = k->next;
	free(k);
	return close(fd);
}

static int port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} a = { 0 };
	socklen_t len = sizeof(a);

	if (getsockname(fd, &a.any, &len) < 0)
		return -1;
	return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

uint64_t unsent_bytes(const struct http_site *s, int port)
{
	int queued = 0;

	for (const struct socket *k = s->sockets; k; k = k->next)
		if (port_of(k->fd) == port)
			return ioctl(k->fd, SIOCOUTQ, &queued) == 0 && queued > 0 ? (uint64_t)queued
										  : 0;
	return 0;
}

/* ---- handles ---- */

static bool set_trust(CURL *e, const struct http_site *s)
{
	struct curl_blob ca = { .data = s->ca.data, .len = s->ca.len_bytes };

	if (s->ca.len_bytes == 0)
		return true;
	return curl_easy_setopt(e, CURLOPT_CAINFO_BLOB, &ca) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_CAPATH, NULL) == CURLE_OK;
}

static bool set_callbacks(struct hand *h)
{
	CURL *e = h->easy;

	return curl_easy_setopt(e, CURLOPT_PRIVATE, h) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_ERRORBUFFER, h->error) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_READDATA, h) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, on_seek) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SEEKDATA, h) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEDATA, h) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HEADERDATA, h) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_begin) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PREREQDATA, h) == CURLE_OK;
}

/* Options that no request changes. */
static bool set_site(CURL *e, struct http_site *s)
{
	long up = limit_binds(s->upload) ? LIMITED_BUFFER_BYTES : BUFFER_BYTES;
	long down = limit_binds(s->download) ? LIMITED_BUFFER_BYTES : BUFFER_BYTES;

	/* A proxy would see the log-in of what is sent as plain text. */
	if ((origin_is_this_host(&s->parts) || strcmp(s->parts.scheme, "http") == 0) &&
	    curl_easy_setopt(e, CURLOPT_PROXY, "") != CURLE_OK)
		return false;
	if (s->user && (curl_easy_setopt(e, CURLOPT_USERNAME, s->user) != CURLE_OK ||
			curl_easy_setopt(e, CURLOPT_PASSWORD, s->password) != CURLE_OK))
		return false;
	/* A connection outlives the handle that made it. */
	if (curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_socket) != CURLE_OK ||
	    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, s) != CURLE_OK ||
	    curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, on_close) != CURLE_OK ||
	    curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, s) != CURLE_OK)
		return false;
	/* QUICK_EXIT: a name server that hangs must not hold this thread. */
	return curl_easy_setopt(e, CURLOPT_SHARE, s->share) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_UNRESTRICTED_AUTH, 0L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)s->connect_ms) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_BUFFERSIZE, down) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, up) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_USERAGENT, "mrmr") == CURLE_OK && set_trust(e, s);
}

static bool make_share(struct http_site *s)
{
	if (s->share)
		return true;
	s->share = curl_share_init();
	return s->share &&
	       curl_share_setopt(s->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT) == CURLSHE_OK &&
	       curl_share_setopt(s->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) ==
		       CURLSHE_OK;
}

static void free_hand(struct hand *h)
{
	curl_easy_cleanup(h->easy);
	free(h);
}

struct hand *hand_take(struct http_site *s)
{
	struct hand *h = s->idle;

	if (h) {
		s->idle = h->next;
		return h;
	}
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->easy = curl_easy_init();
	if (h->easy && make_share(s) && set_callbacks(h) && set_site(h->easy, s))
		return h;
	free_hand(h);
	return NULL;
}

void site_let_go(struct http_site *s)
{
	struct hand *h;

	while ((h = s->idle) != NULL) {
		s->idle = h->next;
		free_hand(h);
	}
	curl_share_cleanup(s->share);
	s->share = NULL;
}
