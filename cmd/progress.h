/*
 * Progress of a long command: a bar on a terminal (stderr), at most 10 times a second, and below
 * it a line about remote drives, when something moves there; with --json a
 * {"message_type":"status"} line on stdout, at most once a second; otherwise nothing.
 * A thread of its own samples the counters, which the library's threads write.
 */
#ifndef MRMR_CMD_PROGRESS_H
#define MRMR_CMD_PROGRESS_H

#include "base/counters.h"
#include "base/error.h"
#include "cmd/out.h"

#include <stdbool.h>

struct progress;

/*
 * verb: "put", "scrub", ...; lent. Starts showing progress_counters(); if nothing is to be
 * shown, no thread runs. NULL: err is set. Caller: progress_stop().
 */
struct progress *progress_start(struct out *o, const char *verb, struct error *err);
bool progress_is_watched(const struct progress *p); /* whether anything is shown */
/* For the library; valid until progress_stop(). */
struct counters *progress_counters(struct progress *p);
/* Wipes the bar, joins the thread, frees. NULL is allowed. */
void progress_stop(struct progress *p);

/* A remote drive, and how fast bytes move to and from it. */
struct progress_link {
	char name[COUNTERS_NAME_BYTES];
	uint64_t up_bytes_per_s, down_bytes_per_s;
};
/* A line about them: as many as fit, and of these only such that move something; "" if none. */
void progress_links(const struct progress_link *links, unsigned count, unsigned columns,
		    char *line, size_t line_bytes);
/* The line for a terminal of so many columns, after so much time. For progress.c and tests, as is
 * what is above. */
void progress_line(const struct counters_sample *s, const char *verb, uint64_t elapsed_ms,
		   unsigned columns, char *line, size_t line_bytes);

#endif
