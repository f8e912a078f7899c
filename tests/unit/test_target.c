/* Targets: what is made, what is replaced, what is deleted, and in what order. */
#include "archive/target.h"

#include "tests/support/restore.h"
#include "tests/support/temp.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define OLD_NS (NODE_TIME_NS - 5000000000)

static void every_kind_of_thing_comes_with_its_mode_and_time(void **state)
{
	struct restore *r = *state;
	struct target_folder *sub;
	struct node folder = node_folder(0751), file = node_file("text", 0640);
	struct node link = node_link("nowhere"), pipe = node_special(NODE_FIFO, 0);
	struct node device = node_special(NODE_CHAR_DEVICE, makedev(1, 3));
	struct node empty = node_file("", 0400);
	enum target_outcome outcome;

	restore_open(r);
	assert_int_equal(restore_enter(r, r->root, "sub", &folder, &sub), ERR_NONE);
	assert_int_equal(restore_file(r, sub, "file", &file, "text", &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_WRITE);
	assert_int_equal(restore_file(r, sub, "empty", &empty, "", NULL), ERR_NONE);
	assert_int_equal(restore_special(r, sub, "link", &link, &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_MADE);
	assert_int_equal(restore_special(r, sub, "pipe", &pipe, NULL), ERR_NONE);
	assert_int_equal(restore_special(r, sub, "null", &device, &outcome), ERR_NONE);
	assert_int_equal(outcome, geteuid() == 0 ? TARGET_MADE : TARGET_LEFT_OUT);
	/* Not yet its own: it is still written in. */
	assert_int_equal(tree_stat(r->in_fd, "sub").st_mode & 07777, 0700);
	target_leave(sub, true);
	assert_int_equal(target_sync(r->target, &r->err), ERR_NONE);
	restore_close(r, true);
	assert_string_equal(tree_read(r->in_fd, "sub/file"), "text");
	assert_int_equal(tree_stat(r->in_fd, "sub/file").st_mode, S_IFREG | 0640);
	assert_int_equal(tree_stat(r->in_fd, "sub/empty").st_mode, S_IFREG | 0400);
	assert_int_equal(tree_stat(r->in_fd, "sub/pipe").st_mode, S_IFIFO | 0640);
	assert_int_equal(tree_stat(r->in_fd, "sub").st_mode, S_IFDIR | 0751);
	if (geteuid() == 0) {
		assert_int_equal(tree_stat(r->in_fd, "sub/null").st_rdev, makedev(1, 3));
		assert_int_equal(tree_stat(r->in_fd, "sub/null").st_mode, S_IFCHR | 0640);
	}
	assert_int_equal(tree_time(r->in_fd, "sub/file"), NODE_TIME_NS);
	assert_int_equal(tree_time(r->in_fd, "sub/link"), NODE_TIME_NS);
	assert_int_equal(tree_time(r->in_fd, "sub/pipe"), NODE_TIME_NS);
	assert_int_equal(tree_time(r->in_fd, "sub"), NODE_TIME_NS);
	assert_int_equal(r->counts.errors, 0);
}

static void a_time_before_1970_is_a_time(void **state)
{
	struct restore *r = *state;
	struct node file = node_file("", 0600);

	file.mtime_ns = -1;
	restore_open(r);
	assert_int_equal(restore_file(r, r->root, "old", &file, "", NULL), ERR_NONE);
	restore_close(r, true);
	assert_int_equal(tree_time(r->in_fd, "old"), -1);
}

static void holes_stay_holes_unless_zeros_are_asked_for(void **state)
{
	struct restore *r = *state;
	struct node n = node_file("", 0600);
	enum target_outcome outcome;
	struct target_file *file;
	char back[8];

	n.size_bytes = 4 << 20;
	for (unsigned i = 0; i < 2; i++) {
		const char *name = i == 0 ? "sparse" : "full";

		r->options.no_sparse = i == 1;
		restore_open(r);
		assert_int_equal(
			target_begin(r->root, name, strlen(name), &n, &file, &outcome, &r->err),
			ERR_NONE);
		assert_int_equal(target_hole(file, 1 << 20, 3 << 20, &r->err), ERR_NONE);
		assert_int_equal(target_hole(file, 4, (1 << 20) - 4, &r->err), ERR_NONE);
		assert_int_equal(target_write(file, 0, "text", 4, &r->err), ERR_NONE);
		assert_int_equal(target_read(file, 2, back, 8, &r->err), ERR_NONE);
		assert_memory_equal(back, "xt\0\0\0\0\0\0", 8);
		assert_int_equal(target_commit(file, &r->err), ERR_NONE);
		restore_close(r, true);
		assert_int_equal(tree_stat(r->in_fd, name).st_size, 4 << 20);
		if (i == 0)
			assert_true(tree_stat(r->in_fd, name).st_blocks < 64);
		else
			assert_true(tree_stat(r->in_fd, name).st_blocks >= 8192);
	}
}

static void a_file_of_5_TiB_is_mostly_a_hole(void **state)
{
	struct restore *r = *state;
	struct node n = node_file("", 0600);
	enum target_outcome outcome;
	struct target_file *file;
	uint64_t size = (uint64_t)5 << 40;

	n.size_bytes = size;
	restore_open(r);
	assert_int_equal(target_begin(r->root, "f", 1, &n, &file, &outcome, &r->err), ERR_NONE);
	assert_int_equal(target_hole(file, 0, size - 3, &r->err), ERR_NONE);
	assert_int_equal(target_write(file, size - 3, "end", 3, &r->err), ERR_NONE);
	assert_int_equal(target_commit(file, &r->err), ERR_NONE);
	restore_close(r, true);
	assert_int_equal(tree_stat(r->in_fd, "f").st_size, size);
}

static void a_file_that_is_not_whole_leaves_nothing(void **state)
{
	struct restore *r = *state;
	struct node n = node_file("12345", 0600);
	enum target_outcome outcome;
	struct target_file *file;

	tree_file(r->in_fd, "old", "old");
	restore_open(r);
	for (unsigned i = 0; i < 2; i++) {
		const char *name = i == 0 ? "new" : "old";

		assert_int_equal(restore_file(r, r->root, name, &n, "1234", NULL), ERR_CORRUPT);
		assert_int_equal(restore_file(r, r->root, name, &n, "123456", NULL), ERR_CORRUPT);
		assert_int_equal(target_begin(r->root, name, 3, &n, &file, &outcome, &r->err),
				 ERR_NONE);
		assert_int_equal(target_hole(file, 5, 1, &r->err), ERR_CORRUPT);
		assert_int_equal(target_hole(file, UINT64_MAX, 2, &r->err), ERR_CORRUPT);
		assert_int_equal(target_read(file, 0, NULL, 6, &r->err), ERR_CORRUPT);
		target_abort(file);
	}
	target_abort(NULL);
	restore_close(r, true);
	assert_string_equal(tree_read(r->in_fd, "old"), "old");
	assert_int_equal(tree_count(r->in_fd, "."), 1);
}

static void an_error_of_the_disk_leaves_what_was_there(void **state)
{
	struct restore *r = *state;
	struct node n = node_file("", 0600);
	struct rlimit before, small;
	enum target_outcome outcome;
	struct target_file *file;

	n.size_bytes = 1 << 20;
	tree_file(r->in_fd, "old", "old");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 4096;
	signal(SIGXFSZ, SIG_IGN);
	restore_open(r);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(target_begin(r->root, "old", 3, &n, &file, &outcome, &r->err), ERR_NONE);
	assert_int_equal(target_write(file, 8192, "x", 1, &r->err), ERR_FULL);
	assert_int_equal(target_hole(file, 0, 1 << 20, &r->err), ERR_NONE);
	assert_int_equal(target_commit(file, &r->err), ERR_FULL);
	r->options.no_sparse = true;
	assert_int_equal(target_begin(r->root, "new", 3, &n, &file, &outcome, &r->err), ERR_NONE);
	assert_int_equal(target_keep_partial(file, &r->err), ERR_FULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	restore_close(r, true);
	assert_string_equal(tree_read(r->in_fd, "old"), "old");
	assert_int_equal(tree_count(r->in_fd, "."), 1);
}

static void zeros_that_cannot_be_written_are_an_error(void **state)
{
	struct restore *r = *state;
	struct node n = node_file("", 0600);
	struct rlimit before, small;
	enum target_outcome outcome;
	struct target_file *file;

	n.size_bytes = 1 << 20;
	r->options.no_sparse = true;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 4096;
	signal(SIGXFSZ, SIG_IGN);
	restore_open(r);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(target_begin(r->root, "f", 1, &n, &file, &outcome, &r->err), ERR_NONE);
	assert_int_equal(target_hole(file, 0, 1 << 20, &r->err), ERR_FULL);
	target_abort(file);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	restore_close(r, true);
	assert_int_equal(tree_count(r->in_fd, "."), 0);
}

static void a_partial_file_has_a_name_of_its_own(void **state)
{
	struct restore *r = *state;
	struct node n = node_file("12345", 06755);
	enum target_outcome outcome;
	struct target_file *file;
	char longest[256];

	memset(longest, 'n', 255);
	longest[255] = '\0';
	tree_file(r->in_fd, "old", "old");
	tree_file(r->in_fd, "old.mrmr-partial", "of an earlier try");
	restore_open(r);
	for (unsigned i = 0; i < 2; i++) {
		const char *name = i == 0 ? "new" : "old";

		assert_int_equal(target_begin(r->root, name, 3, &n, &file, &outcome, &r->err),
				 ERR_NONE);
		assert_int_equal(target_write(file, 3, "45", 2, &r->err), ERR_NONE);
		assert_int_equal(target_keep_partial(file, &r->err), ERR_NONE);
	}
	assert_int_equal(target_begin(r->root, longest, 255, &n, &file, &outcome, &r->err),
			 ERR_NONE);
	assert_int_equal(target_keep_partial(file, &r->err), ERR_UNSUPPORTED);
	restore_close(r, true);
	assert_string_equal(tree_read(r->in_fd, "old"), "old");
	assert_int_equal(tree_stat(r->in_fd, "old.mrmr-partial").st_size, 5);
	assert_int_equal(tree_stat(r->in_fd, "old.mrmr-partial").st_mode, S_IFREG | 0755);
	assert_memory_equal(tree_read(r->in_fd, "new.mrmr-partial"),
			    "\0\0\0"
			    "45",
			    5);
	assert_int_equal(tree_count(r->in_fd, "."), 3);
}

static void the_policy_decides_about_what_exists(void **state)
{
	static const struct {
		enum target_overwrite policy;
		const char *there;
		int64_t there_ns;
		enum target_outcome outcome;
		const char *after;
	} cases[] = {
		{TARGET_IF_CHANGED, "OLD", NODE_TIME_NS, TARGET_SAME, "OLD"},
		{TARGET_IF_CHANGED, "OLDER", NODE_TIME_NS, TARGET_WRITE, "new"},
		{TARGET_IF_CHANGED, "OLD", NODE_TIME_NS + 1, TARGET_WRITE, "new"},
		{TARGET_ALWAYS, "OLD", NODE_TIME_NS, TARGET_WRITE, "new"},
		{TARGET_IF_NEWER, "OLD", NODE_TIME_NS, TARGET_KEPT, "OLD"},
		{TARGET_IF_NEWER, "OLD", NODE_TIME_NS + 1, TARGET_KEPT, "OLD"},
		{TARGET_IF_NEWER, "OLD", NODE_TIME_NS - 1, TARGET_WRITE, "new"},
		{TARGET_NEVER, "OLD", OLD_NS, TARGET_KEPT, "OLD"},
	};
	struct restore *r = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct node n = node_file("new", 0640);
		enum target_outcome outcome;

		tree_file(r->in_fd, "f", cases[i].there);
		assert_int_equal(fchmodat(r->in_fd, "f", 0600, 0), 0);
		tree_set_time(r->in_fd, "f", cases[i].there_ns);
		r->options.overwrite = cases[i].policy;
		restore_open(r);
		assert_int_equal(restore_file(r, r->root, "f", &n, "new", &outcome), ERR_NONE);
		restore_close(r, true);
		assert_int_equal(outcome, cases[i].outcome);
		assert_string_equal(tree_read(r->in_fd, "f"), cases[i].after);
		/* What stays because it is the same gets the metadata; what is kept does not. */
		assert_int_equal(tree_stat(r->in_fd, "f").st_mode & 0777,
				 outcome == TARGET_KEPT ? 0600 : 0640);
		assert_int_equal(tree_count(r->in_fd, "."), 1);
	}
}

static void special_files_follow_the_policy_too(void **state)
{
	struct restore *r = *state;
	struct node link = node_link("there"), pipe = node_special(NODE_FIFO, 0);
	enum target_outcome outcome;

	tree_link(r->in_fd, "there", "same");
	tree_link(r->in_fd, "elsewhere", "other");
	tree_file(r->in_fd, "file", "");
	assert_int_equal(mkfifoat(r->in_fd, "pipe", 0600), 0);
	restore_open(r);
	assert_int_equal(restore_special(r, r->root, "same", &link, &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_SAME);
	assert_int_equal(restore_special(r, r->root, "other", &link, &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_MADE);
	assert_int_equal(restore_special(r, r->root, "file", &link, &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_MADE);
	assert_int_equal(restore_special(r, r->root, "pipe", &pipe, &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_SAME);
	restore_close(r, true);
	assert_int_equal(tree_time(r->in_fd, "same"), NODE_TIME_NS);
	assert_int_equal(tree_stat(r->in_fd, "pipe").st_mode & 0777, 0640);
	assert_true(S_ISLNK(tree_stat(r->in_fd, "file").st_mode));
	r->options.overwrite = TARGET_NEVER;
	restore_open(r);
	link = node_link("third");
	assert_int_equal(restore_special(r, r->root, "same", &link, &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_KEPT);
	restore_close(r, true);
	assert_int_equal(tree_count(r->in_fd, "."), 4);
}

static void a_folder_gives_way_only_when_it_is_empty(void **state)
{
	struct restore *r = *state;
	struct node file = node_file("text", 0600), link = node_link("x");

	tree_folder(r->in_fd, "empty");
	tree_folder(r->in_fd, "bare");
	tree_file(r->in_fd, "full/x", "");
	restore_open(r);
	assert_int_equal(restore_file(r, r->root, "empty", &file, "text", NULL), ERR_NONE);
	assert_int_equal(restore_special(r, r->root, "bare", &link, NULL), ERR_NONE);
	assert_int_equal(restore_file(r, r->root, "full", &file, "text", NULL), ERR_EXISTS);
	assert_int_equal(restore_special(r, r->root, "full", &link, NULL), ERR_EXISTS);
	restore_close(r, true);
	assert_string_equal(tree_read(r->in_fd, "empty"), "text");
	assert_true(S_ISLNK(tree_stat(r->in_fd, "bare").st_mode));
	assert_true(tree_has(r->in_fd, "full/x"));
}

static void a_file_gives_way_to_a_folder_if_the_policy_says_so(void **state)
{
	struct restore *r = *state;
	struct node folder = node_folder(0700);
	struct target_folder *sub;

	tree_file(r->in_fd, "f", "old");
	r->options.overwrite = TARGET_NEVER;
	restore_open(r);
	assert_int_equal(restore_enter(r, r->root, "f", &folder, &sub), ERR_EXISTS);
	assert_null(sub);
	restore_close(r, true);
	assert_string_equal(tree_read(r->in_fd, "f"), "old");
	r->options.overwrite = TARGET_ALWAYS;
	restore_open(r);
	assert_int_equal(restore_enter(r, r->root, "f", &folder, &sub), ERR_NONE);
	target_leave(sub, true);
	restore_close(r, true);
	assert_true(S_ISDIR(tree_stat(r->in_fd, "f").st_mode));
}

static void an_existing_folder_keeps_its_metadata_under_never(void **state)
{
	struct restore *r = *state;
	struct node folder = node_folder(0711);
	struct target_folder *sub;

	for (unsigned i = 0; i < 2; i++) {
		tree_folder(r->in_fd, "f");
		assert_int_equal(fchmodat(r->in_fd, "f", 0755, 0), 0);
		r->options.overwrite = i == 0 ? TARGET_NEVER : TARGET_IF_CHANGED;
		restore_open(r);
		assert_int_equal(restore_enter(r, r->root, "f", &folder, &sub), ERR_NONE);
		target_leave(sub, true);
		restore_close(r, true);
		assert_int_equal(tree_stat(r->in_fd, "f").st_mode & 0777, i == 0 ? 0755 : 0711);
	}
}

static void what_is_of_the_wrong_type_is_refused(void **state)
{
	struct restore *r = *state;
	struct node folder = node_folder(0700), file = node_file("", 0600), link = node_link("x");
	struct node large = file, nothing = node_link(""), nul = node_link("a");
	struct target_folder *sub;

	large.size_bytes = (uint64_t)INT64_MAX + 1;
	nul.target = (const uint8_t *)"a\0b";
	nul.target_bytes = 3;
	restore_open(r);
	assert_int_equal(restore_file(r, r->root, "f", &folder, "", NULL), ERR_CORRUPT);
	assert_int_equal(restore_file(r, r->root, "f", &link, "", NULL), ERR_CORRUPT);
	assert_int_equal(restore_file(r, r->root, "f", &large, "", NULL), ERR_CORRUPT);
	assert_int_equal(restore_special(r, r->root, "f", &file, NULL), ERR_CORRUPT);
	assert_int_equal(restore_special(r, r->root, "f", &folder, NULL), ERR_CORRUPT);
	assert_int_not_equal(restore_special(r, r->root, "f", &nothing, NULL), ERR_NONE);
	assert_int_not_equal(restore_special(r, r->root, "f", &nul, NULL), ERR_NONE);
	assert_int_equal(restore_enter(r, r->root, "f", &file, &sub), ERR_CORRUPT);
	restore_close(r, true);
	assert_int_equal(tree_count(r->in_fd, "."), 0);
}

static bool spares_s(void *ctx, const uint8_t *path, size_t path_bytes, bool is_folder)
{
	(void)ctx;
	return path[path_bytes - 1] != 's' || is_folder;
}

static void others_are_deleted_where_that_was_asked_for(void **state)
{
	struct restore *r = *state;
	struct node folder = node_folder(0700), file = node_file("", 0600);
	struct target_folder *sub;

	tree_file(r->in_fd, "beside", "");
	tree_file(r->in_fd, "sub/deep/er/x", "");
	tree_file(r->in_fd, "sub/deep/y", "");
	tree_file(r->in_fd, "sub/folders/x", "");
	tree_file(r->in_fd, "sub/kept", "old");
	tree_file(r->in_fd, "sub/others", "");
	tree_link(r->in_fd, "../../out", "sub/link");
	tree_file(r->out_fd, "mine", "");
	r->options.may_delete = spares_s;
	for (unsigned complete = 0; complete < 2; complete++) {
		restore_open(r);
		assert_int_equal(restore_enter(r, r->root, "sub", &folder, &sub), ERR_NONE);
		assert_int_equal(target_delete_others(sub, &r->err), ERR_NONE);
		target_keep(sub, "kept", 4);
		target_keep(sub, "new", 3);
		assert_int_equal(restore_file(r, sub, "new", &file, "", NULL), ERR_NONE);
		target_leave(sub, complete);
		restore_close(r, complete);
		assert_int_equal(r->counts.deleted, complete ? 3 : 0);
		assert_int_equal(r->counts.errors, 0);
	}
	assert_true(tree_has(r->in_fd, "beside"));
	assert_true(tree_has(r->in_fd, "sub/others"));
	assert_string_equal(tree_read(r->in_fd, "sub/kept"), "old");
	assert_true(tree_has(r->in_fd, "sub/new"));
	assert_int_equal(tree_count(r->in_fd, "sub"), 3);
	assert_true(tree_has(r->out_fd, "mine"));
	assert_non_null(strstr(restore_notes(r), "detail sub/link: deleted: not in the snapshot"));
}

static bool spares_below(void *ctx, const uint8_t *path, size_t path_bytes, bool is_folder)
{
	bool is_file = path[path_bytes - 1] == 's' || path[path_bytes - 1] == 'x';

	(void)ctx;
	assert_memory_equal(path, "sub/", 4);
	if (is_file || path[path_bytes - 1] == 'r')
		assert_int_equal(is_folder, path[path_bytes - 1] == 'r');
	return path[path_bytes - 1] != 's' && path[path_bytes - 1] != 'S';
}

static void what_is_spared_keeps_the_folders_above_it(void **state)
{
	struct restore *r = *state;
	struct node folder = node_folder(0700);
	struct target_folder *sub;

	tree_file(r->in_fd, "sub/a/b/folder/s", "");
	tree_file(r->in_fd, "sub/a/b/folder/gone", "");
	tree_file(r->in_fd, "sub/a/gone/y", "");
	tree_file(r->in_fd, "sub/a/x", "");
	tree_file(r->in_fd, "sub/S/x", "");
	tree_file(r->in_fd, "sub/gone/x", "");
	r->options.may_delete = spares_below;
	restore_open(r);
	assert_int_equal(restore_enter(r, r->root, "sub", &folder, &sub), ERR_NONE);
	assert_int_equal(target_delete_others(sub, &r->err), ERR_NONE);
	target_leave(sub, true);
	restore_close(r, true);
	assert_int_equal(r->counts.deleted, 1);
	assert_int_equal(r->counts.errors, 0);
	assert_string_equal(restore_notes(r), "detail sub/gone: deleted: not in the snapshot\n");
	assert_true(tree_has(r->in_fd, "sub/a/b/folder/s"));
	assert_true(tree_has(r->in_fd, "sub/S/x"));
	assert_int_equal(tree_count(r->in_fd, "sub"), 2);
	assert_int_equal(tree_count(r->in_fd, "sub/a"), 1);
	assert_int_equal(tree_count(r->in_fd, "sub/a/b/folder"), 1);
}

static void a_full_folder_gives_way_where_others_are_to_go(void **state)
{
	struct restore *r = *state;
	struct node file = node_file("text", 0600);

	tree_file(r->in_fd, "full/a/x", "");
	tree_file(r->in_fd, "spared/s", "");
	r->options.may_delete = spares_s;
	restore_open(r);
	assert_int_equal(target_delete_others(r->root, &r->err), ERR_NONE);
	target_keep(r->root, "full", 4);
	target_keep(r->root, "spared", 6);
	assert_int_equal(restore_file(r, r->root, "full", &file, "text", NULL), ERR_NONE);
	assert_int_equal(restore_file(r, r->root, "spared", &file, "text", NULL), ERR_EXISTS);
	assert_non_null(strstr(r->err.message, "Directory not empty"));
	restore_close(r, true);
	assert_int_equal(r->counts.deleted, 1);
	assert_string_equal(tree_read(r->in_fd, "full"), "text");
	assert_true(tree_has(r->in_fd, "spared/s"));
}

static void a_folder_waits_for_all_that_is_under_way_in_it(void **state)
{
	struct restore *r = *state;
	struct node outer = node_folder(0555), inner = node_folder(0500);
	struct node file = node_file("x", 0600);
	struct target_folder *a, *b;
	struct target_file *f;
	enum target_outcome outcome;

	restore_open(r);
	assert_int_equal(restore_enter(r, r->root, "a", &outer, &a), ERR_NONE);
	assert_int_equal(restore_enter(r, a, "b", &inner, &b), ERR_NONE);
	assert_int_equal(target_begin(b, "f", 1, &file, &f, &outcome, &r->err), ERR_NONE);
	target_hold(a);
	target_leave(b, true);
	target_leave(a, true);
	target_leave(r->root, true);
	assert_int_equal(tree_stat(r->in_fd, "a/b").st_mode & 0777, 0700);
	assert_int_equal(target_write(f, 0, "x", 1, &r->err), ERR_NONE);
	assert_int_equal(target_commit(f, &r->err), ERR_NONE);
	assert_int_equal(tree_stat(r->in_fd, "a/b").st_mode & 0777, 0500);
	assert_int_equal(tree_time(r->in_fd, "a/b"), NODE_TIME_NS);
	assert_int_equal(tree_stat(r->in_fd, "a").st_mode & 0777, 0700);
	target_drop(a);
	assert_int_equal(tree_stat(r->in_fd, "a").st_mode & 0777, 0555);
	assert_int_equal(tree_time(r->in_fd, "a"), NODE_TIME_NS);
	target_close(r->target);
}

static void a_target_that_cannot_be_made_is_an_error(void **state)
{
	struct restore *r = *state;
	struct target *t;

	tree_file(r->in_fd, "file", "");
	assert_int_not_equal(
		target_open(temp_path(r->path, "in/file/sub"), &r->options, &t, &r->err), ERR_NONE);
	assert_int_not_equal(target_open(temp_path(r->path, "in/file"), &r->options, &t, &r->err),
			     ERR_NONE);
	assert_int_equal(target_open(temp_path(r->path, "in/a/b/c"), &r->options, &t, &r->err),
			 ERR_NONE);
	target_leave(target_root(t), true);
	target_close(t);
	target_close(NULL);
	assert_true(tree_has(r->in_fd, "a/b/c"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, restore_set_up, restore_tear_down)
	const struct CMUnitTest tests[] = {
		T(every_kind_of_thing_comes_with_its_mode_and_time),
		T(a_time_before_1970_is_a_time),
		T(holes_stay_holes_unless_zeros_are_asked_for),
		T(a_file_of_5_TiB_is_mostly_a_hole),
		T(a_file_that_is_not_whole_leaves_nothing),
		T(an_error_of_the_disk_leaves_what_was_there),
		T(zeros_that_cannot_be_written_are_an_error),
		T(a_partial_file_has_a_name_of_its_own),
		T(the_policy_decides_about_what_exists),
		T(special_files_follow_the_policy_too),
		T(a_folder_gives_way_only_when_it_is_empty),
		T(a_file_gives_way_to_a_folder_if_the_policy_says_so),
		T(an_existing_folder_keeps_its_metadata_under_never),
		T(what_is_of_the_wrong_type_is_refused),
		T(others_are_deleted_where_that_was_asked_for),
		T(what_is_spared_keeps_the_folders_above_it),
		T(a_full_folder_gives_way_where_others_are_to_go),
		T(a_folder_waits_for_all_that_is_under_way_in_it),
		T(a_target_that_cannot_be_made_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
