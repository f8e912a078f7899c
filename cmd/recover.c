#include "array/recover.h"

#include "archive/scan.h"
#include "array/config.h"
#include "array/health.h"
#include "care/debts.h"
#include "cmd/commands.h"
#include "cmd/newdrive.h"
#include "cmd/open.h"
#include "cmd/out.h"
#include "cmd/progress.h"
#include "cmd/standing.h"

#include <inttypes.h>
#include <stdlib.h>

static void report(struct invocation *inv, struct array *a, const struct health *h,
		   const char *config_path)
{
	const char *verb = option_given(inv, "dry-run") ? "would be" : "is";
	json_t *drives = json_array();
	char count[COUNT_TEXT_BYTES];

	for (unsigned i = 0; i < a->count; i++) {
		const struct array_drive *d = &a->drives[i];

		if (!drive_counts(d))
			continue;
		out_report(inv->out, "drive %s: %s", d->name, presence_word(d->presence));
		json_array_append_new(drives, json_pack("{s:s, s:s}", "name", d->name, "presence",
							presence_word(d->presence)));
	}
	out_report(inv->out, "array found again: %s, %u of them here; the config %s %s",
		   count_text(h->members, "drive", count), h->members - h->absent, verb, config_path);
	if (h->lost > 0)
		out_warn(inv->out, "%s cannot be read with the drives at hand",
			 count_text(h->lost, "group", count));
	out_json(inv->out, json_pack("{s:s, s:s, s:o, s:I}", "message_type", "summary", "config",
				     config_path, "drives", drives, "groups_unreadable",
				     (json_int_t)h->lost));
}

static int scan_now(struct invocation *inv, struct array *a, struct error *err)
{
	struct progress *progress = progress_start(inv->out, "scan", err);
	char blocks[COUNT_TEXT_BYTES], groups[COUNT_TEXT_BYTES], snapshots[COUNT_TEXT_BYTES];
	struct scan_result r;
	int code;

	if (!progress)
		return (int)err->code;
	array_watch(a, progress_counters(progress));
	code = scan(a, progress_counters(progress), &r, err);
	array_watch(a, NULL);
	progress_stop(progress);
	if (code != ERR_NONE)
		return code;
	out_report(inv->out,
		   "found %s in %s, %" PRIu64 " of them reconstructed, and %s",
		   count_text(r.blocks, "block", blocks), count_text(r.groups, "group", groups),
		   r.reconstructed, count_text(r.snapshots, "snapshot", snapshots));
	if (r.unreadable > 0)
		out_warn(inv->out, "%s damaged", count_is(r.unreadable, "object", blocks));
	if (r.missing > 0) {
		out_warn(inv->out, "%s on none of these drives and cannot be made from the others: "
				   "`mrmr get` names the files that this hits",
			 count_is(r.missing, "block", blocks));
		invocation_note(inv, EXIT_LOST);
	}
	if (r.snapshots_cut_off > 0)
		out_warn(inv->out, "%s left out: cut off, or not whole",
			 count_is(r.snapshots_cut_off, "snapshot", snapshots));
	return ERR_NONE;
}

static int collect(struct invocation *inv, struct recovery_place *places, struct error *err)
{
	struct new_drive *drives = calloc(inv->args_count, sizeof(*drives));
	int code = drives ? ERR_NONE : err_nomem(err);

	for (size_t i = 0; i < inv->args_count && code == ERR_NONE; i++) {
		code = place_parse(inv, inv->args[i], &places[i].url, &places[i].options_json, err);
		if (code != ERR_NONE)
			places[i] = (struct recovery_place){ .url = NULL };
		else
			drives[i].url = places[i].url;
	}
	if (code == ERR_NONE)
		code = options_used_check(inv, drives, inv->args_count, err);
	free(drives);
	return code;
}

int cmd_recover(struct invocation *inv, struct error *err)
{
	struct recovery_place *places = calloc(inv->args_count, sizeof(*places));
	struct opened opened;
	struct array *a = NULL;
	struct health health;
	bool scanning = option_given(inv, "scan"), store = !option_given(inv, "dry-run");
	int code = open_prepare(inv, &opened, err);

	if (code == ERR_NONE)
		code = places ? collect(inv, places, err) : err_nomem(err);
	opened.options.without_journal = scanning;
	if (code == ERR_NONE)
		code = array_recover(&opened.options, places, (unsigned)inv->args_count,
				     store && !scanning, &a, err);
	/* A scan that is cut off leaves no config, so that the same command can begin again. */
	if (code == ERR_NONE && scanning && store)
		code = scan_now(inv, a, err);
	if (code == ERR_NONE && scanning && store)
		code = array_store_config(a, err);
	if (code == ERR_NONE && scanning && store)
		code = debts_pay(a, DEBTS_ALL, NULL, err);
	if (code == ERR_NONE)
		code = health_check(a, &health, err);
	if (code == ERR_NONE)
		report(inv, a, &health, opened.config_path);
	array_close(a);
	opened_release(&opened);
	for (size_t i = 0; places && i < inv->args_count; i++) {
		free(places[i].url);
		free(places[i].options_json);
	}
	free(places);
	return code;
}
