#include "care/returned.h"

#include "array/health.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "cmd/open.h"
#include "cmd/out.h"
#include "cmd/progress.h"
#include "cmd/standing.h"
#include "cmd/traffic.h"

#include <inttypes.h>
#include <stdlib.h>

#define GRACE_DEFAULT_S ((uint64_t)24 * 3600)
#define REMEMBER_S 60

static int check_names(struct invocation *inv, struct array *a, const char **names,
		       struct error *err)
{
	const char *name;
	size_t i;

	for (i = 0; (name = option_nth(inv, "drive", i)); i++) {
		const struct array_drive *d = array_drive_by_name(a, name);

		if (!d)
			return err_set(err, ERR_USAGE, "there is no drive named %s", name);
		if (!d->handle || !drive_counts(d))
			return err_set(err, ERR_ABSENT, "drive %s is %s: %s", name,
				       presence_word(d->presence), d->why);
		names[i] = name;
	}
	names[i] = NULL;
	return ERR_NONE;
}

/* Without a grace nothing tells an orphan from what another writer is about to name. */
static int check_grace(struct invocation *inv, struct array *a, struct error *err)
{
	uint64_t writers;
	int code = table_writers(a->table, &writers, err);

	if (code == ERR_NONE && writers > 1 && option_number(inv, "grace", GRACE_DEFAULT_S) == 0)
		code = err_set(err, ERR_USAGE,
			       "--grace 0: %" PRIu64 " writers have a journal in the array, and one of "
			       "them may be storing something just now", writers);
	return code;
}

/* Those that were named and are no use, though there is something at their places. */
static int check_scrubbed(struct array *a, const char **names, const struct scrub_result *r,
			  struct error *err)
{
	for (size_t i = 0; names[i]; i++) {
		const struct array_drive *d = array_drive_by_name(a, names[i]);

		if (!r->drives[d - a->drives].scrubbed)
			return err_set(err, ERR_ABSENT, "drive %s is %s: %s", d->name,
				       presence_word(d->presence), d->why);
	}
	return ERR_NONE;
}

static void report_deep(struct invocation *inv, const struct scrub_result *r)
{
	char count[COUNT_TEXT_BYTES];

	out_report(inv->out, "%s compared with their members",
		   count_text(r->rows_compared, "row", count));
	if (r->rows_alone > 0)
		out_warn(inv->out, "%s could not be compared: members of their groups are not at hand, "
				   "or damaged", count_text(r->rows_alone, "row", count));
	if (r->wrong_rows > 0)
		out_warn(inv->out, "%s wrong: not what the members make",
			 count_text(r->wrong_rows, "row", count));
	if (r->unopened > 0)
		out_warn(inv->out, "%s of the right bytes cannot be opened: no parity mends that",
			 count_text(r->unopened, "block", count));
}

static void report(struct invocation *inv, const struct array *a, const struct scrub_result *r)
{
	char bytes[UNIT_TEXT_BYTES], orphans[UNIT_TEXT_BYTES], count[COUNT_TEXT_BYTES];
	json_t *o = out_object("summary"), *drives = json_array();

	if (r->left > 0)
		out_report(inv->out, "%s left for another time%s", count_is(r->left, "object", count),
			   r->out_of_time ? ": the time is up" : "");
	for (unsigned i = 0; i < a->count; i++) {
		const struct scrub_drive *d = &r->drives[i];

		if (!d->scrubbed)
			continue;
		size_text(d->bytes, bytes);
		out_report(inv->out,
			   "drive %s: %s, %s verified, %" PRIu64 " damaged, %" PRIu64 " repaired",
			   a->drives[i].name, count_text(d->objects, "object", count), bytes,
			   d->damaged, d->repaired);
		json_array_append_new(drives,
				      json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:b}", "name",
						a->drives[i].name, "objects",
						(json_int_t)d->objects, "bytes",
						(json_int_t)d->bytes, "damaged",
						(json_int_t)d->damaged, "repaired",
						(json_int_t)d->repaired, "left",
						(json_int_t)d->left, "complete",
						d->left == 0));
	}
	size_text(r->orphan_bytes, orphans);
	if (r->orphans > 0)
		out_report(inv->out,
			   "%s (%s) in no snapshot, %" PRIu64 " of them deleted",
			   count_text(r->orphans, "object", count), orphans, r->swept);
	if (option_given(inv, "deep"))
		report_deep(inv, r);
	if (r->damaged == 0 && r->objects > 0)
		out_report(inv->out, "no damage found");
	else if (r->damaged == r->repaired)
		out_report(inv->out, "all damage repaired");
	if (r->lost_blocks > 0)
		out_warn(inv->out, "%s beyond repair: the next put stores what it still finds of the "
				   "files anew", count_is(r->lost_blocks, "block", count));
	json_object_set_new(o, "drives", drives);
	json_object_set_new(o, "objects", json_integer((json_int_t)r->objects));
	json_object_set_new(o, "bytes", json_integer((json_int_t)r->bytes));
	json_object_set_new(o, "damaged", json_integer((json_int_t)r->damaged));
	json_object_set_new(o, "repaired", json_integer((json_int_t)r->repaired));
	json_object_set_new(o, "left", json_integer((json_int_t)r->left));
	json_object_set_new(o, "complete", json_boolean(r->left == 0));
	json_object_set_new(o, "unopened", json_integer((json_int_t)r->unopened));
	json_object_set_new(o, "wrong_rows", json_integer((json_int_t)r->wrong_rows));
	json_object_set_new(o, "rows_compared", json_integer((json_int_t)r->rows_compared));
	json_object_set_new(o, "rows_alone", json_integer((json_int_t)r->rows_alone));
	json_object_set_new(o, "lost_blocks", json_integer((json_int_t)r->lost_blocks));
	json_object_set_new(o, "orphans", json_integer((json_int_t)r->orphans));
	json_object_set_new(o, "swept", json_integer((json_int_t)r->swept));
	json_object_set_new(o, "traffic", traffic_of_all_json(a));
	out_json(inv->out, o);
}

/* It compared every name, and read more than a look at a drive that was away would. */
static void note_looked(struct array *a, const struct scrub_options *o,
			const struct scrub_result *r)
{
	bool draws = !o->choice.only_new && !o->choice.only_older && !r->out_of_time;

	for (unsigned i = 0; i < a->count && o->repair; i++) {
		if (r->drives[i].scrubbed && (draws || r->drives[i].left == 0))
			returned_done(a, &a->drives[i]);
	}
}

static struct roll_choice choice(const struct invocation *inv)
{
	uint64_t age_s = option_number(inv, "older-than", 0);

	return (struct roll_choice){ .percent = (unsigned)option_number(inv, "percent", 0),
				     .only_new = option_given(inv, "new"),
				     .only_older = option_given(inv, "older-than"),
				     .older_than_s = age_s > INT64_MAX / 2 ? INT64_MAX / 2
									   : (int64_t)age_s };
}

static int scrub_now(struct invocation *inv, struct array *a, const char **names,
		     struct error *err)
{
	struct scrub_options o = { .grace_s = (int64_t)option_number(inv, "grace", GRACE_DEFAULT_S),
				   .drives = names[0] ? names : NULL,
				   .deep = option_given(inv, "deep"),
				   .choice = choice(inv),
				   .has_max_time = option_given(inv, "max-time"),
				   .max_time_s = option_number(inv, "max-time", 0),
				   .remember_s = REMEMBER_S };
	struct scrub_result *r = malloc(sizeof(*r));
	struct progress *progress;
	int code;

	if (!r)
		return err_nomem(err);
	o.repair = !option_given(inv, "no-repair") && !option_given(inv, "dry-run");
	progress = progress_start(inv->out, "scrub", err);
	if (progress) {
		o.counters = progress_counters(progress);
		array_watch(a, o.counters);
		code = scrub(a, &o, r, err);
		array_watch(a, NULL);
	} else {
		code = (int)err->code;
	}
	progress_stop(progress);
	if (code == ERR_NONE) {
		report(inv, a, r);
		note_looked(a, &o, r);
		if (r->damaged > 0)
			invocation_note(inv, r->damaged == r->repaired ? EXIT_REPAIRED
								       : EXIT_UNREPAIRED);
		code = check_scrubbed(a, names, r, err);
	}
	free(r);
	return code;
}

int cmd_scrub(struct invocation *inv, struct error *err)
{
	bool writes = !option_given(inv, "no-repair") && !option_given(inv, "dry-run");
	const char **names = calloc(inv->options_count + 1, sizeof(*names));
	struct opened opened = { .inv = NULL };
	struct array *a = NULL;
	unsigned flags = OPEN_MENDS | OPEN_HEALS | OPEN_NO_LOOK | (writes ? OPEN_WRITE : 0);
	int code = names ? open_array(inv, flags, &opened, &a, err) : err_nomem(err);

	if (code == ERR_NONE)
		code = check_names(inv, a, names, err);
	if (code == ERR_NONE)
		code = check_grace(inv, a, err);
	if (code == ERR_NONE)
		code = scrub_now(inv, a, names, err);
	if (code == ERR_NONE && writes)
		code = open_pay_debts(inv, a, DEBTS_IN_PLACE, err);
	array_close(a);
	opened_release(&opened);
	free(names);
	return code;
}
