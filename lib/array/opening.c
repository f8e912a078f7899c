#include "array/opening.h"

#include "array/paces.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void drive_leave_out(struct array_drive *d, enum drive_presence p, const char *fmt, ...)
{
	va_list args;

	d->presence = p;
	va_start(args, fmt);
	vsnprintf(d->why, sizeof(d->why), fmt, args);
	va_end(args);
}

/* What is asked of a drive first, by one call: a slow one delays nobody. */
struct first_look {
	struct call call;
	struct marker marker;
	struct error marker_err;
	int marker_code; /* ERR_NOT_FOUND: there is none */
	struct drive_about about;
};

static int look_at_marker(struct first_look *l, struct drive *d, struct error *err)
{
	uint8_t bytes[MARKER_BYTES_MAX];
	struct object_stat st;
	int code = d->driver->stat(d, MARKER_NAME, &st, err);

	if (code == ERR_NOT_FOUND)
		return code;
	if (code == ERR_NONE && st.len_bytes > sizeof(bytes))
		code = err_set(err, ERR_CORRUPT, "%s is too long", MARKER_NAME);
	if (code == ERR_NONE)
		code = d->driver->get(d, MARKER_NAME, 0, bytes, (size_t)st.len_bytes, err);
	if (code == ERR_NONE)
		code = marker_parse(bytes, (size_t)st.len_bytes, &l->marker, err);
	/* It was there a moment ago. */
	if (code == ERR_NOT_FOUND)
		err->code = code = ERR_IO;
	return code;
}

static int run_look(struct call *call, struct drive *d, struct error *err)
{
	struct first_look *l = (struct first_look *)call;

	l->marker_code = look_at_marker(l, d, &l->marker_err);
	return l->marker_code == ERR_NONE ? d->driver->about(d, &l->about, err) : ERR_NONE;
}

static void release_look(struct call *call)
{
	free(call);
}

static void judge_marker(struct array_drive *d, const struct first_look *l)
{
	const char *why = l->marker_err.message;

	switch (l->marker_code) {
	case ERR_NONE:
		d->marker = l->marker;
		d->marker_state = MARKER_GOOD;
		break;
	case ERR_NOT_FOUND:
		d->marker_state = MARKER_MISSING;
		drive_leave_out(d, DRIVE_ABSENT, "no marker at %s (not mounted?)", d->url);
		break;
	case ERR_CORRUPT:
		d->marker_state = MARKER_DAMAGED;
		drive_leave_out(d, DRIVE_FOREIGN, "its marker is damaged (scrub can mend it): %s",
				why);
		break;
	case ERR_UNSUPPORTED:
		d->marker = l->marker; /* it may turn out to be ours, and damaged */
		d->marker_state = MARKER_OTHER;
		drive_leave_out(d, DRIVE_FOREIGN, "%s", why);
		break;
	default:
		drive_leave_out(d, DRIVE_UNREACHABLE, "%s", why);
	}
}

/* One drive on its way; several at once. */
struct opening {
	struct opening_call *call;
	struct first_look *look;
};

static void open_begin(struct array *a, struct array_drive *d, struct opening *o)
{
	struct config_drive entry = {.id = d->id, .url = d->url, .options_json = d->options_json};
	struct error err;

	memcpy(entry.name, d->name, sizeof(entry.name));
	d->presence = DRIVE_PRESENT;
	d->why[0] = '\0';
	o->call = paces_open_begin(a, &entry, &err);
	if (!o->call)
		drive_leave_out(d, DRIVE_UNREACHABLE, "%s", err.message);
}

static void open_look(struct array_drive *d, struct opening *o)
{
	struct error err;
	int code;

	if (!o->call)
		return;
	code = watched_open_end(o->call, &d->handle, &err);
	if (code != ERR_NONE) {
		d->handle = NULL;
		drive_leave_out(d, code == ERR_NOT_FOUND ? DRIVE_ABSENT : DRIVE_UNREACHABLE, "%s",
				err.message);
		return;
	}
	o->look = calloc(1, sizeof(*o->look));
	if (!o->look) {
		drive_leave_out(d, DRIVE_UNREACHABLE, "out of memory");
		return;
	}
	o->look->call.run = run_look;
	o->look->call.release = release_look;
	call_start(d->handle, &o->look->call);
}

static void open_end(struct array_drive *d, struct opening *o)
{
	struct error err;
	int code;

	if (!o->look)
		return;
	code = call_finish(&o->look->call, 0, &err);
	if (code != ERR_NONE)
		drive_leave_out(d, DRIVE_UNREACHABLE, "%s", err.message);
	if (!watched_hangs(d->handle))
		judge_marker(d, o->look);
	if (d->presence == DRIVE_PRESENT)
		d->about = o->look->about;
	call_leave(&o->look->call);
}

bool array_is_marked(const struct array *a, const struct array_drive *d, const struct id *id)
{
	return (d->marker_state == MARKER_GOOD || d->marker_state == MARKER_OTHER) &&
	       id_equal(&d->marker.array_id, &a->config.array_id) &&
	       id_equal(&d->marker.drive_id, id);
}

/* others: so many drives, the first ones, may be the same one under another address. */
static void check_marker(struct array *a, struct array_drive *d, unsigned others)
{
	if (d->marker_state != MARKER_GOOD)
		return;
	if (!id_equal(&d->marker.array_id, &a->config.array_id)) {
		d->marker_state = MARKER_OTHER;
		drive_leave_out(d, DRIVE_FOREIGN, "%s belongs to another array", d->url);
		return;
	}
	for (unsigned n = 0; n < others; n++) {
		if (&a->drives[n] != d && array_is_marked(a, &a->drives[n], &d->marker.drive_id)) {
			drive_leave_out(d, DRIVE_DUPLICATE, "%s and %s are the same drive",
					a->drives[n].url, d->url);
			return;
		}
	}
	if (!id_equal(&d->marker.drive_id, &d->id)) {
		d->marker_state = MARKER_OTHER;
		drive_leave_out(d, DRIVE_FOREIGN, "%s holds another drive of this array", d->url);
	}
}

/* Without a word from any drive: as the table has it. A damaged one is met again later. */
static bool is_disabled(struct array *a, const struct array_drive *d)
{
	enum drive_state state;
	struct error ignored;

	return table_drive_state(a->table, &d->id, &state, &ignored) == ERR_NONE &&
	       state == DRIVE_DISABLED;
}

void drive_set_aside(struct array_drive *d)
{
	drive_leave_out(d, DRIVE_ASIDE, "until `mrmr enable %s`", d->name);
}

static int name_drive(struct array_drive *d, const struct config_drive *entry, struct error *err)
{
	d->id = entry->id;
	memcpy(d->name, entry->name, sizeof(d->name));
	d->url = strdup(entry->url);
	d->options_json = strdup(entry->options_json);
	d->billed = config_says_yes(entry->options_json, "egress-billed");
	return d->url && d->options_json ? ERR_NONE : err_nomem(err);
}

int drives_open(struct array *a, struct error *err)
{
	struct opening *all = calloc(a->config.count ? a->config.count : 1, sizeof(*all));
	int code = all ? ERR_NONE : err_nomem(err);

	if (code == ERR_NONE && a->config.count > DRIVES_MAX)
		code = err_set(err, ERR_CORRUPT, "the config names more than %d drives",
			       DRIVES_MAX);
	if (code == ERR_NONE)
		a->count = (unsigned)a->config.count;
	/* One view for all questions. Where there is none they are asked one by one. */
	if (code == ERR_NONE)
		table_view(a->table, err);
	for (unsigned i = 0; i < a->count && code == ERR_NONE; i++) {
		struct array_drive *d = &a->drives[i];

		code = name_drive(d, &a->config.drives[i], err);
		if (code == ERR_NONE && is_disabled(a, d))
			drive_set_aside(d);
		else if (code == ERR_NONE)
			open_begin(a, d, &all[i]);
	}
	table_view_end(a->table);
	for (unsigned i = 0; i < a->count; i++)
		open_look(&a->drives[i], &all[i]);
	for (unsigned i = 0; i < a->count; i++)
		open_end(&a->drives[i], &all[i]);
	for (unsigned i = 0; i < a->count && code == ERR_NONE; i++)
		check_marker(a, &a->drives[i], i);
	free(all);
	return code;
}

void drive_check_mac(struct array *a, struct array_drive *d)
{
	struct marker right = {a->config.array_id, d->id, d->marker.mac};

	if (d->marker_state == MARKER_GOOD && d->presence == DRIVE_PRESENT &&
	    !marker_genuine(a->keys, &d->marker)) {
		d->marker_state = MARKER_DAMAGED;
		drive_leave_out(d, DRIVE_FOREIGN, "%s has a forged or damaged marker", d->url);
	} else if (d->marker_state == MARKER_OTHER && marker_genuine(a->keys, &right)) {
		d->marker_state = MARKER_DAMAGED;
		drive_leave_out(d, DRIVE_FOREIGN, "%s has a damaged marker", d->url);
	}
}

void array_open_drive(struct array *a, struct array_drive *d)
{
	struct opening o = {0};

	if (!d->url) {
		drive_leave_out(d, DRIVE_ABSENT, DRIVE_NO_WAY);
		return;
	}
	/* Set aside while it was open: it is what it was. */
	if (d->handle && d->marker_state == MARKER_GOOD) {
		d->presence = DRIVE_PRESENT;
		d->why[0] = '\0';
		return;
	}
	if (d->handle)
		d->handle->driver->close(d->handle);
	d->handle = NULL;
	open_begin(a, d, &o);
	open_look(d, &o);
	open_end(d, &o);
	check_marker(a, d, a->count);
	drive_check_mac(a, d);
}
