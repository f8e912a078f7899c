/* Walks: order, roots, what is left out, and trees that are odd or change meanwhile. */
#include "archive/walk.h"

#include "archive/listing.h"
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
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* A tree to walk, and what a walk said of it, relative to it. */
struct place {
	char *path;
	int fd;
	struct buf seen;  /* "folder: entry entry/ \n" */
	struct buf notes; /* "level path: what\n" */
	struct walk_options options;
};

static void take_note(void *ctx, enum note_level level, const uint8_t *path, size_t path_bytes,
		      const char *what)
{
	struct place *p = ctx;
	size_t cut = strlen(p->path);
	char line[1024];
	int len;

	if (path_bytes < cut)
		cut = 0;
	len = snprintf(line, sizeof(line), "%s %.*s: %s\n",
		       level == NOTE_ERROR  ? "error"
		       : level == NOTE_INFO ? "info"
					    : "detail",
		       (int)(path_bytes - cut), path + cut, what);
	buf_add(&p->notes, line, (size_t)len);
}

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	p->path = temp_folder();
	p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->options.note = take_note;
	p->options.note_ctx = p;
	*state = p;
	return p->fd < 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	umount2(temp_path(p->path, "mnt"), MNT_DETACH);
	close(p->fd);
	tree_remove(p->path);
	buf_release(&p->seen);
	buf_release(&p->notes);
	free(p);
	return 0;
}

/* Called for each folder, before its entries. */
typedef void visit_fn(struct place *p, struct walk *w, const struct walk_folder *f);

static void see(struct place *p, const struct walk_folder *f, const char *name, size_t name_bytes,
		const char *mark)
{
	(void)f;
	buf_add(&p->seen, " ", 1);
	buf_add(&p->seen, name, name_bytes);
	buf_add(&p->seen, mark, strlen(mark));
}

/* Walks; folders above the place are not written down. */
static void walk_roots(struct place *p, const char *const *paths, size_t count, visit_fn *visit)
{
	struct walk_folder f;
	struct walk_entry e;
	struct roots roots;
	struct walk *w;
	struct error err;
	size_t cut = strlen(p->path);

	buf_clear(&p->seen);
	buf_clear(&p->notes);
	assert_int_equal(roots_make(paths, count, &roots, &err), ERR_NONE);
	assert_int_equal(walk_open(&p->options, &roots, &w, &err), ERR_NONE);
	while (walk_next_folder(w, &f, &err)) {
		bool ours = f.path_bytes >= cut && memcmp(f.path, p->path, cut) == 0;

		if (!ours)
			continue;
		buf_add(&p->seen, f.path + cut, f.path_bytes - cut);
		buf_add(&p->seen,
			f.bare	       ? "(bare):"
			: f.unreadable ? "(unreadable):"
				       : ":",
			f.bare	       ? 7
			: f.unreadable ? 13
				       : 1);
		if (visit)
			visit(p, w, &f);
		while (walk_next_entry(w, &e, &err))
			see(p, &f, (const char *)e.name, e.name_bytes,
			    e.node.type == NODE_FOLDER	  ? "/"
			    : e.node.type == NODE_SYMLINK ? "@"
			    : e.node.type == NODE_FIFO	  ? "|"
							  : "");
		assert_int_equal(err.code, ERR_NONE);
		buf_add(&p->seen, "\n", 1);
	}
	assert_int_equal(err.code, ERR_NONE);
	walk_close(w);
	roots_release(&roots);
	buf_add_u8(&p->seen, 0);
	buf_add_u8(&p->notes, 0);
	assert_false(p->seen.failed || p->notes.failed);
}

static void walk_place(struct place *p)
{
	const char *path = p->path;

	walk_roots(p, &path, 1, NULL);
}

#define SEEN(p) ((const char *)(p)->seen.data)
#define NOTES(p) ((const char *)(p)->notes.data)

static void a_folder_comes_whole_and_sorted_by_bytes_and_then_its_subfolders(void **state)
{
	struct place *p = *state;

	tree_file(p->fd, "b", "");
	tree_file(p->fd, "a/y", "");
	tree_file(p->fd, "a/x/1", "");
	tree_file(p->fd, "a-b", "");
	tree_file(p->fd, "\xff", "");
	tree_file(p->fd, "B", "");
	tree_folder(p->fd, "c/empty");
	tree_link(p->fd, "nowhere", "c/link");
	assert_int_equal(mkfifoat(p->fd, "c/pipe", 0600), 0);
	walk_place(p);
	assert_string_equal(SEEN(p), ": B a/ a-b b c/ \xff\n"
				     "/a: x/ y\n"
				     "/a/x: 1\n"
				     "/c: empty/ link@ pipe|\n"
				     "/c/empty:\n");
	assert_string_equal(NOTES(p), "");
}

static void a_node_has_what_lstat_says(void **state)
{
	struct place *p = *state;
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
	struct place *p = *state;
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
	walk_roots(p, (const char *const *)paths, 4, NULL);
	assert_string_equal(SEEN(p), "(bare): top/\n"
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
	struct place *p = *state;
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
	struct place *p = *state;
	char *paths[2] = {strdup(temp_path(p->path, "here")),
			  strdup(temp_path(p->path, "not/there"))};
	struct roots roots;
	struct walk *w;
	struct error err;

	tree_file(p->fd, "here", "");
	walk_roots(p, (const char *const *)paths, 2, NULL);
	assert_string_equal(SEEN(p), "(bare): here\n");
	assert_string_equal(NOTES(p), "error /not: stat: No such file or directory\n");
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

static void links_are_followed_on_the_way_to_a_root_only(void **state)
{
	struct place *p = *state;
	char *paths[2] = {strdup(temp_path(p->path, "way/sub")),
			  strdup(temp_path(p->path, "link"))};

	tree_file(p->fd, "real/sub/x", "");
	tree_file(p->fd, "real/other", "");
	tree_link(p->fd, "real", "way");
	tree_link(p->fd, "real", "link");
	walk_roots(p, (const char *const *)paths, 2, NULL);
	assert_string_equal(SEEN(p), "(bare): link@ way/\n"
				     "/way(bare): sub/\n"
				     "/way/sub: x\n");
	/* What is stored as a link cannot be stored as a folder as well. */
	free(paths[1]);
	paths[1] = strdup(p->path);
	walk_roots(p, (const char *const *)paths, 2, NULL);
	assert_non_null(strstr(SEEN(p), ": link@ real/ way@\n"));
	assert_non_null(
		strstr(NOTES(p), "error /way: no folder: nothing below it can be stored\n"));
	free(paths[0]);
	free(paths[1]);
}

static void what_patterns_exclude_is_not_entered(void **state)
{
	struct place *p = *state;
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
	walk_place(p);
	assert_string_equal(SEEN(p), ": keep.o src/\n/src: build\n");
	/* Asked for by name and excluded: left out, and said so. Only parents are not asked. */
	paths[0] = strdup(temp_path(p->path, "a.o"));
	paths[1] = strdup(temp_path(p->path, "build/x"));
	paths[2] = strdup(temp_path(p->path, "build"));
	walk_roots(p, (const char *const *)paths, 2, NULL);
	assert_string_equal(SEEN(p), "(bare): build/\n/build(bare): x\n");
	assert_string_equal(NOTES(p), "info /a.o: asked for and excluded, not stored\n");
	walk_roots(p, (const char *const *)paths + 1, 2, NULL);
	assert_string_equal(SEEN(p), "(bare): build/\n/build(bare): x\n");
	assert_string_equal(NOTES(p), "info /build: asked for and excluded, not stored\n");
	for (unsigned i = 0; i < 3; i++)
		free(paths[i]);
	patterns_free(excludes);
}

static void a_tagged_folder_keeps_only_its_tag(void **state)
{
	const char *present[] = {".nobackup", "TAG:yes"};
	struct place *p = *state;

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
	walk_place(p);
	assert_string_equal(SEEN(p), ": cache/ fake/ link/ no/ tag/ untag/\n"
				     "/cache(bare): CACHEDIR.TAG\n"
				     "/fake: CACHEDIR.TAG x\n"
				     "/link: CACHEDIR.TAG@\n"
				     "/no(bare): .nobackup\n"
				     "/tag(bare): TAG\n"
				     "/untag: TAG\n");
}

static void large_files_sockets_and_drives_are_left_out(void **state)
{
	struct place *p = *state;

	tree_file(p->fd, "five", "12345");
	tree_file(p->fd, "four", "1234");
	tree_socket(p->fd, "socket");
	tree_file(p->fd, "drive/.mrmr/config.json", "{}");
	tree_file(p->fd, "drive/other", "");
	tree_file(p->fd, "not/.mrmr/x", "");
	tree_file(p->fd, "file/.mrmr", "");
	p->options.exclude_above_bytes = 4;
	walk_place(p);
	assert_string_equal(SEEN(p), ": drive/ file/ four not/\n"
				     "/drive: other\n"
				     "/file: .mrmr\n"
				     "/not: .mrmr/\n"
				     "/not/.mrmr: x\n");
	assert_string_equal(NOTES(p), "info /socket: socket, not stored\n"
				      "detail /drive/.mrmr: drive of an archive, not stored\n");
}

static void skip_first(struct place *p, struct walk *w, const struct walk_folder *f)
{
	if (f->path_bytes == strlen(p->path) + 2 && f->path[f->path_bytes - 1] == 'a')
		walk_skip_folder(w);
}

static void a_skipped_folder_is_passed_over_with_all_below_it(void **state)
{
	struct place *p = *state;
	const char *path = p->path;

	tree_file(p->fd, "a/b/c/x", "");
	tree_file(p->fd, "a/d/x", "");
	tree_file(p->fd, "e/f/x", "");
	walk_roots(p, &path, 1, skip_first);
	assert_string_equal(SEEN(p), ": a/ e/\n/a:\n/e: f/\n/e/f: x\n");
}

static void a_large_folder_comes_in_one_piece(void **state)
{
	struct place *p = *state;
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

static void deeper_than_a_path_and_than_descriptors_go(void **state)
{
	struct place *p = *state;
	struct rlimit before, few;
	unsigned folders = 0;

	close(tree_deep(p->fd, 4096, 0));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 256;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	walk_place(p);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (const char *at = SEEN(p); (at = strchr(at, '\n')) != NULL; at++)
		folders++;
	assert_int_equal(folders, 4097);
	assert_non_null(strstr(SEEN(p), ": bottom\n"));
	assert_string_equal(NOTES(p), "");
}

static void move_away(struct place *p, struct walk *w, const struct walk_folder *f)
{
	(void)w;
	/* At this depth the crawl has closed the upper folders. */
	if (f->path_bytes == strlen(p->path) + 2 * 250)
		assert_int_equal(renameat(p->fd, "d/d/d", p->fd, "moved"), 0);
}

static void a_folder_moved_meanwhile_does_not_lead_the_walk_astray(void **state)
{
	struct place *p = *state;
	const char *path = p->path;
	int upper = tree_deep(p->fd, 400, 2);

	tree_file(upper, "z/x", "");
	tree_file(p->fd, "d/y/x", "");
	walk_roots(p, &path, 1, move_away);
	/* d/d lost its d, but both it and d are found again. */
	assert_non_null(strstr(SEEN(p), "/d/d/z: x\n"));
	assert_non_null(strstr(SEEN(p), "/d/y: x\n"));
	assert_null(strstr(SEEN(p), "moved:"));
	assert_string_equal(NOTES(p), "");
	close(upper);
}

static void replace_parents(struct place *p, struct walk *w, const struct walk_folder *f)
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
	struct place *p = *state;
	const char *path = p->path;
	int upper = tree_deep(p->fd, 400, 2);

	tree_file(upper, "z/x", "");
	tree_file(p->fd, "zz", "");
	walk_roots(p, &path, 1, replace_parents);
	assert_non_null(strstr(SEEN(p), "/d/d/z(unreadable):\n"));
	assert_non_null(strstr(NOTES(p), "error /d/d/z: open: "));
	close(upper);
}

static int walk_unreadable(void *ctx)
{
	struct place *p = ctx;

	walk_place(p);
	if (strcmp(SEEN(p),
		   ": blind/ closed/ open/\n/blind: x\n/closed(unreadable):\n/open: x\n") != 0)
		return 1;
	return strcmp(NOTES(p), "error /closed: open: Permission denied\n") != 0;
}

static void a_folder_that_may_not_be_read_is_noted_and_visited_empty(void **state)
{
	struct place *p = *state;

	tree_file(p->fd, "closed/x", "");
	tree_file(p->fd, "open/x", "");
	tree_file(p->fd, "blind/x", "");
	assert_int_equal(fchmodat(p->fd, "closed", 0000, 0), 0);
	assert_int_equal(fchmod(p->fd, 0755), 0);
	assert_int_equal(tree_as_nobody(walk_unreadable, p), 0);
}

static int walk_without_entering(void *ctx)
{
	struct place *p = ctx;

	walk_place(p);
	return strcmp(SEEN(p), ": listed/\n/listed:\n") != 0 ||
	       strcmp(NOTES(p), "error /listed/x: stat: Permission denied\n") != 0;
}

static void an_entry_that_may_not_be_looked_at_is_noted(void **state)
{
	struct place *p = *state;

	tree_file(p->fd, "listed/x", "");
	assert_int_equal(fchmodat(p->fd, "listed", 0444, 0), 0);
	assert_int_equal(fchmod(p->fd, 0755), 0);
	assert_int_equal(tree_as_nobody(walk_without_entering, p), 0);
}

static void one_file_system_stores_mount_points_as_empty_folders(void **state)
{
	struct place *p = *state;
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
	walk_place(p);
	assert_string_equal(SEEN(p), ": mnt/ z\n/mnt:\n");
	/* A root below the mount point is one of its own. */
	walk_roots(p, (const char *const *)paths, 2, NULL);
	assert_string_equal(SEEN(p), ": mnt/ z\n/mnt(bare): sub/\n/mnt/sub(bare): in/\n"
				     "/mnt/sub/in: x\n");
	p->options.one_file_system = false;
	walk_place(p);
	assert_string_equal(SEEN(p), ": mnt/ z\n/mnt: sub/ y\n/mnt/sub: in/\n/mnt/sub/in: x\n");
	free(paths[0]);
	free(paths[1]);
}

static void names_of_255_bytes_and_of_any_byte_are_entries(void **state)
{
	struct place *p = *state;
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
	walk_place(p);
	assert_non_null(strstr(SEEN(p), longest));
	assert_int_equal(made, 254);
	assert_string_equal(NOTES(p), "");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_folder_comes_whole_and_sorted_by_bytes_and_then_its_subfolders),
		T(a_node_has_what_lstat_says),
		T(parents_are_bare_and_overlapping_roots_merge),
		T(a_relative_path_counts_from_the_current_folder),
		T(a_series_names_its_roots_sorted_each_once_and_with_its_nul),
		T(a_missing_root_is_noted_and_none_at_all_is_an_error),
		T(links_are_followed_on_the_way_to_a_root_only),
		T(what_patterns_exclude_is_not_entered),
		T(a_tagged_folder_keeps_only_its_tag),
		T(large_files_sockets_and_drives_are_left_out),
		T(a_skipped_folder_is_passed_over_with_all_below_it),
		T(a_large_folder_comes_in_one_piece),
		T(deeper_than_a_path_and_than_descriptors_go),
		T(a_folder_moved_meanwhile_does_not_lead_the_walk_astray),
		T(a_folder_that_cannot_be_found_again_is_noted),
		T(a_folder_that_may_not_be_read_is_noted_and_visited_empty),
		T(an_entry_that_may_not_be_looked_at_is_noted),
		T(one_file_system_stores_mount_points_as_empty_folders),
		T(names_of_255_bytes_and_of_any_byte_are_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
