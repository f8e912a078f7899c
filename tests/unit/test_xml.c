/*
 * What servers send as XML: paths and texts come out as they stand, and what could make a parser fetch,
 * expand or allocate without bounds is refused.
 */
#include "drivers/md5.h"
#include "drivers/xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int note(void *ctx, const char *path, const char *text, struct error *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_add(b, path, strlen(path));
	buf_add(b, "=", 1);
	buf_add(b, text, strlen(text));
	buf_add(b, ";", 1);
	return ERR_NONE;
}

static int walk(const char *document, const char *space, struct buf *seen, struct error *err)
{
	struct xml_walk w = {.space = space, .end = note, .ctx = seen};

	buf_clear(seen);
	return xml_walk(document, strlen(document), &w, err);
}

static void assert_seen(const char *document, const char *space, const char *expected)
{
	struct buf seen = {0};
	struct error err;

	assert_int_equal(walk(document, space, &seen, &err), ERR_NONE);
	buf_add(&seen, "", 1);
	assert_string_equal((char *)seen.data, expected);
	buf_release(&seen);
}

static void assert_refused(const char *document)
{
	struct buf seen = {0};
	struct error err = {0};

	assert_int_equal(walk(document, NULL, &seen, &err), ERR_CORRUPT);
	assert_int_equal(err.code, ERR_CORRUPT);
	assert_true(strncmp(err.message, "XML", 3) == 0);
	buf_release(&seen);
}

static void elements_come_with_their_path_and_text(void **state)
{
	(void)state;
	assert_seen("<a><b>one</b><c><b> two </b></c><d/></a>", NULL,
		    "a/b=one;a/c/b= two ;a/c=;a/d=;a=;");
	assert_seen("<a>text <b/> text</a>", NULL, "a/b=;a=;");
	assert_seen("<a>&lt;&amp;&#x41;&gt;<!-- no --></a>", NULL, "a=<&A>;");
	assert_seen("<a><![CDATA[<b>]]></a>", NULL, "a=<b>;");
	assert_seen("<a>\xc3\xa4</a>", NULL, "a=\xc3\xa4;");
	assert_seen("<?xml version='1.0' encoding='iso-8859-1'?><a>\xe4</a>", NULL,
		    "a=\xc3\xa4;");
}

static void white_space_that_kept_the_connection_up_is_passed_over(void **state)
{
	(void)state;
	assert_seen(" \r\n\t <?xml version='1.0'?>\n<a/>\n", NULL, "a=;");
}

static void elements_of_other_namespaces_are_told_apart_when_wanted(void **state)
{
	static const char document[] = "<D:a xmlns:D='DAV:' xmlns:x='other'><D:b>1</D:b>"
				       "<x:b>2</x:b><b>3</b></D:a>";

	(void)state;
	assert_seen(document, NULL, "a/b=1;a/b=2;a/b=3;a=;");
	assert_seen(document, "DAV:", "a/b=1;a/*=2;a/*=3;a=;");
	assert_seen("<a xmlns='DAV:x'/>", "DAV:", "*=;");
	assert_seen("<a xmlns='DAV'/>", "DAV:", "*=;");
}

static int note_begin(void *ctx, const char *path, const char *text, struct error *err)
{
	assert_string_equal(text, "");
	return note(ctx, path, "begin", err);
}

static void an_element_begins_before_what_is_in_it(void **state)
{
	static const char document[] = "<a><b>x</b></a>";
	struct buf seen = {0};
	struct xml_walk w = {.begin = note_begin, .end = note, .ctx = &seen};
	struct error err;

	(void)state;
	assert_int_equal(xml_walk(document, strlen(document), &w, &err), ERR_NONE);
	buf_add(&seen, "", 1);
	assert_string_equal((char *)seen.data, "a=begin;a/b=begin;a/b=x;a=;");
	buf_release(&seen);
}

static int stop_at_b(void *ctx, const char *path, const char *text, struct error *err)
{
	unsigned *calls = ctx;

	(void)text;
	++*calls;
	return strcmp(path, "a/b") == 0 ? err_set(err, ERR_FULL, "enough") : ERR_NONE;
}

static void a_walk_stops_with_the_error_of_its_caller(void **state)
{
	static const char document[] = "<a><b/><c/></a>";
	unsigned calls = 0;
	struct xml_walk at_end = {.end = stop_at_b, .ctx = &calls};
	struct xml_walk at_begin = {.begin = stop_at_b, .end = stop_at_b, .ctx = &calls};
	struct error err;

	(void)state;
	assert_int_equal(xml_walk(document, strlen(document), &at_end, &err), ERR_FULL);
	assert_string_equal(err.message, "enough");
	assert_int_equal(calls, 1);
	calls = 0;
	assert_int_equal(xml_walk(document, strlen(document), &at_begin, &err), ERR_FULL);
	assert_int_equal(calls, 2);
}

static void what_is_not_whole_or_not_well_formed_is_corrupt(void **state)
{
	static const char *const documents[] = {
		"",	      "  ",	   "text",	"<a>",		   "<a></b>",  "<a/><b/>",
		"<a b></a>",  "<a>&x;</a>", "<a>\x01</a>", "<a>\xff</a>",     "<a>&#0;</a>",
		"<x:a/>",     "<a",	   "{\"a\": 1}", "<a>&#x1;</a>",    "<?xml?><a/>",
		"<?xml version='1.0' encoding='klingon'?><a/>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
		assert_refused(documents[i]);
}

static void a_document_type_is_refused_and_nothing_it_names_is_read(void **state)
{
	(void)state;
	assert_refused("<!DOCTYPE a><a/>");
	assert_refused("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>");
	assert_refused("<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>");
	assert_refused("<!DOCTYPE a [<!ENTITY x 'xxxxxxxxxx'><!ENTITY y '&x;&x;&x;&x;&x;&x;'>"
		       "<!ENTITY z '&y;&y;&y;&y;&y;&y;'>]><a>&z;&z;&z;</a>");
}

static void depth_paths_and_texts_are_bounded(void **state)
{
	struct buf b = {0}, seen = {0};
	struct error err;

	(void)state;
	for (unsigned depth = XML_DEPTH_MAX; depth <= XML_DEPTH_MAX + 1; depth++) {
		buf_clear(&b);
		for (unsigned i = 0; i < depth; i++)
			buf_add(&b, "<a>", 3);
		for (unsigned i = 0; i < depth; i++)
			buf_add(&b, "</a>", 4);
		buf_add(&b, "", 1);
		assert_int_equal(walk((char *)b.data, NULL, &seen, &err),
				 depth > XML_DEPTH_MAX ? ERR_CORRUPT : ERR_NONE);
	}
	for (size_t len = XML_TEXT_BYTES_MAX; len <= XML_TEXT_BYTES_MAX + 1; len++) {
		buf_clear(&b);
		buf_add(&b, "<a>", 3);
		for (size_t i = 0; i < len; i++)
			buf_add(&b, "x", 1);
		buf_add(&b, "</a>", 5);
		assert_int_equal(walk((char *)b.data, NULL, &seen, &err),
				 len > XML_TEXT_BYTES_MAX ? ERR_CORRUPT : ERR_NONE);
	}
	buf_clear(&b);
	buf_add(&b, "<", 1);
	for (size_t i = 0; i < XML_PATH_BYTES_MAX; i++)
		buf_add(&b, "n", 1);
	buf_add(&b, "/>", 3);
	assert_int_equal(walk((char *)b.data, NULL, &seen, &err), ERR_CORRUPT);
	buf_release(&b);
	buf_release(&seen);
}

static void escaped_text_is_read_as_it_was(void **state)
{
	struct buf b = {0}, seen = {0};
	struct error err;

	(void)state;
	buf_add(&b, "<a b='", 6);
	xml_escape(&b, "<'\">&amp;");
	buf_add(&b, "'>", 2);
	xml_escape(&b, "<b>&\"quoted\" 'x'</b>&lt;");
	buf_add(&b, "</a>", 5);
	assert_int_equal(walk((char *)b.data, NULL, &seen, &err), ERR_NONE);
	buf_add(&seen, "", 1);
	assert_string_equal((char *)seen.data, "a=<b>&\"quoted\" 'x'</b>&lt;;");
	buf_release(&b);
	buf_release(&seen);
}

/* RFC 1321 A.5, RFC 1864. */
static void md5_is_that_of_its_rfc(void **state)
{
	struct md5 m;
	char text[MD5_BASE64_BYTES];

	(void)state;
	assert_true(md5("message digest", 14, &m));
	assert_memory_equal(m.b, "\xf9\x6b\x69\x7d\x7c\xb7\x93\x8d\x52\x5a\x2f\x31\xaa\xf1\x61\xd0", 16);
	assert_true(md5("", 0, &m));
	md5_base64(&m, text);
	assert_string_equal(text, "1B2M2Y8AsgTpgAmY7PhCfg==");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_come_with_their_path_and_text),
		cmocka_unit_test(white_space_that_kept_the_connection_up_is_passed_over),
		cmocka_unit_test(elements_of_other_namespaces_are_told_apart_when_wanted),
		cmocka_unit_test(an_element_begins_before_what_is_in_it),
		cmocka_unit_test(a_walk_stops_with_the_error_of_its_caller),
		cmocka_unit_test(what_is_not_whole_or_not_well_formed_is_corrupt),
		cmocka_unit_test(a_document_type_is_refused_and_nothing_it_names_is_read),
		cmocka_unit_test(depth_paths_and_texts_are_bounded),
		cmocka_unit_test(escaped_text_is_read_as_it_was),
		cmocka_unit_test(md5_is_that_of_its_rfc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
