/* The array as a whole: policy, drives and how they are reached, key slots, writers, scrubs. */
#include "table/table_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- replay ---- */

int replay_policy(struct replay *r, const struct record *rec, struct error *err)
{
	struct policy p;
	int code = parse_policy(rec->body, &p, err);

	return code == ERR_NONE ? fact_set(r, rec, "", 0, err) : code;
}

int replay_extra(struct replay *r, const struct record *rec, struct error *err)
{
	bool extra;
	int code = parse_extra(rec->body, &extra, err);

	return code == ERR_NONE ? fact_set(r, rec, "", 0, err) : code;
}

int replay_drive(struct replay *r, const struct record *rec, struct error *err)
{
	struct drive_record d;
	int code = parse_drive(rec->body, &d, err);

	return code == ERR_NONE ? fact_set(r, rec, d.id.b, ID_BYTES, err) : code;
}

int replay_since(struct replay *r, const struct record *rec, struct error *err)
{
	struct since_record s;
	int code = parse_since(rec->body, &s, err);

	return code == ERR_NONE ? fact_set(r, rec, s.drive_id.b, ID_BYTES, err) : code;
}

int replay_access(struct replay *r, const struct record *rec, struct error *err)
{
	char *url, *options;
	struct id drive;
	int code = parse_access(rec->body, &drive, &url, &options, err);

	if (code != ERR_NONE)
		return code;
	free(url);
	free(options);
	return fact_set(r, rec, drive.b, ID_BYTES, err);
}

int replay_slot(struct replay *r, const struct record *rec, struct error *err)
{
	struct id slot;
	bool present;
	int code = parse_slot(rec->body, &slot, &present, err);

	return code == ERR_NONE ? fact_set(r, rec, slot.b, ID_BYTES, err) : code;
}

int replay_retire(struct replay *r, const struct record *rec, struct error *err)
{
	struct hash writer;
	int code = parse_retire(rec->body, &writer, err);

	return code == ERR_NONE ? fact_set(r, rec, writer.b, HASH_BYTES, err) : code;
}

/* Asked for are sums, and what the last scrub left unrepaired; per writer, so that a checkpoint can
 * say them again. */
int replay_scrub(struct replay *r, const struct record *rec, struct error *err)
{
	struct scrub_record s;
	struct query q;
	int64_t drive;
	int code = parse_scrub(rec->body, &s, err);

	if (code == ERR_NONE && (s.objects > OBJECT_BYTES_MAX || s.bytes > OBJECT_BYTES_MAX ||
				 s.damaged > OBJECT_BYTES_MAX || s.repaired > OBJECT_BYTES_MAX))
		code = err_set(err, ERR_CORRUPT, "scrub record: a number is too large");
	if (code == ERR_NONE)
		code = drive_number(r->t, &s.drive_id, &drive, err);
	if (code != ERR_NONE)
		return code;
	q = query_of(r->t,
		     "INSERT INTO scrub VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)"
		     " ON CONFLICT(drive, writer, complete) DO UPDATE SET"
		     " time = max(time, excluded.time), objects = objects + excluded.objects,"
		     " bytes = bytes + excluded.bytes, damaged = damaged + excluded.damaged,"
		     " repaired = repaired + excluded.repaired, remaining = excluded.remaining");
	query_int(&q, drive);
	query_int(&q, r->at.writer_id);
	query_int(&q, s.complete);
	query_int(&q, s.time_s);
	query_int(&q, (int64_t)s.objects);
	query_int(&q, (int64_t)s.bytes);
	query_int(&q, (int64_t)s.damaged);
	query_int(&q, (int64_t)s.repaired);
	query_int(&q, s.damaged > s.repaired ? (int64_t)(s.damaged - s.repaired) : 0);
	code = query_run(&q, err);
	if (code != ERR_NONE || !s.complete)
		return code;
	/* It saw all that the shares before it had left. Within a second, times do not tell which came
	 * first. */
	q = query_of(r->t, "UPDATE scrub SET remaining = 0"
			   " WHERE drive = ? AND writer = ? AND complete = 0");
	query_int(&q, drive);
	query_int(&q, r->at.writer_id);
	return query_run(&q, err);
}

/* ---- policy and slots ---- */

static int larger_parity(struct reader a, struct reader b)
{
	struct policy pa, pb;
	struct error ignored;

	if (parse_policy(a, &pa, &ignored) != ERR_NONE ||
	    parse_policy(b, &pb, &ignored) != ERR_NONE)
		return 0;
	return (pa.parity > pb.parity) - (pa.parity < pb.parity);
}

static int extra_first(struct reader a, struct reader b)
{
	struct error ignored;
	bool ea, eb;

	if (parse_extra(a, &ea, &ignored) != ERR_NONE || parse_extra(b, &eb, &ignored) != ERR_NONE)
		return 0;
	return ea - eb;
}

static int load_extra(struct table *t, struct policy *out, struct error *err)
{
	struct buf body = { 0 };
	int code = fact_best(t, RECORD_EXTRA, "", 0, extra_first, &body, err);

	if (code == ERR_NONE)
		code = table_stored(
			t, parse_extra(reader_of(body.data, body.len_bytes), &out->extra, err), err);
	buf_release(&body);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

int table_policy(struct table *t, struct policy *out, struct error *err)
{
	struct buf body = { 0 };
	int code = fact_best(t, RECORD_POLICY, "", 0, larger_parity, &body, err);

	if (code == ERR_NONE)
		code = table_stored(t, parse_policy(reader_of(body.data, body.len_bytes), out, err),
				    err);
	buf_release(&body);
	return code == ERR_NONE ? load_extra(t, out, err) : code;
}

/* A slot removed by one writer and confirmed by another stays removed: it was untrusted. */
static int removed_first(struct reader a, struct reader b)
{
	struct error ignored;
	struct id slot;
	bool pa, pb;

	if (parse_slot(a, &slot, &pa, &ignored) != ERR_NONE ||
	    parse_slot(b, &slot, &pb, &ignored) != ERR_NONE)
		return 0;
	return pb - pa;
}

struct slot_walk {
	struct table *t;
	table_slot_fn *each;
	void *ctx;
	struct buf body;
};

static int visit_slot(void *ctx, const uint8_t *key, size_t key_bytes, struct error *err)
{
	struct slot_walk *w = ctx;
	struct id slot;
	bool present;
	int code = fact_best(w->t, RECORD_SLOT, key, key_bytes, removed_first, &w->body, err);

	if (code == ERR_NONE)
		code = table_stored(w->t,
				    parse_slot(reader_of(w->body.data, w->body.len_bytes), &slot,
					       &present, err),
				    err);
	return code == ERR_NONE ? w->each(w->ctx, &slot, present, err) : code;
}

int table_slots(struct table *t, table_slot_fn *each, void *ctx, struct error *err)
{
	struct slot_walk w = { .t = t, .each = each, .ctx = ctx };
	int code = fact_keys(t, RECORD_SLOT, NULL, 0, visit_slot, &w, err);

	buf_release(&w.body);
	return code;
}

/* ---- drives ---- */

int drive_number(struct table *t, const struct id *drive_id, int64_t *id, struct error *err)
{
	struct query q;
	bool found;
	int code;

	*id = 0;
	if (id_is_zero(drive_id))
		return ERR_NONE;
	q = query_of(t, "SELECT id FROM drive WHERE uid = ?");
	query_id(&q, drive_id);
	code = query_value(&q, id, &found, err);
	if (code != ERR_NONE || found)
		return code;
	q = query_of(t, "INSERT INTO drive(uid) VALUES(?)");
	query_id(&q, drive_id);
	code = query_run(&q, err);
	*id = sqlite3_last_insert_rowid(t->db);
	return code;
}

static int load_access(struct table *t, struct table_drive *d, struct error *err)
{
	struct buf body = { 0 };
	struct id id;
	int code = fact_best(t, RECORD_ACCESS, d->record.id.b, ID_BYTES, NULL, &body, err);

	if (code == ERR_NONE) {
		code = table_stored(t,
				    parse_access(reader_of(body.data, body.len_bytes), &id, &d->url,
						 &d->options_json, err),
				    err);
	} else if (code == ERR_NOT_FOUND) {
		d->url = strdup("");
		d->options_json = strdup("");
		code = d->url && d->options_json ? ERR_NONE : err_nomem(err);
	}
	buf_release(&body);
	return code;
}

/* What it says of another state than the drive has is of before. */
static int load_since(struct table *t, struct table_drive *d, struct error *err)
{
	struct buf body = { 0 };
	struct since_record s = { .time_s = 0 };
	int code = fact_best(t, RECORD_SINCE, d->record.id.b, ID_BYTES, NULL, &body, err);

	if (code == ERR_NONE)
		code = table_stored(t, parse_since(reader_of(body.data, body.len_bytes), &s, err),
				    err);
	if (code == ERR_NONE && s.state == d->record.state) {
		d->since_s = s.time_s;
		d->returning = s.returning;
	}
	buf_release(&body);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

static int load_scrubs(struct table *t, struct table_drive *d, int64_t number, struct error *err)
{
	struct query q = query_of(t, "SELECT max(CASE WHEN complete THEN time ELSE 0 END),"
				     " sum(damaged), sum(repaired), (SELECT remaining FROM scrub"
				     " WHERE drive = ?1 ORDER BY time DESC, remaining DESC LIMIT 1),"
				     " max(time) FROM scrub WHERE drive = ?1");
	bool row;
	int code;

	query_int(&q, number);
	code = query_next(&q, &row, err);
	if (code == ERR_NONE && row) {
		d->last_scrub_s = column_int(&q, 0);
		d->damaged = (uint64_t)column_int(&q, 1);
		d->repaired = (uint64_t)column_int(&q, 2);
		d->unrepaired = (uint64_t)column_int(&q, 3);
		d->unrepaired_s = column_int(&q, 4);
	}
	return query_end(&q, code, err);
}

static int load_use(struct table *t, struct table_drive *d, int64_t number, struct error *err)
{
	struct query q = query_of(t, "SELECT held_bytes, held_objects, held_row_bytes FROM drive WHERE id = ?");
	bool row;
	int code;

	query_int(&q, number);
	code = query_next(&q, &row, err);
	if (code == ERR_NONE && row) {
		d->used_bytes = (uint64_t)column_int(&q, 0);
		d->objects = (uint64_t)column_int(&q, 1);
		d->row_bytes = (uint64_t)column_int(&q, 2);
	}
	return query_end(&q, code, err);
}

struct drive_list {
	struct table *t;
	struct table_drive *drives;
	size_t count, cap;
	struct buf body;
};

static int add_drive(void *ctx, const uint8_t *key, size_t key_bytes, struct error *err)
{
	struct drive_list *list = ctx;
	struct table_drive *d;
	struct query q;
	int64_t number;
	bool found;
	int code = fact_best(list->t, RECORD_DRIVE, key, key_bytes, NULL, &list->body, err);

	if (code != ERR_NONE)
		return code;
	if (!grow(&list->drives, &list->cap, list->count + 1, sizeof(*list->drives)))
		return err_nomem(err);
	d = &list->drives[list->count++];
	memset(d, 0, sizeof(*d));
	code = table_stored(
		list->t,
		parse_drive(reader_of(list->body.data, list->body.len_bytes), &d->record, err),
		err);
	if (code == ERR_NONE)
		code = load_access(list->t, d, err);
	if (code == ERR_NONE)
		code = load_since(list->t, d, err);
	if (code != ERR_NONE)
		return code;
	q = query_of(list->t, "SELECT id FROM drive WHERE uid = ?");
	query_id(&q, &d->record.id);
	code = query_value(&q, &number, &found, err);
	if (code == ERR_NONE && found)
		code = load_scrubs(list->t, d, number, err);
	if (code == ERR_NONE && found)
		code = load_use(list->t, d, number, err);
	return code;
}

static bool name_taken(const struct table_drive *drives, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(drives[i].record.name, name) == 0)
			return true;
	return false;
}

/* Two writers may have given one name to two drives: the second, in the order given, gets a
 * suffix. The name stays within DRIVE_NAME_MAX. */
static void settle_name(const struct table_drive *before, size_t count, char *name)
{
	char base[DRIVE_NAME_MAX + 1], suffix[24];

	memcpy(base, name, sizeof(base));
	for (unsigned i = 2; name_taken(before, count, name); i++) {
		int suffix_len = snprintf(suffix, sizeof(suffix), "-%u", i);

		snprintf(name, DRIVE_NAME_MAX + 1, "%.*s%s", DRIVE_NAME_MAX - suffix_len, base,
			 suffix);
	}
}

/* Names are given to drives in use first, then to those that are gone. */
static int by_use_then_id(const void *a, const void *b)
{
	const struct drive_record *da = &((const struct table_drive *)a)->record;
	const struct drive_record *db = &((const struct table_drive *)b)->record;
	int gone_a = da->state == DRIVE_LOST || da->state == DRIVE_REMOVED;
	int gone_b = db->state == DRIVE_LOST || db->state == DRIVE_REMOVED;

	if (gone_a != gone_b)
		return gone_a - gone_b;
	return memcmp(da->id.b, db->id.b, ID_BYTES);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct table_drive *)a)->record.name,
		      ((const struct table_drive *)b)->record.name);
}

int table_drives(struct table *t, struct table_drive **out, size_t *count, struct error *err)
{
	struct drive_list list = { .t = t };
	int code = fact_keys(t, RECORD_DRIVE, NULL, 0, add_drive, &list, err);

	buf_release(&list.body);
	*out = NULL;
	*count = 0;
	if (code != ERR_NONE) {
		table_drives_free(list.drives, list.count);
		return code;
	}
	if (list.count > 0)
		qsort(list.drives, list.count, sizeof(*list.drives), by_use_then_id);
	for (size_t i = 0; i < list.count; i++)
		settle_name(list.drives, i, list.drives[i].record.name);
	if (list.count > 0)
		qsort(list.drives, list.count, sizeof(*list.drives), by_name);
	*out = list.drives;
	*count = list.count;
	return ERR_NONE;
}

int table_drive_state(struct table *t, const struct id *drive_id, enum drive_state *out,
		      struct error *err)
{
	struct drive_record d;
	struct buf body = { 0 };
	int code = fact_best(t, RECORD_DRIVE, drive_id->b, ID_BYTES, NULL, &body, err);

	if (code == ERR_NONE)
		code = table_stored(t, parse_drive(reader_of(body.data, body.len_bytes), &d, err),
				    err);
	if (code == ERR_NONE)
		*out = d.state;
	buf_release(&body);
	return code;
}

void table_drives_free(struct table_drive *drives, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(drives[i].url);
		free(drives[i].options_json);
	}
	free(drives);
}
