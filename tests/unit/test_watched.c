/*
 * Drives that are not waited for without end, and how fast a drive is taken to be.
 */
#include "array/lanes.h"
#include "array/traffic.h"
#include "array/watched.h"
#include "drivers/driver.h"
#include "tests/support/calls.h"
#include "tests/support/fault_drive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HANG_MS 50	    /* of drives that are to be given up */
#define PATIENT_MS 3600000 /* of all others: for ever, however busy the machine is */

static struct error err;

/* The fault drive inside the last one that was opened. */
static struct drive *inside;
static bool open_local;
static struct drive_options opened_with;
static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER; /* held: open does not come back */
static atomic_uint opened;

static int open_fault(void *ctx, const struct config_drive *entry,
		      const struct drive_options *options, struct drive **out, struct error *why)
{
	int code = driver_mem.open(entry->url, options, out, why);

	(void)ctx;
	opened_with = *options;
	pthread_mutex_lock(&opening);
	pthread_mutex_unlock(&opening);
	if (code == ERR_NONE) {
		*out = inside = fault_drive_new(*out);
		if (open_local)
			((struct mrmr_driver *)(*out)->driver)->flags |= DRIVER_LOCAL;
	}
	atomic_fetch_add(&opened, 1);
	return code;
}

static char options[40] = "{}";

static int try_open(struct drive **out, unsigned hang_ms)
{
	char url[] = "mem:";
	struct config_drive entry = {.url = url, .options_json = options};
	struct opening_drive o = {.open = open_fault,
				  .entry = &entry,
				  .options = {.temp_tag = "t"},
				  .hang_ms = hang_ms,
				  .leave_ms = PATIENT_MS};

	return watched_open(&o, out, &err);
}

static struct drive *watched_on_memory(void)
{
	struct drive *d;

	assert_int_equal(try_open(&d, PATIENT_MS), ERR_NONE);
	return d;
}

/* One with an object "a" that is given up soon. (On a busy machine also while it opens.) */
static struct drive *one_to_give_up(void)
{
	struct drive *d;
	int code;

	while ((code = try_open(&d, HANG_MS)) == ERR_TRANSIENT)
		fault_let_all_go();
	assert_int_equal(code, ERR_NONE);
	assert_int_equal(call_store(inside, "a", "text"), ERR_NONE);
	return d;
}

static uint64_t ms_since(uint64_t began_us)
{
	return (clock_us() - began_us) / 1000;
}

static int name_each(void *ctx, const char *name, uint64_t len_bytes)
{
	(void)name;
	(void)len_bytes;
	return ++*(unsigned *)ctx == 7 ? 42 : 0;
}

static int do_call(struct drive *d, enum fault_calls call)
{
	uint64_t len_bytes;
	struct drive_about about;
	char byte;

	switch (call) {
	case FAULT_PUT:
		return call_put(d, "b", "x");
	case FAULT_GET:
		return call_get(d, "a", 0, &byte, 1);
	case FAULT_STAT:
		return call_stat(d, "a", &len_bytes);
	case FAULT_LIST:
		return call_count(d, "") < 0 ? (int)call_err.code : ERR_NONE;
	case FAULT_MOVE:
		return call_move(d, "a", "c");
	case FAULT_REMOVE:
		return call_remove(d, "a");
	case FAULT_SYNC:
		return call_sync(d);
	default:
		return call_about(d, &about);
	}
}

static void a_watched_drive_is_the_drive_inside(void **state)
{
	struct drive *d = watched_on_memory();
	char name[OBJECT_NAME_MAX + 3], text[20];

	(void)state;
	assert_string_equal(d->driver->kind, "mem");
	assert_int_equal(call_store(d, "a", "text"), ERR_NONE);
	assert_int_equal(call_check(d, "a", "text"), ERR_NONE);
	assert_int_equal(call_put(d, "a", "x"), ERR_EXISTS);
	assert_int_equal(call_get(d, "a", 2, text, 9), ERR_CORRUPT);
	assert_int_equal(call_move(d, "a", "b"), ERR_NONE);
	assert_int_equal(call_check(d, "a", "text"), ERR_NOT_FOUND);
	assert_int_equal(call_remove(d, "b"), ERR_NONE);
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(call_put(d, name, "x"), ERR_USAGE);
	assert_int_equal(call_get(d, name, 0, text, 1), ERR_USAGE);
	assert_int_equal(call_move(d, "a", name), ERR_USAGE);
	call_close(d);
}

static void a_list_of_any_length_comes_whole_and_ends_when_told_to(void **state)
{
	struct drive *d = watched_on_memory();
	unsigned told = 0;
	char name[64];

	(void)state;
	for (unsigned i = 0; i < 5000; i++) { /* some batches */
		snprintf(name, sizeof(name), "blocks/a-name-that-takes-its-room-%u", i);
		assert_int_equal(call_put(d, name, "x"), ERR_NONE);
	}
	assert_int_equal(call_sync(d), ERR_NONE);
	assert_int_equal(call_count(d, "blocks/"), 5000);
	assert_int_equal(d->driver->list(d, "", name_each, &told, &err), 42);
	assert_int_equal(told, 7);
	assert_int_equal(call_count(d, "blocks/"), 5000);
	call_close(d);
}

/* False: the machine was too busy for the call to begin. */
static bool give_up_on(enum fault_calls call)
{
	struct drive *d = one_to_give_up();
	uint64_t began_us = clock_us(), calls;
	bool begun;

	fault_add(inside, &(struct fault_rule){.calls = call, .effect = FAULT_STALL});
	assert_int_equal(do_call(d, call), ERR_TRANSIENT);
	assert_true(ms_since(began_us) >= HANG_MS);
	assert_true(watched_hangs(d));
	begun = fault_stalling(inside) == 1;
	/* Whatever is asked now does not even reach it. */
	calls = fault_count(inside, ~0u);
	for (unsigned other = FAULT_PUT; begun && other <= FAULT_ABOUT; other <<= 1)
		assert_int_equal(do_call(d, other), ERR_TRANSIENT);
	assert_true(!begun || fault_count(inside, ~0u) == calls);
	call_close(d);
	/* The call stays where it is, and the drive with it. */
	assert_true(!begun || fault_stalling(inside) == 1);
	fault_let_all_go();
	return begun;
}

static void a_call_that_hangs_is_given_up_and_so_is_the_drive(void **state)
{
	(void)state;
	for (unsigned call = FAULT_PUT; call <= FAULT_ABOUT; call <<= 1) {
		while (!give_up_on(call))
			;
	}
}

/* Each call comes back soon, and none of them did anything. */
static void a_drive_that_only_fails_is_given_up_as_if_it_hung(void **state)
{
	struct drive *d = one_to_give_up();
	uint64_t began_us = clock_us();

	(void)state;
	fault_add(inside, &(struct fault_rule){ .calls = FAULT_STAT | FAULT_LIST,
						.for_ever = true,
						.code = ERR_TRANSIENT });
	while (!watched_hangs(d)) {
		assert_int_equal(do_call(d, ms_since(began_us) % 2 ? FAULT_STAT : FAULT_LIST),
				 ERR_TRANSIENT);
		usleep(1000);
	}
	assert_true(ms_since(began_us) >= HANG_MS);
	fault_clear(inside);
	assert_int_equal(do_call(d, FAULT_STAT), ERR_TRANSIENT);
	d->driver->close(d);
}

/* False: the machine was too busy for the answers to come in time. */
static bool fail_between_answers(struct drive *d)
{
	uint64_t began_us = clock_us(), answered_us = began_us;

	fault_add(inside, &(struct fault_rule){ .calls = FAULT_STAT,
						.for_ever = true,
						.code = ERR_TRANSIENT });
	while (ms_since(began_us) < 3ul * HANG_MS) {
		do_call(d, FAULT_STAT);
		do_call(d, FAULT_GET);
		if (ms_since(answered_us) > HANG_MS / 2)
			return false;
		answered_us = clock_us();
		usleep(1000);
	}
	assert_false(watched_hangs(d));
	return true;
}

static void a_drive_that_answers_between_failures_is_not_given_up(void **state)
{
	bool done = false;

	(void)state;
	while (!done) {
		struct drive *d = one_to_give_up();

		done = fail_between_answers(d);
		d->driver->close(d);
	}
}

static void a_drive_that_does_not_open_in_time_is_not_opened(void **state)
{
	unsigned before = atomic_load(&opened);
	struct drive *d;

	(void)state;
	pthread_mutex_lock(&opening);
	assert_int_equal(try_open(&d, HANG_MS), ERR_TRANSIENT);
	assert_int_equal(atomic_load(&opened), before);
	pthread_mutex_unlock(&opening);
	/* It opens all the same, and is closed by nobody but its own thread. */
	while (atomic_load(&opened) == before)
		usleep(1000);
	fault_let_all_go();
}

/* False: the machine was too busy to tell. */
static bool wait_for_a_slow_one(struct drive *d)
{
	struct read_want want = {.name = "slow", .len_bytes = 4};
	struct read_call *slow = read_start(d, &want, &err);
	uint64_t began_us = clock_us(), alive_us = began_us;
	bool steady = true;

	assert_non_null(slow);
	while (steady && ms_since(began_us) < 3 * HANG_MS) {
		assert_false(call_wait(&slow->call, 4, 1) && !watched_hangs(d));
		steady = call_check(d, "a", "text") == ERR_NONE && ms_since(alive_us) < HANG_MS / 2;
		alive_us = clock_us();
	}
	if (steady) {
		assert_false(watched_hangs(d));
		fault_clear(inside);
		fault_release(inside);
		assert_int_equal(call_finish(&slow->call, 4, &err), ERR_NONE);
		assert_memory_equal(slow->bytes, "late", 4);
	}
	call_leave(&slow->call);
	return steady;
}

static void a_slow_drive_is_waited_for_as_long_as_others_of_its_calls_come_back(void **state)
{
	bool steady = false;

	(void)state;
	while (!steady) {
		struct drive *d = one_to_give_up();

		assert_int_equal(call_store(inside, "slow", "late"), ERR_NONE);
		fault_add(inside, &(struct fault_rule){
					  .calls = FAULT_GET, .prefix = "slow", .effect = FAULT_STALL});
		steady = wait_for_a_slow_one(d);
		if (!steady)
			fault_release(inside);
		call_close(d);
		fault_let_all_go();
	}
}

static void a_read_that_is_left_behind_ends_in_memory_of_its_own(void **state)
{
	struct drive *d = watched_on_memory();
	struct read_call *c;

	(void)state;
	assert_int_equal(call_store(d, "a", "text"), ERR_NONE);
	fault_add(inside, &(struct fault_rule){.calls = FAULT_GET, .effect = FAULT_STALL});
	c = read_start(d, &(struct read_want){.name = "a", .len_bytes = 4}, &err);
	assert_non_null(c);
	while (fault_stalling(inside) == 0)
		assert_false(call_wait(&c->call, 4, 1));
	assert_false(watched_idle(d));
	call_leave(&c->call);
	/* Another one has other memory, and another thread. */
	assert_int_equal(call_check(d, "a", "text"), ERR_NONE);
	assert_int_equal(fault_stalling(inside), 1);
	fault_release(inside);
	call_close(d); /* waits for what is left behind */
}

static void a_call_whose_caller_left_before_it_began_is_not_made(void **state)
{
	struct drive *d = watched_on_memory();
	struct read_call *calls[40]; /* more than may be under way at once */
	uint64_t before = fault_count(inside, FAULT_GET);

	(void)state;
	fault_add(inside, &(struct fault_rule){
				  .calls = FAULT_GET, .for_ever = true, .effect = FAULT_STALL});
	for (unsigned i = 0; i < 40; i++) {
		calls[i] = read_start(d, &(struct read_want){.name = "a", .len_bytes = 4}, &err);
		assert_non_null(calls[i]);
	}
	while (fault_stalling(inside) == 0)
		call_wait(&calls[39]->call, 4, 1);
	for (unsigned i = 40; i-- > 0;)
		call_leave(&calls[i]->call);
	fault_clear(inside);
	fault_release(inside);
	while (!watched_idle(d))
		usleep(1000);
	assert_in_range(fault_count(inside, FAULT_GET) - before, 1, 16);
	call_close(d);
}

/* False: the machine was too busy for us to say in time that bytes move. */
static bool outlast(struct drive *d)
{
	uint64_t began_us, said_us, longest_ms = 0;
	struct read_call *c;
	bool hung;

	fault_add(inside, &(struct fault_rule){.calls = FAULT_GET, .effect = FAULT_STALL});
	began_us = said_us = clock_us();
	c = read_start(d, &(struct read_want){.name = "a", .len_bytes = 4}, &err);
	assert_non_null(c);
	while (ms_since(began_us) < 10 * HANG_MS) {
		opened_with.moved(opened_with.moved_ctx);
		call_wait(&c->call, 4, 1);
		if (ms_since(said_us) > longest_ms)
			longest_ms = ms_since(said_us);
		said_us = clock_us();
	}
	hung = watched_hangs(d);
	fault_release(inside);
	assert_int_equal(call_finish(&c->call, 4, &err), hung ? ERR_TRANSIENT : ERR_NONE);
	call_leave(&c->call);
	call_close(d);
	fault_let_all_go();
	assert_true(!hung || longest_ms > HANG_MS);
	return !hung;
}

static void a_call_that_moves_bytes_is_waited_for_however_long_it_takes(void **state)
{
	struct drive *d;

	(void)state;
	do {
		while (try_open(&d, 3 * HANG_MS) == ERR_TRANSIENT)
			fault_let_all_go();
		assert_int_equal(call_store(inside, "a", "text"), ERR_NONE);
	} while (!outlast(d));
}

static void no_more_calls_are_under_way_than_the_options_allow(void **state)
{
	struct read_call *calls[6];
	struct drive *d;

	(void)state;
	snprintf(options, sizeof(options), "{\"connections\":\"2\"}");
	d = watched_on_memory();
	snprintf(options, sizeof(options), "{}");
	assert_int_equal(d->driver->connections_max, 2);
	fault_add(inside, &(struct fault_rule){
				  .calls = FAULT_GET, .for_ever = true, .effect = FAULT_STALL});
	for (unsigned i = 0; i < 6; i++) {
		calls[i] = read_start(d, &(struct read_want){.name = "a", .len_bytes = 4}, &err);
		assert_non_null(calls[i]);
	}
	while (fault_stalling(inside) < 2)
		call_wait(&calls[5]->call, 4, 1);
	call_wait(&calls[5]->call, 4, 50);
	assert_int_equal(fault_stalling(inside), 2);
	for (unsigned i = 6; i-- > 0;)
		call_leave(&calls[i]->call);
	fault_clear(inside);
	fault_release(inside);
	call_close(d);
}

/* ---- calls in order ---- */

struct ordered_call {
	struct call call;
	unsigned number;
	int answer;
};
static unsigned done_numbers[8];
static atomic_uint done_count;

static int run_ordered(struct call *call, struct drive *d, struct error *why)
{
	struct ordered_call *c = (struct ordered_call *)call;
	uint64_t len_bytes;

	call_stat(d, "a", &len_bytes); /* may stall */
	done_numbers[atomic_fetch_add(&done_count, 1)] = c->number;
	return c->answer == ERR_NONE ? ERR_NONE
				     : err_set(why, (enum err_code)c->answer, "number %u", c->number);
}

static void nothing_to_release(struct call *call)
{
	(void)call;
}

static void start_ordered(struct drive *d, struct ordered_call *c, unsigned number, int answer)
{
	memset(c, 0, sizeof(*c));
	c->call.run = run_ordered;
	c->call.release = nothing_to_release;
	c->call.in_order = true;
	c->call.hands = HANDS_EACH;
	c->number = number;
	c->answer = answer;
	call_start(d, &c->call);
}

static void calls_in_order_are_made_one_after_the_other_and_none_after_one_that_failed(void **state)
{
	struct drive *d = watched_on_memory();
	struct ordered_call calls[5];

	(void)state;
	atomic_store(&done_count, 0);
	fault_add(inside, &(struct fault_rule){.calls = FAULT_STAT, .effect = FAULT_STALL});
	for (unsigned i = 0; i < 5; i++)
		start_ordered(d, &calls[i], i, i == 2 ? ERR_FULL : ERR_NONE);
	while (fault_stalling(inside) == 0)
		usleep(1000);
	assert_false(call_wait(&calls[1].call, 0, 20)); /* however many threads there are */
	assert_int_equal(atomic_load(&done_count), 0);
	fault_release(inside);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(call_finish(&calls[i].call, 0, &err), i < 2 ? ERR_NONE : ERR_FULL);
	assert_string_equal(err.message, "number 2"); /* the cause of them all */
	assert_int_equal(atomic_load(&done_count), 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(done_numbers[i], i);
	for (unsigned i = 0; i < 5; i++)
		call_leave(&calls[i].call);
	/* Others are not concerned. */
	assert_int_equal(call_store(d, "a", "text"), ERR_NONE);
	call_close(d);
}

/* ---- which thread ---- */

static pthread_t caller;

static void note_caller(void *ctx, enum fault_calls call, const char *name)
{
	(void)ctx;
	(void)call;
	(void)name;
	caller = pthread_self();
}

static bool is_called_directly(struct drive *d)
{
	uint64_t len_bytes;

	assert_int_equal(call_stat(d, "a", &len_bytes), ERR_NOT_FOUND);
	return pthread_equal(caller, pthread_self()) != 0;
}

static void only_a_local_drive_that_is_alive_is_called_directly(void **state)
{
	struct drive *d = watched_on_memory();

	(void)state;
	fault_set_hook(inside, note_caller, NULL);
	for (unsigned i = 0; i < 20; i++)
		assert_false(is_called_directly(d));
	call_close(d);
	open_local = true;
	d = watched_on_memory();
	open_local = false;
	fault_set_hook(inside, note_caller, NULL);
	while (!is_called_directly(d)) /* soon after the one before, unless the machine is busy */
		;
	usleep(30000);
	assert_false(is_called_directly(d));
	call_close(d);
}

static unsigned released;

static void count_release(void *owner)
{
	released++;
	free(owner);
}

static void lent_memory_is_released_by_the_last_that_holds_it(void **state)
{
	char *memory = malloc(10);
	struct lent *l = lent_new(memory, count_release);

	(void)state;
	assert_non_null(l);
	assert_ptr_equal(lent_hold(l), l);
	assert_false(lent_take_back(l)); /* somebody else has it still */
	assert_int_equal(released, 0);
	lent_drop(l);
	assert_int_equal(released, 1);
	memory = malloc(10);
	l = lent_new(memory, count_release);
	assert_true(lent_take_back(l)); /* nobody: it is ours again */
	assert_int_equal(released, 1);
	free(memory);
	lent_drop(NULL);
}

static void what_calls_take_is_learnt_from_them(void **state)
{
	struct drive *d = watched_on_memory();
	char *bulk = calloc(1, PACE_BULK_BYTES + 1);
	uint64_t len_bytes;
	struct pace p;

	(void)state;
	assert_non_null(bulk);
	memset(bulk, 'x', PACE_BULK_BYTES);
	assert_int_equal(watched_pace(d).answers, 0);
	fault_add(inside, &(struct fault_rule){.calls = FAULT_STAT | FAULT_GET | FAULT_SYNC,
					       .for_ever = true,
					       .effect = FAULT_STALL,
					       .at = 20});
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(call_stat(d, "a", &len_bytes), ERR_NOT_FOUND);
	assert_int_equal(call_store(d, "a", bulk), ERR_NONE);
	assert_int_equal(call_get(d, "a", 0, bulk, PACE_BULK_BYTES), ERR_NONE);
	p = watched_pace(d);
	assert_int_equal(p.answers, 6);
	assert_true(p.latency_us >= 20000);
	assert_true(p.read_mib_us >= 16 * 20000);
	assert_true(p.write_mib_us >= 16 * 20000);
	assert_true(pace_expect_us(&p, 1) >= 20000);
	assert_true(pace_expect_us(&p, PACE_MIB) >= 16 * 20000);
	watched_set_pace(d, &(struct pace){.answers = 9, .latency_us = 7});
	assert_int_equal(watched_pace(d).latency_us, 7);
	free(bulk);
	call_close(d);
}

static void a_single_answer_does_not_turn_what_many_told(void **state)
{
	struct pace p = {0};

	(void)state;
	assert_int_equal(pace_expect_us(&p, 1), 0);
	for (unsigned i = 0; i < 100; i++)
		pace_answered(&p, 1000);
	assert_int_equal(p.latency_us, 1000);
	assert_true(pace_unusual_us(&p, 1) < 5000);
	pace_answered(&p, 9000);
	assert_int_equal(p.latency_us, 2000);
	assert_true(pace_unusual_us(&p, 1) > 9000);
	for (unsigned i = 0; i < 100; i++)
		pace_read(&p, PACE_MIB / 2, 5000);
	assert_int_equal(pace_expect_us(&p, PACE_MIB), 10001);
	pace_read(&p, PACE_BULK_BYTES, UINT64_MAX); /* nothing overflows */
	assert_true(pace_expect_us(&p, PACE_MIB) > 10000);
}

static void like_drives_are_equally_far(void **state)
{
	(void)state;
	assert_int_equal(pace_distance(0, 0, 100), 0);
	assert_int_equal(pace_distance(5000, 0, 100), 0);
	assert_int_equal(pace_distance(99, 1, 100), 0); /* both are fast enough */
	assert_int_equal(pace_distance(1000, 1000, 100), 0);
	assert_int_equal(pace_distance(3999, 1000, 100), 0);
	assert_int_equal(pace_distance(4000, 1000, 100), 1);
	assert_int_equal(pace_distance(15999, 1000, 100), 1);
	assert_int_equal(pace_distance(16000, 1000, 100), 2);
	assert_int_equal(pace_distance(UINT64_MAX, 1, 1), 31);
}

static void calls_their_bytes_and_failures_are_counted(void **state)
{
	struct drive *d = watched_on_memory();
	struct meter_reading r;
	unsigned names = 0;
	char text[8];

	(void)state;
	for (char name[] = "a"; name[0] < 'k'; name[0]++)
		assert_int_equal(call_put(d, name, "text"), ERR_NONE);
	assert_int_equal(call_sync(d), ERR_NONE);
	assert_int_equal(call_put(d, "a", "text"), ERR_EXISTS);
	assert_int_equal(call_get(d, "a", 0, text, 4), ERR_NONE);
	assert_int_equal(call_get(d, "b", 1, text, 2), ERR_NONE);
	assert_int_equal(call_get(d, "none", 0, text, 4), ERR_NOT_FOUND);
	assert_int_equal(d->driver->list(d, "", name_each, &names, &err), 42);
	meter_read(watched_meter(d), &r);
	assert_int_equal(r.of[METER_CALLS], 16);
	assert_int_equal(r.of[METER_PUTS], 10);
	assert_int_equal(r.of[METER_PUT_BYTES], 40);
	assert_int_equal(r.of[METER_GETS], 2);
	assert_int_equal(r.of[METER_GOT_BYTES], 6);
	assert_int_equal(r.of[METER_FAILED], 0); /* these were answers, and a caller's stop */
	fault_add(inside, &(struct fault_rule){
				  .calls = FAULT_ANY, .for_ever = true, .code = ERR_DENIED});
	for (unsigned call = FAULT_PUT; call <= FAULT_ABOUT; call <<= 1)
		assert_int_equal(do_call(d, (enum fault_calls)call), ERR_DENIED);
	meter_read(watched_meter(d), &r);
	assert_int_equal(r.of[METER_CALLS], 16 + 8);
	assert_int_equal(r.of[METER_FAILED], 8);
	assert_int_equal(r.of[METER_PUTS], 10);
	call_close(d);
}

static void traffic_is_told_in_words(void **state)
{
	struct meter_reading r = {.of = {[METER_CALLS] = 7, [METER_UP_BYTES] = 3 << 20}};
	char text[TRAFFIC_TEXT_BYTES];

	(void)state;
	assert_string_equal(traffic_text(&r, text), "7 calls, 3.0 MiB up, 0 B down");
	r.of[METER_REQUESTS] = r.of[METER_CONNECTIONS] = r.of[METER_FAILED] = 1;
	r.of[METER_RETRIES] = 2;
	r.held_back_us = 1500000;
	assert_string_equal(traffic_text(&r, text),
			    "1 request, 3.0 MiB up, 0 B down, 1 connection, 2 retries, 1 call "
			    "failed, held back by limits for 1.5 s");
	memset(&r, 0xff, sizeof(r));
	assert_true(strlen(traffic_text(&r, text)) < TRAFFIC_TEXT_BYTES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_watched_drive_is_the_drive_inside),
		cmocka_unit_test(a_list_of_any_length_comes_whole_and_ends_when_told_to),
		cmocka_unit_test(a_call_that_hangs_is_given_up_and_so_is_the_drive),
		cmocka_unit_test(a_drive_that_only_fails_is_given_up_as_if_it_hung),
		cmocka_unit_test(a_drive_that_answers_between_failures_is_not_given_up),
		cmocka_unit_test(a_drive_that_does_not_open_in_time_is_not_opened),
		cmocka_unit_test(
			a_slow_drive_is_waited_for_as_long_as_others_of_its_calls_come_back),
		cmocka_unit_test(a_read_that_is_left_behind_ends_in_memory_of_its_own),
		cmocka_unit_test(a_call_whose_caller_left_before_it_began_is_not_made),
		cmocka_unit_test(a_call_that_moves_bytes_is_waited_for_however_long_it_takes),
		cmocka_unit_test(no_more_calls_are_under_way_than_the_options_allow),
		cmocka_unit_test(
			calls_in_order_are_made_one_after_the_other_and_none_after_one_that_failed),
		cmocka_unit_test(only_a_local_drive_that_is_alive_is_called_directly),
		cmocka_unit_test(lent_memory_is_released_by_the_last_that_holds_it),
		cmocka_unit_test(what_calls_take_is_learnt_from_them),
		cmocka_unit_test(a_single_answer_does_not_turn_what_many_told),
		cmocka_unit_test(like_drives_are_equally_far),
		cmocka_unit_test(calls_their_bytes_and_failures_are_counted),
		cmocka_unit_test(traffic_is_told_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
