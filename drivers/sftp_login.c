/*
 * Log-in, in this order: keys of the agent, files of keys, the password (also as the answer to a
 * server that asks for it interactively). RSA keys come last of their kind: libssh2 before 1.11 can
 * sign by them with SHA-1 only, which OpenSSH 8.8 and later refuse, and each try counts there.
 */
#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "drivers/sftp_link.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_FILE_BYTES_MAX ((size_t)64 << 10)
#define KEY_BYTES_MAX 16384

struct login {
	struct sftp_link *link;
	const struct sftp_config *config;
	uint64_t until_ms;
	char methods[256]; /* that the server takes */
	unsigned agent_keys, key_files;
	bool password_tried, rsa_refused;
	const char *locked; /* a key file that needs a passphrase; NULL: none */
	const char *unread; /* one that libssh2 makes nothing of */
};

static bool takes(const struct login *l, const char *method)
{
	return strstr(l->methods, method);
}

/* After a try that was not accepted: ERR_NONE, the next may be; otherwise the connection is gone. */
static int after_refusal(struct login *l, int rc, struct error *err)
{
	switch (rc) {
	case LIBSSH2_ERROR_AUTHENTICATION_FAILED:
	case LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED:
	case LIBSSH2_ERROR_PASSWORD_EXPIRED:
	case LIBSSH2_ERROR_FILE:
	case LIBSSH2_ERROR_METHOD_NOT_SUPPORTED:
	case LIBSSH2_ERROR_METHOD_NONE:
	case LIBSSH2_ERROR_KEYFILE_AUTH_FAILED:
	case LIBSSH2_ERROR_AGENT_PROTOCOL:
	case LIBSSH2_ERROR_PROTO:
	case LIBSSH2_ERROR_INVAL:
		return ERR_NONE;
	default:
		return sftp_link_error(l->link, rc, "log in", err);
	}
}

static bool is_rsa(const uint8_t *key, size_t key_bytes)
{
	return key_bytes >= 11 && memcmp(key + 4, "ssh-rsa", 7) == 0;
}

/* ---- files of keys ---- */

enum key_kind { KEY_MISSING, KEY_OTHER, KEY_RSA };

/* "-----BEGIN OPENSSH PRIVATE KEY-----": base64 of "openssh-key-v1\0", cipher, kdf, its options,
 * number of keys, public key. Enough of it is read to know the kind, and whether it is locked. */
static enum key_kind openssh_kind(const char *text, size_t len, bool *locked)
{
	enum key_kind kind;
	uint8_t bytes[512] = { 0 };
	size_t got = 0, at = 15;

	sodium_base642bin(bytes, sizeof(bytes), text, len, "\r\n", &got, NULL,
			  sodium_base64_VARIANT_ORIGINAL);
	if (got == 0) /* it is longer than what is wanted here: the beginning was filled in */
		got = sizeof(bytes);
	*locked = got > at + 8 && memcmp(bytes + at, "\0\0\0\4none", 8) != 0;
	for (unsigned i = 0; i < 3 && at + 4 <= got; i++)
		at += 4 + ((size_t)bytes[at + 2] << 8 | bytes[at + 3]);
	at += 8; /* number of keys, length of the public one */
	kind = at < got && is_rsa(bytes + at, got - at) ? KEY_RSA : KEY_OTHER;
	sodium_memzero(bytes, sizeof(bytes));
	return kind;
}

static enum key_kind key_kind_of(const char *path, bool *locked)
{
	static const char openssh[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
	enum key_kind kind = KEY_OTHER;
	struct buf text = { 0 };
	struct error ignored;
	const char *begin;

	*locked = false;
	if (file_load(path, KEY_FILE_BYTES_MAX, &text, &ignored) != ERR_NONE) {
		buf_release(&text);
		return KEY_MISSING;
	}
	buf_add_u8(&text, '\0');
	begin = text.failed ? NULL : strstr((const char *)text.data, openssh);
	if (begin) {
		begin += sizeof(openssh) - 1;
		kind = openssh_kind(begin, strlen(begin), locked);
	} else if (!text.failed) {
		const char *pem = (const char *)text.data;

		*locked = strstr(pem, "ENCRYPTED") != NULL;
		if (strstr(pem, "BEGIN RSA PRIVATE KEY"))
			kind = KEY_RSA;
	}
	if (text.data)
		sodium_memzero(text.data, text.len_bytes);
	buf_release(&text);
	return kind;
}

static int try_file(struct login *l, const char *path, bool rsa, bool *done, struct error *err)
{
	const struct sftp_config *c = l->config;
	const char *pass = c->passphrase.text ? c->passphrase.text : c->password.text;
	bool locked;
	enum key_kind kind = key_kind_of(path, &locked);
	int rc, code;

	if (kind == KEY_MISSING && c->identity_given)
		return err_set(err, ERR_DENIED, "the identity %s cannot be read", path);
	if (kind == KEY_MISSING || (kind == KEY_RSA) != rsa)
		return ERR_NONE;
	if (locked && !pass) {
		l->locked = path;
		return ERR_NONE;
	}
	while ((rc = libssh2_userauth_publickey_fromfile_ex(
			l->link->ssh, c->user, (unsigned)strlen(c->user), NULL, path,
			locked ? pass : NULL)) == LIBSSH2_ERROR_EAGAIN) {
		code = sftp_link_wait(l->link, l->until_ms, err);
		if (code != ERR_NONE)
			return code;
	}
	*done = rc == 0;
	if (*done)
		return ERR_NONE;
	if (rc == LIBSSH2_ERROR_FILE)
		l->unread = path;
	else
		l->key_files++;
	l->rsa_refused |= kind == KEY_RSA;
	return after_refusal(l, rc, err);
}

static int try_files(struct login *l, bool *done, struct error *err)
{
	const struct sftp_files *f = &l->config->identities;
	int code = ERR_NONE;

	for (unsigned rsa = 0; rsa < 2; rsa++)
		for (unsigned i = 0; i < f->count && code == ERR_NONE && !*done; i++)
			code = try_file(l, f->paths[i], rsa, done, err);
	return code;
}

/* ---- the agent ---- */

/* Whether PATH.pub of an identity holds this key. */
static bool is_identity(const struct sftp_config *c, const uint8_t *key, size_t key_bytes)
{
	uint8_t *theirs = malloc(KEY_BYTES_MAX);
	bool found = false;

	for (unsigned i = 0; theirs && i < c->identities.count && !found; i++) {
		struct buf text = { 0 };
		struct error ignored;
		size_t got = 0;
		char *path, *at;

		if (asprintf(&path, "%s.pub", c->identities.paths[i]) < 0)
			break;
		if (file_load(path, KEY_FILE_BYTES_MAX, &text, &ignored) == ERR_NONE) {
			buf_add_u8(&text, '\0');
			at = text.failed ? NULL : strchr((char *)text.data, ' ');
			if (at && sodium_base642bin(theirs, KEY_BYTES_MAX, at + 1,
						    strcspn(at + 1, " \r\n"), NULL, &got, NULL,
						    sodium_base64_VARIANT_ORIGINAL) == 0)
				found = got == key_bytes && memcmp(theirs, key, got) == 0;
		}
		buf_release(&text);
		free(path);
	}
	free(theirs);
	return found;
}

static int try_agent_key(struct login *l, LIBSSH2_AGENT *agent, struct libssh2_agent_publickey *key,
			 bool *done, struct error *err)
{
	int rc, code;

	l->agent_keys++;
	while ((rc = libssh2_agent_userauth(agent, l->config->user, key)) == LIBSSH2_ERROR_EAGAIN) {
		code = sftp_link_wait(l->link, l->until_ms, err);
		if (code != ERR_NONE)
			return code;
	}
	*done = rc == 0;
	if (rc != 0 && is_rsa(key->blob, key->blob_len))
		l->rsa_refused = true;
	return *done ? ERR_NONE : after_refusal(l, rc, err);
}

static int try_agent_keys(struct login *l, LIBSSH2_AGENT *agent, bool rsa, bool *done,
			  struct error *err)
{
	struct libssh2_agent_publickey *key = NULL;
	int code = ERR_NONE;

	while (code == ERR_NONE && !*done && libssh2_agent_get_identity(agent, &key, key) == 0) {
		if (is_rsa(key->blob, key->blob_len) != rsa)
			continue;
		if (l->config->identities_only && !is_identity(l->config, key->blob, key->blob_len))
			continue;
		code = try_agent_key(l, agent, key, done, err);
	}
	return code;
}

/* An agent that is not there, or does not answer, has no keys. */
static int try_agent(struct login *l, bool *done, struct error *err)
{
	LIBSSH2_AGENT *agent;
	int code = ERR_NONE;

	if (!l->config->agent)
		return ERR_NONE;
	agent = libssh2_agent_init(l->link->ssh);
	if (!agent)
		return err_nomem(err);
	libssh2_agent_set_identity_path(agent, l->config->agent);
	if (libssh2_agent_connect(agent) == 0) {
		if (libssh2_agent_list_identities(agent) == 0) {
			code = try_agent_keys(l, agent, false, done, err);
			if (code == ERR_NONE && !*done)
				code = try_agent_keys(l, agent, true, done, err);
		}
		libssh2_agent_disconnect(agent);
	}
	libssh2_agent_free(agent);
	return code;
}

/* ---- the password ---- */

/* Answers what is not to be seen with the password, and all else with nothing. */
static void answer_prompts(const char *name, int name_len, const char *instruction,
			   int instruction_len, int count,
			   const LIBSSH2_USERAUTH_KBDINT_PROMPT *prompts,
			   LIBSSH2_USERAUTH_KBDINT_RESPONSE *responses, void **abstract)
{
	const struct login *l = *abstract;

	(void)name, (void)name_len, (void)instruction, (void)instruction_len;
	for (int i = 0; i < count; i++) {
		responses[i].text = prompts[i].echo ? NULL : strdup(l->config->password.text);
		responses[i].length = responses[i].text ? (unsigned)strlen(responses[i].text) : 0;
	}
}

static int try_interactive(struct login *l, bool *done, struct error *err)
{
	const char *user = l->config->user;
	int rc, code = ERR_NONE;

	*libssh2_session_abstract(l->link->ssh) = l;
	while (code == ERR_NONE && (rc = libssh2_userauth_keyboard_interactive_ex(
					    l->link->ssh, user, (unsigned)strlen(user),
					    answer_prompts)) == LIBSSH2_ERROR_EAGAIN)
		code = sftp_link_wait(l->link, l->until_ms, err);
	*libssh2_session_abstract(l->link->ssh) = NULL;
	if (code != ERR_NONE)
		return code;
	*done = rc == 0;
	return *done ? ERR_NONE : after_refusal(l, rc, err);
}

static int try_password(struct login *l, bool *done, struct error *err)
{
	const char *user = l->config->user, *text = l->config->password.text;
	int rc, code;

	if (!text)
		return ERR_NONE;
	if (takes(l, "password")) {
		l->password_tried = true;
		while ((rc = libssh2_userauth_password_ex(
				l->link->ssh, user, (unsigned)strlen(user), text,
				(unsigned)strlen(text), NULL)) == LIBSSH2_ERROR_EAGAIN) {
			code = sftp_link_wait(l->link, l->until_ms, err);
			if (code != ERR_NONE)
				return code;
		}
		*done = rc == 0;
		return *done ? ERR_NONE : after_refusal(l, rc, err);
	}
	if (takes(l, "keyboard-interactive")) {
		l->password_tried = true;
		return try_interactive(l, done, err);
	}
	return ERR_NONE;
}

/* ---- together ---- */

static int refused(const struct login *l, struct error *err)
{
	char tried[96], advice[400] = "";
	bool asks_password = takes(l, "password") || takes(l, "keyboard-interactive");

	snprintf(tried, sizeof(tried), "%u keys of the agent, %u key files%s", l->agent_keys,
		 l->key_files, l->password_tried ? ", the password" : "");
	if (l->rsa_refused && libssh2_version(0x010b00) == NULL)
		snprintf(advice, sizeof(advice),
			 "; libssh2 %s signs with RSA keys in a way that servers refuse today (SHA-1): make "
			 "an ed25519 key by ssh-keygen -t ed25519",
			 libssh2_version(0));
	else if (l->locked)
		snprintf(advice, sizeof(advice), "; %.200s needs its passphrase: -o passphrase=REF", l->locked);
	else if (l->unread)
		snprintf(advice, sizeof(advice), "; %.200s is no key, or has another passphrase", l->unread);
	else if (asks_password && !l->config->password.text)
		snprintf(advice, sizeof(advice), "; it would take a password: -o password=REF");
	return err_set(err, ERR_DENIED, "log in as %s: the server refused (%s)%s", l->config->user, tried,
		       advice);
}

/* What the server takes; *done: it asks for nothing. */
static int ask_methods(struct login *l, bool *done, struct error *err)
{
	const char *user = l->config->user, *methods;
	int code;

	while (!(methods = libssh2_userauth_list(l->link->ssh, user, (unsigned)strlen(user)))) {
		int rc = libssh2_session_last_errno(l->link->ssh);

		if (libssh2_userauth_authenticated(l->link->ssh)) {
			*done = true;
			return ERR_NONE;
		}
		if (rc != LIBSSH2_ERROR_EAGAIN)
			return sftp_link_error(l->link, rc, "log in", err);
		code = sftp_link_wait(l->link, l->until_ms, err);
		if (code != ERR_NONE)
			return code;
	}
	snprintf(l->methods, sizeof(l->methods), "%s", methods);
	return ERR_NONE;
}

int sftp_login(struct sftp_link *link, const struct sftp_config *c, struct error *err)
{
	struct login l = { .link = link, .config = c, .until_ms = clock_us() / 1000 + SFTP_CONNECT_MS };
	bool done = false;
	int code = ask_methods(&l, &done, err);

	if (code == ERR_NONE && !done && takes(&l, "publickey"))
		code = try_agent(&l, &done, err);
	if (code == ERR_NONE && !done && takes(&l, "publickey"))
		code = try_files(&l, &done, err);
	if (code == ERR_NONE && !done)
		code = try_password(&l, &done, err);
	if (code == ERR_NONE && !done)
		code = refused(&l, err);
	return code;
}
