/*
 * What scrubs found whole: ranges of names, their record, and what the table makes of it.
 */
#include "table/verified.h"
#include "tests/support/scribe.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LAST UINT64_MAX

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

	scribe_release(&f->s);
	scribe_release(&f->other);
	table_close(f->t);
	temp_folder_remove(f->folder);
	free(f);
	return 0;
}

/* ---- ranges ---- */

static struct name_ranges ranges_of(const uint64_t *bounds, size_t count)
{
	struct name_ranges r = { 0 };

	for (size_t i = 0; i < count; i++)
		assert_true(ranges_add(&r, bounds[2 * i], bounds[2 * i + 1]));
	return r;
}

static void ranges_that_meet_are_one(void **state)
{
	const uint64_t bounds[] = { 1, 3, 4, 5, 7, 9, 8, 8, 9, 12, 20, LAST, 21, 30 };
	struct name_ranges r = ranges_of(bounds, 7);

	(void)state;
	assert_int_equal(r.count, 3);
	assert_true(ranges_have(&r, 5) && !ranges_have(&r, 6) && ranges_have(&r, 12));
	assert_true(!ranges_have(&r, 0) && !ranges_have(&r, 13) && ranges_have(&r, LAST));
	ranges_release(&r);
}

/* Against a set kept bit by bit. */
static void what_is_subtracted_is_gone_and_nothing_else(void **state)
{
	uint64_t noise = 1;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		bool in[2][64] = { { false } };
		struct name_ranges r[2] = { { 0 }, { 0 } };

		for (int n = 0; n < 2; n++) {
			for (uint64_t at = noise % 5; at < 60;) {
				uint64_t width = (noise = noise * 6364136223846793005u + 1442695u) >> 61;

				assert_true(ranges_add(&r[n], at, at + width % 4));
				for (uint64_t i = at; i <= at + width % 4; i++)
					in[n][i] = true;
				at += width % 4 + 2 + (noise >> 60) % 5;
			}
		}
		assert_true(ranges_subtract(&r[0], &r[1]));
		for (uint64_t i = 0; i < 64; i++)
			assert_int_equal(ranges_have(&r[0], i), in[0][i] && !in[1][i]);
		for (size_t i = 1; i < r[0].count; i++)
			assert_true(r[0].items[i].from > r[0].items[i - 1].to + 1);
		ranges_release(&r[0]);
		ranges_release(&r[1]);
	}
}

static void the_last_name_can_be_subtracted(void **state)
{
	const uint64_t all[] = { 0, LAST }, end[] = { 5, LAST };
	struct name_ranges a = ranges_of(all, 1), b = ranges_of(end, 1);

	(void)state;
	assert_true(ranges_subtract(&a, &b));
	assert_int_equal(a.count, 1);
	assert_true(a.items[0].from == 0 && a.items[0].to == 4);
	assert_true(ranges_subtract(&b, &b));
	assert_int_equal(b.count, 0);
	ranges_release(&a);
	ranges_release(&b);
}

/* ---- the record ---- */

static void add_claim(struct verified_record *v, uint64_t turn, int64_t time_s, uint64_t from,
		      uint64_t to)
{
	struct verified_claim *c = verified_claim(v, turn, time_s);

	assert_non_null(c);
	assert_true(ranges_add(&c->ranges, from, to));
}

static struct verified_record some_record(void)
{
	struct verified_record v = { .drive_id = test_id('d', 1) };

	for (uint8_t i = 1; i < 4; i++) {
		struct mark m = { .writer = { { i } }, .seq = i };

		assert_true(clock_set(&v.known, &m));
	}
	add_claim(&v, 7, 200, 5, 9);
	add_claim(&v, 7, 100, 0, 3);
	add_claim(&v, 2, -5, 1000, LAST);
	add_claim(&v, 7, 200, 11, 11);
	return v;
}

static struct reader body_of(const struct buf *out)
{
	struct reader r = reader_of(out->data, out->len_bytes), body;
	uint64_t type;
	bool mandatory;

	assert_true(record_next(&r, &type, &mandatory, &body));
	assert_int_equal(type, RECORD_VERIFIED);
	assert_false(mandatory);
	assert_true(reader_done(&r));
	return body;
}

static void a_record_comes_back_whole(void **state)
{
	struct verified_record v = some_record(), v2;
	struct buf out = { 0 }, again = { 0 };
	struct error err;

	(void)state;
	record_verified(&out, &v);
	assert_int_equal(parse_verified(body_of(&out), &v2, &err), ERR_NONE);
	assert_true(id_equal(&v.drive_id, &v2.drive_id));
	assert_int_equal(v2.known.count, 3);
	assert_int_equal(v2.count, 3);
	assert_true(v2.claims[0].turn == 2 && v2.claims[0].time_s == -5);
	assert_true(v2.claims[0].ranges.items[0].to == LAST);
	assert_true(v2.claims[1].time_s == 100 && v2.claims[2].time_s == 200);
	assert_int_equal(v2.claims[2].ranges.count, 2);
	record_verified(&again, &v2);
	assert_true(again.len_bytes == out.len_bytes &&
		    memcmp(again.data, out.data, out.len_bytes) == 0);
	assert_int_equal(records_check(out.data, out.len_bytes, &err), ERR_NONE);
	verified_release(&v);
	/* Cut anywhere, or with something behind it, it is none. */
	for (size_t cut = 0; cut < body_of(&out).left_bytes; cut++)
		assert_int_equal(parse_verified(reader_of(body_of(&out).at, cut), &v, &err),
				 ERR_CORRUPT);
	buf_clear(&again);
	buf_add(&again, body_of(&out).at, body_of(&out).left_bytes);
	buf_add_u8(&again, 0);
	assert_int_equal(parse_verified(reader_of(again.data, again.len_bytes), &v, &err),
			 ERR_CORRUPT);
	verified_release(&v2);
	buf_release(&out);
	buf_release(&again);
}

/* numbers: claims, then per claim turn, time, ranges, then per range gap and width. */
static int parse_numbers(const uint64_t *numbers, size_t count)
{
	struct verified_record v;
	struct buf body = { 0 };
	struct id drive = test_id('d', 1);
	struct error err;
	int code;

	buf_add(&body, drive.b, ID_BYTES);
	buf_add_varint(&body, 0);
	for (size_t i = 0; i < count; i++)
		buf_add_varint(&body, numbers[i]);
	code = parse_verified(reader_of(body.data, body.len_bytes), &v, &err);
	verified_release(&v);
	buf_release(&body);
	return code;
}

#define PARSE(...) \
	parse_numbers((const uint64_t[]){ __VA_ARGS__ }, \
		      sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

static void what_says_nothing_or_says_it_twice_is_refused(void **state)
{
	(void)state;
	assert_int_equal(PARSE(1, 1, 0, 1, 0, 5), ERR_NONE);
	assert_int_equal(PARSE(0), ERR_CORRUPT);		      /* no claim */
	assert_int_equal(PARSE(1, 0, 0, 1, 0, 5), ERR_CORRUPT);	      /* turn 0 */
	assert_int_equal(PARSE(1, VERIFIED_TURN_MAX, 0, 1, 0, 5), ERR_NONE);
	assert_int_equal(PARSE(1, VERIFIED_TURN_MAX + 1, 0, 1, 0, 5), ERR_CORRUPT);
	assert_int_equal(PARSE(1, 1, 0, 0), ERR_CORRUPT);	      /* no range */
	assert_int_equal(PARSE(1, 1, 0, 2, 0, 5, 1, 5), ERR_NONE);
	assert_int_equal(PARSE(1, 1, 0, 2, 0, 5, 0, 5), ERR_CORRUPT); /* they meet */
	assert_int_equal(PARSE(1, 1, 0, 1, 0, LAST), ERR_NONE);
	assert_int_equal(PARSE(1, 1, 0, 1, 1, LAST), ERR_CORRUPT);    /* beyond the last name */
	assert_int_equal(PARSE(1, 1, 0, 2, 0, LAST, 1, 0), ERR_CORRUPT);
	assert_int_equal(PARSE(2, 1, 0, 1, 0, 5, 1, 0, 1, 9, 5), ERR_CORRUPT); /* one turn twice */
	assert_int_equal(PARSE(2, 2, 0, 1, 0, 5, 1, 0, 1, 9, 5), ERR_CORRUPT); /* falling */
	assert_int_equal(PARSE(2, 1, 0, 1, 0, 5, 1, 2, 1, 9, 5), ERR_NONE);
}

/* ---- the table ---- */

/* s says that it found these names of drive 1 whole, as far as it knows the journals. */
static void say(struct scribe *s, const struct clock *known, uint64_t turn, int64_t time_s,
		uint64_t from, uint64_t to)
{
	struct verified_record v = { .drive_id = test_id('d', 1) };

	assert_true(clock_copy(&v.known, known));
	add_claim(&v, turn, time_s, from, to);
	record_verified(&s->records, &v);
	verified_release(&v);
}

struct question {
	struct hash name;
	struct table_verified found;
	unsigned times;
};

static int answer(void *ctx, const struct table_object *o, struct error *err)
{
	struct question *q = ctx;

	(void)err;
	if (hash_equal(&o->sha256, &q->name)) {
		q->found = o->verified;
		q->times++;
	}
	return ERR_NONE;
}

static struct table_verified last_of(struct table *t, char kind, uint32_t number)
{
	struct question q = { .name = test_hash(kind, number) };
	struct id drive = test_id('d', 1);
	struct error err;

	assert_int_equal(table_objects(t, &drive, answer, &q, &err), ERR_NONE);
	assert_int_equal(q.times, 1);
	return q.found;
}

static void a_block_is_verified_only_by_who_knew_of_it(void **state)
{
	struct fixture *f = *state;
	uint32_t chunk = 1;

	test_record_block(&f->s.records, 1, 1, &chunk, 1);
	scribe_apply(&f->s, f->t);
	say(&f->s, &f->s.seen, 3, 50, 0, LAST);
	test_record_block(&f->s.records, 2, 1, &chunk, 1);
	scribe_apply(&f->s, f->t);
	assert_int_equal(last_of(f->t, 'b', 1).turn, 3);
	assert_int_equal(last_of(f->t, 'b', 1).time_s, 50);
	assert_int_equal(last_of(f->t, 'b', 2).turn, 0);
}

static void a_block_that_comes_again_has_to_be_verified_again(void **state)
{
	struct fixture *f = *state;
	struct id uid = test_id('b', 1), here = test_id('d', 1), there = test_id('d', 2);
	uint32_t chunk = 1;

	test_record_block(&f->s.records, 1, 1, &chunk, 1);
	scribe_apply(&f->s, f->t);
	say(&f->s, &f->s.seen, 3, 50, 0, LAST);
	record_move(&f->s.records, &uid, &there);
	scribe_apply(&f->s, f->t);
	record_move(&f->s.records, &uid, &here);
	scribe_apply(&f->s, f->t);
	assert_int_equal(last_of(f->t, 'b', 1).turn, 0);
	say(&f->s, &f->s.seen, 4, 60, 0, LAST);
	scribe_apply(&f->s, f->t);
	assert_int_equal(last_of(f->t, 'b', 1).turn, 4);
}

static void a_row_made_again_has_to_be_verified_again(void **state)
{
	struct fixture *f = *state;
	struct group_row_record row = { .row = 1, .name = test_hash('x', 1), .len_bytes = 5,
					.drive_id = test_id('d', 1) };
	uint32_t chunk = 1, blocks[2] = { 1, 2 }, drive = 1;
	struct id group = test_id('g', 1);

	test_record_block(&f->s.records, 1, 2, &chunk, 1);
	test_record_block(&f->s.records, 2, 3, &chunk, 1);
	test_record_group(&f->s.records, 1, blocks, 2, &drive, 1, NULL, 0);
	record_rows(&f->s.records, &group, &row, true);
	scribe_apply(&f->s, f->t);
	say(&f->s, &f->s.seen, 3, 50, 0, LAST);
	scribe_apply(&f->s, f->t);
	assert_int_equal(last_of(f->t, 'x', 1).turn, 3);
	record_rows(&f->s.records, &group, &row, false);
	scribe_apply(&f->s, f->t);
	record_rows(&f->s.records, &group, &row, true);
	scribe_apply(&f->s, f->t);
	assert_int_equal(last_of(f->t, 'x', 1).turn, 0);
}

/* The first eight bytes of test_hash('b', 1). */
static uint64_t number_of(uint32_t number)
{
	struct hash h = test_hash('b', number);

	return name_number(&h);
}

static void a_later_record_replaces_an_earlier_one_name_by_name(void **state)
{
	struct fixture *f = *state;
	uint32_t chunk = 1;

	for (uint32_t i = 1; i < 4; i++)
		test_record_block(&f->s.records, i, 1, &chunk, 1);
	scribe_apply(&f->s, f->t);
	say(&f->s, &f->s.seen, 9, 500, 0, LAST);
	scribe_apply(&f->s, f->t);
	/* Whatever its time and turn: a clock may go back. */
	say(&f->s, &f->s.seen, 2, 400, number_of(2), number_of(2));
	scribe_apply(&f->s, f->t);
	assert_int_equal(last_of(f->t, 'b', 1).turn, 9);
	assert_int_equal(last_of(f->t, 'b', 2).turn, 2);
	assert_int_equal(last_of(f->t, 'b', 2).time_s, 400);
	assert_int_equal(last_of(f->t, 'b', 3).turn, 9);
}

static void of_one_scrub_the_last_record_counts(void **state)
{
	struct fixture *f = *state;
	struct clock known = { 0 };
	uint32_t chunk = 1;

	test_record_block(&f->s.records, 1, 1, &chunk, 1);
	scribe_apply(&f->s, f->t);
	assert_true(clock_copy(&known, &f->s.seen));
	say(&f->s, &known, 9, 500, 0, LAST);
	scribe_apply(&f->s, f->t);
	say(&f->s, &known, 8, 400, 0, LAST);
	scribe_apply(&f->s, f->t);
	assert_int_equal(last_of(f->t, 'b', 1).turn, 8);
	clock_release(&known);
}

static void of_two_hosts_at_once_the_higher_turn_counts(void **state)
{
	struct fixture *f = *state;
	uint32_t chunk = 1;

	test_record_block(&f->s.records, 1, 1, &chunk, 1);
	scribe_apply(&f->s, f->t);
	scribe_pull(&f->other, &f->s);
	say(&f->s, &f->s.seen, 5, 10, 0, LAST);
	say(&f->other, &f->other.seen, 6, 5, 0, LAST);
	scribe_apply(&f->s, f->t);
	scribe_apply(&f->other, f->t);
	assert_int_equal(last_of(f->t, 'b', 1).turn, 6);
	scribe_pull(&f->s, &f->other);
	say(&f->s, &f->s.seen, 1, 1, 0, LAST);
	scribe_apply(&f->s, f->t);
	assert_int_equal(last_of(f->t, 'b', 1).turn, 1);
}

static void a_checkpoint_keeps_who_verified_what(void **state)
{
	struct fixture *f = *state;
	struct table *again = test_table(f->folder, "again");
	struct segment c = { .kind = SEGMENT_CHECKPOINT, .writer = f->s.id };
	struct id group = test_id('g', 1), uid = test_id('b', 1), here = test_id('d', 1);
	struct group_row_record row = { .row = 1, .name = test_hash('x', 1), .len_bytes = 5,
					.drive_id = test_id('d', 1) };
	uint32_t chunk = 1, blocks[2] = { 2, 3 }, drive = 1;

	for (uint32_t i = 1; i < 4; i++)
		test_record_block(&f->s.records, i, i, &chunk, 1);
	scribe_apply(&f->s, f->t);
	record_move(&f->s.records, &uid, &here);
	test_record_group(&f->s.records, 1, blocks, 2, &drive, 1, NULL, 0);
	record_rows(&f->s.records, &group, &row, true);
	scribe_apply(&f->s, f->t);
	say(&f->s, &f->s.seen, 5, 10, 0, LAST);
	test_record_block(&f->s.records, 4, 1, &chunk, 1);
	scribe_apply(&f->s, f->t);
	assert_int_equal(table_dump(f->t, &c.records, &f->err), ERR_NONE);
	c.first = 1;
	c.last = f->s.seq;
	assert_true(clock_copy(&c.clock, &f->s.seen));
	assert_int_equal(table_apply(again, &c, &f->err), ERR_NONE);
	assert_int_equal(last_of(again, 'b', 1).turn, 5);
	assert_int_equal(last_of(again, 'x', 1).turn, 5);
	assert_int_equal(last_of(again, 'b', 4).turn, 0);
	segment_release(&c);
	table_close(again);
}

static void sums_tell_what_is_recent_what_is_old_and_what_is_new(void **state)
{
	struct fixture *f = *state;
	struct id drive = test_id('d', 1);
	struct table_verification v;
	uint32_t chunk = 1;
	uint64_t each;

	for (uint32_t i = 1; i < 4; i++)
		test_record_block(&f->s.records, i, 1, &chunk, 1);
	scribe_apply(&f->s, f->t);
	assert_int_equal(table_verification(f->t, &drive, 0, 1000, &v, &f->err), ERR_NONE);
	assert_int_equal(v.objects, 3);
	assert_int_equal(v.never_objects, 3);
	assert_int_equal(v.oldest_s, 0);
	each = v.bytes / 3;
	say(&f->s, &f->s.seen, 1, 100, number_of(1), number_of(1));
	scribe_apply(&f->s, f->t);
	say(&f->s, &f->s.seen, 2, 900, number_of(2), number_of(2));
	scribe_apply(&f->s, f->t);
	assert_int_equal(table_verification(f->t, &drive, 500, 1000, &v, &f->err), ERR_NONE);
	assert_int_equal(v.never_objects, 1);
	assert_int_equal(v.never_bytes, each);
	assert_int_equal(v.recent_bytes, each);
	assert_int_equal(v.oldest_s, 100);
	/* A time that is still to come is no recent one. */
	assert_int_equal(table_verification(f->t, &drive, 500, 800, &v, &f->err), ERR_NONE);
	assert_int_equal(v.recent_bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_that_meet_are_one),
		cmocka_unit_test(what_is_subtracted_is_gone_and_nothing_else),
		cmocka_unit_test(the_last_name_can_be_subtracted),
		cmocka_unit_test(a_record_comes_back_whole),
		cmocka_unit_test(what_says_nothing_or_says_it_twice_is_refused),
		cmocka_unit_test_setup_teardown(a_block_is_verified_only_by_who_knew_of_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_block_that_comes_again_has_to_be_verified_again,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_row_made_again_has_to_be_verified_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_later_record_replaces_an_earlier_one_name_by_name,
						setup, teardown),
		cmocka_unit_test_setup_teardown(of_one_scrub_the_last_record_counts, setup,
						teardown),
		cmocka_unit_test_setup_teardown(of_two_hosts_at_once_the_higher_turn_counts, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_checkpoint_keeps_who_verified_what, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			sums_tell_what_is_recent_what_is_old_and_what_is_new, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
