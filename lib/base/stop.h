/*
 * A wish to stop. cmd/ sets it from its SIGINT and SIGTERM handler; long loops in lib/
 * ask it between two steps that are each whole, and unwind with ERR_INTERRUPTED.
 */
#ifndef MRMR_BASE_STOP_H
#define MRMR_BASE_STOP_H

#include "base/error.h"

void stop_request(int signal_number); /* async-signal-safe */
int stop_signal(void);		      /* 0, or the signal that asked */
int stop_check(struct error *err);    /* ERR_NONE, or ERR_INTERRUPTED with err set */

/* Waits until fd has something to read, or its end. ERR_INTERRUPTED, within a fraction of a second
 * even if the signal came just before or went to another thread; ERR_IO. */
int stop_wait_readable(int fd, struct error *err);

#endif
