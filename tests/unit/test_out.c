/* What the program says, and where. */
#include "cmd/out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *results_text, *messages_text;
static size_t results_bytes, messages_bytes;
static FILE *results, *messages;
static struct error err;

static struct out *begin(unsigned flags)
{
	struct out *o;

	results = open_memstream(&results_text, &results_bytes);
	messages = open_memstream(&messages_text, &messages_bytes);
	o = out_new(results, messages, flags);
	assert_non_null(o);
	return o;
}

/* Ends it and compares everything that was said. */
static void said(struct out *o, const char *on_results, const char *on_messages)
{
	assert_int_equal(out_finish(o, &err), ERR_NONE);
	out_free(o);
	fclose(results);
	fclose(messages);
	assert_string_equal(results_text, on_results);
	assert_string_equal(messages_text, on_messages);
	free(results_text);
	free(messages_text);
}

static void say_everything(struct out *o)
{
	out_line(o, "line %d", 1);
	out_report(o, "report");
	out_detail(o, "detail");
	out_warn(o, "beware");
	out_error(o, "it failed", "try this", EXIT_LOST);
	out_error(o, "again", NULL, EXIT_FAILED);
}

static void results_go_to_one_stream_and_messages_to_the_other(void **state)
{
	struct out *o = begin(0);

	(void)state;
	say_everything(o);
	said(o, "line 1\nreport\n",
	     "mrmr: warning: beware\nmrmr: it failed\ntry this\nmrmr: again\n");
}

static void quiet_leaves_out_reports_but_neither_answers_nor_errors(void **state)
{
	struct out *o = begin(OUT_QUIET);

	(void)state;
	say_everything(o);
	said(o, "line 1\n", "mrmr: warning: beware\nmrmr: it failed\ntry this\nmrmr: again\n");
}

static void details_are_for_the_verbose(void **state)
{
	struct out *o = begin(OUT_VERBOSE);

	(void)state;
	out_detail(o, "detail %s", "x");
	said(o, "", "detail x\n");
}

static void json_is_one_object_per_line_and_nothing_else_on_results(void **state)
{
	struct out *o = begin(OUT_JSON);
	json_t *object = out_object("snapshot");

	(void)state;
	json_object_set_new(object, "id", json_string("ab\ncd"));
	say_everything(o);
	out_json(o, object);
	said(o,
	     "{\"message_type\":\"warning\",\"message\":\"beware\"}\n"
	     "{\"message_type\":\"error\",\"message\":\"it failed\",\"advice\":\"try this\","
	     "\"exit_code\":21}\n"
	     "{\"message_type\":\"error\",\"message\":\"again\",\"exit_code\":1}\n"
	     "{\"message_type\":\"snapshot\",\"id\":\"ab\\ncd\"}\n",
	     "mrmr: warning: beware\nmrmr: it failed\ntry this\nmrmr: again\n");
}

static void messages_stay_one_line_whatever_names_are_in_them(void **state)
{
	struct out *o = begin(OUT_VERBOSE);

	(void)state;
	out_warn(o, "%s", "a\nb");
	out_detail(o, "%s", "\033[31m");
	out_error(o, "a\\012b\n: gone", "", EXIT_FAILED);
	said(o, "", "mrmr: warning: a\\012b\n\\033[31m\nmrmr: a\\012b\\012: gone\n");
}

static void a_warning_of_a_path_has_all_of_it(void **state)
{
	struct out *o = begin(OUT_JSON);
	char path[5000], expected[12000];

	(void)state;
	memset(path, 'p', sizeof(path));
	memcpy(path, "/\xff", 2);
	path[sizeof(path) - 1] = '\0';
	snprintf(expected, sizeof(expected), "mrmr: warning: /\\377%s: LOST\n", path + 2);
	out_warn_path(o, path, "LOST");
	assert_int_equal(out_finish(o, &err), ERR_NONE);
	assert_string_equal(messages_text, expected);
	snprintf(expected, sizeof(expected),
		 "{\"message_type\":\"warning\",\"message\":\"/\xef\xbf\xbd%s: LOST\",", path + 2);
	assert_memory_equal(results_text, expected, strlen(expected));
	assert_non_null(strstr(results_text, "\"path\":\"/\xef\xbf\xbdppp"));
	assert_non_null(strstr(results_text, "\"path_b64\":\"L/9wcHBw"));
	out_free(o);
	fclose(results);
	fclose(messages);
	free(results_text);
	free(messages_text);
}

static void without_json_objects_are_not_printed(void **state)
{
	struct out *o = begin(0);

	(void)state;
	out_json(o, out_object("snapshot"));
	said(o, "", "");
}

static void an_object_lost_for_lack_of_memory_is_an_error_in_the_end(void **state)
{
	struct out *o = begin(OUT_JSON);

	(void)state;
	out_json(o, NULL);
	assert_int_equal(out_finish(o, &err), ERR_NOMEM);
	out_free(o);
	fclose(results);
	fclose(messages);
	free(results_text);
	free(messages_text);
}

static void the_bar_is_wiped_before_anything_else_is_said(void **state)
{
	struct out *o = begin(0);

	(void)state;
	out_bar(o, "half", NULL);
	out_bar(o, "more", "");
	out_line(o, "line");
	out_bar(o, "most", NULL);
	out_warn(o, "beware");
	out_bar(o, "all", NULL);
	out_bar(o, NULL, NULL);
	out_bar(o, "", "below"); /* there is none left to wipe */
	said(o, "line\n",
	     "\rhalf\033[K\rmore\033[K\r\033[K"
	     "\rmost\033[K\r\033[Kmrmr: warning: beware\n"
	     "\rall\033[K\r\033[K");
}

static void the_line_below_the_bar_comes_and_goes_with_it(void **state)
{
	struct out *o = begin(0);

	(void)state;
	out_bar(o, "half", NULL);
	out_bar(o, "more", "nas");
	out_bar(o, "most", "usb");
	out_line(o, "line");
	out_bar(o, "nearly", "nas");
	out_bar(o, "all", NULL);
	out_bar(o, NULL, "nas");
	said(o, "line\n",
	     "\rhalf\033[K\rmore\033[K\r\nnas\033[K\033[A\rmost\033[K\r\nusb\033[K"
	     "\r\033[K\033[A\r\033[K\rnearly\033[K\r\nnas\033[K"
	     "\r\033[K\033[A\r\033[K\rall\033[K\r\033[K");
}

static const char *path_json(const void *path, size_t len_bytes)
{
	static char text[512];
	json_t *object = json_object();
	char *dump;

	json_path_set(object, "path", path, len_bytes);
	dump = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
	snprintf(text, sizeof(text), "%s", dump);
	free(dump);
	json_decref(object);
	return text;
}

static void names_that_are_not_utf8_are_given_in_base64_too(void **state)
{
	static const struct {
		const char *bytes, *json;
	} rows[] = {
		{ "", "{\"path\":\"\"}" },
		{ "a/b", "{\"path\":\"a/b\"}" },
		{ "gr\xc3\xbcn", "{\"path\":\"gr\\u00FCn\"}" },
		{ "\xf0\x9f\x90\x99", "{\"path\":\"\\uD83D\\uDC19\"}" },
		{ "a\xff", "{\"path\":\"a\\uFFFD\",\"path_b64\":\"Yf8=\"}" },
		{ "\xc3", "{\"path\":\"\\uFFFD\",\"path_b64\":\"ww==\"}" },
		/* Overlong, a surrogate, beyond U+10FFFF, a lone continuation. */
		{ "\xc0\xaf", "{\"path\":\"\\uFFFD\\uFFFD\",\"path_b64\":\"wK8=\"}" },
		{ "\xe0\x80\xaf", "{\"path\":\"\\uFFFD\\uFFFD\\uFFFD\",\"path_b64\":\"4ICv\"}" },
		{ "\xed\xa0\x80", "{\"path\":\"\\uFFFD\\uFFFD\\uFFFD\",\"path_b64\":\"7aCA\"}" },
		{ "\xf0\x80\x80\xaf",
		  "{\"path\":\"\\uFFFD\\uFFFD\\uFFFD\\uFFFD\",\"path_b64\":\"8ICArw==\"}" },
		{ "\xf4\x90\x80\x80",
		  "{\"path\":\"\\uFFFD\\uFFFD\\uFFFD\\uFFFD\",\"path_b64\":\"9JCAgA==\"}" },
		{ "\x80", "{\"path\":\"\\uFFFD\",\"path_b64\":\"gA==\"}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(path_json(rows[i].bytes, strlen(rows[i].bytes)), rows[i].json);
}

static void a_name_cannot_steer_the_terminal(void **state)
{
	char text[64], small[8];

	(void)state;
	out_escape("gr\xc3\xbcn \033[31m\n\x7f\xff", text, sizeof(text));
	assert_string_equal(text, "gr\xc3\xbcn \\033[31m\\012\\177\\377");
	out_escape("\xc2\x9b" "31m", text, sizeof(text)); /* CSI as one character */
	assert_string_equal(text, "\\302\\23331m");
	out_escape("abcdef\xc3\xbc", small, sizeof(small)); /* never half a character */
	assert_string_equal(small, "abcdef");
	out_escape("abcd\n", small, sizeof(small));
	assert_string_equal(small, "abcd");
}

static void a_full_disk_is_an_error_in_the_end(void **state)
{
	FILE *full = fopen("/dev/full", "w");
	struct out *o = out_new(full, stderr, 0);

	(void)state;
	assert_non_null(full);
	out_line(o, "lost");
	assert_int_equal(out_finish(o, &err), ERR_FULL);
	assert_string_equal(err.message, "write the results: No space left on device");
	out_free(o);
	fclose(full);
}

/* A stream whose reader went away. */
static FILE *broken_pipe(void)
{
	int fds[2];
	FILE *stream;

	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	stream = fdopen(fds[1], "w");
	assert_non_null(stream);
	return stream;
}

static void a_reader_that_went_away_is_no_error(void **state)
{
	FILE *pipe_end = broken_pipe();
	struct out *o = out_new(pipe_end, stderr, OUT_JSON);

	(void)state;
	assert_false(out_reader_gone(o));
	out_json(o, out_object("row"));
	assert_true(out_reader_gone(o));
	assert_int_equal(out_finish(o, &err), ERR_NONE);
	out_free(o);
	fclose(pipe_end);
}

static void printing_bytes_stops_when_the_reader_went_away_or_the_disk_is_full(void **state)
{
	static const char page[65536];
	FILE *pipe_end = broken_pipe(), *full = fopen("/dev/full", "w");
	struct out *to_pipe = out_new(pipe_end, stderr, 0), *to_full = out_new(full, stderr, 0);

	(void)state;
	assert_int_equal(out_bytes(to_pipe, page, sizeof(page), &err), ERR_INTERRUPTED);
	assert_true(out_reader_gone(to_pipe));
	assert_int_equal(out_bytes(to_full, page, sizeof(page), &err), ERR_FULL);
	out_free(to_pipe);
	out_free(to_full);
	fclose(pipe_end);
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_go_to_one_stream_and_messages_to_the_other),
		cmocka_unit_test(quiet_leaves_out_reports_but_neither_answers_nor_errors),
		cmocka_unit_test(details_are_for_the_verbose),
		cmocka_unit_test(json_is_one_object_per_line_and_nothing_else_on_results),
		cmocka_unit_test(messages_stay_one_line_whatever_names_are_in_them),
		cmocka_unit_test(a_warning_of_a_path_has_all_of_it),
		cmocka_unit_test(without_json_objects_are_not_printed),
		cmocka_unit_test(an_object_lost_for_lack_of_memory_is_an_error_in_the_end),
		cmocka_unit_test(the_bar_is_wiped_before_anything_else_is_said),
		cmocka_unit_test(the_line_below_the_bar_comes_and_goes_with_it),
		cmocka_unit_test(names_that_are_not_utf8_are_given_in_base64_too),
		cmocka_unit_test(a_name_cannot_steer_the_terminal),
		cmocka_unit_test(a_full_disk_is_an_error_in_the_end),
		cmocka_unit_test(a_reader_that_went_away_is_no_error),
		cmocka_unit_test(printing_bytes_stops_when_the_reader_went_away_or_the_disk_is_full),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
