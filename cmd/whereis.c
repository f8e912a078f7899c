#include "archive/whereis.h"

#include "base/units.h"
#include "cmd/columns.h"
#include "cmd/commands.h"
#include "cmd/open.h"
#include "cmd/out.h"
#include "cmd/select.h"

#include <stdio.h>
#include <string.h>

#define SHORT_NAME_BYTES 8
#define DRIVE_CELL_BYTES (DRIVE_NAME_MAX + 24)

struct telling {
	struct invocation *inv;
	struct array *a;
	struct columns lines;
	uint64_t blocks;
	int spare; /* of the block that has least */
};

/* "d2", or "d2 (absent)". */
static void drive_cell(struct array *a, const struct id *id, char out[DRIVE_CELL_BYTES])
{
	const struct array_drive *d = array_drive_by_id(a, id);

	if (!d)
		snprintf(out, DRIVE_CELL_BYTES, "(gone)");
	else if (d->presence == DRIVE_PRESENT)
		snprintf(out, DRIVE_CELL_BYTES, "%s", d->name);
	else
		snprintf(out, DRIVE_CELL_BYTES, "%s (%s)", d->name, presence_word(d->presence));
}

static void add_rows(struct telling *t, const struct file_block *b, struct buf *out)
{
	char drive[DRIVE_CELL_BYTES];

	for (unsigned g = 0; g < b->group_count; g++) {
		for (unsigned i = 0; i < b->groups[g].row_count; i++) {
			drive_cell(t->a, &b->groups[g].rows[i].drive_id, drive);
			if (out->len_bytes > 0)
				buf_add_u8(out, ' ');
			buf_add(out, drive, strlen(drive));
		}
	}
	if (out->len_bytes == 0)
		buf_add_u8(out, '-');
	buf_add_u8(out, '\0');
}

static int add_line(struct telling *t, const struct file_block *b, struct error *err)
{
	char name[HASH_HEX_BYTES] = "journal", drive[DRIVE_CELL_BYTES] = "(all)", group[16] = "-";
	char size[UNIT_TEXT_BYTES];
	struct buf rows = { 0 };
	int code = ERR_NONE;

	size_text(b->file_bytes, size);
	if (!b->block.known)
		snprintf(name, sizeof(name), "(unknown)");
	else if (!b->block.is_inline)
		hex_encode(b->block.name.b,
			   t->inv->globals.verbose ? HASH_BYTES : SHORT_NAME_BYTES, name);
	if (!b->block.is_inline)
		drive_cell(t->a, &b->block.drive_id, drive);
	if (b->group_count > 0)
		snprintf(group, sizeof(group), "%u+%u", b->groups[0].member_count,
			 b->groups[0].row_count);
	add_rows(t, b, &rows);
	if (rows.failed)
		code = err_nomem(err);
	else
		columns_add(&t->lines, (const char *[]){ name, drive, size, group,
							 (const char *)rows.data });
	buf_release(&rows);
	return code;
}

static void set_drive(struct telling *t, json_t *o, const struct id *id)
{
	const struct array_drive *d = array_drive_by_id(t->a, id);

	json_object_set_new(o, "drive", d ? json_string(d->name) : json_null());
	json_object_set_new(o, "present", json_boolean(d && d->presence == DRIVE_PRESENT));
}

static json_t *group_json(struct telling *t, const struct table_group *g)
{
	char hex[HASH_HEX_BYTES];
	json_t *o = json_object(), *members = json_array(), *rows = json_array();

	hex_encode(g->id.b, ID_BYTES, hex);
	json_object_set_new(o, "group", json_string(hex));
	for (unsigned i = 0; i < g->member_count; i++) {
		json_t *m = json_object();

		hex_encode(g->members[i].name.b, HASH_BYTES, hex);
		json_object_set_new(m, "block", json_string(hex));
		json_object_set_new(m, "slot", json_integer(g->slots[i]));
		set_drive(t, m, &g->members[i].drive_id);
		json_array_append_new(members, m);
	}
	for (unsigned i = 0; i < g->row_count; i++) {
		json_t *r = json_object();

		hex_encode(g->rows[i].name.b, HASH_BYTES, hex);
		json_object_set_new(r, "parity", json_string(hex));
		json_object_set_new(r, "row", json_integer(g->rows[i].row));
		set_drive(t, r, &g->rows[i].drive_id);
		json_array_append_new(rows, r);
	}
	json_object_set_new(o, "members", members);
	json_object_set_new(o, "rows", rows);
	return o;
}

static void print_json(struct telling *t, const struct file_block *b)
{
	char hex[HASH_HEX_BYTES];
	json_t *o = out_object("block"), *groups = json_array();

	hex_encode(b->block.uid.b, ID_BYTES, hex);
	json_object_set_new(o, "uid", json_string(hex));
	json_object_set_new(o, "inline", json_boolean(b->block.is_inline));
	if (b->block.known && !b->block.is_inline) {
		hex_encode(b->block.name.b, HASH_BYTES, hex);
		json_object_set_new(o, "block", json_string(hex));
		json_object_set_new(o, "bytes_stored", json_integer((json_int_t)b->block.len_bytes));
		set_drive(t, o, &b->block.drive_id);
	}
	json_object_set_new(o, "file_bytes", json_integer((json_int_t)b->file_bytes));
	for (unsigned i = 0; i < b->group_count; i++)
		json_array_append_new(groups, group_json(t, &b->groups[i]));
	json_object_set_new(o, "groups", groups);
	json_object_set_new(o, "spare", json_integer(b->spare));
	out_json(t->inv->out, o);
}

static int tell_block(void *ctx, const struct file_block *b, struct error *err)
{
	struct telling *t = ctx;

	if (t->blocks++ == 0 || b->spare < t->spare)
		t->spare = b->spare;
	if (!t->inv->globals.json)
		return add_line(t, b, err);
	print_json(t, b);
	return ERR_NONE;
}

static void conclude(struct telling *t)
{
	json_t *o = out_object("summary");

	if (t->blocks == 0)
		out_line(t->inv->out, "It has no data: the journals on all drives tell everything.");
	else if (t->spare < 0)
		out_line(t->inv->out, "With the drives at hand it cannot be read.");
	else if (t->spare == 0)
		out_line(t->inv->out, "It can be read, but the loss of one more drive may take it.");
	else
		out_line(t->inv->out, "It can be read, and survives the loss of any %d more drive%s.",
			 t->spare, t->spare == 1 ? "" : "s");
	json_object_set_new(o, "blocks", json_integer((json_int_t)t->blocks));
	json_object_set_new(o, "spare", t->blocks ? json_integer(t->spare) : json_null());
	out_json(t->inv->out, o);
}

static int tell(struct invocation *inv, struct array *a, const struct selection *what,
		struct error *err)
{
	struct telling t = { .inv = inv, .a = a, .lines = { .count = 5, .right = 1 << 2 } };
	struct content_file file = { .snapshot = &what->snapshot,
				     .path = (const uint8_t *)what->path,
				     .path_bytes = strlen(what->path),
				     .node = &what->node };
	int code;

	columns_add(&t.lines,
		    (const char *[]){ "BLOCK", "DRIVE", "OF THE FILE", "GROUP", "PARITY ON" });
	code = whereis(a, &file, tell_block, &t, err);
	if (code == ERR_NONE && t.blocks > 0)
		code = columns_print(&t.lines, inv->out, 0, err);
	columns_release(&t.lines);
	if (code == ERR_NONE)
		conclude(&t);
	return code;
}

int cmd_whereis(struct invocation *inv, struct error *err)
{
	struct selecting s = { .tags = NULL };
	struct selection what = { .path = NULL };
	struct opened opened;
	struct array *a;
	int code = open_array(inv, OPEN_READ, &opened, &a, err);

	if (code == ERR_NONE)
		code = selecting_init(inv, &s, err);
	if (code == ERR_NONE)
		code = select_file(a->table, &s.filter, inv->args[0], &what, err);
	if (code == ERR_NONE)
		code = tell(inv, a, &what, err);
	selection_release(&what);
	selecting_release(&s);
	array_close(a);
	opened_release(&opened);
	return code;
}
