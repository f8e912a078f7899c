/*
 * Quantities as people write them. Parsing is strict: no spaces, no signs, no overflow,
 * nothing left over; anything else is ERR_USAGE with a message that shows the right form.
 * Thread-safe (times use the local time zone).
 */
#ifndef MRMR_BASE_UNITS_H
#define MRMR_BASE_UNITS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits only. */
int number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *out, struct error *err);

/* SIZE: bytes, or K M G T with optional iB (1024), or KB MB GB TB (1000). "20M" = "20MiB". */
int size_parse(const char *text, uint64_t *bytes, struct error *err);

/* D: 90s 10m 24h 30d, or 0. */
int duration_parse(const char *text, uint64_t *seconds, struct error *err);

/*
 * TIME: ISO 8601 "2024-05-31", "2024-05-31T13:45[:07]" (or a space for the T), local time, or
 * with Z or +02:00 behind it; or "-D", that long before now_s. UNIX seconds.
 */
int time_parse(const char *text, int64_t now_s, int64_t *unix_s, struct error *err);

/* Whether word is one of "these|words". */
bool word_is_one_of(const char *words, const char *word);

/* Output. Each writes at most UNIT_TEXT_BYTES with the NUL. */
#define UNIT_TEXT_BYTES 40
void size_text(uint64_t bytes, char out[UNIT_TEXT_BYTES]);     /* "1.5 GiB", "312 B" */
void time_text(int64_t unix_s, char out[UNIT_TEXT_BYTES]);     /* "2024-05-31 13:45:07", local */
void time_iso_text(int64_t unix_s, char out[UNIT_TEXT_BYTES]); /* "2024-05-31T11:45:07Z", for JSON */
void duration_text(uint64_t seconds, char out[UNIT_TEXT_BYTES]); /* "1h05m", "4m07s", "9s" */
void percent_text(uint64_t part, uint64_t whole, char out[UNIT_TEXT_BYTES]); /* "12.3 %" */

/* Drive names: [A-Za-z0-9][A-Za-z0-9._-]{0,31}. */
#define DRIVE_NAME_BYTES 33 /* with the NUL */
bool drive_name_valid(const char *name);

/*
 * Takes "NAME=" off an argument if NAME is a valid drive name. *url points into arg. Without
 * it name is "".
 */
void drive_name_split(const char *arg, char name[DRIVE_NAME_BYTES], const char **url);

/*
 * A name for a URL that came without one: its last path component (query and slashes at the
 * end dropped), the container of "?container=", or the host if that is all; other characters turned into '-', cut to fit; "drive" if nothing is left.
 * attempt 0 is that, attempt n appends "-<n+1>": ask until it is not taken.
 */
void drive_name_derive(const char *url, unsigned attempt, char name[DRIVE_NAME_BYTES]);

#endif
