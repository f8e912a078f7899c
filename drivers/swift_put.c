/*
 * Putting objects into Swift.
 *
 * An object appears whole when all of its bytes came and their MD5 is that of the ETag sent with
 * them, and is on disk when the server says 201: sync() has nothing left to do. The server looks
 * whether the name is taken before it takes the bytes, not after: of several puts that race, each may
 * be told 201, and the one that began last stays. So each put looks afterwards whose bytes stayed.
 */
#include "drivers/swift.h"

#include "base/hash.h"
#include "drivers/md5.h"
#include "drivers/name.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* An ETag may stand in quotes. */
static bool etag_is(const char *etag, const char *hex)
{
	size_t quote = etag[0] == '"', len = strlen(hex);

	return strncasecmp(etag + quote, hex, len) == 0 &&
	       strcmp(etag + quote + len, quote ? "\"" : "") == 0;
}

static int taken(const char *name, struct error *err)
{
	return err_set(err, ERR_EXISTS, "put %s: the name is taken", name);
}

/* After the server took it: what is there now is what was sent, or the name is another's. */
static int stayed_check(struct swift_drive *w, const char *name, size_t len_bytes, const char *md5_hex,
			struct error *err)
{
	struct swift_head h;
	int code = swift_head(w, name, &h, err);

	if (code == ERR_NOT_FOUND)
		return err_set(err, ERR_TRANSIENT, "put %s: the server took it, but has it not", name);
	if (code != ERR_NONE)
		return err_wrap(err, "put %s", name);
	if (h.len_bytes != len_bytes || !etag_is(h.etag, md5_hex))
		return taken(name, err);
	return ERR_NONE;
}

static int put_status(struct swift_drive *w, const struct http_answer *a, const char *name,
		      struct error *err)
{
	switch (a->status) {
	case 201:
	case 202: /* there is one with a later time: stayed_check() tells which */
		return ERR_NONE;
	case 412:
		return taken(name, err);
	case 404:
		/* The container is gone, or those who know it are down. */
		if (swift_container_check(w, err) == ERR_NONE)
			return err_set(err, ERR_TRANSIENT, "put %s: the container was not found", name);
		if (err->code == ERR_NOT_FOUND)
			err_set(err, ERR_IO, "the container is gone");
		return err_wrap(err, "put %s", name);
	default:
		return swift_status_error(a, "put", name, err);
	}
}

static int send_object(struct swift_drive *w, const char *name, const void *bytes, size_t len_bytes,
		       const char *md5_hex, struct error *err)
{
	struct http_request r = { .method = "PUT", .body = bytes, .body_bytes = len_bytes,
				  .has_body = true };
	char etag[MD5_HEX_BYTES + 8];
	const char *headers[] = { etag, "If-None-Match: *", "Content-Type: application/octet-stream",
				  NULL };
	struct http_answer a;
	int code;

	snprintf(etag, sizeof(etag), "ETag: %s", md5_hex);
	code = swift_object_do(w, name, &r, headers, &a, err);
	if (code == ERR_NONE)
		code = put_status(w, &a, name, err);
	http_answer_release(&a);
	return code;
}

/* Where it is not known that a put looks for itself whether the name is taken. */
static int free_check(struct swift_drive *w, const char *name, struct error *err)
{
	struct swift_head h;
	int code = swift_head(w, name, &h, err);

	if (code == ERR_NONE)
		return taken(name, err);
	return code == ERR_NOT_FOUND ? ERR_NONE : err_wrap(err, "put %s", name);
}

int swift_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
		     struct error *err)
{
	struct swift_drive *w = (struct swift_drive *)d;
	char md5_hex[MD5_HEX_BYTES];
	struct md5 digest;
	int code = object_name_check(name, err);

	if (code != ERR_NONE)
		return code;
	if (!md5(bytes, len_bytes, &digest))
		return err_set(err, ERR_UNSUPPORTED, "put %s: this system's libcrypto has no MD5", name);
	hex_encode(digest.b, MD5_BYTES, md5_hex);
	if (!w->conditional_put)
		code = free_check(w, name, err);
	if (code == ERR_NONE)
		code = send_object(w, name, bytes, len_bytes, md5_hex, err);
	if (code == ERR_NONE)
		code = stayed_check(w, name, len_bytes, md5_hex, err);
	return code;
}

/* ---- what the server can ---- */

/* Answered to a put of one byte on a name that is no object's. */
static int probe_put(struct swift_drive *w, const char *url, unsigned *status, struct error *err)
{
	static const char *const headers[] = { "If-None-Match: *", NULL };
	struct http_request r = { .method = "PUT", .url = url, .body = "x", .body_bytes = 1,
				  .has_body = true };
	struct http_answer a;
	int code = swift_session_do(w->session, &r, headers, &a, err);

	if (code == ERR_NONE && a.status / 100 != 2 && a.status != 412)
		code = swift_status_error(&a, "put", "a probe", err);
	*status = a.status;
	http_answer_release(&a);
	return code;
}

static void probe_remove(struct swift_drive *w, const char *url)
{
	static const char *const headers[] = { NULL };
	struct http_request r = { .method = "DELETE", .url = url };
	struct http_answer a;
	struct error ignored;

	swift_session_do(w->session, &r, headers, &a, &ignored);
	http_answer_release(&a);
}

/* The first put may meet what an earlier probe left. */
int swift_probe(struct swift_drive *w, const char *temp_tag, bool *conditional_put,
		struct error *err)
{
	struct buf b = { 0 };
	unsigned status = 0;
	int code;

	buf_add(&b, w->container, strlen(w->container));
	buf_add_u8(&b, '/');
	/* Not below ".mrmr/", where the objects are: ".mrmr-probe-tag". */
	url_encode(&b, w->top, true);
	if (!b.failed)
		b.len_bytes--;
	buf_add(&b, "-probe-", strlen("-probe-"));
	buf_add(&b, temp_tag, strlen(temp_tag) + 1);
	if (b.failed) {
		buf_release(&b);
		return err_nomem(err);
	}
	code = probe_put(w, (const char *)b.data, &status, err);
	if (code == ERR_NONE && status != 412)
		code = probe_put(w, (const char *)b.data, &status, err);
	if (code == ERR_NONE)
		probe_remove(w, (const char *)b.data);
	*conditional_put = status == 412;
	buf_release(&b);
	return code;
}
