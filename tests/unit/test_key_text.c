/* Keys as people and files keep them, and the names of key objects. */
#include "seal/slot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const uint8_t key_bytes[KEY_BYTES] = "thirty-two bytes of pure entropy";

static void names_of_key_objects_come_back(void **state)
{
	struct id id = id_random(), id_back;
	struct hash sum = sha256("bytes", 5), back;
	char slot_name[SLOT_NAME_BYTES], ring_name[RING_NAME_BYTES];

	(void)state;
	slot_object_name(&id, "bytes", 5, slot_name);
	ring_object_name("bytes", 5, ring_name);
	assert_int_equal(strlen(slot_name), SLOT_NAME_BYTES - 1);
	assert_int_equal(strlen(ring_name), RING_NAME_BYTES - 1);
	assert_true(slot_name_parse(slot_name, &id_back, &back));
	assert_true(id_equal(&id, &id_back));
	assert_true(hash_equal(&sum, &back));
	memset(&back, 0, sizeof(back));
	assert_true(ring_name_parse(ring_name, &back));
	assert_true(hash_equal(&sum, &back));
	assert_false(slot_name_parse(ring_name, &id_back, &back));
	assert_false(ring_name_parse(slot_name, &back));
}

static void any_other_name_is_no_key_object(void **state)
{
	struct id id = id_random();
	char slot_name[SLOT_NAME_BYTES + 1], ring_name[RING_NAME_BYTES + 1];
	struct hash sum;

	(void)state;
	slot_object_name(&id, "bytes", 5, slot_name);
	ring_object_name("bytes", 5, ring_name);
	for (size_t i = 0; slot_name[i]; i++) {
		char c = slot_name[i];

		slot_name[i] = '\0';
		assert_false(slot_name_parse(slot_name, &id, &sum));
		slot_name[i] = 'X';
		assert_false(slot_name_parse(slot_name, &id, &sum));
		slot_name[i] = c;
	}
	for (size_t i = 0; ring_name[i]; i++) {
		char c = ring_name[i];

		ring_name[i] = '\0';
		assert_false(ring_name_parse(ring_name, &sum));
		ring_name[i] = 'X';
		assert_false(ring_name_parse(ring_name, &sum));
		ring_name[i] = c;
	}
	strncat(slot_name, "n", 1);
	strncat(ring_name, "0", 1);
	assert_false(slot_name_parse(slot_name, &id, &sum));
	assert_false(ring_name_parse(ring_name, &sum));
}

static int read_recovery(const char *text)
{
	static const uint8_t zeros[KEY_BYTES];
	uint8_t key[KEY_BYTES];
	struct error err;
	int code = recovery_parse(text, key, &err);

	assert_memory_equal(key, code == ERR_NONE ? key_bytes : zeros, KEY_BYTES);
	return code;
}

static void a_recovery_key_is_read_however_it_is_typed(void **state)
{
	char text[RECOVERY_TEXT_BYTES], typed[4 * RECOVERY_TEXT_BYTES];
	size_t n = 0;

	(void)state;
	recovery_text(key_bytes, text);
	assert_int_equal(strlen(text), 14 * 4 + 13);
	assert_int_equal(read_recovery(text), ERR_NONE);
	for (const char *c = text; *c; c++) {
		if (*c == '-')
			continue;
		if (*c == '1')
			typed[n++] = 'l';
		else if (*c == '0')
			typed[n++] = 'o';
		else
			typed[n++] = (char)tolower((unsigned char)*c);
		if (n % 3 == 0) {
			typed[n] = " -\n\t"[n % 4];
			n++;
		}
	}
	typed[n] = '\0';
	assert_int_equal(read_recovery(typed), ERR_NONE);
}

static void a_mistyped_recovery_key_is_noticed(void **state)
{
	char text[RECOVERY_TEXT_BYTES], bad[RECOVERY_TEXT_BYTES + 2];

	(void)state;
	recovery_text(key_bytes, text);
	for (size_t i = 0; text[i]; i++) {
		if (text[i] == '-')
			continue;
		memcpy(bad, text, sizeof(text));
		bad[i] = text[i] == 'A' ? 'B' : 'A'; /* another letter */
		assert_int_equal(read_recovery(bad), ERR_KEY);
		bad[i] = 'U'; /* none of the alphabet */
		assert_int_equal(read_recovery(bad), ERR_KEY);
		bad[i] = ' '; /* one missing */
		assert_int_equal(read_recovery(bad), ERR_KEY);
		memcpy(bad, text, sizeof(text));
		if (text[i + 1] && text[i + 1] != '-' && text[i + 1] != text[i]) {
			bad[i] = text[i + 1]; /* two swapped */
			bad[i + 1] = text[i];
			assert_int_equal(read_recovery(bad), ERR_KEY);
		}
	}
	snprintf(bad, sizeof(bad), "%s0", text);
	assert_int_equal(read_recovery(bad), ERR_KEY);
	assert_int_equal(read_recovery(""), ERR_KEY);
}

static int read_key_file(const void *bytes, size_t len_bytes)
{
	static const uint8_t zeros[KEY_BYTES];
	uint8_t key[KEY_BYTES];
	struct error err;
	int code = key_file_parse(bytes, len_bytes, key, &err);

	assert_memory_equal(key, code == ERR_NONE ? key_bytes : zeros, KEY_BYTES);
	return code;
}

static void a_key_file_is_its_one_line_and_nothing_else(void **state)
{
	struct buf text = {0};

	(void)state;
	key_file_text(key_bytes, &text);
	assert_memory_equal(text.data, "mrmr-key-1 7468697274792d74776f20", 33);
	assert_int_equal(read_key_file(text.data, text.len_bytes), ERR_NONE);
	assert_int_equal(read_key_file(text.data, text.len_bytes - 1), ERR_NONE);
	for (size_t len = 0; len < text.len_bytes - 1; len++)
		assert_int_equal(read_key_file(text.data, len), ERR_KEY);
	buf_add_u8(&text, '\n');
	assert_int_equal(read_key_file(text.data, text.len_bytes), ERR_KEY);
	for (size_t i = 0; i + 1 < text.len_bytes; i++) {
		uint8_t c = text.data[i];

		text.data[i] = 'G';
		assert_int_equal(read_key_file(text.data, text.len_bytes - 1), ERR_KEY);
		text.data[i] = c;
	}
	buf_release(&text);
}

static int start(void **state)
{
	struct error err;

	(void)state;
	return seal_start(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_key_objects_come_back),
		cmocka_unit_test(any_other_name_is_no_key_object),
		cmocka_unit_test(a_recovery_key_is_read_however_it_is_typed),
		cmocka_unit_test(a_mistyped_recovery_key_is_noticed),
		cmocka_unit_test(a_key_file_is_its_one_line_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
