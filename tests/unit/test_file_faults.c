/*
 * The file driver when the system fails, and the order in which it makes things durable.
 */
#include "base/file.h"
#include "tests/support/calls.h"
#include "tests/support/deny.h"
#include "tests/support/temp.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define BATCH 3

static int folder_setup(void **state)
{
	*state = temp_folder_in_memory();
	return 0;
}

static int folder_teardown(void **state)
{
	temp_folder_remove(*state);
	return 0;
}

/* ---- errors of the system ---- */

/* One scenario of a child: with these calls denied, do(folder) must hold. */
struct denial {
	struct denied calls[DENY_MAX];
	bool (*check)(struct drive *d, int code);
	int code;
	const char *folder;
	struct drive *d;
};

static bool run_denial(void *ctx)
{
	struct denial *row = ctx;

	return deny_calls(row->calls) && row->check(row->d, row->code);
}

static bool put_fails(struct drive *d, int code)
{
	return call_put(d, "blocks/ab/new", "text") == code && strlen(call_err.message) > 10 &&
	       call_sync(d) == ERR_NONE && call_check(d, "blocks/ab/new", "text") == ERR_NOT_FOUND;
}

static bool first_put_fails(struct drive *d, int code)
{
	struct drive *fresh;

	(void)d;
	return call_try_open("fresh", false, &fresh) == ERR_NONE &&
	       call_put(fresh, "a", "text") == code;
}

static bool sync_fails(struct drive *d, int code)
{
	for (unsigned i = 0; i < BATCH; i++) {
		char name[30];

		snprintf(name, sizeof(name), "blocks/ab/%u", i);
		if (call_put(d, name, "text") != ERR_NONE)
			return false;
	}
	if (call_sync(d) != code || call_count(d, "blocks/ab/") != 0)
		return false;
	return count_entries(".mrmr/~tmp") == 0;
}

static bool sync_after_remove_fails(struct drive *d, int code)
{
	return call_remove(d, "blocks/old") == ERR_NONE && call_sync(d) == code &&
	       call_sync(d) == code;
}

static bool a_full_batch_fails_in_put_and_in_the_next_sync(struct drive *d, int code)
{
	char name[30];

	for (unsigned i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "b/%u", i);
		if (call_put(d, name, "text") != ERR_NONE)
			return false;
	}
	if (call_put(d, "b/64", "text") != code || call_put(d, "b/65", "text") != ERR_NONE)
		return false;
	return call_sync(d) == code && call_sync(d) == ERR_NONE && call_count(d, "b/") == 0 &&
	       count_entries(".mrmr/~tmp") == 0;
}

static bool get_fails(struct drive *d, int code)
{
	return call_check(d, "blocks/old", "text") == code;
}

static bool list_fails(struct drive *d, int code)
{
	return call_count(d, "") == -1 && (int)call_err.code == code;
}

static bool remove_fails(struct drive *d, int code)
{
	return call_remove(d, "blocks/old") == code;
}

static bool move_fails(struct drive *d, int code)
{
	return call_move(d, "blocks/old", "q/x") == code;
}

static bool about_fails(struct drive *d, int code)
{
	struct drive_about about;

	return call_about(d, &about) == code;
}

/* Names are given, refused when taken, and objects moved. */
static bool everything_works(struct drive *d, int code)
{
	struct drive *other = call_open(".");

	if (call_put(d, "blocks/x", "text") != code || call_put(d, "blocks/same", "text") != code ||
	    call_store(other, "blocks/same", "text") != code || call_sync(d) != code)
		return false;
	if (call_check(d, "blocks/x", "text") != code ||
	    call_check(d, "blocks/same", "text") != code)
		return false;
	if (call_put(d, "blocks/y", "text") != code || call_put(other, "blocks/y", "!") != code ||
	    call_sync(other) != code || call_sync(d) != ERR_EXISTS)
		return false;
	if (call_move(d, "blocks/x", "blocks/same") != ERR_EXISTS ||
	    call_move(d, "blocks/x", "q/x") != code ||
	    call_move(d, "blocks/x", "q/x") != ERR_NOT_FOUND)
		return false;
	return call_count(d, "") == 3 && count_entries(".mrmr/~tmp") == 0;
}

static void errors_of_the_system_are_told_and_leave_nothing_behind(void **state)
{
	static const struct denial rows[] = {
		{{{SYS_write, ENOSPC}}, put_fails, ERR_FULL},
		{{{SYS_write, EDQUOT}}, put_fails, ERR_FULL},
		{{{SYS_write, EIO}}, put_fails, ERR_IO},
		{{{SYS_mkdirat, EROFS}}, first_put_fails, ERR_READONLY},
		{{{SYS_mkdirat, EACCES}}, first_put_fails, ERR_DENIED},
		{{{SYS_mkdirat, ENOENT}}, first_put_fails, ERR_IO},
		{{{SYS_mkdirat, ENOSPC}}, sync_fails, ERR_FULL},
		{{{SYS_fsync, EIO}}, sync_fails, ERR_IO},
		{{{SYS_fsync, ENOSPC}}, sync_fails, ERR_FULL},
		{{{SYS_fsync, EIO}}, sync_after_remove_fails, ERR_IO},
		{{{SYS_fsync, EIO}}, a_full_batch_fails_in_put_and_in_the_next_sync, ERR_IO},
		{{{SYS_renameat2, EIO}}, sync_fails, ERR_IO},
		{{{SYS_renameat2, EROFS}}, sync_fails, ERR_READONLY},
		{{{SYS_renameat2, EINVAL}, {SYS_linkat, ENOSPC}}, sync_fails, ERR_FULL},
		{{{SYS_renameat2, EROFS}}, move_fails, ERR_READONLY},
		{{{SYS_pread64, EIO}}, get_fails, ERR_IO},
		{{{SYS_openat, EACCES}}, get_fails, ERR_DENIED},
		{{{SYS_openat, EIO}}, list_fails, ERR_IO},
		{{{SYS_getdents64, EIO}}, list_fails, ERR_IO},
		{{{SYS_unlinkat, EROFS}}, remove_fails, ERR_READONLY},
		{{{SYS_fstatfs, EIO}}, about_fails, ERR_IO},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct denial row = rows[i];
		struct drive *d = call_open(*state);
		char *before = getcwd(NULL, 0);

		assert_int_equal(chdir(*state), 0);
		mkdir("fresh", 0700);
		call_store(d, "blocks/old", "text");
		row.d = d;
		if (!in_child(run_denial, &row))
			fail_msg("row %zu", i);
		assert_int_equal(chdir(before), 0);
		free(before);
		call_close(d);
	}
}

static void a_file_system_that_lacks_calls_is_good_enough(void **state)
{
	static const struct denial rows[] = {
		{{{0, 0}}, everything_works, ERR_NONE},
		{{{SYS_renameat2, EINVAL}}, everything_works, ERR_NONE},
		{{{SYS_renameat2, ENOSYS}, {SYS_linkat, EPERM}}, everything_works, ERR_NONE},
		{{{SYS_renameat2, EINVAL}, {SYS_linkat, EOPNOTSUPP}}, everything_works, ERR_NONE},
		{{{SYS_sync_file_range, ENOSYS}}, everything_works, ERR_NONE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct denial row = rows[i];
		char *folder = temp_folder_in_memory(), *before = getcwd(NULL, 0);

		(void)state;
		assert_int_equal(chdir(folder), 0);
		row.d = call_open(folder);
		if (!in_child(run_denial, &row))
			fail_msg("row %zu", i);
		call_close(row.d);
		assert_int_equal(chdir(before), 0);
		temp_folder_remove(folder);
		free(before);
	}
}

/* ---- the order of durable steps ---- */

/* What runs below strace: one of these, on a folder. */
static int store_three(struct drive *d)
{
	int code = call_put(d, "blocks/ab/x", "text");

	if (code == ERR_NONE)
		code = call_put(d, "blocks/cd/y", "text");
	return code == ERR_NONE ? call_store(d, "journal/w/1", "text") : code;
}

static int move_and_remove(struct drive *d)
{
	int code = call_move(d, "blocks/ab/x", "quarantine/x");

	if (code == ERR_NONE)
		code = call_remove(d, "blocks/cd/y");
	return code == ERR_NONE ? call_sync(d) : code;
}

static int run_traced(const char *what, const char *folder)
{
	struct drive *d = call_open(folder);
	int code = strcmp(what, "store") == 0 ? store_three(d) : move_and_remove(d);

	call_close(d);
	return code;
}

/* Runs ourselves below strace with these arguments and gives what it saw, as a string. Skips the
 * test where there is no strace, or it may not. */
static void trace(const char *what, const char *folder, const char *log, struct buf *out)
{
	char ourselves[PATH_MAX] = "";
	int status = -1;
	pid_t child;

	assert_true(readlink("/proc/self/exe", ourselves, sizeof(ourselves) - 1) > 0);
	child = fork();
	if (child == 0) {
		execlp("strace", "strace", "-f", "-y", "-o", log, "-e",
		       "trace=fsync,fdatasync,renameat2,unlinkat", ourselves, what, folder, NULL);
		_exit(127);
	}
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		print_message("no strace here\n");
		skip();
	}
	assert_int_equal(file_load(log, 100000, out, &call_err), ERR_NONE);
	buf_add_u8(out, 0);
}

/* Number of the only line that holds both, from 1 on; 0: none. */
static unsigned line_with(const char *text, const char *call, const char *what)
{
	unsigned number = 1, found = 0;

	for (const char *at = text; *at; number++) {
		size_t len = strcspn(at, "\n");
		const char *c = memmem(at, len, call, strlen(call));
		const char *w = memmem(at, len, what, strlen(what));

		if (c && w) {
			assert_int_equal(found, 0);
			found = number;
		}
		at += len + (at[len] == '\n');
	}
	return found;
}

static void files_are_durable_before_they_are_named_and_folders_after(void **state)
{
	static const char *const names[] = {"\"x\"", "\"y\"", "\"1\""};
	static const char *const folders[] = {"blocks/ab>", "blocks/cd>", "journal/w>"};
	const char *log = temp_path(*state, "log"), *folder = temp_path(*state, "d");
	char root[300], temp[40];
	struct buf b = {0};

	assert_int_equal(mkdir(folder, 0700), 0);
	trace("store", folder, log, &b);
	for (size_t i = 0; i < BATCH; i++) {
		unsigned renamed = line_with((char *)b.data, "renameat2(", names[i]);
		const char *line = (char *)b.data, *name;
		unsigned written, named;

		assert_true(renamed > 0);
		for (unsigned n = 1; n < renamed; n++)
			line = strchr(line, '\n') + 1;
		name = strstr(line, "\"tag-");
		assert_non_null(name);
		snprintf(temp, sizeof(temp), "%.*s>", (int)strcspn(name + 1, "\""), name + 1);
		written = line_with((char *)b.data, "sync(", temp);
		named = line_with((char *)b.data, "fsync(", folders[i]);
		assert_in_range(written, 1, renamed - 1);
		assert_in_range(named, renamed + 1, 100);
	}
	/* The folders that got new folders, and the root for .mrmr itself. */
	snprintf(root, sizeof(root), "<%s>", folder);
	assert_true(line_with((char *)b.data, "fsync(", ".mrmr/blocks>") > 0);
	assert_true(line_with((char *)b.data, "fsync(", ".mrmr/journal>") > 0);
	assert_true(line_with((char *)b.data, "fsync(", ".mrmr>") > 0);
	assert_true(line_with((char *)b.data, "fsync(", root) > 0);
	buf_release(&b);
}

static void moves_and_removals_are_durable_with_their_folders(void **state)
{
	static const char *const folders[] = {"blocks/ab>", "blocks/cd>", ".mrmr/quarantine>",
					      "/.mrmr>"};
	const char *log = temp_path(*state, "log"), *folder = temp_path(*state, "d");
	struct buf b = {0};
	struct drive *d;

	assert_int_equal(mkdir(folder, 0700), 0);
	d = call_open(folder);
	assert_int_equal(store_three(d), ERR_NONE);
	call_close(d);
	trace("change", folder, log, &b);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		assert_in_range(line_with((char *)b.data, "fsync(", folders[i]), 3, 100);
	assert_int_equal(line_with((char *)b.data, "renameat2(", "\"x\""), 1);
	assert_int_equal(line_with((char *)b.data, "unlinkat(", "\"y\""), 2);
	assert_int_equal(line_with((char *)b.data, "fsync(", "journal/w>"), 0);
	buf_release(&b);
}

#define IN_A_FOLDER(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		IN_A_FOLDER(errors_of_the_system_are_told_and_leave_nothing_behind),
		IN_A_FOLDER(a_file_system_that_lacks_calls_is_good_enough),
		IN_A_FOLDER(files_are_durable_before_they_are_named_and_folders_after),
		IN_A_FOLDER(moves_and_removals_are_durable_with_their_folders),
	};

	/* _exit: no leak checker below a debugger. */
	if (argc == 3)
		_exit(run_traced(argv[1], argv[2]));
	return cmocka_run_group_tests_name("file driver, faults", tests, NULL, NULL);
}
