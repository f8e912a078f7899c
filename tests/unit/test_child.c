/* Children that answer on their stdout, and the words of a command line. */
#include "base/child.h"
#include "base/stop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct error err;
static char answer[4096];
static size_t answer_bytes;

static int run(const char *script, size_t cap_bytes)
{
	const char *argv[] = { "sh", "-c", script, NULL };

	memset(answer, 0, sizeof(answer));
	return child_output(argv, answer, cap_bytes, &answer_bytes, &err);
}

static void a_childs_output_comes_back_byte_for_byte(void **state)
{
	(void)state;
	assert_int_equal(run("printf 'a\\000b\\n'", sizeof(answer)), ERR_NONE);
	assert_int_equal(answer_bytes, 4);
	assert_memory_equal(answer, "a\0b\n", 4);
	assert_int_equal(run("printf 1234", 4), ERR_NONE); /* exactly what fits */
	assert_int_equal(answer_bytes, 4);
	assert_int_equal(run(":", sizeof(answer)), ERR_NONE);
	assert_int_equal(answer_bytes, 0);
}

static void a_child_that_fails_is_an_error_that_names_the_program_only(void **state)
{
	static const char *const nowhere[] = { "/nowhere/at-all", "secret", NULL };

	(void)state;
	assert_int_equal(run("echo x; exit 3", sizeof(answer)), ERR_IO);
	assert_string_equal(err.message, "run 'sh': it exited with 3");
	assert_int_equal(run("kill -KILL $$", sizeof(answer)), ERR_IO);
	assert_string_equal(err.message, "run 'sh': it was killed by signal 9");
	assert_int_equal(child_output(nowhere, answer, sizeof(answer), &answer_bytes, &err),
			 ERR_NOT_FOUND);
	assert_string_equal(err.message, "run '/nowhere/at-all': No such file or directory");
}

static void a_child_that_says_too_much_is_stopped(void **state)
{
	(void)state;
	assert_int_equal(run("printf 12345", 4), ERR_FULL);
	assert_int_equal(run("while :; do echo y; done", sizeof(answer)), ERR_FULL);
}

static void a_child_inherits_no_variable_but_those_of_the_list(void **state)
{
	(void)state;
	setenv("AWS_SECRET_ACCESS_KEY", "canary", 1);
	setenv("MRMR_PASSPHRASE", "canary", 1);
	setenv("GPG_TTY", "/dev/pts/7", 1);
	assert_int_equal(run("env", sizeof(answer)), ERR_NONE);
	assert_null(strstr(answer, "canary"));
	assert_non_null(strstr(answer, "GPG_TTY=/dev/pts/7\n"));
	assert_non_null(strstr(answer, "PATH="));
}

static void the_built_environment_can_be_given_more_and_holds_nothing_else(void **state)
{
	static const char *const more[] = {"OWN=x", "OTHER=y", NULL};
	bool found_path = false, found_own = false, found_other = false;
	char **env;

	(void)state;
	setenv("CANARY", "secret", 1);
	env = child_environment(more);
	assert_non_null(env);
	for (size_t i = 0; env[i]; i++) {
		found_path |= strncmp(env[i], "PATH=", 5) == 0;
		found_own |= strcmp(env[i], "OWN=x") == 0;
		found_other |= strcmp(env[i], "OTHER=y") == 0;
		assert_null(strstr(env[i], "CANARY"));
	}
	assert_true(found_path && found_own && found_other);
	child_environment_free(env);
	child_environment_free(NULL);
}

static void a_child_dies_of_sigpipe_though_we_ignore_it(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(run("trap >/dev/null; kill -PIPE $$; echo alive", sizeof(answer)), ERR_IO);
	assert_string_equal(err.message, "run 'sh': it was killed by signal 13");
}

/* stdin and stderr are ours, stdout a file. */
static void one_that_is_not_waited_for_leads_a_group_and_inherits_no_secret(void **state)
{
	const char *argv[] = { "sh", "-c", "env; read -r a b c d group e </proc/$$/stat; echo $group", NULL };
	char path[] = "/tmp/mrmr-child-XXXXXX", pgid[20];
	int fds[3] = { -1, mkostemp(path, O_CLOEXEC), -1 }, status;
	pid_t pid;

	(void)state;
	assert_true(fds[1] >= 0);
	unlink(path);
	setenv("AWS_SECRET_ACCESS_KEY", "canary", 1);
	assert_int_equal(child_spawn(argv, fds, &pid, &err), ERR_NONE);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	memset(answer, 0, sizeof(answer));
	assert_true(pread(fds[1], answer, sizeof(answer) - 1, 0) > 0);
	close(fds[1]);
	fds[1] = -1;
	assert_null(strstr(answer, "canary"));
	snprintf(pgid, sizeof(pgid), "%d\n", (int)pid);
	assert_true(strlen(answer) > strlen(pgid));
	assert_string_equal(answer + strlen(answer) - strlen(pgid), pgid);
	assert_int_equal(child_spawn((const char *const[]){ "/nowhere", NULL }, fds, &pid, &err),
			 ERR_NOT_FOUND);
}

static void on_signal(int signal_number)
{
	stop_request(signal_number);
}

static void *interrupt_soon(void *thread)
{
	usleep(200000);
	pthread_kill(*(pthread_t *)thread, SIGTERM);
	return NULL;
}

static void waiting_for_a_child_can_be_interrupted(void **state)
{
	struct sigaction action;
	pthread_t self = pthread_self(), other;

	(void)state;
	memset(&action, 0, sizeof(action));
	action.sa_handler = on_signal;
	sigaction(SIGTERM, &action, NULL);
	assert_int_equal(pthread_create(&other, NULL, interrupt_soon, &self), 0);
	assert_int_equal(run("exec sleep 60", sizeof(answer)), ERR_INTERRUPTED);
	pthread_join(other, NULL);
	stop_request(0);
	signal(SIGTERM, SIG_DFL);
}

static void words_are_split_as_a_shell_would_without_expanding(void **state)
{
	static const struct {
		const char *line;
		const char *words[5];
	} rows[] = {
		{ "pass show mrmr", { "pass", "show", "mrmr" } },
		{ "  a\t b\n", { "a", "b" } },
		{ "a 'b c' \"d e\" f\\ g", { "a", "b c", "d e", "f g" } },
		{ "a'b'\"c\"d", { "abcd" } },
		{ "'\\' \"\\\"\" \\'", { "\\", "\"", "'" } },
		{ "'' \"\"", { "", "" } },
		{ "$HOME `x` * ~", { "$HOME", "`x`", "*", "~" } },
	};
	char **words;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t count = 0;

		assert_int_equal(words_split(rows[i].line, &words, &err), ERR_NONE);
		for (; rows[i].words[count]; count++) {
			assert_non_null(words[count]);
			assert_string_equal(words[count], rows[i].words[count]);
		}
		assert_null(words[count]);
		words_free(words);
	}
}

static void an_open_quote_or_an_empty_line_is_no_command(void **state)
{
	static const char *const bad[] = { "", "   ", "a 'b", "a \"b", "a b\\" };
	char **words;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(words_split(bad[i], &words, &err), ERR_USAGE);
		assert_null(words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_childs_output_comes_back_byte_for_byte),
		cmocka_unit_test(a_child_that_fails_is_an_error_that_names_the_program_only),
		cmocka_unit_test(a_child_that_says_too_much_is_stopped),
		cmocka_unit_test(a_child_inherits_no_variable_but_those_of_the_list),
		cmocka_unit_test(the_built_environment_can_be_given_more_and_holds_nothing_else),
		cmocka_unit_test(a_child_dies_of_sigpipe_though_we_ignore_it),
		cmocka_unit_test(one_that_is_not_waited_for_leads_a_group_and_inherits_no_secret),
		cmocka_unit_test(waiting_for_a_child_can_be_interrupted),
		cmocka_unit_test(words_are_split_as_a_shell_would_without_expanding),
		cmocka_unit_test(an_open_quote_or_an_empty_line_is_no_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
