#include "array/paces.h"

#include "base/file.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define FILE_NAME "paces.json"
#define FILE_BYTES_MAX ((size_t)256 << 10)
#define ALL_THE_SAME_US 20000 /* a MiB in this time: any disk at hand */
#define FAST_US 1000
#define OPENINGS 3 /* that long it may take to open a connection */
#define US_MAX ((uint64_t)1 << 40) /* twelve days: nobody measured that */

static struct opening_drive opening_of(struct array *a, const struct config_drive *entry)
{
	return (struct opening_drive){ .open = a->options.open_drive,
				       .ctx = a->options.open_drive_ctx,
				       .entry = entry,
				       .options = { .temp_tag = a->temp_tag },
				       .hang_ms = a->options.hang_ms,
				       .leave_ms = a->options.stall_ms };
}

int paces_open_drive(struct array *a, const struct config_drive *entry,
		     const struct drive_options *how, struct drive **out, struct error *err)
{
	struct opening_drive o = opening_of(a, entry);

	o.options.make_root = how->make_root;
	o.options.learned = how->learned;
	o.options.learned_ctx = how->learned_ctx;
	return watched_open(&o, out, err);
}

struct opening_call *paces_open_begin(struct array *a, const struct config_drive *entry,
				      struct error *err)
{
	struct opening_drive o = opening_of(a, entry);

	return watched_open_begin(&o, err);
}

struct pace drive_pace(const struct array_drive *d)
{
	return d->handle ? watched_pace(d->handle) : (struct pace){ 0 };
}

unsigned remote_calls_max(const struct array *a)
{
	unsigned calls = 0;

	for (unsigned i = 0; i < a->count; i++) {
		const struct array_drive *d = &a->drives[i];

		if (d->presence == DRIVE_PRESENT && d->handle &&
		    d->handle->driver->flags & DRIVER_REMOTE)
			calls += d->handle->driver->connections_max;
	}
	return calls;
}

/* ---- the file ---- */

static const struct pace_field {
	const char *key;
	size_t at;
} fields[] = {
	{ "latency_us", offsetof(struct pace, latency_us) },
	{ "deviation_us", offsetof(struct pace, deviation_us) },
	{ "read_mib_us", offsetof(struct pace, read_mib_us) },
	{ "write_mib_us", offsetof(struct pace, write_mib_us) },
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static uint64_t *field_of(struct pace *p, size_t i)
{
	return (uint64_t *)(void *)((char *)p + fields[i].at);
}

static bool from_json(const json_t *o, struct pace *out)
{
	struct error ignored;

	memset(out, 0, sizeof(*out));
	if (json_need_u64(o, "answers", &out->answers, &ignored) != ERR_NONE)
		return false;
	for (size_t i = 0; i < FIELDS; i++) {
		uint64_t *value = field_of(out, i);

		if (json_need_u64(o, fields[i].key, value, &ignored) != ERR_NONE ||
		    *value > US_MAX)
			return false;
	}
	return true;
}

static json_t *to_json(struct pace p)
{
	json_t *o = json_object();

	json_object_set_new(o, "answers", json_integer((json_int_t)p.answers));
	for (size_t i = 0; i < FIELDS; i++)
		json_object_set_new(o, fields[i].key, json_integer((json_int_t)*field_of(&p, i)));
	return o;
}

/* {} when there is none that can be used. */
static json_t *load_file(const char *path)
{
	struct buf text = { 0 };
	struct error ignored;
	json_t *root = NULL;

	if (file_load(path, FILE_BYTES_MAX, &text, &ignored) != ERR_NONE ||
	    json_parse_object(text.data, text.len_bytes, FILE_NAME, &root, &ignored) != ERR_NONE)
		root = NULL;
	buf_release(&text);
	return root ? root : json_object();
}

/* Distances go by what former runs found: what is learnt meanwhile counts from the next one on. */
static void set_distances(struct array *a)
{
	uint64_t nearest_us = 0;

	for (unsigned i = 0; i < a->count; i++) {
		struct pace p = drive_pace(&a->drives[i]);
		uint64_t us = pace_mib_us(&p);

		if (us > 0 && (nearest_us == 0 || us < nearest_us))
			nearest_us = us;
	}
	for (unsigned i = 0; i < a->count; i++) {
		struct pace p = drive_pace(&a->drives[i]);

		a->drives[i].distance = pace_distance(pace_mib_us(&p), nearest_us, ALL_THE_SAME_US);
	}
}

void paces_load(struct array *a)
{
	char *path = array_state_file(a, FILE_NAME);
	json_t *root = path ? load_file(path) : NULL;

	for (unsigned i = 0; i < a->count; i++) {
		struct array_drive *d = &a->drives[i];
		char hex[ID_HEX_BYTES];
		struct pace p;

		hex_encode(d->id.b, ID_BYTES, hex);
		if (!d->handle || !from_json(json_object_get(root, hex), &p))
			continue;
		d->pace_kept = p;
		watched_set_pace(d->handle, &p);
	}
	json_decref(root);
	free(path);
	set_distances(a);
}

/* Not worth writing a file: about the same as is kept already, or fast both times. */
static bool about_same(struct pace *x, struct pace *y)
{
	for (size_t i = 0; i < FIELDS; i++) {
		uint64_t p = *field_of(x, i), q = *field_of(y, i);

		bool fast = p > 0 && p <= FAST_US && q > 0 && q <= FAST_US;

		if (!fast && (p > q + q / 2 || q > p + p / 2))
			return false;
	}
	return true;
}

void paces_store(struct array *a)
{
	char *path = a->state_path ? array_state_file(a, FILE_NAME) : NULL;
	json_t *root = NULL;
	struct buf text = { 0 };
	struct error ignored;

	for (unsigned i = 0; i < a->count && path; i++) {
		struct array_drive *d = &a->drives[i];
		struct pace p = drive_pace(d);
		char hex[ID_HEX_BYTES];

		if (p.answers == 0 || about_same(&p, &d->pace_kept))
			continue;
		if (!root)
			root = load_file(path); /* others may have written meanwhile */
		hex_encode(d->id.b, ID_BYTES, hex);
		json_object_set_new(root, hex, to_json(p));
	}
	if (root && json_print(root, &text, &ignored) == ERR_NONE)
		file_store_notes(path, text.data, text.len_bytes, &ignored);
	buf_release(&text);
	json_decref(root);
	free(path);
}

/* ---- late answers ---- */

unsigned array_stall_ms(const struct array *a)
{
	return a->options.stall_ms ? a->options.stall_ms : STALL_MS_DEFAULT;
}

/* It may have to connect once more for it, which takes about as long as when it was opened. */
unsigned drive_patience_ms(const struct array *a, const struct array_drive *d, uint64_t bytes)
{
	uint64_t least_ms = array_stall_ms(a) + OPENINGS * (uint64_t)watched_opening_ms(d->handle);
	unsigned most_ms = a->options.hang_ms ? a->options.hang_ms : HANG_MS_DEFAULT;
	struct pace p = drive_pace(d);
	uint64_t ms = pace_unusual_us(&p, bytes) / 1000;

	if (ms < least_ms)
		ms = least_ms;
	return ms < most_ms ? (unsigned)ms : most_ms;
}

unsigned read_patience_ms(const struct array *a, const struct array_drive *d, struct read_call *c)
{
	c->patience_ms = drive_patience_ms(a, d, c->most_bytes);
	return c->patience_ms;
}

void drive_stalled(struct array *a, struct array_drive *d, unsigned ms)
{
	atomic_store(&d->stalled, true);
	if (!atomic_exchange(&d->stall_told, true))
		array_tell(a, TELL_WARNING,
			   "drive %s: no answer in %.1f s: reading around it, and asking it last "
			   "until it answers in time", d->name, (double)ms / 1000);
}

void drive_answered(const struct array *a, struct array_drive *d, struct read_call *c)
{
	if (!atomic_load(&d->stalled))
		return;
	if (c->patience_ms == 0)
		read_patience_ms(a, d, c);
	if (!call_is_late(&c->call, c->patience_ms, false))
		atomic_store(&d->stalled, false);
}
