#include "drivers/swift_auth.h"

#include "drivers/swift.h"
#include "drivers/swift_login.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_NAME "X-Auth-Token: "
#define TOKEN_HEADER_BYTES (sizeof(TOKEN_NAME) + HTTP_HEADER_BYTES_MAX)

struct swift_session {
	struct swift_login login;
	bool secure;		     /* the log-in is encrypted: the storage must be, too */
	struct http_site *auth_site; /* of the log-in */
	struct http_site *site;	     /* of the storage; the same one if it is the same server */
	char *storage;

	pthread_mutex_t lock;
	pthread_cond_t ended;	/* a log-in */
	/* of lock: */
	char *token_header;	/* whole; sodium_malloc(TOKEN_HEADER_BYTES) */
	unsigned token_number;	/* counts the tokens there were */
	bool logging_in;
	unsigned log_ins;	/* counts those that ended */
	struct error failure;	/* of the last one, if it failed */
};

/* What a log-in gives. */
struct grant {
	char *token;	    /* sodium_malloc(HTTP_HEADER_BYTES_MAX) */
	struct buf storage; /* as the server names it, with a NUL at the end */
};

static void grant_release(struct grant *g)
{
	sodium_free(g->token);
	buf_release(&g->storage);
}

/* ---- log-in ---- */

static int take_token(const char *token, struct grant *g, struct error *err)
{
	size_t len = strlen(token);

	if (len == 0)
		return err_set(err, ERR_CORRUPT, "log in: the answer has no token");
	/* A longer one was cut there. */
	if (len >= HTTP_HEADER_BYTES_MAX - 1)
		return err_set(err, ERR_UNSUPPORTED, "log in: the token is longer than %d bytes",
			       HTTP_HEADER_BYTES_MAX - 2);
	for (size_t i = 0; i < len; i++)
		if (token[i] <= ' ' || token[i] == 0x7f)
			return err_set(err, ERR_CORRUPT, "log in: the token has odd characters");
	memcpy(g->token, token, len + 1);
	return ERR_NONE;
}

static int ask(const struct swift_session *s, struct http_request *r, struct http_answer *a,
	       struct error *err)
{
	int code = http_do(s->auth_site, r, a, err);

	if (code != ERR_NONE)
		return err_wrap(err, "log in");
	if (a->status / 100 != 2)
		return http_status_error(a, "log in", err);
	return ERR_NONE;
}

static int log_in_v1(const struct swift_session *s, struct grant *g, struct error *err)
{
	const char *headers[] = { s->login.user_header, s->login.key_header, NULL };
	struct http_header wanted[] = { { .name = "X-Storage-Url" },
					{ .name = "X-Auth-Token" },
					{ .name = "X-Storage-Token" } };
	struct http_request r = { .method = "GET", .url = s->login.url, .headers = headers,
				  .wanted = wanted, .wanted_count = 3 };
	struct http_answer a = { 0 };
	int code = ask(s, &r, &a, err);

	if (code == ERR_NONE)
		code = take_token(wanted[1].value[0] ? wanted[1].value : wanted[2].value, g, err);
	if (code == ERR_NONE && !wanted[0].value[0])
		code = err_set(err, ERR_CORRUPT, "log in: the answer names no storage");
	if (code == ERR_NONE) {
		buf_add(&g->storage, wanted[0].value, strlen(wanted[0].value) + 1);
		code = g->storage.failed ? err_nomem(err) : ERR_NONE;
	}
	sodium_memzero(wanted, sizeof(wanted));
	http_answer_release(&a);
	return code;
}

static int log_in_keystone(const struct swift_session *s, struct grant *g, struct error *err)
{
	static const char *const headers[] = { "Content-Type: application/json",
					       "Accept: application/json", NULL };
	struct http_header wanted[] = { { .name = "X-Subject-Token" } };
	struct http_request r = { .method = "POST", .url = s->login.url, .headers = headers,
				  .body = s->login.body, .body_bytes = s->login.body_bytes,
				  .has_body = true, .wanted = wanted, .wanted_count = 1 };
	struct http_answer a = { 0 };
	int code = ask(s, &r, &a, err);

	if (code == ERR_NONE)
		code = take_token(wanted[0].value, g, err);
	if (code == ERR_NONE)
		code = swift_catalog_find(a.document.data, a.document.len_bytes, s->login.region,
					  s->login.interface, &g->storage, err);
	sodium_memzero(wanted, sizeof(wanted));
	http_answer_release(&a);
	return code;
}

/* g is to be released in any case. */
static int log_in(const struct swift_session *s, struct grant *g, struct error *err)
{
	*g = (struct grant){ .token = sodium_malloc(HTTP_HEADER_BYTES_MAX) };
	if (!g->token)
		return err_nomem(err);
	return s->login.keystone ? log_in_keystone(s, g, err) : log_in_v1(s, g, err);
}

/* Within lock, or before there are others. */
static void use_token(struct swift_session *s, const struct grant *g)
{
	snprintf(s->token_header, TOKEN_HEADER_BYTES, TOKEN_NAME "%s", g->token);
	s->token_number++;
}

/* ---- requests ---- */

/* Within lock. */
static void log_in_again(struct swift_session *s)
{
	struct error failure = { .code = ERR_NONE };
	struct grant g;

	s->logging_in = true;
	pthread_mutex_unlock(&s->lock);
	/* The storage stays the one that open() found: tokens are for the account, whatever other
	 * way to it the server names now. */
	log_in(s, &g, &failure);
	pthread_mutex_lock(&s->lock);
	if (failure.code == ERR_NONE)
		use_token(s, &g);
	s->failure = failure;
	s->logging_in = false;
	s->log_ins++;
	pthread_cond_broadcast(&s->ended);
	grant_release(&g);
}

/* There is a newer token than that of this number. Calls that come while one logs in wait for it
 * and share what becomes of it: a key that is refused is not offered again by each of them. */
static int renew(struct swift_session *s, unsigned token_number, struct error *err)
{
	int code = ERR_NONE;
	unsigned log_ins;

	pthread_mutex_lock(&s->lock);
	log_ins = s->log_ins;
	if (s->token_number == token_number && !s->logging_in)
		log_in_again(s);
	while (s->token_number == token_number && s->logging_in && s->log_ins == log_ins)
		pthread_cond_wait(&s->ended, &s->lock);
	if (s->token_number == token_number) {
		*err = s->failure;
		code = (int)err->code;
	}
	pthread_mutex_unlock(&s->lock);
	return code == ERR_NONE ? code : err_wrap(err, "the token was taken no more");
}

/* *token_number: of the token that went with it. */
static int send_once(struct swift_session *s, const struct http_request *r,
		     const char *const *more, unsigned *token_number, struct http_answer *a,
		     struct error *err)
{
	const char *headers[SWIFT_HEADERS_MAX + 2];
	char token_header[TOKEN_HEADER_BYTES];
	struct http_request with = *r;
	size_t count = 1;
	int code;

	*a = (struct http_answer){ 0 };

	pthread_mutex_lock(&s->lock);
	memcpy(token_header, s->token_header, TOKEN_HEADER_BYTES);
	*token_number = s->token_number;
	pthread_mutex_unlock(&s->lock);
	headers[0] = token_header;
	while (*more && count <= SWIFT_HEADERS_MAX)
		headers[count++] = *more++;
	headers[count] = NULL;
	with.headers = headers;
	code = http_do(s->site, &with, a, err);
	sodium_memzero(token_header, sizeof(token_header));
	return code;
}

int swift_session_do(struct swift_session *s, const struct http_request *r,
		     const char *const *headers, struct http_answer *a, struct error *err)
{
	unsigned token_number;
	int code = send_once(s, r, headers, &token_number, a, err);

	if (code != ERR_NONE || a->status != 401)
		return code;
	http_answer_release(a);
	*a = (struct http_answer){ 0 };
	code = renew(s, token_number, err);
	return code == ERR_NONE ? send_once(s, r, headers, &token_number, a, err) : code;
}

const char *swift_session_storage(const struct swift_session *s)
{
	return s->storage;
}

/* ---- open ---- */

static int open_site(const char *origin, const struct drive_options *options,
		     struct http_site **out, struct error *err)
{
	struct http_site_options o = { .origin = origin,
				       .ca_file = drive_option(options->given, "ca"),
				       .upload = options->upload,
				       .download = options->download,
				       .meter = options->meter };
	uint64_t connections;
	int code = drive_option_number(options->given, "connections", 1, SWIFT_CONNECTIONS_MAX,
				       SWIFT_CONNECTIONS_MAX, &connections, err);

	if (code != ERR_NONE)
		return code;
	o.connections = (unsigned)connections;
	return http_site_open(&o, out, err);
}

/* The length of "scheme://host:port" in a URL with a path. */
static size_t origin_len(const char *url)
{
	const char *host = strstr(url, "://") + 3;

	return (size_t)(host - url) + strcspn(host, "/");
}

static int open_storage(struct swift_session *s, const char *auth_origin, const char *storage,
			const struct drive_options *options, struct error *err)
{
	struct buf b = { 0 };
	int code = swift_storage_check(storage, s->secure, &b, err);
	char *origin;

	if (code != ERR_NONE) {
		buf_release(&b);
		return code;
	}
	s->storage = (char *)b.data;
	origin = strndup(s->storage, origin_len(s->storage));
	if (!origin)
		return err_nomem(err);
	if (strcmp(origin, auth_origin) == 0)
		s->site = s->auth_site;
	else
		code = open_site(origin, options, &s->site, err);
	free(origin);
	return code;
}

static int open_log_in(struct swift_session *s, const struct url *u, const char *origin,
		       const struct drive_options *options, struct error *err)
{
	struct grant g;
	int code = swift_login_find(u, origin, options->given, &s->login, err);

	if (code == ERR_NONE)
		code = open_site(origin, options, &s->auth_site, err);
	if (code != ERR_NONE)
		return code;
	code = log_in(s, &g, err);
	if (code == ERR_NONE)
		code = open_storage(s, origin, (const char *)g.storage.data, options, err);
	if (code == ERR_NONE)
		use_token(s, &g);
	grant_release(&g);
	return code;
}

int swift_session_open(const struct url *u, const struct drive_options *options,
		       struct swift_session **out, struct error *err)
{
	struct swift_session *s = calloc(1, sizeof(*s));
	struct buf origin = { 0 };
	int code;

	*out = NULL;
	if (!s)
		return err_nomem(err);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->ended, NULL);
	s->secure = strcmp(u->scheme, "swift") == 0;
	s->token_header = sodium_malloc(TOKEN_HEADER_BYTES);
	swift_origin(&origin, s->secure ? "https" : "http", u);
	buf_add_u8(&origin, 0);
	if (!s->token_header || origin.failed)
		code = err_nomem(err);
	else
		code = open_log_in(s, u, (const char *)origin.data, options, err);
	buf_release(&origin);
	if (code == ERR_NONE)
		*out = s;
	else
		swift_session_close(s);
	return code;
}

void swift_session_close(struct swift_session *s)
{
	if (!s)
		return;
	if (s->site != s->auth_site)
		http_site_close(s->site);
	http_site_close(s->auth_site);
	swift_login_release(&s->login);
	sodium_free(s->token_header);
	free(s->storage);
	pthread_cond_destroy(&s->ended);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
