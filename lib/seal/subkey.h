/*
 * Inside seal/ only: the keys that boxes are sealed under.
 */
#ifndef MRMR_SEAL_SUBKEY_H
#define MRMR_SEAL_SUBKEY_H

#include "seal/keys.h"

/*
 * The box key of an object type at an epoch, derived when the keys were made. Lent, in
 * guarded memory. NULL: a type that has no boxes, or an epoch these keys do not hold.
 */
const uint8_t *keys_subkey(const struct keys *k, unsigned type, uint32_t epoch);

#endif
