#include "cmd/status.h"

#include "base/drive_option.h"
#include "base/units.h"
#include "cmd/columns.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DEBT_BYTES (2 * COUNT_TEXT_BYTES + 2)

static const char *state_word(enum array_state s)
{
	static const char *const words[] = { "optimal", "recovering", "degraded", "failed" };

	return words[s];
}

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

/* What holds of drives though they are optimal. */
static void print_weak(struct status *s)
{
	const char *label = "options:";
	struct drive_weakness w;

	for (unsigned i = 0; i < s->a->count; i++) {
		const struct array_drive *d = &s->a->drives[i];

		for (unsigned n = 0; s->drives[i].listed &&
				     drive_options_weakness(d->options_json, n, &w); n++) {
			out_line(s->inv->out, "%-10s%s has %s: %s", label, d->name, w.option,
				 w.meaning);
			label = "";
		}
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

	json_object_set_new(o, "bytes_needed", json_integer((json_int_t)s->health.bytes_on[i]));
	verification_set_json(o, &s->verified[i]);
	return o;
}

void status_print_json(struct status *s)
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
		o, json_pack("{s:s, s:s, s:O, s:O, s:I, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, "
			     "s:b, s:b}",
			     "state", state_word(s->state), "array_id", id, "meaning", s->meaning,
			     "action", s->action, "parity", (json_int_t)s->a->policy.parity, "parity_max",
			     s->a->policy.extra, "copies", s->a->policy.copies, "members", (json_int_t)h->members, "absent",
			     (json_int_t)h->absent, "groups", (json_int_t)h->groups,
			     "groups_degraded", (json_int_t)h->degraded, "groups_lost",
			     (json_int_t)h->lost, "bytes_lost",
			     (json_int_t)(h->bytes_lost + s->lost.bytes), "rows_owed",
			     (json_int_t)h->owed_rows, "spare", h->least_spare, "promise_kept",
			     h->promise_kept, "fork", s->a->fork_found));
	json_object_update_new(o, json_pack("{s:i, s:I, s:b}", "spare_attached",
					    s->attached.least_spare, "bytes_lost_attached",
					    (json_int_t)(s->attached.bytes_lost + s->lost.bytes),
					    "promise_kept_attached", s->attached.promise_kept));
	capacity_add_json(&s->capacity, o);
	json_object_update_new(o, json_pack("{s:I, s:o, s:O, s:O}", "blocks_gone",
					    (json_int_t)s->lost.unknown_blocks, "drives", drives,
					    "shared_domains", s->shared, "shared_help", s->help));
	verification_set_json(o, &s->verified[s->a->count]);
	out_json(s->inv->out, o);
}

int status_print(struct status *s, struct error *err)
{
	int code;

	out_line(s->inv->out, "array:    %s", s->inv->globals.array);
	out_line(s->inv->out, "state:    %s", state_word(s->state));
	print_list(s, "status:", s->meaning);
	print_list(s, "action:", s->action);
	code = print_drives(s, err);
	capacity_print(&s->capacity, s->inv->out, s->health.absent == 0);
	print_verified(s);
	status_print_shared(s);
	print_weak(s);
	return code;
}
