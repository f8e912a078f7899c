#include "care/drain.h"

#include "base/units.h"
#include "cmd/commands.h"
#include "cmd/member.h"
#include "cmd/open.h"
#include "cmd/out.h"
#include "cmd/progress.h"
#include "cmd/standing.h"

#include <inttypes.h>

/* ---- before ---- */

static int tell_plan(struct invocation *inv, struct array *a, struct array_drive *d,
		     const struct drain_plan *plan, struct error *err)
{
	char bytes[UNIT_TEXT_BYTES], written[UNIT_TEXT_BYTES], time[UNIT_TEXT_BYTES];
	char count[COUNT_TEXT_BYTES];
	uint64_t seconds;
	int code = drain_seconds(a, d, plan->bytes, &seconds, err);

	if (code != ERR_NONE)
		return code;
	size_text(plan->bytes, bytes);
	size_text(plan->written_bytes, written);
	duration_text(seconds, time);
	out_line(inv->out, "would move %s, %s, off drive %s and write %s",
		 count_text(plan->objects, "object", count), bytes, d->name, written);
	if (plan->split > 0)
		out_line(inv->out, "would split %s that would be too wide for the drives left",
			 count_text(plan->split, "group", count));
	if (plan->homeless_objects > 0) {
		size_text(plan->homeless_bytes, bytes);
		out_warn(inv->out, "%" PRIu64 " of the objects, %s, would stay for want of space",
			 plan->homeless_objects, bytes);
		invocation_note(inv, EXIT_FULL);
	}
	out_line(inv->out, "as fast as it can be read that takes %s", time);
	out_json(inv->out, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "message_type",
				     "summary", "name", d->name, "objects_left",
				     (json_int_t)plan->homeless_objects, "objects",
				     (json_int_t)plan->objects, "bytes", (json_int_t)plan->bytes,
				     "bytes_written", (json_int_t)plan->written_bytes, "groups_split",
				     (json_int_t)plan->split, "seconds", (json_int_t)seconds,
				     "dry_run", 1));
	return ERR_NONE;
}

/* ---- after ---- */

static void report(struct invocation *inv, const char *name, const struct rebuild_result *r)
{
	char read[UNIT_TEXT_BYTES], written[UNIT_TEXT_BYTES];
	char count[COUNT_TEXT_BYTES], groups[COUNT_TEXT_BYTES];
	bool empty = r->waiting == 0 && r->beyond == 0;

	size_text(r->read_bytes, read);
	size_text(r->written_bytes, written);
	out_report(inv->out, "moved %s of %s off drive %s: read %s, wrote %s",
		   count_text(r->objects, "object", count), count_text(r->groups, "group", groups),
		   name, read, written);
	if (r->found > 0)
		out_report(inv->out, "%s had been moved before",
			   count_text(r->found, "object", count));
	if (r->beyond > 0)
		out_warn(inv->out, "%s damaged and left in place: see what `mrmr scrub` can repair",
			 count_is(r->beyond, "group", count));
	if (r->waiting > 0)
		out_warn(inv->out, "%s left in place for want of space or of drives that are away",
			 count_is(r->waiting, "group", count));
	if (r->rows_owed > 0)
		out_warn(inv->out, "%s owed: no drive can take more now",
			 count_is(r->rows_owed, "parity object", count));
	if (empty)
		out_report(inv->out, "drive %s holds nothing any more: `mrmr remove %s` forgets it", name,
			   name);
	out_json(inv->out, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}",
				     "message_type", "summary", "name", name, "groups",
				     (json_int_t)r->groups, "groups_split", (json_int_t)r->split,
				     "objects", (json_int_t)r->objects, "objects_found",
				     (json_int_t)r->found, "bytes_read", (json_int_t)r->read_bytes,
				     "bytes_written", (json_int_t)r->written_bytes,
				     "groups_damaged", (json_int_t)r->beyond, "groups_waiting",
				     (json_int_t)r->waiting, "rows_owed", (json_int_t)r->rows_owed,
				     "empty", empty));
	if (r->beyond > 0)
		invocation_note(inv, EXIT_LOST);
	if (r->waiting_for_space > 0)
		invocation_note(inv, EXIT_FULL);
	if (r->waiting > r->waiting_for_space)
		invocation_note(inv, EXIT_ABSENT);
}

static int drain_now(struct invocation *inv, struct array *a, struct array_drive *d,
		     struct error *err)
{
	struct progress *progress = progress_start(inv->out, "drain", err);
	struct rebuild_result r;
	int code;

	if (!progress)
		return (int)err->code;
	array_watch(a, progress_counters(progress));
	code = drain(a, d, progress_counters(progress), &r, err);
	array_watch(a, NULL);
	progress_stop(progress);
	if (code == ERR_NONE)
		report(inv, inv->args[0], &r);
	return code;
}

static int check(struct invocation *inv, struct array *a, struct array_drive *d,
		 struct drain_plan *plan, struct error *err)
{
	int code = drain_check(a, d, plan, err);

	if (code == ERR_ABSENT)
		invocation_advise(inv, "If it is gone for good, `mrmr rebuild %s` re-creates what it held.",
				  d->name);
	else if (code == ERR_FULL || code == ERR_USAGE)
		invocation_advise(inv, "`mrmr add` another drive first; `mrmr status` tells which have "
				       "room.");
	return code;
}

int cmd_drain(struct invocation *inv, struct error *err)
{
	bool dry = option_given(inv, "dry-run");
	struct array_drive *d = NULL;
	struct drain_plan plan;
	struct opened opened;
	struct array *a;
	int code = open_array(inv, dry ? OPEN_READ : OPEN_WRITE, &opened, &a, err);

	if (code == ERR_NONE)
		code = member_named(inv, a, &d, err);
	if (code == ERR_NONE)
		code = check(inv, a, d, &plan, err);
	if (code == ERR_NONE)
		code = dry ? tell_plan(inv, a, d, &plan, err) : drain_now(inv, a, d, err);
	array_close(a);
	opened_release(&opened);
	return code;
}
