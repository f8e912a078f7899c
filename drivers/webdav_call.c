#include "drivers/webdav.h"

#include "net/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BROKEN_ANSWERS 3 /* that are asked for once more */
#define SHORT_BYTES_MAX ((size_t)1 << 20)
#define PROPERTIES_WANTED                                                                          \
	"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"                                             \
	"<propfind xmlns=\"DAV:\"><prop><resourcetype/><getcontentlength/>"
#define PROPERTIES_END "</prop></propfind>\n"

static const char look_body[] = PROPERTIES_WANTED
	"<quota-available-bytes/><quota-used-bytes/>" PROPERTIES_END;
static const char list_body[] = PROPERTIES_WANTED "<getlastmodified/>" PROPERTIES_END;

char *webdav_join(const char *folder, const char *leaf)
{
	char *path;

	return asprintf(&path, "%s/%s", folder, leaf) < 0 ? NULL : path;
}

char *webdav_path(const struct webdav *w, const char *name)
{
	struct buf path = { 0 };

	buf_add(&path, w->folder, strlen(w->folder));
	buf_add_u8(&path, '/');
	for (const char *at = name; *at; at++) {
		if (w->no_dots && *at == '.' && (at == name || at[-1] == '/'))
			buf_add_u8(&path, '~');
		buf_add_u8(&path, (uint8_t)*at);
	}
	buf_add_u8(&path, 0);
	if (path.failed) {
		buf_release(&path);
		return NULL;
	}
	return (char *)path.data;
}

/* Appends the URL of a path and a NUL. */
static void add_url(const struct webdav *w, const char *path, bool is_folder, struct buf *out)
{
	buf_add(out, w->origin, strlen(w->origin));
	url_encode(out, path, true);
	if (is_folder || path[0] == '\0')
		buf_add_u8(out, '/');
	buf_add_u8(out, 0);
}

int webdav_do(struct webdav *w, const struct dav_request *r, struct http_answer *a,
	      struct error *err)
{
	struct buf url = { 0 }, to = { 0 };
	char depth[32], range[80], type[64];
	const char *headers[8];
	unsigned count = 0;
	int code;

	*a = (struct http_answer){ 0 };
	add_url(w, r->path, r->is_folder, &url);
	if (r->to) {
		buf_add(&to, "Destination: ", strlen("Destination: "));
		add_url(w, r->to, r->is_folder, &to);
		headers[count++] = (const char *)to.data;
		headers[count++] = "Overwrite: F";
	}
	if (r->depth) {
		snprintf(depth, sizeof(depth), "Depth: %s", r->depth);
		headers[count++] = depth;
	}
	if (r->range) {
		snprintf(range, sizeof(range), "Range: %s", r->range);
		headers[count++] = range;
	}
	if (r->type) {
		snprintf(type, sizeof(type), "Content-Type: %s", r->type);
		headers[count++] = type;
	}
	if (w->bearer.text)
		headers[count++] = w->bearer.text;
	headers[count] = NULL;
	if (url.failed || to.failed) {
		code = err_nomem(err);
	} else {
		const struct http_request request = {
			.method = r->method,
			.url = (const char *)url.data,
			.headers = headers,
			.body = r->body,
			.body_bytes = r->body_bytes,
			.has_body = r->type != NULL,
			.out = r->out,
			.out_bytes = r->out_bytes,
			.document_bytes_max = r->document_bytes_max,
			.is_range = r->range != NULL,
			.offset_bytes = r->range_offset_bytes,
			.wanted = r->wanted,
			.wanted_count = r->wanted_count,
		};

		code = http_do(w->site, &request, a, err);
	}
	if (code == ERR_TRANSIENT && w->alive) {
		struct error why;

		if (w->alive(w->owner, &why) != ERR_NONE) {
			*err = why;
			code = (int)err->code;
		}
	}
	buf_release(&url);
	buf_release(&to);
	return code;
}

static bool is_good(const struct http_answer *a)
{
	return a->status >= 200 && a->status < 300;
}

/* An answer other than 2xx, or a 2xx one that makes no sense here. */
static int status_error(const struct http_answer *a, const char *step, const char *name,
			struct error *err)
{
	char what[OBJECT_NAME_MAX + 64];

	snprintf(what, sizeof(what), "%s %s", step, name);
	if (is_good(a))
		return err_set(err, ERR_IO, "%s: unexpected answer %u", what, a->status);
	return http_status_error(a, what, err);
}

int webdav_write_error(const struct http_answer *a, const char *step, const char *name,
		       struct error *err)
{
	int code = status_error(a, step, name, err);

	if (code == ERR_NOT_FOUND || code == ERR_EXISTS)
		code = (int)(err->code = ERR_IO);
	return code;
}

static int pass_over(void *ctx, const struct dav_entry *e, struct error *err)
{
	(void)ctx;
	(void)e;
	(void)err;
	return ERR_NONE;
}

/* Asks, and checks the answer. */
static int ask(struct webdav *w, const struct dav_request *r, const char *what,
	       struct http_answer *a, struct error *err)
{
	int code = webdav_do(w, r, a, err);

	if (code == ERR_NONE && a->status != 207)
		code = status_error(a, r->depth[0] == '0' ? "ask for" : "list", what, err);
	if (code == ERR_NONE)
		code = multistatus_walk(a->document.data, a->document.len_bytes, r->path, pass_over,
					NULL, err);
	return code;
}

/* Entries are handed out only of an answer that is whole. Some servers (rclone) break off in the middle
 * of one when something goes away while they make it: then they are asked again. Many folders are asked
 * for at once, so that of long answers one is held at a time. */
static int propfind(struct webdav *w, struct dav_request *r, const char *what, dav_entry_fn *each,
		    void *ctx, struct error *err)
{
	struct http_answer a;
	bool again;
	int code;

	r->document_bytes_max = SHORT_BYTES_MAX;
	code = ask(w, r, what, &a, err);
	again = code == ERR_CORRUPT;
	if (again)
		pthread_mutex_lock(&w->long_lock);
	r->document_bytes_max = 0;
	for (unsigned times = 0; code == ERR_CORRUPT && times < BROKEN_ANSWERS; times++) {
		http_answer_release(&a);
		code = ask(w, r, what, &a, err);
	}
	if (code == ERR_NONE)
		code = multistatus_walk(a.document.data, a.document.len_bytes, r->path, each, ctx,
					err);
	else if (code == ERR_CORRUPT)
		err_wrap(err, "ask for %s", what);
	http_answer_release(&a);
	if (again)
		pthread_mutex_unlock(&w->long_lock);
	return code;
}

static int keep_itself(void *ctx, const struct dav_entry *e, struct error *err)
{
	struct dav_entry *out = ctx;

	(void)err;
	if (e->name[0] == '\0') {
		*out = *e;
		out->name = NULL;
	}
	return ERR_NONE;
}

int webdav_look(struct webdav *w, const char *path, bool is_folder, const char *what,
		struct dav_entry *e, struct error *err)
{
	struct dav_request r = {
		.method = "PROPFIND",
		.path = path,
		.is_folder = is_folder,
		.depth = "0",
		.type = "application/xml; charset=utf-8",
		.body = look_body,
		.body_bytes = sizeof(look_body) - 1,
	};

	return propfind(w, &r, what, keep_itself, e, err);
}

int webdav_look_into(struct webdav *w, const char *path, const char *what, dav_entry_fn *each,
		     void *ctx, int64_t *date_s, struct error *err)
{
	struct http_header date = { .name = "Date" };
	struct dav_request r = {
		.method = "PROPFIND",
		.path = path,
		.is_folder = true,
		.depth = "1",
		.type = "application/xml; charset=utf-8",
		.body = list_body,
		.body_bytes = sizeof(list_body) - 1,
		.wanted = date_s ? &date : NULL,
		.wanted_count = date_s ? 1 : 0,
	};
	int code = propfind(w, &r, what, each, ctx, err);

	if (date_s)
		*date_s = http_date(date.value);
	return code;
}
