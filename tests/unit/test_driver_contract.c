/*
 * What driver.h promises, tried on every kind of drive: open, put, sync, get, names. (Listing,
 * moving, removing, threads: test_driver_lists.c.)
 */
#include "base/bytes.h"
#include "tests/support/calls.h"
#include "tests/support/noise.h"
#include "tests/support/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RANGES 500000 /* read from each kind of drive */
#define RANGES_REMOTE 300

/* Bytes that differ at every place of an object and between objects. */
static uint8_t *pattern(size_t len_bytes, uint64_t seed)
{
	uint8_t *bytes = malloc(len_bytes + 8);
	uint64_t x = seed * 2 + 1;

	assert_non_null(bytes);
	for (size_t i = 0; i < len_bytes; i += 8) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		store_u64(bytes + i, x);
	}
	return bytes;
}

/* ---- open ---- */

static void a_place_that_is_missing_is_not_found_and_not_made(void **state)
{
	struct place *p = *state;
	struct drive *d;

	assert_call(call_try_open(p->missing_url, false, &d), ERR_NOT_FOUND);
	assert_null(d);
	assert_call(call_try_open(p->missing_url, false, &d), ERR_NOT_FOUND);
}

static void a_place_is_made_when_asked_for(void **state)
{
	struct place *p = *state;
	struct drive *d;

	assert_call(call_try_open(p->missing_url, true, &d), ERR_NONE);
	assert_call(call_store(d, "config.json", "{}"), ERR_NONE);
	call_close(d);
	assert_call(call_try_open(p->missing_url, false, &d), ERR_NONE);
	assert_call(call_check(d, "config.json", "{}"), ERR_NONE);
	call_close(d);
}

static void a_bad_tag_for_temporary_names_is_refused(void **state)
{
	static const char *const tags[] = {
		NULL, "", "a/b", "A", "../x", "a-b", "a23456789012345678901234567890123"};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		struct drive_options options = {.temp_tag = tags[i]};
		struct drive *d;

		assert_call(call_open_with(p->url, &options, &d), ERR_USAGE);
	}
}

/* As recover opens it: nothing is known that was learned when it joined. */
static void a_drive_of_which_nothing_is_known_is_used_with_care(void **state)
{
	struct place *p = *state;
	struct drive *d = place_open(state);

	assert_call(call_store(d, "keys/a", "first"), ERR_NONE);
	call_close(d);
	call_options(getenv("MRMR_PLACE_OPTIONS"));
	d = call_open(p->url);
	assert_call(call_check(d, "keys/a", "first"), ERR_NONE);
	assert_call(call_put(d, "keys/a", "second"), ERR_EXISTS);
	assert_call(call_store(d, "keys/b", "other"), ERR_NONE);
	assert_call(call_check(d, "keys/b", "other"), ERR_NONE);
	assert_call(call_check(d, "keys/a", "first"), ERR_NONE);
	assert_call(call_count(d, ""), 2);
	call_close(d);
}

static void a_fresh_drive_holds_nothing(void **state)
{
	struct drive *d = place_open(state);

	assert_call(call_count(d, ""), 0);
	assert_call(call_count(d, "blocks/"), 0);
	assert_call(call_check(d, "config.json", ""), ERR_NOT_FOUND);
	assert_call(call_remove(d, "config.json"), ERR_NONE);
	assert_call(call_move(d, "a", "b"), ERR_NOT_FOUND);
	assert_call(call_sync(d), ERR_NONE);
	call_close(d);
}

static void a_drive_says_what_fails_together_with_it(void **state)
{
	struct drive *d = place_open(state);
	struct drive_about about;

	assert_call(call_about(d, &about), ERR_NONE);
	assert_true(strlen(about.domain) > 0);
	assert_true(about.free_bytes <= about.total_bytes);
	if (!(d->driver->flags & DRIVER_KNOWS_SPACE))
		assert_true(about.total_bytes == 0);
	else if (!(d->driver->flags & DRIVER_REMOTE))
		assert_true(about.total_bytes > 0);
	call_close(d);
}

/* ---- put, sync ---- */

static void objects_of_all_sizes_are_read_back_whole(void **state)
{
	static const size_t sizes[] = {0,     1,     511,	     65535,
				       65536, 65537, (size_t)16 << 20, (size_t)70 << 20};
	struct drive *d = place_open(state);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *bytes = pattern(sizes[i], i), *got = malloc(sizes[i] + 1);
		uint64_t len_bytes;
		char name[32];

		snprintf(name, sizeof(name), "blocks/%02zx/object", i);
		assert_call(call_put_bytes(d, name, bytes, sizes[i]), ERR_NONE);
		assert_call(call_sync(d), ERR_NONE);
		assert_call(call_stat(d, name, &len_bytes), ERR_NONE);
		assert_int_equal(len_bytes, sizes[i]);
		assert_call(call_get(d, name, 0, got, sizes[i]), ERR_NONE);
		assert_memory_equal(got, bytes, sizes[i]);
		assert_call(call_get(d, name, 0, got, sizes[i] + 1), ERR_CORRUPT);
		free(bytes);
		free(got);
	}
	call_close(d);
}

static void what_was_synced_is_there_after_reopening(void **state)
{
	struct drive *d = place_open(state);

	assert_call(call_put(d, "journal/w/1-1-aa", "one"), ERR_NONE);
	assert_call(call_put(d, "blocks/ab/x.blob", "two"), ERR_NONE);
	assert_call(call_sync(d), ERR_NONE);
	call_close(d);
	d = place_open(state);
	assert_call(call_check(d, "journal/w/1-1-aa", "one"), ERR_NONE);
	assert_call(call_check(d, "blocks/ab/x.blob", "two"), ERR_NONE);
	call_close(d);
}

/* A driver without a step of its own for sync() has stored it already. */
static void what_was_not_synced_is_given_up_by_close_or_there_whole(void **state)
{
	struct drive *d = place_open(state);
	int found;

	assert_call(call_store(d, "kept", "kept"), ERR_NONE);
	assert_call(call_put(d, "blocks/ab/lost", "lost"), ERR_NONE);
	call_close(d);
	d = place_open(state);
	found = call_check(d, "blocks/ab/lost", "lost");
	if (found == ERR_NONE) {
		assert_true(d->driver->flags & DRIVER_REMOTE);
		assert_call(call_count(d, ""), 2);
		assert_call(call_remove(d, "blocks/ab/lost"), ERR_NONE);
	} else {
		assert_call(found, ERR_NOT_FOUND);
		assert_call(call_count(d, ""), 1);
	}
	assert_call(call_store(d, "blocks/ab/lost", "again"), ERR_NONE);
	assert_call(call_check(d, "blocks/ab/lost", "again"), ERR_NONE);
	call_close(d);
}

static void more_objects_than_a_driver_keeps_open_are_all_stored(void **state)
{
	struct drive *d = place_open(state);
	char name[40];

	for (unsigned i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "blocks/%02x/%u", i % 7, i);
		assert_call(call_put(d, name, name), ERR_NONE);
	}
	assert_call(call_sync(d), ERR_NONE);
	call_close(d);
	d = place_open(state);
	assert_call(call_count(d, "blocks/"), 150);
	for (unsigned i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "blocks/%02x/%u", i % 7, i);
		assert_call(call_check(d, name, name), ERR_NONE);
	}
	call_close(d);
}

static void a_taken_name_is_refused_and_its_bytes_stay(void **state)
{
	struct drive *d = place_open(state);

	assert_call(call_store(d, "keys/a.json", "first"), ERR_NONE);
	assert_call(call_put(d, "keys/a.json", "second"), ERR_EXISTS);
	assert_call(call_put(d, "keys/a.json", "first"), ERR_EXISTS);
	assert_call(call_sync(d), ERR_NONE);
	assert_call(call_check(d, "keys/a.json", "first"), ERR_NONE);
	assert_call(call_count(d, ""), 1);
	call_close(d);
}

static void a_name_put_and_not_yet_synced_is_taken(void **state)
{
	struct drive *d = place_open(state);

	assert_call(call_put(d, "keys/a.json", "first"), ERR_NONE);
	assert_call(call_put(d, "keys/a.json", "second"), ERR_EXISTS);
	assert_call(call_sync(d), ERR_NONE);
	assert_call(call_check(d, "keys/a.json", "first"), ERR_NONE);
	call_close(d);
}

/* What was put and not synced may be there for others, whole: then its name is taken. */
static bool is_taken_at_once(struct drive *other, const char *text)
{
	int found = call_check(other, "blocks/ab/x", text);

	if (found == ERR_NOT_FOUND)
		return false;
	assert_call(found, ERR_NONE);
	assert_true(other->driver->flags & DRIVER_REMOTE);
	assert_call(call_put(other, "blocks/ab/x", text), ERR_EXISTS);
	return true;
}

static void equal_bytes_of_another_host_under_the_name_are_as_good(void **state)
{
	struct drive *a = place_open(state), *b = place_open(state);

	assert_call(call_put(a, "blocks/ab/x", "same"), ERR_NONE);
	if (!is_taken_at_once(b, "same"))
		assert_call(call_store(b, "blocks/ab/x", "same"), ERR_NONE);
	assert_call(call_sync(a), ERR_NONE);
	assert_call(call_check(a, "blocks/ab/x", "same"), ERR_NONE);
	assert_call(call_count(a, ""), 1);
	call_close(a);
	call_close(b);
}

static void other_bytes_of_another_host_under_the_name_are_not_replaced(void **state)
{
	static const char *const theirs[] = {"that", "longer than this", "th", ""};

	for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++) {
		struct drive *a = place_open(state), *b = place_open(state);

		assert_call(call_put(a, "blocks/ab/x", "this"), ERR_NONE);
		if (is_taken_at_once(b, "this")) {
			assert_call(call_put(b, "blocks/ab/x", theirs[i]), ERR_EXISTS);
			assert_call(call_sync(a), ERR_NONE);
			assert_call(call_check(b, "blocks/ab/x", "this"), ERR_NONE);
		} else {
			assert_call(call_store(b, "blocks/ab/x", theirs[i]), ERR_NONE);
			assert_call(call_sync(a), ERR_EXISTS);
			assert_call(call_check(a, "blocks/ab/x", theirs[i]), ERR_NONE);
		}
		assert_call(call_sync(a), ERR_NONE);
		assert_call(call_count(a, ""), 1);
		assert_call(call_remove(a, "blocks/ab/x"), ERR_NONE);
		assert_call(call_sync(a), ERR_NONE);
		call_close(a);
		call_close(b);
	}
}

/* ---- get ---- */

static void ranges_are_exact_at_every_boundary(void **state)
{
	static const size_t edges[] = {0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 69999, 70000};
	const size_t size = 70000, n = sizeof(edges) / sizeof(edges[0]);
	uint8_t *bytes = pattern(size, 5), *got = malloc(size);
	struct drive *d = place_open(state);

	assert_call(call_put_bytes(d, "o", bytes, size), ERR_NONE);
	assert_call(call_sync(d), ERR_NONE);
	for (size_t i = 0; i < n; i++)
		for (size_t j = i; j < n; j++) {
			assert_call(call_get(d, "o", edges[i], got, edges[j] - edges[i]), ERR_NONE);
			assert_memory_equal(got, bytes + edges[i], edges[j] - edges[i]);
		}
	call_close(d);
	free(bytes);
	free(got);
}

/* a million over the kinds of drive. */
static void ranges_anywhere_are_exact(void **state)
{
	const size_t size = 300007;
	uint8_t *bytes = pattern(size, 6), got[512];
	struct drive *d = place_open(state);
	unsigned ranges = d->driver->flags & DRIVER_REMOTE ? RANGES_REMOTE : RANGES;
	struct noise noise = {22};

	assert_call(call_put_bytes(d, "o", bytes, size), ERR_NONE);
	assert_call(call_sync(d), ERR_NONE);
	for (unsigned i = 0; i < ranges; i++) {
		size_t len = (size_t)noise_below(&noise, sizeof(got) + 1);
		size_t offset = (size_t)noise_below(&noise, size - len + 1);

		if (call_get(d, "o", offset, got, len) != ERR_NONE ||
		    memcmp(got, bytes + offset, len) != 0)
			fail_msg("%zu bytes from %zu on: %s", len, offset, call_err.message);
	}
	call_close(d);
	free(bytes);
}

static void a_range_past_the_end_is_corrupt(void **state)
{
	struct drive *d = place_open(state);
	char got[16];

	assert_call(call_store(d, "o", "12345678"), ERR_NONE);
	assert_call(call_get(d, "o", 8, got, 0), ERR_NONE);
	assert_call(call_get(d, "o", 8, got, 1), ERR_CORRUPT);
	assert_call(call_get(d, "o", 7, got, 2), ERR_CORRUPT);
	assert_call(call_get(d, "o", 9, got, 0), ERR_CORRUPT);
	assert_call(call_get(d, "o", UINT64_MAX, got, 2), ERR_CORRUPT);
	assert_call(call_get(d, "o", UINT64_MAX - 1, got, 16), ERR_CORRUPT);
	assert_call(call_get(d, "o", (uint64_t)1 << 63, got, 16), ERR_CORRUPT);
	assert_call(call_get(d, "o", 5, got, SIZE_MAX), ERR_CORRUPT);
	call_close(d);
}

static void ranges_of_a_large_object_are_exact_where_it_may_be_in_parts(void **state)
{
	static const size_t mib[] = {1, 4, 5, 8, 16, 32, 64};
	const size_t size = ((size_t)66 << 20) + 3, around = 4099;
	uint8_t *bytes = pattern(size, 7), *got = malloc(2 * around);
	struct drive *d = place_open(state);

	assert_call(call_put_bytes(d, "blocks/aa/o", bytes, size), ERR_NONE);
	assert_call(call_sync(d), ERR_NONE);
	for (size_t i = 0; i < sizeof(mib) / sizeof(mib[0]); i++) {
		size_t from = (mib[i] << 20) - around;

		assert_call(call_get(d, "blocks/aa/o", from, got, 2 * around), ERR_NONE);
		assert_memory_equal(got, bytes + from, 2 * around);
	}
	assert_call(call_get(d, "blocks/aa/o", size - around, got, around), ERR_NONE);
	assert_memory_equal(got, bytes + size - around, around);
	assert_call(call_get(d, "blocks/aa/o", size - 1, got, 2), ERR_CORRUPT);
	call_close(d);
	free(bytes);
	free(got);
}

/* ---- names ---- */

static void bad_names_are_refused_by_every_call(void **state)
{
	char long_name[OBJECT_NAME_MAX + 2];
	const char *const names[] = {"",     "/",     "/a",	"a/",	  "a//b", ".",
				     "..",   "a/..",  "./a",	"a/.",	  "../a", "a b",
				     "a\nb", "a\\b",  "a~b",	"~a",	  "a:b",  "\xc3\xa4",
				     "a*",   "a/./b", "a/../b", long_name};
	struct drive *d = place_open(state);

	memset(long_name, 'n', sizeof(long_name) - 1);
	long_name[OBJECT_NAME_MAX + 1] = '\0';
	assert_call(call_store(d, "good", "good"), ERR_NONE);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint64_t len_bytes;
		char byte;

		assert_call(call_put(d, names[i], "x"), ERR_USAGE);
		assert_call(call_get(d, names[i], 0, &byte, 1), ERR_USAGE);
		assert_call(call_stat(d, names[i], &len_bytes), ERR_USAGE);
		assert_call(call_remove(d, names[i]), ERR_USAGE);
		assert_call(call_move(d, names[i], "x"), ERR_USAGE);
		assert_call(call_move(d, "good", names[i]), ERR_USAGE);
	}
	assert_call(call_sync(d), ERR_NONE);
	assert_call(call_count(d, ""), 1);
	call_close(d);
}

static void odd_but_good_names_are_taken(void **state)
{
	char long_name[OBJECT_NAME_MAX + 1];
	const char *const names[] = {"-",      "...", ".a",  "a.",    "..a/b",
				     "_",      "A/a", "a/A", "d/...", "x-y_z.0/1/2/3/4/5/6/7/8/9",
				     long_name};
	struct drive *d = place_open(state);
	unsigned count = sizeof(names) / sizeof(names[0]);

	memset(long_name, 'n', sizeof(long_name) - 1);
	long_name[100] = long_name[200] = '/';
	long_name[OBJECT_NAME_MAX] = '\0';
	for (unsigned i = 0; i < count; i++)
		assert_call(call_store(d, names[i], names[i]), ERR_NONE);
	for (unsigned i = 0; i < count; i++) {
		assert_call(call_check(d, names[i], names[i]), ERR_NONE);
		assert_call(call_count(d, names[i]), 1);
	}
	assert_call(call_count(d, ""), count);
	call_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_PLACE(a_place_that_is_missing_is_not_found_and_not_made),
		ON_A_PLACE(a_place_is_made_when_asked_for),
		ON_A_PLACE(a_bad_tag_for_temporary_names_is_refused),
		ON_A_PLACE(a_drive_of_which_nothing_is_known_is_used_with_care),
		ON_A_PLACE(a_fresh_drive_holds_nothing),
		ON_A_PLACE(a_drive_says_what_fails_together_with_it),
		ON_A_PLACE(objects_of_all_sizes_are_read_back_whole),
		ON_A_PLACE(what_was_synced_is_there_after_reopening),
		ON_A_PLACE(what_was_not_synced_is_given_up_by_close_or_there_whole),
		ON_A_PLACE(more_objects_than_a_driver_keeps_open_are_all_stored),
		ON_A_PLACE(a_taken_name_is_refused_and_its_bytes_stay),
		ON_A_PLACE(a_name_put_and_not_yet_synced_is_taken),
		ON_A_PLACE(equal_bytes_of_another_host_under_the_name_are_as_good),
		ON_A_PLACE(other_bytes_of_another_host_under_the_name_are_not_replaced),
		ON_A_PLACE(ranges_are_exact_at_every_boundary),
		ON_A_PLACE(ranges_anywhere_are_exact),
		ON_A_PLACE(ranges_of_a_large_object_are_exact_where_it_may_be_in_parts),
		ON_A_PLACE(a_range_past_the_end_is_corrupt),
		ON_A_PLACE(bad_names_are_refused_by_every_call),
		ON_A_PLACE(odd_but_good_names_are_taken),
	};

	return place_run_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
