/*
 * What is tried again on a remote drive, how often, and what becomes of answers that got lost.
 */
#include "array/retry.h"
#include "base/clock.h"
#include "base/meter.h"
#include "base/stop.h"
#include "drivers/mem.h"
#include "tests/support/calls.h"
#include "tests/support/fault_drive.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define URL "mem:retry"
#define TRIES 5

/* ---- a drive as remote ones are: what was put is there at once ---- */

struct prompt_drive {
	struct drive base;
	struct drive *mem;
};

/* What it does amiss. */
static struct {
	unsigned opens_failing;	 /* opens that find no server */
	unsigned list_breaks_at; /* a listing breaks off after so many names; 0: none does */
	unsigned abouts_failing;
	unsigned retry_after_s, about_takes_ms; /* of those */
} amiss;
static unsigned opens;
static struct drive *inside; /* the fault drive around the last one that was opened */
static struct error err;
static const struct retry_rules quick = {
	.tries = TRIES, .open_tries = 3, .first_ms = 1, .total_ms = 40000, .end_ms = 55000
};

static struct drive *mem_of(struct drive *d)
{
	return ((struct prompt_drive *)d)->mem;
}

static void prompt_close(struct drive *d)
{
	mem_of(d)->driver->close(mem_of(d));
	free(d);
}

static int prompt_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
		      struct error *why)
{
	int code = driver_mem.put(mem_of(d), name, bytes, len_bytes, why);

	return code == ERR_NONE ? driver_mem.sync(mem_of(d), why) : code;
}

static int prompt_get(struct drive *d, const char *name, uint64_t offset_bytes, void *out,
		      size_t len_bytes, struct error *why)
{
	return driver_mem.get(mem_of(d), name, offset_bytes, out, len_bytes, why);
}

static int prompt_stat(struct drive *d, const char *name, struct object_stat *out,
		       struct error *why)
{
	return driver_mem.stat(mem_of(d), name, out, why);
}

struct listing {
	object_fn *each;
	void *ctx;
	unsigned left;
};

static int count_down(void *ctx, const char *name, uint64_t len_bytes)
{
	struct listing *l = ctx;

	return l->left-- == 0 ? -1000 : l->each(l->ctx, name, len_bytes);
}

static int prompt_list(struct drive *d, const char *prefix, object_fn *each, void *ctx,
		       struct error *why)
{
	struct listing l = {each, ctx, amiss.list_breaks_at - 1};
	int code;

	if (amiss.list_breaks_at == 0)
		return driver_mem.list(mem_of(d), prefix, each, ctx, why);
	amiss.list_breaks_at = 0;
	code = driver_mem.list(mem_of(d), prefix, count_down, &l, why);
	return code == -1000 ? err_set(why, ERR_TRANSIENT, "list: it broke off") : code;
}

static int prompt_move(struct drive *d, const char *from, const char *to, struct error *why)
{
	return driver_mem.move(mem_of(d), from, to, why);
}

static int prompt_remove(struct drive *d, const char *name, struct error *why)
{
	return driver_mem.remove(mem_of(d), name, why);
}

static int prompt_sync(struct drive *d, struct error *why)
{
	return driver_mem.sync(mem_of(d), why);
}

static int prompt_about(struct drive *d, struct drive_about *out, struct error *why)
{
	usleep(amiss.about_takes_ms * 1000);
	if (amiss.abouts_failing == 0)
		return driver_mem.about(mem_of(d), out, why);
	amiss.abouts_failing--;
	err_set(why, ERR_TRANSIENT, "about: busy");
	why->retry_after_s = amiss.retry_after_s;
	return ERR_TRANSIENT;
}

static const struct mrmr_driver driver_prompt = {
	.kind = "prompt",
	.flags = DRIVER_REMOTE,
	.connections_max = 4,
	.close = prompt_close,
	.put = prompt_put,
	.get = prompt_get,
	.stat = prompt_stat,
	.list = prompt_list,
	.move = prompt_move,
	.remove = prompt_remove,
	.sync = prompt_sync,
	.about = prompt_about,
};

static int prompt_open(const char *url, const struct drive_options *options, struct drive **out,
		       struct error *why)
{
	struct prompt_drive *p;
	int code;

	opens++;
	*out = NULL;
	if (amiss.opens_failing > 0) {
		amiss.opens_failing--;
		return err_set(why, ERR_TRANSIENT, "open: no server");
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_nomem(why);
	code = driver_mem.open(url, options, &p->mem, why);
	if (code != ERR_NONE) {
		free(p);
		return code;
	}
	p->base.driver = &driver_prompt;
	*out = inside = fault_drive_new(&p->base);
	return ERR_NONE;
}

/* ---- */

static struct drive *d;
static struct meter *meter;

static uint64_t metered(enum meter_count what)
{
	struct meter_reading r;

	meter_read(meter, &r);
	return r.of[what];
}

static int try_open(const struct retry_rules *rules)
{
	static const struct mrmr_driver opening = {.open = prompt_open};
	struct drive_options options = {.make_root = true, .temp_tag = "t"};

	meter_drop(meter);
	options.meter = meter = meter_new();
	return retry_open(&opening, URL, &options, rules, &d, &err);
}

static int begin(void **state)
{
	(void)state;
	memset(&amiss, 0, sizeof(amiss));
	opens = 0;
	return try_open(&quick);
}

static int end(void **state)
{
	(void)state;
	if (d)
		call_close(d);
	d = NULL;
	meter_drop(meter);
	meter = NULL;
	mem_erase(URL);
	return 0;
}

/* The next n such calls fail; the drive has done what they asked for, or not. */
static void let_fail(unsigned calls, unsigned n, enum fault_effect effect, enum err_code code)
{
	fault_clear(inside);
	for (unsigned i = 0; i < n; i++)
		fault_add(inside, &(struct fault_rule){.calls = calls, .effect = effect, .code = code});
}

static int do_call(enum fault_calls call)
{
	struct drive_about about;
	uint64_t len_bytes;
	char byte;

	switch (call) {
	case FAULT_PUT:
		return call_put(d, "put", "x");
	case FAULT_GET:
		return call_get(d, "a", 0, &byte, 1);
	case FAULT_STAT:
		return call_stat(d, "a", &len_bytes);
	case FAULT_LIST:
		return call_count(d, "") < 0 ? (int)call_err.code : ERR_NONE;
	case FAULT_MOVE:
		return call_move(d, "a", "moved");
	case FAULT_REMOVE:
		return call_remove(d, "a");
	case FAULT_SYNC:
		return call_sync(d);
	default:
		return call_about(d, &about);
	}
}

static const enum fault_calls repeated[] = {FAULT_PUT,	FAULT_GET,    FAULT_STAT, FAULT_LIST,
					    FAULT_MOVE, FAULT_REMOVE, FAULT_ABOUT};
#define REPEATED (sizeof(repeated) / sizeof(repeated[0]))

static void restore_objects(void)
{
	fault_clear(inside);
	assert_int_equal(call_remove(inside, "put"), ERR_NONE);
	assert_int_equal(call_remove(inside, "moved"), ERR_NONE);
	if (call_check(inside, "a", "text") != ERR_NONE)
		assert_int_equal(call_put(inside, "a", "text"), ERR_NONE);
}

static void a_burst_of_errors_that_pass_is_outlasted_up_to_five_tries(void **state)
{
	(void)state;
	for (size_t i = 0; i < REPEATED; i++) {
		for (unsigned n = 0; n <= TRIES + 1; n++) {
			uint64_t retries = metered(METER_RETRIES);
			uint64_t given_up = metered(METER_GIVEN_UP);
			unsigned tries = n < TRIES ? n + 1 : TRIES;
			uint64_t calls;

			restore_objects();
			let_fail(repeated[i], n, FAULT_FAIL, ERR_TRANSIENT);
			calls = fault_count(inside, repeated[i]);
			assert_int_equal(do_call(repeated[i]), n < TRIES ? ERR_NONE : ERR_TRANSIENT);
			/* A move looks first. */
			assert_int_equal(fault_count(inside, repeated[i]) - calls, tries);
			assert_int_equal(metered(METER_RETRIES) - retries, tries - 1);
			assert_int_equal(metered(METER_GIVEN_UP) - given_up, n >= TRIES);
		}
	}
}

static void an_error_of_any_other_kind_is_final(void **state)
{
	(void)state;
	for (size_t i = 0; i < REPEATED; i++) {
		for (int code = ERR_NONE + 1; code < ERR_CODES; code++) {
			uint64_t calls;

			if (code == ERR_TRANSIENT)
				continue;
			restore_objects();
			let_fail(repeated[i], 1, FAULT_FAIL, (enum err_code)code);
			calls = fault_count(inside, repeated[i]);
			assert_int_equal(do_call(repeated[i]), code);
			assert_int_equal(fault_count(inside, repeated[i]) - calls, 1);
		}
	}
	assert_int_equal(metered(METER_RETRIES), 0);
	assert_int_equal(metered(METER_GIVEN_UP), 0);
}

static void a_sync_is_never_repeated(void **state)
{
	(void)state;
	let_fail(FAULT_SYNC, 1, FAULT_FAIL, ERR_TRANSIENT);
	assert_int_equal(call_sync(d), ERR_TRANSIENT);
	assert_int_equal(fault_count(inside, FAULT_SYNC), 1);
}

/* ---- put ---- */

static void a_put_whose_answer_got_lost_is_found_to_be_done(void **state)
{
	static const size_t sizes[] = {0, 1, 5000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *bytes = malloc(sizes[i] + 1), name[20];
		uint64_t puts = fault_count(inside, FAULT_PUT), len_bytes;

		for (size_t n = 0; n < sizes[i]; n++)
			bytes[n] = (char)(n * 7 + n / 256);
		snprintf(name, sizeof(name), "blocks/%zu", i);
		let_fail(FAULT_PUT, 1, FAULT_FAIL_AFTER, ERR_TRANSIENT);
		assert_int_equal(d->driver->put(d, name, bytes, sizes[i], &err), ERR_NONE);
		assert_int_equal(fault_count(inside, FAULT_PUT) - puts, 2);
		assert_int_equal(call_stat(d, name, &len_bytes), ERR_NONE);
		assert_int_equal(len_bytes, sizes[i]);
		free(bytes);
	}
}

/* What somebody else puts before the second try of ours. */
static const char *theirs;

static void put_theirs(void *ctx, enum fault_calls call, const char *name)
{
	(void)ctx;
	if (call == FAULT_PUT && theirs && fault_count(inside, FAULT_PUT) == 2)
		assert_int_equal(call_put(fault_inner(inside), name, theirs), ERR_NONE);
}

static void other_bytes_that_took_the_name_meanwhile_are_no_success(void **state)
{
	static const char *const texts[] = {"that", "longer", "", "thi"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		theirs = texts[i];
		fault_set_hook(inside, put_theirs, NULL);
		let_fail(FAULT_PUT, 1, FAULT_FAIL, ERR_TRANSIENT);
		assert_int_equal(call_put(d, "x", "this"), ERR_EXISTS);
		assert_int_equal(call_check(d, "x", theirs), ERR_NONE);
		end(state);
		assert_int_equal(begin(state), 0);
	}
}

static void the_same_bytes_that_took_the_name_meanwhile_are_as_good(void **state)
{
	(void)state;
	theirs = "this";
	fault_set_hook(inside, put_theirs, NULL);
	let_fail(FAULT_PUT, 1, FAULT_FAIL, ERR_TRANSIENT);
	assert_int_equal(call_put(d, "x", "this"), ERR_NONE);
	assert_int_equal(call_check(d, "x", "this"), ERR_NONE);
}

static void a_name_taken_at_the_first_try_is_taken(void **state)
{
	(void)state;
	assert_int_equal(call_put(d, "x", "this"), ERR_NONE);
	assert_int_equal(call_put(d, "x", "this"), ERR_EXISTS);
	assert_int_equal(fault_count(inside, FAULT_GET | FAULT_STAT), 0);
}

static void what_a_lost_answer_leaves_is_compared_through_errors_too(void **state)
{
	(void)state;
	for (unsigned n = 0; n <= TRIES; n++) {
		char name[20];

		snprintf(name, sizeof(name), "x%u", n);
		let_fail(FAULT_PUT, 1, FAULT_FAIL_AFTER, ERR_TRANSIENT);
		for (unsigned i = 0; i < n; i++)
			fault_add(inside, &(struct fault_rule){.calls = i % 2 ? FAULT_GET : FAULT_STAT,
							       .code = ERR_TRANSIENT});
		/* The tries of the put and of what follows are five in all. */
		assert_int_equal(call_put(d, name, "this"), n < TRIES - 1 ? ERR_NONE : ERR_TRANSIENT);
	}
}

/* ---- move ---- */

static void a_move_whose_answer_got_lost_is_found_to_be_done(void **state)
{
	(void)state;
	assert_int_equal(call_put(d, "a", "text"), ERR_NONE);
	let_fail(FAULT_MOVE, 1, FAULT_FAIL_AFTER, ERR_TRANSIENT);
	assert_int_equal(call_move(d, "a", "b"), ERR_NONE);
	assert_int_equal(fault_count(inside, FAULT_MOVE), 2);
	assert_int_equal(call_check(d, "a", ""), ERR_NOT_FOUND);
	assert_int_equal(call_check(d, "b", "text"), ERR_NONE);
}

static const char *to_remove, *to_put;

/* Before the second try somebody else takes the object away, or puts one where it was to go. */
static void meddle(void *ctx, enum fault_calls call, const char *name)
{
	struct drive *inner = fault_inner(inside);

	(void)ctx;
	(void)name;
	if (call != FAULT_MOVE || fault_count(inside, FAULT_MOVE) != 2)
		return;
	if (to_remove)
		assert_int_equal(call_remove(inner, to_remove), ERR_NONE);
	if (to_put)
		assert_int_equal(call_put(inner, to_put, "other"), ERR_NONE);
}

static void a_move_that_others_made_impossible_is_not_taken_for_done(void **state)
{
	static const struct {
		const char *removed, *put;
		int code;
	} cases[] = {
		{"a", NULL, ERR_NOT_FOUND}, {"a", "b", ERR_NOT_FOUND}, {NULL, "b", ERR_EXISTS}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		to_remove = cases[i].removed;
		to_put = cases[i].put;
		assert_int_equal(call_put(d, "a", "text"), ERR_NONE);
		fault_set_hook(inside, meddle, NULL);
		let_fail(FAULT_MOVE, 1, FAULT_FAIL, ERR_TRANSIENT);
		assert_int_equal(call_move(d, "a", "b"), cases[i].code);
		end(state);
		assert_int_equal(begin(state), 0);
	}
}

static void a_move_onto_a_taken_name_or_of_nothing_is_none(void **state)
{
	(void)state;
	assert_int_equal(call_put(d, "a", "text"), ERR_NONE);
	assert_int_equal(call_put(d, "b", "text"), ERR_NONE);
	let_fail(FAULT_MOVE, 1, FAULT_FAIL, ERR_TRANSIENT);
	assert_int_equal(call_move(d, "a", "b"), ERR_EXISTS);
	let_fail(FAULT_MOVE, 1, FAULT_FAIL, ERR_TRANSIENT);
	assert_int_equal(call_move(d, "c", "e"), ERR_NOT_FOUND);
	let_fail(FAULT_MOVE, 1, FAULT_FAIL, ERR_TRANSIENT);
	assert_int_equal(call_move(d, "c", "b"), ERR_NOT_FOUND);
	assert_int_equal(call_check(d, "a", "text"), ERR_NONE);
}

/* ---- list ---- */

#define LISTED 3000

struct seen {
	unsigned char times[LISTED];
	unsigned count, stop_at;
};

static int mark(void *ctx, const char *name, uint64_t len_bytes)
{
	struct seen *s = ctx;

	assert_int_equal(len_bytes, strlen(name));
	s->times[strtoul(name + 1, NULL, 10)]++;
	s->count++;
	return s->count == s->stop_at ? ERR_TRANSIENT : 0;
}

static void a_listing_that_broke_off_hands_out_each_name_once(void **state)
{
	static const unsigned breaks[] = {1, 2, 3, 511, 512, 513, 1500, LISTED, LISTED + 1};
	struct seen s;
	char name[20];

	(void)state;
	for (unsigned i = 0; i < LISTED; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_int_equal(call_put(inside, name, name), ERR_NONE);
	}
	for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
		memset(&s, 0, sizeof(s));
		amiss.list_breaks_at = breaks[i];
		assert_int_equal(d->driver->list(d, "n", mark, &s, &err), ERR_NONE);
		assert_int_equal(s.count, LISTED);
		for (unsigned n = 0; n < LISTED; n++)
			assert_int_equal(s.times[n], 1);
	}
	/* The end of the listing got lost, again and again. */
	memset(&s, 0, sizeof(s));
	let_fail(FAULT_LIST, TRIES - 1, FAULT_FAIL_AFTER, ERR_TRANSIENT);
	assert_int_equal(d->driver->list(d, "n", mark, &s, &err), ERR_NONE);
	assert_int_equal(s.count, LISTED);
	let_fail(FAULT_LIST, TRIES, FAULT_FAIL_AFTER, ERR_TRANSIENT);
	assert_int_equal(d->driver->list(d, "n", mark, &s, &err), ERR_TRANSIENT);
}

static void a_listing_that_its_caller_stops_is_over_whatever_it_says(void **state)
{
	struct seen s = {.stop_at = 2};
	uint64_t lists;
	char name[20];

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_int_equal(call_put(inside, name, name), ERR_NONE);
	}
	lists = fault_count(inside, FAULT_LIST);
	assert_int_equal(d->driver->list(d, "n", mark, &s, &err), ERR_TRANSIENT);
	assert_int_equal(s.count, 2);
	assert_int_equal(fault_count(inside, FAULT_LIST) - lists, 1);
}

/* ---- time ---- */

static uint64_t about_ms(unsigned failing, unsigned retry_after_s, int code)
{
	uint64_t began_us = clock_us();
	struct drive_about about;

	amiss.abouts_failing = failing;
	amiss.retry_after_s = retry_after_s;
	assert_int_equal(call_about(d, &about), code);
	amiss.abouts_failing = 0;
	return (clock_us() - began_us) / 1000;
}

static void a_server_that_asks_for_time_gets_it(void **state)
{
	(void)state;
	assert_true(about_ms(1, 1, ERR_NONE) >= 1000);
	assert_int_equal(fault_count(inside, FAULT_ABOUT), 2);
}

static void one_that_asks_for_more_than_there_is_left_is_given_up_at_once(void **state)
{
	(void)state;
	assert_true(about_ms(1, 41, ERR_TRANSIENT) < 20000);
	assert_int_equal(fault_count(inside, FAULT_ABOUT), 1);
	assert_int_equal(metered(METER_GIVEN_UP), 1);
	about_ms(1, UINT32_MAX, ERR_TRANSIENT);
	assert_int_equal(fault_count(inside, FAULT_ABOUT), 2);
}

static void no_try_begins_that_would_end_too_late(void **state)
{
	struct retry_rules rules = {.tries = TRIES, .open_tries = 1, .first_ms = 1,
				    .total_ms = 100000, .end_ms = 1000};

	end(state);
	assert_int_equal(try_open(&rules), ERR_NONE);
	amiss.about_takes_ms = 600;
	about_ms(TRIES, 0, ERR_TRANSIENT);
	assert_int_equal(fault_count(inside, FAULT_ABOUT), 1);
	amiss.about_takes_ms = 0;
	about_ms(1, 0, ERR_NONE);
	assert_int_equal(fault_count(inside, FAULT_ABOUT), 3);
}

static void waits_grow_and_end_in_time(void **state)
{
	struct retry_rules rules = {.tries = 20, .open_tries = 1, .first_ms = 20,
				    .total_ms = 300, .end_ms = 55000};

	end(state);
	assert_int_equal(try_open(&rules), ERR_NONE);
	about_ms(20, 0, ERR_TRANSIENT);
	/* 20 ms, 60, 180, 540, ...: half of that, as drawn, is more than 300 ms soon. */
	assert_in_range(fault_count(inside, FAULT_ABOUT), 2, 12);
}

/* ---- open ---- */

static void an_open_is_tried_three_times(void **state)
{
	for (unsigned n = 0; n <= 4; n++) {
		end(state);
		opens = 0;
		amiss.opens_failing = n;
		assert_int_equal(try_open(&quick), n < 3 ? ERR_NONE : ERR_TRANSIENT);
		assert_int_equal(opens, n < 3 ? n + 1 : 3);
		if (n >= 3)
			assert_null(d);
		else
			assert_int_equal(metered(METER_RETRIES), n);
	}
}

static void a_place_that_is_not_there_is_found_missing_at_once(void **state)
{
	static const struct mrmr_driver opening = {.open = prompt_open};
	struct drive_options options = {.temp_tag = "t"};
	struct drive *none;

	(void)state;
	opens = 0;
	assert_int_equal(retry_open(&opening, "mem:nowhere", &options, &quick, &none, &err),
			 ERR_NOT_FOUND);
	assert_int_equal(opens, 1);
}

static void it_looks_like_the_drive_inside(void **state)
{
	(void)state;
	assert_string_equal(d->driver->kind, "prompt");
	assert_int_equal(d->driver->flags, DRIVER_REMOTE);
	assert_int_equal(d->driver->connections_max, 4);
}

static void a_signal_ends_the_waiting(void **state)
{
	(void)state;
	stop_request(SIGINT);
	assert_true(about_ms(1, 30, ERR_INTERRUPTED) < 20000);
	stop_request(0);
	assert_int_equal(fault_count(inside, FAULT_ABOUT), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_burst_of_errors_that_pass_is_outlasted_up_to_five_tries),
		TEST(an_error_of_any_other_kind_is_final),
		TEST(a_sync_is_never_repeated),
		TEST(a_put_whose_answer_got_lost_is_found_to_be_done),
		TEST(other_bytes_that_took_the_name_meanwhile_are_no_success),
		TEST(the_same_bytes_that_took_the_name_meanwhile_are_as_good),
		TEST(a_name_taken_at_the_first_try_is_taken),
		TEST(what_a_lost_answer_leaves_is_compared_through_errors_too),
		TEST(a_move_whose_answer_got_lost_is_found_to_be_done),
		TEST(a_move_that_others_made_impossible_is_not_taken_for_done),
		TEST(a_move_onto_a_taken_name_or_of_nothing_is_none),
		TEST(a_listing_that_broke_off_hands_out_each_name_once),
		TEST(a_listing_that_its_caller_stops_is_over_whatever_it_says),
		TEST(a_server_that_asks_for_time_gets_it),
		TEST(one_that_asks_for_more_than_there_is_left_is_given_up_at_once),
		TEST(no_try_begins_that_would_end_too_late),
		TEST(waits_grow_and_end_in_time),
		TEST(an_open_is_tried_three_times),
		TEST(a_place_that_is_not_there_is_found_missing_at_once),
		TEST(it_looks_like_the_drive_inside),
		TEST(a_signal_ends_the_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
