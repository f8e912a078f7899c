/*
 * Mending: makes objects of a group anew from the others and stores them. Every input is hashed
 * whole before it is used and every result before and after it is stored; a damaged object that
 * is in the way goes to quarantine/.
 *
 * The objects of a group are at most 64 MiB together (array/place.c), or 128 (care/gather.h), so
 * they are worked on in memory; several threads may mend different groups.
 */
#ifndef MRMR_CARE_MEND_H
#define MRMR_CARE_MEND_H

#include "array/degraded.h"

/* An object to make, and the drive that gets it. */
struct mend_want {
	struct code_ref ref; /* of a group with one member: any row number is a copy */
	struct array_drive *drive;
	bool anew; /* a row that is not what the journal says: it gets the name it must have */
	bool done; /* stored and read back */
	int failed; /* code of why its drive did not take it, else ERR_NONE */
};

struct mend_result {
	uint64_t read_bytes, written_bytes;
	unsigned bad_inputs; /* objects that were to be read and turned out damaged or missing */
	unsigned unread_inputs; /* objects whose drive failed to read them: they may be whole */
};

/*
 * Makes the wanted objects of the group: copied from another drive that has them whole, else computed.
 * Appends a record for each whose place is new. ERR_LOST:
 * fewer than k others are whole, which is sure: each was read and is wrong, or is missing.
 * ERR_ABSENT: fewer than k could be read now. Other errors are of a drive that was written, the
 * first one; every object is tried, and wants[].done tells which are there. A drive that failed to
 * take an object that it did not have before is poisoned.
 */
int mend_group(struct array *a, const struct id *group_id, struct mend_want *wants,
	       unsigned want_count, struct buf *records, struct mend_result *result,
	       struct error *err);

/*
 * Loads every member of the group into memory, each verified, reconstructed where it must be:
 * members[i] belongs to g->members[i]. The caller releases the g->member_count buffers.
 */
int mend_load_members(struct array *a, const struct table_group *g, struct buf *members,
		      struct mend_result *result, struct error *err);

/* The same for a block alone, that no group protects: as it lies on its drive. */
int mend_load_block(struct array *a, const struct table_block *b, struct buf *bytes,
		    struct mend_result *result, struct error *err);

/* Appends what follows the coded bytes of a row of this group of two members or more. */
int mend_row_tail(const struct array *a, const struct table_group *g, unsigned row, struct buf *out,
		  struct error *err);

#endif
