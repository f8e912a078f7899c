#include "array/membership.h"

#include "array/health.h"
#include "array/settings.h"
#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int member_find(struct array *a, const char *name, struct array_drive **out, struct error *err)
{
	*out = array_drive_by_name(a, name);
	if (*out && (*out)->record.state != 0)
		return ERR_NONE;
	return err_set(err, ERR_USAGE, "there is no drive named %s", name);
}

int member_was(struct array *a, const char *name, enum drive_state state, bool *yes,
	       struct error *err)
{
	struct table_drive *drives = NULL;
	size_t count = 0;
	int code = table_drives(a->table, &drives, &count, err);

	*yes = false;
	for (size_t i = 0; i < count; i++)
		*yes = *yes || (drives[i].record.state == state &&
				strcmp(drives[i].record.name, name) == 0);
	table_drives_free(drives, count);
	return code;
}

void member_records(struct buf *out, const struct drive_record *r, bool returning)
{
	struct since_record since = { .drive_id = r->id,
				      .state = r->state,
				      .returning = returning,
				      .time_s = time(NULL) };

	record_drive(out, r);
	record_since(out, &since);
}

int member_set_state(struct array *a, struct array_drive *d, enum drive_state state, bool returning,
		     struct error *err)
{
	enum drive_state was = d->record.state;
	struct buf records = { 0 };
	int code;

	if (was == state)
		return ERR_NONE;
	d->record.state = state;
	member_records(&records, &d->record, returning);
	code = array_commit(a, &records, NULL, err);
	buf_release(&records);
	if (code != ERR_NONE)
		d->record.state = was;
	return code == ERR_NONE ? array_refresh(a, err) : code;
}

int member_spared(struct array *a, const struct array_drive *d, struct error *err)
{
	struct drive_record left[DRIVES_MAX];
	unsigned count = 0;
	int code;

	for (unsigned i = 0; i < a->count; i++) {
		const struct array_drive *other = &a->drives[i];

		if (other != d && drive_counts(other) && other->record.state != DRIVE_DRAINING)
			left[count++] = other->record;
	}
	code = policy_check(&a->policy, left, count, err);
	return code == ERR_NONE ? code : err_wrap(err, "without drive %s", d->name);
}

/* ---- disable, enable ---- */

int member_may_be_disabled(struct array *a, struct array_drive *d, struct error *err)
{
	enum drive_presence was = d->presence;
	struct health before, after;
	char size[UNIT_TEXT_BYTES];
	int code;

	if (!health_at_hand(a, (unsigned)(d - a->drives)))
		return ERR_NONE;
	code = health_check(a, &before, err);
	d->presence = DRIVE_ASIDE;
	if (code == ERR_NONE)
		code = health_check(a, &after, err);
	d->presence = was;
	if (code != ERR_NONE)
		return code;
	if (after.lost > before.lost) {
		size_text(after.bytes_lost - before.bytes_lost, size);
		return err_set(err, ERR_UNSAFE,
			       "drive %s is needed: without it %s of data could not be read", d->name,
			       size);
	}
	if (after.absent > a->policy.parity)
		return err_set(err, ERR_UNSAFE,
			       "with drive %s, %u drives would be away, and the array is to bear the "
			       "loss of %u", d->name, after.absent, a->policy.parity);
	return ERR_NONE;
}

int member_look(struct array *a, struct array_drive *d, struct error *err)
{
	int code = ERR_NONE;

	if (d->presence == DRIVE_ASIDE) {
		array_open_drive(a, d);
		code = array_pull(a, err);
	}
	if (code != ERR_NONE)
		return code;
	if (d->presence == DRIVE_PRESENT)
		return ERR_NONE;
	return err_set(err,
		       d->presence == DRIVE_ABSENT || d->presence == DRIVE_UNREACHABLE ? ERR_ABSENT
										       : ERR_UNSAFE,
		       "drive %s is %s: %s", d->name, presence_word(d->presence), d->why);
}

int member_enable(struct array *a, struct array_drive *d, struct error *err)
{
	enum drive_state was = d->record.state;
	unsigned sent;
	int code;

	/* First all that was said before: a member is no older than the segment that makes it one. */
	d->record.state = DRIVE_MEMBER;
	code = array_push(a, &sent, err);
	if (code == ERR_NONE && atomic_load(&d->poisoned))
		code = err_set(err, ERR_ABSENT, "drive %s does not take the journals that it missed",
			       d->name);
	if (code == ERR_NONE)
		code = array_spread_keys(a, err);
	d->record.state = was;
	return code == ERR_NONE ? member_set_state(a, d, DRIVE_MEMBER, was == DRIVE_DISABLED, err)
				: code;
}

/* ---- remove ---- */

static int count_object(void *ctx, const struct table_object *o, struct error *err)
{
	struct member_hold *hold = ctx;

	(void)err;
	hold->objects++;
	hold->bytes += o->len_bytes;
	return ERR_NONE;
}

int member_holds(struct array *a, const struct array_drive *d, struct member_hold *out,
		 struct error *err)
{
	memset(out, 0, sizeof(*out));
	return table_objects(a->table, &d->id, count_object, out, err);
}

#define NAMES_AT_A_TIME 256

struct names {
	char names[NAMES_AT_A_TIME][OBJECT_NAME_MAX + 1];
	unsigned count;
};

static int collect_name(void *ctx, const char *name, uint64_t len_bytes)
{
	struct names *n = ctx;

	(void)len_bytes;
	if (n->count == NAMES_AT_A_TIME)
		return 1;
	snprintf(n->names[n->count++], sizeof(n->names[0]), "%s", name);
	return 0;
}

static int clear_folder(struct drive *h, const char *prefix, struct names *n, struct error *err)
{
	int code;

	do {
		n->count = 0;
		code = h->driver->list(h, prefix, collect_name, n, err);
		if (code == 1)
			code = ERR_NONE;
		for (unsigned i = 0; i < n->count && code == ERR_NONE; i++)
			code = h->driver->remove(h, n->names[i], err);
	} while (code == ERR_NONE && n->count == NAMES_AT_A_TIME);
	return code;
}

/* The marker last, so that this can be cut off too. What else is there is not ours to judge. */
static int clear_place(struct array_drive *d, struct error *err)
{
	struct drive *h = d->handle;
	struct names *n = malloc(sizeof(*n));
	int code = n ? clear_folder(h, "keys/", n, err) : err_nomem(err);

	if (code == ERR_NONE)
		code = clear_folder(h, "journal/", n, err);
	if (code == ERR_NONE)
		code = h->driver->sync(h, err);
	if (code == ERR_NONE)
		code = h->driver->remove(h, MARKER_NAME, err);
	if (code == ERR_NONE)
		code = h->driver->sync(h, err);
	free(n);
	return code == ERR_NONE ? code : err_wrap(err, "take keys and journals from %s", d->url);
}

int member_remove(struct array *a, struct array_drive *d, struct error *err)
{
	bool ours;
	int code;

	if (d->presence == DRIVE_ASIDE)
		array_open_drive(a, d);
	ours = d->handle && d->marker_state == MARKER_GOOD && array_is_marked(a, d, &d->id) &&
	       d->presence != DRIVE_DUPLICATE;
	code = member_set_state(a, d, DRIVE_REMOVED, false, err);
	if (code == ERR_NONE && ours)
		code = clear_place(d, err);
	return code == ERR_NONE && d->url ? array_forget_way(a, d, err) : code;
}

int member_lose(struct array *a, struct array_drive *d, struct error *err)
{
	struct member_hold hold;
	int code = member_holds(a, d, &hold, err);

	if (code == ERR_NONE)
		code = member_set_state(a, d, DRIVE_LOST, false, err);
	return code == ERR_NONE && hold.objects == 0 && d->url ? array_forget_way(a, d, err) : code;
}
