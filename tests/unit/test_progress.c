/* Progress: the counters, the line, and what is shown where. */
#include "base/counters.h"
#include "base/meter.h"
#include "base/units.h"
#include "cmd/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)

static struct error err;

static struct counters_sample sample_of(uint64_t done, uint64_t total, const char *name)
{
	struct counters_sample s = { .bytes_done = done, .bytes_total = total };

	snprintf(s.name, sizeof(s.name), "%s", name);
	return s;
}

static const char *line_of(const struct counters_sample *s, uint64_t elapsed_ms, unsigned columns)
{
	static char line[1024];

	progress_line(s, "put", elapsed_ms, columns, line, sizeof(line));
	return line;
}

static void the_line_tells_share_amount_rate_and_time_left(void **state)
{
	struct counters_sample s = sample_of(25 * MIB, 100 * MIB, "photos/a.jpg");

	(void)state;
	assert_string_equal(line_of(&s, 5000, 200),
			    "put  25.0 %  [====>           ]  25.0 MiB of 100.0 MiB  5.0 MiB/s  "
			    "ETA 15s  photos/a.jpg");
}

static void the_slowest_drive_is_the_one_with_the_longest_queue(void **state)
{
	struct counters *c = counters_new();
	struct counters_sample s;

	(void)state;
	counters_drive(c, 0, "disk", false, NULL);
	counters_drive(c, 1, "nas", false, NULL);
	counters_drive(c, COUNTERS_DRIVES_MAX, "beyond", false, NULL);
	counters_queue(c, 0, 2);
	counters_queue(c, 1, 5);
	counters_queue(c, 1, -1);
	counters_queue(c, COUNTERS_DRIVES_MAX, 9);
	counters_sample(c, &s);
	assert_string_equal(s.slowest_drive, "nas");
	assert_int_equal(s.slowest_queue, 4);
	assert_string_equal(line_of(&s, 0, 80), "put  0 B  slowest: nas");
	counters_queue(c, 0, -2);
	counters_queue(c, 1, -4);
	counters_sample(c, &s);
	assert_string_equal(s.slowest_drive, "");
	counters_free(c);
}

static void an_unknown_total_shows_what_was_done(void **state)
{
	struct counters_sample s = sample_of(3 * MIB, 0, "");
	char line[80];

	(void)state;
	s.files_done = 12;
	assert_string_equal(line_of(&s, 1000, 80), "put  3.0 MiB  3.0 MiB/s  12 files");
	progress_line(&s, "scan", 1000, 80, line, sizeof(line));
	assert_string_equal(line, "scan  3.0 MiB  3.0 MiB/s  12 objects");
}

static void the_line_never_exceeds_the_terminal(void **state)
{
	struct counters_sample s = sample_of(25 * MIB, 100 * MIB, "a/very/long/path/to/some/file/"
								  "of/photos/2019/spring/img.jpg");

	(void)state;
	for (unsigned columns = 0; columns < 160; columns++)
		assert_true(strlen(line_of(&s, 5000, columns)) <= columns);
	assert_string_equal(line_of(&s, 5000, 100),
			    "put  25.0 %  [====>           ]  25.0 MiB of 100.0 MiB  5.0 MiB/s  "
			    "ETA 15s  ...s/2019/spring/img.jpg");
	/* What names drive and file goes before amounts. */
	snprintf(s.slowest_drive, sizeof(s.slowest_drive), "nas");
	s.slowest_queue = 2;
	assert_string_equal(line_of(&s, 5000, 79),
			    "put  25.0 %  [==>     ]  5.0 MiB/s  ETA 15s  slowest: nas  "
			    "...19/spring/img.jpg");
	assert_string_equal(line_of(&s, 5000, 39), "put  25.0 %  [==>     ]  5.0 MiB/s");
	assert_string_equal(line_of(&s, 5000, 12), "put  25.0 %");
}

static void wide_characters_take_two_columns_and_foreign_bytes_are_escaped(void **state)
{
	struct counters_sample s = sample_of(0, 0, "\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97"
						   "\xe6\xbc\xa2\xe5\xad\x97");

	(void)state;
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		skip();
	/* "put", "0 B" and separators are 10 columns, the name 12. */
	assert_string_equal(line_of(&s, 0, 22), "put  0 B  \xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2"
						"\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97");
	s = sample_of(0, 0, "\033[2J");
	assert_string_equal(line_of(&s, 0, 80), "put  0 B  \\033[2J");
}

static void a_long_name_keeps_its_end(void **state)
{
	struct counters *c = counters_new();
	char name[2 * COUNTERS_NAME_BYTES];
	struct counters_sample s;

	(void)state;
	memset(name, 'a', sizeof(name));
	memcpy(name + sizeof(name) - 5, "/end", 5);
	counters_name(c, name);
	counters_sample(c, &s);
	assert_int_equal(strlen(s.name), COUNTERS_NAME_BYTES - 1);
	assert_string_equal(s.name + strlen(s.name) - 4, "/end");
	counters_free(c);
}

static void *add_thousand(void *counters)
{
	for (unsigned i = 0; i < 1000; i++) {
		counters_add(counters, 1, 7);
		counters_name(counters, i % 2 ? "odd" : "even");
		counters_queue(counters, 3, i % 2 ? -1 : 1);
	}
	return NULL;
}

static void counters_add_up_from_many_threads(void **state)
{
	struct counters *c = counters_new();
	struct counters_sample s;
	pthread_t threads[4];

	(void)state;
	counters_total(c, 4000, 28000);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_thousand, c), 0);
	counters_sample(c, &s);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	counters_sample(c, &s);
	assert_int_equal(s.files_done, 4000);
	assert_int_equal(s.bytes_done, 28000);
	assert_int_equal(s.files_total, 4000);
	assert_int_equal(s.bytes_total, 28000);
	assert_int_equal(s.slowest_queue, 0);
	counters_free(c);
}

static void a_moment_that_several_wait_counts_once(void **state)
{
	struct meter *m = meter_new();
	struct meter_reading r;

	(void)state;
	meter_held_back(m, 1000, 500);
	meter_held_back(m, 1100, 200); /* ends before the first does */
	meter_held_back(m, 1200, 600); /* 300 more than that */
	meter_held_back(m, 5000, 10);
	meter_held_back(m, 6000, 0);
	meter_read(m, &r);
	assert_int_equal(r.held_back_us, 500 + 300 + 10);
	meter_drop(m);
}

static void *meter_thousand(void *meter)
{
	for (unsigned i = 0; i < 1000; i++) {
		meter_add(meter_hold(meter), METER_CALLS, 1);
		meter_held_back(meter, 1000 + i, 10);
		meter_drop(meter);
	}
	return NULL;
}

static void meters_add_up_from_many_threads(void **state)
{
	struct counters *c = counters_new();
	struct meter *m = meter_new();
	struct counters_traffic t;
	pthread_t threads[4];

	(void)state;
	counters_drive(c, 1, "nas", true, m);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, meter_thousand, m), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_true(counters_traffic(c, 1, &t));
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	meter_drop(m);
	assert_true(counters_traffic(c, 1, &t));
	assert_string_equal(t.name, "nas");
	assert_int_equal(t.moved.of[METER_CALLS], 4000);
	assert_int_equal(t.moved.held_back_us, 1009);
	assert_true(counters_traffic(c, 0, &t)); /* one that nothing is known of */
	assert_int_equal(t.moved.of[METER_CALLS], 0);
	assert_false(counters_traffic(c, 2, &t));
	assert_false(counters_traffic(NULL, 0, &t));
	counters_free(c);
}

static void remote_drives_that_move_something_have_a_line_of_their_own(void **state)
{
	static const struct progress_link links[] = {
		{ "nas", 3 * MIB, 0 }, { "idle", 0, 0 }, { "aws", MIB, 2 * MIB } };
	char line[256];

	(void)state;
	progress_links(links, 3, 80, line, sizeof(line));
	assert_string_equal(line, "nas: 3.0 MiB/s up  aws: 1.0 MiB/s up, 2.0 MiB/s down");
	progress_links(links, 3, 20, line, sizeof(line));
	assert_string_equal(line, "nas: 3.0 MiB/s up");
	progress_links(links + 1, 1, 80, line, sizeof(line));
	assert_string_equal(line, "");
}

static void nobody_need_watch(void **state)
{
	struct counters_sample s;

	(void)state;
	counters_total(NULL, 1, 1);
	counters_add(NULL, 1, 1);
	counters_name(NULL, "x");
	counters_drive(NULL, 0, "x", false, NULL);
	counters_queue(NULL, 0, 1);
	meter_add(NULL, METER_CALLS, 1);
	meter_held_back(NULL, 1, 1);
	meter_drop(meter_hold(NULL));
	counters_sample(NULL, &s);
	assert_int_equal(s.bytes_done, 0);
	counters_free(NULL);
	progress_stop(NULL);
}

/* Runs a progress until a line comes, or for a good second where none is to come, and returns what came
 * out on either stream. */
static void watch(unsigned flags, bool comes, char **results_text, char **messages_text)
{
	size_t messages_bytes;
	int ends[2], piped = pipe(ends);
	struct pollfd line = { .fd = ends[0], .events = POLLIN };
	FILE *results = fdopen(ends[1], "w");
	FILE *messages = open_memstream(messages_text, &messages_bytes);
	struct out *o = out_new(results, messages, flags);
	struct progress *p = progress_start(o, "put", &err);
	struct meter *meter = meter_new();

	assert_int_equal(piped, 0);
	assert_non_null(p);
	counters_total(progress_counters(p), 2, 200);
	counters_add(progress_counters(p), 1, 100);
	counters_name(progress_counters(p), "\xff.txt");
	counters_drive(progress_counters(p), 0, "nas", true, meter);
	meter_add(meter, METER_PUTS, 2);
	meter_add(meter, METER_RETRIES, 3);
	meter_add(meter, METER_UP_BYTES, 5000);
	meter_add(meter, METER_REQUESTS, 7);
	meter_held_back(meter, 1000000, 1500000);
	meter_drop(meter); /* what moved there stays known when a drive is closed */
	counters_queue(progress_counters(p), 0, 1);
	poll(&line, 1, comes ? 30000 : 1300);
	progress_stop(p);
	assert_int_equal(out_finish(o, &err), ERR_NONE);
	out_free(o);
	fclose(results);
	fclose(messages);
	*results_text = calloc(1, 4096);
	assert_non_null(*results_text);
	assert_true(read(ends[0], *results_text, 4095) >= 0);
	close(ends[0]);
}

static void json_has_a_status_line_a_second(void **state)
{
	char *results, *messages;

	(void)state;
	watch(OUT_JSON, true, &results, &messages);
	assert_string_equal(results,
			    "{\"message_type\":\"status\",\"action\":\"put\",\"seconds\":1,"
			    "\"files_done\":1,\"files_total\":2,\"bytes_done\":100,"
			    "\"bytes_total\":200,\"current\":\"\xef\xbf\xbd.txt\","
			    "\"current_b64\":\"/y50eHQ=\",\"slowest_drive\":\"nas\","
			    "\"traffic\":[{\"name\":\"nas\",\"objects_written\":2,"
			    "\"bytes_written\":0,\"reads\":0,\"bytes_read\":0,\"calls\":0,"
			    "\"calls_failed\":0,\"retries\":3,\"bytes_up\":5000,"
			    "\"bytes_down\":0,\"requests\":7,\"connections\":null,"
			    "\"held_back_seconds\":1.5}]}\n");
	assert_string_equal(messages, "");
	free(results);
	free(messages);
}

static void nothing_is_shown_where_nobody_wants_it(void **state)
{
	static const unsigned silent[] = { 0, OUT_JSON | OUT_QUIET, OUT_JSON | OUT_NO_PROGRESS };
	char *results, *messages;

	(void)state;
	for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++) {
		watch(silent[i], false, &results, &messages); /* 0: stderr is no terminal here */
		assert_string_equal(results, "");
		assert_string_equal(messages, "");
		free(results);
		free(messages);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_tells_share_amount_rate_and_time_left),
		cmocka_unit_test(the_slowest_drive_is_the_one_with_the_longest_queue),
		cmocka_unit_test(an_unknown_total_shows_what_was_done),
		cmocka_unit_test(the_line_never_exceeds_the_terminal),
		cmocka_unit_test(wide_characters_take_two_columns_and_foreign_bytes_are_escaped),
		cmocka_unit_test(a_long_name_keeps_its_end),
		cmocka_unit_test(counters_add_up_from_many_threads),
		cmocka_unit_test(a_moment_that_several_wait_counts_once),
		cmocka_unit_test(meters_add_up_from_many_threads),
		cmocka_unit_test(remote_drives_that_move_something_have_a_line_of_their_own),
		cmocka_unit_test(nobody_need_watch),
		cmocka_unit_test(json_has_a_status_line_a_second),
		cmocka_unit_test(nothing_is_shown_where_nobody_wants_it),
	};

	setenv("TERM", "dumb", 1); /* stderr may be a terminal when a person runs this */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
