#include "array/domains.h"
#include "array/paces.h"
#include "array/traffic.h"
#include "base/units.h"
#include "base/url.h"
#include "cmd/columns.h"
#include "cmd/commands.h"
#include "cmd/open.h"
#include "cmd/out.h"
#include "cmd/standing.h"
#include "cmd/traffic.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PACE_CELL_BYTES (UNIT_TEXT_BYTES + 16)

/* "31.2 MiB/s read"; "" when it is not known. */
static void rate_cell(uint64_t mib_us, const char *what, char out[PACE_CELL_BYTES])
{
	char size[UNIT_TEXT_BYTES];

	out[0] = '\0';
	if (mib_us == 0)
		return;
	size_text(rate_of(mib_us), size);
	snprintf(out, PACE_CELL_BYTES, "%s/s %s", size, what);
}

static void latency_cell(const struct pace *p, char out[PACE_CELL_BYTES])
{
	out[0] = '\0';
	if (p->latency_us > 0)
		snprintf(out, PACE_CELL_BYTES, "%.1f ms", (double)p->latency_us / 1000);
}

/* "3 retries", in this run. */
static void retries_cell(const struct array_drive *d, char out[PACE_CELL_BYTES])
{
	struct meter_reading r;
	uint64_t retries;

	drive_traffic(d, &r);
	retries = r.of[METER_RETRIES];

	out[0] = '\0';
	if (retries > 0)
		snprintf(out, PACE_CELL_BYTES, "%" PRIu64 " %s", retries,
			 retries == 1 ? "retry" : "retries");
}

static int add_line(struct columns *c, const struct array_drive *d, const struct drive_standing *s,
		    bool verbose, struct error *err)
{
	char used[UNIT_TEXT_BYTES], left[UNIT_TEXT_BYTES], remark[REMARK_BYTES];
	char used_cell[UNIT_TEXT_BYTES + 8], free_cell[UNIT_TEXT_BYTES + 8] = "";
	char since[UNIT_TEXT_BYTES], why[REMARK_BYTES + UNIT_TEXT_BYTES + NOTES_BYTES + 16];
	char latency[PACE_CELL_BYTES], reads[PACE_CELL_BYTES], writes[PACE_CELL_BYTES];
	char retries[PACE_CELL_BYTES], notes[NOTES_BYTES] = "";
	struct pace pace = drive_pace(d);
	char *url = url_redacted(d->url ? d->url : "");

	if (!url)
		return err_nomem(err);
	size_text(s->used_bytes, used);
	size_text(s->free_bytes, left);
	snprintf(used_cell, sizeof(used_cell), "%s used", used);
	if (s->knows_space)
		snprintf(free_cell, sizeof(free_cell), "%s free", left);
	standing_remark(d, s, remark);
	if (verbose)
		standing_notes(d, notes);
	standing_since(s, since);
	snprintf(why, sizeof(why), "%s%s%s%s%s%s", remark, since[0] ? " (since " : "", since,
		 since[0] ? ")" : "", (remark[0] || since[0]) && notes[0] ? "; " : "", notes);
	latency_cell(&pace, latency);
	rate_cell(pace.read_mib_us, "read", reads);
	rate_cell(pace.write_mib_us, "written", writes);
	retries_cell(d, retries);
	if (verbose)
		columns_add(c, (const char *[]){ d->name, standing_word(s->standing),
						 role_word(d->record.role), used_cell, free_cell,
						 latency, reads, writes, retries, url,
						 drive_domain(d), why });
	else
		columns_add(c, (const char *[]){ d->name, standing_word(s->standing),
						 role_word(d->record.role), used_cell, free_cell,
						 why });
	free(url);
	return ERR_NONE;
}

static int print_json(struct invocation *inv, struct array *a, const struct array_drive *d,
		      const struct drive_standing *s, struct error *err)
{
	struct table_verification v;
	struct meter_reading r;
	int code = verification_of(a, d, &v, err);
	json_t *o = standing_json(d, s, "drive");

	verification_set_json(o, &v);
	drive_traffic(d, &r);
	json_object_set_new(o, "retries", json_integer((json_int_t)r.of[METER_RETRIES]));
	json_object_set_new(o, "traffic",
			    d->handle ? traffic_json(&r, drive_is_remote(d)) : json_null());
	out_json(inv->out, o);
	return code;
}

static int list_drives(struct invocation *inv, struct array *a, struct error *err)
{
	bool verbose = inv->globals.verbose > 0;
	struct columns c = { .count = verbose ? 12 : 6,
			     .right = 1 << 3 | 1 << 4 |
				      (verbose ? 1u << 5 | 1u << 6 | 1u << 7 : 0) };
	int code = ERR_NONE;

	for (unsigned i = 0; i < a->count && code == ERR_NONE; i++) {
		struct drive_standing s;

		code = standing_of(a, i, &s, err);
		if (code != ERR_NONE || !s.listed)
			continue;
		if (inv->globals.json)
			code = print_json(inv, a, &a->drives[i], &s, err);
		else
			code = add_line(&c, &a->drives[i], &s, verbose, err);
	}
	if (code == ERR_NONE)
		return columns_print(&c, inv->out, 0, err);
	columns_release(&c);
	return code;
}

int cmd_drives(struct invocation *inv, struct error *err)
{
	struct opened opened;
	struct array *a;
	int code = open_array(inv, OPEN_READ, &opened, &a, err);

	if (code == ERR_NONE)
		code = list_drives(inv, a, err);
	array_close(a);
	opened_release(&opened);
	return code;
}
