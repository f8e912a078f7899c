#include "cmd/commands.h"

/* Rows that several commands share. */

static const struct option_row dry_run[] = {
	{ 'n', "dry-run", OPTION_FLAG, NULL, "say what would be done and change nothing" },
	{ .name = NULL },
};

static const struct option_row snapshot_filters[] = {
	{ 0, "host", OPTION_TEXT, "NAME", "consider snapshots of this host only" },
	{ 0, "series", OPTION_TEXT, "NAME", "consider snapshots of this series only" },
	{ 0, "tag", OPTION_TEXT, "T", "consider snapshots with this tag only",
	  .flags = OPTION_MANY },
	{ 0, "before", OPTION_TIME, "TIME", "consider snapshots older than that only" },
	{ .name = NULL },
};

static const struct option_row new_drive[] = {
	{ 0, "mkdir", OPTION_FLAG, NULL, "create the folder or bucket if it is missing" },
	{ 'o', "option", OPTION_PAIR, "KEY=VALUE", "set an option of the driver, kept in the config",
	  .flags = OPTION_MANY },
	{ .name = NULL },
};

/* Array */

static const struct option_row init_options[] = {
	{ 0, "parity", OPTION_NUMBER, "M|max", "survive the loss of any M drives, or of more",
	  .max = 16, .one_of = 1 },
	{ 0, "copies", OPTION_NUMBER, "N", "keep N copies of everything, no parity",
	  .min = 1, .max = 17, .one_of = 1 },
	{ 0, "level", OPTION_CHOICE, "raid0|raid1|raid4|raid5|raid6", "the same by a RAID level",
	  .one_of = 1 },
	{ 0, "width", OPTION_NUMBER, "K", "members and rows of a parity group, at most",
	  .min = 1, .max = 255 },
	{ 0, "block-size", OPTION_SIZE, "SIZE", "largest block, 64K to 64M" },
	{ 0, "chunk-profile", OPTION_CHOICE, "fine|default|coarse", "how finely files are cut" },
	{ 0, "kdf", OPTION_CHOICE, "default|sensitive", "cost of guessing the passphrase" },
	{ 0, "key-file", OPTION_FILE, "F", "make a key file instead of a passphrase slot" },
	{ .name = NULL },
};

static const struct command init = {
	.name = "init",
	.args = "[NAME=]URL...",
	.summary = "create an array, its keys and its config",
	.args_min = 1,
	.args_max = ARGS_ANY,
	.options = { init_options, new_drive, dry_run },
	.run = cmd_init,
};

static const struct option_row add_options[] = {
	{ 0, "role", OPTION_CHOICE, "both|data|parity", "what the drive may hold" },
	{ 0, "layout", OPTION_CHOICE, "packed", "how it holds it" },
	{ 0, "removable", OPTION_FLAG, NULL, "absent is normal: never put rows there" },
	{ 0, "egress-billed", OPTION_FLAG, NULL, "reading there is paid for: rather elsewhere" },
	{ 0, "domain", OPTION_TEXT, "D", "what fails together with it" },
	{ 0, "reserve", OPTION_SIZE, "SIZE", "space to leave free there" },
	{ 0, "max", OPTION_SIZE, "SIZE", "most bytes to store there" },
	{ .name = NULL },
};

static const struct command add = {
	.name = "add",
	.args = "[NAME=]URL",
	.summary = "add a drive to the array",
	.args_min = 1,
	.args_max = 1,
	.options = { add_options, new_drive, dry_run },
	.run = cmd_add,
};

static const struct command set = {
	.name = "set",
	.args = "NAME=VALUE...",
	.summary = "change a property of the array or of a drive",
	.args_min = 1,
	.args_max = ARGS_ANY,
	.options = { dry_run },
	.run = cmd_set,
};

static const struct command status = {
	.name = "status",
	.args = "",
	.summary = "tell how the array is and what to do about it",
	.run = cmd_status,
};

static const struct command drives = {
	.name = "drives",
	.args = "",
	.summary = "list the drives and their states",
	.run = cmd_drives,
};

static const struct command disable = {
	.name = "disable",
	.args = "NAME",
	.summary = "stop using a drive until it is enabled",
	.args_min = 1,
	.args_max = 1,
	.options = { dry_run },
	.run = cmd_disable,
};

static const struct command enable = {
	.name = "enable",
	.args = "NAME",
	.summary = "use a disabled drive again",
	.args_min = 1,
	.args_max = 1,
	.options = { dry_run },
	.run = cmd_enable,
};

static const struct command drain = {
	.name = "drain",
	.args = "NAME",
	.summary = "move everything off a drive",
	.args_min = 1,
	.args_max = 1,
	.options = { dry_run },
	.run = cmd_drain,
};

static const struct option_row remove_options[] = {
	{ 0, "lost", OPTION_FLAG, NULL, "it is gone: what it held is to be re-created" },
	{ .name = NULL },
};

static const struct command remove_drive = {
	.name = "remove",
	.args = "NAME",
	.summary = "forget a drive that holds nothing, or is gone",
	.args_min = 1,
	.args_max = 1,
	.options = { remove_options, dry_run },
	.run = cmd_remove,
};

static const struct option_row rebuild_options[] = {
	{ 0, "onto", OPTION_TEXT, "[NEW=]URL", "a new drive that takes place and role" },
	{ .name = NULL },
};

static const struct command rebuild = {
	.name = "rebuild",
	.args = "[NAME]",
	.summary = "re-create what lost or damaged drives held",
	.args_max = 1,
	.options = { rebuild_options, new_drive, dry_run },
	.run = cmd_rebuild,
};

static const struct option_row rebalance_options[] = {
	{ 0, "max-time", OPTION_DURATION, "D", "stop after this time" },
	{ 0, "max-bytes", OPTION_SIZE, "SIZE", "read and write at most that much" },
	{ .name = NULL },
};

static const struct command rebalance = {
	.name = "rebalance",
	.args = "",
	.summary = "pay debts, widen groups, spread what is stored",
	.options = { rebalance_options, dry_run },
	.run = cmd_rebalance,
};

static const struct option_row scrub_options[] = {
	{ 0, "drive", OPTION_TEXT, "NAME", "verify this drive only", .flags = OPTION_MANY },
	{ 0, "repair", OPTION_FLAG, NULL, "put back what is damaged (the default)", .one_of = 1 },
	{ 0, "no-repair", OPTION_FLAG, NULL, "find damage only", .one_of = 1 },
	{ 0, "percent", OPTION_NUMBER, "P", "verify this share of each drive's bytes",
	  .min = 1, .max = 100 },
	{ 0, "older-than", OPTION_DURATION, "D", "verify what was verified longer ago" },
	{ 0, "new", OPTION_FLAG, NULL, "verify what was never verified" },
	{ 0, "max-time", OPTION_DURATION, "D", "stop after this time" },
	{ 0, "deep", OPTION_FLAG, NULL, "open every block, compare parity with its members" },
	{ 0, "grace", OPTION_DURATION, "D", "sweep orphans after this time, 24h by default" },
	{ .name = NULL },
};

static const struct command scrub = {
	.name = "scrub",
	.args = "",
	.summary = "read the drives, verify every object, repair damage",
	.options = { scrub_options, dry_run },
	.run = cmd_scrub,
};

static const struct command key_list = {
	.name = "key list",
	.args = "",
	.summary = "list the key slots",
	.run = cmd_key_list,
};

static const struct option_row key_add_options[] = {
	{ 0, "key-file", OPTION_FILE, "F", "make a key file instead of a passphrase" },
	{ 0, "kdf", OPTION_CHOICE, "default|sensitive", "cost of guessing the passphrase" },
	{ .name = NULL },
};

static const struct command key_add = {
	.name = "key add",
	.args = "",
	.summary = "add a passphrase or a key file",
	.options = { key_add_options, dry_run },
	.run = cmd_key_add,
};

static const struct command key_remove = {
	.name = "key remove",
	.args = "SLOT",
	.summary = "remove a key slot",
	.args_min = 1,
	.args_max = 1,
	.options = { dry_run },
	.run = cmd_key_remove,
};

static const struct option_row key_passwd_options[] = {
	{ 0, "kdf", OPTION_CHOICE, "default|sensitive", "cost of guessing the passphrase" },
	{ .name = NULL },
};

static const struct command key_passwd = {
	.name = "key passwd",
	.args = "",
	.summary = "change the passphrase",
	.options = { key_passwd_options, dry_run },
	.run = cmd_key_passwd,
};

static const struct command key_recovery = {
	.name = "key recovery",
	.args = "",
	.summary = "make a new recovery key and print it once",
	.options = { dry_run },
	.run = cmd_key_recovery,
};

static const struct option_row recover_options[] = {
	{ 0, "scan", OPTION_FLAG, NULL, "rebuild the table from the blocks alone" },
	{ 'o', "option", OPTION_PAIR, "KEY=VALUE", "set an option of the drivers",
	  .flags = OPTION_MANY },
	{ .name = NULL },
};

static const struct command recover = {
	.name = "recover",
	.args = "URL...",
	.summary = "make config and table anew from surviving drives",
	.args_min = 1,
	.args_max = ARGS_ANY,
	.options = { recover_options, dry_run },
	.run = cmd_recover,
};

/* Archive */

static const struct option_row put_options[] = {
	{ 0, "series", OPTION_TEXT, "NAME", "the series the snapshot belongs to" },
	{ 0, "host", OPTION_TEXT, "NAME", "the host name to record" },
	{ 0, "tag", OPTION_TEXT, "T", "tag the snapshot", .flags = OPTION_MANY },
	{ 'e', "exclude", OPTION_TEXT, "PATTERN", "leave out what matches, as in gitignore",
	  .flags = OPTION_MANY },
	{ 0, "exclude-caches", OPTION_FLAG, NULL, "leave out folders with a CACHEDIR.TAG" },
	{ 'x', "one-file-system", OPTION_FLAG, NULL, "stay on the file systems of the PATHs" },
	{ 0, "force", OPTION_FLAG, NULL, "read every file, changed or not" },
	{ 0, "compression", OPTION_NUMBER, "L", "zstd level, 3 by default; 0 stores as it is",
	  .max = 19 },
	{ 0, "ack", OPTION_CHOICE, "all|enough", "which drives to wait for" },
	{ .name = NULL },
};

static const struct command put = {
	.name = "put",
	.args = "PATH...",
	.summary = "store a snapshot of PATHs",
	.args_min = 1,
	.args_max = ARGS_ANY,
	.options = { put_options, dry_run },
	.run = cmd_put,
};

static const struct option_row get_options[] = {
	{ 0, "to", OPTION_FILE, "DIR", "where to; created if missing", .flags = OPTION_REQUIRED },
	{ 0, "include", OPTION_TEXT, "P", "restore only what matches", .flags = OPTION_MANY },
	{ 'e', "exclude", OPTION_TEXT, "P", "leave out what matches", .flags = OPTION_MANY },
	{ 0, "overwrite", OPTION_CHOICE, "if-changed|always|if-newer|never",
	  "what to do with files that exist" },
	{ 0, "delete", OPTION_FLAG, NULL, "delete below DIR what the snapshot has not" },
	{ 0, "no-sparse", OPTION_FLAG, NULL, "write holes as zeros" },
	{ 0, "verify", OPTION_FLAG, NULL, "read what was written and compare" },
	{ 0, "no-privileged", OPTION_FLAG, NULL, "never set owners, set-id bits or devices" },
	{ 0, "partial", OPTION_FLAG, NULL, "write what is readable to NAME.mrmr-partial" },
	{ .name = NULL },
};

static const struct command get = {
	.name = "get",
	.args = "[SNAPSHOT][:PATH] [PATH...]",
	.summary = "restore files",
	.args_max = ARGS_ANY,
	.options = { get_options, snapshot_filters, dry_run },
	.run = cmd_get,
};

static const struct command cat = {
	.name = "cat",
	.args = "SNAPSHOT:PATH",
	.summary = "print a file",
	.args_min = 1,
	.args_max = 1,
	.options = { snapshot_filters },
	.run = cmd_cat,
};

static const struct option_row ls_options[] = {
	{ 'l', "long", OPTION_FLAG, NULL, "with mode, owner, size and time" },
	{ 'R', "recursive", OPTION_FLAG, NULL, "with everything below" },
	{ .name = NULL },
};

static const struct command ls = {
	.name = "ls",
	.args = "SNAPSHOT[:PATH]",
	.summary = "list a folder of a snapshot",
	.args_min = 1,
	.args_max = 1,
	.options = { ls_options, snapshot_filters },
	.run = cmd_ls,
};

static const struct command snapshots = {
	.name = "snapshots",
	.args = "",
	.summary = "list the snapshots",
	.options = { snapshot_filters },
	.run = cmd_snapshots,
};

static const struct command whereis = {
	.name = "whereis",
	.args = "SNAPSHOT:PATH",
	.summary = "tell which drives hold a file",
	.args_min = 1,
	.args_max = 1,
	.options = { snapshot_filters },
	.run = cmd_whereis,
};

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
	&init,	   &add,      &set,	   &status,	 &drives, &disable, &enable,
	&drain,	   &remove_drive, &rebuild, &rebalance, &recover,
	&scrub,	   &put,      &get,	   &cat,	 &ls,	  &snapshots, &whereis,
	&key_list, &key_add, &key_remove, &key_passwd, &key_recovery,
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
	{ 0, "limit-upload", OPTION_SIZE, "SIZE", "most bytes a second to all remote drives together" },
	{ 0, "limit-download", OPTION_SIZE, "SIZE", "most bytes a second from them" },
	{ 0, "insecure-no-passphrase", OPTION_FLAG, NULL, "allow an empty passphrase" },
	{ 'h', "help", OPTION_FLAG, NULL, "print help", .flags = OPTION_NO_TWIN },
	{ 0, "version", OPTION_FLAG, NULL, "print the version", .flags = OPTION_NO_TWIN },
	{ .name = NULL },
};

const struct absence absences[] = {
	{ "init", "level", "raid2", "it needs drives in lockstep and finds by Hamming codes "
				    "what drives find by themselves; take raid6" },
	{ "init", "level", "raid3", "it reads all drives for every byte and protects no better "
				    "than raid4; take raid4 or raid5" },
	{ "add", "layout", "plain" },
	{ "add", "again" },
	{ "put", "iexclude" },
	{ "put", "exclude-file" },
	{ "put", "exclude-if-present" },
	{ "put", "exclude-larger-than" },
	{ "put", "files-from" },
	{ "put", "files-from-raw" },
	{ "put", "stdin-filename" },
	{ "put", "stdin-from-command" },
	{ "key rotate" },
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
