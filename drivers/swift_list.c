#include "drivers/swift.h"

#include "base/json.h"
#include "drivers/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a page ---- */

/* The name of one of ours, from that in the container; NULL: somebody else's. */
static const char *own_name(const struct swift_listing *l, const char *whole)
{
	size_t top_len = strlen(l->top);

	if (strncmp(whole, l->top, top_len) != 0 ||
	    strncmp(whole + top_len, l->prefix, strlen(l->prefix)) != 0 ||
	    !object_name_ok(whole + top_len))
		return NULL;
	return whole + top_len;
}

static int take_entry(struct swift_listing *l, const json_t *entry, const char **last,
		      struct error *err)
{
	const char *whole, *name;
	uint64_t len_bytes = 0;
	int code = json_need_string(entry, "name", &whole, err);

	if (code == ERR_NONE)
		code = json_need_u64(entry, "bytes", &len_bytes, err);
	if (code != ERR_NONE)
		return err_wrap(err, "list");
	/* Sorted by bytes, or the marker would pass over some: and it must come to an end. */
	if (strcmp(whole, *last) <= 0)
		return err_set(err, ERR_CORRUPT, "list: the listing is not in order");
	*last = whole;
	name = own_name(l, whole);
	if (name)
		l->stopped = l->each(l->ctx, name, len_bytes);
	return ERR_NONE;
}

int swift_listing_page(struct swift_listing *l, const void *json, size_t len_bytes, size_t *entries,
		       struct error *err)
{
	const char *last = l->marker;
	char *marker = NULL;
	const json_t *entry;
	json_t *page;
	size_t i;
	int code = json_parse_array(json, len_bytes, "list", &page, err);

	*entries = 0;
	if (code != ERR_NONE)
		return code;
	*entries = json_array_size(page);
	l->listed += *entries;
	if (l->listed > SWIFT_LISTED_MAX)
		code = err_set(err, ERR_CORRUPT, "list: the listing has no end");
	json_array_foreach(page, i, entry) {
		if (code != ERR_NONE || l->stopped != 0)
			break;
		code = take_entry(l, entry, &last, err);
	}
	if (code == ERR_NONE) {
		marker = strdup(last);
		code = marker ? ERR_NONE : err_nomem(err);
	}
	if (code == ERR_NONE) {
		free(l->marker);
		l->marker = marker;
	}
	json_decref(page);
	return code;
}

/* ---- all of them ---- */

static char *page_url(const struct swift_drive *w, const struct swift_listing *l)
{
	struct buf b = { 0 };
	char limit[64];

	buf_add(&b, w->container, strlen(w->container));
	snprintf(limit, sizeof(limit), "?format=json&limit=%d&prefix=", SWIFT_PAGE_ENTRIES);
	buf_add(&b, limit, strlen(limit));
	url_encode(&b, l->top, false);
	url_encode(&b, l->prefix, false);
	if (l->marker[0]) {
		buf_add(&b, "&marker=", strlen("&marker="));
		url_encode(&b, l->marker, false);
	}
	buf_add_u8(&b, 0);
	if (b.failed)
		buf_release(&b);
	return (char *)b.data;
}

/* *entries 0: that was the end. */
static int next_page(struct swift_drive *w, struct swift_listing *l, size_t *entries,
		     struct error *err)
{
	static const char *const headers[] = { "Accept: application/json", NULL };
	struct http_request r = { .method = "GET" };
	struct http_answer a = { 0 };
	char *url = page_url(w, l);
	int code;

	*entries = 0;
	if (!url)
		return err_nomem(err);
	r.url = url;
	code = swift_session_do(w->session, &r, headers, &a, err);
	if (code != ERR_NONE)
		err_wrap(err, "list");
	else if (a.status == 404)
		code = err_set(err, ERR_IO, "list: the container is gone");
	else if (a.status / 100 != 2)
		code = swift_status_error(&a, "list", NULL, err);
	else if (a.status != 204)
		code = swift_listing_page(l, a.document.data, a.document.len_bytes, entries, err);
	http_answer_release(&a);
	free(url);
	return code;
}

/* A page with fewer entries than were asked for need not be the last: only an empty one is. */
int swift_list(struct drive *d, const char *prefix, object_fn *each, void *ctx, struct error *err)
{
	struct swift_drive *w = (struct swift_drive *)d;
	struct swift_listing l = { .top = w->top, .prefix = prefix, .each = each, .ctx = ctx };
	int code = object_prefix_check(prefix, err);
	size_t entries = 1;

	if (code != ERR_NONE)
		return code;
	l.marker = strdup("");
	if (!l.marker)
		code = err_nomem(err);
	while (code == ERR_NONE && entries > 0 && l.stopped == 0)
		code = next_page(w, &l, &entries, err);
	free(l.marker);
	return code != ERR_NONE ? code : l.stopped;
}
