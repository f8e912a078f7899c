#include "drivers/s3_answer.h"

#include "base/hash.h"
#include "drivers/xml.h"

#include <ctype.h>
#include <string.h>

/* ---- what is in it ---- */

static void copy_printable(char *out, size_t size, const char *text)
{
	size_t len = 0;

	for (; *text && len + 1 < size; text++)
		out[len++] = (char)(*text >= ' ' && *text < 0x7f ? *text : '?');
	out[len] = '\0';
}

static const char *leaf_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* All of these stand right below the root. */
static int take_element(void *ctx, const char *path, const char *text, struct error *err)
{
	struct s3_said *said = ctx;
	const char *leaf = leaf_of(path);
	const struct {
		const char *name;
		char *out;
		size_t size;
	} words[] = {
		{ "Message", said->message, sizeof(said->message) },
		{ "Region", said->region, sizeof(said->region) },
		{ "Endpoint", said->endpoint, sizeof(said->endpoint) },
		{ "RequestTime", said->request_time, sizeof(said->request_time) },
		{ "ServerTime", said->server_time, sizeof(said->server_time) },
		{ "ETag", said->etag, sizeof(said->etag) },
	};

	(void)err;
	if (leaf == path) {
		said->is_result = strlen(path) > 6 && strcmp(path + strlen(path) - 6, "Result") == 0;
		return ERR_NONE;
	}
	if (strchr(path, '/') + 1 != leaf)
		return ERR_NONE;
	if (strcmp(path, "Error/Code") == 0)
		copy_printable(said->code, sizeof(said->code), text);
	if (strcmp(leaf, "UploadId") == 0 && strlen(text) < sizeof(said->upload_id))
		memcpy(said->upload_id, text, strlen(text) + 1);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(leaf, words[i].name) == 0)
			copy_printable(words[i].out, words[i].size, text);
	return ERR_NONE;
}

int s3_said_parse(const void *bytes, size_t len_bytes, struct s3_said *out, struct error *err)
{
	struct xml_walk walk = { .end = take_element, .ctx = out };

	*out = (struct s3_said){ 0 };
	return xml_walk(bytes, len_bytes, &walk, err);
}

/* ---- errors ---- */

static const struct {
	const char *name;
	enum err_code code;
} codes[] = {
	{ "NoSuchKey", ERR_NOT_FOUND },
	{ "NoSuchBucket", ERR_NOT_FOUND },
	{ "PreconditionFailed", ERR_EXISTS },
	{ "QuotaExceeded", ERR_FULL },
	{ "InsufficientStorage", ERR_FULL },
	{ "XMinioStorageFull", ERR_FULL },
	{ "AccessDenied", ERR_DENIED },
	{ "InvalidAccessKeyId", ERR_DENIED },
	{ "SignatureDoesNotMatch", ERR_DENIED },
	{ "ExpiredToken", ERR_DENIED },
	{ "InvalidToken", ERR_DENIED },
	{ "InvalidSecurity", ERR_DENIED },
	{ "AccountProblem", ERR_DENIED },
	{ "AllAccessDisabled", ERR_DENIED },
	{ "InvalidObjectState", ERR_DENIED }, /* in an archive: it has to be restored there first */
	{ "NotImplemented", ERR_UNSUPPORTED },
	{ "MethodNotAllowed", ERR_UNSUPPORTED },
	{ "SlowDown", ERR_TRANSIENT },
	{ "ServiceUnavailable", ERR_TRANSIENT },
	{ "InternalError", ERR_TRANSIENT },
	{ "RequestTimeout", ERR_TRANSIENT },
	{ "OperationAborted", ERR_TRANSIENT },
	{ "ConditionalRequestConflict", ERR_TRANSIENT },
	{ "TooManyRequests", ERR_TRANSIENT },
	/* Damaged or cut on the way. */
	{ "BadDigest", ERR_TRANSIENT },
	{ "IncompleteBody", ERR_TRANSIENT },
	{ "XAmzContentSHA256Mismatch", ERR_TRANSIENT },
	{ "NoSuchUpload", ERR_TRANSIENT }, /* somebody gave it up meanwhile: it is to be begun anew */
};

/* ERR_NONE: not known. */
static enum err_code code_for(const char *name)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(codes[i].name, name) == 0)
			return codes[i].code;
	return ERR_NONE;
}

static bool is_elsewhere(const struct s3_said *said, unsigned status)
{
	static const char *const names[] = { "PermanentRedirect", "TemporaryRedirect", "Redirect" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(said->code, names[i]) == 0)
			return true;
	if (strcmp(said->code, "AuthorizationHeaderMalformed") == 0)
		return said->region[0] != '\0';
	return status == 301 || status == 307;
}

static int elsewhere(const struct s3_said *said, const char *what, const char *region,
		     const char *bucket_region, struct error *err)
{
	char right[S3_WORD_BYTES];

	copy_printable(right, sizeof(right), said->region[0] ? said->region : bucket_region);
	if (right[0] && strcmp(right, region) != 0)
		return err_set(err, ERR_USAGE, "%s: the bucket is in region %s, not in %s: give region=%s",
			       what, right, region, right);
	if (said->endpoint[0])
		return err_set(err, ERR_USAGE, "%s: the bucket is to be reached by %s", what,
			       said->endpoint);
	return err_set(err, ERR_USAGE, "%s: the bucket is in another region than %s, or to be reached by "
		       "another endpoint", what, region);
}

static int by_code(const struct s3_said *said, unsigned status, const char *what, const char *region,
		   const char *bucket_region, struct error *err)
{
	enum err_code code = code_for(said->code);

	if (is_elsewhere(said, status))
		return elsewhere(said, what, region, bucket_region, err);
	if (strcmp(said->code, "RequestTimeTooSkewed") == 0)
		return err_set(err, ERR_DENIED,
			       "%s: the clocks differ too much: it is %s here and %s at the server", what,
			       said->request_time[0] ? said->request_time : "another time",
			       said->server_time[0] ? said->server_time : "not");
	if (code == ERR_NONE)
		return ERR_NONE;
	return err_set(err, code, "%s: %s%s%s", what, said->code, said->message[0] ? ": " : "",
		       said->message);
}

int s3_answer_error(const struct http_answer *a, const char *what, const char *region,
		    const char *bucket_region, struct error *err)
{
	struct s3_said said;
	struct error status, ignored;
	int code;

	if (s3_said_parse(a->document.data, a->document.len_bytes, &said, &ignored) != ERR_NONE)
		said = (struct s3_said){ 0 };
	code = http_status_error(a, what, &status);
	if (by_code(&said, a->status, what, region, bucket_region, err) != ERR_NONE) {
		err->retry_after_s = err->code == ERR_TRANSIENT ? a->retry_after_s : 0;
		return (int)err->code;
	}
	*err = status;
	if (said.code[0])
		err_set(err, status.code, "%s: %s%s%s", what, said.code,
			said.message[0] ? ": " : "", said.message);
	err->retry_after_s = status.retry_after_s;
	return code;
}

int s3_answer_result(const struct http_answer *a, const char *what, const char *region,
		     struct s3_said *out, struct error *err)
{
	int code = s3_said_parse(a->document.data, a->document.len_bytes, out, err);

	if (code == ERR_NONE && out->is_result)
		return ERR_NONE;
	if (code == ERR_NONE && out->code[0]) {
		code = by_code(out, a->status, what, region, "", err);
		if (code != ERR_NONE)
			return code;
		return err_set(err, ERR_IO, "%s: %s: %s", what, out->code, out->message);
	}
	return err_set(err, ERR_TRANSIENT, "%s: the answer does not tell whether it was done", what);
}

bool s3_etag_md5(const char *etag, struct md5 *out)
{
	char hex[MD5_HEX_BYTES];
	bool quoted = etag[0] == '"';
	size_t i;

	etag += quoted;
	for (i = 0; i < sizeof(hex) - 1 && isxdigit((unsigned char)etag[i]); i++)
		hex[i] = (char)tolower((unsigned char)etag[i]);
	hex[i] = '\0';
	if (strcmp(etag + i, quoted ? "\"" : "") != 0)
		return false;
	return hex_decode(hex, out->b, MD5_BYTES);
}
