/*
 * The options of a drive: -o K=V of init and add, "options" of the config, `set NAME.K=V`.
 *
 * Which there are stands in one table; which of them a kind of drive takes, in its driver. Values
 * are texts. A secret is never one itself but a reference to it: env:NAME, file:PATH or
 * command:CMD ARGS; the config may also have it as {"env": NAME}, {"file": PATH} or
 * {"command": [CMD, ARG...]}, which is kept as it is.
 */
#ifndef MRMR_BASE_DRIVE_OPTION_H
#define MRMR_BASE_DRIVE_OPTION_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ERR_USAGE: no drive has such an option, or value is not one it may have ("" takes it away). */
int drive_option_check(const char *key, const char *value, struct error *err);

struct json_t;

/* Whether a kind that takes these options, NULL-ended, and those that all take has this one. */
bool drive_option_taken(const char *key, const char *const *taken);

bool drive_option_is_secret(const char *key); /* its value is a reference to one */

/* Where in value a path of this host begins: of a file, and in file:PATH. The length of value: there
 * is none. */
size_t drive_option_path_at(const char *key, const char *value);

/*
 * What others say of a place: not to be believed.
 */

/* Whether a drive with this URL runs a program that the URL chooses. */
bool drive_runs_program(const char *url);
enum reference_kinds {
	REFERENCES_TO_PROGRAMS, /* that run one */
	REFERENCES_ALL,
};
/* Takes such references to secrets out of options; their keys, as "a, b", are appended to keys. */
void drive_references_take_out(struct json_t *options, enum reference_kinds which, struct buf *keys);

/* What the options of a drive (JSON, or NULL) weaken. */
struct drive_weakness {
	const char *option;  /* "fsync=no" */
	const char *meaning; /* "what its server ... may be lost" */
};
/* The i-th, from 0 on. False: there are not so many. */
bool drive_options_weakness(const char *json, unsigned i, struct drive_weakness *out);

/* The options of one drive, parsed. NULL stands for none in every function. */
struct drive_option_set;

/* json: an object as in the config, or NULL. what names it in errors. taken: the keys this kind of
 * drive takes besides those that all take, those it learns too, NULL-ended; another one is ERR_USAGE.
 * Caller: drive_options_free(). */
int drive_options_parse(const char *json, const char *const *taken, const char *what,
			struct drive_option_set **out, struct error *err);
void drive_options_free(struct drive_option_set *o);
/* connections=N of options that were checked, or 0. */
unsigned drive_options_connections(const char *json);

/* Lent; NULL: not given. Not for secrets. */
const char *drive_option(const struct drive_option_set *o, const char *key);
/* fallback: not given. ERR_USAGE: not a number within min and max. */
int drive_option_number(const struct drive_option_set *o, const char *key, uint64_t min,
			uint64_t max, uint64_t fallback, uint64_t *out, struct error *err);
/* "yes" or "no". */
int drive_option_flag(const struct drive_option_set *o, const char *key, bool fallback, bool *out,
		      struct error *err);

/* A secret in guarded memory, as text. All zero: none. */
struct credential {
	char *text; /* sodium_malloc; NULL: not given */
};
void credential_release(struct credential *c);

/*
 * The secret that key refers to; when it is not given, the first of the environment variables that
 * was set at the start of the process (NULL-ended; NULL: none). out->text is NULL if neither is
 * there: that is ERR_NONE. ERR_DENIED: a file that others may read, or a reference that leads
 * nowhere; the message names the reference, never the secret.
 */
int drive_option_secret(const struct drive_option_set *o, const char *key,
			const char *const *variables, struct credential *out, struct error *err);

/*
 * Once, early in main, before any thread or child: takes the variables of providers that hold
 * secrets (AWS_SECRET_ACCESS_KEY, OS_PASSWORD, ...) out of the environment, into guarded memory.
 * After sodium_init(). A variable that a reference names is taken when it is first asked for.
 */
int credentials_take_environment(struct error *err);
void credentials_forget(void);

#endif
