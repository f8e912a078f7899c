/* Objects in Swift: stat, get, move, remove. Putting them: swift_put.c */
#include "drivers/swift.h"

#include "drivers/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- statuses and headers ---- */

int swift_status_error(const struct http_answer *a, const char *step, const char *name,
		       struct error *err)
{
	char what[OBJECT_NAME_MAX + 32];

	snprintf(what, sizeof(what), "%s%s%s", step, name ? " " : "", name ? name : "");
	http_status_error(a, what, err);
	switch (a->status) {
	case 409: /* somebody changed it at the same moment */
	case 422: /* other bytes came than were sent */
	case 498: /* too many requests, as Swift says it */
	case 499: /* the server thinks that we hung up */
		err->code = ERR_TRANSIENT;
		break;
	case 413: /* too many requests, as Rackspace says it; a quota names no time */
		if (a->retry_after_s > 0)
			err->code = ERR_TRANSIENT;
		break;
	default:
		break;
	}
	if (err->code == ERR_TRANSIENT)
		err->retry_after_s = a->retry_after_s;
	return (int)err->code;
}

bool swift_number(const char *text, uint64_t *out)
{
	char *end;

	if (text[0] < '0' || text[0] > '9' || strlen(text) > 19)
		return false;
	*out = strtoull(text, &end, 10);
	return *end == '\0';
}

static char *object_url(const struct swift_drive *w, const char *name)
{
	struct buf b = { 0 };

	buf_add(&b, w->container, strlen(w->container));
	buf_add_u8(&b, '/');
	url_encode(&b, w->top, true);
	url_encode(&b, name, true);
	buf_add_u8(&b, 0);
	if (b.failed)
		buf_release(&b);
	return (char *)b.data;
}

int swift_object_do(struct swift_drive *w, const char *name, struct http_request *r,
		    const char *const *headers, struct http_answer *a, struct error *err)
{
	char *url = object_url(w, name);
	int code;

	*a = (struct http_answer){ 0 };
	if (!url)
		return err_nomem(err);
	r->url = url;
	code = swift_session_do(w->session, r, headers, a, err);
	free(url);
	return code == ERR_NONE ? code : err_wrap(err, "%s %s", r->method, name);
}

/* ---- what is there ---- */

int swift_head(struct swift_drive *w, const char *name, struct swift_head *out, struct error *err)
{
	static const char *const headers[] = { "X-Newest: true", NULL };
	struct http_header wanted[] = { { .name = "Content-Length" }, { .name = "ETag" } };
	struct http_request r = { .method = "HEAD", .wanted = wanted, .wanted_count = 2 };
	struct http_answer a;
	int code = swift_object_do(w, name, &r, headers, &a, err);

	if (code == ERR_NONE && a.status / 100 != 2)
		code = swift_status_error(&a, "stat", name, err);
	else if (code == ERR_NONE && !swift_number(wanted[0].value, &out->len_bytes))
		code = err_set(err, ERR_CORRUPT, "stat %s: no length in the answer", name);
	if (code == ERR_NONE)
		memcpy(out->etag, wanted[1].value, sizeof(out->etag));
	http_answer_release(&a);
	return code;
}

/*
 * What a 404 of an object means. While the servers that know the container are down, the rest of
 * Swift may look for the object in the wrong place and not find it: it is not there only if the
 * container answers.
 */
static int not_found(struct swift_drive *w, const char *step, const char *name, struct error *err)
{
	int code = swift_container_check(w, err);

	if (code == ERR_NONE)
		return err_set(err, ERR_NOT_FOUND, "%s %s: not found", step, name);
	if (code == ERR_NOT_FOUND)
		err_set(err, ERR_IO, "the container is gone");
	return err_wrap(err, "%s %s", step, name);
}

int swift_stat(struct drive *d, const char *name, struct object_stat *out, struct error *err)
{
	struct swift_drive *w = (struct swift_drive *)d;
	struct swift_head h;
	int code = object_name_check(name, err);

	if (code == ERR_NONE)
		code = swift_head(w, name, &h, err);
	if (code == ERR_NOT_FOUND)
		return not_found(w, "stat", name, err);
	if (code == ERR_NONE)
		out->len_bytes = h.len_bytes;
	return code;
}

/* ---- get ---- */

static int too_short(const char *name, struct error *err)
{
	return err_set(err, ERR_CORRUPT, "get %s: ends before that", name);
}

/* Nothing to read, or nothing that can be: whether the object reaches so far. */
static int reach_check(struct swift_drive *w, const char *name, uint64_t offset_bytes,
		       size_t len_bytes, struct error *err)
{
	struct swift_head h;
	int code = swift_head(w, name, &h, err);

	if (code == ERR_NOT_FOUND)
		return not_found(w, "get", name, err);
	if (code != ERR_NONE)
		return code;
	if (offset_bytes > h.len_bytes || len_bytes > h.len_bytes - offset_bytes)
		return too_short(name, err);
	return ERR_NONE;
}

/* "bytes 10-19/300": they begin where they were asked for. */
static bool range_begins_at(const char *content_range, uint64_t offset_bytes)
{
	char expected[40];
	int len = snprintf(expected, sizeof(expected), "bytes %llu-", (unsigned long long)offset_bytes);

	return strncmp(content_range, expected, (size_t)len) == 0;
}

/* ERR_NONE: the bytes that came begin at the offset. */
static int get_status(struct swift_drive *w, const struct http_answer *a, const char *name,
		      const char *content_range, uint64_t offset_bytes, struct error *err)
{
	if (a->status == 404)
		return not_found(w, "get", name, err);
	if (a->status == 416)
		return too_short(name, err);
	if (a->status / 100 != 2)
		return swift_status_error(a, "get", name, err);
	if (a->status == 206 && !range_begins_at(content_range, offset_bytes))
		return err_set(err, ERR_CORRUPT, "get %s: not the range that was asked for", name);
	if (a->status != 206 && offset_bytes > 0)
		return err_set(err, ERR_UNSUPPORTED, "get %s: the server sends no ranges", name);
	return ERR_NONE;
}

int swift_get(struct drive *d, const char *name, uint64_t offset_bytes, void *out,
		     size_t len_bytes, struct error *err)
{
	struct swift_drive *w = (struct swift_drive *)d;
	struct http_header wanted[] = { { .name = "Content-Range" } };
	struct http_request r = { .method = "GET", .out = out, .out_bytes = len_bytes,
				  .wanted = wanted, .wanted_count = 1 };
	char range[80];
	const char *headers[] = { range, NULL };
	struct http_answer a;
	int code = object_name_check(name, err);

	if (code != ERR_NONE)
		return code;
	if (len_bytes == 0 || offset_bytes > INT64_MAX || len_bytes > INT64_MAX - offset_bytes)
		return reach_check(w, name, offset_bytes, len_bytes, err);
	snprintf(range, sizeof(range), "Range: bytes=%llu-%llu", (unsigned long long)offset_bytes,
		 (unsigned long long)(offset_bytes + len_bytes - 1));
	code = swift_object_do(w, name, &r, headers, &a, err);
	if (code == ERR_NONE)
		code = get_status(w, &a, name, wanted[0].value, offset_bytes, err);
	if (code == ERR_NONE && a.out_used_bytes != len_bytes)
		code = too_short(name, err);
	http_answer_release(&a);
	return code;
}

/* ---- move, remove, sync ---- */

int swift_remove(struct drive *d, const char *name, struct error *err)
{
	static const char *const headers[] = { NULL };
	struct http_request r = { .method = "DELETE" };
	struct http_answer a;
	int code = object_name_check(name, err);

	if (code != ERR_NONE)
		return code;
	code = swift_object_do((struct swift_drive *)d, name, &r, headers, &a, err);
	if (code == ERR_NONE && a.status / 100 != 2 && a.status != 404)
		code = swift_status_error(&a, "remove", name, err);
	http_answer_release(&a);
	return code;
}

static int copy_object(struct swift_drive *w, const char *from, const char *to, struct error *err)
{
	struct http_request r = { .method = "COPY" };
	struct buf destination = { 0 };
	const char *headers[] = { NULL, NULL };
	struct http_answer a;
	int code;

	buf_add(&destination, "Destination: ", strlen("Destination: "));
	buf_add(&destination, strrchr(w->container, '/') + 1, strlen(strrchr(w->container, '/') + 1));
	buf_add_u8(&destination, '/');
	url_encode(&destination, w->top, true);
	url_encode(&destination, to, true);
	buf_add_u8(&destination, 0);
	if (destination.failed)
		return err_nomem(err);
	headers[0] = (const char *)destination.data;
	code = swift_object_do(w, from, &r, headers, &a, err);
	if (code == ERR_NONE && a.status != 201)
		code = swift_status_error(&a, "move", from, err);
	http_answer_release(&a);
	buf_release(&destination);
	return code;
}

/*
 * A copy on the server, then the end of the old name. "If-None-Match: *" would be taken for a
 * condition on what is copied, so a name that is taken is looked for before.
 */
int swift_move(struct drive *d, const char *from, const char *to, struct error *err)
{
	struct swift_drive *w = (struct swift_drive *)d;
	struct swift_head old, new;
	int code = object_name_check(from, err);

	if (code == ERR_NONE)
		code = object_name_check(to, err);
	if (code == ERR_NONE)
		code = swift_head(w, from, &old, err);
	if (code == ERR_NOT_FOUND)
		return not_found(w, "move", from, err);
	if (code != ERR_NONE)
		return code;
	code = swift_head(w, to, &new, err);
	if (code == ERR_NONE)
		return err_set(err, ERR_EXISTS, "move %s to %s: the name is taken", from, to);
	if (code == ERR_NOT_FOUND)
		code = copy_object(w, from, to, err);
	if (code == ERR_NONE)
		code = swift_head(w, to, &new, err);
	if (code != ERR_NONE)
		return err_wrap(err, "move %s to %s", from, to);
	if (new.len_bytes != old.len_bytes || strcmp(new.etag, old.etag) != 0)
		return err_set(err, ERR_EXISTS, "move %s to %s: the name was taken meanwhile", from, to);
	return swift_remove(d, from, err);
}

/* What the server answered 201 is on its disks. */
int swift_sync(struct drive *d, struct error *err)
{
	(void)d;
	(void)err;
	return ERR_NONE;
}
