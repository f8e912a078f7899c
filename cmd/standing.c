#include "cmd/standing.h"

#include "array/domains.h"
#include "array/paces.h"
#include "base/drive_option.h"
#include "base/url.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RECENT_S ((int64_t)30 * 24 * 3600)

const char *role_word(uint8_t role)
{
	return role == ROLE_DATA ? "data" : role == ROLE_PARITY ? "parity" : "both";
}

const char *count_text(uint64_t count, const char *word, char out[COUNT_TEXT_BYTES])
{
	snprintf(out, COUNT_TEXT_BYTES, "%" PRIu64 " %s%s", count, word, count == 1 ? "" : "s");
	return out;
}

const char *count_is(uint64_t count, const char *word, char out[COUNT_TEXT_BYTES])
{
	count_text(count, word, out);
	snprintf(out + strlen(out), COUNT_TEXT_BYTES - strlen(out), " %s", count == 1 ? "is" : "are");
	return out;
}

void standing_remark(const struct array_drive *d, const struct drive_standing *s,
		     char out[REMARK_BYTES])
{
	char count[COUNT_TEXT_BYTES];

	out[0] = '\0';
	if (s->standing == STANDING_DISABLED)
		snprintf(out, REMARK_BYTES, "it counts as one of the drives that are away");
	else if (d->presence != DRIVE_PRESENT && d->presence != DRIVE_ABSENT)
		snprintf(out, REMARK_BYTES, "%s: %s", presence_word(d->presence), d->why);
	else if (d->record.state == DRIVE_LOST)
		snprintf(out, REMARK_BYTES, "declared lost, not all of it re-created yet");
	else if (s->standing == STANDING_ABSENT)
		snprintf(out, REMARK_BYTES, "%s%s", d->record.removable ? "removable: " : "", d->why);
	else if (s->standing == STANDING_DRAINING && s->objects == 0)
		snprintf(out, REMARK_BYTES, "it holds nothing any more");
	else if (s->standing == STANDING_DRAINING)
		snprintf(out, REMARK_BYTES, "%s left", count_text(s->objects, "object", count));
	else if (s->standing == STANDING_RECOVERING && d->record.state == DRIVE_JOINING)
		snprintf(out, REMARK_BYTES, "being filled by a rebuild");
	else if (s->standing == STANDING_RECOVERING && d->returned == RETURN_LOOKING)
		snprintf(out, REMARK_BYTES, "it was away and is being looked through");
	else if (s->standing == STANDING_RECOVERING)
		snprintf(out, REMARK_BYTES, "being brought up to date");
	else if (s->standing == STANDING_STALE)
		snprintf(out, REMARK_BYTES, "lacks %s",
			 count_text(s->owed_segments, "journal segment", count));
	else if (s->standing == STANDING_DEGRADED)
		snprintf(out, REMARK_BYTES, "%s", count_text(s->errors, "damaged object", count));
	else if (d->returned != RETURN_NONE)
		snprintf(out, REMARK_BYTES, "it was away, and nobody has looked through it yet");
}

static void add_note(char out[NOTES_BYTES], const char *what, const char *meaning)
{
	size_t used = strlen(out);

	snprintf(out + used, NOTES_BYTES - used, "%s%s%s%s", used ? "; " : "", what,
		 meaning[0] ? ": " : "", meaning);
}

const char *standing_notes(const struct array_drive *d, char out[NOTES_BYTES])
{
	struct drive_weakness w;

	out[0] = '\0';
	if (d->billed)
		add_note(out, "reading there is paid for", "");
	for (unsigned i = 0; drive_options_weakness(d->options_json, i, &w); i++)
		add_note(out, w.option, w.meaning);
	return out;
}

static json_t *weaknesses_json(const struct array_drive *d)
{
	json_t *list = json_array();
	struct drive_weakness w;

	for (unsigned i = 0; drive_options_weakness(d->options_json, i, &w); i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "option", w.option, "meaning",
						      w.meaning));
	return list;
}

const char *standing_since(const struct drive_standing *s, char out[UNIT_TEXT_BYTES])
{
	out[0] = '\0';
	if (s->standing != STANDING_OPTIMAL && s->since_s)
		time_text(s->since_s, out);
	return out;
}

static void set_number(json_t *o, const char *key, uint64_t value)
{
	json_object_set_new(o, key, json_integer((json_int_t)value));
}

uint64_t rate_of(uint64_t mib_us)
{
	return PACE_MIB * 1000000 / mib_us;
}

/* null where it is not known. */
static void set_pace(json_t *o, const struct pace *p)
{
	const struct {
		const char *key;
		uint64_t value;
	} rows[] = {
		{ "latency_us", p->latency_us },
		{ "read_bytes_per_second", p->read_mib_us ? rate_of(p->read_mib_us) : 0 },
		{ "write_bytes_per_second", p->write_mib_us ? rate_of(p->write_mib_us) : 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		json_object_set_new(o, rows[i].key, rows[i].value
							    ? json_integer((json_int_t)rows[i].value)
							    : json_null());
}

json_t *standing_json(const struct array_drive *d, const struct drive_standing *s,
		      const char *type)
{
	char hex[ID_HEX_BYTES], remark[REMARK_BYTES], time[UNIT_TEXT_BYTES];
	char *url = d->url ? url_redacted(d->url) : NULL;
	json_t *o = type ? out_object(type) : json_object();
	struct pace pace = drive_pace(d);

	hex_encode(d->id.b, ID_BYTES, hex);
	standing_remark(d, s, remark);
	json_object_set_new(o, "name", json_string(d->name));
	json_object_set_new(o, "drive_id", json_string(hex));
	json_object_set_new(o, "state", json_string(standing_word(s->standing)));
	json_object_set_new(o, "presence", json_string(presence_word(d->presence)));
	json_path_set(o, "remark", remark, strlen(remark));
	time_iso_text(s->since_s, time);
	json_object_set_new(o, "since", s->since_s ? json_string(time) : json_null());
	json_object_set_new(o, "was_away", json_boolean(d->returned != RETURN_NONE));
	json_object_set_new(o, "role", json_string(role_word(d->record.role)));
	json_object_set_new(o, "removable", json_boolean(d->record.removable));
	json_object_set_new(o, "egress_billed", json_boolean(d->billed));
	json_object_set_new(o, "weak_options", weaknesses_json(d));
	json_object_set_new(o, "journal", json_boolean(d->record.journal));
	json_object_set_new(o, "domain", json_string(drive_domain(d)));
	json_object_set_new(o, "url", json_null());
	if (url)
		json_path_set(o, "url", url, strlen(url));
	set_number(o, "objects", s->objects);
	set_number(o, "used_bytes", s->used_bytes);
	set_number(o, "extra_bytes", s->extra_bytes);
	json_object_set_new(o, "free_bytes", s->knows_space ? json_integer((json_int_t)s->free_bytes)
							    : json_null());
	set_number(o, "reserve_bytes", d->record.reserve_bytes);
	set_number(o, "max_bytes", d->record.max_bytes);
	set_number(o, "errors", s->errors);
	set_number(o, "damaged_ever", d->damaged_ever);
	set_number(o, "repaired_ever", d->repaired_ever);
	set_number(o, "owed_segments", s->owed_segments);
	set_number(o, "owed_deletions", s->owed_deletions);
	set_pace(o, &pace);
	set_number(o, "distance", d->distance);
	time_iso_text(d->last_scrub_s, time);
	json_object_set_new(o, "last_scrub", d->last_scrub_s ? json_string(time) : json_null());
	free(url);
	return o;
}

int verification_of(struct array *a, const struct array_drive *d, struct table_verification *out,
		    struct error *err)
{
	int64_t now = time(NULL);

	return table_verification(a->table, &d->id, now - RECENT_S, now, out, err);
}

void verification_add(struct table_verification *sum, const struct table_verification *v)
{
	sum->objects += v->objects;
	sum->bytes += v->bytes;
	sum->never_objects += v->never_objects;
	sum->never_bytes += v->never_bytes;
	sum->recent_bytes += v->recent_bytes;
	if (v->oldest_s != 0 && (sum->oldest_s == 0 || v->oldest_s < sum->oldest_s))
		sum->oldest_s = v->oldest_s;
}

void verification_set_json(json_t *o, const struct table_verification *v)
{
	char time[UNIT_TEXT_BYTES];
	double share = v->bytes > 0 ? (double)v->recent_bytes / (double)v->bytes : 1;

	time_iso_text(v->oldest_s, time);
	json_object_set_new(o, "oldest_verified", v->oldest_s ? json_string(time) : json_null());
	json_object_set_new(o, "verified_30d_share", json_real(share));
	set_number(o, "verified_30d_bytes", v->recent_bytes);
	set_number(o, "never_verified_bytes", v->never_bytes);
	set_number(o, "never_verified_objects", v->never_objects);
}

void verification_text(const struct table_verification *v, char out[VERIFICATION_TEXT_BYTES])
{
	char time[UNIT_TEXT_BYTES], oldest[UNIT_TEXT_BYTES + 16] = "", count[COUNT_TEXT_BYTES];
	char never[COUNT_TEXT_BYTES + 16] = "";
	/* Rounded down: 100 % is all. */
	unsigned percent = v->bytes > 0 ? (unsigned)((double)v->recent_bytes / (double)v->bytes * 100)
					: 100;

	if (v->oldest_s) {
		time_text(v->oldest_s, time);
		snprintf(oldest, sizeof(oldest), ", the oldest %s", time);
	}
	if (v->never_objects > 0)
		snprintf(never, sizeof(never), ", %s never",
			 count_text(v->never_objects, "object", count));
	snprintf(out, VERIFICATION_TEXT_BYTES, "%u %% within 30 days%s%s", percent, oldest, never);
}
