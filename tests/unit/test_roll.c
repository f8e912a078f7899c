/*
 * The roll: which objects of a drive a scrub reads, and what it tells the journal of them.
 */
#include "care/roll.h"
#include "tests/support/noise.h"
#include "tests/support/scribe.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OBJECTS_MAX 4000

/* A drive whose objects are known by their numbers, and how often each was read. */
struct fixture {
	char *folder;
	struct table *t;
	struct scribe s;
	struct noise noise;
	uint32_t next;
	unsigned reads[OBJECTS_MAX];
	int64_t now_s;
	struct id drive;
	struct roll roll; /* of the last scrub */
	size_t told_bytes;
	struct error err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->folder = temp_folder_in_memory();
	f->t = test_table(f->folder, "table");
	f->noise.state = 7;
	f->now_s = 1000000;
	f->drive = test_id('d', 1);
	scribe_init(&f->s, 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	roll_release(&f->roll);
	scribe_release(&f->s);
	table_close(f->t);
	temp_folder_remove(f->folder);
	free(f);
	return 0;
}

static struct hash name_of(uint32_t number)
{
	uint8_t bytes[4];

	store_u32(bytes, number);
	return sha256(bytes, sizeof(bytes));
}

/* New objects: rows of groups, whose lengths can be chosen. */
static void add_objects(struct fixture *f, uint32_t count)
{
	for (; count > 0; count--) {
		struct group_record *g = calloc(1, sizeof(*g));

		assert_non_null(g);
		assert_true(f->next < OBJECTS_MAX);
		g->id = test_id('g', f->next);
		g->member_count = g->row_count = 1;
		g->members[0] = (struct group_member_record){ .block_uid = test_id('b', f->next),
							      .name = name_of(f->next),
							      .len_bytes = 5 };
		g->rows[0] = (struct group_row_record){
			.name = name_of(f->next),
			.len_bytes = 1000 + noise_below(&f->noise, 9000),
			.drive_id = f->drive
		};
		record_group(&f->s.records, g);
		f->next++;
		free(g);
	}
	scribe_apply(&f->s, f->t);
}

static uint32_t number_of(const struct roll_object *o)
{
	uint32_t number = load_u32(o->owner.b + 4);

	assert_true(number < OBJECTS_MAX);
	return number;
}

/* Reads what is chosen, as far as limit, and tells it. */
static void scrub_some(struct fixture *f, struct roll_choice choice, size_t limit)
{
	roll_release(&f->roll);
	f->now_s += 86400;
	assert_int_equal(roll_load(f->t, &f->drive, &f->roll, &f->err), ERR_NONE);
	assert_int_equal(roll_choose(&f->roll, &choice, f->now_s, &f->err), ERR_NONE);
	for (size_t i = 0; i < f->roll.chosen && i < limit; i++) {
		struct roll_object *o = &f->roll.objects[f->roll.order[i]];

		o->whole = true;
		f->reads[number_of(o)]++;
	}
	assert_int_equal(roll_tell(&f->roll, limit >= f->roll.count && f->roll.chosen == f->roll.count,
				   f->now_s, &f->s.records, &f->err), ERR_NONE);
	f->told_bytes = f->s.records.len_bytes;
	scribe_apply(&f->s, f->t);
}

static void scrub_share(struct fixture *f, unsigned percent)
{
	scrub_some(f, (struct roll_choice){ .percent = percent }, SIZE_MAX);
}

static void reads_between(const struct fixture *f, unsigned *least, unsigned *most)
{
	*least = UINT32_MAX;
	*most = 0;
	for (uint32_t i = 0; i < f->next; i++) {
		*least = f->reads[i] < *least ? f->reads[i] : *least;
		*most = f->reads[i] > *most ? f->reads[i] : *most;
	}
}

static void twenty_nights_of_5_percent_verify_everything_once_before_anything_twice(void **state)
{
	struct fixture *f = *state;

	add_objects(f, 333);
	for (unsigned night = 1; night <= 60; night++) {
		unsigned least, most;

		scrub_share(f, 5);
		assert_true(f->roll.chosen_bytes >= f->roll.bytes / 20);
		assert_true(f->roll.chosen_bytes <= f->roll.bytes / 20 + 10000);
		reads_between(f, &least, &most);
		assert_true(least >= night / 20);
		assert_true(most <= least + 1);
		/* One sweep over the names, or its end and the next one's beginning. */
		assert_true(f->told_bytes < 160);
	}
}

/* A clock that stands still or goes back changes no order. */
static void what_is_next_is_not_chosen_by_the_clock(void **state)
{
	struct fixture *f = *state;

	add_objects(f, 100);
	for (unsigned night = 1; night <= 40; night++) {
		unsigned least, most;

		f->now_s = night % 3 == 0 ? 5000 : 9000000 - 1000 * (int64_t)night;
		scrub_share(f, 5);
		reads_between(f, &least, &most);
		assert_true(least >= night / 20 && most <= least + 1);
	}
}

static void a_scrub_that_was_cut_off_is_gone_on_with(void **state)
{
	struct fixture *f = *state;
	unsigned least, most;

	add_objects(f, 200);
	scrub_some(f, (struct roll_choice){ 0 }, 77);
	scrub_some(f, (struct roll_choice){ 0 }, 123);
	reads_between(f, &least, &most);
	assert_true(least == 1 && most == 1);
}

static void new_is_what_no_scrub_verified(void **state)
{
	struct fixture *f = *state;

	add_objects(f, 50);
	scrub_some(f, (struct roll_choice){ .only_new = true }, SIZE_MAX);
	assert_int_equal(f->roll.chosen, 50);
	scrub_some(f, (struct roll_choice){ .only_new = true }, SIZE_MAX);
	assert_int_equal(f->roll.chosen, 0);
	assert_int_equal(f->told_bytes, 0);
	add_objects(f, 5);
	scrub_some(f, (struct roll_choice){ .only_new = true }, SIZE_MAX);
	assert_int_equal(f->roll.chosen, 5);
	for (uint32_t i = 50; i < 55; i++)
		assert_int_equal(f->reads[i], 1);
	scrub_some(f, (struct roll_choice){ .only_new = true }, SIZE_MAX);
	assert_int_equal(f->roll.chosen, 0);
}

static void older_is_what_was_verified_longer_ago_or_never(void **state)
{
	struct fixture *f = *state;
	struct roll_choice older = { .only_older = true, .older_than_s = 10 * 86400 };

	add_objects(f, 100);
	scrub_share(f, 50);
	for (int day = 0; day < 8; day++)
		scrub_some(f, (struct roll_choice){ .only_new = true, .percent = 1 }, 0);
	scrub_some(f, older, SIZE_MAX); /* the first half is 9 days old */
	assert_true(f->roll.chosen > 30 && f->roll.chosen < 70);
	scrub_some(f, older, 0);
	assert_int_equal(f->roll.chosen, 0); /* 10 days are not more than 10 */
	scrub_some(f, older, SIZE_MAX);
	assert_true(f->roll.chosen > 30 && f->roll.chosen < 70);
	/* A verification that is still to come proves a wrong clock. */
	f->now_s -= 30 * 86400;
	scrub_some(f, older, SIZE_MAX);
	assert_int_equal(f->roll.chosen, 100);
}

/* What is told grows with the turns at hand, not with the objects that came between the others. */
static void objects_that_come_and_go_do_not_make_many_ranges(void **state)
{
	struct fixture *f = *state;
	unsigned least, most;

	add_objects(f, 1000);
	for (unsigned night = 1; night <= 100; night++) {
		add_objects(f, 20);
		scrub_share(f, 5);
		if (night > 30)
			assert_true(f->told_bytes < 1200);
	}
	reads_between(f, &least, &most);
	assert_true(least >= 1);
	scrub_some(f, (struct roll_choice){ .only_new = true }, SIZE_MAX);
	assert_int_equal(f->roll.chosen, 0);
}

/* Names that no range tells apart are read together, and told only if all are whole. */
static void names_that_begin_alike_are_verified_together(void **state)
{
	struct fixture *f = *state;
	struct roll r = { .turn = 1 };
	struct roll_object o = { .len_bytes = 10, .last = { 3, 50 } };
	struct roll_choice small = { .percent = 1 };
	struct buf told = { 0 };

	memset(o.sha256.b, 7, HASH_BYTES);
	assert_true(roll_add(&r, &o));
	o.sha256.b[HASH_BYTES - 1] = 8;
	o.last = (struct table_verified){ 0 };
	assert_true(roll_add(&r, &o));
	roll_sort(&r);
	assert_int_equal(roll_choose(&r, &small, 100, &f->err), ERR_NONE);
	assert_int_equal(r.chosen, 2);
	r.objects[0].whole = true;
	assert_int_equal(roll_tell(&r, true, 60, &told, &f->err), ERR_NONE);
	assert_int_equal(told.len_bytes, 0);
	r.objects[1].whole = true;
	assert_int_equal(roll_tell(&r, true, 60, &told, &f->err), ERR_NONE);
	assert_true(told.len_bytes > 0);
	buf_release(&told);
	roll_release(&r);
}

static void what_is_damaged_is_not_said_to_be_whole_and_comes_first_again(void **state)
{
	struct fixture *f = *state;
	struct roll_choice all = { 0 };
	uint32_t bad;

	add_objects(f, 30);
	scrub_share(f, 100);
	roll_release(&f->roll);
	assert_int_equal(roll_load(f->t, &f->drive, &f->roll, &f->err), ERR_NONE);
	for (size_t i = 0; i < 30; i++)
		f->roll.objects[i].whole = i != 11;
	bad = number_of(&f->roll.objects[11]);
	assert_int_equal(roll_tell(&f->roll, true, 5, &f->s.records, &f->err), ERR_NONE);
	scribe_apply(&f->s, f->t);
	roll_release(&f->roll);
	assert_int_equal(roll_load(f->t, &f->drive, &f->roll, &f->err), ERR_NONE);
	assert_int_equal(roll_choose(&f->roll, &all, 10, &f->err), ERR_NONE);
	assert_int_equal(f->roll.order[0], 11);
	assert_int_equal(number_of(&f->roll.objects[11]), bad);
	assert_true(f->roll.objects[11].last.turn < f->roll.objects[10].last.turn);
}

static void an_empty_drive_has_nothing_to_choose_and_nothing_to_tell(void **state)
{
	struct fixture *f = *state;

	scrub_share(f, 5);
	assert_int_equal(f->roll.chosen, 0);
	assert_int_equal(f->told_bytes, 0);
}

/* ---- samples ---- */

static void draw(struct fixture *f, bool unlisted)
{
	const struct roll_choice sample = { .sample = true, .unlisted = unlisted };

	roll_release(&f->roll);
	assert_int_equal(roll_load(f->t, &f->drive, &f->roll, &f->err), ERR_NONE);
	assert_int_equal(roll_choose(&f->roll, &sample, f->now_s, &f->err), ERR_NONE);
}

static void a_sample_is_16_objects_or_1_percent_whichever_is_more(void **state)
{
	static const unsigned cases[][2] = { { 0, 0 }, { 7, 7 }, { 300, 16 }, { 3900, 39 } };
	struct fixture *f = *state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		add_objects(f, cases[i][0] - f->next);
		draw(f, false);
		assert_int_equal(f->roll.chosen, cases[i][1]);
		for (size_t n = 1; n < f->roll.chosen; n++)
			assert_int_not_equal(f->roll.order[n], f->roll.order[n - 1]);
	}
}

static void a_sample_is_64_mib_at_most_or_one_object(void **state)
{
	static const struct {
		uint64_t mib;
		size_t chosen;
	} cases[] = { { 1, 16 }, { 4, 16 }, { 5, 12 }, { 30, 2 }, { 64, 1 }, { 1000, 1 } };

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct roll_choice sample = { .sample = true };
		struct roll r = { .turn = 1 };
		struct error err;

		for (uint32_t n = 0; n < 50; n++) {
			const struct roll_object o = { .sha256 = name_of(n),
						       .len_bytes = cases[i].mib << 20 };

			assert_true(roll_add(&r, &o));
		}
		roll_sort(&r);
		assert_int_equal(roll_choose(&r, &sample, 0, &err), ERR_NONE);
		assert_int_equal(r.chosen, cases[i].chosen);
		roll_release(&r);
	}
}

static void every_object_is_drawn_and_those_verified_least_recently_more_often(void **state)
{
	struct fixture *f = *state;
	unsigned drawn[400] = { 0 }, old = 0, new = 0;

	add_objects(f, 200);
	scrub_some(f, (struct roll_choice){ .percent = 0 }, SIZE_MAX);
	add_objects(f, 200); /* never verified */
	for (unsigned night = 0; night < 400; night++) {
		draw(f, false);
		for (size_t i = 0; i < f->roll.chosen; i++)
			drawn[number_of(&f->roll.objects[f->roll.order[i]])]++;
	}
	for (unsigned i = 0; i < 400; i++) {
		assert_true(drawn[i] > 0);
		*(i < 200 ? &old : &new) += drawn[i];
	}
	assert_true(new > old * 3 / 2);
	assert_true(new < old * 5 / 2 + 6400);
}

static void what_the_drive_does_not_list_in_its_length_is_read_in_any_case(void **state)
{
	struct fixture *f = *state;

	add_objects(f, 500);
	draw(f, false);
	for (size_t i = 0; i < f->roll.count; i++) {
		const struct roll_object *o = &f->roll.objects[i];

		if (i != 17)
			roll_list(&f->roll, &o->sha256, o->is_row, o->len_bytes + (i == 250));
	}
	/* What is not on the roll is nobody's. */
	roll_list(&f->roll, &(struct hash){ { 1 } }, true, 5);
	for (unsigned try = 0; try < 20; try++) {
		const struct roll_choice sample = { .sample = true, .unlisted = true };
		unsigned odd = 0;

		assert_int_equal(roll_choose(&f->roll, &sample, f->now_s, &f->err), ERR_NONE);
		assert_in_range(f->roll.chosen, 16, 18);
		for (size_t i = 0; i < f->roll.chosen; i++)
			odd += f->roll.order[i] == 17 || f->roll.order[i] == 250;
		assert_int_equal(odd, 2);
	}
}

static void objects_of_one_name_are_listed_together(void **state)
{
	struct roll r = { .turn = 1 };
	const struct roll_choice sample = { .only_older = true, .unlisted = true };
	struct error err;

	(void)state;
	for (uint32_t n = 0; n < 30; n++) {
		const struct roll_object o = { .sha256 = name_of(n / 10), .len_bytes = 9,
					       .is_row = true, .row = (uint8_t)n,
					       .last = { 1, 1 } };

		assert_true(roll_add(&r, &o));
	}
	roll_sort(&r);
	roll_list(&r, &r.objects[15].sha256, true, 9);
	roll_list(&r, &r.objects[25].sha256, false, 9); /* below blocks/: another one */
	assert_int_equal(roll_choose(&r, &sample, 0, &err), ERR_NONE);
	assert_int_equal(r.chosen, 20);
	for (size_t i = 0; i < r.count; i++)
		assert_int_equal(r.objects[i].listed, i >= 10 && i < 20);
	roll_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			twenty_nights_of_5_percent_verify_everything_once_before_anything_twice,
			setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_next_is_not_chosen_by_the_clock, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_scrub_that_was_cut_off_is_gone_on_with, setup,
						teardown),
		cmocka_unit_test_setup_teardown(new_is_what_no_scrub_verified, setup, teardown),
		cmocka_unit_test_setup_teardown(older_is_what_was_verified_longer_ago_or_never,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			objects_that_come_and_go_do_not_make_many_ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(names_that_begin_alike_are_verified_together,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_damaged_is_not_said_to_be_whole_and_comes_first_again, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			an_empty_drive_has_nothing_to_choose_and_nothing_to_tell, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_sample_is_16_objects_or_1_percent_whichever_is_more, setup, teardown),
		cmocka_unit_test(a_sample_is_64_mib_at_most_or_one_object),
		cmocka_unit_test_setup_teardown(
			every_object_is_drawn_and_those_verified_least_recently_more_often, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			what_the_drive_does_not_list_in_its_length_is_read_in_any_case, setup,
			teardown),
		cmocka_unit_test(objects_of_one_name_are_listed_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
