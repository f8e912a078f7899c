/* Walks of trees that are odd: deep, closed, mounted on, or changed meanwhile. */
#include "tests/support/temp.h"
#include "tests/support/tree.h"
#include "tests/support/walked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * In this program, a file system of its own will: one that does not tell types, that lists what is
 * gone and names that cannot be, and mounts another one on a folder that was just looked at.
 */
static bool tells_no_types, lists_oddly;
static unsigned looks; /* at what is named "busy": its mode changes after the first, its times not */
static const char *mounts_on; /* a path, or NULL */

ssize_t getdents64(int fd, void *buffer, size_t bytes)
{
	ssize_t got = syscall(SYS_getdents64, fd, buffer, bytes);

	for (ssize_t at = 0; at < got;) {
		struct dirent64 *d = (struct dirent64 *)((char *)buffer + at);

		if (tells_no_types)
			d->d_type = DT_UNKNOWN;
		if (lists_oddly && strcmp(d->d_name, "here") == 0)
			memcpy(d->d_name, "gone", 4);
		if (lists_oddly && strcmp(d->d_name, "a-b") == 0)
			memcpy(d->d_name, "a/b", 3);
		at += d->d_reclen;
	}
	return got;
}

int fstatat(int fd, const char *name, struct stat *st, int flags)
{
	int result = (int)syscall(SYS_newfstatat, fd, name, st, flags);

	if (mounts_on && strcmp(name, "mnt") == 0) {
		if (mount("none", mounts_on, "tmpfs", 0, NULL) == 0)
			close(open(temp_path(mounts_on, "x"), O_CREAT | O_WRONLY | O_CLOEXEC,
				   0600));
		mounts_on = NULL;
	}
	if (strcmp(name, "busy") == 0) {
		clock_gettime(CLOCK_REALTIME_COARSE, &st->st_ctim);
		st->st_mode ^= looks++ == 0 ? 0 : 0011;
	}
	return result;
}

static int set_up(void **state)
{
	tells_no_types = lists_oddly = false;
	mounts_on = NULL;
	return walked_set_up(state);
}

static void deeper_than_a_path_and_than_descriptors_go(void **state)
{
	struct walked *p = *state;
	struct rlimit before, few;
	unsigned folders = 0;

	close(tree_deep(p->fd, 4096, 0));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 256;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	walked_path(p);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (const char *at = walked_seen(p); (at = strchr(at, '\n')) != NULL; at++)
		folders++;
	assert_int_equal(folders, 4097);
	assert_non_null(strstr(walked_seen(p), ": bottom\n"));
	assert_string_equal(walked_notes(p), "");
}

/* 255-byte names to the longest path that can be stored, and one level more. */
static void what_lies_deeper_than_can_be_stored_is_noted_and_left_out(void **state)
{
	struct walked *p = *state;
	const char *path = p->path;
	char name[NAME_BYTES_MAX + 1];
	struct walk_folder f;
	struct walk_entry e;
	struct roots roots;
	struct walk *w;
	struct error err;
	size_t longest = 0;
	int fd = dup(p->fd);

	memset(name, 'd', NAME_BYTES_MAX);
	name[NAME_BYTES_MAX] = '\0';
	for (size_t bytes = strlen(path); bytes <= PATH_BYTES_MAX; bytes += sizeof(name)) {
		int parent = fd;

		assert_int_equal(mkdirat(parent, name, 0700), 0);
		fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(fd >= 0);
		close(parent);
	}
	close(fd);
	assert_int_equal(roots_make(&path, 1, &roots, &err), ERR_NONE);
	assert_int_equal(walk_open(&p->options, &roots, &w, &err), ERR_NONE);
	while (walk_next_folder(w, &f, &err)) {
		longest = f.path_bytes;
		while (walk_next_entry(w, &e, &err))
			;
	}
	assert_int_equal(err.code, ERR_NONE);
	walk_close(w);
	roots_release(&roots);
	assert_true(longest <= PATH_BYTES_MAX);
	assert_true(longest + sizeof(name) > PATH_BYTES_MAX);
	buf_add_u8(&p->notes, 0);
	assert_memory_equal(walked_notes(p), "error /ddd", 10);
	assert_null(strstr(walked_notes(p) + 1, "error /"));
}

static void move_away(struct walked *p, struct walk *w, const struct walk_folder *f)
{
	(void)w;
	/* At this depth the crawl has closed the upper folders. */
	if (f->path_bytes == strlen(p->path) + 2 * 250)
		assert_int_equal(renameat(p->fd, "d/d/d", p->fd, "moved"), 0);
}

static void a_folder_moved_meanwhile_does_not_lead_the_walk_astray(void **state)
{
	struct walked *p = *state;
	const char *path = p->path;
	int upper = tree_deep(p->fd, 400, 2);

	tree_file(upper, "z/x", "");
	tree_file(p->fd, "d/y/x", "");
	walked_roots(p, &path, 1, move_away);
	/* d/d lost its d, but both it and d are found again. */
	assert_non_null(strstr(walked_seen(p), "/d/d/z: x\n"));
	assert_non_null(strstr(walked_seen(p), "/d/y: x\n"));
	assert_null(strstr(walked_seen(p), "moved:"));
	assert_string_equal(walked_notes(p), "");
	close(upper);
}

static void replace_parents(struct walked *p, struct walk *w, const struct walk_folder *f)
{
	(void)w;
	if (f->path_bytes != strlen(p->path) + 2 * 250)
		return;
	assert_int_equal(renameat(p->fd, "d/d/d", p->fd, "moved"), 0);
	assert_int_equal(renameat(p->fd, "d", p->fd, "gone"), 0);
	tree_file(p->fd, "d/d/z/decoy", "");
}

static void a_folder_that_cannot_be_found_again_is_noted(void **state)
{
	struct walked *p = *state;
	const char *path = p->path;
	int upper = tree_deep(p->fd, 400, 2);

	tree_file(upper, "z/x", "");
	tree_file(p->fd, "zz", "");
	walked_roots(p, &path, 1, replace_parents);
	assert_non_null(strstr(walked_seen(p), "/d/d/z(unreadable):\n"));
	assert_non_null(strstr(walked_notes(p), "error /d/d/z: open: "));
	close(upper);
}

static int walk_unreadable(void *ctx)
{
	struct walked *p = ctx;

	walked_path(p);
	if (strcmp(walked_seen(p),
		   ": blind/ closed/ open/\n/blind: x\n/closed(unreadable):\n/open: x\n") != 0)
		return 1;
	return strcmp(walked_notes(p), "error /closed: open: Permission denied\n") != 0;
}

static void a_folder_that_may_not_be_read_is_noted_and_visited_empty(void **state)
{
	struct walked *p = *state;

	tree_file(p->fd, "closed/x", "");
	tree_file(p->fd, "open/x", "");
	tree_file(p->fd, "blind/x", "");
	assert_int_equal(fchmodat(p->fd, "closed", 0000, 0), 0);
	assert_int_equal(fchmod(p->fd, 0755), 0);
	assert_int_equal(tree_as_nobody(walk_unreadable, p), 0);
}

static int walk_below_unlisted(void *ctx)
{
	struct walked *p = ctx;
	char *root = strdup(temp_path(p->path, "way/open")), *file = strdup(temp_path(p->path, "way/f"));
	const char *paths[] = {root, file};

	walked_roots(p, paths, 2, NULL);
	free(root);
	free(file);
	if (strcmp(walked_seen(p), "(bare): way/\n/way(bare): f open/\n/way/open: x\n") != 0)
		return 1;
	return strcmp(walked_notes(p), "") != 0;
}

static void a_folder_on_the_way_need_not_be_readable(void **state)
{
	struct walked *p = *state;

	tree_file(p->fd, "way/open/x", "");
	tree_file(p->fd, "way/f", "");
	assert_int_equal(fchmodat(p->fd, "way/open", 0755, 0), 0);
	assert_int_equal(fchmodat(p->fd, "way", geteuid() == 0 ? 0711 : 0100, 0), 0);
	assert_int_equal(fchmod(p->fd, 0755), 0);
	assert_int_equal(tree_as_nobody(walk_below_unlisted, p), 0);
	assert_int_equal(fchmodat(p->fd, "way", 0700, 0), 0);
}

static int walk_without_entering(void *ctx)
{
	struct walked *p = ctx;

	walked_path(p);
	return strcmp(walked_seen(p), ": listed/\n/listed:\n") != 0 ||
	       strcmp(walked_notes(p), "error /listed/x: stat: Permission denied\n") != 0;
}

static void an_entry_that_may_not_be_looked_at_is_noted(void **state)
{
	struct walked *p = *state;

	tree_file(p->fd, "listed/x", "");
	assert_int_equal(fchmodat(p->fd, "listed", 0444, 0), 0);
	assert_int_equal(fchmod(p->fd, 0755), 0);
	assert_int_equal(tree_as_nobody(walk_without_entering, p), 0);
}

static void one_file_system_stores_mount_points_as_empty_folders(void **state)
{
	struct walked *p = *state;
	char *paths[2] = {strdup(p->path), strdup(temp_path(p->path, "mnt/sub/in"))};

	tree_folder(p->fd, "mnt");
	tree_file(p->fd, "z", "");
	if (mount("none", temp_path(p->path, "mnt"), "tmpfs", 0, NULL) != 0) {
		free(paths[0]);
		free(paths[1]);
		skip();
	}
	tree_file(p->fd, "mnt/sub/in/x", "");
	tree_file(p->fd, "mnt/y", "");
	p->options.one_file_system = true;
	walked_path(p);
	assert_string_equal(walked_seen(p), ": mnt/ z\n/mnt:\n");
	/* A root below the mount point is one of its own. */
	walked_roots(p, (const char *const *)paths, 2, NULL);
	assert_string_equal(walked_seen(p), ": mnt/ z\n/mnt(bare): sub/\n/mnt/sub(bare): in/\n"
					    "/mnt/sub/in: x\n");
	p->options.one_file_system = false;
	walked_path(p);
	assert_string_equal(walked_seen(p),
			    ": mnt/ z\n/mnt: sub/ y\n/mnt/sub: in/\n/mnt/sub/in: x\n");
	free(paths[0]);
	free(paths[1]);
}

static void a_file_system_mounted_meanwhile_is_another_too(void **state)
{
	struct walked *p = *state;
	char *path = strdup(temp_path(p->path, "mnt"));

	if (geteuid() != 0) {
		free(path);
		skip();
	}
	tree_file(p->fd, "mnt/before", "");
	p->options.one_file_system = true;
	mounts_on = path;
	walked_path(p);
	assert_true(tree_has(p->fd, "mnt/x"));
	assert_string_equal(walked_seen(p), ": mnt/\n/mnt:\n");
	free(path);
}

static void a_file_system_that_tells_no_types_is_walked_the_same(void **state)
{
	struct walked *p = *state;
	struct patterns *excludes = patterns_new();
	struct error err;

	tree_file(p->fd, "a/x", "");
	tree_file(p->fd, "build/x", "");
	tree_file(p->fd, "c/build", "");
	tree_link(p->fd, "a", "link");
	assert_int_equal(patterns_add(excludes, "/", "build/", false, &err), ERR_NONE);
	p->options.excludes = excludes;
	tells_no_types = true;
	walked_path(p);
	assert_string_equal(walked_seen(p), ": a/ c/ link@\n/a: x\n/c: build\n");
	patterns_free(excludes);
}

/* The mode that is stored is not to be taken for the one of later, by equal times. */
static void what_changes_within_a_tick_of_the_clock_is_looked_at_after_it(void **state)
{
	struct walked *p = *state;
	const char *path = p->path;
	struct walk_folder f;
	struct walk_entry e;
	struct roots roots;
	struct walk *w;
	struct error err;
	bool found = false;

	assert_int_equal(mkdirat(p->fd, "busy", 0700), 0);
	looks = 0;
	assert_int_equal(roots_make(&path, 1, &roots, &err), ERR_NONE);
	assert_int_equal(walk_open(&p->options, &roots, &w, &err), ERR_NONE);
	while (walk_next_folder(w, &f, &err)) {
		while (walk_next_entry(w, &e, &err)) {
			if (strcmp((const char *)e.name, "busy") != 0)
				continue;
			found = true;
			assert_int_equal(e.node.mode, 0711);
		}
	}
	walk_close(w);
	roots_release(&roots);
	assert_true(found);
	assert_true(looks > 1);
}

static void what_vanished_or_cannot_be_a_name_is_noted(void **state)
{
	struct walked *p = *state;

	tree_file(p->fd, "a-b", "");
	tree_file(p->fd, "here", "");
	tree_file(p->fd, "z", "");
	lists_oddly = true;
	walked_path(p);
	assert_string_equal(walked_seen(p), ": z\n");
	assert_string_equal(walked_notes(p), "error /a/b: a name that cannot be stored\n"
					     "error /gone: vanished while its folder was read\n");
}

static void names_of_255_bytes_and_of_any_byte_are_entries(void **state)
{
	struct walked *p = *state;
	char longest[256], name[3] = "xx";
	unsigned made = 0;

	memset(longest, 'n', 255);
	longest[255] = '\0';
	tree_file(p->fd, longest, "");
	for (int c = 1; c < 256; c++) {
		name[1] = (char)c;
		if (c == '/')
			continue;
		tree_file(p->fd, name, "");
		made++;
	}
	walked_path(p);
	assert_non_null(strstr(walked_seen(p), longest));
	assert_int_equal(made, 254);
	assert_string_equal(walked_notes(p), "");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, walked_tear_down)
	const struct CMUnitTest tests[] = {
		T(deeper_than_a_path_and_than_descriptors_go),
		T(what_lies_deeper_than_can_be_stored_is_noted_and_left_out),
		T(a_folder_moved_meanwhile_does_not_lead_the_walk_astray),
		T(a_folder_that_cannot_be_found_again_is_noted),
		T(a_folder_that_may_not_be_read_is_noted_and_visited_empty),
		T(a_folder_on_the_way_need_not_be_readable),
		T(an_entry_that_may_not_be_looked_at_is_noted),
		T(one_file_system_stores_mount_points_as_empty_folders),
		T(a_file_system_mounted_meanwhile_is_another_too),
		T(a_file_system_that_tells_no_types_is_walked_the_same),
		T(what_changes_within_a_tick_of_the_clock_is_looked_at_after_it),
		T(what_vanished_or_cannot_be_a_name_is_noted),
		T(names_of_255_bytes_and_of_any_byte_are_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
