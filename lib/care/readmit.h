/*
 * Readmitting: a drive whose marker (config.json) is damaged or missing was left out when the array
 * was opened, since a place without a marker may be an empty mount point or somebody else's. Its
 * marker is mended only on proof that this is the place: it holds, whole, at least half of those
 * objects that the journals expect on exactly this drive and nowhere else. Where they expect no
 * such objects there, a journal segment of this array is proof enough.
 */
#ifndef MRMR_CARE_READMIT_H
#define MRMR_CARE_READMIT_H

#include "care/scrub.h"

/* Whether d was left out for its marker alone and its place proves to be d's. */
int readmit_proof(struct array *a, const struct array_drive *d, bool *proved, struct error *err);

/* Mends the markers of all such drives (of the chosen ones, as scrub has it) and takes them back:
 * they are present, or rolled back, afterwards. The damage counts into r, also when repair is false
 * and nothing is done. */
int readmit_drives(struct array *a, const struct scrub_options *o, struct scrub_result *r,
		   struct error *err);

#endif
