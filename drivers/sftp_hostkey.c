#include "base/file.h"
#include "drivers/sftp_known.h"
#include "drivers/sftp_link.h"

#include <stdio.h>
#include <string.h>

#define KNOWN_HOSTS_BYTES_MAX ((size_t)16 << 20)

/* "ssh-rsa" is none: its signatures are SHA-1. The same keys sign by rsa-sha2, where libssh2 can. */
static const struct {
	const char *algorithm, *type;
} allowed[] = {
	{ "ssh-ed25519", "ssh-ed25519" },
	{ "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256" },
	{ "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384" },
	{ "ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521" },
	{ "rsa-sha2-512", "ssh-rsa" },
	{ "rsa-sha2-256", "ssh-rsa" },
};

#define ALLOWED (sizeof(allowed) / sizeof(allowed[0]))

/* A file that is missing is empty. */
static int load(const char *path, struct buf *out, struct error *err)
{
	int code = file_load(path, KNOWN_HOSTS_BYTES_MAX, out, err);

	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

static int known_types(const struct sftp_config *c, const char *name, char *out, size_t size,
		       struct error *err)
{
	struct buf text = { 0 };
	int code = ERR_NONE;

	out[0] = '\0';
	for (unsigned i = 0; name && i < c->known_hosts.count && code == ERR_NONE; i++) {
		code = load(c->known_hosts.paths[i], &text, err);
		buf_add_u8(&text, '\n');
	}
	if (code == ERR_NONE && text.failed)
		code = err_nomem(err);
	if (code == ERR_NONE && name)
		known_hosts_types(&text, name, out, size);
	buf_release(&text);
	return code;
}

static bool among(const char *types, const char *type)
{
	size_t len = strlen(type);

	for (const char *at = types; (at = strstr(at, type)); at++)
		if ((at == types || at[-1] == ',') && (at[len] == ',' || at[len] == '\0'))
			return true;
	return false;
}

int sftp_hostkey_wanted(const struct sftp_config *c, char *out, size_t size, struct error *err)
{
	char types[512];
	size_t used = 0;
	int code = known_types(c, c->key_name, types, sizeof(types), err);

	if (code == ERR_NONE && types[0] == '\0')
		code = known_types(c, c->plain_name, types, sizeof(types), err);
	if (code != ERR_NONE)
		return code;
	for (unsigned pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < ALLOWED && used < size; i++) {
			if (among(types, allowed[i].type) != (pass == 0))
				continue;
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? "," : "",
						 allowed[i].algorithm);
		}
	}
	return ERR_NONE;
}

struct host_key {
	const char *bytes;
	size_t len_bytes;
	char fingerprint[FINGERPRINT_BYTES];
};

/* Over all files; *file is the one that decided. */
static int judge(const struct sftp_config *c, const char *name, const struct host_key *k,
		 enum host_key_is *verdict, const char **file, struct error *err)
{
	int code = ERR_NONE;

	*verdict = HOST_KEY_UNKNOWN;
	for (unsigned i = 0; i < c->known_hosts.count && code == ERR_NONE; i++) {
		enum host_key_is here = HOST_KEY_UNKNOWN;
		struct buf text = { 0 };

		code = load(c->known_hosts.paths[i], &text, err);
		if (code == ERR_NONE)
			here = known_hosts_judge(&text, name, k->bytes, k->len_bytes);
		buf_release(&text);
		if (here == HOST_KEY_REVOKED || (here == HOST_KEY_KNOWN && *verdict != HOST_KEY_REVOKED) ||
		    (here == HOST_KEY_OTHER && *verdict == HOST_KEY_UNKNOWN)) {
			*verdict = here;
			*file = c->known_hosts.paths[i];
		}
	}
	return code;
}

static int refuse(const struct sftp_config *c, const struct host_key *k, enum host_key_is verdict,
		  const char *file, struct error *err)
{
	if (verdict == HOST_KEY_REVOKED)
		return err_set(err, ERR_DENIED, "the host key of %s (%s) is marked as revoked in %s",
			       c->key_name, k->fingerprint, file);
	if (verdict == HOST_KEY_OTHER)
		return err_set(err, ERR_DENIED,
			       "the host key of %s is not the one in %s: it has changed, or somebody is in "
			       "between (seen: %s)",
			       c->key_name, file, k->fingerprint);
	return err_set(err, ERR_DENIED,
		       "the host key of %s (%s) is not in %s: if it is the right one, join the drive with "
		       "-o accept-new=yes",
		       c->key_name, k->fingerprint, c->known_hosts.paths[0]);
}

int sftp_hostkey_check(const struct sftp_config *c, LIBSSH2_SESSION *ssh, bool accept_new,
		       struct error *err)
{
	enum host_key_is verdict, without_port;
	const char *file = c->known_hosts.paths[0], *other = file;
	struct host_key k;
	int type, code;

	k.bytes = libssh2_session_hostkey(ssh, &k.len_bytes, &type);
	if (!k.bytes)
		return err_set(err, ERR_DENIED, "the server showed no host key");
	host_key_fingerprint(k.bytes, k.len_bytes, k.fingerprint);
	code = judge(c, c->key_name, &k, &verdict, &file, err);
	/* As ssh does: the same key at another port of the host is good, another one there means nothing. */
	if (code == ERR_NONE && verdict == HOST_KEY_UNKNOWN && c->plain_name) {
		code = judge(c, c->plain_name, &k, &without_port, &other, err);
		if (without_port == HOST_KEY_KNOWN || without_port == HOST_KEY_REVOKED) {
			verdict = without_port;
			file = other;
		}
	}
	if (code != ERR_NONE)
		return err_wrap(err, "read the known hosts");
	if (verdict == HOST_KEY_KNOWN)
		return ERR_NONE;
	if (verdict != HOST_KEY_UNKNOWN || !accept_new)
		return refuse(c, &k, verdict, file, err);
	return known_hosts_append(c->known_hosts.paths[0], c->key_name, k.bytes, k.len_bytes, err);
}
