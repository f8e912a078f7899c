/*
 * Files of SQLite that fail on demand (sqlite.org/c3ref/vfs.html): a layer above the system's,
 * the default one once it was installed. One thread.
 */
#ifndef MRMR_TESTS_FAIL_VFS_H
#define MRMR_TESTS_FAIL_VFS_H

#include <stdbool.h>

void fail_vfs_install(void);

/* The call number n from now on (0: the next) that reads, or changes anything, fails once with
 * this SQLite code; n < 0: none does. */
void fail_vfs_arm(bool reads, long n, int code);

/* Whether it came to that. */
bool fail_vfs_failed(void);

#endif
