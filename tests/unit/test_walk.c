/* Walks: order, roots, and what is left out. */
#include "archive/walk.h"

#include "archive/listing.h"
#include "tests/support/temp.h"
#include "tests/support/tree.h"
#include "tests/support/walked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void a_folder_comes_whole_and_sorted_by_bytes_and_then_its_subfolders(void **state)
{
	struct walked *p = *state;

	tree_file(p->fd, "b", "");
	tree_file(p->fd, "a/y", "");
	tree_file(p->fd, "a/x/1", "");
	tree_file(p->fd, "a-b", "");
	tree_file(p->fd, "\xff", "");
	tree_file(p->fd, "B", "");
	tree_folder(p->fd, "c/empty");
	tree_link(p->fd, "nowhere", "c/link");
	assert_int_equal(mkfifoat(p->fd, "c/pipe", 0600), 0);
	walked_path(p);
	assert_string_equal(walked_seen(p), ": B a/ a-b b c/ \xff\n"
					    "/a: x/ y\n"
					    "/a/x: 1\n"
					    "/c: empty/ link@ pipe|\n"
					    "/c/empty:\n");
	assert_string_equal(walked_notes(p), "");
}

static void a_node_has_what_lstat_says(void **state)
{
	struct walked *p = *state;
	struct roots roots;
	struct walk_folder f;
	struct walk_entry e = {0};
	struct error err;
	struct walk *w;
	struct stat st;
	const char *path = temp_path(p->path, "file");

	tree_file(p->fd, "file", "some text");
	assert_int_equal(linkat(p->fd, "file", p->fd, "other", 0), 0);
	assert_int_equal(fchmodat(p->fd, "file", 04751, 0), 0);
	assert_int_equal(roots_make(&path, 1, &roots, &err), ERR_NONE);
	assert_int_equal(walk_open(&p->options, &roots, &w, &err), ERR_NONE);
	while (walk_next_folder(w, &f, &err)) {
		while (walk_next_entry(w, &e, &err))
			;
	}
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(e.node.type, NODE_FILE);
	assert_int_equal(e.node.mode, 04751);
	assert_int_equal(e.node.size_bytes, 9);
	assert_int_equal(e.node.inode, st.st_ino);
	assert_int_equal(e.node.device, st.st_dev);
	assert_int_equal(e.node.links, 2);
	assert_int_equal(e.node.uid, st.st_uid);
	assert_int_equal(e.node.mtime_ns, st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec);
	assert_int_equal(e.node.ctime_ns, st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec);
	walk_close(w);
	roots_release(&roots);
}

static void parents_are_bare_and_overlapping_roots_merge(void **state)
{
	struct walked *p = *state;
	char *paths[4];

	tree_file(p->fd, "top/a/x/1", "");
	tree_file(p->fd, "top/a/y", "");
	tree_file(p->fd, "top/a-b/2", "");
	tree_file(p->fd, "top/c/3", "");
	tree_file(p->fd, "top/d/e/f/4", "");
	tree_file(p->fd, "top/d/e/g", "");
	paths[0] = strdup(temp_path(p->path, "top/d/./e//f/"));
	paths[1] = strdup(temp_path(p->path, "top/a/x"));
	paths[2] = strdup(temp_path(p->path, "top/c/../a-b"));
	paths[3] = strdup(temp_path(p->path, "top/a"));
	walked_roots(p, (const char *const *)paths, 4, NULL);
	assert_string_equal(walked_seen(p), "(bare): top/\n"
					    "/top(bare): a/ a-b/ d/\n"
					    "/top/a: x/ y\n"
					    "/top/a/x: 1\n"
					    "/top/a-b: 2\n"
					    "/top/d(bare): e/\n"
					    "/top/d/e(bare): f/\n"
					    "/top/d/e/f: 4\n");
	for (unsigned i = 0; i < 4; i++)
		free(paths[i]);
}

static void a_relative_path_counts_from_the_current_folder(void **state)
{
	struct walked *p = *state;
	char *out, *before = getcwd(NULL, 0);
	struct error err;

	assert_int_equal(path_absolute("/a/b", "../c/./d//", &out, &err), ERR_NONE);
	assert_string_equal(out, "/a/c/d");
	free(out);
	assert_int_equal(path_absolute("/a", "../../..", &out, &err), ERR_NONE);
	assert_string_equal(out, "/");
	free(out);
	assert_int_equal(path_absolute("/a", "/b/...", &out, &err), ERR_NONE);
	assert_string_equal(out, "/b/...");
	free(out);
	assert_int_equal(chdir(p->path), 0);
	assert_int_equal(path_absolute(NULL, "x", &out, &err), ERR_NONE);
	assert_string_equal(out, temp_path(p->path, "x"));
	free(out);
	assert_int_equal(path_absolute(NULL, "", &out, &err), ERR_USAGE);
	assert_int_equal(chdir(before), 0);
	free(before);
}

static void a_series_names_its_roots_sorted_each_once_and_with_its_nul(void **state)
{
	const char *paths[] = {"/b", "/a/", "/b/.", "/"};
	struct buf out = {0};
	struct roots roots;
	struct error err;

	(void)state;
	assert_int_equal(roots_make(paths, 4, &roots, &err), ERR_NONE);
	roots_encode(&roots, &out);
	assert_int_equal(out.len_bytes, 8);
	assert_memory_equal(out.data, "/\0/a\0/b\0", 8);
	assert_true(roots_has(&roots, "", 0));
	assert_true(roots_has(&roots, "/a", 2));
	assert_false(roots_has(&roots, "/", 1) && roots_has(&roots, "/aa", 3));
	buf_release(&out);
	roots_release(&roots);
	paths[1] = "";
	assert_int_equal(roots_make(paths, 4, &roots, &err), ERR_USAGE);
}

static void a_missing_root_is_noted_and_none_at_all_is_an_error(void **state)
{
	struct walked *p = *state;
	char *paths[2] = {strdup(temp_path(p->path, "here")),
			  strdup(temp_path(p->path, "not/there"))};
	struct roots roots;
	struct walk *w;
	struct error err;

	tree_file(p->fd, "here", "");
	walked_roots(p, (const char *const *)paths, 2, NULL);
	assert_string_equal(walked_seen(p), "(bare): here\n");
	assert_string_equal(walked_notes(p), "error /not: stat: No such file or directory\n");
	assert_int_equal(roots_make((const char *const *)paths + 1, 1, &roots, &err), ERR_NONE);
	assert_int_equal(walk_open(&p->options, &roots, &w, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.message, "not/there"));
	roots_release(&roots);
	assert_int_equal(roots_make(NULL, 0, &roots, &err), ERR_NONE);
	assert_int_equal(walk_open(&p->options, &roots, &w, &err), ERR_USAGE);
	roots_release(&roots);
	free(paths[0]);
	free(paths[1]);
}

static void a_missing_root_below_another_one_is_noted_too(void **state)
{
	struct walked *p = *state;
	char *paths[4] = {strdup(temp_path(p->path, "in")), strdup(temp_path(p->path, "in/gone")),
			  strdup(temp_path(p->path, "in/sub/x/y")),
			  strdup(temp_path(p->path, "in/here"))};

	tree_file(p->fd, "in/here", "");
	tree_file(p->fd, "in/sub/file", "");
	walked_roots(p, (const char *const *)paths, 4, NULL);
	assert_string_equal(walked_notes(p), "error /in/gone: stat: No such file or directory\n"
					     "error /in/sub/x/y: stat: No such file or directory\n");
	for (unsigned i = 0; i < 4; i++)
		free(paths[i]);
}

static void links_are_followed_on_the_way_to_a_root_only(void **state)
{
	struct walked *p = *state;
	char *paths[2] = {strdup(temp_path(p->path, "way/sub")),
			  strdup(temp_path(p->path, "link"))};

	tree_file(p->fd, "real/sub/x", "");
	tree_file(p->fd, "real/other", "");
	tree_link(p->fd, "real", "way");
	tree_link(p->fd, "real", "link");
	walked_roots(p, (const char *const *)paths, 2, NULL);
	assert_string_equal(walked_seen(p), "(bare): link@ way/\n"
					    "/way(bare): sub/\n"
					    "/way/sub: x\n");
	/* What is stored as a link cannot be stored as a folder as well. */
	free(paths[1]);
	paths[1] = strdup(p->path);
	walked_roots(p, (const char *const *)paths, 2, NULL);
	assert_non_null(strstr(walked_seen(p), ": link@ real/ way@\n"));
	assert_non_null(
		strstr(walked_notes(p), "error /way: no folder: nothing below it can be stored\n"));
	free(paths[0]);
	free(paths[1]);
}

static void what_patterns_exclude_is_not_entered(void **state)
{
	struct walked *p = *state;
	struct patterns *excludes = patterns_new();
	struct error err;
	char *paths[3];

	tree_file(p->fd, "a.o", "");
	tree_file(p->fd, "keep.o", "");
	tree_file(p->fd, "build/x", "");
	tree_file(p->fd, "src/build", "");
	tree_file(p->fd, "src/b.o", "");
	assert_int_equal(patterns_add(excludes, "/", "*.o", false, &err), ERR_NONE);
	assert_int_equal(patterns_add(excludes, "/", "!keep.o", false, &err), ERR_NONE);
	assert_int_equal(patterns_add(excludes, p->path, "build/", false, &err), ERR_NONE);
	p->options.excludes = excludes;
	walked_path(p);
	assert_string_equal(walked_seen(p), ": keep.o src/\n/src: build\n");
	/* Asked for by name and excluded: left out, and said so. Only parents are not asked. */
	paths[0] = strdup(temp_path(p->path, "a.o"));
	paths[1] = strdup(temp_path(p->path, "build/x"));
	paths[2] = strdup(temp_path(p->path, "build"));
	walked_roots(p, (const char *const *)paths, 2, NULL);
	assert_string_equal(walked_seen(p), "(bare): build/\n/build(bare): x\n");
	assert_string_equal(walked_notes(p), "info /a.o: asked for and excluded, not stored\n");
	walked_roots(p, (const char *const *)paths + 1, 2, NULL);
	assert_string_equal(walked_seen(p), "(bare): build/\n/build(bare): x\n");
	assert_string_equal(walked_notes(p), "info /build: asked for and excluded, not stored\n");
	for (unsigned i = 0; i < 3; i++)
		free(paths[i]);
	patterns_free(excludes);
}

static void a_tagged_folder_keeps_only_its_tag(void **state)
{
	const char *present[] = {".nobackup", "TAG:yes"};
	struct walked *p = *state;

	tree_file(p->fd, "cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\nmore");
	tree_file(p->fd, "cache/deep/x", "");
	tree_file(p->fd, "fake/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc5");
	tree_file(p->fd, "fake/x", "");
	tree_link(p->fd, "../cache/CACHEDIR.TAG", "link/CACHEDIR.TAG");
	tree_file(p->fd, "no/.nobackup", "");
	tree_file(p->fd, "no/x", "");
	tree_file(p->fd, "tag/TAG", "yes, please");
	tree_file(p->fd, "tag/x", "");
	tree_file(p->fd, "untag/TAG", "no");
	p->options.exclude_caches = true;
	p->options.exclude_if_present = present;
	p->options.exclude_if_present_count = 2;
	walked_path(p);
	assert_string_equal(walked_seen(p), ": cache/ fake/ link/ no/ tag/ untag/\n"
					    "/cache(bare): CACHEDIR.TAG\n"
					    "/fake: CACHEDIR.TAG x\n"
					    "/link: CACHEDIR.TAG@\n"
					    "/no(bare): .nobackup\n"
					    "/tag(bare): TAG\n"
					    "/untag: TAG\n");
}

static void large_files_sockets_and_drives_are_left_out(void **state)
{
	struct walked *p = *state;

	tree_file(p->fd, "five", "12345");
	tree_file(p->fd, "four", "1234");
	tree_socket(p->fd, "socket");
	tree_file(p->fd, "drive/.mrmr/config.json", "{}");
	tree_file(p->fd, "drive/other", "");
	tree_file(p->fd, "not/.mrmr/x", "");
	tree_file(p->fd, "file/.mrmr", "");
	p->options.exclude_above_bytes = 4;
	walked_path(p);
	assert_string_equal(walked_seen(p), ": drive/ file/ four not/\n"
					    "/drive: other\n"
					    "/file: .mrmr\n"
					    "/not: .mrmr/\n"
					    "/not/.mrmr: x\n");
	assert_string_equal(walked_notes(p),
			    "info /socket: socket, not stored\n"
			    "detail /drive/.mrmr: drive of an archive, not stored\n");
}

static void skip_first(struct walked *p, struct walk *w, const struct walk_folder *f)
{
	if (f->path_bytes == strlen(p->path) + 2 && f->path[f->path_bytes - 1] == 'a')
		walk_skip_folder(w);
}

static void a_skipped_folder_is_passed_over_with_all_below_it(void **state)
{
	struct walked *p = *state;
	const char *path = p->path;

	tree_file(p->fd, "a/b/c/x", "");
	tree_file(p->fd, "a/d/x", "");
	tree_file(p->fd, "e/f/x", "");
	walked_roots(p, &path, 1, skip_first);
	assert_string_equal(walked_seen(p), ": a/ e/\n/a:\n/e: f/\n/e/f: x\n");
}

static void a_large_folder_comes_in_one_piece(void **state)
{
	struct walked *p = *state;
	const char *path = p->path;
	struct roots roots;
	struct walk_folder f;
	struct walk_entry e;
	struct error err;
	struct walk *w;
	unsigned seen = 0;
	char name[16], last[16] = "";

	for (unsigned i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		tree_file(p->fd, name, "");
	}
	assert_int_equal(roots_make(&path, 1, &roots, &err), ERR_NONE);
	assert_int_equal(walk_open(&p->options, &roots, &w, &err), ERR_NONE);
	while (walk_next_folder(w, &f, &err)) {
		if (f.bare)
			continue;
		while (walk_next_entry(w, &e, &err)) {
			assert_true(strcmp(last, (const char *)e.name) < 0);
			snprintf(last, sizeof(last), "%s", (const char *)e.name);
			seen++;
		}
	}
	assert_int_equal(seen, 5000);
	walk_close(w);
	/* A walk that is given up early lets go of all. */
	assert_int_equal(walk_open(&p->options, &roots, &w, &err), ERR_NONE);
	assert_true(walk_next_folder(w, &f, &err));
	walk_close(w);
	roots_release(&roots);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, walked_set_up, walked_tear_down)
	const struct CMUnitTest tests[] = {
		T(a_folder_comes_whole_and_sorted_by_bytes_and_then_its_subfolders),
		T(a_node_has_what_lstat_says),
		T(parents_are_bare_and_overlapping_roots_merge),
		T(a_relative_path_counts_from_the_current_folder),
		T(a_series_names_its_roots_sorted_each_once_and_with_its_nul),
		T(a_missing_root_is_noted_and_none_at_all_is_an_error),
		T(a_missing_root_below_another_one_is_noted_too),
		T(links_are_followed_on_the_way_to_a_root_only),
		T(what_patterns_exclude_is_not_entered),
		T(a_tagged_folder_keeps_only_its_tag),
		T(large_files_sockets_and_drives_are_left_out),
		T(a_skipped_folder_is_passed_over_with_all_below_it),
		T(a_large_folder_comes_in_one_piece),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
