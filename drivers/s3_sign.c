#include "drivers/s3_sign.h"

#include "net/url.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
#define DATE_BYTES 17 /* "20130524T000000Z" with the NUL; its first 8 are the day */
#define QUERY_MAX 16
/* Those of the caller, host, date, digest and session token. */
#define SIGNED_MAX (S3_HEADERS_MAX + 4)

static void add_text(struct buf *out, const char *text)
{
	buf_add(out, text, strlen(text));
}

/* The text of a buffer that texts were added to; NULL: out of memory. */
static const char *text_of(struct buf *b)
{
	buf_add_u8(b, '\0');
	return b->failed ? NULL : (const char *)b->data;
}

/* ---- queries ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * The order is that of the encoded names, then the encoded values. Sorting "name=value" as a whole
 * gives another where one name begins another and '=' comes after what follows ("a-b" and "a"): so
 * the byte between them is one that comes before all.
 */
void s3_query(struct buf *out, const struct s3_pair *pairs, size_t count)
{
	char *encoded[QUERY_MAX] = { NULL };

	if (count > QUERY_MAX)
		out->failed = true;
	for (size_t i = 0; i < count && !out->failed; i++) {
		struct buf b = { 0 };

		url_encode(&b, pairs[i].name, false);
		buf_add_u8(&b, '\001');
		url_encode(&b, pairs[i].value, false);
		out->failed = !text_of(&b);
		encoded[i] = (char *)b.data;
	}
	if (!out->failed)
		qsort(encoded, count, sizeof(encoded[0]), by_text);
	for (size_t i = 0; i < count && !out->failed; i++) {
		*strchr(encoded[i], '\001') = '=';
		if (i > 0)
			buf_add_u8(out, '&');
		add_text(out, encoded[i]);
	}
	for (size_t i = 0; i < QUERY_MAX; i++)
		free(encoded[i]);
}

/* ---- the signature ---- */

static struct hash hmac(const void *key, size_t key_bytes, const char *text)
{
	crypto_auth_hmacsha256_state state;
	struct hash h;

	crypto_auth_hmacsha256_init(&state, key, key_bytes);
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)text, strlen(text));
	crypto_auth_hmacsha256_final(&state, h.b);
	sodium_memzero(&state, sizeof(state));
	return h;
}

/* A key for one day, region and service: what is signed with it reveals nothing of the secret. */
static int signing_key(const char *secret, const char *day, const char *region, struct hash *out,
		       struct error *err)
{
	size_t size = strlen(secret) + 5;
	char *first = malloc(size);

	if (!first)
		return err_nomem(err);
	snprintf(first, size, "AWS4%s", secret);
	*out = hmac(first, size - 1, day);
	sodium_memzero(first, size);
	free(first);
	*out = hmac(out->b, HASH_BYTES, region);
	*out = hmac(out->b, HASH_BYTES, "s3");
	*out = hmac(out->b, HASH_BYTES, "aws4_request");
	return ERR_NONE;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct s3_pair *)a)->name, ((const struct s3_pair *)b)->name);
}

static void add_names(struct buf *out, const struct s3_pair *headers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_add_u8(out, ';');
		add_text(out, headers[i].name);
	}
}

/* What is signed of the request itself; its digest. False: out of memory. */
static bool request_digest(const struct s3_signing *r, const struct s3_pair *headers, size_t count,
			   const char *body_hex, char hex[HASH_HEX_BYTES])
{
	struct buf b = { 0 };
	struct hash h;
	bool ok;

	add_text(&b, r->method);
	buf_add_u8(&b, '\n');
	add_text(&b, r->path);
	buf_add_u8(&b, '\n');
	add_text(&b, r->query);
	buf_add_u8(&b, '\n');
	for (size_t i = 0; i < count; i++) {
		add_text(&b, headers[i].name);
		buf_add_u8(&b, ':');
		add_text(&b, headers[i].value);
		buf_add_u8(&b, '\n');
	}
	buf_add_u8(&b, '\n');
	add_names(&b, headers, count);
	buf_add_u8(&b, '\n');
	add_text(&b, body_hex);
	ok = !b.failed;
	if (ok) {
		h = sha256(b.data, b.len_bytes);
		hex_encode(h.b, HASH_BYTES, hex);
		sodium_memzero(b.data, b.len_bytes);
	}
	buf_release(&b);
	return ok;
}

static int signature(const struct s3_keys *keys, const char *date, const char *region,
		     const char *scope, const char *request_hex, char hex[HASH_HEX_BYTES],
		     struct error *err)
{
	char day[9];
	struct buf b = { 0 };
	const char *text;
	struct hash key;
	int code;

	snprintf(day, sizeof(day), "%.8s", date);
	code = signing_key(keys->secret, day, region, &key, err);
	if (code != ERR_NONE)
		return code;
	add_text(&b, ALGORITHM "\n");
	add_text(&b, date);
	buf_add_u8(&b, '\n');
	add_text(&b, scope);
	buf_add_u8(&b, '\n');
	add_text(&b, request_hex);
	text = text_of(&b);
	if (text) {
		struct hash h = hmac(key.b, HASH_BYTES, text);

		hex_encode(h.b, HASH_BYTES, hex);
	} else {
		code = err_nomem(err);
	}
	sodium_memzero(&key, sizeof(key));
	buf_release(&b);
	return code;
}

static void add_line(struct s3_signed *out, const char *name, const char *value, bool *failed)
{
	char *line;

	if (!*failed && asprintf(&line, "%s: %s", name, value) >= 0)
		out->lines[out->count++] = line;
	else
		*failed = true;
}

/* headers: all that are signed, sorted. Host is sent by libcurl. */
static int make_lines(const struct s3_keys *keys, const char *scope, const char *signature_hex,
		      const struct s3_pair *headers, size_t count, struct s3_signed *out,
		      struct error *err)
{
	struct buf b = { 0 };
	bool failed = false;

	add_text(&b, ALGORITHM " Credential=");
	add_text(&b, keys->access);
	buf_add_u8(&b, '/');
	add_text(&b, scope);
	add_text(&b, ", SignedHeaders=");
	add_names(&b, headers, count);
	add_text(&b, ", Signature=");
	add_text(&b, signature_hex);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(headers[i].name, "host") != 0)
			add_line(out, headers[i].name, headers[i].value, &failed);
	}
	if (text_of(&b))
		add_line(out, "Authorization", (const char *)b.data, &failed);
	failed = failed || b.failed;
	buf_release(&b);
	return failed ? err_nomem(err) : ERR_NONE;
}

int s3_sign(const struct s3_keys *keys, const char *region, int64_t now_s,
	    const struct s3_signing *r, struct s3_signed *out, struct error *err)
{
	char date[DATE_BYTES], body_hex[HASH_HEX_BYTES], request_hex[HASH_HEX_BYTES];
	char signature_hex[HASH_HEX_BYTES], *scope = NULL;
	struct s3_pair headers[SIGNED_MAX];
	size_t count = r->headers_count;
	time_t now = (time_t)now_s;
	struct tm tm;
	int code;

	*out = (struct s3_signed){ 0 };
	if (count > S3_HEADERS_MAX)
		return err_set(err, ERR_USAGE, "sign: too many headers");
	if (!gmtime_r(&now, &tm) || strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", &tm) == 0)
		return err_set(err, ERR_USAGE, "sign: the clock shows no date");
	hex_encode(r->body.b, HASH_BYTES, body_hex);
	if (count > 0)
		memcpy(headers, r->headers, count * sizeof(headers[0]));
	headers[count++] = (struct s3_pair){ "host", r->host };
	headers[count++] = (struct s3_pair){ "x-amz-content-sha256", body_hex };
	headers[count++] = (struct s3_pair){ "x-amz-date", date };
	if (keys->session)
		headers[count++] = (struct s3_pair){ "x-amz-security-token", keys->session };
	qsort(headers, count, sizeof(headers[0]), by_name);

	if (asprintf(&scope, "%.8s/%s/s3/aws4_request", date, region) < 0)
		return err_nomem(err);
	code = request_digest(r, headers, count, body_hex, request_hex) ? ERR_NONE : err_nomem(err);
	if (code == ERR_NONE)
		code = signature(keys, date, region, scope, request_hex, signature_hex, err);
	if (code == ERR_NONE)
		code = make_lines(keys, scope, signature_hex, headers, count, out, err);
	if (code != ERR_NONE)
		s3_signed_release(out);
	free(scope);
	return code;
}

void s3_signed_release(struct s3_signed *s)
{
	for (size_t i = 0; i < s->count; i++) {
		sodium_memzero(s->lines[i], strlen(s->lines[i]));
		free(s->lines[i]);
	}
	*s = (struct s3_signed){ 0 };
}
