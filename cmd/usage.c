#include "cmd/usage.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define COLUMNS 80
#define OPTION_COLUMN 28 /* where the explanation of an option begins */

void text_add(struct buf *out, const char *fmt, ...)
{
	char text[1024];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (len > 0)
		buf_add(out, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

/* "-e PATTERN", "--to DIR": the shortest way to write it. */
static void option_short_text(const struct option_row *row, struct buf *out)
{
	if (row->letter)
		text_add(out, "-%c", row->letter);
	else
		text_add(out, "--%s", row->name);
	if (row->kind != OPTION_FLAG)
		text_add(out, " %s", row->arg);
}

/* The row with those that exclude it: "[--parity M | --copies N]". Returns the last of them. */
static const struct option_row *option_usage(const struct option_row *row, struct buf *out)
{
	bool required = row->flags & OPTION_REQUIRED;

	if (!required)
		text_add(out, "[");
	option_short_text(row, out);
	while (row->one_of && row[1].name && row[1].one_of == row->one_of) {
		text_add(out, " | ");
		option_short_text(++row, out);
	}
	text_add(out, "%s%s", required ? "" : "]", row->flags & OPTION_MANY ? "..." : "");
	return row;
}

/* The usage line in pieces that stay together, each ended by a newline. */
static void usage_pieces(const struct command *c, struct buf *out)
{
	text_add(out, "mrmr %s\n", c->name);
	for (size_t t = 0; t < OPTION_TABLES_MAX && c->options[t]; t++) {
		for (const struct option_row *row = c->options[t]; row->name; row++) {
			row = option_usage(row, out);
			text_add(out, "\n");
		}
	}
	for (const char *at = c->args; *at;) {
		size_t word_bytes = strcspn(at, " ");

		text_add(out, "%.*s\n", (int)word_bytes, at);
		at += word_bytes + (at[word_bytes] == ' ');
	}
}

/* Joins the pieces with spaces; broken before columns, next lines indented. */
static void usage_joined(const struct command *c, size_t columns, size_t indent, struct buf *out)
{
	struct buf pieces = { 0 };
	size_t at_column = indent;

	usage_pieces(c, &pieces);
	if (pieces.failed)
		out->failed = true;
	for (size_t i = 0; !pieces.failed && i < pieces.len_bytes;) {
		const char *piece = (const char *)pieces.data + i;
		size_t len_bytes = (size_t)((const char *)memchr(piece, '\n', pieces.len_bytes - i) -
					    piece);

		if (i > 0 && at_column + 1 + len_bytes > columns) {
			text_add(out, "\n%*s", (int)indent + 4, "");
			at_column = indent + 4;
		} else if (i > 0) {
			text_add(out, " ");
			at_column++;
		}
		buf_add(out, piece, len_bytes);
		at_column += len_bytes;
		i += len_bytes + 1;
	}
	buf_release(&pieces);
}

void usage_line(const struct command *c, struct buf *out)
{
	usage_joined(c, SIZE_MAX, 0, out);
}

static void option_help(const struct option_row *row, struct buf *out)
{
	size_t before = out->len_bytes, width;

	if (row->letter)
		text_add(out, "  -%c, --%s", row->letter, row->name);
	else
		text_add(out, "      --%s", row->name);
	if (row->kind != OPTION_FLAG)
		text_add(out, " %s", row->arg);
	width = out->len_bytes - before;
	if (width + 2 > OPTION_COLUMN) {
		text_add(out, "\n");
		width = 0;
	}
	text_add(out, "%*s%s\n", (int)(OPTION_COLUMN - width), "", row->help);
}

void help_command(const struct command *c, struct buf *out)
{
	text_add(out, "usage: ");
	usage_joined(c, COLUMNS, strlen("usage: "), out);
	text_add(out, "\n\n%s\n", c->summary);
	if (c->options[0])
		text_add(out, "\n");
	for (size_t t = 0; t < OPTION_TABLES_MAX && c->options[t]; t++)
		for (const struct option_row *row = c->options[t]; row->name; row++)
			option_help(row, out);
	text_add(out, "\nOptions of all commands: `mrmr help`. Everything else: `man mrmr-%.*s`.\n",
		 (int)strcspn(c->name, " "), c->name);
}

static void command_summary(const struct command *c, struct buf *out)
{
	text_add(out, "  %-14s %s\n", c->name, c->summary);
}

void help_group(const char *group, struct buf *out)
{
	size_t len_bytes = strlen(group);

	for (size_t i = 0; commands[i]; i++)
		if (strncmp(commands[i]->name, group, len_bytes) == 0 &&
		    commands[i]->name[len_bytes] == ' ')
			command_summary(commands[i], out);
	text_add(out, "\nMore about one of them: `mrmr help COMMAND`.\n");
}

void help_overview(struct buf *out)
{
	text_add(out, "usage: mrmr [-a NAME|FILE] [--json] [-q] [-v] COMMAND [OPTION]... "
		      "[ARGUMENT]...\n\nCommands:\n");
	for (size_t i = 0; commands[i]; i++)
		command_summary(commands[i], out);
	text_add(out, "\nOptions of all commands, anywhere on the line:\n");
	for (const struct option_row *row = global_options; row->name; row++)
		option_help(row, out);
	text_add(out, "\nMore about a command: `mrmr help COMMAND`, `man mrmr-COMMAND`.\n"
		      "Beginning: `mrmr init DRIVE...`, `mrmr put PATH`, "
		      "`mrmr get latest --to DIR`.\n");
}
