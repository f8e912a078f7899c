/* Sites, and what callers call. */
#include "base/file.h"
#include "net/curl_load.h"
#include "net/http_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sodium.h>

#define CONNECT_MS 20000
#define STALL_MS 30000
#define CA_BYTES_MAX ((size_t)4 << 20)

/* ---- origins ---- */

static char *part_of(CURLU *u, CURLUPart part)
{
	char *lent = NULL, *own = NULL;

	if (curl_url_get(u, part, &lent, CURLU_DEFAULT_PORT) == CURLUE_OK)
		own = strdup(lent);
	curl_free(lent);
	return own;
}

int origin_of(const char *url, struct origin *out, struct error *err)
{
	int loaded = curl_load(err);
	CURLU *u = loaded == ERR_NONE ? curl_url() : NULL;
	CURLUcode code;

	*out = (struct origin){ 0 };
	if (!u)
		return loaded == ERR_NONE ? err_nomem(err) : loaded;
	code = curl_url_set(u, CURLUPART_URL, url,
			    CURLU_PATH_AS_IS | CURLU_DISALLOW_USER | CURLU_NON_SUPPORT_SCHEME);
	if (code == CURLUE_OK) {
		out->scheme = part_of(u, CURLUPART_SCHEME);
		out->host = part_of(u, CURLUPART_HOST);
		out->port = part_of(u, CURLUPART_PORT);
	}
	curl_url_cleanup(u);
	if (out->scheme && out->host && out->port && *out->host &&
	    (strcmp(out->scheme, "https") == 0 || strcmp(out->scheme, "http") == 0))
		return ERR_NONE;
	origin_release(out);
	return code == CURLUE_OUT_OF_MEMORY ? err_nomem(err)
					    : err_set(err, ERR_IO, "not a URL of http or https");
}

void origin_release(struct origin *o)
{
	free(o->scheme);
	free(o->host);
	free(o->port);
	*o = (struct origin){ 0 };
}

bool origin_same(const struct origin *a, const struct origin *b)
{
	return strcmp(a->scheme, b->scheme) == 0 && strcasecmp(a->host, b->host) == 0 &&
	       strcmp(a->port, b->port) == 0;
}

bool origin_is_this_host(const struct origin *o)
{
	static const char below[] = ".localhost";
	size_t len = strlen(o->host), below_len = strlen(below);

	return strcasecmp(o->host, "localhost") == 0 || strcmp(o->host, "[::1]") == 0 ||
	       (len > below_len && strcasecmp(o->host + len - below_len, below) == 0) ||
	       (strncmp(o->host, "127.", 4) == 0 &&
		o->host[strspn(o->host, "0123456789.")] == '\0');
}

/* ---- sites ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_ready;

static void make_ready(void)
{
	is_ready = sodium_init() >= 0 && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static int load_ca(const char *path, struct buf *out, struct error *err)
{
	static const char *const begins[] = { "-----BEGIN CERTIFICATE-----",
					      "-----BEGIN TRUSTED CERTIFICATE-----",
					      "-----BEGIN X509 CERTIFICATE-----" };
	int code = file_load(path, CA_BYTES_MAX, out, err);

	if (code == ERR_NOMEM)
		return code;
	if (code != ERR_NONE) {
		err->code = ERR_USAGE;
		return err_wrap(err, "certificate authority");
	}
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		if (memmem(out->data, out->len_bytes, begins[i], strlen(begins[i])))
			return ERR_NONE;
	return err_set(err, ERR_USAGE, "certificate authority: %s holds no certificate (PEM)",
		       path);
}

static char *guarded(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = sodium_malloc(size);

	if (copy)
		memcpy(copy, text, size);
	return copy;
}

static int fill_site(struct http_site *s, const struct http_site_options *o, struct error *err)
{
	int code = origin_of(o->origin, &s->parts, err);

	if (code == ERR_IO)
		return err_set(err, ERR_USAGE, "not a server of http or https: %s", o->origin);
	if (code == ERR_NONE && o->ca_file)
		code = load_ca(o->ca_file, &s->ca, err);
	if (code != ERR_NONE)
		return code;
	s->origin = strdup(o->origin);
	if (o->user) {
		s->user = guarded(o->user);
		s->password = guarded(o->password ? o->password : "");
	}
	if (!s->origin || (o->user && (!s->user || !s->password)))
		return err_nomem(err);
	s->auth = o->auth ? o->auth : HTTP_BASIC | HTTP_DIGEST;
	s->connections = o->connections > 0 ? o->connections : 1;
	s->connect_ms = o->connect_ms > 0 ? o->connect_ms : CONNECT_MS;
	s->stall_ms = o->stall_ms > 0 ? o->stall_ms : STALL_MS;
	s->upload = o->upload;
	s->download = o->download;
	s->meter = o->meter;
	return ERR_NONE;
}

static void free_site(struct http_site *s)
{
	origin_release(&s->parts);
	buf_release(&s->ca);
	free(s->origin);
	sodium_free(s->user);
	sodium_free(s->password);
	free(s);
}

int http_site_open(const struct http_site_options *o, struct http_site **out, struct error *err)
{
	struct http_site *s;
	int code;

	*out = NULL;
	code = curl_load(err);
	if (code != ERR_NONE)
		return code;
	pthread_once(&once, make_ready);
	if (!is_ready)
		return err_set(err, ERR_IO, "libcurl cannot be used");
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_nomem(err);
	code = fill_site(s, o, err);
	if (code == ERR_NONE)
		*out = s;
	else
		free_site(s);
	return code;
}

void http_site_close(struct http_site *s)
{
	struct transfer t = { .site = s };

	if (!s)
		return;
	thread_let_go(&t);
	free_site(s);
}

/* ---- requests ---- */

static int check_origin(const struct http_site *s, const char *url, struct error *err)
{
	struct origin o;
	int code = origin_of(url, &o, err);

	if (code != ERR_NONE)
		return err_wrap(err, "%s", s->origin);
	if (!origin_same(&o, &s->parts))
		code = err_set(err, ERR_IO, "%s: a URL of another server, %s://%s:%s", s->origin,
			       o.scheme, o.host, o.port);
	origin_release(&o);
	return code;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			return true;
	return false;
}

static bool append(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer)
		*list = longer;
	return longer != NULL;
}

/* Whether the server is to be asked before a body is sent: it may be refused for lack of a log-in. */
static bool asks_first(const struct http_site *s, const struct http_request *r)
{
	return s->user && (s->auth & HTTP_DIGEST) && r->body_bytes > HTTP_ASK_FIRST_BYTES;
}

static int make_headers(struct transfer *t, struct error *err)
{
	const char *const *h = t->r->headers;
	bool ok = append(&t->headers,
			 asks_first(t->site, t->r) ? "Expect: 100-continue" : "Expect:");

	for (; ok && h && *h; h++) {
		if (has_control(*h))
			return err_set(err, ERR_USAGE, "%s: a control character in a header",
				       t->site->origin);
		ok = append(&t->headers, *h);
	}
	return ok ? ERR_NONE : err_nomem(err);
}

int http_do(struct http_site *s, const struct http_request *r, struct http_answer *a,
	    struct error *err)
{
	struct transfer t = { .site = s, .r = r, .a = a, .err = err };
	int code = check_origin(s, r->url, err);

	memset(a, 0, sizeof(*a));
	answer_begin(&t);
	if (code == ERR_NONE)
		code = make_headers(&t, err);
	if (code == ERR_NONE)
		code = thread_do(&t);
	answer_redact(&t);
	curl_slist_free_all(t.headers);
	free(t.url);
	return code;
}
