/*
 * Returned: a drive that was absent, disabled or behind may have been changed, emptied or copied back
 * from a backup meanwhile. Once after each return it is looked through: the names and lengths of all
 * that it has are compared with what the journals place there, and a sample (care/roll.h) is read. It
 * costs one listing, and a bounded number of bytes. A look that was cut off is begun anew.
 */
#ifndef MRMR_CARE_RETURNED_H
#define MRMR_CARE_RETURNED_H

#include "care/scrub.h"

/* Of one drive. */
struct returned_result {
	struct array_drive *drive;
	uint64_t objects;  /* that it should have */
	uint64_t read;     /* of these */
	uint64_t damaged;  /* of those that were read or missing */
	uint64_t repaired; /* put back */
};

/* Whether d is here, was away, and was not looked through since. */
bool returned_is_due(const struct array_drive *d);

/*
 * Looks through d. repair: what is wrong is put back; else it is remembered as a scrub that does not
 * repair would. After ERR_NONE it is not due any more. The array is open for writing.
 */
int returned_look(struct array *a, struct array_drive *d, bool repair, struct returned_result *r,
		  struct error *err);
/* That is done. A scrub that read all of it looked, too. */
void returned_done(struct array *a, struct array_drive *d);

#endif
