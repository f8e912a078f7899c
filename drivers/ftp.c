/*
 * A folder of an FTP server, with TLS (ftps) or without (ftp).
 *
 * The protocol has no exclusive rename, no sync and no digest. So an object is uploaded under a
 * temporary name, its size is compared, its name is looked for, and then it is renamed. Between the
 * last two another host may take the name; names are made from the bytes, so it is the same object.
 * What is durable when, the server decides.
 */
#include "drivers/ftp.h"
#include "drivers/name.h"
#include "net/url.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define CONNECTIONS_DEFAULT 2
#define CONNECTIONS_LIMIT 16
#define PORT_FTP 21
#define PORT_FTPS 990

static const char *const ftp_options[] = { "user", "password", "ca", "tls", NULL };

/* Over all drives of the process: two of them may be the same folder under the same tag. */
static atomic_uint next_temp;

/* ---- sessions ---- */

struct ftp_session *ftp_take(struct ftp_drive *f, struct error *err)
{
	struct ftp_session *s;

	pthread_mutex_lock(&f->lock);
	while (f->busy == f->driver.connections_max)
		pthread_cond_wait(&f->freed, &f->lock);
	f->busy++;
	s = f->idle;
	if (s)
		f->idle = s->next;
	pthread_mutex_unlock(&f->lock);
	if (s)
		return s;
	s = ftp_session_new(&f->site);
	if (!s) {
		err_nomem(err);
		pthread_mutex_lock(&f->lock);
		f->busy--;
		pthread_cond_signal(&f->freed);
		pthread_mutex_unlock(&f->lock);
	}
	return s;
}

void ftp_give(struct ftp_drive *f, struct ftp_session *s)
{
	pthread_mutex_lock(&f->lock);
	s->next = f->idle;
	f->idle = s;
	f->busy--;
	pthread_cond_signal(&f->freed);
	pthread_mutex_unlock(&f->lock);
}

/* ---- commands ---- */

static char *command_of(const char *verb, const char *path)
{
	char *line;

	return asprintf(&line, "%s%s%s", verb ? verb : "", verb ? " " : "", path) < 0 ? NULL : line;
}

char *ftp_command(const struct ftp_drive *f, const char *verb, const char *name)
{
	char *path, *line;

	if (asprintf(&path, "%s/.mrmr%s%s", f->site.root, name[0] ? "/" : "", name) < 0)
		return NULL;
	line = command_of(verb, path);
	free(path);
	return line;
}

/* Sends up to three commands that are each one word and the name of an object; in binary mode, for
 * SIZE counts otherwise in another. The replies are those to the last of count + 1. */
static int ask(struct ftp_drive *f, struct ftp_session *s, const char *const (*rows)[2],
	       size_t count, struct error *err)
{
	char *lines[4] = { "TYPE I" };
	int code = ERR_NONE;

	for (size_t i = 0; i < count; i++) {
		lines[i + 1] = ftp_command(f, rows[i][0], rows[i][1]);
		if (!lines[i + 1])
			code = err_nomem(err);
	}
	if (code == ERR_NONE)
		code = ftp_commands(s, (const char *const *)lines, count + 1, err);
	if (code == ERR_NONE && ftp_reply_to(s, 0, count + 1)->code >= 300)
		code = ftp_refused(s, ftp_reply_to(s, 0, count + 1), "TYPE I", err);
	for (size_t i = 0; i < count; i++)
		free(lines[i + 1]);
	return code;
}

/* What the reply to SIZE says. ERR_NOT_FOUND: there is no such file. */
static int size_of(const struct ftp_session *s, const struct ftp_reply *r, const char *what,
		   uint64_t *out, struct error *err)
{
	if (ftp_reply_size(r, out))
		return ERR_NONE;
	return ftp_refused(s, r, what, err);
}

static int size_ask(struct ftp_drive *f, struct ftp_session *s, const char *name, uint64_t *out,
		    struct error *err)
{
	const char *const rows[][2] = { { "SIZE", name } };
	int code = ask(f, s, rows, 1, err);

	return code == ERR_NONE ? size_of(s, ftp_reply_to(s, 1, 2), name, out, err) : code;
}

int ftp_folder_exists(struct ftp_session *s, const char *path, bool *exists, struct error *err)
{
	char *line = command_of("CWD", path[0] ? path : "/");
	const struct ftp_reply *r;
	int code = line ? ftp_commands(s, (const char *const[]){ line }, 1, err) : err_nomem(err);

	free(line);
	if (code != ERR_NONE)
		return code;
	r = ftp_reply_to(s, 0, 1);
	*exists = r->code < 300;
	if (*exists || ftp_reply_error(r) == ERR_NOT_FOUND)
		return ERR_NONE;
	return ftp_refused(s, r, "open folder", err);
}

/* ---- folders ---- */

/* Makes it if it is not there; what is wrong with it is seen when it is used. */
static int folder_make(struct ftp_session *s, const char *path, struct error *err)
{
	char *line = command_of("MKD", path);
	int code = line ? ftp_commands(s, (const char *const[]){ line }, 1, err) : err_nomem(err);

	free(line);
	return code;
}

static bool is_made(struct ftp_drive *f, const char *folder)
{
	bool found = false;

	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->made.count && !found; i++)
		found = strcmp(f->made.paths[i], folder) == 0;
	pthread_mutex_unlock(&f->lock);
	return found;
}

static void forget_made(struct ftp_drive *f)
{
	pthread_mutex_lock(&f->lock);
	folder_set_release(&f->made);
	pthread_mutex_unlock(&f->lock);
}

/* Of the first len bytes of name; 0: .mrmr itself. */
static int folder_make_once(struct ftp_drive *f, struct ftp_session *s, const char *name,
			    size_t len, struct error *err)
{
	char folder[OBJECT_NAME_MAX + 2], *path;
	int code;

	snprintf(folder, sizeof(folder), "%.*s", (int)len, name);
	if (is_made(f, folder))
		return ERR_NONE;
	path = ftp_command(f, NULL, folder);
	code = path ? folder_make(s, path, err) : err_nomem(err);
	free(path);
	if (code != ERR_NONE)
		return code;
	folder[len] = '/'; /* the parent of what is in it */
	folder[len + 1] = '\0';
	pthread_mutex_lock(&f->lock);
	if (!folder_set_add_parent(&f->made, folder))
		code = err_nomem(err);
	pthread_mutex_unlock(&f->lock);
	return code;
}

/* Makes the folder that name is in, and those above it, each once. */
static int parents_make(struct ftp_drive *f, struct ftp_session *s, const char *name,
			struct error *err)
{
	int code = folder_make_once(f, s, name, 0, err);

	for (const char *slash = strchr(name, '/'); slash && code == ERR_NONE;
	     slash = strchr(slash + 1, '/'))
		code = folder_make_once(f, s, name, (size_t)(slash - name), err);
	return code;
}

/* ---- open, close ---- */

static void site_release(struct ftp_site *site)
{
	free(site->host);
	free(site->user);
	credential_release(&site->password);
	free(site->ca_copy);
	free(site->root);
}

static void ftp_close(struct drive *d)
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
			code = folder_make(s, part, err);
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

static int ftp_probe(struct ftp_drive *f, struct error *err);

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
		code = ftp_probe(f, err);
		if (code == ERR_NONE && find_tls)
			options->learned(options->learned_ctx, "tls",
					 f->site.tls == FTP_IMPLICIT ? "implicit" : "explicit");
	}
	return code;
}

static int ftp_open(const char *text, const struct drive_options *options, struct drive **out,
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
		f->driver.connections_max = connections < CONNECTIONS_LIMIT ? (unsigned)connections
									    : CONNECTIONS_LIMIT;
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

/* ---- put, move ---- */

static void drop(struct ftp_drive *f, struct ftp_session *s, const char *name)
{
	char *line = ftp_command(f, "DELE", name);
	struct error ignored;

	if (line)
		ftp_commands(s, (const char *const[]){ line }, 1, &ignored);
	free(line);
}

/* What exists at a place that a reply to SIZE is of. ERR_EXISTS: something. */
static int must_be_free(const struct ftp_session *s, const struct ftp_reply *r, const char *name,
			struct error *err)
{
	uint64_t len_bytes;
	int code = size_of(s, r, name, &len_bytes, err);

	if (code == ERR_NONE)
		return err_set(err, ERR_EXISTS, "%s: the name is taken", name);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

static int rename_once(struct ftp_drive *f, struct ftp_session *s, const char *from,
		       const char *to, struct error *err)
{
	const char *const rows[][2] = { { "RNFR", from }, { "RNTO", to } };
	int code = ask(f, s, rows, 2, err);

	if (code != ERR_NONE)
		return code;
	if (ftp_reply_to(s, 1, 3)->code >= 400)
		return ftp_refused(s, ftp_reply_to(s, 1, 3), "rename", err);
	if (ftp_reply_to(s, 2, 3)->code >= 300)
		return ftp_refused(s, ftp_reply_to(s, 2, 3), "rename", err);
	return ERR_NONE;
}

/* The name is free, as far as can be told. */
static int rename_to(struct ftp_drive *f, struct ftp_session *s, const char *from, const char *to,
		     struct error *err)
{
	int code = parents_make(f, s, to, err);

	if (code == ERR_NONE)
		code = rename_once(f, s, from, to, err);
	/* Somebody may have removed a folder that was there. */
	if (code == ERR_NOT_FOUND) {
		forget_made(f);
		code = parents_make(f, s, to, err);
		if (code == ERR_NONE)
			code = rename_once(f, s, from, to, err);
	}
	/* Both were looked at before: this is about something else. */
	if (code == ERR_NOT_FOUND)
		code = (int)(err->code = ERR_IO);
	return code;
}

/* Uploads to a temporary name, and looks once more whether the name is free. */
static int upload_temp(struct ftp_drive *f, struct ftp_session *s, const char *temp,
		       const char *name, const void *bytes, size_t len_bytes, struct error *err)
{
	char *path = ftp_command(f, NULL, temp);
	char *lines[2] = { ftp_command(f, "SIZE", temp), ftp_command(f, "SIZE", name) };
	uint64_t stored_bytes;
	int code;

	if (path && lines[0] && lines[1])
		code = ftp_upload(s, path, bytes, len_bytes, (const char *const *)lines, 2, err);
	else
		code = err_nomem(err);
	if (code == ERR_NONE)
		code = size_of(s, ftp_reply_to(s, 0, 2), "compare the size", &stored_bytes, err);
	if (code == ERR_NONE && stored_bytes != len_bytes)
		code = err_set(err, ERR_IO, "of %zu bytes the server stored %llu", len_bytes,
			       (unsigned long long)stored_bytes);
	if (code == ERR_NONE)
		code = must_be_free(s, ftp_reply_to(s, 1, 2), name, err);
	free(path);
	free(lines[0]);
	free(lines[1]);
	return code;
}

/* Once for each drive. */
static void sweep_once(struct ftp_drive *f, struct ftp_session *s)
{
	bool swept;

	pthread_mutex_lock(&f->lock);
	swept = f->swept;
	f->swept = true;
	pthread_mutex_unlock(&f->lock);
	if (!swept)
		ftp_sweep(f, s);
}

static int put_in(struct ftp_drive *f, struct ftp_session *s, const char *name, const void *bytes,
		  size_t len_bytes, struct error *err)
{
	const char *const rows[][2] = { { "SIZE", name } };
	char temp[96];
	int code = ask(f, s, rows, 1, err);

	snprintf(temp, sizeof(temp), "%s/%s-%ld-%u", FTP_TEMP_FOLDER, f->tag, (long)getpid(),
		 atomic_fetch_add(&next_temp, 1));
	if (code == ERR_NONE)
		code = must_be_free(s, ftp_reply_to(s, 1, 2), name, err);
	if (code == ERR_NONE)
		code = parents_make(f, s, temp, err);
	if (code != ERR_NONE)
		return code;
	sweep_once(f, s);
	code = upload_temp(f, s, temp, name, bytes, len_bytes, err);
	if (code == ERR_NONE)
		code = rename_to(f, s, temp, name, err);
	/* A server that does not answer is left with it: the next put tidies up. */
	if (code != ERR_NONE && code != ERR_TRANSIENT)
		drop(f, s, temp);
	/* There is no object yet: what is not found is something of the place. */
	if (code == ERR_NOT_FOUND) {
		forget_made(f);
		err->code = ERR_IO;
	}
	return code == ERR_NONE ? code : (int)err->code;
}

static int ftp_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
		   struct error *err)
{
	struct ftp_drive *f = (struct ftp_drive *)d;
	struct ftp_session *s;
	int code = object_name_check(name, err);

	if (code != ERR_NONE)
		return code;
	s = ftp_take(f, err);
	if (!s)
		return ERR_NOMEM;
	code = put_in(f, s, name, bytes, len_bytes, err);
	ftp_give(f, s);
	return code == ERR_NONE ? code : err_wrap(err, "put %s", name);
}

static int move_in(struct ftp_drive *f, struct ftp_session *s, const char *from, const char *to,
		   struct error *err)
{
	const char *const rows[][2] = { { "SIZE", from }, { "SIZE", to } };
	uint64_t len_bytes;
	int code = ask(f, s, rows, 2, err);

	if (code == ERR_NONE)
		code = size_of(s, ftp_reply_to(s, 1, 3), from, &len_bytes, err);
	if (code == ERR_NONE)
		code = must_be_free(s, ftp_reply_to(s, 2, 3), to, err);
	return code == ERR_NONE ? rename_to(f, s, from, to, err) : code;
}

static int ftp_move(struct drive *d, const char *from, const char *to, struct error *err)
{
	struct ftp_drive *f = (struct ftp_drive *)d;
	struct ftp_session *s;
	int code = object_name_check(from, err);

	if (code == ERR_NONE)
		code = object_name_check(to, err);
	if (code != ERR_NONE)
		return code;
	s = ftp_take(f, err);
	if (!s)
		return ERR_NOMEM;
	code = move_in(f, s, from, to, err);
	ftp_give(f, s);
	return code == ERR_NONE ? code : err_wrap(err, "move %s to %s", from, to);
}

/* ---- get, stat, remove ---- */

static int get_in(struct ftp_drive *f, struct ftp_session *s, const char *name,
		  uint64_t offset_bytes, void *out, size_t len_bytes, struct error *err)
{
	char *path;
	size_t got_bytes;
	uint64_t size_bytes;
	int code;

	/* Nothing is that long; of nothing there is no transfer. */
	if (len_bytes == 0 || offset_bytes > INT64_MAX || len_bytes > INT64_MAX - offset_bytes) {
		code = size_ask(f, s, name, &size_bytes, err);
		if (code == ERR_NONE && (len_bytes > 0 || offset_bytes > size_bytes))
			code = err_set(err, ERR_CORRUPT, "ends after %llu bytes",
				       (unsigned long long)size_bytes);
		return code;
	}
	path = ftp_command(f, NULL, name);
	code = path ? ftp_download(s, path, offset_bytes, out, len_bytes, &got_bytes, err)
		    : err_nomem(err);
	free(path);
	if (code == ERR_NONE && got_bytes < len_bytes)
		code = err_set(err, ERR_CORRUPT, "ends %zu bytes too early", len_bytes - got_bytes);
	return code;
}

static int ftp_get(struct drive *d, const char *name, uint64_t offset_bytes, void *out,
		   size_t len_bytes, struct error *err)
{
	struct ftp_drive *f = (struct ftp_drive *)d;
	struct ftp_session *s;
	int code = object_name_check(name, err);

	if (code != ERR_NONE)
		return code;
	s = ftp_take(f, err);
	if (!s)
		return ERR_NOMEM;
	code = get_in(f, s, name, offset_bytes, out, len_bytes, err);
	ftp_give(f, s);
	return code == ERR_NONE ? code : err_wrap(err, "get %s", name);
}

static int ftp_stat(struct drive *d, const char *name, struct object_stat *out, struct error *err)
{
	struct ftp_drive *f = (struct ftp_drive *)d;
	struct ftp_session *s;
	int code = object_name_check(name, err);

	if (code != ERR_NONE)
		return code;
	s = ftp_take(f, err);
	if (!s)
		return ERR_NOMEM;
	code = size_ask(f, s, name, &out->len_bytes, err);
	ftp_give(f, s);
	return code == ERR_NONE ? code : err_wrap(err, "stat %s", name);
}

/* A refusal is told apart by whether the object is there. */
static int remove_in(struct ftp_drive *f, struct ftp_session *s, const char *name,
		     struct error *err)
{
	const char *const rows[][2] = { { "DELE", name }, { "SIZE", name } };
	const struct ftp_reply *deleted, *size;
	uint64_t len_bytes;
	int code = ask(f, s, rows, 2, err);

	if (code != ERR_NONE)
		return code;
	deleted = ftp_reply_to(s, 1, 3);
	size = ftp_reply_to(s, 2, 3);
	if (deleted->code < 300)
		return ERR_NONE;
	if (!ftp_reply_size(size, &len_bytes) && ftp_reply_error(deleted) == ERR_NOT_FOUND &&
	    ftp_reply_error(size) == ERR_NOT_FOUND)
		return ERR_NONE;
	code = ftp_refused(s, deleted, "DELE", err);
	return code == ERR_NOT_FOUND ? (int)(err->code = ERR_DENIED) : code;
}

static int ftp_remove(struct drive *d, const char *name, struct error *err)
{
	struct ftp_drive *f = (struct ftp_drive *)d;
	struct ftp_session *s;
	int code = object_name_check(name, err);

	if (code != ERR_NONE)
		return code;
	s = ftp_take(f, err);
	if (!s)
		return ERR_NOMEM;
	code = remove_in(f, s, name, err);
	ftp_give(f, s);
	return code == ERR_NONE ? code : err_wrap(err, "remove %s", name);
}

/* The protocol has nothing for it. */
static int ftp_sync(struct drive *d, struct error *err)
{
	(void)d;
	(void)err;
	return ERR_NONE;
}

static int ftp_about(struct drive *d, struct drive_about *out, struct error *err)
{
	const struct ftp_site *site = &((struct ftp_drive *)d)->site;

	(void)err;
	*out = (struct drive_about){ 0 };
	snprintf(out->domain, sizeof(out->domain), "host %.100s:%u", site->host, site->port);
	return ERR_NONE;
}

/* ---- what a place can do, before anything depends on it ---- */

static int note_probe(void *ctx, const char *name, uint64_t len_bytes)
{
	*(bool *)ctx |= strstr(name, "/probe-") != NULL && len_bytes == 5;
	return 0;
}

/* Stores, finds and removes an object, as all others will be. */
static int ftp_probe(struct ftp_drive *f, struct error *err)
{
	char name[64];
	bool found = false;
	int code, removed;
	struct error ignored;

	snprintf(name, sizeof(name), "quarantine/probe-%s-%ld", f->tag, (long)getpid());
	code = ftp_put(&f->base, name, "probe", 5, err);
	if (code == ERR_NONE)
		code = ftp_list(&f->base, name, note_probe, &found, err);
	removed = ftp_remove(&f->base, name, code == ERR_NONE ? err : &ignored);
	if (code == ERR_NONE)
		code = removed;
	if (code == ERR_NONE && !found)
		code = err_set(err, ERR_UNSUPPORTED, "the server does not list what it stores");
	return code == ERR_NONE ? code : err_wrap(err, "try what the server can");
}

const struct mrmr_driver driver_ftp = {
	.kind = "ftp",
	.flags = DRIVER_REMOTE | DRIVER_RACES,
	.connections_max = CONNECTIONS_LIMIT,
	.options = ftp_options,
	.open = ftp_open,
	.close = ftp_close,
	.put = ftp_put,
	.get = ftp_get,
	.stat = ftp_stat,
	.list = ftp_list,
	.move = ftp_move,
	.remove = ftp_remove,
	.sync = ftp_sync,
	.about = ftp_about,
};
