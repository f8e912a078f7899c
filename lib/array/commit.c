/*
 * Commit: records become a segment of this host's journal, durable on the drives. And push:
 * drives that lack segments are sent them.
 */
#include "array/object.h"
#include "array/sending.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int sign_all(struct sender *c, const struct buf *records, struct error *err)
{
	size_t max_bytes = c->a->policy.geometry.segment_bytes;
	struct clock seen = { 0 };
	int code = table_clock(c->a->table, &seen, err);


	for (size_t at = 0; at < records->len_bytes && code == ERR_NONE;) {
		size_t left = records->len_bytes - at;
		size_t len = records_split(records->data + at, left, max_bytes);
		const struct buf *bytes;
		const struct have *have;
		const char *name;
		size_t have_count;

		/* A single record may be longer than that: up to what a segment can hold at all. */
		if (len == 0)
			len = records_split(records->data + at, left, SEGMENT_BODY_MAX);
		if (len == 0) {
			code = err_set(err, ERR_CORRUPT, "commit: a record is malformed or too long");
			break;
		}
		have = writer_have(c->writer, &have_count);
		code = writer_sign(c->writer, &seen, have, have_count, records->data + at, len,
				   &name, &bytes, err);
		if (code == ERR_NONE)
			code = sending_add(c, name, bytes->data, bytes->len_bytes, err);
		at += len;
	}
	clock_release(&seen);
	return code;
}

static int send_outboxed(void *ctx, const char *name, const void *bytes, size_t len_bytes,
			 struct error *err)
{
	return sending_add(ctx, name, bytes, len_bytes, err);
}

int array_commit(struct array *a, const struct buf *records, struct hash *head, struct error *err)
{
	struct sender c;
	int lock = -1, code;

	if (records->failed)
		return err_nomem(err);
	code = array_lock(a, &lock, err);
	if (code != ERR_NONE)
		return code;
	code = sending_begin(&c, a, err);
	/* What was signed before and not sent goes first: no drive has a number without those before it. */
	if (code == ERR_NONE)
		code = writer_outbox(c.writer, send_outboxed, &c, err);
	if (code == ERR_NONE)
		code = sign_all(&c, records, err);
	if (code == ERR_NONE)
		code = sending_deliver(&c, err);
	if (code == ERR_NONE)
		code = sending_settle(&c, err);
	if (code == ERR_NONE && head)
		*head = writer_head(c.writer)->head;
	sending_end(&c);
	array_unlock_state(lock);
	return code;
}

/* Segments signed by a run that was cut off before they reached the drives. */
int array_flush_outbox(struct array *a, struct error *err)
{
	struct sender c;
	int lock = -1;
	int code = array_lock(a, &lock, err);

	if (code != ERR_NONE)
		return code;
	code = sending_begin(&c, a, err);
	if (code == ERR_NONE)
		code = writer_outbox(c.writer, send_outboxed, &c, err);
	if (code == ERR_NONE && c.count > 0)
		code = sending_deliver(&c, err);
	if (code == ERR_NONE && c.count > 0)
		code = sending_settle(&c, err);
	sending_end(&c);
	array_unlock_state(lock);
	return code;
}

/* Sends drive i what it lacks, oldest first; one sync. known: what l lists at least. */
static int push_drive(struct array *a, const struct journals *l, const struct clock *known,
		      unsigned i, unsigned *sent, struct error *err)
{
	struct buf bytes = { 0 };
	struct array_drive *d = &a->drives[i];
	unsigned from, before = *sent;
	bool complete = true;
	int code = ERR_NONE;

	for (size_t n = 0; n < l->count && code == ERR_NONE; n = journals_next(l, n)) {
		const struct listed_segment *s = &l->items[n];

		if (clock_seq(&d->holds, &s->parts.writer) >= s->parts.last || journals_has(l, n, i))
			continue;
		if (journals_load(a, l, n, &bytes, &from, err) != ERR_NONE) {
			complete = false;
			continue;
		}
		code = object_put(d->handle, s->name, bytes.data, bytes.len_bytes, err);
		if (code == ERR_NONE)
			(*sent)++;
	}
	if (code == ERR_NONE && *sent > before)
		code = d->handle->driver->sync(d->handle, err);
	if (code == ERR_NONE && *sent > before && complete) {
		d->behind = false;
		if (!clock_copy(&d->holds, known))
			code = err_nomem(err);
	}
	buf_release(&bytes);
	return code;
}

static bool may_push(const struct array_drive *d)
{
	return d->behind && takes_journal(d) && !atomic_load(&d->late);
}

int array_push(struct array *a, unsigned *sent, struct error *err)
{
	struct journals l = { 0 };
	struct clock known = { 0 };
	bool needed = false;
	int code;

	*sent = 0;
	for (unsigned i = 0; i < a->count; i++)
		needed = needed || may_push(&a->drives[i]);
	if (!needed)
		return ERR_NONE;
	/* The clock first: another command of this host may commit at any time. */
	code = table_clock(a->table, &known, err);
	if (code == ERR_NONE)
		code = journals_read(a, &l, err);
	for (unsigned i = 0; i < a->count && code == ERR_NONE; i++) {
		struct array_drive *d = &a->drives[i];

		if (!may_push(d))
			continue;
		if (push_drive(a, &l, &known, i, sent, err) != ERR_NONE) {
			atomic_store(&d->poisoned, true);
			array_tell(a, TELL_WARNING, "send journals: %s: on drive %s", err->message,
				   d->name);
		}
	}
	journals_release(&l);
	clock_release(&known);
	return code;
}
