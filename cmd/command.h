/*
 * What a subcommand is: one row of data. Parsing, help, errors, completions and the test of
 * the manual all come from these rows; see tables.c for them and options.h for the parser.
 */
#ifndef MRMR_CMD_COMMAND_H
#define MRMR_CMD_COMMAND_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct invocation;

/* What a value must look like. It is checked while parsing, so commands see good ones only. */
enum option_kind {
	OPTION_FLAG,	 /* takes no value */
	OPTION_TEXT,	 /* anything, the empty string too */
	OPTION_FILE,	 /* the same; shells complete file names */
	OPTION_NUMBER,	 /* decimal, from min to max */
	OPTION_SIZE,	 /* units.h: SIZE */
	OPTION_DURATION, /* units.h: D */
	OPTION_TIME,	 /* units.h: TIME */
	OPTION_CHOICE,	 /* one of the words of arg: "always|never" */
	OPTION_PAIR,	 /* KEY=VALUE, KEY not empty */
};

enum option_flags {
	OPTION_MANY = 1,     /* may be given again and again; otherwise the last one counts */
	OPTION_REQUIRED = 2, /* the command does not start without it */
	OPTION_NO_TWIN = 4,  /* a global option that the environment cannot give */
};

struct option_row {
	char letter;	  /* 'n' for -n; 0: there is none */
	const char *name; /* "dry-run"; NULL ends a table */
	enum option_kind kind;
	const char *arg;     /* what help calls the value: "SIZE"; of a choice its words; else NULL */
	const char *help;    /* one line, small first letter, no full stop */
	uint64_t min, max;   /* of a number */
	unsigned flags;	     /* enum option_flags */
	unsigned one_of;     /* rows of one command with the same number exclude each other; 0: free */
};

#define OPTION_TABLES_MAX 4
#define ARGS_ANY 0xffffffffu

struct command {
	const char *name;    /* "put", or two words: "key add" */
	const char *args;    /* the arguments without the options, as help prints them: "PATH..." */
	const char *summary; /* one line, small first letter, no full stop */
	unsigned args_min, args_max;
	const struct option_row *options[OPTION_TABLES_MAX]; /* tables; NULL where there are fewer */
	/* Returns an err_code with err filled; main prints it, once. What is worth an exit code
	 * though the command went on is told by invocation_note(). */
	int (*run)(struct invocation *inv, struct error *err);
};

/* Words of the documented command line that this build answers with exit 2 and one line. */
struct absence {
	const char *command; /* all of it, if option and value are NULL */
	const char *option;  /* long name without dashes; NULL: an argument */
	const char *value;   /* with this value only; NULL: with any */
	const char *reason;  /* what to say instead of "this build has it not" */
};

/* tables.c. Lists end with NULL, or with a row whose command is NULL. */
extern const struct command *const commands[];
extern const struct absence absences[];
extern const struct option_row global_options[];

/* The command of this exact name, or NULL. */
const struct command *command_find(const char *name);
/* Whether some command is called "word ...": key of "key add". */
bool command_group(const char *word);
/* ERR_USAGE that tells a command this build lacks from one that never was. */
int command_unknown(const char *name, struct error *err);
/* An option all commands have or this one has, by long name, or by letter if that is not 0.
 * command may be NULL. NULL: there is none. */
const struct option_row *row_find(const struct command *command, const char *name,
				  size_t len_bytes, char letter);

#endif
