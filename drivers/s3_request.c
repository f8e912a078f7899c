/* One request of the s3 driver: where it goes, signing, what its answer says. */
#include "drivers/s3_inner.h"

#include "base/units.h"
#include "net/url.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const wanted_names[S3_WANTED] = {
	[S3_ETAG] = "ETag",
	[S3_LENGTH] = "Content-Length",
	[S3_RANGE] = "Content-Range",
	[S3_ENCRYPTION] = "x-amz-server-side-encryption",
	[S3_CHECKSUM] = "x-amz-checksum-sha256",
	[S3_BUCKET_REGION] = "x-amz-bucket-region",
};

/* "/bucket/prefix/.mrmr/name", encoded. */
static void add_path(struct buf *out, const struct s3_drive *s, const char *root, const char *key)
{
	buf_add(out, s->bucket_path, strlen(s->bucket_path));
	if (key || s->bucket_path[0] == '\0')
		buf_add_u8(out, '/');
	if (key) {
		url_encode(out, root, true);
		url_encode(out, key, true);
	}
	buf_add_u8(out, '\0');
}

static int send_signed(struct s3_drive *s, const struct s3_request *r, const char *url,
		       const struct s3_signed *headers, struct s3_answer *a, struct error *err)
{
	struct http_request h = {
		.method = r->method,
		.url = url,
		.headers = (const char *const *)headers->lines,
		.body = r->body,
		.body_bytes = r->body_bytes,
		.has_body = r->has_body,
		.out = r->out,
		.out_bytes = r->out_bytes,
		.wanted = a->headers,
		.wanted_count = S3_WANTED,
	};

	if (http_do(s->site, &h, &a->http, err) == ERR_NONE)
		return ERR_NONE;
	return err_wrap(err, "%s", r->step);
}

int s3_do(struct s3_drive *s, const struct s3_request *r, struct s3_answer *a, struct error *err)
{
	struct s3_keys keys = s3_account_keys(&s->account);
	struct buf path = { 0 }, query = { 0 }, url = { 0 };
	struct s3_signed headers = { 0 };
	struct s3_signing signing = {
		.method = r->method,
		.host = s->host,
		.headers = r->headers,
		.headers_count = r->headers_count,
		.body = r->digest ? *r->digest : sha256(r->body, r->body_bytes),
	};
	int code = ERR_NONE;

	memset(a, 0, sizeof(*a));
	for (size_t i = 0; i < S3_WANTED; i++)
		a->headers[i].name = wanted_names[i];
	add_path(&path, s, r->root ? r->root : s->root, r->key);
	s3_query(&query, r->query, r->query_count);
	buf_add_u8(&query, '\0');
	if (!path.failed && !query.failed) {
		signing.path = (const char *)path.data;
		signing.query = (const char *)query.data;
		buf_add(&url, s->origin, strlen(s->origin));
		buf_add(&url, signing.path, strlen(signing.path));
		buf_add(&url, "?", query.len_bytes > 1);
		buf_add(&url, signing.query, query.len_bytes);
	}
	if (path.failed || query.failed || url.failed)
		code = err_nomem(err);
	if (code == ERR_NONE)
		code = s3_sign(&keys, s->account.region, time(NULL), &signing, &headers, err);
	if (code == ERR_NONE)
		code = send_signed(s, r, (const char *)url.data, &headers, a, err);
	s3_signed_release(&headers);
	buf_release(&path);
	buf_release(&query);
	buf_release(&url);
	return code;
}

void s3_answer_release(struct s3_answer *a)
{
	http_answer_release(&a->http);
}

int s3_refused(const struct s3_drive *s, const struct s3_request *r, const struct s3_answer *a,
	       struct error *err)
{
	return s3_answer_error(&a->http, r->step, s->account.region,
			       a->headers[S3_BUCKET_REGION].value, err);
}

int s3_call(struct s3_drive *s, const struct s3_request *r, struct s3_answer *a, struct error *err)
{
	int code = s3_do(s, r, a, err);

	if (code == ERR_NONE && (a->http.status < 200 || a->http.status > 299))
		code = s3_refused(s, r, a, err);
	return code;
}

int s3_head(struct s3_drive *s, const char *name, const char *step, uint64_t *len_bytes,
	    struct error *err)
{
	struct s3_request r = { .method = "HEAD", .key = name, .step = step };
	struct s3_answer a;
	struct error no_number;
	int code = s3_call(s, &r, &a, err);

	if (code == ERR_NONE && number_parse(a.headers[S3_LENGTH].value, 0, INT64_MAX, len_bytes,
					     &no_number) != ERR_NONE)
		code = err_set(err, ERR_CORRUPT, "%s: the server tells no length", step);
	s3_answer_release(&a);
	return code;
}

int s3_require_free(struct s3_drive *s, const char *name, const char *step, struct error *err)
{
	uint64_t len_bytes;
	int code = s3_head(s, name, step, &len_bytes, err);

	if (code == ERR_NONE)
		return err_set(err, ERR_EXISTS, "%s: the name is taken", step);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

int s3_delete(struct s3_drive *s, const char *name, const char *step, struct error *err)
{
	struct s3_request r = { .method = "DELETE", .key = name, .step = step };
	struct s3_answer a;
	int code = s3_call(s, &r, &a, err);

	s3_answer_release(&a);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}
