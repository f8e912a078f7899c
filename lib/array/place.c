#include "array/place.h"

#include "array/domains.h"
#include "array/extra.h"
#include "array/object.h"
#include "array/widen.h"
#include "group/group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two groups in flight of this many bytes each, rows included, bound the memory of a put. */
#define GROUP_BYTES_MAX ((uint32_t)64 << 20)
#define BLOCK_STEP_BYTES ((uint32_t)1 << 20)
#define RESERVE_BLOCKS 2
#define RESERVE_PERCENT 1
/* What upkeep leaves of it for the journal: a fourth. */
#define UPKEEP_RESERVE_PART 4
/* What extra rows leave free besides, so that not every put has some of them deleted: a sixteenth. */
#define HEADROOM_PART 16

enum viewer { VIEW_DATA, VIEW_UPKEEP, VIEW_EXTRA, VIEW_ACTUAL };

static uint64_t reserve_of(const struct array *a, const struct array_drive *d, uint64_t size_bytes)
{
	uint64_t blocks = RESERVE_BLOCKS * (uint64_t)a->policy.geometry.block_bytes;
	uint64_t share = size_bytes / 100 * RESERVE_PERCENT;

	if (d->record.reserve_bytes)
		return d->record.reserve_bytes;
	return blocks > share ? blocks : share;
}

bool place_knows_size(const struct array_drive *d)
{
	return d->about.total_bytes > 0 || d->record.max_bytes > 0;
}

static bool shares_space(const struct array_drive *d, const struct array_drive *with)
{
	return d == with || (d->about.space != 0 && d->about.space == with->about.space);
}

/* Extra rows give way: they are no more in the way than if they were not there. */
static bool counts_extra(enum viewer viewer)
{
	return viewer == VIEW_EXTRA || viewer == VIEW_ACTUAL;
}

static uint64_t used_by(const struct array_drive *d, enum viewer viewer)
{
	uint64_t yields = counts_extra(viewer) ? 0 : d->extra_bytes;

	return d->used_bytes > yields ? d->used_bytes - yields : 0;
}

/* An equal part of what is free for the drives on one file system. */
static uint64_t free_share(const struct array *a, const struct array_drive *d, enum viewer viewer)
{
	uint64_t free_bytes = d->about.free_bytes;
	unsigned sharers = 1;

	for (unsigned i = 0; i < a->count; i++) {
		const struct array_drive *other = &a->drives[i];

		if (!shares_space(other, d))
			continue;
		sharers += other != d && drive_usable(other);
		free_bytes += counts_extra(viewer) ? 0 : other->extra_bytes;
	}
	return free_bytes / sharers;
}

static uint64_t headroom_of(const struct array *a, uint64_t size_bytes)
{
	uint64_t blocks = RESERVE_BLOCKS * (uint64_t)a->policy.geometry.block_bytes;

	return blocks > size_bytes / HEADROOM_PART ? blocks : size_bytes / HEADROOM_PART;
}

static void view_one(const struct array *a, unsigned i, enum viewer viewer, struct alloc_drive *out)
{
	const struct array_drive *d = &a->drives[i];
	bool knows = d->about.total_bytes > 0;
	uint64_t used = used_by(d, viewer), size, reserve;

	memset(out, 0, sizeof(*out));
	out->usable = drive_usable(d);
	out->role = (enum drive_role)d->record.role;
	out->removable = d->record.removable;
	out->distance = d->distance;
	out->billed = d->billed;
	out->domain = i;
	for (unsigned n = 0; n < i; n++) {
		const char *domain = drive_domain(d);

		if (domain[0] && strcmp(domain, drive_domain(&a->drives[n])) == 0) {
			out->domain = n;
			break;
		}
	}
	size = knows ? used + free_share(a, d, viewer) : UINT64_MAX / 1024;
	if (d->record.max_bytes && d->record.max_bytes < size)
		size = d->record.max_bytes;
	reserve = reserve_of(a, d, size) / (viewer == VIEW_UPKEEP ? UPKEEP_RESERVE_PART : 1);
	out->size_bytes = size > reserve ? size - reserve : 0;
	/* Room without bounds is none to spare. */
	if (viewer == VIEW_EXTRA)
		used = place_knows_size(d) ? used + headroom_of(a, size) : UINT64_MAX;
	out->free_bytes = out->size_bytes > used ? out->size_bytes - used : 0;
}

static void view_all(struct array *a, enum viewer viewer, struct alloc_drive *out)
{
	pthread_mutex_lock(&a->place_lock);
	for (unsigned i = 0; i < a->count; i++)
		view_one(a, i, viewer, &out[i]);
	pthread_mutex_unlock(&a->place_lock);
}

void place_view(struct array *a, struct alloc_drive *out)
{
	view_all(a, VIEW_DATA, out);
}

void place_view_upkeep(struct array *a, struct alloc_drive *out)
{
	view_all(a, VIEW_UPKEEP, out);
}

void place_view_extra(struct array *a, struct alloc_drive *out)
{
	view_all(a, VIEW_EXTRA, out);
}

static uint64_t free_for(struct array *a, const struct array_drive *d, enum viewer viewer)
{
	struct alloc_drive view;

	pthread_mutex_lock(&a->place_lock);
	view_one(a, (unsigned)(d - a->drives), viewer, &view);
	pthread_mutex_unlock(&a->place_lock);
	return view.free_bytes;
}

uint64_t place_free_bytes(struct array *a, const struct array_drive *d)
{
	return free_for(a, d, VIEW_DATA);
}

uint64_t place_actual_bytes(struct array *a, const struct array_drive *d)
{
	return free_for(a, d, VIEW_ACTUAL);
}

void place_book(struct array *a, struct array_drive *d, uint64_t len_bytes)
{
	pthread_mutex_lock(&a->place_lock);
	d->used_bytes += len_bytes;
	for (unsigned i = 0; i < a->count; i++) {
		uint64_t *free_bytes = &a->drives[i].about.free_bytes;

		if (shares_space(&a->drives[i], d))
			*free_bytes -= len_bytes < *free_bytes ? len_bytes : *free_bytes;
	}
	pthread_mutex_unlock(&a->place_lock);
}

void place_unbook(struct array *a, struct array_drive *d, uint64_t len_bytes)
{
	pthread_mutex_lock(&a->place_lock);
	d->used_bytes -= len_bytes < d->used_bytes ? len_bytes : d->used_bytes;
	for (unsigned i = 0; i < a->count; i++) {
		if (shares_space(&a->drives[i], d))
			a->drives[i].about.free_bytes += len_bytes;
	}
	pthread_mutex_unlock(&a->place_lock);
}

static int put_verified(struct drive *h, const char *name, const void *bytes, size_t len_bytes,
			struct error *err)
{
	int code = object_put(h, name, bytes, len_bytes, err);

	if (code == ERR_NONE)
		code = h->driver->sync(h, err);
	return code == ERR_NONE ? object_verify(h, name, len_bytes, err) : code;
}

int place_store(struct array *a, struct array_drive *d, const char *name, const void *bytes,
		size_t len_bytes, struct error *err)
{
	struct drive *h = d->handle;
	bool recounted;
	int code = extra_yield(a, d, len_bytes, &recounted, err);

	if (code != ERR_NONE)
		return code;
	code = put_verified(h, name, bytes, len_bytes, err);
	/* The sync that failed for it may have been another caller's, who was told: now it is ours. */
	if (code == ERR_NOT_FOUND)
		code = put_verified(h, name, bytes, len_bytes, err);
	return code == ERR_NONE ? code : err_wrap(err, "drive %s", d->name);
}

/* What was said of d, without its name. */
static const char *said_of(const struct array_drive *d, const char *message)
{
	size_t name_bytes = strlen(d->name);

	if (strncmp(message, "drive ", 6) != 0 || strncmp(message + 6, d->name, name_bytes) != 0 ||
	    strncmp(message + 6 + name_bytes, ": ", 2) != 0)
		return message;
	return message + 6 + name_bytes + 2;
}

void place_poison(struct array *a, struct array_drive *d, const struct error *why)
{
	bool new;

	pthread_mutex_lock(&a->place_lock);
	new = !atomic_load(&d->poisoned);
	if (new && why->code == ERR_FULL)
		snprintf(d->full_why, sizeof(d->full_why), "%s", said_of(d, why->message));
	atomic_store(&d->poisoned, true);
	pthread_mutex_unlock(&a->place_lock);
	if (new)
		array_tell(a, TELL_WARNING, "%s: not written to any more in this run", why->message);
}

int place_explain(const struct array *a, struct error *err)
{
	for (unsigned i = 0; i < a->count; i++) {
		const struct array_drive *d = &a->drives[i];

		if (atomic_load(&d->poisoned) && d->full_why[0])
			return err_set(err, ERR_FULL, "drive %s is full: %s", d->name, d->full_why);
	}
	return (int)err->code;
}

struct alloc_policy place_policy(const struct array *a)
{
	return (struct alloc_policy){ .parity = a->policy.parity,
				      .width = a->policy.width,
				      .copies = a->policy.copies };
}

bool place_pass_over(struct array *a, struct array_drive *d)
{
	unsigned others = 0;
	bool new = false;

	pthread_mutex_lock(&a->place_lock);
	for (unsigned i = 0; i < a->count; i++)
		others += &a->drives[i] != d && drive_usable(&a->drives[i]) &&
			  !atomic_load(&a->drives[i].passed_over);
	if (others > a->policy.parity)
		new = !atomic_exchange(&d->passed_over, true);
	pthread_mutex_unlock(&a->place_lock);
	if (new)
		array_tell(a, TELL_WARNING, "drive %s: slower than the others: not waited for", d->name);
	return atomic_load(&d->passed_over);
}

static uint32_t distance_of(const struct array *a, const struct alloc_drive *view, unsigned i)
{
	return atomic_load(&a->drives[i].passed_over) ? UINT32_MAX : view[i].distance;
}

/* `--ack enough`: only the nearest drives that suffice for the promise, and all that are as near.
 * False: that leaves none out. */
static bool keep_nearest(const struct array *a, struct alloc_drive *view)
{
	uint32_t reach = 0;

	for (;;) {
		uint32_t next = UINT32_MAX;
		unsigned near = 0, far = 0;

		for (unsigned i = 0; i < a->count; i++) {
			uint32_t distance = distance_of(a, view, i);

			near += view[i].usable && distance <= reach;
			far += view[i].usable && distance > reach;
			if (view[i].usable && distance > reach && distance < next)
				next = distance;
		}
		if (far == 0)
			return false;
		if (near > a->policy.parity)
			break;
		reach = next;
	}
	for (unsigned i = 0; i < a->count; i++)
		view[i].usable = view[i].usable && distance_of(a, view, i) <= reach;
	return true;
}

/* want_k: 0 where it is only asked what a group would be like, and none is made: the next one has its
 * turn then. */
static int plan_group(struct array *a, uint64_t block_bytes, unsigned want_k,
		      struct alloc_plan *plan, struct error *err)
{
	struct alloc_policy policy = place_policy(a);
	struct alloc_drive *view = calloc(a->count, sizeof(*view));
	uint64_t rotation;
	bool nearest;
	int code;

	if (!view)
		return err_nomem(err);
	place_view(a, view);
	pthread_mutex_lock(&a->place_lock);
	rotation = a->rotation;
	a->rotation += want_k > 0;
	pthread_mutex_unlock(&a->place_lock);
	nearest = a->options.ack_enough && keep_nearest(a, view);
	code = alloc_group(view, a->count, &policy, block_bytes, want_k, rotation, plan, err);
	if (nearest && (code == ERR_FULL || code == ERR_ABSENT)) {
		for (unsigned i = 0; i < a->count; i++)
			atomic_store(&a->drives[i].passed_over, false);
		place_view(a, view);
		code = alloc_group(view, a->count, &policy, block_bytes, want_k, rotation, plan, err);
	}
	free(view);
	return code == ERR_ABSENT ? place_explain(a, err) : code;
}

/* How long the blocks of a group of so many objects may be. */
static uint32_t share_of(const struct array *a, unsigned objects)
{
	uint32_t most = a->policy.geometry.block_bytes;
	uint32_t share = GROUP_BYTES_MAX / objects;

	share -= share % BLOCK_STEP_BYTES;
	return share > 0 && share < most ? share : most;
}

uint32_t place_block_bytes_min(const struct array *a)
{
	return share_of(a, GROUP_BYTES_MAX / BLOCK_STEP_BYTES);
}

int place_shape(struct array *a, unsigned *k, unsigned *m, uint32_t *block_bytes,
		struct error *err)
{
	struct alloc_plan *plan = malloc(sizeof(*plan));
	int code = plan ? plan_group(a, a->policy.geometry.pad_min_bytes, 0, plan, err)
			: err_nomem(err);

	if (code == ERR_NONE) {
		*k = plan->k;
		*m = plan->m;
		*block_bytes = share_of(a, plan->k + plan->m);
	}
	free(plan);
	return code;
}

uint8_t place_slot(unsigned drive_index, const uint8_t *taken, unsigned n)
{
	uint8_t slot = (uint8_t)(drive_index % GROUP_SLOTS_MAX);

	for (unsigned i = 0; i < n; i++) {
		if (taken[i] != slot)
			continue;
		/* Its own is taken: the lowest free one. n slots cannot fill 239. */
		slot = 0;
		for (unsigned j = 0; j < n; j++) {
			if (taken[j] == slot) {
				slot++;
				j = (unsigned)-1;
			}
		}
		break;
	}
	return slot;
}

/* One group on its way: a plan, its rows in memory, a job per object. */
struct attempt {
	struct array *a;
	const struct new_block *blocks;
	struct alloc_plan plan;
	uint64_t booked_bytes; /* on each drive of the plan, before anything is stored */
	uint8_t slots[DRIVES_MAX];
	struct id group_id;
	struct buf rows[GROUP_ROWS_MAX];
	struct lent *lent[GROUP_ROWS_MAX]; /* of rows, once they are coded */
	struct lane_job *jobs; /* plan.k members, then plan.m rows */
};

static void attempt_release(struct attempt *t)
{
	for (unsigned i = 0; i < GROUP_ROWS_MAX; i++) {
		if (!t->lent[i] || lent_take_back(t->lent[i]))
			buf_release(&t->rows[i]);
	}
	free(t->jobs);
	free(t);
}

static unsigned drive_of(const struct attempt *t, unsigned job_index)
{
	return job_index < t->plan.k ? t->plan.data[job_index]
				     : t->plan.rows[job_index - t->plan.k];
}

static void choose_slots(struct attempt *t)
{
	for (unsigned i = 0; i < t->plan.k; i++)
		t->slots[i] = t->plan.k == 1 ? 0 : place_slot(t->plan.data[i], t->slots, i);
}

static int compare_members(const void *x, const void *y)
{
	return ((const struct row_member *)x)->slot - ((const struct row_member *)y)->slot;
}

static void describe(const struct attempt *t, struct row_descriptor *d)
{
	memset(d, 0, sizeof(*d));
	d->array_id = t->a->config.array_id;
	d->group_id = t->group_id;
	d->member_count = (uint16_t)t->plan.k;
	for (unsigned i = 0; i < t->plan.k; i++)
		d->members[i] = (struct row_member){ .name = t->blocks[i].name,
						     .len_bytes = t->blocks[i].len_bytes,
						     .slot = t->slots[i] };
	qsort(d->members, d->member_count, sizeof(d->members[0]), compare_members);
}

/* Codes the rows into buffers of their own, descriptors and trailers behind. */
static int encode_rows(struct attempt *t, struct error *err)
{
	struct code_input inputs[DRIVES_MAX];
	struct row_descriptor *d = malloc(sizeof(*d));
	int code;

	if (!d)
		return err_nomem(err);
	describe(t, d);
	for (unsigned i = 0; i < t->plan.k; i++)
		inputs[i] = (struct code_input){ { false, t->slots[i] },
						 t->blocks[i].bytes,
						 t->blocks[i].len_bytes };
	code = group_encode_rows(d, inputs, t->plan.m, t->rows, err);
	for (unsigned j = 0; j < t->plan.m && code == ERR_NONE; j++) {
		t->lent[j] = lent_new(t->rows[j].data, free);
		if (!t->lent[j])
			code = err_nomem(err);
	}
	free(d);
	return code;
}

static struct hash row_name(const struct attempt *t, unsigned j)
{
	return t->plan.k == 1 ? t->blocks[0].name
			      : sha256(t->rows[j].data, t->rows[j].len_bytes);
}

static void run_jobs(struct attempt *t)
{
	struct batch batch;

	batch_init(&batch, t->a);
	for (unsigned i = 0; i < t->plan.k + t->plan.m; i++) {
		struct lane_job *job = &t->jobs[i];
		bool is_row = i >= t->plan.k;
		unsigned j = i - t->plan.k;

		if (is_row && t->plan.k > 1) {
			struct hash name = row_name(t, j);

			object_name_row(&name, job->name);
			job->bytes = t->rows[j].data;
			job->len_bytes = t->rows[j].len_bytes;
			job->lent = t->lent[j];
		} else {
			const struct new_block *b = &t->blocks[is_row ? 0 : i];

			if (is_row)
				object_name_row(&b->name, job->name);
			else
				object_name_block(&b->name, job->name);
			job->bytes = b->bytes;
			job->len_bytes = b->len_bytes;
			job->lent = b->lent;
		}
		job->sync = true;
		job->may_move = true;
		lanes_add(&batch, is_row ? t->plan.rows[j] : t->plan.data[i], job);
	}
	batch_wait(&batch);
}

static void add_records(const struct attempt *t, struct buf *records, struct error *err, int *code)
{
	struct group_record *g = calloc(1, sizeof(*g));

	if (!g) {
		*code = err_nomem(err);
		return;
	}
	for (unsigned i = 0; i < t->plan.k; i++) {
		const struct new_block *b = &t->blocks[i];
		struct block_record r = { .uid = *b->uid,
					  .name = b->name,
					  .len_bytes = b->len_bytes,
					  .epoch = b->epoch,
					  .drive_id = t->a->drives[t->plan.data[i]].id,
					  .contents = *b->contents };

		record_block(records, &r);
		g->members[i] = (struct group_member_record){ *b->uid, b->name, b->len_bytes,
							      t->slots[i] };
	}
	g->id = t->group_id;
	g->member_count = t->plan.k;
	g->row_count = t->plan.m;
	for (unsigned j = 0; j < t->plan.m; j++) {
		const struct lane_job *job = &t->jobs[t->plan.k + j];

		g->rows[j].row = (uint8_t)j;
		object_name_hash(job->name, &g->rows[j].name);
		g->rows[j].len_bytes = job->len_bytes;
		g->rows[j].drive_id = t->a->drives[t->plan.rows[j]].id;
	}
	if (t->plan.m > 0)
		record_group(records, g);
	free(g);
}

/* Others plan meanwhile: what is on its way takes room, too. */
static void book_plan(struct attempt *t, uint64_t block_bytes)
{
	t->booked_bytes = block_bytes + (t->plan.k > 1 && t->plan.m > 0 ? ROW_TAIL_MAX_BYTES : 0);
	for (unsigned i = 0; i < t->plan.k + t->plan.m; i++)
		place_book(t->a, &t->a->drives[drive_of(t, i)], t->booked_bytes);
}

static void unbook_plan(struct attempt *t)
{
	for (unsigned i = 0; t->booked_bytes > 0 && i < t->plan.k + t->plan.m; i++)
		place_unbook(t->a, &t->a->drives[drive_of(t, i)], t->booked_bytes);
}

/* Books what was stored. On a failed attempt: what did arrive is garbage where it is. */
static bool account(struct attempt *t, struct buf *records, struct place_result *result)
{
	bool all = true;

	for (unsigned i = 0; i < t->plan.k + t->plan.m; i++)
		all = all && t->jobs[i].code == ERR_NONE;
	for (unsigned i = 0; i < t->plan.k + t->plan.m; i++) {
		struct array_drive *d = &t->a->drives[drive_of(t, i)];
		uint64_t len = t->jobs[i].len_bytes;

		if (t->jobs[i].code != ERR_NONE && !t->jobs[i].left)
			continue;
		/* One that was not waited for may be there, or come yet. */
		place_book(t->a, d, len);
		result->stored_bytes += len;
		if (!all)
			record_garbage(records, &d->id, t->jobs[i].name, false);
	}
	return all;
}

/* Room for all objects of the plan, where extra rows have it. */
static int clear_way(struct array *a, const struct alloc_plan *plan, uint64_t block_bytes,
		     bool *again, struct error *err)
{
	uint64_t row_bytes = block_bytes + (plan->k > 1 ? ROW_TAIL_MAX_BYTES : 0);
	int code = ERR_NONE;

	*again = false;
	for (unsigned i = 0; i < plan->k + plan->m && code == ERR_NONE && !*again; i++) {
		bool is_row = i >= plan->k;
		unsigned drive = is_row ? plan->rows[i - plan->k] : plan->data[i];

		code = extra_yield(a, &a->drives[drive], is_row ? row_bytes : block_bytes, again,
				   err);
	}
	return code;
}

/* A plan for which there is room. */
static int plan_clear(struct array *a, uint64_t block_bytes, unsigned want_k,
		      struct alloc_plan *plan, struct error *err)
{
	bool again = true;
	struct error why;
	int code = ERR_NONE;

	/* Each time it is less that counts as room, or more was given back since. */
	while (code == ERR_NONE && again) {
		code = plan_group(a, block_bytes, want_k, plan, err);
		again = false;
		if (code == ERR_NONE)
			code = clear_way(a, plan, block_bytes, &again, err);
		else if (code == ERR_FULL && extra_recount(a, &again, &why) == ERR_NONE && again)
			code = ERR_NONE;
	}
	return code;
}

/* Places blocks[0..*taken-1], as many as one group takes now. */
static int place_some(struct array *a, const struct new_block *blocks, unsigned count,
		      unsigned *taken, struct buf *records, struct place_result *result,
		      struct error *err)
{
	struct attempt *t = calloc(1, sizeof(*t));
	uint64_t longest = 0;
	int code;

	if (!t)
		return err_nomem(err);
	t->a = a;
	t->blocks = blocks;
	t->group_id = id_random();
	for (unsigned i = 0; i < count; i++) {
		if (blocks[i].len_bytes > longest)
			longest = blocks[i].len_bytes;
	}
	*taken = 0;
	pthread_mutex_lock(&a->plan_lock);
	code = plan_clear(a, longest, count, &t->plan, err);
	if (code == ERR_NONE)
		book_plan(t, longest);
	pthread_mutex_unlock(&a->plan_lock);
	if (code != ERR_NONE)
		goto out;
	choose_slots(t);
	t->jobs = calloc(t->plan.k + t->plan.m + 1, sizeof(*t->jobs));
	if (!t->jobs)
		code = err_nomem(err);
	else if (t->plan.k > 1 && t->plan.m > 0)
		code = encode_rows(t, err);
	if (code != ERR_NONE)
		goto out;
	run_jobs(t);
	if (account(t, records, result)) {
		add_records(t, records, err, &code);
		*taken = t->plan.k;
		if (t->plan.m < a->policy.parity)
			result->thin = true;
	}
out:
	unbook_plan(t);
	attempt_release(t);
	return code;
}

/* ERR_FULL leaves err as it was: that there is no room for a group is the plainer reason. */
static int widen(struct array *a, const struct new_block *blocks, unsigned count, unsigned *taken,
		 struct buf *records, struct place_result *result, struct error *err)
{
	struct error why;
	int code = widen_with(a, blocks, count, taken, records, result, &why);

	if (code != ERR_NONE && code != ERR_FULL)
		*err = why;
	return code;
}

int place_group(struct array *a, const struct new_block *blocks, unsigned count,
		struct buf *records, struct place_result *result, struct error *err)
{
	unsigned done = 0, taken = 0;

	/* Each round places blocks or poisons a drive: it ends when either runs out. */
	while (done < count) {
		int code = place_some(a, blocks + done, count - done, &taken, records, result,
				      err);

		/* Not for a group, but maybe for single blocks. */
		if (code == ERR_FULL)
			code = widen(a, blocks + done, count - done, &taken, records, result, err);
		if (code != ERR_NONE)
			return err_wrap(err, "store a group");
		done += taken;
	}
	return records->failed ? err_nomem(err) : ERR_NONE;
}
