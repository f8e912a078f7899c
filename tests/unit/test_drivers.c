/*
 * The list of kinds: which driver a URL means. What the memory driver does beyond the contract.
 */
#include "drivers/domain.h"
#include "drivers/mem.h"
#include "tests/support/calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_url_finds_its_driver(void **state)
{
	static const struct {
		const char *url, *kind;
	} good[] = {{"file:x", "file"},	    {"file:/x", "file"}, {"file:", "file"},
		    {"/x/y", "file"},	    {"x", "file"},	 {"mem:x", "file"},
		    {"C:x", "file"},	    {"foo:bar", "file"}, {"nas:/volume", "file"},
		    {"./sftp://x", "file"}, {"files:x", "file"}, {"a b://c", "file"},
		    {"1x://y", "file"},	    {"x/y://z", "file"}};
	const struct mrmr_driver *driver;
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(driver_for_url(good[i].url, &driver, &err), ERR_NONE);
		assert_string_equal(driver->kind, good[i].kind);
	}
}

static void a_url_of_an_unknown_kind_is_a_usage_error(void **state)
{
	static const char *const bad[] = {"", "gopher://x", "http://x/y", "svn+ssh://x",
					  "x.y-z://"};
	const struct mrmr_driver *driver;
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(driver_for_url(bad[i], &driver, &err), ERR_USAGE);
		assert_null(driver);
	}
}

static void every_option_of_every_kind_is_in_the_table(void **state)
{
	static const char *const urls[] = { "sftp://h/x", "smb://h/s", "s3://h/b", "swift://h/x",
					    "webdav://h/x", "ftp://h/x", "rclone:r:x", "exec:x" };
	const struct mrmr_driver *driver;
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		if (driver_for_url(urls[i], &driver, &err) != ERR_NONE)
			continue; /* not in this build */
		for (const char *const *key = driver->options; key && *key; key++) {
			/* Nothing takes an option away: whatever it is, if it is one at all. */
			if (drive_option_check(*key, "", &err) != ERR_NONE)
				fail_msg("%s: %s: %s", driver->kind, *key, err.message);
		}
	}
}

static void a_known_kind_that_is_not_built_says_so(void **state)
{
	static const char *const kinds[] = { "file", "sftp",	"smb",	"s3",  "swift",
					     "webdav", "webdavs", "ftp", "ftps", "rclone",
					     "exec" };
	const struct mrmr_driver *driver;
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char url[40], message[100];
		int code;

		snprintf(url, sizeof(url), "%s:x", kinds[i]);
		code = driver_for_url(url, &driver, &err);
		assert_int_equal(code == ERR_NONE, driver != NULL);
		if (code == ERR_NONE)
			continue;
		snprintf(message, sizeof(message), "drives of kind %s are not part of this build",
			 kinds[i]);
		assert_int_equal(code, ERR_UNSUPPORTED);
		assert_string_equal(err.message, message);
	}
}

static void every_kind_is_listed_once(void **state)
{
	unsigned count = 0;

	(void)state;
	while (driver_kind(count)) {
		for (unsigned i = 0; i < count; i++)
			assert_string_not_equal(driver_kind(i), driver_kind(count));
		count++;
	}
	assert_true(count >= 1);
	assert_string_equal(driver_kind(0), "file");
	assert_null(driver_kind(count + 1000));
}

static void a_place_in_memory_keeps_its_objects_until_it_is_erased(void **state)
{
	struct drive *d;

	(void)state;
	assert_int_equal(call_try_open("mem:kept", true, &d), ERR_NONE);
	assert_int_equal(call_store(d, "a", "text"), ERR_NONE);
	call_close(d);
	d = call_open("mem:kept");
	assert_int_equal(call_check(d, "a", "text"), ERR_NONE);
	call_close(d);
	assert_int_equal(call_try_open("mem:other", false, &d), ERR_NOT_FOUND);
	mem_erase("mem:other");
	mem_erase("mem:kept");
	assert_int_equal(call_try_open("mem:kept", false, &d), ERR_NOT_FOUND);
}

static void memory_without_a_name_is_of_one_handle(void **state)
{
	struct drive *first = call_open("mem:"), *second = call_open("mem:");

	(void)state;
	assert_int_equal(call_store(first, "a", "text"), ERR_NONE);
	assert_int_equal(call_check(second, "a", "text"), ERR_NOT_FOUND);
	call_close(first);
	call_close(second);
}

static void what_is_not_synced_is_seen_by_nobody(void **state)
{
	struct drive *d = call_open("mem:");

	(void)state;
	assert_int_equal(call_put(d, "a", "text"), ERR_NONE);
	assert_int_equal(call_check(d, "a", "text"), ERR_NOT_FOUND);
	assert_int_equal(call_count(d, ""), 0);
	assert_int_equal(call_sync(d), ERR_NONE);
	assert_int_equal(call_count(d, ""), 1);
	call_close(d);
}

/* ---- what fails together ---- */

static void assert_host(const char *host, unsigned port, const char *expected)
{
	char domain[DRIVE_DOMAIN_MAX];

	host_domain(host, port, domain);
	assert_string_equal(domain, expected);
}

static void a_host_is_one_domain_by_whichever_port_and_spelling(void **state)
{
	(void)state;
	assert_host("nas", 22, "host nas");
	assert_host("NAS.Example.", 445, "host nas.example");
	assert_host("nas.example", 2222, "host nas.example");
	assert_host("2001:db8::1", 22, "host 2001:db8::1");
	assert_host("localhost.example", 22, "host localhost.example");
}

static void behind_each_port_of_this_host_may_be_another_one(void **state)
{
	(void)state;
	assert_host("localhost", 2201, "host localhost:2201");
	assert_host("LOCALHOST.", 2202, "host localhost:2202");
	assert_host("127.0.0.1", 22, "host 127.0.0.1:22");
	assert_host("::1", 22, "host ::1:22");
	assert_host("a.localhost", 22, "host a.localhost:22");
}

static void assert_account(const char *host, unsigned port, const char *id, const char *expected)
{
	char domain[DRIVE_DOMAIN_MAX];

	account_domain("s3", host, port, id, domain);
	assert_string_equal(domain, expected);
}

static void an_account_is_a_domain_and_without_one_the_endpoint_is(void **state)
{
	char host[254], domain[DRIVE_DOMAIN_MAX];

	(void)state;
	assert_account("S3.example", 0, "me", "s3 s3.example account me");
	assert_account("s3.example", 9000, "me", "s3 s3.example:9000 account me");
	assert_account("s3.example", 0, NULL, "s3 s3.example");
	/* sha256sum of the id */
	assert_account("s3.example", 0, "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be",
		       "s3 s3.example account 6d00a8e1e5d71b44");
	memset(host, 'h', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	account_domain("s3", host, 65535, "0123456789012345678901234567890123456789", domain);
	assert_non_null(strstr(domain, "h:65535 account 0123456789012345678901234567890123456789"));
	host_domain(host, 22, domain);
	assert_int_equal(strlen(domain), 105);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_url_finds_its_driver),
		cmocka_unit_test(a_url_of_an_unknown_kind_is_a_usage_error),
		cmocka_unit_test(every_kind_is_listed_once),
		cmocka_unit_test(every_option_of_every_kind_is_in_the_table),
		cmocka_unit_test(a_known_kind_that_is_not_built_says_so),
		cmocka_unit_test(a_place_in_memory_keeps_its_objects_until_it_is_erased),
		cmocka_unit_test(memory_without_a_name_is_of_one_handle),
		cmocka_unit_test(what_is_not_synced_is_seen_by_nobody),
		cmocka_unit_test(a_host_is_one_domain_by_whichever_port_and_spelling),
		cmocka_unit_test(behind_each_port_of_this_host_may_be_another_one),
		cmocka_unit_test(an_account_is_a_domain_and_without_one_the_endpoint_is),
	};

	return cmocka_run_group_tests_name("drivers", tests, NULL, NULL);
}
