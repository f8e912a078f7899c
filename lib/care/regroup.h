/*
 * Regrouping: a group that is wider than the drives at hand can protect is split into narrower
 * ones, which supersede it. Blocks stay where they are; those whose drives are lost are
 * reconstructed and placed.
 */
#ifndef MRMR_CARE_REGROUP_H
#define MRMR_CARE_REGROUP_H

#include "care/mend.h"

/* Whether the promise does not hold for g, and splitting it gives every block all the rows there
 * can be. Nothing is read. False also when memory is short. */
bool regroup_helps(struct array *a, const struct table_group *g);

/* Whether regroup() would find room, by sizes alone: view (as place_view() gives it) is changed by what
 * it would take. Its errors. */
int regroup_fits(struct array *a, const struct table_group *g, struct alloc_drive *view,
		 uint64_t *written_bytes, struct error *err);

/*
 * g as table_group() gave it. Everything is durable and read back before its records are appended;
 * the old rows become garbage. A drive that fails to take an object is poisoned, and the others
 * take it. ERR_FULL, ERR_ABSENT: some block finds no drive, or would be worse protected than it is;
 * ERR_LOST: its objects are too few. Then g stays as it is, and the records tell garbage at most.
 * Any thread.
 */
int regroup(struct array *a, const struct table_group *g, struct buf *records,
	    struct mend_result *result, struct error *err);

/* The same, so that no part has more in one domain than it should. ERR_FULL also where that cannot be. */
int regroup_by_domain(struct array *a, const struct table_group *g, struct buf *records,
		      struct mend_result *result, struct error *err);
/* What it would write, exactly, where all members are at hand: by drive, into a->count entries. It reads
 * the members, once each. Its errors. */
int regroup_by_domain_fits(struct array *a, const struct table_group *g, uint64_t *written_bytes,
			   struct error *err);

/*
 * A new group of blocks as they lie, with rows on these drives: g has them as members, with slots,
 * and no id; members are their bytes, which are taken over. The group supersedes none. Any thread.
 */
int regroup_loose(struct array *a, const struct table_group *g, struct buf *members,
		  const uint16_t *rows, unsigned row_count, struct buf *records,
		  struct mend_result *result, struct error *err);

#endif
