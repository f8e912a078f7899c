/*
 * What is the same on every drive (journals, keys) or belongs to the drive itself (its marker):
 * verified, and put back from the state folder or another drive.
 */
#include "array/journals.h"
#include "array/key_objects.h"
#include "array/object.h"
#include "care/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


/* Puts whole bytes in the place of what was found bad or missing. */
static int put_back(struct array_drive *d, const char *name, const struct buf *bytes,
		    struct scrub_drive *result, struct error *err)
{
	struct drive *h = d->handle;
	int code = object_put(h, name, bytes->data, bytes->len_bytes, err);

	if (code == ERR_NONE)
		code = h->driver->sync(h, err);
	if (code == ERR_NONE)
		code = object_verify(h, name, bytes->len_bytes, err);
	if (code == ERR_NONE)
		result->repaired++;
	return code;
}

static void tell_damage(struct array *a, const struct array_drive *d, const char *message)
{
	array_tell(a, TELL_WARNING, "drive %s: %s", d->name, message);
}

/* ---- journals ---- */

/* Whether other segments on this drive have the numbers of the one at item: a compacted one, those
 * it was made of, or what its writer signed instead after a cut. */
static bool is_covered(const struct journals *l, size_t item, unsigned place)
{
	const struct segment_name *s = &l->items[item].parts;
	uint64_t upto = s->first - 1;

	/* Sorted by first: one pass finds a chain if there is one. */
	for (size_t i = 0; i < l->count && upto < s->last; i++) {
		const struct segment_name *o = &l->items[i].parts;

		if (l->items[i].place == place && hash_equal(&o->writer, &s->writer) &&
		    !hash_equal(&o->sha256, &s->sha256) && o->first <= upto + 1 && o->last > upto)
			upto = o->last;
	}
	return upto >= s->last;
}

/* A segment that is whole nowhere and that the table never saw is of a commit that was cut off (or
 * all copies of it are damaged, and this is the only time to say so): what is left of it goes to
 * quarantine/, or every drive would be said to lack it for ever. */
static int set_aside(struct array *a, struct array_drive *d, const struct listed_segment *s,
		     bool covered, struct scrub_drive *result, struct error *err)
{
	struct clock applied = { 0 };
	struct drive *h = d->handle;
	int code = table_clock(a->table, &applied, err);
	bool seen = clock_seq(&applied, &s->parts.writer) >= s->parts.last;

	clock_release(&applied);
	if (code != ERR_NONE || (seen && !covered))
		return code;
	code = object_quarantine(h, s->name, err);
	if (code == ERR_NONE)
		code = h->driver->sync(h, err);
	if (code != ERR_NONE)
		return code;
	result->repaired += covered;
	tell_damage(a, d, "no other copy of this journal segment is whole: it was set aside");
	return ERR_NONE;
}

/* Whether the last listing has what is on the drive. */
static bool is_listed(const struct array_drive *d)
{
	return d->presence == DRIVE_PRESENT || d->presence == DRIVE_ROLLED_BACK;
}

/* Whether the drive has to have the segment itself, where it is not. What it never had is owed to it,
 * and sent with the next journals. */
static bool is_missed(struct array *a, const struct array_drive *d, const struct journals *l,
		      size_t item)
{
	const struct segment_name *s = &l->items[item].parts;

	return is_listed(d) && !is_covered(l, item, (unsigned)(d - a->drives)) &&
	       (d->presence == DRIVE_ROLLED_BACK || clock_seq(&d->holds, &s->writer) >= s->last);
}

/* ERR_NONE when all is well with the segment on this drive. */
static int check_segment(struct array *a, struct array_drive *d, const struct journals *l,
			 size_t item, struct scrub_drive *counted, struct error *err)
{
	const struct listed_segment *s = &l->items[item];
	struct buf bytes = { 0 };
	int code;

	if (!journals_has(l, item, (unsigned)(d - a->drives)))
		return is_missed(a, d, l, item)
			       ? err_set(err, ERR_NOT_FOUND, "%s: missing", s->name)
			       : ERR_NONE;
	code = object_get(d->handle, s->name, SEGMENT_STORED_MAX, &bytes, err);
	if (counted) {
		counted->objects++;
		counted->bytes += bytes.len_bytes;
	}
	buf_release(&bytes);
	return code;
}

static int mend_segment(struct array *a, struct array_drive *d, const struct journals *l,
			size_t item, bool repair, struct scrub_drive *result, struct error *err)
{
	unsigned place = (unsigned)(d - a->drives), from;
	const struct listed_segment *s = &l->items[item];
	struct buf bytes = { 0 };
	struct error why;
	int code = check_segment(a, d, l, item, NULL, &why);
	bool elsewhere;

	if (code == ERR_NOMEM)
		*err = why;
	if (code == ERR_NONE || code == ERR_NOMEM)
		return code;
	elsewhere = journals_load(a, l, item, &bytes, &from, err) == ERR_NONE;
	if (!elsewhere && !journals_has(l, item, place)) {
		buf_release(&bytes);
		return ERR_NONE;
	}
	tell_damage(a, d, why.message);
	inspect_note(result, code);
	if (repair && elsewhere)
		code = put_back(d, s->name, &bytes, result, err);
	else if (repair && code == ERR_CORRUPT)
		code = set_aside(a, d, s, is_covered(l, item, place), result, err);
	else
		code = ERR_NONE;
	/* What cannot be written stays damaged. */
	if (code != ERR_NONE)
		tell_damage(a, d, err->message);
	buf_release(&bytes);
	return ERR_NONE;
}

static int compare_names(const void *x, const void *y)
{
	return strcmp(x, y);
}

struct suspects {
	char (*names)[SEGMENT_NAME_BYTES];
	size_t count, cap;
};

static int find_suspects(struct array *a, struct array_drive *d, const struct journals *l,
			 struct suspects *out, struct scrub_drive *result, struct error *err)
{
	struct error why;
	int code = ERR_NONE;

	for (size_t i = 0; i < l->count && code == ERR_NONE; i = journals_next(l, i)) {
		if (check_segment(a, d, l, i, result, &why) == ERR_NONE)
			continue;
		if (grow(&out->names, &out->cap, out->count + 1, sizeof(*out->names)))
			memcpy(out->names[out->count++], l->items[i].name, SEGMENT_NAME_BYTES);
		else
			code = err_nomem(err);
	}
	return code;
}

/* Suspects are looked for anew: another host may have merged what was listed, and deleted it. */
int inspect_journal(struct array *a, struct array_drive *d, const struct journals *l, bool repair,
		    struct scrub_drive *result, struct error *err)
{
	struct suspects suspects = { 0 };
	struct journals now = { 0 };
	int code = d->record.journal ? find_suspects(a, d, l, &suspects, result, err) : ERR_NONE;

	if (code != ERR_NONE || suspects.count == 0)
		goto out;
	qsort(suspects.names, suspects.count, sizeof(*suspects.names), compare_names);
	code = journals_read(a, &now, err);
	for (size_t i = 0; i < now.count && code == ERR_NONE; i = journals_next(&now, i)) {
		if (bsearch(now.items[i].name, suspects.names, suspects.count,
			    sizeof(*suspects.names), compare_names))
			code = mend_segment(a, d, &now, i, repair, result, err);
	}
	journals_release(&now);
out:
	free(suspects.names);
	return code;
}

/* ---- keys ---- */

/* The same object from another place that has it whole. */
static int load_elsewhere(struct array *a, const struct array_drive *d, const char *name,
			  struct buf *out, struct error *err)
{
	int code = object_get(a->mirror, name, RING_BYTES_MAX, out, err);

	for (unsigned i = 0; i < a->count && code != ERR_NONE; i++) {
		const struct array_drive *other = &a->drives[i];

		if (other == d || other->presence != DRIVE_PRESENT)
			continue;
		buf_clear(out);
		code = object_get(other->handle, name, RING_BYTES_MAX, out, err);
	}
	return code;
}

static int inspect_key(struct array *a, struct array_drive *d, const char *name, bool repair,
		       struct scrub_drive *result, struct error *err)
{
	struct buf bytes = { 0 };
	int code = object_get(d->handle, name, RING_BYTES_MAX, &bytes, err);

	result->objects++;
	result->bytes += bytes.len_bytes;
	if (code != ERR_NONE && code != ERR_NOMEM) {
		tell_damage(a, d, err->message);
		inspect_note(result, code);
		buf_clear(&bytes);
		if (repair && load_elsewhere(a, d, name, &bytes, err) == ERR_NONE &&
		    put_back(d, name, &bytes, result, err) != ERR_NONE)
			tell_damage(a, d, err->message);
		code = ERR_NONE;
	}
	buf_release(&bytes);
	return code;
}

/* A slot that was removed, or that no journal knows, is not missed where it is not. */
int inspect_keys(struct array *a, struct array_drive *d, bool repair, struct scrub_drive *result,
		 struct error *err)
{
	struct slot_facts facts;
	struct key_names names;
	int code = slot_facts_load(a->table, &facts, err);

	if (code != ERR_NONE)
		return code;
	key_names_collect(a, "keys/", &names);
	for (size_t i = 0; i < names.count && code == ERR_NONE; i++) {
		if (slot_fact_of_name(&facts, names.names[i]) == SLOT_KNOWN)
			code = inspect_key(a, d, names.names[i], repair, result, err);
	}
	key_names_release(&names);
	slot_facts_release(&facts);
	return code;
}

/* ---- marker ---- */

int inspect_marker(struct array *a, struct array_drive *d, bool repair, struct scrub_drive *result,
		   struct error *err)
{
	uint8_t bytes[MARKER_BYTES_MAX];
	struct buf right = { 0 };
	struct drive *h = d->handle;
	struct object_stat st;
	bool wrong;
	int code = marker_make(a->keys, &d->id, &right, err);

	if (code != ERR_NONE)
		goto out;
	result->objects++;
	result->bytes += right.len_bytes;
	code = h->driver->stat(h, MARKER_NAME, &st, err);
	if (code == ERR_NONE && st.len_bytes <= sizeof(bytes))
		code = h->driver->get(h, MARKER_NAME, 0, bytes, (size_t)st.len_bytes, err);
	if (code == ERR_NONE && st.len_bytes == right.len_bytes &&
	    memcmp(bytes, right.data, right.len_bytes) == 0)
		goto out;
	wrong = code == ERR_NONE || code == ERR_NOT_FOUND || code == ERR_CORRUPT;
	tell_damage(a, d, wrong ? "config.json is damaged or missing" : err->message);
	inspect_note(result, code == ERR_NONE ? ERR_CORRUPT : code);
	code = ERR_NONE;
	/* What a drive refuses to show may be whole: it stays. */
	if (!repair || !wrong)
		goto out;
	if (object_quarantine(h, MARKER_NAME, err) == ERR_NOMEM ||
	    h->driver->put(h, MARKER_NAME, right.data, right.len_bytes, err) != ERR_NONE ||
	    h->driver->sync(h, err) != ERR_NONE)
		tell_damage(a, d, err->message);
	else
		result->repaired++;
out:
	buf_release(&right);
	return code;
}
