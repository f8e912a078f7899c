#include "base/units.h"
#include "cmd/columns.h"
#include "cmd/commands.h"
#include "cmd/open.h"
#include "cmd/out.h"
#include "cmd/select.h"
#include "cmd/standing.h"

#include <stdlib.h>
#include <string.h>

#define SHORT_ID_BYTES 4 /* 8 digits, unless two ids begin alike */
#define NS_PER_S 1000000000

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, ID_BYTES);
}

/* How many bytes of an id tell every snapshot of the array from the others. */
static int short_id_bytes(struct table *t, unsigned *bytes, struct error *err)
{
	static const struct select_filter any = { .host = NULL };
	struct snapshot_list all;
	struct id *ids = NULL;
	int code = select_list(t, &any, &all, err);

	*bytes = SHORT_ID_BYTES;
	if (code != ERR_NONE)
		return code;
	ids = calloc(all.count + 1, sizeof(*ids));
	if (!ids)
		code = err_nomem(err);
	for (size_t i = 0; i < all.count && ids; i++)
		ids[i] = all.items[i].id;
	if (ids)
		qsort(ids, all.count, sizeof(*ids), compare_ids);
	for (size_t i = 1; i < all.count && ids; i++) {
		while (*bytes < ID_BYTES && memcmp(&ids[i - 1], &ids[i], *bytes) == 0)
			(*bytes)++;
	}
	free(ids);
	snapshot_list_release(&all);
	return code;
}

/* "/home/me /etc", or the name of the series. */
static int describe_series(const struct table_snapshot *s, struct buf *out, struct error *err)
{
	buf_clear(out);
	buf_add(out, s->series_name, strlen(s->series_name));
	for (size_t at = 0; at < s->paths_bytes && !s->series_name[0];) {
		const char *path = (const char *)s->paths + at;

		if (at > 0)
			buf_add_u8(out, ' ');
		buf_add(out, path, strlen(path));
		at += strlen(path) + 1;
	}
	buf_add_u8(out, '\0');
	return out->failed ? err_nomem(err) : ERR_NONE;
}

static int add_line(struct columns *c, const struct table_snapshot *s, unsigned id_bytes,
		    struct buf *scratch, struct error *err)
{
	char id[ID_HEX_BYTES], time[UNIT_TEXT_BYTES], size[UNIT_TEXT_BYTES];
	char files[COUNT_TEXT_BYTES];
	int code = describe_series(s, scratch, err);

	if (code != ERR_NONE)
		return code;
	hex_encode(s->id.b, id_bytes, id);
	time_text(s->time_ns / NS_PER_S, time);
	count_text(s->files, "file", files);
	size_text(s->bytes, size);
	columns_add(c, (const char *[]){ id, time, s->host, files, size, s->tags,
					 (const char *)scratch->data });
	return ERR_NONE;
}

/* Lists "paths", and "paths_b64" with null for those that are UTF-8, if some are not. */
static void set_paths(json_t *o, const struct table_snapshot *s)
{
	json_t *paths = json_array(), *exact = json_array();
	bool odd = false;

	for (size_t at = 0; at < s->paths_bytes;) {
		const char *path = (const char *)s->paths + at;
		json_t *one = json_object(), *b64;

		json_path_set(one, "path", path, strlen(path));
		json_array_append(paths, json_object_get(one, "path"));
		b64 = json_object_get(one, "path_b64");
		odd |= b64 != NULL;
		json_array_append(exact, b64 ? b64 : json_null());
		json_decref(one);
		at += strlen(path) + 1;
	}
	json_object_set_new(o, "paths", paths);
	if (odd)
		json_object_set(o, "paths_b64", exact);
	json_decref(exact);
}

static json_t *tags_of(const struct table_snapshot *s)
{
	json_t *tags = json_array();

	for (const char *at = s->tags; *at; at += strcspn(at, ",")) {
		at += *at == ',';
		json_array_append_new(tags, json_stringn(at, strcspn(at, ",")));
	}
	return tags;
}

static void print_json(struct invocation *inv, const struct table_snapshot *s, unsigned id_bytes)
{
	char id[ID_HEX_BYTES], series[ID_HEX_BYTES], time[UNIT_TEXT_BYTES];
	json_t *o = out_object("snapshot");

	hex_encode(s->id.b, ID_BYTES, id);
	hex_encode(s->series.b, ID_BYTES, series);
	time_iso_text(s->time_ns / NS_PER_S, time);
	json_object_set_new(o, "id", json_string(id));
	json_object_set_new(o, "short_id", json_stringn(id, 2 * id_bytes));
	json_object_set_new(o, "time", json_string(time));
	json_object_set_new(o, "time_ns", json_integer(s->time_ns));
	json_path_set(o, "host", s->host, strlen(s->host));
	json_path_set(o, "series", s->series_name, strlen(s->series_name));
	json_object_set_new(o, "series_id", json_string(series));
	set_paths(o, s);
	json_object_set_new(o, "tags", tags_of(s));
	json_object_set_new(o, "files", json_integer((json_int_t)s->files));
	json_object_set_new(o, "bytes", json_integer((json_int_t)s->bytes));
	json_object_set_new(o, "bytes_added", json_integer((json_int_t)s->added_bytes));
	out_json(inv->out, o);
}

static int print_list(struct invocation *inv, const struct snapshot_list *list, unsigned id_bytes,
		      struct error *err)
{
	struct columns c = { .count = 7, .right = 1 << 3 | 1 << 4 };
	struct buf scratch = { 0 };
	int code = ERR_NONE;

	for (size_t i = 0; i < list->count && code == ERR_NONE; i++) {
		if (inv->globals.json)
			print_json(inv, &list->items[i], id_bytes);
		else
			code = add_line(&c, &list->items[i], id_bytes, &scratch, err);
	}
	buf_release(&scratch);
	if (code == ERR_NONE)
		return columns_print(&c, inv->out, 0, err);
	columns_release(&c);
	return code;
}

int cmd_snapshots(struct invocation *inv, struct error *err)
{
	struct snapshot_list list = { .count = 0 };
	struct selecting s = { .tags = NULL };
	struct opened opened;
	struct array *a;
	unsigned id_bytes;
	int code = open_array(inv, OPEN_READ, &opened, &a, err);

	if (code == ERR_NONE)
		code = selecting_init(inv, &s, err);
	if (code == ERR_NONE)
		code = select_list(a->table, &s.filter, &list, err);
	if (code == ERR_NONE)
		code = short_id_bytes(a->table, &id_bytes, err);
	if (code == ERR_NONE)
		code = print_list(inv, &list, id_bytes, err);
	snapshot_list_release(&list);
	selecting_release(&s);
	array_close(a);
	opened_release(&opened);
	return code;
}
