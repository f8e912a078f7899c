/* What failing drives and commands that were cut off leave behind, and what becomes of it. */
#include "tests/support/fault_drive.h"
#include "tests/support/tiny.h"

#include "care/scrub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DRIVES 3

struct fixture {
	struct tiny t;
	struct tiny_image before;
	struct array *a;
	struct scrub_result r;
	struct error err;
	struct fault_rule rule; /* of drive `faulty` */
	unsigned faulty;
};

static struct drive *wrap(void *ctx, unsigned i, struct drive *inner)
{
	struct fixture *f = ctx;
	struct drive *d = fault_drive_new(inner);

	if (i == f->faulty)
		fault_add(d, &f->rule);
	return d;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	tiny_init(&f->t, DRIVES, 1, DRIVES);
	tiny_file(&f->t, 0, 20000, 1, false);
	assert_int_equal(tiny_open(&f->t, true, &f->a, &f->err), ERR_NONE);
	assert_int_equal(tiny_put(&f->t, f->a, NULL, &f->err), ERR_NONE);
	array_close(f->a);
	f->a = NULL;
	tiny_image_take(&f->t, &f->before);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	array_close(f->a);
	tiny_image_release(&f->before);
	tiny_release(&f->t);
	free(f);
	return 0;
}

/* Drive 0 loses all objects in the folder. */
static void lose(struct fixture *f, const char *folder)
{
	struct drive *d = tiny_drive(&f->t, 0);

	for (size_t i = 0; i < f->before.drives[0].count; i++) {
		const char *name = f->before.drives[0].objects[i].name;

		if (strncmp(name, folder, strlen(folder)) == 0)
			tiny_overwrite(d, name, NULL, 0);
	}
	d->driver->close(d);
}

static void scrub_with(struct fixture *f, unsigned drive, struct fault_rule rule)
{
	struct scrub_options o = { .repair = true, .grace_s = 86400 };

	f->faulty = drive;
	f->rule = rule;
	f->t.wrap = wrap;
	f->t.wrap_ctx = f;
	array_close(f->a);
	assert_int_equal(tiny_open(&f->t, true, &f->a, &f->err), ERR_NONE);
	if (scrub(f->a, &o, &f->r, &f->err) != ERR_NONE)
		fail_msg("scrub: %s", f->err.message);
}

/* ---- repairs that fail ---- */

static void a_block_that_could_not_be_put_back_is_not_given_up(void **state)
{
	struct fixture *f = *state;

	lose(f, "blocks/");
	scrub_with(f, 0, (struct fault_rule){ .calls = FAULT_PUT, .prefix = "blocks/",
					      .for_ever = true, .code = ERR_FULL });
	assert_true(f->r.damaged > 0);
	assert_int_equal(f->r.repaired, 0);
	assert_int_equal(f->r.lost_blocks, 0);
	assert_true(tiny_check(&f->t, f->a, 0));
}

static void a_block_whose_helpers_could_not_be_read_is_not_given_up(void **state)
{
	struct fixture *f = *state;

	lose(f, "blocks/");
	scrub_with(f, 1, (struct fault_rule){ .calls = FAULT_GET, .prefix = "blocks/",
					      .for_ever = true, .code = ERR_IO });
	assert_int_equal(f->r.lost_blocks, 0);
	scrub_with(f, DRIVES, (struct fault_rule){ .calls = 0 });
	assert_int_equal(f->r.damaged, f->r.repaired);
	assert_true(tiny_check(&f->t, f->a, 0));
}

static void a_block_whose_helpers_are_gone_is_given_up(void **state)
{
	struct fixture *f = *state;
	struct drive *d = tiny_drive(&f->t, 1);

	lose(f, "blocks/");
	for (size_t i = 0; i < f->before.drives[1].count; i++) {
		const char *name = f->before.drives[1].objects[i].name;

		if (strncmp(name, "blocks/", 7) == 0 || strncmp(name, "parity/", 7) == 0)
			tiny_overwrite(d, name, "bad", 3);
	}
	d->driver->close(d);
	scrub_with(f, DRIVES, (struct fault_rule){ .calls = 0 });
	assert_true(f->r.lost_blocks > 0);
}

/* ---- segments of commits that were cut off ---- */

static void put_leftover(struct fixture *f, const char *numbers)
{
	const struct tiny_place *p = &f->before.drives[0];
	char name[OBJECT_NAME_MAX + 1];
	struct drive *d = tiny_drive(&f->t, 0);

	for (size_t i = 0; i < p->count; i++) {
		if (strncmp(p->objects[i].name, "journal/", 8) != 0)
			continue;
		snprintf(name, sizeof(name), "%.72s/%s-%064d", p->objects[i].name, numbers, 7);
		break;
	}
	tiny_overwrite(d, name, "torn", 4);
	d->driver->close(d);
}

static void a_segment_that_is_whole_nowhere_is_said_once_and_set_aside(void **state)
{
	struct fixture *f = *state;

	put_leftover(f, "90-90");
	scrub_with(f, DRIVES, (struct fault_rule){ .calls = 0 });
	assert_int_equal(f->r.damaged, 1);
	assert_int_equal(f->r.repaired, 0);
	scrub_with(f, DRIVES, (struct fault_rule){ .calls = 0 });
	assert_int_equal(f->r.damaged, 0);
}

static void a_torn_segment_whose_number_was_used_again_is_superfluous(void **state)
{
	struct fixture *f = *state;

	put_leftover(f, "1-1");
	scrub_with(f, DRIVES, (struct fault_rule){ .calls = 0 });
	assert_int_equal(f->r.damaged, 1);
	assert_int_equal(f->r.repaired, 1);
	scrub_with(f, DRIVES, (struct fault_rule){ .calls = 0 });
	assert_int_equal(f->r.damaged, 0);
}

/* ---- adds that were cut off ---- */

/* Adds drive 3; calls of this kind on it fail from the nth on. */
static int add(struct fixture *f, unsigned calls, unsigned nth)
{
	struct new_drive n = { .url = tiny_url(&f->t, 3), .make_root = true };
	int code;

	snprintf(n.record.name, sizeof(n.record.name), "new");
	f->faulty = 3;
	f->rule = (struct fault_rule){ .calls = calls, .nth = nth, .for_ever = true,
				       .code = ERR_IO };
	f->t.wrap = wrap;
	f->t.wrap_ctx = f;
	assert_int_equal(tiny_open(&f->t, true, &f->a, &f->err), ERR_NONE);
	code = array_add_drive(f->a, &n, DRIVE_MEMBER, &f->err);
	return code;
}

static void close_it(struct fixture *f)
{
	array_close(f->a);
	f->a = NULL;
}

/* What drive 3 is left with when an add dies after its marker: its marker alone. */
static void mark_as_cut_off(struct fixture *f, const char *torn)
{
	struct drive *d = tiny_drive(&f->t, 3);
	struct buf json = { 0 };
	struct id id = id_random();

	assert_int_equal(marker_make(f->t.keys, &id, &json, &f->err), ERR_NONE);
	tiny_overwrite(d, MARKER_NAME, torn ? (const void *)torn : json.data,
		       torn ? strlen(torn) : json.len_bytes);
	buf_release(&json);
	d->driver->close(d);
}

static void an_add_that_was_cut_off_after_its_marker_is_taken_up(void **state)
{
	struct fixture *f = *state;

	mark_as_cut_off(f, NULL);
	assert_int_equal(add(f, 0, 0), ERR_NONE);
	assert_int_equal(array_drive_by_name(f->a, "new")->record.state, DRIVE_MEMBER);
	close_it(f);
	assert_int_equal(tiny_open(&f->t, false, &f->a, &f->err), ERR_NONE);
	assert_int_equal(array_drive_by_name(f->a, "new")->presence, DRIVE_PRESENT);
}

static void a_torn_marker_and_nothing_else_is_set_aside(void **state)
{
	struct fixture *f = *state;

	mark_as_cut_off(f, "{ \"form");
	assert_int_equal(add(f, 0, 0), ERR_NONE);
}

static void a_damaged_marker_with_objects_is_somebodys(void **state)
{
	struct fixture *f = *state;
	struct drive *d = tiny_drive(&f->t, 3);

	mark_as_cut_off(f, "{ \"form");
	tiny_overwrite(d, "keys/something", "x", 1);
	d->driver->close(d);
	assert_int_equal(add(f, 0, 0), ERR_EXISTS);
}

static void a_drive_of_the_array_is_not_added_again(void **state)
{
	struct fixture *f = *state;

	struct new_drive n = { .url = tiny_url(&f->t, 0) };

	snprintf(n.record.name, sizeof(n.record.name), "again");
	assert_int_equal(tiny_open(&f->t, true, &f->a, &f->err), ERR_NONE);
	assert_int_equal(array_add_drive(f->a, &n, DRIVE_MEMBER, &f->err), ERR_EXISTS);
	assert_int_equal(f->a->count, DRIVES);
}

static void a_name_that_is_taken_is_refused(void **state)
{
	struct fixture *f = *state;
	struct new_drive n = { .url = tiny_url(&f->t, 3), .make_root = true };

	snprintf(n.record.name, sizeof(n.record.name), "d1");
	assert_int_equal(tiny_open(&f->t, true, &f->a, &f->err), ERR_NONE);
	assert_int_equal(array_add_drive(f->a, &n, DRIVE_MEMBER, &f->err), ERR_USAGE);
}

static void a_drive_that_fails_while_it_is_added_is_added_later(void **state)
{
	for (unsigned nth = 1; nth < 12; nth++) {
		struct fixture *f = *state;
		int code = add(f, FAULT_WRITES, nth);

		close_it(f);
		if (code == ERR_NONE)
			break;
		assert_int_equal(add(f, 0, 0), ERR_NONE);
		assert_true(tiny_check(&f->t, f->a, 0));
		close_it(f);
		tiny_image_restore(&f->t, &f->before);
	}
}

#define ON(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(a_block_that_could_not_be_put_back_is_not_given_up),
		ON(a_block_whose_helpers_could_not_be_read_is_not_given_up),
		ON(a_block_whose_helpers_are_gone_is_given_up),
		ON(a_segment_that_is_whole_nowhere_is_said_once_and_set_aside),
		ON(a_torn_segment_whose_number_was_used_again_is_superfluous),
		ON(an_add_that_was_cut_off_after_its_marker_is_taken_up),
		ON(a_torn_marker_and_nothing_else_is_set_aside),
		ON(a_damaged_marker_with_objects_is_somebodys),
		ON(a_drive_of_the_array_is_not_added_again),
		ON(a_name_that_is_taken_is_refused),
		ON(a_drive_that_fails_while_it_is_added_is_added_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
