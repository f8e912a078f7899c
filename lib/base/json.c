#include "base/json.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

/* Brackets outside strings; jansson's own bound is far deeper than we allow. */
static bool too_deep(const char *bytes, size_t len_bytes)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < len_bytes; i++) {
		char c = bytes[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > JSON_DEPTH_MAX)
				return true;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return false;
}

static int parse(const void *bytes, size_t len_bytes, json_type type, const char *what,
		 json_t **out, struct error *err)
{
	json_error_t why;

	if (len_bytes == 0)
		return err_set(err, ERR_CORRUPT, "%s: empty", what);
	if (too_deep(bytes, len_bytes))
		return err_set(err, ERR_CORRUPT, "%s: nested deeper than %d", what, JSON_DEPTH_MAX);
	*out = json_loadb(bytes, len_bytes, JSON_REJECT_DUPLICATES, &why);
	if (!*out)
		return err_set(err, ERR_CORRUPT, "%s: line %d: %s", what, why.line, why.text);
	if (json_typeof(*out) != type) {
		json_decref(*out);
		*out = NULL;
		return err_set(err, ERR_CORRUPT, "%s: not a JSON %s", what,
			       type == JSON_ARRAY ? "array" : "object");
	}
	return ERR_NONE;
}

int json_parse_object(const void *bytes, size_t len_bytes, const char *what, json_t **out,
		      struct error *err)
{
	return parse(bytes, len_bytes, JSON_OBJECT, what, out, err);
}

int json_parse_array(const void *bytes, size_t len_bytes, const char *what, json_t **out,
		     struct error *err)
{
	return parse(bytes, len_bytes, JSON_ARRAY, what, out, err);
}

int json_need_string(const json_t *object, const char *key, const char **out, struct error *err)
{
	const json_t *v = json_object_get(object, key);

	if (!json_is_string(v))
		return err_set(err, ERR_CORRUPT, "\"%s\" is missing or no string", key);
	*out = json_string_value(v);
	return ERR_NONE;
}

int json_need_u64(const json_t *object, const char *key, uint64_t *out, struct error *err)
{
	const json_t *v = json_object_get(object, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return err_set(err, ERR_CORRUPT, "\"%s\" is missing or no number", key);
	*out = (uint64_t)json_integer_value(v);
	return ERR_NONE;
}

int json_need_hex(const json_t *object, const char *key, void *out, size_t len_bytes,
		  struct error *err)
{
	const char *s = NULL;
	int code = json_need_string(object, key, &s, err);

	if (code != ERR_NONE)
		return code;
	if (!hex_decode(s, out, len_bytes))
		return err_set(err, ERR_CORRUPT, "\"%s\" is not %zu bytes in hex", key, len_bytes);
	return ERR_NONE;
}

int json_set_hex(json_t *object, const char *key, const void *bytes, size_t len_bytes)
{
	char *hex = malloc(2 * len_bytes + 1);
	int failed;

	if (!hex)
		return -1;
	hex_encode(bytes, len_bytes, hex);
	failed = json_object_set_new(object, key, json_string(hex));
	free(hex);
	return failed;
}

int json_print(const json_t *object, struct buf *out, struct error *err)
{
	char *text = json_dumps(object, JSON_INDENT(2) | JSON_SORT_KEYS);

	if (!text)
		return err_nomem(err);
	buf_add(out, text, strlen(text));
	buf_add_u8(out, '\n');
	free(text);
	return out->failed ? err_nomem(err) : ERR_NONE;
}
