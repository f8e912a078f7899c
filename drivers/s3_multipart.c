/*
 * Objects too long for one request: begun, sent in parts, and put together by the server at the end,
 * which is the commit. Nothing is to be found under the name before; what was begun and not ended is
 * given up, or kept by the server as an upload, which is no object (see mrmr-drives(7)).
 */
#include "drivers/s3_inner.h"
#include "drivers/xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 10000

struct upload {
	struct s3_drive *drive;
	const char *name, *step;
	char id[S3_TEXT_BYTES];
	struct buf parts; /* of the document that ends it */
};

static int begin(struct upload *u, struct error *err)
{
	const struct s3_pair query = { "uploads", "" };
	struct s3_headers h = { .count = 0 };
	struct s3_request r = {
		.method = "POST",
		.key = u->name,
		.query = &query,
		.query_count = 1,
		.headers = h.pairs,
		.has_body = true,
		.step = u->step,
	};
	struct s3_answer a;
	struct s3_said said;
	int code;

	if (u->drive->storage_class)
		s3_add_header(&h, "x-amz-storage-class", u->drive->storage_class);
	r.headers_count = h.count;
	code = s3_call(u->drive, &r, &a, err);
	if (code == ERR_NONE)
		code = s3_answer_result(&a.http, u->step, u->drive->account.region, &said, err);
	if (code == ERR_NONE && said.upload_id[0] == '\0')
		code = err_set(err, ERR_CORRUPT, "%s: the server tells no upload id", u->step);
	if (code == ERR_NONE)
		memcpy(u->id, said.upload_id, sizeof(u->id));
	s3_answer_release(&a);
	return code;
}

static void note_part(struct upload *u, const char *number, const char *etag)
{
	static const char *const pieces[] = { "<Part><PartNumber>", "</PartNumber><ETag>",
					      "</ETag></Part>" };

	buf_add(&u->parts, pieces[0], strlen(pieces[0]));
	xml_escape(&u->parts, number);
	buf_add(&u->parts, pieces[1], strlen(pieces[1]));
	xml_escape(&u->parts, etag);
	buf_add(&u->parts, pieces[2], strlen(pieces[2]));
}

static int send_part(struct upload *u, unsigned number, const void *bytes, size_t len_bytes,
		     struct error *err)
{
	char number_text[16];
	const struct s3_pair query[] = { { "partNumber", number_text }, { "uploadId", u->id } };
	struct s3_headers h = { .count = 0 };
	struct s3_request r = {
		.method = "PUT",
		.key = u->name,
		.query = query,
		.query_count = 2,
		.headers = h.pairs,
		.body = bytes,
		.body_bytes = len_bytes,
		.has_body = true,
		.digest = &h.sha256,
		.step = u->step,
	};
	struct s3_answer a;
	int code;

	snprintf(number_text, sizeof(number_text), "%u", number);
	s3_add_digests(&h, bytes, len_bytes);
	r.headers_count = h.count;
	code = s3_call(u->drive, &r, &a, err);
	if (code == ERR_NONE && a.headers[S3_ETAG].value[0] == '\0')
		code = err_set(err, ERR_CORRUPT, "%s: the server gives a part no ETag", u->step);
	if (code == ERR_NONE && s3_judge(u->drive, &h, &a) == S3_WRONG)
		code = err_set(err, ERR_TRANSIENT,
			       "%s: the server has another part than was sent", u->step);
	if (code == ERR_NONE)
		note_part(u, number_text, a.headers[S3_ETAG].value);
	s3_answer_release(&a);
	return code;
}

/* Servers answer 200 before they begin, to keep the connection up: only the body tells how it went. */
static int finish(struct upload *u, struct error *err)
{
	static const char head[] = "<CompleteMultipartUpload "
				   "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
	static const char tail[] = "</CompleteMultipartUpload>";
	const struct s3_pair query = { "uploadId", u->id };
	struct s3_headers h = { .count = 0 };
	struct buf body = { 0 };
	struct s3_answer a = { 0 };
	struct s3_said said;
	int code = ERR_NONE;

	buf_add(&body, head, strlen(head));
	buf_add(&body, u->parts.data, u->parts.len_bytes);
	buf_add(&body, tail, strlen(tail));
	if (body.failed || u->parts.failed)
		code = err_nomem(err);
	s3_add_header(&h, "content-type", "application/xml");
	if (u->drive->conditional_put)
		s3_add_header(&h, "if-none-match", "*");
	if (code == ERR_NONE) {
		struct s3_request r = {
			.method = "POST",
			.key = u->name,
			.query = &query,
			.query_count = 1,
			.headers = h.pairs,
			.headers_count = h.count,
			.body = body.data,
			.body_bytes = body.len_bytes,
			.has_body = true,
			.step = u->step,
		};

		code = s3_call(u->drive, &r, &a, err);
	}
	if (code == ERR_NONE)
		code = s3_answer_result(&a.http, u->step, u->drive->account.region, &said, err);
	s3_answer_release(&a);
	buf_release(&body);
	return code;
}

/* The server forgets the parts. That it can't be told so is no error of its own: what the caller has is. */
static void give_up(struct upload *u)
{
	const struct s3_pair query = { "uploadId", u->id };
	struct s3_request r = {
		.method = "DELETE",
		.key = u->name,
		.query = &query,
		.query_count = 1,
		.step = u->step,
	};
	struct s3_answer a;
	struct error ignored;

	s3_do(u->drive, &r, &a, &ignored);
	s3_answer_release(&a);
}

int s3_put_parts(struct s3_drive *s, const char *name, const void *bytes, size_t len_bytes,
		 const char *step, struct error *err)
{
	struct upload u = { .drive = s, .name = name, .step = step };
	const uint8_t *at = bytes;
	size_t left_bytes = len_bytes, part_bytes = len_bytes / PARTS_MAX + 1;
	enum s3_verdict verdict;
	int code = begin(&u, err);

	if (code != ERR_NONE)
		return code;
	if (part_bytes < S3_PART_BYTES)
		part_bytes = S3_PART_BYTES;
	for (unsigned number = 1; code == ERR_NONE && left_bytes > 0; number++) {
		size_t n = left_bytes < part_bytes ? left_bytes : part_bytes;

		code = send_part(&u, number, at, n, err);
		at += n;
		left_bytes -= n;
	}
	if (code == ERR_NONE)
		code = finish(&u, err);
	if (code != ERR_NONE)
		give_up(&u);
	else
		code = s3_judge_length(s, name, step, len_bytes, &verdict, err);
	if (code == ERR_NONE && verdict == S3_WRONG)
		code = s3_take_back(s, name, step, err);
	buf_release(&u.parts);
	return code;
}
