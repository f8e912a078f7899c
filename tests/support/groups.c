#include "tests/support/groups.h"

#include "array/object.h"
#include "care/idlist.h"
#include "group/group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OBJECT_MAX ((size_t)64 << 20)

static void must(bool ok, const char *what, const struct error *err)
{
	if (ok)
		return;
	fprintf(stderr, "groups: %s%s%s\n", what, err ? ": " : "", err ? err->message : "");
	abort();
}

struct group_list *groups_load(struct array *a)
{
	struct group_list *l = calloc(1, sizeof(*l));
	struct id_list ids = { 0 };
	struct error err;

	must(l != NULL, "memory", NULL);
	must(table_groups(a->table, id_list_add, &ids, &err) == ERR_NONE, "list", &err);
	must(ids.count <= GROUPS_LISTED_MAX, "too many", NULL);
	for (size_t i = 0; i < ids.count; i++) {
		struct table_group *g = malloc(sizeof(*g));

		must(g != NULL, "memory", NULL);
		must(table_group(a->table, &ids.ids[i], g, &err) == ERR_NONE, "load", &err);
		l->groups[l->count++] = g;
	}
	id_list_release(&ids);
	return l;
}

void groups_free(struct group_list *l)
{
	for (unsigned i = 0; l && i < l->count; i++)
		free(l->groups[i]);
	free(l);
}

bool groups_are_disjoint(const struct table_group *x, const struct table_group *y)
{
	for (unsigned i = 0; i < x->member_count; i++) {
		for (unsigned n = 0; n < y->member_count; n++) {
			if (id_equal(&x->members[i].drive_id, &y->members[n].drive_id))
				return false;
		}
	}
	return true;
}

uint64_t group_row_bytes(const struct table_group *g)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < g->row_count; i++)
		bytes += g->rows[i].len_bytes;
	return bytes;
}

uint64_t group_data_bytes(const struct table_group *g)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < g->member_count; i++)
		bytes += g->members[i].len_bytes;
	return bytes;
}

static void describe(struct array *a, const struct table_group *g, struct row_descriptor *d)
{
	memset(d, 0, sizeof(*d));
	d->array_id = a->config.array_id;
	d->group_id = g->id;
	d->member_count = (uint16_t)g->member_count;
	for (unsigned i = 0; i < g->member_count; i++)
		d->members[i] = (struct row_member){ g->members[i].name, g->members[i].len_bytes,
						     g->slots[i] };
}

static bool one_per_drive(struct array *a, const struct table_group *g)
{
	unsigned on[DRIVES_MAX] = { 0 };
	bool ok = true;

	for (unsigned i = 0; i < g->member_count; i++)
		on[array_drive_by_id(a, &g->members[i].drive_id) - a->drives]++;
	for (unsigned i = 0; i < g->row_count; i++)
		on[array_drive_by_id(a, &g->rows[i].drive_id) - a->drives]++;
	for (unsigned i = 0; i < a->count; i++)
		ok = ok && on[i] <= 1;
	return ok;
}

/* What lies on the drives, compared with want. */
static bool rows_equal(struct array *a, const struct table_group *g, const struct buf *want,
		       struct error *why)
{
	for (unsigned i = 0; i < g->row_count; i++) {
		const struct group_row_record *r = &g->rows[i];
		const struct buf *right = &want[g->member_count > 1 ? r->row : 0];
		struct buf bytes = { 0 };
		char name[OBJECT_NAME_MAX + 1];
		bool equal;

		object_name_row(&r->name, name);
		if (object_get(array_drive_by_id(a, &r->drive_id)->handle, name, OBJECT_MAX, &bytes,
			       why) != ERR_NONE)
			return false;
		equal = bytes.len_bytes == right->len_bytes &&
			memcmp(bytes.data, right->data, bytes.len_bytes) == 0;
		buf_release(&bytes);
		if (!equal) {
			err_set(why, ERR_CORRUPT, "row %u of %u members is not as encoded", r->row,
				g->member_count);
			return false;
		}
	}
	return true;
}

bool group_is_as_encoded(struct array *a, const struct table_group *g, struct error *why)
{
	struct buf *members = calloc(GROUP_SLOTS_MAX, sizeof(*members));
	struct code_input inputs[GROUP_SLOTS_MAX];
	struct buf rows[GROUP_ROWS_MAX] = { { 0 } };
	struct row_descriptor *d = malloc(sizeof(*d));
	unsigned row_count = a->policy.parity;
	int code = ERR_NONE;
	bool ok = true;

	/* More than the policy asks for, too. */
	for (unsigned i = 0; i < g->row_count; i++)
		row_count = g->rows[i].row >= row_count ? g->rows[i].row + 1u : row_count;
	must(members && d, "memory", NULL);
	for (unsigned i = 0; i < g->member_count && code == ERR_NONE; i++) {
		char name[OBJECT_NAME_MAX + 1];

		object_name_block(&g->members[i].name, name);
		code = object_get(array_drive_by_id(a, &g->members[i].drive_id)->handle, name,
				  OBJECT_MAX, &members[i], why);
		inputs[i] = (struct code_input){ { false, g->slots[i] }, members[i].data,
						 members[i].len_bytes };
	}
	describe(a, g, d);
	if (code == ERR_NONE && g->member_count > 1)
		code = group_encode_rows(d, inputs, row_count, rows, why);
	ok = code == ERR_NONE && rows_equal(a, g, g->member_count > 1 ? rows : members, why);
	if (ok && (g->row_count < a->policy.parity || !one_per_drive(a, g))) {
		err_set(why, ERR_CORRUPT, "%u members, %u rows: too few, or two on one drive",
			g->member_count, g->row_count);
		ok = false;
	}
	for (unsigned i = 0; i < GROUP_SLOTS_MAX; i++)
		buf_release(&members[i]);
	for (unsigned i = 0; i < GROUP_ROWS_MAX; i++)
		buf_release(&rows[i]);
	free(members);
	free(d);
	return ok;
}
