#include "drivers/ftp.h"
#include "drivers/name.h"
#include "net/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define CONNECTIONS_DEFAULT 2
#define PORT_FTP 21
#define PORT_FTPS 990

/* ---- open, close ---- */

static void site_release(struct ftp_site *site)
{
	free(site->host);
	free(site->user);
	credential_release(&site->password);
	free(site->ca_copy);
	free(site->root);
}

void ftp_close(struct drive *d)
{
	struct ftp_drive *f = (struct ftp_drive *)d;

	while (f->idle) {
		struct ftp_session *s = f->idle;

		f->idle = s->next;
		ftp_session_free(s);
	}
	folder_set_release(&f->made);
	site_release(&f->site);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->freed);
	free(f);
}

/* Copies of the options. */
static int site_options(struct ftp_site *site, const struct drive_option_set *given,
			struct error *err)
{
	const char *user = drive_option(given, "user"), *ca = drive_option(given, "ca");
	int code = drive_option_secret(given, "password", NULL, &site->password, err);

	if (code != ERR_NONE)
		return code;
	/* It is sent on a line of its own. */
	if (site->password.text && strpbrk(site->password.text, "\r\n"))
		return err_set(err, ERR_USAGE, "password: a line end in it");
	if (user && !site->user)
		site->user = strdup(user);
	if (ca)
		site->ca_file = site->ca_copy = strdup(ca);
	if ((user && !site->user) || (ca && !site->ca_copy))
		return err_nomem(err);
	if (ca && access(ca, R_OK) < 0)
		return err_errno(err, "ca %s", ca);
	if (site->password.text && !site->user)
		return err_set(err, ERR_USAGE, "a password, but no user");
	return ERR_NONE;
}

/* url's path as it stands begins with a second slash: it does not begin where the log-in leads to. */
static bool path_is_absolute(const char *url)
{
	const char *host = strstr(url, "://"), *path = host ? strchr(host + 3, '/') : NULL;

	return path && (path[1] == '/' || strncasecmp(path + 1, "%2f", 3) == 0);
}

/* Whether it is not told how TLS begins: then that is found out. */
static bool tls_choose(struct ftp_site *site, const char *scheme, const char *wish)
{
	bool is_implicit = wish ? strcmp(wish, "implicit") == 0 :
				  site->port != 0 && site->port != PORT_FTP;

	if (strcmp(scheme, "ftp") == 0) {
		site->tls = FTP_PLAIN;
		site->port = site->port ? site->port : PORT_FTP;
		return false;
	}
	site->tls = is_implicit ? FTP_IMPLICIT : FTP_EXPLICIT;
	if (!site->port)
		site->port = is_implicit ? PORT_FTPS : PORT_FTP;
	return !wish && site->port != PORT_FTP && site->port != PORT_FTPS;
}

/* Logs in. A server that refuses TLS 1.2 is asked for 1.3; with find_tls, one that answers TLS with a
 * greeting is asked again in its way: all of them are TLS, and in this order no answer keeps us
 * waiting. */
static int log_in(struct ftp_drive *f, struct ftp_session *s, bool find_tls, char **entry,
		  struct error *err)
{
	struct ftp_site *site = &f->site;
	int code = ftp_greet(s, site, entry, err);

	while (code != ERR_NONE && s->failed == CURLE_SSL_CONNECT_ERROR) {
		if (!site->tls_13) {
			site->tls_13 = true;
		} else if (find_tls && site->tls == FTP_IMPLICIT) {
			site->tls = FTP_EXPLICIT;
			site->tls_13 = false;
		} else {
			break;
		}
		code = ftp_greet(s, site, entry, err);
	}
	return code;
}

static int root_make(struct ftp_session *s, const char *root, struct error *err)
{
	char *part = strdup(root);
	int code = part ? ERR_NONE : err_nomem(err);

	for (char *slash = part; slash && code == ERR_NONE;) {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = '\0';
		if (part[0])
			code = ftp_folder_make(s, part, err);
		if (slash)
			*slash = '/';
	}
	free(part);
	return code;
}

/* entry: the folder that the log-in leads to. */
static int root_set(struct ftp_site *site, const char *entry, bool is_absolute, const char *path,
		    struct error *err)
{
	size_t len = is_absolute ? 0 : strlen(entry);

	while (len > 0 && entry[len - 1] == '/')
		len--;
	if (asprintf(&site->root, "%.*s%s%s", (int)len, entry, path[0] ? "/" : "", path) < 0) {
		site->root = NULL;
		return err_nomem(err);
	}
	for (const char *at = site->root; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return err_set(err, ERR_USAGE, "a control character in the path");
	}
	return ERR_NONE;
}

static int root_check(struct ftp_session *s, const char *root, bool make, struct error *err)
{
	bool exists;
	int code = make ? root_make(s, root, err) : ERR_NONE;

	if (code == ERR_NONE)
		code = ftp_folder_exists(s, root, &exists, err);
	if (code == ERR_NONE && !exists)
		code = err_set(err, ERR_NOT_FOUND, "folder %s: not on the server", root);
	return code;
}

/* ---- what a place can do, before anything depends on it ---- */

static int note_probe(void *ctx, const char *name, uint64_t len_bytes)
{
	*(bool *)ctx |= strstr(name, "/probe-") != NULL && len_bytes == 5;
	return 0;
}

/* Stores, finds and removes an object, as all others will be. */
static int probe(struct ftp_drive *f, struct error *err)
{
	char name[64];
	bool found = false;
	int code, removed;
	struct error ignored;

	snprintf(name, sizeof(name), "quarantine/probe-%s-%ld", f->tag, (long)getpid());
	code = ftp_put(&f->base, name, "probe", 5, err);
	if (code == ERR_NONE)
		code = ftp_list(&f->base, name, note_probe, &found, err);
	removed = f->base.driver->remove(&f->base, name, code == ERR_NONE ? err : &ignored);
	if (code == ERR_NONE)
		code = removed;
	if (code == ERR_NONE && !found)
		code = err_set(err, ERR_UNSUPPORTED, "the server does not list what it stores");
	return code == ERR_NONE ? code : err_wrap(err, "try what the server can");
}

/* ---- all of it ---- */

static int open_site(struct ftp_drive *f, const char *text, const struct drive_options *options,
		     const struct url *url, struct error *err)
{
	bool find_tls = tls_choose(&f->site, url->scheme, drive_option(options->given, "tls"));
	struct ftp_session *s;
	char *entry = NULL;
	int code;

	f->busy = 0;
	s = ftp_take(f, err);
	if (!s)
		return ERR_NOMEM;
	code = log_in(f, s, find_tls, &entry, err);
	if (code == ERR_NONE)
		code = root_set(&f->site, entry, path_is_absolute(text), url->path, err);
	if (code == ERR_NONE)
		code = root_check(s, f->site.root, options->make_root, err);
	free(entry);
	ftp_give(f, s);
	if (code == ERR_NONE && options->learned) {
		code = probe(f, err);
		if (code == ERR_NONE && find_tls)
			options->learned(options->learned_ctx, "tls",
					 f->site.tls == FTP_IMPLICIT ? "implicit" : "explicit");
	}
	return code;
}

int ftp_open(const char *text, const struct drive_options *options, struct drive **out,
		    struct error *err)
{
	uint64_t connections;
	struct ftp_drive *f;
	struct url url = { 0 };
	int code = temp_tag_check(options->temp_tag, err);

	*out = NULL;
	if (code != ERR_NONE)
		return code;
	f = calloc(1, sizeof(*f));
	if (!f)
		return err_nomem(err);
	f->driver = driver_ftp;
	f->base.driver = &f->driver;
	snprintf(f->tag, sizeof(f->tag), "%s", options->temp_tag);
	f->site.upload = options->upload;
	f->site.download = options->download;
	f->site.meter = options->meter;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->freed, NULL);
	code = url_parse(text, &url, err);
	if (code == ERR_NONE && strcmp(url.scheme, "ftp") == 0 && drive_option(options->given, "tls"))
		code = err_set(err, ERR_USAGE, "\"%s\": tls is for ftps", text);
	if (code == ERR_NONE && (!url.host || !url.host[0] || url.query))
		code = err_set(err, ERR_USAGE, "\"%s\": write ftps://[USER@]HOST[:PORT]/PATH", text);
	if (code == ERR_NONE) {
		f->site.host = url.host;
		f->site.user = url.user;
		f->site.port = url.port;
		url.host = url.user = NULL;
		code = site_options(&f->site, options->given, err);
	}
	if (code == ERR_NONE)
		code = drive_option_number(options->given, "connections", 1, UINT16_MAX,
					   CONNECTIONS_DEFAULT, &connections, err);
	if (code == ERR_NONE) {
		if (connections < f->driver.connections_max)
			f->driver.connections_max = (unsigned)connections;
		code = open_site(f, text, options, &url, err);
	}
	url_release(&url);
	if (code != ERR_NONE) {
		ftp_close(&f->base);
		return code;
	}
	*out = &f->base;
	return ERR_NONE;
}
