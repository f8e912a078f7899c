#include "archive/batch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void shared_fd_drop(struct shared_fd *s)
{
	if (!s || atomic_fetch_sub(&s->users, 1) > 1)
		return;
	close(s->fd);
	free(s);
}

struct shared_fd *shared_fd_new(int fd)
{
	struct shared_fd *s = malloc(sizeof(*s));

	if (!s) {
		close(fd);
		return NULL;
	}
	s->fd = fd;
	atomic_init(&s->users, 1);
	return s;
}

struct shared_fd *shared_fd_use(struct shared_fd *s)
{
	if (s)
		atomic_fetch_add(&s->users, 1);
	return s;
}

struct batch *batch_new(void)
{
	return calloc(1, sizeof(struct batch));
}

void batch_free(struct batch *b)
{
	if (!b)
		return;
	shared_fd_drop(b->dir);
	buf_release(&b->text);
	buf_release(&b->notes);
	free(b->entries);
	free(b);
}

void parcel_free(struct batch *first)
{
	while (first) {
		struct batch *next = first->next;

		batch_free(first);
		first = next;
	}
}

void batch_tell_notes(struct batch *b, note_fn *note, void *note_ctx)
{
	struct reader r = reader_of(b->notes.data, b->notes.len_bytes);

	while (note && r.left_bytes > 0) {
		enum note_level level = (enum note_level)read_u8(&r);
		size_t path_bytes, what_bytes;
		const uint8_t *path = read_block(&r, SIZE_MAX, &path_bytes);
		const uint8_t *what = read_block(&r, SIZE_MAX, &what_bytes);

		note(note_ctx, level, path, path_bytes, (const char *)what);
	}
	buf_clear(&b->notes);
}

bool batch_add(struct batch *b, const char *name, size_t name_bytes, const struct node *n,
	       size_t expected)
{
	if (b->cap == 0) {
		b->cap = expected < BATCH_ENTRIES_MAX ? expected : BATCH_ENTRIES_MAX;
		b->entries = malloc(b->cap * sizeof(*b->entries));
		if (!b->entries)
			return false;
	}
	b->entries[b->count++] = (struct crawled){
		.node = *n,
		.name_at = b->text.len_bytes,
		.name_bytes = name_bytes,
	};
	buf_add(&b->text, name, name_bytes + 1);
	return !b->text.failed;
}

void batch_add_note(struct batch *b, enum note_level level, const struct buf *path,
		    const char *name, const char *what)
{
	size_t name_bytes = name ? strlen(name) + 1 : 0;

	buf_add_u8(&b->notes, (uint8_t)level);
	buf_add_varint(&b->notes, path->len_bytes + name_bytes);
	buf_add(&b->notes, path->data, path->len_bytes);
	if (name) {
		buf_add_u8(&b->notes, '/');
		buf_add(&b->notes, name, name_bytes - 1);
	}
	buf_add_block(&b->notes, what, strlen(what) + 1);
}
