#include "array/upkeep.h"

#include "array/garbage.h"
#include "array/meanwhile.h"
#include "array/place.h"

#include <string.h>

#define SETTLE_CHANGES 64
#define SETTLE_BYTES ((uint64_t)256 << 20)

void upkeep_init(struct upkeep *u, struct array *a)
{
	memset(u, 0, sizeof(*u));
	u->a = a;
}

void upkeep_release(struct upkeep *u)
{
	buf_release(&u->records);
}

void upkeep_garbage(struct upkeep *u, struct array_drive *d, const char *name, uint64_t len_bytes)
{
	if (!d || !drive_counts(d))
		return;
	record_garbage(&u->records, &d->id, name, false);
	u->garbage_bytes[d - u->a->drives] += len_bytes;
}

bool upkeep_is_due(const struct upkeep *u)
{
	return u->changes >= SETTLE_CHANGES || u->new_bytes >= SETTLE_BYTES;
}

int upkeep_settle(struct upkeep *u, struct error *err)
{
	uint64_t removed = 0;
	int code = meanwhile_commit(u->a, &u->records, err);

	for (unsigned i = 0; i < u->a->count && code == ERR_NONE; i++) {
		if (u->garbage_bytes[i] == 0)
			continue;
		code = garbage_sweep(u->a, &u->a->drives[i], &u->records, &removed, err);
		/* What could not be deleted takes room that is not counted: the reserve has it. */
		place_unbook(u->a, &u->a->drives[i], u->garbage_bytes[i]);
		u->garbage_bytes[i] = 0;
	}
	u->changes = 0;
	u->new_bytes = 0;
	return code;
}
