#include "archive/tour.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "cmd/open.h"
#include "cmd/out.h"
#include "cmd/select.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define NS_PER_S 1000000000

static const struct {
	char letter;
	const char *word;
} types[] = {
	[NODE_FILE] = { '-', "file" },
	[NODE_FOLDER] = { 'd', "folder" },
	[NODE_SYMLINK] = { 'l', "symlink" },
	[NODE_FIFO] = { 'p', "fifo" },
	[NODE_CHAR_DEVICE] = { 'c', "char_device" },
	[NODE_BLOCK_DEVICE] = { 'b', "block_device" },
};

struct listing_out {
	struct invocation *inv;
	bool is_long;
	struct buf text; /* of a line */
};

/* "-rwsr-xr-t", as ls(1) has it. */
static void mode_text(const struct node *n, char out[11])
{
	static const char letters[] = "rwxrwxrwx";

	out[0] = types[n->type].letter;
	for (unsigned i = 0; i < 9; i++)
		out[1 + i] = n->mode & 0400u >> i ? letters[i] : '-';
	if (n->mode & S_ISUID)
		out[3] = n->mode & S_IXUSR ? 's' : 'S';
	if (n->mode & S_ISGID)
		out[6] = n->mode & S_IXGRP ? 's' : 'S';
	if (n->mode & S_ISVTX)
		out[9] = n->mode & S_IXOTH ? 't' : 'T';
	out[10] = '\0';
}

/* Appends len_bytes of a foreign name with control bytes escaped. */
static bool add_escaped(struct buf *out, const uint8_t *name, size_t len_bytes)
{
	char *copy = strndup((const char *)name, len_bytes);
	size_t most = 4 * len_bytes + 1;

	if (!copy || !buf_reserve(out, most)) {
		free(copy);
		return false;
	}
	out_escape(copy, (char *)out->data + out->len_bytes, most);
	out->len_bytes += strlen((char *)out->data + out->len_bytes);
	free(copy);
	return true;
}

/* Rounded down, also before 1970. */
static int64_t seconds_of(int64_t ns)
{
	return ns / NS_PER_S - (ns % NS_PER_S < 0);
}

static void long_columns(const struct node *n, char *out, size_t out_bytes)
{
	char mode[11], size[UNIT_TEXT_BYTES], time[UNIT_TEXT_BYTES];

	mode_text(n, mode);
	time_text(seconds_of(n->mtime_ns), time);
	if (n->type == NODE_CHAR_DEVICE || n->type == NODE_BLOCK_DEVICE)
		snprintf(size, sizeof(size), "%u,%u", major(n->rdev), minor(n->rdev));
	else
		snprintf(size, sizeof(size), "%" PRIu64, n->type == NODE_FILE ? n->size_bytes : 0);
	snprintf(out, out_bytes, "%s %5" PRIu32 " %5" PRIu32 " %12s %s ", mode, n->uid, n->gid, size,
		 time);
}

static int print_line(struct listing_out *o, const uint8_t *path, size_t path_bytes,
		      const struct node *n, struct error *err)
{
	char columns[160] = "";
	bool ok;

	if (o->is_long)
		long_columns(n, columns, sizeof(columns));
	buf_clear(&o->text);
	ok = add_escaped(&o->text, path, path_bytes);
	if (ok && o->is_long && n->type == NODE_SYMLINK) {
		buf_add(&o->text, " -> ", 4);
		ok = add_escaped(&o->text, n->target, n->target_bytes);
	}
	buf_add_u8(&o->text, '\0');
	if (!ok || o->text.failed)
		return err_nomem(err);
	out_line(o->inv->out, "%s%s", columns, (const char *)o->text.data);
	return ERR_NONE;
}

static void print_json(struct listing_out *o, const uint8_t *path, size_t path_bytes,
		       const struct node *n)
{
	char mode[11], time[UNIT_TEXT_BYTES];
	json_t *j = out_object("node");

	mode_text(n, mode);
	time_iso_text(seconds_of(n->mtime_ns), time);
	json_path_set(j, "path", path, path_bytes);
	json_object_set_new(j, "type", json_string(types[n->type].word));
	json_object_set_new(j, "mode", json_integer(n->mode));
	json_object_set_new(j, "permissions", json_string(mode));
	json_object_set_new(j, "uid", json_integer(n->uid));
	json_object_set_new(j, "gid", json_integer(n->gid));
	if (n->type == NODE_FILE)
		json_object_set_new(j, "size", json_integer((json_int_t)n->size_bytes));
	json_object_set_new(j, "mtime", json_string(time));
	json_object_set_new(j, "mtime_ns", json_integer(n->mtime_ns));
	json_object_set_new(j, "inode", json_integer((json_int_t)n->inode));
	json_object_set_new(j, "links", json_integer((json_int_t)n->links));
	if (n->type == NODE_SYMLINK)
		json_path_set(j, "target", n->target, n->target_bytes);
	if (n->type == NODE_CHAR_DEVICE || n->type == NODE_BLOCK_DEVICE) {
		json_object_set_new(j, "major", json_integer(major(n->rdev)));
		json_object_set_new(j, "minor", json_integer(minor(n->rdev)));
	}
	out_json(o->inv->out, j);
}

static int print_node(struct listing_out *o, const uint8_t *path, size_t path_bytes,
		      const struct node *n, struct error *err)
{
	if (!o->inv->globals.json)
		return print_line(o, path, path_bytes, n, err);
	print_json(o, path, path_bytes, n);
	return ERR_NONE;
}

static int list_folder(struct listing_out *o, struct array *a, const struct selection *what,
		       struct error *err)
{
	struct tour *tour;
	const uint8_t *path;
	size_t path_bytes;
	struct node n;
	int code = tour_begin(a->table, &what->snapshot, what->path, strlen(what->path),
			      option_given(o->inv, "recursive"), &tour, err);

	if (code != ERR_NONE)
		return code;
	while (code == ERR_NONE && !out_reader_gone(o->inv->out)) {
		if (!tour_next(tour, &path, &path_bytes, &n, err)) {
			code = (int)err->code;
			break;
		}
		code = print_node(o, path, path_bytes, &n, err);
	}
	tour_end(tour);
	return code;
}

int cmd_ls(struct invocation *inv, struct error *err)
{
	struct listing_out o = { .inv = inv, .is_long = option_given(inv, "long") };
	struct selecting s = { .tags = NULL };
	struct selection what = { .path = NULL };
	struct opened opened;
	struct array *a;
	int code = open_array(inv, OPEN_READ, &opened, &a, err);

	if (code == ERR_NONE)
		code = selecting_init(inv, &s, err);
	if (code == ERR_NONE)
		code = select_target(a->table, &s.filter, inv->args[0], &what, err);
	if (code == ERR_NONE && what.path[0] && what.node.type != NODE_FOLDER)
		code = print_node(&o, (const uint8_t *)what.path, strlen(what.path), &what.node,
				  err);
	else if (code == ERR_NONE)
		code = list_folder(&o, a, &what, err);
	selection_release(&what);
	selecting_release(&s);
	buf_release(&o.text);
	array_close(a);
	opened_release(&opened);
	return code;
}
