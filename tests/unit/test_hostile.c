/* Restores of hostile trees, and into hostile targets (T-14). */
#include "archive/beneath.h"
#include "archive/target.h"
#include "tests/support/restore.h"
#include "tests/support/temp.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define RACE_TRIES 10000
#define RACE_SECONDS 2 /* at most, however slow the machine is */

static void a_name_that_is_no_component_is_refused_by_every_step(void **state)
{
	static const struct {
		const char *name;
		size_t bytes;
	} names[] = {
		{"", 0},    {".", 1},	     {"..", 2}, {"/", 1},    {"/etc", 4},
		{"a/b", 3}, {"../out/x", 8}, {"a/", 2}, {"a\0b", 3}, {"sub/../..", 9},
	};
	struct restore *r = *state;
	struct node file = node_file("", 0600), folder = node_folder(0700), link = node_link("x");
	struct target_folder *sub;
	struct target_file *f;
	enum target_outcome outcome;
	char longer[257];

	memset(longer, 'n', sizeof(longer));
	restore_open(r);
	for (size_t i = 0; i <= sizeof(names) / sizeof(*names); i++) {
		bool last = i == sizeof(names) / sizeof(*names);
		const char *name = last ? longer : names[i].name;
		size_t bytes = last ? 256 : names[i].bytes;

		assert_int_equal(target_begin(r->root, name, bytes, &file, &f, &outcome, &r->err),
				 ERR_CORRUPT);
		assert_int_equal(target_make(r->root, name, bytes, &link, &outcome, &r->err),
				 ERR_CORRUPT);
		assert_int_equal(target_enter(r->root, name, bytes, &folder, &sub, &r->err),
				 ERR_CORRUPT);
		assert_null(f);
		assert_null(sub);
	}
	restore_close(r, true);
	assert_int_equal(tree_count(r->in_fd, "."), 0);
	assert_int_equal(tree_count(r->fd, "."), 2);
}

static void names_of_every_byte_and_of_255_and_twins_stay_apart(void **state)
{
	struct restore *r = *state;
	struct node n = node_file("x", 0600);
	char longest[256], name[3] = "x";

	memset(longest, 0xff, 255);
	longest[255] = '\0';
	restore_open(r);
	for (int c = 1; c < 256; c++) {
		name[1] = (char)c;
		if (c != '/')
			assert_int_equal(restore_file(r, r->root, name, &n, "x", NULL), ERR_NONE);
	}
	assert_int_equal(restore_file(r, r->root, longest, &n, "x", NULL), ERR_NONE);
	/* Composed and decomposed, upper and lower. */
	assert_int_equal(restore_file(r, r->root, "\xc3\xa9", &n, "x", NULL), ERR_NONE);
	assert_int_equal(restore_file(r, r->root, "e\xcc\x81", &n, "x", NULL), ERR_NONE);
	assert_int_equal(restore_file(r, r->root, "Case", &n, "x", NULL), ERR_NONE);
	assert_int_equal(restore_file(r, r->root, "cASE", &n, "x", NULL), ERR_NONE);
	restore_close(r, true);
	assert_int_equal(tree_count(r->in_fd, "."), 254 + 5);
}

static void a_planted_link_is_never_followed(void **state)
{
	static const enum target_overwrite policies[] = {TARGET_IF_CHANGED, TARGET_ALWAYS,
							 TARGET_IF_NEWER, TARGET_NEVER};
	struct restore *r = *state;
	struct node folder = node_folder(0700), file = node_file("evil", 0644);
	struct stat before;

	tree_file(r->out_fd, "victim", "good");
	before = tree_stat(r->fd, "out");
	for (unsigned i = 0; i < 4; i++) {
		struct target_folder *sub = NULL;
		bool left;

		tree_link(r->in_fd, "../out", "folder");
		tree_link(r->in_fd, "../out/victim", "victim");
		tree_link(r->in_fd, "../out/new", "new");
		r->options.overwrite = policies[i];
		restore_open(r);
		if (restore_enter(r, r->root, "folder", &folder, &sub) == ERR_NONE) {
			assert_int_equal(restore_file(r, sub, "x", &file, "evil", NULL), ERR_NONE);
			target_leave(sub, true);
		}
		restore_file(r, r->root, "victim", &file, "evil", NULL);
		restore_file(r, r->root, "new", &file, "evil", NULL);
		restore_close(r, true);
		if (policies[i] == TARGET_NEVER)
			assert_null(sub);
		if (policies[i] == TARGET_IF_CHANGED || policies[i] == TARGET_ALWAYS) {
			assert_non_null(sub);
			assert_string_equal(tree_read(r->in_fd, "victim"), "evil");
		}
		assert_int_equal(beneath_remove(r->fd, "in", NULL, &left, &r->err), ERR_NONE);
		assert_false(left);
		tree_folder(r->fd, "in");
		close(r->in_fd);
		r->in_fd = openat(r->fd, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	assert_string_equal(tree_read(r->out_fd, "victim"), "good");
	assert_int_equal(tree_count(r->out_fd, "."), 1);
	assert_int_equal(tree_stat(r->fd, "out").st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	assert_int_equal(tree_stat(r->fd, "out").st_mode, before.st_mode);
}

static void a_file_with_a_name_outside_is_replaced_not_written_into(void **state)
{
	struct restore *r = *state;
	struct node file = node_file("evil", 0777), same = node_file("good", 0777);
	enum target_outcome outcome;

	tree_file(r->out_fd, "victim", "good");
	tree_set_time(r->out_fd, "victim", NODE_TIME_NS);
	assert_int_equal(linkat(r->out_fd, "victim", r->in_fd, "a", 0), 0);
	assert_int_equal(linkat(r->out_fd, "victim", r->in_fd, "b", 0), 0);
	restore_open(r);
	assert_int_equal(restore_file(r, r->root, "a", &file, "evil", &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_WRITE);
	/* Size and time are the node's, the mode is not: it must not be set through this name. */
	assert_int_equal(restore_file(r, r->root, "b", &same, "good", &outcome), ERR_NONE);
	assert_int_equal(outcome, TARGET_WRITE);
	restore_close(r, true);
	assert_string_equal(tree_read(r->out_fd, "victim"), "good");
	assert_int_equal(tree_stat(r->out_fd, "victim").st_mode & 0777, 0644);
	assert_int_equal(tree_stat(r->out_fd, "victim").st_nlink, 1);
	assert_string_equal(tree_read(r->in_fd, "a"), "evil");
	assert_int_equal(tree_stat(r->in_fd, "b").st_mode & 0777, 0777);
}

/* Swaps two names, again and again. */
struct swapper {
	int fd;
	const char *a, *b;
	atomic_bool stop;
	atomic_ulong swaps;
	pthread_t thread;
};

static void *swap_names(void *arg)
{
	struct swapper *s = arg;

	while (!atomic_load(&s->stop)) {
		if (renameat2(s->fd, s->a, s->fd, s->b, RENAME_EXCHANGE) == 0)
			atomic_fetch_add(&s->swaps, 1);
	}
	return NULL;
}

/* Whether try i of a race is still to be made. */
static bool race_goes_on(unsigned i, struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (i == 0)
		*start = now;
	return i < RACE_TRIES && now.tv_sec - start->tv_sec < RACE_SECONDS;
}

static void swapper_start(struct swapper *s)
{
	atomic_init(&s->stop, false);
	atomic_init(&s->swaps, 0);
	assert_int_equal(pthread_create(&s->thread, NULL, swap_names, s), 0);
	while (atomic_load(&s->swaps) == 0)
		sched_yield();
}

static void swapper_stop(struct swapper *s)
{
	atomic_store(&s->stop, true);
	pthread_join(s->thread, NULL);
}

static void a_folder_swapped_for_a_link_at_any_moment_leads_nowhere(void **state)
{
	struct restore *r = *state;
	struct node folder = node_folder(0777), inner = node_folder(0777);
	struct node file = node_file("evil", 0666);
	struct swapper s = {.fd = r->in_fd, .a = "d", .b = "x"};
	struct stat before = tree_stat(r->fd, "out");
	struct timespec start;
	unsigned entered = 0;

	tree_folder(r->in_fd, "d");
	tree_link(r->in_fd, "../out", "x");
	r->options.overwrite = TARGET_ALWAYS;
	r->options.note = NULL;
	restore_open(r);
	swapper_start(&s);
	for (unsigned i = 0; race_goes_on(i, &start); i++) {
		struct target_folder *sub, *deep;

		if (i % 64 == 0 && !tree_has(r->in_fd, "x"))
			tree_link(r->in_fd, "../out", "x");
		if (restore_enter(r, r->root, "d", &folder, &sub) != ERR_NONE)
			continue;
		entered++;
		restore_file(r, sub, "f", &file, "evil", NULL);
		if (restore_enter(r, sub, "deep", &inner, &deep) == ERR_NONE)
			target_leave(deep, true);
		target_leave(sub, true);
	}
	swapper_stop(&s);
	restore_close(r, true);
	assert_true(entered > 0);
	assert_int_equal(tree_count(r->out_fd, "."), 0);
	assert_int_equal(tree_stat(r->fd, "out").st_mode, before.st_mode);
	assert_int_equal(tree_stat(r->fd, "out").st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	assert_int_equal(tree_stat(r->fd, "out").st_ctim.tv_nsec, before.st_ctim.tv_nsec);
}

static void a_file_swapped_for_a_link_at_any_moment_writes_nothing_outside(void **state)
{
	struct restore *r = *state;
	struct node file = node_file("evil", 0666), link = node_link("evil");
	struct swapper s = {.fd = r->in_fd, .a = "f", .b = "x"};
	struct timespec start;
	struct stat before;
	unsigned planted = 0;

	tree_file(r->out_fd, "victim", "good");
	before = tree_stat(r->out_fd, "victim");
	tree_file(r->in_fd, "f", "old");
	tree_link(r->in_fd, "../out/victim", "x");
	r->options.note = NULL;
	restore_open(r);
	swapper_start(&s);
	for (unsigned i = 0; race_goes_on(i, &start); i++) {
		file.mtime_ns = NODE_TIME_NS + i;
		link.mtime_ns = NODE_TIME_NS + i;
		if (i % 2 == 0)
			restore_file(r, r->root, i % 4 ? "f" : "x", &file, "evil", NULL);
		else
			restore_special(r, r->root, i % 4 == 1 ? "f" : "x", &link, NULL);
		if (i % 64 == 0) {
			unlinkat(r->in_fd, "f", 0);
			planted += linkat(r->out_fd, "victim", r->in_fd, "f", 0) == 0;
			unlinkat(r->in_fd, "x", 0);
			planted += symlinkat("../out/victim", r->in_fd, "x") == 0;
		}
	}
	swapper_stop(&s);
	restore_close(r, true);
	assert_true(planted > 0);
	assert_string_equal(tree_read(r->out_fd, "victim"), "good");
	assert_int_equal(tree_stat(r->out_fd, "victim").st_mode, before.st_mode);
	assert_int_equal(tree_stat(r->out_fd, "victim").st_uid, before.st_uid);
	assert_int_equal(tree_stat(r->out_fd, "victim").st_mtim.tv_nsec, before.st_mtim.tv_nsec);
}

static void deletion_meets_swapped_links_and_stays_inside(void **state)
{
	struct restore *r = *state;
	struct swapper s = {.fd = r->in_fd, .a = "t/d", .b = "x"};
	struct timespec start;
	unsigned planted = 0;

	tree_file(r->out_fd, "a/b/victim", "good");
	tree_link(r->in_fd, "../out", "x");
	tree_folder(r->in_fd, "t/d");
	swapper_start(&s);
	for (unsigned i = 0; race_goes_on(i, &start); i++) {
		bool left;
		int code;

		/* Neither name is the swapper's for the whole of this, and what it finds it may
		 * tear apart: only the folder outside counts. */
		mkdirat(r->in_fd, "t", 0700);
		mkdirat(r->in_fd, "t/d", 0700);
		mkdirat(r->in_fd, "t/d/a", 0700);
		unlinkat(r->in_fd, "x", 0);
		unlinkat(r->in_fd, "x", AT_REMOVEDIR);
		planted += symlinkat("../out", r->in_fd, "x") == 0;
		code = beneath_remove(r->in_fd, "t", NULL, &left, &r->err);
		assert_true(code == ERR_NONE || r->err.message[0] != '\0');
	}
	swapper_stop(&s);
	assert_true(planted > 0);
	assert_string_equal(tree_read(r->out_fd, "a/b/victim"), "good");
}

static void a_mount_point_is_not_deleted(void **state)
{
	struct restore *r = *state;

	tree_folder(r->in_fd, "other/deep/mnt");
	tree_file(r->in_fd, "other/z", "");
	if (mount("none", temp_path(r->path, "in/other/deep/mnt"), "tmpfs", 0, NULL) != 0)
		skip();
	tree_file(r->in_fd, "other/deep/mnt/x", "mine");
	restore_open(r);
	assert_int_equal(target_delete_others(r->root, &r->err), ERR_NONE);
	restore_close(r, true);
	assert_int_equal(r->counts.errors, 1);
	assert_non_null(strstr(restore_notes(r), "error other: in deep: remove mnt: "));
	assert_string_equal(tree_read(r->in_fd, "other/deep/mnt/x"), "mine");
	assert_int_equal(umount2(temp_path(r->path, "in/other/deep/mnt"), MNT_DETACH), 0);
}

/* Enters folders named d within each other; each gets the mode of its depth. */
static void enter_deep(struct restore *r, unsigned depth, struct target_folder **folders)
{
	folders[0] = r->root;
	for (unsigned i = 0; i < depth; i++) {
		struct node folder = node_folder(i % 2 ? 0711 : 0755);

		assert_int_equal(restore_enter(r, folders[i], "d", &folder, &folders[i + 1]),
				 ERR_NONE);
	}
}

static void deeper_than_a_path_and_than_descriptors_goes(void **state)
{
	struct restore *r = *state;
	struct target_folder **folders = calloc(4097, sizeof(struct target_folder *));
	struct node file = node_file("bottom", 0600);
	struct rlimit before, few;
	int fd = dup(r->in_fd);

	file.links = 2;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 256;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	restore_open(r);
	enter_deep(r, 4096, folders);
	assert_int_equal(restore_file(r, folders[4096], "bottom", &file, "bottom", NULL), ERR_NONE);
	for (unsigned i = 4096; i > 0; i--)
		target_leave(folders[i], true);
	/* The way back down to its first name is longer than a path may be. */
	assert_int_equal(restore_file(r, r->root, "top", &file, "bottom", NULL), ERR_NONE);
	restore_close(r, true);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_string_equal(restore_notes(r), "");
	for (unsigned i = 0; i < 4096; i++) {
		int parent = fd;

		fd = openat(parent, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(parent);
		assert_true(fd >= 0);
		assert_int_equal(tree_stat(fd, ".").st_mode & 0777, i % 2 ? 0711 : 0755);
		assert_int_equal(tree_stat(fd, ".").st_mtim.tv_sec, NODE_TIME_NS / 1000000000);
	}
	assert_string_equal(tree_read(fd, "bottom"), "bottom");
	assert_int_equal(tree_stat(fd, "bottom").st_ino, tree_stat(r->in_fd, "top").st_ino);
	close(fd);
	free(folders);
	/* And goes again. */
	restore_open(r);
	assert_int_equal(target_delete_others(r->root, &r->err), ERR_NONE);
	restore_close(r, true);
	assert_int_equal(tree_count(r->in_fd, "."), 0);
}

static void a_folder_moved_away_meanwhile_is_not_mistaken_for_another(void **state)
{
	struct restore *r = *state;
	struct target_folder *folders[301];
	struct node file = node_file("x", 0600);

	/* Moved outside with all that is below: what is open goes on there, what was closed is told
	 * apart from the decoy in its place, and what is above is found again. */
	restore_open(r);
	enter_deep(r, 300, folders);
	assert_int_equal(renameat(r->in_fd, "d/d/d", r->fd, "moved"), 0);
	assert_int_equal(renameat(r->in_fd, "d/d", r->fd, "gone"), 0);
	tree_folder(r->in_fd, "d/d");
	assert_int_equal(fchmodat(r->in_fd, "d/d", 0700, 0), 0);
	for (unsigned i = 300; i > 2; i--)
		target_leave(folders[i], true);
	assert_int_equal(restore_file(r, folders[2], "f", &file, "x", NULL), ERR_IO);
	assert_int_equal(restore_special(r, folders[2], "f", &file, NULL), ERR_CORRUPT);
	assert_int_equal(
		restore_enter(r, folders[2], "f", &(struct node){.type = NODE_FOLDER}, &folders[3]),
		ERR_IO);
	assert_int_equal(target_delete_others(folders[2], &r->err), ERR_IO);
	target_leave(folders[2], true);
	assert_int_equal(restore_file(r, folders[1], "f", &file, "x", NULL), ERR_NONE);
	target_leave(folders[1], true);
	restore_close(r, true);
	assert_int_equal(r->counts.errors, 1);
	assert_non_null(strstr(restore_notes(r), "error d/d: moved away or replaced by others"));
	assert_int_equal(tree_stat(r->in_fd, "d/d").st_mode & 0777, 0700);
	assert_int_equal(tree_count(r->in_fd, "d/d"), 0);
	assert_true(tree_has(r->in_fd, "d/f"));
	assert_int_equal(tree_stat(r->in_fd, "d").st_mode & 0777, 0755);
}

/* From here on openat2() is unknown, and O_TMPFILE to openat(). */
static int forbid_new_calls(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_TMPFILE & ~O_DIRECTORY, 2, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
	};
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(*filter), .filter = filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

static int restore_the_old_way(void *ctx)
{
	struct restore *r = ctx;
	struct node folder = node_folder(0700), file = node_file("new", 0600);
	struct target_folder *sub;
	bool good = true;

	if (!forbid_new_calls())
		return 77;
	good = beneath_open(r->in_fd, "way/deep", O_RDONLY, 0) < 0 && good;
	good = beneath_open(r->in_fd, "real/x", O_RDONLY, 0) >= 0 && good;
	good = beneath_open(r->in_fd, "real/link", O_RDONLY, 0) < 0 && good;
	restore_open(r);
	good = restore_file(r, r->root, "old", &file, "new", NULL) == ERR_NONE && good;
	good = restore_enter(r, r->root, "way", &folder, &sub) == ERR_NONE && good;
	good = restore_file(r, sub, "new", &file, "new", NULL) == ERR_NONE && good;
	target_leave(sub, true);
	restore_close(r, true);
	return good ? 0 : 1;
}

static void an_old_kernel_is_no_reason_to_follow_links(void **state)
{
	struct restore *r = *state;
	int code;

	tree_file(r->out_fd, "deep", "good");
	tree_link(r->in_fd, "../out", "way");
	tree_file(r->in_fd, "real/x", "x");
	tree_link(r->in_fd, "x", "real/link");
	tree_file(r->in_fd, "old", "old");
	code = tree_as_nobody(restore_the_old_way, r);
	if (code == 77)
		skip();
	assert_int_equal(code, 0);
	assert_string_equal(tree_read(r->in_fd, "old"), "new");
	assert_string_equal(tree_read(r->in_fd, "way/new"), "new");
	assert_int_equal(tree_count(r->out_fd, "."), 1);
	assert_int_equal(tree_count(r->in_fd, "."), 3);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, restore_set_up, restore_tear_down)
#define RACE(f) cmocka_unit_test_setup_teardown(f, restore_set_up_in_memory, restore_tear_down)
	const struct CMUnitTest tests[] = {
		T(a_name_that_is_no_component_is_refused_by_every_step),
		T(names_of_every_byte_and_of_255_and_twins_stay_apart),
		T(a_planted_link_is_never_followed),
		T(a_file_with_a_name_outside_is_replaced_not_written_into),
		RACE(a_folder_swapped_for_a_link_at_any_moment_leads_nowhere),
		RACE(a_file_swapped_for_a_link_at_any_moment_writes_nothing_outside),
		RACE(deletion_meets_swapped_links_and_stays_inside),
		T(a_mount_point_is_not_deleted),
		T(deeper_than_a_path_and_than_descriptors_goes),
		T(a_folder_moved_away_meanwhile_is_not_mistaken_for_another),
		T(an_old_kernel_is_no_reason_to_follow_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
