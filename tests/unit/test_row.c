#include "group/row.h"
#include "tests/support/noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct row_descriptor descriptor_of(unsigned members)
{
	struct row_descriptor d = {.row = 2, .member_count = (uint16_t)members};

	for (unsigned i = 0; i < ID_BYTES; i++) {
		d.array_id.b[i] = (uint8_t)(0xa0 + i);
		d.group_id.b[i] = (uint8_t)(0x60 + i);
	}
	for (unsigned i = 0; i < members; i++) {
		d.members[i].slot = (uint8_t)(members > 100 ? i : 2 * i + 1);
		d.members[i].len_bytes = 65536 * (i % 3 + 1);
		memset(d.members[i].name.b, (int)i + 1, HASH_BYTES);
	}
	return d;
}

static struct buf tail_of(const struct row_descriptor *d)
{
	struct buf tail = {0};

	row_tail_encode(d, &tail);
	assert_false(tail.failed);
	assert_int_equal(tail.len_bytes, row_tail_bytes(d));
	return tail;
}

static void assert_equal(const struct row_descriptor *a, const struct row_descriptor *b)
{
	assert_true(id_equal(&a->array_id, &b->array_id));
	assert_true(id_equal(&a->group_id, &b->group_id));
	assert_int_equal(a->row, b->row);
	assert_int_equal(a->member_count, b->member_count);
	assert_int_equal(a->optional_features, b->optional_features);
	for (unsigned i = 0; i < a->member_count; i++) {
		assert_true(hash_equal(&a->members[i].name, &b->members[i].name));
		assert_int_equal(a->members[i].len_bytes, b->members[i].len_bytes);
		assert_int_equal(a->members[i].slot, b->members[i].slot);
	}
}

static void what_was_written_is_read_back(void **state)
{
	static const unsigned counts[] = {ROW_MEMBERS_MIN, 3, 12, GROUP_SLOTS_MAX};
	struct error err;

	(void)state;
	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct row_descriptor d = descriptor_of(counts[i]), again;
		struct buf tail = tail_of(&d);
		uint64_t offset;
		size_t len;

		assert_int_equal(row_object_bytes(&d), row_coded_bytes(&d) + tail.len_bytes);
		assert_int_equal(row_trailer_decode(tail.data + tail.len_bytes - ROW_TRAILER_BYTES,
						    row_object_bytes(&d), &offset, &len, &err),
				 ERR_NONE);
		assert_int_equal(offset, row_coded_bytes(&d));
		assert_int_equal(len, tail.len_bytes - ROW_TRAILER_BYTES);
		assert_int_equal(row_descriptor_decode(tail.data, len, &again, &err), ERR_NONE);
		assert_equal(&d, &again);
		assert_int_equal(row_tail_decode(tail.data, tail.len_bytes, row_object_bytes(&d),
						 &again, &err),
				 ERR_NONE);
		assert_equal(&d, &again);
		buf_release(&tail);
	}
}

/* Every byte of the format, as row.h and mrmr-format(5) have it. */
static void the_bytes_are_the_documented_ones(void **state)
{
	struct row_descriptor d = descriptor_of(2);
	struct buf tail = tail_of(&d);
	const uint8_t *at = tail.data;
	static const uint8_t zeros[16];

	(void)state;
	assert_int_equal(tail.len_bytes, 64 + 2 * 48 + 32);
	assert_memory_equal(at, "MRMRROWD\x01\x00\x01\x02\x02\x00\x00\x00", 16);
	assert_memory_equal(at + 16, zeros, 16);
	assert_memory_equal(at + 32, d.array_id.b, 16);
	assert_memory_equal(at + 48, d.group_id.b, 16);
	assert_memory_equal(at + 64, d.members[0].name.b, 32);
	assert_memory_equal(at + 96, "\0\0\1\0\0\0\0\0\x01\0\0\0\0\0\0\0", 16);
	assert_memory_equal(at + 112, d.members[1].name.b, 32);
	assert_memory_equal(at + 144, "\0\0\2\0\0\0\0\0\x03\0\0\0\0\0\0\0", 16);
	assert_memory_equal(at + 160, "MRMRROWT\0\0\2\0\0\0\0\0", 16);
	assert_memory_equal(at + 176, "\xa0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	buf_release(&tail);
}

static int decode(const struct buf *tail, uint64_t object_bytes)
{
	struct row_descriptor d;
	struct error err;

	return row_tail_decode(tail->data, tail->len_bytes, object_bytes, &d, &err);
}

static void every_cut_is_refused(void **state)
{
	struct row_descriptor d = descriptor_of(3), out;
	struct buf tail = tail_of(&d);
	struct error err;

	(void)state;
	for (size_t len = 0; len + ROW_TRAILER_BYTES < tail.len_bytes; len++)
		assert_int_equal(row_descriptor_decode(tail.data, len, &out, &err), ERR_CORRUPT);
	for (size_t len = 0; len < tail.len_bytes; len++) {
		/* too little of the end is read */
		assert_int_equal(row_tail_decode(tail.data + tail.len_bytes - len, len,
						 row_object_bytes(&d), &out, &err),
				 ERR_CORRUPT);
		/* the object itself is cut or longer */
		assert_int_equal(decode(&tail, row_object_bytes(&d) - 1 - len), ERR_CORRUPT);
		assert_int_equal(decode(&tail, row_object_bytes(&d) + 1 + len), ERR_CORRUPT);
	}
	assert_int_equal(decode(&tail, 0), ERR_CORRUPT);
	assert_int_equal(decode(&tail, UINT64_MAX), ERR_CORRUPT);
	buf_release(&tail);
}

/* Whatever decodes encodes to the same bytes again: no bit is without a meaning. */
static void a_changed_bit_is_refused_or_means_something_else(void **state)
{
	struct row_descriptor d = descriptor_of(3), out;
	struct buf tail = tail_of(&d);
	unsigned refused = 0;
	struct error err;

	(void)state;
	for (size_t bit = 0; bit < tail.len_bytes * 8; bit++) {
		tail.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (row_tail_decode(tail.data, tail.len_bytes, row_object_bytes(&d), &out, &err) !=
		    ERR_NONE) {
			refused++;
		} else {
			struct buf again = tail_of(&out);

			assert_memory_equal(again.data, tail.data, tail.len_bytes);
			buf_release(&again);
		}
		tail.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(refused > 500);
	buf_release(&tail);
}

static void put_u64(struct buf *tail, size_t at, uint64_t v)
{
	store_u64(tail->data + at, v);
}

static void what_a_later_version_wrote_is_unsupported_not_corrupt(void **state)
{
	static const unsigned at[] = {8, 9, 10, 16, 19};
	struct row_descriptor d = descriptor_of(2);

	(void)state;
	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		struct buf tail = tail_of(&d);

		tail.data[at[i]] ^= 0x80;
		assert_int_equal(decode(&tail, row_object_bytes(&d)), ERR_UNSUPPORTED);
		buf_release(&tail);
	}
}

static void optional_features_are_kept(void **state)
{
	struct row_descriptor d = descriptor_of(2), again;
	struct buf tail;
	struct error err;

	(void)state;
	d.optional_features = 0x80000001u;
	tail = tail_of(&d);
	assert_int_equal(
		row_tail_decode(tail.data, tail.len_bytes, row_object_bytes(&d), &again, &err),
		ERR_NONE);
	assert_equal(&d, &again);
	buf_release(&tail);
}

static void values_out_of_range_are_refused(void **state)
{
	static const struct {
		unsigned at;
		uint8_t byte;
	} bad[] = {
		{0, 'X'},   {11, 17}, {12, 0},	   {12, 1},	{12, 3},     {12, 240},
		{13, 1},    {14, 1},  {24, 1},	   {31, 1},	{103, 0x41}, {104, 239},
		{105, 1},   {104, 3}, {104, 4},	   {106, 1},	{111, 1},    {159, 1},
		{160, 'X'}, {168, 1}, {175, 0xff}, {176, 0xa1}, {183, 1},    {184, 1},
	};
	struct row_descriptor d = descriptor_of(2);

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct buf tail = tail_of(&d);

		assert_int_not_equal(tail.data[bad[i].at], bad[i].byte);
		tail.data[bad[i].at] = bad[i].byte;
		assert_int_equal(decode(&tail, row_object_bytes(&d)), ERR_CORRUPT);
		buf_release(&tail);
	}
}

static void a_descriptor_of_fewer_than_two_members_is_refused(void **state)
{
	struct row_descriptor d = descriptor_of(2), out;
	struct buf tail = tail_of(&d);
	struct error err;

	(void)state;
	for (unsigned members = 0; members < ROW_MEMBERS_MIN; members++) {
		size_t len = ROW_HEADER_BYTES + members * ROW_MEMBER_BYTES;

		store_u16(tail.data + 12, (uint16_t)members);
		assert_int_equal(row_descriptor_decode(tail.data, len, &out, &err), ERR_CORRUPT);
	}
	buf_release(&tail);
}

static void a_trailer_for_an_impossible_descriptor_is_refused(void **state)
{
	static const uint64_t lens[] = {0, 64, 112, 159, 161, 64 + 240 * 48};
	struct row_descriptor d = descriptor_of(2);
	struct buf tail = tail_of(&d);
	struct error err;
	uint64_t offset;
	size_t len;

	(void)state;
	for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		put_u64(&tail, 160 + 8, 1000);
		put_u64(&tail, 160 + 16, lens[i]);
		assert_int_equal(row_trailer_decode(tail.data + 160,
						    1000 + lens[i] + ROW_TRAILER_BYTES, &offset,
						    &len, &err),
				 ERR_CORRUPT);
	}
	put_u64(&tail, 160 + 8, 0);
	put_u64(&tail, 160 + 16, 0);
	assert_int_equal(
		row_trailer_decode(tail.data + 160, ROW_TRAILER_BYTES, &offset, &len, &err),
		ERR_CORRUPT);
	buf_release(&tail);
}

static void a_length_that_could_overflow_is_refused(void **state)
{
	struct row_descriptor d = descriptor_of(2), out;
	struct buf tail = tail_of(&d);
	size_t len = tail.len_bytes - ROW_TRAILER_BYTES;
	struct error err;

	(void)state;
	put_u64(&tail, 96, ROW_MEMBER_LEN_MAX);
	assert_int_equal(row_descriptor_decode(tail.data, len, &out, &err), ERR_NONE);
	assert_int_equal(row_object_bytes(&out), ROW_MEMBER_LEN_MAX + tail.len_bytes);
	put_u64(&tail, 96, ROW_MEMBER_LEN_MAX + 1);
	assert_int_equal(row_descriptor_decode(tail.data, len, &out, &err), ERR_CORRUPT);
	buf_release(&tail);
}

static void coded_bytes_that_are_not_the_longest_member_s_are_refused(void **state)
{
	struct row_descriptor d = descriptor_of(2);
	struct buf tail = tail_of(&d);

	(void)state;
	put_u64(&tail, 160 + 8, row_coded_bytes(&d) - 1);
	assert_int_equal(decode(&tail, row_object_bytes(&d) - 1), ERR_CORRUPT);
	put_u64(&tail, 160 + 8, UINT64_MAX);
	assert_int_equal(decode(&tail, row_object_bytes(&d)), ERR_CORRUPT);
	buf_release(&tail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read_back),
		cmocka_unit_test(the_bytes_are_the_documented_ones),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(a_changed_bit_is_refused_or_means_something_else),
		cmocka_unit_test(what_a_later_version_wrote_is_unsupported_not_corrupt),
		cmocka_unit_test(optional_features_are_kept),
		cmocka_unit_test(values_out_of_range_are_refused),
		cmocka_unit_test(a_descriptor_of_fewer_than_two_members_is_refused),
		cmocka_unit_test(a_trailer_for_an_impossible_descriptor_is_refused),
		cmocka_unit_test(a_length_that_could_overflow_is_refused),
		cmocka_unit_test(coded_bytes_that_are_not_the_longest_member_s_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
