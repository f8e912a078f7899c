#include "array/sending.h"

#include "array/object.h"
#include "array/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
int sending_add(struct sender *c, const char *name, const void *bytes, size_t len_bytes,
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

bool takes_journal(const struct array_drive *d)
{
	bool alive = d->record.state == DRIVE_MEMBER || d->record.state == DRIVE_JOINING ||
		     d->record.state == DRIVE_DRAINING;

	return alive && d->record.journal && d->presence == DRIVE_PRESENT &&
	       !atomic_load(&d->poisoned);
}

/* Of drive i, as far as it has got by now. */
static bool has_all(const struct sender *c, unsigned i)
{
	for (size_t n = 0; n < c->count; n++) {
		if (!c->sendings[n].jobs[i].done || c->sendings[n].jobs[i].code != ERR_NONE)
			return false;
	}
	return true;
}

/* Whether so many drives have everything that the others may get it later. */
static bool has_quorum(void *ctx)
{
	const struct sender *c = ctx;
	unsigned have = 0;

	for (unsigned i = 0; i < c->a->count; i++)
		have += has_all(c, i);
	return c->a->options.ack_enough && have >= quorum(c->a);
}

/* Every sending to every drive, one sync per drive behind them all; waits. */
int sending_deliver(struct sender *c, struct error *err)
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
			lanes_add(&c->batch, i, job);
		}
	}
	batch_wait_enough(&c->batch, has_quorum, c);
	return c->a->mirror->driver->sync(c->a->mirror, err);
}

/* A drive confirms when every put and the sync behind them went well. */
bool sending_confirmed(const struct sender *c, unsigned i)
{
	for (size_t n = 0; n < c->count; n++) {
		if (c->sendings[n].jobs[i].code != ERR_NONE)
			return false;
	}
	return takes_journal(&c->a->drives[i]);
}

/* Drive i has the new segments. It holds them if it had all before them: another command of this
 * host may have committed meanwhile without knowing this drive. */
static int extend_holds(struct sender *c, unsigned i, const struct clock *applied,
			struct error *err)
{
	struct array_drive *d = &c->a->drives[i];
	const struct mark *own = clock_find(applied, writer_id(c->writer));
	struct segment_name first;

	if (!own || c->count == 0 || !segment_name_parse(c->sendings[0].name, &first) ||
	    clock_seq(&d->holds, &own->writer) >= own->seq)
		return ERR_NONE;
	if (clock_seq(&d->holds, &own->writer) + 1 < first.first) {
		d->behind = true;
		return ERR_NONE;
	}
	return clock_set(&d->holds, own) ? ERR_NONE : err_nomem(err);
}

/* Remembers what drive i now holds of what was applied. */
static int remember(struct sender *c, unsigned i, struct error *err)
{
	struct array_drive *d = &c->a->drives[i];
	struct clock applied = { 0 }, sure = { 0 };
	int code = ERR_NONE;

	if (d->behind)
		return ERR_NONE;
	code = table_clock(c->a->table, &applied, err);
	if (code == ERR_NONE)
		code = extend_holds(c, i, &applied, err);
	if (d->behind) {
		clock_release(&applied);
		return code;
	}
	for (size_t n = 0; n < applied.count && code == ERR_NONE; n++) {
		const struct mark *m = &applied.marks[n];

		/* Only as far as this drive was seen to have them. */
		if (clock_seq(&d->holds, &m->writer) >= m->seq && !clock_set(&sure, m))
			code = err_nomem(err);
	}
	if (code == ERR_NONE)
		code = writer_set_have(c->writer, &d->id, &sure, err);
	clock_release(&applied);
	clock_release(&sure);
	return code;
}

static int replay(struct sender *c, struct error *err)
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

static int no_drive_has_it(const struct array *a, struct error *err)
{
	struct error why;

	err_set(&why, ERR_ABSENT, "no drive took it");
	place_explain(a, &why);
	return err_set(err, why.code,
		       "commit: %s; the journal is kept and sent with the next command that writes",
		       why.message);
}

/* After delivery: counts the drives, lets go of the outbox, replays, remembers. */
int sending_settle(struct sender *c, struct error *err)
{
	unsigned have = 0;
	int code = ERR_NONE;

	for (unsigned i = 0; i < c->a->count; i++)
		have += sending_confirmed(c, i);
	if (have == 0)
		return no_drive_has_it(c->a, err);
	if (have < quorum(c->a))
		c->a->short_commit = true;
	code = replay(c, err);
	for (unsigned i = 0; i < c->a->count && code == ERR_NONE; i++) {
		if (sending_confirmed(c, i))
			code = remember(c, i, err);
		else
			c->a->drives[i].behind = true; /* it may come to take the next one */
	}
	if (code == ERR_NONE)
		code = writer_save(c->writer, err);
	for (size_t n = 0; n < c->count && code == ERR_NONE; n++)
		code = writer_sent(c->writer, c->sendings[n].name, err);
	return code;
}

int sending_begin(struct sender *c, struct array *a, struct error *err)
{
	enum writer_origin origin;

	memset(c, 0, sizeof(*c));
	c->a = a;
	batch_init(&c->batch, a);
	return writer_open(a->state_path, a->keys, a->options.machine_id, &c->writer, &origin, err);
}

void sending_end(struct sender *c)
{
	writer_close(c->writer);
	for (size_t n = 0; n < c->count; n++)
		sending_release(&c->sendings[n]);
	free(c->sendings);
}

