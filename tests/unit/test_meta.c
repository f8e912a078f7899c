/* Metadata: attributes and links as read, and the order and limits of setting. */
#include "archive/meta.h"

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
#include <sys/xattr.h>
#include <unistd.h>

struct place {
	char *path;
	int fd;
	struct buf out;
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	p->path = temp_folder();
	p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	close(p->fd);
	tree_remove(p->path);
	buf_release(&p->out);
	free(p);
	return 0;
}

static void set(struct place *p, const char *name, const char *attribute, const char *value)
{
	assert_int_equal(lsetxattr(temp_path(p->path, name), attribute, value, strlen(value), 0),
			 0);
}

/* The pairs as "name=value ", NUL at the end; lent until the next call. */
static const char *pairs(const struct buf *xattrs)
{
	static char text[4096];
	struct reader r = reader_of(xattrs->data, xattrs->len_bytes);
	size_t used = 0;

	text[0] = '\0';
	while (r.left_bytes > 0) {
		size_t name_bytes, value_bytes;
		const uint8_t *name = read_block(&r, 255, &name_bytes);
		const uint8_t *value = read_block(&r, 65536, &value_bytes);

		assert_false(r.failed);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%.*s=%.*s ",
					 (int)name_bytes, (const char *)name, (int)value_bytes,
					 (const char *)value);
	}
	return text;
}

static void attributes_come_sorted_by_name_and_without_those_of_the_file_system(void **state)
{
	struct place *p = *state;
	bool root = geteuid() == 0;
	struct error err;
	int fd;

	tree_file(p->fd, "f", "");
	assert_int_equal(meta_read_xattrs(p->fd, "f", &p->out, &err), ERR_NONE);
	assert_int_equal(p->out.len_bytes, 0);
	set(p, "f", "user.z", "last");
	set(p, "f", "user.a", "");
	set(p, "f", "user.mm", "mid");
	if (root) {
		set(p, "f", "trusted.t", "T");
		set(p, "f", "security.s", "S");
	}
	assert_int_equal(meta_read_xattrs(p->fd, "f", &p->out, &err), ERR_NONE);
	assert_string_equal(pairs(&p->out), root ? "security.s=S trusted.t=T user.a= user.mm=mid "
						   "user.z=last "
						 : "user.a= user.mm=mid user.z=last ");
	buf_clear(&p->out);
	fd = openat(p->fd, "f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(meta_read_xattrs_fd(fd, &p->out, &err), ERR_NONE);
	assert_non_null(strstr(pairs(&p->out), "user.mm=mid"));
	close(fd);
	assert_false(meta_is_taken("system.nfs4_acl"));
	assert_false(meta_is_taken("btrfs.compression"));
	assert_true(meta_is_taken("system.posix_acl_default"));
}

static void a_link_has_attributes_of_its_own(void **state)
{
	struct place *p = *state;
	struct error err;

	tree_file(p->fd, "f", "");
	tree_link(p->fd, "f", "link");
	set(p, "f", "user.of", "file");
	assert_int_equal(meta_read_xattrs(p->fd, "link", &p->out, &err), ERR_NONE);
	assert_string_equal(pairs(&p->out), "");
	if (geteuid() != 0)
		skip();
	set(p, "link", "trusted.of", "link");
	assert_int_equal(meta_read_xattrs(p->fd, "link", &p->out, &err), ERR_NONE);
	assert_string_equal(pairs(&p->out), "trusted.of=link ");
}

static void what_is_gone_is_not_found_and_proc_has_no_attributes(void **state)
{
	struct place *p = *state;
	struct error err;
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(meta_read_xattrs(p->fd, "gone", &p->out, &err), ERR_NOT_FOUND);
	assert_int_equal(meta_read_link(p->fd, "gone", &p->out, &err), ERR_NOT_FOUND);
	assert_int_equal(meta_read_xattrs(proc, "version", &p->out, &err), ERR_NONE);
	assert_int_equal(p->out.len_bytes, 0);
	close(proc);
}

static int read_as_nobody(void *ctx)
{
	struct place *p = ctx;
	struct error err;

	return meta_read_xattrs(p->fd, "f", &p->out, &err) == ERR_DENIED ? 0 : 1;
}

static void an_attribute_that_may_not_be_read_is_denied(void **state)
{
	struct place *p = *state;

	tree_file(p->fd, "f", "");
	set(p, "f", "user.a", "x");
	assert_int_equal(fchmodat(p->fd, "f", 0, 0), 0);
	assert_int_equal(fchmod(p->fd, 0755), 0);
	assert_int_equal(tree_as_nobody(read_as_nobody, p), 0);
}

static void more_than_a_mebibyte_of_attributes_is_refused(void **state)
{
	struct place *p = *state;
	char *value = calloc(1, 60001), *memory = temp_folder_in_memory(), name[32];
	int fd = open(memory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), set_all = 1;
	struct error err;

	memset(value, 'x', 60000);
	for (unsigned i = 0; i < 20 && set_all; i++) {
		snprintf(name, sizeof(name), "trusted.%u", i);
		set_all = setxattr(memory, name, value, 60000, 0) == 0;
	}
	if (set_all) {
		assert_int_equal(meta_read_xattrs_fd(fd, &p->out, &err), ERR_FULL);
		assert_true(p->out.len_bytes <= XATTRS_BYTES_MAX);
		assert_true(p->out.len_bytes > XATTRS_BYTES_MAX / 2);
	}
	close(fd);
	temp_folder_remove(memory);
	free(value);
	if (!set_all)
		skip();
}

static void the_target_of_a_link_comes_whole(void **state)
{
	struct place *p = *state;
	struct error err;
	char longest[4096];

	memset(longest, 'l', 4095);
	longest[4095] = '\0';
	tree_link(p->fd, "short", "a");
	tree_link(p->fd, longest, "b");
	assert_int_equal(meta_read_link(p->fd, "a", &p->out, &err), ERR_NONE);
	assert_int_equal(p->out.len_bytes, 5);
	assert_int_equal(meta_read_link(p->fd, "b", &p->out, &err), ERR_NONE);
	assert_int_equal(p->out.len_bytes, 5 + 4095);
	assert_memory_equal(p->out.data, "shortlll", 8);
	tree_file(p->fd, "f", "");
	assert_int_not_equal(meta_read_link(p->fd, "f", &p->out, &err), ERR_NONE);
}

static void add_pair(struct buf *out, const char *name, const char *value)
{
	buf_add_string(out, name);
	buf_add_string(out, value);
}

static void what_was_set_reads_back_the_same(void **state)
{
	struct place *p = *state;
	struct node n = {.type = NODE_FILE,
			 .mode = 0444,
			 .uid = geteuid(),
			 .gid = getegid(),
			 .mtime_ns = -1500000000};
	struct meta_loss loss = {0};
	struct buf xattrs = {0};
	struct error err;
	struct stat st;

	add_pair(&xattrs, "user.a", "1");
	add_pair(&xattrs, "user.b", "");
	n.xattrs = xattrs.data;
	n.xattrs_bytes = xattrs.len_bytes;
	for (unsigned path_only = 0; path_only < 2; path_only++) {
		const char *name = path_only ? "p" : "f";
		int fd;

		tree_file(p->fd, name, "");
		fd = openat(p->fd, name, (path_only ? O_PATH : O_RDWR) | O_CLOEXEC);
		meta_set(fd, path_only, &n, 0, &loss);
		assert_int_equal(loss.refused | loss.failed, 0);
		assert_int_equal(fstat(fd, &st), 0);
		assert_true(meta_equals_stat(&n, &st));
		assert_int_equal(st.st_mtim.tv_sec, -2);
		assert_int_equal(st.st_mtim.tv_nsec, 500000000);
		close(fd);
		buf_clear(&p->out);
		assert_int_equal(meta_read_xattrs(p->fd, name, &p->out, &err), ERR_NONE);
		assert_string_equal(pairs(&p->out), "user.a=1 user.b= ");
	}
	n.mode = 0644;
	assert_false(meta_equals_stat(&n, &st));
	buf_release(&xattrs);
}

static void what_cannot_be_set_is_told_and_stops_nothing_else(void **state)
{
	struct place *p = *state;
	struct node n = {
		.type = NODE_FILE, .mode = 0600, .uid = geteuid(), .gid = getegid(), .mtime_ns = 7};
	struct meta_loss loss = {0};
	struct buf xattrs = {0};
	struct stat st;
	int fd;

	/* One the kernel does not know, one that is never stored, a torn pair at the end. */
	add_pair(&xattrs, "system.posix_acl_access", "nonsense");
	add_pair(&xattrs, "system.other", "x");
	add_pair(&xattrs, "user.good", "x");
	buf_add_u8(&xattrs, 200);
	n.xattrs = xattrs.data;
	n.xattrs_bytes = xattrs.len_bytes;
	tree_file(p->fd, "f", "");
	fd = openat(p->fd, "f", O_RDWR | O_CLOEXEC);
	meta_set(fd, false, &n, 0, &loss);
	assert_int_equal(loss.refused & ~(1u << META_ACL), 1u << META_XATTR);
	assert_int_equal(loss.failed & 1u << META_XATTR, 1u << META_XATTR);
	assert_int_equal((loss.failed | loss.refused) & 1u << META_ACL, 1u << META_ACL);
	assert_int_equal(loss.failed_errno, EINVAL);
	assert_int_equal(fgetxattr(fd, "user.good", NULL, 0), 1);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(meta_equals_stat(&n, &st));
	close(fd);
	for (unsigned i = 0; i < META_KINDS; i++)
		assert_true(strlen(meta_kind_text((enum meta_kind)i)) > 0);
	buf_release(&xattrs);
}

static int set_for_others(void *ctx)
{
	struct place *p = ctx;
	struct node n = {
		.type = NODE_FILE, .mode = 0600, .uid = geteuid(), .gid = getegid(), .mtime_ns = 7};
	struct meta_loss loss = {0};
	int fd = openat(p->fd, "f", O_RDONLY | O_CLOEXEC);

	meta_set(fd, false, &n, META_INHERITED, &loss);
	return loss.refused == (1u << META_OWNER | 1u << META_MODE | 1u << META_TIME |
				1u << META_ACL) &&
			       loss.failed == 0
		       ? 0
		       : 1;
}

static void a_file_of_others_takes_nothing(void **state)
{
	struct place *p = *state;

	if (geteuid() != 0)
		skip();
	tree_file(p->fd, "f", "");
	assert_int_equal(fchmod(p->fd, 0755), 0);
	assert_int_equal(tree_as_nobody(set_for_others, p), 0);
}

static void sockets_and_such_are_no_nodes(void **state)
{
	struct place *p = *state;
	struct stat st;
	struct node n;

	tree_socket(p->fd, "s");
	assert_int_equal(fstatat(p->fd, "s", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_false(meta_from_stat(&st, &n));
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_true(meta_from_stat(&st, &n));
	assert_int_equal(n.type, NODE_CHAR_DEVICE);
	assert_int_equal(n.rdev, st.st_rdev);
	st.st_mode = S_IFBLK | 0600;
	assert_true(meta_from_stat(&st, &n));
	assert_int_equal(n.type, NODE_BLOCK_DEVICE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(attributes_come_sorted_by_name_and_without_those_of_the_file_system),
		T(a_link_has_attributes_of_its_own),
		T(what_is_gone_is_not_found_and_proc_has_no_attributes),
		T(an_attribute_that_may_not_be_read_is_denied),
		T(more_than_a_mebibyte_of_attributes_is_refused),
		T(the_target_of_a_link_comes_whole),
		T(what_was_set_reads_back_the_same),
		T(what_cannot_be_set_is_told_and_stops_nothing_else),
		T(a_file_of_others_takes_nothing),
		T(sockets_and_such_are_no_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
