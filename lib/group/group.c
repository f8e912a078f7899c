#include "group/group.h"

#include "base/stop.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_BYTES ((size_t)16 << 20)
#define SLICE_MIN_BYTES ((size_t)64 << 10)
#define SLICE_MAX_BYTES ((size_t)1 << 20)

/* One buffer per object, for a slice of the same range of each. */
struct slices {
	uint8_t *memory;
	size_t slice_bytes; /* at most */
};

static int slices_init(struct slices *s, unsigned objects, uint64_t range_bytes, struct error *err)
{
	size_t slice = MEMORY_BYTES / objects / SLICE_MIN_BYTES * SLICE_MIN_BYTES;

	if (slice < SLICE_MIN_BYTES)
		slice = SLICE_MIN_BYTES;
	if (slice > SLICE_MAX_BYTES)
		slice = SLICE_MAX_BYTES;
	if (slice > range_bytes)
		slice = range_bytes > 0 ? (size_t)range_bytes : 1;
	s->slice_bytes = slice;
	s->memory = malloc(objects * slice);
	return s->memory ? ERR_NONE : err_nomem(err);
}

static uint8_t *slice_of(const struct slices *s, unsigned object)
{
	return s->memory + object * s->slice_bytes;
}

/* Bytes of an object of object_bytes in a range of len_bytes from offset_bytes on. */
static size_t bytes_in_range(uint64_t object_bytes, uint64_t offset_bytes, size_t len_bytes)
{
	if (object_bytes <= offset_bytes)
		return 0;
	return object_bytes - offset_bytes < len_bytes ? (size_t)(object_bytes - offset_bytes)
						       : len_bytes;
}

/* What a slice is computed from: k inputs, read from objects. */
struct gathering {
	struct group_object *objects;
	unsigned object_count, k;
	uint64_t offset_bytes;
	size_t len_bytes;
	struct slices slices;
	struct code_input in[GROUP_SLOTS_MAX];
	unsigned in_count;
};

static bool has_input(const struct gathering *g, struct code_ref ref)
{
	for (unsigned i = 0; i < g->in_count; i++)
		if (code_ref_equal(g->in[i].ref, ref))
			return true;
	return false;
}

/* Adds one object to the inputs. An error that is not the drive's is no reason to mark it. */
static int gather_one(struct gathering *g, struct group_object *o, struct error *err)
{
	size_t len = bytes_in_range(o->len_bytes, g->offset_bytes, g->len_bytes);
	uint8_t *to = slice_of(&g->slices, g->in_count);
	int code = ERR_NONE;

	if (len > 0)
		code = o->read(o->ctx, g->offset_bytes, to, len, err);
	if (code == ERR_NONE)
		g->in[g->in_count++] = (struct code_input){o->ref, to, len};
	else if (code != ERR_INTERRUPTED && code != ERR_NOMEM)
		o->bad = true;
	return code;
}

/* From objects in the order given until there are k inputs. */
static int gather_in_order(struct gathering *g, struct error *cause)
{
	for (unsigned i = 0; i < g->object_count && g->in_count < g->k; i++) {
		struct group_object *o = &g->objects[i];
		bool needs_read = bytes_in_range(o->len_bytes, g->offset_bytes, g->len_bytes) > 0;
		int code;

		if (has_input(g, o->ref) || (o->bad && needs_read))
			continue;
		code = gather_one(g, o, cause);
		if (code != ERR_NONE && !o->bad)
			return code;
	}
	return ERR_NONE;
}

static int gather(struct gathering *g, uint64_t offset_bytes, size_t len_bytes, struct error *err)
{
	struct error cause = {.message = "no more are known"};
	int code;

	g->offset_bytes = offset_bytes;
	g->len_bytes = len_bytes;
	g->in_count = 0;
	code = gather_in_order(g, &cause);
	if (code != ERR_NONE)
		*err = cause;
	else if (g->in_count < g->k)
		code = err_set(err, ERR_LOST, "%u of the %u objects needed can be read: %s",
			       g->in_count, g->k, cause.message);
	return code;
}

int group_read_range(const uint8_t *slots, unsigned k, struct group_object *objects,
		     unsigned object_count, struct code_ref want, uint64_t want_len_bytes,
		     uint64_t offset_bytes, void *out, size_t len_bytes, struct error *err)
{
	struct gathering g = {.objects = objects, .object_count = object_count, .k = k};
	int code;

	assert(k >= 1 && k <= GROUP_SLOTS_MAX);
	assert(offset_bytes <= want_len_bytes && len_bytes <= want_len_bytes - offset_bytes);
	code = slices_init(&g.slices, k, len_bytes, err);
	for (size_t done = 0, step; code == ERR_NONE && done < len_bytes; done += step) {
		uint8_t *to = (uint8_t *)out + done;

		step = len_bytes - done;
		if (step > g.slices.slice_bytes)
			step = g.slices.slice_bytes;
		code = gather(&g, offset_bytes + done, step, err);
		if (code == ERR_NONE)
			code = code_rebuild(slots, k, g.in, k, &want, 1, &to, step, err);
	}
	free(g.slices.memory);
	return code;
}

/* Reads a slice of every input; all are needed. */
static int gather_all(struct gathering *g, uint64_t offset_bytes, size_t len_bytes,
		      struct error *err)
{
	g->offset_bytes = offset_bytes;
	g->len_bytes = len_bytes;
	g->in_count = 0;
	for (unsigned i = 0; i < g->k; i++) {
		struct group_object *o = &g->objects[i];
		int code = gather_one(g, o, err);

		if (code != ERR_NONE)
			return err_wrap(err, "%s %u", o->ref.is_row ? "row" : "member in slot",
					o->ref.index);
	}
	return ERR_NONE;
}

/* Where rebuilt slices go. */
struct outlet {
	const struct code_ref *want;
	const uint64_t *want_len_bytes;
	unsigned want_count;
	group_write_fn *out;
	void *ctx;
	uint8_t *slices[GROUP_SLOTS_MAX + GROUP_ROWS_MAX];
};

static int deliver(const struct outlet *o, uint64_t offset_bytes, size_t len_bytes,
		   struct error *err)
{
	int code = ERR_NONE;

	for (unsigned i = 0; code == ERR_NONE && i < o->want_count; i++) {
		size_t len = bytes_in_range(o->want_len_bytes[i], offset_bytes, len_bytes);

		if (len > 0)
			code = o->out(o->ctx, i, o->slices[i], len, err);
	}
	return code;
}

int group_rebuild(const uint8_t *slots, unsigned k, struct group_object *inputs,
		  const struct code_ref *want, const uint64_t *want_len_bytes, unsigned want_count,
		  group_write_fn *out, void *ctx, struct error *err)
{
	struct gathering g = {.objects = inputs, .object_count = k, .k = k};
	struct outlet o = {.want = want,
			   .want_len_bytes = want_len_bytes,
			   .want_count = want_count,
			   .out = out,
			   .ctx = ctx};
	uint64_t longest = 0;
	int code;

	assert(k >= 1 && k <= GROUP_SLOTS_MAX && want_count <= GROUP_SLOTS_MAX + GROUP_ROWS_MAX);
	for (unsigned i = 0; i < want_count; i++)
		if (want_len_bytes[i] > longest)
			longest = want_len_bytes[i];
	code = slices_init(&g.slices, k + want_count, longest, err);
	for (unsigned i = 0; code == ERR_NONE && i < want_count; i++)
		o.slices[i] = slice_of(&g.slices, k + i);
	for (uint64_t at = 0; code == ERR_NONE && at < longest;) {
		size_t step = bytes_in_range(longest, at, g.slices.slice_bytes);

		code = stop_check(err);
		if (code == ERR_NONE)
			code = gather_all(&g, at, step, err);
		if (code == ERR_NONE)
			code = code_rebuild(slots, k, g.in, k, want, want_count, o.slices, step,
					    err);
		if (code == ERR_NONE)
			code = deliver(&o, at, step, err);
		at += step;
	}
	free(g.slices.memory);
	return code;
}

int group_encode_rows(struct row_descriptor *d, const struct code_input *members,
		      unsigned row_count, struct buf *rows, struct error *err)
{
	uint8_t index[GROUP_ROWS_MAX], *outs[GROUP_ROWS_MAX];
	size_t coded = (size_t)row_coded_bytes(d);
	int code;

	for (unsigned j = 0; j < row_count; j++) {
		if (!buf_reserve(&rows[j], coded + row_tail_bytes(d)))
			return err_nomem(err);
		index[j] = (uint8_t)j;
		outs[j] = rows[j].data;
	}
	code = code_encode(members, d->member_count, index, row_count, outs, coded, err);
	for (unsigned j = 0; j < row_count && code == ERR_NONE; j++) {
		d->row = (uint8_t)j;
		rows[j].len_bytes = coded;
		row_tail_encode(d, &rows[j]);
		if (rows[j].failed)
			code = err_nomem(err);
	}
	return code;
}
