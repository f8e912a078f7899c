#include "array/widen.h"

#include "array/drive_set.h"
#include "array/extra.h"
#include "array/health.h"
#include "array/join.h"
#include "array/object.h"

#include <stdlib.h>
#include <string.h>

/* Groups known at a time: this bounds the memory. */
#define GROUPS_MAX 4096
/* Filled together, and committed together. */
#define BLOCKS_MAX 4u
#define BLOCKS_BYTES ((uint64_t)32 << 20)
/* Groups that are tried for one block. */
#define TRIES_MAX 64u

struct growable {
	struct id id;
	uint64_t longest_bytes; /* a block of that length makes its rows no longer */
	struct drive_set drives; /* that have an object of it */
};

struct widening {
	struct buf ids; /* of all groups, as they were when they were listed */
	size_t next;	/* of them to be looked at, in bytes */
	struct growable *groups; /* by rising length */
	size_t count;
	bool changed; /* since they were listed, by ourselves: it is worth listing them anew */
	struct table_group *group;
	struct join *join;
};

void widening_free(struct widening *w)
{
	if (!w)
		return;
	buf_release(&w->ids);
	free(w->groups);
	free(w->group);
	join_free(w->join);
	free(w);
}

static struct widening *widening_new(struct array *a)
{
	struct widening *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->groups = calloc(GROUPS_MAX, sizeof(*w->groups));
	w->group = malloc(sizeof(*w->group));
	w->join = join_new(a);
	w->changed = true; /* they were never listed */
	if (w->groups && w->group && w->join)
		return w;
	widening_free(w);
	return NULL;
}

/* ---- which groups there are ---- */

static int note_id(void *ctx, const struct id *id, struct error *err)
{
	struct buf *ids = ctx;

	buf_add(ids, id->b, ID_BYTES);
	return ids->failed ? err_nomem(err) : ERR_NONE;
}

static int load_group(struct array *a, const struct id *id, struct table_group *out,
		      struct error *err)
{
	int code;

	pthread_mutex_lock(&a->table_lock);
	code = table_group(a->table, id, out, err);
	pthread_mutex_unlock(&a->table_lock);
	return code;
}

static bool note_object(struct array *a, const struct id *drive_id, struct growable *g)
{
	const struct array_drive *d = array_drive_by_id(a, drive_id);

	if (!d || !drive_counts(d))
		return false;
	drive_set_add(&g->drives, (unsigned)(d - a->drives));
	return health_at_hand(a, (unsigned)(d - a->drives));
}

/* All of it at hand, with all rows, and not too wide. */
static bool is_growable(struct array *a, const struct alloc_drive *view,
			const struct table_group *group, struct growable *g)
{
	unsigned rows = alloc_rows(view, a->count, a->policy.parity);
	bool whole = health_spare(a, group) >= (int)rows;

	memset(g, 0, sizeof(*g));
	g->id = group->id;
	for (unsigned i = 0; i < group->member_count; i++) {
		whole = note_object(a, &group->members[i].drive_id, g) && whole &&
			!group->members[i].lost;
		if (group->members[i].len_bytes > g->longest_bytes)
			g->longest_bytes = group->members[i].len_bytes;
	}
	for (unsigned i = 0; i < group->row_count; i++) {
		if (!extra_is(a, group, i))
			note_object(a, &group->rows[i].drive_id, g);
	}
	return whole && group->member_count + rows < JOIN_WIDTH_MAX &&
	       (group->member_count + 1 + rows) * g->longest_bytes <= JOIN_BYTES_MAX;
}

/* The drive with most room that the group has nothing on, or DRIVES_MAX. */
static unsigned drive_for(struct array *a, const struct alloc_drive *view, const struct growable *g,
			  uint64_t len_bytes)
{
	unsigned best = DRIVES_MAX, removable = 0, most;

	most = alloc_removable_limit(view, a->count, a->policy.parity);
	for (unsigned i = 0; i < a->count; i++)
		removable += view[i].removable && drive_set_has(&g->drives, i);
	for (unsigned i = 0; i < a->count; i++) {
		if (view[i].usable && view[i].role != ROLE_PARITY && !drive_set_has(&g->drives, i) &&
		    view[i].free_bytes >= len_bytes && !(view[i].removable && removable >= most) &&
		    (best == DRIVES_MAX || view[i].free_bytes > view[best].free_bytes))
			best = i;
	}
	return best;
}

static int by_length(const void *x, const void *y)
{
	const struct growable *a = x, *b = y;

	return (a->longest_bytes > b->longest_bytes) - (a->longest_bytes < b->longest_bytes);
}

/* The next groups that some drive has room for a block of; none: all were looked at. */
static int look_at_more(struct array *a, struct widening *w, const struct alloc_drive *view,
			struct error *err)
{
	uint64_t least = a->policy.geometry.pad_min_bytes;
	int code = ERR_NONE;

	while (w->next < w->ids.len_bytes && w->count < GROUPS_MAX && code == ERR_NONE) {
		struct growable *g = &w->groups[w->count];
		struct id id;

		memcpy(id.b, w->ids.data + w->next, ID_BYTES);
		w->next += ID_BYTES;
		code = load_group(a, &id, w->group, err);
		if (code == ERR_NOT_FOUND) {
			code = ERR_NONE;
			continue;
		}
		w->count += code == ERR_NONE && is_growable(a, view, w->group, g) &&
			    drive_for(a, view, g, least) != DRIVES_MAX;
	}
	if (w->count > 0)
		qsort(w->groups, w->count, sizeof(*w->groups), by_length);
	return code;
}

static int list_anew(struct array *a, struct widening *w, struct error *err)
{
	int code;

	buf_clear(&w->ids);
	w->next = 0;
	w->changed = false;
	pthread_mutex_lock(&a->table_lock);
	code = table_groups(a->table, note_id, &w->ids, err);
	pthread_mutex_unlock(&a->table_lock);
	return code;
}

/* Forgets those that no drive has room for any more, and looks at others. ERR_FULL: there are none. */
static int refresh(struct array *a, struct widening *w, const struct alloc_drive *view,
		   struct error *err)
{
	uint64_t least = a->policy.geometry.pad_min_bytes;
	size_t kept = 0;
	int code = ERR_NONE;

	for (size_t i = 0; i < w->count; i++) {
		if (drive_for(a, view, &w->groups[i], least) != DRIVES_MAX)
			w->groups[kept++] = w->groups[i];
	}
	w->count = kept;
	if (w->count == 0)
		code = look_at_more(a, w, view, err);
	/* Groups that were widened already may be so again, by other drives. */
	if (code == ERR_NONE && w->count == 0 && w->changed) {
		code = list_anew(a, w, err);
		if (code == ERR_NONE)
			code = look_at_more(a, w, view, err);
	}
	if (code == ERR_NONE && w->count == 0)
		code = err_set(err, ERR_FULL, "no group can be widened");
	return code;
}

/* The array's own, and the drives as they are now: free(*view). */
static int begin(struct array *a, struct alloc_drive **view, struct error *err)
{
	*view = NULL;
	if (a->policy.parity == 0 || a->policy.copies)
		return err_set(err, ERR_FULL, "such groups cannot be widened");
	if (!a->widening)
		a->widening = widening_new(a);
	*view = calloc(a->count, sizeof(**view));
	if (!a->widening || !*view)
		return err_nomem(err);
	place_view(a, *view);
	return refresh(a, a->widening, *view, err);
}

static int shape(struct array *a, unsigned *count, uint32_t *block_bytes, struct error *err)
{
	uint64_t longest = 0, blocks;
	struct alloc_drive *view;
	int code = begin(a, &view, err);

	for (size_t i = 0; code == ERR_NONE && i < a->widening->count; i++) {
		const struct growable *g = &a->widening->groups[i];

		if (drive_for(a, view, g, g->longest_bytes) != DRIVES_MAX)
			longest = g->longest_bytes;
	}
	free(view);
	if (code != ERR_NONE)
		return code;
	if (longest == 0 || longest < place_block_bytes_min(a) ||
	    longest > a->policy.geometry.block_bytes)
		return err_set(err, ERR_FULL, "no group of usual length can be widened");
	blocks = BLOCKS_BYTES / longest;
	*count = blocks < 1 ? 1 : blocks > BLOCKS_MAX ? BLOCKS_MAX : (unsigned)blocks;
	*block_bytes = (uint32_t)longest;
	return ERR_NONE;
}

int widen_shape(struct array *a, unsigned *count, uint32_t *block_bytes, struct error *err)
{
	int code;

	pthread_mutex_lock(&a->widen_lock);
	code = shape(a, count, block_bytes, err);
	pthread_mutex_unlock(&a->widen_lock);
	return code;
}

/* ---- one block ---- */

struct widening_one {
	struct array *a;
	struct widening *w;
	struct upkeep *u;
	const struct new_block *block;
	struct alloc_drive *view;
	struct place_result *result;
};

/* Room may be taken by what was replaced already. */
static int plan(struct widening_one *o, struct error *err)
{
	int code = join_plan(o->w->join, err);

	if (code != ERR_FULL || o->u->changes == 0)
		return code;
	code = upkeep_settle(o->u, err);
	return code == ERR_NONE ? join_plan(o->w->join, err) : code;
}

static void record(struct widening_one *o, const struct array_drive *d)
{
	const struct new_block *b = o->block;
	struct block_record r = { .uid = *b->uid,
				  .name = b->name,
				  .len_bytes = b->len_bytes,
				  .epoch = b->epoch,
				  .drive_id = d->id,
				  .contents = *b->contents };

	record_block(&o->u->records, &r);
	o->u->new_bytes += b->len_bytes;
	o->result->stored_bytes += b->len_bytes + o->w->join->write_bytes;
	o->result->thin = o->result->thin || o->w->join->row_count < o->a->policy.parity;
}

/* The block on d, and rows that cover it. What went wrong on the way is garbage. */
static int store(struct widening_one *o, struct array_drive *d, struct error *err)
{
	const struct new_block *b = o->block;
	char name[OBJECT_NAME_MAX + 1];
	int code;

	object_name_block(&b->name, name);
	code = place_store(o->a, d, name, b->bytes, b->len_bytes, err);
	if (code != ERR_NONE) {
		if (code != ERR_NOMEM && code != ERR_INTERRUPTED)
			place_poison(o->a, d, err);
		return code;
	}
	place_book(o->a, d, b->len_bytes);
	code = join_make(o->w->join, o->u, err);
	if (code == ERR_NONE)
		record(o, d);
	else
		upkeep_garbage(o->u, d, name, b->len_bytes);
	return code;
}

/* ERR_FULL: not this one. */
static int try_group(struct widening_one *o, const struct growable *g, struct error *err)
{
	unsigned drive = drive_for(o->a, o->view, g, o->block->len_bytes);
	struct join *j = o->w->join;
	struct join_block added = { .bytes = o->block->bytes };
	int code;

	if (drive == DRIVES_MAX)
		return err_set(err, ERR_FULL, "no drive has room for the block");
	added.block = (struct table_block){ .uid = *o->block->uid,
					    .name = o->block->name,
					    .len_bytes = o->block->len_bytes,
					    .drive_id = o->a->drives[drive].id };
	j->groups[0] = o->w->group;
	j->group_count = j->block_count = 1;
	j->blocks = &added;
	code = load_group(o->a, &g->id, o->w->group, err);
	if (code == ERR_NONE)
		code = plan(o, err);
	if (code == ERR_NONE)
		code = store(o, &o->a->drives[drive], err);
	j->blocks = NULL;
	place_view(o->a, o->view);
	return code;
}

static void drop(struct widening *w, size_t i)
{
	memmove(w->groups + i, w->groups + i + 1, (--w->count - i) * sizeof(*w->groups));
}

/* The first group whose rows become no longer. */
static size_t first_long_enough(const struct widening *w, uint64_t len_bytes)
{
	size_t i = 0;

	while (i < w->count && w->groups[i].longest_bytes < len_bytes)
		i++;
	return i;
}

/* Groups of at least its length first, the shortest of them first; then the longest of the others. */
static int widen_one(struct widening_one *o, struct error *err)
{
	struct widening *w = o->w;
	size_t at = first_long_enough(w, o->block->len_bytes);
	int code = err_set(err, ERR_FULL, "no group can be widened");

	for (unsigned tries = 0; tries < TRIES_MAX && w->count > 0; tries++) {
		if (at >= w->count)
			at = w->count - 1;
		code = try_group(o, &w->groups[at], err);
		if (code == ERR_NOMEM || code == ERR_INTERRUPTED)
			return code;
		/* One that was widened is another group now; one that could not be is not tried again. */
		drop(w, at);
		if (code == ERR_NONE) {
			w->changed = true;
			return ERR_NONE;
		}
	}
	return code == ERR_FULL ? code : err_set(err, ERR_FULL, "no group takes one more block");
}

static int widen_all(struct array *a, const struct new_block *blocks, unsigned count, unsigned *done,
		     struct buf *records, struct place_result *result, struct error *err)
{
	struct widening_one o = { .a = a, .result = result };
	struct upkeep u;
	struct error why;
	int code = begin(a, &o.view, err), settled;

	*done = 0;
	o.w = a->widening;
	o.u = &u;
	upkeep_init(&u, a);
	while (code == ERR_NONE && *done < count) {
		o.block = &blocks[*done];
		place_view(a, o.view);
		code = refresh(a, o.w, o.view, err);
		if (code == ERR_NONE)
			code = widen_one(&o, err);
		*done += code == ERR_NONE;
	}
	settled = upkeep_settle(&u, &why);
	if (settled != ERR_NONE) {
		*err = why;
		code = settled;
	} else if (code == ERR_FULL && *done > 0) {
		code = ERR_NONE; /* the others may find room of another kind */
	}
	buf_add(records, u.records.data, u.records.len_bytes);
	upkeep_release(&u);
	free(o.view);
	return code;
}

int widen_with(struct array *a, const struct new_block *blocks, unsigned count, unsigned *done,
	       struct buf *records, struct place_result *result, struct error *err)
{
	int code;

	pthread_mutex_lock(&a->widen_lock);
	code = widen_all(a, blocks, count, done, records, result, err);
	pthread_mutex_unlock(&a->widen_lock);
	return code;
}
