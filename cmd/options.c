#include "cmd/options.h"

#include "base/bytes.h"
#include "base/drive_option.h"
#include "base/units.h"
#include "seal/slot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct parser {
	struct invocation *inv;
	size_t options_cap;
	char name[64]; /* "put", "key add": what messages call the command */
};

static bool text_equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* ERR_USAGE if this build is known not to have it. option NULL: an argument. */
static int absence_check(const char *command, const char *option, const char *value,
			 struct error *err)
{
	for (const struct absence *a = absences; a->command; a++) {
		if ((!a->option && !a->value) || strcmp(a->command, command) != 0 ||
		    !text_equal(a->option, option) || (a->value && !text_equal(a->value, value)))
			continue;
		if (a->reason)
			return err_set(err, ERR_USAGE, "%s: %s: %s", command, value, a->reason);
		return err_set(err, ERR_USAGE, "%s: %s%s%s%s: this build has it not", command,
			       option ? "--" : "", option ? option : "",
			       option && a->value ? " " : "", a->value ? a->value : "");
	}
	return ERR_NONE;
}

/* [NAME.]KEY=VALUE of a driver. */
static int pair_check(const char *text, struct error *err)
{
	const char *equals = strchr(text, '='), *dot;
	char *key;
	int code;

	if (!equals || equals == text)
		return err_set(err, ERR_USAGE, "'%s' is not KEY=VALUE", text);
	dot = memrchr(text, '.', (size_t)(equals - text));
	key = dot ? strndup(dot + 1, (size_t)(equals - dot - 1))
		  : strndup(text, (size_t)(equals - text));
	code = key ? drive_option_check(key, equals + 1, err) : err_nomem(err);
	if (code != ERR_NONE && code != ERR_NOMEM)
		err_wrap(err, "%s", key);
	free(key);
	return code;
}

static int value_check(struct option_value *value, struct error *err)
{
	const struct option_row *row = value->row;
	const char *text = value->text;

	switch (row->kind) {
	case OPTION_NUMBER:
		value->number = OPTION_MAX;
		if (strcmp(text, "max") == 0 && strstr(row->arg, "|max"))
			return ERR_NONE;
		return number_parse(text, row->min, row->max, &value->number, err);
	case OPTION_SIZE:
		return size_parse(text, &value->number, err);
	case OPTION_DURATION:
		return duration_parse(text, &value->number, err);
	case OPTION_TIME:
		return time_parse(text, (int64_t)time(NULL), &value->time_s, err);
	case OPTION_CHOICE:
		return word_is_one_of(row->arg, text)
			       ? ERR_NONE
			       : err_set(err, ERR_USAGE, "'%s' is not one of %s", text, row->arg);
	case OPTION_PAIR:
		return pair_check(text, err);
	case OPTION_FLAG:
	case OPTION_TEXT:
	case OPTION_FILE:
		break;
	}
	return ERR_NONE;
}

/* text is NULL for a flag. said is how messages call the option: "--size", "-n". */
static int option_add(struct parser *p, const struct option_row *row, const char *text,
		      const char *said, struct error *err)
{
	struct option_value value = { .row = row, .text = text };
	struct invocation *inv = p->inv;

	if (inv->command && absence_check(inv->command->name, row->name, text, err) != ERR_NONE)
		return ERR_USAGE;
	if (text && value_check(&value, err) != ERR_NONE)
		return p->name[0] ? err_wrap(err, "%s: %s", p->name, said) : err_wrap(err, "%s", said);
	if (!grow(&inv->options, &p->options_cap, inv->options_count + 1, sizeof(*inv->options)))
		return err_nomem(err);
	inv->options[inv->options_count++] = value;
	return ERR_NONE;
}

static int unknown_option(struct parser *p, const char *said, struct error *err)
{
	if (!p->name[0])
		return err_set(err, ERR_USAGE, "no option '%s' for all commands", said);
	return err_set(err, ERR_USAGE, "%s: no option '%s'", p->name, said);
}

static int missing_value(struct parser *p, const struct option_row *row, struct error *err)
{
	return err_set(err, ERR_USAGE, "%s%s--%s: %s is missing", p->name, p->name[0] ? ": " : "",
		       row->name, row->arg);
}

/* "--name", "--name=value", "--name value". *i is moved over a value of its own. */
static int long_option(struct parser *p, char **argv, int *i, struct error *err)
{
	const char *name = argv[*i] + 2, *equals = strchr(name, '='), *text = NULL;
	size_t len_bytes = equals ? (size_t)(equals - name) : strlen(name);
	const struct command *command = p->inv->command;
	const struct option_row *row = row_find(command, name, len_bytes, 0);
	char said[64];

	snprintf(said, sizeof(said), "--%.*s", (int)len_bytes, name);
	if (!row) {
		if (command && absence_check(command->name, said + 2, NULL, err) != ERR_NONE)
			return ERR_USAGE;
		return unknown_option(p, said, err);
	}
	if (row->kind == OPTION_FLAG) {
		if (equals)
			return err_set(err, ERR_USAGE, "%s takes no value", said);
	} else {
		text = equals ? equals + 1 : argv[++*i];
		if (!text)
			return missing_value(p, row, err);
	}
	return option_add(p, row, text, said, err);
}

/* "-x", "-xn", "-e PATTERN", "-ePATTERN". */
static int short_options(struct parser *p, char **argv, int *i, struct error *err)
{
	for (const char *at = argv[*i] + 1; *at; at++) {
		const struct option_row *row = row_find(p->inv->command, NULL, 0, *at);
		const char *text = NULL;
		char said[3] = { '-', *at, '\0' };
		int code;

		if (!row)
			return unknown_option(p, said, err);
		if (row->kind != OPTION_FLAG) {
			text = at[1] ? at + 1 : argv[++*i];
			if (!text)
				return missing_value(p, row, err);
		}
		code = option_add(p, row, text, said, err);
		if (code != ERR_NONE || text)
			return code;
	}
	return ERR_NONE;
}

static int command_word(struct parser *p, const char *word, struct error *err)
{
	if (!p->inv->group && command_group(word)) {
		p->inv->group = word;
		return ERR_NONE;
	}
	if (p->inv->group)
		snprintf(p->name, sizeof(p->name), "%s %s", p->inv->group, word);
	else
		snprintf(p->name, sizeof(p->name), "%s", word);
	p->inv->command = command_find(p->name);
	if (p->inv->command)
		return ERR_NONE;
	return command_unknown(p->name, err);
}

static int argument(struct parser *p, const char *text, struct error *err)
{
	struct invocation *inv = p->inv;

	if (!inv->command)
		return command_word(p, text, err);
	if (absence_check(inv->command->name, NULL, text, err) != ERR_NONE)
		return ERR_USAGE;
	inv->args[inv->args_count++] = text;
	return ERR_NONE;
}

static int words_parse(struct parser *p, int argc, char **argv, struct error *err)
{
	bool options_ended = false;
	int code = ERR_NONE;

	for (int i = 1; i < argc && code == ERR_NONE; i++) {
		const char *word = argv[i];

		if (options_ended || word[0] != '-' || word[1] == '\0')
			code = argument(p, word, err);
		else if (strcmp(word, "--") == 0)
			options_ended = true;
		else if (word[1] == '-')
			code = long_option(p, argv, &i, err);
		else
			code = short_options(p, argv, &i, err);
	}
	return code;
}

/* "MRMR_NO_PROGRESS" of "no-progress". */
static void twin_name(const struct option_row *row, char *out, size_t out_bytes)
{
	size_t len_bytes = (size_t)snprintf(out, out_bytes, "MRMR_%s", row->name);

	for (size_t i = 0; i < len_bytes; i++) {
		if (out[i] == '-')
			out[i] = '_';
		else if (out[i] >= 'a' && out[i] <= 'z')
			out[i] = (char)(out[i] - 'a' + 'A');
	}
}

static int twins_read(struct parser *p, struct error *err)
{
	static const char *const yes = "1|yes|true|on", *const no = "0|no|false|off";

	for (const struct option_row *row = global_options; row->name; row++) {
		char name[64];
		const char *text;
		int code;

		twin_name(row, name, sizeof(name));
		text = getenv(name);
		if ((row->flags & OPTION_NO_TWIN) || !text || !*text)
			continue;
		if (row->kind == OPTION_FLAG) {
			if (word_is_one_of(no, text))
				continue;
			if (!word_is_one_of(yes, text))
				return err_set(err, ERR_USAGE, "%s: '%s' is not one of %s", name, text,
					       yes);
			text = NULL;
		}
		code = option_add(p, row, text, name, err);
		if (code != ERR_NONE)
			return code;
	}
	return ERR_NONE;
}

static void globals_fill(struct invocation *inv)
{
	struct globals *g = &inv->globals;

	g->array = option_text(inv, "array", "default");
	g->json = option_given(inv, "json");
	g->quiet = option_given(inv, "quiet");
	g->no_progress = option_given(inv, "no-progress");
	g->expect_head = option_text(inv, "expect-head", NULL);
	g->kdf_limit_bytes = option_number(inv, "kdf-limit", KDF_MEMORY_LIMIT_BYTES);
	g->limit_upload = option_number(inv, "limit-upload", 0);
	g->limit_download = option_number(inv, "limit-download", 0);
	g->insecure_no_passphrase = option_given(inv, "insecure-no-passphrase");
	g->verbose = 0;
	for (size_t i = 0; i < inv->options_count; i++)
		if (strcmp(inv->options[i].row->name, "verbose") == 0)
			g->verbose++;
	inv->wants_help = option_given(inv, "help");
	inv->wants_version = option_given(inv, "version");
}

static int exclusive_check(const struct invocation *inv, struct error *err)
{
	for (size_t i = 0; i < inv->options_count; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct option_row *a = inv->options[j].row, *b = inv->options[i].row;

			if (a != b && a->one_of && a->one_of == b->one_of)
				return err_set(err, ERR_USAGE, "%s: --%s and --%s exclude each other",
					       inv->command->name, a->name, b->name);
		}
	}
	return ERR_NONE;
}

static int completeness_check(const struct invocation *inv, struct error *err)
{
	const struct command *c = inv->command;

	for (size_t t = 0; t < OPTION_TABLES_MAX && c->options[t]; t++)
		for (const struct option_row *row = c->options[t]; row->name; row++)
			if ((row->flags & OPTION_REQUIRED) && !option_given(inv, row->name))
				return err_set(err, ERR_USAGE, "%s: --%s %s is missing", c->name,
					       row->name, row->arg);
	if (inv->args_count < c->args_min)
		return err_set(err, ERR_USAGE, "%s: an argument is missing: %s", c->name, c->args);
	if (inv->args_count > c->args_max)
		return err_set(err, ERR_USAGE, "%s: one argument too many: '%s'", c->name,
			       inv->args[c->args_max]);
	return exclusive_check(inv, err);
}

int invocation_parse(struct invocation *inv, int argc, char **argv, struct error *err)
{
	struct parser p = { .inv = inv };
	int code;

	memset(inv, 0, sizeof(*inv));
	inv->args = calloc((size_t)argc + 1, sizeof(*inv->args));
	if (!inv->args)
		return err_nomem(err);
	code = twins_read(&p, err);
	if (code == ERR_NONE)
		code = words_parse(&p, argc, argv, err);
	globals_fill(inv);
	if (code != ERR_NONE || inv->wants_help || inv->wants_version)
		return code;
	if (!inv->command && inv->group)
		return err_set(err, ERR_USAGE, "%s: which of its commands?", inv->group);
	if (!inv->command)
		return err_set(err, ERR_USAGE, "no command given");
	return completeness_check(inv, err);
}
