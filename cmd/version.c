#include "cmd/commands.h"
#include "cmd/version.h"
#include "drivers/driver.h"

#include <isa-l.h>
#include <openssl/crypto.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <zstd.h>

#define DOTTED_(a, b, c) #a "." #b "." #c
#define DOTTED(a, b, c) DOTTED_(a, b, c)
#define ISAL_DOTTED DOTTED(ISAL_MAJOR_VERSION, ISAL_MINOR_VERSION, ISAL_PATCH_VERSION)

struct library {
	const char *name, *version;
};

/* What is loaded now, which may be newer than what was compiled against; of ISA-L, which does not
 * tell at run time, the latter. */
static void libraries_print(struct out *o, json_t *object)
{
	const struct library libraries[] = {
		{ "libsodium", sodium_version_string() },
		{ "libcrypto", OpenSSL_version(OPENSSL_VERSION_STRING) },
		{ "libzstd", ZSTD_versionString() },
		{ "sqlite", sqlite3_libversion() },
		{ "jansson", jansson_version_str() },
		{ "libisal", ISAL_DOTTED },
	};
	json_t *list = json_object();

	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		out_line(o, "%s %s", libraries[i].name, libraries[i].version);
		json_object_set_new(list, libraries[i].name, json_string(libraries[i].version));
	}
	json_object_set_new(object, "libraries", list);
}

static void drives_print(struct out *o, json_t *object)
{
	json_t *list = json_array();
	char kinds[256] = "";
	size_t used = 0;

	for (unsigned i = 0; driver_kind(i); i++) {
		json_array_append_new(list, json_string(driver_kind(i)));
		if (used < sizeof(kinds))
			used += (size_t)snprintf(kinds + used, sizeof(kinds) - used, " %s",
						 driver_kind(i));
	}
	out_line(o, "drives:%s", kinds);
	json_object_set_new(object, "drives", list);
}

int cmd_version(struct invocation *inv, struct error *err)
{
	json_t *object = out_object("version");

	(void)err;
	out_line(inv->out, "mrmr %s", MRMR_VERSION);
	json_object_set_new(object, "version", json_string(MRMR_VERSION));
	libraries_print(inv->out, object);
	drives_print(inv->out, object);
	out_json(inv->out, object);
	return ERR_NONE;
}
