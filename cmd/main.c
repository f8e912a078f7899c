#include "base/drive_option.h"
#include "cmd/commands.h"
#include "cmd/secret.h"
#include "cmd/signals.h"
#include "cmd/usage.h"
#include "seal/keys.h"

#include <assert.h>
#include <locale.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static bool is_one_of(const char *command, const char *words)
{
	const char *at = command ? strstr(words, command) : NULL;
	size_t len_bytes = command ? strlen(command) : 0;

	return at && at[-1] == ' ' && at[len_bytes] == ' ';
}

/* What was named is not there, or there is no room: which command tells more depends on the one
 * that failed. */
static const char *advice_by_command(const char *command, enum err_code code)
{
	if (code == ERR_NOT_FOUND && is_one_of(command, "- get cat ls whereis "))
		return "`mrmr snapshots` lists the snapshots, `mrmr ls -R SNAPSHOT` what is in one.";
	if (code == ERR_NOT_FOUND && is_one_of(command, "- key remove "))
		return "`mrmr key list` lists the slots.";
	if (code == ERR_FULL && is_one_of(command, "- put rebuild scrub set add "))
		return "`mrmr status` tells which drives have room, `mrmr add` adds one.";
	return "";
}

/* The line below an error that tells where to go on; "" if there is no such place. */
static const char *advice(struct invocation *inv, const struct error *err)
{
	const char *topic = inv->command ? inv->command->name : inv->group;

	if (inv->advice[0])
		return inv->advice;
	switch (err->code) {
	case ERR_USAGE:
		invocation_advise(inv, "See `mrmr help%s%s`.", topic ? " " : "", topic ? topic : "");
		break;
	case ERR_NO_ARRAY:
		invocation_advise(inv, "`mrmr init` creates an array, `mrmr recover URL...` finds one "
				       "again, -a and MRMR_ARRAY name another.");
		break;
	case ERR_LOCKED:
		invocation_advise(inv, "Run `mrmr %s` again when the other one has ended.",
				  topic ? topic : "");
		break;
	case ERR_UNSAFE:
		invocation_advise(inv, "`mrmr status` tells what it means and what to do about it.");
		break;
	case ERR_KEY:
		invocation_advise(inv, "`mrmr key list` tells which slots there are.");
		break;
	case ERR_ABSENT:
		invocation_advise(inv, is_one_of(topic, "- status ") ?
					       "Attach one of its drives, and run it again." :
					       "`mrmr status` tells which drives are missing.");
		break;
	default:
		invocation_advise(inv, "%s", advice_by_command(topic, err->code));
		break;
	}
	return inv->advice;
}

static int run(struct invocation *inv, struct error *err)
{
	const struct command *c = inv->command;
	const char *topic[2] = { c ? c->name : inv->group, NULL };
	struct invocation help = *inv;

	if (inv->wants_version)
		return cmd_version(inv, err);
	if (!inv->wants_help) {
		assert(c); /* nothing else is parsed without an error */
		return c->run(inv, err);
	}
	help.args = topic;
	help.args_count = topic[0] ? 1 : 0;
	help.command = command_find("help");
	return cmd_help(&help, err);
}

static unsigned flags_of(const struct globals *g)
{
	return (g->json ? OUT_JSON : 0u) | (g->quiet ? OUT_QUIET : 0u) |
	       (g->verbose ? OUT_VERBOSE : 0u) | (g->no_progress ? OUT_NO_PROGRESS : 0u);
}

/* Says what is left to say; returns what the process exits with. */
static enum exit_code finish(struct invocation *inv, int code, struct error *err)
{
	bool broken_pipe = code == ERR_INTERRUPTED && out_reader_gone(inv->out);
	enum exit_code exit = inv->exit;
	struct error late;

	if (code != ERR_NONE && !broken_pipe) {
		exit = exit_graver(exit, exit_from_error(err));
		out_error(inv->out, err->message, advice(inv, err), exit);
	}
	if (out_finish(inv->out, &late) != ERR_NONE) {
		exit = exit_graver(exit, exit_from_error(&late));
		out_error(inv->out, late.message, NULL, exit);
	}
	if (broken_pipe)
		signals_die_of_broken_pipe();
	return exit;
}

#define OWN_MAPPING_BYTES (1 << 20)
#define ARENAS 2

/* glibc keeps what was freed, more of it with every thread and every large buffer. Large buffers go
 * back at once when each has a mapping of its own, and few arenas waste little. */
static void bound_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, OWN_MAPPING_BYTES);
	mallopt(M_ARENA_MAX, ARENAS);
}

int main(int argc, char **argv)
{
	struct invocation inv;
	struct error err;
	enum exit_code exit;
	int code;

	bound_memory();
	setlocale(LC_CTYPE, "");
	tzset();
	signals_start();
	code = invocation_parse(&inv, argc, argv, &err);
	inv.out = out_new(stdout, stderr, flags_of(&inv.globals));
	if (!inv.out) {
		fputs("mrmr: out of memory\n", stderr);
		return EXIT_FAILED;
	}
	if (code == ERR_NONE || inv.wants_help)
		code = seal_start(&err);
	if (code == ERR_NONE)
		code = secrets_take_environment(&err);
	if (code == ERR_NONE)
		code = credentials_take_environment(&err);
	if (code == ERR_NONE)
		code = run(&inv, &err);
	exit = finish(&inv, code, &err);
	secrets_forget();
	credentials_forget();
	out_free(inv.out);
	invocation_release(&inv);
	return (int)exit;
}
