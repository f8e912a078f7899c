#include "cmd/commands.h"

/* The program itself */

static const struct option_row help_options[] = {
	{ 0, "completion", OPTION_CHOICE, "bash|zsh|fish", "print the completions of a shell" },
	{ .name = NULL },
};

static const struct command help = {
	.name = "help",
	.args = "[COMMAND]",
	.summary = "tell how to use mrmr or one of its commands",
	.args_max = 2,
	.options = { help_options },
	.run = cmd_help,
};

static const struct command version = {
	.name = "version",
	.args = "",
	.summary = "print the version and those of its libraries",
	.run = cmd_version,
};

const struct command *const commands[] = {
	&help, &version, NULL,
};

const struct option_row global_options[] = {
	{ 'a', "array", OPTION_TEXT, "NAME|FILE", "the array, or its config file" },
	{ 0, "json", OPTION_FLAG, NULL, "print one JSON object per line" },
	{ 'q', "quiet", OPTION_FLAG, NULL, "say nothing when all went well" },
	{ 'v', "verbose", OPTION_FLAG, NULL, "say more", .flags = OPTION_MANY },
	{ 0, "no-progress", OPTION_FLAG, NULL, "show no progress bar" },
	{ 0, "expect-head", OPTION_TEXT, "FP", "stop unless the array contains this head" },
	{ 0, "kdf-limit", OPTION_SIZE, "SIZE", "most memory a key slot may ask for, 1G by default" },
	{ 0, "insecure-no-passphrase", OPTION_FLAG, NULL, "allow an empty passphrase" },
	{ 'h', "help", OPTION_FLAG, NULL, "print help", .flags = OPTION_NO_TWIN },
	{ 0, "version", OPTION_FLAG, NULL, "print the version", .flags = OPTION_NO_TWIN },
	{ .name = NULL },
};

const struct absence absences[] = {
	{ "init", "parity", "max" },
	{ "init", "level", "raid2", "it needs drives in lockstep and finds by Hamming codes "
				    "what drives find by themselves; take raid6" },
	{ "init", "level", "raid3", "it reads all drives for every byte and protects no better "
				    "than raid4; take raid4 or raid5" },
	{ "add", "layout", "plain" },
	{ "add", "again" },
	{ "set", NULL, "parity=max" },
	{ "scrub", "percent" },
	{ "scrub", "older-than" },
	{ "scrub", "new" },
	{ "scrub", "deep" },
	{ "scrub", "max-time" },
	{ "put", "iexclude" },
	{ "put", "exclude-file" },
	{ "put", "exclude-if-present" },
	{ "put", "exclude-larger-than" },
	{ "put", "files-from" },
	{ "put", "files-from-raw" },
	{ "put", "stdin-filename" },
	{ "put", "stdin-from-command" },
	{ "key rotate" },
	{ "disable" },
	{ "enable" },
	{ "drain" },
	{ "remove" },
	{ "rebalance" },
	{ "writer" },
	{ "find" },
	{ "diff" },
	{ "tag" },
	{ "forget" },
	{ "prune" },
	{ "export" },
	{ "import" },
	{ "stats" },
	{ "mount" },
	{ "serve" },
	{ "sync" },
	{ .command = NULL },
};
