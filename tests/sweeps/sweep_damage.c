/*
 * Damage of every kind to every kind of object: reading reads around it, scrub finds it, puts back
 * the very bytes, keeps the bad ones in quarantine/ and touches nothing else. Beyond what parity
 * covers nothing is altered, and what does not need the lost blocks restores.
 *
 * Most cases run on one open array; some open it after the damage, with and without its state.
 */
#include "tests/support/noise.h"
#include "tests/support/tiny.h"

#include "care/scrub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DRIVES 5
#define PARITY 2
#define LIVE_CASES 24
#define HURT_MAX 8
#define OBJECTS_MAX 8 /* of a group */
#define COMPLAINTS_MAX 10

struct hurt {
	unsigned drive;
	const struct tiny_object *object; /* of the image */
	struct buf bytes;		  /* instead of it */
	bool deleted;
};

struct sweep {
	struct tiny t;
	struct tiny_image image;
	struct drive *raw[DRIVES];
	struct array *a;
	struct noise noise;
	unsigned live_cases;
	struct hurt hurts[HURT_MAX];
	unsigned hurt_count;
	unsigned turn; /* for MRMR_SWEEP_EVERY */
	/* counts */
	uint64_t cases, damaged, found, repaired, read_around, failures;
};

/* ---- the array ---- */

static void stop(struct sweep *s)
{
	array_close(s->a);
	s->a = NULL;
}

static void reset(struct sweep *s)
{
	stop(s);
	tiny_image_restore(&s->t, &s->image);
	s->live_cases = 0;
}

static bool begin(struct sweep *s)
{
	struct error err;

	if (tiny_open(&s->t, true, &s->a, &err) != ERR_NONE)
		return tiny_says(&s->t, "open: %s", err.message);
	return true;
}

static int setup(void **state)
{
	struct sweep *s = calloc(1, sizeof(*s));
	struct error err;

	assert_non_null(s);
	tiny_init(&s->t, DRIVES, PARITY, DRIVES);
	s->noise.state = 4;
	tiny_file(&s->t, 0, 9000, 1, false);
	tiny_file(&s->t, 1, 8000, 2, true);
	tiny_file(&s->t, 2, 3000, 3, false);
	for (unsigned n = 0; n < 4; n++) {
		if (n == 1) {
			tiny_file(&s->t, 3, 6000, 4, false);
			tiny_file(&s->t, 1, 7000, 5, true);
		}
		if (n == 2)
			tiny_file(&s->t, 4, 150, 6, false);
		if (n == 3)
			tiny_file(&s->t, 5, 10, 7, false);
		assert_int_equal(tiny_open(&s->t, true, &s->a, &err), ERR_NONE);
		if (tiny_put(&s->t, s->a, NULL, &err) != ERR_NONE)
			fail_msg("put: %s", err.message);
		stop(s);
	}
	for (unsigned i = 0; i < DRIVES; i++)
		s->raw[i] = tiny_drive(&s->t, i);
	tiny_image_take(&s->t, &s->image);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct sweep *s = *state;

	stop(s);
	for (unsigned i = 0; i < DRIVES; i++)
		s->raw[i]->driver->close(s->raw[i]);
	for (unsigned i = 0; i < HURT_MAX; i++)
		buf_release(&s->hurts[i].bytes);
	tiny_image_release(&s->image);
	tiny_release(&s->t);
	free(s);
	return 0;
}

static bool is_turn(struct sweep *s)
{
	return s->turn++ % tiny_every() == 0;
}

static void report(const struct sweep *s, const char *what)
{
	printf("%s: %llu cases, %llu objects damaged, %llu found, %llu repaired, %llu read around, "
	       "%llu failed\n",
	       what, (unsigned long long)s->cases, (unsigned long long)s->damaged,
	       (unsigned long long)s->found, (unsigned long long)s->repaired,
	       (unsigned long long)s->read_around, (unsigned long long)s->failures);
}

/* ---- damage ---- */

static struct hurt *hurt_new(struct sweep *s, unsigned drive, const struct tiny_object *o)
{
	struct hurt *h = &s->hurts[s->hurt_count++];

	assert_true(s->hurt_count <= HURT_MAX);
	h->drive = drive;
	h->object = o;
	h->deleted = false;
	buf_clear(&h->bytes);
	buf_add(&h->bytes, o->bytes.data, o->bytes.len_bytes);
	assert_false(h->bytes.failed);
	return h;
}

static void flip(struct sweep *s, struct hurt *h)
{
	uint64_t bit = noise_below(&s->noise, h->bytes.len_bytes * 8);

	h->bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

/* One of the kinds of damage there are. */
static void hurt_somehow(struct sweep *s, struct hurt *h)
{
	size_t len = h->bytes.len_bytes, at, n;

	switch (noise_below(&s->noise, 5)) {
	case 0:
		h->deleted = true;
		break;
	case 1:
		h->bytes.len_bytes = (size_t)noise_below(&s->noise, len);
		break;
	case 2:
		buf_add(&h->bytes, "more", 1 + (size_t)noise_below(&s->noise, 4));
		break;
	case 3:
		at = (size_t)noise_below(&s->noise, len);
		n = 1 + (size_t)noise_below(&s->noise, len - at);
		memset(h->bytes.data + at, 0, n);
		if (memcmp(h->bytes.data, h->object->bytes.data, len) != 0)
			break;
		/* fall through */
	default:
		flip(s, h);
	}
}

static void inflict(struct sweep *s)
{
	for (unsigned i = 0; i < s->hurt_count; i++) {
		const struct hurt *h = &s->hurts[i];

		tiny_overwrite(s->raw[h->drive], h->object->name,
			       h->deleted ? NULL : h->bytes.data, h->bytes.len_bytes);
	}
	s->damaged += s->hurt_count;
}

/* ---- judging ---- */

static bool same(const struct buf *x, const struct buf *y)
{
	return x->len_bytes == y->len_bytes &&
	       (x->len_bytes == 0 || memcmp(x->data, y->data, x->len_bytes) == 0);
}

static bool in_quarantine(const struct tiny_place *p, const struct buf *bytes)
{
	for (size_t i = 0; i < p->count; i++) {
		if (strncmp(p->objects[i].name, "quarantine/", 11) == 0 &&
		    same(&p->objects[i].bytes, bytes))
			return true;
	}
	return false;
}

/* Whether the drive has all objects as they were, nothing new but journals, and in quarantine/
 * what was hurt and nothing else. */
static bool drive_is_whole(struct sweep *s, unsigned drive)
{
	const struct tiny_place *was = &s->image.drives[drive];
	struct tiny_place is;
	unsigned set_aside = 0, hurt = 0;
	bool ok = true;

	tiny_place_load(s->raw[drive], &is);
	for (size_t i = 0; i < was->count && ok; i++) {
		const struct tiny_object *o = tiny_place_find(&is, was->objects[i].name);

		if (!o || !same(&o->bytes, &was->objects[i].bytes))
			ok = tiny_says(&s->t, "drive %u: %s is %s", drive, was->objects[i].name,
				       o ? "not what it was" : "missing");
	}
	for (size_t i = 0; i < is.count && ok; i++) {
		const char *name = is.objects[i].name;

		if (strncmp(name, "quarantine/", 11) == 0)
			set_aside++;
		else if (!tiny_place_find(was, name) && strncmp(name, "journal/", 8) != 0)
			ok = tiny_says(&s->t, "drive %u: %s is new", drive, name);
	}
	for (unsigned i = 0; i < s->hurt_count && ok; i++) {
		const struct hurt *h = &s->hurts[i];

		if (h->drive != drive || h->deleted)
			continue;
		hurt++;
		if (!in_quarantine(&is, &h->bytes))
			ok = tiny_says(&s->t, "drive %u: what %s was is not in quarantine/", drive,
				       h->object->name);
	}
	if (ok && set_aside != hurt)
		ok = tiny_says(&s->t, "drive %u: %u objects in quarantine/ instead of %u", drive,
			       set_aside, hurt);
	for (size_t i = 0; i < is.count; i++) {
		if (strncmp(is.objects[i].name, "quarantine/", 11) == 0)
			tiny_overwrite(s->raw[drive], is.objects[i].name, NULL, 0);
	}
	tiny_place_release(&is);
	return ok;
}

/* forgot: a host that never saw the drive whole takes a missing segment for one not delivered yet
 * and sends it when the array is opened, before scrub looks. */
static bool scrub_repairs(struct sweep *s, bool forgot)
{
	unsigned sent = 0;
	struct scrub_options o = { .repair = true, .grace_s = 86400 };
	struct scrub_result *r = calloc(1, sizeof(*r));
	struct error err;
	bool ok = true;

	assert_non_null(r);
	if (scrub(s->a, &o, r, &err) != ERR_NONE)
		ok = tiny_says(&s->t, "scrub: %s", err.message);
	s->found += r->damaged;
	s->repaired += r->repaired;
	for (unsigned i = 0; i < s->hurt_count; i++)
		sent += forgot && s->hurts[i].deleted &&
			strncmp(s->hurts[i].object->name, "journal/", 8) == 0;
	if (ok && (r->damaged > s->hurt_count || r->damaged + sent < s->hurt_count))
		ok = tiny_says(&s->t, "%llu found of %u damaged", (unsigned long long)r->damaged,
			       s->hurt_count);
	if (ok && (r->repaired != r->damaged || r->lost_blocks > 0))
		ok = tiny_says(&s->t, "%llu repaired of %u", (unsigned long long)r->repaired,
			       s->hurt_count);
	for (unsigned i = 0; i < DRIVES; i++)
		ok = ok && drive_is_whole(s, i);
	free(r);
	return ok;
}

static void complain(struct sweep *s, const char *what)
{
	if (s->failures++ >= COMPLAINTS_MAX)
		return;
	fprintf(stderr, "%s: %s (the array said: %s)\n", what, s->t.why, s->t.warning);
	for (unsigned i = 0; i < s->hurt_count; i++) {
		const struct hurt *h = &s->hurts[i];
		size_t at = 0;

		while (at < h->bytes.len_bytes && at < h->object->bytes.len_bytes &&
		       h->bytes.data[at] == h->object->bytes.data[at])
			at++;
		fprintf(stderr, "    drive %u %s: %s, %zu of %zu bytes, differs at %zu\n", h->drive,
			h->object->name, h->deleted ? "deleted" : "changed", h->bytes.len_bytes,
			h->object->bytes.len_bytes, at);
	}
}

/* Damage while the array is open. */
static void try_live(struct sweep *s)
{
	bool ok = s->a || begin(s);

	s->cases++;
	s->t.warning[0] = '\0';
	inflict(s);
	ok = ok && tiny_check(&s->t, s->a, 0);
	s->read_around += ok;
	ok = ok && scrub_repairs(s, false);
	if (!ok)
		complain(s, "open array");
	if (!ok || ++s->live_cases >= LIVE_CASES)
		reset(s);
	s->hurt_count = 0;
}

/* Damage before it is opened; forget: by a host without table and identity. */
static void try_closed(struct sweep *s, bool forget)
{
	bool ok;

	reset(s);
	s->cases++;
	s->t.warning[0] = '\0';
	if (forget)
		tiny_copy_folder(s->t.source, s->t.state_path, "f");
	inflict(s);
	ok = tiny_check_opened(&s->t, 0);
	s->read_around += ok;
	ok = ok && begin(s) && scrub_repairs(s, forget) && tiny_check(&s->t, s->a, 0);
	if (!ok)
		complain(s, forget ? "opened without state" : "opened");
	reset(s);
	s->hurt_count = 0;
}

static void each_object(struct sweep *s, void (*fn)(struct sweep *s, unsigned drive,
						    const struct tiny_object *o))
{
	for (unsigned d = 0; d < DRIVES; d++) {
		for (size_t i = 0; i < s->image.drives[d].count; i++)
			fn(s, d, &s->image.drives[d].objects[i]);
	}
}

static const struct tiny_object *any_object(struct sweep *s, unsigned drive)
{
	const struct tiny_place *p = &s->image.drives[drive];

	return &p->objects[noise_below(&s->noise, p->count)];
}

/* ---- the sweeps ---- */

static void flip_bits(struct sweep *s, unsigned drive, const struct tiny_object *o)
{
	/* Every kind gets its share, however short its objects are. */
	unsigned flips = tiny_all() ? (unsigned)o->bytes.len_bytes * 8 : 260;

	for (unsigned i = 0; i < flips; i++) {
		if (!is_turn(s))
			continue;
		if (tiny_all()) {
			struct hurt *h = hurt_new(s, drive, o);

			h->bytes.data[i / 8] ^= (uint8_t)(1u << i % 8);
		} else {
			flip(s, hurt_new(s, drive, o));
		}
		try_live(s);
	}
}

static void a_flipped_bit_is_found_and_repaired(void **state)
{
	struct sweep *s = *state;

	each_object(s, flip_bits);
	report(s, "flips");
	assert_int_equal(s->failures, 0);
	assert_true(tiny_every() > 1 || s->cases >= 20000);
}

static void cut_off(struct sweep *s, unsigned drive, const struct tiny_object *o)
{
	size_t step = tiny_all() ? 1 : o->bytes.len_bytes / 16 + 1;

	for (size_t len = 0; len < o->bytes.len_bytes; len += step) {
		if (!is_turn(s))
			continue;
		hurt_new(s, drive, o)->bytes.len_bytes = len;
		try_live(s);
	}
	for (unsigned i = 0; i < 4; i++) {
		if (!is_turn(s))
			continue;
		buf_add(&hurt_new(s, drive, o)->bytes, "\0\0\0\0trailing bytes", 1u << i);
		try_live(s);
	}
}

static void a_cut_or_extended_object_is_found_and_repaired(void **state)
{
	struct sweep *s = *state;

	each_object(s, cut_off);
	report(s, "cuts and extensions");
	assert_int_equal(s->failures, 0);
}

static void blank(struct sweep *s, unsigned drive, const struct tiny_object *o)
{
	for (unsigned i = 0; i < 6; i++) {
		size_t len = o->bytes.len_bytes, n = len >> i;
		struct hurt *h;

		if (n == 0 || !is_turn(s))
			continue;
		h = hurt_new(s, drive, o);
		memset(h->bytes.data + noise_below(&s->noise, len - n + 1), 0, n);
		if (same(&h->bytes, &o->bytes))
			flip(s, h);
		try_live(s);
	}
}

static void a_run_of_zeros_is_found_and_repaired(void **state)
{
	struct sweep *s = *state;

	each_object(s, blank);
	report(s, "zero runs");
	assert_int_equal(s->failures, 0);
}

static void delete_it(struct sweep *s, unsigned drive, const struct tiny_object *o)
{
	if (!is_turn(s))
		return;
	hurt_new(s, drive, o)->deleted = true;
	try_live(s);
}

static void a_missing_object_is_found_and_put_back(void **state)
{
	struct sweep *s = *state;

	each_object(s, delete_it);
	report(s, "deletions");
	assert_int_equal(s->failures, 0);
}

static void two_objects_with_each_others_bytes_are_found_and_repaired(void **state)
{
	struct sweep *s = *state;

	for (unsigned i = 0; i < 500; i++) {
		unsigned drive = (unsigned)noise_below(&s->noise, DRIVES);
		const struct tiny_object *x = any_object(s, drive), *y = any_object(s, drive);
		struct hurt *h;

		if (same(&x->bytes, &y->bytes) || !is_turn(s))
			continue;
		h = hurt_new(s, drive, x);
		buf_clear(&h->bytes);
		buf_add(&h->bytes, y->bytes.data, y->bytes.len_bytes);
		h = hurt_new(s, drive, y);
		buf_clear(&h->bytes);
		buf_add(&h->bytes, x->bytes.data, x->bytes.len_bytes);
		try_live(s);
	}
	report(s, "swaps");
	assert_int_equal(s->failures, 0);
}

/* The objects of a random group: drive and name of each. */
struct member {
	unsigned drive;
	const struct tiny_object *object;
	bool is_row;
	struct id uid; /* of a block */
};

struct groups {
	struct id ids[64];
	unsigned count;
};

static int collect_group(void *ctx, const struct id *id, struct error *err)
{
	struct groups *g = ctx;

	(void)err;
	if (g->count < 64)
		g->ids[g->count++] = *id;
	return ERR_NONE;
}

static struct member member_at(struct sweep *s, const struct id *drive_id, const char *folder,
			       const struct hash *name)
{
	char hex[HASH_HEX_BYTES], object[256];
	struct member m = { 0 };

	hex_encode(name->b, HASH_BYTES, hex);
	snprintf(object, sizeof(object), "%s/%.2s/%s.blob", folder, hex, hex);
	m.drive = (unsigned)(array_drive_by_id(s->a, drive_id) - s->a->drives);
	m.object = tiny_place_find(&s->image.drives[m.drive], object);
	assert_non_null(m.object);
	return m;
}

static unsigned any_group(struct sweep *s, struct member *out)
{
	struct table_group *g = malloc(sizeof(*g));
	struct groups all = { .count = 0 };
	struct error err;
	unsigned n = 0;

	assert_non_null(g);
	if (!s->a)
		assert_true(begin(s));
	assert_int_equal(table_groups(s->a->table, collect_group, &all, &err), ERR_NONE);
	assert_int_equal(table_group(s->a->table, &all.ids[noise_below(&s->noise, all.count)], g,
				     &err), ERR_NONE);
	for (unsigned i = 0; i < g->member_count; i++) {
		out[n] = member_at(s, &g->members[i].drive_id, "blocks", &g->members[i].name);
		out[n++].uid = g->members[i].uid;
	}
	for (unsigned i = 0; i < g->row_count; i++) {
		out[n] = member_at(s, &g->rows[i].drive_id, "parity", &g->rows[i].name);
		out[n++].is_row = true;
	}
	free(g);
	return n;
}

static void up_to_parity_objects_of_a_group_are_repaired_together(void **state)
{
	struct sweep *s = *state;

	for (unsigned i = 0; i < 1000; i++) {
		struct member all[OBJECTS_MAX];
		uint8_t picks[PARITY];
		unsigned n;

		if (!is_turn(s))
			continue;
		n = any_group(s, all);
		noise_pick(&s->noise, picks, PARITY, n);
		for (unsigned p = 0; p < PARITY; p++)
			hurt_somehow(s, hurt_new(s, all[picks[p]].drive, all[picks[p]].object));
		try_live(s);
	}
	report(s, "groups");
	assert_int_equal(s->failures, 0);
}

static void journals_and_keys_are_repaired_while_one_copy_is_whole(void **state)
{
	struct sweep *s = *state;

	for (unsigned i = 0; i < 300; i++) {
		const struct tiny_object *o = any_object(s, 0);
		uint8_t picks[DRIVES];
		unsigned n = 1 + (unsigned)noise_below(&s->noise, DRIVES - 1);

		if ((strncmp(o->name, "journal/", 8) != 0 && strncmp(o->name, "keys/", 5) != 0) ||
		    !is_turn(s))
			continue;
		noise_pick(&s->noise, picks, n, DRIVES);
		for (unsigned p = 0; p < n; p++)
			flip(s, hurt_new(s, picks[p],
					 tiny_place_find(&s->image.drives[picks[p]], o->name)));
		try_live(s);
	}
	report(s, "journals and keys");
	assert_int_equal(s->failures, 0);
}

static void damage_before_opening_is_found_and_repaired(void **state)
{
	struct sweep *s = *state;

	for (unsigned i = 0; i < 1000; i++) {
		unsigned drive = (unsigned)noise_below(&s->noise, DRIVES);
		const struct tiny_object *o = any_object(s, drive);

		/* The marker decides what becomes of the whole drive: every third case is its. */
		if (i % 3 == 0)
			o = tiny_place_find(&s->image.drives[drive], "config.json");
		if (!is_turn(s))
			continue;
		hurt_somehow(s, hurt_new(s, drive, o));
		try_closed(s, i % 4 == 3);
	}
	report(s, "before opening");
	assert_int_equal(s->failures, 0);
}

static void up_to_parity_drives_damaged_before_opening_are_repaired(void **state)
{
	struct sweep *s = *state;

	for (unsigned i = 0; i < 500; i++) {
		struct member all[OBJECTS_MAX];
		uint8_t picks[PARITY];
		unsigned n;

		if (!is_turn(s))
			continue;
		n = any_group(s, all);
		noise_pick(&s->noise, picks, PARITY, n);
		for (unsigned p = 0; p < PARITY; p++) {
			unsigned drive = all[picks[p]].drive;
			const struct tiny_object *o = p == 0 && i % 2 ? any_object(s, drive)
								      : all[picks[p]].object;

			if (i % 3 == 0)
				o = tiny_place_find(&s->image.drives[drive], "config.json");
			hurt_somehow(s, hurt_new(s, drive, o));
		}
		try_closed(s, i % 4 == 3);
	}
	report(s, "two drives before opening");
	assert_int_equal(s->failures, 0);
}

/* ---- more than parity ---- */

static bool is_gone(const struct member *bad, unsigned bad_count, const struct id *uid)
{
	for (unsigned i = 0; i < bad_count; i++) {
		if (!bad[i].is_row && id_equal(&bad[i].uid, uid))
			return true;
	}
	return false;
}

/* Whether the file needs one of these blocks. */
static bool needs(const struct node *n, const struct member *bad, unsigned bad_count)
{
	struct reader r = reader_of(n->content, n->content_bytes);
	struct piece_state state = { .any = false };
	struct piece p;

	while (piece_next(&state, &r, &p)) {
		if (!p.hole && is_gone(bad, bad_count, &p.block_uid))
			return true;
	}
	return false;
}

/* Of the last snapshot: exactly the files that need a lost block are lost, the others restore. */
static bool exactly_these_are_lost(struct sweep *s, const struct member *bad, unsigned bad_count)
{
	struct tiny_file_state states[TINY_FILES];
	bool ok = tiny_read_files(&s->t, s->a, states);

	for (unsigned i = 0; i < TINY_FILES && ok; i++) {
		bool lost = needs(&states[i].node, bad, bad_count);

		if (states[i].state == TINY_WRONG)
			ok = tiny_says(&s->t, "f%u restores DIFFERENT bytes", i);
		else if (lost != (states[i].state == TINY_LOST))
			ok = tiny_says(&s->t, "f%u is %s: %s", i, lost ? "not lost" : "lost",
				       states[i].why);
	}
	for (unsigned i = 0; i < TINY_FILES; i++)
		buf_release(&states[i].content);
	return ok;
}

static bool nothing_was_altered(struct sweep *s)
{
	for (unsigned i = 0; i < s->hurt_count; i++) {
		const struct hurt *h = &s->hurts[i];
		struct tiny_place is;
		const struct tiny_object *o;
		bool ok;

		tiny_place_load(s->raw[h->drive], &is);
		o = tiny_place_find(&is, h->object->name);
		ok = h->deleted ? !o : o && same(&o->bytes, &h->bytes);
		tiny_place_release(&is);
		if (!ok)
			return tiny_says(&s->t, "%s was altered", h->object->name);
	}
	return true;
}

static void try_beyond(struct sweep *s, const struct member *bad, unsigned bad_count)
{
	struct scrub_options o = { .repair = true, .grace_s = 86400 };
	struct scrub_result *r = calloc(1, sizeof(*r));
	unsigned blocks = 0;
	struct error err;
	bool ok;

	assert_non_null(r);
	for (unsigned i = 0; i < bad_count; i++)
		blocks += !bad[i].is_row;
	s->cases++;
	inflict(s);
	ok = exactly_these_are_lost(s, bad, bad_count);
	s->read_around += ok;
	if (ok && scrub(s->a, &o, r, &err) != ERR_NONE)
		ok = tiny_says(&s->t, "scrub: %s", err.message);
	s->found += r->damaged;
	s->repaired += r->repaired;
	if (ok && (r->damaged != s->hurt_count || r->repaired > 0 || r->lost_blocks != blocks))
		ok = tiny_says(&s->t, "%llu found, %llu repaired, %llu of %u blocks lost",
			       (unsigned long long)r->damaged, (unsigned long long)r->repaired,
			       (unsigned long long)r->lost_blocks, blocks);
	ok = ok && nothing_was_altered(s);
	ok = ok && exactly_these_are_lost(s, bad, bad_count);
	if (!ok)
		complain(s, "beyond parity");
	free(r);
	reset(s);
	s->hurt_count = 0;
}

/* Where a shorter block has ended, one loss less counts: what lies there is not lost. */
static bool blocks_are_as_long(const struct member *bad, unsigned bad_count)
{
	size_t len_bytes = 0;

	for (unsigned i = 0; i < bad_count; i++) {
		if (bad[i].is_row)
			continue;
		if (len_bytes > 0 && len_bytes != bad[i].object->bytes.len_bytes)
			return false;
		len_bytes = bad[i].object->bytes.len_bytes;
	}
	return true;
}

static void beyond_parity_nothing_is_altered_and_the_rest_restores(void **state)
{
	struct sweep *s = *state;

	for (unsigned i = 0; i < 500; i++) {
		struct member all[OBJECTS_MAX], bad[PARITY + 1];
		uint8_t picks[PARITY + 1];
		unsigned n;

		if (!is_turn(s))
			continue;
		n = any_group(s, all);
		noise_pick(&s->noise, picks, PARITY + 1, n);
		for (unsigned p = 0; p < PARITY + 1; p++)
			bad[p] = all[picks[p]];
		if (!blocks_are_as_long(bad, PARITY + 1))
			continue;
		for (unsigned p = 0; p < PARITY + 1; p++) {
			struct hurt *h;

			h = hurt_new(s, bad[p].drive, bad[p].object);
			/* Whole blocks, so that it is sure which files need them. */
			h->deleted = noise_below(&s->noise, 2);
			memset(h->bytes.data, 0, h->bytes.len_bytes);
		}
		try_beyond(s, bad, PARITY + 1);
	}
	report(s, "beyond parity");
	assert_int_equal(s->failures, 0);
}

#define SWEEP(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SWEEP(a_flipped_bit_is_found_and_repaired),
		SWEEP(a_cut_or_extended_object_is_found_and_repaired),
		SWEEP(a_run_of_zeros_is_found_and_repaired),
		SWEEP(a_missing_object_is_found_and_put_back),
		SWEEP(two_objects_with_each_others_bytes_are_found_and_repaired),
		SWEEP(up_to_parity_objects_of_a_group_are_repaired_together),
		SWEEP(journals_and_keys_are_repaired_while_one_copy_is_whole),
		SWEEP(damage_before_opening_is_found_and_repaired),
		SWEEP(up_to_parity_drives_damaged_before_opening_are_repaired),
		SWEEP(beyond_parity_nothing_is_altered_and_the_rest_restores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
