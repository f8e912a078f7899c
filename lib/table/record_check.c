/* Parses records of every type and forgets them. */
#include "table/record.h"

#include "table/record_codec.h"
#include "table/verified.h"

#include <stdlib.h>

/* What one pass reuses from record to record. */
struct check {
	struct group_record *group; /* too large for a stack */
	struct buf scratch;
};

static int any_removed(void *ctx, const uint8_t *name, size_t name_bytes, struct error *err)
{
	(void)ctx, (void)name, (void)name_bytes, (void)err;
	return ERR_NONE;
}

static int any_entry(void *ctx, const uint8_t *name, size_t name_bytes, const struct node *n,
		     struct error *err)
{
	(void)ctx, (void)name, (void)name_bytes, (void)n, (void)err;
	return ERR_NONE;
}

static int check_folder(struct reader body, struct error *err)
{
	const struct folder_reader none = { any_removed, any_entry, NULL };
	const uint8_t *path;
	size_t path_bytes;
	struct id snapshot;
	int code;

	code = parse_folder_head(&body, &snapshot, &path, &path_bytes, err);
	if (code != ERR_NONE)
		return code;
	return parse_folder_changes(&body, &none, err);
}

static int check_access(struct reader body, struct error *err)
{
	char *url, *options;
	struct id id;
	int code = parse_access(body, &id, &url, &options, err);

	free(url);
	free(options);
	return code;
}

static int check_blocks(struct check *c, enum record_type type, struct reader body,
			struct error *err)
{
	struct block_record block;
	struct contents contents;
	struct group_row_record row;
	struct id a, b;
	const uint8_t *data;
	size_t data_bytes;
	bool present;
	int code;

	switch (type) {
	case RECORD_BLOCK:
		code = parse_block(body, &block, err);
		contents_release(&block.contents);
		return code;
	case RECORD_INLINE:
		code = parse_inline(body, &a, &contents, &data, &data_bytes, err);
		contents_release(&contents);
		return code;
	case RECORD_GROUP:
		return parse_group(body, c->group, err);
	case RECORD_ROWS:
		return parse_rows(body, &a, &row, &present, err);
	default:
		return parse_move(body, &a, &b, err);
	}
}

static int check_array(enum record_type type, struct reader body, struct error *err)
{
	struct policy policy;
	struct drive_record drive;
	struct since_record since;
	struct scrub_record scrub;
	struct verified_record verified;
	char name[GARBAGE_NAME_BYTES];
	struct hash writer;
	struct id id;
	bool flag;
	int code;

	switch (type) {
	case RECORD_POLICY:
		return parse_policy(body, &policy, err);
	case RECORD_DRIVE:
		return parse_drive(body, &drive, err);
	case RECORD_ACCESS:
		return check_access(body, err);
	case RECORD_SINCE:
		return parse_since(body, &since, err);
	case RECORD_EXTRA:
		return parse_extra(body, &flag, err);
	case RECORD_RETIRE:
		return parse_retire(body, &writer, err);
	case RECORD_SCRUB:
		return parse_scrub(body, &scrub, err);
	case RECORD_VERIFIED:
		code = parse_verified(body, &verified, err);
		verified_release(&verified);
		return code;
	case RECORD_SLOT:
		return parse_slot(body, &id, &flag, err);
	default:
		return parse_garbage(body, &id, name, &flag, err);
	}
}

static int check_snapshots(struct check *c, enum record_type type, struct reader body,
			   struct error *err)
{
	struct series_record series;
	struct snapshot_record snapshot;
	struct content_record content;
	struct id id;
	int64_t time_s;

	switch (type) {
	case RECORD_SERIES:
		return parse_series(body, &series, &c->scratch, err);
	case RECORD_SNAPSHOT:
		return parse_snapshot(body, &snapshot, &c->scratch, err);
	case RECORD_FOLDER:
		return check_folder(body, err);
	case RECORD_CONTENT:
		return parse_content(body, &content, err);
	case RECORD_INTENT:
		return parse_intent(body, &id, &time_s, err);
	default:
		return parse_commit(body, &id, err);
	}
}

static int check_checkpoint(enum record_type type, struct reader body, struct error *err)
{
	struct clock known = { 0 };
	struct contents contents = { 0 };
	struct hash writer;
	struct id id;
	const uint8_t *ids;
	uint64_t seq, rank;
	size_t count;
	int code;

	if (type == RECORD_VERSION)
		code = parse_version(body, &writer, &seq, &rank, &known, err);
	else if (type == RECORD_DICTIONARY)
		code = parse_dictionary(body, &id, &contents, err);
	else
		code = parse_superseded(body, &ids, &count, err);
	clock_release(&known);
	contents_release(&contents);
	return code;
}

static int check_one(struct check *c, uint64_t type, bool mandatory, struct reader body,
		     struct error *err)
{
	struct id id;

	switch (type) {
	case RECORD_BLOCK:
	case RECORD_INLINE:
	case RECORD_GROUP:
	case RECORD_ROWS:
	case RECORD_MOVE:
		return check_blocks(c, (enum record_type)type, body, err);
	case RECORD_POLICY:
	case RECORD_DRIVE:
	case RECORD_ACCESS:
	case RECORD_SINCE:
	case RECORD_EXTRA:
	case RECORD_RETIRE:
	case RECORD_SCRUB:
	case RECORD_VERIFIED:
	case RECORD_SLOT:
	case RECORD_GARBAGE:
		return check_array((enum record_type)type, body, err);
	case RECORD_SERIES:
	case RECORD_SNAPSHOT:
	case RECORD_FOLDER:
	case RECORD_CONTENT:
	case RECORD_INTENT:
	case RECORD_COMMIT:
		return check_snapshots(c, (enum record_type)type, body, err);
	case RECORD_VERSION:
	case RECORD_DICTIONARY:
	case RECORD_SUPERSEDED:
		return check_checkpoint((enum record_type)type, body, err);
	case RECORD_FOSSIL:
	case RECORD_ACK:
	case RECORD_LOST:
	case RECORD_SETTLED:
	case RECORD_INTENT_END:
		return parse_id(body, &id, err);
	}
	if (mandatory)
		return err_set(err, ERR_UNSUPPORTED,
			       "record type %llu is unknown: written by a newer mrmr",
			       (unsigned long long)type);
	return ERR_NONE;
}

int records_check(const void *records, size_t len_bytes, struct error *err)
{
	struct check c = { .group = malloc(sizeof(*c.group)) };
	struct reader r = reader_of(records, len_bytes), body;
	int code = ERR_NONE;
	uint64_t type;
	bool mandatory;

	if (!c.group)
		return err_nomem(err);
	while (code == ERR_NONE && record_next(&r, &type, &mandatory, &body))
		code = check_one(&c, type, mandatory, body, err);
	if (code == ERR_NONE && r.failed)
		code = err_set(err, ERR_CORRUPT, "records: malformed or cut");
	buf_release(&c.scratch);
	free(c.group);
	return code;
}
