#include "cmd/commands.h"
#include "cmd/usage.h"

#include <stdio.h>

static int topic_help(const struct invocation *inv, struct buf *text, struct error *err)
{
	char name[64];
	const struct command *c;

	if (inv->args_count == 0) {
		help_overview(text);
		return ERR_NONE;
	}
	snprintf(name, sizeof(name), "%s%s%s", inv->args[0], inv->args_count > 1 ? " " : "",
		 inv->args_count > 1 ? inv->args[1] : "");
	c = command_find(name);
	if (c)
		help_command(c, text);
	else if (command_group(name))
		help_group(name, text);
	else
		return command_unknown(name, err);
	return ERR_NONE;
}

int cmd_help(struct invocation *inv, struct error *err)
{
	const char *shell = option_text(inv, "completion", NULL);
	struct buf text = { 0 };
	int code = ERR_NONE;

	if (shell)
		completion_script(shell, &text);
	else
		code = topic_help(inv, &text, err);
	if (code == ERR_NONE && text.failed)
		code = err_nomem(err);
	if (code == ERR_NONE)
		code = out_bytes(inv->out, text.data, text.len_bytes, err);
	buf_release(&text);
	return code;
}
