/* Drives taken out of use and back while another command has the array open. */
#include "array/membership.h"
#include "array/place.h"
#include "care/drain.h"
#include "tests/support/seeded.h"
#include "tests/support/tiny.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
	struct tiny t;
	struct array *running; /* a command that goes on all the time */
	struct array *other;
	struct error err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	tiny_init(&f->t, 4, 1, 4);
	tiny_file(&f->t, 0, 9000, 1, false);
	assert_int_equal(tiny_open(&f->t, true, &f->running, &f->err), ERR_NONE);
	assert_int_equal(tiny_put(&f->t, f->running, NULL, &f->err), ERR_NONE);
	assert_int_equal(tiny_open(&f->t, true, &f->other, &f->err), ERR_NONE);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	array_close(f->running);
	array_close(f->other);
	tiny_release(&f->t);
	free(f);
	return 0;
}

static struct array_drive *drive(struct array *a, const char *name)
{
	struct array_drive *d = array_drive_by_name(a, name);

	assert_non_null(d);
	return d;
}

static void follow(struct fixture *f)
{
	assert_int_equal(array_follow(f->running, false, &f->err), ERR_NONE);
}

static void a_running_command_uses_a_disabled_drive_no_more_until_it_is_enabled(void **state)
{
	struct fixture *f = *state;
	struct array_drive *d = drive(f->other, "d2");

	assert_int_equal(member_may_be_disabled(f->other, d, &f->err), ERR_NONE);
	assert_int_equal(member_set_state(f->other, d, DRIVE_DISABLED, false, &f->err), ERR_NONE);
	assert_true(drive_usable(drive(f->running, "d2")));
	follow(f);
	assert_false(drive_usable(drive(f->running, "d2")));
	assert_int_equal(array_usable_count(f->running), 3);
	tiny_file(&f->t, 1, 9000, 2, false);
	assert_int_equal(tiny_put(&f->t, f->running, NULL, &f->err), ERR_NONE);
	assert_int_equal(member_look(f->other, d, &f->err), ERR_NONE);
	assert_int_equal(member_enable(f->other, d, &f->err), ERR_NONE);
	follow(f);
	assert_true(drive_usable(drive(f->running, "d2")));
	/* It holds all journals, and what is committed now as well. */
	assert_false(drive(f->running, "d2")->behind);
	tiny_file(&f->t, 2, 9000, 3, false);
	assert_int_equal(tiny_put(&f->t, f->running, NULL, &f->err), ERR_NONE);
	assert_false(drive(f->running, "d2")->behind);
	assert_true(tiny_check_opened(&f->t, 0));
}

static void a_running_command_puts_nothing_on_a_drive_that_is_drained(void **state)
{
	struct fixture *f = *state;
	struct array_drive *d = drive(f->other, "d1");
	struct rebuild_result r;
	struct member_hold hold;

	assert_int_equal(drain(f->other, d, NULL, &r, &f->err), ERR_NONE);
	assert_true(r.objects > 0);
	follow(f);
	assert_false(drive_usable(drive(f->running, "d1")));
	tiny_file(&f->t, 1, 30000, 2, false);
	assert_int_equal(tiny_put(&f->t, f->running, NULL, &f->err), ERR_NONE);
	assert_int_equal(member_holds(f->running, drive(f->running, "d1"), &hold, &f->err), ERR_NONE);
	assert_int_equal(hold.objects, 0);
	assert_true(tiny_check_opened(&f->t, 0));
}

static void a_running_command_that_did_not_know_is_drained_after_again(void **state)
{
	struct fixture *f = *state;
	struct array_drive *d = drive(f->other, "d1");
	struct rebuild_result r;
	struct member_hold hold;

	assert_int_equal(drain(f->other, d, NULL, &r, &f->err), ERR_NONE);
	tiny_file(&f->t, 1, 30000, 2, false);
	assert_int_equal(tiny_put(&f->t, f->running, NULL, &f->err), ERR_NONE);
	assert_int_equal(member_holds(f->other, d, &hold, &f->err), ERR_NONE);
	assert_true(hold.objects > 0);
	assert_int_equal(drain(f->other, d, NULL, &r, &f->err), ERR_NONE);
	assert_int_equal(r.objects, hold.objects);
	assert_int_equal(member_holds(f->other, d, &hold, &f->err), ERR_NONE);
	assert_int_equal(hold.objects, 0);
	assert_int_equal(member_remove(f->other, d, &f->err), ERR_NONE);
	assert_true(tiny_check_opened(&f->t, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_running_command_uses_a_disabled_drive_no_more_until_it_is_enabled, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			a_running_command_puts_nothing_on_a_drive_that_is_drained, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_running_command_that_did_not_know_is_drained_after_again, set_up, tear_down),
	};

	seeded_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
