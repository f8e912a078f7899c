#include "cmd/status.h"

#include "array/health.h"
#include "base/units.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void say(json_t *list, const char *fmt, ...)
{
	char text[SAYING_BYTES];
	json_t *holder = json_object();
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	json_path_set(holder, "text", text, strlen(text)); /* names may be no UTF-8 */
	json_array_append(list, json_object_get(holder, "text"));
	json_decref(holder);
}

/* ---- what it means ---- */

static void explain_drives(struct status *s)
{
	char remark[REMARK_BYTES], since[UNIT_TEXT_BYTES];

	for (unsigned i = 0; i < s->a->count; i++) {
		const struct drive_standing *d = &s->drives[i];

		if (!d->listed)
			continue;
		standing_remark(&s->a->drives[i], d, remark);
		if (d->standing == STANDING_OPTIMAL) {
			if (remark[0])
				say(s->meaning, "%s is here again: %s; the next command that writes "
						"does.", s->a->drives[i].name, remark);
			continue;
		}
		standing_since(d, since);
		say(s->meaning, "%s is %s%s%s.%s%s%s", s->a->drives[i].name,
		    standing_word(d->standing), remark[0] ? ": " : "", remark,
		    since[0] ? " Since " : "", since, since[0] ? "." : "");
	}
	if (s->a->fork_found)
		say(s->meaning, "%s.", s->a->fork_why);
}

/* Of each drive with known damage, what is damaged counts as lost. */
static int damaged_drives(const struct status *s)
{
	int count = 0;

	for (unsigned i = 0; i < s->a->count; i++)
		count += s->drives[i].listed && s->drives[i].standing == STANDING_DEGRADED;
	return count;
}

/* Drives more that may be lost, with whatever damage. */
static int spare_of(const struct health *h)
{
	unsigned present = h->members - h->absent;
	int spare = h->least_spare;

	if (spare >= (int)present)
		spare = present > 0 ? (int)present - 1 : 0;
	return spare;
}

static void explain_spare(struct status *s)
{
	int spare = spare_of(&s->health), damaged = damaged_drives(s);
	char count[COUNT_TEXT_BYTES];

	if (spare > damaged)
		say(s->meaning, "Everything can be read, and the loss of any %s would lose nothing.",
		    count_text((uint64_t)(spare - damaged), "drive", count));
	else if (damaged > spare)
		say(s->meaning, "Some of what is damaged may be beyond what the other drives can make up "
				"for; everything else can be read.");
	else if (damaged > 0)
		say(s->meaning, "Everything can be read, but until the damage is repaired the loss of one "
				"more drive could lose data.");
	else
		say(s->meaning, "Everything can be read, but the loss of one more drive would lose "
				"data.");
}

/* "d2", "d2 and d3", "d2, d3 and d4"; "" when none is away. How many. */
static unsigned name_away(const struct status *s, char *out, size_t size)
{
	unsigned count = 0, at = 0;

	for (unsigned i = 0; i < s->a->count; i++)
		count += health_may_return(&s->a->drives[i]);
	out[0] = '\0';
	for (unsigned i = 0; i < s->a->count; i++) {
		if (!health_may_return(&s->a->drives[i]))
			continue;
		at++;
		snprintf(out + strlen(out), size - strlen(out), "%s%s",
			 at == 1 ? "" : at == count ? " and " : ", ", s->a->drives[i].name);
	}
	return count;
}

/* What is different when those that are away are back. */
static void explain_attached(struct status *s)
{
	int spare = spare_of(&s->attached) - damaged_drives(s);
	char names[SAYING_BYTES - 256], count[COUNT_TEXT_BYTES];
	unsigned away = name_away(s, names, sizeof(names));
	const char *are = away == 1 ? "is" : "are";

	if (away == 0 || s->attached.lost > 0)
		return;
	if (spare > 0)
		say(s->meaning, "Once %s %s back, %sthe loss of any %s would lose nothing.", names, are,
		    s->health.lost > 0 ? "everything can be read, and " : "",
		    count_text((uint64_t)spare, "drive", count));
	else if (s->health.lost > 0 && spare == 0)
		say(s->meaning, "Once %s %s back, everything can be read, but the loss of one more "
				"drive would lose data.", names, are);
}

static void explain_lost(struct status *s)
{
	char size[UNIT_TEXT_BYTES];

	size_text(s->health.bytes_lost, size);
	say(s->meaning, "%s of data cannot be read with the drives at hand; everything else can.",
	    size);
	for (unsigned i = 0; i < s->a->count; i++) {
		if (s->health.bytes_on[i] == 0 || !health_may_return(&s->a->drives[i]))
			continue;
		size_text(s->health.bytes_on[i], size);
		say(s->meaning, "%s of it can be read again once %s is back.", size,
		    s->a->drives[i].name);
	}
}

void status_explain(struct status *s)
{
	char size[UNIT_TEXT_BYTES], count[COUNT_TEXT_BYTES];

	explain_drives(s);
	if (s->health.lost > 0)
		explain_lost(s);
	if (s->lost.unknown_blocks > 0)
		say(s->meaning, "%s that snapshots name cannot be found any more; everything else can "
				"be read.", count_text(s->lost.unknown_blocks, "block", count));
	if (s->lost.bytes > 0) {
		size_text(s->lost.bytes, size);
		say(s->meaning, "%s of data are beyond repair; everything else can be read.", size);
	}
	if (s->state != ARRAY_FAILED)
		explain_spare(s);
	explain_attached(s);
	if (s->health.owed_rows > 0)
		say(s->meaning, "%s owed: no drive has %s.",
		    count_text(s->health.owed_rows, "parity object", count),
		    s->health.owed_rows == 1 ? "it" : "them");
}

/* ---- what to do ---- */

static void advise_failed_drive(struct status *s, const struct array_drive *d)
{
	switch (d->presence) {
	case DRIVE_FOREIGN:
		if (d->marker_state == MARKER_DAMAGED)
			say(s->action, "See that it is %s what lies at its place: then `mrmr scrub` mends "
				       "its marker.", d->name);
		else
			say(s->action, "See what lies at the place of %s: mount the right one there.",
			    d->name);
		break;
	case DRIVE_DUPLICATE:
		say(s->action, "Take one of the two addresses of %s out of the config.", d->name);
		break;
	case DRIVE_REFUSED:
		say(s->action, "%s counts no more. To use it as a new drive, empty it and `mrmr add` "
			       "it.", d->name);
		break;
	case DRIVE_ROLLED_BACK:
		say(s->action, "`mrmr scrub` puts back what %s lacks.", d->name);
		break;
	default:
		say(s->action, "`mrmr rebuild %s` goes on with what was stopped.", d->name);
		break;
	}
}

static void advise_drive(struct status *s, unsigned i)
{
	const struct array_drive *d = &s->a->drives[i];

	switch (s->drives[i].standing) {
	case STANDING_ABSENT:
		if (s->health.lost > 0)
			say(s->action, "Bring %s back: what cannot be read may be there.", d->name);
		else if (d->record.removable)
			say(s->action, "Attach %s again when you like; if it is gone for good, `mrmr "
				       "rebuild %s` re-creates what it held (--onto URL: on a new "
				       "drive).", d->name, d->name);
		else
			say(s->action, "Bring %s back; if it is gone for good, `mrmr rebuild %s` "
				       "re-creates what it held (--onto URL: on a new drive).",
			    d->name, d->name);
		break;
	case STANDING_FAILED:
		advise_failed_drive(s, d);
		break;
	case STANDING_DISABLED:
		say(s->action, "`mrmr enable %s` takes it back%s.", d->name,
		    s->health.lost > 0 ? ": what cannot be read may be there" : "");
		break;
	case STANDING_DRAINING:
		if (s->drives[i].objects > 0)
			say(s->action, "`mrmr drain %s` goes on where it stopped; `mrmr enable %s` keeps "
				       "it.", d->name, d->name);
		else
			say(s->action, "`mrmr remove %s` forgets it; `mrmr enable %s` keeps it.",
			    d->name, d->name);
		break;
	case STANDING_RECOVERING:
		if (d->record.state == DRIVE_MEMBER)
			say(s->action, "`mrmr enable %s` pays what it is owed, as does any command "
				       "that writes.", d->name);
		else
			say(s->action, "Run the `mrmr rebuild ... --onto` that fills %s again: it goes on where "
			       "it stopped.", d->name);
		break;
	case STANDING_STALE:
		say(s->action, "`mrmr rebuild` sends %s what it lacks, as does any command that writes.",
		    d->name);
		break;
	case STANDING_DEGRADED:
		say(s->action, "`mrmr scrub --drive %s` tries again to repair it.", d->name);
		break;
	default:
		break;
	}
}

void status_advise(struct status *s)
{
	for (unsigned i = 0; i < s->a->count; i++) {
		if (s->drives[i].listed)
			advise_drive(s, i);
	}
	if (status_is_gone(s))
		say(s->action, "`mrmr put` stores anew what it still finds of it; `mrmr get` restores all "
			       "other files and names those it cannot.");
	if (s->health.owed_rows > 0)
		say(s->action, "`mrmr rebuild` makes owed parity where drives have room; else `mrmr add` "
			       "another drive.");
	else if (s->health.weak > 0 && s->health.absent == 0)
		say(s->action, "`mrmr rebuild` mends what can be mended with these drives.");
	if (s->a->fork_found)
		say(s->action, "`mrmr scrub` ends the fork: it keeps what both histories say.");
}
