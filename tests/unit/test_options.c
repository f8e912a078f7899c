/*
 * The parser of the command line, with a command table of its own: these definitions stand in
 * for those of cmd/tables.c, which is then not linked.
 */
#include "cmd/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static int no_run(struct invocation *inv, struct error *err)
{
	(void)inv;
	(void)err;
	return ERR_NONE;
}

static const struct option_row store_options[] = {
	{ 'e', "exclude", OPTION_TEXT, "PATTERN", "leave out", .flags = OPTION_MANY },
	{ 'x', "one", OPTION_FLAG, NULL, "stay" },
	{ 'n', "dry-run", OPTION_FLAG, NULL, "do nothing" },
	{ 0, "level", OPTION_NUMBER, "L", "a level", .min = 1, .max = 19 },
	{ 0, "limit", OPTION_SIZE, "SIZE", "a size" },
	{ 0, "age", OPTION_DURATION, "D", "a duration" },
	{ 0, "before", OPTION_TIME, "TIME", "a time" },
	{ 0, "mode", OPTION_CHOICE, "fast|slow", "a word" },
	{ 'o', "option", OPTION_PAIR, "KEY=VALUE", "a pair", .flags = OPTION_MANY },
	{ 0, "left", OPTION_FLAG, NULL, "either", .one_of = 1 },
	{ 0, "right", OPTION_FLAG, NULL, "or", .one_of = 1 },
	{ .name = NULL },
};

static const struct option_row fetch_options[] = {
	{ 0, "to", OPTION_FILE, "DIR", "where to", .flags = OPTION_REQUIRED },
	{ .name = NULL },
};

static const struct command store = { "store", "PATH...", "store", 1, ARGS_ANY,
				      { store_options }, no_run };
static const struct command fetch = { "fetch", "[WHAT]", "fetch", 0, 1,
				      { fetch_options }, no_run };
static const struct command lock_add = { "lock add", "", "add", 0, 0, { NULL }, no_run };

const struct command *const commands[] = { &store, &fetch, &lock_add, NULL };

const struct option_row global_options[] = {
	{ 'a', "array", OPTION_TEXT, "NAME", "the array" },
	{ 0, "json", OPTION_FLAG, NULL, "objects" },
	{ 'q', "quiet", OPTION_FLAG, NULL, "say less" },
	{ 'v', "verbose", OPTION_FLAG, NULL, "say more", .flags = OPTION_MANY },
	{ 0, "no-progress", OPTION_FLAG, NULL, "no bar" },
	{ 0, "expect-head", OPTION_TEXT, "FP", "a head" },
	{ 0, "kdf-limit", OPTION_SIZE, "SIZE", "a size" },
	{ 0, "limit-upload", OPTION_SIZE, "SIZE", "a rate" },
	{ 0, "limit-download", OPTION_SIZE, "SIZE", "a rate" },
	{ 0, "insecure-no-passphrase", OPTION_FLAG, NULL, "no passphrase" },
	{ 'h', "help", OPTION_FLAG, NULL, "help", .flags = OPTION_NO_TWIN },
	{ 0, "version", OPTION_FLAG, NULL, "version", .flags = OPTION_NO_TWIN },
	{ .name = NULL },
};

const struct absence absences[] = {
	{ "store", "mode", "slow" },
	{ "store", "secret-door" },
	{ "store", NULL, "all=max" },
	{ "store", "level", "13", "13 brings bad luck" },
	{ "vanish" },
	{ "lock turn" },
	{ .command = NULL },
};

static struct invocation inv;
static struct error err;

#define WORDS_MAX 16

/* Parses "mrmr" and the words, split at single spaces. Words live until the next call. */
static int parse(const char *line)
{
	static char copy[512];
	static char *argv[WORDS_MAX];
	int argc = 1;
	char *at;

	invocation_release(&inv);
	snprintf(copy, sizeof(copy), "%s", line);
	argv[0] = (char *)"mrmr";
	for (at = copy; *at && argc < WORDS_MAX - 1;) {
		argv[argc++] = at;
		at += strcspn(at, " ");
		if (*at)
			*at++ = '\0';
	}
	argv[argc] = NULL;
	return invocation_parse(&inv, argc, argv, &err);
}

static void refused(const char *line, const char *why)
{
	if (parse(line) != ERR_USAGE)
		fail_msg("'%s' was taken", line);
	assert_string_equal(err.message, why);
}

static void taken(const char *line)
{
	if (parse(line) != ERR_NONE)
		fail_msg("'%s': %s", line, err.message);
}

static void options_may_stand_before_between_and_behind_arguments(void **state)
{
	(void)state;
	taken("store -x first --limit 4K second -e *.o");
	assert_ptr_equal(inv.command, &store);
	assert_int_equal(inv.args_count, 2);
	assert_string_equal(inv.args[0], "first");
	assert_string_equal(inv.args[1], "second");
	assert_true(option_given(&inv, "one"));
	assert_false(option_given(&inv, "dry-run"));
	assert_int_equal(option_number(&inv, "limit", 0), 4096);
	assert_string_equal(option_nth(&inv, "exclude", 0), "*.o");
}

static void letters_may_be_bundled_the_last_one_with_its_value(void **state)
{
	(void)state;
	taken("store -xne a b");
	assert_true(option_given(&inv, "one"));
	assert_true(option_given(&inv, "dry-run"));
	assert_string_equal(option_text(&inv, "exclude", NULL), "a");
	taken("store -xea b");
	assert_string_equal(option_text(&inv, "exclude", NULL), "a");
	assert_int_equal(inv.args_count, 1);
}

static void a_value_may_follow_a_long_option_or_its_equals_sign(void **state)
{
	(void)state;
	taken("store --exclude=a=b c");
	assert_string_equal(option_text(&inv, "exclude", NULL), "a=b");
	taken("store --exclude= c");
	assert_string_equal(option_text(&inv, "exclude", NULL), "");
	taken("store --exclude -x c"); /* what looks like an option is still its value */
	assert_string_equal(option_text(&inv, "exclude", NULL), "-x");
	assert_false(option_given(&inv, "one"));
}

static void two_dashes_end_the_options(void **state)
{
	(void)state;
	taken("store -x -- -n --limit --");
	assert_int_equal(inv.args_count, 3);
	assert_string_equal(inv.args[0], "-n");
	assert_string_equal(inv.args[1], "--limit");
	assert_string_equal(inv.args[2], "--");
	assert_false(option_given(&inv, "dry-run"));
	taken("store -");
	assert_string_equal(inv.args[0], "-");
}

static void repeated_options_keep_their_order_and_the_last_single_one_counts(void **state)
{
	(void)state;
	taken("store -e a --limit 1 -o user=v -e b --limit 2 x");
	assert_string_equal(option_nth(&inv, "exclude", 0), "a");
	assert_string_equal(option_nth(&inv, "exclude", 1), "b");
	assert_null(option_nth(&inv, "exclude", 2));
	assert_int_equal(option_number(&inv, "limit", 0), 2);
	assert_int_equal(inv.options_count, 5);
	assert_string_equal(inv.options[2].row->name, "option");
}

static void what_was_not_given_is_its_fallback(void **state)
{
	(void)state;
	taken("store x");
	assert_int_equal(option_number(&inv, "limit", 7), 7);
	assert_int_equal(option_time(&inv, "before", -3), -3);
	assert_string_equal(option_text(&inv, "mode", "fast"), "fast");
	assert_null(option_nth(&inv, "exclude", 0));
	assert_string_equal(inv.globals.array, "default");
	assert_null(inv.globals.expect_head);
	assert_int_equal(inv.globals.kdf_limit_bytes, (uint64_t)1 << 30);
}

static void values_are_checked_by_their_kind(void **state)
{
	(void)state;
	taken("store --level 19 --age 2h --before 2024-05-31T13:45:07Z --mode fast -o user=b x");
	assert_int_equal(option_number(&inv, "level", 0), 19);
	assert_int_equal(option_number(&inv, "age", 0), 7200);
	assert_int_equal(option_time(&inv, "before", 0), 1717163107);
	refused("store --level 20 x", "store: --level: '20' is not a number from 1 to 19");
	refused("store --limit 1Q x", "store: --limit: '1Q' is not a size (bytes, or as 64K, 20M, "
				      "4GiB; 1GB is 10^9)");
	refused("store --age 2 x", "store: --age: '2' is not a duration (as 90s, 10m, 24h, 30d)");
	refused("store --before 2 x", "store: --before: '2' is not a time (as 2024-05-31, "
				      "2024-05-31T13:45:07Z, or -3d)");
	refused("store --mode fas x", "store: --mode: 'fas' is not one of fast|slow");
	refused("store --mode fast| x", "store: --mode: 'fast|' is not one of fast|slow");
	refused("store --mode= x", "store: --mode: '' is not one of fast|slow");
	refused("store -o ab x", "store: -o: 'ab' is not KEY=VALUE");
	refused("store -o =b x", "store: -o: '=b' is not KEY=VALUE");
}

static void options_nobody_knows_are_refused(void **state)
{
	(void)state;
	refused("store --foo x", "store: no option '--foo'");
	refused("store --foo=1 x", "store: no option '--foo'");
	refused("store --limi 1 x", "store: no option '--limi'");
	refused("store -xz x", "store: no option '-z'");
	refused("fetch -e a --to b", "fetch: no option '-e'");
	refused("--limit 3 store x", "no option '--limit' for all commands");
	refused("store --one=1 x", "--one takes no value");
}

static void a_value_that_is_missing_is_named(void **state)
{
	(void)state;
	refused("store x --limit", "store: --limit: SIZE is missing");
	refused("store x -e", "store: --exclude: PATTERN is missing");
	refused("-a", "--array: NAME is missing");
}

static void the_number_of_arguments_is_checked(void **state)
{
	(void)state;
	refused("store -x", "store: an argument is missing: PATH...");
	refused("fetch --to a b c", "fetch: one argument too many: 'c'");
	refused("lock add x", "lock add: one argument too many: 'x'");
}

static void a_required_option_is_required(void **state)
{
	(void)state;
	refused("fetch b", "fetch: --to DIR is missing");
	taken("fetch --to a b");
	assert_string_equal(option_text(&inv, "to", NULL), "a");
}

static void options_that_exclude_each_other_do(void **state)
{
	(void)state;
	refused("store --left --right x", "store: --left and --right exclude each other");
	taken("store --left --left x");
}

static void a_command_may_have_two_words(void **state)
{
	(void)state;
	taken("lock add");
	assert_ptr_equal(inv.command, &lock_add);
	taken("lock -v add");
	assert_ptr_equal(inv.command, &lock_add);
	refused("lock", "lock: which of its commands?");
	assert_string_equal(inv.group, "lock");
	refused("lock pick", "no command 'lock pick'");
	refused("add", "no command 'add'");
	refused("loc add", "no command 'loc'");
}

static void commands_and_options_this_build_lacks_are_told_from_unknown_ones(void **state)
{
	(void)state;
	refused("vanish", "this build has no command `vanish` yet");
	refused("vanish now --fast", "this build has no command `vanish` yet");
	refused("lock turn", "this build has no command `lock turn` yet");
	refused("vanis", "no command 'vanis'");
	refused("store --secret-door x", "store: --secret-door: this build has it not");
	refused("store --mode slow x", "store: --mode slow: this build has it not");
	refused("store --mode=slow x", "store: --mode slow: this build has it not");
	refused("store all=max", "store: all=max: this build has it not");
	refused("store --level 13 x", "store: 13: 13 brings bad luck");
	refused("fetch --secret-door", "fetch: no option '--secret-door'");
	taken("store all=maximum");
}

static void no_command_is_an_error_but_not_for_help_and_version(void **state)
{
	(void)state;
	refused("", "no command given");
	taken("-h");
	assert_true(inv.wants_help);
	taken("--version");
	assert_true(inv.wants_version);
	taken("store --help"); /* though its PATH is missing */
	assert_true(inv.wants_help);
	taken("lock --help");
	assert_string_equal(inv.group, "lock");
}

static void global_options_stand_anywhere(void **state)
{
	(void)state;
	taken("-a one -q store --json x --kdf-limit 2G -vv");
	assert_string_equal(inv.globals.array, "one");
	assert_true(inv.globals.quiet);
	assert_true(inv.globals.json);
	assert_int_equal(inv.globals.verbose, 2);
	assert_int_equal(inv.globals.kdf_limit_bytes, (uint64_t)2 << 30);
	assert_false(inv.globals.no_progress);
	assert_int_equal(inv.args_count, 1);
	refused("--json=1 store x", "--json takes no value");
}

static void every_global_option_has_a_twin_in_the_environment(void **state)
{
	(void)state;
	setenv("MRMR_ARRAY", "two", 1);
	setenv("MRMR_NO_PROGRESS", "1", 1);
	setenv("MRMR_JSON", "no", 1);
	setenv("MRMR_QUIET", "", 1);
	setenv("MRMR_INSECURE_NO_PASSPHRASE", "yes", 1);
	setenv("MRMR_EXPECT_HEAD", "abc", 1);
	setenv("MRMR_KDF_LIMIT", "4G", 1);
	setenv("MRMR_HELP", "1", 1);
	taken("store x");
	assert_string_equal(inv.globals.array, "two");
	assert_true(inv.globals.no_progress);
	assert_false(inv.globals.json);
	assert_false(inv.globals.quiet);
	assert_true(inv.globals.insecure_no_passphrase);
	assert_string_equal(inv.globals.expect_head, "abc");
	assert_int_equal(inv.globals.kdf_limit_bytes, (uint64_t)4 << 30);
	assert_false(inv.wants_help);
	taken("-a three store x"); /* the command line goes before it */
	assert_string_equal(inv.globals.array, "three");
	setenv("MRMR_KDF_LIMIT", "much", 1);
	refused("store x", "MRMR_KDF_LIMIT: 'much' is not a size (bytes, or as 64K, 20M, 4GiB; 1GB "
			   "is 10^9)");
	unsetenv("MRMR_KDF_LIMIT");
	setenv("MRMR_JSON", "maybe", 1);
	refused("store x", "MRMR_JSON: 'maybe' is not one of 1|yes|true|on");
}

static int clear_environment(void **state)
{
	(void)state;
	invocation_release(&inv);
	return clearenv();
}

static void the_gravest_of_noted_codes_is_kept(void **state)
{
	(void)state;
	taken("store x");
	assert_int_equal(inv.exit, EXIT_DONE);
	invocation_note(&inv, EXIT_SOURCES);
	invocation_note(&inv, EXIT_DEGRADED);
	invocation_note(&inv, EXIT_WORK_REMAINS);
	assert_int_equal(inv.exit, EXIT_DEGRADED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_may_stand_before_between_and_behind_arguments),
		cmocka_unit_test(letters_may_be_bundled_the_last_one_with_its_value),
		cmocka_unit_test(a_value_may_follow_a_long_option_or_its_equals_sign),
		cmocka_unit_test(two_dashes_end_the_options),
		cmocka_unit_test(repeated_options_keep_their_order_and_the_last_single_one_counts),
		cmocka_unit_test(what_was_not_given_is_its_fallback),
		cmocka_unit_test(values_are_checked_by_their_kind),
		cmocka_unit_test(options_nobody_knows_are_refused),
		cmocka_unit_test(a_value_that_is_missing_is_named),
		cmocka_unit_test(the_number_of_arguments_is_checked),
		cmocka_unit_test(a_required_option_is_required),
		cmocka_unit_test(options_that_exclude_each_other_do),
		cmocka_unit_test(a_command_may_have_two_words),
		cmocka_unit_test(commands_and_options_this_build_lacks_are_told_from_unknown_ones),
		cmocka_unit_test(no_command_is_an_error_but_not_for_help_and_version),
		cmocka_unit_test(global_options_stand_anywhere),
		cmocka_unit_test_setup(every_global_option_has_a_twin_in_the_environment,
				       clear_environment),
		cmocka_unit_test_setup(the_gravest_of_noted_codes_is_kept, clear_environment),
	};

	clearenv();
	return cmocka_run_group_tests(tests, NULL, clear_environment);
}
