#include "care/dissolve.h"

#include "array/object.h"
#include "care/idlist.h"

#include <stdlib.h>
#include <string.h>

struct dissolving {
	struct array *a;
	struct id_list blocks, groups;
	struct table_group *group;
	struct group_record *next;
};

/* A block may be in several groups, and a group have several lost blocks. */
static int add_group(void *ctx, const struct id *id, struct error *err)
{
	struct id_list *groups = ctx;

	for (size_t i = 0; i < groups->count; i++) {
		if (id_equal(&groups->ids[i], id))
			return ERR_NONE;
	}
	return id_list_add(groups, id, err);
}

static int find_groups(struct dissolving *d, struct error *err)
{
	int code = table_lost_blocks(d->a->table, id_list_add, &d->blocks, err);

	for (size_t i = 0; i < d->blocks.count && code == ERR_NONE; i++) {
		struct table_block b;

		code = table_block_by_uid(d->a->table, &d->blocks.ids[i], &b, err);
		if (code == ERR_NONE)
			code = table_groups_of(d->a->table, b.id, add_group, &d->groups, err);
		if (code == ERR_NOT_FOUND)
			code = ERR_NONE;
	}
	return code;
}

/* The members that are left, where they are; a single one is a mirror, whose slot is 0. */
static void keep_members(struct dissolving *d)
{
	const struct table_group *g = d->group;
	struct group_record *n = d->next;

	memset(n, 0, sizeof(*n));
	n->id = id_random();
	n->supersedes[0] = g->id;
	n->supersedes_count = 1;
	for (unsigned i = 0; i < g->member_count; i++) {
		const struct table_block *m = &g->members[i];

		if (!m->lost)
			n->members[n->member_count++] = (struct group_member_record){
				m->uid, m->name, m->len_bytes, g->slots[i]
			};
	}
	if (n->member_count == 1)
		n->members[0].slot = 0;
}

static void drop_rows(struct dissolving *d, bool superseded, struct buf *records)
{
	for (unsigned i = 0; i < d->group->row_count; i++) {
		const struct group_row_record *row = &d->group->rows[i];
		char object[OBJECT_NAME_MAX + 1];

		if (!superseded)
			record_rows(records, &d->group->id, row, false);
		object_name_row(&row->name, object);
		record_garbage(records, &row->drive_id, object, false);
	}
}

int dissolve_broken(struct array *a, struct buf *records, struct error *err)
{
	struct dissolving d = { .a = a };
	int code;

	d.group = malloc(sizeof(*d.group));
	d.next = malloc(sizeof(*d.next));
	code = d.group && d.next ? find_groups(&d, err) : err_nomem(err);
	for (size_t i = 0; i < d.groups.count && code == ERR_NONE; i++) {
		code = table_group(a->table, &d.groups.ids[i], d.group, err);
		if (code == ERR_NOT_FOUND) {
			code = ERR_NONE; /* superseded meanwhile */
			continue;
		}
		if (code != ERR_NONE)
			break;
		keep_members(&d);
		/* A group of lost blocks alone stays, without rows: nothing can supersede it. */
		if (d.next->member_count > 0)
			record_group(records, d.next);
		drop_rows(&d, d.next->member_count > 0, records);
	}
	free(d.group);
	free(d.next);
	id_list_release(&d.blocks);
	id_list_release(&d.groups);
	return code;
}
