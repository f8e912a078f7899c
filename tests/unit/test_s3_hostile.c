/*
 * The s3 driver and servers that do not keep their word: they list without end, store other bytes, say
 * that it was done when it was not, or are none. A server here answers by rules, and notes what it was
 * asked.
 */
#include "base/bytes.h"
#include "drivers/s3_inner.h"
#include "tests/support/calls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the server ---- */

/* The first that fits counts. A '#' in text stands for how often it was the one, from 1 on. */
struct rule {
	const char *method, *part; /* of the target; "" fits any */
	unsigned status;
	const char *headers; /* each with its end; of HEAD also Content-Length */
	const char *text;
	unsigned most; /* how often it counts; 0: always */
};

static struct {
	int fd;
	unsigned port;
	pthread_t thread;
	pthread_mutex_t lock;
	const struct rule *rules; /* until one without method */
	unsigned hits[16];
	char asked[1 << 20]; /* "PUT /b/x\n"; of short ones also the body, '?' for 0, and another "\n" */
	size_t asked_len;
} server = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note(const char *text, size_t len)
{
	if (len > sizeof(server.asked) - 1 - server.asked_len)
		abort();
	for (size_t i = 0; i < len; i++)
		server.asked[server.asked_len++] = text[i] ? text[i] : '?';
	server.asked[server.asked_len] = '\0';
}

static void say(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static void reply(int fd, const struct rule *r, unsigned hit)
{
	bool is_head = strcmp(r->method, "HEAD") == 0;
	struct buf b = {0};
	char head[600], number[16];
	const char *text = r->text ? r->text : "", *mark;

	snprintf(number, sizeof(number), "%u", hit);
	for (; (mark = strchr(text, '#')) != NULL; text = mark + 1) {
		buf_add(&b, text, (size_t)(mark - text));
		buf_add(&b, number, strlen(number));
	}
	buf_add(&b, text, strlen(text));
	snprintf(head, sizeof(head), "HTTP/1.1 %u Word\r\nConnection: close\r\n%s", r->status,
		 r->headers ? r->headers : "");
	say(fd, head, strlen(head));
	snprintf(head, sizeof(head), "Content-Length: %zu\r\n", b.len_bytes);
	say(fd, head, is_head ? 0 : strlen(head));
	say(fd, "\r\n", 2);
	say(fd, (const char *)b.data, is_head ? 0 : b.len_bytes);
	buf_release(&b);
}

static void choose(int fd, const char *method, const char *target)
{
	static const struct rule none = {"", "", 500, NULL, "no rule", 0};

	for (size_t i = 0; server.rules && server.rules[i].method; i++) {
		const struct rule *r = &server.rules[i];

		if (strcmp(r->method, method) != 0 || !strstr(target, r->part) ||
		    (r->most > 0 && server.hits[i] >= r->most))
			continue;
		reply(fd, r, ++server.hits[i]);
		return;
	}
	reply(fd, &none, 0);
}

/* Reads the body; a short one is noted. */
static void take_body(int fd, size_t len)
{
	static char bytes[1 << 16];
	size_t left = len;

	while (left > 0) {
		ssize_t n = recv(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes), 0);

		if (n <= 0)
			return;
		if (len < 2000) {
			note(bytes, (size_t)n);
			note("\n", 1);
		}
		left -= (size_t)n;
	}
}

static void serve(int fd)
{
	char head[8192], method[16], target[2000];
	size_t used = 0;
	const char *length;

	do {
		if (used + 1 >= sizeof(head) || recv(fd, head + used, 1, 0) != 1)
			return;
		head[++used] = '\0';
	} while (!strstr(head, "\r\n\r\n"));
	if (sscanf(head, "%15s %1999s", method, target) != 2)
		return;
	length = strcasestr(head, "\r\nContent-Length:");
	if (strcasestr(head, "\r\nExpect:"))
		say(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	pthread_mutex_lock(&server.lock);
	note(method, strlen(method));
	note(" ", 1);
	note(target, strlen(target));
	note("\n", 1);
	take_body(fd, length ? strtoul(length + 17, NULL, 10) : 0);
	choose(fd, method, target);
	pthread_mutex_unlock(&server.lock);
}

static void *run(void *unused)
{
	(void)unused;
	for (;;) {
		int fd = accept(server.fd, NULL, NULL);

		if (fd < 0)
			return NULL;
		serve(fd);
		shutdown(fd, SHUT_WR);
		close(fd);
	}
}

static int server_start(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t size = sizeof(at);

	(void)state;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(server.fd >= 0);
	assert_int_equal(bind(server.fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(server.fd, 64), 0);
	assert_int_equal(getsockname(server.fd, (struct sockaddr *)&at, &size), 0);
	server.port = ntohs(at.sin_port);
	setenv("AK", "AKTEST", 1);
	setenv("SK", "secret", 1);
	return pthread_create(&server.thread, NULL, run, NULL);
}

static int server_stop(void **state)
{
	(void)state;
	shutdown(server.fd, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.fd);
	call_options(NULL);
	credentials_forget();
	return 0;
}

static void follow(const struct rule *rules)
{
	pthread_mutex_lock(&server.lock);
	server.rules = rules;
	memset(server.hits, 0, sizeof(server.hits));
	server.asked_len = 0;
	server.asked[0] = '\0';
	pthread_mutex_unlock(&server.lock);
}

static bool was_asked(const char *text)
{
	bool found;

	pthread_mutex_lock(&server.lock);
	found = strstr(server.asked, text) != NULL;
	pthread_mutex_unlock(&server.lock);
	return found;
}

/* ---- drives there ---- */

#define NO_OBJECTS "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
#define IS_THERE                                                                                   \
	{                                                                                          \
		"GET", "max-keys=1&", 200, NULL, NO_OBJECTS, 0                                     \
	}
#define LEARNED(more)                                                                              \
	"{\"access_key\": \"env:AK\", \"secret_key\": \"env:SK\"" more "}"

static int try_open(const char *options, const char *query, bool make_root, struct drive **d)
{
	char url[200];

	snprintf(url, sizeof(url), "s3+http://127.0.0.1:%u/b/pre%s", server.port, query);
	call_options(options);
	return call_try_open(url, make_root, d);
}

static struct drive *drive_at(const struct rule *rules, const char *options)
{
	static const struct rule there[] = {IS_THERE, {0}};
	struct drive *d;

	follow(there);
	assert_int_equal(try_open(options, "", false, &d), ERR_NONE);
	follow(rules);
	return d;
}

/* ---- open ---- */

static int open_error(const struct rule *rules, bool make_root)
{
	struct drive *d;
	int code;

	follow(rules);
	code = try_open(LEARNED(""), "", make_root, &d);
	assert_null(d);
	return code;
}

static void a_server_that_is_none_is_named(void **state)
{
	static const struct rule web[] = {{"GET", "", 200, NULL, "<html>welcome</html>", 0}, {0}};
	static const struct rule text[] = {{"GET", "", 200, NULL, "hello", 0}, {0}};
	static const struct rule evil[] = {{"GET", "", 200, NULL,
					    "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>"
					    "<ListBucketResult>&e;</ListBucketResult>", 0}, {0}};

	(void)state;
	assert_int_equal(open_error(web, false), ERR_UNSUPPORTED);
	assert_non_null(strstr(call_err.message, "no S3 server"));
	assert_int_equal(open_error(text, false), ERR_UNSUPPORTED);
	assert_int_equal(open_error(evil, false), ERR_UNSUPPORTED);
}

static void a_bucket_in_another_region_is_one_line_that_names_it(void **state)
{
	static const struct rule moved[] = {
		{"GET", "", 301, "x-amz-bucket-region: eu-south-2\r\n",
		 "<Error><Code>PermanentRedirect</Code><Endpoint>b.example</Endpoint></Error>", 0}, {0}};

	(void)state;
	assert_int_equal(open_error(moved, false), ERR_USAGE);
	assert_non_null(strstr(call_err.message, "give region=eu-south-2"));
	assert_null(strchr(call_err.message, '\n'));
}

static void a_bucket_is_made_in_the_region_of_the_drive(void **state)
{
	static const struct rule rules[] = {
		{"GET", "", 404, NULL, "<Error><Code>NoSuchBucket</Code></Error>", 1},
		{"PUT", "/b", 200, NULL, "", 0},
		IS_THERE,
		{0}};
	static const struct rule taken[] = {
		{"GET", "", 404, NULL, "<Error><Code>NoSuchBucket</Code></Error>", 0},
		{"PUT", "/b", 409, NULL, "<Error><Code>BucketAlreadyExists</Code></Error>", 0},
		{0}};
	struct drive *d;

	(void)state;
	assert_int_equal(open_error(rules, false), ERR_NOT_FOUND);
	assert_false(was_asked("PUT"));
	follow(rules);
	assert_int_equal(try_open(LEARNED(""), "?region=eu-x", true, &d), ERR_NONE);
	assert_true(was_asked("PUT /b\n<CreateBucketConfiguration"));
	assert_true(was_asked("<LocationConstraint>eu-x</LocationConstraint>"));
	call_close(d);
	follow(rules);
	assert_int_equal(try_open(LEARNED(""), "", true, &d), ERR_NONE);
	assert_false(was_asked("LocationConstraint"));
	call_close(d);
	assert_int_equal(open_error(taken, true), ERR_IO);
	assert_non_null(strstr(call_err.message, "BucketAlreadyExists"));
}

static void a_host_that_names_the_bucket_is_asked_without_it(void **state)
{
	static const struct rule rules[] = {IS_THERE, {"HEAD", "/pre/.mrmr/x", 200,
						       "Content-Length: 7\r\n", NULL, 0}, {0}};
	uint64_t len_bytes;
	struct drive *d;
	char url[100];

	(void)state;
	follow(rules);
	call_options(LEARNED(", \"addressing\": \"virtual\""));
	snprintf(url, sizeof(url), "s3+http://localhost:%u/b/pre", server.port);
	assert_int_equal(call_try_open(url, false, &d), ERR_NONE);
	assert_int_equal(call_stat(d, "x", &len_bytes), ERR_NONE);
	assert_int_equal(len_bytes, 7);
	assert_true(was_asked("GET /?list-type=2"));
	assert_true(was_asked("HEAD /pre/.mrmr/x"));
	call_close(d);
}

static void urls_that_name_no_bucket_or_too_much_are_refused(void **state)
{
	static const char *const urls[] = {
		"s3+http://127.0.0.1:1",	     "s3+http://127.0.0.1:1/",
		"s3+http://127.0.0.1:1/b%20c",	     "s3+http://127.0.0.1:1/..",
		"s3+http://127.0.0.1:1/b?x=y",	     "s3+http://127.0.0.1:1/b?region=a&x=y",
		"s3+http://me@127.0.0.1:1/b",	     "s3+http://127.0.0.1:1/b?region=a%20b",
		"s3+http://me:secret@127.0.0.1:1/b",
	};
	struct drive *d;

	(void)state;
	call_options(LEARNED(""));
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		assert_int_equal(call_try_open(urls[i], false, &d), ERR_USAGE);
	assert_null(strstr(call_err.message, "secret@"));
	call_options(LEARNED(", \"storage-class\": \"A B\""));
	assert_int_equal(call_try_open("s3+http://127.0.0.1:1/b", false, &d), ERR_USAGE);
}

/* ---- joining ---- */

#define PROBE_LISTED                                                                               \
	"<ListBucketResult><Contents><Key>pre/.mrmr-probe</Key><Size>64</Size></Contents>"         \
	"</ListBucketResult>"

static int join(const struct rule *rules)
{
	struct drive *d;
	char url[200];
	int code;

	follow(rules);
	snprintf(url, sizeof(url), "s3+http://127.0.0.1:%u/b/pre", server.port);
	call_options(LEARNED(""));
	code = call_join(url, &d);
	if (code == ERR_NONE)
		call_close(d);
	return code;
}

static void a_server_that_answers_ranges_with_other_bytes_cannot_join(void **state)
{
	static const struct rule rules[] = {
		IS_THERE,
		{"PUT", "/.mrmr-probe", 200, NULL, "", 0},
		{"GET", "/.mrmr-probe", 206, "Content-Range: bytes 5-20/64\r\n", "0123456789abcdef", 0},
		{"DELETE", "", 204, NULL, "", 0},
		{0}};

	(void)state;
	assert_int_equal(join(rules), ERR_UNSUPPORTED);
	assert_non_null(strstr(call_err.message, "range"));
	/* What it was tried with is gone. */
	assert_true(was_asked("DELETE /b/pre/.mrmr-probe-tag-"));
}

static void a_server_that_may_not_delete_cannot_join(void **state)
{
	static const struct rule rules[] = {
		IS_THERE,
		{"PUT", "/.mrmr-probe", 403, NULL, "<Error><Code>AccessDenied</Code></Error>", 0},
		{"DELETE", "", 204, NULL, "", 0},
		{0}};

	(void)state;
	assert_int_equal(join(rules), ERR_DENIED);
	assert_non_null(strstr(call_err.message, "AccessDenied"));
}

/* ---- list ---- */

static int list_count(struct drive *d)
{
	return call_count(d, "blocks/");
}

static void foreign_names_are_passed_over(void **state)
{
	static const struct rule rules[] = {
		{"GET", "list-type", 200, NULL,
		 "<ListBucketResult>"
		 "<Contents><Key>other/.mrmr/blocks/a</Key><Size>1</Size></Contents>"
		 "<Contents><Key>pre/.mrmr/blocks/../../x</Key><Size>1</Size></Contents>"
		 "<Contents><Key>pre/.mrmr/blocks/a b</Key><Size>1</Size></Contents>"
		 "<Contents><Key>pre/.mrmr/blocks/</Key><Size>0</Size></Contents>"
		 "<Contents><Key>pre/.mrmr/keys/a</Key><Size>1</Size></Contents>"
		 "<Contents><Key>pre/.mrmr/blocks/good</Key><Size>1</Size></Contents>"
		 "</ListBucketResult>", 0}, {0}};
	struct drive *d = drive_at(rules, LEARNED(""));

	(void)state;
	assert_int_equal(list_count(d), 1);
	assert_true(was_asked("prefix=pre%2F.mrmr%2Fblocks%2F"));
	call_close(d);
}

#define PAGE(keys, next)                                                                           \
	"<ListBucketResult>" keys "<IsTruncated>true</IsTruncated><NextContinuationToken>" next    \
	"</NextContinuationToken></ListBucketResult>"
#define KEY(name) "<Contents><Key>pre/.mrmr/blocks/" name "</Key><Size>1</Size></Contents>"

static void assert_listing_stops(const char *page, const char *why)
{
	const struct rule rules[] = {{"GET", "list-type", 200, NULL, page, 0}, {0}};
	struct drive *d = drive_at(rules, LEARNED(""));

	assert_int_equal(list_count(d), -1);
	assert_int_equal(call_err.code, ERR_CORRUPT);
	assert_non_null(strstr(call_err.message, why));
	call_close(d);
}

static void a_listing_that_does_not_end_is_stopped(void **state)
{
	(void)state;
	assert_listing_stops(PAGE(KEY("a"), "same"), "circles");
	assert_listing_stops(PAGE(KEY("a"), "new#"), "same names again");
	assert_listing_stops(PAGE("", "new#"), "does not end");
	assert_listing_stops("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
			     "breaks off");
	assert_listing_stops(PAGE(KEY("a"), ""), "breaks off");
}

static void an_error_in_place_of_a_page_is_that_error(void **state)
{
	static const struct rule rules[] = {
		{"GET", "list-type", 200, NULL, PAGE(KEY("a#"), "t#"), 1},
		{"GET", "continuation-token=t1", 503, "Retry-After: 9\r\n",
		 "<Error><Code>SlowDown</Code></Error>", 0}, {0}};
	struct drive *d = drive_at(rules, LEARNED(""));

	(void)state;
	assert_int_equal(list_count(d), -1);
	assert_int_equal(call_err.code, ERR_TRANSIENT);
	assert_int_equal(call_err.retry_after_s, 9);
	call_close(d);
}

/* ---- get ---- */

static int get_error(const struct rule *rules, uint64_t offset)
{
	struct drive *d = drive_at(rules, LEARNED(""));
	char bytes[4];
	int code = call_get(d, "x", offset, bytes, 4);

	call_close(d);
	return code;
}

static void bytes_of_another_range_are_not_taken(void **state)
{
	static const struct rule other[] = {
		{"GET", "/x", 206, "Content-Range: bytes 50-53/100\r\n", "abcd", 0}, {0}};
	static const struct rule none[] = {{"GET", "/x", 206, NULL, "abcd", 0}, {0}};
	static const struct rule whole[] = {{"GET", "/x", 200, NULL, "abcd", 0}, {0}};
	static const struct rule more[] = {{"GET", "/x", 200, NULL, "abcdefgh", 0}, {0}};
	static const struct rule less[] = {
		{"GET", "/x", 206, "Content-Range: bytes 5-7/8\r\n", "abc", 0}, {0}};
	static const struct rule end[] = {
		{"GET", "/x", 416, NULL, "<Error><Code>InvalidRange</Code></Error>", 0}, {0}};

	(void)state;
	assert_int_equal(get_error(other, 5), ERR_CORRUPT);
	assert_int_equal(get_error(none, 5), ERR_CORRUPT);
	assert_int_equal(get_error(whole, 5), ERR_UNSUPPORTED);
	assert_int_equal(get_error(whole, 0), ERR_NONE);
	assert_int_equal(get_error(more, 0), ERR_CORRUPT);
	assert_int_equal(get_error(less, 5), ERR_CORRUPT);
	assert_int_equal(get_error(end, 5), ERR_CORRUPT);
}

static void a_length_that_is_not_told_is_corrupt(void **state)
{
	static const struct rule rules[] = {{"HEAD", "", 200, NULL, NULL, 0}, {0}};
	struct drive *d = drive_at(rules, LEARNED(""));
	uint64_t len_bytes;

	(void)state;
	assert_int_equal(call_stat(d, "x", &len_bytes), ERR_CORRUPT);
	call_close(d);
}

/* ---- put ---- */

#define FREE_ONCE                                                                                  \
	{                                                                                          \
		"HEAD", "/x", 404, NULL, NULL, 1                                                   \
	}
#define DELETED                                                                                    \
	{                                                                                          \
		"DELETE", "", 204, NULL, "", 0                                                     \
	}
/* md5("text") and another */
#define RIGHT_ETAG "ETag: \"1cb251ec0d568de6a929b520c4aed8d1\"\r\n"
#define OTHER_ETAG "ETag: \"1cb251ec0d568de6a929b520c4aed8d2\"\r\n"

static int put_text(const struct rule *rules, const char *options)
{
	struct drive *d = drive_at(rules, options);
	int code = call_put(d, "x", "text");

	call_close(d);
	return code;
}

static void an_upload_that_shows_another_digest_is_taken_back(void **state)
{
	static const struct rule wrong[] = {
		FREE_ONCE, {"PUT", "/x", 200, OTHER_ETAG, "", 0}, DELETED, {0}};
	static const struct rule right[] = {
		FREE_ONCE, {"PUT", "/x", 200, RIGHT_ETAG, "", 0}, DELETED, {0}};
	static const struct rule sum[] = {
		FREE_ONCE, {"PUT", "/x", 200, RIGHT_ETAG "x-amz-checksum-sha256: AAAA\r\n", "", 0},
		DELETED, {0}};

	(void)state;
	assert_int_equal(put_text(wrong, LEARNED(", \"etag\": \"md5\"")), ERR_TRANSIENT);
	assert_non_null(strstr(call_err.message, "other bytes"));
	assert_true(was_asked("DELETE /b/pre/.mrmr/x\n"));
	assert_int_equal(put_text(right, LEARNED(", \"etag\": \"md5\"")), ERR_NONE);
	assert_false(was_asked("DELETE"));
	/* Right is right, whatever joining has shown. */
	assert_int_equal(put_text(right, LEARNED("")), ERR_NONE);
	assert_int_equal(put_text(sum, LEARNED(", \"checksum\": \"sha256\"")), ERR_TRANSIENT);
	assert_true(was_asked("DELETE"));
}

static void an_upload_without_a_digest_is_looked_at(void **state)
{
	static const struct rule same[] = {FREE_ONCE,
					   {"PUT", "/x", 200, OTHER_ETAG, "", 0},
					   {"HEAD", "/x", 200, "Content-Length: 4\r\n", NULL, 0},
					   DELETED,
					   {0}};
	static const struct rule encrypted[] = {
		FREE_ONCE,
		{"PUT", "/x", 200, OTHER_ETAG "x-amz-server-side-encryption: aws:kms\r\n", "", 0},
		{"HEAD", "/x", 200, "Content-Length: 4\r\n", NULL, 0},
		DELETED,
		{0}};
	static const struct rule shorter[] = {FREE_ONCE,
					      {"PUT", "/x", 200, NULL, "", 0},
					      {"HEAD", "/x", 200, "Content-Length: 3\r\n", NULL, 0},
					      DELETED,
					      {0}};
	static const struct rule gone[] = {FREE_ONCE,
					   {"PUT", "/x", 200, NULL, "", 0},
					   {"HEAD", "/x", 404, NULL, NULL, 0},
					   DELETED,
					   {0}};
	static const struct rule unclear[] = {FREE_ONCE,
					      {"PUT", "/x", 200, NULL, "", 0},
					      {"HEAD", "/x", 503, NULL, NULL, 0},
					      DELETED,
					      {0}};

	(void)state;
	assert_int_equal(put_text(same, LEARNED("")), ERR_NONE);
	assert_false(was_asked("DELETE"));
	assert_int_equal(put_text(encrypted, LEARNED(", \"etag\": \"md5\"")), ERR_NONE);
	assert_int_equal(put_text(shorter, LEARNED("")), ERR_TRANSIENT);
	assert_true(was_asked("DELETE"));
	assert_int_equal(put_text(gone, LEARNED("")), ERR_TRANSIENT);
	/* It may be right, and somebody else may count on it. */
	assert_int_equal(put_text(unclear, LEARNED("")), ERR_TRANSIENT);
	assert_false(was_asked("DELETE"));
}

static void a_taken_name_is_seen_by_the_server_or_before(void **state)
{
	static const struct rule taken[] = {{"HEAD", "/x", 200, "Content-Length: 4\r\n", NULL, 0}, {0}};
	static const struct rule refused[] = {
		{"PUT", "/x", 412, NULL, "<Error><Code>PreconditionFailed</Code></Error>", 0}, {0}};
	static const struct rule busy[] = {
		{"PUT", "/x", 409, NULL, "<Error><Code>ConditionalRequestConflict</Code></Error>", 0},
		{0}};

	(void)state;
	assert_int_equal(put_text(taken, LEARNED("")), ERR_EXISTS);
	assert_false(was_asked("PUT"));
	assert_int_equal(put_text(refused, LEARNED(", \"conditional-put\": \"yes\"")), ERR_EXISTS);
	assert_false(was_asked("HEAD"));
	assert_int_equal(put_text(busy, LEARNED(", \"conditional-put\": \"yes\"")), ERR_TRANSIENT);
}

/* ---- parts ---- */

#define BEGUN                                                                                      \
	{                                                                                          \
		"POST", "?uploads=", 200, NULL,                                                    \
			"<InitiateMultipartUploadResult><UploadId>u/1</UploadId>"                  \
			"</InitiateMultipartUploadResult>", 0                                      \
	}
#define PART                                                                                       \
	{                                                                                          \
		"PUT", "partNumber=", 200, "ETag: \"p<1>\"\r\n", "", 0                             \
	}
#define GIVEN_UP "DELETE /b/pre/.mrmr/x?uploadId=u%2F1\n"

static int put_long(const struct rule *rules)
{
	struct drive *d = drive_at(rules, LEARNED(""));
	size_t len_bytes = S3_MULTIPART_BYTES + 1;
	void *bytes = malloc(len_bytes);
	int code;

	assert_non_null(bytes);
	memset(bytes, 'x', len_bytes);
	code = d->driver->put(d, "x", bytes, len_bytes, &call_err);
	free(bytes);
	call_close(d);
	return code;
}

static void an_upload_in_parts_that_fails_is_given_up(void **state)
{
	static const struct rule no_id[] = {
		FREE_ONCE, {"POST", "?uploads=", 200, NULL, "<XResult/>", 0}, {0}};
	static const struct rule no_etag[] = {
		FREE_ONCE, BEGUN, {"PUT", "partNumber=", 200, NULL, "", 0}, DELETED, {0}};
	static const struct rule refused[] = {
		FREE_ONCE, BEGUN,
		{"PUT", "partNumber=2", 403, NULL, "<Error><Code>QuotaExceeded</Code></Error>", 0},
		PART, DELETED, {0}};
	static const struct rule inside[] = {
		FREE_ONCE, BEGUN, PART,
		{"POST", "uploadId=", 200, NULL, "  <Error><Code>InternalError</Code></Error>", 0},
		DELETED, {0}};

	(void)state;
	assert_int_equal(put_long(no_id), ERR_CORRUPT);
	assert_int_equal(put_long(no_etag), ERR_CORRUPT);
	assert_true(was_asked(GIVEN_UP));
	assert_int_equal(put_long(refused), ERR_FULL);
	assert_true(was_asked(GIVEN_UP));
	assert_int_equal(put_long(inside), ERR_TRANSIENT);
	assert_true(was_asked(GIVEN_UP));
}

static void an_upload_in_parts_is_put_together_and_looked_at(void **state)
{
	static const struct rule good[] = {
		FREE_ONCE, BEGUN, PART,
		{"POST", "uploadId=", 200, NULL, "\n<CompleteMultipartUploadResult/>", 0},
		{"HEAD", "/x", 200, "Content-Length: 67108865\r\n", NULL, 0}, DELETED, {0}};
	static const struct rule shorter[] = {
		FREE_ONCE, BEGUN, PART,
		{"POST", "uploadId=", 200, NULL, "<CompleteMultipartUploadResult/>", 0},
		{"HEAD", "/x", 200, "Content-Length: 67108864\r\n", NULL, 0}, DELETED, {0}};

	(void)state;
	assert_int_equal(put_long(good), ERR_NONE);
	assert_true(was_asked("<Part><PartNumber>3</PartNumber><ETag>&quot;p&lt;1&gt;&quot;</ETag></Part>"
			      "</CompleteMultipartUpload>"));
	assert_false(was_asked("DELETE"));
	assert_int_equal(put_long(shorter), ERR_TRANSIENT);
	assert_true(was_asked("DELETE /b/pre/.mrmr/x\n"));
}

/* ---- move ---- */

static int move_error(const struct rule *rules)
{
	struct drive *d = drive_at(rules, LEARNED(""));
	int code = call_move(d, "x", "to");

	call_close(d);
	return code;
}

static void what_was_not_copied_for_certain_keeps_its_name(void **state)
{
	static const struct rule inside[] = {
		{"HEAD", "/x", 200, "Content-Length: 4\r\n", NULL, 0},
		{"HEAD", "/to", 404, NULL, NULL, 0},
		{"PUT", "/to", 200, NULL, "<Error><Code>SlowDown</Code></Error>", 0}, DELETED, {0}};
	static const struct rule shorter[] = {
		{"HEAD", "/x", 200, "Content-Length: 4\r\n", NULL, 0},
		{"HEAD", "/to", 404, NULL, NULL, 1},
		{"HEAD", "/to", 200, "Content-Length: 3\r\n", NULL, 0},
		{"PUT", "/to", 200, NULL, "<CopyObjectResult/>", 0}, DELETED, {0}};
	static const struct rule good[] = {
		{"HEAD", "/x", 200, "Content-Length: 4\r\n", NULL, 0},
		{"HEAD", "/to", 404, NULL, NULL, 1},
		{"HEAD", "/to", 200, "Content-Length: 4\r\n", NULL, 0},
		{"PUT", "/to", 200, NULL, "<CopyObjectResult/>", 0}, DELETED, {0}};

	(void)state;
	assert_int_equal(move_error(inside), ERR_TRANSIENT);
	assert_false(was_asked("DELETE"));
	assert_int_equal(move_error(shorter), ERR_TRANSIENT);
	assert_false(was_asked("DELETE /b/pre/.mrmr/x\n"));
	assert_true(was_asked("DELETE /b/pre/.mrmr/to\n"));
	assert_int_equal(move_error(good), ERR_NONE);
	assert_true(was_asked("DELETE /b/pre/.mrmr/x\n"));
	assert_false(was_asked("DELETE /b/pre/.mrmr/to\n"));
}

#define ON_A_SERVER(f) cmocka_unit_test_setup_teardown(f, server_start, server_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_SERVER(a_server_that_is_none_is_named),
		ON_A_SERVER(a_bucket_in_another_region_is_one_line_that_names_it),
		ON_A_SERVER(a_bucket_is_made_in_the_region_of_the_drive),
		ON_A_SERVER(a_host_that_names_the_bucket_is_asked_without_it),
		ON_A_SERVER(urls_that_name_no_bucket_or_too_much_are_refused),
		ON_A_SERVER(a_server_that_answers_ranges_with_other_bytes_cannot_join),
		ON_A_SERVER(a_server_that_may_not_delete_cannot_join),
		ON_A_SERVER(foreign_names_are_passed_over),
		ON_A_SERVER(a_listing_that_does_not_end_is_stopped),
		ON_A_SERVER(an_error_in_place_of_a_page_is_that_error),
		ON_A_SERVER(bytes_of_another_range_are_not_taken),
		ON_A_SERVER(a_length_that_is_not_told_is_corrupt),
		ON_A_SERVER(an_upload_that_shows_another_digest_is_taken_back),
		ON_A_SERVER(an_upload_without_a_digest_is_looked_at),
		ON_A_SERVER(a_taken_name_is_seen_by_the_server_or_before),
		ON_A_SERVER(an_upload_in_parts_that_fails_is_given_up),
		ON_A_SERVER(an_upload_in_parts_is_put_together_and_looked_at),
		ON_A_SERVER(what_was_not_copied_for_certain_keeps_its_name),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
