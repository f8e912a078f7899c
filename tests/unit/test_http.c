/* Requests and answers, with a server that answers as it is told to. */
#include "net/http.h"
#include "tests/support/answers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#define BIG_BYTES ((size_t)3 << 20)

/* The thread sanitizer ends a child that starts threads. */
#ifdef __has_feature
#define THREADS_AFTER_FORK !__has_feature(thread_sanitizer)
#elif defined(__SANITIZE_THREAD__)
#define THREADS_AFTER_FORK 0
#else
#define THREADS_AFTER_FORK 1
#endif

static struct answers server, other;
static struct http_site *site;
static struct meter *meter; /* of it */
static struct http_answer answer;
static struct error err;

static struct http_site *open_site(const struct http_site_options *o)
{
	struct http_site *s;

	assert_int_equal(http_site_open(o, &s, &err), ERR_NONE);
	return s;
}

static const char *url_of(const char *path)
{
	static char url[2048];

	snprintf(url, sizeof(url), "%s%s", server.origin, path);
	return url;
}

/* Of an answer before, nothing is left. */
static int ask(struct http_site *s, struct http_request *r, const char *method, const char *path)
{
	http_answer_release(&answer);
	r->method = method;
	if (path)
		r->url = url_of(path);
	return http_do(s, r, &answer, &err);
}

static int get(const char *path)
{
	struct http_request r = { 0 };

	return ask(site, &r, "GET", path);
}

static const char *document(void)
{
	buf_add_u8(&answer.document, 0);
	answer.document.len_bytes--;
	return (const char *)answer.document.data;
}

/* What the server has seen since it was last asked. */
static const char *seen(const struct answers *a)
{
	char url[128];
	struct http_request r = { .url = url };
	struct http_site_options o = { .origin = a->origin };
	struct http_site *s = open_site(&o);

	snprintf(url, sizeof(url), "%s/seen/forget", a->origin);
	assert_int_equal(ask(s, &r, "GET", NULL), ERR_NONE);
	http_site_close(s);
	return document();
}

static void assert_failed(int code, enum err_code want, const char *says)
{
	assert_int_equal(code, want);
	assert_int_equal(err.code, want);
	if (!strstr(err.message, says))
		fail_msg("'%s' does not say '%s'", err.message, says);
	assert_null(strstr(err.message, "sesame"));
}

static int set_up(void **state)
{
	struct http_site_options o = { .origin = server.origin, .connections = 4 };

	(void)state;
	o.meter = meter = meter_new();
	site = open_site(&o);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	http_answer_release(&answer);
	http_site_close(site);
	meter_drop(meter);
	return 0;
}

/* ---- ---- */

static void what_is_put_comes_back_whole_and_in_part(void **state)
{
	char *body = malloc(BIG_BYTES), *out = malloc(BIG_BYTES);
	struct http_header etag = { .name = "ETAG" };
	struct http_request put = { .body = body, .body_bytes = BIG_BYTES, .has_body = true,
				    .wanted = &etag, .wanted_count = 1 };
	struct http_request whole = { .out = out, .out_bytes = BIG_BYTES };
	const char *const range[] = { "Range: bytes=1000-1999", NULL };
	struct http_request part = { .headers = range, .out = out, .out_bytes = 1000 };

	(void)state;
	for (size_t i = 0; i < BIG_BYTES; i++)
		body[i] = (char)(i * i >> 7);
	assert_int_equal(ask(site, &put, "PUT", "/file/a"), ERR_NONE);
	assert_int_equal(answer.status, 201);
	assert_int_equal(strlen(etag.value), 34);
	assert_int_equal(ask(site, &whole, "GET", "/file/a"), ERR_NONE);
	assert_int_equal(answer.out_used_bytes, BIG_BYTES);
	assert_memory_equal(out, body, BIG_BYTES);
	assert_int_equal(ask(site, &part, "GET", "/file/a"), ERR_NONE);
	assert_int_equal(answer.status, 206);
	assert_int_equal(answer.out_used_bytes, 1000);
	assert_memory_equal(out, body + 1000, 1000);
	assert_int_equal(ask(site, &part, "DELETE", "/file/a"), ERR_NONE);
	assert_int_equal(answer.status, 204);
	free(body);
	free(out);
}

static void every_method_goes_as_it_is_and_a_body_only_where_there_is_one(void **state)
{
	static const char *const methods[] = { "GET",	"HEAD",	 "DELETE", "PROPFIND",
					       "MKCOL", "MOVE", "POST",	   "OPTIONS" };
	struct http_request none = { 0 }, some = { .body = "<x/>", .body_bytes = 4 };
	struct http_request empty = { .has_body = true };

	(void)state;
	seen(&server);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		assert_int_equal(ask(site, &none, methods[i], "/status/404"), ERR_NONE);
	assert_int_equal(ask(site, &some, "PROPFIND", "/status/207"), ERR_NONE);
	assert_int_equal(ask(site, &some, "POST", "/status/200"), ERR_NONE);
	assert_int_equal(ask(site, &empty, "PUT", "/file/empty"), ERR_NONE);
	assert_int_equal(ask(site, &none, "GET", "/file/empty"), ERR_NONE);
	assert_int_equal(answer.status, 200);
	assert_int_equal(answer.document.len_bytes, 0);
	assert_non_null(strstr(seen(&server),
			       "GET /status/404 0\nHEAD /status/404 0\nDELETE /status/404 0\n"
			       "PROPFIND /status/404 0\nMKCOL /status/404 0\nMOVE /status/404 0\n"
			       "POST /status/404 0\nOPTIONS /status/404 0\nPROPFIND /status/207 4\n"
			       "POST /status/200 4\nPUT /file/empty 0\nGET /file/empty 0\n"));
}

static void a_url_is_sent_as_it_is(void **state)
{
	(void)state;
	seen(&server);
	assert_int_equal(get("/bytes/3/../a%2Fb//%20?b=1&a=%7E"), ERR_NONE);
	assert_non_null(strstr(seen(&server), "GET /bytes/3/../a%2Fb//%20?b=1&a=%7E 0\n"));
}

static void an_answer_tells_its_headers_and_none_of_another(void **state)
{
	struct http_header h[] = { { .name = "etag" }, { .name = "X-Long" }, { .name = "none" } };
	struct http_request r = { .wanted = h, .wanted_count = 3 };

	(void)state;
	assert_int_equal(ask(site, &r, "GET", "/header/2047"), ERR_NONE);
	assert_string_equal(h[0].value, "a?[1m? b"); /* the first, and nothing of a terminal's */
	assert_int_equal(strlen(h[1].value), 2047);
	assert_string_equal(h[2].value, "");
	assert_int_equal(ask(site, &r, "GET", "/status/200"), ERR_NONE);
	assert_string_equal(h[0].value, "");
	assert_int_equal(ask(site, &r, "GET", "/trailer"), ERR_NONE);
	assert_int_equal(answer.status, 200);
	assert_string_equal(h[0].value, "");
	assert_failed(ask(site, &r, "GET", "/header/2048"), ERR_CORRUPT, "header X-Long");
}

static void more_than_was_asked_for_is_corrupt(void **state)
{
	char out[100];
	struct http_request r = { .out = out, .out_bytes = sizeof(out) };

	(void)state;
	memset(out, 1, sizeof(out));
	assert_failed(ask(site, &r, "GET", "/bytes/101"), ERR_CORRUPT, "more than 100 bytes");
	assert_int_equal(answer.status, 200);
	assert_failed(ask(site, &r, "GET", "/endless/body"), ERR_CORRUPT, "more than 100 bytes");
	assert_int_equal(ask(site, &r, "GET", "/bytes/100"), ERR_NONE);
	assert_failed(get("/endless/body"), ERR_CORRUPT, "more than 16777216 bytes");
	assert_int_equal(get("/bytes/16777216"), ERR_NONE);
	assert_int_equal(answer.document.len_bytes, 16777216);
}

static void headers_without_end_are_corrupt(void **state)
{
	(void)state;
	assert_failed(get("/endless/lines"), ERR_CORRUPT, "endless headers");
}

static void of_an_error_without_end_the_beginning_is_taken(void **state)
{
	(void)state;
	assert_int_equal(get("/endless/error"), ERR_NONE);
	assert_int_equal(answer.status, 500);
	assert_int_equal(answer.document.len_bytes, 65536);
}

static void an_answer_that_is_cut_may_be_asked_for_again(void **state)
{
	char out[20000];
	struct http_request r = { .out = out, .out_bytes = sizeof(out) };

	(void)state;
	assert_failed(ask(site, &r, "GET", "/cut/5000"), ERR_TRANSIENT, server.origin);
	assert_failed(get("/cut/1"), ERR_TRANSIENT, server.origin);
	assert_failed(get("/reset"), ERR_TRANSIENT, server.origin);
}

static void what_is_no_http_is_an_error(void **state)
{
	(void)state;
	assert_failed(get("/garbage"), ERR_IO, server.origin);
}

static void nobody_there_may_pass(void **state)
{
	struct answers gone;
	struct http_site_options o = { .origin = gone.origin };
	struct http_request r = { 0 };
	struct http_site *s;
	char url[128];

	(void)state;
	answers_start(&gone, NULL, NULL);
	answers_stop(&gone);
	s = open_site(&o);
	snprintf(url, sizeof(url), "%s/file/a?key=sesame", gone.origin);
	r.url = url;
	assert_failed(ask(s, &r, "GET", NULL), ERR_TRANSIENT, gone.origin);
	http_site_close(s);
}

static void a_status_says_what_to_do(void **state)
{
	static const struct {
		const char *path;
		enum err_code code;
		unsigned retry_after_s;
	} rows[] = {
		{ "/status/401", ERR_DENIED, 0 },
		{ "/status/403", ERR_DENIED, 0 },
		{ "/status/404", ERR_NOT_FOUND, 0 },
		{ "/status/410", ERR_NOT_FOUND, 0 },
		{ "/status/412", ERR_EXISTS, 0 },
		{ "/status/413", ERR_FULL, 0 },
		{ "/status/507", ERR_FULL, 0 },
		{ "/status/501", ERR_UNSUPPORTED, 0 },
		{ "/status/405/Retry-After:3", ERR_UNSUPPORTED, 0 },
		{ "/status/408", ERR_TRANSIENT, 0 },
		{ "/status/423", ERR_TRANSIENT, 0 },
		{ "/status/425", ERR_TRANSIENT, 0 },
		{ "/status/429/Retry-After:%20120", ERR_TRANSIENT, 120 },
		{ "/status/503/retry-after:7/Retry-After:9", ERR_TRANSIENT, 7 },
		{ "/status/503/Retry-After:999999999999999999999", ERR_TRANSIENT, 86400 },
		{ "/status/500/Retry-After:Fri,%2031%20Dec%201999%2023:59:59%20GMT",
		  ERR_TRANSIENT, 0 },
		{ "/status/599/Retry-After:-1", ERR_TRANSIENT, 0 },
		{ "/status/400", ERR_IO, 0 },
		{ "/status/302", ERR_IO, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(get(rows[i].path), ERR_NONE);
		assert_int_equal(http_status_error(&answer, "PUT x", &err), rows[i].code);
		assert_int_equal(err.retry_after_s, rows[i].retry_after_s);
		assert_non_null(strstr(err.message, ": Why because"));
		assert_int_equal(strncmp(err.message, "PUT x: ", 7), 0);
	}
}

static void a_redirect_on_the_same_server_is_followed_three_times(void **state)
{
	static const char *const methods[] = { "GET", "HEAD", "PROPFIND" };
	char out[9] = "";
	struct http_request put = { .body = "redirect", .body_bytes = 8 }, r = { 0 };
	struct http_request back = { .out = out, .out_bytes = 8 };

	(void)state;
	assert_int_equal(ask(site, &put, "PUT", "/status/307/Location:%20%2Ffile%2Fr"), ERR_NONE);
	assert_int_equal(answer.status, 201);
	assert_int_equal(ask(site, &back, "GET", "/status/308/Location:%20%2Ffile%2Fr"), ERR_NONE);
	assert_string_equal(out, "redirect");
	for (size_t i = 0; i < 3; i++) {
		seen(&server);
		assert_int_equal(ask(site, &r, methods[i], "/status/303/Location:%20%2Ffile%2Fr"),
				 ERR_NONE);
		assert_in_range(answer.status, 200, 207);
		assert_non_null(strstr(strstr(seen(&server), "/file/r") - 9, methods[i]));
	}
	assert_int_equal(ask(site, &put, "PUT", "/status/302/Location:%20%2Ffile%2Fr"), ERR_NONE);
	assert_int_equal(answer.status, 302);
	seen(&server);
	assert_failed(get("/status/307/Location:%20%3Fagain"), ERR_IO, "more than 3 times");
	assert_non_null(strstr(seen(&server), "?again 0\nGET /status/307/Location:%20%3Fagain?again "
					      "0\nGET /status/307/Location:%20%3Fagain?again 0\n"));
}

static void a_redirect_to_another_server_is_refused_and_it_is_told_nothing(void **state)
{
	struct http_site_options o = { .origin = server.origin, .user = "me",
				       .password = "open sesame", .auth = HTTP_BASIC };
	const char *const token[] = { "X-Auth-Token: sesame", NULL };
	struct http_request r = { .headers = token, .body = "open sesame", .body_bytes = 11 };
	struct http_site *s = open_site(&o);
	char path[256], said[128];

	(void)state;
	seen(&other);
	for (unsigned status = 301; status <= 308; status++) {
		if (status >= 304 && status <= 306)
			continue;
		snprintf(path, sizeof(path), "/status/%u/Location:%%20http:%%2F%%2F%s%%2Fseen%%3Fsesame",
			 status, other.origin + strlen("http://"));
		snprintf(said, sizeof(said), "redirected to %s: another", other.origin);
		assert_failed(ask(s, &r, "PUT", path), ERR_IO, said);
		assert_failed(ask(s, &r, "GET", path), ERR_IO, said);
	}
	snprintf(path, sizeof(path), "/status/307/Location:%%20https:%%2F%%2F%s%%2Fseen",
		 server.origin + strlen("http://"));
	assert_failed(ask(s, &r, "GET", path), ERR_IO, "redirected to https://127.0.0.1:");
	snprintf(path, sizeof(path), "/status/307/Location:%%20http:%%2F%%2Fme:sesame@%s%%2Fseen",
		 server.origin + strlen("http://"));
	assert_failed(ask(s, &r, "GET", path), ERR_IO, "redirected");
	assert_failed(ask(s, &r, "GET", "/status/307/Location:%20file:%2F%2F%2Fetc%2Fpasswd"),
		      ERR_IO, "redirected");
	http_site_close(s);
	/* It was never connected to, but for the question and the one before. */
	assert_string_equal(seen(&other), "\n2 connections, 1 open\n");
}

static void a_url_of_another_server_is_refused(void **state)
{
	char url[256];
	struct http_request r = { .url = url };

	(void)state;
	snprintf(url, sizeof(url), "%s/file/a?k=sesame", other.origin);
	assert_failed(ask(site, &r, "GET", NULL), ERR_IO, "another server");
	snprintf(url, sizeof(url), "http://me:sesame@%s/", server.origin + strlen("http://"));
	assert_failed(ask(site, &r, "GET", NULL), ERR_IO, "not a URL");
	r.url = "file:///etc/passwd";
	assert_failed(ask(site, &r, "GET", NULL), ERR_IO, "not a URL");
	r.url = "";
	assert_failed(ask(site, &r, "GET", NULL), ERR_IO, "not a URL");
}

static void a_header_of_two_lines_is_refused(void **state)
{
	const char *const split[] = { "X-A: b\r\nX-B: sesame", NULL };
	struct http_request r = { .headers = split };

	(void)state;
	assert_failed(ask(site, &r, "GET", "/status/200"), ERR_USAGE, "control character");
}

static void a_site_that_cannot_be_is_refused(void **state)
{
	static const char *const origins[] = { "ftp://host", "nowhere", "http://", "" };
	struct http_site *s;

	(void)state;
	for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
		struct http_site_options o = { .origin = origins[i] };

		assert_failed(http_site_open(&o, &s, &err), ERR_USAGE, "not a server of http");
		assert_null(s);
	}
	http_site_close(NULL);
}

static void connections_are_kept_and_counted(void **state)
{
	struct meter_reading r;

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(get("/bytes/1000"), ERR_NONE);
	meter_read(meter, &r);
	assert_int_equal(r.of[METER_REQUESTS], 20);
	assert_int_equal(r.of[METER_CONNECTIONS], 1);
}

static void what_may_have_been_done_is_not_done_again(void **state)
{
	struct http_request r = { 0 };

	(void)state;
	assert_int_equal(get("/drop-next"), ERR_NONE);
	assert_int_equal(get("/status/200"), ERR_NONE);
	assert_int_equal(get("/drop-next"), ERR_NONE);
	seen(&server);
	assert_failed(ask(site, &r, "MOVE", "/file/a"), ERR_TRANSIENT, "closed before an answer");
	/* It was sent once. */
	assert_int_equal(strncmp(seen(&server), "MOVE /file/a 0\n\n", 16), 0);
	assert_int_equal(ask(site, &r, "MOVE", "/file/a"), ERR_NONE);
}

/* Done twice, it would be refused for what it did itself. */
static void a_put_of_a_free_name_is_not_done_again(void **state)
{
	static const char *const headers[] = { "Content-Type: text/plain", "if-none-match: *", NULL };
	struct http_request r = { .body = "abc", .body_bytes = 3, .headers = headers };

	(void)state;
	assert_int_equal(get("/drop-next"), ERR_NONE);
	seen(&server);
	assert_failed(ask(site, &r, "PUT", "/file/a"), ERR_TRANSIENT, "closed before an answer");
	assert_int_equal(strncmp(seen(&server), "PUT /file/a 3\n\n", 15), 0);
	assert_int_equal(ask(site, &r, "PUT", "/file/a"), ERR_NONE);
}

/* A child that was forked while connections were open has its own, and leaves these alone. */
static void a_child_has_connections_of_its_own(void **state)
{
	struct meter_reading r;
	pid_t pid;
	int status;

	(void)state;
	if (!THREADS_AFTER_FORK)
		skip();
	assert_int_equal(get("/status/200"), ERR_NONE);
	pid = fork();
	if (pid == 0) {
		int code = get("/bytes/100000");

		_exit(code == ERR_NONE && answer.document.len_bytes == 100000 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(get("/status/200"), ERR_NONE);
	meter_read(meter, &r);
	assert_int_equal(r.of[METER_CONNECTIONS], 1);
}

/* It would see the log-in. (Of https, and of this host: test_http_tls.c.) */
static void plain_text_is_sent_to_no_proxy(void **state)
{
	static const char *const variables[] = { "http_proxy", "all_proxy", "ALL_PROXY" };
	char origin[64], url[100];
	struct http_site_options o = { .origin = origin };
	struct http_request r = { .url = url };

	(void)state;
	/* An address of this host that is not taken for one. */
	snprintf(origin, sizeof(origin), "http://0.0.0.0%s", strrchr(server.origin, ':'));
	snprintf(url, sizeof(url), "%s/bytes/7", origin);
	for (unsigned i = 0; i < 3; i++) {
		struct http_site *s = open_site(&o);

		setenv(variables[i], "http://127.0.0.1:1", 1);
		assert_int_equal(ask(s, &r, "GET", NULL), ERR_NONE);
		assert_int_equal(answer.document.len_bytes, 7);
		http_site_close(s);
		unsetenv(variables[i]);
	}
}

static void *ask_in_vain(void *unused)
{
	(void)unused;
	get("/stall/silent");
	return NULL;
}

/* First of all tests: nothing was asked before the child was forked. */
static void a_process_may_end_while_it_asks(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	if (!THREADS_AFTER_FORK)
		skip();
	pid = fork();
	if (pid == 0) {
		pthread_t id;

		if (pthread_create(&id, NULL, ask_in_vain, NULL) != 0)
			_exit(2);
		usleep(200000);
		exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define RULE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(a_process_may_end_while_it_asks),
		RULE(what_is_put_comes_back_whole_and_in_part),
		RULE(every_method_goes_as_it_is_and_a_body_only_where_there_is_one),
		RULE(a_url_is_sent_as_it_is),
		RULE(an_answer_tells_its_headers_and_none_of_another),
		RULE(more_than_was_asked_for_is_corrupt),
		RULE(headers_without_end_are_corrupt),
		RULE(of_an_error_without_end_the_beginning_is_taken),
		RULE(an_answer_that_is_cut_may_be_asked_for_again),
		RULE(what_is_no_http_is_an_error),
		RULE(nobody_there_may_pass),
		RULE(a_status_says_what_to_do),
		RULE(a_redirect_on_the_same_server_is_followed_three_times),
		RULE(a_redirect_to_another_server_is_refused_and_it_is_told_nothing),
		RULE(a_url_of_another_server_is_refused),
		RULE(a_header_of_two_lines_is_refused),
		RULE(a_site_that_cannot_be_is_refused),
		RULE(connections_are_kept_and_counted),
		RULE(what_may_have_been_done_is_not_done_again),
		RULE(a_put_of_a_free_name_is_not_done_again),
		RULE(a_child_has_connections_of_its_own),
		RULE(plain_text_is_sent_to_no_proxy),
	};
	int failed;

	answers_start(&server, NULL, NULL);
	answers_start(&other, NULL, NULL);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	answers_stop(&server);
	answers_stop(&other);
	return failed;
}
