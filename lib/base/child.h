/*
 * Child processes. No shell; the environment is built from a short list (HOME, PATH, DISPLAY, the
 * sockets of key agents, ...), so that no secret of ours is inherited.
 */
#ifndef MRMR_BASE_CHILD_H
#define MRMR_BASE_CHILD_H

#include "base/error.h"

#include <stddef.h>
#include <sys/types.h>

/*
 * Runs argv[0] (looked up in PATH) and puts what it prints into out, at most cap_bytes;
 * *len_bytes tells how much. More than that, or an exit code other than 0, is an error that
 * names argv[0] only. out is the caller's, who wipes it.
 */
int child_output(const char *const argv[], void *out, size_t cap_bytes, size_t *len_bytes,
		 struct error *err);

/* The built environment and more of the form "NAME=value"; both NULL-ended. NULL: out of memory. It
 * is wiped when it is freed. */
char **child_environment(const char *const more[]);
void child_environment_free(char **env);

/*
 * Starts argv[0] (looked up in PATH) with these for its stdin, stdout and stderr (-1: ours), and
 * does not wait. It leads a process group of its own: what the terminal sends does not reach it, and
 * what it starts can be ended with it. The caller reaps it.
 */
int child_spawn(const char *const argv[], const int fds[3], pid_t *pid, struct error *err);

/*
 * Starts argv with its stdin and stdout at one end of a socket, of which *fd is the other (it does not
 * block), and its stderr in a file in memory, *said_fd. It is a process group of its own: what is typed
 * at the terminal does not interrupt it. The caller closes both and then calls child_end().
 */
int child_connect(const char *const argv[], int *fd, int *said_fd, pid_t *pid, struct error *err);
/* Asks it to end, after two seconds makes it, and forgets it. */
void child_end(pid_t pid);

/*
 * Splits a command line into words as a shell does for spaces, '...', "..." and backslash;
 * nothing is expanded. *words is NULL-ended; words_free(). ERR_USAGE: an open quote, no word.
 */
int words_split(const char *line, char ***words, struct error *err);
void words_free(char **words);

#endif
