/* What rebalancing makes of an array, within which limits, and that it ends. */
#include "tests/support/fault_drive.h"
#include "tests/support/groups.h"
#include "tests/support/tiny.h"

#include "array/health.h"
#include "array/join.h"
#include "array/object.h"
#include "array/place.h"
#include "base/stop.h"
#include "care/idlist.h"
#include "care/rebalance.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DRIVES_AT_MOST 8

static const struct rebalance_options no_limits = { .max_time_s = REBALANCE_UNLIMITED,
						    .max_bytes = REBALANCE_UNLIMITED };

struct fixture {
	struct tiny t;
	struct array *a;
	struct group_list *l;
	struct rebalance_result r;
	uint64_t size_bytes[DRIVES_AT_MOST]; /* 0: unknown */
	struct drive *wrapped[DRIVES_AT_MOST];
	struct error err;
};

static struct drive *wrap(void *ctx, unsigned i, struct drive *inner)
{
	struct fixture *f = ctx;

	f->wrapped[i] = fault_drive_new(inner);
	if (f->size_bytes[i] > 0)
		fault_set_size(f->wrapped[i], f->size_bytes[i]);
	return f->wrapped[i];
}

static struct fixture *fixture_new(unsigned drives, unsigned parity, unsigned width)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	tiny_init(&f->t, drives, parity, width);
	f->t.wrap = wrap;
	f->t.wrap_ctx = f;
	return f;
}

static void open_it(struct fixture *f)
{
	array_close(f->a);
	f->a = NULL;
	assert_int_equal(tiny_open(&f->t, true, &f->a, &f->err), ERR_NONE);
}

static void put(struct fixture *f, unsigned file, size_t bytes)
{
	tiny_file(&f->t, file, bytes, f->t.snapshots + 1, false);
	assert_int_equal(tiny_put(&f->t, f->a, NULL, &f->err), ERR_NONE);
}

static void load(struct fixture *f)
{
	groups_free(f->l);
	f->l = groups_load(f->a);
}

static void commit(struct fixture *f, struct buf *records)
{
	assert_int_equal(array_commit(f->a, records, NULL, &f->err), ERR_NONE);
	buf_release(records);
	assert_int_equal(array_refresh(f->a, &f->err), ERR_NONE);
}

static void set_width(struct fixture *f, unsigned width)
{
	struct buf records = { 0 };

	f->a->policy.width = width;
	record_policy(&records, &f->a->policy);
	commit(f, &records);
}

static int run(struct fixture *f, const struct rebalance_options *o)
{
	int code = rebalance(f->a, o, &f->r, &f->err);

	assert_int_equal(array_refresh(f->a, &f->err), ERR_NONE);
	load(f);
	return code;
}

/* Every group is as it should be, every file is there, and another run finds nothing. */
static void assert_settled(struct fixture *f)
{
	struct health h;

	for (unsigned i = 0; i < f->l->count; i++) {
		if (!group_is_as_encoded(f->a, f->l->groups[i], &f->err))
			fail_msg("%s", f->err.message);
	}
	assert_int_equal(health_check(f->a, &h, &f->err), ERR_NONE);
	assert_true(h.promise_kept);
	if (!tiny_check(&f->t, f->a, 0))
		fail_msg("%s", f->t.why);
	open_it(f);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_int_equal(f->r.made + f->r.moved + f->r.split, 0);
	assert_int_equal(f->r.read_bytes + f->r.written_bytes, 0);
	assert_false(f->r.work_remains);
}

static int fixture_end(void **state)
{
	struct fixture *f = *state;

	groups_free(f->l);
	array_close(f->a);
	if (!tiny_scrub_clean(&f->t))
		fail_msg("%s", f->t.why);
	assert_true(tiny_check_opened(&f->t, 0));
	tiny_release(&f->t);
	free(f);
	return 0;
}

static int five_drives(void **state)
{
	struct fixture *f = fixture_new(5, 1, 0);

	open_it(f);
	*state = f;
	return 0;
}

/* Groups of two members, though there are eight drives. */
static int eight_drives(void **state)
{
	struct fixture *f = fixture_new(8, 1, 3);

	open_it(f);
	put(f, 0, 60000);
	*state = f;
	return 0;
}

static unsigned members_of_all(const struct fixture *f)
{
	unsigned members = 0;

	for (unsigned i = 0; i < f->l->count; i++)
		members += f->l->groups[i]->member_count;
	return members;
}

/* ---- joining ---- */

static void what_small_puts_left_becomes_wide_groups(void **state)
{
	struct fixture *f = *state;
	unsigned before, members;

	for (unsigned i = 0; i < 12; i++)
		put(f, i % TINY_FILES, 300 + 10 * i);
	load(f);
	before = f->l->count;
	members = members_of_all(f);
	assert_int_equal(before, members); /* mirrors */
	open_it(f);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_int_equal(members_of_all(f), members);
	assert_true(f->l->count * 2 <= before);
	assert_int_equal(f->r.joined - f->r.made, before - f->l->count);
	assert_int_equal(f->r.rows_dropped, before - f->l->count);
	assert_settled(f);
}

static void groups_narrower_than_the_policy_allows_are_widened_by_their_rows_alone(void **state)
{
	struct fixture *f = *state;
	uint64_t rows = 0, after = 0, replaced;
	unsigned before;

	load(f);
	before = f->l->count;
	for (unsigned i = 0; i < before; i++)
		rows += group_row_bytes(f->l->groups[i]);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_int_equal(f->r.made, 0); /* as wide as was asked for */
	set_width(f, 8);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_true(f->r.made > 0);
	for (unsigned i = 0; i < f->l->count; i++)
		after += group_row_bytes(f->l->groups[i]);
	replaced = rows + f->r.written_bytes;
	replaced -= after;
	/* No more is read than the rows that are replaced (some of them more than once). */
	assert_true(f->r.read_bytes <= replaced + 48 * 8 * (uint64_t)f->r.joined);
	assert_true(after < rows);
	assert_settled(f);
}

static void copies_stay_copies(void **state)
{
	struct fixture *f = *state;
	struct buf records = { 0 };

	f->a->policy.copies = true;
	record_policy(&records, &f->a->policy);
	commit(f, &records);
	for (unsigned i = 0; i < 6; i++)
		put(f, i, 400);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_int_equal(f->r.made, 0);
	assert_settled(f);
}

static bool is_live(struct fixture *f, const struct id *id)
{
	bool live = false;

	for (unsigned i = 0; i < f->l->count; i++)
		live = live || id_equal(&f->l->groups[i]->id, id);
	return live;
}

/* The row of a group that is joined when all is well. */
static struct group_row_record row_to_damage(struct fixture *f)
{
	struct tiny_image *before = calloc(1, sizeof(*before));
	struct group_list *was;
	struct group_row_record row = { .row = 0 };

	assert_non_null(before);
	was = groups_load(f->a);
	array_close(f->a);
	f->a = NULL;
	tiny_image_take(&f->t, before);
	open_it(f);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
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
	open_it(f);
	return row;
}

static void a_damaged_group_stays_as_it_is_and_the_others_are_joined(void **state)
{
	struct fixture *f = *state;
	struct group_row_record row;
	char name[OBJECT_NAME_MAX + 1];
	struct buf bytes = { 0 };
	struct drive *h;

	set_width(f, 8);
	row = row_to_damage(f);
	object_name_row(&row.name, name);
	h = fault_inner(f->wrapped[array_drive_by_id(f->a, &row.drive_id) - f->a->drives]);
	assert_int_equal(object_get(h, name, 1 << 20, &bytes, &f->err), ERR_NONE);
	bytes.data[3] ^= 8;
	tiny_overwrite(h, name, bytes.data, bytes.len_bytes);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_true(f->r.failed > 0);
	assert_true(f->r.made > 0);
	assert_true(tiny_check(&f->t, f->a, 0));
	bytes.data[3] ^= 8;
	tiny_overwrite(h, name, bytes.data, bytes.len_bytes);
	buf_release(&bytes);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_int_equal(f->r.failed, 0);
	assert_settled(f);
}

static void while_a_drive_is_away_its_groups_wait(void **state)
{
	struct fixture *f = *state;

	set_width(f, 8);
	f->t.absent = 1;
	open_it(f);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	f->t.absent = 0;
	open_it(f);
	assert_true(tiny_check(&f->t, f->a, 0));
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_settled(f);
}

/* ---- a width that is set ---- */

static unsigned widest(const struct fixture *f)
{
	unsigned k = 0;

	for (unsigned i = 0; i < f->l->count; i++)
		k = f->l->groups[i]->member_count > k ? f->l->groups[i]->member_count : k;
	return k;
}

static void a_trial_tells_what_a_wider_width_joins(void **state)
{
	struct fixture *f = *state;
	struct rebalance_result planned;
	uint64_t used[8];

	set_width(f, 8);
	load(f);
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
	open_it(f);
	load(f);
	assert_true(widest(f) > 2);
	assert_int_equal(rebalance_widths(f->a, false, NULL, &f->r, &f->err), ERR_NONE);
	assert_int_equal(f->r.made, 0);
}

static void a_narrower_width_splits_what_is_too_wide_when_asked_to(void **state)
{
	struct debts_options o = { .scope = DEBTS_THOROUGH, .fits_width = true };
	struct fixture *f = *state;
	struct debts_result planned, done;

	set_width(f, 8);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_true(widest(f) > 3);
	set_width(f, 4);
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
	open_it(f);
	load(f);
	assert_int_equal(widest(f), 3);
	for (unsigned i = 0; i < f->l->count; i++) {
		if (!group_is_as_encoded(f->a, f->l->groups[i], &f->err))
			fail_msg("%s", f->err.message);
	}
}

/* ---- limits ---- */

static void at_the_limit_of_bytes_it_stops_and_goes_on_from_there(void **state)
{
	struct fixture *f = *state;
	struct rebalance_options o = no_limits;
	unsigned runs = 0, before;

	set_width(f, 8);
	load(f);
	before = f->l->count;
	o.max_bytes = 24000; /* one joining, with blocks where slots clash */
	do {
		assert_int_equal(run(f, &o), ERR_NONE);
		assert_true(f->r.read_bytes + f->r.written_bytes <= o.max_bytes);
		runs++;
	} while (f->r.work_remains && runs < 100);
	if (runs < 2 || runs >= 100)
		fail_msg("%u runs", runs);
	assert_true(f->l->count < before);
	assert_settled(f);
}

static uint64_t owed_rows(struct fixture *f)
{
	struct health h;

	assert_int_equal(health_check(f->a, &h, &f->err), ERR_NONE);
	return h.owed_rows;
}

static void what_is_owed_is_within_the_limits_too(void **state)
{
	struct fixture *f = *state;
	struct rebalance_options o = no_limits;
	uint64_t owed;
	unsigned runs = 0;

	/* One drive is there: nothing has a row. */
	f->t.absent = 0xfe;
	open_it(f);
	put(f, 1, 50000);
	f->t.absent = 0;
	open_it(f);
	owed = owed_rows(f);
	assert_true(owed > 2);
	o.max_bytes = 0;
	assert_int_equal(run(f, &o), ERR_NONE);
	assert_true(f->r.work_remains);
	assert_int_equal(owed_rows(f), owed);
	o.max_bytes = 20000;
	do {
		assert_int_equal(run(f, &o), ERR_NONE);
		assert_true(f->r.read_bytes + f->r.written_bytes <= o.max_bytes);
		assert_true(owed_rows(f) <= owed);
		owed = owed_rows(f);
		runs++;
	} while (f->r.work_remains && runs < 100);
	assert_true(runs > 2 && runs < 100);
	assert_int_equal(owed, 0);
	assert_settled(f);
}

static void without_time_it_begins_nothing(void **state)
{
	struct fixture *f = *state;
	struct rebalance_options o = no_limits;

	set_width(f, 8);
	o.max_time_s = 0;
	assert_int_equal(run(f, &o), ERR_NONE);
	assert_true(f->r.work_remains);
	assert_int_equal(f->r.made + f->r.moved, 0);
}

static void a_trial_counts_and_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct rebalance_options o = no_limits;
	unsigned before;

	set_width(f, 8);
	load(f);
	before = f->l->count;
	o.dry_run = true;
	for (unsigned i = 0; i < 8; i++)
		fault_add(f->wrapped[i], &(struct fault_rule){ .calls = FAULT_WRITES,
							       .for_ever = true, .code = ERR_IO });
	assert_int_equal(run(f, &o), ERR_NONE);
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
	struct fixture *f = *state;
	unsigned before;

	set_width(f, 8);
	load(f);
	before = f->l->count;
	for (unsigned i = 0; i < 8; i++)
		fault_set_hook(f->wrapped[i], ask_to_stop, f);
	assert_int_equal(run(f, &no_limits), ERR_INTERRUPTED);
	stop_request(0);
	for (unsigned i = 0; i < 8; i++)
		fault_set_hook(f->wrapped[i], NULL, NULL);
	assert_int_equal(f->r.made, 1);
	assert_int_equal(f->l->count, before - f->r.joined + 1);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_settled(f);
}

/* ---- what two hosts did at once ---- */

static void join_two(struct fixture *f, const struct table_group *x, const struct table_group *y,
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

static unsigned shared_groups(struct fixture *f)
{
	struct id_list ids = { 0 };
	unsigned count;

	assert_int_equal(table_shared_groups(f->a->table, id_list_add, &ids, &f->err), ERR_NONE);
	count = (unsigned)ids.count;
	id_list_release(&ids);
	return count;
}

/* The group is joined with two others, by two who do not see each other's work. */
static void join_both_ways(struct fixture *f, bool others_disjoint)
{
	struct upkeep mine, theirs;

	load(f);
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
	struct fixture *f = *state;

	set_width(f, 8);
	join_both_ways(f, true);
	assert_int_equal(shared_groups(f), 2);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_int_equal(shared_groups(f), 0);
	assert_settled(f);
}

static void where_that_has_two_blocks_on_one_drive_it_is_parted(void **state)
{
	struct fixture *f = *state;

	set_width(f, 8);
	join_both_ways(f, false);
	assert_int_equal(shared_groups(f), 2);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_int_equal(shared_groups(f), 0);
	assert_settled(f);
}

/* ---- domains and shares ---- */

static void set_domain(struct fixture *f, unsigned drive, const char *domain)
{
	struct buf records = { 0 };
	struct array_drive *d = &f->a->drives[drive];

	snprintf(d->record.domain, sizeof(d->record.domain), "%s", domain);
	record_drive(&records, &d->record);
	commit(f, &records);
}

static unsigned crowded_domains(struct fixture *f)
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
	struct fixture *f = fixture_new(4, 1, 2);

	*state = f;
	open_it(f);
	for (unsigned i = 0; i < 4; i++)
		set_domain(f, i, "disk a");
	put(f, 0, 40000);
	load(f);
	/* Those of one group are on one disk, the others on another. */
	for (unsigned i = 0; i < 4; i++) {
		const struct table_group *g = f->l->groups[0];

		if (!id_equal(&g->members[0].drive_id, &f->a->drives[i].id) &&
		    !id_equal(&g->rows[0].drive_id, &f->a->drives[i].id))
			set_domain(f, i, "disk b");
	}
	assert_true(crowded_domains(f) > 0);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_true(f->r.moved > 0);
	assert_int_equal(crowded_domains(f), 0);
	assert_settled(f);
}

/* Three on one disk and one on another: groups of three are split, each block has a copy there. */
static void a_group_too_wide_for_the_domains_is_split_and_its_blocks_stay(void **state)
{
	struct fixture *f = fixture_new(4, 1, 3);
	struct rebalance_options dry = no_limits;
	uint64_t written;

	*state = f;
	dry.dry_run = true;
	open_it(f);
	for (unsigned i = 0; i < 4; i++)
		set_domain(f, i, "disk a");
	put(f, 0, 40000);
	set_domain(f, 3, "disk b");
	load(f);
	assert_true(crowded_domains(f) > 0);
	assert_int_equal(run(f, &dry), ERR_NONE);
	assert_true(f->r.split > 0);
	written = f->r.written_bytes;
	open_it(f);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_true(f->r.split > 0);
	assert_int_equal(f->r.written_bytes, written);
	assert_int_equal(f->r.crowded, 0);
	assert_int_equal(crowded_domains(f), 0);
	assert_settled(f);
}

/* The other disk has room for some only: these are spread, the others stay, and are named. */
static void what_the_drives_do_not_allow_is_left_alone(void **state)
{
	struct fixture *f = fixture_new(4, 1, 2);
	unsigned crowded;

	*state = f;
	for (unsigned i = 0; i < 4; i++)
		f->size_bytes[i] = 400000;
	open_it(f);
	for (unsigned i = 0; i < 4; i++)
		set_domain(f, i, "disk a");
	put(f, 0, 100000);
	f->a->drives[3].record.max_bytes = f->a->drives[3].used_bytes + 30000;
	set_domain(f, 3, "disk b");
	load(f);
	crowded = crowded_domains(f);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_true(f->r.moved > 0);
	assert_true(f->r.crowded > 0);
	assert_true(crowded_domains(f) < crowded);
	assert_settled(f);
	assert_true(f->r.crowded > 0);
}

/* Of one group. */
static unsigned most_on_removable(struct fixture *f)
{
	unsigned most = 0;

	load(f);
	for (unsigned i = 0; i < f->l->count; i++) {
		unsigned members = 0;

		for (unsigned n = 0; n < f->l->groups[i]->member_count; n++)
			members += array_drive_by_id(f->a, &f->l->groups[i]->members[n].drive_id)
					   ->record.removable;
		most = members > most ? members : most;
	}
	return most;
}

static void set_removable(struct fixture *f, unsigned drives)
{
	struct buf records = { 0 };

	for (unsigned i = 0; i < drives; i++) {
		struct drive_record r = f->a->drives[i].record;

		r.removable = true;
		record_drive(&records, &r);
	}
	commit(f, &records);
	open_it(f);
}

/* The only ones in other domains. */
static void a_group_is_not_spread_onto_more_removable_drives_than_it_has_rows(void **state)
{
	struct fixture *f = fixture_new(5, 1, 3);

	*state = f;
	open_it(f);
	for (unsigned i = 0; i < 5; i++) {
		f->a->drives[i].record.max_bytes = i < 3 ? 0 : 1;
		set_domain(f, i, "disk a");
	}
	open_it(f);
	put(f, 0, 40000);
	for (unsigned i = 3; i < 5; i++) {
		f->a->drives[i].record.max_bytes = 0;
		f->a->drives[i].record.removable = true;
		set_domain(f, i, i == 4 ? "disk e" : "disk d");
	}
	open_it(f);
	load(f);
	assert_true(crowded_domains(f) > 0);
	assert_int_equal(most_on_removable(f), 0);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_true(most_on_removable(f) <= 1);
	assert_true(f->r.crowded > 0);
}

static void groups_that_are_joined_have_no_more_than_m_members_on_removable_drives(void **state)
{
	struct fixture *f = fixture_new(6, 1, 2);

	*state = f;
	open_it(f);
	for (unsigned i = 0; i < 15; i++)
		put(f, i % TINY_FILES, 3000 + 100 * i);
	set_removable(f, 4);
	set_width(f, 6);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_true(f->r.made > 0);
	assert_int_equal(most_on_removable(f), 1);
	assert_settled(f);
}

static void shares_are_evened_out_as_far_as_removable_drives_may_take(void **state)
{
	struct fixture *f = fixture_new(4, 1, 4);
	struct new_drive n = { .make_root = true };
	char url[64];

	*state = f;
	for (unsigned i = 0; i < DRIVES_AT_MOST; i++)
		f->size_bytes[i] = 400000;
	open_it(f);
	set_removable(f, 1);
	put(f, 0, 500000);
	snprintf(url, sizeof(url), "%s", tiny_url(&f->t, 5));
	n.url = url;
	n.record.removable = true;
	snprintf(n.record.name, sizeof(n.record.name), "d5");
	assert_int_equal(array_add_drive(f->a, &n, DRIVE_MEMBER, &f->err), ERR_NONE);
	open_it(f);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_true(f->r.moved > 0);
	assert_int_equal(most_on_removable(f), 1);
	load(f);
	assert_settled(f);
}

static double widest_gap(struct fixture *f)
{
	struct alloc_drive view[DRIVES_AT_MOST];
	double least = 1, most = 0;

	place_view(f->a, view);
	for (unsigned i = 0; i < f->a->count; i++) {
		double share = (double)f->a->drives[i].used_bytes / (double)view[i].size_bytes;

		least = share < least ? share : least;
		most = share > most ? share : most;
	}
	return most - least;
}

static void add_drive(struct fixture *f, unsigned number)
{
	struct new_drive n = { .make_root = true };
	char url[64];

	snprintf(url, sizeof(url), "%s", tiny_url(&f->t, number));
	n.url = url;
	snprintf(n.record.name, sizeof(n.record.name), "d%u", number);
	assert_int_equal(array_add_drive(f->a, &n, DRIVE_MEMBER, &f->err), ERR_NONE);
	open_it(f);
}

/* Drives of 400 kB with groups of two members and a row. */
static struct fixture *filled_drives(unsigned drives, size_t data_bytes, void **state)
{
	struct fixture *f = fixture_new(drives, 1, 3);

	*state = f;
	for (unsigned i = 0; i < DRIVES_AT_MOST; i++)
		f->size_bytes[i] = 400000;
	open_it(f);
	put(f, 0, data_bytes);
	return f;
}

static void an_empty_drive_gets_its_share(void **state)
{
	struct fixture *f = filled_drives(4, 500000, state);

	add_drive(f, 5);
	assert_true(widest_gap(f) > 0.3);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_true(f->r.moved > 0);
	open_it(f);
	assert_true(widest_gap(f) <= 0.11); /* what else lies there makes sizes a little different */
	load(f);
	assert_settled(f);
}

/* With parity 0 blocks are of no group. */
static void blocks_without_a_group_are_evened_out(void **state)
{
	struct fixture *f = fixture_new(2, 0, 0);

	*state = f;
	for (unsigned i = 0; i < DRIVES_AT_MOST; i++)
		f->size_bytes[i] = 400000;
	open_it(f);
	put(f, 0, 500000);
	add_drive(f, 2);
	assert_true(widest_gap(f) > 0.3);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_true(f->r.moved > 0);
	open_it(f);
	assert_true(widest_gap(f) <= 0.11);
}

static void what_was_joined_is_evened_out_as_it_is_then(void **state)
{
	struct fixture *f = filled_drives(5, 300000, state);

	set_width(f, 0);
	add_drive(f, 6);
	add_drive(f, 7);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_true(f->r.made > 0);
	assert_true(f->r.moved > 0);
	assert_settled(f);
}

static uint64_t rows_on(struct fixture *f, unsigned drive)
{
	uint64_t bytes = 0;

	load(f);
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
	struct fixture *f = fixture_new(4, 1, 3);
	struct buf records = { 0 };
	uint64_t rows;

	*state = f;
	for (unsigned i = 0; i < 4; i++)
		f->size_bytes[i] = 900000;
	open_it(f);
	put(f, 0, 300000);
	rows = rows_on(f, 3);
	assert_true(rows > 10000);
	f->a->drives[3].record.max_bytes = f->a->drives[3].used_bytes + 20000;
	f->a->drives[3].record.role = ROLE_PARITY;
	record_drive(&records, &f->a->drives[3].record);
	commit(f, &records);
	assert_true(widest_gap(f) > 0.4);
	assert_int_equal(run(f, &no_limits), ERR_NONE);
	assert_true(f->r.moved > 0);
	assert_true(rows_on(f, 3) >= rows);
	assert_settled(f);
}

#define ON(setup, test) cmocka_unit_test_setup_teardown(test, setup, fixture_end)
#define ALONE(test) cmocka_unit_test_teardown(test, fixture_end)

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
