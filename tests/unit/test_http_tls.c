/* Certificates: who is believed, and by whom. */
#include "net/http.h"
#include "tests/support/answers.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static char *folder;
static struct answers good, old, elsewhere, plain, cutting;
static struct error err;

static const char *in(const char *name)
{
	return temp_path(folder, name);
}

/* A key, and a certificate for name that ca signed; "days" may be over. */
static void make_certificate(const char *id, const char *ca, const char *name, const char *days)
{
	char key[64], request[64], certificate[64], alt[128], ca_file[64], ca_key[64];

	snprintf(key, sizeof(key), "%s.key", id);
	snprintf(request, sizeof(request), "%s.csr", id);
	snprintf(certificate, sizeof(certificate), "%s.pem", id);
	snprintf(alt, sizeof(alt), "subjectAltName=%s", name);
	snprintf(ca_file, sizeof(ca_file), "%s.pem", ca);
	snprintf(ca_key, sizeof(ca_key), "%s.key", ca);
	run_command((const char *const[]){ "openssl", "req", "-newkey", "ec", "-pkeyopt",
					   "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=test",
					   "-addext", alt, "-keyout", in(key), "-out", in(request),
					   NULL });
	run_command((const char *const[]){ "openssl", "x509", "-req", "-copy_extensions", "copy",
					   "-days", days, "-in", in(request), "-CA", in(ca_file),
					   "-CAkey", in(ca_key), "-CAcreateserial", "-out",
					   in(certificate), NULL });
}

static void make_ca(const char *id)
{
	char key[64], certificate[64];

	snprintf(key, sizeof(key), "%s.key", id);
	snprintf(certificate, sizeof(certificate), "%s.pem", id);
	run_command((const char *const[]){ "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
					   "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=ca",
					   "-days", "2", "-keyout", in(key), "-out",
					   in(certificate), NULL });
}

static int make_all(void **state)
{
	(void)state;
	folder = temp_folder();
	make_ca("ca");
	make_ca("other");
	make_certificate("good", "ca", "IP:127.0.0.1,IP:0.0.0.0", "2");
	make_certificate("old", "ca", "IP:127.0.0.1", "-1");
	make_certificate("elsewhere", "ca", "DNS:elsewhere.example", "2");
	answers_start(&good, in("good.pem"), in("good.key"));
	answers_start(&old, in("old.pem"), in("old.key"));
	answers_start(&elsewhere, in("elsewhere.pem"), in("elsewhere.key"));
	answers_start(&plain, NULL, NULL);
	answers_start_http2(&cutting, in("good.pem"), in("good.key"));
	return 0;
}

static int remove_all(void **state)
{
	(void)state;
	answers_stop(&good);
	answers_stop(&old);
	answers_stop(&elsewhere);
	answers_stop(&plain);
	answers_stop(&cutting);
	temp_folder_remove(folder);
	return 0;
}

static struct answers *server_with(const char *id)
{
	return strcmp(id, "good") == 0 ? &good : strcmp(id, "old") == 0 ? &old : &elsewhere;
}

/* Asks a server with this certificate, on the word of that authority (NULL: the system's). */
static int ask_with_body(const char *certificate, const char *ca, unsigned *status)
{
	const struct answers *a = server_with(certificate);
	struct http_site_options o = { .origin = a->origin, .ca_file = ca ? in(ca) : NULL,
				       .user = "me", .password = "open sesame" };
	char url[128];
	struct http_request r = { .method = "PUT", .url = url, .body = "sesame", .body_bytes = 6 };
	struct http_answer answer;
	struct http_site *s;
	int code;

	snprintf(url, sizeof(url), "%s/file/a", a->origin);
	assert_int_equal(http_site_open(&o, &s, &err), ERR_NONE);
	code = http_do(s, &r, &answer, &err);
	*status = answer.status;
	http_answer_release(&answer);
	http_site_close(s);
	return code;
}

static void assert_denied(const char *certificate, const char *ca, const char *why)
{
	unsigned status;

	assert_int_equal(ask_with_body(certificate, ca, &status), ERR_DENIED);
	assert_int_equal(err.code, ERR_DENIED);
	assert_non_null(strstr(err.message, "certificate does not hold"));
	if (!strstr(err.message, why))
		fail_msg("'%s' does not say '%s'", err.message, why);
	assert_int_equal(status, 0);
}

static void a_certificate_of_the_authority_given_holds(void **state)
{
	unsigned status;

	(void)state;
	assert_int_equal(ask_with_body("good", "ca.pem", &status), ERR_NONE);
	assert_int_equal(status, 201);
}

static void one_of_another_authority_does_not(void **state)
{
	(void)state;
	assert_denied("good", "other.pem", "unable to get local issuer certificate");
	assert_denied("good", NULL, "unable to get local issuer certificate");
}

static void one_that_has_expired_does_not(void **state)
{
	(void)state;
	assert_denied("old", "ca.pem", "certificate has expired");
}

static void one_for_another_host_does_not(void **state)
{
	(void)state;
	assert_denied("elsewhere", "ca.pem", "127.0.0.1");
}

/* ---- through a proxy ---- */

static struct {
	int listening;
	unsigned port;
	atomic_uint tunnels;
	char heads[4096]; /* all that was said to it that no server heard */
	atomic_bool stop;
	pthread_t thread;
} proxy;

/* Bytes go both ways until one end is closed. */
static void pass_on(int a, int b)
{
	struct pollfd ends[2] = { { a, POLLIN, 0 }, { b, POLLIN, 0 } };
	char bytes[4096];

	while (poll(ends, 2, 5000) > 0) {
		for (unsigned i = 0; i < 2; i++) {
			ssize_t n;

			if (ends[i].revents == 0)
				continue;
			n = read(ends[i].fd, bytes, sizeof(bytes));
			if (n <= 0 || write(ends[1 - i].fd, bytes, (size_t)n) != n)
				return;
		}
	}
}

static int connect_here(unsigned port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* "CONNECT 0.0.0.0:PORT": the server is on this host. */
static void tunnel(int fd)
{
	static const char yes[] = "HTTP/1.1 200 Connection established\r\n\r\n";
	char head[1024] = "";
	size_t len = 0;
	unsigned port;

	while (len < sizeof(head) - 1 && !strstr(head, "\r\n\r\n") && read(fd, head + len, 1) == 1)
		head[++len] = '\0';
	if (len == 0)
		return;
	strncat(proxy.heads, head, sizeof(proxy.heads) - strlen(proxy.heads) - 1);
	if (sscanf(head, "CONNECT 0.0.0.0:%u HTTP/1.1\r\n", &port) == 1 &&
	    write(fd, yes, strlen(yes)) == (ssize_t)strlen(yes)) {
		int server = connect_here(port);

		proxy.tunnels++;
		pass_on(fd, server);
		close(server);
	}
}

static void *run_proxy(void *unused)
{
	(void)unused;
	while (!proxy.stop) {
		int fd = accept(proxy.listening, NULL, NULL);

		tunnel(fd);
		close(fd);
	}
	return NULL;
}

static void proxy_start(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	memset(&proxy, 0, sizeof(proxy));
	proxy.listening = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(proxy.listening, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(proxy.listening, 4), 0);
	assert_int_equal(getsockname(proxy.listening, (struct sockaddr *)&a, &len), 0);
	proxy.port = ntohs(a.sin_port);
	assert_int_equal(pthread_create(&proxy.thread, NULL, run_proxy, NULL), 0);
}

static void proxy_stop(void)
{
	proxy.stop = true;
	close(connect_here(proxy.port));
	pthread_join(proxy.thread, NULL);
	close(proxy.listening);
}

/* With these variables set; host: 127.0.0.1, or 0.0.0.0, which is the same and not taken for this host. */
static int ask_by_proxy(const char *host, const char *no_proxy)
{
	char origin[64], url[100], by[64];
	struct http_site_options o = { .origin = origin, .ca_file = in("ca.pem"), .user = "me",
				       .password = "open sesame" };
	struct http_request r = { .method = "PUT", .url = url, .body = "sesame", .body_bytes = 6 };
	struct http_answer answer;
	struct http_site *s;
	int code;

	snprintf(origin, sizeof(origin), "https://%s%s", host, strrchr(good.origin, ':'));
	snprintf(url, sizeof(url), "%s/file/a", origin);
	snprintf(by, sizeof(by), "http://127.0.0.1:%u", proxy.port);
	setenv("https_proxy", by, 1);
	setenv("no_proxy", no_proxy, 1);
	assert_int_equal(http_site_open(&o, &s, &err), ERR_NONE);
	code = http_do(s, &r, &answer, &err);
	assert_int_equal(answer.status, code == ERR_NONE ? 201 : 0);
	http_answer_release(&answer);
	http_site_close(s);
	unsetenv("https_proxy");
	unsetenv("no_proxy");
	return code;
}

static void a_proxy_carries_what_it_cannot_read_and_is_left_out_where_it_shall_be(void **state)
{
	(void)state;
	proxy_start();
	assert_int_equal(ask_by_proxy("0.0.0.0", ""), ERR_NONE);
	assert_int_equal(proxy.tunnels, 1);
	assert_int_equal(ask_by_proxy("0.0.0.0", "example.org,0.0.0.0"), ERR_NONE);
	assert_int_equal(ask_by_proxy("0.0.0.0", "*"), ERR_NONE);
	assert_int_equal(ask_by_proxy("127.0.0.1", ""), ERR_NONE);
	assert_int_equal(proxy.tunnels, 1);
	proxy_stop();
	assert_non_null(strstr(proxy.heads, "CONNECT 0.0.0.0:"));
	assert_null(strstr(proxy.heads, "\r\nAuthorization"));
	assert_null(strstr(proxy.heads, "sesame"));
	/* One that is not there is named, not passed by. */
	assert_int_equal(ask_by_proxy("0.0.0.0", ""), ERR_TRANSIENT);
}

/* One site's authority is nothing to another, though they are of the same server. */
static void an_authority_is_of_its_site_alone(void **state)
{
	char url[128];
	struct http_site_options o = { .origin = good.origin };
	struct http_request r = { .method = "GET", .url = url };
	struct http_answer answer;
	struct http_site *s[3];
	const char *const ca[] = { "ca.pem", "other.pem", NULL };

	(void)state;
	snprintf(url, sizeof(url), "%s/status/200", good.origin);
	for (unsigned i = 0; i < 3; i++) {
		o.ca_file = ca[i] ? in(ca[i]) : NULL;
		assert_int_equal(http_site_open(&o, &s[i], &err), ERR_NONE);
	}
	for (unsigned i = 0; i < 9; i++) {
		assert_int_equal(http_do(s[i % 3], &r, &answer, &err),
				 i % 3 == 0 ? ERR_NONE : ERR_DENIED);
		http_answer_release(&answer);
	}
	for (unsigned i = 0; i < 3; i++)
		http_site_close(s[i]);
}

static void a_file_that_holds_no_certificate_is_refused(void **state)
{
	struct http_site_options o = { .origin = "https://127.0.0.1" };
	struct http_site *s;

	(void)state;
	o.ca_file = in("good.key");
	assert_int_equal(http_site_open(&o, &s, &err), ERR_USAGE);
	assert_non_null(strstr(err.message, "good.key holds no certificate"));
	o.ca_file = in("nowhere.pem");
	assert_int_equal(http_site_open(&o, &s, &err), ERR_USAGE);
	assert_non_null(strstr(err.message, "nowhere.pem"));
	o.ca_file = in("empty.pem");
	temp_file(o.ca_file, "");
	assert_int_equal(http_site_open(&o, &s, &err), ERR_USAGE);
}

/* HTTP/2 ends the stream instead of an answer. What may not be done twice is not asked for again. */
static void what_http_2_leaves_without_an_answer_is_asked_for_by_http_1(void **state)
{
	static const char *const methods[] = { "PUT", "GET", "MOVE" };
	static const unsigned answered[] = { 201, 200, 0 };
	struct http_site_options o = { .origin = cutting.origin, .ca_file = in("ca.pem") };
	char url[128];
	struct http_request r = { .url = url };
	struct http_answer answer;
	struct http_site *s;

	(void)state;
	snprintf(url, sizeof(url), "%s/file/a", cutting.origin);
	assert_int_equal(http_site_open(&o, &s, &err), ERR_NONE);
	for (unsigned i = 0; i < 3; i++) {
		int code;

		r.method = methods[i];
		r.body = i == 0 ? "sesame" : NULL;
		r.body_bytes = i == 0 ? 6 : 0;
		code = http_do(s, &r, &answer, &err);
		assert_int_equal(code, i < 2 ? ERR_NONE : ERR_TRANSIENT);
		assert_int_equal(answer.status, answered[i]);
		http_answer_release(&answer);
	}
	http_site_close(s);
}

/* A server that speaks no TLS where https is expected is no matter of certificates. */
static void no_tls_at_all_is_an_error(void **state)
{
	char url[256], origin[128];
	struct http_site_options o = { .origin = origin };
	struct http_request r = { .method = "GET", .url = url };
	struct http_answer answer;
	struct http_site *s;

	(void)state;
	snprintf(origin, sizeof(origin), "https%s", strchr(plain.origin, ':'));
	snprintf(url, sizeof(url), "%s/status/200", origin);
	assert_int_equal(http_site_open(&o, &s, &err), ERR_NONE);
	assert_int_not_equal(http_do(s, &r, &answer, &err), ERR_NONE);
	assert_int_not_equal(err.code, ERR_DENIED);
	http_answer_release(&answer);
	http_site_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_certificate_of_the_authority_given_holds),
		cmocka_unit_test(one_of_another_authority_does_not),
		cmocka_unit_test(one_that_has_expired_does_not),
		cmocka_unit_test(one_for_another_host_does_not),
		cmocka_unit_test(
			a_proxy_carries_what_it_cannot_read_and_is_left_out_where_it_shall_be),
		cmocka_unit_test(an_authority_is_of_its_site_alone),
		cmocka_unit_test(a_file_that_holds_no_certificate_is_refused),
		cmocka_unit_test(what_http_2_leaves_without_an_answer_is_asked_for_by_http_1),
		cmocka_unit_test(no_tls_at_all_is_an_error),
	};

	return cmocka_run_group_tests(tests, make_all, remove_all);
}
