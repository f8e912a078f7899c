/* Log-ins of HTTP itself. */
#include "net/http.h"
#include "tests/support/answers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BIG_BYTES ((size_t)3 << 20)

static struct answers server;
static struct http_answer answer;
static struct error err;
static char *big;

static struct http_site *site_with(const char *password, unsigned auth)
{
	struct http_site_options o = { .origin = server.origin, .user = "me", .password = password };
	struct http_site *s;

	o.auth = auth;
	assert_int_equal(http_site_open(&o, &s, &err), ERR_NONE);
	return s;
}

static unsigned ask(struct http_site *s, const char *method, const char *path, const void *body,
		    size_t body_bytes)
{
	char url[128];
	struct http_request r = { .method = method, .url = url, .body = body,
				  .body_bytes = body_bytes };

	http_answer_release(&answer);
	snprintf(url, sizeof(url), "%s%s", server.origin, path);
	assert_int_equal(http_do(s, &r, &answer, &err), ERR_NONE);
	return answer.status;
}

static void assert_seen(struct http_site *s, const char *want)
{
	assert_int_equal(ask(s, "GET", "/seen/forget", NULL, 0), 200);
	buf_add_u8(&answer.document, 0);
	*strstr((char *)answer.document.data, "\n\n") = '\0';
	assert_string_equal((char *)answer.document.data, want);
}

static void forget(struct http_site *s)
{
	assert_int_equal(ask(s, "GET", "/seen/forget", NULL, 0), 200);
}

static void assert_stored(struct http_site *s, const char *path, const void *body, size_t body_bytes)
{
	assert_int_equal(ask(s, "GET", path, NULL, 0), 200);
	assert_int_equal(answer.document.len_bytes, body_bytes);
	assert_memory_equal(answer.document.data, body, body_bytes);
}

static int set_up(void **state)
{
	(void)state;
	answers_start(&server, NULL, NULL);
	big = malloc(BIG_BYTES);
	for (size_t i = 0; i < BIG_BYTES; i++)
		big[i] = (char)(i * i >> 7);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	http_answer_release(&answer);
	answers_stop(&server);
	free(big);
	return 0;
}

static void basic_is_told_at_once(void **state)
{
	struct http_site *s = site_with("open sesame", HTTP_BASIC);

	(void)state;
	forget(s);
	assert_int_equal(ask(s, "PUT", "/basic/a", "hello", 5), 201);
	assert_int_equal(ask(s, "PUT", "/basic/b", big, BIG_BYTES), 201);
	assert_seen(s, "PUT /basic/a 5 Basic\nPUT /basic/b 3145728 Basic");
	assert_stored(s, "/basic/b", big, BIG_BYTES);
	http_site_close(s);
}

static void digest_asks_once_and_then_knows(void **state)
{
	struct http_site *s = site_with("open sesame", HTTP_DIGEST);

	(void)state;
	forget(s);
	assert_int_equal(ask(s, "PUT", "/digest/a", "hello", 5), 201);
	assert_int_equal(ask(s, "DELETE", "/digest/none", NULL, 0), 204);
	assert_seen(s, "PUT /digest/a 0\nPUT /digest/a 5 Digest\nDELETE /digest/none 0 Digest");
	assert_stored(s, "/digest/a", "hello", 5);
	http_site_close(s);
}

static void a_large_body_waits_until_the_log_in_is_accepted(void **state)
{
	struct http_site *s = site_with("open sesame", HTTP_DIGEST);

	(void)state;
	forget(s);
	assert_int_equal(ask(s, "PUT", "/digest/b", big, BIG_BYTES), 201);
	assert_seen(s, "PUT /digest/b 0 asks first\nPUT /digest/b 3145728 asks first Digest");
	assert_stored(s, "/digest/b", big, BIG_BYTES);
	http_site_close(s);
}

static void what_the_server_wants_is_learned_when_either_is_allowed(void **state)
{
	struct http_site *s = site_with("open sesame", 0);

	(void)state;
	forget(s);
	assert_int_equal(ask(s, "PUT", "/digest/a", "hello", 5), 201);
	assert_int_equal(ask(s, "PUT", "/digest/a", "hello", 5), 201);
	assert_seen(s, "PUT /digest/a 5\nPUT /digest/a 5 Digest\nPUT /digest/a 5 Digest");
	http_site_close(s);
	s = site_with("open sesame", 0);
	assert_int_equal(ask(s, "PUT", "/basic/a", big, BIG_BYTES), 201);
	assert_int_equal(ask(s, "PUT", "/basic/a", "hello", 5), 201);
	assert_seen(s, "PUT /basic/a 3145728 asks first\nPUT /basic/a 3145728 asks first Basic\n"
		       "PUT /basic/a 5 Basic");
	http_site_close(s);
}

static void a_wrong_password_is_denied_and_not_shown(void **state)
{
	static const unsigned auths[] = { HTTP_BASIC, HTTP_DIGEST, 0 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct http_site *s = site_with("close sesame", auths[i]);

		assert_int_equal(ask(s, "PUT", "/digest/w", "hello", 5), 401);
		assert_int_equal(ask(s, "PUT", "/basic/w", big, BIG_BYTES), 401);
		assert_int_equal(http_status_error(&answer, "PUT w", &err), ERR_DENIED);
		assert_null(strstr(err.message, "sesame"));
		http_site_close(s);
	}
}

static void what_a_server_tells_back_of_secrets_is_blotted_out(void **state)
{
	struct http_site *s = site_with("open sesame", HTTP_BASIC);
	const char *const headers[] = { "X-Auth-Token: gAAAAtoken", "x-amz-security-token:FwoGsesame",
					"Authorization: Bearer eyJsesame", "X-Plain: this one stays",
					NULL };
	char url[128];
	struct http_request r = { .method = "GET", .url = url, .headers = headers };

	(void)state;
	assert_int_equal(ask(s, "PUT", "/echo/403?open%20sesame%20open%20sesame", "hello", 5), 403);
	assert_int_equal(http_status_error(&answer, "PUT w", &err), ERR_DENIED);
	assert_null(strstr(err.message, "sesame"));
	assert_null(strstr(err.message, "bWU6b3BlbiBzZXNhbWU="));
	assert_non_null(strstr(err.message, "authorization: Basic *****"));
	http_site_close(s);

	s = site_with(NULL, 0);
	http_answer_release(&answer);
	snprintf(url, sizeof(url), "%s/echo/500", server.origin);
	assert_int_equal(http_do(s, &r, &answer, &err), ERR_NONE);
	buf_add_u8(&answer.document, 0);
	assert_null(strstr((char *)answer.document.data, "token: g"));
	assert_null(strstr((char *)answer.document.data, "sesame"));
	assert_non_null(strstr((char *)answer.document.data, "this one stays"));
	http_site_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(basic_is_told_at_once),
		cmocka_unit_test(digest_asks_once_and_then_knows),
		cmocka_unit_test(a_large_body_waits_until_the_log_in_is_accepted),
		cmocka_unit_test(what_the_server_wants_is_learned_when_either_is_allowed),
		cmocka_unit_test(a_wrong_password_is_denied_and_not_shown),
		cmocka_unit_test(what_a_server_tells_back_of_secrets_is_blotted_out),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
