/* Two commands, of one host or of two, that have the same array open at the same time. */
#include "tests/support/fault_drive.h"
#include "tests/support/tiny.h"

#include "array/garbage.h"
#include "array/health.h"
#include "array/meanwhile.h"
#include "array/object.h"
#include "array/place.h"
#include "care/debts.h"
#include "care/rebuild.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DRIVES 4

struct fixture {
	struct tiny t;
	struct array *first, *second; /* opened one after the other, before either does anything */
	struct table_group *mirror;
	struct error err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	tiny_init(&f->t, DRIVES, 1, DRIVES);
	tiny_file(&f->t, 0, 9000, 1, false);
	assert_int_equal(tiny_open(&f->t, true, &f->first, &f->err), ERR_NONE);
	assert_int_equal(tiny_put(&f->t, f->first, NULL, &f->err), ERR_NONE);
	array_close(f->first);
	f->first = NULL;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	array_close(f->first);
	array_close(f->second);
	tiny_release(&f->t);
	free(f->mirror);
	free(f);
	return 0;
}

static void open_both(struct fixture *f)
{
	assert_int_equal(tiny_open(&f->t, true, &f->first, &f->err), ERR_NONE);
	assert_int_equal(tiny_open(&f->t, true, &f->second, &f->err), ERR_NONE);
}

static void close_both(struct fixture *f)
{
	array_close(f->first);
	array_close(f->second);
	f->first = f->second = NULL;
}

static int add(struct fixture *f, struct array *a, unsigned i)
{
	struct new_drive n = { .url = tiny_url(&f->t, i), .make_root = true };

	snprintf(n.record.name, sizeof(n.record.name), "d%u", i);
	return array_add_drive(a, &n, DRIVE_MEMBER, &f->err);
}

static void assert_all_present(struct fixture *f, unsigned drives)
{
	unsigned members = 0;

	f->t.strict = true; /* a rolled-back drive is refused */
	assert_int_equal(tiny_open(&f->t, true, &f->first, &f->err), ERR_NONE);
	for (unsigned i = 0; i < f->first->count; i++) {
		if (!drive_counts(&f->first->drives[i]))
			continue;
		members++;
		assert_int_equal(f->first->drives[i].presence, DRIVE_PRESENT);
		assert_string_equal(f->first->drives[i].why, "");
	}
	assert_int_equal(members, drives);
	assert_true(tiny_check(&f->t, f->first, 0));
	array_close(f->first);
	f->first = NULL;
}

static void both_add_a_drive_and_the_config_has_both(void **state)
{
	struct fixture *f = *state;

	open_both(f);
	assert_int_equal(add(f, f->first, 5), ERR_NONE);
	assert_int_equal(add(f, f->second, 6), ERR_NONE);
	close_both(f);
	assert_all_present(f, DRIVES + 2);
}

/* What the other one commits does not reach the new drive, which it does not know. */
static void a_drive_added_during_a_put_is_not_taken_for_rolled_back(void **state)
{
	struct fixture *f = *state;

	open_both(f);
	assert_int_equal(add(f, f->first, 5), ERR_NONE);
	tiny_file(&f->t, 1, 6000, 2, false);
	assert_int_equal(tiny_put(&f->t, f->second, NULL, &f->err), ERR_NONE);
	tiny_file(&f->t, 2, 5000, 3, false);
	assert_int_equal(tiny_put(&f->t, f->first, NULL, &f->err), ERR_NONE);
	close_both(f);
	assert_all_present(f, DRIVES + 1);
	assert_true(tiny_scrub_clean(&f->t));
}

static void a_rebuild_that_another_one_has_done_finds_nothing_left(void **state)
{
	struct fixture *f = *state;
	struct rebuild_options o = { .name = "d1" };
	struct rebuild_result r;

	f->t.absent = 1u << 1;
	open_both(f);
	assert_int_equal(rebuild(f->first, &o, &r, &f->err), ERR_NONE);
	assert_true(r.groups > 0);
	assert_int_equal(rebuild(f->second, &o, &r, &f->err), ERR_NONE);
	assert_int_equal(r.groups, 0);
	close_both(f);
	assert_all_present(f, DRIVES - 1);
	assert_true(tiny_scrub_clean(&f->t));
}

static int take_first(void *ctx, const struct id *id, struct error *err)
{
	(void)err;
	*(struct id *)ctx = *id;
	return 1;
}

/* As when two hosts, to each of which another drive is away, drop a row each: this one knows of both. */
static void a_dropped_row_that_its_group_needs_is_one_again(void **state)
{
	struct fixture *f = *state;
	struct buf records = { 0 };
	struct table_group *g = malloc(sizeof(*g)), *after = malloc(sizeof(*after));
	char name[OBJECT_NAME_MAX + 1];
	struct array_drive *d;
	struct object_stat st;
	uint64_t removed = 0;
	struct id id;

	assert_true(g && after);
	assert_int_equal(tiny_open(&f->t, true, &f->first, &f->err), ERR_NONE);
	table_groups(f->first->table, take_first, &id, &f->err);
	assert_int_equal(table_group(f->first->table, &id, g, &f->err), ERR_NONE);
	assert_int_equal(g->row_count, 1);
	d = array_drive_by_id(f->first, &g->rows[0].drive_id);
	object_name_row(&g->rows[0].name, name);
	record_rows(&records, &id, &g->rows[0], false);
	record_garbage(&records, &d->id, name, false);
	assert_int_equal(array_commit(f->first, &records, NULL, &f->err), ERR_NONE);
	buf_clear(&records);
	assert_int_equal(garbage_sweep(f->first, d, &records, &removed, &f->err), ERR_NONE);
	assert_int_equal(removed, 0);
	assert_int_equal(array_commit(f->first, &records, NULL, &f->err), ERR_NONE);
	assert_int_equal(d->handle->driver->stat(d->handle, name, &st, &f->err), ERR_NONE);
	assert_int_equal(table_group(f->first->table, &id, after, &f->err), ERR_NONE);
	assert_int_equal(after->row_count, 1);
	assert_true(id_equal(&after->rows[0].drive_id, &d->id));
	buf_release(&records);
	free(g);
	free(after);
	close_both(f);
	assert_true(tiny_scrub_clean(&f->t));
}

static int find_mirror(void *ctx, const struct id *id, struct error *err)
{
	struct fixture *f = ctx;
	struct table_group *g = malloc(sizeof(*g));
	bool mirror;

	assert_non_null(g);
	assert_int_equal(table_group(f->first->table, id, g, err), ERR_NONE);
	mirror = g->member_count == 1 && g->row_count == 1;
	if (mirror)
		f->mirror = g;
	else
		free(g);
	return mirror;
}

/* The copy goes for one host; another one has a group of the block since, which names it. */
static void a_copy_that_another_host_came_to_need_is_not_deleted(void **state)
{
	struct fixture *f = *state;
	struct buf records = { 0 };
	struct group_record *again = calloc(1, sizeof(*again));
	struct tiny other = f->t;
	char name[OBJECT_NAME_MAX + 1];
	struct array_drive *d;
	struct object_stat st;
	uint64_t removed = 0;

	tiny_file(&f->t, 1, 400, 2, false);
	assert_int_equal(tiny_open(&f->t, true, &f->first, &f->err), ERR_NONE);
	assert_int_equal(tiny_put(&f->t, f->first, NULL, &f->err), ERR_NONE);
	assert_int_equal(table_groups(f->first->table, find_mirror, f, &f->err), 1);
	d = array_drive_by_id(f->first, &f->mirror->rows[0].drive_id);
	object_name_row(&f->mirror->rows[0].name, name);
	record_superseded(&records, &f->mirror->id, 1);
	record_garbage(&records, &d->id, name, false);
	assert_int_equal(array_commit(f->first, &records, NULL, &f->err), ERR_NONE);
	buf_clear(&records);
	snprintf(other.state_root, sizeof(other.state_root), "%.200s/other", f->t.folder);
	assert_int_equal(tiny_open(&other, true, &f->second, &f->err), ERR_NONE);
	again->id = id_random();
	again->member_count = again->row_count = 1;
	again->members[0] = (struct group_member_record){ f->mirror->members[0].uid,
							  f->mirror->members[0].name,
							  f->mirror->members[0].len_bytes, 0 };
	again->rows[0] = f->mirror->rows[0];
	record_group(&records, again);
	assert_int_equal(array_commit(f->second, &records, NULL, &f->err), ERR_NONE);
	buf_clear(&records);
	assert_int_equal(garbage_sweep(f->first, d, &records, &removed, &f->err), ERR_NONE);
	assert_int_equal(removed, 0);
	assert_int_equal(d->handle->driver->stat(d->handle, name, &st, &f->err), ERR_NONE);
	buf_release(&records);
	free(again);
	close_both(f);
	assert_true(tiny_scrub_clean(&f->t));
}

/* ---- rows that two hosts made at once ---- */

#define FREE (DRIVES - 2) /* drives that have nothing of a mirror with one copy */

/* A block with one copy, of which the free drives have the bytes under the name of a copy, too. */
static void make_mirror(struct fixture *f, struct id free_ids[FREE])
{
	struct buf bytes = { 0 };
	char name[OBJECT_NAME_MAX + 1];
	unsigned count = 0;

	tiny_file(&f->t, 1, 400, 2, false);
	assert_int_equal(tiny_open(&f->t, true, &f->first, &f->err), ERR_NONE);
	assert_int_equal(tiny_put(&f->t, f->first, NULL, &f->err), ERR_NONE);
	assert_int_equal(table_groups(f->first->table, find_mirror, f, &f->err), 1);
	object_name_row(&f->mirror->rows[0].name, name);
	assert_int_equal(object_get(array_drive_by_id(f->first, &f->mirror->rows[0].drive_id)->handle,
				    name, 65536, &bytes, &f->err), ERR_NONE);
	for (unsigned i = 0; i < f->first->count; i++) {
		struct array_drive *d = &f->first->drives[i];

		if (id_equal(&d->id, &f->mirror->members[0].drive_id) ||
		    id_equal(&d->id, &f->mirror->rows[0].drive_id))
			continue;
		assert_int_equal(place_store(f->first, d, name, bytes.data, bytes.len_bytes, &f->err),
				 ERR_NONE);
		free_ids[count++] = d->id;
	}
	assert_int_equal(count, FREE);
	buf_release(&bytes);
}

static void add_row(struct fixture *f, struct buf *records, unsigned row, const struct id *drive_id)
{
	struct group_row_record made = f->mirror->rows[0];

	made.row = (uint8_t)row;
	made.drive_id = *drive_id;
	record_rows(records, &f->mirror->id, &made, true);
}

static void load_mirror(struct fixture *f, struct array *a)
{
	struct id id = f->mirror->id;

	assert_int_equal(table_group(a->table, &id, f->mirror, &f->err), ERR_NONE);
}

static void commit_rows(struct fixture *f, struct array *a, const struct buf *records)
{
	assert_int_equal(array_commit(a, records, NULL, &f->err), ERR_NONE);
	load_mirror(f, a);
}

/* What is on one drive twice is lost with it; what another one has, too, is not. */
static void a_row_on_two_drives_counts_on_the_one_that_has_less(void **state)
{
	struct fixture *f = *state;
	struct buf records = { 0 };
	struct id free_ids[FREE];

	make_mirror(f, free_ids);
	f->first->policy.parity = 3;
	add_row(f, &records, 1, &free_ids[1]);
	add_row(f, &records, 2, &free_ids[1]);
	commit_rows(f, f->first, &records);
	assert_int_equal(health_spare(f->first, f->mirror), 3);
	assert_false(health_keeps(f->first, f->mirror));
	buf_clear(&records);
	add_row(f, &records, 1, &free_ids[0]);
	commit_rows(f, f->first, &records);
	assert_int_equal(health_spare(f->first, f->mirror), 3);
	assert_true(health_keeps(f->first, f->mirror));
	buf_release(&records);
	close_both(f);
}

/* Each of them puts the rows where the other one puts the other row, and no drive is left. */
static void rows_that_two_hosts_made_at_once_come_apart(void **state)
{
	struct fixture *f = *state;
	struct tiny other = f->t;
	struct buf of_first = { 0 }, of_second = { 0 };
	struct id free_ids[FREE];

	make_mirror(f, free_ids);
	snprintf(other.state_root, sizeof(other.state_root), "%.200s/other", f->t.folder);
	assert_int_equal(tiny_open(&other, true, &f->second, &f->err), ERR_NONE);
	add_row(f, &of_first, 1, &free_ids[0]);
	add_row(f, &of_first, 2, &free_ids[1]);
	add_row(f, &of_second, 1, &free_ids[1]);
	add_row(f, &of_second, 2, &free_ids[0]);
	assert_int_equal(meanwhile_commit(f->first, &of_first, &f->err), ERR_NONE);
	assert_int_equal(meanwhile_commit(f->second, &of_second, &f->err), ERR_NONE);
	load_mirror(f, f->second);
	assert_int_equal(f->mirror->row_count, 3);
	for (unsigned i = 0; i < f->mirror->row_count; i++) {
		assert_int_equal(f->mirror->rows[i].row, i);
		for (unsigned n = 0; n < i; n++)
			assert_false(id_equal(&f->mirror->rows[i].drive_id,
					      &f->mirror->rows[n].drive_id));
	}
	buf_release(&of_first);
	buf_release(&of_second);
	close_both(f);
	assert_true(tiny_scrub_clean(&f->t));
}

/* As a host leaves it that is killed before it has looked at what the other one did. */
static void pay_for_doubled_rows(struct fixture *f, bool extra)
{
	struct buf records = { 0 };
	struct id free_ids[FREE];
	char name[OBJECT_NAME_MAX + 1];
	struct object_stat st;
	unsigned copies = 0;

	make_mirror(f, free_ids);
	object_name_row(&f->mirror->rows[0].name, name);
	add_row(f, &records, 0, &free_ids[0]);
	add_row(f, &records, 0, &free_ids[1]);
	commit_rows(f, f->first, &records);
	assert_int_equal(f->mirror->row_count, 3);
	f->first->policy.extra = extra;
	assert_int_equal(debts_pay(f->first, DEBTS_ALL, NULL, &f->err), ERR_NONE);
	load_mirror(f, f->first);
	assert_int_equal(f->mirror->row_count, 1);
	for (unsigned i = 0; i < f->first->count; i++) {
		struct drive *h = f->first->drives[i].handle;

		copies += h->driver->stat(h, name, &st, &f->err) == ERR_NONE;
	}
	assert_int_equal(copies, 1);
	buf_release(&records);
	close_both(f);
	assert_true(tiny_scrub_clean(&f->t));
}

static void a_row_that_is_on_two_drives_goes_from_one_when_debts_are_paid(void **state)
{
	pay_for_doubled_rows(*state, false);
}

/* Where no group has too many rows. */
static void so_it_does_under_parity_max(void **state)
{
	pay_for_doubled_rows(*state, true);
}

struct meddling {
	struct fixture *f;
	struct array *other;
	bool done;
};

/* The other host commits twice, right after this one has listed drive 0: its second segment says
 * that drive 0 has the first one. */
static void commit_meanwhile(void *ctx, enum fault_calls call, const char *name)
{
	struct meddling *m = ctx;
	struct buf records = { 0 };
	struct error err;

	if (m->done || call != FAULT_LIST || strcmp(name, "journal/") != 0)
		return;
	m->done = true;
	for (unsigned i = 0; i < 2; i++) {
		record_policy(&records, &m->other->policy);
		assert_int_equal(array_commit(m->other, &records, NULL, &err), ERR_NONE);
		buf_clear(&records);
	}
	buf_release(&records);
}

static struct drive *meddle_at_drive_1(void *ctx, unsigned i, struct drive *inner)
{
	struct drive *d = fault_drive_new(inner);

	if (i == 1)
		fault_set_hook(d, commit_meanwhile, ctx);
	return d;
}

static void what_comes_while_drives_are_listed_is_no_rollback(void **state)
{
	struct fixture *f = *state;
	struct tiny other = f->t;
	struct meddling m = { .f = f };

	snprintf(other.state_root, sizeof(other.state_root), "%.200s/other", f->t.folder);
	assert_int_equal(tiny_open(&other, true, &m.other, &f->err), ERR_NONE);
	f->t.wrap = meddle_at_drive_1;
	f->t.wrap_ctx = &m;
	assert_int_equal(tiny_open(&f->t, false, &f->first, &f->err), ERR_NONE);
	f->t.wrap = NULL;
	assert_true(m.done);
	for (unsigned i = 0; i < f->first->count; i++)
		assert_int_equal(f->first->drives[i].presence, DRIVE_PRESENT);
	array_close(m.other);
	close_both(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_copy_that_another_host_came_to_need_is_not_deleted, setup, teardown),
		cmocka_unit_test_setup_teardown(a_dropped_row_that_its_group_needs_is_one_again,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_row_on_two_drives_counts_on_the_one_that_has_less, setup, teardown),
		cmocka_unit_test_setup_teardown(rows_that_two_hosts_made_at_once_come_apart, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_row_that_is_on_two_drives_goes_from_one_when_debts_are_paid, setup, teardown),
		cmocka_unit_test_setup_teardown(so_it_does_under_parity_max, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_comes_while_drives_are_listed_is_no_rollback, setup, teardown),
		cmocka_unit_test_setup_teardown(both_add_a_drive_and_the_config_has_both, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_drive_added_during_a_put_is_not_taken_for_rolled_back, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_rebuild_that_another_one_has_done_finds_nothing_left, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
