#include "care/rebalance.h"

#include "base/units.h"
#include "cmd/commands.h"
#include "cmd/open.h"
#include "cmd/out.h"
#include "cmd/progress.h"
#include "cmd/standing.h"

#include <inttypes.h>

static void report_numbers(struct invocation *inv, const struct rebalance_result *r, bool dry)
{
	out_json(inv->out,
		 json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b}",
			   "message_type", "summary", "groups_joined", (json_int_t)r->joined,
			   "groups_made", (json_int_t)r->made, "rows_dropped",
			   (json_int_t)r->rows_dropped, "objects_moved", (json_int_t)r->moved,
			   "bytes_moved", (json_int_t)r->moved_bytes, "groups_split",
			   (json_int_t)r->split, "groups_crowded", (json_int_t)r->crowded, "rows_made",
			   (json_int_t)r->debts.rows_made, "extra_rows_made",
			   (json_int_t)r->debts.extra_made, "rows_owed",
			   (json_int_t)r->debts.rows_owed, "objects_deleted",
			   (json_int_t)r->debts.objects_swept, "bytes_read",
			   (json_int_t)r->read_bytes, "bytes_written",
			   (json_int_t)r->written_bytes, "groups_failed", (json_int_t)r->failed,
			   "work_remains", r->work_remains, "dry_run", dry));
}

static void report(struct invocation *inv, const struct rebalance_result *r, bool dry)
{
	char read[UNIT_TEXT_BYTES], written[UNIT_TEXT_BYTES], moved[UNIT_TEXT_BYTES];
	char count[COUNT_TEXT_BYTES], groups[COUNT_TEXT_BYTES];

	size_text(r->read_bytes, read);
	size_text(r->written_bytes, written);
	size_text(r->moved_bytes, moved);
	if (r->debts.rows_made > 0)
		out_report(inv->out, dry ? "would make %" PRIu64 " parity objects that are owed"
					 : "%" PRIu64 " parity objects that were owed are made",
			   r->debts.rows_made);
	if (r->debts.extra_made > 0)
		out_report(inv->out, "%s %s more in room to spare", dry ? "would make" : "made",
			   count_text(r->debts.extra_made, "row", count));
	if (r->made > 0)
		out_report(inv->out,
			   "%s%s into %" PRIu64 ": %s fewer", dry ? "would join " : "joined ",
			   count_text(r->joined, "group", groups), r->made,
			   count_text(r->rows_dropped, "parity object", count));
	if (r->moved > 0)
		out_report(inv->out, "%s%s to other drives, %s", dry ? "would move " : "moved ",
			   count_text(r->moved, "object", count), moved);
	if (r->split > 0)
		out_report(inv->out, "%s%s too wide for the domains there are",
			   dry ? "would split " : "split ", count_text(r->split, "group", count));
	if (r->made + r->moved + r->split + r->debts.rows_made + r->debts.extra_made == 0 &&
	    !r->work_remains)
		out_report(inv->out, dry ? "would change nothing" : "nothing to rebalance");
	else
		out_report(inv->out, dry ? "would read %s and write %s" : "read %s, wrote %s", read,
			   written);
	if (r->debts.rows_owed > 0)
		out_warn(inv->out, "%s owed: no drive can take more now (`mrmr status` tells what helps)",
			 count_is(r->debts.rows_owed, "parity object", count));
	if (r->crowded > 0)
		out_warn(inv->out, "%s with more in one domain than may be lost there: other domains "
				   "have too few drives, or no room, now",
			 count_text(r->crowded, "group", count));
	if (r->failed > 0)
		out_warn(inv->out, "%s left as before (`mrmr scrub` repairs what is damaged)",
			 count_text(r->failed, "group", count));
	if (r->work_remains)
		out_report(inv->out, "stopped at the limit: the same command goes on from here");
	report_numbers(inv, r, dry);
}

static int rebalance_now(struct invocation *inv, struct array *a, struct error *err)
{
	struct rebalance_options o = {
		.max_time_s = option_number(inv, "max-time", REBALANCE_UNLIMITED),
		.max_bytes = option_number(inv, "max-bytes", REBALANCE_UNLIMITED),
		.dry_run = option_given(inv, "dry-run"),
	};
	struct rebalance_result r;
	struct progress *progress;
	int code;

	progress = progress_start(inv->out, "rebalance", err);
	if (progress) {
		o.counters = progress_counters(progress);
		array_watch(a, o.counters);
		code = rebalance(a, &o, &r, err);
		array_watch(a, NULL);
	} else {
		code = (int)err->code;
	}
	progress_stop(progress);
	if (code != ERR_NONE)
		return code;
	report(inv, &r, o.dry_run);
	if (r.work_remains)
		invocation_note(inv, EXIT_WORK_REMAINS);
	return ERR_NONE;
}

int cmd_rebalance(struct invocation *inv, struct error *err)
{
	bool dry = option_given(inv, "dry-run");
	struct opened opened;
	struct array *a;
	int code = open_array(inv, dry ? OPEN_READ : OPEN_WRITE, &opened, &a, err);

	if (code == ERR_NONE)
		code = rebalance_now(inv, a, err);
	array_close(a);
	opened_release(&opened);
	return code;
}
