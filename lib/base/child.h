/*
 * A child process that answers with a few bytes on its stdout: passphrase and credential
 * commands. No shell; the environment is built from a short list (HOME, PATH, DISPLAY, the
 * sockets of key agents, ...), so that no secret of ours is inherited. stdin and stderr are ours.
 */
#ifndef MRMR_BASE_CHILD_H
#define MRMR_BASE_CHILD_H

#include "base/error.h"

#include <stddef.h>

/*
 * Runs argv[0] (looked up in PATH) and puts what it prints into out, at most cap_bytes;
 * *len_bytes tells how much. More than that, or an exit code other than 0, is an error that
 * names argv[0] only. out is the caller's, who wipes it.
 */
int child_output(const char *const argv[], void *out, size_t cap_bytes, size_t *len_bytes,
		 struct error *err);

/*
 * Splits a command line into words as a shell does for spaces, '...', "..." and backslash;
 * nothing is expanded. *words is NULL-ended; words_free(). ERR_USAGE: an open quote, no word.
 */
int words_split(const char *line, char ***words, struct error *err);
void words_free(char **words);

#endif
