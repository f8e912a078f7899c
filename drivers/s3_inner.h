/*
 * Inside the s3 driver: the drive, and one request of it. For drivers/s3*.c only.
 */
#ifndef MRMR_DRIVERS_S3_INNER_H
#define MRMR_DRIVERS_S3_INNER_H

#include "drivers/driver.h"
#include "drivers/s3_account.h"
#include "drivers/s3_answer.h"
#include "net/http.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define S3_CONNECTIONS 8 /* unless the options say otherwise */
#define S3_MULTIPART_BYTES ((size_t)64 << 20) /* an object above this is sent in parts */
#define S3_PART_BYTES ((size_t)32 << 20)
#define S3_STEP_BYTES (2 * OBJECT_NAME_MAX + 64)

struct s3_drive {
	struct drive base;
	struct mrmr_driver driver; /* a copy: connections_max is an option */
	struct http_site *site;
	struct s3_account account;
	char *origin;	   /* "https://host:port", of where requests go */
	const char *host;  /* of origin: what the Host header has */
	char *bucket_path; /* encoded: "/bucket", or "" where the host names the bucket */
	char *bucket;
	char *prefix;	     /* what keys begin with: "prefix/" or "", not encoded */
	char *root;	     /* and those of objects: "prefix/.mrmr/" */
	char *storage_class; /* NULL: the server's default */
	char *endpoint;	     /* as the URL has it */
	unsigned endpoint_port; /* 0: the usual one */
	/* What joining has shown of the server. */
	bool conditional_put; /* If-None-Match: * refuses a taken name */
	bool etag_is_md5;     /* of an object sent in one piece */
	char *owner;	      /* the account that owns what is stored; "": not told */
	bool checksums;	      /* x-amz-checksum-sha256 is kept, and so was compared */
};

/* Headers of answers that are of use. */
enum s3_wanted {
	S3_ETAG,
	S3_LENGTH,
	S3_RANGE,
	S3_ENCRYPTION,
	S3_CHECKSUM,
	S3_BUCKET_REGION,
	S3_WANTED,
};

struct s3_answer {
	struct http_answer http;
	struct http_header headers[S3_WANTED];
};
void s3_answer_release(struct s3_answer *a);

struct s3_request {
	const char *method;
	const char *key;  /* from root on; NULL: the bucket itself */
	const char *root; /* NULL: the drive's */
	const struct s3_pair *query;
	size_t query_count;
	const struct s3_pair *headers; /* lower case; S3_HEADERS_MAX at most */
	size_t headers_count;
	const void *body;
	size_t body_bytes;
	bool has_body;
	const struct hash *digest; /* of the body; NULL: not made yet */
	void *out; /* as in http.h */
	size_t out_bytes;
	const char *step; /* "put blocks/ab/cd": for messages */
};

/* Signs it, sends it, waits. ERR_NONE: there was an answer, whatever its status.
 * Caller: s3_answer_release(), in any case. */
int s3_do(struct s3_drive *s, const struct s3_request *r, struct s3_answer *a, struct error *err);
/* The same; an answer that is not of status 2xx is the error that it stands for. */
int s3_call(struct s3_drive *s, const struct s3_request *r, struct s3_answer *a, struct error *err);
/* The error of an answer of another status than 2xx. */
int s3_refused(const struct s3_drive *s, const struct s3_request *r, const struct s3_answer *a,
	       struct error *err);

/* ERR_NONE for what is there no more too. */
int s3_delete(struct s3_drive *s, const char *name, const char *step, struct error *err);
/* Whether there is an object of that name, and how long it is. ERR_NOT_FOUND: there is none. */
int s3_head(struct s3_drive *s, const char *name, const char *step, uint64_t *len_bytes,
	    struct error *err);
/* ERR_EXISTS: the name is taken. */
int s3_require_free(struct s3_drive *s, const char *name, const char *step, struct error *err);

/* ---- s3_put.c ---- */

/* Headers of one request, and what they lend. */
struct s3_headers {
	struct s3_pair pairs[S3_HEADERS_MAX];
	size_t count;
	struct md5 md5;
	bool has_md5;
	char md5_text[MD5_BASE64_BYTES];
	struct hash sha256;
	char sha256_text[45];
};
void s3_add_header(struct s3_headers *h, const char *name, const char *value);
/* Digests of a body, and Content-MD5. */
void s3_add_digests(struct s3_headers *h, const void *bytes, size_t len_bytes);
enum s3_verdict { S3_UNSURE, S3_RIGHT, S3_WRONG };
/* What the answer to an upload shows of what the server has, by its digests. */
enum s3_verdict s3_judge(const struct s3_drive *s, const struct s3_headers *h,
			 const struct s3_answer *a);
/* The same of an object, by its length. ERR_NONE: S3_RIGHT or S3_WRONG. */
int s3_judge_length(struct s3_drive *s, const char *name, const char *step, size_t len_bytes,
		    enum s3_verdict *out, struct error *err);
/* Deletes what the server has instead of what was sent: ERR_TRANSIENT. */
int s3_take_back(struct s3_drive *s, const char *name, const char *step, struct error *err);
int s3_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
	   struct error *err);

/* ---- s3_multipart.c ---- */

/* An object above S3_MULTIPART_BYTES, sent in parts. The name was free a moment ago. */
int s3_put_parts(struct s3_drive *s, const char *name, const void *bytes, size_t len_bytes,
		 const char *step, struct error *err);

/* ---- s3_open.c ---- */

/* Where it is, and the keys; then what the options say, and the site. */
int s3_open_url(struct s3_drive *s, const char *url, const struct drive_options *o,
		struct error *err);
int s3_take_options(struct s3_drive *s, const struct drive_options *o, struct error *err);
/* ERR_NOT_FOUND: there is no such bucket, and it was not to be made. */
int s3_open_bucket(struct s3_drive *s, bool make_root, struct error *err);

/* ---- others ---- */

int s3_list(struct drive *d, const char *prefix, object_fn *each, void *ctx, struct error *err);
/* What this server does, tried on an object of its own that is gone afterwards. */
int s3_probe(struct s3_drive *s, const char *tag, learned_fn *learned, void *ctx, struct error *err);

#endif
