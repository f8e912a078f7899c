/* Many small puts: what they cost in the end, with all sizes a 64th of the usual ones. */
#include "tests/support/groups.h"
#include "tests/support/tiny.h"

#include "archive/put.h"
#include "array/health.h"
#include "array/place.h"
#include "care/debts.h"
#include "care/rebalance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DRIVES 5
#define PUTS 1000u /* at least a quarter of them, where others take a sample */
#define SCALE 64u
#define LEAST_BYTES (100000u / SCALE)
#define MOST_BYTES (2000000u / SCALE)

struct fixture {
	struct tiny t;
	struct array *a;
	unsigned puts;
	uint64_t added_bytes, written_bytes;
	struct error err;
};

static void set_geometry(struct fixture *f)
{
	struct geometry g = geometry_default(), *sizes = &f->a->policy.geometry;
	struct buf records = { 0 };

	*sizes = (struct geometry){ .chunk_min_bytes = g.chunk_min_bytes / SCALE,
				    .chunk_avg_bytes = g.chunk_avg_bytes / SCALE,
				    .chunk_max_bytes = g.chunk_max_bytes / SCALE,
				    .frame_bytes = g.frame_bytes / SCALE,
				    .block_bytes = g.block_bytes / SCALE,
				    .pad_step_bytes = g.pad_step_bytes / SCALE,
				    .pad_from_bytes = g.pad_from_bytes / SCALE,
				    .pad_min_bytes = g.pad_min_bytes / SCALE,
				    .stretch_bytes = g.stretch_bytes / SCALE,
				    .segment_bytes = g.segment_bytes / SCALE };
	assert_int_equal(geometry_check(sizes, &f->err), ERR_NONE);
	record_policy(&records, &f->a->policy);
	assert_int_equal(array_commit(f->a, &records, NULL, &f->err), ERR_NONE);
	buf_release(&records);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->puts = tiny_every() > 4 ? PUTS / 4 : PUTS / tiny_every();
	tiny_init(&f->t, DRIVES, 1, 0);
	assert_int_equal(tiny_open(&f->t, true, &f->a, &f->err), ERR_NONE);
	set_geometry(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	array_close(f->a);
	tiny_release(&f->t);
	free(f);
	return 0;
}

/* As the program does it: debts, the put, and what comes after it. */
static void put_one(struct fixture *f, unsigned i)
{
	const char *paths[] = { f->t.source };
	struct put_options o = { .paths = paths, .path_count = 1, .host = "tiny", .level = 1,
				 .time_ns = (int64_t)(i + 1) * 1000000000 };
	size_t bytes = LEAST_BYTES + (i * 2654435761u >> 7) % (MOST_BYTES - LEAST_BYTES);
	struct rebalance_result joined;
	struct put_result r;

	tiny_file(&f->t, i % TINY_FILES, bytes, i + 1, false);
	assert_int_equal(debts_pay(f->a, DEBTS_ALL, NULL, &f->err), ERR_NONE);
	assert_int_equal(put(f->a, &o, &r, &f->err), ERR_NONE);
	assert_int_equal(rebalance_thin(f->a, &joined, &f->err), ERR_NONE);
	/* As a put of usual size does. */
	assert_int_equal(array_compact(f->a, true, &f->err), ERR_NONE);
	f->added_bytes += r.bytes_added;
	f->written_bytes += r.bytes_stored + joined.written_bytes;
}

static int count_object(void *ctx, const char *name, uint64_t len_bytes)
{
	(void)name;
	(void)len_bytes;
	++*(unsigned *)ctx;
	return 0;
}

static unsigned journal_objects(struct fixture *f, unsigned drive)
{
	struct drive *h = f->a->drives[drive].handle;
	unsigned count = 0;

	assert_int_equal(h->driver->list(h, "journal/", count_object, &count, &f->err), ERR_NONE);
	return count;
}

static void assert_restores(struct fixture *f)
{
	struct tiny_file_state files[TINY_FILES];

	f->t.snapshots = f->puts;
	assert_true(tiny_read_files(&f->t, f->a, files));
	for (unsigned i = 0; i < TINY_FILES; i++) {
		assert_int_equal(files[i].state, TINY_RIGHT);
		buf_release(&files[i].content);
	}
	f->t.snapshots = 0;
}

static void a_thousand_small_puts_cost_little_more_than_a_large_one(void **state)
{
	struct fixture *f = *state;
	uint64_t data = 0, rows = 0;
	struct group_list *l;
	double overhead, ideal, amplification;
	uint32_t block_bytes;
	unsigned k, m;
	struct health h;

	for (unsigned i = 0; i < f->puts; i++)
		put_one(f, i);
	l = groups_load(f->a);
	for (unsigned i = 0; i < l->count; i++) {
		if (!group_is_as_encoded(f->a, l->groups[i], &f->err))
			fail_msg("%s", f->err.message);
		data += group_data_bytes(l->groups[i]);
		rows += group_row_bytes(l->groups[i]);
	}
	assert_int_equal(place_shape(f->a, &k, &m, &block_bytes, &f->err), ERR_NONE);
	ideal = (double)(k + m) / k;
	overhead = (double)(data + rows) / (double)data;
	amplification = (double)f->written_bytes / (double)f->added_bytes;
	print_message("# %u puts: %u groups, stored %.3f times the data (%.3f at best), "
		      "written %.2f times what was new, %u journal objects\n",
		      f->puts, l->count, overhead, ideal, amplification, journal_objects(f, 0));
	groups_free(l);
	assert_true(overhead <= 1.10 * ideal);
	assert_true(amplification <= 3.0);
	for (unsigned i = 0; i < DRIVES; i++)
		assert_true(journal_objects(f, i) <= 30);
	assert_int_equal(health_check(f->a, &h, &f->err), ERR_NONE);
	assert_true(h.promise_kept);
	assert_restores(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_thousand_small_puts_cost_little_more_than_a_large_one, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
