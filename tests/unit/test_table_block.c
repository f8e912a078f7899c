/* Blocks, chunks, groups and the objects on drives, as the journals tell of them. */
#include "tests/support/scribe.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	char *folder;
	struct table *t;
	struct scribe s, other;
	struct error err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->folder = temp_folder_in_memory();
	f->t = test_table(f->folder, "table");
	scribe_init(&f->s, 1);
	scribe_init(&f->other, 2);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	table_close(f->t);
	scribe_release(&f->s);
	scribe_release(&f->other);
	temp_folder_remove(f->folder);
	free(f);
	return 0;
}

static void add_block(struct fixture *f, uint32_t number, uint32_t drive, uint32_t chunk)
{
	test_record_block(&f->s.records, number, drive, &chunk, 1);
}

static void apply(struct fixture *f)
{
	scribe_apply(&f->s, f->t);
}

static struct table_block block(struct fixture *f, uint32_t number)
{
	struct id uid = test_id('b', number);
	struct table_block b;

	assert_int_equal(table_block_by_uid(f->t, &uid, &b, &f->err), ERR_NONE);
	return b;
}

static bool is_on(const struct table_block *b, uint32_t drive)
{
	struct id id = test_id('d', drive);

	return id_equal(&b->drive_id, &id);
}

/* The number of places of a chunk. */
static unsigned places(struct fixture *f, uint32_t chunk)
{
	struct hash id = test_hash('c', chunk);
	struct chunk_place place;
	unsigned count = 0;
	int code;

	while ((code = table_find_chunk(f->t, &id, count, &place, &f->err)) == ERR_NONE)
		count++;
	assert_int_equal(code, ERR_NOT_FOUND);
	return count;
}

/* ---- blocks and chunks ---- */

static void a_block_is_found_with_its_contents(void **state)
{
	struct fixture *f = *state;
	uint32_t chunks[3] = { 5, 6, 7 };
	struct hash name = test_hash('b', 1), second = test_hash('c', 6);
	struct id none = test_id('b', 9);
	struct contents c;
	struct table_block b, again;

	test_record_block(&f->s.records, 1, 3, chunks, 3);
	apply(f);
	b = block(f, 1);
	assert_true(hash_equal(&b.name, &name));
	assert_true(is_on(&b, 3));
	assert_true(b.known && !b.is_inline && !b.lost && !b.fossil && !b.dictionary);
	assert_int_equal(b.len_bytes, 4096 + 300);
	assert_int_equal(table_block_by_id(f->t, b.id, &again, &f->err), ERR_NONE);
	assert_memory_equal(&b, &again, sizeof(b));
	assert_int_equal(table_block_contents(f->t, b.id, &c, NULL, &f->err), ERR_NONE);
	assert_int_equal(c.chunk_count, 3);
	assert_true(hash_equal(&c.chunks[1].id, &second));
	contents_release(&c);
	assert_int_equal(table_block_by_uid(f->t, &none, &b, &f->err), ERR_NOT_FOUND);
	assert_int_equal(table_block_by_id(f->t, 999, &b, &f->err), ERR_NOT_FOUND);
	assert_int_equal(table_block_contents(f->t, 999, &c, NULL, &f->err), ERR_NOT_FOUND);
}

static void a_chunk_is_found_at_all_its_places(void **state)
{
	struct fixture *f = *state;
	uint32_t one[2] = { 5, 6 }, two[2] = { 7, 5 };
	struct hash id = test_hash('c', 5), near = test_hash('c', 5);
	struct chunk_place first, second;

	test_record_block(&f->s.records, 1, 1, one, 2);
	test_record_block(&f->s.records, 2, 2, two, 2);
	apply(f);
	assert_int_equal(table_find_chunk(f->t, &id, 0, &first, &f->err), ERR_NONE);
	assert_int_equal(table_find_chunk(f->t, &id, 1, &second, &f->err), ERR_NONE);
	assert_int_equal(first.index + second.index, 1);
	assert_int_not_equal(first.block_id, second.block_id);
	assert_int_equal(places(f, 5), 2);
	assert_int_equal(places(f, 6), 1);
	assert_int_equal(places(f, 8), 0);
	near.b[HASH_BYTES - 1] ^= 1; /* all of the id counts */
	assert_int_equal(table_find_chunk(f->t, &near, 0, &first, &f->err), ERR_NOT_FOUND);
}

static void chunks_of_manifests_are_not_found(void **state)
{
	struct fixture *f = *state;
	struct block_record b = { .uid = test_id('b', 1), .len_bytes = 5000, .epoch = 1 };
	struct contents_frame frame = {
		.offset_bytes = 64, .box_bytes = 160, .plain_bytes = 120, .method = FRAME_RAW
	};
	struct hash file = test_hash('c', 1), manifest = test_hash('c', 2);

	assert_true(contents_add_frame(&b.contents, &frame));
	assert_true(contents_add_chunk(&b.contents, &manifest, 60, true));
	assert_true(contents_add_chunk(&b.contents, &file, 60, false));
	record_block(&f->s.records, &b);
	contents_release(&b.contents);
	apply(f);
	assert_int_equal(places(f, 1), 1);
	assert_int_equal(places(f, 2), 0);
}

static void chunks_of_lost_and_condemned_blocks_are_not_present(void **state)
{
	struct fixture *f = *state;
	struct id one = test_id('b', 1), two = test_id('b', 2);

	for (uint32_t i = 1; i <= 3; i++)
		add_block(f, i, i, 5);
	apply(f);
	assert_int_equal(places(f, 5), 3);
	record_id(&f->s.records, RECORD_LOST, &one);
	apply(f);
	assert_int_equal(places(f, 5), 2);
	assert_true(block(f, 1).lost);
	record_id(&f->s.records, RECORD_FOSSIL, &two);
	apply(f);
	assert_int_equal(places(f, 5), 1);
	assert_true(block(f, 2).fossil);
}

static void a_block_moves_and_of_two_moves_the_higher_writer_wins(void **state)
{
	struct fixture *f = *state;
	struct id uid = test_id('b', 1), two = test_id('d', 2), three = test_id('d', 3);
	struct table_block b;

	add_block(f, 1, 1, 5);
	apply(f);
	scribe_pull(&f->other, &f->s);
	record_move(&f->s.records, &uid, &two);
	apply(f);
	b = block(f, 1);
	assert_true(is_on(&b, 2));
	record_move(&f->other.records, &uid, &three);
	scribe_apply(&f->other, f->t);
	b = block(f, 1);
	assert_true(is_on(&b, 3));
	/* Who has seen both decides. */
	scribe_pull(&f->s, &f->other);
	record_move(&f->s.records, &uid, &two);
	apply(f);
	b = block(f, 1);
	assert_true(is_on(&b, 2));
}

/* ---- inline blocks ---- */

static uint64_t pending_inline(struct fixture *f)
{
	uint64_t bytes;

	assert_int_equal(table_pending_inline(f->t, &f->s.id, NULL, NULL, &bytes, &f->err),
			 ERR_NONE);
	return bytes;
}

static void inline_blocks_are_pending_until_their_writer_folds_all_their_chunks(void **state)
{
	struct fixture *f = *state;
	uint32_t chunks[2] = { 5, 6 };
	struct buf data = { 0 };
	struct contents c;
	struct table_block b;

	test_record_inline(&f->s.records, 1, chunks, 2);
	apply(f);
	b = block(f, 1);
	assert_true(b.is_inline);
	assert_int_equal(b.len_bytes, 264);
	assert_int_equal(table_block_contents(f->t, b.id, &c, &data, &f->err), ERR_NONE);
	assert_int_equal(data.len_bytes, 264);
	assert_int_equal(data.data[3], 1 + 3);
	contents_release(&c);
	assert_int_equal(pending_inline(f), 264);
	assert_int_equal(places(f, 5), 1);

	/* Another writer's block is no home, half of the chunks are no home. */
	test_record_block(&f->other.records, 2, 1, chunks, 2);
	scribe_apply(&f->other, f->t);
	add_block(f, 3, 1, 5);
	apply(f);
	assert_int_equal(pending_inline(f), 264);
	add_block(f, 4, 1, 6);
	apply(f);
	assert_int_equal(pending_inline(f), 0);
	b = block(f, 1);
	assert_true(b.dictionary && !b.is_inline);
	assert_int_equal(places(f, 5), 2);
	buf_clear(&data);
	assert_int_equal(table_block_contents(f->t, b.id, &c, &data, &f->err), ERR_NONE);
	assert_int_equal(c.chunk_count, 2);
	assert_int_equal(data.len_bytes, 0);
	contents_release(&c);
	buf_release(&data);
}

/* It was stored for a reason, even if the table sees none by now. */
static void a_home_from_before_is_none(void **state)
{
	struct fixture *f = *state;
	uint32_t chunk = 5;

	add_block(f, 2, 1, 5);
	apply(f);
	test_record_inline(&f->s.records, 1, &chunk, 1);
	add_block(f, 3, 1, 6);
	apply(f);
	assert_int_equal(pending_inline(f), 164);
}

static void an_inline_block_stays_while_its_writer_knows_the_home_to_be_lost(void **state)
{
	struct fixture *f = *state;
	struct id home = test_id('b', 2);
	uint32_t chunk = 5;

	test_record_inline(&f->s.records, 1, &chunk, 1);
	apply(f);
	add_block(f, 2, 1, 5);
	record_id(&f->s.records, RECORD_LOST, &home);
	apply(f);
	assert_int_equal(pending_inline(f), 164);
	assert_int_equal(places(f, 5), 1);
	add_block(f, 3, 1, 5);
	apply(f);
	assert_int_equal(pending_inline(f), 0);
}

/* ---- groups ---- */

struct id_list {
	struct id ids[16];
	size_t count;
};

static int collect(void *ctx, const struct id *id, struct error *err)
{
	struct id_list *l = ctx;

	(void)err;
	assert_true(l->count < 16);
	l->ids[l->count++] = *id;
	return ERR_NONE;
}

static bool listed(const struct id_list *l, char kind, uint32_t number)
{
	struct id id = test_id(kind, number);

	for (size_t i = 0; i < l->count; i++)
		if (id_equal(&l->ids[i], &id))
			return true;
	return false;
}

static struct id_list groups(struct fixture *f)
{
	struct id_list l = { .count = 0 };

	assert_int_equal(table_groups(f->t, collect, &l, &f->err), ERR_NONE);
	return l;
}

static struct table_group *group(struct fixture *f, uint32_t number)
{
	static struct table_group g;
	struct id id = test_id('g', number);

	assert_int_equal(table_group(f->t, &id, &g, &f->err), ERR_NONE);
	return &g;
}

/* Blocks 1 and 2 on drives 1 and 2, in group 1 with a row on drive 3. */
static void make_group(struct fixture *f)
{
	uint32_t blocks[2] = { 1, 2 }, row_drive = 3;

	add_block(f, 1, 1, 5);
	add_block(f, 2, 2, 6);
	test_record_group(&f->s.records, 1, blocks, 2, &row_drive, 1, NULL, 0);
	apply(f);
}

static void a_group_knows_its_members_and_rows(void **state)
{
	struct fixture *f = *state;
	struct hash row_name = test_hash('r', 32);
	struct id none = test_id('g', 9);
	struct table_group *g;
	struct id_list l = { .count = 0 };

	make_group(f);
	add_block(f, 3, 1, 7);
	apply(f);
	g = group(f, 1);
	assert_int_equal(g->member_count, 2);
	assert_int_equal(g->slots[1], 1);
	assert_true(is_on(&g->members[1], 2));
	assert_true(g->members[0].known);
	assert_int_equal(g->row_count, 1);
	assert_true(hash_equal(&g->rows[0].name, &row_name));
	assert_int_equal(g->rows[0].len_bytes, 5000);
	assert_int_equal(table_groups_of(f->t, g->members[0].id, collect, &l, &f->err), ERR_NONE);
	assert_true(l.count == 1 && listed(&l, 'g', 1));
	for (uint32_t drive = 1; drive <= 4; drive++) {
		struct id id = test_id('d', drive);

		l.count = 0;
		assert_int_equal(table_groups_on(f->t, &id, collect, &l, &f->err), ERR_NONE);
		assert_int_equal(l.count, drive <= 3);
	}
	l.count = 0;
	assert_int_equal(table_ungrouped(f->t, collect, &l, &f->err), ERR_NONE);
	assert_true(l.count == 1 && listed(&l, 'b', 3));
	assert_int_equal(table_group(f->t, &none, g, &f->err), ERR_NOT_FOUND);
}

static void a_superseded_group_is_never_live_again(void **state)
{
	struct fixture *f = *state;
	uint32_t blocks[3] = { 1, 2, 3 }, row_drive = 4, old = 1;
	struct group_row_record row = {
		.row = 0, .name = test_hash('r', 77), .len_bytes = 7, .drive_id = test_id('d', 5)
	};
	struct id old_id = test_id('g', 1);
	struct id_list l;

	make_group(f);
	scribe_pull(&f->other, &f->s);
	add_block(f, 3, 3, 7);
	test_record_group(&f->s.records, 2, blocks, 3, &row_drive, 1, &old, 1);
	apply(f);
	l = groups(f);
	assert_true(l.count == 1 && listed(&l, 'g', 2));
	/* One who did not know: neither the group itself nor its rows come back. */
	test_record_group(&f->other.records, 1, blocks, 2, &row_drive, 1, NULL, 0);
	record_rows(&f->other.records, &old_id, &row, true);
	scribe_apply(&f->other, f->t);
	l = groups(f);
	assert_true(l.count == 1 && listed(&l, 'g', 2));
	assert_false(table_knows_object(f->t, &row.name));
}

static void rows_come_and_go_and_presence_wins(void **state)
{
	struct fixture *f = *state;
	struct group_row_record row = {
		.row = 0, .name = test_hash('r', 32), .len_bytes = 5000, .drive_id = test_id('d', 3)
	};
	struct id id = test_id('g', 1);

	make_group(f);
	scribe_pull(&f->other, &f->s);
	record_rows(&f->s.records, &id, &row, false);
	apply(f);
	assert_int_equal(group(f, 1)->row_count, 0);
	record_rows(&f->other.records, &id, &row, true);
	scribe_apply(&f->other, f->t);
	assert_int_equal(group(f, 1)->row_count, 1);
	/* Both were seen: the row is gone. */
	scribe_pull(&f->s, &f->other);
	record_rows(&f->s.records, &id, &row, false);
	apply(f);
	assert_int_equal(group(f, 1)->row_count, 0);
	row.drive_id = test_id('d', 4);
	row.row = 1;
	record_rows(&f->s.records, &id, &row, true);
	apply(f);
	assert_int_equal(group(f, 1)->row_count, 1);
	assert_int_equal(group(f, 1)->rows[0].row, 1);
}

static void members_whose_own_record_is_missing_are_named_all_the_same(void **state)
{
	struct fixture *f = *state;
	uint32_t blocks[2] = { 1, 2 };
	struct hash name = test_hash('b', 2);
	struct id uid = test_id('b', 2);
	struct table_block b;

	add_block(f, 1, 1, 5);
	test_record_group(&f->s.records, 1, blocks, 2, NULL, 0, NULL, 0);
	apply(f);
	b = group(f, 1)->members[1];
	assert_false(b.known);
	assert_true(hash_equal(&b.name, &name));
	assert_int_equal(b.len_bytes, 4096);
	assert_int_equal(table_block_by_uid(f->t, &uid, &b, &f->err), ERR_NOT_FOUND);
	assert_true(table_knows_object(f->t, &name));
	add_block(f, 2, 2, 6);
	apply(f);
	assert_true(group(f, 1)->members[1].known);
	assert_true(is_on(&group(f, 1)->members[1], 2));
}

/* ---- objects and garbage ---- */

struct object_list {
	size_t blocks, rows;
	uint64_t bytes;
	char last[256];
};

static int count_object(void *ctx, const struct table_object *o, struct error *err)
{
	struct object_list *l = ctx;

	(void)err;
	*(o->is_row ? &l->rows : &l->blocks) += 1;
	l->bytes += o->len_bytes;
	snprintf(l->last, sizeof(l->last), "%s", o->name);
	return ERR_NONE;
}

static struct object_list objects(struct fixture *f, uint32_t drive)
{
	struct object_list l = { .blocks = 0 };
	struct id id = test_id('d', drive);

	assert_int_equal(table_objects(f->t, &id, count_object, &l, &f->err), ERR_NONE);
	return l;
}

static void every_object_of_a_drive_is_listed_once(void **state)
{
	struct fixture *f = *state;
	struct hash name = test_hash('r', 32);
	char hex[HASH_HEX_BYTES], expected[256];
	struct object_list l;
	uint32_t many = 500, row_drives[3] = { 1, 1, 1 };

	make_group(f);
	hex_encode(name.b, HASH_BYTES, hex);
	snprintf(expected, sizeof(expected), "parity/%.2s/%s.blob", hex, hex);
	l = objects(f, 3);
	assert_true(l.blocks == 0 && l.rows == 1 && l.bytes == 5000);
	assert_string_equal(l.last, expected);
	for (uint32_t i = 0; i < many; i++) {
		uint32_t member = 100 + i;

		add_block(f, member, 1, 1000 + i);
		test_record_group(&f->s.records, 100 + i, &member, 1, row_drives, 3, NULL, 0);
	}
	apply(f);
	l = objects(f, 1);
	assert_int_equal(l.blocks, 1 + many);
	assert_int_equal(l.rows, 3 * many);
	l = objects(f, 77);
	assert_int_equal(l.blocks + l.rows, 0);
}

static int forget_all(void *ctx, const struct table_object *o, struct error *err)
{
	(void)ctx, (void)o;
	return err_set(err, ERR_INTERRUPTED, "enough");
}

static void a_listing_stops_when_asked(void **state)
{
	struct fixture *f = *state;
	struct id id = test_id('d', 1);

	make_group(f);
	assert_int_equal(table_objects(f->t, &id, forget_all, NULL, &f->err), ERR_INTERRUPTED);
}

static void objects_are_known_by_their_hash(void **state)
{
	struct fixture *f = *state;
	struct hash known[] = { test_hash('b', 1), test_hash('r', 32) }, other = test_hash('b', 9);

	make_group(f);
	assert_true(table_knows_object(f->t, &known[0]));
	assert_true(table_knows_object(f->t, &known[1]));
	assert_false(table_knows_object(f->t, &other));
}

static int count_name(void *ctx, const char *name, struct error *err)
{
	size_t *count = ctx;

	(void)name, (void)err;
	(*count)++;
	return ERR_NONE;
}

static size_t garbage(struct fixture *f, uint32_t drive)
{
	struct id id = test_id('d', drive);
	size_t count = 0;

	assert_int_equal(table_garbage(f->t, &id, count_name, &count, &f->err), ERR_NONE);
	return count;
}

static void object_text(char out[256], const char *folder, struct hash sha256)
{
	char hex[HASH_HEX_BYTES];

	hex_encode(sha256.b, HASH_BYTES, hex);
	snprintf(out, 256, "%s/%.2s/%s.blob", folder, hex, hex);
}

static void garbage_is_listed_until_it_is_done(void **state)
{
	struct fixture *f = *state;
	struct id drive = test_id('d', 3);

	record_garbage(&f->s.records, &drive, "parity/aa/one", false);
	record_garbage(&f->s.records, &drive, "parity/aa/two", false);
	apply(f);
	assert_int_equal(garbage(f, 3), 2);
	assert_int_equal(garbage(f, 4), 0);
	record_garbage(&f->s.records, &drive, "parity/aa/one", true);
	apply(f);
	assert_int_equal(garbage(f, 3), 1);
}

static void what_is_in_use_again_is_no_garbage(void **state)
{
	struct fixture *f = *state;
	struct id drive = test_id('d', 3), home = test_id('d', 1);
	char row[256], block_name[256];

	make_group(f);
	object_text(row, "parity", test_hash('r', 32));
	object_text(block_name, "blocks", test_hash('b', 1));
	record_garbage(&f->s.records, &drive, row, false);
	record_garbage(&f->s.records, &home, block_name, false);
	/* The same bytes elsewhere are in nobody's way. */
	record_garbage(&f->s.records, &drive, block_name, false);
	apply(f);
	assert_int_equal(garbage(f, 3), 1);
	assert_int_equal(garbage(f, 1), 0);
}

static void a_condemned_block_that_was_deleted_leaves_its_list(void **state)
{
	struct fixture *f = *state;
	struct id uid = test_id('b', 1), drive = test_id('d', 1);
	struct hash name = test_hash('b', 1);
	struct table_block b;
	char text[256];

	add_block(f, 1, 1, 5);
	apply(f);
	scribe_pull(&f->other, &f->s);
	object_text(text, "blocks", name);
	record_id(&f->s.records, RECORD_FOSSIL, &uid);
	record_garbage(&f->s.records, &drive, text, false);
	apply(f);
	assert_int_equal(garbage(f, 1), 1);
	/* Who did not know of the fossil deleted some old copy. */
	record_garbage(&f->other.records, &drive, text, true);
	scribe_apply(&f->other, f->t);
	assert_false(block(f, 1).dictionary);
	record_garbage(&f->s.records, &drive, text, true);
	apply(f);
	b = block(f, 1);
	assert_true(b.dictionary);
	assert_int_equal(garbage(f, 1), 0);
	assert_int_equal(objects(f, 1).blocks, 0);
	assert_false(table_knows_object(f->t, &name));
	assert_int_equal(places(f, 5), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_block_is_found_with_its_contents),
		TEST(a_chunk_is_found_at_all_its_places),
		TEST(chunks_of_manifests_are_not_found),
		TEST(chunks_of_lost_and_condemned_blocks_are_not_present),
		TEST(a_block_moves_and_of_two_moves_the_higher_writer_wins),
		TEST(inline_blocks_are_pending_until_their_writer_folds_all_their_chunks),
		TEST(a_home_from_before_is_none),
		TEST(an_inline_block_stays_while_its_writer_knows_the_home_to_be_lost),
		TEST(a_group_knows_its_members_and_rows),
		TEST(a_superseded_group_is_never_live_again),
		TEST(rows_come_and_go_and_presence_wins),
		TEST(members_whose_own_record_is_missing_are_named_all_the_same),
		TEST(every_object_of_a_drive_is_listed_once),
		TEST(a_listing_stops_when_asked),
		TEST(objects_are_known_by_their_hash),
		TEST(garbage_is_listed_until_it_is_done),
		TEST(what_is_in_use_again_is_no_garbage),
		TEST(a_condemned_block_that_was_deleted_leaves_its_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
