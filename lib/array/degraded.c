#include "array/degraded.h"

#include "array/object.h"
#include "array/paces.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define GROUPS_OF_BLOCK_MAX 16
#define AHEAD_BYTES_MAX ((size_t)16 << 20) /* of all objects, begun at once */
#define RIVAL_MS 5			    /* how often the rival is looked after */
#define LOOK_MS 20			    /* and, without one, whether a range is late */
#define SAME_US 2000			    /* a range in this time: it is all the same whence */

static bool readable(const struct array_drive *d)
{
	return d && d->handle && d->presence == DRIVE_PRESENT &&
	       (drive_counts(d) || d->record.state == DRIVE_JOINING);
}

struct array_drive *block_drive(struct array *a, const struct table_block *b)
{
	struct array_drive *d = b->is_inline ? NULL : array_drive_by_id(a, &b->drive_id);

	return readable(d) ? d : NULL;
}

/* Without end: what rebuilds whole objects waits for its drives. */
static int read_stored(void *ctx, uint64_t offset_bytes, void *out, size_t len_bytes,
		       struct error *err)
{
	struct stored_object *o = ctx;
	struct drive *h = watched_inside(o->drive->handle);

	return h->driver->get(h, o->name, offset_bytes, out, len_bytes, err);
}

static void add_object(struct live_group *g, struct array_drive *d, struct code_ref ref,
		       uint64_t coded_bytes, uint64_t object_bytes, const struct hash *name)
{
	struct stored_object *stored = &g->stored[g->count];

	stored->drive = d;
	stored->object_bytes = object_bytes;
	if (ref.is_row)
		object_name_row(name, stored->name);
	else
		object_name_block(name, stored->name);
	g->objects[g->count++] = (struct group_object){
		.ref = ref, .len_bytes = coded_bytes, .read = read_stored, .ctx = stored
	};
}

static bool is_left_out(const struct code_ref *leave_out, struct code_ref ref)
{
	return leave_out && leave_out->is_row == ref.is_row && leave_out->index == ref.index;
}

/* Those on billed drives, or on the others. */
static void add_objects(struct array *a, struct live_group *out, const struct code_ref *leave_out,
			uint64_t longest, bool billed)
{
	const struct table_group *g = &out->group;

	for (unsigned i = 0; i < g->member_count; i++) {
		const struct table_block *b = &g->members[i];
		struct code_ref ref = { false, g->slots[i] };
		struct array_drive *d = block_drive(a, b);

		if (d && d->billed == billed && !is_left_out(leave_out, ref))
			add_object(out, d, ref, b->len_bytes, b->len_bytes, &b->name);
	}
	for (unsigned i = 0; i < g->row_count; i++) {
		struct code_ref ref = { true, g->rows[i].row };
		struct array_drive *d = array_drive_by_id(a, &g->rows[i].drive_id);

		if (readable(d) && d->billed == billed && !is_left_out(leave_out, ref))
			add_object(out, d, ref, longest, g->rows[i].len_bytes, &g->rows[i].name);
	}
}

int live_group_load(struct array *a, const struct id *group_id, const struct code_ref *leave_out,
		    struct live_group *out, struct error *err)
{
	struct table_group *g = &out->group;
	uint64_t longest = 0;
	int code;

	memset(out, 0, sizeof(*out));
	pthread_mutex_lock(&a->table_lock);
	code = table_group(a->table, group_id, g, err);
	pthread_mutex_unlock(&a->table_lock);
	if (code != ERR_NONE)
		return code;
	out->objects = calloc(g->member_count + g->row_count + 1, sizeof(*out->objects));
	out->stored = calloc(g->member_count + g->row_count + 1, sizeof(*out->stored));
	if (!out->objects || !out->stored) {
		live_group_release(out);
		return err_nomem(err);
	}
	for (unsigned i = 0; i < g->member_count; i++) {
		out->slots[i] = g->slots[i];
		if (g->members[i].len_bytes > longest)
			longest = g->members[i].len_bytes;
	}
	add_objects(a, out, leave_out, longest, false);
	add_objects(a, out, leave_out, longest, true);
	return ERR_NONE;
}

void live_group_release(struct live_group *g)
{
	free(g->objects);
	free(g->stored);
	g->objects = NULL;
	g->stored = NULL;
	g->count = 0;
}

void live_group_expose_liars(struct array *a, struct live_group *g)
{
	for (unsigned i = 0; i < g->count; i++) {
		struct stored_object *o = g->objects[i].ctx;
		struct error why;

		if (g->objects[i].bad ||
		    object_verify(o->drive->handle, o->name, o->object_bytes, &why) == ERR_NONE)
			continue;
		g->objects[i].bad = true;
		/* Each range that needs it would tell it again. */
		if (atomic_fetch_add(&o->drive->damaged, 1) == 0)
			array_tell(a, TELL_WARNING,
				   "drive %s: %s: reading around it (`mrmr scrub` repairs)",
				   o->drive->name, why.message);
	}
}

struct found_groups {
	struct id ids[GROUPS_OF_BLOCK_MAX];
	unsigned count;
};

static int find_group(void *ctx, const struct id *id, struct error *err)
{
	struct found_groups *f = ctx;

	(void)err;
	f->ids[f->count++] = *id;
	return f->count == GROUPS_OF_BLOCK_MAX;
}

/* Waits for a range: as long as is usual for the drive, or, when patient, as long as it lives. */
static int await_range(struct stored_object *o, struct read_call *c, struct error *err)
{
	uint64_t bytes = c->want.len_bytes;
	unsigned most_ms = read_patience_ms(o->array, o->drive, c);

	while (!call_wait(&c->call, bytes, o->how->rival ? RIVAL_MS : LOOK_MS)) {
		if (o->how->rival && call_wait(&o->how->rival->call, 0, 0))
			return err_set(err, ERR_INTERRUPTED, "the block itself was read first");
		if (!o->patient && call_is_late(&c->call, most_ms, atomic_load(&o->drive->stalled))) {
			drive_stalled(o->array, o->drive, most_ms);
			o->call = c;
			return err_set(err, ERR_TRANSIENT, "drive %s is late", o->drive->name);
		}
	}
	return call_finish(&c->call, bytes, err);
}

static int read_near(void *ctx, uint64_t offset_bytes, void *out, size_t len_bytes,
		     struct error *err)
{
	struct stored_object *o = ctx;
	struct read_want want = { o->name, offset_bytes, len_bytes, NULL, NULL };
	struct read_call *c = o->call;
	int code;

	o->call = NULL;
	if (c && (c->want.offset_bytes != offset_bytes || c->want.len_bytes != len_bytes)) {
		call_leave(&c->call);
		c = NULL;
	}
	if (!c)
		c = read_start(o->drive->handle, &want, err);
	if (!c)
		return (int)err->code;
	code = await_range(o, c, err);
	if (code == ERR_NONE) {
		memcpy(out, c->bytes, len_bytes);
		drive_answered(o->array, o->drive, c);
	} else if (watched_hangs(o->drive->handle)) {
		drive_stalled(o->array, o->drive, 0);
	}
	if (!o->call)
		call_leave(&c->call);
	return code;
}

static int compare_objects(const void *x, const void *y)
{
	const struct group_object *p = x, *q = y;
	const struct stored_object *a = p->ctx, *b = q->ctx;

	if ((a->distance == UINT32_MAX) != (b->distance == UINT32_MAX))
		return a->distance == UINT32_MAX ? 1 : -1;
	if (a->drive->billed != b->drive->billed)
		return a->drive->billed ? 1 : -1;
	if (a->distance != b->distance)
		return a->distance < b->distance ? -1 : 1;
	if (p->ref.is_row != q->ref.is_row)
		return p->ref.is_row ? 1 : -1;
	return (a > b) - (a < b);
}

static uint64_t expect_us(const struct stored_object *o, size_t len_bytes)
{
	struct pace p = drive_pace(o->drive);

	return pace_expect_us(&p, len_bytes);
}

/* The nearest first, then those that are billed, drives that stalled last. */
static void order_objects(struct live_group *g, size_t len_bytes)
{
	uint64_t nearest_us = 0;

	for (unsigned i = 0; i < g->count; i++) {
		uint64_t us = expect_us(&g->stored[i], len_bytes);

		if (us > 0 && (nearest_us == 0 || us < nearest_us))
			nearest_us = us;
	}
	for (unsigned i = 0; i < g->count; i++) {
		struct stored_object *o = &g->stored[i];

		o->distance = atomic_load(&o->drive->stalled)
				      ? UINT32_MAX
				      : pace_distance(expect_us(o, len_bytes), nearest_us, SAME_US);
	}
	qsort(g->objects, g->count, sizeof(*g->objects), compare_objects);
}

/* Begins to read what is going to be needed, if all goes well. False: that is to be expected to
 * take longer than it may. */
static bool begin_reads(struct live_group *g, uint64_t offset_bytes, size_t len_bytes)
{
	unsigned k = g->group.member_count, taken = 0;
	uint64_t limit_us = g->count > 0 ? g->stored[0].how->limit_us : 0;
	struct error ignored;

	for (unsigned i = 0; i < g->count && taken < k; i++) {
		struct group_object *o = &g->objects[i];
		struct stored_object *s = o->ctx;
		struct read_want want = { .name = s->name, .offset_bytes = offset_bytes };
		uint64_t end = o->len_bytes < offset_bytes + len_bytes ? o->len_bytes
								       : offset_bytes + len_bytes;

		if (o->bad && end > offset_bytes)
			continue;
		taken++;
		if (end <= offset_bytes)
			continue;
		if (limit_us > 0 && (s->distance == UINT32_MAX || expect_us(s, len_bytes) > limit_us))
			return false;
		want.len_bytes = (size_t)(end - offset_bytes);
		if (len_bytes <= AHEAD_BYTES_MAX / k)
			s->call = read_start(s->drive->handle, &want, &ignored);
	}
	return limit_us == 0 || taken == k;
}

static void leave_reads(struct live_group *g)
{
	for (unsigned i = 0; i < g->count; i++) {
		if (g->stored[i].call)
			call_leave(&g->stored[i].call->call);
		g->stored[i].call = NULL;
	}
}

/* Late objects that have come by now, or never will, count again. How many are late still? */
static unsigned collect_late(struct live_group *g, bool *came)
{
	unsigned late = 0;

	for (unsigned i = 0; i < g->count; i++) {
		struct stored_object *o = g->objects[i].ctx;

		if (!g->objects[i].bad || !o->call)
			continue;
		if (call_wait(&o->call->call, o->call->want.len_bytes, 0)) {
			g->objects[i].bad = false;
			o->patient = true;
			*came = true;
		} else {
			late++;
		}
	}
	return late;
}

static void wait_for_late(struct live_group *g)
{
	for (unsigned i = 0; i < g->count; i++) {
		struct stored_object *o = g->objects[i].ctx;

		if (g->objects[i].bad && o->call) {
			call_wait(&o->call->call, o->call->want.len_bytes, RIVAL_MS);
			return;
		}
	}
}

/* Without those that are late there are too few: waits for the first of them, whichever it is.
 * ERR_LOST: none is late. */
static int be_patient(struct live_group *g, const struct degraded_how *how, struct error *err)
{
	bool came = false;

	while (collect_late(g, &came) > 0 && !came) {
		if (how->may_ask)
			return err_set(err, ERR_TRANSIENT, "too many are late");
		if (how->rival && call_wait(&how->rival->call, 0, 0))
			return err_set(err, ERR_INTERRUPTED, "the block itself was read first");
		wait_for_late(g);
	}
	return came ? ERR_NONE : ERR_LOST;
}

static int read_range(struct array *a, struct live_group *g, const struct table_block *b,
		      struct code_ref want, uint64_t offset_bytes, uint8_t *out, size_t len_bytes,
		      const struct degraded_how *how, struct error *err)
{
	struct error why;
	bool exposed = false;

	for (;;) {
		int code = group_read_range(g->slots, g->group.member_count, g->objects, g->count,
					    want, b->len_bytes, offset_bytes, out, len_bytes, err);

		if (code == ERR_LOST) {
			int late = be_patient(g, how, &why);

			if (late == ERR_NONE)
				continue;
			if (late != ERR_LOST) {
				*err = why;
				return late;
			}
		}
		if (code == ERR_NONE)
			code = how->judge(how->ctx, out, err);
		if (code != ERR_CORRUPT || exposed)
			return code;
		live_group_expose_liars(a, g);
		exposed = true;
	}
}

static int read_from_group(struct array *a, const struct id *group_id, const struct table_block *b,
			   uint64_t offset_bytes, uint8_t *out, size_t len_bytes,
			   const struct degraded_how *how, struct error *err)
{
	struct code_ref want = { false, 0 };
	struct live_group *g = malloc(sizeof(*g));
	int code = g ? live_group_load(a, group_id, NULL, g, err) : err_nomem(err);

	if (code != ERR_NONE) {
		free(g);
		return code;
	}
	for (unsigned i = 0; i < g->group.member_count; i++) {
		if (id_equal(&g->group.members[i].uid, &b->uid))
			want.index = g->slots[i];
	}
	for (unsigned i = 0; i < g->count; i++) {
		struct group_object *o = &g->objects[i];

		/* Its own place is another one's business. */
		o->bad = (!o->ref.is_row && o->ref.index == want.index) ||
			 (how->free_only && g->stored[i].drive->billed);
		o->read = read_near;
		g->stored[i].array = a;
		g->stored[i].how = how;
	}
	order_objects(g, len_bytes);
	if (begin_reads(g, offset_bytes, len_bytes))
		code = read_range(a, g, b, want, offset_bytes, out, len_bytes, how, err);
	else
		code = err_set(err, ERR_TRANSIENT, "the others are no nearer");
	leave_reads(g);
	live_group_release(g);
	free(g);
	return code;
}

int degraded_read(struct array *a, const struct table_block *b, uint64_t offset_bytes, uint8_t *out,
		  size_t len_bytes, const struct degraded_how *how, struct error *err)
{
	struct found_groups found = { .count = 0 };
	int code;

	if (offset_bytes > b->len_bytes || len_bytes > b->len_bytes - offset_bytes)
		return err_set(err, ERR_CORRUPT, "a frame beyond the end of its block");
	pthread_mutex_lock(&a->table_lock);
	code = table_groups_of(a->table, b->id, find_group, &found, err);
	pthread_mutex_unlock(&a->table_lock);
	if (code != ERR_NONE && code != 1)
		return code;
	for (unsigned i = 0; i < found.count; i++) {
		code = read_from_group(a, &found.ids[i], b, offset_bytes, out, len_bytes, how, err);
		if (code == ERR_NONE || code == ERR_NOMEM || code == ERR_INTERRUPTED ||
		    code == ERR_TRANSIENT)
			return code;
	}
	return err_set(err, ERR_LOST, "beyond repair with the drives at hand: %s",
		       found.count ? "too many of its group's objects are missing or damaged"
				   : "it has no parity");
}
