/* Names of files in output: they are bytes, and only by habit UTF-8. */
#include "base/bytes.h"
#include "cmd/out.h"

#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Length of the UTF-8 sequence at the start (Unicode 15, table 3-7); 0: it is none. */
static size_t utf8_length(const uint8_t *at, size_t left_bytes)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t len_bytes;

	if (at[0] < 0x80)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	len_bytes = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	if (at[0] == 0xe0)
		low = 0xa0; /* shorter forms exist */
	else if (at[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (at[0] == 0xf0)
		low = 0x90;
	else if (at[0] == 0xf4)
		high = 0x8f; /* above U+10FFFF */
	if (left_bytes < len_bytes || at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < len_bytes; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return len_bytes;
}

void json_b64_set(json_t *object, const char *key, const void *bytes, size_t len_bytes)
{
	size_t text_bytes = sodium_base64_ENCODED_LEN(len_bytes, sodium_base64_VARIANT_ORIGINAL);
	size_t name_bytes = strlen(key) + sizeof("_b64");
	char *text = malloc(text_bytes), *name = malloc(name_bytes);

	if (text && name) {
		snprintf(name, name_bytes, "%s_b64", key);
		sodium_bin2base64(text, text_bytes, bytes, len_bytes,
				  sodium_base64_VARIANT_ORIGINAL);
		json_object_set_new(object, name, json_string(text));
	}
	free(text);
	free(name);
}

void json_path_set(json_t *object, const char *key, const void *path, size_t len_bytes)
{
	const uint8_t *bytes = path;
	struct buf text = { 0 };
	bool exact = true;

	for (size_t i = 0; i < len_bytes;) {
		size_t char_bytes = utf8_length(bytes + i, len_bytes - i);

		if (char_bytes > 0) {
			buf_add(&text, bytes + i, char_bytes);
		} else {
			buf_add(&text, "\xef\xbf\xbd", 3);
			char_bytes = 1;
			exact = false;
		}
		i += char_bytes;
	}
	if (!text.failed)
		json_object_set_new(object, key,
				    json_stringn(len_bytes ? (const char *)text.data : "", text.len_bytes));
	if (!exact)
		json_b64_set(object, key, path, len_bytes);
	buf_release(&text);
}

void out_escape(const char *name, char *out, size_t out_bytes)
{
	const uint8_t *at = (const uint8_t *)name;
	size_t used = 0, left_bytes = strlen(name);

	while (left_bytes > 0) {
		size_t char_bytes = utf8_length(at, left_bytes);
		/* C0, DEL, and C1 as UTF-8 (U+0080 to U+009F) can all steer a terminal. */
		bool plain = char_bytes > 0 && *at >= 0x20 && *at != 0x7f &&
			     !(*at == 0xc2 && at[1] < 0xa0);
		size_t need_bytes = plain ? char_bytes : 4 * (char_bytes ? char_bytes : 1);

		if (char_bytes == 0)
			char_bytes = 1;
		if (used + need_bytes >= out_bytes)
			break;
		for (size_t i = 0; i < char_bytes; i++) {
			if (plain)
				out[used++] = (char)at[i];
			else
				used += (size_t)snprintf(out + used, 5, "\\%03o", at[i]);
		}
		at += char_bytes;
		left_bytes -= char_bytes;
	}
	out[used] = '\0';
}
