/*
 * Connections that break between a put and the sync after it, to a real server: MRMR_SSHD is the
 * folder of tests/servers/sshd.sh, MRMR_SSHD_PORT its port. Without them nothing is tested.
 */
#include "drivers/driver.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sodium.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
	int listening;
	unsigned port;
	pid_t group; /* of the processes that pass on what is said */
	atomic_int *cuts; /* of theirs: so many times more what the driver says ends its connection */
} line;
static char *folder;
static struct drive *drive;
static struct error err;

/* ---- the line to the server ---- */

static struct sockaddr_in here(unsigned port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void pass_on(int a, int b)
{
	struct pollfd ends[2] = { { a, POLLIN, 0 }, { b, POLLIN, 0 } };
	char bytes[65536];

	while (poll(ends, 2, -1) > 0) {
		for (unsigned i = 0; i < 2; i++) {
			ssize_t n = ends[i].revents ? read(ends[i].fd, bytes, sizeof(bytes)) : 1;

			if (i == 0 && ends[i].revents && atomic_load(line.cuts) > 0) {
				atomic_fetch_sub(line.cuts, 1);
				return;
			}
			if (n <= 0 || (ends[i].revents && write(ends[1 - i].fd, bytes, (size_t)n) != n))
				return;
		}
	}
}

static void serve(void)
{
	struct sockaddr_in a = here((unsigned)strtoul(getenv("MRMR_SSHD_PORT"), NULL, 10));

	for (;;) {
		int client = accept(line.listening, NULL, NULL);
		int server = socket(AF_INET, SOCK_STREAM, 0);

		if (fork() == 0) {
			if (connect(server, (struct sockaddr *)&a, sizeof(a)) == 0)
				pass_on(client, server);
			_exit(0);
		}
		close(client);
		close(server);
	}
}

static void connect_line(void)
{
	line.group = fork();
	assert_true(line.group >= 0);
	if (line.group == 0) {
		setpgid(0, 0);
		serve();
	}
	setpgid(line.group, line.group);
}

static void cut_line(void)
{
	kill(-line.group, SIGKILL);
	waitpid(line.group, NULL, 0);
}

/* ---- the drive ---- */

/* The server's keys, as those of the line's port. */
static const char *known_hosts(void)
{
	const char *path = temp_path(folder, "known_hosts");
	char from[400], text[600], *key;
	FILE *in, *out = fopen(path, "w");

	snprintf(from, sizeof(from), "%s/known_hosts", getenv("MRMR_SSHD"));
	in = fopen(from, "r");
	assert_true(in && out);
	while (fgets(text, sizeof(text), in)) {
		key = strchr(text, ' ');
		assert_non_null(key);
		fprintf(out, "[127.0.0.1]:%u%s", line.port, key);
	}
	fclose(in);
	fclose(out);
	return path;
}

static int begin(void **state)
{
	struct drive_options o = { .temp_tag = "tag", .make_root = true };
	struct drive_option_set *given;
	struct sockaddr_in a = here(0);
	socklen_t len = sizeof(a);
	char url[600], json[1200];

	(void)state;
	if (!getenv("MRMR_SSHD") || !getenv("MRMR_SSHD_PORT"))
		return 0;
	folder = temp_folder();
	line.cuts = mmap(NULL, sizeof(*line.cuts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);
	assert_ptr_not_equal(line.cuts, MAP_FAILED);
	line.listening = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(line.listening, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(line.listening, 8), 0);
	assert_int_equal(getsockname(line.listening, (struct sockaddr *)&a, &len), 0);
	line.port = ntohs(a.sin_port);
	connect_line();
	snprintf(url, sizeof(url), "sftp://%s@127.0.0.1:%u%s/place", getpwuid(getuid())->pw_name,
		 line.port, folder);
	snprintf(json, sizeof(json),
		 "{\"identity\":\"%s/id_ed25519\",\"known_hosts\":\"%s\",\"connections\":\"1\"}",
		 getenv("MRMR_SSHD"), known_hosts());
	assert_int_equal(drive_options_parse(json, driver_sftp.options, "test", &given, &err), ERR_NONE);
	o.given = given;
	if (driver_sftp.open(url, &o, &drive, &err) != ERR_NONE)
		fail_msg("%s", err.message);
	drive_options_free(given);
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (!drive)
		return 0;
	drive->driver->close(drive);
	cut_line();
	close(line.listening);
	temp_folder_remove(folder);
	return 0;
}

/* By a call that fails, or finds a new connection, it is noticed. */
static void break_line(void)
{
	struct object_stat st;
	int code;

	cut_line();
	connect_line();
	code = drive->driver->stat(drive, "none", &st, &err);
	assert_true(code == ERR_TRANSIENT || code == ERR_NOT_FOUND);
}

static void put(const char *name)
{
	if (drive->driver->put(drive, name, "12345", 5, &err) != ERR_NONE)
		fail_msg("%s", err.message);
}

static const char *on_disk(const char *name)
{
	char leaf[300];

	snprintf(leaf, sizeof(leaf), "place/.mrmr/%s", name);
	return temp_path(folder, leaf);
}

static void assert_missing(const char *name)
{
	char text[300];

	assert_int_equal(drive->driver->sync(drive, &err), ERR_IO);
	snprintf(text, sizeof(text), "%s is not there any more, after the connection broke", name);
	if (!strstr(err.message, text))
		fail_msg("%s", err.message);
	/* It counts as not stored, and that was said. */
	assert_int_equal(drive->driver->sync(drive, &err), ERR_NONE);
}

static void what_is_there_after_the_connection_broke_is_stored(void **state)
{
	(void)state;
	if (!drive)
		skip();
	put("blocks/aa/one");
	break_line();
	put("blocks/aa/two");
	assert_int_equal(drive->driver->sync(drive, &err), ERR_NONE);
	put("blocks/aa/three");
	break_line();
	assert_int_equal(drive->driver->sync(drive, &err), ERR_NONE);
}

static void what_is_gone_after_the_connection_broke_is_not(void **state)
{
	(void)state;
	if (!drive)
		skip();
	put("blocks/bb/one");
	put("blocks/bb/two");
	assert_int_equal(unlink(on_disk("blocks/bb/one")), 0);
	break_line();
	put("blocks/bb/three");
	assert_missing("blocks/bb/one");
}

static void what_is_shorter_after_the_connection_broke_is_not(void **state)
{
	(void)state;
	if (!drive)
		skip();
	put("blocks/cc/one");
	assert_int_equal(truncate(on_disk("blocks/cc/one"), 4), 0);
	break_line();
	assert_missing("blocks/cc/one");
}

static void a_sync_in_the_middle_of_which_the_connection_breaks_is_done_on_a_new_one(void **state)
{
	(void)state;
	if (!drive)
		skip();
	put("blocks/dd/one");
	atomic_store(line.cuts, 1);
	if (drive->driver->sync(drive, &err) != ERR_NONE)
		fail_msg("%s", err.message);
	assert_int_equal(atomic_load(line.cuts), 0);
}

static void what_is_gone_when_the_connection_breaks_in_a_sync_is_not_stored(void **state)
{
	(void)state;
	if (!drive)
		skip();
	put("blocks/ee/one");
	assert_int_equal(unlink(on_disk("blocks/ee/one")), 0);
	atomic_store(line.cuts, 1);
	assert_missing("blocks/ee/one");
}

static void a_sync_whose_new_connection_breaks_too_fails(void **state)
{
	(void)state;
	if (!drive)
		skip();
	put("blocks/ff/one");
	atomic_store(line.cuts, 2);
	assert_int_equal(drive->driver->sync(drive, &err), ERR_TRANSIENT);
	assert_int_equal(atomic_load(line.cuts), 0);
	put("blocks/ff/two");
	assert_int_equal(drive->driver->sync(drive, &err), ERR_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_there_after_the_connection_broke_is_stored),
		cmocka_unit_test(what_is_gone_after_the_connection_broke_is_not),
		cmocka_unit_test(what_is_shorter_after_the_connection_broke_is_not),
		cmocka_unit_test(
			a_sync_in_the_middle_of_which_the_connection_breaks_is_done_on_a_new_one),
		cmocka_unit_test(what_is_gone_when_the_connection_breaks_in_a_sync_is_not_stored),
		cmocka_unit_test(a_sync_whose_new_connection_breaks_too_fails),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("sftp that breaks", tests, begin, end);
}
