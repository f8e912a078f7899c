/* What rebalancing makes of the groups of an array, within which limits, and that it ends. */
#include "tests/support/fault_drive.h"
#include "tests/support/rebalanced.h"

#include "array/health.h"
#include "array/join.h"
#include "array/object.h"
#include "array/place.h"
#include "base/stop.h"
#include "care/idlist.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int five_drives(void **state)
{
	struct rebalanced *f = rebalanced_new(5, 1, 0);

	rebalanced_open(f);
	*state = f;
	return 0;
}

/* Groups of two members, though there are eight drives. */
static int eight_drives(void **state)
{
	struct rebalanced *f = rebalanced_new(8, 1, 3);

	rebalanced_open(f);
	rebalanced_put(f, 0, 60000);
	*state = f;
	return 0;
}

static unsigned members_of_all(const struct rebalanced *f)
{
	unsigned members = 0;

	for (unsigned i = 0; i < f->l->count; i++)
		members += f->l->groups[i]->member_count;
	return members;
}

/* ---- joining ---- */

static void what_small_puts_left_becomes_wide_groups(void **state)
{
	struct rebalanced *f = *state;
	unsigned before, members;

	for (unsigned i = 0; i < 12; i++)
		rebalanced_put(f, i % TINY_FILES, 300 + 10 * i);
	rebalanced_load(f);
	before = f->l->count;
	members = members_of_all(f);
	assert_int_equal(before, members); /* mirrors */
	rebalanced_open(f);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_int_equal(members_of_all(f), members);
	assert_true(f->l->count * 2 <= before);
	assert_int_equal(f->r.joined - f->r.made, before - f->l->count);
	assert_int_equal(f->r.rows_dropped, before - f->l->count);
	rebalanced_assert_settled(f);
}

static void groups_narrower_than_the_policy_allows_are_widened_by_their_rows_alone(void **state)
{
	struct rebalanced *f = *state;
	uint64_t rows = 0, after = 0, replaced;
	unsigned before;

	rebalanced_load(f);
	before = f->l->count;
	for (unsigned i = 0; i < before; i++)
		rows += group_row_bytes(f->l->groups[i]);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_int_equal(f->r.made, 0); /* as wide as was asked for */
	rebalanced_set_width(f, 8);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_true(f->r.made > 0);
	for (unsigned i = 0; i < f->l->count; i++)
		after += group_row_bytes(f->l->groups[i]);
	replaced = rows + f->r.written_bytes;
	replaced -= after;
	/* No more is read than the rows that are replaced (some of them more than once). */
	assert_true(f->r.read_bytes <= replaced + 48 * 8 * (uint64_t)f->r.joined);
	assert_true(after < rows);
	rebalanced_assert_settled(f);
}

static void copies_stay_copies(void **state)
{
	struct rebalanced *f = *state;
	struct buf records = { 0 };

	f->a->policy.copies = true;
	record_policy(&records, &f->a->policy);
	rebalanced_commit(f, &records);
	for (unsigned i = 0; i < 6; i++)
		rebalanced_put(f, i, 400);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_int_equal(f->r.made, 0);
	rebalanced_assert_settled(f);
}

static bool is_live(struct rebalanced *f, const struct id *id)
{
	bool live = false;

	for (unsigned i = 0; i < f->l->count; i++)
		live = live || id_equal(&f->l->groups[i]->id, id);
	return live;
}

/* The row of a group that is joined when all is well. */
static struct group_row_record row_to_damage(struct rebalanced *f)
{
	struct tiny_image *before = calloc(1, sizeof(*before));
	struct group_list *was;
	struct group_row_record row = { .row = 0 };

	assert_non_null(before);
	was = groups_load(f->a);
	array_close(f->a);
	f->a = NULL;
	tiny_image_take(&f->t, before);
	rebalanced_open(f);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_true(f->r.made > 1);
	for (unsigned i = 0; i < was->count; i++) {
		if (!is_live(f, &was->groups[i]->id))
			row = was->groups[i]->rows[0];
	}
	groups_free(was);
	array_close(f->a);
	f->a = NULL;
	tiny_image_restore(&f->t, before);
	tiny_image_release(before);
	free(before);
	rebalanced_open(f);
	return row;
}

static void a_damaged_group_stays_as_it_is_and_the_others_are_joined(void **state)
{
	struct rebalanced *f = *state;
	struct group_row_record row;
	char name[OBJECT_NAME_MAX + 1];
	struct buf bytes = { 0 };
	struct drive *h;

	rebalanced_set_width(f, 8);
	row = row_to_damage(f);
	object_name_row(&row.name, name);
	h = fault_inner(f->wrapped[array_drive_by_id(f->a, &row.drive_id) - f->a->drives]);
	assert_int_equal(object_get(h, name, 1 << 20, &bytes, &f->err), ERR_NONE);
	bytes.data[3] ^= 8;
	tiny_overwrite(h, name, bytes.data, bytes.len_bytes);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_true(f->r.failed > 0);
	assert_true(f->r.made > 0);
	assert_true(tiny_check(&f->t, f->a, 0));
	bytes.data[3] ^= 8;
	tiny_overwrite(h, name, bytes.data, bytes.len_bytes);
	buf_release(&bytes);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_int_equal(f->r.failed, 0);
	rebalanced_assert_settled(f);
}

static void while_a_drive_is_away_its_groups_wait(void **state)
{
	struct rebalanced *f = *state;

	rebalanced_set_width(f, 8);
	f->t.absent = 1;
	rebalanced_open(f);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	f->t.absent = 0;
	rebalanced_open(f);
	assert_true(tiny_check(&f->t, f->a, 0));
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	rebalanced_assert_settled(f);
}

/* ---- a width that is set ---- */

static unsigned widest(const struct rebalanced *f)
{
	unsigned k = 0;

	for (unsigned i = 0; i < f->l->count; i++)
		k = f->l->groups[i]->member_count > k ? f->l->groups[i]->member_count : k;
	return k;
}

static void a_trial_tells_what_a_wider_width_joins(void **state)
{
	struct rebalanced *f = *state;
	struct rebalance_result planned;
	uint64_t used[8];

	rebalanced_set_width(f, 8);
	rebalanced_load(f);
	for (unsigned i = 0; i < 8; i++)
		used[i] = f->a->drives[i].used_bytes;
	assert_int_equal(rebalance_widths(f->a, true, NULL, &planned, &f->err), ERR_NONE);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(f->a->drives[i].used_bytes, used[i]);
	assert_int_equal(rebalance_widths(f->a, false, NULL, &f->r, &f->err), ERR_NONE);
	assert_true(f->r.made > 0);
	assert_int_equal(planned.made, f->r.made);
	assert_int_equal(planned.joined, f->r.joined);
	assert_int_equal(planned.read_bytes, f->r.read_bytes);
	assert_int_equal(planned.written_bytes, f->r.written_bytes);
	rebalanced_open(f);
	rebalanced_load(f);
	assert_true(widest(f) > 2);
	assert_int_equal(rebalance_widths(f->a, false, NULL, &f->r, &f->err), ERR_NONE);
	assert_int_equal(f->r.made, 0);
}

static void a_narrower_width_splits_what_is_too_wide_when_asked_to(void **state)
{
	struct debts_options o = { .scope = DEBTS_THOROUGH, .fits_width = true };
	struct rebalanced *f = *state;
	struct debts_result planned, done;

	rebalanced_set_width(f, 8);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_true(widest(f) > 3);
	rebalanced_set_width(f, 4);
	/* Nobody does so unasked. */
	assert_int_equal(debts_pay(f->a, DEBTS_THOROUGH, &done, &f->err), ERR_NONE);
	assert_int_equal(done.groups_split, 0);
	assert_int_equal(debts_estimate(f->a, &o, &planned, &f->err), ERR_NONE);
	assert_int_equal(debts_settle(f->a, &o, &done, &f->err), ERR_NONE);
	assert_true(done.groups_split > 0);
	assert_int_equal(planned.groups_split, done.groups_split);
	assert_int_equal(planned.read_bytes, done.read_bytes);
	assert_int_equal(planned.written_bytes, done.written_bytes);
	assert_int_equal(done.rows_owed, 0);
	rebalanced_open(f);
	rebalanced_load(f);
	assert_int_equal(widest(f), 3);
	for (unsigned i = 0; i < f->l->count; i++) {
		if (!group_is_as_encoded(f->a, f->l->groups[i], &f->err))
			fail_msg("%s", f->err.message);
	}
}

/* ---- limits ---- */

static void at_the_limit_of_bytes_it_stops_and_goes_on_from_there(void **state)
{
	struct rebalanced *f = *state;
	struct rebalance_options o = rebalanced_unlimited;
	unsigned runs = 0, before;

	rebalanced_set_width(f, 8);
	rebalanced_load(f);
	before = f->l->count;
	o.max_bytes = 24000; /* one joining, with blocks where slots clash */
	do {
		assert_int_equal(rebalanced_run(f, &o), ERR_NONE);
		assert_true(f->r.read_bytes + f->r.written_bytes <= o.max_bytes);
		runs++;
	} while (f->r.work_remains && runs < 100);
	if (runs < 2 || runs >= 100)
		fail_msg("%u runs", runs);
	assert_true(f->l->count < before);
	rebalanced_assert_settled(f);
}

static uint64_t owed_rows(struct rebalanced *f)
{
	struct health h;

	assert_int_equal(health_check(f->a, &h, &f->err), ERR_NONE);
	return h.owed_rows;
}

static void what_is_owed_is_within_the_limits_too(void **state)
{
	struct rebalanced *f = *state;
	struct rebalance_options o = rebalanced_unlimited;
	uint64_t owed;
	unsigned runs = 0;

	/* One drive is there: nothing has a row. */
	f->t.absent = 0xfe;
	rebalanced_open(f);
	rebalanced_put(f, 1, 50000);
	f->t.absent = 0;
	rebalanced_open(f);
	owed = owed_rows(f);
	assert_true(owed > 2);
	o.max_bytes = 0;
	assert_int_equal(rebalanced_run(f, &o), ERR_NONE);
	assert_true(f->r.work_remains);
	assert_int_equal(owed_rows(f), owed);
	o.max_bytes = 20000;
	do {
		assert_int_equal(rebalanced_run(f, &o), ERR_NONE);
		assert_true(f->r.read_bytes + f->r.written_bytes <= o.max_bytes);
		assert_true(owed_rows(f) <= owed);
		owed = owed_rows(f);
		runs++;
	} while (f->r.work_remains && runs < 100);
	assert_true(runs > 2 && runs < 100);
	assert_int_equal(owed, 0);
	rebalanced_assert_settled(f);
}

static void without_time_it_begins_nothing(void **state)
{
	struct rebalanced *f = *state;
	struct rebalance_options o = rebalanced_unlimited;

	rebalanced_set_width(f, 8);
	o.max_time_s = 0;
	assert_int_equal(rebalanced_run(f, &o), ERR_NONE);
	assert_true(f->r.work_remains);
	assert_int_equal(f->r.made + f->r.moved, 0);
}

static void a_trial_counts_and_changes_nothing(void **state)
{
	struct rebalanced *f = *state;
	struct rebalance_options o = rebalanced_unlimited;
	unsigned before;

	rebalanced_set_width(f, 8);
	rebalanced_load(f);
	before = f->l->count;
	o.dry_run = true;
	for (unsigned i = 0; i < 8; i++)
		fault_add(f->wrapped[i], &(struct fault_rule){ .calls = FAULT_WRITES,
							       .for_ever = true, .code = ERR_IO });
	assert_int_equal(rebalanced_run(f, &o), ERR_NONE);
	assert_true(f->r.made > 0);
	assert_true(f->r.written_bytes > 0);
	assert_int_equal(f->l->count, before);
	for (unsigned i = 0; i < 8; i++)
		assert_false(f->a->drives[i].poisoned);
}

/* Stops after the first rows that are stored. */
static void ask_to_stop(void *ctx, enum fault_calls call, const char *name)
{
	(void)ctx;
	if (call == FAULT_PUT && strncmp(name, "parity/", 7) == 0)
		stop_request(SIGINT);
}

static void asked_to_stop_it_commits_what_it_did(void **state)
{
	struct rebalanced *f = *state;
	unsigned before;

	rebalanced_set_width(f, 8);
	rebalanced_load(f);
	before = f->l->count;
	for (unsigned i = 0; i < 8; i++)
		fault_set_hook(f->wrapped[i], ask_to_stop, f);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_INTERRUPTED);
	stop_request(0);
	for (unsigned i = 0; i < 8; i++)
		fault_set_hook(f->wrapped[i], NULL, NULL);
	assert_int_equal(f->r.made, 1);
	assert_int_equal(f->l->count, before - f->r.joined + 1);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	rebalanced_assert_settled(f);
}

/* ---- what two hosts did at once ---- */

static void join_two(struct rebalanced *f, const struct table_group *x, const struct table_group *y,
		     struct upkeep *u)
{
	struct join *j = join_new(f->a);

	assert_non_null(j);
	j->groups[0] = x;
	j->groups[1] = y;
	j->group_count = 2;
	assert_int_equal(join_plan(j, &f->err), ERR_NONE);
	assert_int_equal(join_make(j, u, &f->err), ERR_NONE);
	join_free(j);
}

static unsigned shared_groups(struct rebalanced *f)
{
	struct id_list ids = { 0 };
	unsigned count;

	assert_int_equal(table_shared_groups(f->a->table, id_list_add, &ids, &f->err), ERR_NONE);
	count = (unsigned)ids.count;
	id_list_release(&ids);
	return count;
}

/* The group is joined with two others, by two who do not see each other's work. */
static void join_both_ways(struct rebalanced *f, bool others_disjoint)
{
	struct upkeep mine, theirs;

	rebalanced_load(f);
	upkeep_init(&mine, f->a);
	upkeep_init(&theirs, f->a);
	for (unsigned i = 1; i < f->l->count; i++) {
		for (unsigned n = i + 1; n < f->l->count; n++) {
			struct table_group *x = f->l->groups[0], *y = f->l->groups[i],
					   *z = f->l->groups[n];

			if (!groups_are_disjoint(x, y) || !groups_are_disjoint(x, z) ||
			    groups_are_disjoint(y, z) != others_disjoint)
				continue;
			join_two(f, x, y, &mine);
			join_two(f, x, z, &theirs);
			assert_int_equal(upkeep_settle(&mine, &f->err), ERR_NONE);
			assert_int_equal(upkeep_settle(&theirs, &f->err), ERR_NONE);
			upkeep_release(&mine);
			upkeep_release(&theirs);
			return;
		}
	}
	fail_msg("no such groups");
}

static void what_two_hosts_joined_at_once_becomes_one(void **state)
{
	struct rebalanced *f = *state;

	rebalanced_set_width(f, 8);
	join_both_ways(f, true);
	assert_int_equal(shared_groups(f), 2);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_int_equal(shared_groups(f), 0);
	rebalanced_assert_settled(f);
}

static void where_that_has_two_blocks_on_one_drive_it_is_parted(void **state)
{
	struct rebalanced *f = *state;

	rebalanced_set_width(f, 8);
	join_both_ways(f, false);
	assert_int_equal(shared_groups(f), 2);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_int_equal(shared_groups(f), 0);
	rebalanced_assert_settled(f);
}

#define ON(setup, test) cmocka_unit_test_setup_teardown(test, setup, rebalanced_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(five_drives, what_small_puts_left_becomes_wide_groups),
		ON(eight_drives,
		   groups_narrower_than_the_policy_allows_are_widened_by_their_rows_alone),
		ON(five_drives, copies_stay_copies),
		ON(eight_drives, a_damaged_group_stays_as_it_is_and_the_others_are_joined),
		ON(eight_drives, while_a_drive_is_away_its_groups_wait),
		ON(eight_drives, a_trial_tells_what_a_wider_width_joins),
		ON(eight_drives, a_narrower_width_splits_what_is_too_wide_when_asked_to),
		ON(eight_drives, at_the_limit_of_bytes_it_stops_and_goes_on_from_there),
		ON(eight_drives, what_is_owed_is_within_the_limits_too),
		ON(eight_drives, without_time_it_begins_nothing),
		ON(eight_drives, a_trial_counts_and_changes_nothing),
		ON(eight_drives, asked_to_stop_it_commits_what_it_did),
		ON(eight_drives, what_two_hosts_joined_at_once_becomes_one),
		ON(eight_drives, where_that_has_two_blocks_on_one_drive_it_is_parted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
