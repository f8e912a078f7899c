/*
 * Compaction of this host's own journal: runs of eight segments of one size class become one, so
 * that their number grows with the logarithm of what was written. The new segment says what the
 * old ones said, in order, each part with its sequence number and clock; it is replayed against
 * them before it leaves, and the old ones go only from places that have the new one, durable.
 */
#include "array/sending.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIER 8		/* segments of a class that become one of the next */
#define PENDING_MAX 64	/* with so many, every command that writes compacts */
#define CLASS_BYTES 512 /* the smallest segments; each class is TIER times the one before */
/* Records that become one segment: lengths on drives say little of them, some shrink a lot. */
#define RECORDS_MAX (SEGMENT_BODY_MAX / 4 * 3)

/* A segment of the chain that the state folder holds, oldest first. */
struct link {
	size_t item; /* in the listing */
	unsigned class;
};

struct compaction {
	struct array *a;
	struct journals journals;
	struct link *chain;
	size_t count, cap;
	struct segment *parts; /* what is merged, opened */
	size_t part_count;
	struct buf records;
	uint8_t (*heads)[16];
};

static unsigned class_of(uint64_t len_bytes)
{
	unsigned class = 0;

	for (uint64_t size = CLASS_BYTES; size * TIER <= len_bytes; size *= TIER)
		class++;
	return class;
}

/* The longest segments of this writer that follow each other without a gap. */
static int build_chain(struct compaction *c, struct error *err)
{
	const struct journals *l = &c->journals;
	uint64_t upto = 0;

	for (size_t i = 0; i < l->count; i = journals_next(l, i)) {
		const struct listed_segment *s = &l->items[i];

		if (!hash_equal(&s->parts.writer, &c->a->writer_id) || s->parts.first != upto + 1)
			continue;
		if (!grow(&c->chain, &c->cap, c->count + 1, sizeof(*c->chain)))
			return err_nomem(err);
		c->chain[c->count++] = (struct link){ i, class_of(s->len_bytes) };
		upto = s->parts.last;
	}
	return ERR_NONE;
}

/* The newest run of segments of at most one class, if it is long enough. *first: where it begins. */
static bool find_run(const struct compaction *c, uint64_t max_bytes, size_t *first)
{
	for (unsigned class = 0; class < 16; class++) {
		size_t at = c->count;
		uint64_t bytes = 0;

		while (at > 0 && c->chain[at - 1].class <= class) {
			bytes += c->journals.items[c->chain[at - 1].item].len_bytes;
			if (bytes > max_bytes)
				break;
			at--;
		}
		*first = at;
		if (c->count - at >= TIER)
			return true;
	}
	return false;
}

/* Opens the parts, from the newest back to the first, or as far as they become one segment. */
static int load_parts(struct compaction *c, size_t first, struct error *err)
{
	size_t at = c->count - first, records_bytes = 0;
	struct buf bytes = { 0 };
	unsigned from;
	int code = ERR_NONE;

	c->parts = calloc(at, sizeof(*c->parts));
	if (!c->parts)
		return err_nomem(err);
	while (at > 0 && code == ERR_NONE) {
		struct segment *s = &c->parts[--at];

		code = journals_load(c->a, &c->journals, c->chain[first + at].item, &bytes, &from,
				     err);
		if (code == ERR_NONE)
			code = segment_open(c->a->keys, bytes.data, bytes.len_bytes, s, err);
		records_bytes += s->records.len_bytes;
		if (code == ERR_NONE && records_bytes <= RECORDS_MAX)
			continue;
		segment_release(s);
		at++;
		break;
	}
	c->part_count = c->count - first - at;
	memmove(c->parts, c->parts + at, c->part_count * sizeof(*c->parts));
	buf_release(&bytes);
	return code;
}

/* The rank that replay gives a plain segment: the sum of all that its writer knew. */
static uint64_t rank_of(const struct segment *s)
{
	uint64_t rank = s->last;

	for (size_t i = 0; i < s->clock.count; i++) {
		if (!hash_equal(&s->clock.marks[i].writer, &s->writer))
			rank += s->clock.marks[i].seq;
	}
	return rank;
}

static int merge(struct compaction *c, struct error *err)
{
	uint64_t first = c->parts[0].first, last = c->parts[c->part_count - 1].last;

	c->heads = calloc(last - first + 1, sizeof(*c->heads));
	if (!c->heads)
		return err_nomem(err);
	for (size_t i = 0; i < c->part_count; i++) {
		const struct segment *s = &c->parts[i];
		uint8_t(*to)[16] = c->heads + (s->first - first);

		if (s->kind == SEGMENT_PLAIN) {
			record_version(&c->records, &s->writer, s->last, rank_of(s), &s->clock);
			memcpy(to[0], s->head.b, sizeof(to[0]));
		} else {
			memcpy(to, s->heads, (s->last - s->first + 1) * sizeof(to[0]));
		}
		buf_add(&c->records, s->records.data, s->records.len_bytes);
	}
	return c->records.failed ? err_nomem(err) : ERR_NONE;
}

/* ---- the proof ---- */

static const char before_name[] = "compact-before.sqlite", after_name[] = "compact-after.sqlite";

static void remove_proof(struct array *a, const char *name)
{
	char *path = array_state_file(a, name);
	struct error ignored;

	if (path)
		table_remove(path, &ignored);
	free(path);
}

static int replay_into(struct compaction *c, const char *name, const struct segment *segments,
		       size_t count, struct hash *fingerprint, struct error *err)
{
	char *path = array_state_file(c->a, name);
	struct table *t = NULL;
	bool fresh;
	int code;

	if (!path)
		return err_nomem(err);
	code = table_open(path, &c->a->config.array_id, &t, &fresh, err);
	for (size_t i = 0; i < count && code == ERR_NONE; i++)
		code = table_apply(t, &segments[i], err);
	if (code == ERR_NONE)
		code = table_fingerprint(t, fingerprint, err);
	table_close(t);
	remove_proof(c->a, name);
	free(path);
	return code;
}

/* Output = input, by replay of both. */
static int prove(struct compaction *c, const struct segment *merged, struct error *err)
{
	struct hash before, after;
	int code = replay_into(c, before_name, c->parts, c->part_count, &before, err);

	if (code == ERR_NONE)
		code = replay_into(c, after_name, merged, 1, &after, err);
	if (code == ERR_NONE && !hash_equal(&before, &after))
		code = err_set(err, ERR_CORRUPT, "compacted journals do not say what they said before");
	return code;
}

/* ---- sending it, dropping what it replaces ---- */

static int sign(struct compaction *c, struct sender *s, struct error *err)
{
	const struct segment *newest = &c->parts[c->part_count - 1];
	struct segment merged = { .kind = SEGMENT_COMPACTED,
				  .writer = newest->writer,
				  .first = c->parts[0].first,
				  .last = newest->last,
				  .previous = c->parts[0].previous,
				  .head = newest->head,
				  .clock = newest->clock,
				  .heads = c->heads,
				  .records = c->records };
	const struct buf *bytes;
	const char *name;
	int code = prove(c, &merged, err);

	if (code == ERR_NONE)
		code = writer_sign_compacted(s->writer, merged.kind, merged.first, merged.last,
					     &merged.previous, &merged.head, c->heads,
					     &merged.clock, c->records.data, c->records.len_bytes,
					     &name, &bytes, err);
	return code == ERR_NONE ? sending_add(s, name, bytes->data, bytes->len_bytes, err) : code;
}

/* Deletes the merged segments where the new one is. What cannot be deleted is only superfluous. */
static void drop_parts(struct compaction *c, const struct sender *s)
{
	struct error ignored;

	for (size_t i = 0; i < c->journals.count; i++) {
		const struct listed_segment *item = &c->journals.items[i];
		struct drive *d = place_handle(c->a, item->place);
		bool merged = hash_equal(&item->parts.writer, &c->a->writer_id) &&
			      item->parts.first >= c->parts[0].first &&
			      item->parts.last <= c->parts[c->part_count - 1].last;

		if (merged && (item->place == PLACE_MIRROR || sending_confirmed(s, item->place)))
			d->driver->remove(d, item->name, &ignored);
	}
	for (unsigned i = 0; i < c->a->count; i++) {
		struct drive *d = c->a->drives[i].handle;

		if (sending_confirmed(s, i))
			d->driver->sync(d, &ignored);
	}
	c->a->mirror->driver->sync(c->a->mirror, &ignored);
}

static int compact_run(struct compaction *c, size_t first, struct error *err)
{
	struct sender s;
	int code = load_parts(c, first, err);

	if (code != ERR_NONE || c->part_count < TIER)
		return code;
	code = merge(c, err);
	if (code != ERR_NONE)
		return code;
	code = sending_begin(&s, c->a, err);
	if (code == ERR_NONE)
		code = sign(c, &s, err);
	if (code == ERR_NONE)
		code = sending_deliver(&s, err);
	if (code == ERR_NONE)
		code = sending_settle(&s, err);
	if (code == ERR_NONE)
		drop_parts(c, &s);
	sending_end(&s);
	return code;
}

static void compaction_release(struct compaction *c)
{
	for (size_t i = 0; i < c->part_count; i++)
		segment_release(&c->parts[i]);
	free(c->parts);
	free(c->heads);
	free(c->chain);
	buf_release(&c->records);
	journals_release(&c->journals);
}

/* Whether there is a run to be merged, as far as the state folder knows: it has all that this host wrote,
 * so that drives are not listed for nothing. */
static int is_due(struct array *a, bool stored_much, bool *due, struct error *err)
{
	struct compaction c = { .a = a };
	size_t first;
	int code = journals_read_mirror(a, &c.journals, err);

	if (code == ERR_NONE)
		code = build_chain(&c, err);
	*due = code == ERR_NONE && (stored_much || c.count >= PENDING_MAX) &&
	       find_run(&c, a->policy.geometry.segment_bytes, &first);
	compaction_release(&c);
	return code;
}

static int compact(struct array *a, struct error *err)
{
	struct compaction c = { .a = a };
	size_t first;
	int code = journals_read(a, &c.journals, err);

	if (code == ERR_NONE)
		code = build_chain(&c, err);
	if (code == ERR_NONE && find_run(&c, a->policy.geometry.segment_bytes, &first))
		code = compact_run(&c, first, err);
	compaction_release(&c);
	return code;
}

int array_compact(struct array *a, bool stored_much, struct error *err)
{
	bool due;
	int lock = -1;
	int code = array_lock(a, &lock, err);

	if (code != ERR_NONE)
		return code;
	/* Of a run that was killed: an old log must not come to a new table. */
	remove_proof(a, before_name);
	remove_proof(a, after_name);
	code = is_due(a, stored_much, &due, err);
	if (code == ERR_NONE && due)
		code = compact(a, err);
	array_unlock_state(lock);
	return code == ERR_NONE ? code : err_wrap(err, "compact the journal");
}
