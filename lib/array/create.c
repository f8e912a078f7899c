/*
 * New arrays and new drives.
 */
#include "array/membership.h"
#include "array/object.h"
#include "array/paces.h"
#include "array/settings.h"
#include "array/traffic.h"
#include "base/file.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a place that is marked already ---- */

static int is_marker(void *ctx, const char *name, uint64_t len_bytes)
{
	bool *only_marker = ctx;

	(void)len_bytes;
	*only_marker = strcmp(name, MARKER_NAME) == 0;
	return *only_marker ? 0 : 1;
}

/* A marker that cannot be read, and nothing else there: what a power cut makes of an add. */
static int see_damaged(struct array_drive *d, const struct error *why, struct error *err)
{
	struct drive *h = d->handle;
	bool only_marker = false;
	int code = h->driver->list(h, "", is_marker, &only_marker, err);

	if (code != ERR_NONE && code != 1)
		return code;
	if (!only_marker)
		return err_set(err, ERR_EXISTS, "it has a damaged marker: %s", why->message);
	d->marker_state = MARKER_DAMAGED;
	return ERR_NONE;
}

#define UNFINISHED_MAX 64 /* a marker, a ring and 16 slots at most, of some tries */

struct unfinished {
	char names[UNFINISHED_MAX][OBJECT_NAME_MAX + 1];
	unsigned count;
	bool committed; /* segments are a part of it too */
};

static int collect_unfinished(void *ctx, const char *name, uint64_t len_bytes)
{
	struct unfinished *u = ctx;
	bool ours = strcmp(name, MARKER_NAME) == 0 || strncmp(name, "keys/", 5) == 0 ||
		    (u->committed && strncmp(name, "journal/", 8) == 0);

	(void)len_bytes;
	if (strncmp(name, "quarantine/", 11) == 0)
		return 0;
	if (!ours || u->count == UNFINISHED_MAX)
		return ERR_EXISTS;
	snprintf(u->names[u->count++], sizeof(u->names[0]), "%s", name);
	return 0;
}

/* An init that was cut off before its commit left a marker and keys, but no journal: of an array that
 * nobody ever opened. Anything else is somebody's. */
static int list_unfinished(struct array_drive *d, struct unfinished *u, struct error *err)
{
	struct drive *h = d->handle;
	int code = h->driver->list(h, "", collect_unfinished, u, err);

	return code == ERR_EXISTS ? err_set(err, ERR_EXISTS, "it is already marked as a drive") : code;
}

static int see_unfinished(struct array_drive *d, struct error *err)
{
	struct unfinished *u = calloc(1, sizeof(*u));
	int code = u ? list_unfinished(d, u, err) : err_nomem(err);

	if (code == ERR_NONE)
		d->marker_state = MARKER_OTHER;
	free(u);
	return code;
}

/* That of another run is kept in quarantine/, our own is removed. The marker goes last, so that this
 * can be cut off too. */
static int clear_unfinished(struct array_drive *d, bool own, struct error *err)
{
	struct unfinished *u = calloc(1, sizeof(*u));
	struct drive *h = d->handle;
	int code;

	if (!u)
		return err_nomem(err);
	u->committed = own;
	code = list_unfinished(d, u, err);
	for (unsigned i = 0; i < u->count && code == ERR_NONE; i++) {
		if (strcmp(u->names[i], MARKER_NAME) != 0)
			code = own ? h->driver->remove(h, u->names[i], err)
				   : object_quarantine(h, u->names[i], err);
	}
	if (code == ERR_NONE)
		code = own ? h->driver->remove(h, MARKER_NAME, err)
			   : object_quarantine(h, MARKER_NAME, err);
	free(u);
	return code;
}

/* An add that was cut off marked the place with an id that no journal knows: the drive keeps it. A
 * drive that was removed while it was away still has its marker, and gets a new one. Any other marker
 * is somebody's, but for what an init left (then there is no table yet). */
static int take_mark(struct array *a, struct array_drive *d, uint64_t len_bytes, struct error *err)
{
	uint8_t bytes[MARKER_BYTES_MAX];
	enum drive_state state = DRIVE_MEMBER;
	struct drive *h = d->handle;
	struct error why;
	int code = ERR_NONE;

	if (!a->table)
		return see_unfinished(d, err);
	if (len_bytes > sizeof(bytes))
		return err_set(err, ERR_EXISTS, "it is already marked as a drive");
	code = h->driver->get(h, MARKER_NAME, 0, bytes, (size_t)len_bytes, err);
	if (code != ERR_NONE)
		return code;
	if (marker_parse(bytes, (size_t)len_bytes, &d->marker, &why) == ERR_CORRUPT)
		return see_damaged(d, &why, err);
	if (id_equal(&d->marker.array_id, &a->config.array_id) && marker_genuine(a->keys, &d->marker))
		code = table_drive_state(a->table, &d->marker.drive_id, &state, err);
	if (code != ERR_NONE && code != ERR_NOT_FOUND)
		return code;
	if (code == ERR_NONE && state == DRIVE_REMOVED) {
		d->marker_state = MARKER_DAMAGED;
		return ERR_NONE;
	}
	if (code == ERR_NONE)
		return err_set(err, ERR_EXISTS, "it is already marked as a drive");
	d->id = d->record.id = d->marker.drive_id;
	d->marker_state = MARKER_GOOD;
	return ERR_NONE;
}

/* ---- opening ---- */

static void learn(void *ctx, const char *key, const char *value)
{
	json_t *learned = ctx;

	json_object_set_new(learned, key, json_string(value));
}

/* What was found out about the place becomes options of the drive. */
static int take_learned(struct array_drive *d, json_t *learned, struct error *err)
{
	json_t *options;
	char *json = NULL;

	if (json_object_size(learned) == 0)
		return ERR_NONE;
	options = json_loads(d->options_json, JSON_REJECT_DUPLICATES, NULL);
	if (options && json_object_update(options, learned) == 0)
		json = json_dumps(options, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(options);
	if (!json)
		return err_nomem(err);
	free(d->options_json);
	d->options_json = json;
	return ERR_NONE;
}

/* Opens the place of a drive that joins: it is probed, and what is found out kept. */
static int open_place(struct array *a, const struct config_drive *entry, bool make_root, bool joins,
		      struct array_drive *d, struct error *err)
{
	json_t *learned = json_object();
	struct drive_options how = { .make_root = make_root, .learned_ctx = learned };
	int code;

	if (!learned)
		return err_nomem(err);
	if (joins)
		how.learned = learn;
	code = paces_open_drive(a, entry, &how, &d->handle, err);
	if (code != ERR_NONE)
		d->handle = NULL;
	else
		code = take_learned(d, learned, err);
	json_decref(learned);
	return code;
}

/* Opens the place of a new drive and sees that it is nobody's yet. joins: not only to look. */
static int open_new(struct array *a, const struct new_drive *n, bool joins, struct array_drive *d,
		    struct error *err)
{
	struct config_drive entry = { .id = n->record.id };
	struct object_stat st;
	int code;

	snprintf(entry.name, sizeof(entry.name), "%s", n->record.name);
	d->url = strdup(n->url);
	d->options_json = strdup(n->options_json ? n->options_json : "{}");
	if (!d->url || !d->options_json)
		return err_nomem(err);
	entry.url = d->url;
	entry.options_json = d->options_json;
	d->record = n->record;
	d->id = n->record.id;
	memcpy(d->name, n->record.name, sizeof(d->name));
	code = open_place(a, &entry, n->make_root, joins, d, err);
	if (code != ERR_NONE) {
		/* A place that is not there is a wrong word on the command line, not a lost drive. */
		if (code == ERR_NOT_FOUND)
			err->code = ERR_USAGE;
		return code == ERR_NOT_FOUND && !n->make_root
			       ? err_set(err, ERR_USAGE, "drive %s: %s is not there (--mkdir creates it)",
					 d->name, n->url)
			       : err_wrap(err, "drive %s", d->name);
	}
	code = d->handle->driver->stat(d->handle, MARKER_NAME, &st, err);
	if (code == ERR_NONE && (code = take_mark(a, d, st.len_bytes, err)) != ERR_NONE)
		return err_wrap(err, "drive %s: %s", d->name, n->url);
	if (code != ERR_NONE && code != ERR_NOT_FOUND)
		return err_wrap(err, "drive %s", d->name);
	code = d->handle->driver->about(d->handle, &d->about, err);
	return code == ERR_NONE ? code : err_wrap(err, "drive %s", d->name);
}

int array_probe_drive(struct array *a, const struct new_drive *n, struct error *err)
{
	struct new_drive as_it_is = *n;
	struct array_drive d = { .handle = NULL };
	int code;

	as_it_is.make_root = false;
	code = open_new(a, &as_it_is, false, &d, err);
	/* Missing, and to be made. */
	if (code == ERR_USAGE && n->make_root && !d.handle)
		code = ERR_NONE;
	if (d.handle)
		d.handle->driver->close(d.handle);
	free(d.url);
	free(d.options_json);
	return code;
}

static int write_marker(struct array *a, struct array_drive *d, struct error *err)
{
	struct buf json = { 0 };
	int code = marker_make(a->keys, &d->id, &json, err);

	if (code == ERR_NONE)
		code = d->handle->driver->put(d->handle, MARKER_NAME, json.data, json.len_bytes, err);
	if (code == ERR_NONE)
		code = d->handle->driver->sync(d->handle, err);
	buf_release(&json);
	return code == ERR_NONE ? code : err_wrap(err, "mark drive %s", d->name);
}

static void add_drive_records(struct buf *records, const struct array_drive *d)
{
	member_records(records, &d->record, false);
	record_access(records, &d->id, d->url, d->options_json);
}

/* ---- init ---- */

static int create_keys(struct array *a, struct new_array *n, struct buf *records,
		       struct error *err)
{
	struct secret recovery = { SLOT_RECOVERY, n->recovery_key, KEY_BYTES };
	int code = array_store_ring(a, err);

	randombytes_buf(n->recovery_key, KEY_BYTES);
	if (code == ERR_NONE)
		code = array_add_slot(a, n->secret, n->cost, n->allow_empty, records, err);
	if (code == ERR_NONE)
		code = array_add_slot(a, &recovery, KDF_DEFAULT, false, records, err);
	return code;
}

/* Takes back what an init that failed half-way put on the drives, so that it can be run again. */
static void unmark(struct array *a, unsigned marked)
{
	struct error ignored;

	for (unsigned i = 0; i < marked; i++) {
		struct drive *h = a->drives[i].handle;

		if (clear_unfinished(&a->drives[i], true, &ignored) == ERR_NONE)
			h->driver->sync(h, &ignored);
	}
}

static int mark_all(struct array *a, unsigned *marked, struct error *err)
{
	int code = ERR_NONE;

	for (unsigned i = 0; i < a->count && code == ERR_NONE; i++) {
		if (a->drives[i].marker_state == MARKER_OTHER)
			code = clear_unfinished(&a->drives[i], false, err);
	}
	for (*marked = 0; *marked < a->count && code == ERR_NONE; (*marked)++) {
		struct array_drive *d = &a->drives[*marked];

		code = write_marker(a, d, err);
		if (code == ERR_EXISTS)
			code = err_set(err, ERR_USAGE, "drive %s: %s was given twice", d->name, d->url);
		if (code != ERR_NONE)
			break;
		d->presence = DRIVE_PRESENT;
	}
	return code;
}

static int check_new(const struct array_options *o, const struct new_array *n, struct error *err)
{
	struct drive_record drives[DRIVES_MAX];

	if (file_exists(o->config_path))
		return err_set(err, ERR_EXISTS, "%s exists already", o->config_path);
	if (n->count == 0 || n->count > DRIVES_MAX)
		return err_set(err, ERR_USAGE, "an array has 1 to %d drives", DRIVES_MAX);
	for (unsigned i = 0; i < n->count; i++) {
		drives[i] = n->drives[i].record;
		drives[i].journal = true;
	}
	return policy_check(&n->policy, drives, n->count, err);
}

static int open_all_new(struct array *a, struct new_array *n, struct error *err)
{
	int code = ERR_NONE;

	for (unsigned i = 0; i < n->count && code == ERR_NONE; i++) {
		struct new_drive drive = n->drives[i];

		drive.record.id = id_random();
		drive.record.state = DRIVE_MEMBER;
		drive.record.journal = true;
		a->count = i + 1;
		code = open_new(a, &drive, true, &a->drives[i], err);
		if (code == ERR_NONE && n->domains)
			memcpy(n->domains[i], a->drives[i].about.domain, sizeof(n->domains[i]));
		if (code == ERR_NONE)
			code = config_add(&a->config, a->drives[i].name, &a->drives[i].id,
					  a->drives[i].url, a->drives[i].options_json, err);
	}
	return code;
}

int array_store_config(const struct array *a, struct error *err)
{
	int code = config_make_folder(a->options.config_path, err);

	return code == ERR_NONE ? config_store(a->options.config_path, &a->config, err) : code;
}

int array_create_check(const struct array_options *o, const struct new_array *n,
		       struct error *err)
{
	int code = check_new(o, n, err);
	struct array *a;

	if (code != ERR_NONE)
		return code;
	a = array_new(o, err);
	if (!a)
		return (int)err->code;
	for (unsigned i = 0; i < n->count && code == ERR_NONE; i++)
		code = array_probe_drive(a, &n->drives[i], err);
	array_close(a);
	return code;
}

int array_create(const struct array_options *o, struct new_array *n, struct error *err)
{
	struct buf records = { 0 };
	struct array *a;
	unsigned marked = 0;
	int code = check_new(o, n, err);

	if (code != ERR_NONE)
		return code;
	a = array_new(o, err);
	if (!a)
		return (int)err->code;
	a->config.array_id = id_random();
	a->policy = n->policy;
	if ((code = keys_new(&a->config.array_id, &a->keys_owned, err)) != ERR_NONE)
		goto out;
	a->keys = a->keys_owned;
	if ((code = open_all_new(a, n, err)) != ERR_NONE ||
	    (code = array_open_state(a, err)) != ERR_NONE ||
	    (code = mark_all(a, &marked, err)) != ERR_NONE)
		goto out;
	record_policy(&records, &a->policy);
	if (a->policy.extra)
		record_extra(&records, true);
	if ((code = create_keys(a, n, &records, err)) != ERR_NONE)
		goto out;
	for (unsigned i = 0; i < a->count; i++)
		add_drive_records(&records, &a->drives[i]);
	if ((code = array_commit(a, &records, NULL, err)) != ERR_NONE)
		goto out;
	code = array_store_config(a, err);
out:
	if (code != ERR_NONE)
		unmark(a, marked);
	buf_release(&records);
	array_close(a);
	return code;
}

/* ---- this host's config ---- */

static int change_way(struct array *a, const struct array_drive *d, bool has_way, struct error *err)
{
	const char *path = a->options.config_path;
	struct config now = { .count = 0 };
	int lock = -1, code = array_lock(a, &lock, err);

	if (code == ERR_NONE)
		code = config_load(path, &now, err);
	if (code == ERR_NONE && !id_equal(&now.array_id, &a->config.array_id))
		code = err_set(err, ERR_UNSAFE, "%s is another array's by now", path);
	if (code == ERR_NONE)
		config_remove(&now, &d->id);
	if (code == ERR_NONE && has_way)
		code = config_add(&now, d->name, &d->id, d->url, d->options_json, err);
	if (code == ERR_NONE)
		code = config_store(path, &now, err);
	if (code == ERR_NONE) {
		config_release(&a->config);
		a->config = now;
	} else {
		config_release(&now);
	}
	array_unlock_state(lock);
	return code;
}

int array_store_way(struct array *a, const struct array_drive *d, struct error *err)
{
	return change_way(a, d, true, err);
}

int array_forget_way(struct array *a, const struct array_drive *d, struct error *err)
{
	return change_way(a, d, false, err);
}

/* ---- add ---- */

static void release_drive(struct array_drive *d)
{
	if (d->handle)
		d->handle->driver->close(d->handle);
	clock_release(&d->holds);
	free(d->url);
	free(d->options_json);
	memset(d, 0, sizeof(*d));
	/* Of no state: it counts for nothing. */
	d->presence = DRIVE_ABSENT;
}

/* A drive that this host's config knows and no journal does, by its name or address: of an add that
 * was cut off. It is taken out of the config. */
static int take_unfinished(struct array *a, const struct new_drive *n, struct array_drive **out,
			   struct error *err)
{
	for (unsigned i = 0; i < a->count; i++) {
		struct array_drive *d = &a->drives[i];
		bool same_name = strcmp(d->name, n->record.name) == 0;
		bool same_url = d->url && strcmp(d->url, n->url) == 0;

		if (same_name && (d->record.state != 0 || !same_url))
			return err_set(err, ERR_USAGE, "there is a drive named %s already",
				       n->record.name);
		if (same_url && d->record.state == 0) {
			*out = d;
			return array_forget_way(a, d, err);
		}
	}
	*out = NULL;
	return ERR_NONE;
}

/* With room to spare as parity, the first drive that can take some is the end of parity 0. */
static void raise_parity(const struct array *a, struct buf *records)
{
	struct drive_record counting[DRIVES_MAX];
	struct policy policy = a->policy;
	unsigned count = 0;
	struct error why;

	for (unsigned i = 0; i < a->count; i++) {
		if (drive_counts(&a->drives[i]))
			counting[count++] = a->drives[i].record;
	}
	policy.parity = 1;
	if (a->policy.extra && a->policy.parity == 0 &&
	    policy_check(&policy, counting, count, &why) == ERR_NONE)
		record_policy(records, &policy);
}

int array_add_drive(struct array *a, struct new_drive *n, enum drive_state state,
		    struct error *err)
{
	struct buf records = { 0 };
	struct array_drive *d, *unfinished;
	unsigned sent;
	int code = take_unfinished(a, n, &unfinished, err);

	if (code != ERR_NONE)
		return code;
	if (!unfinished && a->count == DRIVES_MAX)
		return err_set(err, ERR_USAGE, "an array has at most %d drives", DRIVES_MAX);
	n->record.id = id_random();
	n->record.state = state;
	n->record.journal = true;
	if (unfinished)
		release_drive(unfinished);
	d = unfinished ? unfinished : &a->drives[a->count++];
	code = open_new(a, n, true, d, err);
	if (code == ERR_NONE && d->marker_state == MARKER_DAMAGED) {
		code = object_quarantine(d->handle, MARKER_NAME, err);
		d->marker_state = MARKER_UNREAD;
	}
	if (code == ERR_NONE && d->marker_state != MARKER_GOOD)
		code = write_marker(a, d, err);
	if (code != ERR_NONE) {
		/* Never seen by anybody: it is not in the list for the rest of this run either. */
		release_drive(d);
		a->count -= !unfinished;
		return code;
	}
	traffic_watch(a, d);
	n->record.id = d->id;
	d->presence = DRIVE_PRESENT;
	d->behind = true;
	add_drive_records(&records, d);
	if (state == DRIVE_MEMBER)
		raise_parity(a, &records);
	/* The way to the drive first: a drive in the journal that no config knows is only absent. */
	if ((code = array_spread_keys(a, err)) == ERR_NONE &&
	    (code = array_push(a, &sent, err)) == ERR_NONE &&
	    /* What keys and journals left free. */
	    (code = d->handle->driver->about(d->handle, &d->about, err)) == ERR_NONE &&
	    (code = array_store_way(a, d, err)) == ERR_NONE)
		code = array_commit(a, &records, NULL, err);
	if (code == ERR_NONE)
		code = array_refresh(a, err);
	buf_release(&records);
	return code;
}
