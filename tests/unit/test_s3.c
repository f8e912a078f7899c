/*
 * The s3 driver without a server: signatures as published with the protocol, queries, what answers say
 * in XML, and where keys come from.
 */
#include "drivers/s3_account.h"
#include "drivers/s3_answer.h"
#include "drivers/s3_list.h"
#include "drivers/s3_sign.h"
#include "tests/support/temp.h"

#include <sodium.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* ---- signatures: the examples of the protocol's documentation, of 24 May 2013 ---- */

#define EXAMPLE_TIME 1369353600
#define EXAMPLE_HOST "examplebucket.s3.amazonaws.com"

static const struct s3_keys example_keys = {"AKIAIOSFODNN7EXAMPLE",
					    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL};

static const char *line_of(const struct s3_signed *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strncmp(s->lines[i], name, strlen(name)) == 0 &&
		    s->lines[i][strlen(name)] == ':')
			return s->lines[i] + strlen(name) + 2;
	return NULL;
}

static void assert_signature(struct s3_signing *r, const char *body, const char *names,
			     const char *signature)
{
	struct s3_signed s;
	struct error err;
	char expected[400];

	r->host = EXAMPLE_HOST;
	r->body = sha256(body, strlen(body));
	assert_int_equal(s3_sign(&example_keys, "us-east-1", EXAMPLE_TIME, r, &s, &err), ERR_NONE);
	snprintf(expected, sizeof(expected),
		 "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
		 "SignedHeaders=%s, Signature=%s",
		 names, signature);
	assert_string_equal(line_of(&s, "Authorization"), expected);
	assert_string_equal(line_of(&s, "x-amz-date"), "20130524T000000Z");
	assert_null(line_of(&s, "host"));
	assert_int_equal(s.count, r->headers_count + 3);
	assert_null(s.lines[s.count]);
	s3_signed_release(&s);
	assert_int_equal(s.count, 0);
}

static void a_ranged_get_is_signed_as_published(void **state)
{
	const struct s3_pair range = {"range", "bytes=0-9"};
	struct s3_signing r = {
		.method = "GET", .path = "/test.txt", .query = "", .headers = &range, .headers_count = 1};

	(void)state;
	assert_signature(&r, "", "host;range;x-amz-content-sha256;x-amz-date",
			 "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void a_put_is_signed_as_published(void **state)
{
	const struct s3_pair headers[] = {{"x-amz-storage-class", "REDUCED_REDUNDANCY"},
					  {"date", "Fri, 24 May 2013 00:00:00 GMT"}};
	struct s3_signing r = {.method = "PUT",
			       .path = "/test%24file.text",
			       .query = "",
			       .headers = headers,
			       .headers_count = 2};

	(void)state;
	assert_signature(&r, "Welcome to Amazon S3.",
			 "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
			 "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

static void queries_are_signed_as_published(void **state)
{
	const struct s3_pair lifecycle = {"lifecycle", ""};
	const struct s3_pair list[] = {{"prefix", "J"}, {"max-keys", "2"}};
	struct s3_signing r = {.method = "GET", .path = "/"};
	struct buf query = {0};

	(void)state;
	s3_query(&query, &lifecycle, 1);
	buf_add(&query, "", 1);
	r.query = (char *)query.data;
	assert_signature(&r, "", "host;x-amz-content-sha256;x-amz-date",
			 "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
	buf_clear(&query);
	s3_query(&query, list, 2);
	buf_add(&query, "", 1);
	r.query = (char *)query.data;
	assert_signature(&r, "", "host;x-amz-content-sha256;x-amz-date",
			 "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
	buf_release(&query);
}

static void a_session_token_is_sent_and_signed(void **state)
{
	const struct s3_keys keys = {"AK", "secret", "the/token=="};
	struct s3_signing r = {.method = "GET", .path = "/", .query = "", .host = "h"};
	struct s3_signed s;
	struct error err;

	(void)state;
	assert_int_equal(s3_sign(&keys, "r", 0, &r, &s, &err), ERR_NONE);
	assert_string_equal(line_of(&s, "x-amz-security-token"), "the/token==");
	assert_non_null(strstr(line_of(&s, "Authorization"),
			       "SignedHeaders=host;x-amz-content-sha256;x-amz-date;"
			       "x-amz-security-token, "));
	for (size_t i = 0; i < s.count; i++)
		assert_null(strstr(s.lines[i], "secret"));
	s3_signed_release(&s);
}

static void assert_query(const struct s3_pair *pairs, size_t count, const char *expected)
{
	struct buf query = {0};

	s3_query(&query, pairs, count);
	buf_add(&query, "", 1);
	assert_false(query.failed);
	assert_string_equal((char *)query.data, expected);
	buf_release(&query);
}

static void a_query_is_encoded_and_sorted_by_what_is_encoded(void **state)
{
	const struct s3_pair odd[] = {{"z", "a b+c/d=e&f%20~._-"}, {"a", "\xc3\xa4\x01\x7f"}};
	/* '-' sorts before '=', and '%' before both. */
	const struct s3_pair names[] = {{"a-b", "1"}, {"a", "3"}, {"a", "2"}, {"a b", "4"},
					{"A", ""},    {"a.", "5"}};

	(void)state;
	assert_query(NULL, 0, "");
	assert_query(odd, 2, "a=%C3%A4%01%7F&z=a%20b%2Bc%2Fd%3De%26f%2520~._-");
	assert_query(names, 6, "A=&a=2&a=3&a%20b=4&a-b=1&a.=5");
}

/* ---- listings ---- */

static int parse_page(const char *document, struct s3_page *page)
{
	struct error err = {0};
	int code = s3_page_parse(document, strlen(document), page, &err);

	if (code != ERR_NONE) {
		assert_int_equal(err.code, code);
		assert_true(err.message[0] != '\0');
		assert_int_equal(page->keys.len_bytes, 0);
		assert_null(page->next);
	}
	return code;
}

static void assert_key(struct reader *r, uint64_t len_bytes, const char *key)
{
	size_t n;

	assert_int_equal(read_u64(r), len_bytes);
	assert_string_equal((const char *)read_block(r, 5000, &n), key);
	assert_int_equal(n, strlen(key) + 1);
}

static void a_page_has_the_keys_decoded_and_how_to_go_on(void **state)
{
	static const char document[] =
		"<?xml version='1.0'?>\n<ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"
		"<Name>b</Name><Prefix>p%2F</Prefix><KeyCount>3</KeyCount>"
		"<Contents><Size>7</Size><Owner><ID>x</ID></Owner><Key>p/.mrmr/a%20b</Key></Contents>"
		"<Contents><Key>%C3%A4%2B%25%zz%4</Key><Size>0</Size></Contents>"
		"<Contents><Key>a+b&amp;%00cut</Key><Size>9223372036854775807</Size></Contents>"
		"<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
		"<NextContinuationToken>tok&lt;/+==</NextContinuationToken></ListBucketResult>";
	struct s3_page page;
	struct reader r;

	(void)state;
	assert_int_equal(parse_page(document, &page), ERR_NONE);
	assert_int_equal(page.count, 3);
	assert_true(page.is_truncated);
	assert_string_equal(page.next, "tok</+==");
	assert_string_equal(page.owner, "x");
	r = reader_of(page.keys.data, page.keys.len_bytes);
	assert_key(&r, 7, "p/.mrmr/a b");
	assert_key(&r, 0, "\xc3\xa4+%%zz%4");
	assert_key(&r, INT64_MAX, "a b&");
	assert_true(reader_done(&r));
	s3_page_release(&page);
}

static void keys_of_a_server_that_does_not_encode_stay_as_they_are(void **state)
{
	struct s3_page page;
	struct reader r;

	(void)state;
	assert_int_equal(parse_page("<ListBucketResult><Contents><Key>a+%41</Key><Size>1</Size>"
				    "</Contents><IsTruncated>false</IsTruncated></ListBucketResult>",
				    &page),
			 ERR_NONE);
	assert_false(page.is_truncated);
	assert_null(page.owner);
	r = reader_of(page.keys.data, page.keys.len_bytes);
	assert_key(&r, 1, "a+%41");
	s3_page_release(&page);
}

static void an_owner_that_is_no_word_is_none(void **state)
{
	static const char *const bad[] = { "", "a b", "a&#10;b", "\xc3\xa4" };
	char document[600], many[258];
	struct s3_page page;

	(void)state;
	memset(many, 'a', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	for (size_t i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(document, sizeof(document),
			 "<ListBucketResult><Contents><Key>a</Key><Size>1</Size><Owner><ID>%s</ID></Owner>"
			 "</Contents></ListBucketResult>",
			 i < sizeof(bad) / sizeof(bad[0]) ? bad[i] : many);
		assert_int_equal(parse_page(document, &page), ERR_NONE);
		assert_null(page.owner);
		s3_page_release(&page);
	}
}

static void a_listing_that_is_none_is_corrupt(void **state)
{
	static const char *const documents[] = {
		"<html><body>welcome</body></html>",
		"<Error><Code>AccessDenied</Code></Error>",
		"<ListBucketResult>",
		"<ListBucketResult><Contents/></ListBucketResult>",
		"<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
		"<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
		"<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
		"<ListBucketResult><Contents><Key>a</Key><Size>1x</Size></Contents></ListBucketResult>",
		"<ListBucketResult><Contents><Key>a</Key><Size>9223372036854775808</Size></Contents>"
		"</ListBucketResult>",
		"<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents><Contents>"
		"<Size>1</Size></Contents></ListBucketResult>",
		"<!DOCTYPE a [<!ENTITY k 'a'>]><ListBucketResult/>",
	};
	struct s3_page page;
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
		assert_int_equal(parse_page(documents[i], &page), ERR_CORRUPT);
	buf_add(&b, "<ListBucketResult><Contents><Key>", 33);
	for (unsigned i = 0; i < 5000; i++)
		buf_add(&b, "k", 1);
	buf_add(&b, "</Key><Size>1</Size></Contents></ListBucketResult>", 51);
	assert_int_equal(parse_page((char *)b.data, &page), ERR_CORRUPT);
	buf_release(&b);
}

/* ---- errors ---- */

static int error_of(unsigned status, const char *document, const char *bucket_region,
		    struct error *err)
{
	struct http_answer a = {.status = status, .retry_after_s = 7};

	buf_add(&a.document, document, strlen(document));
	s3_answer_error(&a, "put x", "us-east-1", bucket_region, err);
	buf_release(&a.document);
	assert_true(strncmp(err->message, "put x: ", 7) == 0);
	return (int)err->code;
}

static int error_named(unsigned status, const char *name, struct error *err)
{
	char document[200];

	snprintf(document, sizeof(document),
		 "<?xml version='1.0'?><Error><Code>%s</Code><Message>why</Message></Error>", name);
	return error_of(status, document, "", err);
}

static void codes_of_the_protocol_are_told_apart(void **state)
{
	static const struct {
		unsigned status;
		const char *name;
		enum err_code code;
	} rows[] = {
		{404, "NoSuchKey", ERR_NOT_FOUND},
		{404, "NoSuchBucket", ERR_NOT_FOUND},
		{403, "AccessDenied", ERR_DENIED},
		{403, "InvalidAccessKeyId", ERR_DENIED},
		{403, "SignatureDoesNotMatch", ERR_DENIED},
		{400, "ExpiredToken", ERR_DENIED},
		{412, "PreconditionFailed", ERR_EXISTS},
		{403, "QuotaExceeded", ERR_FULL},
		{503, "SlowDown", ERR_TRANSIENT},
		{500, "InternalError", ERR_TRANSIENT},
		{400, "RequestTimeout", ERR_TRANSIENT},
		{400, "BadDigest", ERR_TRANSIENT},
		{409, "OperationAborted", ERR_TRANSIENT},
		{409, "ConditionalRequestConflict", ERR_TRANSIENT},
		{404, "NoSuchUpload", ERR_TRANSIENT},
		{501, "NotImplemented", ERR_UNSUPPORTED},
		{405, "MethodNotAllowed", ERR_UNSUPPORTED},
		{403, "SomethingNew", ERR_DENIED},
		{400, "SomethingNew", ERR_IO},
		{599, "SomethingNew", ERR_TRANSIENT},
	};
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(error_named(rows[i].status, rows[i].name, &err), rows[i].code);
		assert_non_null(strstr(err.message, rows[i].name));
		assert_non_null(strstr(err.message, ": why"));
		assert_int_equal(err.retry_after_s, rows[i].code == ERR_TRANSIENT ? 7 : 0);
	}
}

static void an_answer_without_a_code_counts_by_its_status(void **state)
{
	static const char *const documents[] = {"", "<html>Service Unavailable</html>", "<Error>", "\x01"};
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		assert_int_equal(error_of(503, documents[i], "", &err), ERR_TRANSIENT);
		assert_int_equal(err.retry_after_s, 7);
		assert_int_equal(error_of(403, documents[i], "", &err), ERR_DENIED);
		assert_int_equal(error_of(404, documents[i], "", &err), ERR_NOT_FOUND);
		assert_int_equal(error_of(412, documents[i], "", &err), ERR_EXISTS);
	}
}

static void a_bucket_elsewhere_is_one_line_that_names_the_region(void **state)
{
	static const char malformed[] =
		"<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is "
		"malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'</Message>"
		"<Region>eu-west-1</Region></Error>";
	static const char redirect[] = "<Error><Code>PermanentRedirect</Code><Message>m</Message>"
				       "<Endpoint>b.s3-eu-west-1.amazonaws.com</Endpoint></Error>";
	struct error err;

	(void)state;
	assert_int_equal(error_of(400, malformed, "", &err), ERR_USAGE);
	assert_non_null(strstr(err.message, "give region=eu-west-1"));
	assert_int_equal(error_of(301, redirect, "eu-west-1", &err), ERR_USAGE);
	assert_non_null(strstr(err.message, "give region=eu-west-1"));
	assert_int_equal(error_of(301, redirect, "", &err), ERR_USAGE);
	assert_non_null(strstr(err.message, "b.s3-eu-west-1.amazonaws.com"));
	/* To a HEAD there is no body. */
	assert_int_equal(error_of(301, "", "eu-west-3", &err), ERR_USAGE);
	assert_non_null(strstr(err.message, "give region=eu-west-3"));
	assert_int_equal(error_of(307, "", "", &err), ERR_USAGE);
	assert_non_null(strstr(err.message, "another region"));
}

static void a_clock_that_is_wrong_is_named(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(error_of(403, "<Error><Code>RequestTimeTooSkewed</Code><Message>m</Message>"
				       "<RequestTime>20130524T000000Z</RequestTime>"
				       "<ServerTime>2026-11-28T15:00:00Z</ServerTime></Error>",
				  "", &err),
			 ERR_DENIED);
	assert_non_null(strstr(err.message, "clock"));
	assert_non_null(strstr(err.message, "20130524T000000Z here"));
	assert_non_null(strstr(err.message, "2026-11-28T15:00:00Z at the server"));
	assert_int_equal(error_named(403, "RequestTimeTooSkewed", &err), ERR_DENIED);
	assert_non_null(strstr(err.message, "clock"));
}

static void what_a_server_says_cannot_play_tricks(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(error_of(403, "<Error><Code>Access\nDenied</Code><Message>\xc2\x9b\t&#10;x"
				       "</Message></Error>",
				  "", &err),
			 ERR_DENIED);
	for (const char *c = err.message; *c; c++)
		assert_in_range(*c, ' ', 0x7e);
}

static int result_of(const char *document, struct s3_said *said, struct error *err)
{
	struct http_answer a = {.status = 200};
	int code;

	buf_add(&a.document, document, strlen(document));
	code = s3_answer_result(&a, "put x", "us-east-1", said, err);
	buf_release(&a.document);
	return code;
}

static void an_error_inside_an_answer_of_status_200_is_an_error(void **state)
{
	struct s3_said said;
	struct error err;

	(void)state;
	assert_int_equal(result_of("\n \n<?xml version='1.0'?><CompleteMultipartUploadResult>"
				   "<ETag>\"x-2\"</ETag></CompleteMultipartUploadResult>",
				   &said, &err),
			 ERR_NONE);
	assert_string_equal(said.etag, "\"x-2\"");
	assert_int_equal(result_of("<InitiateMultipartUploadResult><UploadId>u&amp;1</UploadId>"
				   "</InitiateMultipartUploadResult>",
				   &said, &err),
			 ERR_NONE);
	assert_string_equal(said.upload_id, "u&1");
	assert_int_equal(result_of("  <Error><Code>InternalError</Code></Error>", &said, &err),
			 ERR_TRANSIENT);
	assert_int_equal(result_of("<Error><Code>AccessDenied</Code></Error>", &said, &err),
			 ERR_DENIED);
	assert_int_equal(result_of("<Error><Code>PreconditionFailed</Code></Error>", &said, &err),
			 ERR_EXISTS);
	assert_int_equal(result_of("<Error><Code>New</Code></Error>", &said, &err), ERR_IO);
	/* Cut, or nothing to do with it: it may have been done. */
	assert_int_equal(result_of("", &said, &err), ERR_TRANSIENT);
	assert_int_equal(result_of("<CopyObjectResult><ETag>", &said, &err), ERR_TRANSIENT);
	assert_int_equal(result_of("<html><Code>x</Code></html>", &said, &err), ERR_TRANSIENT);
	assert_int_equal(result_of("<Error/>", &said, &err), ERR_TRANSIENT);
}

static void an_upload_id_that_is_too_long_is_none(void **state)
{
	struct buf b = {0};
	struct s3_said said;
	struct error err;

	(void)state;
	buf_add(&b, "<XResult><UploadId>", 19);
	for (unsigned i = 0; i < S3_TEXT_BYTES; i++)
		buf_add(&b, "u", 1);
	buf_add(&b, "</UploadId></XResult>", 22);
	assert_int_equal(result_of((char *)b.data, &said, &err), ERR_NONE);
	assert_string_equal(said.upload_id, "");
	buf_release(&b);
}

static void only_an_etag_of_32_digits_is_a_digest(void **state)
{
	static const char *const others[] = {"",
					     "\"\"",
					     "\"0123456789abcdef0123456789abcde\"",
					     "\"0123456789abcdef0123456789abcdef0\"",
					     "\"0123456789abcdef0123456789abcdef-2\"",
					     "W/\"0123456789abcdef0123456789abcdef\"",
					     "\"0123456789abcdef0123456789abcdef",
					     "0123456789abcdef0123456789abcdef\"",
					     "\"0123456789abcdef0123456789abcdeg\""};
	struct md5 m;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(s3_etag_md5(others[i], &m));
	assert_true(s3_etag_md5("\"00112233445566778899AABBCCDDEEFF\"", &m));
	assert_memory_equal(m.b, "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16);
	assert_true(s3_etag_md5("00112233445566778899aabbccddeeff", &m));
}

/* ---- profiles and keys ---- */

static void assert_span(struct s3_span s, const char *text)
{
	if (!text) {
		assert_null(s.at);
		return;
	}
	assert_non_null(s.at);
	assert_int_equal(s.len_bytes, strlen(text));
	assert_memory_equal(s.at, text, s.len_bytes);
}

static void a_profile_is_read_as_other_programs_read_it(void **state)
{
	static const char text[] =
		"aws_access_key_id = nobody\n"
		"# [other]\n"
		"[default]\n"
		"aws_access_key_id = AKD\r\n"
		"aws_secret_access_key=se/cr+et==\n"
		"\n"
		"[ other ] # comment\n"
		"aws_access_key_id\t=\tAKO\n"
		"; aws_access_key_id = no\n"
		"s3 =\n"
		"  aws_access_key_id = nested\n"
		"aws_session_token = a=b=c \n"
		"[profile third]\n"
		"region = eu-north-1";
	struct s3_profile p;

	(void)state;
	s3_profile_find(text, sizeof(text) - 1, "default", &p);
	assert_true(p.found);
	assert_span(p.access, "AKD");
	assert_span(p.secret, "se/cr+et==");
	assert_span(p.session, NULL);
	s3_profile_find(text, sizeof(text) - 1, "other", &p);
	assert_true(p.found);
	assert_span(p.access, "AKO");
	assert_span(p.secret, NULL);
	assert_span(p.session, "a=b=c");
	s3_profile_find(text, sizeof(text) - 1, "third", &p);
	assert_true(p.found);
	assert_span(p.region, "eu-north-1");
	s3_profile_find(text, sizeof(text) - 1, "thir", &p);
	assert_false(p.found);
	assert_span(p.access, NULL);
	s3_profile_find("[x", 2, "x", &p);
	assert_false(p.found);
}


static int home_setup(void **state)
{
	static const char *const names[] = {"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION",
					    "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE",
					    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
					    "AWS_SESSION_TOKEN"};
	char path[4096];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	credentials_forget();
	*state = temp_folder_in_memory();
	setenv("HOME", *state, 1);
	snprintf(path, sizeof(path), "%s/.aws", (char *)*state);
	assert_int_equal(mkdir(path, 0700), 0);
	return 0;
}

static int home_teardown(void **state)
{
	credentials_forget();
	temp_folder_remove(*state);
	return 0;
}

static void write_file(const char *folder, const char *leaf, const char *text, mode_t mode)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/.aws/%s", folder, leaf);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int find_account(const char *json, const char *region, struct s3_account *a, struct error *err)
{
	static const char *const taken[] = {"access_key", "secret_key", "session_token",
					    "profile",    "region",     NULL};
	struct drive_option_set *given;
	int code;

	assert_int_equal(drive_options_parse(json, taken, "test", &given, err), ERR_NONE);
	code = s3_account_find(given, region, a, err);
	drive_options_free(given);
	return code;
}

static void assert_account(const char *json, const char *access, const char *secret,
			   const char *session, const char *region)
{
	struct s3_account a;
	struct error err;

	assert_int_equal(find_account(json, NULL, &a, &err), ERR_NONE);
	assert_string_equal(a.access.text, access);
	assert_string_equal(a.secret.text, secret);
	if (session)
		assert_string_equal(a.session.text, session);
	else
		assert_null(a.session.text);
	assert_string_equal(a.region, region);
	s3_account_release(&a);
}

static void assert_no_account(const char *json, int code, const char *said)
{
	struct s3_account a;
	struct error err;

	assert_int_equal(find_account(json, NULL, &a, &err), code);
	assert_non_null(strstr(err.message, said));
	assert_null(a.secret.text);
	assert_null(a.region);
}

static void keys_come_from_one_place_the_nearest(void **state)
{
	static const char from_options[] = "{\"access_key\": \"env:MY_ACCESS\", "
					   "\"secret_key\": \"env:MY_SECRET\"}";

	write_file(*state, "credentials",
		   "[default]\naws_access_key_id=FILE\naws_secret_access_key=file\n"
		   "[two]\naws_access_key_id=TWO\naws_secret_access_key=two\naws_session_token=t2\n",
		   0600);
	assert_account(NULL, "FILE", "file", NULL, "us-east-1");
	assert_account("{\"profile\": \"two\"}", "TWO", "two", "t2", "us-east-1");
	setenv("AWS_PROFILE", "two", 1);
	assert_account(NULL, "TWO", "two", "t2", "us-east-1");
	setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "env", 1);
	setenv("AWS_SESSION_TOKEN", "envtoken", 1);
	assert_account(NULL, "ENV", "env", "envtoken", "us-east-1");
	assert_account("{\"profile\": \"default\"}", "FILE", "file", NULL, "us-east-1");
	setenv("MY_ACCESS", "OPT", 1);
	setenv("MY_SECRET", "opt", 1);
	assert_account(from_options, "OPT", "opt", NULL, "us-east-1");
}

static void empty_variables_are_none(void **state)
{
	write_file(*state, "credentials", "[default]\naws_access_key_id=F\naws_secret_access_key=f\n", 0600);
	setenv("AWS_ACCESS_KEY_ID", "", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "", 1);
	assert_account(NULL, "F", "f", NULL, "us-east-1");
}

static void a_region_comes_from_the_nearest_place_too(void **state)
{
	struct s3_account a;
	struct error err;

	write_file(*state, "credentials", "[default]\naws_access_key_id=F\naws_secret_access_key=f\n", 0600);
	write_file(*state, "config", "[default]\nregion = eu-file\n[profile x]\nregion = x-file\n", 0644);
	assert_account(NULL, "F", "f", NULL, "eu-file");
	setenv("AWS_DEFAULT_REGION", "eu-default", 1);
	assert_account(NULL, "F", "f", NULL, "eu-default");
	setenv("AWS_REGION", "eu-env", 1);
	assert_account(NULL, "F", "f", NULL, "eu-env");
	assert_account("{\"region\": \"eu-opt\"}", "F", "f", NULL, "eu-opt");
	assert_int_equal(find_account("{\"region\": \"eu-opt\"}", "eu-url", &a, &err), ERR_NONE);
	assert_string_equal(a.region, "eu-url");
	s3_account_release(&a);
	assert_no_account("{\"region\": \"a b\"}", ERR_USAGE, "no region");
}

static void keys_that_are_missing_or_in_parts_are_refused(void **state)
{
	assert_no_account(NULL, ERR_DENIED, "no keys");
	setenv("MY_ACCESS", "A", 1);
	setenv("MY_LINES", "A\r\nX-Evil: 1", 1);
	setenv("MY_EMPTY", "", 1);
	assert_no_account("{\"access_key\": \"env:MY_ACCESS\"}", ERR_USAGE, "without secret_key");
	assert_no_account("{\"secret_key\": \"env:MY_ACCESS\"}", ERR_USAGE, "without access_key");
	assert_no_account("{\"session_token\": \"env:MY_ACCESS\"}", ERR_USAGE, "without access_key");
	assert_no_account("{\"access_key\": \"env:MY_LINES\", \"secret_key\": \"env:MY_ACCESS\"}",
			  ERR_DENIED, "more than one word");
	assert_no_account("{\"access_key\": \"env:MY_ACCESS\", \"secret_key\": \"env:MY_EMPTY\"}",
			  ERR_DENIED, "empty");
	setenv("AWS_ACCESS_KEY_ID", "A", 1);
	assert_no_account(NULL, ERR_USAGE, "without AWS_SECRET_ACCESS_KEY");
	assert_no_account("{\"profile\": \"x\"}", ERR_DENIED, "no keys");
	write_file(*state, "credentials", "[default]\naws_access_key_id=F\n", 0600);
	assert_no_account("{\"profile\": \"x\"}", ERR_DENIED, "no profile \"x\"");
	assert_no_account("{\"profile\": \"default\"}", ERR_DENIED, "no keys in profile");
}

static void a_file_of_keys_that_others_may_read_is_refused(void **state)
{
	static const char text[] = "[default]\naws_access_key_id=F\naws_secret_access_key=f\n";

	write_file(*state, "credentials", text, 0644);
	assert_no_account(NULL, ERR_DENIED, "chmod 600");
	write_file(*state, "credentials", text, 0600);
	assert_account(NULL, "F", "f", NULL, "us-east-1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ranged_get_is_signed_as_published),
		cmocka_unit_test(a_put_is_signed_as_published),
		cmocka_unit_test(queries_are_signed_as_published),
		cmocka_unit_test(a_session_token_is_sent_and_signed),
		cmocka_unit_test(a_query_is_encoded_and_sorted_by_what_is_encoded),
		cmocka_unit_test(a_page_has_the_keys_decoded_and_how_to_go_on),
		cmocka_unit_test(keys_of_a_server_that_does_not_encode_stay_as_they_are),
		cmocka_unit_test(an_owner_that_is_no_word_is_none),
		cmocka_unit_test(a_listing_that_is_none_is_corrupt),
		cmocka_unit_test(codes_of_the_protocol_are_told_apart),
		cmocka_unit_test(an_answer_without_a_code_counts_by_its_status),
		cmocka_unit_test(a_bucket_elsewhere_is_one_line_that_names_the_region),
		cmocka_unit_test(a_clock_that_is_wrong_is_named),
		cmocka_unit_test(what_a_server_says_cannot_play_tricks),
		cmocka_unit_test(an_error_inside_an_answer_of_status_200_is_an_error),
		cmocka_unit_test(an_upload_id_that_is_too_long_is_none),
		cmocka_unit_test(only_an_etag_of_32_digits_is_a_digest),
		cmocka_unit_test(a_profile_is_read_as_other_programs_read_it),
		cmocka_unit_test_setup_teardown(keys_come_from_one_place_the_nearest, home_setup,
						home_teardown),
		cmocka_unit_test_setup_teardown(empty_variables_are_none, home_setup, home_teardown),
		cmocka_unit_test_setup_teardown(a_region_comes_from_the_nearest_place_too, home_setup,
						home_teardown),
		cmocka_unit_test_setup_teardown(keys_that_are_missing_or_in_parts_are_refused,
						home_setup, home_teardown),
		cmocka_unit_test_setup_teardown(a_file_of_keys_that_others_may_read_is_refused,
						home_setup, home_teardown),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
