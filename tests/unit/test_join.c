/* Groups joined: the new one is what a fresh encoding of its members would give. */
#include "tests/support/fault_drive.h"
#include "tests/support/groups.h"
#include "tests/support/tiny.h"

#include "array/health.h"
#include "array/join.h"
#include "array/object.h"
#include "array/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DRIVES 8

struct fixture {
	struct tiny t;
	struct array *a;
	struct group_list *l;
	struct upkeep u;
	struct join *j;
	struct drive *wrapped[DRIVES];
	unsigned k;
	struct error err;
};

static struct drive *wrap(void *ctx, unsigned i, struct drive *inner)
{
	struct fixture *f = ctx;

	f->wrapped[i] = fault_drive_new(inner);
	return f->wrapped[i];
}

static struct fixture *fixture_new(unsigned parity, unsigned k)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->k = k;
	tiny_init(&f->t, DRIVES, parity, k + parity);
	f->t.wrap = wrap;
	f->t.wrap_ctx = f;
	assert_int_equal(tiny_open(&f->t, true, &f->a, &f->err), ERR_NONE);
	upkeep_init(&f->u, f->a);
	f->j = join_new(f->a);
	assert_non_null(f->j);
	return f;
}

static void put(struct fixture *f, size_t bytes)
{
	tiny_file(&f->t, 0, bytes, f->t.snapshots + 1, false);
	assert_int_equal(tiny_put(&f->t, f->a, NULL, &f->err), ERR_NONE);
	assert_int_equal(array_refresh(f->a, &f->err), ERR_NONE);
}

static void load(struct fixture *f)
{
	groups_free(f->l);
	f->l = groups_load(f->a);
}

static void fixture_free(struct fixture *f)
{
	groups_free(f->l);
	join_free(f->j);
	upkeep_release(&f->u);
	array_close(f->a);
	assert_true(tiny_scrub_clean(&f->t));
	assert_true(tiny_check_opened(&f->t, 0));
	tiny_release(&f->t);
	free(f);
}

static int two_rows(void **state)
{
	struct fixture *f = fixture_new(2, 3);

	put(f, 200000);
	load(f);
	*state = f;
	return 0;
}

static int mirrors(void **state)
{
	struct fixture *f = fixture_new(1, 3);

	for (unsigned i = 0; i < 6; i++)
		put(f, 400 + 90 * i);
	load(f);
	*state = f;
	return 0;
}

static int one_row(void **state)
{
	struct fixture *f = fixture_new(1, 2);

	put(f, 60000);
	load(f);
	*state = f;
	return 0;
}

static int wide_groups(void **state)
{
	struct fixture *f = fixture_new(1, 3);

	put(f, 120000);
	load(f);
	*state = f;
	return 0;
}

static int free_all(void **state)
{
	fixture_free(*state);
	return 0;
}

/* The next group of k members after those given that shares no drive with them. */
static void add_disjoint(struct fixture *f, unsigned k)
{
	struct join *j = f->j;

	for (unsigned i = 0; i < f->l->count; i++) {
		bool fits = f->l->groups[i]->member_count == k;

		for (unsigned n = 0; n < j->group_count; n++)
			fits = fits && j->groups[n] != f->l->groups[i] &&
			       groups_are_disjoint(j->groups[n], f->l->groups[i]);
		if (fits) {
			j->groups[j->group_count++] = f->l->groups[i];
			return;
		}
	}
	fail_msg("no such group");
}

static bool is_live(struct fixture *f, const struct id *id)
{
	struct table_group *g = malloc(sizeof(*g));
	bool live = table_group(f->a->table, id, g, &f->err) == ERR_NONE;

	free(g);
	return live;
}

/* Two groups of so many members that share no drive. */
static void take_disjoint(struct fixture *f, unsigned k, unsigned other_k)
{
	for (unsigned i = 0; i < f->l->count; i++) {
		for (unsigned n = 0; n < f->l->count; n++) {
			if (i == n || f->l->groups[i]->member_count != k ||
			    f->l->groups[n]->member_count != other_k ||
			    !groups_are_disjoint(f->l->groups[i], f->l->groups[n]))
				continue;
			f->j->groups[0] = f->l->groups[i];
			f->j->groups[1] = f->l->groups[n];
			f->j->group_count = 2;
			return;
		}
	}
	fail_msg("no such groups");
}

/* Everything is as it should be, and the groups that were joined are one. */
static void assert_joined(struct fixture *f)
{
	unsigned before = f->l->count;
	struct health h;

	for (unsigned i = 0; i < f->j->group_count; i++)
		assert_false(is_live(f, &f->j->groups[i]->id));
	load(f);
	assert_int_equal(f->l->count, before - f->j->group_count + 1);
	for (unsigned i = 0; i < f->l->count; i++) {
		if (!group_is_as_encoded(f->a, f->l->groups[i], &f->err))
			fail_msg("%s", f->err.message);
	}
	assert_int_equal(health_check(f->a, &h, &f->err), ERR_NONE);
	assert_true(h.promise_kept);
	assert_true(tiny_check(&f->t, f->a, 0));
}

static uint64_t reads(struct fixture *f)
{
	uint64_t calls = 0;

	for (unsigned i = 0; i < DRIVES; i++)
		calls += fault_count(f->wrapped[i], FAULT_GET);
	return calls;
}

static void no_block(void *ctx, enum fault_calls call, const char *name)
{
	unsigned *blocks = ctx;

	*blocks += call == FAULT_GET && strncmp(name, "blocks/", 7) == 0;
}

static void old_rows_are_replaced_without_reading_a_block(void **state)
{
	struct fixture *f = *state;
	unsigned blocks_read = 0;
	uint64_t before;

	take_disjoint(f, f->k, f->k);
	assert_int_equal(join_plan(f->j, &f->err), ERR_NONE);
	assert_int_equal(f->j->member_count, 2 * f->k);
	assert_int_equal(f->j->row_count, f->t.parity);
	assert_int_equal(f->j->read_bytes, f->j->old_row_bytes);
	assert_int_equal(f->j->old_row_bytes, group_row_bytes(f->j->groups[0]) +
						      group_row_bytes(f->j->groups[1]));
	for (unsigned i = 0; i < DRIVES; i++)
		fault_set_hook(f->wrapped[i], no_block, &blocks_read);
	before = reads(f);
	assert_int_equal(join_make(f->j, &f->u, &f->err), ERR_NONE);
	assert_true(reads(f) > before);
	assert_int_equal(blocks_read, 0);
	for (unsigned i = 0; i < DRIVES; i++)
		fault_set_hook(f->wrapped[i], NULL, NULL);
	assert_int_equal(upkeep_settle(&f->u, &f->err), ERR_NONE);
	assert_joined(f);
}

static void old_rows_are_gone_after_settling_and_their_room_is_free_again(void **state)
{
	struct fixture *f = *state;
	uint64_t used[DRIVES], total = 0, after = 0, old;

	take_disjoint(f, f->k, f->k);
	for (unsigned i = 0; i < DRIVES; i++)
		total += f->a->drives[i].used_bytes;
	assert_int_equal(join_plan(f->j, &f->err), ERR_NONE);
	old = f->j->old_row_bytes;
	assert_int_equal(join_make(f->j, &f->u, &f->err), ERR_NONE);
	assert_int_equal(upkeep_settle(&f->u, &f->err), ERR_NONE);
	for (unsigned i = 0; i < DRIVES; i++) {
		used[i] = f->a->drives[i].used_bytes;
		after += used[i];
	}
	assert_true(after < total && total - after < old);
	for (unsigned g = 0; g < 2; g++) {
		const struct table_group *was = f->j->groups[g];

		for (unsigned i = 0; i < was->row_count; i++) {
			struct drive *h = array_drive_by_id(f->a, &was->rows[i].drive_id)->handle;
			char name[OBJECT_NAME_MAX + 1];
			struct object_stat st;

			object_name_row(&was->rows[i].name, name);
			assert_int_equal(h->driver->stat(h, name, &st, &f->err), ERR_NOT_FOUND);
		}
	}
	/* What was counted on the way is what the journals say. */
	assert_int_equal(array_refresh(f->a, &f->err), ERR_NONE);
	for (unsigned i = 0; i < DRIVES; i++)
		assert_int_equal(f->a->drives[i].used_bytes, used[i]);
}

static void mirrors_are_joined_by_encoding_and_read_no_more_than_their_rows(void **state)
{
	struct fixture *f = *state;

	add_disjoint(f, 1);
	add_disjoint(f, 1);
	add_disjoint(f, 1);
	assert_int_equal(join_plan(f->j, &f->err), ERR_NONE);
	assert_int_equal(f->j->member_count, 3);
	assert_int_equal(f->j->row_count, 1);
	assert_true(f->j->read_bytes <= f->j->old_row_bytes);
	assert_true(f->j->write_bytes < f->j->old_row_bytes);
	assert_int_equal(join_make(f->j, &f->u, &f->err), ERR_NONE);
	assert_int_equal(upkeep_settle(&f->u, &f->err), ERR_NONE);
	assert_joined(f);
}

static void of_a_mirror_whose_block_is_damaged_the_copy_is_taken(void **state)
{
	struct fixture *f = *state;
	const struct table_block *b;
	char name[OBJECT_NAME_MAX + 1];
	struct buf bytes = { 0 };
	struct drive *h;

	add_disjoint(f, 1);
	add_disjoint(f, 1);
	b = &f->j->groups[0]->members[0];
	object_name_block(&b->name, name);
	h = fault_inner(f->wrapped[array_drive_by_id(f->a, &b->drive_id) - f->a->drives]);
	assert_int_equal(object_get(h, name, 1 << 20, &bytes, &f->err), ERR_NONE);
	bytes.data[100] ^= 1;
	tiny_overwrite(h, name, bytes.data, bytes.len_bytes);
	assert_int_equal(join_plan(f->j, &f->err), ERR_NONE);
	assert_int_equal(join_make(f->j, &f->u, &f->err), ERR_NONE);
	bytes.data[100] ^= 1;
	tiny_overwrite(h, name, bytes.data, bytes.len_bytes);
	buf_release(&bytes);
	assert_int_equal(upkeep_settle(&f->u, &f->err), ERR_NONE);
	assert_joined(f);
}

static void a_mirror_joins_a_wide_group(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 4; i++)
		put(f, 300 + i);
	load(f);
	take_disjoint(f, 2, 1);
	assert_int_equal(join_plan(f->j, &f->err), ERR_NONE);
	assert_true(f->j->by_rows[0]);
	assert_int_equal(f->j->read_bytes, group_row_bytes(f->j->groups[0]) +
						   group_data_bytes(f->j->groups[1]));
	assert_int_equal(join_make(f->j, &f->u, &f->err), ERR_NONE);
	assert_int_equal(upkeep_settle(&f->u, &f->err), ERR_NONE);
	assert_joined(f);
}

/* Its slot is then that of another drive. */
static void move_block(struct fixture *f, const struct table_block *b, struct array_drive *to)
{
	struct array_drive *from = array_drive_by_id(f->a, &b->drive_id);
	char name[OBJECT_NAME_MAX + 1];
	struct buf bytes = { 0 }, records = { 0 };

	object_name_block(&b->name, name);
	assert_int_equal(object_get(from->handle, name, 1 << 20, &bytes, &f->err), ERR_NONE);
	assert_int_equal(place_store(f->a, to, name, bytes.data, bytes.len_bytes, &f->err), ERR_NONE);
	assert_int_equal(from->handle->driver->remove(from->handle, name, &f->err), ERR_NONE);
	record_move(&records, &b->uid, &to->id);
	assert_int_equal(array_commit(f->a, &records, NULL, &f->err), ERR_NONE);
	assert_int_equal(array_refresh(f->a, &f->err), ERR_NONE);
	buf_release(&bytes);
	buf_release(&records);
	load(f);
}

static bool has_drive(const struct table_group *g, const struct array_drive *d)
{
	bool has = false;

	for (unsigned i = 0; i < g->member_count; i++)
		has = has || id_equal(&g->members[i].drive_id, &d->id);
	for (unsigned i = 0; i < g->row_count; i++)
		has = has || id_equal(&g->rows[i].drive_id, &d->id);
	return has;
}

/* Two groups that share one drive, by members with the same slot, where some drive has nothing of either.
 * *shared: which member of y. */
static bool find_sharing(struct fixture *f, struct table_group **x, struct table_group **y,
			 unsigned *shared, struct array_drive **to)
{
	for (unsigned i = 0; i < f->l->count; i++) {
		for (unsigned n = 0; n < i; n++) {
			unsigned common = 0;

			*x = f->l->groups[i];
			*y = f->l->groups[n];
			if ((*x)->member_count != f->k || (*y)->member_count != f->k ||
			    group_data_bytes(*x) < 2 * group_row_bytes(*x) ||
			    group_data_bytes(*y) < 2 * group_row_bytes(*y))
				continue;
			for (unsigned p = 0; p < f->k; p++) {
				for (unsigned q = 0; q < f->k; q++) {
					if ((*x)->slots[p] != (*y)->slots[q])
						continue;
					common++;
					*shared = q;
				}
			}
			for (unsigned d = 0; d < DRIVES && common == 1; d++) {
				*to = &f->a->drives[d];
				if (!has_drive(*x, *to) && !has_drive(*y, *to))
					return true;
			}
		}
	}
	return false;
}

/* The member of one moves away, with the slot of the drive. */
static void a_member_whose_slot_is_taken_gets_another(void **state)
{
	struct fixture *f = *state;
	struct table_group *x = NULL, *y = NULL;
	struct array_drive *to = NULL;
	struct id x_id, y_id;
	unsigned shared = 0;

	assert_true(find_sharing(f, &x, &y, &shared, &to));
	x_id = x->id;
	y_id = y->id;
	move_block(f, &y->members[shared], to);
	for (unsigned i = 0; i < f->l->count; i++) {
		if (id_equal(&f->l->groups[i]->id, &x_id) || id_equal(&f->l->groups[i]->id, &y_id))
			f->j->groups[f->j->group_count++] = f->l->groups[i];
	}
	assert_int_equal(f->j->group_count, 2);
	assert_int_equal(join_plan(f->j, &f->err), ERR_NONE);
	assert_int_equal(f->j->member_count, 2 * f->k);
	/* That block is read, beside the rows. */
	assert_int_equal(f->j->fix_count, 1);
	assert_true(f->j->fixes[0].takes_off && f->j->fixes[0].adds);
	assert_true(f->j->by_rows[0] && f->j->by_rows[1]);
	assert_int_equal(join_make(f->j, &f->u, &f->err), ERR_NONE);
	assert_int_equal(upkeep_settle(&f->u, &f->err), ERR_NONE);
	assert_joined(f);
}

/* Joins the first group with another, as one host does who does not see what the other one did. */
static void join_first_with(struct fixture *f, unsigned other, struct upkeep *u)
{
	struct join *j = join_new(f->a);

	assert_non_null(j);
	j->groups[j->group_count++] = f->j->groups[0];
	j->groups[j->group_count++] = f->j->groups[other];
	assert_int_equal(join_plan(j, &f->err), ERR_NONE);
	assert_int_equal(join_make(j, u, &f->err), ERR_NONE);
	join_free(j);
}

static const struct table_group *group_with(struct fixture *f, const struct id *uid, unsigned nth)
{
	for (unsigned i = 0; i < f->l->count; i++) {
		const struct table_group *g = f->l->groups[i];

		for (unsigned n = 0; n < g->member_count; n++) {
			if (id_equal(&g->members[n].uid, uid) && nth-- == 0)
				return g;
		}
	}
	fail_msg("no such group");
	return NULL;
}

/* Afterwards two live groups have the block of the first mirror. */
static struct id join_twice(struct fixture *f)
{
	struct upkeep other;
	struct id shared;

	add_disjoint(f, 1);
	add_disjoint(f, 1);
	add_disjoint(f, 1);
	shared = f->j->groups[0]->members[0].uid;
	upkeep_init(&other, f->a);
	join_first_with(f, 1, &f->u);
	join_first_with(f, 2, &other);
	assert_int_equal(upkeep_settle(&f->u, &f->err), ERR_NONE);
	assert_int_equal(upkeep_settle(&other, &f->err), ERR_NONE);
	upkeep_release(&other);
	load(f);
	f->j->groups[0] = group_with(f, &shared, 0);
	f->j->groups[1] = group_with(f, &shared, 1);
	f->j->group_count = 2;
	return shared;
}

static void a_block_that_two_of_them_have_counts_once(void **state)
{
	struct fixture *f = *state;

	join_twice(f);
	assert_int_equal(join_plan(f->j, &f->err), ERR_NONE);
	assert_int_equal(f->j->member_count, 3);
	assert_int_equal(join_make(f->j, &f->u, &f->err), ERR_NONE);
	assert_int_equal(upkeep_settle(&f->u, &f->err), ERR_NONE);
	assert_joined(f);
}

static void a_block_that_another_group_has_can_be_left_out(void **state)
{
	struct fixture *f = *state;
	struct id shared = join_twice(f);

	f->j->group_count = 1;
	f->j->without = &shared;
	f->j->without_count = 1;
	assert_int_equal(join_plan(f->j, &f->err), ERR_NONE);
	assert_int_equal(f->j->member_count, 1);
	assert_int_equal(join_make(f->j, &f->u, &f->err), ERR_NONE);
	assert_int_equal(upkeep_settle(&f->u, &f->err), ERR_NONE);
	assert_joined(f);
	group_with(f, &shared, 0);
}

/* As it would be if another group had it; what is left needs shorter rows if it was the longest. */
static void a_block_that_is_left_out_is_taken_off_the_row(void **state)
{
	struct fixture *f = fixture_new(1, 5);
	struct id out;

	put(f, 120000);
	load(f);
	for (unsigned i = 0; i < f->l->count && f->j->group_count == 0; i++) {
		if (f->l->groups[i]->member_count == 5)
			f->j->groups[f->j->group_count++] = f->l->groups[i];
	}
	assert_int_equal(f->j->group_count, 1);
	out = f->j->groups[0]->members[2].uid;
	f->j->without = &out;
	f->j->without_count = 1;
	assert_int_equal(join_plan(f->j, &f->err), ERR_NONE);
	assert_int_equal(f->j->member_count, 4);
	assert_true(f->j->by_rows[0]);
	assert_int_equal(f->j->fix_count, 1);
	assert_int_equal(join_make(f->j, &f->u, &f->err), ERR_NONE);
	assert_int_equal(upkeep_settle(&f->u, &f->err), ERR_NONE);
	load(f);
	for (unsigned i = 0; i < f->l->count; i++) {
		if (!group_is_as_encoded(f->a, f->l->groups[i], &f->err))
			fail_msg("%s", f->err.message);
	}
	fixture_free(f);
	(void)state;
}

static void what_is_not_at_hand_is_not_joined(void **state)
{
	struct fixture *f = *state;
	struct array_drive *d;

	take_disjoint(f, f->k, f->k);
	d = array_drive_by_id(f->a, &f->j->groups[1]->members[0].drive_id);
	d->presence = DRIVE_ABSENT;
	assert_int_equal(join_plan(f->j, &f->err), ERR_UNSUPPORTED);
	d->presence = DRIVE_PRESENT;
	assert_int_equal(join_plan(f->j, &f->err), ERR_NONE);
}

static void groups_with_blocks_on_one_drive_are_not_joined(void **state)
{
	struct fixture *f = *state;

	f->j->groups[0] = f->l->groups[0];
	for (unsigned i = 1; i < f->l->count && f->j->group_count < 2; i++) {
		if (!groups_are_disjoint(f->l->groups[0], f->l->groups[i])) {
			f->j->groups[1] = f->l->groups[i];
			f->j->group_count = 2;
		}
	}
	assert_int_equal(f->j->group_count, 2);
	assert_int_equal(join_plan(f->j, &f->err), ERR_UNSUPPORTED);
}

/* A drive of one domain is left for the rows, and all others are another one: one row of two. */
static void no_more_than_m_objects_come_into_one_domain(void **state)
{
	struct fixture *f = *state;

	take_disjoint(f, f->k, f->k);
	for (unsigned i = 0; i < DRIVES; i++)
		snprintf(f->a->drives[i].record.domain, sizeof(f->a->drives[i].record.domain),
			 i == 0 ? "shed" : "house");
	assert_int_equal(join_plan(f->j, &f->err), ERR_UNSUPPORTED);
}

/* One row, and both blocks on removable drives. */
static void no_more_than_m_blocks_come_together_on_removable_drives(void **state)
{
	struct fixture *f = *state;
	struct error err;

	take_disjoint(f, f->k, f->k);
	assert_int_equal(join_plan(f->j, &f->err), ERR_NONE);
	for (unsigned i = 0; i < f->j->member_count; i++)
		f->a->drives[f->j->members[i].drive].record.removable = i == 0;
	assert_int_equal(join_plan(f->j, &err), ERR_NONE);
	for (unsigned i = 0; i < f->j->member_count; i++)
		f->a->drives[f->j->members[i].drive].record.removable = i < 3;
	assert_int_equal(join_plan(f->j, &f->err), ERR_UNSUPPORTED);
	assert_non_null(strstr(f->err.message, "on removable drives"));
}

static void a_drive_that_fails_leaves_the_groups_as_they_are(void **state)
{
	struct fixture *f = *state;
	unsigned failing;

	take_disjoint(f, f->k, f->k);
	assert_int_equal(join_plan(f->j, &f->err), ERR_NONE);
	failing = f->j->row_drives[1];
	fault_add(f->wrapped[failing], &(struct fault_rule){ .calls = FAULT_PUT, .for_ever = true,
							     .code = ERR_IO });
	assert_int_not_equal(join_make(f->j, &f->u, &f->err), ERR_NONE);
	assert_true(f->a->drives[failing].poisoned);
	fault_clear(f->wrapped[failing]);
	f->a->drives[failing].poisoned = false;
	assert_int_equal(upkeep_settle(&f->u, &f->err), ERR_NONE);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(is_live(f, &f->j->groups[i]->id));
		assert_true(group_is_as_encoded(f->a, f->j->groups[i], &f->err));
	}
}

static void a_damaged_row_is_found_before_it_is_used(void **state)
{
	struct fixture *f = *state;
	const struct group_row_record *r;
	char name[OBJECT_NAME_MAX + 1];
	struct buf bytes = { 0 };
	struct drive *h;

	take_disjoint(f, f->k, f->k);
	r = &f->j->groups[1]->rows[0];
	object_name_row(&r->name, name);
	h = fault_inner(f->wrapped[array_drive_by_id(f->a, &r->drive_id) - f->a->drives]);
	assert_int_equal(object_get(h, name, 1 << 20, &bytes, &f->err), ERR_NONE);
	bytes.data[7] ^= 1;
	tiny_overwrite(h, name, bytes.data, bytes.len_bytes);
	assert_int_equal(join_plan(f->j, &f->err), ERR_NONE);
	assert_int_equal(join_make(f->j, &f->u, &f->err), ERR_CORRUPT);
	assert_int_equal(upkeep_settle(&f->u, &f->err), ERR_NONE);
	bytes.data[7] ^= 1;
	tiny_overwrite(h, name, bytes.data, bytes.len_bytes);
	buf_release(&bytes);
	assert_true(is_live(f, &f->j->groups[0]->id));
}

/* Without parity blocks are in no group; with it, they are joined as they are, from their drives or from
 * memory. */
static void blocks_in_no_group_are_joined(void **state)
{
	struct fixture *f = fixture_new(0, 2);
	struct join_block blocks[3] = { { .bytes = NULL } };
	struct buf first = { 0 }, records = { 0 };
	char name[OBJECT_NAME_MAX + 1];
	unsigned count = 0;

	put(f, 30000);
	for (int64_t id = 1; id < 100 && count < 3; id++) {
		struct table_block *b = &blocks[count].block;
		bool other = table_block_by_id(f->a->table, id, b, &f->err) == ERR_NONE &&
			     !b->is_inline;

		for (unsigned n = 0; n < count; n++)
			other = other && !id_equal(&blocks[n].block.drive_id, &b->drive_id);
		count += other;
	}
	assert_int_equal(count, 3);
	f->a->policy.parity = 2;
	record_policy(&records, &f->a->policy);
	assert_int_equal(array_commit(f->a, &records, NULL, &f->err), ERR_NONE);
	buf_release(&records);
	object_name_block(&blocks[0].block.name, name);
	assert_int_equal(object_get(array_drive_by_id(f->a, &blocks[0].block.drive_id)->handle,
				    name, 1 << 20, &first, &f->err),
			 ERR_NONE);
	blocks[0].bytes = first.data;
	f->j->blocks = blocks;
	f->j->block_count = 3;
	assert_int_equal(join_plan(f->j, &f->err), ERR_NONE);
	assert_int_equal(f->j->read_bytes,
			 blocks[1].block.len_bytes + blocks[2].block.len_bytes);
	assert_int_equal(join_make(f->j, &f->u, &f->err), ERR_NONE);
	assert_int_equal(upkeep_settle(&f->u, &f->err), ERR_NONE);
	load(f);
	assert_int_equal(f->l->count, 1);
	assert_int_equal(f->l->groups[0]->member_count, 3);
	if (!group_is_as_encoded(f->a, f->l->groups[0], &f->err))
		fail_msg("%s", f->err.message);
	buf_release(&first);
	fixture_free(f);
	(void)state;
}

#define ON(setup, test) cmocka_unit_test_setup_teardown(test, setup, free_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(one_row, old_rows_are_replaced_without_reading_a_block),
		ON(two_rows, old_rows_are_replaced_without_reading_a_block),
		ON(two_rows, old_rows_are_gone_after_settling_and_their_room_is_free_again),
		ON(mirrors, mirrors_are_joined_by_encoding_and_read_no_more_than_their_rows),
		ON(mirrors, of_a_mirror_whose_block_is_damaged_the_copy_is_taken),
		ON(one_row, a_mirror_joins_a_wide_group),
		ON(wide_groups, a_member_whose_slot_is_taken_gets_another),
		ON(mirrors, a_block_that_two_of_them_have_counts_once),
		ON(mirrors, a_block_that_another_group_has_can_be_left_out),
		cmocka_unit_test(a_block_that_is_left_out_is_taken_off_the_row),
		ON(two_rows, what_is_not_at_hand_is_not_joined),
		ON(one_row, groups_with_blocks_on_one_drive_are_not_joined),
		ON(one_row, no_more_than_m_objects_come_into_one_domain),
		ON(one_row, no_more_than_m_blocks_come_together_on_removable_drives),
		ON(two_rows, a_drive_that_fails_leaves_the_groups_as_they_are),
		ON(one_row, a_damaged_row_is_found_before_it_is_used),
		cmocka_unit_test(blocks_in_no_group_are_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
