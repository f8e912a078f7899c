/* Capacity, as status says it. */
#ifndef MRMR_CMD_CAPACITY_H
#define MRMR_CMD_CAPACITY_H

#include "array/capacity.h"
#include "cmd/out.h"

#include <jansson.h>

/* all_here: no drive is away that would hold more. */
void capacity_print(const struct capacity *c, struct out *out, bool all_here);
/* Into the object of status. */
void capacity_add_json(const struct capacity *c, json_t *o);

#endif
