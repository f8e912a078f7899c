#include "array/config.h"

#include "base/file.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define CONFIG_FORMAT 1
#define MARKER_FORMAT 1
#define MARKER_CONTEXT "mrmr-marker-1"

void config_release(struct config *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->drives[i].url);
		free(c->drives[i].options_json);
	}
	free(c->drives);
	memset(c, 0, sizeof(*c));
}

int config_add(struct config *c, const char *name, const struct id *id, const char *url,
	       const char *options_json, struct error *err)
{
	struct config_drive *d;

	if (!drive_name_ok(name))
		return err_set(err, ERR_CORRUPT, "'%.100s' is no name for a drive", name);
	if (!grow(&c->drives, &c->cap, c->count + 1, sizeof(*c->drives)))
		return err_nomem(err);
	d = &c->drives[c->count];
	memset(d, 0, sizeof(*d));
	memcpy(d->name, name, strlen(name) + 1);
	d->id = *id;
	d->url = strdup(url);
	d->options_json = strdup(options_json ? options_json : "{}");
	if (!d->url || !d->options_json) {
		free(d->url);
		free(d->options_json);
		return err_nomem(err);
	}
	c->count++;
	return ERR_NONE;
}

bool config_says_yes(const char *options_json, const char *key)
{
	json_t *options = json_loads(options_json, 0, NULL);
	const char *value = json_string_value(json_object_get(options, key));
	bool yes = value && strcmp(value, "yes") == 0;

	json_decref(options);
	return yes;
}

struct config_drive *config_find(struct config *c, const char *name)
{
	for (size_t i = 0; i < c->count; i++) {
		if (strcmp(c->drives[i].name, name) == 0)
			return &c->drives[i];
	}
	return NULL;
}

void config_remove(struct config *c, const struct id *id)
{
	for (size_t i = 0; i < c->count; i++) {
		if (!id_equal(&c->drives[i].id, id))
			continue;
		free(c->drives[i].url);
		free(c->drives[i].options_json);
		memmove(&c->drives[i], &c->drives[i + 1],
			(c->count - i - 1) * sizeof(*c->drives));
		c->count--;
		return;
	}
}

static int parse_drive_entry(struct config *c, const json_t *entry, struct error *err)
{
	const char *name, *url;
	const json_t *options = json_object_get(entry, "options");
	char *options_json = NULL;
	struct id id;
	int code;

	if (!json_is_object(entry))
		return err_set(err, ERR_CORRUPT, "an entry of \"drives\" is no object");
	if ((code = json_need_string(entry, "name", &name, err)) != ERR_NONE ||
	    (code = json_need_string(entry, "url", &url, err)) != ERR_NONE ||
	    (code = json_need_hex(entry, "drive_id", id.b, ID_BYTES, err)) != ERR_NONE)
		return code;
	if (options && !json_is_object(options))
		return err_set(err, ERR_CORRUPT, "\"options\" of drive %s is no object", name);
	if (options) {
		options_json = json_dumps(options, JSON_COMPACT | JSON_SORT_KEYS);
		if (!options_json)
			return err_nomem(err);
	}
	code = config_add(c, name, &id, url, options_json, err);
	free(options_json);
	return code;
}

static int parse_root(const json_t *root, struct config *out, struct error *err)
{
	const json_t *drives = json_object_get(root, "drives"), *entry;
	uint64_t format;
	size_t i;
	int code;

	if ((code = json_need_u64(root, "format", &format, err)) != ERR_NONE)
		return code;
	if (format != CONFIG_FORMAT)
		return err_set(err, ERR_UNSUPPORTED, "config format %llu is unknown to this build",
			       (unsigned long long)format);
	if ((code = json_need_hex(root, "array_id", out->array_id.b, ID_BYTES, err)) != ERR_NONE)
		return code;
	if (!json_is_array(drives))
		return err_set(err, ERR_CORRUPT, "\"drives\" is missing or no list");
	json_array_foreach(drives, i, entry)
	{
		if ((code = parse_drive_entry(out, entry, err)) != ERR_NONE)
			return code;
	}
	return ERR_NONE;
}

int config_parse(const void *bytes, size_t len_bytes, const char *path, struct config *out,
		 struct error *err)
{
	json_t *root = NULL;
	int code = json_parse_object(bytes, len_bytes, path, &root, err);

	memset(out, 0, sizeof(*out));
	if (code != ERR_NONE)
		return code;
	code = parse_root(root, out, err);
	json_decref(root);
	if (code != ERR_NONE) {
		config_release(out);
		err_wrap(err, "%s", path);
	}
	return code;
}

int config_load(const char *path, struct config *out, struct error *err)
{
	struct buf text = { 0 };
	int code = file_load(path, CONFIG_BYTES_MAX, &text, err);

	memset(out, 0, sizeof(*out));
	if (code == ERR_NOT_FOUND)
		code = err_set(err, ERR_NO_ARRAY, "no array config at %s", path);
	if (code == ERR_NONE)
		code = config_parse(text.data, text.len_bytes, path, out, err);
	buf_release(&text);
	return code;
}

static json_t *drive_to_json(const struct config_drive *d)
{
	json_t *o = json_object();
	json_t *options = json_loads(d->options_json, JSON_REJECT_DUPLICATES, NULL);

	if (!o || json_object_set_new(o, "name", json_string(d->name)) ||
	    json_set_hex(o, "drive_id", d->id.b, ID_BYTES) ||
	    json_object_set_new(o, "url", json_string(d->url))) {
		json_decref(o);
		json_decref(options);
		return NULL;
	}
	if (options && json_object_size(options) > 0)
		json_object_set(o, "options", options);
	json_decref(options);
	return o;
}

int config_make_folder(const char *path, struct error *err)
{
	char *slash, *folder = strdup(path);
	int code = ERR_NONE;

	if (!folder)
		return err_nomem(err);
	slash = strrchr(folder, '/');
	if (slash && slash != folder) {
		*slash = '\0';
		code = folder_make(folder, err);
	}
	free(folder);
	return code;
}

int config_print(const struct config *c, struct buf *out, struct error *err)
{
	json_t *root = json_object(), *drives = json_array();
	int code = ERR_NONE;

	for (size_t i = 0; i < c->count && code == ERR_NONE; i++) {
		if (json_array_append_new(drives, drive_to_json(&c->drives[i])))
			code = err_set(err, ERR_USAGE, "url of drive %s is not valid UTF-8",
				       c->drives[i].name);
	}
	if (code == ERR_NONE && (!root || json_set_hex(root, "array_id", c->array_id.b, ID_BYTES) ||
				 json_object_set_new(root, "format", json_integer(CONFIG_FORMAT)) ||
				 json_object_set(root, "drives", drives)))
		code = err_nomem(err);
	if (code == ERR_NONE)
		code = json_print(root, out, err);
	json_decref(drives);
	json_decref(root);
	return code;
}

int config_store(const char *path, const struct config *c, struct error *err)
{
	struct buf text = { 0 };
	const char *name = strrchr(path, '/');
	char *folder = strndup(path, name ? (size_t)(name - path) : 0);
	int code = config_print(c, &text, err);

	if (folder)
		file_sweep(name ? folder : ".", name ? name + 1 : path);
	free(folder);
	if (code == ERR_NONE)
		code = file_store(path, text.data, text.len_bytes, err);
	buf_release(&text);
	return code;
}

static struct hash mac_of(const struct keys *k, const struct id *array_id,
			  const struct id *drive_id)
{
	uint8_t text[sizeof(MARKER_CONTEXT) - 1 + 2 * ID_BYTES];
	uint8_t *at = text;

	memcpy(at, MARKER_CONTEXT, sizeof(MARKER_CONTEXT) - 1);
	at += sizeof(MARKER_CONTEXT) - 1;
	memcpy(at, array_id->b, ID_BYTES);
	memcpy(at + ID_BYTES, drive_id->b, ID_BYTES);
	return marker_mac(k, text, sizeof(text));
}

int marker_make(const struct keys *k, const struct id *drive_id, struct buf *json,
		struct error *err)
{
	const struct id *array_id = keys_array_id(k);
	struct hash mac = mac_of(k, array_id, drive_id);
	json_t *o = json_object();
	int code;

	if (!o || json_object_set_new(o, "format", json_integer(MARKER_FORMAT)) ||
	    json_set_hex(o, "array_id", array_id->b, ID_BYTES) ||
	    json_set_hex(o, "drive_id", drive_id->b, ID_BYTES) ||
	    json_set_hex(o, "mac", mac.b, HASH_BYTES))
		code = err_nomem(err);
	else
		code = json_print(o, json, err);
	json_decref(o);
	return code;
}

static int marker_ids(const json_t *o, struct marker *out, struct error *err)
{
	int code = json_need_hex(o, "array_id", out->array_id.b, ID_BYTES, err);

	if (code == ERR_NONE)
		code = json_need_hex(o, "drive_id", out->drive_id.b, ID_BYTES, err);
	return code == ERR_NONE ? json_need_hex(o, "mac", out->mac.b, HASH_BYTES, err) : code;
}

int marker_parse(const void *bytes, size_t len_bytes, struct marker *out, struct error *err)
{
	json_t *o = NULL;
	struct error ignored;
	uint64_t format;
	int code = json_parse_object(bytes, len_bytes, MARKER_NAME, &o, err);

	if (code != ERR_NONE)
		return code;
	code = json_need_u64(o, "format", &format, err);
	/* The format first: what else a newer one has is no damage. But where its mac is that of this
	 * format, it is this format's, and damaged. */
	if (code == ERR_NONE && format != MARKER_FORMAT) {
		marker_ids(o, out, &ignored);
		code = err_set(err, ERR_UNSUPPORTED, "%s: format %llu is unknown to this build",
			       MARKER_NAME, (unsigned long long)format);
	} else if (code == ERR_NONE) {
		code = marker_ids(o, out, err);
	}
	json_decref(o);
	return code;
}

bool marker_genuine(const struct keys *k, const struct marker *m)
{
	struct hash mac = mac_of(k, &m->array_id, &m->drive_id);

	return hash_equal(&mac, &m->mac);
}
