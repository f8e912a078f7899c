/*
 * Object names, as every driver takes them (the rule is in driver.h). Nothing but bytes is looked
 * at, so a name that passes can't lead out of the folder it is used in.
 */
#ifndef MRMR_DRIVERS_NAME_H
#define MRMR_DRIVERS_NAME_H

#include "base/error.h"

#include <stdbool.h>

bool object_name_ok(const char *name);

/* ERR_NONE, or ERR_USAGE that names the name. */
int object_name_check(const char *name, struct error *err);

/* A prefix to list by: "", a name, or the beginning of one ("blocks/", "blocks/a"). */
int object_prefix_check(const char *prefix, struct error *err);

/* [a-z0-9]{1,32}, the rule for drive_options.temp_tag. */
int temp_tag_check(const char *tag, struct error *err);

/* What follows "scheme:" in url; url itself when it does not begin so. Lent. */
const char *url_after_scheme(const char *url, const char *scheme);

#endif
