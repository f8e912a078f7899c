#include "cmd/commands.h"
#include "cmd/out.h"
#include "cmd/usage.h"

#include <stdio.h>
#include <string.h>

static void option_print(const struct option_row *row, json_t *list)
{
	const char letter[2] = { row->letter, '\0' };
	json_t *object = json_pack("{s:s, s:s}", "name", row->name, "help", row->help);

	if (row->letter)
		json_object_set_new(object, "letter", json_string(letter));
	if (row->kind != OPTION_FLAG)
		json_object_set_new(object, "value", json_string(row->arg));
	json_array_append_new(list, object);
}

static void command_print(const struct command *c, struct out *o)
{
	json_t *object = out_object("command"), *options = json_array();
	struct buf usage = { 0 };

	usage_line(c, &usage);
	for (size_t t = 0; t < OPTION_TABLES_MAX && c->options[t]; t++)
		for (const struct option_row *row = c->options[t]; row->name; row++)
			option_print(row, options);
	json_object_set_new(object, "name", json_string(c->name));
	json_object_set_new(object, "usage",
			    json_stringn((const char *)usage.data, usage.len_bytes));
	json_object_set_new(object, "summary", json_string(c->summary));
	json_object_set_new(object, "options", options);
	out_json(o, object);
	buf_release(&usage);
}

/* The commands of that name, or of that group, or all of them. */
static void topic_print(const char *name, struct out *o)
{
	size_t len_bytes = strlen(name);

	for (size_t i = 0; commands[i]; i++) {
		const char *rest = commands[i]->name + len_bytes;

		if (len_bytes == 0 || (strncmp(commands[i]->name, name, len_bytes) == 0 &&
				       (*rest == '\0' || *rest == ' ')))
			command_print(commands[i], o);
	}
}

/* Checks the topic, and writes the text about it. */
static int topic_help(const char *name, struct buf *text, struct error *err)
{
	const struct command *c = command_find(name);

	if (!name[0])
		help_overview(text);
	else if (c)
		help_command(c, text);
	else if (command_group(name))
		help_group(name, text);
	else
		return command_unknown(name, err);
	return ERR_NONE;
}

static void script_print(const char *shell, const struct buf *text, struct out *o)
{
	json_t *object = out_object("completion");

	json_object_set_new(object, "shell", json_string(shell));
	json_object_set_new(object, "script",
			    json_stringn((const char *)text->data, text->len_bytes));
	out_json(o, object);
}

int cmd_help(struct invocation *inv, struct error *err)
{
	const char *shell = option_text(inv, "completion", NULL);
	struct buf text = { 0 };
	char name[64] = "";
	int code = ERR_NONE;

	if (inv->args_count > 0)
		snprintf(name, sizeof(name), "%s%s%s", inv->args[0],
			 inv->args_count > 1 ? " " : "", inv->args_count > 1 ? inv->args[1] : "");
	if (shell)
		completion_script(shell, &text);
	else
		code = topic_help(name, &text, err);
	if (code == ERR_NONE && text.failed)
		code = err_nomem(err);
	if (code == ERR_NONE && !inv->globals.json)
		code = out_bytes(inv->out, text.data, text.len_bytes, err);
	else if (code == ERR_NONE && shell)
		script_print(shell, &text, inv->out);
	else if (code == ERR_NONE)
		topic_print(name, inv->out);
	buf_release(&text);
	return code;
}
