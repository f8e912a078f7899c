#include "table/record_codec.h"

#include <string.h>

void buf_add_signed(struct buf *b, int64_t v)
{
	uint64_t u = (uint64_t)v;

	buf_add_varint(b, v < 0 ? ~(u << 1) : u << 1);
}

int64_t read_signed(struct reader *r)
{
	uint64_t u = read_varint(r);

	return (int64_t)(u & 1 ? ~(u >> 1) : u >> 1);
}

void buf_add_bool(struct buf *b, bool v)
{
	buf_add_u8(b, v ? 1 : 0);
}

bool read_bool(struct reader *r)
{
	uint8_t v = read_u8(r);

	if (v > 1)
		r->failed = true;
	return v == 1;
}

void buf_add_id(struct buf *b, const struct id *id)
{
	buf_add(b, id->b, ID_BYTES);
}

void buf_add_hash(struct buf *b, const struct hash *h)
{
	buf_add(b, h->b, HASH_BYTES);
}

struct id read_id(struct reader *r)
{
	struct id id = { { 0 } };

	read_into(r, id.b, ID_BYTES);
	return id;
}

struct hash read_hash(struct reader *r)
{
	struct hash h = { { 0 } };

	read_into(r, h.b, HASH_BYTES);
	return h;
}

const uint8_t *read_text(struct reader *r, size_t max_bytes, size_t *len_bytes)
{
	const uint8_t *text = read_block(r, max_bytes, len_bytes);

	if (*len_bytes > 0 && memchr(text, '\0', *len_bytes)) {
		r->failed = true;
		*len_bytes = 0;
	}
	return *len_bytes > 0 ? text : (const uint8_t *)"";
}

void read_text_into(struct reader *r, char *out, size_t max_bytes)
{
	size_t len;
	const uint8_t *text = read_text(r, max_bytes, &len);

	memcpy(out, text, len);
	out[len] = '\0';
}

void record_finish(struct buf *out, enum record_type type, bool mandatory, struct buf *body)
{
	record_add(out, type, mandatory, body);
	buf_release(body);
}

int parse_end(const struct reader *body, const char *what, struct error *err)
{
	if (body->failed)
		return parse_refuse(what, "malformed or cut", err);
	if (body->left_bytes > 0)
		return parse_refuse(what, "bytes beyond its end", err);
	return ERR_NONE;
}

int parse_refuse(const char *what, const char *why, struct error *err)
{
	return err_set(err, ERR_CORRUPT, "%s record: %s", what, why);
}
