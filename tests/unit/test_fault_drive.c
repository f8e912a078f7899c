/*
 * The test drives that fail, and the power-loss model: what other tests trust them to do.
 */
#include "drivers/driver.h"
#include "tests/support/calls.h"
#include "tests/support/fault_drive.h"
#include "tests/support/record_drive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct error err;

static struct drive *fault_on_memory(void)
{
	static const struct drive_options options = {.temp_tag = "t"};
	struct drive *inner;

	assert_int_equal(driver_mem.open("mem:", &options, &inner, &err), ERR_NONE);
	return fault_drive_new(inner);
}

/* ---- fault_drive ---- */

static void without_rules_a_fault_drive_is_the_drive_inside(void **state)
{
	struct drive *d = fault_on_memory();

	(void)state;
	assert_int_equal(call_store(d, "a", "text"), ERR_NONE);
	assert_int_equal(call_check(d, "a", "text"), ERR_NONE);
	assert_int_equal(call_put(d, "a", "x"), ERR_EXISTS);
	assert_int_equal(call_move(d, "a", "b"), ERR_NONE);
	assert_int_equal(call_check(d, "b", "text"), ERR_NONE);
	assert_int_equal(call_remove(d, "b"), ERR_NONE);
	assert_int_equal(call_check(d, "b", "text"), ERR_NOT_FOUND);
	assert_string_equal(d->driver->kind, "mem");
	call_close(d);
}

static void the_nth_call_fails_once(void **state)
{
	struct drive *d = fault_on_memory();

	(void)state;
	fault_add(d, &(struct fault_rule){.calls = FAULT_PUT, .nth = 2, .code = ERR_IO});
	assert_int_equal(call_put(d, "a", "x"), ERR_NONE);
	assert_int_equal(call_put(d, "b", "x"), ERR_IO);
	assert_int_equal(call_put(d, "c", "x"), ERR_NONE);
	assert_int_equal(call_sync(d), ERR_NONE);
	assert_int_equal(call_check(d, "a", "x"), ERR_NONE);
	assert_int_equal(call_check(d, "b", "x"), ERR_NOT_FOUND);
	assert_int_equal(call_check(d, "c", "x"), ERR_NONE);
	call_close(d);
}

static void a_rule_for_ever_lasts_until_the_rules_are_cleared(void **state)
{
	struct drive *d = fault_on_memory();

	(void)state;
	fault_add(d,
		  &(struct fault_rule){.calls = FAULT_WRITES, .for_ever = true, .code = ERR_FULL});
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(call_put(d, "a", "x"), ERR_FULL);
		assert_int_equal(call_sync(d), ERR_FULL);
		assert_int_equal(call_move(d, "a", "b"), ERR_FULL);
		assert_int_equal(call_remove(d, "a"), ERR_FULL);
		assert_int_equal(call_check(d, "a", "x"), ERR_NOT_FOUND);
	}
	fault_clear(d);
	assert_int_equal(call_store(d, "a", "x"), ERR_NONE);
	assert_int_equal(call_check(d, "a", "x"), ERR_NONE);
	call_close(d);
}

static void a_rule_may_be_for_some_names_only(void **state)
{
	struct drive *d = fault_on_memory();

	(void)state;
	fault_add(d, &(struct fault_rule){.calls = FAULT_ANY,
					  .prefix = "journal/",
					  .for_ever = true,
					  .code = ERR_IO});
	assert_int_equal(call_store(d, "blocks/x", "x"), ERR_NONE);
	assert_int_equal(call_put(d, "journal/x", "x"), ERR_IO);
	assert_int_equal(call_check(d, "journal/x", "x"), ERR_IO);
	assert_int_equal(d->driver->list(d, "journal/", NULL, NULL, &err), ERR_IO);
	assert_int_equal(call_check(d, "blocks/x", "x"), ERR_NONE);
	call_close(d);
}

static void a_dead_drive_answers_nothing_more(void **state)
{
	struct drive *d = fault_on_memory();
	struct drive_about about;

	(void)state;
	assert_int_equal(call_store(d, "a", "x"), ERR_NONE);
	fault_die(d, 2, ERR_TRANSIENT);
	assert_int_equal(call_put(d, "b", "x"), ERR_NONE);
	assert_int_equal(call_sync(d), ERR_TRANSIENT);
	assert_int_equal(call_check(d, "a", "x"), ERR_TRANSIENT);
	assert_int_equal(call_about(d, &about), ERR_TRANSIENT);
	assert_int_equal(call_get(d, "a", 0, NULL, 0), ERR_TRANSIENT);
	call_close(d);
}

static void after_a_failed_sync_what_was_put_is_given_up(void **state)
{
	struct drive *d = fault_on_memory();

	(void)state;
	assert_int_equal(call_store(d, "kept", "x"), ERR_NONE);
	fault_add(d, &(struct fault_rule){.calls = FAULT_SYNC, .code = ERR_IO});
	assert_int_equal(call_put(d, "lost", "x"), ERR_NONE);
	assert_int_equal(call_sync(d), ERR_IO);
	assert_int_equal(call_sync(d), ERR_NONE);
	assert_int_equal(call_check(d, "kept", "x"), ERR_NONE);
	assert_int_equal(call_check(d, "lost", "x"), ERR_NOT_FOUND);
	assert_int_equal(call_store(d, "lost", "again"), ERR_NONE);
	assert_int_equal(call_check(d, "lost", "again"), ERR_NONE);
	call_close(d);
}

static void a_lost_answer_comes_from_a_call_that_was_done(void **state)
{
	struct drive *d = fault_on_memory();

	(void)state;
	fault_add(d, &(struct fault_rule){.calls = FAULT_PUT,
					  .effect = FAULT_FAIL_AFTER,
					  .code = ERR_TRANSIENT});
	assert_int_equal(call_put(d, "a", "x"), ERR_TRANSIENT);
	assert_int_equal(call_sync(d), ERR_NONE);
	assert_int_equal(call_check(d, "a", "x"), ERR_NONE);
	call_close(d);
}

static void a_lying_call_says_done_and_does_nothing(void **state)
{
	struct drive *d = fault_on_memory();
	char got[4] = "zzz";

	(void)state;
	assert_int_equal(call_store(d, "a", "abc"), ERR_NONE);
	fault_add(d,
		  &(struct fault_rule){.calls = FAULT_ANY, .for_ever = true, .effect = FAULT_LIE});
	assert_int_equal(call_put(d, "b", "x"), ERR_NONE);
	assert_int_equal(call_sync(d), ERR_NONE);
	assert_int_equal(call_remove(d, "a"), ERR_NONE);
	assert_int_equal(call_get(d, "a", 0, got, 3), ERR_NONE);
	assert_memory_equal(got, "\0\0\0", 3);
	fault_clear(d);
	assert_int_equal(call_check(d, "a", "abc"), ERR_NONE);
	assert_int_equal(call_check(d, "b", "x"), ERR_NOT_FOUND);
	call_close(d);
}

static void a_torn_put_stores_the_first_bytes_only(void **state)
{
	struct drive *d = fault_on_memory();
	struct fault_rule tear = {.calls = FAULT_PUT, .effect = FAULT_TEAR, .at = 3};

	(void)state;
	fault_add(d, &tear);
	assert_int_equal(call_put(d, "silent", "abcdef"), ERR_NONE);
	tear.code = ERR_IO;
	fault_add(d, &tear);
	assert_int_equal(call_put(d, "loud", "abcdef"), ERR_IO);
	assert_int_equal(call_sync(d), ERR_NONE);
	assert_int_equal(call_check(d, "silent", "abc"), ERR_NONE);
	assert_int_equal(call_check(d, "loud", "abc"), ERR_NONE);
	call_close(d);
}

static void a_flipped_bit_is_in_what_is_read_or_in_what_is_stored(void **state)
{
	struct drive *d = fault_on_memory();
	struct fault_rule rule = {.calls = FAULT_GET, .effect = FAULT_FLIP, .at = 8 + 1};

	(void)state;
	assert_int_equal(call_store(d, "a", "abc"), ERR_NONE);
	fault_add(d, &rule);
	assert_int_equal(call_check(d, "a", "a`c"), ERR_NONE);
	assert_int_equal(call_check(d, "a", "abc"), ERR_NONE);
	rule.calls = FAULT_PUT;
	fault_add(d, &rule);
	assert_int_equal(call_store(d, "b", "abc"), ERR_NONE);
	assert_int_equal(call_check(d, "b", "a`c"), ERR_NONE);
	call_close(d);
}

static void calls_are_counted_by_kind(void **state)
{
	struct drive *d = fault_on_memory();

	(void)state;
	assert_int_equal(call_store(d, "a", "x"), ERR_NONE);
	fault_add(d, &(struct fault_rule){.calls = FAULT_PUT, .code = ERR_IO});
	call_put(d, "b", "x");
	call_check(d, "a", "x");
	assert_int_equal(fault_count(d, FAULT_PUT), 2);
	assert_int_equal(fault_count(d, FAULT_SYNC), 1);
	assert_int_equal(fault_count(d, FAULT_GET | FAULT_STAT), 2);
	assert_int_equal(fault_count(d, FAULT_WRITES), 3);
	assert_int_equal(fault_count(d, FAULT_ANY), 5);
	call_close(d);
}

static void a_drive_with_a_size_gets_full_and_has_room_again(void **state)
{
	struct drive *d = fault_on_memory();
	struct drive_about about;

	(void)state;
	assert_int_equal(call_store(d, "a", "12345678"), ERR_NONE);
	fault_set_size(d, 20);
	assert_true(d->driver->flags & DRIVER_KNOWS_SPACE);
	assert_int_equal(call_about(d, &about), ERR_NONE);
	assert_int_equal(about.total_bytes, 20);
	assert_int_equal(about.free_bytes, 12);
	assert_int_equal(call_put(d, "b", "0123456789abc"), ERR_FULL);
	assert_int_equal(call_put(d, "b", "0123456789ab"), ERR_NONE);
	assert_int_equal(call_put(d, "c", "x"), ERR_FULL);
	assert_int_equal(call_sync(d), ERR_NONE);
	assert_int_equal(call_remove(d, "a"), ERR_NONE);
	assert_int_equal(call_about(d, &about), ERR_NONE);
	assert_int_equal(about.free_bytes, 8);
	call_close(d);
}

static void add_one(void *ctx, enum fault_calls call, const char *name)
{
	assert_int_equal(call, FAULT_PUT);
	assert_string_equal(name, "a");
	++*(unsigned *)ctx;
}

static void a_hook_runs_before_the_call(void **state)
{
	struct drive *d = fault_on_memory();
	unsigned calls = 0;

	(void)state;
	fault_set_hook(d, add_one, &calls);
	call_put(d, "a", "x");
	assert_int_equal(calls, 1);
	fault_set_hook(d, NULL, NULL);
	call_put(d, "b", "x");
	assert_int_equal(calls, 1);
	call_close(d);
}

/* ---- record_drive ---- */

static int image_of(struct recorder *r, unsigned drive, const char *name, const char *text)
{
	struct drive *d = recorder_open_image(r, drive);
	int code = call_check(d, name, text);

	call_close(d);
	return code;
}

static int after(struct recorder *r, const struct cut *cut, const char *name, const char *text)
{
	recorder_build(r, cut);
	return image_of(r, cut->drive, name, text);
}

static void what_a_sync_follows_survives_every_honest_cut(void **state)
{
	struct recorder *r = recorder_new(1);
	struct drive *d = recorder_open(r, 0);

	(void)state;
	assert_int_equal(call_store(d, "a", "one"), ERR_NONE);
	assert_int_equal(recorder_now(r), 2);
	call_put(d, "b", "two");
	for (enum cut_kind kind = CUT_KEEP_ALL; kind <= CUT_SUBSET; kind++) {
		struct cut cut = {.moment = 3, .kind = kind, .change = 2, .seed = 7};

		assert_int_equal(after(r, &cut, "a", "one"), ERR_NONE);
	}
	call_close(d);
	recorder_free(r);
}

static void what_no_sync_follows_may_be_lost(void **state)
{
	struct recorder *r = recorder_new(1);
	struct drive *d = recorder_open(r, 0);

	(void)state;
	call_put(d, "a", "one");
	assert_int_equal(after(r, &(struct cut){.moment = 0}, "a", "one"), ERR_NOT_FOUND);
	assert_int_equal(after(r, &(struct cut){.moment = 1}, "a", "one"), ERR_NONE);
	assert_int_equal(after(r, &(struct cut){.moment = 1, .kind = CUT_DROP_ALL}, "a", "one"),
			 ERR_NOT_FOUND);
	call_sync(d);
	/* The same moment is judged alike after the sync, the one behind it is not. */
	assert_int_equal(after(r, &(struct cut){.moment = 1, .kind = CUT_DROP_ALL}, "a", "one"),
			 ERR_NOT_FOUND);
	assert_int_equal(after(r, &(struct cut){.moment = 2, .kind = CUT_DROP_ALL}, "a", "one"),
			 ERR_NONE);
	call_close(d);
	recorder_free(r);
}

static void removals_and_moves_are_loose_until_a_sync_too(void **state)
{
	struct recorder *r = recorder_new(1);
	struct drive *d = recorder_open(r, 0);
	struct cut cut = {.moment = 5, .kind = CUT_DROP_ALL};

	(void)state;
	call_put(d, "a", "one");
	call_put(d, "b", "two");
	call_sync(d);
	assert_int_equal(call_remove(d, "a"), ERR_NONE);
	assert_int_equal(call_move(d, "b", "c"), ERR_NONE);
	assert_int_equal(after(r, &cut, "a", "one"), ERR_NONE);
	assert_int_equal(after(r, &cut, "b", "two"), ERR_NONE);
	cut.kind = CUT_DROP_ONE;
	cut.change = 3;
	assert_int_equal(after(r, &cut, "a", "one"), ERR_NONE);
	assert_int_equal(after(r, &cut, "c", "two"), ERR_NONE);
	cut.kind = CUT_KEEP_ONE;
	assert_int_equal(after(r, &cut, "a", "one"), ERR_NOT_FOUND);
	assert_int_equal(after(r, &cut, "b", "two"), ERR_NONE);
	call_close(d);
	recorder_free(r);
}

static void a_handle_syncs_only_what_it_put_itself(void **state)
{
	struct recorder *r = recorder_new(1);
	struct drive *a = recorder_open(r, 0), *b = recorder_open(r, 0);
	struct cut cut = {.moment = 3, .kind = CUT_DROP_ALL};

	(void)state;
	call_put(a, "a", "one");
	call_put(b, "b", "two");
	call_sync(b);
	assert_int_equal(after(r, &cut, "a", "one"), ERR_NOT_FOUND);
	assert_int_equal(after(r, &cut, "b", "two"), ERR_NONE);
	call_close(a);
	cut.kind = CUT_KEEP_ALL;
	assert_int_equal(after(r, &cut, "a", "one"), ERR_NOT_FOUND);
	call_close(b);
	recorder_free(r);
}

static void one_drive_may_lose_what_others_keep(void **state)
{
	struct recorder *r = recorder_new(2);
	struct drive *a = recorder_open(r, 0), *b = recorder_open(r, 1);
	struct cut cut = {.moment = 2, .kind = CUT_DROP_DRIVE, .drive = 1};

	(void)state;
	call_put(a, "x", "x");
	call_put(b, "x", "x");
	recorder_build(r, &cut);
	assert_int_equal(image_of(r, 0, "x", "x"), ERR_NONE);
	assert_int_equal(image_of(r, 1, "x", "x"), ERR_NOT_FOUND);
	cut.kind = CUT_KEEP_DRIVE;
	recorder_build(r, &cut);
	assert_int_equal(image_of(r, 0, "x", "x"), ERR_NOT_FOUND);
	assert_int_equal(image_of(r, 1, "x", "x"), ERR_NONE);
	call_close(a);
	call_close(b);
	recorder_free(r);
}

static void a_torn_put_is_cut_at_a_sector_or_begins_with_zeros(void **state)
{
	struct recorder *r = recorder_new(1);
	struct drive *d = recorder_open(r, 0);
	struct cut cut = {.moment = 1, .seed = 3};
	uint8_t bytes[10000], got[10000];
	struct object_stat st;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	d->driver->put(d, "a", bytes, sizeof(bytes), &err);
	for (cut.seed = 0; cut.seed < 20; cut.seed++) {
		struct drive *image;

		cut.kind = CUT_TORN_HEAD;
		recorder_build(r, &cut);
		image = recorder_open_image(r, 0);
		assert_int_equal(image->driver->stat(image, "a", &st, &err), ERR_NONE);
		assert_true(st.len_bytes % 512 == 0 && st.len_bytes < sizeof(bytes));
		image->driver->close(image);

		cut.kind = cut.seed % 2 ? CUT_TORN_TAIL : CUT_ZEROED;
		recorder_build(r, &cut);
		image = recorder_open_image(r, 0);
		assert_int_equal(image->driver->get(image, "a", 0, got, sizeof(got), &err),
				 ERR_NONE);
		assert_int_equal(got[0], 0);
		assert_int_equal(got[4095], 0);
		if (cut.kind == CUT_ZEROED)
			assert_int_equal(got[sizeof(got) - 1], 0);
		image->driver->close(image);
	}
	call_close(d);
	recorder_free(r);
}

static void settling_makes_all_durable_and_starts_the_clock_again(void **state)
{
	struct recorder *r = recorder_new(2);
	struct drive *d = recorder_open(r, 1);
	struct cut cut = {.moment = 1, .kind = CUT_DROP_ALL, .drive = 1};

	(void)state;
	call_put(d, "a", "one");
	call_put(d, "b", "two");
	call_sync(d);
	call_remove(d, "a");
	recorder_settle(r);
	assert_int_equal(recorder_now(r), 0);
	call_put(d, "c", "three");
	assert_int_equal(after(r, &cut, "a", "one"), ERR_NOT_FOUND);
	assert_int_equal(after(r, &cut, "b", "two"), ERR_NONE);
	assert_int_equal(after(r, &cut, "c", "three"), ERR_NOT_FOUND);
	call_sync(d);
	cut.moment = 2;
	assert_int_equal(after(r, &cut, "c", "three"), ERR_NONE);
	cut.kind = CUT_LIED;
	assert_int_equal(after(r, &cut, "c", "three"), ERR_NOT_FOUND);
	assert_int_equal(after(r, &cut, "b", "two"), ERR_NONE);
	call_close(d);
	recorder_free(r);
}

struct seen {
	unsigned kinds[CUT_KINDS];
	unsigned torn_commits;
};

/* "commit" is put after a sync of "data": no honest cut has the first without the second. */
static void data_come_before_their_commit(void *ctx, struct recorder *r, const struct cut *cut)
{
	struct seen *s = ctx;
	char line[400];

	recorder_describe(r, cut, line, sizeof(line));
	assert_true(strlen(line) > 20);
	s->kinds[cut->kind]++;
	if (image_of(r, 1, "commit", "done") == ERR_NONE && cut->kind != CUT_LIED)
		assert_int_equal(image_of(r, 0, "data", "bytes"), ERR_NONE);
	if (image_of(r, 1, "commit", "done") == ERR_CORRUPT)
		s->torn_commits++;
}

static void every_kind_of_cut_is_tried_at_every_moment(void **state)
{
	struct recorder *r = recorder_new(2);
	struct drive *a = recorder_open(r, 0), *b = recorder_open(r, 1);
	struct seen seen = {.torn_commits = 0};
	unsigned all, honest;

	(void)state;
	call_put(a, "data", "bytes");
	call_put(b, "other", "bytes");
	call_sync(a);
	call_put(b, "commit", "done");
	call_sync(b);
	all = recorder_each_cut(r, &(struct cut_plan){.seed = 1}, data_come_before_their_commit,
				&seen);
	for (unsigned i = 0; i < CUT_KINDS; i++)
		assert_true(seen.kinds[i] > 0);
	assert_true(seen.torn_commits > 0);
	memset(&seen, 0, sizeof(seen));
	honest = recorder_each_cut(r, &(struct cut_plan){.honest = true},
				   data_come_before_their_commit, &seen);
	assert_true(honest < all);
	assert_int_equal(seen.torn_commits, 0);
	assert_int_equal(seen.kinds[CUT_LIED], 0);
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(recorder_each_cut(r, &(struct cut_plan){.from = 2, .to = 4, .budget = 9},
					   data_come_before_their_commit, &seen),
			 9);
	call_close(a);
	call_close(b);
	recorder_free(r);
}

int main(void)
{
	const struct CMUnitTest fault[] = {
		cmocka_unit_test(without_rules_a_fault_drive_is_the_drive_inside),
		cmocka_unit_test(the_nth_call_fails_once),
		cmocka_unit_test(a_rule_for_ever_lasts_until_the_rules_are_cleared),
		cmocka_unit_test(a_rule_may_be_for_some_names_only),
		cmocka_unit_test(a_dead_drive_answers_nothing_more),
		cmocka_unit_test(after_a_failed_sync_what_was_put_is_given_up),
		cmocka_unit_test(a_lost_answer_comes_from_a_call_that_was_done),
		cmocka_unit_test(a_lying_call_says_done_and_does_nothing),
		cmocka_unit_test(a_torn_put_stores_the_first_bytes_only),
		cmocka_unit_test(a_flipped_bit_is_in_what_is_read_or_in_what_is_stored),
		cmocka_unit_test(calls_are_counted_by_kind),
		cmocka_unit_test(a_drive_with_a_size_gets_full_and_has_room_again),
		cmocka_unit_test(a_hook_runs_before_the_call),
	};
	const struct CMUnitTest record[] = {
		cmocka_unit_test(what_a_sync_follows_survives_every_honest_cut),
		cmocka_unit_test(what_no_sync_follows_may_be_lost),
		cmocka_unit_test(removals_and_moves_are_loose_until_a_sync_too),
		cmocka_unit_test(a_handle_syncs_only_what_it_put_itself),
		cmocka_unit_test(one_drive_may_lose_what_others_keep),
		cmocka_unit_test(a_torn_put_is_cut_at_a_sector_or_begins_with_zeros),
		cmocka_unit_test(settling_makes_all_durable_and_starts_the_clock_again),
		cmocka_unit_test(every_kind_of_cut_is_tried_at_every_moment),
	};

	return cmocka_run_group_tests_name("fault_drive", fault, NULL, NULL) +
	       cmocka_run_group_tests_name("record_drive", record, NULL, NULL);
}
