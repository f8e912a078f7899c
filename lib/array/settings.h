/*
 * Settings: properties of an open array and of its drives, changed by NAME=VALUE. All changes are
 * checked, one by one and then together, before any is made.
 *
 *	settings_begin(a, &s, &err)
 *	settings_set(s, "d1.role=parity", &err), ...
 *	settings_check(s, &err)
 *	settings_apply(s, &err)
 *	settings_end(s)
 *
 * NAME:	parity=M|max copies=N width=K	of what is stored already, debts_settle() and
 *					rebalance_widths() make the same
 *		chunk-profile=P block-size=SIZE	for new data
 *		DRIVE.role=both|data|parity  DRIVE.removable=yes|no  DRIVE.journal=yes|no
 *		DRIVE.reserve=SIZE  DRIVE.max=SIZE (0: the default, no limit)  DRIVE.domain=TEXT
 *		DRIVE.OPTION=VALUE		of the driver; an empty VALUE takes it out
 */
#ifndef MRMR_ARRAY_SETTINGS_H
#define MRMR_ARRAY_SETTINGS_H

#include "array/array.h"

struct settings;

int settings_begin(struct array *a, struct settings **out, struct error *err);
/* ERR_USAGE: no such name, or the value is none for it. */
int settings_set(struct settings *s, const char *assignment, struct error *err);
/* ERR_USAGE: what was set does not fit together or the array as it is. */
int settings_check(struct settings *s, struct error *err);
/* The policy and the drives' records as they shall be, and as they are, change places: twice, and
 * all is as before. Between, it can be asked what would be (care/debts.h). */
void settings_swap(struct settings *s);
/* Commits what differs from what is; then the config. The array must be open for writing. */
int settings_apply(struct settings *s, struct error *err);
void settings_end(struct settings *s); /* NULL is allowed */

/* Whether an array of this policy and these drives can keep what it promises: ERR_USAGE if not.
 * drives: those that count. */
int policy_check(const struct policy *p, const struct drive_record *drives, unsigned count,
		 struct error *err);

#endif
