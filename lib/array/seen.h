/*
 * Since when this host sees each drive as it stands, and which drives were away since they were last
 * looked through: drives.json in the state folder. The journals tell when a drive was disabled; that
 * one is absent or behind is seen by each host alone.
 */
#ifndef MRMR_ARRAY_SEEN_H
#define MRMR_ARRAY_SEEN_H

#include "array/array.h"

/* Fills seen_s and returned of every drive, and writes the file if some drive stands otherwise than it
 * did. Failing to do so fails nothing: then the times are not known. A drive that is not present was
 * away, and so was one that lacks journal segments. */
void seen_update(struct array *a, int64_t now_s);

/* A look at d begins, or has ended: RETURN_LOOKING, RETURN_NONE. In the file before this returns, as
 * far as that can be written. */
void seen_return(struct array *a, struct array_drive *d, enum drive_return returned, int64_t now_s);

#endif
