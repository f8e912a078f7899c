/*
 * Deep checks: whether what has the right hash also is what the journals say it is. Blocks are opened
 * to the last chunk; rows are compared with what their members make. Internal to lib/care.
 */
#ifndef MRMR_CARE_DEEP_H
#define MRMR_CARE_DEEP_H

#include "array/frame_load.h"
#include "care/inspect.h"

/* Verifies the block by its name, opens every frame and recomputes every chunk id, and compares its
 * list with that of the journal. *unopened: its bytes are those of its name, and yet it is not what it
 * should be: no parity mends that. Any thread; the block is in memory meanwhile. */
int deep_check_block(struct array *a, struct frame_loader *l, const struct array_drive *d,
		     const struct table_object *o, bool *unopened, struct error *err);

/*
 * Compares every row that this scrub found whole, on the pool's threads, with what the members make
 * of it. What differs is told and counted as damage; with repair it is made anew on the same drive,
 * under the name that it then has: a record is added, and the wrong one is added to wrong, to be set
 * aside when the record is committed. Rows some members of which are damaged or not at hand are only
 * counted.
 */
struct wrong_row {
	struct array_drive *drive;
	char name[OBJECT_NAME_MAX + 1];
};
struct wrong_rows {
	struct wrong_row *items; /* owned */
	size_t count, cap;
};
int deep_check_rows(struct inspecting *in, struct scrub_result *r, struct wrong_rows *wrong,
		    struct buf *records, struct error *err);
/* Moves the wrong ones to quarantine/, where nothing else has their names. */
int deep_set_aside(struct array *a, const struct wrong_rows *wrong, struct error *err);

#endif
