#include "archive/whereis.h"

#include <stdlib.h>
#include <string.h>

/* A stretch of the file in one block. */
struct use {
	struct id block_uid;
	uint64_t file_bytes;
	size_t order; /* by first use */
};

struct searching {
	struct array *a;
	struct fetcher *f; /* caches the lists of blocks */
	struct use *uses;
	size_t count, cap;
};

static int add_use(struct searching *s, const struct id *uid, uint64_t bytes, struct error *err)
{
	if (s->count > 0 && id_equal(&s->uses[s->count - 1].block_uid, uid)) {
		s->uses[s->count - 1].file_bytes += bytes;
		return ERR_NONE;
	}
	if (!grow(&s->uses, &s->cap, s->count + 1, sizeof(*s->uses)))
		return err_nomem(err);
	s->uses[s->count] = (struct use){ *uid, bytes, s->count };
	s->count++;
	return ERR_NONE;
}

/* The chunk, wherever it is by now: its first block may be a mere dictionary. */
static int add_chunk(struct searching *s, const struct block_list *list, uint32_t index,
		     struct error *err)
{
	const struct contents_chunk *chunk = &list->contents.chunks[index];
	const struct table_block *b = &list->block;
	struct chunk_place place = { .block_uid = b->uid };
	int code = ERR_NONE;

	if (b->dictionary || b->lost || b->fossil)
		code = table_find_chunk(s->a->table, &chunk->id, 0, &place, err);
	if (code != ERR_NONE && code != ERR_NOT_FOUND)
		return code;
	return add_use(s, code == ERR_NONE ? &place.block_uid : &b->uid, chunk->len_bytes, err);
}

static int add_run(struct searching *s, const struct piece *p, struct error *err)
{
	struct block_list *list;
	int code = fetch_list(s->f, &p->block_uid, &list, err);

	if (code == ERR_NOT_FOUND)
		return add_use(s, &p->block_uid, 0, err);
	if (code != ERR_NONE)
		return code;
	if (p->first > list->contents.chunk_count ||
	    p->count > list->contents.chunk_count - p->first)
		code = err_set(err, ERR_CORRUPT, "a file names chunks that its block has not");
	for (uint32_t i = 0; i < p->count && code == ERR_NONE; i++)
		code = add_chunk(s, list, p->first + i, err);
	fetch_list_release(s->f, list);
	return code;
}

static int add_pieces(struct searching *s, const uint8_t *bytes, size_t len_bytes,
		      struct error *err)
{
	struct reader r = reader_of(bytes, len_bytes);
	struct piece_state state = { .any = false };
	struct piece p;
	int code = ERR_NONE;

	while (code == ERR_NONE && piece_next(&state, &r, &p)) {
		if (!p.hole)
			code = add_run(s, &p, err);
	}
	if (code == ERR_NONE && r.failed)
		code = err_set(err, ERR_CORRUPT, "malformed content");
	return code;
}

static int collect(struct searching *s, const struct content_file *file, struct error *err)
{
	const struct node *n = file->node;
	struct buf part = { 0 };
	int code = ERR_NONE;

	/* A node may be lent by the table, which is asked for more below. */
	buf_add(&part, n->content, n->content_bytes);
	if (part.failed)
		code = err_nomem(err);
	else if (n->content_parts == 0)
		code = add_pieces(s, part.data, part.len_bytes, err);
	for (uint64_t i = 0; i < n->content_parts && code == ERR_NONE; i++) {
		buf_clear(&part);
		code = table_content_part(s->a->table, file->snapshot, file->path,
					  file->path_bytes, i, &part, err);
		if (code == ERR_NONE)
			code = add_pieces(s, part.data, part.len_bytes, err);
	}
	buf_release(&part);
	return code;
}

static int by_block(const void *x, const void *y)
{
	const struct use *a = x, *b = y;
	int order = memcmp(a->block_uid.b, b->block_uid.b, ID_BYTES);

	return order ? order : (a->order > b->order) - (a->order < b->order);
}

static int by_order(const void *x, const void *y)
{
	const struct use *a = x, *b = y;

	return (a->order > b->order) - (a->order < b->order);
}

/* One use per block, the first one's order kept. */
static void merge_uses(struct searching *s)
{
	size_t kept = 0;

	if (s->count == 0)
		return;
	qsort(s->uses, s->count, sizeof(*s->uses), by_block);
	for (size_t i = 1; i < s->count; i++) {
		if (id_equal(&s->uses[kept].block_uid, &s->uses[i].block_uid))
			s->uses[kept].file_bytes += s->uses[i].file_bytes;
		else
			s->uses[++kept] = s->uses[i];
	}
	s->count = kept + 1;
	qsort(s->uses, s->count, sizeof(*s->uses), by_order);
}

struct group_ids {
	struct id ids[WHEREIS_GROUPS_MAX];
	unsigned count;
};

static int keep_id(void *ctx, const struct id *id, struct error *err)
{
	struct group_ids *g = ctx;

	(void)err;
	if (g->count < WHEREIS_GROUPS_MAX)
		g->ids[g->count++] = *id;
	return ERR_NONE;
}

static bool at_hand(struct array *a, const struct id *drive_id)
{
	const struct array_drive *d = array_drive_by_id(a, drive_id);

	return d && drive_counts(d) && d->presence == DRIVE_PRESENT;
}

/* Objects at hand beyond those that are needed. */
static int spare_of(struct array *a, const struct table_group *g)
{
	uint32_t rows = 0;
	int objects = 0;

	for (unsigned i = 0; i < g->member_count; i++)
		objects += !g->members[i].lost && at_hand(a, &g->members[i].drive_id);
	for (unsigned i = 0; i < g->row_count; i++) {
		if (at_hand(a, &g->rows[i].drive_id))
			rows |= 1u << g->rows[i].row;
	}
	objects += __builtin_popcount(rows);
	return objects - (int)g->member_count;
}

/* Without a group: the block alone, or the journals of all drives. */
static int spare_alone(struct array *a, const struct table_block *b)
{
	int present = 0;

	if (!b->is_inline)
		return b->known && !b->lost && at_hand(a, &b->drive_id) ? 0 : -1;
	for (unsigned i = 0; i < a->count; i++)
		present += drive_counts(&a->drives[i]) && a->drives[i].record.journal &&
			   a->drives[i].presence == DRIVE_PRESENT && !a->drives[i].behind;
	return present > 0 ? present - 1 : 0; /* this host has read it, after all */
}

static int describe(struct array *a, const struct use *use, struct table_group *groups,
		    struct file_block *out, struct error *err)
{
	struct group_ids ids = { .count = 0 };
	int code = table_block_by_uid(a->table, &use->block_uid, &out->block, err);

	if (code == ERR_NOT_FOUND) {
		out->block = (struct table_block){ .uid = use->block_uid };
		code = ERR_NONE;
	} else if (code == ERR_NONE) {
		code = table_groups_of(a->table, out->block.id, keep_id, &ids, err);
	}
	out->file_bytes = use->file_bytes;
	out->groups = groups;
	out->group_count = ids.count;
	out->spare = spare_alone(a, &out->block);
	for (unsigned i = 0; i < ids.count && code == ERR_NONE; i++) {
		code = table_group(a->table, &ids.ids[i], &groups[i], err);
		if (code == ERR_NONE && spare_of(a, &groups[i]) > out->spare)
			out->spare = spare_of(a, &groups[i]);
	}
	return code;
}

int whereis(struct array *a, const struct content_file *file, file_block_fn *each, void *ctx,
	    struct error *err)
{
	struct searching s = { .a = a };
	struct table_group *groups = calloc(WHEREIS_GROUPS_MAX, sizeof(*groups));
	int code = groups ? fetcher_new(a, 0, &s.f, err) : err_nomem(err);

	if (code == ERR_NONE)
		code = collect(&s, file, err);
	if (code == ERR_NONE)
		merge_uses(&s);
	for (size_t i = 0; i < s.count && code == ERR_NONE; i++) {
		struct file_block b;

		code = describe(a, &s.uses[i], groups, &b, err);
		if (code == ERR_NONE)
			code = each(ctx, &b, err);
	}
	fetcher_free(s.f);
	free(groups);
	free(s.uses);
	return code;
}
