/*
 * Since when this host sees each drive as it stands: drives.json in the state folder. The journals
 * tell when a drive was disabled; that one is absent or behind is seen by each host alone.
 */
#ifndef MRMR_ARRAY_SEEN_H
#define MRMR_ARRAY_SEEN_H

#include "array/array.h"

/* Fills seen_s of every drive, and writes the file if some drive stands otherwise than it did. Failing to
 * do so fails nothing: then the times are not known. */
void seen_update(struct array *a, int64_t now_s);

#endif
