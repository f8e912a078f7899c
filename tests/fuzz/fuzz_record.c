/*
 * Records of any bytes: nothing but a parse or an error, and whatever was parsed is written
 * again as the same bytes, since a record has one encoding.
 */
#include "table/verified.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The list of chunks may have zeros behind it, which are not written again. */
static size_t zeros_at_end(struct reader r)
{
	size_t zeros = 0;

	while (zeros < r.left_bytes && r.at[r.left_bytes - 1 - zeros] == 0)
		zeros++;
	return zeros;
}

struct refolder {
	struct folder_writer w;
};

static int refold_removed(void *ctx, const uint8_t *name, size_t name_bytes, struct error *err)
{
	struct refolder *f = ctx;

	(void)err;
	folder_writer_remove(&f->w, name, name_bytes);
	return ERR_NONE;
}

static int refold_entry(void *ctx, const uint8_t *name, size_t name_bytes, const struct node *n,
			struct error *err)
{
	struct refolder *f = ctx;

	(void)err;
	folder_writer_add(&f->w, name, name_bytes, n);
	return ERR_NONE;
}

static int again_folder(struct reader body, struct buf *out)
{
	struct refolder f = { .w = { .removed_count = 0 } };
	const struct folder_reader reader = { refold_removed, refold_entry, &f };
	const uint8_t *path;
	size_t path_bytes;
	struct id snapshot;
	struct error err;
	int code = parse_folder_head(&body, &snapshot, &path, &path_bytes, &err);

	if (code == ERR_NONE)
		code = parse_folder_changes(&body, &reader, &err);
	/* A record without changes is never written, though it can be read. */
	if (code == ERR_NONE && f.w.removed_count + f.w.entry_count == 0)
		code = ERR_NOT_FOUND;
	if (code == ERR_NONE)
		folder_writer_finish(&f.w, &snapshot, path, path_bytes, out);
	folder_writer_release(&f.w);
	return code;
}

static int again_group(struct reader body, struct buf *out)
{
	struct group_record *g = malloc(sizeof(*g));
	struct error err;
	int code;

	if (!g)
		return ERR_NOMEM;
	code = parse_group(body, g, &err);
	if (code == ERR_NONE)
		record_group(out, g);
	free(g);
	return code;
}

static int again_block(uint64_t type, struct reader body, struct buf *out)
{
	struct block_record b;
	struct contents c;
	struct group_row_record row;
	struct id a, d;
	const uint8_t *data;
	size_t data_bytes;
	struct error err;
	bool present;
	int code;

	switch (type) {
	case RECORD_BLOCK:
		code = parse_block(body, &b, &err);
		if (code == ERR_NONE)
			record_block(out, &b);
		contents_release(&b.contents);
		return code;
	case RECORD_INLINE:
		code = parse_inline(body, &a, &c, &data, &data_bytes, &err);
		if (code == ERR_NONE)
			record_inline(out, &a, &c, data, data_bytes);
		contents_release(&c);
		return code;
	case RECORD_ROWS:
		code = parse_rows(body, &a, &row, &present, &err);
		if (code == ERR_NONE)
			record_rows(out, &a, &row, present);
		return code;
	case RECORD_MOVE:
		code = parse_move(body, &a, &d, &err);
		if (code == ERR_NONE)
			record_move(out, &a, &d);
		return code;
	default:
		return again_group(body, out);
	}
}

static int again_array(uint64_t type, struct reader body, struct buf *out)
{
	struct policy policy;
	struct drive_record drive;
	struct since_record since;
	struct scrub_record scrub;
	struct verified_record verified;
	char *url, *options, name[GARBAGE_NAME_BYTES];
	struct error err;
	struct id id;
	bool flag;
	int code;

	switch (type) {
	case RECORD_POLICY:
		code = parse_policy(body, &policy, &err);
		if (code == ERR_NONE)
			record_policy(out, &policy);
		return code;
	case RECORD_DRIVE:
		code = parse_drive(body, &drive, &err);
		if (code == ERR_NONE)
			record_drive(out, &drive);
		return code;
	case RECORD_SINCE:
		code = parse_since(body, &since, &err);
		if (code == ERR_NONE)
			record_since(out, &since);
		return code;
	case RECORD_EXTRA:
		code = parse_extra(body, &flag, &err);
		if (code == ERR_NONE)
			record_extra(out, flag);
		return code;
	case RECORD_ACCESS:
		code = parse_access(body, &id, &url, &options, &err);
		if (code == ERR_NONE)
			record_access(out, &id, url, options);
		free(url);
		free(options);
		return code;
	case RECORD_SCRUB:
		code = parse_scrub(body, &scrub, &err);
		if (code == ERR_NONE)
			record_scrub(out, &scrub);
		return code;
	case RECORD_VERIFIED:
		code = parse_verified(body, &verified, &err);
		if (code == ERR_NONE)
			record_verified(out, &verified);
		verified_release(&verified);
		return code;
	default:
		code = parse_garbage(body, &id, name, &flag, &err);
		if (code == ERR_NONE)
			record_garbage(out, &id, name, flag);
		return code;
	}
}

static int again_snapshot(uint64_t type, struct reader body, struct buf *out)
{
	struct series_record series;
	struct snapshot_record snapshot;
	struct content_record content;
	struct buf scratch = { 0 };
	struct error err;
	int code;

	if (type == RECORD_SERIES) {
		code = parse_series(body, &series, &scratch, &err);
		if (code == ERR_NONE)
			record_series(out, &series);
	} else if (type == RECORD_SNAPSHOT) {
		code = parse_snapshot(body, &snapshot, &scratch, &err);
		if (code == ERR_NONE)
			record_snapshot(out, &snapshot);
	} else {
		code = parse_content(body, &content, &err);
		if (code == ERR_NONE)
			record_content(out, &content);
	}
	buf_release(&scratch);
	return code;
}

/* Parses the body and writes its record again; ERR_NOT_FOUND for types that are not. */
static int again(uint64_t type, struct reader body, struct buf *out)
{
	switch (type) {
	case RECORD_FOLDER:
		return again_folder(body, out);
	case RECORD_BLOCK:
	case RECORD_INLINE:
	case RECORD_ROWS:
	case RECORD_MOVE:
	case RECORD_GROUP:
		return again_block(type, body, out);
	case RECORD_POLICY:
	case RECORD_DRIVE:
	case RECORD_SINCE:
	case RECORD_EXTRA:
	case RECORD_ACCESS:
	case RECORD_SCRUB:
	case RECORD_VERIFIED:
	case RECORD_GARBAGE:
		return again_array(type, body, out);
	case RECORD_SERIES:
	case RECORD_SNAPSHOT:
	case RECORD_CONTENT:
		return again_snapshot(type, body, out);
	default:
		return ERR_NOT_FOUND;
	}
}

static void one(uint64_t type, struct reader body)
{
	bool padded = type == RECORD_BLOCK || type == RECORD_INLINE;
	struct buf out = { 0 };
	struct reader r, back;
	uint64_t back_type;
	bool mandatory;

	if (again(type, body, &out) == ERR_NONE) {
		r = reader_of(out.data, out.len_bytes);
		assert(record_next(&r, &back_type, &mandatory, &back));
		assert(reader_done(&r) && back_type == type);
		assert(back.left_bytes <= body.left_bytes);
		if (!padded) {
			assert(back.left_bytes == body.left_bytes);
			assert(memcmp(back.at, body.at, back.left_bytes) == 0);
		} else if (type == RECORD_BLOCK) {
			assert(body.left_bytes - back.left_bytes <= zeros_at_end(body));
			assert(memcmp(back.at, body.at, back.left_bytes) == 0);
		}
	}
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	struct reader r = reader_of(bytes, len_bytes), body;
	struct error err;
	uint64_t type;
	bool mandatory;

	(void)records_check(bytes, len_bytes, &err);
	assert(records_split(bytes, len_bytes, len_bytes / 2) <= len_bytes / 2);
	while (record_next(&r, &type, &mandatory, &body))
		one(type, body);
	return 0;
}
