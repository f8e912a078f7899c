/* Opening a drive on an S3 server: what its URL and options say, and whether the bucket is there. */
#include "drivers/s3_inner.h"
#include "drivers/s3_list.h"
#include "net/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONNECTIONS_MOST 64
#define BUCKET_BYTES_MAX 255
#define PREFIX_BYTES_MAX 700 /* so that keys stay below 1024 bytes, which is what S3 has */

/* ---- where it is ---- */

static bool is_amazon(const char *host)
{
	static const char *const ends[] = { ".amazonaws.com", ".amazonaws.com.cn" };

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t len = strlen(host), end_len = strlen(ends[i]);

		if (len > end_len && strcasecmp(host + len - end_len, ends[i]) == 0)
			return true;
	}
	return false;
}

static bool bucket_ok(const char *bucket)
{
	size_t len = strspn(bucket, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return len > 0 && len <= BUCKET_BYTES_MAX && bucket[len] == '\0' && strcmp(bucket, ".") != 0 &&
	       strcmp(bucket, "..") != 0;
}

/* The path of the URL: bucket and prefix. */
static int take_path(struct s3_drive *s, const struct url *u, struct error *err)
{
	const char *slash = strchr(u->path, '/');
	size_t bucket_len = slash ? (size_t)(slash - u->path) : strlen(u->path);
	int printed;

	s->bucket = strndup(u->path, bucket_len);
	if (!s->bucket)
		return err_nomem(err);
	if (bucket_len == 0)
		return err_set(err, ERR_USAGE, "the URL names no bucket: s3://ENDPOINT/BUCKET[/PREFIX]");
	if (!bucket_ok(s->bucket))
		return err_set(err, ERR_USAGE, "\"%s\" is no name of a bucket", s->bucket);
	if (slash && strlen(slash) > PREFIX_BYTES_MAX)
		return err_set(err, ERR_USAGE, "the prefix in the URL is too long");
	printed = asprintf(&s->prefix, "%s%s", slash ? slash + 1 : "", slash ? "/" : "");
	if (printed < 0)
		s->prefix = NULL;
	if (!s->prefix || asprintf(&s->root, "%s.mrmr/", s->prefix) < 0) {
		s->root = NULL;
		return err_nomem(err);
	}
	return ERR_NONE;
}

static int want_virtual(const struct drive_option_set *given, const struct s3_drive *s,
			const struct url *u, bool is_tls, bool *out, struct error *err)
{
	const char *addressing = drive_option(given, "addressing");

	/* A certificate for *.s3.amazonaws.com does not hold for names with more dots. */
	*out = is_amazon(u->host) && !(is_tls && strchr(s->bucket, '.'));
	if (!addressing)
		return ERR_NONE;
	*out = strcmp(addressing, "virtual") == 0;
	if (!*out && strcmp(addressing, "path") != 0)
		return err_set(err, ERR_USAGE, "addressing is \"path\" or \"virtual\"");
	return ERR_NONE;
}

/* The host as Host has it, the origin of requests, and the path of the bucket. */
static int make_origin(struct s3_drive *s, const struct url *u, bool is_tls, bool is_virtual,
		       struct error *err)
{
	bool is_v6 = strchr(u->host, ':') != NULL;
	unsigned usual_port = is_tls ? 443 : 80;
	char port[16] = "";

	s->endpoint_port = u->port == usual_port ? 0 : u->port;
	if (s->endpoint_port)
		snprintf(port, sizeof(port), ":%u", s->endpoint_port);
	s->endpoint = strdup(u->host);
	if (asprintf(&s->origin, "%s://%s%s%s%s%s%s", is_tls ? "https" : "http",
		     is_virtual ? s->bucket : "", is_virtual ? "." : "", is_v6 ? "[" : "", u->host,
		     is_v6 ? "]" : "", port) < 0)
		s->origin = NULL;
	if (asprintf(&s->bucket_path, "%s%s", is_virtual ? "" : "/", is_virtual ? "" : s->bucket) < 0)
		s->bucket_path = NULL;
	if (!s->origin || !s->bucket_path || !s->endpoint)
		return err_nomem(err);
	s->host = strstr(s->origin, "://") + 3;
	return ERR_NONE;
}

static int region_of_url(const struct url *u, char **region, struct error *err)
{
	*region = NULL;
	if (u->user)
		return err_set(err, ERR_USAGE, "the URL names a user: give access_key and secret_key");
	if (!u->query)
		return ERR_NONE;
	if (strncmp(u->query, "region=", 7) != 0 || strchr(u->query, '&'))
		return err_set(err, ERR_USAGE, "behind the ? of the URL only region=REGION may stand");
	return url_query(u, "region", region, err);
}

int s3_open_url(struct s3_drive *s, const char *url, const struct drive_options *o,
		struct error *err)
{
	bool is_virtual, is_tls = strncmp(url, "s3:", 3) == 0;
	char *region = NULL;
	struct url u;
	int code = url_parse(url, &u, err);

	if (code != ERR_NONE)
		return code;
	code = region_of_url(&u, &region, err);
	if (code == ERR_NONE)
		code = take_path(s, &u, err);
	if (code == ERR_NONE)
		code = want_virtual(o->given, s, &u, is_tls, &is_virtual, err);
	if (code == ERR_NONE)
		code = make_origin(s, &u, is_tls, is_virtual, err);
	if (code == ERR_NONE)
		code = s3_account_find(o->given, region, &s->account, err);
	url_release(&u);
	free(region);
	return code;
}

/* ---- how ---- */

/* A word of the options that goes into a header. */
static int take_storage_class(struct s3_drive *s, const struct drive_option_set *given,
			      struct error *err)
{
	const char *name = drive_option(given, "storage-class");

	if (!name)
		return ERR_NONE;
	if (name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] != '\0')
		return err_set(err, ERR_USAGE, "\"%.64s\" is no storage class", name);
	s->storage_class = strdup(name);
	return s->storage_class ? ERR_NONE : err_nomem(err);
}

/* Learned, and then kept; "": it was not told. */
static int take_owner(struct s3_drive *s, const struct drive_option_set *given, struct error *err)
{
	const char *owner = drive_option(given, "account");

	s->owner = strdup(owner ? owner : "");
	return s->owner ? ERR_NONE : err_nomem(err);
}

static bool is_given(const struct drive_option_set *given, const char *key, const char *value)
{
	const char *text = drive_option(given, key);

	return text && strcmp(text, value) == 0;
}

int s3_take_options(struct s3_drive *s, const struct drive_options *o, struct error *err)
{
	struct http_site_options site = {
		.origin = s->origin,
		.ca_file = drive_option(o->given, "ca"),
		.upload = o->upload,
		.download = o->download,
		.meter = o->meter,
	};
	uint64_t connections;
	int code = take_storage_class(s, o->given, err);

	if (code == ERR_NONE)
		code = take_owner(s, o->given, err);
	s->conditional_put = is_given(o->given, "conditional-put", "yes");
	s->etag_is_md5 = is_given(o->given, "etag", "md5");
	s->checksums = is_given(o->given, "checksum", "sha256");
	if (code == ERR_NONE)
		code = drive_option_number(o->given, "connections", 1, CONNECTIONS_MOST,
					   S3_CONNECTIONS, &connections, err);
	if (code != ERR_NONE)
		return code;
	s->driver.connections_max = site.connections = (unsigned)connections;
	return http_site_open(&site, &s->site, err);
}

/* A listing shows more than a HEAD does: what is wrong is told in its body, and that it may be listed. */
static int look(struct s3_drive *s, struct error *err)
{
	const struct s3_pair query[] = {
		{ "list-type", "2" }, { "max-keys", "1" }, { "prefix", s->root }
	};
	struct s3_request r = { .method = "GET", .query = query, .query_count = 3, .step = s->bucket };
	struct s3_page page;
	struct s3_answer a;
	int code = s3_call(s, &r, &a, err);

	if (code == ERR_NONE) {
		code = s3_page_parse(a.http.document.data, a.http.document.len_bytes, &page, err);
		if (code == ERR_NONE)
			s3_page_release(&page);
		else if (code == ERR_CORRUPT)
			code = err_set(err, ERR_UNSUPPORTED, "%s: it is no S3 server that answers there",
				       s->origin);
	}
	s3_answer_release(&a);
	return code;
}

static int make_bucket(struct s3_drive *s, struct error *err)
{
	struct s3_request r = { .method = "PUT", .has_body = true, .step = "create the bucket" };
	const struct s3_pair header = { "content-type", "application/xml" };
	char body[512];
	struct s3_answer a;
	int code;

	if (strcmp(s->account.region, "us-east-1") != 0) {
		snprintf(body, sizeof(body),
			 "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
			 "<LocationConstraint>%s</LocationConstraint></CreateBucketConfiguration>",
			 s->account.region);
		r.body = body;
		r.body_bytes = strlen(body);
		r.headers = &header;
		r.headers_count = 1;
	}
	code = s3_call(s, &r, &a, err);
	s3_answer_release(&a);
	return code;
}

int s3_open_bucket(struct s3_drive *s, bool make_root, struct error *err)
{
	struct error made;
	int made_code, code = look(s, err);

	if (code != ERR_NOT_FOUND || !make_root)
		return code;
	/* Another host may make it at the same time: what counts is that it is there then. */
	made_code = make_bucket(s, &made);
	code = look(s, err);
	if (code == ERR_NONE || made_code == ERR_NONE)
		return code;
	*err = made;
	return made_code;
}
