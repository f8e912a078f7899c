#include "array/garbage.h"

#include "array/health.h"
#include "array/object.h"
#include "array/place.h"

#include <stdlib.h>
#include <string.h>

/* The names that the table offers, each with its NUL: it is not to be held while a drive deletes. */
static int note_name(void *ctx, const char *name, struct error *err)
{
	struct buf *names = ctx;

	buf_add(names, name, strlen(name) + 1);
	return names->failed ? err_nomem(err) : ERR_NONE;
}

struct deleting {
	struct array *a;
	struct array_drive *d;
	struct table_group *group;
	struct buf done, needed; /* records */
};

/* Also what another host set since: table_lock is held. */
static unsigned parity_now(struct array *a)
{
	struct policy now;
	struct error ignored;

	if (table_policy(a->table, &now, &ignored) != ERR_NONE || now.parity < a->policy.parity)
		return a->policy.parity;
	return now.parity;
}

/* A row that was dropped, when another host dropped another one, and its group has too few now. */
static bool is_needed_row(struct deleting *w, const char *name)
{
	struct group_row_record row;
	struct hash sha256;
	struct error why;
	uint32_t present = 0;
	unsigned parity;
	struct id id;
	int code;

	if (!object_name_hash(name, &sha256))
		return false;
	pthread_mutex_lock(&w->a->table_lock);
	code = table_dropped_row(w->a->table, &w->d->id, &sha256, &id, &row, &why);
	if (code == ERR_NONE)
		code = table_group(w->a->table, &id, w->group, &why);
	parity = parity_now(w->a);
	pthread_mutex_unlock(&w->a->table_lock);
	if (code == ERR_NONE)
		present = health_rows(w->a, w->group);
	if (code != ERR_NONE || (present & 1u << row.row) ||
	    (unsigned)__builtin_popcount(present) >= parity ||
	    object_verify(w->d->handle, name, row.len_bytes, &why) != ERR_NONE)
		return false;
	record_rows(&w->needed, &id, &row, true);
	return true;
}

/* Of an object that cannot be deleted nothing is recorded. */
static unsigned remove_all(struct deleting *w, const struct buf *names)
{
	struct drive *h = w->d->handle;
	unsigned removed = 0;
	struct error why;

	for (size_t at = 0; at < names->len_bytes;) {
		const char *name = (const char *)names->data + at;

		at += strlen(name) + 1;
		if (is_needed_row(w, name) || h->driver->remove(h, name, &why) != ERR_NONE)
			continue;
		record_garbage(&w->done, &w->d->id, name, true);
		removed++;
	}
	return removed;
}

/* What may have the same name and be needed: a block, its copies, a row that moved. */
static bool any_known(struct array *a, const struct buf *names)
{
	bool any = false;

	for (size_t at = 0; at < names->len_bytes && !any;) {
		const char *name = (const char *)names->data + at;
		struct hash sha256;

		at += strlen(name) + 1;
		any = object_name_hash(name, &sha256) && table_knows_object(a->table, &sha256);
	}
	return any;
}

/* What is garbage by all journals. It was announced before: another host that came to need it has
 * committed by now, or sees that it goes. */
static int list_names(struct array *a, const struct array_drive *d, struct buf *names,
		      struct error *err)
{
	struct error why;
	int code;

	pthread_mutex_lock(&a->table_lock);
	code = table_garbage(a->table, &d->id, note_name, names, err);
	if (code == ERR_NONE && any_known(a, names)) {
		buf_clear(names);
		if (array_learn(a, &why) == ERR_NONE)
			code = table_garbage(a->table, &d->id, note_name, names, err);
	}
	pthread_mutex_unlock(&a->table_lock);
	return code;
}

/* Unless it is durable, the deletions stay owed. */
static void settle(struct deleting *w, unsigned count, struct buf *records, uint64_t *removed)
{
	struct drive *h = w->d->handle;
	struct error why;

	buf_add(records, w->needed.data, w->needed.len_bytes);
	if (count == 0)
		return;
	if (h->driver->sync(h, &why) != ERR_NONE) {
		err_wrap(&why, "drive %s", w->d->name);
		place_poison(w->a, w->d, &why);
		return;
	}
	buf_add(records, w->done.data, w->done.len_bytes);
	*removed += count;
}

int garbage_sweep(struct array *a, struct array_drive *d, struct buf *records, uint64_t *removed,
		  struct error *err)
{
	struct deleting w = { .a = a, .d = d };
	struct buf names = { 0 };
	int code;

	/* Also of one that is being drained, which takes nothing more. While too few drives have the
	 * records of what was committed last, what it made superfluous is to stay. */
	if (!drive_counts(d) || d->presence != DRIVE_PRESENT || atomic_load(&d->poisoned) ||
	    atomic_load(&d->late) || a->short_commit)
		return ERR_NONE;
	w.group = malloc(sizeof(*w.group));
	code = w.group ? list_names(a, d, &names, err) : err_nomem(err);
	if (code == ERR_NONE)
		settle(&w, remove_all(&w, &names), records, removed);
	if (code == ERR_NONE && (w.done.failed || w.needed.failed))
		code = err_nomem(err);
	free(w.group);
	buf_release(&names);
	buf_release(&w.done);
	buf_release(&w.needed);
	return code;
}
