/* Completions for shells, from the command table: command names, options, words of choices. */
#include "cmd/usage.h"

#include <stdio.h>
#include <string.h>

/* "key" of "key add": the first word, cut at its end. */
static void first_word(const struct command *c, char word[32])
{
	snprintf(word, 32, "%.*s", (int)strcspn(c->name, " "), c->name);
}

/* Whether an earlier command begins with the same word, as those of a group do. */
static bool word_seen(size_t command_index)
{
	char word[32], earlier[32];

	first_word(commands[command_index], word);
	for (size_t i = 0; i < command_index; i++) {
		first_word(commands[i], earlier);
		if (strcmp(word, earlier) == 0)
			return true;
	}
	return false;
}

typedef void word_fn(const char *word, struct buf *out);

/* Calls each() once for each first word: all of them, or those of groups only. */
static void words_each(bool groups_only, word_fn *each, struct buf *out)
{
	char word[32];

	for (size_t i = 0; commands[i]; i++) {
		first_word(commands[i], word);
		if (!word_seen(i) && (!groups_only || command_group(word)))
			each(word, out);
	}
}

/* The commands of a group without its name, each behind a space. */
static void group_members(const char *group, struct buf *out)
{
	size_t len_bytes = strlen(group);

	for (size_t i = 0; commands[i]; i++)
		if (strncmp(commands[i]->name, group, len_bytes) == 0 &&
		    commands[i]->name[len_bytes] == ' ')
			text_add(out, " %s", commands[i]->name + len_bytes + 1);
}

/* Text inside '...' of a shell; zsh specs also need ':', '[' and ']' escaped. */
static void quoted_add(const char *text, const char *escaped, struct buf *out)
{
	for (; *text; text++) {
		if (*text == '\'')
			text_add(out, "'\\''");
		else
			text_add(out, "%s%c", strchr(escaped, *text) ? "\\" : "", *text);
	}
}

static void choices_add(const struct option_row *row, struct buf *out)
{
	for (const char *at = row->arg; *at; at++)
		text_add(out, "%c", *at == '|' ? ' ' : *at);
}

static void word_add(const char *word, struct buf *out)
{
	text_add(out, " %s", word);
}

static void bash_table(const struct option_row *row, struct buf *out)
{
	for (; row && row->name; row++)
		text_add(out, " --%s", row->name);
}

static void bash_group(const char *group, struct buf *out)
{
	text_add(out, "\t'%s ') words='", group);
	group_members(group, out);
	text_add(out, "' ;;\n");
}

static void bash_pattern(const char *group, struct buf *out)
{
	text_add(out, "\t\t%s) command=\"$word \" ;;\n", group);
}

static void bash_command(const struct command *c, struct buf *out)
{
	for (size_t t = 0; t < OPTION_TABLES_MAX; t++) {
		for (const struct option_row *row = c->options[t]; row && row->name; row++) {
			if (row->kind != OPTION_CHOICE)
				continue;
			text_add(out, "\t'%s --%s') words='", c->name, row->name);
			choices_add(row, out);
			text_add(out, "' ;;\n");
		}
	}
	text_add(out, "\t'%s -'*) words='", c->name);
	bash_table(global_options, out);
	for (size_t t = 0; t < OPTION_TABLES_MAX; t++)
		bash_table(c->options[t], out);
	text_add(out, "' ;;\n");
}

/* The words offered depend on "command previous" (a choice follows) or "command current". */
static void bash_script(struct buf *out)
{
	text_add(out, "# bash completion of mrmr\n"
		      "_mrmr_words()\n{\n\twords=\n\tcase \"$1\" in\n\t'') words='");
	words_each(false, word_add, out);
	text_add(out, "' ;;\n\t-*) words='");
	bash_table(global_options, out);
	text_add(out, "' ;;\n");
	words_each(true, bash_group, out);
	for (size_t i = 0; commands[i]; i++)
		bash_command(commands[i], out);
	text_add(out, "\tesac\n}\n\n_mrmr()\n{\n"
		      "\tlocal current=${COMP_WORDS[COMP_CWORD]} command= word words\n"
		      "\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
		      "\t\tcase \"$command:$word\" in\n\t\t*:-*) continue ;;\n"
		      "\t\t:*) ;;\n\t\t*' :'*) command+=$word; continue ;;\n"
		      "\t\t*) continue ;;\n\t\tesac\n\t\tcase $word in\n");
	words_each(true, bash_pattern, out);
	text_add(out, "\t\t*) command=$word ;;\n\t\tesac\n\tdone\n"
		      "\t_mrmr_words \"$command ${COMP_WORDS[COMP_CWORD-1]}\"\n"
		      "\tif [ -z \"$words\" ]; then\n\t\tcase \"$command:$current\" in\n"
		      "\t\t:*) _mrmr_words \"${current:0:1}\"; [[ $current == -* ]] || "
		      "_mrmr_words '' ;;\n"
		      "\t\t*' :'*) _mrmr_words \"$command\" ;;\n"
		      "\t\t*:-*) _mrmr_words \"$command $current\" ;;\n\t\tesac\n\tfi\n"
		      "\tif [ -n \"$words\" ]; then\n"
		      "\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
		      "\telse\n\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n\tfi\n}\n"
		      "complete -o filenames -F _mrmr mrmr\n");
}

/* What _arguments wants to know behind the option itself: "[help]:value:(words)". */
static void zsh_explain(const struct option_row *row, struct buf *out)
{
	text_add(out, "[");
	quoted_add(row->help, ":[]\\", out);
	text_add(out, "]");
	if (row->kind != OPTION_FLAG)
		text_add(out, ":%s:", row->kind == OPTION_CHOICE ? "word" : "value");
	if (row->kind == OPTION_CHOICE) {
		text_add(out, "(");
		choices_add(row, out);
		text_add(out, ")");
	} else if (row->kind == OPTION_FILE) {
		text_add(out, "_files");
	}
	text_add(out, "' \\\n");
}

static void zsh_table(const struct option_row *row, struct buf *out)
{
	for (; row && row->name; row++) {
		const char *many = row->flags & OPTION_MANY ? "*" : "";

		text_add(out, "\t\t'%s--%s", many, row->name);
		zsh_explain(row, out);
		if (!row->letter)
			continue;
		text_add(out, "\t\t'%s-%c", many, row->letter);
		zsh_explain(row, out);
	}
}

static void zsh_command(const struct command *c, struct buf *out)
{
	text_add(out, "\t'%s') _arguments -S \\\n", c->name);
	zsh_table(global_options, out);
	for (size_t t = 0; t < OPTION_TABLES_MAX; t++)
		zsh_table(c->options[t], out);
	text_add(out, "\t\t'*:argument:_files' ;;\n");
}

static void zsh_group(const char *group, struct buf *out)
{
	text_add(out, "\t%s) command=\"$words[1] $words[2]\"\n"
		      "\t\tif (( CURRENT == 2 )); then compadd --", group);
	group_members(group, out);
	text_add(out, "; return; fi\n\t\tshift words; (( CURRENT-- )) ;;\n");
}

static void zsh_script(struct buf *out)
{
	text_add(out, "#compdef mrmr\n_mrmr()\n{\n"
		      "\tlocal command state line context\n\ttypeset -A opt_args\n"
		      "\t_arguments -C -S \\\n");
	zsh_table(global_options, out);
	text_add(out, "\t\t'1:command:(");
	words_each(false, word_add, out);
	text_add(out, ")' '*::argument:->arguments'\n"
		      "\t[[ $state == arguments ]] || return\n"
		      "\tcommand=$words[1]\n\tcase $command in\n");
	words_each(true, zsh_group, out);
	text_add(out, "\tesac\n\tcase $command in\n");
	for (size_t i = 0; commands[i]; i++)
		zsh_command(commands[i], out);
	text_add(out, "\tesac\n}\n_mrmr \"$@\"\n");
}

static void fish_table(const struct option_row *row, const char *condition, struct buf *out)
{
	for (; row && row->name; row++) {
		text_add(out, "complete -c mrmr%s -l %s", condition, row->name);
		if (row->letter)
			text_add(out, " -s %c", row->letter);
		if (row->kind == OPTION_CHOICE) {
			text_add(out, " -x -a '");
			choices_add(row, out);
			text_add(out, "'");
		} else if (row->kind != OPTION_FLAG) {
			text_add(out, row->kind == OPTION_FILE ? " -r -F" : " -x");
		}
		text_add(out, " -d '");
		quoted_add(row->help, "\\", out);
		text_add(out, "'\n");
	}
}

/* What the line must have and must not have: "key add" is no "add". */
static void fish_condition(const struct command *c, char *out, size_t out_bytes)
{
	const char *second = strchr(c->name, ' '), *seen = "__fish_seen_subcommand_from";
	char word[32];
	int len;

	first_word(c, word);
	len = snprintf(out, out_bytes, " -n '%s %s%s%s%s", seen, word, second ? "; and " : "",
		       second ? seen : "", second ? second : "");
	for (size_t i = 0; !second && commands[i]; i++) {
		const char *member = strchr(commands[i]->name, ' ');

		if (!member || strcmp(member + 1, word) != 0)
			continue;
		first_word(commands[i], word);
		len += snprintf(out + len, out_bytes - (size_t)len, "; and not %s %s", seen, word);
		break;
	}
	snprintf(out + len, out_bytes - (size_t)len, "'");
}

static void fish_command(const struct command *c, struct buf *out)
{
	char word[32], condition[160];
	const char *second = strchr(c->name, ' ');

	first_word(c, word);
	if (second) {
		text_add(out, "complete -c mrmr -f -n '__fish_seen_subcommand_from %s' -a '%s' -d '",
			 word, second + 1);
		quoted_add(c->summary, "\\", out);
		text_add(out, "'\n");
	}
	fish_condition(c, condition, sizeof(condition));
	for (size_t t = 0; t < OPTION_TABLES_MAX; t++)
		fish_table(c->options[t], condition, out);
}

static void fish_script(struct buf *out)
{
	text_add(out, "# fish completion of mrmr\n"
		      "complete -c mrmr -f -n '__fish_use_subcommand' -a '");
	words_each(false, word_add, out);
	text_add(out, "'\n");
	fish_table(global_options, "", out);
	for (size_t i = 0; commands[i]; i++)
		fish_command(commands[i], out);
}

void completion_script(const char *shell, struct buf *out)
{
	if (strcmp(shell, "bash") == 0)
		bash_script(out);
	else if (strcmp(shell, "zsh") == 0)
		zsh_script(out);
	else
		fish_script(out);
}
