#include "drivers/name.h"

#include "drivers/driver.h"

#include <string.h>

#define NAME_BYTES                                                                                 \
	"abcdefghijklmnopqrstuvwxyz"                                                               \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ"                                                               \
	"0123456789._-"
#define TAG_BYTES "abcdefghijklmnopqrstuvwxyz0123456789"
#define TAG_MAX 32

/* Length of the good component at the start of s; 0: there is none. */
static size_t component_len(const char *s)
{
	size_t len = strspn(s, NAME_BYTES);

	if ((len == 1 && s[0] == '.') || (len == 2 && s[0] == '.' && s[1] == '.'))
		return 0;
	return len;
}

bool object_name_ok(const char *name)
{
	const char *at = name;

	if (strnlen(name, OBJECT_NAME_MAX + 1) > OBJECT_NAME_MAX)
		return false;
	for (;;) {
		size_t len = component_len(at);

		if (len == 0)
			return false;
		at += len;
		if (*at == '\0')
			return true;
		if (*at++ != '/')
			return false;
	}
}

int object_name_check(const char *name, struct error *err)
{
	if (object_name_ok(name))
		return ERR_NONE;
	return err_set(err, ERR_USAGE, "\"%.*s\" is no object name", OBJECT_NAME_MAX, name);
}

int object_prefix_check(const char *prefix, struct error *err)
{
	const char *at = prefix;

	if (strnlen(prefix, OBJECT_NAME_MAX + 1) > OBJECT_NAME_MAX)
		goto bad;
	while (*at) {
		/* The last component may be the beginning of any, "." of ".x" too. */
		size_t all = strspn(at, NAME_BYTES);

		if (at[all] == '\0')
			return ERR_NONE;
		if (at[all] != '/' || component_len(at) == 0)
			goto bad;
		at += all + 1;
	}
	return ERR_NONE;
bad:
	return err_set(err, ERR_USAGE, "no object name begins with \"%.*s\"", OBJECT_NAME_MAX, prefix);
}

int temp_tag_check(const char *tag, struct error *err)
{
	size_t len = tag ? strspn(tag, TAG_BYTES) : 0;

	if (len > 0 && len <= TAG_MAX && tag[len] == '\0')
		return ERR_NONE;
	return err_set(err, ERR_USAGE, "the tag of temporary names is not 1 to %d of [a-z0-9]", TAG_MAX);
}

const char *url_after_scheme(const char *url, const char *scheme)
{
	size_t len = strlen(scheme);

	return strncmp(url, scheme, len) == 0 && url[len] == ':' ? url + len + 1 : url;
}
