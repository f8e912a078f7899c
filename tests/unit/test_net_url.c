/* The parts of a drive's URL, and what no URL of a drive may be. */
#include "net/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct error err;

static void assert_parts(const char *text, const struct url *want)
{
	struct url u;

	if (url_parse(text, &u, &err) != ERR_NONE)
		fail_msg("%s", err.message);
	assert_string_equal(u.scheme, want->scheme);
	assert_string_equal(u.host, want->host);
	assert_string_equal(u.path, want->path);
	assert_int_equal(u.port, want->port);
	assert_string_equal(u.user ? u.user : "none", want->user ? want->user : "none");
	assert_string_equal(u.query ? u.query : "none", want->query ? want->query : "none");
	url_release(&u);
}

static void a_url_has_its_parts(void **state)
{
	static const struct {
		const char *text;
		struct url want;
	} rows[] = {
		{ "sftp://me@nas:2222/srv/a/", { "sftp", "me", "nas", "srv/a", NULL, 2222 } },
		{ "SFTP://nas", { "sftp", NULL, "nas", "", NULL, 0 } },
		{ "s3+http://127.0.0.1:9000/bucket/pre/fix?region=eu%2F1&x",
		  { "s3+http", NULL, "127.0.0.1", "bucket/pre/fix", "region=eu%2F1&x", 9000 } },
		{ "webdavs://a%40b@cloud.example//dav//x y%20z%2F%23//",
		  { "webdavs", "a@b", "cloud.example", "dav//x y z/#", NULL, 0 } },
		{ "swift://h?container=c", { "swift", NULL, "h", "", "container=c", 0 } },
		{ "smb://@host/share/../p", { "smb", NULL, "host", "share/../p", NULL, 0 } },
		{ "sftp://[::1]:22/x", { "sftp", NULL, "::1", "x", NULL, 22 } },
		{ "sftp://[fe80::1%25eth0]/x", { "sftp", NULL, "fe80::1%eth0", "x", NULL, 0 } },
		{ "ftp://h:65535/%C3%A4", { "ftp", NULL, "h", "\xc3\xa4", NULL, 65535 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_parts(rows[i].text, &rows[i].want);
}

static void assert_refused(const char *text, const char *says)
{
	struct url u;

	memset(&u, 1, sizeof(u));
	if (url_parse(text, &u, &err) != ERR_USAGE)
		fail_msg("'%s' was taken", text);
	assert_int_equal(err.code, ERR_USAGE);
	assert_null(u.scheme);
	assert_null(u.host);
	if (!strstr(err.message, says))
		fail_msg("'%s' does not say '%s'", err.message, says);
	assert_null(strstr(err.message, "sesame"));
	assert_null(strchr(err.message, '\n'));
}

static void a_password_is_refused_and_not_shown(void **state)
{
	(void)state;
	assert_refused("sftp://me:sesame@nas/dir", "'sftp://me:***@nas/dir': a password");
	assert_refused("sftp://me:@nas/dir", "password");
	assert_refused("webdavs://me:sesame@nas:x/dir?token=sesame", "'webdavs://me:***@nas:x/dir'");
}

static void what_is_no_url_is_refused(void **state)
{
	(void)state;
	assert_refused("", "scheme://host/path");
	assert_refused("/mnt/usb", "scheme://host/path");
	assert_refused("rclone:remote:path", "scheme://host/path");
	assert_refused("sftp:///path", "no host");
	assert_refused("sftp://", "");
	assert_refused("sftp://?q=sesame", "no host");
	assert_refused("sftp://me@/path", "");
	assert_refused("s3:/a://host", "scheme://host/path");
	assert_refused("://host/path", "");
	assert_refused("1a://host/path", "");
	assert_refused("sftp://host:0/", "port");
	assert_refused("sftp://host:65536/", "");
	assert_refused("sftp://host:22x/", "");
	assert_refused("sftp://[::1/", "");
	assert_refused("sftp://[fe80::1%25a%25b]/", "zone");
	assert_refused("sftp://me@n%61s/", "host");
	assert_refused("sftp://ho st/", "");
	assert_refused("sftp://host/a#b", "write %23");
	assert_refused("sftp://host/a%00b", "");
	assert_refused("sftp://host/a%0Ab", "");
	assert_refused("sftp://host/a\nb", "");
	assert_refused("sftp://a%0Ab@host/", "");
}

static void assert_query(const char *text, const char *key, const char *want)
{
	struct url u;
	char *value;

	assert_int_equal(url_parse(text, &u, &err), ERR_NONE);
	assert_int_equal(url_query(&u, key, &value, &err), ERR_NONE);
	if (want)
		assert_string_equal(value, want);
	else
		assert_null(value);
	free(value);
	url_release(&u);
}

static void a_query_has_values_by_their_keys(void **state)
{
	const char *text = "s3://h/b?region=eu%2D1&empty=&alone&regions=2&region=3&a+b=c+d";
	struct url u;
	char *value;

	(void)state;
	assert_query(text, "region", "eu-1");
	assert_query(text, "regions", "2");
	assert_query(text, "empty", "");
	assert_query(text, "alone", "");
	assert_query(text, "a+b", "c+d");
	assert_query(text, "regio", NULL);
	assert_query(text, "none", NULL);
	assert_query("s3://h/b", "region", NULL);
	assert_query("s3://h/b?", "region", NULL);
	assert_int_equal(url_parse("s3://h/b?region=a%0ab&zero=%00", &u, &err), ERR_NONE);
	assert_int_equal(url_query(&u, "region", &value, &err), ERR_USAGE);
	assert_null(value);
	assert_int_equal(url_query(&u, "zero", &value, &err), ERR_USAGE);
	url_release(&u);
}

static void assert_encoded(const char *text, bool keep_slashes, const char *want)
{
	struct buf b = { 0 };

	url_encode(&b, text, keep_slashes);
	buf_add_u8(&b, 0);
	assert_string_equal((char *)b.data, want);
	buf_release(&b);
}

static void all_but_unreserved_letters_are_encoded(void **state)
{
	(void)state;
	assert_encoded("azAZ09-._~", false, "azAZ09-._~");
	assert_encoded("a/b c+%&=\xc3\xa4\x7f", false, "a%2Fb%20c%2B%25%26%3D%C3%A4%7F");
	assert_encoded("/a/b:", true, "/a/b%3A");
	assert_encoded("", true, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_url_has_its_parts),
		cmocka_unit_test(a_password_is_refused_and_not_shown),
		cmocka_unit_test(what_is_no_url_is_refused),
		cmocka_unit_test(a_query_has_values_by_their_keys),
		cmocka_unit_test(all_but_unreserved_letters_are_encoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
