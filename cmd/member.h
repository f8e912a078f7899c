/*
 * What the commands that take drives out of use and back have in common.
 */
#ifndef MRMR_CMD_MEMBER_H
#define MRMR_CMD_MEMBER_H

#include "array/membership.h"
#include "cmd/options.h"

/* The drive that the first argument names, which is a member, wherever it is: disabled and draining
 * ones too. ERR_USAGE. */
int member_named(struct invocation *inv, struct array *a, struct array_drive **out,
		 struct error *err);

/* "drive d2 disabled", or on a dry run "would disable drive d2", and the summary. */
void member_report(struct invocation *inv, const char *name, const char *verb, const char *done,
		   bool dry);

#endif
