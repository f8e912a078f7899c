#include "array/seen.h"

#include "array/standing.h"
#include "base/file.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define SEEN_NAME "drives.json"
#define SEEN_BYTES_MAX ((size_t)1 << 20)

/* { "<drive id>": { "state": "absent", "since": 1700000000 } }; empty when there is no such file. */
static json_t *load(const char *path)
{
	struct buf bytes = { 0 };
	struct error ignored;
	json_t *seen = NULL;

	if (file_load(path, SEEN_BYTES_MAX, &bytes, &ignored) == ERR_NONE)
		json_parse_object(bytes.data, bytes.len_bytes, path, &seen, &ignored);
	buf_release(&bytes);
	return seen ? seen : json_object();
}

/* How the drive stood when it was last looked, and since when; 0: it stood otherwise. */
static int64_t since(const json_t *seen, const char *id, const char *state)
{
	const json_t *was = json_object_get(seen, id);
	const char *word = json_string_value(json_object_get(was, "state"));

	if (!word || strcmp(word, state) != 0)
		return 0;
	return json_integer_value(json_object_get(was, "since"));
}

static void store(const char *path, const json_t *now)
{
	struct buf text = { 0 };
	struct error ignored;

	if (json_print(now, &text, &ignored) == ERR_NONE)
		file_store(path, text.data, text.len_bytes, &ignored);
	buf_release(&text);
}

/* ---- returns ---- */

static const char *const return_words[] = { [RETURN_AWAY] = "away", [RETURN_LOOKING] = "looking" };

static enum drive_return return_of(const json_t *seen, const char *id, const struct array_drive *d)
{
	const json_t *was = json_object_get(seen, id);
	const char *word = json_string_value(json_object_get(was, "returned"));
	bool away = d->presence != DRIVE_PRESENT || (d->behind && d->record.journal);

	if (away && drive_counts(d))
		return RETURN_AWAY;
	for (enum drive_return r = RETURN_AWAY; word && r <= RETURN_LOOKING; r++) {
		if (strcmp(word, return_words[r]) == 0)
			return r;
	}
	return RETURN_NONE;
}

/* ---- the whole ---- */

/* Notes how d stands, given what was noted before. was may be what is added to. */
static void note(struct array_drive *d, const json_t *was, json_t *now, int64_t now_s)
{
	const char *state = standing_word(standing_at_sight(d));
	char hex[ID_HEX_BYTES];
	json_t *entry;

	hex_encode(d->id.b, ID_BYTES, hex);
	d->seen_s = since(was, hex, state);
	if (d->seen_s == 0)
		d->seen_s = now_s;
	entry = json_pack("{s:s, s:I}", "state", state, "since", (json_int_t)d->seen_s);
	if (d->returned != RETURN_NONE)
		json_object_set_new(entry, "returned", json_string(return_words[d->returned]));
	json_object_set_new(now, hex, entry);
}

/* All drives but those gone for good, or of an add that was cut off. Owned by the caller; NULL: no
 * memory. */
static json_t *survey(struct array *a, const json_t *was, int64_t now_s)
{
	json_t *now = json_object();

	for (unsigned i = 0; i < a->count && now; i++) {
		struct array_drive *d = &a->drives[i];
		char hex[ID_HEX_BYTES];

		if (!drive_counts(d) && d->record.state != DRIVE_JOINING)
			continue;
		hex_encode(d->id.b, ID_BYTES, hex);
		d->returned = return_of(was, hex, d);
		note(d, was, now, now_s);
	}
	return now;
}

/* Under the lock, since other commands of this host note things there, too. */
static void update_locked(struct array *a, const char *path, int64_t now_s)
{
	struct error ignored;
	json_t *was, *now;
	int lock = -1;

	if (array_lock(a, &lock, &ignored) != ERR_NONE)
		return;
	was = load(path);
	now = was ? survey(a, was, now_s) : NULL;
	if (now)
		store(path, now);
	json_decref(was);
	json_decref(now);
	array_unlock_state(lock);
}

void seen_update(struct array *a, int64_t now_s)
{
	char *path = array_state_file(a, SEEN_NAME);
	json_t *was = path ? load(path) : NULL, *now = was ? survey(a, was, now_s) : NULL;

	if (now && !json_equal(was, now))
		update_locked(a, path, now_s);
	json_decref(was);
	json_decref(now);
	free(path);
}

void seen_return(struct array *a, struct array_drive *d, enum drive_return returned, int64_t now_s)
{
	char *path = array_state_file(a, SEEN_NAME);
	struct error ignored;
	json_t *seen = NULL;
	int lock = -1;

	d->returned = returned;
	if (path && array_lock(a, &lock, &ignored) == ERR_NONE)
		seen = load(path);
	if (seen) {
		note(d, seen, seen, now_s);
		store(path, seen);
	}
	json_decref(seen);
	array_unlock_state(lock);
	free(path);
}
