#include "group/coef.h"
#include "tests/support/noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* The field from its definition, bit by bit: 0x11d is x^8 + x^4 + x^3 + x^2 + 1. */
static uint8_t slow_mul(uint8_t a, uint8_t b)
{
	unsigned product = 0;

	for (unsigned bit = 0; bit < 8; bit++)
		if (b >> bit & 1)
			product ^= (unsigned)a << bit;
	for (unsigned bit = 14; bit >= 8; bit--)
		if (product >> bit & 1)
			product ^= 0x11du << (bit - 8);
	return (uint8_t)product;
}

static uint8_t slow_inverse(uint8_t a)
{
	for (unsigned b = 1; b < 256; b++)
		if (slow_mul(a, (uint8_t)b) == 1)
			return (uint8_t)b;
	return 0;
}

static uint8_t slow_coef(unsigned row, unsigned slot)
{
	uint8_t x = 1, y = row == 1 ? 0 : 1, half = 0x8e; /* 2 * 0x8e = 1 */

	if (row == 0)
		return 1;
	for (unsigned i = 0; i < slot; i++)
		x = slow_mul(x, half);
	for (unsigned j = 2; j <= row; j++)
		y = slow_mul(y, 2);
	return slow_mul(slow_inverse(x ^ y), 1 ^ y);
}

static void every_coefficient_is_the_formula(void **state)
{
	(void)state;
	for (unsigned row = 0; row < GROUP_ROWS_MAX; row++)
		for (unsigned slot = 0; slot < GROUP_SLOTS_MAX; slot++)
			assert_int_equal(group_coef(row, slot), slow_coef(row, slot));
}

static void row_zero_and_slot_zero_are_all_ones(void **state)
{
	(void)state;
	for (unsigned slot = 0; slot < GROUP_SLOTS_MAX; slot++)
		assert_int_equal(group_coef(0, slot), 1);
	for (unsigned row = 0; row < GROUP_ROWS_MAX; row++)
		assert_int_equal(group_coef(row, 0), 1);
}

/* The numbers are a format: these few would move with any change of it. */
static void known_coefficients_never_change(void **state)
{
	static const struct {
		uint8_t row, slot, coef;
	} known[] = {
		{1, 1, 0x02}, {1, 2, 0x04}, {1, 8, 0x1d},    {2, 1, 0xf5},
		{2, 2, 0xd2}, {3, 1, 0xbb}, {16, 238, 0x09},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_int_equal(group_coef(known[i].row, known[i].slot), known[i].coef);
}

static int determinant_is_zero(uint8_t square[GROUP_ROWS_MAX][GROUP_ROWS_MAX], unsigned n)
{
	for (unsigned c = 0; c < n; c++) {
		unsigned pivot = c;
		uint8_t scale;

		while (pivot < n && square[pivot][c] == 0)
			pivot++;
		if (pivot == n)
			return 1;
		for (unsigned j = 0; j < n; j++) {
			uint8_t kept = square[c][j];

			square[c][j] = square[pivot][j];
			square[pivot][j] = kept;
		}
		scale = slow_inverse(square[c][c]);
		for (unsigned r = c + 1; r < n; r++) {
			uint8_t factor = slow_mul(square[r][c], scale);

			for (unsigned j = c; j < n; j++)
				square[r][j] ^= slow_mul(factor, square[c][j]);
		}
	}
	return 0;
}

static void every_square_of_two_is_invertible(void **state)
{
	unsigned long tried = 0;

	(void)state;
	for (unsigned r = 0; r < GROUP_ROWS_MAX; r++)
		for (unsigned q = r + 1; q < GROUP_ROWS_MAX; q++) {
			bool seen[256] = {false};

			/* c(r,a) c(q,b) != c(r,b) c(q,a) for all a, b: the quotients differ. */
			for (unsigned slot = 0; slot < GROUP_SLOTS_MAX; slot++) {
				uint8_t quotient = slow_mul(group_coef(r, slot),
							    slow_inverse(group_coef(q, slot)));

				assert_false(seen[quotient]);
				seen[quotient] = true;
			}
			tried += GROUP_SLOTS_MAX * (GROUP_SLOTS_MAX - 1) / 2;
		}
	printf("squares of two: all %lu invertible\n", tried);
}

static void sampled_squares_of_any_size_are_invertible(void **state)
{
	uint8_t square[GROUP_ROWS_MAX][GROUP_ROWS_MAX], rows[GROUP_ROWS_MAX], slots[GROUP_ROWS_MAX];
	struct noise noise = {20};
	unsigned tried = 30000;

	(void)state;
	for (unsigned t = 0; t < tried; t++) {
		unsigned n = 1 + (unsigned)noise_below(&noise, GROUP_ROWS_MAX);

		noise_pick(&noise, rows, n, GROUP_ROWS_MAX);
		noise_pick(&noise, slots, n, GROUP_SLOTS_MAX);
		for (unsigned r = 0; r < n; r++)
			for (unsigned c = 0; c < n; c++)
				square[r][c] = group_coef(rows[r], slots[c]);
		assert_false(determinant_is_zero(square, n));
	}
	printf("squares of 1 to %u rows: %u sampled, all invertible\n", GROUP_ROWS_MAX, tried);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_coefficient_is_the_formula),
		cmocka_unit_test(row_zero_and_slot_zero_are_all_ones),
		cmocka_unit_test(known_coefficients_never_change),
		cmocka_unit_test(every_square_of_two_is_invertible),
		cmocka_unit_test(sampled_squares_of_any_size_are_invertible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
