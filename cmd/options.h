/*
 * The command line, parsed by the tables of command.h: long and short options, bundled
 * letters, --name=value, options before or after arguments, "--" ends options. Global options
 * may stand before or after the command's name and have environment twins MRMR_<OPTION>.
 * One thread.
 */
#ifndef MRMR_CMD_OPTIONS_H
#define MRMR_CMD_OPTIONS_H

#include "cmd/command.h"
#include "cmd/exit.h"
#include "cmd/out.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct globals {
	const char *array; /* a name, or a file if it has a slash; "default" if nobody said */
	bool json, quiet, no_progress;
	unsigned verbose;	  /* how many times -v */
	const char *expect_head;  /* NULL: none */
	uint64_t kdf_limit_bytes; /* KDF_MEMORY_LIMIT_BYTES unless raised */
	uint64_t limit_upload, limit_download; /* bytes per second; 0: none */
	bool insecure_no_passphrase;
};

/* One option as given, in the order of the command line. */
struct option_value {
	const struct option_row *row;
	const char *text; /* the value, lent from argv or the environment; NULL of a flag */
	uint64_t number;  /* of a number, size (bytes) or duration (seconds) */
	int64_t time_s;	  /* of a time: UNIX seconds */
};

#define OPTION_MAX UINT64_MAX /* the number of "max", where the table allows that word: "M|max" */
#define ADVICE_BYTES 256

/* What a command is called with. argv and the environment must outlive it. */
struct invocation {
	const struct command *command; /* NULL: none was named (only help or an error follow) */
	const char *group;	       /* "key" of `key add`; it may stand alone with --help */
	struct globals globals;
	struct option_value *options;
	size_t options_count;
	const char **args; /* arguments without the options */
	size_t args_count;
	bool wants_help, wants_version; /* -h, --help; --version stood somewhere */
	struct out *out;	   /* results, notes and warnings; lent */
	enum exit_code exit;	   /* gravest of what was noted; see invocation_note() */
	char advice[ADVICE_BYTES]; /* second line below an error; "" for the usual one */
};

/*
 * Parses argv[1..]. inv is filled as far as parsing came even on ERR_USAGE, whose message
 * says what is wrong. inv->out is left NULL. In any case: invocation_release().
 */
int invocation_parse(struct invocation *inv, int argc, char **argv, struct error *err);
void invocation_release(struct invocation *inv);

/* Remembers a code to exit with if nothing graver comes. */
void invocation_note(struct invocation *inv, enum exit_code code);

/* Sets the line that follows an error: what to do next, naming a command. */
void invocation_advise(struct invocation *inv, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Getters by long name. The name must be in the command's tables (asserted). Of an option
 * given twice the last one counts; the fallback is returned for one not given.
 */
bool option_given(const struct invocation *inv, const char *name);
const char *option_text(const struct invocation *inv, const char *name, const char *fallback);
/* Of a number, a size in bytes, a duration in seconds. */
uint64_t option_number(const struct invocation *inv, const char *name, uint64_t fallback);
int64_t option_time(const struct invocation *inv, const char *name, int64_t fallback_s);
/* Value i of an option that may be repeated; NULL past the last. For an order across several
 * options walk inv->options. */
const char *option_nth(const struct invocation *inv, const char *name, size_t i);

#endif
