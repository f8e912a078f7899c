/*
 * Which disks fail together: made-up sysfs trees, and the real one.
 */
#include "base/file.h"
#include "drivers/disk.h"
#include "tests/support/calls.h"
#include "tests/support/temp.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

static struct error err;

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

/* ---- domains ---- */

static void a_link_to(const char *folder, const char *name, const char *target)
{
	assert_int_equal(symlink(target, temp_path(folder, name)), 0);
}

static void make_device(const char *sysfs, const char *name, const char *number)
{
	char path[100], target[120];

	snprintf(path, sizeof(path), "devices/%s/slaves", name);
	assert_int_equal(folder_make(temp_path(sysfs, path), &err), ERR_NONE);
	snprintf(path, sizeof(path), "dev/block/%s", number);
	snprintf(target, sizeof(target), "../../devices/%s", name);
	a_link_to(sysfs, path, target);
}

static void assert_domain(const char *sysfs, unsigned major, unsigned minor, const char *expected)
{
	char domain[DRIVE_DOMAIN_MAX];

	disk_domain_of_device(sysfs, makedev(major, minor), domain);
	assert_string_equal(domain, expected);
}

static void the_domain_is_the_disks_below_partitions_and_raids(void **state)
{
	const char *sysfs = *state;

	assert_int_equal(folder_make(temp_path(sysfs, "dev/block"), &err), ERR_NONE);
	make_device(sysfs, "sdb", "8:16");
	make_device(sysfs, "sda", "8:0");
	make_device(sysfs, "sda/sda1", "8:1");
	temp_file(temp_path(sysfs, "devices/sda/sda1/partition"), "1\n");
	make_device(sysfs, "sda/sda2", "8:2");
	temp_file(temp_path(sysfs, "devices/sda/sda2/partition"), "2\n");
	make_device(sysfs, "md0", "9:0");
	a_link_to(sysfs, "devices/md0/slaves/sdb", "../../sdb");
	a_link_to(sysfs, "devices/md0/slaves/sda2", "../../sda/sda2");
	make_device(sysfs, "dm-0", "254:0");
	a_link_to(sysfs, "devices/dm-0/slaves/md0", "../../md0");
	make_device(sysfs, "dm-1", "254:1");
	a_link_to(sysfs, "devices/dm-1/slaves/sda1", "../../sda/sda1");
	a_link_to(sysfs, "devices/dm-1/slaves/sda2", "../../sda/sda2");
	make_device(sysfs, "loop", "7:7");
	a_link_to(sysfs, "devices/loop/slaves/loop", "../../loop");

	assert_domain(sysfs, 8, 0, "disk sda");
	assert_domain(sysfs, 8, 1, "disk sda");
	assert_domain(sysfs, 8, 2, "disk sda");
	assert_domain(sysfs, 8, 16, "disk sdb");
	assert_domain(sysfs, 9, 0, "disk sda+sdb");
	assert_domain(sysfs, 254, 0, "disk sda+sdb");
	assert_domain(sysfs, 254, 1, "disk sda");
	assert_domain(sysfs, 7, 7, "device 7:7"); /* one that is made of itself ends too */
	assert_domain(sysfs, 0, 35, "device 0:35");
	assert_domain("/nonexistent", 8, 1, "device 8:1");
}

static void a_domain_of_many_disks_is_cut_and_ends(void **state)
{
	const char *sysfs = *state;
	char domain[DRIVE_DOMAIN_MAX];

	assert_int_equal(folder_make(temp_path(sysfs, "dev/block"), &err), ERR_NONE);
	make_device(sysfs, "md0", "9:0");
	for (unsigned i = 0; i < 40; i++) {
		char name[40], number[20], slave[60], target[60];

		snprintf(name, sizeof(name), "disk-with-a-name-%u", i);
		snprintf(number, sizeof(number), "8:%u", i);
		make_device(sysfs, name, number);
		snprintf(slave, sizeof(slave), "devices/md0/slaves/%s", name);
		snprintf(target, sizeof(target), "../../%s", name);
		a_link_to(sysfs, slave, target);
	}
	disk_domain_of_device(sysfs, makedev(9, 0), domain);
	assert_int_equal(strlen(domain), DRIVE_DOMAIN_MAX - 1);
}

static void a_file_system_without_a_disk_number_is_found_by_its_mount(void **state)
{
	static const struct {
		long mount;
		const char *domain;
	} rows[] = {{40, "disk sda"}, {41, "pool tank"}, {42, NULL},
		    {43, NULL},	      {99, NULL},	 {-1, NULL}};
	const char *sysfs = *state;
	char proc[300];
	int fd = open("/proc/self", O_RDONLY); /* procfs has no disk on any machine */
	char domain[DRIVE_DOMAIN_MAX], own[DRIVE_DOMAIN_MAX], name[40], text[40];
	struct stat st;

	snprintf(proc, sizeof(proc), "%s/proc", sysfs);
	assert_int_equal(fstat(fd, &st), 0);
	snprintf(own, sizeof(own), "device %u:%u", major(st.st_dev), minor(st.st_dev));
	assert_int_equal(folder_make(temp_path(sysfs, "dev/block"), &err), ERR_NONE);
	assert_int_equal(folder_make(temp_path(sysfs, "class/block"), &err), ERR_NONE);
	make_device(sysfs, "sda", "8:0");
	make_device(sysfs, "sda/mrmr2", "8:2");
	temp_file(temp_path(sysfs, "devices/sda/mrmr2/partition"), "2\n");
	a_link_to(sysfs, "class/block/mrmr2", "../../devices/sda/mrmr2");
	assert_int_equal(folder_make(temp_path(proc, "fdinfo"), &err), ERR_NONE);
	temp_file(temp_path(proc, "mountinfo"),
		  "4 1 8:2 / / rw - ext4 /dev/other rw\n"
		  "40 4 0:32 /@home /home rw,noatime shared:1 - btrfs /dev/mrmr2 rw\n"
		  "41 4 0:33 / /tank rw - zfs tank/data rw\n"
		  "42 4 0:34 / /nfs rw - nfs4 nas:/volume rw\n"
		  "43 4 0:35 / /odd rw\n");
	snprintf(name, sizeof(name), "fdinfo/%d", fd);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "pos:\t0\nmnt_id:\t%ld\n", rows[i].mount);
		temp_file(temp_path(proc, name), text);
		assert_true(disk_domain(sysfs, proc, fd, domain));
		assert_string_equal(domain, rows[i].domain ? rows[i].domain : own);
	}
	assert_true(disk_domain(sysfs, "/nonexistent", fd, domain));
	assert_string_equal(domain, own);
	close(fd);
	assert_false(disk_domain(sysfs, proc, fd, domain));
}

static void two_folders_of_one_disk_fail_together(void **state)
{
	struct drive_about a, b;
	struct drive *first, *second;

	assert_int_equal(mkdir(temp_path(*state, "a"), 0700), 0);
	assert_int_equal(mkdir(temp_path(*state, "b"), 0700), 0);
	first = call_open(temp_path(*state, "a"));
	second = call_open(temp_path(*state, "b"));
	assert_int_equal(call_about(first, &a), ERR_NONE);
	assert_int_equal(call_about(second, &b), ERR_NONE);
	assert_string_equal(a.domain, b.domain);
	call_close(first);
	call_close(second);
}

#define IN_A_FOLDER(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_FOLDER(the_domain_is_the_disks_below_partitions_and_raids),
		IN_A_FOLDER(a_domain_of_many_disks_is_cut_and_ends),
		IN_A_FOLDER(a_file_system_without_a_disk_number_is_found_by_its_mount),
		IN_A_FOLDER(two_folders_of_one_disk_fail_together),
	};

	return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}
