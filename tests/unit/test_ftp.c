/*
 * The ftp driver (drivers/ftp*.c) and servers that do not do as they should. That it is a drive like any
 * other with one that does, the contract says (tests/servers/proftpd.sh).
 */
#include "base/file.h"
#include "drivers/ftp.h"
#include "tests/support/temp.h"

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

/* ---- a server ---- */

/* What is said to a command that begins so, in place of what a good server says. */
struct row {
	const char *command, *reply;
	const char *data; /* for the data connection; NULL: a listing of nothing */
	bool without_end; /* the data again and again */
};

struct server {
	pthread_t thread;
	int listen_fd, data_fd;
	unsigned port;
	size_t stored_bytes;
	pthread_mutex_t lock; /* guards all below */
	const struct row *rows;
	char heard[1 << 16]; /* all commands */
	size_t heard_bytes;
};

static struct server server;
static struct error err;

/* From now on. */
static void rows_set(const struct row *rows)
{
	pthread_mutex_lock(&server.lock);
	server.rows = rows;
	pthread_mutex_unlock(&server.lock);
}

/* Whether text was among what the server was told. */
static bool heard(const char *text)
{
	bool found;

	pthread_mutex_lock(&server.lock);
	found = memmem(server.heard, server.heard_bytes, text, strlen(text)) != NULL;
	pthread_mutex_unlock(&server.lock);
	return found;
}

static unsigned times_heard(const char *command)
{
	unsigned times = 0;

	pthread_mutex_lock(&server.lock);
	for (const char *at = server.heard, *end = at + server.heard_bytes;
	     (at = memmem(at, (size_t)(end - at), command, strlen(command))); at++)
		times++;
	pthread_mutex_unlock(&server.lock);
	return times;
}

static void hear(const char *line, size_t len)
{
	pthread_mutex_lock(&server.lock);
	if (server.heard_bytes + len + 2 < sizeof(server.heard)) {
		memcpy(server.heard + server.heard_bytes, line, len);
		server.heard[server.heard_bytes + len] = '\n';
		server.heard_bytes += len + 1;
	}
	pthread_mutex_unlock(&server.lock);
}

static int listen_on(unsigned *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) < 0 || listen(fd, 8) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		abort();
	*port = ntohs(a.sin_port);
	return fd;
}

static const struct row *row_for(const char *line)
{
	const struct row *r;

	pthread_mutex_lock(&server.lock);
	r = server.rows;
	pthread_mutex_unlock(&server.lock);
	for (; r && r->command; r++) {
		if (strncmp(line, r->command, strlen(r->command)) == 0)
			return r;
	}
	return NULL;
}

static void say(int fd, const char *fmt, ...)
{
	char line[400];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	send(fd, line, (size_t)len, MSG_NOSIGNAL);
	send(fd, "\r\n", 2, MSG_NOSIGNAL);
}

/* What a good server says to commands without data. */
static void say_default(int fd, const char *line)
{
	static const struct row good[] = {
		{"USER", "331 and the password?", NULL, false},
		{"PASS", "230 in", NULL, false},
		{"PWD", "257 \"/\"", NULL, false},
		{"FEAT", "211-all of it\r\n MLST size*;\r\n SIZE\r\n211 End", NULL, false},
		{"TYPE", "200 so be it", NULL, false},
		{"CWD", "250 here", NULL, false},
		{"MKD", "257 made", NULL, false},
		{"SIZE", "550 no such file", NULL, false},
		{"RNFR", "350 to what?", NULL, false},
		{"RNTO", "250 renamed", NULL, false},
		{"DELE", "250 gone", NULL, false},
		{"REST", "350 from there", NULL, false},
		{"QUIT", "221 bye", NULL, false},
		{NULL, "502 what?", NULL, false},
	};
	const struct row *r = good;

	while (r->command && strncmp(line, r->command, strlen(r->command)) != 0)
		r++;
	say(fd, "%s", r->reply);
}

static void passive(int fd, const char *line, const struct row *row)
{
	unsigned port;

	if (row && row->reply[0] == '5') {
		say(fd, "%s", row->reply);
		return;
	}
	server.data_fd = listen_on(&port);
	if (strcmp(line, "EPSV") == 0)
		say(fd, "229 (|||%u|)", port);
	else /* of a host that is not ours */
		say(fd, "227 (192,0,2,1,%u,%u)", port >> 8, port & 255);
}

/* RETR, STOR, MLSD, NLST. */
static void transfer(int fd, const char *line, const struct row *row)
{
	const char *data = row && row->data ? row->data : "";
	char bytes[4096];
	ssize_t got;
	int peer = server.data_fd < 0 ? -1 : accept(server.data_fd, NULL, NULL);

	if (row && row->reply && row->reply[0] != '2') {
		say(fd, "%s", row->reply);
	} else if (peer >= 0) {
		say(fd, "150 here it comes");
		if (strncmp(line, "STOR", 4) == 0) {
			server.stored_bytes = 0;
			while ((got = read(peer, bytes, sizeof(bytes))) > 0)
				server.stored_bytes += (size_t)got;
		} else {
			while (send(peer, data, strlen(data), MSG_NOSIGNAL) > 0 && row &&
			       row->without_end)
				;
		}
		shutdown(peer, SHUT_RDWR);
		say(fd, "226 done");
	}
	if (peer >= 0)
		close(peer);
	close(server.data_fd);
	server.data_fd = -1;
}

static void serve_line(int fd, const char *line)
{
	const struct row *row = row_for(line);

	if (strcmp(line, "EPSV") == 0 || strcmp(line, "PASV") == 0)
		passive(fd, line, row);
	else if (strncmp(line, "RETR", 4) == 0 || strncmp(line, "STOR", 4) == 0 ||
		 strncmp(line, "MLSD", 4) == 0 || strncmp(line, "NLST", 4) == 0)
		transfer(fd, line, row);
	else if (row)
		say(fd, "%s", row->reply);
	else if (strncmp(line, "SIZE /.mrmr/~tmp/", 17) == 0)
		say(fd, "213 %zu", server.stored_bytes);
	else
		say_default(fd, line);
}

static void serve_connection(int fd)
{
	FILE *in = fdopen(fd, "r");
	char line[2048];

	if (!in)
		abort();
	say(fd, "220 hello");
	while (fgets(line, sizeof(line), in)) {
		size_t len = strcspn(line, "\r\n");

		line[len] = '\0';
		hear(line, len);
		serve_line(fd, line);
	}
	fclose(in);
}

static void *serve(void *unused)
{
	int fd;

	(void)unused;
	while ((fd = accept(server.listen_fd, NULL, NULL)) >= 0)
		serve_connection(fd);
	return NULL;
}

static int start(void **state)
{
	(void)state;
	memset(&server, 0, sizeof(server));
	pthread_mutex_init(&server.lock, NULL);
	server.data_fd = -1;
	server.listen_fd = listen_on(&server.port);
	return pthread_create(&server.thread, NULL, serve, NULL);
}

static int stop(void **state)
{
	(void)state;
	shutdown(server.listen_fd, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.listen_fd);
	pthread_mutex_destroy(&server.lock);
	return 0;
}

static int try_open(const char *scheme, const char *path, const char *json, struct drive **d)
{
	struct drive_options options = {.temp_tag = "tag"};
	struct drive_option_set *given;
	char url[200];
	int code = drive_options_parse(json, driver_ftp.options, "it", &given, &err);

	if (code != ERR_NONE)
		return code;
	snprintf(url, sizeof(url), "%s://127.0.0.1:%u%s", scheme, server.port, path);
	options.given = given;
	code = driver_ftp.open(url, &options, d, &err);
	drive_options_free(given);
	return code;
}

static struct drive *open_good(const struct row *rows)
{
	struct drive *d;

	rows_set(rows);
	if (try_open("ftp", "/", "{\"connections\":\"1\"}", &d) != ERR_NONE)
		fail_msg("%s", err.message);
	return d;
}

/* ---- what it is told ---- */

static void a_url_or_option_that_means_nothing_is_refused(void **state)
{
	static const char *const urls[] = {"ftp://", "ftp:///x", "ftps://h/x?y=z", "ftp://u:p@h/x",
					   "ftp://h/a%0d%0aDELE%20x", "ftp:h"};
	struct drive_options options = {.temp_tag = "tag"};
	struct drive *d;

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		if (driver_ftp.open(urls[i], &options, &d, &err) != ERR_USAGE)
			fail_msg("%s: %d %s", urls[i], err.code, err.message);
		assert_null(d);
	}
	assert_int_equal(try_open("ftp", "/", "{\"tls\":\"explicit\"}", &d), ERR_USAGE);
	assert_int_equal(try_open("ftps", "/", "{\"tls\":\"perhaps\"}", &d), ERR_USAGE);
	assert_int_equal(try_open("ftps", "/", "{\"ca\":\"/nowhere/ca.pem\"}", &d), ERR_NOT_FOUND);
}

static void what_a_server_refuses_is_an_error_of_its_own(void **state)
{
	static const struct {
		struct row rows[3];
		enum err_code opens, puts;
	} cases[] = {
		{{{"PASS", "530 no", NULL, false}}, ERR_DENIED, 0},
		{{{"USER", "421 too many", NULL, false}}, ERR_TRANSIENT, 0},
		{{{"PASS", "421 too many", NULL, false}}, ERR_TRANSIENT, 0},
		{{{"CWD", "550 no such folder", NULL, false}}, ERR_NOT_FOUND, 0},
		{{{"CWD", "550 Permission denied", NULL, false}}, ERR_DENIED, 0},
		{{{"SIZE", "213 4", NULL, false}}, ERR_NONE, ERR_EXISTS},
		{{{"SIZE", "500 what?", NULL, false}}, ERR_NONE, ERR_UNSUPPORTED},
		{{{"SIZE", "550 Permission denied", NULL, false}}, ERR_NONE, ERR_DENIED},
		{{{"STOR", "552 full", NULL, false}}, ERR_NONE, ERR_FULL},
		{{{"STOR", "452 full", NULL, false}}, ERR_NONE, ERR_FULL},
		{{{"STOR", "451 No space left on device", NULL, false}}, ERR_NONE, ERR_FULL},
		{{{"STOR", "550 Disk quota exceeded", NULL, false}}, ERR_NONE, ERR_FULL},
		{{{"STOR", "550 Permission denied", NULL, false}}, ERR_NONE, ERR_DENIED},
		{{{"STOR", "550 Read-only file system", NULL, false}}, ERR_NONE, ERR_READONLY},
		{{{"STOR", "553 not that name", NULL, false}}, ERR_NONE, ERR_DENIED},
		{{{"STOR", "550 no such folder", NULL, false}}, ERR_NONE, ERR_IO},
		{{{"STOR", "425 no data connection", NULL, false}}, ERR_NONE, ERR_TRANSIENT},
		{{{"STOR", "426 cut", NULL, false}}, ERR_NONE, ERR_TRANSIENT},
		{{{"RNTO", "550 what?", NULL, false}}, ERR_NONE, ERR_IO},
		{{{"RNFR", "550 where?", NULL, false}}, ERR_NONE, ERR_IO},
		{{{"SIZE /.mrmr/~tmp", "213 4", NULL, false}}, ERR_NONE, ERR_IO},
		{{{"TYPE", "504 no", NULL, false}}, ERR_NONE, ERR_UNSUPPORTED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct drive *d;
		int code;

		rows_set(cases[i].rows);
		code = try_open("ftp", "/", "{\"connections\":\"1\"}", &d);
		if (code != (int)cases[i].opens || (code == ERR_NONE) != (d != NULL))
			fail_msg("%s: open: %d %s", cases[i].rows[0].reply, err.code, err.message);
		if (code != ERR_NONE)
			continue;
		code = d->driver->put(d, "a/b", "bytes", 5, &err);
		if (code != (int)cases[i].puts || code != (int)err.code)
			fail_msg("%s: put: %d %s", cases[i].rows[0].reply, err.code, err.message);
		d->driver->close(d);
	}
}

/* Its next calls would be told of files what others were asked. */
static void a_connection_whose_replies_are_out_of_step_is_used_no_more(void **state)
{
	static const struct row late[] = {{"TYPE", "550 /a: No such file", NULL, false}, {0}};
	static const struct row none[] = {{0}};
	struct drive *d = open_good(none);

	(void)state;
	assert_int_equal(d->driver->put(d, "a/b", "bytes", 5, &err), ERR_NONE);
	rows_set(late);
	assert_int_equal(d->driver->put(d, "a/c", "bytes", 5, &err), ERR_TRANSIENT);
	assert_non_null(strstr(err.message, "out of step: TYPE I"));
	rows_set(none);
	assert_int_equal(times_heard("USER"), 1);
	assert_int_equal(d->driver->put(d, "a/c", "bytes", 5, &err), ERR_NONE);
	assert_int_equal(times_heard("USER"), 2);
	d->driver->close(d);
}

static void an_upload_of_another_size_is_taken_away(void **state)
{
	static const struct row rows[] = {{"SIZE /.mrmr/~tmp", "213 4", NULL, false}, {0}};
	struct drive *d = open_good(rows);

	(void)state;
	assert_int_equal(d->driver->put(d, "a/b", "bytes", 5, &err), ERR_IO);
	assert_non_null(strstr(err.message, "of 5 bytes the server stored 4"));
	assert_true(heard("\nDELE /.mrmr/~tmp/tag-"));
	assert_false(heard("RNTO"));
	d->driver->close(d);
}

static void a_refused_removal_of_what_is_there_is_no_success(void **state)
{
	static const struct row refuses[] = {{"DELE", "550 no", NULL, false},
					     {"SIZE", "213 3", NULL, false},
					     {0}};
	static const struct row absent[] = {{"DELE", "550 no", NULL, false}, {0}};
	struct drive *d = open_good(refuses);

	(void)state;
	assert_int_equal(d->driver->remove(d, "a", &err), ERR_DENIED);
	rows_set(absent);
	assert_int_equal(d->driver->remove(d, "a", &err), ERR_NONE);
	d->driver->close(d);
}

static void a_file_that_is_there_and_cannot_be_read_is_denied_and_a_short_one_corrupt(void **state)
{
	static const struct row denied[] = {{"SIZE", "213 3", NULL, false},
					    {"RETR", "550 no", NULL, false},
					    {0}};
	static const struct row absent[] = {{"RETR", "550 no", NULL, false}, {0}};
	static const struct row three[] = {{"SIZE", "213 3", NULL, false},
					   {"RETR", "226 done", "abc", false},
					   {0}};
	struct drive *d = open_good(denied);
	char got[8] = "#######";

	(void)state;
	assert_int_equal(d->driver->get(d, "a", 0, got, 3, &err), ERR_DENIED);
	rows_set(absent);
	assert_int_equal(d->driver->get(d, "a", 0, got, 3, &err), ERR_NOT_FOUND);
	rows_set(three);
	assert_int_equal(d->driver->get(d, "a", 0, got, 3, &err), ERR_NONE);
	assert_string_equal(got, "abc####");
	assert_int_equal(d->driver->get(d, "a", 0, got, 4, &err), ERR_CORRUPT);
	d->driver->close(d);
}

/* ---- listings ---- */

static int collect(void *ctx, const char *name, uint64_t len_bytes)
{
	char *all = ctx;
	size_t used = strlen(all);

	snprintf(all + used, 2000 - used, "%s %llu;", name, (unsigned long long)len_bytes);
	return 0;
}

static void of_a_listing_only_names_of_objects_are_taken(void **state)
{
	static const struct row rows[] = {
		{"MLSD /.mrmr/a", "226 done",
		 "type=file;size=1; good\r\nTYPE=File;Size=2; Good-2.x\r\ntype=cdir; .\r\n"
		 "type=pdir; ..\r\ntype=file;size=3; ../up\r\ntype=file;size=3; a b\r\n"
		 "type=file;size=3; ~tmp\r\ntype=OS.unix=slink:/; link\r\nsize=3; typeless\r\n"
		 "\r\n;\r\n garbage\r\ntype=file;size=3;\r\ntype=file;size=3; cut",
		 false},
		{"MLSD /.mrmr/sizeless", "226 done", "type=file; x\r\n", false},
		{"MLSD /.mrmr/huge", "226 done", "type=file;size=99999999999999999999; x\r\n", false},
		{"MLSD /.mrmr/loop", "226 done", "type=dir; x\r\n", false},
		{0}};
	struct drive *d = open_good(rows);
	char names[2000] = "";

	(void)state;
	assert_int_equal(d->driver->list(d, "a/", collect, names, &err), ERR_NONE);
	assert_string_equal(names, "a/good 1;a/Good-2.x 2;");
	assert_int_equal(d->driver->list(d, "sizeless/", collect, names, &err), ERR_CORRUPT);
	assert_int_equal(d->driver->list(d, "huge/", collect, names, &err), ERR_CORRUPT);
	/* Folders in folders, as long as a name can be. */
	names[0] = '\0';
	assert_int_equal(d->driver->list(d, "loop/", collect, names, &err), ERR_NONE);
	assert_string_equal(names, "");
	d->driver->close(d);
}

static void a_folder_that_cannot_be_listed_is_not_an_empty_one(void **state)
{
	static const struct row denied[] = {{"MLSD", "550 no", NULL, false}, {0}};
	static const struct row absent[] = {{"MLSD", "550 no", NULL, false},
					    {"CWD /.mrmr/a", "550 no", NULL, false},
					    {0}};
	struct drive *d = open_good(denied);
	char names[2000] = "";

	(void)state;
	assert_int_equal(d->driver->list(d, "a/", collect, names, &err), ERR_DENIED);
	rows_set(absent);
	assert_int_equal(d->driver->list(d, "a/", collect, names, &err), ERR_NONE);
	d->driver->close(d);
}

static void a_listing_without_end_is_cut(void **state)
{
	static char long_line[65536];
	static const struct row rows[] = {{"MLSD", "226 done", long_line, true}, {0}};
	struct drive *d = open_good(rows);
	char names[2000] = "";

	(void)state;
	memset(long_line, 'x', sizeof(long_line) - 1);
	assert_int_equal(d->driver->list(d, "a/", collect, names, &err), ERR_CORRUPT);
	assert_non_null(strstr(err.message, "a listing without end"));
	d->driver->close(d);
}

static void data_go_to_no_host_but_the_one_logged_in_to(void **state)
{
	static const struct row rows[] = {{"EPSV", "500 no", NULL, false},
					  {"MLSD", "226 done", "type=file;size=1; x\r\n", false},
					  {0}};
	struct drive *d = open_good(rows);
	char names[2000] = "";

	(void)state;
	assert_int_equal(d->driver->list(d, "a/", collect, names, &err), ERR_NONE);
	assert_string_equal(names, "a/x 1;");
	assert_true(heard("\nPASV\n"));
	d->driver->close(d);
}

/* ---- secrets ---- */

static void a_password_is_sent_by_tls_or_not_at_all(void **state)
{
	static const char *const forms[] = {"", ",\"tls\":\"explicit\"", ",\"tls\":\"implicit\""};
	char *folder = temp_folder_in_memory(), json[200], path[100];
	struct drive *d;

	(void)state;
	snprintf(path, sizeof(path), "%s/password", folder);
	assert_int_equal(file_store(path, "canary\n", 7, &err), ERR_NONE);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		int code;

		snprintf(json, sizeof(json), "{\"user\":\"me\",\"password\":\"file:%s\"%s}", path,
			 forms[i]);
		code = try_open("ftps", "/", json, &d);
		if (code != ERR_UNSUPPORTED && code != ERR_TRANSIENT)
			fail_msg("%s: %d %s", forms[i], err.code, err.message);
		assert_null(d);
	}
	assert_true(heard("AUTH TLS"));
	assert_false(heard("USER"));
	assert_false(heard("canary"));
	temp_folder_remove(folder);
}

static void a_password_that_a_server_repeats_is_not_shown(void **state)
{
	static const struct row rows[] = {{"PASS", "530 not with canary 7", NULL, false}, {0}};
	char *folder = temp_folder_in_memory(), json[200], path[100];
	struct drive *d;

	(void)state;
	rows_set(rows);
	snprintf(path, sizeof(path), "%s/password", folder);
	assert_int_equal(file_store(path, "canary 7\n", 9, &err), ERR_NONE);
	snprintf(json, sizeof(json), "{\"user\":\"me\",\"password\":\"file:%s\"}", path);
	assert_int_equal(try_open("ftp", "/", json, &d), ERR_DENIED);
	assert_null(strstr(err.message, "canary"));
	assert_true(heard("PASS canary 7\n"));
	temp_folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define WITH_A_SERVER(f) cmocka_unit_test_setup_teardown(f, start, stop)
		WITH_A_SERVER(a_url_or_option_that_means_nothing_is_refused),
		WITH_A_SERVER(what_a_server_refuses_is_an_error_of_its_own),
		WITH_A_SERVER(a_connection_whose_replies_are_out_of_step_is_used_no_more),
		WITH_A_SERVER(an_upload_of_another_size_is_taken_away),
		WITH_A_SERVER(a_refused_removal_of_what_is_there_is_no_success),
		WITH_A_SERVER(a_file_that_is_there_and_cannot_be_read_is_denied_and_a_short_one_corrupt),
		WITH_A_SERVER(of_a_listing_only_names_of_objects_are_taken),
		WITH_A_SERVER(a_folder_that_cannot_be_listed_is_not_an_empty_one),
		WITH_A_SERVER(a_listing_without_end_is_cut),
		WITH_A_SERVER(data_go_to_no_host_but_the_one_logged_in_to),
		WITH_A_SERVER(a_password_is_sent_by_tls_or_not_at_all),
		WITH_A_SERVER(a_password_that_a_server_repeats_is_not_shown),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
