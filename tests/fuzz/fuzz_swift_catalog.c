/*
 * Keystone's answers, and the storage they name. What is taken is a URL of the same protection that
 * is taken again as it is.
 */
#include "drivers/swift_login.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf found = {0}, once = {0}, twice = {0};
	struct error err;
	int code = swift_catalog_find(data, size, size % 2 ? "r" : NULL, "public", &found, &err);

	must_be(code == ERR_NONE || code == ERR_CORRUPT || code == ERR_USAGE);
	if (code == ERR_NONE) {
		code = swift_storage_check((const char *)found.data, true, &once, &err);
		must_be(code == ERR_NONE || code == ERR_CORRUPT || code == ERR_DENIED);
	} else {
		code = ERR_CORRUPT;
	}
	if (code == ERR_NONE) {
		must_be(strncmp((const char *)once.data, "https://", 8) == 0);
		must_be(swift_storage_check((const char *)once.data, true, &twice, &err) == ERR_NONE);
		must_be(strcmp((const char *)once.data, (const char *)twice.data) == 0);
	}
	buf_release(&found);
	buf_release(&once);
	buf_release(&twice);
	return 0;
}
