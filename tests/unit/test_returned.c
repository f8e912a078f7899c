/* Drives that were away are looked through once, when they are back. */
#include "tests/support/fault_drive.h"
#include "tests/support/tiny.h"

#include "array/seen.h"
#include "array/standing.h"
#include "base/file.h"
#include "base/stop.h"
#include "care/returned.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DRIVES 3
#define AWAY 1 /* the drive that was */

struct fixture {
	struct tiny t;
	struct array *a;
	struct drive *faulty; /* lent: of drive AWAY */
	bool stops;
	struct returned_result r;
	struct error err;
};

static void stop_at_listing(void *ctx, enum fault_calls call, const char *name)
{
	const struct fixture *f = ctx;

	if (f->stops && call == FAULT_LIST && strncmp(name, "blocks/", 7) == 0)
		stop_request(SIGINT);
}

static struct drive *wrap(void *ctx, unsigned i, struct drive *inner)
{
	struct fixture *f = ctx;
	struct drive *d;

	if (i != AWAY)
		return inner;
	d = fault_drive_new(inner);
	fault_set_hook(d, stop_at_listing, f);
	f->faulty = d;
	return d;
}

static void reopen(struct fixture *f, unsigned absent, bool writing)
{
	array_close(f->a);
	f->a = NULL;
	f->t.absent = absent;
	if (tiny_open(&f->t, writing, &f->a, &f->err) != ERR_NONE)
		fail_msg("open: %s", f->err.message);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	tiny_init(&f->t, DRIVES, 1, DRIVES);
	f->t.wrap = wrap;
	f->t.wrap_ctx = f;
	tiny_file(&f->t, 0, 20000, 1, false);
	assert_int_equal(tiny_open(&f->t, true, &f->a, &f->err), ERR_NONE);
	assert_int_equal(tiny_put(&f->t, f->a, NULL, &f->err), ERR_NONE);
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

/* It was away, and is back. */
static void go_and_return(struct fixture *f)
{
	reopen(f, 1 << AWAY, false);
	assert_int_equal(f->a->drives[AWAY].returned, RETURN_AWAY);
	assert_false(returned_is_due(&f->a->drives[AWAY]));
	reopen(f, 0, true);
	assert_true(returned_is_due(&f->a->drives[AWAY]));
}

static int look(struct fixture *f, bool repair)
{
	return returned_look(f->a, &f->a->drives[AWAY], repair, &f->r, &f->err);
}

static enum standing standing(struct fixture *f)
{
	struct drive_standing s;

	assert_int_equal(standing_of(f->a, AWAY, &s, &f->err), ERR_NONE);
	return s.standing;
}

static int take_first(void *ctx, const char *name, uint64_t len_bytes)
{
	char *first = ctx;

	(void)len_bytes;
	if (first[0] == '\0')
		snprintf(first, OBJECT_NAME_MAX + 1, "%s", name);
	return 0;
}

static void lose_a_block(struct fixture *f)
{
	struct drive *d = tiny_drive(&f->t, AWAY);
	char name[OBJECT_NAME_MAX + 1] = "";

	assert_int_equal(d->driver->list(d, "blocks/", take_first, name, &f->err), ERR_NONE);
	if (name[0] == '\0')
		assert_int_equal(d->driver->list(d, "parity/", take_first, name, &f->err),
				 ERR_NONE);
	assert_true(name[0] != '\0');
	tiny_overwrite(d, name, NULL, 0);
	d->driver->close(d);
}

static void only_a_drive_that_was_away_is_due_and_only_once(void **state)
{
	struct fixture *f = *state;

	reopen(f, 0, true);
	for (unsigned i = 0; i < DRIVES; i++)
		assert_false(returned_is_due(&f->a->drives[i]));
	go_and_return(f);
	assert_false(returned_is_due(&f->a->drives[0]));
	/* However often the array is opened meanwhile. */
	reopen(f, 0, false);
	reopen(f, 0, true);
	assert_int_equal(look(f, false), ERR_NONE);
	assert_true(f->r.objects > 0);
	assert_int_equal(f->r.read, f->r.objects);
	assert_int_equal(f->r.damaged, 0);
	assert_false(returned_is_due(&f->a->drives[AWAY]));
	reopen(f, 0, true);
	assert_false(returned_is_due(&f->a->drives[AWAY]));
	assert_int_equal(standing(f), STANDING_OPTIMAL);
}

static void what_is_missing_is_put_back(void **state)
{
	struct fixture *f = *state;

	go_and_return(f);
	lose_a_block(f);
	assert_int_equal(look(f, true), ERR_NONE);
	assert_int_equal(f->r.damaged, 1);
	assert_int_equal(f->r.repaired, 1);
	assert_int_equal(standing(f), STANDING_OPTIMAL);
	array_close(f->a);
	f->a = NULL;
	assert_true(tiny_scrub_clean(&f->t));
	assert_true(tiny_check_opened(&f->t, 0));
}

static void what_is_missing_and_not_to_be_put_back_is_remembered(void **state)
{
	struct fixture *f = *state;

	go_and_return(f);
	lose_a_block(f);
	assert_int_equal(look(f, false), ERR_NONE);
	assert_int_equal(f->r.damaged, 1);
	assert_int_equal(f->r.repaired, 0);
	assert_int_equal(standing(f), STANDING_DEGRADED);
	reopen(f, 0, true);
	assert_false(returned_is_due(&f->a->drives[AWAY]));
	assert_int_equal(f->a->drives[AWAY].unrepaired, 1);
	assert_int_equal(f->a->drives[AWAY].last_scrub_s, 0);
}

/* Damage that an earlier scrub could not repair is not forgotten for what this one could. */
static void what_was_left_damaged_before_stays_known(void **state)
{
	struct fixture *f = *state;
	struct buf records = { 0 };
	struct scrub_record before = { .drive_id = f->a->drives[AWAY].id, .damaged = 5 };

	record_scrub(&records, &before);
	assert_int_equal(array_commit(f->a, &records, NULL, &f->err), ERR_NONE);
	buf_release(&records);
	go_and_return(f);
	lose_a_block(f);
	assert_int_equal(look(f, true), ERR_NONE);
	assert_int_equal(f->r.repaired, 1);
	reopen(f, 0, false);
	assert_int_equal(f->a->drives[AWAY].unrepaired, 5);
}

static void a_listing_that_leaves_out_what_is_there_is_no_damage(void **state)
{
	struct fixture *f = *state;
	const struct fault_rule lie = { .calls = FAULT_LIST, .for_ever = true,
					.effect = FAULT_LIE };

	go_and_return(f);
	fault_add(f->faulty, &lie);
	assert_int_equal(look(f, true), ERR_NONE);
	assert_true(f->r.read > 0);
	assert_int_equal(f->r.damaged, 0);
}

static void a_look_that_fails_stays_due_and_its_drive_is_recovering(void **state)
{
	struct fixture *f = *state;
	const struct fault_rule fail = { .calls = FAULT_LIST, .for_ever = true, .code = ERR_IO };

	go_and_return(f);
	assert_int_equal(standing(f), STANDING_OPTIMAL);
	fault_add(f->faulty, &fail);
	assert_int_equal(look(f, true), ERR_ABSENT); /* it is left out from then on */
	/* For every other command of this host; and away again it is absent. */
	reopen(f, 0, false);
	assert_true(returned_is_due(&f->a->drives[AWAY]));
	assert_int_equal(standing(f), STANDING_RECOVERING);
	reopen(f, 1 << AWAY, false);
	assert_int_equal(standing(f), STANDING_ABSENT);
	assert_int_equal(f->a->drives[AWAY].returned, RETURN_AWAY);
	reopen(f, 0, true);
	assert_int_equal(look(f, true), ERR_NONE);
	assert_int_equal(standing(f), STANDING_OPTIMAL);
}

static void a_look_that_is_stopped_stays_due(void **state)
{
	struct fixture *f = *state;

	go_and_return(f);
	f->stops = true;
	assert_int_equal(look(f, true), ERR_INTERRUPTED);
	f->stops = false;
	stop_request(0);
	assert_true(returned_is_due(&f->a->drives[AWAY]));
	reopen(f, 0, true);
	assert_true(returned_is_due(&f->a->drives[AWAY]));
	assert_int_equal(look(f, true), ERR_NONE);
}

static void seen_path(struct fixture *f, char *path, size_t size)
{
	snprintf(path, size, "%s/drives.json", f->t.state_path);
}

static void without_a_state_file_nothing_fails(void **state)
{
	struct fixture *f = *state;
	char path[512];

	seen_path(f, path, sizeof(path));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	reopen(f, 1 << AWAY, false);
	assert_int_equal(f->a->drives[AWAY].returned, RETURN_AWAY);
	reopen(f, 0, true);
	assert_false(returned_is_due(&f->a->drives[AWAY]));
	f->a->drives[AWAY].returned = RETURN_AWAY;
	assert_int_equal(look(f, true), ERR_NONE);
	assert_false(returned_is_due(&f->a->drives[AWAY]));
	assert_int_equal(rmdir(path), 0);
}

static void a_state_file_that_says_nonsense_is_made_anew(void **state)
{
	static const char *const texts[] = { "{ garbage", "[]", "{\"%s\": 5}",
					     "{\"%s\": {\"returned\": \"never\"}}",
					     "{\"%s\": {\"returned\": 1, \"since\": \"x\"}}" };
	struct fixture *f = *state;
	char path[512], text[512], hex[ID_HEX_BYTES];

	seen_path(f, path, sizeof(path));
	hex_encode(f->a->drives[AWAY].id.b, ID_BYTES, hex);
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *at = strstr(texts[i], "%s");

		snprintf(text, sizeof(text), "%.*s%s%s", at ? (int)(at - texts[i]) : 0, texts[i],
			 at ? hex : "", at ? at + 2 : texts[i]);
		assert_int_equal(file_store(path, text, strlen(text), &f->err), ERR_NONE);
		reopen(f, 0, true);
		assert_false(returned_is_due(&f->a->drives[AWAY]));
		go_and_return(f);
		assert_int_equal(look(f, false), ERR_NONE);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(only_a_drive_that_was_away_is_due_and_only_once),
		T(what_is_missing_is_put_back),
		T(what_is_missing_and_not_to_be_put_back_is_remembered),
		T(what_was_left_damaged_before_stays_known),
		T(a_listing_that_leaves_out_what_is_there_is_no_damage),
		T(a_look_that_fails_stays_due_and_its_drive_is_recovering),
		T(a_look_that_is_stopped_stays_due),
		T(without_a_state_file_nothing_fails),
		T(a_state_file_that_says_nonsense_is_made_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
