/* What WebDAV servers answer to PROPFIND, by all sorts of servers and by bad ones. */
#include "drivers/multistatus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\">"
#define TAIL "</D:multistatus>"
#define RESPONSE(href, props)                                                                      \
	"<D:response><D:href>" href "</D:href><D:propstat><D:prop>" props                          \
	"</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
#define FOLDER "<D:resourcetype><D:collection/></D:resourcetype>"
#define BYTES(n) "<D:resourcetype/><D:getcontentlength>" #n "</D:getcontentlength>"

struct seen {
	char text[1000]; /* "name=length name/ ..." */
	struct dav_entry last;
};

static int note(void *ctx, const struct dav_entry *e, struct error *err)
{
	struct seen *s = ctx;
	size_t used = strlen(s->text);

	(void)err;
	if (e->is_folder)
		snprintf(s->text + used, sizeof(s->text) - used, "%s/ ", e->name);
	else if (e->has_length)
		snprintf(s->text + used, sizeof(s->text) - used, "%s=%llu ", e->name,
			 (unsigned long long)e->len_bytes);
	else
		snprintf(s->text + used, sizeof(s->text) - used, "%s=? ", e->name);
	s->last = *e;
	return ERR_NONE;
}

static int walk(const char *xml, const char *path, struct seen *s)
{
	struct error err = {.code = ERR_NONE};
	int code;

	*s = (struct seen){.text = ""};
	code = multistatus_walk(xml, strlen(xml), path, note, s, &err);
	if (code != ERR_NONE)
		assert_true(err.message[0] != '\0');
	return code;
}

static void assert_sees(const char *xml, const char *path, const char *want)
{
	struct seen s;

	assert_int_equal(walk(xml, path, &s), ERR_NONE);
	assert_string_equal(s.text, want);
}

static void assert_corrupt(const char *xml, const char *path)
{
	struct seen s;

	assert_int_equal(walk(xml, path, &s), ERR_CORRUPT);
}

static void what_is_in_a_folder_is_told_by_name_and_length(void **state)
{
	(void)state;
	assert_sees(HEAD RESPONSE("/dav/x/", FOLDER) RESPONSE("/dav/x/a", BYTES(3))
			    RESPONSE("/dav/x/b/", FOLDER) TAIL,
		    "/dav/x", "/ a=3 b/ ");
	assert_sees(HEAD RESPONSE("/", FOLDER) RESPONSE("/a", BYTES(0)) TAIL, "", "/ a=0 ");
	assert_sees(HEAD RESPONSE("/dav/x/a", BYTES(18446744073709551615)) TAIL, "/dav/x/a",
		    "=18446744073709551615 ");
}

static void hrefs_are_compared_whatever_their_form(void **state)
{
	static const char *const hrefs[] = {
		"/a b/c", "/a%20b/c", "/%61%20b/%63/", "http://h/a%20b/c", "https://h:1/a%20b//c",
		"\n  /a%20b/c \n", "/a%20b/c?x=/y", "/a%20b/c#x"};
	char xml[600];

	(void)state;
	for (size_t i = 0; i < sizeof(hrefs) / sizeof(hrefs[0]); i++) {
		snprintf(xml, sizeof(xml), HEAD RESPONSE("%s", BYTES(1)) TAIL, hrefs[i]);
		assert_sees(xml, "/a b/c", "=1 ");
	}
}

static void any_prefix_of_the_namespace_will_do(void **state)
{
	(void)state;
	assert_sees("<multistatus xmlns=\"DAV:\"><response><href>/x</href><propstat><prop>"
		    "<lp1:getcontentlength xmlns:lp1=\"DAV:\">7</lp1:getcontentlength></prop>"
		    "<status>HTTP/1.1 200 OK</status></propstat></response></multistatus>",
		    "/x", "=7 ");
	assert_corrupt("<multistatus xmlns=\"other:\"><response><href>/x</href></response>"
		       "</multistatus>", "/x");
}

static void properties_that_the_server_does_not_have_do_not_count(void **state)
{
	struct seen s;

	(void)state;
	assert_int_equal(
		walk(HEAD "<D:response><D:href>/x</D:href><D:propstat><D:prop>" FOLDER
			  "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat><D:propstat>"
			  "<D:prop><D:getcontentlength>5</D:getcontentlength>"
			  "<D:quota-available-bytes/></D:prop><D:status>HTTP/1.1 404 Not Found"
			  "</D:status></D:propstat></D:response>" TAIL,
		     "/x", &s),
		ERR_NONE);
	assert_string_equal(s.text, "/ ");
	assert_false(s.last.has_length);
	assert_false(s.last.has_quota);
}

static void quota_counts_unless_it_is_unknown(void **state)
{
	struct seen s;

	(void)state;
	assert_int_equal(walk(HEAD RESPONSE("/x", FOLDER "<D:quota-available-bytes>100"
						  "</D:quota-available-bytes><D:quota-used-bytes>20"
						  "</D:quota-used-bytes>") TAIL,
			      "/x", &s),
			 ERR_NONE);
	assert_true(s.last.has_quota);
	assert_int_equal(s.last.free_bytes, 100);
	assert_int_equal(s.last.used_bytes, 20);
	assert_int_equal(walk(HEAD RESPONSE("/x", FOLDER "<D:quota-available-bytes>-3"
						  "</D:quota-available-bytes>") TAIL,
			      "/x", &s),
			 ERR_NONE);
	assert_false(s.last.has_quota);
}

static void names_that_lead_elsewhere_are_passed_over(void **state)
{
	(void)state;
	/* Deeper than asked for, by a slash in a name too; a NUL byte; what the server cannot tell. */
	assert_sees(HEAD RESPONSE("/x/", FOLDER) RESPONSE("/x/a/b", BYTES(1))
			    RESPONSE("/x/a%2fb", BYTES(1)) RESPONSE("/x/../y", BYTES(1))
			    RESPONSE("/x/a%00b", BYTES(1)) RESPONSE("mailto:x", BYTES(1))
			    "<D:response><D:href>/x/c</D:href><D:status>HTTP/1.1 403 Forbidden"
			    "</D:status></D:response>" RESPONSE("/x/d", BYTES(2)) TAIL,
		    "/x", "/ d=2 ");
	/* A name with dots is that folder's, and no object's. */
	assert_sees(HEAD RESPONSE("/x/", FOLDER) RESPONSE("/x/..", BYTES(1)) TAIL, "/x", "/ ..=1 ");
}

static void an_answer_about_something_else_is_corrupt(void **state)
{
	(void)state;
	assert_corrupt(HEAD RESPONSE("/y/", FOLDER) RESPONSE("/y/a", BYTES(1)) TAIL, "/x");
	assert_corrupt(HEAD RESPONSE("/x/", FOLDER) RESPONSE("/y/a", BYTES(1)) TAIL, "/x");
	assert_corrupt(HEAD RESPONSE("/x/", FOLDER) RESPONSE("/xa", BYTES(1)) TAIL, "/x");
	assert_corrupt(HEAD RESPONSE("/x/a", BYTES(1)) TAIL, "/x");
	assert_corrupt(HEAD TAIL, "/x");
	assert_corrupt(HEAD "<D:response><D:href>/x</D:href><D:status>HTTP/1.1 404 Not Found"
			    "</D:status></D:response>" TAIL, "/x");
}

static void bad_lengths_are_corrupt(void **state)
{
	(void)state;
	assert_corrupt(HEAD RESPONSE("/x", BYTES(-1)) TAIL, "/x");
	assert_corrupt(HEAD RESPONSE("/x", BYTES(1e9)) TAIL, "/x");
	assert_corrupt(HEAD RESPONSE("/x", BYTES(18446744073709551616)) TAIL, "/x");
	assert_corrupt(HEAD RESPONSE("/x", BYTES(99999999999999999999999)) TAIL, "/x");
	assert_sees(HEAD RESPONSE("/x", "<D:getcontentlength> 5\n</D:getcontentlength>") TAIL, "/x",
		    "=5 ");
	assert_sees(HEAD RESPONSE("/x", "<D:getcontentlength/>") TAIL, "/x", "=? ");
}

static void what_is_no_xml_or_only_a_part_of_it_is_corrupt(void **state)
{
	static const char whole[] = HEAD RESPONSE("/x", BYTES(1)) TAIL;

	(void)state;
	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		struct seen s = {.text = ""};
		struct error err;

		assert_int_equal(multistatus_walk(whole, len, "/x", note, &s, &err), ERR_CORRUPT);
	}
	assert_corrupt("<html><body>Welcome to this hotel's network</body></html>", "/x");
	assert_corrupt("<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>" HEAD RESPONSE(
			       "/x", BYTES(1)) TAIL,
		       "/x");
}

static int stop(void *ctx, const struct dav_entry *e, struct error *err)
{
	(void)e;
	(void)err;
	++*(unsigned *)ctx;
	return -5;
}

static void a_walk_stops_with_the_value_of_its_caller(void **state)
{
	static const char xml[] = HEAD RESPONSE("/x/", FOLDER) RESPONSE("/x/a", BYTES(1)) TAIL;
	unsigned count = 0;
	struct error err;

	(void)state;
	assert_int_equal(multistatus_walk(xml, sizeof(xml) - 1, "/x", stop, &count, &err), -5);
	assert_int_equal(count, 1);
}

static void a_content_range_is_taken_if_it_makes_sense(void **state)
{
	static const char *const bad[] = {
		"", "bytes", "bytes */10", "bytes 5-4/10", "bytes 5-/10", "bytes -5/10",
		"bytes 0-4", "items 0-4/10", "bytes 0-18446744073709551616/*", "bytes 0 -4/10"};
	uint64_t first, last;

	(void)state;
	assert_true(content_range_parse("bytes 5-9/10", &first, &last));
	assert_int_equal(first, 5);
	assert_int_equal(last, 9);
	assert_true(content_range_parse("bytes 0-0/*", &first, &last));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(content_range_parse(bad[i], &first, &last));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_a_folder_is_told_by_name_and_length),
		cmocka_unit_test(hrefs_are_compared_whatever_their_form),
		cmocka_unit_test(any_prefix_of_the_namespace_will_do),
		cmocka_unit_test(properties_that_the_server_does_not_have_do_not_count),
		cmocka_unit_test(quota_counts_unless_it_is_unknown),
		cmocka_unit_test(names_that_lead_elsewhere_are_passed_over),
		cmocka_unit_test(an_answer_about_something_else_is_corrupt),
		cmocka_unit_test(bad_lengths_are_corrupt),
		cmocka_unit_test(what_is_no_xml_or_only_a_part_of_it_is_corrupt),
		cmocka_unit_test(a_walk_stops_with_the_value_of_its_caller),
		cmocka_unit_test(a_content_range_is_taken_if_it_makes_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
