/*
 * Extra rows: with parity=max, room to spare holds more rows than the policy's parity promises. They
 * are rows like others, with higher numbers; those of a group with the highest numbers are the ones
 * beyond its parity. Nothing is promised of them: wherever what is promised needs their room, or
 * their drive for another object of the group, they are given back, and where room is counted they
 * count as free. So an array holds and does the same with them as without.
 *
 * They are made where all else is done (care/leveling_extra.c).
 */
#ifndef MRMR_ARRAY_EXTRA_H
#define MRMR_ARRAY_EXTRA_H

#include "array/upkeep.h"

/* Numbers of the rows of g that are extra, as bits; 0 with another policy. */
uint32_t extra_rows(struct array *a, const struct table_group *g);
/* Whether row object i of g is one. */
bool extra_is(struct array *a, const struct table_group *g, unsigned i);

/* One of so many bytes is on d now. */
void extra_count(struct array *a, struct array_drive *d, uint64_t bytes);
/* Those of g are no more counted: it is about to be superseded. */
void extra_forget(struct array *a, const struct table_group *g);

/* Another object of g is on drive d now: an extra row that is there, too, goes. Appends records; returns
 * its bytes, which are garbage then. */
uint64_t extra_evict(struct array *a, const struct table_group *g, const struct array_drive *d,
		     struct buf *records);

/* Counts by the table, if some were given back since; what is known only to an upkeep is to be settled
 * before. *more: some drive has more than it seemed. The caller does not hold table_lock. */
int extra_recount(struct array *a, bool *more, struct error *err);

/*
 * Gives back extra rows until d has so much room, top rows first: recorded, committed, and then deleted.
 * None that the promise needs now (drives being away) goes. *recounted: d has less room than it
 * seemed to have, and is counted so from now on. Any thread that does not hold table_lock.
 */
int extra_yield(struct array *a, struct array_drive *d, uint64_t bytes, bool *recounted,
		struct error *err);

#endif
