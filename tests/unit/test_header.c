/* The clear header of sealed objects. */
#include "seal/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static struct object_header header_of(enum object_type type)
{
	struct object_header h = {.type = type, .epoch = 7};

	for (uint8_t i = 0; i < ID_BYTES; i++) {
		h.array_id.b[i] = i;
		h.uid.b[i] = (uint8_t)(0xf0 + i);
	}
	return h;
}

static void a_header_comes_back_as_it_was_written(void **state)
{
	(void)state;
	for (enum object_type type = OBJECT_BLOCK; type <= OBJECT_WRITER; type++) {
		struct object_header h = header_of(type), back;
		uint8_t bytes[HEADER_BYTES];
		struct error err;

		h.optional = 0x80000001;
		header_encode(&h, bytes);
		assert_int_equal(
			header_decode(bytes, sizeof(bytes), type, &h.array_id, &back, &err),
			ERR_NONE);
		assert_memory_equal(&back, &h, sizeof(h));
		assert_int_equal(header_decode(bytes, sizeof(bytes), type, NULL, &back, &err),
				 ERR_NONE);
	}
}

static void a_header_of_another_type_array_or_length_is_refused(void **state)
{
	struct id other = {{1}};
	struct object_header back;
	uint8_t bytes[HEADER_BYTES];
	struct error err;

	(void)state;
	for (enum object_type type = OBJECT_BLOCK; type <= OBJECT_WRITER; type++) {
		struct object_header h = header_of(type);

		header_encode(&h, bytes);
		for (enum object_type as = OBJECT_BLOCK; as <= OBJECT_WRITER; as++) {
			if (as != type)
				assert_int_equal(
					header_decode(bytes, sizeof(bytes), as, NULL, &back, &err),
					ERR_CORRUPT);
		}
		assert_int_equal(header_decode(bytes, sizeof(bytes), type, &other, &back, &err),
				 ERR_CORRUPT);
		for (size_t len = 0; len < sizeof(bytes); len++)
			assert_int_equal(header_decode(bytes, len, type, NULL, &back, &err),
					 ERR_CORRUPT);
	}
}

static int decode_with_byte(const struct object_header *h, size_t at, uint8_t value)
{
	uint8_t bytes[HEADER_BYTES];
	struct object_header back;
	struct error err;

	header_encode(h, bytes);
	bytes[at] = value;
	return header_decode(bytes, sizeof(bytes), h->type, NULL, &back, &err);
}

static void a_newer_format_algorithm_or_mandatory_feature_is_unsupported(void **state)
{
	struct object_header h = header_of(OBJECT_BLOCK);

	(void)state;
	assert_int_equal(decode_with_byte(&h, 8, 2), ERR_UNSUPPORTED);
	assert_int_equal(decode_with_byte(&h, 9, 1), ERR_UNSUPPORTED);
	for (size_t at = 11; at <= 13; at++) {
		assert_int_equal(decode_with_byte(&h, at, 0), ERR_UNSUPPORTED);
		assert_int_equal(decode_with_byte(&h, at, 2), ERR_UNSUPPORTED);
	}
	for (size_t at = 16; at <= 19; at++)
		assert_int_equal(decode_with_byte(&h, at, 0x40), ERR_UNSUPPORTED);
	for (size_t at = 20; at <= 23; at++)
		assert_int_equal(decode_with_byte(&h, at, 0x40), ERR_NONE);
}

static void a_header_with_format_0_epoch_0_or_filled_gaps_is_damaged(void **state)
{
	struct object_header h = header_of(OBJECT_RING);

	(void)state;
	assert_int_equal(decode_with_byte(&h, 8, 0), ERR_CORRUPT);
	assert_int_equal(decode_with_byte(&h, 10, OBJECT_BLOCK), ERR_CORRUPT);
	assert_int_equal(decode_with_byte(&h, 14, 1), ERR_CORRUPT);
	assert_int_equal(decode_with_byte(&h, 15, 1), ERR_CORRUPT);
	assert_int_equal(decode_with_byte(&h, 24, 0), ERR_CORRUPT);
	for (size_t at = 28; at < 32; at++)
		assert_int_equal(decode_with_byte(&h, at, 1), ERR_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_comes_back_as_it_was_written),
		cmocka_unit_test(a_header_of_another_type_array_or_length_is_refused),
		cmocka_unit_test(a_newer_format_algorithm_or_mandatory_feature_is_unsupported),
		cmocka_unit_test(a_header_with_format_0_epoch_0_or_filled_gaps_is_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
