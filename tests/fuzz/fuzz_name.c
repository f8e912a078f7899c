/*
 * Object names and URLs from configs and hostile listings. A name that is taken can't lead out of
 * its folder, and every beginning of it is a prefix to list by.
 */
#include "drivers/driver.h"
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

/* The rule of driver.h once more, said another way. */
static bool is_good(const char *name)
{
	char framed[OBJECT_NAME_MAX + 3];
	size_t len = strlen(name);

	if (len == 0 || len > OBJECT_NAME_MAX)
		return false;
	framed[0] = framed[len + 1] = '/';
	framed[len + 2] = '\0';
	memcpy(framed + 1, name, len);
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '.' && c != '_' && c != '/' && c != '-')
			return false;
	}
	return !strstr(framed, "//") && !strstr(framed, "/./") && !strstr(framed, "/../");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct mrmr_driver *driver;
	char *name = malloc(size + 1);
	struct error err;

	must_be(name != NULL);
	memcpy(name, data, size);
	name[size] = '\0';
	must_be(object_name_ok(name) == is_good(name));
	if (object_name_ok(name)) {
		for (size_t len = strlen(name); len > 0; len--) {
			name[len] = '\0';
			must_be(object_prefix_check(name, &err) == ERR_NONE);
		}
	}
	must_be((driver_for_url(name, &driver, &err) == ERR_NONE) == (driver != NULL));
	free(name);
	return 0;
}
