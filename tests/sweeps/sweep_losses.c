/*
 * Drives lost from wide arrays (T-05): every set of at most m of them costs nothing; one more costs
 * exactly the files that have a block which too few objects are left of; a drive that rots or dies while
 * m - 1 are lost already, also in the middle of a rebuild, costs nothing either; and reading changes
 * no byte, so that all is as it was when the drives are back.
 * MRMR_SWEEP_ALL takes every set, the normal run a sample.
 */
#include "tests/support/fault_drive.h"
#include "tests/support/noise.h"
#include "tests/support/seeded.h"
#include "tests/support/tiny.h"

#include "archive/select.h"
#include "archive/whereis.h"
#include "care/rebuild.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SETS_IN_SAMPLE 12 /* of a number of drives */
#define ROTTEN_IN_SAMPLE 8
#define REBUILDS_IN_SAMPLE 5
#define REBUILDS 60
#define COMPLAINTS_MAX 10

/* Arrays of 10, 12 and 9 drives, and arrays of groups with 10, 12 and 9 blocks of data. */
static const struct shape {
	unsigned drives, parity;
} shapes[] = { { 10, 4 }, { 12, 4 }, { 9, 6 }, { 14, 4 }, { 16, 4 }, { 15, 6 } };
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

struct losses {
	struct tiny t;
	const struct shape *shape;
	struct noise noise;
	uint64_t cases, wrong, files_lost;
	unsigned dying; /* the drive that dies, if not TINY_DRIVES_MAX, at so many calls from opening */
	uint64_t dies_at;
};

/* ---- arrays ---- */

/* Two snapshots: one of whole groups, and one that adds a little. */
static void fill(struct losses *l)
{
	size_t data_bytes = (size_t)(l->shape->drives - l->shape->parity) * 4096;
	struct array *a;
	struct error err;

	for (unsigned i = 0; i < TINY_FILES; i++)
		tiny_file(&l->t, i, data_bytes / TINY_FILES + 300 * i, i, i == 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(tiny_open(&l->t, true, &a, &err), ERR_NONE);
		assert_int_equal(tiny_put(&l->t, a, NULL, &err), ERR_NONE);
		array_close(a);
		tiny_file(&l->t, 1, 700, 99, false);
	}
}

struct width {
	struct array *a;
	unsigned members, rows; /* of the group that has most */
};

static int widest(void *ctx, const struct id *id, struct error *err)
{
	struct table_group *g = malloc(sizeof(*g));
	struct width *w = ctx;

	assert_non_null(g);
	assert_int_equal(table_group(w->a->table, id, g, err), ERR_NONE);
	w->rows = g->row_count;
	if (g->member_count > w->members)
		w->members = g->member_count;
	free(g);
	return ERR_NONE;
}

/* It does span all drives. */
static void assert_wide(struct losses *l)
{
	struct width w = { .members = 0 };
	struct error err;

	assert_int_equal(tiny_open(&l->t, false, &w.a, &err), ERR_NONE);
	assert_int_equal(table_groups(w.a->table, widest, &w, &err), ERR_NONE);
	assert_int_equal(w.rows, l->shape->parity);
	assert_int_equal(w.members + w.rows, l->shape->drives);
	array_close(w.a);
}

static struct losses *losses_new(const struct shape *shape)
{
	struct losses *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	l->shape = shape;
	l->noise.state = shape->drives * 100 + shape->parity + tiny_seed();
	l->dying = TINY_DRIVES_MAX;
	tiny_init(&l->t, shape->drives, shape->parity, shape->drives);
	fill(l);
	assert_wide(l);
	return l;
}

static void losses_free(struct losses *l)
{
	tiny_release(&l->t);
	free(l);
}

static void judge(struct losses *l, bool ok, const char *what)
{
	l->cases++;
	l->wrong += !ok;
	if (!ok && l->wrong <= COMPLAINTS_MAX)
		fprintf(stderr, "%u drives, parity %u, without %x: %s: %s (told: %s)\n", l->shape->drives,
			l->shape->parity, l->t.absent, what, l->t.why, l->t.warning);
}

/* ---- sets of drives ---- */

/* The next set of as many drives, as bits; 0 after the last. */
static unsigned next_set(unsigned set, unsigned drives)
{
	unsigned low = set & -set, high = set + low;

	set = high | ((set ^ high) / low >> 2);
	return set >> drives ? 0 : set;
}

static unsigned count_sets(unsigned drives, unsigned count)
{
	unsigned n = 1;

	for (unsigned i = 1; i <= count; i++)
		n = n * (drives - count + i) / i;
	return n;
}

/* Calls one with each set of so many drives away, or with a sample of them. */
static void each_set(struct losses *l, unsigned count, unsigned sample,
		     void (*one)(struct losses *l))
{
	unsigned sets = count_sets(l->shape->drives, count), n = 0;
	unsigned every = tiny_all() || sets < sample ? 1 : sets / sample;

	every *= tiny_every();
	for (unsigned set = (1u << count) - 1; set != 0; set = next_set(set, l->shape->drives)) {
		if (n++ % every != sets / 2 % every)
			continue;
		l->t.absent = set;
		one(l);
	}
	l->t.absent = 0;
}

/* ---- what holds ---- */

static void everything_restores(struct losses *l)
{
	judge(l, tiny_check_opened(&l->t, 0), "at most m are lost");
}

/* What is there of a group suffices for all of it. */
static bool is_enough(const struct losses *l, struct array *a, const struct table_group *g)
{
	unsigned there = 0;

	for (unsigned i = 0; i < g->member_count + g->row_count; i++) {
		const struct id *id = i < g->member_count ? &g->members[i].drive_id
							  : &g->rows[i - g->member_count].drive_id;
		const struct array_drive *d = array_drive_by_id(a, id);

		there += d && !(l->t.absent & 1u << strtoul(d->name + 1, NULL, 10));
	}
	return there >= g->member_count;
}

struct reckoning {
	const struct losses *l;
	struct array *a;
	bool lost;
};

static int reckon(void *ctx, const struct file_block *b, struct error *err)
{
	struct reckoning *r = ctx;
	const struct array_drive *d;
	bool found = b->block.is_inline;

	(void)err;
	assert_true(b->block.known);
	d = array_drive_by_id(r->a, &b->block.drive_id);
	found = found || (d && !(r->l->t.absent & 1u << strtoul(d->name + 1, NULL, 10)));
	for (unsigned i = 0; i < b->group_count; i++)
		found = found || is_enough(r->l, r->a, &b->groups[i]);
	r->lost = r->lost || !found;
	return ERR_NONE;
}

/* By where its blocks and their groups lie. */
static bool must_be_lost(struct losses *l, struct array *a, const struct table_snapshot *s,
			 unsigned file, const struct node *node)
{
	struct reckoning r = { l, a, false };
	struct error err;
	char path[300];
	struct content_file f = { s, (const uint8_t *)path, 0, node };

	snprintf(path, sizeof(path), "%s/f%u", l->t.source, file);
	f.path_bytes = strlen(path);
	assert_int_equal(whereis(a, &f, reckon, &r, &err), ERR_NONE);
	return r.lost;
}

static bool files_are_right(struct losses *l, struct array *a)
{
	struct select_filter all = { .host = NULL };
	struct tiny_file_state states[TINY_FILES];
	struct snapshot_list list = { 0 };
	struct error err;
	bool ok = tiny_read_files(&l->t, a, states);

	assert_int_equal(select_list(a->table, &all, &list, &err), ERR_NONE);
	for (unsigned i = 0; i < TINY_FILES && ok; i++) {
		bool lost = must_be_lost(l, a, &list.items[l->t.snapshots - 1], i, &states[i].node);

		if (states[i].state != (lost ? TINY_LOST : TINY_RIGHT))
			ok = tiny_says(&l->t, "file %u should be %s, and is %s: %s", i,
				       lost ? "lost" : "right",
				       states[i].state == TINY_WRONG ? "WRONG" : "not", states[i].why);
		l->files_lost += lost;
	}
	for (unsigned i = 0; i < TINY_FILES; i++)
		buf_release(&states[i].content);
	snapshot_list_release(&list);
	return ok;
}

static void the_right_files_are_lost(struct losses *l)
{
	struct array *a;
	struct error err;
	bool ok = tiny_open(&l->t, false, &a, &err) == ERR_NONE;

	ok = ok ? files_are_right(l, a) : tiny_says(&l->t, "open: %s", err.message);
	array_close(a);
	judge(l, ok, "m + 1 are lost");
}

/* Drives as they are, to be compared later. */
static void assert_unchanged(struct losses *l, const struct tiny_image *before)
{
	struct tiny_image now;

	tiny_image_take(&l->t, &now);
	for (unsigned i = 0; i < l->shape->drives; i++) {
		const struct tiny_place *was = &before->drives[i], *is = &now.drives[i];

		assert_int_equal(is->count, was->count);
		for (size_t n = 0; n < was->count; n++) {
			assert_string_equal(is->objects[n].name, was->objects[n].name);
			assert_int_equal(is->objects[n].bytes.len_bytes, was->objects[n].bytes.len_bytes);
			assert_memory_equal(is->objects[n].bytes.data, was->objects[n].bytes.data,
					    was->objects[n].bytes.len_bytes);
		}
	}
	tiny_image_release(&now);
}

/* A drive of those that are here. */
static unsigned pick_here(struct losses *l)
{
	unsigned i;

	do {
		i = (unsigned)noise_below(&l->noise, l->shape->drives);
	} while (l->t.absent & 1u << i);
	return i;
}

/* A bit of a block or row of one more drive flips, or the object is gone. */
static void one_more_rots(struct losses *l)
{
	struct drive *d = tiny_drive(&l->t, pick_here(l));
	const struct tiny_object *o;
	struct tiny_place p;
	uint8_t *byte;

	tiny_place_load(d, &p);
	do {
		o = &p.objects[noise_below(&l->noise, p.count)];
	} while (!strstr(o->name, ".blob"));
	byte = &o->bytes.data[noise_below(&l->noise, o->bytes.len_bytes)];
	*byte ^= 4;
	tiny_overwrite(d, o->name, noise_below(&l->noise, 4) ? o->bytes.data : NULL, o->bytes.len_bytes);
	judge(l, tiny_check_opened(&l->t, 0), "m - 1 are lost, one rots");
	*byte ^= 4;
	tiny_overwrite(d, o->name, o->bytes.data, o->bytes.len_bytes);
	tiny_place_release(&p);
	d->driver->close(d);
}

/* ---- while one is rebuilt ---- */

static struct drive *wrap(void *ctx, unsigned i, struct drive *inner)
{
	struct losses *l = ctx;
	struct drive *d = fault_drive_new(inner);

	if (i == l->dying)
		fault_die(d, l->dies_at, ERR_TRANSIENT);
	return d;
}

/* One of the lost ones is rebuilt, and another drive dies meanwhile: what is lost then is m, whether
 * the rebuild came to its end or not. */
static void one_more_dies_while_one_is_rebuilt(struct losses *l)
{
	unsigned first = (unsigned)__builtin_ctz(l->t.absent);
	struct rebuild_options o = { .name = NULL };
	struct rebuild_result r;
	struct array *a;
	struct error err;
	char name[8];

	snprintf(name, sizeof(name), "d%u", first);
	o.name = name;
	l->dying = pick_here(l);
	l->dies_at = 1 + noise_below(&l->noise, 60);
	l->t.wrap = wrap;
	l->t.wrap_ctx = l;
	l->t.strict = false;
	if (tiny_open(&l->t, true, &a, &err) == ERR_NONE)
		rebuild(a, &o, &r, &err);
	array_close(a);
	l->t.wrap = NULL;
	l->t.absent |= 1u << l->dying;
	judge(l, tiny_check_opened(&l->t, 0), "m - 1 are lost, one dies during a rebuild");
}

static void rebuilds(struct losses *l, const struct tiny_image *image)
{
	unsigned drives = l->shape->drives;

	for (unsigned i = 0; i < (tiny_all() ? REBUILDS : REBUILDS_IN_SAMPLE); i += tiny_every()) {
		uint8_t lost[TINY_DRIVES_MAX];

		noise_pick(&l->noise, lost, l->shape->parity - 1, drives);
		l->t.absent = 0;
		for (unsigned n = 0; n < l->shape->parity - 1; n++)
			l->t.absent |= 1u << lost[n];
		one_more_dies_while_one_is_rebuilt(l);
		tiny_image_restore(&l->t, image);
	}
	l->t.absent = 0;
}

/* ---- tests ---- */

static void told(const struct losses *l, const char *what)
{
	printf("losses, %s, %u drives, parity %u: %llu cases, %llu wrong\n", what, l->shape->drives,
	       l->shape->parity, (unsigned long long)l->cases, (unsigned long long)l->wrong);
	assert_int_equal(l->wrong, 0);
}

static void any_m_drives_may_be_lost(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SHAPES; i++) {
		struct losses *l = losses_new(&shapes[i]);

		for (unsigned count = 1; count <= l->shape->parity; count++)
			each_set(l, count, SETS_IN_SAMPLE, everything_restores);
		told(l, "at most m");
		losses_free(l);
	}
}

static void one_more_costs_the_files_that_have_a_block_there(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SHAPES; i++) {
		struct losses *l = losses_new(&shapes[i]);
		struct tiny_image before;

		tiny_image_take(&l->t, &before);
		each_set(l, l->shape->parity + 1, SETS_IN_SAMPLE, the_right_files_are_lost);
		assert_true(l->files_lost > 0);
		assert_unchanged(l, &before);
		assert_true(tiny_check_opened(&l->t, 0));
		tiny_image_release(&before);
		told(l, "m and one more");
		losses_free(l);
	}
}

static void one_that_rots_is_one_that_is_lost(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SHAPES; i++) {
		struct losses *l = losses_new(&shapes[i]);

		each_set(l, l->shape->parity - 1, ROTTEN_IN_SAMPLE, one_more_rots);
		told(l, "one rotten");
		losses_free(l);
	}
}

static void one_that_dies_while_another_is_rebuilt_costs_nothing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SHAPES; i++) {
		struct losses *l = losses_new(&shapes[i]);
		struct tiny_image image;

		tiny_image_take(&l->t, &image);
		rebuilds(l, &image);
		tiny_image_release(&image);
		told(l, "during a rebuild");
		losses_free(l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_m_drives_may_be_lost),
		cmocka_unit_test(one_more_costs_the_files_that_have_a_block_there),
		cmocka_unit_test(one_that_rots_is_one_that_is_lost),
		cmocka_unit_test(one_that_dies_while_another_is_rebuilt_costs_nothing),
	};

	seeded_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
