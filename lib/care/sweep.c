#include "care/sweep.h"

#include "array/health.h"
#include "array/object.h"
#include "base/file.h"
#include "base/json.h"
#include "care/idlist.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEEN_BYTES_MAX ((size_t)256 << 20)
#define SEEN_FILE "orphans.json"

/* ---- what was seen before ---- */

/* "drive id hex/name" -> UNIX time of the first sight. */
static int load_seen(struct array *a, json_t **seen, struct error *err)
{
	char *path = array_state_file(a, SEEN_FILE);
	struct buf text = { 0 };
	int code = path ? file_load(path, SEEN_BYTES_MAX, &text, err) : err_nomem(err);

	if (code == ERR_NONE)
		code = json_parse_object(text.data, text.len_bytes, SEEN_FILE, seen, err);
	/* Without it everything is seen for the first time: slower, never wrong. */
	if (code != ERR_NONE && code != ERR_NOMEM) {
		*seen = json_object();
		code = *seen ? ERR_NONE : err_nomem(err);
	}
	buf_release(&text);
	free(path);
	return code;
}

static int store_seen(struct array *a, const json_t *seen, struct error *err)
{
	char *path = array_state_file(a, SEEN_FILE);
	struct buf text = { 0 };
	int code = path ? json_print(seen, &text, err) : err_nomem(err);

	if (code == ERR_NONE)
		code = file_store(path, text.data, text.len_bytes, err);
	buf_release(&text);
	free(path);
	return code;
}

static void seen_key(const struct stray *s, char key[ID_HEX_BYTES + 1 + OBJECT_NAME_MAX])
{
	hex_encode(s->drive->id.b, ID_BYTES, key);
	key[ID_HEX_BYTES - 1] = '/';
	memcpy(key + ID_HEX_BYTES, s->name, strlen(s->name) + 1);
}

/* ---- intents ---- */

struct intents {
	struct id_list own, others;
	struct array *a;
};

static int sort_intent(void *ctx, const struct id *put_id, struct error *err)
{
	struct intents *i = ctx;
	struct hash writer;
	int code = table_intent_writer(i->a->table, put_id, &writer, err);

	if (code != ERR_NONE)
		return code;
	return id_list_add(hash_equal(&writer, &i->a->writer_id) ? &i->own : &i->others, put_id,
			   err);
}

/* Whether some put may still be about to name what it stored. Own intents that nobody works on any
 * more are closed. */
static int check_intents(struct array *a, bool *open_somewhere, struct buf *records,
			 struct error *err)
{
	struct intents i = { .a = a };
	struct error why;
	int lock = -1;
	int code = table_open_intents(a->table, sort_intent, &i, err);

	*open_somewhere = i.others.count > 0;
	if (code == ERR_NONE && i.own.count > 0) {
		if (array_putting_lock(a, true, &lock, &why) != ERR_NONE)
			*open_somewhere = true;
		else
			for (size_t n = 0; n < i.own.count; n++)
				record_intent_end(records, &i.own.ids[n]);
	}
	array_unlock_state(lock);
	id_list_release(&i.own);
	id_list_release(&i.others);
	return code;
}

/* ---- the sweep ---- */

/* Of what the journals place elsewhere (a move that was cut off, or that another host's won against,
 * left it here) nothing is lost if it is whole there. */
static bool is_needed(struct array *a, const struct stray *s)
{
	const struct array_drive *d;
	struct table_object there;
	struct hash sha256;
	struct error why;
	struct id id;

	if (!object_name_hash(s->name, &sha256) || table_places(a->table, &s->drive->id, s->name))
		return true;
	if (!table_knows_object(a->table, &sha256))
		return false;
	if (table_find_object(a->table, &sha256, &id, &there, &why) != ERR_NONE)
		return true;
	d = array_drive_by_id(a, &id);
	return !d || !health_at_hand(a, (unsigned)(d - a->drives)) ||
	       object_verify(d->handle, there.name, there.len_bytes, &why) != ERR_NONE;
}

static int delete_stray(const struct stray *s, struct scrub_result *r, struct error *err)
{
	struct drive *h = s->drive->handle;
	int code = h->driver->remove(h, s->name, err);

	if (code == ERR_NONE)
		code = h->driver->sync(h, err);
	if (code == ERR_NONE)
		r->swept++;
	return code;
}

int sweep_orphans(struct array *a, const struct stray_list *strays, int64_t grace_s,
		  struct scrub_result *r, struct buf *records, struct error *err)
{
	json_t *seen = NULL, *still = json_object();
	int64_t now = time(NULL);
	bool open_somewhere;
	int code = still ? load_seen(a, &seen, err) : err_nomem(err);

	/* What other hosts have come to name since it was listed. */
	if (code == ERR_NONE && strays->count > 0)
		code = array_learn(a, err);
	if (code == ERR_NONE)
		code = check_intents(a, &open_somewhere, records, err);
	for (size_t i = 0; i < strays->count && code == ERR_NONE; i++) {
		const struct stray *s = &strays->items[i];
		char key[ID_HEX_BYTES + 1 + OBJECT_NAME_MAX];
		json_int_t first = now;
		const json_t *before;

		if (is_needed(a, s))
			continue;
		seen_key(s, key);
		before = json_object_get(seen, key);
		if (json_is_integer(before) && json_integer_value(before) <= now)
			first = json_integer_value(before);
		r->orphans++;
		r->orphan_bytes += s->len_bytes;
		if (!open_somewhere && (before || grace_s == 0) && now - first >= grace_s)
			code = delete_stray(s, r, err);
		else if (json_object_set_new(still, key, json_integer(first)))
			code = err_nomem(err);
	}
	if (code == ERR_NONE && (json_object_size(still) > 0 || json_object_size(seen) > 0))
		code = store_seen(a, still, err);
	json_decref(seen);
	json_decref(still);
	return code;
}
