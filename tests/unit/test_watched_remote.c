/*
 * Drives across a network: calls that mostly wait are made at once, and as few as may be.
 */
#include "array/watched_internal.h"
#include "drivers/driver.h"
#include "tests/support/calls.h"
#include "tests/support/fault_drive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENT_MS 3600000 /* however busy the machine is */

static struct error err;
static struct drive *inside; /* the fault drive inside the last one that was opened */
static enum driver_flags flags;

static int open_fault(void *ctx, const struct config_drive *entry,
		      const struct drive_options *options, struct drive **out, struct error *why)
{
	int code = driver_mem.open(entry->url, options, out, why);

	(void)ctx;
	if (code == ERR_NONE) {
		*out = inside = fault_drive_new(*out);
		((struct mrmr_driver *)(*out)->driver)->flags |= flags;
	}
	return code;
}

static struct drive *opened_as(enum driver_flags as, unsigned connections)
{
	char url[] = "mem:", options[40];
	struct config_drive entry = {.url = url, .options_json = options};
	struct opening_drive o = {.open = open_fault,
				  .entry = &entry,
				  .options = {.temp_tag = "t"},
				  .hang_ms = PATIENT_MS,
				  .leave_ms = PATIENT_MS};
	struct drive *d;

	flags = as;
	snprintf(options, sizeof(options), "{\"connections\":\"%u\"}", connections);
	assert_int_equal(watched_open(&o, &d, &err), ERR_NONE);
	return d;
}

/* ---- reads ---- */

struct part {
	struct read_call *call;
	char text[20]; /* what it was given to judge */
};

static int take_text(void *ctx, const uint8_t *bytes, struct error *why)
{
	struct part *p = ctx;

	(void)why;
	memcpy(p->text, bytes, 4);
	return ERR_NONE;
}

/* Four bytes of "a" from each offset, asked for while the only connection is busy. */
static void ask(struct drive *d, struct part *parts, const uint64_t *offsets, unsigned count)
{
	struct read_call *busy;

	assert_int_equal(call_store(inside, "b", "busy"), ERR_NONE);
	fault_add(inside, &(struct fault_rule){
				  .calls = FAULT_GET, .prefix = "b", .effect = FAULT_STALL});
	busy = read_start(d, &(struct read_want){.name = "b", .len_bytes = 4}, &err);
	assert_non_null(busy);
	while (fault_stalling(inside) == 0)
		assert_false(call_wait(&busy->call, 4, 1));
	for (unsigned i = 0; i < count; i++) {
		memset(&parts[i], 0, sizeof(parts[i]));
		parts[i].call = read_start(d,
					   &(struct read_want){.name = "a",
							       .offset_bytes = offsets[i],
							       .len_bytes = 4,
							       .then = take_text,
							       .ctx = &parts[i]},
					   &err);
		assert_non_null(parts[i].call);
	}
	fault_release(inside);
	assert_int_equal(call_finish(&busy->call, 4, &err), ERR_NONE);
	call_leave(&busy->call);
}

static int end(struct part *p)
{
	int code = call_finish(&p->call->call, 4, &err);

	call_leave(&p->call->call);
	return code;
}

static void reads_side_by_side_that_wait_are_made_as_one_of_a_remote_drive_alone(void **state)
{
	static const uint64_t offsets[] = {4, 8, 0, 12, 20};
	static const char *const texts[] = {"BBBB", "CCCC", "AAAA", "DDDD", "FFFF"};
	struct part parts[5];

	(void)state;
	for (unsigned remote = 0; remote < 2; remote++) {
		struct drive *d = opened_as(remote ? DRIVER_REMOTE : 0, 1);
		uint64_t before;

		assert_int_equal(call_store(inside, "a", "AAAABBBBCCCCDDDDEEEEFFFF"), ERR_NONE);
		before = fault_count(inside, FAULT_GET);
		ask(d, parts, offsets, 5);
		for (unsigned i = 0; i < 5; i++) {
			assert_int_equal(end(&parts[i]), ERR_NONE);
			assert_string_equal(parts[i].text, texts[i]);
		}
		/* 4 with 8 and 12; 0 and 20 have no neighbour that waits behind them. */
		assert_int_equal(fault_count(inside, FAULT_GET) - before, remote ? 1 + 3 : 1 + 5);
		call_close(d);
	}
}

static void what_is_there_of_a_broken_object_is_read_whatever_is_asked_for_beside_it(void **state)
{
	static const uint64_t offsets[] = {0, 4, 8};
	struct drive *d = opened_as(DRIVER_REMOTE, 1);
	struct part parts[3];

	(void)state;
	assert_int_equal(call_store(inside, "a", "AAAABBBBCC"), ERR_NONE);
	ask(d, parts, offsets, 3);
	assert_int_equal(end(&parts[2]), ERR_CORRUPT);
	assert_int_equal(end(&parts[1]), ERR_NONE);
	assert_string_equal(parts[1].text, "BBBB");
	assert_int_equal(end(&parts[0]), ERR_NONE);
	assert_string_equal(parts[0].text, "AAAA");
	call_close(d);
}

static void a_drive_that_does_not_answer_is_not_asked_again_for_each_part(void **state)
{
	static const uint64_t offsets[] = {0, 4, 8};
	struct drive *d = opened_as(DRIVER_REMOTE, 1);
	uint64_t before = fault_count(inside, FAULT_GET);
	struct part parts[3];

	(void)state;
	assert_int_equal(call_store(inside, "a", "AAAABBBBCCCC"), ERR_NONE);
	fault_add(inside, &(struct fault_rule){
				  .calls = FAULT_GET, .prefix = "a", .code = ERR_TRANSIENT});
	ask(d, parts, offsets, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(end(&parts[i]), ERR_TRANSIENT);
	assert_int_equal(fault_count(inside, FAULT_GET) - before, 2);
	call_close(d);
}

static void a_part_that_nobody_waits_for_any_more_leaves_the_others_whole(void **state)
{
	static const uint64_t offsets[] = {0, 4, 8};
	struct drive *d = opened_as(DRIVER_REMOTE, 1);
	struct part parts[3];

	(void)state;
	assert_int_equal(call_store(inside, "a", "AAAABBBBCCCC"), ERR_NONE);
	fault_add(inside, &(struct fault_rule){
				  .calls = FAULT_GET, .prefix = "a", .effect = FAULT_STALL});
	ask(d, parts, offsets, 3);
	while (fault_stalling(inside) == 0)
		assert_false(call_wait(&parts[0].call->call, 4, 1));
	assert_true(call_bar(&parts[0].call->call));
	call_leave(&parts[1].call->call);
	fault_release(inside);
	assert_int_equal(end(&parts[2]), ERR_NONE);
	assert_string_equal(parts[2].text, "CCCC");
	/* Barred, it is in memory of its own. */
	assert_int_equal(call_finish(&parts[0].call->call, 4, &err), ERR_NONE);
	assert_string_equal(parts[0].text, "");
	assert_memory_equal(parts[0].call->bytes, "AAAA", 4);
	call_leave(&parts[0].call->call);
	assert_string_equal(parts[1].text, "");
	call_close(d);
}

static void the_time_before_a_call_is_begun_does_not_make_it_late(void **state)
{
	struct drive *d = opened_as(DRIVER_REMOTE, 1);
	struct read_call *first, *second;

	(void)state;
	assert_int_equal(call_store(inside, "a", "AAAABBBB"), ERR_NONE);
	fault_add(inside, &(struct fault_rule){
				  .calls = FAULT_GET, .for_ever = true, .effect = FAULT_STALL});
	first = read_start(d, &(struct read_want){.name = "a", .len_bytes = 4}, &err);
	second = read_start(d, &(struct read_want){.name = "a", .len_bytes = 4}, &err);
	assert_non_null(first);
	assert_non_null(second);
	while (fault_stalling(inside) == 0)
		call_wait(&first->call, 4, 1);
	usleep(30000);
	assert_true(call_is_late(&first->call, 20, false));
	assert_false(call_is_late(&first->call, PATIENT_MS, true));
	assert_false(call_is_late(&second->call, 20, false));
	assert_true(call_is_late(&second->call, PATIENT_MS, true)); /* it has somewhere else to go */
	fault_clear(inside);
	fault_release(inside);
	assert_int_equal(call_finish(&second->call, 4, &err), ERR_NONE);
	call_leave(&first->call);
	call_leave(&second->call);
	call_close(d);
}

/* ---- writes ---- */

struct write_call {
	struct call call;
	const char *name;
};

static int run_write(struct call *call, struct drive *d, struct error *why)
{
	return d->driver->put(d, ((struct write_call *)call)->name, "x", 1, why);
}

static int settle_write(struct call *call, struct drive *d, struct error *why)
{
	(void)call;
	return d->driver->sync(d, why);
}

static void nothing_to_release(struct call *call)
{
	(void)call;
}

static void start_write(struct drive *d, struct write_call *c, const char *name, bool settles)
{
	memset(c, 0, sizeof(*c));
	c->call.run = run_write;
	c->call.settle = settles ? settle_write : NULL;
	c->call.release = nothing_to_release;
	c->call.in_order = true;
	c->name = name;
	call_start(d, &c->call);
}

static void stall_put(const char *name)
{
	fault_add(inside, &(struct fault_rule){
				  .calls = FAULT_PUT, .prefix = name, .effect = FAULT_STALL});
}

static void wait_for(struct write_call *c)
{
	bool arrived = false;

	while (!arrived) {
		usleep(1000);
		calls_lock();
		arrived = c->call.ran;
		calls_unlock();
	}
}

static void writes_are_on_their_way_at_once_and_one_sync_settles_all_that_have_arrived(void **state)
{
	struct drive *d = opened_as(DRIVER_REMOTE, 4);
	struct write_call calls[3];

	(void)state;
	stall_put("1");
	start_write(d, &calls[0], "1", true);
	while (fault_stalling(inside) == 0)
		usleep(1000);
	start_write(d, &calls[1], "2", false);
	start_write(d, &calls[2], "3", true);
	wait_for(&calls[1]);
	wait_for(&calls[2]);
	/* Arrived, but not told before what was put before it is durable. */
	assert_false(call_wait(&calls[2].call, 0, 20));
	assert_int_equal(fault_count(inside, FAULT_SYNC), 0);
	fault_release(inside);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(call_finish(&calls[i].call, 0, &err), ERR_NONE);
		call_leave(&calls[i].call);
	}
	assert_int_equal(fault_count(inside, FAULT_SYNC), 1);
	call_close(d);
}

/* "2" arrives when a sync is through. */
static void hold_second(void *ctx, enum fault_calls call, const char *name)
{
	(void)ctx;
	while (call == FAULT_PUT && strcmp(name, "2") == 0 && fault_count(inside, FAULT_SYNC) == 0)
		usleep(1000);
}

static void a_sync_settles_nothing_that_arrives_after_it_began(void **state)
{
	struct drive *d = opened_as(DRIVER_REMOTE, 4);
	struct write_call calls[3];

	(void)state;
	fault_set_hook(inside, hold_second, NULL);
	stall_put("1");
	start_write(d, &calls[0], "1", true);
	while (fault_stalling(inside) == 0)
		usleep(1000);
	start_write(d, &calls[1], "2", true);
	start_write(d, &calls[2], "3", true);
	wait_for(&calls[2]); /* nor what is behind such a one */
	fault_release(inside);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(call_finish(&calls[i].call, 0, &err), ERR_NONE);
		call_leave(&calls[i].call);
	}
	assert_int_equal(fault_count(inside, FAULT_SYNC), 2);
	call_close(d);
}

static void dawdle(void *ctx, enum fault_calls call, const char *name)
{
	if (call == *(enum fault_calls *)ctx && (call == FAULT_SYNC || strcmp(name, "1") == 0))
		usleep(30000);
}

static void no_write_counts_after_one_that_failed_whenever_it_arrived(void **state)
{
	static const enum fault_calls failing[] = {FAULT_PUT, FAULT_SYNC};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct drive *d = opened_as(DRIVER_REMOTE, 4);
		struct write_call calls[3];

		/* What fails is late, so that the others have arrived. */
		fault_add(inside, &(struct fault_rule){.calls = failing[i],
						       .prefix = failing[i] == FAULT_PUT ? "1" : NULL,
						       .code = ERR_FULL});
		fault_set_hook(inside, dawdle, (void *)&failing[i]);
		for (unsigned n = 0; n < 3; n++)
			start_write(d, &calls[n], n == 0 ? "1" : n == 1 ? "2" : "3", true);
		for (unsigned n = 0; n < 3; n++) {
			assert_int_equal(call_finish(&calls[n].call, 0, &err), ERR_FULL);
			call_leave(&calls[n].call);
		}
		assert_int_equal(fault_count(inside, FAULT_SYNC), failing[i] == FAULT_SYNC ? 1 : 0);
		call_close(d);
	}
}

/* ---- listings ---- */

static int count_name(void *ctx, const char *name, uint64_t len_bytes)
{
	(void)name;
	(void)len_bytes;
	++*(unsigned *)ctx;
	return 0;
}

static void listings_of_several_drives_are_under_way_at_once(void **state)
{
	struct drive *d[3], *in[3];
	struct list_call *calls[3];
	unsigned count = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		d[i] = opened_as(DRIVER_REMOTE, 4);
		in[i] = inside;
		assert_int_equal(call_store(inside, "a", "text"), ERR_NONE);
		fault_add(inside, &(struct fault_rule){.calls = FAULT_LIST, .effect = FAULT_STALL});
		calls[i] = list_begin(d[i], "");
		assert_non_null(calls[i]);
	}
	for (unsigned i = 0; i < 3; i++) {
		while (fault_stalling(in[i]) == 0)
			usleep(1000);
	}
	for (unsigned i = 0; i < 3; i++)
		fault_release(in[i]);
	assert_int_equal(list_end(calls[0], d[0], "", count_name, &count, &err), ERR_NONE);
	assert_int_equal(list_end(calls[1], d[1], "", count_name, &count, &err), ERR_NONE);
	list_leave(calls[2]);
	assert_int_equal(count, 2);
	for (unsigned i = 0; i < 3; i++)
		call_close(d[i]);
	/* Of a drive at hand it is not worth it. */
	d[0] = opened_as(DRIVER_LOCAL, 1);
	assert_int_equal(call_store(inside, "a", "text"), ERR_NONE);
	assert_null(list_begin(d[0], ""));
	assert_int_equal(list_end(NULL, d[0], "", count_name, &count, &err), ERR_NONE);
	assert_int_equal(count, 3);
	call_close(d[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			reads_side_by_side_that_wait_are_made_as_one_of_a_remote_drive_alone),
		cmocka_unit_test(
			what_is_there_of_a_broken_object_is_read_whatever_is_asked_for_beside_it),
		cmocka_unit_test(a_drive_that_does_not_answer_is_not_asked_again_for_each_part),
		cmocka_unit_test(a_part_that_nobody_waits_for_any_more_leaves_the_others_whole),
		cmocka_unit_test(the_time_before_a_call_is_begun_does_not_make_it_late),
		cmocka_unit_test(
			writes_are_on_their_way_at_once_and_one_sync_settles_all_that_have_arrived),
		cmocka_unit_test(a_sync_settles_nothing_that_arrives_after_it_began),
		cmocka_unit_test(
			no_write_counts_after_one_that_failed_whenever_it_arrived),
		cmocka_unit_test(listings_of_several_drives_are_under_way_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
