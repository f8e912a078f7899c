/*
 * Listings of journals: which segments exist, where, and how far each drive's copy goes.
 * Internal to lib/array.
 */
#ifndef MRMR_ARRAY_JOURNALS_H
#define MRMR_ARRAY_JOURNALS_H

#include "array/array.h"

#define PLACE_MIRROR DRIVES_MAX /* place number of the state folder's copy */

/* One stored segment in one place. */
struct listed_segment {
	struct segment_name parts;
	char name[SEGMENT_NAME_BYTES];
	uint64_t len_bytes;
	unsigned place; /* drive index, or PLACE_MIRROR */
	bool replayed;	/* by the pull that listed it; of the first item of a name */
};

/* Sorted by writer, first, last (longest first), hash, place. */
struct journals {
	struct listed_segment *items;
	size_t count, cap;
};
void journals_release(struct journals *l);
/* Lists the journals of the mirror and of every drive that is present or rolled back; one whose listing fails becomes
 * unreachable. */
int journals_read(struct array *a, struct journals *out, struct error *err);
/* The same of the mirror alone: what this host wrote, and has read. */
int journals_read_mirror(struct array *a, struct journals *out, struct error *err);
/* The same of drive i alone, which is open. */
int journals_read_drive(struct array *a, unsigned i, struct journals *out, struct error *err);
/* Fills clock with how far the journals in this place go without a gap (heads are not known from
 * names: they are zero). */
int journals_coverage(const struct journals *l, unsigned place, struct clock *out,
		     struct error *err);
/* First item of the next distinct segment after i; count at the end. */
size_t journals_next(const struct journals *l, size_t i);
/* The stored bytes of the segment at item i, from whichever place has them whole. *from tells it. */
int journals_load(struct array *a, const struct journals *l, size_t i, struct buf *out,
		 unsigned *from, struct error *err);
/* Whether the segment at item, the first of its name, lies in this place. */
bool journals_has(const struct journals *l, size_t item, unsigned place);
struct drive *place_handle(struct array *a, unsigned place); /* NULL: not open */

#endif
