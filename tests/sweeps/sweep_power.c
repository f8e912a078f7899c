/*
 * The power fails: at any moment of a command, with whatever was not synced kept, dropped, torn or
 * zeroed on the drives, and with the state folder as it was then, as it was before the command, or
 * gone. The array is as before or as after; what was acknowledged restores, with 2 drives lost too;
 * the command run again succeeds, and nothing damaged is left.
 */
#include "tests/support/fault_drive.h"
#include "tests/support/noise.h"
#include "tests/support/record_drive.h"
#include "tests/support/tiny_op.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IMAGES 70 /* of a command in the normal run */
#define MOMENTS_MAX 4096
#define COMPLAINTS_MAX 10

enum state_kind { STATE_THEN, STATE_BEFORE, STATE_GONE, STATE_KINDS };
static const char *const state_words[] = { "as it was", "of before", "gone" };

struct sweep {
	struct tiny t;
	const struct tiny_op *op;
	struct tiny_image before;
	struct recorder *r;
	bool image; /* handles are of the image of a cut */
	struct noise noise;
	pthread_mutex_t lock; /* the copies */
	uint64_t moments[MOMENTS_MAX];
	unsigned copies;
	uint64_t done_at; /* moment at which the command said that it was done */
	bool promise;
	unsigned snapshots_before;
	enum state_kind state;
	/* counts */
	uint64_t images, as_before, as_after, again, failures;
};

/* ---- recording ---- */

static void copy_path(const struct sweep *s, unsigned n, char out[320])
{
	snprintf(out, 320, "%s/then-%u", s->t.folder, n);
}

static void copy_config(const char *from, const char *to)
{
	struct buf bytes = { 0 };
	struct error err;

	if (file_load(from, 1 << 20, &bytes, &err) != ERR_NONE ||
	    file_store(to, bytes.data, bytes.len_bytes, &err) != ERR_NONE)
		fail_msg("config: %s", err.message);
	buf_release(&bytes);
}

/* Before each change: what the local machine has stored by now. The table is a cache, and in the
 * middle of a transaction it can't be copied. */
static void keep_state(void *ctx, enum fault_calls call, const char *name)
{
	struct sweep *s = ctx;
	uint64_t now = recorder_now(s->r);
	char path[320], config[340];

	(void)name;
	if (!(call & FAULT_WRITES))
		return;
	pthread_mutex_lock(&s->lock);
	if (s->copies < MOMENTS_MAX && (s->copies == 0 || s->moments[s->copies - 1] < now)) {
		copy_path(s, s->copies, path);
		tiny_copy_folder(s->t.state_path, path, "table");
		snprintf(config, sizeof(config), "%s.config", path);
		copy_config(s->t.config_path, config);
		s->moments[s->copies++] = now;
	}
	pthread_mutex_unlock(&s->lock);
}

static struct drive *wrap(void *ctx, unsigned i, struct drive *inner)
{
	struct sweep *s = ctx;
	struct drive *d;

	inner->driver->close(inner);
	if (s->image)
		return recorder_open_image(s->r, i);
	d = fault_drive_new(recorder_open(s->r, i));
	fault_set_hook(d, keep_state, s);
	return d;
}

static void load_recorder(struct sweep *s)
{
	struct error err;

	s->r = recorder_new(TINY_OP_DRIVES + 1);
	for (unsigned i = 0; i < TINY_OP_DRIVES; i++) {
		struct drive *d = recorder_open(s->r, i);
		const struct tiny_place *p = &s->before.drives[i];

		for (size_t n = 0; n < p->count; n++)
			assert_int_equal(d->driver->put(d, p->objects[n].name,
							p->objects[n].bytes.data,
							p->objects[n].bytes.len_bytes, &err),
					 ERR_NONE);
		assert_int_equal(d->driver->sync(d, &err), ERR_NONE);
		d->driver->close(d);
	}
	recorder_settle(s->r);
}

static void record(struct sweep *s)
{
	struct array *a;
	struct error err;

	load_recorder(s);
	s->t.wrap = wrap;
	s->t.wrap_ctx = s;
	s->t.absent = s->op->absent;
	s->t.strict = !s->op->mends;
	if (tiny_open(&s->t, true, &a, &err) != ERR_NONE ||
	    s->op->run(&s->t, a, &s->promise, &err) != ERR_NONE)
		fail_msg("%s without a cut: %s", s->op->name, err.message);
	s->done_at = recorder_now(s->r);
	keep_state(s, FAULT_SYNC, NULL);
	array_close(a);
	keep_state(s, FAULT_SYNC, NULL);
	s->t.strict = false;
}

/* ---- judging ---- */

static void restore_state(struct sweep *s, uint64_t moment)
{
	char path[340], config[340];
	unsigned n = 0;

	while (n + 1 < s->copies && s->moments[n + 1] <= moment)
		n++;
	copy_path(s, n, path);
	snprintf(config, sizeof(config), "%.320s.config", path);
	copy_config(config, s->t.config_path);
	if (s->state == STATE_BEFORE)
		snprintf(path, sizeof(path), "%s/state", s->before.folder);
	if (s->state == STATE_GONE)
		tiny_copy_folder(s->t.source, s->t.state_path, "f");
	else
		tiny_copy_folder(path, s->t.state_path, NULL);
}

static bool bears_loss(struct sweep *s, unsigned more, bool lied)
{
	unsigned was = s->t.absent, spare = TINY_OP_PARITY - lied;
	uint8_t gone[TINY_OP_PARITY];
	bool ok;

	/* A drive that is away for good counts until it was replaced. */
	noise_pick(&s->noise, gone, TINY_OP_PARITY, TINY_OP_DRIVES);
	for (unsigned i = 0; i < spare; i++)
		s->t.absent |= 1u << gone[i];
	ok = tiny_check_opened(&s->t, more);
	s->t.absent = was;
	return ok;
}

/* torn: a segment that is whole nowhere may be found once, and is set aside. */
static bool ends_whole(struct sweep *s, unsigned more, bool torn)
{
	struct array *a;
	struct error err;
	bool promise = false;

	if (!tiny_scrub_clean(&s->t) && (!torn || !tiny_scrub_clean(&s->t)))
		return false;
	if (tiny_open(&s->t, true, &a, &err) != ERR_NONE)
		return tiny_says(&s->t, "open at the end: %s", err.message);
	if (tiny_ops[tiny_ops_count - 1].run(&s->t, a, &promise, &err) != ERR_NONE)
		tiny_says(&s->t, "debts at the end: %s", err.message);
	array_close(a);
	if (!promise && s->promise)
		return tiny_says(&s->t, "the promise is not kept at the end");
	return tiny_scrub_clean(&s->t) && tiny_check_opened(&s->t, more);
}

static bool runs_again(struct sweep *s, bool done)
{
	struct error err;
	bool promise;

	if (done && s->op->once)
		return true;
	if (tiny_op_run(&s->t, s->op, &promise, &err) != ERR_NONE)
		return tiny_says(&s->t, "%s", err.message);
	return true;
}

static unsigned snapshots_there(struct sweep *s)
{
	struct array *a;
	struct error err;
	struct table_snapshot *list = NULL;
	struct snapshot_filter all = { .host = NULL };
	size_t count = 0;

	if (tiny_open(&s->t, false, &a, &err) != ERR_NONE)
		return 0;
	if (table_snapshots(a->table, &all, &list, &count, &err) != ERR_NONE)
		count = 0;
	for (size_t i = 0; i < count; i++)
		table_snapshot_release(&list[i]);
	free(list);
	array_close(a);
	return (unsigned)count;
}

static void complain(struct sweep *s, const char *step, const struct cut *cut)
{
	char text[512];

	if (s->failures++ >= COMPLAINTS_MAX)
		return;
	recorder_describe(s->r, cut, text, sizeof(text));
	fprintf(stderr, "%s (done at %llu), state folder %s, %s: %s: %s (told: %s)\n", s->op->name,
		(unsigned long long)s->done_at, state_words[s->state], text, step, s->t.why,
		s->t.warning);
}

static void try_cut(void *ctx, struct recorder *r, const struct cut *cut)
{
	struct sweep *s = ctx;
	bool done = cut->moment >= s->done_at, lied = cut->kind == CUT_LIED;
	unsigned more = done ? 0 : s->op->snapshots;

	(void)r;
	/* With drives lost already, one that lies as well is more than the parity bears. */
	if (lied && (__builtin_popcount(s->op->absent) >= TINY_OP_PARITY || (s->op->bare && !done)))
		return;
	s->images++;
	s->state = (enum state_kind)(s->images % STATE_KINDS);
	s->image = true;
	s->t.why[0] = s->t.warning[0] = '\0';
	s->t.absent = s->op->absent;
	s->t.snapshots = s->snapshots_before + (done ? s->op->snapshots : 0);
	restore_state(s, cut->moment);
	if (!tiny_check_opened(&s->t, more)) {
		complain(s, "afterwards", cut);
		return;
	}
	if (snapshots_there(s) > s->snapshots_before)
		s->as_after++;
	else
		s->as_before++;
	if ((done ? s->promise : s->op->whole) && !bears_loss(s, more, lied))
		complain(s, "two drives lost", cut);
	/* A drive that lied about its syncs is rolled back: scrub comes first. */
	else if (lied && !tiny_scrub_clean(&s->t))
		complain(s, "scrub", cut);
	/* A new drive that lied about everything is not the one that was begun with. */
	else if (lied && cut->drive == TINY_OP_DRIVES)
		s->again++;
	else if (!runs_again(s, done))
		complain(s, "run again", cut);
	else if (!tiny_check_opened(&s->t, more))
		complain(s, "after running again", cut);
	else if (!ends_whole(s, more, cut->kind >= CUT_TORN_HEAD && !lied))
		complain(s, "in the end", cut);
	else
		s->again++;
}

static void sweep_op(unsigned op)
{
	struct sweep *s = calloc(1, sizeof(*s));
	struct cut_plan plan = { .budget = tiny_all() ? 0 : IMAGES / tiny_every() + 1, .seed = 2 };
	uint64_t failures;

	assert_non_null(s);
	pthread_mutex_init(&s->lock, NULL);
	s->op = &tiny_ops[op];
	s->noise.state = 2;
	tiny_init(&s->t, TINY_OP_DRIVES, TINY_OP_PARITY, TINY_OP_DRIVES);
	s->op->prepare(&s->t);
	tiny_image_take(&s->t, &s->before);
	s->snapshots_before = s->t.snapshots;
	record(s);
	recorder_each_cut(s->r, &plan, try_cut, s);
	printf("power cuts in %s: %llu images, %llu as before, %llu as after, %llu right and again, "
	       "%llu wrong\n",
	       s->op->name, (unsigned long long)s->images, (unsigned long long)s->as_before,
	       (unsigned long long)s->as_after, (unsigned long long)s->again,
	       (unsigned long long)s->failures);
	failures = s->failures;
	recorder_free(s->r);
	tiny_image_release(&s->before);
	tiny_release(&s->t);
	pthread_mutex_destroy(&s->lock);
	free(s);
	assert_int_equal(failures, 0);
}

static void a_command_survives_a_power_cut(void **state)
{
	sweep_op((unsigned)((const struct tiny_op *)*state - tiny_ops));
}

#define OPS_MAX 64

/* A test of each, by its name. */
int main(void)
{
	struct CMUnitTest tests[OPS_MAX] = { { .name = NULL } };

	for (unsigned i = 0; i < tiny_ops_count; i++)
		tests[i] = (struct CMUnitTest){ .name = tiny_ops[i].name,
						.test_func = a_command_survives_a_power_cut,
						.initial_state = (void *)(uintptr_t)&tiny_ops[i] };
	return _cmocka_run_group_tests("commands", tests, tiny_ops_count, NULL, NULL);
}
