#include "archive/put.h"

#include "archive/fold.h"
#include "archive/put_internal.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMIT_BYTES ((uint64_t)1 << 30) /* a large put commits its groups this often, ... */
#define COMPACT_BYTES ((uint64_t)64 << 10) /* a put that stored so much may compact journals */
#define COMMIT_SECONDS 60		 /* ... or after this time, */
#define PULL_SECONDS 5 /* other hosts may have committed since a put of so long began */
#define COMMIT_CHUNKS ((size_t)150000)	 /* ... or when this many chunks wait for it, */
#define COMMIT_RECORD_BYTES ((size_t)8 << 20) /* ... or this much metadata */

/* ---- commits ---- */

/* The walk may be asking the table meanwhile. */
static int commit_records(struct putting *p, const struct buf *records, struct hash *head,
			  struct error *err)
{
	int code;

	pthread_mutex_lock(&p->a->table_lock);
	code = array_commit(p->a, records, head, err);
	pthread_mutex_unlock(&p->a->table_lock);
	return code;
}

/* What became of the drives meanwhile counts from the next group on. Nothing is being stored now. */
static int follow(struct putting *p, bool pull, struct error *err)
{
	int code;

	pthread_mutex_lock(&p->a->table_lock);
	code = array_follow(p->a, pull, err);
	pthread_mutex_unlock(&p->a->table_lock);
	return code;
}

static int commit_intent(struct putting *p, struct error *err)
{
	struct buf records = { 0 };
	int code;

	record_intent(&records, &p->r->snapshot, p->o->time_ns / 1000000000);
	code = commit_records(p, &records, NULL, err);
	buf_release(&records);
	p->intent_committed = code == ERR_NONE;
	return code;
}

/* Makes all that was read so far durable and known: groups, then the records that name them. */
static int commit_part(struct putting *p, struct error *err)
{
	struct buf *outlined = outline_records(p->outline);
	struct packer_result stored;
	int code;

	if ((code = packer_settle(p->packer, err)) != ERR_NONE ||
	    (code = outline_flush(p->outline, err)) != ERR_NONE ||
	    (code = manifest_add(&p->manifest, p->packer, outlined, err)) != ERR_NONE ||
	    (code = packer_finish(p->packer, false, &p->records, &stored, err)) != ERR_NONE)
		return code;
	p->made_blocks = true;
	p->r->bytes_stored += stored.place.stored_bytes;
	p->r->thin = p->r->thin || stored.place.thin;
	buf_add(&p->records, outlined->data, outlined->len_bytes);
	buf_release(outlined);
	code = commit_records(p, &p->records, NULL, err);
	buf_release(&p->records);
	chunk_map_clear(&p->map);
	p->last_commit = time(NULL);
	return code == ERR_NONE ? follow(p, false, err) : code;
}

int put_commit_if_due(struct putting *p, struct error *err)
{
	uint64_t added = packer_added_bytes(p->packer);
	bool much_metadata = outline_records(p->outline)->len_bytes >= COMMIT_RECORD_BYTES;
	int code = ERR_NONE;

	if (added <= geometry_inline_bytes(&p->a->policy.geometry) && !much_metadata)
		return ERR_NONE;
	if (!p->intent_committed)
		code = commit_intent(p, err);
	if (code != ERR_NONE)
		return code;
	if (added < COMMIT_BYTES && p->map.count < COMMIT_CHUNKS && !much_metadata &&
	    time(NULL) - p->last_commit < COMMIT_SECONDS)
		return ERR_NONE;
	return commit_part(p, err);
}

/* ---- beginning and end ---- */

/* What a record cannot hold is refused before anything is read. */
static int check_texts(const struct putting *p, struct error *err)
{
	if (p->o->series && strlen(p->o->series) > TEXT_MAX)
		return err_set(err, ERR_USAGE, "the name of the series is longer than %d bytes",
			       TEXT_MAX);
	if (strlen(p->o->host) > TEXT_MAX)
		return err_set(err, ERR_USAGE, "the name of the host is longer than %d bytes",
			       TEXT_MAX);
	if (p->o->tags && strlen(p->o->tags) > TAGS_MAX)
		return err_set(err, ERR_USAGE, "the tags are longer than %d bytes", TAGS_MAX);
	if (p->paths.len_bytes > PATHS_BYTES_MAX)
		return err_set(err, ERR_USAGE, "the paths to put are longer than %zu bytes",
			       PATHS_BYTES_MAX);
	return ERR_NONE;
}

static int find_series(struct putting *p, struct error *err)
{
	const char *name = p->o->series ? p->o->series : "";
	int code;

	roots_encode(&p->roots, &p->paths);
	if (p->paths.failed)
		return err_nomem(err);
	code = check_texts(p, err);
	if (code != ERR_NONE)
		return code;
	code = table_series_find(p->a->table, name, p->o->host, p->paths.data, p->paths.len_bytes,
				 &p->series, err);
	if (code == ERR_NOT_FOUND) {
		p->series = id_random();
		p->series_new = true;
		return ERR_NONE;
	}
	if (code == ERR_NONE)
		code = table_latest(p->a->table, &p->series, &p->base, err);
	p->has_base = code == ERR_NONE;
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

static int lock_series(struct putting *p, struct error *err)
{
	char hex[ID_HEX_BYTES], name[ID_HEX_BYTES + 16], *path;
	int code;

	hex_encode(p->series.b, ID_BYTES, hex);
	snprintf(name, sizeof(name), "put-%s.lock", hex);
	path = array_state_file(p->a, name);
	code = path ? file_lock(path, &p->series_lock, err) : err_nomem(err);
	if (code == ERR_LOCKED)
		code = err_set(err, ERR_LOCKED, "another put of the same paths is running");
	free(path);
	return code;
}

static void snapshot_records(struct putting *p, struct buf *out)
{
	struct snapshot_record s = { .id = p->r->snapshot,
				     .series = p->series,
				     .time_ns = p->o->time_ns,
				     .host = p->o->host,
				     .tags = p->o->tags ? p->o->tags : "",
				     .paths = p->paths.data,
				     .paths_bytes = p->paths.len_bytes,
				     .files = p->r->files,
				     .bytes = p->r->bytes,
				     .added_bytes = p->r->bytes_added };

	if (p->has_base)
		s.base = p->base.id;
	if (p->made_blocks)
		s.put_id = p->r->snapshot;
	/* In every manifest: each must do without the others. */
	if (p->series_new || p->made_blocks) {
		struct series_record series = { .id = p->series,
						.name = p->o->series ? p->o->series : "",
						.host = p->o->host,
						.paths = p->paths.data,
						.paths_bytes = p->paths.len_bytes };

		record_series(out, &series);
	}
	record_snapshot(out, &s);
}

/* Little enough rides in the journal; with more, what waits there goes into the blocks too. */
static int decide_blocks(struct putting *p, struct error *err)
{
	uint32_t inline_bytes = geometry_inline_bytes(&p->a->policy.geometry);
	bool due;
	int code = fold_is_due(p->a, &due, err);

	if (code != ERR_NONE)
		return code;
	p->made_blocks = p->made_blocks || due || packer_packed_bytes(p->packer) > inline_bytes;
	if (!p->made_blocks)
		return ERR_NONE;
	code = fold_inline(p->a, p->packer, &p->map, err);
	return code == ERR_NONE ? packer_settle(p->packer, err) : code;
}

/* Housekeeping after the commit: what goes wrong with it is no fault of the snapshot. */
static void tidy_up(struct putting *p)
{
	struct error why;

	/* Whether the promise is kept is judged by the drives as they are now. */
	if (follow(p, time(NULL) - p->began >= PULL_SECONDS, &why) != ERR_NONE)
		array_tell(p->a, TELL_WARNING, "%s", why.message);

	if (array_compact(p->a, p->r->bytes_stored >= COMPACT_BYTES, &why) != ERR_NONE)
		array_tell(p->a, TELL_WARNING, "%s", why.message);
}

/* The last commit: what is left of the groups, and with them the snapshot. */
static int commit_all(struct putting *p, struct error *err)
{
	struct buf *outlined = outline_records(p->outline);
	struct packer_result stored;
	int code;

	if ((code = packer_settle(p->packer, err)) != ERR_NONE ||
	    (code = outline_flush(p->outline, err)) != ERR_NONE)
		return code;
	if ((code = decide_blocks(p, err)) != ERR_NONE)
		return code;
	snapshot_records(p, outlined);
	record_commit(outlined, &p->r->snapshot);
	if (p->made_blocks) {
		if (!p->intent_committed && (code = commit_intent(p, err)) != ERR_NONE)
			return code;
		code = manifest_close(&p->manifest, p->packer, outlined, err);
	}
	if (code == ERR_NONE)
		code = packer_finish(p->packer, !p->made_blocks, &p->records, &stored, err);
	if (code != ERR_NONE)
		return code;
	p->r->bytes_stored += stored.place.stored_bytes;
	p->r->thin = p->r->thin || stored.place.thin;
	buf_add(&p->records, outlined->data, outlined->len_bytes);
	if (p->intent_committed)
		record_intent_end(&p->records, &p->r->snapshot);
	code = array_commit(p->a, &p->records, &p->r->head, err);
	if (code == ERR_NONE)
		tidy_up(p);
	return code;
}

/* Tells the journal what the groups stored so far hold, so that the next put finds it there, and
 * that this one will not be finished. What goes wrong here is no matter: the intent then stays
 * open until somebody sweeps it. */
static void give_up(struct putting *p)
{
	struct buf records = { 0 };
	struct error ignored;

	feed_free(p->feed);
	p->feed = NULL;
	if (!p->intent_committed)
		return;
	packer_salvage(p->packer, &records);
	record_intent_end(&records, &p->r->snapshot);
	array_commit(p->a, &records, NULL, &ignored);
	buf_release(&records);
}

static int begin(struct putting *p, struct error *err)
{
	const struct geometry *g = &p->a->policy.geometry;
	int code;

	if ((code = roots_make(p->o->paths, p->o->path_count, &p->roots, err)) != ERR_NONE ||
	    (code = find_series(p, err)) != ERR_NONE || (code = lock_series(p, err)) != ERR_NONE ||
	    (code = array_putting_lock(p->a, false, &p->putting_lock, err)) != ERR_NONE ||
	    (code = dead_load(p->a, &p->dead, err)) != ERR_NONE || p->o->dry_run)
		return code;
	p->buffer = malloc(2 * (size_t)g->chunk_max_bytes);
	if (!p->buffer)
		return err_nomem(err);
	if ((code = cutter_new(p->a->keys, g, &p->cutter, err)) != ERR_NONE ||
	    (code = packer_new(p->a, p->o->level, &p->packer, err)) != ERR_NONE)
		return code;
	manifest_init(&p->manifest, p->a, &p->r->snapshot);
	code = outline_new(p->packer, &p->r->snapshot, &p->outline, err);
	return code == ERR_NONE ? feed_new(put_store, p, &p->feed, err) : code;
}

static void finish(struct putting *p)
{
	feed_free(p->feed);
	outline_free(p->outline);
	packer_free(p->packer);
	cutter_free(p->cutter);
	chunk_map_release(&p->map);
	dead_release(&p->dead);
	table_snapshot_release(&p->base);
	roots_release(&p->roots);
	buf_release(&p->paths);
	buf_release(&p->records);
	buf_release(&p->target);
	buf_release(&p->xattrs);
	free(p->buffer);
	array_unlock_state(p->series_lock);
	array_unlock_state(p->putting_lock);
}

int put(struct array *a, const struct put_options *o, struct put_result *result,
	struct error *err)
{
	struct putting p = {
		.a = a, .o = o, .r = result, .series_lock = -1, .putting_lock = -1,
		.began = time(NULL), .last_commit = time(NULL)
	};
	int code;

	memset(result, 0, sizeof(*result));
	result->snapshot = id_random();
	code = begin(&p, err);
	if (code == ERR_NONE)
		code = put_walk(&p, err);
	if (code == ERR_NONE && p.feed)
		code = feed_end(p.feed, err);
	if (code == ERR_NONE && p.feed)
		code = commit_all(&p, err);
	if (code != ERR_NONE)
		give_up(&p);
	finish(&p);
	return code;
}
