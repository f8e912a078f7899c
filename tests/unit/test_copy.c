/* Walk and source on one side, target on the other: what goes in comes out. */
#include "tests/support/copy.h"
#include "tests/support/noise.h"
#include "tests/support/temp.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

struct place {
	char *path;
	int from_fd;
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	p->path = temp_folder();
	assert_int_equal(mkdir(temp_path(p->path, "from"), 0755), 0);
	p->from_fd = open(temp_path(p->path, "from"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	close(p->from_fd);
	tree_remove(p->path);
	free(p);
	return 0;
}

static void copy_and_compare(struct place *p, unsigned threads)
{
	struct copy_result result;

	copy_tree(temp_path(p->path, "from"), temp_path(p->path, "to"), threads, &result);
	assert_int_equal(result.errors, 0);
	assert_int_equal(result.counts.errors, 0);
	assert_true(trees_equal(temp_path(p->path, "from"), temp_path(p->path, "to")));
}

static void make_special_things(struct place *p)
{
	static const uint8_t acl[] = {
		2, 0,	0,   0,	  1,   0,   7,	0, 255, 255, 255, 255, 2,   0,	 5,
		0, 210, 4,   0,	  0,   4,   0,	5, 0,	255, 255, 255, 255, 16,	 0,
		5, 0,	255, 255, 255, 255, 32, 0, 0,	0,   255, 255, 255, 255,
	};
	int fd;

	tree_folder(p->from_fd, "empty");
	tree_file(p->from_fd, "file", "text");
	tree_file(p->from_fd, "none", "");
	tree_link(p->from_fd, "../file", "empty/link");
	assert_int_equal(mkfifoat(p->from_fd, "pipe", 0620), 0);
	if (geteuid() == 0) {
		assert_int_equal(mknodat(p->from_fd, "device", S_IFCHR | 0600, makedev(1, 3)), 0);
		assert_int_equal(fchownat(p->from_fd, "empty/link", 5, 6, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(fchownat(p->from_fd, "file", 1234, 4321, 0), 0);
	}
	assert_int_equal(fchmodat(p->from_fd, "file", 04751, 0), 0);
	tree_file(p->from_fd, "sub/a", "linked");
	assert_int_equal(linkat(p->from_fd, "sub/a", p->from_fd, "b", 0), 0);
	assert_int_equal(linkat(p->from_fd, "sub/a", p->from_fd, "sub/c", 0), 0);
	fd = openat(p->from_fd, "sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(pwrite(fd, "x", 1, 2 << 20), 1);
	assert_int_equal(ftruncate(fd, 5 << 20), 0);
	close(fd);
	fd = openat(p->from_fd, "sub", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fsetxattr(fd, "user.x", "y", 1, 0), 0);
	fsetxattr(fd, "system.posix_acl_default", acl, sizeof(acl), 0);
	fsetxattr(fd, "system.posix_acl_access", acl, sizeof(acl), 0);
	assert_int_equal(fchmod(fd, 02550), 0);
	close(fd);
}

static void everything_special_comes_back(void **state)
{
	struct place *p = *state;

	make_special_things(p);
	copy_and_compare(p, 1);
	/* Over what is there already. */
	copy_and_compare(p, 2);
}

static void a_tree_of_noise_comes_back_written_by_several_threads(void **state)
{
	static uint8_t bytes[300000];
	struct noise noise = {7};
	struct place *p = *state;
	char name[256];

	for (unsigned i = 0; i < 1500; i++) {
		size_t len = noise_below(&noise, i % 100 ? 3000 : sizeof(bytes));

		noise_fill(&noise, bytes, len);
		snprintf(name, sizeof(name), "%c/%c%c/file-%u",
			 (char)('a' + noise_below(&noise, 6)), (char)('a' + noise_below(&noise, 4)),
			 (char)('a' + noise_below(&noise, 2)), i);
		tree_bytes(p->from_fd, name, bytes, len);
	}
	copy_and_compare(p, 4);
	copy_and_compare(p, 4);
}

static void a_difference_is_seen(void **state)
{
	struct place *p = *state;
	struct copy_result result;

	make_special_things(p);
	copy_tree(temp_path(p->path, "from"), temp_path(p->path, "to"), 1, &result);
	assert_true(trees_equal(temp_path(p->path, "from"), temp_path(p->path, "to")));
	assert_int_equal(chmod(temp_path(p->path, "to/none"), 0641), 0);
	assert_false(trees_equal(temp_path(p->path, "from"), temp_path(p->path, "to")));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(everything_special_comes_back),
		T(a_tree_of_noise_comes_back_written_by_several_threads),
		T(a_difference_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
