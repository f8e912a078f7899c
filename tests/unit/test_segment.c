/* Segments, their clocks and their names. */
#include "table/segment.h"

#include "chunk/geometry.h"
#include "tests/support/forge.h"
#include "tests/support/noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct keys *keys;
static uint8_t secret_key[SECRET_KEY_BYTES];
static struct hash writer;

static int start(void **state)
{
	struct id array_id;
	struct error err;

	(void)state;
	if (seal_start(&err) != ERR_NONE)
		return -1;
	array_id = id_random();
	crypto_sign_keypair(writer.b, secret_key);
	return keys_new(&array_id, &keys, &err);
}

static int finish(void **state)
{
	(void)state;
	keys_free(keys);
	return 0;
}

static struct mark mark_of(uint8_t first_byte, uint64_t seq)
{
	struct mark m = { .seq = seq };

	m.writer.b[0] = first_byte;
	m.head.b[5] = first_byte;
	return m;
}

static struct segment plain_segment(uint64_t seq, const char *records)
{
	struct segment s = { .kind = SEGMENT_PLAIN, .writer = writer, .first = seq, .last = seq };

	if (seq > 1)
		s.previous.b[31] = 7;
	buf_add(&s.records, records, strlen(records));
	return s;
}

/* The heads of first..last, the last of them the segment's own. */
static struct segment compacted_segment(enum segment_kind kind, uint64_t first, uint64_t last)
{
	struct segment s = plain_segment(first, "compacted");
	size_t count = (size_t)(last - first + 1);

	s.kind = kind;
	s.last = last;
	s.head.b[3] = 9;
	s.heads = calloc(count, 16);
	assert_non_null(s.heads);
	s.heads[0][0] = 1;
	memcpy(s.heads[count - 1], s.head.b, 16);
	return s;
}

static struct buf sealed(struct segment *s, char name[SEGMENT_NAME_BYTES])
{
	struct buf out = { 0 };
	struct error err;

	assert_int_equal(segment_seal(keys, s, secret_key, &out, name, &err), ERR_NONE);
	return out;
}

static int opens(const void *bytes, size_t len_bytes)
{
	struct segment s;
	struct error err;
	int code = segment_open(keys, bytes, len_bytes, &s, &err);

	segment_release(&s);
	return code;
}

static void assert_same_clock(const struct clock *a, const struct clock *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++)
		assert_memory_equal(&a->marks[i], &b->marks[i], sizeof(struct mark));
}

static void assert_same_segment(const struct segment *a, const struct segment *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->first, b->first);
	assert_int_equal(a->last, b->last);
	assert_true(hash_equal(&a->writer, &b->writer));
	assert_true(hash_equal(&a->previous, &b->previous));
	assert_true(hash_equal(&a->head, &b->head));
	assert_same_clock(&a->clock, &b->clock);
	assert_int_equal(a->have_count, b->have_count);
	for (size_t i = 0; i < a->have_count; i++) {
		assert_true(id_equal(&a->have[i].drive_id, &b->have[i].drive_id));
		assert_same_clock(&a->have[i].clock, &b->have[i].clock);
	}
	assert_int_equal(a->records.len_bytes, b->records.len_bytes);
	if (a->records.len_bytes > 0)
		assert_memory_equal(a->records.data, b->records.data, a->records.len_bytes);
	assert_int_equal(a->heads != NULL, b->heads != NULL);
	if (a->heads)
		assert_memory_equal(a->heads, b->heads, (size_t)(a->last - a->first + 1) * 16);
}

static void assert_round_trip(struct segment *s)
{
	char name[SEGMENT_NAME_BYTES];
	struct buf bytes = sealed(s, name);
	struct segment back;
	struct error err;

	assert_int_equal(segment_open(keys, bytes.data, bytes.len_bytes, &back, &err), ERR_NONE);
	assert_same_segment(s, &back);
	segment_release(&back);
	buf_release(&bytes);
}

static void a_segment_comes_back_whole(void **state)
{
	struct segment s = plain_segment(1, "");
	struct mark a = mark_of(1, 5), b = mark_of(2, UINT64_MAX);

	(void)state;
	assert_round_trip(&s);
	segment_release(&s);

	s = plain_segment(UINT64_MAX, "some records");
	s.have = calloc(2, sizeof(*s.have));
	assert_non_null(s.have);
	s.have_count = 2;
	s.have[1].drive_id.b[0] = 1;
	assert_true(clock_set(&s.clock, &a) && clock_set(&s.clock, &b));
	assert_true(clock_set(&s.have[1].clock, &b));
	assert_round_trip(&s);
	segment_release(&s);

	s = compacted_segment(SEGMENT_COMPACTED, 3, 10);
	assert_round_trip(&s);
	segment_release(&s);
	s = compacted_segment(SEGMENT_CHECKPOINT, 1, 1);
	assert_round_trip(&s);
	segment_release(&s);
}

static void records_that_do_not_compress_come_back_too(void **state)
{
	struct noise noise = { 1 };
	struct segment s = plain_segment(1, "");

	(void)state;
	buf_add_zeros(&s.records, 100000);
	noise_fill(&noise, s.records.data, s.records.len_bytes);
	assert_round_trip(&s);
	segment_release(&s);
}

static void a_head_is_the_hash_of_the_head_before_and_the_records(void **state)
{
	struct segment s = plain_segment(8, "records");
	char name[SEGMENT_NAME_BYTES];
	struct buf bytes = sealed(&s, name);
	struct hash head = head_hash(keys, &s.previous, "records", 7);

	(void)state;
	assert_true(hash_equal(&s.head, &head));
	segment_release(&s);
	buf_release(&bytes);
}

static void stored_lengths_tell_little(void **state)
{
	struct noise noise = { 2 };
	char name[SEGMENT_NAME_BYTES];

	(void)state;
	for (size_t len = 0; len < 5000; len += 97) {
		struct segment s = plain_segment(1, "");
		struct buf bytes;

		buf_add_zeros(&s.records, len);
		noise_fill(&noise, s.records.data, len);
		bytes = sealed(&s, name);
		assert_true(bytes.len_bytes >= 512);
		assert_int_equal(padme(bytes.len_bytes), bytes.len_bytes);
		/* 64 + 88 in the clear, box 40, lengths 16, signature, head, three counts */
		assert_true(bytes.len_bytes < (len + 64 + 88 + 40 + 16 + 99 + 512) * 112 / 100);
		if (len < 150)
			assert_int_equal(bytes.len_bytes, 512);
		segment_release(&s);
		buf_release(&bytes);
	}
}

static void a_name_tells_writer_range_and_hash(void **state)
{
	struct segment s = compacted_segment(SEGMENT_COMPACTED, 3, 10);
	char name[SEGMENT_NAME_BYTES], want[SEGMENT_NAME_BYTES];
	char writer_hex[HASH_HEX_BYTES], hash_hex[HASH_HEX_BYTES];
	struct buf bytes = sealed(&s, name);
	struct hash h = sha256(bytes.data, bytes.len_bytes);
	struct segment_name parts;

	(void)state;
	hex_encode(writer.b, HASH_BYTES, writer_hex);
	hex_encode(h.b, HASH_BYTES, hash_hex);
	snprintf(want, sizeof(want), "journal/%s/3-10-%s", writer_hex, hash_hex);
	assert_string_equal(name, want);
	assert_true(segment_name_parse(name, &parts));
	assert_true(hash_equal(&parts.writer, &writer));
	assert_true(hash_equal(&parts.sha256, &h));
	assert_int_equal(parts.first, 3);
	assert_int_equal(parts.last, 10);
	segment_release(&s);
	buf_release(&bytes);
}

#define W "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void names_of_any_other_form_are_none(void **state)
{
	static const char *const none[] = {
		"",
		"journal/",
		"journal/" W,
		"journal/" W "/",
		"blocks/" W "/1-1-" W,
		"journal/" W "/1-1-" W "0",
		"journal/" W "/1-1-",
		"journal/" W "/0-1-" W,
		"journal/" W "/01-1-" W,
		"journal/" W "/1-01-" W,
		"journal/" W "/2-1-" W,
		"journal/" W "/1--" W,
		"journal/" W "/-1-1-" W,
		"journal/" W "/1-1-1-" W,
		"journal/" W "/1-18446744073709551616-" W,
		"journal/" W "/1-99999999999999999999-" W,
		"journal/" W "//1-1-" W,
		"journal/0" W "/1-1-" W,
		"journal/" W "/1-1-" W "/",
		"journal/" W "/1-1-" W ".tmp",
		"journal/A0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff/1-1-" W,
		"/journal/" W "/1-1-" W,
	};
	struct segment_name parts;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(segment_name_parse(none[i], &parts));
	assert_true(segment_name_parse("journal/" W "/1-18446744073709551615-" W, &parts));
	assert_true(parts.last == UINT64_MAX);
}

static void a_segment_cut_or_longer_is_refused(void **state)
{
	struct segment s = plain_segment(2, "records");
	char name[SEGMENT_NAME_BYTES];
	struct buf bytes = sealed(&s, name);

	(void)state;
	for (size_t len = 0; len < bytes.len_bytes; len++)
		assert_int_equal(opens(bytes.data, len), ERR_CORRUPT);
	assert_int_equal(opens(bytes.data, bytes.len_bytes), ERR_NONE);
	buf_add_u8(&bytes, 0);
	assert_int_equal(opens(bytes.data, bytes.len_bytes), ERR_CORRUPT);
	assert_int_equal(opens(bytes.data, SEGMENT_STORED_MAX + 1), ERR_CORRUPT);
	segment_release(&s);
	buf_release(&bytes);
}

static void a_segment_with_any_bit_changed_is_refused(void **state)
{
	struct segment s = plain_segment(2, "records");
	char name[SEGMENT_NAME_BYTES];
	struct buf bytes = sealed(&s, name);

	(void)state;
	for (size_t bit = 0; bit < bytes.len_bytes * 8; bit++) {
		bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(opens(bytes.data, bytes.len_bytes), ERR_NONE);
		bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(opens(bytes.data, bytes.len_bytes), ERR_NONE);
	segment_release(&s);
	buf_release(&bytes);
}

static void a_segment_of_another_array_is_refused(void **state)
{
	struct segment s = plain_segment(1, "records");
	char name[SEGMENT_NAME_BYTES];
	struct buf bytes = sealed(&s, name);
	struct id array_id = id_random();
	struct keys *others;
	struct segment back;
	struct error err;

	(void)state;
	assert_int_equal(keys_new(&array_id, &others, &err), ERR_NONE);
	assert_int_equal(segment_open(others, bytes.data, bytes.len_bytes, &back, &err),
			 ERR_CORRUPT);
	keys_free(others);
	segment_release(&s);
	buf_release(&bytes);
}

static int seals(struct segment *s)
{
	char name[SEGMENT_NAME_BYTES];
	struct buf out = { 0 };
	struct error err;
	int code = segment_seal(keys, s, secret_key, &out, name, &err);

	assert_int_equal(out.len_bytes > 0, code == ERR_NONE);
	buf_release(&out);
	return code;
}

static void what_would_not_open_is_not_sealed(void **state)
{
	struct segment s = plain_segment(1, "records");

	(void)state;
	s.previous.b[0] = 1; /* before the first there is nothing */
	assert_int_equal(seals(&s), ERR_USAGE);
	s.first = s.last = 2;
	assert_int_equal(seals(&s), ERR_NONE);
	s.last = 3;
	assert_int_equal(seals(&s), ERR_USAGE);
	s.first = 4;
	assert_int_equal(seals(&s), ERR_USAGE);
	s.first = s.last = 0;
	assert_int_equal(seals(&s), ERR_USAGE);
	s.first = s.last = 2;
	s.writer.b[0] ^= 1;
	assert_int_equal(seals(&s), ERR_USAGE);
	s.writer.b[0] ^= 1;
	s.kind = (enum segment_kind)4;
	assert_int_equal(seals(&s), ERR_USAGE);
	s.kind = SEGMENT_COMPACTED; /* without heads */
	assert_int_equal(seals(&s), ERR_USAGE);
	segment_release(&s);

	s = compacted_segment(SEGMENT_CHECKPOINT, 1, 4);
	assert_int_equal(seals(&s), ERR_NONE);
	s.heads[3][15] ^= 1;
	assert_int_equal(seals(&s), ERR_USAGE);
	segment_release(&s);
}

static void a_body_above_its_limit_is_not_sealed(void **state)
{
	struct segment s = plain_segment(1, "");

	(void)state;
	buf_add_zeros(&s.records, SEGMENT_BODY_MAX);
	assert_false(s.records.failed);
	assert_int_equal(seals(&s), ERR_FULL);
	segment_release(&s);
}

/* ---- authentic, but not as a writer makes them ---- */

/* Head, no clock, no have, no heads, no records: the least rest of a body that opens. */
static void least_rest(struct buf *rest)
{
	static const struct hash zero;
	struct hash head = head_hash(keys, &zero, NULL, 0);

	buf_clear(rest);
	buf_add(rest, head.b, HASH_BYTES);
	buf_add_zeros(rest, 3);
}

static int forged_opens(const struct forge *f, const struct buf *rest)
{
	struct buf bytes = { 0 };
	int code;

	forge_body(f, rest->data, rest->len_bytes, &bytes);
	code = opens(bytes.data, bytes.len_bytes);
	buf_release(&bytes);
	return code;
}

static void the_forge_makes_segments_that_open(void **state)
{
	struct buf rest = { 0 };
	struct forge f;

	(void)state;
	forge_start(&f, keys);
	least_rest(&rest);
	assert_int_equal(forged_opens(&f, &rest), ERR_NONE);
	buf_release(&rest);
}

static void a_plain_segment_with_a_head_of_other_records_is_refused(void **state)
{
	struct buf rest = { 0 };
	struct forge f;

	(void)state;
	forge_start(&f, keys);
	least_rest(&rest);
	buf_add_u8(&rest, 1); /* a record the head knows nothing of */
	assert_int_equal(forged_opens(&f, &rest), ERR_CORRUPT);
	least_rest(&rest);
	rest.data[0] ^= 1;
	assert_int_equal(forged_opens(&f, &rest), ERR_CORRUPT);
	buf_release(&rest);
}

static void a_segment_signed_by_another_is_refused(void **state)
{
	struct buf rest = { 0 };
	struct forge f, other;

	(void)state;
	forge_start(&f, keys);
	forge_start(&other, keys);
	least_rest(&rest);
	memcpy(f.secret_key, other.secret_key, sizeof(f.secret_key));
	assert_int_equal(forged_opens(&f, &rest), ERR_CORRUPT);
	buf_release(&rest);
}

static void impossible_clear_fields_are_refused(void **state)
{
	uint8_t *extra;
	struct buf rest = { 0 };
	struct forge f;

	(void)state;
	least_rest(&rest);
	forge_start(&f, keys);
	extra = f.clear + HEADER_BYTES;
	extra[80] = 0;
	assert_int_equal(forged_opens(&f, &rest), ERR_CORRUPT);
	extra[80] = SEGMENT_CHECKPOINT + 1;
	assert_int_equal(forged_opens(&f, &rest), ERR_CORRUPT);
	extra[80] = SEGMENT_PLAIN;
	for (size_t i = 81; i < FORGE_EXTRA_BYTES; i++) {
		extra[i] = 1;
		assert_int_equal(forged_opens(&f, &rest), ERR_CORRUPT);
		extra[i] = 0;
	}
	extra[40] = 2; /* seqs 1 to 2 */
	assert_int_equal(forged_opens(&f, &rest), ERR_CORRUPT);
	store_u64(extra + 32, 0);
	store_u64(extra + 40, UINT64_MAX); /* a range of no length modulo 2^64 */
	assert_int_equal(forged_opens(&f, &rest), ERR_CORRUPT);
	extra[80] = SEGMENT_COMPACTED;
	assert_int_equal(forged_opens(&f, &rest), ERR_CORRUPT);
	store_u64(extra + 40, 0);
	assert_int_equal(forged_opens(&f, &rest), ERR_CORRUPT);
	buf_release(&rest);
}

static void a_list_of_heads_that_does_not_fit_is_refused(void **state)
{
	struct hash head = { .b = { 4 } };
	struct buf rest = { 0 };
	struct forge f;

	(void)state;
	forge_start(&f, keys);
	f.clear[HEADER_BYTES + 80] = SEGMENT_COMPACTED;
	f.clear[HEADER_BYTES + 40] = 2;
	buf_add(&rest, head.b, HASH_BYTES);
	buf_add_zeros(&rest, 2);
	buf_add_u8(&rest, 2);
	buf_add_zeros(&rest, 16);
	buf_add(&rest, head.b, 16);
	assert_int_equal(forged_opens(&f, &rest), ERR_NONE);
	rest.len_bytes--; /* cut */
	assert_int_equal(forged_opens(&f, &rest), ERR_CORRUPT);
	rest.len_bytes++;
	rest.data[34] = 1; /* one of two; the rest would be records */
	assert_int_equal(forged_opens(&f, &rest), ERR_CORRUPT);
	rest.data[34] = 3; /* three of two, the second of which is right */
	buf_add_zeros(&rest, 16);
	assert_int_equal(forged_opens(&f, &rest), ERR_CORRUPT);
	rest.len_bytes -= 16;
	rest.data[34] = 2;
	rest.data[rest.len_bytes - 16] ^= 1; /* does not end in the head */
	assert_int_equal(forged_opens(&f, &rest), ERR_CORRUPT);
	rest.data[rest.len_bytes - 16] ^= 1;
	f.clear[HEADER_BYTES + 80] = SEGMENT_PLAIN; /* which has none */
	assert_int_equal(forged_opens(&f, &rest), ERR_CORRUPT);
	buf_release(&rest);
}

static int rest_with_clock_opens(const struct buf *clock_and_have)
{
	static const struct hash zero;
	struct hash head = head_hash(keys, &zero, NULL, 0);
	struct buf rest = { 0 };
	struct forge f;
	int code;

	forge_start(&f, keys);
	buf_add(&rest, head.b, HASH_BYTES);
	buf_add(&rest, clock_and_have->data, clock_and_have->len_bytes);
	buf_add_u8(&rest, 0); /* heads */
	code = forged_opens(&f, &rest);
	buf_release(&rest);
	return code;
}

static void add_mark(struct buf *b, uint8_t first_byte, uint64_t seq)
{
	struct mark m = mark_of(first_byte, seq);

	buf_add(b, m.writer.b, HASH_BYTES);
	buf_add_varint(b, seq);
	buf_add(b, m.head.b, HASH_BYTES);
}

static void clocks_rise_strictly_and_begin_at_seq_1(void **state)
{
	static const struct {
		uint8_t first, second;
		uint64_t seq;
		int code;
	} cases[] = {
		{ 1, 2, 1, ERR_NONE },
		{ 2, 1, 1, ERR_CORRUPT },
		{ 1, 1, 1, ERR_CORRUPT },
		{ 1, 2, 0, ERR_CORRUPT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b = { 0 };

		buf_add_u8(&b, 2);
		add_mark(&b, cases[i].first, 1);
		add_mark(&b, cases[i].second, cases[i].seq);
		buf_add_u8(&b, 0); /* have */
		assert_int_equal(rest_with_clock_opens(&b), cases[i].code);
		buf_release(&b);
	}
}

static void clocks_and_have_maps_that_promise_too_much_are_refused(void **state)
{
	struct buf b = { 0 };

	(void)state;
	buf_add_varint(&b, WRITERS_MAX + 1);
	assert_int_equal(rest_with_clock_opens(&b), ERR_CORRUPT);
	buf_clear(&b);
	buf_add_varint(&b, 3); /* marks that are not there */
	add_mark(&b, 1, 1);
	assert_int_equal(rest_with_clock_opens(&b), ERR_CORRUPT);
	buf_clear(&b);
	buf_add_varint(&b, 0);
	buf_add_varint(&b, HAVES_MAX + 1);
	buf_add_zeros(&b, (HAVES_MAX + 1) * 17);
	assert_int_equal(rest_with_clock_opens(&b), ERR_CORRUPT);
	buf_clear(&b);
	buf_add_varint(&b, 0);
	buf_add_varint(&b, 4); /* drives that are not there */
	assert_int_equal(rest_with_clock_opens(&b), ERR_CORRUPT);
	buf_release(&b);
}

static void a_have_map_names_no_drive_twice(void **state)
{
	struct buf b = { 0 };

	(void)state;
	buf_add_u8(&b, 0);
	buf_add_u8(&b, 2);
	buf_add_zeros(&b, ID_BYTES);
	buf_add_u8(&b, 1);
	add_mark(&b, 3, 4);
	buf_add_zeros(&b, ID_BYTES);
	buf_add_u8(&b, 0);
	assert_int_equal(rest_with_clock_opens(&b), ERR_CORRUPT);
	b.data[b.len_bytes - 2] = 1; /* another drive */
	assert_int_equal(rest_with_clock_opens(&b), ERR_NONE);
	b.data[b.len_bytes - 1] = 1; /* a mark that is not there */
	assert_int_equal(rest_with_clock_opens(&b), ERR_CORRUPT);
	buf_release(&b);
}

static void impossible_lengths_methods_and_padding_are_refused(void **state)
{
	const uint32_t least = 64 + 32 + 3;
	static const uint8_t at[] = { 0, 4, 8, 12 };
	struct {
		uint8_t field; /* index into at */
		uint32_t value;
	} edits[] = {
		{ 0, 512 - 16 + 1 },
		{ 0, UINT32_MAX },
		{ 0, least - 1 },
		{ 1, least - 1 },
		{ 1, least + 1 },
		{ 1, SEGMENT_BODY_MAX },
		{ 1, SEGMENT_BODY_MAX + 1 },
		{ 1, UINT32_MAX },
		{ 2, 2 },
		{ 2, 1 }, /* zstd: it is none */
		{ 3, 1 },
	};
	uint8_t plain[512] = { 0 };
	struct buf bytes = { 0 };
	struct forge f;

	(void)state;
	forge_start(&f, keys);
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		store_u32(plain, least);
		store_u32(plain + 4, least);
		store_u64(plain + 8, 0);
		store_u32(plain + at[edits[i].field], edits[i].value);
		forge_box(&f, plain, sizeof(plain), &bytes);
		assert_int_equal(opens(bytes.data, bytes.len_bytes), ERR_CORRUPT);
	}
	buf_release(&bytes);
}

static void padding_is_zero(void **state)
{
	struct segment s = plain_segment(1, "");
	char name[SEGMENT_NAME_BYTES];
	struct buf bytes = sealed(&s, name), plain = { 0 }, again = { 0 };
	struct forge f = { .keys = keys };
	struct box_place place = { .header = f.clear,
				   .kind = BOX_RECORDS,
				   .extra = f.clear + HEADER_BYTES,
				   .extra_bytes = FORGE_EXTRA_BYTES };
	struct error err;

	(void)state;
	memcpy(f.clear, bytes.data, FORGE_CLEAR_BYTES);
	buf_add_zeros(&plain, bytes.len_bytes - FORGE_CLEAR_BYTES - BOX_OVERHEAD_BYTES);
	assert_int_equal(box_open(keys, &place, bytes.data + FORGE_CLEAR_BYTES,
				  bytes.len_bytes - FORGE_CLEAR_BYTES, plain.data, &err),
			 ERR_NONE);
	forge_box(&f, plain.data, plain.len_bytes, &again);
	assert_int_equal(opens(again.data, again.len_bytes), ERR_NONE);
	for (size_t i = plain.len_bytes; i > 16 + load_u32(plain.data); i--) {
		plain.data[i - 1] = 1;
		forge_box(&f, plain.data, plain.len_bytes, &again);
		assert_int_equal(opens(again.data, again.len_bytes), ERR_CORRUPT);
		plain.data[i - 1] = 0;
	}
	segment_release(&s);
	buf_release(&bytes);
	buf_release(&plain);
	buf_release(&again);
}

/* ---- clocks ---- */

static void a_clock_is_in_order_whatever_is_set_first(void **state)
{
	static const uint8_t order[] = { 5, 1, 9, 3, 7, 2, 8, 5, 1 };
	struct clock c = { 0 };
	struct mark m;

	(void)state;
	assert_int_equal(clock_seq(&c, &writer), 0);
	for (size_t i = 0; i < sizeof(order); i++) {
		m = mark_of(order[i], i + 1);
		assert_true(clock_set(&c, &m));
	}
	assert_int_equal(c.count, 7);
	for (size_t i = 1; i < c.count; i++)
		assert_true(hash_compare(&c.marks[i - 1].writer, &c.marks[i].writer) < 0);
	m = mark_of(1, 0);
	assert_int_equal(clock_seq(&c, &m.writer), 9);
	m = mark_of(4, 0);
	assert_null(clock_find(&c, &m.writer));
	m = mark_of(10, 0);
	assert_null(clock_find(&c, &m.writer));
	clock_release(&c);
}

static void a_clock_covers_what_it_has_reached(void **state)
{
	struct clock known = { 0 }, wanted = { 0 };
	struct mark m = mark_of(1, 5);

	(void)state;
	assert_true(clock_covers(&known, &wanted));
	assert_true(clock_set(&wanted, &m));
	assert_false(clock_covers(&known, &wanted));
	m.seq = 4;
	assert_true(clock_set(&known, &m));
	assert_false(clock_covers(&known, &wanted));
	m.seq = 6;
	assert_true(clock_set(&known, &m));
	assert_true(clock_covers(&known, &wanted));
	clock_release(&known);
	clock_release(&wanted);
}

static void a_copied_clock_is_one_of_its_own(void **state)
{
	struct clock from = { 0 }, to = { 0 };
	struct mark m = mark_of(1, 5);

	(void)state;
	assert_true(clock_set(&to, &m));
	assert_true(clock_copy(&to, &from));
	assert_int_equal(to.count, 0);
	assert_true(clock_set(&from, &m));
	assert_true(clock_copy(&to, &from));
	assert_same_clock(&from, &to);
	m.seq = 9;
	assert_true(clock_set(&from, &m));
	assert_int_equal(clock_seq(&to, &m.writer), 5);
	clock_release(&from);
	clock_release(&to);
}

static void marks_of_seq_0_are_not_stored(void **state)
{
	struct clock c = { 0 }, back;
	struct mark none = mark_of(1, 0), some = mark_of(2, 1);
	struct buf b = { 0 };
	struct reader r;
	struct error err;

	(void)state;
	assert_true(clock_set(&c, &none) && clock_set(&c, &some));
	clock_encode(&c, &b);
	r = reader_of(b.data, b.len_bytes);
	assert_int_equal(clock_decode(&r, &back, &err), ERR_NONE);
	assert_true(reader_done(&r));
	assert_int_equal(back.count, 1);
	assert_int_equal(clock_seq(&back, &some.writer), 1);
	clock_release(&c);
	clock_release(&back);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_comes_back_whole),
		cmocka_unit_test(records_that_do_not_compress_come_back_too),
		cmocka_unit_test(a_head_is_the_hash_of_the_head_before_and_the_records),
		cmocka_unit_test(stored_lengths_tell_little),
		cmocka_unit_test(a_name_tells_writer_range_and_hash),
		cmocka_unit_test(names_of_any_other_form_are_none),
		cmocka_unit_test(a_segment_cut_or_longer_is_refused),
		cmocka_unit_test(a_segment_with_any_bit_changed_is_refused),
		cmocka_unit_test(a_segment_of_another_array_is_refused),
		cmocka_unit_test(what_would_not_open_is_not_sealed),
		cmocka_unit_test(a_body_above_its_limit_is_not_sealed),
		cmocka_unit_test(the_forge_makes_segments_that_open),
		cmocka_unit_test(a_plain_segment_with_a_head_of_other_records_is_refused),
		cmocka_unit_test(a_segment_signed_by_another_is_refused),
		cmocka_unit_test(impossible_clear_fields_are_refused),
		cmocka_unit_test(a_list_of_heads_that_does_not_fit_is_refused),
		cmocka_unit_test(clocks_rise_strictly_and_begin_at_seq_1),
		cmocka_unit_test(clocks_and_have_maps_that_promise_too_much_are_refused),
		cmocka_unit_test(a_have_map_names_no_drive_twice),
		cmocka_unit_test(impossible_lengths_methods_and_padding_are_refused),
		cmocka_unit_test(padding_is_zero),
		cmocka_unit_test(a_clock_is_in_order_whatever_is_set_first),
		cmocka_unit_test(a_clock_covers_what_it_has_reached),
		cmocka_unit_test(a_copied_clock_is_one_of_its_own),
		cmocka_unit_test(marks_of_seq_0_are_not_stored),
	};

	return cmocka_run_group_tests_name("segment", tests, start, finish);
}
