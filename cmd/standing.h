/*
 * How a drive is, in words and as JSON: for `drives` and `status`.
 */
#ifndef MRMR_CMD_STANDING_H
#define MRMR_CMD_STANDING_H

#include "array/standing.h"
#include "base/units.h"
#include "cmd/out.h"

#define REMARK_BYTES (ERR_MESSAGE_BYTES + 64)

/* Why it is not optimal: "no marker at /mnt/usb (not mounted?)"; "" when it is. */
void standing_remark(const struct array_drive *d, const struct drive_standing *s,
		     char out[REMARK_BYTES]);
/* Since when it is not optimal; "" when it is, or when nobody knows. Returns out. */
const char *standing_since(const struct drive_standing *s, char out[UNIT_TEXT_BYTES]);
const char *role_word(uint8_t role);
/* "1 segment", "3 segments". Returns out. */
#define COUNT_TEXT_BYTES 64
const char *count_text(uint64_t count, const char *word, char out[COUNT_TEXT_BYTES]);

/* All there is to know of it. An object to be added to or printed; NULL: out of memory. */
json_t *standing_json(const struct array_drive *d, const struct drive_standing *s,
		      const char *type);

#endif
