#include "table/record.h"

#include "table/record_codec.h"

#include <stdio.h>
#include <string.h>

void record_add(struct buf *out, uint64_t type, bool mandatory, const struct buf *body)
{
	if (body->failed) {
		out->failed = true;
		return;
	}
	buf_add_varint(out, type * 2 + (mandatory ? 1 : 0));
	buf_add_block(out, body->data, body->len_bytes);
}

bool record_next(struct reader *r, uint64_t *type, bool *mandatory, struct reader *body)
{
	uint64_t head;

	if (r->failed || r->left_bytes == 0)
		return false;
	head = read_varint(r);
	*type = head >> 1;
	*mandatory = head & 1;
	*body = read_sub(r, r->left_bytes);
	if (*type == 0)
		r->failed = true;
	return !r->failed;
}

size_t records_split(const void *records, size_t len_bytes, size_t max_bytes)
{
	struct reader r = reader_of(records, len_bytes), body;
	size_t whole = 0;
	uint64_t type;
	bool mandatory;

	while (record_next(&r, &type, &mandatory, &body)) {
		if (len_bytes - r.left_bytes > max_bytes)
			break;
		whole = len_bytes - r.left_bytes;
	}
	return whole;
}

void record_intent(struct buf *out, const struct id *put_id, int64_t time_s)
{
	struct buf body = { 0 };

	buf_add_id(&body, put_id);
	buf_add_signed(&body, time_s);
	record_finish(out, RECORD_INTENT, true, &body);
}

int parse_intent(struct reader body, struct id *put_id, int64_t *time_s, struct error *err)
{
	*put_id = read_id(&body);
	*time_s = read_signed(&body);
	return parse_end(&body, "intent", err);
}

void record_intent_end(struct buf *out, const struct id *put_id)
{
	record_id(out, RECORD_INTENT_END, put_id);
}

void record_commit(struct buf *out, const struct id *snapshot)
{
	record_id(out, RECORD_COMMIT, snapshot);
}

int parse_commit(struct reader body, struct id *snapshot, struct error *err)
{
	*snapshot = read_id(&body);
	return parse_end(&body, "commit", err);
}

void record_id(struct buf *out, enum record_type type, const struct id *id)
{
	struct buf body = { 0 };

	buf_add_id(&body, id);
	record_finish(out, type, true, &body);
}

int parse_id(struct reader body, struct id *id, struct error *err)
{
	*id = read_id(&body);
	return parse_end(&body, "id", err);
}

void record_retire(struct buf *out, const struct hash *writer)
{
	struct buf body = { 0 };

	buf_add_hash(&body, writer);
	record_finish(out, RECORD_RETIRE, true, &body);
}

int parse_retire(struct reader body, struct hash *writer, struct error *err)
{
	*writer = read_hash(&body);
	return parse_end(&body, "retire", err);
}

void record_scrub(struct buf *out, const struct scrub_record *s)
{
	struct buf body = { 0 };

	buf_add_id(&body, &s->drive_id);
	buf_add_signed(&body, s->time_s);
	buf_add_varint(&body, s->objects);
	buf_add_varint(&body, s->bytes);
	buf_add_varint(&body, s->damaged);
	buf_add_varint(&body, s->repaired);
	buf_add_bool(&body, s->complete);
	record_finish(out, RECORD_SCRUB, false, &body);
}

int parse_scrub(struct reader body, struct scrub_record *s, struct error *err)
{
	s->drive_id = read_id(&body);
	s->time_s = read_signed(&body);
	s->objects = read_varint(&body);
	s->bytes = read_varint(&body);
	s->damaged = read_varint(&body);
	s->repaired = read_varint(&body);
	s->complete = read_bool(&body);
	return parse_end(&body, "scrub", err);
}

void record_slot(struct buf *out, const struct id *slot_id, bool present)
{
	struct buf body = { 0 };

	buf_add_id(&body, slot_id);
	buf_add_bool(&body, present);
	record_finish(out, RECORD_SLOT, true, &body);
}

int parse_slot(struct reader body, struct id *slot_id, bool *present, struct error *err)
{
	*slot_id = read_id(&body);
	*present = read_bool(&body);
	return parse_end(&body, "slot", err);
}

void record_garbage(struct buf *out, const struct id *drive_id, const char *name, bool done)
{
	struct buf body = { 0 };

	buf_add_id(&body, drive_id);
	buf_add_string(&body, name);
	buf_add_bool(&body, done);
	record_finish(out, RECORD_GARBAGE, false, &body);
}

/* The name is about to be deleted on a drive: nothing but an object inside a folder of .mrmr
 * may be meant. */
static bool object_name_ok(const char *name)
{
	char path[1 + GARBAGE_NAME_BYTES];
	int len = snprintf(path, sizeof(path), "/%s", name);

	return strchr(name, '/') && len < (int)sizeof(path) && path_ok(path, (size_t)len);
}

int parse_garbage(struct reader body, struct id *drive_id, char name[GARBAGE_NAME_BYTES],
		  bool *done, struct error *err)
{
	int code;

	*drive_id = read_id(&body);
	read_text_into(&body, name, GARBAGE_NAME_BYTES - 1);
	*done = read_bool(&body);
	code = parse_end(&body, "garbage", err);
	if (code == ERR_NONE && !object_name_ok(name))
		code = parse_refuse("garbage", "names no object", err);
	return code;
}
