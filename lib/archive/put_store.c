/* What the feed brings: cut into chunks, deduplicated, packed; and outlined. Runs in the feed's
 * thread. */
#include "archive/put_internal.h"
#include "base/stop.h"

#include <string.h>

/* ---- chunks ---- */

/* Where the array has this chunk, among blocks that can still be read. */
static int find_stored(struct putting *p, const struct hash *id, struct chunk_place *place,
		       bool *found, struct error *err)
{
	int code;

	*found = false;
	for (unsigned skip = 0;; skip++) {
		pthread_mutex_lock(&p->a->table_lock);
		code = table_find_chunk(p->a->table, id, skip, place, err);
		pthread_mutex_unlock(&p->a->table_lock);
		if (code == ERR_NOT_FOUND)
			return ERR_NONE;
		if (code != ERR_NONE)
			return code;
		if (!dead_has(&p->dead, &place->block_uid)) {
			*found = true;
			return ERR_NONE;
		}
	}
}

static int add_chunk(struct putting *p, const uint8_t *bytes, uint32_t len_bytes,
		     struct error *err)
{
	struct hash id = chunk_id(p->a->keys, bytes, len_bytes);
	const struct packer_ref *known = chunk_map_find(&p->map, &id);
	struct chunk_place place;
	struct packer_ref ref;
	bool found;
	int code;

	if (known)
		return outline_new_chunk(p->outline, *known, err);
	code = find_stored(p, &id, &place, &found, err);
	if (code != ERR_NONE)
		return code;
	if (found)
		return outline_known_chunk(p->outline, &place.block_uid, place.index, err);
	code = packer_add(p->packer, &id, bytes, len_bytes, false, &ref, err);
	if (code != ERR_NONE)
		return code;
	if (!chunk_map_add(&p->map, &id, ref))
		return err_nomem(err);
	p->r->bytes_added += len_bytes;
	code = outline_new_chunk(p->outline, ref, err);
	return code == ERR_NONE ? put_commit_if_due(p, err) : code;
}

/* Cuts these bytes, to the end: nothing of the run of data follows them. */
static int cut_all(struct putting *p, const uint8_t *bytes, size_t len_bytes, struct error *err)
{
	int code = ERR_NONE;

	for (size_t at = 0; code == ERR_NONE && at < len_bytes;) {
		size_t len = cutter_cut(p->cutter, bytes + at, len_bytes - at);

		code = add_chunk(p, bytes + at, (uint32_t)len, err);
		at += len;
	}
	return code;
}

/* Cuts what is in the buffer as far as what follows cannot matter, or all of it. */
static int cut_buffer(struct putting *p, bool to_the_end, struct error *err)
{
	size_t chunk_max = p->a->policy.geometry.chunk_max_bytes, at = 0;
	int code = ERR_NONE;

	while (code == ERR_NONE && at < p->filled && (to_the_end || p->filled - at >= chunk_max)) {
		size_t len = cutter_cut(p->cutter, p->buffer + at, p->filled - at);

		code = add_chunk(p, p->buffer + at, (uint32_t)len, err);
		at += len;
	}
	if (at > 0)
		memmove(p->buffer, p->buffer + at, p->filled - at);
	p->filled -= at;
	return code;
}

/* Data of a file, all of it up to its end if it is the last. A file that comes in one piece is cut
 * where it lies. */
static int store_data(struct putting *p, const struct feed_event *e, struct error *err)
{
	size_t cap = 2 * (size_t)p->a->policy.geometry.chunk_max_bytes, at = 0;
	int code = ERR_NONE;

	if (e->last && p->filled == 0)
		return cut_all(p, e->data, (size_t)e->data_bytes, err);
	while (code == ERR_NONE && at < e->data_bytes) {
		size_t n = (size_t)e->data_bytes - at;

		if (n > cap - p->filled)
			n = cap - p->filled;
		memcpy(p->buffer + p->filled, e->data + at, n);
		p->filled += n;
		at += n;
		code = cut_buffer(p, e->last && at == e->data_bytes, err);
	}
	return code;
}

static int store_hole(struct putting *p, uint64_t bytes, struct error *err)
{
	int code = cut_buffer(p, true, err);

	return code == ERR_NONE ? outline_hole(p->outline, bytes, err) : code;
}

static int end_file(struct putting *p, const struct node *n, struct error *err)
{
	int code = cut_buffer(p, true, err);

	return code == ERR_NONE ? outline_file_end(p->outline, n, err) : code;
}

static int drop_file(struct putting *p, struct error *err)
{
	p->filled = 0;
	return outline_file_drop(p->outline, err);
}

static int store(struct putting *p, const struct feed_event *e, struct error *err)
{
	switch (e->kind) {
	case FEED_FOLDER:
		return outline_folder(p->outline, e->name, e->name_bytes, err);
	case FEED_REMOVE:
		return outline_remove(p->outline, e->name, e->name_bytes, err);
	case FEED_NODE:
		return outline_node(p->outline, e->name, e->name_bytes, &e->node, err);
	case FEED_FILE:
		return outline_file(p->outline, e->name, e->name_bytes, err);
	case FEED_DATA:
		return store_data(p, e, err);
	case FEED_HOLE:
		return store_hole(p, e->data_bytes, err);
	case FEED_FILE_END:
		return end_file(p, &e->node, err);
	case FEED_FILE_DROP:
		return drop_file(p, err);
	}
	return ERR_NONE;
}

int put_store(void *ctx, const struct feed_event *events, size_t count, struct error *err)
{
	struct putting *p = ctx;
	int code;

	/* One view of the table for all lookups to come: each alone would lock and unlock it. */
	pthread_mutex_lock(&p->a->table_lock);
	code = table_view(p->a->table, err);
	pthread_mutex_unlock(&p->a->table_lock);
	for (size_t i = 0; i < count && code == ERR_NONE; i++) {
		code = stop_check(err);
		if (code == ERR_NONE)
			code = store(p, &events[i], err);
	}
	pthread_mutex_lock(&p->a->table_lock);
	table_view_end(p->a->table);
	pthread_mutex_unlock(&p->a->table_lock);
	/* What has no new contents makes metadata all the same. */
	return code == ERR_NONE ? put_commit_if_due(p, err) : code;
}
