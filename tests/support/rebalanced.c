#include "tests/support/rebalanced.h"

#include "tests/support/fault_drive.h"

#include "array/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

const struct rebalance_options rebalanced_unlimited = { .max_time_s = REBALANCE_UNLIMITED,
							.max_bytes = REBALANCE_UNLIMITED };

static struct drive *wrap(void *ctx, unsigned i, struct drive *inner)
{
	struct rebalanced *f = ctx;

	f->wrapped[i] = fault_drive_new(inner);
	if (f->size_bytes[i] > 0)
		fault_set_size(f->wrapped[i], f->size_bytes[i]);
	return f->wrapped[i];
}

struct rebalanced *rebalanced_new(unsigned drives, unsigned parity, unsigned width)
{
	struct rebalanced *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	tiny_init(&f->t, drives, parity, width);
	f->t.wrap = wrap;
	f->t.wrap_ctx = f;
	return f;
}

void rebalanced_open(struct rebalanced *f)
{
	array_close(f->a);
	f->a = NULL;
	assert_int_equal(tiny_open(&f->t, true, &f->a, &f->err), ERR_NONE);
	tiny_all_near(f->a);
}

void rebalanced_put(struct rebalanced *f, unsigned file, size_t bytes)
{
	tiny_file(&f->t, file, bytes, f->t.snapshots + 1, false);
	assert_int_equal(tiny_put(&f->t, f->a, NULL, &f->err), ERR_NONE);
}

void rebalanced_load(struct rebalanced *f)
{
	groups_free(f->l);
	f->l = groups_load(f->a);
}

void rebalanced_commit(struct rebalanced *f, struct buf *records)
{
	assert_int_equal(array_commit(f->a, records, NULL, &f->err), ERR_NONE);
	buf_release(records);
	assert_int_equal(array_refresh(f->a, &f->err), ERR_NONE);
}

void rebalanced_set_width(struct rebalanced *f, unsigned width)
{
	struct buf records = { 0 };

	f->a->policy.width = width;
	record_policy(&records, &f->a->policy);
	rebalanced_commit(f, &records);
}

int rebalanced_run(struct rebalanced *f, const struct rebalance_options *o)
{
	int code = rebalance(f->a, o, &f->r, &f->err);

	assert_int_equal(array_refresh(f->a, &f->err), ERR_NONE);
	rebalanced_load(f);
	return code;
}

void rebalanced_assert_settled(struct rebalanced *f)
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
	rebalanced_open(f);
	assert_int_equal(rebalanced_run(f, &rebalanced_unlimited), ERR_NONE);
	assert_int_equal(f->r.made + f->r.moved + f->r.split, 0);
	assert_int_equal(f->r.read_bytes + f->r.written_bytes, 0);
	assert_false(f->r.work_remains);
}

int rebalanced_end(void **state)
{
	struct rebalanced *f = *state;

	groups_free(f->l);
	array_close(f->a);
	if (!tiny_scrub_clean(&f->t))
		fail_msg("%s", f->t.why);
	assert_true(tiny_check_opened(&f->t, 0));
	tiny_release(&f->t);
	free(f);
	return 0;
}
