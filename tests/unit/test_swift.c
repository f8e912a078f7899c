/*
 * What a Swift server answers is not to be trusted: listings, catalogs, where the storage is. And
 * what is sent to log in. (The calls themselves: the contract, on a real server.)
 */
#include "base/hash.h"
#include "drivers/swift.h"
#include "drivers/swift_login.h"
#include "tests/support/http_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

static struct error err;

/* ---- listings ---- */

struct names {
	char text[512]; /* "name:bytes " of each */
	int stop_after; /* 0: never */
};

static int note(void *ctx, const char *name, uint64_t len_bytes)
{
	struct names *n = ctx;
	size_t len = strlen(n->text);

	snprintf(n->text + len, sizeof(n->text) - len, "%s:%llu ", name,
		 (unsigned long long)len_bytes);
	return n->stop_after > 0 && --n->stop_after == 0 ? -7 : 0;
}

static struct swift_listing listing(struct names *n, const char *prefix, const char *marker)
{
	*n = (struct names){.stop_after = 0};
	return (struct swift_listing){.top = "p/.mrmr/", .prefix = prefix, .each = note, .ctx = n,
				      .marker = strdup(marker)};
}

static int page(struct swift_listing *l, const char *json)
{
	size_t entries;

	return swift_listing_page(l, json, strlen(json), &entries, &err);
}

static void a_page_names_our_objects_and_passes_over_all_others(void **state)
{
	static const char json[] =
		"[{\"name\":\"p/.mrm\",\"bytes\":1},"
		"{\"name\":\"p/.mrmr/../config.json\",\"bytes\":1},"
		"{\"name\":\"p/.mrmr//blocks\",\"bytes\":1},"
		"{\"name\":\"p/.mrmr/blocks/ab/x.blob\",\"bytes\":16777216,\"hash\":\"00\"},"
		"{\"name\":\"p/.mrmr/blocks/ab/y\\u001b[2J\",\"bytes\":1},"
		"{\"name\":\"p/.mrmr/blocks/\\u00e4\",\"bytes\":1},"
		"{\"name\":\"p/.mrmr/keys/k\",\"bytes\":0},"
		"{\"name\":\"q/.mrmr/keys/k\",\"bytes\":3}]";
	struct names n;
	struct swift_listing l = listing(&n, "", "");
	size_t entries;

	(void)state;
	assert_int_equal(swift_listing_page(&l, json, strlen(json), &entries, &err), ERR_NONE);
	assert_string_equal(n.text, "blocks/ab/x.blob:16777216 keys/k:0 ");
	assert_int_equal(entries, 8);
	/* It goes on behind foreign ones, too. */
	assert_string_equal(l.marker, "q/.mrmr/keys/k");
	free(l.marker);
	l = listing(&n, "blocks/", "");
	assert_int_equal(page(&l, json), ERR_NONE);
	assert_string_equal(n.text, "blocks/ab/x.blob:16777216 ");
	free(l.marker);
}

static void an_empty_page_is_the_end(void **state)
{
	struct names n;
	struct swift_listing l = listing(&n, "", "p/.mrmr/z");
	size_t entries = 1;

	(void)state;
	assert_int_equal(swift_listing_page(&l, "[]", 2, &entries, &err), ERR_NONE);
	assert_int_equal(entries, 0);
	assert_string_equal(l.marker, "p/.mrmr/z");
	free(l.marker);
}

static void a_page_that_does_not_lead_on_is_corrupt(void **state)
{
	static const char *const pages[] = {
		"[{\"name\":\"p/.mrmr/m\",\"bytes\":1}]",  /* the marker itself */
		"[{\"name\":\"p/.mrmr/a\",\"bytes\":1}]",  /* from the start again */
		"[{\"name\":\"\",\"bytes\":1}]",
		"[{\"name\":\"p/.mrmr/n\",\"bytes\":1},{\"name\":\"p/.mrmr/n\",\"bytes\":1}]",
		"[{\"name\":\"p/.mrmr/o\",\"bytes\":1},{\"name\":\"p/.mrmr/n\",\"bytes\":1}]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		struct names n;
		struct swift_listing l = listing(&n, "", "p/.mrmr/m");

		assert_int_equal(page(&l, pages[i]), ERR_CORRUPT);
		assert_string_equal(l.marker, "p/.mrmr/m");
		free(l.marker);
	}
}

static void what_is_no_page_is_corrupt(void **state)
{
	static const char *const pages[] = {
		"", "{}", "null", "7", "\"x\"", "[", "[[]]", "[null]", "[{}]", "[7]", "[\"p/.mrmr/a\"]",
		"[{\"subdir\":\"p/.mrmr/a/\"}]",
		"[{\"name\":\"p/.mrmr/a\"}]",
		"[{\"name\":7,\"bytes\":7}]",
		"[{\"name\":\"p/.mrmr/a\",\"bytes\":\"7\"}]",
		"[{\"name\":\"p/.mrmr/a\",\"bytes\":-1}]",
		"[{\"name\":\"p/.mrmr/a\",\"bytes\":1.5}]",
		"[{\"name\":\"p/.mrmr/a\",\"bytes\":99999999999999999999}]",
		"[{\"name\":\"p/.mrmr/a\\u0000\",\"bytes\":1}]",
		"[{\"name\":\"p/.mrmr/a\",\"bytes\":1,\"bytes\":2}]",
		"[{\"name\":\"p/.mrmr/\xff\",\"bytes\":1}]",
		"[{\"name\":\"p/.mrmr/a\",\"bytes\":1}]]",
		"<html><title>Welcome</title></html>",
	};
	char deep[2001];

	(void)state;
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		struct names n;
		struct swift_listing l = listing(&n, "", "");

		assert_int_equal(page(&l, pages[i]), ERR_CORRUPT);
		assert_string_equal(n.text, "");
		free(l.marker);
	}
	for (size_t i = 0; i < 2000; i++)
		deep[i] = i < 1000 ? '[' : ']';
	deep[2000] = '\0';
	{
		struct names n;
		struct swift_listing l = listing(&n, "", "");

		assert_int_equal(page(&l, deep), ERR_CORRUPT);
		free(l.marker);
	}
}

static void a_listing_without_end_is_corrupt(void **state)
{
	struct names n;
	struct swift_listing l = listing(&n, "", "");

	(void)state;
	l.listed = SWIFT_LISTED_MAX - 1;
	assert_int_equal(page(&l, "[{\"name\":\"p/.mrmr/a\",\"bytes\":1}]"), ERR_NONE);
	assert_int_equal(page(&l, "[{\"name\":\"p/.mrmr/b\",\"bytes\":1}]"), ERR_CORRUPT);
	free(l.marker);
}

static void a_page_stops_where_its_caller_does(void **state)
{
	struct names n;
	struct swift_listing l = listing(&n, "", "");

	(void)state;
	n.stop_after = 2;
	assert_int_equal(page(&l, "[{\"name\":\"p/.mrmr/a\",\"bytes\":1},"
				  "{\"name\":\"p/.mrmr/b\",\"bytes\":2},"
				  "{\"name\":\"p/.mrmr/c\",\"bytes\":3}]"), ERR_NONE);
	assert_int_equal(l.stopped, -7);
	assert_string_equal(n.text, "a:1 b:2 ");
	free(l.marker);
}

/* ---- statuses ---- */

static void a_status_tells_whether_it_may_pass(void **state)
{
	static const struct {
		unsigned status, retry_after_s;
		int code;
	} rows[] = {
		{401, 0, ERR_DENIED},	 {403, 0, ERR_DENIED},	  {404, 0, ERR_NOT_FOUND},
		{409, 0, ERR_TRANSIENT}, {412, 0, ERR_EXISTS},	  {413, 0, ERR_FULL},
		{413, 7, ERR_TRANSIENT}, {422, 0, ERR_TRANSIENT}, {429, 7, ERR_TRANSIENT},
		{498, 7, ERR_TRANSIENT}, {499, 0, ERR_TRANSIENT}, {501, 0, ERR_UNSUPPORTED},
		{503, 7, ERR_TRANSIENT}, {507, 0, ERR_FULL},	  {400, 0, ERR_IO},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_answer a = {.status = rows[i].status,
					.retry_after_s = rows[i].retry_after_s};

		if (swift_status_error(&a, "put", "blocks/ab/cd", &err) != rows[i].code)
			fail_msg("%u", rows[i].status);
		assert_int_equal(err.code, rows[i].code);
		assert_int_equal(strncmp(err.message, "put blocks/ab/cd: ", 18), 0);
		if (rows[i].code == ERR_TRANSIENT)
			assert_int_equal(err.retry_after_s, rows[i].retry_after_s);
	}
}

static void a_number_is_digits_and_no_more(void **state)
{
	static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x1", "1e3", "none",
					  "99999999999999999999"};
	uint64_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (swift_number(bad[i], &n))
			fail_msg("%s", bad[i]);
	assert_true(swift_number("0", &n) && n == 0);
	assert_true(swift_number("9999999999999999999", &n) && n == 9999999999999999999u);
}

/* ---- where the storage is ---- */

static void the_storage_may_be_another_host_but_not_less_protected(void **state)
{
	static const struct {
		const char *url;
		bool secure;
		int code;
		const char *taken;
	} rows[] = {
		{"https://store.example/v1/AUTH_a", true, ERR_NONE, "https://store.example/v1/AUTH_a"},
		{"https://s:8443/v1/AUTH_a/", true, ERR_NONE, "https://s:8443/v1/AUTH_a"},
		{"HTTP://s/v1/a", false, ERR_NONE, "http://s/v1/a"},
		{"https://s/v1/a", false, ERR_NONE, "https://s/v1/a"},
		{"https://[::1]:80/v1/a%20b", true, ERR_NONE, "https://[::1]:80/v1/a%20b"},
		{"http://s/v1/a", true, ERR_DENIED, NULL},
		{"ftp://s/v1/a", false, ERR_CORRUPT, NULL},
		{"file:///etc/passwd", false, ERR_CORRUPT, NULL},
		{"https://s", true, ERR_CORRUPT, NULL},
		{"https://s/", true, ERR_CORRUPT, NULL},
		{"https:///v1/a", true, ERR_CORRUPT, NULL},
		{"https://u@s/v1/a", true, ERR_CORRUPT, NULL},
		{"https://u:p@s/v1/a", true, ERR_CORRUPT, NULL},
		{"https://s/v1/a?x=y", true, ERR_CORRUPT, NULL},
		{"https://s/v1/a#x", true, ERR_CORRUPT, NULL},
		{"https://s/v1/a%0d%0aX: y", true, ERR_CORRUPT, NULL},
		{"https://s:99999/v1/a", true, ERR_CORRUPT, NULL},
		{"//s/v1/a", true, ERR_CORRUPT, NULL},
		{"", true, ERR_CORRUPT, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out = {0};

		if (swift_storage_check(rows[i].url, rows[i].secure, &out, &err) != rows[i].code)
			fail_msg("%s", rows[i].url);
		if (rows[i].taken)
			assert_string_equal((const char *)out.data, rows[i].taken);
		buf_release(&out);
	}
}

#define ENDPOINT(region, interface, url)                                                           \
	"{\"region\":\"" region "\",\"region_id\":\"" region "\",\"interface\":\"" interface       \
	"\",\"url\":\"" url "\"}"
#define CATALOG(endpoints)                                                                         \
	"{\"token\":{\"catalog\":[{\"type\":\"compute\",\"endpoints\":["                           \
	ENDPOINT("one", "public", "https://nova/v2") "]},"                                         \
	"{\"type\":\"object-store\",\"name\":\"swift\",\"endpoints\":[" endpoints "]}]}}"

static int find(const char *json, const char *region, const char *interface, char *url, size_t size)
{
	struct buf out = {0};
	int code = swift_catalog_find(json, strlen(json), region, interface, &out, &err);

	snprintf(url, size, "%s", code == ERR_NONE ? (const char *)out.data : "");
	buf_release(&out);
	return code;
}

static void the_catalog_is_searched_by_region_and_interface(void **state)
{
	static const char json[] = CATALOG(ENDPOINT("one", "public", "https://one/v1/a") ","
					   ENDPOINT("one", "internal", "http://in/v1/a") ","
					   ENDPOINT("two", "public", "https://two/v1/a"));
	static const char single[] = CATALOG(ENDPOINT("one", "public", "https://one/v1/a"));
	char url[80];

	(void)state;
	assert_int_equal(find(json, "two", "public", url, sizeof(url)), ERR_NONE);
	assert_string_equal(url, "https://two/v1/a");
	assert_int_equal(find(json, "one", "internal", url, sizeof(url)), ERR_NONE);
	assert_string_equal(url, "http://in/v1/a");
	assert_int_equal(find(json, NULL, "internal", url, sizeof(url)), ERR_NONE);
	assert_int_equal(find(single, NULL, "public", url, sizeof(url)), ERR_NONE);
	assert_string_equal(url, "https://one/v1/a");
	assert_int_equal(find(json, NULL, "public", url, sizeof(url)), ERR_USAGE);
	assert_non_null(strstr(err.message, "region="));
	assert_int_equal(find(json, "three", "public", url, sizeof(url)), ERR_USAGE);
	assert_non_null(strstr(err.message, "three"));
	assert_int_equal(find(json, "one", "admin", url, sizeof(url)), ERR_USAGE);
}

static void a_hostile_catalog_is_an_error(void **state)
{
	static const struct {
		const char *json;
		int code;
	} rows[] = {
		{"", ERR_CORRUPT}, {"[]", ERR_CORRUPT}, {"{", ERR_CORRUPT}, {"{}", ERR_CORRUPT},
		{"{\"token\":7}", ERR_CORRUPT},
		{"{\"token\":{}}", ERR_USAGE},
		{"{\"token\":{\"catalog\":{}}}", ERR_USAGE},
		{"{\"token\":{\"catalog\":[7,null,[],\"x\",{}]}}", ERR_USAGE},
		{"{\"token\":{\"catalog\":[{\"type\":\"object-store\"}]}}", ERR_USAGE},
		{"{\"token\":{\"catalog\":[{\"type\":\"object-store\",\"endpoints\":7}]}}", ERR_USAGE},
		{CATALOG("7,null,{\"interface\":\"public\"},{\"url\":\"https://x/y\"}"), ERR_USAGE},
		{CATALOG("{\"interface\":\"public\",\"url\":{\"a\":[]}}"), ERR_USAGE},
	};
	char url[80];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (find(rows[i].json, NULL, "public", url, sizeof(url)) != rows[i].code)
			fail_msg("%s", rows[i].json);
}

/* ---- who logs in ---- */

static const char *const taken[] = {
	"user", "key", "project", "user_domain", "project_domain", "region", "interface",
	"application_credential", NULL};

static int log_in(const char *at, const char *json, struct swift_login *l)
{
	struct drive_option_set *given = NULL;
	struct url u;
	int code;

	assert_int_equal(url_parse(at, &u, &err), ERR_NONE);
	assert_int_equal(drive_options_parse(json, taken, "options", &given, &err), ERR_NONE);
	code = swift_login_find(&u, "https://auth:5000", given, l, &err);
	drive_options_free(given);
	url_release(&u);
	return code;
}

static int forget(void **state)
{
	static const char *const names[] = {
		"ST_AUTH", "ST_USER", "ST_KEY", "OS_AUTH_URL", "OS_USERNAME", "OS_USER_ID",
		"OS_PASSWORD", "OS_PROJECT_NAME", "OS_PROJECT_ID", "OS_USER_DOMAIN_NAME",
		"OS_USER_DOMAIN_ID", "OS_PROJECT_DOMAIN_NAME", "OS_PROJECT_DOMAIN_ID",
		"OS_REGION_NAME", "OS_INTERFACE", "OS_ENDPOINT_TYPE", "OS_APPLICATION_CREDENTIAL_ID",
		"OS_APPLICATION_CREDENTIAL_SECRET"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	credentials_forget();
	return 0;
}

static void v1_asks_with_two_headers(void **state)
{
	struct swift_login l;

	(void)state;
	setenv("K", "s3cret", 1);
	assert_int_equal(log_in("swift://auth:5000/auth/v1.0?container=c",
				"{\"user\":\"acc:me\",\"key\":\"env:K\"}", &l), ERR_NONE);
	assert_false(l.keystone);
	assert_string_equal(l.url, "https://auth:5000/auth/v1.0");
	assert_string_equal(l.user_header, "X-Auth-User: acc:me");
	assert_string_equal(l.key_header, "X-Auth-Key: s3cret");
	swift_login_release(&l);
	setenv("ST_USER", "acc:you", 1);
	setenv("ST_KEY", "other", 1);
	setenv("ST_AUTH", "https://auth:5000/auth/v1.0", 1);
	assert_int_equal(log_in("swift://auth:5000/auth/v1.0", "{}", &l), ERR_NONE);
	assert_string_equal(l.user_header, "X-Auth-User: acc:you");
	assert_string_equal(l.key_header, "X-Auth-Key: other");
	swift_login_release(&l);
}

static bool body_is(const struct swift_login *l, const char *expected)
{
	return l->body_bytes == strlen(expected) && memcmp(l->body, expected, l->body_bytes) == 0;
}

static void keystone_is_asked_for_a_token_of_the_project(void **state)
{
	struct swift_login l;

	(void)state;
	setenv("K", "s\"\\\xc3\xa4", 1);
	assert_int_equal(log_in("swift://auth:5000/identity/v3",
				"{\"user\":\"me\",\"key\":\"env:K\",\"project\":\"p\","
				"\"project_domain\":\"pd\",\"region\":\"r\"}", &l), ERR_NONE);
	assert_true(l.keystone);
	assert_string_equal(l.url, "https://auth:5000/identity/v3/auth/tokens");
	assert_true(body_is(&l, "{\"auth\":{\"identity\":{\"methods\":[\"password\"],\"password\":"
				"{\"user\":{\"name\":\"me\",\"domain\":{\"id\":\"default\"},"
				"\"password\":\"s\\\"\\\\\xc3\xa4\"}}},\"scope\":{\"project\":"
				"{\"name\":\"p\",\"domain\":{\"name\":\"pd\"}}}}}"));
	assert_string_equal(l.region, "r");
	assert_string_equal(l.interface, "public");
	swift_login_release(&l);
}

static void keystone_takes_the_variables_of_an_openrc_file(void **state)
{
	struct swift_login l;

	(void)state;
	setenv("OS_AUTH_URL", "https://auth:5000/v3", 1);
	setenv("OS_USERNAME", "me", 1);
	setenv("OS_USER_DOMAIN_NAME", "ud", 1);
	setenv("OS_PROJECT_ID", "77", 1);
	setenv("OS_PROJECT_NAME", "p", 1);
	setenv("OS_PASSWORD", "pw", 1);
	setenv("OS_ENDPOINT_TYPE", "internalURL", 1);
	assert_int_equal(log_in("swift://auth:5000/v3/", "{}", &l), ERR_NONE);
	assert_true(body_is(&l, "{\"auth\":{\"identity\":{\"methods\":[\"password\"],\"password\":"
				"{\"user\":{\"name\":\"me\",\"domain\":{\"name\":\"ud\"},"
				"\"password\":\"pw\"}}},\"scope\":{\"project\":{\"id\":\"77\"}}}}"));
	assert_null(l.region);
	assert_string_equal(l.interface, "internal");
	swift_login_release(&l);
}

static void an_application_credential_needs_no_user(void **state)
{
	struct swift_login l;

	(void)state;
	setenv("OS_APPLICATION_CREDENTIAL_ID", "abc", 1);
	setenv("OS_APPLICATION_CREDENTIAL_SECRET", "pw", 1);
	assert_int_equal(log_in("swift://auth:5000/v3", "{}", &l), ERR_NONE);
	assert_true(body_is(&l, "{\"auth\":{\"identity\":{\"methods\":[\"application_credential\"],"
				"\"application_credential\":{\"id\":\"abc\",\"secret\":\"pw\"}}}}"));
	swift_login_release(&l);
}

static void variables_for_another_server_are_not_sent_to_this_one(void **state)
{
	struct swift_login l;

	(void)state;
	setenv("ST_AUTH", "https://elsewhere/auth/v1.0", 1);
	setenv("ST_USER", "acc:you", 1);
	setenv("ST_KEY", "other", 1);
	assert_int_equal(log_in("swift://auth:5000/auth/v1.0", "{}", &l), ERR_USAGE);
	assert_int_equal(log_in("swift://auth:5000/auth/v1.0", "{\"user\":\"me\"}", &l), ERR_USAGE);
	assert_non_null(strstr(err.message, "ST_AUTH"));
	assert_null(l.url);
	setenv("OS_AUTH_URL", "https://elsewhere:5000/v3", 1);
	setenv("OS_USERNAME", "me", 1);
	setenv("OS_PROJECT_NAME", "p", 1);
	setenv("OS_PASSWORD", "pw", 1);
	assert_int_equal(log_in("swift://auth:5000/v3", "{}", &l), ERR_USAGE);
	assert_int_equal(log_in("swift://auth:5000/v3", "{\"user\":\"me\",\"project\":\"p\"}", &l),
			 ERR_USAGE);
	assert_non_null(strstr(err.message, "OS_AUTH_URL"));
}

static void what_would_break_a_header_is_refused_and_not_shown(void **state)
{
	char long_key[2000], odd[] = "hid\rden";
	struct swift_login l;

	(void)state;
	memset(long_key, 'x', sizeof(long_key) - 1);
	long_key[sizeof(long_key) - 1] = '\0';
	setenv("K1", "hid\nden", 1);
	setenv("K2", odd, 1);
	setenv("K3", long_key, 1);
	for (const char *const *key = (const char *const[]){"env:K1", "env:K2", "env:K3", NULL}; *key;
	     key++) {
		char json[80];

		snprintf(json, sizeof(json), "{\"user\":\"me\",\"key\":\"%s\"}", *key);
		assert_int_equal(log_in("swift://auth:5000/auth/v1.0", json, &l), ERR_USAGE);
		assert_null(strstr(err.message, "hid"));
		assert_null(strstr(err.message, "xxx"));
	}
	setenv("ST_USER", "me\r\nX-Other: y", 1);
	assert_int_equal(log_in("swift://auth:5000/auth/v1.0", "{\"key\":\"env:K3\"}", &l), ERR_USAGE);
	setenv("OS_USERNAME", "\xff", 1);
	setenv("OS_PROJECT_NAME", "p", 1);
	setenv("OS_PASSWORD", "pw", 1);
	assert_int_equal(log_in("swift://auth:5000/v3", "{}", &l), ERR_USAGE);
}

static void who_is_missing_is_named(void **state)
{
	struct swift_login l;

	(void)state;
	assert_int_equal(log_in("swift://auth:5000/v1", "{}", &l), ERR_USAGE);
	assert_non_null(strstr(err.message, "user="));
	assert_int_equal(log_in("swift://auth:5000/v1", "{\"user\":\"u\"}", &l), ERR_USAGE);
	assert_non_null(strstr(err.message, "key="));
	assert_int_equal(log_in("swift://auth:5000/v3", "{\"user\":\"u\"}", &l), ERR_USAGE);
	assert_non_null(strstr(err.message, "project="));
	assert_int_equal(log_in("swift://auth:5000/v3", "{\"user\":\"u\",\"project\":\"p\"}", &l),
			 ERR_USAGE);
	assert_non_null(strstr(err.message, "OS_PASSWORD"));
}

/* ---- URLs of drives ---- */

static void a_url_that_says_too_little_or_too_much_is_refused(void **state)
{
	static const char *const urls[] = {
		"swift://127.0.0.1:1/auth/v1.0",
		"swift://127.0.0.1:1/auth/v1.0?container=",
		"swift://127.0.0.1:1/auth/v1.0?container=a%2Fb",
		"swift://127.0.0.1:1/auth/v1.0?container=a%0Ab",
		"swift://127.0.0.1:1/auth/v1.0?container=a&prefix=/b",
		"swift://127.0.0.1:1/auth/v1.0?container=a&prefix=b/",
		"swift://127.0.0.1:1/auth/v1.0?container=a&prefix=b//c",
		"swift://127.0.0.1:1/auth/v1.0?container=a&prefix=b%1Bc",
		"swift://127.0.0.1:1/auth/v1.0?container=a&region=b",
		"swift://127.0.0.1:1/auth/v1.0?container=a&containers=b",
		"swift://me@127.0.0.1:1/auth/v1.0?container=a",
		"swift://me:key@127.0.0.1:1/auth/v1.0?container=a",
	};
	struct drive_options options = {.temp_tag = "tag"};
	struct drive *d;

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		if (driver_swift.open(urls[i], &options, &d, &err) != ERR_USAGE || d)
			fail_msg("%s", urls[i]);
}

/* ---- what stayed of a put ---- */

#define MD5_OF_NOTHING "d41d8cd98f00b204e9800998ecf8427e"

static char logged_in[200];

static struct http_rule say_yes(void *ctx, const struct http_seen *r)
{
	(void)ctx;
	if (strstr(r->path, "/auth/"))
		return (struct http_rule){.head = logged_in};
	return (struct http_rule){.head = "204 No Content"};
}

/* A put of no bytes, of which the server then says this. */
static int put_and_look(struct http_script *server, struct drive *d, const char *put_answer,
			const char *head, const char *body)
{
	const struct http_rule rules[] = {
		{.method = "PUT", .path = ".mrmr/keys/x", .head = put_answer},
		{.method = "HEAD", .path = ".mrmr/keys/x", .head = head, .body = body},
	};

	http_script_rules(server, rules, 2);
	return d->driver->put(d, "keys/x", "", 0, &err);
}

static void what_stayed_of_a_put_is_what_was_sent_or_the_name_is_taken(void **state)
{
	static const struct {
		const char *put, *head, *body;
		int code;
	} cases[] = {
		{"201 Created", "200 OK\r\nETag: " MD5_OF_NOTHING, NULL, ERR_NONE},
		{"201 Created", "200 OK\r\nETag: \"D41D8CD98F00B204E9800998ECF8427E\"", NULL, ERR_NONE},
		{"202 Accepted", "200 OK\r\nETag: " MD5_OF_NOTHING, NULL, ERR_NONE},
		/* Another one's bytes, by their digest or their length. */
		{"201 Created", "200 OK\r\nETag: 00112233445566778899aabbccddeeff", NULL, ERR_EXISTS},
		{"202 Accepted", "200 OK\r\nETag: 00112233445566778899aabbccddeeff", NULL, ERR_EXISTS},
		{"201 Created", "200 OK\r\nETag: " MD5_OF_NOTHING, "abc", ERR_EXISTS},
		{"201 Created", "200 OK\r\nETag: " MD5_OF_NOTHING "0", NULL, ERR_EXISTS},
		{"201 Created", "200 OK", NULL, ERR_EXISTS},
		{"201 Created", "404 Not Found", NULL, ERR_TRANSIENT},
		{"412 Precondition Failed", "200 OK\r\nETag: " MD5_OF_NOTHING, NULL, ERR_EXISTS},
		{"201 Created", "503 Service Unavailable", NULL, ERR_TRANSIENT},
		{"201 Created", "403 Forbidden", NULL, ERR_DENIED},
	};
	struct http_script *server = http_script_start(NULL, 0, say_yes, NULL);
	struct drive_options options = {.temp_tag = "tag"};
	struct drive_option_set *given;
	char url[100];
	struct drive *d;

	(void)state;
	setenv("SWIFT_TEST_KEY", "sesame", 1);
	assert_int_equal(drive_options_parse("{\"user\":\"me\",\"key\":\"env:SWIFT_TEST_KEY\","
					     "\"conditional-put\":\"yes\"}",
					     driver_swift.options, "test", &given, &err),
			 ERR_NONE);
	options.given = given;
	snprintf(logged_in, sizeof(logged_in),
		 "200 OK\r\nX-Auth-Token: t\r\nX-Storage-Url: http://127.0.0.1:%u/v1/A",
		 http_script_port(server));
	snprintf(url, sizeof(url), "swift+http://127.0.0.1:%u/auth/v1.0?container=c",
		 http_script_port(server));
	if (driver_swift.open(url, &options, &d, &err) != ERR_NONE)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int code = put_and_look(server, d, cases[i].put, cases[i].head, cases[i].body);

		if (code != cases[i].code)
			fail_msg("%zu: %d: %s", i, code, code ? err.message : "");
	}
	d->driver->close(d);
	drive_options_free(given);
	http_script_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_names_our_objects_and_passes_over_all_others),
		cmocka_unit_test(an_empty_page_is_the_end),
		cmocka_unit_test(a_page_that_does_not_lead_on_is_corrupt),
		cmocka_unit_test(what_is_no_page_is_corrupt),
		cmocka_unit_test(a_listing_without_end_is_corrupt),
		cmocka_unit_test(a_page_stops_where_its_caller_does),
		cmocka_unit_test(a_status_tells_whether_it_may_pass),
		cmocka_unit_test(a_number_is_digits_and_no_more),
		cmocka_unit_test(the_storage_may_be_another_host_but_not_less_protected),
		cmocka_unit_test(the_catalog_is_searched_by_region_and_interface),
		cmocka_unit_test(a_hostile_catalog_is_an_error),
		cmocka_unit_test_setup(what_stayed_of_a_put_is_what_was_sent_or_the_name_is_taken, forget),
		cmocka_unit_test_setup(v1_asks_with_two_headers, forget),
		cmocka_unit_test_setup(keystone_is_asked_for_a_token_of_the_project, forget),
		cmocka_unit_test_setup(keystone_takes_the_variables_of_an_openrc_file, forget),
		cmocka_unit_test_setup(an_application_credential_needs_no_user, forget),
		cmocka_unit_test_setup(variables_for_another_server_are_not_sent_to_this_one, forget),
		cmocka_unit_test_setup(what_would_break_a_header_is_refused_and_not_shown, forget),
		cmocka_unit_test_setup(who_is_missing_is_named, forget),
		cmocka_unit_test_setup(a_url_that_says_too_little_or_too_much_is_refused, forget),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
