#include "base/url.h"

#include <stdio.h>
#include <string.h>

char *url_redacted(const char *url)
{
	const char *host = strstr(url, "://"), *at, *colon;
	char *out = NULL;

	if (!host)
		return strdup(url);
	host += 3;
	/* A password may hold any of these letters: the last @ before the path ends it. */
	at = memrchr(host, '@', strcspn(host, "/?#"));
	colon = at ? memchr(host, ':', (size_t)(at - host)) : NULL;
	if (!colon)
		return strdup(url);
	if (asprintf(&out, "%.*s:***%s", (int)(colon - url), url, at) < 0)
		return NULL;
	return out;
}
