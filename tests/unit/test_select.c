/* Which snapshot, and what in it, a user's SNAPSHOT[:PATH] means. */
#include "tests/support/scribe.h"
#include "tests/support/temp.h"

#include "archive/select.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SNAPSHOTS 5

/* Snapshots 1 to 5 of host "here", but for 2 and 5 of "there"; 1 and 4 are of series "work". */
struct fixture {
	char *folder;
	struct table *t;
	struct scribe s;
	struct error err;
	struct table_snapshot found;
	struct selection target;
};

static bool is_there(unsigned n)
{
	return n == 2 || n == 5;
}

static void record_folders(struct buf *out, const struct id *id, const char *const *paths)
{
	for (; *paths; paths++) {
		struct folder_writer w = { .removed_count = 0 };
		const char *slash = strrchr(*paths, '/');
		struct node n = test_node(NODE_FILE, 0);

		if (paths[1] && strncmp(paths[1], *paths, strlen(*paths)) == 0)
			n = test_node(NODE_FOLDER, 0);
		folder_writer_add(&w, slash + 1, strlen(slash + 1), &n);
		folder_writer_finish(&w, id, *paths, (size_t)(slash - *paths), out);
		folder_writer_release(&w);
	}
}

/* id: test_id('n', n), which begins with "6e"; time: n seconds. */
static void add_snapshot(struct fixture *f, unsigned n, const char *const *paths)
{
	bool work = n == 1 || n == 4;
	struct series_record series = { .id = test_id('s', work ? 1 : 2),
					.name = work ? "work" : "rest",
					.host = "" };
	struct snapshot_record s = { .id = test_id('n', n),
				     .series = series.id,
				     .time_ns = (int64_t)n * 1000000000,
				     .host = is_there(n) ? "there" : "here",
				     .tags = n == 3 ? "red,blue" : n == 4 ? "red" : "" };

	record_series(&f->s.records, &series);
	record_snapshot(&f->s.records, &s);
	record_folders(&f->s.records, &s.id, paths);
	record_commit(&f->s.records, &s.id);
	scribe_apply(&f->s, f->t);
}

static int setup(void **state)
{
	static const char *const paths[] = { "/home", "/home/letter", NULL };
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->folder = temp_folder_in_memory();
	f->t = test_table(f->folder, "table");
	scribe_init(&f->s, 1);
	for (unsigned n = 1; n <= SNAPSHOTS; n++)
		add_snapshot(f, n, paths);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	selection_release(&f->target);
	table_snapshot_release(&f->found);
	scribe_release(&f->s);
	table_close(f->t);
	temp_folder_remove(f->folder);
	free(f);
	return 0;
}

/* The number of the snapshot that word means, 0 when there is none. */
static unsigned choose(struct fixture *f, const struct select_filter *filter, const char *word)
{
	static const struct select_filter any = { .host = NULL };
	int code = select_snapshot(f->t, filter ? filter : &any, word, &f->found, &f->err);
	unsigned n = 0;

	if (code != ERR_NONE)
		return 0;
	for (n = SNAPSHOTS; n > 0; n--) {
		struct id id = test_id('n', n);

		if (id_equal(&id, &f->found.id))
			break;
	}
	table_snapshot_release(&f->found);
	return n;
}

static void latest_is_the_newest_of_this_host(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(choose(f, &(struct select_filter){ .this_host = "here" }, "latest"), 4);
	assert_int_equal(choose(f, &(struct select_filter){ .this_host = "there" }, "latest"), 5);
}

static void latest_is_the_newest_of_all_when_this_host_has_none(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(choose(f, &(struct select_filter){ .this_host = "else" }, "latest"), 5);
	assert_int_equal(choose(f, NULL, "latest"), 5);
}

static void latest_and_a_number_counts_back_among_the_same(void **state)
{
	struct fixture *f = *state;
	struct select_filter here = { .this_host = "here" };

	assert_int_equal(choose(f, &here, "latest~0"), 4);
	assert_int_equal(choose(f, &here, "latest~1"), 3);
	assert_int_equal(choose(f, &here, "latest~2"), 1);
	assert_int_equal(choose(f, &here, "latest~3"), 0);
	assert_int_equal(f->err.code, ERR_NOT_FOUND);
	assert_int_equal(choose(f, NULL, "latest~4"), 1);
}

static void filters_come_before_the_choice(void **state)
{
	struct fixture *f = *state;
	const char *red[] = { "red" }, *both[] = { "blue", "red" };

	assert_int_equal(choose(f, &(struct select_filter){ .host = "there" }, "latest~1"), 2);
	assert_int_equal(choose(f, &(struct select_filter){ .host = "there", .this_host = "here" },
				"latest"), 5);
	assert_int_equal(choose(f, &(struct select_filter){ .series = "work" }, "latest~1"), 1);
	assert_int_equal(choose(f, &(struct select_filter){ .before_ns = 3000000000 }, "latest"), 2);
	assert_int_equal(choose(f, &(struct select_filter){ .tags = red, .tag_count = 1 }, "latest"),
			 4);
	assert_int_equal(choose(f, &(struct select_filter){ .tags = both, .tag_count = 2 },
				"latest"), 3);
	assert_int_equal(choose(f, &(struct select_filter){ .host = "nobody" }, "latest"), 0);
	assert_int_equal(f->err.code, ERR_NOT_FOUND);
}

static void an_id_may_be_cut_as_long_as_it_is_the_only_one(void **state)
{
	struct fixture *f = *state;
	char hex[ID_HEX_BYTES];
	struct id id = test_id('n', 3);

	hex_encode(id.b, ID_BYTES, hex);
	assert_int_equal(choose(f, NULL, hex), 3);
	hex[0] = '6';
	hex[1] = 'E';
	assert_int_equal(choose(f, NULL, hex), 3);
	hex[2] = '\0';
	assert_int_equal(choose(f, NULL, hex), 0);
	assert_int_equal(f->err.code, ERR_USAGE);
	assert_non_null(strstr(f->err.message, "5 ids begin so"));
	assert_int_equal(choose(f, NULL, "ffff"), 0);
	assert_int_equal(f->err.code, ERR_NOT_FOUND);
}

static void a_word_that_names_no_snapshot_is_a_usage_error(void **state)
{
	static const char *const words[] = { "",	   "newest",	 "latest~",   "latest~x",
					     "latest~1x",  "latest-1",	 "latest 1",  "6e~1",
					     "latest~99999999999",
					     "6e000000000000000000000000000000000" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		assert_int_equal(choose(f, NULL, words[i]), 0);
		assert_int_equal(f->err.code, ERR_USAGE);
	}
}

static int aim(struct fixture *f, const char *arg)
{
	static const struct select_filter any = { .host = NULL };

	selection_release(&f->target);
	return select_target(f->t, &any, arg, &f->target, &f->err);
}

static void a_path_stands_behind_the_colon(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(aim(f, "latest:/home/letter"), ERR_NONE);
	assert_string_equal(f->target.path, "/home/letter");
	assert_true(f->target.has_path);
	assert_int_equal(f->target.node.type, NODE_FILE);
	assert_int_equal(aim(f, ":/home//./x/../"), ERR_NONE);
	assert_string_equal(f->target.path, "/home");
	assert_int_equal(f->target.node.type, NODE_FOLDER);
	assert_int_equal(f->target.snapshot.time_ns, 5000000000);
}

static void without_a_path_it_is_the_root_of_all(void **state)
{
	static const char *const words[] = { "latest", "latest:", "latest:/", ":" };
	struct fixture *f = *state;

	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(aim(f, words[i]), ERR_NONE);
		assert_string_equal(f->target.path, "");
		assert_int_equal(f->target.has_path, i == 2);
	}
}

static void a_path_that_is_not_there_is_named(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(aim(f, "latest:/home/bill"), ERR_NOT_FOUND);
	assert_non_null(strstr(f->err.message, "/home/bill"));
	assert_int_equal(aim(f, "latest:/home/letter/x"), ERR_NOT_FOUND);
	assert_int_equal(aim(f, "ffff:/home"), ERR_NOT_FOUND);
}

static void a_path_without_a_slash_is_meant_from_the_current_folder_else_from_the_root(void **state)
{
	static const char *const deep[] = { "/home", "/home/home", NULL };
	struct fixture *f = *state;
	char *cwd = getcwd(NULL, 0);

	assert_int_equal(chdir("/"), 0);
	assert_int_equal(aim(f, "latest:home/letter"), ERR_NONE);
	assert_string_equal(f->target.path, "/home/letter");
	assert_int_equal(chdir("/proc"), 0);
	assert_int_equal(aim(f, "latest:home/letter"), ERR_NONE);
	assert_string_equal(f->target.path, "/home/letter");
	assert_int_equal(chdir("/home"), 0);
	add_snapshot(f, SNAPSHOTS + 1, deep);
	assert_int_equal(aim(f, "latest:home"), ERR_NONE);
	assert_string_equal(f->target.path, "/home/home");
	assert_int_equal(chdir(cwd), 0);
	free(cwd);
}

static int aim_below(struct fixture *f, const char *place, const char *path, const char *expected)
{
	char *out;
	int code;

	assert_int_equal(aim(f, place), ERR_NONE);
	code = select_below(f->t, &f->target, path, &out, &f->err);
	if (code == ERR_NONE) {
		assert_string_equal(out, expected);
		free(out);
	}
	return code;
}

static void paths_below_a_place_are_meant_from_the_current_folder_else_from_the_place(void **state)
{
	static const char *const deep[] = { "/home", "/home/home", "/home/other", NULL };
	struct fixture *f = *state;
	char *cwd = getcwd(NULL, 0);

	add_snapshot(f, SNAPSHOTS + 1, deep);
	add_snapshot(f, SNAPSHOTS + 2, deep);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(aim_below(f, "latest", "home", "/home"), ERR_NONE);
	assert_int_equal(aim_below(f, "latest", "/", "/"), ERR_NONE);
	assert_int_equal(aim_below(f, "latest", "home/other", "/home/other"), ERR_NONE);
	assert_int_equal(aim_below(f, "latest:/home", "other", "/home/other"), ERR_NONE);
	assert_int_equal(aim_below(f, "latest:/home", "home", "/home"), ERR_NONE);
	assert_int_equal(aim_below(f, "latest:/home", "home/", "/home"), ERR_NONE);
	assert_int_equal(chdir("/proc"), 0);
	assert_int_equal(aim_below(f, "latest", "home/other", "/home/other"), ERR_NONE);
	assert_int_equal(aim_below(f, "latest:/home", "home", "/home/home"), ERR_NONE);
	assert_int_equal(aim_below(f, "latest:/home/other", "/home/other", "/home/other"),
			 ERR_NONE);
	assert_int_equal(aim_below(f, "latest:/home/other", "/home/home", NULL), ERR_NOT_FOUND);
	assert_string_equal(f->err.message, "/home/home: it is not below /home/other");
	assert_int_equal(aim_below(f, "latest:/home/other", "/home/othe", NULL), ERR_NOT_FOUND);
	assert_int_equal(aim_below(f, "latest:/home", "nobody", NULL), ERR_NOT_FOUND);
	assert_non_null(strstr(f->err.message, "nobody: "));
	assert_int_equal(chdir(cwd), 0);
	free(cwd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(latest_is_the_newest_of_this_host),
		TEST(latest_is_the_newest_of_all_when_this_host_has_none),
		TEST(latest_and_a_number_counts_back_among_the_same),
		TEST(filters_come_before_the_choice),
		TEST(an_id_may_be_cut_as_long_as_it_is_the_only_one),
		TEST(a_word_that_names_no_snapshot_is_a_usage_error),
		TEST(a_path_stands_behind_the_colon),
		TEST(without_a_path_it_is_the_root_of_all),
		TEST(a_path_that_is_not_there_is_named),
		TEST(a_path_without_a_slash_is_meant_from_the_current_folder_else_from_the_root),
		TEST(paths_below_a_place_are_meant_from_the_current_folder_else_from_the_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
