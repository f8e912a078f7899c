/* Settings as they are gathered by settings.c and made by settings_apply.c. */
#ifndef MRMR_ARRAY_SETTINGS_INNER_H
#define MRMR_ARRAY_SETTINGS_INNER_H

#include "array/settings.h"

#include <jansson.h>

/* All as it shall be; what does not differ from what is stays untouched. */
struct settings {
	struct array *a;
	struct policy policy;
	struct drive_record records[DRIVES_MAX]; /* by index of the array's drives */
	json_t *options[DRIVES_MAX];		 /* where some were set, else NULL */
};

#endif
