/*
 * What S3 servers say in XML, but for listings (s3_list.h): errors, also inside answers of status 200,
 * and the few words that other answers hold. Bytes that anybody may have made. Thread-safe.
 */
#ifndef MRMR_DRIVERS_S3_ANSWER_H
#define MRMR_DRIVERS_S3_ANSWER_H

#include "base/error.h"
#include "drivers/md5.h"
#include "net/http.h"

#include <stdbool.h>
#include <stddef.h>

#define S3_WORD_BYTES 128
#define S3_TEXT_BYTES 1024

/* "" what is not there. Printable ASCII, cut to fit (but for upload_id, which is whole or "", in UTF-8). */
struct s3_said {
	char code[S3_WORD_BYTES]; /* of an <Error>, which is the whole answer or nothing */
	char message[S3_TEXT_BYTES / 4];
	char region[S3_WORD_BYTES];   /* where the bucket is */
	char endpoint[S3_WORD_BYTES]; /* where to ask for it */
	char request_time[S3_WORD_BYTES], server_time[S3_WORD_BYTES];
	char etag[S3_WORD_BYTES]; /* as it stands */
	char upload_id[S3_TEXT_BYTES];
	bool is_result; /* CopyObjectResult, CompleteMultipartUploadResult, ...: it was done */
};

/* ERR_CORRUPT: no XML. */
int s3_said_parse(const void *bytes, size_t len_bytes, struct s3_said *out, struct error *err);

/*
 * The error that an answer stands for, by the code that it holds, else by its status. what: the step,
 * in front of the message. region: what was asked for; bucket_region: the header of that name, or "".
 * Never ERR_NONE. ERR_USAGE: the bucket is in another region, which the message names.
 */
int s3_answer_error(const struct http_answer *a, const char *what, const char *region,
		    const char *bucket_region, struct error *err);

/* For answers of status 200 that may hold an error, or no result: ERR_NONE if all is well. ERR_TRANSIENT:
 * it can't be told what became of it. */
int s3_answer_result(const struct http_answer *a, const char *what, const char *region,
		     struct s3_said *out, struct error *err);

/* The digest in an ETag, with or without quotes. False: it is something else. */
bool s3_etag_md5(const char *etag, struct md5 *out);

#endif
