/*
 * Passphrases typed on a terminal. Each test plays the person at one end of a pseudo terminal;
 * a child process, whose terminal it is, asks.
 */
#include "base/stop.h"
#include "cmd/secret.h"
#include "cmd/signals.h"
#include "cmd/terminal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define PATIENCE_MS 10000

static int keyboard = -1; /* our end */
static pid_t asker;
static char seen[4096]; /* what the terminal has shown since the last shows() */

static struct error err;
static struct held_secret held;

/* What a child does; its exit code is the err_code, or 100 for an unexpected secret. */
typedef int child_fn(void);

static void start(child_fn *ask)
{
	memset(seen, 0, sizeof(seen));
	asker = forkpty(&keyboard, NULL, NULL, NULL);
	assert_true(asker >= 0);
	if (asker == 0)
		_exit(ask());
}

/* Waits until the terminal shows that text. */
static void shows(const char *text)
{
	size_t used = 0;

	memset(seen, 0, sizeof(seen));
	while (!strstr(seen, text)) {
		struct pollfd ready = { .fd = keyboard, .events = POLLIN };
		ssize_t got;

		if (poll(&ready, 1, PATIENCE_MS) != 1)
			fail_msg("no '%s' in '%s'", text, seen);
		got = read(keyboard, seen + used, sizeof(seen) - 1 - used);
		if (got <= 0)
			fail_msg("no '%s' in '%s' before the end", text, seen);
		used += (size_t)got;
	}
}

static void types(const char *text)
{
	assert_int_equal(write(keyboard, text, strlen(text)), strlen(text));
}

/* Waits for the child and returns its exit code; it has shown nothing secret. */
static int ends(void)
{
	size_t used = strlen(seen);
	ssize_t got = 1;
	int status;

	while (used < sizeof(seen) - 1 && got > 0) {
		struct pollfd ready = { .fd = keyboard, .events = POLLIN };

		if (poll(&ready, 1, PATIENCE_MS) != 1) {
			kill(asker, SIGKILL);
			fail_msg("it does not end after '%s'", seen);
		}
		got = read(keyboard, seen + used, sizeof(seen) - 1 - used);
		used += got > 0 ? (size_t)got : 0;
	}
	seen[used] = '\0';
	assert_int_equal(waitpid(asker, &status, 0), asker);
	close(keyboard);
	assert_null(strstr(seen, "secret"));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int same(int code, const char *expected)
{
	if (code != ERR_NONE)
		return code;
	return held.secret.len_bytes == strlen(expected) &&
			       memcmp(held.secret.bytes, expected, strlen(expected)) == 0
		       ? 0
		       : 100;
}

static int unlock(void)
{
	return same(secret_to_unlock(false, &held, &err), "my secret");
}

static int choose(void)
{
	return same(secret_for_init(false, &held, &err), "my secret");
}

static void a_passphrase_is_typed_unseen(void **state)
{
	(void)state;
	start(unlock);
	shows("Passphrase: ");
	types("my secret\n");
	assert_int_equal(ends(), ERR_NONE);
}

static void a_new_passphrase_is_typed_twice(void **state)
{
	(void)state;
	start(choose);
	shows("New passphrase: ");
	types("my secret\n");
	shows("Once more: ");
	types("my secret\n");
	assert_int_equal(ends(), ERR_NONE);
}

static void one_that_was_mistyped_is_asked_for_again_but_not_for_ever(void **state)
{
	(void)state;
	start(choose);
	for (int i = 0; i < 2; i++) {
		shows("New passphrase: ");
		types("my secret\n");
		shows("Once more: ");
		types("my secert\n");
	}
	shows("New passphrase: ");
	types("my secret\n");
	shows("Once more: ");
	types("my secret\n");
	assert_int_equal(ends(), ERR_NONE);

	start(choose);
	for (int i = 0; i < 3; i++) {
		shows("New passphrase: ");
		types("one\n");
		shows("Once more: ");
		types("two\n");
	}
	assert_int_equal(ends(), ERR_KEY);
}

static void an_empty_line_is_no_passphrase(void **state)
{
	(void)state;
	start(unlock);
	shows("Passphrase: ");
	types("\n");
	assert_int_equal(ends(), ERR_USAGE);
}

static void the_end_of_the_terminal_is_no_passphrase(void **state)
{
	(void)state;
	start(unlock);
	shows("Passphrase: ");
	types("\004");
	assert_int_equal(ends(), ERR_KEY);
}

/* After an interruption the echo must be on again: exit code 101 if it is not. */
static int unlock_and_look(void)
{
	struct termios now;
	int code;

	signals_start();
	code = secret_to_unlock(false, &held, &err);
	if (tcgetattr(STDIN_FILENO, &now) < 0 || !(now.c_lflag & ECHO))
		return 101;
	return code;
}

static void control_c_gives_up_and_turns_the_echo_on_again(void **state)
{
	(void)state;
	start(unlock_and_look);
	shows("Passphrase: ");
	types("my sec\003");
	assert_int_equal(ends(), ERR_INTERRUPTED);
}

/* A wish that came before the question is seen too. */
static int unlock_after_the_wish(void)
{
	signals_start();
	raise(SIGTERM);
	return secret_to_unlock(false, &held, &err);
}

static void a_signal_just_before_the_question_is_not_lost(void **state)
{
	(void)state;
	start(unlock_after_the_wish);
	assert_int_equal(ends(), ERR_INTERRUPTED);
}

static int ask_for_four(void)
{
	char out[4];
	size_t len_bytes;

	return terminal_ask("Four: ", out, sizeof(out), &len_bytes, &err);
}

static void a_line_that_does_not_fit_is_refused_to_its_end(void **state)
{
	(void)state;
	start(ask_for_four);
	shows("Four: ");
	types("1234\n");
	assert_int_equal(ends(), ERR_NONE);
	start(ask_for_four);
	shows("Four: ");
	types("12345\n");
	assert_int_equal(ends(), ERR_USAGE);
}

static int without_terminal(void)
{
	return setsid() < 0 ? 102 : secret_to_unlock(false, &held, &err);
}

static void without_a_terminal_the_variables_are_named(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		int code = without_terminal();

		_exit(strstr(err.message, "MRMR_PASSPHRASE") ? code : 103);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ERR_KEY);
}

/* The first signal is a wish, the second the end. */
static int wait_for_signals(void)
{
	signals_start();
	(void)!write(STDOUT_FILENO, "ready\n", 6);
	while (!stop_signal())
		usleep(1000);
	(void)!write(STDOUT_FILENO, "stopping\n", 9);
	while (pause() < 0)
		;
	return 106;
}

static void a_second_signal_kills_at_once(void **state)
{
	(void)state;
	start(wait_for_signals);
	shows("ready");
	assert_int_equal(kill(asker, SIGTERM), 0);
	shows("stopping");
	assert_int_equal(kill(asker, SIGINT), 0);
	assert_int_equal(ends(), 128 + SIGINT);
}

static int break_pipe(void)
{
	int fds[2];
	ssize_t sent;

	signals_start();
	if (pipe(fds) < 0 || close(fds[0]) < 0)
		return 104;
	sent = write(fds[1], "x", 1);
	if (sent >= 0 || errno != EPIPE)
		return 105;
	signals_die_of_broken_pipe();
	return 107;
}

static void a_broken_pipe_is_an_error_first_and_the_end_when_we_say_so(void **state)
{
	(void)state;
	start(break_pipe);
	assert_int_equal(ends(), 128 + SIGPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_passphrase_is_typed_unseen),
		cmocka_unit_test(a_new_passphrase_is_typed_twice),
		cmocka_unit_test(one_that_was_mistyped_is_asked_for_again_but_not_for_ever),
		cmocka_unit_test(an_empty_line_is_no_passphrase),
		cmocka_unit_test(the_end_of_the_terminal_is_no_passphrase),
		cmocka_unit_test(control_c_gives_up_and_turns_the_echo_on_again),
		cmocka_unit_test(a_signal_just_before_the_question_is_not_lost),
		cmocka_unit_test(a_line_that_does_not_fit_is_refused_to_its_end),
		cmocka_unit_test(without_a_terminal_the_variables_are_named),
		cmocka_unit_test(a_second_signal_kills_at_once),
		cmocka_unit_test(a_broken_pipe_is_an_error_first_and_the_end_when_we_say_so),
	};

	clearenv();
	if (seal_start(&err) != ERR_NONE)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
