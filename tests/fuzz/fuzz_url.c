/*
 * URLs of drives and what a Retry-After says. A URL that is taken has a host, no control characters in
 * what was decoded, and comes back the same when it is written again.
 */
#include "net/http_internal.h"
#include "net/url.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be(bool holds)
{
	if (!holds)
		abort();
}

static bool is_plain(const char *text)
{
	for (; text && *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			return false;
	return true;
}

static void add(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

static void must_come_back(const struct url *u)
{
	struct buf b = { 0 };
	struct url again;
	struct error err;
	char port[16];

	add(&b, u->scheme);
	add(&b, "://");
	if (u->user)
		url_encode(&b, u->user, false);
	add(&b, u->user ? "@" : "");
	add(&b, strchr(u->host, ':') ? "[" : "");
	for (const char *c = u->host; *c; c++) {
		if (*c == '%')
			add(&b, "%25");
		else
			buf_add(&b, c, 1);
	}
	add(&b, strchr(u->host, ':') ? "]" : "");
	snprintf(port, sizeof(port), ":%u", u->port);
	add(&b, u->port ? port : "");
	add(&b, "/");
	url_encode(&b, u->path, true);
	add(&b, u->query ? "?" : "");
	add(&b, u->query ? u->query : "");
	buf_add_u8(&b, 0);
	must_be(!b.failed);
	if (url_parse((const char *)b.data, &again, &err) != ERR_NONE) {
		fprintf(stderr, "%s: %s\n", (const char *)b.data, err.message);
		abort();
	}
	must_be(strcmp(again.scheme, u->scheme) == 0 && strcmp(again.host, u->host) == 0);
	must_be(strcmp(again.path, u->path) == 0 && again.port == u->port);
	must_be(!again.user == !u->user && (!u->user || strcmp(again.user, u->user) == 0));
	url_release(&again);
	buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *value;
	struct error err;
	struct url u;

	must_be(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	if (url_parse(text, &u, &err) == ERR_NONE) {
		must_be(*u.scheme && *u.host && u.port < 65536);
		must_be(is_plain(u.user) && is_plain(u.host) && is_plain(u.path));
		must_be(*u.path != '/' && (!*u.path || u.path[strlen(u.path) - 1] != '/'));
		must_come_back(&u);
		if (url_query(&u, "a", &value, &err) == ERR_NONE)
			must_be(is_plain(value));
		free(value);
		url_release(&u);
	} else {
		must_be(err.code == ERR_USAGE && !u.scheme && !u.user && !u.host && !u.path);
		must_be(is_plain(err.message));
	}
	must_be(http_retry_after(text, 1700000000) <= 86400);
	free(text);
	return 0;
}
