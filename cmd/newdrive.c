#include "cmd/newdrive.h"

#include "archive/roots.h"
#include "base/drive_option.h"
#include "base/units.h"
#include "net/url.h"

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

/* -o [NAME.]KEY=VALUE; the table of options checked it. Keys have no dots. */
struct pair {
	const char *name; /* NULL: of every drive that takes it */
	size_t name_bytes;
	const char *key;
	size_t key_bytes;
	const char *value;
};

static struct pair pair_of(const char *text)
{
	const char *equals = strchr(text, '=');
	const char *dot = memrchr(text, '.', (size_t)(equals - text));
	struct pair p = { .key = dot ? dot + 1 : text, .value = equals + 1 };

	p.key_bytes = (size_t)(equals - p.key);
	if (dot) {
		p.name = text;
		p.name_bytes = (size_t)(dot - text);
	}
	return p;
}

static bool is_named(const struct pair *p, const char *name)
{
	return p->name && strlen(name) == p->name_bytes && memcmp(name, p->name, p->name_bytes) == 0;
}

/* For whom it is given by name, whether its kind has it or not: that is refused when it is opened. */
static int pair_applies(const struct pair *p, const char *name, const struct mrmr_driver *driver,
			bool *applies, struct error *err)
{
	char *key;

	*applies = is_named(p, name);
	if (p->name)
		return ERR_NONE;
	key = strndup(p->key, p->key_bytes);
	if (!key)
		return err_nomem(err);
	*applies = drive_option_taken(key, driver->options);
	free(key);
	return ERR_NONE;
}

/* An empty value takes one away that was given before it. */
static int option_keep(json_t *o, const struct pair *p, struct error *err)
{
	char *key = strndup(p->key, p->key_bytes), *value = NULL;
	int code = key ? option_value_absolute(key, p->value, &value, err) : err_nomem(err);

	if (code == ERR_NONE && value[0] == '\0')
		json_object_del(o, key);
	else if (code == ERR_NONE && json_object_set_new(o, key, json_string(value)))
		code = err_set(err, ERR_USAGE, "option %s: not valid UTF-8", key);
	free(key);
	free(value);
	return code;
}

/* What of -o is for the drive of this name, as the JSON object that the config keeps. */
static int parse_options(const struct invocation *inv, const char *name,
			 const struct mrmr_driver *driver, char **json, struct error *err)
{
	json_t *o = json_object();
	const char *text;
	int code = ERR_NONE;

	for (size_t i = 0; o && code == ERR_NONE && (text = option_nth(inv, "option", i)); i++) {
		struct pair p = pair_of(text);
		bool applies;

		code = pair_applies(&p, name, driver, &applies, err);
		if (code == ERR_NONE && applies)
			code = option_keep(o, &p, err);
	}
	if (code != ERR_NONE) {
		json_decref(o);
		return code;
	}
	*json = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(o);
	return *json ? ERR_NONE : err_nomem(err);
}

int options_used_check(const struct invocation *inv, const struct new_drive *drives, size_t count,
		       struct error *err)
{
	const char *text;

	for (size_t i = 0; (text = option_nth(inv, "option", i)); i++) {
		struct pair p = pair_of(text);
		bool applies = false;
		int code = ERR_NONE;

		for (size_t n = 0; n < count && !applies && code == ERR_NONE; n++) {
			const struct mrmr_driver *driver;

			code = driver_for_url(drives[n].url, &driver, err);
			if (code == ERR_NONE)
				code = pair_applies(&p, drives[n].record.name, driver, &applies, err);
		}
		if (code == ERR_NONE && !applies && p.name)
			code = err_set(err, ERR_USAGE, "-o %.*s: no drive of that name is given",
				       (int)(p.key + p.key_bytes - text), text);
		else if (code == ERR_NONE && !applies)
			code = err_set(err, ERR_USAGE, "-o %.*s: a drive of this kind has no such property",
				       (int)p.key_bytes, p.key);
		if (code != ERR_NONE)
			return code;
	}
	return ERR_NONE;
}

/* A path without scheme is stored as an absolute one: the next command may run elsewhere. */
static int absolute_url(const char *url, const struct mrmr_driver *driver, char **out,
			struct error *err)
{
	const char *path = strncmp(url, "file:", 5) == 0 ? url + 5 : url;
	struct url parsed;

	if (strcmp(driver->kind, "file") == 0)
		return path_absolute(NULL, path, out, err);
	if (strstr(url, "://")) {
		/* Before it is kept or shown anywhere: passwords are refused. */
		if (url_parse(url, &parsed, err) != ERR_NONE)
			return (int)err->code;
		url_release(&parsed);
	}
	*out = strdup(url);
	return *out ? ERR_NONE : err_nomem(err);
}

/* The options wait for the name. */
static int url_take(const char *given_url, const struct mrmr_driver **driver, char **url,
		    struct error *err)
{
	int code = driver_for_url(given_url, driver, err);

	return code == ERR_NONE ? absolute_url(given_url, *driver, url, err) : code;
}

int place_parse(const struct invocation *inv, const char *given_url, char **url,
		char **options_json, struct error *err)
{
	const struct mrmr_driver *driver;
	int code = url_take(given_url, &driver, url, err);

	if (code != ERR_NONE)
		return code;
	code = parse_options(inv, "", driver, options_json, err);
	if (code != ERR_NONE)
		free(*url);
	return code;
}

int new_drive_parse(const struct invocation *inv, const char *arg, name_taken_fn *taken, void *ctx,
		    struct new_drive *d, struct error *err)
{
	char name[DRIVE_NAME_BYTES], *url = NULL, *options = NULL;
	const struct mrmr_driver *driver;
	const char *given_url;
	int code;

	memset(d, 0, sizeof(*d));
	drive_name_split(arg, name, &given_url);
	code = url_take(given_url, &driver, &url, err);
	if (code != ERR_NONE)
		return code;
	if (name[0] && taken(ctx, name, url))
		code = err_set(err, ERR_USAGE, "two drives named %s", name);
	for (unsigned attempt = 0; !name[0] || (code == ERR_NONE && taken(ctx, name, url)); attempt++)
		drive_name_derive(url, attempt, name);
	if (code == ERR_NONE)
		code = parse_options(inv, name, driver, &options, err);
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
