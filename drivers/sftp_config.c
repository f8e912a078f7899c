#include "drivers/sftp_config.h"

#include "base/bytes.h"
#include "base/child.h"
#include "net/url.h"

#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SSH_PRINTS_BYTES_MAX ((size_t)256 << 10)

static void files_release(struct sftp_files *f)
{
	for (unsigned i = 0; i < f->count; i++)
		free(f->paths[i]);
	*f = (struct sftp_files){ .count = 0 };
}

void sftp_config_release(struct sftp_config *c)
{
	free(c->place);
	free(c->host);
	free(c->user);
	free(c->key_name);
	free(c->plain_name);
	free(c->root);
	free(c->agent);
	free(c->proxy_jump);
	free(c->proxy_command);
	files_release(&c->identities);
	files_release(&c->known_hosts);
	credential_release(&c->password);
	credential_release(&c->passphrase);
	*c = (struct sftp_config){ .port = 0 };
}

/* ---- texts ---- */

static int set_text(char **out, const char *text, struct error *err)
{
	char *copy = strdup(text);

	if (!copy)
		return err_nomem(err);
	free(*out);
	*out = copy;
	return ERR_NONE;
}

/* What may stand in a command line that ssh's configuration makes of it. */
static bool is_harmless(const char *text)
{
	return text[0] != '\0' && text[0] != '-' &&
	       text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789._:@%+-[]")] == '\0';
}

/* Appends text with its %h %p %r %u %d and %% replaced. */
static void add_expanded(struct buf *out, const char *text, const struct sftp_config *c,
			 const char *home)
{
	char port[12];

	snprintf(port, sizeof(port), "%u", c->port ? c->port : SFTP_PORT);
	for (; *text; text++) {
		const char *value = NULL;

		if (text[0] == '%' && text[1]) {
			value = text[1] == 'h' || text[1] == 'n' ? c->host
				: text[1] == 'p'	       ? port
				: text[1] == 'r'	       ? c->user
				: text[1] == 'd'	       ? home
				: text[1] == '%'	       ? "%"
							       : NULL;
		}
		if (value) {
			buf_add(out, value, strlen(value));
			text++;
		} else {
			buf_add(out, text, 1);
		}
	}
}

static int add_file(struct sftp_files *f, const char *path, const struct sftp_config *c,
		    const char *home, struct error *err)
{
	struct buf full = { 0 };

	if (f->count == SFTP_FILES_MAX || strcmp(path, "none") == 0 || strcmp(path, "/dev/null") == 0)
		return ERR_NONE;
	if (path[0] == '~' && (path[1] == '/' || path[1] == '\0')) {
		buf_add(&full, home, strlen(home));
		path++;
	}
	add_expanded(&full, path, c, home);
	buf_add_u8(&full, '\0');
	if (full.failed) {
		buf_release(&full);
		return err_nomem(err);
	}
	f->paths[f->count++] = (char *)full.data;
	return ERR_NONE;
}

/* A line of paths, with quotes where they hold spaces. */
static int add_files(struct sftp_files *f, const char *line, const struct sftp_config *c,
		     const char *home, struct error *err)
{
	char **words;
	int code = words_split(line, &words, err);

	if (code != ERR_NONE)
		return code;
	for (unsigned i = 0; words[i] && code == ERR_NONE; i++)
		code = add_file(f, words[i], c, home, err);
	words_free(words);
	return code;
}

/* ---- what `ssh -G` prints ---- */

typedef int take_fn(struct sftp_config *c, const char *key, const char *value, const char *home,
		    struct error *err);

/* What is needed before others can be expanded. */
static int take_where(struct sftp_config *c, const char *key, const char *value, const char *home,
		      struct error *err)
{
	(void)home;
	if (strcmp(key, "hostname") == 0)
		return set_text(&c->host, value, err);
	if (strcmp(key, "user") == 0 && !c->user)
		return set_text(&c->user, value, err);
	if (strcmp(key, "port") == 0 && c->port == 0)
		c->port = (unsigned)strtoul(value, NULL, 10);
	return ERR_NONE;
}

static int take_agent(struct sftp_config *c, const char *value, struct error *err)
{
	free(c->agent);
	c->agent = NULL;
	if (strcmp(value, "SSH_AUTH_SOCK") == 0)
		value = getenv("SSH_AUTH_SOCK");
	return value && strcmp(value, "none") != 0 ? set_text(&c->agent, value, err) : ERR_NONE;
}

static int take_how(struct sftp_config *c, const char *key, const char *value, const char *home,
		    struct error *err)
{
	if (strcmp(key, "identityfile") == 0 && !c->identity_given)
		return add_file(&c->identities, value, c, home, err);
	if (strcmp(key, "identitiesonly") == 0 && strcmp(value, "yes") == 0)
		c->identities_only = true;
	if (strcmp(key, "identityagent") == 0)
		return take_agent(c, value, err);
	if (strcmp(key, "userknownhostsfile") == 0 && !c->known_hosts_given)
		return add_files(&c->known_hosts, value, c, home, err);
	if (strcmp(key, "hostkeyalias") == 0)
		return set_text(&c->key_name, value, err);
	if (strcmp(key, "proxyjump") == 0 && strcmp(value, "none") != 0)
		return set_text(&c->proxy_jump, value, err);
	if (strcmp(key, "proxycommand") == 0 && strcmp(value, "none") != 0)
		return set_text(&c->proxy_command, value, err);
	return ERR_NONE;
}

/* After the user's own, which are appended to. */
static int take_global(struct sftp_config *c, const char *key, const char *value, const char *home,
		       struct error *err)
{
	if (strcmp(key, "globalknownhostsfile") == 0 && !c->known_hosts_given)
		return add_files(&c->known_hosts, value, c, home, err);
	return ERR_NONE;
}

/* Every "key value" line; text is whole again afterwards. */
static int for_lines(struct sftp_config *c, char *text, const char *home, take_fn *take,
		     struct error *err)
{
	int code = ERR_NONE;

	for (char *line = text; *line && code == ERR_NONE;) {
		char *end = strchrnul(line, '\n'), *space, last = *end;

		*end = '\0';
		space = strchr(line, ' ');
		if (space) {
			*space = '\0';
			code = take(c, line, space + 1, home, err);
			*space = ' ';
		}
		*end = last;
		line = last ? end + 1 : end;
	}
	return code;
}

int sftp_config_take(struct sftp_config *c, char *text, const char *home, struct error *err)
{
	static take_fn *const passes[] = { take_where, take_how, take_global };
	int code = ERR_NONE;

	for (unsigned i = 0; i < 3 && code == ERR_NONE; i++)
		code = for_lines(c, text, home, passes[i], err);
	return code == ERR_NONE ? ERR_NONE : err_wrap(err, "read what 'ssh -G' printed");
}

/* ---- the usual ---- */

static int default_files(struct sftp_config *c, const char *home, struct error *err)
{
	static const char *const keys[] = { "~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa" };
	static const char *const hosts[] = { "~/.ssh/known_hosts", "~/.ssh/known_hosts2",
					     "/etc/ssh/ssh_known_hosts" };
	int code = ERR_NONE;

	for (unsigned i = 0; i < 3 && c->identities.count < 3 && code == ERR_NONE; i++)
		code = add_file(&c->identities, keys[i], c, home, err);
	for (unsigned i = 0; i < 3 && c->known_hosts.count < 3 && code == ERR_NONE; i++)
		code = add_file(&c->known_hosts, hosts[i], c, home, err);
	return code;
}

static int key_names(struct sftp_config *c, struct error *err)
{
	if (asprintf(&c->place, "%s:%u", c->host, c->port) < 0) {
		c->place = NULL;
		return err_nomem(err);
	}
	if (!c->key_name) {
		bool usual = c->port == SFTP_PORT;

		if (usual ? asprintf(&c->key_name, "%s", c->host) < 0
			  : asprintf(&c->key_name, "[%s]:%u", c->host, c->port) < 0) {
			c->key_name = NULL;
			return err_nomem(err);
		}
		if (!usual && set_text(&c->plain_name, c->host, err) != ERR_NONE)
			return ERR_NOMEM;
	}
	for (char *s = c->key_name; *s; s++)
		*s = (char)tolower((unsigned char)*s);
	for (char *s = c->plain_name; s && *s; s++)
		*s = (char)tolower((unsigned char)*s);
	return ERR_NONE;
}

static int default_user(struct sftp_config *c, struct error *err)
{
	char memory[4096];
	struct passwd entry, *found;

	if (c->user)
		return ERR_NONE;
	if (getpwuid_r(getuid(), &entry, memory, sizeof(memory), &found) != 0 || !found)
		return err_set(err, ERR_USAGE, "no user is given, and this one has no name");
	return set_text(&c->user, entry.pw_name, err);
}

int sftp_config_complete(struct sftp_config *c, const char *home, struct error *err)
{
	bool no_keys = c->identities.count == 0, no_hosts = c->known_hosts.count == 0;
	int code = default_user(c, err);

	if (c->port == 0)
		c->port = SFTP_PORT;
	if (code == ERR_NONE && (no_keys || no_hosts)) {
		struct sftp_files keys = c->identities, hosts = c->known_hosts;

		c->identities = c->known_hosts = (struct sftp_files){ .count = 0 };
		code = default_files(c, home, err);
		if (!no_keys) {
			files_release(&c->identities);
			c->identities = keys;
		}
		if (!no_hosts) {
			files_release(&c->known_hosts);
			c->known_hosts = hosts;
		}
	}
	return code == ERR_NONE ? key_names(c, err) : code;
}

/* ---- the way there ---- */

/* "[user@]host[:port]" or "ssh://..." of the last host before ours. */
static int jump_argv(const struct sftp_config *c, char ***argv, struct error *err)
{
	const char *last = strrchr(c->proxy_jump, ',');
	char *words[16] = { 0 };
	unsigned n = 0;
	int made = 0;

	last = last ? last + 1 : c->proxy_jump;
	made |= asprintf(&words[n++], "ssh");
	made |= asprintf(&words[n++], "-aTxoBatchMode=yes");
	made |= asprintf(&words[n++], "-oConnectTimeout=20");
	made |= asprintf(&words[n++], "-oServerAliveInterval=15");
	if (last != c->proxy_jump)
		made |= asprintf(&words[n++], "-J%.*s", (int)(last - c->proxy_jump - 1), c->proxy_jump);
	made |= asprintf(&words[n++], "-W[%s]:%u", c->host, c->port);
	made |= asprintf(&words[n++], "--");
	made |= asprintf(&words[n++], "%s%s", strncmp(last, "ssh://", 6) == 0 ? "" : "ssh://", last);
	*argv = made < 0 ? NULL : calloc(n + 1, sizeof(**argv));
	if (!*argv) {
		for (unsigned i = 0; made >= 0 && i < n; i++)
			free(words[i]);
		return err_nomem(err);
	}
	memcpy(*argv, words, n * sizeof(words[0]));
	return ERR_NONE;
}

/* The user's own command, run as ssh would. */
static int command_argv(const struct sftp_config *c, char ***argv, struct error *err)
{
	struct buf line = { 0 };

	*argv = calloc(4, sizeof(**argv));
	buf_add(&line, "exec ", 5);
	add_expanded(&line, c->proxy_command, c, "~");
	buf_add_u8(&line, '\0');
	if (*argv && !line.failed) {
		(*argv)[0] = strdup("/bin/sh");
		(*argv)[1] = strdup("-c");
		(*argv)[2] = (char *)line.data;
		if ((*argv)[0] && (*argv)[1])
			return ERR_NONE;
		words_free(*argv);
	} else {
		free(*argv);
		buf_release(&line);
	}
	*argv = NULL;
	return err_nomem(err);
}

int sftp_config_proxy(const struct sftp_config *c, char ***argv, struct error *err)
{
	*argv = NULL;
	if (!c->proxy_jump && !c->proxy_command)
		return ERR_NONE;
	if (!is_harmless(c->host) || !is_harmless(c->user))
		return err_set(err, ERR_USAGE,
			       "host or user hold bytes that must not go into a ProxyCommand");
	return c->proxy_command ? command_argv(c, argv, err) : jump_argv(c, argv, err);
}

/* ---- the whole ---- */

/* "srv/a" was "/srv/a"; "~/x" and "./x" begin in the user's home. */
static int take_path(struct sftp_config *c, const char *path, struct error *err)
{
	bool in_home = path[0] == '~' || (path[0] == '.' && (path[1] == '/' || path[1] == '\0'));

	if (path[0] == '~' && path[1] != '/' && path[1] != '\0')
		return err_set(err, ERR_USAGE, "the path \"/%s\" is in another user's home", path);
	if (in_home)
		path += path[1] == '/' ? 2 : 1;
	while (in_home && path[0] == '/')
		path++;
	if (strstr(path, "//") || strlen(path) > 1024)
		return err_set(err, ERR_USAGE, "\"%.100s\" is no path of a drive", path);
	if (in_home)
		return set_text(&c->root, path[0] ? path : ".", err);
	if (asprintf(&c->root, "/%s", path) < 0) {
		c->root = NULL;
		return err_nomem(err);
	}
	return ERR_NONE;
}

static int take_url(struct sftp_config *c, const char *url, struct error *err)
{
	struct url parsed;
	int code = url_parse(url, &parsed, err);

	if (code != ERR_NONE)
		return code;
	if (!parsed.host || !is_harmless(parsed.host))
		code = err_set(err, ERR_USAGE, "\"%.200s\" names no host", url);
	else if (parsed.query)
		code = err_set(err, ERR_USAGE, "an sftp URL has no query: \"?%.100s\"", parsed.query);
	if (code == ERR_NONE)
		code = set_text(&c->host, parsed.host, err);
	if (code == ERR_NONE && parsed.user)
		code = set_text(&c->user, parsed.user, err);
	if (code == ERR_NONE)
		code = take_path(c, parsed.path, err);
	c->port = parsed.port;
	url_release(&parsed);
	return code;
}

static int take_options(struct sftp_config *c, const struct drive_option_set *given,
			const char *home, struct error *err)
{
	const char *user = drive_option(given, "user"), *known = drive_option(given, "known_hosts");
	const char *identity = drive_option(given, "identity");
	int code = drive_option_flag(given, "accept-new", false, &c->accept_new, err);

	if (code == ERR_NONE && user && !c->user)
		code = set_text(&c->user, user, err);
	c->known_hosts_given = known != NULL;
	if (code == ERR_NONE && known)
		code = add_file(&c->known_hosts, known, c, home, err);
	if (code == ERR_NONE && identity) {
		c->identity_given = c->identities_only = true;
		code = add_file(&c->identities, identity, c, home, err);
	}
	if (code == ERR_NONE)
		code = drive_option_secret(given, "password", NULL, &c->password, err);
	if (code == ERR_NONE)
		code = drive_option_secret(given, "passphrase", NULL, &c->passphrase, err);
	return code;
}

/* ERR_NONE without anything taken: there is no ssh here. */
static int ask_ssh(struct sftp_config *c, const char *home, struct error *err)
{
	char *text = malloc(SSH_PRINTS_BYTES_MAX + 1), port[16];
	const char *argv[10] = { "ssh", "-T", "-G" }; /* -T: else it warns that there is no terminal */
	size_t len_bytes;
	unsigned n = 3;
	int code;

	if (!text)
		return err_nomem(err);
	if (c->port) {
		snprintf(port, sizeof(port), "-p%u", c->port);
		argv[n++] = port;
	}
	if (c->user) {
		argv[n++] = "-l";
		argv[n++] = c->user;
	}
	argv[n++] = "--";
	argv[n++] = c->host;
	code = child_output(argv, text, SSH_PRINTS_BYTES_MAX, &len_bytes, err);
	if (code == ERR_NOT_FOUND) {
		code = ERR_NONE;
	} else if (code == ERR_NONE) {
		text[len_bytes] = '\0';
		code = sftp_config_take(c, text, home, err);
	}
	free(text);
	return code;
}

static const char *home_of(char *memory, size_t size)
{
	const char *home = getenv("HOME");
	struct passwd entry, *found;

	if (home && home[0] == '/')
		return home;
	if (getpwuid_r(getuid(), &entry, memory, size, &found) == 0 && found)
		return entry.pw_dir;
	return "/";
}

int sftp_config_read(const char *url, const struct drive_option_set *given, struct sftp_config *out,
		     struct error *err)
{
	const char *agent = getenv("SSH_AUTH_SOCK"), *home;
	char memory[4096];
	int code;

	*out = (struct sftp_config){ .port = 0 };
	home = home_of(memory, sizeof(memory));
	code = take_url(out, url, err);
	if (code == ERR_NONE)
		code = take_options(out, given, home, err);
	if (code == ERR_NONE && agent && agent[0])
		code = set_text(&out->agent, agent, err);
	if (code == ERR_NONE)
		code = ask_ssh(out, home, err);
	if (code == ERR_NONE)
		code = sftp_config_complete(out, home, err);
	return code;
}
