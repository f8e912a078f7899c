/*
 * Exit codes: the one place that knows them. mrmr(1) documents each; scripts rely on them.
 * Codes are added, never changed.
 */
#ifndef MRMR_CMD_EXIT_H
#define MRMR_CMD_EXIT_H

#include "base/error.h"

enum exit_code {
	EXIT_DONE = 0,		/* done, nothing to report */
	EXIT_FAILED = 1,	/* failed */
	EXIT_USAGE = 2,		/* the command line is wrong; nothing was done */
	EXIT_SOURCES = 3,	/* done, but some source files could not be read */
	EXIT_WORK_REMAINS = 4,	/* a time or byte budget was reached */
	EXIT_NO_ARRAY = 10,	/* no such array */
	EXIT_LOCKED = 11,	/* another process holds it */
	EXIT_KEY = 12,		/* wrong passphrase or key */
	EXIT_DEGRADED = 20,	/* redundancy below the promise; only put, status, rebuild */
	EXIT_LOST = 21,		/* some data cannot be read or restored */
	EXIT_UNREPAIRED = 22,	/* scrub: damage found, not all of it repaired */
	EXIT_REPAIRED = 23,	/* scrub: damage found and all repaired */
	EXIT_ABSENT = 24,	/* a drive that is needed is absent */
	EXIT_FULL = 25,		/* out of space or quota */
	EXIT_UNSAFE = 26,	/* safety brake: rollback, fork, foreign or duplicate drive */
	EXIT_SIGINT = 130,	/* interrupted by SIGINT */
	EXIT_SIGTERM = 143,	/* interrupted by SIGTERM */
};

/* What an error that ended the command exits with. An interruption asks stop_signal(). */
enum exit_code exit_from_error(const struct error *err);

/*
 * The code to leave with when both apply. What ended a command early (1, 2, 10 to 12, 130,
 * 143) outranks what it merely noticed; among the others 21 > 22 > 26 > 25 > 24 > 20 > 23 > 3
 * > 4 > 0.
 */
enum exit_code exit_graver(enum exit_code a, enum exit_code b);

#endif
