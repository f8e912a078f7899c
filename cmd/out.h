/*
 * What the program says: results on stdout, notes, warnings and errors on stderr; with --json
 * one object per line on stdout. Thread-safe. A progress bar on the terminal is wiped before
 * anything else is printed. Messages are escaped (out_escape()): they may hold any name. Write
 * errors are remembered for out_finish(); a reader that went away (EPIPE) is no error, see
 * out_reader_gone().
 */
#ifndef MRMR_CMD_OUT_H
#define MRMR_CMD_OUT_H

#include "base/error.h"
#include "cmd/exit.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct out;

enum out_flags {
	OUT_JSON = 1,
	OUT_QUIET = 2,
	OUT_VERBOSE = 4,
	OUT_NO_PROGRESS = 8,
};

/* results and messages: stdout and stderr, or others in tests; lent. NULL: out of memory. */
struct out *out_new(FILE *results, FILE *messages, unsigned flags);
void out_free(struct out *o); /* NULL is allowed */
/* Flushes. ERR_IO when something of the results could not be written, EPIPE apart. */
int out_finish(struct out *o, struct error *err);
unsigned out_flags(const struct out *o);
bool out_reader_gone(const struct out *o); /* long listings may stop early */

/* One line of what was asked for (a listing, a table). Nothing with --json. */
void out_line(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One line about what was done ("snapshot ... saved"). Nothing with --json or -q. */
void out_report(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One line on stderr, with -v only. */
void out_detail(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "mrmr: warning: ..." on stderr, with -q too; with --json also {"message_type":"warning"}. */
void out_warn(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same of a path, however long: "PATH: WHAT"; with --json also its own member "path". */
void out_warn_path(struct out *o, const char *path, const char *what);
/* "mrmr: <message>" and, unless advice is NULL or "", a second line. With --json also
 * {"message_type":"error","message":...,"exit_code":...} on stdout. */
void out_error(struct out *o, const char *message, const char *advice,
	       enum exit_code code);
/* Bytes as they are, on stdout (cat). ERR_IO; ERR_INTERRUPTED when the reader went away. */
int out_bytes(struct out *o, const void *bytes, size_t len_bytes, struct error *err);

/* A new object {"message_type": type}. NULL: out of memory, which out_json() remembers. */
json_t *out_object(const char *type);
/* Prints it as one line if --json, nothing otherwise; takes the reference either way. */
void out_json(struct out *o, json_t *object);
/* Sets key to a path or name; if it is not UTF-8, key has U+FFFD for the bad bytes and
 * key_b64 has the exact bytes in base64. */
void json_path_set(json_t *object, const char *key, const void *path, size_t len_bytes);
/* Sets key_b64 to the bytes in base64. */
void json_b64_set(json_t *object, const char *key, const void *bytes, size_t len_bytes);

/* Draws a bar on the terminal, and a second line below it unless that is "" or NULL; or wipes both
 * (text "" or NULL). Neither is wider than the terminal. For progress.c. */
void out_bar(struct out *o, const char *text, const char *below);
/* Control bytes of foreign names as \ooo, so that no name steers a terminal. Cut to fit. */
void out_escape(const char *name, char *out, size_t out_bytes);

#endif
