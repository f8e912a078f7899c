/*
 * Inside of the power-loss model (record_drive.h): the log, written by record_drive.c and read by
 * record_cut.c.
 */
#ifndef MRMR_TESTS_RECORD_LOG_H
#define MRMR_TESTS_RECORD_LOG_H

#include "tests/support/record_drive.h"

#include <pthread.h>
#include <stdbool.h>

#define NEVER UINT64_MAX

enum change_kind { CHANGE_PUT, CHANGE_MOVE, CHANGE_REMOVE, CHANGE_SYNC };

struct change {
	enum change_kind kind;
	unsigned drive;
	uint64_t handle;
	char *name, *to;
	uint8_t *bytes;
	size_t len_bytes;
	uint64_t durable_from; /* moment; NEVER: no sync covers it */
	uint64_t gone_from;    /* moment at which a put was given up, or NEVER */
};

struct recorder {
	pthread_mutex_t lock; /* held during a change, so that the log has their order */
	unsigned drives;
	uint64_t next_handle;
	struct change *changes;
	size_t count, cap;
	size_t settled; /* changes at the front that are durable from moment 0 on */
};

/* Aborts with the reason. */
void record_must(bool ok, const char *what);

/* Number i of the log as the clock counts: the change is done at the moment after this one. */
uint64_t record_moment_of(const struct recorder *r, size_t i);

/* The memory drive that plays a role ("live", "image") for drive i, and the end of them all. */
struct drive *record_open_mem(const struct recorder *r, const char *role, unsigned i);
void record_erase_mem(const struct recorder *r, const char *role);

#endif
