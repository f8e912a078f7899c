/* What is shown of a URL. */
#include "base/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_shown(const char *url, const char *want)
{
	char *shown = url_redacted(url);

	assert_non_null(shown);
	assert_string_equal(shown, want);
	free(shown);
}

static void a_password_is_never_shown(void **state)
{
	(void)state;
	assert_shown("sftp://me:secret@nas/dir", "sftp://me:***@nas/dir");
	assert_shown("sftp://me:s:e@c@nas:22/d@r", "sftp://me:***@nas:22/d@r");
	assert_shown("sftp://:secret@nas", "sftp://:***@nas");
	assert_shown("webdavs://me:@nas?x", "webdavs://me:***@nas?x");
}

static void a_url_without_a_password_is_shown_as_it_is(void **state)
{
	static const char *const urls[] = { "/mnt/a:b@c",	     "file:/mnt/usb",
					    "sftp://me@nas:22/dir",  "s3://host:9000/bucket",
					    "sftp://nas/me:you@dir", "" };

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		assert_shown(urls[i], urls[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_password_is_never_shown),
		cmocka_unit_test(a_url_without_a_password_is_shown_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
