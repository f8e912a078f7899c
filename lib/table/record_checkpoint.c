/* Records that only checkpoints and compacted segments hold. */
#include "table/record_codec.h"
#include "table/segment.h"

#include <string.h>

#define MARK_BYTES_MIN (HASH_BYTES + 1)

void record_version(struct buf *out, const struct hash *writer, uint64_t seq, uint64_t rank,
		    const struct clock *known)
{
	struct buf body = { 0 };

	buf_add_hash(&body, writer);
	buf_add_varint(&body, seq);
	buf_add_varint(&body, rank);
	buf_add_varint(&body, known->count);
	for (size_t i = 0; i < known->count; i++) {
		buf_add_hash(&body, &known->marks[i].writer);
		buf_add_varint(&body, known->marks[i].seq);
	}
	record_finish(out, RECORD_VERSION, true, &body);
}

int parse_version(struct reader body, struct hash *writer, uint64_t *seq, uint64_t *rank,
		  struct clock *known, struct error *err)
{
	struct hash last = { { 0 } };
	uint64_t count;

	known->count = 0;
	*writer = read_hash(&body);
	*seq = read_varint(&body);
	*rank = read_varint(&body);
	count = read_varint_max(&body, WRITERS_MAX);
	if (count > body.left_bytes / MARK_BYTES_MIN)
		return parse_refuse("version", "malformed or cut", err);
	for (uint64_t i = 0; i < count; i++) {
		struct mark m = { .writer = read_hash(&body) };

		m.seq = read_varint(&body);
		if (!body.failed && i > 0 && hash_compare(&last, &m.writer) >= 0)
			return parse_refuse("version", "its marks do not rise", err);
		if (!body.failed && !clock_set(known, &m))
			return err_nomem(err);
		last = m.writer;
	}
	return parse_end(&body, "version", err);
}

void record_dictionary(struct buf *out, const struct id *uid, const struct contents *c)
{
	struct buf body = { 0 };

	buf_add_id(&body, uid);
	contents_encode(c, &body);
	record_finish(out, RECORD_DICTIONARY, true, &body);
}

int parse_dictionary(struct reader body, struct id *uid, struct contents *c, struct error *err)
{
	memset(c, 0, sizeof(*c));
	*uid = read_id(&body);
	if (body.failed)
		return parse_refuse("dictionary", "malformed or cut", err);
	if (contents_decode(body.at, body.left_bytes, c, err) != ERR_NONE) {
		contents_release(c);
		return err_wrap(err, "dictionary record");
	}
	return ERR_NONE;
}

void record_superseded(struct buf *out, const struct id *ids, size_t count)
{
	struct buf body = { 0 };

	for (size_t i = 0; i < count; i++)
		buf_add_id(&body, &ids[i]);
	record_finish(out, RECORD_SUPERSEDED, true, &body);
}

int parse_superseded(struct reader body, const uint8_t **ids, size_t *count, struct error *err)
{
	*count = body.left_bytes / ID_BYTES;
	*ids = body.at;
	if (*count == 0 || body.left_bytes % ID_BYTES != 0)
		return parse_refuse("superseded", "malformed or cut", err);
	return ERR_NONE;
}
