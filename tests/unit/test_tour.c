/* Going through a folder of a snapshot, and what is below it. */
#include "tests/support/scribe.h"
#include "tests/support/temp.h"

#include "archive/tour.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DEPTH 3000

struct fixture {
	char *folder;
	struct table *t;
	struct scribe s;
	struct table_snapshot snapshot;
	struct error err;
};

/* The folder at path gets these entries; a name that ends in a slash is a folder's. */
static void record_entries(struct buf *out, const struct id *id, const char *path,
			   const char *const *names)
{
	struct folder_writer w = { .removed_count = 0 };

	for (; *names; names++) {
		size_t len = strlen(*names);
		bool folder = (*names)[len - 1] == '/';
		struct node n = test_node(folder ? NODE_FOLDER : NODE_FILE, 0);

		folder_writer_add(&w, *names, len - folder, &n);
	}
	folder_writer_finish(&w, id, path, strlen(path), out);
	folder_writer_release(&w);
}

static void begin_snapshot(struct fixture *f)
{
	test_record_snapshot(&f->s.records, 1, 1, 0, 0);
}

static void end_snapshot(struct fixture *f)
{
	struct id id = test_id('n', 1);
	struct table_snapshot *list;
	size_t count;

	record_commit(&f->s.records, &id);
	scribe_apply(&f->s, f->t);
	assert_int_equal(table_snapshots(f->t, NULL, &list, &count, &f->err), ERR_NONE);
	assert_int_equal(count, 1);
	f->snapshot = list[0];
	free(list);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->folder = temp_folder_in_memory();
	f->t = test_table(f->folder, "table");
	scribe_init(&f->s, 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	table_snapshot_release(&f->snapshot);
	scribe_release(&f->s);
	table_close(f->t);
	temp_folder_remove(f->folder);
	free(f);
	return 0;
}

static void make_small_tree(struct fixture *f)
{
	struct id id = test_id('n', 1);

	begin_snapshot(f);
	record_entries(&f->s.records, &id, "", (const char *[]){ "etc/", "home/", NULL });
	record_entries(&f->s.records, &id, "/home", (const char *[]){ "a/", "a.txt", "b", NULL });
	record_entries(&f->s.records, &id, "/home/a", (const char *[]){ "x", "y/", NULL });
	end_snapshot(f);
}

/* All paths of a tour, each with a space behind it. Caller: buf_release(). */
static struct buf all_paths(struct fixture *f, const char *folder, bool below)
{
	struct buf all = { 0 };
	struct tour *tour;
	const uint8_t *path;
	size_t path_bytes;
	struct node n;

	assert_int_equal(tour_begin(f->t, &f->snapshot, folder, strlen(folder), below, &tour, &f->err),
			 ERR_NONE);
	while (tour_next(tour, &path, &path_bytes, &n, &f->err)) {
		assert_int_equal(path[path_bytes], '\0');
		buf_add(&all, path, path_bytes);
		buf_add_u8(&all, ' ');
	}
	assert_int_equal(f->err.code, ERR_NONE);
	assert_false(tour_next(tour, &path, &path_bytes, &n, &f->err));
	tour_end(tour);
	buf_add_u8(&all, '\0');
	return all;
}

static void assert_tour(struct fixture *f, const char *folder, bool below, const char *want)
{
	struct buf all = all_paths(f, folder, below);

	assert_string_equal((char *)all.data, want);
	buf_release(&all);
}

static void a_tour_shows_what_is_in_a_folder(void **state)
{
	struct fixture *f = *state;

	make_small_tree(f);
	assert_tour(f, "", false, "/etc /home ");
	assert_tour(f, "/home", false, "/home/a /home/a.txt /home/b ");
	assert_tour(f, "/etc", false, "");
}

static void a_tour_below_enters_each_folder_where_it_stands(void **state)
{
	struct fixture *f = *state;

	make_small_tree(f);
	assert_tour(f, "", true,
		    "/etc /home /home/a /home/a/x /home/a/y /home/a.txt /home/b ");
	assert_tour(f, "/home/a", true, "/home/a/x /home/a/y ");
}

static void a_folder_that_does_not_exist_is_empty(void **state)
{
	struct fixture *f = *state;

	make_small_tree(f);
	assert_tour(f, "/nowhere", true, "");
	assert_tour(f, "/home/b", true, "");
}

static void a_tour_goes_deeper_than_any_path_of_the_system(void **state)
{
	static const char *const names[] = { "folder/", NULL };
	struct fixture *f = *state;
	struct id id = test_id('n', 1);
	struct buf path = { 0 }, all;
	unsigned seen = 0;

	begin_snapshot(f);
	for (unsigned i = 0; i < DEPTH; i++) {
		buf_add_u8(&path, '\0');
		path.len_bytes--;
		record_entries(&f->s.records, &id, (char *)path.data, names);
		buf_add(&path, "/folder", 7);
	}
	end_snapshot(f);
	all = all_paths(f, "", true);
	for (const char *at = (char *)all.data; *at; at++)
		seen += *at == ' ';
	assert_int_equal(seen, DEPTH);
	buf_release(&all);
	buf_release(&path);
}

static void a_tour_may_end_anywhere(void **state)
{
	struct fixture *f = *state;
	const uint8_t *path;
	size_t path_bytes;
	struct tour *tour;
	struct node n;

	make_small_tree(f);
	assert_int_equal(tour_begin(f->t, &f->snapshot, "", 0, true, &tour, &f->err), ERR_NONE);
	for (int i = 0; i < 4; i++)
		assert_true(tour_next(tour, &path, &path_bytes, &n, &f->err));
	tour_end(tour);
	tour_end(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_tour_shows_what_is_in_a_folder),
		TEST(a_tour_below_enters_each_folder_where_it_stands),
		TEST(a_folder_that_does_not_exist_is_empty),
		TEST(a_tour_goes_deeper_than_any_path_of_the_system),
		TEST(a_tour_may_end_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
