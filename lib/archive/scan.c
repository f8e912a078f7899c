#include "archive/scan.h"

#include "archive/manifest.h"
#include "archive/scan_internal.h"
#include "array/object.h"
#include "base/stop.h"
#include "block/block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OBJECT_BYTES_MAX ((size_t)256 << 20)

/* ---- objects of one folder of one drive ---- */

struct listed_object {
	char name[OBJECT_NAME_MAX + 1];
	uint64_t len_bytes;
};

struct object_list {
	struct listed_object *items; /* owned */
	size_t count, cap;
};

static int collect(void *ctx, const char *name, uint64_t len_bytes)
{
	struct object_list *l = ctx;
	struct listed_object *o;

	if (!grow(&l->items, &l->cap, l->count + 1, sizeof(*l->items)))
		return ERR_NOMEM;
	o = &l->items[l->count++];
	snprintf(o->name, sizeof(o->name), "%s", name);
	o->len_bytes = len_bytes;
	return 0;
}

static int list(struct array_drive *d, const char *prefix, struct object_list *l,
		struct error *err)
{
	int code = d->handle->driver->list(d->handle, prefix, collect, l, err);

	return code == ERR_NOMEM ? err_nomem(err) : code;
}

/* ---- blocks ---- */

static int take_part(struct scanning *s, const uint8_t *chunk, size_t len_bytes,
		     struct error *err)
{
	struct manifest_part part;
	struct scanned_part *p;

	if (manifest_parse(chunk, len_bytes, &part, err) != ERR_NONE)
		return ERR_NONE; /* authentic, but not of this format: nothing we can use */
	if (!grow(&s->parts, &s->part_cap, s->part_count + 1, sizeof(*s->parts)))
		return err_nomem(err);
	p = &s->parts[s->part_count];
	*p = (struct scanned_part){ .put_id = part.put_id,
				    .part = part.part,
				    .bytes = malloc(part.len_bytes + 1),
				    .len_bytes = part.len_bytes };
	if (!p->bytes)
		return err_nomem(err);
	memcpy(p->bytes, part.bytes, part.len_bytes);
	s->part_count++;
	return ERR_NONE;
}

/* Opens a frame that has manifest chunks and takes them. */
static int take_frame(struct scanning *s, const struct id *uid, uint32_t epoch, uint32_t index,
		      const struct contents *c, const struct buf *block, struct error *err)
{
	const struct contents_frame *f = &c->frames[index];
	uint8_t *packed = malloc(f->box_bytes), *plain = malloc(f->plain_bytes + 1);
	int code = packed && plain ? ERR_NONE : err_nomem(err);

	if (code == ERR_NONE)
		code = block_open_frame(s->a->keys, uid, epoch, index,
					block->data + f->offset_bytes, f->box_bytes, packed, err);
	if (code == ERR_NONE)
		code = framer_unpack(s->framer, f->method, packed,
				     f->box_bytes - BOX_OVERHEAD_BYTES, plain, f->plain_bytes, err);
	for (uint32_t i = 0; i < f->chunks && code == ERR_NONE; i++) {
		const struct contents_chunk *chunk = &c->chunks[f->first_chunk + i];

		if (chunk->manifest)
			code = take_part(s, plain + chunk->offset_bytes, chunk->len_bytes, err);
	}
	free(packed);
	free(plain);
	return code;
}

static int take_manifests(struct scanning *s, const struct id *uid, uint32_t epoch,
			  const struct contents *c, const struct buf *block, struct error *err)
{
	int code = ERR_NONE;

	for (uint32_t i = 0; i < c->frame_count && code == ERR_NONE; i++) {
		const struct contents_frame *f = &c->frames[i];
		bool has = false;

		for (uint32_t n = 0; n < f->chunks; n++)
			has = has || c->chunks[f->first_chunk + n].manifest;
		if (has)
			code = take_frame(s, uid, epoch, i, c, block, err);
	}
	return code;
}

int scan_take_block(struct scanning *s, struct array_drive *d, const struct hash *name,
		    const struct buf *bytes, struct error *err)
{
	struct block_record r = { .name = *name,
				  .len_bytes = bytes->len_bytes,
				  .drive_id = d->id };
	int code = block_open_contents(s->a->keys, bytes->data, bytes->len_bytes, &r.uid, &r.epoch,
				       &r.contents, err);

	if (code == ERR_NONE)
		code = take_manifests(s, &r.uid, r.epoch, &r.contents, bytes, err);
	if (code == ERR_NONE) {
		record_block(&s->records, &r);
		if (!grow(&s->blocks, &s->block_cap, s->block_count + 1, sizeof(*s->blocks)))
			code = err_nomem(err);
	}
	if (code == ERR_NONE) {
		s->blocks[s->block_count++] =
			(struct scanned_block){ *name, r.uid, bytes->len_bytes, d };
		s->r->blocks++;
	}
	contents_release(&r.contents);
	return code;
}

static int compare_blocks(const void *x, const void *y)
{
	return hash_compare(&((const struct scanned_block *)x)->name,
			    &((const struct scanned_block *)y)->name);
}

void scan_sort_blocks(struct scanning *s)
{
	if (s->block_count > 0)
		qsort(s->blocks, s->block_count, sizeof(*s->blocks), compare_blocks);
}

const struct scanned_block *scan_find_block(const struct scanning *s, const struct hash *name)
{
	struct scanned_block key = { .name = *name };

	if (s->block_count == 0)
		return NULL;
	return bsearch(&key, s->blocks, s->block_count, sizeof(*s->blocks), compare_blocks);
}

int scan_commit(struct scanning *s, bool now, struct error *err)
{
	int code = ERR_NONE;

	if (s->records.failed)
		return err_nomem(err);
	if (s->records.len_bytes == 0 ||
	    (!now && s->records.len_bytes < s->a->policy.geometry.segment_bytes))
		return ERR_NONE;
	code = array_commit(s->a, &s->records, NULL, err);
	buf_clear(&s->records);
	return code;
}

/* Damage is passed over: what it concerns may be reconstructed later. */
static bool is_damage(int code)
{
	return code != ERR_NONE && code != ERR_NOMEM && code != ERR_INTERRUPTED;
}

static int scan_blocks_of(struct scanning *s, struct array_drive *d, struct error *err)
{
	struct object_list l = { .count = 0 };
	struct buf bytes = { 0 };
	int code = list(d, "blocks/", &l, err);

	for (size_t i = 0; i < l.count && code == ERR_NONE; i++) {
		struct hash name;

		if (!object_name_hash(l.items[i].name, &name))
			continue;
		buf_clear(&bytes);
		code = object_get(d->handle, l.items[i].name, OBJECT_BYTES_MAX, &bytes, err);
		if (code == ERR_NONE)
			code = scan_take_block(s, d, &name, &bytes, err);
		if (is_damage(code)) {
			array_tell(s->a, TELL_WARNING, "drive %s: %s: %s", d->name,
				   l.items[i].name, err->message);
			s->r->unreadable++;
			code = ERR_NONE;
		}
		counters_add(s->counters, 1, l.items[i].len_bytes);
		if (code == ERR_NONE)
			code = stop_check(err);
		if (code == ERR_NONE)
			code = scan_commit(s, false, err);
	}
	buf_release(&bytes);
	free(l.items);
	return code;
}

/* ---- rows ---- */

/* Reads the end of the object: a row tells its group there; anything else is a copy of a block. */
static int scan_row(struct scanning *s, struct array_drive *d, const struct listed_object *o,
		    struct error *err)
{
	size_t tail = o->len_bytes < ROW_TAIL_MAX_BYTES ? (size_t)o->len_bytes : ROW_TAIL_MAX_BYTES;
	struct row_descriptor *desc = malloc(sizeof(*desc));
	uint8_t *bytes = malloc(tail + 1);
	struct scanned_row row = { .len_bytes = o->len_bytes, .drive = d };
	struct error why;
	int code = desc && bytes ? ERR_NONE : err_nomem(err);

	if (code == ERR_NONE)
		code = d->handle->driver->get(d->handle, o->name, o->len_bytes - tail, bytes, tail,
					      err);
	if (code == ERR_NONE &&
	    row_tail_decode(bytes, tail, o->len_bytes, desc, &why) == ERR_NONE) {
		row.group_id = desc->group_id;
		row.row = desc->row;
	}
	if (code == ERR_NONE && !grow(&s->rows, &s->row_cap, s->row_count + 1, sizeof(*s->rows)))
		code = err_nomem(err);
	if (code == ERR_NONE && object_name_hash(o->name, &row.name))
		s->rows[s->row_count++] = row;
	free(desc);
	free(bytes);
	return code;
}

static int scan_rows_of(struct scanning *s, struct array_drive *d, struct error *err)
{
	struct object_list l = { .count = 0 };
	int code = list(d, "parity/", &l, err);

	for (size_t i = 0; i < l.count && code == ERR_NONE; i++) {
		code = scan_row(s, d, &l.items[i], err);
		if (is_damage(code)) {
			s->r->unreadable++;
			code = ERR_NONE;
		}
		if (code == ERR_NONE)
			code = stop_check(err);
	}
	free(l.items);
	return code;
}

/* ---- the array ---- */

static void add_array_records(struct scanning *s)
{
	s->a->policy.parity = s->r->parity;
	record_policy(&s->records, &s->a->policy);
	for (unsigned i = 0; i < s->a->count; i++) {
		const struct array_drive *d = &s->a->drives[i];

		record_drive(&s->records, &d->record);
		if (d->url)
			record_access(&s->records, &d->id, d->url, d->options_json);
	}
}

static void release(struct scanning *s)
{
	for (size_t i = 0; i < s->part_count; i++)
		free(s->parts[i].bytes);
	free(s->parts);
	free(s->blocks);
	free(s->rows);
	framer_free(s->framer);
	buf_release(&s->records);
}

int scan(struct array *a, struct counters *counters, struct scan_result *r, struct error *err)
{
	struct scanning s = { .a = a, .r = r, .counters = counters };
	int code;

	memset(r, 0, sizeof(*r));
	code = framer_new(0, &s.framer, err);
	/* A scan that was cut off may have signed segments: ours follow them in the chain. */
	if (code == ERR_NONE)
		code = array_flush_outbox(a, err);
	for (unsigned i = 0; i < a->count && code == ERR_NONE; i++) {
		if (a->drives[i].presence != DRIVE_PRESENT)
			continue;
		code = scan_blocks_of(&s, &a->drives[i], err);
		if (code == ERR_NONE)
			code = scan_rows_of(&s, &a->drives[i], err);
	}
	scan_sort_blocks(&s);
	if (code == ERR_NONE)
		code = scan_groups(&s, err);
	if (code == ERR_NONE)
		code = scan_manifests(&s, err);
	if (code == ERR_NONE) {
		add_array_records(&s);
		code = scan_commit(&s, true, err);
	}
	if (code == ERR_NONE)
		code = table_settle(a->table, err);
	if (code == ERR_NONE)
		code = scan_missing(&s, err);
	if (code == ERR_NONE)
		code = scan_commit(&s, true, err);
	if (code == ERR_NONE)
		code = array_refresh(a, err);
	release(&s);
	return code;
}
