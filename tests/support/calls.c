#include "tests/support/calls.h"

#include "array/retry.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Thread_local struct error call_err;

static int checked(int code)
{
	if (code != ERR_NONE && ((int)call_err.code != code || call_err.message[0] == '\0')) {
		fprintf(stderr, "a call returned %d and left \"%s\"\n", code, call_err.message);
		abort();
	}
	return code;
}

/* Before each call: what it leaves must be its own. */
static struct error *fresh(void)
{
	call_err.code = ERR_NONE;
	call_err.message[0] = '\0';
	return &call_err;
}

int call_driver_for(const char *url, const struct mrmr_driver **out, struct error *err)
{
	if (strncmp(url, "mem:", 4) != 0)
		return driver_for_url(url, out, err);
	*out = &driver_mem;
	return ERR_NONE;
}

static json_t *options;

void call_options(const char *json)
{
	json_decref(options);
	options = json ? json_loads(json, JSON_REJECT_DUPLICATES, NULL) : NULL;
	if (json && !options)
		abort();
}

static void learn(void *ctx, const char *key, const char *value)
{
	(void)ctx;
	if (!options)
		options = json_object();
	if (json_object_set_new(options, key, json_string(value)))
		abort();
}

static int open_with(const char *url, const struct drive_options *how, bool patient,
		     struct drive **d)
{
	char *json = options ? json_dumps(options, JSON_COMPACT) : NULL;
	struct drive_option_set *given = NULL;
	struct drive_options with = *how;
	const struct mrmr_driver *driver;
	int code = call_driver_for(url, &driver, fresh());

	if (code == ERR_NONE)
		code = drive_options_parse(json, driver->options, "options", &given, fresh());
	with.given = given;
	if (code == ERR_NONE && patient && driver->flags & DRIVER_REMOTE)
		code = retry_open(driver, url, &with, NULL, d, fresh());
	else if (code == ERR_NONE)
		code = driver->open(url, &with, d, fresh());
	drive_options_free(given);
	free(json);
	return checked(code);
}

int call_open_with(const char *url, const struct drive_options *how, struct drive **d)
{
	return open_with(url, how, false, d);
}

int call_try_open(const char *url, bool make_root, struct drive **d)
{
	return call_open_with(url, &(struct drive_options){.make_root = make_root, .temp_tag = "tag"}, d);
}

int call_join(const char *url, struct drive **d)
{
	return call_open_with(url, &(struct drive_options){.make_root = true, .temp_tag = "tag",
						     .learned = learn}, d);
}

struct drive *call_open(const char *url)
{
	struct drive *d;

	if (call_try_open(url, false, &d) != ERR_NONE) {
		fprintf(stderr, "%s: %s\n", url, call_err.message);
		abort();
	}
	return d;
}

struct drive *call_open_patient(const char *url)
{
	const struct drive_options how = {.temp_tag = "tag"};
	struct drive *d;

	if (open_with(url, &how, true, &d) != ERR_NONE) {
		fprintf(stderr, "%s: %s\n", url, call_err.message);
		abort();
	}
	return d;
}

void call_close(struct drive *d)
{
	d->driver->close(d);
}

int call_put_bytes(struct drive *d, const char *name, const void *bytes, size_t len_bytes)
{
	return checked(d->driver->put(d, name, bytes, len_bytes, fresh()));
}

int call_put(struct drive *d, const char *name, const char *text)
{
	return call_put_bytes(d, name, text, strlen(text));
}

int call_sync(struct drive *d)
{
	return checked(d->driver->sync(d, fresh()));
}

int call_store(struct drive *d, const char *name, const char *text)
{
	int code = call_put(d, name, text);

	return code == ERR_NONE ? call_sync(d) : code;
}

int call_get(struct drive *d, const char *name, uint64_t offset_bytes, void *out, size_t len_bytes)
{
	return checked(d->driver->get(d, name, offset_bytes, out, len_bytes, fresh()));
}

int call_stat(struct drive *d, const char *name, uint64_t *len_bytes)
{
	struct object_stat st = {0};
	int code = checked(d->driver->stat(d, name, &st, fresh()));

	*len_bytes = st.len_bytes;
	return code;
}

int call_check(struct drive *d, const char *name, const char *text)
{
	size_t size = strlen(text);
	char *got = malloc(size + 1);
	uint64_t len_bytes;
	int code = call_stat(d, name, &len_bytes);

	if (!got)
		abort();
	if (code == ERR_NONE && len_bytes != size)
		code = err_set(&call_err, ERR_CORRUPT, "%s has %llu bytes", name,
			       (unsigned long long)len_bytes);
	if (code == ERR_NONE)
		code = call_get(d, name, 0, got, size);
	if (code == ERR_NONE && memcmp(got, text, size) != 0)
		code = err_set(&call_err, ERR_CORRUPT, "%s has other bytes", name);
	free(got);
	return code;
}

int call_move(struct drive *d, const char *from, const char *to)
{
	return checked(d->driver->move(d, from, to, fresh()));
}

int call_remove(struct drive *d, const char *name)
{
	return checked(d->driver->remove(d, name, fresh()));
}

int call_about(struct drive *d, struct drive_about *out)
{
	return checked(d->driver->about(d, out, fresh()));
}

static int count_one(void *ctx, const char *name, uint64_t len_bytes)
{
	(void)name;
	(void)len_bytes;
	++*(int *)ctx;
	return 0;
}

int call_count(struct drive *d, const char *prefix)
{
	int count = 0;
	int code = checked(d->driver->list(d, prefix, count_one, &count, fresh()));

	return code == ERR_NONE ? count : -1;
}

int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	int count = -2; /* "." and ".." */

	if (!dir)
		return -1;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}
