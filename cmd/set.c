#include "array/settings.h"

#include "array/place.h"
#include "base/units.h"
#include "care/rebalance.h"
#include "cmd/commands.h"
#include "cmd/newdrive.h"
#include "cmd/open.h"
#include "cmd/out.h"
#include "cmd/progress.h"
#include "cmd/standing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What setting does to blocks that are stored already. */
struct level {
	bool named; /* parity, copies or width was given, the same as before or not */
	bool parity, width; /* which: parity or copies, width */
	bool joins; /* nothing is to be split: groups that became narrow are joined */
	struct policy wanted;
	struct debts_options options;
	struct debts_result planned, done;
	struct rebalance_result join_planned, join_done;
};

/* ---- what it says ---- */

#define WORK_TEXT_BYTES (4 * (COUNT_TEXT_BYTES + 16))

static void add_counts(json_t *o, const struct debts_result *r, const struct rebalance_result *j)
{
	const struct {
		const char *name;
		uint64_t value;
	} counts[] = {
		{ "bytes_read", r->read_bytes + j->read_bytes },
		{ "bytes_written", r->written_bytes + j->written_bytes },
		{ "rows_made", r->rows_made },
		{ "rows_dropped", r->rows_dropped + j->rows_dropped },
		{ "rows_owed", r->rows_owed },	     { "rows_waiting", r->rows_waiting },
		{ "groups_split", r->groups_split },
		{ "groups_made", r->groups_made + j->made },
		{ "groups_joined", j->joined },
		{ "extra_rows_made", r->extra_made },
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		json_object_set_new(o, counts[i].name, json_integer((json_int_t)counts[i].value));
}

static bool is_nothing(const struct debts_result *r)
{
	return r->read_bytes + r->written_bytes + r->rows_dropped + r->groups_split == 0;
}

static void say_joined(struct invocation *inv, const struct rebalance_result *j, bool dry)
{
	char read[UNIT_TEXT_BYTES], written[UNIT_TEXT_BYTES];
	char groups[COUNT_TEXT_BYTES], rows[COUNT_TEXT_BYTES];

	if (j->made == 0)
		return;
	size_text(j->read_bytes, read);
	size_text(j->written_bytes, written);
	out_report(inv->out, "%s %s, %s %s: %s joined into %" PRIu64 ", %s fewer",
		   dry ? "would read" : "read", read, dry ? "write" : "wrote", written,
		   count_text(j->joined, "group", groups), j->made,
		   count_text(j->rows_dropped, "row", rows));
}

/* "4 rows made, 2 groups split", of what there was. */
static const char *work_text(const struct debts_result *r, char out[WORK_TEXT_BYTES])
{
	const struct {
		uint64_t count;
		const char *word, *done;
	} parts[] = {
		{ r->rows_made, "row", "made" },
		{ r->rows_dropped, "row", "dropped" },
		{ r->groups_split, "group", "split" },
		{ r->groups_made, "group", "made" },
	};
	size_t len = 0;
	char count[COUNT_TEXT_BYTES];

	out[0] = '\0';
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i].count == 0)
			continue;
		len += (size_t)snprintf(out + len, WORK_TEXT_BYTES - len, "%s%s %s",
					len ? ", " : "",
					count_text(parts[i].count, parts[i].word, count),
					parts[i].done);
	}
	return out;
}

static void say_work(struct invocation *inv, const struct debts_result *r, bool dry)
{
	char read[UNIT_TEXT_BYTES], written[UNIT_TEXT_BYTES];
	char rows[COUNT_TEXT_BYTES], what[WORK_TEXT_BYTES];

	if (is_nothing(r))
		return;
	size_text(r->read_bytes, read);
	size_text(r->written_bytes, written);
	out_report(inv->out, "%s %s, %s %s: %s", dry ? "would read" : "read", read,
		   dry ? "write" : "wrote", written, work_text(r, what));
	if (r->extra_made > 0)
		out_report(inv->out, "%s %s more in room to spare", dry ? "would make" : "made",
			   count_text(r->extra_made, "row", rows));
}

static void report(struct invocation *inv, const struct level *level, bool dry)
{
	const struct debts_result *r = dry ? &level->planned : &level->done;
	const struct rebalance_result *j = dry ? &level->join_planned : &level->join_done;
	json_t *o = out_object("summary"), *changed = json_array();

	for (size_t i = 0; i < inv->args_count; i++) {
		out_report(inv->out, "%s%s", dry ? "would set " : "set ", inv->args[i]);
		json_array_append_new(changed, json_string(inv->args[i]));
	}
	json_object_set_new(o, "set", changed);
	json_object_set_new(o, "dry_run", json_boolean(dry));
	if (level->named) {
		say_work(inv, r, dry);
		say_joined(inv, j, dry);
		add_counts(o, r, j);
	}
	out_json(inv->out, o);
	if (level->named && r->rows_owed > 0)
		out_warn(inv->out, "%" PRIu64 " parity objects %s owed: no drive can take them now "
				   "(`mrmr status` tells what helps)",
			 r->rows_owed, dry ? "would be" : "are");
	if (level->width && r->rows_full > 0)
		invocation_note(inv, EXIT_FULL);
	if (level->named && r->rows_waiting > 0)
		out_warn(inv->out, "%" PRIu64 " parity objects stay until the drives that are away are "
				   "back", r->rows_waiting);
}

/* Of what two hosts set at the same time, the larger parity holds on both. */
static void tell_if_overruled(struct invocation *inv, const struct array *a,
			      const struct level *level)
{
	if (a->policy.parity != level->wanted.parity || a->policy.copies != level->wanted.copies)
		out_warn(inv->out, "another host set %s %u at the same time, and that holds",
			 a->policy.copies ? "copies" : "parity",
			 a->policy.copies ? a->policy.parity + 1 : a->policy.parity);
}

/* ---- whether it can be ---- */

static bool names_level(const struct invocation *inv, const char *name)
{
	for (size_t i = 0; i < inv->args_count; i++) {
		if (strncmp(inv->args[i], name, strlen(name)) == 0)
			return true;
	}
	return false;
}

static int free_bytes(struct array *a, uint64_t *sum, struct error *err)
{
	struct alloc_drive *view = calloc(a->count + 1, sizeof(*view));

	if (!view)
		return err_nomem(err);
	*sum = 0;
	place_view(a, view);
	for (unsigned i = 0; i < a->count; i++)
		*sum += view[i].usable ? view[i].free_bytes : 0;
	free(view);
	return ERR_NONE;
}

/* what: "parity", "copies" or "width". */
static int check_room(struct array *a, const char *what, unsigned number,
		      const struct debts_result *r, struct error *err)
{
	char needed[UNIT_TEXT_BYTES], room[UNIT_TEXT_BYTES];
	bool all_here = array_usable_count(a) == array_member_count(a);
	uint64_t sum = 0;
	int code;

	/* What waits for a drive that is away is owed until it is back. */
	if (r->rows_full == 0 && (r->rows_owed == 0 || !all_here))
		return ERR_NONE;
	code = free_bytes(a, &sum, err);
	if (code != ERR_NONE)
		return code;
	size_text(r->written_bytes + r->owed_bytes, needed);
	size_text(sum, room);
	return err_set(err, ERR_FULL,
		       "%s %u does not fit: %s more are needed, %s are free on all drives, and %" PRIu64
		       " of %" PRIu64 " parity objects find no drive that may take them: nothing was "
		       "changed",
		       what, number, needed, room, r->rows_owed, r->rows_owed + r->rows_made);
}

static bool is_narrower(const struct policy *p, const struct policy *was)
{
	return p->width > 0 && (was->width == 0 || p->width < was->width);
}

static int check_fits(struct array *a, const struct policy *was, const struct debts_result *r,
		      struct error *err)
{
	const struct policy *p = &a->policy;

	if (p->parity > was->parity || p->copies != was->copies)
		return check_room(a, p->copies ? "copies" : "parity",
				  p->copies ? p->parity + 1 : p->parity, r, err);
	return is_narrower(p, was) ? check_room(a, "width", p->width, r, err) : ERR_NONE;
}

/* Estimates with all as it shall be. */
static int plan_level(struct array *a, struct settings *s, struct level *level, struct error *err)
{
	struct policy was = a->policy;
	int code;

	settings_swap(s);
	level->wanted = a->policy;
	/* Copies come together when parity takes their place, or when that was asked for again. */
	level->options.gathers_mirrors = level->parity && !a->policy.copies &&
					 a->policy.parity > 0 && !a->policy.extra &&
					 (was.copies || a->policy.parity == was.parity);
	level->options.fits_width = level->width;
	code = debts_estimate(a, &level->options, &level->planned, err);
	if (code == ERR_NONE)
		code = check_fits(a, &was, &level->planned, err);
	level->joins = level->width && level->planned.groups_split == 0;
	if (code == ERR_NONE && level->joins)
		code = rebalance_widths(a, true, NULL, &level->join_planned, err);
	settings_swap(s);
	return code;
}

/* ---- doing it ---- */

static int settle(struct invocation *inv, struct array *a, struct level *level, struct error *err)
{
	struct progress *progress = progress_start(inv->out, "set", err);
	const struct debts_result *planned = &level->planned;
	int code;

	if (!progress)
		return (int)err->code;
	level->options.counters = progress_counters(progress);
	counters_total(level->options.counters, 0, planned->read_bytes + planned->written_bytes);
	array_watch(a, level->options.counters);
	code = debts_settle(a, &level->options, &level->done, err);
	if (code == ERR_NONE && level->joins)
		code = rebalance_widths(a, false, level->options.counters, &level->join_done, err);
	array_watch(a, NULL);
	progress_stop(progress);
	return code;
}

/* A path in an option of a drive is kept as an absolute one. */
static int set_one(struct settings *s, const char *assignment, struct error *err)
{
	const char *equals = strchr(assignment, '=');
	const char *dot = equals ? memrchr(assignment, '.', (size_t)(equals - assignment)) : NULL;
	char *key, *value = NULL, *made = NULL;
	int code;

	if (!dot)
		return settings_set(s, assignment, err);
	key = strndup(dot + 1, (size_t)(equals - dot - 1));
	code = key ? option_value_absolute(key, equals + 1, &value, err) : err_nomem(err);
	if (code == ERR_NONE &&
	    asprintf(&made, "%.*s=%s", (int)(equals - assignment), assignment, value) < 0) {
		made = NULL;
		code = err_nomem(err);
	}
	if (code == ERR_NONE)
		code = settings_set(s, made, err);
	free(key);
	free(value);
	free(made);
	return code;
}

static int set_all(struct invocation *inv, struct array *a, bool dry, struct error *err)
{
	struct level level = { .options = { .scope = DEBTS_THOROUGH, .extra = true } };
	struct settings *s = NULL;
	int code = settings_begin(a, &s, err);

	level.width = names_level(inv, "width=");
	level.parity = names_level(inv, "parity=") || names_level(inv, "copies=");
	level.named = level.width || level.parity;
	for (size_t i = 0; i < inv->args_count && code == ERR_NONE; i++)
		code = set_one(s, inv->args[i], err);
	if (code == ERR_NONE)
		code = settings_check(s, err);
	if (code == ERR_NONE && level.named)
		code = plan_level(a, s, &level, err);
	if (code == ERR_NONE && !dry)
		code = settings_apply(s, err);
	settings_end(s);
	if (code == ERR_NONE && !dry && level.named)
		code = settle(inv, a, &level, err);
	if (code == ERR_NONE)
		report(inv, &level, dry);
	if (code == ERR_NONE && !dry && level.named)
		tell_if_overruled(inv, a, &level);
	if (code == ERR_NONE && !dry && !level.named)
		code = open_pay_debts(inv, a, DEBTS_ALL, err);
	return code;
}

int cmd_set(struct invocation *inv, struct error *err)
{
	bool dry = option_given(inv, "dry-run");
	struct opened opened;
	struct array *a;
	int code = open_array(inv, dry ? OPEN_READ : OPEN_WRITE, &opened, &a, err);

	if (code == ERR_NONE)
		code = set_all(inv, a, dry, err);
	array_close(a);
	opened_release(&opened);
	return code;
}
