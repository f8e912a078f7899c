/*
 * Spreading: to which drives objects of one group go so that no domain has more of them than it
 * should. Sizes without bytes: it reads nothing and writes nothing. Pure: any thread.
 */
#ifndef MRMR_CARE_SPREAD_H
#define MRMR_CARE_SPREAD_H

#include "array/alloc.h"
#include "table/table.h"

#define SPREAD_OBJECTS_MAX (GROUP_MEMBERS_MAX + GROUP_ROW_OBJECTS_MAX)

struct spread_object {
	uint16_t drive, to; /* by index; to: spread_plan() fills it */
	bool row;
	uint64_t len_bytes;
};

/*
 * Of all ways to have one object per drive at most, and domain_max per domain, where roles and room
 * allow, the one that moves the fewest bytes; where several do, rows, and to the emptiest drives. An
 * object may stay on a drive that takes nothing. domain_max: of alloc_domain_limit(); domains are
 * numbered below count, as place_view() does. False: there is none, or memory is short.
 */
bool spread_plan(const struct alloc_drive *drives, unsigned count, unsigned domain_max,
		 struct spread_object *objects, unsigned object_count);

#endif
