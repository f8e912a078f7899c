/* Groups that cannot keep the promise as they are, and what paying debts makes of them. */
#include "tests/support/tiny.h"

#include "array/health.h"
#include "array/object.h"
#include "array/place.h"
#include "care/debts.h"
#include "care/idlist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DRIVES 5
#define PARITY 2

struct fixture {
	struct tiny t;
	struct array *a;
	struct table_group *group; /* with three members */
	struct debts_result r;
	struct error err;
};

/* The first group of three members: it takes every drive. */
static void find_wide_group(struct fixture *f)
{
	struct id_list ids = { 0 };
	bool found = false;

	assert_int_equal(table_groups(f->a->table, id_list_add, &ids, &f->err), ERR_NONE);
	for (size_t i = 0; i < ids.count && !found; i++) {
		assert_int_equal(table_group(f->a->table, &ids.ids[i], f->group, &f->err),
				 ERR_NONE);
		found = f->group->member_count == DRIVES - PARITY;
	}
	assert_true(found);
	id_list_release(&ids);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->group = malloc(sizeof(*f->group));
	assert_non_null(f->group);
	tiny_init(&f->t, DRIVES, PARITY, DRIVES);
	tiny_file(&f->t, 0, 30000, 1, false);
	assert_int_equal(tiny_open(&f->t, true, &f->a, &f->err), ERR_NONE);
	assert_int_equal(tiny_put(&f->t, f->a, NULL, &f->err), ERR_NONE);
	find_wide_group(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	array_close(f->a);
	tiny_release(&f->t);
	free(f->group);
	free(f);
	return 0;
}

static bool promise_kept(struct fixture *f)
{
	struct health h;

	assert_int_equal(health_check(f->a, &h, &f->err), ERR_NONE);
	return h.promise_kept;
}

static void pay(struct fixture *f, enum debts_scope scope)
{
	assert_int_equal(debts_pay(f->a, scope, &f->r, &f->err), ERR_NONE);
}

static void commit(struct fixture *f, struct buf *records)
{
	assert_int_equal(array_commit(f->a, records, NULL, &f->err), ERR_NONE);
	buf_release(records);
	assert_int_equal(array_refresh(f->a, &f->err), ERR_NONE);
}

/* Moves a member to the drive that has a row of its group, as two hosts may that do not see each
 * other's work. */
static void crowd(struct fixture *f)
{
	const struct table_block *m = &f->group->members[0];
	struct array_drive *from = array_drive_by_id(f->a, &m->drive_id);
	struct array_drive *to = array_drive_by_id(f->a, &f->group->rows[0].drive_id);
	char name[OBJECT_NAME_MAX + 1];
	struct buf bytes = { 0 }, records = { 0 };

	object_name_block(&m->name, name);
	assert_int_equal(object_get(from->handle, name, 1 << 20, &bytes, &f->err), ERR_NONE);
	assert_int_equal(object_put(to->handle, name, bytes.data, bytes.len_bytes, &f->err),
			 ERR_NONE);
	assert_int_equal(from->handle->driver->remove(from->handle, name, &f->err), ERR_NONE);
	record_move(&records, &m->uid, &to->id);
	commit(f, &records);
	buf_release(&bytes);
}

/* One row is gone with its drive, which was declared lost. */
static void lose_the_drive_of_a_row(struct fixture *f)
{
	struct buf records = { 0 };
	struct array_drive *d = array_drive_by_id(f->a, &f->group->rows[0].drive_id);
	struct id_list ids = { 0 };

	assert_int_equal(table_groups_on(f->a->table, &d->id, id_list_add, &ids, &f->err),
			 ERR_NONE);
	for (size_t i = 0; i < ids.count; i++) {
		struct table_group *g = malloc(sizeof(*g));

		assert_non_null(g);
		assert_int_equal(table_group(f->a->table, &ids.ids[i], g, &f->err), ERR_NONE);
		for (unsigned n = 0; n < g->row_count; n++) {
			if (id_equal(&g->rows[n].drive_id, &d->id))
				record_rows(&records, &g->id, &g->rows[n], false);
		}
		free(g);
	}
	id_list_release(&ids);
	d->record.state = DRIVE_LOST;
	record_drive(&records, &d->record);
	commit(f, &records);
}

static bool is_live(struct fixture *f)
{
	struct table_group *g = malloc(sizeof(*g));
	bool live;

	assert_non_null(g);
	live = table_group(f->a->table, &f->group->id, g, &f->err) == ERR_NONE;
	free(g);
	return live;
}

static void a_group_with_two_objects_on_one_drive_is_split(void **state)
{
	struct fixture *f = *state;

	assert_true(promise_kept(f));
	crowd(f);
	assert_false(promise_kept(f));
	pay(f, DEBTS_ALL); /* it lacks no row: only a thorough look finds it */
	assert_true(is_live(f));
	pay(f, DEBTS_THOROUGH);
	assert_false(is_live(f));
	assert_true(promise_kept(f));
	assert_true(tiny_check(&f->t, f->a, 0));
	array_close(f->a);
	f->a = NULL;
	assert_true(tiny_scrub_clean(&f->t));
}

static void a_group_that_no_drive_is_left_for_is_split(void **state)
{
	struct fixture *f = *state;

	lose_the_drive_of_a_row(f);
	assert_false(promise_kept(f));
	pay(f, DEBTS_IN_PLACE); /* scrub moves nothing */
	assert_true(is_live(f));
	assert_true(f->r.rows_owed > 0);
	pay(f, DEBTS_ALL);
	assert_false(is_live(f));
	assert_int_equal(f->r.rows_owed, 0);
	assert_true(tiny_check(&f->t, f->a, 0));
}

/* The drives left could not protect its blocks better: it stays as it is. */
static void a_group_is_not_split_while_the_drives_for_its_rows_are_away(void **state)
{
	struct fixture *f = *state;
	struct array_drive *member = array_drive_by_id(f->a, &f->group->members[0].drive_id);
	struct array_drive *row = array_drive_by_id(f->a, &f->group->rows[1].drive_id);

	lose_the_drive_of_a_row(f);
	member->presence = row->presence = DRIVE_ABSENT;
	pay(f, DEBTS_THOROUGH);
	assert_true(is_live(f));
	member->presence = row->presence = DRIVE_PRESENT;
	pay(f, DEBTS_THOROUGH);
	assert_false(is_live(f));
	assert_true(tiny_check(&f->t, f->a, 0));
}

/* A row that only one drive can have, which is full of what is to be deleted. */
static void what_is_to_be_deleted_makes_room_for_rows_first(void **state)
{
	struct fixture *f = *state;
	const struct group_row_record *row = &f->group->rows[0];
	struct array_drive *d = array_drive_by_id(f->a, &row->drive_id);
	struct drive *h = d->handle;
	struct buf records = { 0 }, waste = { 0 };
	char name[OBJECT_NAME_MAX + 1];
	struct hash sha;

	object_name_row(&row->name, name);
	assert_int_equal(h->driver->remove(h, name, &f->err), ERR_NONE);
	record_rows(&records, &f->group->id, row, false);
	buf_add_zeros(&waste, (size_t)row->len_bytes);
	sha = sha256(waste.data, waste.len_bytes);
	object_name_row(&sha, name);
	assert_int_equal(h->driver->put(h, name, waste.data, waste.len_bytes, &f->err), ERR_NONE);
	buf_release(&waste);
	record_garbage(&records, &d->id, name, false);
	commit(f, &records);
	place_book(f->a, d, row->len_bytes);
	d->record.reserve_bytes = 1;
	d->record.max_bytes = d->used_bytes + d->record.reserve_bytes;
	record_drive(&records, &d->record);
	assert_int_equal(array_commit(f->a, &records, NULL, &f->err), ERR_NONE);
	buf_release(&records);
	pay(f, DEBTS_IN_PLACE);
	assert_int_equal(f->r.objects_swept, 1);
	assert_int_equal(f->r.rows_owed, 0);
	assert_int_equal(f->r.rows_made, 1);
	assert_true(promise_kept(f));
}

static void paying_twice_does_nothing_the_second_time(void **state)
{
	struct fixture *f = *state;

	lose_the_drive_of_a_row(f);
	pay(f, DEBTS_THOROUGH);
	assert_true(f->r.written_bytes > 0);
	pay(f, DEBTS_THOROUGH);
	assert_int_equal(f->r.written_bytes, 0);
	assert_int_equal(f->r.read_bytes, 0);
	assert_int_equal(f->r.rows_made, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_group_with_two_objects_on_one_drive_is_split,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_group_that_no_drive_is_left_for_is_split, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_group_is_not_split_while_the_drives_for_its_rows_are_away, setup,
			teardown),
		cmocka_unit_test_setup_teardown(what_is_to_be_deleted_makes_room_for_rows_first,
						setup, teardown),
		cmocka_unit_test_setup_teardown(paying_twice_does_nothing_the_second_time, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
