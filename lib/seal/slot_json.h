/*
 * Inside seal/ only: a slot as JSON. Its parser is slot_parse() of seal/slot.h.
 */
#ifndef MRMR_SEAL_SLOT_JSON_H
#define MRMR_SEAL_SLOT_JSON_H

#include "seal/slot.h"

/* Appends the JSON. ERR_NOMEM: out is not to be used. */
int slot_print(const struct slot *slot, struct buf *out, struct error *err);

#endif
