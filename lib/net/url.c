#include "net/url.h"

#include "base/url.h"
#include "net/curl_load.h"

#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#define NOT_ONE "not scheme://host/path"
#define SCHEME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-."

/* Says what is wrong with a URL, showing it without password and query. */
static int refuse(const char *text, const char *why, struct error *err)
{
	char *shown = url_redacted(text);

	if (!shown)
		return err_nomem(err);
	shown[strcspn(shown, "?#")] = '\0';
	for (char *c = shown; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	err_set(err, ERR_USAGE, "URL '%s': %s", shown, why);
	free(shown);
	return ERR_USAGE;
}

/* A copy that free() takes, of what libcurl lends. */
static int keep(char *part, char **out, struct error *err)
{
	*out = strdup(part);
	curl_free(part);
	return *out ? ERR_NONE : err_nomem(err);
}

/* A part that need not be there: *out is then NULL. */
static int take(CURLU *u, CURLUPart part, unsigned flags, const char *text, char **out,
		struct error *err)
{
	char *value = NULL;
	CURLUcode code = curl_url_get(u, part, &value, flags);

	*out = NULL;
	switch (code) {
	case CURLUE_OK:
		return keep(value, out, err);
	case CURLUE_OUT_OF_MEMORY:
		return err_nomem(err);
	case CURLUE_NO_USER:
	case CURLUE_NO_PASSWORD:
	case CURLUE_NO_OPTIONS:
	case CURLUE_NO_PORT:
	case CURLUE_NO_QUERY:
	case CURLUE_NO_FRAGMENT:
	case CURLUE_NO_ZONEID:
		return ERR_NONE;
	default:
		return refuse(text, curl_url_strerror(code), err);
	}
}

/* What is in a URL and has no place in that of a drive. */
static int check_absent(CURLU *u, const char *text, struct error *err)
{
	static const struct {
		CURLUPart part;
		const char *why;
	} parts[] = {
		{ CURLUPART_PASSWORD, "a password has no place in it: others see it there; give a "
				      "reference to it, -o password=file:PATH" },
		{ CURLUPART_FRAGMENT, "a '#' ends the path; if it is a part of it, write %23" },
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		char *value = NULL;
		CURLUcode code = curl_url_get(u, parts[i].part, &value, 0);

		curl_free(value);
		if (code == CURLUE_OK)
			return refuse(text, parts[i].why, err);
	}
	return ERR_NONE;
}

static bool is_unreserved(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-._~", c));
}

/* Zones are names of interfaces, or numbers. */
static bool is_zone(const char *text)
{
	for (; is_unreserved((unsigned char)*text); text++)
		;
	return *text == '\0';
}

/* IPv6 addresses without brackets, with their zone. */
static int take_host(CURLU *u, const char *text, char **out, struct error *err)
{
	char *zone = NULL;
	struct buf whole = { 0 };
	size_t len;
	int code = take(u, CURLUPART_HOST, 0, text, out, err);

	if (code == ERR_NONE && (!*out || !**out))
		code = refuse(text, "no host is named", err);
	if (code != ERR_NONE || **out != '[')
		return code;
	len = strlen(*out);
	memmove(*out, *out + 1, len);
	(*out)[len - 2] = '\0';
	code = take(u, CURLUPART_ZONEID, 0, text, &zone, err);
	if (zone && !is_zone(zone))
		code = refuse(text, "not a zone of an address", err);
	if (code != ERR_NONE || !zone) {
		free(zone);
		return code;
	}
	buf_add(&whole, *out, len - 2);
	buf_add(&whole, "%", 1);
	buf_add(&whole, zone, strlen(zone) + 1);
	free(zone);
	if (whole.failed)
		return err_nomem(err);
	free(*out);
	*out = (char *)whole.data;
	return ERR_NONE;
}

static int take_port(CURLU *u, const char *text, unsigned *out, struct error *err)
{
	char *port = NULL;
	int code = take(u, CURLUPART_PORT, 0, text, &port, err);

	if (code == ERR_NONE && port) {
		*out = (unsigned)strtoul(port, NULL, 10);
		if (*out == 0 || *out > 65535)
			code = refuse(text, "a port is a number from 1 to 65535", err);
	}
	free(port);
	return code;
}

static void trim_slashes(char *path)
{
	size_t from = strspn(path, "/"), len = strlen(path);

	while (len > from && path[len - 1] == '/')
		len--;
	memmove(path, path + from, len - from);
	path[len - from] = '\0';
}

static int take_parts(CURLU *u, const char *text, struct url *out, struct error *err)
{
	int code = check_absent(u, text, err);

	if (code == ERR_NONE)
		code = take(u, CURLUPART_SCHEME, 0, text, &out->scheme, err);
	if (code == ERR_NONE)
		code = take(u, CURLUPART_USER, CURLU_URLDECODE, text, &out->user, err);
	if (code == ERR_NONE)
		code = take_host(u, text, &out->host, err);
	if (code == ERR_NONE)
		code = take(u, CURLUPART_PATH, CURLU_URLDECODE, text, &out->path, err);
	if (code == ERR_NONE)
		code = take(u, CURLUPART_QUERY, 0, text, &out->query, err);
	if (code == ERR_NONE)
		code = take_port(u, text, &out->port, err);
	return code;
}

static void tidy(struct url *u)
{
	if (u->user && !*u->user) {
		free(u->user);
		u->user = NULL;
	}
	for (char *c = u->scheme; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	trim_slashes(u->path);
}

/* No host needs %XX, and what would be decoded once more later would be another one. */
static bool host_is_encoded(const char *authority)
{
	size_t len = strcspn(authority, "/?#");
	const char *at = memrchr(authority, '@', len), *host = at ? at + 1 : authority;

	return *host != '[' && memchr(host, '%', len - (size_t)(host - authority));
}

int url_parse(const char *text, struct url *out, struct error *err)
{
	const char *host = text + strspn(text, SCHEME_LETTERS);
	CURLU *u;
	CURLUcode parsed;
	int code;

	*out = (struct url){ 0 };
	if (strncmp(host, "://", 3) != 0 || strchr("0123456789+-.:", *text))
		return refuse(text, NOT_ONE, err);
	/* libcurl would take the first folder of scheme:///folder for the host. */
	if (strchr("/?#", host[3]))
		return refuse(text, "no host is named", err);
	if (host_is_encoded(host + 3))
		return refuse(text, "no name of a host", err);
	code = curl_load(err);
	if (code != ERR_NONE)
		return code;
	u = curl_url();
	if (!u)
		return err_nomem(err);
	parsed = curl_url_set(u, CURLUPART_URL, text,
			      CURLU_NON_SUPPORT_SCHEME | CURLU_PATH_AS_IS | CURLU_ALLOW_SPACE);
	if (parsed == CURLUE_OUT_OF_MEMORY)
		code = err_nomem(err);
	else if (parsed != CURLUE_OK)
		code = refuse(text, curl_url_strerror(parsed), err);
	else
		code = take_parts(u, text, out, err);
	curl_url_cleanup(u);
	if (code == ERR_NONE && !out->path)
		code = refuse(text, NOT_ONE, err);
	if (code == ERR_NONE)
		tidy(out);
	else
		url_release(out);
	return code;
}

void url_release(struct url *u)
{
	free(u->scheme);
	free(u->user);
	free(u->host);
	free(u->path);
	free(u->query);
	*u = (struct url){ 0 };
}

static int decode(const char *text, size_t len, const char *key, char **out, struct error *err)
{
	int decoded = 0;
	char *value = len > 0 ? curl_easy_unescape(NULL, text, (int)len, &decoded) : strdup("");

	if (!value)
		return err_nomem(err);
	for (int i = 0; i < decoded; i++) {
		if ((unsigned char)value[i] >= ' ' && value[i] != 127)
			continue;
		curl_free(value);
		return err_set(err, ERR_USAGE, "%s= in a URL: a control character", key);
	}
	*out = strdup(value);
	if (len > 0)
		curl_free(value);
	else
		free(value);
	return *out ? ERR_NONE : err_nomem(err);
}

int url_query(const struct url *u, const char *key, char **out, struct error *err)
{
	size_t key_len = strlen(key);
	const char *at = u->query;

	*out = NULL;
	while (at) {
		size_t len = strcspn(at, "&");

		if (len >= key_len && memcmp(at, key, key_len) == 0 &&
		    (len == key_len || at[key_len] == '=')) {
			size_t skip = key_len + (len > key_len);

			return decode(at + skip, len - skip, key, out, err);
		}
		at = at[len] ? at + len + 1 : NULL;
	}
	return ERR_NONE;
}

void url_encode(struct buf *out, const char *text, bool keep_slashes)
{
	static const char digits[] = "0123456789ABCDEF";

	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (is_unreserved(*c) || (keep_slashes && *c == '/')) {
			buf_add_u8(out, *c);
		} else {
			buf_add_u8(out, '%');
			buf_add_u8(out, (uint8_t)digits[*c >> 4]);
			buf_add_u8(out, (uint8_t)digits[*c & 15]);
		}
	}
}
