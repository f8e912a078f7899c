#include "tests/support/whole_table.h"

#include "table/verified.h"

#include <stdlib.h>
#include <string.h>

/* ---- the journal ---- */

static void add_array(struct buf *out)
{
	struct policy p = { .parity = 1, .geometry = geometry_default() };
	struct id one = test_id('d', 1), slot = test_id('k', 1), put = test_id('p', 1);
	struct series_record series = { .id = test_id('s', 1), .name = "series", .host = "host" };
	struct scrub_record scrub = {
		.drive_id = one, .time_s = 9, .damaged = 2, .complete = true
	};
	struct hash writer = test_hash('w', 7);

	record_policy(out, &p);
	test_record_drive(out, 1, "one");
	test_record_drive(out, 2, "one");
	record_access(out, &one, "file:/one", "{}");
	record_slot(out, &slot, false);
	record_series(out, &series);
	record_scrub(out, &scrub);
	record_retire(out, &writer);
	record_intent(out, &put, 3);
}

/* What segment 2 placed on drive 1, twice: the first is cut by the second. */
static void add_verified(struct buf *out, const struct clock *known, uint64_t turn)
{
	struct verified_record v = { .drive_id = test_id('d', 1) };
	struct verified_claim *c = verified_claim(&v, turn, 9);

	if (!c || !ranges_add(&c->ranges, turn << 60, UINT64_MAX) || !clock_copy(&v.known, known))
		abort();
	record_verified(out, &v);
	verified_release(&v);
}

static void add_blocks(struct buf *out)
{
	uint32_t chunks[3] = { 1, 2, 3 }, pair[2] = { 1, 2 }, rows[2] = { 3, 4 }, old = 1;
	struct id one = test_id('b', 1), two = test_id('b', 2), drive = test_id('d', 2);
	struct id group = test_id('g', 2);
	struct group_row_record row = {
		.row = 1, .name = test_hash('r', 1), .len_bytes = 9, .drive_id = test_id('d', 5)
	};

	test_record_block(out, 1, 1, chunks, 3);
	test_record_block(out, 2, 2, chunks + 1, 2);
	test_record_block(out, 3, 1, chunks, 1);
	test_record_inline(out, 4, chunks, 2);
	test_record_group(out, 1, pair, 2, rows, 2, NULL, 0);
	test_record_group(out, 2, pair, 2, rows, 1, &old, 1);
	record_rows(out, &group, &row, true);
	record_move(out, &one, &drive);
	record_id(out, RECORD_FOSSIL, &two);
	record_id(out, RECORD_ACK, &two);
	record_id(out, RECORD_LOST, &two);
	record_garbage(out, &drive, "parity/aa/bb", false);
}

static void add_snapshot(struct buf *out, uint32_t number, uint32_t base)
{
	struct id id = test_id('n', number);
	struct node folder = test_node(NODE_FOLDER, 0), file = test_node(NODE_FILE, number);
	struct piece hole = { .hole = true, .hole_bytes = 5 };
	struct piece_state state = { 0 };
	struct folder_writer w = { 0 };
	struct buf pieces = { 0 };
	struct content_record c = { .snapshot = id, .path = (const uint8_t *)"/a" };

	piece_add(&state, &pieces, &hole);
	c.path_bytes = 2;
	c.name = (const uint8_t *)"long";
	c.name_bytes = 4;
	c.pieces = pieces.data;
	c.pieces_bytes = pieces.len_bytes;
	test_record_snapshot(out, number, 1, base, 0);
	folder_writer_add(&w, "a", 1, number == 3 ? &file : &folder);
	folder_writer_finish(&w, &id, "", 0, out);
	if (number != 3) {
		if (number == 2)
			folder_writer_remove(&w, "file", 4);
		folder_writer_add(&w, number == 1 ? "file" : "other", number == 1 ? 4 : 5, &file);
		file.content_parts = 1;
		folder_writer_add(&w, "long", 4, &file);
		folder_writer_finish(&w, &id, "/a", 2, out);
		record_content(out, &c);
	}
	record_commit(out, &id);
	folder_writer_release(&w);
	buf_release(&pieces);
}

void whole_table_segments(struct segment out[WHOLE_SEGMENTS])
{
	struct buf unknown = { 0 };
	struct scribe s;

	scribe_init(&s, 1);
	add_array(&s.records);
	out[0] = scribe_write(&s);
	add_blocks(&s.records);
	buf_add_u8(&unknown, 1);
	record_add(&s.records, 999, false, &unknown);
	out[1] = scribe_write(&s);
	add_snapshot(&s.records, 1, 0);
	add_snapshot(&s.records, 2, 1);
	add_snapshot(&s.records, 3, 2);
	add_verified(&s.records, &s.seen, 1);
	out[2] = scribe_write(&s);
	add_snapshot(&s.records, 4, 1); /* a fork */
	add_snapshot(&s.records, 6, 5); /* waits for its base */
	add_verified(&s.records, &s.seen, 2);
	out[3] = scribe_write(&s);
	buf_release(&unknown);
	scribe_release(&s);
}

/* ---- the questions ---- */

struct asking {
	struct table *t;
	struct error *err;
	int code; /* the first failure */
};

/* Whether there is an answer. */
static bool fine(struct asking *a, int code)
{
	if (code != ERR_NONE && code != ERR_NOT_FOUND && a->code == ERR_NONE)
		a->code = code;
	return code == ERR_NONE;
}

static int any_id(void *ctx, const struct id *id, struct error *err)
{
	(void)ctx, (void)id, (void)err;
	return ERR_NONE;
}

static int any_slot(void *ctx, const struct id *id, bool present, struct error *err)
{
	(void)ctx, (void)id, (void)present, (void)err;
	return ERR_NONE;
}

static int any_object(void *ctx, const struct table_object *o, struct error *err)
{
	(void)ctx, (void)o, (void)err;
	return ERR_NONE;
}

static int any_part(void *ctx, const struct table_part *p, struct error *err)
{
	(void)ctx, (void)p, (void)err;
	return ERR_NONE;
}

static int any_number(void *ctx, int64_t block, struct error *err)
{
	(void)ctx, (void)block, (void)err;
	return ERR_NONE;
}

static int any_name(void *ctx, const char *name, struct error *err)
{
	(void)ctx, (void)name, (void)err;
	return ERR_NONE;
}

static void ask_array(struct asking *a)
{
	struct clock clock = { 0 };
	struct table_drive *drives;
	struct hash writer, head = { { 0 } };
	struct id put = test_id('p', 1), series;
	struct policy p;
	uint8_t head_16[16];
	size_t count;
	bool yes;

	memset(writer.b, 1, sizeof(writer.b));
	if (fine(a, table_clock(a->t, &clock, a->err)))
		clock_release(&clock);
	fine(a, table_head_at(a->t, &writer, 2, head_16, a->err));
	fine(a, table_has_head(a->t, head.b, &yes, a->err));
	fine(a, table_policy(a->t, &p, a->err));
	if (fine(a, table_drives(a->t, &drives, &count, a->err)))
		table_drives_free(drives, count);
	fine(a, table_slots(a->t, any_slot, NULL, a->err));
	fine(a, table_open_intents(a->t, any_id, NULL, a->err));
	fine(a, table_intent_writer(a->t, &put, &writer, a->err));
	fine(a, table_series_find(a->t, "series", "host", "", 0, &series, a->err));
}

static void ask_block(struct asking *a, uint32_t number)
{
	struct id uid = test_id('b', number);
	struct hash name = test_hash('b', number), chunk = test_hash('c', number);
	struct table_block b, again;
	struct chunk_place place;
	struct buf data = { 0 };
	struct contents c;
	int code = table_block_by_uid(a->t, &uid, &b, a->err);

	fine(a, table_find_chunk(a->t, &chunk, 0, &place, a->err));
	table_knows_object(a->t, &name);
	if (!fine(a, code))
		return;
	fine(a, table_block_by_id(a->t, b.id, &again, a->err));
	if (table_block_contents(a->t, b.id, &c, &data, a->err) == ERR_NONE)
		contents_release(&c);
	else
		fine(a, (int)a->err->code);
	fine(a, table_groups_of(a->t, b.id, any_id, NULL, a->err));
	buf_release(&data);
}

static void ask_groups(struct asking *a)
{
	struct table_group *g = malloc(sizeof(*g));
	struct id group = test_id('g', 2);
	struct hash writer;
	uint64_t bytes;

	memset(writer.b, 1, sizeof(writer.b));
	if (!g) {
		fine(a, ERR_NOMEM);
		return;
	}
	fine(a, table_group(a->t, &group, g, a->err));
	free(g);
	fine(a, table_groups(a->t, any_id, NULL, a->err));
	fine(a, table_ungrouped(a->t, any_id, NULL, a->err));
	fine(a, table_parts(a->t, any_part, NULL, a->err));
	fine(a, table_shared_blocks(a->t, any_number, NULL, a->err));
	fine(a, table_short_groups(a->t, 2, 1, any_id, NULL, a->err));
	fine(a, table_doubled_groups(a->t, any_id, NULL, a->err));
	fine(a, table_surplus_groups(a->t, 0, any_id, NULL, a->err));
	fine(a, table_lost_blocks(a->t, any_id, NULL, a->err));
	fine(a, table_pending_inline(a->t, &writer, any_id, NULL, &bytes, a->err));
	for (uint32_t i = 1; i <= 5; i++) {
		struct id drive = test_id('d', i);
		struct table_verification sums;

		fine(a, table_groups_on(a->t, &drive, any_id, NULL, a->err));
		fine(a, table_objects(a->t, &drive, any_object, NULL, a->err));
		fine(a, table_verification(a->t, &drive, 0, 100, &sums, a->err));
		fine(a, table_garbage(a->t, &drive, any_name, NULL, a->err));
	}
}

static void ask_nodes(struct asking *a, const struct table_snapshot *s, const char *path)
{
	struct table_children *c;
	struct buf out = { 0 };
	const uint8_t *name;
	size_t name_bytes;
	struct node n;

	fine(a, table_node(a->t, s, path, strlen(path), &n, a->err));
	fine(a, table_content_part(a->t, s, path, strlen(path), 0, &out, a->err));
	buf_release(&out);
	if (!fine(a, table_children_open(a->t, s, path, strlen(path), &c, a->err)))
		return;
	while (table_children_next(c, &name, &name_bytes, &n, a->err))
		;
	fine(a, (int)a->err->code);
	table_children_close(c);
}

static void ask_snapshots(struct asking *a)
{
	struct id series = test_id('s', 1);
	struct table_snapshot *all, latest;
	size_t count;

	if (table_latest(a->t, &series, &latest, a->err) == ERR_NONE)
		table_snapshot_release(&latest);
	else
		fine(a, (int)a->err->code);
	if (!fine(a, table_snapshots(a->t, NULL, &all, &count, a->err)))
		return;
	for (size_t i = 0; i < count; i++) {
		ask_nodes(a, &all[i], "");
		ask_nodes(a, &all[i], "/a");
		ask_nodes(a, &all[i], "/a/long");
		table_snapshot_release(&all[i]);
	}
	free(all);
}

int whole_table_ask(struct table *t, struct error *err)
{
	struct asking a = { .t = t, .err = err };
	struct buf records = { 0 };
	struct hash writer, fingerprint;

	memset(writer.b, 1, sizeof(writer.b));
	ask_array(&a);
	for (uint32_t i = 1; i <= 5; i++)
		ask_block(&a, i);
	ask_groups(&a);
	ask_snapshots(&a);
	fine(&a, table_dump(t, &records, err));
	fine(&a, table_unmanifested(t, &writer, &records, err));
	fine(&a, table_fingerprint(t, &fingerprint, err));
	buf_release(&records);
	return a.code;
}
