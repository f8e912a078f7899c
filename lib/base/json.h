/*
 * JSON (RFC 8259, by jansson) of files that anybody may have written: size and depth are
 * bounded before a parser sees the bytes, and every getter says what it missed.
 */
#ifndef MRMR_BASE_JSON_H
#define MRMR_BASE_JSON_H

#include "base/bytes.h"
#include "base/error.h"

#include <jansson.h>

#define JSON_DEPTH_MAX 32

/* Parses one object. what names it in errors ("config /home/me/..."). json_decref() the result. */
int json_parse_object(const void *bytes, size_t len_bytes, const char *what, json_t **out,
		      struct error *err);
/* The same for an array. */
int json_parse_array(const void *bytes, size_t len_bytes, const char *what, json_t **out,
		     struct error *err);

/* Lent members of an object. A missing or differently typed one is ERR_CORRUPT. */
int json_need_string(const json_t *object, const char *key, const char **out, struct error *err);
int json_need_u64(const json_t *object, const char *key, uint64_t *out, struct error *err);
/* Exactly 2 * len_bytes lower-case hex digits. */
int json_need_hex(const json_t *object, const char *key, void *out, size_t len_bytes,
		  struct error *err);

int json_set_hex(json_t *object, const char *key, const void *bytes, size_t len_bytes);

/* Sorted keys, two-space indent, final newline: the same object is the same bytes. */
int json_print(const json_t *object, struct buf *out, struct error *err);

#endif
