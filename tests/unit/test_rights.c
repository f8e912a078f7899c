/* What a restore may set: setuid, capabilities, devices, owners, ACLs, closed folders (R-43, T-14).
 */
#include "tests/support/restore.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* cap_net_bind_service, permitted and effective: struct vfs_cap_data. */
static const uint8_t capability_xattr[] = {1, 0, 0, 2, 0, 4, 0, 0, 0, 4,
					   0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

static void add_capability(struct node *n, struct buf *xattrs)
{
	buf_add_string(xattrs, "security.capability");
	buf_add_block(xattrs, capability_xattr, sizeof(capability_xattr));
	n->xattrs = xattrs->data;
	n->xattrs_bytes = xattrs->len_bytes;
}

static bool has_capability(int fd, const char *name)
{
	char path[64];
	int file = openat(fd, name, O_RDONLY | O_CLOEXEC);
	bool has;

	assert_true(file >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	has = getxattr(path, "security.capability", NULL, 0) > 0;
	close(file);
	return has;
}

static void root_gets_setuid_and_capabilities_back_unless_it_said_no(void **state)
{
	struct restore *r = *state;
	struct node n = node_file("x", 06755);
	struct buf xattrs = {0};

	if (geteuid() != 0)
		skip();
	n.uid = n.gid = 1234;
	add_capability(&n, &xattrs);
	for (unsigned unprivileged = 0; unprivileged < 2; unprivileged++) {
		const char *name = unprivileged ? "dropped" : "kept";

		r->options.unprivileged = unprivileged;
		restore_open(r);
		assert_int_equal(restore_file(r, r->root, name, &n, "x", NULL), ERR_NONE);
		restore_close(r, true);
		assert_int_equal(tree_stat(r->in_fd, name).st_uid, 1234);
		assert_int_equal(tree_stat(r->in_fd, name).st_mode & 07777,
				 unprivileged ? 0755 : 06755);
		assert_int_equal(has_capability(r->in_fd, name), !unprivileged);
		assert_int_equal(r->counts.refused[META_PRIVILEGE], unprivileged);
	}
	buf_release(&xattrs);
}

static int restore_as_nobody(void *ctx)
{
	struct restore *r = ctx;
	struct node setuid = node_file("x", 06755), own = node_file("x", 04755);
	struct node device = node_special(NODE_BLOCK_DEVICE, makedev(8, 0));
	struct node folder = node_folder(02755), trusted = node_file("x", 0600);
	struct node link = node_link("x");
	struct buf capability = {0}, attributes = {0};
	struct target_folder *sub;
	enum target_outcome outcome;
	bool good = true;

	setuid.uid = setuid.gid = folder.uid = folder.gid = device.uid = link.uid = 0;
	add_capability(&setuid, &capability);
	buf_add_string(&attributes, "trusted.x");
	buf_add_string(&attributes, "1");
	buf_add_string(&attributes, "user.x");
	buf_add_string(&attributes, "2");
	trusted.xattrs = attributes.data;
	trusted.xattrs_bytes = attributes.len_bytes;
	restore_open(r);
	good = restore_file(r, r->root, "setuid", &setuid, "x", NULL) == ERR_NONE && good;
	good = restore_file(r, r->root, "own", &own, "x", NULL) == ERR_NONE && good;
	good = restore_file(r, r->root, "trusted", &trusted, "x", NULL) == ERR_NONE && good;
	good = restore_special(r, r->root, "device", &device, &outcome) == ERR_NONE && good;
	good = outcome == TARGET_LEFT_OUT && good;
	good = restore_special(r, r->root, "link", &link, NULL) == ERR_NONE && good;
	good = restore_enter(r, r->root, "folder", &folder, &sub) == ERR_NONE && good;
	target_leave(sub, true);
	restore_close(r, true);
	good = tree_stat(r->in_fd, "setuid").st_mode == (S_IFREG | 0755) && good;
	good = tree_stat(r->in_fd, "own").st_mode == (S_IFREG | 04755) && good;
	good = tree_stat(r->in_fd, "folder").st_mode == (S_IFDIR | 0755) && good;
	good = !has_capability(r->in_fd, "setuid") && good;
	good = !tree_has(r->in_fd, "device") && good;
	good = fgetxattr(openat(r->in_fd, "trusted", O_RDONLY), "user.x", NULL, 0) == 1 && good;
	good = r->counts.refused[META_OWNER] == 3 && good;
	good = r->counts.refused[META_DEVICE] == 1 && good;
	good = r->counts.refused[META_PRIVILEGE] == 2 && good;
	good = r->counts.refused[META_XATTR] == 1 && good;
	good = r->counts.errors == 0 && r->counts.failed[META_OWNER] == 0 && good;
	good = strstr(restore_notes(r), "detail setuid: owner may not be set here\n") && good;
	buf_release(&capability);
	buf_release(&attributes);
	return good ? 0 : 1;
}

static void nobody_gets_no_device_no_foreign_setuid_and_a_count_of_them(void **state)
{
	if (geteuid() != 0)
		skip();
	assert_int_equal(tree_as_nobody(restore_as_nobody, *state), 0);
}

static int restore_shut_by_acl(void *ctx)
{
	static const uint8_t acl_version[] = {2, 0, 0, 0};
	/* user::r-x group::r-x other::--- */
	static const uint8_t acl[] = {1,   0,	5,   0,	  255, 255, 255, 255, 4,   0,	5,   0,
				      255, 255, 255, 255, 32,  0,   0,	 0,   255, 255, 255, 255};
	struct restore *r = ctx;
	struct node folder = node_folder(0550);
	struct target_folder *sub;
	struct buf xattrs = {0};

	buf_add_string(&xattrs, "system.posix_acl_access");
	buf_add_varint(&xattrs, sizeof(acl_version) + sizeof(acl));
	buf_add(&xattrs, acl_version, sizeof(acl_version));
	buf_add(&xattrs, acl, sizeof(acl));
	buf_add_string(&xattrs, "user.x");
	buf_add_string(&xattrs, "1");
	folder.xattrs = xattrs.data;
	folder.xattrs_bytes = xattrs.len_bytes;
	restore_open(r);
	if (restore_enter(r, r->root, "sub", &folder, &sub) != ERR_NONE)
		return 1;
	target_leave(sub, true);
	restore_close(r, true);
	buf_release(&xattrs);
	return r->counts.refused[META_XATTR] == 0 && r->counts.failed[META_XATTR] == 0 ? 0 : 2;
}

static void an_acl_without_write_keeps_no_other_attribute_away(void **state)
{
	assert_int_equal(tree_as_nobody(restore_shut_by_acl, *state), 0);
}

static int restore_twice_read_only(void *ctx)
{
	struct restore *r = ctx;
	struct node folder = node_folder(0555), closed = node_folder(0000);
	struct node file = node_file("x", 0444);
	struct target_folder *sub, *shut;

	for (unsigned i = 0; i < 3; i++) {
		/* At last nothing of existing folders is to change. */
		r->options.overwrite = i < 2 ? TARGET_ALWAYS : TARGET_NEVER;
		restore_open(r);
		if (restore_enter(r, r->root, "sub", &folder, &sub) != ERR_NONE ||
		    restore_file(r, sub, i < 2 ? "f" : "g", &file, "x", NULL) != ERR_NONE ||
		    restore_enter(r, sub, "shut", &closed, &shut) != ERR_NONE ||
		    restore_file(r, shut, i < 2 ? "f" : "g", &file, "x", NULL) != ERR_NONE)
			return 1;
		target_leave(shut, true);
		target_leave(sub, true);
		restore_close(r, true);
		if (tree_stat(r->in_fd, "sub").st_mode != (S_IFDIR | 0555) ||
		    tree_stat(r->in_fd, "sub/shut").st_mode != S_IFDIR || r->counts.errors > 0)
			return 2;
	}
	return 0;
}

static void a_folder_that_its_owner_may_not_write_is_restored_again(void **state)
{
	assert_int_equal(tree_as_nobody(restore_twice_read_only, *state), 0);
}

static void owners_of_all_ones_are_never_taken_for_leave_as_it_is(void **state)
{
	struct restore *r = *state;
	struct node n = node_file("x", 06755);

	n.uid = UINT32_MAX;
	restore_open(r);
	assert_int_equal(restore_file(r, r->root, "f", &n, "x", NULL), ERR_NONE);
	restore_close(r, true);
	assert_int_equal(r->counts.refused[META_OWNER], 1);
	assert_int_equal(tree_stat(r->in_fd, "f").st_mode & S_ISUID, 0);
}

/* user::rwx user:1234:rwx group::rwx mask::rwx other::rwx, as the kernel has it */
static const uint8_t acl[] = {
	2, 0,	0,   0,	  1,   0,   7,	0, 255, 255, 255, 255, 2,   0,	 7,
	0, 210, 4,   0,	  0,   4,   0,	7, 0,	255, 255, 255, 255, 16,	 0,
	7, 0,	255, 255, 255, 255, 32, 0, 7,	0,   255, 255, 255, 255,
};

static void a_default_acl_of_the_target_is_not_inherited(void **state)
{
	struct restore *r = *state;
	struct node folder = node_folder(0750), file = node_file("x", 0640);
	struct node pipe = node_special(NODE_FIFO, 0), with = node_file("x", 0670);
	struct target_folder *sub;
	struct buf xattrs = {0};
	char value[256];
	int fd;

	if (fsetxattr(r->in_fd, "system.posix_acl_default", acl, sizeof(acl), 0) != 0)
		skip();
	buf_add_string(&xattrs, "system.posix_acl_access");
	buf_add_block(&xattrs, acl, sizeof(acl));
	with.xattrs = xattrs.data;
	with.xattrs_bytes = xattrs.len_bytes;
	restore_open(r);
	assert_int_equal(restore_file(r, r->root, "f", &file, "x", NULL), ERR_NONE);
	assert_int_equal(restore_file(r, r->root, "with", &with, "x", NULL), ERR_NONE);
	assert_int_equal(restore_special(r, r->root, "p", &pipe, NULL), ERR_NONE);
	assert_int_equal(restore_enter(r, r->root, "sub", &folder, &sub), ERR_NONE);
	assert_int_equal(restore_file(r, sub, "f", &file, "x", NULL), ERR_NONE);
	target_leave(sub, true);
	restore_close(r, true);
	assert_string_equal(restore_notes(r), "");
	assert_int_equal(tree_stat(r->in_fd, "f").st_mode & 0777, 0640);
	assert_int_equal(tree_stat(r->in_fd, "p").st_mode & 0777, 0640);
	assert_int_equal(tree_stat(r->in_fd, "sub").st_mode & 0777, 0750);
	for (unsigned i = 0; i < 4; i++) {
		static const char *const paths[] = {"f", "sub", "sub/f", "with"};

		fd = openat(r->in_fd, paths[i], O_RDONLY | O_CLOEXEC);
		assert_int_equal(fgetxattr(fd, "system.posix_acl_access", value, sizeof(value)),
				 i == 3 ? (ssize_t)sizeof(acl) : -1);
		if (i == 1)
			assert_int_equal(fgetxattr(fd, "system.posix_acl_default", value, 256), -1);
		close(fd);
	}
	buf_release(&xattrs);
}

/* A file and a folder that are what is restored, but for attributes. False: none are to be had. */
static bool make_with_others(struct restore *r)
{
	char path[64];
	int fd;

	tree_file(r->in_fd, "file", "x");
	tree_folder(r->in_fd, "folder");
	for (unsigned i = 0; i < 2; i++) {
		const char *name = i == 0 ? "file" : "folder";

		fd = openat(r->in_fd, name, O_RDONLY | O_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (fsetxattr(fd, "user.other", "1", 1, 0) != 0 ||
		    fsetxattr(fd, "user.wanted", "2", 1, 0) != 0 ||
		    fsetxattr(fd, "system.posix_acl_access", acl, sizeof(acl), 0) != 0)
			return false;
		if (i == 1)
			fsetxattr(fd, "system.posix_acl_default", acl, sizeof(acl), 0);
		if (geteuid() == 0)
			fsetxattr(fd, "security.label", "3", 1, 0);
		close(fd);
	}
	/* The mode is that of the mask: only the attributes tell the difference. */
	tree_set_time(r->in_fd, "file", NODE_TIME_NS);
	return true;
}

static bool has(struct restore *r, const char *name, const char *attribute)
{
	int fd = openat(r->in_fd, name, O_RDONLY | O_CLOEXEC);
	bool found = fgetxattr(fd, attribute, NULL, 0) >= 0;

	close(fd);
	return found;
}

static void what_is_there_keeps_no_attribute_of_its_own_but_labels(void **state)
{
	static const char *const names[] = {"file", "folder"};
	struct restore *r = *state;
	struct node file = node_file("x", 0670), folder = node_folder(0750);
	struct buf xattrs = {0};
	struct target_folder *sub;
	enum target_outcome outcome;

	if (!make_with_others(r))
		skip();
	buf_add_string(&xattrs, "user.wanted");
	buf_add_block(&xattrs, "new", 3);
	file.xattrs = folder.xattrs = xattrs.data;
	file.xattrs_bytes = folder.xattrs_bytes = xattrs.len_bytes;
	file.mode = tree_stat(r->in_fd, "file").st_mode & 0777;
	for (unsigned i = 0; i < 3; i++) {
		/* First nothing of what exists is to change; at last it is the same already. */
		r->options.overwrite = i == 0 ? TARGET_NEVER : TARGET_IF_CHANGED;
		restore_open(r);
		assert_int_equal(restore_file(r, r->root, "file", &file, "x", &outcome), ERR_NONE);
		assert_int_equal(outcome, i == 0 ? TARGET_KEPT : TARGET_SAME);
		assert_int_equal(restore_enter(r, r->root, "folder", &folder, &sub), ERR_NONE);
		target_leave(sub, true);
		restore_close(r, true);
		assert_string_equal(restore_notes(r), "");
		for (unsigned n = 0; n < 2; n++) {
			assert_int_equal(has(r, names[n], "user.other"), i == 0);
			assert_int_equal(has(r, names[n], "system.posix_acl_access"), i == 0);
			assert_int_equal(has(r, names[n], "security.label"), geteuid() == 0);
			assert_true(has(r, names[n], "user.wanted"));
		}
		assert_int_equal(has(r, "folder", "system.posix_acl_default"), i == 0);
	}
	buf_release(&xattrs);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, restore_set_up, restore_tear_down)
	const struct CMUnitTest tests[] = {
		T(root_gets_setuid_and_capabilities_back_unless_it_said_no),
		T(nobody_gets_no_device_no_foreign_setuid_and_a_count_of_them),
		T(an_acl_without_write_keeps_no_other_attribute_away),
		T(a_folder_that_its_owner_may_not_write_is_restored_again),
		T(owners_of_all_ones_are_never_taken_for_leave_as_it_is),
		T(a_default_acl_of_the_target_is_not_inherited),
		T(what_is_there_keeps_no_attribute_of_its_own_but_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
