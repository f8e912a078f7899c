#include "care/returned.h"

#include "array/seen.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

bool returned_is_due(const struct array_drive *d)
{
	return d->returned != RETURN_NONE && d->handle && d->presence == DRIVE_PRESENT &&
	       drive_counts(d) && !atomic_load(&d->poisoned);
}

void returned_done(struct array *a, struct array_drive *d)
{
	if (d->returned != RETURN_NONE)
		seen_return(a, d, RETURN_NONE, time(NULL));
}

int returned_look(struct array *a, struct array_drive *d, bool repair, struct returned_result *r,
		  struct error *err)
{
	const char *const names[] = { d->name, NULL };
	const struct scrub_options o = { .drives = names,
					 .repair = repair,
					 .quick = true,
					 .choice = { .sample = true } };
	struct scrub_result *found = malloc(sizeof(*found));
	const struct scrub_drive *of_drive;
	int code;

	if (!found)
		return err_nomem(err);
	seen_return(a, d, RETURN_LOOKING, time(NULL));
	code = scrub(a, &o, found, err);
	of_drive = &found->drives[d - a->drives];
	*r = (struct returned_result){ .drive = d,
				       .objects = of_drive->objects + of_drive->left,
				       .read = of_drive->objects,
				       .damaged = of_drive->damaged,
				       .repaired = of_drive->repaired };
	/* It was here to the end. */
	if (code == ERR_NONE && !of_drive->scrubbed)
		code = err_set(err, ERR_ABSENT, "drive %s: %s", d->name, d->why);
	if (code == ERR_NONE && of_drive->damaged > 0)
		code = array_refresh(a, err);
	if (code == ERR_NONE)
		returned_done(a, d);
	free(found);
	return code;
}
