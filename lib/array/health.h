/*
 * Health: what the drives at hand can bear, by the journals (nothing is read from drives).
 */
#ifndef MRMR_ARRAY_HEALTH_H
#define MRMR_ARRAY_HEALTH_H

#include "array/array.h"

struct health {
	unsigned members, absent; /* drives that count; of them not at hand */
	uint64_t groups, blocks_alone; /* live groups; blocks in no group */
	uint64_t degraded;  /* groups (and lone blocks) with an object on a drive not at hand */
	uint64_t owed_rows; /* rows that the policy asks for and no counting drive has */
	uint64_t lost;	    /* groups with fewer objects at hand than members, lone blocks away */
	uint64_t bytes_lost; /* of the blocks in these that are not at hand */
	uint64_t bytes_on[DRIVES_MAX]; /* of these, by drive: they can be read once that is back */
	uint64_t weak;	    /* groups and lone blocks that the promise does not hold for */
	int least_spare;    /* drives at hand that may be lost, whichever they are, up to parity (what extra
			     * rows bear counts, too); below 0 some data cannot be read now */
	/* All that is stored survives the loss of any `parity` drives, absent ones counted in. */
	bool promise_kept;
};

/* O(groups). */
int health_check(struct array *a, struct health *out, struct error *err);

/* A drive that may come back as it was: absent, not reachable, disabled. */
bool health_may_return(const struct array_drive *d);
/* As it will be when all such drives are back, as far as is known of them. O(groups). */
int health_attached(struct array *a, struct health *out, struct error *err);

/* Whether what drive i holds can be read now, as far as is known. */
bool health_at_hand(const struct array *a, unsigned i);

/* Whether some member of the group was not declared lost. One without protects nothing any more. */
bool health_has_data(const struct table_group *g);

/* Rows of a group that some counting drive has, as bits by row number. */
uint32_t health_rows(struct array *a, const struct table_group *g);

/* Objects of the group at hand minus its members: below 0 it cannot be read whole now. */
int health_spare(struct array *a, const struct table_group *g);

/* Takes out of g a row that another drive at hand has, too: two hosts made it at once. False: there is
 * none. */
bool health_take_twice(struct array *a, struct table_group *g, struct group_row_record *out);

/* Whether some row of g is the same object: copies of one block have one name. */
bool health_names(const struct table_group *g, const struct group_row_record *row);

/* Whether the promise holds for this group: any `parity` drives may be lost, absent ones counted. */
bool health_keeps(struct array *a, const struct table_group *g);

#endif
