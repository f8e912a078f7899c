/* What drive_option.c shares with credential.c. */
#ifndef MRMR_BASE_DRIVE_OPTION_INNER_H
#define MRMR_BASE_DRIVE_OPTION_INNER_H

#include "base/drive_option.h"

#include <jansson.h>

/* Lent, as it stands in the config: a text, or of a secret an object too. NULL: not given. */
const json_t *drive_option_value(const struct drive_option_set *o, const char *key);

#endif
