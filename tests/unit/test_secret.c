/* Secrets: where they come from, and that they leave no trace in the environment. */
#include "base/bytes.h"
#include "base/file.h"
#include "cmd/secret.h"
#include "cmd/secret_env.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct error err;
static struct held_secret held;
static char *folder;

static int begin(void **state)
{
	(void)state;
	folder = temp_folder();
	return clearenv();
}

static int end(void **state)
{
	(void)state;
	held_secret_release(&held);
	secrets_forget();
	temp_folder_remove(folder);
	return 0;
}

/* Sets a variable and takes all of them out of the environment. */
static void with(const char *name, const char *value)
{
	setenv(name, value, 1);
	assert_int_equal(secrets_take_environment(&err), ERR_NONE);
}

static void holds(const char *bytes)
{
	assert_int_equal(held.secret.kind, SLOT_PASSPHRASE);
	assert_int_equal(held.secret.len_bytes, strlen(bytes));
	assert_memory_equal(held.secret.bytes, bytes, strlen(bytes));
}

static const char *file_with(const char *name, const char *text, mode_t mode)
{
	const char *path = temp_path(folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0 && write_all(fd, text, strlen(text)));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

static void a_passphrase_comes_from_the_environment_as_it_is(void **state)
{
	(void)state;
	with("MRMR_PASSPHRASE", "with space\nand newline ");
	assert_int_equal(secret_to_unlock(false, &held, &err), ERR_NONE);
	holds("with space\nand newline ");
}

static void no_trace_of_it_is_left_in_the_environment(void **state)
{
	static char variable[] = "MRMR_PASSPHRASE=canary";

	(void)state;
	assert_int_equal(putenv(variable), 0); /* this very memory is the environment's */
	assert_int_equal(secrets_take_environment(&err), ERR_NONE);
	assert_null(getenv("MRMR_PASSPHRASE"));
	for (size_t i = strlen("MRMR_PASSPHRASE="); i < sizeof(variable); i++)
		assert_int_equal(variable[i], 0);
	assert_string_equal(secret_variable(SECRET_OLD, SECRET_TEXT), "canary");
}

static void a_file_gives_its_first_line(void **state)
{
	(void)state;
	with("MRMR_PASSPHRASE_FILE", file_with("p", "from file\nnot this\n", 0644));
	assert_int_equal(secret_to_unlock(false, &held, &err), ERR_NONE);
	holds("from file");
}

static void a_command_gives_the_first_line_it_prints(void **state)
{
	(void)state;
	setenv("PATH", "/usr/bin:/bin", 1);
	with("MRMR_PASSPHRASE_COMMAND", "printf '%s\\n%s\\n' \"from $HOME\" 'not this'");
	assert_int_equal(secret_to_unlock(false, &held, &err), ERR_NONE);
	holds("from $HOME"); /* no shell was there to expand it */
}

static void a_descriptor_gives_one_line_for_each_question(void **state)
{
	int fds[2];
	char number[16];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_true(write_all(fds[1], "old\nnew\n", 8));
	close(fds[1]);
	snprintf(number, sizeof(number), "%d", fds[0]);
	setenv("MRMR_NEW_PASSPHRASE_FD", number, 1);
	with("MRMR_PASSPHRASE_FD", number);
	assert_int_equal(secret_to_unlock(false, &held, &err), ERR_NONE);
	holds("old");
	held_secret_release(&held);
	assert_int_equal(secret_for_new_slot(false, &held, &err), ERR_NONE);
	holds("new");
	close(fds[0]);
}

static void a_new_passphrase_never_comes_from_the_old_ones_variable(void **state)
{
	(void)state;
	setenv("MRMR_NEW_PASSPHRASE", "new", 1);
	with("MRMR_PASSPHRASE", "old");
	assert_int_equal(secret_for_new_slot(false, &held, &err), ERR_NONE);
	holds("new");
	held_secret_release(&held);
	assert_int_equal(secret_for_init(false, &held, &err), ERR_NONE);
	holds("old");
}

static void an_empty_passphrase_needs_leave(void **state)
{
	(void)state;
	with("MRMR_PASSPHRASE", "");
	assert_int_equal(secret_to_unlock(false, &held, &err), ERR_USAGE);
	assert_null(held.memory);
	assert_int_equal(secret_for_init(false, &held, &err), ERR_USAGE);
	assert_int_equal(secret_to_unlock(true, &held, &err), ERR_NONE);
	holds("");
}

static void with_leave_nobody_is_asked(void **state)
{
	(void)state;
	assert_int_equal(secret_for_init(true, &held, &err), ERR_NONE);
	holds("");
}

static void what_gives_no_passphrase_is_an_error_of_keys(void **state)
{
	static const struct {
		const char *name, *value, *message;
	} rows[] = {
		{ "MRMR_PASSPHRASE_FILE", "/nowhere/x",
		  "passphrase file /nowhere/x: No such file or directory" },
		{ "MRMR_PASSPHRASE_FILE", "/", "passphrase file /: Is a directory" },
		{ "MRMR_PASSPHRASE_COMMAND", "/nowhere/x secret",
		  "passphrase command: run '/nowhere/x': No such file or directory" },
		{ "MRMR_PASSPHRASE_COMMAND", "/bin/false",
		  "passphrase command: run '/bin/false': it exited with 1" },
		{ "MRMR_PASSPHRASE_FD", "999",
		  "read the passphrase from descriptor 999: Bad file descriptor" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		with(rows[i].name, rows[i].value);
		assert_int_equal(secret_to_unlock(false, &held, &err), ERR_KEY);
		assert_int_equal(err.code, ERR_KEY);
		assert_string_equal(err.message, rows[i].message);
		assert_null(held.memory);
		secrets_forget();
	}
	with("MRMR_PASSPHRASE_FD", "three");
	assert_int_equal(secret_to_unlock(false, &held, &err), ERR_USAGE);
	secrets_forget();
	with("MRMR_PASSPHRASE_COMMAND", "pass 'show");
	assert_int_equal(secret_to_unlock(false, &held, &err), ERR_USAGE);
}

static void a_passphrase_that_is_too_long_is_refused_not_cut(void **state)
{
	static char text[PASSPHRASE_BYTES_MAX + 2];

	(void)state;
	memset(text, 'x', PASSPHRASE_BYTES_MAX + 1);
	with("MRMR_PASSPHRASE", text);
	assert_int_equal(secret_to_unlock(false, &held, &err), ERR_KEY);
	secrets_forget();
	unsetenv("MRMR_PASSPHRASE");
	with("MRMR_PASSPHRASE_FILE", file_with("long", text, 0600));
	assert_int_equal(secret_to_unlock(false, &held, &err), ERR_KEY);
	secrets_forget();
	text[PASSPHRASE_BYTES_MAX] = '\0';
	with("MRMR_PASSPHRASE", text);
	assert_int_equal(secret_to_unlock(false, &held, &err), ERR_NONE);
	holds(text);
}

static void a_recovery_key_is_known_by_its_text(void **state)
{
	uint8_t key[KEY_BYTES];
	char text[RECOVERY_TEXT_BYTES];

	(void)state;
	memset(key, 0x5a, sizeof(key));
	recovery_text(key, text);
	with("MRMR_PASSPHRASE", text);
	assert_int_equal(secret_to_unlock(false, &held, &err), ERR_NONE);
	assert_int_equal(held.secret.kind, SLOT_RECOVERY);
	assert_int_equal(held.secret.len_bytes, KEY_BYTES);
	assert_memory_equal(held.secret.bytes, key, KEY_BYTES);
	held_secret_release(&held);
	/* For a new array it would be a passphrase like any other. */
	assert_int_equal(secret_for_init(false, &held, &err), ERR_NONE);
	holds(text);
}

static void a_key_file_that_was_made_opens_and_is_ours_alone(void **state)
{
	const char *path = temp_path(folder, "key");
	uint8_t key[KEY_BYTES];
	struct stat st;

	(void)state;
	umask(0);
	assert_int_equal(secret_make_key_file(path, &held, &err), ERR_NONE);
	assert_int_equal(held.secret.kind, SLOT_KEY_FILE);
	memcpy(key, held.secret.bytes, KEY_BYTES);
	held_secret_release(&held);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	setenv("MRMR_KEY_FILE", path, 1);
	with("MRMR_PASSPHRASE", "not needed");
	assert_int_equal(secret_to_unlock(false, &held, &err), ERR_NONE);
	assert_int_equal(held.secret.kind, SLOT_KEY_FILE);
	assert_memory_equal(held.secret.bytes, key, KEY_BYTES);
	assert_int_equal(secret_make_key_file(path, &held, &err), ERR_EXISTS);
	assert_true(file_exists(path)); /* and it is still the old one */
	assert_int_equal(secret_from_key_file(path, &held, &err), ERR_NONE);
	assert_memory_equal(held.secret.bytes, key, KEY_BYTES);
}

static void a_key_file_that_others_may_read_or_is_none_is_refused(void **state)
{
	static const mode_t bad_modes[] = { 0644, 0640, 0604, 0660, 0700, 0620 };
	const char *path = temp_path(folder, "key"), *fifo = temp_path(folder, "fifo");

	(void)state;
	assert_int_equal(secret_make_key_file(path, &held, &err), ERR_NONE);
	held_secret_release(&held);
	for (size_t i = 0; i < sizeof(bad_modes) / sizeof(bad_modes[0]); i++) {
		assert_int_equal(chmod(path, bad_modes[i]), 0);
		assert_int_equal(secret_from_key_file(path, &held, &err), ERR_KEY);
		assert_non_null(strstr(err.message, "chmod 600"));
	}
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(secret_from_key_file(path, &held, &err), ERR_NONE);
	held_secret_release(&held);
	assert_int_equal(secret_from_key_file(folder, &held, &err), ERR_KEY);
	assert_int_equal(secret_from_key_file("/nowhere/key", &held, &err), ERR_KEY);
	assert_int_equal(err.code, ERR_KEY);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(secret_from_key_file(fifo, &held, &err), ERR_KEY);
	assert_int_equal(secret_from_key_file(file_with("junk", "hello\n", 0600), &held, &err), ERR_KEY);
	assert_null(held.memory);
}

static void a_key_file_of_somebody_else_is_refused(void **state)
{
	const char *path = temp_path(folder, "key");

	(void)state;
	assert_int_equal(secret_make_key_file(path, &held, &err), ERR_NONE);
	held_secret_release(&held);
	if (chown(path, 4711, (gid_t)-1) < 0)
		skip(); /* only root gives files away */
	assert_int_equal(secret_from_key_file(path, &held, &err), ERR_KEY);
	assert_non_null(strstr(err.message, "belongs to user 4711"));
}

static void a_key_file_that_cannot_be_written_leaves_nothing(void **state)
{
	const char *path = temp_path(folder, "key");
	struct rlimit before, ten_bytes;

	(void)state;
	assert_int_equal(secret_make_key_file("/nowhere/key", &held, &err), ERR_NOT_FOUND);
	assert_null(held.memory);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	ten_bytes = (struct rlimit){ 10, before.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &ten_bytes), 0);
	assert_int_equal(secret_make_key_file(path, &held, &err), ERR_FULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_null(held.memory);
	assert_false(file_exists(path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_passphrase_comes_from_the_environment_as_it_is,
						begin, end),
		cmocka_unit_test_setup_teardown(no_trace_of_it_is_left_in_the_environment, begin,
						end),
		cmocka_unit_test_setup_teardown(a_file_gives_its_first_line, begin, end),
		cmocka_unit_test_setup_teardown(a_command_gives_the_first_line_it_prints, begin, end),
		cmocka_unit_test_setup_teardown(a_descriptor_gives_one_line_for_each_question, begin,
						end),
		cmocka_unit_test_setup_teardown(
			a_new_passphrase_never_comes_from_the_old_ones_variable, begin, end),
		cmocka_unit_test_setup_teardown(an_empty_passphrase_needs_leave, begin, end),
		cmocka_unit_test_setup_teardown(with_leave_nobody_is_asked, begin, end),
		cmocka_unit_test_setup_teardown(what_gives_no_passphrase_is_an_error_of_keys, begin,
						end),
		cmocka_unit_test_setup_teardown(a_passphrase_that_is_too_long_is_refused_not_cut,
						begin, end),
		cmocka_unit_test_setup_teardown(a_recovery_key_is_known_by_its_text, begin, end),
		cmocka_unit_test_setup_teardown(a_key_file_that_was_made_opens_and_is_ours_alone,
						begin, end),
		cmocka_unit_test_setup_teardown(
			a_key_file_that_others_may_read_or_is_none_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(a_key_file_of_somebody_else_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(a_key_file_that_cannot_be_written_leaves_nothing,
						begin, end),
	};

	if (seal_start(&err) != ERR_NONE)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
