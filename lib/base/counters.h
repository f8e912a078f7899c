/*
 * How far an operation is: written by the library's threads, sampled by cmd/ for the progress
 * bar. Every function may be called from any thread and, but for new and free, with NULL, so
 * that library code needs no question whether somebody watches.
 */
#ifndef MRMR_BASE_COUNTERS_H
#define MRMR_BASE_COUNTERS_H

#include "base/meter.h"

#include <stdbool.h>
#include <stdint.h>

#define COUNTERS_DRIVES_MAX 256
#define COUNTERS_NAME_BYTES 256

struct counters;

struct counters *counters_new(void); /* NULL: out of memory */
void counters_free(struct counters *c);

/* A total of 0 is unknown. Totals may be set again while they become known. */
void counters_total(struct counters *c, uint64_t files, uint64_t bytes);
void counters_add(struct counters *c, uint64_t files, uint64_t bytes);
/* The file (or object) worked on now; copied, its end if it is long. */
void counters_name(struct counters *c, const char *name);
/* Drive i of the array is called so; meter: what moves there, held from now on, NULL: not known.
 * i >= COUNTERS_DRIVES_MAX is ignored, here and below. */
void counters_drive(struct counters *c, unsigned i, const char *name, bool remote,
		    struct meter *meter);
/* Jobs waiting for or running on drive i: +1 when queued, -1 when done. */
void counters_queue(struct counters *c, unsigned i, int change);

struct counters_sample {
	uint64_t files_done, files_total, bytes_done, bytes_total;
	char name[COUNTERS_NAME_BYTES];
	char slowest_drive[COUNTERS_NAME_BYTES]; /* with the longest queue; "" when all are idle */
	unsigned slowest_queue;
};
void counters_sample(struct counters *c, struct counters_sample *out);

struct counters_traffic {
	char name[COUNTERS_NAME_BYTES];
	bool remote;
	struct meter_reading moved;
};
/* What moved to and from drive i. False: there is no such drive. */
bool counters_traffic(struct counters *c, unsigned i, struct counters_traffic *out);

#endif
