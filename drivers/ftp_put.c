#include "drivers/ftp.h"
#include "drivers/name.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Over all drives of the process: two of them may be the same folder under the same tag. */
static atomic_uint next_temp;

/* ---- folders ---- */

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
	code = path ? ftp_folder_make(s, path, err) : err_nomem(err);
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
	int code = ftp_size_of(s, r, name, &len_bytes, err);

	if (code == ERR_NONE)
		return err_set(err, ERR_EXISTS, "%s: the name is taken", name);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

static int rename_once(struct ftp_drive *f, struct ftp_session *s, const char *from,
		       const char *to, struct error *err)
{
	const char *const rows[][2] = { { "RNFR", from }, { "RNTO", to } };
	int code = ftp_ask(f, s, rows, 2, err);

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
		code = ftp_size_of(s, ftp_reply_to(s, 0, 2), "compare the size", &stored_bytes, err);
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
	int code = ftp_ask(f, s, rows, 1, err);

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

int ftp_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
		   struct error *err)
{
	struct ftp_drive *f = (struct ftp_drive *)d;
	struct ftp_session *s = ftp_take_for(f, name, err);
	int code;

	if (!s)
		return (int)err->code;
	code = put_in(f, s, name, bytes, len_bytes, err);
	ftp_give(f, s);
	return code == ERR_NONE ? code : err_wrap(err, "put %s", name);
}

static int move_in(struct ftp_drive *f, struct ftp_session *s, const char *from, const char *to,
		   struct error *err)
{
	const char *const rows[][2] = { { "SIZE", from }, { "SIZE", to } };
	uint64_t len_bytes;
	int code = ftp_ask(f, s, rows, 2, err);

	if (code == ERR_NONE)
		code = ftp_size_of(s, ftp_reply_to(s, 1, 3), from, &len_bytes, err);
	if (code == ERR_NONE)
		code = must_be_free(s, ftp_reply_to(s, 2, 3), to, err);
	return code == ERR_NONE ? rename_to(f, s, from, to, err) : code;
}

int ftp_move(struct drive *d, const char *from, const char *to, struct error *err)
{
	struct ftp_drive *f = (struct ftp_drive *)d;
	struct ftp_session *s;
	int code = object_name_check(to, err);

	if (code != ERR_NONE)
		return code;
	s = ftp_take_for(f, from, err);
	if (!s)
		return (int)err->code;
	code = move_in(f, s, from, to, err);
	ftp_give(f, s);
	return code == ERR_NONE ? code : err_wrap(err, "move %s to %s", from, to);
}
