/* What makes a transfer wait, and for how long: limits, stalls, and others before it. */
#include "base/clock.h"
#include "net/http.h"
#include "tests/support/answers.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#define STALL_MS 300
#define SLOW_STALL_MS 1200 /* even a busy machine lets a server read that often */
#define BUSY_MS 20000 /* what a busy machine may take on top */
#define MANY 12

static struct answers server;
static struct error err;
static uint64_t took_ms;

static struct http_site *open_site(const struct http_site_options *o)
{
	struct http_site_options whole = *o;
	struct http_site *s;

	whole.origin = server.origin;
	assert_int_equal(http_site_open(&whole, &s, &err), ERR_NONE);
	return s;
}

static int ask(struct http_site *s, const char *method, const char *path, const void *body,
	       size_t body_bytes)
{
	char url[128];
	struct http_request r = { .method = method, .url = url, .body = body,
				  .body_bytes = body_bytes };
	struct http_answer answer;
	uint64_t began_us = clock_us();
	int code;

	snprintf(url, sizeof(url), "%s%s", server.origin, path);
	code = http_do(s, &r, &answer, &err);
	took_ms = (clock_us() - began_us) / 1000;
	http_answer_release(&answer);
	return code;
}

static void assert_stalls(int code)
{
	assert_int_equal(code, ERR_TRANSIENT);
	assert_non_null(strstr(err.message, "nearly nothing moved for 0 s"));
	assert_in_range(took_ms, STALL_MS, STALL_MS + BUSY_MS);
}

static void what_stalls_is_given_up(void **state)
{
	struct http_site *s = open_site(&(struct http_site_options){ .stall_ms = STALL_MS });
	char *body = calloc(1, 32 << 20);

	(void)state;
	assert_stalls(ask(s, "GET", "/stall/silent", NULL, 0));
	assert_stalls(ask(s, "GET", "/stall/0", NULL, 0));
	assert_stalls(ask(s, "GET", "/stall/50000", NULL, 0));
	assert_stalls(ask(s, "GET", "/drip/200", NULL, 0)); /* 50 bytes/s */
	assert_stalls(ask(s, "PUT", "/stall/silent", body, 1000));
	assert_stalls(ask(s, "PUT", "/read-none", body, 32 << 20));
	/* The site goes on. */
	assert_int_equal(ask(s, "GET", "/drip/10", NULL, 0), ERR_NONE);
	free(body);
	http_site_close(s);
}

/* What the kernel has taken from us and not brought across yet still moves. */
static void a_slow_line_does_not_stall(void **state)
{
	struct http_site *s = open_site(&(struct http_site_options){ .stall_ms = SLOW_STALL_MS });
	char *body = calloc(1, 2 << 20);

	(void)state;
	assert_int_equal(ask(s, "PUT", "/slow-read/700000", body, 2 << 20), ERR_NONE);
	assert_in_range(took_ms, SLOW_STALL_MS, 4000 + BUSY_MS);
	free(body);
	http_site_close(s);
}

static void a_connection_that_does_not_come_about_is_given_up(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	char origin[64];
	struct http_site_options o = { .origin = origin, .connect_ms = STALL_MS };
	struct http_request r = { .method = "GET", .url = origin };
	struct http_answer answer;
	struct http_site *s;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	/* The kernel takes the connection, and nobody shakes hands. */
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 8), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &len), 0);
	snprintf(origin, sizeof(origin), "https://127.0.0.1:%u", ntohs(a.sin_port));
	assert_int_equal(http_site_open(&o, &s, &err), ERR_NONE);
	took_ms = clock_us() / 1000;
	assert_int_equal(http_do(s, &r, &answer, &err), ERR_TRANSIENT);
	assert_in_range(clock_us() / 1000 - took_ms, STALL_MS - 1, STALL_MS + BUSY_MS);
	http_answer_release(&answer);
	http_site_close(s);
	close(listener);
}

static void limits_hold_both_ways(void **state)
{
	struct limit *up = limit_new(2000000, NULL), *down = limit_new(1000000, NULL);
	struct http_site *s = open_site(&(struct http_site_options){ .upload = up,
								     .download = down });
	char *body = calloc(1, 1000000);

	(void)state;
	assert_int_equal(ask(s, "PUT", "/file/a", body, 1000000), ERR_NONE);
	assert_in_range(took_ms, 340, 400 + BUSY_MS);
	assert_int_equal(ask(s, "GET", "/bytes/500000", NULL, 0), ERR_NONE);
	assert_in_range(took_ms, 340, 400 + BUSY_MS);
	http_site_close(s);
	limit_free(up);
	limit_free(down);
	free(body);
}

static void what_limits_make_wait_does_not_stall(void **state)
{
	struct limit *l = limit_new(2000, NULL); /* a piece each half second */
	struct http_site *s = open_site(
		&(struct http_site_options){ .upload = l, .download = l, .stall_ms = STALL_MS });
	char body[3000] = "";

	(void)state;
	assert_int_equal(ask(s, "PUT", "/file/a", body, sizeof(body)), ERR_NONE);
	assert_in_range(took_ms, 900, 1500 + BUSY_MS);
	http_site_close(s);
	limit_free(l);
}

/* ---- many at once ---- */

struct asker {
	pthread_t id;
	struct http_site *s;
	const char *path;
	unsigned times;
	unsigned failed;
};

static void *ask_often(void *arg)
{
	struct asker *a = arg;
	char url[128];
	struct http_request r = { .method = "GET", .url = url };
	struct http_answer answer;
	struct error e;

	snprintf(url, sizeof(url), "%s%s", server.origin, a->path);
	for (unsigned i = 0; i < a->times; i++) {
		a->failed += http_do(a->s, &r, &answer, &e) != ERR_NONE || answer.status != 200;
		http_answer_release(&answer);
	}
	return NULL;
}

static void ask_all(struct http_site *const *sites, unsigned count, const char *path,
		    unsigned times)
{
	struct asker a[MANY];

	for (unsigned i = 0; i < MANY; i++) {
		a[i] = (struct asker){ .s = sites[i % count], .path = path, .times = times };
		assert_int_equal(pthread_create(&a[i].id, NULL, ask_often, &a[i]), 0);
	}
	for (unsigned i = 0; i < MANY; i++) {
		pthread_join(a[i].id, NULL);
		assert_int_equal(a[i].failed, 0);
	}
}

static uint64_t metered(struct meter *m, enum meter_count what)
{
	struct meter_reading r;

	meter_read(m, &r);
	return r.of[what];
}

static void no_more_connections_than_a_site_may_have(void **state)
{
	struct meter *meter = meter_new();
	struct http_site *s = open_site(
		&(struct http_site_options){ .connections = 3, .meter = meter });

	(void)state;
	ask_all(&s, 1, "/drip/12", 1);
	assert_int_equal(metered(meter, METER_CONNECTIONS), 3);
	assert_int_equal(metered(meter, METER_REQUESTS), MANY);
	http_site_close(s);
	meter_drop(meter);
}

static void many_ask_at_once(void **state)
{
	struct http_site *s[3];
	struct meter *meters[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		meters[i] = meter_new();
		s[i] = open_site(&(struct http_site_options){ .connections = i + 1,
							      .meter = meters[i] });
	}
	ask_all(s, 3, "/bytes/100000", 10);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(metered(meters[i], METER_REQUESTS), MANY / 3 * 10);
		assert_in_range(metered(meters[i], METER_CONNECTIONS), 1, i + 1);
		http_site_close(s[i]);
		meter_drop(meters[i]);
	}
}

/* How many connections the server has, but for the one that asks. */
static int open_now(void)
{
	struct http_site *s = open_site(&(struct http_site_options){ 0 });
	char url[128];
	struct http_request r = { .method = "GET", .url = url };
	struct http_answer answer;
	const char *count;
	int now;

	snprintf(url, sizeof(url), "%s/seen/forget", server.origin);
	assert_int_equal(http_do(s, &r, &answer, &err), ERR_NONE);
	buf_add_u8(&answer.document, 0);
	count = strstr((const char *)answer.document.data, "connections, ");
	now = (int)strtol(count + strlen("connections, "), NULL, 10) - 1;
	http_answer_release(&answer);
	http_site_close(s);
	return now;
}

/* Waits until they are that few, 4 s at most. */
static int open_when_at_most(int most)
{
	int now = open_now();

	for (unsigned i = 0; i < 200 && now > most; i++) {
		usleep(20000);
		now = open_now();
	}
	return now;
}

static void a_closed_site_leaves_no_connections(void **state)
{
	struct http_site *s = open_site(&(struct http_site_options){ .connections = 4 });
	struct meter *meter = meter_new();
	struct http_site *other = open_site(
		&(struct http_site_options){ .connections = 1, .meter = meter });
	int before = open_when_at_most(1); /* it may not have seen the end of all of them yet */

	(void)state;
	ask_all(&s, 1, "/drip/12", 1);
	assert_int_equal(ask(other, "GET", "/bytes/1", NULL, 0), ERR_NONE);
	assert_true(open_now() >= before + 5);
	http_site_close(s);
	assert_int_equal(open_when_at_most(before + 1), before + 1);
	assert_int_equal(ask(other, "GET", "/bytes/1", NULL, 0), ERR_NONE);
	assert_int_equal(metered(meter, METER_CONNECTIONS), 1);
	http_site_close(other);
	meter_drop(meter);
}

static int set_up(void **state)
{
	(void)state;
	answers_start(&server, NULL, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	answers_stop(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stalls_is_given_up),
		cmocka_unit_test(a_slow_line_does_not_stall),
		cmocka_unit_test(a_connection_that_does_not_come_about_is_given_up),
		cmocka_unit_test(limits_hold_both_ways),
		cmocka_unit_test(what_limits_make_wait_does_not_stall),
		cmocka_unit_test(no_more_connections_than_a_site_may_have),
		cmocka_unit_test(many_ask_at_once),
		cmocka_unit_test(a_closed_site_leaves_no_connections),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
