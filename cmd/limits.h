/*
 * How many bytes drives may move each second: --limit-upload and --limit-download of all drives
 * together, and the options of the same names of one. What is opened twice shares its limit. They stay
 * until the process ends, since a call that hangs may outlive its drive. Any thread.
 */
#ifndef MRMR_CMD_LIMITS_H
#define MRMR_CMD_LIMITS_H

#include "cmd/options.h"
#include "drivers/driver.h"

/* Once, before any drive is opened. */
int limits_begin(const struct globals *g, struct error *err);

/* Fills in out->upload and out->download, which tell out->moved if there is one; NULL where that is not
 * asked for and nothing binds. */
int limits_of(const char *url, const struct drive_option_set *given, struct drive_options *out,
	      struct error *err);

#endif
