/*
 * A bucket of an S3 server, or what begins with a prefix in it. Objects are keys "prefix/.mrmr/NAME".
 */
#include "drivers/domain.h"
#include "drivers/name.h"
#include "drivers/s3_inner.h"
#include "net/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- get ---- */

/* "bytes FIRST-LAST/...": whether the answer begins where it was to. */
static bool begins_at(const char *range, uint64_t offset_bytes)
{
	char expected[40];
	int len = snprintf(expected, sizeof(expected), "bytes %llu-",
			   (unsigned long long)offset_bytes);

	return strncmp(range, expected, (size_t)len) == 0;
}

/* Nothing is asked for, or more than any object has: only the length tells. */
static int get_nothing(struct s3_drive *s, const char *name, const char *step, uint64_t offset_bytes,
		       size_t len_bytes, struct error *err)
{
	uint64_t stored_bytes;
	int code = s3_head(s, name, step, &stored_bytes, err);

	if (code != ERR_NONE || (len_bytes == 0 && offset_bytes <= stored_bytes))
		return code;
	return err_set(err, ERR_CORRUPT, "%s: it ends after %llu bytes", step,
		       (unsigned long long)stored_bytes);
}

static int judge_range(const struct s3_drive *s, const struct s3_request *r,
		       const struct s3_answer *a, uint64_t offset_bytes, struct error *err)
{
	if (a->http.status == 416)
		return err_set(err, ERR_CORRUPT, "%s: it ends before", r->step);
	if (a->http.status < 200 || a->http.status > 299)
		return s3_refused(s, r, a, err);
	/* All of it instead of a range is right if all of it was asked for. */
	if (a->http.status != 200 && !begins_at(a->headers[S3_RANGE].value, offset_bytes))
		return err_set(err, ERR_CORRUPT, "%s: the server answers with another range", r->step);
	if (a->http.status == 200 && offset_bytes > 0)
		return err_set(err, ERR_UNSUPPORTED, "%s: the server knows no ranges", r->step);
	if (a->http.out_used_bytes < r->out_bytes)
		return err_set(err, ERR_CORRUPT, "%s: it ends after %llu bytes", r->step,
			       (unsigned long long)(offset_bytes + a->http.out_used_bytes));
	return ERR_NONE;
}

static int s3_get(struct drive *d, const char *name, uint64_t offset_bytes, void *out,
		  size_t len_bytes, struct error *err)
{
	struct s3_drive *s = (struct s3_drive *)d;
	char step[S3_STEP_BYTES], range[64];
	const struct s3_pair header = { "range", range };
	struct s3_request r = {
		.method = "GET",
		.key = name,
		.headers = &header,
		.headers_count = 1,
		.out = out,
		.out_bytes = len_bytes,
		.step = step,
	};
	struct s3_answer a;
	int code = object_name_check(name, err);

	if (code != ERR_NONE)
		return code;
	snprintf(step, sizeof(step), "get %s", name);
	if (len_bytes == 0 || offset_bytes > INT64_MAX || len_bytes > INT64_MAX - offset_bytes)
		return get_nothing(s, name, step, offset_bytes, len_bytes, err);
	snprintf(range, sizeof(range), "bytes=%llu-%llu", (unsigned long long)offset_bytes,
		 (unsigned long long)(offset_bytes + len_bytes - 1));
	code = s3_do(s, &r, &a, err);
	if (code == ERR_NONE)
		code = judge_range(s, &r, &a, offset_bytes, err);
	s3_answer_release(&a);
	return code;
}

/* ---- other calls ---- */

static int s3_stat(struct drive *d, const char *name, struct object_stat *out, struct error *err)
{
	char step[S3_STEP_BYTES];
	int code = object_name_check(name, err);

	if (code != ERR_NONE)
		return code;
	snprintf(step, sizeof(step), "stat %s", name);
	return s3_head((struct s3_drive *)d, name, step, &out->len_bytes, err);
}

/* Made by the server, and looked at before the old name goes. An error may come with status 200. */
static int copy(struct s3_drive *s, const char *from, const char *to, uint64_t len_bytes,
		const char *step, struct error *err)
{
	struct s3_headers h = { .count = 0 };
	struct s3_request r = {
		.method = "PUT", .key = to, .headers = h.pairs, .has_body = true, .step = step
	};
	enum s3_verdict verdict;
	struct buf source = { 0 };
	struct s3_answer a;
	struct s3_said said;
	int code;

	buf_add_u8(&source, '/');
	url_encode(&source, s->bucket, false);
	buf_add_u8(&source, '/');
	url_encode(&source, s->root, true);
	url_encode(&source, from, true);
	buf_add_u8(&source, '\0');
	if (source.failed) {
		buf_release(&source);
		return err_nomem(err);
	}
	s3_add_header(&h, "x-amz-copy-source", (const char *)source.data);
	if (s->storage_class)
		s3_add_header(&h, "x-amz-storage-class", s->storage_class);
	r.headers_count = h.count;
	code = s3_call(s, &r, &a, err);
	if (code == ERR_NONE)
		code = s3_answer_result(&a.http, step, s->account.region, &said, err);
	s3_answer_release(&a);
	buf_release(&source);
	if (code == ERR_NONE)
		code = s3_judge_length(s, to, step, len_bytes, &verdict, err);
	if (code == ERR_NONE && verdict == S3_WRONG)
		code = s3_take_back(s, to, step, err);
	return code;
}

/* Whenever it breaks off, the object has its old name, or both. */
static int s3_move(struct drive *d, const char *from, const char *to, struct error *err)
{
	struct s3_drive *s = (struct s3_drive *)d;
	char step[S3_STEP_BYTES];
	uint64_t len_bytes;
	int code = object_name_check(from, err);

	if (code == ERR_NONE)
		code = object_name_check(to, err);
	if (code != ERR_NONE)
		return code;
	snprintf(step, sizeof(step), "move %s to %s", from, to);
	code = s3_head(s, from, step, &len_bytes, err);
	if (code == ERR_NONE)
		code = s3_require_free(s, to, step, err);
	if (code == ERR_NONE)
		code = copy(s, from, to, len_bytes, step, err);
	if (code == ERR_NONE)
		code = s3_delete(s, from, step, err);
	return code;
}

static int s3_remove(struct drive *d, const char *name, struct error *err)
{
	char step[S3_STEP_BYTES];
	int code = object_name_check(name, err);

	if (code != ERR_NONE)
		return code;
	snprintf(step, sizeof(step), "remove %s", name);
	return s3_delete((struct s3_drive *)d, name, step, err);
}

/* Servers answer when it is durable. */
static int s3_sync(struct drive *d, struct error *err)
{
	(void)d;
	(void)err;
	return ERR_NONE;
}

static int s3_about(struct drive *d, struct drive_about *out, struct error *err)
{
	const struct s3_drive *s = (const struct s3_drive *)d;

	(void)err;
	*out = (struct drive_about){ 0 };
	account_domain("s3", s->endpoint, s->endpoint_port, s->owner[0] ? s->owner : NULL,
		       out->domain);
	return ERR_NONE;
}

/* ---- open, close ---- */

static void s3_close(struct drive *d)
{
	struct s3_drive *s = (struct s3_drive *)d;

	http_site_close(s->site);
	s3_account_release(&s->account);
	free(s->origin);
	free(s->bucket_path);
	free(s->bucket);
	free(s->prefix);
	free(s->root);
	free(s->storage_class);
	free(s->endpoint);
	free(s->owner);
	free(s);
}

static int s3_open(const char *url, const struct drive_options *options, struct drive **out,
		   struct error *err)
{
	struct s3_drive *s;
	int code = temp_tag_check(options->temp_tag, err);

	*out = NULL;
	if (code != ERR_NONE)
		return code;
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_nomem(err);
	s->driver = driver_s3;
	s->base.driver = &s->driver;
	code = s3_open_url(s, url, options, err);
	if (code == ERR_NONE)
		code = s3_take_options(s, options, err);
	if (code == ERR_NONE)
		code = s3_open_bucket(s, options->make_root, err);
	if (code == ERR_NONE && options->learned)
		code = s3_probe(s, options->temp_tag, options->learned, options->learned_ctx, err);
	if (code != ERR_NONE) {
		s3_close(&s->base);
		return code;
	}
	if (!s->conditional_put)
		s->driver.flags |= DRIVER_RACES;
	*out = &s->base;
	return ERR_NONE;
}

static const char *const taken[] = { "access_key",	"secret_key",	 "session_token", "profile",
				     "region",		"addressing",	 "storage-class", "ca",
				     "conditional-put", "etag",		 "checksum",	  "account",	   NULL };

const struct mrmr_driver driver_s3 = {
	.kind = "s3",
	.flags = DRIVER_REMOTE,
	.connections_max = S3_CONNECTIONS,
	.options = taken,
	.open = s3_open,
	.close = s3_close,
	.put = s3_put,
	.get = s3_get,
	.stat = s3_stat,
	.list = s3_list,
	.move = s3_move,
	.remove = s3_remove,
	.sync = s3_sync,
	.about = s3_about,
};
