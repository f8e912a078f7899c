#include "table/segment.h"

#include "table/record_codec.h"

#include <stdlib.h>
#include <string.h>

/* Stored bytes at least: what a count may promise is bounded by what is left. */
#define MARK_BYTES_MIN (HASH_BYTES + 1 + HASH_BYTES)
#define HAVE_BYTES_MIN (ID_BYTES + 1)

void clock_release(struct clock *c)
{
	free(c->marks);
	memset(c, 0, sizeof(*c));
}

/* Index of the writer's mark, or where it belongs. */
static size_t place_of(const struct clock *c, const struct hash *writer)
{
	size_t low = 0, high = c->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (hash_compare(&c->marks[middle].writer, writer) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct mark *clock_find(const struct clock *c, const struct hash *writer)
{
	size_t i = place_of(c, writer);

	if (i == c->count || !hash_equal(&c->marks[i].writer, writer))
		return NULL;
	return &c->marks[i];
}

uint64_t clock_seq(const struct clock *c, const struct hash *writer)
{
	const struct mark *m = clock_find(c, writer);

	return m ? m->seq : 0;
}

bool clock_set(struct clock *c, const struct mark *m)
{
	size_t i = place_of(c, &m->writer);

	if (i == c->count || !hash_equal(&c->marks[i].writer, &m->writer)) {
		if (!grow(&c->marks, &c->cap, c->count + 1, sizeof(*c->marks)))
			return false;
		memmove(&c->marks[i + 1], &c->marks[i], (c->count - i) * sizeof(*c->marks));
		c->count++;
	}
	c->marks[i] = *m;
	return true;
}

bool clock_copy(struct clock *to, const struct clock *from)
{
	struct clock copy = { 0 };

	if (from->count > 0) {
		if (!grow(&copy.marks, &copy.cap, from->count, sizeof(*copy.marks))) {
			clock_release(to);
			return false;
		}
		memcpy(copy.marks, from->marks, from->count * sizeof(*copy.marks));
		copy.count = from->count;
	}
	clock_release(to);
	*to = copy;
	return true;
}

bool clock_covers(const struct clock *known, const struct clock *wanted)
{
	for (size_t i = 0; i < wanted->count; i++)
		if (clock_seq(known, &wanted->marks[i].writer) < wanted->marks[i].seq)
			return false;
	return true;
}

void clock_encode(const struct clock *c, struct buf *out)
{
	size_t count = 0;

	for (size_t i = 0; i < c->count; i++)
		count += c->marks[i].seq > 0;
	buf_add_varint(out, count);
	for (size_t i = 0; i < c->count; i++) {
		const struct mark *m = &c->marks[i];

		if (m->seq == 0)
			continue;
		buf_add_hash(out, &m->writer);
		buf_add_varint(out, m->seq);
		buf_add_hash(out, &m->head);
	}
}

int clock_decode(struct reader *r, struct clock *out, struct error *err)
{
	size_t count = (size_t)read_varint_max(r, WRITERS_MAX);

	memset(out, 0, sizeof(*out));
	if (r->failed || count > r->left_bytes / MARK_BYTES_MIN)
		return err_set(err, ERR_CORRUPT, "a clock is malformed");
	if (count > 0 && !grow(&out->marks, &out->cap, count, sizeof(*out->marks)))
		return err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		struct mark *m = &out->marks[i];

		m->writer = read_hash(r);
		m->seq = read_varint(r);
		m->head = read_hash(r);
		if (r->failed || m->seq == 0 ||
		    (i > 0 && hash_compare(&m[-1].writer, &m->writer) >= 0)) {
			clock_release(out);
			return err_set(err, ERR_CORRUPT, "a clock is malformed");
		}
		out->count++;
	}
	return ERR_NONE;
}

void haves_release(struct have *have, size_t count)
{
	for (size_t i = 0; i < count; i++)
		clock_release(&have[i].clock);
	free(have);
}

void haves_encode(const struct have *have, size_t count, struct buf *out)
{
	buf_add_varint(out, count);
	for (size_t i = 0; i < count; i++) {
		buf_add_id(out, &have[i].drive_id);
		clock_encode(&have[i].clock, out);
	}
}

static bool is_among(const struct have *have, size_t count, const struct id *drive_id)
{
	for (size_t i = 0; i < count; i++)
		if (id_equal(&have[i].drive_id, drive_id))
			return true;
	return false;
}

int haves_decode(struct reader *r, struct have **have, size_t *count, struct error *err)
{
	size_t promised = (size_t)read_varint_max(r, HAVES_MAX), done = 0, cap = 0;
	struct have *list = NULL;
	int code = ERR_NONE;

	*have = NULL;
	*count = 0;
	if (r->failed || promised > r->left_bytes / HAVE_BYTES_MIN)
		return err_set(err, ERR_CORRUPT, "a have map is malformed");
	if (promised > 0 && !grow(&list, &cap, promised, sizeof(*list)))
		return err_nomem(err);
	while (code == ERR_NONE && done < promised) {
		struct have *h = &list[done];

		h->drive_id = read_id(r);
		if (is_among(list, done, &h->drive_id)) {
			code = err_set(err, ERR_CORRUPT, "a have map names a drive twice");
			break;
		}
		code = clock_decode(r, &h->clock, err);
		done += code == ERR_NONE;
	}
	if (code != ERR_NONE) {
		haves_release(list, done);
		return code;
	}
	*have = list;
	*count = done;
	return ERR_NONE;
}
