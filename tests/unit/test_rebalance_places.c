/* Where rebalancing puts the objects of groups: by domains, removable drives, and shares of sizes. */
#include "tests/support/rebalanced.h"

#include "array/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- domains ---- */

static void set_domain(struct rebalanced *f, unsigned drive, const char *domain)
{
	struct buf records = { 0 };
	struct array_drive *d = &f->a->drives[drive];

	snprintf(d->record.domain, sizeof(d->record.domain), "%s", domain);
	record_drive(&records, &d->record);
	rebalanced_commit(f, &records);
}

static unsigned crowded_domains(struct rebalanced *f)
{
	unsigned crowded = 0, most = f->t.parity > 1 ? f->t.parity : 1;

	for (unsigned i = 0; i < f->l->count; i++) {
		const struct table_group *g = f->l->groups[i];

		for (unsigned d = 0; d < f->a->count; d++) {
			unsigned objects = 0;

			for (unsigned n = 0; n < g->member_count + g->row_count; n++) {
				const struct array_drive *on = array_drive_by_id(
					f->a, n < g->member_count
						      ? &g->members[n].drive_id
						      : &g->rows[n - g->member_count].drive_id);

				objects += strcmp(on->record.domain,
						  f->a->drives[d].record.domain) == 0;
			}
			crowded += objects > most;
		}
	}
	return crowded;
}

/* All on one disk; then it turns out that half of them are on another one. */
static void a_group_with_too_much_in_one_domain_is_spread(void **state)
{
	struct rebalanced *f = rebalanced_new(4, 1, 2);

	*state = f;
	rebalanced_open(f);
	for (unsigned i = 0; i < 4; i++)
		set_domain(f, i, "disk a");
	rebalanced_put(f, 0, 40000);
	rebalanced_load(f);
	/* Those of one group are on one disk, the others on another. */
	for (unsigned i = 0; i < 4; i++) {
		const struct table_group *g = f->l->groups[0];

		if (!id_equal(&g->members[0].drive_id, &f->a->drives[i].id) &&
		    !id_equal(&g->rows[0].drive_id, &f->a->drives[i].id))
			set_domain(f, i, "disk b");
	}
	assert_true(crowded_domains(f) > 0);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_true(f->r.moved > 0);
	assert_int_equal(crowded_domains(f), 0);
	rebalanced_assert_settled(f);
}

/* Three on one disk and one on another: groups of three are split, each block has a copy there. */
static void a_group_too_wide_for_the_domains_is_split_and_its_blocks_stay(void **state)
{
	struct rebalanced *f = rebalanced_new(4, 1, 3);
	struct rebalance_options dry = rebalanced_unlimited;
	uint64_t written;

	*state = f;
	dry.dry_run = true;
	rebalanced_open(f);
	for (unsigned i = 0; i < 4; i++)
		set_domain(f, i, "disk a");
	rebalanced_put(f, 0, 40000);
	set_domain(f, 3, "disk b");
	rebalanced_load(f);
	assert_true(crowded_domains(f) > 0);
	assert_int_equal(rebalanced_run(f, &dry), ERR_NONE);
	assert_true(f->r.split > 0);
	written = f->r.written_bytes;
	rebalanced_open(f);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_true(f->r.split > 0);
	assert_int_equal(f->r.written_bytes, written);
	assert_int_equal(f->r.crowded, 0);
	assert_int_equal(crowded_domains(f), 0);
	rebalanced_assert_settled(f);
}

/* The other disk has room for some only: these are spread, the others stay, and are named. */
static void what_the_drives_do_not_allow_is_left_alone(void **state)
{
	struct rebalanced *f = rebalanced_new(4, 1, 2);
	unsigned crowded;

	*state = f;
	for (unsigned i = 0; i < 4; i++)
		f->size_bytes[i] = 400000;
	rebalanced_open(f);
	for (unsigned i = 0; i < 4; i++)
		set_domain(f, i, "disk a");
	rebalanced_put(f, 0, 100000);
	f->a->drives[3].record.max_bytes = f->a->drives[3].used_bytes + 30000;
	set_domain(f, 3, "disk b");
	rebalanced_load(f);
	crowded = crowded_domains(f);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_true(f->r.moved > 0);
	assert_true(f->r.crowded > 0);
	assert_true(crowded_domains(f) < crowded);
	rebalanced_assert_settled(f);
	assert_true(f->r.crowded > 0);
}

/* Of one group. */
static unsigned most_on_removable(struct rebalanced *f)
{
	unsigned most = 0;

	rebalanced_load(f);
	for (unsigned i = 0; i < f->l->count; i++) {
		unsigned members = 0;

		for (unsigned n = 0; n < f->l->groups[i]->member_count; n++)
			members += array_drive_by_id(f->a, &f->l->groups[i]->members[n].drive_id)
					   ->record.removable;
		most = members > most ? members : most;
	}
	return most;
}

static void set_removable(struct rebalanced *f, unsigned drives)
{
	struct buf records = { 0 };

	for (unsigned i = 0; i < drives; i++) {
		struct drive_record r = f->a->drives[i].record;

		r.removable = true;
		record_drive(&records, &r);
	}
	rebalanced_commit(f, &records);
	rebalanced_open(f);
}

/* The only ones in other domains. */
static void a_group_is_not_spread_onto_more_removable_drives_than_it_has_rows(void **state)
{
	struct rebalanced *f = rebalanced_new(5, 1, 3);

	*state = f;
	rebalanced_open(f);
	for (unsigned i = 0; i < 5; i++) {
		f->a->drives[i].record.max_bytes = i < 3 ? 0 : 1;
		set_domain(f, i, "disk a");
	}
	rebalanced_open(f);
	rebalanced_put(f, 0, 40000);
	for (unsigned i = 3; i < 5; i++) {
		f->a->drives[i].record.max_bytes = 0;
		f->a->drives[i].record.removable = true;
		set_domain(f, i, i == 4 ? "disk e" : "disk d");
	}
	rebalanced_open(f);
	rebalanced_load(f);
	assert_true(crowded_domains(f) > 0);
	assert_int_equal(most_on_removable(f), 0);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_true(most_on_removable(f) <= 1);
	assert_true(f->r.crowded > 0);
}

static void groups_that_are_joined_have_no_more_than_m_members_on_removable_drives(void **state)
{
	struct rebalanced *f = rebalanced_new(6, 1, 2);

	*state = f;
	rebalanced_open(f);
	for (unsigned i = 0; i < 15; i++)
		rebalanced_put(f, i % TINY_FILES, 3000 + 100 * i);
	set_removable(f, 4);
	rebalanced_set_width(f, 6);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_true(f->r.made > 0);
	assert_int_equal(most_on_removable(f), 1);
	rebalanced_assert_settled(f);
}

static void shares_are_evened_out_as_far_as_removable_drives_may_take(void **state)
{
	struct rebalanced *f = rebalanced_new(4, 1, 4);
	struct new_drive n = { .make_root = true };
	char url[64];

	*state = f;
	for (unsigned i = 0; i < REBALANCED_DRIVES; i++)
		f->size_bytes[i] = 400000;
	rebalanced_open(f);
	set_removable(f, 1);
	rebalanced_put(f, 0, 500000);
	snprintf(url, sizeof(url), "%s", tiny_url(&f->t, 5));
	n.url = url;
	n.record.removable = true;
	snprintf(n.record.name, sizeof(n.record.name), "d5");
	assert_int_equal(array_add_drive(f->a, &n, DRIVE_MEMBER, &f->err), ERR_NONE);
	rebalanced_open(f);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_true(f->r.moved > 0);
	assert_int_equal(most_on_removable(f), 1);
	rebalanced_load(f);
	rebalanced_assert_settled(f);
}

static double widest_gap(struct rebalanced *f)
{
	struct alloc_drive view[REBALANCED_DRIVES];
	double least = 1, most = 0;

	place_view(f->a, view);
	for (unsigned i = 0; i < f->a->count; i++) {
		double share = (double)f->a->drives[i].used_bytes / (double)view[i].size_bytes;

		least = share < least ? share : least;
		most = share > most ? share : most;
	}
	return most - least;
}

static void add_drive(struct rebalanced *f, unsigned number)
{
	struct new_drive n = { .make_root = true };
	char url[64];

	snprintf(url, sizeof(url), "%s", tiny_url(&f->t, number));
	n.url = url;
	snprintf(n.record.name, sizeof(n.record.name), "d%u", number);
	assert_int_equal(array_add_drive(f->a, &n, DRIVE_MEMBER, &f->err), ERR_NONE);
	rebalanced_open(f);
}

/* Drives of 400 kB with groups of two members and a row. */
static struct rebalanced *filled_drives(unsigned drives, size_t data_bytes, void **state)
{
	struct rebalanced *f = rebalanced_new(drives, 1, 3);

	*state = f;
	for (unsigned i = 0; i < REBALANCED_DRIVES; i++)
		f->size_bytes[i] = 400000;
	rebalanced_open(f);
	rebalanced_put(f, 0, data_bytes);
	return f;
}

static void an_empty_drive_gets_its_share(void **state)
{
	struct rebalanced *f = filled_drives(4, 500000, state);

	add_drive(f, 5);
	assert_true(widest_gap(f) > 0.3);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_true(f->r.moved > 0);
	rebalanced_open(f);
	assert_true(widest_gap(f) <= 0.11); /* what else lies there makes sizes a little different */
	rebalanced_load(f);
	rebalanced_assert_settled(f);
}

/* With parity 0 blocks are of no group. */
static void blocks_without_a_group_are_evened_out(void **state)
{
	struct rebalanced *f = rebalanced_new(2, 0, 0);

	*state = f;
	for (unsigned i = 0; i < REBALANCED_DRIVES; i++)
		f->size_bytes[i] = 400000;
	rebalanced_open(f);
	rebalanced_put(f, 0, 500000);
	add_drive(f, 2);
	assert_true(widest_gap(f) > 0.3);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_true(f->r.moved > 0);
	rebalanced_open(f);
	assert_true(widest_gap(f) <= 0.11);
}

static void what_was_joined_is_evened_out_as_it_is_then(void **state)
{
	struct rebalanced *f = filled_drives(5, 300000, state);

	rebalanced_set_width(f, 0);
	add_drive(f, 6);
	add_drive(f, 7);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_true(f->r.made > 0);
	assert_true(f->r.moved > 0);
	rebalanced_assert_settled(f);
}

static uint64_t rows_on(struct rebalanced *f, unsigned drive)
{
	uint64_t bytes = 0;

	rebalanced_load(f);
	for (unsigned i = 0; i < f->l->count; i++) {
		for (unsigned n = 0; n < f->l->groups[i]->row_count; n++) {
			if (id_equal(&f->l->groups[i]->rows[n].drive_id, &f->a->drives[drive].id))
				bytes += f->l->groups[i]->rows[n].len_bytes;
		}
	}
	return bytes;
}

/* A drive that is limited to little more than it has becomes one for rows: only data move away. */
static void what_drives_for_rows_alone_hold_stays_there(void **state)
{
	struct rebalanced *f = rebalanced_new(4, 1, 3);
	struct buf records = { 0 };
	uint64_t rows;

	*state = f;
	for (unsigned i = 0; i < 4; i++)
		f->size_bytes[i] = 900000;
	rebalanced_open(f);
	rebalanced_put(f, 0, 300000);
	rows = rows_on(f, 3);
	assert_true(rows > 10000);
	f->a->drives[3].record.max_bytes = f->a->drives[3].used_bytes + 20000;
	f->a->drives[3].record.role = ROLE_PARITY;
	record_drive(&records, &f->a->drives[3].record);
	rebalanced_commit(f, &records);
	assert_true(widest_gap(f) > 0.4);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_true(f->r.moved > 0);
	assert_true(rows_on(f, 3) >= rows);
	rebalanced_assert_settled(f);
}

#define ALONE(test) cmocka_unit_test_teardown(test, rebalanced_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALONE(a_group_with_too_much_in_one_domain_is_spread),
		ALONE(a_group_too_wide_for_the_domains_is_split_and_its_blocks_stay),
		ALONE(what_the_drives_do_not_allow_is_left_alone),
		ALONE(an_empty_drive_gets_its_share),
		ALONE(blocks_without_a_group_are_evened_out),
		ALONE(what_was_joined_is_evened_out_as_it_is_then),
		ALONE(a_group_is_not_spread_onto_more_removable_drives_than_it_has_rows),
		ALONE(shares_are_evened_out_as_far_as_removable_drives_may_take),
		ALONE(groups_that_are_joined_have_no_more_than_m_members_on_removable_drives),
		ALONE(what_drives_for_rows_alone_hold_stays_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
