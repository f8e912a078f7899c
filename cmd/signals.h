/*
 * SIGINT and SIGTERM become stop_request(): loops unwind, nothing is half-committed. A second
 * one kills at once. SIGPIPE is ignored: writes fail with EPIPE instead.
 */
#ifndef MRMR_CMD_SIGNALS_H
#define MRMR_CMD_SIGNALS_H

void signals_start(void);

/* Ends the process as a filter whose reader went away does: by SIGPIPE. */
_Noreturn void signals_die_of_broken_pipe(void);

#endif
