#include "array/degraded.h"

#include "array/object.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define GROUPS_OF_BLOCK_MAX 16

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

static int read_stored(void *ctx, uint64_t offset_bytes, void *out, size_t len_bytes,
		       struct error *err)
{
	struct stored_object *o = ctx;
	struct drive *h = o->drive->handle;

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
		struct code_ref ref = { false, g->slots[i] };
		struct array_drive *d = block_drive(a, &g->members[i]);

		out->slots[i] = g->slots[i];
		if (g->members[i].len_bytes > longest)
			longest = g->members[i].len_bytes;
		if (d && !is_left_out(leave_out, ref))
			add_object(out, d, ref, g->members[i].len_bytes, g->members[i].len_bytes,
				   &g->members[i].name);
	}
	for (unsigned i = 0; i < g->row_count; i++) {
		struct code_ref ref = { true, g->rows[i].row };
		struct array_drive *d = array_drive_by_id(a, &g->rows[i].drive_id);

		if (readable(d) && !is_left_out(leave_out, ref))
			add_object(out, d, ref, longest, g->rows[i].len_bytes, &g->rows[i].name);
	}
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

static int read_from_group(struct array *a, const struct id *group_id, const struct table_block *b,
			   uint64_t offset_bytes, uint8_t *out, size_t len_bytes, judge_fn *judge,
			   void *ctx, struct error *err)
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
	/* Its own place was tried before. */
	for (unsigned i = 0; i < g->count; i++) {
		if (!g->objects[i].ref.is_row && g->objects[i].ref.index == want.index)
			g->objects[i].bad = true;
	}
	for (unsigned try = 0; try < 2; try++) {
		code = group_read_range(g->slots, g->group.member_count, g->objects, g->count, want,
					b->len_bytes, offset_bytes, out, len_bytes, err);
		if (code == ERR_NONE)
			code = judge(ctx, out, err);
		if (code != ERR_CORRUPT || try == 1)
			break;
		live_group_expose_liars(a, g);
	}
	live_group_release(g);
	free(g);
	return code;
}

int degraded_read(struct array *a, const struct table_block *b, uint64_t offset_bytes, uint8_t *out,
		  size_t len_bytes, judge_fn *judge, void *ctx, struct error *err)
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
		code = read_from_group(a, &found.ids[i], b, offset_bytes, out, len_bytes, judge,
				       ctx, err);
		if (code == ERR_NONE || code == ERR_NOMEM)
			return code;
	}
	return err_set(err, ERR_LOST, "beyond repair with the drives at hand: %s",
		       found.count ? "too many of its group's objects are missing or damaged"
				   : "it has no parity");
}
