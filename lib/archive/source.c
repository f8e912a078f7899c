#include "archive/source.h"

#include "archive/meta.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How much of a hole is read to believe it: file systems have reported data as holes (OpenZFS
 * issues 15526 and 15933), and then from the first block on. */
#define HOLE_PROOF_BYTES 4096

/* From here on read-ahead is worth a call. */
#define SEQUENTIAL_BYTES ((uint64_t)1 << 20)

int source_open(struct source *s, int folder_fd, const char *name, struct error *err)
{
	/* O_NONBLOCK: a FIFO that took the file's place must not hold us up. */
	int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	struct stat st;

	*s = (struct source){.fd = openat(folder_fd, name, flags | O_NOATIME)};
	if (s->fd < 0 && errno == EPERM)
		s->fd = openat(folder_fd, name, flags);
	if (s->fd < 0 && errno == ELOOP)
		return err_set(err, ERR_NOT_FOUND, "open: a symbolic link took its place");
	if (s->fd < 0)
		return err_errno(err, "open");
	if (meta_stat(s->fd, "", AT_EMPTY_PATH, &st) < 0) {
		err_errno(err, "stat");
		close(s->fd);
		return (int)err->code;
	}
	if (!meta_from_stat(&st, &s->node) || s->node.type != NODE_FILE) {
		close(s->fd);
		return err_set(err, ERR_NOT_FOUND, "open: no regular file any more");
	}
	s->sparse = st.st_blocks * (blkcnt_t)512 < st.st_size;
	if (s->node.size_bytes >= SEQUENTIAL_BYTES)
		posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return ERR_NONE;
}

static bool reads_as_zeros(int fd, uint64_t at_bytes, uint64_t len_bytes)
{
	static const char zeros[HOLE_PROOF_BYTES];
	char found[HOLE_PROOF_BYTES];
	size_t want = len_bytes < sizeof(found) ? (size_t)len_bytes : sizeof(found);
	ssize_t got = pread_full(fd, found, want, (off_t)at_bytes);

	return got >= 0 && memcmp(found, zeros, (size_t)got) == 0;
}

static bool is_hole(const struct source *s, uint64_t end_bytes)
{
	uint64_t len_bytes = end_bytes - s->at_bytes;
	uint64_t last_bytes = len_bytes < HOLE_PROOF_BYTES ? len_bytes : HOLE_PROOF_BYTES;

	return reads_as_zeros(s->fd, s->at_bytes, len_bytes) &&
	       reads_as_zeros(s->fd, end_bytes - last_bytes, last_bytes);
}

/* Where the next data or hole begins, at the file's end at most. */
static uint64_t seek_to(const struct source *s, int whence)
{
	off_t found = lseek(s->fd, (off_t)s->at_bytes, whence);

	if (found < 0 || (uint64_t)found > s->node.size_bytes)
		return s->node.size_bytes;
	return (uint64_t)found;
}

static void next_stretch(struct source *s)
{
	off_t data;

	s->stretch_hole = false;
	s->stretch_end_bytes = s->node.size_bytes;
	if (!s->sparse)
		return;
	data = lseek(s->fd, (off_t)s->at_bytes, SEEK_DATA);
	/* ENXIO: no data from here to the end. Other errors: no holes are known here. */
	if (data < 0 && errno != ENXIO)
		return;
	if (data == (off_t)s->at_bytes) {
		s->stretch_end_bytes = seek_to(s, SEEK_HOLE);
		return;
	}
	s->stretch_end_bytes = seek_to(s, SEEK_DATA);
	s->stretch_hole = is_hole(s, s->stretch_end_bytes);
}

int source_read(struct source *s, void *buf, size_t cap_bytes, struct source_piece *out,
		struct error *err)
{
	uint64_t left_bytes;
	ssize_t got;

	*out = (struct source_piece){0};
	if (s->at_bytes >= s->node.size_bytes)
		return ERR_NONE;
	if (s->at_bytes >= s->stretch_end_bytes)
		next_stretch(s);
	left_bytes = s->stretch_end_bytes - s->at_bytes;
	if (s->stretch_hole) {
		*out = (struct source_piece){.bytes = left_bytes, .hole = true};
		s->at_bytes = s->stretch_end_bytes;
		return ERR_NONE;
	}
	if (cap_bytes > left_bytes)
		cap_bytes = (size_t)left_bytes;
	got = pread_full(s->fd, buf, cap_bytes, (off_t)s->at_bytes);
	if (got < 0)
		return err_errno(err, "read at byte %llu", (unsigned long long)s->at_bytes);
	s->at_bytes += (uint64_t)got;
	out->bytes = (uint64_t)got;
	return ERR_NONE;
}

bool source_changed(const struct source *s)
{
	struct stat st;
	struct node now;

	return fstat(s->fd, &st) < 0 || !meta_from_stat(&st, &now) ||
	       now.size_bytes != s->node.size_bytes || now.mtime_ns != s->node.mtime_ns ||
	       now.ctime_ns != s->node.ctime_ns;
}

void source_close(struct source *s)
{
	close(s->fd);
}
