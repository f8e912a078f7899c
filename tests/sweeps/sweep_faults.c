/*
 * Drives that fail: no space, I/O errors, read-only, short writes, lost answers, at the N-th call
 * and once or for ever, in every command. Whatever happens to it, a command either says that it
 * failed or has done its work; snapshots of before restore; what was promised holds with any 2
 * drives gone; and on healthy drives the same command then succeeds and leaves nothing damaged.
 * What fails is named so that it can be played again:
 *	MRMR_SWEEP_CASE='rebuild, two full, 4, 3' build/tests/sweeps/sweep_faults
 * is the case of that command and mode at call 4 of drive 3. MRMR_SWEEP_SEED gives all cases other
 * keys, ids and bytes.
 */
#include "tests/support/fault_drive.h"
#include "tests/support/noise.h"
#include "tests/support/seeded.h"
#include "tests/support/tiny_op.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CASES 120 /* of a command in the normal run, about */
#define COMPLAINTS_MAX 10

struct mode {
	const char *name;
	struct fault_rule rule;
	bool two_drives;
	bool silent; /* a drive that lies: what it holds counts as damaged */
};

static const struct mode modes[] = {
	{ "full once", { .calls = FAULT_WRITES, .code = ERR_FULL }, false, false },
	{ "full", { .calls = FAULT_WRITES, .code = ERR_FULL, .for_ever = true }, false, false },
	{ "EIO once", { .calls = FAULT_ANY, .code = ERR_IO }, false, false },
	{ "EIO", { .calls = FAULT_ANY, .code = ERR_IO, .for_ever = true }, false, false },
	{ "read-only", { .calls = FAULT_WRITES, .code = ERR_READONLY, .for_ever = true }, false,
	  false },
	{ "gone", { .calls = FAULT_ANY, .code = ERR_TRANSIENT, .for_ever = true }, false, false },
	{ "answer lost", { .calls = FAULT_WRITES, .effect = FAULT_FAIL_AFTER, .code = ERR_IO },
	  false, false },
	{ "short write", { .calls = FAULT_PUT, .effect = FAULT_TEAR, .code = ERR_FULL, .at = 100 },
	  false, false },
	{ "short write unnoticed", { .calls = FAULT_PUT, .effect = FAULT_TEAR, .at = 100 }, false,
	  true },
	{ "wrong bit unnoticed", { .calls = FAULT_PUT, .effect = FAULT_FLIP, .at = 777 }, false,
	  true },
	{ "two full", { .calls = FAULT_WRITES, .code = ERR_FULL, .for_ever = true }, true, false },
	{ "two gone", { .calls = FAULT_ANY, .code = ERR_IO, .for_ever = true }, true, false },
};
#define MODES (sizeof(modes) / sizeof(modes[0]))

struct sweep {
	struct tiny t;
	const struct tiny_op *op;
	struct tiny_image image;
	struct noise noise;
	/* the case */
	const struct mode *mode;
	unsigned drive, other; /* that fail */
	uint64_t nth;
	bool counting;
	bool keeps; /* without faults the command ends with the promise kept */
	uint64_t calls[MODES][TINY_DRIVES_MAX]; /* of the mode's kinds */
	struct drive *open[TINY_DRIVES_MAX];
	/* counts */
	uint64_t cases, failed_cleanly, done, kept, again, failures;
	unsigned turn;
	char name[128]; /* of the case */
};

/* ---- faults ---- */

static bool is_hit(const struct sweep *s, unsigned i)
{
	return i == s->drive || (s->mode->two_drives && i == s->other);
}

static struct drive *wrap(void *ctx, unsigned i, struct drive *inner)
{
	struct sweep *s = ctx;
	struct drive *d = fault_drive_new(inner);
	struct fault_rule rule = s->mode->rule;

	rule.nth = s->nth;
	if (s->counting)
		s->open[i] = d;
	else if (is_hit(s, i))
		fault_add(d, &rule);
	return d;
}

/* How many calls of each mode's kinds each drive gets when nothing fails. */
static void count_calls(struct sweep *s)
{
	struct array *a;
	struct error err;

	tiny_image_restore(&s->t, &s->image);
	memset(s->open, 0, sizeof(s->open));
	s->counting = true;
	s->mode = &modes[0]; /* not used */
	s->t.wrap = wrap;
	s->t.wrap_ctx = s;
	s->t.absent = s->op->absent;
	s->t.strict = !s->op->mends;
	if (tiny_open(&s->t, true, &a, &err) != ERR_NONE ||
	    s->op->run(&s->t, a, &s->keeps, &err) != ERR_NONE)
		fail_msg("%s without faults: %s", s->op->name, err.message);
	for (unsigned m = 0; m < MODES; m++) {
		for (unsigned i = 0; i < TINY_DRIVES_MAX; i++)
			s->calls[m][i] =
				s->open[i] ? fault_count(s->open[i], modes[m].rule.calls) : 0;
	}
	array_close(a);
	s->counting = false;
	s->t.wrap = NULL;
}

/* ---- judging ---- */

/* Snapshots restore with drives gone: so many, or two of which the failing ones are the first. One
 * choice per case: all come over a sweep. */
static bool bears_loss(struct sweep *s, unsigned spare, bool failing_first, unsigned more)
{
	unsigned was = s->t.absent, gone = 0;

	if (failing_first)
		gone = 1u << s->drive | (s->mode->two_drives ? 1u << s->other : 0);
	while ((unsigned)__builtin_popcount(gone) < spare)
		gone |= 1u << noise_below(&s->noise, TINY_OP_DRIVES);
	s->t.absent |= gone;
	if (!tiny_check_opened(&s->t, more)) {
		char why[TINY_WHY_BYTES];

		snprintf(why, sizeof(why), "%s", s->t.why);
		s->t.absent = was;
		return tiny_says(&s->t, "without drives %x: %.900s", was | gone, why);
	}
	s->t.absent = was;
	return true;
}

static bool keeps_promise(struct sweep *s, bool done, bool promise, unsigned more)
{
	unsigned spare = done ? s->t.spare : s->op->whole ? TINY_OP_PARITY : 0;

	if (spare > TINY_OP_PARITY)
		spare = TINY_OP_PARITY;
	if (s->mode->silent && spare > 0)
		spare--;
	if (!bears_loss(s, spare, false, more))
		return false;
	return !done || !promise || bears_loss(s, TINY_OP_PARITY, true, more);
}

static bool runs_again(struct sweep *s, bool done)
{
	struct error err;
	bool promise;

	if (done && s->op->once)
		return true;
	if (tiny_op_run(&s->t, s->op, &promise, &err) != ERR_NONE)
		return tiny_says(&s->t, "again: %s", err.message);
	return true;
}

static bool ends_whole(struct sweep *s)
{
	struct error err;
	struct array *a;
	bool promise = false;

	if (!tiny_scrub_clean(&s->t))
		return false;
	/* What the next command that writes would do. */
	if (tiny_open(&s->t, true, &a, &err) != ERR_NONE)
		return tiny_says(&s->t, "open at the end: %s", err.message);
	if (tiny_ops[tiny_ops_count - 1].run(&s->t, a, &promise, &err) != ERR_NONE)
		tiny_says(&s->t, "debts at the end: %s", err.message);
	array_close(a);
	if (!promise && s->keeps)
		return tiny_says(&s->t, "the promise is not kept at the end");
	return tiny_scrub_clean(&s->t) && tiny_check_opened(&s->t, 1);
}

static void complain(struct sweep *s, const char *step, int code, const struct error *err)
{
	if (s->failures++ >= COMPLAINTS_MAX)
		return;
	fprintf(stderr, "'%s' (and drive %u): %s: %s (it said %d: %s; told: %s)\n", s->name,
		s->mode->two_drives ? s->other : s->drive, step, s->t.why, code,
		code == ERR_NONE ? "done" : err->message, s->t.warning);
}

static void try_case(struct sweep *s)
{
	struct error err = { .code = ERR_NONE };
	bool promise = false, done;
	unsigned more;
	int code;

	tiny_image_restore(&s->t, &s->image);
	s->t.absent = s->op->absent;
	s->t.why[0] = s->t.warning[0] = '\0';
	s->cases++;
	s->t.wrap = wrap;
	code = tiny_op_run(&s->t, s->op, &promise, &err);
	s->t.wrap = NULL;
	done = code == ERR_NONE;
	s->done += done;
	s->failed_cleanly += !done && err.code == (enum err_code)code && err.message[0];
	more = done ? 0 : s->op->snapshots;
	if (!done && (err.code != (enum err_code)code || !err.message[0]))
		complain(s, "an error without a reason", code, &err);
	else if (!done && s->t.why[0])
		complain(s, "while running", code, &err);
	else if (!tiny_check_opened(&s->t, more))
		complain(s, "afterwards", code, &err);
	else if (!keeps_promise(s, done, promise, more))
		complain(s, "promise", code, &err);
	else if (!runs_again(s, done))
		complain(s, "run again", code, &err);
	else if (!tiny_check_opened(&s->t, more))
		complain(s, "after running again", code, &err);
	else if (!ends_whole(s))
		complain(s, "in the end", code, &err);
	else
		s->again++;
	s->kept += done && promise;
}

/* Each case begins with the same randomness in every run. */
static void begin_case(struct sweep *s)
{
	uint64_t seed = tiny_seed() + (s->drive + 1) * 1000 + s->nth;

	for (const char *c = s->mode->name; *c; c++)
		seed = seed * 31 + (uint8_t)*c;
	seeded_from(seed);
	s->noise.state = seed;
	s->other = (s->drive + 1 + (unsigned)noise_below(&s->noise, 3)) % TINY_OP_DRIVES;
	snprintf(s->name, sizeof(s->name), "%s, %s, %llu, %u", s->op->name, s->mode->name,
		 (unsigned long long)s->nth, s->drive);
}

static void sweep_mode(struct sweep *s, unsigned stride)
{
	const char *only = getenv("MRMR_SWEEP_CASE");
	const uint64_t *calls = s->calls[s->mode - modes];

	for (s->drive = 0; s->drive < TINY_DRIVES_MAX; s->drive++) {
		for (s->nth = 1; s->nth <= calls[s->drive]; s->nth++) {
			begin_case(s);
			if (only ? strcmp(only, s->name) == 0 : s->turn++ % stride == 0)
				try_case(s);
		}
	}
}

static unsigned stride_for(struct sweep *s)
{
	uint64_t all = 0;

	count_calls(s);
	for (unsigned m = 0; m < MODES; m++) {
		for (unsigned d = 0; d < TINY_DRIVES_MAX; d++)
			all += s->calls[m][d];
	}
	return tiny_all() ? 1 : (unsigned)(all / CASES + 1) * tiny_every();
}

static void sweep_op(const struct tiny_op *op)
{
	struct sweep *s = calloc(1, sizeof(*s));
	unsigned stride;
	uint64_t failures;

	assert_non_null(s);
	s->op = op;
	seeded_from(tiny_seed());
	tiny_init(&s->t, TINY_OP_DRIVES, TINY_OP_PARITY, TINY_OP_DRIVES);
	op->prepare(&s->t);
	tiny_image_take(&s->t, &s->image);
	stride = stride_for(s);
	for (unsigned i = 0; i < MODES; i++) {
		s->mode = &modes[i];
		sweep_mode(s, stride);
	}
	printf("faults in %s: %llu cases, %llu done (%llu with the promise kept), %llu failed "
	       "cleanly, %llu right afterwards and again, %llu wrong\n",
	       op->name, (unsigned long long)s->cases, (unsigned long long)s->done,
	       (unsigned long long)s->kept, (unsigned long long)s->failed_cleanly,
	       (unsigned long long)s->again, (unsigned long long)s->failures);
	failures = s->failures;
	tiny_image_release(&s->image);
	tiny_release(&s->t);
	free(s);
	assert_int_equal(failures, 0);
}

static void a_command_survives_failing_drives(void **state)
{
	sweep_op(*state);
}

#define OPS_MAX 64

/* A test of each, by its name. */
int main(void)
{
	struct CMUnitTest tests[OPS_MAX] = { { .name = NULL } };

	for (unsigned i = 0; i < tiny_ops_count; i++)
		tests[i] = (struct CMUnitTest){ .name = tiny_ops[i].name,
						.test_func = a_command_survives_failing_drives,
						.initial_state = (void *)(uintptr_t)&tiny_ops[i] };
	seeded_start();
	return _cmocka_run_group_tests("commands", tests, tiny_ops_count, NULL, NULL);
}
