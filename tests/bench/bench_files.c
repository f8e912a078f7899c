/* How fast a tree is walked, copied to a folder (as a restore would write it), and found the same
 * there. usage: bench_files [TREE [FOLDER]]; the folder is removed afterwards. */
#include "archive/walk.h"
#include "tests/support/copy.h"
#include "tests/support/temp.h"
#include "tests/support/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void walk_once(const char *tree)
{
	struct walk_options options = {0};
	struct walk_folder folder;
	struct walk_entry entry;
	struct roots roots;
	struct walk *walk;
	struct error err;
	unsigned long entries = 0;
	double start = now_seconds();

	if (roots_make(&tree, 1, &roots, &err) != ERR_NONE ||
	    walk_open(&options, &roots, &walk, &err) != ERR_NONE)
		abort();
	while (walk_next_folder(walk, &folder, &err)) {
		while (walk_next_entry(walk, &entry, &err))
			entries++;
	}
	walk_close(walk);
	roots_release(&roots);
	printf("walk: %lu entries in %.3f s\n", entries, now_seconds() - start);
}

static void copy_once(const char *tree, const char *folder, unsigned threads)
{
	struct copy_result result;
	double start = now_seconds();

	copy_tree(tree, folder, threads, &result);
	printf("copy, %u threads: %lu entries, %lu errors in %.3f s\n", threads, result.entries,
	       result.errors, now_seconds() - start);
}

int main(int argc, char **argv)
{
	const char *tree = argc > 1 ? argv[1] : "/usr/include";
	char *folder = argc > 2 ? strdup(argv[2]) : temp_folder();

	if (!folder)
		return 1;
	walk_once(tree);
	walk_once(tree);
	copy_once(tree, temp_path(folder, "0"), 0);
	copy_once(tree, temp_path(folder, "2"), 2);
	puts("again, over what is there:");
	copy_once(tree, temp_path(folder, "2"), 2);
	tree_remove(folder);
	return 0;
}
