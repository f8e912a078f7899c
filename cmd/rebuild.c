#include "care/rebuild.h"

#include "array/health.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "cmd/newdrive.h"
#include "cmd/open.h"
#include "cmd/out.h"
#include "cmd/progress.h"

#include <inttypes.h>
#include <stdlib.h>

static bool taken(void *ctx, const char *name)
{
	struct array *a = ctx;
	const struct array_drive *d = array_drive_by_name(a, name);

	/* A rebuild that was cut off left its new drive joining: the same words find it again. */
	return d && d->record.state != DRIVE_JOINING && d->record.state != 0;
}

static void report(struct invocation *inv, const struct rebuild_result *r)
{
	char read[UNIT_TEXT_BYTES], written[UNIT_TEXT_BYTES];

	if (r->done_before)
		out_report(inv->out, "drive %s was rebuilt before: nothing of it is left to do",
			   inv->args[0]);
	size_text(r->read_bytes, read);
	size_text(r->written_bytes, written);
	out_report(inv->out, "rebuilt %" PRIu64 " objects in %" PRIu64 " groups: read %s, wrote %s",
		   r->objects, r->groups, read, written);
	if (r->found > 0)
		out_report(inv->out, "%" PRIu64 " objects were there already", r->found);
	if (r->beyond > 0)
		out_warn(inv->out, "%" PRIu64 " blocks are beyond repair", r->beyond);
	if (r->waiting > 0)
		out_warn(inv->out, "%" PRIu64 " groups wait for absent drives or for space",
			 r->waiting);
	if (r->rows_owed > 0)
		out_warn(inv->out, "%" PRIu64 " parity objects are owed: no drive can take them now "
				   "(`mrmr status` tells what helps)", r->rows_owed);
	out_json(inv->out, json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "message_type",
				     "summary", "groups", (json_int_t)r->groups, "objects",
				     (json_int_t)r->objects, "objects_found", (json_int_t)r->found,
				     "bytes_read", (json_int_t)r->read_bytes, "bytes_written",
				     (json_int_t)r->written_bytes, "blocks_lost",
				     (json_int_t)r->beyond, "groups_waiting",
				     (json_int_t)r->waiting, "rows_owed",
				     (json_int_t)r->rows_owed));
}

static int estimate(struct invocation *inv, struct array *a, struct error *err)
{
	uint64_t objects = 0, bytes = 0;
	char size[UNIT_TEXT_BYTES];
	int code = ERR_NONE;

	if (inv->args_count > 0)
		code = rebuild_estimate(a, inv->args[0], &objects, &bytes, err);
	if (code != ERR_NONE)
		return code;
	size_text(bytes, size);
	out_line(inv->out, "would re-create %" PRIu64 " objects, %s", objects, size);
	out_json(inv->out, json_pack("{s:s, s:I, s:I}", "message_type", "summary", "objects",
				     (json_int_t)objects, "bytes_written", (json_int_t)bytes));
	return ERR_NONE;
}

static int rebuild_now(struct invocation *inv, struct array *a, struct error *err)
{
	const char *onto = option_text(inv, "onto", NULL);
	struct rebuild_options o = { .name = inv->args_count > 0 ? inv->args[0] : NULL };
	struct progress *progress;
	struct rebuild_result r;
	struct new_drive drive;
	struct health health;
	int code = ERR_NONE;

	if (onto && !o.name)
		return err_set(err, ERR_USAGE, "--onto needs the NAME of the lost drive");
	if (onto) {
		code = new_drive_parse(inv, onto, taken, a, &drive, err);
		if (code != ERR_NONE)
			return code;
		o.onto = &drive;
	}
	progress = progress_start(inv->out, "rebuild", err);
	o.counters = progress_counters(progress);
	code = rebuild(a, &o, &r, err);
	progress_stop(progress);
	if (onto)
		new_drive_release(&drive);
	if (code != ERR_NONE)
		return code;
	report(inv, &r);
	if (r.beyond > 0 || (o.name && r.waiting > r.waiting_for_space))
		invocation_note(inv, EXIT_LOST);
	if (o.name && r.waiting_for_space > 0)
		invocation_note(inv, EXIT_FULL);
	code = health_check(a, &health, err);
	if (code == ERR_NONE && !o.name && (health.absent > 0 || health.owed_rows > 0))
		invocation_note(inv, EXIT_DEGRADED);
	return code;
}

int cmd_rebuild(struct invocation *inv, struct error *err)
{
	bool dry = option_given(inv, "dry-run");
	struct opened opened;
	struct array *a;
	/* The one that is named may be the one that was rolled back. */
	unsigned flags = (inv->args_count > 0 ? OPEN_MENDS : 0) | (dry ? 0 : OPEN_WRITE);
	int code = open_array(inv, flags, &opened, &a, err);

	if (code == ERR_NONE)
		code = dry ? estimate(inv, a, err) : rebuild_now(inv, a, err);
	array_close(a);
	opened_release(&opened);
	return code;
}
