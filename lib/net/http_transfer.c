/* One request: how libcurl is told of it, and what makes it wait. */
#include "base/clock.h"
#include "net/http_internal.h"

#include <string.h>
#include <strings.h>

#define SLOWEST_BYTES_PER_S 1024

/* What a server of HTTP/2 takes of a body before the first word of it comes back (RFC 9113, 6.9.2), and
 * few take more. A longer one waits a round trip for each such part: over HTTP/1.1 a put to Apache
 * 100 ms away took half to a third of the time. */
#define HTTP2_WINDOW_BYTES 65535

/* ---- a request ---- */

/* The second time it would be refused for what the first did, and who took the name could not be told. */
static bool is_conditional(const struct http_request *r)
{
	static const char name[] = "If-None-Match:";

	for (size_t i = 0; r->headers && r->headers[i]; i++)
		if (strncasecmp(r->headers[i], name, sizeof(name) - 1) == 0)
			return true;
	return false;
}

bool transfer_may_repeat(const struct transfer *t)
{
	static const char *const methods[] = { "GET", "HEAD",	"PROPFIND",
					       "PUT", "DELETE", "OPTIONS" };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(t->r->method, methods[i]) == 0)
			return !is_conditional(t->r);
	return false;
}

static bool has_body(const struct http_request *r)
{
	return r->has_body || r->body;
}

static bool set_method(CURL *e, const struct http_request *r)
{
	bool head = strcmp(r->method, "HEAD") == 0;
	bool plain = head || (strcmp(r->method, "GET") == 0 && !has_body(r));

	if (curl_easy_setopt(e, CURLOPT_HTTPGET, 1L) != CURLE_OK ||
	    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, plain ? NULL : r->method) != CURLE_OK)
		return false;
	if (head)
		return curl_easy_setopt(e, CURLOPT_NOBODY, 1L) == CURLE_OK;
	if (!has_body(r))
		return true;
	return curl_easy_setopt(e, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->body_bytes) == CURLE_OK;
}

static unsigned long auth_of(const struct http_site *s)
{
	if (!s->user)
		return CURLAUTH_NONE;
	if (s->auth == HTTP_BASIC)
		return CURLAUTH_BASIC;
	if (s->auth == HTTP_DIGEST)
		return CURLAUTH_DIGEST;
	return s->learned_auth ? s->learned_auth : CURLAUTH_BASIC | CURLAUTH_DIGEST;
}

static bool set_request(struct transfer *t)
{
	CURL *e = t->hand->easy;
	bool without = t->without_http2 || t->r->body_bytes > HTTP2_WINDOW_BYTES;
	long version = without ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS;

	return curl_easy_setopt(e, CURLOPT_URL, t->url ? t->url : t->r->url) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HTTP_VERSION, version) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HTTPAUTH, auth_of(t->site)) == CURLE_OK &&
	       set_method(e, t->r);
}

/* From the beginning. */
static void rewind_transfer(struct transfer *t)
{
	t->hand->error[0] = '\0';
	t->sent = t->answering = t->in_body = t->enough = false;
	t->up_bytes = t->up_booked_bytes = 0;
	t->up_paused = t->down_paused = false;
	t->up_ready_us = t->down_ready_us = 0;
	answer_begin(t);
}

bool transfer_again(struct transfer *t)
{
	rewind_transfer(t);
	if (!set_request(t))
		t->code = err_nomem(t->err);
	return t->code == ERR_NONE;
}

bool transfer_prepare(struct transfer *t)
{
	t->hand = hand_take(t->site);
	if (!t->hand) {
		t->code = err_nomem(t->err);
		return false;
	}
	t->hand->t = t;
	return transfer_again(t);
}

void transfer_release(struct transfer *t)
{
	struct hand *h = t->hand;

	if (!h)
		return;
	curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, NULL); /* they were the caller's */
	h->t = NULL;
	h->next = t->site->idle;
	t->site->idle = h;
	t->hand = NULL;
}

void transfer_count(const struct transfer *t)
{
	long connects = 0;

	if (!t->hand)
		return;
	curl_easy_getinfo(t->hand->easy, CURLINFO_NUM_CONNECTS, &connects);
	meter_add(t->site->meter, METER_CONNECTIONS, (uint64_t)connects);
}

/* ---- limits and stalls ---- */

uint64_t transfer_unpause(struct transfer *t, uint64_t now_us)
{
	bool up = t->up_paused && now_us >= t->up_ready_us;
	bool down = t->down_paused && now_us >= t->down_ready_us;
	uint64_t next_us = UINT64_MAX;

	if (up || down) {
		/* What limits made wait does not stall. */
		t->mark_us = now_us;
		t->mark_bytes = t->moved_bytes;
		t->up_paused = t->up_paused && !up;
		t->down_paused = t->down_paused && !down;
		curl_easy_pause(t->hand->easy, (t->up_paused ? CURLPAUSE_SEND : 0) |
						       (t->down_paused ? CURLPAUSE_RECV : 0));
	}
	if (t->up_paused)
		next_us = t->up_ready_us;
	if (t->down_paused && t->down_ready_us < next_us)
		next_us = t->down_ready_us;
	return next_us;
}

bool transfer_stalls(struct transfer *t, uint64_t now_us)
{
	uint64_t enough = (uint64_t)t->site->stall_ms * SLOWEST_BYTES_PER_S / 1000, unsent;

	if (!t->sent || t->up_paused || t->down_paused || now_us < t->mark_us)
		return false;
	unsent = unsent_bytes(t->site, t->port);
	if (t->moved_bytes >= t->mark_bytes + unsent + enough) {
		t->mark_bytes = t->moved_bytes - unsent;
		t->mark_us = now_us;
		return false;
	}
	if (now_us - t->mark_us < (uint64_t)t->site->stall_ms * 1000)
		return false;
	t->code = err_set(t->err, ERR_TRANSIENT, "%s: nearly nothing moved for %.0f s",
			  t->site->origin, (double)t->site->stall_ms / 1000);
	return true;
}
