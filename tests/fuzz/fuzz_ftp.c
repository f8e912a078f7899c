/*
 * What an FTP server says: replies, features, and both kinds of listing. Names that come of it are one
 * component each, and texts can be shown.
 */
#include "drivers/driver.h"
#include "drivers/ftp_reply.h"
#include "drivers/name.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be(bool holds)
{
	if (!holds)
		abort();
}

static void check_name(const char *name)
{
	char object[OBJECT_NAME_MAX + 1];
	size_t len = strlen(name);

	must_be(len > 0 && len <= OBJECT_NAME_MAX && !strchr(name, '/'));
	memcpy(object, name, len + 1);
	for (char *at = object; *at; at++) {
		if (*at == '~')
			*at = 'x';
	}
	must_be(object_name_ok(object));
}

static void check_reply(const char *line, size_t len)
{
	struct ftp_reply r;
	uint64_t size;

	if (!ftp_reply_parse(line, len, &r))
		return;
	must_be(r.code >= 100 && r.code < 700 && strlen(r.text) < sizeof(r.text));
	for (const char *at = r.text; *at; at++)
		must_be(*at >= ' ' && *at < 0x7f);
	must_be(!ftp_reply_size(&r, &size) || r.code == 213);
	must_be(ftp_reply_error(&r) != ERR_NONE);
}

/* The listing, by each parser, in a copy of exactly its size. */
static void check_listing(const uint8_t *data, size_t size, bool mlsd)
{
	char *bytes = malloc(size ? size : 1), *at = bytes, *line;
	struct error err = { .code = ERR_NONE };

	must_be(bytes != NULL);
	memcpy(bytes, data, size);
	while ((line = ftp_line(&at, bytes + size))) {
		struct ftp_entry e;
		char *name;

		must_be(line >= bytes && at <= bytes + size && line + strlen(line) < at);
		if (mlsd) {
			int code = ftp_mlsd_parse(line, &e, &err);

			must_be(code == ERR_NONE || code == ERR_NOT_FOUND || code == ERR_CORRUPT);
			if (code == ERR_NONE)
				check_name(e.name);
		} else {
			name = ftp_nlst_parse(line);
			if (name)
				check_name(name);
		}
	}
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_reply((const char *)data, size);
	ftp_is_feature((const char *)data, size, "MLST");
	check_listing(data, size, true);
	check_listing(data, size, false);
	return 0;
}
