/*
 * Ending forks: the longest history that some drive has goes on being that writer's journal, for
 * ever closed. What others say beside it is said again by this host, under an identity of its
 * own; then their segments go to quarantine/. So every snapshot of every history is there
 * afterwards, and a host that knew another history makes its table anew.
 */
#include "array/journals.h"
#include "array/object.h"
#include "array/retell.h"
#include "array/sending.h"

#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 16 /* of a head are kept */
#define FORKS_MAX 64  /* ended in one run; more are no accident */

/* ---- the histories of one writer ---- */

/* A segment of it: no records, only where it belongs. */
struct strand {
	size_t item; /* in the listing */
	uint64_t first, last;
	struct hash previous, head;
	uint8_t (*heads)[HEAD_BYTES]; /* of first..last; owned; NULL: only the last */
	bool on_drive;
	bool reached; /* with those before it, it goes back to the first number */
	bool other;   /* of another history than the one chosen */
};

struct fork {
	struct array *a;
	struct hash writer;
	struct journals journals;
	struct strand *strands; /* in the order of the listing: by first, the longest first */
	size_t count, cap;
	uint8_t (*chain)[HEAD_BYTES]; /* heads 0..length of the history that is chosen */
	uint64_t length;
	struct buf bytes;
};

static void fork_release(struct fork *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->strands[i].heads);
	free(f->strands);
	free(f->chain);
	buf_release(&f->bytes);
	journals_release(&f->journals);
}

static bool heads_equal(const uint8_t a[HEAD_BYTES], const uint8_t b[HEAD_BYTES])
{
	return memcmp(a, b, HEAD_BYTES) == 0;
}

static bool is_on_drive(const struct journals *l, size_t item)
{
	size_t end = journals_next(l, item);

	for (size_t i = item; i < end; i++) {
		if (l->items[i].place != PLACE_MIRROR)
			return true;
	}
	return false;
}

static int open_strand(struct fork *f, size_t item, struct segment *s)
{
	struct error ignored;
	unsigned from;

	if (journals_load(f->a, &f->journals, item, &f->bytes, &from, &ignored) != ERR_NONE)
		return ERR_NOT_FOUND;
	return segment_open(f->a->keys, f->bytes.data, f->bytes.len_bytes, s, &ignored);
}

static int collect_strands(struct fork *f, struct error *err)
{
	const struct journals *l = &f->journals;

	for (size_t i = 0; i < l->count; i = journals_next(l, i)) {
		struct segment s = { 0 };
		struct strand *p;

		if (!hash_equal(&l->items[i].parts.writer, &f->writer) ||
		    open_strand(f, i, &s) != ERR_NONE)
			continue;
		if (!grow(&f->strands, &f->cap, f->count + 1, sizeof(*f->strands))) {
			segment_release(&s);
			return err_nomem(err);
		}
		p = &f->strands[f->count++];
		*p = (struct strand){ .item = i, .first = s.first, .last = s.last,
				     .previous = s.previous, .head = s.head, .heads = s.heads,
				     .on_drive = is_on_drive(l, i) };
		s.heads = NULL;
		segment_release(&s);
	}
	return ERR_NONE;
}

/* The strand that ends where p begins, of those that are reached; NULL: there is none. */
static const struct strand *before(const struct fork *f, const struct strand *p)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct strand *o = &f->strands[i];

		if (o->reached && o->last == p->first - 1 && hash_equal(&o->head, &p->previous))
			return o;
	}
	return NULL;
}

/* By rising first: what a strand follows was looked at before it. */
static const struct strand *choose_tip(struct fork *f)
{
	const struct strand *tip = NULL;

	for (size_t i = 0; i < f->count; i++) {
		struct strand *p = &f->strands[i];
		bool longer;

		p->reached = p->first == 1 || before(f, p);
		if (!p->reached || !p->on_drive)
			continue;
		longer = !tip || p->last > tip->last;
		if (longer || (p->last == tip->last && hash_compare(&p->head, &tip->head) < 0))
			tip = p;
	}
	return tip;
}

static int choose_chain(struct fork *f, struct error *err)
{
	const struct strand *p = choose_tip(f);

	if (!p)
		return err_set(err, ERR_UNSAFE, "%s: no drive at hand has its journal from the first "
						"number on", f->a->fork_why);
	f->length = p->last;
	f->chain = calloc(f->length + 1, sizeof(*f->chain));
	if (!f->chain)
		return err_nomem(err);
	for (; p; p = p->first > 1 ? before(f, p) : NULL) {
		if (p->heads)
			memcpy(f->chain[p->first], p->heads,
			       (p->last - p->first + 1) * sizeof(*f->chain));
		memcpy(f->chain[p->last], p->head.b, HEAD_BYTES);
	}
	return ERR_NONE;
}

static bool is_on_chain(const struct fork *f, uint64_t seq, const uint8_t head[HEAD_BYTES])
{
	return seq > f->length || heads_equal(f->chain[seq], head);
}

static bool follows_other(const struct fork *f, const struct strand *p)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct strand *o = &f->strands[i];

		if (o->other && o->last == p->first - 1 && hash_equal(&o->head, &p->previous))
			return true;
	}
	return false;
}

static void mark_others(struct fork *f)
{
	for (size_t i = 0; i < f->count; i++) {
		struct strand *p = &f->strands[i];

		p->other = !is_on_chain(f, p->last, p->head.b) ||
			   !is_on_chain(f, p->first - 1, p->previous.b) || follows_other(f, p);
	}
}

/* ---- ending it ---- */

/* Nobody signs as this writer any more. */
static int close_own(struct fork *f, struct error *err)
{
	struct writer *w = NULL;
	enum writer_origin origin;
	int code;

	if (!hash_equal(&f->a->writer_id, &f->writer))
		return ERR_NONE;
	code = writer_open(f->a->state_path, f->a->keys, f->a->options.machine_id, &w, &origin, err);
	if (code == ERR_NONE && hash_equal(writer_id(w), &f->writer))
		code = writer_renew(w, err);
	writer_close(w);
	return code;
}

/* Says again what a strand says beyond the chosen history. */
static int retell_strand(struct fork *f, const struct strand *p, struct buf *records,
			struct error *err)
{
	struct segment s = { 0 };
	uint64_t from = p->first;
	int code = open_strand(f, p->item, &s);

	if (code != ERR_NONE)
		return err_set(err, ERR_IO, "%s: cannot be read any more",
			       f->journals.items[p->item].name);
	while (p->heads && from < p->last &&
	       from <= f->length && heads_equal(f->chain[from], p->heads[from - p->first]))
		from++;
	code = retell(f->a, &s, from, records, err);
	segment_release(&s);
	return code;
}

static int retell_others(struct fork *f, struct error *err)
{
	struct buf records = { 0 };
	int code = ERR_NONE;

	/* What only the state folder has, a host that ended this fork before has said again. */
	for (size_t i = 0; i < f->count && code == ERR_NONE; i++) {
		if (f->strands[i].other && f->strands[i].on_drive)
			code = retell_strand(f, &f->strands[i], &records, err);
	}
	if (code == ERR_NONE && records.len_bytes > 0)
		code = array_commit(f->a, &records, NULL, err);
	buf_release(&records);
	return code;
}

/* To the drives that had another history: without it they would seem to have been rolled back. */
static int send_chain(struct fork *f, struct error *err)
{
	struct array *a = f->a;
	int code = ERR_NONE;

	for (size_t n = 0; n < f->count && code == ERR_NONE; n++) {
		const struct strand *p = &f->strands[n];
		const char *name = f->journals.items[p->item].name;
		unsigned from;

		if (p->other || !p->reached)
			continue;
		code = journals_load(a, &f->journals, p->item, &f->bytes, &from, err);
		for (unsigned i = 0; i <= a->count && code == ERR_NONE; i++) {
			unsigned place = i < a->count ? i : PLACE_MIRROR;

			if (journals_has(&f->journals, p->item, place) ||
			    (i < a->count && !takes_journal(&a->drives[i])))
				continue;
			code = object_put(place_handle(a, place), name, f->bytes.data,
					  f->bytes.len_bytes, err);
		}
	}
	return code;
}

static int set_aside_others(struct fork *f, struct error *err)
{
	const struct journals *l = &f->journals;
	int code = ERR_NONE;

	for (size_t n = 0; n < f->count; n++) {
		size_t item = f->strands[n].item, end = journals_next(l, item);

		for (size_t i = item; f->strands[n].other && i < end && code == ERR_NONE; i++)
			code = object_quarantine(place_handle(f->a, l->items[i].place),
						 l->items[i].name, err);
	}
	return code;
}

static int sync_places(struct array *a, struct error *err)
{
	int code = a->mirror->driver->sync(a->mirror, err);

	for (unsigned i = 0; i < a->count && code == ERR_NONE; i++) {
		struct drive *d = a->drives[i].handle;

		if (d && (a->drives[i].presence == DRIVE_PRESENT ||
			  a->drives[i].presence == DRIVE_ROLLED_BACK))
			code = d->driver->sync(d, err);
	}
	return code;
}

/* Whether the table was made of another history. */
static bool has_replayed_other(struct fork *f)
{
	struct clock applied = { 0 };
	uint8_t head[HEAD_BYTES];
	struct error ignored;
	bool other = true;
	uint64_t seq;

	if (table_clock(f->a->table, &applied, &ignored) == ERR_NONE) {
		seq = clock_seq(&applied, &f->writer);
		seq = seq < f->length ? seq : f->length;
		other = seq > 0 && (table_head_at(f->a->table, &f->writer, seq, head, &ignored) ||
				    !heads_equal(head, f->chain[seq]));
	}
	clock_release(&applied);
	return other;
}

static int forget_other(struct fork *f, struct error *err)
{
	return has_replayed_other(f) ? table_forget(f->a->table, err) : ERR_NONE;
}

static int heal(struct array *a, const struct hash *writer, struct error *err)
{
	struct fork f = { .a = a, .writer = *writer };
	int code = journals_read(a, &f.journals, err);

	if (code != ERR_NONE ||
	    (code = collect_strands(&f, err)) != ERR_NONE ||
	    (code = choose_chain(&f, err)) != ERR_NONE)
		goto out;
	mark_others(&f);
	if ((code = close_own(&f, err)) != ERR_NONE ||
	    (code = retell_others(&f, err)) != ERR_NONE ||
	    /* Before its history disappears: no other pull would see that the table is of it. */
	    (code = forget_other(&f, err)) != ERR_NONE ||
	    (code = send_chain(&f, err)) != ERR_NONE ||
	    (code = sync_places(a, err)) != ERR_NONE ||
	    (code = set_aside_others(&f, err)) != ERR_NONE)
		goto out;
	code = sync_places(a, err);
out:
	fork_release(&f);
	return code == ERR_NONE ? code : err_wrap(err, "end a fork");
}

int array_heal_forks(struct array *a, struct error *err)
{
	int code = ERR_NONE;

	/* One by one: what is said again depends on what the table knows. */
	for (unsigned i = 0; a->fork_found && i < FORKS_MAX && code == ERR_NONE; i++) {
		struct hash writer = a->forked[0];

		code = heal(a, &writer, err);
		a->forked_count = 0;
		a->fork_found = false;
		if (code == ERR_NONE)
			code = array_pull(a, err);
	}
	if (code == ERR_NONE && a->fork_found)
		code = err_set(err, ERR_UNSAFE, "%s", a->fork_why);
	if (code == ERR_NONE)
		code = array_refresh(a, err);
	if (code == ERR_NONE)
		array_tell(a, TELL_WARNING, "the fork is ended: what both histories say is kept, and the "
					    "segments of one are in quarantine/");
	return code;
}
