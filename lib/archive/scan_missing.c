/*
 * Blocks that files refer to and that are on none of the drives given, nor could be made: they are
 * declared lost, so that status tells, and a put stores anew what it still finds of those files.
 */
#include "archive/scan_internal.h"
#include "archive/select.h"
#include "archive/tour.h"

#include <stdlib.h>
#include <string.h>

struct referring {
	struct scanning *s;
	struct id *uids; /* owned; many times the same until they are sorted */
	size_t count, cap, sorted; /* the first so many are each once, in order */
};

static int compare_uids(const void *x, const void *y)
{
	return memcmp(x, y, ID_BYTES);
}

static void sort(struct referring *r)
{
	size_t kept = 0;

	if (r->count > 0)
		qsort(r->uids, r->count, sizeof(*r->uids), compare_uids);
	for (size_t i = 0; i < r->count; i++) {
		if (kept == 0 || !id_equal(&r->uids[kept - 1], &r->uids[i]))
			r->uids[kept++] = r->uids[i];
	}
	r->count = r->sorted = kept;
}

static int add_content(struct referring *r, const uint8_t *content, size_t content_bytes,
		       struct error *err)
{
	struct reader reader = reader_of(content, content_bytes);
	struct piece_state state = { .any = false };
	struct piece p;

	while (piece_next(&state, &reader, &p)) {
		if (p.hole || (r->count > r->sorted &&
			       id_equal(&r->uids[r->count - 1], &p.block_uid)))
			continue;
		/* Memory is bounded by the blocks that there are, not by the files. */
		if (r->count >= 2 * r->sorted + 4096)
			sort(r);
		if (!grow(&r->uids, &r->cap, r->count + 1, sizeof(*r->uids)))
			return err_nomem(err);
		r->uids[r->count++] = p.block_uid;
	}
	return ERR_NONE;
}

static int add_file(struct referring *r, const struct table_snapshot *snapshot,
		    const uint8_t *path, size_t path_bytes, const struct node *node,
		    struct error *err)
{
	struct buf part = { 0 };
	int code = add_content(r, node->content, node->content_bytes, err);

	for (uint64_t i = 0; i < node->content_parts && code == ERR_NONE; i++) {
		buf_clear(&part);
		code = table_content_part(r->s->a->table, snapshot, path, path_bytes, i, &part,
					  err);
		if (code == ERR_NONE)
			code = add_content(r, part.data, part.len_bytes, err);
	}
	buf_release(&part);
	return code;
}

static int add_snapshot(struct referring *r, const struct table_snapshot *snapshot,
			struct error *err)
{
	struct tour *tour = NULL;
	const uint8_t *path;
	size_t path_bytes;
	struct node node;
	int code = tour_begin(r->s->a->table, snapshot, "", 0, true, &tour, err);

	while (code == ERR_NONE && tour_next(tour, &path, &path_bytes, &node, err))
		code = add_file(r, snapshot, path, path_bytes, &node, err);
	if (code == ERR_NONE)
		code = (int)err->code;
	tour_end(tour);
	return code;
}

/* Whether all that the block's list names is somewhere. */
static int is_there(struct scanning *s, const struct id *uid, bool *there, struct error *err)
{
	struct contents contents = { 0 };
	struct chunk_place place;
	struct table_block b;
	int code = table_block_by_uid(s->a->table, uid, &b, err);

	*there = code == ERR_NONE;
	/* Of a dictionary the data are elsewhere. */
	if (code == ERR_NONE && b.dictionary)
		code = table_block_contents(s->a->table, b.id, &contents, NULL, err);
	for (size_t i = 0; i < contents.chunk_count && code == ERR_NONE; i++)
		code = table_find_chunk(s->a->table, &contents.chunks[i].id, 0, &place, err);
	contents_release(&contents);
	if (code == ERR_NOT_FOUND) {
		*there = false;
		code = ERR_NONE;
	}
	return code;
}

int scan_missing(struct scanning *s, struct error *err)
{
	struct select_filter all = { .host = NULL };
	struct snapshot_list list = { 0 };
	struct referring r = { .s = s };
	int code = select_list(s->a->table, &all, &list, err);

	for (size_t i = 0; i < list.count && code == ERR_NONE; i++)
		code = add_snapshot(&r, &list.items[i], err);
	sort(&r);
	for (size_t i = 0; i < r.count && code == ERR_NONE; i++) {
		bool there;

		code = is_there(s, &r.uids[i], &there, err);
		if (code != ERR_NONE || there)
			continue;
		record_id(&s->records, RECORD_LOST, &r.uids[i]);
		s->r->missing++;
	}
	snapshot_list_release(&list);
	free(r.uids);
	return code;
}
