/* Every object that the journals place on a drive, and those that are to go. */
#include "table/table_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OBJECTS_PER_PAGE 128
#define NAME_ENDING ".blob"

/* ---- names ---- */

static void object_name(char name[256], const char *folder, const struct hash *sha256)
{
	char hex[HASH_HEX_BYTES];

	hex_encode(sha256->b, HASH_BYTES, hex);
	snprintf(name, 256, "%s/%.2s/%s" NAME_ENDING, folder, hex, hex);
}

/* The hash in "<folder>/<2 hex>/<64 hex>.blob"; false for any other name. */
static bool object_hash(const char *name, const char *folder, struct hash *out)
{
	size_t folder_len = strlen(folder);
	char hex[HASH_HEX_BYTES], again[256];

	if (strlen(name) != folder_len + 4 + HASH_HEX_BYTES - 1 + strlen(NAME_ENDING))
		return false;
	memcpy(hex, name + folder_len + 4, HASH_HEX_BYTES - 1);
	hex[HASH_HEX_BYTES - 1] = '\0';
	if (!hex_decode(hex, out->b, HASH_BYTES))
		return false;
	object_name(again, folder, out);
	return strcmp(name, again) == 0;
}

/* ---- what lies on a drive ---- */

/* Pages, so that each() may change the table: where the last page ended. */
struct object_page {
	struct table_object *objects; /* OBJECTS_PER_PAGE of them */
	size_t count;
	struct hash after;
	int64_t group, row; /* rows of one name on one drive: a copy may serve two groups */
	bool begun;
	struct drive_claims *claims; /* of the drive */
};

static int next_blocks(struct table *t, int64_t drive, struct object_page *p, struct error *err)
{
	struct query q = query_of(t, "SELECT name, len, uid, placed_writer, placed_seq FROM block"
				     " WHERE drive > 0 AND"
				     " drive = ?1 AND name > ?2 AND state = 1 AND lost = 0"
				     " ORDER BY name LIMIT ?3");
	bool row;
	int code;

	query_int(&q, drive);
	query_blob(&q, p->after.b, p->begun ? HASH_BYTES : 0);
	query_int(&q, OBJECTS_PER_PAGE);
	p->count = 0;
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		struct table_object *o = &p->objects[p->count++];

		memset(o, 0, sizeof(*o));
		column_exact(&q, 0, o->sha256.b, HASH_BYTES);
		o->len_bytes = (uint64_t)column_int(&q, 1);
		column_exact(&q, 2, o->owner.b, ID_BYTES);
		object_name(o->name, "blocks", &o->sha256);
		drive_claims_ask(p->claims, &o->sha256, column_int(&q, 3), column_int(&q, 4),
				 &o->verified);
		p->after = o->sha256;
		p->begun = true;
	}
	return query_end(&q, code, err);
}

static int next_rows(struct table *t, int64_t drive, struct object_page *p, struct error *err)
{
	struct query q = query_of(t, "SELECT row.name, row.len, grp.uid, row.row, row.grp,"
				     " row.placed_writer, row.placed_seq FROM row"
				     " CROSS JOIN grp ON grp.id = row.grp"
				     " WHERE row.present = 1 AND row.drive = ?1"
				     " AND (row.name, row.grp, row.row) > (?2, ?3, ?4)"
				     " ORDER BY row.name, row.grp, row.row LIMIT ?5");
	bool row;
	int code;

	query_int(&q, drive);
	query_blob(&q, p->after.b, p->begun ? HASH_BYTES : 0);
	query_int(&q, p->group);
	query_int(&q, p->row);
	query_int(&q, OBJECTS_PER_PAGE);
	p->count = 0;
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		struct table_object *o = &p->objects[p->count++];

		memset(o, 0, sizeof(*o));
		column_exact(&q, 0, o->sha256.b, HASH_BYTES);
		o->len_bytes = (uint64_t)column_int(&q, 1);
		column_exact(&q, 2, o->owner.b, ID_BYTES);
		o->is_row = true;
		p->row = column_int(&q, 3);
		o->row = (uint8_t)p->row;
		p->group = column_int(&q, 4);
		object_name(o->name, "parity", &o->sha256);
		drive_claims_ask(p->claims, &o->sha256, column_int(&q, 5), column_int(&q, 6),
				 &o->verified);
		p->after = o->sha256;
		p->begun = true;
	}
	return query_end(&q, code, err);
}

typedef int page_fn(struct table *t, int64_t drive, struct object_page *p, struct error *err);

static int walk_pages(struct table *t, int64_t drive, page_fn *next, table_object_fn *each,
		      void *ctx, struct error *err)
{
	struct object_page p = { .objects = malloc(OBJECTS_PER_PAGE * sizeof(*p.objects)) };
	int code = p.objects ? drive_claims_load(t, drive, &p.claims, err) : err_nomem(err);

	while (code == ERR_NONE) {
		code = next(t, drive, &p, err);
		for (size_t i = 0; code == ERR_NONE && i < p.count; i++)
			code = each(ctx, &p.objects[i], err);
		if (p.count < OBJECTS_PER_PAGE)
			break;
	}
	drive_claims_free(p.claims);
	free(p.objects);
	return code;
}

static int known_drive(struct table *t, const struct id *drive_id, int64_t *drive, bool *found,
		       struct error *err)
{
	struct query q = query_of(t, "SELECT id FROM drive WHERE uid = ?");

	query_id(&q, drive_id);
	return query_value(&q, drive, found, err);
}

int table_objects(struct table *t, const struct id *drive_id, table_object_fn *each, void *ctx,
		  struct error *err)
{
	int64_t drive;
	bool found;
	int code = known_drive(t, drive_id, &drive, &found, err);

	if (code != ERR_NONE || !found)
		return code;
	code = walk_pages(t, drive, next_blocks, each, ctx, err);
	if (code == ERR_NONE)
		code = walk_pages(t, drive, next_rows, each, ctx, err);
	return code;
}

bool table_knows_object(struct table *t, const struct hash *sha256)
{
	struct query q = query_of(t, "SELECT 1 FROM block WHERE name = ?1 AND state IN (0, 1)"
				     " UNION ALL SELECT 1 FROM row WHERE name = ?1 LIMIT 1");
	struct error ignored;
	int64_t one;
	bool found;

	query_hash(&q, sha256);
	/* What cannot be asked must not be swept. */
	return query_value(&q, &one, &found, &ignored) != ERR_NONE || found;
}

int table_find_object(struct table *t, const struct hash *sha256, struct id *drive_id,
		      struct table_object *out, struct error *err)
{
	struct query q = query_of(t, "SELECT drive.uid, block.len, block.uid, 0 AS is_row, 0"
				     " FROM block JOIN drive ON drive.id = block.drive"
				     " WHERE block.name = ?1 AND block.state = 1 AND block.lost = 0"
				     " UNION ALL SELECT drive.uid, row.len, grp.uid, 1, row.row"
				     " FROM row JOIN grp ON grp.id = row.grp"
				     " JOIN drive ON drive.id = row.drive"
				     " WHERE row.name = ?1 AND row.present = 1"
				     " ORDER BY is_row LIMIT 1");
	bool row;
	int code;

	memset(out, 0, sizeof(*out));
	query_hash(&q, sha256);
	code = query_next(&q, &row, err);
	if (code == ERR_NONE && row) {
		column_exact(&q, 0, drive_id->b, ID_BYTES);
		out->sha256 = *sha256;
		out->len_bytes = (uint64_t)column_int(&q, 1);
		column_exact(&q, 2, out->owner.b, ID_BYTES);
		out->is_row = column_int(&q, 3);
		out->row = (uint8_t)column_int(&q, 4);
		object_name(out->name, out->is_row ? "parity" : "blocks", sha256);
	} else if (code == ERR_NONE) {
		code = err_set(err, ERR_NOT_FOUND, "the table places no such object");
	}
	return query_end(&q, code, err);
}

/* ---- garbage ---- */

/* A fossil whose object was deleted, by one who knew that it is one, is gone. */
static int bury(struct replay *r, const char *name, struct error *err)
{
	struct table_block b;
	struct hash sha256;
	struct query q;
	bool row, seen;
	int code;

	if (!object_hash(name, "blocks", &sha256))
		return ERR_NONE;
	q = query_of(r->t, "SELECT " BLOCK_COLUMNS " FROM block" BLOCK_JOIN
			   "WHERE block.name = ? AND block.state = 1 AND block.fossil = 1");
	query_hash(&q, &sha256);
	code = query_next(&q, &row, err);
	if (code == ERR_NONE && row)
		block_columns(&q, 0, &b);
	code = query_end(&q, code, err);
	if (code != ERR_NONE || !row)
		return code;
	code = fact_seen(r, RECORD_FOSSIL, b.uid.b, ID_BYTES, &seen, err);
	if (code == ERR_NONE && seen)
		code = block_flush_chunks(r, err);
	if (code == ERR_NONE && seen)
		code = block_to_dictionary(r->t, b.id, err);
	return code;
}

/* What is done is not kept: a writer who did not know may ask again, and deleting twice is
 * harmless. */
int replay_garbage(struct replay *r, const struct record *rec, struct error *err)
{
	uint8_t key[ID_BYTES + GARBAGE_NAME_BYTES];
	char name[GARBAGE_NAME_BYTES];
	struct id drive;
	size_t len;
	bool done;
	int code = parse_garbage(rec->body, &drive, name, &done, err);

	if (code != ERR_NONE)
		return code;
	len = strlen(name);
	memcpy(key, drive.b, ID_BYTES);
	memcpy(key + ID_BYTES, name, len);
	if (!done)
		return fact_set(r, rec, key, ID_BYTES + len, err);
	code = fact_drop(r, RECORD_GARBAGE, key, ID_BYTES + len, err);
	return code == ERR_NONE ? bury(r, name, err) : code;
}

bool table_is_garbage(struct table *t, const struct id *drive_id, const char *name)
{
	struct query q = query_of(t, "SELECT 1 FROM fact WHERE type = ? AND key = ? LIMIT 1");
	uint8_t key[ID_BYTES + GARBAGE_NAME_BYTES];
	size_t len = strlen(name);
	struct error ignored;
	int64_t one;
	bool found;

	if (len > GARBAGE_NAME_BYTES)
		len = GARBAGE_NAME_BYTES; /* there is none so long */
	memcpy(key, drive_id->b, ID_BYTES);
	memcpy(key + ID_BYTES, name, len);
	query_int(&q, RECORD_GARBAGE);
	query_blob(&q, key, ID_BYTES + len);
	return query_value(&q, &one, &found, &ignored) == ERR_NONE && found;
}

struct garbage_walk {
	struct table *t;
	int64_t drive;
	table_name_fn *each;
	void *ctx;
};

/* An object that was superseded may have been made again, under the same name, since then. */
static int in_use(struct garbage_walk *w, const char *name, bool *yes, struct error *err)
{
	struct hash sha256;
	struct query q;
	int64_t one;

	*yes = false;
	if (object_hash(name, "blocks", &sha256))
		q = query_of(w->t, "SELECT 1 FROM block WHERE name = ? AND drive = ?"
				   " AND state IN (0, 1) AND fossil = 0 LIMIT 1");
	else if (object_hash(name, "parity", &sha256))
		q = query_of(w->t, "SELECT 1 FROM row WHERE name = ? AND drive = ?"
				   " AND present = 1 LIMIT 1");
	else
		return ERR_NONE;
	query_hash(&q, &sha256);
	query_int(&q, w->drive);
	return query_value(&q, &one, yes, err);
}

bool table_places(struct table *t, const struct id *drive_id, const char *name)
{
	struct garbage_walk w = { .t = t };
	struct error ignored;
	bool found, yes;

	if (known_drive(t, drive_id, &w.drive, &found, &ignored) != ERR_NONE)
		return true;
	return found && (in_use(&w, name, &yes, &ignored) != ERR_NONE || yes);
}

static int visit_garbage(void *ctx, const uint8_t *key, size_t key_bytes, struct error *err)
{
	struct garbage_walk *w = ctx;
	char name[GARBAGE_NAME_BYTES];
	bool yes;
	int code;

	if (key_bytes <= ID_BYTES || key_bytes - ID_BYTES >= sizeof(name))
		return table_stored(w->t, err_set(err, ERR_CORRUPT, "a name is malformed"), err);
	memcpy(name, key + ID_BYTES, key_bytes - ID_BYTES);
	name[key_bytes - ID_BYTES] = '\0';
	code = in_use(w, name, &yes, err);
	if (code != ERR_NONE || yes)
		return code;
	return w->each(w->ctx, name, err);
}

int table_garbage(struct table *t, const struct id *drive_id, table_name_fn *each, void *ctx,
		  struct error *err)
{
	struct garbage_walk w = { .t = t, .each = each, .ctx = ctx };
	bool found;
	int code = known_drive(t, drive_id, &w.drive, &found, err);

	if (!found)
		w.drive = -1; /* nothing lies there */
	if (code == ERR_NONE)
		code = fact_keys(t, RECORD_GARBAGE, drive_id->b, ID_BYTES, visit_garbage, &w, err);
	return code;
}
