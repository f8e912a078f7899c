/* Sources: contents, holes, and files that change under the reader. */
#include "archive/source.h"

#include "tests/support/temp.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* In this program, a disk that lies about holes, and one that breaks; a clock that was set back. */
static bool all_is_hole, broken, set_back;
static unsigned naps;

int clock_gettime(clockid_t clock, struct timespec *out)
{
	int result = (int)syscall(SYS_clock_gettime, clock, out);

	if (set_back)
		out->tv_sec -= 3600;
	return result;
}

int nanosleep(const struct timespec *wanted, struct timespec *left)
{
	naps++;
	return (int)syscall(SYS_nanosleep, wanted, left);
}

off_t lseek(int fd, off_t offset, int whence)
{
	if (all_is_hole && whence == SEEK_DATA) {
		errno = ENXIO;
		return -1;
	}
	return (off_t)syscall(SYS_lseek, fd, offset, whence);
}

ssize_t pread(int fd, void *buf, size_t bytes, off_t offset)
{
	if (broken) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pread64, fd, buf, bytes, offset);
}

struct place {
	char *path;
	int fd;
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	p->path = temp_folder();
	p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	all_is_hole = broken = set_back = false;
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	close(p->fd);
	tree_remove(p->path);
	free(p);
	return 0;
}

static void write_at(struct place *p, const char *name, off_t offset, const char *text)
{
	int fd = openat(p->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, text, strlen(text), offset), strlen(text));
	close(fd);
}

static void set_size(struct place *p, const char *name, off_t size)
{
	int fd = openat(p->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static void a_file_is_read_in_order_and_to_its_end(void **state)
{
	struct place *p = *state;
	struct source_piece piece;
	struct source s;
	struct error err;
	char buf[4];

	tree_file(p->fd, "f", "0123456789");
	assert_int_equal(source_open(&s, p->fd, "f", &err), ERR_NONE);
	assert_int_equal(s.node.size_bytes, 10);
	for (unsigned at = 0; at < 10; at += 4) {
		assert_int_equal(source_read(&s, buf, sizeof(buf), &piece, &err), ERR_NONE);
		assert_int_equal(piece.bytes, at == 8 ? 2 : 4);
		assert_false(piece.hole);
		assert_memory_equal(buf, &"0123456789"[at], piece.bytes);
	}
	assert_int_equal(source_read(&s, buf, sizeof(buf), &piece, &err), ERR_NONE);
	assert_int_equal(piece.bytes, 0);
	assert_false(source_changed(&s));
	source_close(&s);
	tree_file(p->fd, "empty", "");
	assert_int_equal(source_open(&s, p->fd, "empty", &err), ERR_NONE);
	assert_int_equal(source_read(&s, buf, sizeof(buf), &piece, &err), ERR_NONE);
	assert_int_equal(piece.bytes, 0);
	source_close(&s);
}

/* Reads all; holes count into *holes, data into *data. */
static void read_all(struct source *s, uint64_t *holes, uint64_t *data)
{
	struct source_piece piece;
	struct error err;
	char buf[65536];

	*holes = *data = 0;
	do {
		assert_int_equal(source_read(s, buf, sizeof(buf), &piece, &err), ERR_NONE);
		*(piece.hole ? holes : data) += piece.bytes;
	} while (piece.bytes > 0);
}

static void holes_are_told_from_data_at_the_start_between_and_at_the_end(void **state)
{
	struct place *p = *state;
	uint64_t holes, data;
	struct source s;
	struct error err;

	write_at(p, "f", 1 << 20, "x");
	write_at(p, "f", 3 << 20, "y");
	set_size(p, "f", 4 << 20);
	assert_int_equal(source_open(&s, p->fd, "f", &err), ERR_NONE);
	read_all(&s, &holes, &data);
	assert_int_equal(holes + data, 4 << 20);
	assert_int_equal(s.at_bytes, 4 << 20);
	assert_true(data > 0 && data <= 2 * 65536);
	source_close(&s);
}

static void five_TiB_of_nothing_take_no_time(void **state)
{
	struct place *p = *state;
	uint64_t holes, data;
	struct source s;
	struct error err;

	set_size(p, "f", (off_t)5 << 40);
	write_at(p, "f", ((off_t)5 << 40) - 1, "x");
	assert_int_equal(source_open(&s, p->fd, "f", &err), ERR_NONE);
	read_all(&s, &holes, &data);
	assert_int_equal(holes + data, (uint64_t)5 << 40);
	assert_true(data <= 65536);
	source_close(&s);
}

static void a_hole_that_does_not_read_as_zeros_is_data(void **state)
{
	struct place *p = *state;
	struct source_piece piece;
	uint64_t holes, data;
	struct source s;
	struct error err;
	char buf[16];

	/* Sparse by its block count, with data where a hole is reported to begin, or to end. */
	for (unsigned i = 0; i < 3; i++) {
		unlinkat(p->fd, "f", 0);
		set_size(p, "f", 1 << 20);
		if (i < 2)
			write_at(p, "f", i == 0 ? 0 : (1 << 20) - 4, "data");
		all_is_hole = true;
		assert_int_equal(source_open(&s, p->fd, "f", &err), ERR_NONE);
		read_all(&s, &holes, &data);
		assert_int_equal(i < 2 ? data : holes, 1 << 20);
		source_close(&s);
	}
	write_at(p, "f", 0, "data");
	assert_int_equal(source_open(&s, p->fd, "f", &err), ERR_NONE);
	assert_int_equal(source_read(&s, buf, sizeof(buf), &piece, &err), ERR_NONE);
	assert_memory_equal(buf, "data\0", 5);
	source_close(&s);
}

static void what_is_no_regular_file_any_more_is_not_read(void **state)
{
	struct place *p = *state;
	struct source s;
	struct error err;

	tree_file(p->fd, "real", "x");
	tree_link(p->fd, "real", "link");
	tree_folder(p->fd, "folder");
	assert_int_equal(mkfifoat(p->fd, "pipe", 0600), 0);
	assert_int_equal(source_open(&s, p->fd, "gone", &err), ERR_NOT_FOUND);
	assert_int_equal(source_open(&s, p->fd, "link", &err), ERR_NOT_FOUND);
	assert_int_equal(source_open(&s, p->fd, "folder", &err), ERR_NOT_FOUND);
	assert_int_equal(source_open(&s, p->fd, "pipe", &err), ERR_NOT_FOUND);
}

static int open_as_nobody(void *ctx)
{
	struct place *p = ctx;
	struct source s;
	struct error err;

	if (source_open(&s, p->fd, "closed", &err) != ERR_DENIED)
		return 1;
	/* Somebody else's file: its access time may not be kept, but it may be read. */
	if (source_open(&s, p->fd, "open", &err) != ERR_NONE)
		return 2;
	source_close(&s);
	return 0;
}

static void a_file_that_may_not_be_read_is_denied(void **state)
{
	struct place *p = *state;

	tree_file(p->fd, "closed", "x");
	tree_file(p->fd, "open", "x");
	assert_int_equal(fchmodat(p->fd, "closed", 0, 0), 0);
	assert_int_equal(fchmod(p->fd, 0755), 0);
	assert_int_equal(tree_as_nobody(open_as_nobody, p), 0);
}

static void a_disk_that_breaks_is_an_error_that_names_the_place(void **state)
{
	struct place *p = *state;
	struct source_piece piece;
	struct source s;
	struct error err;
	char buf[4];

	tree_file(p->fd, "f", "0123456789");
	assert_int_equal(source_open(&s, p->fd, "f", &err), ERR_NONE);
	assert_int_equal(source_read(&s, buf, sizeof(buf), &piece, &err), ERR_NONE);
	broken = true;
	assert_int_equal(source_read(&s, buf, sizeof(buf), &piece, &err), ERR_IO);
	assert_non_null(strstr(err.message, "byte 4"));
	source_close(&s);
}

static void a_change_while_it_is_read_is_told(void **state)
{
	struct place *p = *state;
	uint64_t holes, data;
	struct source s;
	struct error err;

	/* Grown: no more is read than there was. */
	tree_file(p->fd, "f", "0123456789");
	assert_int_equal(source_open(&s, p->fd, "f", &err), ERR_NONE);
	write_at(p, "f", 10, "more");
	read_all(&s, &holes, &data);
	assert_int_equal(data, 10);
	assert_true(source_changed(&s));
	source_close(&s);
	/* Cut. */
	assert_int_equal(source_open(&s, p->fd, "f", &err), ERR_NONE);
	set_size(p, "f", 3);
	read_all(&s, &holes, &data);
	assert_int_equal(data, 3);
	assert_int_equal(s.at_bytes, 3);
	assert_true(source_changed(&s));
	source_close(&s);
	/* Rewritten in place, the same size. */
	assert_int_equal(source_open(&s, p->fd, "f", &err), ERR_NONE);
	write_at(p, "f", 0, "x");
	assert_true(source_changed(&s));
	source_close(&s);
	/* Removed: what is open can still be read whole, but its ctime tells. */
	assert_int_equal(source_open(&s, p->fd, "f", &err), ERR_NONE);
	assert_int_equal(unlinkat(p->fd, "f", 0), 0);
	read_all(&s, &holes, &data);
	assert_int_equal(data, 3);
	assert_true(source_changed(&s));
	source_close(&s);
}

static void a_change_just_before_and_one_just_after_the_opening_bear_different_times(void **state)
{
	struct place *p = *state;
	struct source s;
	struct error err;

	for (unsigned i = 0; i < 20; i++) {
		struct timespec tick;

		write_at(p, "f", 0, "a");
		assert_int_equal(source_open(&s, p->fd, "f", &err), ERR_NONE);
		/* Some file systems stamp with no finer clock than this. */
		clock_gettime(CLOCK_REALTIME_COARSE, &tick);
		assert_true(s.node.ctime_ns < tick.tv_sec * 1000000000 + tick.tv_nsec);
		write_at(p, "f", 0, "b");
		assert_true(source_changed(&s));
		source_close(&s);
	}
}

static void nothing_is_waited_for_when_the_clock_was_set_back(void **state)
{
	struct place *p = *state;
	struct source s;
	struct error err;

	write_at(p, "f", 0, "a");
	set_back = true;
	naps = 0;
	assert_int_equal(source_open(&s, p->fd, "f", &err), ERR_NONE);
	source_close(&s);
	assert_int_equal(naps, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_file_is_read_in_order_and_to_its_end),
		T(holes_are_told_from_data_at_the_start_between_and_at_the_end),
		T(five_TiB_of_nothing_take_no_time),
		T(a_hole_that_does_not_read_as_zeros_is_data),
		T(what_is_no_regular_file_any_more_is_not_read),
		T(a_file_that_may_not_be_read_is_denied),
		T(a_disk_that_breaks_is_an_error_that_names_the_place),
		T(a_change_while_it_is_read_is_told),
		T(a_change_just_before_and_one_just_after_the_opening_bear_different_times),
		T(nothing_is_waited_for_when_the_clock_was_set_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
