/*
 * Folders for tests. All of it asserts: a test that can't have its folder has failed.
 */
#ifndef MRMR_TESTS_TEMP_H
#define MRMR_TESTS_TEMP_H

/* A fresh empty folder under $TMPDIR or /tmp. The caller gives it to temp_folder_remove(). */
char *temp_folder(void);

/* The same in memory (/dev/shm) where there is such a place: for tests of many small syncs. */
char *temp_folder_in_memory(void);

/* Removes the folder with all that is in it, whatever its modes, and frees the path. */
void temp_folder_remove(char *path);

/* Makes or replaces a file that holds this text. */
void temp_file(const char *path, const char *text);

/* "folder/name", valid until the eighth next call on this thread. */
const char *temp_path(const char *folder, const char *name);

#endif
