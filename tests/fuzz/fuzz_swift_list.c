/*
 * Pages of a Swift listing. Only names of objects that were asked for are handed on, and a page that
 * is taken leads on.
 */
#include "drivers/name.h"
#include "drivers/swift.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be(bool holds)
{
	if (!holds)
		abort();
}

static int note(void *ctx, const char *name, uint64_t len_bytes)
{
	(void)len_bytes;
	must_be(object_name_ok(name) && strncmp(name, "b", 1) == 0);
	++*(size_t *)ctx;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t named = 0, entries = 0;
	struct swift_listing l = {.top = "p/.mrmr/", .prefix = "b", .each = note, .ctx = &named,
				  .marker = strdup("p/.mrmr/b/a")};
	struct error err;
	int code = swift_listing_page(&l, data, size, &entries, &err);

	must_be(code == ERR_NONE || code == ERR_CORRUPT);
	must_be(named <= entries);
	if (code == ERR_NONE && entries > 0)
		must_be(strcmp(l.marker, "p/.mrmr/b/a") > 0);
	else
		must_be(strcmp(l.marker, "p/.mrmr/b/a") == 0);
	free(l.marker);
	return 0;
}
