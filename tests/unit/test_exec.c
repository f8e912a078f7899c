/*
 * Drives that are programs (drivers/exec.c): what a program may do that it should not. That a good one
 * is a drive like any other, the contract says (tests/servers/exec.sh).
 */
#include "base/file.h"
#include "drivers/exec.h"
#include "tests/support/temp.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define OBJECTS_MAX 1000

/* A shell that is a drive: of the words of a request, $w is the first, $a and $b those after it. */
#define BEGIN "exec:sh -c 'while read -r w a b; do case $w in "
#define END                                                                                        \
	" MRMR) echo VERSION 1; echo OK;;"                                                         \
	" OPEN|ABOUT|SYNC) echo OK;;"                                                              \
	" esac; done'"

/* Others are for tests of time alone: a busy machine must not be taken for a program that hangs. */
static const struct exec_limits patient = {
	.stall_ms = 20000, .answer_ms = 40000, .end_ms = 20000, .listed_max = OBJECTS_MAX
};
static const struct exec_limits hasty = {
	.stall_ms = 1000, .answer_ms = 2500, .end_ms = 1000, .listed_max = OBJECTS_MAX
};
static struct exec_limits limits;

static char *folder;
static struct error err;

static int enter(void **state)
{
	(void)state;
	limits = patient;
	folder = temp_folder_in_memory();
	return chdir(folder);
}

static int enter_in_haste(void **state)
{
	int failed = enter(state);

	limits = hasty;
	return failed;
}

static int leave(void **state)
{
	(void)state;
	if (chdir("/") != 0)
		return 1;
	temp_folder_remove(folder);
	return 0;
}

static int try_open(const char *url, const struct drive_option_set *given, struct drive **d)
{
	struct drive_options options = {.temp_tag = "tag", .given = given};

	return exec_open_limited(url, &options, &limits, d, &err);
}

static struct drive *open_good(const char *url)
{
	struct drive *d;

	if (try_open(url, NULL, &d) != ERR_NONE)
		fail_msg("%s", err.message);
	return d;
}

static int ask_stat(struct drive *d, uint64_t *len_bytes)
{
	struct object_stat st = {0};
	int code = d->driver->stat(d, "a", &st, &err);

	*len_bytes = st.len_bytes;
	return code;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The number that a program left in a file. */
static int pid_in(const char *name)
{
	struct buf b = {0};
	int pid;

	assert_int_equal(file_load(name, 100, &b, &err), ERR_NONE);
	buf_add_u8(&b, '\0');
	pid = (int)strtol((const char *)b.data, NULL, 10);
	buf_release(&b);
	assert_true(pid > 0);
	return pid;
}

/* ---- the beginning ---- */

static void a_url_names_a_program_by_its_whole_path_or_in_path(void **state)
{
	static const char *const bad[] = {"exec:", "exec:  ", "exec:./it", "exec:here/it",
					  "exec:sh -c 'x"};
	struct drive *d;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(try_open(bad[i], NULL, &d), ERR_USAGE);
		assert_null(d);
	}
	assert_int_equal(try_open("exec:/nowhere/at-all", NULL, &d), ERR_IO);
	assert_int_equal(try_open("exec:no-such-program-anywhere", NULL, &d), ERR_IO);
}

static void a_program_that_does_not_speak_the_protocol_is_refused(void **state)
{
	static const struct {
		const char *url;
		enum err_code code;
		const char *says;
	} rows[] = {
		{"exec:cat", ERR_IO, "program cat: \"MRMR 1\" is no line of the protocol"},
		{"exec:yes", ERR_IO, "\"y\" is no line"},
		{"exec:true", ERR_TRANSIENT, "program true: it ended with exit code 0"},
		{"exec:sh -c 'echo no key >&2; exit 3'", ERR_TRANSIENT,
		 "it ended with exit code 3; it said: no key"},
		{"exec:sh -c 'kill -9 $$'", ERR_TRANSIENT, "it was killed by signal 9"},
		{"exec:sh -c 'echo VERSION 2; echo OK; cat'", ERR_UNSUPPORTED, "version 2"},
		{"exec:sh -c 'echo OK; cat >/dev/null'", ERR_IO, "does not say which protocol"},
		{"exec:sh -c 'echo VERSION 1; echo CONNECTIONS 0; cat'", ERR_IO, "no connections"},
		{"exec:sh -c 'echo VERSION 1; echo SIZE 3; cat'", ERR_IO, "another question"},
		{BEGIN "OPEN) echo DENIED wrong password;;" END, ERR_DENIED, "wrong password"},
		{BEGIN "OPEN) echo NOT-FOUND;;" END, ERR_NOT_FOUND, "no reason"},
		{BEGIN "ABOUT) echo SPACE 5 6; echo OK;;" END, ERR_IO, "more space than there is"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct drive *d;

		if (try_open(rows[i].url, NULL, &d) != (int)rows[i].code || d ||
		    !strstr(err.message, rows[i].says))
			fail_msg("%s: %d %s", rows[i].url, err.code, err.message);
	}
}

static void a_program_says_how_many_of_it_may_run_and_the_user_may_want_fewer(void **state)
{
	static const struct {
		const char *url, *json;
		unsigned connections;
	} rows[] = {
		{BEGIN END, NULL, 1},
		{BEGIN "MRMR) echo VERSION 1; echo CONNECTIONS 3; echo OK;;" END, NULL, 3},
		{BEGIN "MRMR) echo VERSION 1; echo CONNECTIONS 3; echo OK;;" END,
		 "{\"connections\":\"2\"}", 2},
		{BEGIN "MRMR) echo VERSION 1; echo CONNECTIONS 3; echo OK;;" END,
		 "{\"connections\":\"9\"}", 3},
		{BEGIN "MRMR) echo VERSION 1; echo CONNECTIONS 999999; echo OK;;" END, NULL, 16},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct drive_option_set *given;
		struct drive *d;

		assert_int_equal(drive_options_parse(rows[i].json, driver_exec.options, "it", &given,
						     &err),
				 ERR_NONE);
		assert_int_equal(try_open(rows[i].url, given, &d), ERR_NONE);
		assert_int_equal(d->driver->connections_max, rows[i].connections);
		d->driver->close(d);
		drive_options_free(given);
	}
}

static void space_and_domain_are_what_the_program_says(void **state)
{
	struct drive *d = open_good(BEGIN "ABOUT) echo SPACE 900 100;"
					  " echo DOMAIN some account; echo OK;;" END);
	struct drive_about about;

	(void)state;
	assert_int_equal(d->driver->about(d, &about, &err), ERR_NONE);
	assert_true(d->driver->flags & DRIVER_KNOWS_SPACE);
	assert_int_equal(about.total_bytes, 900);
	assert_int_equal(about.free_bytes, 100);
	assert_string_equal(about.domain, "some account");
	d->driver->close(d);
	d = open_good(BEGIN END);
	assert_int_equal(d->driver->about(d, &about, &err), ERR_NONE);
	assert_false(d->driver->flags & DRIVER_KNOWS_SPACE);
	assert_string_equal(about.domain, "program sh");
	d->driver->close(d);
}

/* ---- answers ---- */

static void each_word_of_refusal_is_an_error_of_its_own(void **state)
{
	static const struct {
		const char *line;
		enum err_code code;
		unsigned retry_after_s;
	} rows[] = {
		{"NOT-FOUND", ERR_NOT_FOUND, 0},
		{"NOT-FOUND because", ERR_NOT_FOUND, 0},
		{"EXISTS", ERR_EXISTS, 0},
		{"FULL", ERR_FULL, 0},
		{"SHORT", ERR_CORRUPT, 0},
		{"TRANSIENT 7 soon", ERR_TRANSIENT, 7},
		{"TRANSIENT 0", ERR_TRANSIENT, 0},
		{"TRANSIENT 99999999999", ERR_TRANSIENT, 3600},
		{"DENIED", ERR_DENIED, 0},
		{"READONLY", ERR_READONLY, 0},
		{"UNSUPPORTED", ERR_UNSUPPORTED, 0},
		{"USAGE", ERR_USAGE, 0},
		{"FAILED", ERR_IO, 0},
	};
	struct drive *d = open_good(BEGIN "STAT) IFS= read -r line <line; echo \"$line\";;" END);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t len_bytes;

		assert_int_equal(file_store("line", rows[i].line, strlen(rows[i].line), &err),
				 ERR_NONE);
		assert_int_equal(ask_stat(d, &len_bytes), rows[i].code);
		assert_int_equal(err.code, rows[i].code);
		assert_int_equal(err.retry_after_s, rows[i].retry_after_s);
	}
	d->driver->close(d);
}

static void what_is_no_answer_ends_the_program_and_the_next_call_starts_another(void **state)
{
	static const char *const lines[] = {
		" ",	       "what",	     "OK 1",	     "ok",	 "SIZE",
		"SIZE ",       "SIZE x",     "SIZE -1",	     "SIZE 1 2", "SIZE  1",
		" SIZE 1",     "TRANSIENT",  "TRANSIENT x",  "OBJECT 1", "OBJECT 1 ",
		"SPACE 1",     "DOMAIN",     "DATA 1",	     "OBJECT 1 a", "WAIT 1",
		"OK\001",      "VERSION 1",  "SIZE 18446744073709551616",
	};
	struct drive *d = open_good(
		BEGIN "STAT) if IFS= read -r line <line; [ \"$line\" ]; then : >line; echo \"$line\";"
		      " else echo SIZE 7; fi;"
		      " echo OK;;" END);

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		uint64_t len_bytes;

		assert_int_equal(file_store("line", lines[i], strlen(lines[i]), &err), ERR_NONE);
		if (ask_stat(d, &len_bytes) != ERR_IO)
			fail_msg("\"%s\": %d %s", lines[i], err.code, err.message);
		assert_int_equal(ask_stat(d, &len_bytes), ERR_NONE);
		assert_int_equal(len_bytes, 7);
	}
	d->driver->close(d);
}

static void a_program_that_lies_about_lengths_is_not_believed(void **state)
{
	static const char *const answers[] = {
		"DATA 6\nabcdefOK\n",	   "DATA 18446744073709551615\nabcdeOK\n",
		"DATA 5\nabcdeX\nOK\n",	   "DATA 4\nabcdOK\n",
		"DATA 3\nabcDATA 3\ndefOK\n", "DATA 4\nabcdeOK\n",
		"OK\n",			   "DATA 5\nabcdeOK\nOK\n",
		"DATA 99999999999999999999\nabcdeOK\n",
	};
	struct drive *d = open_good(BEGIN "GET) cat answer;;" END);
	char got[16];

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		memset(got, '#', sizeof(got));
		assert_int_equal(file_store("answer", answers[i], strlen(answers[i]), &err),
				 ERR_NONE);
		if (d->driver->get(d, "a", 0, got, 5, &err) != ERR_IO)
			fail_msg("\"%s\": %d %s", answers[i], err.code, err.message);
		assert_memory_equal(got + 5, "###########", 11);
	}
	assert_int_equal(file_store("answer", "DATA 2\nabDATA 0\nDATA 3\ncdeOK\n", 29, &err), ERR_NONE);
	assert_int_equal(d->driver->get(d, "a", 0, got, 5, &err), ERR_NONE);
	assert_memory_equal(got, "abcde", 5);
	d->driver->close(d);
}

static void a_line_or_a_listing_without_end_is_cut(void **state)
{
	struct drive *d = open_good(BEGIN "STAT) yes | tr -d \"\\n\";;"
					  " LIST) yes OBJECT 1 a;;" END);
	uint64_t len_bytes;

	(void)state;
	assert_int_equal(ask_stat(d, &len_bytes), ERR_IO);
	assert_non_null(strstr(err.message, "a line without end"));
	assert_int_equal(d->driver->sync(d, &err), ERR_NONE);
	d->driver->close(d);
}

static int count_one(void *ctx, const char *name, uint64_t len_bytes)
{
	assert_string_equal(name, "blocks/a");
	assert_int_equal(len_bytes, 3);
	++*(unsigned *)ctx;
	return 0;
}

static void a_listing_is_bounded_and_foreign_names_in_it_are_left_out(void **state)
{
	struct drive *d = open_good(
		BEGIN "LIST) case $a in"
		      " b) echo OBJECT 9 other; echo OBJECT 1 b/../c; echo OBJECT 3 blocks/a;"
		      " echo OBJECT 1 b/~x; echo OBJECT 1 b c; echo OK;;"
		      " *) yes OBJECT 3 blocks/a;; esac;;" END);
	unsigned count = 0;

	(void)state;
	assert_int_equal(d->driver->list(d, "b", count_one, &count, &err), ERR_NONE);
	assert_int_equal(count, 1);
	count = 0;
	assert_int_equal(d->driver->list(d, "blocks/", count_one, &count, &err), ERR_IO);
	assert_non_null(strstr(err.message, "lists without end"));
	assert_int_equal(count, OBJECTS_MAX);
	d->driver->close(d);
}

static int stat_it(void *ctx, const char *name, uint64_t len_bytes)
{
	struct object_stat st;
	struct drive *d = ctx;

	(void)len_bytes;
	return d->driver->stat(d, name, &st, &err);
}

static void one_that_runs_alone_can_be_asked_while_it_lists(void **state)
{
	struct drive *d = open_good(BEGIN "LIST) echo OBJECT 1 a; echo OBJECT 1 b; echo OK;;"
					  " STAT) echo SIZE 1; echo OK;;" END);

	(void)state;
	assert_int_equal(d->driver->connections_max, 1);
	assert_int_equal(d->driver->list(d, "", stat_it, d, &err), ERR_NONE);
	d->driver->close(d);
}

/* ---- time ---- */

static void a_program_that_says_nothing_at_all_is_given_up(void **state)
{
	struct drive *d;

	(void)state;
	assert_int_equal(try_open("exec:sleep 60", NULL, &d), ERR_TRANSIENT);
	assert_non_null(strstr(err.message, "program sleep: it has not answered for 1 s"));
}

static void a_program_that_hangs_is_killed_with_all_it_started(void **state)
{
	struct drive *d = open_good(BEGIN "STAT) echo $$ >pid; sleep 61; echo SIZE 1; echo OK;;" END);
	uint64_t len_bytes, began_ms = now_ms();
	int pid, tries;

	(void)state;
	assert_int_equal(ask_stat(d, &len_bytes), ERR_TRANSIENT);
	assert_in_range(now_ms() - began_ms, limits.stall_ms, limits.stall_ms + 5000);
	pid = pid_in("pid");
	assert_int_equal(kill(pid, 0), -1); /* reaped too */
	assert_int_equal(errno, ESRCH);
	for (tries = 0; kill(-pid, 0) == 0 && tries < 200; tries++)
		usleep(10000); /* the sleep is init's to reap */
	assert_true(tries < 200);
	assert_int_equal(d->driver->sync(d, &err), ERR_NONE);
	d->driver->close(d);
}

static void a_late_answer_is_never_taken_for_that_of_the_next_request(void **state)
{
	struct drive *d = open_good(
		BEGIN "STAT) if [ -e once ]; then echo SIZE 2; echo OK; else : >once;"
		      " sleep 1.5; echo SIZE 1; echo OK; fi;;" END);
	uint64_t len_bytes;

	(void)state;
	assert_int_equal(ask_stat(d, &len_bytes), ERR_TRANSIENT);
	assert_int_equal(ask_stat(d, &len_bytes), ERR_NONE);
	assert_int_equal(len_bytes, 2);
	d->driver->close(d);
}

static void what_is_said_between_requests_costs_a_program_its_life_and_no_call(void **state)
{
	struct drive *d = open_good(
		BEGIN "STAT) echo SIZE 1; echo OK; sleep 0.1; echo OK; : >said;;" END);
	uint64_t len_bytes;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ask_stat(d, &len_bytes), ERR_NONE);
		assert_int_equal(len_bytes, 1);
		while (unlink("said") != 0)
			usleep(1000);
	}
	d->driver->close(d);
}

static void a_program_may_ask_for_time_but_not_without_end(void **state)
{
	struct drive *d = open_good(
		BEGIN "STAT) for i in 1 2 3 4; do echo WAIT; sleep 0.4; done;"
		      " echo SIZE 1; echo OK;;"
		      " SYNC) while :; do echo WAIT; sleep 0.1; done;;" END);
	uint64_t len_bytes, began_ms;

	(void)state;
	assert_int_equal(ask_stat(d, &len_bytes), ERR_NONE);
	began_ms = now_ms();
	assert_int_equal(d->driver->sync(d, &err), ERR_TRANSIENT);
	assert_in_range(now_ms() - began_ms, limits.answer_ms, limits.answer_ms + 5000);
	d->driver->close(d);
}

static void one_that_does_not_end_with_its_stdin_is_killed(void **state)
{
	struct drive *d = open_good("exec:sh -c 'echo $$ >pid; while read -r w; do case $w in "
				    "MRMR*) echo VERSION 1;; esac; echo OK; done; sleep 62'");
	uint64_t began_ms = now_ms();
	int pid = pid_in("pid");

	(void)state;
	d->driver->close(d);
	assert_in_range(now_ms() - began_ms, limits.end_ms, limits.end_ms + 5000);
	assert_int_equal(kill(pid, 0), -1);
}

static void one_that_ends_with_its_stdin_may_tidy_up(void **state)
{
	struct drive *d = open_good("exec:sh -c 'while read -r w; do case $w in MRMR*) echo VERSION "
				    "1;; esac; echo OK; done; sleep 0.2; : >tidy'");

	(void)state;
	d->driver->close(d);
	assert_true(file_exists("tidy"));
}

/* ---- its end ---- */

static void one_that_dies_or_closes_its_stdin_may_be_tried_again(void **state)
{
	static const char *const puts[] = {
		BEGIN "PUT) exit 0;;" END,
		BEGIN "PUT) exec <&-; sleep 0.2; exit 1;;" END,
		BEGIN "PUT) exec >&-; sleep 63;;" END,
		BEGIN "PUT) kill -9 $$;;" END,
	};
	static char bytes[1 << 20];

	(void)state;
	signal(SIGPIPE, SIG_DFL); /* nothing is written to what is closed but by send() */
	for (size_t i = 0; i < sizeof(puts) / sizeof(puts[0]); i++) {
		struct drive *d = open_good(puts[i]);

		assert_int_equal(d->driver->put(d, "a", bytes, sizeof(bytes), &err), ERR_TRANSIENT);
		assert_int_equal(d->driver->sync(d, &err), ERR_NONE);
		d->driver->close(d);
	}
}

static void one_that_died_while_nobody_asked_is_replaced_unseen(void **state)
{
	struct drive *d = open_good(BEGIN "STAT) echo $$ >pid; echo SIZE 1; echo OK; exit 0;;" END);
	uint64_t len_bytes;

	(void)state;
	for (int i = 0; i < 3; i++) {
		siginfo_t info;

		assert_int_equal(ask_stat(d, &len_bytes), ERR_NONE);
		assert_int_equal(waitid(P_PID, (id_t)pid_in("pid"), &info, WEXITED | WNOWAIT), 0);
	}
	d->driver->close(d);
}

static void what_it_says_on_stderr_neither_blocks_nor_floods(void **state)
{
	struct drive *d = open_good(
		BEGIN "STAT) yes noise | head -c 1000000 >&2; printf \"\\nlast\\033[2Jwords\\n\" >&2;"
		      " exit 1;;" END);
	uint64_t len_bytes;

	(void)state;
	assert_int_equal(ask_stat(d, &len_bytes), ERR_TRANSIENT);
	assert_string_equal(err.message,
			    "stat a: program sh: it ended with exit code 1; it said: last?[2Jwords");
	d->driver->close(d);
}

/* ---- secrets ---- */

static void options_are_told_on_stdin_and_secrets_appear_nowhere_else(void **state)
{
	static const char url[] =
		BEGIN "CONFIG) echo \"$a $b\" >>told;;"
		      " STAT) cat /proc/$$/cmdline /proc/$$/environ >seen; cat told >&2;"
		      " echo FAILED the key is $(tail -n 1 told);;"
		      " SYNC) cat told >&2; exit 1;;"
		      " REMOVE) tail -n 1 told;;" END;
	struct drive_option_set *given;
	struct buf b = {0};
	uint64_t len_bytes;
	struct drive *d;

	(void)state;
	assert_int_equal(file_store("secret", "canary 7 %\n", 11, &err), ERR_NONE);
	assert_int_equal(setenv("AWS_SECRET_ACCESS_KEY", "canary in the environment", 1), 0);
	assert_int_equal(drive_options_parse("{\"user\":\"me and you\",\"password\":\"file:secret\"}",
					     driver_exec.options, "it", &given, &err),
			 ERR_NONE);
	assert_int_equal(try_open(url, given, &d), ERR_NONE);
	drive_options_free(given);
	assert_int_equal(file_load("told", 1000, &b, &err), ERR_NONE);
	assert_int_equal(b.len_bytes, strlen("user me and you\npassword canary 7 %\n"));
	assert_memory_equal(b.data, "user me and you\npassword canary 7 %\n", b.len_bytes);
	assert_int_equal(ask_stat(d, &len_bytes), ERR_IO);
	assert_null(strstr(err.message, "canary"));
	buf_clear(&b);
	assert_int_equal(file_load("seen", 100000, &b, &err), ERR_NONE);
	assert_true(b.len_bytes > 0);
	assert_null(memmem(b.data, b.len_bytes, "canary", 6));
	/* Those that are started later are told again. */
	assert_int_equal(d->driver->sync(d, &err), ERR_TRANSIENT);
	assert_null(strstr(err.message, "canary"));
	assert_non_null(strstr(err.message, "a secret"));
	assert_int_equal(d->driver->remove(d, "a", &err), ERR_IO);
	assert_null(strstr(err.message, "canary"));
	d->driver->close(d);
	buf_release(&b);
	unsetenv("AWS_SECRET_ACCESS_KEY");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define IN_A_FOLDER(f) cmocka_unit_test_setup_teardown(f, enter, leave)
#define IN_HASTE(f) cmocka_unit_test_setup_teardown(f, enter_in_haste, leave)
		IN_A_FOLDER(a_url_names_a_program_by_its_whole_path_or_in_path),
		IN_A_FOLDER(a_program_that_does_not_speak_the_protocol_is_refused),
		IN_A_FOLDER(a_program_says_how_many_of_it_may_run_and_the_user_may_want_fewer),
		IN_A_FOLDER(space_and_domain_are_what_the_program_says),
		IN_A_FOLDER(each_word_of_refusal_is_an_error_of_its_own),
		IN_A_FOLDER(what_is_no_answer_ends_the_program_and_the_next_call_starts_another),
		IN_A_FOLDER(a_program_that_lies_about_lengths_is_not_believed),
		IN_A_FOLDER(a_line_or_a_listing_without_end_is_cut),
		IN_A_FOLDER(a_listing_is_bounded_and_foreign_names_in_it_are_left_out),
		IN_A_FOLDER(one_that_runs_alone_can_be_asked_while_it_lists),
		IN_HASTE(a_program_that_says_nothing_at_all_is_given_up),
		IN_HASTE(a_program_that_hangs_is_killed_with_all_it_started),
		IN_HASTE(a_late_answer_is_never_taken_for_that_of_the_next_request),
		IN_A_FOLDER(what_is_said_between_requests_costs_a_program_its_life_and_no_call),
		IN_HASTE(a_program_may_ask_for_time_but_not_without_end),
		IN_HASTE(one_that_does_not_end_with_its_stdin_is_killed),
		IN_A_FOLDER(one_that_ends_with_its_stdin_may_tidy_up),
		IN_A_FOLDER(one_that_dies_or_closes_its_stdin_may_be_tried_again),
		IN_A_FOLDER(one_that_died_while_nobody_asked_is_replaced_unseen),
		IN_A_FOLDER(what_it_says_on_stderr_neither_blocks_nor_floods),
		IN_A_FOLDER(options_are_told_on_stdin_and_secrets_appear_nowhere_else),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
