/*
 * What driver.h promises, tried on every kind of drive. A new kind joins by a row in kinds[].
 */
#include "base/bytes.h"
#include "drivers/driver.h"
#include "drivers/mem.h"
#include "tests/support/temp.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LISTED 2500
#define THREAD_OBJECTS 24

/* A place for one test's drives. */
struct place {
	char *folder; /* NULL: not in the file system */
	char *url;
	char *missing_url; /* of a place that is not there, and can be made */
};

struct kind {
	const char *name;
	void (*make)(struct place *p);
	void (*clear)(struct place *p);
};

static char *format(const char *fmt, const char *a)
{
	size_t size = strlen(fmt) + strlen(a) + 1;
	char *s = malloc(size);

	assert_non_null(s);
	snprintf(s, size, fmt, a);
	return s;
}

static void make_file(struct place *p)
{
	p->folder = temp_folder_in_memory();
	p->url = format("file:%s", p->folder);
	p->missing_url = format("%s/not/there", p->folder);
}

static void clear_file(struct place *p)
{
	temp_folder_remove(p->folder);
}

static void make_mem(struct place *p)
{
	static const struct drive_options options = { .make_root = true, .temp_tag = "t" };
	struct drive *d;
	struct error err;

	p->url = format("mem:%s", "contract");
	p->missing_url = format("mem:%s", "nowhere");
	assert_int_equal(driver_mem.open(p->url, &options, &d, &err), ERR_NONE);
	driver_mem.close(d);
}

static void clear_mem(struct place *p)
{
	mem_erase(p->url);
	mem_erase(p->missing_url);
}

static const struct kind kinds[] = {
	{ "mem", make_mem, clear_mem },
	{ "file", make_file, clear_file },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const struct kind *current;

static int place_setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	current->make(p);
	*state = p;
	return 0;
}

static int place_teardown(void **state)
{
	struct place *p = *state;

	current->clear(p);
	free(p->url);
	free(p->missing_url);
	free(p);
	return 0;
}

static int try_open(const char *url, bool make_root, struct drive **out)
{
	struct drive_options options = { .make_root = make_root, .temp_tag = "t1" };
	const struct mrmr_driver *driver;
	struct error err;

	assert_int_equal(driver_for_url(url, &driver, &err), ERR_NONE);
	assert_string_equal(driver->kind, current->name);
	return driver->open(url, &options, out, &err);
}

static struct drive *open_place(void **state)
{
	struct place *p = *state;
	struct drive *d;

	assert_int_equal(try_open(p->url, false, &d), ERR_NONE);
	return d;
}

static void close_drive(struct drive *d)
{
	d->driver->close(d);
}

static void assert_filled(int code, const struct error *err)
{
	if (code != ERR_NONE) {
		assert_int_equal(code, err->code);
		assert_true(strlen(err->message) > 0);
	}
}

static int put(struct drive *d, const char *name, const char *text)
{
	struct error err = { .code = ERR_NONE };
	int code = d->driver->put(d, name, text, strlen(text), &err);

	assert_filled(code, &err);
	return code;
}

static int sync_drive(struct drive *d)
{
	struct error err = { .code = ERR_NONE };
	int code = d->driver->sync(d, &err);

	assert_filled(code, &err);
	return code;
}

static void store(struct drive *d, const char *name, const char *text)
{
	assert_int_equal(put(d, name, text), ERR_NONE);
	assert_int_equal(sync_drive(d), ERR_NONE);
}

static int get(struct drive *d, const char *name, uint64_t offset_bytes, void *out,
	       size_t len_bytes)
{
	struct error err = { .code = ERR_NONE };
	int code = d->driver->get(d, name, offset_bytes, out, len_bytes, &err);

	assert_filled(code, &err);
	return code;
}

static int stat_object(struct drive *d, const char *name, uint64_t *len_bytes)
{
	struct object_stat st = { 0 };
	struct error err = { .code = ERR_NONE };
	int code = d->driver->stat(d, name, &st, &err);

	assert_filled(code, &err);
	*len_bytes = st.len_bytes;
	return code;
}

static int move(struct drive *d, const char *from, const char *to)
{
	struct error err = { .code = ERR_NONE };
	int code = d->driver->move(d, from, to, &err);

	assert_filled(code, &err);
	return code;
}

static int remove_object(struct drive *d, const char *name)
{
	struct error err = { .code = ERR_NONE };
	int code = d->driver->remove(d, name, &err);

	assert_filled(code, &err);
	return code;
}

static void assert_holds(struct drive *d, const char *name, const char *text)
{
	char got[256];
	uint64_t len_bytes;

	assert_int_equal(stat_object(d, name, &len_bytes), ERR_NONE);
	assert_int_equal(len_bytes, strlen(text));
	assert_int_equal(get(d, name, 0, got, strlen(text)), ERR_NONE);
	assert_memory_equal(got, text, strlen(text));
}

static void assert_absent(struct drive *d, const char *name)
{
	uint64_t len_bytes;
	char byte;

	assert_int_equal(stat_object(d, name, &len_bytes), ERR_NOT_FOUND);
	assert_int_equal(get(d, name, 0, &byte, 1), ERR_NOT_FOUND);
}

static int count_one(void *ctx, const char *name, uint64_t len_bytes)
{
	(void)name;
	(void)len_bytes;
	++*(unsigned *)ctx;
	return 0;
}

static unsigned count_listed(struct drive *d, const char *prefix)
{
	unsigned count = 0;
	struct error err;

	assert_int_equal(d->driver->list(d, prefix, count_one, &count, &err), ERR_NONE);
	return count;
}

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

	assert_int_equal(try_open(p->missing_url, false, &d), ERR_NOT_FOUND);
	assert_null(d);
	assert_int_equal(try_open(p->missing_url, false, &d), ERR_NOT_FOUND);
}

static void a_place_is_made_when_asked_for(void **state)
{
	struct place *p = *state;
	struct drive *d;

	assert_int_equal(try_open(p->missing_url, true, &d), ERR_NONE);
	store(d, "config.json", "{}");
	close_drive(d);
	assert_int_equal(try_open(p->missing_url, false, &d), ERR_NONE);
	assert_holds(d, "config.json", "{}");
	close_drive(d);
}

static void a_bad_tag_for_temporary_names_is_refused(void **state)
{
	static const char *const tags[] = { NULL, "", "a/b", "A", "../x", "a-b",
					    "a23456789012345678901234567890123" };
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		struct drive_options options = { .temp_tag = tags[i] };
		const struct mrmr_driver *driver;
		struct drive *d;
		struct error err;

		assert_int_equal(driver_for_url(p->url, &driver, &err), ERR_NONE);
		assert_int_equal(driver->open(p->url, &options, &d, &err), ERR_USAGE);
	}
}

static void a_fresh_drive_holds_nothing(void **state)
{
	struct drive *d = open_place(state);

	assert_int_equal(count_listed(d, ""), 0);
	assert_int_equal(count_listed(d, "blocks/"), 0);
	assert_absent(d, "config.json");
	assert_int_equal(remove_object(d, "config.json"), ERR_NONE);
	assert_int_equal(move(d, "a", "b"), ERR_NOT_FOUND);
	assert_int_equal(sync_drive(d), ERR_NONE);
	close_drive(d);
}

static void a_drive_says_what_fails_together_with_it(void **state)
{
	struct drive *d = open_place(state);
	struct drive_about about;
	struct error err;

	assert_int_equal(d->driver->about(d, &about, &err), ERR_NONE);
	assert_true(strlen(about.domain) > 0);
	if (d->driver->flags & DRIVER_KNOWS_SPACE) {
		assert_true(about.total_bytes > 0);
		assert_true(about.free_bytes <= about.total_bytes);
	} else {
		assert_true(about.total_bytes == 0 && about.free_bytes == 0);
	}
	close_drive(d);
}

/* ---- put, sync ---- */

static void objects_of_all_sizes_are_read_back_whole(void **state)
{
	static const size_t sizes[] = { 0, 1, 511, 65535, 65536, 65537, 16 << 20 };
	struct drive *d = open_place(state);
	struct error err;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *bytes = pattern(sizes[i], i), *got = malloc(sizes[i] + 1);
		uint64_t len_bytes;
		char name[32];

		snprintf(name, sizeof(name), "blocks/%02zx/object", i);
		assert_int_equal(d->driver->put(d, name, bytes, sizes[i], &err), ERR_NONE);
		assert_int_equal(sync_drive(d), ERR_NONE);
		assert_int_equal(stat_object(d, name, &len_bytes), ERR_NONE);
		assert_int_equal(len_bytes, sizes[i]);
		assert_int_equal(get(d, name, 0, got, sizes[i]), ERR_NONE);
		assert_memory_equal(got, bytes, sizes[i]);
		assert_int_equal(get(d, name, 0, got, sizes[i] + 1), ERR_CORRUPT);
		free(bytes);
		free(got);
	}
	close_drive(d);
}

static void what_was_synced_is_there_after_reopening(void **state)
{
	struct drive *d = open_place(state);

	assert_int_equal(put(d, "journal/w/1-1-aa", "one"), ERR_NONE);
	assert_int_equal(put(d, "blocks/ab/x.blob", "two"), ERR_NONE);
	assert_int_equal(sync_drive(d), ERR_NONE);
	close_drive(d);
	d = open_place(state);
	assert_holds(d, "journal/w/1-1-aa", "one");
	assert_holds(d, "blocks/ab/x.blob", "two");
	close_drive(d);
}

static void what_was_not_synced_is_given_up_by_close(void **state)
{
	struct drive *d = open_place(state);

	store(d, "kept", "kept");
	assert_int_equal(put(d, "blocks/ab/lost", "lost"), ERR_NONE);
	close_drive(d);
	d = open_place(state);
	assert_absent(d, "blocks/ab/lost");
	assert_int_equal(count_listed(d, ""), 1);
	store(d, "blocks/ab/lost", "again");
	assert_holds(d, "blocks/ab/lost", "again");
	close_drive(d);
}

static void more_objects_than_a_driver_keeps_open_are_all_stored(void **state)
{
	struct drive *d = open_place(state);
	char name[40];

	for (unsigned i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "blocks/%02x/%u", i % 7, i);
		assert_int_equal(put(d, name, name), ERR_NONE);
	}
	assert_int_equal(sync_drive(d), ERR_NONE);
	close_drive(d);
	d = open_place(state);
	assert_int_equal(count_listed(d, "blocks/"), 150);
	for (unsigned i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "blocks/%02x/%u", i % 7, i);
		assert_holds(d, name, name);
	}
	close_drive(d);
}

static void a_taken_name_is_refused_and_its_bytes_stay(void **state)
{
	struct drive *d = open_place(state);

	store(d, "keys/a.json", "first");
	assert_int_equal(put(d, "keys/a.json", "second"), ERR_EXISTS);
	assert_int_equal(put(d, "keys/a.json", "first"), ERR_EXISTS);
	assert_int_equal(sync_drive(d), ERR_NONE);
	assert_holds(d, "keys/a.json", "first");
	assert_int_equal(count_listed(d, ""), 1);
	close_drive(d);
}

static void a_name_put_and_not_yet_synced_is_taken(void **state)
{
	struct drive *d = open_place(state);

	assert_int_equal(put(d, "keys/a.json", "first"), ERR_NONE);
	assert_int_equal(put(d, "keys/a.json", "second"), ERR_EXISTS);
	assert_int_equal(sync_drive(d), ERR_NONE);
	assert_holds(d, "keys/a.json", "first");
	close_drive(d);
}

static void equal_bytes_of_another_host_under_the_name_are_as_good(void **state)
{
	struct drive *a = open_place(state), *b = open_place(state);

	assert_int_equal(put(a, "blocks/ab/x", "same"), ERR_NONE);
	store(b, "blocks/ab/x", "same");
	assert_int_equal(sync_drive(a), ERR_NONE);
	assert_holds(a, "blocks/ab/x", "same");
	close_drive(a);
	close_drive(b);
}

static void other_bytes_of_another_host_under_the_name_are_not_replaced(void **state)
{
	static const char *const theirs[] = { "that", "longer than this", "th", "" };

	for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++) {
		struct drive *a = open_place(state), *b = open_place(state);

		assert_int_equal(put(a, "blocks/ab/x", "this"), ERR_NONE);
		store(b, "blocks/ab/x", theirs[i]);
		assert_int_equal(sync_drive(a), ERR_EXISTS);
		assert_holds(a, "blocks/ab/x", theirs[i]);
		assert_int_equal(sync_drive(a), ERR_NONE);
		assert_int_equal(count_listed(a, ""), 1);
		assert_int_equal(remove_object(a, "blocks/ab/x"), ERR_NONE);
		assert_int_equal(sync_drive(a), ERR_NONE);
		close_drive(a);
		close_drive(b);
	}
}

/* ---- get ---- */

static void ranges_are_exact_at_every_boundary(void **state)
{
	static const size_t edges[] = { 0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 69999, 70000 };
	const size_t size = 70000, n = sizeof(edges) / sizeof(edges[0]);
	uint8_t *bytes = pattern(size, 5), *got = malloc(size);
	struct drive *d = open_place(state);
	struct error err;

	assert_int_equal(d->driver->put(d, "o", bytes, size, &err), ERR_NONE);
	assert_int_equal(sync_drive(d), ERR_NONE);
	for (size_t i = 0; i < n; i++)
		for (size_t j = i; j < n; j++) {
			assert_int_equal(get(d, "o", edges[i], got, edges[j] - edges[i]), ERR_NONE);
			assert_memory_equal(got, bytes + edges[i], edges[j] - edges[i]);
		}
	close_drive(d);
	free(bytes);
	free(got);
}

static void a_range_past_the_end_is_corrupt(void **state)
{
	struct drive *d = open_place(state);
	char got[16];

	store(d, "o", "12345678");
	assert_int_equal(get(d, "o", 8, got, 0), ERR_NONE);
	assert_int_equal(get(d, "o", 8, got, 1), ERR_CORRUPT);
	assert_int_equal(get(d, "o", 7, got, 2), ERR_CORRUPT);
	assert_int_equal(get(d, "o", 9, got, 0), ERR_CORRUPT);
	assert_int_equal(get(d, "o", UINT64_MAX, got, 2), ERR_CORRUPT);
	assert_int_equal(get(d, "o", UINT64_MAX - 1, got, 16), ERR_CORRUPT);
	assert_int_equal(get(d, "o", (uint64_t)1 << 63, got, 16), ERR_CORRUPT);
	close_drive(d);
}

/* ---- names ---- */

static void bad_names_are_refused_by_every_call(void **state)
{
	char long_name[OBJECT_NAME_MAX + 2];
	const char *const names[] = { "",     "/",    "/a",   "a/",  "a//b", ".",
				      "..",   "a/..", "./a",  "a/.", "../a", "a b",
				      "a\nb", "a\\b", "a~b",  "~a",  "a:b",  "\xc3\xa4",
				      "a*",   "a/./b", "a/../b", long_name };
	struct drive *d = open_place(state);

	memset(long_name, 'n', sizeof(long_name) - 1);
	long_name[OBJECT_NAME_MAX + 1] = '\0';
	store(d, "good", "good");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint64_t len_bytes;
		char byte;

		assert_int_equal(put(d, names[i], "x"), ERR_USAGE);
		assert_int_equal(get(d, names[i], 0, &byte, 1), ERR_USAGE);
		assert_int_equal(stat_object(d, names[i], &len_bytes), ERR_USAGE);
		assert_int_equal(remove_object(d, names[i]), ERR_USAGE);
		assert_int_equal(move(d, names[i], "x"), ERR_USAGE);
		assert_int_equal(move(d, "good", names[i]), ERR_USAGE);
	}
	assert_int_equal(sync_drive(d), ERR_NONE);
	assert_int_equal(count_listed(d, ""), 1);
	close_drive(d);
}

static void odd_but_good_names_are_taken(void **state)
{
	char long_name[OBJECT_NAME_MAX + 1];
	const char *const names[] = { "-", "...", ".a", "a.", "..a/b", "_", "A/a", "a/A",
				      "d/...", "x-y_z.0/1/2/3/4/5/6/7/8/9", long_name };
	struct drive *d = open_place(state);
	unsigned count = sizeof(names) / sizeof(names[0]);

	memset(long_name, 'n', sizeof(long_name) - 1);
	long_name[100] = long_name[200] = '/';
	long_name[OBJECT_NAME_MAX] = '\0';
	for (unsigned i = 0; i < count; i++)
		store(d, names[i], names[i]);
	for (unsigned i = 0; i < count; i++) {
		assert_holds(d, names[i], names[i]);
		assert_int_equal(count_listed(d, names[i]), 1);
	}
	assert_int_equal(count_listed(d, ""), count);
	close_drive(d);
}

/* ---- list ---- */

struct listed {
	unsigned char seen[LISTED];
	unsigned count;
};

static void name_of(unsigned i, char *out, size_t size)
{
	static const char *const tops[] = { "blocks", "blocks2", "block", "journal", "b" };

	snprintf(out, size, "%s/%02x/%u", tops[i % 5], (i / 5) % 19, i);
}

static int mark_listed(void *ctx, const char *name, uint64_t len_bytes)
{
	struct listed *l = ctx;
	const char *last = strrchr(name, '/');
	char expected[40];
	unsigned long i;

	assert_non_null(last);
	i = strtoul(last + 1, NULL, 10);
	assert_in_range(i, 0, LISTED - 1);
	name_of((unsigned)i, expected, sizeof(expected));
	assert_string_equal(name, expected);
	assert_int_equal(len_bytes, i % 50);
	assert_int_equal(l->seen[i]++, 0);
	l->count++;
	return 0;
}

static void a_list_names_every_object_of_its_prefix_once(void **state)
{
	static const char *const prefixes[] = { "",	     "b",	   "block",    "blocks",
						"blocks/",   "blocks/0",   "blocks/0f", "blocks/0f/",
						"blocks/0f/1", "journal/1", "c",	"blocks//",
						"b/00/0",    "blocks3/",   "blocks/zz/" };
	struct drive *d = open_place(state);
	char name[40], fifty[50];
	struct error err;

	memset(fifty, 'x', sizeof(fifty));
	for (unsigned i = 0; i < LISTED; i++) {
		name_of(i, name, sizeof(name));
		assert_int_equal(d->driver->put(d, name, fifty, i % 50, &err), ERR_NONE);
	}
	assert_int_equal(sync_drive(d), ERR_NONE);
	for (size_t p = 0; p < sizeof(prefixes) / sizeof(prefixes[0]); p++) {
		struct listed l = { .count = 0 };
		unsigned expected = 0;
		bool bad = strstr(prefixes[p], "//") != NULL;

		for (unsigned i = 0; i < LISTED; i++) {
			name_of(i, name, sizeof(name));
			expected += strncmp(name, prefixes[p], strlen(prefixes[p])) == 0;
		}
		assert_int_equal(d->driver->list(d, prefixes[p], mark_listed, &l, &err),
				 bad ? ERR_USAGE : ERR_NONE);
		assert_int_equal(l.count, expected);
	}
	close_drive(d);
}

static void a_bad_prefix_is_refused(void **state)
{
	static const char *const prefixes[] = { "/", "../", "./", "a/../b", "a b", "~", "a//" };
	struct drive *d = open_place(state);

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		unsigned count = 0;
		struct error err;

		assert_int_equal(d->driver->list(d, prefixes[i], count_one, &count, &err),
				 ERR_USAGE);
	}
	close_drive(d);
}

static int stop_at_third(void *ctx, const char *name, uint64_t len_bytes)
{
	count_one(ctx, name, len_bytes);
	return *(unsigned *)ctx == 3 ? -77 : 0;
}

static void a_listing_stops_with_the_value_of_its_caller(void **state)
{
	struct drive *d = open_place(state);
	unsigned count = 0;
	struct error err;
	char name[20];

	for (unsigned i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "a/%u/x", i);
		assert_int_equal(put(d, name, "x"), ERR_NONE);
	}
	assert_int_equal(sync_drive(d), ERR_NONE);
	assert_int_equal(d->driver->list(d, "a/", stop_at_third, &count, &err), -77);
	assert_int_equal(count, 3);
	close_drive(d);
}

static int remove_listed(void *ctx, const char *name, uint64_t len_bytes)
{
	assert_holds(ctx, name, name);
	assert_int_equal(len_bytes, strlen(name));
	return remove_object(ctx, name);
}

static void objects_may_be_read_and_removed_while_they_are_listed(void **state)
{
	struct drive *d = open_place(state);
	struct error err;
	char name[20];

	for (unsigned i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "a/%u/%u", i % 3, i);
		assert_int_equal(put(d, name, name), ERR_NONE);
	}
	assert_int_equal(sync_drive(d), ERR_NONE);
	assert_int_equal(d->driver->list(d, "a/", remove_listed, d, &err), ERR_NONE);
	assert_int_equal(count_listed(d, ""), 0);
	close_drive(d);
}

/* ---- remove, move ---- */

static void a_removed_object_is_gone_and_its_name_free(void **state)
{
	struct drive *d = open_place(state);

	store(d, "a/b", "old");
	store(d, "a/c", "stays");
	assert_int_equal(remove_object(d, "a/b"), ERR_NONE);
	assert_absent(d, "a/b");
	assert_int_equal(remove_object(d, "a/b"), ERR_NONE);
	store(d, "a/b", "new");
	assert_holds(d, "a/b", "new");
	assert_int_equal(remove_object(d, "a/b"), ERR_NONE);
	assert_int_equal(sync_drive(d), ERR_NONE);
	close_drive(d);
	d = open_place(state);
	assert_absent(d, "a/b");
	assert_holds(d, "a/c", "stays");
	close_drive(d);
}

static void an_object_removed_before_its_sync_is_never_stored(void **state)
{
	struct drive *d = open_place(state);

	assert_int_equal(put(d, "a/b", "x"), ERR_NONE);
	assert_int_equal(put(d, "a/c", "y"), ERR_NONE);
	assert_int_equal(remove_object(d, "a/b"), ERR_NONE);
	assert_int_equal(sync_drive(d), ERR_NONE);
	assert_absent(d, "a/b");
	assert_holds(d, "a/c", "y");
	close_drive(d);
}

static void a_moved_object_has_its_new_name_only(void **state)
{
	struct drive *d = open_place(state);

	store(d, "blocks/ab/x", "bytes");
	assert_int_equal(move(d, "blocks/ab/x", "quarantine/deep/er/x"), ERR_NONE);
	assert_int_equal(sync_drive(d), ERR_NONE);
	close_drive(d);
	d = open_place(state);
	assert_absent(d, "blocks/ab/x");
	assert_holds(d, "quarantine/deep/er/x", "bytes");
	assert_int_equal(count_listed(d, ""), 1);
	store(d, "blocks/ab/x", "good bytes");
	assert_holds(d, "blocks/ab/x", "good bytes");
	close_drive(d);
}

static void a_move_onto_a_taken_name_changes_nothing(void **state)
{
	struct drive *d = open_place(state);

	store(d, "a", "one");
	store(d, "b", "two");
	assert_int_equal(put(d, "c", "three"), ERR_NONE);
	assert_int_equal(move(d, "a", "b"), ERR_EXISTS);
	assert_int_equal(move(d, "a", "c"), ERR_EXISTS);
	assert_int_equal(move(d, "a", "a"), ERR_EXISTS);
	assert_int_equal(sync_drive(d), ERR_NONE);
	assert_holds(d, "a", "one");
	assert_holds(d, "b", "two");
	assert_holds(d, "c", "three");
	close_drive(d);
}

static void a_move_of_an_absent_object_is_not_found(void **state)
{
	struct drive *d = open_place(state);

	store(d, "b", "two");
	assert_int_equal(move(d, "a", "c"), ERR_NOT_FOUND);
	assert_int_equal(move(d, "x/y", "c/d"), ERR_NOT_FOUND);
	assert_int_equal(count_listed(d, ""), 1);
	close_drive(d);
}

/* ---- threads ---- */

struct worker {
	pthread_t thread;
	struct drive *d;
	unsigned number;
	int failures; /* cmocka's asserts are for the main thread */
};

static int work_once(struct worker *w, unsigned i)
{
	const struct mrmr_driver *driver = w->d->driver;
	char name[40], moved[40], got[40] = "";
	struct object_stat st;
	unsigned count = 0;
	struct error err;
	int bad = 0;

	snprintf(name, sizeof(name), "blocks/%02x/%u-%u", i % 3, w->number, i);
	snprintf(moved, sizeof(moved), "quarantine/%u-%u", w->number, i);
	bad += driver->put(w->d, name, name, strlen(name), &err) != ERR_NONE;
	bad += driver->sync(w->d, &err) != ERR_NONE;
	bad += driver->stat(w->d, name, &st, &err) != ERR_NONE || st.len_bytes != strlen(name);
	bad += driver->get(w->d, name, 0, got, strlen(name), &err) != ERR_NONE;
	bad += strcmp(got, name) != 0;
	if (i % 3 == 0)
		bad += driver->move(w->d, name, moved, &err) != ERR_NONE;
	if (i % 3 == 1)
		bad += driver->remove(w->d, name, &err) != ERR_NONE;
	if (i % 8 == 0)
		bad += driver->list(w->d, "", count_one, &count, &err) != ERR_NONE;
	return bad;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < THREAD_OBJECTS; i++)
		w->failures += work_once(w, i);
	return NULL;
}

static void as_many_threads_as_it_says_may_use_a_drive(void **state)
{
	struct drive *d = open_place(state);
	unsigned n = d->driver->connections_max;
	struct worker *workers = calloc(n, sizeof(*workers));

	assert_true(n >= 1);
	assert_non_null(workers);
	for (unsigned i = 0; i < n; i++) {
		workers[i].d = d;
		workers[i].number = i;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < n; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].failures, 0);
	}
	assert_int_equal(sync_drive(d), ERR_NONE);
	close_drive(d);
	d = open_place(state);
	assert_int_equal(count_listed(d, "blocks/"), n * THREAD_OBJECTS / 3);
	assert_int_equal(count_listed(d, "quarantine/"), n * THREAD_OBJECTS / 3);
	close_drive(d);
	free(workers);
}

/* ---- the list of kinds ---- */

static void a_url_finds_its_driver(void **state)
{
	static const struct {
		const char *url, *kind;
	} good[] = { { "file:x", "file" },     { "file:/x", "file" },  { "file:", "file" },
		     { "/x/y", "file" },       { "x", "file" },	       { "mem:x", "mem" },
		     { "C:x", "file" },	       { "foo:bar", "file" },  { "nas:/volume", "file" },
		     { "./sftp://x", "file" }, { "files:x", "file" },  { "a b://c", "file" },
		     { "1x://y", "file" },     { "x/y://z", "file" } };
	const struct mrmr_driver *driver;
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(driver_for_url(good[i].url, &driver, &err), ERR_NONE);
		assert_string_equal(driver->kind, good[i].kind);
	}
}

static void a_url_of_an_unknown_kind_is_a_usage_error(void **state)
{
	static const char *const bad[] = { "", "gopher://x", "http://x/y", "svn+ssh://x", "x.y-z://" };
	const struct mrmr_driver *driver;
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(driver_for_url(bad[i], &driver, &err), ERR_USAGE);
		assert_null(driver);
	}
}

static void every_kind_is_listed_once(void **state)
{
	unsigned count = 0;

	(void)state;
	while (driver_kind(count)) {
		for (unsigned i = 0; i < count; i++)
			assert_string_not_equal(driver_kind(i), driver_kind(count));
		count++;
	}
	assert_true(count >= KINDS);
	assert_string_equal(driver_kind(0), "file");
	assert_null(driver_kind(count + 1000));
}

#define ON_A_PLACE(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int main(void)
{
	const struct CMUnitTest contract[] = {
		ON_A_PLACE(a_place_that_is_missing_is_not_found_and_not_made),
		ON_A_PLACE(a_place_is_made_when_asked_for),
		ON_A_PLACE(a_bad_tag_for_temporary_names_is_refused),
		ON_A_PLACE(a_fresh_drive_holds_nothing),
		ON_A_PLACE(a_drive_says_what_fails_together_with_it),
		ON_A_PLACE(objects_of_all_sizes_are_read_back_whole),
		ON_A_PLACE(what_was_synced_is_there_after_reopening),
		ON_A_PLACE(what_was_not_synced_is_given_up_by_close),
		ON_A_PLACE(more_objects_than_a_driver_keeps_open_are_all_stored),
		ON_A_PLACE(a_taken_name_is_refused_and_its_bytes_stay),
		ON_A_PLACE(a_name_put_and_not_yet_synced_is_taken),
		ON_A_PLACE(equal_bytes_of_another_host_under_the_name_are_as_good),
		ON_A_PLACE(other_bytes_of_another_host_under_the_name_are_not_replaced),
		ON_A_PLACE(ranges_are_exact_at_every_boundary),
		ON_A_PLACE(a_range_past_the_end_is_corrupt),
		ON_A_PLACE(bad_names_are_refused_by_every_call),
		ON_A_PLACE(odd_but_good_names_are_taken),
		ON_A_PLACE(a_list_names_every_object_of_its_prefix_once),
		ON_A_PLACE(a_bad_prefix_is_refused),
		ON_A_PLACE(a_listing_stops_with_the_value_of_its_caller),
		ON_A_PLACE(objects_may_be_read_and_removed_while_they_are_listed),
		ON_A_PLACE(a_removed_object_is_gone_and_its_name_free),
		ON_A_PLACE(an_object_removed_before_its_sync_is_never_stored),
		ON_A_PLACE(a_moved_object_has_its_new_name_only),
		ON_A_PLACE(a_move_onto_a_taken_name_changes_nothing),
		ON_A_PLACE(a_move_of_an_absent_object_is_not_found),
		ON_A_PLACE(as_many_threads_as_it_says_may_use_a_drive),
	};
	const struct CMUnitTest list_of_kinds[] = {
		cmocka_unit_test(a_url_finds_its_driver),
		cmocka_unit_test(a_url_of_an_unknown_kind_is_a_usage_error),
		cmocka_unit_test(every_kind_is_listed_once),
	};
	int failed = cmocka_run_group_tests_name("kinds", list_of_kinds, NULL, NULL);

	for (size_t i = 0; i < KINDS; i++) {
		current = &kinds[i];
		failed += cmocka_run_group_tests_name(current->name, contract, NULL, NULL);
	}
	return failed;
}
