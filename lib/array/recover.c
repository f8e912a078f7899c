#include "array/recover.h"

#include "base/drive_option.h"
#include "base/file.h"
#include "base/units.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whose drive lies at the place. */
static int read_place(const struct array_options *o, const struct recovery_place *place,
		      struct marker *marker, struct error *err)
{
	struct config_drive entry = { .name = "",
				      .url = place->url,
				      .options_json = place->options_json };
	struct drive_options options = { .temp_tag = "recover" };
	uint8_t bytes[MARKER_BYTES_MAX];
	struct object_stat st;
	struct drive *d;
	int code = o->open_drive(o->open_drive_ctx, &entry, &options, &d, err);

	if (code != ERR_NONE)
		return err_wrap(err, "%s", place->url);
	code = d->driver->stat(d, MARKER_NAME, &st, err);
	if (code == ERR_NOT_FOUND)
		code = err_set(err, ERR_NOT_FOUND, "there is no drive (no marker)");
	if (code == ERR_NONE && st.len_bytes > sizeof(bytes))
		code = err_set(err, ERR_CORRUPT, "its marker is too long");
	if (code == ERR_NONE)
		code = d->driver->get(d, MARKER_NAME, 0, bytes, (size_t)st.len_bytes, err);
	if (code == ERR_NONE)
		code = marker_parse(bytes, (size_t)st.len_bytes, marker, err);
	d->driver->close(d);
	return code == ERR_NONE ? code : err_wrap(err, "%s", place->url);
}

/* The last part of the place, made unique. */
static void choose_name(struct config *c, const char *url, char name[DRIVE_NAME_BYTES])
{
	unsigned attempt = 0;

	do
		drive_name_derive(url, attempt++, name);
	while (config_find(c, name));
}

static int collect_places(const struct array_options *o, const struct recovery_place *places,
			  unsigned count, struct config *c, struct error *err)
{
	int code = ERR_NONE;

	for (unsigned i = 0; i < count && code == ERR_NONE; i++) {
		char name[DRIVE_NAME_BYTES];
		struct marker m;

		code = read_place(o, &places[i], &m, err);
		if (code != ERR_NONE)
			break;
		if (i == 0)
			c->array_id = m.array_id;
		if (!id_equal(&c->array_id, &m.array_id))
			return err_set(err, ERR_UNSAFE, "%s and %s belong to different arrays",
				       places[0].url, places[i].url);
		/* The true names are in the journals, which are not open yet (or are gone). */
		choose_name(c, places[i].url, name);
		code = config_add(c, name, &m.drive_id, places[i].url, places[i].options_json, err);
	}
	return code;
}

/* A drive given that is no member any more: named, and left out of the config. */
static void refuse_gone(struct array *a, const struct id *id)
{
	const struct array_drive *d = array_drive_by_id(a, id);

	if (d && d->presence == DRIVE_REFUSED)
		array_tell(a, TELL_WARNING, "drive %s is left out: %s", d->name, d->why);
	config_remove(&a->config, id);
}

/* A journal may say of any file, variable or program that it is a secret, and of any server that it is to
 * have it: references are followed only when this host's user names them, or the place. */
static void tell_references(const struct array *a, const char *name, const struct buf *keys)
{
	if (keys->len_bytes > 0)
		array_tell(a, TELL_WARNING, "drive %s: where its secrets are (%.*s) is not taken from "
					    "the journals: `mrmr set %s.KEY=REF` says it", name,
			   (int)keys->len_bytes, (const char *)keys->data, name);
}

/* The options that the journals know of a place, what was found out about it too; those given come
 * first. */
static int known_options(const struct array *a, const struct table_drive *row, const char *given_json,
			 enum reference_kinds untrusted, char **out, struct error *err)
{
	json_t *given = json_loads(given_json, JSON_REJECT_DUPLICATES, NULL);
	json_t *options = json_loads(row->options_json, JSON_REJECT_DUPLICATES, NULL);
	struct buf keys = { 0 };
	const char *key;
	json_t *value;

	*out = NULL;
	if (!json_is_object(options)) {
		json_decref(options);
		options = json_object();
	}
	json_object_foreach(given, key, value)
		json_object_del(options, key);
	if (options && given) {
		drive_references_take_out(options, untrusted, &keys);
		if (json_object_update(options, given) == 0)
			*out = json_dumps(options, JSON_COMPACT | JSON_SORT_KEYS);
	}
	json_decref(options);
	json_decref(given);
	if (*out && !keys.failed)
		tell_references(a, row->record.name, &keys);
	buf_release(&keys);
	return *out ? ERR_NONE : err_set(err, ERR_CORRUPT, "options of drive %s", row->record.name);
}

/* A drive that was given: its place is one that this host's user trusts. */
static int complete_options(const struct array *a, struct config_drive *d,
			    const struct table_drive *row, struct error *err)
{
	char *json;
	int code;

	if (strcmp(d->url, row->url) != 0 || !row->options_json[0])
		return ERR_NONE;
	code = known_options(a, row, d->options_json, REFERENCES_TO_PROGRAMS, &json, err);
	if (code != ERR_NONE)
		return code;
	free(d->options_json);
	d->options_json = json;
	return ERR_NONE;
}

/* A drive that was not given. */
static int add_known(struct array *a, const struct table_drive *row, struct error *err)
{
	char *json;
	int code;

	if (drive_runs_program(row->url)) {
		array_tell(a, TELL_WARNING, "drive %s is left out: to reach it a program is run, which is "
					    "done only if its URL and options are given: %s",
			   row->record.name, row->url);
		return ERR_NONE;
	}
	code = known_options(a, row, "{}", REFERENCES_ALL, &json, err);
	if (code == ERR_NONE)
		code = config_add(&a->config, row->record.name, &row->record.id, row->url, json, err);
	free(json);
	return code;
}

/* The config as it should be: the names of the journals, and the drives that were not given. */
static int complete_config(struct array *a, struct error *err)
{
	struct table_drive *rows = NULL;
	size_t count = 0;
	int code = table_drives(a->table, &rows, &count, err);

	for (size_t i = 0; i < count && code == ERR_NONE; i++) {
		const struct table_drive *row = &rows[i];
		bool known = false;

		if (row->record.state == DRIVE_LOST || row->record.state == DRIVE_REMOVED) {
			refuse_gone(a, &row->record.id);
			continue;
		}
		for (size_t n = 0; n < a->config.count; n++) {
			struct config_drive *d = &a->config.drives[n];

			if (!id_equal(&d->id, &row->record.id))
				continue;
			known = true;
			memcpy(d->name, row->record.name, sizeof(d->name));
			code = complete_options(a, d, row, err);
		}
		if (!known && row->url[0] && code == ERR_NONE)
			code = add_known(a, row, err);
	}
	table_drives_free(rows, count);
	return code;
}

int array_recover(const struct array_options *o, const struct recovery_place *places,
		  unsigned count, bool store, struct array **out, struct error *err)
{
	struct array_options options = *o;
	struct config c = { .count = 0 };
	char *temp = NULL;
	int code;

	*out = NULL;
	if (file_exists(o->config_path))
		return err_set(err, ERR_EXISTS, "%s exists already", o->config_path);
	file_sweep(o->state_root, "recover.");
	if (asprintf(&temp, "%s/recover.%ld.tmp", o->state_root, (long)getpid()) < 0)
		return err_nomem(err);
	options.config_path = temp;
	code = collect_places(o, places, count, &c, err);
	if (code == ERR_NONE)
		code = config_make_folder(temp, err);
	if (code == ERR_NONE)
		code = config_store(temp, &c, err);
	if (code == ERR_NONE)
		code = array_open(&options, out, err);
	unlink(temp);
	if (code == ERR_NONE)
		code = complete_config(*out, err);
	if (code == ERR_NONE) {
		(*out)->options.config_path = o->config_path;
		if (store)
			code = array_store_config(*out, err);
	}
	if (code != ERR_NONE) {
		array_close(*out);
		*out = NULL;
	}
	config_release(&c);
	free(temp);
	return code;
}
