#include "care/rebuild.h"

#include "array/health.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "cmd/newdrive.h"
#include "cmd/open.h"
#include "cmd/out.h"
#include "cmd/progress.h"
#include "cmd/standing.h"
#include "cmd/traffic.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool taken(void *ctx, const char *name, const char *url)
{
	struct array *a = ctx;
	const struct array_drive *d = array_drive_by_name(a, name);
	bool same = d && d->url && strcmp(d->url, url) == 0;

	/* A rebuild that was cut off, or had to wait, or ended, left its new drive joining or a member:
	 * the same words find it again. */
	return d && !same && d->record.state != DRIVE_JOINING && d->record.state != 0;
}

static void report(struct invocation *inv, const struct array *a, const struct rebuild_result *r)
{
	char read[UNIT_TEXT_BYTES], written[UNIT_TEXT_BYTES];
	char count[COUNT_TEXT_BYTES], groups[COUNT_TEXT_BYTES];

	if (r->done_before)
		out_report(inv->out, "drive %s was rebuilt before: nothing of it is left to do",
			   inv->args[0]);
	size_text(r->read_bytes, read);
	size_text(r->written_bytes, written);
	out_report(inv->out, "rebuilt %s in %s: read %s, wrote %s",
		   count_text(r->objects, "object", count), count_text(r->groups, "group", groups),
		   read, written);
	if (r->found > 0)
		out_report(inv->out, "%s found there already", count_text(r->found, "object", count));
	if (r->beyond > 0)
		out_warn(inv->out, "%s beyond repair", count_is(r->beyond, "block", count));
	if (r->waiting > 0)
		out_warn(inv->out, "%s waiting for absent drives or for space",
			 count_is(r->waiting, "group", count));
	if (r->rows_owed > 0)
		out_warn(inv->out, "%s owed: no drive can take more now (`mrmr status` tells what helps)",
			 count_is(r->rows_owed, "parity object", count));
	out_json(inv->out, json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
				     "message_type", "summary", "groups", (json_int_t)r->groups, "objects",
				     (json_int_t)r->objects, "objects_found", (json_int_t)r->found,
				     "bytes_read", (json_int_t)r->read_bytes, "bytes_written",
				     (json_int_t)r->written_bytes, "blocks_lost",
				     (json_int_t)r->beyond, "groups_waiting",
				     (json_int_t)r->waiting, "rows_owed",
				     (json_int_t)r->rows_owed, "traffic", traffic_of_all_json(a)));
}

/* Takes --onto apart; drive is the caller's to release, if o->onto is set. */
static int fill_options(struct invocation *inv, struct array *a, struct new_drive *drive,
			struct rebuild_options *o, struct error *err)
{
	const char *onto = option_text(inv, "onto", NULL);
	int code;

	*o = (struct rebuild_options){ .name = inv->args_count > 0 ? inv->args[0] : NULL };
	if (!onto)
		return ERR_NONE;
	if (!o->name)
		return err_set(err, ERR_USAGE, "--onto needs the NAME of the lost drive");
	code = new_drive_parse(inv, onto, taken, a, drive, err);
	if (code != ERR_NONE)
		return code;
	o->onto = drive;
	return options_used_check(inv, drive, 1, err);
}

static int estimate(struct invocation *inv, struct array *a, const struct rebuild_options *o,
		    struct error *err)
{
	uint64_t objects = 0, bytes = 0;
	char size[UNIT_TEXT_BYTES], count[COUNT_TEXT_BYTES];
	struct health health;
	int code = rebuild_estimate(a, o, &objects, &bytes, err);

	if (code == ERR_NONE)
		code = health_check(a, &health, err);
	if (code != ERR_NONE)
		return code;
	size_text(bytes, size);
	out_line(inv->out, "would re-create %s, %s", count_text(objects, "object", count), size);
	if (health.owed_rows > 0)
		out_line(inv->out, "would make %" PRIu64 " parity objects that are owed, where drives "
				   "have room", health.owed_rows);
	out_json(inv->out, json_pack("{s:s, s:I, s:I, s:I, s:b}", "message_type", "summary", "objects",
				     (json_int_t)objects, "bytes_written", (json_int_t)bytes,
				     "rows_owed", (json_int_t)health.owed_rows, "dry_run", 1));
	return ERR_NONE;
}

static int rebuild_now(struct invocation *inv, struct array *a, struct rebuild_options *o,
		       struct error *err)
{
	struct progress *progress;
	struct rebuild_result r;
	struct health health;
	int code;

	progress = progress_start(inv->out, "rebuild", err);
	if (progress) {
		o->counters = progress_counters(progress);
		array_watch(a, o->counters);
		code = rebuild(a, o, &r, err);
		array_watch(a, NULL);
	} else {
		code = (int)err->code;
	}
	progress_stop(progress);
	if (code != ERR_NONE)
		return code;
	report(inv, a, &r);
	if (r.beyond > 0 || (o->name && r.waiting > r.waiting_for_space))
		invocation_note(inv, EXIT_LOST);
	if (o->name && r.waiting_for_space > 0)
		invocation_note(inv, EXIT_FULL);
	code = health_check(a, &health, err);
	if (code == ERR_NONE && !o->name && (health.absent > 0 || health.owed_rows > 0))
		invocation_note(inv, EXIT_DEGRADED);
	return code;
}

int cmd_rebuild(struct invocation *inv, struct error *err)
{
	bool dry = option_given(inv, "dry-run");
	struct rebuild_options o = { .onto = NULL };
	struct new_drive onto;
	struct opened opened;
	struct array *a;
	/* The one that is named may be the one that was rolled back. */
	unsigned flags = (inv->args_count > 0 ? OPEN_MENDS : 0) | (dry ? 0 : OPEN_WRITE) |
			 OPEN_REPAIRS;
	int code = open_array(inv, flags, &opened, &a, err);

	if (code == ERR_NONE)
		code = fill_options(inv, a, &onto, &o, err);
	if (code == ERR_NONE)
		code = dry ? estimate(inv, a, &o, err) : rebuild_now(inv, a, &o, err);
	if (o.onto)
		new_drive_release(&onto);
	array_close(a);
	opened_release(&opened);
	return code;
}
