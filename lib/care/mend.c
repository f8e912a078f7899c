#include "care/mend.h"

#include "array/extra.h"
#include "array/object.h"
#include "array/place.h"
#include "care/target.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Larger than any object of a sane group: a damaged length must not make us allocate it. */
#define OBJECT_BYTES_MAX ((size_t)256 << 20)

struct mending {
	struct array *a;
	struct live_group group;
	struct buf inputs[GROUP_SLOTS_MAX];
	struct code_input have[GROUP_SLOTS_MAX];
	unsigned have_count;
	struct buf outs[GROUP_SLOTS_MAX + GROUP_ROWS_MAX];
	bool copied[GROUP_SLOTS_MAX + GROUP_ROWS_MAX]; /* outs that need not be computed */
};

static bool wanted(const struct mend_want *wants, unsigned count, struct code_ref ref,
		   const struct array_drive *on)
{
	for (unsigned i = 0; i < count; i++) {
		if (wants[i].ref.is_row == ref.is_row && wants[i].ref.index == ref.index &&
		    wants[i].drive == on)
			return true;
	}
	return false;
}

static bool have_ref(const struct mending *m, struct code_ref ref)
{
	for (unsigned i = 0; i < m->have_count; i++) {
		if (m->have[i].ref.is_row == ref.is_row && m->have[i].ref.index == ref.index)
			return true;
	}
	return false;
}

static int get_whole(const struct stored_object *s, struct buf *bytes, struct error *err)
{
	int code;

	buf_clear(bytes);
	code = object_get(s->drive->handle, s->name, OBJECT_BYTES_MAX, bytes, err);
	if (code == ERR_NONE && bytes->len_bytes != s->object_bytes)
		code = err_set(err, ERR_CORRUPT, "%s: not as long as it must be", s->name);
	return code;
}

/* Reads object number i of the group whole. What turns out bad is not read again, but for once from
 * across a network, where bytes may change on their way and servers may say anything for a moment: what
 * is beyond repair is declared lost for good. Until a scrub has found damage there, too, such an object
 * counts as one that cannot be read now. */
static int read_object(struct mending *m, unsigned i, struct buf *bytes, struct mend_result *result,
		       struct error *err)
{
	struct group_object *o = &m->group.objects[i];
	const struct stored_object *s = o->ctx;
	bool remote = s->drive->handle->driver->flags & DRIVER_REMOTE, bad;
	int code = get_whole(s, bytes, err);

	if (remote && (code == ERR_CORRUPT || code == ERR_NOT_FOUND))
		code = get_whole(s, bytes, err);
	bad = code == ERR_CORRUPT || code == ERR_NOT_FOUND;
	if (bad && (!remote || s->drive->unrepaired > 0))
		result->bad_inputs++;
	else if (code != ERR_NONE && code != ERR_NOMEM)
		result->unread_inputs++;
	o->bad = code != ERR_NONE;
	if (code == ERR_NONE)
		result->read_bytes += bytes->len_bytes;
	return code;
}

/* A wanted object that lies whole on another drive is copied. */
static int copy_wanted(struct mending *m, const struct mend_want *wants, unsigned want_count,
		       struct mend_result *result, struct error *err)
{
	for (unsigned i = 0; i < m->group.count; i++) {
		const struct group_object *o = &m->group.objects[i];
		const struct stored_object *s = o->ctx;

		for (unsigned n = 0; n < want_count; n++) {
			if (m->copied[n] || o->bad || wants[n].anew || wants[n].drive == s->drive ||
			    wants[n].ref.is_row != o->ref.is_row ||
			    wants[n].ref.index != o->ref.index)
				continue;
			if (read_object(m, i, &m->outs[n], result, err) == ERR_NOMEM)
				return ERR_NOMEM;
			m->copied[n] = !o->bad;
		}
	}
	return ERR_NONE;
}

static bool all_copied(const struct mending *m, unsigned want_count)
{
	for (unsigned n = 0; n < want_count; n++) {
		if (!m->copied[n])
			return false;
	}
	return true;
}

/* Reads objects until k are whole in memory. */
static int read_inputs(struct mending *m, const struct mend_want *wants, unsigned want_count,
		       struct mend_result *result, struct error *err)
{
	unsigned k = m->group.group.member_count;

	for (unsigned i = 0; i < m->group.count && m->have_count < k; i++) {
		const struct group_object *o = &m->group.objects[i];
		const struct stored_object *s = o->ctx;
		struct buf *bytes = &m->inputs[m->have_count];
		int code;

		if (o->bad || wanted(wants, want_count, o->ref, s->drive) || have_ref(m, o->ref))
			continue;
		code = read_object(m, i, bytes, result, err);
		if (code == ERR_NOMEM)
			return code;
		if (code != ERR_NONE)
			continue;
		m->have[m->have_count++] =
			(struct code_input){ o->ref, bytes->data, (size_t)o->len_bytes };
	}
	if (m->have_count < k && result->unread_inputs > 0)
		return err_set(err, ERR_ABSENT, "only %u of the %u objects that it takes can be read now",
			       m->have_count, k);
	if (m->have_count < k)
		return err_set(err, ERR_LOST, "only %u of the %u objects that it takes are whole",
			       m->have_count, k);
	return ERR_NONE;
}

static const struct table_block *member_of(const struct table_group *g, unsigned slot)
{
	for (unsigned i = 0; i < g->member_count; i++) {
		if (g->slots[i] == slot)
			return &g->members[i];
	}
	return NULL;
}

int mend_row_tail(const struct array *a, const struct table_group *g, unsigned row, struct buf *out,
		  struct error *err)
{
	struct row_descriptor *d = calloc(1, sizeof(*d));

	if (!d)
		return err_nomem(err);
	d->array_id = a->config.array_id;
	d->group_id = g->id;
	d->row = (uint8_t)row;
	d->member_count = (uint16_t)g->member_count;
	for (unsigned i = 0; i < g->member_count; i++)
		d->members[i] = (struct row_member){ .name = g->members[i].name,
						     .len_bytes = g->members[i].len_bytes,
						     .slot = g->slots[i] };
	row_tail_encode(d, out);
	free(d);
	return out->failed ? err_nomem(err) : ERR_NONE;
}

/* Computes every wanted object that was not copied into m->outs. */
static int compute(struct mending *m, const struct mend_want *wants, unsigned want_count,
		   struct error *err)
{
	const struct table_group *g = &m->group.group;
	size_t coded = (size_t)target_longest_bytes(g);
	struct code_ref refs[GROUP_SLOTS_MAX + GROUP_ROWS_MAX] = { { false, 0 } };
	uint8_t *outs[GROUP_SLOTS_MAX + GROUP_ROWS_MAX] = { NULL };
	unsigned count = 0;
	int code;

	for (unsigned i = 0; i < want_count; i++) {
		size_t tail = sizeof(struct row_descriptor) + ROW_TRAILER_BYTES;

		if (m->copied[i])
			continue;
		buf_clear(&m->outs[i]);
		if (!buf_reserve(&m->outs[i], coded + tail))
			return err_nomem(err);
		refs[count] = wants[i].ref;
		outs[count++] = m->outs[i].data;
	}
	code = code_rebuild(m->group.slots, g->member_count, m->have, m->have_count, refs, count,
			    outs, coded, err);
	for (unsigned i = 0; i < want_count && code == ERR_NONE; i++) {
		const struct table_block *member =
			wants[i].ref.is_row ? NULL : member_of(g, wants[i].ref.index);

		if (m->copied[i])
			continue;

		m->outs[i].len_bytes = member ? (size_t)member->len_bytes : coded;
		if (wants[i].ref.is_row && g->member_count > 1)
			code = mend_row_tail(m->a, g, wants[i].ref.index, &m->outs[i], err);
	}
	return code;
}

/* The name that this object has by the journal, if it has one yet. */
static const struct hash *known_name(const struct table_group *g, struct code_ref ref)
{
	if (!ref.is_row)
		return &member_of(g, ref.index)->name;
	if (g->member_count == 1)
		return &g->members[0].name;
	for (unsigned i = 0; i < g->row_count; i++) {
		if (g->rows[i].row == ref.index)
			return &g->rows[i].name;
	}
	return NULL;
}

/* Whether the journal places the object on that drive already. */
static bool place_known(const struct table_group *g, const struct mend_want *w)
{
	if (!w->ref.is_row)
		return id_equal(&member_of(g, w->ref.index)->drive_id, &w->drive->id);
	for (unsigned i = 0; i < g->row_count; i++) {
		if (g->rows[i].row == w->ref.index && id_equal(&g->rows[i].drive_id, &w->drive->id))
			return true;
	}
	return false;
}

static int store(struct mending *m, const struct mend_want *w, const struct buf *bytes,
		 struct buf *records, struct mend_result *result, struct error *err)
{
	const struct table_group *g = &m->group.group;
	const struct hash *known = w->anew ? NULL : known_name(g, w->ref);
	struct hash name = sha256(bytes->data, bytes->len_bytes);
	char object[OBJECT_NAME_MAX + 1];
	int code;

	if (known && !hash_equal(known, &name))
		return err_set(err, ERR_LOST, "a rebuilt object does not have the hash it must have");
	if (w->ref.is_row)
		object_name_row(&name, object);
	else
		object_name_block(&name, object);
	code = place_store(m->a, w->drive, object, bytes->data, bytes->len_bytes, err);
	if (code != ERR_NONE)
		return code;
	result->written_bytes += bytes->len_bytes;
	if (place_known(g, w) && !w->anew)
		return ERR_NONE;
	place_book(m->a, w->drive, bytes->len_bytes);
	extra_evict(m->a, g, w->drive, records);
	if (w->ref.is_row) {
		struct group_row_record row = { .row = w->ref.index,
						.name = name,
						.len_bytes = bytes->len_bytes,
						.drive_id = w->drive->id };

		record_rows(records, &g->id, &row, true);
	} else {
		record_move(records, &member_of(g, w->ref.index)->uid, &w->drive->id);
	}
	return ERR_NONE;
}

/* A drive that fails does not keep the others from getting theirs. A repair in place goes on with
 * the drive's other objects; new ones it gets no more. */
static int store_all(struct mending *m, struct mend_want *wants, unsigned want_count,
		     struct buf *records, struct mend_result *result, struct error *err)
{
	int first = ERR_NONE;

	for (unsigned i = 0; i < want_count; i++) {
		struct error why;
		int code = store(m, &wants[i], &m->outs[i], records, result, &why);

		wants[i].done = code == ERR_NONE;
		wants[i].failed = code == ERR_LOST || code == ERR_NOMEM ? ERR_NONE : code;
		if (wants[i].failed != ERR_NONE && !place_known(&m->group.group, &wants[i]))
			place_poison(m->a, wants[i].drive, &why);
		if (code != ERR_NONE && first == ERR_NONE) {
			first = code;
			*err = why;
		}
	}
	return first;
}

static void mending_free(struct mending *m)
{
	live_group_release(&m->group);
	for (unsigned i = 0; i < GROUP_SLOTS_MAX; i++)
		buf_release(&m->inputs[i]);
	for (unsigned i = 0; i < GROUP_SLOTS_MAX + GROUP_ROWS_MAX; i++)
		buf_release(&m->outs[i]);
	free(m);
}

int mend_group(struct array *a, const struct id *group_id, struct mend_want *wants,
	       unsigned want_count, struct buf *records, struct mend_result *result,
	       struct error *err)
{
	struct mending *m = calloc(1, sizeof(*m));
	int code;

	assert(want_count <= GROUP_SLOTS_MAX + GROUP_ROWS_MAX);
	if (!m)
		return err_nomem(err);
	m->a = a;
	code = live_group_load(a, group_id, NULL, &m->group, err);
	if (code == ERR_NONE)
		code = copy_wanted(m, wants, want_count, result, err);
	if (code == ERR_NONE && !all_copied(m, want_count)) {
		code = read_inputs(m, wants, want_count, result, err);
		if (code == ERR_NONE)
			code = compute(m, wants, want_count, err);
	}
	if (code == ERR_NONE)
		code = store_all(m, wants, want_count, records, result, err);
	mending_free(m);
	return code;
}

/* Whole members that were read go to the caller; the others are wanted. */
static unsigned take_members(struct mending *m, struct buf *members, struct mend_want *wants)
{
	const struct table_group *g = &m->group.group;
	unsigned wanted_count = 0;

	for (unsigned i = 0; i < g->member_count; i++) {
		bool have = false;

		for (unsigned n = 0; n < m->have_count && !have; n++) {
			have = !m->have[n].ref.is_row && m->have[n].ref.index == g->slots[i];
			if (have)
				buf_add(&members[i], m->have[n].bytes, m->have[n].len_bytes);
		}
		if (!have)
			wants[wanted_count++].ref = (struct code_ref){ false, g->slots[i] };
	}
	return wanted_count;
}

int mend_load_members(struct array *a, const struct table_group *g, struct buf *members,
		      struct mend_result *result, struct error *err)
{
	struct mending *m = calloc(1, sizeof(*m));
	struct mend_want wants[GROUP_SLOTS_MAX];
	unsigned wanted_count = 0;
	int code;

	if (!m)
		return err_nomem(err);
	m->a = a;
	code = live_group_load(a, &g->id, NULL, &m->group, err);
	if (code == ERR_NONE)
		code = read_inputs(m, NULL, 0, result, err);
	if (code == ERR_NONE) {
		wanted_count = take_members(m, members, wants);
		code = compute(m, wants, wanted_count, err);
	}
	for (unsigned i = 0, n = 0; i < g->member_count && code == ERR_NONE; i++) {
		struct hash name;

		if (n < wanted_count && g->slots[i] == wants[n].ref.index) {
			buf_add(&members[i], m->outs[n].data, m->outs[n].len_bytes);
			n++;
		}
		name = sha256(members[i].data, members[i].len_bytes);
		if (members[i].failed)
			code = err_nomem(err);
		else if (!hash_equal(&name, &g->members[i].name))
			code = err_set(err, ERR_LOST, "a rebuilt block does not have its hash");
	}
	mending_free(m);
	return code;
}

int mend_load_block(struct array *a, const struct table_block *b, struct buf *bytes,
		    struct mend_result *result, struct error *err)
{
	struct array_drive *from = block_drive(a, b);
	char name[OBJECT_NAME_MAX + 1];
	int code;

	if (!from)
		return err_set(err, ERR_ABSENT, "a block without parity is not at hand");
	object_name_block(&b->name, name);
	code = object_get(from->handle, name, OBJECT_BYTES_MAX, bytes, err);
	result->read_bytes += bytes->len_bytes;
	return code == ERR_NONE ? code : err_wrap(err, "drive %s", from->name);
}
