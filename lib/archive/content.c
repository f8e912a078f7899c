#include "archive/content.h"

#include <stdlib.h>

/* The pieces gone through a second time, some frames ahead of those that are given: frames of a long
 * file are loaded by all processors and from all drives. */
struct ahead {
	struct reader r;
	struct piece_state state;
	struct block_list *list; /* of the run at hand; NULL: between two */
	uint32_t at, end;	 /* chunks of it not asked for yet */
	uint64_t asked, given;	 /* frames; of those given, some may never have been asked for */
};

struct streaming {
	struct array *a;
	struct fetcher *f;
	const struct content_file *file;
	const struct content_sink *sink;
	struct ahead *ahead; /* NULL: the file is short */
	uint64_t at_bytes;
};

/* Errors of the data; others end the whole. */
static bool is_lost(int code)
{
	return code != ERR_NONE && code != ERR_NOMEM && code != ERR_INTERRUPTED;
}

static int give_lost(struct streaming *s, uint64_t len_bytes, const char *why, struct error *err)
{
	uint64_t at = s->at_bytes;

	s->at_bytes += len_bytes;
	return s->sink->lost(s->sink->ctx, at, len_bytes, why, err);
}

/* ---- ahead ---- */

static void leave_run(struct streaming *s)
{
	if (s->ahead->list)
		fetch_list_release(s->f, s->ahead->list);
	s->ahead->list = NULL;
}

/* The next run of chunks. False: there is none, or it is not as it should be (told when its turn
 * comes). */
static bool enter_run(struct streaming *s)
{
	struct ahead *h = s->ahead;
	struct error ignored;
	struct piece p;

	do {
		if (!piece_next(&h->state, &h->r, &p))
			return false;
	} while (p.hole);
	if (fetch_list(s->f, &p.block_uid, &h->list, &ignored) != ERR_NONE) {
		h->list = NULL;
		return false;
	}
	h->at = p.first;
	h->end = p.first + p.count;
	return h->end <= h->list->contents.chunk_count;
}

static void look_ahead(struct streaming *s)
{
	struct ahead *h = s->ahead;

	while (h->asked < h->given + fetch_ahead_frames(s->f)) {
		const struct contents_chunk *chunks;
		uint32_t frame;

		if (!h->list && !enter_run(s)) {
			h->r.left_bytes = 0;
			leave_run(s);
			return;
		}
		chunks = h->list->contents.chunks;
		frame = chunks[h->at].frame;
		if (h->asked >= h->given && !fetch_ahead(s->f, h->list, frame))
			return;
		h->asked++;
		while (h->at < h->end && chunks[h->at].frame == frame)
			h->at++;
		if (h->at == h->end)
			leave_run(s);
	}
}

/* ---- in order ---- */

/* Chunks one by one: some may be had from other blocks. */
static int give_chunks(struct streaming *s, struct block_list *list, uint32_t first, uint32_t end,
		       struct error *err)
{
	int code = ERR_NONE;

	for (uint32_t i = first; i < end && code == ERR_NONE; i++) {
		uint32_t len = list->contents.chunks[i].len_bytes;
		uint8_t *bytes = malloc(len ? len : 1);
		struct error why;

		if (!bytes)
			return err_nomem(err);
		code = fetch_chunk(s->f, list, i, bytes, &why);
		if (code == ERR_NONE) {
			code = s->sink->data(s->sink->ctx, s->at_bytes, bytes, len, err);
			s->at_bytes += len;
		} else if (is_lost(code)) {
			code = give_lost(s, len, why.message, err);
		} else {
			*err = why;
		}
		free(bytes);
	}
	return code;
}

/* Chunks first..end-1, all of one frame: they lie in it side by side. */
static int give_frame(struct streaming *s, struct block_list *list, uint32_t first, uint32_t end,
		      struct error *err)
{
	const struct contents_chunk *chunks = list->contents.chunks;
	struct frame *frame;
	size_t from = chunks[first].offset_bytes, len;
	int code;

	if (s->ahead) {
		look_ahead(s);
		s->ahead->given++;
	}
	code = fetch_frame(s->f, list, chunks[first].frame, &frame, err);
	if (is_lost(code))
		return give_chunks(s, list, first, end, err);
	if (code != ERR_NONE)
		return code;
	len = chunks[end - 1].offset_bytes + chunks[end - 1].len_bytes - from;
	code = s->sink->data(s->sink->ctx, s->at_bytes, frame->bytes + from, len, err);
	s->at_bytes += len;
	fetch_release(s->f, frame);
	return code;
}

static int give_run(struct streaming *s, const struct piece *p, struct error *err)
{
	struct block_list *list;
	struct error why;
	uint32_t at = p->first, end;
	int code = fetch_list(s->f, &p->block_uid, &list, &why);

	/* Without the list not even the length of the run is known: the rest of the file is. */
	if (code == ERR_NOT_FOUND || code == ERR_CORRUPT)
		return give_lost(s, s->file->node->size_bytes - s->at_bytes, why.message, err);
	if (code != ERR_NONE) {
		*err = why;
		return code;
	}
	if (p->first > list->contents.chunk_count ||
	    p->count > list->contents.chunk_count - p->first) {
		fetch_list_release(s->f, list);
		return err_set(err, ERR_CORRUPT, "a file names chunks that its block has not");
	}
	while (at < p->first + p->count && code == ERR_NONE) {
		uint32_t frame = list->contents.chunks[at].frame;

		end = at;
		while (end < p->first + p->count && list->contents.chunks[end].frame == frame)
			end++;
		code = give_frame(s, list, at, end, err);
		at = end;
	}
	fetch_list_release(s->f, list);
	return code;
}

static int give_pieces(struct streaming *s, const uint8_t *bytes, size_t len_bytes,
		       struct error *err)
{
	struct reader r = reader_of(bytes, len_bytes);
	struct piece_state state = { .any = false };
	struct ahead ahead = { .r = r };
	struct piece p;
	int code = ERR_NONE;

	s->ahead = s->file->node->size_bytes >= fetch_ahead_bytes(s->f) ? &ahead : NULL;
	while (code == ERR_NONE && s->at_bytes < s->file->node->size_bytes &&
	       piece_next(&state, &r, &p)) {
		if (p.hole) {
			code = s->sink->hole(s->sink->ctx, s->at_bytes, p.hole_bytes, err);
			s->at_bytes += p.hole_bytes;
		} else {
			code = give_run(s, &p, err);
		}
	}
	if (s->ahead)
		leave_run(s);
	s->ahead = NULL;
	if (code == ERR_NONE && r.failed)
		code = err_set(err, ERR_CORRUPT, "malformed content");
	return code;
}

int content_each(struct array *a, struct fetcher *f, const struct content_file *file,
		 const struct content_sink *sink, struct error *err)
{
	struct streaming s = { .a = a, .f = f, .file = file, .sink = sink };
	const struct node *n = file->node;
	struct buf part = { 0 };
	int code = ERR_NONE;

	if (n->content_parts == 0)
		code = give_pieces(&s, n->content, n->content_bytes, err);
	for (uint64_t i = 0; i < n->content_parts && code == ERR_NONE; i++) {
		buf_clear(&part);
		pthread_mutex_lock(&a->table_lock);
		code = table_content_part(a->table, file->snapshot, file->path, file->path_bytes, i,
					  &part, err);
		pthread_mutex_unlock(&a->table_lock);
		if (code == ERR_NONE)
			code = give_pieces(&s, part.data, part.len_bytes, err);
	}
	buf_release(&part);
	if (code == ERR_NONE && s.at_bytes != n->size_bytes)
		code = err_set(err, ERR_CORRUPT, "its pieces are %llu bytes instead of %llu",
			       (unsigned long long)s.at_bytes, (unsigned long long)n->size_bytes);
	return code;
}
