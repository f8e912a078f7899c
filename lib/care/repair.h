/*
 * Repair: what an inspection found damaged is made anew from the other objects of its groups.
 * Internal to lib/care.
 */
#ifndef MRMR_CARE_REPAIR_H
#define MRMR_CARE_REPAIR_H

#include "care/inspect.h"

struct repairing {
	struct array *a;
	struct damage_list *damage; /* what is repaired is marked; what does not open is left alone */
	struct scrub_result *r;
	struct buf *records;
	bool all_at_hand; /* no drive is away that may have what is beyond repair: it is declared lost */
};
int repair_damage(struct repairing *s, struct error *err);

#endif
