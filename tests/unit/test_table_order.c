/*
 * Replay: the order of concurrent segments leaves no trace, and a checkpoint can stand for any
 * beginning of a replay. Random journals of three writers, random orders.
 */
#include "table/verified.h"
#include "tests/support/noise.h"
#include "tests/support/scribe.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WRITERS 3
#define SEGMENTS 60
#define THINGS_MAX 500
#define ORDERS 200

struct fixture {
	char *folder;
	struct table *t;
	struct error err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->folder = temp_folder_in_memory();
	f->t = test_table(f->folder, "table");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	table_close(f->t);
	temp_folder_remove(f->folder);
	free(f);
	return 0;
}

/* ---- random journals ---- */

/* What was made, and by whom: only what a writer has seen may be referred to. */
struct thing {
	char kind;
	uint32_t number;
	unsigned writer;
	uint64_t seq;
};

struct journals {
	struct noise noise;
	struct scribe writers[WRITERS];
	struct segment segments[SEGMENTS];
	size_t count;
	struct thing things[THINGS_MAX];
	size_t thing_count;
	uint32_t next;	/* number of the next thing */
	bool any_order; /* only what may be replayed against causal order */
};

static uint32_t make(struct journals *j, unsigned w, char kind)
{
	assert_true(j->thing_count < THINGS_MAX);
	j->things[j->thing_count++] = (struct thing){ kind, ++j->next, w, j->writers[w].seq + 1 };
	return j->next;
}

/* The number of something of that kind that the writer has seen; 0: none. */
static uint32_t seen(struct journals *j, unsigned w, char kind)
{
	for (int tries = 0; tries < 20 && j->thing_count > 0; tries++) {
		const struct thing *g = &j->things[noise_below(&j->noise, j->thing_count)];
		const struct scribe *s = &j->writers[w];

		if (g->kind == kind &&
		    (g->writer == w || clock_seq(&s->seen, &j->writers[g->writer].id) >= g->seq))
			return g->number;
	}
	return 0;
}

static uint32_t below(struct journals *j, uint32_t limit)
{
	return (uint32_t)noise_below(&j->noise, limit);
}

/* Ranges of any names, of what the writer knows now. */
static void add_verified_record(struct journals *j, unsigned w)
{
	struct verified_record v = { .drive_id = test_id('d', below(j, 9)) };
	bool ok = clock_copy(&v.known, &j->writers[w].seen);

	for (uint32_t claims = 1 + below(j, 3); claims > 0; claims--) {
		struct verified_claim *c = verified_claim(&v, 1 + below(j, 6), below(j, 100));
		uint64_t at = noise_below(&j->noise, UINT64_MAX / 4), width;

		assert_non_null(c);
		for (uint32_t ranges = c->ranges.count > 0 ? 0 : 1 + below(j, 3); ranges > 0; ranges--) {
			width = noise_below(&j->noise, UINT64_MAX / 5);
			ok = ok && ranges_add(&c->ranges, at, at + width);
			at += width + 2;
		}
	}
	assert_true(ok);
	record_verified(&j->writers[w].records, &v);
	verified_release(&v);
}

static void add_array_record(struct journals *j, unsigned w)
{
	struct buf *out = &j->writers[w].records;
	struct policy p = { .parity = below(j, 4), .geometry = geometry_default() };
	struct scrub_record scrub = { .drive_id = test_id('d', below(j, 3)),
				      .damaged = below(j, 9) };
	struct series_record series = { .id = test_id('s', below(j, 3)), .name = "", .host = "h" };
	struct id slot = test_id('k', below(j, 3)), drive = test_id('d', below(j, 3));
	struct buf body = { 0 };
	char text[16];

	snprintf(text, sizeof(text), "n%u", (unsigned)below(j, 3));
	switch (below(j, 9)) {
	case 0:
		record_policy(out, &p);
		record_extra(out, below(j, 2));
		break;
	case 1:
		test_record_drive(out, below(j, 3), text);
		break;
	case 2:
		record_access(out, &drive, text, "{}");
		break;
	case 3:
		series.name = text;
		record_series(out, &series);
		break;
	case 4:
		record_slot(out, &slot, below(j, 2));
		break;
	case 5:
		scrub.time_s = below(j, 100);
		scrub.damaged = below(j, 9);
		scrub.repaired = below(j, 9);
		scrub.complete = below(j, 2);
		record_scrub(out, &scrub);
		break;
	case 6:
		record_retire(out, &j->writers[below(j, WRITERS)].id);
		break;
	case 7:
		add_verified_record(j, w);
		break;
	default:
		buf_add_u8(&body, (uint8_t)below(j, 256));
		record_add(out, 500, false, &body);
		buf_release(&body);
	}
}

static void add_block_record(struct journals *j, unsigned w)
{
	struct buf *out = &j->writers[w].records;
	uint32_t chunks[4] = { below(j, 40), below(j, 40), below(j, 40), below(j, 40) };
	uint32_t known = seen(j, w, 'b');
	struct id uid = test_id('b', known), drive = test_id('d', below(j, 5));

	switch (below(j, known ? 6 : 2)) {
	case 0:
		test_record_block(out, make(j, w, 'b'), below(j, 5), chunks, 4);
		break;
	case 1:
		if (!j->any_order)
			test_record_inline(out, make(j, w, 'b'), chunks, 1 + below(j, 2));
		break;
	case 2:
		record_move(out, &uid, &drive);
		break;
	case 3:
		assert_true(j->thing_count < THINGS_MAX);
		j->things[j->thing_count++] =
			(struct thing){ 'F', known, w, j->writers[w].seq + 1 };
		record_id(out, RECORD_FOSSIL, &uid);
		break;
	case 4:
		record_id(out, RECORD_ACK, &uid);
		break;
	default:
		record_id(out, RECORD_LOST, &uid);
	}
}

static void add_group_record(struct journals *j, unsigned w)
{
	struct buf *out = &j->writers[w].records;
	uint32_t known = seen(j, w, 'g'), blocks[2] = { seen(j, w, 'b'), seen(j, w, 'b') };
	uint32_t drives[2] = { 5 + below(j, 2), 7 + below(j, 2) };
	struct id group = test_id('g', known);
	struct group_row_record row = { .row = (uint8_t)below(j, 2),
					.name = test_hash('r', below(j, 9)),
					.len_bytes = 77,
					.drive_id = test_id('d', 5 + below(j, 4)) };

	if (known && below(j, 2)) {
		record_rows(out, &group, &row, below(j, 2));
		return;
	}
	if (!blocks[0] || !blocks[1] || blocks[0] == blocks[1])
		return;
	test_record_group(out, make(j, w, 'g'), blocks, 2, drives, below(j, 3), &known,
			  known && below(j, 2));
}

/* A block is deleted only when every writer has acknowledged that it is a fossil. */
static bool condemned_by_all(struct journals *j, unsigned w, uint32_t block)
{
	for (size_t i = 0; i < j->thing_count; i++) {
		const struct thing *g = &j->things[i];
		unsigned knowing = 0;

		if (g->kind != 'F' || g->number != block)
			continue;
		for (unsigned other = 0; other < WRITERS; other++) {
			const struct scribe *s = &j->writers[other];

			if (clock_seq(&s->seen, &j->writers[g->writer].id) >= g->seq &&
			    (other == w || clock_seq(&j->writers[w].seen, &s->id) == s->seq))
				knowing++;
		}
		if (knowing == WRITERS)
			return true;
	}
	return false;
}

static void add_garbage_record(struct journals *j, unsigned w)
{
	struct buf *out = &j->writers[w].records;
	struct id drive = test_id('d', below(j, 5));
	struct id put = test_id('p', seen(j, w, 'p' + (char)below(j, WRITERS)));
	uint32_t block = seen(j, w, 'b');
	struct hash name = test_hash('b', block);
	char hex[HASH_HEX_BYTES], text[128];

	if (j->any_order)
		return;
	hex_encode(name.b, HASH_BYTES, hex);
	snprintf(text, sizeof(text), "blocks/%.2s/%s.blob", hex, hex);
	switch (below(j, 4)) {
	case 0:
		if (condemned_by_all(j, w, block))
			record_garbage(out, &drive, text, true);
		break;
	case 1:
		record_garbage(out, &drive, "parity/aa/bb", below(j, 2));
		break;
	case 2:
		put = test_id('p', make(j, w, 'p' + (char)w)); /* own puts are told apart */
		record_intent(out, &put, 5);
		break;
	default:
		record_intent_end(out, &put);
	}
}

static void add_changes(struct journals *j, unsigned w, const struct id *snapshot,
			const char *folder)
{
	struct buf *out = &j->writers[w].records;
	struct folder_writer fw = { 0 };
	char name[2] = { 'a', 0 };

	for (uint32_t i = below(j, 4); i > 0; i--) {
		name[0] = (char)('a' + below(j, 4));
		folder_writer_remove(&fw, name, 1);
	}
	for (name[0] = 'a'; name[0] < 'e'; name[0]++) {
		struct node n = test_node(below(j, 3) ? NODE_FILE : NODE_FOLDER, below(j, 1000));

		if (below(j, 2))
			folder_writer_add(&fw, name, 1, &n);
	}
	folder_writer_finish(&fw, snapshot, folder, strlen(folder), out);
	folder_writer_release(&fw);
}

static void add_long_content(struct journals *j, unsigned w, const struct id *snapshot)
{
	struct buf *out = &j->writers[w].records, pieces = { 0 };
	struct content_record c = { .snapshot = *snapshot, .name = (const uint8_t *)"long" };
	struct piece p = { .hole = true, .hole_bytes = 1 + below(j, 100) };
	struct node n = test_node(NODE_FILE, below(j, 1000));
	struct piece_state state = { 0 };
	struct folder_writer fw = { 0 };

	piece_add(&state, &pieces, &p);
	c.name_bytes = 4;
	c.path = (const uint8_t *)"";
	c.pieces = pieces.data;
	c.pieces_bytes = pieces.len_bytes;
	n.content_parts = 2;
	for (c.part = 0; c.part < n.content_parts; c.part++)
		record_content(out, &c);
	folder_writer_add(&fw, "long", 4, &n);
	folder_writer_finish(&fw, snapshot, "", 0, out);
	folder_writer_release(&fw);
	buf_release(&pieces);
}

/* On any snapshot the writer has seen: forks and merges of lines come by themselves. */
static void add_snapshot(struct journals *j, unsigned w)
{
	static const char *const folders[] = { "", "/a", "/b", "/a/a", "", "/a/b", "/a" };
	uint32_t base = below(j, 8) ? seen(j, w, 'n') : 0;
	uint32_t put = j->any_order ? 0 : seen(j, w, 'p' + (char)w), number = make(j, w, 'n');
	struct id id = test_id('n', number);

	test_record_snapshot(&j->writers[w].records, number, below(j, 3), base,
			     below(j, 3) ? 0 : put);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (below(j, 2))
			add_changes(j, w, &id, folders[i]);
	if (below(j, 4) == 0)
		add_long_content(j, w, &id);
	if (below(j, 10) > 0)
		record_commit(&j->writers[w].records, &id);
}

static void journals_make(struct journals *j, uint64_t seed, bool any_order)
{
	memset(j, 0, sizeof(*j));
	j->noise.state = seed;
	j->any_order = any_order;
	for (unsigned w = 0; w < WRITERS; w++)
		scribe_init(&j->writers[w], (uint8_t)(w + 1));
	while (j->count < SEGMENTS) {
		unsigned w = below(j, WRITERS);

		for (unsigned other = 0; other < WRITERS; other++)
			if (other != w && below(j, 3) == 0)
				scribe_pull(&j->writers[w], &j->writers[other]);
		for (uint32_t k = 1 + below(j, 5); k > 0; k--) {
			static void (*const adders[])(struct journals *, unsigned) = {
				add_array_record, add_block_record, add_group_record,
				add_garbage_record, add_snapshot
			};

			adders[below(j, 5)](j, w);
		}
		j->segments[j->count++] = scribe_write(&j->writers[w]);
	}
}

static void journals_release(struct journals *j)
{
	for (size_t i = 0; i < j->count; i++)
		segment_release(&j->segments[i]);
	for (unsigned w = 0; w < WRITERS; w++)
		scribe_release(&j->writers[w]);
}

/* ---- random orders ---- */

static bool may_follow(const struct journals *j, const struct clock *done, const struct segment *s)
{
	if (clock_seq(done, &s->writer) != s->first - 1)
		return false;
	return j->any_order || clock_covers(done, &s->clock);
}

/* A random order that keeps the writers' own, and causal order unless any will do. */
static void shuffle(const struct journals *j, struct noise *noise, size_t order[SEGMENTS])
{
	struct clock done = { 0 };
	bool used[SEGMENTS] = { false };

	for (size_t n = 0; n < j->count;) {
		size_t i = noise_below(noise, j->count);
		struct mark m = { .writer = j->segments[i].writer, .seq = j->segments[i].last };

		if (used[i] || !may_follow(j, &done, &j->segments[i]))
			continue;
		used[i] = true;
		order[n++] = i;
		assert_true(clock_set(&done, &m));
	}
	clock_release(&done);
}

static void apply_some(struct fixture *f, struct table *t, const struct journals *j,
		       const size_t *order, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		if (table_apply(t, &j->segments[order[i]], &f->err) != ERR_NONE)
			fail_msg("%s", f->err.message);
	}
}

/* Rolled back afterwards: the table is as it was. */
static struct hash replayed(struct fixture *f, const struct journals *j, const size_t *order)
{
	struct hash h;

	assert_int_equal(table_begin(f->t, &f->err), ERR_NONE);
	apply_some(f, f->t, j, order, 0, j->count);
	h = test_fingerprint(f->t);
	table_rollback(f->t);
	return h;
}

static void all_orders_give_one_fingerprint(struct fixture *f, bool any_order)
{
	struct journals *j = malloc(sizeof(*j));
	size_t order[SEGMENTS];

	assert_non_null(j);
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct noise noise = { .state = seed * 1000 };
		struct hash first;

		journals_make(j, seed, any_order);
		for (size_t i = 0; i < j->count; i++)
			order[i] = i;
		first = replayed(f, j, order);
		for (int i = 0; i < ORDERS / 10; i++) {
			struct hash next;

			shuffle(j, &noise, order);
			next = replayed(f, j, order);
			assert_memory_equal(first.b, next.b, HASH_BYTES);
		}
		journals_release(j);
	}
	free(j);
}

static void concurrent_segments_may_be_replayed_in_any_order(void **state)
{
	all_orders_give_one_fingerprint(*state, false);
}

static void most_records_may_even_come_before_what_their_writer_had_seen(void **state)
{
	all_orders_give_one_fingerprint(*state, true);
}

/* ---- checkpoints ---- */

static struct segment checkpoint_of(struct fixture *f, struct table *t)
{
	struct segment s = {
		.kind = SEGMENT_CHECKPOINT, .writer = { { 99 } }, .first = 1, .last = 1
	};

	assert_int_equal(table_clock(t, &s.clock, &f->err), ERR_NONE);
	assert_int_equal(table_dump(t, &s.records, &f->err), ERR_NONE);
	return s;
}

/* A replay up to some point, said again as a checkpoint, and the rest on top of that. */
static void a_checkpoint_stands_for_any_beginning_of_a_replay(void **state)
{
	struct fixture *f = *state;
	struct table *other = test_table(f->folder, "other");
	struct journals *j = malloc(sizeof(*j));
	size_t order[SEGMENTS];

	assert_non_null(j);
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct noise noise = { .state = seed };
		struct segment checkpoint;
		struct hash half, whole, again;
		size_t cut;

		journals_make(j, seed, false);
		shuffle(j, &noise, order);
		cut = noise_below(&noise, j->count + 1);
		assert_int_equal(table_begin(f->t, &f->err), ERR_NONE);
		apply_some(f, f->t, j, order, 0, cut);
		half = test_fingerprint(f->t);
		checkpoint = checkpoint_of(f, f->t);
		assert_int_equal(records_check(checkpoint.records.data,
					       checkpoint.records.len_bytes, &f->err),
				 ERR_NONE);
		apply_some(f, f->t, j, order, cut, j->count);
		whole = test_fingerprint(f->t);
		table_rollback(f->t);

		assert_int_equal(table_begin(other, &f->err), ERR_NONE);
		if (table_apply(other, &checkpoint, &f->err) != ERR_NONE)
			fail_msg("%s", f->err.message);
		again = test_fingerprint(other);
		assert_memory_equal(half.b, again.b, HASH_BYTES);
		apply_some(f, other, j, order, cut, j->count);
		again = test_fingerprint(other);
		assert_memory_equal(whole.b, again.b, HASH_BYTES);
		table_rollback(other);
		segment_release(&checkpoint);
		journals_release(j);
	}
	table_close(other);
	free(j);
}

/* What the table holds and the checkpoint does not repeat is gone. */
static void a_checkpoint_replaces_what_the_table_holds(void **state)
{
	struct fixture *f = *state;
	struct table *other = test_table(f->folder, "other");
	struct id drive = test_id('d', 1), put = test_id('p', 1);
	struct segment first, second, checkpoint;
	struct hash a, b;
	struct scribe s;

	scribe_init(&s, 1);
	record_garbage(&s.records, &drive, "parity/one", false);
	record_intent(&s.records, &put, 1);
	first = scribe_write(&s);
	record_garbage(&s.records, &drive, "parity/one", true);
	record_intent_end(&s.records, &put);
	second = scribe_write(&s);
	assert_int_equal(table_apply(f->t, &first, &f->err), ERR_NONE);
	assert_int_equal(table_apply(other, &first, &f->err), ERR_NONE);
	assert_int_equal(table_apply(f->t, &second, &f->err), ERR_NONE);
	checkpoint = checkpoint_of(f, f->t);
	for (int i = 0; i < 2; i++) /* the second time all is known */
		assert_int_equal(table_apply(other, &checkpoint, &f->err), ERR_NONE);
	a = test_fingerprint(f->t);
	b = test_fingerprint(other);
	assert_memory_equal(a.b, b.b, HASH_BYTES);
	segment_release(&first);
	segment_release(&second);
	segment_release(&checkpoint);
	scribe_release(&s);
	table_close(other);
}

/* A snapshot that stands without its base stands so in the checkpoint; one that still waits,
 * waits. */
static void a_checkpoint_keeps_what_was_settled_and_what_waits(void **state)
{
	struct fixture *f = *state;
	struct table *other = test_table(f->folder, "other");
	struct id settled = test_id('n', 2), waiting = test_id('n', 4);
	struct segment checkpoint;
	struct hash a, b;
	struct scribe s;

	scribe_init(&s, 1);
	test_record_snapshot(&s.records, 2, 1, 1, 0);
	record_commit(&s.records, &settled);
	scribe_apply(&s, f->t);
	assert_int_equal(table_settle(f->t, &f->err), ERR_NONE);
	test_record_snapshot(&s.records, 4, 1, 3, 0);
	record_commit(&s.records, &waiting);
	scribe_apply(&s, f->t);
	checkpoint = checkpoint_of(f, f->t);
	assert_int_equal(table_apply(other, &checkpoint, &f->err), ERR_NONE);
	a = test_fingerprint(f->t);
	b = test_fingerprint(other);
	assert_memory_equal(a.b, b.b, HASH_BYTES);
	segment_release(&checkpoint);
	scribe_release(&s);
	table_close(other);
}

struct batches {
	struct buf all;
	size_t count;
	struct error err;
};

static int take_batch(void *ctx, const void *records, size_t len_bytes, struct error *err)
{
	struct batches *b = ctx;

	(void)err;
	assert_int_equal(records_check(records, len_bytes, &b->err), ERR_NONE);
	assert_true(len_bytes < (4 << 20));
	buf_add(&b->all, records, len_bytes);
	b->count++;
	return ERR_NONE;
}

static void a_large_dump_comes_in_batches_of_whole_records(void **state)
{
	struct fixture *f = *state;
	struct segment checkpoint = {
		.kind = SEGMENT_CHECKPOINT, .writer = { { 99 } }, .first = 1, .last = 1
	};
	struct folder_writer w = { 0 };
	struct id id = test_id('n', 1);
	struct batches b = { 0 };
	struct hash before, after;
	struct scribe s;

	scribe_init(&s, 1);
	test_record_snapshot(&s.records, 1, 1, 0, 0);
	for (uint32_t i = 0; i < 100000; i++) {
		struct node n = test_node(NODE_FILE, i);
		char name[32];

		n.inode = i * 7919;
		snprintf(name, sizeof(name), "a-rather-long-name-%06u", (unsigned)i);
		folder_writer_add(&w, name, strlen(name), &n);
	}
	folder_writer_finish(&w, &id, "", 0, &s.records);
	folder_writer_release(&w);
	record_commit(&s.records, &id);
	scribe_apply(&s, f->t);
	before = test_fingerprint(f->t);
	assert_int_equal(table_dump_each(f->t, take_batch, &b, &f->err), ERR_NONE);
	assert_true(b.count > 2);
	checkpoint.records = b.all;
	assert_int_equal(table_clock(f->t, &checkpoint.clock, &f->err), ERR_NONE);
	/* On the table itself: it covers all that is there, and says the same. */
	assert_int_equal(table_apply(f->t, &checkpoint, &f->err), ERR_NONE);
	after = test_fingerprint(f->t);
	assert_memory_equal(before.b, after.b, HASH_BYTES);
	segment_release(&checkpoint);
	scribe_release(&s);
}

static void a_checkpoint_that_lacks_what_the_table_holds_is_refused(void **state)
{
	struct fixture *f = *state;
	struct segment checkpoint;
	struct hash before, after;
	struct scribe s;

	scribe_init(&s, 1);
	test_record_drive(&s.records, 1, "one");
	scribe_apply(&s, f->t);
	checkpoint = checkpoint_of(f, f->t);
	test_record_drive(&s.records, 2, "two");
	scribe_apply(&s, f->t);
	before = test_fingerprint(f->t);
	assert_int_equal(table_apply(f->t, &checkpoint, &f->err), ERR_EXISTS);
	after = test_fingerprint(f->t);
	assert_memory_equal(before.b, after.b, HASH_BYTES);
	segment_release(&checkpoint);
	scribe_release(&s);
}

/* Compacted segments tell each version they were made of; one who has some of them takes only
 * the rest. */
static void a_compacted_segment_adds_only_what_is_new(void **state)
{
	struct fixture *f = *state;
	struct table *other = test_table(f->folder, "other");
	struct scrub_record scrub = { .drive_id = test_id('d', 1), .damaged = 1 };
	struct segment all = { .kind = SEGMENT_COMPACTED, .first = 1, .last = 3 };
	struct hash a, b;
	struct scribe s;

	scribe_init(&s, 1);
	all.writer = s.id;
	for (uint64_t seq = 1; seq <= 3; seq++) {
		record_scrub(&s.records, &scrub);
		test_record_drive(&s.records, (uint32_t)seq, "drive");
		record_version(&all.records, &s.id, seq, seq, &s.seen);
		buf_add(&all.records, s.records.data, s.records.len_bytes);
		scribe_apply(&s, f->t);
	}
	/* other has the first two already. */
	scribe_release(&s);
	scribe_init(&s, 1);
	for (uint64_t seq = 1; seq <= 2; seq++) {
		record_scrub(&s.records, &scrub);
		test_record_drive(&s.records, (uint32_t)seq, "drive");
		scribe_apply(&s, other);
	}
	assert_int_equal(table_apply(other, &all, &f->err), ERR_NONE);
	assert_int_equal(table_apply(other, &all, &f->err), ERR_NONE);
	a = test_fingerprint(f->t);
	b = test_fingerprint(other);
	assert_memory_equal(a.b, b.b, HASH_BYTES);
	segment_release(&all);
	scribe_release(&s);
	table_close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(concurrent_segments_may_be_replayed_in_any_order),
		TEST(most_records_may_even_come_before_what_their_writer_had_seen),
		TEST(a_checkpoint_stands_for_any_beginning_of_a_replay),
		TEST(a_checkpoint_replaces_what_the_table_holds),
		TEST(a_checkpoint_keeps_what_was_settled_and_what_waits),
		TEST(a_large_dump_comes_in_batches_of_whole_records),
		TEST(a_checkpoint_that_lacks_what_the_table_holds_is_refused),
		TEST(a_compacted_segment_adds_only_what_is_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
