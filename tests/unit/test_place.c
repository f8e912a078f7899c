/*
 * Groups that are placed at the same time: what is on its way to a drive takes room there, and how many
 * there are at once is bounded.
 */
#include "archive/pack_internal.h"
#include "array/object.h"
#include "drivers/driver.h"
#include "tests/support/fault_drive.h"
#include "tests/support/tiny.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define DRIVES 2
#define BLOCK_BYTES 4096
#define WAIT_MS 10000 /* nothing waits so long unless something is wrong */

struct bench {
	struct tiny t;
	struct array *a;
	struct drive *faults[DRIVES];
	bool remote; /* drives that are opened from now on */
};

static struct drive *wrap(void *ctx, unsigned i, struct drive *inner)
{
	struct bench *b = ctx;

	b->faults[i] = fault_drive_new(inner);
	if (b->remote)
		((struct mrmr_driver *)b->faults[i]->driver)->flags |= DRIVER_REMOTE;
	return b->faults[i];
}

static struct bench *bench_new(unsigned drives, bool remote)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct error err;

	assert_non_null(b);
	tiny_init(&b->t, drives, 0, 0);
	b->t.wrap = wrap;
	b->t.wrap_ctx = b;
	b->remote = remote;
	if (tiny_open(&b->t, true, &b->a, &err) != ERR_NONE)
		fail_msg("%s", err.message);
	tiny_all_near(b->a);
	return b;
}

static void bench_free(struct bench *b)
{
	array_close(b->a);
	tiny_release(&b->t);
	free(b);
}

static void wait_a_ms(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

/* ---- groups of one block ---- */

/* One block, placed by a thread of its own. */
struct placing {
	struct bench *b;
	pthread_t thread;
	uint8_t bytes[BLOCK_BYTES];
	struct error err;
	int code;
	atomic_uint *waiting; /* it begins once nobody is left that is waited for */
};

static void *place_one(void *arg)
{
	struct placing *p = arg;
	struct contents none = { .frames = NULL };
	struct id uid = id_random();
	struct new_block block = { .uid = &uid,
				   .name = sha256(p->bytes, sizeof(p->bytes)),
				   .bytes = p->bytes,
				   .len_bytes = sizeof(p->bytes),
				   .contents = &none };
	struct place_result result = { 0 };
	struct buf records = { 0 };

	atomic_fetch_sub(p->waiting, 1);
	while (atomic_load(p->waiting) > 0)
		;
	p->code = place_group(p->b->a, &block, 1, &records, &result, &p->err);
	buf_release(&records);
	return NULL;
}

static void begin(struct placing *p, struct bench *b, atomic_uint *waiting)
{
	static unsigned number;

	p->b = b;
	p->waiting = waiting;
	memset(p->bytes, 0, sizeof(p->bytes));
	number++;
	memcpy(p->bytes, &number, sizeof(number));
	assert_int_equal(pthread_create(&p->thread, NULL, place_one, p), 0);
}

static void begin_alone(struct placing *p, struct bench *b)
{
	static atomic_uint waiting;

	atomic_store(&waiting, 1);
	begin(p, b, &waiting);
}

static void end(struct placing *p)
{
	pthread_join(p->thread, NULL);
	if (p->code != ERR_NONE)
		fail_msg("%s", p->err.message);
}

/* The one behind faults[i]. */
static struct array_drive *drive(struct bench *b, unsigned i)
{
	return array_drive_by_name(b->a, i == 0 ? "d0" : "d1");
}

/* The drive takes so many bytes. The first one is nearer: as long as it has room it is taken. */
static void leave_room(struct bench *b, unsigned i, uint64_t bytes)
{
	struct array_drive *d = drive(b, i);

	d->distance = i;
	d->used_bytes = 0;
	d->record.reserve_bytes = 1;
	d->record.max_bytes = d->used_bytes + bytes + 1;
	assert_int_equal(place_free_bytes(b->a, d), bytes);
}

static void wait_for_stall(struct bench *b, unsigned i)
{
	unsigned ms = 0;

	while (fault_stalling(b->faults[i]) == 0 && ++ms < WAIT_MS)
		wait_a_ms();
	assert_true(ms < WAIT_MS);
}

static void what_is_on_its_way_to_a_drive_takes_room_there(void **state)
{
	const struct fault_rule stalls = { .calls = FAULT_PUT, .for_ever = true,
					   .effect = FAULT_STALL };
	struct bench *b = bench_new(2, false);
	struct placing first, second;

	(void)state;
	leave_room(b, 0, BLOCK_BYTES * 3 / 2);
	leave_room(b, 1, BLOCK_BYTES * 3 / 2);
	fault_add(b->faults[0], &stalls);
	fault_add(b->faults[1], &stalls);
	begin_alone(&first, b);
	wait_for_stall(b, 0);
	assert_int_equal(place_free_bytes(b->a, drive(b, 0)), BLOCK_BYTES / 2);
	begin_alone(&second, b);
	wait_for_stall(b, 1);
	assert_int_equal(fault_stalling(b->faults[0]), 1);
	fault_release(b->faults[0]);
	fault_release(b->faults[1]);
	end(&first);
	end(&second);
	/* And no more than what is there once it has arrived. */
	assert_int_equal(place_free_bytes(b->a, drive(b, 0)), BLOCK_BYTES / 2);
	assert_int_equal(place_free_bytes(b->a, drive(b, 1)), BLOCK_BYTES / 2);
	bench_free(b);
}

static void what_did_not_arrive_takes_no_room(void **state)
{
	struct bench *b = bench_new(2, false);
	struct placing p;

	(void)state;
	leave_room(b, 0, BLOCK_BYTES * 3 / 2);
	leave_room(b, 1, BLOCK_BYTES * 3 / 2);
	fault_add(b->faults[0], &(struct fault_rule){ .calls = FAULT_PUT, .code = ERR_IO });
	begin_alone(&p, b);
	end(&p);
	assert_int_equal(place_free_bytes(b->a, drive(b, 0)), BLOCK_BYTES * 3 / 2);
	assert_int_equal(place_free_bytes(b->a, drive(b, 1)), BLOCK_BYTES / 2);
	bench_free(b);
}

/* Each drive has room for one block, and both threads would take the same one. */
static void groups_that_are_planned_at_the_same_moment_overfill_no_drive(void **state)
{
	struct bench *b = bench_new(2, false);
	struct placing p[2];
	atomic_uint waiting;

	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		leave_room(b, 0, BLOCK_BYTES * 3 / 2);
		leave_room(b, 1, BLOCK_BYTES * 3 / 2);
		atomic_store(&waiting, 2);
		for (unsigned i = 0; i < 2; i++)
			begin(&p[i], b, &waiting);
		for (unsigned i = 0; i < 2; i++)
			end(&p[i]);
		assert_int_equal(place_free_bytes(b->a, drive(b, 0)), BLOCK_BYTES / 2);
		assert_int_equal(place_free_bytes(b->a, drive(b, 1)), BLOCK_BYTES / 2);
	}
	bench_free(b);
}

/* ---- one object ---- */

/* Its sync failed in the call of another one, and this one's has nothing left to fail for. */
static void what_a_sync_gave_up_that_another_caller_was_told_of_is_put_again(void **state)
{
	static const char bytes[] = "some bytes of a block";
	struct bench *b = bench_new(1, false);
	struct hash hash = sha256(bytes, sizeof(bytes));
	char name[OBJECT_NAME_MAX + 1];
	struct error err;

	(void)state;
	object_name_block(&hash, name);
	fault_add(b->faults[0], &(struct fault_rule){ .calls = FAULT_PUT, .effect = FAULT_LIE });
	assert_int_equal(place_store(b->a, drive(b, 0), name, bytes, sizeof(bytes), &err), ERR_NONE);
	assert_int_equal(object_verify(drive(b, 0)->handle, name, sizeof(bytes), &err), ERR_NONE);
	/* Not without end. */
	fault_add(b->faults[0], &(struct fault_rule){ .calls = FAULT_PUT, .for_ever = true,
						      .effect = FAULT_LIE });
	hash = sha256(bytes, sizeof(bytes) - 1);
	object_name_block(&hash, name);
	assert_int_equal(place_store(b->a, drive(b, 0), name, bytes, sizeof(bytes) - 1, &err),
			 ERR_NOT_FOUND);
	bench_free(b);
}

/* ---- groups of a put ---- */

static void *put_all(void *arg)
{
	struct bench *b = arg;
	struct error err;

	return tiny_put(&b->t, b->a, NULL, &err) == ERR_NONE ? b : NULL;
}

/* How many groups are on their way, of one block each, when the drive answers none. */
static unsigned groups_on_their_way(unsigned expected)
{
	struct bench *b = bench_new(1, true);
	unsigned ms = 0, most = 0, after = 0;
	pthread_t thread;
	void *done;

	for (unsigned i = 0; i < TINY_FILES; i++)
		tiny_file(&b->t, i, 20 * BLOCK_BYTES, i + 1, false);
	fault_add(b->faults[0], &(struct fault_rule){ .calls = FAULT_PUT, .prefix = "blocks",
						      .for_ever = true, .effect = FAULT_STALL });
	assert_int_equal(pthread_create(&thread, NULL, put_all, b), 0);
	/* A moment longer: one more would come. */
	while (ms++ < WAIT_MS && after < 20) {
		unsigned now = fault_stalling(b->faults[0]);

		most = now > most ? now : most;
		after += most >= expected;
		wait_a_ms();
	}
	fault_clear(b->faults[0]);
	fault_release(b->faults[0]);
	pthread_join(thread, &done);
	assert_ptr_equal(done, b);
	if (!tiny_check(&b->t, b->a, 0))
		fail_msg("%s", b->t.why);
	bench_free(b);
	return most;
}

static void as_many_groups_are_alive_as_are_no_more_than_two_large_ones(void **state)
{
	const uint32_t mib = 1 << 20;
	struct bench *local = bench_new(1, false), *remote = bench_new(1, true);
	struct packer near = { .a = local->a }, far = { .a = remote->a };

	(void)state;
	assert_int_equal(pack_groups_max(&near, 1, 0, BLOCK_BYTES), 2);
	assert_int_equal(pack_groups_max(&far, 1, 0, BLOCK_BYTES), 6);
	assert_int_equal(pack_groups_max(&far, 1, 1, 16 * mib), 4);
	assert_int_equal(pack_groups_max(&far, 6, 2, 8 * mib), 2);
	assert_int_equal(pack_groups_max(&far, 12, 4, 64 * mib), 2);
	bench_free(local);
	bench_free(remote);
}

static void of_a_drive_across_a_network_some_more_groups_are_on_their_way_and_no_end(void **state)
{
	(void)state;
	assert_int_equal(groups_on_their_way(5), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_on_its_way_to_a_drive_takes_room_there),
		cmocka_unit_test(what_did_not_arrive_takes_no_room),
		cmocka_unit_test(groups_that_are_planned_at_the_same_moment_overfill_no_drive),
		cmocka_unit_test(what_a_sync_gave_up_that_another_caller_was_told_of_is_put_again),
		cmocka_unit_test(as_many_groups_are_alive_as_are_no_more_than_two_large_ones),
		cmocka_unit_test(
			of_a_drive_across_a_network_some_more_groups_are_on_their_way_and_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
