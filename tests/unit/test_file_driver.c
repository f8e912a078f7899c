/*
 * What the file driver does beyond the contract (test_driver_contract.c): safe paths, temporary
 * files. Errors of the system and the order of durable steps: test_file_faults.c.
 */
#include "base/file.h"
#include "tests/support/calls.h"
#include "tests/support/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

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

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

/* ---- the root ---- */

static void reading_leaves_the_folder_as_it_is(void **state)
{
	struct drive *d = call_open(*state);
	struct drive_about about;

	assert_int_equal(call_check(d, "config.json", "text"), ERR_NOT_FOUND);
	assert_int_equal(call_count(d, ""), 0);
	assert_int_equal(call_about(d, &about), ERR_NONE);
	assert_int_equal(call_remove(d, "a/b"), ERR_NONE);
	assert_int_equal(call_sync(d), ERR_NONE);
	call_close(d);
	assert_int_equal(count_entries(*state), 0);
}

static void a_url_may_name_the_folder_in_several_ways(void **state)
{
	char url[300], *before = getcwd(NULL, 0);
	const char *const urls[] = {"sub:x", "./sub:x/", "file:./sub:x", url};
	struct drive *d;

	assert_int_equal(chdir(*state), 0);
	assert_int_equal(mkdir("sub:x", 0700), 0);
	d = call_open("file:sub:x");
	assert_int_equal(call_store(d, "a", "text"), ERR_NONE);
	call_close(d);
	snprintf(url, sizeof(url), "file://%s/sub:x", (char *)*state);
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		d = call_open(urls[i]);
		assert_int_equal(call_check(d, "a", "text"), ERR_NONE);
		call_close(d);
	}
	assert_int_equal(call_try_open("file://host/sub:x", false, &d), ERR_USAGE);
	assert_int_equal(call_try_open("file:", false, &d), ERR_USAGE);
	assert_int_equal(call_try_open("", false, &d), ERR_USAGE);
	temp_file("f", "");
	assert_int_equal(call_try_open("f", false, &d), ERR_NOT_FOUND);
	assert_int_equal(call_try_open("none", false, &d), ERR_NOT_FOUND);
	assert_int_equal(chdir(before), 0);
	free(before);
}

static void folders_and_objects_are_private_whatever_the_umask(void **state)
{
	struct drive *d = call_open(*state);
	mode_t before = umask(0);

	assert_int_equal(call_store(d, "blocks/ab/x", "text"), ERR_NONE);
	umask(before);
	assert_int_equal(mode_of(temp_path(*state, ".mrmr")), 0700);
	assert_int_equal(mode_of(temp_path(*state, ".mrmr/blocks")), 0700);
	assert_int_equal(mode_of(temp_path(*state, ".mrmr/blocks/ab")), 0700);
	assert_int_equal(mode_of(temp_path(*state, ".mrmr/blocks/ab/x")), 0600);
	call_close(d);
}

static void a_folder_that_vanished_is_a_fault_and_no_answer(void **state)
{
	struct drive *d = call_open(*state);

	assert_int_equal(call_store(d, "a", "text"), ERR_NONE);
	assert_int_equal(call_put(d, "b", "text"), ERR_NONE);
	assert_int_equal(rename(temp_path(*state, ".mrmr/~tmp"), temp_path(*state, "gone")), 0);
	assert_int_equal(unlink(temp_path(*state, ".mrmr/a")), 0);
	assert_int_equal(rmdir(temp_path(*state, ".mrmr")), 0);
	assert_int_equal(call_sync(d), ERR_IO);
	assert_int_equal(call_store(d, "c", "text"), ERR_IO);
	call_close(d);
}

static void no_descriptor_is_left_open(void **state)
{
	int before = count_entries("/proc/self/fd");
	struct drive *d = call_open(*state);

	for (unsigned i = 0; i < 10; i++) {
		char name[30];

		snprintf(name, sizeof(name), "a/%u", i);
		assert_int_equal(call_store(d, name, "text"), ERR_NONE);
		assert_int_equal(call_put(d, name, "text"), ERR_EXISTS);
		assert_int_equal(call_check(d, name, "text"), ERR_NONE);
		assert_int_equal(call_check(d, "a/none", "text"), ERR_NOT_FOUND);
		assert_int_equal(call_check(d, "b/none", "text"), ERR_NOT_FOUND);
		assert_int_equal(call_move(d, name, "b/x"), ERR_NONE);
		assert_int_equal(call_move(d, name, "b/x"), ERR_NOT_FOUND);
		assert_int_equal(call_remove(d, "b/x"), ERR_NONE);
		assert_int_equal(call_remove(d, "b/x"), ERR_NONE);
		assert_int_equal(call_count(d, ""), 0);
	}
	assert_int_equal(call_put(d, "pending", "text"), ERR_NONE);
	call_close(d);
	assert_int_equal(call_try_open(temp_path(*state, "none"), false, &d), ERR_NOT_FOUND);
	assert_int_equal(count_entries("/proc/self/fd"), before);
}

static void a_large_object_is_stored_whole(void **state)
{
	const size_t size = (size_t)70 << 20;
	struct drive *d = call_open(*state);
	char *bytes = malloc(size), got[8];

	assert_non_null(bytes);
	memset(bytes, 'x', size);
	memcpy(bytes + size - 8, "the end", 8);
	assert_int_equal(driver_file.put(d, "large", bytes, size, &call_err), ERR_NONE);
	assert_int_equal(call_sync(d), ERR_NONE);
	assert_int_equal(call_get(d, "large", size - 8, got, 8), ERR_NONE);
	assert_string_equal(got, "the end");
	call_close(d);
	free(bytes);
}

/* ---- what others may have planted ---- */

static void a_linked_mrmr_folder_is_refused(void **state)
{
	struct drive *d;

	assert_int_equal(mkdir(temp_path(*state, "outside"), 0700), 0);
	assert_int_equal(symlink("outside", temp_path(*state, ".mrmr")), 0);
	assert_int_equal(call_try_open(*state, false, &d), ERR_IO);
	assert_int_equal(unlink(temp_path(*state, ".mrmr")), 0);
	temp_file(temp_path(*state, ".mrmr"), "");
	assert_int_equal(call_try_open(*state, false, &d), ERR_IO);
	assert_int_equal(unlink(temp_path(*state, ".mrmr")), 0);

	d = call_open(*state);
	assert_int_equal(symlink("outside", temp_path(*state, ".mrmr")), 0);
	assert_int_equal(call_put(d, "a", "text"), ERR_IO);
	assert_int_equal(call_check(d, "a", "text"), ERR_IO);
	assert_int_equal(count_entries(temp_path(*state, "outside")), 0);
	call_close(d);
}

static void a_linked_folder_leads_nowhere(void **state)
{
	const char *outside = temp_path(*state, "outside");
	struct drive *d = call_open(*state);

	assert_int_equal(mkdir(outside, 0700), 0);
	temp_file(temp_path(outside, "x"), "blocks/x");
	assert_int_equal(call_store(d, "a", "text"), ERR_NONE);
	assert_int_equal(symlink("../outside", temp_path(*state, ".mrmr/blocks")), 0);
	assert_int_equal(call_check(d, "blocks/x", "text"), ERR_NOT_FOUND);
	assert_int_equal(call_put(d, "blocks/y", "text"), ERR_IO);
	assert_int_equal(call_remove(d, "blocks/x"), ERR_NONE);
	assert_int_equal(call_move(d, "blocks/x", "b"), ERR_NOT_FOUND);
	assert_int_equal(call_move(d, "a", "blocks/y"), ERR_IO);
	assert_int_equal(call_count(d, ""), 1);
	assert_int_equal(call_count(d, "blocks/"), 0);
	assert_int_equal(count_entries(outside), 1);
	call_close(d);
}

static void a_folder_that_becomes_a_link_before_the_sync_fails_it(void **state)
{
	struct drive *d = call_open(*state);

	assert_int_equal(mkdir(temp_path(*state, "outside"), 0700), 0);
	assert_int_equal(call_put(d, "blocks/x", "text"), ERR_NONE);
	assert_int_equal(symlink("../outside", temp_path(*state, ".mrmr/blocks")), 0);
	assert_int_equal(call_sync(d), ERR_IO);
	assert_int_equal(count_entries(temp_path(*state, "outside")), 0);
	assert_int_equal(count_entries(temp_path(*state, ".mrmr/~tmp")), 0);
	call_close(d);
}

static void a_link_or_pipe_is_no_object_but_takes_its_name(void **state)
{
	struct drive *d = call_open(*state);
	struct object_stat st;

	temp_file(temp_path(*state, "outside"), "link");
	assert_int_equal(call_store(d, "a", "text"), ERR_NONE);
	assert_int_equal(symlink("../outside", temp_path(*state, ".mrmr/link")), 0);
	assert_int_equal(mkfifo(temp_path(*state, ".mrmr/pipe"), 0600), 0);
	for (unsigned i = 0; i < 2; i++) {
		const char *name = i == 0 ? "link" : "pipe";

		assert_int_equal(call_check(d, name, "text"), ERR_NOT_FOUND);
		assert_int_equal(driver_file.stat(d, name, &st, &call_err), ERR_NOT_FOUND);
		assert_int_equal(call_put(d, name, "text"), ERR_EXISTS);
		/* Repair sets it aside and stores the object anew. */
		assert_int_equal(call_move(d, name, "quarantine/x"), ERR_NONE);
		assert_int_equal(call_store(d, name, "text"), ERR_NONE);
		assert_int_equal(call_check(d, name, "text"), ERR_NONE);
		assert_int_equal(call_remove(d, "quarantine/x"), ERR_NONE);
		assert_int_equal(call_remove(d, name), ERR_NONE);
	}
	assert_int_equal(call_count(d, ""), 1);
	assert_int_equal(access(temp_path(*state, "outside"), F_OK), 0);
	call_close(d);
}

static void a_folder_is_no_object(void **state)
{
	struct drive *d = call_open(*state);

	assert_int_equal(call_store(d, "blocks/ab/x", "text"), ERR_NONE);
	assert_int_equal(call_check(d, "blocks/ab", "text"), ERR_NOT_FOUND);
	assert_int_equal(call_put(d, "blocks/ab", "text"), ERR_EXISTS);
	assert_int_equal(call_move(d, "blocks", "quarantine/all"), ERR_NOT_FOUND);
	assert_int_equal(call_remove(d, "blocks/ab"), ERR_NONE);
	assert_int_equal(call_check(d, "blocks/ab/x", "text"), ERR_NONE);
	call_close(d);
}

static void an_object_in_the_way_of_a_folder_is_a_fault(void **state)
{
	struct drive *d = call_open(*state);

	assert_int_equal(call_store(d, "a", "text"), ERR_NONE);
	assert_int_equal(call_put(d, "a/b", "text"), ERR_IO);
	assert_int_equal(call_check(d, "a/b", "text"), ERR_NOT_FOUND);
	assert_int_equal(call_remove(d, "a/b"), ERR_NONE);
	assert_int_equal(call_store(d, "c", "text"), ERR_NONE);
	assert_int_equal(call_move(d, "c", "a/b"), ERR_IO);
	assert_int_equal(call_count(d, ""), 2);
	assert_int_equal(call_count(d, "a/"), 0);
	call_close(d);
}

static void names_that_no_object_can_have_are_not_listed(void **state)
{
	static const char *const odd[] = {"~x", "a b", "\xc3\xa4", "x:y", "n\n", "$", "#1"};
	struct drive *d = call_open(*state);
	char deep[PATH_MAX];
	size_t len;

	assert_int_equal(call_store(d, "blocks/x", "text"), ERR_NONE);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		char name[40];

		snprintf(name, sizeof(name), ".mrmr/blocks/%s", odd[i]);
		temp_file(temp_path(*state, name), "");
		snprintf(name, sizeof(name), ".mrmr/%s", odd[i]);
		assert_int_equal(mkdir(temp_path(*state, name), 0700), 0);
		snprintf(name, sizeof(name), ".mrmr/%s/x", odd[i]);
		temp_file(temp_path(*state, name), "");
	}
	/* Folders go deeper than a name can. */
	len = (size_t)snprintf(deep, sizeof(deep), "%s/.mrmr", (char *)*state);
	for (unsigned i = 0; i < 10; i++) {
		len += (size_t)snprintf(deep + len, sizeof(deep) - len, "/%0*d", 40, 7);
		assert_int_equal(mkdir(deep, 0700), 0);
		snprintf(deep + len, sizeof(deep) - len, "/x");
		temp_file(deep, "");
		deep[len] = '\0';
	}
	temp_file(temp_path(*state, ".mrmr/.hidden"), "");
	assert_int_equal(call_count(d, ""), 2 + 6); /* six of the deep ones fit in 255 */
	assert_int_equal(call_count(d, "blocks/"), 1);
	call_close(d);
}

/* ---- temporary files ---- */

static void a_conflict_that_an_early_commit_meets_fails_put_and_the_next_sync(void **state)
{
	struct drive *d = call_open(*state), *other = call_open(*state);
	char name[20];

	for (unsigned i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "b/%u", i);
		assert_int_equal(call_put(d, name, "text"), ERR_NONE);
	}
	assert_int_equal(call_store(other, "b/3", "other"), ERR_NONE);
	/* Not ERR_EXISTS: this name is free. */
	assert_int_equal(call_put(d, "b/64", "text"), ERR_IO);
	assert_int_equal(call_put(d, "b/65", "text"), ERR_NONE);
	assert_int_equal(call_sync(d), ERR_EXISTS);
	assert_int_equal(call_check(d, "b/65", "text"), ERR_NOT_FOUND);
	assert_int_equal(call_check(d, "b/3", "other"), ERR_NONE);
	assert_int_equal(call_store(d, "b/65", "text"), ERR_NONE);
	assert_int_equal(count_entries(temp_path(*state, ".mrmr/~tmp")), 0);
	call_close(d);
	call_close(other);
}

static void temporary_files_are_not_listed_and_do_not_stay(void **state)
{
	struct drive *d = call_open(*state);
	const char *temps = temp_path(*state, ".mrmr/~tmp");

	assert_int_equal(call_put(d, "blocks/x", "text"), ERR_NONE);
	assert_int_equal(call_put(d, "blocks/y", "text"), ERR_NONE);
	assert_int_equal(count_entries(temps), 2);
	assert_int_equal(call_count(d, ""), 0);
	assert_int_equal(call_sync(d), ERR_NONE);
	assert_int_equal(count_entries(temps), 0);
	assert_int_equal(call_put(d, "blocks/z", "text"), ERR_NONE);
	assert_int_equal(call_remove(d, "blocks/z"), ERR_NONE);
	assert_int_equal(count_entries(temps), 0);
	assert_int_equal(call_put(d, "blocks/z", "text"), ERR_NONE);
	call_close(d);
	assert_int_equal(count_entries(temps), 0);
	assert_int_equal(access(temp_path(*state, ".mrmr/blocks/z"), F_OK), -1);
}

static pid_t dead_pid(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	return child;
}

static void temporary_files_of_dead_processes_of_our_tag_go_with_the_next_put(void **state)
{
	struct drive *d = call_open(*state);
	char dead[80], foreign[80], alive[80];

	assert_int_equal(call_store(d, "a", "text"), ERR_NONE);
	call_close(d);
	snprintf(dead, sizeof(dead), ".mrmr/~tmp/tag-%ld-3", (long)dead_pid());
	snprintf(foreign, sizeof(foreign), ".mrmr/~tmp/tagx%ld-1-3", (long)dead_pid());
	snprintf(alive, sizeof(alive), ".mrmr/~tmp/tag-%ld-3", (long)getppid());
	temp_file(temp_path(*state, dead), "");
	temp_file(temp_path(*state, foreign), "");
	temp_file(temp_path(*state, alive), "");
	temp_file(temp_path(*state, ".mrmr/~tmp/tag-x"), "");
	d = call_open(*state);
	assert_int_equal(call_check(d, "a", "text"), ERR_NONE);
	assert_int_equal(count_entries(temp_path(*state, ".mrmr/~tmp")), 4);
	assert_int_equal(call_put(d, "b", "text"), ERR_NONE);
	assert_int_equal(access(temp_path(*state, dead), F_OK), -1);
	assert_int_equal(count_entries(temp_path(*state, ".mrmr/~tmp")), 4);
	call_close(d);
	assert_int_equal(count_entries(temp_path(*state, ".mrmr/~tmp")), 3);
}

static void temporary_names_left_by_an_earlier_process_of_our_pid_are_stepped_over(void **state)
{
	struct drive *d = call_open(*state);

	assert_int_equal(call_store(d, "a", "text"), ERR_NONE);
	for (unsigned i = 0; i < 1000; i++) {
		char name[60];

		snprintf(name, sizeof(name), ".mrmr/~tmp/tag-%ld-%u", (long)getpid(), i);
		temp_file(temp_path(*state, name), "other");
	}
	assert_int_equal(call_store(d, "b", "text"), ERR_NONE);
	assert_int_equal(call_check(d, "b", "text"), ERR_NONE);
	assert_int_equal(count_entries(temp_path(*state, ".mrmr/~tmp")), 1000);
	call_close(d);
}

static void no_more_than_64_files_are_kept_open(void **state)
{
	struct drive *d = call_open(*state);
	int before, stored;

	assert_int_equal(call_store(d, "a", "text"), ERR_NONE);
	before = count_entries("/proc/self/fd");
	for (unsigned i = 0; i < 200; i++) {
		char name[20];

		snprintf(name, sizeof(name), "b/%u", i);
		assert_int_equal(call_put(d, name, "text"), ERR_NONE);
		assert_true(count_entries("/proc/self/fd") <= before + 64);
	}
	stored = call_count(d, "b/");
	assert_true(stored >= 200 - 64 && stored < 200);
	assert_int_equal(call_sync(d), ERR_NONE);
	assert_int_equal(call_count(d, "b/"), 200);
	call_close(d);
}

#define IN_A_FOLDER(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_FOLDER(reading_leaves_the_folder_as_it_is),
		IN_A_FOLDER(a_url_may_name_the_folder_in_several_ways),
		IN_A_FOLDER(folders_and_objects_are_private_whatever_the_umask),
		IN_A_FOLDER(a_folder_that_vanished_is_a_fault_and_no_answer),
		IN_A_FOLDER(no_descriptor_is_left_open),
		IN_A_FOLDER(a_large_object_is_stored_whole),
		IN_A_FOLDER(a_linked_mrmr_folder_is_refused),
		IN_A_FOLDER(a_linked_folder_leads_nowhere),
		IN_A_FOLDER(a_folder_that_becomes_a_link_before_the_sync_fails_it),
		IN_A_FOLDER(a_link_or_pipe_is_no_object_but_takes_its_name),
		IN_A_FOLDER(a_folder_is_no_object),
		IN_A_FOLDER(an_object_in_the_way_of_a_folder_is_a_fault),
		IN_A_FOLDER(names_that_no_object_can_have_are_not_listed),
		IN_A_FOLDER(a_conflict_that_an_early_commit_meets_fails_put_and_the_next_sync),
		IN_A_FOLDER(temporary_files_are_not_listed_and_do_not_stay),
		IN_A_FOLDER(temporary_files_of_dead_processes_of_our_tag_go_with_the_next_put),
		IN_A_FOLDER(temporary_names_left_by_an_earlier_process_of_our_pid_are_stepped_over),
		IN_A_FOLDER(no_more_than_64_files_are_kept_open),
	};

	return cmocka_run_group_tests_name("file driver", tests, NULL, NULL);
}
