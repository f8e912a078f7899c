/*
 * Pull: what do the journals say that the table does not know, and is each drive what it was?
 */
#include "array/fork.h"
#include "array/journals.h"
#include "array/object.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pull {
	struct array *a;
	struct journals listing;
	struct writer *writer;
	struct clock applied; /* where the table stands */
	struct buf bytes;     /* of the segment at hand */
	bool have_changed, mirror_changed;
};

/* What other writers saw on drives counts as much as what this host saw: a fresh host learns
 * from their segments how far each drive once was. */
static int learn_have(struct pull *p, const struct segment *s, struct error *err)
{
	size_t known_count;
	int code = ERR_NONE;

	for (size_t i = 0; i < s->have_count && code == ERR_NONE; i++) {
		const struct have *known = writer_have(p->writer, &known_count);
		struct clock merged = { 0 };
		bool changed = false;

		for (size_t n = 0; n < known_count; n++) {
			if (id_equal(&known[n].drive_id, &s->have[i].drive_id) &&
			    !clock_copy(&merged, &known[n].clock))
				return err_nomem(err);
		}
		for (size_t n = 0; n < s->have[i].clock.count; n++) {
			const struct mark *m = &s->have[i].clock.marks[n];

			if (m->seq <= clock_seq(&merged, &m->writer))
				continue;
			changed = true;
			if (!clock_set(&merged, m)) {
				clock_release(&merged);
				return err_nomem(err);
			}
		}
		if (changed) {
			code = writer_set_have(p->writer, &s->have[i].drive_id, &merged, err);
			p->have_changed = true;
		}
		clock_release(&merged);
	}
	return code;
}

/* Whether all that the writer of s had pulled is applied, as far as it exists anywhere. */
static bool causes_applied(const struct pull *p, const struct segment *s)
{
	for (size_t i = 0; i < s->clock.count; i++) {
		const struct mark *m = &s->clock.marks[i];

		if (!hash_equal(&m->writer, &s->writer) &&
		    clock_seq(&p->applied, &m->writer) < m->seq)
			return false;
	}
	return true;
}

static int keep_in_mirror(struct pull *p, size_t item, unsigned from, struct error *err)
{
	if (from == PLACE_MIRROR)
		return ERR_NONE;
	p->mirror_changed = true;
	return object_put(p->a->mirror, p->listing.items[item].name, p->bytes.data,
			  p->bytes.len_bytes, err);
}

/* Whether the segment goes on from where the table stands in its writer's journal. */
static bool follows(const struct mark *stand, const struct segment *s)
{
	static const struct hash zero;

	if (s->first == (stand ? stand->seq : 0) + 1)
		return hash_equal(&s->previous, stand ? &stand->head : &zero);
	/* A compacted one may begin before that. */
	return s->heads && memcmp(s->heads[stand->seq - s->first], stand->head.b, sizeof(*s->heads)) == 0;
}

enum step { STEP_APPLIED, STEP_WAITS, STEP_BAD };

/* Opens the segment at item, checks its chain and applies it. */
static int apply_item(struct pull *p, size_t item, bool despite_causes, enum step *step,
		      struct error *err)
{
	const struct mark *stand = clock_find(&p->applied, &p->listing.items[item].parts.writer);
	const struct listed_segment *listed = &p->listing.items[item];
	struct segment s = { 0 };
	struct mark m;
	unsigned from;
	int code;

	*step = STEP_BAD;
	code = journals_load(p->a, &p->listing, item, &p->bytes, &from, err);
	if (code == ERR_NONE)
		code = segment_open(p->a->keys, p->bytes.data, p->bytes.len_bytes, &s, err);
	if (code != ERR_NONE) {
		array_tell(p->a, TELL_WARNING, "journal segment %s: %s", listed->name,
			   err->message);
		return code == ERR_NOMEM ? code : ERR_NONE;
	}
	if (!hash_equal(&s.writer, &listed->parts.writer) || s.first != listed->parts.first ||
	    s.last != listed->parts.last) {
		array_tell(p->a, TELL_WARNING, "journal segment %s is not what its name says",
			   listed->name);
		goto out;
	}
	if (!follows(stand, &s)) {
		code = fork_note(p->a, &p->listing, item, err);
		goto out;
	}
	if (!despite_causes && !causes_applied(p, &s)) {
		*step = STEP_WAITS;
		goto out;
	}
	code = table_apply(p->a->table, &s, err);
	if (code != ERR_NONE) {
		err_wrap(err, "replay journal segment %s", listed->name);
		goto out;
	}
	m = (struct mark){ .writer = s.writer, .seq = s.last, .head = s.head };
	if (!clock_set(&p->applied, &m)) {
		code = err_nomem(err);
		goto out;
	}
	*step = STEP_APPLIED;
	p->listing.items[item].replayed = true;
	code = learn_have(p, &s, err);
	if (code == ERR_NONE)
		code = keep_in_mirror(p, item, from, err);
out:
	segment_release(&s);
	return code;
}

/* Applies one writer's items [from, to) as far as they go. */
static int apply_writer(struct pull *p, size_t from, size_t to, bool despite_causes,
			bool *progress, bool *waiting, struct error *err)
{
	const struct hash *writer = &p->listing.items[from].parts.writer;

	for (size_t i = from; i < to; i = journals_next(&p->listing, i)) {
		const struct listed_segment *s = &p->listing.items[i];
		uint64_t stand = clock_seq(&p->applied, writer);
		enum step step;
		int code;

		if (s->parts.last <= stand)
			continue;
		if (s->parts.first > stand + 1)
			break; /* a gap: what is behind it does not exist yet */
		code = apply_item(p, i, despite_causes, &step, err);
		if (code != ERR_NONE)
			return code;
		if (step == STEP_WAITS) {
			*waiting = true;
			break;
		}
		if (step == STEP_APPLIED)
			*progress = true;
	}
	return ERR_NONE;
}

static size_t writer_end(const struct journals *l, size_t i)
{
	size_t end = i;

	while (end < l->count &&
	       hash_equal(&l->items[end].parts.writer, &l->items[i].parts.writer))
		end++;
	return end;
}

/* Rounds over all writers until nothing moves. What then still waits, waits for segments that
 * are nowhere: it is applied all the same, since half of the truth beats none. */
static int apply_all(struct pull *p, struct error *err)
{
	bool despite_causes = false;

	for (;;) {
		bool progress = false, waiting = false;

		for (size_t i = 0; i < p->listing.count; i = writer_end(&p->listing, i)) {
			int code = apply_writer(p, i, writer_end(&p->listing, i), despite_causes,
						&progress, &waiting, err);

			if (code != ERR_NONE)
				return code;
		}
		if (progress)
			continue;
		if (!waiting)
			return ERR_NONE;
		if (despite_causes)
			return ERR_NONE;
		despite_causes = true;
		array_tell(p->a, TELL_WARNING,
			   "some journal segments refer to others that no drive at hand has");
	}
}

static const struct have *have_of(const struct writer *w, const struct id *drive_id)
{
	size_t count;
	const struct have *have = writer_have(w, &count);

	for (size_t i = 0; i < count; i++) {
		if (id_equal(&have[i].drive_id, drive_id))
			return &have[i];
	}
	return NULL;
}

/* Of what the drive once confirmed, the first that it lacks; NULL: nothing. */
static const struct mark *find_lacking(const struct pull *p, const struct array_drive *d)
{
	const struct have *have = have_of(p->writer, &d->id);

	for (size_t n = 0; have && n < p->applied.count; n++) {
		const struct hash *writer = &p->applied.marks[n].writer;
		const struct mark *once = clock_find(&have->clock, writer);

		if (once && clock_seq(&d->holds, writer) < once->seq)
			return once;
	}
	return NULL;
}

/* How far it has the journals, as they are now. */
static int list_again(struct pull *p, unsigned i, struct error *err)
{
	struct journals now = { 0 };
	int code = journals_read_drive(p->a, i, &now, err);

	clock_release(&p->a->drives[i].holds);
	if (code == ERR_NONE)
		code = journals_coverage(&now, i, &p->a->drives[i].holds, err);
	journals_release(&now);
	return code;
}

/* Behind: lacks what others have. Rolled back: lacks what it once confirmed. What other hosts confirmed
 * of it was learned after it was listed, and may have come since. */
static int judge_drive(struct pull *p, unsigned i, struct error *err)
{
	struct array_drive *d = &p->a->drives[i];
	const struct mark *lacking;
	int code;

	clock_release(&d->holds);
	code = journals_coverage(&p->listing, i, &d->holds, err);
	if (code == ERR_NONE && find_lacking(p, d))
		code = list_again(p, i, err);
	if (code != ERR_NONE || d->presence != DRIVE_PRESENT)
		return code;
	lacking = find_lacking(p, d);
	if (lacking) {
		d->presence = DRIVE_ROLLED_BACK;
		snprintf(d->why, sizeof(d->why),
			 "ROLLBACK: it once held journal number %" PRIu64
			 " of a writer and now ends at %" PRIu64,
			 lacking->seq, clock_seq(&d->holds, &lacking->writer));
	}
	d->behind = false;
	for (size_t n = 0; n < p->applied.count; n++) {
		const struct mark *m = &p->applied.marks[n];

		if (clock_seq(&d->holds, &m->writer) < m->seq)
			d->behind = true;
	}
	return ERR_NONE;
}

static int count_one(void *ctx, const char *name, const void *bytes, size_t len_bytes,
		     struct error *err)
{
	(void)name, (void)bytes, (void)len_bytes, (void)err;
	++*(unsigned *)ctx;
	return ERR_NONE;
}

/* Why this host's identity does not go on from where its journal ends; NULL: it does. Its next segment
 * would follow on one that nobody has, and be read by nobody. */
static const char *broken_past(struct pull *p, unsigned unsent)
{
	const struct mark *own = writer_head(p->writer);
	const struct mark *seen = clock_find(&p->applied, writer_id(p->writer));
	uint64_t seq = seen ? seen->seq : 0;

	if (seq > own->seq)
		return "the state folder is older than this host's journal on the drives (restored "
		       "from a backup?)";
	if (seq == own->seq && seen && !hash_equal(&seen->head, &own->head))
		return "this host's journal on the drives has another end than the state folder says";
	if (seq < own->seq && unsent == 0)
		return "the end of this host's journal is on no drive at hand and not in the state "
		       "folder";
	return NULL;
}

static int check_own_past(struct pull *p, struct error *err)
{
	unsigned unsent = 0;
	const char *why;
	int code = writer_outbox(p->writer, count_one, &unsent, err);

	if (code != ERR_NONE || !(why = broken_past(p, unsent)))
		return code;
	array_tell(p->a, TELL_WARNING, "%s: this host goes on as a new writer", why);
	return writer_renew(p->writer, err);
}

static int open_writer(struct pull *p, struct error *err)
{
	enum writer_origin origin;
	int code = writer_open(p->a->state_path, p->a->keys, p->a->options.machine_id, &p->writer,
			       &origin, err);

	if (code == ERR_NONE && origin == WRITER_CREATED && !p->a->table_fresh)
		array_tell(p->a, TELL_WARNING,
			   "the state folder has no identity that opens: this host goes on as a new writer");
	if (code == ERR_NONE && origin == WRITER_COPIED)
		array_tell(p->a, TELL_WARNING,
			   "the state folder is a copy of another one: this host goes on as a new writer");
	return code;
}

/* What is new on the drives, into the table. */
static int replay_new(struct pull *p, struct error *err)
{
	int code = open_writer(p, err);

	if (code == ERR_NONE)
		code = journals_read(p->a, &p->listing, err);
	if (code == ERR_NONE)
		code = table_clock(p->a->table, &p->applied, err);
	return code == ERR_NONE ? apply_all(p, err) : code;
}

static int judge_all(struct pull *p, struct error *err)
{
	struct array *a = p->a;
	int code = check_own_past(p, err);

	if (code != ERR_NONE)
		return code;
	a->writer_id = *writer_id(p->writer);
	code = forks_find(a, &p->listing, &p->mirror_changed, err);
	for (unsigned i = 0; i < a->count && code == ERR_NONE; i++) {
		if (a->drives[i].presence == DRIVE_PRESENT)
			code = judge_drive(p, i, err);
	}
	return code;
}

static int pull(struct array *a, bool judges, struct error *err)
{
	struct pull p = { .a = a };
	int lock = -1;
	int code = array_lock(a, &lock, err);

	if (code != ERR_NONE)
		return code;
	code = replay_new(&p, err);
	if (code == ERR_NONE && judges)
		code = judge_all(&p, err);
	if (code == ERR_NONE && p.mirror_changed)
		code = a->mirror->driver->sync(a->mirror, err);
	if (code == ERR_NONE && p.have_changed)
		code = writer_save(p.writer, err);
	writer_close(p.writer);
	journals_release(&p.listing);
	clock_release(&p.applied);
	buf_release(&p.bytes);
	array_unlock_state(lock);
	return code;
}

int array_pull(struct array *a, struct error *err)
{
	return pull(a, true, err);
}

int array_learn(struct array *a, struct error *err)
{
	return pull(a, false, err);
}
