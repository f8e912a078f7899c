/* What came of a transfer: an answer, a redirect, or an error. */
#include "net/http_internal.h"

#include <stdlib.h>
#include <string.h>

#define REDIRECTS_MAX 3

static bool may_follow(const struct transfer *t)
{
	const char *method = t->r->method;

	switch (t->a->status) {
	case 307:
	case 308:
		return true;
	case 301:
	case 302:
	case 303:
		return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ||
		       strcmp(method, "PROPFIND") == 0;
	default:
		return false;
	}
}

static bool is_redirect(unsigned status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Where the answer leads, if it may: then it is to be done again. */
static bool follows(struct transfer *t)
{
	struct http_site *s = t->site;
	const char *next = NULL;
	struct origin o;

	if (!is_redirect(t->a->status) ||
	    curl_easy_getinfo(t->hand->easy, CURLINFO_REDIRECT_URL, &next) != CURLE_OK || !next)
		return false;
	t->code = origin_of(next, &o, t->err);
	if (t->code != ERR_NONE) {
		err_wrap(t->err, "%s: redirected", s->origin);
		return false;
	}
	if (!origin_same(&o, &s->parts))
		t->code = err_set(t->err, ERR_IO,
				  "%s: redirected to %s://%s:%s: another server is not followed",
				  s->origin, o.scheme, o.host, o.port);
	origin_release(&o);
	if (t->code != ERR_NONE || !may_follow(t))
		return false;
	if (t->redirects++ == REDIRECTS_MAX) {
		t->code = err_set(t->err, ERR_IO, "%s: redirected more than %d times", s->origin,
				  REDIRECTS_MAX);
		return false;
	}
	free(t->url);
	t->url = strdup(next);
	if (!t->url)
		t->code = err_nomem(t->err);
	return t->code == ERR_NONE;
}

static void learn_auth(const struct transfer *t)
{
	struct http_site *s = t->site;
	long offered = 0;

	if (!s->user || s->auth != (HTTP_BASIC | HTTP_DIGEST))
		return;
	curl_easy_getinfo(t->hand->easy, CURLINFO_HTTPAUTH_AVAIL, &offered);
	if (t->a->status == 401)
		s->learned_auth = 0;
	else if (offered & (long)CURLAUTH_DIGEST)
		s->learned_auth = CURLAUTH_DIGEST;
	else if (offered & (long)CURLAUTH_BASIC)
		s->learned_auth = CURLAUTH_BASIC;
}

/* A handshake that failed: cut by the network, or refused? */
static enum err_code handshake_code(const char *why)
{
	static const char *const cuts[] = { "SYSCALL", "reset", "unexpected eof", "timed out" };

	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
		if (strcasestr(why, cuts[i]))
			return ERR_TRANSIENT;
	return ERR_IO;
}

static enum err_code code_of(CURLcode result, const char *why)
{
	switch (result) {
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
	case CURLE_AGAIN:
	case CURLE_PROXY:
		return ERR_TRANSIENT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		return ERR_DENIED;
	case CURLE_SSL_CACERT_BADFILE:
		return ERR_USAGE;
	case CURLE_SSL_CONNECT_ERROR:
		return handshake_code(why);
	case CURLE_OUT_OF_MEMORY:
		return ERR_NOMEM;
	default:
		return ERR_IO;
	}
}

static void explain(struct transfer *t, CURLcode result)
{
	char *why = t->hand->error;
	enum err_code code = code_of(result, why);

	for (char *c = why; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	t->code = err_set(t->err, code, "%s: %s%s", t->site->origin,
			  code == ERR_DENIED ? "its certificate does not hold: " : "",
			  *why ? why : curl_easy_strerror(result));
}

/* A server that answers before it has read the request may end the stream with it, and libcurl 7.88 may
 * lose what was said. HTTP/1.1 tells it. A busy one may end all streams of a connection. */
static bool lost_answer(struct transfer *t, CURLcode result)
{
	if ((result != CURLE_HTTP2_STREAM && result != CURLE_HTTP2) || t->without_http2 ||
	    !transfer_may_repeat(t))
		return false;
	t->without_http2 = true;
	return true;
}

bool transfer_judge(struct transfer *t, CURLcode result)
{
	if (t->code != ERR_NONE)
		return false;
	if (lost_answer(t, result))
		return transfer_again(t);
	if (result != CURLE_OK && !t->enough) {
		explain(t, result);
		return false;
	}
	if (t->a->document.failed)
		buf_release(&t->a->document); /* the text of an error: it can be done without */
	learn_auth(t);
	return follows(t) && transfer_again(t);
}
