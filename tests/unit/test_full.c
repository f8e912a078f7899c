/*
 * Drives that are found to be full only when they are written to, as remote ones are: where no
 * other takes what was meant for them, that is out of space, whatever else is absent.
 */
#include "array/array.h"
#include "tests/support/fault_drive.h"
#include "tests/support/tiny.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DRIVES 2

struct bench {
	struct tiny t;
	struct fault_rule rules[DRIVES];
};

static struct drive *wrap(void *ctx, unsigned i, struct drive *inner)
{
	struct bench *b = ctx;
	struct drive *d = fault_drive_new(inner);

	if (b->rules[i].calls)
		fault_add(d, &b->rules[i]);
	return d;
}

static struct bench *bench_new(unsigned parity)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	tiny_init(&b->t, parity + 1, parity, 0);
	b->t.wrap = wrap;
	b->t.wrap_ctx = b;
	tiny_file(&b->t, 0, 20000, 1, false);
	return b;
}

static void bench_free(struct bench *b)
{
	tiny_release(&b->t);
	free(b);
}

/* What a put says, with these faults. */
static struct error put(struct bench *b)
{
	struct array *a = NULL;
	struct error err;

	if (tiny_open(&b->t, true, &a, &err) == ERR_NONE)
		assert_int_not_equal(tiny_put(&b->t, a, NULL, &err), ERR_NONE);
	array_close(a);
	return err;
}

static void assert_says(const struct error *err, enum err_code code, const char *what)
{
	if (err->code != code || !strstr(err->message, what))
		fail_msg("%d, not %d: %s", err->code, code, err->message);
}

static void a_put_that_finds_its_only_drive_full_is_out_of_space_and_names_it(void **state)
{
	static const struct fault_rule rules[] = {
		{.calls = FAULT_PUT, .prefix = "blocks", .for_ever = true, .code = ERR_FULL},
		{.calls = FAULT_PUT, .prefix = "journal", .for_ever = true, .code = ERR_FULL},
		{.calls = FAULT_SYNC, .for_ever = true, .code = ERR_FULL},
	};
	struct error err;

	(void)state;
	for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct bench *b = bench_new(0);

		b->rules[0] = rules[i];
		err = put(b);
		assert_says(&err, ERR_FULL, ": drive d0 is full: ");
		assert_null(strstr(err.message, "is full: drive"));
		memset(b->rules, 0, sizeof(b->rules));
		assert_true(tiny_check_opened(&b->t, 0)); /* nothing was half committed */
		bench_free(b);
	}
}

static void one_drive_full_and_the_others_absent_is_out_of_space(void **state)
{
	struct bench *b = bench_new(1);
	struct error err;

	(void)state;
	b->t.absent = 1;
	b->rules[1] = (struct fault_rule){.calls = FAULT_PUT, .for_ever = true, .code = ERR_FULL};
	err = put(b);
	assert_says(&err, ERR_FULL, "drive d1 is full: ");
	bench_free(b);
}

static void a_drive_that_fails_otherwise_is_not_called_full(void **state)
{
	struct bench *b = bench_new(0);
	struct error err;

	(void)state;
	b->rules[0] = (struct fault_rule){
		.calls = FAULT_PUT, .prefix = "blocks", .for_ever = true, .code = ERR_DENIED};
	err = put(b);
	assert_says(&err, ERR_ABSENT, "no usable drive takes data");
	bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_put_that_finds_its_only_drive_full_is_out_of_space_and_names_it),
		cmocka_unit_test(one_drive_full_and_the_others_absent_is_out_of_space),
		cmocka_unit_test(a_drive_that_fails_otherwise_is_not_called_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
