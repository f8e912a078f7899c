#include "drivers/swift_login.h"

#include "base/json.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEADER_VALUE_BYTES_MAX 1024

/* ---- the variables ---- */

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* Whether the variables of a family are meant for this server: they are those of another one when
 * theirs, the variable named, has another host. */
static bool meant_for(const char *variable_name, const struct url *u)
{
	const char *value = variable(variable_name);
	struct url theirs;
	struct error ignored;
	bool same;

	if (!value)
		return true;
	if (url_parse(value, &theirs, &ignored) != ERR_NONE)
		return false;
	same = strcasecmp(theirs.host, u->host) == 0;
	url_release(&theirs);
	return same;
}

/* Where the names of one log-in come from. */
struct source {
	const struct drive_option_set *given;
	bool variables; /* they count */
};

static const char *from_variable(const struct source *s, const char *name)
{
	return s->variables ? variable(name) : NULL;
}

static const char *named(const struct source *s, const char *option, const char *name)
{
	const char *value = drive_option(s->given, option);

	return value ? value : from_variable(s, name);
}

static int no_secret(const char *what, const char *name, const struct source *s,
		     const char *auth_name, struct error *err)
{
	if (!s->variables)
		return err_set(err, ERR_USAGE,
			       "no %s: give -o key=REFERENCE (%s is not asked: %s names another server)",
			       what, name, auth_name);
	return err_set(err, ERR_USAGE, "no %s: give -o key=REFERENCE or set %s", what, name);
}

/* ---- auth v1 ---- */

static bool fits_header(const char *value)
{
	size_t len = strnlen(value, HEADER_VALUE_BYTES_MAX + 1);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
			return false;
	return len > 0 && len <= HEADER_VALUE_BYTES_MAX;
}

static int key_header(const char *key, struct swift_login *out, struct error *err)
{
	static const char name[] = "X-Auth-Key: ";
	size_t size = sizeof(name) + strlen(key);

	/* Never with the key in the message. */
	if (!fits_header(key))
		return err_set(err, ERR_USAGE,
			       "the key of Swift's log-in is empty, too long or has control characters");
	out->key_header = sodium_malloc(size);
	if (!out->key_header)
		return err_nomem(err);
	snprintf(out->key_header, size, "%s%s", name, key);
	return ERR_NONE;
}

static int find_v1(const struct source *s, struct swift_login *out, struct error *err)
{
	static const char *const key_names[] = { "ST_KEY", NULL };
	const char *user = named(s, "user", "ST_USER");
	struct credential key;
	int code;

	if (!user)
		return err_set(err, ERR_USAGE, "no user for Swift's log-in: give -o user=NAME%s",
			       s->variables ? " or set ST_USER"
					    : " (ST_USER is not asked: ST_AUTH names another server)");
	if (!fits_header(user))
		return err_set(err, ERR_USAGE,
			       "the user of Swift's log-in is too long or has control characters");
	if (asprintf(&out->user_header, "X-Auth-User: %s", user) < 0) {
		out->user_header = NULL;
		return err_nomem(err);
	}
	code = drive_option_secret(s->given, "key", s->variables ? key_names : NULL, &key, err);
	if (code == ERR_NONE)
		code = key.text ? key_header(key.text, out, err)
				: no_secret("key for Swift's log-in", "ST_KEY", s, "ST_AUTH", err);
	credential_release(&key);
	return code;
}

/* ---- Keystone v3 ---- */

/* Somebody or something by its id, or by its name within a domain. Takes domain over. */
static json_t *by_id_or_name(const char *id, const char *name, json_t *domain)
{
	if (!id)
		return json_pack("{s:s, s:o}", "name", name, "domain", domain);
	json_decref(domain);
	return json_pack("{s:s}", "id", id);
}

static json_t *domain_of(const struct source *s, const char *option, const char *name_variable,
			 const char *id_variable)
{
	const char *name = drive_option(s->given, option);
	const char *id = name ? NULL : from_variable(s, id_variable);

	if (!name && !id)
		name = from_variable(s, name_variable);
	if (!name)
		return json_pack("{s:s}", "id", id ? id : "default");
	return json_pack("{s:s}", "name", name);
}

static json_t *user_of(const struct source *s)
{
	const char *name = drive_option(s->given, "user");
	const char *id = name ? NULL : from_variable(s, "OS_USER_ID");

	if (!name)
		name = from_variable(s, "OS_USERNAME");
	if (!id && !name)
		return NULL;
	return by_id_or_name(id, name, domain_of(s, "user_domain", "OS_USER_DOMAIN_NAME",
						 "OS_USER_DOMAIN_ID"));
}

static json_t *project_of(const struct source *s)
{
	const char *name = drive_option(s->given, "project");
	const char *id = name ? NULL : from_variable(s, "OS_PROJECT_ID");

	if (!name)
		name = from_variable(s, "OS_PROJECT_NAME");
	if (!id && !name)
		return NULL;
	return by_id_or_name(id, name, domain_of(s, "project_domain", "OS_PROJECT_DOMAIN_NAME",
						 "OS_PROJECT_DOMAIN_ID"));
}

/* The body in guarded memory. secret, a part of auth, is wiped, for jansson would leave it in memory
 * that is free again. */
static int dump_body(json_t *auth, json_t *secret, struct swift_login *out, struct error *err)
{
	int code = ERR_NONE;

	out->body_bytes = json_dumpb(auth, NULL, 0, JSON_COMPACT);
	if (out->body_bytes > 0)
		out->body = sodium_malloc(out->body_bytes);
	if (!out->body)
		code = err_nomem(err);
	else
		json_dumpb(auth, out->body, out->body_bytes, JSON_COMPACT);
	sodium_memzero((char *)(uintptr_t)json_string_value(secret), json_string_length(secret));
	return code;
}

/* Takes identity (which holds secret, lent) and scope over; scope NULL: that of the credential. */
static int make_body(const char *method, json_t *identity, json_t *scope, json_t *secret,
		     struct swift_login *out, struct error *err)
{
	json_t *auth = json_pack("{s:{s:{s:[s], s:o}, s:o*}}", "auth", "identity", "methods", method,
				 method, identity, "scope", scope);
	int code = auth ? dump_body(auth, secret, out, err) : err_nomem(err);

	json_decref(auth);
	return code;
}

static int not_utf8(struct error *err)
{
	return err_set(err, ERR_USAGE, "a name or the key of Keystone's log-in is not UTF-8");
}

static int password_body(const struct source *s, const char *key, struct swift_login *out,
			 struct error *err)
{
	json_t *user = user_of(s), *project = project_of(s), *secret = json_string(key);
	json_t *scope = project ? json_pack("{s:o}", "project", project) : NULL;

	if (!user || !scope || !secret || json_object_set(user, "password", secret) < 0) {
		json_decref(user);
		json_decref(scope);
		json_decref(secret);
		return not_utf8(err);
	}
	json_decref(secret); /* user holds it */
	return make_body("password", json_pack("{s:o}", "user", user), scope, secret, out, err);
}

static int credential_body(const char *id, const char *key, struct swift_login *out,
			   struct error *err)
{
	json_t *secret = json_string(key);
	json_t *identity = secret ? json_pack("{s:s, s:o}", "id", id, "secret", secret) : NULL;

	if (!identity)
		return not_utf8(err);
	return make_body("application_credential", identity, NULL, secret, out, err);
}

static int find_names(const struct source *s, struct error *err)
{
	static const char *const foreign = " (OS_AUTH_URL names another server, so its variables are "
					   "not asked)";

	if (!named(s, "user", "OS_USERNAME") && !from_variable(s, "OS_USER_ID"))
		return err_set(err, ERR_USAGE, "no user for Keystone's log-in: give -o user=NAME%s",
			       s->variables ? " or set OS_USERNAME" : foreign);
	if (!named(s, "project", "OS_PROJECT_NAME") && !from_variable(s, "OS_PROJECT_ID"))
		return err_set(err, ERR_USAGE, "no project for Keystone's log-in: give -o project=NAME%s",
			       s->variables ? " or set OS_PROJECT_NAME" : foreign);
	return ERR_NONE;
}

/* "public" for "publicURL", as OS_ENDPOINT_TYPE has it. */
static int find_interface(const struct source *s, struct swift_login *out, struct error *err)
{
	const char *name = named(s, "interface", "OS_INTERFACE");
	size_t len;

	if (!name)
		name = from_variable(s, "OS_ENDPOINT_TYPE");
	if (!name)
		name = "public";
	len = strlen(name);
	if (len > 3 && strcmp(name + len - 3, "URL") == 0)
		len -= 3;
	out->interface = strndup(name, len);
	return out->interface ? ERR_NONE : err_nomem(err);
}

static int find_keystone(const struct source *s, struct swift_login *out, struct error *err)
{
	static const char *const passwords[] = { "OS_PASSWORD", NULL };
	static const char *const secrets[] = { "OS_APPLICATION_CREDENTIAL_SECRET", NULL };
	const char *credential = named(s, "application_credential", "OS_APPLICATION_CREDENTIAL_ID");
	const char *region = named(s, "region", "OS_REGION_NAME");
	const char *const *names = credential ? secrets : passwords;
	struct credential key = { .text = NULL };
	int code = credential ? ERR_NONE : find_names(s, err);

	out->keystone = true;
	if (code == ERR_NONE)
		code = find_interface(s, out, err);
	if (code == ERR_NONE && region) {
		out->region = strdup(region);
		code = out->region ? ERR_NONE : err_nomem(err);
	}
	if (code == ERR_NONE)
		code = drive_option_secret(s->given, "key", s->variables ? names : NULL, &key, err);
	if (code == ERR_NONE && !key.text)
		code = no_secret("key for Keystone's log-in", names[0], s, "OS_AUTH_URL", err);
	if (code == ERR_NONE)
		code = credential ? credential_body(credential, key.text, out, err)
				  : password_body(s, key.text, out, err);
	credential_release(&key);
	return code;
}

/* ---- both ---- */

static bool is_keystone(const char *path)
{
	const char *last = strrchr(path, '/');

	return strcmp(last ? last + 1 : path, "v3") == 0;
}

static int make_url(const struct url *u, const char *origin, bool keystone, char **out,
		    struct error *err)
{
	struct buf b = { 0 };

	buf_add(&b, origin, strlen(origin));
	buf_add_u8(&b, '/');
	url_encode(&b, u->path, true);
	if (keystone)
		buf_add(&b, "/auth/tokens", strlen("/auth/tokens"));
	buf_add_u8(&b, 0);
	if (b.failed) {
		buf_release(&b);
		return err_nomem(err);
	}
	*out = (char *)b.data;
	return ERR_NONE;
}

int swift_login_find(const struct url *u, const char *origin,
		     const struct drive_option_set *given, struct swift_login *out,
		     struct error *err)
{
	bool keystone = is_keystone(u->path);
	struct source s = { given, meant_for(keystone ? "OS_AUTH_URL" : "ST_AUTH", u) };
	int code;

	*out = (struct swift_login){ 0 };
	code = make_url(u, origin, keystone, &out->url, err);
	if (code == ERR_NONE)
		code = keystone ? find_keystone(&s, out, err) : find_v1(&s, out, err);
	if (code != ERR_NONE)
		swift_login_release(out);
	return code;
}

void swift_login_release(struct swift_login *l)
{
	free(l->url);
	free(l->user_header);
	sodium_free(l->key_header);
	sodium_free(l->body);
	free(l->region);
	free(l->interface);
	*l = (struct swift_login){ 0 };
}
