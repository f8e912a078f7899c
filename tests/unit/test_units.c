/* Quantities as people write them. */
#include "base/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct error err;

static uint64_t size_of(const char *text)
{
	uint64_t bytes = 0;

	if (size_parse(text, &bytes, &err) != ERR_NONE)
		fail_msg("%s", err.message);
	return bytes;
}

static void a_size_counts_in_1024_unless_it_ends_in_MB_or_the_like(void **state)
{
	(void)state;
	assert_int_equal(size_of("0"), 0);
	assert_int_equal(size_of("512"), 512);
	assert_int_equal(size_of("512B"), 512);
	assert_int_equal(size_of("64K"), 65536);
	assert_int_equal(size_of("64KiB"), 65536);
	assert_int_equal(size_of("20M"), 20971520);
	assert_int_equal(size_of("20MiB"), 20971520);
	assert_int_equal(size_of("20MB"), 20000000);
	assert_int_equal(size_of("1KB"), 1000);
	assert_int_equal(size_of("3G"), 3221225472);
	assert_int_equal(size_of("3GB"), 3000000000);
	assert_int_equal(size_of("2T"), 2199023255552);
	assert_int_equal(size_of("2TiB"), 2199023255552);
	assert_int_equal(size_of("2TB"), 2000000000000);
	assert_int_equal(size_of("18446744073709551615"), UINT64_MAX);
	assert_int_equal(size_of("16777215T"), UINT64_MAX - ((uint64_t)1 << 40) + 1);
}

static void a_size_that_is_not_exactly_one_is_refused(void **state)
{
	static const char *const bad[] = { "",	    " 1",  "1 ",   "-1",    "+1",  "1.5G", "1,5G",
					   "0x10",  "K",   "1k",   "1m",    "1Mi", "1MIB", "1P",
					   "1K1",   "1KK", "1B B", "ten",   "18446744073709551616",
					   "16777216T", "18446744073709552KB" };
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (size_parse(bad[i], &bytes, &err) != ERR_USAGE)
			fail_msg("'%s' was taken", bad[i]);
		assert_non_null(strstr(err.message, bad[i]));
	}
}

static void a_duration_needs_its_unit_unless_it_is_0(void **state)
{
	static const struct {
		const char *text;
		uint64_t seconds;
	} good[] = { { "0", 0 }, { "0s", 0 }, { "90s", 90 }, { "10m", 600 }, { "24h", 86400 },
		     { "30d", 2592000 } };
	static const char *const bad[] = { "", "1", "90", "1w", "1.5h", "-1d", "1h30m", "d",
					   "213503982334602d" };
	uint64_t seconds;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(duration_parse(good[i].text, &seconds, &err), ERR_NONE);
		assert_int_equal(seconds, good[i].seconds);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (duration_parse(bad[i], &seconds, &err) != ERR_USAGE)
			fail_msg("'%s' was taken", bad[i]);
}

static void a_number_lies_within_its_bounds(void **state)
{
	uint64_t n;

	(void)state;
	assert_int_equal(number_parse("16", 0, 16, &n, &err), ERR_NONE);
	assert_int_equal(n, 16);
	assert_int_equal(number_parse("17", 0, 16, &n, &err), ERR_USAGE);
	assert_int_equal(number_parse("0", 1, 16, &n, &err), ERR_USAGE);
	assert_int_equal(number_parse("1x", 0, 16, &n, &err), ERR_USAGE);
	assert_int_equal(number_parse("", 0, 16, &n, &err), ERR_USAGE);
	assert_int_equal(number_parse("99999999999999999999", 0, UINT64_MAX, &n, &err), ERR_USAGE);
}

static int64_t time_of(const char *text)
{
	int64_t t = 0;

	if (time_parse(text, 1000000, &t, &err) != ERR_NONE)
		fail_msg("%s", err.message);
	return t;
}

static void a_time_is_local_unless_it_says_its_zone(void **state)
{
	(void)state;
	assert_int_equal(time_of("2024-05-31T13:45:07Z"), 1717163107);
	assert_int_equal(time_of("2024-05-31 13:45:07Z"), 1717163107);
	assert_int_equal(time_of("2024-05-31T13:45Z"), 1717163100);
	assert_int_equal(time_of("2024-05-31T15:45:07+02:00"), 1717163107);
	assert_int_equal(time_of("2024-05-31T08:15:07-05:30"), 1717163107);
	assert_int_equal(time_of("1969-12-31T23:59:59Z"), -1);
	/* main() has set a zone one hour ahead of UTC, with no summer time. */
	assert_int_equal(time_of("2024-05-31T13:45:07"), 1717163107 - 3600);
	assert_int_equal(time_of("2024-05-31"), 1717113600 - 3600);
	assert_int_equal(time_of("2024-02-29"), 1709164800 - 3600);
}

static void a_time_may_be_so_long_ago(void **state)
{
	(void)state;
	assert_int_equal(time_of("-90s"), 1000000 - 90);
	assert_int_equal(time_of("-2d"), 1000000 - 172800);
}

static void a_time_that_is_in_no_calendar_is_refused(void **state)
{
	static const char *const bad[] = {
		"",		  "now",	      "2024",		   "2024-5-1",
		"2024-13-01",	  "2024-00-01",	      "2024-02-30",	   "2023-02-29",
		"2024-05-32",	  "2024-05-31T",      "2024-05-31T24:00",  "2024-05-31T12:60",
		"2024-05-31T1:1", "2024-05-31T12:00:", "2024-05-31Z",	   "2024-05-31T12:00z",
		"2024-05-31T12:00+25:00", "2024-05-31T12:00+2", "2024-05-31T12:00ZZ", "3d", "-3",
		"-", "--3d", "-99999999999999999d", "2024-05-31  12:00",
	};
	int64_t t;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (time_parse(bad[i], 0, &t, &err) != ERR_USAGE)
			fail_msg("'%s' was taken", bad[i]);
}

static void a_printed_time_is_read_back(void **state)
{
	char text[UNIT_TEXT_BYTES];

	(void)state;
	time_text(1717163107, text);
	assert_string_equal(text, "2024-05-31 14:45:07");
	assert_int_equal(time_of(text), 1717163107);
	time_iso_text(1717163107, text);
	assert_string_equal(text, "2024-05-31T13:45:07Z");
	assert_int_equal(time_of(text), 1717163107);
	time_iso_text(INT64_MAX, text); /* no calendar has this year */
	assert_string_equal(text, "@9223372036854775807");
}

static void sizes_are_printed_with_one_digit_behind_the_point(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{ 0, "0 B" }, { 1023, "1023 B" }, { 1024, "1.0 KiB" }, { 1536, "1.5 KiB" },
		{ 1048524, "1023.9 KiB" }, { 1048525, "1.0 MiB" }, { 1610612736, "1.5 GiB" },
		{ (uint64_t)1 << 40, "1.0 TiB" }, { UINT64_MAX, "16.0 EiB" },
	};
	char text[UNIT_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_text(rows[i].bytes, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void a_duration_is_printed_by_its_two_largest_units(void **state)
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} rows[] = { { 0, "0s" }, { 59, "59s" }, { 247, "4m07s" }, { 3900, "1h05m" },
		     { 172799, "47h59m" }, { 172800, "2d00h" },
		     { UINT64_MAX, "213503982334601d07h" } };
	char text[UNIT_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		duration_text(rows[i].seconds, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void a_hundred_percent_is_said_of_all_only(void **state)
{
	char text[UNIT_TEXT_BYTES];

	(void)state;
	percent_text(1, 8, text);
	assert_string_equal(text, "12.5 %");
	percent_text(999999, 1000000, text);
	assert_string_equal(text, "99.9 %");
	percent_text(7, 7, text);
	assert_string_equal(text, "100.0 %");
	percent_text(0, 0, text);
	assert_string_equal(text, "100.0 %");
}

static void a_drive_name_is_short_and_begins_with_a_letter_or_digit(void **state)
{
	(void)state;
	assert_true(drive_name_valid("a"));
	assert_true(drive_name_valid("7th.disk_of-NAS"));
	assert_true(drive_name_valid("abcdefghijklmnopqrstuvwxyz012345"));
	assert_false(drive_name_valid("abcdefghijklmnopqrstuvwxyz0123456"));
	assert_false(drive_name_valid(""));
	assert_false(drive_name_valid("-a"));
	assert_false(drive_name_valid(".a"));
	assert_false(drive_name_valid("_a"));
	assert_false(drive_name_valid("a b"));
	assert_false(drive_name_valid("a/b"));
	assert_false(drive_name_valid("gr\xc3\xbcn"));
}

static void a_name_is_taken_off_an_argument_only_if_it_is_one(void **state)
{
	static const struct {
		const char *arg, *name, *url;
	} rows[] = {
		{ "nas=sftp://nas/backup", "nas", "sftp://nas/backup" },
		{ "/mnt/a=b", "", "/mnt/a=b" },
		{ "./x=y", "", "./x=y" },
		{ "s3://host/bucket?region=eu", "", "s3://host/bucket?region=eu" },
		{ "=x", "", "=x" },
		{ "a=", "a", "" },
		{ "a=b=c", "a", "b=c" },
		{ "abcdefghijklmnopqrstuvwxyz0123456=x", "", "abcdefghijklmnopqrstuvwxyz0123456=x" },
		{ "plain", "", "plain" },
	};
	char name[DRIVE_NAME_BYTES];
	const char *url;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		drive_name_split(rows[i].arg, name, &url);
		assert_string_equal(name, rows[i].name);
		assert_string_equal(url, rows[i].url);
	}
}

static void a_name_is_derived_from_the_last_component_and_made_unique(void **state)
{
	static const struct {
		const char *url;
		unsigned attempt;
		const char *name;
	} rows[] = {
		{ "/mnt/disk1", 0, "disk1" },
		{ "/mnt/disk1//", 0, "disk1" },
		{ "/mnt/disk1", 1, "disk1-2" },
		{ "/mnt/disk1", 9, "disk1-10" },
		{ "s3://host/bucket/pre?region=eu", 0, "pre" },
		{ "swift://auth:5000/v3?region=r&container=photos", 0, "photos" },
		{ "swift://auth/v3?container=a%20b&region=r", 1, "a-20b-2" },
		{ "/mnt/a?container=b", 0, "a" },
		{ "sftp://me@nas", 0, "nas" },
		{ "sftp://me@nas.lan:2222/", 0, "nas.lan" },
		{ "sftp://[2001:db8::1]:22", 0, "2001-db8--1-" },
		{ "sftp://[2001:db8::1]", 0, "2001-db8--1-" },
		{ "sftp://me@nas:22/srv/a:b", 0, "b" },
		{ "sftp://", 0, "sftp" },
		{ "rclone:remote:", 0, "remote" },
		{ "rclone:remote:a b", 0, "a-b" },
		{ "/", 0, "drive" },
		{ "", 1, "drive-2" },
		{ "/mnt/.hidden", 0, "hidden" },
		{ "/mnt/--", 0, "drive" },
		{ "/mnt/gr\xc3\xbcn", 0, "gr--n" },
		{ "/x/abcdefghijklmnopqrstuvwxyz0123456789", 0, "abcdefghijklmnopqrstuvwxyz012345" },
		{ "/x/abcdefghijklmnopqrstuvwxyz0123456789", 1, "abcdefghijklmnopqrstuvwxyz0123-2" },
	};
	char name[DRIVE_NAME_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		drive_name_derive(rows[i].url, rows[i].attempt, name);
		assert_string_equal(name, rows[i].name);
		assert_true(drive_name_valid(name));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_size_counts_in_1024_unless_it_ends_in_MB_or_the_like),
		cmocka_unit_test(a_size_that_is_not_exactly_one_is_refused),
		cmocka_unit_test(a_duration_needs_its_unit_unless_it_is_0),
		cmocka_unit_test(a_number_lies_within_its_bounds),
		cmocka_unit_test(a_time_is_local_unless_it_says_its_zone),
		cmocka_unit_test(a_time_may_be_so_long_ago),
		cmocka_unit_test(a_time_that_is_in_no_calendar_is_refused),
		cmocka_unit_test(a_printed_time_is_read_back),
		cmocka_unit_test(sizes_are_printed_with_one_digit_behind_the_point),
		cmocka_unit_test(a_duration_is_printed_by_its_two_largest_units),
		cmocka_unit_test(a_hundred_percent_is_said_of_all_only),
		cmocka_unit_test(a_drive_name_is_short_and_begins_with_a_letter_or_digit),
		cmocka_unit_test(a_name_is_taken_off_an_argument_only_if_it_is_one),
		cmocka_unit_test(a_name_is_derived_from_the_last_component_and_made_unique),
	};

	setenv("TZ", "<+01>-1", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
