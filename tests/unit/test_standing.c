/* How drives are called, and what an array of them can hold. */
#include "array/capacity.h"
#include "array/domains.h"
#include "array/standing.h"

#include "tests/support/noise.h"
#include "tests/support/scribe.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GB ((uint64_t)1000 * 1000 * 1000)

/* An array as array_open() leaves it, without anything behind its drives. */
struct fixture {
	struct array a;
	char *folder;
	struct error err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->folder = temp_folder_in_memory();
	f->a.table = test_table(f->folder, "table");
	f->a.drives = calloc(DRIVES_MAX, sizeof(*f->a.drives));
	assert_non_null(f->a.drives);
	f->a.policy = (struct policy){ .parity = 1, .geometry = geometry_default() };
	pthread_mutex_init(&f->a.place_lock, NULL);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pthread_mutex_destroy(&f->a.place_lock);
	table_close(f->a.table);
	free(f->a.drives);
	temp_folder_remove(f->folder);
	free(f);
	return 0;
}

static struct array_drive *add_drive(struct fixture *f, uint64_t size_bytes)
{
	struct array_drive *d = &f->a.drives[f->a.count++];

	d->id = test_id('d', f->a.count);
	d->record = (struct drive_record){ .id = d->id, .state = DRIVE_MEMBER, .journal = true };
	d->presence = DRIVE_PRESENT;
	d->about.total_bytes = size_bytes;
	d->about.free_bytes = size_bytes;
	snprintf(d->about.domain, sizeof(d->about.domain), "disk %u", f->a.count);
	return d;
}

static void set_domain(struct array_drive *d, const char *domain)
{
	snprintf(d->record.domain, sizeof(d->record.domain), "%s", domain);
}

static enum standing standing(struct fixture *f, const struct array_drive *d)
{
	struct drive_standing s;

	assert_int_equal(standing_of(&f->a, (unsigned)(d - f->a.drives), &s, &f->err), ERR_NONE);
	return s.standing;
}

static void presence_decides_before_anything_else(void **state)
{
	static const enum standing want[] = {
		[DRIVE_PRESENT] = STANDING_DEGRADED,  [DRIVE_ABSENT] = STANDING_ABSENT,
		[DRIVE_FOREIGN] = STANDING_FAILED,    [DRIVE_DUPLICATE] = STANDING_FAILED,
		[DRIVE_REFUSED] = STANDING_FAILED,    [DRIVE_ROLLED_BACK] = STANDING_FAILED,
		[DRIVE_UNREACHABLE] = STANDING_ABSENT,
	};
	struct fixture *f = *state;
	struct array_drive *d = add_drive(f, GB);

	d->unrepaired = 1;
	for (unsigned p = 0; p < sizeof(want) / sizeof(want[0]); p++) {
		d->presence = (enum drive_presence)p;
		assert_int_equal(standing(f, d), want[p]);
	}
}

static void a_present_drive_is_called_by_its_state(void **state)
{
	struct fixture *f = *state;
	struct array_drive *d = add_drive(f, GB);

	assert_int_equal(standing(f, d), STANDING_OPTIMAL);
	d->behind = true;
	assert_int_equal(standing(f, d), STANDING_STALE);
	d->record.journal = false; /* it is not to have them */
	assert_int_equal(standing(f, d), STANDING_OPTIMAL);
	d->record.state = DRIVE_JOINING;
	assert_int_equal(standing(f, d), STANDING_RECOVERING);
	d->record.state = DRIVE_DISABLED;
	assert_int_equal(standing(f, d), STANDING_DISABLED);
	d->record.state = DRIVE_DRAINING;
	assert_int_equal(standing(f, d), STANDING_DRAINING);
	d->record.state = DRIVE_LOST;
	assert_int_equal(standing(f, d), STANDING_FAILED);
}

static void a_lost_drive_is_listed_until_nothing_is_left_of_it(void **state)
{
	struct fixture *f = *state;
	struct array_drive *d = add_drive(f, GB);
	struct drive_standing s;

	d->record.state = DRIVE_LOST;
	d->presence = DRIVE_ABSENT;
	d->used_bytes = 1;
	assert_int_equal(standing_of(&f->a, 0, &s, &f->err), ERR_NONE);
	assert_true(s.listed);
	d->used_bytes = 0;
	assert_int_equal(standing_of(&f->a, 0, &s, &f->err), ERR_NONE);
	assert_false(s.listed);
}

static struct capacity capacity(struct fixture *f)
{
	struct capacity c;

	assert_int_equal(capacity_of(&f->a, &c, &f->err), ERR_NONE);
	return c;
}

/* The reserve of a drive is 1 %. */
static void assert_about(uint64_t bytes, uint64_t want)
{
	assert_in_range(bytes, want / 100 * 98, want);
}

static void what_no_other_drive_can_protect_is_idle(void **state)
{
	struct fixture *f = *state;
	struct capacity c;

	for (unsigned i = 0; i < 5; i++)
		add_drive(f, 100 * GB);
	c = capacity(f);
	assert_true(c.known);
	assert_about(c.now.usable_bytes, 400 * GB);
	assert_true(c.idle_bytes < GB);
	add_drive(f, 4000 * GB);
	c = capacity(f);
	assert_about(c.now.usable_bytes, 500 * GB);
	assert_about(c.idle_bytes, 3900 * GB);
	assert_int_equal(c.help_drives, 1);
	assert_in_range(c.help_bytes, 3800 * GB, 4000 * GB);
	add_drive(f, c.help_bytes + c.help_bytes / 99 + 1); /* and its reserve */
	c = capacity(f);
	assert_in_range(c.idle_bytes, 0, 41 * GB);
	assert_int_equal(c.help_drives, 0);
}

static void with_two_rows_two_further_drives_help(void **state)
{
	struct fixture *f = *state;
	struct capacity c;

	f->a.policy.parity = 2;
	for (unsigned i = 0; i < 4; i++)
		add_drive(f, 100 * GB);
	add_drive(f, 4000 * GB);
	c = capacity(f);
	assert_int_equal(c.help_drives, 2);
	assert_in_range(c.help_bytes, 3800 * GB, 4000 * GB);
}

/* Two drives on one shelf may not both have an object of a group: what helps is as large as they are
 * together. */
static void what_helps_a_full_domain_is_as_large_as_all_of_it(void **state)
{
	struct fixture *f = *state;
	struct capacity c;

	set_domain(add_drive(f, 400 * GB), "shelf");
	set_domain(add_drive(f, 400 * GB), "shelf");
	add_drive(f, 100 * GB);
	c = capacity(f);
	assert_about(c.now.usable_bytes, 100 * GB);
	assert_about(c.idle_bytes, 700 * GB);
	assert_int_equal(c.help_drives, 1);
	assert_in_range(c.help_bytes, 680 * GB, 800 * GB);
}

/* With what helps hardly anything is idle; with a drive less, however large, more is. */
static void what_helps_is_enough_and_no_fewer_drives_are(void **state)
{
	struct fixture *f = *state;
	struct noise noise = { 8 };
	unsigned helped = 0;

	for (unsigned t = 0; t < 200; t++) {
		uint64_t largest = 0, all = 0;
		struct capacity c, with;

		f->a.count = 0;
		f->a.policy.parity = 1 + (uint32_t)noise_below(&noise, 3);
		for (unsigned i = 0; i < 2 + t % 5; i++) {
			struct array_drive *d;
			uint64_t size = (50 + noise_below(&noise, i == 0 ? 4000 : 400)) * GB;

			memset(&f->a.drives[i], 0, sizeof(f->a.drives[i]));
			d = add_drive(f, size);
			set_domain(d, noise_below(&noise, 2) ? "shelf" : "");
			largest = size > largest ? size : largest;
			all += size;
		}
		c = capacity(f);
		for (unsigned i = 0; i < c.help_drives; i++)
			add_drive(f, c.help_bytes + c.help_bytes / 99 + 1);
		with = capacity(f);
		if (c.help_drives == 0)
			continue;
		helped++;
		assert_true(with.idle_bytes <= all / 60);
		f->a.count -= c.help_drives;
		for (unsigned i = 1; i < c.help_drives; i++)
			add_drive(f, c.help_bytes);
		assert_true(capacity(f).idle_bytes > largest / 110);
	}
	assert_true(helped > 50);
}

static void a_row_less_holds_more_and_a_row_more_less(void **state)
{
	struct fixture *f = *state;
	struct capacity c;

	for (unsigned i = 0; i < 3; i++) {
		struct array_drive *d = add_drive(f, 90 * GB);

		d->used_bytes = 30 * GB;
		d->row_bytes = 10 * GB;
		d->about.free_bytes = 60 * GB;
	}
	c = capacity(f);
	assert_about(c.raw_bytes, 270 * GB);
	assert_int_equal(c.stored_bytes, 90 * GB);
	assert_int_equal(c.row_bytes, 30 * GB);
	assert_about(c.now.usable_bytes, 180 * GB);
	assert_true(c.less.possible);
	assert_int_equal(c.less.parity, 0);
	assert_about(c.less.usable_bytes, 270 * GB);
	assert_in_range(c.less.free_bytes, 205 * GB, 210 * GB);
	assert_true(c.more.possible);
	assert_int_equal(c.more.parity, 2);
	assert_about(c.more.usable_bytes, 90 * GB);
	assert_in_range(c.more.free_bytes, 28 * GB, 30 * GB);
	f->a.policy.parity = 2;
	c = capacity(f);
	assert_false(c.more.possible);
	f->a.policy.parity = 0;
	assert_false(capacity(f).less.possible);
}

static void what_is_used_is_not_free(void **state)
{
	struct fixture *f = *state;
	struct capacity c;

	for (unsigned i = 0; i < 3; i++) {
		struct array_drive *d = add_drive(f, 100 * GB);

		d->used_bytes = 40 * GB;
		d->about.free_bytes = 60 * GB;
	}
	c = capacity(f);
	assert_about(c.now.usable_bytes, 200 * GB);
	assert_in_range(c.now.free_bytes, 116 * GB, 120 * GB);
}

static void absent_drives_hold_nothing_and_a_size_may_be_unknown(void **state)
{
	struct fixture *f = *state;

	add_drive(f, 100 * GB);
	add_drive(f, 100 * GB);
	add_drive(f, 100 * GB)->presence = DRIVE_ABSENT;
	assert_about(capacity(f).now.usable_bytes, 100 * GB);
	add_drive(f, 0);
	assert_false(capacity(f).known);
	f->a.drives[3].record.max_bytes = 100 * GB;
	assert_true(capacity(f).known);
	assert_about(capacity(f).now.usable_bytes, 200 * GB);
}

/* A block per drive 1 and 2, a row on 3. */
static void store_a_group(struct fixture *f)
{
	static const uint32_t chunks[] = { 1 }, blocks[] = { 1, 2 }, rows[] = { 3 };
	struct scribe s;

	scribe_init(&s, 1);
	for (uint32_t i = 1; i <= 3; i++)
		test_record_drive(&s.records, i, "drive");
	test_record_block(&s.records, 1, 1, chunks, 1);
	test_record_block(&s.records, 2, 2, chunks, 1);
	test_record_group(&s.records, 1, blocks, 2, rows, 1, NULL, 0);
	scribe_apply(&s, f->a.table);
	scribe_release(&s);
}

static int keep_domain(void *ctx, const struct shared_domain *d, struct error *err)
{
	struct shared_domain *out = ctx;

	(void)err;
	assert_int_equal(out->count, 0);
	*out = *d;
	return ERR_NONE;
}

static struct shared_domain shared(struct fixture *f)
{
	struct shared_domain found = { .count = 0 };

	assert_int_equal(shared_domains(&f->a, keep_domain, &found, &f->err), ERR_NONE);
	return found;
}

static void drives_that_fail_together_are_told_with_what_that_destroys(void **state)
{
	struct fixture *f = *state;
	struct shared_domain found;

	for (unsigned i = 0; i < 4; i++)
		add_drive(f, GB);
	store_a_group(f);
	assert_int_equal(shared(f).count, 0);
	set_domain(&f->a.drives[3], "disk 3");
	found = shared(f);
	assert_int_equal(found.count, 2);
	assert_int_equal(found.groups, 0); /* the row alone: the data are elsewhere */
	set_domain(&f->a.drives[3], "disk 4");
	set_domain(&f->a.drives[1], "disk 1");
	found = shared(f);
	assert_string_equal(found.domain, "disk 1");
	assert_int_equal(found.drives[0], 0);
	assert_int_equal(found.drives[1], 1);
	assert_int_equal(found.groups, 1);
	assert_true(found.bytes > 0);
	f->a.drives[1].presence = DRIVE_ABSENT;
	assert_int_equal(shared(f).count, 0);
}

/* Block i lies on drive i. Block 1 is in both groups: with 2, and a row on 3; with 4, and a row on 5.
 * Block 6 is in none. */
static void store_two_groups(struct fixture *f)
{
	static const uint32_t chunks[] = { 1 }, first[] = { 1, 2 }, second[] = { 1, 4 };
	static const uint32_t first_rows[] = { 3 }, second_rows[] = { 5 };
	struct scribe s;

	for (unsigned i = 0; i < 7; i++)
		add_drive(f, GB);
	scribe_init(&s, 1);
	for (uint32_t i = 1; i <= 7; i++)
		test_record_drive(&s.records, i, "drive");
	test_record_block(&s.records, 1, 1, chunks, 1);
	test_record_block(&s.records, 2, 2, chunks, 1);
	test_record_block(&s.records, 4, 4, chunks, 1);
	test_record_block(&s.records, 6, 6, chunks, 1);
	test_record_group(&s.records, 1, first, 2, first_rows, 1, NULL, 0);
	test_record_group(&s.records, 2, second, 2, second_rows, 1, NULL, 0);
	scribe_apply(&s, f->a.table);
	scribe_release(&s);
}

static uint64_t block_bytes(struct fixture *f, uint32_t number)
{
	struct id uid = test_id('b', number);
	struct table_block b;

	assert_int_equal(table_block_by_uid(f->a.table, &uid, &b, &f->err), ERR_NONE);
	return b.len_bytes;
}

static void a_block_of_two_groups_is_lost_when_neither_can_make_it_and_counts_once(void **state)
{
	struct fixture *f = *state;
	struct shared_domain found;

	store_two_groups(f);
	set_domain(&f->a.drives[0], "shelf");
	set_domain(&f->a.drives[2], "shelf");
	assert_int_equal(shared(f).blocks, 0); /* the second group can */
	set_domain(&f->a.drives[4], "shelf");
	found = shared(f);
	assert_int_equal(found.groups, 2);
	assert_int_equal(found.blocks, 1);
	assert_int_equal(found.bytes, block_bytes(f, 1));
}

static void what_an_absent_drive_has_is_lost_with_what_makes_up_for_it(void **state)
{
	struct fixture *f = *state;
	struct shared_domain found;

	store_two_groups(f);
	set_domain(&f->a.drives[2], "shelf");
	set_domain(&f->a.drives[6], "shelf");
	f->a.drives[1].presence = DRIVE_ABSENT;
	found = shared(f); /* the row of the first group */
	assert_int_equal(found.groups, 1);
	assert_int_equal(found.blocks, 1);
	assert_int_equal(found.bytes, block_bytes(f, 2));
	f->a.drives[0].presence = DRIVE_ABSENT; /* the second group has block 1, as block 4 is there */
	assert_int_equal(shared(f).blocks, 0); /* block 2 is away already */
}

/* More of them than a group may have. */
static void a_block_in_no_group_is_lost_with_its_drive(void **state)
{
	static const uint32_t chunks[] = { 1 };
	struct fixture *f = *state;
	struct shared_domain found;
	struct scribe s;

	store_two_groups(f);
	scribe_init(&s, 2);
	for (uint32_t i = 10; i < 410; i++)
		test_record_block(&s.records, i, 6, chunks, 1);
	scribe_apply(&s, f->a.table);
	scribe_release(&s);
	set_domain(&f->a.drives[5], "shelf");
	set_domain(&f->a.drives[6], "shelf");
	found = shared(f);
	assert_int_equal(found.groups, 0);
	assert_int_equal(found.blocks, 401);
	assert_int_equal(found.bytes, 401 * block_bytes(f, 6));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(presence_decides_before_anything_else),
		TEST(a_present_drive_is_called_by_its_state),
		TEST(a_lost_drive_is_listed_until_nothing_is_left_of_it),
		TEST(what_no_other_drive_can_protect_is_idle),
		TEST(with_two_rows_two_further_drives_help),
		TEST(what_helps_a_full_domain_is_as_large_as_all_of_it),
		TEST(what_helps_is_enough_and_no_fewer_drives_are),
		TEST(a_row_less_holds_more_and_a_row_more_less),
		TEST(what_is_used_is_not_free),
		TEST(absent_drives_hold_nothing_and_a_size_may_be_unknown),
		TEST(drives_that_fail_together_are_told_with_what_that_destroys),
		TEST(a_block_of_two_groups_is_lost_when_neither_can_make_it_and_counts_once),
		TEST(what_an_absent_drive_has_is_lost_with_what_makes_up_for_it),
		TEST(a_block_in_no_group_is_lost_with_its_drive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
