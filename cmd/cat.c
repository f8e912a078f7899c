#include "archive/content.h"
#include "base/stop.h"
#include "cmd/commands.h"
#include "cmd/open.h"
#include "cmd/out.h"
#include "cmd/select.h"

#include <inttypes.h>
#include <string.h>

#define CACHE_BYTES ((size_t)16 << 20)

/* {"message_type":"data"} and {"message_type":"hole"}, in order and without gaps. */
static int print_piece(struct out *o, uint64_t offset_bytes, const uint8_t *bytes,
		       uint64_t len_bytes, struct error *err)
{
	json_t *object = out_object(bytes ? "data" : "hole");

	json_object_set_new(object, "offset", json_integer((json_int_t)offset_bytes));
	json_object_set_new(object, "length", json_integer((json_int_t)len_bytes));
	if (bytes)
		json_b64_set(object, "bytes", bytes, (size_t)len_bytes);
	out_json(o, object);
	if (out_reader_gone(o))
		return err_set(err, ERR_INTERRUPTED, "the reader of the output went away");
	return ERR_NONE;
}

static int print_data(void *ctx, uint64_t offset_bytes, const uint8_t *bytes, size_t len_bytes,
		      struct error *err)
{
	struct invocation *inv = ctx;
	int code = stop_check(err);

	if (code != ERR_NONE)
		return code;
	if (inv->globals.json)
		return print_piece(inv->out, offset_bytes, bytes, len_bytes, err);
	return out_bytes(inv->out, bytes, len_bytes, err);
}

static int print_hole(void *ctx, uint64_t offset_bytes, uint64_t len_bytes, struct error *err)
{
	static const uint8_t zeros[65536];
	struct invocation *inv = ctx;
	int code = ERR_NONE;

	if (inv->globals.json)
		return print_piece(inv->out, offset_bytes, NULL, len_bytes, err);
	while (len_bytes > 0 && code == ERR_NONE) {
		size_t step = len_bytes < sizeof(zeros) ? (size_t)len_bytes : sizeof(zeros);

		code = print_data(ctx, offset_bytes, zeros, step, err);
		len_bytes -= step;
	}
	return code;
}

static void print_summary(struct out *o, const struct selection *what)
{
	json_t *object = out_object("summary");

	json_path_set(object, "path", what->path, strlen(what->path));
	json_object_set_new(object, "bytes", json_integer((json_int_t)what->node.size_bytes));
	out_json(o, object);
}

/* What follows a gap would be taken for what belongs there: nothing follows. */
static int end_here(void *ctx, uint64_t offset_bytes, uint64_t len_bytes, const char *why,
		    struct error *err)
{
	struct invocation *inv = ctx;

	invocation_advise(inv, "`mrmr get --partial` restores what is readable, `mrmr status` tells "
			       "which drives are missing.");
	return err_set(err, ERR_LOST, "bytes %" PRIu64 " to %" PRIu64 " cannot be read: %s",
		       offset_bytes, offset_bytes + len_bytes - 1, why);
}

static int print_file(struct invocation *inv, struct array *a, const struct selection *what,
		      struct error *err)
{
	struct content_sink sink = { print_data, print_hole, end_here, inv };
	struct node node = what->node;
	struct content_file file = { .snapshot = &what->snapshot,
				     .path = (const uint8_t *)what->path,
				     .path_bytes = strlen(what->path),
				     .node = &node };
	struct buf pieces = { 0 };
	struct fetcher *f = NULL;
	int code = ERR_NONE;

	/* The table's own copy lives until it is asked for something else. */
	buf_add(&pieces, node.content, node.content_bytes);
	node.content = pieces.data;
	if (pieces.failed)
		code = err_nomem(err);
	if (code == ERR_NONE)
		code = fetcher_new(a, CACHE_BYTES, &f, err);
	if (code == ERR_NONE)
		code = content_each(a, f, &file, &sink, err);
	fetcher_free(f);
	buf_release(&pieces);
	return code;
}

int cmd_cat(struct invocation *inv, struct error *err)
{
	struct selecting s = { .tags = NULL };
	struct selection what = { .path = NULL };
	struct opened opened;
	struct array *a;
	char escaped[512];
	int code = open_array(inv, OPEN_READ, &opened, &a, err);

	if (code == ERR_NONE)
		code = selecting_init(inv, &s, err);
	if (code == ERR_NONE)
		code = select_file(a->table, &s.filter, inv->args[0], &what, err);
	if (code == ERR_NONE) {
		code = print_file(inv, a, &what, err);
		out_escape(what.path, escaped, sizeof(escaped));
		if (code != ERR_NONE)
			err_wrap(err, "%s", escaped);
		else
			print_summary(inv->out, &what);
	}
	selection_release(&what);
	selecting_release(&s);
	array_close(a);
	opened_release(&opened);
	return code;
}
