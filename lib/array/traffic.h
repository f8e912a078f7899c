/*
 * What moved to and from the drives of an array since they were opened (base/meter.h), in this
 * process alone: nothing of it is kept.
 */
#ifndef MRMR_ARRAY_TRAFFIC_H
#define MRMR_ARRAY_TRAFFIC_H

#include "array/array.h"
#include "base/meter.h"

/* All zero when it is not open. */
void drive_traffic(const struct array_drive *d, struct meter_reading *out);
bool drive_is_remote(const struct array_drive *d); /* and open */

/* Tells the counters of array_watch() of d, as it is now. */
void traffic_watch(const struct array *a, const struct array_drive *d);

/* "312 requests, 34.1 MiB up, 214.0 KiB down, 3 retries". Returns out. */
#define TRAFFIC_TEXT_BYTES 320
const char *traffic_text(const struct meter_reading *r, char out[TRAFFIC_TEXT_BYTES]);

/* To the user, as information: a line for each remote drive. */
void traffic_tell(const struct array *a);

#endif
