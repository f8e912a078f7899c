#include "care/readmit.h"

#include "array/object.h"
#include "care/inspect.h"

#include <stdlib.h>

#define PROOFS_MAX 64 /* objects that are read: enough, and soon done */

struct proving {
	struct array *a;
	const struct array_drive *d;
	struct table_group *group;
	unsigned expected, whole;
};

/* Copies of a block (groups of one) are the same object on several drives. */
static int is_only_here(struct proving *p, const struct table_object *o, bool *yes,
			struct error *err)
{
	int code = o->is_row ? table_group(p->a->table, &o->owner, p->group, err) : ERR_NONE;

	*yes = code == ERR_NONE && (!o->is_row || p->group->member_count > 1);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

static int prove_object(void *ctx, const struct table_object *o, struct error *err)
{
	struct proving *p = ctx;
	struct error why;
	bool only_here;
	int code = ERR_NONE;

	if (p->expected == PROOFS_MAX)
		return ERR_NONE;
	code = is_only_here(p, o, &only_here, err);
	if (code != ERR_NONE || !only_here)
		return code;
	p->expected++;
	code = object_verify(p->d->handle, o->name, o->len_bytes, &why);
	p->whole += code == ERR_NONE;
	return code == ERR_NOMEM ? err_nomem(err) : ERR_NONE;
}

static int prove_segment(void *ctx, const char *name, uint64_t len_bytes)
{
	struct proving *p = ctx;
	struct buf bytes = { 0 };
	struct segment s = { 0 };
	struct segment_name parts;
	struct error why;

	(void)len_bytes;
	if (segment_name_parse(name, &parts) &&
	    object_get(p->d->handle, name, SEGMENT_STORED_MAX, &bytes, &why) == ERR_NONE &&
	    segment_open(p->a->keys, bytes.data, bytes.len_bytes, &s, &why) == ERR_NONE)
		p->whole = 1;
	segment_release(&s);
	buf_release(&bytes);
	return (int)p->whole; /* one is enough */
}

static bool is_elsewhere(struct array *a, const struct array_drive *d)
{
	for (unsigned i = 0; i < a->count; i++) {
		if (&a->drives[i] != d && array_is_marked(a, &a->drives[i], &d->id))
			return true;
	}
	return false;
}

int readmit_proof(struct array *a, const struct array_drive *d, bool *proved, struct error *err)
{
	struct proving p = { .a = a, .d = d };
	bool by_marker = (d->marker_state == MARKER_MISSING && d->presence == DRIVE_ABSENT) ||
			 (d->marker_state == MARKER_DAMAGED && d->presence == DRIVE_FOREIGN);
	int code;

	*proved = false;
	if (!d->handle || !by_marker || !drive_counts(d) || is_elsewhere(a, d))
		return ERR_NONE;
	p.group = malloc(sizeof(*p.group));
	code = p.group ? table_objects(a->table, &d->id, prove_object, &p, err) : err_nomem(err);
	if (code == ERR_NONE && p.expected == 0) {
		struct error why;

		d->handle->driver->list(d->handle, "journal/", prove_segment, &p, &why);
		p.expected = 1;
	}
	*proved = code == ERR_NONE && p.whole > 0 && 2 * p.whole >= p.expected;
	free(p.group);
	return code;
}

static int readmit_one(struct array *a, struct array_drive *d, bool repair,
		       struct scrub_drive *result, struct error *err)
{
	struct scrub_drive marker = { .objects = 0 };
	bool proved;
	int code = readmit_proof(a, d, &proved, err);

	if (code != ERR_NONE || !proved)
		return code;
	code = inspect_marker(a, d, repair, &marker, err);
	result->damaged += marker.damaged;
	result->repaired += marker.repaired;
	if (code != ERR_NONE || marker.damaged != marker.repaired)
		return code;
	array_tell(a, TELL_WARNING, "drive %s: its marker was mended: it takes part again", d->name);
	return array_take_back(a, d, err);
}

int readmit_drives(struct array *a, const struct scrub_options *o, struct scrub_result *r,
		   struct error *err)
{
	int code = ERR_NONE;

	for (unsigned i = 0; i < a->count && code == ERR_NONE; i++) {
		if (scrub_chooses(o, &a->drives[i]))
			code = readmit_one(a, &a->drives[i], o->repair, &r->drives[i], err);
	}
	return code;
}
