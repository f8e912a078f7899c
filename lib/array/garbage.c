#include "array/garbage.h"

#include "array/place.h"

#include <string.h>

/* The names that the table offers, each with its NUL: it is not to be held while a drive deletes. */
static int note_name(void *ctx, const char *name, struct error *err)
{
	struct buf *names = ctx;

	buf_add(names, name, strlen(name) + 1);
	return names->failed ? err_nomem(err) : ERR_NONE;
}

/* Of an object that cannot be deleted nothing is recorded. */
static unsigned remove_all(struct array_drive *d, const struct buf *names, struct buf *done)
{
	struct drive *h = d->handle;
	unsigned removed = 0;
	struct error why;

	for (size_t at = 0; at < names->len_bytes;) {
		const char *name = (const char *)names->data + at;

		at += strlen(name) + 1;
		if (h->driver->remove(h, name, &why) != ERR_NONE)
			continue;
		record_garbage(done, &d->id, name, true);
		removed++;
	}
	return removed;
}

int garbage_sweep(struct array *a, struct array_drive *d, struct buf *records, uint64_t *removed,
		  struct error *err)
{
	struct buf names = { 0 }, done = { 0 };
	unsigned count = 0;
	struct error why;
	int code;

	/* Also of one that is being drained, which takes nothing more. */
	if (!drive_counts(d) || d->presence != DRIVE_PRESENT || atomic_load(&d->poisoned) ||
	    atomic_load(&d->late))
		return ERR_NONE;
	pthread_mutex_lock(&a->table_lock);
	code = table_garbage(a->table, &d->id, note_name, &names, err);
	pthread_mutex_unlock(&a->table_lock);
	if (code == ERR_NONE)
		count = remove_all(d, &names, &done);
	/* Unless that is durable, the deletions stay owed. */
	if (count > 0 && d->handle->driver->sync(d->handle, &why) != ERR_NONE) {
		err_wrap(&why, "drive %s", d->name);
		place_poison(a, d, &why);
	} else if (count > 0) {
		buf_add(records, done.data, done.len_bytes);
		*removed += count;
	}
	if (code == ERR_NONE && done.failed)
		code = err_nomem(err);
	buf_release(&names);
	buf_release(&done);
	return code;
}
