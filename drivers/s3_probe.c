/*
 * What an S3 server does, tried when a drive joins: servers that call themselves so differ in whether
 * a taken name is refused, in digests, and some in ranges and listings.
 */
#include "drivers/s3_inner.h"
#include "drivers/s3_list.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES 64
#define STEP "try what the server does"

struct probe {
	struct s3_drive *drive;
	char key[96];
	uint8_t bytes[BYTES]; /* what the object has */
	bool conditional, checksum, md5;
};

enum extras { NONE = 0, CONDITIONAL = 1, CHECKSUM = 2 };

static int put(struct probe *p, const uint8_t bytes[BYTES], unsigned extras, struct error *err)
{
	struct s3_headers h = { .count = 0 };
	struct s3_request r = {
		.method = "PUT",
		.key = p->key,
		.root = p->drive->prefix,
		.headers = h.pairs,
		.body = bytes,
		.body_bytes = BYTES,
		.has_body = true,
		.step = STEP,
	};
	struct md5 theirs;
	struct s3_answer a;
	int code;

	s3_add_digests(&h, bytes, BYTES);
	if (extras & CONDITIONAL)
		s3_add_header(&h, "if-none-match", "*");
	if (extras & CHECKSUM)
		s3_add_header(&h, "x-amz-checksum-sha256", h.sha256_text);
	r.headers_count = h.count;
	code = s3_call(p->drive, &r, &a, err);
	if (code == ERR_NONE) {
		memcpy(p->bytes, bytes, BYTES);
		p->conditional = extras & CONDITIONAL;
		p->checksum = strcmp(a.headers[S3_CHECKSUM].value, h.sha256_text) == 0;
		p->md5 = h.has_md5 && s3_etag_md5(a.headers[S3_ETAG].value, &theirs) &&
			 memcmp(theirs.b, h.md5.b, MD5_BYTES) == 0;
	}
	s3_answer_release(&a);
	return code;
}

/* With all that it might understand, and less until it does. */
static int put_first(struct probe *p, struct error *err)
{
	static const unsigned tries[] = { CONDITIONAL | CHECKSUM, CONDITIONAL, NONE };
	uint8_t bytes[BYTES];
	int code = ERR_UNSUPPORTED;

	randombytes_buf(bytes, BYTES);
	for (size_t i = 0; i < 3 && (code == ERR_UNSUPPORTED || code == ERR_IO); i++)
		code = put(p, bytes, tries[i], err);
	return code;
}

/* Other bytes under the same name. */
static int put_again(struct probe *p, struct error *err)
{
	uint8_t bytes[BYTES];
	bool checksum = p->checksum;
	int code;

	if (!p->conditional)
		return ERR_NONE;
	randombytes_buf(bytes, BYTES);
	code = put(p, bytes, CONDITIONAL, err);
	p->conditional = code == ERR_EXISTS;
	p->checksum = checksum;
	return code == ERR_EXISTS || code == ERR_UNSUPPORTED ? ERR_NONE : code;
}

static int get_range(struct probe *p, struct error *err)
{
	const struct s3_pair header = { "range", "bytes=5-20" };
	uint8_t got[BYTES];
	struct s3_request r = {
		.method = "GET",
		.key = p->key,
		.root = p->drive->prefix,
		.headers = &header,
		.headers_count = 1,
		.out = got,
		.out_bytes = BYTES,
		.step = STEP,
	};
	struct s3_answer a;
	int code = s3_call(p->drive, &r, &a, err);

	if (code == ERR_NONE && (a.http.status != 206 || a.http.out_used_bytes != 16 ||
				 memcmp(got, p->bytes + 5, 16) != 0))
		code = err_set(err, ERR_UNSUPPORTED,
			       STEP ": asked for a range, it does not give what was stored");
	s3_answer_release(&a);
	return code;
}

static int list_it(struct probe *p, struct error *err)
{
	char prefix[1200];
	const struct s3_pair query[] = {
		{ "list-type", "2" }, { "prefix", prefix }, { "fetch-owner", "true" }
	};
	struct s3_request r = { .method = "GET", .query = query, .query_count = 3, .step = STEP };
	struct s3_page page = { 0 };
	struct s3_answer a;
	int code;

	snprintf(prefix, sizeof(prefix), "%s%s", p->drive->prefix, p->key);
	code = s3_call(p->drive, &r, &a, err);
	if (code == ERR_NONE)
		code = s3_page_parse(a.http.document.data, a.http.document.len_bytes, &page, err);
	if (code == ERR_NONE && page.count != 1)
		code = err_set(err, ERR_UNSUPPORTED, STEP ": it does not list what was just stored");
	/* Who owns what is stored there: keys change, accounts stay. */
	if (code == ERR_NONE && page.owner) {
		free(p->drive->owner);
		p->drive->owner = page.owner;
		page.owner = NULL;
	}
	s3_page_release(&page);
	s3_answer_release(&a);
	return code;
}

static int remove_it(struct probe *p, struct error *err)
{
	struct s3_request r = {
		.method = "DELETE", .key = p->key, .root = p->drive->prefix, .step = STEP
	};
	struct s3_answer a;
	int code = s3_call(p->drive, &r, &a, err);

	s3_answer_release(&a);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

int s3_probe(struct s3_drive *s, const char *tag, learned_fn *learned, void *ctx, struct error *err)
{
	struct probe p = { .drive = s };
	struct error late;
	int code;

	snprintf(p.key, sizeof(p.key), ".mrmr-probe-%s-%08x%08x", tag, randombytes_random(),
		 randombytes_random());
	code = put_first(&p, err);
	if (code == ERR_NONE)
		code = put_again(&p, err);
	if (code == ERR_NONE)
		code = get_range(&p, err);
	if (code == ERR_NONE)
		code = list_it(&p, err);
	if (remove_it(&p, &late) != ERR_NONE && code == ERR_NONE) {
		*err = late;
		code = (int)late.code;
	}
	if (code != ERR_NONE)
		return code;
	s->conditional_put = p.conditional;
	s->checksums = p.checksum;
	s->etag_is_md5 = p.md5;
	learned(ctx, "conditional-put", p.conditional ? "yes" : "no");
	learned(ctx, "checksum", p.checksum ? "sha256" : "none");
	learned(ctx, "etag", p.md5 ? "md5" : "other");
	if (s->owner[0])
		learned(ctx, "account", s->owner);
	return ERR_NONE;
}
