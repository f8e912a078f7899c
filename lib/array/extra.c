#include "array/extra.h"

#include "array/health.h"
#include "array/object.h"
#include "array/place.h"

#include <stdlib.h>
#include <string.h>

/* Looked at together. */
#define BATCH 64

/* ---- which they are ---- */

uint32_t extra_rows(struct array *a, const struct table_group *g)
{
	uint32_t rows = a->policy.extra ? health_rows(a, g) : 0;

	/* The lowest ones are not. */
	for (unsigned i = 0; i < a->policy.parity && rows; i++)
		rows &= rows - 1;
	return rows;
}

bool extra_is(struct array *a, const struct table_group *g, unsigned i)
{
	const struct array_drive *d = array_drive_by_id(a, &g->rows[i].drive_id);

	return d && drive_counts(d) && (extra_rows(a, g) & 1u << g->rows[i].row);
}

/* ---- what they take ---- */

void extra_count(struct array *a, struct array_drive *d, uint64_t bytes)
{
	pthread_mutex_lock(&a->place_lock);
	d->extra_bytes += bytes;
	pthread_mutex_unlock(&a->place_lock);
}

static void count_less(struct array *a, struct array_drive *d, uint64_t bytes)
{
	pthread_mutex_lock(&a->place_lock);
	d->extra_bytes -= bytes < d->extra_bytes ? bytes : d->extra_bytes;
	pthread_mutex_unlock(&a->place_lock);
}

void extra_forget(struct array *a, const struct table_group *g)
{
	for (unsigned i = 0; i < g->row_count; i++) {
		if (extra_is(a, g, i))
			count_less(a, array_drive_by_id(a, &g->rows[i].drive_id),
				   g->rows[i].len_bytes);
	}
}

uint64_t extra_evict(struct array *a, const struct table_group *g, const struct array_drive *d,
		     struct buf *records)
{
	char name[OBJECT_NAME_MAX + 1];
	uint64_t bytes = 0;

	for (unsigned i = 0; i < g->row_count; i++) {
		if (!id_equal(&g->rows[i].drive_id, &d->id) || !extra_is(a, g, i))
			continue;
		object_name_row(&g->rows[i].name, name);
		record_rows(records, &g->id, &g->rows[i], false);
		record_garbage(records, &d->id, name, false);
		count_less(a, &a->drives[d - a->drives], g->rows[i].len_bytes);
		bytes += g->rows[i].len_bytes;
	}
	return bytes;
}

/* What was given back while it was also about to be superseded, or evicted, was counted twice. */
int extra_recount(struct array *a, bool *more, struct error *err)
{
	bool stale;
	int code = ERR_NONE;

	*more = false;
	pthread_mutex_lock(&a->place_lock);
	stale = a->extra_stale;
	a->extra_stale = false;
	pthread_mutex_unlock(&a->place_lock);
	for (unsigned i = 0; i < a->count && code == ERR_NONE && stale; i++) {
		struct array_drive *d = &a->drives[i];
		uint64_t bytes = 0;

		if (!drive_counts(d))
			continue;
		pthread_mutex_lock(&a->table_lock);
		code = table_extra_bytes(a->table, a->policy.parity, &d->id, &bytes, err);
		pthread_mutex_unlock(&a->table_lock);
		pthread_mutex_lock(&a->place_lock);
		*more = *more || (code == ERR_NONE && bytes > d->extra_bytes);
		d->extra_bytes = code == ERR_NONE ? bytes : d->extra_bytes;
		pthread_mutex_unlock(&a->place_lock);
	}
	return code;
}

/* ---- giving them back ---- */

struct yielding {
	struct array *a;
	struct array_drive *d; /* whose rows */
	struct upkeep u;
	struct table_group *group, *without; /* scratch */
	struct id groups[BATCH];
	size_t count, kept; /* kept: that cannot go now */
};

static int note_group(void *ctx, const struct id *id, struct error *err)
{
	struct yielding *y = ctx;

	(void)err;
	y->groups[y->count++] = *id;
	return ERR_NONE;
}

/* Row object i of the group goes, if the promise holds as well without it. */
static bool drop(struct yielding *y, unsigned i)
{
	struct table_group *g = y->group;
	char name[OBJECT_NAME_MAX + 1];

	*y->without = *g;
	y->without->row_count--;
	memmove(y->without->rows + i, y->without->rows + i + 1,
		(g->row_count - 1 - i) * sizeof(*g->rows));
	if (!health_keeps(y->a, y->without))
		return false;
	object_name_row(&g->rows[i].name, name);
	record_rows(&y->u.records, &g->id, &g->rows[i], false);
	upkeep_garbage(&y->u, y->d, name, g->rows[i].len_bytes);
	count_less(y->a, y->d, g->rows[i].len_bytes);
	return true;
}

/* The extra row of a group on the drive. freed grows by what it took. */
static int drop_of(struct yielding *y, const struct id *id, uint64_t *freed, struct error *err)
{
	const struct table_group *g = y->group;
	int code = table_group(y->a->table, id, y->group, err);

	if (code != ERR_NONE)
		return code == ERR_NOT_FOUND ? ERR_NONE : code;
	for (unsigned i = 0; i < g->row_count; i++) {
		if (!id_equal(&g->rows[i].drive_id, &y->d->id) || !extra_is(y->a, g, i))
			continue;
		if (drop(y, i)) {
			*freed += g->rows[i].len_bytes;
			return ERR_NONE;
		}
		break;
	}
	y->kept++;
	return ERR_NONE;
}

static int drop_some(struct yielding *y, uint64_t bytes, uint64_t *freed, struct error *err)
{
	int code;

	y->count = 0;
	pthread_mutex_lock(&y->a->table_lock);
	code = table_extra_rows(y->a->table, y->a->policy.parity, &y->d->id, y->kept, BATCH,
				note_group, y, err);
	for (size_t i = 0; i < y->count && *freed < bytes && code == ERR_NONE; i++)
		code = drop_of(y, &y->groups[i], freed, err);
	pthread_mutex_unlock(&y->a->table_lock);
	return code == ERR_NONE ? upkeep_settle(&y->u, err) : code;
}

/* Those of one drive, until `of` has that much room. */
static int yield_from(struct yielding *y, struct array_drive *from, const struct array_drive *of,
		      uint64_t bytes, struct error *err)
{
	int code = ERR_NONE;

	y->d = from;
	y->kept = 0;
	do {
		uint64_t freed = 0, have = place_actual_bytes(y->a, of);

		if (have >= bytes)
			break;
		code = drop_some(y, bytes - have, &freed, err);
	} while (code == ERR_NONE && y->count > 0 && !y->a->short_commit);
	return code;
}

static uint64_t counted(struct array *a, const struct array_drive *d)
{
	uint64_t bytes;

	pthread_mutex_lock(&a->place_lock);
	bytes = d->extra_bytes;
	pthread_mutex_unlock(&a->place_lock);
	return bytes;
}

static bool may_give(struct array *a, const struct array_drive *from, const struct array_drive *to)
{
	return counted(a, from) > 0 && drive_usable(from) &&
	       (from == to || (from->about.space != 0 && from->about.space == to->about.space));
}

static int yield_all(struct yielding *y, struct array_drive *d, uint64_t bytes, struct error *err)
{
	struct array *a = y->a;
	int code = ERR_NONE;

	if (may_give(a, d, d))
		code = yield_from(y, d, d, bytes, err);
	for (unsigned i = 0; i < a->count && code == ERR_NONE; i++) {
		if (&a->drives[i] != d && may_give(a, &a->drives[i], d))
			code = yield_from(y, &a->drives[i], d, bytes, err);
	}
	return code;
}

/* What was counted there is not, or has to stay. */
static bool count_none(struct array *a, const struct array_drive *d)
{
	bool any = false;

	for (unsigned i = 0; i < a->count; i++) {
		if (!may_give(a, &a->drives[i], d))
			continue;
		any = true;
		count_less(a, &a->drives[i], UINT64_MAX);
	}
	return any;
}

int extra_yield(struct array *a, struct array_drive *d, uint64_t bytes, bool *recounted,
		struct error *err)
{
	struct yielding *y;
	int code;

	*recounted = false;
	if (!a->policy.extra || place_actual_bytes(a, d) >= bytes)
		return ERR_NONE;
	y = calloc(1, sizeof(*y));
	if (!y)
		return err_nomem(err);
	y->a = a;
	upkeep_init(&y->u, a);
	y->group = malloc(sizeof(*y->group));
	y->without = malloc(sizeof(*y->without));
	pthread_mutex_lock(&a->place_lock);
	a->extra_stale = true;
	pthread_mutex_unlock(&a->place_lock);
	pthread_mutex_lock(&a->extra_lock);
	code = y->group && y->without ? yield_all(y, d, bytes, err) : err_nomem(err);
	if (code == ERR_NONE && place_actual_bytes(a, d) < bytes)
		*recounted = count_none(a, d);
	pthread_mutex_unlock(&a->extra_lock);
	upkeep_release(&y->u);
	free(y->group);
	free(y->without);
	free(y);
	return code == ERR_NONE ? code : err_wrap(err, "give back extra parity");
}
