#include "drivers/multistatus.h"

#include "drivers/xml.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define RESPONSE "multistatus/response"
#define PROPSTAT RESPONSE "/propstat"
#define PROP PROPSTAT "/prop"
#define WHITE " \t\r\n"

/* The properties of one propstat: they count if its status, which follows them, says so. */
struct properties {
	struct dav_entry e;
	bool has_free, has_used;
	bool good;
};

struct walk {
	const char *path;
	dav_entry_fn *each;
	void *ctx;

	struct buf href;	/* of this response, decoded; empty: none yet */
	bool has_href, passed_over;
	struct properties now, all; /* of this propstat; of this response */
	bool saw_itself;
};

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Past "scheme://authority"; NULL: neither that nor a path. */
static const char *skip_authority(const char *href)
{
	const char *colons = strstr(href, "://");

	if (href[0] == '/')
		return href;
	if (!colons || colons > href + strcspn(href, "/?#"))
		return NULL;
	href = colons + 3;
	return href + strcspn(href, "/?#");
}

bool href_path(const char *href, struct buf *out)
{
	size_t start = out->len_bytes;
	const char *at = skip_authority(href);

	if (!at)
		return false;
	for (; *at && *at != '?' && *at != '#'; at++) {
		char c = *at;

		if (strchr(WHITE, c) && at[strspn(at, WHITE)] == '\0')
			break;
		if (c == '%' && hex_value(at[1]) >= 0 && hex_value(at[2]) >= 0) {
			c = (char)(hex_value(at[1]) * 16 + hex_value(at[2]));
			at += 2;
		}
		if (c == '\0')
			return false;
		if (c == '/' && out->len_bytes > start && out->data[out->len_bytes - 1] == '/')
			continue;
		buf_add_u8(out, (uint8_t)c);
	}
	if (out->len_bytes > start && out->data[out->len_bytes - 1] == '/')
		out->len_bytes--;
	return !out->failed;
}

/* Digits only. */
static bool number(const char *text, const char **end, uint64_t *out)
{
	const char *at = text;

	*out = 0;
	for (; *at >= '0' && *at <= '9'; at++) {
		unsigned digit = (unsigned)(*at - '0');

		if (*out > (UINT64_MAX - digit) / 10)
			return false;
		*out = *out * 10 + digit;
	}
	*end = at;
	return at > text;
}

/* With white space around it, as pretty-printers make it. */
static bool number_alone(const char *text, uint64_t *out)
{
	const char *end;

	text += strspn(text, WHITE);
	return number(text, &end, out) && end[strspn(end, WHITE)] == '\0';
}

bool content_range_parse(const char *text, uint64_t *first, uint64_t *last)
{
	const char *at = text;

	if (strncmp(at, "bytes", 5) != 0 || (at[5] != ' ' && at[5] != '='))
		return false;
	at += 6;
	if (!number(at, &at, first) || *at++ != '-' || !number(at, &at, last))
		return false;
	return *at == '/' && *last >= *first;
}

int64_t http_date(const char *text)
{
	time_t when = curl_getdate(text, NULL);

	return when > 0 ? when : 0;
}

/* "HTTP/1.1 200 OK" */
static bool is_good_status(const char *text)
{
	const char *code;

	text += strspn(text, WHITE);
	code = text + strcspn(text, WHITE);
	code += strspn(code, WHITE);
	return code[0] == '2';
}

static int begin_element(void *ctx, const char *path, const char *text, struct error *err)
{
	struct walk *w = ctx;

	(void)text;
	(void)err;
	if (strcmp(path, RESPONSE) == 0) {
		w->all = (struct properties){ 0 };
		buf_clear(&w->href);
		w->has_href = w->passed_over = false;
	} else if (strcmp(path, PROPSTAT) == 0) {
		w->now = (struct properties){ .good = true };
	}
	return ERR_NONE;
}

static int take_property(struct properties *p, const char *name, const char *text,
			 struct error *err)
{
	struct dav_entry *e = &p->e;

	if (strcmp(name, "resourcetype/collection") == 0) {
		e->is_folder = true;
	} else if (strcmp(name, "getcontentlength") == 0 && text[strspn(text, WHITE)]) {
		if (!number_alone(text, &e->len_bytes))
			return err_set(err, ERR_CORRUPT, "a length that is no number");
		e->has_length = true;
	} else if (strcmp(name, "quota-available-bytes") == 0) {
		/* Negative numbers stand for "unknown" and "unlimited". */
		p->has_free = number_alone(text, &e->free_bytes);
	} else if (strcmp(name, "quota-used-bytes") == 0) {
		p->has_used = number_alone(text, &e->used_bytes);
	} else if (strcmp(name, "getlastmodified") == 0) {
		e->changed_s = http_date(text);
	}
	return ERR_NONE;
}

/* A propstat is over: its properties join those of the response. */
static void join_properties(struct properties *all, const struct properties *p)
{
	if (!p->good)
		return;
	all->e.is_folder |= p->e.is_folder;
	if (p->e.has_length) {
		all->e.has_length = true;
		all->e.len_bytes = p->e.len_bytes;
	}
	if (p->has_free) {
		all->has_free = true;
		all->e.free_bytes = p->e.free_bytes;
	}
	if (p->has_used) {
		all->has_used = true;
		all->e.used_bytes = p->e.used_bytes;
	}
	if (p->e.changed_s)
		all->e.changed_s = p->e.changed_s;
	all->good = true;
}

static int end_response(struct walk *w, struct error *err)
{
	size_t len = strlen(w->path);
	const char *path;

	if (!w->has_href)
		return ERR_NONE;
	buf_add_u8(&w->href, 0);
	if (w->href.failed)
		return err_nomem(err);
	path = (const char *)w->href.data;
	if (strncmp(path, w->path, len) != 0 || (path[len] && path[len] != '/'))
		return err_set(err, ERR_CORRUPT, "the answer is about something else: \"%.200s\"",
			       path);
	path += len + (path[len] == '/');
	if (w->passed_over || !w->all.good || strchr(path, '/'))
		return ERR_NONE;
	w->saw_itself |= path[0] == '\0';
	w->all.e.name = path;
	/* How much is used is told by few, and is no matter of what is left. */
	w->all.e.has_quota = w->all.has_free;
	return w->each(w->ctx, &w->all.e, err);
}

static int end_element(void *ctx, const char *path, const char *text, struct error *err)
{
	struct walk *w = ctx;

	if (strncmp(path, PROP "/", strlen(PROP "/")) == 0)
		return take_property(&w->now, path + strlen(PROP "/"), text, err);
	if (strcmp(path, PROPSTAT "/status") == 0) {
		w->now.good = is_good_status(text);
	} else if (strcmp(path, PROPSTAT) == 0) {
		join_properties(&w->all, &w->now);
	} else if (strcmp(path, RESPONSE "/status") == 0) {
		w->passed_over = !is_good_status(text);
	} else if (strcmp(path, RESPONSE "/href") == 0 && !w->has_href) {
		/* What is no path, or has a NUL byte, is nobody's object. */
		w->has_href = href_path(text + strspn(text, WHITE), &w->href);
		if (w->href.failed)
			return err_nomem(err);
	} else if (strcmp(path, RESPONSE) == 0) {
		return end_response(w, err);
	}
	return ERR_NONE;
}

int multistatus_walk(const void *bytes, size_t len_bytes, const char *path, dav_entry_fn *each,
		     void *ctx, struct error *err)
{
	struct walk w = { .path = path, .each = each, .ctx = ctx };
	const struct xml_walk xml = {
		.space = "DAV:", .begin = begin_element, .end = end_element, .ctx = &w
	};
	int code = xml_walk(bytes, len_bytes, &xml, err);

	buf_release(&w.href);
	if (code == ERR_NONE && !w.saw_itself)
		code = err_set(err, ERR_CORRUPT, "the answer does not tell about what was asked for");
	return code;
}
