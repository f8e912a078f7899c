#include "care/target.h"

#include "array/extra.h"
#include "array/place.h"

#include <stdlib.h>

bool target_is_taken(const struct taken_drives *t, unsigned drive_index)
{
	for (unsigned i = 0; i < t->count; i++) {
		if (t->index[i] == drive_index)
			return true;
	}
	return false;
}

void target_take(struct taken_drives *t, unsigned drive_index)
{
	if (t->count < DRIVES_MAX)
		t->index[t->count++] = (uint16_t)drive_index;
}

void target_give_back(struct taken_drives *t, unsigned drive_index)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < t->count; i++) {
		if (t->index[i] != drive_index)
			t->index[kept++] = t->index[i];
	}
	t->count = kept;
}

static void take(struct array *a, const struct id *drive_id, struct taken_drives *t)
{
	const struct array_drive *d = array_drive_by_id(a, drive_id);

	if (d && drive_counts(d))
		target_take(t, (unsigned)(d - a->drives));
}

void taken_from_group(struct array *a, const struct table_group *g, struct taken_drives *t)
{
	t->count = 0;
	for (unsigned i = 0; i < g->member_count; i++)
		take(a, &g->members[i].drive_id, t);
	for (unsigned i = 0; i < g->row_count; i++) {
		if (!extra_is(a, g, i))
			take(a, &g->rows[i].drive_id, t);
	}
}

uint32_t target_rows_elsewhere(struct array *a, const struct table_group *g,
			       const struct array_drive *from)
{
	uint32_t rows = 0;

	for (unsigned i = 0; i < g->row_count; i++) {
		const struct array_drive *d = array_drive_by_id(a, &g->rows[i].drive_id);

		if (d && drive_counts(d) && !id_equal(&d->id, &from->id))
			rows |= 1u << g->rows[i].row;
	}
	return rows;
}

bool target_needs_row(const struct array *a, unsigned row, uint32_t *others)
{
	bool needed = !a->policy.extra || (*others & 1u << row) ||
		      (unsigned)__builtin_popcount(*others) < a->policy.parity;

	*others |= needed ? 1u << row : 0;
	return needed;
}

int target_choose(struct array *a, struct taken_drives *t, bool for_row, uint64_t object_bytes,
		  struct array_drive **out, struct error *err)
{
	struct alloc_policy policy = place_policy(a);
	struct alloc_drive *view = calloc(a->count, sizeof(*view));
	uint16_t chosen;
	int code;

	if (!view)
		return err_nomem(err);
	place_view(a, view);
	code = alloc_one(view, a->count, &policy, t->index, t->count, for_row, object_bytes, &chosen,
			 err);
	free(view);
	if (code != ERR_NONE)
		return code;
	target_take(t, chosen);
	*out = &a->drives[chosen];
	return ERR_NONE;
}

uint64_t target_longest_bytes(const struct table_group *g)
{
	uint64_t longest = 0;

	for (unsigned i = 0; i < g->member_count; i++) {
		if (g->members[i].len_bytes > longest)
			longest = g->members[i].len_bytes;
	}
	return longest;
}
