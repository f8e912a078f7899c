/* The command table of the program itself: rules that keep parser, help and manual true. */
#include "cmd/usage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

typedef void row_fn(const struct command *c, const struct option_row *row);

static void each_row(row_fn *look)
{
	for (const struct option_row *row = global_options; row->name; row++)
		look(NULL, row);
	for (size_t i = 0; commands[i]; i++)
		for (size_t t = 0; t < OPTION_TABLES_MAX && commands[i]->options[t]; t++)
			for (const struct option_row *row = commands[i]->options[t]; row->name; row++)
				look(commands[i], row);
}

/* The first row that answers to it is the row itself: no second one has its name or letter. */
static void is_found(const struct command *c, const struct option_row *row)
{
	if (row_find(c, row->name, strlen(row->name), 0) != row)
		fail_msg("two options --%s of %s", row->name, c ? c->name : "all");
	if (row->letter && row_find(c, NULL, 0, row->letter) != row)
		fail_msg("two options -%c of %s", row->letter, c ? c->name : "all");
}

static void names_and_letters_are_given_once(void **state)
{
	(void)state;
	each_row(is_found);
	for (size_t i = 0; commands[i]; i++)
		assert_ptr_equal(command_find(commands[i]->name), commands[i]);
}

static void reads_as_one_line(const char *text)
{
	size_t len_bytes = strlen(text);

	if (len_bytes == 0 || len_bytes > 80 || text[len_bytes - 1] == '.' || strchr(text, '\n') ||
	    isupper((unsigned char)text[0]))
		fail_msg("not one line with a small letter first and no full stop: %s", text);
}

static void is_well_formed(const struct command *c, const struct option_row *row)
{
	(void)c;
	reads_as_one_line(row->help);
	assert_true(strlen(row->name) > 1);
	assert_int_equal(row->kind == OPTION_FLAG, row->arg == NULL);
	assert_int_equal(row->kind == OPTION_NUMBER, row->max > row->min);
	assert_true(!row->arg || !strchr(row->arg, ' '));
	if (row->flags & OPTION_REQUIRED)
		assert_int_not_equal(row->kind, OPTION_FLAG);
}

static void rows_are_well_formed(void **state)
{
	(void)state;
	each_row(is_well_formed);
	for (size_t i = 0; commands[i]; i++) {
		reads_as_one_line(commands[i]->summary);
		assert_non_null(commands[i]->run);
		assert_true(commands[i]->args_min <= commands[i]->args_max);
		assert_int_equal(commands[i]->args_max == 0, commands[i]->args[0] == '\0');
		assert_int_equal(commands[i]->args_max == ARGS_ANY,
				 strstr(commands[i]->args, "...") != NULL);
	}
}

/* The usage line shows them as one choice, for which they must follow each other. */
static void options_that_exclude_each_other_stand_together(void **state)
{
	(void)state;
	for (size_t i = 0; commands[i]; i++) {
		for (size_t t = 0; t < OPTION_TABLES_MAX && commands[i]->options[t]; t++) {
			unsigned seen = 0;
			const struct option_row *row = commands[i]->options[t];

			for (; row->name; row++) {
				if (row->one_of == 0 || (row[1].name && row[1].one_of == row->one_of))
					continue;
				assert_false(seen & (1u << row->one_of)); /* ended before */
				seen |= 1u << row->one_of;
			}
		}
	}
}

static void what_is_said_to_be_missing_is_missing(void **state)
{
	(void)state;
	for (const struct absence *a = absences; a->command; a++) {
		const struct command *c = command_find(a->command);

		if (!a->option && !a->value) {
			if (c || command_group(a->command))
				fail_msg("there is a command %s", a->command);
		} else if (a->option && !a->value) {
			if (row_find(c, a->option, strlen(a->option), 0))
				fail_msg("%s has an option --%s", a->command, a->option);
		}
	}
}

static void a_usage_line_shows_every_option(void **state)
{
	(void)state;
	for (size_t i = 0; commands[i]; i++) {
		struct buf line = { 0 };
		char expected[128];

		usage_line(commands[i], &line);
		buf_add_u8(&line, '\0');
		assert_false(line.failed);
		for (size_t t = 0; t < OPTION_TABLES_MAX && commands[i]->options[t]; t++) {
			const struct option_row *row = commands[i]->options[t];

			for (; row->name; row++) {
				if (row->letter)
					snprintf(expected, sizeof(expected), "-%c", row->letter);
				else
					snprintf(expected, sizeof(expected), "--%s", row->name);
				assert_non_null(strstr((char *)line.data, expected));
			}
		}
		buf_release(&line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_letters_are_given_once),
		cmocka_unit_test(rows_are_well_formed),
		cmocka_unit_test(options_that_exclude_each_other_stand_together),
		cmocka_unit_test(what_is_said_to_be_missing_is_missing),
		cmocka_unit_test(a_usage_line_shows_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
