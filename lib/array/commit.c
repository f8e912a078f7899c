/*
 * Commit: records become a segment of this host's journal, durable on the drives. And push:
 * drives that lack segments are sent them.
 */
#include "array/journals.h"
#include "array/lanes.h"
#include "array/object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One signed segment on its way to every drive. */
struct sending {
	char name[SEGMENT_NAME_BYTES];
	struct buf bytes;
	struct lane_job *jobs; /* one per drive */
};

struct commit {
	struct array *a;
	struct writer *writer;
	struct lanes *lanes;
	struct batch batch;
	struct sending *sendings;
	size_t count, cap;
};

static void sending_release(struct sending *s)
{
	buf_release(&s->bytes);
	free(s->jobs);
}

/* How many drives have to have a segment before it counts. */
static unsigned quorum(const struct array *a)
{
	unsigned members = 0;

	for (unsigned i = 0; i < a->count; i++)
		members += drive_counts(&a->drives[i]) && a->drives[i].record.journal;
	return a->policy.parity + 1 < members ? a->policy.parity + 1 : members;
}

/* Copies a segment and queues it on every drive that keeps journals. last: sync behind it. */
static int send(struct commit *c, const char *name, const void *bytes, size_t len_bytes,
		struct error *err)
{
	struct sending *s;

	if (!grow(&c->sendings, &c->cap, c->count + 1, sizeof(*c->sendings)))
		return err_nomem(err);
	s = &c->sendings[c->count];
	memset(s, 0, sizeof(*s));
	snprintf(s->name, sizeof(s->name), "%s", name);
	buf_add(&s->bytes, bytes, len_bytes);
	s->jobs = calloc(c->a->count ? c->a->count : 1, sizeof(*s->jobs));
	if (s->bytes.failed || !s->jobs) {
		sending_release(s);
		return err_nomem(err);
	}
	c->count++;
	return object_put(c->a->mirror, name, bytes, len_bytes, err);
}

static bool takes_journal(const struct array_drive *d)
{
	bool alive = d->record.state == DRIVE_MEMBER || d->record.state == DRIVE_JOINING ||
		     d->record.state == DRIVE_DRAINING;

	return alive && d->record.journal && d->presence == DRIVE_PRESENT &&
	       !atomic_load(&d->poisoned);
}

/* Every sending to every drive, one sync per drive behind them all; waits. */
static int deliver(struct commit *c, struct error *err)
{
	for (size_t n = 0; n < c->count; n++) {
		struct sending *s = &c->sendings[n];

		for (unsigned i = 0; i < c->a->count; i++) {
			struct lane_job *job = &s->jobs[i];

			if (!takes_journal(&c->a->drives[i])) {
				job->code = ERR_ABSENT;
				continue;
			}
			snprintf(job->name, sizeof(job->name), "%s", s->name);
			job->bytes = s->bytes.data;
			job->len_bytes = s->bytes.len_bytes;
			job->sync = n + 1 == c->count;
			lanes_add(c->lanes, i, job, &c->batch);
		}
	}
	batch_wait(&c->batch);
	return c->a->mirror->driver->sync(c->a->mirror, err);
}

/* A drive confirms when every put and the sync behind them went well. */
static bool confirmed(const struct commit *c, unsigned i)
{
	for (size_t n = 0; n < c->count; n++) {
		if (c->sendings[n].jobs[i].code != ERR_NONE)
			return false;
	}
	return takes_journal(&c->a->drives[i]);
}

/* Remembers what drive i now holds: the new segments, if it had all before them. */
static int remember(struct commit *c, unsigned i, struct error *err)
{
	struct array_drive *d = &c->a->drives[i];
	struct clock applied = { 0 }, sure = { 0 };
	int code = ERR_NONE;

	if (d->behind)
		return ERR_NONE;
	code = table_clock(c->a->table, &applied, err);
	for (size_t n = 0; n < applied.count && code == ERR_NONE; n++) {
		const struct mark *m = &applied.marks[n];
		bool own = hash_equal(&m->writer, writer_id(c->writer));

		/* Other writers' segments count only as far as this drive was seen to have them. */
		if ((own || clock_seq(&d->holds, &m->writer) >= m->seq) && !clock_set(&sure, m))
			code = err_nomem(err);
	}
	if (code == ERR_NONE)
		code = writer_set_have(c->writer, &d->id, &sure, err);
	clock_release(&applied);
	clock_release(&sure);
	return code;
}

static int replay(struct commit *c, struct error *err)
{
	int code = ERR_NONE;

	for (size_t n = 0; n < c->count && code == ERR_NONE; n++) {
		struct segment s = { 0 };

		code = segment_open(c->a->keys, c->sendings[n].bytes.data,
				    c->sendings[n].bytes.len_bytes, &s, err);
		if (code == ERR_NONE)
			code = table_apply(c->a->table, &s, err);
		segment_release(&s);
	}
	return code == ERR_NONE ? code : err_wrap(err, "replay what was committed");
}

/* After delivery: counts the drives, lets go of the outbox, replays, remembers. */
static int settle(struct commit *c, struct error *err)
{
	unsigned have = 0;
	int code = ERR_NONE;

	for (unsigned i = 0; i < c->a->count; i++)
		have += confirmed(c, i);
	if (have == 0)
		return err_set(err, ERR_ABSENT,
			       "commit: no drive took the journal; it is kept and sent with the next "
			       "command that writes");
	if (have < quorum(c->a))
		c->a->short_commit = true;
	code = replay(c, err);
	for (unsigned i = 0; i < c->a->count && code == ERR_NONE; i++) {
		if (confirmed(c, i))
			code = remember(c, i, err);
	}
	if (code == ERR_NONE)
		code = writer_save(c->writer, err);
	for (size_t n = 0; n < c->count && code == ERR_NONE; n++)
		code = writer_sent(c->writer, c->sendings[n].name, err);
	return code;
}

static int commit_begin(struct commit *c, struct array *a, struct error *err)
{
	enum writer_origin origin;
	int code;

	memset(c, 0, sizeof(*c));
	c->a = a;
	batch_init(&c->batch);
	code = writer_open(a->state_path, a->keys, a->options.machine_id, &c->writer, &origin, err);
	return code == ERR_NONE ? lanes_new(a, &c->lanes, err) : code;
}

static void commit_end(struct commit *c)
{
	lanes_free(c->lanes);
	writer_close(c->writer);
	for (size_t n = 0; n < c->count; n++)
		sending_release(&c->sendings[n]);
	free(c->sendings);
	batch_release(&c->batch);
}

/* The marks as they are now, in memory of their own: the writer's may move while it signs. */
static int copy_have(struct writer *w, struct have **out, size_t *count, struct error *err)
{
	const struct have *have = writer_have(w, count);
	struct buf encoded = { 0 };
	struct reader r;
	int code;

	haves_encode(have, *count, &encoded);
	r = reader_of(encoded.data, encoded.len_bytes);
	code = encoded.failed ? err_nomem(err) : haves_decode(&r, out, count, err);
	buf_release(&encoded);
	return code;
}

static int sign_all(struct commit *c, const struct buf *records, struct error *err)
{
	size_t max_bytes = c->a->policy.geometry.segment_bytes;
	struct clock seen = { 0 };
	struct have *have = NULL;
	size_t have_count = 0;
	int code = table_clock(c->a->table, &seen, err);

	if (code == ERR_NONE)
		code = copy_have(c->writer, &have, &have_count, err);

	for (size_t at = 0; at < records->len_bytes && code == ERR_NONE;) {
		size_t left = records->len_bytes - at;
		size_t len = records_split(records->data + at, left, max_bytes);
		const struct buf *bytes;
		const char *name;

		/* A single record may be longer than that: up to what a segment can hold at all. */
		if (len == 0)
			len = records_split(records->data + at, left, SEGMENT_BODY_MAX);
		code = writer_sign(c->writer, &seen, have, have_count, records->data + at, len,
				   &name, &bytes, err);
		if (code == ERR_NONE)
			code = send(c, name, bytes->data, bytes->len_bytes, err);
		at += len;
	}
	clock_release(&seen);
	haves_release(have, have_count);
	return code;
}

int array_commit(struct array *a, const struct buf *records, struct hash *head, struct error *err)
{
	struct commit c;
	int lock = -1, code;

	if (records->failed)
		return err_nomem(err);
	code = array_lock(a, &lock, err);
	if (code != ERR_NONE)
		return code;
	code = commit_begin(&c, a, err);
	if (code == ERR_NONE)
		code = sign_all(&c, records, err);
	if (code == ERR_NONE)
		code = deliver(&c, err);
	if (code == ERR_NONE)
		code = settle(&c, err);
	if (code == ERR_NONE && head)
		*head = writer_head(c.writer)->head;
	commit_end(&c);
	array_unlock_state(lock);
	return code;
}

static int send_outboxed(void *ctx, const char *name, const void *bytes, size_t len_bytes,
			 struct error *err)
{
	return send(ctx, name, bytes, len_bytes, err);
}

/* Segments signed by a run that was cut off before they reached the drives. */
int array_flush_outbox(struct array *a, struct error *err)
{
	struct commit c;
	int lock = -1;
	int code = array_lock(a, &lock, err);

	if (code != ERR_NONE)
		return code;
	code = commit_begin(&c, a, err);
	if (code == ERR_NONE)
		code = writer_outbox(c.writer, send_outboxed, &c, err);
	if (code == ERR_NONE && c.count > 0)
		code = deliver(&c, err);
	if (code == ERR_NONE && c.count > 0)
		code = settle(&c, err);
	commit_end(&c);
	array_unlock_state(lock);
	return code;
}

/* Whether drive i lists this segment. */
static bool place_has(const struct journals *l, size_t from, unsigned place)
{
	size_t end = journals_next(l, from);

	for (size_t i = from; i < end; i++) {
		if (l->items[i].place == place)
			return true;
	}
	return false;
}

/* Sends drive i what it lacks, oldest first; one sync. */
static int push_drive(struct array *a, const struct journals *l, unsigned i, struct buf *bytes,
		      unsigned *sent, struct error *err)
{
	struct array_drive *d = &a->drives[i];
	unsigned from, before = *sent;
	int code = ERR_NONE;

	for (size_t n = 0; n < l->count && code == ERR_NONE; n = journals_next(l, n)) {
		const struct listed_segment *s = &l->items[n];

		if (clock_seq(&d->holds, &s->parts.writer) >= s->parts.last || place_has(l, n, i) ||
		    journals_load(a, l, n, bytes, &from, err) != ERR_NONE)
			continue;
		code = object_put(d->handle, s->name, bytes->data, bytes->len_bytes, err);
		if (code == ERR_NONE)
			(*sent)++;
	}
	if (code == ERR_NONE && *sent > before)
		code = d->handle->driver->sync(d->handle, err);
	if (code == ERR_NONE && *sent > before) {
		clock_release(&d->holds);
		d->behind = false;
		code = table_clock(a->table, &d->holds, err);
	}
	return code;
}

int array_push(struct array *a, unsigned *sent, struct error *err)
{
	struct journals l = { 0 };
	struct buf bytes = { 0 };
	bool needed = false;
	int code = ERR_NONE;

	*sent = 0;
	for (unsigned i = 0; i < a->count; i++)
		needed = needed || (a->drives[i].behind && takes_journal(&a->drives[i]));
	if (!needed)
		return ERR_NONE;
	code = journals_read(a, &l, err);
	for (unsigned i = 0; i < a->count && code == ERR_NONE; i++) {
		struct array_drive *d = &a->drives[i];

		if (!takes_journal(d) || !d->behind)
			continue;
		if (push_drive(a, &l, i, &bytes, sent, err) != ERR_NONE) {
			atomic_store(&d->poisoned, true);
			array_tell(a, TELL_WARNING, "send journals: %s: on drive %s", err->message,
				   d->name);
		}
	}
	journals_release(&l);
	buf_release(&bytes);
	return code;
}
