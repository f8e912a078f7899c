#include "table/verified.h"

#include "table/record_codec.h"

#include <stdlib.h>
#include <string.h>

void verified_release(struct verified_record *v)
{
	for (size_t i = 0; i < v->count; i++)
		ranges_release(&v->claims[i].ranges);
	free(v->claims);
	clock_release(&v->known);
	memset(v, 0, sizeof(*v));
}

struct verified_claim *verified_claim(struct verified_record *v, uint64_t turn, int64_t time_s)
{
	struct verified_claim *c;
	size_t at = 0;

	while (at < v->count && (v->claims[at].turn < turn || (v->claims[at].turn == turn &&
							       v->claims[at].time_s < time_s)))
		at++;
	if (at < v->count && v->claims[at].turn == turn && v->claims[at].time_s == time_s)
		return &v->claims[at];
	if (!grow(&v->claims, &v->cap, v->count + 1, sizeof(*v->claims)))
		return NULL;
	c = &v->claims[at];
	memmove(c + 1, c, (v->count - at) * sizeof(*c));
	*c = (struct verified_claim){ .turn = turn, .time_s = time_s };
	v->count++;
	return c;
}

static size_t claims_that_say(const struct verified_record *v)
{
	size_t count = 0;

	for (size_t i = 0; i < v->count; i++)
		count += v->claims[i].ranges.count > 0;
	return count;
}

bool verified_says_nothing(const struct verified_record *v)
{
	return claims_that_say(v) == 0;
}

static void encode_claim(const struct verified_claim *c, struct buf *body)
{
	uint64_t next = 0;

	buf_add_varint(body, c->turn);
	buf_add_signed(body, c->time_s);
	buf_add_varint(body, c->ranges.count);
	for (size_t i = 0; i < c->ranges.count; i++) {
		const struct name_range *r = &c->ranges.items[i];

		buf_add_varint(body, r->from - next);
		buf_add_varint(body, r->to - r->from);
		next = r->to + 1;
	}
}

void verified_encode(const struct verified_record *v, struct buf *body)
{
	buf_add_id(body, &v->drive_id);
	buf_add_varint(body, v->known.count);
	for (size_t i = 0; i < v->known.count; i++) {
		buf_add_hash(body, &v->known.marks[i].writer);
		buf_add_varint(body, v->known.marks[i].seq);
	}
	buf_add_varint(body, claims_that_say(v));
	for (size_t i = 0; i < v->count; i++) {
		if (v->claims[i].ranges.count > 0)
			encode_claim(&v->claims[i], body);
	}
}

void record_verified(struct buf *out, const struct verified_record *v)
{
	struct buf body = { 0 };

	verified_encode(v, &body);
	record_finish(out, RECORD_VERIFIED, false, &body);
}

static int parse_marks(struct reader *body, struct clock *out, struct error *err)
{
	uint64_t count = read_varint_max(body, WRITERS_MAX);
	struct mark before = { .seq = 0 };

	for (uint64_t i = 0; i < count && !body->failed; i++) {
		struct mark m = { .writer = read_hash(body) };

		m.seq = read_varint(body);
		if (m.seq == 0 || (i > 0 && hash_compare(&before.writer, &m.writer) >= 0))
			body->failed = true;
		else if (!body->failed && !clock_set(out, &m))
			return err_nomem(err);
		before = m;
	}
	return ERR_NONE;
}

static int parse_ranges(struct reader *body, struct name_ranges *out, struct error *err)
{
	uint64_t count = read_varint(body), next = 0;
	bool full = false; /* the last range reached the last name */

	if (count == 0)
		body->failed = true;
	for (uint64_t i = 0; i < count && !body->failed; i++) {
		uint64_t gap = read_varint(body), width = read_varint(body);

		if (full || (i > 0 && gap == 0) || gap > UINT64_MAX - next ||
		    width > UINT64_MAX - next - gap) {
			body->failed = true;
			break;
		}
		if (!body->failed && !ranges_add(out, next + gap, next + gap + width))
			return err_nomem(err);
		full = next + gap + width == UINT64_MAX;
		next += gap + width + 1;
	}
	return ERR_NONE;
}

static int parse_claims(struct reader *body, struct verified_record *v, struct error *err)
{
	uint64_t count = read_varint_max(body, VERIFIED_CLAIMS_MAX);
	int code = ERR_NONE;

	if (count == 0)
		body->failed = true;
	for (uint64_t i = 0; i < count && !body->failed && code == ERR_NONE; i++) {
		uint64_t turn = read_varint_max(body, VERIFIED_TURN_MAX);
		int64_t time_s = read_signed(body);
		const struct verified_claim *last = v->count > 0 ? &v->claims[v->count - 1] : NULL;
		struct verified_claim *c;

		if (turn == 0 || (last && (turn < last->turn || (turn == last->turn &&
								  time_s <= last->time_s))))
			body->failed = true;
		if (body->failed)
			break;
		c = verified_claim(v, turn, time_s);
		code = c ? parse_ranges(body, &c->ranges, err) : err_nomem(err);
	}
	return code;
}

int parse_verified(struct reader body, struct verified_record *v, struct error *err)
{
	int code;

	memset(v, 0, sizeof(*v));
	v->drive_id = read_id(&body);
	code = parse_marks(&body, &v->known, err);
	if (code == ERR_NONE)
		code = parse_claims(&body, v, err);
	if (code == ERR_NONE)
		code = parse_end(&body, "verified", err);
	if (code != ERR_NONE)
		verified_release(v);
	return code;
}
