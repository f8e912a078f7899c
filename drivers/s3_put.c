/*
 * Storing an object on an S3 server. It answers once the object is durable and to be found, so that
 * sync() has nothing to do; what is uploaded in part only is no object. A taken name is refused by the
 * server itself where joining has shown that it does so; elsewhere it is asked for first, and of two
 * writers of one name at the same time the later one wins (names are made of what they name).
 */
#include "drivers/name.h"
#include "drivers/s3_inner.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

void s3_add_header(struct s3_headers *h, const char *name, const char *value)
{
	h->pairs[h->count++] = (struct s3_pair){ name, value };
}

void s3_add_digests(struct s3_headers *h, const void *bytes, size_t len_bytes)
{
	h->sha256 = sha256(bytes, len_bytes);
	sodium_bin2base64(h->sha256_text, sizeof(h->sha256_text), h->sha256.b, HASH_BYTES,
			  sodium_base64_VARIANT_ORIGINAL);
	h->has_md5 = md5(bytes, len_bytes, &h->md5);
	if (!h->has_md5)
		return;
	md5_base64(&h->md5, h->md5_text);
	s3_add_header(h, "content-md5", h->md5_text);
}

enum s3_verdict s3_judge(const struct s3_drive *s, const struct s3_headers *h,
			 const struct s3_answer *a)
{
	const char *checksum = a->headers[S3_CHECKSUM].value;
	struct md5 theirs;

	if (s->checksums && checksum[0])
		return strcmp(checksum, h->sha256_text) == 0 ? S3_RIGHT : S3_WRONG;
	if (!h->has_md5 || !s3_etag_md5(a->headers[S3_ETAG].value, &theirs))
		return S3_UNSURE;
	if (memcmp(theirs.b, h->md5.b, MD5_BYTES) == 0)
		return S3_RIGHT;
	/* What is encrypted with keys of a key service has an ETag that is no MD5. */
	if (!s->etag_is_md5 || strncmp(a->headers[S3_ENCRYPTION].value, "aws:kms", 7) == 0)
		return S3_UNSURE;
	return S3_WRONG;
}

int s3_judge_length(struct s3_drive *s, const char *name, const char *step, size_t len_bytes,
		    enum s3_verdict *out, struct error *err)
{
	uint64_t stored_bytes = 0;
	int code = s3_head(s, name, step, &stored_bytes, err);

	*out = code == ERR_NONE && stored_bytes == len_bytes ? S3_RIGHT : S3_WRONG;
	/* It said that it was stored. */
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

int s3_take_back(struct s3_drive *s, const char *name, const char *step, struct error *err)
{
	struct error ignored;

	s3_delete(s, name, step, &ignored);
	return err_set(err, ERR_TRANSIENT, "%s: the server has stored other bytes than were sent", step);
}

static int put_whole(struct s3_drive *s, const char *name, const void *bytes, size_t len_bytes,
		     const char *step, struct error *err)
{
	struct s3_headers h = { .count = 0 };
	struct s3_request r = {
		.method = "PUT",
		.key = name,
		.headers = h.pairs,
		.body = bytes,
		.body_bytes = len_bytes,
		.has_body = true,
		.digest = &h.sha256,
		.step = step,
	};
	struct s3_answer a;
	enum s3_verdict verdict;
	int code;

	s3_add_digests(&h, bytes, len_bytes);
	if (s->checksums)
		s3_add_header(&h, "x-amz-checksum-sha256", h.sha256_text);
	if (s->conditional_put)
		s3_add_header(&h, "if-none-match", "*");
	if (s->storage_class)
		s3_add_header(&h, "x-amz-storage-class", s->storage_class);
	r.headers_count = h.count;
	code = s3_call(s, &r, &a, err);
	if (code == ERR_NONE) {
		verdict = s3_judge(s, &h, &a);
		if (verdict == S3_UNSURE)
			code = s3_judge_length(s, name, step, len_bytes, &verdict, err);
		if (code == ERR_NONE && verdict == S3_WRONG)
			code = s3_take_back(s, name, step, err);
	}
	s3_answer_release(&a);
	return code;
}

int s3_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
	   struct error *err)
{
	struct s3_drive *s = (struct s3_drive *)d;
	char step[S3_STEP_BYTES];
	int code = object_name_check(name, err);

	if (code != ERR_NONE)
		return code;
	snprintf(step, sizeof(step), "put %s", name);
	if (!s->conditional_put || len_bytes > S3_MULTIPART_BYTES)
		code = s3_require_free(s, name, step, err);
	if (code != ERR_NONE)
		return code;
	if (len_bytes > S3_MULTIPART_BYTES)
		return s3_put_parts(s, name, bytes, len_bytes, step, err);
	return put_whole(s, name, bytes, len_bytes, step, err);
}
