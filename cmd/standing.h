/*
 * How a drive is, in words and as JSON: for `drives` and `status`.
 */
#ifndef MRMR_CMD_STANDING_H
#define MRMR_CMD_STANDING_H

#include "array/standing.h"
#include "base/units.h"
#include "cmd/out.h"

#define REMARK_BYTES (ERR_MESSAGE_BYTES + 64)

/* Why it is not optimal: "no marker at /mnt/usb (not mounted?)"; when it is, "" or that it was away. */
void standing_remark(const struct array_drive *d, const struct drive_standing *s,
		     char out[REMARK_BYTES]);
/* What holds of it in any state: that reading is paid for, and what its options weaken. "": nothing.
 * Returns out. */
#define NOTES_BYTES 512
const char *standing_notes(const struct array_drive *d, char out[NOTES_BYTES]);
/* Since when it is not optimal; "" when it is, or when nobody knows. Returns out. */
const char *standing_since(const struct drive_standing *s, char out[UNIT_TEXT_BYTES]);
const char *role_word(uint8_t role);
/* "1 segment", "3 segments". Returns out. */
#define COUNT_TEXT_BYTES 64
const char *count_text(uint64_t count, const char *word, char out[COUNT_TEXT_BYTES]);
/* "1 segment is", "3 segments are". Returns out. */
const char *count_is(uint64_t count, const char *word, char out[COUNT_TEXT_BYTES]);

/* All there is to know of it. An object to be added to or printed; NULL: out of memory. */
json_t *standing_json(const struct array_drive *d, const struct drive_standing *s,
		      const char *type);

/* When scrubs last found whole what a drive has; recent is 30 days. */
int verification_of(struct array *a, const struct array_drive *d, struct table_verification *out,
		    struct error *err);
void verification_add(struct table_verification *sum, const struct table_verification *v);
void verification_set_json(json_t *o, const struct table_verification *v);
/* "87 % within 30 days, the oldest 2026-10-01 04:00:00, 3 objects never". */
#define VERIFICATION_TEXT_BYTES 192
void verification_text(const struct table_verification *v, char out[VERIFICATION_TEXT_BYTES]);

/* Bytes a second of what takes so long per MiB; not of 0. */
uint64_t rate_of(uint64_t mib_us);

#endif
