/* Where a Swift account lies, as the answer to the log-in has it. */
#include "drivers/swift_login.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the catalog of Keystone ---- */

static bool is_text(const json_t *object, const char *key, const char *value)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && strcmp(text, value) == 0;
}

struct choice {
	const char *region, *interface;
	const char *url; /* lent by the answer; NULL: none yet */
	bool several;	 /* different ones */
};

static void choose(struct choice *c, const json_t *endpoint)
{
	const char *url = json_string_value(json_object_get(endpoint, "url"));

	if (!url || !is_text(endpoint, "interface", c->interface))
		return;
	if (c->region && !is_text(endpoint, "region_id", c->region) &&
	    !is_text(endpoint, "region", c->region))
		return;
	c->several = c->several || (c->url && strcmp(c->url, url) != 0);
	c->url = url;
}

static int choice_check(const struct choice *c, struct error *err)
{
	if (c->several)
		return err_set(err, ERR_USAGE,
			       "the %s object store is there in several regions: give -o region=NAME",
			       c->interface);
	if (c->url)
		return ERR_NONE;
	return err_set(err, ERR_USAGE, "the project has no %s object store%s%s", c->interface,
		       c->region ? " in region " : "", c->region ? c->region : "");
}

int swift_catalog_find(const void *json, size_t len_bytes, const char *region,
		       const char *interface, struct buf *out, struct error *err)
{
	struct choice c = { .region = region, .interface = interface };
	const json_t *catalog, *service, *endpoint;
	json_t *answer;
	size_t i, j;
	int code = json_parse_object(json, len_bytes, "Keystone's answer", &answer, err);

	if (code != ERR_NONE)
		return code;
	catalog = json_object_get(json_object_get(answer, "token"), "catalog");
	json_array_foreach(catalog, i, service) {
		if (!is_text(service, "type", "object-store"))
			continue;
		json_array_foreach(json_object_get(service, "endpoints"), j, endpoint)
			choose(&c, endpoint);
	}
	code = json_is_object(json_object_get(answer, "token"))
		       ? choice_check(&c, err)
		       : err_set(err, ERR_CORRUPT, "Keystone's answer: no token in it");
	if (code == ERR_NONE) {
		buf_add(out, c.url, strlen(c.url) + 1);
		code = out->failed ? err_nomem(err) : ERR_NONE;
	}
	json_decref(answer);
	return code;
}

/* ---- the storage ---- */

void swift_origin(struct buf *out, const char *scheme, const struct url *u)
{
	bool v6 = strchr(u->host, ':') != NULL;
	char *text = NULL;
	int len = asprintf(&text, "%s://%s%s%s", scheme, v6 ? "[" : "", u->host, v6 ? "]" : "");

	if (len < 0) {
		out->failed = true;
		return;
	}
	buf_add(out, text, (size_t)len);
	free(text);
	if (u->port > 0) {
		char port[16];

		snprintf(port, sizeof(port), ":%u", u->port);
		buf_add(out, port, strlen(port));
	}
}

static int storage_parts_check(const struct url *u, bool secure, struct error *err)
{
	bool https = strcmp(u->scheme, "https") == 0;

	if ((!https && strcmp(u->scheme, "http") != 0) || u->user || u->query || u->path[0] == '\0')
		return err_set(err, ERR_CORRUPT, "the storage that the log-in names is no URL of one");
	if (secure && !https)
		return err_set(err, ERR_DENIED,
			       "the log-in is encrypted, but the storage it names, http://%s, is not: "
			       "the token is not sent there", u->host);
	return ERR_NONE;
}

int swift_storage_check(const char *storage, bool secure, struct buf *out, struct error *err)
{
	struct url u;
	int code = url_parse(storage, &u, err);

	if (code == ERR_USAGE)
		return err_set(err, ERR_CORRUPT, "the storage that the log-in names is no URL");
	if (code != ERR_NONE)
		return code;
	code = storage_parts_check(&u, secure, err);
	if (code == ERR_NONE) {
		swift_origin(out, u.scheme, &u);
		buf_add_u8(out, '/');
		url_encode(out, u.path, true);
		buf_add_u8(out, 0);
		code = out->failed ? err_nomem(err) : ERR_NONE;
	}
	url_release(&u);
	return code;
}
