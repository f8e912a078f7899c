/* Files with several names: written once, linked for the rest. */
#include "tests/support/restore.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void names_of_one_file_become_hard_links(void **state)
{
	struct restore *r = *state;
	struct node n = node_file("text", 0600), folder = node_folder(0700);
	struct target_folder *sub;
	enum target_outcome outcome;

	n.links = 4;
	tree_file(r->in_fd, "third", "in the way");
	restore_open(r);
	assert_int_equal(restore_file(r, r->root, "first", &n, "text", &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_WRITE);
	assert_int_equal(restore_enter(r, r->root, "sub", &folder, &sub), ERR_NONE);
	assert_int_equal(restore_file(r, sub, "second", &n, "text", &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_MADE);
	target_leave(sub, true);
	assert_int_equal(restore_file(r, r->root, "third", &n, "text", &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_MADE);
	/* Another file that bears its numbers: of another disk, or of another time. */
	n.ctime_ns++;
	assert_int_equal(restore_file(r, r->root, "twin", &n, "text", &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_WRITE);
	restore_close(r, true);
	assert_int_equal(tree_stat(r->in_fd, "first").st_nlink, 3);
	assert_int_equal(tree_stat(r->in_fd, "sub/second").st_ino,
			 tree_stat(r->in_fd, "third").st_ino);
	assert_int_equal(tree_stat(r->in_fd, "twin").st_nlink, 1);
	/* Again, with all of them there: nothing is written, and they stay links. */
	n.ctime_ns--;
	restore_open(r);
	assert_int_equal(restore_file(r, r->root, "first", &n, "text", &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_SAME);
	assert_int_equal(restore_file(r, r->root, "third", &n, "text", &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_MADE);
	restore_close(r, true);
	assert_int_equal(tree_stat(r->in_fd, "first").st_nlink, 3);
	assert_int_equal(tree_count(r->in_fd, "."), 4);
}

static void a_link_waits_for_its_first_name_and_takes_its_place_if_that_fails(void **state)
{
	struct restore *r = *state;
	struct node n = node_file("text", 0600);
	struct target_file *first, *second;
	enum target_outcome outcome;

	n.links = 2;
	restore_open(r);
	assert_int_equal(target_begin(r->root, "a", 1, &n, &first, &outcome, &r->err), ERR_NONE);
	assert_int_equal(outcome, TARGET_WRITE);
	assert_int_equal(target_begin(r->root, "b", 1, &n, &second, &outcome, &r->err), ERR_NONE);
	assert_int_equal(outcome, TARGET_WAIT);
	assert_null(second);
	target_abort(first);
	assert_int_equal(restore_file(r, r->root, "b", &n, "text", &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_WRITE);
	/* The first is gone again: the next one is written. */
	assert_int_equal(unlinkat(r->in_fd, "b", 0), 0);
	assert_int_equal(restore_file(r, r->root, "c", &n, "text", &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_WRITE);
	/* All its names are through: it is forgotten, and would be written anew. */
	assert_int_equal(restore_file(r, r->root, "d", &n, "text", &outcome), ERR_NONE);
	restore_close(r, true);
	assert_string_equal(tree_read(r->in_fd, "c"), "text");
	assert_false(tree_has(r->in_fd, "a"));
}

static void many_files_with_links_are_told_apart(void **state)
{
	struct restore *r = *state;
	enum target_outcome outcome;
	char name[32];

	restore_open(r);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 300; i++) {
			struct node n = node_file("text", 0600);

			n.links = 3;
			n.inode = 7 * i;
			snprintf(name, sizeof(name), "%u-%u", i, round);
			assert_int_equal(restore_file(r, r->root, name, &n, "text", &outcome),
					 ERR_NONE);
			assert_int_equal(outcome, round == 0 ? TARGET_WRITE : TARGET_MADE);
		}
	}
	restore_close(r, true);
	assert_int_equal(tree_stat(r->in_fd, "299-1").st_ino, tree_stat(r->in_fd, "299-0").st_ino);
}

static void names_of_one_link_or_pipe_become_hard_links(void **state)
{
	struct restore *r = *state;
	struct node nodes[] = {node_link("somewhere"), node_special(NODE_FIFO, 0)};
	enum target_outcome outcome;

	tree_link(r->in_fd, "in the way", "1-0");
	for (unsigned again = 0; again < 2; again++) {
		restore_open(r);
		for (unsigned i = 0; i < 4; i++) {
			char name[] = {(char)('0' + i / 2), '-', (char)('0' + i % 2), '\0'};
			struct node n = nodes[i % 2];

			/* Of the same numbers, but of two types. */
			n.links = 2;
			n.inode = 7;
			assert_int_equal(restore_special(r, r->root, name, &n, &outcome), ERR_NONE);
			assert_int_equal(outcome, again && i < 2 ? TARGET_SAME : TARGET_MADE);
		}
		restore_close(r, true);
		for (unsigned i = 0; i < 2; i++) {
			const char *first = i == 0 ? "0-0" : "0-1", *second = i == 0 ? "1-0" : "1-1";

			assert_int_equal(tree_stat(r->in_fd, first).st_nlink, 2);
			assert_int_equal(tree_stat(r->in_fd, first).st_ino,
					 tree_stat(r->in_fd, second).st_ino);
			assert_int_equal(tree_time(r->in_fd, second), NODE_TIME_NS);
		}
	}
	assert_int_equal(tree_count(r->in_fd, "."), 4);
}

static void a_link_that_the_policy_keeps_is_none_to_link_to(void **state)
{
	struct restore *r = *state;
	struct node n = node_link("stored");
	enum target_outcome outcome;

	n.links = 2;
	tree_link(r->in_fd, "theirs", "a");
	r->options.overwrite = TARGET_NEVER;
	restore_open(r);
	assert_int_equal(restore_special(r, r->root, "a", &n, &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_KEPT);
	assert_int_equal(restore_special(r, r->root, "b", &n, &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_MADE);
	restore_close(r, true);
	assert_int_equal(tree_stat(r->in_fd, "a").st_nlink, 1);
	assert_int_equal(tree_stat(r->in_fd, "b").st_nlink, 1);
}

static void a_hard_link_is_made_to_what_was_restored_only(void **state)
{
	struct restore *r = *state;
	struct node n = node_file("text", 0600);
	enum target_outcome outcome;

	n.links = 3;
	/* Of the size and the time of the node, so that only its identity can tell. */
	tree_file(r->out_fd, "victim", "good");
	tree_set_time(r->out_fd, "victim", NODE_TIME_NS);
	restore_open(r);
	assert_int_equal(restore_file(r, r->root, "first", &n, "text", NULL), ERR_NONE);
	assert_int_equal(unlinkat(r->in_fd, "first", 0), 0);
	assert_int_equal(linkat(r->out_fd, "victim", r->in_fd, "first", 0), 0);
	assert_int_equal(restore_file(r, r->root, "second", &n, "text", &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_WRITE);
	assert_int_equal(unlinkat(r->in_fd, "second", 0), 0);
	tree_link(r->in_fd, "../out/victim", "second");
	assert_int_equal(restore_file(r, r->root, "third", &n, "text", &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_WRITE);
	restore_close(r, true);
	assert_string_equal(tree_read(r->in_fd, "third"), "text");
	assert_int_equal(tree_stat(r->out_fd, "victim").st_nlink, 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, restore_set_up, restore_tear_down)
	const struct CMUnitTest tests[] = {
		T(names_of_one_file_become_hard_links),
		T(a_link_waits_for_its_first_name_and_takes_its_place_if_that_fails),
		T(many_files_with_links_are_told_apart),
		T(names_of_one_link_or_pipe_become_hard_links),
		T(a_link_that_the_policy_keeps_is_none_to_link_to),
		T(a_hard_link_is_made_to_what_was_restored_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
