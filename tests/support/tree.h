/*
 * Trees of files for tests. All of it asserts: what can't be made fails the test.
 * Paths are below the folder fd or AT_FDCWD.
 */
#ifndef MRMR_TESTS_TREE_H
#define MRMR_TESTS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* path: its folders are made too. */
void tree_file(int folder_fd, const char *path, const char *text);
void tree_bytes(int folder_fd, const char *path, const void *bytes, size_t len_bytes);
void tree_folder(int folder_fd, const char *path);
void tree_link(int folder_fd, const char *target, const char *path);
void tree_socket(int folder_fd, const char *path);

/* Folders named d within each other, as deep as asked for; the last one holds a file "bottom".
 * Returns a descriptor of the folder at which. */
int tree_deep(int folder_fd, unsigned depth, unsigned at);

/* Removes all below the folder path and that, however deep, and frees the path. */
void tree_remove(char *path);

/* The text of a small file, valid until the next call. NULL: there is none. */
const char *tree_read(int folder_fd, const char *path);
bool tree_has(int folder_fd, const char *path);	      /* a name, be it a link into nowhere */
unsigned tree_count(int folder_fd, const char *path); /* names in a folder */

struct stat tree_stat(int folder_fd, const char *path); /* of a link itself */
int64_t tree_time(int folder_fd, const char *path);	/* its modification time in ns */
void tree_set_time(int folder_fd, const char *path, int64_t ns);

/* Runs fn in a child process as nobody (when root; else as who we are), and returns its result. */
int tree_as_nobody(int (*fn)(void *ctx), void *ctx);

#endif
