#include "group/coef.h"

#include <assert.h>
#include <isa-l/erasure_code.h>

/* The multiplicative group has 255 elements, so 2^-i is 2^(255-i). */
#define FIELD_ORDER 255u

static uint8_t power_of_two(unsigned exponent)
{
	uint8_t result = 1, square = 2;

	for (; exponent > 0; exponent >>= 1) {
		if (exponent & 1)
			result = gf_mul(result, square);
		square = gf_mul(square, square);
	}
	return result;
}

uint8_t group_coef(unsigned row, unsigned slot)
{
	uint8_t x, y;

	assert(row < GROUP_ROWS_MAX && slot < GROUP_SLOTS_MAX);
	if (row == 0)
		return 1;
	x = power_of_two(FIELD_ORDER - slot);
	y = row == 1 ? 0 : power_of_two(row - 1);
	return gf_mul(gf_inv(x ^ y), 1 ^ y);
}
