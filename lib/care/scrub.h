/*
 * Scrub: reads every object of the drives at hand, or a share of them, the least recently verified
 * first, compares it with its name, and puts back what is damaged or missing, on the same drive under
 * the same name. What was found whole is remembered in the journal (table/verified.h).
 */
#ifndef MRMR_CARE_SCRUB_H
#define MRMR_CARE_SCRUB_H

#include "array/array.h"
#include "base/counters.h"
#include "care/roll.h"

struct scrub_options {
	const char *const *drives; /* names; NULL-terminated; NULL: all */
	bool repair;
	bool deep; /* blocks are opened, rows compared with what their members make */
	/* A look at what is there, for returned.h: keys, journals, orphans are left alone, what is whole
	 * is not remembered, and what is not is, though it is not repaired. */
	bool quick;
	struct roll_choice choice; /* all zero: everything */
	bool has_max_time;
	uint64_t max_time_s; /* then no object is begun any more */
	uint64_t remember_s; /* how often what is whole is told to the journal at least; 0: at the end */
	int64_t grace_s; /* orphans seen twice at least this far apart are deleted */
	struct counters *counters; /* or NULL */
};

struct scrub_drive {
	uint64_t objects, bytes; /* verified */
	uint64_t damaged;	 /* wrong bytes, wrong length, missing, unreadable; all below, too */
	uint64_t unread;	 /* neither wrong nor missing, as far as is known */
	uint64_t unopened;	 /* deep: right by their names, and not what the journal says */
	uint64_t wrong_rows;	 /* deep: right by their names, and not what their members make */
	uint64_t repaired;
	uint64_t left; /* objects that were not read, as not all were asked for or time was up */
	bool scrubbed;
};

struct scrub_result {
	struct scrub_drive drives[DRIVES_MAX]; /* by index of the array's drives */
	uint64_t objects, bytes, damaged, unopened, wrong_rows, repaired, left;
	uint64_t rows_compared; /* deep */
	uint64_t rows_alone; /* deep: not compared, as not all of their members are at hand and whole */
	uint64_t lost_blocks; /* beyond repair with every drive at hand: to be stored anew */
	uint64_t orphans, orphan_bytes, swept; /* objects that no journal names; deleted of them */
	bool out_of_time;
};

/* Whether o asks for this drive. */
bool scrub_chooses(const struct scrub_options *o, const struct array_drive *d);

/* The array is open for writing, rollback tolerated. Repairs are durable and read back. What was
 * found whole is remembered after an error, too, if that can be: ERR_INTERRUPTED and others. */
int scrub(struct array *a, const struct scrub_options *o, struct scrub_result *r,
	  struct error *err);

#endif
