/*
 * Answers to PROPFIND, of a server that may be anybody's. The first line is the path that was asked
 * for. Names that are handed out are of that folder alone.
 */
#include "drivers/multistatus.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int look_at(void *ctx, const struct dav_entry *e, struct error *err)
{
	(void)ctx;
	(void)err;
	if (strchr(e->name, '/'))
		abort();
	return ERR_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *end;
	uint64_t first, last;
	struct error err;

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	if (content_range_parse(text, &first, &last) && first > last)
		abort();
	end = memchr(text, '\n', size);
	if (end) {
		struct buf path = {0};

		*end = '\0';
		if (href_path(text, &path)) {
			buf_add_u8(&path, 0);
			multistatus_walk(end + 1, size - (size_t)(end + 1 - text),
					 (const char *)path.data, look_at, NULL, &err);
		}
		buf_release(&path);
	}
	free(text);
	return 0;
}
