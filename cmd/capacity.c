#include "cmd/capacity.h"

#include "base/units.h"

#include <stdio.h>

#define LABEL "%-10s"
#define CLAUSE_BYTES (2 * UNIT_TEXT_BYTES + 64)

static void print_now(const struct capacity *c, struct out *out, bool all_here)
{
	char raw[UNIT_TEXT_BYTES], data[UNIT_TEXT_BYTES], rows[UNIT_TEXT_BYTES];
	char usable[UNIT_TEXT_BYTES], left[UNIT_TEXT_BYTES];

	size_text(c->raw_bytes, raw);
	size_text(c->stored_bytes - c->row_bytes, data);
	size_text(c->row_bytes, rows);
	size_text(c->now.usable_bytes, usable);
	size_text(c->now.free_bytes, left);
	out_line(out, LABEL "%s of data with the drives at hand, %s of it free%s", "capacity:", usable,
		 left, all_here ? "" : ", more when all are back");
	out_line(out, LABEL "they have %s in all: %s hold data, %s parity", "", raw, data, rows);
}

static void print_extra(const struct capacity *c, struct out *out)
{
	char extra[UNIT_TEXT_BYTES];

	if (c->extra_bytes == 0)
		return;
	size_text(c->extra_bytes, extra);
	out_line(out, LABEL "%s of the parity is extra, in room to spare: it gives way to data", "",
		 extra);
}

static void other_clause(const struct capacity_at *at, char out[CLAUSE_BYTES])
{
	char usable[UNIT_TEXT_BYTES], left[UNIT_TEXT_BYTES];

	size_text(at->usable_bytes, usable);
	size_text(at->free_bytes, left);
	snprintf(out, CLAUSE_BYTES, "%s (%s free) with parity %u", usable, left, at->parity);
}

static void print_others(const struct capacity *c, struct out *out)
{
	char less[CLAUSE_BYTES] = "", more[CLAUSE_BYTES] = "";

	if (c->less.possible)
		other_clause(&c->less, less);
	if (c->more.possible)
		other_clause(&c->more, more);
	if (less[0] || more[0])
		out_line(out, LABEL "it would be %s%s%s", "", less, less[0] && more[0] ? ", " : "",
			 more);
}

static void print_idle(const struct capacity *c, struct out *out)
{
	char idle[UNIT_TEXT_BYTES], help[UNIT_TEXT_BYTES];

	if (c->idle_bytes <= c->now.usable_bytes / 100)
		return;
	size_text(c->idle_bytes, idle);
	size_text(c->help_bytes, help);
	out_line(out, LABEL "%s can never be protected: too few other drives are as large", "", idle);
	if (c->help_drives == 1)
		out_line(out, LABEL "a further drive of %s would make it usable, or parity 0", "", help);
	else if (c->help_drives > 1)
		out_line(out, LABEL "%u further drives of %s would make it usable, or parity 0", "",
			 c->help_drives, help);
}

void capacity_print(const struct capacity *c, struct out *out, bool all_here)
{
	if (!c->known) {
		out_line(out, LABEL "unknown: not all drives tell their size", "capacity:");
		return;
	}
	print_now(c, out, all_here);
	print_extra(c, out);
	print_others(c, out);
	print_idle(c, out);
}

static void add_at(json_t *o, const char *name, const struct capacity_at *at)
{
	json_object_set_new(o, name,
			    at->possible ? json_pack("{s:i, s:I, s:I}", "parity", (int)at->parity,
						     "capacity_bytes", (json_int_t)at->usable_bytes,
						     "free_bytes", (json_int_t)at->free_bytes)
					 : json_null());
}

void capacity_add_json(const struct capacity *c, json_t *o)
{
	json_object_update_new(
		o, json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:I}", "capacity_known",
			     c->known, "capacity_bytes", (json_int_t)c->now.usable_bytes,
			     "capacity_free_bytes", (json_int_t)c->now.free_bytes,
			     "capacity_idle_bytes", (json_int_t)c->idle_bytes, "raw_bytes",
			     (json_int_t)c->raw_bytes, "stored_bytes", (json_int_t)c->stored_bytes,
			     "parity_bytes", (json_int_t)c->row_bytes, "extra_bytes",
			     (json_int_t)c->extra_bytes, "help_drives",
			     (int)c->help_drives, "help_drive_bytes", (json_int_t)c->help_bytes));
	add_at(o, "with_parity_less", &c->less);
	add_at(o, "with_parity_more", &c->more);
}
