#include "drivers/domain.h"

#include "base/hash.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HOST_SHOWN 100	   /* bytes; longer names that begin alike count as one */
#define ENDPOINT_SHOWN 60  /* the same, where an account follows */
#define ACCOUNT_SHOWN 40

static bool is_loopback(const char *host)
{
	static const char suffix[] = ".localhost";
	size_t len = strlen(host), suffix_len = strlen(suffix);

	return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
	       strncmp(host, "127.", 4) == 0 ||
	       (len > suffix_len && strcmp(host + len - suffix_len, suffix) == 0);
}

/* In lower case, without the dot that ends a whole name. */
static void plain_name(const char *host, char out[HOST_SHOWN + 1])
{
	size_t len = strlen(host);

	if (len > 1 && host[len - 1] == '.')
		len--;
	if (len > HOST_SHOWN)
		len = HOST_SHOWN;
	for (size_t i = 0; i < len; i++)
		out[i] = (char)tolower((unsigned char)host[i]);
	out[len] = '\0';
}

void host_domain(const char *host, unsigned port, char out[DRIVE_DOMAIN_MAX])
{
	char name[HOST_SHOWN + 1];

	plain_name(host, name);
	if (is_loopback(name))
		snprintf(out, DRIVE_DOMAIN_MAX, "host %s:%u", name, port);
	else
		snprintf(out, DRIVE_DOMAIN_MAX, "host %s", name);
}

static void short_id(const char *id, char out[ACCOUNT_SHOWN + 1])
{
	struct hash h;

	if (strlen(id) <= ACCOUNT_SHOWN) {
		snprintf(out, ACCOUNT_SHOWN + 1, "%s", id);
		return;
	}
	h = sha256(id, strlen(id));
	for (size_t i = 0; i < 8; i++)
		snprintf(out + 2 * i, 3, "%02x", h.b[i]);
}

void account_domain(const char *kind, const char *host, unsigned port, const char *id,
		    char out[DRIVE_DOMAIN_MAX])
{
	char name[HOST_SHOWN + 1], endpoint[ENDPOINT_SHOWN + 1], shown[ACCOUNT_SHOWN + 1] = "";

	plain_name(host, name);
	if (port)
		snprintf(endpoint, sizeof(endpoint), "%.48s:%u", name, port);
	else
		snprintf(endpoint, sizeof(endpoint), "%.60s", name);
	if (id)
		short_id(id, shown);
	snprintf(out, DRIVE_DOMAIN_MAX, "%s %s%s%s", kind, endpoint, id ? " account " : "", shown);
}
