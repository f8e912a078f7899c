/*
 * Putting and getting while a drive is slow, hangs or dies: it fails neither, and what is
 * acknowledged survives the loss of any drive.
 */
#include "array/array.h"
#include "array/fetch.h"
#include "array/paces.h"
#include "array/watched_internal.h"
#include "tests/support/fault_drive.h"
#include "tests/support/tiny.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DRIVES 4
#define PARITY 1
#define STALL_MS 40   /* what is read around, and on a busy machine also without need */
#define HANG_MS 100   /* of the drives that are to be given up; of others a minute */
#define STEADY_MS 60000 /* no drive is late that soon */

struct bench {
	struct tiny t;
	struct array *a;
	struct drive *faults[DRIVES]; /* of the array that is open; a hanging one outlives it */
	struct fault_rule at_open;    /* for drive 0, when it opens */
	struct error err;
};

static struct drive *wrap(void *ctx, unsigned i, struct drive *inner)
{
	struct bench *b = ctx;

	b->faults[i] = fault_drive_new(inner);
	if (i == 0 && b->at_open.calls)
		fault_add(b->faults[i], &b->at_open);
	return b->faults[i];
}

static uint64_t seed = 1;

static void change_files(struct bench *b)
{
	for (unsigned i = 0; i < TINY_FILES; i++)
		tiny_file(&b->t, i, 9000 + 1000 * i, seed++, false);
}

static void open_array(struct bench *b, bool writing)
{
	if (tiny_open(&b->t, writing, &b->a, &b->err) != ERR_NONE)
		fail_msg("open: %s", b->err.message);
}

static void set_hang_ms(struct bench *b, unsigned i, unsigned ms)
{
	calls_lock();
	((struct watched *)b->a->drives[i].handle)->hang_ms = ms;
	calls_unlock();
}

/* Adds a rule for a drive that is given up as soon as it hangs. */
static void fail_soon(struct bench *b, unsigned i, const struct fault_rule *rule)
{
	set_hang_ms(b, i, HANG_MS);
	fault_add(b->faults[i], rule);
}

/* Also with a drive that hangs: it does not come back before that has come to an end. */
static void close_array(struct bench *b)
{
	array_close(b->a);
	b->a = NULL;
	fault_let_all_go();
	memset(&b->at_open, 0, sizeof(b->at_open));
}

static struct bench *bench_new(void)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	tiny_init(&b->t, DRIVES, PARITY, 0);
	b->t.wrap = wrap;
	b->t.wrap_ctx = b;
	b->t.strict = true;
	b->t.stall_ms = STALL_MS;
	change_files(b);
	open_array(b, true);
	assert_int_equal(tiny_put(&b->t, b->a, NULL, &b->err), ERR_NONE);
	close_array(b);
	b->t.warning[0] = '\0';
	return b;
}

static void bench_free(struct bench *b)
{
	tiny_release(&b->t);
	free(b);
}

static void check(struct bench *b)
{
	if (!tiny_check(&b->t, b->a, 0))
		fail_msg("%s", b->t.why);
}

/* All there is, without any one of the drives. */
static void check_without_any(struct bench *b)
{
	for (unsigned i = 0; i <= DRIVES; i++) {
		b->t.absent = i < DRIVES ? 1u << i : 0;
		if (!tiny_check_opened(&b->t, 0))
			fail_msg("without drive %u: %s", i, b->t.why);
		fault_let_all_go();
	}
	b->t.absent = 0;
	b->t.warning[0] = '\0';
}

/* ---- get ---- */

static void a_get_ends_whatever_call_of_a_drive_hangs_or_fails(void **state)
{
	static const enum fault_effect effects[] = {FAULT_STALL, FAULT_FAIL};
	struct bench *b = bench_new();

	(void)state;
	for (unsigned e = 0; e < 2; e++) {
		for (unsigned call = FAULT_PUT; call <= FAULT_ABOUT; call <<= 1) {
			for (unsigned nth = 1; nth <= 3; nth++) {
				open_array(b, false);
				fail_soon(b, nth, &(struct fault_rule){.calls = call,
								       .nth = nth,
								       .for_ever = true,
								       .effect = effects[e],
								       .code = ERR_IO});
				check(b);
				close_array(b);
			}
		}
	}
	bench_free(b);
}

/* False: the machine was so busy that another drive seemed to hang, too. */
static bool opens_without_the_first(struct bench *b, enum fault_calls call)
{
	bool steady = true;

	b->at_open = (struct fault_rule){.calls = call, .for_ever = true, .effect = FAULT_STALL};
	b->t.hang_ms = HANG_MS;
	if (tiny_open(&b->t, false, &b->a, &b->err) != ERR_NONE) {
		fault_let_all_go();
		return false;
	}
	b->t.hang_ms = 0;
	for (unsigned i = 1; i < DRIVES; i++) {
		steady = steady && b->a->drives[i].handle && !watched_hangs(b->a->drives[i].handle);
		if (steady)
			set_hang_ms(b, i, STEADY_MS);
	}
	if (steady)
		check(b);
	close_array(b);
	return steady;
}

static void a_drive_that_hangs_while_it_is_opened_is_left_out(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	for (unsigned call = FAULT_GET; call <= FAULT_ABOUT; call <<= 1) {
		while (!opens_without_the_first(b, call))
			;
	}
	bench_free(b);
}

static unsigned stalls_told;

static void count_stalls(void *ctx, enum tell_level level, const char *text)
{
	(void)ctx;
	stalls_told += level == TELL_WARNING && strstr(text, "no answer") && strstr(text, "d1");
	if (level == TELL_WARNING && strstr(text, "degraded"))
		fail_msg("told: %s", text);
}

/* False: the machine was so busy that another drive seemed to stall, too. */
static bool only_one_stalls(struct bench *b)
{
	bool only = true;
	uint64_t gets;

	open_array(b, false);
	b->a->options.tell = count_stalls;
	stalls_told = 0;
	fault_add(b->faults[1], &(struct fault_rule){.calls = FAULT_GET,
						     .for_ever = true,
						     .effect = FAULT_STALL});
	gets = fault_count(b->faults[1], FAULT_GET);
	check(b);
	gets = fault_count(b->faults[1], FAULT_GET) - gets;
	for (unsigned i = 0; i < DRIVES; i++)
		only = only && (i == 1 || !atomic_load(&b->a->drives[i].stalled));
	/* One that did not answer: it is asked last. (Some may have begun at once.) */
	if (only)
		assert_in_range(gets, 1, 8);
	assert_int_equal(stalls_told, 1);
	assert_true(atomic_load(&b->a->drives[1].stalled));
	assert_false(watched_hangs(b->a->drives[1].handle));
	close_array(b);
	return only;
}

static void a_drive_that_stalls_is_read_around_and_named_once(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	while (!only_one_stalls(b))
		;
	bench_free(b);
}

/* All the others seem to be late, too, and do come: none of them in the time of a hang. */
static void late_answers_are_taken_as_they_come(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	open_array(b, false);
	for (unsigned i = 0; i < DRIVES; i++)
		fault_add(b->faults[i], &(struct fault_rule){.calls = FAULT_GET,
							     .for_ever = true,
							     .effect = FAULT_STALL,
							     .at = i == 1 ? 0 : 2 * STALL_MS});
	for (unsigned i = 0; i < DRIVES; i++)
		atomic_store(&b->a->drives[i].stalled, i != 1);
	check(b);
	assert_false(watched_hangs(b->a->drives[1].handle));
	close_array(b);
	bench_free(b);
}

static void a_late_answer_is_taken_where_nothing_else_is_left(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	b->t.absent = 1u << 0;
	open_array(b, false);
	for (unsigned i = 1; i < DRIVES; i++)
		fault_add(b->faults[i], &(struct fault_rule){.calls = FAULT_GET,
							     .nth = 2,
							     .effect = FAULT_STALL,
							     .at = 4 * STALL_MS});
	check(b);
	close_array(b);
	bench_free(b);
}

static void two_drives_that_hang_are_too_many_and_the_get_ends(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	open_array(b, false);
	for (unsigned i = 1; i < 3; i++)
		fail_soon(b, i, &(struct fault_rule){
					.calls = FAULT_GET, .for_ever = true, .effect = FAULT_STALL});
	assert_false(tiny_check(&b->t, b->a, 0));
	assert_non_null(strstr(b->t.why, "beyond repair"));
	close_array(b);
	bench_free(b);
}

static void damage_is_found_while_another_drive_stalls(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	open_array(b, false);
	fault_add(b->faults[1], &(struct fault_rule){
					.calls = FAULT_GET, .effect = FAULT_STALL, .at = 3 * STALL_MS});
	fault_add(b->faults[2], &(struct fault_rule){.calls = FAULT_GET,
						     .prefix = "parity",
						     .for_ever = true,
						     .effect = FAULT_FLIP,
						     .at = 100});
	check(b);
	close_array(b);
	bench_free(b);
}

static const struct pace near = {.answers = 99, .latency_us = 100, .deviation_us = 1,
				 .read_mib_us = 1000, .write_mib_us = 1000};
static const struct pace far = {.answers = 99, .latency_us = 2000000, .deviation_us = 1,
				.read_mib_us = 9000000, .write_mib_us = 9000000};

static void set_paces(struct bench *b, unsigned far_one)
{
	for (unsigned i = 0; i < DRIVES; i++)
		watched_set_pace(b->a->drives[i].handle, i == far_one ? &far : &near);
}

/* A read of drive 1 that takes so long, and what it says of a stall. */
static void read_after(struct bench *b, unsigned ms)
{
	struct array_drive *d = &b->a->drives[1];
	const struct read_want want = {.name = "config.json", .len_bytes = 4};
	struct read_call *c;

	if (ms > 0)
		fault_add(b->faults[1], &(struct fault_rule){
						.calls = FAULT_GET, .effect = FAULT_STALL, .at = ms});
	c = read_start(d->handle, &want, &b->err);
	assert_non_null(c);
	read_patience_ms(b->a, d, c);
	assert_int_equal(call_finish(&c->call, 4, &b->err), ERR_NONE);
	drive_answered(b->a, d, c);
	call_leave(&c->call);
}

static void a_stall_is_over_once_the_drive_answers_in_time_and_no_sooner(void **state)
{
	struct bench *b = bench_new();
	struct array_drive *d;

	(void)state;
	open_array(b, false);
	set_paces(b, DRIVES);
	d = &b->a->drives[1];
	drive_stalled(b->a, d, STALL_MS);
	assert_true(atomic_load(&d->stalled));
	read_after(b, drive_patience_ms(b->a, d, 4) + STALL_MS);
	assert_true(atomic_load(&d->stalled));
	b->a->options.stall_ms = STEADY_MS;
	read_after(b, 0);
	assert_false(atomic_load(&d->stalled));
	close_array(b);
	bench_free(b);
}

/* Every drive is needed, whether it stalled before or not. */
static void a_get_finds_that_a_stall_is_over(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	b->t.absent = 1u << 0;
	b->t.stall_ms = STEADY_MS;
	open_array(b, false);
	for (unsigned i = 1; i < DRIVES; i++)
		drive_stalled(b->a, &b->a->drives[i], STALL_MS);
	check(b);
	for (unsigned i = 1; i < DRIVES; i++)
		assert_false(atomic_load(&b->a->drives[i].stalled));
	close_array(b);
	bench_free(b);
}

static void a_slow_drive_is_not_waited_for_where_others_are_sooner(void **state)
{
	struct bench *b = bench_new();
	uint64_t gets;

	(void)state;
	b->t.stall_ms = STEADY_MS;
	open_array(b, false);
	set_paces(b, 1);
	gets = fault_count(b->faults[1], FAULT_GET);
	/* So slow that it never answers. */
	fault_add(b->faults[1], &(struct fault_rule){.calls = FAULT_GET,
						     .for_ever = true,
						     .effect = FAULT_STALL});
	check(b);
	/* Dozens of frames lie there. One is asked for on the side. */
	assert_in_range(fault_count(b->faults[1], FAULT_GET) - gets, 0, 1);
	assert_false(atomic_load(&b->a->drives[1].stalled));
	fault_clear(b->faults[1]);
	fault_release(b->faults[1]);
	close_array(b);
	bench_free(b);
}

static void what_is_known_of_the_drives_is_kept_for_the_next_run(void **state)
{
	struct bench *b = bench_new();
	struct pace p;

	(void)state;
	open_array(b, false);
	set_paces(b, DRIVES);
	close_array(b);
	open_array(b, false);
	for (unsigned i = 0; i < DRIVES; i++)
		assert_int_equal(b->a->drives[i].distance, 0);
	set_paces(b, 2);
	close_array(b);
	open_array(b, false);
	p = b->a->drives[2].pace_kept;
	assert_int_equal(p.read_mib_us, far.read_mib_us);
	assert_int_equal(p.write_mib_us, far.write_mib_us);
	assert_true(b->a->drives[2].distance > 0);
	assert_int_equal(b->a->drives[1].distance, 0);
	close_array(b);
	bench_free(b);
}

/* A frame that was begun ahead and that nobody comes for any more is no place lost. */
static void frames_begun_ahead_in_vain_leave_room_for_others(void **state)
{
	struct bench *b = bench_new();
	struct table_block block;
	struct block_list *list;
	struct fetcher *f;
	unsigned begun = 0;

	(void)state;
	for (unsigned i = 0; i < TINY_FILES; i++)
		tiny_file(&b->t, i, 100000, seed++, false);
	open_array(b, true);
	assert_int_equal(tiny_put(&b->t, b->a, NULL, &b->err), ERR_NONE);
	close_array(b);
	open_array(b, false);
	assert_int_equal(fetcher_new(b->a, 1 << 20, &f, &b->err), ERR_NONE);
	for (unsigned i = 0; i < DRIVES; i++)
		fault_add(b->faults[i], &(struct fault_rule){
						.calls = FAULT_GET, .for_ever = true, .code = ERR_IO});
	for (int64_t id = 1; begun < 300; id++) {
		assert_int_equal(table_block_by_id(b->a->table, id, &block, &b->err), ERR_NONE);
		if (block.is_inline)
			continue;
		assert_int_equal(fetch_list(f, &block.uid, &list, &b->err), ERR_NONE);
		for (unsigned i = 0; i < list->contents.frame_count; i++, begun++)
			fetch_ahead(f, list, i);
		fetch_list_release(f, list);
	}
	for (unsigned i = 0; i < DRIVES; i++)
		fault_clear(b->faults[i]);
	check(b);
	fetcher_free(f);
	close_array(b);
	bench_free(b);
}

/* A block of three frames or more. */
static struct block_list *some_list(struct bench *b, struct fetcher *f)
{
	struct table_block block;
	struct block_list *list;

	for (int64_t id = 1;; id++) {
		assert_int_equal(table_block_by_id(b->a->table, id, &block, &b->err), ERR_NONE);
		if (block.is_inline)
			continue;
		assert_int_equal(fetch_list(f, &block.uid, &list, &b->err), ERR_NONE);
		if (list->contents.frame_count >= 3)
			return list;
		fetch_list_release(f, list);
	}
}

/* Three frames that say that they are so long: no byte of them comes. */
static void no_more_is_fetched_ahead_than_memory_is_for(void **state)
{
	struct bench *b = bench_new();
	struct block_list *list;
	struct fetcher *f;
	struct frame *frame;

	(void)state;
	b->t.stall_ms = STEADY_MS;
	open_array(b, false);
	assert_int_equal(fetcher_new(b->a, 1 << 20, &f, &b->err), ERR_NONE);
	list = some_list(b, f);
	for (unsigned i = 0; i < 3; i++)
		list->contents.frames[i].plain_bytes = 10 << 20;
	for (unsigned i = 0; i < DRIVES; i++)
		fault_add(b->faults[i], &(struct fault_rule){
						.calls = FAULT_GET, .for_ever = true, .code = ERR_IO});
	assert_true(fetch_ahead(f, list, 0));
	assert_true(fetch_ahead(f, list, 1));
	assert_false(fetch_ahead(f, list, 2));
	/* Who comes for one makes room, whatever comes of it. */
	assert_int_not_equal(fetch_frame(f, list, 0, &frame, &b->err), ERR_NONE);
	assert_true(fetch_ahead(f, list, 2));
	fetch_list_release(f, list);
	fetcher_free(f);
	close_array(b);
	bench_free(b);
}

/* ---- put ---- */

static void a_put_ends_whatever_call_of_a_drive_hangs_or_fails(void **state)
{
	static const enum fault_effect effects[] = {FAULT_STALL, FAULT_FAIL};

	(void)state;
	for (unsigned e = 0; e < 2; e++) {
		for (unsigned call = FAULT_PUT; call <= FAULT_ABOUT; call <<= 1) {
			for (unsigned nth = 1; nth <= 2; nth++) {
				struct bench *b = bench_new();
				bool thin = false;

				change_files(b);
				open_array(b, true);
				fail_soon(b, nth, &(struct fault_rule){.calls = call,
								       .nth = nth,
								       .for_ever = true,
								       .effect = effects[e],
								       .code = ERR_IO});
				if (tiny_put(&b->t, b->a, &thin, &b->err) != ERR_NONE)
					fail_msg("put: call %u, %u: %s", call, nth, b->err.message);
				close_array(b);
				if (!thin)
					check_without_any(b);
				else
					assert_true(tiny_check_opened(&b->t, 0));
				fault_let_all_go();
				bench_free(b);
			}
		}
	}
}

static void a_drive_that_hangs_in_a_put_is_not_written_to_any_more(void **state)
{
	struct bench *b = bench_new();
	bool thin = true;

	(void)state;
	change_files(b);
	open_array(b, true);
	fail_soon(b, 2, &(struct fault_rule){
				.calls = FAULT_PUT, .prefix = "blocks", .effect = FAULT_STALL});
	assert_int_equal(tiny_put(&b->t, b->a, &thin, &b->err), ERR_NONE);
	assert_false(thin); /* three drives are enough for parity 1 */
	assert_true(atomic_load(&b->a->drives[2].poisoned));
	assert_non_null(strstr(b->t.warning, "not written to any more"));
	close_array(b);
	check_without_any(b);
	assert_true(tiny_scrub_clean(&b->t));
	fault_let_all_go();
	bench_free(b);
}

static int count_name(void *ctx, const char *name, struct error *err)
{
	(void)name;
	(void)err;
	++*(unsigned *)ctx;
	return ERR_NONE;
}

/* False: the machine was so busy that another drive seemed to be slow, too. */
static bool only_the_last_is_passed_over(struct bench *b)
{
	bool thin = true, only = true;
	unsigned owed = 0;

	change_files(b);
	open_array(b, true);
	b->a->options.ack_enough = true;
	fault_add(b->faults[3], &(struct fault_rule){.calls = FAULT_PUT | FAULT_SYNC,
						     .for_ever = true,
						     .effect = FAULT_STALL});
	assert_int_equal(tiny_put(&b->t, b->a, &thin, &b->err), ERR_NONE);
	assert_false(thin);
	for (unsigned i = 0; i < 3; i++)
		only = only && !atomic_load(&b->a->drives[i].passed_over) &&
		       !atomic_load(&b->a->drives[i].late);
	if (only) {
		assert_true(atomic_load(&b->a->drives[3].passed_over));
		assert_true(atomic_load(&b->a->drives[3].late));
		assert_false(atomic_load(&b->a->drives[3].poisoned));
		/* What it may store yet is to be deleted; that can wait. */
		assert_int_equal(table_garbage(b->a->table, &b->a->drives[3].id, count_name, &owed,
					       &b->err), ERR_NONE);
		assert_true(owed > 0);
		assert_true(fault_stalling(b->faults[3]) > 0);
	}
	set_hang_ms(b, 3, HANG_MS); /* so that it is not waited for */
	close_array(b);
	return only;
}

static void enough_does_not_wait_for_a_slow_drive(void **state)
{
	struct bench *b = bench_new();
	bool thin = true;

	(void)state;
	while (!only_the_last_is_passed_over(b))
		;
	check_without_any(b);
	/* What it still owes comes with the next one. */
	change_files(b);
	open_array(b, true);
	assert_false(b->a->drives[3].behind);
	assert_int_equal(tiny_put(&b->t, b->a, &thin, &b->err), ERR_NONE);
	close_array(b);
	assert_true(tiny_scrub_clean(&b->t));
	fault_let_all_go();
	bench_free(b);
}

static void enough_waits_for_slow_drives_without_which_the_promise_would_break(void **state)
{
	struct bench *b = bench_new();
	bool thin = true;

	(void)state;
	change_files(b);
	open_array(b, true);
	b->a->options.ack_enough = true;
	for (unsigned i = 1; i < DRIVES; i++)
		fault_add(b->faults[i], &(struct fault_rule){.calls = FAULT_SYNC,
							     .for_ever = true,
							     .effect = FAULT_STALL,
							     .at = 3 * STALL_MS});
	assert_int_equal(tiny_put(&b->t, b->a, &thin, &b->err), ERR_NONE);
	assert_false(thin);
	close_array(b);
	check_without_any(b);
	bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_get_ends_whatever_call_of_a_drive_hangs_or_fails),
		cmocka_unit_test(a_drive_that_hangs_while_it_is_opened_is_left_out),
		cmocka_unit_test(a_drive_that_stalls_is_read_around_and_named_once),
		cmocka_unit_test(late_answers_are_taken_as_they_come),
		cmocka_unit_test(a_late_answer_is_taken_where_nothing_else_is_left),
		cmocka_unit_test(two_drives_that_hang_are_too_many_and_the_get_ends),
		cmocka_unit_test(damage_is_found_while_another_drive_stalls),
		cmocka_unit_test(a_stall_is_over_once_the_drive_answers_in_time_and_no_sooner),
		cmocka_unit_test(a_get_finds_that_a_stall_is_over),
		cmocka_unit_test(a_slow_drive_is_not_waited_for_where_others_are_sooner),
		cmocka_unit_test(what_is_known_of_the_drives_is_kept_for_the_next_run),
		cmocka_unit_test(frames_begun_ahead_in_vain_leave_room_for_others),
		cmocka_unit_test(no_more_is_fetched_ahead_than_memory_is_for),
		cmocka_unit_test(a_put_ends_whatever_call_of_a_drive_hangs_or_fails),
		cmocka_unit_test(a_drive_that_hangs_in_a_put_is_not_written_to_any_more),
		cmocka_unit_test(enough_does_not_wait_for_a_slow_drive),
		cmocka_unit_test(enough_waits_for_slow_drives_without_which_the_promise_would_break),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
