/* Two commands of one host that have the same array open at the same time. */
#include "tests/support/tiny.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_add_a_drive_and_the_config_has_both, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_drive_added_during_a_put_is_not_taken_for_rolled_back, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_rebuild_that_another_one_has_done_finds_nothing_left, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
