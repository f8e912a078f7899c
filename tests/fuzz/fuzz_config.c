/*
 * Configs, as their owners edit them. What is taken has drives with proper names, prints, and what
 * was printed is taken and prints as the same bytes.
 */
#include "array/config.h"

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
	struct buf once = {0}, twice = {0};
	struct config c, again;
	struct error err;

	if (config_parse(data, size, "input", &c, &err) != ERR_NONE) {
		must_be(err.code == ERR_CORRUPT || err.code == ERR_UNSUPPORTED);
		must_be(c.count == 0 && !c.drives);
		return 0;
	}
	for (size_t i = 0; i < c.count; i++) {
		must_be(drive_name_ok(c.drives[i].name));
		must_be(config_find(&c, c.drives[i].name) != NULL);
	}
	must_be(config_print(&c, &once, &err) == ERR_NONE);
	must_be(config_parse(once.data, once.len_bytes, "printed", &again, &err) == ERR_NONE);
	must_be(config_print(&again, &twice, &err) == ERR_NONE);
	must_be(once.len_bytes == twice.len_bytes &&
		memcmp(once.data, twice.data, once.len_bytes) == 0);
	while (c.count > 0) {
		size_t before = c.count;
		struct id first = c.drives[0].id;

		config_remove(&c, &first);
		must_be(c.count == before - 1);
	}
	buf_release(&once);
	buf_release(&twice);
	config_release(&c);
	config_release(&again);
	return 0;
}
