/* What the `key` commands share. */
#ifndef MRMR_CMD_KEY_H
#define MRMR_CMD_KEY_H

#include "seal/slot.h"

const char *slot_kind_word(enum slot_kind kind);

#endif
