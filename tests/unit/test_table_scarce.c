/*
 * The table when memory runs out in its own code: every allocation fails once, and each time the
 * call says so, leaks nothing, and leaves what was there. SQLite's own allocations are the matter
 * of test_table_faults.c.
 */
#include "tests/support/temp.h"
#include "tests/support/whole_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/scarce.h"

struct fixture {
	char *folder;
	struct segment segments[WHOLE_SEGMENTS];
	struct error err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->folder = temp_folder_in_memory();
	whole_table_segments(f->segments);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < WHOLE_SEGMENTS; i++)
		segment_release(&f->segments[i]);
	temp_folder_remove(f->folder);
	free(f);
	return 0;
}

static int open_table(struct fixture *f, struct table **t)
{
	struct id id = test_id('a', 1);
	bool fresh;

	return table_open(temp_path(f->folder, "table"), &id, t, &fresh, &f->err);
}

static int replay_all(void *ctx)
{
	struct fixture *f = ctx;
	struct table *t;
	int code = open_table(f, &t);

	for (size_t i = 0; code == ERR_NONE && i < WHOLE_SEGMENTS; i++)
		code = table_apply(t, &f->segments[i], &f->err);
	if (code == ERR_NONE)
		code = table_settle(t, &f->err);
	table_close(t);
	unlink(temp_path(f->folder, "table"));
	return code;
}

static void a_replay_without_memory_says_so(void **state)
{
	if (SANITIZED)
		skip();
	fail_everywhere(replay_all, *state, 50);
}

static int ask_all(void *ctx)
{
	struct fixture *f = ctx;
	struct table *t;
	int code = open_table(f, &t);

	if (code == ERR_NONE)
		code = whole_table_ask(t, &f->err);
	table_close(t);
	return code;
}

static void questions_without_memory_say_so(void **state)
{
	struct fixture *f = *state;
	struct table *t;
	struct hash before, after;

	if (SANITIZED)
		skip();
	assert_int_equal(open_table(f, &t), ERR_NONE);
	for (size_t i = 0; i < WHOLE_SEGMENTS; i++)
		assert_int_equal(table_apply(t, &f->segments[i], &f->err), ERR_NONE);
	before = test_fingerprint(t);
	table_close(t);
	fail_everywhere(ask_all, f, 100);
	assert_int_equal(open_table(f, &t), ERR_NONE);
	after = test_fingerprint(t);
	assert_memory_equal(before.b, after.b, HASH_BYTES);
	table_close(t);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_replay_without_memory_says_so),
		TEST(questions_without_memory_say_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
