#include "cmd/standing.h"

#include "array/health.h"
#include "base/units.h"
#include "cmd/capacity.h"
#include "cmd/columns.h"
#include "cmd/commands.h"
#include "cmd/open.h"
#include "cmd/out.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAYING_BYTES (REMARK_BYTES + 512)
#define DEBT_BYTES (2 * COUNT_TEXT_BYTES + 2)

enum array_state { ARRAY_OPTIMAL, ARRAY_RECOVERING, ARRAY_DEGRADED, ARRAY_FAILED };

struct status {
	struct invocation *inv;
	struct array *a;
	struct drive_standing *drives; /* of each drive of the array */
	struct table_verification *verified; /* the same, and behind them the sum */
	struct health health;
	struct capacity capacity;
	struct lost_data lost;
	enum array_state state;
	/* Lists of sentences, and of objects; both the lines and the JSON are made of them. */
	json_t *meaning, *action, *shared;
};

static const char *state_word(enum array_state s)
{
	static const char *const words[] = { "optimal", "recovering", "degraded", "failed" };

	return words[s];
}

__attribute__((format(printf, 2, 3))) static void say(json_t *list, const char *fmt, ...)
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

/* ---- what it is ---- */

static bool any_drive(const struct status *s, enum standing standing)
{
	for (unsigned i = 0; i < s->a->count; i++) {
		if (s->drives[i].listed && s->drives[i].standing == standing)
			return true;
	}
	return false;
}

static bool is_lost(const struct status *s, unsigned i)
{
	return s->drives[i].listed && s->a->drives[i].record.state == DRIVE_LOST &&
	       s->a->drives[i].presence != DRIVE_REFUSED;
}

static bool is_gone(const struct status *s)
{
	return s->lost.bytes > 0 || s->lost.unknown_blocks > 0;
}

static enum array_state judge(const struct status *s)
{
	bool recovering = any_drive(s, STANDING_RECOVERING), other = false;

	if (s->health.lost > 0 || is_gone(s))
		return ARRAY_FAILED;
	for (unsigned i = 0; i < s->a->count; i++) {
		if (!s->drives[i].listed || s->drives[i].standing == STANDING_RECOVERING)
			continue;
		if (is_lost(s, i))
			recovering = true;
		else if (s->drives[i].standing != STANDING_DRAINING)
			other = other || s->drives[i].standing != STANDING_OPTIMAL;
	}
	if (other || s->a->fork_found)
		return ARRAY_DEGRADED;
	if (recovering)
		return ARRAY_RECOVERING;
	if (s->health.owed_rows > 0 || s->health.degraded > 0 || !s->health.promise_kept)
		return ARRAY_DEGRADED;
	return ARRAY_OPTIMAL;
}

static int take_shared(void *ctx, const struct shared_domain *d, struct error *err)
{
	struct status *s = ctx;
	json_t *o = json_object(), *names = json_array();

	for (unsigned i = 0; i < d->count; i++)
		json_array_append_new(names, json_string(s->a->drives[d->drives[i]].name));
	json_path_set(o, "domain", d->domain, strlen(d->domain));
	json_object_set_new(o, "drives", names);
	json_object_set_new(o, "groups_lost", json_integer((json_int_t)d->groups));
	json_object_set_new(o, "bytes_lost", json_integer((json_int_t)d->bytes));
	return json_array_append_new(s->shared, o) ? err_nomem(err) : ERR_NONE;
}

static int find_verified(struct status *s, struct error *err)
{
	int code = ERR_NONE;

	for (unsigned i = 0; i < s->a->count && code == ERR_NONE; i++) {
		if (!s->drives[i].listed)
			continue;
		code = verification_of(s->a, &s->a->drives[i], &s->verified[i], err);
		verification_add(&s->verified[s->a->count], &s->verified[i]);
	}
	return code;
}

static int find_out(struct status *s, struct error *err)
{
	int code = health_check(s->a, &s->health, err);

	s->drives = calloc(s->a->count ? s->a->count : 1, sizeof(*s->drives));
	s->verified = calloc(s->a->count + 1, sizeof(*s->verified));
	if (code == ERR_NONE && (!s->drives || !s->verified || !s->meaning || !s->action || !s->shared))
		code = err_nomem(err);
	for (unsigned i = 0; i < s->a->count && code == ERR_NONE; i++)
		code = standing_of(s->a, i, &s->drives[i], err);
	if (code == ERR_NONE)
		code = find_verified(s, err);
	if (code == ERR_NONE)
		code = capacity_of(s->a, &s->capacity, err);
	if (code == ERR_NONE)
		code = lost_data(s->a, &s->lost, err);
	if (code == ERR_NONE)
		code = shared_domains(s->a, take_shared, s, err);
	if (code == ERR_NONE)
		s->state = judge(s);
	return code;
}

/* ---- what it means ---- */

static void explain_drives(struct status *s)
{
	char remark[REMARK_BYTES], since[UNIT_TEXT_BYTES];

	for (unsigned i = 0; i < s->a->count; i++) {
		const struct drive_standing *d = &s->drives[i];

		if (!d->listed || d->standing == STANDING_OPTIMAL)
			continue;
		standing_remark(&s->a->drives[i], d, remark);
		standing_since(d, since);
		say(s->meaning, "%s is %s%s%s.%s%s%s", s->a->drives[i].name,
		    standing_word(d->standing), remark[0] ? ": " : "", remark,
		    since[0] ? " Since " : "", since, since[0] ? "." : "");
	}
	if (s->a->fork_found)
		say(s->meaning, "%s.", s->a->fork_why);
}

static void explain_spare(struct status *s)
{
	unsigned present = s->health.members - s->health.absent;
	int spare = s->health.least_spare;
	char count[COUNT_TEXT_BYTES];

	if (spare >= (int)present)
		spare = present > 0 ? (int)present - 1 : 0;
	/* Some group has two objects on one drive: not even what is promised may be lost. */
	if (s->health.weak > 0 && spare >= (int)s->a->policy.parity)
		spare = (int)s->a->policy.parity - 1;
	if (spare > 0)
		say(s->meaning, "Everything can be read, and the loss of any %s would lose nothing.",
		    count_text((uint64_t)spare, "drive", count));
	else
		say(s->meaning, "Everything can be read, but the loss of one more drive would lose "
				"data.");
}

static void explain(struct status *s)
{
	char size[UNIT_TEXT_BYTES], count[COUNT_TEXT_BYTES];

	explain_drives(s);
	if (s->health.lost > 0) {
		size_text(s->health.bytes_lost, size);
		say(s->meaning, "%s of data cannot be read with the drives at hand; everything else "
				"can.", size);
	}
	if (s->lost.unknown_blocks > 0)
		say(s->meaning, "%s that snapshots name cannot be found any more; everything else can "
				"be read.", count_text(s->lost.unknown_blocks, "block", count));
	if (s->lost.bytes > 0) {
		size_text(s->lost.bytes, size);
		say(s->meaning, "%s of data are beyond repair; everything else can be read.", size);
	}
	if (s->state != ARRAY_FAILED)
		explain_spare(s);
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
		say(s->action, "See what lies at the place of %s: mount the right one there.", d->name);
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

static void advise(struct status *s)
{
	for (unsigned i = 0; i < s->a->count; i++) {
		if (s->drives[i].listed)
			advise_drive(s, i);
	}
	if (is_gone(s))
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

/* ---- telling ---- */

static void print_list(struct status *s, const char *label, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));
		char escaped[SAYING_BYTES];

		out_escape(text ? text : "", escaped, sizeof(escaped));
		out_line(s->inv->out, "%-10s%s", i == 0 ? label : "", escaped);
	}
}

static void debt_text(const struct drive_standing *d, char out[DEBT_BYTES])
{
	char segments[COUNT_TEXT_BYTES], deletions[COUNT_TEXT_BYTES];

	count_text(d->owed_segments, "segment", segments);
	count_text(d->owed_deletions, "deletion", deletions);
	if (d->owed_segments > 0 && d->owed_deletions > 0)
		snprintf(out, DEBT_BYTES, "%s, %s", segments, deletions);
	else if (d->owed_segments > 0)
		snprintf(out, DEBT_BYTES, "%s", segments);
	else
		snprintf(out, DEBT_BYTES, "%s", d->owed_deletions > 0 ? deletions : "none");
}

static void add_drive_line(struct status *s, struct columns *c, unsigned i)
{
	const struct drive_standing *d = &s->drives[i];
	int64_t scrub_s = s->a->drives[i].last_scrub_s;
	char used[UNIT_TEXT_BYTES], left[UNIT_TEXT_BYTES] = "?", errors[UNIT_TEXT_BYTES];
	char debt[DEBT_BYTES], time[UNIT_TEXT_BYTES] = "never";

	size_text(d->used_bytes, used);
	if (d->knows_space)
		size_text(d->free_bytes, left);
	snprintf(errors, sizeof(errors), "%" PRIu64, d->errors);
	debt_text(d, debt);
	if (scrub_s)
		time_text(scrub_s, time);
	columns_add(c, (const char *[]){ s->a->drives[i].name, standing_word(d->standing), used, left,
					 errors, debt, time });
}

static int print_drives(struct status *s, struct error *err)
{
	struct columns c = { .count = 7, .right = 1 << 2 | 1 << 3 | 1 << 4 };

	columns_add(&c, (const char *[]){ "NAME", "STATE", "USED", "FREE", "ERRORS", "DEBT",
					  "LAST SCRUB" });
	for (unsigned i = 0; i < s->a->count; i++) {
		if (s->drives[i].listed)
			add_drive_line(s, &c, i);
	}
	out_line(s->inv->out, "drives:");
	return columns_print(&c, s->inv->out, 2, err);
}

static void print_shared(struct status *s)
{
	for (size_t i = 0; i < json_array_size(s->shared); i++) {
		const json_t *o = json_array_get(s->shared, i), *names = json_object_get(o, "drives");
		char list[DRIVES_MAX * (DRIVE_NAME_MAX + 2) + 1] = "", size[UNIT_TEXT_BYTES];

		for (size_t n = 0; n < json_array_size(names); n++)
			snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s",
				 n ? ", " : "", json_string_value(json_array_get(names, n)));
		size_text((uint64_t)json_integer_value(json_object_get(o, "bytes_lost")), size);
		out_line(s->inv->out, "%-10s%s are on %s: its failure would destroy %s of data",
			 i == 0 ? "together:" : "", list,
			 json_string_value(json_object_get(o, "domain")), size);
	}
}

static void print_verified(struct status *s)
{
	const struct table_verification *v = &s->verified[s->a->count];
	char text[VERIFICATION_TEXT_BYTES];

	verification_text(v, text);
	if (v->objects > 0)
		out_line(s->inv->out, "verified: %s", text);
}

static json_t *drive_json(struct status *s, unsigned i)
{
	json_t *o = standing_json(&s->a->drives[i], &s->drives[i], NULL);

	verification_set_json(o, &s->verified[i]);
	return o;
}

static void print_json(struct status *s)
{
	char id[ID_HEX_BYTES];
	const struct health *h = &s->health;
	json_t *o = out_object("status"), *drives = json_array();

	hex_encode(s->a->config.array_id.b, ID_BYTES, id);
	for (unsigned i = 0; i < s->a->count; i++) {
		if (s->drives[i].listed)
			json_array_append_new(drives, drive_json(s, i));
	}
	json_object_update_new(
		o, json_pack("{s:s, s:s, s:O, s:O, s:I, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, "
			     "s:b, s:b}",
			     "state", state_word(s->state), "array_id", id, "meaning", s->meaning,
			     "action", s->action, "parity", (json_int_t)s->a->policy.parity, "copies",
			     s->a->policy.copies, "members", (json_int_t)h->members, "absent",
			     (json_int_t)h->absent, "groups", (json_int_t)h->groups,
			     "groups_degraded", (json_int_t)h->degraded, "groups_lost",
			     (json_int_t)h->lost, "bytes_lost",
			     (json_int_t)(h->bytes_lost + s->lost.bytes), "rows_owed",
			     (json_int_t)h->owed_rows, "spare", h->least_spare, "promise_kept",
			     h->promise_kept, "fork", s->a->fork_found));
	capacity_add_json(&s->capacity, o);
	json_object_update_new(o, json_pack("{s:I, s:o, s:O}", "blocks_gone",
					    (json_int_t)s->lost.unknown_blocks, "drives", drives,
					    "shared_domains", s->shared));
	verification_set_json(o, &s->verified[s->a->count]);
	out_json(s->inv->out, o);
}

static int tell(struct status *s, struct error *err)
{
	int code;

	explain(s);
	advise(s);
	if (s->state != ARRAY_OPTIMAL)
		invocation_note(s->inv, EXIT_DEGRADED);
	if (s->inv->globals.json) {
		print_json(s);
		return ERR_NONE;
	}
	out_line(s->inv->out, "array:    %s", s->inv->globals.array);
	out_line(s->inv->out, "state:    %s", state_word(s->state));
	print_list(s, "status:", s->meaning);
	print_list(s, "action:", s->action);
	code = print_drives(s, err);
	capacity_print(&s->capacity, s->inv->out, s->health.absent == 0);
	print_verified(s);
	print_shared(s);
	return code;
}

int cmd_status(struct invocation *inv, struct error *err)
{
	struct status s = { .inv = inv };
	struct opened opened;
	int code = open_array(inv, OPEN_READ, &opened, &s.a, err);

	s.meaning = json_array();
	s.action = json_array();
	s.shared = json_array();
	if (code == ERR_NONE)
		code = find_out(&s, err);
	if (code == ERR_NONE)
		code = tell(&s, err);
	json_decref(s.meaning);
	json_decref(s.action);
	json_decref(s.shared);
	free(s.drives);
	free(s.verified);
	array_close(s.a);
	opened_release(&opened);
	return code;
}
