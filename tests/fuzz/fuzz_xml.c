/* XML, as servers send it: every path is one of elements, every text bounded, and what begins ends. */
#include "drivers/xml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be(bool holds)
{
	if (!holds)
		abort();
}

struct seen {
	unsigned depth;
};

static unsigned parts(const char *path)
{
	unsigned n = 1;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

static int begin(void *ctx, const char *path, const char *text, struct error *err)
{
	struct seen *s = ctx;

	(void)err;
	must_be(*text == '\0' && strlen(path) < XML_PATH_BYTES_MAX);
	must_be(parts(path) == ++s->depth && s->depth <= XML_DEPTH_MAX);
	return ERR_NONE;
}

static int end(void *ctx, const char *path, const char *text, struct error *err)
{
	struct seen *s = ctx;

	(void)err;
	must_be(strlen(text) <= XML_TEXT_BYTES_MAX && parts(path) == s->depth--);
	return ERR_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen seen = {0}, again = {0};
	struct xml_walk w = {.begin = begin, .end = end, .ctx = &seen};
	struct error err;
	int code = xml_walk(data, size, &w, &err);

	must_be(code == ERR_NONE || code == ERR_CORRUPT);
	must_be(code != ERR_NONE || seen.depth == 0);
	w.space = "DAV:";
	w.ctx = &again;
	must_be(xml_walk(data, size, &w, &err) == code);
	return 0;
}
