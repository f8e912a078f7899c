#include "cmd/newdrive.h"

#include "archive/roots.h"
#include "base/drive_option.h"
#include "base/units.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int option_value_absolute(const char *key, const char *value, char **out, struct error *err)
{
	size_t path_at = drive_option_path_at(key, value);
	char *path = NULL;
	int code;

	*out = NULL;
	if (!value[path_at] || value[path_at] == '/') {
		*out = strdup(value);
		return *out ? ERR_NONE : err_nomem(err);
	}
	code = path_absolute(NULL, value + path_at, &path, err);
	if (code == ERR_NONE && asprintf(out, "%.*s%s", (int)path_at, value, path) < 0) {
		*out = NULL;
		code = err_nomem(err);
	}
	free(path);
	return code;
}

/* The table of options checked it. An empty value takes one away that was given before it. */
static int option_keep(json_t *o, const char *pair, struct error *err)
{
	const char *equals = strchr(pair, '=');
	char *key = strndup(pair, (size_t)(equals - pair)), *value = NULL;
	int code = key ? option_value_absolute(key, equals + 1, &value, err) : err_nomem(err);

	if (code == ERR_NONE && value[0] == '\0')
		json_object_del(o, key);
	else if (code == ERR_NONE && json_object_set_new(o, key, json_string(value)))
		code = err_set(err, ERR_USAGE, "option %s: not valid UTF-8", pair);
	free(key);
	free(value);
	return code;
}

/* -o K=V as the JSON object that the config keeps. */
static int parse_options(const struct invocation *inv, char **json, struct error *err)
{
	json_t *o = json_object();
	const char *pair;
	int code = ERR_NONE;

	for (size_t i = 0; o && code == ERR_NONE && (pair = option_nth(inv, "option", i)); i++)
		code = option_keep(o, pair, err);
	if (code != ERR_NONE) {
		json_decref(o);
		return code;
	}
	*json = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(o);
	return *json ? ERR_NONE : err_nomem(err);
}

/* A path without scheme is stored as an absolute one: the next command may run elsewhere. */
static int absolute_url(const char *url, char **out, struct error *err)
{
	const struct mrmr_driver *driver;
	const char *path = strncmp(url, "file:", 5) == 0 ? url + 5 : url;
	int code = driver_for_url(url, &driver, err);

	if (code != ERR_NONE)
		return code;
	if (strcmp(driver->kind, "file") == 0)
		return path_absolute(NULL, path, out, err);
	*out = strdup(url);
	return *out ? ERR_NONE : err_nomem(err);
}

int place_parse(const struct invocation *inv, const char *given_url, char **url,
		char **options_json, struct error *err)
{
	int code = absolute_url(given_url, url, err);

	if (code != ERR_NONE)
		return code;
	code = parse_options(inv, options_json, err);
	if (code != ERR_NONE)
		free(*url);
	return code;
}

int new_drive_parse(const struct invocation *inv, const char *arg, name_taken_fn *taken, void *ctx,
		    struct new_drive *d, struct error *err)
{
	char name[DRIVE_NAME_BYTES], *url = NULL, *options = NULL;
	const char *given_url;
	int code;

	memset(d, 0, sizeof(*d));
	drive_name_split(arg, name, &given_url);
	code = place_parse(inv, given_url, &url, &options, err);
	if (code != ERR_NONE)
		return code;
	if (name[0] && taken(ctx, name, url))
		code = err_set(err, ERR_USAGE, "two drives named %s", name);
	for (unsigned attempt = 0; !name[0] || (code == ERR_NONE && taken(ctx, name, url)); attempt++)
		drive_name_derive(url, attempt, name);
	memcpy(d->record.name, name, sizeof(name));
	d->url = url;
	d->options_json = options;
	d->make_root = option_given(inv, "mkdir");
	if (code != ERR_NONE)
		new_drive_release(d);
	return code;
}

void new_drive_release(struct new_drive *d)
{
	free((char *)(uintptr_t)d->url);
	free((char *)(uintptr_t)d->options_json);
	memset(d, 0, sizeof(*d));
}
