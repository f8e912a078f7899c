/*
 * A folder of an FTP server, with TLS (ftps) or without (ftp).
 *
 * The protocol has no exclusive rename, no sync and no digest. So an object is uploaded under a
 * temporary name, its size is compared, its name is looked for, and then it is renamed. Between the
 * last two another host may take the name; names are made from the bytes, so it is the same object.
 * What is durable when, the server decides.
 */
#include "drivers/ftp.h"
#include "drivers/domain.h"
#include "drivers/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_LIMIT 16

static const char *const ftp_options[] = { "user", "password", "ca", "tls", NULL };

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

struct ftp_session *ftp_take_for(struct ftp_drive *f, const char *name, struct error *err)
{
	return object_name_check(name, err) == ERR_NONE ? ftp_take(f, err) : NULL;
}

void ftp_give(struct ftp_drive *f, struct ftp_session *s)
{
	bool ends = s->out_of_step;

	if (ends)
		ftp_session_free(s);
	pthread_mutex_lock(&f->lock);
	if (!ends) {
		s->next = f->idle;
		f->idle = s;
	}
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

/* What is no reply to TYPE (RFC 959, 5.4) is the reply to something else, and so are those after it. */
static int type_check(struct ftp_session *s, const struct ftp_reply *r, struct error *err)
{
	static const unsigned refusals[] = { 421, 500, 501, 502, 504, 530 };

	if (r->code == 200)
		return ERR_NONE;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (r->code == refusals[i])
			return ftp_refused(s, r, "TYPE I", err);
	s->out_of_step = true;
	ftp_refused(s, r, "replies are out of step: TYPE I", err);
	return (int)(err->code = ERR_TRANSIENT);
}

int ftp_ask(struct ftp_drive *f, struct ftp_session *s, const char *const (*rows)[2],
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
	if (code == ERR_NONE)
		code = type_check(s, ftp_reply_to(s, 0, count + 1), err);
	for (size_t i = 0; i < count; i++)
		free(lines[i + 1]);
	return code;
}

int ftp_size_of(const struct ftp_session *s, const struct ftp_reply *r, const char *what,
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
	int code = ftp_ask(f, s, rows, 1, err);

	return code == ERR_NONE ? ftp_size_of(s, ftp_reply_to(s, 1, 2), name, out, err) : code;
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

int ftp_folder_make(struct ftp_session *s, const char *path, struct error *err)
{
	char *line = command_of("MKD", path);
	int code = line ? ftp_commands(s, (const char *const[]){ line }, 1, err) : err_nomem(err);

	free(line);
	return code;
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
	struct ftp_session *s = ftp_take_for(f, name, err);
	int code;

	if (!s)
		return (int)err->code;
	code = get_in(f, s, name, offset_bytes, out, len_bytes, err);
	ftp_give(f, s);
	return code == ERR_NONE ? code : err_wrap(err, "get %s", name);
}

static int ftp_stat(struct drive *d, const char *name, struct object_stat *out, struct error *err)
{
	struct ftp_drive *f = (struct ftp_drive *)d;
	struct ftp_session *s = ftp_take_for(f, name, err);
	int code;

	if (!s)
		return (int)err->code;
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
	int code = ftp_ask(f, s, rows, 2, err);

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
	struct ftp_session *s = ftp_take_for(f, name, err);
	int code;

	if (!s)
		return (int)err->code;
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
	host_domain(site->host, site->port, out->domain);
	return ERR_NONE;
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
