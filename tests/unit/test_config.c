/*
 * Configs and markers: what is refused, as what, and what a newer mrmr may have written.
 */
#include "array/config.h"

#include "tests/vectors/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARRAY "\"array_id\": \"101112131415161718191a1b1c1d1e1f\""
#define DRIVE "\"drive_id\": \"000102030405060708090a0b0c0d0e0f\""
#define MAC "\"mac\": \"0000000000000000000000000000000000000000000000000000000000000000\""
#define ENTRY(name) "{\"name\": \"" name "\", " DRIVE ", \"url\": \"/mnt/a\"}"
#define CONFIG(entries) "{\"format\": 1, " ARRAY ", \"drives\": [" entries "]}"

static int config_of(const char *text, struct error *err)
{
	struct config c;
	int code = config_parse(text, strlen(text), "the config", &c, err);

	config_release(&c);
	return code;
}

static int marker_of(const char *text, struct error *err)
{
	struct marker m;

	return marker_parse(text, strlen(text), &m, err);
}

static void a_config_is_printed_as_it_was_read(void **state)
{
	static const char text[] = CONFIG(ENTRY("d1") ", {\"name\": \"usb.2\", " DRIVE
					  ", \"url\": \"x\", \"options\": {\"connections\": \"2\"}}");
	struct buf once = {0}, twice = {0};
	struct config c, again;
	struct error err;

	(void)state;
	assert_int_equal(config_parse(text, strlen(text), "t", &c, &err), ERR_NONE);
	assert_int_equal(c.count, 2);
	assert_string_equal(config_find(&c, "usb.2")->options_json, "{\"connections\":\"2\"}");
	assert_int_equal(config_print(&c, &once, &err), ERR_NONE);
	assert_int_equal(config_parse(once.data, once.len_bytes, "t", &again, &err), ERR_NONE);
	assert_int_equal(config_print(&again, &twice, &err), ERR_NONE);
	assert_int_equal(once.len_bytes, twice.len_bytes);
	assert_memory_equal(once.data, twice.data, once.len_bytes);
	buf_release(&once);
	buf_release(&twice);
	config_release(&c);
	config_release(&again);
}

static void what_is_newer_is_unsupported_whatever_else_it_lacks(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(config_of("{\"format\": 2}", &err), ERR_UNSUPPORTED);
	assert_string_equal(err.message, "the config: config format 2 is unknown to this build");
	assert_int_equal(marker_of("{\"format\": 2}", &err), ERR_UNSUPPORTED);
	assert_int_equal(marker_of("{\"format\": 1, " ARRAY ", " DRIVE "}", &err), ERR_CORRUPT);
	assert_int_equal(marker_of("{\"format\": 1, " ARRAY ", " DRIVE ", " MAC ", \"more\": 1}",
				   &err), ERR_NONE);
}

static void a_config_that_makes_no_sense_is_refused_with_its_name(void **state)
{
	static const char *const bad[] = {
		"", "[]", "{}", "{\"format\": 1}", "{\"format\": 1, " ARRAY "}",
		"{\"format\": 1, " ARRAY ", \"drives\": {}}", CONFIG("7"), CONFIG("{}"),
		CONFIG("{\"name\": \"d1\", " DRIVE "}"), CONFIG(ENTRY("")), CONFIG(ENTRY("a b")),
		CONFIG(ENTRY("\\u001b[2J")), CONFIG(ENTRY("../x")), CONFIG(ENTRY("-x")),
		CONFIG(ENTRY("a234567890123456789012345678901234")),
		CONFIG("{\"name\": \"d1\", " DRIVE ", \"url\": \"x\", \"options\": []}"),
	};
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(config_of(bad[i], &err), ERR_CORRUPT);
		assert_memory_equal(err.message, "the config: ", 12);
	}
	assert_int_equal(config_of(CONFIG(""), &err), ERR_NONE);
}

static void no_file_is_no_array(void **state)
{
	struct config c;
	struct error err;

	(void)state;
	assert_int_equal(config_load("/nowhere/at/all.json", &c, &err), ERR_NO_ARRAY);
	assert_string_equal(err.message, "no array config at /nowhere/at/all.json");
}

static void only_who_has_the_keys_makes_a_genuine_marker(void **state)
{
	struct id array_id, drive_id = id_random();
	struct keys *keys = NULL;
	struct buf json = {0};
	struct marker m;
	struct error err;

	(void)state;
	memcpy(array_id.b, vector_array_id, ID_BYTES);
	assert_int_equal(ring_open(&array_id, 2, vector_master, vector_ring, sizeof(vector_ring),
				   &keys, &err), ERR_NONE);
	assert_int_equal(marker_make(keys, &drive_id, &json, &err), ERR_NONE);
	assert_int_equal(marker_parse(json.data, json.len_bytes, &m, &err), ERR_NONE);
	assert_true(id_equal(&m.drive_id, &drive_id));
	assert_true(marker_genuine(keys, &m));
	m.drive_id.b[0] ^= 1;
	assert_false(marker_genuine(keys, &m));
	m.drive_id.b[0] ^= 1;
	m.array_id.b[15] ^= 1;
	assert_false(marker_genuine(keys, &m));
	buf_release(&json);
	keys_free(keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_config_is_printed_as_it_was_read),
		cmocka_unit_test(what_is_newer_is_unsupported_whatever_else_it_lacks),
		cmocka_unit_test(a_config_that_makes_no_sense_is_refused_with_its_name),
		cmocka_unit_test(no_file_is_no_array),
		cmocka_unit_test(only_who_has_the_keys_makes_a_genuine_marker),
	};
	struct error err;

	if (seal_start(&err) != ERR_NONE)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
