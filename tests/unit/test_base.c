/*
 * lib/base: errors, bytes, hashes, JSON, the wish to stop.
 */
#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/stop.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct error err;

/* ---- error ---- */

static void an_error_has_a_code_and_a_message(void **state)
{
	(void)state;
	assert_int_equal(err_set(&err, ERR_FULL, "put %s", "x"), ERR_FULL);
	assert_int_equal(err.code, ERR_FULL);
	assert_string_equal(err.message, "put x");
	assert_int_equal(err_nomem(&err), ERR_NOMEM);
	assert_int_equal(err.code, ERR_NOMEM);
}

static void errno_gives_code_and_cause_and_stays(void **state)
{
	(void)state;
	errno = ENOENT;
	assert_int_equal(err_errno(&err, "open %s", "x"), ERR_NOT_FOUND);
	assert_string_equal(err.message, "open x: No such file or directory");
	assert_int_equal(errno, ENOENT);
}

static void every_errno_that_matters_has_its_code(void **state)
{
	static const struct {
		int number;
		enum err_code code;
	} rows[] = {{ENOENT, ERR_NOT_FOUND}, {ENOTDIR, ERR_NOT_FOUND}, {EEXIST, ERR_EXISTS},
		    {ENOTEMPTY, ERR_EXISTS}, {ENOSPC, ERR_FULL},       {EDQUOT, ERR_FULL},
		    {EFBIG, ERR_FULL},	     {EROFS, ERR_READONLY},    {EACCES, ERR_DENIED},
		    {EPERM, ERR_DENIED},     {ENOMEM, ERR_NOMEM},      {EINTR, ERR_TRANSIENT},
		    {ETIMEDOUT, ERR_TRANSIENT}, {ECONNRESET, ERR_TRANSIENT},
		    {ECONNREFUSED, ERR_TRANSIENT}, {EHOSTUNREACH, ERR_TRANSIENT},
		    {ESTALE, ERR_TRANSIENT}, {ENOSYS, ERR_UNSUPPORTED}, {ENOTSUP, ERR_UNSUPPORTED},
		    {EIO, ERR_IO},	     {0, ERR_IO},	       {12345, ERR_IO}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(err_from_errno(rows[i].number), rows[i].code);
}

static void a_wrapped_error_names_the_outer_step_first_and_keeps_its_code(void **state)
{
	(void)state;
	err_set(&err, ERR_CORRUPT, "inner: cause");
	assert_int_equal(err_wrap(&err, "outer %d", 7), ERR_CORRUPT);
	assert_string_equal(err.message, "outer 7: inner: cause");
}

static void a_message_too_long_is_cut_and_ends(void **state)
{
	char text[2 * ERR_MESSAGE_BYTES];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&err, ERR_IO, "%s", text);
	assert_int_equal(strlen(err.message), ERR_MESSAGE_BYTES - 1);
	err_wrap(&err, "outer");
	assert_int_equal(strlen(err.message), ERR_MESSAGE_BYTES - 1);
	assert_memory_equal(err.message, "outer: xxx", 10);
	err_wrap(&err, "%s", text);
	assert_int_equal(strlen(err.message), ERR_MESSAGE_BYTES - 1);
	errno = EIO;
	assert_int_equal(err_errno(&err, "%s", text), ERR_IO);
	assert_int_equal(strlen(err.message), ERR_MESSAGE_BYTES - 1);
}

/* ---- bytes: writing ---- */

static void integers_are_stored_with_the_low_byte_first(void **state)
{
	uint8_t raw[8];

	(void)state;
	store_u16(raw, 0x0102);
	assert_memory_equal(raw, "\x02\x01", 2);
	store_u32(raw, 0x01020304);
	assert_memory_equal(raw, "\x04\x03\x02\x01", 4);
	store_u64(raw, 0xf1f2f3f4f5f6f7f8u);
	assert_memory_equal(raw, "\xf8\xf7\xf6\xf5\xf4\xf3\xf2\xf1", 8);
	assert_int_equal(load_u16(raw), 0xf7f8);
	assert_int_equal(load_u32(raw), 0xf5f6f7f8);
	assert_true(load_u64(raw) == 0xf1f2f3f4f5f6f7f8u);
}

static void a_buffer_holds_what_was_added_in_order(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_add_u8(&b, 1);
	buf_add_u16(&b, 0x0302);
	buf_add_u32(&b, 0x07060504);
	buf_add_u64(&b, 0x0f0e0d0c0b0a0908u);
	buf_add(&b, "\x10\x11", 2);
	buf_add(&b, NULL, 0);
	buf_add_zeros(&b, 3);
	buf_add_zeros(&b, 0);
	buf_add_block(&b, "ab", 2);
	buf_add_string(&b, "cde");
	assert_false(b.failed);
	assert_int_equal(b.len_bytes, 27);
	for (uint8_t i = 0; i < 17; i++)
		assert_int_equal(b.data[i], i + 1);
	assert_memory_equal(b.data + 17, "\0\0\0\2ab\3cde", 10);
	buf_release(&b);
	assert_null(b.data);
	assert_int_equal(b.len_bytes + b.cap_bytes, 0);
}

static void a_buffer_grows_over_many_sizes(void **state)
{
	struct buf b = {0};

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		buf_add_u32(&b, i);
	assert_int_equal(b.len_bytes, 400000);
	for (unsigned i = 0; i < 100000; i += 997)
		assert_int_equal(load_u32(b.data + (size_t)4 * i), i);
	buf_release(&b);
}

static void a_cleared_buffer_is_empty_and_good_again(void **state)
{
	struct buf b = {0};
	size_t cap_bytes;

	(void)state;
	buf_add_string(&b, "text");
	cap_bytes = b.cap_bytes;
	b.failed = true;
	buf_clear(&b);
	assert_int_equal(b.len_bytes, 0);
	assert_int_equal(b.cap_bytes, cap_bytes);
	assert_false(b.failed);
	buf_add_u8(&b, 7);
	assert_int_equal(b.data[0], 7);
	buf_release(&b);
}

static void sizes_that_cannot_be_fail_and_leave_the_buffer_as_it_was(void **state)
{
	static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 3, SIZE_MAX / 2, SIZE_MAX / 2 + 2};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct buf b = {0};

		buf_add_u32(&b, 1);
		assert_false(buf_reserve(&b, sizes[i]));
		assert_true(b.failed);
		assert_int_equal(b.len_bytes, 4);
		buf_add_u32(&b, 2);
		buf_add_zeros(&b, 1);
		assert_false(buf_reserve(&b, 1));
		assert_int_equal(b.len_bytes, 4);
		buf_release(&b);
	}
}

static void an_array_grows_to_what_is_wanted_and_never_beyond_memory(void **state)
{
	uint64_t *array = NULL;
	size_t cap = 0;

	(void)state;
	assert_true(grow(&array, &cap, 0, sizeof(*array)));
	assert_true(grow(&array, &cap, 1, sizeof(*array)));
	assert_true(cap >= 1);
	array[0] = 77;
	assert_true(grow(&array, &cap, 1000, sizeof(*array)));
	assert_true(cap >= 1000);
	assert_int_equal(array[0], 77);
	array[999] = 1;
	assert_false(grow(&array, &cap, SIZE_MAX / 4, sizeof(*array)));
	assert_false(grow(&array, &cap, SIZE_MAX, sizeof(*array)));
	assert_false(grow(&array, &cap, SIZE_MAX / sizeof(*array) + 1, sizeof(*array)));
	assert_true(cap >= 1000 && cap < 10000);
	assert_int_equal(array[0], 77);
	free(array);
}

/* ---- bytes: reading ---- */

static void a_reader_gives_back_what_a_buffer_took(void **state)
{
	struct buf b = {0};
	struct reader r, sub;
	size_t len_bytes;
	uint8_t two[2];

	(void)state;
	buf_add_u8(&b, 200);
	buf_add_u16(&b, 60000);
	buf_add_u32(&b, 4000000000u);
	buf_add_u64(&b, 10000000000000000000u);
	buf_add(&b, "xy", 2);
	buf_add_block(&b, "block", 5);
	buf_add_string(&b, "sub");
	r = reader_of(b.data, b.len_bytes);
	assert_int_equal(read_u8(&r), 200);
	assert_int_equal(read_u16(&r), 60000);
	assert_int_equal(read_u32(&r), 4000000000u);
	assert_true(read_u64(&r) == 10000000000000000000u);
	read_into(&r, two, 2);
	assert_memory_equal(two, "xy", 2);
	assert_memory_equal(read_block(&r, 5, &len_bytes), "block", 5);
	assert_int_equal(len_bytes, 5);
	assert_false(reader_done(&r));
	sub = read_sub(&r, 3);
	assert_true(reader_done(&r));
	assert_memory_equal(read_bytes(&sub, 3), "sub", 3);
	assert_true(reader_done(&sub));
	buf_release(&b);
}

static void a_reader_that_ran_out_stays_failed_and_reads_zeros(void **state)
{
	uint8_t bytes[3] = {1, 2, 3}, got[2] = {9, 9};
	struct reader r = reader_of(bytes, sizeof(bytes));
	size_t len_bytes = 9;

	(void)state;
	assert_int_equal(read_u32(&r), 0);
	assert_true(r.failed);
	assert_int_equal(read_u8(&r), 0);
	assert_int_equal(read_u16(&r), 0);
	assert_true(read_u64(&r) == 0);
	assert_true(read_varint(&r) == 0);
	assert_null(read_bytes(&r, 0));
	read_into(&r, got, 2);
	assert_int_equal(got[0] + got[1], 0);
	assert_null(read_block(&r, 100, &len_bytes));
	assert_int_equal(len_bytes, 0);
	assert_true(read_sub(&r, 100).failed);
	assert_false(reader_done(&r));
}

static void an_empty_reader_is_done_and_gives_nothing(void **state)
{
	struct reader r = reader_of(NULL, 0);

	(void)state;
	assert_true(reader_done(&r));
	read_into(&r, NULL, 0);
	assert_true(reader_done(&r));
	read_u8(&r);
	assert_false(reader_done(&r));
}

static void varints_of_every_length_come_back(void **state)
{
	struct buf b = {0};

	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		for (unsigned more = 0; more < 3; more++) {
			uint64_t v = ((uint64_t)1 << bit) - 1 + more;
			struct reader r;

			buf_clear(&b);
			buf_add_varint(&b, v);
			r = reader_of(b.data, b.len_bytes);
			assert_true(read_varint(&r) == v);
			assert_true(reader_done(&r));
			/* One byte less is no number. */
			r = reader_of(b.data, b.len_bytes - 1);
			assert_true(read_varint(&r) == 0);
			assert_true(r.failed);
		}
	}
	buf_clear(&b);
	buf_add_varint(&b, UINT64_MAX);
	assert_int_equal(b.len_bytes, 10);
	assert_memory_equal(b.data, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
	buf_release(&b);
}

static void only_the_shortest_form_of_a_varint_is_taken(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {{"\x80\x00", 2},
		   {"\xff\x00", 2},
		   {"\x80\x80\x00", 3},
		   {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10},
		   {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10},
		   {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11},
		   {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 10}};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct reader r = reader_of(bad[i].bytes, bad[i].len);

		assert_true(read_varint(&r) == 0);
		assert_true(r.failed);
	}
}

static void a_number_or_length_above_its_bound_fails_the_reader(void **state)
{
	struct buf b = {0};
	struct reader r;
	size_t len_bytes;

	(void)state;
	buf_add_varint(&b, 1000);
	r = reader_of(b.data, b.len_bytes);
	assert_true(read_varint_max(&r, 1000) == 1000);
	r = reader_of(b.data, b.len_bytes);
	assert_true(read_varint_max(&r, 999) == 0);
	assert_true(r.failed);

	buf_clear(&b);
	buf_add_block(&b, "12345", 5);
	r = reader_of(b.data, b.len_bytes);
	assert_null(read_block(&r, 4, &len_bytes));
	assert_int_equal(len_bytes, 0);
	assert_true(r.failed);
	r = reader_of(b.data, b.len_bytes);
	assert_true(read_sub(&r, 4).failed);

	/* A length that is allowed, but that the bytes do not have. */
	buf_clear(&b);
	buf_add_varint(&b, UINT64_MAX);
	buf_add_u8(&b, 1);
	r = reader_of(b.data, b.len_bytes);
	assert_null(read_block(&r, SIZE_MAX, &len_bytes));
	assert_true(r.failed);
	buf_release(&b);
}

/* ---- hash ---- */

static const char sha256_of_abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char sha256_of_nothing[] =
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static void assert_hash(struct hash h, const char *hex)
{
	char got[HASH_HEX_BYTES];

	hex_encode(h.b, HASH_BYTES, got);
	assert_string_equal(got, hex);
}

static void sha256_gives_the_values_of_the_standard(void **state)
{
	/* FIPS 180-4 examples, and the million letters 'a'. */
	char *million = malloc(1000000);

	(void)state;
	assert_non_null(million);
	memset(million, 'a', 1000000);
	assert_hash(sha256("abc", 3), sha256_of_abc);
	assert_hash(sha256("", 0), sha256_of_nothing);
	assert_hash(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56),
		    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	assert_hash(sha256(million, 1000000),
		    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(million);
}

static void a_running_hash_does_not_depend_on_the_pieces(void **state)
{
	struct sha256 *s = sha256_new();

	(void)state;
	assert_non_null(s);
	sha256_add(s, "a", 1);
	sha256_add(s, "", 0);
	sha256_add(s, "bc", 2);
	assert_hash(sha256_final(s), sha256_of_abc);
	assert_hash(sha256_final(s), sha256_of_nothing);
	sha256_add(s, "abc", 3);
	assert_hash(sha256_final(s), sha256_of_abc);
	sha256_free(s);
	sha256_free(NULL);
}

static void ids_and_hashes_compare_by_all_their_bytes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HASH_BYTES; i++) {
		struct hash zero = {{0}}, h = {{0}};
		struct id id_zero = {{0}}, id = {{0}};

		h.b[i] = 1;
		assert_true(hash_equal(&zero, &zero) && hash_is_zero(&zero));
		assert_false(hash_equal(&h, &zero) || hash_is_zero(&h));
		assert_true(hash_compare(&zero, &h) < 0 && hash_compare(&h, &zero) > 0);
		assert_int_equal(hash_compare(&h, &h), 0);
		id.b[i % ID_BYTES] = 0x80;
		assert_true(id_equal(&id_zero, &id_zero) && id_is_zero(&id_zero));
		assert_false(id_equal(&id, &id_zero) || id_is_zero(&id));
	}
}

static void hex_goes_there_and_back(void **state)
{
	uint8_t all[256], got[256];
	char hex[513];

	(void)state;
	for (unsigned i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	hex_encode(all, 256, hex);
	assert_int_equal(strlen(hex), 512);
	assert_memory_equal(hex, "000102030405060708090a0b0c0d0e0f10", 34);
	assert_true(hex_decode(hex, got, 256));
	assert_memory_equal(got, all, 256);
	hex_encode(all, 0, hex);
	assert_string_equal(hex, "");
	assert_true(hex_decode("", got, 0));
}

static void only_lower_case_hex_of_the_exact_length_is_taken(void **state)
{
	static const char *const bad[] = {"",	 "a",	 "ab",	 "abc",	 "abcde", "abcdef", "ABCD",
					  "abcg", "ab d", " abcd", "abcd ", "ab\xff\xff", "0x12"};
	uint8_t out[2];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(hex_decode(bad[i], out, 2));
	assert_true(hex_decode("abcd", out, 2));
}

/* ---- json ---- */

static int parse(const char *text, json_t **out)
{
	return json_parse_object(text, strlen(text), "config x", out, &err);
}

static void an_object_is_parsed_and_its_members_found(void **state)
{
	const char *s;
	uint64_t number;
	uint8_t two[2];
	json_t *o;

	(void)state;
	assert_int_equal(parse("{\"s\": \"text\", \"n\": 42, \"zero\": 0, \"h\": \"abcd\"}", &o),
			 ERR_NONE);
	assert_int_equal(json_need_string(o, "s", &s, &err), ERR_NONE);
	assert_string_equal(s, "text");
	assert_int_equal(json_need_u64(o, "n", &number, &err), ERR_NONE);
	assert_int_equal(number, 42);
	assert_int_equal(json_need_u64(o, "zero", &number, &err), ERR_NONE);
	assert_int_equal(number, 0);
	assert_int_equal(json_need_hex(o, "h", two, 2, &err), ERR_NONE);
	assert_memory_equal(two, "\xab\xcd", 2);
	json_decref(o);
}

static void a_member_that_is_missing_or_of_another_type_is_corrupt(void **state)
{
	const char *s;
	uint64_t number;
	uint8_t two[2];
	json_t *o;

	(void)state;
	assert_int_equal(parse("{\"s\": \"text\", \"n\": -1, \"f\": 1.5, \"z\": null}", &o), ERR_NONE);
	assert_int_equal(json_need_string(o, "none", &s, &err), ERR_CORRUPT);
	assert_non_null(strstr(err.message, "none"));
	assert_int_equal(json_need_string(o, "n", &s, &err), ERR_CORRUPT);
	assert_int_equal(json_need_string(o, "z", &s, &err), ERR_CORRUPT);
	assert_int_equal(json_need_u64(o, "none", &number, &err), ERR_CORRUPT);
	assert_int_equal(json_need_u64(o, "n", &number, &err), ERR_CORRUPT);
	assert_int_equal(json_need_u64(o, "f", &number, &err), ERR_CORRUPT);
	assert_int_equal(json_need_u64(o, "s", &number, &err), ERR_CORRUPT);
	assert_int_equal(json_need_hex(o, "s", two, 2, &err), ERR_CORRUPT);
	assert_int_equal(json_need_hex(o, "n", two, 2, &err), ERR_CORRUPT);
	assert_int_equal(json_need_hex(o, "none", two, 2, &err), ERR_CORRUPT);
	json_decref(o);
}

static void what_is_no_single_object_is_corrupt(void **state)
{
	static const char *const bad[] = {"",	    "{",     "[]",    "1",     "null",
					  "\"s\"",  "{}{}",  "{} x",  "{\"a\":1,\"a\":2}",
					  "{\"a\":}", "{'a':1}", "{\"a\":\"\xff\"}",
					  "{\"a\":\"\\u0000\"}", "{\"a\":99999999999999999999}"};
	json_t *o;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		o = NULL;
		assert_int_equal(parse(bad[i], &o), ERR_CORRUPT);
		assert_null(o);
		assert_memory_equal(err.message, "config x: ", 10);
	}
	/* As a body comes that has no bytes. */
	assert_int_equal(json_parse_array(NULL, 0, "config x", &o, &err), ERR_CORRUPT);
	assert_string_equal(err.message, "config x: empty");
	assert_int_equal(json_parse_object("{}\0", 3, "config x", &o, &err), ERR_CORRUPT);
	assert_int_equal(json_parse_object("{\"a\": 1}garbage", 8, "config x", &o, &err), ERR_NONE);
	json_decref(o);
}

static void nesting_is_bounded_before_the_parser_runs(void **state)
{
	char text[4 * JSON_DEPTH_MAX + 64];
	json_t *o;

	(void)state;
	for (unsigned depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
		size_t len = (size_t)snprintf(text, sizeof(text), "{\"a\":");

		for (unsigned i = 0; i < depth - 1; i++)
			text[len++] = '[';
		for (unsigned i = 0; i < depth - 1; i++)
			text[len++] = ']';
		text[len++] = '}';
		o = NULL;
		assert_int_equal(json_parse_object(text, len, "x", &o, &err),
				 depth > JSON_DEPTH_MAX ? ERR_CORRUPT : ERR_NONE);
		if (o)
			json_decref(o);
	}
	/* Brackets in strings are letters. */
	memset(text, '[', sizeof(text));
	memcpy(text, "{\"\\\"", 4);
	memcpy(text + sizeof(text) - 4, "\":1}", 4);
	assert_int_equal(json_parse_object(text, sizeof(text), "x", &o, &err), ERR_NONE);
	json_decref(o);
}

static void equal_objects_print_as_the_same_bytes(void **state)
{
	struct buf a = {0}, b = {0};
	json_t *first, *second;
	uint8_t id[2] = {0xab, 0x01};

	(void)state;
	assert_int_equal(parse("{\"b\": 1, \"a\": {\"y\": 1, \"x\": []}}", &first), ERR_NONE);
	assert_int_equal(parse("{\"a\":{\"x\":[],\"y\":1},\"b\":1}", &second), ERR_NONE);
	assert_int_equal(json_set_hex(first, "id", id, 2), 0);
	assert_int_equal(json_set_hex(second, "id", id, 2), 0);
	assert_int_equal(json_print(first, &a, &err), ERR_NONE);
	assert_int_equal(json_print(second, &b, &err), ERR_NONE);
	assert_int_equal(a.len_bytes, b.len_bytes);
	assert_memory_equal(a.data, b.data, a.len_bytes);
	buf_add_u8(&a, 0);
	assert_string_equal((char *)a.data, "{\n  \"a\": {\n    \"x\": [],\n    \"y\": 1\n  },\n"
					    "  \"b\": 1,\n  \"id\": \"ab01\"\n}\n");
	buf_release(&a);
	buf_release(&b);
	json_decref(first);
	json_decref(second);
}

/* ---- stop ---- */

static void the_wish_to_stop_is_seen_by_whoever_asks(void **state)
{
	(void)state;
	assert_int_equal(stop_signal(), 0);
	assert_int_equal(stop_check(&err), ERR_NONE);
	stop_request(SIGTERM);
	assert_int_equal(stop_signal(), SIGTERM);
	assert_int_equal(stop_check(&err), ERR_INTERRUPTED);
	assert_int_equal(err.code, ERR_INTERRUPTED);
	stop_request(0);
	assert_int_equal(stop_check(&err), ERR_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_has_a_code_and_a_message),
		cmocka_unit_test(errno_gives_code_and_cause_and_stays),
		cmocka_unit_test(every_errno_that_matters_has_its_code),
		cmocka_unit_test(a_wrapped_error_names_the_outer_step_first_and_keeps_its_code),
		cmocka_unit_test(a_message_too_long_is_cut_and_ends),
		cmocka_unit_test(integers_are_stored_with_the_low_byte_first),
		cmocka_unit_test(a_buffer_holds_what_was_added_in_order),
		cmocka_unit_test(a_buffer_grows_over_many_sizes),
		cmocka_unit_test(a_cleared_buffer_is_empty_and_good_again),
		cmocka_unit_test(sizes_that_cannot_be_fail_and_leave_the_buffer_as_it_was),
		cmocka_unit_test(an_array_grows_to_what_is_wanted_and_never_beyond_memory),
		cmocka_unit_test(a_reader_gives_back_what_a_buffer_took),
		cmocka_unit_test(a_reader_that_ran_out_stays_failed_and_reads_zeros),
		cmocka_unit_test(an_empty_reader_is_done_and_gives_nothing),
		cmocka_unit_test(varints_of_every_length_come_back),
		cmocka_unit_test(only_the_shortest_form_of_a_varint_is_taken),
		cmocka_unit_test(a_number_or_length_above_its_bound_fails_the_reader),
		cmocka_unit_test(sha256_gives_the_values_of_the_standard),
		cmocka_unit_test(a_running_hash_does_not_depend_on_the_pieces),
		cmocka_unit_test(ids_and_hashes_compare_by_all_their_bytes),
		cmocka_unit_test(hex_goes_there_and_back),
		cmocka_unit_test(only_lower_case_hex_of_the_exact_length_is_taken),
		cmocka_unit_test(an_object_is_parsed_and_its_members_found),
		cmocka_unit_test(a_member_that_is_missing_or_of_another_type_is_corrupt),
		cmocka_unit_test(what_is_no_single_object_is_corrupt),
		cmocka_unit_test(nesting_is_bounded_before_the_parser_runs),
		cmocka_unit_test(equal_objects_print_as_the_same_bytes),
		cmocka_unit_test(the_wish_to_stop_is_seen_by_whoever_asks),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
