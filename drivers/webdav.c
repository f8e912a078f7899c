#include "drivers/webdav.h"

#include "base/hash.h"
#include "drivers/domain.h"
#include "drivers/name.h"
#include "net/url.h"

#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOT_ROOT ".mrmr"
#define DOTLESS_ROOT "_mrmr"
#define BEARER "Authorization: Bearer "

/* ---- open ---- */

void webdav_close(struct drive *d)
{
	struct webdav *w = (struct webdav *)d;

	http_site_close(w->site);
	credential_release(&w->bearer);
	folder_set_release(&w->made);
	pthread_mutex_destroy(&w->long_lock);
	pthread_mutex_destroy(&w->lock);
	pthread_mutex_destroy(&w->temp_lock);
	free(w->origin);
	free(w->root);
	free(w->folder);
	free(w);
}

static int keep_bearer(struct webdav *w, const char *token, struct error *err)
{
	size_t size = strlen(BEARER) + strlen(token) + 1;

	if (token[strcspn(token, "\r\n")])
		return err_set(err, ERR_USAGE, "the token has more than one line");
	w->bearer.text = sodium_malloc(size);
	if (!w->bearer.text)
		return err_nomem(err);
	snprintf(w->bearer.text, size, "%s%s", BEARER, token);
	return ERR_NONE;
}

/* Drives of one log-in share what is left of its quota. */
static uint64_t space_number(const struct webdav_place *place)
{
	struct buf text = { 0 };
	struct hash h;
	uint64_t number = 0;

	buf_add_string(&text, place->origin);
	buf_add_string(&text, place->user ? place->user : "");
	if (!text.failed) {
		h = sha256(text.data, text.len_bytes);
		memcpy(&number, h.b, sizeof(number));
	}
	buf_release(&text);
	return number | 1;
}

static int find_place(struct webdav *w, const struct webdav_place *place, bool make_root,
		      struct error *err)
{
	struct dav_entry e;
	int code = webdav_look(w, w->root, true, w->root[0] ? w->root : "/", &e, err);

	if (code == ERR_NOT_FOUND && make_root) {
		code = webdav_make_folder(w, w->root, 0, err);
		if (code == ERR_NONE)
			code = webdav_look(w, w->root, true, w->root[0] ? w->root : "/", &e, err);
	}
	if (code != ERR_NONE)
		return code;
	if (!e.is_folder)
		return err_set(err, ERR_NOT_FOUND, "%s is not a folder", w->root);
	if (e.has_quota) {
		w->driver.flags |= DRIVER_KNOWS_SPACE;
		w->space = space_number(place);
	}
	return ERR_NONE;
}

static int use_folder(struct webdav *w, const char *leaf, struct error *err)
{
	free(w->folder);
	w->folder = webdav_join(w->root, leaf);
	w->no_dots = strcmp(leaf, DOTLESS_ROOT) == 0;
	return w->folder ? ERR_NONE : err_nomem(err);
}

/* Whether objects lie there already. Some servers refuse to answer about names with a dot. */
static int is_in_use(struct webdav *w, const char *leaf, bool *there, struct error *err)
{
	struct dav_entry e;
	int code = use_folder(w, leaf, err);

	*there = false;
	if (code != ERR_NONE)
		return code;
	code = webdav_look(w, w->folder, true, leaf, &e, err);
	*there = code == ERR_NONE && e.is_folder;
	return code == ERR_NOT_FOUND || code == ERR_DENIED ? ERR_NONE : code;
}

static int choose_folder(struct webdav *w, const struct webdav_place *place,
			 const struct drive_options *o, struct error *err)
{
	bool given = drive_option(o->given, "dot-names") != NULL, dots, there = false;
	int code = drive_option_flag(o->given, "dot-names", true, &dots, err);

	if (code == ERR_NONE && given)
		code = use_folder(w, dots ? DOT_ROOT : DOTLESS_ROOT, err);
	if (code == ERR_NONE && !given)
		code = is_in_use(w, DOTLESS_ROOT, &there, err);
	if (code == ERR_NONE && !there && (!given || place->confirm))
		code = is_in_use(w, w->no_dots && given ? DOTLESS_ROOT : DOT_ROOT, &there, err);
	if (code == ERR_NONE && !there && place->confirm && !o->make_root)
		code = place->confirm(place->owner, err);
	if (code != ERR_NONE || given || !o->learned)
		return code;
	if (!there) {
		code = webdav_probe(w, &dots, err);
		if (code == ERR_NONE)
			code = use_folder(w, dots ? DOT_ROOT : DOTLESS_ROOT, err);
	}
	if (code == ERR_NONE)
		o->learned(o->learned_ctx, "dot-names", w->no_dots ? "no" : "yes");
	return code;
}

static int open_site(struct webdav *w, const struct webdav_place *place,
		     const struct drive_options *o, struct error *err)
{
	struct http_site_options site = {
		.origin = place->origin,
		.ca_file = place->ca_file,
		.user = place->user,
		.password = place->password,
		.auth = place->auth,
		.stall_ms = place->stall_ms,
		.upload = o->upload,
		.download = o->download,
		.meter = o->meter,
	};
	uint64_t connections;
	int code = drive_option_number(o->given, "connections", 1, UINT_MAX, WEBDAV_CONNECTIONS,
				       &connections, err);

	if (code != ERR_NONE)
		return code;
	if (connections < w->driver.connections_max)
		w->driver.connections_max = (unsigned)connections;
	site.connections = w->driver.connections_max;
	return http_site_open(&site, &w->site, err);
}

int webdav_open_place(const struct webdav_place *place, const struct mrmr_driver *driver,
		      const struct drive_options *o, struct drive **out, struct error *err)
{
	struct webdav *w = calloc(1, sizeof(*w));
	int code = ERR_NONE;

	*out = NULL;
	if (!w)
		return err_nomem(err);
	w->driver = *driver;
	w->base.driver = &w->driver;
	w->temp_tag = o->temp_tag;
	w->alive = place->alive;
	w->owner = place->owner;
	w->removes_folders = place->removes_folders;
	pthread_mutex_init(&w->temp_lock, NULL);
	pthread_mutex_init(&w->long_lock, NULL);
	pthread_mutex_init(&w->lock, NULL);
	snprintf(w->domain, sizeof(w->domain), "%s", place->domain);
	w->origin = strdup(place->origin);
	w->root = place->path[0] ? webdav_join("", place->path) : strdup("");
	if (!w->origin || !w->root)
		code = err_nomem(err);
	if (code == ERR_NONE && place->bearer)
		code = keep_bearer(w, place->bearer, err);
	if (code == ERR_NONE)
		code = open_site(w, place, o, err);
	if (code == ERR_NONE)
		code = find_place(w, place, o->make_root, err);
	if (code == ERR_NONE)
		code = choose_folder(w, place, o, err);
	if (code != ERR_NONE) {
		webdav_close(&w->base);
		return code;
	}
	*out = &w->base;
	return ERR_NONE;
}

/* ---- what the URL and the options say ---- */

struct access {
	struct url url;
	struct credential secret;
	bool tls;
};

static unsigned port_of(const struct url *u, bool tls)
{
	return u->port ? u->port : tls ? 443 : 80;
}

/* "host:port", with the brackets of IPv6. */
static char *authority(const struct url *u, bool tls)
{
	unsigned port = port_of(u, tls);
	bool v6 = strchr(u->host, ':') != NULL;
	char *text;

	return asprintf(&text, v6 ? "[%s]:%u" : "%s:%u", u->host, port) < 0 ? NULL : text;
}

static int choose_auth(struct access *a, const struct drive_options *o,
		       struct webdav_place *place, struct error *err)
{
	const char *auth = drive_option(o->given, "auth");
	bool bearer = auth && strcmp(auth, "bearer") == 0;
	const char *user = drive_option(o->given, "user");

	if (!user)
		user = a->url.user;
	if (bearer && !a->secret.text)
		return err_set(err, ERR_USAGE, "auth=bearer needs password=REF, the token");
	if (bearer) {
		place->bearer = a->secret.text;
		return ERR_NONE;
	}
	if (!user != !a->secret.text)
		return err_set(err, ERR_USAGE, "%s", user ? "a user without password=REF"
							  : "password= without user=NAME");
	place->user = user;
	place->password = a->secret.text;
	if (auth)
		place->auth = strcmp(auth, "digest") == 0 ? HTTP_DIGEST : HTTP_BASIC;
	return ERR_NONE;
}

static int open_with(struct access *a, const struct drive_options *o, struct drive **out,
		     struct error *err)
{
	struct webdav_place place = { .path = a->url.path };
	char *host = authority(&a->url, a->tls), *origin = NULL;
	char domain[DRIVE_DOMAIN_MAX];
	int code = ERR_NONE;

	if (!host || asprintf(&origin, "%s://%s", a->tls ? "https" : "http", host) < 0)
		code = err_nomem(err);
	host_domain(a->url.host, port_of(&a->url, a->tls), domain);
	place.origin = origin;
	place.domain = domain;
	place.ca_file = drive_option(o->given, "ca");
	if (code == ERR_NONE)
		code = choose_auth(a, o, &place, err);
	if (code == ERR_NONE)
		code = webdav_open_place(&place, &driver_webdav, o, out, err);
	free(host);
	free(origin);
	return code;
}

static int webdav_open(const char *url, const struct drive_options *o, struct drive **out,
		       struct error *err)
{
	struct access a = { .tls = false };
	int code = temp_tag_check(o->temp_tag, err);

	*out = NULL;
	if (code == ERR_NONE)
		code = url_parse(url, &a.url, err);
	if (code != ERR_NONE)
		return code;
	a.tls = strcmp(a.url.scheme, "webdavs") == 0;
	if (a.url.query)
		code = err_set(err, ERR_USAGE, "\"%s\": a WebDAV URL has no query", url);
	if (code == ERR_NONE)
		code = drive_option_secret(o->given, "password", NULL, &a.secret, err);
	if (code == ERR_NONE)
		code = open_with(&a, o, out, err);
	credential_release(&a.secret);
	url_release(&a.url);
	return code;
}

/* ---- reading ---- */

int webdav_stat(struct drive *d, const char *name, struct object_stat *out, struct error *err)
{
	struct webdav *w = (struct webdav *)d;
	struct dav_entry e;
	char *path;
	int code = object_name_check(name, err);

	if (code != ERR_NONE)
		return code;
	path = webdav_path(w, name);
	code = path ? webdav_look(w, path, false, name, &e, err) : err_nomem(err);
	free(path);
	if (code != ERR_NONE)
		return code;
	if (e.is_folder)
		return err_set(err, ERR_NOT_FOUND, "ask for %s: it is a folder", name);
	if (!e.has_length)
		return err_set(err, ERR_CORRUPT, "ask for %s: the server tells no length", name);
	out->len_bytes = e.len_bytes;
	return ERR_NONE;
}

static int ends_early(const char *name, struct error *err)
{
	return err_set(err, ERR_CORRUPT, "get %s: it ends before that", name);
}

/* What no Range header can ask for: nothing, or what no object is as long as. */
static int get_by_length(struct drive *d, const char *name, uint64_t offset_bytes,
			 size_t len_bytes, struct error *err)
{
	struct object_stat st;
	int code = webdav_stat(d, name, &st, err);

	if (code == ERR_NONE && (len_bytes > 0 || offset_bytes > st.len_bytes))
		code = ends_early(name, err);
	return code;
}

/* A 206 must be what was asked for, or the beginning of it. A 200 is the object from its start on:
 * what comes before the range was dropped. */
static int check_range(const struct http_answer *a, const char *range, uint64_t offset_bytes,
		       size_t len_bytes, const char *name, struct error *err)
{
	uint64_t first, last;

	if (a->status == 416)
		return ends_early(name, err);
	if (a->status != 200 && a->status != 206) {
		char what[OBJECT_NAME_MAX + 16];

		if (a->status >= 200 && a->status < 300)
			return err_set(err, ERR_IO, "get %s: unexpected answer %u", name, a->status);
		snprintf(what, sizeof(what), "get %s", name);
		return http_status_error(a, what, err);
	}
	if (a->status == 206 && (!content_range_parse(range, &first, &last) ||
				 first != offset_bytes || last - first >= len_bytes))
		return err_set(err, ERR_CORRUPT, "get %s: another range than was asked for", name);
	return a->out_used_bytes == len_bytes ? ERR_NONE : ends_early(name, err);
}

int webdav_get(struct drive *d, const char *name, uint64_t offset_bytes, void *out,
	       size_t len_bytes, struct error *err)
{
	struct webdav *w = (struct webdav *)d;
	struct http_header content_range = { .name = "Content-Range" };
	struct http_answer a = { 0 };
	char range[64], *path;
	int code = object_name_check(name, err);

	if (code != ERR_NONE)
		return code;
	if (len_bytes == 0 || len_bytes > INT64_MAX || offset_bytes > INT64_MAX - len_bytes)
		return get_by_length(d, name, offset_bytes, len_bytes, err);
	path = webdav_path(w, name);
	if (!path)
		return err_nomem(err);
	snprintf(range, sizeof(range), "bytes=%" PRIu64 "-%" PRIu64, offset_bytes,
		 offset_bytes + len_bytes - 1);
	code = webdav_do(w,
			 &(struct dav_request){ .method = "GET",
						.path = path,
						.range = range,
						.range_offset_bytes = offset_bytes,
						.out = out,
						.out_bytes = len_bytes,
						.wanted = &content_range,
						.wanted_count = 1 },
			 &a, err);
	if (code == ERR_NONE)
		code = check_range(&a, content_range.value, offset_bytes, len_bytes, name, err);
	else
		err_wrap(err, "get %s", name);
	http_answer_release(&a);
	free(path);
	return code;
}

/* WebDAV has no way to ask for durability: what a server has said yes to is stored. */
int webdav_sync(struct drive *d, struct error *err)
{
	(void)d;
	(void)err;
	return ERR_NONE;
}

int webdav_about(struct drive *d, struct drive_about *out, struct error *err)
{
	struct webdav *w = (struct webdav *)d;
	struct dav_entry e;
	int code;

	*out = (struct drive_about){ 0 };
	snprintf(out->domain, sizeof(out->domain), "%s", w->domain);
	if (w->space == 0)
		return ERR_NONE;
	code = webdav_look(w, w->root, true, "the space left", &e, err);
	if (code != ERR_NONE)
		return code;
	if (!e.has_quota)
		return err_set(err, ERR_IO, "ask for the space left: the server tells none any more");
	out->free_bytes = e.free_bytes;
	out->total_bytes = e.free_bytes + e.used_bytes;
	if (out->total_bytes < e.free_bytes)
		out->total_bytes = UINT64_MAX;
	out->space = w->space;
	return ERR_NONE;
}

static const char *const webdav_options[] = { "user", "password", "auth", "ca", "dot-names", NULL };

const struct mrmr_driver driver_webdav = {
	.kind = "webdav",
	.flags = DRIVER_REMOTE | DRIVER_RACES,
	.connections_max = WEBDAV_CONNECTIONS_MAX,
	.options = webdav_options,
	.open = webdav_open,
	.close = webdav_close,
	.put = webdav_put,
	.get = webdav_get,
	.stat = webdav_stat,
	.list = webdav_list,
	.move = webdav_move,
	.remove = webdav_remove,
	.sync = webdav_sync,
	.about = webdav_about,
};
