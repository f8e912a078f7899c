/* Certificates: who is believed, and by whom. */
#include "net/http.h"
#include "tests/support/answers.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char *folder;
static struct answers good, old, elsewhere, plain;
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
	make_certificate("good", "ca", "IP:127.0.0.1", "2");
	make_certificate("old", "ca", "IP:127.0.0.1", "-1");
	make_certificate("elsewhere", "ca", "DNS:elsewhere.example", "2");
	answers_start(&good, in("good.pem"), in("good.key"));
	answers_start(&old, in("old.pem"), in("old.key"));
	answers_start(&elsewhere, in("elsewhere.pem"), in("elsewhere.key"));
	answers_start(&plain, NULL, NULL);
	return 0;
}

static int remove_all(void **state)
{
	(void)state;
	answers_stop(&good);
	answers_stop(&old);
	answers_stop(&elsewhere);
	answers_stop(&plain);
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
		cmocka_unit_test(an_authority_is_of_its_site_alone),
		cmocka_unit_test(a_file_that_holds_no_certificate_is_refused),
		cmocka_unit_test(no_tls_at_all_is_an_error),
	};

	return cmocka_run_group_tests(tests, make_all, remove_all);
}
