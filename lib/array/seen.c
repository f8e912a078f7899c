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

void seen_update(struct array *a, int64_t now_s)
{
	char *path = array_state_file(a, SEEN_NAME);
	json_t *was = path ? load(path) : NULL, *now = json_object();

	for (unsigned i = 0; i < a->count && was && now; i++) {
		struct array_drive *d = &a->drives[i];
		const char *state = standing_word(standing_at_sight(d));
		char hex[ID_HEX_BYTES];

		/* Gone for good, or of an add that was cut off. */
		if (!drive_counts(d) && d->record.state != DRIVE_JOINING)
			continue;
		hex_encode(d->id.b, ID_BYTES, hex);
		d->seen_s = since(was, hex, state);
		if (d->seen_s == 0)
			d->seen_s = now_s;
		json_object_set_new(now, hex, json_pack("{s:s, s:I}", "state", state, "since",
							(json_int_t)d->seen_s));
	}
	if (was && now && !json_equal(was, now))
		store(path, now);
	json_decref(was);
	json_decref(now);
	free(path);
}
