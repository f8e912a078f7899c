/* Options of drives, and the secrets they refer to. */
#include "base/drive_option.h"
#include "base/file.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const taken[] = { "user", "password", "ca", "accept-new", "addressing",
				     "conditional-put", NULL };
static struct error err;
static struct drive_option_set *set;
static struct credential secret;
static char *folder;

static int begin(void **state)
{
	(void)state;
	folder = temp_folder();
	return 0;
}

static int end(void **state)
{
	(void)state;
	credential_release(&secret);
	drive_options_free(set);
	set = NULL;
	credentials_forget();
	temp_folder_remove(folder);
	return 0;
}

static int parse(const char *json)
{
	drive_options_free(set);
	set = NULL;
	return drive_options_parse(json, taken, "options", &set, &err);
}

/* The options are these; the secret is that of password. */
static int secret_of(const char *json, const char *const *variables)
{
	assert_int_equal(parse(json), ERR_NONE);
	credential_release(&secret);
	return drive_option_secret(set, "password", variables, &secret, &err);
}

static int secret_by(const char *reference)
{
	char json[300];

	snprintf(json, sizeof(json), "{\"password\": \"%s\"}", reference);
	return secret_of(json, NULL);
}

static const char *file_with(const char *name, const char *bytes, size_t len_bytes, mode_t mode)
{
	const char *path = temp_path(folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0 && write_all(fd, bytes, len_bytes));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

static const char *reference_to(const char *path)
{
	static char reference[200];

	snprintf(reference, sizeof(reference), "file:%s", path);
	return reference;
}

/* ---- options ---- */

static void an_option_has_only_values_of_its_kind(void **state)
{
	static const struct {
		const char *key, *value;
		int code;
	} cases[] = {
		{"user", "me", ERR_NONE},
		{"user", "", ERR_NONE}, /* takes it away */
		{"user", "a\nb", ERR_USAGE},
		{"user", "a\x7f", ERR_USAGE},
		{"usr", "me", ERR_USAGE},
		{"", "me", ERR_USAGE},
		{"accept-new", "yes", ERR_NONE},
		{"accept-new", "no", ERR_NONE},
		{"accept-new", "yes|no", ERR_USAGE},
		{"accept-new", "y", ERR_USAGE},
		{"addressing", "path", ERR_NONE},
		{"addressing", "virtual", ERR_NONE},
		{"addressing", "virtua", ERR_USAGE},
		{"connections", "1", ERR_NONE},
		{"connections", "64", ERR_NONE},
		{"connections", "0", ERR_USAGE},
		{"connections", "65", ERR_USAGE},
		{"connections", "two", ERR_USAGE},
		{"limit-upload", "20M", ERR_NONE},
		{"limit-upload", "fast", ERR_USAGE},
		{"password", "env:A_b9", ERR_NONE},
		{"password", "env:9A", ERR_USAGE},
		{"password", "env:", ERR_USAGE},
		{"password", "env:A=B", ERR_USAGE},
		{"password", "file:x", ERR_NONE},
		{"password", "file:", ERR_USAGE},
		{"password", "command:a 'b c'", ERR_NONE},
		{"password", "command:a 'b c", ERR_USAGE},
		{"password", "command: ", ERR_USAGE},
		{"conditional-put", "yes", ERR_USAGE}, /* found out, never given */
		{"conditional-put", "", ERR_NONE},
	};
	char long_value[1026];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (drive_option_check(cases[i].key, cases[i].value, &err) != cases[i].code)
			fail_msg("%s=%s", cases[i].key, cases[i].value);
	}
	memset(long_value, 'a', sizeof(long_value) - 1);
	long_value[sizeof(long_value) - 1] = '\0';
	assert_int_equal(drive_option_check("user", long_value, &err), ERR_USAGE);
	assert_int_equal(drive_option_check("user", long_value + 1, &err), ERR_NONE);
}

static void a_secret_as_it_is_is_refused_and_not_repeated(void **state)
{
	(void)state;
	assert_int_equal(drive_option_check("password", "hunter2", &err), ERR_USAGE);
	assert_null(strstr(err.message, "hunter2"));
	assert_int_equal(parse("{\"password\": \"hunter2\"}"), ERR_USAGE);
	assert_null(strstr(err.message, "hunter2"));
}

static void only_what_the_kind_takes_is_taken(void **state)
{
	(void)state;
	assert_int_equal(parse("{\"connections\": \"3\", \"limit-upload\": \"1M\", \"user\": \"me\","
			       "\"conditional-put\": \"yes\"}"), ERR_NONE);
	assert_string_equal(drive_option(set, "user"), "me");
	assert_null(drive_option(set, "ca"));
	assert_int_equal(parse("{\"region\": \"r\"}"), ERR_USAGE);
	assert_string_equal(err.message,
			    "options: a drive of this kind has no property 'region'");
	assert_int_equal(parse("{\"dot-names\": \"no\"}"), ERR_USAGE);
	assert_int_equal(parse("{\"nonsense\": \"r\"}"), ERR_USAGE);
	assert_int_equal(drive_options_parse("{\"user\": \"me\"}", NULL, "options", &set, &err),
			 ERR_USAGE);
	assert_null(set);
}

static void what_is_no_text_or_no_json_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "[]", "{\"user\": 1}", "{\"user\": null}", "{\"user\": \"a\", \"user\": \"b\"}",
		"{\"user\": {\"env\": \"A\"}}", "{\"user\": \"\"}",
		"{\"password\": {\"env\": \"9\"}}", "{\"password\": {}}",
		"{\"password\": {\"env\": \"A\", \"file\": \"f\"}}",
		"{\"password\": {\"command\": []}}", "{\"password\": {\"command\": [\"a\", 1]}}",
		"{\"password\": {\"command\": \"a\"}}", "{\"password\": [\"a\"]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (parse(texts[i]) == ERR_NONE)
			fail_msg("%s", texts[i]);
		assert_null(set);
	}
}

static void no_options_are_as_good_as_none_given(void **state)
{
	uint64_t number;
	bool flag;

	(void)state;
	assert_int_equal(drive_options_parse(NULL, NULL, "options", &set, &err), ERR_NONE);
	assert_null(drive_option(set, "user"));
	assert_null(drive_option(NULL, "user"));
	assert_int_equal(drive_option_number(NULL, "connections", 1, 8, 5, &number, &err), ERR_NONE);
	assert_int_equal(number, 5);
	assert_int_equal(drive_option_flag(set, "accept-new", true, &flag, &err), ERR_NONE);
	assert_true(flag);
	assert_int_equal(drive_option_secret(NULL, "password", NULL, &secret, &err), ERR_NONE);
	assert_null(secret.text);
}

static void numbers_sizes_and_flags_are_read(void **state)
{
	uint64_t number;
	bool flag;

	(void)state;
	assert_int_equal(parse("{\"connections\": \"3\", \"limit-upload\": \"2K\","
			       "\"accept-new\": \"no\"}"), ERR_NONE);
	assert_int_equal(drive_option_number(set, "connections", 1, 8, 5, &number, &err), ERR_NONE);
	assert_int_equal(number, 3);
	assert_int_equal(drive_option_number(set, "connections", 4, 8, 5, &number, &err), ERR_USAGE);
	assert_int_equal(drive_option_number(set, "limit-upload", 0, UINT64_MAX, 0, &number, &err),
			 ERR_NONE);
	assert_int_equal(number, 2048);
	assert_int_equal(drive_option_number(set, "limit-upload", 0, 2047, 0, &number, &err),
			 ERR_USAGE);
	assert_int_equal(drive_option_flag(set, "accept-new", true, &flag, &err), ERR_NONE);
	assert_false(flag);
}

static void a_path_is_known_to_be_one(void **state)
{
	(void)state;
	assert_int_equal(drive_option_path_at("ca", "a/b"), 0);
	assert_int_equal(drive_option_path_at("password", "file:a"), 5);
	assert_int_equal(drive_option_path_at("password", "env:A"), 5); /* its length: none */
	assert_int_equal(drive_option_path_at("user", "a/b"), 3);
	assert_int_equal(drive_option_path_at("nonsense", "a/b"), 3);
}

/* ---- secrets ---- */

static void a_variable_gives_its_value_and_is_wiped(void **state)
{
	static char variable[] = "DRIVE_OPTION_TEST=canary";

	(void)state;
	assert_int_equal(putenv(variable), 0); /* this very memory is the environment's */
	assert_int_equal(secret_by("env:DRIVE_OPTION_TEST"), ERR_NONE);
	assert_string_equal(secret.text, "canary");
	for (size_t i = strlen("DRIVE_OPTION_TEST="); i < sizeof(variable); i++)
		assert_int_equal(variable[i], 0);
	/* Asked for again, it is still known. */
	assert_int_equal(secret_of("{\"password\": {\"env\": \"DRIVE_OPTION_TEST\"}}", NULL), ERR_NONE);
	assert_string_equal(secret.text, "canary");
}

static void variables_of_providers_are_gone_from_the_start(void **state)
{
	static const char *const names[] = {
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "OS_PASSWORD",
		"OS_APPLICATION_CREDENTIAL_SECRET", "OS_TOKEN", "OS_AUTH_TOKEN", "ST_KEY",
		"RCLONE_CONFIG_PASS", NULL};

	(void)state;
	for (size_t i = 0; names[i]; i++)
		setenv(names[i], names[i], 1);
	setenv("OS_USERNAME", "me", 1);
	assert_int_equal(credentials_take_environment(&err), ERR_NONE);
	assert_string_equal(getenv("OS_USERNAME"), "me");
	for (size_t i = 0; names[i]; i++) {
		const char *only[] = { "NOT_SET_AT_ALL", names[i], NULL };

		assert_null(getenv(names[i]));
		assert_int_equal(secret_of("{}", only), ERR_NONE);
		assert_string_equal(secret.text, names[i]);
	}
	/* The first of several. */
	assert_int_equal(secret_of("{}", names), ERR_NONE);
	assert_string_equal(secret.text, names[0]);
	credentials_forget();
	assert_int_equal(secret_of("{}", names), ERR_NONE);
	assert_null(secret.text);
}

static void what_is_given_goes_before_the_variables(void **state)
{
	static const char *const names[] = { "DRIVE_OPTION_OTHER", NULL };

	(void)state;
	setenv("DRIVE_OPTION_OTHER", "other", 1);
	assert_int_equal(secret_of("{\"password\": \"command:echo given\"}", names), ERR_NONE);
	assert_string_equal(secret.text, "given");
}

static void a_variable_that_is_not_set_is_denied(void **state)
{
	(void)state;
	unsetenv("DRIVE_OPTION_NONE");
	assert_int_equal(secret_by("env:DRIVE_OPTION_NONE"), ERR_DENIED);
	assert_string_equal(err.message, "password: env:DRIVE_OPTION_NONE: there is no such variable");
	assert_null(secret.text);
}

static void a_file_gives_its_first_line(void **state)
{
	(void)state;
	assert_int_equal(secret_by(reference_to(file_with("a", "one\ntwo\n", 8, 0600))), ERR_NONE);
	assert_string_equal(secret.text, "one");
	assert_int_equal(secret_by(reference_to(file_with("b", "no end", 6, 0400))), ERR_NONE);
	assert_string_equal(secret.text, "no end");
	assert_int_equal(secret_by(reference_to(file_with("c", "", 0, 0600))), ERR_NONE);
	assert_string_equal(secret.text, "");
}

static void a_file_that_others_may_read_is_denied(void **state)
{
	static const mode_t modes[] = {0640, 0604, 0620, 0602, 0601, 0700};

	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		const char *path = file_with("a", "canary", 6, modes[i]);

		assert_int_equal(secret_by(reference_to(path)), ERR_DENIED);
		assert_non_null(strstr(err.message, path));
		assert_null(strstr(err.message, "canary"));
		assert_null(secret.text);
	}
}

static void what_is_no_file_of_ours_is_denied(void **state)
{
	const char *fifo = temp_path(folder, "fifo"), *theirs;

	(void)state;
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(secret_by(reference_to(fifo)), ERR_DENIED);
	assert_int_equal(secret_by(reference_to(folder)), ERR_DENIED);
	assert_int_equal(secret_by(reference_to(temp_path(folder, "none"))), ERR_DENIED);
	if (geteuid() != 0)
		return;
	theirs = file_with("theirs", "canary", 6, 0600);
	assert_int_equal(chown(theirs, 1, 1), 0);
	assert_int_equal(secret_by(reference_to(theirs)), ERR_DENIED);
	assert_non_null(strstr(err.message, "it belongs to user 1"));
}

static void a_secret_too_long_or_with_a_zero_byte_is_denied(void **state)
{
	static char bytes[(16 << 10) + 1];

	(void)state;
	memset(bytes, 's', sizeof(bytes));
	assert_int_equal(secret_by(reference_to(file_with("a", bytes, sizeof(bytes) - 1, 0600))),
			 ERR_NONE);
	assert_int_equal(strlen(secret.text), sizeof(bytes) - 1);
	assert_int_equal(secret_by(reference_to(file_with("a", bytes, sizeof(bytes), 0600))),
			 ERR_DENIED);
	assert_int_equal(secret_by(reference_to(file_with("b", "a\0b\n", 4, 0600))), ERR_DENIED);
	assert_int_equal(secret_by("command:head -c 16384 /dev/zero"), ERR_DENIED);
	assert_int_equal(secret_by("command:head -c 17000 /dev/zero"), ERR_DENIED);
}

static void a_command_gives_the_first_line_it_prints_without_a_shell(void **state)
{
	(void)state;
	assert_int_equal(secret_by("command:printf '%s\\\\nmore\\\\n' 'a $HOME'"), ERR_NONE);
	assert_string_equal(secret.text, "a $HOME");
	assert_int_equal(secret_of("{\"password\": {\"command\": [\"echo\", \"a  'b\"]}}", NULL),
			 ERR_NONE);
	assert_string_equal(secret.text, "a  'b");
}

static void a_command_that_fails_is_denied_and_named_without_its_words(void **state)
{
	(void)state;
	assert_int_equal(secret_by("command:sh -c 'exit 3' canary"), ERR_DENIED);
	assert_non_null(strstr(err.message, "password: command:sh"));
	assert_null(strstr(err.message, "canary"));
	assert_int_equal(secret_by("command:/nonexistent/command canary"), ERR_DENIED);
	assert_null(strstr(err.message, "canary"));
}

#define ASKING 4

static void *ask(void *arg)
{
	struct credential c;
	struct error why;

	if (drive_option_secret(arg, "password", NULL, &c, &why) != ERR_NONE)
		return NULL;
	credential_release(&c);
	return arg;
}

static void a_command_is_run_once_however_many_ask(void **state)
{
	const char *log = temp_path(folder, "log");
	char reference[300];
	pthread_t threads[ASKING];
	struct stat st;

	(void)state;
	snprintf(reference, sizeof(reference),
		 "{\"password\": \"command:sh -c 'echo x >>%s; sleep 0.1; echo s'\"}", log);
	assert_int_equal(parse(reference), ERR_NONE);
	for (int i = 0; i < ASKING; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask, set), 0);
	for (int i = 0; i < ASKING; i++) {
		void *answer;

		pthread_join(threads[i], &answer);
		assert_non_null(answer);
	}
	assert_int_equal(stat(log, &st), 0);
	assert_int_equal(st.st_size, 2);
}

static void what_runs_a_program_is_told_from_what_does_not(void **state)
{
	(void)state;
	assert_true(drive_runs_program("exec:x"));
	assert_true(drive_runs_program("rclone::sftp,ssh=x:y"));
	assert_false(drive_runs_program("rclone:remote:x"));
	assert_false(drive_runs_program("/command:x"));
}

/* What is left of options, and the keys that were taken out. */
static void assert_left(const char *json, enum reference_kinds which, const char *left,
			const char *keys)
{
	json_t *options = json_loads(json, 0, NULL);
	struct buf out = { 0 };
	char *printed;

	assert_non_null(options);
	drive_references_take_out(options, which, &out);
	printed = json_dumps(options, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(printed, left);
	buf_add_u8(&out, 0);
	assert_string_equal((const char *)out.data, keys);
	free(printed);
	buf_release(&out);
	json_decref(options);
}

static void references_of_others_are_taken_out_of_options(void **state)
{
	static const char json[] = "{\"ca\":\"/ca\",\"key\":{\"command\":[\"x\"]},"
				   "\"password\":\"file:/x\",\"secret_key\":\"command:x\","
				   "\"token\":{\"env\":\"X\"},\"user\":\"command:me\"}";

	(void)state;
	assert_left(json, REFERENCES_ALL, "{\"ca\":\"/ca\",\"user\":\"command:me\"}",
		    "password, token, key, secret_key");
	assert_left(json, REFERENCES_TO_PROGRAMS,
		    "{\"ca\":\"/ca\",\"password\":\"file:/x\",\"token\":{\"env\":\"X\"},"
		    "\"user\":\"command:me\"}", "key, secret_key");
	assert_left("{\"user\":\"me\"}", REFERENCES_ALL, "{\"user\":\"me\"}", "");
	assert_left("{}", REFERENCES_ALL, "{}", "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

static void what_options_weaken_is_told_and_nothing_else(void **state)
{
	struct drive_weakness w;

	(void)state;
	assert_false(drive_options_weakness(NULL, 0, &w));
	assert_false(drive_options_weakness("{}", 0, &w));
	assert_false(drive_options_weakness("{\"checksum\": \"none\", \"etag\": \"md5\", "
					    "\"conditional-put\": \"no\"}", 0, &w));
	assert_true(drive_options_weakness("{\"fsync\": \"no\"}", 0, &w));
	assert_string_equal(w.option, "fsync=no");
	assert_false(drive_options_weakness("{\"fsync\": \"no\"}", 1, &w));
	assert_true(drive_options_weakness("{\"checksum\": \"none\", \"etag\": \"other\", "
					   "\"fsync\": \"no\"}", 1, &w));
	assert_string_equal(w.option, "etag=other");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_option_has_only_values_of_its_kind),
		TEST(a_secret_as_it_is_is_refused_and_not_repeated),
		TEST(only_what_the_kind_takes_is_taken),
		TEST(what_is_no_text_or_no_json_is_refused),
		TEST(no_options_are_as_good_as_none_given),
		TEST(numbers_sizes_and_flags_are_read),
		TEST(a_path_is_known_to_be_one),
		TEST(what_runs_a_program_is_told_from_what_does_not),
		TEST(references_of_others_are_taken_out_of_options),
		TEST(a_variable_gives_its_value_and_is_wiped),
		TEST(variables_of_providers_are_gone_from_the_start),
		TEST(what_is_given_goes_before_the_variables),
		TEST(a_variable_that_is_not_set_is_denied),
		TEST(a_file_gives_its_first_line),
		TEST(a_file_that_others_may_read_is_denied),
		TEST(what_is_no_file_of_ours_is_denied),
		TEST(a_secret_too_long_or_with_a_zero_byte_is_denied),
		TEST(a_command_gives_the_first_line_it_prints_without_a_shell),
		TEST(a_command_that_fails_is_denied_and_named_without_its_words),
		TEST(a_command_is_run_once_however_many_ask),
		TEST(what_options_weaken_is_told_and_nothing_else),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
