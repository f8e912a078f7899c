/* Scrub takes a drive back whose marker is damaged, if its place proves to be that drive's. */
#include "tests/support/tiny.h"

#include "care/scrub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DRIVES 3

struct fixture {
	struct tiny t;
	struct tiny_image before;
	struct array *a;
	struct scrub_result r;
	struct error err;
};

static int setup_array(void **state, bool with_blocks)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	tiny_init(&f->t, DRIVES, 1, DRIVES);
	if (with_blocks) {
		tiny_file(&f->t, 0, 20000, 1, false);
		assert_int_equal(tiny_open(&f->t, true, &f->a, &f->err), ERR_NONE);
		assert_int_equal(tiny_put(&f->t, f->a, NULL, &f->err), ERR_NONE);
		array_close(f->a);
		f->a = NULL;
	}
	tiny_image_take(&f->t, &f->before);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_array(state, true);
}

static int setup_new(void **state)
{
	return setup_array(state, false);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	array_close(f->a);
	tiny_image_release(&f->before);
	tiny_release(&f->t);
	free(f);
	return 0;
}

/* NULL: the marker is removed. */
static void mark(struct fixture *f, unsigned drive, const char *text, size_t len_bytes)
{
	struct drive *d = tiny_drive(&f->t, drive);

	tiny_overwrite(d, MARKER_NAME, text, len_bytes);
	d->driver->close(d);
}

static const struct buf *marker_before(struct fixture *f, unsigned drive)
{
	const struct tiny_object *o = tiny_place_find(&f->before.drives[drive], MARKER_NAME);

	assert_non_null(o);
	return &o->bytes;
}

static bool marker_is(struct fixture *f, unsigned drive, const struct buf *want)
{
	struct drive *d = tiny_drive(&f->t, drive);
	struct tiny_place now;
	const struct tiny_object *o;
	bool yes;

	tiny_place_load(d, &now);
	o = tiny_place_find(&now, MARKER_NAME);
	yes = want ? o && o->bytes.len_bytes == want->len_bytes &&
			     memcmp(o->bytes.data, want->data, want->len_bytes) == 0
		   : !o;
	tiny_place_release(&now);
	d->driver->close(d);
	return yes;
}

static unsigned in_quarantine(struct fixture *f, unsigned drive)
{
	struct drive *d = tiny_drive(&f->t, drive);
	struct tiny_place now;
	unsigned n = 0;

	tiny_place_load(d, &now);
	for (size_t i = 0; i < now.count; i++)
		n += strncmp(now.objects[i].name, "quarantine/", 11) == 0;
	tiny_place_release(&now);
	d->driver->close(d);
	return n;
}

static void scrub_it(struct fixture *f, bool repair)
{
	struct scrub_options o = { .repair = repair, .grace_s = 86400 };

	if (tiny_open(&f->t, true, &f->a, &f->err) != ERR_NONE)
		fail_msg("open: %s", f->err.message);
	if (scrub(f->a, &o, &f->r, &f->err) != ERR_NONE)
		fail_msg("scrub: %s", f->err.message);
}

/* Drive 0's place holds what drive 1's does, and the other way round. */
static void swap_places(struct fixture *f)
{
	for (unsigned i = 0; i < 2; i++) {
		struct drive *d = tiny_drive(&f->t, i);

		tiny_place_restore(d, &f->before.drives[1 - i]);
		d->driver->close(d);
	}
}

static void a_drive_with_a_damaged_marker_takes_part_again(void **state)
{
	struct fixture *f = *state;

	mark(f, 1, "{ garbage", 9);
	scrub_it(f, true);
	assert_int_equal(f->a->drives[1].presence, DRIVE_PRESENT);
	assert_true(f->r.drives[1].scrubbed);
	assert_int_equal(f->r.damaged, 1);
	assert_int_equal(f->r.repaired, 1);
	assert_true(marker_is(f, 1, marker_before(f, 1)));
	assert_int_equal(in_quarantine(f, 1), 1);
}

static void a_drive_that_lost_its_marker_takes_part_again(void **state)
{
	struct fixture *f = *state;

	mark(f, 1, NULL, 0);
	scrub_it(f, true);
	assert_int_equal(f->a->drives[1].presence, DRIVE_PRESENT);
	assert_int_equal(f->r.repaired, 1);
	assert_true(marker_is(f, 1, marker_before(f, 1)));
	assert_int_equal(in_quarantine(f, 1), 0);
}

static void a_marker_with_one_wrong_id_is_a_damaged_one(void **state)
{
	static const char *const ids[] = { "\"array_id\"", "\"drive_id\"", "\"mac\"" };

	for (unsigned i = 0; i < 3; i++) {
		struct fixture *f = *state;
		const struct buf *right = marker_before(f, 1);
		char *text = malloc(right->len_bytes + 1), *at;

		assert_non_null(text);
		memcpy(text, right->data, right->len_bytes);
		text[right->len_bytes] = '\0';
		at = strstr(text, ids[i]) + strlen(ids[i]);
		at = strpbrk(at, "0123456789abcdef");
		*at = *at == '1' ? '2' : '1';
		mark(f, 1, text, right->len_bytes);
		scrub_it(f, true);
		assert_int_equal(f->r.repaired, 1);
		assert_true(marker_is(f, 1, right));
		array_close(f->a);
		f->a = NULL;
		free(text);
	}
}

static void without_blocks_a_journal_of_the_array_proves_the_place(void **state)
{
	struct fixture *f = *state;

	mark(f, 1, "{ garbage", 9);
	scrub_it(f, true);
	assert_int_equal(f->a->drives[1].presence, DRIVE_PRESENT);
	assert_true(marker_is(f, 1, marker_before(f, 1)));
}

static void an_empty_mount_point_is_never_marked(void **state)
{
	struct fixture *f = *state;
	struct tiny_place nothing = { .count = 0 };
	struct drive *d = tiny_drive(&f->t, 1);

	tiny_place_restore(d, &nothing);
	d->driver->close(d);
	scrub_it(f, true);
	assert_int_equal(f->a->drives[1].presence, DRIVE_ABSENT);
	assert_false(f->r.drives[1].scrubbed);
	assert_true(marker_is(f, 1, NULL));
}

static void journals_alone_prove_nothing_where_blocks_are_expected(void **state)
{
	struct fixture *f = *state;
	struct drive *d = tiny_drive(&f->t, 1);

	for (size_t i = 0; i < f->before.drives[1].count; i++) {
		const char *name = f->before.drives[1].objects[i].name;

		if (strncmp(name, "journal/", 8) != 0)
			tiny_overwrite(d, name, NULL, 0);
	}
	d->driver->close(d);
	scrub_it(f, true);
	assert_int_equal(f->a->drives[1].presence, DRIVE_ABSENT);
	assert_true(marker_is(f, 1, NULL));
}

static void places_that_were_swapped_and_lost_their_markers_stay_out(void **state)
{
	struct fixture *f = *state;

	swap_places(f);
	mark(f, 0, NULL, 0);
	mark(f, 1, NULL, 0);
	scrub_it(f, true);
	assert_int_equal(f->a->drives[0].presence, DRIVE_ABSENT);
	assert_int_equal(f->a->drives[1].presence, DRIVE_ABSENT);
	assert_true(marker_is(f, 0, NULL));
	assert_true(marker_is(f, 1, NULL));
}

static void a_drive_found_at_another_place_is_not_marked_a_second_time(void **state)
{
	struct fixture *f = *state;
	struct drive *d = tiny_drive(&f->t, 0);
	struct array *a;

	/* Drive 1 is at drive 0's place; its own place has its objects, but no marker. */
	tiny_place_restore(d, &f->before.drives[1]);
	d->driver->close(d);
	mark(f, 1, NULL, 0);
	assert_int_equal(tiny_open(&f->t, true, &a, &f->err), ERR_UNSAFE);
	assert_true(marker_is(f, 1, NULL));
}

static void another_arrays_marker_is_not_touched(void **state)
{
	static const char other[] =
		"{\n \"format\": 1,\n \"array_id\": \"00112233445566778899aabbccddeeff\",\n"
		" \"drive_id\": \"00112233445566778899aabbccddeeff\",\n \"mac\": "
		"\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"\n}\n";
	struct fixture *f = *state;
	struct array *a;

	mark(f, 1, other, sizeof(other) - 1);
	assert_int_equal(tiny_open(&f->t, true, &a, &f->err), ERR_UNSAFE);
}

static void other_writing_commands_stop_at_a_damaged_marker(void **state)
{
	struct fixture *f = *state;
	struct array *a;

	f->t.strict = true;
	mark(f, 1, "{ garbage", 9);
	assert_int_equal(tiny_open(&f->t, true, &a, &f->err), ERR_UNSAFE);
	assert_non_null(strstr(f->err.message, "scrub can mend it"));
}

static void without_repair_the_damage_is_counted_and_stays(void **state)
{
	struct fixture *f = *state;
	const struct buf garbage = { .data = (uint8_t *)(uintptr_t) "{ garbage", .len_bytes = 9 };

	mark(f, 1, "{ garbage", 9);
	scrub_it(f, false);
	assert_int_equal(f->r.damaged, 1);
	assert_int_equal(f->r.repaired, 0);
	assert_int_equal(f->a->drives[1].presence, DRIVE_FOREIGN);
	assert_true(marker_is(f, 1, &garbage));
}

static void a_drive_that_was_not_chosen_is_left_alone(void **state)
{
	struct fixture *f = *state;
	const char *const chosen[] = { "d0", NULL };
	struct scrub_options o = { .drives = chosen, .repair = true };

	mark(f, 1, NULL, 0);
	assert_int_equal(tiny_open(&f->t, true, &f->a, &f->err), ERR_NONE);
	assert_int_equal(scrub(f->a, &o, &f->r, &f->err), ERR_NONE);
	assert_true(marker_is(f, 1, NULL));
}

/* Journals: a segment that a drive once had is missing there. */
static void of_a_rolled_back_drive_only_what_it_lacks_is_damage(void **state)
{
	struct fixture *f = *state;
	struct drive *d = tiny_drive(&f->t, 1);

	for (size_t i = 0; i < f->before.drives[1].count; i++) {
		const char *name = f->before.drives[1].objects[i].name;

		if (strncmp(name, "journal/", 8) == 0) {
			tiny_overwrite(d, name, NULL, 0);
			break;
		}
	}
	d->driver->close(d);
	scrub_it(f, true);
	assert_int_equal(f->r.damaged, 1);
	assert_int_equal(f->r.repaired, 1);
	assert_int_equal(f->a->drives[1].presence, DRIVE_PRESENT);
}

#define ON(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define ON_NEW(f) cmocka_unit_test_setup_teardown(f, setup_new, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(a_drive_with_a_damaged_marker_takes_part_again),
		ON(a_drive_that_lost_its_marker_takes_part_again),
		ON(a_marker_with_one_wrong_id_is_a_damaged_one),
		ON_NEW(without_blocks_a_journal_of_the_array_proves_the_place),
		ON(an_empty_mount_point_is_never_marked),
		ON(journals_alone_prove_nothing_where_blocks_are_expected),
		ON(places_that_were_swapped_and_lost_their_markers_stay_out),
		ON(a_drive_found_at_another_place_is_not_marked_a_second_time),
		ON(another_arrays_marker_is_not_touched),
		ON(other_writing_commands_stop_at_a_damaged_marker),
		ON(without_repair_the_damage_is_counted_and_stays),
		ON(a_drive_that_was_not_chosen_is_left_alone),
		ON(of_a_rolled_back_drive_only_what_it_lacks_is_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
