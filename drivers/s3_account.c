#include "drivers/s3_account.h"

#include "base/file.h"
#include "base/guarded.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROFILES_BYTES_MAX ((size_t)1 << 20)

/* ---- files of profiles ---- */

static struct s3_span trimmed(const char *at, size_t len)
{
	while (len > 0 && memchr(" \t\r", *at, 3)) {
		at++;
		len--;
	}
	while (len > 0 && memchr(" \t\r", at[len - 1], 3))
		len--;
	return (struct s3_span){ at, len };
}

static bool is(struct s3_span s, const char *text)
{
	return s.len_bytes == strlen(text) && memcmp(s.at, text, s.len_bytes) == 0;
}

/* "[name]" or "[profile name]". */
static bool names_section(struct s3_span line, const char *name)
{
	const char *end = memchr(line.at, ']', line.len_bytes);
	struct s3_span title;

	if (!end)
		return false;
	title = trimmed(line.at + 1, (size_t)(end - line.at - 1));
	if (is(title, name))
		return true;
	if (title.len_bytes < 8 || memcmp(title.at, "profile", 7) != 0 ||
	    (title.at[7] != ' ' && title.at[7] != '\t'))
		return false;
	return is(trimmed(title.at + 8, title.len_bytes - 8), name);
}

static void take_setting(struct s3_profile *p, struct s3_span line)
{
	const char *equals = memchr(line.at, '=', line.len_bytes);
	struct s3_span key, value;

	if (!equals)
		return;
	key = trimmed(line.at, (size_t)(equals - line.at));
	value = trimmed(equals + 1, line.len_bytes - (size_t)(equals + 1 - line.at));
	/* A NUL ends the texts that are made of these. */
	if (value.len_bytes == 0 || memchr(value.at, '\0', value.len_bytes))
		return;
	if (is(key, "aws_access_key_id"))
		p->access = value;
	else if (is(key, "aws_secret_access_key"))
		p->secret = value;
	else if (is(key, "aws_session_token"))
		p->session = value;
	else if (is(key, "region"))
		p->region = value;
}

void s3_profile_find(const char *text, size_t len_bytes, const char *name, struct s3_profile *out)
{
	bool inside = false;

	*out = (struct s3_profile){ 0 };
	while (len_bytes > 0) {
		const char *newline = memchr(text, '\n', len_bytes);
		size_t len = newline ? (size_t)(newline - text) : len_bytes;
		size_t step = newline ? len + 1 : len;

		if (text[0] == '[') {
			inside = names_section(trimmed(text, len), name);
			out->found = out->found || inside;
		} else if (inside && !memchr("#; \t", text[0], 4)) {
			take_setting(out, trimmed(text, len));
		}
		text += step;
		len_bytes -= step;
	}
}

/* ---- where they are ---- */

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* The file that a variable names, or ~/.aws/<leaf>. NULL: there is no home (or no memory). */
static char *profiles_path(const char *path_variable, const char *leaf)
{
	const char *path = variable(path_variable), *home = variable("HOME");
	char *out = NULL;

	if (path)
		return strdup(path);
	if (home && asprintf(&out, "%s/.aws/%s", home, leaf) < 0)
		out = NULL;
	return out;
}

static const char *profile_name(const struct drive_option_set *given)
{
	const char *name = drive_option(given, "profile");

	if (!name)
		name = variable("AWS_PROFILE");
	return name ? name : "default";
}

static int guard(struct s3_span s, struct credential *out, struct error *err)
{
	if (!s.at)
		return ERR_NONE;
	out->text = sodium_malloc(s.len_bytes + 1);
	if (!out->text)
		return err_nomem(err);
	memcpy(out->text, s.at, s.len_bytes);
	out->text[s.len_bytes] = '\0';
	return ERR_NONE;
}

static int keys_of_text(const char *text, size_t len_bytes, const char *name, const char *path,
			struct s3_account *out, struct error *err)
{
	struct s3_profile p;
	int code;

	s3_profile_find(text, len_bytes, name, &p);
	if (!p.found)
		return err_set(err, ERR_DENIED, "%s: it has no profile \"%s\"", path, name);
	if (!p.access.at || !p.secret.at)
		return err_set(err, ERR_DENIED, "%s: no keys in profile \"%s\"", path, name);
	code = guard(p.access, &out->access, err);
	if (code == ERR_NONE)
		code = guard(p.secret, &out->secret, err);
	if (code == ERR_NONE)
		code = guard(p.session, &out->session, err);
	return code;
}

/* It holds secrets: what is read of it lies in guarded memory. */
static int keys_of_file(const char *path, const char *name, struct s3_account *out,
			struct error *err)
{
	int fd, code = private_open(path, &fd, err);
	char *text = NULL;
	struct stat st;
	ssize_t got;

	if (code != ERR_NONE)
		return err_wrap(err, "%s", path);
	if (fstat(fd, &st) < 0)
		code = err_errno(err, "%s", path);
	else if (st.st_size < 0 || (size_t)st.st_size > PROFILES_BYTES_MAX)
		code = err_set(err, ERR_DENIED, "%s: too long", path);
	else if (!(text = sodium_malloc((size_t)st.st_size + 1)))
		code = err_nomem(err);
	if (code == ERR_NONE) {
		got = read_full(fd, text, (size_t)st.st_size);
		code = got < 0 ? err_errno(err, "%s", path)
			       : keys_of_text(text, (size_t)got, name, path, out, err);
	}
	sodium_free(text);
	close(fd);
	return code;
}

static int keys_of_profile(const struct drive_option_set *given, struct s3_account *out,
			   struct error *err)
{
	char *path = profiles_path("AWS_SHARED_CREDENTIALS_FILE", "credentials");
	int code = ERR_NOT_FOUND;

	if (path)
		code = keys_of_file(path, profile_name(given), out, err);
	free(path);
	if (code == ERR_NOT_FOUND)
		return err_set(err, ERR_DENIED,
			       "no keys: give access_key and secret_key, set AWS_ACCESS_KEY_ID and "
			       "AWS_SECRET_ACCESS_KEY, or write ~/.aws/credentials");
	return code;
}

static int region_of_profile(const struct drive_option_set *given, char **out, struct error *err)
{
	char *path = profiles_path("AWS_CONFIG_FILE", "config");
	struct buf text = { 0 };
	struct s3_profile p = { 0 };
	struct error ignored;

	/* Everything in it has defaults, so that it may be missing or unreadable. */
	if (path && file_load(path, PROFILES_BYTES_MAX, &text, &ignored) == ERR_NONE)
		s3_profile_find((const char *)text.data, text.len_bytes, profile_name(given), &p);
	*out = p.region.at ? strndup(p.region.at, p.region.len_bytes) : strdup("us-east-1");
	if (text.data)
		sodium_memzero(text.data, text.len_bytes);
	buf_release(&text);
	free(path);
	return *out ? ERR_NONE : err_nomem(err);
}

/* ---- all of them ---- */

static int find_region(const struct drive_option_set *given, const char *wanted, char **out,
		       struct error *err)
{
	const char *region = wanted;

	if (!region)
		region = drive_option(given, "region");
	if (!region)
		region = variable("AWS_REGION");
	if (!region)
		region = variable("AWS_DEFAULT_REGION");
	if (!region)
		return region_of_profile(given, out, err);
	*out = strdup(region);
	return *out ? ERR_NONE : err_nomem(err);
}

static int pair_check(const struct s3_account *a, const char *access, const char *secret,
		      struct error *err)
{
	if (!a->access.text == !a->secret.text)
		return ERR_NONE;
	return err_set(err, ERR_USAGE, "%s is given without %s", a->access.text ? access : secret,
		       a->access.text ? secret : access);
}

/* A variable that is set, and empty, is as good as none. */
static int of_environment(const char *key, const char *name, struct credential *out,
			  struct error *err)
{
	const char *const names[] = { name, NULL };
	int code = drive_option_secret(NULL, key, names, out, err);

	if (code == ERR_NONE && out->text && out->text[0] == '\0')
		credential_release(out);
	return code;
}

static int keys_of_environment(struct s3_account *a, struct error *err)
{
	int code = of_environment("access_key", "AWS_ACCESS_KEY_ID", &a->access, err);

	if (code == ERR_NONE)
		code = of_environment("secret_key", "AWS_SECRET_ACCESS_KEY", &a->secret, err);
	if (code == ERR_NONE)
		code = pair_check(a, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", err);
	if (code == ERR_NONE && a->access.text)
		code = of_environment("session_token", "AWS_SESSION_TOKEN", &a->session, err);
	return code;
}

static int find_keys(const struct drive_option_set *given, struct s3_account *a, struct error *err)
{
	int code = drive_option_secret(given, "access_key", NULL, &a->access, err);

	if (code == ERR_NONE)
		code = drive_option_secret(given, "secret_key", NULL, &a->secret, err);
	if (code == ERR_NONE)
		code = pair_check(a, "access_key", "secret_key", err);
	if (code == ERR_NONE)
		code = drive_option_secret(given, "session_token", NULL, &a->session, err);
	if (code != ERR_NONE || a->access.text)
		return code;
	if (a->session.text)
		return err_set(err, ERR_USAGE, "session_token is given without access_key");
	/* A profile that was asked for comes before what happens to be in the environment. */
	if (drive_option(given, "profile"))
		return keys_of_profile(given, a, err);
	code = keys_of_environment(a, err);
	return code == ERR_NONE && !a->access.text ? keys_of_profile(given, a, err) : code;
}

/* These go into headers: what is in them must not end one. */
static bool is_one_word(const char *text)
{
	const char *at = text;

	while (*at > ' ' && *at < 0x7f)
		at++;
	return at > text && *at == '\0';
}

int s3_account_find(const struct drive_option_set *given, const char *wanted_region,
		    struct s3_account *out, struct error *err)
{
	int code;

	*out = (struct s3_account){ 0 };
	code = find_region(given, wanted_region, &out->region, err);
	if (code == ERR_NONE && !is_one_word(out->region))
		code = err_set(err, ERR_USAGE, "\"%.64s\" is no region", out->region);
	if (code == ERR_NONE)
		code = find_keys(given, out, err);
	if (code == ERR_NONE && !(is_one_word(out->access.text) && is_one_word(out->secret.text) &&
				  (!out->session.text || is_one_word(out->session.text))))
		code = err_set(err, ERR_DENIED, "a key that is empty or more than one word");
	if (code != ERR_NONE)
		s3_account_release(out);
	return code;
}

void s3_account_release(struct s3_account *a)
{
	credential_release(&a->access);
	credential_release(&a->secret);
	credential_release(&a->session);
	free(a->region);
	*a = (struct s3_account){ 0 };
}

struct s3_keys s3_account_keys(const struct s3_account *a)
{
	return (struct s3_keys){ a->access.text, a->secret.text, a->session.text };
}
