/* What is read of answers, of which nothing is to be believed. */
#include "net/http_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sodium.h>

#define RETRY_AFTER_S_MAX 86400
#define SECRET_BYTES_MIN 4 /* a shorter one is in every text by chance */
#define LINE_BYTES_MAX 160 /* of an answer's text that goes into a message */

unsigned http_retry_after(const char *value, time_t now)
{
	uint64_t seconds = 0;
	size_t digits = strspn(value, "0123456789");

	if (digits == 0) {
		time_t date = curl_getdate(value, NULL);

		seconds = date > now ? (uint64_t)(date - now) : 0;
	} else if (value[digits] == '\0') {
		for (size_t i = 0; i < digits && seconds <= RETRY_AFTER_S_MAX; i++)
			seconds = seconds * 10 + (uint64_t)(value[i] - '0');
	}
	return seconds < RETRY_AFTER_S_MAX ? (unsigned)seconds : RETRY_AFTER_S_MAX;
}

void answer_begin(struct transfer *t)
{
	t->a->status = t->a->retry_after_s = 0;
	t->a->out_used_bytes = 0;
	t->passed_bytes = 0;
	buf_clear(&t->a->document);
	t->header_bytes = 0;
	for (size_t i = 0; i < t->r->wanted_count; i++)
		t->r->wanted[i].value[0] = '\0';
}

/* Letters that could play tricks on a terminal or with a protocol are not kept. */
static void copy_printable(char *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (unsigned char)text[i] < ' ' || text[i] == 127 ? '?' : text[i];
	out[len] = '\0';
}

static int keep_header(struct transfer *t, const char *name, size_t name_len, const char *value,
		       size_t len)
{
	for (size_t i = 0; i < t->r->wanted_count; i++) {
		struct http_header *h = &t->r->wanted[i];

		if (strlen(h->name) != name_len || strncasecmp(h->name, name, name_len) != 0 ||
		    h->value[0])
			continue;
		if (len >= sizeof(h->value))
			return err_set(t->err, ERR_CORRUPT, "%s: a header %s of %zu bytes",
				       t->site->origin, h->name, len);
		copy_printable(h->value, value, len);
	}
	return ERR_NONE;
}

static void keep_retry_after(struct transfer *t, const char *value, size_t len)
{
	char text[64];

	if (len >= sizeof(text) || t->a->retry_after_s > 0)
		return;
	copy_printable(text, value, len);
	t->a->retry_after_s = http_retry_after(text, time(NULL));
}

int answer_header(struct transfer *t, const char *line, size_t len, bool counts)
{
	static const char retry_after[] = "retry-after";
	const char *colon = memchr(line, ':', len), *value;
	size_t name_len;

	t->header_bytes += len;
	if (t->header_bytes > HTTP_HEADERS_BYTES_MAX)
		return err_set(t->err, ERR_CORRUPT, "%s: an answer with endless headers",
			       t->site->origin);
	if (!colon || !counts)
		return ERR_NONE;
	name_len = (size_t)(colon - line);
	value = colon + 1;
	len -= name_len + 1;
	while (len > 0 && (*value == ' ' || *value == '\t')) {
		value++;
		len--;
	}
	while (len > 0 && strchr(" \t\r\n", value[len - 1]))
		len--;
	if (name_len == sizeof(retry_after) - 1 && strncasecmp(line, retry_after, name_len) == 0)
		keep_retry_after(t, value, len);
	return keep_header(t, line, name_len, value, len);
}

static size_t too_much(struct transfer *t, size_t most)
{
	t->code = err_set(t->err, ERR_CORRUPT, "%s: an answer of more than %zu bytes",
			  t->site->origin, most);
	return 0;
}

/* The first part of an error's text is all that is wanted of it. */
static size_t error_body(struct transfer *t, const char *bytes, size_t len)
{
	size_t room = HTTP_ERROR_BODY_BYTES_MAX - t->a->document.len_bytes;

	buf_add(&t->a->document, bytes, len < room ? len : room);
	t->enough = len > room;
	return t->enough ? 0 : len;
}

/* Of all that a server sends which does not know ranges: the range. */
static size_t range_of_all(struct transfer *t, const char *bytes, size_t len)
{
	size_t room = t->r->out_bytes - t->a->out_used_bytes, skip = len, take;

	if (t->r->offset_bytes - t->passed_bytes < len)
		skip = (size_t)(t->r->offset_bytes - t->passed_bytes);
	t->passed_bytes += skip;
	take = len - skip < room ? len - skip : room;
	memcpy((char *)t->r->out + t->a->out_used_bytes, bytes + skip, take);
	t->a->out_used_bytes += take;
	t->enough = skip + take < len;
	return skip + take;
}

size_t answer_body(struct transfer *t, const char *bytes, size_t len)
{
	size_t max = t->r->document_bytes_max ? t->r->document_bytes_max : HTTP_DOCUMENT_BYTES_MAX;
	struct http_answer *a = t->a;

	if (a->status < 200 || a->status > 299)
		return error_body(t, bytes, len);
	if (t->r->out && t->r->is_range && a->status == 200)
		return range_of_all(t, bytes, len);
	if (t->r->out) {
		if (len > t->r->out_bytes - a->out_used_bytes)
			return too_much(t, t->r->out_bytes);
		memcpy((char *)t->r->out + a->out_used_bytes, bytes, len);
		a->out_used_bytes += len;
		return len;
	}
	if (len > max - a->document.len_bytes)
		return too_much(t, max);
	buf_add(&a->document, bytes, len);
	if (!a->document.failed)
		return len;
	t->code = err_nomem(t->err);
	return 0;
}

static void blot_out(struct buf *document, const char *secret, size_t len)
{
	uint8_t *at = document->data, *end = at ? at + document->len_bytes : at;

	if (len < SECRET_BYTES_MIN)
		return;
	while (at && (at = memmem(at, (size_t)(end - at), secret, len)) != NULL)
		memset(at, '*', len);
}

/* The log-in as "Authorization: Basic" has it. */
static void blot_out_basic(struct buf *document, const struct http_site *s)
{
	size_t len = strlen(s->user) + 1 + strlen(s->password);
	size_t size = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL);
	char *pair = sodium_malloc(len + 1), *encoded = sodium_malloc(size);

	if (pair && encoded) {
		snprintf(pair, len + 1, "%s:%s", s->user, s->password);
		sodium_bin2base64(encoded, size, (unsigned char *)pair, len,
				  sodium_base64_VARIANT_ORIGINAL);
		blot_out(document, encoded, strlen(encoded));
	} else {
		buf_clear(document);
	}
	sodium_free(pair);
	sodium_free(encoded);
}

void answer_redact(struct transfer *t)
{
	static const char *const secret_headers[] = { "Authorization:",	       "X-Auth-Token:",
						      "X-Auth-Key:",	       "X-Subject-Token:",
						      "X-Amz-Security-Token:", "Cookie:" };
	struct buf *document = &t->a->document;

	if (t->a->status < 300 || document->len_bytes == 0)
		return;
	if (t->site->user) {
		blot_out(document, t->site->password, strlen(t->site->password));
		blot_out_basic(document, t->site);
	}
	for (const char *const *h = t->r->headers; h && *h; h++) {
		for (size_t i = 0; i < sizeof(secret_headers) / sizeof(secret_headers[0]); i++) {
			size_t name = strlen(secret_headers[i]);
			const char *value = *h + name;

			if (strncasecmp(*h, secret_headers[i], name) != 0)
				continue;
			value += strspn(value, " ");
			if (strncmp(value, "Bearer ", 7) == 0)
				value += 7;
			blot_out(document, value, strlen(value));
		}
	}
}

void http_answer_release(struct http_answer *a)
{
	buf_release(&a->document);
}

/* The answer's text without its tags, in one line; "" when there is none. */
static void text_of(const struct buf *document, char out[LINE_BYTES_MAX])
{
	size_t used = 0;
	bool in_tag = false, gap = false;

	for (size_t i = 0; i < document->len_bytes && used < LINE_BYTES_MAX - 2; i++) {
		unsigned char c = document->data[i];

		if (c == '<' || in_tag) {
			in_tag = c != '>';
			gap = true;
		} else if (c <= ' ') {
			gap = true;
		} else {
			if (gap && used > 0)
				out[used++] = ' ';
			gap = false;
			out[used++] = c < 127 ? (char)c : '?';
		}
	}
	out[used] = '\0';
}

static enum err_code code_of(unsigned status)
{
	switch (status) {
	case 401:
	case 403:
		return ERR_DENIED;
	case 404:
	case 410:
		return ERR_NOT_FOUND;
	case 412:
		return ERR_EXISTS;
	case 413:
	case 507:
		return ERR_FULL;
	case 405:
	case 501:
		return ERR_UNSUPPORTED;
	case 408:
	case 423:
	case 425:
	case 429:
		return ERR_TRANSIENT;
	default:
		return status >= 500 && status <= 599 ? ERR_TRANSIENT : ERR_IO;
	}
}

int http_status_error(const struct http_answer *a, const char *what, struct error *err)
{
	enum err_code code = code_of(a->status);
	char text[LINE_BYTES_MAX];

	text_of(&a->document, text);
	err_set(err, code, "%s: the server answers %u%s%s", what, a->status, *text ? ": " : "",
		text);
	if (code == ERR_TRANSIENT)
		err->retry_after_s = a->retry_after_s;
	return (int)code;
}
