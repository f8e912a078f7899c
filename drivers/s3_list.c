#include "drivers/s3_list.h"

#include "base/units.h"
#include "drivers/name.h"
#include "drivers/s3_inner.h"
#include "drivers/xml.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- one page ---- */

#define LIST "ListBucketResult/"
#define KEY_BYTES_MAX 4096 /* S3 has 1024, which are up to 3072 encoded */
#define OWNER_BYTES_MAX 256

struct parsing {
	struct s3_page *page;
	bool is_encoded, is_list;
	char *key;     /* of the object at hand, as it stands; NULL: not seen yet */
	uint64_t size;
	bool has_size;
};

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place. What is no "%XX" stays as it is; a key with a NUL ends there, and so is no name of ours. */
static void url_decode(char *text)
{
	char *out = text;

	for (; *text; text++) {
		int high = *text == '%' ? hex_value(text[1]) : -1;
		int low = high >= 0 ? hex_value(text[2]) : -1;

		if (low >= 0) {
			*out++ = (char)(high << 4 | low);
			text += 2;
		} else {
			*out++ = (char)(*text == '+' ? ' ' : *text);
		}
	}
	*out = '\0';
}

static int begin_element(void *ctx, const char *path, const char *text, struct error *err)
{
	struct parsing *p = ctx;

	(void)text;
	(void)err;
	if (strcmp(path, "ListBucketResult") == 0)
		p->is_list = true;
	if (strcmp(path, LIST "Contents") != 0)
		return ERR_NONE;
	free(p->key);
	p->key = NULL;
	p->has_size = false;
	return ERR_NONE;
}

static int keep_text(char **out, const char *text, struct error *err)
{
	free(*out);
	*out = strdup(text);
	return *out ? ERR_NONE : err_nomem(err);
}

/* It goes into the config, and is shown. */
static bool is_account_id(const char *text)
{
	const char *at = text;

	while (*at > ' ' && *at < 0x7f)
		at++;
	return *at == '\0' && at > text && at - text <= OWNER_BYTES_MAX;
}

static int take_object(struct parsing *p, struct error *err)
{
	struct buf *keys = &p->page->keys;

	if (!p->key || !p->has_size)
		return err_set(err, ERR_CORRUPT, "a listing with an object without name or length");
	if (strlen(p->key) > KEY_BYTES_MAX)
		return err_set(err, ERR_CORRUPT, "a listing with a name that is too long");
	buf_add_u64(keys, p->size);
	buf_add_block(keys, p->key, strlen(p->key) + 1);
	p->page->count++;
	return keys->failed ? err_nomem(err) : ERR_NONE;
}

static int end_element(void *ctx, const char *path, const char *text, struct error *err)
{
	struct parsing *p = ctx;

	if (strncmp(path, LIST, strlen(LIST)) != 0)
		return ERR_NONE;
	path += strlen(LIST);
	if (strcmp(path, "Contents/Key") == 0)
		return keep_text(&p->key, text, err);
	if (strcmp(path, "Contents/Size") == 0) {
		p->has_size = true;
		if (number_parse(text, 0, INT64_MAX, &p->size, err) != ERR_NONE)
			return err_set(err, ERR_CORRUPT, "a listing with a length that is none");
	} else if (strcmp(path, "Contents") == 0) {
		return take_object(p, err);
	} else if (strcmp(path, "Contents/Owner/ID") == 0) {
		return is_account_id(text) ? keep_text(&p->page->owner, text, err) : ERR_NONE;
	} else if (strcmp(path, "IsTruncated") == 0) {
		p->page->is_truncated = strcmp(text, "true") == 0;
	} else if (strcmp(path, "NextContinuationToken") == 0) {
		return keep_text(&p->page->next, text, err);
	} else if (strcmp(path, "EncodingType") == 0) {
		p->is_encoded = strcmp(text, "url") == 0;
	}
	return ERR_NONE;
}

/* The encoding may be told behind the keys: they are decoded when all was seen. */
static int decode_keys(struct s3_page *page, struct error *err)
{
	struct buf decoded = { 0 };
	struct reader r = reader_of(page->keys.data, page->keys.len_bytes);

	while (r.left_bytes > 0) {
		uint64_t size = read_u64(&r);
		char key[KEY_BYTES_MAX + 1];
		size_t len;
		const uint8_t *encoded = read_block(&r, sizeof(key), &len);

		memcpy(key, encoded, len);
		url_decode(key);
		buf_add_u64(&decoded, size);
		buf_add_block(&decoded, key, strlen(key) + 1);
	}
	buf_release(&page->keys);
	page->keys = decoded;
	return decoded.failed ? err_nomem(err) : ERR_NONE;
}

int s3_page_parse(const void *bytes, size_t len_bytes, struct s3_page *out, struct error *err)
{
	struct parsing p = { .page = out };
	struct xml_walk walk = { .begin = begin_element, .end = end_element, .ctx = &p };
	int code;

	*out = (struct s3_page){ 0 };
	code = xml_walk(bytes, len_bytes, &walk, err);
	if (code == ERR_NONE && !p.is_list)
		code = err_set(err, ERR_CORRUPT, "an answer that is no listing");
	if (code == ERR_NONE && p.is_encoded)
		code = decode_keys(out, err);
	free(p.key);
	if (code != ERR_NONE)
		s3_page_release(out);
	return code;
}

void s3_page_release(struct s3_page *p)
{
	buf_release(&p->keys);
	free(p->owner);
	free(p->next);
	*p = (struct s3_page){ 0 };
}

/* ---- all of them ---- */

#define OBJECTS_MAX ((uint64_t)1 << 27) /* 2 PiB in blocks of 16 MiB */
#define EMPTY_PAGES_MAX 100		/* in a row: a bucket with many versions that are deleted */

struct listing {
	struct s3_drive *drive;
	const char *prefix;
	object_fn *each;
	void *ctx;
	uint64_t objects;
	unsigned empty_pages;
	char *token;		       /* of the page to ask for; NULL: the first */
	char last[KEY_BYTES_MAX + 1]; /* the greatest key of the pages so far */
};

/* The rest of a key behind what it begins with; NULL: it is foreign. "+" may have come back as " ": some
 * servers encode it, others take it for an encoded space. */
static const char *behind(const char *key, const char *start)
{
	for (; *start; key++, start++)
		if (*key != *start && !(*start == '+' && *key == ' '))
			return NULL;
	return key;
}

static int hand_out(struct listing *l, const struct s3_page *page, struct error *err)
{
	struct reader r = reader_of(page->keys.data, page->keys.len_bytes);
	char greatest[sizeof(l->last)];
	int code = ERR_NONE;

	snprintf(greatest, sizeof(greatest), "%s", l->last);
	while (code == ERR_NONE && r.left_bytes > 0) {
		uint64_t len_bytes = read_u64(&r);
		size_t key_bytes;
		const char *key = (const char *)read_block(&r, KEY_BYTES_MAX + 1, &key_bytes);
		const char *name = behind(key, l->drive->root);

		/* Pages go on where the one before ended: else a listing might never end. */
		if (strcmp(key, l->last) <= 0 && l->last[0])
			return err_set(err, ERR_CORRUPT, "the server lists the same names again");
		if (strcmp(key, greatest) > 0)
			snprintf(greatest, sizeof(greatest), "%s", key);
		if (name && object_name_ok(name) && behind(name, l->prefix))
			code = l->each(l->ctx, name, len_bytes);
	}
	memcpy(l->last, greatest, sizeof(l->last));
	return code;
}

static int check_progress(struct listing *l, const struct s3_page *page, struct error *err)
{
	l->objects += page->count;
	l->empty_pages = page->count > 0 ? 0 : l->empty_pages + 1;
	if (l->objects > OBJECTS_MAX || l->empty_pages > EMPTY_PAGES_MAX)
		return err_set(err, ERR_CORRUPT, "the listing of the server does not end");
	if (!page->is_truncated)
		return ERR_NONE;
	if (!page->next || page->next[0] == '\0')
		return err_set(err, ERR_CORRUPT, "the listing of the server breaks off");
	if (l->token && strcmp(l->token, page->next) == 0)
		return err_set(err, ERR_CORRUPT, "the listing of the server goes in circles");
	return ERR_NONE;
}

static int fetch_page(struct listing *l, struct s3_page *page, struct error *err)
{
	char *whole_prefix = NULL;
	struct s3_pair query[5] = {
		{ "list-type", "2" },
		{ "encoding-type", "url" },
		{ "max-keys", "1000" },
		{ "prefix", NULL },
		{ "continuation-token", l->token },
	};
	struct s3_request r = {
		.method = "GET",
		.query = query,
		.query_count = l->token ? 5 : 4,
		.step = "list",
	};
	struct s3_answer a;
	int code;

	if (asprintf(&whole_prefix, "%s%s", l->drive->root, l->prefix) < 0)
		return err_nomem(err);
	query[3].value = whole_prefix;
	code = s3_call(l->drive, &r, &a, err);
	if (code == ERR_NONE)
		code = s3_page_parse(a.http.document.data, a.http.document.len_bytes, page, err);
	s3_answer_release(&a);
	free(whole_prefix);
	return code;
}

int s3_list(struct drive *d, const char *prefix, object_fn *each, void *ctx, struct error *err)
{
	struct listing l = {
		.drive = (struct s3_drive *)d, .prefix = prefix, .each = each, .ctx = ctx
	};
	int code = object_prefix_check(prefix, err);
	bool more = true;

	while (code == ERR_NONE && more) {
		struct s3_page page = { 0 };

		code = fetch_page(&l, &page, err);
		if (code == ERR_NONE)
			code = check_progress(&l, &page, err);
		if (code == ERR_NONE)
			code = hand_out(&l, &page, err);
		more = page.is_truncated;
		free(l.token);
		l.token = page.next;
		page.next = NULL;
		s3_page_release(&page);
	}
	free(l.token);
	return code;
}
