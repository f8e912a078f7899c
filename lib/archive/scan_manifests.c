/*
 * Snapshots as the manifests tell them: the streams of all puts, of each the records of snapshots
 * that it also commits. Which comes first does not matter: a snapshot waits for its base.
 */
#include "archive/scan_internal.h"

#include <stdlib.h>
#include <string.h>

static int compare_parts(const void *x, const void *y)
{
	const struct scanned_part *a = x, *b = y;
	int order = memcmp(a->put_id.b, b->put_id.b, ID_BYTES);

	if (order != 0)
		return order;
	return a->part < b->part ? -1 : a->part > b->part;
}

/* Snapshots by id; few enough to look through. */
struct snapshot_ids {
	struct id *ids; /* owned */
	size_t count, cap;
};

static bool has(const struct snapshot_ids *s, const struct id *id)
{
	for (size_t i = 0; i < s->count; i++) {
		if (id_equal(&s->ids[i], id))
			return true;
	}
	return false;
}

static bool add(struct snapshot_ids *s, const struct id *id)
{
	if (!grow(&s->ids, &s->cap, s->count + 1, sizeof(*s->ids)))
		return false;
	s->ids[s->count++] = *id;
	return true;
}

static bool is_of_snapshot(uint64_t type)
{
	return type == RECORD_SNAPSHOT || type == RECORD_FOLDER || type == RECORD_CONTENT ||
	       type == RECORD_COMMIT;
}

/* The snapshots that this stream commits and no other did before. */
static int find_commits(const struct buf *stream, const struct snapshot_ids *done,
			struct snapshot_ids *found, struct error *err)
{
	struct reader r = reader_of(stream->data, stream->len_bytes), body;
	uint64_t type;
	bool mandatory;

	while (record_next(&r, &type, &mandatory, &body)) {
		struct id id;

		if (type != RECORD_COMMIT || parse_commit(body, &id, err) != ERR_NONE ||
		    has(done, &id))
			continue;
		if (!add(found, &id))
			return err_nomem(err);
	}
	return ERR_NONE;
}

/* Hands on the records of found snapshots, and all that belongs to no snapshot. */
static int give_records(struct scanning *s, const struct buf *stream,
			const struct snapshot_ids *found, struct error *err)
{
	struct reader r = reader_of(stream->data, stream->len_bytes), body;
	const uint8_t *begin = r.at;
	uint64_t type;
	bool mandatory;
	int code = ERR_NONE;

	while (code == ERR_NONE && record_next(&r, &type, &mandatory, &body)) {
		struct reader peek = body;
		struct id id;

		read_into(&peek, id.b, ID_BYTES);
		if (!is_of_snapshot(type) || has(found, &id))
			buf_add(&s->records, begin, (size_t)(r.at - begin));
		begin = r.at;
		code = scan_commit(s, false, err);
	}
	return code;
}

/* Parts [first, end) of one put: as far as they follow each other. */
static int join(const struct scanning *s, size_t first, size_t end, struct buf *stream,
		struct error *err)
{
	uint32_t next = 0;

	buf_clear(stream);
	for (size_t i = first; i < end; i++) {
		const struct scanned_part *p = &s->parts[i];

		if (p->part + 1 == next)
			continue; /* the same part from another block */
		if (p->part != next)
			break;
		buf_add(stream, p->bytes, p->len_bytes);
		next++;
	}
	return stream->failed ? err_nomem(err) : ERR_NONE;
}

int scan_manifests(struct scanning *s, struct error *err)
{
	struct snapshot_ids done = { .count = 0 };
	struct buf stream = { 0 };
	size_t end;
	int code = ERR_NONE;

	if (s->part_count > 0)
		qsort(s->parts, s->part_count, sizeof(*s->parts), compare_parts);
	for (size_t i = 0; i < s->part_count && code == ERR_NONE; i = end) {
		struct snapshot_ids found = { .count = 0 };

		for (end = i; end < s->part_count &&
			      id_equal(&s->parts[end].put_id, &s->parts[i].put_id);)
			end++;
		code = join(s, i, end, &stream, err);
		if (code == ERR_NONE)
			code = find_commits(&stream, &done, &found, err);
		if (code == ERR_NONE)
			code = give_records(s, &stream, &found, err);
		if (code == ERR_NONE && !has(&found, &s->parts[i].put_id) &&
		    !has(&done, &s->parts[i].put_id))
			s->r->snapshots_cut_off++;
		s->r->snapshots += found.count;
		for (size_t n = 0; n < found.count && code == ERR_NONE; n++) {
			if (!add(&done, &found.ids[n]))
				code = err_nomem(err);
		}
		free(found.ids);
	}
	free(done.ids);
	buf_release(&stream);
	return code;
}
