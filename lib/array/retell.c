#include "array/retell.h"

#include "array/key_objects.h"
#include "table/record.h"

#include <stdlib.h>

struct retelling {
	struct table_drive *drives; /* that the table knows */
	size_t drive_count;
	struct slot_facts slots;
};

static bool knows_drive(const struct retelling *r, const struct id *id)
{
	for (size_t i = 0; i < r->drive_count; i++) {
		if (id_equal(&r->drives[i].record.id, id))
			return true;
	}
	return false;
}

static bool adds_drive(const struct retelling *r, struct reader body)
{
	struct drive_record d;
	struct error ignored;

	return parse_drive(body, &d, &ignored) == ERR_NONE && !knows_drive(r, &d.id);
}

static bool adds_access(const struct retelling *r, struct reader body)
{
	char *url, *options_json;
	struct error ignored;
	struct id id;

	if (parse_access(body, &id, &url, &options_json, &ignored) != ERR_NONE)
		return false;
	free(url);
	free(options_json);
	return !knows_drive(r, &id);
}

static bool adds_slot(const struct retelling *r, struct reader body)
{
	struct error ignored;
	struct id id;
	bool present;

	return parse_slot(body, &id, &present, &ignored) == ERR_NONE && present &&
	       slot_fact_of(&r->slots, &id) == SLOT_UNKNOWN;
}

static bool adds(const struct retelling *r, uint64_t type, bool mandatory, struct reader body)
{
	switch (type) {
	case RECORD_SERIES:
	case RECORD_BLOCK:
	case RECORD_INLINE:
	case RECORD_GROUP:
	case RECORD_ROWS:
	case RECORD_MOVE:
	case RECORD_SUPERSEDED:
	case RECORD_SNAPSHOT:
	case RECORD_FOLDER:
	case RECORD_CONTENT:
	case RECORD_COMMIT:
		return true;
	case RECORD_DRIVE:
		return adds_drive(r, body);
	case RECORD_ACCESS:
		return adds_access(r, body);
	case RECORD_SLOT:
		return adds_slot(r, body);
	case RECORD_POLICY:
	case RECORD_INTENT:
	case RECORD_INTENT_END:
	case RECORD_FOSSIL:
	case RECORD_ACK:
	case RECORD_RETIRE:
	case RECORD_SINCE:
	case RECORD_EXTRA:
	case RECORD_SCRUB:
	case RECORD_GARBAGE:
	case RECORD_LOST:
	case RECORD_VERIFIED:
	case RECORD_VERSION:
	case RECORD_DICTIONARY:
	case RECORD_SETTLED:
		return false;
	default:
		return !mandatory; /* of a newer mrmr: kept for those who know it */
	}
}

/* A compacted segment says before each part which number it had. */
static int next_part(struct reader body, uint64_t from, bool *wanted, struct error *err)
{
	struct clock known = { 0 };
	struct hash writer;
	uint64_t seq, rank;
	int code = parse_version(body, &writer, &seq, &rank, &known, err);

	*wanted = code == ERR_NONE && seq >= from;
	clock_release(&known);
	return code;
}

int retell(struct array *a, const struct segment *s, uint64_t from, struct buf *records,
	   struct error *err)
{
	struct reader all = reader_of(s->records.data, s->records.len_bytes);
	struct retelling r = { .drives = NULL };
	bool mandatory, wanted = s->kind == SEGMENT_PLAIN;
	struct reader body;
	uint64_t type;
	int code = table_drives(a->table, &r.drives, &r.drive_count, err);

	if (code == ERR_NONE)
		code = slot_facts_load(a->table, &r.slots, err);
	while (code == ERR_NONE && record_next(&all, &type, &mandatory, &body)) {
		struct buf copy = { 0 };

		if (type == RECORD_VERSION)
			code = next_part(body, from, &wanted, err);
		if (code != ERR_NONE || !wanted || !adds(&r, type, mandatory, body))
			continue;
		buf_add(&copy, body.at, body.left_bytes);
		record_add(records, type, mandatory, &copy);
		buf_release(&copy);
	}
	if (code == ERR_NONE && records->failed)
		code = err_nomem(err);
	table_drives_free(r.drives, r.drive_count);
	slot_facts_release(&r.slots);
	return code;
}
