#include "archive/crawl.h"

#include "archive/sift.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Folders kept open above the one at hand; those further up are opened again through "..". */
#define OPEN_FRAMES_MAX 64

struct frame *crawl_top(struct crawl *c)
{
	return &c->frames[c->depth - 1];
}

/* The batch to fill next: of the folder at hand, its first or a later one. */
static bool batch_begin(struct crawl *c, bool first)
{
	struct batch *b = batch_new();

	c->batch = b;
	if (!b)
		return false;
	b->begins = first;
	b->depth = c->depth;
	b->dir = shared_fd_use(crawl_top(c)->dir);
	if (first) {
		b->path_bytes = c->path.len_bytes;
		buf_add(&b->text, c->path.data, c->path.len_bytes);
		buf_add_u8(&b->text, 0);
	}
	return !b->text.failed;
}

/* False: the walk was closed. */
static bool parcel_send(struct crawl *c)
{
	struct batch *parcel = c->parcel;

	c->parcel = NULL;
	c->parcel_batches = c->parcel_entries = 0;
	if (!parcel || queue_push(c->parcels, parcel))
		return true;
	parcel_free(parcel);
	return false;
}

/* False: out of memory, or the walk was closed. */
static bool batch_send(struct crawl *c, bool ends)
{
	struct batch *b = c->batch;

	b->ends = ends;
	if (b->text.failed || b->notes.failed) {
		err_nomem(&c->err);
		return false;
	}
	c->batch = NULL;
	if (!c->parcel)
		c->parcel_end = &c->parcel;
	*c->parcel_end = b;
	c->parcel_end = &b->next;
	c->parcel_entries += b->count;
	if (++c->parcel_batches < PARCEL_BATCHES_MAX && c->parcel_entries < PARCEL_ENTRIES_MIN)
		return true;
	return parcel_send(c);
}

/*
 * O_NOATIME is for owners and root; reading must not fail for it. A folder that is only gone through
 * (not full) need not be readable, and may be reached by a symbolic link.
 */
static int open_folder(int parent_fd, const char *name, bool full)
{
	int flags = O_DIRECTORY | O_CLOEXEC | (full ? O_NOFOLLOW : 0), fd;

	fd = openat(parent_fd, name, flags | O_RDONLY | O_NONBLOCK | O_NOATIME);
	if (fd < 0 && errno == EPERM)
		fd = openat(parent_fd, name, flags | O_RDONLY | O_NONBLOCK);
	if (fd < 0 && errno == EACCES && !full)
		fd = openat(parent_fd, name, flags | O_PATH);
	return fd;
}

/* Lists the folder at hand and sends all of it. False: the crawl ends. */
static bool visit(struct crawl *c, bool empty)
{
	bool unreadable = false;

	listing_clear(&c->listing);
	if (!batch_begin(c, true) || (!empty && !sift_list(c, &unreadable)))
		goto nomem;
	c->batch->bare = !crawl_top(c)->full;
	c->batch->unreadable = unreadable;
	for (size_t i = 0; i < c->listing.count; i++) {
		const struct listed *e = &c->listing.entries[i];
		struct node n;
		enum choice choice = sift_choose(c, e, &n);

		if (choice == CHOICE_NOMEM ||
		    (choice == CHOICE_IN && !batch_add(c->batch, (const char *)e->name,
						       e->name_bytes, &n, c->listing.count - i)))
			goto nomem;
		if (c->batch->count == BATCH_ENTRIES_MAX) {
			if (!batch_send(c, false))
				return false;
			if (!batch_begin(c, false))
				goto nomem;
		}
	}
	return batch_send(c, true);
nomem:
	err_nomem(&c->err);
	return false;
}

/* Descriptors are few: the one far above is given up while the crawl is down here. */
static void close_far_frame(struct crawl *c)
{
	struct frame *far;

	if (c->depth <= OPEN_FRAMES_MAX)
		return;
	far = &c->frames[c->depth - 1 - OPEN_FRAMES_MAX];
	shared_fd_drop(far->dir);
	far->dir = NULL;
}

/*
 * Makes the folder whose path is c->path the one at hand; takes fd, or -1 with errno set. False:
 * out of memory.
 */
static bool push_frame(struct crawl *c, int fd, unsigned flags, dev_t root_device)
{
	struct frame *f;
	struct stat st = {0};
	size_t first, end;
	int open_errno = fd < 0 ? errno : 0;

	if (!grow(&c->frames, &c->cap, c->depth + 1, sizeof(*c->frames))) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	f = &c->frames[c->depth++];
	*f = (struct frame){.path_bytes = c->path.len_bytes, .full = flags & SUB_FULL};
	if (fd >= 0 && fstat(fd, &st) < 0) {
		open_errno = errno;
		close(fd);
		fd = -1;
	}
	f->open_errno = open_errno;
	f->device = st.st_dev;
	f->inode = st.st_ino;
	f->root_device = flags & SUB_ROOT ? st.st_dev : root_device;
	f->leads = roots_below(c->roots, c->path.data, c->path.len_bytes, &first, &end);
	close_far_frame(c);
	if (fd < 0)
		return true;
	f->dir = shared_fd_new(fd);
	return f->dir != NULL;
}

static bool is_frame(const struct frame *f, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_dev == f->device && st.st_ino == f->inode;
}

/* From the root of all down by the pieces of the path: after a folder in between was moved. */
static int reopen_by_path(struct crawl *c, size_t index)
{
	int fd = open_folder(AT_FDCWD, "/", c->frames[0].full);

	for (size_t i = 1; i <= index && fd >= 0; i++) {
		size_t start = c->frames[i - 1].path_bytes + 1;
		size_t name_bytes = c->frames[i].path_bytes - start;
		char name[NAME_BYTES_MAX + 1];
		int parent_fd = fd;

		memcpy(name, c->path.data + start, name_bytes);
		name[name_bytes] = '\0';
		fd = open_folder(parent_fd, name, c->frames[i].full);
		close(parent_fd);
		if (fd >= 0 && !is_frame(&c->frames[i], fd)) {
			close(fd);
			fd = -1;
		}
	}
	return fd;
}

/* Leaves the folder at hand; its parent gets its descriptor back. False: out of memory. */
static bool pop_frame(struct crawl *c)
{
	struct frame *left = crawl_top(c), *f;
	int fd = -1;

	c->depth--;
	if (c->depth > 0 && !crawl_top(c)->dir) {
		f = crawl_top(c);
		if (left->dir)
			fd = open_folder(left->dir->fd, "..", f->full);
		if (fd >= 0 && !is_frame(f, fd)) {
			close(fd);
			fd = -1;
		}
		if (fd < 0)
			fd = reopen_by_path(c, c->depth - 1);
		f->dir = fd >= 0 ? shared_fd_new(fd) : NULL;
		if (fd >= 0 && !f->dir)
			return false;
	}
	shared_fd_drop(left->dir);
	buf_release(&left->subfolders);
	if (c->depth > 0)
		c->path.len_bytes = crawl_top(c)->path_bytes;
	return true;
}

/* Goes into the next subfolder of the folder at hand. False: the crawl ends. */
static bool enter_next(struct crawl *c)
{
	struct frame *f = crawl_top(c);
	struct reader r =
		reader_of(f->subfolders.data + f->next_at, f->subfolders.len_bytes - f->next_at);
	unsigned flags = read_u8(&r);
	size_t name_bytes;
	const char *name = (const char *)read_block(&r, NAME_BYTES_MAX + 1, &name_bytes);
	int fd = -1;

	f->next_at = f->subfolders.len_bytes - r.left_bytes;
	buf_add_u8(&c->path, '/');
	buf_add(&c->path, name, name_bytes - 1);
	if (c->path.failed) {
		err_nomem(&c->err);
		return false;
	}
	errno = ESTALE;
	if (f->dir && !(flags & SUB_EMPTY))
		fd = open_folder(f->dir->fd, name, flags & SUB_FULL);
	if (!push_frame(c, fd, flags, f->root_device)) {
		err_nomem(&c->err);
		return false;
	}
	f = crawl_top(c);
	/* A file system may have been mounted since stat, by the very opening of the folder. */
	if (f->dir && c->options->one_file_system && f->full && f->device != f->root_device)
		flags |= SUB_EMPTY;
	return visit(c, flags & SUB_EMPTY);
}

void crawl_run(void *crawl)
{
	struct crawl *c = crawl;
	unsigned flags = roots_has(c->roots, "", 0) ? SUB_FULL | SUB_ROOT : 0u;
	bool going = push_frame(c, open_folder(AT_FDCWD, "/", flags & SUB_FULL), flags, 0);

	if (!going)
		err_nomem(&c->err);
	else
		going = visit(c, false);
	while (going && c->depth > 0) {
		if (crawl_top(c)->next_at < crawl_top(c)->subfolders.len_bytes) {
			going = enter_next(c);
		} else if (!pop_frame(c)) {
			err_nomem(&c->err);
			going = false;
		}
	}
	if (going)
		parcel_send(c);
	queue_close(c->parcels);
}

void crawl_release(struct crawl *c)
{
	while (c->depth > 0) {
		struct frame *f = &c->frames[--c->depth];

		shared_fd_drop(f->dir);
		buf_release(&f->subfolders);
	}
	free(c->frames);
	batch_free(c->batch);
	parcel_free(c->parcel);
	listing_release(&c->listing);
	buf_release(&c->path);
}
