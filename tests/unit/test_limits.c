/* Limits of drives, as the command line and their options ask for. */
#include "base/meter.h"
#include "cmd/limits.h"
#include "net/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdint.h>

static struct error err;

/* What a drive at url with these options gets. */
static struct drive_options limits_at(const char *url, const char *json)
{
	struct drive_options out = {.temp_tag = "t"};
	struct drive_option_set *given;

	assert_int_equal(drive_options_parse(json, NULL, "options", &given, &err), ERR_NONE);
	assert_int_equal(limits_of(url, given, &out, &err), ERR_NONE);
	drive_options_free(given);
	return out;
}

static void where_nothing_binds_there_is_no_limit(void **state)
{
	struct drive_options o = limits_at("sftp://a/b", "{}");

	(void)state;
	assert_null(o.upload);
	assert_null(o.download);
	o = limits_at("sftp://a/b", "{\"limit-upload\": \"0\"}");
	assert_null(o.upload);
}

static void a_drive_has_its_own_and_keeps_it_when_opened_again(void **state)
{
	struct drive_options first = limits_at("sftp://a/c", "{\"limit-upload\": \"1M\"}");
	struct drive_options again = limits_at("sftp://a/c", "{\"limit-upload\": \"1M\"}");
	struct drive_options other = limits_at("sftp://a/d", "{\"limit-upload\": \"1M\"}");

	(void)state;
	assert_true(limit_binds(first.upload));
	assert_null(first.download);
	assert_ptr_equal(again.upload, first.upload);
	assert_ptr_not_equal(other.upload, first.upload);
}

static void all_drives_share_the_one_of_the_command_line(void **state)
{
	struct globals g = {.limit_upload = 10000, .limit_download = 20000};
	struct drive_options a, b, own;

	(void)state;
	assert_int_equal(limits_begin(&g, &err), ERR_NONE);
	assert_int_equal(limits_begin(&g, &err), ERR_NONE);
	a = limits_at("sftp://a/e", "{}");
	b = limits_at("sftp://a/f", "{}");
	own = limits_at("sftp://a/g", "{\"limit-download\": \"1G\"}");
	assert_ptr_equal(a.upload, b.upload);
	assert_ptr_equal(a.download, b.download);
	assert_ptr_not_equal(a.upload, a.download);
	assert_ptr_equal(own.upload, a.upload);
	assert_ptr_not_equal(own.download, a.download);
	/* What others moved counts for one with an own limit, too: 20000 bytes more take a second. */
	limit_book_us(a.download, 20000);
	assert_true(limit_book_us(own.download, 1) > 500000);
}

static void count(void *ctx)
{
	++*(unsigned *)ctx;
}

static void each_opening_is_told_of_its_own_bytes(void **state)
{
	struct drive_options a = {.moved = count}, b = {.moved = count};
	unsigned of_a = 0, of_b = 0;

	(void)state;
	a.moved_ctx = &of_a;
	b.moved_ctx = &of_b;
	assert_int_equal(limits_of("sftp://a/h", NULL, &a, &err), ERR_NONE);
	assert_int_equal(limits_of("sftp://a/h", NULL, &b, &err), ERR_NONE);
	limit_book_us(a.upload, 1);
	limit_book_us(a.download, 1);
	limit_book_us(b.upload, 1);
	assert_int_equal(of_a, 2);
	assert_int_equal(of_b, 1);
	assert_true(limit_binds(a.upload)); /* the one of all is above it */
}

static void what_moves_is_counted_each_way_and_how_long_it_is_held_back(void **state)
{
	struct drive_options o = {.meter = meter_new()};
	struct drive_option_set *given;
	struct meter_reading r;

	(void)state;
	assert_int_equal(drive_options_parse("{\"limit-upload\": \"1000\"}", NULL, "options",
					     &given, &err), ERR_NONE);
	assert_int_equal(limits_of("sftp://a/i", given, &o, &err), ERR_NONE);
	limit_book_us(o.upload, 300);
	limit_book_us(o.upload, 700);
	meter_read(o.meter, &r);
	assert_int_equal(r.of[METER_UP_BYTES], 1000);
	assert_int_equal(r.of[METER_DOWN_BYTES], 0);
	assert_in_range(r.held_back_us, 100000, 300000); /* the second, for the first */
	limit_book_us(o.download, 20);
	meter_read(o.meter, &r);
	assert_int_equal(r.of[METER_DOWN_BYTES], 20);
	drive_options_free(given);
	meter_drop(o.meter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_nothing_binds_there_is_no_limit),
		cmocka_unit_test(a_drive_has_its_own_and_keeps_it_when_opened_again),
		cmocka_unit_test(all_drives_share_the_one_of_the_command_line),
		cmocka_unit_test(each_opening_is_told_of_its_own_bytes),
		cmocka_unit_test(what_moves_is_counted_each_way_and_how_long_it_is_held_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
