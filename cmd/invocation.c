#include "cmd/options.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const struct command *command_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

bool command_group(const char *word)
{
	size_t len_bytes = strlen(word);

	for (size_t i = 0; commands[i]; i++)
		if (strncmp(commands[i]->name, word, len_bytes) == 0 &&
		    commands[i]->name[len_bytes] == ' ')
			return true;
	return false;
}

int command_unknown(const char *name, struct error *err)
{
	for (const struct absence *a = absences; a->command; a++)
		if (!a->option && !a->value && strcmp(a->command, name) == 0)
			return err_set(err, ERR_USAGE, "this build has no command `%s` yet", name);
	return err_set(err, ERR_USAGE, "no command '%s'", name);
}

static const struct option_row *row_in(const struct option_row *table, const char *name,
				       size_t len_bytes, char letter)
{
	for (; table && table->name; table++) {
		if (letter ? table->letter == letter
			   : strncmp(table->name, name, len_bytes) == 0 &&
				     table->name[len_bytes] == '\0')
			return table;
	}
	return NULL;
}

const struct option_row *row_find(const struct command *command, const char *name,
				  size_t len_bytes, char letter)
{
	const struct option_row *row = row_in(global_options, name, len_bytes, letter);

	for (size_t i = 0; !row && command && i < OPTION_TABLES_MAX; i++)
		row = row_in(command->options[i], name, len_bytes, letter);
	return row;
}

void invocation_release(struct invocation *inv)
{
	free(inv->options);
	free(inv->args);
	memset(inv, 0, sizeof(*inv));
}

void invocation_note(struct invocation *inv, enum exit_code code)
{
	inv->exit = exit_graver(inv->exit, code);
}

void invocation_advise(struct invocation *inv, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(inv->advice, sizeof(inv->advice), fmt, args);
	va_end(args);
}

/* The last value given, or NULL. A name that no table has is a mistake of the caller. */
static const struct option_value *value_of(const struct invocation *inv, const char *name)
{
	const struct option_row *row = row_find(inv->command, name, strlen(name), 0);

	assert(row);
	for (size_t i = inv->options_count; i > 0; i--)
		if (inv->options[i - 1].row == row)
			return &inv->options[i - 1];
	return NULL;
}

bool option_given(const struct invocation *inv, const char *name)
{
	return value_of(inv, name) != NULL;
}

const char *option_text(const struct invocation *inv, const char *name, const char *fallback)
{
	const struct option_value *value = value_of(inv, name);

	return value ? value->text : fallback;
}

uint64_t option_number(const struct invocation *inv, const char *name, uint64_t fallback)
{
	const struct option_value *value = value_of(inv, name);

	return value ? value->number : fallback;
}

int64_t option_time(const struct invocation *inv, const char *name, int64_t fallback_s)
{
	const struct option_value *value = value_of(inv, name);

	return value ? value->time_s : fallback_s;
}

const char *option_nth(const struct invocation *inv, const char *name, size_t i)
{
	const struct option_row *row = row_find(inv->command, name, strlen(name), 0);

	assert(row);
	for (size_t at = 0; at < inv->options_count; at++)
		if (inv->options[at].row == row && i-- == 0)
			return inv->options[at].text;
	return NULL;
}
