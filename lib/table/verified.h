/*
 * VERIFIED: what a scrub found whole. Optional. Body: id of the drive; varint marks (WRITERS_MAX at
 * most), each: hash of a writer (strictly rising), varint seq (at least 1); varint claims (1 to
 * VERIFIED_CLAIMS_MAX), by strictly rising (turn, time), each: varint turn (1 to
 * VERIFIED_TURN_MAX), time in seconds, varint ranges (at least 1), each: varint names between it
 * and the range before (the first one: below it; any other: at least 1), varint names in it
 * beyond its first. A name counts by its first eight bytes, a big-endian number (table/ranges.h).
 *
 * A claim says: every object with a name in its ranges that the segments up to these marks place
 * on the drive was read at that time or later, and had the bytes that its name says. What was
 * placed there by later segments is not spoken of, so that the order in which segments are
 * replayed does not matter. Turns count the scrubs of a drive: what has the lowest turn is next.
 * Times are for people; nothing is chosen by them alone.
 *
 * A record replaces, name by name, every other of the same drive that it follows: whose segment
 * its marks cover, or which has the same marks and the same writer and an earlier seq.
 */
#ifndef MRMR_TABLE_VERIFIED_H
#define MRMR_TABLE_VERIFIED_H

#include "table/ranges.h"
#include "table/record.h"
#include "table/segment.h"

#define VERIFIED_CLAIMS_MAX 65536
#define VERIFIED_TURN_MAX ((uint64_t)1 << 48)

struct verified_claim {
	uint64_t turn;
	int64_t time_s;
	struct name_ranges ranges;
};
struct verified_record {
	struct id drive_id;
	struct clock known; /* heads are not used */
	struct verified_claim *claims; /* owned */
	size_t count, cap;
};
void verified_release(struct verified_record *v);
/* The claim of that turn and time, made empty in its place when missing; lent until the next call.
 * NULL: no memory. */
struct verified_claim *verified_claim(struct verified_record *v, uint64_t turn, int64_t time_s);
/* Claims without ranges say nothing: they are left out, and a record of nothing else is not
 * written. */
bool verified_says_nothing(const struct verified_record *v);

void record_verified(struct buf *out, const struct verified_record *v);
/* The body alone: what the table keeps. */
void verified_encode(const struct verified_record *v, struct buf *body);
/* Caller: verified_release(). */
int parse_verified(struct reader body, struct verified_record *v, struct error *err);

#endif
