/*
 * The WebDAV driver against a server that says what it should not, or what true servers say too
 * rarely. (True servers: tests/servers/run apache, nginx, rclone.)
 */
#include "base/bytes.h"
#include "drivers/driver.h"
#include "tests/support/http_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define XML "207 Multi-Status\r\nContent-Type: application/xml"
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEAD "<D:multistatus xmlns:D=\"DAV:\">"
#define TAIL "</D:multistatus>"
#define RESPONSE(href, props)                                                                      \
	"<D:response><D:href>" href "</D:href><D:propstat><D:prop>" props                          \
	"</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
#define FOLDER "<D:resourcetype><D:collection/></D:resourcetype>"
#define BYTES(n) "<D:resourcetype/><D:getcontentlength>" #n "</D:getcontentlength>"

#define RULES(...)                                                                                 \
	(const struct http_rule[]){__VA_ARGS__},                                                   \
		sizeof((const struct http_rule[]){__VA_ARGS__}) / sizeof(struct http_rule)

struct site {
	struct http_script *script;
	size_t put_bytes;
};

static struct error err;

/* A server that says yes to all: whatever is asked for with a slash is a folder, other things are as
 * long as what was put last; there is no object yet. */
static struct http_rule say_yes(void *ctx, const struct http_seen *r)
{
	static _Thread_local char text[4096]; /* each connection has a thread, which sends it */
	struct site *s = ctx;

	if (strcmp(r->method, "PROPFIND") == 0) {
		bool folder = r->path[strlen(r->path) - 1] == '/';

		snprintf(text, sizeof(text),
			 HEAD RESPONSE("%s", "%s<D:getcontentlength>%zu</D:getcontentlength>") TAIL,
			 r->path, folder ? FOLDER : "", s->put_bytes);
		return (struct http_rule){.head = XML, .body = text};
	}
	if (strcmp(r->method, "PUT") == 0)
		s->put_bytes = r->body_bytes;
	if (strcmp(r->method, "GET") == 0)
		return (struct http_rule){.head = "404 Not Found"};
	return (struct http_rule){.head = "201 Created"};
}

static int setup(void **state)
{
	struct site *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	s->script = http_script_start(NULL, 0, say_yes, s);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct site *s = *state;

	http_script_stop(s->script);
	free(s);
	return 0;
}

struct learning {
	char text[100];
};

static void learn(void *ctx, const char *key, const char *value)
{
	struct learning *l = ctx;
	size_t used = strlen(l->text);

	snprintf(l->text + used, sizeof(l->text) - used, "%s=%s ", key, value);
}

static int try_open(struct site *s, const char *json, bool make_root, struct learning *l,
		    struct drive **d)
{
	struct drive_options o = {
		.temp_tag = "tag", .make_root = make_root, .learned = l ? learn : NULL, .learned_ctx = l};
	struct drive_option_set *given = NULL;
	char url[80];
	int code;

	assert_int_equal(drive_options_parse(json, driver_webdav.options, "test", &given, &err),
			 ERR_NONE);
	o.given = given;
	snprintf(url, sizeof(url), "webdav://127.0.0.1:%u/a/b", http_script_port(s->script));
	code = driver_webdav.open(url, &o, d, &err);
	drive_options_free(given);
	return code;
}

static struct drive *open_at(struct site *s)
{
	struct drive *d;

	assert_int_equal(try_open(s, "{\"dot-names\":\"yes\"}", false, NULL, &d), ERR_NONE);
	return d;
}

static int put(struct drive *d, const char *name)
{
	return d->driver->put(d, name, "12345", 5, &err);
}

/* ---- open ---- */

static void what_a_place_is_not_is_said_when_it_is_opened(void **state)
{
	static const struct {
		const char *head, *body;
		int code;
	} cases[] = {
		{"404 Not Found", NULL, ERR_NOT_FOUND},
		{"405 Method Not Allowed", NULL, ERR_UNSUPPORTED},
		{"401 Unauthorized", NULL, ERR_DENIED},
		{"403 Forbidden", NULL, ERR_DENIED},
		{"503 Service Unavailable", NULL, ERR_TRANSIENT},
		{"200 OK", "<html>hello</html>", ERR_IO},
		{XML, "<html>hello</html>", ERR_CORRUPT},
		{XML, HEAD RESPONSE("/a/b", BYTES(4)) TAIL, ERR_NOT_FOUND},
		{XML, HEAD RESPONSE("/a/c/", FOLDER) TAIL, ERR_CORRUPT},
	};
	struct site *s = *state;
	struct drive *d;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		http_script_rules(s->script, RULES({.method = "PROPFIND",
						    .head = cases[i].head,
						    .body = cases[i].body}));
		assert_int_equal(try_open(s, "{}", false, NULL, &d), cases[i].code);
		assert_null(d);
	}
}

static void nothing_is_written_unless_the_place_is_to_be_made(void **state)
{
	struct site *s = *state;
	struct drive *d = open_at(s);

	d->driver->close(d);
	assert_int_equal(http_script_count(s->script, "MKCOL", "/"), 0);
	assert_int_equal(http_script_count(s->script, "PUT", "/"), 0);
	http_script_rules(s->script, RULES({.method = "PROPFIND",
					    .path = "/a/b/",
					    .times = 1,
					    .head = "404 Not Found"},
					   {.method = "MKCOL",
					    .path = "/a/b/",
					    .times = 1,
					    .head = "409 Conflict"}));
	assert_int_equal(try_open(s, "{\"dot-names\":\"yes\"}", true, NULL, &d), ERR_NONE);
	d->driver->close(d);
	assert_int_equal(http_script_count(s->script, "MKCOL", "/a/b/"), 2);
	assert_int_equal(http_script_count(s->script, "MKCOL", "/a/"), 3);
}

static void a_log_in_is_whole_or_refused(void **state)
{
	struct site *s = *state;
	struct drive *d;

	setenv("DAV_TEST_SECRET", "looking-glass", 1);
	assert_int_equal(try_open(s, "{\"user\":\"me\"}", false, NULL, &d), ERR_USAGE);
	assert_int_equal(try_open(s, "{\"password\":\"env:DAV_TEST_SECRET\"}", false, NULL, &d),
			 ERR_USAGE);
	assert_int_equal(try_open(s, "{\"auth\":\"bearer\"}", false, NULL, &d), ERR_USAGE);
	assert_int_equal(http_script_count(s->script, NULL, "/"), 0);
	assert_int_equal(try_open(s, "{\"auth\":\"bearer\",\"password\":\"env:DAV_TEST_SECRET\"}",
				  false, NULL, &d),
			 ERR_NONE);
	d->driver->close(d);
	assert_int_equal(http_script_count(s->script, NULL, "Authorization: Bearer looking-glass"),
			 http_script_count(s->script, NULL, "/"));
	assert_int_equal(try_open(s, "{\"auth\":\"basic\",\"user\":\"me\","
				     "\"password\":\"env:DAV_TEST_SECRET\"}",
				  false, NULL, &d),
			 ERR_NONE);
	d->driver->close(d);
	assert_true(http_script_count(s->script, NULL, "Authorization: Basic ") > 0);
}

static void a_place_joins_if_the_server_does_what_is_needed(void **state)
{
	static const char taken[] = "412 Precondition Failed";
	struct http_rule good[] = {
		{.method = "PROPFIND", .path = "mrmr/", .head = "404 Not Found"},
		{.method = "MOVE", .times = 1, .head = taken},
		{.method = "GET", .path = "/c", .head = "206 Partial Content", .body = "rm"},
	};
	struct site *s = *state;
	struct learning l = {""};
	struct drive *d;

	/* MOVE replaces. */
	http_script_rules(s->script, good, 1);
	assert_int_equal(try_open(s, "{}", false, &l, &d), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.message, "replaces"));
	assert_string_equal(l.text, "");
	assert_true(http_script_count(s->script, "DELETE", "/a/b/mrmr-probe-") >= 1);
	/* What is read is not what was written. */
	good[2].body = "xx";
	http_script_rules(s->script, good, 3);
	assert_int_equal(try_open(s, "{}", false, &l, &d), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.message, "what is read"));
	/* Nothing is listed. */
	good[2].body = "rm";
	http_script_rules(s->script, good, 3);
	assert_int_equal(try_open(s, "{}", false, &l, &d), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.message, "does not list"));
	/* Files cannot be renamed. */
	good[1] = (struct http_rule){.method = "MOVE", .head = "501 Not Implemented"};
	http_script_rules(s->script, good, 3);
	assert_int_equal(try_open(s, "{}", false, &l, &d), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.message, "another name"));
	assert_string_equal(l.text, "");
}

/* ---- put ---- */

static void errors_of_a_put_have_the_code_that_tells_what_to_do(void **state)
{
	static const struct {
		const char *head;
		int code;
	} cases[] = {
		{"507 Insufficient Storage", ERR_FULL}, {"413 Too Large", ERR_FULL},
		{"423 Locked", ERR_TRANSIENT},		{"500 Oops", ERR_TRANSIENT},
		{"403 Forbidden", ERR_DENIED},		{"404 Not Found", ERR_IO},
		{"409 Conflict", ERR_IO},		{"400 Bad Request", ERR_IO},
	};
	struct site *s = *state;
	struct drive *d = open_at(s);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		http_script_rules(s->script, RULES({.method = "PUT", .head = cases[i].head}));
		assert_int_equal(put(d, "blocks/ab/" HASH ".blob"), cases[i].code);
		assert_int_equal(http_script_count(s->script, "MOVE", "/"), 0);
	}
	http_script_rules(s->script,
			  RULES({.method = "PUT", .head = "503 Busy\r\nRetry-After: 7"}));
	assert_int_equal(put(d, "blocks/ab/" HASH ".blob"), ERR_TRANSIENT);
	assert_int_equal(err.retry_after_s, 7);
	d->driver->close(d);
}

static void an_upload_that_did_not_arrive_whole_gets_no_name(void **state)
{
	struct site *s = *state;
	struct drive *d = open_at(s);

	http_script_rules(s->script,
			  RULES({.method = "PUT", .head = "201 Created"}));
	s->put_bytes = 3;
	assert_int_equal(put(d, "blocks/ab/" HASH ".blob"), ERR_TRANSIENT);
	assert_non_null(strstr(err.message, "3 of 5"));
	assert_int_equal(http_script_count(s->script, "MOVE", "/"), 0);
	assert_int_equal(http_script_count(s->script, "DELETE", "/~tmp/tag-"), 1);
	/* Said yes to, and not there. */
	http_script_rules(s->script, RULES({.method = "PROPFIND",
					    .path = "/~tmp/tag-",
					    .head = "404 Not Found"}));
	assert_int_equal(put(d, "blocks/ab/" HASH ".blob"), ERR_TRANSIENT);
	assert_int_equal(http_script_count(s->script, "MOVE", "/"), 0);
	d->driver->close(d);
}

static void a_taken_name_is_exists_and_leaves_nothing_behind(void **state)
{
	struct site *s = *state;
	struct drive *d = open_at(s);

	http_script_rules(s->script,
			  RULES({.method = "MOVE", .head = "412 Precondition Failed"}));
	assert_int_equal(put(d, "blocks/ab/" HASH ".blob"), ERR_EXISTS);
	assert_int_equal(http_script_count(s->script, "MOVE", "Overwrite: F"), 1);
	assert_int_equal(http_script_count(s->script, "DELETE", "/~tmp/tag-"), 1);
	d->driver->close(d);
}

static void folders_are_made_when_they_are_missed_and_known_from_then_on(void **state)
{
	struct site *s = *state;
	struct drive *d = open_at(s);

	http_script_rules(s->script, RULES({.method = "MOVE", .times = 1, .head = "409 Conflict"},
					   {.method = "MKCOL",
					    .path = "/blocks/ab/",
					    .times = 1,
					    .head = "409 Conflict"}));
	assert_int_equal(put(d, "blocks/ab/" HASH ".blob"), ERR_NONE);
	assert_int_equal(http_script_count(s->script, "MKCOL", "/a/b/.mrmr/blocks/ab/"), 2);
	assert_int_equal(http_script_count(s->script, "MKCOL", "/a/b/.mrmr/blocks/ HTTP"), 0);
	assert_int_equal(http_script_count(s->script, "MOVE", "/"), 2);
	http_script_rules(s->script, NULL, 0);
	assert_int_equal(put(d, "blocks/ab/f" HASH ".blob"), ERR_NONE);
	assert_int_equal(http_script_count(s->script, "MKCOL", "/"), 0);
	/* A refusal there means what it says. */
	http_script_rules(s->script, RULES({.method = "MOVE", .head = "403 Forbidden"},
					   {.method = "PROPFIND", .path = "/blocks/", .head = "404 Not Found"}));
	assert_int_equal(put(d, "blocks/ab/" HASH ".blob"), ERR_DENIED);
	assert_int_equal(http_script_count(s->script, "MOVE", "/"), 1);
	d->driver->close(d);
}

static void a_folder_that_another_is_making_is_waited_for(void **state)
{
	struct site *s = *state;
	struct drive *d = open_at(s);

	http_script_rules(s->script, RULES({.method = "MOVE", .times = 1, .head = "409 Conflict"},
					   {.method = "MKCOL",
					    .path = "/blocks/ab/",
					    .times = 3,
					    .head = "423 Locked"}));
	assert_int_equal(put(d, "blocks/ab/" HASH ".blob"), ERR_NONE);
	assert_int_equal(http_script_count(s->script, "MKCOL", "/a/b/.mrmr/blocks/ab/"), 4);
	assert_int_equal(http_script_count(s->script, "PUT", "/"), 1);
	/* But not for ever. */
	http_script_rules(s->script, RULES({.method = "MOVE", .times = 1, .head = "409 Conflict"},
					   {.method = "MKCOL", .head = "423 Locked"},
					   {.method = "PROPFIND", .head = "404 Not Found"}));
	assert_int_equal(put(d, "blocks/cd/" HASH ".blob"), ERR_TRANSIENT);
	d->driver->close(d);
}

static void a_name_refused_since_another_host_took_it_is_exists(void **state)
{
	struct site *s = *state;
	struct drive *d = open_at(s);

	http_script_rules(s->script, RULES({.method = "MOVE", .head = "403 Forbidden"},
					   {.method = "PROPFIND",
					    .path = "/blocks/",
					    .head = XML,
					    .body = HEAD RESPONSE("/a/b/.mrmr/blocks/ab/x", BYTES(4)) TAIL}));
	assert_int_equal(put(d, "blocks/ab/x"), ERR_EXISTS);
	http_script_rules(s->script, RULES({.method = "MOVE", .head = "403 Forbidden"},
					   {.method = "PROPFIND", .path = "/blocks/", .head = "404 Not Found"}));
	assert_int_equal(put(d, "blocks/ab/x"), ERR_DENIED);
	d->driver->close(d);
}

static void a_temporary_folder_that_went_away_is_made_again(void **state)
{
	struct site *s = *state;
	struct drive *d = open_at(s);

	assert_int_equal(put(d, "blocks/ab/" HASH ".blob"), ERR_NONE);
	http_script_rules(s->script, RULES({.method = "PUT", .times = 1, .head = "409 Conflict"}));
	assert_int_equal(put(d, "blocks/ab/" HASH ".blob"), ERR_NONE);
	assert_int_equal(http_script_count(s->script, "MKCOL", "/.mrmr/~tmp/"), 1);
	assert_int_equal(http_script_count(s->script, "PUT", "/"), 2);
	d->driver->close(d);
}

static void a_name_that_is_no_hash_is_read_back(void **state)
{
	struct site *s = *state;
	struct drive *d = open_at(s);

	http_script_rules(s->script, RULES({.method = "GET",
					    .path = "config.json",
					    .head = "206 Partial Content\r\n"
						    "Content-Range: bytes 0-4/5",
					    .body = "12345"}));
	assert_int_equal(put(d, "config.json"), ERR_NONE);
	http_script_rules(s->script, RULES({.method = "GET",
					    .path = "config.json",
					    .head = "206 Partial Content\r\n"
						    "Content-Range: bytes 0-4/5",
					    .body = "other"}));
	assert_int_equal(put(d, "config.json"), ERR_EXISTS);
	http_script_rules(s->script, NULL, 0);
	assert_int_equal(put(d, "config.json"), ERR_EXISTS);
	assert_int_equal(put(d, "blocks/ab/" HASH ".blob"), ERR_NONE);
	assert_int_equal(http_script_count(s->script, "GET", "/blocks/"), 0);
	d->driver->close(d);
}

static void what_dead_or_old_puts_left_is_removed_and_nothing_else(void **state)
{
#define LEFT(name, date)                                                                           \
	RESPONSE("/a/b/.mrmr/~tmp/" name, BYTES(1) "<D:getlastmodified>" date "</D:getlastmodified>")
#define TODAY "Sat, 28 Nov 2026 10:00:00 GMT"
	static const char listing[] = HEAD RESPONSE("/a/b/.mrmr/~tmp/", FOLDER)
		LEFT("tag-999999999-dead", TODAY) LEFT("tag-1-alive", TODAY) LEFT("other-999999999-x", TODAY)
		LEFT("other-5-old", "Thu, 26 Nov 2026 10:00:00 GMT") LEFT("no%20name", TODAY) TAIL;
	struct site *s = *state;
	struct drive *d = open_at(s);

	http_script_rules(s->script, RULES({.method = "PROPFIND",
					    .path = "/~tmp/",
					    .times = 1,
					    .head = XML "\r\nDate: Sat, 28 Nov 2026 12:00:00 GMT",
					    .body = listing}));
	assert_int_equal(put(d, "blocks/ab/" HASH ".blob"), ERR_NONE);
	assert_int_equal(http_script_count(s->script, "DELETE", "/"), 2);
	assert_int_equal(http_script_count(s->script, "DELETE", "/~tmp/tag-999999999-dead"), 1);
	assert_int_equal(http_script_count(s->script, "DELETE", "/~tmp/other-5-old"), 1);
	d->driver->close(d);
}

/* ---- get ---- */

static int get(struct drive *d, uint64_t offset_bytes, char *out, size_t len_bytes)
{
	memset(out, 0, len_bytes + 1);
	return d->driver->get(d, "keys/a", offset_bytes, out, len_bytes, &err);
}

static void a_range_of_a_server_that_knows_none_is_cut_out(void **state)
{
	struct site *s = *state;
	struct drive *d = open_at(s);
	char got[10];

	/* Of 4 GiB, which would take far longer than the test may. */
	http_script_rules(s->script, RULES({.method = "GET",
					    .head = "200 OK",
					    .body = "0123456789",
					    .zeros = (uint64_t)4 << 30}));
	assert_int_equal(get(d, 3, got, 4), ERR_NONE);
	assert_string_equal(got, "3456");
	assert_int_equal(get(d, 0, got, 2), ERR_NONE);
	assert_string_equal(got, "01");
	http_script_rules(s->script, RULES({.method = "GET", .head = "200 OK", .body = "0123456789"}));
	assert_int_equal(get(d, 8, got, 2), ERR_NONE);
	assert_string_equal(got, "89");
	assert_int_equal(get(d, 8, got, 3), ERR_CORRUPT);
	assert_int_equal(get(d, 10, got, 1), ERR_CORRUPT);
	assert_int_equal(get(d, (uint64_t)1 << 60, got, 1), ERR_CORRUPT);
	d->driver->close(d);
}

static void a_range_other_than_was_asked_for_is_corrupt(void **state)
{
	static const char *const heads[] = {
		"206 Partial Content", "206 Partial Content\r\nContent-Range: bytes 0-3/10",
		"206 Partial Content\r\nContent-Range: bytes 4-7/10",
		"206 Partial Content\r\nContent-Range: bytes 3-7/10",
		"206 Partial Content\r\nContent-Range: junk", "416 Range Not Satisfiable"};
	struct site *s = *state;
	struct drive *d = open_at(s);
	char got[10];

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		http_script_rules(s->script,
				  RULES({.method = "GET", .head = heads[i], .body = "3456"}));
		assert_int_equal(get(d, 3, got, 4), ERR_CORRUPT);
	}
	http_script_rules(s->script,
			  RULES({.method = "GET",
				 .head = "206 Partial Content\r\nContent-Range: bytes 3-6/10",
				 .body = "3456"}));
	assert_int_equal(get(d, 3, got, 4), ERR_NONE);
	http_script_rules(s->script,
			  RULES({.method = "GET",
				 .head = "206 Partial Content\r\nContent-Range: bytes 3-6/10",
				 .body = "3456 and more"}));
	assert_int_equal(get(d, 3, got, 4), ERR_CORRUPT);
	http_script_rules(s->script, RULES({.method = "GET", .head = "204 No Content"}));
	assert_int_equal(get(d, 3, got, 4), ERR_IO);
	d->driver->close(d);
}

/* ---- list ---- */

struct listed {
	char text[400];
	unsigned count;
};

static int note(void *ctx, const char *name, uint64_t len_bytes)
{
	struct listed *l = ctx;
	size_t used = strlen(l->text);

	l->count++;
	snprintf(l->text + used, sizeof(l->text) - used, "%s=%llu ", name,
		 (unsigned long long)len_bytes);
	return 0;
}

static int list(struct drive *d, const char *prefix, struct listed *l)
{
	*l = (struct listed){.count = 0};
	return d->driver->list(d, prefix, note, l, &err);
}

static void a_listing_takes_objects_alone_whatever_else_is_there(void **state)
{
	static const char listing[] = HEAD
		RESPONSE("http://elsewhere/a/b/%2emrmr/keys/", FOLDER) RESPONSE("/a/b/.mrmr/keys/one", BYTES(1))
		RESPONSE("/a/b/.mrmr/keys/%74wo", BYTES(2)) RESPONSE("/a/b/.mrmr/keys/~tmp", BYTES(3))
		RESPONSE("/a/b/.mrmr/keys/..", BYTES(3)) RESPONSE("/a/b/.mrmr/keys/a%0ab", BYTES(3))
		RESPONSE("/a/b/.mrmr/keys/a%2fb", BYTES(3)) RESPONSE("/a/b/.mrmr/keys/%c3%a4", BYTES(3)) TAIL;
	struct site *s = *state;
	struct drive *d = open_at(s);
	struct listed l;

	http_script_rules(s->script,
			  RULES({.method = "PROPFIND", .path = "/keys/", .head = XML, .body = listing}));
	assert_int_equal(list(d, "keys/", &l), ERR_NONE);
	assert_string_equal(l.text, "keys/one=1 keys/two=2 ");
	assert_int_equal(list(d, "keys/t", &l), ERR_NONE);
	assert_string_equal(l.text, "keys/two=2 ");
	assert_int_equal(http_script_count(s->script, "PROPFIND", "Depth: 1"), 2);
	assert_int_equal(http_script_count(s->script, "PROPFIND", "infinity"), 0);
	d->driver->close(d);
}

static void a_listing_of_another_folder_is_corrupt_and_none_of_it_is_used(void **state)
{
	static const char listing[] = HEAD RESPONSE("/a/b/.mrmr/keys/", FOLDER) RESPONSE(
		"/a/b/.mrmr/keys/one", BYTES(1)) RESPONSE("/a/b/.mrmr/other/two", BYTES(2)) TAIL;
	struct site *s = *state;
	struct drive *d = open_at(s);
	struct listed l;

	http_script_rules(s->script,
			  RULES({.method = "PROPFIND", .path = "/keys/", .head = XML, .body = listing}));
	assert_int_equal(list(d, "keys/", &l), ERR_CORRUPT);
	assert_int_equal(l.count, 0);
	d->driver->close(d);
}

static void a_listing_that_broke_off_is_asked_for_again(void **state)
{
	struct site *s = *state;
	struct drive *d = open_at(s);
	struct listed l;

	http_script_rules(s->script,
			  RULES({.method = "PROPFIND",
				 .path = "/keys/",
				 .times = 2,
				 .head = XML,
				 .body = HEAD RESPONSE("/a/b/.mrmr/keys/", FOLDER) "Internal Server Error"},
				{.method = "PROPFIND",
				 .path = "/keys/",
				 .head = XML,
				 .body = HEAD RESPONSE("/a/b/.mrmr/keys/", FOLDER) RESPONSE(
					 "/a/b/.mrmr/keys/one", BYTES(1)) TAIL}));
	assert_int_equal(list(d, "keys/", &l), ERR_NONE);
	assert_string_equal(l.text, "keys/one=1 ");
	d->driver->close(d);
}

/* More than one answer of several that are asked for at once may have. */
static void a_long_listing_is_read_whole(void **state)
{
	struct site *s = *state;
	struct drive *d = open_at(s);
	struct listed l;
	struct buf text = { 0 };

	buf_add(&text, HEAD RESPONSE("/a/b/.mrmr/keys/", FOLDER),
		strlen(HEAD RESPONSE("/a/b/.mrmr/keys/", FOLDER)));
	for (unsigned i = 0; i < 8000; i++) {
		char entry[300];

		snprintf(entry, sizeof(entry), RESPONSE("/a/b/.mrmr/keys/%u", BYTES(1)), i);
		buf_add(&text, entry, strlen(entry));
	}
	buf_add(&text, TAIL, sizeof(TAIL));
	assert_true(text.len_bytes > 1 << 20);
	http_script_rules(s->script, RULES({.method = "PROPFIND",
					    .path = "/keys/",
					    .head = XML,
					    .body = (const char *)text.data}));
	assert_int_equal(list(d, "keys/", &l), ERR_NONE);
	assert_int_equal(l.count, 8000);
	d->driver->close(d);
	buf_release(&text);
}

/* Each folder has two more in it, however deep. */
static struct http_rule endless(void *ctx, const struct http_seen *r)
{
	static _Thread_local char text[4096];

	(void)ctx;
	snprintf(text, sizeof(text),
		 HEAD RESPONSE("%.500s", FOLDER) RESPONSE("%.500sa/", FOLDER) RESPONSE("%.500sb/", FOLDER) TAIL,
		 r->path, r->path, r->path);
	return (struct http_rule){.head = XML, .body = text};
}

static void folders_without_end_are_corrupt(void **state)
{
	struct site s = {.script = NULL};
	struct drive *d;
	struct listed l;

	(void)state;
	s.script = http_script_start(NULL, 0, endless, &s);
	d = open_at(&s);
	assert_int_equal(list(d, "", &l), ERR_CORRUPT);
	assert_non_null(strstr(err.message, "without end"));
	assert_int_equal(l.count, 0);
	d->driver->close(d);
	http_script_stop(s.script);
}

static void a_server_that_hides_dots_has_them_written_otherwise(void **state)
{
	static const char listing[] = HEAD RESPONSE("/a/b/_mrmr/x/", FOLDER) RESPONSE(
		"/a/b/_mrmr/x/~.a", BYTES(1)) RESPONSE("/a/b/_mrmr/x/.b", BYTES(2)) TAIL;
	struct site *s = *state;
	struct listed l;
	struct drive *d;

	assert_int_equal(try_open(s, "{\"dot-names\":\"no\"}", false, NULL, &d), ERR_NONE);
	http_script_rules(s->script,
			  RULES({.method = "PROPFIND", .path = "_mrmr/x/", .times = 1, .head = XML, .body = listing}));
	assert_int_equal(list(d, "x/", &l), ERR_NONE);
	assert_string_equal(l.text, "x/.a=1 ");
	assert_int_equal(put(d, "x/.f/" HASH), ERR_NONE);
	assert_int_equal(http_script_count(s->script, "MOVE", "/a/b/_mrmr/x/~.f/" HASH), 1);
	d->driver->close(d);
}

/* ---- remove, about ---- */

static void a_remove_takes_no_folder_along(void **state)
{
	struct site *s = *state;
	struct drive *d = open_at(s);

	assert_int_equal(d->driver->remove(d, "a/b", &err), ERR_NONE);
	assert_int_equal(http_script_count(s->script, "DELETE", "Depth: 0"), 1);
	http_script_rules(s->script, RULES({.method = "DELETE", .head = "400 Bad Request"},
					   {.method = "PROPFIND",
					    .path = "/a/b/.mrmr/a",
					    .head = XML,
					    .body = HEAD RESPONSE("/a/b/.mrmr/a/", FOLDER) TAIL}));
	assert_int_equal(d->driver->remove(d, "a", &err), ERR_NONE);
	http_script_rules(s->script, RULES({.method = "DELETE", .head = "404 Not Found"}));
	assert_int_equal(d->driver->remove(d, "a", &err), ERR_NONE);
	http_script_rules(s->script, RULES({.method = "DELETE", .head = "423 Locked"}));
	assert_int_equal(d->driver->remove(d, "a", &err), ERR_TRANSIENT);
	http_script_rules(s->script, RULES({.method = "DELETE", .head = "403 Forbidden"}));
	assert_int_equal(d->driver->remove(d, "a", &err), ERR_DENIED);
	d->driver->close(d);
}

static void the_room_left_is_known_if_the_server_tells(void **state)
{
	static const char told[] = HEAD RESPONSE(
		"/a/b/", FOLDER "<D:quota-available-bytes>1000</D:quota-available-bytes>"
				"<D:quota-used-bytes>24</D:quota-used-bytes>") TAIL;
	struct site *s = *state;
	struct drive *d = open_at(s);
	struct drive_about about;

	assert_false(d->driver->flags & DRIVER_KNOWS_SPACE);
	assert_int_equal(d->driver->about(d, &about, &err), ERR_NONE);
	assert_int_equal(about.total_bytes, 0);
	d->driver->close(d);
	http_script_rules(s->script, RULES({.method = "PROPFIND", .path = "/a/b/", .head = XML, .body = told}));
	d = open_at(s);
	assert_true(d->driver->flags & DRIVER_KNOWS_SPACE);
	assert_int_equal(d->driver->about(d, &about, &err), ERR_NONE);
	assert_int_equal(about.free_bytes, 1000);
	assert_int_equal(about.total_bytes, 1024);
	assert_true(about.space != 0);
	d->driver->close(d);
}

#define ON_A_SITE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_SITE(what_a_place_is_not_is_said_when_it_is_opened),
		ON_A_SITE(nothing_is_written_unless_the_place_is_to_be_made),
		ON_A_SITE(a_log_in_is_whole_or_refused),
		ON_A_SITE(a_place_joins_if_the_server_does_what_is_needed),
		ON_A_SITE(errors_of_a_put_have_the_code_that_tells_what_to_do),
		ON_A_SITE(an_upload_that_did_not_arrive_whole_gets_no_name),
		ON_A_SITE(a_taken_name_is_exists_and_leaves_nothing_behind),
		ON_A_SITE(folders_are_made_when_they_are_missed_and_known_from_then_on),
		ON_A_SITE(a_folder_that_another_is_making_is_waited_for),
		ON_A_SITE(a_name_refused_since_another_host_took_it_is_exists),
		ON_A_SITE(a_temporary_folder_that_went_away_is_made_again),
		ON_A_SITE(a_name_that_is_no_hash_is_read_back),
		ON_A_SITE(what_dead_or_old_puts_left_is_removed_and_nothing_else),
		ON_A_SITE(a_range_of_a_server_that_knows_none_is_cut_out),
		ON_A_SITE(a_range_other_than_was_asked_for_is_corrupt),
		ON_A_SITE(a_listing_takes_objects_alone_whatever_else_is_there),
		ON_A_SITE(a_listing_of_another_folder_is_corrupt_and_none_of_it_is_used),
		ON_A_SITE(a_listing_that_broke_off_is_asked_for_again),
		ON_A_SITE(a_long_listing_is_read_whole),
		cmocka_unit_test(folders_without_end_are_corrupt),
		ON_A_SITE(a_server_that_hides_dots_has_them_written_otherwise),
		ON_A_SITE(a_remove_takes_no_folder_along),
		ON_A_SITE(the_room_left_is_known_if_the_server_tells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
