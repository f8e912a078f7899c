/*
 * What moved to and from drives, as JSON: in status messages, in summaries, and in `drives`.
 */
#ifndef MRMR_CMD_TRAFFIC_H
#define MRMR_CMD_TRAFFIC_H

#include "array/array.h"
#include "base/counters.h"
#include "base/meter.h"

#include <jansson.h>
#include <stdbool.h>

/* What there is to say of one; a drive of this host has no link, so that is null then. */
json_t *traffic_json(const struct meter_reading *r, bool remote);
/* One object for each drive that is open, with its name. */
json_t *traffic_of_all_json(const struct array *a);
/* The same of the drives that counters were told of. */
json_t *traffic_of_counters_json(struct counters *c);

#endif
