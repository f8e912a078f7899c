/* Rates hold, each by itself and all together. */
#include "base/clock.h"
#include "net/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#define PIECE 16384
#define RATE 10000000

/* Within 10 % of what the rate and the 100 ms of the bucket allow. */
static void assert_took(uint64_t us, uint64_t bytes, uint64_t bytes_per_s)
{
	uint64_t want_us = bytes * 1000000 / bytes_per_s - 100000;

	assert_in_range(us, want_us * 9 / 10, want_us * 11 / 10);
}

/* Booking many pieces at once tells when the last may move: no need to wait for it. */
static uint64_t book(struct limit *l, uint64_t bytes)
{
	uint64_t us = 0;
	size_t piece = limit_piece_bytes(l, PIECE);

	for (uint64_t done = 0; done < bytes; done += piece)
		us = limit_book_us(l, piece);
	return us;
}

static void a_rate_holds(void **state)
{
	static const uint64_t rates[] = { 2000, 100000, 2000000, 10000000, 1000000000 };

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct limit *l = limit_new(rates[i], NULL);

		assert_took(book(l, rates[i] * 20), rates[i] * 20, rates[i]);
		limit_free(l);
	}
}

static void waiting_takes_the_time_that_bytes_take(void **state)
{
	struct limit *l = limit_new(RATE, NULL);
	uint64_t began_us = clock_us();

	(void)state;
	for (unsigned bytes = 0; bytes < RATE / 2; bytes += PIECE)
		limit_wait(l, PIECE);
	assert_in_range(clock_us() - began_us, 380000, 10000000); /* a busy machine takes its time */
	limit_free(l);
}

static void an_idle_bucket_gives_away_100_ms(void **state)
{
	struct limit *l = NULL;
	uint64_t began_us, third_us;

	(void)state;
	do { /* until the machine is not too busy to tell */
		limit_free(l);
		l = limit_new(RATE, NULL);
		began_us = clock_us();
		assert_int_equal(limit_book_us(l, RATE / 10), 0);
		assert_in_range(limit_book_us(l, RATE / 10), 0, 100);
		third_us = limit_book_us(l, 1);
	} while (clock_us() - began_us > 10000);
	assert_in_range(third_us, 90000, 100001);
	clock_sleep_until_us(clock_us() + 400000);
	assert_int_equal(limit_book_us(l, RATE / 10), 0);
	assert_in_range(limit_book_us(l, 1), 0, 100);
	limit_free(l);
}

static void the_limit_above_binds_all(void **state)
{
	struct limit *above = limit_new(RATE, NULL);
	struct limit *a = limit_new(2 * (uint64_t)RATE, above), *b = limit_new(0, above);
	struct limit *slow = limit_new(RATE / 10, above);
	uint64_t us = 0;

	(void)state;
	for (unsigned bytes = 0; bytes < 20 * RATE; bytes += 2 * PIECE) {
		limit_book_us(a, PIECE);
		us = limit_book_us(b, PIECE);
	}
	assert_took(us, 20 * (uint64_t)RATE, RATE);
	limit_free(a);
	limit_free(b);
	limit_free(slow);
	limit_free(above);
}

static void a_limit_below_binds_itself_alone(void **state)
{
	struct limit *above = limit_new(RATE, NULL);
	struct limit *slow = limit_new(RATE / 10, above), *other = limit_new(0, above);

	(void)state;
	assert_took(book(slow, 2 * (uint64_t)RATE), 2 * (uint64_t)RATE, RATE / 10);
	assert_took(book(other, RATE), 3 * (uint64_t)RATE, RATE);
	limit_free(slow);
	limit_free(other);
	limit_free(above);
}

static void no_limit_never_waits(void **state)
{
	struct limit *l = limit_new(0, NULL);

	(void)state;
	assert_int_equal(limit_book_us(NULL, SIZE_MAX), 0);
	assert_int_equal(limit_book_us(l, SIZE_MAX), 0);
	limit_wait(NULL, 1);
	assert_false(limit_binds(NULL));
	assert_false(limit_binds(l));
	assert_int_equal(limit_piece_bytes(l, 1 << 20), 1 << 20);
	assert_int_equal(limit_piece_bytes(NULL, 7), 7);
	limit_free(l);
	limit_free(NULL);
}

static void a_piece_moves_in_100_ms(void **state)
{
	struct limit *above = limit_new(100000, NULL), *l = limit_new(0, above);
	struct limit *fast = limit_new(1000000000, NULL), *slow = limit_new(1, fast);

	(void)state;
	assert_true(limit_binds(l));
	assert_int_equal(limit_piece_bytes(l, 1 << 20), 10000);
	assert_int_equal(limit_piece_bytes(l, 100), 100);
	assert_int_equal(limit_piece_bytes(fast, 1 << 20), LIMIT_PIECE_BYTES_MAX);
	assert_int_equal(limit_piece_bytes(slow, 1 << 20), 1024);
	limit_free(l);
	limit_free(above);
	limit_free(slow);
	limit_free(fast);
}

static void *book_much(void *l)
{
	book(l, 10 * (uint64_t)RATE);
	return NULL;
}

static void threads_share_it(void **state)
{
	struct limit *above = limit_new(RATE, NULL), *l = limit_new(0, above);
	pthread_t ids[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&ids[i], NULL, book_much, i % 2 ? l : above), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(ids[i], NULL);
	assert_took(limit_book_us(l, 1), 40 * (uint64_t)RATE, RATE);
	limit_free(l);
	limit_free(above);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_holds),
		cmocka_unit_test(waiting_takes_the_time_that_bytes_take),
		cmocka_unit_test(an_idle_bucket_gives_away_100_ms),
		cmocka_unit_test(the_limit_above_binds_all),
		cmocka_unit_test(a_limit_below_binds_itself_alone),
		cmocka_unit_test(no_limit_never_waits),
		cmocka_unit_test(a_piece_moves_in_100_ms),
		cmocka_unit_test(threads_share_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
