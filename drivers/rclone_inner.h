/* How the rclone driver starts its children. */
#ifndef MRMR_DRIVERS_RCLONE_INNER_H
#define MRMR_DRIVERS_RCLONE_INNER_H

#include "drivers/rclone.h"

#include <sys/types.h>

/* own: "NAME=value", NULL-ended. NULL: out of memory. Caller: child_environment_free(). */
char **rclone_environment(const char *config_password, const char *const own[]);

/* Starts argv in that environment. *from: what it complains of comes from there, and if wanted what
 * it prints; the caller closes it. The child ends with the thread that started it, at the latest, and
 * is the caller's to reap. ERR_UNSUPPORTED: there is no such program. */
int rclone_spawn(const char *const argv[], char **env, bool wants_stdout, pid_t *pid, int *from,
		 struct error *err);

#endif
