/*
 * Which snapshots a command means: --host, --series, --tag and --before, and this host's name.
 */
#ifndef MRMR_CMD_SELECT_H
#define MRMR_CMD_SELECT_H

#include "archive/select.h"
#include "cmd/options.h"

#define HOST_BYTES 256

/* This host's name as put records it. */
void host_name(char out[HOST_BYTES]);

struct selecting {
	struct select_filter filter; /* lends from inv and from here: do not copy */
	char host[HOST_BYTES];
	const char **tags; /* owned */
};

/* From the options in snapshot_filters (tables.c). Caller: selecting_release(), always. */
int selecting_init(const struct invocation *inv, struct selecting *s, struct error *err);
void selecting_release(struct selecting *s);

/* The one file that arg, SNAPSHOT:PATH, names. ERR_USAGE when it is a folder or anything else.
 * Caller: selection_release(), not after an error. */
int select_file(struct table *t, const struct select_filter *f, const char *arg,
		struct selection *out, struct error *err);

#endif
