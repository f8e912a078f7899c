/* Each system call of a restore and of a walk fails in turn: what is told, and what is left. */
#include "archive/beneath.h"
#include "archive/source.h"
#include "archive/target.h"
#include "archive/walk.h"
#include "tests/support/deny.h"
#include "tests/support/restore.h"
#include "tests/support/temp.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* What is done while a call fails; the code of the first step that did. */
typedef int step_fn(struct restore *r);

static int new_file(struct restore *r)
{
	struct node n = node_file("text", 0600);

	return restore_file(r, r->root, "new", &n, "text", NULL);
}

static int linked_file(struct restore *r)
{
	struct node n = node_file("text", 0600);

	n.links = 2;
	return restore_file(r, r->root, "new", &n, "text", NULL);
}

static int old_file(struct restore *r)
{
	struct node n = node_file("text", 0600);

	return restore_file(r, r->root, "old", &n, "text", NULL);
}

static int old_link(struct restore *r)
{
	struct node n = node_link("elsewhere");

	return restore_special(r, r->root, "old", &n, NULL);
}

static int new_link(struct restore *r)
{
	struct node n = node_link("elsewhere");

	return restore_special(r, r->root, "new", &n, NULL);
}

static int new_folder(struct restore *r)
{
	struct node n = node_folder(0700);
	struct target_folder *sub;
	int code = restore_enter(r, r->root, "new", &n, &sub);

	if (code == ERR_NONE)
		target_leave(sub, true);
	return code;
}

static int folder_over_file(struct restore *r)
{
	struct node n = node_folder(0700);
	struct target_folder *sub;

	return restore_enter(r, r->root, "old", &n, &sub);
}

static int sparse_file(struct restore *r)
{
	struct node n = node_file("", 0600);
	struct target_file *file;
	enum target_outcome outcome;

	n.size_bytes = 1000;
	if (target_begin(r->root, "new", 3, &n, &file, &outcome, &r->err) != ERR_NONE)
		return (int)r->err.code;
	target_hole(file, 0, 1000, &r->err);
	return target_commit(file, &r->err);
}

static int read_back(struct restore *r)
{
	struct node n = node_file("text", 0600);
	struct target_file *file;
	enum target_outcome outcome;
	char back[4];
	int code;

	target_begin(r->root, "new", 3, &n, &file, &outcome, &r->err);
	target_write(file, 0, "text", 4, &r->err);
	code = target_read(file, 0, back, 4, &r->err);
	target_abort(file);
	return code;
}

static int partial_of_linked(struct restore *r)
{
	struct node n = node_file("text", 0600);
	struct target_file *file;
	enum target_outcome outcome;

	n.links = 2;
	target_begin(r->root, "new", 3, &n, &file, &outcome, &r->err);
	return target_keep_partial(file, &r->err);
}

static int sync_all(struct restore *r)
{
	return target_sync(r->target, &r->err);
}

static int open_target(struct restore *r)
{
	struct target *t;

	return target_open(temp_path(r->path, "in"), &r->options, &t, &r->err);
}

static int list_others(struct restore *r)
{
	return target_delete_others(r->root, &r->err);
}

/* After each of them only "old" is there, as it was. fstat() is either call, as the C library (or
 * a sanitizer in its place) likes. */
static const struct fault {
	const char *name;
	step_fn *step;
	struct denied calls[4];
	enum err_code code;
} faults[] = {
	{"create", new_file, {{SYS_openat2, EIO}}, ERR_IO},
	{"create, no room", new_file, {{SYS_openat2, ENOSPC}}, ERR_FULL},
	{"look", old_file, {{SYS_newfstatat, EIO}}, ERR_IO},
	{"write", new_file, {{SYS_pwrite64, ENOSPC}}, ERR_FULL},
	{"write over", old_file, {{SYS_pwrite64, EIO}}, ERR_IO},
	{"stat", linked_file, {{SYS_newfstatat, EIO}, {SYS_fstat, EIO}}, ERR_IO},
	{"set size", sparse_file, {{SYS_ftruncate, EIO}}, ERR_IO},
	{"name", old_file, {{SYS_linkat, EIO}}, ERR_IO},
	{"rename", old_file, {{SYS_renameat, EIO}}, ERR_IO},
	{"close", new_file, {{SYS_close, EIO}}, ERR_IO},
	{"close over", old_file, {{SYS_close, EDQUOT}}, ERR_FULL},
	{"read back", read_back, {{SYS_pread64, EIO}}, ERR_IO},
	{"partial", partial_of_linked, {{SYS_renameat, EIO}}, ERR_IO},
	{"partial, set size", partial_of_linked, {{SYS_ftruncate, EIO}}, ERR_IO},
	{"symlink", new_link, {{SYS_symlinkat, EIO}}, ERR_IO},
	{"symlink over", old_link, {{SYS_renameat, EIO}}, ERR_IO},
	{"open symlink", new_link, {{SYS_openat2, EIO}}, ERR_IO},
	{"open symlink over", old_link, {{SYS_openat2, EIO}}, ERR_IO},
	{"stat symlink", new_link, {{SYS_newfstatat, EIO}, {SYS_fstat, EIO}}, ERR_IO},
	{"make folder", new_folder, {{SYS_mkdirat, EACCES}}, ERR_DENIED},
	{"look for folder", folder_over_file, {{SYS_newfstatat, EIO}}, ERR_IO},
	{"make way for folder", folder_over_file, {{SYS_unlinkat, EIO}}, ERR_IO},
	{"sync", sync_all, {{SYS_syncfs, EIO}}, ERR_IO},
	{"open", open_target, {{SYS_openat, EMFILE}}, ERR_IO},
	{"list", list_others, {{SYS_getdents64, EIO}}, ERR_IO},
};

struct trial {
	struct restore *r;
	const struct fault *fault;
};

static bool try_fault(void *ctx)
{
	struct trial *t = ctx;
	int code;

	restore_open(t->r);
	if (!deny_calls(t->fault->calls))
		return false;
	code = t->fault->step(t->r);
	if (code == (int)t->fault->code && code == (int)t->r->err.code &&
	    strlen(t->r->err.message) > 0)
		return true;
	fprintf(stderr, "%s: code %d, %s\n", t->fault->name, code, t->r->err.message);
	return false;
}

static void a_step_that_fails_says_so_and_leaves_what_was_there(void **state)
{
	struct restore *r = *state;

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		struct trial trial = {r, &faults[i]};

		tree_file(r->in_fd, "old", "old");
		if (!in_child(try_fault, &trial))
			fail_msg("%s", faults[i].name);
		/* What was denied to the child may have kept it from tidying up an empty folder
		 * or a file; nothing else may be left. */
		assert_string_equal(tree_read(r->in_fd, "old"), "old");
		if (tree_count(r->in_fd, ".") != 1)
			fail_msg("%s: something is left", faults[i].name);
	}
}

static bool lose_metadata(void *ctx)
{
	static const struct denied calls[] = {
		{SYS_fchown, EIO}, {SYS_fchmod, EIO}, {SYS_utimensat, EIO}, {0, 0}};
	struct restore *r = ctx;

	restore_open(r);
	if (!deny_calls(calls) || new_file(r) != ERR_NONE)
		return false;
	restore_close(r, true);
	return r->counts.failed[META_OWNER] == 1 && r->counts.failed[META_MODE] == 1 &&
	       r->counts.failed[META_TIME] == 1 && r->counts.refused[META_OWNER] == 0 &&
	       strstr(restore_notes(r), "error new: owner could not be set: Input/output error\n");
}

static void metadata_that_fails_is_counted_and_the_file_stays(void **state)
{
	struct restore *r = *state;

	assert_true(in_child(lose_metadata, r));
	assert_string_equal(tree_read(r->in_fd, "new"), "text");
}

static bool keep_others(void *ctx)
{
	static const struct denied calls[] = {{SYS_unlinkat, EACCES}, {0, 0}};
	struct restore *r = ctx;

	restore_open(r);
	if (target_delete_others(r->root, &r->err) != ERR_NONE || !deny_calls(calls))
		return false;
	restore_close(r, true);
	return r->counts.errors == 1 && r->counts.deleted == 0 &&
	       strstr(restore_notes(r), "error other: remove other: Permission denied\n");
}

static void what_cannot_be_deleted_is_told(void **state)
{
	struct restore *r = *state;

	tree_file(r->in_fd, "other", "");
	assert_true(in_child(keep_others, r));
	assert_true(tree_has(r->in_fd, "other"));
}

static bool make_device(void *ctx)
{
	static const struct denied calls[] = {{SYS_mknodat, EPERM}, {0, 0}};
	struct node n = node_special(NODE_BLOCK_DEVICE, makedev(8, 0));
	struct restore *r = ctx;
	enum target_outcome outcome;

	restore_open(r);
	if (!deny_calls(calls) || restore_special(r, r->root, "device", &n, &outcome) != ERR_NONE)
		return false;
	restore_close(r, true);
	return outcome == TARGET_LEFT_OUT && r->counts.refused[META_DEVICE] == 1;
}

static void a_device_is_not_for_every_root(void **state)
{
	assert_true(in_child(make_device, *state));
}

static void what_takes_the_place_of_a_file_meanwhile_stays(void **state)
{
	struct restore *r = *state;
	struct node n = node_file("text", 0600);
	struct target_file *file;
	enum target_outcome outcome;

	tree_file(r->in_fd, "old", "old");
	restore_open(r);
	assert_int_equal(target_begin(r->root, "old", 3, &n, &file, &outcome, &r->err), ERR_NONE);
	assert_int_equal(target_write(file, 0, "text", 4, &r->err), ERR_NONE);
	assert_int_equal(unlinkat(r->in_fd, "old", 0), 0);
	tree_file(r->in_fd, "old/mine", "mine");
	assert_int_not_equal(target_commit(file, &r->err), ERR_NONE);
	restore_close(r, true);
	assert_string_equal(tree_read(r->in_fd, "old/mine"), "mine");
	assert_int_equal(tree_count(r->in_fd, "."), 1);
}

/* ---- the reading side ---- */

static bool walk_blind(void *ctx)
{
	static const struct denied calls[] = {{SYS_getdents64, EIO}, {0, 0}};
	struct restore *r = ctx;
	struct walk_options options = {.note = r->options.note, .note_ctx = r};
	const char *path = r->path;
	struct walk_folder f;
	struct walk_entry e;
	struct roots roots;
	struct walk *w;
	bool unreadable = false;

	if (!deny_calls(calls) || roots_make(&path, 1, &roots, &r->err) != ERR_NONE ||
	    walk_open(&options, &roots, &w, &r->err) != ERR_NONE)
		return false;
	while (walk_next_folder(w, &f, &r->err)) {
		unreadable = f.unreadable;
		while (walk_next_entry(w, &e, &r->err))
			;
	}
	walk_close(w);
	return r->err.code == ERR_NONE && unreadable &&
	       strstr(restore_notes(r), ": list: Input/output error\n");
}

static void a_folder_that_cannot_be_listed_is_noted(void **state)
{
	assert_true(in_child(walk_blind, *state));
}

static bool read_attributes(void *ctx)
{
	static const struct denied calls[] = {
		{SYS_llistxattr, EIO}, {SYS_readlinkat, EIO}, {SYS_lgetxattr, EIO}, {0, 0}};
	struct restore *r = ctx;
	struct buf out = {0};
	struct source s;

	return deny_calls(calls) && meta_read_xattrs(r->in_fd, "old", &out, &r->err) == ERR_IO &&
	       meta_read_link(r->in_fd, "old", &out, &r->err) == ERR_IO &&
	       source_open(&s, r->in_fd, "old", &r->err) == ERR_NONE;
}

static bool open_source(void *ctx)
{
	static const struct denied calls[] = {{SYS_newfstatat, EIO}, {SYS_fstat, EIO}, {0, 0}};
	struct restore *r = ctx;
	struct source s;

	return deny_calls(calls) && source_open(&s, r->in_fd, "old", &r->err) == ERR_IO;
}

static bool open_without_descriptors(void *ctx)
{
	static const struct denied calls[] = {{SYS_openat, EMFILE}, {0, 0}};
	struct restore *r = ctx;
	struct source s;

	return deny_calls(calls) && source_open(&s, r->in_fd, "old", &r->err) == ERR_IO;
}

static void a_file_that_cannot_be_opened_or_looked_at_is_an_error(void **state)
{
	struct restore *r = *state;

	tree_file(r->in_fd, "old", "old");
	assert_true(in_child(read_attributes, r));
	assert_true(in_child(open_source, r));
	assert_true(in_child(open_without_descriptors, r));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, restore_set_up, restore_tear_down)
	const struct CMUnitTest tests[] = {
		T(a_step_that_fails_says_so_and_leaves_what_was_there),
		T(metadata_that_fails_is_counted_and_the_file_stays),
		T(what_cannot_be_deleted_is_told),
		T(a_device_is_not_for_every_root),
		T(what_takes_the_place_of_a_file_meanwhile_stays),
		T(a_folder_that_cannot_be_listed_is_noted),
		T(a_file_that_cannot_be_opened_or_looked_at_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
