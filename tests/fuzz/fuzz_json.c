/*
 * JSON that anybody may have written: configs, key slots. What parses prints, and what was printed
 * parses and prints as the same bytes.
 */
#include "base/json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be(bool holds)
{
	if (!holds)
		abort();
}

/* Every getter on every member: it answers or says what it missed. */
static void ask_members(const json_t *object)
{
	const char *key, *text;
	struct error err;
	uint8_t two[2];
	uint64_t number;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		int code = json_need_string(object, key, &text, &err);

		must_be(code == (json_is_string(value) ? ERR_NONE : ERR_CORRUPT));
		code = json_need_u64(object, key, &number, &err);
		must_be(code == ERR_NONE || code == ERR_CORRUPT);
		code = json_need_hex(object, key, two, sizeof(two), &err);
		must_be(code == ERR_NONE || code == ERR_CORRUPT);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf once = {0}, twice = {0};
	json_t *object, *again;
	struct error err;

	if (json_parse_object(data, size, "input", &object, &err) != ERR_NONE)
		return 0;
	ask_members(object);
	must_be(json_print(object, &once, &err) == ERR_NONE);
	must_be(json_parse_object(once.data, once.len_bytes, "printed", &again, &err) == ERR_NONE);
	must_be(json_print(again, &twice, &err) == ERR_NONE);
	must_be(once.len_bytes == twice.len_bytes &&
		memcmp(once.data, twice.data, once.len_bytes) == 0);
	buf_release(&once);
	buf_release(&twice);
	json_decref(object);
	json_decref(again);
	return 0;
}
